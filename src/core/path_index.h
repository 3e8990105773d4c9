/* Rules about paths, by a path's second part ("/v1/customers/{}": "customers"): tables of vendors' calls are
 * long, nearly all of their paths have the first part in common, and each request asks for one. Which of the
 * few that are left is meant, the asker finds out. The case of a letter makes no difference. */
#ifndef VK_PATH_INDEX_H
#define VK_PATH_INDEX_H

#include "core/base.h"

enum { VK_PATH_SLOTS = 32, VK_PATH_RULES_MAX = 1024 };

typedef struct vk_path_index {
    uint16_t from[VK_PATH_SLOTS + 1];
    uint16_t rule[VK_PATH_RULES_MAX]; /* of slot s: from[s] … from[s + 1] - 1, in the order of the table */
} vk_path_index;

/* `path(table, i)`: of rule i of `n`. A part that begins with '{', ':' or '*' stands for others; a rule whose
 * first or second part may be anything is in every slot. VK_E_TOO_LARGE: these are more than fit. */
VK_MUSTCHECK vk_err vk_path_index_make(vk_path_index *x, const char *(*path)(const void *table, size_t i),
                                       const void *table, size_t n);
/* The slot of a path that begins with '/'. */
static inline unsigned vk_path_slot(vk_str path)
{
    const char *end = path.p + path.n, *second = path.n ? memchr(path.p + 1, '/', path.n - 1) : NULL;
    if (!second || ++second == end)
        return 0;
    const char *stop = memchr(second, '/', (size_t)(end - second));
    size_t n = (size_t)((stop ? stop : end) - second);
    unsigned first = (unsigned char)second[0] | 0x20, last = n ? (unsigned char)second[n - 1] | 0x20 : 0;
    return (unsigned)(first * 5 + last * 3 + n) % VK_PATH_SLOTS;
}

#endif
