#include "core/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void maximum(void **state)
{
    VK_UNUSED(state);
    for (size_t max = 0; max < 700; max += max < 20 ? 1 : 97) {
        vk_buf b;
        vk_buf_init(&b, max);
        for (size_t i = 0; i < max; i++)
            vk_buf_ch(&b, (char)i);
        assert_int_equal(b.err, VK_OK);
        assert_int_equal(b.n, max);
        vk_buf_ch(&b, 'x');
        assert_int_equal(b.err, VK_E_TOO_LARGE);
        vk_buf_z(&b, "");
        assert_int_equal(b.n, max);
        for (size_t i = 0; i < max; i++)
            assert_int_equal(b.p[i], (char)i);
        vk_buf_free(&b);
    }
}

static void error_is_sticky(void **state)
{
    VK_UNUSED(state);
    vk_buf b;
    vk_buf_init(&b, 8);
    vk_buf_z(&b, "1234");
    vk_buf_z(&b, "56789");
    vk_buf_z(&b, "5"); /* would fit, but the writer has lost something already */
    assert_int_equal(b.err, VK_E_TOO_LARGE);
    assert_null(vk_buf_room(&b, 1));
    assert_true(vk_str_eqz(vk_buf_view(&b), "1234"));
    vk_buf_truncate(&b, 2);
    vk_buf_z(&b, "x");
    assert_true(vk_str_eqz(vk_buf_view(&b), "12x"));
    assert_int_equal(b.err, VK_OK);
    vk_buf_clear(&b);
    assert_int_equal(b.n, 0);
    assert_null(vk_buf_room(&b, SIZE_MAX));
    assert_int_equal(b.err, VK_E_TOO_LARGE);
    vk_buf_free(&b);
}

static void nothing(void **state)
{
    VK_UNUSED(state);
    vk_buf b;
    vk_buf_init(&b, 0);
    vk_buf_add(&b, NULL, 0);
    vk_buf_str(&b, VK_STR_NONE);
    assert_non_null(vk_buf_room(&b, 0));
    assert_int_equal(b.err, VK_OK);
    vk_buf_free(&b);
}

static void numbers(void **state)
{
    VK_UNUSED(state);
    static const int64_t values[] = {
        0, 1, -1, 9, 10, -10, 99, 100, INT64_MAX, INT64_MIN, 1234567890123456789};
    for (size_t i = 0; i < VK_COUNT(values); i++) {
        vk_buf b;
        char want[32];
        vk_buf_init(&b, 64);
        snprintf(want, sizeof want, "%lld", (long long)values[i]);
        vk_buf_i64(&b, values[i]);
        assert_true(vk_str_eqz(vk_buf_view(&b), want));
        vk_buf_clear(&b);
        snprintf(want, sizeof want, "%llu", (unsigned long long)values[i]);
        vk_buf_u64(&b, (uint64_t)values[i]);
        assert_true(vk_str_eqz(vk_buf_view(&b), want));
        vk_buf_free(&b);
    }
}

static void formatted(void **state)
{
    VK_UNUSED(state);
    vk_buf b;
    vk_buf_init(&b, 1000);
    for (int i = 0; i < 100; i++)
        vk_buf_printf(&b, "%d,", i);
    assert_int_equal(b.n, 10 * 2 + 90 * 3);
    assert_memory_equal(b.p + b.n - 6, "98,99,", 6);
    vk_buf_printf(&b, "%1000d", 1);
    assert_int_equal(b.err, VK_E_TOO_LARGE);
    assert_int_equal(b.n, 10 * 2 + 90 * 3);
    vk_buf_free(&b);
}

static void secret_ones_keep_their_bytes_when_they_grow(void **state)
{
    VK_UNUSED(state);
    vk_buf b;
    vk_buf_init(&b, 1 << 20);
    b.secret = true;
    for (int i = 0; i < 100000; i++)
        vk_buf_ch(&b, (char)(i * 7));
    assert_int_equal(b.n, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(b.p[i], (char)(i * 7));
    vk_buf_free_secret(&b);
    assert_true(b.secret && !b.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maximum),   cmocka_unit_test(error_is_sticky),
        cmocka_unit_test(nothing),   cmocka_unit_test(numbers),
        cmocka_unit_test(formatted), cmocka_unit_test(secret_ones_keep_their_bytes_when_they_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
