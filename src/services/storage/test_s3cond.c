/* Conditions, ranges and dates, as tables. */
#include "services/storage/s3cond.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const int64_t mtime_ms = INT64_C(1795457715987); /* Mon, 23 Nov 2026 18:15:15 GMT */
#define BEFORE "Mon, 23 Nov 2026 18:15:14 GMT"
#define SAME "Mon, 23 Nov 2026 18:15:15 GMT"
#define AFTER "Mon, 23 Nov 2026 18:15:16 GMT"

static void reading(void **state)
{
    static const struct {
        const char *match, *none_match, *since, *unmodified;
        vk_s3_fail f;
    } cases[] = {
        {"", "", "", "", VK_S3_OK},
        {"e", "", "", "", VK_S3_OK},
        {"\"e\"", "", "", "", VK_S3_OK},
        {"\"a\", \"e\"", "", "", "", VK_S3_OK},
        {"*", "", "", "", VK_S3_OK},
        {"\"x\"", "", "", "", VK_S3_PRECONDITION},
        {"", "\"e\"", "", "", VK_S3_NOT_MODIFIED},
        {"", "e", "", "", VK_S3_NOT_MODIFIED},
        {"", "W/\"e\"", "", "", VK_S3_NOT_MODIFIED},
        {"", "*", "", "", VK_S3_NOT_MODIFIED},
        {"", "\"x\"", "", "", VK_S3_OK},
        {"", "", BEFORE, "", VK_S3_OK},
        {"", "", SAME, "", VK_S3_NOT_MODIFIED},
        {"", "", AFTER, "", VK_S3_NOT_MODIFIED},
        {"", "", "", BEFORE, VK_S3_PRECONDITION},
        {"", "", "", SAME, VK_S3_OK},
        {"", "", "", AFTER, VK_S3_OK},
        {"", "", "yesterday", "yesterday", VK_S3_OK}, /* no date, no condition */
        {"e", "", "", BEFORE, VK_S3_OK},              /* If-Match that holds goes before the date */
        {"x", "", "", AFTER, VK_S3_PRECONDITION},
        {"", "x", AFTER, "", VK_S3_OK}, /* If-None-Match that is there goes before the date */
        {"", "e", BEFORE, "", VK_S3_NOT_MODIFIED},
        {"x", "e", "", "", VK_S3_PRECONDITION}, /* 412 before 304 */
        {"e", "e", "", "", VK_S3_NOT_MODIFIED},
        {"", "", AFTER, BEFORE, VK_S3_PRECONDITION},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        const vk_s3_conditions c = {vk_str_z(cases[i].match), vk_str_z(cases[i].none_match),
                                    vk_str_z(cases[i].since), vk_str_z(cases[i].unmodified)};
        if (vk_s3_read_allowed(&c, VK_STR("e"), mtime_ms) != cases[i].f)
            fail_msg("case %zu", i);
        assert_int_equal(vk_s3_copy_allowed(&c, VK_STR("e"), mtime_ms),
                         cases[i].f == VK_S3_OK ? VK_S3_OK : VK_S3_PRECONDITION);
    }
}

static void writing(void **state)
{
    static const struct {
        const char *match, *none_match, *since, *unmodified;
        vk_s3_fail f;
        bool any;
    } cases[] = {
        {"", "", "", "", VK_S3_OK, false},
        {"", "*", "", "", VK_S3_OK, true},
        {"\"e\"", "", "", "", VK_S3_OK, false},
        {"", "\"e\"", "", "", VK_S3_NOT_IMPLEMENTED, false},
        {"", "*, *", "", "", VK_S3_NOT_IMPLEMENTED, false},
        {"e", "*", "", "", VK_S3_NOT_IMPLEMENTED, false},
        {"", "", SAME, "", VK_S3_NOT_IMPLEMENTED, false},
        {"", "", "", SAME, VK_S3_NOT_IMPLEMENTED, false},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        bool any = false;
        const vk_s3_conditions c = {vk_str_z(cases[i].match), vk_str_z(cases[i].none_match),
                                    vk_str_z(cases[i].since), vk_str_z(cases[i].unmodified)};
        if (vk_s3_write_conditions(&c, &any) != cases[i].f || any != cases[i].any)
            fail_msg("case %zu", i);
    }
}

static void ranges(void **state)
{
    static const struct {
        const char *header;
        int64_t size;
        vk_s3_fail f;
        bool part;
        int64_t at, n;
    } cases[] = {
        {"", 10, VK_S3_OK, false, 0, 10},
        {"bytes=0-0", 10, VK_S3_OK, true, 0, 1},
        {"bytes=0-9", 10, VK_S3_OK, true, 0, 10},
        {"bytes=2-5", 10, VK_S3_OK, true, 2, 4},
        {"bytes=2-", 10, VK_S3_OK, true, 2, 8},
        {"bytes=9-", 10, VK_S3_OK, true, 9, 1},
        {"bytes=9-99", 10, VK_S3_OK, true, 9, 1},
        {"bytes=-3", 10, VK_S3_OK, true, 7, 3},
        {"bytes=-10", 10, VK_S3_OK, true, 0, 10},
        {"bytes=-11", 10, VK_S3_OK, true, 0, 10},
        {"bytes=0-99999999999999999999999", 10, VK_S3_OK, true, 0, 10},
        {"bytes=-99999999999999999999999", 10, VK_S3_OK, true, 0, 10},
        {"bytes=10-", 10, VK_S3_BAD_RANGE, false, 0, 0},
        {"bytes=10-20", 10, VK_S3_BAD_RANGE, false, 0, 0},
        {"bytes=99999999999999999999999-", 10, VK_S3_BAD_RANGE, false, 0, 0},
        {"bytes=-0", 10, VK_S3_BAD_RANGE, false, 0, 0},
        {"bytes=0-", 0, VK_S3_BAD_RANGE, false, 0, 0},
        {"bytes=-1", 0, VK_S3_BAD_RANGE, false, 0, 0},
        {"bytes=5-2", 10, VK_S3_OK, false, 0, 10},
        {"bytes=-", 10, VK_S3_OK, false, 0, 10},
        {"bytes=", 10, VK_S3_OK, false, 0, 10},
        {"bytes=1", 10, VK_S3_OK, false, 0, 10},
        {"bytes=a-b", 10, VK_S3_OK, false, 0, 10},
        {"bytes=--1", 10, VK_S3_OK, false, 0, 10},
        {"bytes=+1-2", 10, VK_S3_OK, false, 0, 10},
        {"bytes=0-1,3-4", 10, VK_S3_OK, false, 0, 10},
        {"bytes=0-1 ", 10, VK_S3_OK, false, 0, 10},
        {"bytes = 0-1", 10, VK_S3_OK, false, 0, 10},
        {"items=0-1", 10, VK_S3_OK, false, 0, 10},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_s3_range r;
        vk_s3_fail f = vk_s3_range_of(vk_str_z(cases[i].header), cases[i].size, &r);
        if (f != cases[i].f ||
            (f == VK_S3_OK && (r.part != cases[i].part || r.at != cases[i].at || r.n != cases[i].n)))
            fail_msg("%s of %d", cases[i].header, (int)cases[i].size);
    }
    assert_true(vk_s3_range_holds(VK_STR(""), VK_STR("e"), mtime_ms));
    assert_true(vk_s3_range_holds(VK_STR("\"e\""), VK_STR("e"), mtime_ms));
    assert_true(vk_s3_range_holds(VK_STR(SAME), VK_STR("e"), mtime_ms));
    assert_false(vk_s3_range_holds(VK_STR(AFTER), VK_STR("e"), mtime_ms));
    assert_false(vk_s3_range_holds(VK_STR("\"x\""), VK_STR("e"), mtime_ms));
    assert_false(vk_s3_range_holds(VK_STR("W/\"e\""), VK_STR("e"), mtime_ms));
    assert_false(vk_s3_range_holds(VK_STR("*"), VK_STR("e"), mtime_ms));
}

static void copy_ranges(void **state)
{
    static const struct {
        const char *header;
        vk_s3_fail f;
        int64_t at, n;
    } cases[] = {
        {"bytes=0-9", VK_S3_OK, 0, 10},         {"bytes=3-3", VK_S3_OK, 3, 1},
        {"bytes=3-10", VK_S3_BAD_RANGE, 0, 0},  {"bytes=3-", VK_S3_BAD_ARGUMENT, 0, 0},
        {"bytes=-3", VK_S3_BAD_ARGUMENT, 0, 0}, {"bytes=4-3", VK_S3_BAD_ARGUMENT, 0, 0},
        {"3-4", VK_S3_BAD_ARGUMENT, 0, 0},      {"bytes=0-1,2-3", VK_S3_BAD_ARGUMENT, 0, 0},
        {"", VK_S3_BAD_ARGUMENT, 0, 0},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        int64_t at = 0, n = 0;
        vk_s3_fail f = vk_s3_copy_range_of(vk_str_z(cases[i].header), 10, &at, &n);
        if (f != cases[i].f || at != cases[i].at || n != cases[i].n)
            fail_msg("%s", cases[i].header);
    }
}

static void dates(void **state)
{
    static const struct {
        const char *text;
        int64_t s; /* -1: none */
    } cases[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Mon, 23 Nov 2026 18:15:15 GMT", 1795457715},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
        {"Tue, 29 Feb 2028 00:00:00 GMT", 1835395200},
        {"Wed, 30 Feb 2028 00:00:00 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:37", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
        {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
        {"Sun, 06 nov 1994 08:49:37 GMT", -1},
        {"Sun, 00 Nov 1994 08:49:37 GMT", -1},
        {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
        {"1994-11-06T08:49:37Z", -1},
        {"", -1},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        int64_t ms = 1;
        bool ok = vk_s3_date_read(vk_str_z(cases[i].text), &ms);
        if (ok != (cases[i].s >= 0) || (ok && ms != cases[i].s * 1000))
            fail_msg("%s: %d", cases[i].text, (int)(ms / 1000));
    }
    char text[VK_S3_DATE];
    for (int64_t ms = 987; ms < INT64_C(253402300799000); ms += INT64_C(86400000) * 13 + 12345678) {
        int64_t back = 0;
        vk_s3_date(ms, text);
        assert_true(vk_s3_date_read(vk_str_z(text), &back));
        assert_int_equal(back, ms / 1000 * 1000);
        char want[VK_S3_DATE];
        time_t t = (time_t)(ms / 1000);
        struct tm tm;
        strftime(want, sizeof want, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&t, &tm));
        assert_string_equal(text, want);
    }
    vk_s3_date(mtime_ms, text);
    assert_string_equal(text, SAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),     cmocka_unit_test(writing), cmocka_unit_test(ranges),
        cmocka_unit_test(copy_ranges), cmocka_unit_test(dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
