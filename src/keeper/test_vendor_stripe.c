/* What may be asked of Stripe with the organisation's key, and what makes a request another build's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "crypto/digest.h"
#include "keeper/org_in.h"
#include "keeper/vendor_stripe.h"

static const char *op(const char *method, const char *path)
{
    const vk_vendor_call *c =
        vk_vendor_call_of(vk_vendor_of(VK_STR("stripe")), vk_str_z(method), vk_str_z(path));
    return c ? c->op : NULL;
}

static void calls(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *method, *path, *want;
    } cases[] = {
        {"POST", "/v1/customers", "customers.create"},
        {"GET", "/v1/customers", "customers.list"},
        {"GET", "/v1/customers/search", "customers.search"},
        {"GET", "/v1/customers/cus_1", "customers.retrieve"},
        {"DELETE", "/v1/customers/cus_1", "customers.delete"},
        {"POST", "/v1/checkout/sessions", "checkout.sessions.create"},
        {"POST", "/v1/checkout/sessions/cs_1/expire", "checkout.sessions.expire"},
        {"GET", "/v1/checkout/sessions/cs_1/line_items", "checkout.sessions.line_items.list"},
        {"POST", "/v1/invoices/create_preview", "invoices.preview"},
        {"GET", "/v1/invoices/upcoming", "invoices.preview"},
        {"GET", "/v1/coupons/25%20OFF", "coupons.retrieve"},
        {"GET", "/v1/balance", "balance.retrieve"},
        {"POST", "/v1/test_helpers/test_clocks/clock_1/advance", "test_helpers.test_clocks.advance"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        assert_non_null(op(cases[i].method, cases[i].path));
        assert_string_equal(op(cases[i].method, cases[i].path), cases[i].want);
    }
}

static void refused(void **state)
{
    VK_UNUSED(state);
    static const char *const methods[] = {"GET", "POST", "DELETE", "PUT", "PATCH"};
    static const char *const paths[] = {
        "/v1/accounts",
        "/v1/accounts/acct_1",
        "/v1/accounts/acct_1/persons",
        "/v1/account_links",
        "/v1/account_sessions",
        "/v1/apps/secrets",
        "/v1/application_fees",
        "/v1/transfers",
        "/v1/payouts",
        "/v1/payouts/po_1/cancel",
        "/v1/topups",
        "/v1/issuing/cards",
        "/v1/terminal/readers",
        "/v1/treasury/x",
        "/v1/financial_connections/accounts",
        "/v1/identity/verification_sessions",
        "/v1/ephemeral_keys",
        "/v1/files",
        "/v1/files/file_1",
        "/v2/core/accounts",
        "/v2/core/claimable_sandboxes",
        "/v2/billing/x",
        "/v1/webhook_endpoints",
        "/v1/webhook_endpoints/we_1",
        "/v1/events",
        "/v1/events/evt_1",
        "/v1/tokens",
        "/v1/sources",
        "/v1/radar/value_lists",
        "/v1/reporting/report_runs",
        "/v1/sigma/x",
        /* what is written otherwise */
        "/v1/Accounts",
        "//v1/customers",
        "/v1//customers",
        "/v1/customers/../accounts",
        "/v1/./customers",
        "/v1/customers/%2e%2e/accounts",
        "/v1/customers%2fcus_1",
        "/v1/customers/cus_1%2f..%2faccounts",
        "/v1/customers;x",
        "/v1/customers/",
        "/v3/customers",
        "/v1",
        "/",
        "",
        "/customers",
        "/v1/unknown",
        "/v1/customers/cus_1/sources",
        "/v1/customers/cus_1/cash_balance",
        "/v1/test_helpers/issuing/cards",
        "/v1/charges/ch_1/dispute",
    };
    for (size_t m = 0; m < VK_COUNT(methods); m++)
        for (size_t i = 0; i < VK_COUNT(paths); i++)
            if (op(methods[m], paths[i]))
                fail_msg("%s %s is %s", methods[m], paths[i], op(methods[m], paths[i]));
    assert_null(op("PUT", "/v1/customers"));
    assert_null(op("DELETE", "/v1/customers"));
    assert_null(op("POST", "/v1/balance"));
    assert_null(op("POST", "/v1/charges")); /* the old way to pay */
}

static void every_rule_has_a_name(void **state)
{
    VK_UNUSED(state);
    for (const vk_vendor_call *c = vk_stripe_rules; c->method; c++)
        assert_true(c->op && strlen(c->op) < 48 && c->path[0] == '/');
}

static void idempotency(void **state)
{
    VK_UNUSED(state);
    vk_arena *a = vk_arena_new(64 * 1024);
    char longest[256], hash_like[80];
    memset(longest, 'k', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_true(vk_str_eqz(vk_stripe_idempotency(a, "shop", 7, VK_STR("order-1")), "shop/7/order-1"));
    assert_false(vk_str_eq(vk_stripe_idempotency(a, "shop", 7, VK_STR("order-1")),
                           vk_stripe_idempotency(a, "shop", 8, VK_STR("order-1"))));
    /* No two of a build and a key are the same, whatever the key is. */
    assert_false(vk_str_eq(vk_stripe_idempotency(a, "a", 1, VK_STR("1/x")),
                           vk_stripe_idempotency(a, "a", 11, VK_STR("x"))));
    vk_str hashed = vk_stripe_idempotency(a, "shop", 7, vk_str_z(longest));
    assert_true(hashed.n <= VK_STRIPE_IDEMPOTENCY_MAX && vk_str_starts(hashed, VK_STR("shop/7#")));
    assert_true(vk_str_eq(hashed, vk_stripe_idempotency(a, "shop", 7, vk_str_z(longest))));
    longest[3] = 'j';
    assert_false(vk_str_eq(hashed, vk_stripe_idempotency(a, "shop", 7, vk_str_z(longest))));
    /* Who chooses the hash of another key as its own gets another one. */
    snprintf(hash_like, sizeof hash_like, VK_STR_FMT, (int)hashed.n - 7, hashed.p + 7);
    assert_false(vk_str_eq(hashed, vk_stripe_idempotency(a, "shop", 7, vk_str_z(hash_like))));
    vk_arena_free(a);
}

/* ---- how a request goes out */

typedef struct asked {
    const char *method, *resource, *build, *key; /* key: the app's idempotency key; NULL: none */
    vk_err e;
    bool again;
    const char *lines; /* what must be in them */
    const char *not_in;
} asked;

static void orders(void **state)
{
    VK_UNUSED(state);
#define SECRET                                                                                               \
    "sk_test_"                                                                                               \
    "for_this_test_only"
#define AUTH "Authorization: Bearer " SECRET "\r\n"
    static const asked cases[] = {
        {"GET", "{\"account\":\"acct_1Own\\u0041\"}", "shop", NULL, VK_E_UNAVAILABLE, false, NULL, NULL},
        {"GET", "{\"account\":\"acct_1OwnBuild\"}", "shop", NULL, VK_OK, true,
         "Stripe-Account: acct_1OwnBuild\r\n" AUTH, "Idempotency"},
        {"POST", "{\"account\":\"acct_1OwnBuild\"}", "shop", "order-1", VK_OK, true,
         "Idempotency-Key: shop/7/order-1\r\n" AUTH, NULL},
        {"POST", "{\"account\":\"acct_1OwnBuild\"}", "shop", NULL, VK_OK, false, AUTH, "Idempotency"},
        /* Ignored there, but never as the app has it. */
        {"DELETE", "{\"soft\":\"yes\"}", "shop", "k", VK_OK, false, "Idempotency-Key: shop/7/k\r\n",
         "Stripe-Account"},
        {"GET", "{\"soft\":\"yes\"}", "shop", "k", VK_OK, true, "Idempotency-Key: shop/7/k\r\n",
         "Stripe-Account"},
        {"GET", "{}", "shop", NULL, VK_E_UNAVAILABLE, false, NULL, NULL},
        {"GET", "{\"soft\":\"no\"}", "shop", NULL, VK_E_UNAVAILABLE, false, NULL, NULL},
        {"GET", "{\"soft\":\"yes\",\"account\":\"acct_1OwnBuild\"}", "shop", NULL, VK_E_UNAVAILABLE, false,
         NULL, NULL},
        {"GET", "{\"account\":\"acct_1\"}", "shop", NULL, VK_E_UNAVAILABLE, false, NULL, NULL},
        {"GET", "{\"account\":\"acct_1Own,acct_2\"}", "shop", NULL, VK_E_UNAVAILABLE, false, NULL, NULL},
        {"GET", "{}", "", NULL, VK_OK, true, AUTH, "Stripe-Account"}, /* keys check */
    };
    const vk_vendor *v = vk_vendor_of(VK_STR("stripe"));
    vk_arena *a = vk_arena_new(64 * 1024);
    vk_org org = {.vendor = v, .fields = v->fields, .state = VK_ORG_READY};
    for (size_t i = 0; v->fields[i].name; i++)
        if (strcmp(v->fields[i].name, "secret_key") == 0)
            org.values[i] = vk_secret_of(VK_STR(SECRET));
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        const asked *c = &cases[i];
        vk_header key = {VK_STR("idempotency-key"), c->key ? vk_str_z(c->key) : VK_STR_NONE};
        vk_binding binding = {.resource = vk_str_z(c->resource)};
        const char *why = NULL;
        char text[2048];
        vk_buf lines;
        vk_buf_init(&lines, 2048);
        vk_order o = {.vendor = v,
                      .org = &org,
                      .binding = &binding,
                      .build = c->build,
                      .generation = 7,
                      .method = vk_str_z(c->method),
                      .path = VK_STR("/v1/customers"),
                      .headers = &key,
                      .n_headers = c->key ? 1 : 0,
                      .arena = a,
                      .lines = &lines};
        assert_int_equal(v->order(&o, &why), c->e);
        snprintf(text, sizeof text, VK_STR_FMT, VK_STR_ARG(vk_buf_view(&lines)));
        if (c->e != VK_OK) {
            assert_non_null(why);
        } else {
            assert_true(vk_str_eqz(o.to_host, "api.stripe.com") && !o.plain && o.again == c->again);
            assert_non_null(strstr(text, c->lines));
            assert_non_null(strstr(text, "Accept-Encoding: identity\r\n"));
            assert_true(!c->not_in || !strstr(text, c->not_in));
        }
        vk_buf_free(&lines);
    }
    /* Without a key of the organisation's nothing goes out. */
    vk_binding binding = {.resource = VK_STR("{\"soft\":\"yes\"}")};
    const char *why = NULL;
    vk_buf lines;
    vk_buf_init(&lines, 2048);
    vk_order o = {.vendor = v, .binding = &binding, .build = "shop", .arena = a, .lines = &lines};
    assert_int_equal(v->order(&o, &why), VK_E_UNAVAILABLE);
    org.values[0] = org.values[1] = org.values[2] = org.values[3] = VK_SECRET_NONE;
    o.org = &org;
    assert_int_equal(v->order(&o, &why), VK_E_UNAVAILABLE);
    vk_buf_free(&lines);
    vk_arena_free(a);
}

static int init(void **state)
{
    VK_UNUSED(state);
    return vk_digest_init() == VK_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls),       cmocka_unit_test(refused), cmocka_unit_test(every_rule_has_a_name),
        cmocka_unit_test(idempotency), cmocka_unit_test(orders),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
