/* backup: everything in a data folder as one file, also while the daemon runs. The metadata is copied first,
 * so the backup's moment is its start; then every build that is in it, one after the other. A build that is
 * deleted meanwhile is taken out of the copy of the metadata and of the archive. */
#include "cli/backup.h"

#include "backup/contents.h"
#include "backup/unpack.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "cli/part.h"
#include "core/clock.h"
#include "core/disk.h"
#include "core/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

const char vk_help_backup[] =
    "Usage: valetkey backup --out FILE [options]\n"
    "       valetkey backup verify FILE\n"
    "\n"
    "Saves everything of a data folder in one file (mode 0600): metadata, the databases of all builds with "
    "their\n"
    "snapshots, the sealed vault. The daemon may run, and apps may write, meanwhile; without a daemon the "
    "folder is\n"
    "read directly. The file is a tar archive with a manifest of SHA-256 sums, and appears under its name "
    "only\n"
    "when it is complete. `valetkey restore` makes a data folder of it.\n"
    "\n"
    "It holds the data of every app: keep it as you keep a secret. What opens the vault is not in it: keep a "
    "copy\n"
    "of the key file apart from it, without which no valet key works after a restore. With --with-secrets "
    "the\n"
    "file holds that key, the tokens and the key of a self-signed certificate, and is enough by itself.\n"
    "\n"
    "  --out FILE               where to, or a folder; an existing file is refused\n"
    "  --force                  replace an existing file\n"
    "  --with-secrets           put the key file, admin.token, metrics.token and tls/ in as well\n"
    "  --key-file FILE          with --with-secrets and no daemon: where the key file is, if it is not "
    "DIR.key\n"
    "  --data DIR, --json       as everywhere\n"
    "\n"
    "Examples:\n"
    "  valetkey backup --out /mnt/backups\n"
    "  valetkey backup --data /var/lib/valetkey --out monday.tar --json\n"
    "  valetkey backup verify monday.tar\n";

enum { FILES_MAX = 64, FILE_NAME_MAX = 128, SHOWN = 5 };

struct backup {
    vk_from source;
    vk_part part;
    vk_pack pack;
    char spool[PATH_MAX]; /* the copy of the metadata; empty: none */
    bool secrets;
    vk_copied_build *builds;
    const vk_copied_build **gone;
    size_t n_builds, n_gone, n_unknown;
    char unknown[PATH_MAX]; /* one of the files that no service knows */
    bool has_key;
};

enum { TORN_TRIES = 8 };

/* A file of a build, open before the build's database is copied, so that what was there then is what is
 * taken. */
struct file {
    char name[FILE_NAME_MAX];
    const vk_data_file *row;
    const vk_service *service;
    int fd; /* -1: VK_DATA_EXPORT, or the folder of VK_DATA_NAMED */
    int64_t size;
};

static int packed(struct backup *b, vk_err e)
{
    return e == VK_OK ? VK_EXIT_OK : vk_pack_failed(&b->pack, e, b->part.out);
}

/* ---- one build */

static int by_order(const void *a, const void *b)
{
    return vk_backup_order(vk_str_z(((const struct file *)a)->name),
                           vk_str_z(((const struct file *)b)->name));
}

static void close_files(struct file *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (f[i].fd >= 0)
            close(f[i].fd);
}

/* What has a second name is part of a restore that was cut short: the name goes when the build is used. */
static bool is_database_too(int dir, const struct stat *st)
{
    struct stat db;
    return st->st_nlink > 1 && fstatat(dir, "database.db", &db, AT_SYMLINK_NOFOLLOW) == 0 &&
           db.st_ino == st->st_ino && db.st_dev == st->st_dev;
}

/* False: it has gone, or is none of those that are taken. */
static bool open_file(struct backup *b, int dir, const char *id, const char *name, struct file *f)
{
    struct stat st;
    *f = (struct file){.fd = -1};
    f->row = vk_backup_build_file(vk_str_z(name), &f->service);
    if (!f->row && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
        (f->row = vk_backup_build_folder(vk_str_z(name), &f->service))) {
        snprintf(f->name, sizeof f->name, "%s", name);
        return true;
    }
    if (!f->row && b->n_unknown++ == 0)
        snprintf(b->unknown, sizeof b->unknown, "builds/%s/%s", id, name);
    if (!f->row || f->row->how == VK_DATA_BESIDE ||
        snprintf(f->name, sizeof f->name, "%s", name) >= (int)sizeof f->name)
        return false;
    if (f->row->how == VK_DATA_EXPORT)
        return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
    f->fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0)
        return false;
    if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode) || is_database_too(dir, &st)) {
        close(f->fd);
        return false;
    }
    f->size = st.st_size;
    return true;
}

/* A folder of VK_DATA_NAMED may be made between the listing and the copy of the index: it is looked into
 * whenever there is an index. */
static bool add_folders(struct file all[FILES_MAX], size_t *n)
{
    for (size_t i = 0, had = *n; i < had; i++) {
        const vk_service *s = all[i].service;
        for (const vk_data_file *f = s->files; all[i].row->how == VK_DATA_EXPORT && s->named_files && f->name;
             f++) {
            vk_str rest = vk_str_z(f->name), first;
            bool there = f->how != VK_DATA_NAMED || !vk_str_cut(&rest, '/', &first);
            for (size_t k = 0; k < *n && !there; k++)
                there = vk_str_eqz(first, all[k].name);
            if (there)
                continue;
            if (*n == FILES_MAX)
                return false;
            all[*n] = (struct file){.row = f, .service = s, .fd = -1};
            snprintf(all[*n].name, FILE_NAME_MAX, VK_STR_FMT, VK_STR_ARG(first));
            ++*n;
        }
    }
    return true;
}

static int list_files(struct backup *b, const char *id, struct file all[FILES_MAX], size_t *n_r)
{
    char path[16 + VK_BUILD_ID_MAX];
    *n_r = 0;
    snprintf(path, sizeof path, "builds/%s", id);
    int fd = openat(b->source.data_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return VK_EXIT_OK; /* it has used no service yet */
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0)
            close(fd);
        return vk_failed("io", "The folder %s of the build \"%s\" cannot be read (%s).", path, id,
                         vk_errno_text(errno));
    }
    bool room = true;
    for (struct dirent *x; room && (x = readdir(d));) {
        if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0)
            continue;
        room = *n_r < FILES_MAX;
        if (room && open_file(b, dirfd(d), id, x->d_name, &all[*n_r]))
            (*n_r)++;
    }
    closedir(d);
    room = room && add_folders(all, n_r);
    if (!room)
        return vk_failed("too_large", "The build \"%s\" has more than %d files.", id, FILES_MAX);
    qsort(all, *n_r, sizeof *all, by_order);
    return VK_EXIT_OK;
}

/* The files that the copy of a service's index names: they are in their place as long as the lease on them
 * runs, and what is open is there anyway. One that is missing: the lease was lost, and all of the build
 * begins anew. */
struct named {
    struct backup *b;
    const vk_copied_build *x;
    vk_lease *lease;
    int dir; /* of the build */
    int code;
    bool torn;
    char missing[FILE_NAME_MAX];
};

static bool put_named(void *arg, const char *name, int64_t size)
{
    struct named *n = arg;
    struct stat st;
    char member[VK_TAR_NAME_MAX + FILE_NAME_MAX];
    int fd = openat(n->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    n->torn = fd < 0 && errno == ENOENT;
    if (fd < 0 && !n->torn)
        n->code = vk_failed("io", "builds/%s/%s cannot be read (%s).", n->x->id, name, vk_errno_text(errno));
    if (fd < 0) {
        snprintf(n->missing, sizeof n->missing, "%s", name);
        return false;
    }
    snprintf(member, sizeof member, "data/builds/%s/%.127s", n->x->id, name);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != size)
        n->code = vk_failed(
            "corrupt",
            "builds/%s/%s is damaged: its index says %lld bytes. Remove the object (`valetkey storage "
            "rm`), or restore it from an older backup.",
            n->x->id, name, (long long)size);
    else
        n->code = packed(n->b, vk_pack_from(&n->b->pack, member, fd, size));
    close(fd);
    if (n->code == VK_EXIT_OK)
        n->code = vk_from_renew(&n->b->source, n->lease);
    vk_from_progress(&n->b->source, &n->b->pack);
    return n->code == VK_EXIT_OK;
}

static int put_folder(struct named *n, const vk_service *s)
{
    char path[16 + VK_BUILD_ID_MAX];
    snprintf(path, sizeof path, "builds/%s", n->x->id);
    n->dir = openat(n->b->source.data_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (n->dir < 0) { /* deleted, and perhaps made again */
        n->torn = true;
        return VK_EXIT_OK;
    }
    vk_err e = s->named_files(n->b->source.temp, put_named, n);
    close(n->dir);
    if (e != VK_OK && n->code == VK_EXIT_OK && !n->torn)
        n->code = vk_failed(vk_err_name(e), "The copy of the %s of the build \"%s\" cannot be read (%s).",
                            s->name, n->x->id, vk_err_name(e));
    return n->code;
}

/* The row of the file that names others, if there is one. */
static const struct file *index_of(const struct file *all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (all[i].row->how == VK_DATA_EXPORT && all[i].service->named_files)
            return &all[i];
    return NULL;
}

/* *gone_r: the build is not this one any more. *torn_r: a file went before it was read. */
static int put_files(struct backup *b, const vk_copied_build *x, struct file *all, size_t n,
                     struct named *names, bool *gone_r)
{
    int code = VK_EXIT_OK;
    const struct file *index = index_of(all, n);
    if (index)
        code = vk_from_copy(&b->source, x, index->service->name, index->name, names->lease, gone_r);
    for (size_t i = 0; code == VK_EXIT_OK && !*gone_r && !names->torn && i < n; i++) {
        char member[VK_TAR_NAME_MAX + FILE_NAME_MAX];
        snprintf(member, sizeof member, "data/builds/%s/%.127s", x->id, all[i].name);
        if (all[i].row->how == VK_DATA_NAMED)
            code = index && index->service == all[i].service ? put_folder(names, index->service) : VK_EXIT_OK;
        else if (&all[i] == index &&
                 b->source.running) /* otherwise another file's copy may be there by now */
            code = vk_from_temp(&b->source, &b->pack, member);
        else if (all[i].fd < 0)
            code = vk_from_export(&b->source, x, all[i].service->name, &b->pack, member, gone_r);
        else
            code = packed(b, vk_pack_from(&b->pack, member, all[i].fd, all[i].size));
    }
    vk_from_end_lease(&b->source, names->lease);
    return code == VK_EXIT_OK && !*gone_r && n ? vk_from_same(&b->source, x, gone_r) : code;
}

static int put_build(struct backup *b, const vk_copied_build *x)
{
    struct file all[FILES_MAX];
    size_t n;
    bool gone = false;
    vk_pack_mark mark = vk_pack_here(&b->pack);
    for (int i = 0; i < TORN_TRIES; i++) {
        vk_lease lease = {.id = ""};
        struct named names = {.b = b, .x = x, .lease = &lease};
        int code = list_files(b, x->id, all, &n);
        if (code == VK_EXIT_OK)
            code = put_files(b, x, all, n, &names, &gone);
        close_files(all, n);
        vk_from_progress(&b->source, &b->pack);
        if (code != VK_EXIT_OK || (!gone && !names.torn))
            return code;
        code = packed(b, vk_pack_back(&b->pack, mark));
        if (code != VK_EXIT_OK || gone) {
            if (gone)
                b->gone[b->n_gone++] = x;
            return code;
        }
        if (!b->source.running || i + 1 == TORN_TRIES)
            return vk_failed(
                "corrupt",
                "builds/%s/%s is missing, which the index of the build's objects names. Remove the "
                "object (`valetkey storage get --all` says which), or restore it from an older backup.",
                x->id, names.missing);
    }
    return VK_EXIT_OK;
}

/* Of the files in a folder and in those in it. */
static int64_t folder_size(int dir, const char *name, int depth)
{
    int64_t sum = 0;
    struct stat st;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *x; d && (x = readdir(d));) {
        if (x->d_name[0] == '.' || fstatat(fd, x->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISREG(st.st_mode))
            sum += st.st_size + VK_TAR_BLOCK;
        else if (S_ISDIR(st.st_mode) && depth < 2)
            sum += folder_size(fd, x->d_name, depth + 1);
    }
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
    return sum;
}

/* Sizes of what is there now; nobody needs them without a terminal. */
static void estimate(struct backup *b)
{
    for (size_t i = 0; isatty(STDERR_FILENO) && i < b->n_builds; i++) {
        char path[16 + VK_BUILD_ID_MAX];
        snprintf(path, sizeof path, "builds/%s", b->builds[i].id);
        int fd = openat(b->source.data_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);
        struct stat st;
        const vk_service *s;
        for (struct dirent *x; d && (x = readdir(d));) {
            const vk_data_file *f = vk_backup_build_file(vk_str_z(x->d_name), &s);
            if (!f && vk_backup_build_folder(vk_str_z(x->d_name), &s))
                b->source.total += folder_size(fd, x->d_name, 0);
            if (f && f->how != VK_DATA_BESIDE && fstatat(fd, x->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                b->source.total += st.st_size + VK_TAR_BLOCK;
        }
        if (d)
            closedir(d);
        else if (fd >= 0)
            close(fd);
    }
}

static int put_builds(struct backup *b)
{
    int code = VK_EXIT_OK;
    estimate(b);
    for (size_t i = 0; code == VK_EXIT_OK && i < b->n_builds; i++)
        if (!b->builds[i].deleting) /* the next start finishes that */
            code = put_build(b, &b->builds[i]);
    return code;
}

/* ---- the files beside */

static int put_metadata(struct backup *b)
{
    struct stat st;
    vk_err e = b->n_gone ? vk_metadata_drop(b->spool, b->gone, b->n_gone) : VK_OK;
    if (e != VK_OK)
        return vk_failed(vk_err_name(e), "The copy of the metadata beside the backup cannot be written (%s).",
                         vk_err_name(e));
    int fd = open(b->spool, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        e = VK_E_IO;
    else
        e = vk_pack_from(&b->pack, "data/valetkey.db", fd, st.st_size);
    if (fd >= 0)
        close(fd);
    return packed(b, e);
}

/* A plain file as a member. Absent: an error only when it is `needed`. */
static int put_file(struct backup *b, int dir, const char *path, const char *member, bool needed)
{
    struct stat st;
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT && !needed)
        return VK_EXIT_OK;
    if (fd < 0)
        return vk_failed(errno == ENOENT ? "not_found" : "forbidden", "%s cannot be read (%s).", path,
                         vk_errno_text(errno));
    int code;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        code = vk_failed("invalid", "%s is no plain file.", path);
    else
        code = packed(b, vk_pack_from(&b->pack, member, fd, st.st_size));
    close(fd);
    return code;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What a folder has, sorted as vk_backup_order wants it. NULL: it is not there, or *code_r says what failed.
 */
static char **names_of(struct backup *b, const char *folder, size_t *n_r, int *code_r)
{
    char **names = NULL;
    size_t n = 0, cap = 0;
    int fd = openat(b->source.data_fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d && (fd >= 0 || errno != ENOENT))
        *code_r = vk_failed("forbidden", "%s cannot be read (%s).", folder, vk_errno_text(errno));
    for (struct dirent *x; d && *code_r == VK_EXIT_OK && (x = readdir(d));) {
        size_t len = strlen(x->d_name);
        if (x->d_name[0] == '.' || (len > 4 && strcmp(x->d_name + len - 4, ".new") == 0))
            continue; /* the second is one that was being written */
        char **grown = n < cap ? names : realloc(names, (cap = cap ? cap * 2 : 16) * sizeof *names);
        names = grown ? grown : names;
        if (!grown || !(names[n] = strdup(x->d_name)))
            *code_r = vk_failed("nomem", "There is not enough memory.");
        else
            n++;
    }
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
    if (n)
        qsort(names, n, sizeof *names, compare_names);
    *n_r = n;
    return names;
}

/* The files of a row with "*" in it. What goes while it is looked at is left out. */
static int put_tree(struct backup *b, const char *pattern)
{
    char folder[PATH_MAX];
    const char *star = strchr(pattern, '*'), *rest = star + 1;
    size_t n;
    int code = VK_EXIT_OK;
    snprintf(folder, sizeof folder, "%.*s", (int)(star - pattern) - 1, pattern);
    char **names = names_of(b, folder, &n, &code);
    for (size_t i = 0; i < n; i++) {
        char member[PATH_MAX];
        int64_t most;
        int len = snprintf(member, sizeof member, "data/%s/%s%s", folder, names[i], rest);
        if (code == VK_EXIT_OK && len > 0 && (size_t)len < sizeof member && *rest)
            code = put_tree(b, member + 5);
        else if (code == VK_EXIT_OK && len > 0 && vk_backup_name_ok(vk_str_z(member), &most))
            code = put_file(b, b->source.data_fd, member + 5, member, false);
        free(names[i]);
    }
    free(names);
    return code;
}

/* The vault's records open with the ring that is beside them: another one must not come in between. */
static int ring_of(const struct backup *b, vk_buf *out)
{
    vk_buf_init(out, 16 * 1024);
    vk_err e = vk_disk_read(b->source.data_fd, "vault/ring", 4096, out);
    return e == VK_OK || e == VK_E_NOT_FOUND
               ? VK_EXIT_OK
               : vk_failed(vk_err_name(e), "vault/ring cannot be read (%s).", vk_err_name(e));
}

static int put_key(struct backup *b)
{
    if (!b->source.key_file[0])
        return vk_failed("not_found",
                         "Where the key of the vault is is not known: name it with --key-file FILE.");
    b->has_key = true;
    return put_file(b, AT_FDCWD, b->source.key_file, VK_BACKUP_KEY, true);
}

static int put_rows(struct backup *b)
{
    int code = VK_EXIT_OK;
    bool builds = false;
    for (const vk_backup_file *f = vk_backup_files; code == VK_EXIT_OK && f->name; f++) {
        char member[64];
        snprintf(member, sizeof member, "data/%s", f->name);
        if (!builds && vk_backup_order(vk_str_z(f->name), VK_STR("builds")) > 0) {
            builds = true;
            code = put_builds(b);
        }
        if (code != VK_EXIT_OK || (f->secret && !b->secrets))
            continue;
        if (strcmp(f->name, "valetkey.db") == 0)
            code = put_metadata(b);
        else if (strchr(f->name, '*'))
            code = put_tree(b, f->name);
        else
            code = put_file(b, b->source.data_fd, f->name, member, f->needed);
    }
    return code;
}

static int put_all(struct backup *b)
{
    vk_buf before, after = {.p = NULL};
    int code = ring_of(b, &before);
    if (code == VK_EXIT_OK)
        code = put_rows(b);
    if (code == VK_EXIT_OK)
        code = ring_of(b, &after);
    if (code == VK_EXIT_OK && !vk_str_eq(vk_buf_view(&before), vk_buf_view(&after)))
        code = vk_failed("conflict",
                         "The vault's own keys were changed meanwhile (valetkey keys rekey). Make the "
                         "backup again.");
    vk_buf_free(&before);
    vk_buf_free(&after);
    return code == VK_EXIT_OK && b->secrets ? put_key(b) : code;
}

/* ---- all of it */

/* An empty file beside the backup, closed to others. */
static int make_beside(const struct backup *b, char path[PATH_MAX])
{
    int n = snprintf(path, PATH_MAX, "%s.part-XXXXXX", b->part.out);
    int fd = n > 0 && n < PATH_MAX ? vk_scratch_make(path) : -1;
    if (fd >= 0) {
        close(fd);
        return VK_EXIT_OK;
    }
    path[0] = '\0';
    return vk_failed("io", "No file can be made beside %s (%s).", b->part.out, vk_errno_text(errno));
}

static int make(struct backup *b)
{
    const char *why = "";
    vk_backup_info info = {.format = VK_BACKUP_FORMAT,
                           .program = VK_VERSION,
                           .created_ms = vk_clock_wall_ms(),
                           .secrets = b->secrets};
    int code = make_beside(b, b->spool);
    if (code == VK_EXIT_OK)
        code = make_beside(b, b->source.temp);
    if (code == VK_EXIT_OK)
        code = vk_from_metadata(&b->source, b->spool);
    if (code != VK_EXIT_OK)
        return code;
    vk_err e = vk_metadata_read(b->spool, &info.data_version, &b->builds, &b->n_builds, &why);
    if (e != VK_OK && e != VK_E_NEWER && e != VK_E_CORRUPT)
        return vk_failed(vk_err_name(e),
                         "The copy of the metadata beside %s cannot be read (%s). Is its disk full?",
                         b->part.out, vk_err_name(e));
    if (e != VK_OK || info.data_version < 1)
        return vk_failed(vk_err_name(e == VK_OK ? VK_E_CORRUPT : e), "%s cannot be backed up: %s.",
                         b->source.dir, e == VK_OK ? "its metadata was never set up" : why);
    b->gone = calloc(b->n_builds + 1, sizeof *b->gone);
    if (!b->gone)
        return vk_failed("nomem", "There is not enough memory.");
    code = packed(b, vk_pack_begin(&b->pack, b->part.fd, &info));
    if (code == VK_EXIT_OK)
        code = put_all(b);
    if (code == VK_EXIT_OK)
        code = packed(b, vk_pack_end(&b->pack));
    return code == VK_EXIT_OK ? vk_part_finish(&b->part) : code;
}

static void print_json(const struct backup *b)
{
    vk_buf out;
    char created[VK_CLOCK_TEXT];
    vk_clock_text(b->pack.info.created_ms, created);
    vk_buf_init(&out, 16 << 20);
    vk_jw w = vk_jw_on(&out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "file", vk_str_z(b->part.out));
    vk_jw_ki64(&w, "bytes", b->pack.at);
    vk_jw_kstr(&w, "created", vk_str_z(created));
    vk_jw_ki64(&w, "data_version", b->pack.info.data_version);
    vk_jw_ki64(&w, "builds", (int64_t)(b->n_builds - b->n_gone));
    vk_jw_ki64(&w, "files", (int64_t)b->pack.files);
    vk_jw_kbool(&w, "daemon_running", b->source.running);
    vk_jw_kbool(&w, "secrets", b->secrets);
    vk_jw_kstr(&w, "key_file", vk_str_z(b->source.key_file));
    vk_jw_ki64(&w, "files_left_out", (int64_t)b->n_unknown);
    vk_jw_key(&w, VK_STR("deleted_meanwhile"));
    vk_jw_arr(&w);
    for (size_t i = 0; i < b->n_gone; i++)
        vk_jw_str(&w, vk_str_z(b->gone[i]->id));
    vk_jw_arr_end(&w);
    vk_jw_obj_end(&w);
    printf(VK_STR_FMT "\n", VK_STR_ARG(vk_buf_view(&out)));
    vk_buf_free(&out);
}

static void note(const char *fmt, ...) VK_PRINTF(1, 2);
static void note(const char *fmt, ...)
{
    va_list ap;
    printf("%s!%s ", vk_tone_begin(stdout, VK_NOTICE), vk_tone_end(stdout));
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

static void print(const struct backup *b)
{
    char size[VK_SIZE_TEXT];
    vk_size_text(b->pack.at, size);
    printf("%s✓%s %s has everything of %s: %zu builds, %zu files, %s (data version %lld).\n",
           vk_tone_begin(stdout, VK_GOOD), vk_tone_end(stdout), b->part.out, b->source.dir,
           b->n_builds - b->n_gone, b->pack.files, size, (long long)b->pack.info.data_version);
    if (b->n_gone)
        note("%zu builds were deleted meanwhile and are not in it (%s%s).", b->n_gone, b->gone[0]->id,
             b->n_gone > 1 ? ", …" : "");
    if (b->n_unknown)
        note("%zu files are not valetkey's and were left out (%s%s).", b->n_unknown, b->unknown,
             b->n_unknown > 1 ? ", …" : "");
    if (b->secrets)
        note("It opens everything: apps' data, the vault, the admin API. Keep it as a secret.");
    else
        note("It holds the data of every app: keep it as a secret. The key that opens its vault is not in "
             "it:\n"
             "  keep a copy of %s apart from it.",
             b->source.key_file[0] ? b->source.key_file : "the key file");
}

/* --out may be a folder: then the file is named after the time. */
static int place(const char *out, char path[PATH_MAX])
{
    struct stat st;
    char t[VK_CLOCK_TEXT];
    size_t n = strlen(out);
    bool folder = stat(out, &st) == 0 && S_ISDIR(st.st_mode);
    vk_clock_text(vk_clock_wall_ms(), t); /* 2026-11-25T03:12:03.123Z */
    int r = folder ? snprintf(path, PATH_MAX, "%s%svaletkey-%.4s%.2s%.2s-%.2s%.2s%.2s.tar", out,
                              n && out[n - 1] == '/' ? "" : "/", t, t + 5, t + 8, t + 11, t + 14, t + 17)
                   : snprintf(path, PATH_MAX, "%s", out);
    return r > 0 && r < PATH_MAX ? VK_EXIT_OK : vk_failed("usage", "--out: the path is too long.");
}

int vk_cmd_backup(int argc, char **argv)
{
    bool json = false, force = false;
    const char *data = NULL, *out = NULL, *key_file = NULL;
    char path[PATH_MAX];
    struct backup b = {.part.fd = -1, .source = {.data_fd = -1, .lock_fd = -1}};
    const vk_opt opts[] = {VK_OPT_T("out", out),
                           VK_OPT_F("force", force),
                           VK_OPT_F("with-secrets", b.secrets),
                           VK_OPT_T("key-file", key_file),
                           VK_OPT_T("data", data),
                           VK_OPT_F("json", json),
                           {0}};
    if (vk_args(argc, argv, opts, NULL, 0, 0, "", NULL) != VK_OK)
        return VK_EXIT_USAGE;
    vk_out_json(json);
    if (!out || !out[0])
        return vk_usage(argv[0], "--out FILE is missing.");
    if (key_file && !b.secrets)
        return vk_usage(argv[0], "--key-file is for --with-secrets: without it no key goes into the backup.");
    int code = place(out, path);
    if (code == VK_EXIT_OK)
        code = vk_from_open(&b.source, data, key_file);
    if (code == VK_EXIT_OK)
        code = vk_part_open(&b.part, path, force);
    if (code == VK_EXIT_OK)
        code = make(&b);
    vk_progress_end();
    if (code == VK_EXIT_OK && json)
        print_json(&b);
    else if (code == VK_EXIT_OK)
        print(&b);
    vk_part_drop(&b.part);
    if (b.spool[0])
        unlink(b.spool);
    vk_from_close(&b.source);
    vk_scratch_forget(b.spool);
    vk_scratch_forget(b.source.temp);
    vk_pack_free(&b.pack);
    free(b.builds);
    free(b.gone);
    return code;
}
