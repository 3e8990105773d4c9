/* Rules about paths, by the first character of a path's second part ("/v1/customers": 'c'): tables of vendors'
 * calls are long, nearly all of their paths have the first part in common, and each request asks for one.
 * Which of the few that are left is meant, the asker finds out. The case of a letter makes no difference. */
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
    const char *second = path.n ? memchr(path.p + 1, '/', path.n - 1) : NULL;
    if (!second || ++second == path.p + path.n)
        return 0;
    return ((unsigned char)*second | 0x20) % VK_PATH_SLOTS;
}

#endif
