#include "http/gate.h"

#include "core/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>

vk_err vk_gate_init(vk_gate *g, const vk_limits *l, size_t max)
{
    *g = (vk_gate){.max = max,
                   .address_max = (size_t)l->of[VK_LIMIT_ADDRESS_CONNECTIONS],
                   .bad = vk_rate_of(l->of[VK_LIMIT_BAD_KEY_RATE], l->of[VK_LIMIT_BAD_KEY_BURST]),
                   .bad_rate = l->of[VK_LIMIT_BAD_KEY_RATE]};
    vk_map_init(&g->peers);
    vk_list_init(&g->kept);
    return pthread_mutex_init(&g->mu, NULL) == 0 ? VK_OK : VK_E_NOMEM;
}

static void forget(vk_gate *g, vk_peer *p)
{
    if (!vk_list_empty(&p->kept)) {
        vk_list_remove(&p->kept);
        g->n_kept--;
    }
    vk_map_remove(&g->peers, &p->node);
    free(p);
}

void vk_gate_free(vk_gate *g)
{
    for (vk_map_node *n = vk_map_walk(&g->peers, NULL), *next; n; n = next) {
        next = vk_map_walk(&g->peers, n);
        forget(g, VK_CONTAINER(n, vk_peer, node));
    }
    vk_map_free(&g->peers);
    pthread_mutex_destroy(&g->mu);
}

static void key_of(const struct sockaddr_storage *from, uint64_t *addr_r, sa_family_t *family_r)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)from;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)from;
    *addr_r = 0;
    *family_r = from->ss_family;
    if (from->ss_family == AF_INET) {
        *addr_r = v4->sin_addr.s_addr;
    } else if (from->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        uint32_t inner;
        memcpy(&inner, v6->sin6_addr.s6_addr + 12, sizeof inner);
        *addr_r = inner;
        *family_r = AF_INET;
    } else if (from->ss_family == AF_INET6) { /* who has one address of a /64 has all of them */
        memcpy(addr_r, v6->sin6_addr.s6_addr, sizeof *addr_r);
    }
}

void vk_gate_address(const vk_peer *p, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;
    memset(out, 0, sizeof *out);
    out->ss_family = p->family;
    if (p->family == AF_INET)
        v4->sin_addr.s_addr = (in_addr_t)p->addr;
    else if (p->family == AF_INET6)
        memcpy(v6->sin6_addr.s6_addr, &p->addr, sizeof p->addr);
}

static vk_peer *find(const vk_gate *g, uint64_t addr, sa_family_t family, uint64_t hash)
{
    for (vk_map_node *n = vk_map_find(&g->peers, hash); n; n = vk_map_find_next(n)) {
        vk_peer *p = VK_CONTAINER(n, vk_peer, node);
        if (p->addr == addr && p->family == family)
            return p;
    }
    return NULL;
}

/* Under the lock. NULL when out of memory. */
static vk_peer *peer_for(vk_gate *g, uint64_t addr, sa_family_t family)
{
    uint64_t hash = vk_hash(&addr, sizeof addr);
    vk_peer *p = find(g, addr, family, hash);
    if (p)
        return p;
    p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->addr = addr;
    p->family = family;
    vk_list_init(&p->kept);
    if (vk_map_add(&g->peers, &p->node, hash) == VK_OK)
        return p;
    free(p);
    return NULL;
}

vk_err vk_gate_enter(vk_gate *g, const struct sockaddr_storage *from, vk_peer **out_r)
{
    uint64_t addr;
    sa_family_t family;
    key_of(from, &addr, &family);
    pthread_mutex_lock(&g->mu);
    vk_peer *p = peer_for(g, addr, family);
    vk_err e = !p ? VK_E_NOMEM : p->conns >= g->address_max ? VK_E_BUSY : VK_OK;
    if (e == VK_OK) {
        if (!vk_list_empty(&p->kept)) {
            vk_list_remove(&p->kept);
            g->n_kept--;
        }
        p->conns++;
        size_t n = atomic_fetch_add_explicit(&g->n, 1, memory_order_relaxed) + 1;
        g->most = n > g->most ? n : g->most;
        *out_r = p;
    }
    pthread_mutex_unlock(&g->mu);
    return e;
}

/* An address that has gone is remembered only for what it was refused, so that it does not begin anew by
 * connecting anew. */
void vk_gate_leave(vk_gate *g, vk_peer *p)
{
    atomic_fetch_sub_explicit(&g->n, 1, memory_order_relaxed);
    pthread_mutex_lock(&g->mu);
    if (--p->conns == 0) {
        if (vk_rate_full(&p->bad, vk_clock_mono_ms())) {
            forget(g, p);
        } else {
            if (g->n_kept == VK_GATE_KEPT)
                forget(g, VK_CONTAINER(g->kept.next, vk_peer, kept));
            vk_list_push(&g->kept, &p->kept);
            g->n_kept++;
        }
    }
    pthread_mutex_unlock(&g->mu);
}

bool vk_gate_full(const vk_gate *g)
{
    size_t n = atomic_load_explicit(&g->n, memory_order_relaxed), taken = 0;
    if (n > g->max)
        return true;
    if (!g->room || n <= g->kept_for)
        return false;
    for (size_t i = 0; i < g->room->n_gates; i++) {
        const vk_gate *x = &g->room->gates[i];
        size_t has = atomic_load_explicit(&x->n, memory_order_relaxed);
        taken += has > x->kept_for ? has : x->kept_for;
    }
    return taken > g->room->all;
}

bool vk_gate_emptied(vk_gate *g)
{
    pthread_mutex_lock(&g->mu);
    size_t n = atomic_load_explicit(&g->n, memory_order_relaxed);
    bool so = g->most >= VK_GATE_MANY && n < g->most / 4;
    if (so)
        g->most = n;
    pthread_mutex_unlock(&g->mu);
    return so;
}

int64_t vk_gate_bad_key(const vk_gate *g, vk_peer *p)
{
    return vk_rate_take(&p->bad, &g->bad, vk_clock_mono_ms());
}

int64_t vk_gate_bad_keys(const vk_gate *g, vk_peer *p)
{
    return vk_rate_wait(&p->bad, &g->bad, vk_clock_mono_ms());
}
