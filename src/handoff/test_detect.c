#include "core/json_read.h"
#include "handoff/framework.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char *detect(const char *text)
{
    static char name[32];
    vk_arena *a = vk_arena_new(1 << 20);
    const vk_framework *f = NULL;
    vk_err e = vk_detect_package_json(a, vk_str_z(text), &f);
    snprintf(name, sizeof name, "%s", e == VK_OK ? f->name : vk_err_name(e));
    vk_arena_free(a);
    return name;
}

static void package_json(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"{\"dependencies\":{\"next\":\"16.0.0\",\"express\":\"5\"}}", "next"},
        {"{\"dependencies\":{\"express\":\"5\"},\"devDependencies\":{\"next\":\"16\"}}", "next"},
        {"{\"devDependencies\":{\"vite\":\"7\",\"@sveltejs/kit\":\"2\"}}", "sveltekit"},
        {"{\"devDependencies\":{\"vite\":\"7\"},\"dependencies\":{\"react\":\"19\"}}", "vite"},
        {"{\"dependencies\":{\"react-router\":\"7\"},\"devDependencies\":{\"vite\":\"7\"}}", "vite"},
        {"{\"dependencies\":{\"@react-router/node\":\"7\"},\"devDependencies\":{\"vite\":\"7\"}}",
         "react-router"},
        {"{\"dependencies\":{\"@remix-run/react\":\"2\",\"vite\":\"5\"}}", "remix"},
        {"{\"dependencies\":{\"@tanstack/react-start\":\"1\",\"vite\":\"5\"}}", "tanstack-start"},
        {"{\"dependencies\":{\"astro\":\"5\"}}", "astro"},
        {"{\"dependencies\":{\"nuxt\":\"4\"}}", "nuxt"},
        {"{\"dependencies\":{\"expo\":\"54\"}}", "expo"},
        {"{\"dependencies\":{\"hono\":\"4\"}}", "hono"},
        {"{\"dependencies\":{\"fastify\":\"5\"}}", "fastify"},
        {"{\"dependencies\":{\"express\":\"5\"}}", "express"},
        {"{\"name\":\"next\"}", "node"},
        {"{}", "node"},
        {"{\"dependencies\":null}", "node"},
        {"{\"dependencies\":[\"next\"]}", "node"},
        {"\xef\xbb\xbf{\"dependencies\":{\"astro\":\"5\"}}", "astro"},
        {"[]", "invalid"},
        {"", "invalid"},
        {"{\"dependencies\":", "invalid"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_string_equal(detect(cases[i].text), cases[i].want);
}

static void python(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"Django>=5.0\n", "django"},
        {"requests\nfastapi[standard]==0.115\n", "fastapi"},
        {"dependencies = [\"fastapi>=0.1\"]", "fastapi"},
        {"# django is not used\nflask\n", NULL},
        {"djangorestframework\n", NULL},
        {"my-django\n", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        const vk_framework *f = NULL;
        vk_err e = vk_detect_python(vk_str_z(cases[i].text), &f);
        if (cases[i].want) {
            assert_int_equal(e, VK_OK);
            assert_string_equal(f->name, cases[i].want);
        } else {
            assert_int_equal(e, VK_E_NOT_FOUND);
        }
    }
}

static void names(void **state)
{
    VK_UNUSED(state);
    assert_string_equal(vk_framework_find(VK_STR("NextJS"))->name, "next");
    assert_string_equal(vk_framework_find(VK_STR("vite-react"))->name, "vite");
    assert_null(vk_framework_find(VK_STR("rails")));
    assert_null(vk_framework_find(VK_STR("")));
    assert_null(vk_framework_find(VK_STR("nextjs next.js")));
    assert_non_null(strstr(vk_framework_names(), "next, vite"));
    assert_non_null(strstr(vk_framework_names(), "django"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(package_json),
        cmocka_unit_test(python),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
