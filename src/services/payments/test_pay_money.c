#include "services/payments/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void which_currencies(void **state)
{
    VK_UNUSED(state);
    static const char *const none = "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf";
    for (const char *p = none; *p; p += p[3] ? 4 : 3) {
        assert_true(vk_pay_currency((vk_str){p, 3}));
        assert_true(vk_pay_zero_decimal((vk_str){p, 3}));
    }
    static const char *const two[] = {"usd", "eur", "gbp", "aed", "zmw", "huf", "isk", "twd", "kwd"};
    for (size_t i = 0; i < VK_COUNT(two); i++) {
        assert_true(vk_pay_currency(vk_str_z(two[i])));
        assert_false(vk_pay_zero_decimal(vk_str_z(two[i])));
    }
    static const char *const bad[] = {"", "us", "usdx", "USD", "xxx", "btc", "aaa", "zzz"};
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_false(vk_pay_currency(vk_str_z(bad[i])));
    /* Every code of the list is found, so the list is sorted. */
    int n = 0, zero = 0;
    for (char a = 'a'; a <= 'z'; a++)
        for (char b = 'a'; b <= 'z'; b++)
            for (char c = 'a'; c <= 'z'; c++) {
                n += vk_pay_currency((vk_str){(char[]){a, b, c}, 3});
                zero += vk_pay_zero_decimal((vk_str){(char[]){a, b, c}, 3});
            }
    assert_int_equal(n, 142);
    assert_int_equal(zero, 16);
}

static void the_least(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *code;
        int64_t least;
    } t[] = {{"usd", 50},    {"aed", 200},  {"aud", 50},  {"bgn", 100},  {"brl", 50},  {"cad", 50},
             {"chf", 50},    {"czk", 1500}, {"dkk", 250}, {"eur", 50},   {"gbp", 30},  {"hkd", 400},
             {"huf", 17500}, {"inr", 50},   {"jpy", 50},  {"mxn", 1000}, {"myr", 200}, {"nok", 300},
             {"nzd", 50},    {"pln", 200},  {"ron", 200}, {"sek", 300},  {"sgd", 50},  {"thb", 1000},
             {"krw", 1},     {"zar", 1}};
    for (size_t i = 0; i < VK_COUNT(t); i++)
        assert_int_equal(vk_pay_least(vk_str_z(t[i].code)), t[i].least);
}

static void for_people(void **state)
{
    VK_UNUSED(state);
    static const struct {
        int64_t amount;
        const char *code, *text, *with_code;
    } t[] = {
        {1200, "usd", "$12.00", "$12.00 usd"},
        {0, "usd", "$0.00", "$0.00 usd"},
        {5, "usd", "$0.05", "$0.05 usd"},
        {50, "usd", "$0.50", "$0.50 usd"},
        {123456, "usd", "$1,234.56", "$1,234.56 usd"},
        {100000000, "usd", "$1,000,000.00", "$1,000,000.00 usd"},
        {99999, "usd", "$999.99", "$999.99 usd"},
        {-1200, "usd", "-$12.00", "-$12.00 usd"},
        {500, "jpy", "¥500", "¥500 jpy"},
        {1234567, "jpy", "¥1,234,567", "¥1,234,567 jpy"},
        {999, "eur", "€9.99", "€9.99 eur"},
        {30, "gbp", "£0.30", "£0.30 gbp"},
        {400, "hkd", "HK$4.00", "$4.00 hkd"},
        {17500, "huf", "175.00 Ft", "175.00 Ft huf"},
        {300, "chf", "CHF 3.00", "3.00 chf"},
        {5120, "kwd", "KWD 5.120", "5.120 kwd"},
        {7, "xof", "F CFA 7", "F CFA 7 xof"},
        {INT64_MAX, "usd", "$92,233,720,368,547,758.07", "$92,233,720,368,547,758.07 usd"},
        {INT64_MIN, "jpy", "-¥9,223,372,036,854,775,808", "-¥9,223,372,036,854,775,808 jpy"},
    };
    vk_arena *a = vk_arena_new(65536);
    assert_non_null(a);
    for (size_t i = 0; i < VK_COUNT(t); i++) {
        assert_string_equal(vk_pay_amount(a, t[i].amount, vk_str_z(t[i].code)).p, t[i].text);
        assert_string_equal(vk_pay_amount_code(a, t[i].amount, vk_str_z(t[i].code)).p, t[i].with_code);
    }
    vk_arena_free(a);
}

static void percents(void **state)
{
    VK_UNUSED(state);
    static const struct {
        int64_t amount;
        const char *percent;
        int64_t out;
    } t[] = {
        {1000, "10", 100},
        {999, "10", 100},   /* 99.9 */
        {994, "10", 99},    /* 99.4 */
        {995, "10", 100},   /* 99.5: up */
        {-995, "10", -100}, /* away from zero */
        {-994, "10", -99},
        {1, "50", 1}, /* 0.5 */
        {1, "49.999999999999", 0},
        {3333, "33.33", 1111}, /* 1110.8889 */
        {2000, "7.25", 145},
        {1050, "8.875", 93}, /* 93.1875 */
        {1200, "12.5", 150},
        {101, "12.5", 13}, /* 12.625 */
        {100, "12.5", 13}, /* 12.5: up */
        {100, "12.4", 12},
        {5500, "0", 0},
        {5500, "100", 5500},
        {5500, "100.0", 5500},
        {5500, "0.000000000001", 0},
        {INT64_MAX, "100", INT64_MAX},
        {INT64_MIN, "100", INT64_MIN},
        {INT64_MAX, "50", 4611686018427387904}, /* …903.5 */
        {0, "19", 0},
    };
    for (size_t i = 0; i < VK_COUNT(t); i++) {
        int64_t out = -77;
        assert_int_equal(vk_pay_percent_of(t[i].amount, vk_str_z(t[i].percent), &out), VK_OK);
        assert_true(out == t[i].out);
    }
    int64_t out;
    assert_int_equal(vk_pay_percent_of(INT64_MAX, VK_STR("100.000000000001"), &out), VK_E_TOO_LARGE);
    assert_int_equal(vk_pay_percent_of(INT64_MAX, VK_STR("999999999999999"), &out), VK_E_TOO_LARGE);
    assert_int_equal(vk_pay_percent_of(1, VK_STR("9999999999999999"), &out), VK_E_TOO_LARGE);
}

static void units(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *unit;
        int64_t quantity, out;
    } t[] = {
        {"1200", 3, 3600},
        {"0.05", 1, 0},
        {"0.05", 9, 0},  /* 0.45 */
        {"0.05", 10, 1}, /* 0.5 */
        {"0.05", 29, 1}, /* 1.45 */
        {"0.05", 30, 2}, /* 1.5 */
        {"0.05", 1000, 50},
        {"10.5", 1, 11},
        {"10.49", 1, 10},
        {"10.5", 2, 21},
        {"0.333333333333", 3, 1},
        {"0.000000000001", 1000000000000, 1},
        {"0.000000000001", 499999999999, 0},
        {"0.000000000001", 500000000000, 1},
        {"99999999", 92233720368, 9223371944566279632}, /* 92233720368 × 10^8 − 92233720368 */
        {"0", INT64_MAX, 0},
        {"1", INT64_MAX, INT64_MAX},
    };
    for (size_t i = 0; i < VK_COUNT(t); i++) {
        int64_t out = -77;
        assert_int_equal(vk_pay_times(vk_str_z(t[i].unit), t[i].quantity, &out), VK_OK);
        assert_true(out == t[i].out);
    }
    int64_t out;
    assert_int_equal(vk_pay_times(VK_STR("2"), INT64_MAX, &out), VK_E_TOO_LARGE);
    assert_int_equal(vk_pay_times(VK_STR("999999999999999.999999999999"), INT64_MAX, &out), VK_E_TOO_LARGE);
    assert_int_equal(vk_pay_times(VK_STR("1000000000000000"), 1, &out), VK_E_TOO_LARGE);
    static const char *const bad[] = {"",    ".",    "1.",    ".5", "-1",
                                      "+1",  "1e3",  " 1",    "1 ", "1,5",
                                      "0x1", "1..2", "1.2.3", "a",  "1.0000000000000"};
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        out = -77;
        assert_int_equal(vk_pay_times(vk_str_z(bad[i]), 1, &out), VK_E_INVALID);
        assert_int_equal(vk_pay_percent_of(1, vk_str_z(bad[i]), &out), VK_E_INVALID);
        assert_int_equal(out, -77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_currencies), cmocka_unit_test(the_least), cmocka_unit_test(for_people),
        cmocka_unit_test(percents),         cmocka_unit_test(units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
