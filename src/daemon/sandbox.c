#include "daemon/sandbox.h"

#include "core/disk.h"
#include "daemon/calls.h"
#include "daemon/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the table: which role may do what, where */

enum {
    READ = VK_LL_READ_FILE | VK_LL_READ_DIR,
    LIST = VK_LL_READ_DIR,
    CHANGE = VK_LL_READ_FILE | VK_LL_WRITE_FILE | VK_LL_TRUNCATE, /* a file that is there */
    KEEP = CHANGE | VK_LL_READ_DIR | VK_LL_REMOVE_DIR | VK_LL_REMOVE_FILE | VK_LL_MAKE_DIR | VK_LL_MAKE_REG |
           VK_LL_REFER, /* a folder that is the role's to fill */
};

typedef enum place {
    OF_DATA,      /* below the data folder; what KEEP stands for is made when it is missing */
    OF_SYSTEM,    /* an absolute path */
    OF_USER,      /* the same, but not for root: whoever may read all of /etc would read its secrets */
    OF_ENV,       /* an absolute path in that variable */
    OF_SANITIZER, /* an absolute path, in builds with a sanitizer */
} place;

static const struct row {
    vk_role role;
    place place;
    const char *path;
    uint64_t rights;
} rows[] = {
    /* front: metadata and builds. Not vault/, tls/, the tokens. */
    {VK_FRONT, OF_DATA, ".", LIST}, /* to sync it; names only */
    {VK_FRONT, OF_DATA, "valetkey.db", CHANGE},
    {VK_FRONT, OF_DATA, "valetkey.db-wal", CHANGE},
    {VK_FRONT, OF_DATA, "valetkey.db-shm", CHANGE},
    {VK_FRONT, OF_DATA, "builds", KEEP},
    {VK_FRONT, OF_DATA, "tmp", KEEP},
    {VK_FRONT, OF_SYSTEM, "/etc/localtime", VK_LL_READ_FILE}, /* SQL's localtime */
    {VK_FRONT, OF_SYSTEM, "/usr/share/zoneinfo", READ},
    {VK_FRONT, OF_SYSTEM, "/sys/fs/cgroup/memory.max", VK_LL_READ_FILE}, /* how much memory there is for it */
    {VK_FRONT, OF_SYSTEM, "/sys/fs/cgroup/memory/memory.limit_in_bytes", VK_LL_READ_FILE},
    {VK_FRONT, OF_SYSTEM, "/sys/devices/system/cpu", READ}, /* and how many processors */
    /* keeper: the vault, into which keys are entered while it runs */
    {VK_KEEPER, OF_DATA, "vault", KEEP},
    {VK_KEEPER, OF_DATA, "audit", KEEP},
    /* What it sees of the metadata it has opened before (store/watch.h). Then what the resolver reads, and
     * whom to believe. */
    {VK_KEEPER, OF_USER, "/etc", READ}, /* as courier's */
    {VK_KEEPER, OF_SYSTEM, "/etc/resolv.conf", VK_LL_READ_FILE},
    {VK_KEEPER, OF_SYSTEM, "/etc/hosts", VK_LL_READ_FILE},
    {VK_KEEPER, OF_SYSTEM, "/etc/host.conf", VK_LL_READ_FILE},
    {VK_KEEPER, OF_SYSTEM, "/etc/nsswitch.conf", VK_LL_READ_FILE},
    {VK_KEEPER, OF_SYSTEM, "/etc/gai.conf", VK_LL_READ_FILE},
    {VK_KEEPER, OF_SYSTEM, "/etc/services", VK_LL_READ_FILE},
    {VK_KEEPER, OF_SYSTEM, "/etc/ssl/certs", READ},
    {VK_KEEPER, OF_SYSTEM, "/etc/pki", READ},
    {VK_KEEPER, OF_SYSTEM, "/etc/ca-certificates", READ},
    {VK_KEEPER, OF_SYSTEM, "/usr/share/ca-certificates", READ},
    {VK_KEEPER, OF_SYSTEM, "/usr/local/share/ca-certificates", READ},
    {VK_KEEPER, OF_SYSTEM, "/nix/store", READ},
    {VK_KEEPER, OF_SYSTEM, "/run/systemd/resolve", READ},
    {VK_KEEPER, OF_SYSTEM, "/run/resolvconf", READ},
    {VK_KEEPER, OF_SYSTEM, "/run/NetworkManager", READ},
    {VK_KEEPER, OF_ENV, "SSL_CERT_FILE", VK_LL_READ_FILE},
    {VK_KEEPER, OF_ENV, "SSL_CERT_DIR", READ},
    /* courier: what libcurl, the resolver and OpenSSL read. No data at all. */
    {VK_COURIER, OF_USER, "/etc", READ}, /* a new resolv.conf is a new file */
    {VK_COURIER, OF_SYSTEM, "/sys/devices/system/cpu", READ},
    {VK_COURIER, OF_SYSTEM, "/etc/resolv.conf", VK_LL_READ_FILE},
    {VK_COURIER, OF_SYSTEM, "/etc/hosts", VK_LL_READ_FILE},
    {VK_COURIER, OF_SYSTEM, "/etc/host.conf", VK_LL_READ_FILE},
    {VK_COURIER, OF_SYSTEM, "/etc/nsswitch.conf", VK_LL_READ_FILE},
    {VK_COURIER, OF_SYSTEM, "/etc/gai.conf", VK_LL_READ_FILE},
    {VK_COURIER, OF_SYSTEM, "/etc/services", VK_LL_READ_FILE},
    {VK_COURIER, OF_SYSTEM, "/etc/ld.so.cache", VK_LL_READ_FILE},
    {VK_COURIER, OF_SYSTEM, "/etc/localtime", VK_LL_READ_FILE},
    {VK_COURIER, OF_SYSTEM, "/etc/ssl/openssl.cnf", VK_LL_READ_FILE},
    {VK_COURIER, OF_SYSTEM, "/etc/ssl/certs", READ},
    {VK_COURIER, OF_SYSTEM, "/etc/pki", READ},
    {VK_COURIER, OF_SYSTEM, "/etc/ca-certificates", READ},
    {VK_COURIER, OF_SYSTEM, "/run/systemd/resolve", READ},
    {VK_COURIER, OF_SYSTEM, "/run/resolvconf", READ},
    {VK_COURIER, OF_SYSTEM, "/run/NetworkManager", READ},
    {VK_COURIER, OF_SYSTEM, "/usr/lib", READ},
    {VK_COURIER, OF_SYSTEM, "/usr/lib64", READ},
    {VK_COURIER, OF_SYSTEM, "/lib", READ},
    {VK_COURIER, OF_SYSTEM, "/lib64", READ},
    {VK_COURIER, OF_SYSTEM, "/usr/local/lib", READ},
    {VK_COURIER, OF_SYSTEM, "/usr/share/ca-certificates", READ},
    {VK_COURIER, OF_SYSTEM, "/usr/local/share/ca-certificates", READ},
    {VK_COURIER, OF_SYSTEM, "/nix/store", READ},
    {VK_COURIER, OF_ENV, "SSL_CERT_FILE", VK_LL_READ_FILE},
    {VK_COURIER, OF_ENV, "SSL_CERT_DIR", READ},
    /* A sanitizer looks at its own process, and reads the libraries to name functions. */
    {VK_FRONT, OF_SANITIZER, "/proc", READ},
    {VK_FRONT, OF_SANITIZER, "/usr", READ},
    {VK_KEEPER, OF_SANITIZER, "/proc", READ},
    {VK_KEEPER, OF_SANITIZER, "/usr", READ},
    {VK_COURIER, OF_SANITIZER, "/proc", READ},
};

/* By role: TCP is taken away, of who connects to others only the right to listen. */
static const uint64_t tcp_taken[VK_ROLES] = {
    [VK_FRONT] = VK_LL_BIND | VK_LL_CONNECT, /* the listeners are open already */
    [VK_KEEPER] = VK_LL_BIND,
    [VK_COURIER] = VK_LL_BIND,
};

/* ---- what there is */

static void note(char list[VK_FENCES_TEXT], const char *between, const char *fmt, ...) VK_PRINTF(3, 4);
static void note(char list[VK_FENCES_TEXT], const char *between, const char *fmt, ...)
{
    size_t n = strlen(list);
    va_list ap;
    if (n && n + 1 < VK_FENCES_TEXT)
        n += (size_t)snprintf(list + n, VK_FENCES_TEXT - n, "%s", between);
    va_start(ap, fmt);
    if (n < VK_FENCES_TEXT)
        vsnprintf(list + n, VK_FENCES_TEXT - n, fmt, ap);
    va_end(ap);
}

static void note_owners(vk_sandbox *s, const vk_owners *o)
{
    const vk_owner *of = o->of;
    if (!o->root)
        return; /* then all are one user, and that is right */
    if (!of[VK_FRONT].other)
        note(s->missing, "; ", "own user (%s)",
             o->given ? "--user names root" : "started as root, and there is no user valetkey: --user NAME");
    else if (of[VK_KEEPER].uid == of[VK_FRONT].uid)
        note(s->active, ", ", "user %s", of[VK_FRONT].name);
    else
        note(s->active, ", ", "users %s, %s, %s", of[VK_FRONT].name, of[VK_KEEPER].name, of[VK_COURIER].name);
}

static void note_landlock(vk_sandbox *s)
{
    static const char off[] = "switched off by --no-sandbox";
    s->landlock = s->enabled ? vk_landlock_abi() : 0;
    if (s->landlock > 0)
        note(s->active, ", ", "Landlock %d (files%s%s)", s->landlock,
             s->landlock >= VK_LL_ABI_TCP ? ", TCP" : "", s->landlock >= VK_LL_ABI_SCOPE ? ", signals" : "");
    else
        note(s->missing, "; ", "Landlock (%s)",
             s->enabled ? "this kernel has none, or it is not among its lsm= at boot" : off);
    const char *why = s->enabled ? vk_calls_missing() : off;
    s->seccomp = !why;
    if (s->seccomp)
        note(s->active, ", ", "seccomp");
    else
        note(s->missing, "; ", "seccomp (%s)", why);
}

vk_err vk_sandbox_probe(vk_fencing wanted, const vk_owners *owners, vk_sandbox *out_r, char why[VK_WHY_MAX])
{
    *out_r = (vk_sandbox){.enabled = wanted != VK_FENCE_OFF,
                          .dumpable = getenv("VALETKEY_DEBUG_DUMPABLE") != NULL};
    note(out_r->active, ", ", "no_new_privs");
    if (out_r->dumpable)
        note(out_r->missing, "; ", "not dumpable (VALETKEY_DEBUG_DUMPABLE is set)");
    else
        note(out_r->active, ", ", "not dumpable");
    note_owners(out_r, owners);
    note_landlock(out_r);
    if (wanted == VK_FENCE_REQUIRED && out_r->missing[0])
        return vk_say(why, VK_E_FORBIDDEN,
                      "--require-sandbox: not all fences can be had here. Missing: %s. Without the option "
                      "valetkey starts with those that there are: %s.",
                      out_r->missing, out_r->active);
    return VK_OK;
}

/* ---- closing them */

static bool applies(const struct row *r)
{
    if (r->place == OF_SANITIZER)
        return vk_calls_sanitizer();
    return r->place != OF_USER || geteuid() != 0;
}

/* A rule is for a folder that is there: one made later would have none. */
static vk_err allow(int ruleset, const struct row *r, const vk_sandbox_place *at)
{
    const char *path = r->place == OF_ENV ? getenv(r->path) : r->path;
    if (!path || !applies(r) || (r->place != OF_DATA && path[0] != '/'))
        return VK_OK;
    for (size_t i = 0; r->place == OF_DATA && i < VK_COUNT(at->open) && at->open[i].path; i++)
        if (strcmp(at->open[i].path, path) == 0)
            return vk_landlock_allow(ruleset, at->open[i].fd, ".", r->rights, true);
    vk_err e = vk_landlock_allow(ruleset, r->place == OF_DATA ? at->data_fd : AT_FDCWD, path, r->rights,
                                 r->place == OF_DATA);
    return e == VK_E_NOT_FOUND ? VK_OK : e;
}

static bool is_open(const vk_sandbox_place *at, const char *path)
{
    for (size_t i = 0; i < VK_COUNT(at->open) && at->open[i].path; i++)
        if (strcmp(at->open[i].path, path) == 0)
            return true;
    return false;
}

/* The folders that are the role's to fill, whether or not a fence is closed around it. */
static vk_err make_folders(vk_role role, const vk_sandbox_place *at, char why[VK_WHY_MAX])
{
    vk_err e = VK_OK;
    for (size_t i = 0; e == VK_OK && i < VK_COUNT(rows); i++) {
        const struct row *r = &rows[i];
        if (r->role == role && r->place == OF_DATA && r->rights == KEEP && !is_open(at, r->path))
            e = vk_disk_mkdir(at->data_fd, r->path, 0700);
    }
    if (e == VK_E_FULL)
        return vk_say(why, e,
                      "The disk is full: the folders of %.300s cannot be made. Free some space and start "
                      "again; nothing was lost.",
                      at->data_dir);
    if (e != VK_OK)
        return vk_say(why, e, "The folders of %.300s cannot be made (%s).", at->data_dir, vk_err_name(e));
    return VK_OK;
}

static vk_err enter_landlock(vk_role role, const vk_sandbox_place *at, char why[VK_WHY_MAX])
{
    const vk_landlock taken = {
        .files = VK_LL_ALL, .tcp = tcp_taken[role], .scope = VK_LL_ABSTRACT | VK_LL_SIGNAL};
    int ruleset = vk_landlock_begin(&taken);
    vk_err e = ruleset < 0 ? VK_E_IO : VK_OK;
    for (size_t i = 0; e == VK_OK && i < VK_COUNT(rows); i++)
        if (rows[i].role == role)
            e = allow(ruleset, &rows[i], at);
    if (e == VK_OK)
        e = vk_landlock_enter(ruleset);
    if (e != VK_OK)
        return vk_say(why, e, "Landlock could not be closed around %s: %s. --no-sandbox starts without it.",
                      vk_role_name(role), vk_errno_text(errno));
    return VK_OK;
}

/* Landlock is for the calling thread: one that was there before would go on without it. */
static bool alone(void)
{
    struct stat st;
    return vk_calls_sanitizer() /* has a thread of its own */ || stat("/proc/self/task", &st) != 0 ||
           st.st_nlink <= 3;
}

vk_err vk_sandbox_enter(const vk_sandbox *s, vk_role role, const vk_sandbox_place *at, char why[VK_WHY_MAX])
{
    if (s->enabled && !alone())
        return vk_say(why, VK_E_INTERNAL, "The fences come too late for %s: it has threads already.",
                      vk_role_name(role));
    vk_err e = make_folders(role, at, why);
    if (e == VK_OK && s->landlock > 0)
        e = enter_landlock(role, at, why);
    if (e != VK_OK || !s->seccomp)
        return e;
    e = vk_calls_enter(role);
    if (e != VK_OK)
        return vk_say(why, e,
                      "The filter of system calls could not be closed around %s: %s. --no-sandbox starts "
                      "without it.",
                      vk_role_name(role), vk_errno_text(errno));
    return VK_OK;
}
