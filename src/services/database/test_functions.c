/* Our instr, replace, trim and json_patch against SQLite's own, on texts that are made to be awkward. */
#include "services/database/embedded/db.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static sqlite3 *ours, *theirs;

static int set_up(void **state)
{
    VK_UNUSED(state);
    return sqlite3_open(":memory:", &ours) == SQLITE_OK && sqlite3_open(":memory:", &theirs) == SQLITE_OK &&
                   vk_db_functions(ours) == SQLITE_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    sqlite3_close(ours);
    sqlite3_close(theirs);
    return 0;
}

/* One argument of a call: few different bytes, so that there are matches. */
struct argument {
    int type;
    char bytes[24];
    int n;
};

static unsigned seed = 12345;

static unsigned draw(unsigned below)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 16) % below;
}

static void fill(struct argument *a, unsigned most)
{
    static const char *const pieces[] = {
        "a",    "b",    "aa",           " ", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
        "\x80", "\xC3", "\xFF\x80\x80", "1"};
    static const int types[] = {SQLITE_TEXT, SQLITE_TEXT,    SQLITE_TEXT,
                                SQLITE_BLOB, SQLITE_INTEGER, SQLITE_NULL};
    *a = (struct argument){.type = types[draw(VK_COUNT(types))]};
    unsigned kinds = draw(2) ? VK_COUNT(pieces) : 4;
    for (unsigned n = draw(most + 1); n && a->n < 20; n--) {
        const char *p = pieces[draw(kinds)];
        memcpy(a->bytes + a->n, p, strlen(p));
        a->n += (int)strlen(p);
        if (draw(40) == 0)
            a->bytes[a->n++] = '\0';
    }
}

static void put_in(sqlite3_stmt *st, int i, const struct argument *a)
{
    if (a->type == SQLITE_TEXT)
        sqlite3_bind_text(st, i, a->bytes, a->n, SQLITE_STATIC);
    else if (a->type == SQLITE_BLOB)
        sqlite3_bind_blob(st, i, a->bytes, a->n, SQLITE_STATIC);
    else if (a->type == SQLITE_INTEGER)
        sqlite3_bind_int(st, i, (int)a->n * 11);
}

static void compare(const char *sql, int n_args)
{
    sqlite3_stmt *a, *b;
    assert_int_equal(sqlite3_prepare_v2(ours, sql, -1, &a, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(theirs, sql, -1, &b, NULL), SQLITE_OK);
    for (int round = 0; round < 60000; round++) {
        struct argument args[3];
        for (int i = 0; i < n_args; i++) {
            fill(&args[i], i == 0 ? 8 : 3);
            put_in(a, i + 1, &args[i]);
            put_in(b, i + 1, &args[i]);
        }
        int x = sqlite3_step(a), y = sqlite3_step(b);
        assert_int_equal(x, SQLITE_ROW);
        assert_int_equal(x, y);
        assert_int_equal(sqlite3_column_type(a, 0), sqlite3_column_type(b, 0));
        const void *p = sqlite3_column_blob(a, 0), *q = sqlite3_column_blob(b, 0);
        assert_int_equal(sqlite3_column_bytes(a, 0), sqlite3_column_bytes(b, 0));
        if (sqlite3_column_bytes(a, 0))
            assert_memory_equal(p, q, (size_t)sqlite3_column_bytes(a, 0));
        sqlite3_reset(a);
        sqlite3_reset(b);
        sqlite3_clear_bindings(a);
        sqlite3_clear_bindings(b);
    }
    sqlite3_finalize(a);
    sqlite3_finalize(b);
}

static void instr_is_as_sqlites(void **state)
{
    VK_UNUSED(state);
    compare("SELECT instr(?, ?)", 2);
}

static void replace_is_as_sqlites(void **state)
{
    VK_UNUSED(state);
    compare("SELECT replace(?, ?, ?)", 3);
}

static void trim_is_as_sqlites(void **state)
{
    VK_UNUSED(state);
    compare("SELECT trim(?, ?)", 2);
    compare("SELECT ltrim(?, ?)", 2);
    compare("SELECT rtrim(?, ?)", 2);
    compare("SELECT trim(?)", 1);
}

static void json_patch_is_as_sqlites(void **state)
{
    static const char *const texts[] = {"{}",
                                        "{\"a\":1}",
                                        "{\"a\":{\"b\":2,\"c\":[1,2]}}",
                                        "{\"a\":null,\"b\":\"x\"}",
                                        "[1,2]",
                                        "3",
                                        "null",
                                        "{",
                                        "",
                                        "x"};
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(texts); i++)
        for (size_t k = 0; k < VK_COUNT(texts); k++) {
            char sql[300];
            snprintf(
                sql, sizeof sql,
                "SELECT json_array(json_patch('%s', '%s')), json_patch(NULL, '%s'), json_patch('%s', NULL)",
                texts[i], texts[k], texts[i], texts[k]);
            sqlite3_stmt *a, *b;
            assert_int_equal(sqlite3_prepare_v2(ours, sql, -1, &a, NULL), SQLITE_OK);
            assert_int_equal(sqlite3_prepare_v2(theirs, sql, -1, &b, NULL), SQLITE_OK);
            assert_int_equal(sqlite3_step(a), sqlite3_step(b));
            assert_string_equal(sqlite3_errmsg(ours), sqlite3_errmsg(theirs));
            for (int col = 0; col < 3; col++) {
                const char *x = (const char *)sqlite3_column_text(a, col),
                           *y = (const char *)sqlite3_column_text(b, col);
                assert_string_equal(x ? x : "none", y ? y : "none");
            }
            sqlite3_finalize(a);
            sqlite3_finalize(b);
        }
}

static void too_large_is_an_error(void **state)
{
    VK_UNUSED(state);
    sqlite3_limit(ours, SQLITE_LIMIT_LENGTH, 1000);
    assert_int_equal(
        sqlite3_exec(ours, "SELECT replace(printf('%.*c', 600, 'a'), 'a', 'bb')", NULL, NULL, NULL),
        SQLITE_TOOBIG);
    assert_int_equal(sqlite3_exec(ours, "SELECT trim('a', printf('%.*c', 300, 'a'))", NULL, NULL, NULL),
                     SQLITE_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instr_is_as_sqlites),   cmocka_unit_test(replace_is_as_sqlites),
        cmocka_unit_test(trim_is_as_sqlites),    cmocka_unit_test(json_patch_is_as_sqlites),
        cmocka_unit_test(too_large_is_an_error),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
