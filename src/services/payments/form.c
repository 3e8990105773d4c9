#include "services/payments/form.h"

#include "core/text.h"

struct form {
    vk_arena *a;
    const char **why_r;
    vk_str *param_r;
    vk_str name; /* of the pair that is looked at, decoded */
};

/* A name as its segments: "a[b][]" is "a", "b", "". */
struct name {
    vk_str seg[VK_PAY_FORM_DEPTH + 1];
    size_t n;
};

static vk_err refuse(struct form *f, vk_err e, const char *why)
{
    *f->why_r = why;
    *f->param_r = f->name.n ? f->name : VK_STR_NONE;
    return e;
}

/* ---- text ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool good_text(vk_str s)
{
    const char *p = s.p, *end = s.p + s.n;
    while (p < end) {
        size_t bad, n = vk_utf8_seq(p, end, &bad);
        if (n == 0 || *p == '\0')
            return false;
        p += n;
    }
    return true;
}

vk_err vk_pay_unescape(vk_arena *a, vk_str in, bool plus, vk_str *out_r, const char **why_r)
{
    char *out = vk_arena_alloc(a, in.n + 1);
    size_t n = 0;
    if (!out)
        return VK_E_NOMEM;
    for (size_t i = 0; i < in.n; i++) {
        char c = plus && in.p[i] == '+' ? ' ' : in.p[i];
        if (c == '%') {
            int hi = i + 2 < in.n ? hex(in.p[i + 1]) : -1, lo = i + 2 < in.n ? hex(in.p[i + 2]) : -1;
            if (hi < 0 || lo < 0) {
                *why_r = "Invalid percent-encoding";
                return VK_E_INVALID;
            }
            c = (char)(hi << 4 | lo);
            i += 2;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    *out_r = (vk_str){out, n};
    if (good_text(*out_r))
        return VK_OK;
    *why_r = "Invalid UTF-8 encoding";
    return VK_E_INVALID;
}

/* ---- names ---- */

static vk_err split(struct form *f, struct name *out)
{
    vk_str s = f->name;
    const char *open = s.n ? memchr(s.p, '[', s.n) : NULL, *end = s.p + s.n;
    out->seg[0] = (vk_str){s.p, open ? (size_t)(open - s.p) : s.n};
    out->n = 1;
    if (out->seg[0].n == 0 || memchr(out->seg[0].p, ']', out->seg[0].n))
        return refuse(f, VK_E_INVALID, "Invalid parameter name");
    for (const char *p = open; p && p < end;) {
        const char *close = *p == '[' ? memchr(p, ']', (size_t)(end - p)) : NULL;
        if (!close || memchr(p + 1, '[', (size_t)(close - p - 1)))
            return refuse(f, VK_E_INVALID, "Invalid parameter name");
        if (out->n == VK_COUNT(out->seg))
            return refuse(f, VK_E_TOO_LARGE, "Parameter is nested too deeply");
        out->seg[out->n++] = (vk_str){p + 1, (size_t)(close - p - 1)};
        p = close + 1;
    }
    return VK_OK;
}

static bool digits(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

/* Numbers of any length, by value: -1, 0, 1. */
static int compare(vk_str a, vk_str b)
{
    while (a.n && *a.p == '0')
        a = (vk_str){a.p + 1, a.n - 1};
    while (b.n && *b.p == '0')
        b = (vk_str){b.p + 1, b.n - 1};
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    int d = a.n ? memcmp(a.p, b.p, a.n) : 0;
    return d < 0 ? -1 : d > 0;
}

/* ---- the tree ---- */

static bool has_container(const vk_pv *v)
{
    return v->type == VK_PV_ARR || v->type == VK_PV_OBJ;
}

/* Whether what the segments name is there below an element already; a path that appends never is. */
static bool taken(const vk_pv *v, const vk_str *seg, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!v || seg[i].n == 0)
            return false;
        if (v->type == VK_PV_OBJ) {
            v = vk_pv_get_n(v, seg[i]);
            continue;
        }
        const vk_pv *found = NULL;
        VK_PV_EACH(e, v)
        if (e->key.n && digits(seg[i]) && compare(e->key, seg[i]) == 0)
            found = e;
        v = found;
    }
    return v;
}

static void link_behind(vk_pv *arr, vk_pv *before, vk_pv *v)
{
    v->next = before ? before->next : arr->u.c.first;
    if (before)
        before->next = v;
    else
        arr->u.c.first = v;
    if (!v->next)
        arr->u.c.last = v;
    arr->count++;
}

/* The element of a number: numbered ones are in order, before those that were appended. *made is put in its
 * place when there is none. */
static vk_pv *numbered(vk_pv *arr, vk_str number, vk_pv *made)
{
    vk_pv *before = arr->u.c.last;
    /* Numbers mostly come in order. */
    if (before && !(before->key.n && compare(before->key, number) < 0)) {
        before = NULL;
        VK_PV_EACH(e, arr)
        {
            int d = e->key.n ? compare(e->key, number) : 1;
            if (d == 0)
                return e;
            if (d > 0)
                break;
            before = e;
        }
    }
    if (made) {
        made->key = number;
        link_behind(arr, before, made);
    }
    return made;
}

/* The place of a segment in a container, empty when it is new: then it is a null for the caller to fill. */
static vk_err place(struct form *f, vk_pv *c, const vk_str *seg, size_t rest, vk_pv **out_r)
{
    vk_str s = *seg;
    if (c->type == VK_PV_ARR && s.n && !digits(s)) {
        VK_PV_EACH(e, c)
        if (e->key.n == 0)
            return refuse(f, VK_E_INVALID, "Invalid array");
        c->type = VK_PV_OBJ; /* digits among names are names */
    }
    if (c->type == VK_PV_OBJ && s.n == 0)
        return refuse(f, VK_E_INVALID, "Invalid object");
    vk_pv *there = NULL;
    if (c->type == VK_PV_OBJ)
        there = vk_pv_get_n(c, s);
    else if (s.n)
        there = numbered(c, s, NULL);
    else if (rest && c->u.c.last && c->u.c.last->key.n == 0 && !taken(c->u.c.last, seg + 1, rest))
        there = c->u.c.last;
    if (!there) {
        there = vk_pv_null(f->a);
        if (!there)
            return VK_E_NOMEM;
        if (c->type == VK_PV_ARR && s.n)
            there = numbered(c, s, there);
        else if (c->type == VK_PV_ARR ? !vk_pv_add(f->a, c, there) : !vk_pv_set_n(f->a, c, s, there))
            return VK_E_NOMEM;
    }
    *out_r = there;
    return VK_OK;
}

static vk_err insert(struct form *f, vk_pv *root, const struct name *name, vk_str value)
{
    vk_pv *at = root;
    for (size_t i = 0; i < name->n; i++) {
        size_t rest = name->n - i - 1;
        vk_pv *v = NULL;
        vk_err e = place(f, at, &name->seg[i], rest, &v);
        if (e != VK_OK)
            return e;
        if (!rest) {
            if (has_container(v))
                return refuse(f, VK_E_INVALID, v->type == VK_PV_ARR ? "Invalid array" : "Invalid object");
            v->type = VK_PV_STR;
            v->u.s = value;
            return VK_OK;
        }
        bool array = name->seg[i + 1].n == 0 || digits(name->seg[i + 1]);
        if (v->type == VK_PV_STR)
            return refuse(f, VK_E_INVALID, array ? "Invalid array" : "Invalid object");
        if (v->type == VK_PV_NULL) {
            v->type = array ? VK_PV_ARR : VK_PV_OBJ;
            v->u.c.first = v->u.c.last = NULL;
        }
        at = v;
    }
    return VK_OK;
}

static vk_err pair(struct form *f, vk_pv *root, vk_str name, vk_str value)
{
    struct name parts;
    const char *why = NULL;
    f->name = VK_STR_NONE;
    if (name.n > 3 * (size_t)VK_PAY_FORM_NAME)
        return refuse(f, VK_E_TOO_LARGE, "Parameter name is too long");
    vk_str decoded = VK_STR_NONE;
    vk_err e = vk_pay_unescape(f->a, name, true, &decoded, &why);
    if (why)
        return refuse(f, e, why);
    if (e != VK_OK)
        return e;
    if (decoded.n > VK_PAY_FORM_NAME)
        return refuse(f, VK_E_TOO_LARGE, "Parameter name is too long");
    f->name = decoded;
    e = split(f, &parts);
    if (e != VK_OK)
        return e;
    e = vk_pay_unescape(f->a, value, true, &decoded, &why);
    if (why)
        return refuse(f, e, why);
    return e == VK_OK ? insert(f, root, &parts, decoded) : e;
}

vk_err vk_pay_form(vk_arena *a, vk_str text, vk_pv *into, vk_pv **out_r, const char **why_r, vk_str *param_r)
{
    struct form f = {.a = a, .why_r = why_r, .param_r = param_r};
    vk_pv *root = into ? into : vk_pv_obj(a);
    size_t pairs = 0;
    if (!root)
        return VK_E_NOMEM;
    if (text.n > VK_PAY_FORM_MAX)
        return refuse(&f, VK_E_TOO_LARGE, "The request is too large");
    while (text.n) {
        vk_str one, name;
        if (!vk_str_cut(&text, '&', &one)) {
            one = text;
            text.n = 0;
        }
        if (one.n == 0)
            continue;
        if (++pairs > VK_PAY_FORM_PAIRS) {
            f.name = VK_STR_NONE;
            return refuse(&f, VK_E_TOO_LARGE, "Too many parameters");
        }
        if (!vk_str_cut(&one, '=', &name)) {
            name = one;
            one = (vk_str){one.p + one.n, 0};
        }
        vk_err e = pair(&f, root, name, one);
        if (e != VK_OK)
            return e;
    }
    *out_r = root;
    return VK_OK;
}
