/* The Backend API: e-mail addresses of users. */
#include "services/auth/backend.h"

static vk_auth_fail show(vk_auth_call *c, const vk_auth_email_row *row)
{
    vk_auth_view v = vk_auth_view_of(c);
    vk_auth_email_write(&c->w, &v, row);
    return VK_AUTH_F_OK;
}

static vk_auth_fail find(vk_auth_call *c, vk_auth_email_row *out_r)
{
    vk_err e = vk_auth_email_get(c->db, c->id[0], out_r);
    return e == VK_OK ? VK_AUTH_F_OK : e == VK_E_NOT_FOUND ? VK_AUTH_F_NO_ADDRESS : vk_auth_broke(c, e);
}

static vk_auth_fail put(vk_auth_call *c, vk_auth_email_row *row)
{
    row->updated_ms = c->now_ms;
    vk_err e = vk_auth_email_put(c->db, row);
    return e == VK_OK ? VK_AUTH_F_OK : e == VK_E_CONFLICT ? VK_AUTH_F_IDENTIFIER_TAKEN : vk_auth_broke(c, e);
}

vk_auth_fail vk_auth_make_primary(vk_auth_call *c, vk_auth_email_row *row)
{
    const vk_auth_email_row *all;
    size_t n;
    vk_err e = vk_auth_emails_of(c->db, c->arena, vk_str_z(row->user), &all, &n);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    for (size_t i = 0; i < n; i++) {
        vk_auth_email_row other = all[i];
        if (!other.primary || strcmp(other.id, row->id) == 0)
            continue;
        other.primary = false;
        vk_auth_fail f = put(c, &other);
        if (f != VK_AUTH_F_OK)
            return f;
    }
    row->primary = true;
    return put(c, row);
}

static vk_auth_fail user_changed(vk_auth_call *c, const char *user)
{
    vk_auth_user u;
    vk_auth_fail f = vk_auth_find_user(c, vk_str_z(user), &u);
    if (f != VK_AUTH_F_OK)
        return f;
    u.updated_ms = c->now_ms;
    vk_err e = vk_auth_user_put(c->db, &u);
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

/* Whether the user may have it as well: it is neither the user's already nor somebody's verified one. */
static vk_auth_fail is_free(vk_auth_call *c, const vk_auth_user *u, const char *address, size_t *n_r)
{
    const vk_auth_email_row *all;
    vk_auth_user other;
    vk_err e = vk_auth_emails_of(c->db, c->arena, vk_str_z(u->id), &all, n_r);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    for (size_t i = 0; i < *n_r; i++)
        if (strcmp(all[i].address, address) == 0)
            return VK_AUTH_F_IDENTIFIER_TAKEN;
    e = vk_auth_user_by_email(c->db, c->arena, vk_str_z(address), &other);
    return e == VK_OK ? VK_AUTH_F_IDENTIFIER_TAKEN : e == VK_E_NOT_FOUND ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

static vk_auth_fail create(vk_auth_call *c)
{
    vk_auth_user u;
    vk_auth_email_row row = {.created_ms = c->now_ms, .updated_ms = c->now_ms};
    bool primary;
    size_t n;
    vk_auth_fail f = vk_auth_need_user(c, &u);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_need_email(c, row.address);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_bool(c, "verified", false, &row.verified);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_bool(c, "primary", false, &primary);
    if (f == VK_AUTH_F_OK && primary && !row.verified)
        f = vk_auth_bad(c, VK_AUTH_F_PRIMARY_UNVERIFIED, "primary");
    if (f == VK_AUTH_F_OK)
        f = is_free(c, &u, row.address, &n);
    if (f == VK_AUTH_F_OK && n >= VK_AUTH_EMAILS_MAX)
        f = VK_AUTH_F_EMAILS_MANY;
    if (f != VK_AUTH_F_OK)
        return f;
    vk_auth_id_new(VK_AUTH_IDENTIFICATION, row.id);
    memcpy(row.user, u.id, sizeof row.user);
    if (row.verified)
        snprintf(row.strategy, sizeof row.strategy, "admin");
    vk_err e = vk_auth_email_add(c->db, &row);
    if (e != VK_OK)
        return e == VK_E_CONFLICT ? VK_AUTH_F_IDENTIFIER_TAKEN : vk_auth_broke(c, e);
    if (primary || (n == 0 && row.verified)) /* the first one is, as at Clerk */
        f = vk_auth_make_primary(c, &row);
    if (f == VK_AUTH_F_OK)
        f = user_changed(c, u.id);
    return f == VK_AUTH_F_OK ? show(c, &row) : f;
}

static vk_auth_fail get(vk_auth_call *c)
{
    vk_auth_email_row row;
    vk_auth_fail f = find(c, &row);
    return f == VK_AUTH_F_OK ? show(c, &row) : f;
}

/* A primary address stays one, and stays verified, until another one is made it. */
static vk_auth_fail update(vk_auth_call *c)
{
    vk_auth_email_row row;
    bool verified, primary;
    vk_auth_fail f = find(c, &row);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_bool(c, "verified", row.verified, &verified);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_bool(c, "primary", row.primary, &primary);
    if (f != VK_AUTH_F_OK)
        return f;
    if (row.primary && !primary)
        return vk_auth_bad(c, VK_AUTH_F_PARAM_VALUE, "primary");
    if (row.primary && !verified)
        return vk_auth_bad(c, VK_AUTH_F_PARAM_VALUE, "verified");
    if (primary && !verified)
        return vk_auth_bad(c, VK_AUTH_F_PRIMARY_UNVERIFIED, "primary");
    if (verified != row.verified) {
        row.verified = verified;
        row.verification = (vk_auth_verification){0};
        snprintf(row.strategy, sizeof row.strategy, "%s", verified ? "admin" : "");
    }
    f = primary && !row.primary ? vk_auth_make_primary(c, &row) : put(c, &row);
    if (f == VK_AUTH_F_OK)
        f = user_changed(c, row.user);
    return f == VK_AUTH_F_OK ? show(c, &row) : f;
}

/* Not the last one by which somebody can sign in. After the primary one comes the next verified one. */
static vk_auth_fail drop(vk_auth_call *c)
{
    vk_auth_email_row row;
    const vk_auth_email_row *all;
    size_t n, next = 0;
    vk_auth_fail f = find(c, &row);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_err e = vk_auth_emails_of(c->db, c->arena, vk_str_z(row.user), &all, &n);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    while (next < n && (!all[next].verified || strcmp(all[next].id, row.id) == 0))
        next++;
    if (row.verified && next == n)
        return VK_AUTH_F_EMAIL_LAST;
    e = vk_auth_email_drop(c->db, c->id[0]);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    if (row.primary) {
        vk_auth_email_row first = all[next];
        f = vk_auth_make_primary(c, &first);
    }
    if (f == VK_AUTH_F_OK)
        f = user_changed(c, row.user);
    if (f == VK_AUTH_F_OK)
        vk_auth_deleted_write(&c->w, "email_address", c->id[0]);
    return f;
}

/* One verified, primary address in place of all that the user has. */
static vk_auth_fail replace(vk_auth_call *c)
{
    vk_auth_user u, other;
    const vk_auth_email_row *all;
    size_t n;
    vk_auth_email_row row = {.primary = true,
                             .verified = true,
                             .strategy = "admin",
                             .created_ms = c->now_ms,
                             .updated_ms = c->now_ms};
    vk_auth_fail f = vk_auth_find_user(c, c->id[0], &u);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_need_email(c, row.address);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_err e = vk_auth_user_by_email(c->db, c->arena, vk_str_z(row.address), &other);
    if (e == VK_OK && strcmp(other.id, u.id) != 0)
        return VK_AUTH_F_IDENTIFIER_TAKEN;
    if (e == VK_OK || e == VK_E_NOT_FOUND)
        e = vk_auth_emails_of(c->db, c->arena, c->id[0], &all, &n);
    for (size_t i = 0; e == VK_OK && i < n; i++)
        e = vk_auth_email_drop(c->db, vk_str_z(all[i].id));
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    vk_auth_id_new(VK_AUTH_IDENTIFICATION, row.id);
    memcpy(row.user, u.id, sizeof row.user);
    e = vk_auth_email_add(c->db, &row);
    if (e != VK_OK)
        return e == VK_E_CONFLICT ? VK_AUTH_F_IDENTIFIER_TAKEN : vk_auth_broke(c, e);
    f = user_changed(c, u.id);
    return f == VK_AUTH_F_OK ? show(c, &row) : f;
}

#define BACKEND .need = VK_AUTH_NEEDS_BACKEND

const vk_auth_route vk_auth_backend_address_routes[] = {
    {.method = "POST", .path = "/email_addresses", BACKEND, .run = create},
    {.method = "GET", .path = "/email_addresses/{idn}", BACKEND, .reads = true, .run = get},
    {.method = "PATCH", .path = "/email_addresses/{idn}", BACKEND, .run = update},
    {.method = "DELETE", .path = "/email_addresses/{idn}", BACKEND, .run = drop},
    {.method = "PUT", .path = "/users/{user}/email_address", BACKEND, .run = replace},
    {0},
};
