#include "services/database/embedded/alter.h"

#include <stdarg.h>

struct proof {
    sqlite3 *db;
    vk_dbh h; /* only what vk_db_authorize and vk_dbh_error need */
};

struct column {
    const char *type, *collation; /* never NULL */
    int notnull, key, autoincrement;
    char *fallback; /* the text of DEFAULT; sqlite3_free */
};

vk_err vk_alter_refuse(vk_arena *a, vk_sqlerr *err_r, const char *fmt, ...)
{
    va_list args;
    char text[512];
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    *err_r = (vk_sqlerr){"SQLITE_UNKNOWN", vk_arena_printf(a, "SQLite error: %s", text)};
    if (!err_r->message.p)
        *err_r = (vk_sqlerr){"SQLITE_NOMEM", VK_STR("SQLite error: out of memory")};
    return VK_E_INVALID;
}

vk_err vk_alter_refuse_layout(vk_arena *a, vk_sqlerr *err_r, const char *column)
{
    return vk_alter_refuse(
        a, err_r,
        "ALTER COLUMN cannot change PRIMARY KEY, UNIQUE, GENERATED or AUTOINCREMENT of column "
        "\"%s\": use an index, or a new table",
        column);
}

static void close_proof(struct proof *p)
{
    sqlite3_close(p->db);
}

static int open_proof(const vk_dbh *like, struct proof *p)
{
    static const int limits[] = {
        SQLITE_LIMIT_LENGTH,          SQLITE_LIMIT_SQL_LENGTH,    SQLITE_LIMIT_COLUMN,
        SQLITE_LIMIT_EXPR_DEPTH,      SQLITE_LIMIT_VDBE_OP,       SQLITE_LIMIT_COMPOUND_SELECT,
        SQLITE_LIMIT_FUNCTION_ARG,    SQLITE_LIMIT_ATTACHED,      SQLITE_LIMIT_LIKE_PATTERN_LENGTH,
        SQLITE_LIMIT_VARIABLE_NUMBER, SQLITE_LIMIT_TRIGGER_DEPTH, SQLITE_LIMIT_WORKER_THREADS,
    };
    *p = (struct proof){0};
    int rc = sqlite3_open_v2(
        ":memory:", &p->db,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    for (size_t i = 0; rc == SQLITE_OK && i < VK_COUNT(limits); i++)
        sqlite3_limit(p->db, limits[i], sqlite3_limit(like->db, limits[i], -1));
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(p->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(p->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(p->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    p->h.db = p->db;
    if (rc == SQLITE_OK)
        rc = sqlite3_set_authorizer(p->db, vk_db_authorize, &p->h);
    return rc;
}

static int create(struct proof *p, vk_str sql)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(p->db, sql.p, (int)sql.n, &st, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(st);
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_finalize(st);
    else
        sqlite3_finalize(st); /* the error stays the connection's last one */
    return rc;
}

/* SQLite's words about the new CREATE TABLE, with the place in the statement that was sent. */
static vk_sqlerr told(struct proof *p, vk_arena *a, const vk_alter *what, size_t span, int rc)
{
    int at = sqlite3_error_offset(p->db);
    bool inside = at >= 0 && (size_t)at >= span && (size_t)at <= span + what->def.n;
    if ((rc & 0xff) != SQLITE_ERROR || p->h.denied || at < 0)
        return vk_dbh_error(&p->h, a, rc);
    size_t place = inside ? (size_t)at - span + what->def_at : what->def_at;
    vk_sqlerr e = {"SQL_INPUT_ERROR",
                   vk_arena_printf(a, "SQL input error: %s (at offset %zu)", sqlite3_errmsg(p->db), place)};
    return e.message.p ? e : (vk_sqlerr){"SQLITE_NOMEM", VK_STR("SQLite error: out of memory")};
}

/* ---- comparing */

static bool same_value(sqlite3_stmt *x, sqlite3_stmt *y, int col)
{
    const char *a = (const char *)sqlite3_column_text(x, col), *b = (const char *)sqlite3_column_text(y, col);
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static int open_query(struct proof *p, const char *sql, const char *table, const char *column,
                      sqlite3_stmt **st_r)
{
    int rc = sqlite3_prepare_v2(p->db, sql, -1, st_r, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(*st_r, 1, table, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(*st_r, 2, column, -1, SQLITE_STATIC);
    return rc;
}

/* Whether a query gives the same rows in both; a failure is a difference. */
static bool same_rows(struct proof *x, struct proof *y, const char *sql, const char *table,
                      const char *column)
{
    sqlite3_stmt *a = NULL, *b = NULL;
    bool same = open_query(x, sql, table, column, &a) == SQLITE_OK &&
                open_query(y, sql, table, column, &b) == SQLITE_OK;
    while (same) {
        int rc = sqlite3_step(a), n = sqlite3_column_count(a);
        same = sqlite3_step(b) == rc && (rc == SQLITE_ROW || rc == SQLITE_DONE);
        if (rc != SQLITE_ROW)
            break;
        for (int i = 0; same && i < n; i++)
            same = same_value(a, b, i);
    }
    sqlite3_finalize(a);
    sqlite3_finalize(b);
    return same;
}

/* All that must stay. ?1 is the table, ?2 the column. */
static const char *const layout[] = {
    "SELECT pk, hidden FROM pragma_table_xinfo(?1) WHERE name = ?2 COLLATE NOCASE",
    "SELECT seq, name, \"unique\", origin FROM pragma_index_list(?1) WHERE ?2 IS NOT NULL",
    "SELECT l.name, x.seqno, x.cid, x.\"desc\", x.\"key\", iif(x.name = ?2 COLLATE NOCASE, NULL, x.coll)"
    " FROM pragma_index_list(?1) l, pragma_index_xinfo(l.name) x",
};
static const char *const others[] = {
    "SELECT cid, name, pk, hidden, iif(name = ?2 COLLATE NOCASE, NULL, type),"
    " iif(name = ?2 COLLATE NOCASE, NULL, \"notnull\"), iif(name = ?2 COLLATE NOCASE, NULL, dflt_value)"
    " FROM pragma_table_xinfo(?1)",
    "SELECT type, ncol, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?1 AND ?2 IS NOT "
    "NULL",
    "SELECT \"table\", \"from\", \"to\", on_update, on_delete, match FROM pragma_foreign_key_list(?1)"
    " WHERE \"from\" <> ?2 COLLATE NOCASE",
    "SELECT type, name, tbl_name FROM sqlite_schema WHERE coalesce(?1, ?2) IS NOT NULL",
};

static bool all_same(struct proof *x, struct proof *y, const char *const *queries, size_t n,
                     const char *table, const char *column)
{
    for (size_t i = 0; i < n; i++)
        if (!same_rows(x, y, queries[i], table, column))
            return false;
    return true;
}

static int read_column(struct proof *p, const char *table, const char *column, struct column *out)
{
    const char *type = NULL, *collation = NULL;
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_table_column_metadata(p->db, "main", table, column, &type, &collation, &out->notnull,
                                           &out->key, &out->autoincrement);
    if (rc != SQLITE_OK)
        return rc;
    out->type = type ? type : "";
    out->collation = collation ? collation : "BINARY";
    rc = open_query(p, "SELECT dflt_value FROM pragma_table_xinfo(?1) WHERE name = ?2 COLLATE NOCASE", table,
                    column, &st);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(st, 0);
        out->fallback = text ? sqlite3_mprintf("%s", text) : NULL;
        rc = text && !out->fallback ? SQLITE_NOMEM : SQLITE_OK;
    }
    sqlite3_finalize(st);
    return rc;
}

/* "Determination Of Column Affinity" of SQLite's page on datatypes. */
static char affinity(const char *type)
{
    static const struct {
        const char *part;
        char affinity;
    } rules[] = {{"int", 'i'},  {"char", 't'}, {"clob", 't'}, {"text", 't'},
                 {"blob", 'b'}, {"real", 'r'}, {"floa", 'r'}, {"doub", 'r'}};
    if (!*type)
        return 'b';
    for (size_t i = 0; i < VK_COUNT(rules); i++)
        for (const char *p = type; *p; p++)
            if (!sqlite3_strnicmp(p, rules[i].part, 4 - (i == 0)))
                return rules[i].affinity;
    return 'n';
}

static vk_err compare(struct proof *x, struct proof *y, vk_arena *a, const char *table, const char *column,
                      vk_alter_effect *effect_r, vk_sqlerr *err_r)
{
    struct column was = {0}, is = {0};
    vk_err e = VK_OK;
    if (read_column(x, table, column, &was) != SQLITE_OK || read_column(y, table, column, &is) != SQLITE_OK) {
        e = vk_alter_refuse(a, err_r, "the definition of column \"%s\" cannot be read", column);
    } else if (was.autoincrement != is.autoincrement ||
               !all_same(x, y, layout, VK_COUNT(layout), table, column)) {
        e = vk_alter_refuse_layout(a, err_r, column);
    } else if (!all_same(x, y, others, VK_COUNT(others), table, column)) {
        e = vk_alter_refuse(a, err_r, "the new definition of column \"%s\" changes more than that column",
                            column);
    } else {
        bool defaults = was.fallback && is.fallback ? strcmp(was.fallback, is.fallback) != 0
                                                    : was.fallback != is.fallback;
        effect_r->affinity = affinity(was.type) != affinity(is.type);
        effect_r->collation = sqlite3_stricmp(was.collation, is.collation) != 0;
        effect_r->notnull = was.notnull != is.notnull;
        effect_r->fill = !was.key && (defaults || (effect_r->affinity && was.fallback));
    }
    sqlite3_free(was.fallback);
    sqlite3_free(is.fallback);
    return e;
}

vk_err vk_alter_prove(vk_dbh *h, vk_arena *a, const vk_alter *what, const char *table, const char *column,
                      vk_str old_sql, vk_str new_sql, size_t span, vk_alter_effect *effect_r,
                      vk_sqlerr *err_r)
{
    struct proof was, is;
    vk_err e = VK_E_INVALID;
    int rc = open_proof(h, &was);
    if (rc == SQLITE_OK)
        rc = create(&was, old_sql);
    if (rc != SQLITE_OK) {
        e = vk_alter_refuse(a, err_r, "table \"%s\" cannot be altered: %s", table,
                            was.db ? sqlite3_errmsg(was.db) : "out of memory");
        close_proof(&was);
        return e;
    }
    rc = open_proof(h, &is);
    if (rc == SQLITE_OK)
        rc = create(&is, new_sql);
    if (rc == SQLITE_OK)
        e = compare(&was, &is, a, table, column, effect_r, err_r);
    else if (!is.db)
        *err_r = (vk_sqlerr){"SQLITE_NOMEM", VK_STR("SQLite error: out of memory")};
    else
        *err_r = told(&is, a, what, span, rc);
    close_proof(&is);
    close_proof(&was);
    return e;
}
