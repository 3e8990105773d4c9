/* The Backend API: sessions and their tokens. */
#include "services/auth/backend.h"

enum { TOKEN_S = 60 };

/* Of a filter: VK_STR_NONE when it is not given. What can be no id matches nothing. */
static vk_auth_fail id_of(vk_auth_call *c, const char *name, vk_str *out_r)
{
    return vk_auth_may_text(c, name, VK_AUTH_TEXT_MAX, out_r);
}

static vk_auth_fail list(vk_auth_call *c)
{
    vk_auth_session_filter by = {.status = -1, .now_ms = c->now_ms, .newest_first = true};
    vk_auth_view v = vk_auth_view_of(c);
    const vk_auth_session *s;
    vk_auth_status status;
    vk_str asked;
    size_t n;
    int64_t total;
    bool paginated = vk_auth_is_paginated(c);
    vk_auth_fail f = id_of(c, "user_id", &by.user);
    if (f == VK_AUTH_F_OK)
        f = id_of(c, "client_id", &by.client);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_text(c, "status", VK_AUTH_TEXT_MAX, &asked);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_page(c, &by.limit, &by.offset);
    if (f != VK_AUTH_F_OK)
        return f;
    if (asked.p) {
        if (!vk_auth_status_of(asked, &status))
            return vk_auth_bad(c, VK_AUTH_F_PARAM_VALUE, "status");
        by.status = (int)status;
    }
    vk_err e = vk_auth_sessions(c->db, c->arena, &by, &s, &n);
    if (e == VK_OK)
        e = vk_auth_sessions_count(c->db, &by, &total);
    if (e != VK_OK)
        return vk_auth_list_broke(c, e);
    vk_auth_list(c, paginated);
    for (size_t i = 0; i < n; i++)
        vk_auth_session_write(&c->w, &v, &(vk_auth_live){.session = &s[i]});
    return vk_auth_list_end(c, paginated, total);
}

static vk_auth_fail find(vk_auth_call *c, vk_auth_session *out_r)
{
    vk_err e = vk_auth_session_get(c->db, c->id[0], out_r);
    return e == VK_OK ? VK_AUTH_F_OK : e == VK_E_NOT_FOUND ? VK_AUTH_F_NO_SESSION : vk_auth_broke(c, e);
}

static vk_auth_fail get(vk_auth_call *c)
{
    vk_auth_session s;
    vk_auth_fail f = find(c, &s);
    return f == VK_AUTH_F_OK ? vk_auth_session_now(c, &s, &c->w) : f;
}

/* A session without a browser: for tests of an app, which take its tokens. */
static vk_auth_fail create(vk_auth_call *c)
{
    vk_auth_user u;
    vk_auth_fail f = vk_auth_need_user(c, &u);
    if (f != VK_AUTH_F_OK)
        return f;
    if (!vk_auth_param_is_null(&c->form, VK_STR("active_organization_id")) &&
        vk_auth_param_there(&c->form, VK_STR("active_organization_id")))
        return vk_auth_bad(c, VK_AUTH_F_PARAM_UNKNOWN, "active_organization_id");
    if (u.banned)
        return VK_AUTH_F_USER_BANNED;
    if (u.locked || vk_auth_locked_ms(&u.lockout, c->now_ms))
        return VK_AUTH_F_USER_LOCKED;
    vk_auth_session s = vk_auth_session_new(u.id, c->now_ms);
    vk_err e = vk_auth_session_add(c->db, &s);
    return e == VK_OK ? vk_auth_session_now(c, &s, &c->w) : vk_auth_broke(c, e);
}

/* What has ended stays what it was. */
static vk_auth_fail revoke_one(vk_auth_call *c)
{
    vk_auth_session s;
    vk_auth_fail f = find(c, &s);
    if (f != VK_AUTH_F_OK)
        return f;
    if (vk_auth_session_status(&s, c->now_ms) == VK_AUTH_ACTIVE)
        f = vk_auth_session_stop(c, &s, VK_AUTH_REVOKED);
    return f == VK_AUTH_F_OK ? vk_auth_session_now(c, &s, &c->w) : f;
}

static vk_auth_fail token(vk_auth_call *c)
{
    vk_auth_session s;
    vk_secret jwt;
    int64_t life;
    vk_auth_fail f = find(c, &s);
    if (f == VK_AUTH_F_OK && vk_auth_session_status(&s, c->now_ms) != VK_AUTH_ACTIVE)
        f = VK_AUTH_F_NO_SESSION;
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_int(c, "expires_in_seconds", 0, INT32_MAX, TOKEN_S, &life);
    if (f == VK_AUTH_F_OK && life != TOKEN_S) /* who is signed out is so within that time */
        f = vk_auth_bad(c, VK_AUTH_F_PARAM_UNKNOWN, "expires_in_seconds");
    if (f == VK_AUTH_F_OK)
        f = vk_auth_token(c, &s, VK_STR_NONE, false, &jwt);
    if (f != VK_AUTH_F_OK)
        return f == VK_AUTH_F_NOT_SIGNED_IN ? VK_AUTH_F_NO_SESSION : f;
    vk_auth_token_write(&c->w, jwt);
    return VK_AUTH_F_OK;
}

/* By a template: there are none, as at Clerk before an app has made one. */
static vk_auth_fail no_template(vk_auth_call *c)
{
    vk_auth_session s;
    vk_auth_fail f = find(c, &s);
    return f == VK_AUTH_F_OK ? VK_AUTH_F_NO_TEMPLATE : f;
}

/* Refresh tokens, which are never given out: the SDKs go on with a handshake. */
static vk_auth_fail no_refresh(vk_auth_call *c)
{
    VK_UNUSED(c);
    return VK_AUTH_F_NO_REFRESH;
}

#define BACKEND .need = VK_AUTH_NEEDS_BACKEND

const vk_auth_route vk_auth_backend_session_routes[] = {
    {.method = "GET", .path = "/sessions", BACKEND, .reads = true, .run = list},
    {.method = "POST", .path = "/sessions", BACKEND, .run = create},
    {.method = "GET", .path = "/sessions/{sess}", BACKEND, .reads = true, .run = get},
    {.method = "POST", .path = "/sessions/{sess}/revoke", BACKEND, .run = revoke_one},
    {.method = "POST", .path = "/sessions/{sess}/tokens", BACKEND, .run = token},
    {.method = "POST", .path = "/sessions/{sess}/tokens/{name}", BACKEND, .reads = true, .run = no_template},
    {.method = "POST", .path = "/sessions/{sess}/refresh", BACKEND, .reads = true, .run = no_refresh},
    {0},
};
