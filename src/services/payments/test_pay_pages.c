/* The pages on documents made by hand: what apps and customers wrote is text on them, wherever it stands. */
#include "services/payments/pages.h"

#include "core/log.h"
#include "core/test_folder.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* As JSON has it, and how it has to stand on a page. */
#define EVIL "<x-evil y=\\\"1\\\" z='2'>&\\u202e"
#define GOOD "&lt;x-evil y=&quot;1&quot; z=&#39;2&#39;&gt;&amp;\xe2\x80\xae"
#define SESSION "cs_test_1"

static char dir[] = "/tmp/vk-pay-pages-XXXXXX";
static vk_pay_db *db;
static vk_arena *arena;
static vk_exchange ex;
static vk_pay_call c;
static const vk_pay_about about = {.build = "shop", .account = "acct_1", .business = "shop"};

static void *made(const vk_pay_resource *r, const char *json)
{
    vk_pv *from, *doc;
    assert_int_equal(vk_pv_parse(arena, vk_str_z(json), &from), VK_OK);
    assert_int_equal(vk_pay_new(&c, r, vk_pv_text(from, "id"), &doc), VK_OK);
    for (vk_pv *m = vk_pv_first(from), *next; m; m = next) {
        next = m->next;
        assert_true(vk_pv_set_n(arena, doc, m->key, m));
    }
    assert_int_equal(vk_pay_put(&c, doc), VK_OK);
    return doc;
}

static void put(vk_pv *doc, const char *path, const char *json)
{
    vk_pv *v;
    assert_int_equal(vk_pv_parse(arena, vk_str_z(json), &v), VK_OK);
    assert_true(vk_pv_put(arena, doc, path, v));
}

static int set_up(void **state)
{
    char path[64];
    VK_UNUSED(state);
    if (!folder_make(dir))
        return -1;
    snprintf(path, sizeof path, "%s/payments.db", dir);
    arena = vk_arena_new(VK_PAY_ARENA_MAX);
    ex = (vk_exchange){.arena = arena, .method = VK_STR("GET")};
    vk_buf_init(&ex.out, 1 << 20);
    if (!arena || vk_pay_db_open(path, "shop", &db) != VK_OK || vk_pay_db_begin(db) != VK_OK)
        return -1;
    c = (vk_pay_call){.ex = &ex,
                      .arena = arena,
                      .about = &about,
                      .db = db,
                      .browser_base = VK_STR("http://127.0.0.1:4504"),
                      .now = 1795000000,
                      .now_ms = 1795000000000,
                      .version = VK_PAY_NEWEST};
    return 0;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_pay_db_close(db);
    vk_buf_free(&ex.out);
    vk_arena_free(arena);
    return folder_remove(dir);
}

static int init(void **state)
{
    VK_UNUSED(state);
    vk_log_init("test", (vk_level)(VK_ERROR + 1), VK_LOG_TEXT);
    return vk_sqlite_init() == VK_OK ? 0 : -1;
}

static size_t count(const char *what)
{
    size_t n = 0, of = strlen(what);
    for (size_t i = 0; i + of <= ex.out.n; i++)
        n += memcmp(ex.out.p + i, what, of) == 0;
    return n;
}

static void has(const char *what)
{
    if (!count(what))
        fail_msg("\"%s\" is not in:\n%.*s", what, (int)ex.out.n, ex.out.p);
}

static void has_not(const char *what)
{
    if (count(what))
        fail_msg("\"%s\" is in:\n%.*s", what, (int)ex.out.n, ex.out.p);
}

/* Nothing of it is markup, and all of it is there `n` times. */
static void tame(size_t n)
{
    has_not("<x-evil");
    has_not("y=\"1\"");
    has_not("z='2'");
    if (count(GOOD) != n)
        fail_msg("%zu times, not %zu:\n%.*s", count(GOOD), n, (int)ex.out.n, ex.out.p);
    assert_int_equal(ex.out.err, VK_OK);
}

/* Every label names a field, every id is there once, every text a field refers to is there. */
static void well_labelled(void)
{
    const char *end = ex.out.p + ex.out.n;
    for (const char *p = ex.out.p; (p = memmem(p, (size_t)(end - p), "<label for=\"", 12)); p++) {
        char id[300];
        const char *q = memchr(p + 12, '"', (size_t)(end - p - 12));
        snprintf(id, sizeof id, " id=\"%.*s\"", (int)(q - p - 12), p + 12);
        if (count(id) != 1)
            fail_msg("%zu times%s", count(id), id);
    }
    assert_int_equal(count("aria-describedby=\"problem\"") > 0,
                     count("id=\"problem\"") && count("aria-invalid"));
}

static void page(vk_err (*run)(vk_pay_call *), const char *id)
{
    vk_buf_clear(&ex.out);
    c.id[0] = vk_str_z(id);
    c.status = 0;
    c.to = VK_STR_NONE;
    c.refusal = NULL;
    assert_int_equal(run(&c), VK_OK);
}

static vk_pv *session(void)
{
    made(&vk_pay_r_price, "{\"id\":\"price_1\",\"currency\":\"usd\",\"unit_amount\":2500,\"recurring\":null,"
                          "\"product\":\"prod_1\"}");
    return made(&vk_pay_r_session,
                "{\"id\":\"" SESSION "\",\"mode\":\"payment\",\"status\":\"open\",\"currency\":\"usd\","
                "\"expires_at\":1895000000,\"amount_subtotal\":5000,\"amount_total\":5000,"
                "\"total_details\":{\"amount_discount\":0,\"amount_tax\":0},"
                "\"success_url\":\"http://localhost:3000/ok?id={CHECKOUT_SESSION_ID}\","
                "\"cancel_url\":\"http://localhost:3000/cart\",\"line_items\":{\"data\":[{\"id\":\"li_1\","
                "\"price\":\"price_1\",\"quantity\":2,\"description\":\"Mug\",\"amount_subtotal\":5000}]}}");
}

static void a_checkout(void **state)
{
    VK_UNUSED(state);
    session();
    page(vk_pay_page_checkout, SESSION);
    static const char *const there[] = {"<h1 class=\"price\" data-testid=\"amount\">$50.00</h1>",
                                        "Mug</span> × 2<small>$25.00 each</small>",
                                        "id=\"email\" name=\"email\"",
                                        "id=\"cardNumber\" name=\"cardNumber\"",
                                        "placeholder=\"1234 1234 1234 1234\"",
                                        "id=\"cardExpiry\" name=\"cardExpiry\"",
                                        "placeholder=\"MM / YY\"",
                                        "id=\"cardCvc\" name=\"cardCvc\"",
                                        "placeholder=\"CVC\"",
                                        "id=\"billingName\" name=\"billingName\"",
                                        "placeholder=\"Full name on card\"",
                                        "id=\"billingCountry\" name=\"billingCountry\"",
                                        "id=\"billingPostalCode\" name=\"billingPostalCode\"",
                                        "data-testid=\"hosted-payment-submit-button\"",
                                        "value=\"pay\">Pay $50.00</button>",
                                        "<option value=\"US\" selected>United States</option>",
                                        "href=\"http://localhost:3000/cart\"",
                                        "action=\"/b/shop/c/pay/" SESSION "\"",
                                        "TEST MODE"};
    for (size_t i = 0; i < VK_COUNT(there); i++)
        has(there[i]);
    static const char *const not_there[] = {"promotionCode\" name", "phoneNumber", "shipping",
                                            "role=\"alert\"",       "style=",      "onclick",
                                            "http://127.0.0.1:4504"};
    for (size_t i = 0; i < VK_COUNT(not_there); i++)
        has_not(not_there[i]);
    assert_true(c.leads_on);
    well_labelled();
}

static void hostile(void **state)
{
    VK_UNUSED(state);
    vk_pv *s = session();
    put(s, "line_items.data.0.description", "\"" EVIL "\"");
    page(vk_pay_page_checkout, SESSION);
    tame(1);
    put(s, "custom_text",
        "{\"submit\":{\"message\":\"" EVIL "\"},\"after_submit\":{\"message\":\"" EVIL
        "\"},\"shipping_address\":{\"message\":\"" EVIL
        "\"},\"terms_of_service_acceptance\":{\"message\":\"" EVIL "\"}}");
    put(s, "consent_collection", "{\"terms_of_service\":\"required\",\"promotions\":\"auto\"}");
    put(s, "shipping_address_collection", "{\"allowed_countries\":[\"DE\",\"" EVIL "\",7]}");
    page(vk_pay_page_checkout, SESSION);
    tame(5);
    put(s, "custom_fields",
        "[{\"key\":\"a\",\"type\":\"text\",\"label\":{\"custom\":\"" EVIL
        "\"}},{\"key\":\"b\",\"type\":\"dropdown\",\"optional\":true,\"label\":{\"custom\":\"" EVIL
        "\"},\"dropdown\":{\"options\":[{\"value\":\"" EVIL "\",\"label\":\"" EVIL "\"}]}}]");
    page(vk_pay_page_checkout, SESSION);
    tame(9);
    made(&vk_pay_r_shipping_rate, "{\"id\":\"shr_1\",\"display_name\":\"" EVIL
                                  "\",\"fixed_amount\":{\"amount\":0,\"currency\":\"usd\"},"
                                  "\"delivery_estimate\":{\"maximum\":{\"value\":3,\"unit\":\"" EVIL "\"}}}");
    put(s, "shipping_options", "[{\"shipping_rate\":\"shr_1\"}]");
    page(vk_pay_page_checkout, SESSION);
    tame(11);
    put(s, "cancel_url", "\"http://localhost/?" EVIL "\"");
    put(s, "customer_email", "\"" EVIL "\"");
    page(vk_pay_page_checkout, SESSION);
    tame(13);
    made(&vk_pay_r_coupon, "{\"id\":\"co_1\",\"name\":\"" EVIL "\"}");
    put(s, "discounts", "[{\"coupon\":\"co_1\",\"promotion_code\":null}]");
    put(s, "total_details.amount_discount", "100");
    page(vk_pay_page_checkout, SESSION);
    tame(14);
    well_labelled();
    put(s, "status", "\"expired\"");
    page(vk_pay_page_checkout, SESSION);
    tame(1);
    assert_int_equal(c.status, 410);
    put(s, "status", "\"complete\"");
    put(s, "success_url", "\"http://localhost/?" EVIL "\"");
    page(vk_pay_page_checkout, SESSION);
    tame(1);
}

/* What was typed in stands there again, but nothing of a card. */
static void typed_again(void **state)
{
    VK_UNUSED(state);
    vk_pv *s = session();
    put(s, "billing_address_collection", "\"required\"");
    put(s, "phone_number_collection", "{\"enabled\":true}");
    put(s, "allow_promotion_codes", "true");
    assert_int_equal(
        vk_pv_parse(arena,
                    VK_STR("{\"action\":\"pay\",\"email\":\"" EVIL "\",\"cardNumber\":\"4242424242424242\","
                           "\"cardExpiry\":\"12/34\",\"cardCvc\":\"987\",\"billingName\":\"" EVIL
                           "\",\"billingCountry\":\"FR\",\"billingPostalCode\":\"" EVIL
                           "\",\"billingAddressLine1\":\"" EVIL "\",\"billingAddressLine2\":\"" EVIL
                           "\",\"billingLocality\":\"" EVIL "\",\"billingAdministrativeArea\":\"" EVIL
                           "\",\"phoneNumber\":\"" EVIL "\"}"),
                    &c.params),
        VK_OK);
    page(vk_pay_page_checkout_pay, SESSION);
    assert_int_equal(c.status, 402);
    tame(8);
    has_not("4242424242424242");
    has_not("12/34");
    has_not("987");
    has("<option value=\"FR\" selected>");
    has("role=\"alert\" id=\"problem\" tabindex=\"-1\" autofocus>");
    assert_int_equal(count("autofocus"), 1);
    has("name=\"email\"");
    assert_int_equal(count("aria-invalid=\"true\""), 1);
    well_labelled();
    assert_int_equal(
        vk_pv_parse(arena, VK_STR("{\"action\":\"apply\",\"promotionCode\":\"" EVIL "\"}"), &c.params),
        VK_OK);
    page(vk_pay_page_checkout_pay, SESSION);
    assert_int_equal(c.status, 400);
    tame(1);
    has("aria-invalid=\"true\" aria-describedby=\"problem\"></div><button form=\"pay\" id=\"applyCode\"");
    well_labelled();
}

/* Fields that are no texts, and pages that are not there. */
static void nonsense(void **state)
{
    VK_UNUSED(state);
    session();
    static const char *const forms[] = {
        "{}",
        "{\"action\":[\"pay\"],\"email\":{\"a\":\"b\"},\"cardNumber\":[],\"billingCountry\":{}}",
        "{\"action\":\"apply\",\"promotionCode\":[\"a\"],\"quantity_li_1\":[\"9\"],\"shippingOption\":{}}",
        "{\"removePromotionCode\":{}}",
    };
    for (size_t i = 0; i < VK_COUNT(forms); i++) {
        assert_int_equal(vk_pv_parse(arena, vk_str_z(forms[i]), &c.params), VK_OK);
        page(vk_pay_page_checkout_pay, SESSION);
        has("id=\"cardNumber\"");
        assert_int_equal(c.to.n, 0);
    }
    static vk_err (*const runs[])(vk_pay_call *) = {vk_pay_page_checkout,     vk_pay_page_checkout_pay,
                                                    vk_pay_page_authenticate, vk_pay_page_authenticate_done,
                                                    vk_pay_page_intent,       vk_pay_page_intent_done,
                                                    vk_pay_page_link,         vk_pay_page_receipt,
                                                    vk_pay_page_invoice};
    static const char *const ids[] = {"cs_test_2", "price_1", "x", "a_b", "ch_1_123456789012345678901234"};
    for (size_t i = 0; i < VK_COUNT(runs); i++)
        for (size_t j = 0; j < VK_COUNT(ids); j++) {
            c.id[0] = vk_str_z(ids[j]);
            c.refusal = NULL;
            assert_int_equal(runs[i](&c), VK_E_INVALID);
            assert_int_equal(c.refusal->status, 404);
        }
}

static void headlines(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *path, *json, *want;
    } t[] = {
        {"submit_type", "\"book\"", ">Book $50.00</button>"},
        {"submit_type", "\"donate\"", ">Donate $50.00</button>"},
        {"submit_type", "\"auto\"", ">Pay $50.00</button>"},
        {"currency", "\"jpy\"", ">Pay ¥5,000</button>"},
        {"currency", "\"jpy\"", "data-testid=\"amount\">¥5,000</h1>"},
        {"total_details.amount_tax", "100", ">Tax (included)</th>"},
        {"amount_total", "5100", ">Tax</th>"},
        {"line_items.data.0.adjustable_quantity", "{\"enabled\":true,\"minimum\":1,\"maximum\":5}",
         "id=\"quantity_li_1\" name=\"quantity_li_1\" value=\"2\" min=\"1\" max=\"5\""},
        {"allow_promotion_codes", "true", "id=\"promotionCode\" name=\"promotionCode\""},
    };
    vk_pv *s = session();
    for (size_t i = 0; i < VK_COUNT(t); i++) {
        put(s, t[i].path, t[i].json);
        page(vk_pay_page_checkout, SESSION);
        has(t[i].want);
        well_labelled();
    }
}

static void papers(void **state)
{
    VK_UNUSED(state);
    made(&vk_pay_r_charge,
         "{\"id\":\"ch_1\",\"_receipt\":\"123456789012345678901234\",\"amount\":2500,\"amount_refunded\":0,"
         "\"currency\":\"usd\",\"created\":1795000000,\"description\":\"" EVIL "\",\"receipt_email\":\"" EVIL
         "\",\"payment_method_details\":{\"card\":{\"brand\":\"visa\",\"last4\":\"4242\"}}}");
    page(vk_pay_page_receipt, "ch_1_123456789012345678901234");
    tame(2);
    has("Visa •••• 4242");
    has("18 November 2026");
    has(">Paid</span>");
    made(&vk_pay_r_charge,
         "{\"id\":\"ch_2\",\"_receipt\":\"123456789012345678901234\",\"amount\":2500,\"amount_refunded\":500,"
         "\"currency\":\"usd\",\"created\":1795000000}");
    page(vk_pay_page_receipt, "ch_2_123456789012345678901234");
    has("Partly refunded");
    has("−$5.00");
    has("$20.00");
    made(&vk_pay_r_invoice,
         "{\"id\":\"in_1\",\"hosted_token\":\"tokentoken\",\"currency\":\"usd\",\"status\":\"open\","
         "\"number\":\"" EVIL "\",\"customer_email\":\"" EVIL "\",\"customer_name\":\"" EVIL
         "\",\"footer\":\"" EVIL "\",\"subtotal\":100,\"total\":90,\"amount_remaining\":90,\"total_discount_"
         "amounts\":[{\"amount\":10}],"
         "\"lines\":{\"data\":[{\"description\":\"" EVIL "\",\"amount\":100}]}}");
    page(vk_pay_page_invoice, "tokentoken");
    tame(5);
    has(">Open</span>");
    has("−$0.10");
}

static void links(void **state)
{
    VK_UNUSED(state);
    made(&vk_pay_r_payment_link,
         "{\"id\":\"plink_1\",\"token\":\"linklink\",\"active\":false,\"inactive_message\":\"" EVIL
         "\",\"line_items\":{\"data\":[]}}");
    page(vk_pay_page_link, "linklink");
    assert_int_equal(c.status, 410);
    tame(1);
    ex.method = VK_STR("HEAD"); /* makes nothing, not even a refusal */
    page(vk_pay_page_link, "linklink");
    assert_int_equal(c.status, 0);
    assert_int_equal(c.to.n, 0);
    vk_pv *s = session();
    put(s, "payment_link", "\"plink_1\"");
    put(s, "status", "\"complete\"");
    put(s, "success_url", "null");
    c.params = vk_pv_obj(arena);
    page(vk_pay_page_checkout_pay, SESSION);
    has("<h1>Thank you</h1>");
    made(&vk_pay_r_payment_link, "{\"id\":\"plink_2\",\"after_completion\":{\"hosted_confirmation\":{"
                                 "\"custom_message\":\"" EVIL "\"}}}");
    put(s, "payment_link", "\"plink_2\"");
    page(vk_pay_page_checkout_pay, SESSION);
    tame(1);
    assert_false(c.leads_on);
    put(s, "success_url", "\"http://[::1]:3000/ok\"");
    page(vk_pay_page_checkout_pay, SESSION);
    assert_true(vk_str_eqz(c.to, "http://[::1]:3000/ok"));
    put(s, "success_url", "\"http://localhost/ok?a={CHECKOUT_SESSION_ID}&b={CHECKOUT_SESSION_ID}\"");
    page(vk_pay_page_checkout_pay, SESSION);
    assert_true(vk_str_eqz(c.to, "http://localhost/ok?a=" SESSION "&b=" SESSION));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_checkout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(typed_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nonsense, set_up, tear_down),
        cmocka_unit_test_setup_teardown(headlines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(papers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("pay_pages", tests, init, NULL);
}
