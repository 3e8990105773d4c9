#include "cli/app_fence.h"

#include "core/log.h"
#include "daemon/landlock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what must not be seen */

/* Ways to have somebody outside start a program. `%s`: the user's folder in /run. */
static const char *const doors[] = {
    "%s/bus",           "%s/systemd",  "%s/docker.sock",  "%s/podman",
    "/run/docker.sock", "/run/podman", "/run/containerd",
};
static const char *const doors_of_root[] = {"/run/systemd/private", "/run/dbus/system_bus_socket"};

void vk_secrets_add(vk_secrets *s, const char *path)
{
    char real[PATH_MAX];
    if (s->n == VK_SECRETS_MAX || !realpath(path, real))
        return; /* what is not there needs no cover */
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->path[i], real) == 0)
            return;
    memcpy(s->path[s->n++], real, sizeof real);
}

/* Its folder has the user's name where nobody says otherwise; $TMUX is "SOCKET,PID,N". */
static void add_tmux(vk_secrets *s)
{
    char path[PATH_MAX];
    const char *dir = getenv("TMUX_TMPDIR"), *mine = getenv("TMUX");
    snprintf(path, sizeof path, "/tmp/tmux-%u", (unsigned)geteuid());
    vk_secrets_add(s, path);
    if (dir && dir[0] == '/') {
        snprintf(path, sizeof path, "%.4000s/tmux-%u", dir, (unsigned)geteuid());
        vk_secrets_add(s, path);
    }
    if (mine && mine[0] == '/') {
        snprintf(path, sizeof path, "%.*s", (int)strcspn(mine, ","), mine);
        vk_secrets_add(s, path);
    }
}

/* A socket that a variable names, where it may be anywhere. */
static void add_address(vk_secrets *s, const char *text, const char *before, const char *until)
{
    char path[PATH_MAX];
    size_t n = strlen(before);
    if (!text || strncmp(text, before, n) != 0)
        return;
    snprintf(path, sizeof path, "%.*s", (int)(until[0] ? strcspn(text + n, until) : strlen(text + n)),
             text + n);
    if (path[0] == '/')
        vk_secrets_add(s, path);
}

vk_err vk_secrets_list(const char *data, const char *key_source, vk_secrets *out_r)
{
    char path[PATH_MAX + 32], run[PATH_MAX];
    const char *runtime = getenv("XDG_RUNTIME_DIR"), *key = strchr(key_source, '/');
    out_r->n = 0;
    vk_secrets_add(out_r, data);
    if (out_r->n == 0)
        return VK_E_NOT_FOUND;
    snprintf(path, sizeof path, "%s.key", out_r->path[0]);
    vk_secrets_add(out_r, path);
    size_t n = out_r->n;
    if (key) {
        vk_secrets_add(out_r, key);
        /* One that we may not reach the app does not reach either; one that is not there is not the one. */
        if (out_r->n == n && !realpath(key, path) && errno != EACCES)
            return VK_E_INVALID;
    }
    vk_secrets_add_mounted(out_r, out_r->n);
    out_r->doors = out_r->n;
    if (runtime && runtime[0] == '/')
        snprintf(run, sizeof run, "%s", runtime);
    else
        snprintf(run, sizeof run, "/run/user/%u", (unsigned)geteuid());
    for (size_t i = 0; i < VK_COUNT(doors); i++) {
        if (doors[i][0] == '%')
            snprintf(path, sizeof path, "%.4000s%s", run, doors[i] + 2);
        else
            snprintf(path, sizeof path, "%s", doors[i]);
        vk_secrets_add(out_r, path);
    }
    add_tmux(out_r);
    add_address(out_r, getenv("DBUS_SESSION_BUS_ADDRESS"), "unix:path=", ",;");
    add_address(out_r, getenv("DOCKER_HOST"), "unix://", "");
    for (size_t i = 0; geteuid() == 0 && i < VK_COUNT(doors_of_root); i++)
        vk_secrets_add(out_r, doors_of_root[i]);
    return VK_OK;
}

void vk_secrets_open_doors(const vk_secrets *s, char out[VK_FENCE_WHY])
{
    out[0] = '\0';
    for (size_t i = s->doors; i < s->n; i++)
        if (access(s->path[i], W_OK) == 0) {
            snprintf(
                out, VK_FENCE_WHY,
                "without a namespace it can reach %.300s%s, and have a program started outside of its fence",
                s->path[i], i + 1 < s->n ? " and others" : "");
            return;
        }
}

/* Whether `inner` is `outer` or lies below it. */
static bool below(const char *inner, const char *outer)
{
    size_t n = strcmp(outer, "/") == 0 ? 0 : strlen(outer);
    return strncmp(inner, outer, n) == 0 && (inner[n] == '/' || inner[n] == '\0');
}

bool vk_secrets_cover(const vk_secrets *s, const char *path)
{
    for (size_t i = 0; i < s->n; i++)
        if (below(path, s->path[i]))
            return true;
    return false;
}

/* ---- Landlock for the files, where there are no namespaces */

/* Root may read a disk as a whole, with everything that is on it. */
static bool is_disk(const struct stat *st)
{
    return S_ISBLK(st->st_mode) && geteuid() == 0;
}

/* Below `path` everything, but for the secrets. */
static vk_err allow_around(int ruleset, const vk_secrets *s, const char *path)
{
    bool above = strcmp(path, "/dev") == 0 && geteuid() == 0;
    if (vk_secrets_cover(s, path))
        return VK_OK;
    for (size_t i = 0; i < s->n && !above; i++)
        above = below(s->path[i], path);
    if (!above) {
        vk_err e = vk_landlock_allow(ruleset, AT_FDCWD, path, VK_LL_ALL, true);
        return e == VK_E_NOT_FOUND ? VK_OK : e;
    }
    DIR *d = opendir(path);
    vk_err e = d ? VK_OK : errno == EACCES ? VK_OK : VK_E_IO;
    for (struct dirent *x; e == VK_OK && d && (x = readdir(d));) {
        char one[PATH_MAX];
        if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0)
            continue;
        int n = snprintf(one, sizeof one, "%s/%s", strcmp(path, "/") == 0 ? "" : path, x->d_name);
        struct stat st;
        if (n < 0 || (size_t)n >= sizeof one || lstat(one, &st) != 0 || S_ISLNK(st.st_mode) || is_disk(&st))
            continue; /* what a link leads to has its own name */
        e = allow_around(ruleset, s, one);
    }
    if (d)
        closedir(d);
    return e;
}

/* Root without a namespace keeps its capabilities over the machine. These go around Landlock: reading the
 * memory of others (the kernel asks for one of the first two only), disks, and what the kernel itself runs.
 */
static void drop_capabilities(void)
{
    static const int around[] = {
        CAP_SYS_ADMIN,  38 /* PERFMON */,    39 /* BPF */,  40 /* CHECKPOINT_RESTORE */,
        CAP_SYS_PTRACE, CAP_SYS_MODULE,      CAP_SYS_RAWIO, CAP_SYS_BOOT,
        CAP_MKNOD,      CAP_DAC_READ_SEARCH, CAP_SYS_CHROOT};
    for (size_t i = 0; i < VK_COUNT(around) && geteuid() == 0; i++)
        prctl(PR_CAPBSET_DROP, around[i], 0, 0, 0); /* what starts next has them no more */
}

static vk_err fence_files(const vk_secrets *s, char missing[VK_FENCE_WHY])
{
    const vk_landlock taken = {.files = VK_LL_ALL, .scope = VK_LL_ABSTRACT | VK_LL_SIGNAL};
    char here[PATH_MAX], cert[PATH_MAX + 16], before[VK_FENCE_WHY];
    snprintf(before, sizeof before, "%s", missing);
    if (vk_landlock_abi() < VK_LL_ABI_REFER) { /* the first version forbids every move between folders */
        snprintf(missing, VK_FENCE_WHY, "%.300s, and this kernel has no Landlock that would do instead",
                 before);
        return VK_E_UNSUPPORTED;
    }
    if (!getcwd(here, sizeof here) || below(s->path[0], here)) {
        snprintf(missing, VK_FENCE_WHY,
                 "%.200s, and Landlock cannot fence off a data folder that lies inside of the app's folder: "
                 "put it "
                 "elsewhere with --data",
                 before);
        return VK_E_UNSUPPORTED;
    }
    drop_capabilities();
    int ruleset = vk_landlock_begin(&taken);
    vk_err e = ruleset < 0 ? VK_E_IO : allow_around(ruleset, s, "/");
    snprintf(cert, sizeof cert, "%s/tls/cert.pem", s->path[0]); /* no secret, and apps are told to trust it */
    if (e == VK_OK) {
        e = vk_landlock_allow(ruleset, AT_FDCWD, cert, VK_LL_READ_FILE, true);
        e = e == VK_E_NOT_FOUND ? VK_OK : e;
    }
    if (e == VK_OK)
        e = vk_landlock_enter(ruleset);
    if (e != VK_OK)
        snprintf(missing, VK_FENCE_WHY, "%.200s, and Landlock fails: %s", before, vk_errno_text(errno));
    return e;
}

static vk_err fence_files_alone(const vk_secrets *s, char missing[VK_FENCE_WHY])
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? fence_files(s, missing) : VK_E_UNSUPPORTED;
}

/* ---- all of it */

/* In a process of its own, since there is no way back: whether it works here, and why not. */
static bool works(vk_err (*fence)(const vk_secrets *s, char missing[VK_FENCE_WHY]), const vk_secrets *s,
                  char missing[VK_FENCE_WHY])
{
    int tell[2], status = 1;
    if (pipe2(tell, O_CLOEXEC) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        vk_err e = fence(s, missing);
        ssize_t n = write(tell[1], missing, strlen(missing));
        _exit(e == VK_OK && n >= 0 ? 0 : 1);
    }
    close(tell[1]);
    ssize_t n = pid > 0 ? read(tell[0], missing, VK_FENCE_WHY - 1) : 0;
    missing[n > 0 ? n : 0] = '\0';
    close(tell[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return pid > 0 && status == 0;
}

vk_app_fenced vk_app_fence_kind(const vk_secrets *s, char missing[VK_FENCE_WHY])
{
    char why[VK_FENCE_WHY] = "";
    missing[0] = '\0';
    if (works(vk_app_hide, s, missing))
        return VK_APP_NAMESPACES;
    snprintf(why, sizeof why, "%s", missing);
    if (!works(fence_files_alone, s, missing))
        return VK_APP_OPEN;
    snprintf(missing, VK_FENCE_WHY, "%s", why);
    return VK_APP_LANDLOCK;
}

static vk_err fence_signals(char missing[VK_FENCE_WHY])
{
    const vk_landlock taken = {.scope = VK_LL_ABSTRACT | VK_LL_SIGNAL};
    if (vk_landlock_abi() < VK_LL_ABI_SCOPE)
        return VK_OK; /* may end our processes, and learns nothing by that */
    int ruleset = vk_landlock_begin(&taken);
    vk_err e = ruleset < 0 ? VK_E_IO : vk_landlock_enter(ruleset);
    if (e != VK_OK)
        snprintf(missing, VK_FENCE_WHY, "Landlock fails: %s", vk_errno_text(errno));
    return e;
}

/* Last: what is missing then is a weakness of the fence, said beside another one. */
static vk_err close_calls(vk_err e, bool no_truncate, char missing[VK_FENCE_WHY])
{
    char why[VK_FENCE_WHY];
    if (e != VK_OK || vk_app_calls(no_truncate, why) == VK_OK)
        return e;
    size_t n = strlen(missing);
    snprintf(missing + n, VK_FENCE_WHY - n, "%s%s", n ? "; " : "", why);
    return VK_OK;
}

vk_err vk_app_fence(const vk_secrets *s, char missing[VK_FENCE_WHY])
{
    missing[0] = '\0';
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        snprintf(missing, VK_FENCE_WHY, "no_new_privs: %s", vk_errno_text(errno));
        return VK_E_UNSUPPORTED;
    }
    if (!works(vk_app_hide, s, missing)) {
        vk_err e = fence_files(s, missing);
        if (e == VK_OK)
            vk_secrets_open_doors(s, missing);
        return close_calls(e, vk_landlock_abi() < VK_LL_ABI_TRUNCATE, missing);
    }
    vk_err e = vk_app_hide(s, missing);
    e = e == VK_OK ? fence_signals(missing) : VK_E_INTERNAL;
    return close_calls(e, false, missing);
}
