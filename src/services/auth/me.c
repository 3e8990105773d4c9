/* Who is signed in: their profile, password, devices, and the end of their account. */
#include "services/auth/call.h"
#include "services/auth/metadata.h"

enum { DEVICES_MAX = 50 }; /* sessions that are listed */

vk_auth_fail vk_auth_person_put(vk_auth_call *c, const vk_auth_user *u)
{
    vk_err e = vk_auth_user_put(c->db, u);
    if (e == VK_OK)
        e = vk_auth_person_get(c, vk_str_z(c->session.user), &c->person);
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

static vk_auth_fail show(vk_auth_call *c)
{
    vk_auth_view v = vk_auth_view_of(c);
    vk_auth_user_write(&c->w, &v, &c->person);
    return VK_AUTH_F_OK;
}

/* What Clerk has and a user may not set here: usernames and the like are off, and metadata of the server is
 * the server's. An empty value changes nothing and may be there. */
static vk_auth_fail no_others(vk_auth_call *c)
{
    static const char *const others[] = {
        "username",        "primary_phone_number_id", "primary_web3_wallet_id",
        "public_metadata", "private_metadata",        "external_id",
        "password"};
    for (size_t i = 0; i < VK_COUNT(others); i++) {
        vk_str name = vk_str_z(others[i]);
        if (vk_auth_param_there(&c->form, name) && !vk_auth_param_is_null(&c->form, name))
            return vk_auth_bad(c, VK_AUTH_F_PARAM_UNKNOWN, others[i]);
    }
    return VK_AUTH_F_OK;
}

static vk_auth_fail change(vk_auth_call *c)
{
    bool first_there, last_there;
    vk_str first, last, metadata, primary;
    vk_auth_fail f = no_others(c);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_set_text(c, "first_name", VK_AUTH_TEXT_MAX, &first_there, &first);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_set_text(c, "last_name", VK_AUTH_TEXT_MAX, &last_there, &last);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_object(c, "unsafe_metadata", &metadata);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_text(c, "primary_email_address_id", VK_AUTH_ID_MAX, &primary);
    if (f == VK_AUTH_F_OK && primary.n)
        f = vk_auth_set_primary(c, primary);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_auth_user u = *c->person.user;
    if (first_there)
        u.first_name = first;
    if (last_there)
        u.last_name = last;
    if (metadata.p)
        u.unsafe_metadata = metadata;
    u.updated_ms = c->now_ms;
    f = vk_auth_person_put(c, &u);
    return f == VK_AUTH_F_OK ? show(c) : f;
}

/* Merged into what is there: clerk-js 6 sends the difference for user.update({unsafeMetadata}), too. */
static vk_auth_fail change_metadata(vk_auth_call *c)
{
    static const char name[] = "unsafe_metadata";
    const vk_json *patch;
    vk_auth_user u = *c->person.user;
    vk_auth_fail f = no_others(c);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_err e = vk_auth_param_object(c->arena, &c->form, vk_str_z(name), &patch);
    if (e == VK_E_NOT_FOUND)
        return show(c);
    if (e == VK_OK)
        e = vk_auth_metadata_merge(c->arena, u.unsafe_metadata, patch, &u.unsafe_metadata);
    if (e == VK_E_INVALID || e == VK_E_TOO_LARGE)
        return vk_auth_bad(c, VK_AUTH_F_PARAM_FORMAT, name);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    u.updated_ms = c->now_ms;
    f = vk_auth_person_put(c, &u);
    return f == VK_AUTH_F_OK ? show(c) : f;
}

/* Either they give the one they have, or they have just proved who they are. The components of an instance
 * with `reverification` do not ask for the current one. */
static vk_auth_fail may_change_password(vk_auth_call *c)
{
    vk_secret current;
    vk_str name = VK_STR("current_password");
    if (!vk_auth_param_there(&c->form, name) || vk_auth_param_is_null(&c->form, name))
        return vk_auth_need_fresh(c);
    vk_auth_fail f = vk_auth_need_secret(c, "current_password", VK_AUTH_PASSWORD_MAX, &current);
    return f == VK_AUTH_F_OK ? vk_auth_need_password(c, current, VK_AUTH_F_PASSWORD_CURRENT) : f;
}

static vk_auth_fail change_password(vk_auth_call *c)
{
    vk_secret chosen, digest;
    bool others = false;
    vk_auth_fail f = vk_auth_need_secret(c, "new_password", VK_AUTH_PASSWORD_MAX, &chosen);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_err e = vk_auth_param_bool(&c->form, VK_STR("sign_out_of_other_sessions"), &others);
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        return vk_auth_bad(c, VK_AUTH_F_PARAM_FORMAT, "sign_out_of_other_sessions");
    f = may_change_password(c);
    if (f == VK_AUTH_F_OK) {
        f = vk_auth_hash(c, chosen, &digest);
        if (f == VK_AUTH_F_PASSWORD_SHORT || f == VK_AUTH_F_PASSWORD_LONG || f == VK_AUTH_F_PARAM_FORMAT)
            return vk_auth_bad(c, f, "new_password");
    }
    if (f != VK_AUTH_F_OK)
        return f;
    vk_auth_user u = *c->person.user;
    u.digest = digest;
    u.digest_kind = VK_PASSWORD_ARGON2ID;
    u.password_ms = u.updated_ms = c->now_ms;
    f = vk_auth_person_put(c, &u);
    if (f == VK_AUTH_F_OK && others)
        f = vk_auth_end_sessions(c, vk_str_z(c->session.user), vk_str_z(c->session.id), VK_AUTH_REVOKED);
    return f == VK_AUTH_F_OK ? show(c) : f;
}

static vk_auth_fail take_out(vk_auth_call *c)
{
    vk_str user = vk_str_z(c->session.user);
    vk_auth_fail f = vk_auth_need_fresh(c);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_end_sessions(c, user, VK_STR_NONE, VK_AUTH_REMOVED);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_err e = vk_auth_user_drop(c->db, user);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    vk_auth_deleted_write(&c->w, "user", user);
    return VK_AUTH_F_OK;
}

/* ---- devices */

static vk_auth_fail devices(vk_auth_call *c)
{
    const vk_auth_session *s;
    size_t n;
    vk_auth_view v = vk_auth_view_of(c);
    vk_auth_session_filter f = {.user = vk_str_z(c->session.user),
                                .status = VK_AUTH_ACTIVE,
                                .newest_first = true,
                                .limit = DEVICES_MAX};
    vk_err e = vk_auth_sessions(c->db, c->arena, &f, &s, &n);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    vk_jw_arr(&c->w);
    for (size_t i = 0; i < n; i++) {
        if (vk_auth_session_status(&s[i], c->now_ms) == VK_AUTH_ACTIVE)
            vk_auth_activity_write(&c->w, &v, &s[i], &c->person);
    }
    vk_jw_arr_end(&c->w);
    return VK_AUTH_F_OK;
}

/* One of the user's, in whichever browser. */
static vk_auth_fail revoke_device(vk_auth_call *c)
{
    vk_auth_session s;
    vk_auth_view v = vk_auth_view_of(c);
    vk_err e = vk_auth_session_get(c->db, c->id[0], &s);
    if (e == VK_E_NOT_FOUND || (e == VK_OK && strcmp(s.user, c->session.user) != 0))
        return VK_AUTH_F_NO_SESSION;
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    vk_auth_fail f = vk_auth_need_fresh(c);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_session_stop(c, &s, VK_AUTH_REVOKED);
    if (f == VK_AUTH_F_OK)
        vk_auth_activity_write(&c->w, &v, &s, &c->person);
    return f;
}

/* ---- what is off: the lists are empty */

static vk_auth_fail no_pages(vk_auth_call *c)
{
    vk_jw_raw(&c->w, VK_STR("{\"data\":[],\"total_count\":0}"));
    return VK_AUTH_F_OK;
}

static vk_auth_fail no_list(vk_auth_call *c)
{
    vk_jw_raw(&c->w, VK_STR("[]"));
    return VK_AUTH_F_OK;
}

#define SIGNED_IN .need = VK_AUTH_NEEDS_SESSION, .form = VK_AUTH_ENVELOPE

const vk_auth_route vk_auth_me_routes[] = {
    {.method = "GET", .path = "/me", SIGNED_IN, .reads = true, .run = show},
    {.method = "PATCH", .path = "/me", SIGNED_IN, .run = change},
    {.method = "DELETE", .path = "/me", SIGNED_IN, .run = take_out},
    {.method = "PATCH", .path = "/me/metadata", SIGNED_IN, .run = change_metadata},
    {.method = "POST", .path = "/me/change_password", SIGNED_IN, .run = change_password, .guesses = true},
    {.method = "GET",
     .path = "/me/sessions/active",
     .need = VK_AUTH_NEEDS_SESSION,
     .form = VK_AUTH_BARE,
     .reads = true,
     .run = devices},
    {.method = "POST", .path = "/me/sessions/{sess}/revoke", SIGNED_IN, .run = revoke_device},
    {.method = "GET", .path = "/me/organization_memberships", SIGNED_IN, .reads = true, .run = no_pages},
    {.method = "GET", .path = "/me/organization_invitations", SIGNED_IN, .reads = true, .run = no_pages},
    {.method = "GET", .path = "/me/organization_suggestions", SIGNED_IN, .reads = true, .run = no_pages},
    {.method = "GET", .path = "/me/enterprise_connections", SIGNED_IN, .reads = true, .run = no_list},
    {.method = NULL},
};
