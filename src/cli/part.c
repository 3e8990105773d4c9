#include "cli/part.h"

#include "cli/cli.h"
#include "cli/out.h"
#include "core/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *volatile scratch[VK_SCRATCH_MAX];

/* What SQLite may have beside a file that it has open. */
static void remove_beside(const char *path)
{
    static const char *const kinds[] = {"-wal", "-journal", "-shm"};
    char beside[PATH_MAX + 16];
    size_t n = strlen(path);
    if (n >= PATH_MAX)
        return;
    memcpy(beside, path, n);
    for (size_t i = 0; i < VK_COUNT(kinds); i++) {
        memcpy(beside + n, kinds[i], strlen(kinds[i]) + 1);
        unlink(beside);
    }
}

/* Only calls that a handler may make. */
static void on_end(int sig)
{
    for (size_t i = 0; i < VK_SCRATCH_MAX; i++)
        if (scratch[i]) {
            unlink(scratch[i]);
            remove_beside(scratch[i]);
        }
    raise(sig); /* its own action is in force again (SA_RESETHAND) */
}

static const int ends[] = {SIGINT, SIGTERM, SIGHUP};

static void note(const char *path)
{
    struct sigaction a = {.sa_handler = on_end, .sa_flags = (int)SA_RESETHAND};
    size_t i = 0;
    while (i < VK_SCRATCH_MAX && scratch[i])
        i++;
    if (i == VK_SCRATCH_MAX)
        return;
    scratch[i] = path;
    for (i = 0; i < VK_COUNT(ends); i++) {
        struct sigaction now;
        if (sigaction(ends[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
            sigaction(ends[i], &a, NULL);
    }
}

int vk_scratch_make(char *path)
{
    sigset_t held, was;
    sigemptyset(&held);
    for (size_t i = 0; i < VK_COUNT(ends); i++)
        sigaddset(&held, ends[i]);
    sigprocmask(SIG_BLOCK, &held, &was);
    int fd = mkostemp(path, O_CLOEXEC), err = errno; /* 0600 */
    if (fd >= 0)
        note(path);
    sigprocmask(SIG_SETMASK, &was, NULL);
    errno = err;
    return fd;
}

void vk_scratch_forget(const char *path)
{
    for (size_t i = 0; i < VK_SCRATCH_MAX; i++)
        if (scratch[i] == path)
            scratch[i] = NULL;
}

static int exists(const char *out)
{
    return vk_failed("conflict", "%s exists. Choose another --out, or give --force to replace it.", out);
}

int vk_part_open(vk_part *p, const char *out, bool force)
{
    struct stat st;
    *p = (vk_part){.out = out, .fd = -1, .force = force};
    if (stat(out, &st) == 0 && S_ISDIR(st.st_mode))
        return vk_failed("invalid", "%s is a folder. Give the name of a file.", out);
    if (lstat(out, &st) == 0 && !force)
        return exists(out);
    int n = snprintf(p->path, sizeof p->path, "%s.part-XXXXXX", out);
    if (n < 0 || (size_t)n >= sizeof p->path) {
        p->path[0] = '\0';
        return vk_failed("usage", "--out: the path is too long.");
    }
    p->fd = vk_scratch_make(p->path);
    if (p->fd >= 0)
        return VK_EXIT_OK;
    p->path[0] = '\0';
    return vk_failed("io", "No file can be made beside %s (%s).", out,
                     errno == ENOENT   ? "there is no such folder"
                     : errno == EACCES ? "no permission"
                     : errno == ENOSPC ? "the disk is full"
                                       : "input/output error");
}

static vk_err sync_folder(const char *out)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(out, '/');
    snprintf(folder, sizeof folder, "%.*s",
             slash == out ? 1
             : slash      ? (int)(slash - out)
                          : 1,
             slash ? out : ".");
    return vk_disk_sync_dir(AT_FDCWD, folder);
}

int vk_part_finish(vk_part *p)
{
    if (fsync(p->fd) != 0)
        return vk_failed(errno == ENOSPC ? "full" : "io", "%s could not be written to the disk%s.", p->out,
                         errno == ENOSPC ? ": it is full" : "");
    bool linked = p->force ? rename(p->path, p->out) == 0 : link(p->path, p->out) == 0;
    if (!linked && errno == EEXIST)
        return exists(p->out);
    bool renamed = p->force && linked;
    if (!linked && !p->force) /* a file system without links */
        linked = renamed = access(p->out, F_OK) != 0 && rename(p->path, p->out) == 0;
    if (!linked)
        return vk_failed("io", "The file could not be renamed to %s.", p->out);
    if (renamed)
        p->path[0] = '\0';
    if (sync_folder(p->out) != VK_OK)
        return vk_failed("io", "The folder of %s could not be written to the disk.", p->out);
    return VK_EXIT_OK;
}

void vk_part_drop(vk_part *p)
{
    if (p->fd >= 0)
        close(p->fd);
    if (p->path[0])
        unlink(p->path);
    p->fd = -1;
    p->path[0] = '\0';
    vk_scratch_forget(p->path);
}
