/* What handlers ask for: parameters, and work with passwords. */
#include "services/auth/inside.h"

#include "core/json_write.h"

/* ---- parameters */

static const vk_auth_params *params(const vk_auth_call *c)
{
    return strcmp(c->route->method, "GET") == 0 ? &c->query : &c->form;
}

vk_auth_fail vk_auth_bad(vk_auth_call *c, vk_auth_fail why, const char *param)
{
    c->param = vk_str_z(param);
    return why;
}

static vk_auth_fail fail_of(vk_auth_call *c, vk_err e, const char *name)
{
    if (e == VK_OK)
        return VK_AUTH_F_OK;
    c->param = vk_str_z(name);
    return e == VK_E_NOT_FOUND ? VK_AUTH_F_PARAM_MISSING
           : e == VK_E_NOMEM   ? VK_AUTH_F_INTERNAL
                               : VK_AUTH_F_PARAM_FORMAT;
}

vk_auth_fail vk_auth_need_text(vk_auth_call *c, const char *name, size_t most, vk_str *out_r)
{
    vk_err e = vk_auth_param_text(params(c), vk_str_z(name), most, out_r);
    if (e == VK_OK && out_r->n == 0)
        e = VK_E_NOT_FOUND;
    return fail_of(c, e, name);
}

vk_auth_fail vk_auth_may_text(vk_auth_call *c, const char *name, size_t most, vk_str *out_r)
{
    vk_err e = vk_auth_param_text(params(c), vk_str_z(name), most, out_r);
    if (e == VK_E_NOT_FOUND || (e == VK_OK && out_r->n == 0)) {
        *out_r = VK_STR_NONE;
        return VK_AUTH_F_OK;
    }
    return fail_of(c, e, name);
}

vk_auth_fail vk_auth_need_secret(vk_auth_call *c, const char *name, size_t most, vk_secret *out_r)
{
    vk_err e = vk_auth_param_secret(params(c), vk_str_z(name), most, out_r);
    if (e == VK_OK && out_r->n == 0)
        e = VK_E_NOT_FOUND;
    return fail_of(c, e, name);
}

vk_auth_fail vk_auth_set_text(vk_auth_call *c, const char *name, size_t most, bool *there_r, vk_str *out_r)
{
    *there_r = vk_auth_param_there(params(c), vk_str_z(name));
    return vk_auth_may_text(c, name, most, out_r);
}

vk_auth_fail vk_auth_may_object(vk_auth_call *c, const char *name, vk_str *out_r)
{
    const vk_json *v;
    vk_buf b;
    *out_r = VK_STR_NONE;
    vk_err e = vk_auth_param_object(c->arena, params(c), vk_str_z(name), &v);
    if (e == VK_E_NOT_FOUND)
        return VK_AUTH_F_OK;
    if (e != VK_OK)
        return fail_of(c, e, name);
    vk_buf_init(&b, VK_AUTH_METADATA_MAX);
    vk_jw w = vk_jw_on(&b);
    vk_jw_value(&w, v);
    e = b.err;
    if (e == VK_OK) {
        *out_r = vk_arena_dup(c->arena, vk_buf_view(&b));
        e = out_r->p ? VK_OK : VK_E_NOMEM;
    }
    vk_buf_free(&b);
    return fail_of(c, e, name);
}

/* ---- passwords */

/* The next piece of work that the handler asks for. Each run asks for the same in the same order, so what was
 * done in an earlier run is found again; what has changed meanwhile (a digest) is done anew. NULL: too many.
 */
static vk_auth_work *next_work(vk_auth_call *c, vk_password_kind kind, vk_secret digest, vk_secret password)
{
    if (c->asked >= VK_AUTH_WORKS_MAX)
        return NULL;
    vk_auth_work *w = &c->works[c->asked++];
    bool same = c->asked <= c->n_works && w->done && w->kind == kind && vk_secret_eq(w->digest, digest) &&
                vk_secret_eq(w->password, password);
    if (same)
        return w;
    vk_wipe(w->job.made, sizeof w->job.made);
    *w = (vk_auth_work){.call = c,
                        .kind = kind,
                        .password = vk_secret_of(vk_arena_dup(c->arena, vk_secret_bytes(password))),
                        .digest = VK_SECRET_NONE};
    if (digest.n)
        w->digest = vk_secret_of(vk_arena_dup(c->arena, vk_secret_bytes(digest)));
    if (!vk_secret_bytes(w->password).p || (digest.n && !vk_secret_bytes(w->digest).p))
        return NULL;
    c->n_works = c->asked;
    return w;
}

vk_auth_fail vk_auth_hash(vk_auth_call *c, vk_secret password, vk_secret *digest_r)
{
    switch (vk_password_judge(password)) {
    case VK_PASSWORD_GOOD:
        break;
    case VK_PASSWORD_TOO_SHORT:
        return VK_AUTH_F_PASSWORD_SHORT;
    case VK_PASSWORD_TOO_LONG:
        return VK_AUTH_F_PASSWORD_LONG;
    case VK_PASSWORD_NO_TEXT:
        c->param = VK_STR("password");
        return VK_AUTH_F_PARAM_FORMAT;
    }
    vk_auth_work *w = next_work(c, VK_PASSWORD_ARGON2ID, VK_SECRET_NONE, password);
    if (!w)
        return VK_AUTH_F_TOO_MANY;
    if (!w->done)
        return VK_AUTH_F_AGAIN;
    *digest_r = vk_secret_of(vk_str_z(w->job.made));
    return w->job.err == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, w->job.err);
}

vk_auth_fail vk_auth_check(vk_auth_call *c, vk_password_kind kind, vk_secret digest, vk_secret password,
                           bool *right_r, vk_secret *better_r)
{
    vk_auth_work *w = next_work(c, kind, digest, password);
    *right_r = false;
    if (better_r)
        *better_r = VK_SECRET_NONE;
    if (!w)
        return VK_AUTH_F_TOO_MANY;
    if (!w->done)
        return VK_AUTH_F_AGAIN;
    if (w->job.err == VK_E_UNAUTHORIZED)
        return VK_AUTH_F_OK;
    if (w->job.err != VK_OK)
        return vk_auth_broke(c, w->job.err);
    *right_r = true;
    if (better_r && w->job.made[0])
        *better_r = vk_secret_of(vk_str_z(w->job.made));
    return VK_AUTH_F_OK;
}

vk_auth_fail vk_auth_check_nobody(vk_auth_call *c, vk_secret password)
{
    bool right;
    return vk_auth_check(c, VK_PASSWORD_ARGON2ID, vk_secret_of(vk_str_z(vk_auth.nobody)), password, &right,
                         NULL);
}

static void wipe_works(void *arg)
{
    vk_auth_call *c = arg;
    for (size_t i = 0; i < VK_AUTH_WORKS_MAX; i++)
        vk_wipe(c->works[i].job.made, sizeof c->works[i].job.made);
}

bool vk_auth_work_begin(vk_auth_call *c, void (*done)(vk_password_job *j))
{
    vk_auth_work *w = c->asked && c->asked <= VK_AUTH_WORKS_MAX ? &c->works[c->asked - 1] : NULL;
    if (!w || w->done)
        return false;
    if (c->runs == 1 && vk_arena_cleanup(c->arena, wipe_works, c) != VK_OK)
        return false;
    w->job = (vk_password_job){
        .owner = c->pool, .password = w->password, .digest = w->digest, .kind = w->kind, .done = done};
    return vk_password_pool_add(vk_auth.passwords, &w->job) == VK_OK;
}
