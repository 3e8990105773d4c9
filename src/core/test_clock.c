#include "core/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void text(void **state)
{
    VK_UNUSED(state);
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1795536000123, "2026-11-24T16:00:00.123Z"},
        {951782399999, "2000-02-28T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {4102444800000, "2100-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char out[VK_CLOCK_TEXT];
        vk_clock_text(cases[i].ms, out);
        assert_string_equal(out, cases[i].text);
    }
}

static void durations(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"30d", (int64_t)30 * 86400 * 1000},
        {"12h", 12 * 3600 * 1000},
        {"90m", 90 * 60 * 1000},
        {"45s", 45000},
        {"45", 45000},
        {"1", 1000},
        {"3653d", (int64_t)3653 * 86400 * 1000},
        {"3654d", -1},
        {"0", -1},
        {"0d", -1},
        {"", -1},
        {"d", -1},
        {"-1d", -1},
        {"+1d", -1},
        {"1x", -1},
        {"1.5h", -1},
        {"1d2h", -1},
        {" 1d", -1},
        {"9223372036854775807d", -1},
        {"99999999999999999999s", -1},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        int64_t ms = -1;
        vk_err e = vk_duration_parse(vk_str_z(cases[i].text), &ms);
        if ((e == VK_OK) != (cases[i].ms > 0) || ms != cases[i].ms)
            fail_msg("%s: %lld", cases[i].text, (long long)ms);
    }
}

static void moving(void **state)
{
    VK_UNUSED(state);
    int64_t wall = vk_clock_wall_ms(), mono = vk_clock_mono_ns();
    vk_clock_offset(86400 * 1000);
    int64_t later = vk_clock_wall_ms() - wall;
    assert_true(later >= 86400 * 1000 && later < 86400 * 1000 + 60000);
    vk_clock_offset(0);
    assert_true(vk_clock_mono_ns() >= mono);
    assert_true(vk_clock_mono_ms() >= mono / 1000000);
    assert_true(wall > 1700000000000);
}

static void there_and_back(void **state)
{
    VK_UNUSED(state);
    static const int64_t times[] = {
        0, 1, 999, 1000, 951782400000, 1767225599999, 4102444800123, 253402300799999};
    char text[VK_CLOCK_TEXT];
    int64_t got;
    for (size_t i = 0; i < VK_COUNT(times); i++) {
        vk_clock_text(times[i], text);
        assert_int_equal(vk_clock_parse(vk_str_z(text), &got), VK_OK);
        assert_int_equal(got, times[i]);
    }
    static const char *const bad[] = {"",
                                      "2026-01-01T00:00:00Z",
                                      "2026-01-01 00:00:00.000Z",
                                      "2026-02-29T00:00:00.000Z",
                                      "2026-13-01T00:00:00.000Z",
                                      "2026-00-01T00:00:00.000Z",
                                      "2026-01-00T00:00:00.000Z",
                                      "2026-01-01T24:00:00.000Z",
                                      "2026-01-01T00:60:00.000Z",
                                      "2026-01-01T00:00:60.000Z",
                                      "2026-01-01T00:00:00.000z",
                                      "x026-01-01T00:00:00.000Z",
                                      "2026-01-01T00:00:00.000Zx"};
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        if (vk_clock_parse(vk_str_z(bad[i]), &got) == VK_OK)
            fail_msg("%s is a time", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(text),
        cmocka_unit_test(durations),
        cmocka_unit_test(moving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
