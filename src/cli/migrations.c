#include "cli/migrations.h"

#include "core/buf.h"
#include "core/disk.h"
#include "core/encode.h"
#include "core/json_read.h"
#include "crypto/digest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

struct reader {
    vk_migrations *m;
    int fd; /* the folder */
    char *why;
    size_t room, bytes;
};

static vk_err VK_PRINTF(3, 4) fail(struct reader *r, vk_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->why, r->room, fmt, ap);
    va_end(ap);
    return e;
}

const char *vk_migration_kind_name(vk_migration_kind k)
{
    static const char *const names[] = {"prisma", "drizzle", "sql"};
    return names[k];
}

/* ---- files */

/* The whole file, in the arena. */
static vk_err read_text(struct reader *r, const char *path, vk_str *out_r)
{
    vk_buf b;
    vk_buf_init(&b, VK_MIGRATION_BYTES);
    vk_err e = vk_disk_read(r->fd, path, VK_MIGRATION_BYTES, &b);
    r->bytes += b.n;
    if (e == VK_OK && r->bytes > VK_MIGRATIONS_BYTES)
        e = VK_E_TOO_LARGE;
    if (e == VK_OK) {
        *out_r = vk_arena_dup(r->m->arena, vk_buf_view(&b));
        e = out_r->p ? VK_OK : VK_E_NOMEM;
    }
    vk_buf_free(&b);
    if (e == VK_E_NOT_FOUND)
        return fail(r, e, "%s/%s does not exist.", r->m->folder, path);
    if (e == VK_E_TOO_LARGE)
        return fail(r, e, "%s/%s makes it too much: a file may have 32 MB, all of them 256 MB.", r->m->folder,
                    path);
    return e == VK_OK ? e : fail(r, e, "%s/%s cannot be read.", r->m->folder, path);
}

static vk_err add(struct reader *r, vk_str name, const char *path)
{
    uint8_t sum[VK_SHA256];
    vk_migrations *m = r->m;
    if (m->n == VK_MIGRATIONS_MAX)
        return fail(r, VK_E_TOO_LARGE, "%s has more than %d migrations.", m->folder, (int)VK_MIGRATIONS_MAX);
    vk_migration *x = &m->all[m->n];
    vk_err e = read_text(r, path, &x->text);
    if (e != VK_OK)
        return e;
    x->name = vk_arena_dup(m->arena, name);
    if (!x->name.p)
        return fail(r, VK_E_NOMEM, "Out of memory.");
    if (memchr(x->text.p, '\0', x->text.n))
        return fail(r, VK_E_INVALID, "%s/%s is no text: it holds a NUL byte.", m->folder, path);
    if (x->text.n >= 3 && memcmp(x->text.p, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark is no SQL */
        x->text.p += 3;
        x->text.n -= 3;
    }
    vk_sha256(x->text, sum);
    vk_hex(x->sum, sum, sizeof sum);
    m->n++;
    return VK_OK;
}

static void ignore(struct reader *r, vk_str name)
{
    vk_migrations *m = r->m;
    vk_str all = m->ignored.n ? vk_arena_printf(m->arena, VK_STR_FMT ", " VK_STR_FMT, VK_STR_ARG(m->ignored),
                                                VK_STR_ARG(name))
                              : vk_arena_dup(m->arena, name);
    if (all.p)
        m->ignored = all;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_sql(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && strcmp(name + n - 4, ".sql") == 0;
}

static bool is_kind(int fd, const char *path, mode_t kind)
{
    struct stat st;
    return fstatat(fd, path, &st, 0) == 0 && (st.st_mode & S_IFMT) == kind;
}

/* Names of folders, or of .sql files, in their order; *n_r of them, in the arena. */
static vk_err names(struct reader *r, bool folders, char ***out_r, size_t *n_r)
{
    char **all = vk_arena_alloc(r->m->arena, sizeof *all * (VK_MIGRATIONS_MAX + 1));
    int fd = all ? openat(r->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    size_t n = 0;
    if (!d)
        return fail(r, VK_E_IO, "%s cannot be read.", r->m->folder);
    for (struct dirent *x; n <= VK_MIGRATIONS_MAX && (x = readdir(d));) {
        if (x->d_name[0] == '.' || (folders ? !is_kind(r->fd, x->d_name, S_IFDIR) : !is_sql(x->d_name)))
            continue;
        vk_str s = vk_arena_dup(r->m->arena, vk_str_z(x->d_name));
        if (!s.p)
            break;
        all[n++] = (char *)(uintptr_t)s.p;
    }
    closedir(d);
    if (n > VK_MIGRATIONS_MAX)
        return fail(r, VK_E_TOO_LARGE, "%s has more than %d migrations.", r->m->folder,
                    (int)VK_MIGRATIONS_MAX);
    qsort(all, n, sizeof *all, by_name);
    *out_r = all;
    *n_r = n;
    return VK_OK;
}

/* ---- Prisma */

/* Prisma notes which database a folder is for. */
static vk_err check_lock(struct reader *r)
{
    vk_str text, line;
    if (!is_kind(r->fd, "migration_lock.toml", S_IFREG))
        return VK_OK;
    vk_err e = read_text(r, "migration_lock.toml", &text);
    for (bool more = e == VK_OK; more;) {
        more = vk_str_cut(&text, '\n', &line);
        if (!more)
            line = text;
        if (vk_str_starts(line, VK_STR("provider")) && !memmem(line.p, line.n, "\"sqlite\"", 8))
            return fail(r, VK_E_INVALID,
                        "%s/migration_lock.toml says that these migrations are for another kind of "
                        "database: " VK_STR_FMT ". This one is SQLite (libSQL).",
                        r->m->folder, VK_STR_ARG(line));
    }
    return e;
}

static vk_err read_prisma(struct reader *r, char **folders, size_t n)
{
    char path[PATH_MAX];
    r->m->kind = VK_MIG_PRISMA;
    vk_err e = check_lock(r);
    for (size_t i = 0; e == VK_OK && i < n; i++) {
        snprintf(path, sizeof path, "%s/migration.sql", folders[i]);
        e = add(r, vk_str_z(folders[i]), path);
    }
    return e;
}

/* ---- Drizzle */

static bool tag_ok(vk_str tag)
{
    return tag.n > 0 && tag.n < 200 && !memchr(tag.p, '/', tag.n) && !memchr(tag.p, '\0', tag.n) &&
           tag.p[0] != '.';
}

static vk_err read_journal(struct reader *r, vk_json **out_r)
{
    vk_str text;
    const char *what = "";
    vk_err e = read_text(r, "meta/_journal.json", &text);
    if (e != VK_OK)
        return e;
    if (vk_json_parse(r->m->arena, text, out_r, &what, NULL) != VK_OK)
        return fail(r, VK_E_INVALID, "%s/meta/_journal.json is no JSON: %s.", r->m->folder, what);
    vk_str dialect = vk_json_str(vk_json_get(*out_r, VK_STR("dialect")));
    if (dialect.n && !vk_str_eqz(dialect, "sqlite") && !vk_str_eqz(dialect, "turso"))
        return fail(r, VK_E_INVALID,
                    "%s/meta/_journal.json says that these migrations are for %.*s. This database is SQLite "
                    "(libSQL).",
                    r->m->folder, (int)(dialect.n > 40 ? 40 : dialect.n), dialect.p);
    const vk_json *entries = vk_json_get(*out_r, VK_STR("entries"));
    if (!entries || entries->type != VK_JSON_ARRAY)
        return fail(r, VK_E_INVALID, "%s/meta/_journal.json has no \"entries\".", r->m->folder);
    return VK_OK;
}

/* The entry of that number, in whatever order they stand. */
static const vk_json *entry(const vk_json *journal, int64_t idx)
{
    int64_t n;
    for (const vk_json *x = vk_json_get(journal, VK_STR("entries"))->u.child; x; x = x->next)
        if (vk_json_i64(vk_json_get(x, VK_STR("idx")), &n) == VK_OK && n == idx)
            return x;
    return NULL;
}

static vk_err read_drizzle(struct reader *r)
{
    vk_json *journal;
    char path[PATH_MAX], **files;
    size_t n_files;
    r->m->kind = VK_MIG_DRIZZLE;
    vk_err e = read_journal(r, &journal);
    uint32_t n = e == VK_OK ? vk_json_get(journal, VK_STR("entries"))->count : 0;
    for (uint32_t i = 0; e == VK_OK && i < n; i++) {
        vk_str tag = vk_json_str(vk_json_get(entry(journal, i), VK_STR("tag")));
        if (!tag_ok(tag))
            return fail(r, VK_E_INVALID, "%s/meta/_journal.json has no usable entry %u (\"idx\", \"tag\").",
                        r->m->folder, i);
        snprintf(path, sizeof path, VK_STR_FMT ".sql", VK_STR_ARG(tag));
        e = add(r, tag, path);
    }
    if (e == VK_OK)
        e = names(r, false, &files, &n_files);
    for (size_t i = 0; e == VK_OK && i < n_files; i++) {
        vk_str name = {files[i], strlen(files[i]) - 4};
        bool known = false;
        for (size_t k = 0; k < r->m->n; k++)
            known |= vk_str_eq(r->m->all[k].name, name);
        if (!known)
            ignore(r, vk_str_z(files[i]));
    }
    return e;
}

/* ---- which of them */

static vk_err read_plain(struct reader *r)
{
    char **files;
    size_t n;
    vk_err e = names(r, false, &files, &n);
    r->m->kind = VK_MIG_PLAIN;
    for (size_t i = 0; e == VK_OK && i < n; i++)
        e = add(r, (vk_str){files[i], strlen(files[i]) - 4}, files[i]);
    return e;
}

/* Folders with a migration.sql; a stranger among them is an error, since it may be one that lost its file. */
static vk_err read_folders(struct reader *r, char **folders, size_t n, bool *found_r)
{
    char path[PATH_MAX];
    size_t with = 0;
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/migration.sql", folders[i]);
        with += is_kind(r->fd, path, S_IFREG);
    }
    *found_r = with > 0;
    return with ? read_prisma(r, folders, n) : VK_OK;
}

/* True: the folder holds migrations, or what looks like them; *e_r says how reading them went. */
static bool read_here(struct reader *r, vk_err *e_r)
{
    char **folders;
    size_t n;
    bool found = false;
    if (is_kind(r->fd, "meta/_journal.json", S_IFREG)) {
        *e_r = read_drizzle(r);
        return true;
    }
    *e_r = names(r, true, &folders, &n);
    if (*e_r == VK_OK)
        *e_r = read_folders(r, folders, n, &found);
    if (*e_r != VK_OK || found)
        return true;
    *e_r = read_plain(r);
    return *e_r != VK_OK || r->m->n > 0;
}

static bool open_folder(struct reader *r, const char *folder, const char *below)
{
    int n = snprintf(r->m->folder, sizeof r->m->folder, "%s%s%s", folder, below[0] ? "/" : "", below);
    if (n < 0 || (size_t)n >= sizeof r->m->folder)
        return false;
    r->fd = open(r->m->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return r->fd >= 0;
}

vk_err vk_migrations_read(const char *folder, vk_migrations *out_r, char *why, size_t room)
{
    static const char *const below[] = {"", "migrations", "prisma/migrations", "drizzle"};
    *out_r = (vk_migrations){.arena = vk_arena_new((size_t)VK_MIGRATIONS_BYTES * 2)};
    struct reader r = {.m = out_r, .fd = -1, .why = why, .room = room};
    vk_err e = VK_E_NOT_FOUND;
    out_r->all = out_r->arena ? vk_arena_alloc(out_r->arena, sizeof *out_r->all * VK_MIGRATIONS_MAX) : NULL;
    bool found = false;
    if (!out_r->all)
        e = fail(&r, VK_E_NOMEM, "Out of memory.");
    else if (!open_folder(&r, folder, ""))
        e = fail(&r, VK_E_NOT_FOUND, "%s is no folder that can be read.", folder);
    for (size_t i = 0; out_r->all && r.fd >= 0 && !found && i < VK_COUNT(below); i++) {
        if (i) {
            close(r.fd);
            if (!open_folder(&r, folder, below[i])) {
                r.fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC); /* only so that the loop goes on */
                continue;
            }
        }
        found = read_here(&r, &e);
    }
    if (r.fd >= 0)
        close(r.fd);
    if (found && e == VK_OK)
        return VK_OK;
    if (!found && out_r->all && r.fd >= 0)
        e = fail(&r, VK_E_NOT_FOUND,
                 "%s has no migrations: neither <name>/migration.sql (Prisma), nor meta/_journal.json "
                 "(Drizzle), nor "
                 "*.sql files.",
                 folder);
    vk_migrations_free(out_r);
    return e;
}

void vk_migrations_free(vk_migrations *m)
{
    vk_arena_free(m->arena);
    *m = (vk_migrations){0};
}
