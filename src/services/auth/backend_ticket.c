/* The Backend API: invitations, sign-in tokens, and testing tokens. A ticket's text is shown in the answer
 * that makes it, and to whom it is for; kept is its HMAC. */
#include "services/auth/backend.h"

enum {
    DAY_MS = 86400000,
    TICKET_DAYS = 30, /* of both kinds, unless it is said */
    TICKET_DAYS_MAX = 365,
    TESTING_S = 3600,
};

/* ---- both kinds */

/* A new text, and the address that takes whoever has it there; both in the arena. */
static vk_auth_fail new_ticket(vk_auth_call *c, vk_auth_ticket *t, vk_secret *text_r, vk_str *url_r)
{
    char text[VK_AUTH_NONCE + 1];
    vk_str gateway = vk_auth_gateway(c);
    vk_auth_id_new(t->kind == VK_AUTH_T_INVITATION ? VK_AUTH_INVITATION : VK_AUTH_SIGN_IN_TOKEN, t->id);
    vk_auth_nonce_new(text);
    vk_str kept = vk_arena_dup(c->arena, vk_str_z(text));
    *url_r = vk_arena_printf(c->arena, VK_STR_FMT "/v1/tickets/accept?ticket=%s", VK_STR_ARG(gateway), text);
    vk_wipe(text, sizeof text);
    if (!gateway.p || !kept.p || !url_r->p)
        return VK_AUTH_F_INTERNAL;
    *text_r = vk_secret_of(kept);
    vk_auth_lookup(c, *text_r, t->hash);
    c->ex->secret = true;
    vk_err e = vk_auth_ticket_add(c->db, t);
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

static vk_auth_fail find(vk_auth_call *c, vk_auth_tkind kind, vk_auth_fail none, vk_auth_ticket *out_r)
{
    vk_err e = vk_auth_ticket_get(c->db, c->arena, c->id[0], out_r);
    if (e == VK_OK && out_r->kind != kind)
        e = VK_E_NOT_FOUND;
    return e == VK_OK ? VK_AUTH_F_OK : e == VK_E_NOT_FOUND ? none : vk_auth_broke(c, e);
}

static vk_auth_fail put_revoked(vk_auth_call *c, vk_auth_ticket *t)
{
    t->status = VK_AUTH_T_REVOKED;
    t->updated_ms = c->now_ms;
    vk_err e = vk_auth_ticket_put(c->db, t);
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

/* ---- invitations */

/* `url` VK_STR_NONE: it was shown before. */
static void invitation_write(vk_auth_call *c, const vk_auth_ticket *t, vk_str url)
{
    vk_jw *w = &c->w;
    vk_jw_obj(w);
    vk_jw_kstr(w, "object", VK_STR("invitation"));
    vk_jw_kstr(w, "id", vk_str_z(t->id));
    vk_jw_kstr(w, "email_address", vk_str_z(t->address));
    vk_jw_key(w, VK_STR("public_metadata"));
    vk_jw_raw(w, t->public_metadata.n ? t->public_metadata : VK_STR("{}"));
    vk_jw_kbool(w, "revoked", t->status == VK_AUTH_T_REVOKED);
    vk_jw_kstr(w, "status", vk_str_z(vk_auth_tstatus_name(vk_auth_ticket_status(t, c->now_ms))));
    if (url.p)
        vk_jw_kstr(w, "url", url);
    vk_jw_ki64(w, "expires_at", t->expire_ms);
    vk_jw_ki64(w, "created_at", t->created_ms);
    vk_jw_ki64(w, "updated_at", t->updated_ms);
    vk_jw_obj_end(w);
}

static vk_auth_fail may_invite(vk_auth_call *c, vk_str address)
{
    vk_auth_user u;
    vk_auth_ticket other;
    vk_err e = vk_auth_user_by_email(c->db, c->arena, address, &u);
    if (e == VK_OK)
        return VK_AUTH_F_IDENTIFIER_TAKEN;
    if (e == VK_E_NOT_FOUND)
        e = vk_auth_ticket_pending(c->db, c->arena, address, c->now_ms, &other);
    return e == VK_OK ? VK_AUTH_F_INVITED : e == VK_E_NOT_FOUND ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

static vk_auth_fail invite(vk_auth_call *c)
{
    vk_auth_ticket t = {.kind = VK_AUTH_T_INVITATION, .created_ms = c->now_ms, .updated_ms = c->now_ms};
    vk_secret text;
    vk_str url;
    bool notify, ignore, there;
    int64_t days;
    vk_auth_fail f = vk_auth_need_email(c, t.address);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_text(c, "redirect_url", VK_AUTH_TICKET_URL_MAX, &t.redirect_url);
    if (f == VK_AUTH_F_OK && t.redirect_url.p &&
        !vk_auth_origin_allowed(t.redirect_url, c->origins, c->n_origins))
        f = VK_AUTH_F_REDIRECT;
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_metadata(c, "public_metadata", &there, &t.public_metadata);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_bool(c, "notify", true, &notify);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_bool(c, "ignore_existing", false, &ignore);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_int(c, "expires_in_days", 1, TICKET_DAYS_MAX, TICKET_DAYS, &days);
    if (f == VK_AUTH_F_OK && !ignore)
        f = may_invite(c, vk_str_z(t.address));
    if (f != VK_AUTH_F_OK)
        return f;
    t.expire_ms = c->now_ms + days * DAY_MS;
    f = new_ticket(c, &t, &text, &url);
    if (f == VK_AUTH_F_OK && notify) {
        const vk_auth_message m = {
            .at_ms = c->now_ms, .address = vk_str_z(t.address), .what = VK_STR("invitation"), .code = url};
        vk_err e = vk_auth_outbox_add(c->db, &m);
        f = e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
    }
    if (f == VK_AUTH_F_OK)
        invitation_write(c, &t, url);
    return f;
}

static vk_auth_fail lower(vk_auth_call *c, vk_str s, vk_str *out_r)
{
    char *p = vk_arena_alloc(c->arena, s.n);
    if (!p)
        return VK_AUTH_F_INTERNAL;
    for (size_t i = 0; i < s.n; i++)
        p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 0x20) : s.p[i];
    *out_r = (vk_str){p, s.n};
    return VK_AUTH_F_OK;
}

static vk_auth_fail invitations(vk_auth_call *c)
{
    static const char *const orders[] = {"created_at", NULL};
    vk_auth_ticket_filter by = {
        .kind = VK_AUTH_T_INVITATION, .status = VK_AUTH_T_NOT_REVOKED, .now_ms = c->now_ms};
    const vk_auth_ticket *t;
    vk_auth_tstatus status;
    vk_str asked, query;
    size_t n, order;
    int64_t total;
    bool paginated = vk_auth_is_paginated(c);
    vk_auth_fail f = vk_auth_may_text(c, "status", VK_AUTH_TEXT_MAX, &asked);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_text(c, "query", VK_AUTH_TEXT_MAX, &query);
    if (f == VK_AUTH_F_OK)
        f = lower(c, query, &by.query);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_order(c, orders, &order, &by.oldest_first);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_page(c, &by.limit, &by.offset);
    if (f != VK_AUTH_F_OK)
        return f;
    if (asked.p) {
        if (!vk_auth_tstatus_of(asked, &status))
            return vk_auth_bad(c, VK_AUTH_F_PARAM_VALUE, "status");
        by.status = (int)status;
    }
    vk_err e = vk_auth_tickets(c->db, c->arena, &by, &t, &n, &total);
    if (e != VK_OK)
        return vk_auth_list_broke(c, e);
    vk_auth_list(c, paginated);
    for (size_t i = 0; i < n; i++)
        invitation_write(c, &t[i], VK_STR_NONE);
    return vk_auth_list_end(c, paginated, total);
}

static vk_auth_fail revoke_invitation(vk_auth_call *c)
{
    vk_auth_ticket t;
    vk_auth_fail f = find(c, VK_AUTH_T_INVITATION, VK_AUTH_F_NO_INVITATION, &t);
    if (f == VK_AUTH_F_OK && t.status == VK_AUTH_T_ACCEPTED)
        f = VK_AUTH_F_INVITATION_ACCEPTED;
    if (f == VK_AUTH_F_OK && t.status == VK_AUTH_T_REVOKED)
        f = VK_AUTH_F_INVITATION_REVOKED_TWICE;
    if (f == VK_AUTH_F_OK)
        f = put_revoked(c, &t);
    if (f == VK_AUTH_F_OK)
        invitation_write(c, &t, VK_STR_NONE);
    return f;
}

/* ---- sign-in tokens */

/* `text` VK_SECRET_NONE: it was shown before. */
static void sign_in_token_write(vk_auth_call *c, const vk_auth_ticket *t, vk_secret text, vk_str url)
{
    vk_jw *w = &c->w;
    vk_jw_obj(w);
    vk_jw_kstr(w, "object", VK_STR("sign_in_token"));
    vk_jw_kstr(w, "id", vk_str_z(t->id));
    vk_jw_kstr(w, "user_id", vk_str_z(t->user));
    vk_jw_kstr(w, "status", vk_str_z(vk_auth_tstatus_name(vk_auth_ticket_status(t, c->now_ms))));
    if (text.n) {
        vk_jw_kstr(w, "token", vk_secret_bytes(text));
        vk_jw_kstr(w, "url", url);
    }
    vk_jw_ki64(w, "created_at", t->created_ms);
    vk_jw_ki64(w, "updated_at", t->updated_ms);
    vk_jw_obj_end(w);
}

static vk_auth_fail create_sign_in_token(vk_auth_call *c)
{
    vk_auth_ticket t = {.kind = VK_AUTH_T_SIGN_IN, .created_ms = c->now_ms, .updated_ms = c->now_ms};
    vk_auth_user u;
    vk_secret text;
    vk_str url;
    int64_t seconds;
    vk_auth_fail f = vk_auth_need_user(c, &u);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_int(c, "expires_in_seconds", 1, (int64_t)TICKET_DAYS_MAX * 86400,
                            (int64_t)TICKET_DAYS * 86400, &seconds);
    if (f != VK_AUTH_F_OK)
        return f;
    memcpy(t.user, u.id, sizeof t.user);
    t.expire_ms = c->now_ms + seconds * 1000;
    f = new_ticket(c, &t, &text, &url);
    if (f == VK_AUTH_F_OK)
        sign_in_token_write(c, &t, text, url);
    return f;
}

static vk_auth_fail revoke_sign_in_token(vk_auth_call *c)
{
    vk_auth_ticket t;
    vk_auth_fail f = find(c, VK_AUTH_T_SIGN_IN, VK_AUTH_F_NO_SIGN_IN_TOKEN, &t);
    if (f == VK_AUTH_F_OK && vk_auth_ticket_status(&t, c->now_ms) != VK_AUTH_T_PENDING)
        f = VK_AUTH_F_SIGN_IN_TOKEN_OVER;
    if (f == VK_AUTH_F_OK)
        f = put_revoked(c, &t);
    if (f == VK_AUTH_F_OK)
        sign_in_token_write(c, &t, VK_SECRET_NONE, VK_STR_NONE);
    return f;
}

/* ---- testing tokens */

/* With it an app's tests get past the search for robots, of which there is none here: the Frontend API takes
 * any, and this one opens nothing. */
static vk_auth_fail testing_token(vk_auth_call *c)
{
    char random[VK_AUTH_NONCE + 1];
    int64_t now_s = c->now_ms / 1000;
    vk_auth_nonce_new(random);
    vk_str token = vk_arena_printf(c->arena, "%lld-%s", (long long)now_s, random);
    if (!token.p)
        return VK_AUTH_F_INTERNAL;
    vk_jw_obj(&c->w);
    vk_jw_kstr(&c->w, "object", VK_STR("testing_token"));
    vk_jw_kstr(&c->w, "token", token);
    vk_jw_ki64(&c->w, "expires_at", now_s + TESTING_S);
    vk_jw_obj_end(&c->w);
    return VK_AUTH_F_OK;
}

#define BACKEND .need = VK_AUTH_NEEDS_BACKEND

const vk_auth_route vk_auth_backend_ticket_routes[] = {
    {.method = "GET", .path = "/invitations", BACKEND, .reads = true, .run = invitations},
    {.method = "POST", .path = "/invitations", BACKEND, .run = invite},
    {.method = "POST", .path = "/invitations/{inv}/revoke", BACKEND, .run = revoke_invitation},
    {.method = "POST", .path = "/sign_in_tokens", BACKEND, .run = create_sign_in_token},
    {.method = "POST", .path = "/sign_in_tokens/{sit}/revoke", BACKEND, .run = revoke_sign_in_token},
    {.method = "POST", .path = "/testing_tokens", BACKEND, .reads = true, .run = testing_token},
    {0},
};
