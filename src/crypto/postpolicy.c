#include "crypto/postpolicy.h"

#include "core/clock.h"
#include "core/encode.h"
#include "core/json_read.h"
#include "core/json_write.h"

enum { DETAIL_MAX = 512 };

typedef struct check {
    vk_arena *a;
    const vk_post_form *form;
    vk_post_terms *terms;
    bool covered[VK_POST_FIELDS_MAX];
} check;

/* ---- fields ---- */

static int find(const vk_post_form *f, vk_str name)
{
    for (size_t i = 0; i < f->n_fields; i++)
        if (vk_str_ieq(f->fields[i].name, name))
            return (int)i;
    return -1;
}

static vk_sigv4_fail fields_ok(const vk_post_form *f)
{
    size_t total = 0;
    if (f->n_fields > VK_POST_FIELDS_MAX)
        return VK_SIGV4_TOO_LARGE;
    for (size_t i = 0; i < f->n_fields; i++) {
        total += f->fields[i].name.n + f->fields[i].value.n;
        if (f->fields[i].value.n > VK_POST_FIELD_MAX || total > VK_POST_TOTAL_MAX)
            return VK_SIGV4_TOO_LARGE;
        if (find(f, f->fields[i].name) != (int)i)
            return VK_SIGV4_FORM_TWICE;
    }
    return VK_SIGV4_OK;
}

/* What a browser gives is a name already; old ones gave a path of either kind. */
static vk_str last_component(vk_str path)
{
    for (size_t i = path.n; i > 0; i--)
        if (path.p[i - 1] == '/' || path.p[i - 1] == '\\')
            return (vk_str){path.p + i, path.n - i};
    return path;
}

/* `key` with each ${filename} replaced. */
static vk_sigv4_fail final_key(check *c, vk_str key)
{
    static const vk_str variable = {"${filename}", 11};
    vk_str name = last_component(c->form->file_name);
    size_t times = 0;
    for (size_t i = 0; i + variable.n <= key.n; i++)
        times += memcmp(key.p + i, variable.p, variable.n) == 0;
    if (times == 0) {
        c->terms->key = key;
        return VK_SIGV4_OK;
    }
    if (name.n > VK_POST_FIELD_MAX || key.n + times * name.n > VK_POST_TOTAL_MAX)
        return VK_SIGV4_TOO_LARGE;
    char *out = vk_arena_alloc(c->a, key.n + times * name.n);
    size_t n = 0;
    if (!out)
        return VK_SIGV4_NO_MEMORY;
    for (size_t i = 0; i < key.n;) {
        if (key.n - i >= variable.n && memcmp(key.p + i, variable.p, variable.n) == 0) {
            if (name.n)
                memcpy(out + n, name.p, name.n);
            n += name.n;
            i += variable.n;
        } else {
            out[n++] = key.p[i++];
        }
    }
    c->terms->key = (vk_str){out, n};
    return VK_SIGV4_OK;
}

/* The value that a condition on `name` speaks of; empty when the form has no such field. */
static vk_str value_of(check *c, vk_str name)
{
    int i = find(c->form, name);
    if (i >= 0)
        c->covered[i] = true;
    if (vk_str_ieq(name, VK_STR("key")))
        return c->terms->key;
    if (vk_str_ieq(name, VK_STR("bucket")))
        return c->form->bucket;
    return i >= 0 ? c->form->fields[i].value : VK_STR_NONE;
}

/* ---- conditions ---- */

static vk_sigv4_fail refuse(check *c, const char *op, vk_str name, vk_str want)
{
    vk_buf b;
    vk_buf_init(&b, DETAIL_MAX);
    vk_jw w = vk_jw_on(&b);
    vk_jw_arr(&w);
    vk_jw_str(&w, vk_str_z(op));
    vk_str dollar = vk_arena_printf(c->a, "$" VK_STR_FMT, VK_STR_ARG(name));
    vk_jw_str(&w, dollar);
    vk_jw_str(&w, want);
    vk_jw_arr_end(&w);
    if (b.err == VK_OK) /* a detail that is too long is left out */
        c->terms->detail = vk_arena_dup(c->a, vk_buf_view(&b));
    vk_buf_free(&b);
    return VK_SIGV4_POLICY_CONDITION;
}

static vk_sigv4_fail equals(check *c, vk_str name, vk_str want)
{
    return vk_str_eq(value_of(c, name), want) ? VK_SIGV4_OK : refuse(c, "eq", name, want);
}

/* Of a Content-Type with commas each member must begin so: browsers are told one of them. */
static vk_sigv4_fail starts_with(check *c, vk_str name, vk_str want)
{
    vk_str value = value_of(c, name);
    if (!vk_str_ieq(name, VK_STR("content-type")))
        return vk_str_starts(value, want) ? VK_SIGV4_OK : refuse(c, "starts-with", name, want);
    for (bool more = true; more;) {
        vk_str one;
        more = vk_str_cut(&value, ',', &one);
        if (!more)
            one = value;
        while (one.n && one.p[0] == ' ')
            one.p++, one.n--;
        if (!vk_str_starts(one, want))
            return refuse(c, "starts-with", name, want);
    }
    return VK_SIGV4_OK;
}

static vk_sigv4_fail range(check *c, const vk_json *min, const vk_json *max)
{
    if (min->type != VK_JSON_INT || max->type != VK_JSON_INT || min->u.i < 0 || max->u.i < min->u.i)
        return VK_SIGV4_POLICY_DOCUMENT;
    if (min->u.i > c->terms->min)
        c->terms->min = min->u.i;
    if (max->u.i < c->terms->max)
        c->terms->max = max->u.i;
    return VK_SIGV4_OK;
}

static vk_sigv4_fail triple(check *c, const vk_json *v)
{
    if (v->count != 3 || v->u.child->type != VK_JSON_STRING)
        return VK_SIGV4_POLICY_DOCUMENT;
    vk_str op = v->u.child->u.s;
    const vk_json *second = v->u.child->next, *third = second->next;
    if (vk_str_ieq(op, VK_STR("content-length-range")))
        return range(c, second, third);
    if (second->type != VK_JSON_STRING || third->type != VK_JSON_STRING || second->u.s.n < 2 ||
        second->u.s.p[0] != '$')
        return VK_SIGV4_POLICY_DOCUMENT;
    vk_str name = {second->u.s.p + 1, second->u.s.n - 1};
    if (vk_str_ieq(op, VK_STR("eq")))
        return equals(c, name, third->u.s);
    if (vk_str_ieq(op, VK_STR("starts-with")))
        return starts_with(c, name, third->u.s);
    return VK_SIGV4_POLICY_DOCUMENT;
}

static vk_sigv4_fail condition(check *c, const vk_json *v)
{
    if (v->type == VK_JSON_ARRAY)
        return triple(c, v);
    if (v->type != VK_JSON_OBJECT || v->count == 0)
        return VK_SIGV4_POLICY_DOCUMENT;
    for (const vk_json *m = v->u.child; m; m = m->next) {
        vk_sigv4_fail fail =
            m->type == VK_JSON_STRING && m->key.n ? equals(c, m->key, m->u.s) : VK_SIGV4_POLICY_DOCUMENT;
        if (fail)
            return fail;
    }
    return VK_SIGV4_OK;
}

/* Whether a form may have this field without a condition on it. */
static bool is_free(vk_str name)
{
    return vk_str_ieq(name, VK_STR("x-amz-signature")) || vk_str_ieq(name, VK_STR("policy")) ||
           vk_str_ieq(name, VK_STR("file")) ||
           (name.n >= 9 && vk_str_ieq((vk_str){name.p, 9}, VK_STR("x-ignore-")));
}

static vk_sigv4_fail conditions(check *c, const vk_json *list)
{
    if (list->type != VK_JSON_ARRAY || list->count > VK_POST_CONDITIONS_MAX)
        return VK_SIGV4_POLICY_DOCUMENT;
    for (const vk_json *v = list->u.child; v; v = v->next) {
        vk_sigv4_fail fail = condition(c, v);
        if (fail)
            return fail;
    }
    for (size_t i = 0; i < c->form->n_fields; i++) {
        if (c->covered[i] || is_free(c->form->fields[i].name))
            continue;
        vk_str name = c->form->fields[i].name;
        c->terms->detail = vk_arena_dup(c->a, (vk_str){name.p, name.n < DETAIL_MAX ? name.n : DETAIL_MAX});
        return VK_SIGV4_POLICY_EXTRA;
    }
    int bucket =
        find(c->form, VK_STR("bucket")); /* the field says the same as the address, or nothing is stored */
    if (bucket >= 0 && !vk_str_eq(c->form->fields[bucket].value, c->form->bucket))
        return refuse(c, "eq", VK_STR("bucket"), c->form->bucket);
    return VK_SIGV4_OK;
}

/* ---- the document ---- */

/* ISO 8601 in UTC, with or without a fraction of up to three digits. */
static bool expiration(vk_str text, int64_t *ms_r)
{
    char full[] = "dddd-dd-ddTdd:dd:dd.000Z";
    if (text.n < 20 || text.n > sizeof full - 1 || text.p[text.n - 1] != 'Z' ||
        (text.n > 20 && text.p[19] != '.') || text.n == 21)
        return false;
    memcpy(full, text.p, 19);
    if (text.n > 20)
        memcpy(full + 20, text.p + 20, text.n - 21);
    return vk_clock_parse((vk_str){full, sizeof full - 1}, ms_r) == VK_OK;
}

/* The two members, and nothing else, each once: what JSON readers disagree about must not stand in a signed
 * document. */
static bool members(const vk_json *doc, const vk_json **expiration_r, const vk_json **conditions_r)
{
    if (doc->type != VK_JSON_OBJECT || doc->count != 2)
        return false;
    *expiration_r = vk_json_get(doc, VK_STR("expiration"));
    *conditions_r = vk_json_get(doc, VK_STR("conditions"));
    return *expiration_r && *conditions_r && (*expiration_r)->type == VK_JSON_STRING;
}

vk_sigv4_fail vk_post_policy_check(vk_arena *a, const vk_post_form *f, vk_post_terms *terms_r)
{
    check c = {.a = a, .form = f, .terms = terms_r};
    *terms_r = (vk_post_terms){.max = INT64_MAX};
    vk_sigv4_fail fail = fields_ok(f);
    if (fail)
        return fail;
    int key = find(f, VK_STR("key")), policy = find(f, VK_STR("policy"));
    if (policy < 0)
        return VK_SIGV4_FORM_PART;
    if (key < 0 || f->fields[key].value.n == 0)
        return VK_SIGV4_FORM_KEY;
    fail = final_key(&c, f->fields[key].value);
    if (fail)
        return fail;
    vk_str text;
    vk_json *doc;
    const vk_json *when, *list;
    int64_t ends;
    vk_err e = vk_base64_decode(a, f->fields[policy].value, &text);
    if (e == VK_OK)
        e = vk_json_parse(a, text, &doc, NULL, NULL);
    if (e != VK_OK)
        return e == VK_E_NOMEM ? VK_SIGV4_NO_MEMORY : VK_SIGV4_POLICY_DOCUMENT;
    if (!members(doc, &when, &list) || !expiration(when->u.s, &ends))
        return VK_SIGV4_POLICY_DOCUMENT;
    if (f->now_ms >= ends)
        return VK_SIGV4_POLICY_EXPIRED;
    return conditions(&c, list);
}

vk_sigv4_fail vk_post_policy_size(const vk_post_terms *t, int64_t bytes)
{
    return bytes < t->min ? VK_SIGV4_TOO_SMALL : bytes > t->max ? VK_SIGV4_TOO_LARGE : VK_SIGV4_OK;
}
