#include "crypto/selfsign.h"

#include "core/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void names_are_checked(void **state)
{
    static const char *const bad[] = {"", "a b", "a,DNS:b", "a\nb", "DNS:a", "[::1", "a:b", "\xc3\xa4.test"};
    vk_selfsign_names n = {0};
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_int_equal(vk_selfsign_name(&n, vk_str_z(bad[i])), VK_E_INVALID);
    assert_string_equal(n.text, "");
    static const char *const good[] = {"localhost", "127.0.0.1", "[::1]",  "::1",
                                       "localhost", "local",     "db.test"};
    for (size_t i = 0; i < VK_COUNT(good); i++)
        assert_int_equal(vk_selfsign_name(&n, vk_str_z(good[i])), VK_OK);
    assert_string_equal(n.text, "DNS:localhost,IP:127.0.0.1,IP:::1,DNS:local,DNS:db.test");
    vk_err e = VK_OK;
    for (int i = 0; i < 1000 && e == VK_OK; i++) {
        char name[64];
        snprintf(name, sizeof name, "a-name-that-is-not-short-%d.example", i);
        e = vk_selfsign_name(&n, vk_str_z(name));
    }
    assert_int_equal(e, VK_E_TOO_LARGE);
}

static void it_is_good_until_it_ends_or_its_names_change(void **state)
{
    vk_selfsign_names n = {0}, other = {0};
    vk_buf cert, key;
    VK_UNUSED(state);
    vk_buf_init(&cert, 65536);
    vk_buf_init(&key, 65536);
    assert_int_equal(vk_selfsign_name(&n, VK_STR("localhost")), VK_OK);
    assert_int_equal(vk_selfsign_name(&other, VK_STR("localhost")), VK_OK);
    assert_int_equal(vk_selfsign_name(&other, VK_STR("::1")), VK_OK);
    assert_int_equal(vk_selfsign(&n, &cert, &key), VK_OK);
    assert_true(vk_selfsign_still_good(vk_buf_view(&cert), &n));
    assert_false(vk_selfsign_still_good(vk_buf_view(&cert), &other));
    assert_false(vk_selfsign_still_good(VK_STR_NONE, &n));
    assert_false(vk_selfsign_still_good(vk_buf_view(&key), &n));
    vk_clock_offset((int64_t)(VK_SELFSIGN_DAYS - VK_SELFSIGN_RENEW_DAYS - 1) * 86400 * 1000);
    assert_true(vk_selfsign_still_good(vk_buf_view(&cert), &n));
    vk_clock_offset((int64_t)(VK_SELFSIGN_DAYS - VK_SELFSIGN_RENEW_DAYS + 1) * 86400 * 1000);
    assert_false(vk_selfsign_still_good(vk_buf_view(&cert), &n));
    vk_clock_offset(0);
    vk_buf_free(&cert);
    vk_buf_free_secret(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(it_is_good_until_it_ends_or_its_names_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
