/* Connections to a build's file: how they are opened, what is kept prepared, what their errors are called. */
#include "services/database/embedded/alter.h"
#include "services/database/embedded/ddl.h"
#include "services/database/embedded/inline.h"
#include "services/database/embedded/snap_files.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/log.h"

#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- callbacks */

static bool must_end(void *arg)
{
    vk_dbh *h = arg;
    if (vk_clock_mono_ns() > h->deadline_ns)
        h->timed_out = true;
    return h->timed_out || h->crowded || atomic_load_explicit(&vk_db.stopping, memory_order_relaxed) ||
           atomic_load_explicit(h->aborted, memory_order_relaxed) ||
           atomic_load_explicit(&h->t->closed, memory_order_relaxed) ||
           atomic_load_explicit(&h->t->hurry, memory_order_relaxed);
}

/* Called every VK_DB_PROGRESS_OPS steps of the virtual machine: a statement that takes long gives its place
 * to others, and ends at the deadline or when the build is revoked. */
static int on_progress(void *arg)
{
    vk_dbh *h = arg;
    if (h->on_loop)
        return vk_inline_look(h);
    if (!h->worker)
        return 0;
    vk_db_give_slot(h->worker);
    if (h->deadline_ns - vk_clock_mono_ns() < (int64_t)(VK_DB_STATEMENT_MS - VK_DB_QUICK_MS) * 1000000)
        h->crowded = !vk_db_lower(h->t, h->worker);
    if (must_end(h))
        return 1;
    if (!h->worker->lowered)
        return 0;
    vk_db_share(h->worker, must_end, h);
    return must_end(h);
}

void vk_dbh_watch(vk_dbh *h, int ops)
{
    sqlite3_progress_handler(h->db, ops, on_progress, h);
}

/* Somebody else has the file's lock: another connection's checkpoint or recovery, or a BEGIN IMMEDIATE that
 * was not recognised as one. Writers as such wait for their turn elsewhere and never come here. */
static int on_busy(void *arg, int tries)
{
    vk_dbh *h = arg;
    if (h->on_loop) /* waits for nobody */
        return 0;
    int64_t now = vk_clock_mono_ns();
    if (tries > VK_DB_LOCK_TRIES || now > h->deadline_ns || h->t->closed ||
        (h->worker && atomic_load_explicit(h->aborted, memory_order_relaxed)))
        return 0;
    if (h->worker)
        vk_db_give_slot(h->worker);
    struct timespec pause = {.tv_nsec = tries < 4 ? 200000 : 1000000};
    nanosleep(&pause, NULL);
    return 1;
}

/* ------------------------------------------------------------------------------------------------ open,
 * close */

static vk_err kind_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return VK_E_FULL;
    case SQLITE_NOMEM:
        return VK_E_NOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return VK_E_CORRUPT;
    case SQLITE_BUSY:
        return VK_E_BUSY;
    default:
        return VK_E_IO;
    }
}

/* Folder and file, made at first use. The file is made by us, so that it is never readable by others; SQLite
 * fills it. O_EXCL: an existing file must not be opened and closed beside SQLite, which would drop its locks.
 */
static vk_err make_files(vk_dbt *t)
{
    char path[64 + VK_BUILD_ID_MAX];
    if (t->made)
        return VK_OK;
    vk_err e = vk_disk_mkdir(vk_db.rt->data_fd, "builds", 0700);
    snprintf(path, sizeof path, "builds/%s", t->id);
    if (e == VK_OK)
        e = vk_disk_mkdir(vk_db.rt->data_fd, path, 0700);
    if (e != VK_OK)
        return e;
    snprintf(path, sizeof path, "builds/%s/database.db", t->id);
    int fd = openat(vk_db.rt->data_fd, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return vk_disk_err(errno);
    if (fd >= 0)
        close(fd);
    else if ((e = vk_snap_heal(vk_db.rt->data_fd, t->id)) != VK_OK)
        return e;
    t->made = true;
    return VK_OK;
}

int vk_db_fence(sqlite3 *db)
{
    static const struct {
        int id, value;
    } limits[] = {
        {SQLITE_LIMIT_LENGTH, VK_DB_VALUE_MAX},
        {SQLITE_LIMIT_SQL_LENGTH, 4 << 20},
        {SQLITE_LIMIT_ATTACHED, 1},
        {SQLITE_LIMIT_EXPR_DEPTH, 200},
        {SQLITE_LIMIT_COLUMN, 2000},
        {SQLITE_LIMIT_COMPOUND_SELECT, 500},
        {SQLITE_LIMIT_VDBE_OP, 2000000},
        {SQLITE_LIMIT_FUNCTION_ARG, 127},
        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH,
         250}, /* matching recurses, and takes pattern × text steps at once */
        {SQLITE_LIMIT_TRIGGER_DEPTH, 100},
        {SQLITE_LIMIT_WORKER_THREADS, 0},
        {SQLITE_LIMIT_VARIABLE_NUMBER, 32766},
    };
    for (size_t i = 0; i < VK_COUNT(limits); i++)
        sqlite3_limit(db, limits[i].id, limits[i].value);
    int rc = sqlite3_exec(db, "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    return rc == SQLITE_OK ? vk_db_functions(db) : rc;
}

static int set_up(vk_dbh *h)
{
    sqlite3 *db = h->db;
    /* page_size, auto_vacuum and encoding count for a file that is empty yet; journal_mode is kept in the
     * file. */
    int rc = sqlite3_exec(db,
                          "PRAGMA page_size = 4096; PRAGMA auto_vacuum = 0; PRAGMA encoding = 'UTF-8';"
                          " PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON",
                          NULL, NULL, NULL);
    vk_hot_add(&h->hot, vk_sqlite_notes_end(), VK_SQLITE_NOTES);
    if (rc != SQLITE_OK)
        return rc;
    char text[96];
    snprintf(text, sizeof text, "PRAGMA max_page_count = %d; PRAGMA journal_size_limit = %d", VK_DB_PAGES_MAX,
             VK_DB_JOURNAL_KEEP);
    rc = sqlite3_exec(db, text, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = vk_db_fence(db);
    /* The schema and the SQL have the same author here, the authorizer looks at triggers and views too, and
     * without it FTS5 tables cannot be kept by triggers. */
    return rc == SQLITE_OK ? sqlite3_exec(db, "PRAGMA trusted_schema = ON", NULL, NULL, NULL) : rc;
}

/* SQLite's barrier also takes and gives back, "for redundancy" as it says, the one mutex under which any file
 * of the process is opened and closed; each read asks for that barrier. A loop must not wait for the files of
 * others, nor need workers. */
static void barrier(sqlite3_file *f)
{
    VK_UNUSED(f);
    __sync_synchronize(); /* the other half of SQLite's */
}

static int set_barrier(vk_dbh *h)
{
    sqlite3_file *f = NULL;
    int rc = sqlite3_file_control(h->db, "main", SQLITE_FCNTL_FILE_POINTER, &f);
    if (rc != SQLITE_OK || !f || !f->pMethods || f->pMethods->iVersion < 2)
        return SQLITE_ERROR;
    h->io = *f->pMethods;
    h->io.xShmBarrier = barrier;
    f->pMethods = &h->io;
    return SQLITE_OK;
}

static vk_err open_handle(vk_dbt *t, vk_dbh **out_r, const char **why_r)
{
    char path[PATH_MAX + 64 + VK_BUILD_ID_MAX];
    *why_r = "The build's database cannot be opened";
    vk_err e = make_files(t);
    if (e != VK_OK) {
        if (e == VK_E_FULL)
            *why_r = "The disk is full";
        vk_log(VK_ERROR, "a database folder cannot be made", VK_F(build, t->id), VK_F(error, vk_err_name(e)));
        return e;
    }
    vk_dbh *h = calloc(1, sizeof *h);
    if (!h) {
        *why_r = "Out of memory";
        return VK_E_NOMEM;
    }
    h->t = t;
    h->opening = true;
    h->deadline_ns = INT64_MAX;
    vk_list_init(&h->node);
    vk_list_init(&h->lru);
    snprintf(path, sizeof path, "%s/builds/%s/database.db", vk_db.rt->data_dir, t->id);
    vk_sqlite_notes_begin();
    int rc = sqlite3_open_v2(path, &h->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, VK_DB_VFS);
    if (rc == SQLITE_OK) {
        sqlite3_busy_handler(h->db, on_busy, h);
        /* What it begins with is the connection; then come the extensions. */
        vk_hot_add(&h->hot, vk_sqlite_notes_end(), VK_HOT_OPEN);
        vk_sqlite_notes_begin();
        rc = set_up(h);
    }
    VK_UNUSED(vk_sqlite_notes_end());
    if (rc == SQLITE_OK)
        rc = set_barrier(h);
    if (rc == SQLITE_OK)
        rc = vk_db_count_functions(h);
    if (rc != SQLITE_OK) {
        e = kind_of(rc);
        vk_log(VK_ERROR, "a database cannot be opened", VK_F(build, t->id),
               VK_F(error, h->db ? sqlite3_errmsg(h->db) : "no memory"));
        if (e == VK_E_FULL)
            *why_r = "The disk is full";
        if (e == VK_E_CORRUPT)
            *why_r = "The build's database file is damaged";
        sqlite3_close(h->db);
        free(h->hot);
        free(h);
        return e;
    }
    sqlite3_commit_hook(h->db, vk_sync_commit_hook, h);
    sqlite3_wal_hook(h->db, vk_sync_wal_hook, h);
    if (!t->recovered && (e = vk_sync_recover(h)) != VK_OK) {
        vk_dbh_close(h);
        return e;
    }
    vk_buf_init(&h->ddl, VK_DDL_PENDING_MAX);
    sqlite3_rollback_hook(h->db, vk_ddl_forget, h);
    sqlite3_set_authorizer(h->db, vk_db_authorize, h);
    vk_dbh_watch(h, VK_DB_PROGRESS_OPS);
    h->opening = false;
    *out_r = h;
    return VK_OK;
}

/* The first connection makes the file what it has to be, where SQLite's locks answer SQLITE_BUSY at once
 * instead of waiting (a change of journal_mode); and recovers what a killed process left. The others wait. */
vk_err vk_dbh_open(vk_dbt *t, vk_dbh **out_r, const char **why_r)
{
    if (atomic_load(&t->recovered))
        return open_handle(t, out_r, why_r);
    pthread_mutex_lock(&t->first);
    vk_err e = open_handle(t, out_r, why_r);
    pthread_mutex_unlock(&t->first);
    return e;
}

static void drop_cached(vk_dbh *h, vk_cached *c)
{
    if (h->hot_last == c->hot)
        h->hot_last = NULL;
    sqlite3_finalize(c->st);
    free(c->text);
    free(c->cols);
    free(c->hot);
    *c = (vk_cached){0};
}

void vk_dbh_close(vk_dbh *h)
{
    for (size_t i = 0; i < VK_DB_CACHE; i++)
        drop_cached(h, &h->cache[i]);
    h->opening = true; /* what closing does is ours */
    /* A checkpoint would make good what was not stored. And it would hold up a restart, whose next process
     * reads the -wal as well. */
    if (atomic_load(&h->t->broken) || atomic_load(&vk_db.rt->yielding))
        sqlite3_db_config(h->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(h->db);
    vk_buf_free(&h->ddl);
    free(h->hot);
    atomic_fetch_sub(&h->t->heap, h->heap);
    atomic_fetch_sub(&vk_db.heap, h->heap);
    free(h);
}

bool vk_dbh_reset(vk_dbh *h)
{
    if (!sqlite3_get_autocommit(h->db))
        sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL);
    return !h->dirty && sqlite3_get_autocommit(h->db);
}

/* ---- errors */

static const char *code_name(int primary)
{
    static const char *const names[] = {
        "OK",       "UNKNOWN",  "INTERNAL",  "PERM",   "ABORT",   "BUSY",       "LOCKED",
        "NOMEM",    "READONLY", "INTERRUPT", "IOERR",  "CORRUPT", "NOTFOUND",   "FULL",
        "CANTOPEN", "PROTOCOL", "EMPTY",     "SCHEMA", "TOOBIG",  "CONSTRAINT", "MISMATCH",
        "MISUSE",   "NOLFS",    "AUTH",      "FORMAT", "RANGE",   "NOTADB",
    };
    return primary >= 0 && (size_t)primary < VK_COUNT(names) ? names[primary] : "UNKNOWN";
}

static bool is_aborted(const vk_dbh *h)
{
    return h->worker && atomic_load_explicit(h->aborted, memory_order_relaxed);
}

static vk_sqlerr interrupted(const vk_dbh *h)
{
    if (h->crowded)
        return (vk_sqlerr){"TRANSACTION_BUSY",
                           VK_STR("Too many long statements are running at once; try again")};
    if (h->timed_out)
        atomic_fetch_add_explicit(&vk_db.timeouts, 1, memory_order_relaxed);
    return (vk_sqlerr){
        "SQLITE_INTERRUPT",
        h->timed_out ? VK_STR("SQLite error: interrupted: the request's SQL ran longer than 30 seconds")
        : atomic_load(&h->t->closed) ? VK_STR("SQLite error: interrupted: the build's keys were revoked")
        : atomic_load(&vk_db.ending) ? VK_STR("SQLite error: interrupted: valetkey is being stopped")
        : is_aborted(h)              ? VK_STR("SQLite error: interrupted: the client ended its connection")
                                     : VK_STR("SQLite error: interrupted")};
}

bool vk_dbh_late(vk_dbh *h, vk_sqlerr *err_r)
{
    if (vk_clock_mono_ns() > h->deadline_ns)
        h->timed_out = true;
    if (h->timed_out)
        *err_r = interrupted(h);
    return h->timed_out;
}

vk_sqlerr vk_dbh_error(vk_dbh *h, vk_arena *a, int rc)
{
    int primary = rc & 0xff, at = sqlite3_error_offset(h->db);
    vk_sqlerr e = {.code = "SQL_INPUT_ERROR"};
    if (primary == SQLITE_IOERR || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB ||
        primary == SQLITE_NOMEM)
        h->dirty =
            true; /* what it knows of the file may be wrong: the next request gets a fresh connection */
    if (primary == SQLITE_NOMEM && h->worker && h->worker->give_up) {
        h->timed_out = !h->t->closed && !is_aborted(h) && !atomic_load(&vk_db.ending);
        e = interrupted(h);
    } else if (primary == SQLITE_NOMEM && vk_sqlite_stack_was_short()) {
        e.code = "SQLITE_NOMEM";
        e.message = VK_STR("SQLite error: views, triggers, foreign keys or subqueries are nested too deeply");
    } else if (primary == SQLITE_NOMEM && vk_sqlite_memory_was_short()) {
        e.code = "SQLITE_NOMEM";
        e.message = VK_STR(
            "SQLite error: out of memory: what this build may use for temporary tables, sorting and values "
            "is used up");
    } else if (h->denied && (primary == SQLITE_AUTH || primary == SQLITE_ERROR)) {
        e.code = "SQLITE_AUTH";
        e.message = vk_arena_printf(a, "SQLite error: not authorized: %s", h->denied);
    } else if (primary == SQLITE_INTERRUPT && !h->timed_out && atomic_load(&h->t->hurry) &&
               !atomic_load(&vk_db.ending)) {
        e.code = "TRANSACTION_BUSY";
        e.message = VK_STR("The database is being restored from a snapshot; try again");
    } else if (primary == SQLITE_INTERRUPT) {
        e = interrupted(h);
    } else if (primary == SQLITE_ERROR && at >= 0) {
        e.message = vk_arena_printf(a, "SQL input error: %s (at offset %d)", sqlite3_errmsg(h->db), at);
    } else {
        e.code = vk_arena_printf(a, "SQLITE_%s", code_name(primary)).p;
        e.message = vk_arena_printf(a, "SQLite error: %s", sqlite3_errmsg(h->db));
    }
    if (!e.message.p || !e.code)
        e = (vk_sqlerr){"SQLITE_NOMEM", VK_STR("SQLite error: out of memory")};
    return e;
}

/* ---- statements */

/* White space and comments. */
static const char *skip_blanks(const char *p)
{
    for (;;) {
        if (*p && strchr(" \t\n\r\f", *p)) {
            p++;
        } else if (p[0] == '-' && p[1] == '-') {
            p += strcspn(p, "\n");
        } else if (p[0] == '/' && p[1] == '*') {
            const char *end = strstr(p + 2, "*/");
            p = end ? end + 2 : p + strlen(p);
        } else {
            return p;
        }
    }
}

/* "BEGIN IMMEDIATE" and "BEGIN EXCLUSIVE" take the write lock, though SQLite calls them read-only. */
static bool takes_lock(const char *sql)
{
    const char *p = sql;
    for (;;) {
        p = skip_blanks(p);
        if (*p != ';')
            break;
        p++;
    }
    if (sqlite3_strnicmp(p, "BEGIN", 5) != 0)
        return false;
    p = skip_blanks(p + 5);
    return sqlite3_strnicmp(p, "IMMEDIATE", 9) == 0 || sqlite3_strnicmp(p, "EXCLUSIVE", 9) == 0;
}

bool vk_dbh_writes(sqlite3_stmt *st)
{
    if (sqlite3_stmt_isexplain(st))
        return false;
    return !sqlite3_stmt_readonly(st) || takes_lock(sqlite3_sql(st));
}

vk_err vk_dbh_prepare_raw(vk_dbh *h, vk_arena *a, vk_str sql, bool ended, unsigned flags, sqlite3_stmt **st_r,
                          vk_str *tail_r, vk_sqlerr *err_r)
{
    *st_r = NULL;
    *tail_r = VK_STR_NONE;
    while (sql.n) {
        const char *tail;
        h->denied = NULL;
        h->saw_insert = h->saw_drop = h->saw_dml = false;
        h->saw_ddl = VK_DDL_NO;
        h->alter = NULL;
        if (vk_alter_maybe(sql)) {
            vk_err e = vk_alter_prepare(h, a, sql, st_r, tail_r, err_r);
            if (e != VK_AGAIN)
                return e;
        }
        int n = (int)sql.n + ended, rc = sqlite3_prepare_v3(h->db, sql.p, n, flags, st_r, &tail);
        if (rc == SQLITE_ERROR && !h->denied) {
            /* A schema that another connection changed is not read again for every kind of message: look,
             * then try once more (SQLite 3.40, DROP and CREATE by another connection). */
            sqlite3_exec(h->db, "SELECT 1 FROM sqlite_schema LIMIT 0", NULL, NULL, NULL);
            rc = sqlite3_prepare_v3(h->db, sql.p, n, flags, st_r, &tail);
        }
        if (rc != SQLITE_OK) {
            *err_r = vk_dbh_error(h, a, rc);
            return VK_E_INVALID;
        }
        size_t used = (size_t)(tail - sql.p);
        if (used == 0) /* a NUL byte: SQLite ends there */
            used = sql.n;
        sql.p += used;
        sql.n -= used;
        if (*st_r) {
            *tail_r = sql;
            return VK_OK;
        }
    }
    return VK_OK;
}

static bool blank(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr(" \t\r\n\f;", s.p[i]) || s.p[i] == '\0')
            return false;
    return true;
}

static vk_cached *slot_for(vk_dbh *h)
{
    vk_cached *oldest = &h->cache[0];
    for (size_t i = 0; i < VK_DB_CACHE; i++) {
        if (!h->cache[i].st)
            return &h->cache[i];
        if (h->cache[i].used < oldest->used)
            oldest = &h->cache[i];
    }
    drop_cached(h, oldest);
    return oldest;
}

/* Anything but queries and changes of rows is rare, and a cached DDL statement would be prepared again
 * anyhow. */
static bool worth_keeping(sqlite3_stmt *st, vk_str sql, bool saw_insert)
{
    static const char *const verbs[] = {"select",  "insert", "update", "delete",
                                        "replace", "with",   "begin",  "commit"};
    if (sql.n > VK_DB_CACHE_TEXT || sqlite3_stmt_isexplain(st))
        return false;
    for (size_t i = 0; i < VK_COUNT(verbs); i++)
        if (sql.n > strlen(verbs[i]) && sqlite3_strnicmp(sql.p, verbs[i], (int)strlen(verbs[i])) == 0)
            return true;
    return saw_insert;
}

static vk_cached *find(vk_dbh *h, vk_str sql, uint64_t hash)
{
    h->clock++;
    for (size_t i = 0; i < VK_DB_CACHE; i++) {
        vk_cached *c = &h->cache[i];
        if (c->st && c->hash == hash && vk_str_eq((vk_str){c->text, c->n_text}, sql)) {
            c->used = h->clock;
            h->denied = NULL;
            h->runs_dml = c->dml;
            return c;
        }
    }
    return NULL;
}

vk_cached *vk_dbh_find(vk_dbh *h, vk_str sql)
{
    return find(h, sql, vk_hash_str(sql));
}

vk_err vk_dbh_prepare(vk_dbh *h, vk_arena *a, vk_str sql, vk_cached **out_r, vk_sqlerr *err_r)
{
    uint64_t hash = vk_hash_str(sql);
    *out_r = find(h, sql, hash);
    if (*out_r)
        return VK_OK;
    sqlite3_stmt *st, *more = NULL;
    vk_str tail, rest;
    if (memchr(sql.p, '\0', sql.n)) {
        *err_r =
            (vk_sqlerr){"SQL_INPUT_ERROR", VK_STR("SQL input error: the SQL text contains a NUL character")};
        return VK_E_INVALID;
    }
    if (vk_dbh_prepare_raw(h, a, sql, false, SQLITE_PREPARE_PERSISTENT, &st, &tail, err_r) != VK_OK)
        return VK_E_INVALID;
    if (!st) {
        *err_r = (vk_sqlerr){"SQL_NO_STATEMENT", VK_STR("SQL string does not contain any statement")};
        return VK_E_INVALID;
    }
    vk_cached made = {.st = st,
                      .hash = hash,
                      .n_text = (uint32_t)sql.n,
                      .used = worth_keeping(st, sql, h->saw_insert) ? h->clock : 0,
                      .writes = vk_dbh_writes(st),
                      .saw_insert = h->saw_insert,
                      .drops = h->saw_drop,
                      .dml = h->saw_dml && !sqlite3_stmt_isexplain(st),
                      .ddl = h->saw_ddl == VK_DDL_YES && !sqlite3_stmt_isexplain(st),
                      .alter = h->alter};
    if (!blank(tail)) {
        vk_sqlerr ignored;
        vk_err e = vk_dbh_prepare_raw(h, a, tail, false, 0, &more, &rest, &ignored);
        if (e != VK_OK || more) {
            sqlite3_finalize(more);
            sqlite3_finalize(st);
            *err_r =
                (vk_sqlerr){"SQL_MANY_STATEMENTS", VK_STR("SQL string contains more than one statement")};
            return VK_E_INVALID;
        }
    }
    vk_cached *c = slot_for(h);
    char *text = malloc(sql.n ? sql.n : 1);
    if (!text) {
        sqlite3_finalize(st);
        *err_r = (vk_sqlerr){"SQLITE_NOMEM", VK_STR("SQLite error: out of memory")};
        return VK_E_INVALID;
    }
    memcpy(text, sql.p, sql.n);
    *c = made;
    c->text = text;
    h->runs_dml = c->dml;
    *out_r = c;
    return VK_OK;
}

void vk_dbh_done(vk_dbh *h, vk_cached *c)
{
    sqlite3_reset(c->st);
    if (c->used == 0)
        drop_cached(h, c);
    else
        sqlite3_clear_bindings(c->st);
    vk_keys_settle(h);
}
