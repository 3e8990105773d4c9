#include "store/tenantdb.h"

#include <sqlite3.h>

vk_err vk_tenantdb_err(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return VK_OK;
    case SQLITE_CONSTRAINT:
        return rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ? VK_E_CONFLICT
                                                                                    : VK_E_INTERNAL;
    case SQLITE_FULL:
        return VK_E_FULL;
    case SQLITE_NOMEM:
        return VK_E_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return VK_E_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return VK_E_CORRUPT;
    default:
        return VK_E_IO;
    }
}

static vk_err version_of(sqlite3 *db, int *out_r)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW)
        *out_r = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return vk_tenantdb_err(rc);
}

vk_err vk_tenantdb_migrate(sqlite3 *db, const char *const *steps, int n)
{
    int version = 0;
    char number[64];
    vk_err e = version_of(db, &version);
    if (e == VK_OK && (version < 0 || version > n))
        e = version > n ? VK_E_NEWER : VK_E_CORRUPT;
    for (; e == VK_OK && version < n; version++) {
        snprintf(number, sizeof number, "PRAGMA user_version = %d; COMMIT", version + 1);
        int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(db, steps[version], NULL, NULL, NULL);
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(db, number, NULL, NULL, NULL);
        e = vk_tenantdb_err(rc);
    }
    return e;
}

vk_err vk_tenantdb_sync_wal(sqlite3 *db)
{
    sqlite3_file *f = NULL;
    sqlite3_int64 n = 0;
    int rc = sqlite3_exec(db, "SELECT 1 FROM sqlite_schema LIMIT 1", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f);
    if (rc != SQLITE_OK || !f || !f->pMethods || (f->pMethods->xFileSize(f, &n) == SQLITE_OK && n == 0))
        return vk_tenantdb_err(rc);
    return vk_tenantdb_err(f->pMethods->xSync(f, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY));
}
