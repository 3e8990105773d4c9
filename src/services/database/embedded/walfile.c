/* How the files of builds are opened: SQLite's "unix-excl", but for the -wal.
 *
 * "unix-excl" keeps other processes out of a file for as long as anything of ours has it open, and the index
 * of the -wal in memory instead of in a third file (https://sqlite.org/vfs.html). Only one process may serve
 * a build in any case: what makes answers durable (sync.c) is counted in this one.
 *
 * The -wal is ours. SQLite never locks it, so its descriptor may be closed between two requests, and
 * thousands of builds need one descriptor each instead of three. And it grows by VK_DB_WAL_STEP at a time: a
 * sync of a file that has become longer is also a commit of the file system's journal, which costs more than
 * the sync. */
#include "services/database/embedded/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char NAME[] = "valetkey";
enum { SCARCE_TRIES = 500 }; /* 10 ms each */
static sqlite3_vfs ours, *base;

typedef struct wal {
    sqlite3_file file; /* first */
    const char *path;  /* SQLite's, which outlives it */
    int fd;            /* -1: given back */
    bool written;      /* since its last sync */
    bool named;        /* its name is on stable storage: this connection has seen to it */
    dev_t dev;
    ino_t ino;
    sqlite3_int64 size; /* as far as is known: it may be longer */
} wal;

static wal *of(sqlite3_file *f)
{
    return VK_CONTAINER(f, wal, file);
}

/* ---- files whose sync has failed

 * The kernel tells of a write that failed once through each descriptor that was open then, and through a
 * later one only if nobody had been told; the page counts as written from there on. SQLite syncs too (before
 * a checkpoint, at the head of a new log), through descriptors that are also ours, and goes on when it was
 * told. So what has failed once fails for every connection, until the process ends or the file is another
 * one. */
enum { FAILED_MAX = 256 };
static struct {
    dev_t dev;
    ino_t ino;
} failed[FAILED_MAX];
static _Atomic size_t n_failed; /* changed under failed_mu */
static pthread_mutex_t failed_mu = PTHREAD_MUTEX_INITIALIZER;

/* Under failed_mu. */
static size_t find_failed(const wal *w)
{
    size_t i = 0;
    while (i < n_failed && (failed[i].ino != w->ino || failed[i].dev != w->dev))
        i++;
    return i;
}

/* With more of them than can be known nothing is believed any more. */
static bool has_failed(const wal *w)
{
    if (VK_LIKELY(atomic_load(&n_failed) == 0))
        return false;
    pthread_mutex_lock(&failed_mu);
    bool yes = n_failed == FAILED_MAX || find_failed(w) < n_failed;
    pthread_mutex_unlock(&failed_mu);
    return yes;
}

static void note_failed(const wal *w)
{
    pthread_mutex_lock(&failed_mu);
    if (n_failed < FAILED_MAX && find_failed(w) == n_failed) {
        failed[n_failed].dev = w->dev;
        failed[n_failed].ino = w->ino;
        atomic_fetch_add(&n_failed, 1);
    }
    pthread_mutex_unlock(&failed_mu);
}

/* A new file is no old one, though it be the same inode. */
static void forgive(const wal *w)
{
    if (atomic_load(&n_failed) == 0)
        return;
    pthread_mutex_lock(&failed_mu);
    size_t i = find_failed(w);
    if (i < n_failed && n_failed < FAILED_MAX) {
        failed[i] = failed[n_failed - 1];
        atomic_fetch_sub(&n_failed, 1);
    }
    pthread_mutex_unlock(&failed_mu);
}

/* ---- the descriptor */

static int open_file(wal *w, int flags)
{
    struct stat st;
    do
        w->fd = open(w->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    while (w->fd < 0 && errno == EINTR);
    if (w->fd < 0)
        return SQLITE_CANTOPEN;
    bool good = fstat(w->fd, &st) == 0 && S_ISREG(st.st_mode) &&
                (!w->ino || (w->ino == st.st_ino && w->dev == st.st_dev));
    if (!good) { /* another file has its name now: nobody of ours did that */
        close(w->fd);
        w->fd = -1;
        return SQLITE_IOERR;
    }
    w->dev = st.st_dev;
    w->ino = st.st_ino;
    w->size = st.st_size;
    atomic_fetch_add_explicit(&vk_db.wal_files, 1, memory_order_relaxed);
    return SQLITE_OK;
}

static int ready(wal *w)
{
    if (VK_LIKELY(w->fd >= 0))
        return SQLITE_OK;
    return open_file(w, 0) == SQLITE_OK ? SQLITE_OK : SQLITE_IOERR;
}

/* Somebody will close a file. */
static bool worth_waiting(int err, int *tries)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    if ((err != EMFILE && err != ENFILE && err != ENOMEM) || ++*tries > SCARCE_TRIES)
        return false;
    nanosleep(&pause, NULL);
    return true;
}

/* For a sync, which answers for what others have written: that there is no descriptor for it at this moment
 * must not count as a failed one. */
static int ready_to_sync(wal *w)
{
    int rc, tries = 0;
    do
        errno = 0;
    while ((rc = ready(w)) != SQLITE_OK && worth_waiting(errno, &tries));
    return rc;
}

static void give_back(wal *w)
{
    if (w->fd < 0)
        return;
    close(w->fd);
    w->fd = -1;
    atomic_fetch_sub_explicit(&vk_db.wal_files, 1, memory_order_relaxed);
}

static int wal_close(sqlite3_file *f)
{
    give_back(of(f));
    return SQLITE_OK;
}

static int wal_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    wal *w = of(f);
    char *p = to;
    int done = 0;
    if (ready(w) != SQLITE_OK)
        return SQLITE_IOERR_READ;
    while (done < n) {
        ssize_t got = pread(w->fd, p + done, (size_t)(n - done), at + done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return SQLITE_IOERR_READ;
        if (got == 0) {
            memset(p + done, 0, (size_t)(n - done));
            return SQLITE_IOERR_SHORT_READ;
        }
        done += (int)got;
    }
    return SQLITE_OK;
}

static int put(wal *w, const char *p, size_t n, sqlite3_int64 at)
{
    while (n) {
        ssize_t put = pwrite(w->fd, p, n, at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put == 0 || errno == ENOSPC || errno == EDQUOT ? SQLITE_FULL : SQLITE_IOERR_WRITE;
        p += put;
        n -= (size_t)put;
        at += put;
    }
    return SQLITE_OK;
}

/* Zeros are no frames: reading the -wal back ends there. One that cannot be made longer is as good. */
static void grow(wal *w, sqlite3_int64 to)
{
    static const char zeros[VK_DB_WAL_STEP];
    struct stat st;
    if (fstat(w->fd, &st) != 0)
        return;
    w->size = st.st_size;
    sqlite3_int64 end = (to / VK_DB_WAL_STEP + 1) * VK_DB_WAL_STEP;
    while (w->size < to && end <= VK_DB_JOURNAL_KEEP) {
        sqlite3_int64 n = end - w->size < VK_DB_WAL_STEP ? end - w->size : VK_DB_WAL_STEP;
        if (put(w, zeros, (size_t)n, w->size) != SQLITE_OK)
            return;
        w->size += n;
    }
}

static int wal_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    wal *w = of(f);
    if (at + n > VK_DB_WAL_MAX)
        return SQLITE_FULL;
    if (ready(w) != SQLITE_OK)
        return SQLITE_IOERR_WRITE;
    w->written = true;
    if (at + n > w->size)
        grow(w, at + n);
    int rc = put(w, from, (size_t)n, at);
    if (rc == SQLITE_OK && at + n > w->size)
        w->size = at + n;
    return rc;
}

static int wal_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    wal *w = of(f);
    if (ready(w) != SQLITE_OK)
        return SQLITE_IOERR_TRUNCATE;
    w->written = true;
    w->size = size;
    int rc;
    do
        rc = ftruncate(w->fd, size);
    while (rc < 0 && errno == EINTR);
    return rc == 0 ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static bool sync_folder(const wal *w)
{
    char folder[PATH_MAX];
    const char *end = strrchr(w->path, '/');
    if (!end || (size_t)(end - w->path) >= sizeof folder)
        return false;
    memcpy(folder, w->path, (size_t)(end - w->path));
    folder[end - w->path] = '\0';
    int fd, tries = 0;
    do
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd < 0 && worth_waiting(errno, &tries));
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

/* Once only: after a sync that failed the kernel may have dropped what it could not write. Through a
 * descriptor that was opened before the file was written, or else one that nobody has been told an error by.
 * The first of each connection stores the file's name too: whoever made it may not have come to that. */
static int wal_sync(sqlite3_file *f, int flags)
{
    VK_UNUSED(flags);
    wal *w = of(f);
    if (ready_to_sync(w) != SQLITE_OK)
        return SQLITE_IOERR_FSYNC;
    if (has_failed(w) || fdatasync(w->fd) != 0 || (!w->named && !sync_folder(w))) {
        note_failed(w);
        return SQLITE_IOERR_FSYNC;
    }
    if (has_failed(w)) /* another connection was told meanwhile, and so we were not */
        return SQLITE_IOERR_FSYNC;
    w->written = false;
    w->named = true;
    return SQLITE_OK;
}

static int wal_size(sqlite3_file *f, sqlite3_int64 *size_r)
{
    wal *w = of(f);
    struct stat st;
    if (ready(w) != SQLITE_OK || fstat(w->fd, &st) != 0)
        return SQLITE_IOERR_FSTAT;
    *size_r = w->size = st.st_size;
    return SQLITE_OK;
}

static int wal_lock(sqlite3_file *f, int how)
{
    VK_UNUSED(f);
    VK_UNUSED(how);
    return SQLITE_OK;
}

static int wal_reserved(sqlite3_file *f, int *out_r)
{
    VK_UNUSED(f);
    *out_r = 0;
    return SQLITE_OK;
}

static int wal_control(sqlite3_file *f, int op, void *arg)
{
    VK_UNUSED(f);
    VK_UNUSED(op);
    VK_UNUSED(arg);
    return SQLITE_NOTFOUND;
}

static int wal_sector(sqlite3_file *f)
{
    VK_UNUSED(f);
    return 4096;
}

static int wal_traits(sqlite3_file *f)
{
    VK_UNUSED(f);
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = wal_close,
    .xRead = wal_read,
    .xWrite = wal_write,
    .xTruncate = wal_truncate,
    .xSync = wal_sync,
    .xFileSize = wal_size,
    .xLock = wal_lock,
    .xUnlock = wal_lock,
    .xCheckReservedLock = wal_reserved,
    .xFileControl = wal_control,
    .xSectorSize = wal_sector,
    .xDeviceCharacteristics = wal_traits,
};

static int open_any(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags, int *flags_r)
{
    VK_UNUSED(vfs);
    if (!(flags & SQLITE_OPEN_WAL))
        return base->xOpen(base, path, f, flags, flags_r);
    wal *w = of(f);
    *w = (wal){.path = path, .fd = -1};
    int rc = open_file(w, 0);
    if (rc == SQLITE_CANTOPEN && errno == ENOENT && (flags & SQLITE_OPEN_CREATE)) {
        rc = open_file(w, O_CREAT | O_EXCL);
        if (rc == SQLITE_CANTOPEN && errno == EEXIST) /* another connection was first */
            rc = open_file(w, 0);
        else if (rc == SQLITE_OK)
            forgive(w);
    }
    if (rc != SQLITE_OK)
        return rc;
    f->pMethods = &methods;
    if (flags_r)
        *flags_r = flags;
    return SQLITE_OK;
}

vk_err vk_walfile_start(void)
{
    if (base)
        return VK_OK;
    base = sqlite3_vfs_find("unix-excl");
    if (!base)
        return VK_E_INTERNAL;
    ours = *base;
    ours.pNext = NULL;
    ours.zName = NAME;
    ours.xOpen = open_any;
    if (ours.szOsFile < (int)sizeof(wal))
        ours.szOsFile = (int)sizeof(wal);
    return sqlite3_vfs_register(&ours, 0) == SQLITE_OK ? VK_OK : VK_E_INTERNAL;
}

void vk_walfile_rest(sqlite3 *db, bool stored)
{
    sqlite3_file *f = NULL;
    if (atomic_load_explicit(&vk_db.wal_files, memory_order_relaxed) <= vk_db.wal_files_max ||
        sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f) != SQLITE_OK || !f ||
        f->pMethods != &methods)
        return;
    if (stored || !of(f)->written)
        give_back(of(f));
}
