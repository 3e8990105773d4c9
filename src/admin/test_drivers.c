#include "admin/drivers.h"

#include "keeper/vendors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* "stripe" and "turso" are keeper's vendors, "paper" is nobody's. */
static const char *isolation(const vk_binding *b)
{
    return strstr(b->resource.p, "soft") ? "shared account" : "an account of its own";
}

static const char *refused(const vk_binding *b)
{
    return strstr(b->resource.p, "account") || strstr(b->resource.p, "soft")
               ? NULL
               : "Name the build's account, or say soft=yes";
}

static const vk_driver stripe = {.name = "stripe", .isolation = isolation, .refused = refused};
static const vk_driver paper = {.name = "paper"}, turso = {.name = "turso"};
static const vk_driver *const drivers[] = {&stripe, &paper, &turso, NULL};
static const vk_service shop = {.name = "payments", .driver = "embedded", .drivers = drivers};
static const vk_service plain = {.name = "notes", .driver = "embedded"};

static vk_arena *a;

static int set_up(void **state)
{
    VK_UNUSED(state);
    a = vk_arena_new(1 << 20);
    return a ? 0 : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(a);
    return 0;
}

static void parsed(const vk_service *s, const char *text, const char *driver, const char *resource)
{
    vk_binding b;
    const char *why = "";
    if (vk_driver_parse(a, s, vk_str_z(text), &b, &why) != VK_OK)
        fail_msg("%s: %s", text, why);
    assert_string_equal(b.service, s->name);
    assert_string_equal(b.driver, driver);
    assert_true(vk_str_eqz(b.resource, resource));
}

static void not_parsed(const vk_service *s, const char *text, const char *says)
{
    vk_binding b;
    const char *why = "";
    assert_int_equal(vk_driver_parse(a, s, vk_str_z(text), &b, &why), VK_E_INVALID);
    if (!strstr(why, says))
        fail_msg("%s: %s", text, why);
}

static void texts(void **state)
{
    VK_UNUSED(state);
    parsed(&plain, "embedded", "embedded", "{}");
    parsed(&shop, " embedded ", "embedded", "{}");
    parsed(&shop, "stripe,soft=yes", "stripe", "{\"soft\":\"yes\"}");
    parsed(&shop, "stripe soft=yes, account=acct_1234567890", "stripe",
           "{\"account\":\"acct_1234567890\",\"soft\":\"yes\"}");
    parsed(&shop, "paper,b=2,a=\"1\\,ab=x=y", "paper", "{\"a\":\"\\\"1\\\\\",\"ab\":\"x=y\",\"b\":\"2\"}");
    not_parsed(&plain, "stripe", "\"notes\" has no driver \"stripe\"; it has embedded");
    not_parsed(&shop, "square", "no driver \"square\"; it has embedded, stripe, paper, turso");
    not_parsed(&shop, "", "no driver \"\"");
    not_parsed(&shop, "embedded,a=b", "takes no values");
    if (!vk_vendor_of(VK_STR("stripe"))->provisioner)
        not_parsed(&shop, "stripe", "soft=yes");
    not_parsed(&shop, "stripe,soft", "must look like");
    not_parsed(&shop, "stripe,soft=no", "It is yes");
    not_parsed(&shop, "stripe,soft=yes,soft=yes", "stands twice");
    not_parsed(&shop, "stripe,colour=red", "it has account, soft");
    not_parsed(&shop, "paper,A=1", "a-z, 0-9");
    not_parsed(&shop, "paper,=1", "a-z, 0-9");
    not_parsed(&shop, "paper,a=", "visible ASCII");
    not_parsed(&shop, "paper,a=\x7f", "visible ASCII");
    not_parsed(&shop, "paper,a=\xc3\xa4", "visible ASCII");
    if (!vk_vendor_of(VK_STR("turso"))->provisioner)
        not_parsed(&shop, "turso", "\"hostname\"");
    not_parsed(&shop, "turso,hostname=a.turso.io,database_token=eyJx.y.z", "is a secret");
    parsed(&shop, "turso,hostname=a.turso.io", "turso", "{\"hostname\":\"a.turso.io\"}");
    not_parsed(&shop, "paper,a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1", "at most 8");
}

static void no_value_is_told(void **state)
{
    VK_UNUSED(state);
    vk_binding b;
    const char *why = "";
    static const char *const wrong[] = {"turso,hostname=a.b.io,database_token=eyJSECRET.y.z",
                                        "paper,a=eyJSECRET.y.z,a=eyJSECRET.y.z", "stripe,account=SECRET",
                                        "stripe,soft=SECRET", "paper,SECRET"};
    for (size_t i = 0; i < VK_COUNT(wrong); i++) {
        assert_int_equal(vk_driver_parse(a, &shop, vk_str_z(wrong[i]), &b, &why), VK_E_INVALID);
        assert_null(strstr(why, "SECRET"));
    }
}

static vk_err chosen(const char *driver, const char *json, vk_binding *b, const char **why)
{
    vk_json *o;
    assert_int_equal(vk_json_parse(a, vk_str_z(json), &o, NULL, NULL), VK_OK);
    return vk_driver_choose(a, &shop, vk_str_z(driver), o, b, why);
}

static void objects(void **state)
{
    VK_UNUSED(state);
    vk_binding b;
    const char *why = "";
    assert_int_equal(chosen("paper", "{\"b\":\"2\",\"a\":\"1\"}", &b, &why), VK_OK);
    assert_true(vk_str_eqz(b.resource, "{\"a\":\"1\",\"b\":\"2\"}"));
    assert_int_equal(chosen("paper", "[]", &b, &why), VK_E_INVALID);
    assert_int_equal(chosen("paper", "{\"a\":1}", &b, &why), VK_E_INVALID);
    assert_int_equal(chosen("paper", "{\"a\":{}}", &b, &why), VK_E_INVALID);
    assert_int_equal(chosen("paper", "{\"a\":\"1\",\"a\":\"2\"}", &b, &why), VK_E_INVALID);
    assert_int_equal(chosen("paper", "{\"a\":\"x\\u0000\"}", &b, &why), VK_E_INVALID);
    assert_int_equal(vk_driver_choose(a, &shop, VK_STR("embedded"), NULL, &b, &why), VK_OK);
    vk_str large =
        vk_arena_printf(a, "{\"a\":\"%0*d\",\"b\":\"%0*d\",\"c\":\"%0*d\"}", 2048, 0, 2048, 0, 2048, 0);
    assert_int_equal(chosen("paper", large.p, &b, &why), VK_E_INVALID);
    assert_non_null(strstr(why, "longer than"));
}

static void labels(void **state)
{
    VK_UNUSED(state);
    vk_binding b;
    const char *why = "";
    vk_buf out;
    vk_buf_init(&out, 4096);
    vk_jw w = vk_jw_on(&out);
    assert_int_equal(vk_driver_parse(a, &shop, VK_STR("stripe,soft=yes"), &b, &why), VK_OK);
    assert_true(vk_driver_shared(&shop, &b));
    b.version = 3;
    vk_jw_obj(&w);
    vk_driver_members(&w, &shop, &b);
    vk_jw_obj_end(&w);
    assert_true(vk_str_eqz(vk_buf_view(&out),
                           "{\"driver\":\"stripe\",\"isolation\":\"shared account\",\"shared\":"
                           "true,\"resource\":{\"soft\":\"yes\"},\"version\":3}"));
    assert_int_equal(vk_driver_parse(a, &shop, VK_STR("stripe,account=acct_1234567890"), &b, &why), VK_OK);
    assert_false(vk_driver_shared(&shop, &b));
    assert_int_equal(vk_driver_parse(a, &shop, VK_STR("embedded"), &b, &why), VK_OK);
    assert_null(vk_driver_isolation(&shop, &b));
    /* what is one build's alone, and what several say that they share */
    vk_str value;
    assert_int_equal(vk_driver_parse(a, &shop, VK_STR("stripe,account=acct_1234567890"), &b, &why), VK_OK);
    assert_string_equal(vk_driver_alone(&b, &value), "account");
    assert_true(vk_str_eqz(value, "acct_1234567890") && !vk_driver_says_shared(&b));
    assert_int_equal(vk_driver_parse(a, &shop, VK_STR("stripe,account=acct_1234567890,shared=yes"), &b, &why),
                     VK_OK);
    assert_true(vk_driver_says_shared(&b) && vk_driver_shared(&shop, &b));
    assert_string_equal(vk_driver_isolation(&shop, &b), "shared with other builds");
    assert_int_equal(vk_driver_parse(a, &shop, VK_STR("stripe,soft=yes"), &b, &why), VK_OK);
    assert_null(vk_driver_alone(&b, &value));
    b = (vk_binding){.driver = "turso", .resource = VK_STR("{\"hostname\":\"http://127.0.0.1:1\"}")};
    assert_null(vk_driver_alone(&b, &value));
    b.resource = VK_STR("{\"hostname\":\"a-b.turso.io\"}");
    assert_string_equal(vk_driver_alone(&b, &value), "hostname");
    static const struct {
        const char *driver, *resource;
        bool needs;
    } secrets[] = {{"turso", "{}", true},
                   {"turso", "{\"hostname\":\"a-b.turso.io\"}", true},
                   {"clerk", "{}", false},
                   {"clerk", "{\"publishable_key\":\"pk_test_x\"}", true},
                   {"stripe", "{\"account\":\"acct_1234567890\"}", false},
                   {"paper", "{}", false},
                   {"embedded", "{}", false}};
    for (size_t i = 0; i < VK_COUNT(secrets); i++) {
        b = (vk_binding){.resource = vk_str_z(secrets[i].resource)};
        snprintf(b.driver, sizeof b.driver, "%s", secrets[i].driver);
        assert_int_equal(vk_driver_needs_secrets(&b), secrets[i].needs);
    }
    vk_buf_free(&out);
}

/* ---- what keeper makes */

static vk_binding bound(const char *driver, const char *resource)
{
    vk_binding b = {.service = "payments", .resource = vk_str_z(resource), .version = 3};
    snprintf(b.driver, sizeof b.driver, "%s", driver);
    return b;
}

static const vk_json *object(const char *text)
{
    vk_json *o;
    assert_int_equal(vk_json_parse(a, vk_str_z(text), &o, NULL, NULL), VK_OK);
    return o;
}

static void made(void **state)
{
    VK_UNUSED(state);
    bool turso_makes = vk_vendor_of(VK_STR("turso"))->provisioner;
    vk_binding b = bound("turso", "{}");
    assert_int_equal(vk_driver_makes(&b), turso_makes);
    assert_int_equal(vk_driver_may_have(&b), turso_makes);
    b = bound("turso", "{\"delivery\":\"direct\",\"kept\":\"neon\",\"shared\":\"yes\"}");
    assert_int_equal(vk_driver_makes(&b), turso_makes);
    b = bound("turso", "{\"hostname\":\"a.turso.io\"}");
    assert_false(vk_driver_makes(&b));
    b = bound("paper", "{}");
    assert_false(vk_driver_makes(&b) || vk_driver_may_have(&b));
    b = bound("embedded", "{}");
    assert_false(vk_driver_makes(&b) || vk_driver_may_have(&b) || vk_driver_kept(&b).n);
    b = bound("embedded", "{\"kept\":\"turso\"}");
    assert_true(vk_driver_may_have(&b) && vk_str_eqz(vk_driver_kept(&b), "turso"));
    b = bound("stripe", "{}");
    assert_true(vk_driver_lacks(&shop, &b));
    b = bound("stripe", "{\"account\":\"acct_1234567890\"}");
    assert_false(vk_driver_lacks(&shop, &b));
}

static void filled(void **state)
{
    VK_UNUSED(state);
    vk_binding b = bound("turso", "{\"delivery\":\"direct\"}"), out;
    assert_int_equal(vk_driver_fill(a, &b, object("{\"hostname\":\"a.turso.io\"}"), &out), VK_OK);
    assert_true(vk_str_eqz(out.resource, "{\"delivery\":\"direct\",\"hostname\":\"a.turso.io\"}"));
    assert_int_equal(out.version, 3);
    assert_int_equal(vk_driver_fill(a, &out, object("{\"hostname\":\"b.turso.io\"}"), &out), VK_OK);
    assert_true(vk_str_eqz(vk_binding_value(&out, "hostname"), "b.turso.io"));
    assert_int_equal(vk_driver_fill(a, &b, object("{\"hostname\":7}"), &out), VK_E_INVALID);
    assert_int_equal(vk_driver_fill(a, &b, object("{\"hostname\":\"a b\"}"), &out), VK_E_INVALID);
    assert_int_equal(vk_driver_fill(a, &b, object("{\"delivery\":\"\"}"), &out), VK_E_INVALID);
    assert_int_equal(vk_driver_fill(a, &b, object("{\"Host\":\"a\"}"), &out), VK_E_INVALID);
    assert_int_equal(vk_driver_fill(a, &b, NULL, &out), VK_OK);
    assert_true(vk_str_eq(out.resource, b.resource));
}

static void keeps(const char *before, const char *had, const char *driver, const char *resource,
                  const char *wanted)
{
    vk_binding was = bound(before, had), b = bound(driver, resource);
    assert_int_equal(vk_driver_keep(a, &was, &b), VK_OK);
    if (!vk_str_eqz(vk_driver_kept(&b), wanted))
        fail_msg("%s %s, then %s: " VK_STR_FMT, before, had, driver, VK_STR_ARG(b.resource));
}

static void kept(void **state)
{
    VK_UNUSED(state);
    bool makes = vk_vendor_of(VK_STR("turso"))->provisioner;
    keeps("turso", "{\"hostname\":\"a.turso.io\"}", "embedded", "{}", makes ? "turso" : "");
    keeps("turso", "{}", "turso", "{\"hostname\":\"a.turso.io\"}", "");
    keeps("turso", "{\"kept\":\"neon\"}", "embedded", "{}", makes ? "neon+turso" : "neon");
    keeps("embedded", "{\"kept\":\"turso\"}", "turso", "{}", "turso");
    keeps("turso", "{\"kept\":\"turso\"}", "embedded", "{}", "turso");
    keeps("embedded", "{}", "turso", "{}", "");
    keeps("paper", "{\"a\":\"b\"}", "embedded", "{}", "");
}

static bool same(const char *wanted, const char *had)
{
    const vk_binding x = bound("turso", wanted), y = bound("turso", had);
    return vk_driver_same(&x, &y);
}

static void asked_again(void **state)
{
    VK_UNUSED(state);
    const vk_binding e = bound("embedded", "{}"), k = bound("embedded", "{\"kept\":\"turso\"}"),
                     p = bound("paper", "{\"a\":\"b\"}"), q = bound("paper", "{}");
    assert_true(vk_driver_same(&e, &k) && !vk_driver_same(&e, &p));
    assert_true(vk_driver_same(&p, &p) && !vk_driver_same(&p, &q));
    assert_true(same("{\"hostname\":\"a.b.io\"}", "{\"hostname\":\"a.b.io\"}"));
    assert_false(same("{\"hostname\":\"a.b.io\"}", "{\"hostname\":\"c.b.io\"}"));
    if (!vk_vendor_of(VK_STR("turso"))->provisioner)
        return;
    /* what was made is no other choice */
    assert_true(same("{}", "{\"hostname\":\"a.b.io\"}"));
    assert_true(same("{\"delivery\":\"direct\"}", "{\"delivery\":\"direct\",\"hostname\":\"a.b.io\"}"));
    assert_false(same("{}", "{\"delivery\":\"direct\",\"hostname\":\"a.b.io\"}"));
    assert_true(same("{\"delivery\":\"gateway\"}", "{}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(filled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(asked_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(texts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_value_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(objects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(labels, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
