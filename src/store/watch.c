#include "store/watch.h"

#include "store/open.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INDEX_REGION = 32768, BUSY_MS = 2000 };

struct vk_watch {
    sqlite3 *db;
    vk_store *store;
    const volatile uint64_t *header; /* of the index, which SQLite has mapped; it stays where it is */
    bool usable;                     /* it has our version */
};

/* ---- the files */

/* Or made a moment before the power went. */
static bool missing(int dirfd)
{
    struct stat st;
    return fstatat(dirfd, "valetkey.db", &st, AT_SYMLINK_NOFOLLOW) != 0 ? errno == ENOENT : st.st_size == 0;
}

static vk_err make(int dirfd, const char *path, uid_t uid, gid_t gid, const char **why_r)
{
    sqlite3 *db = NULL;
    int keep = 1;
    bool fresh;
    vk_err e = vk_store_make_file(dirfd, &fresh, why_r);
    if (e != VK_OK || !fresh)
        return e;
    /* SQLite gives the files beside it the same owner. */
    if (geteuid() == 0 && fchownat(dirfd, "valetkey.db", uid, gid, AT_SYMLINK_NOFOLLOW) != 0)
        return VK_E_IO;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = vk_store_set_log(db);
    if (rc == SQLITE_OK)
        rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    e = vk_store_err(db, rc);
    sqlite3_close(db);
    return e;
}

/* SQLite's own mapping of the index: a descriptor of our own could never be closed again, since that would
 * take away the locks that SQLite has on the file (fcntl(2), "record locks"). */
static int map_index(vk_watch *w)
{
    sqlite3_file *f = NULL;
    void volatile *at = NULL;
    int rc = sqlite3_file_control(w->db, "main", SQLITE_FCNTL_FILE_POINTER, &f);
    if (rc == SQLITE_OK && (!f || !f->pMethods || f->pMethods->iVersion < 2))
        rc = SQLITE_MISUSE;
    if (rc == SQLITE_OK)
        rc = f->pMethods->xShmMap(f, 0, INDEX_REGION, 0, &at);
    w->header = at;
    return rc == SQLITE_OK && !at ? SQLITE_CANTOPEN : rc;
}

static int begin(vk_watch *w, const char *path)
{
    int keep = 1;
    int rc = sqlite3_open_v2(path, &w->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(w->db, BUSY_MS);
    if (rc == SQLITE_OK)
        rc = sqlite3_file_control(w->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(w->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    /* Reading opens the log and its index. Sorting and the like has no place to be but memory. */
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(w->db, "PRAGMA temp_store = MEMORY; SELECT count(*) FROM sqlite_schema", NULL, NULL,
                          NULL);
    return rc == SQLITE_OK ? map_index(w) : rc;
}

vk_err vk_watch_open(int dirfd, const char *dir, uid_t uid, gid_t gid, vk_watch **out_r, const char **why_r)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/valetkey.db", dir);
    *why_r = "valetkey.db cannot be opened";
    vk_watch *w = calloc(1, sizeof *w);
    vk_err e = w ? VK_OK : VK_E_NOMEM;
    if (e == VK_OK && missing(dirfd))
        e = make(dirfd, path, uid, gid, why_r);
    if (e == VK_OK) {
        int rc = begin(w, path);
        e = rc == SQLITE_OK ? VK_OK : vk_store_err(w->db, rc);
    }
    if (e == VK_OK)
        e = vk_store_on(w->db, false, &w->store);
    if (e == VK_E_FULL)
        *why_r = "the disk is full";
    if (e != VK_OK) {
        if (w)
            sqlite3_close(w->db);
        free(w);
        return e;
    }
    *out_r = w;
    return VK_OK;
}

void vk_watch_close(vk_watch *w)
{
    if (!w)
        return;
    w->store->ops->close(w->store);
    free(w);
}

/* ---- looking */

void vk_watch_look(const vk_watch *w, vk_watch_mark *out_r)
{
    for (size_t i = 0; i < VK_COUNT(out_r->word); i++)
        out_r->word[i] = __atomic_load_n(&w->header[i], __ATOMIC_ACQUIRE);
}

vk_err vk_watch_store(vk_watch *w, vk_store **out_r)
{
    int64_t version = 0;
    char program[VK_PROGRAM_MAX];
    if (!w->usable) {
        int rc = vk_data_version(w->db, &version, program);
        if (rc != SQLITE_OK)
            return vk_store_err(w->db, rc);
        w->usable =
            version == VK_SCHEMA_VERSION; /* versions only grow, and a newer front has a keeper of its own */
    }
    *out_r = w->store;
    return w->usable ? VK_OK : VK_E_UNAVAILABLE;
}
