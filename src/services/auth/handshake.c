/* The handshake: an app's server that cannot tell who asks sends the browser here, and gets it back with a
 * nonce, for which it then asks with its secret key what cookies to set. Those are a session, so where the
 * browser goes is decided first, from the build's origins alone. */
#include "services/auth/call.h"
#include "services/auth/directives.h"

enum { DIRECTIVES_MAX = 32 * 1024, LOCATION_MAX = VK_AUTH_URL_MAX + 64 };

/* The browser's id as it was given, if it is known here; a new one otherwise. */
static vk_auth_fail browser(vk_auth_call *c, char id_r[VK_AUTH_ID_MAX + 1])
{
    vk_secret given;
    vk_auth_fail f = vk_auth_browser_of(c);
    if (f == VK_AUTH_F_DEV_BROWSER)
        return vk_auth_browser_new(c, VK_STR_NONE, id_r);
    if (f != VK_AUTH_F_OK)
        return f;
    if (vk_auth_param_secret(&c->query, VK_STR("__clerk_db_jwt"), VK_AUTH_ID_MAX, &given) != VK_OK)
        return VK_AUTH_F_INTERNAL; /* it was there a moment ago */
    memcpy(id_r, given.hidden, given.n);
    id_r[given.n] = '\0';
    return VK_AUTH_F_OK;
}

/* "https://app.example:8443" → "app.example" */
static vk_str host_of(vk_str origin)
{
    const char *scheme = memchr(origin.p, '/', origin.n), *end = origin.p + origin.n;
    if (!scheme || end - scheme < 2)
        return VK_STR_NONE;
    const char *host = scheme + 2;
    const char *port = host < end && *host == '[' ? memchr(host, ']', (size_t)(end - host)) : host;
    const char *colon = port ? memchr(port, ':', (size_t)(end - port)) : NULL;
    return (vk_str){host, (size_t)((colon ? colon : end) - host)};
}

/* A token of the client's last session for the app's origin; VK_SECRET_NONE: signed out. */
static vk_auth_fail session(vk_auth_call *c, vk_str azp, vk_secret *jwt_r)
{
    vk_auth_session s;
    *jwt_r = VK_SECRET_NONE;
    if (!c->has_client || !c->client.last_session[0])
        return VK_AUTH_F_OK;
    vk_err e = vk_auth_session_get(c->db, vk_str_z(c->client.last_session), &s);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_AUTH_F_OK : vk_auth_broke(c, e);
    if (strcmp(s.client, c->client.id) != 0)
        return VK_AUTH_F_OK;
    vk_auth_fail f = vk_auth_token(c, &s, azp, false, jwt_r);
    return f == VK_AUTH_F_NOT_SIGNED_IN ? VK_AUTH_F_OK : f; /* it has ended, or its user may not */
}

/* Keeps the directives under a new nonce, and says where the browser goes with that. */
static vk_auth_fail redirect(vk_auth_call *c, vk_str url, const vk_auth_directives *d)
{
    char nonce[VK_AUTH_NONCE + 1];
    uint8_t hash[VK_SHA256];
    vk_buf text, to;
    vk_buf_init(&text, DIRECTIVES_MAX);
    vk_buf_init(&to, LOCATION_MAX);
    text.secret = to.secret = true;
    vk_jw w = vk_jw_on(&text);
    vk_err e = vk_auth_directives_write(&w, d);
    vk_auth_nonce_new(nonce);
    vk_auth_lookup(c, vk_secret_of(vk_str_z(nonce)), hash);
    if (e == VK_OK)
        e = vk_auth_nonce_put(c->db, hash, vk_secret_of(vk_buf_view(&text)), c->now_ms);
    if (e == VK_OK)
        e = vk_auth_redirect_add(url, VK_STR("__clerk_handshake_nonce"), vk_str_z(nonce), &to);
    if (e == VK_OK) {
        c->to = vk_arena_dup(c->arena, vk_buf_view(&to));
        e = c->to.p ? VK_OK : VK_E_NOMEM;
    }
    vk_wipe(nonce, sizeof nonce);
    vk_buf_free_secret(&text);
    vk_buf_free_secret(&to);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    c->status = 307;
    return VK_AUTH_F_OK;
}

static vk_auth_fail handshake(vk_auth_call *c)
{
    vk_str url;
    char azp[VK_AUTH_ORIGIN_MAX + 1], id[VK_AUTH_ID_MAX + 1];
    vk_auth_directives d = {
        .suffix = vk_str_z(c->about->suffix), .partitioned = c->partitioned, .now_ms = c->now_ms};
    if (vk_auth_param_text(&c->query, VK_STR("redirect_url"), VK_AUTH_URL_MAX, &url) != VK_OK ||
        !vk_auth_origin_allowed(url, c->origins, c->n_origins) || vk_auth_origin_of(url, azp) != VK_OK)
        return VK_AUTH_F_REDIRECT;
    c->ex->secret = true;
    vk_auth_fail f = browser(c, id);
    if (f == VK_AUTH_F_OK)
        f = session(c, vk_str_z(azp), &d.session);
    if (f == VK_AUTH_F_OK) {
        d.host = host_of(vk_str_z(azp));
        d.dev_browser = vk_secret_of(vk_str_z(id));
        d.client_uat_s = d.session.n ? c->client.updated_ms / 1000 : 0;
        f = redirect(c, url, &d);
    }
    vk_wipe(id, sizeof id);
    return f;
}

/* What the nonce stands for, once. Who asks has the build's key, and 190 bits are not guessed: a page that is
 * loaded again asks with a used one, which counts against nobody. */
static vk_auth_fail payload(vk_auth_call *c)
{
    vk_secret nonce, directives;
    uint8_t hash[VK_SHA256];
    vk_auth_fail f = vk_auth_need_secret(c, "nonce", VK_AUTH_TEXT_MAX, &nonce);
    if (f != VK_AUTH_F_OK)
        return f;
    if (!vk_auth_nonce_is(nonce))
        return VK_AUTH_F_NOT_FOUND;
    c->ex->secret = true;
    vk_auth_lookup(c, nonce, hash);
    vk_err e = vk_auth_nonce_take(c->db, c->arena, hash, c->now_ms, &directives);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_AUTH_F_NOT_FOUND : vk_auth_broke(c, e);
    vk_jw_obj(&c->w);
    vk_jw_kstr(&c->w, "nonce", vk_secret_bytes(nonce));
    vk_jw_key(&c->w, VK_STR("directives"));
    vk_jw_raw(&c->w, vk_secret_bytes(directives));
    vk_jw_kstr(&c->w, "payload", VK_STR(""));
    vk_jw_obj_end(&c->w);
    return VK_AUTH_F_OK;
}

const vk_auth_route vk_auth_handshake_routes[] = {
    {"GET", "/client/handshake", VK_AUTH_NEEDS_NOBODY, VK_AUTH_BARE, .dear = true, .run = handshake},
    {"GET", "/clients/handshake_payload", VK_AUTH_NEEDS_BACKEND, VK_AUTH_BARE, .run = payload},
    {0},
};
