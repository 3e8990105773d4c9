#include "services/payments/value.h"

enum { DEPTH = VK_JSON_DEPTH_MAX + 8 }; /* of what is written: what is read, and a little around it */

static vk_pv *fresh(vk_arena *a, vk_pv_type type)
{
    vk_pv *v = VK_NEW(a, vk_pv);
    if (v)
        v->type = type;
    return v;
}

vk_pv *vk_pv_null(vk_arena *a)
{
    return fresh(a, VK_PV_NULL);
}

vk_pv *vk_pv_bool(vk_arena *a, bool b)
{
    vk_pv *v = fresh(a, VK_PV_BOOL);
    if (v)
        v->u.b = b;
    return v;
}

vk_pv *vk_pv_int(vk_arena *a, int64_t i)
{
    vk_pv *v = fresh(a, VK_PV_INT);
    if (v)
        v->u.i = i;
    return v;
}

vk_pv *vk_pv_str(vk_arena *a, vk_str s)
{
    vk_pv *v = fresh(a, s.p ? VK_PV_STR : VK_PV_NULL);
    if (v && s.p)
        v->u.s = s;
    return v;
}

vk_pv *vk_pv_arr(vk_arena *a)
{
    return fresh(a, VK_PV_ARR);
}

vk_pv *vk_pv_obj(vk_arena *a)
{
    return fresh(a, VK_PV_OBJ);
}

static bool container(const vk_pv *v)
{
    return v && (v->type == VK_PV_ARR || v->type == VK_PV_OBJ);
}

static void append(vk_pv *c, vk_pv *v)
{
    v->next = NULL;
    if (c->u.c.last)
        c->u.c.last->next = v;
    else
        c->u.c.first = v;
    c->u.c.last = v;
    c->count++;
}

/* Puts `v` where `old` is; `before` is the one before it. */
static void exchange(vk_pv *c, vk_pv *before, vk_pv *old, vk_pv *v)
{
    if (v == old)
        return;
    v->next = old->next;
    if (before)
        before->next = v;
    else
        c->u.c.first = v;
    if (c->u.c.last == old)
        c->u.c.last = v;
    old->next = NULL;
}

vk_pv *vk_pv_copy(vk_arena *a, const vk_pv *v)
{
    vk_pv *copy = v ? fresh(a, v->type) : NULL;
    if (!copy || !container(v)) {
        if (copy)
            copy->u = v->u;
        return copy;
    }
    VK_PV_EACH(one, v)
    {
        vk_pv *c = vk_pv_copy(a, one);
        if (!c)
            return NULL;
        c->key = one->key;
        append(copy, c);
    }
    return copy;
}

/* ---- what is there ---- */

vk_pv *vk_pv_first(const vk_pv *v)
{
    return container(v) ? v->u.c.first : NULL;
}

/* The member, and the one before it (which is not there for the first). */
static vk_pv *member(const vk_pv *o, vk_str key, vk_pv **before_r)
{
    *before_r = NULL;
    if (!o || o->type != VK_PV_OBJ)
        return NULL;
    VK_PV_EACH(m, o)
    {
        if (vk_str_eq(m->key, key))
            return m;
        *before_r = m;
    }
    return NULL;
}

/* An element by its place, written in digits. */
static vk_pv *element(const vk_pv *arr, vk_str place, vk_pv **before_r)
{
    int64_t at;
    *before_r = NULL;
    if (place.n == 0 || place.p[0] < '0' || place.p[0] > '9' || vk_str_to_i64(place, &at) != VK_OK)
        return NULL;
    VK_PV_EACH(e, arr)
    {
        if (at-- == 0)
            return e;
        *before_r = e;
    }
    return NULL;
}

static vk_pv *child(const vk_pv *v, vk_str segment, vk_pv **before_r)
{
    return vk_pv_is(v, VK_PV_ARR) ? element(v, segment, before_r) : member(v, segment, before_r);
}

vk_pv *vk_pv_get_n(const vk_pv *o, vk_str key)
{
    vk_pv *before;
    return member(o, key, &before);
}

vk_pv *vk_pv_get(const vk_pv *o, const char *key)
{
    return vk_pv_get_n(o, vk_str_z(key));
}

/* The next segment of a path; false behind the last one. */
static bool segment(vk_str *path, vk_str *out_r)
{
    if (!path->p)
        return false;
    if (!vk_str_cut(path, '.', out_r)) {
        *out_r = *path;
        *path = VK_STR_NONE;
    }
    return true;
}

vk_pv *vk_pv_at(const vk_pv *o, const char *path)
{
    vk_str rest = vk_str_z(path), s;
    vk_pv *v = NULL, *before;
    while (segment(&rest, &s)) {
        v = child(o, s, &before);
        if (!v)
            return NULL;
        o = v;
    }
    return v;
}

bool vk_pv_is(const vk_pv *v, vk_pv_type type)
{
    return v && v->type == type;
}

bool vk_pv_is_null(const vk_pv *v)
{
    return !v || v->type == VK_PV_NULL;
}

vk_str vk_pv_text(const vk_pv *o, const char *path)
{
    const vk_pv *v = vk_pv_at(o, path);
    return vk_pv_is(v, VK_PV_STR) ? v->u.s : VK_STR_NONE;
}

int64_t vk_pv_number(const vk_pv *o, const char *path, int64_t otherwise)
{
    const vk_pv *v = vk_pv_at(o, path);
    return vk_pv_is(v, VK_PV_INT) ? v->u.i : otherwise;
}

bool vk_pv_flag(const vk_pv *o, const char *path)
{
    const vk_pv *v = vk_pv_at(o, path);
    return vk_pv_is(v, VK_PV_BOOL) && v->u.b;
}

static bool equal_members(const vk_pv *a, const vk_pv *b)
{
    /* Both mostly come from the same hand: the member is where it is expected. */
    const vk_pv *there = b->u.c.first;
    VK_PV_EACH(m, a)
    {
        const vk_pv *o = there && vk_str_eq(there->key, m->key) ? there : vk_pv_get_n(b, m->key);
        if (!o || !vk_pv_equal(m, o))
            return false;
        there = o->next;
    }
    return true;
}

static bool equal_elements(const vk_pv *a, const vk_pv *b)
{
    const vk_pv *o = b->u.c.first;
    VK_PV_EACH(e, a)
    {
        if (!vk_pv_equal(e, o))
            return false;
        o = o->next;
    }
    return true;
}

bool vk_pv_equal(const vk_pv *a, const vk_pv *b)
{
    if (!a || !b)
        return a == b;
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case VK_PV_NULL:
        return true;
    case VK_PV_BOOL:
        return a->u.b == b->u.b;
    case VK_PV_INT:
        return a->u.i == b->u.i;
    case VK_PV_STR:
    case VK_PV_NUM:
        return vk_str_eq(a->u.s, b->u.s);
    case VK_PV_ARR:
        return a->count == b->count && equal_elements(a, b);
    case VK_PV_OBJ:
        return a->count == b->count && equal_members(a, b);
    }
    return false;
}

/* ---- changes ---- */

bool vk_pv_set_n(vk_arena *a, vk_pv *o, vk_str key, vk_pv *v)
{
    VK_UNUSED(a);
    if (!v || !vk_pv_is(o, VK_PV_OBJ))
        return false;
    vk_pv *before, *old = member(o, key, &before);
    v->key = key;
    if (old)
        exchange(o, before, old, v);
    else
        append(o, v);
    return true;
}

bool vk_pv_set(vk_arena *a, vk_pv *o, const char *key, vk_pv *v)
{
    return vk_pv_set_n(a, o, vk_str_z(key), v);
}

/* The container on the way to the last segment, made when it is not there. */
static vk_pv *enter(vk_arena *a, vk_pv *o, vk_str s)
{
    vk_pv *before, *v = child(o, s, &before);
    if (container(v))
        return v;
    if (v && v->type != VK_PV_NULL)
        return NULL;
    if (v) { /* in place of null: who holds it sees the object */
        v->type = VK_PV_OBJ;
        v->u.c.first = v->u.c.last = NULL;
        v->count = 0;
        return v;
    }
    v = vk_pv_obj(a);
    return vk_pv_set_n(a, o, s, v) ? v : NULL;
}

bool vk_pv_put(vk_arena *a, vk_pv *o, const char *path, vk_pv *v)
{
    vk_str rest = vk_str_z(path), s = VK_STR_NONE;
    if (!v)
        return false;
    while (segment(&rest, &s) && rest.p) {
        o = enter(a, o, s);
        if (!o)
            return false;
    }
    if (!vk_pv_is(o, VK_PV_ARR))
        return vk_pv_set_n(a, o, s, v);
    vk_pv *before, *old = element(o, s, &before);
    if (old)
        exchange(o, before, old, v);
    return old;
}

bool vk_pv_put_str(vk_arena *a, vk_pv *o, const char *path, vk_str s)
{
    return vk_pv_put(a, o, path, vk_pv_str(a, s));
}

bool vk_pv_put_int(vk_arena *a, vk_pv *o, const char *path, int64_t i)
{
    return vk_pv_put(a, o, path, vk_pv_int(a, i));
}

bool vk_pv_put_bool(vk_arena *a, vk_pv *o, const char *path, bool b)
{
    return vk_pv_put(a, o, path, vk_pv_bool(a, b));
}

bool vk_pv_put_null(vk_arena *a, vk_pv *o, const char *path)
{
    return vk_pv_put(a, o, path, vk_pv_null(a));
}

bool vk_pv_add(vk_arena *a, vk_pv *arr, vk_pv *v)
{
    VK_UNUSED(a);
    if (!v || !vk_pv_is(arr, VK_PV_ARR))
        return false;
    append(arr, v);
    return true;
}

void vk_pv_del_n(vk_pv *o, vk_str key)
{
    vk_pv *before, *old = member(o, key, &before);
    if (!old)
        return;
    if (before)
        before->next = old->next;
    else
        o->u.c.first = old->next;
    if (o->u.c.last == old)
        o->u.c.last = before;
    old->next = NULL;
    o->count--;
}

void vk_pv_del(vk_pv *o, const char *key)
{
    vk_pv_del_n(o, vk_str_z(key));
}

/* ---- JSON ---- */

/* As deep as the reader lets it be. */
static vk_pv *from_json(vk_arena *a, const vk_json *j)
{
    switch (j->type) {
    case VK_JSON_NULL:
        return vk_pv_null(a);
    case VK_JSON_BOOL:
        return vk_pv_bool(a, j->u.b);
    case VK_JSON_INT:
        return vk_pv_int(a, j->u.i);
    case VK_JSON_STRING:
        return vk_pv_str(a, j->u.s.p ? j->u.s : VK_STR(""));
    case VK_JSON_DOUBLE: {
        char room[512];
        vk_buf text = {.p = room, .cap = sizeof room, .max = sizeof room};
        vk_json_double(&text, j->u.d);
        vk_str s = text.err == VK_OK ? vk_arena_dup(a, vk_buf_view(&text)) : VK_STR_NONE;
        vk_pv *v = s.p ? vk_pv_str(a, s) : NULL;
        if (v)
            v->type = VK_PV_NUM;
        return v;
    }
    case VK_JSON_ARRAY:
    case VK_JSON_OBJECT:
        break;
    }
    vk_pv *c = j->type == VK_JSON_ARRAY ? vk_pv_arr(a) : vk_pv_obj(a);
    for (const vk_json *e = j->u.child; c && e; e = e->next) {
        vk_pv *v = from_json(a, e);
        if (!v)
            return NULL;
        v->key = e->key;
        append(c, v);
    }
    return c;
}

vk_err vk_pv_parse(vk_arena *a, vk_str text, vk_pv **out_r)
{
    vk_json *j;
    vk_err e = vk_json_parse(a, text, &j, NULL, NULL);
    if (e != VK_OK)
        return e;
    vk_pv *v = from_json(a, j);
    if (!v)
        return VK_E_NOMEM;
    *out_r = v;
    return VK_OK;
}

enum { ONE_LINE = -1 };

static void newline(vk_buf *out, int level)
{
    static const char blanks[] = "                                ";
    if (level == ONE_LINE)
        return;
    vk_buf_ch(out, '\n');
    for (size_t n = (size_t)level * 2, k; n; n -= k) {
        k = n < sizeof blanks - 1 ? n : sizeof blanks - 1;
        vk_buf_add(out, blanks, k);
    }
}

static void put(vk_buf *out, const vk_pv *v, int level, int depth)
{
    if (!v || depth > DEPTH) {
        if (out->err == VK_OK)
            out->err = v ? VK_E_TOO_LARGE : VK_E_NOMEM;
        return;
    }
    switch (v->type) {
    case VK_PV_NULL:
        vk_buf_lit(out, "null");
        return;
    case VK_PV_BOOL:
        vk_buf_str(out, v->u.b ? VK_STR("true") : VK_STR("false"));
        return;
    case VK_PV_INT:
        vk_buf_i64(out, v->u.i);
        return;
    case VK_PV_STR:
        vk_json_quote(out, v->u.s);
        return;
    case VK_PV_NUM:
        vk_buf_str(out, v->u.s);
        return;
    case VK_PV_ARR:
    case VK_PV_OBJ:
        break;
    }
    bool object = v->type == VK_PV_OBJ;
    vk_buf_ch(out, object ? '{' : '[');
    int inner = level == ONE_LINE ? ONE_LINE : level + 1;
    VK_PV_EACH(e, v)
    {
        newline(out, inner);
        if (object) {
            vk_json_quote(out, e->key);
            vk_buf_str(out, level == ONE_LINE ? VK_STR(":") : VK_STR(": "));
        }
        put(out, e, inner, depth + 1);
        if (e->next)
            vk_buf_ch(out, ',');
    }
    if (v->u.c.first)
        newline(out, level);
    vk_buf_ch(out, object ? '}' : ']');
}

void vk_pv_write(vk_buf *out, const vk_pv *v)
{
    put(out, v, ONE_LINE, 0);
}

void vk_pv_write_pretty(vk_buf *out, const vk_pv *v)
{
    put(out, v, 0, 0);
}
