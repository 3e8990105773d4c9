#include "cli/sqltext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void first_statement(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text, *first; /* NULL: not finished */
    } cases[] = {
        {"SELECT 1;", "SELECT 1;"},
        {"SELECT 1; SELECT 2;", "SELECT 1;"},
        {"SELECT 1", NULL},
        {"", NULL},
        {" ", NULL},
        {"SELECT ';';", "SELECT ';';"},
        {"SELECT 'it''s;';x", "SELECT 'it''s;';"},
        {"SELECT ';", NULL},
        {"SELECT \"a;b\", `c;d`, [e;f];x", "SELECT \"a;b\", `c;d`, [e;f];"},
        {"-- one; two\nSELECT 1;x", "-- one; two\nSELECT 1;"},
        {"SELECT 1 -- ;\n;x", "SELECT 1 -- ;\n;"},
        {"/* a; */ SELECT 1;x", "/* a; */ SELECT 1;"},
        {"SELECT 1 /* ;", NULL},
        {"CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET c = 1; END;x",
         "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET c = 1; END;"},
        {"create temp trigger t after insert on a begin select 1; select 2; end;x",
         "create temp trigger t after insert on a begin select 1; select 2; end;"},
        {"CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1;", NULL},
        {"CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET c = CASE WHEN 1 THEN 2 END; END;x",
         "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET c = CASE WHEN 1 THEN 2 END; END;"},
        {"BEGIN; SELECT 1;", "BEGIN;"},
        {"END;", "END;"},
        {"CREATE TABLE trigger_log(a);x", "CREATE TABLE trigger_log(a);"},
        {";SELECT 1;", ";"},
        {"SELECT '\xc3\xa4;\xe2\x82\xac';", "SELECT '\xc3\xa4;\xe2\x82\xac';"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        size_t n = vk_sql_first(vk_str_z(cases[i].text));
        if (!cases[i].first) {
            assert_int_equal(n, 0);
            continue;
        }
        assert_int_equal(n, strlen(cases[i].first));
        assert_memory_equal(cases[i].text, cases[i].first, n);
    }
}

static void blank_and_word(void **state)
{
    VK_UNUSED(state);
    assert_true(vk_sql_blank(VK_STR("")));
    assert_true(vk_sql_blank(VK_STR(" \n-- x\n/* y */ ;")));
    assert_false(vk_sql_blank(VK_STR("-- x\nSELECT")));
    assert_false(vk_sql_blank(VK_STR("/* open")));
    assert_true(vk_str_eq(vk_sql_word(VK_STR(" /* x */ begin;")), VK_STR("begin")));
    assert_true(vk_str_eq(vk_sql_word(VK_STR("-- c\nCOMMIT;")), VK_STR("COMMIT")));
    assert_int_equal(vk_sql_word(VK_STR("'x'")).n, 0);
    assert_int_equal(vk_sql_word(VK_STR("")).n, 0);
}

/* Files are cut whole; "|" shows where. */
static void files(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text;
        const char *parts[6];
    } cases[] = {
        {"CREATE TABLE a(x);\n--> statement-breakpoint\nCREATE TABLE b(y);",
         {"CREATE TABLE a(x);", "\n--> statement-breakpoint\n", "CREATE TABLE b(y);"}},
        {"CREATE TABLE a(x)\n--> statement-breakpoint\nCREATE TABLE b(y)",
         {"CREATE TABLE a(x)\n--> statement-breakpoint\n", "CREATE TABLE b(y)"}},
        {"INSERT INTO a VALUES ('--> statement-breakpoint;');SELECT 1",
         {"INSERT INTO a VALUES ('--> statement-breakpoint;');", "SELECT 1"}},
        {"/* --> statement-breakpoint */ SELECT 1", {"/* --> statement-breakpoint */ SELECT 1"}},
        {"-- it's one; comment\nSELECT 1; -- and another\n",
         {"-- it's one; comment\nSELECT 1;", " -- and another\n"}},
        {"CREATE TRIGGER t AFTER UPDATE ON a WHEN CASE new.x WHEN 1 THEN 0 ELSE 1 END BEGIN\n"
         "UPDATE a SET y = CASE WHEN x THEN 1 ELSE 2 END WHERE z = ';';\n SELECT 1;\nEND;\nSELECT 2;",
         {"CREATE TRIGGER t AFTER UPDATE ON a WHEN CASE new.x WHEN 1 THEN 0 ELSE 1 END BEGIN\n"
          "UPDATE a SET y = CASE WHEN x THEN 1 ELSE 2 END WHERE z = ';';\n SELECT 1;\nEND;",
          "\nSELECT 2;"}},
        {"CREATE TRIGGER IF NOT EXISTS \"t;\" BEFORE INSERT ON a BEGIN SELECT CASE WHEN 1 THEN CASE 2 WHEN 2 "
         "THEN 3 END END; END -- done\n; SELECT [a;b]",
         {"CREATE TRIGGER IF NOT EXISTS \"t;\" BEFORE INSERT ON a BEGIN SELECT CASE WHEN 1 THEN CASE 2 WHEN "
          "2 "
          "THEN 3 END END; END -- done\n;",
          " SELECT [a;b]"}},
        {"SELECT 'never closed; SELECT 1;", {NULL}},
        {"SELECT 1; SELECT 2 /* open", {"SELECT 1;", NULL}},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_str left = vk_str_z(cases[i].text);
        size_t k = 0;
        for (size_t n; (n = vk_sql_next(left)) != 0; k++, left.p += n, left.n -= n) {
            assert_non_null(cases[i].parts[k]);
            assert_int_equal(n, strlen(cases[i].parts[k]));
            assert_memory_equal(left.p, cases[i].parts[k], n);
        }
        assert_null(cases[i].parts[k]);
    }
    assert_int_equal(vk_sql_lead(VK_STR(" -- a\n/* b */ SELECT")), 14);
    assert_int_equal(vk_sql_lead(VK_STR("SELECT")), 0);
    assert_int_equal(vk_sql_lead(VK_STR(" -- a")), 5);
    assert_true(
        vk_str_eq(vk_sql_word_at(VK_STR("PRAGMA /* x */ foreign_keys=off"), 1), VK_STR("foreign_keys")));
    assert_int_equal(vk_sql_word_at(VK_STR("PRAGMA 'x' foreign_keys"), 2).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(first_statement), cmocka_unit_test(blank_and_word),
                                       cmocka_unit_test(files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
