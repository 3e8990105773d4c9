/* application/x-www-form-urlencoded bodies, as the URL standard §5.1 parses them. Pure. */
#ifndef VK_HTTP_FORM_H
#define VK_HTTP_FORM_H

#include "core/arena.h"

enum { VK_FORM_PAIRS_MAX = 1000 };

/* Decoded; of the body or of the arena. */
typedef struct vk_pair {
    vk_str name, value;
} vk_pair;

/* All pairs, in their order, names that stand twice too; an empty pair does not count, one without "=" has
 * the empty value. VK_E_INVALID: a bad escape or a NUL, which the standard would let through: what one parser
 * repairs another reads differently. VK_E_TOO_LARGE: more than VK_FORM_PAIRS_MAX. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_form_parse(vk_arena *a, vk_str body, const vk_pair **out_r, size_t *n_r);

#endif
