#include "services/auth/embedded/clients.h"

#include "services/auth/embedded/inside.h"

enum { DAY_MS = 86400000 };

static const char *const names[VK_AUTH_STATUSES] = {
    [VK_AUTH_ACTIVE] = "active",       [VK_AUTH_ENDED] = "ended",     [VK_AUTH_REMOVED] = "removed",
    [VK_AUTH_REPLACED] = "replaced",   [VK_AUTH_REVOKED] = "revoked", [VK_AUTH_EXPIRED] = "expired",
    [VK_AUTH_ABANDONED] = "abandoned",
};

const char *vk_auth_status_name(vk_auth_status s)
{
    return names[s];
}

bool vk_auth_status_of(vk_str name, vk_auth_status *out_r)
{
    for (int i = 0; i < VK_AUTH_STATUSES; i++) {
        if (vk_str_eqz(name, names[i])) {
            *out_r = (vk_auth_status)i;
            return true;
        }
    }
    return false;
}

vk_auth_status vk_auth_session_status(const vk_auth_session *s, int64_t now_ms)
{
    return s->status != VK_AUTH_ACTIVE ? s->status
           : now_ms >= s->abandon_ms   ? VK_AUTH_ABANDONED
           : now_ms >= s->expire_ms    ? VK_AUTH_EXPIRED
                                       : VK_AUTH_ACTIVE;
}

static vk_str or_null(const char *z)
{
    return z[0] ? vk_str_z(z) : VK_STR_NONE;
}

static vk_str or_none(vk_str s)
{
    return s.n ? s : VK_STR_NONE;
}

static vk_str bytes(const uint8_t hash[VK_SHA256])
{
    return (vk_str){(const char *)hash, VK_SHA256};
}

/* ---- browsers */

vk_err vk_auth_browser_add(vk_auth_db *db, const uint8_t hash[VK_SHA256], vk_str client, int64_t now_ms)
{
    db->added++;
    return vk_auth_run(db, vk_auth_st(db, VK_AUTH_Q_BROWSER_ADD, "bsi", bytes(hash), or_none(client), now_ms),
                       NULL);
}

vk_err vk_auth_browser_put(vk_auth_db *db, const uint8_t hash[VK_SHA256], vk_str client, int64_t now_ms)
{
    return vk_auth_run_one(
        db, vk_auth_st(db, VK_AUTH_Q_BROWSER_PUT, "bsi", bytes(hash), or_none(client), now_ms));
}

vk_err vk_auth_browser_get(vk_auth_db *db, const uint8_t hash[VK_SHA256], char client_r[VK_AUTH_ID_MAX + 1],
                           int64_t *used_ms_r)
{
    sqlite3_stmt *st = vk_auth_st(db, VK_AUTH_Q_BROWSER, "b", bytes(hash));
    vk_err e = vk_auth_row(db, st);
    if (e != VK_OK)
        return e;
    vk_auth_col_id(st, 0, client_r, VK_AUTH_ID_MAX + 1, &e);
    *used_ms_r = sqlite3_column_int64(st, 1);
    vk_auth_done(st);
    return e;
}

vk_err vk_auth_browsers_leave(vk_auth_db *db, vk_str client)
{
    return vk_auth_run(db, vk_auth_st(db, VK_AUTH_Q_BROWSERS_LEAVE, "s", client), NULL);
}

/* ---- clients */

static sqlite3_stmt *client_bound(vk_auth_db *db, vk_auth_q q, const vk_auth_client *c)
{
    return vk_auth_st(db, q, "zssssiii", c->id, or_null(c->last_session), or_null(c->last_strategy),
                      or_null(c->sign_in), or_null(c->sign_up), c->created_ms, c->updated_ms, c->used_ms);
}

vk_err vk_auth_client_add(vk_auth_db *db, const vk_auth_client *c)
{
    db->added++;
    return vk_auth_run(db, client_bound(db, VK_AUTH_Q_CLIENT_ADD, c), NULL);
}

vk_err vk_auth_client_put(vk_auth_db *db, const vk_auth_client *c)
{
    return vk_auth_run_one(db, client_bound(db, VK_AUTH_Q_CLIENT_PUT, c));
}

vk_err vk_auth_client_get(vk_auth_db *db, vk_str id, vk_auth_client *out_r)
{
    sqlite3_stmt *st = vk_auth_st(db, VK_AUTH_Q_CLIENT, "s", id);
    vk_err e = vk_auth_row(db, st);
    if (e != VK_OK)
        return e;
    vk_auth_client c = {.created_ms = sqlite3_column_int64(st, 5),
                        .updated_ms = sqlite3_column_int64(st, 6),
                        .used_ms = sqlite3_column_int64(st, 7)};
    vk_auth_col_id(st, 0, c.id, sizeof c.id, &e);
    vk_auth_col_id(st, 1, c.last_session, sizeof c.last_session, &e);
    vk_auth_col_id(st, 2, c.last_strategy, sizeof c.last_strategy, &e);
    vk_auth_col_id(st, 3, c.sign_in, sizeof c.sign_in, &e);
    vk_auth_col_id(st, 4, c.sign_up, sizeof c.sign_up, &e);
    vk_auth_done(st);
    if (e == VK_OK)
        *out_r = c;
    return e;
}

/* ---- sessions */

static sqlite3_stmt *session_bound(vk_auth_db *db, vk_auth_q q, const vk_auth_session *s)
{
    return vk_auth_st(db, q, "zzsiiiiiiis", s->id, s->user, or_null(s->client), (int64_t)s->status,
                      s->verified_ms, s->last_active_ms, s->expire_ms, s->abandon_ms, s->created_ms,
                      s->updated_ms, or_null(s->agent));
}

vk_auth_session vk_auth_session_new(const char user[VK_AUTH_ID_MAX + 1], int64_t now_ms)
{
    vk_auth_session s = {.status = VK_AUTH_ACTIVE,
                         .verified_ms = now_ms,
                         .last_active_ms = now_ms,
                         .expire_ms = now_ms + (int64_t)VK_AUTH_SESSION_DAYS * DAY_MS,
                         .abandon_ms = now_ms + (int64_t)VK_AUTH_ABANDON_DAYS * DAY_MS,
                         .created_ms = now_ms,
                         .updated_ms = now_ms};
    vk_auth_id_new(VK_AUTH_SESSION, s.id);
    memcpy(s.user, user, sizeof s.user);
    return s;
}

vk_err vk_auth_session_add(vk_auth_db *db, const vk_auth_session *s)
{
    vk_err e = vk_auth_run(db, session_bound(db, VK_AUTH_Q_SESSION_ADD, s), NULL);
    return e == VK_OK ? vk_auth_run(db,
                                    vk_auth_st(db, VK_AUTH_Q_SESSION_TRIM, "zi", s->user,
                                               (int64_t)VK_AUTH_USER_SESSIONS_MAX),
                                    NULL)
                      : e;
}

vk_err vk_auth_session_put(vk_auth_db *db, const vk_auth_session *s)
{
    return vk_auth_run_one(db, session_bound(db, VK_AUTH_Q_SESSION_PUT, s));
}

static vk_err read_session(sqlite3_stmt *st, vk_auth_session *out_r)
{
    vk_err e = VK_OK;
    int status = sqlite3_column_int(st, 3);
    vk_auth_session s = {.status = (vk_auth_status)status,
                         .verified_ms = sqlite3_column_int64(st, 4),
                         .last_active_ms = sqlite3_column_int64(st, 5),
                         .expire_ms = sqlite3_column_int64(st, 6),
                         .abandon_ms = sqlite3_column_int64(st, 7),
                         .created_ms = sqlite3_column_int64(st, 8),
                         .updated_ms = sqlite3_column_int64(st, 9)};
    vk_auth_col_id(st, 0, s.id, sizeof s.id, &e);
    vk_auth_col_id(st, 1, s.user, sizeof s.user, &e);
    vk_auth_col_id(st, 2, s.client, sizeof s.client, &e);
    vk_auth_col_id(st, 10, s.agent, sizeof s.agent, &e);
    if (status < 0 || status >= VK_AUTH_STATUSES)
        e = VK_E_CORRUPT;
    *out_r = s;
    return e;
}

vk_err vk_auth_session_get(vk_auth_db *db, vk_str id, vk_auth_session *out_r)
{
    sqlite3_stmt *st = vk_auth_st(db, VK_AUTH_Q_SESSION, "s", id);
    vk_err e = vk_auth_row(db, st);
    if (e != VK_OK)
        return e;
    e = read_session(st, out_r);
    vk_auth_done(st);
    return e;
}

/* The one of three statements that has an index for what is asked. */
static vk_auth_q by(vk_auth_q first, const vk_auth_session_filter *f)
{
    return f->client.p ? first + 1 : f->user.p ? first + 2 : first;
}

vk_err vk_auth_sessions(vk_auth_db *db, vk_arena *a, const vk_auth_session_filter *f,
                        const vk_auth_session **out_r, size_t *n_r)
{
    size_t n = 0;
    vk_err e;
    if (f->limit < 1 || f->limit > VK_AUTH_SESSIONS_PAGE_MAX || f->offset < 0)
        return VK_E_INVALID;
    vk_auth_session *rows = vk_arena_alloc(a, sizeof *rows * (size_t)f->limit);
    if (!rows)
        return VK_E_NOMEM;
    sqlite3_stmt *st =
        vk_auth_st(db, by(VK_AUTH_Q_SESSIONS, f), "ssiiiii", f->client, f->user, (int64_t)f->status,
                   f->now_ms, (int64_t)(f->newest_first ? -1 : 1), f->limit, f->offset);
    while ((e = vk_auth_row(db, st)) == VK_OK) {
        e = read_session(st, &rows[n++]);
        if (e != VK_OK) {
            vk_auth_done(st);
            return e;
        }
    }
    if (e != VK_E_NOT_FOUND)
        return e;
    *out_r = rows;
    *n_r = n;
    return VK_OK;
}

vk_err vk_auth_sessions_count(vk_auth_db *db, const vk_auth_session_filter *f, int64_t *n_r)
{
    sqlite3_stmt *st = vk_auth_st(db, by(VK_AUTH_Q_SESSIONS_COUNT, f), "ssii", f->client, f->user,
                                  (int64_t)f->status, f->now_ms);
    vk_err e = vk_auth_row(db, st);
    if (e != VK_OK)
        return e;
    *n_r = sqlite3_column_int64(st, 0);
    vk_auth_done(st);
    return VK_OK;
}

vk_err vk_auth_sessions_end(vk_auth_db *db, vk_str client, vk_str user, vk_str but, vk_auth_status status,
                            int64_t now_ms, int64_t *ended_r)
{
    if (!client.p == !user.p)
        return VK_E_INVALID;
    return vk_auth_run(
        db, vk_auth_st(db, VK_AUTH_Q_SESSIONS_END, "sssii", client, user, but, (int64_t)status, now_ms),
        ended_r);
}

bool vk_auth_tidy_due(const vk_auth_db *db)
{
    return db->added >= VK_AUTH_TIDY_EACH;
}

vk_err vk_auth_tidy(vk_auth_db *db, int64_t now_ms, bool *more_r)
{
    const int64_t any = INT64_MAX, unused = now_ms - (int64_t)VK_AUTH_ABANDON_DAYS * DAY_MS,
                  idle = now_ms - (int64_t)VK_AUTH_IDLE_DAYS * DAY_MS;
    const struct {
        vk_auth_q q;
        int64_t before, most;
    } all[] = {
        {VK_AUTH_Q_TIDY_BROWSERS, unused, any}, {VK_AUTH_Q_TIDY_BROWSERS_IDLE, idle, VK_AUTH_IDLE_MAX},
        {VK_AUTH_Q_TIDY_CLIENTS, unused, any},  {VK_AUTH_Q_TIDY_CLIENTS_IDLE, idle, VK_AUTH_IDLE_MAX},
        {VK_AUTH_Q_TIDY_SESSIONS, now_ms, any}, {VK_AUTH_Q_TIDY_ATTEMPTS, now_ms, VK_AUTH_ATTEMPTS_MAX},
    };
    vk_err e = VK_OK;
    *more_r = false;
    db->added = 0; /* also when it fails: on a full disk not each call is to try it again */
    for (size_t i = 0; i < VK_COUNT(all) && e == VK_OK; i++) {
        int64_t gone = 0;
        e = vk_auth_run(
            db, vk_auth_st(db, all[i].q, "iii", all[i].before - 1, all[i].most, (int64_t)VK_AUTH_TIDY_ROWS),
            &gone);
        *more_r = *more_r || gone == VK_AUTH_TIDY_ROWS;
    }
    if (e == VK_OK)
        e = vk_auth_run(db, vk_auth_st(db, VK_AUTH_Q_TIDY_NONCES, "i", now_ms), NULL);
    if (e == VK_OK)
        e = vk_auth_run(db, vk_auth_st(db, VK_AUTH_Q_TIDY_TICKETS, "i", unused), NULL);
    return e;
}
