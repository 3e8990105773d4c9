/* Values of a binding's resource. */
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void is(const char *resource, const char *name, const char *want)
{
    const vk_binding b = {.resource = vk_str_z(resource)};
    vk_str got = vk_binding_value(&b, name);
    if (!want) {
        assert_int_equal(got.n, 0);
        return;
    }
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
}

static void test_values(void **state)
{
    VK_UNUSED(state);
    is("{}", "account", NULL);
    is("{\"account\":\"acct_1\"}", "account", "acct_1");
    is("{\"account\":\"acct_1\"}", "accoun", NULL);
    is("{\"a\":\"1\",\"account\":\"acct_1\",\"z\":\"2\"}", "account", "acct_1");
    is(" { \"a\" : \"1\" , \"b\" : \"2\" } ", "b", "2");
    is("{\"a\":\"1\",\"a\":\"2\"}", "a", "2");
    is("{\"a\":\"\"}", "a", NULL);
}

/* What stands in another's value is no value of its own. */
static void test_inside(void **state)
{
    VK_UNUSED(state);
    is("{\"x\":\"\\\",\\\"a\\\":\\\"1\"}", "a", NULL);
    is("{\"x\":\"account\",\"y\":\"account\"}", "account", NULL);
    is("{\"a\":\"1\\u0041\"}", "a", NULL);
    is("{\"a\":\"1\\u0041\",\"b\":\"2\"}", "b", "2");
}

static void test_broken(void **state)
{
    VK_UNUSED(state);
    static const char *const broken[] = {"",
                                         "[]",
                                         "{",
                                         "{\"a\"",
                                         "{\"a\":",
                                         "{\"a\":1}",
                                         "{\"a\":\"1\"",
                                         "{\"a\":\"1\" \"b\":\"2\"}",
                                         "{\"a\":\"1",
                                         "{\"a\":\"1\\"};
    for (size_t i = 0; i < VK_COUNT(broken); i++)
        is(broken[i], "a", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_inside),
                                       cmocka_unit_test(test_broken)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
