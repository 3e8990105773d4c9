#include "core/map.h"

static uint64_t seed[2];

void vk_map_init(vk_map *m)
{
    *m = (vk_map){0};
}

void vk_map_free(vk_map *m)
{
    free(m->buckets);
    vk_map_init(m);
}

static vk_err grow(vk_map *m)
{
    size_t size = m->buckets ? (m->mask + 1) * 2 : 16;
    vk_map_node **fresh = calloc(size, sizeof *fresh);
    if (!fresh)
        return VK_E_NOMEM;
    for (size_t i = 0; m->buckets && i <= m->mask; i++) {
        for (vk_map_node *n = m->buckets[i], *next; n; n = next) {
            next = n->next;
            n->next = fresh[n->hash & (size - 1)];
            fresh[n->hash & (size - 1)] = n;
        }
    }
    free(m->buckets);
    m->buckets = fresh;
    m->mask = size - 1;
    return VK_OK;
}

vk_err vk_map_add(vk_map *m, vk_map_node *node, uint64_t hash)
{
    /* A table that cannot grow still works; only the very first one is needed. */
    if (!m->buckets || m->n > m->mask) {
        vk_err e = grow(m);
        if (e && !m->buckets)
            return e;
    }
    node->hash = hash;
    node->next = m->buckets[hash & m->mask];
    m->buckets[hash & m->mask] = node;
    m->n++;
    return VK_OK;
}

void vk_map_remove(vk_map *m, vk_map_node *node)
{
    for (vk_map_node **at = &m->buckets[node->hash & m->mask]; *at; at = &(*at)->next) {
        if (*at == node) {
            *at = node->next;
            m->n--;
            return;
        }
    }
}

vk_map_node *vk_map_find(const vk_map *m, uint64_t hash)
{
    vk_map_node *n = m->buckets ? m->buckets[hash & m->mask] : NULL;
    while (n && n->hash != hash)
        n = n->next;
    return n;
}

vk_map_node *vk_map_find_next(const vk_map_node *node)
{
    vk_map_node *n = node->next;
    while (n && n->hash != node->hash)
        n = n->next;
    return n;
}

vk_map_node *vk_map_walk(const vk_map *m, const vk_map_node *after)
{
    if (after && after->next)
        return after->next;
    for (size_t i = after ? (after->hash & m->mask) + 1 : 0; m->buckets && i <= m->mask; i++)
        if (m->buckets[i])
            return m->buckets[i];
    return NULL;
}

size_t vk_map_slots(const vk_map *m)
{
    return m->buckets ? m->mask + 1 : 0;
}

vk_map_node *vk_map_slot(const vk_map *m, size_t slot)
{
    return m->buckets[slot];
}

void vk_hash_seed(const uint8_t key[16])
{
    memcpy(seed, key, sizeof seed);
}

static inline uint64_t rotl(uint64_t x, int b)
{
    return (x << b) | (x >> (64 - b));
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* SipHash (Aumasson, Bernstein) with one compression and three finalisation rounds. */
uint64_t vk_hash(const void *p, size_t n)
{
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575ULL, seed[1] ^ 0x646f72616e646f6dULL,
                     seed[0] ^ 0x6c7967656e657261ULL, seed[1] ^ 0x7465646279746573ULL};
    const unsigned char *at = p;
    uint64_t w = 0;
    size_t left = n;
    for (; left >= 8; left -= 8, at += 8) {
        memcpy(&w, at, 8);
        v[3] ^= w;
        sip_round(v);
        v[0] ^= w;
    }
    w = 0;
    if (left)
        memcpy(&w, at, left);
    w |= (uint64_t)n << 56;
    v[3] ^= w;
    sip_round(v);
    v[0] ^= w;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
