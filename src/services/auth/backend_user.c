/* The Backend API: which users there are, and what is done to one as a whole. What is set of a user:
 * backend_change.c. */
#include "services/auth/backend.h"

/* ---- lists */

static const char *const orders[] = {
    [VK_AUTH_BY_CREATED] = "created_at",
    [VK_AUTH_BY_UPDATED] = "updated_at",
    [VK_AUTH_BY_SIGN_IN] = "last_sign_in_at",
    [VK_AUTH_BY_ACTIVE] = "last_active_at",
    NULL,
};

/* What nobody has here: who asks for users with it finds none, as at Clerk. */
static const char *const nobody_has[] = {"phone_number",       "username",       "web3_wallet",
                                         "phone_number_query", "username_query", "provider_user_id"};

/* Ids with '+' in front (or a blank: a '+' that nobody escaped) are wanted, with '-' not. */
static vk_auth_fail signed_list(vk_auth_call *c, const char *name, const vk_str **want_r, size_t *n_want_r,
                                const vk_str **not_r, size_t *n_not_r)
{
    const vk_str *list;
    size_t n;
    vk_auth_fail f = vk_auth_may_list(c, name, VK_AUTH_TEXT_MAX, &list, &n);
    if (f != VK_AUTH_F_OK || n == 0)
        return f;
    vk_str *want = vk_arena_alloc(c->arena, sizeof *want * n),
           *not_these = vk_arena_alloc(c->arena, sizeof *want * n);
    if (!want || !not_these)
        return VK_AUTH_F_INTERNAL;
    for (size_t i = 0; i < n; i++) {
        char sign = list[i].p[0];
        vk_str id =
            sign == '+' || sign == '-' || sign == ' ' ? (vk_str){list[i].p + 1, list[i].n - 1} : list[i];
        if (sign == '-')
            not_these[(*n_not_r)++] = id;
        else
            want[(*n_want_r)++] = id;
    }
    *want_r = *n_want_r ? want : NULL;
    *not_r = *n_not_r ? not_these : NULL;
    return VK_AUTH_F_OK;
}

/* In the form in which they are kept; what is no address is nobody's. */
static vk_auth_fail emails(vk_auth_call *c, vk_auth_user_filter *by)
{
    const vk_str *list;
    size_t n;
    char kept[VK_AUTH_EMAIL_MAX + 1];
    vk_auth_fail f = vk_auth_may_list(c, "email_address", VK_AUTH_TEXT_MAX * 4, &list, &n);
    if (f != VK_AUTH_F_OK || n == 0)
        return f;
    vk_str *out = vk_arena_alloc(c->arena, sizeof *out * n);
    if (!out)
        return VK_AUTH_F_INTERNAL;
    by->emails = out;
    for (size_t i = 0; i < n; i++) {
        if (vk_auth_email(list[i], kept) != VK_OK)
            continue;
        out[by->n_emails] = vk_arena_dup(c->arena, vk_str_z(kept));
        if (!out[by->n_emails++].p)
            return VK_AUTH_F_INTERNAL;
    }
    return VK_AUTH_F_OK;
}

/* Of organisations there are none: who is not in one is everybody. */
static vk_auth_fail organisations(vk_auth_call *c, bool *nobody_r)
{
    const vk_str *want = NULL, *not_these = NULL;
    size_t n = 0, n_not = 0;
    vk_auth_fail f = signed_list(c, "organization_id", &want, &n, &not_these, &n_not);
    if (n)
        *nobody_r = true;
    return f;
}

static vk_auth_fail times(vk_auth_call *c, vk_auth_user_filter *by)
{
    const struct {
        const char *name;
        int64_t *at;
    } all[] = {
        {"created_at_after", &by->created_after},      {"created_at_before", &by->created_before},
        {"last_active_at_after", &by->active_after},   {"last_active_at_before", &by->active_before},
        {"last_sign_in_at_after", &by->sign_in_after}, {"last_sign_in_at_before", &by->sign_in_before}};
    int64_t since;
    vk_auth_fail f = vk_auth_may_int(c, "last_active_at_since", 1, INT64_MAX, 0, &since);
    for (size_t i = 0; i < VK_COUNT(all) && f == VK_AUTH_F_OK; i++)
        f = vk_auth_may_int(c, all[i].name, 1, INT64_MAX, 0, all[i].at);
    if (since && since - 1 > by->active_after) /* that time counts, too */
        by->active_after = since - 1;
    if (since && !by->active_after)
        by->active_after = 1;
    return f;
}

static vk_auth_fail filter(vk_auth_call *c, vk_auth_user_filter *by)
{
    static const vk_str none[1];
    bool nobody = false, banned;
    vk_auth_fail f = signed_list(c, "user_id", &by->ids, &by->n_ids, &by->not_ids, &by->n_not_ids);
    if (f == VK_AUTH_F_OK)
        f = signed_list(c, "external_id", &by->external_ids, &by->n_external_ids, &by->not_external_ids,
                        &by->n_not_external_ids);
    if (f == VK_AUTH_F_OK)
        f = emails(c, by);
    if (f == VK_AUTH_F_OK)
        f = organisations(c, &nobody);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_text(c, "query", VK_AUTH_TEXT_MAX, &by->query);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_text(c, "email_address_query", VK_AUTH_TEXT_MAX, &by->email_query);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_text(c, "name_query", VK_AUTH_TEXT_MAX, &by->name_query);
    if (f == VK_AUTH_F_OK)
        f = times(c, by);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_bool(c, "banned", false, &banned);
    if (f != VK_AUTH_F_OK)
        return f;
    if (vk_auth_param_there(&c->query, VK_STR("banned")))
        by->banned = banned ? VK_AUTH_YES : VK_AUTH_NO;
    for (size_t i = 0; i < VK_COUNT(nobody_has) && f == VK_AUTH_F_OK; i++) {
        const vk_str *list;
        size_t n;
        f = vk_auth_may_list(c, nobody_has[i], VK_AUTH_TEXT_MAX, &list, &n);
        nobody = nobody || n;
    }
    if (nobody) {
        by->ids = none;
        by->n_ids = 0;
    }
    return f;
}

static vk_auth_fail list(vk_auth_call *c)
{
    vk_auth_user_filter by = {0};
    vk_auth_view v = vk_auth_view_of(c);
    const vk_auth_user *users;
    size_t n = 0, order = VK_AUTH_BY_CREATED;
    vk_auth_fail f = filter(c, &by);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_page(c, &by.limit, &by.offset);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_order(c, orders, &order, &by.ascending);
    if (f != VK_AUTH_F_OK)
        return f;
    by.order = (vk_auth_order)order;
    vk_err e = vk_auth_users(c->db, c->arena, &by, &users, &n);
    vk_auth_list(c, false);
    for (size_t i = 0; e == VK_OK && i < n; i++) {
        vk_auth_person p = {.user = &users[i]};
        e = vk_auth_emails_of(c->db, c->arena, vk_str_z(users[i].id), &p.emails, &p.n_emails);
        if (e == VK_OK)
            vk_auth_user_write(&c->w, &v, &p);
    }
    return e == VK_OK ? vk_auth_list_end(c, false, 0) : vk_auth_list_broke(c, e);
}

static vk_auth_fail count(vk_auth_call *c)
{
    vk_auth_user_filter by = {0};
    int64_t n;
    vk_auth_fail f = filter(c, &by);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_err e = vk_auth_users_count(c->db, c->arena, &by, &n);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    vk_jw_obj(&c->w);
    vk_jw_kstr(&c->w, "object", VK_STR("total_count"));
    vk_jw_ki64(&c->w, "total_count", n);
    vk_jw_obj_end(&c->w);
    return VK_AUTH_F_OK;
}

/* ---- one user */

static vk_auth_fail get(vk_auth_call *c)
{
    vk_auth_user u;
    vk_auth_fail f = vk_auth_find_user(c, c->id[0], &u);
    return f == VK_AUTH_F_OK ? vk_auth_show_user(c, &u) : f;
}

static vk_auth_fail drop(vk_auth_call *c)
{
    vk_auth_user u;
    vk_auth_fail f = vk_auth_find_user(c, c->id[0], &u);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_end_sessions(c, c->id[0], VK_STR_NONE, VK_AUTH_REMOVED);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_err e = vk_auth_user_drop(c->db, c->id[0]);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    vk_auth_deleted_write(&c->w, "user", c->id[0]);
    return VK_AUTH_F_OK;
}

static vk_auth_fail ban(vk_auth_call *c)
{
    vk_auth_user u;
    vk_auth_fail f = vk_auth_find_user(c, c->id[0], &u);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_end_sessions(c, c->id[0], VK_STR_NONE, VK_AUTH_REVOKED);
    u.banned = true;
    return f == VK_AUTH_F_OK ? vk_auth_put_user(c, &u) : f;
}

static vk_auth_fail unban(vk_auth_call *c)
{
    vk_auth_user u;
    vk_auth_fail f = vk_auth_find_user(c, c->id[0], &u);
    u.banned = false;
    return f == VK_AUTH_F_OK ? vk_auth_put_user(c, &u) : f;
}

/* As after too many wrong passwords: no sign-in before VK_AUTH_LOCKOUT_MS have passed. */
static vk_auth_fail lock(vk_auth_call *c)
{
    vk_auth_user u;
    vk_auth_fail f = vk_auth_find_user(c, c->id[0], &u);
    u.lockout = (vk_auth_lockout){VK_AUTH_LOCKOUT_MAX, c->now_ms};
    return f == VK_AUTH_F_OK ? vk_auth_put_user(c, &u) : f;
}

static vk_auth_fail unlock(vk_auth_call *c)
{
    vk_auth_user u;
    vk_auth_fail f = vk_auth_find_user(c, c->id[0], &u);
    u.locked = false;
    vk_auth_lockout_clear(&u.lockout);
    return f == VK_AUTH_F_OK ? vk_auth_put_user(c, &u) : f;
}

static vk_auth_fail verify_password(vk_auth_call *c)
{
    vk_auth_user u;
    vk_secret password, better;
    bool right;
    vk_auth_fail f = vk_auth_find_user(c, c->id[0], &u);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_need_secret(c, "password", VK_AUTH_PASSWORD_MAX, &password);
    if (f == VK_AUTH_F_OK && !u.digest.n)
        f = VK_AUTH_F_NO_PASSWORD;
    if (f == VK_AUTH_F_OK)
        f = vk_auth_check(c, u.digest_kind, u.digest, password, &right, &better);
    if (f != VK_AUTH_F_OK)
        return f;
    if (!right)
        return VK_AUTH_F_PASSWORD_VERIFY;
    if (better.n) { /* the same password, in today's form */
        u.digest = better;
        u.digest_kind = VK_PASSWORD_ARGON2ID;
        vk_err e = vk_auth_user_put(c->db, &u);
        if (e != VK_OK)
            return vk_auth_broke(c, e);
    }
    vk_jw_obj(&c->w);
    vk_jw_kbool(&c->w, "verified", true);
    vk_jw_obj_end(&c->w);
    return VK_AUTH_F_OK;
}

/* Organisations, of which there are none. */
static vk_auth_fail nothing(vk_auth_call *c)
{
    vk_auth_user u;
    vk_auth_fail f = vk_auth_find_user(c, c->id[0], &u);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_auth_list(c, true);
    return vk_auth_list_end(c, true, 0);
}

#define BACKEND .need = VK_AUTH_NEEDS_BACKEND

const vk_auth_route vk_auth_backend_user_routes[] = {
    {.method = "GET", .path = "/users", BACKEND, .reads = true, .run = list},
    {.method = "GET", .path = "/users/count", BACKEND, .reads = true, .run = count},
    {.method = "GET", .path = "/users/{user}", BACKEND, .reads = true, .run = get},
    {.method = "DELETE", .path = "/users/{user}", BACKEND, .run = drop},
    {.method = "POST", .path = "/users/{user}/ban", BACKEND, .run = ban},
    {.method = "POST", .path = "/users/{user}/unban", BACKEND, .run = unban},
    {.method = "POST", .path = "/users/{user}/lock", BACKEND, .run = lock},
    {.method = "POST", .path = "/users/{user}/unlock", BACKEND, .run = unlock},
    {.method = "POST", .path = "/users/{user}/verify_password", BACKEND, .run = verify_password},
    {.method = "GET",
     .path = "/users/{user}/organization_memberships",
     BACKEND,
     .reads = true,
     .run = nothing},
    {.method = "GET",
     .path = "/users/{user}/organization_invitations",
     BACKEND,
     .reads = true,
     .run = nothing},
    {0},
};
