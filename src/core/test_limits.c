#include "core/limits.h"

#include "core/buf.h"
#include "core/disk.h"
#include "core/rate.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_err set(vk_limits *l, const char *setting, const char *value, char why[200])
{
    return vk_limit_set(l, vk_str_z(setting), vk_str_z(value), why, 200);
}

static void the_table_is_sound(void **state)
{
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_LIMITS; i++) {
        const vk_limit_info *x = &vk_limit_infos[i];
        vk_limits l = {{0}};
        char why[200], text[VK_LIMIT_TEXT];
        assert_true(x->least <= x->usual && x->usual <= x->most);
        assert_int_equal(vk_limits_usual.of[i], x->usual);
        assert_int_equal(set(&l, x->setting, x->shown, why),
                         VK_OK); /* the default as it is written is the default */
        assert_int_equal(l.of[i], x->usual);
        vk_limit_text((vk_limit_id)i, x->most, text);
        assert_true(strlen(text) > 0);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(vk_limit_infos[k].setting, x->setting);
    }
}

static void values(void **state)
{
    VK_UNUSED(state);
    vk_limits l = vk_limits_usual;
    char why[200], text[VK_LIMIT_TEXT];
    assert_int_equal(set(&l, "idle_time", "2m", why), VK_OK);
    assert_int_equal(l.of[VK_LIMIT_IDLE_TIME], 120000);
    assert_int_equal(set(&l, "key_rate", "0", why), VK_OK);
    vk_limit_text(VK_LIMIT_KEY_RATE, 0, text);
    assert_string_equal(text, "none");
    vk_limit_text(VK_LIMIT_CONNECTIONS, 1234567, text);
    assert_string_equal(text, "1,234,567");
    vk_limit_text(VK_LIMIT_IDLE_TIME, 86400000, text);
    assert_string_equal(text, "86,400 s");
    vk_limit_text(VK_LIMIT_SLOW_RATE, 256, text);
    assert_string_equal(text, "256 B/s");
    vk_limit_text(VK_LIMIT_KEY_RATE, 100, text);
    assert_string_equal(text, "100/s");
    static const char *const bad[][2] = {
        {"idle_time", "0"},      {"idle_time", "2 days"}, {"idle_time", "90000s"}, {"connections", "15"},
        {"connections", "many"}, {"connections", ""},     {"key_rate", "-1"},      {"key_rate", "1000001"},
        {"slow_rate", "0"},      {"key_burst", "1e9"},    {"head_time", "-5s"}};
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        vk_limits before = l;
        why[0] = '\0';
        assert_int_equal(set(&l, bad[i][0], bad[i][1], why), VK_E_INVALID);
        assert_true(strlen(why) > 10);
        assert_memory_equal(&before, &l, sizeof l);
    }
    assert_int_equal(set(&l, "idle", "1s", why), VK_E_NOT_FOUND);
    assert_int_equal(set(&l, "", "1s", why), VK_E_NOT_FOUND);
}

/* docs/LIMITS.md has a line for each, with its default. */
static void documented(void **state)
{
    VK_UNUSED(state);
    const char *root = getenv("VK_SOURCE_ROOT");
    char path[PATH_MAX], line[600], by_default[VK_LIMIT_TEXT];
    vk_buf text;
    assert_non_null(root);
    snprintf(path, sizeof path, "%s/docs/LIMITS.md", root);
    vk_buf_init(&text, 1 << 20);
    assert_int_equal(vk_disk_read(AT_FDCWD, path, 100000, &text), VK_OK);
    for (size_t i = 0; i < VK_LIMITS; i++) {
        const vk_limit_info *x = &vk_limit_infos[i];
        vk_limit_text((vk_limit_id)i, x->usual, by_default);
        int n = snprintf(line, sizeof line, "\n| `%s` | %s | %s |", x->setting, by_default, x->what);
        if (!memmem(text.p, text.n, line, (size_t)n))
            fail_msg("docs/LIMITS.md has no line %s", line + 1);
    }
    vk_buf_free(&text);
}

/* ---- rates */

static void buckets(void **state)
{
    VK_UNUSED(state);
    vk_rate r = vk_rate_of(10, 5), none = vk_rate_of(0, 5);
    vk_bucket b = 0;
    int64_t now = 5000;
    assert_true(vk_rate_full(&b, now));
    for (int i = 0; i < 5; i++) /* the burst */
        assert_int_equal(vk_rate_wait(&b, &r, now) + vk_rate_take(&b, &r, now), 0);
    assert_int_equal(vk_rate_wait(&b, &r, now), 100); /* which takes nothing */
    assert_int_equal(vk_rate_wait(&b, &none, now), 0);
    assert_int_equal(vk_rate_take(&b, &r, now), 100); /* then one each 100 ms */
    assert_false(vk_rate_full(&b, now));
    assert_int_equal(vk_rate_take(&b, &r, now + 60), 40);
    assert_int_equal(vk_rate_take(&b, &r, now + 100), 0);
    assert_int_equal(vk_rate_take(&b, &r, now + 100), 100);
    now += 10000; /* never more than the burst, however long it was quiet */
    int taken = 0;
    while (vk_rate_take(&b, &r, now) == 0)
        taken++;
    assert_int_equal(taken, 5);
    taken = 0;
    for (int64_t t = 0; t < 10000; t += 7) /* in the long run: the rate */
        taken += vk_rate_take(&b, &r, now + t) == 0;
    assert_in_range(taken, 98, 102);
    /* A clock that leaps back by an hour does not lock anybody out. */
    assert_int_equal(vk_rate_take(&b, &r, now - 3600000), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(vk_rate_take(&b, &none, now), 0);
    assert_int_equal(vk_rate_seconds(1), 1);
    assert_int_equal(vk_rate_seconds(1001), 2);
    assert_int_equal(vk_rate_seconds(INT64_MAX), 3600);
    vk_rate quick = vk_rate_of(1000000, 100000000);
    vk_rate slow = vk_rate_of(1, 100000000);
    assert_true(quick.each_ns == 1000 && quick.burst_ns > 0 && slow.burst_ns > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(values),
        cmocka_unit_test(documented),
        cmocka_unit_test(buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
