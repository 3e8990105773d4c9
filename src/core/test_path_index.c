#include "core/path_index.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *const rules[] = {"/v1/a",   "/v1/b/{}", "/v2/**", "/v1/Ax", "/**", "/v1",
                                    "/v1/{}/b", "/v1/:id",  "/",      "/v1/",   "",    "/v1/a/**"};

static const char *path_of(const void *table, size_t i)
{
    return ((const char *const *)table)[i];
}

/* The rules that are left for a path, as digits. */
static void has(const vk_path_index *x, const char *path, const char *wanted)
{
    char text[64];
    size_t n = 0;
    unsigned s = vk_path_slot(vk_str_z(path));
    for (unsigned i = x->from[s]; i < x->from[s + 1]; i++)
        text[n++] = (char)('a' + x->rule[i]);
    text[n] = '\0';
    assert_string_equal(text, wanted);
}

static void test_slots(void **state)
{
    VK_UNUSED(state);
    static vk_path_index x;
    assert_int_equal(vk_path_index_make(&x, path_of, rules, VK_COUNT(rules)), VK_OK);
    has(&x, "/v1/a", "acdeghl");
    has(&x, "/v1/axis", "acdeghl");
    has(&x, "/V1/A/b", "acdeghl");
    has(&x, "/v1/b", "bcegh");
    has(&x, "/v1", "cefghijk");
    has(&x, "/v1/", "cefghijk");
    has(&x, "/", "cefghijk");
    has(&x, "/v1/z", "cegh");
}

static const char *same(const void *table, size_t i)
{
    VK_UNUSED(i);
    return table;
}

static void test_too_many(void **state)
{
    VK_UNUSED(state);
    static vk_path_index x;
    assert_int_equal(vk_path_index_make(&x, same, "/v1/a", VK_PATH_RULES_MAX), VK_OK);
    assert_int_equal(vk_path_index_make(&x, same, "/v1/a", VK_PATH_RULES_MAX + 1), VK_E_TOO_LARGE);
    assert_int_equal(vk_path_index_make(&x, same, "/**", VK_PATH_RULES_MAX / VK_PATH_SLOTS), VK_OK);
    assert_int_equal(vk_path_index_make(&x, same, "/**", VK_PATH_RULES_MAX / VK_PATH_SLOTS + 1), VK_E_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
