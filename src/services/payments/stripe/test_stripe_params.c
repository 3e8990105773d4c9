/* What of an app's parameters goes to Stripe, and what must be the build's. */
#include "services/payments/form.h"
#include "services/payments/stripe/params.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_arena *a;

static vk_pv *form(const char *text)
{
    vk_pv *v = NULL;
    const char *why = NULL;
    vk_str param;
    assert_int_equal(vk_pay_form(a, vk_str_z(text), NULL, &v, &why, &param), VK_OK);
    return v;
}

static const char *written(const vk_pv *v)
{
    static char text[8192];
    vk_buf out;
    vk_buf_init(&out, sizeof text);
    vk_stripe_form_write(&out, v);
    assert_int_equal(out.err, VK_OK);
    snprintf(text, sizeof text, VK_STR_FMT, VK_STR_ARG(vk_buf_view(&out)));
    vk_buf_free(&out);
    return text;
}

static void forms_are_written_as_they_are_read(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *form, *want;
    } cases[] = {
        {"", ""},
        {"a=1", "a=1"},
        {"x=&y", "x=&y="},
        {"a[b][]=1&a[b][]=2", "a[b][0]=1&a[b][1]=2"},
        {"items[7][id]=x&items[9][id]=y", "items[0][id]=x&items[1][id]=y"},
        {"name=T-shirt%20%3Cb%3E+x&metadata[s%26u]=%c3%a9",
         "name=T-shirt%20%3Cb%3E%20x&metadata[s%26u]=%C3%A9"},
        {"metadata[7]=a&metadata[3]=b", "metadata[3]=b&metadata[7]=a"},
        {"metadata=", "metadata="},
        {"%6fn=1", "on=1"},
        {"expand[]=a&expand[]=b.c", "expand[0]=a&expand[1]=b.c"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_string_equal(written(form(cases[i].form)), cases[i].want);
}

/* "code: message (param)", or "" when it may go. */
static const char *checked(const char *text, bool soft)
{
    static char out[2048];
    vk_stripe_refusal why = {0};
    vk_err e = vk_stripe_params_check(a, form(text), soft, &why);
    if (e == VK_OK)
        return "";
    assert_int_equal(e, VK_E_INVALID);
    snprintf(out, sizeof out, "%d %s: " VK_STR_FMT " (" VK_STR_FMT ")", why.status, why.code ? why.code : "-",
             VK_STR_ARG(why.message), VK_STR_ARG(why.param));
    return out;
}

static void other_accounts_are_out_of_reach(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *form, *want;
    } cases[] = {
        {"amount=1&currency=usd", ""},
        {"on_behalf_of=acct_1",
         "400 parameter_unknown: Received unknown parameter: on_behalf_of (on_behalf_of)"},
        {"%6Fn_behalf%5Fof=acct_1",
         "400 parameter_unknown: Received unknown parameter: on_behalf_of (on_behalf_of)"},
        {"on_behalf_of[x]=1",
         "400 parameter_unknown: Received unknown parameter: on_behalf_of (on_behalf_of)"},
        {"payment_intent_data[transfer_data][destination]=acct_1",
         "400 parameter_unknown: Received unknown parameter: payment_intent_data[transfer_data] "
         "(payment_intent_data[transfer_data])"},
        {"application_fee_amount=1", "400 parameter_unknown: Received unknown parameter: "
                                     "application_fee_amount (application_fee_amount)"},
        {"subscription_data[application_fee_percent]=1",
         "400 parameter_unknown: Received unknown parameter: subscription_data[application_fee_percent] "
         "(subscription_data[application_fee_percent])"},
        {"invoice_settings[issuer][type]=account&invoice_settings[issuer][account]=acct_2",
         "400 parameter_unknown: Received unknown parameter: invoice_settings[issuer][account] "
         "(invoice_settings[issuer][account])"},
        {"phases[0][items][1][x]=acct_foreign",
         "403 account_invalid: The provided key does not have access to account 'acct_foreign' (or that "
         "account "
         "does not exist). Application access may have been revoked. (phases[0][items][1][x])"},
        {"description=acct_1&metadata[on_behalf_of]=acct_1&metadata[account]=1", ""},
        {"expand[]=customer&expand[]=data.latest_charge.balance_transaction", ""},
        {"expand[0]=account", "400 -: This property cannot be expanded (account). (expand[0])"},
        {"expand[]=data.charge.transfer_data.destination",
         "400 -: This property cannot be expanded (data.charge.transfer_data.destination). (expand[0])"},
        {"expand=application", "400 -: This property cannot be expanded (application). (expand)"},
        {"expand[]=latest_charge.on_behalf_of",
         "400 -: This property cannot be expanded (latest_charge.on_behalf_of). (expand[0])"},
        {"transfer_lookup_key=true&lookup_key=pro", ""},
        {"expand[]=total_count", ""},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_string_equal(checked(cases[i].form, false), cases[i].want);
    assert_non_null(strstr(checked("transfer_lookup_key=true", true), "where builds share an account"));
    assert_string_equal(checked("expand[]=total_count", true),
                        "400 -: This property cannot be expanded (total_count). (expand[0])");
}

/* "key@param …" of all that must be there. */
static const char *needed(const char *method, const char *path, const char *text)
{
    static char out[4096];
    vk_stripe_found call;
    vk_stripe_need *first = NULL;
    size_t n = 0;
    out[0] = '\0';
    assert_true(vk_stripe_find(vk_str_z(method), vk_str_z(path), &call));
    assert_int_equal(vk_stripe_params_needs(a, &call, form(text), &first), VK_OK);
    for (const vk_stripe_need *d = first; d; d = d->next)
        n += (size_t)snprintf(out + n, sizeof out - n, "%s" VK_STR_FMT "@" VK_STR_FMT, n ? " " : "",
                              VK_STR_ARG(d->key), VK_STR_ARG(d->param));
    return out;
}

static void ids_are_found_wherever_they_stand(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *method, *path, *form, *want;
    } cases[] = {
        {"GET", "/v1/customers/cus_1", "", "cus_1@"},
        {"GET", "/v1/customers/cus_1/payment_methods/pm_2", "", "cus_1@ pm_2@"},
        {"GET", "/v1/products/basic", "", "product:basic@"},
        {"DELETE", "/v1/plans/gold", "", "price:gold@"},
        {"GET", "/v1/coupons/25OFF", "", "coupon:25OFF@"},
        {"GET", "/v1/coupons/cus_1", "", "coupon:cus_1@"},
        {"GET", "/v1/checkout/sessions/cs_1", "", "cs_1@"},
        {"POST", "/v1/customers", "name=cus_12345678&email=a&description=pi_1234567890", ""},
        {"POST", "/v1/customers", "payment_method=pm_1&invoice_settings[default_payment_method]=pm_2",
         "pm_1@payment_method pm_2@invoice_settings[default_payment_method]"},
        {"POST", "/v1/payment_intents", "payment_method=pm_card_visa&amount=1&currency=usd", ""},
        {"POST", "/v1/payment_intents", "payment_method_data[card][token]=tok_visa", ""},
        {"POST", "/v1/payment_intents", "payment_method_data[card][token]=tok_1AbCdEfGhIj",
         "tok_1AbCdEfGhIj@payment_method_data[card][token]"},
        {"POST", "/v1/subscriptions", "customer=cus_1&items[0][price]=price_1&items[1][plan]=gold&coupon=X",
         "cus_1@customer price:price_1@items[0][price] price:gold@items[1][plan] coupon:X@coupon"},
        {"POST", "/v1/subscriptions",
         "customer=cus_1&items[0][price_data][product]=basic&default_tax_rates[]=txr_1",
         "cus_1@customer product:basic@items[0][price_data][product] txr_1@default_tax_rates[0]"},
        {"POST", "/v1/subscriptions/sub_1", "items[0][id]=si_1&discounts[0][promotion_code]=promo_1&coupon=",
         "sub_1@ si_1@items[0][id] promo_1@discounts[0][promotion_code]"},
        {"POST", "/v1/products", "id=mine&name=x&default_price=price_1", "price:price_1@default_price"},
        {"POST", "/v1/products/basic", "id=other", "product:basic@ other@id"},
        {"GET", "/v1/products", "starting_after=basic&ids[]=a&ids[]=b",
         "product:basic@starting_after product:a@ids[0] product:b@ids[1]"},
        {"GET", "/v1/customers", "starting_after=cus_1&limit=3&email=x", "cus_1@starting_after"},
        {"GET", "/v1/charges", "payment_intent=pi_1&expand[]=data.customer", "pi_1@payment_intent"},
        /* of a name that is not known */
        {"POST", "/v1/customers", "what[ever]=price_1234567890&more=create_prorations&mode=in_progress",
         "price:price_1234567890@what[ever]"},
        {"POST", "/v1/customers", "metadata[customer]=cus_1234567890", ""},
        {"POST", "/v1/coupons", "id=X&applies_to[products][0]=basic&percent_off=5",
         "product:basic@applies_to[products][0]"},
        {"POST", "/v1/billing_portal/sessions", "customer=cus_1&configuration=bpc_1",
         "cus_1@customer bpc_1@configuration"},
        {"POST", "/v1/promotion_codes", "promotion[type]=coupon&promotion[coupon]=X&code=SPRING",
         "coupon:X@promotion[coupon]"},
        {"GET", "/v1/customers/search", "query=customer:'cus_1234567890'", ""},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_string_equal(needed(cases[i].method, cases[i].path, cases[i].form), cases[i].want);
    /* A key that is too long is nobody's. */
    char path[400];
    snprintf(path, sizeof path, "/v1/coupons/%0300d", 7);
    assert_string_equal(needed("GET", path, ""), "@");
}

static void what_is_not_there_is_said_as_stripe_says_it(void **state)
{
    VK_UNUSED(state);
    vk_stripe_need at_path = {.id = VK_STR("cus_1"), .word = "customer"};
    vk_stripe_need at_param = {.id = VK_STR("price_1"), .word = "price", .param = VK_STR("items[0][price]")};
    vk_stripe_refusal why;
    assert_int_equal(vk_stripe_need_refuse(a, &at_path, &why), VK_E_INVALID);
    assert_true(why.status == 404 && vk_str_eqz(why.param, "id") &&
                vk_str_eqz(why.message, "No such customer: 'cus_1'") &&
                strcmp(why.code, "resource_missing") == 0);
    assert_int_equal(vk_stripe_need_refuse(a, &at_param, &why), VK_E_INVALID);
    assert_true(why.status == 400 && vk_str_eqz(why.param, "items[0][price]"));
}

static const char *tagged(const char *method, const char *path, const char *text)
{
    vk_stripe_found call;
    vk_pv *f = form(text);
    assert_true(vk_stripe_find(vk_str_z(method), vk_str_z(path), &call));
    assert_int_equal(vk_stripe_params_tag(a, &call, f, VK_STR("shop.1")), VK_OK);
    return written(f);
}

static void what_is_made_says_whose_it_is(void **state)
{
    VK_UNUSED(state);
    assert_string_equal(tagged("POST", "/v1/customers", "name=a"), "name=a&metadata[vk_build]=shop.1");
    assert_string_equal(tagged("POST", "/v1/customers", "metadata[vk_build]=other.1&metadata[a]=1"),
                        "metadata[a]=1&metadata[vk_build]=shop.1");
    assert_string_equal(tagged("POST", "/v1/customers", "metadata[7]=a"),
                        "metadata[7]=a&metadata[vk_build]=shop.1");
    assert_string_equal(tagged("POST", "/v1/customers/cus_1", "metadata[a]="),
                        "metadata[a]=&metadata[vk_build]=shop.1");
    assert_string_equal(tagged("POST", "/v1/customers/cus_1", "metadata="), "metadata=");
    assert_string_equal(tagged("POST", "/v1/customers/cus_1", "name=b"), "name=b");
    assert_string_equal(tagged("POST", "/v1/payment_intents/pi_1/confirm", "metadata[vk_build]=x&a=1"),
                        "a=1");
    assert_string_equal(
        tagged("POST", "/v1/checkout/sessions", "mode=subscription&subscription_data[metadata][vk_build]=o"),
        "mode=subscription&subscription_data[metadata][vk_build]=shop.1&metadata[vk_build]=shop.1");
    assert_string_equal(
        tagged("POST", "/v1/checkout/sessions", "mode=payment"),
        "mode=payment&metadata[vk_build]=shop.1&payment_intent_data[metadata][vk_build]=shop.1");
}

static void calls_are_found_by_their_parts(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *method, *path, *want;
    } cases[] = {
        {"GET", "/v1/customers", "/v1/customers"},
        {"GET", "/v1/customers/search", "/v1/customers/search"},
        {"GET", "/v1/customers/x", "/v1/customers/:id"},
        {"POST", "/v1/invoices/create_preview", "/v1/invoices/create_preview"},
        {"POST", "/v1/customers/search", "/v1/customers/:id"},
        {"PUT", "/v1/customers", NULL},
        {"GET", "/v1/customers/", NULL},
        {"GET", "//v1/customers", NULL},
        {"GET", "/v1//customers", NULL},
        {"GET", "/v1/accounts", NULL},
        {"GET", "/v1/accounts/acct_1", NULL},
        {"POST", "/v2/core/events", NULL},
        {"GET", "/v1/payouts", NULL},
        {"POST", "/v1/transfers", NULL},
        {"POST", "/v1/ephemeral_keys", NULL},
        {"GET", "/v1/a/b/c/d/e/f/g/h", NULL},
        {"GET", "", NULL},
        {"GET", "/", NULL},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_stripe_found f;
        bool is = vk_stripe_find(vk_str_z(cases[i].method), vk_str_z(cases[i].path), &f);
        assert_int_equal(is, cases[i].want != NULL);
        if (is)
            assert_string_equal(f.call->path, cases[i].want);
    }
    /* Each has a kind for its ids, and lists have one for what is in them. */
    for (const vk_stripe_call *c = vk_stripe_calls; c->path; c++) {
        vk_stripe_found f;
        char path[200];
        size_t n = 0;
        for (const char *p = c->path; *p; p++)
            if (*p != ':')
                path[n++] = *p;
        path[n] = '\0'; /* ":id" becomes "id" */
        assert_true(vk_stripe_find(vk_str_z(c->method), vk_str_z(path), &f));
        if (c->does & VK_STRIPE_LOCAL)
            continue;
        for (size_t i = 0; i < f.n; i++)
            assert_non_null(f.kind[i]);
        if (c->does & (VK_STRIPE_LIST | VK_STRIPE_SEARCH | VK_STRIPE_MAKE))
            assert_non_null(f.of);
    }
}

static int before(void **state)
{
    VK_UNUSED(state);
    a = vk_arena_new(1 << 22);
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
        cmocka_unit_test_setup_teardown(forms_are_written_as_they_are_read, before, after),
        cmocka_unit_test_setup_teardown(other_accounts_are_out_of_reach, before, after),
        cmocka_unit_test_setup_teardown(ids_are_found_wherever_they_stand, before, after),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_said_as_stripe_says_it, before, after),
        cmocka_unit_test_setup_teardown(what_is_made_says_whose_it_is, before, after),
        cmocka_unit_test_setup_teardown(calls_are_found_by_their_parts, before, after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
