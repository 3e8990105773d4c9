/* Memory for values: blocks between guard pages that are locked, left out of core files and wiped when they
 * are freed (libsodium's sodium_malloc), cut into pieces. One loop. */
#ifndef VK_KEEPER_LOCKED_H
#define VK_KEEPER_LOCKED_H

#include "core/base.h"

enum {
    VK_LOCKED_BLOCK = 128 * 1024,
    VK_LOCKED_LEAST = 64, /* bytes of a piece; pieces are powers of two */
    VK_LOCKED_PIECE_MAX = 64 * 1024,
    VK_LOCKED_BLOCKS_MAX = 1024, /* 128 MiB */
};

typedef struct vk_locked vk_locked;

VK_MUSTCHECK vk_err vk_locked_new(vk_locked **out_r);
/* Wipes and frees all, whatever is still given out. NULL is allowed. */
void vk_locked_free(vk_locked *l);
/* NULL: no memory, or more than VK_LOCKED_PIECE_MAX. Not zeroed. */
VK_MUSTCHECK char *vk_locked_get(vk_locked *l, size_t n);
/* Wipes it. `n` as it was asked for; p NULL is allowed. */
void vk_locked_put(vk_locked *l, char *p, size_t n);
/* A block could not be locked (RLIMIT_MEMLOCK): it may be swapped out. */
bool vk_locked_failed(const vk_locked *l);
/* Bytes in use by pieces, and in blocks. */
size_t vk_locked_used(const vk_locked *l);
size_t vk_locked_bytes(const vk_locked *l);
/* Whether `p` points into it; for tests. */
bool vk_locked_has(const vk_locked *l, const void *p);

#endif
