/* Forms and cookies. */
#include "http/cookie.h"
#include "http/form.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_arena *arena;

/* What was parsed, as "name=value|…". */
static const char *shown(const char *body)
{
    static char text[1024];
    const vk_pair *p;
    size_t n, at = 0;
    vk_err e = vk_form_parse(arena, vk_str_z(body), &p, &n);
    if (e != VK_OK)
        return vk_err_name(e);
    text[0] = '\0';
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s" VK_STR_FMT "=" VK_STR_FMT, i ? "|" : "",
                               VK_STR_ARG(p[i].name), VK_STR_ARG(p[i].value));
    return text;
}

static void forms(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *body, *want;
    } cases[] = {
        {"", ""},
        {"&&&", ""},
        {"a=b", "a=b"},
        {"a", "a="},
        {"=b", "=b"},
        {"=", "="},
        {"a=b=c", "a=b=c"},
        {"a=1&a=2&b=", "a=1|a=2|b="},
        {"&a=1&&b=2&", "a=1|b=2"},
        {"a+b=c+d%2B", "a b=c d+"},
        {"line_items%5B0%5D[price]=x", "line_items[0][price]=x"},
        {"a=%c3%a9%26%3d", "a=\xc3\xa9&="},
        {"a=;b=1", "a=;b=1"},
        {"a=%", "invalid"},
        {"a=%4", "invalid"},
        {"a=%4g", "invalid"},
        {"%zz=1", "invalid"},
        {"a=%00", "invalid"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_string_equal(shown(cases[i].body), cases[i].want);
    static char many[4 * VK_FORM_PAIRS_MAX + 8];
    const vk_pair *p;
    size_t n = 0;
    for (size_t i = 0; i <= VK_FORM_PAIRS_MAX; i++)
        memcpy(many + i * 4, "a=1&", 4);
    assert_int_equal(vk_form_parse(arena, (vk_str){many, 4 * VK_FORM_PAIRS_MAX}, &p, &n), VK_OK);
    assert_int_equal(n, VK_FORM_PAIRS_MAX);
    assert_int_equal(vk_form_parse(arena, (vk_str){many, 4 * VK_FORM_PAIRS_MAX + 4}, &p, &n), VK_E_TOO_LARGE);
    assert_int_equal(vk_form_parse(arena, (vk_str){"a\0b", 3}, &p, &n), VK_E_INVALID);
}

static void cookies(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *header, *name, *want; /* NULL: not found */
    } cases[] = {
        {"a=1; b=2; c=3", "b", "2"},
        {"a=1;b=2", "b", "2"},
        {"  a = 1 ;\tb\t=\t2 ", "b", "2"},
        {"a=1; b=2", "B", NULL},
        {"a=1", "", NULL},
        {"=1; a=2", "a", "2"},
        {"alone; a=2", "alone", NULL},
        {"a=", "a", ""},
        {"a=x=y==", "a", "x=y=="},
        {"a=\"q\"", "a", "\"q\""},
        {"", "a", NULL},
        {";;;", "a", NULL},
        {"aa=1; a=2", "a", "2"},
        {"a=1; a=1", "a", "1"},
        {"a=1; b=9; a=2", "a", NULL},
        {"__session=x; __session_abc=y", "__session", "x"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_secret got = VK_SECRET_NONE;
        bool found = vk_cookie_get(vk_str_z(cases[i].header), vk_str_z(cases[i].name), &got);
        assert_int_equal(found, cases[i].want != NULL);
        if (found)
            assert_true(vk_str_eqz(vk_secret_bytes(got), cases[i].want));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(cookies)};
    arena = vk_arena_new(1 << 20);
    int rc = arena ? cmocka_run_group_tests_name("form", tests, NULL, NULL) : 1;
    vk_arena_free(arena);
    return rc;
}
