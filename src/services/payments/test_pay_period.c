#include "core/clock.h"
#include "services/payments/billing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static int64_t at(const char *text)
{
    int64_t ms;
    assert_int_equal(vk_clock_parse(vk_str_z(text), &ms), VK_OK);
    return ms / 1000;
}

static void ends(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *anchor, *interval;
        int64_t count, n;
        const char *end;
    } t[] = {
        {"2026-11-29T02:28:28.000Z", "day", 1, 1, "2026-11-30T02:28:28.000Z"},
        {"2026-11-29T02:28:28.000Z", "week", 2, 1, "2026-12-13T02:28:28.000Z"},
        {"2026-11-29T02:28:28.000Z", "month", 1, 1, "2026-12-29T02:28:28.000Z"},
        {"2026-11-29T02:28:28.000Z", "month", 3, 1, "2027-02-28T02:28:28.000Z"},
        {"2027-01-31T23:59:59.000Z", "month", 1, 0, "2027-01-31T23:59:59.000Z"},
        {"2027-01-31T23:59:59.000Z", "month", 1, 1, "2027-02-28T23:59:59.000Z"},
        {"2027-01-31T23:59:59.000Z", "month", 1, 2, "2027-03-31T23:59:59.000Z"},
        {"2027-01-31T23:59:59.000Z", "month", 1, 3, "2027-04-30T23:59:59.000Z"},
        {"2027-01-31T23:59:59.000Z", "month", 1, 13, "2028-02-29T23:59:59.000Z"},
        {"2027-12-01T00:00:00.000Z", "month", 1, 1, "2028-01-01T00:00:00.000Z"},
        {"2028-02-29T12:00:00.000Z", "year", 1, 1, "2029-02-28T12:00:00.000Z"},
        {"2028-02-29T12:00:00.000Z", "year", 1, 4, "2032-02-29T12:00:00.000Z"},
        {"2096-02-29T12:00:00.000Z", "year", 4, 1, "2100-02-28T12:00:00.000Z"},
        {"2000-02-29T00:00:00.000Z", "month", 12, 100, "2100-02-28T00:00:00.000Z"},
        {"1969-12-31T10:00:00.000Z", "month", 2, 1, "1970-02-28T10:00:00.000Z"},
    };
    for (size_t i = 0; i < VK_COUNT(t); i++) {
        int64_t end = 0;
        assert_int_equal(vk_pay_period(at(t[i].anchor), vk_str_z(t[i].interval), t[i].count, t[i].n, &end),
                         VK_OK);
        if (end != at(t[i].end))
            fail_msg("%s + %lld * %lld %s is not %s", t[i].anchor, (long long)t[i].n, (long long)t[i].count,
                     t[i].interval, t[i].end);
    }
}

/* The calendar against the C library's, and: never back, never more than 31 days, the day is the anchor's or
 * the month's last. */
static void like_the_library(void **state)
{
    VK_UNUSED(state);
    for (int day = 1; day <= 31; day++) {
        int64_t anchor = at("2027-01-01T05:06:07.000Z") + (day - 1) * 86400, last = anchor;
        for (int n = 1; n < 1500; n++) {
            int64_t end;
            assert_int_equal(vk_pay_period(anchor, VK_STR("month"), 1, n, &end), VK_OK);
            struct tm tm, next;
            time_t s = (time_t)end, after = s + 86400;
            assert_non_null(gmtime_r(&s, &tm));
            assert_non_null(gmtime_r(&after, &next));
            assert_int_equal(tm.tm_year * 12 + tm.tm_mon, 127 * 12 + n);
            assert_true(tm.tm_mday == day || (tm.tm_mday < day && next.tm_mday == 1));
            assert_int_equal(tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec, 5 * 3600 + 6 * 60 + 7);
            assert_true(end > last && end - last <= 31 * 86400);
            last = end;
        }
    }
}

static void refused(void **state)
{
    VK_UNUSED(state);
    int64_t end;
    assert_int_equal(vk_pay_period(0, VK_STR("fortnight"), 1, 1, &end), VK_E_INVALID);
    assert_int_equal(vk_pay_period(0, VK_STR("month"), 0, 1, &end), VK_E_INVALID);
    assert_int_equal(vk_pay_period(0, VK_STR("month"), 1, -1, &end), VK_E_INVALID);
    assert_int_equal(vk_pay_period(0, VK_STR("year"), 10000, 1, &end), VK_E_INVALID);
    assert_int_equal(vk_pay_period(0, VK_STR("week"), 10000, 1000, &end), VK_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends),
        cmocka_unit_test(like_the_library),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
