/* A copy of a build's database in one file: SQLite's own format, page size 4096, WAL, no auto_vacuum, UTF-8,
 * which sqlite3 opens and Turso takes as an upload. It is a snapshot: SQLite's backup reads all pages inside
 * one read transaction, while writers go on. */
#include "services/database/embedded/db.h"

#include "core/disk.h"
#include "core/encode.h"
#include "core/log.h"
#include "core/random.h"
#include "store/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct job {
    vk_job job; /* first */
    char build[VK_BUILD_ID_MAX + 1];
    void (*done)(void *arg, vk_err e, const vk_export *x, const char *why);
    void *arg;
};

static vk_err kind_of(int rc)
{
    return (rc & 0xff) == SQLITE_FULL ? VK_E_FULL : (rc & 0xff) == SQLITE_NOMEM ? VK_E_NOMEM : VK_E_IO;
}

/* The build's file as it is; a build that has not used its database yet gives an empty one. */
static vk_err copy(const char *build, const char *to, const char **why_r)
{
    char from[PATH_MAX + 64 + VK_BUILD_ID_MAX];
    sqlite3 *src = NULL;
    vk_dbt *t = vk_db_hold(build);
    if (!t) {
        *why_r = "The build is being revoked or deleted; try again in a second";
        return VK_E_CONFLICT;
    }
    snprintf(from, sizeof from, "%s/builds/%s/database.db", vk_db.rt->data_dir, build);
    bool none = access(from, F_OK) != 0;
    int rc = sqlite3_open_v2(none ? ":memory:" : from, &src, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                             VK_DB_VFS);
    /* Should this be the last connection, it leaves the files as they are: the build may be deleted and made
     * anew meanwhile, and a -wal is removed by its name. */
    int keep = 1;
    if (rc == SQLITE_OK && !none) {
        sqlite3_file_control(src, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
        rc = sqlite3_db_config(src, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_busy_timeout(src, VK_DB_LOCK_TRIES);
    }
    /* From the first read on all files are open, and nothing is opened or made by its name any more. */
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(src, "BEGIN; PRAGMA schema_version", NULL, NULL, NULL);
    vk_db_let_go(t);
    if (rc == SQLITE_OK)
        rc = vk_sqlite_copy_pages(src, to);
    if (rc == SQLITE_OK && !none && !vk_sync_wal(src)) /* what is given out must be on stable storage */
        rc = SQLITE_IOERR;
    bool deleted = rc != SQLITE_OK && !none && access(from, F_OK) != 0;
    if (deleted) {
        *why_r = "The build was deleted meanwhile";
    } else if (rc != SQLITE_OK) {
        vk_log(VK_ERROR, "a database cannot be copied", VK_F(build, build), VK_F(error, sqlite3_errstr(rc)));
        *why_r = kind_of(rc) == VK_E_FULL ? "The disk is full" : "The build's database cannot be copied";
    }
    sqlite3_close(src);
    return rc == SQLITE_OK ? VK_OK : deleted ? VK_E_CONFLICT : kind_of(rc);
}

vk_err vk_db_tmp_name(const char *what, char out[VK_DB_TMP_NAME])
{
    uint8_t random[8];
    char digits[2 * sizeof random + 1];
    vk_random(random, sizeof random);
    vk_hex(digits, random, sizeof random);
    snprintf(out, VK_DB_TMP_NAME, "tmp/%.16s-%s", what, digits);
    return vk_disk_mkdir(vk_db.rt->data_fd, "tmp", 0700);
}

vk_err vk_db_copy(const char *build, const char *name, const char **why_r)
{
    char path[PATH_MAX + VK_DB_TMP_NAME];
    snprintf(path, sizeof path, "%s/%s", vk_db.rt->data_dir, name);
    *why_r = "The copy cannot be made in the data folder";
    int fd = openat(vk_db.rt->data_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return vk_disk_err(errno);
    close(fd); /* nobody has it open yet, so no lock of SQLite's is lost */
    vk_err e = copy(build, path, why_r);
    if (e != VK_OK)
        unlinkat(vk_db.rt->data_fd, name, 0);
    return e;
}

static vk_err export_to(const char *build, vk_export *x, const char **why_r)
{
    char name[VK_DB_TMP_NAME];
    struct stat st;
    *why_r = "The copy cannot be made in the data folder";
    vk_err e = vk_db_tmp_name("export", name);
    if (e == VK_OK)
        e = vk_db_copy(build, name, why_r);
    if (e != VK_OK)
        return e;
    int fd = openat(vk_db.rt->data_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    unlinkat(vk_db.rt->data_fd, name, 0);
    if (fd < 0 || fstat(fd, &st) != 0) {
        if (fd >= 0)
            close(fd);
        return VK_E_IO;
    }
    *x = (vk_export){fd, st.st_size, "application/vnd.sqlite3", "database.db"};
    return VK_OK;
}

static void run(vk_job *vj)
{
    struct job *j = VK_CONTAINER(vj, struct job, job);
    vk_export x;
    const char *why = NULL;
    vk_err e = export_to(j->build, &x, &why);
    j->done(j->arg, e, e == VK_OK ? &x : NULL, why);
    free(j);
}

void vk_db_export(const char *build, void (*done)(void *arg, vk_err e, const vk_export *x, const char *why),
                  void *arg)
{
    struct job *j = malloc(sizeof *j);
    if (!j) {
        done(arg, VK_E_NOMEM, NULL, "Out of memory");
        return;
    }
    *j = (struct job){.job.run = run, .done = done, .arg = arg};
    snprintf(j->build, sizeof j->build, "%s", build);
    if (vk_db_file_job(build, &j->job) == VK_OK)
        return;
    free(j);
    done(arg, VK_E_BUSY, NULL, "Too many copies are being made; try again");
}
