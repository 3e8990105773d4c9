/* The description: compiles; finds endpoints and versions; checks, takes and renders as it says. Cases are
 * tables; documents are given to the call as if it had made them, so no database is needed. */
#include "services/payments/call.h"
#include "services/payments/form.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_arena *arena;

static int start(void **state)
{
    const char *why = "";
    VK_UNUSED(state);
    if (vk_pay_schema_start(&why) != VK_OK) {
        print_error("%s\n", why);
        return -1;
    }
    arena = vk_arena_new(64 << 20);
    return arena ? 0 : -1;
}

static int stop(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(arena);
    return 0;
}

static vk_pv *parsed(const char *json)
{
    vk_pv *v = NULL;
    assert_int_equal(vk_pv_parse(arena, vk_str_z(json), &v), VK_OK);
    return v;
}

static const char *text_of(const vk_pv *v)
{
    vk_buf b;
    vk_buf_init(&b, 1 << 20);
    vk_pv_write(&b, v);
    assert_int_equal(b.err, VK_OK);
    vk_str s = vk_arena_dup(arena, vk_buf_view(&b));
    vk_buf_free(&b);
    return s.p;
}

static vk_pay_call call(const char *method, const char *path, int version)
{
    bool there;
    vk_pay_call c = {.arena = arena, .version = version, .now = 1700000000};
    c.ep = vk_pay_endpoint_find(vk_str_z(method), vk_str_z(path), version, c.id, &there);
    assert_non_null(c.ep);
    return c;
}

/* ---- endpoints, versions, ids */

static void endpoints(void **state)
{
    static const struct {
        const char *method, *path, *found, *id0, *id1;
        bool there;
    } cases[] = {
        {"POST", "/v1/customers", "/v1/customers", "", "", true},
        {"GET", "/v1/customers/cus_1", "/v1/customers/:id", "cus_1", "", true},
        {"GET", "/v1/customers/search", "/v1/customers/search", "", "", true},
        {"GET", "/v1/customers/cus_1/payment_methods/pm_2", "/v1/customers/:id/payment_methods/:id", "cus_1",
         "pm_2", true},
        {"PUT", "/v1/customers", NULL, "", "", true},
        {"GET", "/v1/customers/", NULL, "", "", false},
        {"GET", "/v1//customers", NULL, "", "", false},
        {"GET", "/v1/nothing", NULL, "", "", false},
        {"GET", "/v1/invoices/upcoming", NULL, "", "", true},
        {"GET", "/v1/invoices/in_1", "/v1/invoices/:id", "in_1", "", true},
        {"GET", "", NULL, "", "", false},
        {"GET", "/", NULL, "", "", false},
        {"GET", "/a/b/c/d/e/f/g/h/i/j/k", NULL, "", "", false},
        {"GET", "/c/pay/cs_test_1", "/c/pay/:id", "cs_test_1", "", true},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_str ids[2];
        bool there;
        const vk_pay_endpoint *ep = vk_pay_endpoint_find(vk_str_z(cases[i].method), vk_str_z(cases[i].path),
                                                         VK_PAY_NEWEST, ids, &there);
        assert_int_equal(there, cases[i].there);
        if (!cases[i].found) {
            assert_null(ep);
            continue;
        }
        assert_non_null(ep);
        assert_string_equal(ep->path, cases[i].found);
        assert_string_equal(ep->method, cases[i].method);
        assert_true(vk_str_eqz(ids[0], cases[i].id0));
        assert_true(vk_str_eqz(ids[1], cases[i].id1));
    }
    assert_true(vk_pay_absent(VK_STR("POST"), VK_STR("/v1/billing_portal/sessions")));
    assert_true(vk_pay_absent(VK_STR("GET"), VK_STR("/v2/core/accounts")));
    assert_true(vk_pay_absent(VK_STR("POST"), VK_STR("/v1/invoices/in_1/pay")));
    assert_true(vk_pay_absent(VK_STR("GET"), VK_STR("/v1/customers/cus_1/tax_ids")));
    assert_true(vk_pay_absent(VK_STR("GET"), VK_STR("/v1/invoices/upcoming")));
    assert_false(vk_pay_absent(VK_STR("GET"), VK_STR("/v1/nothing")));
    assert_false(vk_pay_absent(VK_STR("GET"), VK_STR("/")));
}

/* Escapes are decoded within the place of an id, never before it is known. */
static void ids_of_paths(void **state)
{
    static const struct {
        const char *path, *found, *id;
        size_t n;
        const char *why;
    } cases[] = {
        {"/v1/coupons/25%20OFF", "/v1/coupons/:id", "25 OFF", 6, NULL},
        {"/v1/coupons/25+OFF", "/v1/coupons/:id", "25+OFF", 6, NULL},
        {"/v1/coupons/50%25", "/v1/coupons/:id", "50%", 3, NULL},
        {"/v1/coupons/%C3%89T%c3%89", "/v1/coupons/:id", "\xc3\x89T\xc3\x89", 5, NULL},
        {"/v1/coupons/a%2Fb", "/v1/coupons/:id", "a/b", 3, NULL},
        {"/v1/coupons/..%2Fcustomers", "/v1/coupons/:id", "../customers", 12, NULL},
        {"/v1/charges/sear%63h", "/v1/charges/:id", "search", 6, NULL},
        {"/v1%2Fcoupons", NULL, NULL, 0, NULL},
        {"/v1/coupons%2Fx", NULL, NULL, 0, NULL},
        {"/v1/%63oupons/x", NULL, NULL, 0, NULL},
        {"/v1/coupons/a%00b", "/v1/coupons/:id", NULL, 0, "Invalid UTF-8 encoding"},
        {"/v1/coupons/a%", "/v1/coupons/:id", NULL, 0, "Invalid percent-encoding"},
        {"/v1/coupons/a%2", "/v1/coupons/:id", NULL, 0, "Invalid percent-encoding"},
        {"/v1/coupons/a%2g", "/v1/coupons/:id", NULL, 0, "Invalid percent-encoding"},
        {"/v1/coupons/%ff", "/v1/coupons/:id", NULL, 0, "Invalid UTF-8 encoding"},
        {"/v1/coupons/%c0%af", "/v1/coupons/:id", NULL, 0, "Invalid UTF-8 encoding"},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_str got[2];
        bool there;
        const char *why = NULL;
        const vk_pay_endpoint *ep =
            vk_pay_endpoint_find(VK_STR("GET"), vk_str_z(cases[i].path), VK_PAY_NEWEST, got, &there);
        if (!cases[i].found) {
            assert_null(ep);
            continue;
        }
        assert_non_null(ep);
        assert_string_equal(ep->path, cases[i].found);
        vk_err e = vk_pay_ids(arena, got, &why);
        if (cases[i].why) {
            assert_int_equal(e, VK_E_INVALID);
            assert_string_equal(why, cases[i].why);
        } else {
            assert_int_equal(e, VK_OK);
            assert_true(vk_str_eq(got[0], (vk_str){cases[i].id, cases[i].n}));
            assert_int_equal(got[1].n, 0);
        }
    }
    vk_str two[2];
    bool there;
    const char *why;
    assert_non_null(vk_pay_endpoint_find(VK_STR("GET"), VK_STR("/v1/customers/a%20b/payment_methods/c%2fd"),
                                         VK_PAY_NEWEST, two, &there));
    assert_int_equal(vk_pay_ids(arena, two, &why), VK_OK);
    assert_true(vk_str_eqz(two[0], "a b") && vk_str_eqz(two[1], "c/d"));
}

static void versions(void **state)
{
    static const struct {
        const char *text;
        int v; /* 0: refused */
    } cases[] = {
        {"2026-10-28.endive", 20261028},
        {"2022-11-15", 20221115},
        {"2025-03-31.basil; some_beta=v1", 20250331},
        {"2024-06-20; a=b", 20240620},
        {" 2020-08-27 ", 20200827},
        {"2031-01-01.zebra", VK_PAY_NEWEST},
        {"", 0},
        {"2026", 0},
        {"2026-13-01", 0},
        {"2026-00-01", 0},
        {"2026-10-32", 0},
        {"2026-10-28.", 0},
        {"2026-10-28x", 0},
        {"20261028ab", 0},
        {"2026-1o-28", 0},
        {"1999-01-01", 0},
        {"2024-06-20; a=\x7f", 0},
        {"2024-06-20; a=\xe4", 0},
        {"2024-06-20; a=\tb", 0},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        int v = 0;
        assert_int_equal(vk_pay_version(vk_str_z(cases[i].text), &v), cases[i].v ? VK_OK : VK_E_INVALID);
        assert_int_equal(v, cases[i].v);
    }
}

static void ids(void **state)
{
    VK_UNUSED(state);
    assert_ptr_equal(vk_pay_resource_of_id(VK_STR("cs_test_a1")), &vk_pay_r_session);
    assert_ptr_equal(vk_pay_resource_of_id(VK_STR("pi_1")), &vk_pay_r_payment_intent);
    assert_ptr_equal(vk_pay_resource_of_id(VK_STR("prod_1")), &vk_pay_r_product);
    assert_null(vk_pay_resource_of_id(VK_STR("zz_1")));
    assert_ptr_equal(vk_pay_resource_of(VK_STR("checkout.session")), &vk_pay_r_session);
    assert_null(vk_pay_resource_of(VK_STR("nothing")));
}

/* ---- parameters */

typedef struct check_case {
    const char *method, *path, *form;
    int version;
    /* what comes of it as JSON, or the refusal */
    const char *want, *code, *param, *message;
} check_case;

#define PRODUCT "POST", "/v1/products"
#define SESSION "POST", "/v1/checkout/sessions"
#define CUSTOMER "POST", "/v1/customers"
#define NEW VK_PAY_NEWEST

static const check_case checks[] = {
    {PRODUCT, "name=T&active=true&images[0]=a&images[1]=b", NEW,
     "{\"name\":\"T\",\"active\":true,\"images\":[\"a\",\"b\"]}", NULL, NULL, NULL},
    {PRODUCT, "active=true", NEW, NULL, "parameter_missing", "name", "Missing required param: name."},
    {PRODUCT, "name=T&foo=1", NEW, NULL, "parameter_unknown", "foo", "Received unknown parameter: foo"},
    {PRODUCT, "foo=1&bar[a]=2", NEW, NULL, "parameter_unknown", "foo",
     "Received unknown parameters: foo, bar"},
    {PRODUCT, "name=", NEW, NULL, "parameter_invalid_empty", "name",
     "You passed an empty string for 'name'. We assume empty values are an attempt to unset a parameter; "
     "however 'name' cannot be unset. You should remove 'name' from your request or supply a non-empty "
     "value."},
    {PRODUCT, "name=T&active=yes", NEW, NULL, NULL, "active", "Invalid boolean: yes"},
    {PRODUCT, "name=T&images=x", NEW, NULL, NULL, "images", "Invalid array"},
    {PRODUCT, "name[a]=T", NEW, NULL, NULL, "name", "Invalid string"},
    {PRODUCT, "name=T&metadata[a]=1&metadata[b]=", NEW,
     "{\"name\":\"T\",\"metadata\":{\"a\":\"1\",\"b\":\"\"}}", NULL, NULL, NULL},
    {PRODUCT, "name=T&metadata[7]=x", NEW, "{\"name\":\"T\",\"metadata\":{\"7\":\"x\"}}", NULL, NULL, NULL},
    {PRODUCT, "name=T&metadata=", NEW, "{\"name\":\"T\",\"metadata\":null}", NULL, NULL, NULL},
    {PRODUCT, "name=T&metadata=x", NEW, NULL, NULL, "metadata", "Invalid object"},
    {PRODUCT, "name=T&metadata[a][b]=x", NEW, NULL, NULL, "metadata[a]", "Metadata values must be strings."},
    {PRODUCT, "name=T&metadata[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]=1", NEW, NULL, NULL, "metadata",
     "Metadata keys can be up to 40 characters long. Invalid key: "
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {PRODUCT, "name=T&default_price_data[unit_amount]=1", NEW, NULL, "parameter_missing",
     "default_price_data[currency]", "Missing required param: default_price_data[currency]."},
    {PRODUCT, "name=T&default_price_data[currency]=usd&default_price_data[unit_amount]=1.5", NEW, NULL,
     "parameter_invalid_integer", "default_price_data[unit_amount]", "Invalid integer: 1.5"},
    {PRODUCT, "name=T&description=", NEW, "{\"name\":\"T\",\"description\":null}", NULL, NULL, NULL},
    {PRODUCT, "name=T&unit_label=1234567890123", NEW, NULL, NULL, "unit_label",
     "Invalid string: 1234567890123...; must be at most 12 characters"},
    {PRODUCT, "name=T&features[0][name]=x", NEW, "{\"name\":\"T\"}", NULL, NULL, NULL},
    {SESSION, "mode=pay", NEW, NULL, NULL, "mode",
     "Invalid mode: must be one of subscription, payment, or setup"},
    {SESSION, "mode=payment&line_items[0][quantity]=2&line_items[0][price_data][unit_amount]=5", NEW, NULL,
     "parameter_missing", "line_items[0][price_data][currency]",
     "Missing required param: line_items[0][price_data][currency]."},
    {SESSION, "mode=payment&line_items[0][quantity]=x", NEW, NULL, "parameter_invalid_integer",
     "line_items[0][quantity]", "Invalid integer: x"},
    {SESSION, "mode=payment&line_items[0][foo]=x&line_items[1][bar]=y", NEW, NULL, "parameter_unknown",
     "line_items[0][foo]", "Received unknown parameters: line_items[0][foo], line_items[1][bar]"},
    {SESSION, "mode=payment&line_items[]=x", NEW, NULL, NULL, "line_items[0]", "Invalid object"},
    {SESSION, "ui_mode=hosted", NEW, "{\"ui_mode\":\"hosted_page\"}", NULL, NULL, NULL},
    {SESSION, "ui_mode=x", NEW, NULL, NULL, "ui_mode",
     "Invalid ui_mode: must be one of hosted_page, embedded_page, elements, or form"},
    {SESSION, "payment_method_types[0]=card", NEW, "{\"payment_method_types\":[\"card\"]}", NULL, NULL, NULL},
    {SESSION, "shipping_address_collection[allowed_countries][0]=US", NEW,
     "{\"shipping_address_collection\":{\"allowed_countries\":[\"US\"]}}", NULL, NULL, NULL},
    {SESSION, "shipping_address_collection[allowed_countries][0]=us", NEW, NULL, NULL,
     "shipping_address_collection[allowed_countries][0]",
     "Country 'us' is unknown. Try using a 2-character alphanumeric country code instead, such as 'US', "
     "'EG', or 'GB'."},
    {CUSTOMER, "email=a%40b.c&address[city]=X&address[foo]=1", NEW, NULL, "parameter_unknown", "address[foo]",
     "Received unknown parameter: address[foo]"},
    {CUSTOMER, "address=", NEW, "{\"address\":null}", NULL, NULL, NULL},
    {CUSTOMER, "address=x", NEW, NULL, NULL, "address", "Invalid object"},
    {CUSTOMER, "balance=99999999999999999999", NEW, NULL, "parameter_invalid_integer", "balance",
     "Invalid integer: 99999999999999999999"},
    {CUSTOMER, "balance=%2B5", NEW, NULL, "parameter_invalid_integer", "balance", "Invalid integer: +5"},
    {CUSTOMER, "balance=-5", NEW, "{\"balance\":-5}", NULL, NULL, NULL},
    {"POST", "/v1/promotion_codes", "coupon=x", 20240620, "{\"coupon\":\"x\"}", NULL, NULL, NULL},
    {"POST", "/v1/promotion_codes", "coupon=x", NEW, NULL, "parameter_unknown", "coupon",
     "Received unknown parameter: coupon"},
    {"POST", "/v1/coupons", "percent_off=012.50&duration=once", NEW,
     "{\"percent_off\":\"12.5\",\"duration\":\"once\"}", NULL, NULL, NULL},
    {"POST", "/v1/coupons", "percent_off=25.0", NEW, "{\"percent_off\":\"25\"}", NULL, NULL, NULL},
    {"POST", "/v1/coupons", "percent_off=1e3", NEW, NULL, NULL, "percent_off", "Invalid decimal: 1e3"},
    {"POST", "/v1/prices", "currency=usd&unit_amount_decimal=0.050", NEW,
     "{\"currency\":\"usd\",\"unit_amount_decimal\":\"0.050\"}", NULL, NULL, NULL},
    {"POST", "/v1/prices", "currency=usd&recurring[interval]=hour", NEW, NULL, NULL, "recurring[interval]",
     "Invalid recurring[interval]: must be one of day, month, week, or year"},
    {"POST", "/v1/subscriptions", "customer=c&items[0][price]=p&trial_end=now", NEW,
     "{\"customer\":\"c\",\"items\":[{\"price\":\"p\"}],\"trial_end\":\"now\"}", NULL, NULL, NULL},
    {"POST", "/v1/subscriptions", "customer=c&items[0][price]=p&trial_end=5", NEW,
     "{\"customer\":\"c\",\"items\":[{\"price\":\"p\"}],\"trial_end\":5}", NULL, NULL, NULL},
    {"POST", "/v1/subscriptions", "items[0][price]=p", NEW, NULL, "parameter_missing", "customer",
     "Missing required param: customer."},
    {"POST", "/v1/payment_intents", "amount=1&currency=usd&off_session=true", NEW,
     "{\"amount\":1,\"currency\":\"usd\",\"off_session\":true}", NULL, NULL, NULL},
    {"POST", "/v1/payment_intents", "amount=1&currency=usd&off_session=one_off", NEW,
     "{\"amount\":1,\"currency\":\"usd\",\"off_session\":\"one_off\"}", NULL, NULL, NULL},
    {"POST", "/v1/payment_intents", "amount=1&currency=usd&payment_method_options[blik][code]=1", NEW,
     "{\"amount\":1,\"currency\":\"usd\",\"payment_method_options\":{}}", NULL, NULL, NULL},
    {"GET", "/v1/customers", "created[gte]=1&limit=3&email=a", NEW,
     "{\"created\":{\"gte\":1},\"limit\":3,\"email\":\"a\"}", NULL, NULL, NULL},
    {"GET", "/v1/customers", "created=7", NEW, "{\"created\":7}", NULL, NULL, NULL},
    {"GET", "/v1/customers", "created[foo]=7", NEW, NULL, "parameter_unknown", "created[foo]",
     "Received unknown parameter: created[foo]"},
    {"GET", "/v1/customers", "limit=x", NEW, NULL, "parameter_invalid_integer", "limit",
     "Invalid integer: x"},
    {"GET", "/v1/products/prod_1", "name=x", NEW, NULL, "parameter_unknown", "name",
     "Received unknown parameter: name"},
    {"GET", "/v1/prices", "recurring[interval]=month&lookup_keys[0]=a", NEW,
     "{\"recurring\":{\"interval\":\"month\"},\"lookup_keys\":[\"a\"]}", NULL, NULL, NULL},
    {"GET", "/v1/products/prod_1", "expand[0]=default_price", NEW, "{}", NULL, NULL, NULL},
    {"GET", "/v1/products/prod_1", "expand[]=default_price.product", NEW, "{}", NULL, NULL, NULL},
    {"GET", "/v1/products/prod_1", "expand[]=name", NEW, NULL, NULL, "expand",
     "This property cannot be expanded (name)."},
    {"GET", "/v1/products/prod_1", "expand[]=nothing.more", NEW, NULL, NULL, "expand",
     "This property cannot be expanded (nothing.more)."},
    {"GET", "/v1/products/prod_1", "expand=default_price", NEW, NULL, NULL, "expand", "Invalid array"},
    {"GET", "/v1/products", "expand[]=data.default_price", NEW, "{}", NULL, NULL, NULL},
    {"GET", "/v1/products", "expand[]=default_price", NEW, NULL, NULL, "expand",
     "This property cannot be expanded (default_price)."},
    {"GET", "/v1/subscriptions", "expand[]=data.items.data.price", NEW, "{}", NULL, NULL, NULL},
    {"GET", "/v1/subscriptions", "expand[]=data.items.data.price.product", NEW, NULL,
     "property_expansion_max_depth", "expand",
     "You cannot expand more than 4 levels of a property. Property: data.items.data.price.product"},
    {"GET", "/v1/subscriptions/sub_1", "expand[]=items.data.price.product", NEW, "{}", NULL, NULL, NULL},
    {"GET", "/v1/subscriptions/sub_1", "expand[]=latest_invoice.payment_intent", 20240620, "{}", NULL, NULL,
     NULL},
    {"GET", "/v1/subscriptions/sub_1", "expand[]=latest_invoice.payment_intent", NEW, NULL, NULL, "expand",
     "This property cannot be expanded (latest_invoice.payment_intent)."},
    {"GET", "/v1/checkout/sessions/cs_test_1", "expand[]=line_items&expand[]=line_items.data.price.product",
     NEW, "{}", NULL, NULL, NULL},
};

static void check(void **state)
{
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(checks); i++) {
        const check_case *k = &checks[i];
        const char *why;
        vk_str param;
        vk_pay_call c = call(k->method, k->path, k->version);
        assert_int_equal(vk_pay_form(arena, vk_str_z(k->form), NULL, &c.params, &why, &param), VK_OK);
        vk_err e = vk_pay_check(&c, c.params);
        if (k->want) {
            if (e != VK_OK && c.refusal)
                print_error("%s: %.*s\n", k->form, (int)c.refusal->message.n, c.refusal->message.p);
            assert_int_equal(e, VK_OK);
            assert_string_equal(text_of(c.params), k->want);
            continue;
        }
        if (e == VK_OK)
            print_error("%s %s: accepted\n", k->path, k->form);
        assert_int_equal(e, VK_E_INVALID);
        assert_non_null(c.refusal);
        assert_int_equal(c.refusal->status, 400);
        assert_string_equal(c.refusal->message.p, k->message);
        assert_string_equal(c.refusal->param.p, k->param);
        assert_string_equal(c.refusal->code ? c.refusal->code : "", k->code ? k->code : "");
    }
}

static void notices(void **state)
{
    const char *why;
    vk_str param;
    VK_UNUSED(state);
    vk_pay_call c = call(PRODUCT, NEW);
    assert_int_equal(
        vk_pay_form(arena, VK_STR("name=T&caption=x&attributes[]=y"), NULL, &c.params, &why, &param), VK_OK);
    assert_int_equal(vk_pay_check(&c, c.params), VK_OK);
    assert_string_equal(text_of(c.params), "{\"name\":\"T\"}");
    assert_true(c.notice.p && strstr(c.notice.p, "caption, attributes are accepted but have no effect"));
    c = call(CUSTOMER, NEW);
    assert_int_equal(vk_pay_form(arena, VK_STR("source=tok_visa"), NULL, &c.params, &why, &param), VK_OK);
    assert_int_equal(vk_pay_check(&c, c.params), VK_E_INVALID);
    assert_string_equal(c.refusal->param.p, "source");
    c = call(CUSTOMER, NEW);
    assert_int_equal(vk_pay_form(arena, VK_STR("source="), NULL, &c.params, &why, &param), VK_OK);
    assert_int_equal(vk_pay_check(&c, c.params), VK_OK);
}

/* ---- taking */

static void take(void **state)
{
    static const struct {
        const char *method, *path, *doc, *params, *want;
    } cases[] = {
        {PRODUCT, "{}", "{\"name\":\"T\",\"id\":\"x\",\"metadata\":{\"a\":\"1\",\"b\":\"\"}}",
         "{\"name\":\"T\",\"metadata\":{\"a\":\"1\"}}"},
        {"POST", "/v1/products/prod_1", "{\"metadata\":{\"a\":\"1\",\"b\":\"2\"},\"images\":[\"x\",\"y\"]}",
         "{\"metadata\":{\"a\":\"\",\"c\":\"3\"},\"images\":[\"z\"],\"description\":null}",
         "{\"metadata\":{\"b\":\"2\",\"c\":\"3\"},\"images\":[\"z\"],\"description\":null}"},
        {"POST", "/v1/products/prod_1", "{\"metadata\":{\"a\":\"1\"}}", "{\"metadata\":null}",
         "{\"metadata\":{}}"},
        {"POST", "/v1/customers/cus_1",
         "{\"address\":{\"city\":\"A\",\"line1\":\"L\"},\"invoice_settings\":{\"footer\":\"f\"}}",
         "{\"address\":{\"city\":\"B\",\"line1\":null},\"invoice_settings\":{\"default_payment_method\":"
         "\"pm_1\"}}",
         "{\"address\":{\"city\":\"B\",\"line1\":null},\"invoice_settings\":{\"footer\":\"f\",\"default_"
         "payment_method\":\"pm_1\"}}"},
        {"POST", "/v1/customers/cus_1", "{\"address\":{\"city\":\"A\"}}", "{\"address\":null}",
         "{\"address\":null}"},
        {"POST", "/v1/customers/cus_1", "{\"address\":null}", "{\"address\":{\"city\":\"A\"}}",
         "{\"address\":{\"city\":\"A\"}}"},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_pay_call c = call(cases[i].method, cases[i].path, NEW);
        vk_pv *doc = parsed(cases[i].doc);
        c.params = parsed(cases[i].params);
        assert_int_equal(vk_pay_take(&c, doc), VK_OK);
        assert_string_equal(text_of(doc), cases[i].want);
    }
}

/* ---- rendering */

/* A document that the call knows, without a database. */
static vk_pv *known(vk_pay_call *c, const vk_pay_resource *r, const char *id, const char *json)
{
    vk_pv *doc = NULL, *more = parsed(json);
    assert_int_equal(vk_pay_new(c, r, vk_str_z(id), &doc), VK_OK);
    for (vk_pv *m = vk_pv_first(more), *next; m; m = next) {
        next = m->next;
        assert_true(vk_pv_set_n(arena, doc, m->key, vk_pv_copy(arena, m)));
    }
    return doc;
}

static vk_pv *rendered(vk_pay_call *c, const vk_pay_resource *r, const vk_pv *doc, const char *expand)
{
    vk_pv *out = NULL;
    c->expand = expand ? parsed(expand) : NULL;
    assert_int_equal(vk_pay_render(c, r, doc, "", &out), VK_OK);
    return out;
}

#define assert_at(v, path, json)                                                                             \
    do {                                                                                                     \
        const vk_pv *at_ = vk_pv_at(v, path);                                                                \
        assert_string_equal(at_ ? text_of(at_) : "absent", json);                                            \
    } while (0)

static void defaults(void **state)
{
    VK_UNUSED(state);
    vk_pay_call c = {.arena = arena, .version = NEW, .now = 5};
    vk_pv *doc = known(&c, &vk_pay_r_product, "prod_1", "{\"name\":\"T\",\"hidden\":1}");
    assert_string_equal(
        text_of(rendered(&c, &vk_pay_r_product, doc, NULL)),
        "{\"id\":\"prod_1\",\"object\":\"product\",\"active\":true,\"created\":5,\"default_price\":null,"
        "\"description\":null,\"images\":[],\"livemode\":false,\"marketing_features\":[],\"metadata\":{},"
        "\"name\":\"T\",\"package_dimensions\":null,\"shippable\":null,\"statement_descriptor\":null,"
        "\"tax_code\":null,\"tax_details\":null,\"type\":\"service\",\"unit_label\":null,\"updated\":0,"
        "\"url\":null}");
    c.version = 20231016;
    doc =
        known(&c, &vk_pay_r_product, "prod_2", "{\"name\":\"T\",\"marketing_features\":[{\"name\":\"f\"}]}");
    vk_pv *old = rendered(&c, &vk_pay_r_product, doc, NULL);
    assert_at(old, "features", "[{\"name\":\"f\"}]");
    assert_at(old, "marketing_features", "[{\"name\":\"f\"}]");
}

static void deleted(void **state)
{
    VK_UNUSED(state);
    vk_pay_call c = {.arena = arena, .version = NEW};
    vk_pv *gone = known(&c, &vk_pay_r_customer, "cus_1", "{\"deleted\":true,\"email\":\"a@b.c\"}");
    assert_string_equal(text_of(rendered(&c, &vk_pay_r_customer, gone, NULL)),
                        "{\"id\":\"cus_1\",\"object\":\"customer\",\"deleted\":true}");
    vk_pv *charge = known(&c, &vk_pay_r_charge, "ch_1", "{\"customer\":\"cus_1\"}");
    vk_pv *out = rendered(&c, &vk_pay_r_charge, charge, "[\"customer\"]");
    assert_at(out, "customer", "{\"id\":\"cus_1\",\"object\":\"customer\",\"deleted\":true}");
    assert_at(rendered(&c, &vk_pay_r_charge, charge, NULL), "customer", "\"cus_1\"");
}

static void numbers(void **state)
{
    VK_UNUSED(state);
    vk_pay_call c = {.arena = arena, .version = NEW};
    vk_pv *doc = known(&c, &vk_pay_r_coupon, "c1", "{\"percent_off\":\"12.5\"}");
    assert_at(rendered(&c, &vk_pay_r_coupon, doc, NULL), "percent_off", "12.5");
    doc = known(&c, &vk_pay_r_coupon, "c2", "{\"percent_off\":\"25\",\"applies_to\":{\"products\":[\"p\"]}}");
    assert_at(rendered(&c, &vk_pay_r_coupon, doc, NULL), "percent_off", "25");
    assert_at(rendered(&c, &vk_pay_r_coupon, doc, NULL), "applies_to", "absent");
    assert_at(rendered(&c, &vk_pay_r_coupon, doc, "[\"applies_to\"]"), "applies_to",
              "{\"products\":[\"p\"]}");
    doc = known(&c, &vk_pay_r_price, "price_1", "{\"unit_amount_decimal\":1200}");
    assert_at(rendered(&c, &vk_pay_r_price, doc, NULL), "unit_amount_decimal", "\"1200\"");
}

static const char subscription_doc[] =
    "{\"customer\":\"cus_1\",\"latest_invoice\":\"in_1\",\"items\":{\"data\":[{\"id\":\"si_1\",\"price\":"
    "\"price_1\",\"quantity\":2,\"current_period_start\":10,\"current_period_end\":20,\"subscription\":"
    "\"sub_1\"}]},\"discounts\":[{\"id\":\"di_1\",\"source\":{\"coupon\":\"co_1\"}}]}";

static void subscriptions(void **state)
{
    VK_UNUSED(state);
    vk_pay_call c = {.arena = arena, .version = NEW};
    known(&c, &vk_pay_r_product, "prod_1", "{\"name\":\"T\"}");
    known(&c, &vk_pay_r_coupon, "co_1", "{}");
    known(&c, &vk_pay_r_price, "price_1",
          "{\"product\":\"prod_1\",\"unit_amount\":1200,\"type\":\"recurring\",\"recurring\":{\"interval\":"
          "\"year\"}}");
    vk_pv *doc = known(&c, &vk_pay_r_subscription, "sub_1", subscription_doc);
    vk_pv *v = rendered(&c, &vk_pay_r_subscription, doc, NULL);
    assert_at(v, "current_period_end", "absent");
    assert_at(v, "plan", "absent");
    assert_at(v, "discount", "absent");
    assert_at(v, "discounts", "[\"di_1\"]");
    assert_at(v, "items.url", "\"/v1/subscription_items?subscription=sub_1\"");
    assert_at(v, "items.has_more", "false");
    assert_at(v, "items.total_count", "1");
    assert_at(v, "items.data.0.current_period_end", "20");
    assert_at(v, "items.data.0.price.product", "\"prod_1\"");
    assert_at(v, "items.data.0.price.object", "\"price\"");
    assert_at(v, "items.data.0.plan.object", "\"plan\"");
    assert_at(v, "items.data.0.plan.interval", "\"year\"");
    assert_at(v, "items.data.0.plan.interval_count", "1");
    assert_at(v, "items.data.0.plan.amount", "1200");
    assert_at(v, "trial_settings.end_behavior.missing_payment_method", "\"create_invoice\"");
    v = rendered(&c, &vk_pay_r_subscription, doc, "[\"items.data.price.product\",\"discounts\"]");
    assert_at(v, "items.data.0.price.product.name", "\"T\"");
    assert_at(v, "items.data.0.plan.product", "\"prod_1\"");
    assert_at(v, "discounts.0.source.coupon", "\"co_1\"");

    c.version = 20240620;
    v = rendered(&c, &vk_pay_r_subscription, doc, NULL);
    assert_at(v, "current_period_start", "10");
    assert_at(v, "current_period_end", "20");
    assert_at(v, "items.data.0.current_period_end", "20");
    assert_at(v, "plan.id", "\"price_1\"");
    assert_at(v, "quantity", "2");
    assert_at(v, "discount.id", "\"di_1\"");
    assert_at(v, "discount.coupon.object", "\"coupon\"");
    assert_at(v, "discount.source.coupon", "\"co_1\"");
    c.version = VK_PAY_BASIL;
    v = rendered(&c, &vk_pay_r_subscription, doc, "[\"discounts\"]");
    assert_at(v, "current_period_start", "absent");
    assert_at(v, "discounts.0.coupon.object", "\"coupon\"");
    assert_at(v, "discounts.0.source", "absent");
}

static void sessions(void **state)
{
    VK_UNUSED(state);
    vk_pay_call c = {.arena = arena, .version = NEW};
    vk_pv *doc = known(&c, &vk_pay_r_session, "cs_test_1",
                       "{\"line_items\":{\"data\":[{\"id\":\"li_1\"},{\"id\":\"li_2\"},{\"id\":\"li_3\"},{"
                       "\"id\":\"li_4\"},{\"id\":\"li_5\"},{\"id\":\"li_6\"},{\"id\":\"li_7\"},{\"id\":"
                       "\"li_8\"},{\"id\":\"li_9\"},{\"id\":\"li_10\"},{\"id\":\"li_11\"}]}}");
    vk_pv *v = rendered(&c, &vk_pay_r_session, doc, NULL);
    assert_at(v, "line_items", "absent");
    assert_at(v, "ui_mode", "\"hosted_page\"");
    assert_at(v, "phone_number_collection", "{\"enabled\":false}");
    assert_at(v, "shipping_details", "absent");
    v = rendered(&c, &vk_pay_r_session, doc, "[\"line_items\"]");
    assert_at(v, "line_items.has_more", "true");
    assert_at(v, "line_items.total_count", "11");
    assert_int_equal(vk_pv_at(v, "line_items.data")->count, 10);
    assert_at(v, "line_items.url", "\"/v1/checkout/sessions/cs_test_1/line_items\"");
    assert_at(v, "line_items.data.0.object", "\"item\"");
    c.version = 20251117;
    assert_at(rendered(&c, &vk_pay_r_session, doc, NULL), "ui_mode", "\"hosted\"");
    c.version = 20240620;
    v = rendered(&c, &vk_pay_r_session, doc, NULL);
    assert_at(v, "ui_mode", "\"hosted\"");
    assert_at(v, "shipping_details", "null");
}

static void invoices(void **state)
{
    VK_UNUSED(state);
    vk_pay_call c = {.arena = arena, .version = 20240620};
    vk_pv *doc =
        known(&c, &vk_pay_r_invoice, "in_1",
              "{\"status\":\"paid\",\"payment_intent\":\"pi_1\",\"parent\":{\"type\":\"subscription_"
              "details\",\"subscription_details\":{\"subscription\":\"sub_1\",\"metadata\":{\"a\":"
              "\"1\"}}},\"total_taxes\":[{\"amount\":5,\"tax_behavior\":\"inclusive\",\"tax_rate_"
              "details\":{\"tax_rate\":\"txr_1\"}}],\"lines\":{\"data\":[{\"id\":\"il_1\",\"parent\":"
              "{\"type\":\"subscription_item_details\",\"subscription_item_details\":{\"proration\":"
              "true,\"subscription_item\":\"si_1\"}}}]}}");
    vk_pv *v = rendered(&c, &vk_pay_r_invoice, doc, NULL);
    assert_at(v, "subscription", "\"sub_1\"");
    assert_at(v, "subscription_details", "{\"metadata\":{\"a\":\"1\"}}");
    assert_at(v, "payment_intent", "\"pi_1\"");
    assert_at(v, "paid", "true");
    assert_at(v, "total_tax_amounts.0.amount", "5");
    assert_at(v, "total_tax_amounts.0.inclusive", "true");
    assert_at(v, "total_tax_amounts.0.tax_rate", "\"txr_1\"");
    assert_at(v, "lines.data.0.type", "\"subscription\"");
    assert_at(v, "lines.data.0.proration", "true");
    assert_at(v, "lines.data.0.subscription_item", "\"si_1\"");
    assert_at(v, "lines.url", "\"/v1/invoices/in_1/lines\"");
    c.version = NEW;
    v = rendered(&c, &vk_pay_r_invoice, doc, NULL);
    assert_at(v, "subscription", "absent");
    assert_at(v, "payment_intent", "absent");
    assert_at(v, "parent.subscription_details.subscription", "\"sub_1\"");
    assert_at(v, "payments", "absent");
}

static void lists(void **state)
{
    VK_UNUSED(state);
    vk_pv *data = parsed("[{\"id\":\"a\"}]");
    assert_string_equal(
        text_of(vk_pay_list(arena, data, true, VK_STR("/v1/x"))),
        "{\"object\":\"list\",\"data\":[{\"id\":\"a\"}],\"has_more\":true,\"url\":\"/v1/x\"}");
    assert_null(vk_pay_list(arena, NULL, true, VK_STR("/v1/x")));
}

/* Every resource renders an empty document in every version, and nothing of it is missing or null that may
 * not be: the shape test looks closer. */
static void all_empty(void **state)
{
    static const int when[] = {20200827, 20221115, 20240410, 20250331, 20250930, 20260325, NEW};
    VK_UNUSED(state);
    for (size_t i = 0; vk_pay_resources[i]; i++)
        for (size_t k = 0; k < VK_COUNT(when); k++) {
            const vk_pay_resource *r = vk_pay_resources[i];
            vk_pay_call c = {.arena = arena, .version = when[k]};
            vk_pv *out = NULL, *doc = parsed("{\"id\":\"x_1\"}");
            if (r == &vk_pay_r_payment_intent && when[k] < 20221115)
                continue; /* its charges are looked up */
            assert_int_equal(vk_pay_render(&c, r, doc, "", &out), VK_OK);
            assert_at(out, "object", text_of(vk_pv_str(arena, vk_str_z(r->object))));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints), cmocka_unit_test(ids_of_paths), cmocka_unit_test(versions),
        cmocka_unit_test(ids),       cmocka_unit_test(check),        cmocka_unit_test(notices),
        cmocka_unit_test(take),      cmocka_unit_test(defaults),     cmocka_unit_test(deleted),
        cmocka_unit_test(numbers),   cmocka_unit_test(sessions),     cmocka_unit_test(subscriptions),
        cmocka_unit_test(invoices),  cmocka_unit_test(lists),        cmocka_unit_test(all_empty),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
