/* The check of a request's parameters: which names there are, which must be there, what type each is. What
 * passes is typed in place, so that handlers never look at a text that should be a number.
 * Messages and codes: https://docs.stripe.com/error-codes and what the API is known to answer. */
#include "core/text.h"
#include "services/payments/call.h"
#include "services/payments/schema_tree.h"

enum {
    UNKNOWN_MAX = 20, /* names told at once */
    NOTED_MAX = 10,
    METADATA_KEYS = 50,
    METADATA_KEY = 40,    /* characters */
    METADATA_VALUE = 500, /* characters */
    SHOWN_MAX = 100,      /* bytes of a wrong value that the message repeats */
    DECIMALS = 12,
    DECIMAL_BYTES = 32,
};

/* Where in the request, for messages: made into "line_items[0][price]" when one is needed only. */
typedef struct place {
    const struct place *up;
    vk_str name; /* VK_STR_NONE: an element */
    size_t index;
} place;

typedef struct checking {
    vk_pay_call *c;
    vk_str unknown[UNKNOWN_MAX];
    size_t n_unknown;
    vk_str noted[NOTED_MAX];
    size_t n_noted;
} checking;

static void write_place(vk_buf *b, const place *p)
{
    if (p->up)
        write_place(b, p->up);
    if (!p->name.p)
        vk_buf_printf(b, "[%zu]", p->index);
    else if (p->up)
        vk_buf_printf(b, "[%.*s]", (int)p->name.n, p->name.p);
    else
        vk_buf_str(b, p->name);
}

/* In the arena; "" without memory. */
static const char *at(checking *k, const place *p)
{
    vk_buf b;
    vk_buf_init(&b, 4096);
    write_place(&b, p);
    vk_str s = b.err == VK_OK ? vk_arena_dup(k->c->arena, vk_buf_view(&b)) : VK_STR_NONE;
    vk_buf_free(&b);
    return s.p ? s.p : "";
}

/* A value as a message repeats it: cut, at whole characters. */
static vk_str shown(vk_str s)
{
    if (s.n <= SHOWN_MAX)
        return s;
    size_t n = SHOWN_MAX;
    while (n && ((unsigned char)s.p[n] & 0xC0) == 0x80)
        n--;
    return (vk_str){s.p, n};
}

#define SHOW(s) (int)shown(s).n, shown(s).p

static bool blank(const vk_pv *v)
{
    return v->type == VK_PV_NULL || (v->type == VK_PV_STR && v->u.s.n == 0);
}

/* ---- names */

static const vk_pay_node *param_of(const checking *k, const vk_pay_node *n, vk_str name)
{
    for (const vk_pay_node *p = n->first; p; p = p->next)
        if (vk_str_eq(p->name, name) && vk_pay_row_in(p, k->c->version))
            return p;
    return NULL;
}

static void unknown(checking *k, const place *p)
{
    if (k->n_unknown < UNKNOWN_MAX)
        k->unknown[k->n_unknown++] = vk_str_z(at(k, p));
}

static bool bound_name(vk_str s)
{
    return vk_str_eqz(s, "gt") || vk_str_eqz(s, "gte") || vk_str_eqz(s, "lt") || vk_str_eqz(s, "lte");
}

static void names(checking *k, const vk_pay_node *n, const vk_pv *v, const place *up);

static void names_below(checking *k, const vk_pay_node *n, const vk_pv *v, const place *p)
{
    if (n->type.kind == VK_PAY_K_RANGE && v->type == VK_PV_OBJ) {
        VK_PV_EACH(m, v)
        if (!bound_name(m->key))
            unknown(k, &(place){p, m->key, 0});
    } else if (n->type.kind == VK_PAY_K_OBJECT && v->type == VK_PV_OBJ) {
        names(k, n, v, p);
    } else if (n->type.kind == VK_PAY_K_ARRAY && n->type.of == VK_PAY_K_OBJECT && v->type == VK_PV_ARR) {
        size_t i = 0;
        VK_PV_EACH(one, v)
        {
            place el = {p, VK_STR_NONE, i++};
            if (one->type == VK_PV_OBJ)
                names(k, n, one, &el);
        }
    }
}

static void names(checking *k, const vk_pay_node *n, const vk_pv *v, const place *up)
{
    VK_PV_EACH(m, v)
    {
        place p = {up, m->key, 0};
        const vk_pay_node *row = param_of(k, n, m->key);
        if (row)
            names_below(k, row, m, &p);
        else
            unknown(k, &p);
    }
}

static vk_err refuse_unknown(checking *k)
{
    vk_buf b;
    vk_buf_init(&b, 16384);
    for (size_t i = 0; i < k->n_unknown; i++) {
        vk_buf_z(&b, i ? ", " : "");
        vk_buf_str(&b, k->unknown[i]);
    }
    const char *first = k->unknown[0].p;
    vk_err e = b.err != VK_OK ? b.err
                              : vk_pay_refuse(k->c, 400, "parameter_unknown", first,
                                              "Received unknown parameter%s: %.*s",
                                              k->n_unknown > 1 ? "s" : "", (int)b.n, b.p);
    vk_buf_free(&b);
    return e;
}

/* ---- values */

static vk_err refuse_empty(checking *k, const place *p)
{
    const char *name = at(k, p);
    return vk_pay_refuse(k->c, 400, "parameter_invalid_empty", name,
                         "You passed an empty string for '%s'. We assume empty values are an attempt to "
                         "unset a parameter; however '%s' cannot be unset. You should remove '%s' from your "
                         "request or supply a non-empty value.",
                         name, name, name);
}

static size_t characters(vk_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

static vk_err text(checking *k, const vk_pay_type *t, const vk_pv *v, const place *p)
{
    if (v->u.s.n <= t->max || characters(v->u.s) <= t->max)
        return VK_OK;
    return vk_pay_refuse(k->c, 400, NULL, at(k, p), "Invalid string: %.*s...; must be at most %zu characters",
                         SHOW(v->u.s), t->max);
}

static bool whole(vk_str s, int64_t *out_r)
{
    return s.n && s.p[0] != '+' && vk_str_to_i64(s, out_r) == VK_OK;
}

static vk_err integer(checking *k, vk_pv *v, const place *p)
{
    int64_t i;
    if (!whole(v->u.s, &i))
        return vk_pay_refuse(k->c, 400, "parameter_invalid_integer", at(k, p), "Invalid integer: %.*s",
                             SHOW(v->u.s));
    v->type = VK_PV_INT;
    v->u.i = i;
    return VK_OK;
}

static vk_err boolean(checking *k, vk_pv *v, const place *p)
{
    bool yes = vk_str_eqz(v->u.s, "true");
    if (!yes && !vk_str_eqz(v->u.s, "false"))
        return vk_pay_refuse(k->c, 400, NULL, at(k, p), "Invalid boolean: %.*s", SHOW(v->u.s));
    v->type = VK_PV_BOOL;
    v->u.b = yes;
    return VK_OK;
}

/* "-12.50": at most DECIMALS behind the point. */
static bool decimal_text(vk_str s)
{
    size_t i = s.n && s.p[0] == '-', begin = i, point;
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
        i++;
    if (i == begin || s.n > DECIMAL_BYTES)
        return false;
    if (i == s.n)
        return true;
    if (s.p[i++] != '.')
        return false;
    for (point = i; i < s.n && s.p[i] >= '0' && s.p[i] <= '9';)
        i++;
    return i == s.n && i > point && i - point <= DECIMALS;
}

/* As JSON writes numbers: no zeros that say nothing. */
static vk_str tidy(vk_str s)
{
    bool minus = s.p[0] == '-';
    if (!minus)
        while (s.n > 1 && s.p[0] == '0' && s.p[1] != '.')
            s = (vk_str){s.p + 1, s.n - 1};
    if (memchr(s.p, '.', s.n))
        while (s.p[s.n - 1] == '0' || s.p[s.n - 1] == '.')
            if (s.p[--s.n] == '.')
                break;
    return s;
}

static vk_err decimal(checking *k, const vk_pay_type *t, vk_pv *v, const place *p)
{
    bool zeros = v->u.s.n > 2 && v->u.s.p[0] == '-' && v->u.s.p[1] == '0' && v->u.s.p[2] != '.';
    if (!decimal_text(v->u.s) || zeros)
        return vk_pay_refuse(k->c, 400, NULL, at(k, p), "Invalid decimal: %.*s", SHOW(v->u.s));
    if (t->kind == VK_PAY_K_NUMBER)
        v->u.s = tidy(v->u.s);
    return VK_OK;
}

static bool word(const vk_pay_type *t, vk_pv *v)
{
    for (size_t i = 0; i < t->n_words; i++)
        if (vk_str_eq(t->words[i].stored, v->u.s)) {
            v->u.s = t->words[i].shown;
            return true;
        }
    return false;
}

static vk_err refuse_word(checking *k, const vk_pay_type *t, const place *p)
{
    vk_buf b;
    size_t n = 0, i = 0;
    const char *name = at(k, p);
    vk_buf_init(&b, 16384);
    for (i = 0; i < t->n_words; i++)
        n += vk_str_eq(t->words[i].shown, t->words[i].stored);
    size_t left = n;
    for (i = 0; i < t->n_words; i++) {
        if (!vk_str_eq(t->words[i].shown, t->words[i].stored))
            continue;
        vk_buf_z(&b, left == n ? "" : left > 1 ? ", " : n > 2 ? ", or " : " or ");
        vk_buf_str(&b, t->words[i].shown);
        left--;
    }
    vk_err e = b.err == VK_OK ? vk_pay_refuse(k->c, 400, NULL, name, "Invalid %s: must be %s%.*s", name,
                                              n > 1 ? "one of " : "", (int)b.n, b.p)
                              : b.err;
    vk_buf_free(&b);
    return e;
}

static vk_err country(checking *k, const vk_pv *v, const place *p)
{
    vk_str s = v->u.s;
    if (s.n == 2 && s.p[0] >= 'A' && s.p[0] <= 'Z' && s.p[1] >= 'A' && s.p[1] <= 'Z')
        return VK_OK;
    return vk_pay_refuse(k->c, 400, NULL, at(k, p),
                         "Country '%.*s' is unknown. Try using a 2-character alphanumeric country code "
                         "instead, such as 'US', 'EG', or 'GB'.",
                         SHOW(s));
}

static const char *kind_name(vk_pay_kind kind)
{
    switch (kind) {
    case VK_PAY_K_INT:
        return "integer";
    case VK_PAY_K_BOOL:
        return "boolean";
    case VK_PAY_K_DECIMAL:
    case VK_PAY_K_NUMBER:
        return "decimal";
    case VK_PAY_K_OBJECT:
    case VK_PAY_K_MAP:
        return "object";
    case VK_PAY_K_ARRAY:
        return "array";
    default:
        return "string";
    }
}

static vk_err refuse_kind(checking *k, vk_pay_kind kind, const place *p)
{
    return vk_pay_refuse(k->c, 400, NULL, at(k, p), "Invalid %s", kind_name(kind));
}

static vk_err scalar(checking *k, const vk_pay_type *t, vk_pay_kind kind, vk_pv *v, const place *p)
{
    if (v->type != VK_PV_STR)
        return refuse_kind(k, kind, p);
    switch (kind) {
    case VK_PAY_K_INT:
        return word(t, v) ? VK_OK : integer(k, v, p);
    case VK_PAY_K_BOOL:
        return word(t, v) ? VK_OK : boolean(k, v, p);
    case VK_PAY_K_DECIMAL:
    case VK_PAY_K_NUMBER:
        return decimal(k, t, v, p);
    case VK_PAY_K_ENUM:
        return word(t, v) ? VK_OK : refuse_word(k, t, p);
    case VK_PAY_K_COUNTRY:
        return country(k, v, p);
    default:
        return text(k, t, v, p);
    }
}

/* ---- containers */

/* "metadata[1]=x" comes as an array whose elements know their numbers. */
static bool as_object(vk_pv *v)
{
    if (v->type == VK_PV_ARR) {
        VK_PV_EACH(one, v)
        if (!one->key.n)
            return false;
        v->type = VK_PV_OBJ;
    }
    return v->type == VK_PV_OBJ;
}

static vk_err metadata(checking *k, vk_pv *v, const place *p)
{
    if (!as_object(v))
        return refuse_kind(k, VK_PAY_K_MAP, p);
    if (v->count > METADATA_KEYS)
        return vk_pay_refuse(k->c, 400, NULL, at(k, p), "Metadata can have up to %d keys, but you passed %u.",
                             METADATA_KEYS, v->count);
    VK_PV_EACH(m, v)
    {
        place here = {p, m->key, 0};
        if (m->type != VK_PV_STR)
            return vk_pay_refuse(k->c, 400, NULL, at(k, &here), "Metadata values must be strings.");
        if (characters(m->key) > METADATA_KEY)
            return vk_pay_refuse(k->c, 400, NULL, at(k, p),
                                 "Metadata keys can be up to %d characters long. Invalid key: %.*s",
                                 METADATA_KEY, SHOW(m->key));
        if (characters(m->u.s) > METADATA_VALUE)
            return vk_pay_refuse(k->c, 400, NULL, at(k, &here),
                                 "Metadata values can have up to %d characters, but you passed in a value "
                                 "that is %zu characters. Invalid value: %.*s",
                                 METADATA_VALUE, characters(m->u.s), SHOW(m->u.s));
    }
    return VK_OK;
}

static vk_err range(checking *k, vk_pv *v, const place *p)
{
    if (v->type == VK_PV_STR)
        return integer(k, v, p);
    if (v->type != VK_PV_OBJ)
        return refuse_kind(k, VK_PAY_K_OBJECT, p);
    VK_PV_EACH(m, v)
    {
        place here = {p, m->key, 0};
        vk_err e = m->type == VK_PV_STR ? integer(k, m, &here) : refuse_kind(k, VK_PAY_K_INT, &here);
        if (e != VK_OK)
            return e;
    }
    return VK_OK;
}

static vk_err values(checking *k, const vk_pay_node *n, vk_pv *v, const place *up);

static vk_err array(checking *k, const vk_pay_node *n, vk_pv *v, const place *p)
{
    size_t i = 0;
    if (v->type != VK_PV_ARR)
        return refuse_kind(k, VK_PAY_K_ARRAY, p);
    VK_PV_EACH(one, v)
    {
        place here = {p, VK_STR_NONE, i++};
        vk_err e;
        if (n->type.of == VK_PAY_K_OBJECT)
            e = as_object(one) ? values(k, n, one, &here) : refuse_kind(k, VK_PAY_K_OBJECT, &here);
        else
            e = one->type == VK_PV_STR && !one->u.s.n ? refuse_empty(k, &here)
                                                      : scalar(k, &n->type, n->type.of, one, &here);
        if (e != VK_OK)
            return e;
        one->key = VK_STR_NONE; /* the numbers that they came with say nothing any more */
    }
    return VK_OK;
}

static vk_err one_value(checking *k, const vk_pay_node *n, vk_pv *v, const place *p)
{
    const vk_pay_type *t = &n->type;
    if (t->kind == VK_PAY_K_ANY)
        return VK_OK;
    if (blank(v)) {
        if (!t->null && t->kind != VK_PAY_K_MAP)
            return refuse_empty(k, p);
        v->type = VK_PV_NULL;
        return VK_OK;
    }
    switch (t->kind) {
    case VK_PAY_K_MAP:
        return metadata(k, v, p);
    case VK_PAY_K_RANGE:
        return range(k, v, p);
    case VK_PAY_K_ARRAY:
        return array(k, n, v, p);
    case VK_PAY_K_OBJECT:
        return as_object(v) ? values(k, n, v, p) : refuse_kind(k, t->kind, p);
    default:
        return scalar(k, t, t->kind, v, p);
    }
}

/* What is without effect, or not here. *gone_r: it is to be taken out. */
static vk_err effect(checking *k, const vk_pay_node *n, const vk_pv *v, const place *p, bool *gone_r)
{
    bool without = n->to && strcmp(n->to, "!") == 0, refused = n->to && strcmp(n->to, "-") == 0;
    *gone_r = without || refused;
    if (!*gone_r || blank(v))
        return VK_OK;
    const char *name = at(k, p);
    if (refused)
        return vk_pay_refuse_absent(k->c, name, name);
    if (k->n_noted < NOTED_MAX)
        k->noted[k->n_noted++] = vk_str_z(name);
    return VK_OK;
}

static bool required(const checking *k, const vk_pay_node *n)
{
    return n->required && vk_pay_row_in(n, k->c->version);
}

static vk_err values(checking *k, const vk_pay_node *n, vk_pv *v, const place *up)
{
    for (const vk_pay_node *row = n->first; row; row = row->next)
        if (required(k, row) && !vk_pv_get_n(v, row->name))
            return vk_pay_refuse_missing(k->c, at(k, &(place){up, row->name, 0}));
    for (vk_pv *m = vk_pv_first(v), *next; m; m = next) {
        const vk_pay_node *row = param_of(k, n, m->key);
        place p = {up, m->key, 0};
        bool gone = false;
        next = m->next;
        if (!row)
            return VK_E_INTERNAL; /* names() has refused it */
        vk_err e = effect(k, row, m, &p, &gone);
        if (e == VK_OK && !gone)
            e = one_value(k, row, m, &p);
        if (e != VK_OK)
            return e;
        if (gone)
            vk_pv_del_n(v, m->key);
    }
    return VK_OK;
}

/* ---- expand */

static const vk_pay_node *shown_row(const vk_pay_node *n, size_t band, vk_str name)
{
    const vk_pay_shape *s = &n->shapes[band];
    for (size_t i = 0; i < s->n; i++)
        if (vk_str_eq(s->rows[i]->name, name))
            return s->rows[i];
    return NULL;
}

static bool can_expand(const vk_pay_node *n, size_t band, const vk_str *seg, size_t len);

/* Whether the rest of a path leads on behind a row. */
static bool leads_on(const vk_pay_node *row, size_t band, const vk_str *seg, size_t len)
{
    const vk_pay_type *t = &row->type;
    vk_pay_kind kind = t->kind == VK_PAY_K_ARRAY ? t->of : t->kind;
    bool reference = kind == VK_PAY_K_REF || kind == VK_PAY_K_EMBED;
    if (len == 0)
        return reference || t->expanded_only || kind == VK_PAY_K_LIST || kind == VK_PAY_K_OBJECT;
    if (kind == VK_PAY_K_LIST) {
        if (!vk_str_eqz(seg[0], "data"))
            return false;
        return len == 1 || !t->n_refs || can_expand(&t->refs[0]->root, band, seg + 1, len - 1);
    }
    if (kind == VK_PAY_K_OBJECT)
        return can_expand(row, band, seg, len);
    for (size_t i = 0; reference && i < t->n_refs; i++)
        if (can_expand(&t->refs[i]->root, band, seg, len))
            return true;
    return reference && t->n_refs == 0;
}

static bool can_expand(const vk_pay_node *n, size_t band, const vk_str *seg, size_t len)
{
    const vk_pay_node *row = shown_row(n, band, seg[0]);
    return row && leads_on(row, band, seg + 1, len - 1);
}

static vk_err check_path(checking *k, vk_str path)
{
    const vk_pay_endpoint *ep = k->c->ep;
    const vk_pay_tree *t = vk_pay_tree_of(ep->resource);
    vk_str seg[VK_PAY_SEGMENTS];
    size_t n = 0, skip = ep->verb == VK_PAY_LIST || ep->verb == VK_PAY_SEARCH;
    bool deep = !vk_pay_split(path, '.', seg, VK_COUNT(seg), &n) || n > VK_PAY_EXPAND_MAX;
    if (deep)
        return vk_pay_refuse(k->c, 400, "property_expansion_max_depth", "expand",
                             "You cannot expand more than %d levels of a property. Property: %.*s",
                             VK_PAY_EXPAND_MAX, SHOW(path));
    bool good = n > 0 && (!skip || vk_str_eqz(seg[0], "data"));
    if (good && n > skip)
        good = t && can_expand(&t->root, vk_pay_band_of(k->c->version), seg + skip, n - skip);
    return good ? VK_OK
                : vk_pay_refuse(k->c, 400, NULL, "expand", "This property cannot be expanded (%.*s).",
                                SHOW(path));
}

static vk_err take_expand(checking *k, vk_pv *form)
{
    vk_pv *v = vk_pv_get(form, "expand");
    if (!v)
        return VK_OK;
    place p = {NULL, VK_STR("expand"), 0};
    bool none = blank(v);
    if (!none && v->type != VK_PV_ARR)
        return refuse_kind(k, VK_PAY_K_ARRAY, &p);
    size_t i = 0;
    VK_PV_EACH(one, none ? NULL : v)
    {
        place here = {&p, VK_STR_NONE, i++};
        vk_err e = one->type == VK_PV_STR ? check_path(k, one->u.s) : refuse_kind(k, VK_PAY_K_STRING, &here);
        if (e != VK_OK)
            return e;
    }
    vk_pv_del(form, "expand");
    v->next = NULL;
    k->c->expand = none ? NULL : v;
    return VK_OK;
}

/* ---- */

static void tell(checking *k)
{
    vk_buf b;
    if (!k->n_noted)
        return;
    vk_buf_init(&b, 4096);
    for (size_t i = 0; i < k->n_noted; i++) {
        vk_buf_z(&b, i ? ", " : "");
        vk_buf_str(&b, k->noted[i]);
    }
    if (b.err == VK_OK)
        vk_pay_notice(k->c, "Test mode: %.*s %s accepted but %s no effect.", (int)b.n, b.p,
                      k->n_noted > 1 ? "are" : "is", k->n_noted > 1 ? "have" : "has");
    vk_buf_free(&b);
}

vk_err vk_pay_check(vk_pay_call *c, vk_pv *form)
{
    const vk_pay_route *r = vk_pay_route_of(c->ep);
    checking k = {.c = c};
    if (!r || !vk_pv_is(form, VK_PV_OBJ))
        return VK_E_INTERNAL;
    vk_err e = take_expand(&k, form);
    if (e != VK_OK)
        return e;
    names(&k, &r->params, form, NULL);
    if (k.n_unknown)
        return refuse_unknown(&k);
    e = values(&k, &r->params, form, NULL);
    if (e == VK_OK)
        tell(&k);
    return e;
}
