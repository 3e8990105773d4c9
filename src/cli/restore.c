/* restore: a data folder out of a backup; backup verify: whether a backup is whole. Both read the archive to
 * its end. The folder is made beside its place and gets its name when everything is on stable storage and
 * every checksum was right, so it is there whole or not at all. */
#include "backup/contents.h"
#include "backup/tar.h"
#include "backup/unpack.h"
#include "cli/api.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "core/clock.h"
#include "core/disk.h"
#include "core/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

const char vk_help_backup_verify[] =
    "Usage: valetkey backup verify FILE [--json]\n"
    "\n"
    "Reads a backup from its first byte to its last and checks that it is whole: every file in it has the "
    "SHA-256\n"
    "of the manifest, and this valetkey can restore it. Exit code 1 when not.\n"
    "\n"
    "Examples:\n"
    "  valetkey backup verify monday.tar\n"
    "  valetkey backup verify monday.tar --json\n";

const char vk_help_restore[] =
    "Usage: valetkey restore FILE [--data DIR] [--json]\n"
    "\n"
    "Makes the data folder DIR out of a backup. DIR must not exist, or be empty; nothing is ever "
    "overwritten. The\n"
    "folder appears under its name only when every file of it has the checksum of the backup's manifest. A "
    "backup\n"
    "of an earlier valetkey is fine (the first start brings its data forward), one of a later is refused.\n"
    "\n"
    "What was revoked or deleted after the backup was made is back: revoke it again. A key file that is in "
    "the\n"
    "backup (--with-secrets) becomes DIR.key; otherwise put your copy of it there, or name it: serve "
    "--key-file.\n"
    "\n"
    "Examples:\n"
    "  valetkey restore monday.tar --data /var/lib/valetkey\n"
    "  valetkey restore monday.tar --data ./restored --json\n";

enum { KEY_MAX = 4096, DEPTH_MAX = 4 };

/* ---- the archive's file */

struct archive {
    int fd;
    int64_t got, size;
};

/* SIGINT, SIGTERM, SIGHUP: the reading ends, what was made goes, and then the signal has its way. */
static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
    interrupted = sig;
}

static void watch_signals(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND}, now;
    for (size_t i = 0; i < VK_COUNT(ends); i++)
        if (sigaction(ends[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
            sigaction(ends[i], &a, NULL);
}

static ssize_t read_archive(void *arg, void *to, size_t n)
{
    struct archive *a = arg;
    ssize_t r;
    if (interrupted)
        return -1;
    do
        r = read(a->fd, to, n);
    while (r < 0 && errno == EINTR);
    if (r > 0)
        a->got += r;
    vk_progress("Reading", a->got, a->size);
    return r;
}

static int open_archive(struct archive *a, const char *file)
{
    struct stat st;
    a->fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (a->fd < 0)
        return vk_failed(errno == ENOENT ? "not_found" : "io", "The backup %s cannot be opened (%s).", file,
                         vk_errno_text(errno));
    if (fstat(a->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return vk_failed("invalid", "%s is no plain file.", file);
    a->size = st.st_size;
    return VK_EXIT_OK;
}

static int refused(const char *file, vk_err e, const char *why)
{
    return vk_failed(vk_err_name(e), "%s is refused: %s.", file, why);
}

static void put_members(vk_jw *w, const vk_unpacked *u)
{
    char created[VK_CLOCK_TEXT];
    vk_clock_text(u->info.created_ms, created);
    vk_jw_kstr(w, "created", vk_str_z(created));
    vk_jw_kstr(w, "program", vk_str_z(u->info.program));
    vk_jw_ki64(w, "data_version", u->info.data_version);
    vk_jw_ki64(w, "builds_with_data", (int64_t)u->builds);
    vk_jw_ki64(w, "files", (int64_t)u->files);
    vk_jw_ki64(w, "bytes", u->bytes);
    vk_jw_kbool(w, "secrets", u->info.secrets);
}

static void print_json(const char *name, const char *value, const vk_unpacked *u, const char *key)
{
    vk_buf out;
    vk_buf_init(&out, 64 << 10);
    vk_jw w = vk_jw_on(&out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, name, vk_str_z(value));
    put_members(&w, u);
    if (key)
        vk_jw_kstr(&w, "key_file", vk_str_z(key));
    vk_jw_obj_end(&w);
    printf(VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&out)));
    vk_buf_free(&out);
}

int vk_cmd_backup_verify(int argc, char **argv)
{
    bool json = false;
    const char *pos[1];
    char why[VK_UNPACK_WHY], size[VK_SIZE_TEXT];
    struct archive a = {.fd = -1};
    vk_unpacked u;
    const vk_opt opts[] = {VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The backup's FILE", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    int code = open_archive(&a, pos[0]);
    if (code == VK_EXIT_OK) {
        const vk_unpack_source from = {read_archive, &a};
        const vk_unpack_sink nowhere = {0};
        vk_err e = vk_unpack(&from, &nowhere, &u, why);
        vk_progress_end();
        if (e != VK_OK)
            code = refused(pos[0], e, why);
    }
    if (a.fd >= 0)
        close(a.fd);
    if (code == VK_EXIT_OK && json) {
        print_json("file", pos[0], &u, NULL);
    } else if (code == VK_EXIT_OK) {
        char created[VK_CLOCK_TEXT];
        vk_clock_text(u.info.created_ms, created);
        vk_size_text(u.bytes, size);
        printf("%s✓%s %s is whole: %zu files (%s) as of %s, data version %lld, made by valetkey %s%s.\n",
               vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), pos[0], u.files, size, created,
               (long long)u.info.data_version, u.info.program, u.info.secrets ? ", with its secrets" : "");
    }
    return code;
}

/* ---- the folder */

struct restore {
    char target[PATH_MAX];   /* the folder's place, absolute */
    char key_path[PATH_MAX]; /* <target>.key */
    char temp[PATH_MAX];     /* the folder while it is made; empty: none */
    int temp_fd;
    int turn; /* the folder above, locked: of several restores to one place, one at a time ends */
    int fd;   /* the file that is written; -1: none, or the key */
    char file[VK_TAR_NAME_MAX + 1], folder[VK_TAR_NAME_MAX + 1]; /* in the folder; the file's */
    vk_buf key;
    bool made_key;
};

static vk_err say_disk(char why[VK_UNPACK_WHY], vk_err e, const char *what)
{
    if (e == VK_E_FULL)
        snprintf(why, VK_UNPACK_WHY, "the disk is full: %s could not be written. Make room and try again",
                 what);
    else
        snprintf(why, VK_UNPACK_WHY, "%s could not be written (%s)", what, vk_err_name(e));
    return e;
}

/* Syncs the folder that was written to, and those above it, up to the one that holds `next` too: members are
 * in order, so nothing comes into them any more. */
static vk_err leave(struct restore *r, const char *next)
{
    char folder[VK_TAR_NAME_MAX + 1];
    vk_err e = VK_OK;
    snprintf(folder, sizeof folder, "%s", r->folder);
    for (char *slash = folder; e == VK_OK && slash && folder[0];) {
        size_t n = strlen(folder);
        if (strncmp(next, folder, n) == 0 && (next[n] == '/' || !next[n]))
            break;
        e = vk_disk_sync_dir(r->temp_fd, folder);
        slash = strrchr(folder, '/');
        if (slash)
            *slash = '\0';
    }
    return e;
}

/* The folders of a path in temp; what was in the folder before is complete then. */
static vk_err enter(struct restore *r, const char *path)
{
    char folder[VK_TAR_NAME_MAX + 1] = "";
    const char *slash = strrchr(path, '/');
    if (slash)
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    if (strcmp(folder, r->folder) == 0)
        return VK_OK;
    vk_err e = leave(r, folder);
    snprintf(r->folder, sizeof r->folder, "%s", folder);
    for (char *p = folder; e == VK_OK && *folder && p; p = p ? p + 1 : NULL) {
        p = strchr(p, '/');
        if (p)
            *p = '\0';
        if (mkdirat(r->temp_fd, folder, 0700) != 0 && errno != EEXIST)
            e = vk_disk_err(errno);
        if (!p)
            break;
        *p = '/';
    }
    return e;
}

static vk_err begin(void *arg, const char *name, int64_t size, char why[VK_UNPACK_WHY])
{
    struct restore *r = arg;
    VK_UNUSED(size);
    r->fd = -1;
    if (strcmp(name, VK_BACKUP_KEY) == 0)
        return VK_OK;
    snprintf(r->file, sizeof r->file, "%s", name + sizeof "data/" - 1);
    vk_err e = enter(r, r->file);
    if (e == VK_OK)
        e = vk_disk_begin(r->temp_fd, r->file, 0600, &r->fd);
    return e == VK_OK ? e : say_disk(why, e, r->file);
}

static vk_err bytes(void *arg, vk_str piece, char why[VK_UNPACK_WHY])
{
    struct restore *r = arg;
    vk_err e;
    if (r->fd < 0) {
        vk_buf_str(&r->key, piece);
        e = r->key.err;
    } else {
        e = vk_disk_add(r->fd, piece);
    }
    return e == VK_OK ? e : say_disk(why, e, r->fd < 0 ? "the key file" : r->file);
}

static vk_err end(void *arg, char why[VK_UNPACK_WHY])
{
    struct restore *r = arg;
    if (r->fd < 0)
        return VK_OK;
    vk_err e = vk_disk_end(r->fd);
    r->fd = -1;
    return e == VK_OK ? e : say_disk(why, e, r->file);
}

/* A tree that this program has made. */
static void remove_tree(int dirfd, const char *name, int depth)
{
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *x; d && (x = readdir(d));)
        if (strcmp(x->d_name, ".") != 0 && strcmp(x->d_name, "..") != 0 && unlinkat(fd, x->d_name, 0) != 0 &&
            depth < DEPTH_MAX)
            remove_tree(fd, x->d_name, depth + 1);
    if (d)
        closedir(d);
    unlinkat(dirfd, name, AT_REMOVEDIR);
}

/* ---- its place */

static int not_empty(const char *dir)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    bool running = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
    if (fd >= 0)
        close(fd);
    if (running)
        return vk_failed(
            "conflict",
            "A daemon is running on %s. Restore into another folder, look at it, and exchange the "
            "folders while no daemon runs.",
            dir);
    return vk_failed("conflict",
                     "%s is not empty, and nothing is overwritten. Move it away, or name another folder with "
                     "--data.",
                     dir);
}

static bool is_empty(const char *dir)
{
    DIR *d = opendir(dir);
    bool empty = d != NULL;
    for (struct dirent *x; d && (x = readdir(d));)
        empty = empty && (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0);
    if (d)
        closedir(d);
    return empty;
}

/* Absolute, without links in it, so that it can be renamed to. */
static int find_place(struct restore *r, const char *dir)
{
    char parent[PATH_MAX], real[PATH_MAX];
    struct stat st, above;
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    if (n == 0 || n + 64 >= PATH_MAX)
        return vk_failed("usage", "--data: the path is empty or too long.");
    snprintf(parent, sizeof parent, "%.*s", (int)n, dir);
    bool there = realpath(parent, real) != NULL;
    if (!there) {
        char *slash = strrchr(parent, '/');
        const char *name = dir + (slash ? slash - parent + 1 : 0);
        char base[PATH_MAX];
        snprintf(base, sizeof base, "%.*s", (int)(n - (size_t)(name - dir)), name);
        if (errno != ENOENT || strcmp(base, "..") == 0 || strcmp(base, ".") == 0)
            return vk_failed("io", "%s cannot be made (%s). Name another folder with --data.", dir,
                             vk_errno_text(errno));
        if (slash)
            slash[slash == parent] = '\0';
        if (!realpath(slash ? parent : ".", real))
            return vk_failed("not_found", "The folder above %s does not exist. Make it first.", dir);
        if (snprintf(r->target, sizeof r->target, "%s/%s", strcmp(real, "/") == 0 ? "" : real, base) >=
            PATH_MAX)
            return vk_failed("usage", "--data: the path is too long.");
        if (lstat(r->target, &st) == 0)
            return vk_failed("conflict", "%s is a link that leads nowhere. Remove it.", dir);
    } else {
        snprintf(r->target, sizeof r->target, "%s", real);
        if (stat(real, &st) != 0 || !S_ISDIR(st.st_mode))
            return vk_failed("conflict", "%s is no folder. Name another with --data.", dir);
        if (!is_empty(real))
            return not_empty(real);
        snprintf(parent, sizeof parent, "%.4000s/..", real);
        if (stat(parent, &above) == 0 && (above.st_dev != st.st_dev || above.st_ino == st.st_ino))
            return vk_failed(
                "conflict",
                "A file system is mounted on %s, so no other folder can take its place. Restore into "
                "a new folder in it: --data %s/valetkey.",
                real, strcmp(real, "/") == 0 ? "" : real);
    }
    if (snprintf(r->key_path, sizeof r->key_path, "%s.key", r->target) >= PATH_MAX)
        return vk_failed("usage", "--data: the path is too long.");
    return VK_EXIT_OK;
}

static int make_temp(struct restore *r)
{
    const char *slash = strrchr(r->target, '/');
    snprintf(r->temp, sizeof r->temp, "%.*s/.%.*s.restore-XXXXXX", (int)(slash - r->target), r->target, 200,
             slash + 1);
    if (!mkdtemp(r->temp)) { /* 0700 */
        r->temp[0] = '\0';
        return vk_failed(errno == ENOSPC ? "full" : "io", "No folder can be made beside %s (%s).", r->target,
                         vk_errno_text(errno));
    }
    r->temp_fd = open(r->temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return r->temp_fd >= 0 ? VK_EXIT_OK
                           : vk_failed("io", "%s cannot be opened (%s).", r->temp, vk_errno_text(errno));
}

/* The key of the archive goes where `serve` looks for it; one that is there already must be the same. */
static int put_key(struct restore *r)
{
    vk_buf old;
    int fd, code = VK_EXIT_OK;
    if (!r->key.n)
        return VK_EXIT_OK;
    vk_buf_init(&old, KEY_MAX * 3);
    vk_err e = vk_disk_read(AT_FDCWD, r->key_path, KEY_MAX, &old);
    if (e == VK_OK && vk_str_eq_secret(vk_buf_view(&old), vk_buf_view(&r->key)))
        code = VK_EXIT_OK;
    else if (e != VK_E_NOT_FOUND)
        code =
            vk_failed("conflict",
                      "%s exists and is not the key of this backup. Move it away, or restore under another "
                      "name; nothing was changed.",
                      r->key_path);
    else if ((e = vk_disk_begin(AT_FDCWD, r->key_path, 0600, &fd)) != VK_OK)
        code = vk_failed(vk_err_name(e), "The key file %s cannot be made (%s).", r->key_path, vk_err_name(e));
    else {
        r->made_key = true;
        e = vk_disk_add(fd, vk_buf_view(&r->key));
        vk_err closed = vk_disk_end(fd);
        if (e != VK_OK || closed != VK_OK)
            code = vk_failed(e == VK_E_FULL || closed == VK_E_FULL ? "full" : "io",
                             "The key file %s cannot be written.", r->key_path);
    }
    vk_buf_free_secret(&old);
    return code;
}

/* Another restore to the same place may be about to end, with the same key: what one of them has made there,
 * and takes away because it was not first, must not be what the other one relies on. Where folders cannot be
 * locked, on some network file systems, it is as if they could. */
static void take_turn(struct restore *r)
{
    char above[PATH_MAX];
    const char *slash = strrchr(r->target, '/');
    snprintf(above, sizeof above, "%.*s", slash == r->target ? 1 : (int)(slash - r->target), r->target);
    r->turn = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (r->turn >= 0 && flock(r->turn, LOCK_EX) != 0 && errno == EINTR && !interrupted)
        continue;
}

/* All in it is whole: on stable storage, and then under its name. */
static int publish(struct restore *r)
{
    bool moved = false;
    take_turn(r);
    vk_err e = leave(r, "");
    int code = e == VK_OK ? put_key(r) : VK_EXIT_FAILED;
    if (code != VK_EXIT_OK && e == VK_OK)
        return code;
    if (e == VK_OK)
        e = vk_disk_move(AT_FDCWD, r->temp, r->target, &moved);
    if (moved)
        r->temp[0] = '\0';
    if (e == VK_OK)
        return VK_EXIT_OK;
    if (!moved && !is_empty(r->target) && access(r->target, F_OK) == 0)
        return not_empty(r->target);
    return vk_failed(e == VK_E_FULL ? "full" : "io", "%s could not be made (%s).", r->target,
                     e == VK_E_FULL ? "the disk is full" : vk_err_name(e));
}

static void tell(const struct restore *r, const char *file, const vk_unpacked *u)
{
    char size[VK_SIZE_TEXT], created[VK_CLOCK_TEXT];
    vk_size_text(u->bytes, size);
    vk_clock_text(u->info.created_ms, created);
    printf("%s✓%s %s is what %s holds: %zu files, %s, as of %s. Every checksum is right.\n",
           vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), r->target, file, u->files, size, created);
    if (u->info.data_version < VK_SCHEMA_VERSION)
        printf("  Its data has version %lld; the first start brings it to %d.\n",
               (long long)u->info.data_version, (int)VK_SCHEMA_VERSION);
    if (u->key)
        printf("  The key of its vault is %s.\n", r->key_path);
    else if (access(r->key_path, F_OK) == 0)
        printf("  The key of its vault is not in the backup; %s is there, and the start says whether it is "
               "it.\n",
               r->key_path);
    else
        printf(
            "  The key of its vault is not in the backup: put your copy of the key file at %s (mode 0600),\n"
            "  or name it with --key-file.\n",
            r->key_path);
    printf("  What was revoked or deleted since then is back: revoke or delete it again.\n"
           "  Next: valetkey serve --data %s\n",
           r->target);
}

int vk_cmd_restore(int argc, char **argv)
{
    bool json = false;
    const char *data = NULL, *pos[1];
    char why[VK_UNPACK_WHY];
    struct archive a = {.fd = -1};
    struct restore r = {.temp_fd = -1, .turn = -1, .fd = -1};
    vk_unpacked u;
    const vk_opt opts[] = {VK_OPT_T("data", data), VK_OPT_F("json", json), {0}};
    if (vk_args(argc, argv, opts, pos, 1, 1, "The backup's FILE", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    vk_buf_init(&r.key, KEY_MAX * 3);
    r.key.secret = true;
    int code = open_archive(&a, pos[0]);
    if (code == VK_EXIT_OK)
        code = find_place(&r, vk_data_dir(data));
    watch_signals();
    if (code == VK_EXIT_OK)
        code = make_temp(&r);
    if (code == VK_EXIT_OK) {
        const vk_unpack_source from = {read_archive, &a};
        const vk_unpack_sink to = {begin, bytes, end, &r};
        vk_err e = vk_unpack(&from, &to, &u, why);
        vk_progress_end();
        if (e == VK_OK)
            code = publish(&r);
        else
            code = interrupted ? VK_EXIT_FAILED : refused(pos[0], e, why);
    }
    if (r.fd >= 0)
        close(r.fd);
    if (r.temp_fd >= 0)
        close(r.temp_fd);
    if (code != VK_EXIT_OK && r.made_key)
        unlink(r.key_path);
    if (r.turn >= 0)
        close(r.turn);
    if (r.temp[0])
        remove_tree(AT_FDCWD, r.temp, 0);
    if (a.fd >= 0)
        close(a.fd);
    if (code == VK_EXIT_OK && json)
        print_json("data", r.target, &u, u.key ? r.key_path : "");
    else if (code == VK_EXIT_OK)
        tell(&r, pos[0], &u);
    vk_buf_free_secret(&r.key);
    if (interrupted && code != VK_EXIT_OK)
        raise(interrupted);
    return code;
}
