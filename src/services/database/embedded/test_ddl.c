/* The record of what was done to a build's schema: what gets into it, what does not, and that it stays
 * bounded. */
#include "services/database/embedded/ddl.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/json_read.h"
#include "core/random.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static vk_runtime rt;
static vk_dbt *tenant;
static char root[64];
static vk_arena *arena;
static vk_dbh *h;

static int set_up(void **state)
{
    static const uint8_t seed[16] = {4};
    const char *why;
    VK_UNUSED(state);
    snprintf(root, sizeof root, "/tmp/vk-ddl-XXXXXX");
    assert_non_null(mkdtemp(root));
    vk_hash_seed(seed);
    snprintf(rt.data_dir, sizeof rt.data_dir, "%s", root);
    rt.data_fd = open(root, O_RDONLY | O_DIRECTORY);
    vk_db = (struct vk_db){.rt = &rt};
    pthread_mutex_init(&vk_db.mu, NULL);
    arena = vk_arena_new(64 << 20);
    tenant = calloc(1, sizeof *tenant);
    assert_non_null(tenant);
    pthread_mutex_init(&tenant->first, NULL);
    snprintf(tenant->id, sizeof tenant->id, "b");
    assert_int_equal(vk_walfile_start(), VK_OK);
    assert_int_equal(vk_dbh_open(tenant, &h, &why), VK_OK);
    return 0;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_dbh_close(h);
    assert_int_equal(vk_disk_remove_dir(rt.data_fd, "builds/b"), VK_OK);
    assert_int_equal(unlinkat(rt.data_fd, "builds", AT_REMOVEDIR), 0);
    close(rt.data_fd);
    assert_int_equal(rmdir(root), 0);
    free(tenant);
    vk_arena_free(arena);
    return 0;
}

/* As the runner does it. */
static void run(const char *sql)
{
    vk_cached *c;
    vk_sqlerr err;
    if (vk_dbh_prepare(h, arena, vk_str_z(sql), &c, &err) != VK_OK)
        fail_msg("%s: %.*s", sql, VK_STR_ARG(err.message));
    int rc;
    while ((rc = sqlite3_step(c->st)) == SQLITE_ROW)
        ;
    if (rc == SQLITE_DONE && c->ddl)
        vk_ddl_note(h, vk_str_z(sqlite3_sql(c->st)));
    vk_dbh_done(h, c);
    vk_ddl_settle(h);
}

/* What is recorded, parsed; *count_r is its count. */
static const vk_json *recorded(int64_t *count_r)
{
    static vk_buf out;
    vk_json *v;
    vk_buf_free(&out);
    vk_buf_init(&out, 8 << 20);
    assert_int_equal(vk_db_ddl("b", &out), VK_OK);
    assert_int_equal(vk_json_parse(arena, vk_buf_view(&out), &v, NULL, NULL), VK_OK);
    assert_int_equal(vk_json_i64(vk_json_get(v, VK_STR("count")), count_r), VK_OK);
    const vk_json *list = vk_json_get(v, VK_STR("statements"));
    assert_non_null(list);
    return list;
}

static vk_str nth_sql(const vk_json *list, uint32_t i)
{
    const vk_json *v = list->u.child;
    while (v && i--)
        v = v->next;
    return vk_json_str(vk_json_get(v, VK_STR("sql")));
}

static void a_build_without_any_has_none(void **state)
{
    int64_t n;
    VK_UNUSED(state);
    run("SELECT 1");
    run("DROP TABLE IF EXISTS t");
    assert_int_equal(recorded(&n)->count, 0);
    assert_int_equal(n, 0);
}

static void schema_statements_are_recorded(void **state)
{
    static const char *const ddl[] = {
        "CREATE TABLE t(a, b)",
        "CREATE INDEX i ON t(a)",
        "CREATE VIEW v AS SELECT a FROM t",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE f USING fts5(x)",
        "ALTER TABLE t ADD COLUMN \"c\n\xc3\xa9\" TEXT",
        "ALTER TABLE t RENAME TO u",
        "DROP TRIGGER g",
        "DROP VIEW v",
        "DROP INDEX i",
        "DROP TABLE f",
        "CREATE TABLE IF NOT EXISTS w(a)",
        "CREATE TABLE x AS SELECT 1 AS a",
    };
    static const char *const others[] = {
        "INSERT INTO u VALUES (1, 2, 3)",
        "UPDATE u SET a = 2",
        "SELECT * FROM sqlite_schema",
        "EXPLAIN CREATE TABLE y(a)",
        "PRAGMA user_version = 3",
        "ANALYZE",
        "CREATE TEMP TABLE tt(a)",
        "REINDEX",
        "DELETE FROM u",
        "CREATE TABLE IF NOT EXISTS u(a)",
        "DROP TABLE IF EXISTS nope",
        "CREATE VIEW IF NOT EXISTS u AS SELECT 1",
        "CREATE VIRTUAL TABLE IF NOT EXISTS w USING fts5(x)",
    };
    int64_t n;
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(ddl); i++)
        run(ddl[i]);
    for (size_t i = 0; i < VK_COUNT(others); i++)
        run(others[i]);
    const vk_json *list = recorded(&n);
    assert_int_equal(n, VK_COUNT(ddl));
    assert_int_equal(list->count, VK_COUNT(ddl));
    for (uint32_t i = 0; i < VK_COUNT(ddl); i++)
        assert_true(vk_str_eqz(nth_sql(list, i), ddl[i]));
    assert_int_equal(vk_json_str(vk_json_get(list->u.child, VK_STR("at"))).n, 24);
}

static void only_what_was_committed(void **state)
{
    int64_t before, n;
    VK_UNUSED(state);
    recorded(&before);
    run("BEGIN");
    run("CREATE TABLE gone(a)");
    run("ROLLBACK");
    run("BEGIN");
    run("CREATE TABLE kept(a)");
    recorded(&n);
    assert_int_equal(n, before);
    run("COMMIT");
    const vk_json *list = recorded(&n);
    assert_int_equal(n, before + 1);
    assert_true(vk_str_eqz(nth_sql(list, list->count - 1), "CREATE TABLE kept(a)"));
    run("BEGIN");
    run("DROP TABLE kept");
    assert_true(vk_dbh_reset(h) || h->dirty); /* the stream ends without a commit */
    run("SELECT 1");
    recorded(&n);
    assert_int_equal(n, before + 1);
}

static void a_torn_line_hurts_nobody(void **state)
{
    int64_t before, n;
    VK_UNUSED(state);
    recorded(&before);
    int fd = openat(rt.data_fd, "builds/b/ddl.log", O_WRONLY | O_APPEND);
    static const char torn[] = "{\"at\":\"2026-11-24T16:00:00.000Z\",\"sql\":\"CREATE TAB";
    assert_int_equal(write(fd, torn, sizeof torn - 1), sizeof torn - 1);
    close(fd);
    run("CREATE TABLE after(a)");
    const vk_json *list = recorded(&n);
    assert_int_equal(n, before + 1);
    assert_true(vk_str_eqz(nth_sql(list, list->count - 1), "CREATE TABLE after(a)"));
}

static void it_stays_bounded(void **state)
{
    enum { LONG = 3 * VK_DDL_TEXT_MAX, MANY = 200 };
    static char text[LONG];
    struct stat st;
    int64_t before, n;
    VK_UNUSED(state);
    recorded(&before);
    memset(text, 'x', sizeof text);
    for (int i = 0; i < MANY; i++) {
        vk_ddl_note(h, (vk_str){text, sizeof text});
        vk_ddl_settle(h);
    }
    const vk_json *list = recorded(&n);
    assert_int_equal(n, before + MANY);
    assert_true(list->count > 50 && list->count < MANY);
    const vk_json *last = list->u.child;
    while (last->next)
        last = last->next;
    assert_int_equal(vk_json_str(vk_json_get(last, VK_STR("sql"))).n, VK_DDL_TEXT_MAX);
    assert_true(vk_json_get(last, VK_STR("cut"))->u.b);
    assert_int_equal(fstatat(rt.data_fd, "builds/b/ddl.log", &st, 0), 0);
    assert_true(st.st_size <= VK_DDL_FILE_MAX && (st.st_mode & 0777) == 0600);
    assert_int_equal(fstatat(rt.data_fd, "builds/b/ddl.log.1", &st, 0), 0);
    assert_true(st.st_size <= VK_DDL_FILE_MAX);
    /* More in one transaction than is kept is counted. */
    for (int i = 0; i < MANY; i++)
        vk_ddl_note(h, (vk_str){text, sizeof text});
    vk_ddl_settle(h);
    recorded(&n);
    assert_int_equal(n, before + 2 * MANY);
    assert_int_equal(h->ddl.n, 0);
    assert_true(h->ddl.cap <= VK_DDL_TEXT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_build_without_any_has_none),
        cmocka_unit_test(schema_statements_are_recorded),
        cmocka_unit_test(only_what_was_committed),
        cmocka_unit_test(a_torn_line_hurts_nobody),
        cmocka_unit_test(it_stays_bounded),
    };
    return cmocka_run_group_tests_name("ddl", tests, set_up, tear_down);
}
