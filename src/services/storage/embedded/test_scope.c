#include "services/storage/embedded/scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void keys(void **state)
{
    static const struct {
        const char *key;
        vk_ob_err e;
        bool prefixed;
        const char *stored;
    } cases[] = {
        {"a", VK_OB_OK, false, "a"},
        {"builds/me/a", VK_OB_OK, true, "a"},
        {"builds/me/", VK_OB_OK, true, ""},
        {"builds/me//a", VK_OB_OK, true, "/a"},
        {"/a", VK_OB_OK, false, "/a"},
        {"a//b/", VK_OB_OK, false, "a//b/"},
        {"/builds/other/a", VK_OB_OK, false,
         "/builds/other/a"}, /* a key of our own that begins with a slash */
        {"Builds/other/a", VK_OB_OK, false, "Builds/other/a"},
        {"builds", VK_OB_OK, false, "builds"},
        {"builds-2/x", VK_OB_OK, false, "builds-2/x"},
        {"builds%2fother%2fx", VK_OB_OK, false, "builds%2fother%2fx"}, /* decoded once: plain data */
        {"\xe2\x82\xac \xf0\x9f\x9a\x80+%\\\x01", VK_OB_OK, false, "\xe2\x82\xac \xf0\x9f\x9a\x80+%\\\x01"},
        {"..a/.b/c..", VK_OB_OK, false, "..a/.b/c.."},
        {"builds/", VK_OB_OUTSIDE, false, ""},
        {"builds/me", VK_OB_OUTSIDE, false, ""},
        {"builds/m", VK_OB_OUTSIDE, false, ""},
        {"builds/me2/a", VK_OB_OUTSIDE, false, ""},
        {"builds/other/a", VK_OB_OUTSIDE, false, ""},
        {"builds//me/a", VK_OB_OUTSIDE, false, ""},
        {"builds/me/builds/me/a", VK_OB_OUTSIDE, false, ""},
        {"builds/me/builds/1.zip", VK_OB_OK, true, "builds/1.zip"},
        {"builds/me/../other/a", VK_OB_BAD_KEY, false, ""},
        {"builds/me/..", VK_OB_BAD_KEY, false, ""},
        {"../a", VK_OB_BAD_KEY, false, ""},
        {"a/./b", VK_OB_BAD_KEY, false, ""},
        {".", VK_OB_BAD_KEY, false, ""},
        {"..", VK_OB_BAD_KEY, false, ""},
        {"a/..", VK_OB_BAD_KEY, false, ""},
        {"", VK_OB_BAD_KEY, false, ""},
        {"\xc0\xae\xc0\xae/x", VK_OB_BAD_KEY, false, ""}, /* overlong */
        {"\xed\xa0\x80", VK_OB_BAD_KEY, false, ""},       /* a surrogate */
        {"a\xff", VK_OB_BAD_KEY, false, ""},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_ob_scoped s = {0};
        vk_ob_err e = vk_ob_scope("me", vk_str_z(cases[i].key), &s);
        if (e != cases[i].e ||
            (e == VK_OB_OK && (s.prefixed != cases[i].prefixed || !vk_str_eqz(s.key, cases[i].stored))))
            fail_msg("key '%s': %d", cases[i].key, (int)e);
    }
    vk_ob_scoped s;
    assert_int_equal(vk_ob_scope("me", (vk_str){"a\0b", 3}, &s), VK_OB_BAD_KEY);
    char longest[VK_OB_KEY_MAX + 2];
    memset(longest, 'k', sizeof longest);
    assert_int_equal(vk_ob_scope("me", (vk_str){longest, VK_OB_KEY_MAX}, &s), VK_OB_OK);
    assert_int_equal(vk_ob_scope("me", (vk_str){longest, VK_OB_KEY_MAX + 1}, &s), VK_OB_KEY_TOO_LONG);
}

static void lists(void **state)
{
    static const struct {
        const char *prefix, *delimiter, *after;
        vk_ob_err e;
        bool prefixed, nothing, skip_empty;
        const char *stored_prefix, *stored_after, *folder;
    } cases[] = {
        {"", "", "", VK_OB_OK, false, false, true, "", "", ""},
        {"a/", "/", "a/b", VK_OB_OK, false, false, true, "a/", "a/b", ""},
        {"b", "", "", VK_OB_OK, false, false, true, "b", "", ""}, /* not a beginning of builds/ to us */
        {"builds", "/", "", VK_OB_OK, false, false, true, "builds", "", ""},
        {"builds/me/", "/", "", VK_OB_OK, true, false, false, "", "", ""},
        {"builds/me/a", "", "builds/me/ab", VK_OB_OK, true, false, true, "a", "ab", ""},
        {"builds/me/", "", "builds/me/", VK_OB_OK, true, false, true, "", "", ""},
        {"builds/me/", "", "a", VK_OB_OK, true, false, false, "", "", ""},
        {"builds/me/", "", "builds/m", VK_OB_OK, true, false, false, "", "", ""},
        {"builds/me/", "", "builds/me0", VK_OB_OK, true, true, false, "", "", ""},
        {"builds/me/", "", "c", VK_OB_OK, true, true, false, "", "", ""},
        {"builds/", "", "", VK_OB_OK, true, false, false, "", "", ""},
        {"builds/m", "", "", VK_OB_OK, true, false, false, "", "", ""},
        {"builds/", "/", "", VK_OB_OK, true, false, false, "", "", "builds/me/"},
        {"builds/m", "e", "", VK_OB_OK, true, false, false, "", "", "builds/me"},
        {"builds/", "/", "builds/me/", VK_OB_OK, true, true, true, "", "", "builds/me/"},
        {"builds/", "x", "", VK_OB_OK, true, false, false, "", "", ""},
        {"builds/me2/", "", "", VK_OB_OUTSIDE, false, false, false, "", "", ""},
        {"builds/other", "", "", VK_OB_OUTSIDE, false, false, false, "", "", ""},
        {"builds/me/../other/", "", "", VK_OB_BAD_KEY, false, false, false, "", "", ""},
        {"..", "", "", VK_OB_OK, false, false, true, "..", "", ""}, /* the beginning of "..a" */
        {"", "", "a/../b", VK_OB_BAD_KEY, false, false, false, "", "", ""},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_ob_scoped_list s;
        vk_ob_err e = vk_ob_scope_list("me", vk_str_z(cases[i].prefix), vk_str_z(cases[i].delimiter),
                                       vk_str_z(cases[i].after), &s);
        if (e != cases[i].e)
            fail_msg("prefix '%s' after '%s': %d", cases[i].prefix, cases[i].after, (int)e);
        if (e != VK_OB_OK)
            continue;
        if (s.prefixed != cases[i].prefixed || s.nothing != cases[i].nothing ||
            s.skip_empty != cases[i].skip_empty || !vk_str_eqz(s.prefix, cases[i].stored_prefix) ||
            !vk_str_eqz(s.after, cases[i].stored_after) || !vk_str_eqz(s.folder, cases[i].folder))
            fail_msg("case %zu: prefix '%s' after '%s'", i, cases[i].prefix, cases[i].after);
    }
}

static void etags(void **state)
{
    VK_UNUSED(state);
    vk_str tag = VK_STR("0123-2");
    assert_true(vk_ob_etag_matches(VK_STR("\"0123-2\""), tag));
    assert_true(vk_ob_etag_matches(VK_STR("0123-2"), tag));
    assert_true(vk_ob_etag_matches(VK_STR("*"), tag));
    assert_true(vk_ob_etag_matches(VK_STR("\"a\" , W/\"0123-2\""), tag));
    assert_false(vk_ob_etag_matches(VK_STR("\"a\",\"b\""), tag));
    assert_false(vk_ob_etag_matches(VK_STR(""), tag));
    assert_false(vk_ob_etag_matches(VK_STR("\"\""), VK_STR("")));
    assert_false(vk_ob_etag_matches(VK_STR("0123"), tag));
}

static void headers(void **state)
{
    VK_UNUSED(state);
    vk_buf b;
    vk_str name, value;
    vk_buf_init(&b, VK_OB_HEADERS_MAX);
    vk_ob_header_add(&b, VK_STR("content-type"), VK_STR("text/plain"));
    vk_ob_header_add(&b, VK_STR("x-amz-meta-empty"), VK_STR(""));
    assert_int_equal(b.err, VK_OK);
    vk_str packed = vk_buf_view(&b);
    assert_true(vk_ob_header_next(&packed, &name, &value));
    assert_true(vk_str_eqz(name, "content-type") && vk_str_eqz(value, "text/plain"));
    assert_true(vk_ob_header_next(&packed, &name, &value));
    assert_true(vk_str_eqz(name, "x-amz-meta-empty") && value.n == 0);
    assert_false(vk_ob_header_next(&packed, &name, &value));
    packed = (vk_str){b.p, b.n - 3}; /* cut short */
    assert_true(vk_ob_header_next(&packed, &name, &value));
    assert_false(vk_ob_header_next(&packed, &name, &value));
    static char large[70000];
    vk_ob_header_add(&b, VK_STR("n"), (vk_str){large, sizeof large});
    assert_int_equal(b.err, VK_E_TOO_LARGE);
    vk_buf_free(&b);
    for (int i = 1; i < VK_OB_ERRS; i++)
        assert_true(vk_ob_errs[i].code && vk_ob_errs[i].message && vk_ob_errs[i].status >= 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),
        cmocka_unit_test(lists),
        cmocka_unit_test(etags),
        cmocka_unit_test(headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
