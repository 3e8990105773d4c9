#include "core/disk.h"

#include "core/buf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

vk_err vk_disk_err(int err)
{
    switch (err) {
    case ENOSPC:
    case EDQUOT:
        return VK_E_FULL;
    case ENOENT:
        return VK_E_NOT_FOUND;
    case EEXIST:
        return VK_E_CONFLICT;
    case EACCES:
    case EPERM:
    case EROFS:
        return VK_E_FORBIDDEN;
    case ENOMEM:
        return VK_E_NOMEM;
    default:
        return VK_E_IO;
    }
}

/* The folder that holds `path`, as a path of its own. */
static void parent_of(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(out, PATH_MAX, ".");
    else
        snprintf(out, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

vk_err vk_disk_sync_dir(int dirfd, const char *path)
{
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return vk_disk_err(errno);
    vk_err e = fsync(fd) == 0 ? VK_OK : vk_disk_err(errno);
    close(fd);
    return e;
}

static vk_err sync_parent(int dirfd, const char *path)
{
    char parent[PATH_MAX];
    parent_of(path, parent);
    return vk_disk_sync_dir(dirfd, parent);
}

vk_err vk_disk_mkdir(int dirfd, const char *path, unsigned mode)
{
    /* An existing folder is synced too: the process that made it may have died before its own sync. */
    if (mkdirat(dirfd, path, (mode_t)mode) != 0) {
        struct stat st;
        if (errno != EEXIST || fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
            return vk_disk_err(errno);
        if (!S_ISDIR(st.st_mode))
            return VK_E_CONFLICT;
    }
    return sync_parent(dirfd, path);
}

static vk_err write_all(int fd, vk_str content)
{
    while (content.n) {
        ssize_t n = write(fd, content.p, content.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return vk_disk_err(n < 0 ? errno : EIO);
        content.p += n;
        content.n -= (size_t)n;
    }
    return VK_OK;
}

vk_err vk_disk_replace(int dirfd, const char *path, vk_str content, unsigned mode)
{
    char tmp[PATH_MAX];
    snprintf(tmp, sizeof tmp, "%s.new", path);
    if (unlinkat(dirfd, tmp, 0) != 0 && errno != ENOENT)
        return vk_disk_err(errno);
    int fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return vk_disk_err(errno);
    vk_err e = write_all(fd, content);
    if (e == VK_OK && fsync(fd) != 0)
        e = vk_disk_err(errno);
    close(fd);
    if (e == VK_OK && renameat(dirfd, tmp, dirfd, path) != 0)
        e = vk_disk_err(errno);
    if (e != VK_OK) {
        unlinkat(dirfd, tmp, 0);
        return e;
    }
    return sync_parent(dirfd, path);
}

vk_err vk_disk_begin(int dirfd, const char *path, unsigned mode, int *fd_r)
{
    int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return vk_disk_err(errno);
    *fd_r = fd;
    return VK_OK;
}

vk_err vk_disk_add(int fd, vk_str piece)
{
    return write_all(fd, piece);
}

vk_err vk_disk_end(int fd)
{
    vk_err e = fsync(fd) == 0 ? VK_OK : vk_disk_err(errno);
    return close(fd) == 0 || e != VK_OK ? e : vk_disk_err(errno);
}

vk_err vk_disk_read(int dirfd, const char *path, size_t max, vk_buf *out)
{
    /* Without O_NONBLOCK a pipe that somebody put there would hold us up for ever. */
    int fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return vk_disk_err(errno);
    vk_err e = VK_OK;
    size_t left = max;
    for (;;) {
        /* One byte more than may come shows a file that is too large. */
        char piece[4096];
        size_t want = left < sizeof piece ? left + 1 : sizeof piece;
        ssize_t n = read(fd, piece, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0 && (size_t)n <= left)
            vk_buf_add(out, piece, (size_t)n);
        e = n < 0 ? vk_disk_err(errno) : (size_t)n > left ? VK_E_TOO_LARGE : out->err;
        vk_wipe(piece, n > 0 ? (size_t)n : 0);
        if (n <= 0 || e != VK_OK)
            break;
        left -= (size_t)n;
    }
    close(fd);
    return e;
}

/* `fd` is given away. Links are removed, not followed. */
static vk_err empty_dir(int fd, int deep)
{
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return VK_E_NOMEM;
    }
    vk_err e = VK_OK;
    for (struct dirent *x; e == VK_OK && (x = readdir(d));) {
        if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0 || unlinkat(fd, x->d_name, 0) == 0 ||
            errno == ENOENT)
            continue;
        e = vk_disk_err(errno);
        int sub = errno == EISDIR && deep > 1
                      ? openat(fd, x->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                      : -1;
        if (sub >= 0)
            e = empty_dir(sub, deep - 1);
        if (sub >= 0 && e == VK_OK && unlinkat(fd, x->d_name, AT_REMOVEDIR) != 0 && errno != ENOENT)
            e = vk_disk_err(errno);
    }
    closedir(d);
    return e;
}

vk_err vk_disk_empty_dir(int dirfd, const char *path)
{
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? VK_OK : vk_disk_err(errno);
    return empty_dir(fd, VK_DISK_DEEP + 1);
}

vk_err vk_disk_remove_dir(int dirfd, const char *path)
{
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? VK_OK : vk_disk_err(errno);
    vk_err e = empty_dir(fd, VK_DISK_DEEP);
    if (e == VK_OK && unlinkat(dirfd, path, AT_REMOVEDIR) != 0 && errno != ENOENT)
        e = vk_disk_err(errno);
    return e == VK_OK ? sync_parent(dirfd, path) : e;
}

static vk_err copy_all(int in, int out)
{
    enum { PIECE = 64 * 1024 };
    char *piece = malloc(PIECE);
    vk_err e = piece ? VK_OK : VK_E_NOMEM;
    while (e == VK_OK) {
        ssize_t n = read(in, piece, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            e = vk_disk_err(errno);
        if (n <= 0)
            break;
        e = write_all(out, (vk_str){piece, (size_t)n});
    }
    free(piece);
    return e;
}

vk_err vk_disk_copy(int dirfd, const char *from, const char *to, unsigned mode)
{
    int in = openat(dirfd, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (in < 0)
        return vk_disk_err(errno);
    int out = openat(dirfd, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, (mode_t)mode);
    if (out < 0) {
        vk_err e = vk_disk_err(errno);
        close(in);
        return e;
    }
    vk_err e = copy_all(in, out);
    if (e == VK_OK && fsync(out) != 0)
        e = vk_disk_err(errno);
    close(in);
    close(out);
    if (e != VK_OK)
        unlinkat(dirfd, to, 0);
    return e;
}

vk_err vk_disk_move(int dirfd, const char *from, const char *to, bool *moved_r)
{
    *moved_r = false;
    int fd = openat(dirfd, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return vk_disk_err(errno);
    vk_err e = fsync(fd) == 0 ? VK_OK : vk_disk_err(errno);
    close(fd);
    if (e == VK_OK && renameat(dirfd, from, dirfd, to) != 0)
        e = vk_disk_err(errno);
    if (e != VK_OK)
        return e;
    *moved_r = true;
    e = sync_parent(dirfd, to);
    vk_err left = sync_parent(dirfd, from);
    return e == VK_OK ? left : e;
}

vk_err vk_disk_link(int dirfd, const char *from, const char *to)
{
    if (linkat(dirfd, from, dirfd, to, 0) == 0)
        return sync_parent(dirfd, to);
    return errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK || errno == ENOSYS ? VK_E_UNSUPPORTED
                                                                                       : vk_disk_err(errno);
}

vk_err vk_disk_sync(int fd)
{
    return fdatasync(fd) == 0 ? VK_OK : vk_disk_err(errno);
}

vk_err vk_disk_continue(int dirfd, const char *path, int *fd_r)
{
    int fd = openat(dirfd, path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP ? VK_E_CONFLICT : vk_disk_err(errno);
    *fd_r = fd;
    return VK_OK;
}

vk_err vk_disk_allocate(int fd, int64_t at, int64_t n)
{
    int r;
    do
        r = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)n);
    while (r != 0 && errno == EINTR);
    if (r == 0)
        return VK_OK;
    return errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL ? VK_E_UNSUPPORTED : vk_disk_err(errno);
}

vk_err vk_disk_trim(int fd, int64_t size)
{
    return ftruncate(fd, (off_t)size) == 0 ? VK_OK : vk_disk_err(errno);
}

/* Where the kernel cannot copy between these two files. */
static vk_err append_by_reading(int out, int in, int64_t at, int64_t n)
{
    enum { PIECE = 64 * 1024 };
    char *piece = malloc(PIECE);
    vk_err e = piece ? VK_OK : VK_E_NOMEM;
    while (e == VK_OK && n > 0) {
        ssize_t got = pread(in, piece, n < PIECE ? (size_t)n : PIECE, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        e = got < 0 ? vk_disk_err(errno) : got == 0 ? VK_E_CORRUPT : VK_OK;
        if (e == VK_OK)
            e = write_all(out, (vk_str){piece, (size_t)got});
        at += got;
        n -= got;
    }
    free(piece);
    return e;
}

vk_err vk_disk_append_from(int out, int in, int64_t at, int64_t n)
{
    enum { STEP = 1 << 30 };
    while (n > 0) {
        off64_t from = at;
        ssize_t got = copy_file_range(in, &from, out, NULL, n < STEP ? (size_t)n : STEP, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == ENOSYS || errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP))
            return append_by_reading(out, in, at, n);
        if (got <= 0)
            return got < 0 ? vk_disk_err(errno) : VK_E_CORRUPT;
        at += got;
        n -= got;
    }
    return VK_OK;
}

vk_err vk_disk_unlink(int dirfd, const char *path)
{
    return unlinkat(dirfd, path, 0) == 0 || errno == ENOENT ? VK_OK : vk_disk_err(errno);
}

vk_err vk_disk_remove(int dirfd, const char *path)
{
    if (unlinkat(dirfd, path, 0) != 0 && errno != ENOENT)
        return vk_disk_err(errno);
    return sync_parent(dirfd, path);
}
