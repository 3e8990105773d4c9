/* Merging of metadata: RFC 7396's own examples, and the limits. */
#include "services/auth/metadata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static vk_arena *a;

static const vk_json *parsed(const char *text)
{
    vk_json *o;
    assert_int_equal(vk_json_parse(a, vk_str_z(text), &o, NULL, NULL), VK_OK);
    return o;
}

static void merges(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *base, *change, *result;
    } cases[] = {
        /* RFC 7396, appendix A: those of objects */
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        /* an object where there was none, and the other way round */
        {"{\"a\":1}", "{\"a\":{\"b\":null,\"c\":2}}", "{\"a\":{\"c\":2}}"},
        {"{\"a\":{\"b\":1}}", "{\"a\":2}", "{\"a\":2}"},
        /* the order stays, new ones come last; nothing to do is nothing */
        {"{\"z\":1,\"a\":2,\"m\":3}", "{\"q\":5,\"m\":4,\"b\":6}",
         "{\"z\":1,\"a\":2,\"m\":4,\"q\":5,\"b\":6}"},
        {"{\"z\":1,\"a\":{}}", "{}", "{\"z\":1,\"a\":{}}"},
        {"{\"z\":1,\"a\":{\"x\":1}}", "{\"a\":{}}", "{\"z\":1,\"a\":{\"x\":1}}"},
        {"{}", "{}", "{}"},
        {"{}", "{\"a\":null}", "{}"},
        /* of one name the last one counts */
        {"{\"a\":1,\"b\":2,\"a\":3}", "{}", "{\"b\":2,\"a\":3}"},
        {"{\"a\":1}", "{\"a\":2,\"a\":null}", "{}"},
        {"{\"a\":1}", "{\"a\":null,\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"},
        {"{}", "{\"b\":1,\"c\":2,\"b\":3}", "{\"c\":2,\"b\":3}"},
        /* names that are parts of each other, and odd ones */
        {"{\"ab\":1,\"a\":2,\"\":3,\"abc\":4}", "{\"a\":null,\"abc\":5,\"\":6}",
         "{\"ab\":1,\"\":6,\"abc\":5}"},
        {"{\"\\u0000\":1,\"\\u0000a\":2}", "{\"\\u0000\":null}", "{\"\\u0000a\":2}"},
        {"{\"__proto__\":{\"x\":1}}", "{\"__proto__\":{\"y\":2}}", "{\"__proto__\":{\"x\":1,\"y\":2}}"},
        {"{\"n\":1.5,\"t\":true,\"s\":\"\\\"\"}", "{\"n\":-2e3,\"u\":\"\xc3\xa4\"}",
         "{\"n\":-2000,\"t\":true,\"s\":\"\\\"\",\"u\":\"\xc3\xa4\"}"},
    };
    vk_str out;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        assert_int_equal(vk_auth_metadata_merge(a, vk_str_z(cases[i].base), parsed(cases[i].change), &out),
                         VK_OK);
        assert_string_equal(out.p, cases[i].result); /* the arena puts a NUL behind it */
    }
}

static void large_ones(void **state)
{
    VK_UNUSED(state);
    enum { N = 5000 };
    char *text = vk_arena_alloc(a, 64 * N), *change = vk_arena_alloc(a, 64 * N);
    size_t n = 1, m = 1;
    assert_true(text && change);
    vk_str out, none = VK_STR("none");
    text[0] = change[0] = '{';
    for (int i = 0; i < N; i++) { /* every second one goes, every third one is new */
        n += (size_t)snprintf(text + n, 32, "%s\"%d\":1", i ? "," : "", i);
        m += (size_t)snprintf(change + m, 32, "%s\"%d\":%s", i ? "," : "", i, i % 2 ? "1" : "null");
    }
    text[n] = change[m] = '}';
    text[n + 1] = change[m + 1] = '\0';
    assert_int_equal(vk_auth_metadata_merge(a, (vk_str){text, n + 1}, parsed(change), &out), VK_OK);
    const vk_json *got = parsed(out.p);
    assert_int_equal(got->count, N / 2);

    /* 1 byte below the limit, at it, and beyond */
    for (int more = -1; more <= 1; more++) {
        size_t want = (size_t)(VK_AUTH_METADATA_MAX + more), fill = want - strlen("{\"a\":1,\"b\":\"\"}");
        char *b = vk_arena_alloc(a, fill + 16);
        assert_non_null(b);
        memcpy(b, "{\"b\":\"", 6);
        memset(b + 6, 'x', fill);
        memcpy(b + 6 + fill, "\"}", 3);
        out = none;
        vk_err e = vk_auth_metadata_merge(a, VK_STR("{\"a\":1}"), parsed(b), &out);
        assert_int_equal(e, more > 0 ? VK_E_TOO_LARGE : VK_OK);
        assert_int_equal(out.n, more > 0 ? none.n : want);
    }
}

static void deep_ones(void **state)
{
    VK_UNUSED(state);
    char text[VK_JSON_DEPTH_MAX * 6 + 8], change[VK_JSON_DEPTH_MAX * 6 + 8];
    size_t n = 0, m = 0;
    vk_str out;
    for (int i = 0; i < VK_JSON_DEPTH_MAX - 1; i++) {
        memcpy(text + n, "{\"a\":", 5);
        memcpy(change + m, "{\"a\":", 5);
        n += 5;
        m += 5;
    }
    n += (size_t)snprintf(text + n, 4, "{}");
    m += (size_t)snprintf(change + m, 4, "{}");
    memset(text + n, '}', VK_JSON_DEPTH_MAX - 1);
    memset(change + m, '}', VK_JSON_DEPTH_MAX - 1);
    text[n + VK_JSON_DEPTH_MAX - 1] = change[m + VK_JSON_DEPTH_MAX - 1] = '\0';
    assert_int_equal(vk_auth_metadata_merge(a, vk_str_z(text), parsed(change), &out), VK_OK);
    assert_string_equal(out.p, text);
    assert_int_equal(vk_auth_metadata_merge(a, VK_STR("{}"), parsed(change), &out), VK_OK);
    assert_string_equal(out.p, text);
    parsed(out.p); /* and it can be read again */
}

static void texts(void **state)
{
    VK_UNUSED(state);
    vk_str out;
    assert_int_equal(vk_auth_metadata_text(a, NULL, &out), VK_OK);
    assert_string_equal(out.p, "{}");
    assert_int_equal(vk_auth_metadata_text(a, parsed("{ \"a\" : [ 1, null, {\"b\":null} ] }"), &out), VK_OK);
    assert_string_equal(out.p, "{\"a\":[1,null,{\"b\":null}]}");
}

static void what_is_none(void **state)
{
    VK_UNUSED(state);
    static const char *const bases[] = {"", "[]", "1", "null", "{", "{}x"};
    vk_str out = VK_STR("left alone");
    for (size_t i = 0; i < VK_COUNT(bases); i++)
        assert_int_equal(vk_auth_metadata_merge(a, vk_str_z(bases[i]), parsed("{\"a\":1}"), &out),
                         VK_E_CORRUPT);
    assert_string_equal(out.p, "left alone");
}

static void little_memory(void **state)
{
    VK_UNUSED(state);
    static char text[10000];
    vk_str out = VK_STR("left alone");
    size_t n = (size_t)snprintf(text, sizeof text, "{\"a\":\"");
    memset(text + n, 'x', 9000);
    memcpy(text + n + 9000, "\"}", 3);
    const vk_json *change = parsed("{\"b\":1}");
    vk_arena *tight = vk_arena_new(4096);
    assert_non_null(tight);
    assert_int_equal(vk_auth_metadata_merge(tight, vk_str_z(text), change, &out), VK_E_NOMEM);
    vk_arena_free(tight);
    assert_string_equal(out.p, "left alone");
}

static int begin(void **state)
{
    VK_UNUSED(state);
    a = vk_arena_new(32 << 20);
    return a ? 0 : -1;
}

static int end(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(a);
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(merges), T(large_ones), T(deep_ones), T(texts), T(what_is_none), T(little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
