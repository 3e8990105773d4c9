/* The index: schema, statements, connections. One connection writes (turn.c), a few read. synchronous=FULL: a
 * commit is visible only when it is on stable storage, so that no answer has to wait for what it saw; what
 * that costs is shared by all turns of a transaction. */
#include "services/storage/embedded/inside.h"

#include "core/log.h"

/* 8 GiB, as large as a file in a backup can be. Keys and headers count against no quota, and without this a
 * build could grow an index that no backup takes, of any build. */
#define MOST_PAGES "2097151"

#define SUM "sum_algo INTEGER NOT NULL, sum_type INTEGER NOT NULL, sum BLOB NOT NULL"

/* Keys are BLOBs: SQLite compares them byte by byte, which is S3's order. */
static const char schema[] =
    "CREATE TABLE objects (key BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime INTEGER NOT NULL, etag TEXT "
    "NOT "
    "NULL, blob BLOB, content INTEGER NOT NULL, parts INTEGER NOT NULL, " SUM
    ", headers BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE inline (content INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE extents (content INTEGER NOT NULL, start INTEGER NOT NULL, number INTEGER NOT NULL, size "
    "INTEGER NOT NULL, blob BLOB NOT NULL, " SUM ", PRIMARY KEY (content, start)) WITHOUT ROWID;"
    "CREATE TABLE uploads (id BLOB PRIMARY KEY, key BLOB NOT NULL, created INTEGER NOT NULL, sum_algo "
    "INTEGER "
    "NOT NULL, sum_type INTEGER NOT NULL, headers BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX uploads_key ON uploads (key, id);"
    "CREATE TABLE parts (upload BLOB NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, md5 BLOB NOT "
    "NULL, mtime INTEGER NOT NULL, blob BLOB NOT NULL, " SUM ", PRIMARY KEY (upload, number)) WITHOUT ROWID;"
    "CREATE TABLE finished (id BLOB PRIMARY KEY, key BLOB NOT NULL, at INTEGER NOT NULL, size INTEGER NOT "
    "NULL, "
    "etag TEXT NOT NULL, parts INTEGER NOT NULL, " SUM ") WITHOUT ROWID;"
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE usage (one INTEGER PRIMARY KEY CHECK (one = 1), bytes INTEGER NOT NULL, objects INTEGER "
    "NOT "
    "NULL, part_bytes INTEGER NOT NULL, uploads INTEGER NOT NULL);"
    "INSERT INTO usage VALUES (1, 0, 0, 0, 0);";

#define OBJECT "size, mtime, etag, blob, content, parts, sum_algo, sum_type, sum, headers"
#define RECOUNT                                                                                              \
    "(SELECT coalesce(sum(size), 0) FROM objects), (SELECT count(*) FROM objects), (SELECT "                 \
    "coalesce(sum(max(size, 4096)), 0) FROM parts), (SELECT count(*) FROM uploads)" /* VK_OB_PART_CHARGE */

static const char *const sql[Q_STMTS] = {
    [Q_OBJECT] = "SELECT " OBJECT " FROM objects WHERE key = ?1",
    [Q_GET] =
        "SELECT " OBJECT ", (SELECT data FROM inline i WHERE i.content = o.content) FROM objects o WHERE "
        "key = ?1",
    [Q_PUT_OBJECT] =
        "INSERT OR REPLACE INTO objects (key, " OBJECT ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
        "?9, ?10, ?11)",
    [Q_DROP_OBJECT] = "DELETE FROM objects WHERE key = ?1",
    [Q_LIST] = "SELECT key, size, mtime, etag, sum_algo, sum_type FROM objects WHERE key >= ?1 ORDER BY key",
    [Q_PUT_INLINE] = "INSERT INTO inline VALUES (?1, ?2)",
    [Q_SET_INLINE] = "UPDATE inline SET data = ?2 WHERE content = ?1",
    [Q_DROP_INLINE] = "DELETE FROM inline WHERE content = ?1",
    [Q_EXTENTS] = "SELECT number, start, size, blob, sum_algo, sum_type, sum FROM extents WHERE content = ?1 "
                  "ORDER BY start",
    [Q_PUT_EXTENT] =
        "INSERT INTO extents (content, number, start, size, blob, sum_algo, sum_type, sum) VALUES "
        "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [Q_DROP_EXTENTS] = "DELETE FROM extents WHERE content = ?1",
    [Q_UPLOAD] = "SELECT key, created, sum_algo, sum_type, headers FROM uploads WHERE id = ?1",
    [Q_PUT_UPLOAD] =
        "INSERT INTO uploads (id, key, created, sum_algo, sum_type, headers) VALUES (?1, ?2, ?3, "
        "?4, ?5, ?6)",
    [Q_DROP_UPLOAD] = "DELETE FROM uploads WHERE id = ?1",
    [Q_LIST_UPLOADS] = "SELECT key, created, sum_algo, sum_type, headers, id FROM uploads WHERE (key, id) >= "
                       "(?1, ?2) ORDER BY key, id",
    [Q_OLD_UPLOADS] = "SELECT id, key FROM uploads WHERE created < ?1 ORDER BY created LIMIT ?2",
    [Q_PART] =
        "SELECT number, size, md5, mtime, blob, sum_algo, sum_type, sum FROM parts WHERE upload = ?1 AND "
        "number = ?2",
    [Q_PARTS] = "SELECT number, size, md5, mtime, blob, sum_algo, sum_type, sum FROM parts WHERE upload = ?1 "
                "AND number > ?2 ORDER BY number",
    [Q_PUT_PART] =
        "INSERT OR REPLACE INTO parts (upload, number, size, md5, mtime, blob, sum_algo, sum_type, "
        "sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [Q_DROP_PARTS] = "DELETE FROM parts WHERE upload = ?1",
    [Q_FINISHED] = "SELECT key, at, size, etag, parts, sum_algo, sum_type, sum FROM finished WHERE id = ?1",
    [Q_PUT_FINISHED] =
        "INSERT INTO finished (id, key, at, size, etag, parts, sum_algo, sum_type, sum) VALUES "
        "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [Q_PRUNE_FINISHED] = "DELETE FROM finished WHERE at < ?1",
    [Q_SETTING] = "SELECT value FROM settings WHERE name = ?1",
    [Q_SET] = "INSERT OR REPLACE INTO settings VALUES (?1, ?2)",
    [Q_UNSET] = "DELETE FROM settings WHERE name = ?1",
    [Q_USAGE] = "SELECT bytes, objects, part_bytes, uploads FROM usage",
    [Q_SET_USAGE] = "UPDATE usage SET bytes = ?1, objects = ?2, part_bytes = ?3, uploads = ?4",
    [Q_RECOUNT] = "SELECT " RECOUNT,
    [Q_BLOBS] =
        "SELECT blob FROM objects WHERE blob IS NOT NULL UNION ALL SELECT blob FROM extents UNION ALL "
        "SELECT blob FROM parts",
    [Q_LAST_CONTENT] = "SELECT max((SELECT coalesce(max(content), 0) FROM inline), (SELECT "
                       "coalesce(max(content), 0) FROM extents))",
    [Q_BEGIN] = "BEGIN IMMEDIATE",
    [Q_BEGIN_READ] = "BEGIN",
    [Q_COMMIT] = "COMMIT",
    [Q_ROLLBACK] = "ROLLBACK",
    [Q_SAVE] = "SAVEPOINT turn",
    [Q_RELEASE] = "RELEASE turn",
    [Q_UNDO] = "ROLLBACK TO turn",
};

vk_ob_err vk_ob_sql_err(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return VK_OB_OK;
    case SQLITE_FULL:
        return VK_OB_DISK_FULL;
    case SQLITE_NOMEM:
        return VK_OB_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return VK_OB_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return VK_OB_CORRUPT;
    default:
        return VK_OB_IO;
    }
}

vk_ob_err vk_ob_of(vk_err e)
{
    switch (e) {
    case VK_OK:
        return VK_OB_OK;
    case VK_E_FULL:
        return VK_OB_DISK_FULL;
    case VK_E_NOMEM:
        return VK_OB_NOMEM;
    case VK_E_CORRUPT:
        return VK_OB_CORRUPT;
    default:
        return VK_OB_IO;
    }
}

/* ---- statements */

sqlite3_stmt *vk_ob_st(vk_ob_conn *c, vk_ob_q q)
{
    if (!c->st[q] &&
        sqlite3_prepare_v3(c->db, sql[q], -1, SQLITE_PREPARE_PERSISTENT, &c->st[q], NULL) != SQLITE_OK)
        return NULL;
    sqlite3_reset(c->st[q]);
    sqlite3_clear_bindings(c->st[q]);
    return c->st[q];
}

void vk_ob_bind(sqlite3_stmt *st, int i, vk_str blob)
{
    if (st)
        sqlite3_bind_blob(st, i, blob.n ? blob.p : "", (int)blob.n, SQLITE_STATIC);
}

void vk_ob_bind_i(sqlite3_stmt *st, int i, int64_t v)
{
    if (st)
        sqlite3_bind_int64(st, i, v);
}

int vk_ob_step(sqlite3_stmt *st)
{
    return st ? sqlite3_step(st) : SQLITE_NOMEM;
}

vk_ob_err vk_ob_run(vk_ob_conn *c, sqlite3_stmt *st)
{
    if (!st) {
        vk_ob_err e = vk_ob_sql_err(sqlite3_errcode(c->db));
        return e != VK_OB_OK ? e : VK_OB_IO;
    }
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW)
        ;
    sqlite3_reset(st);
    return vk_ob_sql_err(rc);
}

vk_str vk_ob_col(sqlite3_stmt *st, int i)
{
    const char *p = sqlite3_column_blob(st, i);
    return (vk_str){p, (size_t)sqlite3_column_bytes(st, i)};
}

void vk_ob_bind_sum(sqlite3_stmt *st, int i, const vk_ob_sum *sum)
{
    vk_ob_bind_i(st, i, sum->algo);
    vk_ob_bind_i(st, i + 1, sum->type);
    vk_ob_bind(st, i + 2, (vk_str){(const char *)sum->value, sum->n});
}

void vk_ob_read_sum(sqlite3_stmt *st, int i, vk_ob_sum *out_r)
{
    vk_str v = vk_ob_col(st, i + 2);
    *out_r = (vk_ob_sum){.algo = (uint8_t)sqlite3_column_int(st, i),
                         .type = (uint8_t)sqlite3_column_int(st, i + 1)};
    if (v.n && v.n <= VK_OB_SUM_MAX) {
        memcpy(out_r->value, v.p, v.n);
        out_r->n = (uint8_t)v.n;
    }
}

vk_ob_err vk_ob_read_row(sqlite3_stmt *st, vk_ob_row *out_r)
{
    memset(out_r, 0, sizeof *out_r);
    vk_str etag = vk_ob_col(st, 2), blob = vk_ob_col(st, 3);
    if (etag.n > VK_OB_ETAG || (blob.n && blob.n != VK_OB_BLOB))
        return VK_OB_CORRUPT;
    out_r->o.size = sqlite3_column_int64(st, 0);
    out_r->o.mtime_ms = sqlite3_column_int64(st, 1);
    if (etag.n)
        memcpy(out_r->o.etag, etag.p, etag.n);
    out_r->has_blob = blob.n != 0;
    if (blob.n)
        memcpy(out_r->blob, blob.p, blob.n);
    out_r->content = sqlite3_column_int64(st, 4);
    int64_t parts = sqlite3_column_int64(st, 5);
    out_r->o.parts = (uint32_t)parts;
    if (out_r->o.size < 0 || parts < 0 || parts > VK_OB_PARTS_MAX || (parts && out_r->has_blob))
        return VK_OB_CORRUPT;
    vk_ob_read_sum(st, 6, &out_r->o.sum);
    out_r->o.headers = vk_ob_col(st, 9);
    return VK_OB_OK;
}

vk_ob_err vk_ob_setting(vk_ob_conn *c, const char *name, vk_arena *a, vk_str *out_r)
{
    sqlite3_stmt *st = vk_ob_st(c, Q_SETTING);
    vk_ob_bind(st, 1, vk_str_z(name));
    int rc = vk_ob_step(st);
    vk_ob_err e = rc == SQLITE_DONE ? VK_OB_NO_SUCH_KEY : vk_ob_sql_err(rc);
    if (rc == SQLITE_ROW) {
        *out_r = vk_arena_dup(a, vk_ob_col(st, 0));
        e = out_r->p ? VK_OB_OK : VK_OB_NOMEM;
    }
    sqlite3_reset(st);
    return e;
}

/* ---- connections */

static vk_ob_err user_version(sqlite3 *db, int *out_r)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW)
        *out_r = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return vk_ob_sql_err(rc);
}

static vk_ob_err make_schema(sqlite3 *db)
{
    int version = 0;
    char text[64];
    vk_ob_err e = user_version(db, &version);
    if (e != VK_OB_OK || version == VK_OB_SCHEMA)
        return e;
    if (version > VK_OB_SCHEMA)
        return VK_OB_NEWER;
    snprintf(text, sizeof text, "PRAGMA user_version = %d; COMMIT", VK_OB_SCHEMA);
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, schema, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, text, NULL, NULL, NULL);
    return vk_ob_sql_err(rc); /* SQLite has synced the folder: the names of the file and of its journals */
}

/* What a killed process left in the -wal is visible as soon as it is read, synced or not; nothing may follow
 * from it, neither an answer nor a file that goes, before it is. */
static vk_ob_err sync_wal(sqlite3 *db)
{
    sqlite3_file *f = NULL;
    sqlite3_int64 n = 0;
    if (sqlite3_exec(db, "SELECT 1 FROM sqlite_schema LIMIT 1", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f) != SQLITE_OK)
        return VK_OB_IO;
    if (!f || !f->pMethods || (f->pMethods->xFileSize(f, &n) == SQLITE_OK && n == 0))
        return VK_OB_OK; /* nothing was left */
    return f->pMethods->xSync(f, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY) == SQLITE_OK ? VK_OB_OK
                                                                                         : VK_OB_IO;
}

vk_ob_err vk_ob_conn_open(vk_ob *s, bool first, vk_ob_conn **out_r)
{
    vk_ob_conn *c = calloc(1, sizeof *c);
    if (!c)
        return VK_OB_NOMEM;
    vk_list_init(&c->node);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    /* No other process has the data folder: locks and the index of the -wal are in memory, which saves six
     * calls of fcntl a transaction. */
    int rc = sqlite3_open_v2(s->path, &c->db, first ? flags | SQLITE_OPEN_CREATE : flags, "unix-excl");
    vk_ob_err e;
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(c->db, 5000);
        /* The schema has neither; of an index that was restored they could go on for ever. */
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
        /* What undoes a large turn is kept in memory: the fence around front has no folder for SQLite's own
         * temporary files, without which a deletion of many keys would fail. */
        rc = sqlite3_exec(c->db,
                          "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                          " PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 4194304;"
                          " PRAGMA cache_size = -1000; PRAGMA temp_store = MEMORY;"
                          " PRAGMA max_page_count = " MOST_PAGES,
                          NULL, NULL, NULL);
    }
    e = vk_ob_sql_err(rc);
    if (e == VK_OB_OK && first)
        e = make_schema(c->db);
    if (e == VK_OB_OK && first)
        e = sync_wal(c->db);
    if (e != VK_OB_OK) {
        vk_log(VK_ERROR, "the index of a build's objects cannot be opened", VK_F(build, s->build),
               VK_F(error, e == VK_OB_NEWER ? vk_ob_errs[e].message
                           : c->db          ? sqlite3_errmsg(c->db)
                                            : "no memory"));
        vk_ob_conn_close(c);
        return e;
    }
    *out_r = c;
    return VK_OB_OK;
}

static int64_t pragma(vk_ob_conn *c, const char *what)
{
    sqlite3_stmt *st = NULL;
    int64_t v = 0;
    if (sqlite3_prepare_v2(c->db, what, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return v;
}

bool vk_ob_index_full(vk_ob_conn *c)
{
    enum { ONE_MORE = 32768 }; /* pages: more than any transaction adds */
    return pragma(c, "PRAGMA page_count") > pragma(c, "PRAGMA max_page_count") - ONE_MORE;
}

void vk_ob_conn_close(vk_ob_conn *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < Q_STMTS; i++)
        sqlite3_finalize(c->st[i]);
    sqlite3_close(c->db);
    free(c);
}

vk_ob_err vk_ob_conn_get(vk_ob *s, vk_ob_conn **out_r)
{
    pthread_mutex_lock(&s->mu);
    while (vk_list_empty(&s->idle) && s->n_readers >= VK_OB_READERS)
        pthread_cond_wait(&s->reader_free, &s->mu);
    vk_list *n = s->idle.prev; /* the warmest */
    bool found = n != &s->idle;
    if (found)
        vk_list_remove(n);
    else
        s->n_readers++;
    pthread_mutex_unlock(&s->mu);
    if (found) {
        *out_r = VK_CONTAINER(n, vk_ob_conn, node);
        return VK_OB_OK;
    }
    vk_ob_err e = vk_ob_conn_open(s, false, out_r);
    if (e != VK_OB_OK) {
        pthread_mutex_lock(&s->mu);
        s->n_readers--;
        pthread_cond_signal(&s->reader_free);
        pthread_mutex_unlock(&s->mu);
    }
    return e;
}

vk_ob_conn *vk_ob_conn_idle(vk_ob *s)
{
    pthread_mutex_lock(&s->mu);
    vk_list *n = s->idle.prev;
    bool found = n != &s->idle;
    if (found)
        vk_list_remove(n);
    pthread_mutex_unlock(&s->mu);
    return found ? VK_CONTAINER(n, vk_ob_conn, node) : NULL;
}

void vk_ob_conn_put(vk_ob *s, vk_ob_conn *c)
{
    size_t n = 0;
    pthread_mutex_lock(&s->mu);
    for (vk_list *x = s->idle.next; x != &s->idle; x = x->next)
        n++;
    bool keep = n < VK_OB_READERS_IDLE && sqlite3_get_autocommit(c->db);
    if (keep)
        vk_list_push(&s->idle, &c->node);
    else
        s->n_readers--;
    pthread_cond_signal(&s->reader_free);
    pthread_mutex_unlock(&s->mu);
    if (!keep)
        vk_ob_conn_close(c);
}
