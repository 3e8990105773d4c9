/* Documents as objects of a version. This is on the way of every answer: what an object has in a version was
 * worked out at the start (schema.c), so a document's members are placed with one look each, in one walk. */
#include "services/payments/call.h"
#include "services/payments/schema_tree.h"

enum { DEPTH_MAX = 32 };

/* What is asked to be expanded, as a tree. */
typedef struct wish {
    vk_str name;
    struct wish *first, *next;
} wish;

typedef struct rendering {
    vk_pay_call *c;
    vk_arena *a;
    size_t band;
    vk_str id; /* of the object that is being rendered, for the addresses of its lists */
    int depth;
} rendering;

static vk_err value(rendering *x, const vk_pay_node *n, const vk_pv *v, const wish *w, vk_pv **out_r);
static vk_err object(rendering *x, const vk_pay_tree *t, const vk_pv *doc, const wish *w, vk_pv **out_r);

/* ---- wishes */

static const wish *wish_of(const wish *w, vk_str name)
{
    for (const wish *k = w ? w->first : NULL; k; k = k->next)
        if (vk_str_eq(k->name, name))
            return k;
    return NULL;
}

/* `path` into the tree below `root`. */
static vk_err wish_for(vk_arena *a, wish *root, vk_str path)
{
    vk_str seg[VK_PAY_SEGMENTS];
    size_t n;
    if (!vk_pay_split(path, '.', seg, VK_COUNT(seg), &n))
        return VK_OK; /* vk_pay_check has refused it */
    for (size_t i = 0; i < n; i++) {
        wish *k = root->first;
        while (k && !vk_str_eq(k->name, seg[i]))
            k = k->next;
        if (!k) {
            k = vk_arena_calloc(a, sizeof *k);
            if (!k)
                return VK_E_NOMEM;
            k->name = seg[i];
            k->next = root->first;
            root->first = k;
        }
        root = k;
    }
    return VK_OK;
}

/* Those of the call's that lie below `under` ("data"; "": all). */
static vk_err wishes(vk_pay_call *c, const char *under, wish **out_r)
{
    vk_str top = vk_str_z(under);
    wish *root = NULL;
    VK_PV_EACH(v, c->expand)
    {
        vk_str path = v->type == VK_PV_STR ? v->u.s : VK_STR_NONE;
        if (top.n && (!vk_str_starts(path, top) || path.n <= top.n + 1 || path.p[top.n] != '.'))
            continue;
        if (top.n)
            path = (vk_str){path.p + top.n + 1, path.n - top.n - 1};
        if (!root && !(root = vk_arena_calloc(c->arena, sizeof *root)))
            return VK_E_NOMEM;
        vk_err e = wish_for(c->arena, root, path);
        if (e != VK_OK)
            return e;
    }
    *out_r = root;
    return VK_OK;
}

/* ---- pieces */

/* Members come in order and once, so nothing is looked for. */
static void append(vk_pv *to, vk_str key, vk_pv *v)
{
    v->key = key;
    v->next = NULL;
    if (to->u.c.last)
        to->u.c.last->next = v;
    else
        to->u.c.first = v;
    to->u.c.last = v;
    to->count++;
}

static vk_err give(vk_pv *v, vk_pv **out_r)
{
    if (!v)
        return VK_E_NOMEM;
    *out_r = v;
    return VK_OK;
}

static bool holds(const vk_pv *v, vk_pv_type t)
{
    return v && v->type == t;
}

/* The value that a row's `from` leads to. */
static const vk_pv *follow(const vk_pay_node *n, const vk_pv *v)
{
    static const vk_pv yes = {.type = VK_PV_BOOL, .u.b = true}, no = {.type = VK_PV_BOOL, .u.b = false};
    for (size_t i = 0; i < n->n_from && v; i++) {
        if (v->type == VK_PV_OBJ) {
            v = vk_pv_get_n(v, n->from[i]);
            continue;
        }
        int64_t at = 0;
        bool only = vk_str_eqz(n->from[i], "only");
        if (v->type != VK_PV_ARR || (only ? v->count != 1 : vk_str_to_i64(n->from[i], &at) != VK_OK))
            return NULL;
        for (v = v->u.c.first; v && at > 0; at--)
            v = v->next;
    }
    if (!n->equals.p)
        return v;
    return holds(v, VK_PV_STR) && vk_str_eq(v->u.s, n->equals) ? &yes : &no;
}

/* A number that documents keep as a text. */
static vk_pv *number(vk_arena *a, const vk_pv *v)
{
    int64_t i;
    if (v->type == VK_PV_STR && vk_str_to_i64(v->u.s, &i) == VK_OK)
        return vk_pv_int(a, i);
    vk_pv *out = vk_pv_copy(a, v);
    if (out && out->type == VK_PV_STR)
        out->type = VK_PV_NUM;
    return out;
}

static vk_pv *decimal(vk_arena *a, const vk_pv *v)
{
    if (v->type == VK_PV_INT)
        return vk_pv_str(a, vk_arena_printf(a, "%lld", (long long)v->u.i));
    vk_pv *out = vk_pv_copy(a, v);
    if (out && out->type == VK_PV_NUM)
        out->type = VK_PV_STR;
    return out;
}

static vk_pv *word(vk_arena *a, const vk_pay_type *t, const vk_pv *v)
{
    for (size_t i = 0; v->type == VK_PV_STR && i < t->n_words; i++)
        if (vk_str_eq(t->words[i].stored, v->u.s))
            return vk_pv_str(a, t->words[i].shown);
    return vk_pv_copy(a, v);
}

/* What stands where the document has nothing and nothing else is said. */
static vk_err empty(rendering *x, const vk_pay_node *n, vk_pv **out_r)
{
    static const vk_pv none = {.type = VK_PV_OBJ};
    switch (n->type.kind) {
    case VK_PAY_K_INT:
    case VK_PAY_K_NUMBER:
        return give(vk_pv_int(x->a, 0), out_r);
    case VK_PAY_K_BOOL:
        return give(vk_pv_bool(x->a, false), out_r);
    case VK_PAY_K_MAP:
        return give(vk_pv_obj(x->a), out_r);
    case VK_PAY_K_OBJECT:
    case VK_PAY_K_LIST:
        return value(x, n, &none, NULL, out_r);
    case VK_PAY_K_ARRAY:
        return give(vk_pv_arr(x->a), out_r);
    case VK_PAY_K_ENUM:
        return give(vk_pv_str(x->a, n->type.words[0].shown), out_r);
    case VK_PAY_K_DECIMAL:
        return give(vk_pv_str(x->a, VK_STR("0")), out_r);
    case VK_PAY_K_ANY:
    case VK_PAY_K_EMBED:
        return give(vk_pv_null(x->a), out_r);
    default:
        return give(vk_pv_str(x->a, VK_STR("")), out_r);
    }
}

/* ---- other objects */

/* The document of an id among a row's resources; NULL in *doc_r: there is none. */
static vk_err look_up(rendering *x, const vk_pay_type *t, vk_str id, const vk_pay_tree **tree_r,
                      vk_pv **doc_r)
{
    *doc_r = NULL;
    for (size_t i = 0; i < t->n_refs; i++) {
        vk_err e = vk_pay_get(x->c, t->refs[i]->documents, id, doc_r);
        if (e == VK_OK)
            *tree_r = t->refs[i];
        if (e != VK_E_NOT_FOUND)
            return e;
        *doc_r = NULL;
    }
    return VK_OK;
}

static vk_err reference(rendering *x, const vk_pay_type *t, bool whole, const vk_pv *v, const wish *w,
                        vk_pv **out_r)
{
    const vk_pay_tree *tree = t->n_refs ? t->refs[0] : NULL;
    vk_pv *doc = NULL;
    if (v->type == VK_PV_OBJ) {
        if ((whole || w) && tree)
            return object(x, tree, v, w, out_r);
        vk_pv *id = vk_pv_get(v, "id");
        return give(id ? vk_pv_copy(x->a, id) : vk_pv_null(x->a), out_r);
    }
    if (v->type == VK_PV_STR && (whole || w)) {
        vk_err e = look_up(x, t, v->u.s, &tree, &doc);
        if (e != VK_OK)
            return e;
        if (doc)
            return object(x, tree, doc, w, out_r);
        if (whole)
            return give(vk_pv_null(x->a), out_r);
    }
    return give(vk_pv_copy(x->a, v), out_r);
}

/* "/v1/invoices/:id/lines" */
static vk_str address(rendering *x, const vk_pay_node *n)
{
    vk_str s = holds(n->start, VK_PV_STR) ? n->start->u.s : VK_STR("");
    for (size_t i = 0; i + 3 <= s.n; i++)
        if (memcmp(s.p + i, ":id", 3) == 0)
            return vk_arena_printf(x->a, "%.*s%.*s%.*s", (int)i, s.p, (int)x->id.n, x->id.p,
                                   (int)(s.n - i - 3), s.p + i + 3);
    return s;
}

/* Adds an element of a list to `data`, at most VK_PAY_INLINE_MAX. */
static vk_err element(rendering *x, const vk_pay_tree *t, const vk_pv *doc, const wish *w, vk_pv *data)
{
    vk_pv *one;
    vk_err e = object(x, t, doc, w, &one);
    if (e == VK_OK)
        append(data, VK_STR_NONE, one);
    return e;
}

static vk_err list(rendering *x, const vk_pay_node *n, const vk_pv *v, const wish *w, vk_pv **out_r)
{
    const vk_pay_tree *t = n->type.n_refs ? n->type.refs[0] : NULL;
    const wish *inner = wish_of(w, VK_STR("data"));
    vk_pv *data = vk_pv_arr(x->a);
    vk_str url = address(x, n);
    vk_err e = data && url.p ? VK_OK : VK_E_NOMEM;
    size_t total = 0;
    if (e != VK_OK)
        return e;
    if (n->key && t) {
        vk_pv **docs;
        e = vk_pay_find(x->c, t->documents, n->key, x->id, VK_PAY_INLINE_MAX + 1, &docs, &total);
        for (size_t i = 0; i < total && i < VK_PAY_INLINE_MAX && e == VK_OK; i++)
            e = element(x, t, docs[i], inner, data);
    } else if (t) {
        const vk_pv *from = vk_pv_get(v, "data");
        total = holds(from, VK_PV_ARR) ? from->count : 0;
        VK_PV_EACH(one, from)
        {
            if (data->count == VK_PAY_INLINE_MAX || e != VK_OK)
                break;
            e = element(x, t, one, inner, data);
        }
    }
    if (e != VK_OK)
        return e;
    vk_pv *out = vk_pay_list(x->a, data, total > data->count, url);
    vk_pv *count = n->key ? NULL : vk_pv_int(x->a, (int64_t)total);
    if (!out || (!n->key && !count))
        return VK_E_NOMEM;
    if (count)
        append(out, VK_STR("total_count"), count);
    return give(out, out_r);
}

vk_pv *vk_pay_list(vk_arena *a, vk_pv *data, bool more, vk_str url)
{
    vk_pv *out = vk_pv_obj(a), *object = vk_pv_str(a, VK_STR("list")), *has_more = vk_pv_bool(a, more),
          *at = vk_pv_str(a, url);
    if (!out || !object || !has_more || !at || !data)
        return NULL;
    append(out, VK_STR("object"), object);
    append(out, VK_STR("data"), data);
    append(out, VK_STR("has_more"), has_more);
    append(out, VK_STR("url"), at);
    return out;
}

/* ---- objects and their members */

static vk_err members(rendering *x, const vk_pay_node *n, const vk_pv *doc, const wish *w, vk_pv **out_r)
{
    const vk_pay_shape *s = &n->shapes[x->band];
    const vk_pv *found[VK_PAY_ROWS_MAX];
    vk_pv *out = vk_pv_obj(x->a);
    if (!out)
        return VK_E_NOMEM;
    memset(found, 0, s->n * sizeof *found);
    VK_PV_EACH(m, doc)
    {
        int i = vk_pay_shape_find(s, m->key);
        if (i >= 0)
            found[i] = m;
    }
    for (size_t i = 0; i < s->n; i++) {
        const vk_pay_node *row = s->rows[i];
        const wish *k = w ? wish_of(w, row->name) : NULL;
        const vk_pv *v = row->n_from ? follow(row, doc) : found[i];
        bool folded = row->type.expanded_only && !k;
        if (row->optional && (folded || (!v && !row->type.expanded_only)))
            continue;
        vk_pv *one = NULL;
        vk_err e = folded ? give(vk_pv_null(x->a), &one) : value(x, row, v, k, &one);
        if (e != VK_OK)
            return e;
        if (one)
            append(out, row->name, one);
    }
    *out_r = out;
    return VK_OK;
}

static vk_err array(rendering *x, const vk_pay_node *n, const vk_pv *v, const wish *w, vk_pv **out_r)
{
    vk_pv *out = vk_pv_arr(x->a);
    if (!out)
        return VK_E_NOMEM;
    VK_PV_EACH(one, v)
    {
        vk_pv *made;
        vk_err e;
        if (n->type.of == VK_PAY_K_OBJECT && one->type == VK_PV_OBJ)
            e = members(x, n, one, w, &made);
        else if (n->type.of == VK_PAY_K_REF || n->type.of == VK_PAY_K_EMBED)
            e = reference(x, &n->type, n->type.of == VK_PAY_K_EMBED, one, w, &made);
        else
            e = give(vk_pv_copy(x->a, one), &made);
        if (e != VK_OK)
            return e;
        append(out, VK_STR_NONE, made);
    }
    return give(out, out_r);
}

/* Whether the document's value can be what the row says. */
static bool fits(const vk_pay_node *n, const vk_pv *v)
{
    switch (n->type.kind) {
    case VK_PAY_K_OBJECT:
    case VK_PAY_K_MAP:
    case VK_PAY_K_LIST:
        return v->type == VK_PV_OBJ;
    case VK_PAY_K_ARRAY:
        return v->type == VK_PV_ARR;
    case VK_PAY_K_ANY:
        return true;
    default:
        return v->type != VK_PV_NULL;
    }
}

static vk_err value(rendering *x, const vk_pay_node *n, const vk_pv *v, const wish *w, vk_pv **out_r)
{
    const vk_pay_type *t = &n->type;
    bool list_of_keys = t->kind == VK_PAY_K_LIST;
    if (t->kind == VK_PAY_K_ENUM && t->n_words == 1 && !t->null)
        return give(vk_pv_str(x->a, t->words[0].shown), out_r);
    if (v && v->type == VK_PV_NULL && t->null)
        return give(vk_pv_null(x->a), out_r);
    if (v && !fits(n, v))
        v = NULL;
    if (!v && list_of_keys)
        return list(x, n, NULL, w, out_r);
    if (!v && n->start && !list_of_keys && fits(n, n->start))
        v = n->start;
    if (!v && t->null)
        return give(vk_pv_null(x->a), out_r);
    if (!v && n->optional)
        return VK_OK;
    if (!v)
        return empty(x, n, out_r);
    switch (t->kind) {
    case VK_PAY_K_OBJECT:
        return members(x, n, v, w, out_r);
    case VK_PAY_K_ARRAY:
        return array(x, n, v, w, out_r);
    case VK_PAY_K_LIST:
        return list(x, n, v, w, out_r);
    case VK_PAY_K_REF:
    case VK_PAY_K_EMBED:
        return reference(x, t, t->kind == VK_PAY_K_EMBED, v, w, out_r);
    case VK_PAY_K_ENUM:
        return give(word(x->a, t, v), out_r);
    case VK_PAY_K_NUMBER:
        return give(number(x->a, v), out_r);
    case VK_PAY_K_DECIMAL:
        return give(decimal(x->a, v), out_r);
    default:
        return give(vk_pv_copy(x->a, v), out_r);
    }
}

/* {id, object, deleted}, and no more. */
static vk_err stub(rendering *x, const vk_pay_tree *t, const vk_pv *doc, vk_pv **out_r)
{
    vk_pv *out = vk_pv_obj(x->a), *id = vk_pv_str(x->a, vk_pv_text(doc, "id")),
          *name = vk_pv_str(x->a, t->object), *deleted = vk_pv_bool(x->a, true);
    if (!out || !id || !name || !deleted)
        return VK_E_NOMEM;
    append(out, VK_STR("id"), id);
    append(out, VK_STR("object"), name);
    append(out, VK_STR("deleted"), deleted);
    return give(out, out_r);
}

/* The document as it is now: many are older than what the time has made of them. */
static vk_err as_of_now(rendering *x, const vk_pay_tree *t, const vk_pv **doc)
{
    if (!t->resource->now)
        return VK_OK;
    vk_pv *copy = vk_pv_copy(x->a, *doc);
    *doc = copy;
    return copy ? t->resource->now(x->c, copy) : VK_E_NOMEM;
}

static vk_err object(rendering *x, const vk_pay_tree *t, const vk_pv *doc, const wish *w, vk_pv **out_r)
{
    if (vk_pv_flag(doc, "deleted"))
        return stub(x, t, doc, out_r);
    if (x->depth == DEPTH_MAX)
        return VK_E_TOO_LARGE;
    vk_err e = vk_pay_within_bytes(x->c); /* the same document may be there many times */
    if (e == VK_OK)
        e = as_of_now(x, t, &doc);
    if (e != VK_OK)
        return e;
    vk_str outer = x->id;
    x->id = vk_pv_text(doc, "id");
    x->depth++;
    e = members(x, &t->root, doc, w, out_r);
    x->depth--;
    x->id = outer;
    return e;
}

static vk_err render(vk_pay_call *c, const vk_pay_resource *r, const vk_pv *doc, int version, const wish *w,
                     vk_pv **out_r)
{
    const vk_pay_tree *t = vk_pay_tree_of(r);
    rendering x = {.c = c, .a = c->arena, .band = vk_pay_band_of(version)};
    return t && holds(doc, VK_PV_OBJ) ? object(&x, t, doc, w, out_r) : VK_E_INTERNAL;
}

vk_err vk_pay_render(vk_pay_call *c, const vk_pay_resource *r, const vk_pv *doc, const char *under,
                     vk_pv **out_r)
{
    wish *w = NULL;
    vk_err e = c->expand ? wishes(c, under ? under : "", &w) : VK_OK;
    return e == VK_OK ? render(c, r, doc, c->version, w, out_r) : e;
}

vk_err vk_pay_render_for(vk_pay_call *c, const vk_pay_resource *r, const vk_pv *doc, int version,
                         vk_pv **out_r)
{
    return render(c, r, doc, version, NULL, out_r);
}
