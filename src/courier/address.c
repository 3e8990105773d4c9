#include "courier/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* ---- the text */

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Letters, digits, "-" and "_", each label 1 to 63 long and neither begun nor ended by "-". */
static bool name_ok(vk_str host)
{
    size_t label = 0;
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        if (c == '.') {
            if (label == 0 || host.p[i - 1] == '-')
                return false;
            label = 0;
            continue;
        }
        bool inner = c == '-' && label > 0;
        if (!inner && c != '_' && !digit(c) && !(c >= 'a' && c <= 'z'))
            return false;
        if (++label > 63)
            return false;
    }
    return label > 0 && host.p[host.n - 1] != '-';
}

/* Whether other parsers may take the name for a number: the last label is digits, or hexadecimal. */
static bool ends_in_number(vk_str host)
{
    size_t at = host.n;
    while (at && host.p[at - 1] != '.')
        at--;
    vk_str last = {host.p + at, host.n - at};
    bool digits = last.n > 0;
    for (size_t i = 0; i < last.n; i++)
        digits &= digit(last.p[i]);
    return digits || (last.n >= 2 && last.p[0] == '0' && last.p[1] == 'x');
}

static vk_err take_host(vk_str *rest, vk_target *t, const char **why_r)
{
    size_t n = 0;
    uint8_t address[16];
    if (rest->n && rest->p[0] == '[') {
        const char *end = memchr(rest->p, ']', rest->n);
        n = end ? (size_t)(end - rest->p) - 1 : 0;
        *why_r = "the host in brackets is not an IPv6 address";
        if (n == 0 || n > 45)
            return VK_E_INVALID;
        memcpy(t->host, rest->p + 1, n);
        t->host[n] = '\0';
        /* Written as one writes it (RFC 5952), so that an origin is the same however it was written. */
        if (inet_pton(AF_INET6, t->host, address) != 1 ||
            !inet_ntop(AF_INET6, address, t->host, sizeof t->host))
            return VK_E_INVALID;
        t->literal = true;
        rest->p += n + 2;
        rest->n -= n + 2;
        return VK_OK;
    }
    while (n < rest->n && rest->p[n] != ':' && rest->p[n] != '/' && rest->p[n] != '?')
        n++;
    vk_str host = {rest->p, n};
    rest->p += n;
    rest->n -= n;
    if (host.n && host.p[host.n - 1] == '.')
        host.n--;
    *why_r =
        "the host is not a name: letters, digits, \"-\" and \".\", at most 253 characters; names in other "
        "scripts in their xn-- form";
    if (host.n == 0 || host.n > VK_HOST_MAX)
        return VK_E_INVALID;
    for (size_t i = 0; i < host.n; i++)
        t->host[i] = host.p[i] >= 'A' && host.p[i] <= 'Z' ? (char)(host.p[i] | 0x20) : host.p[i];
    t->host[host.n] = '\0';
    vk_str lower = {t->host, host.n};
    if (!name_ok(lower))
        return VK_E_INVALID;
    if (ends_in_number(lower)) {
        *why_r = "the host is a number: write an IPv4 address as four decimal numbers without leading zeros";
        if (inet_pton(AF_INET, t->host, address) != 1)
            return VK_E_INVALID;
        t->literal = true;
    }
    return VK_OK;
}

static vk_err take_port(vk_str *rest, vk_target *t, const char **why_r)
{
    int64_t port = 0;
    size_t n = 1;
    t->port = t->tls ? 443 : 80;
    if (rest->n == 0 || rest->p[0] != ':')
        return VK_OK;
    while (n < rest->n && digit(rest->p[n]))
        n++;
    *why_r = "the port is not a number from 1 to 65535";
    if (n < 2 || n > 6 || vk_str_to_i64((vk_str){rest->p + 1, n - 1}, &port) != VK_OK || port < 1 ||
        port > 65535)
        return VK_E_INVALID;
    t->port = (uint16_t)port;
    rest->p += n;
    rest->n -= n;
    return VK_OK;
}

vk_err vk_target_parse(vk_str url, vk_target *out_r, const char **why_r)
{
    *out_r = (vk_target){0};
    *why_r = "it is empty or longer than 2048 characters";
    if (url.n == 0 || url.n > VK_TARGET_MAX)
        return VK_E_INVALID;
    *why_r = "it has a character that does not belong into a URL; write it percent-encoded";
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= ' ' || url.p[i] > '~' || strchr("\"<>\\^`{|}", url.p[i]))
            return VK_E_INVALID;
    *why_r = "it has a fragment (#…), which is never sent";
    if (memchr(url.p, '#', url.n))
        return VK_E_INVALID;
    vk_str scheme, rest = url;
    *why_r = "it does not begin with https:// (or http:// for a registered origin)";
    if (!vk_str_cut(&rest, ':', &scheme) || !vk_str_starts(rest, VK_STR("//")))
        return VK_E_INVALID;
    out_r->tls = vk_str_ieq(scheme, VK_STR("https"));
    if (!out_r->tls && !vk_str_ieq(scheme, VK_STR("http")))
        return VK_E_INVALID;
    rest = (vk_str){rest.p + 2, rest.n - 2};
    size_t authority = 0;
    while (authority < rest.n && rest.p[authority] != '/' && rest.p[authority] != '?')
        authority++;
    *why_r = "it has a user or password in front of its host";
    if (memchr(rest.p, '@', authority))
        return VK_E_INVALID;
    vk_err e = take_host(&rest, out_r, why_r);
    if (e == VK_OK)
        e = take_port(&rest, out_r, why_r);
    if (e != VK_OK)
        return e;
    *why_r = "there is something between its host and its path";
    if (rest.n && rest.p[0] != '/' && rest.p[0] != '?')
        return VK_E_INVALID;
    out_r->path = rest;
    return VK_OK;
}

bool vk_target_has_origin(const vk_target *t, vk_str origin)
{
    vk_target o;
    const char *why;
    return vk_target_parse(origin, &o, &why) == VK_OK && o.tls == t->tls && o.port == t->port &&
           strcmp(o.host, t->host) == 0 && (o.path.n == 0 || vk_str_eqz(o.path, "/"));
}

/* ---- networks */

vk_err vk_network_parse(vk_str text, vk_network *out_r)
{
    char address[INET6_ADDRSTRLEN];
    vk_str bits = text, before;
    int64_t n = -1;
    bool cut = vk_str_cut(&bits, '/', &before);
    if (!cut)
        before = text;
    if (before.n == 0 || before.n >= sizeof address ||
        (cut && (vk_str_to_i64(bits, &n) != VK_OK || n < 0 || !digit(bits.p[0]))))
        return VK_E_INVALID;
    memcpy(address, before.p, before.n);
    address[before.n] = '\0';
    *out_r = (vk_network){.bits = 128};
    if (inet_pton(AF_INET, address, out_r->address + 12) == 1) {
        out_r->address[10] = out_r->address[11] = 0xff;
        if (n > 32)
            return VK_E_INVALID;
        out_r->bits = (uint8_t)(n < 0 ? 128 : 96 + n);
        return VK_OK;
    }
    if (inet_pton(AF_INET6, address, out_r->address) != 1 || n > 128)
        return VK_E_INVALID;
    out_r->bits = (uint8_t)(n < 0 ? 128 : n);
    return VK_OK;
}

static bool inside(const uint8_t a[16], const uint8_t net[16], unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, net, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ net[whole]) >> (8 - rest)) == 0;
}

/* ---- the address */

/* What is never dialled, whatever the operator allows, comes first. `private`: the operator may open it. */
static const struct {
    const char *network;
    enum { NEVER, PRIVATE, LOOPBACK } kind;
    const char *why;
} refused[] = {
    {"169.254.169.254", NEVER, "it is a cloud's metadata address"},
    {"168.63.129.16", NEVER, "it is a cloud's metadata address"},
    {"100.100.100.200", NEVER, "it is a cloud's metadata address"},
    {"169.254.170.2", NEVER, "it is a cloud's metadata address"},
    {"fd00:ec2::254", NEVER, "it is a cloud's metadata address"},
    {"fd20:ce::254", NEVER, "it is a cloud's metadata address"},
    {"127.0.0.0/8", LOOPBACK, "it is an address of this machine (loopback)"},
    {"::1", LOOPBACK, "it is an address of this machine (loopback)"},
    {"0.0.0.0/8", NEVER, "it is an address of this machine"},
    {"::", NEVER, "it is an address of this machine"},
    {"10.0.0.0/8", PRIVATE, "it is in a private network"},
    {"172.16.0.0/12", PRIVATE, "it is in a private network"},
    {"192.168.0.0/16", PRIVATE, "it is in a private network"},
    {"100.64.0.0/10", PRIVATE, "it is in a carrier's private network"},
    {"fc00::/7", PRIVATE, "it is in a private network"},
    {"169.254.0.0/16", NEVER, "it is a link-local address"},
    {"fe80::/10", NEVER, "it is a link-local address"},
    {"fec0::/10", NEVER, "it is a site-local address"},
    {"192.0.0.0/24", NEVER, "it is reserved for protocols"},
    {"192.88.99.0/24", NEVER, "it is a relay's address (6to4)"},
    {"198.18.0.0/15", NEVER, "it is reserved for benchmarks"},
    {"192.0.2.0/24", NEVER, "it is reserved for documentation"},
    {"198.51.100.0/24", NEVER, "it is reserved for documentation"},
    {"203.0.113.0/24", NEVER, "it is reserved for documentation"},
    {"224.0.0.0/4", NEVER, "it is a multicast address"},
    {"240.0.0.0/4", NEVER, "it is reserved"},
    {"ff00::/8", NEVER, "it is a multicast address"},
    {"64:ff9b::/96", NEVER, "it hides an IPv4 address (NAT64)"},
    {"64:ff9b:1::/48", NEVER, "it hides an IPv4 address (NAT64)"},
    {"2002::/16", NEVER, "it hides an IPv4 address (6to4)"},
    {"2001::/32", NEVER, "it hides an IPv4 address (Teredo)"},
    {"2001:db8::/32", NEVER, "it is reserved for documentation"},
    {"3fff::/20", NEVER, "it is reserved for documentation"},
    {"100::/64", NEVER, "it is a discard address"},
    {"5f00::/16", NEVER, "it is reserved for segment routing"},
    {"::ffff:0:0:0/96", NEVER, "it hides an IPv4 address (SIIT)"},
    {"::/96", NEVER, "it hides an IPv4 address (IPv4-compatible)"},
};

static bool address_of(const struct sockaddr *a, uint8_t out[16], uint16_t *port_r)
{
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)a;
        memset(out, 0, 10);
        out[10] = out[11] = 0xff;
        memcpy(out + 12, &v4->sin_addr, 4);
        *port_r = ntohs(v4->sin_port);
        return true;
    }
    if (a->sa_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;
    memcpy(out, &v6->sin6_addr, 16);
    *port_r = ntohs(v6->sin6_port);
    return true;
}

const char *vk_egress_address(const vk_egress *e, const struct sockaddr *a, bool local, bool registered)
{
    uint8_t address[16];
    uint16_t port = 0;
    if (!address_of(a, address, &port))
        return "it is no internet address";
    bool open = false;
    for (size_t i = 0; i < e->n_allow; i++)
        open |= inside(address, e->allow[i].address, e->allow[i].bits);
    for (size_t i = 0; i < VK_COUNT(refused); i++) {
        vk_network net;
        if (vk_network_parse(vk_str_z(refused[i].network), &net) != VK_OK)
            return "the list of refused networks is damaged";
        if (!inside(address, net.address, net.bits))
            continue;
        if (refused[i].kind == LOOPBACK && registered) {
            local = true;
            break;
        }
        if (refused[i].kind == PRIVATE && open)
            break;
        return refused[i].why;
    }
    bool ours = port >= e->own_port && port < e->own_port + e->own_ports;
    for (size_t i = 0; i < e->n_own; i++)
        ours = ours || port == e->own[i];
    if (local && ours)
        return "it is a listener of valetkey itself";
    return NULL;
}

const char *vk_egress_port(const vk_egress *e, const vk_target *t, bool registered)
{
    if (registered)
        return NULL;
    if (!t->tls)
        return "only https is spoken, except with a registered origin of the build";
    if (t->port == 443)
        return NULL;
    for (size_t i = 0; i < e->n_ports; i++)
        if (e->ports[i] == t->port)
            return NULL;
    return "only port 443 is open, and those that the operator lists (egress_ports)";
}
