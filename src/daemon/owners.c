#include "daemon/owners.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEPTH_MAX = 8 }; /* of folders below the data folder */

static const char system_user[] = "valetkey";

/* ---- who */

static bool find(const char *name, vk_owner *out_r)
{
    errno = 0;
    const struct passwd *p = strlen(name) < VK_USER_MAX ? getpwnam(name) : NULL;
    if (!p)
        return false;
    *out_r = (vk_owner){.other = p->pw_uid != geteuid(), .uid = p->pw_uid, .gid = p->pw_gid};
    snprintf(out_r->name, sizeof out_r->name, "%s", name);
    return true;
}

vk_err vk_owners_find(const char *user, vk_owners *out_r, char why[VK_WHY_MAX])
{
    vk_owner base = {.uid = geteuid(), .gid = getegid()};
    *out_r = (vk_owners){.root = geteuid() == 0, .given = user[0] != '\0'};
    bool known = out_r->given || out_r->root ? find(out_r->given ? user : system_user, &base) : false;
    if (out_r->given && !known)
        return vk_say(why, VK_E_INVALID,
                      "--user names \"%.60s\", and there is no such user here. Make one, for example with: "
                      "useradd --system %.60s",
                      user, user);
    if (base.other && !out_r->root)
        return vk_say(why, VK_E_INVALID,
                      "--user names \"%.60s\", and only root can become another user. Start valetkey as that "
                      "user, or as root.",
                      user);
    for (int r = 0; r < VK_ROLES; r++) {
        char own[VK_USER_MAX + 16];
        out_r->of[r] = base;
        snprintf(own, sizeof own, "%s-%s", base.name, vk_role_name((vk_role)r));
        if (base.other && r != VK_FRONT && !find(own, &out_r->of[r]))
            out_r->of[r] = base;
    }
    return VK_OK;
}

/* ---- the folder */

static bool stays_root(const char *name)
{
    static const char *const names[] = {"vault",      "audit",           "tls",
                                        "lock",       "admin.token",     "metrics.token",
                                        "admin.sock", "admin.token.new", "metrics.token.new"};
    for (size_t i = 0; i < VK_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static vk_err give_all(int dir_fd, uid_t uid, gid_t gid, int depth);

/* A link is given as what it is, never followed. */
static vk_err give_one(int dir_fd, const char *name, uid_t uid, gid_t gid, int depth)
{
    struct stat st;
    if (fchownat(dir_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) != 0 ||
        fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? VK_OK : VK_E_IO;
    if (!S_ISDIR(st.st_mode))
        return VK_OK;
    int fd = depth < DEPTH_MAX ? openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    return fd < 0 ? VK_E_IO : give_all(fd, uid, gid, depth + 1);
}

/* Takes over the descriptor. At the top, what stays root's becomes root's. */
static vk_err give_all(int dir_fd, uid_t uid, gid_t gid, int depth)
{
    vk_err e = VK_OK;
    DIR *d = fdopendir(dir_fd);
    if (!d) {
        close(dir_fd);
        return VK_E_NOMEM;
    }
    for (struct dirent *x; e == VK_OK && (x = readdir(d));) {
        if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0)
            continue;
        bool ours = depth == 0 && stays_root(x->d_name);
        e = give_one(dir_fd, x->d_name, ours ? 0 : uid, ours ? 0 : gid, depth);
    }
    closedir(d);
    return e;
}

/* Whether that user gets as far as the data folder. */
static bool reaches(const vk_owner *o, const char *data_dir)
{
    setfsgid(o->gid);
    setfsuid(o->uid);
    int fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    setfsuid(geteuid());
    setfsgid(getegid());
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

vk_err vk_owners_give_keeper(const vk_owners *o, int data_fd, const char *folder, char why[VK_WHY_MAX])
{
    const vk_owner *keeper = &o->of[VK_KEEPER];
    if (!keeper->other)
        return VK_OK;
    vk_err e = give_one(data_fd, folder, keeper->uid, keeper->gid, 1);
    if (e != VK_OK)
        vk_say(why, e, "%s/ cannot be given to the user %s: %s.", folder, keeper->name, vk_errno_text(errno));
    return e;
}

vk_err vk_owners_give(const vk_owners *o, int data_fd, const char *data_dir, bool restarted,
                      char why[VK_WHY_MAX])
{
    const vk_owner *front = &o->of[VK_FRONT];
    struct stat st;
    if (!front->other)
        return VK_OK;
    if (fstat(data_fd, &st) != 0)
        return vk_say(why, VK_E_IO, "The data folder %.400s cannot be read: %s.", data_dir,
                      vk_errno_text(errno));
    if (st.st_uid != front->uid && restarted)
        return vk_say(why, VK_E_CONFLICT,
                      "A restart cannot change whom the processes become: the data folder %.400s belongs to "
                      "the user with id %u and not to %s. Stop the daemon and start it again.",
                      data_dir, (unsigned)st.st_uid, front->name);
    if (st.st_uid != front->uid) { /* the folder itself last: a walk that was cut short begins again */
        int fd = openat(data_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        vk_err e = fd < 0 ? VK_E_IO : give_all(fd, front->uid, front->gid, 0);
        if (e == VK_OK && fchown(data_fd, front->uid, front->gid) != 0)
            e = VK_E_IO;
        if (e != VK_OK)
            return vk_say(why, e, "The data folder %.400s cannot be given to the user %s: %s.", data_dir,
                          front->name, vk_errno_text(errno));
        vk_log(VK_INFO, "the data folder belongs to the user of the roles now", VK_F(folder, data_dir),
               VK_F(user, front->name));
    }
    if (!reaches(front, data_dir))
        return vk_say(why, VK_E_FORBIDDEN,
                      "The user %s cannot get to the data folder %.400s: a folder above it is closed to "
                      "others. Name another one, such as --data /var/lib/valetkey, or stay root with --user "
                      "root.",
                      front->name, data_dir);
    return VK_OK;
}

/* ---- becoming it */

static bool drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &head, none) == 0;
}

vk_err vk_owners_become(const vk_owners *o, vk_role role)
{
    const vk_owner *to = &o->of[role];
    if (to->other && (setgroups(0, NULL) != 0 || setresgid(to->gid, to->gid, to->gid) != 0 ||
                      setresuid(to->uid, to->uid, to->uid) != 0 || setuid(0) == 0))
        return VK_E_FORBIDDEN;
    return drop_capabilities() ? VK_OK : VK_E_FORBIDDEN;
}
