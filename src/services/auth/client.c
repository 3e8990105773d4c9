/* A browser's client and what it holds: its sessions, whose they are, the browser that leads to it; and the
 * endpoints that ask for no more than that. */
#include "services/auth/call.h"
#include "services/auth/environment.h"

#include "crypto/jwt.h"

enum { LIVE_MAX = 32 }; /* sessions of one client that are looked at; with one at a time there is one */

/* ---- people */

vk_err vk_auth_person_get(vk_auth_call *c, vk_str user, vk_auth_person *out_r)
{
    vk_auth_person p = {0};
    vk_auth_user *u = VK_NEW(c->arena, vk_auth_user);
    if (!u)
        return VK_E_NOMEM;
    vk_err e = vk_auth_user_get(c->db, c->arena, user, u);
    if (e == VK_OK)
        e = vk_auth_emails_of(c->db, c->arena, user, &p.emails, &p.n_emails);
    p.user = u;
    if (e == VK_OK)
        *out_r = p;
    return e;
}

vk_err vk_auth_session_person(vk_auth_call *c, const vk_auth_session *s, vk_auth_person *out_r)
{
    vk_auth_person p;
    if (vk_auth_session_status(s, c->now_ms) != VK_AUTH_ACTIVE)
        return VK_E_NOT_FOUND;
    vk_err e = vk_auth_person_get(c, vk_str_z(s->user), &p);
    if (e == VK_OK && (p.user->banned || p.user->locked))
        e = VK_E_NOT_FOUND;
    if (e == VK_OK)
        *out_r = p;
    return e;
}

/* ---- the client's rows */

static vk_auth_fail done(const vk_auth_call *c, vk_err e)
{
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

vk_auth_fail vk_auth_need_client(vk_auth_call *c)
{
    vk_auth_client n = {.created_ms = c->now_ms, .updated_ms = c->now_ms, .used_ms = c->now_ms};
    if (c->has_client)
        return VK_AUTH_F_OK;
    if (!c->has_browser)
        return VK_AUTH_F_DEV_BROWSER;
    vk_auth_id_new(VK_AUTH_CLIENT, n.id);
    vk_err e = vk_auth_client_add(c->db, &n);
    if (e == VK_OK)
        e = vk_auth_browser_put(c->db, c->browser, vk_str_z(n.id), c->now_ms);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    c->client = n;
    c->has_client = true;
    return VK_AUTH_F_OK;
}

vk_auth_fail vk_auth_browser_new(vk_auth_call *c, vk_str client, char id_r[VK_AUTH_ID_MAX + 1])
{
    char id[VK_AUTH_ID_MAX + 1];
    uint8_t hash[VK_SHA256];
    vk_auth_id_new(VK_AUTH_DEV_BROWSER, id);
    vk_auth_lookup(c, vk_secret_of(vk_str_z(id)), hash);
    vk_err e = vk_auth_browser_add(c->db, hash, client, c->now_ms);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    memcpy(c->browser, hash, sizeof hash);
    c->has_browser = true;
    c->ex->secret = true;
    memcpy(id_r, id, sizeof id);
    vk_wipe(id, sizeof id);
    return VK_AUTH_F_OK;
}

vk_auth_fail vk_auth_browser_rotate(vk_auth_call *c)
{
    vk_auth_fail f = vk_auth_need_client(c);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_str client = vk_str_z(c->client.id);
    vk_err e = vk_auth_browsers_leave(c->db, client);
    return e == VK_OK ? vk_auth_browser_new(c, client, c->new_browser) : vk_auth_broke(c, e);
}

vk_auth_fail vk_auth_need_client_anew(vk_auth_call *c)
{
    return c->has_client && c->client.last_session[0] ? VK_AUTH_F_OK : vk_auth_browser_rotate(c);
}

/* Those that are active now, newest first. */
static vk_err active(vk_auth_call *c, const vk_auth_session **out_r, size_t *n_r)
{
    const vk_auth_session_filter f = {
        .client = vk_str_z(c->client.id), .status = VK_AUTH_ACTIVE, .newest_first = true, .limit = LIVE_MAX};
    return vk_auth_sessions(c->db, c->arena, &f, out_r, n_r);
}

vk_auth_fail vk_auth_sign_in_user(vk_auth_call *c, vk_str user, const char *strategy, vk_auth_session *out_r)
{
    vk_auth_user u;
    vk_err e = vk_auth_user_get(c->db, c->arena, user, &u);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_AUTH_F_NOT_FOUND : vk_auth_broke(c, e);
    if (u.banned)
        return VK_AUTH_F_USER_BANNED;
    if (u.locked || vk_auth_locked_ms(&u.lockout, c->now_ms))
        return VK_AUTH_F_USER_LOCKED;
    vk_auth_fail f = vk_auth_need_client(c);
    if (f != VK_AUTH_F_OK)
        return f;

    vk_auth_client *k = &c->client;
    vk_auth_session s = vk_auth_session_new(u.id, c->now_ms);
    memcpy(s.client, k->id, sizeof s.client);
    int64_t ended;
    e = vk_auth_sessions_end(c->db, vk_str_z(k->id), VK_STR_NONE, VK_STR_NONE, VK_AUTH_REPLACED, c->now_ms,
                             &ended);
    if (e == VK_OK)
        e = vk_auth_session_add(c->db, &s);
    if (e == VK_OK)
        e = vk_auth_attempts_leave(c->db, vk_str_z(k->id), c->now_ms);
    if (e == VK_OK) {
        memcpy(k->last_session, s.id, sizeof k->last_session);
        snprintf(k->last_strategy, sizeof k->last_strategy, "%s", strategy);
        k->sign_in[0] = k->sign_up[0] = '\0';
        k->updated_ms = k->used_ms = c->now_ms;
        e = vk_auth_client_put(c->db, k);
    }
    u.last_sign_in_ms = u.last_active_ms = c->now_ms;
    vk_auth_lockout_clear(&u.lockout);
    if (e == VK_OK)
        e = vk_auth_user_put(c->db, &u);
    f = e == VK_OK ? vk_auth_browser_rotate(c) : vk_auth_broke(c, e);
    if (f == VK_AUTH_F_OK)
        *out_r = s;
    return f;
}

vk_auth_fail vk_auth_sessions_ended(vk_auth_call *c)
{
    const vk_auth_session *s;
    size_t n;
    if (!c->has_client)
        return VK_AUTH_F_OK;
    vk_err e = active(c, &s, &n);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    size_t i = 0;
    while (i < n && vk_auth_session_status(&s[i], c->now_ms) != VK_AUTH_ACTIVE)
        i++;
    snprintf(c->client.last_session, sizeof c->client.last_session, "%s", i < n ? s[i].id : "");
    c->client.updated_ms = c->now_ms;
    return done(c, vk_auth_client_put(c->db, &c->client));
}

/* ---- as JSON */

static vk_str azp_of(const vk_auth_call *c)
{
    return c->origin[0] ? vk_str_z(c->origin) : VK_STR_NONE;
}

vk_auth_fail vk_auth_client_now(vk_auth_call *c, vk_jw *w)
{
    const vk_auth_session *s;
    vk_auth_try_view sign_in, sign_up;
    vk_auth_client shown = c->client;
    size_t n, live = 0;
    if (!c->has_client) {
        vk_jw_null(w);
        return VK_AUTH_F_OK;
    }
    vk_err e = active(c, &s, &n);
    vk_auth_live *at = e == VK_OK ? vk_arena_alloc(c->arena, sizeof *at * n) : NULL;
    vk_auth_person *p = e == VK_OK ? vk_arena_alloc(c->arena, sizeof *p * n) : NULL;
    if (e == VK_OK && (!at || !p))
        e = VK_E_NOMEM;
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    vk_auth_fail f = vk_auth_attempt_now(c, c->client.sign_in, &sign_in);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_attempt_now(c, c->client.sign_up, &sign_up);
    if (f != VK_AUTH_F_OK)
        return f;
    bool last_is_live = false;
    for (size_t i = n; i-- > 0;) { /* the oldest first */
        e = vk_auth_session_person(c, &s[i], &p[live]);
        if (e == VK_E_NOT_FOUND)
            continue;
        if (e != VK_OK)
            return vk_auth_broke(c, e);
        at[live] = (vk_auth_live){.session = &s[i], .person = &p[live]};
        f = vk_auth_token_of(c, &s[i], azp_of(c), false, &at[live].token);
        if (f != VK_AUTH_F_OK)
            return f;
        last_is_live |= strcmp(s[i].id, c->client.last_session) == 0;
        live++;
    }
    if (!last_is_live) /* it has expired, or its user may not use it any more */
        snprintf(shown.last_session, sizeof shown.last_session, "%s", live ? at[live - 1].session->id : "");
    vk_auth_view v = vk_auth_view_of(c);
    vk_auth_client_write(w, &v, &shown, at, live, &sign_in, &sign_up);
    return VK_AUTH_F_OK;
}

vk_auth_fail vk_auth_session_now(vk_auth_call *c, const vk_auth_session *s, vk_jw *w)
{
    vk_auth_person p;
    vk_auth_view v = vk_auth_view_of(c);
    vk_auth_live l = {.session = s, .person = &p};
    if (v.backend) {
        vk_auth_session_write(w, &v, &l);
        return VK_AUTH_F_OK;
    }
    vk_err e = vk_auth_person_get(c, vk_str_z(s->user), &p);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_AUTH_F_NO_SESSION : vk_auth_broke(c, e);
    if (vk_auth_session_status(s, c->now_ms) == VK_AUTH_ACTIVE && !p.user->banned && !p.user->locked) {
        vk_auth_fail f = vk_auth_token_of(c, s, azp_of(c), false, &l.token);
        if (f != VK_AUTH_F_OK)
            return f;
    }
    vk_auth_session_write(w, &v, &l);
    return VK_AUTH_F_OK;
}

/* ---- endpoints */

static vk_auth_fail dev_browser(vk_auth_call *c)
{
    char id[VK_AUTH_ID_MAX + 1];
    vk_auth_fail f = vk_auth_browser_new(c, VK_STR_NONE, id);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_jw_obj(&c->w);
    vk_jw_kstr(&c->w, "id", vk_str_z(id));
    vk_jw_kstr(&c->w, "object", VK_STR("dev_browser"));
    vk_jw_obj_end(&c->w);
    vk_wipe(id, sizeof id);
    return VK_AUTH_F_OK;
}

/* The major of the clerk-js that asks; its bundle says which it is. */
static vk_str js_major(const vk_auth_call *c)
{
    vk_str version;
    if (vk_auth_param_text(&c->query, VK_STR("_clerk_js_version"), VK_AUTH_TEXT_MAX, &version) == VK_OK &&
        vk_str_starts(version, VK_STR("5.")))
        return VK_STR("5");
    return VK_STR("6");
}

static vk_auth_fail environment(vk_auth_call *c)
{
    const vk_auth_environment e = {.instance = vk_str_z(c->about->instance),
                                   .application_name = vk_str_z(c->about->build),
                                   .clerk_js_version = js_major(c),
                                   .home_url = VK_STR(""),
                                   .sign_in_url = VK_STR(""),
                                   .sign_up_url = VK_STR(""),
                                   .hides_users = vk_auth_hides_users(c),
                                   .partitioned = c->partitioned};
    vk_auth_environment_write(c->w.out, &e);
    return VK_AUTH_F_OK;
}

vk_auth_fail vk_auth_jwks(vk_auth_call *c)
{
    const vk_rsa *key;
    vk_auth_fail f = vk_auth_rsa(c, &key);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_jw_obj(&c->w);
    vk_jw_key(&c->w, VK_STR("keys"));
    vk_jw_arr(&c->w);
    vk_jwk_write(&c->w, key, vk_str_z(c->about->instance));
    vk_jw_arr_end(&c->w);
    vk_jw_obj_end(&c->w);
    return VK_AUTH_F_OK;
}

static vk_auth_fail client(vk_auth_call *c)
{
    return vk_auth_client_now(c, &c->w);
}

static vk_auth_fail client_make(vk_auth_call *c)
{
    vk_auth_fail f = vk_auth_need_client(c);
    return f == VK_AUTH_F_OK ? vk_auth_client_now(c, &c->w) : f;
}

/* Sign-out of everything. The client stays; what was under way on it is over. */
static vk_auth_fail sign_out(vk_auth_call *c)
{
    int64_t ended;
    if (!c->has_client)
        return vk_auth_client_now(c, &c->w);
    vk_str id = vk_str_z(c->client.id);
    vk_err e = vk_auth_sessions_end(c->db, id, VK_STR_NONE, VK_STR_NONE, VK_AUTH_REMOVED, c->now_ms, &ended);
    if (e == VK_OK)
        e = vk_auth_attempts_leave(c->db, id, c->now_ms);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    c->client.sign_in[0] = c->client.sign_up[0] = '\0';
    vk_auth_fail f = ended ? vk_auth_sessions_ended(c) : done(c, vk_auth_client_put(c->db, &c->client));
    return f == VK_AUTH_F_OK ? vk_auth_client_now(c, &c->w) : f;
}

const vk_auth_route vk_auth_client_routes[] = {
    {"POST", "/dev_browser", VK_AUTH_NEEDS_NOBODY, VK_AUTH_BARE, .dear = true, .run = dev_browser},
    {"GET", "/environment", VK_AUTH_NEEDS_NOBODY, VK_AUTH_BARE, .reads = true, .run = environment},
    {"PATCH", "/environment", VK_AUTH_NEEDS_NOBODY, VK_AUTH_BARE, .reads = true, .run = environment},
    {"GET", "/.well-known/jwks.json", VK_AUTH_NEEDS_NOBODY, VK_AUTH_BARE, .reads = true, .run = vk_auth_jwks},
    {"GET", "/client", VK_AUTH_NEEDS_BROWSER, VK_AUTH_ALONE, .reads = true, .run = client},
    {"PUT", "/client", VK_AUTH_NEEDS_BROWSER, VK_AUTH_ALONE, .run = client_make},
    {"POST", "/client", VK_AUTH_NEEDS_BROWSER, VK_AUTH_ALONE, .run = client_make},
    {"DELETE", "/client", VK_AUTH_NEEDS_BROWSER, VK_AUTH_ALONE, .run = sign_out},
    {"DELETE", "/client/sessions", VK_AUTH_NEEDS_BROWSER, VK_AUTH_ALONE, .run = sign_out},
    {0},
};
