/* Tickets, as the Frontend API sees them, and the link of an invitation or a sign-in token: it leads the
 * browser to the app, with the ticket in the query, where the component goes on (clerk.com/docs:
 * "invitations", "__clerk_ticket"). The link uses nothing up: what fetches links from mails may follow it. */
#include "services/auth/attempt.h"

vk_auth_fail vk_auth_ticket_find(vk_auth_call *c, vk_secret text, vk_auth_ticket *out_r)
{
    uint8_t hash[VK_SHA256];
    vk_auth_lookup(c, text, hash);
    vk_err e = vk_auth_ticket_by_hash(c->db, c->arena, hash, out_r);
    if (e == VK_OK)
        return VK_AUTH_F_OK;
    if (e != VK_E_NOT_FOUND)
        return vk_auth_broke(c, e);
    c->guessed = true;
    return VK_AUTH_F_TICKET;
}

vk_auth_fail vk_auth_ticket_usable(const vk_auth_call *c, const vk_auth_ticket *t)
{
    bool token = t->kind == VK_AUTH_T_SIGN_IN;
    switch (vk_auth_ticket_status(t, c->now_ms)) {
    case VK_AUTH_T_PENDING:
        return VK_AUTH_F_OK;
    case VK_AUTH_T_ACCEPTED:
        return token ? VK_AUTH_F_TOKEN_USED : VK_AUTH_F_INVITATION_USED;
    case VK_AUTH_T_REVOKED:
        return token ? VK_AUTH_F_TOKEN_REVOKED : VK_AUTH_F_INVITATION_REVOKED;
    case VK_AUTH_T_EXPIRED:
    case VK_AUTH_T_STATUSES:
        break;
    }
    return VK_AUTH_F_TICKET_EXPIRED;
}

vk_auth_fail vk_auth_ticket_accept(vk_auth_call *c, vk_auth_ticket *t, const char *user)
{
    t->status = VK_AUTH_T_ACCEPTED;
    t->updated_ms = c->now_ms;
    snprintf(t->user, sizeof t->user, "%s", user);
    vk_err e = vk_auth_ticket_put(c->db, t);
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

/* ---- the link */

/* "sign_in", "sign_up", or "complete": there is nothing left to do with it. */
static vk_auth_fail step(vk_auth_call *c, const vk_auth_ticket *t, const char **out_r)
{
    vk_auth_user u;
    vk_auth_fail f = vk_auth_ticket_usable(c, t);
    if (f == VK_AUTH_F_INVITATION_USED || f == VK_AUTH_F_TOKEN_USED) {
        *out_r = "complete";
        return VK_AUTH_F_OK;
    }
    *out_r = "sign_in";
    if (f != VK_AUTH_F_OK || t->kind == VK_AUTH_T_SIGN_IN)
        return f;
    vk_err e = vk_auth_user_by_email(c->db, c->arena, vk_str_z(t->address), &u);
    if (e == VK_E_NOT_FOUND)
        *out_r = "sign_up";
    return e == VK_OK || e == VK_E_NOT_FOUND ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

/* Where it leads to: the invitation's own address, which was of the build's origins when it was made and must
 * be now; else our page for that step, which leads on to the app. */
static vk_auth_fail destination(vk_auth_call *c, const vk_auth_ticket *t, const char *next, vk_str *out_r)
{
    if (t->redirect_url.p) {
        *out_r = t->redirect_url;
        return vk_auth_origin_allowed(t->redirect_url, c->origins, c->n_origins) ? VK_AUTH_F_OK
                                                                                 : VK_AUTH_F_REDIRECT;
    }
    if (!c->n_origins)
        return VK_AUTH_F_REDIRECT;
    if (strcmp(next, "complete") == 0) {
        *out_r = c->origins[0];
        return VK_AUTH_F_OK;
    }
    vk_str gateway = vk_auth_gateway(c); /* an origin needs no escapes in a query */
    *out_r = gateway.p ? vk_arena_printf(c->arena, VK_STR_FMT "/portal/%s?redirect_url=" VK_STR_FMT,
                                         VK_STR_ARG(gateway), strcmp(next, "sign_up") ? "sign-in" : "sign-up",
                                         VK_STR_ARG(c->origins[0]))
                       : VK_STR_NONE;
    return out_r->p ? VK_AUTH_F_OK : vk_auth_broke(c, VK_E_NOMEM);
}

/* The two parameters. */
static vk_auth_fail address(vk_auth_call *c, vk_str url, vk_secret ticket, const char *next)
{
    vk_buf one, two;
    vk_buf_init(&one, VK_AUTH_URL_MAX);
    vk_buf_init(&two, VK_AUTH_URL_MAX);
    one.secret = two.secret = true;
    vk_err e = vk_auth_redirect_add(url, VK_STR("__clerk_ticket"), vk_secret_bytes(ticket), &one);
    if (e == VK_OK)
        e = vk_auth_redirect_add(vk_buf_view(&one), VK_STR("__clerk_status"), vk_str_z(next), &two);
    if (e == VK_OK) {
        c->to = vk_arena_dup(c->arena, vk_buf_view(&two));
        e = c->to.p ? VK_OK : VK_E_NOMEM;
    }
    vk_buf_free_secret(&one);
    vk_buf_free_secret(&two);
    return e == VK_OK                                 ? VK_AUTH_F_OK
           : e == VK_E_INVALID || e == VK_E_TOO_LARGE ? VK_AUTH_F_REDIRECT
                                                      : vk_auth_broke(c, e);
}

static vk_auth_fail accept_link(vk_auth_call *c)
{
    vk_secret text;
    vk_auth_ticket t;
    vk_str url = VK_STR_NONE;
    const char *next = "";
    vk_auth_fail f = vk_auth_need_secret(c, "ticket", VK_AUTH_TICKET_TEXT_MAX, &text);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_ticket_find(c, text, &t);
    if (f == VK_AUTH_F_OK)
        f = step(c, &t, &next);
    if (f == VK_AUTH_F_OK)
        f = destination(c, &t, next, &url);
    return f == VK_AUTH_F_OK ? address(c, url, text, next) : f;
}

const vk_auth_route vk_auth_ticket_routes[] = {
    {"GET", "/tickets/accept", VK_AUTH_NEEDS_NOBODY, VK_AUTH_BARE, true, false, accept_link, true},
    {0},
};
