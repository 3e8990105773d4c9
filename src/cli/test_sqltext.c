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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(first_statement), cmocka_unit_test(blank_and_word)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
