#include "handoff/clerk.h"

#include "handoff/env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { ANY = VK_CLERK_MAJOR_ANY };

static void ranges(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *range;
        int major;
    } cases[] = {
        {"6.39.8", 6},
        {"^6.1.0", 6},
        {"~7", 7},
        {"7.x", 7},
        {"7.X.x", 7},
        {"v7.0.0", 7},
        {"=6.2.1", 6},
        {"^0.29.15", 0},
        {"7.9.17-canary.v20261101", 7},
        {">=6 <8", 7},
        {">= 6.0.0 < 7.0.0", 6},
        {">=6.0.0 <7.0.0-0", 6},
        {"<7.2", 7},
        {"<7", 6},
        {"<=7", 7},
        {">5 <=6.9", 6},
        {"6 || 7", 7},
        {"^7||^6", 7},
        {"6.1.0 - 7.2.0", 7},
        {"7.0.0 - 6", 6},
        {"^6 <9", 6},
        {"workspace:^6.0.0", 6},
        {"npm:@clerk/nextjs@6.1.0", 6},
        {"npm:@acme/fork@~7.1", 7},
        {"\t ^6.0.0 ", 6},
        /* no end, or no range */
        {">=6", ANY},
        {">6.1", ANY},
        {"6 || >=8", ANY},
        {"*", ANY},
        {"x", ANY},
        {"", ANY},
        {" ", ANY},
        {"latest", ANY},
        {"canary", ANY},
        {"<0", ANY},
        {"workspace:*", ANY},
        {"workspace:^", ANY},
        {"workspace:", ANY},
        {"npm:@clerk/nextjs", ANY},
        {"npm:", ANY},
        {"npm:@", ANY},
        {"catalog:", ANY},
        {"file:../6", ANY},
        {"link:6", ANY},
        {"git+ssh://host/6", ANY},
        {"github:acme/6#7", ANY},
        {"https://host/6.0.0.tgz", ANY},
        {"acme/6", ANY},
        {"6a.1", ANY},
        {"99999999999999999999", ANY},
        {"^", ANY},
        {"||", ANY},
        {"6||", ANY},
        {"-", ANY},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        if (vk_clerk_range_major(vk_str_z(cases[i].range)) != cases[i].major)
            fail_msg("%s: %d", cases[i].range, vk_clerk_range_major(vk_str_z(cases[i].range)));
    static char large[1 << 16];
    memset(large, '6', sizeof large);
    assert_int_equal(vk_clerk_range_major((vk_str){large, sizeof large}), ANY);
    assert_int_equal(vk_clerk_range_major((vk_str){"6\0.1", 4}), ANY);
    assert_int_equal(vk_clerk_range_major(VK_STR_NONE), ANY);
}

static void wanted(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text, *package;
        int js;
    } cases[] = {
        {"{\"dependencies\":{\"@clerk/nextjs\":\"^7.9.17\"}}", "@clerk/nextjs", 6},
        {"{\"dependencies\":{\"@clerk/nextjs\":\"6.39.8\"}}", "@clerk/nextjs", 5},
        {"{\"dependencies\":{\"@clerk/nextjs\":\"latest\"}}", "@clerk/nextjs", 6},
        {"{\"devDependencies\":{\"@clerk/nextjs\":\"^6\"}}", "@clerk/nextjs", 5},
        {"{\"dependencies\":{\"@clerk/nextjs\":\"^9\"}}", "@clerk/nextjs", 6},
        {"{\"dependencies\":{\"@clerk/clerk-react\":\"latest\"}}", "@clerk/clerk-react", 5},
        {"{\"dependencies\":{\"@clerk/react\":\"^6\"}}", "@clerk/react", 6},
        {"{\"dependencies\":{\"@clerk/react-router\":\"^2.4.0\"}}", "@clerk/react-router", 5},
        {"{\"dependencies\":{\"@clerk/react-router\":\"^3\",\"@clerk/react\":\"^6\"}}", "@clerk/react-router",
         6},
        {"{\"dependencies\":{\"@clerk/tanstack-react-start\":\"^0.29.0\"}}", "@clerk/tanstack-react-start",
         5},
        {"{\"dependencies\":{\"@clerk/astro\":\"~2\"}}", "@clerk/astro", 5},
        {"{\"dependencies\":{\"@clerk/nuxt\":\"^2\"}}", "@clerk/nuxt", 6},
        {"{\"dependencies\":{\"svelte-clerk\":\"0.8.7\"}}", "svelte-clerk", 5},
        {"{\"dependencies\":{\"@clerk/remix\":\"*\"}}", "@clerk/remix", 5},
        {"{\"dependencies\":{\"@clerk/backend\":\"^2\"}}", NULL, 6},
        {"\xef\xbb\xbf{\"name\":\"@clerk/nextjs\"}", NULL, 6},
        {"{\"dependencies\":[\"@clerk/nextjs\"]}", NULL, 6},
        {"{\"dependencies\":{\"@clerk/nextjs\":6}}", "@clerk/nextjs", 6},
        {"{\"dependencies\":{\"@clerk/nextjs\":{\"version\":\"6\"}}}", "@clerk/nextjs", 6},
        {"{\"dependencies\":null,\"valetkey\":true}", NULL, 6},
        {"{}", NULL, 6},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_arena *a = vk_arena_new(1 << 20);
        vk_clerk_sdk sdk;
        assert_int_equal(vk_clerk_sdk_wanted(a, vk_str_z(cases[i].text), &sdk), VK_OK);
        assert_int_equal(sdk.package == NULL, cases[i].package == NULL);
        if (sdk.package)
            assert_string_equal(sdk.package, cases[i].package);
        if (sdk.js != cases[i].js)
            fail_msg("%s: %d", cases[i].text, sdk.js);
        assert_false(sdk.runtime);
        vk_arena_free(a);
    }
    static const char *const bad[] = {"", "[]", "{\"dependencies\":", "\"@clerk/nextjs\"", "nul"};
    vk_arena *a = vk_arena_new(1 << 20);
    vk_clerk_sdk sdk;
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_int_equal(vk_clerk_sdk_wanted(a, vk_str_z(bad[i]), &sdk), VK_E_INVALID);
    assert_int_equal(vk_clerk_sdk_wanted(a, VK_STR("{\"valetkey\":{\"clerk\":\"runtime\"}}"), &sdk), VK_OK);
    assert_true(sdk.runtime);
    assert_int_equal(vk_clerk_sdk_wanted(a, VK_STR("{\"valetkey\":{\"clerk\":\"Runtime\"}}"), &sdk), VK_OK);
    assert_false(sdk.runtime);
    vk_arena_free(a);
}

/* What is installed counts more than what was asked for. */
static void installed(void **state)
{
    VK_UNUSED(state);
    vk_arena *a = vk_arena_new(1 << 20);
    vk_clerk_sdk sdk;
    assert_int_equal(vk_clerk_sdk_wanted(a, VK_STR("{\"dependencies\":{\"@clerk/nextjs\":\">=6\"}}"), &sdk),
                     VK_OK);
    assert_int_equal(sdk.js, 6);
    assert_int_equal(vk_clerk_sdk_installed(a, VK_STR("{\"version\":\"6.39.8\"}"), &sdk), VK_OK);
    assert_int_equal(sdk.js, 5);
    assert_int_equal(sdk.major, 6);
    static const char *const bad[] = {
        "{}", "[]", "{\"version\":7}", "{\"version\":\"seven\"}", "{\"version\":\"\"}", "x"};
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        assert_int_equal(vk_clerk_sdk_installed(a, vk_str_z(bad[i]), &sdk), VK_E_INVALID);
        assert_int_equal(sdk.major, 6);
    }
    assert_int_equal(vk_clerk_sdk_installed(a, VK_STR("{\"version\":\"7.9.17\"}"), &sdk), VK_OK);
    assert_int_equal(sdk.js, 6);
    vk_arena_free(a);
}

/* All that the auth service gives. */
static const vk_env_var canonical[] = {
    {"CLERK_PUBLISHABLE_KEY", {"pk", 2}, false},
    {"CLERK_SECRET_KEY", {"sk", 2}, true},
    {"CLERK_API_URL", {"http://a:1/b/d/bapi", 19}, false},
    {"CLERK_PROXY_URL", {"http://a:1/b/d", 14}, false},
    {"CLERK_JS_URL", {"http://a:1/npm/@clerk/clerk-js@6/dist/clerk.browser.js", 54}, false},
    {"CLERK_UI_URL", {"http://a:1/npm/@clerk/ui@1/dist/ui.browser.js", 45}, false},
    {"CLERK_SIGN_IN_URL", {"/sign-in", 8}, false},
    {"CLERK_SIGN_UP_URL", {"/sign-up", 8}, false},
    {"CLERK_TELEMETRY_DISABLED", {"1", 1}, false},
    {"CLERK_KEYLESS_DISABLED", {"1", 1}, false},
    {"CLERK_ENCRYPTION_KEY", {"ek", 2}, true},
    {"CLERK_WEBHOOK_SIGNING_SECRET", {"ws", 2}, true},
};

static void fit(vk_arena *a, const char *framework, const vk_clerk_sdk *sdk, char out[4096])
{
    vk_env_var vars[VK_ENV_MAX];
    size_t n, at = 0;
    const char *why = "";
    assert_int_equal(vk_env_rename(a, vk_framework_find(vk_str_z(framework)), canonical, VK_COUNT(canonical),
                                   vars, VK_ENV_MAX, &n, &why),
                     VK_OK);
    assert_int_equal(vk_clerk_fit(a, sdk, vars, n, &n), VK_OK);
    out[0] = '\0';
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(out + at, 4096 - at, "%s=" VK_STR_FMT "\n", vars[i].name,
                               VK_STR_ARG(vars[i].value));
    assert_true(at < 4096);
}

static void fitted(void **state)
{
    VK_UNUSED(state);
    static const vk_clerk_sdk newest = {.package = "@clerk/nextjs", .major = 7, .js = 6},
                              old = {.package = "@clerk/nextjs", .major = 6, .js = 5},
                              runtime = {.package = "@clerk/nextjs", .major = 7, .js = 6, .runtime = true};
    static const struct {
        const char *framework;
        const vk_clerk_sdk *sdk;
        const char *want;
    } cases[] = {
        {"next", &newest,
         "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk\nCLERK_SECRET_KEY=sk\nCLERK_API_URL=http://a:1/b/d/bapi\n"
         "NEXT_PUBLIC_CLERK_PROXY_URL=http://a:1/b/d\n"
         "NEXT_PUBLIC_CLERK_JS_URL=http://a:1/npm/@clerk/clerk-js@6/dist/clerk.browser.js\n"
         "NEXT_PUBLIC_CLERK_UI_URL=http://a:1/npm/@clerk/ui@1/dist/ui.browser.js\n"
         "NEXT_PUBLIC_CLERK_SIGN_IN_URL=/sign-in\nNEXT_PUBLIC_CLERK_SIGN_UP_URL=/sign-up\n"
         "NEXT_PUBLIC_CLERK_TELEMETRY_DISABLED=1\nNEXT_PUBLIC_CLERK_KEYLESS_DISABLED=1\n"
         "CLERK_ENCRYPTION_KEY=ek\nCLERK_WEBHOOK_SIGNING_SECRET=ws\n"},
        {"next", &old,
         "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk\nCLERK_SECRET_KEY=sk\nCLERK_API_URL=http://a:1/b/d/bapi\n"
         "NEXT_PUBLIC_CLERK_PROXY_URL=http://a:1/b/d\n"
         "NEXT_PUBLIC_CLERK_JS_URL=http://a:1/npm/@clerk/clerk-js@5/dist/clerk.browser.js\n"
         "NEXT_PUBLIC_CLERK_SIGN_IN_URL=/sign-in\nNEXT_PUBLIC_CLERK_SIGN_UP_URL=/sign-up\n"
         "NEXT_PUBLIC_CLERK_TELEMETRY_DISABLED=1\nNEXT_PUBLIC_CLERK_KEYLESS_DISABLED=1\n"
         "CLERK_ENCRYPTION_KEY=ek\nCLERK_WEBHOOK_SIGNING_SECRET=ws\n"},
        {"next", &runtime,
         "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk\nCLERK_SECRET_KEY=sk\nCLERK_API_URL=http://a:1/b/d/bapi\n"
         "VALETKEY_CLERK_PROXY_URL=http://a:1/b/d\n"
         "VALETKEY_CLERK_JS_URL=http://a:1/npm/@clerk/clerk-js@6/dist/clerk.browser.js\n"
         "VALETKEY_CLERK_UI_URL=http://a:1/npm/@clerk/ui@1/dist/ui.browser.js\n"
         "NEXT_PUBLIC_CLERK_SIGN_IN_URL=/sign-in\nNEXT_PUBLIC_CLERK_SIGN_UP_URL=/sign-up\n"
         "NEXT_PUBLIC_CLERK_TELEMETRY_DISABLED=1\nNEXT_PUBLIC_CLERK_KEYLESS_DISABLED=1\n"
         "CLERK_ENCRYPTION_KEY=ek\nCLERK_WEBHOOK_SIGNING_SECRET=ws\n"},
        {"remix", &old,
         "CLERK_PUBLISHABLE_KEY=pk\nCLERK_SECRET_KEY=sk\nCLERK_API_URL=http://a:1/b/d/bapi\n"
         "CLERK_PROXY_URL=http://a:1/b/d\nCLERK_JS=http://a:1/npm/@clerk/clerk-js@5/dist/clerk.browser.js\n"
         "CLERK_SIGN_IN_URL=/sign-in\nCLERK_SIGN_UP_URL=/sign-up\nCLERK_TELEMETRY_DISABLED=1\n"
         "CLERK_KEYLESS_DISABLED=1\nCLERK_ENCRYPTION_KEY=ek\nCLERK_WEBHOOK_SIGNING_SECRET=ws\n"},
    };
    char got[4096];
    vk_arena *a = vk_arena_new(1 << 20);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        fit(a, cases[i].framework, cases[i].sdk, got);
        assert_string_equal(got, cases[i].want);
    }
    /* Two names of one variable: both get the major; at run time there is one. */
    fit(a, "react-router", &old, got);
    assert_non_null(strstr(got, "\nVITE_CLERK_JS_URL=http://a:1/npm/@clerk/clerk-js@5/"));
    assert_non_null(strstr(got, "\nCLERK_JS_URL=http://a:1/npm/@clerk/clerk-js@5/"));
    assert_null(strstr(got, "UI_URL"));
    fit(a, "react-router", &runtime, got);
    const char *first = strstr(got, "VALETKEY_CLERK_JS_URL");
    assert_non_null(first);
    assert_null(strstr(first + 1, "VALETKEY_CLERK_JS_URL"));
    vk_arena_free(a);
}

/* Names that are read by the SDK of each framework; secrets never under a public prefix. */
static void names(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *framework, *names[6];
    } cases[] = {
        {"vite",
         {"VITE_CLERK_PUBLISHABLE_KEY", "VITE_CLERK_PROXY_URL", "VITE_CLERK_JS_URL", "CLERK_SECRET_KEY"}},
        {"astro",
         {"PUBLIC_CLERK_SIGN_IN_URL", "PUBLIC_CLERK_UI_URL", "PUBLIC_CLERK_KEYLESS_DISABLED",
          "CLERK_API_URL"}},
        {"sveltekit", {"PUBLIC_CLERK_API_URL", "PUBLIC_CLERK_PROXY_URL", "CLERK_WEBHOOK_SIGNING_SECRET"}},
        {"nuxt",
         {"NUXT_PUBLIC_CLERK_JS_URL", "NUXT_PUBLIC_CLERK_KEYLESS_DISABLED", "NUXT_CLERK_SECRET_KEY",
          "NUXT_CLERK_API_URL", "NUXT_CLERK_WEBHOOK_SIGNING_SECRET"}},
        {"tanstack-start",
         {"VITE_CLERK_PUBLISHABLE_KEY", "CLERK_PUBLISHABLE_KEY", "CLERK_SIGN_UP_URL",
          "CLERK_ENCRYPTION_KEY"}},
        {"expo", {"EXPO_PUBLIC_CLERK_PUBLISHABLE_KEY"}},
        {"hono", {"CLERK_PUBLISHABLE_KEY", "CLERK_JS_URL", "CLERK_TELEMETRY_DISABLED"}},
        {"django", {"CLERK_PUBLISHABLE_KEY", "CLERK_SECRET_KEY", "CLERK_API_URL"}},
    };
    vk_arena *a = vk_arena_new(1 << 20);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char got[4097], line[128];
        fit(a, cases[i].framework, &(vk_clerk_sdk){.js = VK_CLERK_JS_NEWEST}, got + 1);
        got[0] = '\n';
        for (size_t k = 0; k < VK_COUNT(cases[i].names) && cases[i].names[k]; k++) {
            snprintf(line, sizeof line, "\n%s=", cases[i].names[k]);
            if (!strstr(got, line))
                fail_msg("%s has no %s in %s", cases[i].framework, cases[i].names[k], got);
        }
    }
    for (size_t f = 0; f < vk_n_frameworks; f++) {
        vk_env_var vars[VK_ENV_MAX];
        size_t n;
        const char *why = "";
        assert_int_equal(
            vk_env_rename(a, &vk_frameworks[f], canonical, VK_COUNT(canonical), vars, VK_ENV_MAX, &n, &why),
            VK_OK);
        assert_true(n >= VK_COUNT(canonical));
        for (size_t i = 0; i < n; i++)
            assert_false(vars[i].secret && vk_env_name_public(vk_str_z(vars[i].name)));
    }
    vk_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges), cmocka_unit_test(wanted), cmocka_unit_test(installed),
        cmocka_unit_test(fitted), cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
