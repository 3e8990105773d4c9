#include "core/arena.h"
#include "core/json_read.h"
#include "core/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static int log_end, real_stderr;

static int redirect(void **state)
{
    int ends[2];
    VK_UNUSED(state);
    real_stderr = dup(STDERR_FILENO);
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0 || dup2(ends[1], STDERR_FILENO) < 0)
        return -1;
    close(ends[1]);
    log_end = ends[0];
    return 0;
}

static int restore(void **state)
{
    VK_UNUSED(state);
    vk_log_init("test", VK_INFO, VK_LOG_TEXT);
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    close(log_end);
    return 0;
}

/* The one line that was written, without its line feed; NULL: none. */
static char *line(void)
{
    static char text[2 * VK_LOG_LINE_MAX];
    ssize_t n = read(log_end, text, sizeof text - 1);
    if (n <= 0)
        return NULL;
    assert_true(n <= VK_LOG_LINE_MAX);
    assert_int_equal(text[n - 1], '\n');
    assert_ptr_equal(memchr(text, '\n', (size_t)n), text + n - 1);
    text[n - 1] = '\0';
    return text;
}

static void as_text(void **state)
{
    VK_UNUSED(state);
    vk_log_init("front", VK_INFO, VK_LOG_TEXT);
    const char *none = NULL;
    vk_log(VK_WARN, "something happened", VK_F(build, "b1"), VK_F(why, "two words \"q\" \n\x01"), VK_F(n, -7),
           VK_F(big, UINT64_MAX), VK_F(yes, (bool)true), VK_F(view, VK_STR("abc")), VK_F(empty, ""),
           VK_F(none, none));
    char *l = line();
    assert_non_null(l);
    const char *rest = strchr(l, ' ');
    assert_string_equal(rest, " warn front something happened build=b1 why=\"two words \\\"q\\\" ??\" n=-7 "
                              "big=9223372036854775807 yes=true view=abc empty=\"\"");
    vk_log(VK_INFO, "no fields");
    assert_non_null(strstr(line(), " info front no fields"));
    vk_log(VK_DEBUG, "not wanted");
    assert_null(line());
    assert_false(vk_log_wants(VK_DEBUG));
    assert_true(vk_log_wants(VK_ERROR));
}

static vk_json *parsed(vk_arena *a, const char *text)
{
    vk_json *o = NULL;
    assert_int_equal(vk_json_parse(a, vk_str_z(text), &o, NULL, NULL), VK_OK);
    return o;
}

/* Every line is one JSON object, whatever the values are. */
static void as_json(void **state)
{
    VK_UNUSED(state);
    static char big[4000];
    vk_arena *a = vk_arena_new(1 << 20);
    assert_non_null(a);
    vk_log_init("front", VK_INFO, VK_LOG_JSON);
    vk_log(VK_ERROR, "it failed", VK_F(build, "b\"\\\x01\xff\xc3\xa9"), VK_F(status, 500));
    vk_json *o = parsed(a, line());
    assert_true(vk_str_eqz(vk_json_str(vk_json_get(o, VK_STR("level"))), "error"));
    assert_true(vk_str_eqz(vk_json_str(vk_json_get(o, VK_STR("role"))), "front"));
    assert_true(vk_str_eqz(vk_json_str(vk_json_get(o, VK_STR("text"))), "it failed"));
    assert_true(vk_str_eqz(vk_json_str(vk_json_get(o, VK_STR("build"))), "b\"\\??\xc3\xa9"));
    static const char *const pieces[] = {"x", "\"", "\\", "\xc3\xa9", "\xe2\x82\xac", "\xff"};
    for (size_t p = 0; p < VK_COUNT(pieces); p++)
        for (size_t n = 380; n < 1100; n++) {
            size_t step = strlen(pieces[p]), at = 0;
            for (; at + step < n; at += step)
                memcpy(big + at, pieces[p], step);
            const vk_str value = {big, at};
            vk_arena_reset(a);
            vk_log(VK_INFO, "long", VK_F(first, value), VK_F(second, value), VK_F(third, 1));
            o = parsed(a, line());
            assert_true(vk_str_eqz(vk_json_str(vk_json_get(o, VK_STR("text"))), "long"));
            vk_log_init("front", VK_INFO, VK_LOG_TEXT);
            vk_log(VK_INFO, "long", VK_F(first, value), VK_F(second, value));
            assert_non_null(line());
            vk_log_init("front", VK_INFO, VK_LOG_JSON);
        }
    vk_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_text),
        cmocka_unit_test(as_json),
    };
    return cmocka_run_group_tests_name("log", tests, redirect, restore);
}
