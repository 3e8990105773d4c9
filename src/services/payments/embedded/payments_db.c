#include "services/payments/embedded/inside.h"

#include "core/log.h"
#include "services/payments/embedded/schema.h"
#include "store/copy.h"
#include "store/tenantdb.h"

#include <stdarg.h>

enum {
    PAGE = 4096,
    BUSY_MS = 5000,
    KEYS_ROOM = VK_PAY_OWN_KEYS_MAX * (VK_PAY_KEY_VALUE_MAX + 256),
};

#define DOC "seq, id, kind, deleted, created, body"
#define DELIVERY                                                                                             \
    "d.id, d.event, d.endpoint, d.url, d.created_ms, d.due_ms, d.tries, d.status, d.delivered, d.note, "     \
    "b.body FROM deliveries d LEFT JOIN bodies b ON b.delivery = d.id"

const char *const vk_pay_sql[VK_PAY_QS] = {
    [VK_PAY_Q_BEGIN] = "BEGIN IMMEDIATE",
    [VK_PAY_Q_COMMIT] = "COMMIT",
    [VK_PAY_Q_ROLLBACK] = "ROLLBACK",
    [VK_PAY_Q_MARK] = "SAVEPOINT part",
    [VK_PAY_Q_KEEP] = "RELEASE part",
    [VK_PAY_Q_BACK] = "ROLLBACK TO part",
    [VK_PAY_Q_PAGES] = "PRAGMA page_count",
    [VK_PAY_Q_FREE] = "PRAGMA freelist_count",
    [VK_PAY_Q_DOC_ADD] =
        "INSERT INTO documents (id, kind, deleted, created, keys, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [VK_PAY_Q_DOC_PUT] = "UPDATE documents SET deleted = ?2, keys = ?3, body = ?4 WHERE seq = ?1",
    [VK_PAY_Q_DOC_DROP] = "DELETE FROM documents WHERE seq = ?1",
    [VK_PAY_Q_DOC] = "SELECT " DOC " FROM documents WHERE id = ?1",
    [VK_PAY_Q_DOC_KEYS] = "SELECT seq, kind, created, keys FROM documents WHERE id = ?1",
    [VK_PAY_Q_DOC_AT] = "SELECT " DOC " FROM documents WHERE seq = ?1",
    [VK_PAY_Q_DOC_CREATED] = "SELECT created FROM documents WHERE seq = ?1",
    [VK_PAY_Q_DOC_COUNT] =
        "SELECT count(*) FROM keys WHERE kind = ?1 AND name = '' AND value = '" VK_PAY_HERE "'",
    [VK_PAY_Q_KEY_ADD] = "INSERT INTO keys (kind, name, value, created, seq) VALUES (?1, ?2, ?3, ?4, ?5)",
    [VK_PAY_Q_KEY_DROP] =
        "DELETE FROM keys WHERE kind = ?1 AND name = ?2 AND value = ?3 AND created = ?4 AND seq = ?5",
    [VK_PAY_Q_KEY_HAS] =
        "SELECT 1 FROM keys WHERE kind = ?1 AND name = ?2 AND value = ?3 AND created = ?4 AND seq = ?5",
    [VK_PAY_Q_KEY_ABOUT] =
        "SELECT count(*) FROM (SELECT 1 FROM keys WHERE kind = ?1 AND name = ?2 AND value = ?3 LIMIT 50)",
    [VK_PAY_Q_IDEM] = "SELECT at, hash, status, request_id, body FROM idempotent WHERE key = ?1",
    /* REPLACE: the new row is the youngest, for the order in which they are tidied. */
    [VK_PAY_Q_IDEM_PUT] = "INSERT OR REPLACE INTO idempotent (key, at, hash, status, request_id, body) "
                          "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [VK_PAY_Q_SET] = "INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)",
    [VK_PAY_Q_SETTING] = "SELECT value FROM settings WHERE name = ?1",
    [VK_PAY_Q_DELIVERY_ADD] =
        "INSERT INTO deliveries (event, endpoint, url, created_ms, due_ms, tries, status, delivered, note) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [VK_PAY_Q_DELIVERY_SET] = "UPDATE deliveries SET due_ms = ?2, tries = ?3, status = ?4, delivered = ?5, "
                              "note = ?6 WHERE id = ?1",
    [VK_PAY_Q_DELIVERY] = "SELECT " DELIVERY " WHERE d.id = ?1",
    [VK_PAY_Q_DELIVERIES_FIRST] =
        "SELECT " DELIVERY " WHERE d.endpoint = ?1 AND d.due_ms > 0 AND d.tries = 0 "
        "AND d.due_ms <= ?2 ORDER BY d.id",
    [VK_PAY_Q_DELIVERIES_AGAIN] =
        "SELECT " DELIVERY " WHERE d.endpoint = ?1 AND d.due_ms > 0 AND d.tries > 0 "
        "AND d.due_ms <= ?2 ORDER BY d.due_ms, d.id",
    [VK_PAY_Q_DELIVERIES_END] = "UPDATE deliveries SET due_ms = 0 WHERE endpoint = ?1 AND due_ms > 0",
    [VK_PAY_Q_DELIVERIES_OF] = "SELECT " DELIVERY " WHERE d.event = ?1 ORDER BY d.id",
    [VK_PAY_Q_DELIVERIES] = "SELECT " DELIVERY " ORDER BY d.id DESC",
    [VK_PAY_Q_DELIVERIES_PENDING] = "SELECT count(*) FROM deliveries WHERE event = ?1 AND due_ms > 0",
    [VK_PAY_Q_BODY_PUT] = "INSERT OR REPLACE INTO bodies (delivery, body) VALUES (?1, ?2)",
    [VK_PAY_Q_OWNED] = "SELECT 1 FROM owned WHERE key = ?1",
    [VK_PAY_Q_OWNED_PUT] = "INSERT OR IGNORE INTO owned (key, at) VALUES (?1, ?2)",
    [VK_PAY_Q_DUE_NEXT] =
        "SELECT min((SELECT coalesce(min(due_ms), 9223372036854775807) FROM deliveries WHERE due_ms > 0), "
        "(SELECT coalesce(min(at_ms), 9223372036854775807) FROM due))",
    [VK_PAY_Q_DELIVERY_NEXT] =
        "SELECT coalesce(min(due_ms), 9223372036854775807) FROM deliveries WHERE due_ms > 0",
    [VK_PAY_Q_DUE_PUT] = "INSERT OR REPLACE INTO due (id, at_ms) VALUES (?1, ?2)",
    [VK_PAY_Q_DUE_DROP] = "DELETE FROM due WHERE id = ?1",
    [VK_PAY_Q_DUE] = "SELECT id FROM due WHERE at_ms <= ?1 ORDER BY at_ms",
    /* Rows come in the order of time, so that the first ones are looked at and no index is kept. What a clock
     * that was wrong wrote into the future goes as well. */
    [VK_PAY_Q_TIDY_IDEM] =
        "DELETE FROM idempotent WHERE n IN (SELECT n FROM (SELECT n, at FROM idempotent ORDER BY n LIMIT ?2) "
        "WHERE at <= ?1 - ?3 OR at > ?1 + ?3)",
    [VK_PAY_Q_TIDY_BODIES] =
        "DELETE FROM bodies WHERE delivery IN (SELECT d.id FROM (SELECT delivery FROM bodies ORDER BY "
        "delivery LIMIT ?2) b JOIN deliveries d ON d.id = b.delivery WHERE d.created_ms <= ?1 AND d.due_ms "
        "= 0)",
    [VK_PAY_Q_TIDY_BODIES_OF] =
        "DELETE FROM bodies WHERE delivery IN (SELECT id FROM deliveries WHERE event = ?1)",
    [VK_PAY_Q_TIDY_DELIVERIES_OF] = "DELETE FROM deliveries WHERE event = ?1",
    [VK_PAY_Q_TIDY_EVENTS] =
        "SELECT d.id FROM keys k CROSS JOIN documents d ON d.seq = k.seq WHERE k.kind = 'event' AND k.name = "
        "'' AND k.value = '" VK_PAY_HERE "' AND k.created <= ?1 ORDER BY k.created LIMIT 1",
};

/* Along a key: what lies between two places, each a time and a seq, since of one second there may be any
 * number. */
#define ALONG                                                                                                \
    "SELECT created, seq FROM keys WHERE kind = ?5 AND name = ?6 AND value = ?7"                             \
    " AND (created, seq) > (?1, ?2) AND (created, seq) < (?3, ?4) ORDER BY "

const char *const vk_pay_ways_sql[2] = {ALONG "created DESC, seq DESC", ALONG "created, seq"};

/* ---- statements */

static void bind(sqlite3_stmt *st, const char *types, va_list ap)
{
    for (int i = 1; types[i - 1]; i++) {
        char t = types[i - 1];
        if (t == 'i') {
            sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
        } else if (t == 'z') {
            sqlite3_bind_text(st, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
        } else {
            vk_str s = va_arg(ap, vk_str);
            if (!s.p)
                sqlite3_bind_null(st, i);
            else if (t == 's')
                sqlite3_bind_text(st, i, s.p, (int)s.n, SQLITE_STATIC);
            else
                sqlite3_bind_blob(st, i, s.p, (int)s.n, SQLITE_STATIC);
        }
    }
}

void vk_pay_bind(sqlite3_stmt *st, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    bind(st, types, ap);
    va_end(ap);
}

sqlite3_stmt *vk_pay_st(vk_pay_db *db, vk_pay_q q, const char *types, ...)
{
    va_list ap;
    if (!db->st[q] && sqlite3_prepare_v3(db->db, vk_pay_sql[q], -1, SQLITE_PREPARE_PERSISTENT, &db->st[q],
                                         NULL) != SQLITE_OK)
        return NULL;
    sqlite3_reset(db->st[q]);
    va_start(ap, types);
    bind(db->st[q], types, ap);
    va_end(ap);
    return db->st[q];
}

vk_err vk_pay_failed(vk_pay_db *db, int rc)
{
    vk_err e = vk_tenantdb_err(rc);
    if (e == VK_OK)
        e = VK_E_INTERNAL;
    if (e != VK_E_CONFLICT)
        vk_log(VK_ERROR, "a build's payments cannot be read or written", VK_F(build, db->build),
               VK_F(error, sqlite3_errmsg(db->db)));
    if (db->open && db->lost == VK_OK && sqlite3_get_autocommit(db->db))
        db->lost = e;
    return e;
}

vk_err vk_pay_change(vk_pay_db *db, sqlite3_stmt *st, int64_t *changed_r)
{
    int rc = st ? sqlite3_step(st) : sqlite3_extended_errcode(db->db);
    vk_err e = rc == SQLITE_DONE ? VK_OK : vk_pay_failed(db, rc);
    vk_pay_done(st);
    if (e == VK_OK && changed_r)
        *changed_r = sqlite3_changes64(db->db);
    return e;
}

vk_err vk_pay_next(vk_pay_db *db, sqlite3_stmt *st)
{
    int rc = st ? sqlite3_step(st) : sqlite3_extended_errcode(db->db);
    if (rc == SQLITE_ROW)
        return VK_OK;
    vk_err e = rc == SQLITE_DONE ? VK_E_NOT_FOUND : vk_pay_failed(db, rc);
    vk_pay_done(st);
    return e;
}

void vk_pay_done(sqlite3_stmt *st)
{
    sqlite3_reset(st); /* NULL is allowed */
}

vk_str vk_pay_view(sqlite3_stmt *st, int i)
{
    if (sqlite3_column_type(st, i) == SQLITE_NULL)
        return VK_STR_NONE;
    const char *p = sqlite3_column_blob(st, i); /* the bytes of a text, too */
    return (vk_str){p ? p : "", (size_t)sqlite3_column_bytes(st, i)};
}

vk_str vk_pay_col(sqlite3_stmt *st, int i, vk_arena *a, vk_err *e)
{
    vk_str s = vk_pay_view(st, i);
    if (!s.p)
        return s;
    s = vk_arena_dup(a, s);
    if (!s.p)
        *e = VK_E_NOMEM;
    return s;
}

/* ---- opening */

static vk_err number(vk_pay_db *db, vk_pay_q q, int64_t *out_r)
{
    sqlite3_stmt *st = vk_pay_st(db, q, "");
    vk_err e = vk_pay_next(db, st);
    if (e == VK_OK)
        *out_r = sqlite3_column_int64(st, 0);
    vk_pay_done(st);
    return e == VK_E_NOT_FOUND ? VK_E_CORRUPT : e;
}

static vk_err count_used(vk_pay_db *db)
{
    int64_t pages = 0, unused = 0;
    vk_err e = number(db, VK_PAY_Q_PAGES, &pages);
    if (e == VK_OK)
        e = number(db, VK_PAY_Q_FREE, &unused);
    if (e == VK_OK)
        db->used = (pages - unused) * PAGE;
    return e;
}

static int settings(vk_pay_db *db)
{
    char text[640];
    snprintf(text, sizeof text,
             "PRAGMA page_size = %d; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
             " PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON;"
             " PRAGMA journal_size_limit = 8388608; PRAGMA wal_autocheckpoint = 2000;"
             " PRAGMA cache_size = -2000; PRAGMA max_page_count = %d;"
             " PRAGMA temp_store = MEMORY", /* the sandbox has no folder for such files */
             PAGE, VK_PAY_FILE_MAX / PAGE);
    sqlite3_busy_timeout(db->db, BUSY_MS);
    return sqlite3_exec(db->db, text, NULL, NULL, NULL);
}

vk_err vk_pay_db_open(const char *path, const char *build, vk_pay_db **out_r)
{
    vk_pay_db *db = calloc(1, sizeof *db);
    if (!db)
        return VK_E_NOMEM;
    snprintf(db->build, sizeof db->build, "%s", build);
    db->quota = VK_PAY_QUOTA;
    vk_buf_init(&db->keys, KEYS_ROOM);
    vk_buf_init(&db->had, KEYS_ROOM);
    int rc = sqlite3_open_v2(
        path, &db->db,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc == SQLITE_OK)
        rc = settings(db);
    vk_err e = vk_tenantdb_err(rc);
    if (e == VK_OK)
        e = vk_tenantdb_migrate(db->db, vk_pay_schema, VK_PAY_SCHEMA);
    if (e == VK_OK)
        e = vk_tenantdb_sync_wal(db->db);
    if (e == VK_OK)
        e = count_used(db);
    if (e != VK_OK) {
        vk_log(VK_ERROR, "a build's payments cannot be opened", VK_F(build, db->build),
               VK_F(error, e == VK_E_NEWER                                  ? "a newer valetkey wrote it"
                           : db->db && sqlite3_errcode(db->db) != SQLITE_OK ? sqlite3_errmsg(db->db)
                                                                            : vk_err_name(e)));
        vk_pay_db_close(db);
        return e;
    }
    *out_r = db;
    return VK_OK;
}

void vk_pay_db_close(vk_pay_db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < VK_PAY_QS; i++)
        sqlite3_finalize(db->st[i]);
    for (size_t i = 0; i < 2 * VK_PAY_VALUES_MAX; i++)
        sqlite3_finalize(db->ways[i / VK_PAY_VALUES_MAX][i % VK_PAY_VALUES_MAX]);
    sqlite3_close(db->db);
    vk_buf_free(&db->keys);
    vk_buf_free(&db->had);
    vk_pay_settings_forget(db);
    free(db);
}

vk_err vk_pay_db_copy(vk_pay_db *db, const char *to)
{
    if (db->open)
        return VK_E_INTERNAL;
    int rc = vk_sqlite_copy_pages(db->db, to);
    if (rc != SQLITE_OK)
        vk_log(VK_ERROR, "a build's payments cannot be copied", VK_F(build, db->build),
               VK_F(error, sqlite3_errstr(rc)));
    return vk_tenantdb_err(rc);
}

/* ---- transactions */

static vk_err run(vk_pay_db *db, vk_pay_q q)
{
    return vk_pay_change(db, vk_pay_st(db, q, ""), NULL);
}

vk_err vk_pay_sound(const vk_pay_db *db)
{
    return db->open ? db->lost : VK_E_INTERNAL;
}

vk_err vk_pay_room(vk_pay_db *db, size_t n)
{
    /* Pages are filled to a half at worst, and the last one that a large row goes on in hardly at all. Near
     * the quota they are counted with each change. */
    int64_t takes = 2 * (int64_t)n + PAGE;
    vk_err e = vk_pay_sound(db);
    if (e == VK_OK && db->used + takes > db->quota)
        e = count_used(db);
    if (e == VK_OK && db->used + takes > db->quota) {
        vk_log(VK_WARN, "a build's payments have reached their quota", VK_F(build, db->build));
        e = VK_E_FULL;
    }
    if (e == VK_OK)
        db->used += takes;
    return e;
}

vk_err vk_pay_db_begin(vk_pay_db *db)
{
    if (db->open && db->lost == VK_OK)
        return VK_E_INTERNAL;
    vk_pay_db_undo(db);
    vk_err e = run(db, VK_PAY_Q_BEGIN);
    db->open = e == VK_OK;
    return e;
}

vk_err vk_pay_db_mark(vk_pay_db *db)
{
    vk_err e = db->part ? VK_E_INTERNAL : vk_pay_sound(db);
    if (e == VK_OK)
        e = run(db, VK_PAY_Q_MARK);
    db->part |= e == VK_OK;
    return e;
}

vk_err vk_pay_db_keep(vk_pay_db *db)
{
    vk_err e = db->part ? vk_pay_sound(db) : VK_E_INTERNAL;
    if (e == VK_OK)
        e = run(db, VK_PAY_Q_KEEP);
    db->part &= e != VK_OK;
    return e;
}

void vk_pay_db_drop(vk_pay_db *db)
{
    if (!db->part)
        return;
    db->part = false;
    vk_pay_settings_forget(db);
    if (vk_pay_sound(db) != VK_OK)
        return;
    vk_err e = run(db, VK_PAY_Q_BACK);
    if (e == VK_OK)
        e = run(db, VK_PAY_Q_KEEP);
    if (e != VK_OK && db->lost == VK_OK)
        db->lost = e; /* what shall not be there cannot be taken out: nothing of it all is kept */
}

vk_err vk_pay_db_end(vk_pay_db *db)
{
    vk_err e = db->part ? VK_E_INTERNAL : vk_pay_sound(db);
    if (e == VK_OK)
        e = run(db, VK_PAY_Q_COMMIT);
    if (e == VK_OK)
        db->open = false;
    else
        vk_pay_db_undo(db);
    return e;
}

void vk_pay_db_undo(vk_pay_db *db)
{
    if (!sqlite3_get_autocommit(db->db))
        (void)!run(db, VK_PAY_Q_ROLLBACK);
    if (db->open)
        vk_pay_settings_forget(db);
    db->open = db->part = false;
    db->lost = VK_OK;
}

bool vk_pay_db_open_part(const vk_pay_db *db)
{
    return db->open && db->lost == VK_OK;
}
