/* The Backend API: what POST and PATCH set of users: names, passwords, metadata. */
#include "services/auth/backend.h"

#include "services/auth/metadata.h"

enum { EXTERNAL_ID_MAX = 256 };

/* ---- parameters of what is not here */

/* A value that says what is the case anyway is taken, so that an app can send all that it knows. */
typedef enum only { ONLY_NONE, ONLY_TRUE, ONLY_FALSE } only;
static const struct {
    const char *name;
    only value;
} absent[] = {
    {"username", ONLY_NONE},
    {"phone_number", ONLY_NONE},
    {"phone_number_identification_status", ONLY_NONE},
    {"email_address_identification_status", ONLY_NONE},
    {"web3_wallet", ONLY_NONE},
    {"totp_secret", ONLY_NONE},
    {"backup_codes", ONLY_NONE},
    {"locale", ONLY_NONE},
    {"legal_accepted_at", ONLY_NONE},
    {"create_organizations_limit", ONLY_NONE},
    {"primary_phone_number_id", ONLY_NONE},
    {"primary_web3_wallet_id", ONLY_NONE},
    {"profile_image_id", ONLY_NONE},
    {"delete_self_enabled", ONLY_TRUE},
    {"create_organization_enabled", ONLY_FALSE},
    {"bypass_client_trust", ONLY_FALSE},
    {"notify_primary_email_address_changed", ONLY_FALSE},
};

static vk_auth_fail refuse_absent(vk_auth_call *c)
{
    for (size_t i = 0; i < VK_COUNT(absent); i++) {
        vk_str name = vk_str_z(absent[i].name), text;
        const vk_str *list;
        bool yes, fits = !vk_auth_param_there(&c->form, name) || vk_auth_param_is_null(&c->form, name);
        size_t n;
        if (!fits && absent[i].value != ONLY_NONE)
            fits = vk_auth_param_bool(&c->form, name, &yes) == VK_OK && yes == (absent[i].value == ONLY_TRUE);
        else if (!fits) /* nothing in it is nothing */
            fits =
                vk_auth_param_list(c->arena, &c->form, name, VK_AUTH_TEXT_MAX, &list, &n) == VK_E_NOT_FOUND ||
                (vk_auth_param_text(&c->form, name, VK_AUTH_TEXT_MAX, &text) == VK_OK && text.n == 0);
        if (!fits)
            return vk_auth_bad(c, VK_AUTH_F_PARAM_UNKNOWN, absent[i].name);
    }
    return VK_AUTH_F_OK;
}

/* ---- what both set */

static vk_auth_fail set_name(vk_auth_call *c, const char *param, size_t most, vk_str *name)
{
    bool there;
    vk_str text;
    vk_auth_fail f = vk_auth_set_text(c, param, most, &there, &text);
    if (f == VK_AUTH_F_OK && there)
        *name = text;
    return f;
}

static vk_auth_fail set_metadata(vk_auth_call *c, vk_auth_user *u)
{
    bool there;
    vk_auth_fail f = vk_auth_may_metadata(c, "public_metadata", &there, &u->public_metadata);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_metadata(c, "private_metadata", &there, &u->private_metadata);
    return f == VK_AUTH_F_OK ? vk_auth_may_metadata(c, "unsafe_metadata", &there, &u->unsafe_metadata) : f;
}

static vk_auth_fail set_profile(vk_auth_call *c, vk_auth_user *u)
{
    vk_auth_fail f = refuse_absent(c);
    if (f == VK_AUTH_F_OK)
        f = set_name(c, "first_name", VK_AUTH_TEXT_MAX, &u->first_name);
    if (f == VK_AUTH_F_OK)
        f = set_name(c, "last_name", VK_AUTH_TEXT_MAX, &u->last_name);
    if (f == VK_AUTH_F_OK)
        f = set_name(c, "external_id", EXTERNAL_ID_MAX, &u->external_id);
    if (f == VK_AUTH_F_OK)
        f = set_metadata(c, u);
    return f == VK_AUTH_F_OK ? vk_auth_may_time(c, "created_at", &u->created_ms) : f;
}

/* A digest that was made elsewhere, as it is; the next sign-in replaces it by one of ours. */
static vk_auth_fail set_digest(vk_auth_call *c, vk_auth_user *u)
{
    vk_secret digest;
    vk_str hasher;
    if (!vk_auth_param_there(&c->form, VK_STR("password_hasher")))
        return vk_auth_bad(c, VK_AUTH_F_PARAM_WITH, "password_hasher");
    vk_auth_fail f = vk_auth_need_secret(c, "password_digest", VK_PASSWORD_DIGEST_MAX, &digest);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_need_text(c, "password_hasher", VK_AUTH_TEXT_MAX, &hasher);
    if (f != VK_AUTH_F_OK)
        return f;
    if (!vk_password_kind_of(hasher, &u->digest_kind))
        return vk_auth_bad(c, VK_AUTH_F_DIGEST, "password_hasher");
    if (vk_password_digest_check(u->digest_kind, digest) != VK_OK)
        return VK_AUTH_F_DIGEST;
    u->digest = digest;
    u->password_ms = c->now_ms;
    return VK_AUTH_F_OK;
}

/* *set_r: there is one now. May ask for work: comes last before anything is changed. Clerk's
 * skip_password_checks is about lists of leaked passwords, which are not looked at here; the rules of length
 * hold in any case. */
static vk_auth_fail set_password(vk_auth_call *c, vk_auth_user *u, bool *set_r)
{
    bool plain = vk_auth_param_there(&c->form, VK_STR("password")) &&
                 !vk_auth_param_is_null(&c->form, VK_STR("password"));
    bool digest = vk_auth_param_there(&c->form, VK_STR("password_digest")) &&
                  !vk_auth_param_is_null(&c->form, VK_STR("password_digest"));
    vk_secret password, made;
    *set_r = plain || digest;
    if (plain && digest)
        return vk_auth_bad(c, VK_AUTH_F_PARAM_BESIDE, "password_digest");
    if (digest)
        return set_digest(c, u);
    if (vk_auth_param_there(&c->form, VK_STR("password_hasher")) &&
        !vk_auth_param_is_null(&c->form, VK_STR("password_hasher")))
        return vk_auth_bad(c, VK_AUTH_F_PARAM_WITH, "password_digest");
    if (!plain)
        return VK_AUTH_F_OK;
    vk_auth_fail f = vk_auth_need_secret(c, "password", VK_AUTH_PASSWORD_MAX, &password);
    if (f == VK_AUTH_F_PARAM_MISSING) /* an empty one */
        f = VK_AUTH_F_PASSWORD_SHORT;
    if (f == VK_AUTH_F_OK)
        f = vk_auth_hash(c, password, &made);
    if (f != VK_AUTH_F_OK)
        return f;
    u->digest = made;
    u->digest_kind = VK_PASSWORD_ARGON2ID;
    u->password_ms = c->now_ms;
    return VK_AUTH_F_OK;
}

/* ---- POST /users */

typedef struct addresses {
    char (*at)[VK_AUTH_EMAIL_MAX + 1];
    size_t n;
} addresses;

static vk_auth_fail read_addresses(vk_auth_call *c, addresses *out_r)
{
    const vk_str *list;
    size_t n;
    vk_auth_user other;
    vk_auth_fail f = vk_auth_may_list(c, "email_address", VK_AUTH_TEXT_MAX * 4, &list, &n);
    if (f != VK_AUTH_F_OK)
        return f;
    if (n > VK_AUTH_EMAILS_MAX)
        return vk_auth_bad(c, VK_AUTH_F_PARAM_MANY, "email_address");
    *out_r = (addresses){vk_arena_alloc(c->arena, sizeof *out_r->at * n), n};
    if (!out_r->at)
        return VK_AUTH_F_INTERNAL;
    for (size_t i = 0; i < n; i++) {
        if (vk_auth_email(list[i], out_r->at[i]) != VK_OK)
            return VK_AUTH_F_EMAIL_FORMAT;
        for (size_t k = 0; k < i; k++)
            if (strcmp(out_r->at[k], out_r->at[i]) == 0)
                return vk_auth_bad(c, VK_AUTH_F_PARAM_TWICE, "email_address");
        vk_err e = vk_auth_user_by_email(c->db, c->arena, vk_str_z(out_r->at[i]), &other);
        if (e != VK_E_NOT_FOUND)
            return e == VK_OK ? VK_AUTH_F_IDENTIFIER_TAKEN : vk_auth_broke(c, e);
    }
    return VK_AUTH_F_OK;
}

/* The first is the primary one; all are verified: the app's server says so. */
static vk_auth_fail add_addresses(vk_auth_call *c, const vk_auth_user *u, const addresses *a)
{
    for (size_t i = 0; i < a->n; i++) {
        vk_auth_email_row row = {.primary = i == 0,
                                 .verified = true,
                                 .strategy = "admin",
                                 .created_ms = c->now_ms,
                                 .updated_ms = c->now_ms};
        vk_auth_id_new(VK_AUTH_IDENTIFICATION, row.id);
        memcpy(row.user, u->id, sizeof row.user);
        memcpy(row.address, a->at[i], sizeof row.address);
        vk_err e = vk_auth_email_add(c->db, &row);
        if (e != VK_OK)
            return e == VK_E_CONFLICT ? VK_AUTH_F_IDENTIFIER_TAKEN : vk_auth_broke(c, e);
    }
    return VK_AUTH_F_OK;
}

static vk_auth_fail create(vk_auth_call *c)
{
    vk_auth_user u = {.public_metadata = VK_STR("{}"),
                      .private_metadata = VK_STR("{}"),
                      .unsafe_metadata = VK_STR("{}"),
                      .created_ms = c->now_ms,
                      .updated_ms = c->now_ms};
    addresses a = {0};
    bool no_address, no_password, locked, has_password;
    vk_auth_fail f = set_profile(c, &u);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_bool(c, "skip_user_requirement", false, &no_address);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_bool(c, "skip_password_requirement", false, &no_password);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_bool(c, "banned", false, &u.banned);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_bool(c, "locked", false, &locked);
    if (f == VK_AUTH_F_OK)
        f = read_addresses(c, &a);
    if (f == VK_AUTH_F_OK && a.n == 0 && !no_address)
        f = vk_auth_bad(c, VK_AUTH_F_DATA_MISSING, "email_address");
    if (f == VK_AUTH_F_OK)
        f = set_password(c, &u, &has_password);
    if (f == VK_AUTH_F_OK && !has_password && !no_password)
        f = vk_auth_bad(c, VK_AUTH_F_DATA_MISSING, "password");
    if (f != VK_AUTH_F_OK)
        return f;
    if (locked)
        u.lockout = (vk_auth_lockout){VK_AUTH_LOCKOUT_MAX, c->now_ms};
    vk_auth_id_new(VK_AUTH_USER, u.id);
    vk_err e = vk_auth_user_add(c->db, &u);
    if (e != VK_OK)
        return e == VK_E_CONFLICT ? VK_AUTH_F_EXTERNAL_ID_TAKEN : vk_auth_broke(c, e);
    f = add_addresses(c, &u, &a);
    return f == VK_AUTH_F_OK ? vk_auth_show_user(c, &u) : f;
}

/* ---- PATCH /users/{user} */

/* Another one of the user's own verified addresses becomes the primary one. */
static vk_auth_fail set_primary(vk_auth_call *c, const vk_auth_user *u)
{
    static const char name[] = "primary_email_address_id";
    vk_str id;
    vk_auth_email_row row;
    vk_auth_fail f = vk_auth_may_text(c, name, VK_AUTH_TEXT_MAX, &id);
    if (f != VK_AUTH_F_OK || !id.p)
        return f;
    vk_err e =
        vk_auth_id_is(VK_AUTH_IDENTIFICATION, id) ? vk_auth_email_get(c->db, id, &row) : VK_E_NOT_FOUND;
    if (e == VK_E_NOT_FOUND || (e == VK_OK && strcmp(row.user, u->id) != 0))
        return vk_auth_bad(c, VK_AUTH_F_NO_RESOURCE, name);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    if (!row.verified)
        return vk_auth_bad(c, VK_AUTH_F_PRIMARY_UNVERIFIED, name);
    return vk_auth_make_primary(c, &row);
}

static vk_auth_fail update(vk_auth_call *c)
{
    vk_auth_user u;
    bool has_password, out;
    vk_auth_fail f = vk_auth_find_user(c, c->id[0], &u);
    if (f == VK_AUTH_F_OK)
        f = set_profile(c, &u);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_bool(c, "sign_out_of_other_sessions", false, &out);
    if (f == VK_AUTH_F_OK)
        f = set_password(c, &u, &has_password);
    if (f == VK_AUTH_F_OK)
        f = set_primary(c, &u);
    if (f == VK_AUTH_F_OK && out && has_password)
        f = vk_auth_end_sessions(c, c->id[0], VK_STR_NONE, VK_AUTH_REVOKED);
    return f == VK_AUTH_F_OK ? vk_auth_put_user(c, &u) : f;
}

static vk_auth_fail remove_password(vk_auth_call *c)
{
    vk_auth_user u;
    bool out;
    vk_auth_fail f = vk_auth_find_user(c, c->id[0], &u);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_bool(c, "sign_out_of_other_sessions", false, &out);
    if (f == VK_AUTH_F_OK && !u.digest.n)
        f = VK_AUTH_F_NO_PASSWORD;
    if (f == VK_AUTH_F_OK && out)
        f = vk_auth_end_sessions(c, c->id[0], VK_STR_NONE, VK_AUTH_REVOKED);
    u.digest = VK_SECRET_NONE;
    u.password_ms = 0;
    return f == VK_AUTH_F_OK ? vk_auth_put_user(c, &u) : f;
}

/* ---- metadata */

static vk_auth_fail replace_metadata(vk_auth_call *c)
{
    vk_auth_user u;
    vk_auth_fail f = vk_auth_find_user(c, c->id[0], &u);
    if (f == VK_AUTH_F_OK)
        f = set_metadata(c, &u);
    return f == VK_AUTH_F_OK ? vk_auth_put_user(c, &u) : f;
}

static vk_auth_fail merge(vk_auth_call *c, const char *name, vk_str *metadata)
{
    const vk_json *change;
    vk_err e = vk_auth_param_object(c->arena, &c->form, vk_str_z(name), &change);
    if (e == VK_E_NOT_FOUND)
        return VK_AUTH_F_OK;
    if (e == VK_E_INVALID)
        return vk_auth_bad(c, VK_AUTH_F_PARAM_FORMAT, name);
    if (e == VK_OK)
        e = vk_auth_metadata_merge(c->arena, *metadata, change, metadata);
    return e == VK_OK            ? VK_AUTH_F_OK
           : e == VK_E_TOO_LARGE ? vk_auth_bad(c, VK_AUTH_F_PARAM_LARGE, name)
                                 : vk_auth_broke(c, e);
}

static vk_auth_fail merge_metadata(vk_auth_call *c)
{
    vk_auth_user u;
    vk_auth_fail f = vk_auth_find_user(c, c->id[0], &u);
    if (f == VK_AUTH_F_OK)
        f = merge(c, "public_metadata", &u.public_metadata);
    if (f == VK_AUTH_F_OK)
        f = merge(c, "private_metadata", &u.private_metadata);
    if (f == VK_AUTH_F_OK)
        f = merge(c, "unsafe_metadata", &u.unsafe_metadata);
    return f == VK_AUTH_F_OK ? vk_auth_put_user(c, &u) : f;
}

#define BACKEND .need = VK_AUTH_NEEDS_BACKEND

const vk_auth_route vk_auth_backend_change_routes[] = {
    {.method = "POST", .path = "/users", BACKEND, .run = create},
    {.method = "PATCH", .path = "/users/{user}", BACKEND, .run = update},
    {.method = "PATCH", .path = "/users/{user}/metadata", BACKEND, .run = merge_metadata},
    {.method = "PUT", .path = "/users/{user}/metadata", BACKEND, .run = replace_metadata},
    {.method = "POST", .path = "/users/{user}/remove_password", BACKEND, .run = remove_password},
    {0},
};
