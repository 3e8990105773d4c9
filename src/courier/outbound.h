/* One HTTP request to a host that somebody typed, behind the guard of courier/address.h. Blocking: for a
 * lane.
 *
 * The host is resolved once; every address is looked at, and one that is refused refuses the call; only what
 * was looked at is dialled, and the address of each socket is looked at again when it is opened. Redirects
 * are answers like others. No proxy, no cookies, no stored passwords, no second use of a connection. */
#ifndef VK_COURIER_OUTBOUND_H
#define VK_COURIER_OUTBOUND_H

#include "core/buf.h"
#include "courier/address.h"
#include "courier/curl.h"

#include <netdb.h>

enum {
    VK_OUTBOUND_MS = 10000, /* for all of it, however slowly bytes come */
    VK_OUTBOUND_CONNECT_MS = 5000,
    VK_OUTBOUND_HEAD_MAX = 16 * 1024,
    VK_OUTBOUND_BODY_MAX = 1024 * 1024,
    VK_OUTBOUND_ADDRESSES = 32, /* of one host; more are refused */
    VK_OUTBOUND_HEADERS = 16,
    VK_OUTBOUND_HEADER_MAX = 4224, /* bytes of one, name and value: a token of 4,096 is one */
};

/* What stays the same. */
typedef struct vk_outbound {
    vk_curl curl;
    vk_egress egress;
    const char *ca_file; /* NULL: the system's */
    int64_t total_ms;    /* 0: VK_OUTBOUND_MS */
    /* getaddrinfo and freeaddrinfo, which a test replaces. NULL: these. */
    int (*resolve)(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **out_r);
    void (*resolved)(struct addrinfo *list);
} vk_outbound;

typedef struct vk_outbound_header {
    vk_str name, value;
} vk_outbound_header;

typedef struct vk_outbound_ask {
    vk_str method, url;
    vk_str content_type, body;         /* of a POST or PUT; may be empty */
    vk_str origin;                     /* one that the build has registered; may be empty */
    const vk_outbound_header *headers; /* further ones */
    size_t n_headers;
    size_t body_max; /* of the answer, at most VK_OUTBOUND_BODY_MAX */
    bool cut;        /* of a longer one the beginning is kept, instead of an error */
} vk_outbound_ask;

/* Why there was no answer. */
typedef enum vk_outbound_lack {
    VK_LACK_NOTHING,
    VK_LACK_INVALID, /* the URL, a header */
    VK_LACK_GUARD,
    VK_LACK_NAME, /* not resolved */
    VK_LACK_REACH,
    VK_LACK_TLS,
    VK_LACK_TIME,
    VK_LACK_SIZE, /* head or body are too large */
} vk_outbound_lack;

typedef struct vk_outbound_answer {
    int status; /* 0: there was none */
    vk_outbound_lack lack;
    int64_t ms;
    vk_buf body;   /* the caller's, initialised by it */
    vk_buf head;   /* likewise: the header lines as they came, each with CRLF. Zeroed: they are not wanted */
    char why[300]; /* when it is not VK_OK: a sentence without its final dot */
} vk_outbound_answer;

/* Whether such a header may be sent: a name of letters, digits and "-" which is none that frames the message
 * or is about the connection (Host, Content-Length, Transfer-Encoding, …), and a value of printable ASCII. */
bool vk_outbound_header_ok(const vk_outbound_header *h);

enum { VK_LOOKED_AT_MAX = VK_OUTBOUND_ADDRESSES * 46 + 1 };
/* The first half of a call: resolves the host and looks at every address. VK_OK: `out` has them, joined by
 * commas. Otherwise answer->lack and answer->why say why not. */
VK_MUSTCHECK vk_err vk_outbound_look(const vk_outbound *o, const vk_target *t, char out[VK_LOOKED_AT_MAX],
                                     vk_outbound_answer *answer);

/* VK_OK: there is a status, whatever it is. VK_E_INVALID: the URL, a header. VK_E_FORBIDDEN: the guard.
 * VK_E_TIMEOUT. VK_E_TOO_LARGE: head or body of the answer. VK_E_UNAVAILABLE: not resolved, not reached, TLS
 * refused. */
VK_MUSTCHECK vk_err vk_outbound_call(const vk_outbound *o, const vk_outbound_ask *ask,
                                     vk_outbound_answer *answer);

#endif
