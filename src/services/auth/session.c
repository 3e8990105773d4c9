#include "services/auth/call.h"

/* Sessions of this browser: who.c has looked that the path's is one of them. */

enum {
    ENDS_PAGE = 50, /* sessions that are read at a time to be ended */
    LEFT_MAX = 4,   /* of another client that are looked at for its next one */
};

static vk_str azp_of(const vk_auth_call *c)
{
    return c->origin[0] ? vk_str_z(c->origin) : VK_STR_NONE;
}

vk_auth_fail vk_auth_need_active(const vk_auth_call *c)
{
    bool active = vk_auth_session_status(&c->session, c->now_ms) == VK_AUTH_ACTIVE && c->person.user &&
                  !c->person.user->banned;
    return active ? VK_AUTH_F_OK : VK_AUTH_F_NOT_SIGNED_IN;
}

static vk_auth_fail show(vk_auth_call *c)
{
    return vk_auth_session_now(c, &c->session, &c->w);
}

/* Organisations are not supported: a token for one cannot be made, and one without it is not what was asked
 * for. clerk-js sends the name with an empty value. */
static vk_auth_fail no_organization(vk_auth_call *c, const char *name)
{
    vk_str id;
    vk_auth_fail f = vk_auth_may_text(c, name, VK_AUTH_TEXT_MAX, &id);
    return f == VK_AUTH_F_OK && id.n ? VK_AUTH_F_NOT_FOUND : f;
}

static vk_auth_fail tokens(vk_auth_call *c)
{
    vk_str debug;
    vk_secret jwt;
    vk_auth_fail f = vk_auth_need_active(c);
    if (f == VK_AUTH_F_OK)
        f = no_organization(c, "organization_id");
    if (f != VK_AUTH_F_OK)
        return f;
    bool fresh = vk_auth_param_text(&c->query, VK_STR("debug"), VK_AUTH_TEXT_MAX, &debug) == VK_OK &&
                 vk_str_eq(debug, VK_STR("skip_cache"));
    f = vk_auth_token(c, &c->session, azp_of(c), fresh, &jwt);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_auth_token_write(&c->w, jwt);
    return VK_AUTH_F_OK;
}

static vk_auth_fail no_template(vk_auth_call *c)
{
    vk_auth_fail f = vk_auth_need_active(c);
    return f == VK_AUTH_F_OK ? VK_AUTH_F_NO_TEMPLATE : f;
}

/* The browser of the session, as it says of itself: for the list of somebody's devices. */
static void note_agent(vk_auth_call *c)
{
    vk_str agent = vk_request_header(c->ex, VK_STR("User-Agent"));
    if (agent.n > VK_AUTH_AGENT_MAX)
        agent.n = VK_AUTH_AGENT_MAX;
    if (agent.n)
        memcpy(c->session.agent, agent.p, agent.n);
    c->session.agent[agent.n] = '\0';
}

/* Becomes the browser's current session. The client's updated_ms stays (README.md): each page would
 * handshake otherwise. */
static vk_auth_fail touch(vk_auth_call *c)
{
    vk_auth_fail f = vk_auth_need_active(c);
    if (f == VK_AUTH_F_OK)
        f = no_organization(c, "active_organization_id");
    if (f != VK_AUTH_F_OK)
        return f;
    c->session.last_active_ms = c->now_ms;
    note_agent(c);
    vk_err e = vk_auth_session_put(c->db, &c->session);
    if (e == VK_OK && strcmp(c->client.last_session, c->session.id) != 0) {
        memcpy(c->client.last_session, c->session.id, sizeof c->client.last_session);
        e = vk_auth_client_put(c->db, &c->client);
    }
    if (e == VK_OK) {
        vk_auth_user u = *c->person.user;
        u.last_active_ms = c->now_ms;
        e = vk_auth_user_put(c->db, &u);
    }
    return e == VK_OK ? vk_auth_session_now(c, &c->session, &c->w) : vk_auth_broke(c, e);
}

/* Another browser's client after a session of it has ended. */
static vk_err settle(vk_auth_call *c, vk_str id)
{
    vk_auth_client other;
    const vk_auth_session *left;
    size_t n;
    vk_auth_session_filter f = {
        .client = id, .status = VK_AUTH_ACTIVE, .newest_first = true, .limit = LEFT_MAX};
    vk_err e = vk_auth_client_get(c->db, id, &other);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_OK : e; /* a client that nobody uses goes before its sessions */
    e = vk_auth_sessions(c->db, c->arena, &f, &left, &n);
    if (e != VK_OK)
        return e;
    other.last_session[0] = '\0';
    for (size_t i = 0; i < n && !other.last_session[0]; i++) {
        if (vk_auth_session_status(&left[i], c->now_ms) == VK_AUTH_ACTIVE)
            memcpy(other.last_session, left[i].id, sizeof other.last_session);
    }
    other.updated_ms = c->now_ms;
    return vk_auth_client_put(c->db, &other);
}

vk_auth_fail vk_auth_session_stop(vk_auth_call *c, vk_auth_session *s, vk_auth_status status)
{
    if (s->status != VK_AUTH_ACTIVE)
        return VK_AUTH_F_OK;
    s->status = status;
    s->updated_ms = c->now_ms;
    vk_err e = vk_auth_session_put(c->db, s);
    if (e == VK_OK && c->has_client && strcmp(s->client, c->client.id) == 0)
        return vk_auth_sessions_ended(c);
    if (e == VK_OK && s->client[0])
        e = settle(c, vk_str_z(s->client));
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

static vk_auth_fail end(vk_auth_call *c)
{
    vk_auth_fail f = vk_auth_session_stop(c, &c->session, VK_AUTH_ENDED);
    return f == VK_AUTH_F_OK ? show(c) : f;
}

static vk_auth_fail take_out(vk_auth_call *c)
{
    vk_auth_fail f = vk_auth_session_stop(c, &c->session, VK_AUTH_REMOVED);
    return f == VK_AUTH_F_OK ? show(c) : f;
}

vk_auth_fail vk_auth_end_sessions(vk_auth_call *c, vk_str user, vk_str but, vk_auth_status status)
{
    const vk_auth_session *all;
    size_t n, ended;
    do { /* each round ends a page */
        vk_auth_session_filter filter = {.user = user, .status = VK_AUTH_ACTIVE, .limit = ENDS_PAGE};
        vk_err e = vk_auth_sessions(c->db, c->arena, &filter, &all, &n);
        if (e != VK_OK)
            return vk_auth_broke(c, e);
        ended = 0;
        for (size_t i = 0; i < n; i++) {
            vk_auth_session s = all[i];
            if (vk_str_eqz(but, s.id))
                continue;
            vk_auth_fail f = vk_auth_session_stop(c, &s, status);
            if (f != VK_AUTH_F_OK)
                return f;
            ended++;
        }
    } while (n == ENDS_PAGE && ended);
    return VK_AUTH_F_OK;
}

const vk_auth_route vk_auth_session_routes[] = {
    {.method = "GET",
     .path = "/client/sessions/{sess}",
     .need = VK_AUTH_NEEDS_SESSION,
     .form = VK_AUTH_ENVELOPE,
     .reads = true,
     .run = show},
    {.method = "POST",
     .path = "/client/sessions/{sess}/tokens",
     .need = VK_AUTH_NEEDS_SESSION,
     .form = VK_AUTH_BARE,
     .reads = true,
     .run = tokens},
    {.method = "POST",
     .path = "/client/sessions/{sess}/tokens/{name}",
     .need = VK_AUTH_NEEDS_SESSION,
     .form = VK_AUTH_BARE,
     .reads = true,
     .run = no_template},
    {.method = "POST",
     .path = "/client/sessions/{sess}/touch",
     .need = VK_AUTH_NEEDS_SESSION,
     .form = VK_AUTH_ENVELOPE,
     .run = touch},
    {.method = "POST",
     .path = "/client/sessions/{sess}/end",
     .need = VK_AUTH_NEEDS_SESSION,
     .form = VK_AUTH_ENVELOPE,
     .run = end},
    {.method = "POST",
     .path = "/client/sessions/{sess}/remove",
     .need = VK_AUTH_NEEDS_SESSION,
     .form = VK_AUTH_ENVELOPE,
     .run = take_out},
    {.method = NULL},
};
