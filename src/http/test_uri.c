#include "http/uri.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define assert_str(s, z) assert_true(vk_str_eqz((s), (z)))

static int set_up(void **state)
{
    *state = vk_arena_new(65536);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    vk_arena_free(*state);
    return 0;
}

static void split(void **state)
{
    VK_UNUSED(state);
    vk_str path, query;
    assert_int_equal(vk_uri_split(VK_STR("/a%3fb?c=?d"), &path, &query), VK_OK);
    assert_str(path, "/a%3fb");
    assert_str(query, "c=?d");
    assert_int_equal(vk_uri_split(VK_STR("/a"), &path, &query), VK_OK);
    assert_str(path, "/a");
    assert_null(query.p);
    assert_int_equal(vk_uri_split(VK_STR("/?"), &path, &query), VK_OK);
    assert_str(path, "/");
    assert_true(query.p && query.n == 0);
    assert_int_equal(vk_uri_split(VK_STR("*"), &path, &query), VK_OK);
    assert_str(path, "*");
    assert_int_equal(vk_uri_split(VK_STR("/a#b"), &path, &query), VK_E_INVALID);
    assert_int_equal(vk_uri_split(VK_STR("/a?b#"), &path, &query), VK_E_INVALID);
    assert_int_equal(vk_uri_split(VK_STR_NONE, &path, &query), VK_OK);
    assert_int_equal(path.n, 0);
}

static void decode(void **state)
{
    vk_str out = VK_STR("kept"), plain = VK_STR("/a+b/\xc3\xa4");
    assert_int_equal(vk_uri_decode(*state, plain, &out), VK_OK);
    assert_ptr_equal(out.p, plain.p);
    assert_int_equal(vk_uri_decode(*state, VK_STR("%2Fa%2fb+%25%zz"), &out), VK_E_INVALID);
    assert_int_equal(vk_uri_decode(*state, VK_STR("%2Fa%2fb+%252%c3%A4%ff"), &out), VK_OK);
    assert_str(out, "/a/b+%2\xc3\xa4\xff");
    assert_int_equal(vk_uri_decode(*state, VK_STR("%41"), &out), VK_OK);
    assert_str(out, "A");
    assert_int_equal(vk_uri_decode(*state, VK_STR_NONE, &out), VK_OK);
    assert_int_equal(out.n, 0);
    static const vk_str bad[] = {
        {"%", 1},    {"a%4", 3}, {"%g1", 3},  {"%1g", 3},   {"% 1", 3},
        {"%%41", 4}, {"%00", 3}, {"a\0b", 3}, {"%41\0", 4},
    };
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_int_equal(vk_uri_decode(*state, bad[i], &out), VK_E_INVALID);

    vk_arena *small = vk_arena_new(4096);
    assert_non_null(small);
    static char large[8192];
    memset(large, '%', 1);
    memset(large + 1, '4', sizeof large - 1);
    assert_int_equal(vk_uri_decode(small, (vk_str){large, sizeof large}, &out), VK_E_NOMEM);
    vk_arena_free(small);
}

static void query(void **state)
{
    vk_arena *a = *state;
    static const char q[] = "a=1&&b=x+y%2B%26&%61b=2&flag&empty=&a=3&c+d=e=f&bad=%4&%zz=1&n=%00&=none";
    static const struct {
        const char *name;
        vk_err err;
        const char *value;
    } cases[] = {
        {"a", VK_OK, "1"},
        {"b", VK_OK, "x y+&"},
        {"ab", VK_OK, "2"},
        {"flag", VK_OK, ""},
        {"empty", VK_OK, ""},
        {"c d", VK_OK, "e=f"},
        {"c+d", VK_E_NOT_FOUND, NULL},
        {"", VK_OK, "none"},
        {"bad", VK_E_INVALID, NULL},
        {"n", VK_E_INVALID, NULL},
        {"%zz", VK_E_NOT_FOUND, NULL},
        {"A", VK_E_NOT_FOUND, NULL},
        {"fla", VK_E_NOT_FOUND, NULL},
        {"flags", VK_E_NOT_FOUND, NULL},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_str out = VK_STR_NONE;
        vk_err e = vk_query_get(a, vk_str_z(q), vk_str_z(cases[i].name), &out);
        if (e != cases[i].err || (e == VK_OK && (!out.p || !vk_str_eqz(out, cases[i].value))))
            fail_msg("%s: %s", cases[i].name, vk_err_name(e));
    }
    vk_str out;
    assert_int_equal(vk_query_get(a, VK_STR_NONE, VK_STR("a"), &out), VK_E_NOT_FOUND);
    assert_int_equal(vk_query_get(a, VK_STR("a"), VK_STR("a"), &out), VK_OK);
    assert_int_equal(out.n, 0);
    assert_int_equal(vk_query_get(a, VK_STR("&"), VK_STR(""), &out), VK_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split),
        cmocka_unit_test_setup_teardown(decode, set_up, tear_down),
        cmocka_unit_test_setup_teardown(query, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
