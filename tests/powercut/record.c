/* Records what a program does to the files below one folder, for the power-cut test: loaded with LD_PRELOAD,
 * it appends one record a call to $VK_RECORD_LOG for every call that changes a file, a folder or what of them
 * is durable, when the file lies below $VK_RECORD_ROOT. tests/powercut/log.py reads the records.
 *
 * Safe in forked children and threads: the only state is the log's file descriptor and the root, both set
 * once before main; every record is one write(2) to an O_APPEND file. Times are CLOCK_MONOTONIC, taken around
 * the call, so that the reader can tell what was surely before what. VK_RECORD_SYNC_DELAY_US stretches the
 * end of every sync, to catch an answer that does not wait for it. Calls that the model does not know are
 * recorded as OP_UNMODELLED, and the test then fails. */
/* This file defines `open` and `open64` alike, so none may be an alias or an inline of the headers. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum op {
    OP_OPEN = 1,  /* a: flags, b: existed before, ino */
    OP_WRITE,     /* a: offset, data */
    OP_TRUNCATE,  /* a: length */
    OP_FSYNC,     /* a: who asked for it, enum asker; a file */
    OP_FDATASYNC, /* as OP_FSYNC */
    OP_DIRSYNC,   /* as OP_FSYNC; a folder */
    OP_RENAME,    /* path, path2 */
    OP_UNLINK,    /* path */
    OP_MKDIR,     /* path */
    OP_RMDIR,     /* path */
    OP_LINK,      /* path, path2 */
    OP_ALLOCATE,  /* a: offset, b: length: the file grows with zeros */
    OP_UNMODELLED,
};

enum { MAGIC = 0x564b5243, LOG_FD_LOWEST = 700 };

/* Little endian on every machine this runs on; followed by path, path2 and data. */
struct record {
    uint32_t magic, total;
    uint32_t op, pid;
    uint64_t start_ns, end_ns, ino;
    int64_t a, b;
    uint32_t n_path, n_path2, n_data, tid;
};

static int log_fd = -1;
static ino_t log_ino;
static char log_path[PATH_MAX], root[PATH_MAX];
static size_t root_n;
static long sync_delay_us;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void open_log(void)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    log_fd = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, LOG_FD_LOWEST);
    if (log_fd < 0)
        log_fd = fd;
    else
        syscall(SYS_close, fd);
    struct stat st;
    if (fstat(log_fd, &st) == 0)
        log_ino = st.st_ino;
}

__attribute__((constructor)) static void start(void)
{
    const char *r = getenv("VK_RECORD_ROOT"), *l = getenv("VK_RECORD_LOG"),
               *d = getenv("VK_RECORD_SYNC_DELAY_US");
    if (!r || !l || !realpath(r, root))
        return;
    root_n = strlen(root);
    snprintf(log_path, sizeof log_path, "%s", l);
    sync_delay_us = d ? atol(d) : 0;
    open_log();
    void *first[2];
    backtrace(first, 2); /* loads what it needs while there is one thread */
}

/* "<root>/x/y" → "x/y", the root itself → "", anything else → NULL. */
static const char *below_root(const char *path)
{
    if (!root_n || strncmp(path, root, root_n) != 0)
        return NULL;
    if (path[root_n] == '\0')
        return path + root_n;
    return path[root_n] == '/' ? path + root_n + 1 : NULL;
}

/* A process that closed all it did not know took the log with it: open it again. */
static bool log_ready(void)
{
    struct stat st;
    if (log_fd >= 0 && fstat(log_fd, &st) == 0 && st.st_ino == log_ino)
        return true;
    if (!root_n)
        return false;
    open_log();
    return log_fd >= 0;
}

static void put(struct record *r, const char *path, const char *path2, const struct iovec *data, int n_data)
{
    int saved = errno;
    struct iovec v[3 + 1024];
    size_t total = sizeof *r;
    if (!log_ready())
        abort(); /* a record that is lost would prove nothing */
    r->magic = MAGIC;
    r->pid = (uint32_t)syscall(SYS_getpid);
    r->tid = (uint32_t)syscall(SYS_gettid);
    r->n_path = (uint32_t)strlen(path);
    r->n_path2 = path2 ? (uint32_t)strlen(path2) : 0;
    r->n_data = 0;
    v[0] = (struct iovec){r, sizeof *r};
    v[1] = (struct iovec){(void *)(uintptr_t)path, r->n_path};
    v[2] = (struct iovec){(void *)(uintptr_t)path2, r->n_path2};
    for (int i = 0; i < n_data && i < 1024; i++) {
        v[3 + i] = data[i];
        r->n_data += (uint32_t)data[i].iov_len;
    }
    total += r->n_path + r->n_path2 + r->n_data;
    r->total = (uint32_t)total;
    if (syscall(SYS_writev, log_fd, v, 3 + n_data) != (long)total)
        abort();
    errno = saved;
}

/* The path of an open file below the root into `out`; NULL when it is elsewhere or not a file or folder. */
static const char *fd_path(int fd, char out[PATH_MAX], struct stat *st_r)
{
    char link[64];
    if (!root_n || fd == log_fd || fstat(fd, st_r) != 0 ||
        !(S_ISREG(st_r->st_mode) || S_ISDIR(st_r->st_mode)))
        return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, PATH_MAX - 1);
    if (n <= 0)
        return NULL;
    out[n] = '\0';
    return below_root(out);
}

/* The real place of `path` seen from `dirfd`, whose last part need not exist; NULL when it is not below the
 * root. */
static const char *at_path(int dirfd, const char *path, char out[PATH_MAX])
{
    char whole[2 * PATH_MAX], folder[PATH_MAX];
    if (!root_n || !path)
        return NULL;
    if (path[0] == '/' || dirfd == AT_FDCWD)
        snprintf(whole, sizeof whole, "%s", path);
    else
        snprintf(whole, sizeof whole, "/proc/self/fd/%d/%s", dirfd, path);
    for (size_t n = strlen(whole); n > 1 && whole[n - 1] == '/'; n--)
        whole[n - 1] = '\0';
    char *slash = strrchr(whole, '/');
    const char *name = slash ? slash + 1 : whole;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return realpath(whole, out) ? below_root(out) : NULL;
    if (slash == whole)
        return NULL;
    if (slash)
        *slash = '\0';
    if (!realpath(slash ? whole : ".", folder))
        return NULL;
    if (snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        return NULL;
    return below_root(out);
}

enum asker { BY_PROGRAM, BY_SQLITE, BY_PROGRAM_THROUGH_SQLITE };

/* Whose idea a sync was. SQLite's own come from deep inside it; a program that calls xSync of a file of
 * SQLite's is one or two frames away. */
__attribute__((noinline)) static enum asker who_asks(void)
{
    enum { SKIP = 3, DEEP = 2 }; /* this function, do_sync and fsync */
    void *frames[SKIP + DEEP + 1];
    Dl_info where;
    int n = backtrace(frames, SKIP + DEEP + 1), inside = 0;
    for (int i = SKIP; i < n; i++) {
        if (!dladdr(frames[i], &where) || !where.dli_fname || !strstr(where.dli_fname, "sqlite"))
            return inside ? BY_PROGRAM_THROUGH_SQLITE : BY_PROGRAM;
        inside++;
    }
    return BY_SQLITE;
}

/* ---- open ---- */

static int do_open(int dirfd, const char *path, int flags, mode_t mode)
{
    char full[PATH_MAX];
    int saved = errno;
    const char *p = flags & (O_CREAT | O_TRUNC) ? at_path(dirfd, path, full) : NULL;
    struct stat st;
    bool existed = p && fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (p && (flags & O_TMPFILE) == O_TMPFILE)
        p = NULL; /* never has a name */
    errno = saved;
    struct record r = {.op = OP_OPEN, .start_ns = now_ns(), .a = flags, .b = existed};
    int fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
    if (fd >= 0 && p && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        r.end_ns = now_ns();
        r.ino = st.st_ino;
        put(&r, p, NULL, NULL, 0);
    }
    return fd;
}

#define MODE_OF(flags)                                                                                       \
    mode_t mode = 0;                                                                                         \
    if ((flags)&O_CREAT || ((flags)&O_TMPFILE) == O_TMPFILE) {                                               \
        va_list ap;                                                                                          \
        va_start(ap, flags);                                                                                 \
        mode = va_arg(ap, mode_t);                                                                           \
        va_end(ap);                                                                                          \
    }

int open(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return do_open(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return do_open(AT_FDCWD, path, flags, mode);
}

int openat(int dirfd, const char *path, int flags, ...)
{
    MODE_OF(flags)
    return do_open(dirfd, path, flags, mode);
}

int openat64(int dirfd, const char *path, int flags, ...)
{
    MODE_OF(flags)
    return do_open(dirfd, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return do_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int creat64(const char *path, mode_t mode)
{
    return do_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* What a program built with _FORTIFY_SOURCE calls. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);

int __open_2(const char *path, int flags)
{
    return do_open(AT_FDCWD, path, flags, 0);
}

int __open64_2(const char *path, int flags)
{
    return do_open(AT_FDCWD, path, flags, 0);
}

int __openat_2(int dirfd, const char *path, int flags)
{
    return do_open(dirfd, path, flags, 0);
}

int __openat64_2(int dirfd, const char *path, int flags)
{
    return do_open(dirfd, path, flags, 0);
}

/* stdio opens files behind our back. */
FILE *fopen(const char *path, const char *mode)
{
    static FILE *(*real)(const char *, const char *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fopen");
    char full[PATH_MAX];
    const char *p = strpbrk(mode, "wa+") ? at_path(AT_FDCWD, path, full) : NULL;
    if (p) {
        struct record r = {.op = OP_UNMODELLED, .start_ns = now_ns(), .end_ns = now_ns()};
        put(&r, p, "fopen", NULL, 0);
    }
    return real(path, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
    return fopen(path, mode);
}

/* ---- write ---- */

static void wrote(int fd, const char *p, const struct stat *st, uint64_t start, off_t at,
                  const struct iovec *v, int n, ssize_t done)
{
    struct iovec part[1024];
    int parts = 0;
    size_t left = (size_t)done;
    for (int i = 0; i < n && left; i++) {
        part[parts] = v[i];
        if (part[parts].iov_len > left)
            part[parts].iov_len = left;
        left -= part[parts++].iov_len;
    }
    struct record r = {.op = OP_WRITE, .start_ns = start, .end_ns = now_ns(), .ino = st->st_ino, .a = at};
    (void)fd;
    put(&r, p, NULL, part, parts);
}

/* `at` < 0: the file's own position. */
static ssize_t do_write(int fd, const struct iovec *v, int n, off_t at)
{
    char path[PATH_MAX];
    struct stat st;
    const char *p = fd_path(fd, path, &st);
    off_t where = at;
    if (p && at < 0) {
        long flags = syscall(SYS_fcntl, fd, F_GETFL);
        where = flags & O_APPEND ? st.st_size : (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    }
    uint64_t start_ns = now_ns();
    ssize_t done;
    if (n == 1)
        done = at < 0 ? syscall(SYS_write, fd, v[0].iov_base, v[0].iov_len)
                      : syscall(SYS_pwrite64, fd, v[0].iov_base, v[0].iov_len, at);
    else
        done = at < 0 ? syscall(SYS_writev, fd, v, n) : syscall(SYS_pwritev, fd, v, n, at, 0);
    if (p && done > 0)
        wrote(fd, p, &st, start_ns, where, v, n, done);
    return done;
}

ssize_t write(int fd, const void *data, size_t n)
{
    struct iovec v = {(void *)(uintptr_t)data, n};
    return do_write(fd, &v, 1, -1);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    struct iovec v = {(void *)(uintptr_t)data, n};
    return do_write(fd, &v, 1, at);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
    return pwrite(fd, data, n, at);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    return do_write(fd, v, n, -1);
}

ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    return do_write(fd, v, n, at);
}

ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t at)
{
    return do_write(fd, v, n, at);
}

/* A write of what lies at the source. */
ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags)
{
    char path[PATH_MAX];
    struct stat st;
    const char *p = fd_path(out, path, &st);
    off_t from = in_at ? *in_at : (off_t)syscall(SYS_lseek, in, 0, SEEK_CUR);
    off_t where = out_at ? *out_at : (off_t)syscall(SYS_lseek, out, 0, SEEK_CUR);
    uint64_t start_ns = now_ns();
    ssize_t done = syscall(SYS_copy_file_range, in, in_at, out, out_at, n, flags);
    if (!p || done <= 0)
        return done;
    void *copied = malloc((size_t)done);
    struct iovec v = {copied, (size_t)done};
    if (!copied || syscall(SYS_pread64, in, copied, (size_t)done, from) != done)
        abort(); /* a record that is lost would prove nothing */
    wrote(out, p, &st, start_ns, where, &v, 1, done);
    free(copied);
    return done;
}

static int do_truncate(int fd, off_t length)
{
    char path[PATH_MAX];
    struct stat st;
    const char *p = fd_path(fd, path, &st);
    struct record r = {.op = OP_TRUNCATE, .start_ns = now_ns(), .a = length};
    int rc = (int)syscall(SYS_ftruncate, fd, length);
    if (p && rc == 0) {
        r.end_ns = now_ns();
        r.ino = st.st_ino;
        put(&r, p, NULL, NULL, 0);
    }
    return rc;
}

int ftruncate(int fd, off_t length)
{
    return do_truncate(fd, length);
}

int ftruncate64(int fd, off64_t length)
{
    return do_truncate(fd, length);
}

static int do_allocate(int fd, int mode, off_t at, off_t n)
{
    char path[PATH_MAX];
    struct stat st;
    const char *p = fd_path(fd, path, &st);
    struct record r = {.op = mode == 0 ? OP_ALLOCATE : OP_UNMODELLED, .start_ns = now_ns(), .a = at, .b = n};
    int rc = (int)syscall(SYS_fallocate, fd, mode, at, n);
    if (p && rc == 0 && mode != FALLOC_FL_KEEP_SIZE) { /* that changes nothing that can be read */
        r.end_ns = now_ns();
        r.ino = st.st_ino;
        put(&r, p, mode == 0 ? NULL : "fallocate", NULL, 0);
    }
    return rc;
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
    return do_allocate(fd, mode, at, n);
}

int fallocate64(int fd, int mode, off64_t at, off64_t n)
{
    return do_allocate(fd, mode, at, n);
}

int posix_fallocate(int fd, off_t at, off_t n)
{
    return do_allocate(fd, 0, at, n) == 0 ? 0 : errno;
}

int posix_fallocate64(int fd, off64_t at, off64_t n)
{
    return posix_fallocate(fd, at, n);
}

/* ---- sync ---- */

__attribute__((noinline)) static int do_sync(int fd, enum op op)
{
    char path[PATH_MAX];
    struct stat st;
    const char *p = fd_path(fd, path, &st);
    enum asker who = p ? who_asks() : BY_PROGRAM;
    struct record r = {.start_ns = now_ns()};
    int rc = (int)syscall(op == OP_FDATASYNC ? SYS_fdatasync : SYS_fsync, fd);
    if (p && rc == 0) {
        if (sync_delay_us) {
            struct timespec wait = {0, sync_delay_us * 1000};
            nanosleep(&wait, NULL);
        }
        r.op = S_ISDIR(st.st_mode) ? OP_DIRSYNC : op;
        r.end_ns = now_ns();
        r.ino = st.st_ino;
        r.a = (int64_t)who;
        put(&r, p, NULL, NULL, 0);
    }
    return rc;
}

int fsync(int fd)
{
    int rc = do_sync(fd, OP_FSYNC);
    __asm__ volatile("" ::: "memory"); /* no tail call: who_asks counts frames */
    return rc;
}

int fdatasync(int fd)
{
    int rc = do_sync(fd, OP_FDATASYNC);
    __asm__ volatile("" ::: "memory");
    return rc;
}

/* ---- names ---- */

static int one_name(enum op op, int dirfd, const char *path, long rc_of(int, const char *, long), long arg)
{
    char full[PATH_MAX];
    int saved = errno;
    const char *p = at_path(dirfd, path, full);
    errno = saved;
    struct record r = {.op = op, .start_ns = now_ns(), .a = arg};
    int rc = (int)rc_of(dirfd, path, arg);
    if (p && rc == 0) {
        r.end_ns = now_ns();
        put(&r, p, NULL, NULL, 0);
    }
    return rc;
}

static long sys_unlinkat(int dirfd, const char *path, long flags)
{
    return syscall(SYS_unlinkat, dirfd, path, flags);
}

static long sys_mkdirat(int dirfd, const char *path, long mode)
{
    return syscall(SYS_mkdirat, dirfd, path, mode);
}

int unlink(const char *path)
{
    return one_name(OP_UNLINK, AT_FDCWD, path, sys_unlinkat, 0);
}

int unlinkat(int dirfd, const char *path, int flags)
{
    return one_name(flags & AT_REMOVEDIR ? OP_RMDIR : OP_UNLINK, dirfd, path, sys_unlinkat, flags);
}

int rmdir(const char *path)
{
    return one_name(OP_RMDIR, AT_FDCWD, path, sys_unlinkat, AT_REMOVEDIR);
}

int remove(const char *path)
{
    struct stat st;
    if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    return S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path);
}

int mkdir(const char *path, mode_t mode)
{
    return one_name(OP_MKDIR, AT_FDCWD, path, sys_mkdirat, (long)mode);
}

int mkdirat(int dirfd, const char *path, mode_t mode)
{
    return one_name(OP_MKDIR, dirfd, path, sys_mkdirat, (long)mode);
}

static int two_names(enum op op, int d1, const char *p1, int d2, const char *p2, unsigned flags)
{
    char f1[PATH_MAX], f2[PATH_MAX];
    int saved = errno;
    const char *a = at_path(d1, p1, f1), *b = at_path(d2, p2, f2);
    errno = saved;
    struct record r = {.op = op, .start_ns = now_ns(), .a = flags};
    int rc = (int)(op == OP_LINK ? syscall(SYS_linkat, d1, p1, d2, p2, flags)
                                 : syscall(SYS_renameat2, d1, p1, d2, p2, flags));
    if (rc == 0 && (a || b)) {
        r.end_ns = now_ns();
        if (!a || !b || (op == OP_RENAME && flags > 1)) /* across the root's edge, or an exchange */
            r.op = OP_UNMODELLED;
        put(&r, a ? a : "", b ? b : "", NULL, 0);
    }
    return rc;
}

int rename(const char *from, const char *to)
{
    return two_names(OP_RENAME, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int d1, const char *from, int d2, const char *to)
{
    return two_names(OP_RENAME, d1, from, d2, to, 0);
}

int renameat2(int d1, const char *from, int d2, const char *to, unsigned flags)
{
    return two_names(OP_RENAME, d1, from, d2, to, flags);
}

int link(const char *from, const char *to)
{
    return two_names(OP_LINK, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int d1, const char *from, int d2, const char *to, int flags)
{
    return two_names(OP_LINK, d1, from, d2, to, (unsigned)flags);
}

/* ---- what the model does not know ---- */

static void unmodelled(int fd, const char *what)
{
    char path[PATH_MAX];
    struct stat st;
    const char *p = fd_path(fd, path, &st);
    if (!p)
        return;
    struct record r = {.op = OP_UNMODELLED, .start_ns = now_ns(), .end_ns = now_ns(), .ino = st.st_ino};
    put(&r, p, what, NULL, 0);
}

ssize_t sendfile(int out, int in, off_t *at, size_t n)
{
    unmodelled(out, "sendfile");
    return syscall(SYS_sendfile, out, in, at, n);
}

ssize_t sendfile64(int out, int in, off64_t *at, size_t n)
{
    return sendfile(out, in, at, n);
}

int sync_file_range(int fd, off64_t at, off64_t n, unsigned flags)
{
    unmodelled(fd, "sync_file_range");
    return (int)syscall(SYS_sync_file_range, fd, at, n, flags);
}

int syncfs(int fd)
{
    unmodelled(fd, "syncfs");
    return (int)syscall(SYS_syncfs, fd);
}

void sync(void)
{
    if (root_n) {
        struct record r = {.op = OP_UNMODELLED, .start_ns = now_ns(), .end_ns = now_ns()};
        put(&r, "", "sync", NULL, 0);
    }
    syscall(SYS_sync);
}

/* A shared writable mapping changes a file unseen. SQLite's -shm is one: it is rebuilt after a cut, so it is
 * let be. */
static void *do_mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
    if (fd >= 0 && (flags & MAP_SHARED) && (prot & PROT_WRITE)) {
        char path[PATH_MAX];
        struct stat st;
        const char *p = fd_path(fd, path, &st);
        size_t len = p ? strlen(p) : 0;
        if (p && !(len > 4 && strcmp(p + len - 4, "-shm") == 0))
            unmodelled(fd, "mmap");
    }
    return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, off);
}

void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
    return do_mmap(at, n, prot, flags, fd, off);
}

void *mmap64(void *at, size_t n, int prot, int flags, int fd, off64_t off)
{
    return do_mmap(at, n, prot, flags, fd, off);
}
