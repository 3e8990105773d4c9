/* ALTER COLUMN on real SQLite, through connections with the policy in force. */
#include "services/database/embedded/alter.h"

#include "core/buf.h"
#include "core/disk.h"
#include "core/random.h"

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static vk_runtime rt;
static vk_dbt *tenant;
static char root[64];
static vk_arena *arena;
static vk_dbh *h, *other; /* of the build at hand */
static vk_sqlerr err;

static int set_up(void **state)
{
    static const uint8_t seed[16] = {4};
    VK_UNUSED(state);
    snprintf(root, sizeof root, "/tmp/vk-alter-XXXXXX");
    assert_non_null(mkdtemp(root));
    vk_hash_seed(seed);
    snprintf(rt.data_dir, sizeof rt.data_dir, "%s", root);
    rt.data_fd = open(root, O_RDONLY | O_DIRECTORY);
    vk_db = (struct vk_db){.rt = &rt};
    pthread_mutex_init(&vk_db.mu, NULL);
    arena = vk_arena_new(64 << 20);
    tenant = calloc(1, sizeof *tenant);
    if (!arena || !tenant)
        return -1;
    pthread_mutex_init(&tenant->first, NULL);
    return 0;
}

static void remove_files(const char *id)
{
    char path[64];
    snprintf(path, sizeof path, "builds/%s", id);
    assert_int_equal(vk_disk_remove_dir(rt.data_fd, path), VK_OK);
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(unlinkat(rt.data_fd, "builds", AT_REMOVEDIR), 0);
    close(rt.data_fd);
    rmdir(root);
    free(tenant);
    vk_arena_free(arena);
    return 0;
}

/* A build of its own for each test, and two connections to it. */
static int new_build(void **state)
{
    static int n;
    const char *why;
    VK_UNUSED(state);
    snprintf(tenant->id, sizeof tenant->id, "b%d", ++n);
    tenant->made = false;
    vk_arena_reset(arena);
    assert_int_equal(vk_walfile_start(), VK_OK);
    assert_int_equal(vk_dbh_open(tenant, &h, &why), VK_OK);
    assert_int_equal(vk_dbh_open(tenant, &other, &why), VK_OK);
    return 0;
}

static int end_build(void **state)
{
    VK_UNUSED(state);
    vk_dbh_close(h);
    vk_dbh_close(other);
    remove_files(tenant->id);
    return 0;
}

static void must(vk_dbh *c, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(c->db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
}

static void must_fail(vk_dbh *c, const char *sql, const char *part)
{
    assert_int_not_equal(sqlite3_exec(c->db, sql, NULL, NULL, NULL), SQLITE_OK);
    if (!strstr(sqlite3_errmsg(c->db), part))
        fail_msg("%s: %s, not %s", sql, sqlite3_errmsg(c->db), part);
}

/* The rows of a query as text: columns by `|`, rows by `;`, NULL as ~. In the arena. */
static const char *rows(vk_dbh *c, const char *sql)
{
    sqlite3_stmt *st;
    vk_buf b;
    vk_buf_init(&b, 1 << 20);
    if (sqlite3_prepare_v2(c->db, sql, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(c->db));
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (b.n)
            vk_buf_ch(&b, ';');
        for (int i = 0; i < sqlite3_column_count(st); i++) {
            const char *p = (const char *)sqlite3_column_text(st, i);
            if (i)
                vk_buf_ch(&b, '|');
            vk_buf_z(&b, p ? p : "~");
        }
    }
    if (rc != SQLITE_DONE)
        fail_msg("%s: %s", sql, sqlite3_errmsg(c->db));
    sqlite3_finalize(st);
    vk_str s = vk_arena_dup(arena, vk_buf_view(&b));
    vk_buf_free(&b);
    return s.p ? s.p : "";
}

static vk_err alter(vk_dbh *c, const char *sql)
{
    vk_alter what;
    err = (vk_sqlerr){0};
    if (!vk_alter_parse(vk_str_z(sql), &what))
        fail_msg("not taken for one: %s", sql);
    vk_err e = vk_alter_apply(c, arena, &what, &err);
    /* Whatever came of it, the policy is in force again. */
    int defensive = 0, writable = 1, checks = 1;
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, -1, &defensive);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, -1, &writable);
    VK_UNUSED(checks);
    assert_int_equal(defensive, 1);
    assert_int_equal(writable, 0);
    assert_false(c->opening);
    assert_int_not_equal(sqlite3_exec(c->db, "UPDATE sqlite_schema SET sql = ''", NULL, NULL, NULL),
                         SQLITE_OK);
    return e;
}

static void must_alter(vk_dbh *c, const char *sql)
{
    if (alter(c, sql) != VK_OK)
        fail_msg("%s: %.*s", sql, VK_STR_ARG(err.message));
}

static void must_refuse(vk_dbh *c, const char *sql, const char *code, const char *part)
{
    const char *before = rows(c, "SELECT * FROM sqlite_schema");
    int alone = sqlite3_get_autocommit(c->db);
    if (alter(c, sql) == VK_OK)
        fail_msg("accepted: %s", sql);
    if (strcmp(err.code, code) != 0 || !memmem(err.message.p, err.message.n, part, strlen(part)))
        fail_msg("%s: says %s %.*s, not %s %s", sql, err.code, VK_STR_ARG(err.message), code, part);
    assert_string_equal(rows(c, "SELECT * FROM sqlite_schema"), before);
    assert_int_equal(sqlite3_get_autocommit(c->db), alone);
}

static const char *schema_of(vk_dbh *c, const char *table)
{
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT sql FROM sqlite_schema WHERE name = '%s'", table);
    return rows(c, sql);
}

/* ---- vectors */

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static void check_column(const json_t *want)
{
    char sql[300], row[300];
    const json_t *fallback = json_object_get(want, "dflt_value");
    snprintf(sql, sizeof sql,
             "SELECT upper(x.type), x.\"notnull\", x.dflt_value FROM sqlite_schema s, "
             "pragma_table_xinfo(s.name) x "
             "WHERE "
             "s.type = 'table' AND s.name <> 'sqlite_sequence' AND x.name = '%s'",
             text_of(want, "name"));
    snprintf(row, sizeof row, "%s|%d|%s", text_of(want, "type"),
             (int)json_integer_value(json_object_get(want, "notnull")),
             json_is_string(fallback) ? json_string_value(fallback) : "~");
    assert_string_equal(rows(h, sql), row);
}

static void run_vector(const json_t *v)
{
    const char *sql = text_of(v, "sql");
    must(h, text_of(v, "before"));
    const char *before =
        rows(h, "SELECT sql FROM sqlite_schema WHERE type = 'table' AND sql IS NOT NULL LIMIT 1");
    const char *error = text_of(v, "error");
    if (text_of(v, "rows"))
        must(h, "INSERT INTO q VALUES (NULL, 1)");
    if (error) {
        must_refuse(h, sql, strstr(error, "schema unchanged") ? "SQL_INPUT_ERROR" : "SQLITE_UNKNOWN",
                    strncmp(error, "refused", 7) == 0 ? "" : error);
        assert_string_equal(rows(h, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"), before);
        return;
    }
    must_alter(h, sql);
    const char *is =
        rows(h, "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name <> 'sqlite_sequence'");
    if (text_of(v, "after"))
        assert_string_equal(is, text_of(v, "after"));
    if (json_object_get(v, "after_has_column"))
        check_column(json_object_get(v, "after_has_column"));
    if (text_of(v, "must_keep") && strstr(text_of(v, "must_keep"), "FOREIGN"))
        assert_non_null(
            strstr(is, "FOREIGN KEY (`author_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE "
                       "cascade"));
    if (text_of(v, "must_keep") && strstr(text_of(v, "must_keep"), "comment")) {
        assert_string_equal(is, "CREATE TABLE q(a TEXT DEFAULT 'x,y)', \"b, c\" TEXT, -- d, e\n d)");
        must(h, "INSERT INTO q (d) VALUES (1)");
    }
    if (text_of(v, "rows")) {
        assert_string_equal(rows(h, "SELECT * FROM q"), "~|1");
        must_fail(h, "INSERT INTO q VALUES (NULL, 2)", "NOT NULL constraint failed");
    }
}

static void vectors_hold(void **state)
{
    char path[PATH_MAX];
    json_error_t why;
    size_t i;
    json_t *v;
    snprintf(path, sizeof path, "%s/tests/data/alter-column-vectors.json", getenv("VK_SOURCE_ROOT"));
    json_t *all = json_load_file(path, 0, &why);
    if (!all)
        fail_msg("%s: %s", path, why.text);
    json_t *cases = json_object_get(all, "cases");
    assert_true(json_array_size(cases) >= 13);
    json_array_foreach(cases, i, v)
    {
        print_message("# %s\n", text_of(v, "sql"));
        new_build(state);
        run_vector(v);
        end_build(state);
    }
    json_decref(all);
}

/* ------------------------------------------------------------------------------------------------
 * transactions */

static void is_seen_at_once_and_undone(void **state)
{
    VK_UNUSED(state);
    must(h, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t(v) VALUES ('a'), (NULL)");
    assert_string_equal(rows(other, "SELECT v FROM t"), "a;~");
    must(h, "BEGIN IMMEDIATE");
    must_alter(h, "ALTER TABLE t ALTER COLUMN v TO v TEXT NOT NULL");
    must_fail(h, "INSERT INTO t(v) VALUES (NULL)", "NOT NULL constraint failed: t.v");
    assert_string_equal(schema_of(other, "t"), "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)");
    must(h, "ROLLBACK");
    must(h, "INSERT INTO t(v) VALUES (NULL)");
    must(h, "BEGIN");
    must_alter(h, "ALTER TABLE t ALTER COLUMN v TO v TEXT NOT NULL");
    must(h, "COMMIT");
    must_fail(other, "INSERT INTO t(v) VALUES (NULL)", "NOT NULL constraint failed: t.v");
    must_fail(h, "INSERT INTO t(v) VALUES (NULL)", "NOT NULL constraint failed: t.v");
    assert_string_equal(rows(other, "SELECT v FROM t"), "a;~;~");
}

static void failure_leaves_the_transaction(void **state)
{
    VK_UNUSED(state);
    must(h, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); BEGIN; INSERT INTO t(v) VALUES ('kept')");
    must(h, "SAVEPOINT vk_alter");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN v TO v TEXT CHECK (nope > 1)", "SQL_INPUT_ERROR",
                "no such column: nope");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN w TO w TEXT", "SQLITE_UNKNOWN", "no such column: \"w\"");
    must_alter(h, "ALTER TABLE t ALTER COLUMN v TO v TEXT DEFAULT 'd'");
    must(h, "RELEASE vk_alter; COMMIT");
    assert_string_equal(rows(other, "SELECT v FROM t"), "kept");
    assert_string_equal(schema_of(other, "t"), "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT DEFAULT 'd')");
}

static void a_writer_elsewhere_is_an_error(void **state)
{
    VK_UNUSED(state);
    must(h, "CREATE TABLE t(a)");
    must(other, "BEGIN; SELECT * FROM t");
    must(h, "INSERT INTO t VALUES (1)");
    must_refuse(other, "ALTER TABLE t ALTER COLUMN a TO a INT", "SQLITE_BUSY", "database is locked");
    must(other, "ROLLBACK");
    must_alter(other, "ALTER TABLE t ALTER COLUMN a TO a INT");
}

static void prepared_statements_survive(void **state)
{
    vk_cached *c;
    vk_str sql = VK_STR("SELECT v FROM t WHERE id = 1"), insert = VK_STR("INSERT INTO t(v) VALUES (NULL)");
    VK_UNUSED(state);
    must(h, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t(v) VALUES ('a')");
    for (int round = 0; round < 3; round++) {
        assert_int_equal(vk_dbh_prepare(h, arena, sql, &c, &err), VK_OK);
        assert_int_equal(sqlite3_step(c->st), SQLITE_ROW);
        assert_string_equal(sqlite3_column_text(c->st, 0), "a");
        vk_dbh_done(h, c);
        assert_int_equal(vk_dbh_prepare(h, arena, insert, &c, &err), VK_OK);
        assert_int_equal(sqlite3_step(c->st), round == 1 ? SQLITE_CONSTRAINT_NOTNULL : SQLITE_DONE);
        vk_dbh_done(h, c);
        must_alter(h, round == 0 ? "ALTER TABLE t ALTER COLUMN v TO v TEXT NOT NULL"
                                 : "ALTER TABLE t ALTER COLUMN v TO v TEXT");
    }
    assert_string_equal(rows(h, "SELECT count(*) FROM t"), "3");
}

/* ---------------------------------------------------------------------------------------------------
 * refusals */

static void refuses_what_needs_another_layout(void **state)
{
    static const char *const layout[] = {
        "ALTER TABLE t ALTER COLUMN v TO v TEXT PRIMARY KEY",
        "ALTER TABLE t ALTER COLUMN v TO v TEXT UNIQUE",
        "ALTER TABLE t ALTER COLUMN v TO v TEXT GENERATED ALWAYS AS (id) STORED",
        "ALTER TABLE t ALTER COLUMN v TO v TEXT AS (id)",
        "ALTER TABLE t ALTER COLUMN id TO id INTEGER",
        "ALTER TABLE t ALTER COLUMN id TO id INTEGER PRIMARY KEY",
        "ALTER TABLE t ALTER COLUMN id TO id TEXT PRIMARY KEY",
        "ALTER TABLE t ALTER COLUMN u TO u TEXT",
        "ALTER TABLE n ALTER COLUMN id TO id TEXT",
        "ALTER TABLE p ALTER COLUMN id TO id INT PRIMARY KEY",
    };
    VK_UNUSED(state);
    must(h,
         "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT, u TEXT UNIQUE);"
         "CREATE TABLE p(id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE n(id INTEGER, v, PRIMARY KEY (id));");
    for (size_t i = 0; i < VK_COUNT(layout); i++)
        must_refuse(h, layout[i], "SQLITE_UNKNOWN",
                    "cannot change PRIMARY KEY, UNIQUE, GENERATED or AUTOINCREMENT");
    /* The same keys with other properties are fine. */
    must_alter(h, "ALTER TABLE t ALTER COLUMN u TO u TEXT COLLATE NOCASE UNIQUE NOT NULL DEFAULT 'x'");
    must_alter(h, "ALTER TABLE t ALTER COLUMN id TO id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL");
    must_alter(h, "ALTER TABLE n ALTER COLUMN id TO id INTEGER CHECK (id > 0)");
    must(h, "INSERT INTO t(v, u) VALUES ('a', 'A')");
    must_fail(h, "INSERT INTO t(v, u) VALUES ('b', 'a')", "UNIQUE constraint failed");
    assert_string_equal(rows(h, "PRAGMA integrity_check"), "ok");
}

static void refuses_tables_that_are_none(void **state)
{
    VK_UNUSED(state);
    must(h,
         "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT, g INT AS (id) STORED, h AS (id));"
         "CREATE TABLE w(k TEXT, v TEXT, PRIMARY KEY (k)) WITHOUT ROWID; CREATE VIEW see AS SELECT * FROM t;"
         "CREATE VIRTUAL TABLE ft USING fts5(a)");
    must_refuse(h, "ALTER TABLE see ALTER COLUMN v TO v INT", "SQLITE_UNKNOWN", "see is a view");
    must_refuse(h, "ALTER TABLE ft ALTER COLUMN a TO a INT", "SQLITE_UNKNOWN", "ft is a virtual table");
    must_refuse(h, "ALTER TABLE ft_content ALTER COLUMN id TO id INT", "SQLITE_UNKNOWN",
                "ft_content is a shadow table");
    must_refuse(h, "ALTER TABLE sqlite_sequence ALTER COLUMN seq TO seq INT", "SQLITE_UNKNOWN",
                "may not be altered");
    must_refuse(h, "ALTER TABLE \"SQLite_Schema\" ALTER COLUMN sql TO sql INT", "SQLITE_UNKNOWN",
                "may not be altered");
    must_refuse(h, "ALTER TABLE main.sqlite_master ALTER COLUMN sql TO sql", "SQLITE_UNKNOWN",
                "may not be altered");
    must_refuse(h, "ALTER TABLE elsewhere.t ALTER COLUMN v TO v INT", "SQLITE_UNKNOWN",
                "unknown database: elsewhere.t");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN v TO w INT", "SQLITE_UNKNOWN", "RENAME COLUMN");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN g TO g INT AS (id) STORED", "SQLITE_UNKNOWN", "generated");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN h TO h INT", "SQLITE_UNKNOWN", "generated");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN rowid TO rowid INT", "SQLITE_UNKNOWN",
                "no such column: \"rowid\"");
    must_refuse(h, "ALTER TABLE w ALTER COLUMN k TO k INT", "SQLITE_UNKNOWN", "WITHOUT ROWID");
    must_alter(h, "ALTER TABLE w ALTER COLUMN v TO v INT");
    must(h, "CREATE TEMP TABLE t(v)");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN v TO v INT", "SQLITE_UNKNOWN", "temporary tables");
    must_refuse(h, "ALTER TABLE temp.t ALTER COLUMN v TO v INT", "SQLITE_UNKNOWN", "temporary tables");
    must_alter(h, "ALTER TABLE main.t ALTER COLUMN v TO v INT");
    assert_string_equal(rows(h, "SELECT type FROM pragma_table_xinfo('t', 'main') WHERE name = 'v'"), "INT");
    assert_string_equal(rows(h, "SELECT type FROM pragma_table_xinfo('t', 'temp')"), "");
}

static void tells_errors_in_the_definition(void **state)
{
    VK_UNUSED(state);
    must(h, "CREATE TABLE t(a, b)");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN b TO b INT NOT", "SQL_INPUT_ERROR",
                "near \")\": syntax error (at offset 41)");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN b TO b INT FOO BAR (1, 2) BAZ", "SQL_INPUT_ERROR",
                "near \"BAZ\": syntax error (at offset 53)");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN b TO b CHECK (b > c)", "SQL_INPUT_ERROR", "no such column: c");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN b TO b DEFAULT (a)", "SQLITE_UNKNOWN", "is not constant");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN b TO b DEFAULT ?1", "SQL_INPUT_ERROR", "near \"?1\"");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN b TO b CHECK (b > ?1)", "SQL_INPUT_ERROR",
                "parameters prohibited");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN b TO b CHECK (b > (SELECT 1))", "SQLITE_UNKNOWN",
                "subqueries prohibited");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN b TO b CHECK (load_extension('x'))", "SQL_INPUT_ERROR",
                "load_extension");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN b TO b CONSTRAINT x FOREIGN KEY (b) REFERENCES t(a)",
                "SQL_INPUT_ERROR", "near \"FOREIGN\"");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN b TO b) WITHOUT ROWID", "SQL_INPUT_ERROR", "near \")\"");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN b TO b COLLATE nosuch UNIQUE", "SQLITE_UNKNOWN",
                "PRIMARY KEY, UNIQUE");
    must(h, "CREATE TABLE s(a INT) STRICT");
    must_refuse(h, "ALTER TABLE s ALTER COLUMN a TO a VARCHAR(3)", "SQLITE_UNKNOWN", "unknown datatype");
    must_alter(h, "ALTER TABLE s ALTER COLUMN a TO a TEXT");
}

/* ------------------------------------------------------------------------------------------- rows and
 * indexes */

static void rows_keep_their_values(void **state)
{
    VK_UNUSED(state);
    must(h, "CREATE TABLE p(id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1);"
            "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, r INT REFERENCES p(id), CHECK (a <> 'bad'));"
            "INSERT INTO t(a, r) VALUES ('one', 1), ('two', 1);"
            "CREATE TABLE log(x); CREATE TRIGGER watch AFTER UPDATE ON t BEGIN INSERT INTO log VALUES "
            "(new.a); END;"
            "ALTER TABLE t ADD COLUMN s TEXT DEFAULT 'new'; ALTER TABLE t ADD COLUMN n INT;"
            "ALTER TABLE t ADD COLUMN m TEXT NOT NULL DEFAULT '5'; CREATE INDEX si ON t(s);"
            "PRAGMA foreign_keys = OFF; UPDATE t SET r = 77 WHERE id = 2; DELETE FROM log; PRAGMA "
            "foreign_keys = ON;");
    const char *before = rows(h, "SELECT id, a, r, s, n, m, typeof(m) FROM t");
    must_alter(h, "ALTER TABLE t ALTER COLUMN s TO s TEXT DEFAULT 'later'");
    assert_string_equal(rows(h, "SELECT id, a, r, s, n, m, typeof(m) FROM t"), before);
    must_alter(h, "ALTER TABLE t ALTER COLUMN n TO n INT DEFAULT 9");
    must_alter(h, "ALTER TABLE t ALTER COLUMN m TO m TEXT NOT NULL DEFAULT 'm'");
    assert_string_equal(rows(h, "SELECT id, a, r, s, n, m, typeof(m) FROM t"), before);
    assert_string_equal(rows(h, "SELECT id FROM t WHERE s = 'new'"), "1;2");
    assert_string_equal(rows(h, "SELECT count(*) FROM log"), "0");
    must(h, "INSERT INTO t(a) VALUES ('three')");
    assert_string_equal(rows(h, "SELECT s, n, m FROM t WHERE id = 3"), "later|9|m");
    must_fail(h, "UPDATE t SET a = 'bad'", "CHECK constraint failed"); /* the checks are on again */
    must_fail(h, "UPDATE t SET r = 78", "FOREIGN KEY constraint failed");
    must(h, "UPDATE t SET a = 'x' WHERE id = 3");
    assert_string_equal(rows(h, "SELECT count(*) FROM log"), "1");
    assert_string_equal(rows(h, "PRAGMA integrity_check"), "ok");
}

/* An INT column that holds text: rows that were added before the default keep the default as it was
 * converted. */
static void a_change_of_type_keeps_added_values(void **state)
{
    VK_UNUSED(state);
    must(h, "CREATE TABLE t(a); INSERT INTO t VALUES (1); ALTER TABLE t ADD COLUMN b TEXT DEFAULT '007'");
    must_alter(h, "ALTER TABLE t ALTER COLUMN b TO b INTEGER DEFAULT '007'");
    must(h, "INSERT INTO t(a) VALUES (2)");
    assert_string_equal(rows(h, "SELECT a, b, typeof(b) FROM t"), "1|007|text;2|7|integer");
}

static void indexes_follow_the_column(void **state)
{
    VK_UNUSED(state);
    must(h, "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b TEXT); INSERT INTO t(a, b) VALUES ('B', 1), "
            "('a', 2), "
            "('C', 10); CREATE INDEX ai ON t(a); CREATE INDEX bp ON t(id) WHERE b < '2'; CREATE INDEX be ON "
            "t(b || 'x')");
    must_alter(h, "ALTER TABLE t ALTER COLUMN a TO a TEXT COLLATE NOCASE");
    assert_string_equal(rows(h, "SELECT a FROM t INDEXED BY ai WHERE a > '' ORDER BY a"), "a;B;C");
    must_alter(h, "ALTER TABLE t ALTER COLUMN b TO b INTEGER");
    /* The values are still texts, and integrity_check says so; the indexes agree with the table. */
    assert_string_equal(rows(h, "SELECT typeof(b) FROM t"), "text;text;text");
    assert_null(strstr(rows(h, "PRAGMA integrity_check"), "index"));
    must(h, "UPDATE t SET b = b");
    assert_string_equal(rows(h, "PRAGMA integrity_check"), "ok");
    must(h, "CREATE UNIQUE INDEX au ON t(a)");
    must_alter(h, "ALTER TABLE t ALTER COLUMN a TO a TEXT");
    must(h, "INSERT INTO t(a) VALUES ('A')");
    must_refuse(h, "ALTER TABLE t ALTER COLUMN a TO a TEXT COLLATE NOCASE", "SQLITE_CONSTRAINT",
                "UNIQUE constraint failed");
    must(h, "INSERT INTO t(a) VALUES ('b')");
    must_alter(h, "ALTER TABLE t ALTER COLUMN b TO b INTEGER NOT NULL DEFAULT 0");
    assert_string_equal(rows(h, "SELECT count(*) FROM t"), "5");
}

static void foreign_keys_come_and_go(void **state)
{
    VK_UNUSED(state);
    must(h, "CREATE TABLE u(id INTEGER PRIMARY KEY); CREATE TABLE t(a INT, b INT, FOREIGN KEY (a) REFERENCES "
            "u(id))");
    must_alter(h, "ALTER TABLE t ALTER COLUMN b TO b INT REFERENCES u(id) ON DELETE CASCADE");
    must_fail(h, "INSERT INTO t VALUES (NULL, 5)", "FOREIGN KEY constraint failed");
    must(h, "INSERT INTO u VALUES (5); INSERT INTO t VALUES (5, 5)");
    must_fail(h, "INSERT INTO t VALUES (6, 5)", "FOREIGN KEY constraint failed");
    must_alter(h, "ALTER TABLE t ALTER COLUMN b TO b INT");
    must(h, "INSERT INTO t VALUES (NULL, 6)");
    must_alter(h, "ALTER TABLE t ALTER COLUMN a TO a INT NOT NULL");
    must_fail(other, "INSERT INTO t VALUES (6, 5)", "FOREIGN KEY constraint failed");
}

static void a_deadline_ends_it(void **state)
{
    static struct vk_worker_slot slot;
    VK_UNUSED(state);
    must(h, "CREATE TABLE t(a TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
            "< 20000) "
            "INSERT INTO t SELECT i FROM n; ALTER TABLE t ADD COLUMN b TEXT; CREATE INDEX ai ON t(a)");
    h->worker = &slot;
    h->deadline_ns = 1;
    assert_int_equal(alter(h, "ALTER TABLE t ALTER COLUMN a TO a TEXT COLLATE NOCASE"), VK_E_INVALID);
    assert_string_equal(err.code, "SQLITE_INTERRUPT");
    h->worker = NULL;
    h->timed_out = false;
    assert_int_equal(sqlite3_get_autocommit(h->db), 1);
    assert_string_equal(schema_of(h, "t"), "CREATE TABLE t(a TEXT, b TEXT)");
    must_alter(h, "ALTER TABLE t ALTER COLUMN a TO a TEXT COLLATE NOCASE");
    assert_string_equal(rows(h, "PRAGMA integrity_check"), "ok");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, new_build, end_build)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_hold),
        TEST(is_seen_at_once_and_undone),
        TEST(failure_leaves_the_transaction),
        TEST(a_writer_elsewhere_is_an_error),
        TEST(prepared_statements_survive),
        TEST(refuses_what_needs_another_layout),
        TEST(refuses_tables_that_are_none),
        TEST(tells_errors_in_the_definition),
        TEST(rows_keep_their_values),
        TEST(a_change_of_type_keeps_added_values),
        TEST(indexes_follow_the_column),
        TEST(foreign_keys_come_and_go),
        TEST(a_deadline_ends_it),
    };
    return cmocka_run_group_tests_name("alter", tests, set_up, tear_down);
}
