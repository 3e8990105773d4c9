/* The values that everything of payments is made of: parameters of a request, stored objects, answers. A tree
 * that can be changed, in an arena; members keep the order in which they came. Memory is the arena's, so
 * nothing is freed; what does not fit answers NULL, and every function takes NULL for "not there" and passes
 * it on, so that a chain is checked once at its end. */
#ifndef VK_PAY_VALUE_H
#define VK_PAY_VALUE_H

#include "core/json_write.h"

typedef enum vk_pv_type {
    VK_PV_NULL,
    VK_PV_BOOL,
    VK_PV_INT,
    VK_PV_STR, /* decimals too: Stripe's *_decimal are JSON strings */
    VK_PV_ARR,
    VK_PV_OBJ,
    VK_PV_NUM, /* a number that is no integer, as text (u.s): written without quotes. Documents hold such
                * numbers (percent_off) as VK_PV_STR; only rendered objects have it */
} vk_pv_type;

typedef struct vk_pv {
    struct vk_pv *next; /* next element or member */
    vk_str key;         /* of a member */
    vk_pv_type type;
    uint32_t count; /* elements or members */
    union {
        bool b;
        int64_t i;
        vk_str s;
        struct {
            struct vk_pv *first, *last;
        } c;
    } u;
} vk_pv;

/* New values. NULL: no memory. Texts are not copied: they must live as long as the arena. VK_PV_NUM: a
 * VK_PV_STR of a JSON number whose type is changed. */
vk_pv *vk_pv_null(vk_arena *a);
vk_pv *vk_pv_bool(vk_arena *a, bool b);
vk_pv *vk_pv_int(vk_arena *a, int64_t i);
vk_pv *vk_pv_str(vk_arena *a, vk_str s); /* VK_STR_NONE (p is NULL) becomes null */
vk_pv *vk_pv_arr(vk_arena *a);
vk_pv *vk_pv_obj(vk_arena *a);
/* A deep copy; texts are shared. */
vk_pv *vk_pv_copy(vk_arena *a, const vk_pv *v);

/* What is there. NULL: no such member, or `o` is no object. */
vk_pv *vk_pv_get(const vk_pv *o, const char *key);
vk_pv *vk_pv_get_n(const vk_pv *o, vk_str key);
/* By a path: "recurring.interval", "items.data.0.price". A member of digits is an element of an array. */
vk_pv *vk_pv_at(const vk_pv *o, const char *path);
bool vk_pv_is(const vk_pv *v, vk_pv_type type);
bool vk_pv_is_null(const vk_pv *v); /* not there, or null */
/* By path, with a value for what is not there or of another type. */
vk_str vk_pv_text(const vk_pv *o, const char *path); /* VK_STR_NONE */
int64_t vk_pv_number(const vk_pv *o, const char *path, int64_t otherwise);
bool vk_pv_flag(const vk_pv *o, const char *path); /* false */
#define VK_PV_EACH(v, in) for (vk_pv *v = vk_pv_first(in); v; v = v->next)
vk_pv *vk_pv_first(const vk_pv *v);               /* of an array or object; NULL */
bool vk_pv_equal(const vk_pv *a, const vk_pv *b); /* the order of members does not count */

/* Changes. They answer false when there is no memory (or `v` is NULL because there was none). A value may be
 * in one place only. `key` must live as long as the arena. */
VK_MUSTCHECK bool vk_pv_set(vk_arena *a, vk_pv *o, const char *key,
                            vk_pv *v); /* replaces in place, or appends */
VK_MUSTCHECK bool vk_pv_set_n(vk_arena *a, vk_pv *o, vk_str key, vk_pv *v);
/* By path; objects on the way are made (also in place of null). No element of an array is made, and nothing
 * below a text, number or truth value: false, too. */
VK_MUSTCHECK bool vk_pv_put(vk_arena *a, vk_pv *o, const char *path, vk_pv *v);
VK_MUSTCHECK bool vk_pv_put_str(vk_arena *a, vk_pv *o, const char *path, vk_str s); /* VK_STR_NONE: null */
VK_MUSTCHECK bool vk_pv_put_int(vk_arena *a, vk_pv *o, const char *path, int64_t i);
VK_MUSTCHECK bool vk_pv_put_bool(vk_arena *a, vk_pv *o, const char *path, bool b);
VK_MUSTCHECK bool vk_pv_put_null(vk_arena *a, vk_pv *o, const char *path);
VK_MUSTCHECK bool vk_pv_add(vk_arena *a, vk_pv *arr, vk_pv *v);
void vk_pv_del(vk_pv *o, const char *key); /* nothing when it is not there */
void vk_pv_del_n(vk_pv *o, vk_str key);

/* From JSON. Numbers that are no integers of 18 digits become VK_PV_NUM (written as vk_json_double does). Of
 * a member that stands twice the first one is found. VK_E_INVALID, VK_E_NOMEM. Strings may be views into
 * `text`. */
VK_MUSTCHECK vk_err vk_pv_parse(vk_arena *a, vk_str text, vk_pv **out_r);
/* As JSON on one line: what is stored. Errors are the buffer's; `v` NULL: VK_E_NOMEM; more than 100 levels:
 * VK_E_TOO_LARGE. */
void vk_pv_write(vk_buf *out, const vk_pv *v);
/* As JSON with two blanks a level, as Stripe sends it: `{}` and `[]` when empty. */
void vk_pv_write_pretty(vk_buf *out, const vk_pv *v);

#endif
