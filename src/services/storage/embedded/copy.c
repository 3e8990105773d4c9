/* A copy of the index for backups, and the files that such a copy names. */
#include "services/storage/embedded/inside.h"

#include "store/copy.h"

vk_ob_err vk_ob_copy_index(vk_ob *s, const char *to)
{
    vk_ob_conn *c;
    vk_ob_err e = vk_ob_conn_get(s, &c);
    if (e != VK_OB_OK)
        return e;
    e = vk_ob_sql_err(vk_sqlite_copy_pages(c->db, to));
    vk_ob_conn_put(s, c);
    return e;
}

static vk_err kind_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_DONE:
        return VK_OK;
    case SQLITE_NOMEM:
        return VK_E_NOMEM;
    case SQLITE_IOERR:
        return VK_E_IO;
    default:
        return VK_E_CORRUPT;
    }
}

/* In the order of their paths, which is that of their names. */
static const char all_blobs[] =
    "SELECT blob, size FROM objects WHERE blob IS NOT NULL UNION ALL SELECT blob, size FROM "
    "extents UNION ALL SELECT blob, size FROM parts ORDER BY 1";

vk_err vk_ob_copied_names(const char *copy, bool (*one)(void *arg, const char *name, int64_t size), void *arg)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    /* Nobody else has it, and nothing is beside it: without that SQLite would make files for its -wal. */
    int rc = sqlite3_open_v2(copy, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, "unix-excl");
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db, all_blobs, -1, &st, NULL);
    bool on = rc == SQLITE_OK;
    while (on && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        char name[sizeof "blobs/" + VK_OB_BLOB_PATH] = "blobs/";
        vk_str blob = vk_ob_col(st, 0);
        if (blob.n != VK_OB_BLOB) {
            rc = SQLITE_CORRUPT;
            break;
        }
        vk_ob_blob_path((const uint8_t *)blob.p, name + sizeof "blobs/" - 1);
        on = one(arg, name, sqlite3_column_int64(st, 1));
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    return on ? kind_of(rc) : VK_OK;
}
