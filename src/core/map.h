/* Intrusive hash map: chained buckets that double. Not thread-safe. The keyed hash (vk_hash) keeps strangers
 * from choosing collisions. */
#ifndef VK_MAP_H
#define VK_MAP_H

#include "core/base.h"

typedef struct vk_map_node {
    struct vk_map_node *next;
    uint64_t hash;
} vk_map_node;

typedef struct vk_map {
    vk_map_node **buckets;
    size_t n, mask; /* mask + 1 buckets; 0 buckets before the first add */
} vk_map;

void vk_map_init(vk_map *m);
/* Frees the buckets; the nodes are the owner's. */
void vk_map_free(vk_map *m);
/* VK_E_NOMEM: not added. Does not look for an equal key. */
VK_MUSTCHECK vk_err vk_map_add(vk_map *m, vk_map_node *node, uint64_t hash);
void vk_map_remove(vk_map *m, vk_map_node *node);
/* First node of the bucket with that hash, then the next one with the same hash; NULL at the end. */
vk_map_node *vk_map_find(const vk_map *m, uint64_t hash);
vk_map_node *vk_map_find_next(const vk_map_node *node);
/* For walks that stop in between: how many slots there are now, and the first node in one (NULL: none; the
 * others follow by `next`). When the map grows, what was in slot i is in i or in i + the old number. */
size_t vk_map_slots(const vk_map *m);
vk_map_node *vk_map_slot(const vk_map *m, size_t slot);
/* Walks every node: start with NULL. The current node may be removed when its successor was fetched before.
 */
vk_map_node *vk_map_walk(const vk_map *m, const vk_map_node *after);

/* SipHash-1-3 under a random key of the process (vk_hash_seed, once at start). */
void vk_hash_seed(const uint8_t key[16]);
uint64_t vk_hash(const void *p, size_t n);
static inline uint64_t vk_hash_str(vk_str s)
{
    return vk_hash(s.p, s.n);
}

#endif
