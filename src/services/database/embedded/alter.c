#include "services/database/embedded/alter.h"

#include "core/encode.h"
#include "core/random.h"

#include <stdarg.h>

struct edit {
    vk_dbh *h;
    vk_arena *a;
    vk_sqlerr *err;
    const vk_alter *what;
    vk_str old_sql, new_sql; /* the CREATE TABLE texts */
    vk_str was;              /* the definition, in old_sql */
    unsigned words;          /* of VK_DEF_… in it */
    const char *table, *column;
    vk_alter_effect effect;
};

/* ------------------------------------------------------------------------------------------- small
 * statements */

static vk_err failed(struct edit *x, int rc)
{
    *x->err = vk_dbh_error(x->h, x->a, rc);
    return VK_E_INVALID;
}

static vk_err no_memory(struct edit *x)
{
    *x->err = (vk_sqlerr){"SQLITE_NOMEM", VK_STR("SQLite error: out of memory")};
    return VK_E_INVALID;
}

static int vask(struct edit *x, sqlite3_stmt **st_r, const char *fmt, va_list args)
{
    char *sql = sqlite3_vmprintf(fmt, args);
    *st_r = NULL;
    x->h->denied = NULL;
    int rc = sql ? sqlite3_prepare_v2(x->h->db, sql, -1, st_r, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    int n = rc == SQLITE_OK ? sqlite3_bind_parameter_count(*st_r) : 0;
    if (n >= 1)
        rc = sqlite3_bind_text(*st_r, 1, x->table, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK && n >= 2)
        rc = sqlite3_bind_text(*st_r, 2, x->column, -1, SQLITE_STATIC);
    return rc == SQLITE_OK ? sqlite3_step(*st_r) : rc;
}

/* Prepares a statement of ours and makes its first step; `%w` is a name, as in sqlite3_mprintf. ?1 is the
 * table and ?2 the column where they occur. SQLITE_ROW, SQLITE_DONE or an error; *st_r is to be finalised in
 * any case. */
static int ask(struct edit *x, sqlite3_stmt **st_r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int rc = vask(x, st_r, fmt, args);
    va_end(args);
    return rc;
}

/* The same to its end; SQLITE_OK or an error. */
static int run(struct edit *x, const char *fmt, ...)
{
    va_list args;
    sqlite3_stmt *st;
    va_start(args, fmt);
    int rc = vask(x, &st, fmt, args);
    va_end(args);
    while (rc == SQLITE_ROW)
        rc = sqlite3_step(st);
    int end = sqlite3_finalize(st);
    return rc == SQLITE_DONE ? SQLITE_OK : end != SQLITE_OK ? end : rc;
}

static const char *copy_text(struct edit *x, sqlite3_stmt *st, int col, vk_str *view_r)
{
    const char *p = (const char *)sqlite3_column_text(st, col);
    vk_str s = vk_arena_dup(x->a, (vk_str){p ? p : "", p ? (size_t)sqlite3_column_bytes(st, col) : 0});
    if (view_r)
        *view_r = s;
    return s.p;
}

/* ------------------------------------------------------------------------------------------------- what is
 * meant */

static vk_err read_names(struct edit *x)
{
    const vk_alter *w = x->what;
    vk_str schema = w->schema.p ? vk_alter_name(x->a, w->schema) : VK_STR("main");
    vk_str table = vk_alter_name(x->a, w->table), column = vk_alter_name(x->a, w->column);
    vk_str renamed = vk_alter_name(x->a, w->renamed);
    if (!schema.p || !table.p || !column.p || !renamed.p)
        return no_memory(x);
    x->table = table.p;
    x->column = column.p;
    if (!vk_str_ieq(schema, VK_STR("main")))
        return vk_alter_refuse(x->a, x->err,
                               vk_str_ieq(schema, VK_STR("temp"))
                                   ? "temporary tables cannot be altered: %s.%s"
                                   : "unknown database: %s.%s",
                               schema.p, table.p);
    if (sqlite3_strnicmp(table.p, "sqlite_", 7) == 0)
        return vk_alter_refuse(x->a, x->err, "table %s may not be altered", table.p);
    if (!vk_str_ieq(column, renamed))
        return vk_alter_refuse(
            x->a, x->err,
            "ALTER COLUMN cannot rename column \"%s\" to \"%s\": use ALTER TABLE … RENAME COLUMN", column.p,
            renamed.p);
    return VK_OK;
}

/* The kind of table, as SQLite tells it; the statement may mean a temporary one when it names no schema. By
 * the PRAGMA itself: its table-valued form, which is used further on, can be shadowed by a table of that
 * name, which could pass the insides of a virtual table off as an ordinary one. */
static vk_err check_kind(struct edit *x, bool *keyed_r)
{
    sqlite3_stmt *st;
    char kind[16] = "";
    bool temporary = false, shadowed = false;
    int rc = ask(x, &st, "PRAGMA table_list");
    for (; rc == SQLITE_ROW; rc = sqlite3_step(st)) {
        const char *schema = (const char *)sqlite3_column_text(st, 0),
                   *name = (const char *)sqlite3_column_text(st, 1),
                   *type = (const char *)sqlite3_column_text(st, 2);
        shadowed = shadowed || (name && sqlite3_strnicmp(name, "pragma_", 7) == 0);
        if (!schema || !name || !type || sqlite3_stricmp(name, x->table) != 0)
            continue;
        if (strcmp(schema, "main") == 0) {
            snprintf(kind, sizeof kind, "%s", type);
            *keyed_r = sqlite3_column_int(st, 4) != 0;
        } else if (strcmp(schema, "temp") == 0) {
            temporary = true;
        }
    }
    vk_err e = rc == SQLITE_DONE ? VK_OK : failed(x, rc);
    sqlite3_finalize(st);
    if (e != VK_OK)
        return e;
    if (shadowed)
        return vk_alter_refuse(x->a, x->err,
                               "ALTER COLUMN cannot look at table %s while a table or view has a name that "
                               "begins with \"pragma_\": rename that one",
                               x->table);
    if (temporary && !x->what->schema.p)
        return vk_alter_refuse(x->a, x->err, "temporary tables cannot be altered: %s", x->table);
    if (!*kind)
        return vk_alter_refuse(x->a, x->err, "no such table: %s", x->table);
    if (strcmp(kind, "table") != 0)
        return vk_alter_refuse(x->a, x->err, "only ordinary tables can be altered, %s is a %s%s", x->table,
                               kind, strcmp(kind, "view") == 0 ? "" : " table");
    return VK_OK;
}

/* The text of the table, its name as the schema writes it, and where the column stands in it. */
static vk_err find_definition(struct edit *x)
{
    sqlite3_stmt *st;
    const char *table = NULL;
    int rc = ask(
        x, &st, "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE");
    vk_err e = VK_OK;
    if (rc == SQLITE_ROW) {
        table = copy_text(x, st, 0, NULL);
        e = table && copy_text(x, st, 1, &x->old_sql) ? VK_OK : no_memory(x);
    } else if (rc != SQLITE_DONE) {
        e = failed(x, rc);
    }
    sqlite3_finalize(st);
    if (e != VK_OK)
        return e;
    if (!table)
        return vk_alter_refuse(x->a, x->err, "no such table: %s", x->table);
    x->table = table;
    if (!vk_alter_find(x->old_sql, vk_str_z(x->column), &x->was, &x->words))
        return vk_alter_refuse(x->a, x->err, "no such column: \"%s\"", x->column);
    return VK_OK;
}

static vk_err check_column(struct edit *x, bool keyed)
{
    sqlite3_stmt *st;
    int rc =
        ask(x, &st, "SELECT pk, hidden FROM pragma_table_xinfo(?1, 'main') WHERE name = ?2 COLLATE NOCASE");
    bool key = rc == SQLITE_ROW && sqlite3_column_int(st, 0),
         hidden = rc == SQLITE_ROW && sqlite3_column_int(st, 1);
    vk_err e = rc == SQLITE_ROW || rc == SQLITE_DONE ? VK_OK : failed(x, rc);
    sqlite3_finalize(st);
    if (e != VK_OK)
        return e;
    if (rc == SQLITE_DONE)
        return vk_alter_refuse(x->a, x->err, "no such column: \"%s\"", x->column);
    if (key && keyed)
        return vk_alter_refuse(
            x->a, x->err, "column \"%s\" belongs to the key of a WITHOUT ROWID table and cannot be altered",
            x->column);
    if (hidden)
        return vk_alter_refuse(x->a, x->err, "column \"%s\" is generated and cannot be altered", x->column);
    return vk_alter_words(x->what->def) == x->words ? VK_OK : vk_alter_refuse_layout(x->a, x->err, x->column);
}

/* old_sql with another definition in the column's place. */
static vk_err with_definition(struct edit *x, vk_str def, vk_str *out_r)
{
    size_t at = (size_t)(x->was.p - x->old_sql.p), rest = x->old_sql.n - at - x->was.n;
    char *p = vk_arena_alloc(x->a, x->old_sql.n - x->was.n + def.n + 1);
    if (!p)
        return no_memory(x);
    memcpy(p, x->old_sql.p, at);
    memcpy(p + at, def.p, def.n);
    memcpy(p + at + def.n, x->was.p + x->was.n, rest);
    p[at + def.n + rest] = '\0';
    *out_r = (vk_str){p, at + def.n + rest};
    return VK_OK;
}

/* ---- the schema */

/* Under what vk_db_authorize and SQLite let nobody else do. */
static int write_schema(struct edit *x, vk_str sql)
{
    sqlite3_stmt *st = NULL;
    int version = 0;
    int rc = ask(x, &st, "PRAGMA main.schema_version");
    if (rc == SQLITE_ROW)
        version = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    if (rc != SQLITE_ROW)
        return rc;
    rc = sqlite3_prepare_v2(
        x->h->db, "UPDATE main.sqlite_schema SET sql = ?2 WHERE type = 'table' AND name = ?1", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(st, 1, x->table, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text64(st, 2, sql.p, sql.n, SQLITE_STATIC, SQLITE_UTF8);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    int end = sqlite3_finalize(st);
    if (rc != SQLITE_DONE)
        return end != SQLITE_OK ? end : rc;
    if (sqlite3_changes(x->h->db) != 1)
        return SQLITE_INTERNAL;
    return run(x, "PRAGMA main.schema_version = %d", (int)((unsigned)version + 1));
}

static int set_schema(struct edit *x, vk_str sql)
{
    sqlite3 *db = x->h->db;
    x->h->opening = true;
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL);
    int rc = write_schema(x, sql);
    sqlite3_db_config(db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    x->h->opening = false;
    /* Reads the schema anew, under the ordinary rules: a text that SQLite does not understand is an error
     * here. */
    if (rc == SQLITE_OK)
        rc = run(x, "SELECT \"%w\".\"%w\" FROM main.\"%w\" LIMIT 0", x->table, x->column, x->table);
    return rc;
}

/* ---- rows without a value */

/* Rows that were there before ALTER TABLE … ADD COLUMN have no value in that column and show its default. To
 * find out whether there are any, the default is for a moment one that nobody can have stored. */
static vk_err has_unfilled(struct edit *x, bool *found_r)
{
    uint8_t random[16];
    char digits[2 * sizeof random + 1];
    sqlite3_stmt *st;
    vk_str probe;
    vk_random(random, sizeof random);
    vk_hex(digits, random, sizeof random);
    char *def = sqlite3_mprintf("\"%w\" BLOB DEFAULT x'%s'", x->column, digits);
    vk_err e = def ? with_definition(x, vk_str_z(def), &probe) : no_memory(x);
    sqlite3_free(def);
    if (e != VK_OK)
        return e;
    int rc = set_schema(x, probe);
    if (rc != SQLITE_OK)
        return failed(x, rc);
    /* Not by an index: it has the old default. */
    rc = ask(x, &st, "SELECT 1 FROM main.\"%w\" NOT INDEXED WHERE \"%w\" IS x'%s' LIMIT 1", x->table,
             x->column, digits);
    *found_r = rc == SQLITE_ROW;
    e = rc == SQLITE_ROW || rc == SQLITE_DONE ? VK_OK : failed(x, rc);
    sqlite3_finalize(st);
    return e;
}

/* Writes every row once under the old definition, which stores what it shows. No value changes, so nothing
 * that watches changes is asked: no trigger, no foreign key, no CHECK that older rows may not meet. */
static int fill(struct edit *x)
{
    sqlite3 *db = x->h->db;
    int triggers = 1, keys = 1;
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, -1, &triggers);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, -1, &keys);
    x->h->opening = true;
    int rc = run(x, "PRAGMA ignore_check_constraints = ON");
    x->h->opening = false;
    if (rc == SQLITE_OK) {
        sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
        sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
        rc = run(x, "UPDATE OR IGNORE main.\"%w\" SET \"%w\" = \"%w\"", x->table, x->column, x->column);
        sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, keys, NULL);
        sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, triggers, NULL);
    }
    x->h->opening = true;
    if (run(x, "PRAGMA ignore_check_constraints = OFF") != SQLITE_OK)
        x->h->dirty = true;
    x->h->opening = false;
    return rc;
}

static vk_err keep_values(struct edit *x)
{
    bool found = false;
    sqlite3_stmt *st;
    /* A column that came by ADD COLUMN has no UNIQUE. */
    if (!x->effect.fill || x->words & (VK_DEF_PRIMARY | VK_DEF_UNIQUE))
        return VK_OK;
    int rc = ask(x, &st, "SELECT 1 FROM main.\"%w\" LIMIT 1", x->table);
    sqlite3_finalize(st);
    if (rc == SQLITE_DONE)
        return VK_OK;
    vk_err e = rc == SQLITE_ROW ? has_unfilled(x, &found) : failed(x, rc);
    if (e != VK_OK || !found)
        return e;
    rc = set_schema(x, x->old_sql);
    if (rc == SQLITE_OK)
        rc = fill(x);
    return rc == SQLITE_OK ? VK_OK : failed(x, rc);
}

/* ----------------------------------------------------------------------------------------------------
 * indexes */

/* Whether entries of the table's indexes can be others under the new definition: of those that have the
 * column, and of those that compute something, which may look at it. */
static vk_err needs_reindex(struct edit *x, bool *needed_r)
{
    sqlite3_stmt *st;
    bool order = x->effect.affinity || x->effect.collation;
    *needed_r = false;
    if (!order && !x->effect.notnull)
        return VK_OK;
    int rc = ask(x, &st,
                 "SELECT total(x.name = ?2 COLLATE NOCASE), total(l.partial OR x.cid = -2 OR"
                 " x.cid IN (SELECT cid FROM pragma_table_xinfo(?1, 'main') WHERE hidden))"
                 " FROM pragma_index_list(?1, 'main') l, pragma_index_xinfo(l.name, 'main') x");
    if (rc == SQLITE_ROW) {
        bool covers = sqlite3_column_int(st, 0) != 0, computes = sqlite3_column_int(st, 1) != 0;
        *needed_r = computes || (covers && order);
    }
    vk_err e = rc == SQLITE_ROW ? VK_OK : failed(x, rc);
    sqlite3_finalize(st);
    return e;
}

/* --------------------------------------------------------------------------------------------------- all of
 * it */

static vk_err find(struct edit *x)
{
    bool keyed = false;
    vk_err e = read_names(x);
    if (e == VK_OK) { /* reads the schema anew when another connection changed it */
        int rc = run(x, "SELECT 1 FROM main.sqlite_schema LIMIT 1");
        e = rc == SQLITE_OK ? check_kind(x, &keyed) : failed(x, rc);
    }
    if (e == VK_OK)
        e = find_definition(x);
    return e == VK_OK ? check_column(x, keyed) : e;
}

static vk_err change(struct edit *x)
{
    bool reindex;
    vk_err e = find(x);
    if (e == VK_OK)
        e = with_definition(x, x->what->def, &x->new_sql);
    if (e == VK_OK)
        e = vk_alter_prove(x->h, x->a, x->what, x->table, x->column, x->old_sql, x->new_sql,
                           (size_t)(x->was.p - x->old_sql.p), &x->effect, x->err);
    if (e == VK_OK)
        e = keep_values(x);
    if (e == VK_OK)
        e = needs_reindex(x, &reindex);
    if (e != VK_OK)
        return e;
    int rc = set_schema(x, x->new_sql);
    if (rc == SQLITE_OK && reindex)
        rc = run(x, "REINDEX main.\"%w\"", x->table);
    return rc == SQLITE_OK ? VK_OK : failed(x, rc);
}

static vk_sqlerr flaw_error(vk_arena *a, const vk_alter *w)
{
    vk_str said = VK_STR("incomplete input");
    vk_sqlerr e = {"SQL_INPUT_ERROR", VK_STR_NONE};
    if (w->flaw != VK_ALTER_INCOMPLETE)
        said = vk_arena_printf(
            a, w->flaw == VK_ALTER_TOKEN ? "unrecognized token: \"%.*s\"" : "near \"%.*s\": syntax error",
            VK_STR_ARG(w->flaw_token));
    if (said.p)
        e.message = vk_arena_printf(a, "SQL input error: %.*s (at offset %zu)", VK_STR_ARG(said), w->flaw_at);
    return e.message.p ? e : (vk_sqlerr){"SQLITE_NOMEM", VK_STR("SQLite error: out of memory")};
}

vk_err vk_alter_apply(vk_dbh *h, vk_arena *a, const vk_alter *what, vk_sqlerr *err_r)
{
    struct edit x = {.h = h, .a = a, .err = err_r, .what = what};
    bool alone = sqlite3_get_autocommit(h->db) != 0;
    if (what->flaw != VK_ALTER_FINE) {
        *err_r = flaw_error(a, what);
        return VK_E_INVALID;
    }
    int rc = run(&x, "SAVEPOINT vk_alter");
    if (rc != SQLITE_OK)
        return failed(&x, rc);
    vk_err e = change(&x);
    if (e == VK_OK) {
        rc = run(&x, "RELEASE vk_alter"); /* commits, when nothing else is open */
        e = rc == SQLITE_OK ? VK_OK : failed(&x, rc);
    }
    if (e != VK_OK && !sqlite3_get_autocommit(h->db)) {
        rc = run(&x, "ROLLBACK TO vk_alter");
        if (rc == SQLITE_OK)
            rc = run(&x, "RELEASE vk_alter");
        if (alone && !sqlite3_get_autocommit(h->db))
            rc = run(&x, "ROLLBACK");
        if (rc != SQLITE_OK)
            h->dirty = true;
    }
    return e;
}

vk_err vk_alter_prepare(vk_dbh *h, vk_arena *a, vk_str sql, sqlite3_stmt **st_r, vk_str *tail_r,
                        vk_sqlerr *err_r)
{
    vk_alter what, *copy;
    if (!vk_alter_parse(sql, &what))
        return VK_AGAIN;
    if (what.flaw != VK_ALTER_FINE) {
        *err_r = flaw_error(a, &what);
        return VK_E_INVALID;
    }
    /* Nobody can make something of that name. Dropping nothing is a write to SQLite nevertheless. */
    int rc = sqlite3_prepare_v2(h->db, "DROP VIEW IF EXISTS main.sqlite_none", -1, st_r, NULL);
    if (rc != SQLITE_OK) {
        *err_r = vk_dbh_error(h, a, rc);
        return VK_E_INVALID;
    }
    copy = VK_NEW(a, vk_alter);
    if (!copy) {
        sqlite3_finalize(*st_r);
        *st_r = NULL;
        *err_r = (vk_sqlerr){"SQLITE_NOMEM", VK_STR("SQLite error: out of memory")};
        return VK_E_INVALID;
    }
    *copy = what;
    h->alter = copy;
    h->saw_ddl = VK_DDL_YES;
    *tail_r = (vk_str){sql.p + what.end, sql.n - what.end};
    return VK_OK;
}
