/* Whose objects are that Stripe shows, and which ids follow from them. */
#include "services/payments/stripe/reply.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_arena *a;
static const char *owned; /* " key key " */

static bool has(void *arg, vk_str key)
{
    char text[300];
    VK_UNUSED(arg);
    snprintf(text, sizeof text, " " VK_STR_FMT " ", VK_STR_ARG(key));
    return strstr(owned, text) != NULL;
}

static vk_pv *json(const char *text)
{
    vk_pv *v = NULL;
    assert_int_equal(vk_pv_parse(a, vk_str_z(text), &v), VK_OK);
    return v;
}

static bool own(const char *ledger, const char *text)
{
    vk_stripe_reply r = {.a = a, .tag = VK_STR("shop.1"), .has = has};
    owned = ledger;
    bool yes = vk_stripe_reply_own(&r, json(text));
    assert_int_equal(r.err, VK_OK);
    return yes;
}

static void whose_an_object_is(void **state)
{
    VK_UNUSED(state);
    assert_true(own(" cus_1 ", "{\"id\":\"cus_1\",\"object\":\"customer\"}"));
    assert_false(own(" cus_1 ", "{\"id\":\"cus_2\",\"object\":\"customer\"}"));
    assert_true(
        own(" ", "{\"id\":\"cus_2\",\"object\":\"customer\",\"metadata\":{\"vk_build\":\"shop.1\"}}"));
    assert_false(
        own(" cus_2 ", "{\"id\":\"cus_2\",\"object\":\"customer\",\"metadata\":{\"vk_build\":\"shop.2\"}}"));
    assert_true(own(" cus_1 ", "{\"id\":\"in_1\",\"object\":\"invoice\",\"customer\":\"cus_1\"}"));
    assert_true(own(" cus_1 ", "{\"id\":\"in_1\",\"object\":\"invoice\",\"customer\":{\"id\":\"cus_1\"}}"));
    assert_false(own(" cus_1 ", "{\"id\":\"in_1\",\"object\":\"invoice\",\"customer\":null}"));
    assert_true(own(" sub_1 ", "{\"id\":\"in_1\",\"object\":\"invoice\",\"parent\":{\"subscription_details\":"
                               "{\"subscription\":\"sub_1\"}}}"));
    /* Ids that people choose are of one kind. */
    assert_true(own(" product:x ", "{\"id\":\"x\",\"object\":\"product\"}"));
    assert_false(own(" product:x ", "{\"id\":\"x\",\"object\":\"coupon\"}"));
    assert_false(own(" product:cus_1 ", "{\"id\":\"cus_1\",\"object\":\"customer\"}"));
    assert_true(own(" product:x ", "{\"id\":\"price_1\",\"object\":\"price\",\"product\":\"x\"}"));
    assert_false(own(" cus_1 ", "{\"object\":\"balance\"}"));
    assert_false(own(" cus_1 ", "[]"));
}

/* The keys that follow, in the order in which they are found. */
static const char *follows(const char *text, bool made, const char *left)
{
    static char out[4096];
    vk_stripe_reply r = {.a = a, .tag = VK_STR("shop.1"), .has = has};
    vk_pv *v = json(text);
    size_t n = 0;
    owned = " ";
    vk_stripe_reply_take(&r, v, made);
    assert_int_equal(r.err, VK_OK);
    out[0] = '\0';
    vk_stripe_followed *order = NULL;
    for (vk_stripe_followed *f = r.first, *next; f; f = next) {
        next = f->next;
        f->next = order;
        order = f;
    }
    for (const vk_stripe_followed *f = order; f; f = f->next)
        n += (size_t)snprintf(out + n, sizeof out - n, "%s" VK_STR_FMT, n ? " " : "", VK_STR_ARG(f->key));
    if (left) {
        vk_buf b;
        vk_buf_init(&b, 4096);
        vk_pv_write(&b, v);
        assert_int_equal(b.n, strlen(left));
        assert_memory_equal(b.p, left, b.n);
        vk_buf_free(&b);
    }
    return out;
}

static void ids_that_follow(void **state)
{
    VK_UNUSED(state);
    assert_string_equal(
        follows("{\"id\":\"cs_1\",\"object\":\"checkout.session\",\"customer\":\"cus_1\","
                "\"payment_intent\":{\"id\":\"pi_1\",\"object\":\"payment_intent\","
                "\"latest_charge\":\"ch_1\"},\"subscription\":null,\"client_reference_id\":\"cus_9\"}",
                true, NULL),
        "cs_1 cus_1 pi_1 ch_1");
    /* Texts of the app's lead to nobody's objects. */
    assert_string_equal(
        follows("{\"id\":\"cus_1\",\"object\":\"customer\",\"description\":\"cus_2\",\"name\":\"pi_2\","
                "\"metadata\":{\"customer\":\"cus_3\",\"id\":\"cus_4\",\"vk_build\":\"shop.1\"}}",
                true,
                "{\"id\":\"cus_1\",\"object\":\"customer\",\"description\":\"cus_2\",\"name\":\"pi_2\","
                "\"metadata\":{\"customer\":\"cus_3\",\"id\":\"cus_4\"}}"),
        "cus_1");
    /* A product that somebody calls like a customer opens none. */
    assert_string_equal(
        follows("{\"id\":\"cus_2\",\"object\":\"product\",\"default_price\":\"price_1\"}", true, NULL),
        "product:cus_2 price:price_1");
    assert_string_equal(follows("{\"object\":\"list\",\"data\":[{\"id\":\"si_1\",\"object\":\"subscription_"
                                "item\",\"price\":{\"id\":"
                                "\"gold\",\"object\":\"price\",\"product\":\"basic\"}}]}",
                                false, NULL),
                        "si_1 price:gold product:basic");
}

static void what_an_account_has_in_common_does_not(void **state)
{
    VK_UNUSED(state);
    assert_string_equal(
        follows("{\"id\":\"bps_1\",\"object\":\"billing_portal.session\",\"configuration\":\"bpc_1\","
                "\"customer\":\"cus_1\",\"on_behalf_of\":\"acct_1\"}",
                true, NULL),
        "bps_1 cus_1");
    /* A code of another build's, which somebody typed on a page of Stripe's. */
    assert_string_equal(
        follows("{\"id\":\"cs_1\",\"object\":\"checkout.session\",\"discounts\":[{\"coupon\":{\"id\":\"X\","
                "\"object\":"
                "\"coupon\",\"metadata\":{\"vk_build\":\"other.1\",\"a\":\"1\"}},\"promotion_code\":{\"id\":"
                "\"promo_1\","
                "\"object\":\"promotion_code\",\"customer\":\"cus_9\"}}]}",
                false,
                "{\"id\":\"cs_1\",\"object\":\"checkout.session\",\"discounts\":[{\"coupon\":{\"id\":\"X\","
                "\"object\":"
                "\"coupon\",\"metadata\":{\"a\":\"1\"}},\"promotion_code\":{\"id\":\"promo_1\","
                "\"object\":\"promotion_code\",\"customer\":\"cus_9\"}}]}"),
        "cs_1");
    /* One that was made is the build's. */
    assert_string_equal(follows("{\"id\":\"X\",\"object\":\"coupon\"}", true, NULL), "coupon:X");
    assert_string_equal(
        follows("{\"id\":\"promo_1\",\"object\":\"promotion_code\",\"coupon\":\"X\"}", true, NULL),
        "promo_1");
    assert_string_equal(follows("{\"id\":\"bpc_1\",\"object\":\"billing_portal.configuration\"}", true, NULL),
                        "bpc_1");
}

static void tags(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"{\"metadata\":{\"vk_build\":\"a.1\"}}", "a.1"},
        {"{\"metadata\":{},\"parent\":{\"subscription_details\":{\"metadata\":{\"vk_build\":\"a.2\"}}}}",
         "a.2"},
        {"{\"metadata\":null,\"subscription_details\":{\"metadata\":{\"vk_build\":\"a.3\"}}}", "a.3"},
        {"{\"discounts\":[{\"coupon\":{\"metadata\":{\"vk_build\":\"other.1\"}}}]}", ""},
        {"{\"metadata\":{\"vk_build\":7}}", ""},
        {"[]", ""},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_true(vk_str_eqz(vk_stripe_reply_tag(json(cases[i].text)), cases[i].want));
}

static void there_is_a_bound(void **state)
{
    VK_UNUSED(state);
    vk_buf b;
    vk_buf_init(&b, 1 << 20);
    vk_buf_lit(&b, "[");
    for (int i = 0; i <= VK_STRIPE_FOLLOW_MAX; i++)
        vk_buf_printf(&b, "%s{\"id\":\"cus_%d\",\"object\":\"customer\"}", i ? "," : "", i);
    vk_buf_lit(&b, "]");
    assert_int_equal(b.err, VK_OK);
    vk_buf_ch(&b, '\0');
    vk_stripe_reply r = {.a = a, .tag = VK_STR("shop.1"), .has = has};
    vk_stripe_reply_take(&r, json(b.p), false);
    assert_int_equal(r.err, VK_E_TOO_LARGE);
    vk_buf_free(&b);
}

static int before(void **state)
{
    VK_UNUSED(state);
    a = vk_arena_new(1 << 24);
    return a ? 0 : -1;
}

static int after(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(a);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whose_an_object_is, before, after),
        cmocka_unit_test_setup_teardown(ids_that_follow, before, after),
        cmocka_unit_test_setup_teardown(what_an_account_has_in_common_does_not, before, after),
        cmocka_unit_test_setup_teardown(tags, before, after),
        cmocka_unit_test_setup_teardown(there_is_a_bound, before, after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
