/* The tables of schema.h, compiled: between schema.c, which makes the trees, and schema_*.c, which walk them.
 * Made once at the start and constant afterwards, so shared by all threads. */
#ifndef VK_PAY_SCHEMA_TREE_H
#define VK_PAY_SCHEMA_TREE_H

#include "core/arena.h"
#include "services/payments/schema.h"

enum {
    VK_PAY_BANDS = 16,        /* spans of versions between two changes */
    VK_PAY_ROWS_MAX = 128,    /* members of one object */
    VK_PAY_REFS = 4,          /* resources that one field may name */
    VK_PAY_SEGMENTS = 8,      /* of a path */
    VK_PAY_STRING_MAX = 5000, /* characters, unless the row says otherwise */
};

typedef enum vk_pay_kind {
    VK_PAY_K_STRING,
    VK_PAY_K_INT, /* time, too */
    VK_PAY_K_BOOL,
    VK_PAY_K_DECIMAL,
    VK_PAY_K_NUMBER,
    VK_PAY_K_MAP,
    VK_PAY_K_ANY,
    VK_PAY_K_OBJECT,
    VK_PAY_K_ENUM,
    VK_PAY_K_COUNTRY,
    VK_PAY_K_RANGE,
    VK_PAY_K_REF,
    VK_PAY_K_EMBED,
    VK_PAY_K_LIST,
    VK_PAY_K_ARRAY,
} vk_pay_kind;

typedef struct vk_pay_word {
    vk_str shown, stored;
} vk_pay_word;

struct vk_pay_tree;
typedef struct vk_pay_type {
    vk_pay_kind kind, of; /* of: an array's elements */
    bool null, expanded_only;
    size_t max;               /* characters */
    const vk_pay_word *words; /* of an enumeration; of INT and BOOL: texts that are taken as well */
    size_t n_words;
    const struct vk_pay_tree *refs[VK_PAY_REFS]; /* of REF, EMBED, LIST and arrays of them; none: not ours */
    size_t n_refs;
} vk_pay_type;

typedef struct vk_pay_node vk_pay_node;

/* The rows of an object in a band, and where a member's name leads: slots hold the row's number plus 1. */
typedef struct vk_pay_shape {
    const vk_pay_node **rows;
    uint16_t n, mask;
    const uint8_t *slots;
} vk_pay_shape;

struct vk_pay_node {
    vk_str name;      /* the last segment */
    const char *full; /* the row's name */
    vk_pay_type type;
    bool optional, required;
    const vk_pv *start; /* NULL: none */
    vk_str from[VK_PAY_SEGMENTS];
    size_t n_from;
    vk_str equals;   /* of `from`; VK_STR_NONE: none */
    const char *key; /* of `from` "?key"; NULL */
    int since, until;
    const char *to; /* of parameters; a path: "=" is that already */
    vk_pay_node *up, *first, *last, *next;
    const vk_pay_shape *shapes; /* of fields that have members: one a band */
};

typedef struct vk_pay_tree {
    const vk_pay_resource *resource;
    const vk_pay_resource *documents; /* whose documents it shows */
    vk_str object, prefix;
    vk_pay_node root;
} vk_pay_tree;

/* A path in segments; empty text: an id. */
typedef struct vk_pay_route {
    const vk_pay_endpoint *ep; /* NULL: a call that is missing, */
    const char *missing;       /* with this method */
    vk_str seg[VK_PAY_SEGMENTS];
    size_t n;
    vk_pay_node params; /* its children are the parameters */
} vk_pay_route;

const vk_pay_tree *vk_pay_tree_of(const vk_pay_resource *r);
const vk_pay_route *vk_pay_route_of(const vk_pay_endpoint *ep); /* NULL */
size_t vk_pay_band_of(int version);

/* FNV-1a; names of members are the tables' own, so nobody can choose collisions that matter: a member that
 * is in no table is passed over after one probe chain. */
static inline uint32_t vk_pay_name_hash(vk_str s)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 16777619u;
    return h ^ h >> 15;
}

static inline bool vk_pay_row_in(const vk_pay_node *n, int version)
{
    return n->since <= version && (n->until == 0 || version < n->until);
}

/* The row of a member's name in a shape; -1: none (rows that are taken from elsewhere are none). */
static inline int vk_pay_shape_find(const vk_pay_shape *s, vk_str name)
{
    for (uint32_t i = vk_pay_name_hash(name) & s->mask;; i = (i + 1) & s->mask) {
        if (!s->slots[i])
            return -1;
        if (vk_str_eq(s->rows[s->slots[i] - 1]->name, name))
            return s->slots[i] - 1;
    }
}

/* The rows of a call's parameters below `root`. While the tables are compiled. */
VK_MUSTCHECK vk_err vk_pay_params_compile(vk_pay_node *root, const vk_pay_param *p, const char **why_r);
/* schema_routes.c: all endpoints, once the trees are there. `a` is the tables'. */
VK_MUSTCHECK vk_err vk_pay_routes_start(vk_arena *a, const char **why_r);

/* Splits at `sep`; false: more than `room` segments. Empty text: none. */
bool vk_pay_split(vk_str s, char sep, vk_str *seg_r, size_t room, size_t *n_r);

#endif
