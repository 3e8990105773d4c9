#include "store/copy.h"

#include "store/migrate.h"

#include <errno.h>
#include <sqlite3.h>
#include <unistd.h>

enum { BUSY_MS = 5000 };

static int64_t page_count(sqlite3 *db)
{
    sqlite3_stmt *st = NULL;
    int64_t n = -1;
    if (sqlite3_prepare_v2(db, "PRAGMA page_count", -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

int vk_sqlite_copy_pages(sqlite3 *src, const char *to)
{
    sqlite3 *dst = NULL;
    int rc = sqlite3_open_v2(to, &dst, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    /* secure_delete: what is left over in pages would make two copies of the same data differ. */
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(dst,
                          "PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                          " PRAGMA secure_delete = ON",
                          NULL, NULL, NULL);
    sqlite3_backup *b = rc == SQLITE_OK ? sqlite3_backup_init(dst, "main", src, "main") : NULL;
    if (b) {
        rc = sqlite3_backup_step(b, -1);
        int end = sqlite3_backup_finish(b);
        rc = rc == SQLITE_DONE ? end : rc;
    } else if (rc == SQLITE_OK) {
        rc = sqlite3_errcode(dst);
    }
    if (rc == SQLITE_OK && page_count(dst) == 0) { /* a file without a head is no database to others */
        rc = sqlite3_exec(dst, "PRAGMA journal_mode = WAL; CREATE TABLE t (a); DROP TABLE t", NULL, NULL,
                          NULL);
    }
    int closed = sqlite3_close(dst);
    return rc == SQLITE_OK ? closed : rc;
}

vk_err vk_sqlite_copy(const char *from, const char *to)
{
    char wal[PATH_MAX];
    sqlite3 *src = NULL;
    int keep = 1;
    int n = snprintf(wal, sizeof wal, "%s-wal", from);
    if (n < 0 || (size_t)n >= sizeof wal)
        return VK_E_INVALID;
    if (access(from, F_OK) != 0)
        return errno == ENOENT ? VK_E_NOT_FOUND : VK_E_FORBIDDEN;
    /* Without a -wal there is nothing to take over at the end, and SQLite removes what it made by itself. */
    bool logged = access(wal, F_OK) == 0;
    int rc = sqlite3_open_v2(from, &src, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK && logged) {
        sqlite3_file_control(src, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
        rc = sqlite3_db_config(src, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(src, BUSY_MS);
        rc = vk_sqlite_copy_pages(src, to);
    }
    sqlite3_close(src);
    return rc == SQLITE_OK ? VK_OK : vk_store_kind(rc);
}

/* ---- copies of the metadata */

static int read_builds(sqlite3 *db, vk_copied_build **builds_r, size_t *n_r)
{
    sqlite3_stmt *st = NULL;
    vk_copied_build *all = NULL;
    size_t n = 0, room = 0;
    int rc = sqlite3_prepare_v2(db, "SELECT id, created_ms, state FROM builds ORDER BY id", -1, &st, NULL);
    while (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW) {
        const char *id = (const char *)sqlite3_column_text(st, 0);
        if (n == room) {
            room = room ? room * 2 : 64;
            vk_copied_build *more = reallocarray(all, room, sizeof *all);
            if (!more) {
                rc = SQLITE_NOMEM;
                break;
            }
            all = more;
        }
        if (!id || !vk_build_id_ok(vk_str_z(id))) {
            rc = SQLITE_CORRUPT;
            break;
        }
        all[n] = (vk_copied_build){.created_ms = sqlite3_column_int64(st, 1),
                                   .deleting = sqlite3_column_int(st, 2) == VK_BUILD_DELETING};
        snprintf(all[n++].id, sizeof all->id, "%s", id);
    }
    int end = sqlite3_finalize(st);
    rc = rc == SQLITE_OK ? end : rc;
    if (rc != SQLITE_OK) {
        free(all);
        return rc;
    }
    *builds_r = all;
    *n_r = n;
    return rc;
}

/* A connection to a file in write-ahead mode that leaves nothing beside it. */
static int open_alone(const char *path, sqlite3 **db_r)
{
    int rc = sqlite3_open_v2(path, db_r, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    return rc == SQLITE_OK ? sqlite3_exec(*db_r,
                                          "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF;"
                                          " PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON",
                                          NULL, NULL, NULL)
                           : rc;
}

vk_err vk_metadata_read(const char *path, int64_t *version_r, vk_copied_build **builds_r, size_t *n_r,
                        const char **why_r)
{
    sqlite3 *db = NULL;
    char program[VK_PROGRAM_MAX];
    vk_err e = VK_OK;
    *builds_r = NULL;
    *n_r = 0;
    *why_r = "valetkey.db is damaged or not a SQLite database";
    int rc = open_alone(path, &db);
    if (rc == SQLITE_OK)
        rc = vk_data_version(db, version_r, program);
    if (rc == SQLITE_OK)
        e = vk_data_usable(*version_r, program, why_r);
    if (rc == SQLITE_OK && e == VK_OK && *version_r > 0)
        rc = read_builds(db, builds_r, n_r);
    sqlite3_close(db);
    return rc == SQLITE_OK ? e : vk_store_kind(rc);
}

vk_err vk_metadata_drop(const char *path, const vk_copied_build *const *builds, size_t n)
{
    static const char *const sql[] = {"DELETE FROM idempotency WHERE build = ?1",
                                      "DELETE FROM builds WHERE id = ?1"};
    sqlite3 *db = NULL;
    int rc = open_alone(path, &db);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (size_t i = 0; rc == SQLITE_OK && i < n * VK_COUNT(sql); i++) {
        sqlite3_stmt *st = NULL;
        rc = sqlite3_prepare_v2(db, sql[i % VK_COUNT(sql)], -1, &st, NULL);
        if (rc == SQLITE_OK) {
            sqlite3_bind_text(st, 1, builds[i / VK_COUNT(sql)]->id, -1, SQLITE_STATIC);
            sqlite3_step(st);
            rc = sqlite3_finalize(st);
        }
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    int closed = sqlite3_close(db);
    rc = rc == SQLITE_OK ? closed : rc;
    return rc == SQLITE_OK ? VK_OK : vk_store_kind(rc);
}
