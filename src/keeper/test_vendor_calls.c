/* Rules against paths: what is let through is what the vendor sees. */
#include "keeper/vendors.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const vk_vendor_call calls[] = {
    {"GET", "/v1/customers", "customers.list"},
    {"POST", "/v1/customers", "customers.create"},
    {"!*", "/v1/customers/{}/sources/**", NULL},
    {"!DELETE", "/v1/customers/{}", NULL},
    {"GET", "/v1/customers/search", "customers.search"},
    {"*", "/v1/customers/{}", "customers.one"},
    {"*", "/v1/customers/**", "customers.more"},
    {"POST", "/v2/pipeline", "pipeline"},
    {"GET", "/", "root"},
    {.method = NULL},
};
static const vk_vendor strict = {.name = "t", .calls = calls};
static const vk_vendor_call objects[] = {{"*", "/{}/**", "object"}, {.method = NULL}};
static const vk_vendor raw = {.name = "r", .calls = objects, .raw_path = true};

static void is(const vk_vendor *v, const char *method, const char *path, const char *op)
{
    const vk_vendor_call *c = vk_vendor_call_of(v, vk_str_z(method), vk_str_z(path));
    if (!op) {
        if (c)
            fail_msg("%s %s is let through as %s", method, path, c->op);
        return;
    }
    if (!c)
        fail_msg("%s %s is refused", method, path);
    else
        assert_string_equal(c->op, op);
}

static void test_first_that_fits(void **state)
{
    VK_UNUSED(state);
    is(&strict, "GET", "/v1/customers", "customers.list");
    is(&strict, "POST", "/v1/customers", "customers.create");
    is(&strict, "PUT", "/v1/customers", "customers.more");
    is(&strict, "GET", "/v1/customers/search", "customers.search");
    is(&strict, "GET", "/v1/customers/cus_1", "customers.one");
    is(&strict, "POST", "/v1/customers/search", "customers.one");
    is(&strict, "DELETE", "/v1/customers/cus_1", NULL);
    is(&strict, "GET", "/v1/customers/cus_1/a/b/c", "customers.more");
    is(&strict, "GET", "/", "root");
    is(&strict, "POST", "/", NULL);
    is(&strict, "POST", "/v2/pipeline", "pipeline");
    is(&strict, "POST", "/v2/pipeline/x", NULL);
    is(&strict, "POST", "/v2/pipelin", NULL);
    is(&strict, "POST", "/v2", NULL);
    is(&strict, "post", "/v2/pipeline", NULL);
    is(&strict, "POST", "/V2/pipeline", NULL);
    is(&strict, "GET", "/v1/accounts", NULL);
    is(&strict, "GET", "", NULL);
    is(&strict, "GET", "v1/customers", NULL);
}

/* Real vendors' rules are found by an index; a vendor that is in no list has all of its rules looked at. */
static void test_index(void **state)
{
    VK_UNUSED(state);
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"};
    const vk_vendor *all[VK_VENDORS_MAX];
    size_t n = vk_vendors(all), tried = 0;
    for (size_t i = 0; i < n; i++) {
        vk_vendor copy = *all[i];
        for (const vk_vendor_call *c = copy.calls; c && c->method; c++)
            for (unsigned form = 0; form < 5 * VK_COUNT(methods); form++) {
                char path[256];
                size_t at = 0;
                for (const char *p = c->path; *p && at < sizeof path - 8; p++)
                    if (*p == '{' || *p == '*') {
                        path[at++] = form % 5 == 1 ? 'a' : 'Z';
                        p++;
                    } else {
                        path[at++] = form % 5 == 2 && *p >= 'a' ? (char)(*p & ~0x20) : *p;
                    }
                if (form % 5 == 3) {
                    path[at++] = '/';
                    path[at++] = 'x';
                }
                path[form % 5 == 4 ? at - 1 : at] = '\0';
                const vk_str method = vk_str_z(methods[form / 5]);
                if (vk_vendor_call_of(all[i], method, vk_str_z(path)) !=
                    vk_vendor_call_of(&copy, method, vk_str_z(path)))
                    fail_msg("%s: %s %s is not found as the table has it", copy.name, methods[form / 5],
                             path);
                tried++;
            }
    }
    assert_true(tried > 1000);
}

/* A refusal holds however the vendor's server might read the path. */
static void test_no_way_around(void **state)
{
    VK_UNUSED(state);
    static const char *const paths[] = {
        "/v1/customers/cus_1/sources",
        "/v1/customers/cus_1/sources/x",
        "/v1/customers/cus_1/Sources",
        "/v1/customers/cus_1/SOURCES/x/y",
        "/v1/customers/cus_1/%73ources",
        "/v1/customers/cus_1/source%73",
        "/v1/customers//cus_1/sources",
        "/v1/customers/cus_1//sources",
        "/v1/customers/./cus_1/sources",
        "/v1/customers/x/../cus_1/sources",
        "/v1/customers/cus_1/a/../sources",
        "/v1/customers/cus_1/%2e/sources",
        "/v1/customers/a/%2e%2e/../accounts",
        "/v1/customers/..%2faccounts",
        "/v1/customers/..%2Faccounts",
        "/v1/customers/..%5caccounts",
        "/v1/customers/..\\accounts",
        "/v1/customers/%2E%2E/accounts",
        "/v1/customers/%252e%252e/accounts",
        "/v1/customers/..;/accounts",
        "/v1/customers/a;b/accounts",
        "/v1/customers/a%3bb",
        "/v1/customers/a%00",
        "/v1/customers/a%0d%0ab",
        "/v1/customers/a%7f",
        "/v1/customers/a%80",
        "/v1/customers/a%c0%ae",
        "/v1/customers/a%",
        "/v1/customers/a%2",
        "/v1/customers/a%zz",
        "/v1/customers/a?b",
        "/v1/customers/a#b",
        "/v1/customers/a b",
        "/v1/customers/a\tb",
        "/v1/customers/a\x01",
        "/v1/customers/\xc3\xa9",
        "/v1/customers/",
        "//v1/customers",
        "/v1//customers",
        "/v1/customers/..",
        "/v1/customers/.",
        "/..",
        "/v1/customers/cus_1/",
    };
    for (size_t i = 0; i < VK_COUNT(paths); i++)
        is(&strict, "GET", paths[i], NULL);
    is(&strict, "GET", "/v1/customers/a%20b%40c", "customers.one"); /* what can only be written so */
    is(&strict, "GET", "/v1/customers/a@b:c,d=e+f!$&'()*~-_.", "customers.one");
    is(&strict, "GET", "/v1/customers/...", "customers.one");
}

static void test_bytes(void **state)
{
    VK_UNUSED(state);
    for (int c = 0; c < 256; c++) {
        char path[] = "/v1/customers/a_b";
        path[15] = (char)c;
        vk_str p = {path, sizeof path - 1};
        bool ok = c > ' ' && c < 0x7f && !strchr("?#\\;%/", c);
        if (vk_vendor_path_ok(p, false) != (ok || c == '/'))
            fail_msg("byte %d", c);
        bool data = c > ' ' && c < 0x7f && c != '?' && c != '#';
        if (vk_vendor_path_ok(p, true) != data)
            fail_msg("byte %d, raw", c);
    }
}

static void test_raw(void **state)
{
    VK_UNUSED(state);
    is(&raw, "PUT", "/bucket/a/../b", "object"); /* data: S3 takes it as a name */
    is(&raw, "PUT", "/bucket//a//", "object");
    is(&raw, "PUT", "/bucket/%2e%2e%2f%5c;", "object");
    is(&raw, "GET", "/bucket", "object");
    is(&raw, "GET", "/bucket/", "object");
    is(&raw, "GET", "/", NULL);
    is(&raw, "GET", "//x", NULL);
    is(&raw, "GET", "/bucket/\xc3\xa9", NULL);
}

/* No vendor's table lets a line travel that says who asks, or frames the message. */
static void test_tables(void **state)
{
    VK_UNUSED(state);
    static const char *const never[] = {"authorization",
                                        "cookie",
                                        "host",
                                        "connection",
                                        "content-length",
                                        "content-type",
                                        "transfer-encoding",
                                        "te",
                                        "trailer",
                                        "upgrade",
                                        "expect",
                                        "keep-alive",
                                        "proxy-authorization",
                                        "proxy-connection",
                                        "forwarded",
                                        "x-forwarded-for",
                                        "x-forwarded-host",
                                        "x-forwarded-proto",
                                        "x-real-ip",
                                        "stripe-account",
                                        "stripe-context",
                                        "x-amz-security-token",
                                        "accept-encoding",
                                        "valetkey-order"};
    const vk_vendor *all[VK_VENDORS_MAX];
    size_t n = vk_vendors(all);
    assert_true(n >= 7);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(vk_vendor_of(vk_str_z(all[i]->name)), all[i]);
        for (const char *const *t = all[i]->travel; t && *t; t++)
            for (size_t k = 0; k < VK_COUNT(never); k++)
                assert_string_not_equal(*t, never[k]);
        for (const char *const *r = all[i]->returns; r && *r; r++) {
            assert_string_not_equal(*r, "set-cookie");
            assert_string_not_equal(*r, "*");
        }
        for (const vk_vendor_call *c = all[i]->calls; c && c->method; c++) {
            assert_int_equal(c->path[0], '/');
            assert_true(c->method[0] == '!' || (c->op && c->op[0]));
            const char *many = strstr(c->path, "**");
            assert_true(!many || many[2] == '\0');
        }
    }
    assert_null(vk_vendor_of(VK_STR("embedded")));
}

static void test_order_to(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *base, *host;
        bool plain;
    } cases[] = {{"https://api.example.com", "api.example.com", false},
                 {"https://api.example.com:8443", "api.example.com:8443", false},
                 {"http://127.0.0.1:9000", "127.0.0.1:9000", true},
                 {"http://[::1]:9000", "[::1]:9000", true},
                 {"http://localhost:1", "localhost:1", true},
                 {"http://api.example.com", NULL, false},
                 {"http://127.0.0.1.example.com", NULL, false},
                 {"http://127.1", NULL, false},
                 {"http://localhost.example.com", NULL, false},
                 {"https://a@b", NULL, false},
                 {"https://a/b", NULL, false},
                 {"ftp://a", NULL, false},
                 {"", NULL, false}};
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_order o = {0};
        const char *why = NULL;
        vk_err e = vk_order_to(&o, vk_str_z(cases[i].base), &why);
        assert_int_equal(e, cases[i].host ? VK_OK : VK_E_UNAVAILABLE);
        if (e != VK_OK) {
            assert_non_null(why);
            continue;
        }
        assert_true(vk_str_eqz(o.to_host, cases[i].host));
        assert_int_equal(o.plain, cases[i].plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_that_fits),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_no_way_around),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_order_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
