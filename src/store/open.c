/* Opening valetkey.db. */
#include "store/open.h"

#include "core/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

/* Made first by us, so that it is never readable by others, not even for a moment, and never through a link.
 */
vk_err vk_store_make_file(int dirfd, bool *fresh_r, const char **why_r)
{
    struct stat st;
    int fd = openat(dirfd, "valetkey.db", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        vk_err e = vk_disk_err(errno);
        if (e == VK_E_FULL)
            *why_r = "the disk is full";
        if (errno == ELOOP)
            *why_r = "valetkey.db is a symbolic link; put the file itself there";
        return e;
    }
    bool plain = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    *fresh_r = plain && st.st_size == 0;
    close(fd);
    return plain ? VK_OK : VK_E_IO;
}

int vk_store_set_log(sqlite3 *db)
{
    return sqlite3_exec(db, "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL", NULL, NULL, NULL);
}

static int set_up(sqlite3 *db, bool write, bool fresh)
{
    int keep_wal = 1; /* the fence around front lets it remove no file there */
    int rc = fresh ? vk_store_set_log(db) : SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db,
                          "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000",
                          NULL, NULL, NULL);
    if (rc == SQLITE_OK && !write)
        rc = sqlite3_exec(db, "PRAGMA query_only = ON", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep_wal);
    return rc;
}

vk_err vk_store_sqlite_open(int dirfd, const char *dir, bool write, vk_store **out_r, const char **why_r)
{
    char path[PATH_MAX];
    sqlite3 *db = NULL;
    bool fresh = false;
    snprintf(path, sizeof path, "%s/valetkey.db", dir);
    *why_r = "valetkey.db cannot be opened";
    vk_err e = write ? vk_store_make_file(dirfd, &fresh, why_r) : VK_OK;
    if (e != VK_OK)
        return e;
    int rc =
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc == SQLITE_OK)
        rc = set_up(db, write, fresh);
    e = vk_store_err(db, rc);
    if (e == VK_E_FULL)
        *why_r = "the disk is full";
    if (e == VK_E_CORRUPT)
        *why_r = "valetkey.db is damaged or not a SQLite database; restore it from a backup";
    if (e == VK_OK)
        e = vk_migrate(db, write, why_r);
    /* Again: the power may have gone before it was written the first time. With a rollback journal every
     * change makes a file, for which front has no right. */
    if (e == VK_OK && write)
        e = vk_store_err(db, sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL));
    if (e == VK_OK && vk_store_on(db, write, out_r) != VK_OK) {
        *why_r = "out of memory";
        e = VK_E_NOMEM;
    }
    if (e != VK_OK)
        sqlite3_close(db);
    return e;
}
