/* Who asks: the browser, its client, the session. On the strand. */
#include "services/auth/inside.h"

enum { DAY_MS = 86400000 };

/* The path's {sess} where the session itself is what is asked for; not in /me/sessions/{sess}. */
static bool is_path_session(const vk_auth_call *c)
{
    static const char under[] = "/client/sessions/{sess}";
    return strncmp(c->route->path, under, sizeof under - 1) == 0;
}

vk_auth_fail vk_auth_browser_of(vk_auth_call *c)
{
    vk_secret id;
    char client[VK_AUTH_ID_MAX + 1];
    int64_t used_ms;
    vk_err e = vk_auth_param_secret(&c->query, VK_STR("__clerk_db_jwt"), VK_AUTH_ID_MAX, &id);
    if (e != VK_OK || !vk_auth_id_is(VK_AUTH_DEV_BROWSER, vk_secret_bytes(id)))
        return VK_AUTH_F_DEV_BROWSER;
    vk_auth_lookup(c, id, c->browser);
    e = vk_auth_browser_get(c->db, c->browser, client, &used_ms);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_AUTH_F_DEV_BROWSER : vk_auth_broke(c, e);
    c->has_browser = true;
    if (client[0]) {
        e = vk_auth_client_get(c->db, vk_str_z(client), &c->client);
        c->has_client = e == VK_OK;
        if (e != VK_OK && e != VK_E_NOT_FOUND)
            return vk_auth_broke(c, e);
    }
    /* So that those which nobody uses can be told; once a day is enough for that. */
    if (c->now_ms - used_ms > DAY_MS)
        e = vk_auth_browser_put(c->db, c->browser, vk_str_z(c->has_client ? client : ""), c->now_ms);
    if (c->has_client && c->now_ms - c->client.used_ms > DAY_MS) {
        c->client.used_ms = c->now_ms;
        e = vk_auth_client_put(c->db, &c->client);
    }
    return e == VK_OK || e == VK_E_NOT_FOUND ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

static vk_auth_fail session(vk_auth_call *c)
{
    bool of_path = is_path_session(c);
    vk_auth_fail none = of_path ? VK_AUTH_F_NO_SESSION : VK_AUTH_F_NOT_SIGNED_IN;
    vk_str id = vk_str_z(c->client.last_session), asked;
    if (!c->has_client)
        return none;
    if (of_path)
        id = c->id[0];
    else if (vk_auth_param_text(&c->query, VK_STR("_clerk_session_id"), VK_AUTH_ID_MAX, &asked) == VK_OK &&
             asked.n)
        id = asked;
    if (!vk_auth_id_is(VK_AUTH_SESSION, id))
        return none;
    vk_err e = vk_auth_session_get(c->db, id, &c->session);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? none : vk_auth_broke(c, e);
    if (strcmp(c->session.client, c->client.id) != 0)
        return none;
    bool active = vk_auth_session_status(&c->session, c->now_ms) == VK_AUTH_ACTIVE;
    if (!active && !of_path)
        return none;
    e = active ? vk_auth_session_person(c, &c->session, &c->person)
               : vk_auth_person_get(c, vk_str_z(c->session.user), &c->person);
    if (e == VK_E_NOT_FOUND) {
        c->person = (vk_auth_person){0};
        return active ? VK_AUTH_F_NOT_SIGNED_IN : VK_AUTH_F_OK;
    }
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

vk_auth_fail vk_auth_who(vk_auth_call *c)
{
    c->has_browser = c->has_client = false;
    c->person = (vk_auth_person){0};
    if (c->route->need != VK_AUTH_NEEDS_BROWSER && c->route->need != VK_AUTH_NEEDS_SESSION)
        return VK_AUTH_F_OK;
    vk_auth_fail f = vk_auth_browser_of(c);
    return f == VK_AUTH_F_OK && c->route->need == VK_AUTH_NEEDS_SESSION ? session(c) : f;
}
