/* Snapshots of a build's database: taken as exports are, kept beside it, and put back by exchanging the file.
 * Everything here runs as file jobs, for one build one after the other. */
#include "services/database/embedded/snap_files.h"
#include "services/database/embedded/ddl.h"
#include "services/database/embedded/diff.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/json_write.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHECK_MS = 60000, CHECK_STEPS = 10000 }; /* a snapshot that takes longer to check is not restored */

static vk_err VK_PRINTF(3, 4) fail(vk_snap_ask *a, vk_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(a->why, sizeof a->why, fmt, ap);
    va_end(ap);
    return e;
}

/* What the disk said, about what was tried. */
static vk_err fail_disk(vk_snap_ask *a, vk_err e, const char *what)
{
    if (e == VK_E_FULL)
        return fail(a, e, "The disk with the data folder is full: %s. Make room and try again", what);
    if (e == VK_E_NOMEM)
        return fail(a, e, "Out of memory: %s. Try again in a second", what);
    return fail(a, VK_E_IO, "The disk refused: %s. The log of valetkey serve says more", what);
}

/* ---- what is there */

static vk_err list(vk_snap_ask *a, vk_snap *all, size_t *n_r)
{
    *n_r = 0;
    vk_err e = vk_snap_heal(vk_db.rt->data_fd, a->build);
    if (e == VK_OK)
        e = vk_snap_list(vk_db.rt->data_fd, a->build, all, n_r);
    return e == VK_OK || e == VK_E_NOT_FOUND ? VK_OK : fail_disk(a, e, "the snapshots cannot be listed");
}

static vk_err find(vk_snap_ask *a, vk_str wanted, vk_snap *out_r)
{
    vk_snap all[VK_SNAP_MAX + 1];
    size_t n;
    vk_err e = list(a, all, &n);
    if (e != VK_OK)
        return e;
    const vk_snap *s = vk_snap_find(all, n, wanted);
    if (!s)
        return fail(
            a, VK_E_NOT_FOUND,
            "The build \"%s\" has no snapshot \"%.*s\"; `valetkey db snapshots %s` lists those it has",
            a->build, (int)(wanted.n > VK_SNAP_NAME_MAX ? VK_SNAP_NAME_MAX : wanted.n), wanted.p, a->build);
    *out_r = *s;
    return VK_OK;
}

static void put_members(vk_jw *w, const vk_snap *s)
{
    char created[VK_CLOCK_TEXT];
    vk_clock_text(s->created_ms, created);
    vk_jw_kstr(w, "id", vk_str_z(s->id));
    vk_jw_key(w, VK_STR("name"));
    if (s->name[0])
        vk_jw_str(w, vk_str_z(s->name));
    else
        vk_jw_null(w);
    vk_jw_kbool(w, "automatic", s->automatic);
    vk_jw_kstr(w, "created", vk_str_z(created));
    vk_jw_ki64(w, "bytes", s->bytes);
}

static void put_snap(vk_jw *w, const vk_snap *s)
{
    vk_jw_obj(w);
    put_members(w, s);
    vk_jw_obj_end(w);
}

static vk_err do_list(vk_snap_ask *a)
{
    vk_snap all[VK_SNAP_MAX + 1];
    size_t n;
    int64_t bytes = 0;
    vk_err e = list(a, all, &n);
    if (e != VK_OK)
        return e;
    vk_jw w = vk_jw_on(a->out);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("snapshots"));
    vk_jw_arr(&w);
    for (size_t i = n; i-- > 0; bytes += all[i].bytes) /* the newest first */
        put_snap(&w, &all[i]);
    vk_jw_arr_end(&w);
    vk_jw_ki64(&w, "bytes", bytes);
    vk_jw_ki64(&w, "max", VK_SNAP_MAX);
    vk_jw_ki64(&w, "max_bytes", VK_SNAP_BYTES_MAX);
    vk_jw_obj_end(&w);
    return VK_OK;
}

static vk_err do_delete(vk_snap_ask *a)
{
    vk_snap s;
    char path[VK_SNAP_PATH];
    vk_err e = find(a, a->snapshot, &s);
    if (e != VK_OK)
        return e;
    vk_snap_path(a->build, &s, path);
    e = vk_disk_remove(vk_db.rt->data_fd, path);
    if (e != VK_OK)
        return fail_disk(a, e, "the snapshot cannot be removed");
    vk_jw w = vk_jw_on(a->out);
    put_snap(&w, &s);
    return VK_OK;
}

/* ---- taking one */

/* Bytes of the build's database; -1: it has none yet. */
static int64_t database_size(const char *build)
{
    char path[32 + VK_BUILD_ID_MAX];
    struct stat st;
    snprintf(path, sizeof path, "builds/%s/database.db", build);
    return fstatat(vk_db.rt->data_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : -1;
}

static int64_t snapshot_size(const char *build, const vk_snap *s)
{
    char path[VK_SNAP_PATH];
    struct stat st;
    vk_snap_path(build, s, path);
    return fstatat(vk_db.rt->data_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : 0;
}

static vk_err make_room(vk_snap_ask *a, bool automatic, int64_t bytes, const char *keep)
{
    vk_err e = vk_snap_make_room(vk_db.rt->data_fd, a->build, automatic, bytes, keep);
    if (e == VK_E_CONFLICT)
        return fail(a, e,
                    "The build \"%s\" has %d snapshots made by people, which is the most; remove one first "
                    "(`valetkey db snapshots %s --delete SNAPSHOT`)",
                    a->build, (int)VK_SNAP_MANUAL_MAX, a->build);
    if (e == VK_E_FULL)
        return fail(a, e,
                    "The snapshots of the build \"%s\" would take more than %lld MiB; remove one first "
                    "(`valetkey db snapshots %s --delete SNAPSHOT`)",
                    a->build, (long long)(VK_SNAP_BYTES_MAX >> 20), a->build);
    return e == VK_OK ? e : fail_disk(a, e, "an old snapshot cannot be removed");
}

static vk_err check_name(vk_snap_ask *a, const vk_snap *all, size_t n)
{
    if (a->name.n == 0)
        return VK_OK;
    if (!vk_snap_name_ok(a->name))
        return fail(a, VK_E_INVALID,
                    "The name of a snapshot is 1 to %d letters, digits, dots, dashes and underscores, begins "
                    "with a letter or digit, and does not look like a snapshot's id",
                    (int)VK_SNAP_NAME_MAX);
    if (!a->automatic && vk_snap_find(all, n, a->name))
        return fail(a, VK_E_CONFLICT, "The build \"%s\" has a snapshot \"%.*s\" already; choose another name",
                    a->build, (int)a->name.n, a->name.p);
    return VK_OK;
}

/* The newest automatic snapshot has what the copy has: bytes, because copies of the same pages are made
 * alike. */
static const vk_snap *same_as_last(const char *build, const vk_snap *all, size_t n, const char *tmp)
{
    char path[VK_SNAP_PATH];
    while (n && !all[n - 1].automatic)
        n--;
    if (!n)
        return NULL;
    vk_snap_path(build, &all[n - 1], path);
    return vk_snap_same_file(vk_db.rt->data_fd, path, tmp) ? &all[n - 1] : NULL;
}

/* The copy under its temporary name becomes the snapshot's file. */
static vk_err keep(vk_snap_ask *a, const char *tmp, vk_snap *s)
{
    char path[VK_SNAP_PATH];
    bool moved;
    vk_snap_path(a->build, s, path);
    vk_err e = vk_disk_move(vk_db.rt->data_fd, tmp, path, &moved);
    s->bytes = snapshot_size(a->build, s);
    if (e == VK_OK)
        return VK_OK;
    if (moved)
        unlinkat(vk_db.rt->data_fd, path, 0); /* one that may be gone tomorrow is none */
    return fail_disk(a, e, "the snapshot cannot be stored");
}

static vk_err do_take(vk_snap_ask *a)
{
    vk_snap all[VK_SNAP_MAX + 1], s;
    char tmp[VK_DB_TMP_NAME];
    const char *why;
    size_t n;
    int64_t bytes = database_size(a->build);
    vk_err e = list(a, all, &n);
    if (e == VK_OK)
        e = check_name(a, all, n);
    if (e == VK_OK && bytes < 0)
        e = fail(a, VK_E_NOT_FOUND,
                 "The build \"%s\" has not used its database yet; there is nothing to keep", a->build);
    if (e == VK_OK && !a->automatic) /* refused before the work */
        e = make_room(a, false, bytes, NULL);
    if (e == VK_OK && (e = vk_db_tmp_name("snapshot", tmp)) != VK_OK)
        e = fail_disk(a, e, "the snapshot cannot be stored");
    if (e != VK_OK)
        return e;
    e = vk_db_copy(a->build, tmp, &why);
    if (e != VK_OK)
        return fail(a, e, "%s; no snapshot was taken", why);
    const vk_snap *last = a->automatic ? same_as_last(a->build, all, n, tmp) : NULL;
    if (last)
        s = *last;
    else if (a->automatic)
        e = make_room(a, true, bytes, NULL);
    if (e == VK_OK && !last) {
        vk_snap_new(all, n, a->automatic, a->name, &s);
        e = keep(a, tmp, &s);
    }
    if (e != VK_OK || last)
        unlinkat(vk_db.rt->data_fd, tmp, 0);
    if (e != VK_OK)
        return e;
    if (last)
        vk_log(VK_INFO, "the database is as its newest automatic snapshot has it", VK_F(build, a->build),
               VK_F(snapshot, s.id));
    else
        vk_log(VK_INFO, "snapshot taken", VK_F(build, a->build), VK_F(snapshot, s.id), VK_F(bytes, s.bytes));
    vk_jw w = vk_jw_on(a->out);
    vk_jw_obj(&w);
    put_members(&w, &s);
    if (last)
        vk_jw_kbool(&w, "unchanged", true);
    vk_jw_obj_end(&w);
    return VK_OK;
}

/* ---- restoring one */

static int on_progress(void *deadline_ms)
{
    return vk_clock_mono_ms() > *(int64_t *)deadline_ms;
}

/* Rows that break a rule of their table were so in the database, and are no damage. */
static bool is_damage(const char *message)
{
    static const char *const rules[] = {"ok", "NULL value in ", "CHECK constraint failed in ",
                                        "NUMERIC value in ", "TEXT value in "};
    for (size_t i = 0; message && i < VK_COUNT(rules); i++)
        if (strncmp(message, rules[i], strlen(rules[i])) == 0)
            return false;
    return true;
}

/* Whole by SQLite's own look at it. Read with no lock and no -wal: nobody writes it. */
static bool is_sound(const char *name)
{
    int64_t deadline_ms = vk_clock_mono_ms() + CHECK_MS;
    char uri[PATH_MAX * 3 + VK_DB_TMP_NAME];
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    vk_db_file_uri(name, uri, sizeof uri);
    int rc = sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_progress_handler(db, CHECK_STEPS, on_progress, &deadline_ms);
        rc = vk_db_fence(db);
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db, "PRAGMA quick_check", -1, &st, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW)
        rc = is_damage((const char *)sqlite3_column_text(st, 0)) ? SQLITE_CORRUPT : SQLITE_OK;
    if (rc != SQLITE_DONE)
        vk_log(VK_ERROR, "a snapshot that was to be restored is not whole", VK_F(error, sqlite3_errmsg(db)));
    sqlite3_finalize(st);
    sqlite3_close(db);
    return rc == SQLITE_DONE;
}

/* The -wal's content goes into the file, both are on stable storage, and -wal and -shm are gone: the file
 * alone is the database. Nobody else has it open. */
static bool settle_file(const char *build)
{
    char path[PATH_MAX + 64 + VK_BUILD_ID_MAX], beside[64 + VK_BUILD_ID_MAX];
    sqlite3 *db = NULL;
    int logged = 0, copied = -1;
    snprintf(path, sizeof path, "%s/builds/%s/database.db", vk_db.rt->data_dir, build);
    bool ok =
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
        sqlite3_exec(db, "PRAGMA synchronous = FULL", NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE, &logged, &copied) == SQLITE_OK;
    if (!ok)
        vk_log(VK_ERROR, "a database cannot be brought to rest", VK_F(build, build),
               VK_F(error, sqlite3_errmsg(db)));
    sqlite3_close(db);
    static const char *const ends[] = {"-wal", "-shm", "-journal"};
    for (size_t i = 0; ok && i < VK_COUNT(ends); i++) {
        snprintf(beside, sizeof beside, "builds/%s/database.db%s", build, ends[i]);
        ok = faccessat(vk_db.rt->data_fd, beside, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
    }
    return ok;
}

/* Gives the database's file, which is about to be replaced, the name of a snapshot as well. */
static vk_err keep_old(const char *build, const vk_snap *s)
{
    char db[32 + VK_BUILD_ID_MAX], path[VK_SNAP_PATH], tmp[VK_DB_TMP_NAME];
    bool moved;
    snprintf(db, sizeof db, "builds/%s/database.db", build);
    vk_snap_path(build, s, path);
    vk_err e = vk_disk_link(vk_db.rt->data_fd, db, path);
    if (e != VK_E_UNSUPPORTED)
        return e;
    e = vk_db_tmp_name("keep", tmp);
    if (e == VK_OK)
        e = vk_disk_copy(vk_db.rt->data_fd, db, tmp, 0600);
    return e == VK_OK ? vk_disk_move(vk_db.rt->data_fd, tmp, path, &moved) : e;
}

/* Under pause. Old or new, whatever happens: the rename decides. */
static vk_err exchange(vk_snap_ask *a, vk_dbt *t, const char *tmp, const vk_snap *before)
{
    char db[32 + VK_BUILD_ID_MAX], path[VK_SNAP_PATH];
    bool moved = false;
    snprintf(db, sizeof db, "builds/%s/database.db", a->build);
    vk_snap_path(a->build, before, path);
    if (!settle_file(a->build))
        return fail(a, VK_E_IO,
                    "The build's database cannot be brought to rest; nothing was changed. The log "
                    "of valetkey serve says more");
    vk_err e = keep_old(a->build, before);
    if (e == VK_OK)
        e = vk_disk_move(vk_db.rt->data_fd, tmp, db, &moved);
    if (e == VK_OK)
        return VK_OK;
    if (moved) { /* which of the two a power cut would leave is not known */
        atomic_store(&t->broken, true);
        return fail_disk(a, e,
                         "the restored database may not be stored; restart valetkey before anything else");
    }
    vk_err gone = vk_disk_remove(vk_db.rt->data_fd, path);
    VK_UNUSED(gone); /* else the next open takes it away */
    return fail_disk(a, e, "the snapshot cannot be put in the database's place; nothing was changed");
}

static vk_err restore(vk_snap_ask *a, const vk_snap *s, const char *tmp, const vk_snap *before)
{
    char path[VK_SNAP_PATH];
    const char *why;
    vk_snap_path(a->build, s, path);
    vk_err e = vk_disk_copy(vk_db.rt->data_fd, path, tmp, 0600);
    if (e != VK_OK)
        return fail_disk(a, e, "the snapshot cannot be copied; nothing was changed");
    if (!is_sound(tmp))
        return fail(a, VK_E_CORRUPT, "The snapshot %s is damaged; nothing was changed. Choose another one",
                    s->id);
    vk_dbt *t = a->task;
    e = vk_db_pause(t, &why);
    if (e != VK_OK)
        return fail(a, e, "%s", why);
    e = exchange(a, t, tmp, before);
    if (e == VK_OK) /* before anybody can change the schema again */
        vk_ddl_restored(a->build, s->id, s->name);
    vk_db_unpause(t);
    return e;
}

static vk_err do_restore(vk_snap_ask *a)
{
    vk_snap all[VK_SNAP_MAX + 1], s, before;
    char tmp[VK_DB_TMP_NAME];
    size_t n;
    int64_t bytes = database_size(a->build);
    vk_err e = find(a, a->snapshot, &s);
    if (e == VK_OK && bytes < 0) /* it went, but its snapshots stayed: somebody's hands */
        e = fail(a, VK_E_NOT_FOUND, "The build \"%s\" has no database to be replaced; use it once first",
                 a->build);
    if (e == VK_OK)
        e = make_room(a, true, bytes, s.id);
    if (e == VK_OK)
        e = list(a, all, &n);
    if (e == VK_OK && (e = vk_db_tmp_name("restore", tmp)) != VK_OK)
        e = fail_disk(a, e, "the snapshot cannot be copied; nothing was changed");
    if (e != VK_OK)
        return e;
    vk_snap_new(all, n, true, VK_STR("before-restore"), &before);
    e = restore(a, &s, tmp, &before);
    unlinkat(vk_db.rt->data_fd, tmp, 0);
    if (e != VK_OK)
        return e;
    vk_log(VK_INFO, "restored from a snapshot", VK_F(build, a->build), VK_F(snapshot, s.id),
           VK_F(before, before.id));
    before.bytes = snapshot_size(a->build, &before);
    vk_jw w = vk_jw_on(a->out);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("restored"));
    put_snap(&w, &s);
    vk_jw_key(&w, VK_STR("before"));
    put_snap(&w, &before);
    vk_jw_obj_end(&w);
    return VK_OK;
}

/* ---- comparing */

static vk_err do_diff(vk_snap_ask *a)
{
    vk_snap from, to;
    char from_path[VK_SNAP_PATH], to_path[VK_SNAP_PATH], tmp[VK_DB_TMP_NAME] = "";
    const char *why = NULL;
    vk_err e = find(a, a->snapshot, &from);
    if (e == VK_OK && a->other.n)
        e = find(a, a->other, &to);
    if (e != VK_OK)
        return e;
    vk_snap_path(a->build, &from, from_path);
    if (a->other.n) {
        vk_snap_path(a->build, &to, to_path);
    } else { /* a copy of what is there now: comparing takes longer than a writer should be held up */
        e = vk_db_tmp_name("diff", tmp);
        if (e == VK_OK)
            e = vk_db_copy(a->build, tmp, &why);
        if (e != VK_OK)
            return why ? fail(a, e, "%s", why) : fail_disk(a, e, "the databases cannot be compared");
        snprintf(to_path, sizeof to_path, "%s", tmp);
    }
    vk_jw w = vk_jw_on(a->out);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("from"));
    put_snap(&w, &from);
    vk_jw_key(&w, VK_STR("to"));
    if (a->other.n)
        put_snap(&w, &to);
    else
        vk_jw_null(&w);
    e = vk_db_diff(from_path, to_path, a->rows, &w, &why);
    vk_jw_obj_end(&w);
    if (tmp[0])
        unlinkat(vk_db.rt->data_fd, tmp, 0);
    return e == VK_OK ? VK_OK : fail(a, e, "%s", why);
}

/* ---- jobs */

static void run(vk_job *j)
{
    static vk_err (*const todo[])(vk_snap_ask * a) = {
        [VK_SNAP_LIST] = do_list, [VK_SNAP_TAKE] = do_take,     [VK_SNAP_RESTORE] = do_restore,
        [VK_SNAP_DIFF] = do_diff, [VK_SNAP_DELETE] = do_delete,
    };
    vk_snap_ask *a = VK_CONTAINER(j, vk_snap_ask, job);
    /* What a tenant has written is read here: within the bounds that its own SQL has. */
    vk_err e = vk_sqlite_watch_stack(VK_DB_STACK_SPARE);
    vk_sqlite_memory_begin(VK_DB_HEAP_BUILD, NULL);
    e = e == VK_OK ? todo[a->op](a) : fail(a, VK_E_NOMEM, "Out of memory; try again in a second");
    vk_sqlite_memory_end();
    if (e == VK_OK && a->out->err)
        e = fail(a, a->out->err, "The answer does not fit into memory; ask for fewer rows");
    vk_db_let_go(a->task);
    a->done(a, e);
}

void vk_db_snapshots(vk_snap_ask *a)
{
    a->job.run = run;
    a->why[0] = '\0';
    a->task = vk_db_hold(a->build);
    if (!a->task) {
        a->done(a, fail(a, VK_E_UNAVAILABLE, "The build's database is being closed; try again in a second"));
    } else if (vk_db_file_job(a->build, &a->job) != VK_OK) {
        vk_db_let_go(a->task);
        a->done(a, fail(a, VK_E_BUSY, "Too many copies are being made; try again"));
    }
}
