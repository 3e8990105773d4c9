/* The search query language: what is read, what is refused and how, what matches. */
#include "services/payments/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static vk_arena *a;

static const char customer[] =
    "{\"id\":\"cus_1\",\"object\":\"customer\",\"created\":1700,\"email\":\"Anne@Example.com\",\"name\":"
    "\"J\\u00e4ne "
    "\\\"The\\\" Doe\",\"phone\":null,\"metadata\":{\"plan\":\"Gold\",\"a.b\":\"x\",\"empty\":\"\"}}";
static const char charge[] = "{\"id\":\"ch_1\",\"object\":\"charge\",\"created\":1700,\"amount\":2000,"
                             "\"currency\":\"usd\",\"refunded\":false,"
                             "\"disputed\":true,\"status\":\"succeeded\",\"customer\":\"cus_1\",\"metadata\":"
                             "{},\"billing_details\":{\"address\":"
                             "{\"postal_code\":\"12345\"}},\"payment_method_details\":{\"card\":{\"last4\":"
                             "\"4242\",\"exp_month\":4,\"brand\":"
                             "\"visa\"}}}";
static const char invoice[] = "{\"id\":\"in_1\",\"total\":-500,\"number\":\"ABCD-0001\",\"parent\":"
                              "{\"subscription_details\":{\"subscription\":\"sub_9\"}}}";

static const struct {
    const char *object, *query;
    const char *json;
    bool matches;
} queries[] = {
    {"customer", "email:\"anne@example.com\"", customer, true},
    {"customer", "email:'Anne@Example.com'", customer, true},
    {"customer", "  email:'anne@example.com'\t", customer, true},
    {"customer", "email : 'anne@example.com'", customer, true},
    {"customer", "email:\"anne@example\"", customer, false},
    {"customer", "email~\"ANNE@ex\"", customer, true},
    {"customer", "email~\"xam\"", customer, true},
    {"customer", "email~\"bob\"", customer, false},
    {"customer", "-email~\"bob\"", customer, true},
    {"customer", "-email:\"anne@example.com\"", customer, false},
    {"customer", "name:\"J\xc3\xa4ne \\\"the\\\" doe\"", customer, true},
    {"customer", "name:'J\xc3\xa4ne \"The\" Doe'", customer, true},
    {"customer", "name~\"\xc3\xa4ne\"", customer, true},
    {"customer", "name~'\"the\"'", customer, true},
    {"customer", "phone:null", customer, true},
    {"customer", "phone:NULL", customer, true},
    {"customer", "-phone:null", customer, false},
    {"customer", "phone:\"null\"", customer, false},
    {"customer", "phone:'1'", customer, false},
    {"customer", "-phone:'1'", customer, true},
    {"customer", "email:null", customer, false},
    {"customer", "-email:null", customer, true},
    {"customer", "metadata[\"plan\"]:\"gold\"", customer, true},
    {"customer", "metadata['plan']:'gold'", customer, true},
    {"customer", "metadata['Plan']:'gold'", customer, false},
    {"customer", "metadata['a.b']:'x'", customer, true},
    {"customer", "metadata['empty']:''", customer, true},
    {"customer", "metadata['none']:null", customer, true},
    {"customer", "-metadata['plan']:null", customer, true},
    {"customer", "metadata['plan']:'gold' email~'anne'", customer, true},
    {"customer", "metadata['plan']:'gold' AND email~'bob'", customer, false},
    {"customer", "metadata['plan']:'gold' or email~'bob'", customer, true},
    {"customer", "metadata['plan']:'tin' OR email~'bob'", customer, false},
    {"customer", "metadata['plan']:'tin' OR -email~'bob'", customer, true},
    {"customer", "-metadata['plan']:'tin' and -email~'bob'", customer, true},
    {"customer", "created>1699", customer, true},
    {"customer", "created>1700", customer, false},
    {"customer", "created>=1700 AND created<=1700", customer, true},
    {"customer", "created<1700", customer, false},
    {"customer", "created:1700", customer, true},
    {"customer", "created:'1700'", customer, true},
    {"customer", "-created:1700", customer, false},
    {"customer",
     "email:'anne@example.com' AND email:'anne@example.com' AND email:'anne@example.com' AND "
     "email:'anne@example.com' AND email:'anne@example.com' AND email:'anne@example.com' AND "
     "email:'anne@example.com' AND email:'anne@example.com' AND email:'anne@example.com' AND "
     "email:'anne@example.com'",
     customer, true},
    {"charge", "amount>1000 AND currency:\"USD\" AND -refunded:\"true\"", charge, true},
    {"charge", "amount>1000 AND -currency:\"usd\"", charge, false},
    {"charge", "disputed:'TRUE'", charge, true},
    {"charge", "payment_method_details.card.last4:4242", charge, true},
    {"charge", "payment_method_details.card.last4:'4242'", charge, true},
    {"charge", "payment_method_details.card.exp_month:4", charge, true},
    {"charge", "payment_method_details.card.exp_month:'12'", charge, false},
    {"charge", "payment_method_details.card.exp_year:null", charge, true},
    {"charge", "billing_details.address.postal_code:12345", charge, true},
    {"charge", "customer:'cus_1' status:'succeeded'", charge, true},
    {"charge", "metadata['k']:'v'", charge, false},
    {"invoice", "total<0 AND total>=-500", invoice, true},
    {"invoice", "subscription:'sub_9'", invoice, true},
    {"invoice", "number~'bcd-00'", invoice, true},
    {"subscription", "status:'active'", "{\"status\":\"active\"}", true},
    {"subscription", "canceled_at:null", "{\"status\":\"active\",\"canceled_at\":null}", true},
    {"subscription", "canceled_at>5", "{\"status\":\"active\",\"canceled_at\":null}", false},
    {"price", "active:'true' AND lookup_key:'pro'", "{\"active\":true,\"lookup_key\":\"pro\"}", true},
    {"product", "active:'true' AND name~'shirt'", "{\"active\":true,\"name\":\"A T-Shirt\"}", true},
    {"product", "url:'https://x.y/z'", "{\"url\":\"https:\\/\\/x.y\\/z\"}", true},
    {"payment_intent", "status:'succeeded' AND amount:500", "{\"status\":\"succeeded\",\"amount\":500}",
     true},
};

static void matches(void **state)
{
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(queries); i++) {
        const vk_pay_query *q;
        const char *why = NULL;
        vk_pv *doc;
        vk_arena_reset(a);
        /* The query is not needed after it was read. */
        vk_str text = vk_arena_dup(a, vk_str_z(queries[i].query));
        if (vk_pay_search_parse(a, vk_str_z(queries[i].object), text, &q, &why) != VK_OK)
            fail_msg("%s: %s", queries[i].query, why);
        memset((char *)(uintptr_t)text.p, '?', text.n);
        assert_int_equal(vk_pv_parse(a, vk_str_z(queries[i].json), &doc), VK_OK);
        if (vk_pay_search_match(q, doc) != queries[i].matches)
            fail_msg("%s: %s", queries[i].query, queries[i].json);
        if (queries[i].matches && !vk_pay_search_may(q, vk_str_z(queries[i].json)))
            fail_msg("%s: passes %s by", queries[i].query, queries[i].json);
    }
}

/* What is not there is seen without reading the document. */
static void passes_by(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *query;
        bool may;
    } rows[] = {
        {"email:'bob@x.y'", false},
        {"email~'bob' AND created>1", false},
        {"created>1 AND email~'bob'", false},
        {"email~'bob' OR metadata['x']:'zzz'", false},
        {"email~'bob' OR created>1", true},
        {"-email~'bob'", true},
        {"email~'EXAMPLE'", true},
        {"name~'\xc3\xb6\xc3\xb6\xc3\xb6'", true}, /* may be written otherwise */
        {"phone:null", true},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        const vk_pay_query *q;
        const char *why;
        assert_int_equal(vk_pay_search_parse(a, VK_STR("customer"), vk_str_z(rows[i].query), &q, &why),
                         VK_OK);
        if (vk_pay_search_may(q, vk_str_z(customer)) != rows[i].may)
            fail_msg("%s", rows[i].query);
    }
}

#define UNREADABLE "We were unable to parse your search query."

static void refusals(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *query, *why;
    } rows[] = {
        {"", UNREADABLE},
        {"   ", UNREADABLE},
        {"anne", UNREADABLE},
        {"email", UNREADABLE},
        {"email:", UNREADABLE},
        {"email:anne", UNREADABLE},
        {"email:'anne", UNREADABLE},
        {"email:'anne\\'", UNREADABLE},
        {"email:'anne'name:'x'", UNREADABLE},
        {"email:'anne' AND", UNREADABLE},
        {"email:'anne' OR ", UNREADABLE},
        {"AND email:'anne'", UNREADABLE},
        {"email:'anne' AND AND name:'x'", UNREADABLE},
        {"(email:'anne')", UNREADABLE},
        {"--email:'anne'", UNREADABLE},
        {"email='anne'", UNREADABLE},
        {"email~null", UNREADABLE},
        {"metadata:'x'", UNREADABLE},
        {"metadata[plan]:'x'", UNREADABLE},
        {"metadata['plan':'x'", UNREADABLE},
        {"metadata['']:'x'", UNREADABLE},
        {"metadata['plan'].x:'x'", UNREADABLE},
        {"metadata['plan']~'gold'", "Field `metadata` does not support the `~` operator"},
        {"emails:'x'", "Field `emails` is an unsupported search field for resource `customers`. See "
                       "https://stripe.com/docs/search#query-fields-for-customers for a list of supported "
                       "fields."},
        {"email>'x'", "Field `email` is not numeric"},
        {"email~'ab'", "The `~` operator needs a value of at least 3 characters"},
        {"email~'\xc3\xa4\xc3\xa4'", "The `~` operator needs a value of at least 3 characters"},
        {"created:'today'", "Field `created` is numeric"},
        {"created>1.5", "Field `created` is numeric"},
        {"created>", "Field `created` is numeric"},
        {"created>99999999999999999999", "Field `created` is numeric"},
        {"created~'170'", "Field `created` does not support the `~` operator"},
        {"email:'a' AND name:'b' OR phone:'c'", "`AND` and `OR` cannot be combined"},
        {"email:'a' name:'b' OR phone:'c'", "`AND` and `OR` cannot be combined"},
        {"email:'a' OR name:'b' phone:'c'", "`AND` and `OR` cannot be combined"},
        {"email:'1' email:'1' email:'1' email:'1' email:'1' email:'1' email:'1' email:'1' email:'1' "
         "email:'1' "
         "email:'1'",
         "A search query can have at most 10 clauses."},
    };
    const vk_pay_query *q;
    const char *why;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        why = NULL;
        if (vk_pay_search_parse(a, VK_STR("customer"), vk_str_z(rows[i].query), &q, &why) != VK_E_INVALID ||
            !why || strncmp(why, rows[i].why, strlen(rows[i].why)) != 0)
            fail_msg("%s: %s", rows[i].query, why);
    }
    assert_int_equal(vk_pay_search_parse(a, VK_STR("payment_intent"), VK_STR("email:'x'"), &q, &why),
                     VK_E_INVALID);
    assert_non_null(strstr(
        why, "`payment_intents`. See https://stripe.com/docs/search#query-fields-for-paymentintents "));
    assert_int_equal(vk_pay_search_parse(a, VK_STR("coupon"), VK_STR("name:'x'"), &q, &why),
                     VK_E_UNSUPPORTED);
    char *large = vk_arena_alloc(a, VK_PAY_QUERY_MAX + 1);
    memset(large, ' ', VK_PAY_QUERY_MAX + 1);
    memcpy(large, "email:'x'", 9);
    assert_int_equal(vk_pay_search_parse(a, VK_STR("customer"), (vk_str){large, VK_PAY_QUERY_MAX}, &q, &why),
                     VK_OK);
    assert_int_equal(
        vk_pay_search_parse(a, VK_STR("customer"), (vk_str){large, VK_PAY_QUERY_MAX + 1}, &q, &why),
        VK_E_INVALID);
}

static void little_memory(void **state)
{
    VK_UNUSED(state);
    const vk_pay_query *q;
    const char *why = NULL;
    vk_str text = VK_STR("metadata['a']:'b' AND email~'xyz'");
    vk_err e = VK_E_NOMEM;
    for (size_t used = 4096; used > 0 && e != VK_OK; used -= 64) {
        vk_arena *tight = vk_arena_new(4096);
        assert_non_null(tight);
        if (vk_arena_alloc(tight, used - 64)) {
            e = vk_pay_search_parse(tight, VK_STR("customer"), text, &q, &why);
            assert_true(e == VK_OK || e == VK_E_NOMEM);
        }
        vk_arena_free(tight);
    }
    assert_int_equal(e, VK_OK);
}

static int begin(void **state)
{
    VK_UNUSED(state);
    a = vk_arena_new(1 << 20);
    return a ? 0 : -1;
}

static int end(void **state)
{
    VK_UNUSED(state);
    vk_arena_free(a);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(matches, begin, end),
        cmocka_unit_test_setup_teardown(passes_by, begin, end),
        cmocka_unit_test_setup_teardown(refusals, begin, end),
        cmocka_unit_test_setup_teardown(little_memory, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
