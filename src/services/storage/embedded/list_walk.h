/* The walk that both listings make: keys in order of bytes, those with the delimiter folded into common
 * prefixes. Pure; the caller has the cursor and seeks when told to. */
#ifndef VK_STORAGE_LIST_WALK_H
#define VK_STORAGE_LIST_WALK_H

#include "services/storage/embedded/objects.h"

typedef struct vk_ob_walk {
    vk_str prefix, delimiter;
    bool over; /* nothing can follow */
    size_t n_from;
    char from[VK_OB_KEY_MAX + 1]; /* where the cursor is to be: the first key that is not less */
} vk_ob_walk;

/* The first place. `after`: only what is greater. With `at_key`, rows of that key itself are still to come.
 */
void vk_ob_walk_begin(vk_ob_walk *w, vk_str prefix, vk_str delimiter, vk_str after, bool at_key);
/* What a key of the cursor is: false: past the end (w->over). *common_r not empty: it is folded into that. */
bool vk_ob_walk_key(vk_ob_walk *w, vk_str key, vk_str *common_r);
/* The cursor is to go behind all keys that begin with this. */
void vk_ob_walk_skip(vk_ob_walk *w, vk_str common);

#endif
