#include "core/path_index.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *const rules[] = {"/v1/a",    "/v1/b/{}", "/v2/**", "/v1/Ax", "/**", "/v1",
                                    "/v1/{}/b", "/v1/:id",  "/",      "/v1/",   "",    "/v1/a/**"};

static const char *path_of(const void *table, size_t i)
{
    return ((const char *const *)table)[i];
}

static bool is_in(const vk_path_index *x, const char *path, size_t rule)
{
    unsigned s = vk_path_slot(vk_str_z(path));
    bool found = false;
    for (unsigned i = x->from[s]; i < x->from[s + 1]; i++) {
        assert_true(i == x->from[s] || x->rule[i - 1] < x->rule[i]); /* the first that fits decides */
        found = found || x->rule[i] == rule;
    }
    return found;
}

static void test_slots(void **state)
{
    VK_UNUSED(state);
    static vk_path_index x;
    /* Which rules must be left of those above, by their place. */
    static const struct {
        const char *path, *rules;
    } cases[] = {
        {"/v1/a", "aceghl"}, {"/V1/A/b", "aceghl"}, {"/v1/ax", "cdegh"}, {"/v1/AX/y", "cdegh"},
        {"/v1/b", "bcegh"},  {"/v1/B/c", "bcegh"},  {"/v1", "cefghijk"}, {"/v1/", "cefghijk"},
        {"/", "cefghijk"},   {"/v1/z", "cegh"},
    };
    assert_int_equal(vk_path_index_make(&x, path_of, rules, VK_COUNT(rules)), VK_OK);
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        for (const char *r = cases[i].rules; *r; r++)
            assert_true(is_in(&x, cases[i].path, (size_t)(*r - 'a')));
    assert_false(is_in(&x, "/v1/a", 1)); /* it does leave out most */
    assert_false(is_in(&x, "/v1/customers", 0));
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
    assert_int_equal(vk_path_index_make(&x, same, "/**", VK_PATH_RULES_MAX / VK_PATH_SLOTS + 1),
                     VK_E_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
