/* Which addresses courier may speak to: the text of a URL that somebody typed, and the socket address that
 * its host resolved to. Both are looked at; the address decides. Pure. Source of the list: the IANA
 * special-purpose registries (RFC 6890, RFC 8190), and the clouds' metadata addresses. */
#ifndef VK_COURIER_ADDRESS_H
#define VK_COURIER_ADDRESS_H

#include "core/base.h"

#include <sys/socket.h>

enum { VK_TARGET_MAX = 2048, VK_HOST_MAX = 253, VK_ALLOW_MAX = 16 };

/* A parsed URL; views into its text, except `host`. */
typedef struct vk_target {
    bool tls;                   /* https */
    bool literal;               /* the host is an address */
    char host[VK_HOST_MAX + 3]; /* lower case, without brackets and without a final dot */
    uint16_t port;
    vk_str path; /* with its query; at least "/" is to be sent when it is empty */
} vk_target;

/* A network in CIDR notation. IPv4 ones are kept as ::ffff:a.b.c.d/96+n. */
typedef struct vk_network {
    uint8_t address[16];
    uint8_t bits;
} vk_network;

typedef struct vk_egress {
    vk_network allow[VK_ALLOW_MAX]; /* private networks that the operator opened */
    size_t n_allow;
    uint16_t ports[VK_ALLOW_MAX]; /* further ports that the operator opened; 443 is always open */
    size_t n_ports;
    uint16_t own_port, own_ports; /* our listeners: never, on any address of this machine */
} vk_egress;

/* http and https, absolute, one host, no user, no fragment, printable ASCII, nothing that two parsers could
 * read in two ways: a host whose last label is a number must be a plain dotted quad. VK_E_INVALID: *why_r is
 * a static sentence. */
VK_MUSTCHECK vk_err vk_target_parse(vk_str url, vk_target *out_r, const char **why_r);

/* "10.0.0.0/8", "fd00::/8", "192.0.2.7". VK_E_INVALID otherwise. */
VK_MUSTCHECK vk_err vk_network_parse(vk_str text, vk_network *out_r);

/* NULL: courier may use that scheme and port. Otherwise why not, a static sentence. `registered`: the
 * target's origin is one that the build has registered. */
const char *vk_egress_port(const vk_egress *e, const vk_target *t, bool registered);
/* NULL: courier may dial that address. `local`: the address is one of this machine's own. A registered origin
 * may be on loopback, and nothing else is different for it. */
const char *vk_egress_address(const vk_egress *e, const struct sockaddr *a, bool local, bool registered);

/* Whether `origin` ("http://localhost:3000", as a build registers it) is the origin of `t`. */
bool vk_target_has_origin(const vk_target *t, vk_str origin);

#endif
