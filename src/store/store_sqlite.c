/* Metadata in one SQLite file: WAL, synchronous=FULL, so a call that returned VK_OK survives a power cut. */
#include "store/store.h"

#include "core/buf.h"
#include "core/clock.h"
#include "core/log.h"
#include "store/copy.h"
#include "store/open.h"

#include <sqlite3.h>

enum { IDEM_KEEP_MS = 7 * 24 * 3600 * 1000, ROWS_MAX = 16 };

enum stmt {
    Q_VALET,
    Q_BUILD,
    Q_ORIGINS,
    Q_INSERT_BUILD,
    Q_INSERT_BINDING,
    Q_BINDINGS,
    Q_BINDING_SET,
    Q_BOUND,
    Q_INSERT_ORIGIN,
    Q_INSERT_VALET,
    Q_GENERATION,
    Q_IDEM,
    Q_INSERT_IDEM,
    Q_PRUNE_IDEM,
    Q_LIST,
    Q_DROP_ORIGINS,
    Q_TOUCH,
    Q_SET_STATE,
    Q_REVOKE_VALETS,
    Q_DELETE,
    Q_DROP_IDEM,
    Q_COUNTS,
    Q_WITHOUT,
    Q_SERVICES,
    Q_SET_SERVICES,
    Q_BEGIN,
    Q_COMMIT,
    Q_ROLLBACK,
    N_STMTS,
};

#define BUILD_COLS "id, framework, state, generation, ttl_ms, created_ms, expires_ms, touched_ms, revoked_ms"

static const char *const sql[N_STMTS] = {
    [Q_VALET] = "SELECT v.build, v.service, v.kind, v.kid, v.generation, v.revoked_ms,"
                " b.framework, b.state, b.generation, b.ttl_ms, b.created_ms, b.expires_ms, b.touched_ms, "
                "b.revoked_ms"
                " FROM valets v JOIN builds b ON b.id = v.build WHERE v.hash = ?1",
    [Q_BUILD] = "SELECT " BUILD_COLS " FROM builds WHERE id = ?1",
    [Q_ORIGINS] = "SELECT origin FROM origins WHERE build = ?1 ORDER BY origin",
    [Q_INSERT_BUILD] = "INSERT INTO builds (" BUILD_COLS ") VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?5, 0)",
    [Q_INSERT_BINDING] = "INSERT INTO bindings VALUES (?1, ?2, ?3, ?4, 1) ON CONFLICT DO NOTHING",
    [Q_BINDINGS] = "SELECT service, driver, resource, version FROM bindings WHERE build = ?1 ORDER BY "
                   "service LIMIT ?2",
    /* No row comes back when the build is not active, or when the version is not the expected one. */
    [Q_BINDING_SET] =
        "INSERT INTO bindings SELECT id, ?2, ?3, ?4, 1 FROM builds WHERE id = ?1 AND state = 0 AND (?5 = 0 "
        "OR "
        "?5 = (SELECT version FROM bindings WHERE build = ?1 AND service = ?2)) ON CONFLICT (build, service) "
        "DO UPDATE SET driver = excluded.driver, resource = excluded.resource, version = version + 1 "
        "RETURNING version",
    [Q_BOUND] =
        "SELECT b.build FROM bindings b JOIN builds x ON x.id = b.build WHERE b.service = ?1 AND "
        "b.driver = ?2 AND json_extract(b.resource, '$.' || ?3) = ?4 AND x.state = 0 AND b.build > ?5 "
        "ORDER BY b.build LIMIT ?6",
    [Q_INSERT_ORIGIN] = "INSERT INTO origins VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    [Q_INSERT_VALET] = "INSERT INTO valets VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
    [Q_GENERATION] =
        /* The time, so that a store that was put back to an earlier state does not give out again what it
         * gave out before: the same generation of a build of the same id would have the same keys. Where the
         * clock was ahead once, by a minute or by years, chance does what the time cannot. */
    "UPDATE meta SET value = iif(value > ?1 + 60000, value + 1 + (random() & 0xffffff), max(value + 1, ?1)) "
    "WHERE name = 'generation' RETURNING value",
    [Q_IDEM] = "SELECT digest, build FROM idempotency WHERE name = ?1",
    [Q_INSERT_IDEM] = "INSERT INTO idempotency VALUES (?1, ?2, ?3, ?4)",
    [Q_PRUNE_IDEM] = "DELETE FROM idempotency WHERE created_ms < ?1",
    [Q_LIST] = "SELECT " BUILD_COLS " FROM builds WHERE id > ?1 ORDER BY id LIMIT ?2",
    [Q_DROP_ORIGINS] = "DELETE FROM origins WHERE build = ?1",
    [Q_TOUCH] = "UPDATE builds SET touched_ms = ?2, expires_ms = ?2 + ttl_ms WHERE id = ?1 AND state = 0 AND "
                "expires_ms > ?2",
    [Q_SET_STATE] = "UPDATE builds SET state = max(state, ?2), revoked_ms = iif(revoked_ms, revoked_ms, ?3) "
                    "WHERE id = ?1",
    [Q_REVOKE_VALETS] = "UPDATE valets SET revoked_ms = ?2 WHERE build = ?1 AND revoked_ms = 0",
    [Q_DELETE] = "DELETE FROM builds WHERE id = ?1 AND state = 2",
    /* A request that is repeated later makes a new build, instead of pointing at one that is no more. */
    [Q_DROP_IDEM] = "DELETE FROM idempotency WHERE build = ?1 AND EXISTS (SELECT 1 FROM builds WHERE id = ?1 "
                    "AND state = 2)",
    [Q_COUNTS] = "SELECT count(*), count(*) FILTER (WHERE state = 0 AND expires_ms > ?1) FROM builds",
    [Q_WITHOUT] = "SELECT " BUILD_COLS " FROM builds b WHERE id > ?1 AND state = 0 AND NOT EXISTS (SELECT 1 "
                  "FROM bindings WHERE build = b.id AND service = ?2) ORDER BY id LIMIT 1",
    [Q_SERVICES] = "SELECT value FROM meta WHERE name = 'services'",
    [Q_SET_SERVICES] = "INSERT OR REPLACE INTO meta VALUES ('services', ?1)",
    [Q_BEGIN] = "BEGIN IMMEDIATE",
    [Q_COMMIT] = "COMMIT",
    [Q_ROLLBACK] = "ROLLBACK",
};

struct sqlite_store {
    vk_store base;
    sqlite3 *db;
    bool writes;
    sqlite3_stmt *stmts[N_STMTS];
};

static struct sqlite_store *self(vk_store *s)
{
    return VK_CONTAINER(s, struct sqlite_store, base);
}

static vk_err sql_err(struct sqlite_store *s, int rc)
{
    return vk_store_err(s->db, rc);
}

/* The statement, reset and ready to bind. */
static sqlite3_stmt *get(struct sqlite_store *s, enum stmt q)
{
    if (!s->stmts[q] &&
        sqlite3_prepare_v3(s->db, sql[q], -1, SQLITE_PREPARE_PERSISTENT, &s->stmts[q], NULL) != SQLITE_OK)
        return NULL;
    return s->stmts[q];
}

/* As get, for the middle of a transaction: *st_r is only set on VK_OK. */
static vk_err need(struct sqlite_store *s, enum stmt q, sqlite3_stmt **st_r)
{
    sqlite3_stmt *st = get(s, q);
    if (st) {
        *st_r = st;
        return VK_OK;
    }
    vk_err e = sql_err(s, sqlite3_errcode(s->db));
    return e != VK_OK ? e : VK_E_IO;
}

static void bind_str(sqlite3_stmt *st, int i, vk_str v)
{
    sqlite3_bind_text(st, i, v.n ? v.p : "", (int)v.n, SQLITE_STATIC);
}

/* Steps a statement that returns no row, and resets it. */
static vk_err run(struct sqlite_store *s, sqlite3_stmt *st)
{
    if (!st)
        return sql_err(s, sqlite3_errcode(s->db));
    sqlite3_step(st);
    return sql_err(s, sqlite3_reset(st));
}

static vk_err run_q(struct sqlite_store *s, enum stmt q)
{
    return run(s, get(s, q));
}

static void col_copy(sqlite3_stmt *st, int i, char *out, size_t room)
{
    const char *t = (const char *)sqlite3_column_text(st, i);
    snprintf(out, room, "%s", t ? t : "");
}

static void read_build(sqlite3_stmt *st, int c, vk_build *b)
{
    col_copy(st, c++, b->framework, sizeof b->framework);
    b->state = (vk_build_state)sqlite3_column_int(st, c++);
    b->generation = (uint64_t)sqlite3_column_int64(st, c++);
    b->ttl_ms = sqlite3_column_int64(st, c++);
    b->created_ms = sqlite3_column_int64(st, c++);
    b->expires_ms = sqlite3_column_int64(st, c++);
    b->touched_ms = sqlite3_column_int64(st, c++);
    b->revoked_ms = sqlite3_column_int64(st, c);
}

static vk_err read_origins(struct sqlite_store *s, vk_arena *a, vk_build *b)
{
    sqlite3_stmt *st = get(s, Q_ORIGINS);
    if (!st)
        return sql_err(s, sqlite3_errcode(s->db));
    bind_str(st, 1, vk_str_z(b->id));
    vk_err e = VK_OK;
    b->n_origins = 0;
    while (e == VK_OK && b->n_origins < VK_ORIGINS_MAX && sqlite3_step(st) == SQLITE_ROW) {
        vk_str o = {(const char *)sqlite3_column_text(st, 0), (size_t)sqlite3_column_bytes(st, 0)};
        b->origins[b->n_origins] = vk_arena_dup(a, o);
        if (!b->origins[b->n_origins++].p)
            e = VK_E_NOMEM;
    }
    vk_err end = sql_err(s, sqlite3_reset(st));
    return e != VK_OK ? e : end;
}

static vk_err valet_find(vk_store *base, vk_arena *a, const uint8_t hash[VK_HASH], vk_valet_row *row_r,
                         vk_build *build_r)
{
    struct sqlite_store *s = self(base);
    sqlite3_stmt *st = get(s, Q_VALET);
    VK_UNUSED(a);
    if (!st)
        return sql_err(s, sqlite3_errcode(s->db));
    sqlite3_bind_blob(st, 1, hash, VK_HASH, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *row_r = (vk_valet_row){0};
        *build_r = (vk_build){0};
        memcpy(row_r->hash, hash, VK_HASH);
        col_copy(st, 0, row_r->build, sizeof row_r->build);
        col_copy(st, 1, row_r->service, sizeof row_r->service);
        const char *kind = (const char *)sqlite3_column_text(st, 2);
        row_r->kind = kind ? kind[0] : '\0';
        row_r->kid = (uint32_t)sqlite3_column_int64(st, 3);
        row_r->generation = (uint64_t)sqlite3_column_int64(st, 4);
        row_r->revoked_ms = sqlite3_column_int64(st, 5);
        memcpy(build_r->id, row_r->build, sizeof build_r->id);
        read_build(st, 6, build_r);
    }
    vk_err e = sql_err(s, sqlite3_reset(st));
    return e == VK_OK && rc != SQLITE_ROW ? VK_E_NOT_FOUND : e;
}

static vk_err build_get(vk_store *base, vk_arena *a, vk_str id, vk_build *out_r)
{
    struct sqlite_store *s = self(base);
    sqlite3_stmt *st = get(s, Q_BUILD);
    if (!st)
        return sql_err(s, sqlite3_errcode(s->db));
    bind_str(st, 1, id);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *out_r = (vk_build){0};
        col_copy(st, 0, out_r->id, sizeof out_r->id);
        read_build(st, 1, out_r);
    }
    vk_err e = sql_err(s, sqlite3_reset(st));
    if (e == VK_OK && rc != SQLITE_ROW)
        return VK_E_NOT_FOUND;
    return e == VK_OK && a ? read_origins(s, a, out_r) : e;
}

static vk_err idem_find(vk_store *base, vk_arena *a, vk_str idem, const uint8_t digest[VK_HASH], vk_str *id_r)
{
    struct sqlite_store *s = self(base);
    sqlite3_stmt *st = get(s, Q_IDEM);
    if (!st)
        return sql_err(s, sqlite3_errcode(s->db));
    bind_str(st, 1, idem);
    vk_err e = VK_OK;
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        if (sqlite3_column_bytes(st, 0) != VK_HASH ||
            memcmp(sqlite3_column_blob(st, 0), digest, VK_HASH) != 0)
            e = VK_E_UNPROCESSABLE;
        vk_str id = {(const char *)sqlite3_column_text(st, 1), (size_t)sqlite3_column_bytes(st, 1)};
        *id_r = vk_arena_dup(a, id);
        if (!id_r->p)
            e = VK_E_NOMEM;
    } else if (rc == SQLITE_DONE) {
        e = VK_E_NOT_FOUND;
    }
    vk_err end = sql_err(s, sqlite3_reset(st));
    return end != VK_OK ? end : e;
}

static const vk_binding *binding_for(const vk_binding *b, size_t n, const char *service)
{
    static const vk_binding embedded = {.driver = "embedded", .resource = VK_STR("{}")};
    for (size_t i = 0; i < n; i++)
        if (strcmp(b[i].service, service) == 0)
            return &b[i];
    return &embedded;
}

static vk_err insert_row(struct sqlite_store *s, const vk_valet_row *row, const vk_binding *bindings,
                         size_t n_bindings)
{
    sqlite3_stmt *st;
    vk_err e = need(s, Q_INSERT_VALET, &st);
    if (e != VK_OK)
        return e;
    sqlite3_bind_blob(st, 1, row->hash, VK_HASH, SQLITE_STATIC);
    bind_str(st, 2, vk_str_z(row->build));
    bind_str(st, 3, vk_str_z(row->service));
    bind_str(st, 4, (vk_str){&row->kind, 1});
    sqlite3_bind_int64(st, 5, row->kid);
    sqlite3_bind_int64(st, 6, (int64_t)row->generation);
    e = run(s, st);
    /* The build is new, so a row in the way is not a conflict that the caller could solve. */
    if (e != VK_OK || (e = need(s, Q_INSERT_BINDING, &st)) != VK_OK)
        return e == VK_E_CONFLICT ? VK_E_INTERNAL : e;
    const vk_binding *b = binding_for(bindings, n_bindings, row->service);
    if (b->resource.n > VK_RESOURCE_MAX)
        return VK_E_TOO_LARGE;
    bind_str(st, 1, vk_str_z(row->build));
    bind_str(st, 2, vk_str_z(row->service));
    bind_str(st, 3, vk_str_z(b->driver));
    bind_str(st, 4, b->resource);
    return run(s, st);
}

static vk_err insert_origins(struct sqlite_store *s, vk_str id, const vk_str *origins, size_t n)
{
    vk_err e = VK_OK;
    for (size_t i = 0; e == VK_OK && i < n; i++) {
        sqlite3_stmt *st;
        e = need(s, Q_INSERT_ORIGIN, &st);
        if (e != VK_OK)
            break;
        bind_str(st, 1, id);
        bind_str(st, 2, origins[i]);
        e = run(s, st);
    }
    return e;
}

static vk_err end_txn(struct sqlite_store *s, vk_err e)
{
    if (e == VK_OK)
        e = run_q(s, Q_COMMIT);
    if (e != VK_OK && !sqlite3_get_autocommit(s->db)) {
        vk_err back = run_q(s, Q_ROLLBACK);
        VK_UNUSED(back); /* the first error is the one to tell */
    }
    return e;
}

/* VK_OK: neither the key nor the id is taken. VK_E_CONFLICT: *b is what is stored. */
static vk_err look_before_create(vk_store *base, vk_arena *a, vk_build *b, vk_str idem,
                                 const uint8_t digest[VK_HASH])
{
    vk_str id = vk_str_z(b->id);
    vk_build stored;
    if (idem.n) { /* the same request may come twice at once */
        vk_err e = idem_find(base, a, idem, digest, &id);
        if (e != VK_OK && e != VK_E_NOT_FOUND)
            return e;
    }
    vk_err e = build_get(base, a, id, &stored);
    if (e == VK_OK)
        *b = stored;
    return e == VK_OK ? VK_E_CONFLICT : e == VK_E_NOT_FOUND ? VK_OK : e;
}

static vk_err next_generation(struct sqlite_store *s, int64_t now, uint64_t *out_r)
{
    sqlite3_stmt *st;
    vk_err e = need(s, Q_GENERATION, &st);
    if (e != VK_OK)
        return e;
    sqlite3_bind_int64(st, 1, now);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out_r = (uint64_t)sqlite3_column_int64(st, 0);
    e = sql_err(s, sqlite3_reset(st));
    return e == VK_OK && rc != SQLITE_ROW ? VK_E_CORRUPT : e;
}

static vk_err insert_build(struct sqlite_store *s, const vk_build *b)
{
    sqlite3_stmt *st;
    vk_err e = need(s, Q_INSERT_BUILD, &st);
    if (e != VK_OK)
        return e;
    bind_str(st, 1, vk_str_z(b->id));
    bind_str(st, 2, vk_str_z(b->framework));
    sqlite3_bind_int64(st, 3, (int64_t)b->generation);
    sqlite3_bind_int64(st, 4, b->ttl_ms);
    sqlite3_bind_int64(st, 5, b->created_ms);
    sqlite3_bind_int64(st, 6, b->expires_ms);
    e = run(s, st);
    return e == VK_OK ? insert_origins(s, vk_str_z(b->id), b->origins, b->n_origins) : e;
}

static vk_err insert_idem(struct sqlite_store *s, const vk_build *b, vk_str idem,
                          const uint8_t digest[VK_HASH])
{
    sqlite3_stmt *st;
    vk_err e = need(s, Q_PRUNE_IDEM, &st);
    if (e != VK_OK)
        return e;
    sqlite3_bind_int64(st, 1, b->created_ms - IDEM_KEEP_MS);
    if ((e = run(s, st)) != VK_OK || (e = need(s, Q_INSERT_IDEM, &st)) != VK_OK)
        return e;
    bind_str(st, 1, idem);
    sqlite3_bind_blob(st, 2, digest, VK_HASH, SQLITE_STATIC);
    bind_str(st, 3, vk_str_z(b->id));
    sqlite3_bind_int64(st, 4, b->created_ms);
    return run(s, st);
}

static vk_err build_create(vk_store *base, vk_arena *a, vk_build *b, const vk_binding *bindings,
                           size_t n_bindings, vk_str idem, const uint8_t digest[VK_HASH],
                           vk_err (*make_rows)(void *arg, const vk_build *b, vk_valet_row *rows, size_t *n_r),
                           void *arg)
{
    struct sqlite_store *s = self(base);
    vk_valet_row rows[ROWS_MAX];
    size_t n_rows = 0;
    vk_err e = run_q(s, Q_BEGIN);
    if (e != VK_OK)
        return e;
    e = look_before_create(base, a, b, idem, digest);
    if (e == VK_OK)
        e = next_generation(s, b->created_ms, &b->generation);
    if (e == VK_OK)
        e = insert_build(s, b);
    if (e == VK_OK)
        e = make_rows(arg, b, rows, &n_rows);
    for (size_t i = 0; e == VK_OK && i < n_rows; i++)
        e = insert_row(s, &rows[i], bindings, n_bindings);
    if (e == VK_OK && idem.n)
        e = insert_idem(s, b, idem, digest);
    return end_txn(s, e);
}

/* The next build behind `after` that `service` does not know. VK_E_NOT_FOUND. */
static vk_err build_without(struct sqlite_store *s, vk_str service, vk_str after, vk_build *out_r)
{
    sqlite3_stmt *st;
    vk_err e = need(s, Q_WITHOUT, &st);
    if (e != VK_OK)
        return e;
    bind_str(st, 1, after);
    bind_str(st, 2, service);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *out_r = (vk_build){0};
        col_copy(st, 0, out_r->id, sizeof out_r->id);
        read_build(st, 1, out_r);
    }
    e = sql_err(s, sqlite3_reset(st));
    return e == VK_OK && rc != SQLITE_ROW ? VK_E_NOT_FOUND : e;
}

static vk_err join_one(struct sqlite_store *s, vk_str service,
                       vk_err (*make_rows)(void *arg, const vk_build *b, vk_valet_row *rows, size_t *n_r),
                       void *arg, size_t *n_r)
{
    vk_build b = {0}, last;
    for (;;) {
        vk_valet_row rows[ROWS_MAX];
        size_t n = 0;
        last = b;
        vk_err e = build_without(s, service, vk_str_z(last.id), &b);
        if (e != VK_OK)
            return e == VK_E_NOT_FOUND ? VK_OK : e;
        e = make_rows(arg, &b, rows, &n);
        for (size_t i = 0; e == VK_OK && i < n; i++) {
            if (!vk_str_eqz(service, rows[i].service))
                continue;
            e = insert_row(s, &rows[i], NULL, 0);
            ++*n_r;
        }
        if (e != VK_OK)
            return e;
    }
}

/* True: these are the services that the builds know. */
static vk_err services_are(struct sqlite_store *s, vk_str list, bool *same_r)
{
    sqlite3_stmt *st;
    vk_err e = need(s, Q_SERVICES, &st);
    *same_r = false;
    if (e != VK_OK)
        return e;
    if (sqlite3_step(st) == SQLITE_ROW) {
        vk_str had = {(const char *)sqlite3_column_text(st, 0), (size_t)sqlite3_column_bytes(st, 0)};
        *same_r = vk_str_eq(had, list);
    }
    return sql_err(s, sqlite3_reset(st));
}

static vk_err services_join(vk_store *base, const vk_str *services, size_t n,
                            vk_err (*make_rows)(void *arg, const vk_build *b, vk_valet_row *rows,
                                                size_t *n_r),
                            void *arg, size_t *n_r)
{
    struct sqlite_store *s = self(base);
    char text[ROWS_MAX * (VK_SERVICE_MAX + 1)];
    vk_buf list = {.p = text, .cap = sizeof text, .max = sizeof text};
    sqlite3_stmt *st;
    bool same;
    *n_r = 0;
    for (size_t i = 0; i < n; i++) {
        vk_buf_str(&list, services[i]);
        vk_buf_ch(&list, ' ');
    }
    vk_err e = list.err == VK_OK ? services_are(s, vk_buf_view(&list), &same) : VK_E_INTERNAL;
    if (e != VK_OK || same)
        return e;
    e = run_q(s, Q_BEGIN);
    if (e != VK_OK)
        return e;
    for (size_t i = 0; e == VK_OK && i < n; i++)
        e = join_one(s, services[i], make_rows, arg, n_r);
    if (e == VK_OK && (e = need(s, Q_SET_SERVICES, &st)) == VK_OK) {
        bind_str(st, 1, vk_buf_view(&list));
        e = run(s, st);
    }
    return end_txn(s, e);
}

static vk_err build_list(vk_store *base, vk_arena *a, vk_str after, size_t limit, vk_build *out, size_t *n_r)
{
    struct sqlite_store *s = self(base);
    sqlite3_stmt *st = get(s, Q_LIST);
    if (!st)
        return sql_err(s, sqlite3_errcode(s->db));
    bind_str(st, 1, after);
    sqlite3_bind_int64(st, 2, (int64_t)limit);
    size_t n = 0;
    while (n < limit && sqlite3_step(st) == SQLITE_ROW) {
        out[n] = (vk_build){0};
        col_copy(st, 0, out[n].id, sizeof out[n].id);
        read_build(st, 1, &out[n]);
        n++;
    }
    vk_err e = sql_err(s, sqlite3_reset(st));
    for (size_t i = 0; e == VK_OK && i < n; i++)
        e = read_origins(s, a, &out[i]);
    *n_r = n;
    return e;
}

static vk_err exists(struct sqlite_store *s, vk_str id)
{
    sqlite3_stmt *st = get(s, Q_BUILD);
    if (!st)
        return sql_err(s, sqlite3_errcode(s->db));
    bind_str(st, 1, id);
    int rc = sqlite3_step(st);
    vk_err e = sql_err(s, sqlite3_reset(st));
    return e == VK_OK && rc != SQLITE_ROW ? VK_E_NOT_FOUND : e;
}

static vk_err build_origins(vk_store *base, vk_str id, const vk_str *origins, size_t n)
{
    struct sqlite_store *s = self(base);
    sqlite3_stmt *st = NULL;
    vk_err e = n <= VK_ORIGINS_MAX ? run_q(s, Q_BEGIN) : VK_E_TOO_LARGE;
    if (e != VK_OK)
        return e;
    e = exists(s, id);
    if (e == VK_OK)
        e = need(s, Q_DROP_ORIGINS, &st);
    if (e == VK_OK) {
        bind_str(st, 1, id);
        e = run(s, st);
    }
    if (e == VK_OK)
        e = insert_origins(s, id, origins, n);
    return end_txn(s, e);
}

static vk_err binding_list(vk_store *base, vk_arena *a, vk_str build, vk_binding *out, size_t room,
                           size_t *n_r)
{
    struct sqlite_store *s = self(base);
    sqlite3_stmt *st = get(s, Q_BINDINGS);
    if (!st)
        return sql_err(s, sqlite3_errcode(s->db));
    bind_str(st, 1, build);
    sqlite3_bind_int64(st, 2, (int64_t)room);
    vk_err e = VK_OK;
    size_t n = 0;
    while (e == VK_OK && n < room && sqlite3_step(st) == SQLITE_ROW) {
        vk_binding *b = &out[n++];
        vk_str resource = {(const char *)sqlite3_column_text(st, 2), (size_t)sqlite3_column_bytes(st, 2)};
        *b = (vk_binding){.version = (uint64_t)sqlite3_column_int64(st, 3)};
        col_copy(st, 0, b->service, sizeof b->service);
        col_copy(st, 1, b->driver, sizeof b->driver);
        b->resource = vk_arena_dup(a, resource);
        if (!b->resource.p)
            e = VK_E_NOMEM;
    }
    vk_err end = sql_err(s, sqlite3_reset(st));
    *n_r = n;
    return e != VK_OK ? e : end;
}

static vk_err set_binding(struct sqlite_store *s, vk_str build, uint64_t expect, vk_binding *b)
{
    sqlite3_stmt *st;
    vk_err e = need(s, Q_BINDING_SET, &st);
    if (e != VK_OK)
        return e;
    bind_str(st, 1, build);
    bind_str(st, 2, vk_str_z(b->service));
    bind_str(st, 3, vk_str_z(b->driver));
    bind_str(st, 4, b->resource.n ? b->resource : VK_STR("{}"));
    sqlite3_bind_int64(st, 5, (int64_t)expect);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        b->version = (uint64_t)sqlite3_column_int64(st, 0);
    e = sql_err(s, sqlite3_reset(st));
    return e == VK_OK && rc != SQLITE_ROW ? VK_E_CONFLICT : e;
}

static vk_err binding_set(vk_store *base, vk_str build, uint64_t expect, vk_binding *b)
{
    struct sqlite_store *s = self(base);
    vk_err e = b->resource.n <= VK_RESOURCE_MAX ? run_q(s, Q_BEGIN) : VK_E_TOO_LARGE;
    if (e != VK_OK)
        return e;
    e = exists(s, build);
    if (e == VK_OK)
        e = set_binding(s, build, expect, b);
    return end_txn(s, e);
}

static vk_err bound_list(vk_store *base, const char *service, const char *driver, const char *name,
                         vk_str value, vk_str after, size_t limit, char (*ids)[VK_BUILD_ID_MAX + 1],
                         size_t *n_r)
{
    struct sqlite_store *s = self(base);
    sqlite3_stmt *st;
    vk_err e = need(s, Q_BOUND, &st);
    size_t n = 0;
    if (e != VK_OK)
        return e;
    bind_str(st, 1, vk_str_z(service));
    bind_str(st, 2, vk_str_z(driver));
    bind_str(st, 3, vk_str_z(name));
    bind_str(st, 4, value);
    bind_str(st, 5, after);
    sqlite3_bind_int64(st, 6, (int64_t)limit);
    while (n < limit && sqlite3_step(st) == SQLITE_ROW)
        col_copy(st, 0, ids[n++], sizeof *ids);
    e = sql_err(s, sqlite3_reset(st));
    *n_r = n;
    return e;
}

static vk_err build_touch(vk_store *base, vk_str id, int64_t now)
{
    struct sqlite_store *s = self(base);
    sqlite3_stmt *st = get(s, Q_TOUCH);
    if (st) {
        bind_str(st, 1, id);
        sqlite3_bind_int64(st, 2, now);
    }
    return run(s, st);
}

/* Build and valet rows change together or not at all: a revocation that is half done must not look like one.
 */
static vk_err set_state(vk_store *base, vk_str id, vk_build_state state, int64_t now)
{
    struct sqlite_store *s = self(base);
    sqlite3_stmt *st = NULL;
    vk_err e = run_q(s, Q_BEGIN);
    if (e != VK_OK)
        return e;
    e = exists(s, id);
    if (e == VK_OK)
        e = need(s, Q_SET_STATE, &st);
    if (e == VK_OK) {
        bind_str(st, 1, id);
        sqlite3_bind_int(st, 2, (int)state);
        sqlite3_bind_int64(st, 3, now);
        e = run(s, st);
    }
    if (e == VK_OK)
        e = need(s, Q_REVOKE_VALETS, &st);
    if (e == VK_OK) {
        bind_str(st, 1, id);
        sqlite3_bind_int64(st, 2, now);
        e = run(s, st);
    }
    return end_txn(s, e);
}

static vk_err build_revoke(vk_store *base, vk_str id, int64_t now)
{
    return set_state(base, id, VK_BUILD_REVOKED, now);
}

static vk_err build_deleting(vk_store *base, vk_str id, int64_t now)
{
    return set_state(base, id, VK_BUILD_DELETING, now);
}

static vk_err build_gone(vk_store *base, vk_str id)
{
    struct sqlite_store *s = self(base);
    vk_err e = run_q(s, Q_BEGIN);
    for (size_t i = 0; e == VK_OK && i < 2; i++) {
        sqlite3_stmt *st;
        e = need(s, i == 0 ? Q_DROP_IDEM : Q_DELETE, &st);
        if (e != VK_OK)
            break;
        bind_str(st, 1, id);
        e = run(s, st);
    }
    return end_txn(s, e);
}

static vk_err counts(vk_store *base, int64_t now, int64_t *builds_r, int64_t *active_r)
{
    struct sqlite_store *s = self(base);
    sqlite3_stmt *st = get(s, Q_COUNTS);
    if (!st)
        return sql_err(s, sqlite3_errcode(s->db));
    sqlite3_bind_int64(st, 1, now);
    if (sqlite3_step(st) == SQLITE_ROW) {
        *builds_r = sqlite3_column_int64(st, 0);
        *active_r = sqlite3_column_int64(st, 1);
    }
    return sql_err(s, sqlite3_reset(st));
}

static vk_err copy_to(vk_store *base, const char *path)
{
    struct sqlite_store *s = self(base);
    return sql_err(s, vk_sqlite_copy_pages(s->db, path));
}

static void store_close(vk_store *base)
{
    struct sqlite_store *s = self(base);
    for (size_t i = 0; i < N_STMTS; i++)
        sqlite3_finalize(s->stmts[i]);
    /* Who writes leaves an empty -wal instead of a full one. By itself SQLite does so only when nobody else
     * has the file open, and keeper always has (store/watch.h). */
    if (s->writes)
        sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_exec(s->db, "PRAGMA journal_size_limit = 0", NULL, NULL, NULL);
    sqlite3_close(s->db);
    free(s);
}

static const vk_store_ops sqlite_ops = {
    .name = "sqlite",
    .close = store_close,
    .valet_find = valet_find,
    .build_get = build_get,
    .build_create = build_create,
    .services_join = services_join,
    .idem_find = idem_find,
    .build_list = build_list,
    .build_origins = build_origins,
    .binding_list = binding_list,
    .binding_set = binding_set,
    .bound_list = bound_list,
    .build_touch = build_touch,
    .build_revoke = build_revoke,
    .build_deleting = build_deleting,
    .build_gone = build_gone,
    .counts = counts,
    .copy_to = copy_to,
};

vk_err vk_store_on(sqlite3 *db, bool writes, vk_store **out_r)
{
    struct sqlite_store *s = calloc(1, sizeof *s);
    if (!s)
        return VK_E_NOMEM;
    s->base.ops = &sqlite_ops;
    s->db = db;
    s->writes = writes;
    *out_r = &s->base;
    return VK_OK;
}
