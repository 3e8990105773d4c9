/* A view of the files in which the secrets are covered. See user_namespaces(7), mount_namespaces(7): mounts
 * that a namespace inherits from one with more rights cannot be taken apart in it, so a second namespace is
 * entered once the covers are laid. */
#include "cli/app_fence.h"

#include "core/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAP_MAX = 4096 };

/* The certificate that the app is told to trust lies in the data folder. It is no secret. */
static const char shown_folder[] = "tls", shown_file[] = "tls/cert.pem";

static vk_err fail(char missing[VK_FENCE_WHY], vk_err e, const char *what)
{
    snprintf(missing, VK_FENCE_WHY, "%.200s: %s", what, vk_errno_text(errno));
    return e;
}

/* ---- entering a user namespace in which everybody is who he was */

static bool write_file(const char *path, const char *text, size_t n)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, n) == (ssize_t)n;
    if (fd >= 0)
        close(fd);
    return ok;
}

/* Every range of ids that there is here, to itself. */
static size_t same_ids(const char *map, char out[MAP_MAX])
{
    FILE *f = fopen(map, "re");
    size_t n = 0;
    unsigned first, outside, count;
    while (f && n + 64 < MAP_MAX && fscanf(f, "%u %u %u", &first, &outside, &count) == 3)
        n += (size_t)snprintf(out + n, MAP_MAX - n, "%u %u %u\n", first, first, count);
    if (f)
        fclose(f);
    return n;
}

/* For the process `of`, from outside: root maps all ids, others may map themselves only. */
static bool map_ids(pid_t of, uid_t uid, gid_t gid)
{
    static const struct {
        const char *from, *to;
    } maps[] = {{"/proc/self/uid_map", "/proc/%ld/uid_map"}, {"/proc/self/gid_map", "/proc/%ld/gid_map"}};
    char path[64], text[MAP_MAX];
    if (uid != 0) {
        snprintf(path, sizeof path, "/proc/%ld/setgroups", (long)of);
        if (!write_file(path, "deny", 4))
            return false;
    }
    for (size_t i = 0; i < VK_COUNT(maps); i++) {
        unsigned id = i == 0 ? uid : gid;
        size_t n = uid == 0 ? same_ids(maps[i].from, text)
                            : (size_t)snprintf(text, sizeof text, "%u %u 1\n", id, id);
        if (i == 0)
            snprintf(path, sizeof path, "/proc/%ld/uid_map", (long)of);
        else
            snprintf(path, sizeof path, "/proc/%ld/gid_map", (long)of);
        if (!write_file(path, text, n))
            return false;
    }
    return true;
}

/* A helper that stays outside writes the maps once we are in. */
static bool enter_namespace(void)
{
    int go[2], status = 1;
    char byte = 0;
    pid_t me = getpid();
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (pipe2(go, O_CLOEXEC) != 0)
        return false;
    pid_t helper = fork();
    if (helper == 0) {
        close(go[1]);
        bool in = read(go[0], &byte, 1) == 1;
        _exit(in && map_ids(me, uid, gid) ? 0 : 1);
    }
    close(go[0]);
    bool ok = helper > 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
    int err = errno;
    if (ok && write(go[1], "x", 1) != 1)
        ok = false;
    close(go[1]);
    while (helper > 0 && waitpid(helper, &status, 0) < 0 && errno == EINTR)
        continue;
    if (ok && status != 0)
        err = EPERM;
    errno = err;
    return ok && status == 0;
}

/* ---- covers */

typedef struct shown {
    char text[VK_SHOWN_MAX];
    size_t n; /* 0: there is none */
} shown;

static void read_shown(const char *data, shown *s)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", data, shown_file);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, s->text, sizeof s->text);
    s->n = n > 0 ? (size_t)n : 0;
    if (fd >= 0)
        close(fd);
}

static bool lay_folder(const char *path, const shown *s)
{
    enum { FLAGS = MS_NOSUID | MS_NODEV | MS_NOEXEC };
    if (mount("valetkey", path, "tmpfs", FLAGS, "size=128k,mode=555") != 0)
        return false;
    if (s && s->n) {
        int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
        if (dir >= 0 && mkdirat(dir, shown_folder, 0755) == 0)
            fd = openat(dir, shown_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        bool ok = fd >= 0 && write(fd, s->text, s->n) == (ssize_t)s->n;
        if (fd >= 0)
            close(fd);
        if (dir >= 0)
            close(dir);
        if (!ok)
            return false;
    }
    return mount(NULL, path, NULL, MS_REMOUNT | MS_RDONLY | FLAGS, NULL) == 0;
}

static bool lay(const char *path, const shown *s)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT;
    return S_ISDIR(st.st_mode) ? lay_folder(path, s) : mount("/dev/null", path, NULL, MS_BIND, NULL) == 0;
}

/* Root may read a disk as a whole, with everything that is covered on it. */
static bool cover_disks(void)
{
    bool ok = true;
    DIR *d = geteuid() == 0 ? opendir("/dev") : NULL;
    for (struct dirent *x; ok && d && (x = readdir(d));) {
        char path[PATH_MAX];
        struct stat st;
        snprintf(path, sizeof path, "/dev/%s", x->d_name);
        if (lstat(path, &st) == 0 && S_ISBLK(st.st_mode))
            ok = mount("/dev/null", path, NULL, MS_BIND, NULL) == 0;
    }
    if (d)
        closedir(d);
    return ok;
}

vk_err vk_app_hide(const vk_secrets *s, char missing[VK_FENCE_WHY])
{
    static shown cert;
    char here[PATH_MAX];
    mode_t before = umask(0);
    if (!getcwd(here, sizeof here))
        return fail(missing, VK_E_UNSUPPORTED, "the working folder is not known");
    read_shown(s->path[0], &cert);
    if (!enter_namespace()) {
        umask(before);
        return fail(missing, VK_E_UNSUPPORTED, "no user namespace can be made here");
    }
    vk_err e = VK_OK;
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
        e = fail(missing, VK_E_INTERNAL, "this machine lets nobody change his own view of the files");
    for (size_t i = 0; e == VK_OK && i < s->n; i++)
        if (!lay(s->path[i], i == 0 ? &cert : NULL))
            e = fail(missing, VK_E_INTERNAL, s->path[i]);
    if (e == VK_OK && !cover_disks())
        e = fail(missing, VK_E_INTERNAL, "the disks cannot be covered");
    if (e == VK_OK && !enter_namespace())
        e = fail(missing, VK_E_INTERNAL, "no second user namespace can be made here");
    if (e == VK_OK && chdir(here) != 0)
        e = fail(missing, VK_E_INTERNAL, here);
    umask(before);
    return e;
}
