#include "store/migrate.h"

#include "core/clock.h"
#include "core/log.h"

#include <sqlite3.h>
#include <unistd.h>

enum {
    RECORDED_SINCE = 2, /* the version that has the table of steps */
    BUSY_MS = 2000,
};

static const vk_migration steps[] = {
    {1, "builds, their origins, bindings and valet keys, idempotency keys",
     "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
     "CREATE TABLE builds (id TEXT PRIMARY KEY, framework TEXT NOT NULL, state INTEGER NOT NULL, generation "
     "INTEGER NOT NULL,"
     " ttl_ms INTEGER NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, touched_ms INTEGER "
     "NOT NULL,"
     " revoked_ms INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
     "CREATE TABLE origins (build TEXT NOT NULL REFERENCES builds(id) ON DELETE CASCADE, origin TEXT NOT "
     "NULL,"
     " PRIMARY KEY (build, origin)) WITHOUT ROWID;"
     "CREATE TABLE bindings (build TEXT NOT NULL REFERENCES builds(id) ON DELETE CASCADE, service TEXT NOT "
     "NULL,"
     " driver TEXT NOT NULL, PRIMARY KEY (build, service)) WITHOUT ROWID;"
     "CREATE TABLE valets (hash BLOB PRIMARY KEY, build TEXT NOT NULL REFERENCES builds(id) ON DELETE "
     "CASCADE,"
     " service TEXT NOT NULL, kind TEXT NOT NULL, kid INTEGER NOT NULL, generation INTEGER NOT NULL,"
     " revoked_ms INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
     "CREATE INDEX valets_build ON valets (build);"
     "CREATE TABLE idempotency (name TEXT PRIMARY KEY, digest BLOB NOT NULL, build TEXT NOT NULL, created_ms "
     "INTEGER NOT NULL)"
     " WITHOUT ROWID;"
     "INSERT INTO meta VALUES ('generation', 0);",
     NULL},
    {2, "which program brought the data to which version",
     "CREATE TABLE migrations (version INTEGER PRIMARY KEY, program TEXT NOT NULL, applied_ms INTEGER NOT "
     "NULL);",
     NULL},
    {3, "what a build has of a service at a vendor, and how often that has changed",
     "ALTER TABLE bindings ADD COLUMN resource TEXT NOT NULL DEFAULT '{}';"
     "ALTER TABLE bindings ADD COLUMN version INTEGER NOT NULL DEFAULT 1;",
     NULL},
};
_Static_assert(VK_COUNT(steps) == VK_SCHEMA_VERSION, "one step a version");

static _Thread_local char said[512];

const vk_migration *vk_migrations(size_t *n_r)
{
    *n_r = VK_COUNT(steps);
    return steps;
}

vk_err vk_store_kind(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return VK_OK;
    case SQLITE_FULL:
        return VK_E_FULL;
    case SQLITE_CONSTRAINT:
        return VK_E_CONFLICT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return VK_E_BUSY;
    case SQLITE_NOMEM:
        return VK_E_NOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return VK_E_CORRUPT;
    default:
        return VK_E_IO;
    }
}

vk_err vk_store_err(sqlite3 *db, int rc)
{
    vk_err e = vk_store_kind(rc);
    if (e != VK_OK && e != VK_E_CONFLICT)
        vk_log(VK_ERROR, "metadata", VK_F(error, sqlite3_errmsg(db)));
    return e;
}

/* ---- what is there */

int vk_data_version(sqlite3 *db, int64_t *version_r, char program[VK_PROGRAM_MAX])
{
    sqlite3_stmt *st = NULL;
    *version_r = 0;
    program[0] = '\0';
    int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL);
    if (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        *version_r = sqlite3_column_int64(st, 0);
    int end = sqlite3_finalize(st);
    if (rc != SQLITE_OK || end != SQLITE_OK)
        return rc != SQLITE_OK ? rc : end;
    /* Of a version that this program does not know the table may look different: then nothing is recorded. */
    if (*version_r < RECORDED_SINCE ||
        sqlite3_prepare_v2(db, "SELECT program FROM migrations ORDER BY version DESC LIMIT 1", -1, &st,
                           NULL) != SQLITE_OK)
        return SQLITE_OK;
    const char *text = sqlite3_step(st) == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    for (size_t i = 0; text && text[i] && i + 1 < VK_PROGRAM_MAX; i++) {
        program[i] = text[i] > ' ' && text[i] < 127 ? text[i] : '?';
        program[i + 1] = '\0';
    }
    sqlite3_finalize(st);
    return SQLITE_OK;
}

vk_err vk_data_usable(int64_t version, const char *program, const char **why_r)
{
    if (version <= VK_SCHEMA_VERSION)
        return VK_OK;
    snprintf(
        said, sizeof said,
        "the data was written by a newer valetkey%s%s: it has version %lld, and this program (" VK_VERSION
        ") knows versions up to %d. Nothing was changed. Run the newer program, or restore a backup from "
        "before the upgrade into an empty folder (valetkey restore)",
        program[0] ? " " : "", program, (long long)version, (int)VK_SCHEMA_VERSION);
    *why_r = said;
    return VK_E_NEWER;
}

vk_err vk_data_version_of(const char *dir, int64_t *version_r, char program[VK_PROGRAM_MAX])
{
    char path[PATH_MAX], wal[PATH_MAX];
    sqlite3 *db = NULL;
    int keep = 1;
    int n = snprintf(path, sizeof path, "%s/valetkey.db", dir);
    snprintf(wal, sizeof wal, "%.4000s/valetkey.db-wal", dir);
    if (n < 0 || (size_t)n >= sizeof path || access(path, F_OK) != 0)
        return VK_E_NOT_FOUND;
    bool logged = access(wal, F_OK) == 0; /* without it SQLite removes at the end what it made */
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        sqlite3_busy_timeout(db, BUSY_MS);
    if (rc == SQLITE_OK && logged) {
        sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    if (rc == SQLITE_OK)
        rc = vk_data_version(db, version_r, program);
    sqlite3_close(db);
    return vk_store_kind(rc);
}

/* ---- forward */

static int record(sqlite3 *db, int version)
{
    sqlite3_stmt *st = NULL;
    if (version < RECORDED_SINCE)
        return SQLITE_OK;
    int rc = sqlite3_prepare_v2(db, "INSERT INTO migrations VALUES (?1, ?2, ?3)", -1, &st, NULL);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_int(st, 1, version);
    sqlite3_bind_text(st, 2, VK_VERSION, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 3, vk_clock_wall_ms());
    sqlite3_step(st);
    return sqlite3_finalize(st);
}

/* The step and its number, or nothing. */
static int make_step(sqlite3 *db, const vk_migration *m)
{
    char set[64];
    snprintf(set, sizeof set, "PRAGMA user_version = %d", m->version);
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK && m->sql)
        rc = sqlite3_exec(db, m->sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK && m->run)
        rc = m->run(db);
    if (rc == SQLITE_OK)
        rc = record(db, m->version);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, set, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    if (rc != SQLITE_OK) /* said now: the rollback has an error text of its own */
        vk_log(VK_ERROR, "a step of the data's version failed", VK_F(version, (int64_t)m->version),
               VK_F(error, sqlite3_errmsg(db)));
    if (rc != SQLITE_OK && !sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

vk_err vk_migrate(sqlite3 *db, bool write, const char **why_r)
{
    int64_t version = 0;
    char program[VK_PROGRAM_MAX];
    int rc = vk_data_version(db, &version, program);
    if (rc != SQLITE_OK) {
        *why_r = "valetkey.db is not a readable SQLite database";
        return vk_store_err(db, rc);
    }
    vk_err e = vk_data_usable(version, program, why_r);
    if (e != VK_OK || version == VK_SCHEMA_VERSION)
        return e;
    if (version < 0) {
        *why_r = "valetkey.db has a version that no valetkey gives; restore it from a backup";
        return VK_E_CORRUPT;
    }
    if (!write) {
        *why_r = "valetkey.db has not been set up";
        return VK_E_UNAVAILABLE;
    }
    for (int64_t v = version; rc == SQLITE_OK && v < VK_SCHEMA_VERSION; v++) {
        rc = make_step(db, &steps[v]);
        if (rc == SQLITE_OK && version > 0)
            vk_log(VK_INFO, "the data was brought to a newer version", VK_F(version, v + 1),
                   VK_F(what, steps[v].what));
    }
    if (rc == SQLITE_OK)
        return VK_OK;
    e = vk_store_kind(rc);
    if (e == VK_E_CONFLICT)
        e = VK_E_CORRUPT;
    if (e == VK_E_FULL) {
        *why_r = "the disk is full";
    } else {
        snprintf(
            said, sizeof said,
            "its data could not be brought from version %lld to %d (the log above says why); what it was "
            "is still there",
            (long long)version, (int)VK_SCHEMA_VERSION);
        *why_r = said;
    }
    return e;
}
