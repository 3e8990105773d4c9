#include "services/auth/embedded/inside.h"

#include "core/log.h"
#include "services/auth/embedded/schema.h"
#include "store/tenantdb.h"

#include <stdarg.h>

#define USER                                                                                                 \
    "id, external_id, first_name, last_name, public_metadata, private_metadata, unsafe_metadata, "           \
    "digest_kind, "                                                                                          \
    "digest, password_at, banned, locked, failures, failures_since, last_sign_in_at, last_active_at, "       \
    "created_at, "                                                                                           \
    "updated_at"
/* Lists come as JSON arrays, NULL when there is no such filter. */
#define FILTERS                                                                                              \
    " WHERE (?1 IS NULL OR id IN (SELECT value FROM json_each(?1)))"                                         \
    " AND (?2 IS NULL OR id IN (SELECT user FROM emails WHERE verified AND address IN (SELECT value "        \
    "FROM json_each(?2))))"                                                                                  \
    " AND (?3 IS NULL OR external_id IN (SELECT value FROM json_each(?3)))"                                  \
    " AND (?4 IS NULL OR instr(lower(id), ?4) OR instr(lower(coalesce(first_name, '')), ?4)"                 \
    " OR instr(lower(coalesce(last_name, '')), ?4) OR id IN (SELECT user FROM emails WHERE instr(address, "  \
    "?4)))"                                                                                                  \
    " AND (?5 IS NULL OR id NOT IN (SELECT value FROM json_each(?5)))"                                       \
    " AND (?6 IS NULL OR external_id IS NULL OR external_id NOT IN (SELECT value FROM json_each(?6)))"       \
    " AND (?7 IS NULL OR id IN (SELECT user FROM emails WHERE instr(address, ?7)))"                          \
    " AND (?8 IS NULL OR instr(lower(coalesce(first_name, '') || ' ' || coalesce(last_name, '')), ?8))"      \
    " AND (?9 < 0 OR banned = ?9)"                                                                           \
    " AND (?10 IS NULL OR created_at > ?10) AND (?11 IS NULL OR created_at < ?11)"                           \
    " AND (?12 IS NULL OR last_active_at > ?12) AND (?13 IS NULL OR last_active_at < ?13)"                   \
    " AND (?14 IS NULL OR last_sign_in_at > ?14) AND (?15 IS NULL OR last_sign_in_at < ?15)"
#define EMAIL                                                                                                \
    "id, user, address, is_primary, verified, strategy, v_state, v_tries, v_prepares, v_expire, v_code, "    \
    "created_at, updated_at"
#define SESSION                                                                                              \
    "id, user, client, status, verified_at, last_active_at, expire_at, abandon_at, created_at, updated_at, " \
    "agent"
#define ATTEMPT                                                                                              \
    "id, client, kind, status, address, first_name, last_name, unsafe_metadata, digest, strategy, v_state, " \
    "v_tries, v_prepares, v_expire, v_code, user, session, created_at, updated_at, abandon_at, via"
#define TICKET                                                                                               \
    "id, kind, status, hash, user, address, public_metadata, redirect_url, created_at, updated_at, "         \
    "expire_at"
/* The oldest rows, so many at most: those until a time, and those of which there are too many. */
#define OLDEST(table, key, at, which)                                                                        \
    "DELETE FROM " table " WHERE " key " IN (SELECT " key " FROM " table " WHERE " which at                  \
    " <= max(?1, coalesce((SELECT " at " FROM " table " WHERE " which "true ORDER BY " at                    \
    " DESC LIMIT 1 OFFSET ?2), ?1)) ORDER BY " at " LIMIT ?3)"
/* By an index where there is one. An active one is over at its time, whatever is stored. */
#define SESSIONS(which)                                                                                      \
    " FROM sessions WHERE " which                                                                            \
    " AND (?3 < 0 OR (CASE WHEN status <> 0 THEN status WHEN abandon_at <= ?4 "                              \
    "THEN 6 WHEN expire_at <= ?4 THEN 5 ELSE 0 END) = ?3)"
#define PAGE " ORDER BY rowid * ?5 LIMIT ?6 OFFSET ?7"
/* What is stored as pending has expired at its time: a status is what vk_auth_ticket_status says. */
#define TICKETS                                                                                              \
    " FROM tickets WHERE kind = ?1 AND CASE ?2 WHEN -1 THEN true WHEN -2 THEN status <> 2 ELSE ?2 = (CASE "  \
    "WHEN status = 0 AND expire_at <= ?3 THEN 3 ELSE status END) END AND (?4 IS NULL OR instr(lower(id), "   \
    "?4) "                                                                                                   \
    "OR instr(coalesce(address, ''), ?4))"

static const char *const sql[VK_AUTH_QS] = {
    [VK_AUTH_Q_BEGIN] = "BEGIN IMMEDIATE",
    [VK_AUTH_Q_COMMIT] = "COMMIT",
    [VK_AUTH_Q_ROLLBACK] = "ROLLBACK",
    [VK_AUTH_Q_USER_ADD] =
        "INSERT INTO users (" USER ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
        "?13, ?14, ?15, ?16, ?17, ?18)",
    [VK_AUTH_Q_USER_PUT] = "UPDATE users SET external_id = ?2, first_name = ?3, last_name = ?4, "
                           "public_metadata = ?5, private_metadata "
                           "= ?6, unsafe_metadata = ?7, digest_kind = ?8, digest = ?9, password_at = ?10, "
                           "banned = ?11, locked = ?12, "
                           "failures = ?13, failures_since = ?14, last_sign_in_at = ?15, last_active_at = "
                           "?16, created_at = ?17, "
                           "updated_at = ?18 WHERE id = ?1",
    [VK_AUTH_Q_USER_DROP] = "DELETE FROM users WHERE id = ?1",
    [VK_AUTH_Q_USER] = "SELECT " USER " FROM users WHERE id = ?1",
    [VK_AUTH_Q_USER_BY_EMAIL] =
        "SELECT " USER " FROM users WHERE id = (SELECT user FROM emails WHERE address = ?1 AND verified)",
    /* ids alone: what is sorted stays small, whatever users are made of */
    [VK_AUTH_Q_USERS] =
        "SELECT id FROM users" FILTERS
        " ORDER BY (CASE ?16 WHEN 1 THEN updated_at WHEN 2 THEN last_sign_in_at "
        "WHEN 3 THEN last_active_at ELSE created_at END) * ?17, rowid * ?17 LIMIT ?18 OFFSET ?19",
    [VK_AUTH_Q_USERS_COUNT] = "SELECT count(*) FROM users" FILTERS,
    [VK_AUTH_Q_EMAIL_ADD] =
        "INSERT INTO emails (" EMAIL ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    [VK_AUTH_Q_EMAIL_PUT] =
        "UPDATE emails SET is_primary = ?4, verified = ?5, strategy = ?6, v_state = ?7, v_tries = ?8, "
        "v_prepares = ?9, v_expire = ?10, v_code = ?11, created_at = ?12, updated_at = ?13 WHERE id = ?1 AND "
        "user = ?2 AND address = ?3",
    [VK_AUTH_Q_EMAIL_DROP] = "DELETE FROM emails WHERE id = ?1",
    [VK_AUTH_Q_EMAIL] = "SELECT " EMAIL " FROM emails WHERE id = ?1",
    [VK_AUTH_Q_EMAILS] =
        "SELECT " EMAIL " FROM emails WHERE user = ?1 ORDER BY is_primary DESC, rowid LIMIT 20",
    [VK_AUTH_Q_CLIENT_ADD] =
        "INSERT INTO clients (id, last_session, last_strategy, sign_in, sign_up, created_at, "
        "updated_at, used_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [VK_AUTH_Q_CLIENT_PUT] =
        "UPDATE clients SET last_session = ?2, last_strategy = ?3, sign_in = ?4, sign_up = ?5, "
        "created_at = ?6, updated_at = ?7, used_at = ?8 WHERE id = ?1",
    [VK_AUTH_Q_CLIENT] =
        "SELECT id, last_session, last_strategy, sign_in, sign_up, created_at, updated_at, used_at "
        "FROM clients WHERE id = ?1",
    [VK_AUTH_Q_BROWSER_ADD] =
        "INSERT INTO dev_browsers (hash, client, created_at, used_at) VALUES (?1, ?2, ?3, ?3)",
    [VK_AUTH_Q_BROWSER_PUT] = "UPDATE dev_browsers SET client = ?2, used_at = ?3 WHERE hash = ?1",
    [VK_AUTH_Q_BROWSERS_LEAVE] = "UPDATE dev_browsers SET client = NULL WHERE client = ?1",
    [VK_AUTH_Q_BROWSER] = "SELECT client, used_at FROM dev_browsers WHERE hash = ?1",
    [VK_AUTH_Q_SESSION_ADD] =
        "INSERT INTO sessions (" SESSION ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [VK_AUTH_Q_SESSION_TRIM] = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user = ?1 "
                               "ORDER BY status = 0 DESC, rowid DESC LIMIT -1 OFFSET ?2)",
    [VK_AUTH_Q_SESSION_PUT] =
        "UPDATE sessions SET user = ?2, client = ?3, status = ?4, verified_at = ?5, "
        "last_active_at = ?6, expire_at = "
        "?7, abandon_at = ?8, created_at = ?9, updated_at = ?10, agent = ?11 WHERE id = ?1",
    [VK_AUTH_Q_SESSION] = "SELECT " SESSION " FROM sessions WHERE id = ?1",
    [VK_AUTH_Q_SESSIONS] = "SELECT " SESSION SESSIONS("true") PAGE,
    [VK_AUTH_Q_SESSIONS_CLIENT] =
        "SELECT " SESSION SESSIONS("client = ?1 AND (?2 IS NULL OR user = ?2)") PAGE,
    [VK_AUTH_Q_SESSIONS_USER] = "SELECT " SESSION SESSIONS("user = ?2") PAGE,
    [VK_AUTH_Q_SESSIONS_COUNT] = "SELECT count(*)" SESSIONS("true"),
    [VK_AUTH_Q_SESSIONS_COUNT_CLIENT] =
        "SELECT count(*)" SESSIONS("client = ?1 AND (?2 IS NULL OR user = ?2)"),
    [VK_AUTH_Q_SESSIONS_COUNT_USER] = "SELECT count(*)" SESSIONS("user = ?2"),
    [VK_AUTH_Q_SESSIONS_END] = "UPDATE sessions SET status = ?4, updated_at = ?5 WHERE status = 0 AND (?1 IS "
                               "NULL OR client = ?1) AND (?2 "
                               "IS NULL OR user = ?2) AND (?3 IS NULL OR id <> ?3)",
    [VK_AUTH_Q_ATTEMPT_ADD] =
        "INSERT INTO attempts (" ATTEMPT ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
        "?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
    [VK_AUTH_Q_ATTEMPT_PUT] =
        "UPDATE attempts SET status = ?4, address = ?5, first_name = ?6, last_name = "
        "?7, unsafe_metadata = ?8, digest = "
        "?9, strategy = ?10, v_state = ?11, v_tries = ?12, v_prepares = ?13, v_expire "
        "= ?14, v_code = ?15, user = ?16, "
        "session = ?17, created_at = ?18, updated_at = ?19, abandon_at = ?20, via = ?21 WHERE id "
        "= ?1 AND client = ?2 AND kind = "
        "?3",
    [VK_AUTH_Q_ATTEMPTS_LEAVE] =
        "UPDATE attempts SET status = 5, updated_at = ?2 WHERE client = ?1 AND status < 4",
    [VK_AUTH_Q_ATTEMPT] = "SELECT " ATTEMPT " FROM attempts WHERE id = ?1 AND client = ?2",
    [VK_AUTH_Q_TIDY_ATTEMPTS] = OLDEST("attempts", "id", "abandon_at", ""),
    [VK_AUTH_Q_TIDY_BROWSERS] = OLDEST("dev_browsers", "hash", "used_at", ""),
    [VK_AUTH_Q_TIDY_BROWSERS_IDLE] = OLDEST("dev_browsers", "hash", "used_at", "client IS NULL AND "),
    [VK_AUTH_Q_TIDY_CLIENTS] = OLDEST("clients", "id", "used_at", ""),
    [VK_AUTH_Q_TIDY_CLIENTS_IDLE] = OLDEST("clients", "id", "used_at", "last_session IS NULL AND "),
    [VK_AUTH_Q_TIDY_SESSIONS] = OLDEST("sessions", "id", "abandon_at", ""),
    [VK_AUTH_Q_NONCE_ADD] = "INSERT INTO nonces (hash, payload, until) VALUES (?1, ?2, ?3)",
    [VK_AUTH_Q_NONCE_TAKE] = "DELETE FROM nonces WHERE hash = ?1 RETURNING payload, until",
    [VK_AUTH_Q_TIDY_NONCES] = "DELETE FROM nonces WHERE until <= ?1",
    [VK_AUTH_Q_OUTBOX_ADD] = "INSERT INTO outbox (address, what, code, at) VALUES (?1, ?2, ?3, ?4)",
    [VK_AUTH_Q_OUTBOX_TRIM] =
        "DELETE FROM outbox WHERE n <= (SELECT n FROM outbox ORDER BY n DESC LIMIT 1 OFFSET ?1)",
    [VK_AUTH_Q_OUTBOX] =
        "SELECT n, address, what, code, at FROM outbox WHERE (?1 IS NULL OR address = ?1) ORDER BY "
        "n DESC LIMIT ?2",
    [VK_AUTH_Q_TICKET_ADD] =
        "INSERT INTO tickets (" TICKET ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [VK_AUTH_Q_TICKET_PUT] = "UPDATE tickets SET status = ?2, user = ?3, updated_at = ?4 WHERE id = ?1",
    [VK_AUTH_Q_TICKET] = "SELECT " TICKET " FROM tickets WHERE id = ?1",
    [VK_AUTH_Q_TICKET_BY_HASH] = "SELECT " TICKET " FROM tickets WHERE hash = ?1",
    [VK_AUTH_Q_TICKET_PENDING] =
        "SELECT " TICKET " FROM tickets WHERE address = ?1 AND kind = 0 AND status = 0 AND expire_at > ?2 "
        "ORDER BY rowid DESC LIMIT 1",
    [VK_AUTH_Q_TICKETS] = "SELECT " TICKET TICKETS PAGE,
    [VK_AUTH_Q_TICKETS_COUNT] = "SELECT count(*)" TICKETS,
    [VK_AUTH_Q_TIDY_TICKETS] = "DELETE FROM tickets WHERE expire_at < ?1",
    [VK_AUTH_Q_KEY_ADD] = "INSERT INTO keys (kid, sealed, created_at) VALUES (?1, ?2, ?3)",
    [VK_AUTH_Q_KEY] = "SELECT sealed FROM keys WHERE kid = ?1",
};

/* ---- statements */

sqlite3_stmt *vk_auth_st(vk_auth_db *db, vk_auth_q q, const char *types, ...)
{
    va_list ap;
    sqlite3_stmt *st = db->st[q];
    if (!st) {
        if (sqlite3_prepare_v3(db->db, sql[q], -1, SQLITE_PREPARE_PERSISTENT, &db->st[q], NULL) != SQLITE_OK)
            return NULL;
        st = db->st[q];
    }
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    va_start(ap, types);
    for (int i = 1; types[i - 1]; i++) {
        char t = types[i - 1];
        if (t == 's' || t == 'b') {
            vk_str s = va_arg(ap, vk_str);
            if (!s.p)
                continue; /* NULL */
            if (t == 's')
                sqlite3_bind_text(st, i, s.p, (int)s.n, SQLITE_STATIC);
            else
                sqlite3_bind_blob(st, i, s.p, (int)s.n, SQLITE_STATIC);
        } else if (t == 'z') {
            sqlite3_bind_text(st, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
        } else {
            int64_t v = va_arg(ap, int64_t);
            if (t == 'i' || v != 0)
                sqlite3_bind_int64(st, i, v);
        }
    }
    va_end(ap);
    return st;
}

static vk_err failed(vk_auth_db *db, int rc)
{
    vk_err e = vk_tenantdb_err(rc);
    if (e == VK_OK)
        e = VK_E_INTERNAL;
    if (e != VK_E_CONFLICT)
        vk_log(VK_ERROR, "a build's user pool cannot be read or written", VK_F(build, db->build),
               VK_F(error, sqlite3_errmsg(db->db)));
    return e;
}

vk_err vk_auth_run(vk_auth_db *db, sqlite3_stmt *st, int64_t *changed_r)
{
    int rc = st ? sqlite3_step(st) : sqlite3_extended_errcode(db->db);
    vk_err e = rc == SQLITE_DONE || rc == SQLITE_ROW ? VK_OK : failed(db, rc);
    vk_auth_done(st);
    if (e == VK_OK && changed_r)
        *changed_r = sqlite3_changes64(db->db);
    return e;
}

vk_err vk_auth_run_one(vk_auth_db *db, sqlite3_stmt *st)
{
    int64_t n = 0;
    vk_err e = vk_auth_run(db, st, &n);
    return e == VK_OK && n == 0 ? VK_E_NOT_FOUND : e;
}

vk_err vk_auth_row(vk_auth_db *db, sqlite3_stmt *st)
{
    int rc = st ? sqlite3_step(st) : sqlite3_extended_errcode(db->db);
    if (rc == SQLITE_ROW)
        return VK_OK;
    vk_err e = rc == SQLITE_DONE ? VK_E_NOT_FOUND : failed(db, rc);
    vk_auth_done(st);
    return e;
}

void vk_auth_done(sqlite3_stmt *st)
{
    if (!st)
        return;
    sqlite3_reset(st);
    sqlite3_clear_bindings(st); /* they view memory of others */
}

vk_str vk_auth_col(sqlite3_stmt *st, int i, vk_arena *a, vk_err *e)
{
    if (sqlite3_column_type(st, i) == SQLITE_NULL)
        return VK_STR_NONE;
    const char *p = sqlite3_column_blob(st, i); /* the bytes of a text, too */
    vk_str s = vk_arena_dup(a, (vk_str){p ? p : "", (size_t)sqlite3_column_bytes(st, i)});
    if (!s.p)
        *e = VK_E_NOMEM;
    return s;
}

void vk_auth_col_id(sqlite3_stmt *st, int i, char *out, size_t room, vk_err *e)
{
    const char *p = sqlite3_column_blob(st, i);
    size_t n = (size_t)sqlite3_column_bytes(st, i);
    out[0] = '\0';
    if (n >= room) {
        *e = VK_E_CORRUPT;
        return;
    }
    if (n)
        memcpy(out, p, n);
    out[n] = '\0';
}

vk_err vk_auth_col_verification(sqlite3_stmt *st, int i, vk_auth_verification *out_r)
{
    int state = sqlite3_column_int(st, i);
    const void *code = sqlite3_column_blob(st, i + 4);
    if (!code || sqlite3_column_bytes(st, i + 4) != sizeof out_r->code || state < 0 ||
        state >= VK_AUTH_V_STATES)
        return VK_E_CORRUPT;
    *out_r = (vk_auth_verification){.state = (vk_auth_vstate)state,
                                    .tries = (uint32_t)sqlite3_column_int64(st, i + 1),
                                    .prepares = (uint32_t)sqlite3_column_int64(st, i + 2),
                                    .expire_ms = sqlite3_column_int64(st, i + 3)};
    memcpy(out_r->code, code, sizeof out_r->code);
    return VK_OK;
}

/* ---- opening */

vk_err vk_auth_db_open(const char *path, const char *build, vk_auth_db **out_r)
{
    vk_auth_db *db = calloc(1, sizeof *db);
    if (!db)
        return VK_E_NOMEM;
    snprintf(db->build, sizeof db->build, "%s", build);
    int rc = sqlite3_open_v2(
        path, &db->db,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(db->db, 5000);
        rc = sqlite3_exec(db->db,
                          "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                          " PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;"
                          " PRAGMA journal_size_limit = 4194304; PRAGMA cache_size = -500;"
                          " PRAGMA max_page_count = 1048576;" /* 4 GiB, as service.c promises to backups */
                          " PRAGMA temp_store = MEMORY",      /* the sandbox has no folder for such files */
                          NULL, NULL, NULL);
    }
    vk_err e = vk_tenantdb_err(rc);
    if (e == VK_OK)
        e = vk_tenantdb_migrate(db->db, vk_auth_schema, VK_AUTH_SCHEMA);
    if (e == VK_OK)
        e = vk_tenantdb_sync_wal(db->db);
    if (e != VK_OK) {
        vk_log(VK_ERROR, "a build's user pool cannot be opened", VK_F(build, db->build),
               VK_F(error, e == VK_E_NEWER                                  ? "a newer valetkey wrote it"
                           : db->db && sqlite3_errcode(db->db) != SQLITE_OK ? sqlite3_errmsg(db->db)
                                                                            : vk_err_name(e)));
        vk_auth_db_close(db);
        return e;
    }
    *out_r = db;
    return VK_OK;
}

void vk_auth_db_close(vk_auth_db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < VK_AUTH_QS; i++)
        sqlite3_finalize(db->st[i]);
    sqlite3_close(db->db);
    free(db);
}

vk_err vk_auth_db_begin(vk_auth_db *db)
{
    return vk_auth_run(db, vk_auth_st(db, VK_AUTH_Q_BEGIN, ""), NULL);
}

vk_err vk_auth_db_end(vk_auth_db *db)
{
    vk_err e = vk_auth_run(db, vk_auth_st(db, VK_AUTH_Q_COMMIT, ""), NULL);
    if (e != VK_OK)
        vk_auth_db_undo(db);
    return e;
}

void vk_auth_db_undo(vk_auth_db *db)
{
    if (!sqlite3_get_autocommit(db->db))
        (void)!vk_auth_run(db, vk_auth_st(db, VK_AUTH_Q_ROLLBACK, ""), NULL);
}
