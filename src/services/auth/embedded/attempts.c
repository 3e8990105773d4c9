#include "services/auth/embedded/attempts.h"

#include "services/auth/embedded/inside.h"

const char *vk_auth_astatus_name(vk_auth_astatus s)
{
    static const char *const names[VK_AUTH_A_STATUSES] = {
        [VK_AUTH_A_MISSING] = "missing_requirements",
        [VK_AUTH_A_NEEDS_IDENTIFIER] = "needs_identifier",
        [VK_AUTH_A_NEEDS_FACTOR] = "needs_first_factor",
        [VK_AUTH_A_NEEDS_PASSWORD] = "needs_new_password",
        [VK_AUTH_A_COMPLETE] = "complete",
        [VK_AUTH_A_ABANDONED] = "abandoned",
    };
    return names[s];
}

vk_auth_missing vk_auth_sign_up_missing(const vk_auth_attempt *a)
{
    if (a->status == VK_AUTH_A_COMPLETE)
        return (vk_auth_missing){0};
    return (vk_auth_missing){.address = a->address[0] == '\0',
                             .password = a->digest.n == 0,
                             .verification =
                                 a->address[0] != '\0' && a->verification.state != VK_AUTH_V_VERIFIED};
}

bool vk_auth_attempt_is_open(const vk_auth_attempt *a, int64_t now_ms)
{
    return a->status != VK_AUTH_A_COMPLETE && a->status != VK_AUTH_A_ABANDONED && now_ms < a->abandon_ms;
}

static vk_str or_null(const char *z)
{
    return z[0] ? vk_str_z(z) : VK_STR_NONE;
}

static sqlite3_stmt *bound(vk_auth_db *db, vk_auth_q q, const vk_auth_attempt *a)
{
    const vk_auth_verification *v = &a->verification;
    return vk_auth_st(db, q, "zziissssssiiiibssiiis", a->id, a->client, (int64_t)a->kind, (int64_t)a->status,
                      or_null(a->address), a->first_name, a->last_name, a->unsafe_metadata,
                      vk_secret_bytes(a->digest), or_null(a->strategy), (int64_t)v->state, (int64_t)v->tries,
                      (int64_t)v->prepares, v->expire_ms, (vk_str){(const char *)v->code, sizeof v->code},
                      or_null(a->user), or_null(a->session), a->created_ms, a->updated_ms, a->abandon_ms,
                      or_null(a->via));
}

vk_err vk_auth_attempt_add(vk_auth_db *db, const vk_auth_attempt *a)
{
    db->added++;
    return vk_auth_run(db, bound(db, VK_AUTH_Q_ATTEMPT_ADD, a), NULL);
}

vk_err vk_auth_attempt_put(vk_auth_db *db, const vk_auth_attempt *a)
{
    return vk_auth_run_one(db, bound(db, VK_AUTH_Q_ATTEMPT_PUT, a));
}

vk_err vk_auth_attempts_leave(vk_auth_db *db, vk_str client, int64_t now_ms)
{
    return vk_auth_run(db, vk_auth_st(db, VK_AUTH_Q_ATTEMPTS_LEAVE, "si", client, now_ms), NULL);
}

static vk_err read_attempt(sqlite3_stmt *st, vk_arena *arena, vk_auth_attempt *a)
{
    vk_err e = VK_OK;
    int kind = sqlite3_column_int(st, 2), status = sqlite3_column_int(st, 3);
    memset(a, 0, sizeof *a);
    vk_auth_col_id(st, 0, a->id, sizeof a->id, &e);
    vk_auth_col_id(st, 1, a->client, sizeof a->client, &e);
    vk_auth_col_id(st, 4, a->address, sizeof a->address, &e);
    a->first_name = vk_auth_col(st, 5, arena, &e);
    a->last_name = vk_auth_col(st, 6, arena, &e);
    a->unsafe_metadata = vk_auth_col(st, 7, arena, &e);
    a->digest = vk_secret_of(vk_auth_col(st, 8, arena, &e));
    vk_auth_col_id(st, 9, a->strategy, sizeof a->strategy, &e);
    vk_err v = vk_auth_col_verification(st, 10, &a->verification);
    if (v != VK_OK || kind < 0 || kind >= VK_AUTH_A_KINDS || status < 0 || status >= VK_AUTH_A_STATUSES)
        return e == VK_E_NOMEM ? e : VK_E_CORRUPT;
    a->kind = (vk_auth_akind)kind;
    a->status = (vk_auth_astatus)status;
    vk_auth_col_id(st, 15, a->user, sizeof a->user, &e);
    vk_auth_col_id(st, 16, a->session, sizeof a->session, &e);
    a->created_ms = sqlite3_column_int64(st, 17);
    a->updated_ms = sqlite3_column_int64(st, 18);
    a->abandon_ms = sqlite3_column_int64(st, 19);
    vk_auth_col_id(st, 20, a->via, sizeof a->via, &e);
    return e;
}

vk_err vk_auth_attempt_get(vk_auth_db *db, vk_arena *arena, vk_str id, vk_str client, vk_auth_attempt *out_r)
{
    sqlite3_stmt *st = vk_auth_st(db, VK_AUTH_Q_ATTEMPT, "ss", id, client);
    vk_err e = vk_auth_row(db, st);
    if (e != VK_OK)
        return e;
    e = read_attempt(st, arena, out_r);
    vk_auth_done(st);
    return e;
}
