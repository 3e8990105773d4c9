/* Names of members of an archive. */
#include "services/storage/operator.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void named(const char *key, bool empty, bool children, const char *want, bool want_folder)
{
    vk_buf b;
    bool folder;
    vk_buf_init(&b, 4096);
    vk_s3_archive_name(&b, vk_str_z(key), empty, children, &folder);
    vk_buf_ch(&b, '\0');
    assert_int_equal(b.err, VK_OK);
    assert_string_equal(b.p, want);
    assert_int_equal(folder, want_folder);
    vk_buf_free(&b);
}

static void stay_as_they_are(void **state)
{
    VK_UNUSED(state);
    static const char *const names[] = {"a",  "a/b.txt", "a b/\xc3\xa4", "100%", "100%.txt",
                                        "%4", "...",     "..a/b..",      "a/.b", "-rf",
                                        "~",  "a/c:d",   "1:x",          "aa:b"};
    for (size_t i = 0; i < VK_COUNT(names); i++)
        named(names[i], false, false, names[i], false);
}

static void lead_nowhere(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *key, *name;
    } t[] = {
        {"/etc/passwd", "%2Fetc/passwd"},
        {"//a", "%2F%2Fa"},
        {"a//b", "a/%2Fb"},
        {"a///b", "a/%2F%2Fb"},
        {"a/", "a%2F"},
        {"a//", "a/%2F"},
        {"/", "%2F"},
        {"..", "%2E%2E"},
        {"../a", "%2E%2E/a"},
        {"a/../b", "a/%2E%2E/b"},
        {"a/..", "a/%2E%2E"},
        {"./a", "%2E/a"},
        {"..\\a", "..%5Ca"},
        {"\\\\host\\share", "%5C%5Chost%5Cshare"},
        {"C:evil", "C%3Aevil"},
        {"c:/evil", "c%3A/evil"},
        {"a\nb", "a%0Ab"},
        {"\x1b[2J", "%1B[2J"},
        {"a\x7f", "a%7F"},
        {"%2F", "%252F"},
        {"a%5Cb", "a%255Cb"},
        {"%%41", "%%2541"},
        {"", "%00"},
    };
    for (size_t i = 0; i < VK_COUNT(t); i++)
        named(t[i].key, false, false, t[i].name, false);
}

static void files_and_folders(void **state)
{
    VK_UNUSED(state);
    named("a/", true, false, "a/", true);
    named("a/", true, true, "a/", true);
    named("a/b/", true, false, "a/b/", true);
    named("a//", true, false, "a/%2F", false);
    named("/", true, false, "%2F", false);
    named("a", false, true, "a%00", false);
    named("a/", false, true, "a%2F", false);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* No two keys have one name: of all short ones over the bytes that matter. */
static void none_twice(void **state)
{
    VK_UNUSED(state);
    static const char bytes[] = "a/%2F:\\.";
    enum { N = sizeof bytes - 1, LEN = 4, ROOM = (N + 1) * (N + 1) * (N + 1) * (N + 1) };
    size_t n = 0;
    char(*names)[32] = calloc(ROOM, sizeof *names);
    assert_non_null(names);
    for (size_t x = 0; x < ROOM; x++) {
        char key[LEN];
        size_t len = 0, v = x;
        bool ended = false, gap = false;
        for (int i = 0; i < LEN; i++, v /= N + 1) {
            if (v % (N + 1) == N) {
                ended = true;
                continue;
            }
            gap = gap || ended;
            key[len++] = bytes[v % (N + 1)];
        }
        if (gap)
            continue;
        vk_buf b;
        bool folder;
        vk_buf_init(&b, 64);
        vk_s3_archive_name(&b, (vk_str){key, len}, false, false, &folder);
        snprintf(names[n++], sizeof *names, VK_STR_FMT, VK_STR_ARG(vk_buf_view(&b)));
        vk_buf_free(&b);
    }
    qsort(names, n, sizeof *names, by_text);
    for (size_t i = 1; i < n; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            fail_msg("twice: %s", names[i]);
    assert_true(n > 4000);
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stay_as_they_are), cmocka_unit_test(lead_nowhere),
                                       cmocka_unit_test(files_and_folders), cmocka_unit_test(none_twice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
