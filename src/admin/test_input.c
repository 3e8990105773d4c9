#include "admin/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void refused(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *body, *why;
    } cases[] = {
        {"[]", "must be a JSON object"},
        {"\"x\"", "must be a JSON object"},
        {"{", "not valid JSON"},
        {"{}x", "not valid JSON"},
        {"{\"id\":1}", "\"id\" must be"},
        {"{\"id\":\"\"}", "\"id\" must be"},
        {"{\"id\":\"A\"}", "\"id\" must be"},
        {"{\"id\":\"a_b\"}", "\"id\" must be"},
        {"{\"id\":\"-a\"}", "\"id\" must be"},
        {"{\"id\":\"a-\"}", "\"id\" must be"},
        {"{\"id\":\"../x\"}", "\"id\" must be"},
        {"{\"id\":\"a\\u0000b\"}", "\"id\" must be"},
        {"{\"id\":\"abcdefghijabcdefghijabcdefghijabc\"}", "\"id\" must be"},
        {"{\"id\":\"a\",\"id\":\"b\"}", "stands twice"},
        {"{\"framework\":\"rails\"}", "\"framework\" is unknown; known are next"},
        {"{\"framework\":3}", "\"framework\" is unknown"},
        {"{\"ttl\":59}", "\"ttl\" must be"},
        {"{\"ttl\":0}", "\"ttl\" must be"},
        {"{\"ttl\":-60}", "\"ttl\" must be"},
        {"{\"ttl\":60.5}", "\"ttl\" must be"},
        {"{\"ttl\":1e300}", "\"ttl\" must be"},
        {"{\"ttl\":315360001}", "\"ttl\" must be"},
        {"{\"ttl\":9223372036854775807}", "\"ttl\" must be"},
        {"{\"ttl\":\"3651d\"}", "\"ttl\" must be"},
        {"{\"ttl\":\"1s\"}", "\"ttl\" must be"},
        {"{\"ttl\":\"soon\"}", "\"ttl\" must be"},
        {"{\"ttl\":true}", "\"ttl\" must be"},
        {"{\"origins\":\"http://a\"}", "\"origins\" must be an array"},
        {"{\"origins\":[1]}", "\"origins\" must hold texts only"},
        {"{\"origins\":[\"http://a/b\"]}", "The origin \"http://a/b\" has a path"},
        {"{\"origins\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"]"
         "}",
         "17 entries; a build may have 16"},
        {"{\"Id\":\"a\"}", "\"Id\" is unknown; known are id, framework, origins, ttl and drivers"},
        {"{\"services\":[]}", "\"services\" is unknown"},
        {"{\"drivers\":[]}", "\"drivers\" must be an object"},
        {"{\"drivers\":{\"mail\":\"embedded\"}}", "\"mail\", which is not there"},
        {"{\"drivers\":{\"auth\":\"embedded\",\"auth\":\"embedded\"}}", "\"auth\" twice"},
        {"{\"drivers\":{\"auth\":1}}", "must be a text"},
        {"{\"drivers\":{\"auth\":{}}}", "must be a text"},
        {"{\"drivers\":{\"auth\":{\"driver\":\"embedded\",\"x\":1}}}", "\"x\" of a driver"},
        {"{\"drivers\":{\"auth\":\"nothing\"}}", "has no driver \"nothing\""},
        {"{\"drivers\":{\"auth\":{\"driver\":\"embedded\",\"resource\":{\"a\":\"b\"}}}}", "takes no values"},
        {"{\"\":1}", "\"\" is unknown"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_arena *a = vk_arena_new(1 << 20);
        vk_create c;
        const char *why = "";
        assert_int_equal(vk_create_parse(a, vk_str_z(cases[i].body), &c, &why), VK_E_INVALID);
        if (!strstr(why, cases[i].why))
            fail_msg("%s: %s", cases[i].body, why);
        vk_arena_free(a);
    }
}

static void taken(void **state)
{
    VK_UNUSED(state);
    vk_arena *a = vk_arena_new(1 << 20);
    vk_create c;
    const char *why;
    assert_int_equal(vk_create_parse(a, VK_STR(""), &c, &why), VK_OK);
    assert_null(c.id.p);
    assert_null(c.framework);
    assert_int_equal(c.ttl_ms, 0);
    assert_false(c.has_origins);
    assert_int_equal(
        vk_create_parse(a,
                        VK_STR("{\"id\":\"a-1\",\"framework\":\"nextjs\",\"ttl\":\"30d\",\"origins\":"
                               "[\"http://b\",\"HTTP://A:80\",\"http://a\"]}"),
                        &c, &why),
        VK_OK);
    assert_true(vk_str_eqz(c.id, "a-1"));
    assert_string_equal(c.framework->name, "next");
    assert_int_equal(c.ttl_ms, (int64_t)30 * 86400 * 1000);
    assert_int_equal(c.n_origins, 2);
    assert_true(vk_str_eqz(c.origins[0], "http://a"));
    assert_true(vk_str_eqz(c.origins[1], "http://b"));
    assert_int_equal(vk_create_parse(a, VK_STR("{\"ttl\":60,\"id\":null}"), &c, &why), VK_OK);
    assert_int_equal(c.ttl_ms, 60000);
    assert_null(c.id.p);
    assert_int_equal(vk_create_parse(a, VK_STR("{\"ttl\":315360000}"), &c, &why), VK_OK);
    vk_arena_free(a);
}

static void put_origins(void **state)
{
    VK_UNUSED(state);
    vk_arena *a = vk_arena_new(1 << 20);
    vk_create c;
    const char *why;
    assert_int_equal(vk_origins_parse(a, VK_STR("{\"origins\":[]}"), &c, &why), VK_OK);
    assert_int_equal(c.n_origins, 0);
    assert_int_equal(vk_origins_parse(a, VK_STR("{}"), &c, &why), VK_E_INVALID);
    assert_non_null(strstr(why, "missing"));
    assert_int_equal(vk_origins_parse(a, VK_STR("{\"origins\":null}"), &c, &why), VK_E_INVALID);
    assert_int_equal(vk_origins_parse(a, VK_STR(""), &c, &why), VK_E_INVALID);
    assert_int_equal(vk_origins_parse(a, VK_STR("{\"origins\":[],\"id\":\"a\"}"), &c, &why), VK_E_INVALID);
    assert_non_null(strstr(why, "\"id\" is unknown; known are origins"));
    vk_arena_free(a);
}

static void digest_of(const char *body, uint8_t out[VK_SHA256])
{
    vk_arena *a = vk_arena_new(1 << 20);
    vk_create c;
    const char *why;
    assert_int_equal(vk_create_parse(a, vk_str_z(body), &c, &why), VK_OK);
    vk_create_digest(&c, out);
    vk_arena_free(a);
}

static void digests(void **state)
{
    VK_UNUSED(state);
    uint8_t x[VK_SHA256], y[VK_SHA256];
    static const char *const same[][2] = {
        {"", "{}"},
        {"{\"id\":\"a\",\"ttl\":86400}", " { \"ttl\" : \"1d\", \"id\" : \"a\" } "},
        {"{\"origins\":[\"http://b\",\"http://a\"]}",
         "{\"origins\":[\"http://A\",\"http://b:80\",\"http://a\"]}"},
        {"{\"framework\":\"next\"}", "{\"framework\":\"NextJS\"}"},
        {"{}", "{\"drivers\":{}}"},
        {"{\"drivers\":{\"storage\":\"embedded\",\"auth\":{\"driver\":\"embedded\",\"resource\":{}}}}",
         "{\"drivers\":{\"auth\":\"embedded\",\"storage\":\"embedded\"}}"},
    };
    static const char *const other[][2] = {
        {"{}", "{\"origins\":[]}"},
        {"{\"id\":\"a\"}", "{\"id\":\"b\"}"},
        {"{\"id\":\"next\"}", "{\"framework\":\"next\"}"},
        {"{\"ttl\":60}", "{\"ttl\":61}"},
        {"{}", "{\"drivers\":{\"database\":\"embedded\"}}"},
        {"{\"drivers\":{\"database\":\"embedded\"}}", "{\"drivers\":{\"storage\":\"embedded\"}}"},
        {"{\"origins\":[\"http://a\"]}", "{\"origins\":[\"https://a\"]}"},
    };
    for (size_t i = 0; i < VK_COUNT(same); i++) {
        digest_of(same[i][0], x);
        digest_of(same[i][1], y);
        assert_memory_equal(x, y, sizeof x);
    }
    for (size_t i = 0; i < VK_COUNT(other); i++) {
        digest_of(other[i][0], x);
        digest_of(other[i][1], y);
        assert_memory_not_equal(x, y, sizeof x);
    }
}

static void fits(void **state)
{
    VK_UNUSED(state);
    vk_build b = {.id = "demo",
                  .framework = "vite",
                  .ttl_ms = 3600000,
                  .n_origins = 1,
                  .origins = {VK_STR("http://a")}};
    const vk_binding bindings[] = {
        {.service = "database", .driver = "embedded", .resource = VK_STR("{}"), .version = 3},
        {.service = "payments", .driver = "stripe", .resource = VK_STR("{\"soft\":\"yes\"}")}};
    static const struct {
        const char *body;
        bool fits;
    } cases[] = {
        {"{}", true},
        {"{\"id\":\"demo\"}", true},
        {"{\"id\":\"demo\",\"framework\":\"vite\",\"ttl\":\"1h\",\"origins\":[\"http://a\"]}", true},
        {"{\"id\":\"other\"}", false},
        {"{\"framework\":\"next\"}", false},
        {"{\"ttl\":3601}", false},
        {"{\"origins\":[]}", false},
        {"{\"origins\":[\"http://b\"]}", false},
        {"{\"origins\":[\"http://a\",\"http://b\"]}", false},
        {"{\"drivers\":{}}", true},
        {"{\"drivers\":{\"database\":\"embedded\",\"storage\":\"embedded\"}}", true},
        {"{\"drivers\":{\"payments\":{\"driver\":\"embedded\"}}}", false},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_arena *a = vk_arena_new(1 << 20);
        vk_create c;
        const char *why;
        assert_int_equal(vk_create_parse(a, vk_str_z(cases[i].body), &c, &why), VK_OK);
        assert_int_equal(vk_create_fits(&c, &b, bindings, VK_COUNT(bindings)), cases[i].fits);
        vk_arena_free(a);
    }
}

static void idem_keys(void **state)
{
    VK_UNUSED(state);
    char text[300];
    memset(text, 'x', sizeof text);
    assert_true(vk_idem_ok(VK_STR("a")));
    assert_true(vk_idem_ok((vk_str){text, 255}));
    assert_false(vk_idem_ok((vk_str){text, 256}));
    assert_false(vk_idem_ok(VK_STR("")));
    assert_false(vk_idem_ok(VK_STR("a b")));
    assert_false(vk_idem_ok(VK_STR("\xc3\xa4")));
}

static void bodies_of_keys(void **state)
{
    VK_UNUSED(state);
    static const vk_driver paper = {.name = "paper"};
    static const vk_driver *const drivers[] = {&paper, NULL};
    static const vk_service s = {.name = "payments", .driver = "embedded", .drivers = drivers};
    static const struct {
        const char *body, *why; /* why NULL: taken */
    } cases[] = {
        {"{\"driver\":\"embedded\"}", NULL},
        {"{\"driver\":\"paper\",\"resource\":{\"a\":\"b\"},\"sealed\":\"QQ==\"}", NULL},
        {"{\"driver\":\"paper\",\"resource\":null,\"sealed\":null}", NULL},
        {"", "not valid JSON"},
        {"[]", "must be a JSON object"},
        {"{}", "\"driver\" must be"},
        {"{\"driver\":7}", "\"driver\" must be"},
        {"{\"driver\":\"rock\"}", "no driver \"rock\""},
        {"{\"driver\":\"paper\",\"x\":1}", "\"x\" is unknown"},
        {"{\"driver\":\"paper\",\"driver\":\"paper\"}", "stands twice"},
        {"{\"driver\":\"paper\",\"resource\":[]}", "\"resource\" must be"},
        {"{\"driver\":\"paper\",\"sealed\":1}", "\"sealed\" must be"},
        {"{\"driver\":\"paper\",\"sealed\":\"\"}", "\"sealed\" must be"},
        {"{\"driver\":\"embedded\",\"sealed\":\"QQ==\"}", "takes no values"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_arena *a = vk_arena_new(1 << 20);
        vk_rebind r;
        const char *why = "";
        vk_err e = vk_rebind_parse(a, &s, vk_str_z(cases[i].body), &r, &why);
        if (e != (cases[i].why ? VK_E_INVALID : VK_OK) || (cases[i].why && !strstr(why, cases[i].why)))
            fail_msg("%s: %s", cases[i].body, why);
        vk_arena_free(a);
    }
    vk_arena *a = vk_arena_new(1 << 20);
    vk_str sealed;
    const char *why;
    assert_int_equal(vk_sealed_parse(a, VK_STR("{\"sealed\":\"QQ==\"}"), &sealed, &why), VK_OK);
    assert_true(vk_str_eqz(sealed, "QQ=="));
    static const char *const wrong[] = {"", "{}", "[]", "{\"sealed\":null}", "{\"sealed\":\"QQ==\",\"a\":1}"};
    for (size_t i = 0; i < VK_COUNT(wrong); i++)
        assert_int_equal(vk_sealed_parse(a, vk_str_z(wrong[i]), &sealed, &why), VK_E_INVALID);
    vk_str salt;
    assert_int_equal(vk_salt_parse(a, VK_STR("{\"salt\":\"00112233445566778899aabbccddeeff\"}"), &salt, &why),
                     VK_OK);
    static const char *const no_salt[] = {"",
                                          "{}",
                                          "{\"salt\":7}",
                                          "{\"salt\":\"00\"}",
                                          "{\"salt\":\"00112233445566778899AABBCCDDEEFF\"}",
                                          "{\"salt\":\"00112233445566778899aabbccddeef\\u0000\"}"};
    for (size_t i = 0; i < VK_COUNT(no_salt); i++)
        assert_int_equal(vk_salt_parse(a, vk_str_z(no_salt[i]), &salt, &why), VK_E_INVALID);
    vk_arena_free(a);
}

static void snapshots(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *body, *name; /* NULL: refused */
        bool automatic;
    } cases[] = {
        {"", "", false},
        {"{}", "", false},
        {"{\"name\":null}", "", false},
        {"{\"name\":\"a\"}", "a", false},
        {"{\"automatic\":true,\"name\":\"../a\"}", "../a", true}, /* the service judges it */
        {"[]", NULL, false},
        {"{", NULL, false},
        {"{\"name\":7}", NULL, false},
        {"{\"name\":\"\"}", NULL, false},
        {"{\"automatic\":1}", NULL, false},
        {"{\"Name\":\"a\"}", NULL, false},
        {"{\"name\":\"a\",\"name\":\"b\"}", NULL, false},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_arena *a = vk_arena_new(1 << 20);
        const char *why = NULL;
        vk_str name;
        bool automatic;
        vk_err e = vk_snapshot_parse(a, vk_str_z(cases[i].body), &name, &automatic, &why);
        assert_int_equal(e, cases[i].name ? VK_OK : VK_E_INVALID);
        if (e == VK_OK) {
            assert_true(vk_str_eqz(name, cases[i].name));
            assert_int_equal(automatic, cases[i].automatic);
        } else {
            assert_true(why && strlen(why) > 10);
        }
        vk_arena_free(a);
    }
}

static void provide(void **state)
{
    vk_str service;
    const char *why;
    VK_UNUSED(state);
    vk_arena *m = vk_arena_new(1 << 20);
    assert_non_null(m);
    assert_int_equal(vk_provide_parse(m, VK_STR(""), &service, &why), VK_OK);
    assert_int_equal(service.n, 0);
    assert_int_equal(vk_provide_parse(m, VK_STR("{\"service\":null}"), &service, &why), VK_OK);
    assert_int_equal(vk_provide_parse(m, VK_STR("{\"service\":\"database\"}"), &service, &why), VK_OK);
    assert_true(vk_str_eqz(service, "database"));
    static const char *const wrong[] = {"[]",
                                        "{",
                                        "{\"service\":1}",
                                        "{\"service\":\"\"}",
                                        "{\"service\":\"a\",\"service\":\"a\"}",
                                        "{\"services\":\"a\"}"};
    for (size_t i = 0; i < VK_COUNT(wrong); i++)
        assert_int_equal(vk_provide_parse(m, vk_str_z(wrong[i]), &service, &why), VK_E_INVALID);
    vk_arena_free(m);
}

static void sweep(void **state)
{
    vk_sweep x;
    const char *why;
    char many[1024] = "{\"vendor\":\"turso\",\"delete\":[\"a\"";
    VK_UNUSED(state);
    vk_arena *m = vk_arena_new(1 << 20);
    assert_non_null(m);
    assert_int_equal(vk_sweep_parse(m, VK_STR("{\"vendor\":\"turso\"}"), &x, &why), VK_OK);
    assert_true(vk_str_eqz(x.vendor, "turso") && !x.names);
    assert_int_equal(vk_sweep_parse(m, VK_STR("{\"vendor\":\"turso\",\"delete\":[\"a\",\"b\"]}"), &x, &why),
                     VK_OK);
    assert_true(vk_str_eqz(x.names->u.s, "a") && vk_str_eqz(x.names->next->u.s, "b"));
    static const char *const wrong[] = {"",
                                        "{}",
                                        "{\"vendor\":1}",
                                        "{\"vendor\":\"turso\",\"delete\":\"a\"}",
                                        "{\"vendor\":\"turso\",\"delete\":[1]}",
                                        "{\"vendor\":\"turso\",\"delete\":[\"\"]}",
                                        "{\"vendor\":\"turso\",\"all\":true}"};
    for (size_t i = 0; i < VK_COUNT(wrong); i++)
        assert_int_equal(vk_sweep_parse(m, vk_str_z(wrong[i]), &x, &why), VK_E_INVALID);
    size_t at = strlen(many);
    for (int i = 0; i < VK_SWEEP_NAMES; i++)
        at += (size_t)snprintf(many + at, sizeof many - at, ",\"a\"");
    snprintf(many + at, sizeof many - at, "]}");
    assert_int_equal(vk_sweep_parse(m, vk_str_z(many), &x, &why), VK_E_INVALID);
    vk_arena_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(provide),        cmocka_unit_test(sweep),
                                       cmocka_unit_test(refused),        cmocka_unit_test(taken),
                                       cmocka_unit_test(put_origins),    cmocka_unit_test(digests),
                                       cmocka_unit_test(fits),           cmocka_unit_test(idem_keys),
                                       cmocka_unit_test(bodies_of_keys), cmocka_unit_test(snapshots)};
    if (vk_digest_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
