/* doctor: the data folder, the key beside it, and what else lies there. Reads only. */
#include "cli/doctor.h"
#include "cli/out.h"
#include "store/migrate.h"
#include "valet/valet.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum {
    DISK_LOW_MB = 200,
    INODES_LOW = 1000,
    WAL_LARGE = 256 * 1024 * 1024,
    LEFT_OVER_S = 3600,
    BUILDS_LOOKED_AT = 20000,
    SHOWN = 3, /* names in a line */
};

/* ---- modes and owners */

/* Says what is wrong with who may read `name`; true: nothing is. */
static bool private_to_us(vk_doctor *d, const char *what, const char *name, const struct stat *st)
{
    unsigned mode = (unsigned)st->st_mode & 0777;
    if (mode & 077) {
        vk_doctor_say(d, VK_WRONG, what, "%s can be read by others (mode %03o): chmod %s it", name, mode,
                      S_ISDIR(st->st_mode) ? "700" : "600");
        return false;
    }
    if (st->st_uid != geteuid() && geteuid() != 0) {
        vk_doctor_say(d, VK_KNOW, what, "%s belongs to uid %u; you are uid %u", name, (unsigned)st->st_uid,
                      (unsigned)geteuid());
        return false;
    }
    return true;
}

static void check_folder(vk_doctor *d)
{
    struct stat st;
    d->data_fd = open(d->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->data_fd < 0 || fstat(d->data_fd, &st) != 0)
        vk_doctor_say(d, VK_WRONG, "data folder", "%s %s", d->dir,
                      errno == ENOENT ? "is not there: start `valetkey serve`, or name yours with --data DIR"
                      : errno == ENOTDIR ? "is no folder: name the data folder with --data DIR"
                                         : "cannot be opened: run this as its owner, or as root");
    else if (private_to_us(d, "data folder", d->dir, &st))
        vk_doctor_say(d, VK_FINE, "data folder", "%s, for its owner only", d->dir);
}

/* ---- tokens */

static void check_token(vk_doctor *d, const char *what, const char *file, const char *prefix)
{
    struct stat st;
    char text[128] = "";
    int fd = openat(d->data_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        n--;
    if (fd < 0 || fstat(fd, &st) != 0 || n < 0)
        vk_doctor_say(d, VK_WRONG, what, "%s cannot be read: `valetkey serve` makes one at its start", file);
    else if (!private_to_us(d, what, file, &st))
        VK_UNUSED(n);
    else if (!vk_valet_shape_ok(vk_secret_of((vk_str){text, (size_t)n}), &(vk_valet_form){.prefix = prefix}))
        vk_doctor_say(d, VK_WRONG, what,
                      "%s is damaged: move it away and restart `valetkey serve`, which makes a new one",
                      file);
    else
        vk_doctor_say(d, VK_FINE, what, "there, for its owner only");
    vk_wipe(text, sizeof text);
    if (fd >= 0)
        close(fd);
}

/* ---- databases */

/* The first bytes of a file are those of a SQLite database; an empty one is one, too. */
static bool is_database(int fd)
{
    static const char magic[] = "SQLite format 3";
    char head[sizeof magic];
    ssize_t n = pread(fd, head, sizeof head, 0);
    return n == 0 || (n == (ssize_t)sizeof head && memcmp(head, magic, sizeof magic) == 0);
}

/* Newer data is not used by this program; older data is, from the next start on. */
static void check_version(vk_doctor *d)
{
    int64_t version = 0;
    char program[VK_PROGRAM_MAX];
    const char *why;
    vk_err e = vk_sqlite_init();
    if (e == VK_OK)
        e = vk_data_version_of(d->dir, &version, program);
    if (e != VK_OK)
        vk_doctor_say(d, VK_WRONG, "data version", "cannot be read from valetkey.db (%s)", vk_err_name(e));
    else if (vk_data_usable(version, program, &why) != VK_OK)
        vk_doctor_say(d, VK_WRONG, "data version", "%s", why);
    else if (version < VK_SCHEMA_VERSION)
        vk_doctor_say(
            d, VK_KNOW, "data version",
            "%lld: the next start of this program brings it to %d, which earlier ones refuse. Make a "
            "backup first (valetkey backup)",
            (long long)version, (int)VK_SCHEMA_VERSION);
    else
        vk_doctor_say(d, VK_FINE, "data version", "%lld", (long long)version);
}

static void check_metadata(vk_doctor *d)
{
    bool sound = false;
    struct stat st;
    int fd = openat(d->data_fd, "valetkey.db", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0)
        vk_doctor_say(
            d, VK_WRONG, "metadata",
            errno == ENOENT
                ? "valetkey.db is not there: a new folder, or restore it from a backup before `serve`"
                : "valetkey.db cannot be opened: run this as its owner, or as root");
    else if (private_to_us(d, "metadata", "valetkey.db", &st)) {
        sound = is_database(fd);
        if (sound)
            vk_doctor_say(d, VK_FINE, "metadata", "valetkey.db, for its owner only");
        else
            vk_doctor_say(d, VK_WRONG, "metadata",
                          "valetkey.db is no database: stop `valetkey serve` and restore it from a backup");
    }
    if (fd >= 0) /* not while a daemon of this process has it open: closing drops no lock but our own */
        close(fd);
    if (sound)
        check_version(d);
}

static void check_vault(vk_doctor *d)
{
    struct stat st;
    if (fstatat(d->data_fd, "vault", &st, AT_SYMLINK_NOFOLLOW) != 0)
        vk_doctor_say(
            d, VK_WRONG, "vault",
            "vault/ is not there: without it no valet key can be derived; restore it from a backup");
    else if (private_to_us(d, "vault", "vault/", &st))
        vk_doctor_say(d, VK_FINE, "vault", "for its owner only");
}

static void check_socket(vk_doctor *d)
{
    struct stat st;
    if (fstatat(d->data_fd, "admin.sock", &st, AT_SYMLINK_NOFOLLOW) != 0)
        return; /* no daemon; that is said elsewhere */
    if (!S_ISSOCK(st.st_mode))
        vk_doctor_say(d, VK_WRONG, "admin.sock", "admin.sock is no socket: remove it and restart the daemon");
    else if (private_to_us(d, "admin.sock", "admin.sock", &st))
        vk_doctor_say(d, VK_FINE, "admin.sock", "for its owner only");
}

void vk_doctor_key_file(vk_doctor *d)
{
    struct stat st;
    if (!d->key_file[0])
        return;
    if (stat(d->key_file, &st) != 0)
        vk_doctor_say(
            d, VK_WRONG, "key file",
            "%s cannot be found: the daemon runs on what it has read, but will not start again. Put it "
            "back",
            d->key_file);
    else if (private_to_us(d, "key file", d->key_file, &st))
        vk_doctor_say(d, VK_FINE, "key file", "for its owner only; is there a copy of it elsewhere?");
}

/* ---- builds */

/* Names of what is wrong in the same way: the first few, and how many. */
typedef struct names {
    char text[256];
    size_t n, at;
} names;

static void add(names *x, const char *name)
{
    if (x->n++ < SHOWN && x->at < sizeof x->text)
        x->at +=
            (size_t)snprintf(x->text + x->at, sizeof x->text - x->at, "%s%.64s", x->n > 1 ? ", " : "", name);
}

static void tell(vk_doctor *d, vk_verdict v, const names *x, const char *what)
{
    if (x->n)
        vk_doctor_say(d, v, "builds", "%zu %s: %s%s", x->n, what, x->text, x->n > SHOWN ? ", …" : "");
}

static int by_name(const void *key, const void *element)
{
    return strcmp(key, *(const char *const *)element);
}

static void look_at_build(int builds_fd, const char *id, names *open_to_all, names *damaged, names *large)
{
    char path[300];
    struct stat st;
    if (fstatat(builds_fd, id, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & 077))
        add(open_to_all, id);
    snprintf(path, sizeof path, "%.200s/database.db", id);
    int fd = openat(builds_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        if (fstat(fd, &st) == 0 && (st.st_mode & 077))
            add(open_to_all, path);
        if (!is_database(fd))
            add(damaged, id);
        close(fd);
    }
    snprintf(path, sizeof path, "%.200s/database.db-wal", id);
    if (fstatat(builds_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > WAL_LARGE)
        add(large, id);
}

void vk_doctor_build_files(vk_doctor *d, const char *const *builds, size_t n)
{
    names open_to_all = {.n = 0}, damaged = {.n = 0}, orphans = {.n = 0}, large = {.n = 0};
    int fd = openat(d->data_fd, "builds", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    size_t seen = 0;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *x; (x = readdir(dir)) && seen < BUILDS_LOOKED_AT;) {
        if (x->d_name[0] == '.')
            continue;
        seen++;
        look_at_build(dirfd(dir), x->d_name, &open_to_all, &damaged, &large);
        if (builds && !bsearch(x->d_name, builds, n, sizeof *builds, by_name))
            add(&orphans, x->d_name);
    }
    closedir(dir);
    tell(d, VK_WRONG, &open_to_all, "can be read by others (chmod -R go-rwx builds)");
    tell(d, VK_WRONG, &damaged, "have a database.db that is no database (restore a snapshot or a backup)");
    tell(d, VK_KNOW, &orphans, "have a folder but are not in the metadata (left from a restore?)");
    tell(d, VK_KNOW, &large, "have a -wal of more than 256 MiB (a reader that never ends keeps it)");
    if (!open_to_all.n && !damaged.n)
        vk_doctor_say(d, VK_FINE, "files", "of %zu builds look right", seen);
}

/* ---- the place */

/* Files that are written under a temporary name first; one that stays was left by a crash. */
static void check_left_overs(vk_doctor *d)
{
    names left = {.n = 0};
    int fd = openat(d->data_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    time_t now = time(NULL);
    for (struct dirent *x; dir && (x = readdir(dir));) {
        struct stat st;
        size_t n = strlen(x->d_name);
        if (n > 4 && strcmp(x->d_name + n - 4, ".new") == 0 &&
            fstatat(d->data_fd, x->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && now - st.st_mtime > LEFT_OVER_S)
            add(&left, x->d_name);
    }
    if (dir)
        closedir(dir);
    if (left.n)
        vk_doctor_say(d, VK_KNOW, "left-overs", "%s: from a write that was cut short; can be removed",
                      left.text);
}

static void check_file_system(vk_doctor *d)
{
    static const struct {
        long type;
        vk_verdict v;
        const char *text;
    } kinds[] = {
        {NFS_SUPER_MAGIC, VK_WRONG,
         "NFS: SQLite's locks and shared memory do not work there; use a local disk"},
        {SMB_SUPER_MAGIC, VK_WRONG,
         "SMB: SQLite's locks and shared memory do not work there; use a local disk"},
        {(long)0xFF534D42, VK_WRONG,
         "CIFS: SQLite's locks and shared memory do not work there; use a local disk"},
        {TMPFS_MAGIC, VK_KNOW, "tmpfs: everything is gone after a restart of the machine"},
        {RAMFS_MAGIC, VK_KNOW, "ramfs: everything is gone after a restart of the machine"},
        {FUSE_SUPER_MAGIC, VK_KNOW, "FUSE: make sure that fsync() there means what it says"},
    };
    struct statfs f;
    char text[VK_SIZE_TEXT];
    if (fstatfs(d->data_fd, &f) != 0)
        return;
    for (size_t i = 0; i < VK_COUNT(kinds); i++)
        if ((long)f.f_type == kinds[i].type)
            vk_doctor_say(d, kinds[i].v, "file system", "the data is on %s", kinds[i].text);
    int64_t free_bytes = (int64_t)f.f_bavail * (int64_t)f.f_bsize;
    vk_size_text(free_bytes, text);
    if (free_bytes < (int64_t)DISK_LOW_MB * 1000 * 1000)
        vk_doctor_say(d, VK_WRONG, "disk space",
                      "%s left where the data is: make room, writes of apps fail when it is full", text);
    else
        vk_doctor_say(d, VK_FINE, "disk space", "%s left where the data is", text);
    if (f.f_files && f.f_ffree < INODES_LOW)
        vk_doctor_say(d, VK_WRONG, "inodes", "%llu left where the data is: every build needs some",
                      (unsigned long long)f.f_ffree);
}

/* Whether git would offer `path` for a commit: it is below a work tree and not ignored. */
static bool git_sees(const char *path)
{
    char dir[PATH_MAX];
    pid_t pid;
    int status, quiet = open("/dev/null", O_RDWR | O_CLOEXEC);
    snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(path, '/') - path), path);
    char git[] = "git", c[] = "-C", check[] = "check-ignore", q[] = "-q", end[] = "--", *copy = strdup(path);
    char *inside[] = {git, c, dir, (char[]){"rev-parse"}, (char[]){"--is-inside-work-tree"}, NULL};
    char *ignored[] = {git, c, dir, check, q, end, copy, NULL};
    posix_spawn_file_actions_t to;
    bool sees = false;
    if (quiet < 0 || !copy || posix_spawn_file_actions_init(&to) != 0)
        goto out;
    posix_spawn_file_actions_adddup2(&to, quiet, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&to, quiet, STDERR_FILENO);
    if (posix_spawnp(&pid, git, &to, NULL, inside, environ) == 0 && waitpid(pid, &status, 0) == pid &&
        WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
        posix_spawnp(&pid, git, &to, NULL, ignored, environ) == 0 && waitpid(pid, &status, 0) == pid)
        sees = WIFEXITED(status) && WEXITSTATUS(status) == 1;
    posix_spawn_file_actions_destroy(&to);
out:
    free(copy);
    if (quiet >= 0)
        close(quiet);
    return sees;
}

static void check_git(vk_doctor *d)
{
    char folder[PATH_MAX], key[PATH_MAX + 8];
    if (!realpath(d->dir, folder) || strcmp(folder, "/") == 0)
        return;
    if (git_sees(folder))
        vk_doctor_say(
            d, VK_WRONG, "git",
            "%s is in a git work tree and not ignored: a commit would publish keys and data. Add it to "
            ".gitignore",
            folder);
    snprintf(key, sizeof key, "%s.key", folder);
    if (access(key, F_OK) == 0 && git_sees(key))
        vk_doctor_say(
            d, VK_WRONG, "git",
            "%s is in a git work tree and not ignored: a commit would publish the key of the vault. Add "
            "it to .gitignore",
            key);
}

void vk_doctor_files(vk_doctor *d)
{
    check_folder(d);
    if (d->data_fd < 0)
        return;
    check_token(d, "admin token", "admin.token", "vk_a_");
    check_token(d, "metrics token", "metrics.token", "vk_m_");
    check_metadata(d);
    check_vault(d);
    check_socket(d);
    check_left_overs(d);
    check_file_system(d);
    check_git(d);
}
