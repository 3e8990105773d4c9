/* Connections to vendors, by where they lead. */
#include "keeper/order_in.h"

#include "core/log.h"

enum { TRY_AGAIN_MS = 10000 };

typedef struct pool {
    vk_upstream *up; /* NULL: the place is free */
    char host[VK_UPSTREAM_HOST_MAX + 16];
    bool plain;
    uint64_t used;
} pool;

struct vk_order_pools {
    vk_loop *loop;
    const char *ca_file;
    vk_tls_trust *trust; /* NULL: not needed so far, or not to be had at tried_ms */
    int64_t tried_ms;
    vk_lane *lane;
    uint64_t clock;
    pool all[VK_ORDER_POOLS];
};

vk_err vk_order_pools_new(vk_loop *loop, const char *ca_file, vk_lane *lane, vk_order_pools **out_r)
{
    vk_order_pools *p = calloc(1, sizeof *p);
    if (!p)
        return VK_E_NOMEM;
    p->loop = loop;
    p->ca_file = ca_file;
    p->lane = lane;
    *out_r = p;
    return VK_OK;
}

void vk_order_pools_free(vk_order_pools *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < VK_ORDER_POOLS; i++)
        vk_upstream_free(p->all[i].up);
    vk_tls_trust_free(p->trust); /* connections have references of their own */
    free(p);
}

/* Some hundred certificates: an installation without brokered builds never reads them. */
static bool trusts(vk_order_pools *p)
{
    char why[VK_TLS_WHY_MAX] = "";
    int64_t now = vk_loop_now(p->loop);
    if (p->trust || (p->tried_ms && now - p->tried_ms < TRY_AGAIN_MS))
        return p->trust != NULL;
    p->tried_ms = now;
    vk_err e = vk_tls_trust_new(p->ca_file, &p->trust, why);
    if (e != VK_OK || why[0])
        vk_log(e == VK_OK ? VK_WARN : VK_ERROR, "the certificate authorities that vendors are checked by",
               VK_F(why, why));
    return e == VK_OK;
}

/* "host", "host:port", "[address]", "[address]:port". */
static vk_err place_of(vk_str text, bool plain, vk_upstream_place *at)
{
    vk_str host = text, port = VK_STR_NONE, before;
    int64_t number = plain ? 80 : 443;
    if (text.n && text.p[0] == '[') {
        const char *end = memchr(text.p, ']', text.n);
        if (!end)
            return VK_E_INVALID;
        host = (vk_str){text.p + 1, (size_t)(end - text.p) - 1};
        port = (vk_str){end + 1, text.n - host.n - 2};
        if (port.n && (!vk_str_cut(&port, ':', &before) || before.n))
            return VK_E_INVALID;
    } else if (vk_str_cut(&text, ':', &before)) {
        host = before;
        port = text;
    }
    if ((port.p && port.n == 0 && port.p[-1] == ':') || host.n == 0 || host.n > VK_UPSTREAM_HOST_MAX ||
        (port.n && (vk_str_to_i64(port, &number) != VK_OK || number < 1 || number > 65535)))
        return VK_E_INVALID;
    memcpy(at->host, host.p, host.n);
    at->port = (uint16_t)number;
    return VK_OK;
}

static bool at_rest(const pool *x)
{
    vk_upstream_counts c;
    vk_upstream_count(x->up, &c);
    return c.open == c.idle && c.waiting == 0;
}

/* A free place, or that of the pool which nobody has needed for longest. */
static pool *room_for(vk_order_pools *p)
{
    pool *best = NULL;
    for (size_t i = 0; i < VK_ORDER_POOLS; i++) {
        pool *x = &p->all[i];
        if (!x->up)
            return x;
        if ((!best || x->used < best->used) && at_rest(x))
            best = x;
    }
    if (best) {
        vk_upstream_free(best->up);
        best->up = NULL;
    }
    return best;
}

vk_err vk_order_pool(vk_order_pools *p, vk_str host, bool plain, vk_upstream **out_r)
{
    if (host.n >= sizeof p->all[0].host)
        return VK_E_INVALID;
    for (size_t i = 0; i < VK_ORDER_POOLS; i++) {
        pool *x = &p->all[i];
        if (x->up && x->plain == plain && vk_str_eqz(host, x->host)) {
            x->used = ++p->clock;
            *out_r = x->up;
            return VK_OK;
        }
    }
    vk_upstream_place at = {.lane = p->lane};
    vk_err e = place_of(host, plain, &at);
    if (e == VK_OK && !plain && !trusts(p))
        e = VK_E_UNAVAILABLE;
    at.trust = plain ? NULL : p->trust;
    pool *x = e == VK_OK ? room_for(p) : NULL;
    if (e == VK_OK && !x)
        e = VK_E_BUSY;
    if (e == VK_OK)
        e = vk_upstream_new(p->loop, &at, &x->up);
    if (e != VK_OK)
        return e;
    memcpy(x->host, host.p, host.n);
    x->host[host.n] = '\0';
    x->plain = plain;
    x->used = ++p->clock;
    *out_r = x->up;
    return VK_OK;
}
