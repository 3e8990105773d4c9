/* Compiles the tables of resources/ into trees. What is wrong in a row is told by its name, so that a unit
 * test and the first start find it, and nothing later. */
#include "services/payments/schema_tree.h"

#include <stdlib.h>

enum {
    ARENA_MAX = 16 << 20,
    TREES_MAX = 64,
    TYPE_MAX = 8192,
};

static struct {
    vk_arena *arena;
    vk_pay_tree trees[TREES_MAX];
    size_t n_trees;
    int bands[VK_PAY_BANDS]; /* where each begins; the first is 0 */
    size_t n_bands;
    bool ready;
} all;

static vk_err wrong(const char **why_r, const char *what, const char *row)
{
    return vk_refuse(all.arena, why_r, "payments: %s: %s", what, row);
}

bool vk_pay_split(vk_str s, char sep, vk_str *seg_r, size_t room, size_t *n_r)
{
    size_t n = 0;
    while (s.n) {
        const char *p = memchr(s.p, sep, s.n);
        size_t k = p ? (size_t)(p - s.p) : s.n;
        if (n == room)
            return false;
        seg_r[n++] = (vk_str){s.p, k};
        s = (vk_str){s.p + k, s.n - k};
        if (s.n)
            s = (vk_str){s.p + 1, s.n - 1};
    }
    *n_r = n;
    return true;
}

/* ---- types */

static const vk_pay_tree *tree_named(vk_str object)
{
    for (size_t i = 0; i < all.n_trees; i++)
        if (vk_str_eq(all.trees[i].object, object))
            return &all.trees[i];
    return NULL;
}

/* "a,b": those that are ours. */
static bool refs(vk_pay_type *t, vk_str names)
{
    vk_str seg[VK_PAY_REFS];
    size_t n;
    if (!vk_pay_split(names, ',', seg, VK_COUNT(seg), &n))
        return false;
    for (size_t i = 0; i < n; i++) {
        const vk_pay_tree *r = tree_named(seg[i]);
        if (r)
            t->refs[t->n_refs++] = r;
    }
    return true;
}

static vk_err words(vk_pay_type *t, vk_str s)
{
    size_t n = 1;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '|';
    vk_pay_word *w = vk_arena_calloc(all.arena, n * sizeof *w);
    if (!w)
        return VK_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *bar = memchr(s.p, '|', s.n);
        vk_str one = {s.p, bar ? (size_t)(bar - s.p) : s.n};
        const char *less = memchr(one.p, '<', one.n);
        size_t k = less ? (size_t)(less - one.p) : one.n;
        w[i].shown = (vk_str){one.p, k};
        w[i].stored = less ? (vk_str){less + 1, one.n - k - 1} : w[i].shown;
        s = (vk_str){s.p + one.n + (bar != NULL), s.n - one.n - (bar != NULL)};
    }
    t->words = w;
    t->n_words = n;
    return VK_OK;
}

static vk_err simple(vk_pay_type *t, vk_str s, bool *known_r)
{
    static const struct {
        const char *name;
        vk_pay_kind kind;
    } kinds[] = {
        {"string", VK_PAY_K_STRING},   {"int", VK_PAY_K_INT},         {"time", VK_PAY_K_INT},
        {"bool", VK_PAY_K_BOOL},       {"decimal", VK_PAY_K_DECIMAL}, {"number", VK_PAY_K_NUMBER},
        {"map", VK_PAY_K_MAP},         {"any", VK_PAY_K_ANY},         {"object", VK_PAY_K_OBJECT},
        {"country", VK_PAY_K_COUNTRY}, {"range", VK_PAY_K_RANGE},
    };
    const char *mark = memchr(s.p, ':', s.n), *bar = memchr(s.p, '|', s.n);
    size_t n = mark ? (size_t)(mark - s.p) : bar ? (size_t)(bar - s.p) : s.n;
    int64_t max = VK_PAY_STRING_MAX;
    if (mark && vk_str_to_i64((vk_str){mark + 1, s.n - n - 1}, &max) != VK_OK)
        return VK_OK;
    for (size_t i = 0; i < VK_COUNT(kinds); i++)
        if (vk_str_eqz((vk_str){s.p, n}, kinds[i].name)) {
            t->kind = kinds[i].kind;
            t->max = (size_t)max;
            *known_r = true;
        }
    if (*known_r && bar)
        return s.n > n + 2 && bar[1] == '=' ? words(t, (vk_str){bar + 2, s.n - n - 2}) : VK_OK;
    return VK_OK;
}

static vk_err parse_type(vk_str s, vk_pay_type *t, bool *known_r)
{
    if (s.n && s.p[0] == '+') {
        t->expanded_only = true;
        s = (vk_str){s.p + 1, s.n - 1};
    }
    if (s.n && s.p[s.n - 1] == '?') {
        t->null = true;
        s.n--;
    }
    if (!s.n || s.n > TYPE_MAX)
        return VK_OK;
    char last = s.p[s.n - 1];
    if (s.p[0] == '[' && last == ']') {
        vk_pay_type of = {.kind = VK_PAY_K_OBJECT};
        bool known = s.n == 2;
        vk_err e = known ? VK_OK : parse_type((vk_str){s.p + 1, s.n - 2}, &of, &known);
        of.null = t->null;
        of.expanded_only = t->expanded_only;
        *t = of;
        t->of = of.kind;
        t->kind = VK_PAY_K_ARRAY;
        *known_r = known;
        return e;
    }
    if (s.p[0] == '=') {
        t->kind = VK_PAY_K_ENUM;
        *known_r = s.n > 1;
        return words(t, (vk_str){s.p + 1, s.n - 1});
    }
    if (s.p[0] == '@') {
        t->kind = VK_PAY_K_REF;
        *known_r = refs(t, (vk_str){s.p + 1, s.n - 1});
        return VK_OK;
    }
    if (s.p[0] == '{' && last == '}') {
        t->kind = VK_PAY_K_EMBED;
        *known_r = refs(t, (vk_str){s.p + 1, s.n - 2}) && t->n_refs;
        return VK_OK;
    }
    if (vk_str_starts(s, VK_STR("list{")) && last == '}') {
        t->kind = VK_PAY_K_LIST;
        *known_r = refs(t, (vk_str){s.p + 5, s.n - 6}) && (t->n_refs || s.n == 6);
        return VK_OK;
    }
    return simple(t, s, known_r);
}

/* ---- rows */

static void hang(vk_pay_node *up, vk_pay_node *n)
{
    n->up = up;
    if (up->last)
        up->last->next = n;
    else
        up->first = n;
    up->last = n;
}

/* The node that a row's path leads below; rows of the same name and other versions: the last that carries
 * members. */
static vk_pay_node *parent_of(vk_pay_node *root, const vk_str *seg, size_t n)
{
    vk_pay_node *at = root;
    for (size_t i = 0; i + 1 < n && at; i++) {
        vk_pay_node *next = NULL;
        for (vk_pay_node *k = at->first; k; k = k->next)
            if (vk_str_eq(k->name, seg[i]))
                next = k;
        at = next;
    }
    return at;
}

/* "a.b[].c" or "a[b][][c]" as a, b, c. */
static bool segments(const char *name, vk_str *seg, size_t room, size_t *n_r)
{
    size_t n = 0;
    for (const char *p = name; *p;) {
        size_t k = strcspn(p, ".[]");
        if (k) {
            if (n == room)
                return false;
            seg[n++] = (vk_str){p, k};
        }
        p += k;
        p += strspn(p, ".[]");
    }
    *n_r = n;
    return n > 0;
}

static vk_err from_of(vk_pay_node *n, const char *from, const char **why_r)
{
    if (!from)
        return VK_OK;
    if (*from == '?') {
        n->key = from + 1;
        return VK_OK;
    }
    const char *equals = strchr(from, '=');
    vk_str path = {from, equals ? (size_t)(equals - from) : strlen(from)};
    n->equals = equals ? vk_str_z(equals + 1) : VK_STR_NONE;
    return vk_pay_split(path, '.', n->from, VK_COUNT(n->from), &n->n_from) ? VK_OK
                                                                           : wrong(why_r, "from", n->full);
}

static vk_err add_row(vk_pay_node *root, const char *name, const char *type, vk_pay_node **node_r,
                      const char **why_r)
{
    vk_pay_node *n = vk_arena_calloc(all.arena, sizeof *n);
    size_t len = strlen(name);
    char *bare = vk_arena_alloc(all.arena, len + 1);
    vk_str seg[VK_PAY_SEGMENTS];
    size_t n_seg;
    bool known = false;
    if (!n || !bare)
        return VK_E_NOMEM;
    memcpy(bare, name, len + 1);
    if (len && (bare[len - 1] == '?' || bare[len - 1] == '*')) {
        n->optional = bare[len - 1] == '?';
        n->required = bare[len - 1] == '*';
        bare[len - 1] = '\0';
    }
    n->full = bare;
    if (!segments(bare, seg, VK_COUNT(seg), &n_seg))
        return wrong(why_r, "name", name);
    n->name = seg[n_seg - 1];
    vk_pay_node *up = parent_of(root, seg, n_seg);
    if (!up)
        return wrong(why_r, "no parent", name);
    vk_err e = parse_type(vk_str_z(type), &n->type, &known);
    if (e != VK_OK)
        return e;
    if (!known)
        return wrong(why_r, "type", name);
    hang(up, n);
    *node_r = n;
    return VK_OK;
}

static vk_err compile_fields(vk_pay_tree *t, const char **why_r)
{
    t->root.full = t->resource->object;
    for (const vk_pay_field *f = t->resource->fields; f->name; f++) {
        vk_pay_node *n;
        vk_pv *start = NULL;
        vk_err e = add_row(&t->root, f->name, f->type, &n, why_r);
        if (e == VK_OK)
            e = from_of(n, f->from, why_r);
        if (e == VK_OK && f->start) {
            e = vk_pv_parse(all.arena, vk_str_z(f->start), &start);
            if (e == VK_E_INVALID)
                e = wrong(why_r, "start", f->name);
        }
        if (e != VK_OK)
            return e;
        n->start = start;
        n->since = f->since;
        n->until = f->until;
    }
    return VK_OK;
}

/* "line_items[][price]" as "line_items.price" would be no place for a copy: "=" stands in rows without
 * arrays only. */
static vk_err target(vk_pay_node *n, const char *to, const char **why_r)
{
    n->to = to;
    if (!to || strcmp(to, "=") != 0)
        return VK_OK;
    size_t len = strlen(n->full), k = 0;
    char *path = vk_arena_alloc(all.arena, len + 1);
    if (!path)
        return VK_E_NOMEM;
    if (strstr(n->full, "[]"))
        return wrong(why_r, "to", n->full);
    for (size_t i = 0; i < len; i++)
        if (n->full[i] != ']')
            path[k++] = n->full[i] == '[' ? '.' : n->full[i];
    path[k] = '\0';
    n->to = path;
    return VK_OK;
}

vk_err vk_pay_params_compile(vk_pay_node *root, const vk_pay_param *p, const char **why_r)
{
    for (; p && p->name; p++) {
        vk_pay_node *n;
        vk_err e = add_row(root, p->name, p->type, &n, why_r);
        if (e == VK_OK)
            e = target(n, p->to, why_r);
        if (e != VK_OK)
            return e;
        n->since = p->since;
        n->until = p->until;
    }
    return VK_OK;
}

/* ---- versions */

static int by_number(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static vk_err add_band(int at, const char **why_r)
{
    for (size_t i = 0; i < all.n_bands; i++)
        if (all.bands[i] == at)
            return VK_OK;
    if (all.n_bands == VK_COUNT(all.bands))
        return wrong(why_r, "too many versions", "");
    all.bands[all.n_bands++] = at;
    qsort(all.bands, all.n_bands, sizeof *all.bands, by_number);
    return VK_OK;
}

static vk_err gather_bands(const char **why_r)
{
    vk_err e = add_band(0, why_r);
    if (e == VK_OK)
        e = add_band(VK_PAY_BASIL, why_r);
    for (size_t i = 0; i < all.n_trees && e == VK_OK; i++)
        for (const vk_pay_field *f = all.trees[i].resource->fields; f->name && e == VK_OK; f++) {
            if (f->since)
                e = add_band(f->since, why_r);
            if (e == VK_OK && f->until)
                e = add_band(f->until, why_r);
        }
    return e;
}

size_t vk_pay_band_of(int version)
{
    size_t i = all.n_bands;
    while (i > 1 && all.bands[i - 1] > version)
        i--;
    return i - 1;
}

static bool shown(const vk_pay_node *up, const vk_pay_node *n, int version)
{
    if (vk_pay_row_in(n, version))
        return true;
    if (version >= VK_PAY_BASIL || n->since <= version)
        return false;
    for (const vk_pay_node *k = up->first; k; k = k->next)
        if (k != n && vk_str_eq(k->name, n->name) && vk_pay_row_in(k, version))
            return false;
    return true;
}

static vk_err make_shape(const vk_pay_node *up, int version, vk_pay_shape *out, const char **why_r)
{
    const vk_pay_node *rows[VK_PAY_ROWS_MAX];
    size_t n = 0, slots = 4;
    for (const vk_pay_node *k = up->first; k; k = k->next)
        if (shown(up, k, version)) {
            if (n == VK_COUNT(rows))
                return wrong(why_r, "too many rows", up->full);
            rows[n++] = k;
        }
    while (slots < n * 2 + 1)
        slots *= 2;
    uint8_t *at = vk_arena_calloc(all.arena, slots);
    out->rows = vk_arena_alloc(all.arena, n * sizeof(*out->rows) + 1);
    if (!at || !out->rows)
        return VK_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        out->rows[i] = rows[i];
        if (rows[i]->n_from || rows[i]->key)
            continue;
        size_t h = vk_pay_name_hash(rows[i]->name) & (slots - 1);
        while (at[h] && !vk_str_eq(rows[at[h] - 1]->name, rows[i]->name))
            h = (h + 1) & (slots - 1);
        if (at[h])
            return wrong(why_r, "twice", rows[i]->full);
        at[h] = (uint8_t)(i + 1);
    }
    out->n = (uint16_t)n;
    out->mask = (uint16_t)(slots - 1);
    out->slots = at;
    return VK_OK;
}

/* Rows of one name for several versions: the members stand once, behind the last of them. */
static void share(vk_pay_node *up)
{
    for (vk_pay_node *n = up->first; n; n = n->next)
        for (const vk_pay_node *k = n->next; k && !n->first; k = k->next)
            if (vk_str_eq(k->name, n->name)) {
                n->first = k->first;
                n->last = k->last;
            }
}

static vk_err shape(vk_pay_node *n, const char **why_r)
{
    bool same = true;
    share(n);
    for (vk_pay_node *k = n->first; k; k = k->next) {
        vk_err e = shape(k, why_r);
        if (e != VK_OK)
            return e;
        same = same && !k->since && !k->until;
    }
    vk_pay_shape *s = vk_arena_calloc(all.arena, all.n_bands * sizeof *s);
    if (!s)
        return VK_E_NOMEM;
    for (size_t i = 0; i < all.n_bands; i++) {
        if (same && i)
            s[i] = s[0];
        else {
            vk_err e = make_shape(n, all.bands[i], &s[i], why_r);
            if (e != VK_OK)
                return e;
        }
    }
    n->shapes = s;
    return VK_OK;
}

/* ---- */

static vk_err compile(const char **why_r)
{
    vk_err e = VK_OK;
    for (size_t i = 0; vk_pay_resources[i]; i++) {
        const vk_pay_resource *r = vk_pay_resources[i];
        if (i == VK_COUNT(all.trees))
            return wrong(why_r, "too many resources", r->object);
        all.trees[i] = (vk_pay_tree){.resource = r,
                                     .documents = r,
                                     .object = vk_str_z(r->object),
                                     .prefix = vk_str_z(r->prefix ? r->prefix : "")};
        all.n_trees++;
    }
    for (size_t i = 0; i < all.n_trees && e == VK_OK; i++) {
        const vk_pay_resource *r = all.trees[i].resource;
        const vk_pay_tree *of = r->mirrors ? tree_named(vk_str_z(r->mirrors)) : NULL;
        if (r->mirrors && !of)
            return wrong(why_r, "mirrors", r->object);
        if (of)
            all.trees[i].documents = of->resource;
        e = compile_fields(&all.trees[i], why_r);
    }
    if (e == VK_OK)
        e = gather_bands(why_r);
    for (size_t i = 0; i < all.n_trees && e == VK_OK; i++)
        e = shape(&all.trees[i].root, why_r);
    return e == VK_OK ? vk_pay_routes_start(all.arena, why_r) : e;
}

vk_err vk_pay_schema_start(const char **why_r)
{
    if (all.ready)
        return VK_OK;
    *why_r = "payments: no memory";
    all.arena = vk_arena_new(ARENA_MAX);
    if (!all.arena)
        return VK_E_NOMEM;
    vk_err e = compile(why_r);
    all.ready = e == VK_OK;
    return e;
}

const vk_pay_tree *vk_pay_tree_of(const vk_pay_resource *r)
{
    for (size_t i = 0; i < all.n_trees; i++)
        if (all.trees[i].resource == r)
            return &all.trees[i];
    return NULL;
}

const vk_pay_resource *vk_pay_resource_of(vk_str object)
{
    const vk_pay_tree *t = tree_named(object);
    return t ? t->resource : NULL;
}

const vk_pay_resource *vk_pay_resource_of_id(vk_str id)
{
    const vk_pay_tree *best = NULL;
    for (size_t i = 0; i < all.n_trees; i++) {
        const vk_pay_tree *t = &all.trees[i];
        if (t->prefix.n && vk_str_starts(id, t->prefix) && (!best || t->prefix.n > best->prefix.n))
            best = t;
    }
    return best ? best->resource : NULL;
}

/* ---- versions by name */

static int number(const char *p, size_t n)
{
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return -1;
        v = v * 10 + (p[i] - '0');
    }
    return v;
}

/* "2026-10-28.endive; some_beta=v1": a date, a name, previews. */
vk_err vk_pay_version(vk_str text, int *out_r)
{
    text = vk_str_trim(text);
    if (text.n < 10 || text.p[4] != '-' || text.p[7] != '-')
        return VK_E_INVALID;
    int y = number(text.p, 4), m = number(text.p + 5, 2), d = number(text.p + 8, 2);
    if (y < 2011 || m < 1 || m > 12 || d < 1 || d > 31)
        return VK_E_INVALID;
    size_t i = 10;
    if (i < text.n && text.p[i] == '.') {
        size_t begin = ++i;
        while (i < text.n && ((text.p[i] >= 'a' && text.p[i] <= 'z') || text.p[i] == '_'))
            i++;
        if (i == begin)
            return VK_E_INVALID;
    }
    while (i < text.n && text.p[i] == ' ')
        i++;
    if (i < text.n && text.p[i] != ';')
        return VK_E_INVALID;
    for (; i < text.n; i++) /* betas; it is echoed, and events carry it */
        if (text.p[i] < ' ' || text.p[i] > '~')
            return VK_E_INVALID;
    int v = y * 10000 + m * 100 + d;
    *out_r = v > VK_PAY_NEWEST ? VK_PAY_NEWEST : v;
    return VK_OK;
}
