#include "services/database/embedded/diff.h"
#include "services/database/embedded/db.h"

#include "core/clock.h"
#include "core/log.h"

#include <ctype.h>

enum { COLS = 2000, KEYS = 64, STEPS = 2000 };

/* A column that both tables have, or one of them. */
struct col {
    char *name;
    bool in_from, in_to, key;
};

struct diff {
    sqlite3 *db; /* `from` is main, `to` is other */
    vk_jw *w;
    int64_t rows, deadline_ms;
    bool same, cut;
    struct col *cols; /* of the table at hand */
    size_t n_cols, n_keys;
    char said[200];    /* by SQLite, of what failed */
    const char *rowid; /* the key is the row's number, under this name; NULL: the columns marked so */
};

/* ---- opening */

void vk_db_file_uri(const char *name, char *out, size_t room)
{
    static const char hex[] = "0123456789ABCDEF";
    char path[PATH_MAX + VK_DB_TMP_NAME];
    size_t n = (size_t)snprintf(out, room, "file:");
    snprintf(path, sizeof path, "%s/%s", vk_db.rt->data_dir, name);
    for (const char *p = path; *p && n + 4 < room; p++) {
        if (isalnum((unsigned char)*p) || strchr("/-_.", *p)) {
            out[n++] = *p;
        } else {
            out[n++] = '%';
            out[n++] = hex[(unsigned char)*p >> 4];
            out[n++] = hex[(unsigned char)*p & 15];
        }
    }
    snprintf(out + n, room - n, "?immutable=1");
}

static int on_progress(void *arg)
{
    const struct diff *d = arg;
    return vk_clock_mono_ms() > d->deadline_ms;
}

static int open_both(struct diff *d, const char *from, const char *to)
{
    char uri[PATH_MAX * 3 + VK_DB_TMP_NAME];
    sqlite3_stmt *st = NULL;
    vk_db_file_uri(from, uri, sizeof uri);
    int rc = sqlite3_open_v2(uri, &d->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_progress_handler(d->db, STEPS, on_progress, d);
    rc = vk_db_fence(d->db); /* what the schema computes is a tenant's business */
    if (rc != SQLITE_OK)
        return rc;
    vk_db_file_uri(to, uri, sizeof uri);
    rc = sqlite3_prepare_v2(d->db, "ATTACH ?1 AS other", -1, &st, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(st, 1, uri, -1, SQLITE_STATIC);
        rc = sqlite3_step(st) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(d->db);
    }
    sqlite3_finalize(st);
    return rc == SQLITE_OK ? sqlite3_exec(d->db, "PRAGMA query_only = ON", NULL, NULL, NULL) : rc;
}

/* ---- values */

static void put_text(vk_jw *w, const char *p, size_t n)
{
    char shown[VK_DIFF_TEXT + 8];
    if (n <= VK_DIFF_TEXT) {
        vk_jw_str(w, (vk_str){p, n});
        return;
    }
    size_t end = VK_DIFF_TEXT;
    while (end && ((unsigned char)p[end] & 0xc0) == 0x80) /* not in the middle of a character */
        end--;
    memcpy(shown, p, end);
    memcpy(shown + end, "…", strlen("…"));
    vk_jw_str(w, (vk_str){shown, end + strlen("…")});
}

/* More digits than a reader of JSON keeps are a text. */
static void put_integer(vk_jw *w, int64_t n)
{
    const int64_t safe = (int64_t)1 << 53;
    char digits[24];
    if (n >= -safe && n <= safe) {
        vk_jw_i64(w, n);
        return;
    }
    snprintf(digits, sizeof digits, "%lld", (long long)n);
    vk_jw_obj(w);
    vk_jw_kstr(w, "integer", vk_str_z(digits));
    vk_jw_obj_end(w);
}

static void put_value(vk_jw *w, sqlite3_stmt *st, int i)
{
    switch (sqlite3_column_type(st, i)) {
    case SQLITE_INTEGER:
        put_integer(w, sqlite3_column_int64(st, i));
        return;
    case SQLITE_FLOAT:
        vk_jw_double(w, sqlite3_column_double(st, i));
        return;
    case SQLITE_TEXT: {
        const char *p = (const char *)sqlite3_column_text(st, i);
        put_text(w, p ? p : "", (size_t)sqlite3_column_bytes(st, i));
        return;
    }
    case SQLITE_BLOB:
        vk_jw_obj(w);
        vk_jw_ki64(w, "blob", sqlite3_column_bytes(st, i));
        vk_jw_obj_end(w);
        return;
    default:
        vk_jw_null(w);
    }
}

static vk_str text_of(sqlite3_stmt *st, int i)
{
    const char *p = (const char *)sqlite3_column_text(st, i);
    return p ? (vk_str){p, (size_t)sqlite3_column_bytes(st, i)} : VK_STR_NONE;
}

/* ---- schema */

/* Tables that belong to virtual tables come and go with those. */
#define OURS(db)                                                                                             \
    "SELECT type, name, sql FROM " db                                                                        \
    ".sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"                        \
    " AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = '" db "' AND type = 'shadow')"

static const char schema_sql[] = "WITH f AS MATERIALIZED (" OURS("main") "), t AS MATERIALIZED (" OURS(
    "other") ")"
             " SELECT coalesce(t.type, f.type) AS kind, coalesce(t.name, f.name) AS name, f.sql, t.sql"
             " FROM f FULL JOIN t ON f.type = t.type AND f.name = t.name WHERE f.sql IS NOT t.sql"
             " ORDER BY kind = 'table' DESC, kind, name";

static int diff_schema(struct diff *d)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(d->db, schema_sql, -1, &st, NULL);
    vk_jw_key(d->w, VK_STR("schema"));
    vk_jw_arr(d->w);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        vk_str from = text_of(st, 2), to = text_of(st, 3);
        d->same = false;
        vk_jw_obj(d->w);
        vk_jw_kstr(d->w, "change",
                   from.p && to.p ? VK_STR("changed")
                   : to.p         ? VK_STR("added")
                                  : VK_STR("removed"));
        vk_jw_kstr(d->w, "type", text_of(st, 0));
        vk_jw_kstr(d->w, "name", text_of(st, 1));
        vk_jw_kstr_or_null(d->w, "from", from);
        vk_jw_kstr_or_null(d->w, "to", to);
        vk_jw_obj_end(d->w);
        rc = d->w->out->err ? SQLITE_TOOBIG : SQLITE_OK;
    }
    vk_jw_arr_end(d->w);
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* ---- the columns of a table */

static void forget_cols(struct diff *d)
{
    for (size_t i = 0; i < d->n_cols; i++)
        sqlite3_free(d->cols[i].name);
    d->n_cols = d->n_keys = 0;
    d->rowid = NULL;
}

static struct col *col_named(struct diff *d, const char *name)
{
    for (size_t i = 0; i < d->n_cols; i++)
        if (sqlite3_stricmp(d->cols[i].name, name) == 0)
            return &d->cols[i];
    if (d->n_cols == COLS)
        return NULL;
    struct col *c = &d->cols[d->n_cols];
    *c = (struct col){.name = sqlite3_mprintf("%s", name)};
    d->n_cols += c->name != NULL;
    return c->name ? c : NULL;
}

/* *keys_r: how many columns the primary key has there. */
static int read_cols(struct diff *d, const char *schema, const char *table, bool to, size_t *keys_r)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(d->db, "SELECT name, pk FROM pragma_table_xinfo(?1, ?2) WHERE hidden = 0", -1,
                                &st, NULL);
    *keys_r = 0;
    sqlite3_bind_text(st, 1, table, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 2, schema, -1, SQLITE_STATIC);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(st, 0);
        bool key = sqlite3_column_int(st, 1) > 0;
        struct col *c = name ? col_named(d, name) : NULL;
        rc = c ? SQLITE_OK : SQLITE_NOMEM;
        if (!c)
            break;
        *keys_r += key;
        if (!to) {
            c->in_from = true;
            c->key = key;
        } else {
            c->in_to = true;
            c->key = c->key && key;
        }
    }
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* True: rows of both can be told apart by the same key. */
static bool find_key(struct diff *d, size_t keys_from, size_t keys_to, bool rowid)
{
    static const char *const names[] = {"rowid", "_rowid_", "oid"};
    for (size_t i = 0; i < d->n_cols; i++)
        d->n_keys += d->cols[i].key && d->cols[i].in_to;
    if (d->n_keys && d->n_keys <= KEYS && d->n_keys == keys_from && d->n_keys == keys_to)
        return true;
    for (size_t i = 0; i < d->n_cols; i++)
        d->cols[i].key = false;
    d->n_keys = 0;
    for (size_t k = 0; rowid && keys_from == 0 && keys_to == 0 && k < VK_COUNT(names); k++) {
        bool taken = false;
        for (size_t i = 0; i < d->n_cols; i++)
            taken |= sqlite3_stricmp(d->cols[i].name, names[k]) == 0;
        if (!taken) {
            d->rowid = names[k];
            return true;
        }
    }
    return false;
}

/* ---- rows; `f` is the table of `from`, `t` that of `to` */

static void add_match(struct diff *d, sqlite3_str *s)
{
    const char *and = "";
    if (d->rowid)
        sqlite3_str_appendf(s, "f.%s = t.%s", d->rowid, d->rowid);
    for (size_t i = 0; i < d->n_cols; i++) {
        if (!d->cols[i].key)
            continue;
        sqlite3_str_appendf(s, "%sf.\"%w\" IS t.\"%w\"", and, d->cols[i].name, d->cols[i].name);
        and = " AND ";
    }
}

static bool common(const struct col *c)
{
    return c->in_from && c->in_to;
}

/* All that can differ of one side, as a row value: the values byte by byte, and their types. */
static void add_side(struct diff *d, sqlite3_str *s, const char *side)
{
    const char *comma = "";
    sqlite3_str_appendf(s, "(");
    for (size_t i = 0; i < d->n_cols; i++)
        if (common(&d->cols[i])) {
            sqlite3_str_appendf(s, "%s%s.\"%w\" COLLATE BINARY, typeof(%s.\"%w\")", comma, side,
                                d->cols[i].name, side, d->cols[i].name);
            comma = ", ";
        }
    sqlite3_str_appendf(s, ")");
}

typedef enum change { ADDED, REMOVED, CHANGED } change;

/* "FROM … WHERE …" of the rows that have changed so. */
static void add_where(struct diff *d, sqlite3_str *s, const char *table, change k)
{
    if (k == CHANGED) {
        sqlite3_str_appendf(s, " FROM other.\"%w\" t JOIN main.\"%w\" f ON ", table, table);
        add_match(d, s);
        sqlite3_str_appendf(s, " WHERE ");
        add_side(d, s, "t");
        sqlite3_str_appendf(s, " IS NOT ");
        add_side(d, s, "f");
        return;
    }
    sqlite3_str_appendf(s,
                        k == ADDED
                            ? " FROM other.\"%w\" t WHERE NOT EXISTS (SELECT 1 FROM main.\"%w\" f WHERE "
                            : " FROM main.\"%w\" f WHERE NOT EXISTS (SELECT 1 FROM other.\"%w\" t WHERE ",
                        table, table);
    add_match(d, s);
    sqlite3_str_appendf(s, ")");
}

static int prepare(struct diff *d, sqlite3_str *s, sqlite3_stmt **st_r)
{
    char *sql = sqlite3_str_finish(s);
    int rc = sql ? sqlite3_prepare_v2(d->db, sql, -1, st_r, NULL) : SQLITE_NOMEM;
    if (rc != SQLITE_OK)
        snprintf(d->said, sizeof d->said, "%s", sqlite3_errmsg(d->db));
    sqlite3_free(sql);
    return rc;
}

static int count(struct diff *d, sqlite3_str *s, int64_t *n_r)
{
    sqlite3_stmt *st = NULL;
    int rc = prepare(d, s, &st);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *n_r = sqlite3_column_int64(st, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(st);
    return rc;
}

static int count_all(struct diff *d, const char *schema, const char *table, int64_t *n_r)
{
    sqlite3_str *s = sqlite3_str_new(d->db);
    sqlite3_str_appendf(s, "SELECT count(*) FROM %s.\"%w\"", schema, table);
    return count(d, s, n_r);
}

/* What stands in the example of an added or removed row. */
static void put_row(struct diff *d, sqlite3_stmt *st, bool to)
{
    int at = 0;
    vk_jw_obj(d->w);
    if (d->rowid) {
        vk_jw_key(d->w, vk_str_z(d->rowid));
        put_value(d->w, st, at++);
    }
    for (size_t i = 0; i < d->n_cols; i++)
        if (to ? d->cols[i].in_to : d->cols[i].in_from) {
            vk_jw_key(d->w, vk_str_z(d->cols[i].name));
            put_value(d->w, st, at++);
        }
    vk_jw_obj_end(d->w);
}

static bool differs(sqlite3_stmt *st, int a, int b)
{
    int type = sqlite3_column_type(st, a), bytes;
    if (type != sqlite3_column_type(st, b))
        return true;
    if (type == SQLITE_INTEGER)
        return sqlite3_column_int64(st, a) != sqlite3_column_int64(st, b);
    if (type == SQLITE_NULL)
        return false;
    const void *x = sqlite3_column_blob(st, a), *y = sqlite3_column_blob(st, b);
    bytes = sqlite3_column_bytes(st, a);
    return bytes != sqlite3_column_bytes(st, b) || (bytes && (!x || !y || memcmp(x, y, (size_t)bytes) != 0));
}

/* A changed row: its key, and old and new of the columns that differ. */
static void put_change(struct diff *d, sqlite3_stmt *st)
{
    int at = 0;
    vk_jw_obj(d->w);
    vk_jw_key(d->w, VK_STR("key"));
    vk_jw_obj(d->w);
    if (d->rowid) {
        vk_jw_key(d->w, vk_str_z(d->rowid));
        put_value(d->w, st, at++);
    }
    int first = at;
    for (size_t i = 0; i < d->n_cols; at += 2 * common(&d->cols[i]), i++)
        if (d->cols[i].key) {
            vk_jw_key(d->w, vk_str_z(d->cols[i].name));
            put_value(d->w, st, at + 1);
        }
    vk_jw_obj_end(d->w);
    at = first;
    for (int side = 0; side < 2; side++) {
        vk_jw_key(d->w, side ? VK_STR("to") : VK_STR("from"));
        vk_jw_obj(d->w);
        at = first;
        for (size_t i = 0; i < d->n_cols; at += 2 * common(&d->cols[i]), i++)
            if (common(&d->cols[i]) && differs(st, at, at + 1)) {
                vk_jw_key(d->w, vk_str_z(d->cols[i].name));
                put_value(d->w, st, at + side);
            }
        vk_jw_obj_end(d->w);
    }
    vk_jw_obj_end(d->w);
}

static void add_example_cols(struct diff *d, sqlite3_str *s, change k)
{
    const char *comma = "", *side = k == REMOVED ? "f" : "t";
    sqlite3_str_appendf(s, "SELECT ");
    if (d->rowid) {
        sqlite3_str_appendf(s, "%s.%s", side, d->rowid);
        comma = ", ";
    }
    for (size_t i = 0; i < d->n_cols; i++) {
        const struct col *c = &d->cols[i];
        if (k == CHANGED ? !common(c) : k == ADDED ? !c->in_to : !c->in_from)
            continue;
        if (k == CHANGED)
            sqlite3_str_appendf(s, "%sf.\"%w\", t.\"%w\"", comma, c->name, c->name);
        else
            sqlite3_str_appendf(s, "%s%s.\"%w\"", comma, side, c->name);
        comma = ", ";
    }
}

static void add_order(struct diff *d, sqlite3_str *s, change k)
{
    const char *comma = "", *side = k == REMOVED ? "f" : "t";
    sqlite3_str_appendf(s, " ORDER BY ");
    if (d->rowid)
        sqlite3_str_appendf(s, "%s.%s", side, d->rowid);
    for (size_t i = 0; i < d->n_cols; i++)
        if (d->cols[i].key) {
            sqlite3_str_appendf(s, "%s%s.\"%w\"", comma, side, d->cols[i].name);
            comma = ", ";
        }
}

static int examples(struct diff *d, const char *table, change k)
{
    sqlite3_str *s = sqlite3_str_new(d->db);
    sqlite3_stmt *st = NULL;
    add_example_cols(d, s, k);
    add_where(d, s, table, k);
    add_order(d, s, k);
    sqlite3_str_appendf(s, " LIMIT %lld", (long long)d->rows);
    int rc = prepare(d, s, &st);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (d->w->out->n > VK_DIFF_OUT) {
            d->cut = true;
            rc = SQLITE_DONE;
            break;
        }
        if (k == CHANGED)
            put_change(d, st);
        else
            put_row(d, st, k == ADDED);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Numbers first: all of them are known before an example is looked for. */
static int diff_rows(struct diff *d, const char *table)
{
    static const char *const names[] = {"added", "removed", "changed"};
    int64_t n[3] = {0};
    int rc = SQLITE_OK;
    for (change k = ADDED; rc == SQLITE_OK && k <= CHANGED; k++) {
        sqlite3_str *s = sqlite3_str_new(d->db);
        sqlite3_str_appendf(s, "SELECT count(*)");
        add_where(d, s, table, k);
        rc = count(d, s, &n[k]);
        vk_jw_ki64(d->w, names[k], n[k]);
        d->same &= n[k] == 0;
    }
    vk_jw_key(d->w, VK_STR("examples"));
    vk_jw_obj(d->w);
    for (change k = ADDED; k <= CHANGED; k++) {
        if (rc != SQLITE_OK || n[k] == 0 || d->rows == 0)
            continue;
        vk_jw_key(d->w, vk_str_z(names[k]));
        vk_jw_arr(d->w);
        rc = examples(d, table, k);
        vk_jw_arr_end(d->w);
    }
    vk_jw_obj_end(d->w);
    return rc;
}

static void put_key(struct diff *d)
{
    vk_jw_key(d->w, VK_STR("key"));
    vk_jw_arr(d->w);
    if (d->rowid)
        vk_jw_str(d->w, vk_str_z(d->rowid));
    for (size_t i = 0; i < d->n_cols; i++)
        if (d->cols[i].key)
            vk_jw_str(d->w, vk_str_z(d->cols[i].name));
    vk_jw_arr_end(d->w);
}

/* A table that one or both have. */
static int diff_table(struct diff *d, const char *in_from, const char *in_to, bool rowid)
{
    const char *table = in_to ? in_to : in_from;
    int64_t n_from = 0, n_to = 0;
    size_t keys_from = 0, keys_to = 0;
    int rc = SQLITE_OK;
    if (in_from)
        rc = count_all(d, "main", table, &n_from);
    if (rc == SQLITE_OK && in_to)
        rc = count_all(d, "other", table, &n_to);
    bool both = in_from && in_to;
    if (rc == SQLITE_OK && both)
        rc = read_cols(d, "main", table, false, &keys_from);
    if (rc == SQLITE_OK && both)
        rc = read_cols(d, "other", table, true, &keys_to);
    if (rc != SQLITE_OK)
        return rc;
    bool keyed = both && find_key(d, keys_from, keys_to, rowid);
    d->same &= both && n_from == n_to;
    vk_jw_obj(d->w);
    vk_jw_kstr(d->w, "name", vk_str_z(table));
    vk_jw_key(d->w, VK_STR("from"));
    if (in_from)
        vk_jw_i64(d->w, n_from);
    else
        vk_jw_null(d->w);
    vk_jw_key(d->w, VK_STR("to"));
    if (in_to)
        vk_jw_i64(d->w, n_to);
    else
        vk_jw_null(d->w);
    vk_jw_kbool(d->w, "compared", keyed);
    if (keyed) {
        put_key(d);
        rc = diff_rows(d, table);
    }
    vk_jw_obj_end(d->w);
    return rc;
}

#define TABLES(db)                                                                                           \
    "SELECT name, wr FROM pragma_table_list WHERE schema = '" db "' AND type = 'table'"                      \
    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"

static const char tables_sql[] = "WITH f AS MATERIALIZED (" TABLES("main") "), t AS MATERIALIZED (" TABLES(
    "other") ")"
             " SELECT f.name, t.name, coalesce(f.wr, 0) + coalesce(t.wr, 0) FROM f FULL JOIN t"
             " ON f.name = t.name COLLATE NOCASE ORDER BY coalesce(t.name, f.name) LIMIT ?1";

static int diff_tables(struct diff *d)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(d->db, tables_sql, -1, &st, NULL);
    sqlite3_bind_int(st, 1, VK_DIFF_TABLES + 1);
    vk_jw_key(d->w, VK_STR("tables"));
    vk_jw_arr(d->w);
    for (int n = 0; rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW; n++) {
        if (n == VK_DIFF_TABLES) {
            d->cut = true;
            rc = SQLITE_DONE;
            break;
        }
        rc = diff_table(d, (const char *)sqlite3_column_text(st, 0), (const char *)sqlite3_column_text(st, 1),
                        sqlite3_column_int(st, 2) == 0);
        forget_cols(d);
        if (d->w->out->err)
            rc = SQLITE_TOOBIG;
    }
    vk_jw_arr_end(d->w);
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* ---- all of it */

static vk_err kind_of(int rc, const char **why_r)
{
    switch (rc & 0xff) {
    case SQLITE_INTERRUPT:
        *why_r =
            "Comparing took longer than 20 seconds and was ended; `valetkey db download` both and compare "
            "them where you are";
        return VK_E_TIMEOUT;
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
        *why_r = "Out of memory; ask for fewer rows";
        return VK_E_NOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        *why_r = "One of the two databases is damaged";
        return VK_E_CORRUPT;
    default:
        *why_r = "The databases cannot be compared; the log of valetkey serve says more";
        return VK_E_IO;
    }
}

vk_err vk_db_diff(const char *from, const char *to, int64_t rows, vk_jw *w, const char **why_r)
{
    struct diff d = {.w = w, .rows = rows, .same = true, .deadline_ms = vk_clock_mono_ms() + VK_DIFF_MS};
    d.cols = malloc(COLS * sizeof *d.cols);
    int rc = d.cols ? open_both(&d, from, to) : SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        rc = diff_schema(&d);
    if (rc == SQLITE_OK)
        rc = diff_tables(&d);
    vk_jw_kbool(w, "same", d.same);
    vk_jw_kbool(w, "truncated", d.cut);
    vk_err e = rc == SQLITE_OK ? VK_OK : kind_of(rc, why_r);
    if (e == VK_E_IO)
        vk_log(VK_ERROR, "databases cannot be compared",
               VK_F(error, d.said[0] ? d.said : sqlite3_errstr(rc)));
    forget_cols(&d);
    free(d.cols);
    sqlite3_close(d.db);
    return e;
}
