#include "services/auth/embedded/users.h"

#include "core/json_write.h"
#include "services/auth/embedded/inside.h"

enum { FILTER_MAX = 64 * 1024 }; /* bytes of a list as JSON */

static sqlite3_stmt *bound(vk_auth_db *db, vk_auth_q q, const vk_auth_user *u)
{
    vk_str digest = vk_secret_bytes(u->digest);
    return vk_auth_st(
        db, q, "zsssssszsoiiiiooii", u->id, u->external_id, u->first_name, u->last_name, u->public_metadata,
        u->private_metadata, u->unsafe_metadata, digest.p ? vk_password_kind_name(u->digest_kind) : NULL,
        digest, u->password_ms, (int64_t)u->banned, (int64_t)u->locked, (int64_t)u->lockout.failures,
        u->lockout.since_ms, u->last_sign_in_ms, u->last_active_ms, u->created_ms, u->updated_ms);
}

static vk_err read_user(sqlite3_stmt *st, vk_arena *a, vk_auth_user *u)
{
    vk_err e = VK_OK;
    memset(u, 0, sizeof *u);
    vk_auth_col_id(st, 0, u->id, sizeof u->id, &e);
    u->external_id = vk_auth_col(st, 1, a, &e);
    u->first_name = vk_auth_col(st, 2, a, &e);
    u->last_name = vk_auth_col(st, 3, a, &e);
    u->public_metadata = vk_auth_col(st, 4, a, &e);
    u->private_metadata = vk_auth_col(st, 5, a, &e);
    u->unsafe_metadata = vk_auth_col(st, 6, a, &e);
    vk_str kind = vk_auth_col(st, 7, a, &e);
    u->digest = vk_secret_of(vk_auth_col(st, 8, a, &e));
    if (e == VK_OK && u->digest.n && !vk_password_kind_of(kind, &u->digest_kind))
        e = VK_E_CORRUPT;
    u->password_ms = sqlite3_column_int64(st, 9);
    u->banned = sqlite3_column_int(st, 10) != 0;
    u->locked = sqlite3_column_int(st, 11) != 0;
    u->lockout.failures = (uint32_t)sqlite3_column_int64(st, 12);
    u->lockout.since_ms = sqlite3_column_int64(st, 13);
    u->last_sign_in_ms = sqlite3_column_int64(st, 14);
    u->last_active_ms = sqlite3_column_int64(st, 15);
    u->created_ms = sqlite3_column_int64(st, 16);
    u->updated_ms = sqlite3_column_int64(st, 17);
    return e;
}

vk_err vk_auth_user_add(vk_auth_db *db, const vk_auth_user *u)
{
    return vk_auth_run(db, bound(db, VK_AUTH_Q_USER_ADD, u), NULL);
}

vk_err vk_auth_user_put(vk_auth_db *db, const vk_auth_user *u)
{
    return vk_auth_run_one(db, bound(db, VK_AUTH_Q_USER_PUT, u));
}

vk_err vk_auth_user_drop(vk_auth_db *db, vk_str id)
{
    return vk_auth_run_one(db, vk_auth_st(db, VK_AUTH_Q_USER_DROP, "s", id));
}

static vk_err one_user(vk_auth_db *db, vk_auth_q q, vk_arena *a, vk_str key, vk_auth_user *out_r)
{
    sqlite3_stmt *st = vk_auth_st(db, q, "s", key);
    vk_err e = vk_auth_row(db, st);
    if (e != VK_OK)
        return e;
    e = read_user(st, a, out_r);
    vk_auth_done(st);
    return e;
}

vk_err vk_auth_user_get(vk_auth_db *db, vk_arena *a, vk_str id, vk_auth_user *out_r)
{
    return one_user(db, VK_AUTH_Q_USER, a, id, out_r);
}

vk_err vk_auth_user_by_email(vk_auth_db *db, vk_arena *a, vk_str address, vk_auth_user *out_r)
{
    return one_user(db, VK_AUTH_Q_USER_BY_EMAIL, a, address, out_r);
}

/* ---- addresses */

static sqlite3_stmt *bound_email(vk_auth_db *db, vk_auth_q q, const vk_auth_email_row *e)
{
    const vk_auth_verification *v = &e->verification;
    return vk_auth_st(db, q, "zzziiziiiibii", e->id, e->user, e->address, (int64_t)e->primary,
                      (int64_t)e->verified, e->strategy, (int64_t)v->state, (int64_t)v->tries,
                      (int64_t)v->prepares, v->expire_ms, (vk_str){(const char *)v->code, sizeof v->code},
                      e->created_ms, e->updated_ms);
}

static vk_err read_email(sqlite3_stmt *st, vk_auth_email_row *r)
{
    vk_err e = VK_OK;
    memset(r, 0, sizeof *r);
    vk_auth_col_id(st, 0, r->id, sizeof r->id, &e);
    vk_auth_col_id(st, 1, r->user, sizeof r->user, &e);
    vk_auth_col_id(st, 2, r->address, sizeof r->address, &e);
    r->primary = sqlite3_column_int(st, 3) != 0;
    r->verified = sqlite3_column_int(st, 4) != 0;
    vk_auth_col_id(st, 5, r->strategy, sizeof r->strategy, &e);
    vk_err v = vk_auth_col_verification(st, 6, &r->verification);
    r->created_ms = sqlite3_column_int64(st, 11);
    r->updated_ms = sqlite3_column_int64(st, 12);
    return e == VK_OK ? v : e;
}

vk_err vk_auth_email_add(vk_auth_db *db, const vk_auth_email_row *e)
{
    return vk_auth_run(db, bound_email(db, VK_AUTH_Q_EMAIL_ADD, e), NULL);
}

vk_err vk_auth_email_put(vk_auth_db *db, const vk_auth_email_row *e)
{
    return vk_auth_run_one(db, bound_email(db, VK_AUTH_Q_EMAIL_PUT, e));
}

vk_err vk_auth_email_drop(vk_auth_db *db, vk_str id)
{
    return vk_auth_run_one(db, vk_auth_st(db, VK_AUTH_Q_EMAIL_DROP, "s", id));
}

vk_err vk_auth_email_get(vk_auth_db *db, vk_str id, vk_auth_email_row *out_r)
{
    sqlite3_stmt *st = vk_auth_st(db, VK_AUTH_Q_EMAIL, "s", id);
    vk_err e = vk_auth_row(db, st);
    if (e != VK_OK)
        return e;
    e = read_email(st, out_r);
    vk_auth_done(st);
    return e;
}

vk_err vk_auth_emails_of(vk_auth_db *db, vk_arena *a, vk_str user, const vk_auth_email_row **out_r,
                         size_t *n_r)
{
    vk_auth_email_row rows[VK_AUTH_EMAILS_MAX]; /* most have one: a list of users holds no more than that */
    size_t n = 0;
    vk_err e = VK_OK;
    sqlite3_stmt *st = vk_auth_st(db, VK_AUTH_Q_EMAILS, "s", user);
    while (n < VK_AUTH_EMAILS_MAX && e == VK_OK && (e = vk_auth_row(db, st)) == VK_OK)
        e = read_email(st, &rows[n++]);
    vk_auth_done(st);
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        return e;
    vk_auth_email_row *kept = vk_arena_alloc(a, sizeof *rows * n);
    if (!kept)
        return VK_E_NOMEM;
    if (n)
        memcpy(kept, rows, sizeof *rows * n);
    *out_r = kept;
    *n_r = n;
    return VK_OK;
}

/* ---- lists */

/* A list as a JSON array in the arena; VK_STR_NONE for no filter. */
static vk_err as_json(vk_arena *a, const vk_str *list, size_t n, vk_str *out_r)
{
    *out_r = VK_STR_NONE;
    if (!list)
        return VK_OK;
    vk_buf b;
    vk_buf_init(&b, FILTER_MAX);
    vk_jw w = vk_jw_on(&b);
    vk_jw_arr(&w);
    for (size_t i = 0; i < n; i++)
        vk_jw_str(&w, list[i]);
    vk_jw_arr_end(&w);
    vk_err e = b.err;
    if (e == VK_OK) {
        *out_r = vk_arena_dup(a, vk_buf_view(&b));
        e = out_r->p ? VK_OK : VK_E_NOMEM;
    }
    vk_buf_free(&b);
    return e;
}

enum { FILTERS = 8 }; /* that are texts */

/* In the case in which the statements compare; VK_STR_NONE: no filter. */
static vk_err in_lower_case(vk_arena *a, vk_str s, vk_str *out_r)
{
    char *lower = s.n ? vk_arena_alloc(a, s.n) : NULL;
    *out_r = VK_STR_NONE;
    if (s.n == 0)
        return VK_OK;
    if (!lower)
        return VK_E_NOMEM;
    for (size_t i = 0; i < s.n; i++)
        lower[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 0x20) : s.p[i];
    *out_r = (vk_str){lower, s.n};
    return VK_OK;
}

/* The texts of both statements' filters. */
static vk_err filters(vk_arena *a, const vk_auth_user_filter *f, vk_str by[FILTERS])
{
    vk_err e = as_json(a, f->ids, f->n_ids, &by[0]);
    if (e == VK_OK)
        e = as_json(a, f->emails, f->n_emails, &by[1]);
    if (e == VK_OK)
        e = as_json(a, f->external_ids, f->n_external_ids, &by[2]);
    if (e == VK_OK)
        e = in_lower_case(a, f->query, &by[3]);
    if (e == VK_OK)
        e = as_json(a, f->not_ids, f->n_not_ids, &by[4]);
    if (e == VK_OK)
        e = as_json(a, f->not_external_ids, f->n_not_external_ids, &by[5]);
    if (e == VK_OK)
        e = in_lower_case(a, f->email_query, &by[6]);
    return e == VK_OK ? in_lower_case(a, f->name_query, &by[7]) : e;
}

/* Both statements have the same filters; the list's have four more. */
static sqlite3_stmt *bound_filter(vk_auth_db *db, vk_auth_q q, const vk_auth_user_filter *f,
                                  const vk_str by[FILTERS])
{
    const char *types = q == VK_AUTH_Q_USERS ? "ssssssssioooooo"
                                               "iiii"
                                             : "ssssssssioooooo";
    int64_t banned = f->banned == VK_AUTH_YES ? 1 : f->banned == VK_AUTH_NO ? 0 : -1;
    return vk_auth_st(db, q, types, by[0], by[1], by[2], by[3], by[4], by[5], by[6], by[7], banned,
                      f->created_after, f->created_before, f->active_after, f->active_before,
                      f->sign_in_after, f->sign_in_before, (int64_t)f->order,
                      (int64_t)(f->ascending ? 1 : -1), f->limit, f->offset);
}

vk_err vk_auth_users(vk_auth_db *db, vk_arena *a, const vk_auth_user_filter *f, const vk_auth_user **out_r,
                     size_t *n_r)
{
    vk_str by[FILTERS];
    size_t n = 0;
    if (f->limit < 1 || f->limit > VK_AUTH_USERS_PAGE_MAX || f->offset < 0)
        return VK_E_INVALID;
    vk_err e = filters(a, f, by);
    if (e != VK_OK)
        return e;
    vk_auth_user *rows = vk_arena_alloc(a, sizeof *rows * (size_t)f->limit);
    char(*ids)[VK_AUTH_ID_MAX + 1] = vk_arena_alloc(a, sizeof *ids * (size_t)f->limit);
    if (!rows || !ids)
        return VK_E_NOMEM;
    sqlite3_stmt *st = bound_filter(db, VK_AUTH_Q_USERS, f, by);
    while ((e = vk_auth_row(db, st)) == VK_OK) {
        vk_auth_col_id(st, 0, ids[n++], sizeof *ids, &e);
        if (e != VK_OK) {
            vk_auth_done(st);
            return e;
        }
    }
    if (e != VK_E_NOT_FOUND)
        return e;
    e = VK_OK;
    for (size_t i = 0; i < n && e == VK_OK; i++)
        e = vk_auth_user_get(db, a, vk_str_z(ids[i]), &rows[i]);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_E_CORRUPT : e;
    *out_r = rows;
    *n_r = n;
    return VK_OK;
}

vk_err vk_auth_users_count(vk_auth_db *db, vk_arena *a, const vk_auth_user_filter *f, int64_t *n_r)
{
    vk_str by[FILTERS];
    vk_err e = filters(a, f, by);
    if (e != VK_OK)
        return e;
    sqlite3_stmt *st = bound_filter(db, VK_AUTH_Q_USERS_COUNT, f, by);
    e = vk_auth_row(db, st);
    if (e != VK_OK)
        return e;
    *n_r = sqlite3_column_int64(st, 0);
    vk_auth_done(st);
    return VK_OK;
}
