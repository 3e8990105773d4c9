#include "services/auth/params.h"

#include "core/text.h"
#include "http/form.h"

static bool is_text(vk_str s)
{
    size_t bad;
    for (size_t i = 0; i < s.n;) {
        size_t n = vk_utf8_seq(s.p + i, s.p + s.n, &bad);
        if (n == 0 || s.p[i] == '\0')
            return false;
        i += n;
    }
    return true;
}

vk_err vk_auth_params_form(vk_arena *a, vk_str body, vk_auth_params *out_r)
{
    const vk_pair *pairs;
    size_t n;
    vk_err e = vk_form_parse(a, body, &pairs, &n);
    if (e != VK_OK)
        return e;
    if (n > VK_AUTH_PARAMS_MAX)
        return VK_E_TOO_LARGE;
    vk_auth_param *at = vk_arena_calloc(a, sizeof *at * (n ? n : 1));
    if (!at)
        return VK_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (!is_text(pairs[i].name) || !is_text(pairs[i].value))
            return VK_E_INVALID;
        at[i].name = pairs[i].name;
        at[i].text = pairs[i].value;
    }
    *out_r = (vk_auth_params){at, n};
    return VK_OK;
}

vk_err vk_auth_params_json(vk_arena *a, vk_str body, vk_auth_params *out_r)
{
    vk_json *o;
    *out_r = (vk_auth_params){NULL, 0};
    if (vk_str_trim(body).n == 0)
        return VK_OK;
    vk_err e = vk_json_parse(a, body, &o, NULL, NULL);
    if (e != VK_OK)
        return e;
    if (o->type != VK_JSON_OBJECT)
        return VK_E_INVALID;
    if (o->count > VK_AUTH_PARAMS_MAX)
        return VK_E_TOO_LARGE;
    vk_auth_param *at = vk_arena_calloc(a, sizeof *at * (o->count ? o->count : 1));
    if (!at)
        return VK_E_NOMEM;
    size_t n = 0;
    for (const vk_json *m = o->u.child; m; m = m->next) {
        for (size_t i = 0; i < n; i++)
            if (vk_str_eq(at[i].name, m->key))
                return VK_E_INVALID;
        at[n].name = m->key;
        at[n++].json = m;
    }
    *out_r = (vk_auth_params){at, n};
    return VK_OK;
}

static bool is_null(const vk_auth_param *p)
{
    return p->json ? p->json->type == VK_JSON_NULL : p->text.n == 0;
}

/* The one of that name. */
static vk_err one(const vk_auth_params *p, vk_str name, const vk_auth_param **out_r)
{
    const vk_auth_param *found = NULL;
    for (size_t i = 0; i < p->n; i++) {
        if (!vk_str_eq(p->at[i].name, name))
            continue;
        if (found)
            return VK_E_INVALID;
        found = &p->at[i];
    }
    *out_r = found;
    return found ? VK_OK : VK_E_NOT_FOUND;
}

bool vk_auth_param_there(const vk_auth_params *p, vk_str name)
{
    const vk_auth_param *found;
    return one(p, name, &found) != VK_E_NOT_FOUND;
}

bool vk_auth_param_is_null(const vk_auth_params *p, vk_str name)
{
    const vk_auth_param *found;
    return one(p, name, &found) == VK_OK && is_null(found);
}

static vk_err text_of(const vk_json *v, size_t most, vk_str *out_r)
{
    vk_str s = vk_json_str(v);
    if (v->type != VK_JSON_STRING || !is_text(s))
        return VK_E_INVALID;
    if (s.n > most)
        return VK_E_TOO_LARGE;
    *out_r = s;
    return VK_OK;
}

vk_err vk_auth_param_text(const vk_auth_params *p, vk_str name, size_t most, vk_str *out_r)
{
    const vk_auth_param *found;
    vk_err e = one(p, name, &found);
    if (e != VK_OK)
        return e;
    if (is_null(found))
        return VK_E_NOT_FOUND;
    if (found->json)
        return text_of(found->json, most, out_r);
    if (found->text.n > most)
        return VK_E_TOO_LARGE;
    *out_r = found->text;
    return VK_OK;
}

vk_err vk_auth_param_secret(const vk_auth_params *p, vk_str name, size_t most, vk_secret *out_r)
{
    vk_str s;
    vk_err e = vk_auth_param_text(p, name, most, &s);
    if (e == VK_OK)
        *out_r = vk_secret_of(s);
    return e;
}

vk_err vk_auth_param_bool(const vk_auth_params *p, vk_str name, bool *out_r)
{
    const vk_auth_param *found;
    vk_err e = one(p, name, &found);
    if (e != VK_OK)
        return e;
    if (is_null(found))
        return VK_E_NOT_FOUND;
    if (found->json) {
        if (found->json->type != VK_JSON_BOOL)
            return VK_E_INVALID;
        *out_r = found->json->u.b;
        return VK_OK;
    }
    bool yes = vk_str_eqz(found->text, "true") || vk_str_eqz(found->text, "1");
    if (!yes && !vk_str_eqz(found->text, "false") && !vk_str_eqz(found->text, "0"))
        return VK_E_INVALID;
    *out_r = yes;
    return VK_OK;
}

vk_err vk_auth_param_int(const vk_auth_params *p, vk_str name, int64_t least, int64_t most, int64_t *out_r)
{
    const vk_auth_param *found;
    int64_t v;
    vk_err e = one(p, name, &found);
    if (e != VK_OK)
        return e;
    if (is_null(found))
        return VK_E_NOT_FOUND;
    e = found->json ? vk_json_i64(found->json, &v) : vk_str_to_i64(found->text, &v);
    if (e != VK_OK || v < least || v > most)
        return VK_E_INVALID;
    *out_r = v;
    return VK_OK;
}

static bool is_named(vk_str have, vk_str name)
{
    return vk_str_eq(have, name) || (have.n == name.n + 2 && vk_str_starts(have, name) &&
                                     have.p[name.n] == '[' && have.p[name.n + 1] == ']');
}

/* The texts of one parameter, or how many there are when `out` is NULL. */
static vk_err texts(const vk_auth_param *p, size_t most, vk_str *out, size_t *n)
{
    vk_str s;
    if (!p->json) {
        if (p->text.n > most)
            return VK_E_TOO_LARGE;
        if (out && p->text.n)
            out[*n] = p->text;
        *n += p->text.n != 0;
        return VK_OK;
    }
    if (p->json->type == VK_JSON_NULL)
        return VK_OK;
    const vk_json *v = p->json->type == VK_JSON_ARRAY ? p->json->u.child : p->json;
    for (; v; v = p->json->type == VK_JSON_ARRAY ? v->next : NULL) {
        vk_err e = text_of(v, most, &s);
        if (e != VK_OK)
            return e;
        if (out)
            out[*n] = s;
        ++*n;
    }
    return VK_OK;
}

vk_err vk_auth_param_list(vk_arena *a, const vk_auth_params *p, vk_str name, size_t most,
                          const vk_str **out_r, size_t *n_r)
{
    size_t n = 0;
    vk_str *out = NULL;
    for (int round = 0; round < 2; round++) {
        n = 0;
        for (size_t i = 0; i < p->n; i++) {
            vk_err e = is_named(p->at[i].name, name) ? texts(&p->at[i], most, out, &n) : VK_OK;
            if (e != VK_OK)
                return e;
        }
        if (n == 0)
            return VK_E_NOT_FOUND;
        if (n > VK_AUTH_LIST_MAX)
            return VK_E_TOO_LARGE;
        if (!out && !(out = vk_arena_alloc(a, sizeof *out * n)))
            return VK_E_NOMEM;
    }
    *out_r = out;
    *n_r = n;
    return VK_OK;
}

vk_err vk_auth_param_object(vk_arena *a, const vk_auth_params *p, vk_str name, const vk_json **out_r)
{
    const vk_auth_param *found;
    vk_err e = one(p, name, &found);
    if (e != VK_OK)
        return e;
    if (is_null(found))
        return VK_E_NOT_FOUND;
    const vk_json *v = found->json;
    if (!v) {
        vk_json *parsed;
        if (found->text.n > VK_AUTH_METADATA_MAX)
            return VK_E_TOO_LARGE;
        e = vk_json_parse(a, found->text, &parsed, NULL, NULL);
        if (e != VK_OK)
            return e;
        v = parsed;
    }
    if (v->type != VK_JSON_OBJECT)
        return VK_E_INVALID;
    *out_r = v;
    return VK_OK;
}
