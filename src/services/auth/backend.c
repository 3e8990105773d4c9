#include "services/auth/backend.h"

#include "core/clock.h"
#include "services/auth/metadata.h"

enum { TIME_TEXT_MAX = 40 };

/* ---- parameters */

static const vk_auth_params *params(const vk_auth_call *c)
{
    return strcmp(c->route->method, "GET") == 0 ? &c->query : &c->form;
}

/* Of a parameter that may be missing: VK_E_NOT_FOUND is for the caller. */
static vk_auth_fail fail_of(vk_auth_call *c, vk_err e, const char *name)
{
    return e == VK_OK ? VK_AUTH_F_OK
                      : vk_auth_bad(c, e == VK_E_NOMEM ? VK_AUTH_F_INTERNAL : VK_AUTH_F_PARAM_FORMAT, name);
}

vk_auth_fail vk_auth_page(vk_auth_call *c, int64_t *limit_r, int64_t *offset_r)
{
    vk_auth_fail f = vk_auth_may_int(c, "limit", 1, VK_AUTH_PAGE_MAX, VK_AUTH_PAGE, limit_r);
    return f == VK_AUTH_F_OK ? vk_auth_may_int(c, "offset", 0, VK_AUTH_OFFSET_MAX, 0, offset_r) : f;
}

vk_auth_fail vk_auth_may_bool(vk_auth_call *c, const char *name, bool otherwise, bool *out_r)
{
    vk_err e = vk_auth_param_bool(params(c), vk_str_z(name), out_r);
    if (e != VK_E_NOT_FOUND)
        return fail_of(c, e, name);
    *out_r = otherwise;
    return VK_AUTH_F_OK;
}

vk_auth_fail vk_auth_may_int(vk_auth_call *c, const char *name, int64_t least, int64_t most,
                             int64_t otherwise, int64_t *out_r)
{
    vk_err e = vk_auth_param_int(params(c), vk_str_z(name), least, most, out_r);
    if (e != VK_E_NOT_FOUND)
        return fail_of(c, e, name);
    *out_r = otherwise;
    return VK_AUTH_F_OK;
}

static bool digits(vk_str *s, size_t n, int *out_r)
{
    int v = 0;
    if (s->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        v = v * 10 + (s->p[i] - '0');
    }
    *out_r = v;
    *s = (vk_str){s->p + n, s->n - n};
    return true;
}

vk_err vk_auth_rfc3339(vk_str text, int64_t *ms_r)
{
    char plain[VK_CLOCK_TEXT];
    int thousandths = 0, hours, minutes;
    int64_t ms;
    if (text.n < 20 || text.n > TIME_TEXT_MAX || (text.p[10] != 'T' && text.p[10] != 't'))
        return VK_E_INVALID;
    vk_str rest = {text.p + 19, text.n - 19};
    if (rest.p[0] == '.') { /* at least one digit; what is finer than a millisecond is cut off */
        size_t n = 1;
        int scale = 100;
        for (; n < rest.n && rest.p[n] >= '0' && rest.p[n] <= '9'; n++, scale /= 10)
            thousandths += scale * (rest.p[n] - '0');
        if (n == 1)
            return VK_E_INVALID;
        rest = (vk_str){rest.p + n, rest.n - n};
    }
    snprintf(plain, sizeof plain, "%.10sT%.8s.%03dZ", text.p, text.p + 11, thousandths);
    if (vk_clock_parse(vk_str_z(plain), &ms) != VK_OK)
        return VK_E_INVALID;
    char sign = rest.n ? rest.p[0] : '\0';
    if (sign == 'Z' || sign == 'z') {
        if (rest.n != 1)
            return VK_E_INVALID;
    } else {
        rest = rest.n ? (vk_str){rest.p + 1, rest.n - 1} : rest;
        if ((sign != '+' && sign != '-') || rest.n != 5 || rest.p[2] != ':' || !digits(&rest, 2, &hours))
            return VK_E_INVALID;
        rest = (vk_str){rest.p + 1, rest.n - 1};
        if (!digits(&rest, 2, &minutes) || hours > 23 || minutes > 59)
            return VK_E_INVALID;
        ms -= (sign == '+' ? 1 : -1) * (int64_t)(hours * 60 + minutes) * 60000;
    }
    if (ms < 0)
        return VK_E_INVALID;
    *ms_r = ms;
    return VK_OK;
}

vk_auth_fail vk_auth_may_time(vk_auth_call *c, const char *name, int64_t *ms_r)
{
    vk_str text;
    int64_t ms;
    vk_err e = vk_auth_param_text(params(c), vk_str_z(name), TIME_TEXT_MAX, &text);
    if (e == VK_E_NOT_FOUND)
        return VK_AUTH_F_OK;
    if (e != VK_OK || vk_auth_rfc3339(text, &ms) != VK_OK || ms > c->now_ms)
        return vk_auth_bad(c, VK_AUTH_F_PARAM_TIME, name);
    *ms_r = ms;
    return VK_AUTH_F_OK;
}

vk_auth_fail vk_auth_may_list(vk_auth_call *c, const char *name, size_t most, const vk_str **out_r,
                              size_t *n_r)
{
    vk_err e = vk_auth_param_list(c->arena, params(c), vk_str_z(name), most, out_r, n_r);
    if (e == VK_OK)
        return VK_AUTH_F_OK;
    *out_r = NULL;
    *n_r = 0;
    return e == VK_E_NOT_FOUND   ? VK_AUTH_F_OK
           : e == VK_E_TOO_LARGE ? vk_auth_bad(c, VK_AUTH_F_PARAM_MANY, name)
                                 : fail_of(c, e, name);
}

vk_auth_fail vk_auth_may_metadata(vk_auth_call *c, const char *name, bool *there_r, vk_str *out_r)
{
    const vk_json *o = NULL;
    *there_r = vk_auth_param_there(params(c), vk_str_z(name));
    if (!*there_r)
        return VK_AUTH_F_OK;
    vk_err e = vk_auth_param_object(c->arena, params(c), vk_str_z(name), &o);
    if (e == VK_OK || e == VK_E_NOT_FOUND)
        e = vk_auth_metadata_text(c->arena, o, out_r);
    return e == VK_E_TOO_LARGE ? vk_auth_bad(c, VK_AUTH_F_PARAM_LARGE, name) : fail_of(c, e, name);
}

vk_auth_fail vk_auth_may_order(vk_auth_call *c, const char *const names[], size_t *at_r, bool *ascending_r)
{
    const vk_str *list;
    size_t n;
    vk_auth_fail f = vk_auth_may_list(c, "order_by", VK_AUTH_TEXT_MAX, &list, &n);
    if (f != VK_AUTH_F_OK || n == 0)
        return f;
    vk_str by = list[0];
    bool down = by.p[0] == '-';
    if (down || by.p[0] == '+' || by.p[0] == ' ') /* a '+' that nobody escaped */
        by = (vk_str){by.p + 1, by.n - 1};
    for (size_t i = 0; names[i]; i++) {
        if (vk_str_eqz(by, names[i])) {
            *at_r = i;
            *ascending_r = !down;
            return VK_AUTH_F_OK;
        }
    }
    return vk_auth_bad(c, VK_AUTH_F_PARAM_VALUE, "order_by");
}

vk_auth_fail vk_auth_need_email(vk_auth_call *c, char out[VK_AUTH_EMAIL_MAX + 1])
{
    vk_str text;
    vk_auth_fail f = vk_auth_need_text(c, "email_address", VK_AUTH_TEXT_MAX * 4, &text);
    if (f != VK_AUTH_F_OK)
        return f;
    return vk_auth_email(text, out) == VK_OK ? VK_AUTH_F_OK : VK_AUTH_F_EMAIL_FORMAT;
}

/* ---- users */

vk_auth_fail vk_auth_find_user(vk_auth_call *c, vk_str id, vk_auth_user *out_r)
{
    vk_err e =
        vk_auth_id_is(VK_AUTH_USER, id) ? vk_auth_user_get(c->db, c->arena, id, out_r) : VK_E_NOT_FOUND;
    return e == VK_OK ? VK_AUTH_F_OK : e == VK_E_NOT_FOUND ? VK_AUTH_F_NO_USER : vk_auth_broke(c, e);
}

vk_auth_fail vk_auth_need_user(vk_auth_call *c, vk_auth_user *out_r)
{
    vk_str id;
    vk_auth_fail f = vk_auth_need_text(c, "user_id", VK_AUTH_TEXT_MAX, &id);
    return f == VK_AUTH_F_OK ? vk_auth_find_user(c, id, out_r) : f;
}

vk_auth_fail vk_auth_show_user(vk_auth_call *c, const vk_auth_user *u)
{
    vk_auth_view v = vk_auth_view_of(c);
    vk_auth_person p;
    vk_err e = vk_auth_person_get(c, vk_str_z(u->id), &p);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    vk_auth_user_write(&c->w, &v, &p);
    return VK_AUTH_F_OK;
}

vk_auth_fail vk_auth_put_user(vk_auth_call *c, vk_auth_user *u)
{
    u->updated_ms = c->now_ms;
    vk_err e = vk_auth_user_put(c->db, u);
    if (e != VK_OK)
        return e == VK_E_CONFLICT ? VK_AUTH_F_EXTERNAL_ID_TAKEN : vk_auth_broke(c, e);
    return vk_auth_show_user(c, u);
}

/* ---- answers */

bool vk_auth_is_paginated(const vk_auth_call *c)
{
    bool yes;
    return vk_auth_param_bool(&c->query, VK_STR("paginated"), &yes) == VK_OK && yes;
}

void vk_auth_list(vk_auth_call *c, bool paginated)
{
    if (paginated) {
        vk_jw_obj(&c->w);
        vk_jw_key(&c->w, VK_STR("data"));
    }
    vk_jw_arr(&c->w);
}

vk_auth_fail vk_auth_list_end(vk_auth_call *c, bool paginated, int64_t total)
{
    vk_jw_arr_end(&c->w);
    if (paginated) {
        vk_jw_ki64(&c->w, "total_count", total);
        vk_jw_obj_end(&c->w);
    }
    return c->w.out->err == VK_OK ? VK_AUTH_F_OK : vk_auth_list_broke(c, c->w.out->err);
}

vk_auth_fail vk_auth_list_broke(const vk_auth_call *c, vk_err e)
{
    return e == VK_E_NOMEM || e == VK_E_TOO_LARGE ? VK_AUTH_F_PAGE : vk_auth_broke(c, e);
}
