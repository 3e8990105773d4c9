/* Every earlier version of the data, as its program wrote it, is brought to the newest. */
#include "store/copy.h"
#include "store/migrate.h"

#include "core/buf.h"
#include "core/disk.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct fixture {
    char dir[64], file[96];
    int fd;
    vk_arena *a;
} f;

static int make_folder(void **state)
{
    VK_UNUSED(state);
    snprintf(f.dir, sizeof f.dir, "/tmp/vk-test-migrate-XXXXXX");
    f.a = vk_arena_new(1 << 20);
    if (!f.a || !mkdtemp(f.dir) || (f.fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return -1;
    snprintf(f.file, sizeof f.file, "%s/valetkey.db", f.dir);
    return 0;
}

static int remove_folder(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(f.a);
    close(f.fd);
    return vk_disk_remove_dir(AT_FDCWD, f.dir) == VK_OK ? 0 : -1;
}

static sqlite3 *open_file(const char *path)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static void exec_in(sqlite3 *db, const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", error, sql);
}

static void exec_sql(const char *sql)
{
    sqlite3 *db = open_file(f.file);
    exec_in(db, sql);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The first value of a query, as text. */
static void ask(const char *sql, char out[8192])
{
    sqlite3 *db = open_file(f.file);
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    const char *text = sqlite3_step(st) == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    snprintf(out, 8192, "%s", text ? text : "");
    sqlite3_finalize(st);
    sqlite3_close(db);
}

static void load(int version)
{
    char path[PATH_MAX];
    vk_buf text;
    const char *root = getenv("VK_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/data/schema-v%d.sql", root ? root : ".", version);
    vk_buf_init(&text, 1 << 20);
    if (vk_disk_read(AT_FDCWD, path, 1 << 20, &text) != VK_OK)
        fail_msg("%s: every version of the data needs its file", path);
    vk_buf_ch(&text, '\0');
    exec_sql(text.p);
    vk_buf_free(&text);
}

static const char schema[] =
    "SELECT group_concat(type || ' ' || name || ' ' || sql, char(10)) FROM (SELECT * FROM "
    "sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name)";

static vk_err open_data(bool write, vk_store **s_r, const char **why_r)
{
    *why_r = "";
    return vk_store_sqlite_open(f.fd, f.dir, write, s_r, why_r);
}

static void the_table_is_in_order(void **state)
{
    VK_UNUSED(state);
    size_t n;
    const vk_migration *m = vk_migrations(&n);
    assert_int_equal(n, VK_SCHEMA_VERSION);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(m[i].version, i + 1);
        assert_true(m[i].what && (m[i].sql || m[i].run));
    }
}

/* A key's row, found by its hash, and the build behind it. */
static void holds_its_keys(vk_store *s)
{
    uint8_t hash[VK_HASH];
    vk_valet_row row;
    vk_build b;
    vk_str id;
    memset(hash, 1, sizeof hash);
    assert_int_equal(s->ops->valet_find(s, f.a, hash, &row, &b), VK_OK);
    assert_true(strcmp(row.build, "demo") == 0 && row.kind == 'b' && row.revoked_ms == 0);
    assert_true(b.state == VK_BUILD_ACTIVE && b.expires_ms == 4102444800000);
    memset(hash, 2, sizeof hash);
    assert_int_equal(s->ops->valet_find(s, f.a, hash, &row, &b), VK_OK);
    assert_true(row.revoked_ms == 1700000000002 && b.state == VK_BUILD_REVOKED);
    assert_int_equal(s->ops->build_get(s, f.a, VK_STR("demo"), &b), VK_OK);
    assert_true(b.n_origins == 1 && vk_str_eqz(b.origins[0], "https://app.example.org"));
    vk_binding had[VK_BINDINGS_MAX];
    size_t n;
    assert_int_equal(s->ops->binding_list(s, f.a, VK_STR("demo"), had, VK_COUNT(had), &n), VK_OK);
    assert_true(n >= 1 && strcmp(had[0].service, "database") == 0 && strcmp(had[0].driver, "embedded") == 0 &&
                vk_str_eqz(had[0].resource, "{}") && had[0].version == 1);
    memset(hash, 3, sizeof hash);
    assert_int_equal(s->ops->idem_find(s, f.a, VK_STR("first"), hash, &id), VK_OK);
    assert_true(vk_str_eqz(id, "demo"));
}

/* What a fresh store of today has, text by text. */
static void fresh_schema(char out[8192])
{
    vk_store *s;
    const char *why;
    assert_int_equal(open_data(true, &s, &why), VK_OK);
    s->ops->close(s);
    ask(schema, out);
    static const char *const names[] = {"valetkey.db", "valetkey.db-wal", "valetkey.db-shm"};
    for (size_t i = 0; i < VK_COUNT(names); i++)
        unlinkat(f.fd, names[i], 0);
}

static void every_earlier_version_comes_forward(void **state)
{
    VK_UNUSED(state);
    char want[8192], got[8192], program[VK_PROGRAM_MAX];
    fresh_schema(want);
    for (int v = 1; v <= VK_SCHEMA_VERSION; v++) {
        vk_store *s;
        const char *why;
        int64_t version = 0;
        load(v);
        assert_int_equal(vk_data_version_of(f.dir, &version, program), VK_OK);
        assert_int_equal(version, v);
        if (open_data(true, &s, &why) != VK_OK)
            fail_msg("from version %d: %s", v, why);
        holds_its_keys(s);
        s->ops->close(s);
        ask(schema, got);
        assert_string_equal(got, want);
        ask("SELECT group_concat(version) FROM (SELECT version FROM migrations ORDER BY version)", got);
        assert_string_equal(got, "2,3");
        ask("SELECT program FROM migrations", got);
        assert_string_equal(got, VK_VERSION);
        assert_int_equal(vk_data_version_of(f.dir, &version, program), VK_OK);
        assert_int_equal(version, VK_SCHEMA_VERSION);
        assert_string_equal(program, VK_VERSION);
        ask("PRAGMA integrity_check", got);
        assert_string_equal(got, "ok");
        unlinkat(f.fd, "valetkey.db", 0);
    }
}

static void a_reader_does_not_migrate(void **state)
{
    VK_UNUSED(state);
    vk_store *s;
    const char *why;
    char got[8192];
    load(1);
    assert_int_equal(open_data(false, &s, &why), VK_E_UNAVAILABLE);
    ask("PRAGMA user_version", got);
    assert_string_equal(got, "1");
}

/* Something is in a step's way: the version and everything else stay as they were. */
static void a_step_that_fails_leaves_nothing(void **state)
{
    VK_UNUSED(state);
    vk_store *s;
    const char *why;
    char before[8192], after[8192];
    load(1);
    exec_sql("CREATE TABLE migrations (else_s TEXT)");
    ask(schema, before);
    assert_int_not_equal(open_data(true, &s, &why), VK_OK);
    assert_non_null(strstr(why, "from version 1 to"));
    ask(schema, after);
    assert_string_equal(before, after);
    ask("PRAGMA user_version", after);
    assert_string_equal(after, "1");
    exec_sql("DROP TABLE migrations");
    assert_int_equal(open_data(true, &s, &why), VK_OK);
    holds_its_keys(s);
    s->ops->close(s);
}

static void newer_data_is_named(void **state)
{
    VK_UNUSED(state);
    vk_store *s;
    const char *why;
    load(VK_SCHEMA_VERSION);
    exec_sql("INSERT INTO migrations VALUES (77, '9.8.7', 0); PRAGMA user_version = 77");
    for (int write = 0; write < 2; write++) {
        assert_int_equal(open_data(write, &s, &why), VK_E_NEWER);
        assert_true(strstr(why, "9.8.7") && strstr(why, "version 77") && strstr(why, VK_VERSION));
    }
    exec_sql("DROP TABLE migrations"); /* a later program may have another table, or none */
    assert_int_equal(open_data(true, &s, &why), VK_E_NEWER);
    assert_non_null(strstr(why, "version 77"));
}

/* A store that is put back to an earlier state gives no generation that it gave before. */
static vk_err no_rows(void *arg, const vk_build *b, vk_valet_row *rows, size_t *n_r)
{
    VK_UNUSED(rows);
    *(uint64_t *)arg = b->generation;
    *n_r = 0;
    return VK_OK;
}

static uint64_t create(vk_store *s, const char *id, int64_t now)
{
    vk_build b = {.framework = "next", .ttl_ms = 1000, .created_ms = now, .expires_ms = now + 1000};
    uint8_t digest[VK_HASH] = {0};
    uint64_t generation = 0;
    snprintf(b.id, sizeof b.id, "%s", id);
    assert_int_equal(s->ops->build_create(s, f.a, &b, NULL, 0, VK_STR_NONE, digest, no_rows, &generation),
                     VK_OK);
    return generation;
}

static void restored_stores_repeat_no_generation(void **state)
{
    VK_UNUSED(state);
    vk_store *s;
    const char *why;
    char copy[128];
    snprintf(copy, sizeof copy, "%s/copy.db", f.dir);
    assert_int_equal(open_data(true, &s, &why), VK_OK);
    create(s, "one", 5000);
    assert_int_equal(vk_disk_replace(f.fd, "copy.db", VK_STR(""), 0600), VK_OK);
    assert_int_equal(s->ops->copy_to(s, copy), VK_OK);
    uint64_t lost = create(s, "two", 6000);
    s->ops->close(s);
    assert_int_equal(renameat(f.fd, "copy.db", f.fd, "valetkey.db"), 0);
    assert_int_equal(open_data(true, &s, &why), VK_OK);
    assert_true(create(s, "two", 7000) > lost);
    uint64_t a = create(s, "three", 7000), b = create(s, "four", 100); /* at one time, and a clock set back */
    assert_true(a > lost && b > a);
    s->ops->close(s);
}

static void read_file(const char *name, vk_buf *out)
{
    vk_buf_init(out, 4 << 20);
    assert_int_equal(vk_disk_read(f.fd, name, 4 << 20, out), VK_OK);
}

static void copies_are_alike_and_can_be_edited(void **state)
{
    VK_UNUSED(state);
    vk_store *s;
    const char *why;
    char one[128], two[128];
    int64_t version;
    vk_copied_build *builds;
    size_t n;
    vk_buf a, b;
    snprintf(one, sizeof one, "%s/one.db", f.dir);
    snprintf(two, sizeof two, "%s/two.db", f.dir);
    load(1);
    assert_int_equal(open_data(true, &s, &why), VK_OK);
    assert_int_equal(vk_disk_replace(f.fd, "one.db", VK_STR(""), 0600), VK_OK);
    assert_int_equal(vk_disk_replace(f.fd, "two.db", VK_STR(""), 0600), VK_OK);
    assert_int_equal(s->ops->copy_to(s, one), VK_OK);
    s->ops->close(s);
    assert_int_equal(vk_sqlite_copy(one, two), VK_OK);
    assert_int_equal(vk_metadata_read(two, &version, &builds, &n, &why), VK_OK);
    assert_true(version == VK_SCHEMA_VERSION && n == 2 && strcmp(builds[0].id, "demo") == 0 &&
                builds[0].created_ms == 1700000000000 && !builds[0].deleting);
    const vk_copied_build *drop[] = {&builds[0]};
    assert_int_equal(vk_metadata_drop(two, drop, 1), VK_OK);
    free(builds);
    assert_int_equal(vk_metadata_read(two, &version, &builds, &n, &why), VK_OK);
    assert_true(n == 1 && strcmp(builds[0].id, "gone") == 0);
    free(builds);
    sqlite3 *db = open_file(two);
    sqlite3_stmt *st;
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT (SELECT count(*) FROM valets) + (SELECT count(*) FROM bindings) + "
                           "(SELECT count(*) FROM origins) + (SELECT count(*) FROM idempotency)",
                           -1, &st, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(st, 0), 2); /* those of the other build */
    sqlite3_finalize(st);
    sqlite3_close(db);
    read_file("one.db", &a);
    unlinkat(f.fd, "two.db", 0);
    assert_int_equal(vk_disk_replace(f.fd, "two.db", VK_STR(""), 0600), VK_OK);
    assert_int_equal(vk_sqlite_copy(one, two), VK_OK);
    unlinkat(f.fd, "one.db", 0);
    assert_int_equal(vk_disk_replace(f.fd, "one.db", VK_STR(""), 0600), VK_OK);
    assert_int_equal(vk_sqlite_copy(two, one), VK_OK);
    read_file("two.db", &b);
    vk_buf c;
    read_file("one.db", &c);
    assert_true(vk_str_eq(vk_buf_view(&a), vk_buf_view(&b)) && vk_str_eq(vk_buf_view(&b), vk_buf_view(&c)));
    assert_true(faccessat(f.fd, "one.db-wal", F_OK, 0) != 0 && faccessat(f.fd, "two.db-wal", F_OK, 0) != 0);
    vk_buf_free(&a);
    vk_buf_free(&b);
    vk_buf_free(&c);
}

int main(void)
{
    if (vk_sqlite_init() != VK_OK)
        return 1;
#define CASE(t) cmocka_unit_test_setup_teardown(t, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_in_order),
        CASE(every_earlier_version_comes_forward),
        CASE(a_reader_does_not_migrate),
        CASE(a_step_that_fails_leaves_nothing),
        CASE(newer_data_is_named),
        CASE(restored_stores_repeat_no_generation),
        CASE(copies_are_alike_and_can_be_edited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
