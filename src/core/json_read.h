/* RFC 8259 reader: one pass over the text into nodes in an arena. Strict: UTF-8 is validated (no overlong
 * forms, no surrogates), \u pairs are checked and lone surrogates refused, no trailing commas, no text after
 * the value. Strings without escapes are views into the input, so the input must outlive the nodes. */
#ifndef VK_JSON_READ_H
#define VK_JSON_READ_H

#include "core/arena.h"

enum { VK_JSON_DEPTH_MAX = 96 };

typedef enum vk_json_type {
    VK_JSON_NULL,
    VK_JSON_BOOL,
    VK_JSON_INT,    /* a number without fraction and exponent that fits 18 digits; not -0 */
    VK_JSON_DOUBLE, /* any other number */
    VK_JSON_STRING,
    VK_JSON_ARRAY,
    VK_JSON_OBJECT,
} vk_json_type;

typedef struct vk_json {
    struct vk_json *next; /* next element or member, NULL at the end */
    vk_str key;           /* of a member; VK_STR_NONE otherwise */
    vk_json_type type;
    uint32_t count; /* elements or members */
    union {
        bool b;
        int64_t i;
        double d;
        vk_str s;
        struct vk_json *child; /* first element or member */
    } u;
} vk_json;

/* VK_E_INVALID: *error_r is a static text and *at_r the offset (both may be NULL). VK_E_NOMEM: the arena's
 * cap. */
VK_MUSTCHECK vk_err vk_json_parse(vk_arena *a, vk_str text, vk_json **out_r, const char **error_r,
                                  size_t *at_r);

/* The member `key`, or NULL when absent or `o` is not an object (NULL included). When a key stands twice the
 * last one counts, as in JavaScript. */
const vk_json *vk_json_get(const vk_json *o, vk_str key);
/* As above, but a member that is null counts as absent. */
const vk_json *vk_json_opt(const vk_json *o, vk_str key);
/* The string value, or VK_STR_NONE when `v` is NULL or no string. */
vk_str vk_json_str(const vk_json *v);
/* VK_JSON_INT, or a VK_JSON_DOUBLE with an exact integer value within ±2^53. */
VK_MUSTCHECK vk_err vk_json_i64(const vk_json *v, int64_t *out_r);

#endif
