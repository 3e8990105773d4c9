#include "daemon/daemon.h"
#include "daemon/resume.h"

#include "core/clock.h"
#include "core/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LOCK_STEP_MS = 5,
    LOCK_WAIT_MS = 300,
    LOCK_WAIT_DYING_MS = 3000,
    DATA_PATH_MAX = 400, /* SQLite takes 512 in all */
};

/* ---- the folder */

/* A folder with other people's files in it would be closed to them and mixed with ours: that is a typing
 * error. */
static bool looks_foreign(int data_fd)
{
    static const char *const ours[] = {
        "lock",          "valetkey.db",       "vault", "admin.token", "admin.token.new",
        "metrics.token", "metrics.token.new", "audit"}; /* any may be the only one after a power cut */
    bool other = false;
    int fd = openat(data_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *x; d && (x = readdir(d));) {
        const char *n = x->d_name;
        if (strcmp(n, ".") == 0 || strcmp(n, "..") == 0 || strcmp(n, "lost+found") == 0)
            continue;
        for (size_t i = 0; i < VK_COUNT(ours); i++)
            if (strcmp(n, ours[i]) == 0) {
                closedir(d);
                return false;
            }
        other = true;
    }
    if (d)
        closedir(d);
    return other;
}

static vk_err open_folder(vk_daemon *d, char why[VK_WHY_MAX])
{
    const char *path = d->config->data;
    struct stat st;
    vk_err e = vk_disk_mkdir(AT_FDCWD, path, 0700);
    if (e == VK_E_NOT_FOUND)
        return vk_say(why, e,
                      "The data folder %.400s cannot be made: the folder above it does not exist. Make that "
                      "one, or name another with --data.",
                      path);
    if (e == VK_E_FULL)
        return vk_say(
            why, e,
            "The disk is full: the data folder %.400s could not be made. Free some space and start again.",
            path);
    if (e != VK_OK && access(path, F_OK) != 0)
        return vk_say(why, e, "The data folder %.400s cannot be made: %s. Name another with --data.", path,
                      vk_errno_text(errno));
    d->data_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->data_fd < 0)
        return vk_say(why, VK_E_IO, "The data folder %.400s cannot be opened: %s. Name another with --data.",
                      path, vk_errno_text(errno));
    if (!realpath(path, d->data_dir) || strlen(d->data_dir) > DATA_PATH_MAX)
        return vk_say(
            why, VK_E_INVALID,
            "The path of the data folder %.400s is longer than %d characters. Name another with --data.",
            path, DATA_PATH_MAX);
    if (fstat(d->data_fd, &st) != 0)
        return vk_say(why, VK_E_IO, "The data folder %.400s cannot be read: %s.", path, vk_errno_text(errno));
    bool given = d->owners.root && st.st_uid == d->owners.of[VK_FRONT].uid;
    if (st.st_uid != geteuid() && !given)
        return vk_say(why, VK_E_FORBIDDEN,
                      "The data folder %.400s belongs to the user with id %u, and this program runs as %u. "
                      "Start it as that user, or name another folder with --data.",
                      d->data_dir, (unsigned)st.st_uid, (unsigned)geteuid());
    if (looks_foreign(d->data_fd))
        return vk_say(
            why, VK_E_CONFLICT,
            "%.400s holds files that are not of valetkey. Name a new or an empty folder with --data.",
            d->data_dir);
    if (st.st_mode & 077) {
        if (fchmod(d->data_fd, 0700) != 0)
            return vk_say(why, VK_E_FORBIDDEN,
                          "The data folder %.400s is open to others and cannot be closed to them: %s.",
                          d->data_dir, vk_errno_text(errno));
        vk_log(VK_WARN, "the data folder was open to others; it is now open to its owner only",
               VK_F(folder, d->data_dir));
    }
    return VK_OK;
}

/* ---- the lock */

static long lock_holder(int fd)
{
    char text[16] = "";
    int64_t pid = 0;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        n--;
    if (n <= 0 || vk_str_to_i64((vk_str){text, (size_t)n}, &pid) != VK_OK)
        return 0;
    return (long)pid;
}

static void nap_ms(long ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000};
    nanosleep(&t, NULL);
}

/* A supervisor that was killed leaves children that are on their way out; they hold the lock until they are
 * gone. */
static vk_err take_lock(vk_daemon *d, char why[VK_WHY_MAX])
{
    d->lock_fd = openat(d->data_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (d->lock_fd < 0)
        return vk_say(why, vk_disk_err(errno),
                      errno == ENOSPC ? "The disk is full: the lock in %.400s could not be made: %s."
                                      : "The lock in %.400s cannot be opened: %s.",
                      d->data_dir, vk_errno_text(errno));
    int64_t begun = vk_clock_mono_ms();
    while (flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return vk_say(why, VK_E_IO, "The lock in %.400s cannot be taken: %s.", d->data_dir,
                          vk_errno_text(errno));
        long pid = lock_holder(d->lock_fd);
        bool dying = pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
        int64_t waited = vk_clock_mono_ms() - begun;
        if (waited > (dying ? LOCK_WAIT_DYING_MS : LOCK_WAIT_MS)) {
            if (pid > 0)
                return vk_say(why, VK_E_CONFLICT,
                              "A daemon with process id %ld is already running on %.400s. Use it, stop it, "
                              "or name another folder with --data.",
                              pid, d->data_dir);
            return vk_say(why, VK_E_CONFLICT,
                          "Another daemon is already running on %.400s. Use it, stop it, or name another "
                          "folder with --data.",
                          d->data_dir);
        }
        d->had_to_wait = true;
        nap_ms(LOCK_STEP_MS);
    }
    /* Fixed width: written over an old one it needs no new block, so a full disk does not matter. */
    char text[16];
    int n = snprintf(text, sizeof text, "%-10ld\n", (long)getpid());
    if (pwrite(d->lock_fd, text, (size_t)n, 0) != n)
        return vk_say(
            why, vk_disk_err(errno),
            "The lock in %.400s cannot be written: %s. Free some space and start again; nothing was lost.",
            d->data_dir, vk_errno_text(errno));
    return VK_OK;
}

/* The lock that the program of before the restart has taken: if the folder is still that one. */
static vk_err keep_lock(vk_daemon *d, char why[VK_WHY_MAX])
{
    struct stat ours, there;
    d->lock_fd = d->resume->lock_fd;
    if (fstat(d->lock_fd, &ours) == 0 && fstatat(d->data_fd, "lock", &there, AT_SYMLINK_NOFOLLOW) == 0 &&
        ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
        return VK_OK;
    return vk_say(
        why, VK_E_CONFLICT,
        "A restart cannot change the data folder, and %.400s is not the one that is in use. Stop the "
        "daemon and start it again.",
        d->data_dir);
}

vk_err vk_datadir_open(vk_daemon *d, char why[VK_WHY_MAX])
{
    vk_err e = open_folder(d, why);
    if (e == VK_OK)
        e = d->resume ? keep_lock(d, why) : take_lock(d, why);
    return e == VK_OK ? vk_tokens_open(d, why) : e;
}
