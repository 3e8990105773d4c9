/* What may be asked of Stripe with the organisation's key, and what makes a request another build's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "crypto/digest.h"
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

static int init(void **state)
{
    VK_UNUSED(state);
    return vk_digest_init() == VK_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls),
        cmocka_unit_test(refused),
        cmocka_unit_test(every_rule_has_a_name),
        cmocka_unit_test(idempotency),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
