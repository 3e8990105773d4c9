/* The Backend API: the instance, which is the build; the key of its tokens, and clients. */
#include "services/auth/backend.h"

static vk_auth_fail instance(vk_auth_call *c)
{
    vk_jw_obj(&c->w);
    vk_jw_kstr(&c->w, "object", VK_STR("instance"));
    vk_jw_kstr(&c->w, "id", vk_str_z(c->about->instance));
    vk_jw_kstr(&c->w, "environment_type", VK_STR("development"));
    vk_jw_key(&c->w, VK_STR("allowed_origins")); /* those of native apps: none */
    vk_jw_null(&c->w);
    vk_jw_obj_end(&c->w);
    return VK_AUTH_F_OK;
}

static vk_auth_fail domains(vk_auth_call *c)
{
    char id[sizeof c->about->instance + 4];
    snprintf(id, sizeof id, "dmn_%s", c->about->instance);
    vk_auth_list(c, true);
    vk_jw_obj(&c->w);
    vk_jw_kstr(&c->w, "object", VK_STR("domain"));
    vk_jw_kstr(&c->w, "id", vk_str_z(id));
    vk_jw_kstr(&c->w, "name", vk_str_z(c->about->host));
    vk_jw_kbool(&c->w, "is_satellite", false);
    vk_jw_kstr(&c->w, "frontend_api_url", vk_str_z(c->about->issuer));
    vk_jw_kstr(&c->w, "development_origin", VK_STR(""));
    vk_jw_obj_end(&c->w);
    return vk_auth_list_end(c, true, 1);
}

static void id_or_null(vk_jw *w, const char *key, const char *id)
{
    vk_jw_kstr_or_null(w, key, id[0] ? vk_str_z(id) : VK_STR_NONE);
}

/* With all of its sessions that are kept, in the Backend API's form. */
static vk_auth_fail client(vk_auth_call *c)
{
    vk_auth_client k;
    vk_auth_view v = vk_auth_view_of(c);
    const vk_auth_session *s;
    size_t n;
    vk_jw *w = &c->w;
    vk_err e = vk_auth_client_get(c->db, c->id[0], &k);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_AUTH_F_NOT_FOUND : vk_auth_broke(c, e);
    const vk_auth_session_filter f = {
        .client = c->id[0], .status = -1, .newest_first = true, .limit = VK_AUTH_SESSIONS_PAGE_MAX};
    e = vk_auth_sessions(c->db, c->arena, &f, &s, &n);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    vk_jw_obj(w);
    vk_jw_kstr(w, "object", VK_STR("client"));
    vk_jw_kstr(w, "id", vk_str_z(k.id));
    vk_jw_key(w, VK_STR("session_ids"));
    vk_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        vk_jw_str(w, vk_str_z(s[i].id));
    vk_jw_arr_end(w);
    vk_jw_key(w, VK_STR("sessions"));
    vk_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        vk_auth_session_write(w, &v, &(vk_auth_live){.session = &s[i]});
    vk_jw_arr_end(w);
    id_or_null(w, "sign_in_id", k.sign_in);
    id_or_null(w, "sign_up_id", k.sign_up);
    id_or_null(w, "last_active_session_id", k.last_session);
    id_or_null(w, "last_authentication_strategy", k.last_strategy);
    vk_jw_ki64(w, "created_at", k.created_ms);
    vk_jw_ki64(w, "updated_at", k.updated_ms);
    vk_jw_obj_end(w);
    return VK_AUTH_F_OK;
}

#define READS .need = VK_AUTH_NEEDS_BACKEND, .reads = true

const vk_auth_route vk_auth_backend_instance_routes[] = {
    {.method = "GET", .path = "/jwks", READS, .run = vk_auth_jwks},
    {.method = "GET", .path = "/instance", READS, .run = instance},
    {.method = "GET", .path = "/domains", READS, .run = domains},
    {.method = "GET", .path = "/clients/{client}", READS, .run = client},
    {0},
};
