#include "core/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void errors(void **state)
{
    VK_UNUSED(state);
    for (int e = VK_OK; e <= VK_E_INTERNAL; e++) {
        assert_non_null(vk_err_name((vk_err)e));
        assert_true(vk_err_status((vk_err)e) == 200 ? e == VK_OK : vk_err_status((vk_err)e) >= 400);
        for (int other = VK_OK; other < e; other++)
            assert_string_not_equal(vk_err_name((vk_err)e), vk_err_name((vk_err)other));
    }
    assert_int_equal(vk_err_status(VK_E_NOT_FOUND), 404);
    assert_int_equal(vk_err_status((vk_err)1000), 500);
    assert_string_equal(vk_err_name((vk_err)-1), "internal");
}

static void equality(void **state)
{
    VK_UNUSED(state);
    assert_true(vk_str_eq(VK_STR_NONE, VK_STR("")));
    assert_false(vk_str_eq(VK_STR("a"), VK_STR("ab")));
    assert_true(vk_str_eqz(VK_STR("abc"), "abc"));
    assert_true(vk_str_eqz(VK_STR_NONE, NULL));
    assert_true(vk_str_starts(VK_STR("abc"), VK_STR("ab")));
    assert_true(vk_str_starts(VK_STR_NONE, VK_STR_NONE));
    assert_false(vk_str_starts(VK_STR("ab"), VK_STR("abc")));
    assert_true(vk_str_ieq(VK_STR("Content-TYPE"), VK_STR("content-type")));
    assert_false(vk_str_ieq(VK_STR("a@"), VK_STR("a`"))); /* 0x40 and 0x60: no letters */
    assert_false(vk_str_ieq(VK_STR("["), VK_STR("{")));
    assert_true(vk_str_eq_secret(VK_STR("abc"), VK_STR("abc")));
    assert_false(vk_str_eq_secret(VK_STR("abc"), VK_STR("abd")));
    assert_false(vk_str_eq_secret(VK_STR("abc"), VK_STR("abcd")));
    assert_false(vk_str_eq_secret(VK_STR("abc"), VK_STR("\xe1"
                                                        "bc")));
    assert_true(vk_str_eq_secret(VK_STR_NONE, VK_STR("")));
}

static void cut(void **state)
{
    VK_UNUSED(state);
    vk_str s = VK_STR("a,,b"), head;
    assert_true(vk_str_cut(&s, ',', &head));
    assert_true(vk_str_eqz(head, "a") && vk_str_eqz(s, ",b"));
    assert_true(vk_str_cut(&s, ',', &head));
    assert_true(head.n == 0 && vk_str_eqz(s, "b"));
    assert_false(vk_str_cut(&s, ',', &head));
    assert_true(vk_str_eqz(s, "b"));
    s = VK_STR("x,");
    assert_true(vk_str_cut(&s, ',', &head) && s.n == 0);
    assert_false(vk_str_cut(&s, ',', &head));
}

static void integers(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"+7", true, 7},
        {"007", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+-1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"0x1", false, 0},
        {"\xb1", false, 0},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        int64_t v = -77;
        vk_err e = vk_str_to_i64(vk_str_z(cases[i].text), &v);
        if ((e == VK_OK) != cases[i].ok || v != (cases[i].ok ? cases[i].value : -77))
            fail_msg("%s: %s %lld", cases[i].text, vk_err_name(e), (long long)v);
    }
}

static void wipe(void **state)
{
    VK_UNUSED(state);
    char secret[] = "secret";
    vk_wipe(secret, 3);
    assert_memory_equal(secret, "\0\0\0ret", 7);
    vk_wipe(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors),   cmocka_unit_test(equality), cmocka_unit_test(cut),
        cmocka_unit_test(integers), cmocka_unit_test(wipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
