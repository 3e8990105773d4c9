/* The text of ALTER TABLE … ALTER COLUMN: what is one, what it says, where it ends, and where a column's
 * definition stands in a CREATE TABLE. */
#include "services/database/embedded/alter_parse.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    const char *sql, *table, *column, *def, *rest;
} good[] = {
    {"ALTER TABLE t ALTER COLUMN v TO v", "t", "v", "v", ""},
    {"alter table T alter column V to v text;", "T", "V", "v text", ""},
    {"ALTER TABLE t ALTER v TO v INT", "t", "v", "v INT", ""},
    {"  ;; -- first\n /* x; */ ALTER /* y */ TABLE\tt\nALTER COLUMN v TO v INT -- last\n ; SELECT 1", "t",
     "v", "v INT", " SELECT 1"},
    {"ALTER TABLE main.t ALTER COLUMN v TO v", "t", "v", "v", ""},
    {"ALTER TABLE \"main\" . `t` ALTER COLUMN [v] TO 'v'", "`t`", "[v]", "'v'", ""},
    {"ALTER TABLE `users` ALTER COLUMN \"name\" TO \"name\" text NOT NULL DEFAULT 'x';", "`users`",
     "\"name\"", "\"name\" text NOT NULL DEFAULT 'x'", ""},
    {"ALTER TABLE t ALTER COLUMN v TO v CHECK (v IN (1, 2, ';', ')')) ; x", "t", "v",
     "v CHECK (v IN (1, 2, ';', ')'))", " x"},
    {"ALTER TABLE t ALTER COLUMN v TO v DEFAULT 'a''b;,)' ;", "t", "v", "v DEFAULT 'a''b;,)'", ""},
    {"ALTER TABLE t ALTER COLUMN v TO v DECIMAL(10, 2)", "t", "v", "v DECIMAL(10, 2)", ""},
    {"ALTER TABLE t ALTER COLUMN v TO v INT /* one, two) */ NOT NULL --;\n", "t", "v",
     "v INT /* one, two) */ NOT NULL", ""},
    {"ALTER TABLE t ALTER COLUMN v TO v INT /* does not end ;", "t", "v", "v INT", ""},
    {"ALTER TABLE t ALTER COLUMN TO column INT", "t", "COLUMN", "column INT", ""},
    {"ALTER TABLE t ALTER COLUMN column TO column INT", "t", "column", "column INT", ""},
    {"ALTER TABLE \"a\"\"b\" ALTER COLUMN \"c, d\" TO \"c, d\" INT", "\"a\"\"b\"", "\"c, d\"", "\"c, d\" INT",
     ""},
    {"ALTER TABLE \xc3\xa9t\xc3\xa9 ALTER COLUMN \xc3\xa0 TO \xc3\xa0 INT", "\xc3\xa9t\xc3\xa9", "\xc3\xa0",
     "\xc3\xa0 INT", ""},
    {"ALTER TABLE t ALTER COLUMN v TO v INT DEFAULT -1e+5;;", "t", "v", "v INT DEFAULT -1e+5", ";"},
    {"ALTER TABLE a$1_ ALTER COLUMN v2 TO v2 BLOB DEFAULT x'00'", "a$1_", "v2", "v2 BLOB DEFAULT x'00'", ""},
};

static void trying(const char *sql)
{
    print_message("# %s\n", sql ? sql : "");
}

static void reads_what_is_one(void **state)
{
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(good); i++) {
        vk_alter a;
        vk_str sql = vk_str_z(good[i].sql);
        trying(good[i].sql);
        assert_true(vk_alter_maybe(sql));
        assert_true(vk_alter_parse(sql, &a));
        assert_int_equal(a.flaw, VK_ALTER_FINE);
        assert_true(vk_str_eqz(a.table, good[i].table));
        assert_true(vk_str_eqz(a.column, good[i].column));
        assert_true(vk_str_eqz(a.def, good[i].def));
        assert_ptr_equal(a.def.p, sql.p + a.def_at);
        assert_ptr_equal(a.renamed.p, a.def.p);
        assert_string_equal(sql.p + a.end, good[i].rest);
        assert_true(vk_str_ieq((vk_str){a.text.p, 6}, VK_STR("ALTER ")));
        assert_ptr_equal(a.text.p + a.text.n, a.def.p + a.def.n);
    }
}

static void leaves_the_rest_to_sqlite(void **state)
{
    static const char *const others[] = {
        "",
        ";",
        "-- ALTER TABLE t ALTER COLUMN v TO v",
        "SELECT 'ALTER TABLE t ALTER COLUMN v TO v'",
        "ALTER",
        "ALTER TABLE",
        "ALTER TABLE t",
        "ALTER TABLE t.",
        "ALTER TABLE t.x",
        "ALTER TABLE t ADD COLUMN v INT",
        "ALTER TABLE t RENAME COLUMN v TO w",
        "ALTER TABLE t DROP COLUMN v",
        "ALTER TABLE alter_me RENAME TO altered",
        "ALTER TABLE 'unclosed ALTER COLUMN v TO v",
        "ALTER TABLE \"t ALTER COLUMN v TO v",
        "ALTER TABLE t \"ALTER\" COLUMN v TO v",
        "ALTER TABLE 1t ALTER COLUMN v TO v",
        "ALTER TABLE $t ALTER COLUMN v TO v",
        "ALTER TABLE t, u ALTER COLUMN v TO v",
        "ALTERTABLE t ALTER COLUMN v TO v",
        "EXPLAIN ALTER TABLE t ALTER COLUMN v TO v",
        "CREATE TABLE t(a); ALTER TABLE t ALTER COLUMN v TO v",
        "'ALTER' TABLE t ALTER COLUMN v TO v",
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(others); i++) {
        vk_alter a;
        trying(others[i]);
        assert_false(vk_alter_parse(vk_str_z(others[i]), &a));
    }
    assert_false(vk_alter_maybe(VK_STR("SELECT 1")));
    assert_false(vk_alter_maybe(VK_STR("  \n")));
}

static void says_what_is_wrong(void **state)
{
    static const struct {
        const char *sql, *token;
        vk_alter_flaw flaw;
        size_t at;
    } bad[] = {
        {"ALTER TABLE q ALTER COLUMN a TO a INT, c TEXT", ",", VK_ALTER_SYNTAX, 37},
        {"ALTER TABLE q ALTER COLUMN a TO a INT) -- x", ")", VK_ALTER_SYNTAX, 37},
        {"ALTER TABLE q ALTER COLUMN a TO a CHECK (a > 1", "", VK_ALTER_INCOMPLETE, 46},
        {"ALTER TABLE q ALTER COLUMN a TO a CHECK (a > 1;", ";", VK_ALTER_SYNTAX, 46},
        {"ALTER TABLE q ALTER COLUMN a TO", "", VK_ALTER_INCOMPLETE, 31},
        {"ALTER TABLE q ALTER COLUMN a TO;", ";", VK_ALTER_SYNTAX, 31},
        {"ALTER TABLE q ALTER", "", VK_ALTER_INCOMPLETE, 19},
        {"ALTER TABLE q ALTER COLUMN", "", VK_ALTER_INCOMPLETE, 26},
        {"ALTER TABLE q ALTER COLUMN a", "", VK_ALTER_INCOMPLETE, 28},
        {"ALTER TABLE q ALTER COLUMN a SET NOT NULL", "SET", VK_ALTER_SYNTAX, 29},
        {"ALTER TABLE q ALTER COLUMN a TYPE TEXT", "TYPE", VK_ALTER_SYNTAX, 29},
        {"ALTER TABLE q ALTER TO TO x", "TO", VK_ALTER_SYNTAX, 20},
        {"ALTER TABLE q ALTER COLUMN 7 TO a", "7", VK_ALTER_SYNTAX, 27},
        {"ALTER TABLE q ALTER COLUMN a TO 7", "7", VK_ALTER_SYNTAX, 32},
        {"ALTER TABLE q ALTER COLUMN a TO (a)", "(", VK_ALTER_SYNTAX, 32},
        {"ALTER TABLE q ALTER COLUMN a TO a DEFAULT 'x", "'x", VK_ALTER_TOKEN, 42},
        {"ALTER TABLE q ALTER COLUMN \"a TO a", "\"a TO a", VK_ALTER_TOKEN, 27},
        {"ALTER TABLE q ALTER COLUMN [a TO a", "[a TO a", VK_ALTER_TOKEN, 27},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        vk_alter a;
        trying(bad[i].sql);
        assert_true(vk_alter_parse(vk_str_z(bad[i].sql), &a));
        assert_int_equal(a.flaw, bad[i].flaw);
        assert_true(vk_str_eqz(a.flaw_token, bad[i].token));
        assert_int_equal(a.flaw_at, bad[i].at);
    }
    static const char nul[] = "ALTER TABLE q ALTER COLUMN a TO a\0 INT";
    vk_alter a;
    assert_true(vk_alter_parse((vk_str){nul, sizeof nul - 1}, &a));
    assert_int_equal(a.flaw, VK_ALTER_TOKEN);
}

static void finds_the_definition(void **state)
{
    static const struct {
        const char *create, *name, *def;
        unsigned words;
    } cases[] = {
        {"CREATE TABLE t(id, v)", "v", "v", 0},
        {"CREATE TABLE t(id, v)", "ID", "id", 0},
        {"CREATE TABLE t(id, v)", "i", NULL, 0},
        {"CREATE TABLE t(id, v)", "idx", NULL, 0},
        {"CREATE TABLE emails (user_id INT REFERENCES users(id), email TEXT)", "user_id",
         "user_id INT REFERENCES users(id)", 0},
        {"CREATE TABLE q(a TEXT DEFAULT 'x,y)', \"b, c\" INT CHECK(\"b, c\" IN (1,2)), -- d, e\n d)", "b, c",
         "\"b, c\" INT CHECK(\"b, c\" IN (1,2))", 0},
        {"CREATE TABLE q(a TEXT DEFAULT 'x,y)', \"b, c\" INT CHECK(\"b, c\" IN (1,2)), -- d, e\n d)", "d",
         "d", 0},
        {"CREATE TABLE q(a INT -- the first, really\n, b)", "a", "a INT", 0},
        {"CREATE TABLE q(\n\t`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,\n\t`email` text UNIQUE\n)",
         "id", "`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL", VK_DEF_PRIMARY | VK_DEF_AUTOINCREMENT},
        {"CREATE TABLE q(\n\t`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,\n\t`email` text UNIQUE\n)",
         "email", "`email` text UNIQUE", VK_DEF_UNIQUE},
        {"CREATE TABLE q(a, b AS (a + 1))", "b", "b AS (a + 1)", VK_DEF_GENERATED},
        {"CREATE TABLE q(a, b INT CHECK (CAST(b AS INT) = b))", "b", "b INT CHECK (CAST(b AS INT) = b)", 0},
        {"CREATE TABLE q(a, CONSTRAINT b CHECK (a))", "b", NULL, 0},
        {"CREATE TABLE q(a, CONSTRAINT b CHECK (a))", "constraint", NULL, 0},
        {"CREATE TABLE q(a, PRIMARY KEY (a), CHECK (a <> 'b, c INT'))", "c", NULL, 0},
        {"CREATE TABLE q(a, \"primary\" INT)", "primary", "\"primary\" INT", 0},
        {"CREATE TABLE \"q\"\"(x\"(\"a\"\"b\" INT) WITHOUT ROWID, STRICT", "a\"b", "\"a\"\"b\" INT", 0},
        {"CREATE TABLE q('a' INT)", "a", "'a' INT", 0},
        {"CREATE TABLE q(a", "a", NULL, 0},
        {"CREATE TABLE q(a INT", "a", NULL, 0},
        {"CREATE TABLE q(a 'INT)", "a", NULL, 0},
        {"CREATE TABLE q", "a", NULL, 0},
        {"CREATE VIRTUAL TABLE q USING fts5(a)", "a", NULL, 0},
        {"", "a", NULL, 0},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_str def;
        unsigned words = 0;
        print_message("# %s of %s\n", cases[i].name, cases[i].create);
        bool found = vk_alter_find(vk_str_z(cases[i].create), vk_str_z(cases[i].name), &def, &words);
        assert_int_equal(found, cases[i].def != NULL);
        if (!found)
            continue;
        assert_true(vk_str_eqz(def, cases[i].def));
        assert_int_equal(words, cases[i].words);
    }
}

static void unquotes_names(void **state)
{
    static const char *const pairs[][2] = {{"a", "a"},         {"\"a\"", "a"},      {"`a``b`", "a`b"},
                                           {"[a\"b]", "a\"b"}, {"'it''s'", "it's"}, {"\"\"\"\"", "\""},
                                           {"\"\"", ""},       {"[]", ""}};
    vk_arena *a = vk_arena_new(1 << 16);
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(pairs); i++) {
        vk_str s = vk_alter_name(a, vk_str_z(pairs[i][0]));
        assert_string_equal(s.p, pairs[i][1]);
        assert_int_equal(s.n, strlen(pairs[i][1]));
    }
    vk_arena_free(a);
}

static void knows_blank_text(void **state)
{
    VK_UNUSED(state);
    assert_true(vk_alter_blank(VK_STR("")));
    assert_true(vk_alter_blank(VK_STR(" ;; -- x\n /* SELECT 1; */ ; --")));
    assert_false(vk_alter_blank(VK_STR("; SELECT 1")));
    assert_false(vk_alter_blank(VK_STR("-")));
    assert_false(vk_alter_blank(VK_STR("'")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_one),  cmocka_unit_test(leaves_the_rest_to_sqlite),
        cmocka_unit_test(says_what_is_wrong), cmocka_unit_test(finds_the_definition),
        cmocka_unit_test(unquotes_names),     cmocka_unit_test(knows_blank_text),
    };
    return cmocka_run_group_tests_name("alter_parse", tests, NULL, NULL);
}
