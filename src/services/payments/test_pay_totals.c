#include "services/payments/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

typedef struct want {
    int64_t subtotal, discount, tax, total;
} want;

/* Amounts worked out by hand from the rules in call.h. */
static const struct row {
    const char *what;
    const char *lines; /* [[product, unit or "decimal", quantity, [rates]]…] */
    const char *coupons, *currency;
    want want[4];
} rows[] = {
    {"nothing but quantities",
     "[[\"a\",500,2,[]],[\"b\",1,3,[]]]",
     "[]",
     "usd",
     {{1000, 0, 0, 1000}, {3, 0, 0, 3}}},
    {"a decimal unit is rounded once, at the end: 0.5 ct * 3 = 1.5 -> 2",
     "[[\"a\",\"0.5\",3,[]]]",
     "[]",
     "usd",
     {{2, 0, 0, 2}}},
    {"zero-decimal: 500 yen are 500, 8 % of it are 40",
     "[[\"a\",500,1,[{\"percentage\":8,\"inclusive\":false}]]]",
     "[]",
     "jpy",
     {{500, 0, 40, 540}}},
    {"25 % of 999 = 249.75 -> 250",
     "[[\"a\",999,1,[]]]",
     "[{\"percent_off\":25}]",
     "usd",
     {{999, 250, 0, 749}}},
    {"a half is rounded up: 50 % of 5 = 2.5 -> 3, a line at a time",
     "[[\"a\",5,1,[]],[\"b\",5,1,[]]]",
     "[{\"percent_off\":50}]",
     "usd",
     {{5, 3, 0, 2}, {5, 3, 0, 2}}},
    {"33.33 % of 10000 = 3333",
     "[[\"a\",10000,1,[]]]",
     "[{\"percent_off\":\"33.33\"}]",
     "usd",
     {{10000, 3333, 0, 6667}}},
    {"100 %",
     "[[\"a\",777,1,[{\"percentage\":\"19\",\"inclusive\":false}]]]",
     "[{\"percent_off\":100}]",
     "usd",
     {{777, 777, 0, 0}}},
    {"1000 over 1000, 1000, 1000: 333 each, and one more for the first",
     "[[\"a\",1000,1,[]],[\"b\",1000,1,[]],[\"c\",1000,1,[]]]",
     "[{\"amount_off\":1000,\"currency\":\"usd\"}]",
     "usd",
     {{1000, 334, 0, 666}, {1000, 333, 0, 667}, {1000, 333, 0, 667}}},
    {"100 over 1, 199: 0.5 and 99.5; the first of equals gets the unit",
     "[[\"a\",1,1,[]],[\"b\",199,1,[]]]",
     "[{\"amount_off\":100,\"currency\":\"usd\"}]",
     "usd",
     {{1, 1, 0, 0}, {199, 99, 0, 100}}},
    {"10 over 200, 100: 6.67 and 3.33",
     "[[\"a\",200,1,[]],[\"b\",100,1,[]]]",
     "[{\"amount_off\":10,\"currency\":\"usd\"}]",
     "usd",
     {{200, 7, 0, 193}, {100, 3, 0, 97}}},
    {"more than there is",
     "[[\"a\",300,1,[]],[\"b\",200,1,[]]]",
     "[{\"amount_off\":9999,\"currency\":\"usd\"}]",
     "usd",
     {{300, 300, 0, 0}, {200, 200, 0, 0}}},
    {"only one product",
     "[[\"a\",1000,1,[]],[\"b\",1000,1,[]]]",
     "[{\"percent_off\":10,\"applies_to\":{\"products\":[\"b\"]}}]",
     "usd",
     {{1000, 0, 0, 1000}, {1000, 100, 0, 900}}},
    {"an amount for two products of three",
     "[[\"a\",300,1,[]],[\"b\",500,1,[]],[\"c\",100,1,[]]]",
     "[{\"amount_off\":200,\"currency\":\"usd\",\"applies_to\":{\"products\":[\"a\",\"c\"]}}]",
     "usd",
     {{300, 150, 0, 150}, {500, 0, 0, 500}, {100, 50, 0, 50}}},
    {"two: 10 % of 1000, then 10 % of 900",
     "[[\"a\",1000,1,[]]]",
     "[{\"percent_off\":10},{\"percent_off\":10}]",
     "usd",
     {{1000, 190, 0, 810}}},
    {"an amount, then a percentage of what is left",
     "[[\"a\",1000,1,[]]]",
     "[{\"amount_off\":200,\"currency\":\"usd\"},{\"percent_off\":50}]",
     "usd",
     {{1000, 600, 0, 400}}},
    {"exclusive 19 % of 1000",
     "[[\"a\",1000,1,[{\"percentage\":19,\"inclusive\":false}]]]",
     "[]",
     "eur",
     {{1000, 0, 190, 1190}}},
    {"inclusive 19 % in 1190",
     "[[\"a\",1190,1,[{\"percentage\":19,\"inclusive\":true}]]]",
     "[]",
     "eur",
     {{1190, 0, 190, 1190}}},
    {"inclusive 7 % in 999: 65.355 -> 65",
     "[[\"a\",999,1,[{\"percentage\":7,\"inclusive\":true}]]]",
     "[]",
     "eur",
     {{999, 0, 65, 999}}},
    {"8.875 % of 1999 = 177.41",
     "[[\"a\",1999,1,[{\"percentage\":\"8.875\",\"inclusive\":false}]]]",
     "[]",
     "usd",
     {{1999, 0, 177, 2176}}},
    {"two exclusive ones of the same base: 5 % and 9.975 % of 1000 = 50 + 99.75",
     "[[\"a\",1000,1,[{\"percentage\":5,\"inclusive\":false},{\"percentage\":\"9.975\",\"inclusive\":false}]]"
     "]",
     "[]",
     "cad",
     {{1000, 0, 150, 1150}}},
    {"two inclusive ones: 1150 / 1.15 = 1000",
     "[[\"a\",1150,1,[{\"percentage\":5,\"inclusive\":true},{\"percentage\":10,\"inclusive\":true}]]]",
     "[]",
     "cad",
     {{1150, 0, 150, 1150}}},
    {"one of each: 1100 holds 100, and 5 % of the other 1000 add",
     "[[\"a\",1100,1,[{\"percentage\":10,\"inclusive\":true},{\"percentage\":5,\"inclusive\":false}]]]",
     "[]",
     "cad",
     {{1100, 0, 150, 1150}}},
    {"taxes are of what the discount leaves: 20 % off 1000, 19 % of 800",
     "[[\"a\",1000,1,[{\"percentage\":19,\"inclusive\":false}]]]",
     "[{\"percent_off\":20}]",
     "eur",
     {{1000, 200, 152, 952}}},
    {"each line its own rate, and none",
     "[[\"a\",1000,1,[{\"percentage\":19,\"inclusive\":false}]],[\"b\",1000,1,[{\"percentage\":7,"
     "\"inclusive\":false}]],[\"c\",1000,1,[]]]",
     "[]",
     "eur",
     {{1000, 0, 190, 1190}, {1000, 0, 70, 1070}, {1000, 0, 0, 1000}}},
    {"many rates that each round up take no more than there is",
     "[[\"a\",2,1,[{\"percentage\":100,\"inclusive\":true},{\"percentage\":100,\"inclusive\":true},{"
     "\"percentage\":100,\"inclusive\":true}]]]",
     "[]",
     "usd",
     {{2, 0, 2, 2}}},
};

static size_t lines_of(vk_arena *a, const char *json, vk_pay_line *out)
{
    vk_pv *all;
    size_t n = 0;
    assert_int_equal(vk_pv_parse(a, vk_str_z(json), &all), VK_OK);
    VK_PV_EACH(l, all)
    {
        vk_pv *unit = vk_pv_at(l, "1");
        out[n] = (vk_pay_line){.product = vk_pv_at(l, "0")->u.s,
                               .unit = unit->type == VK_PV_INT ? unit->u.i : VK_PAY_NO_UNIT,
                               .quantity = vk_pv_at(l, "2")->u.i,
                               .tax_rates = vk_pv_at(l, "3")};
        if (unit->type == VK_PV_STR) {
            out[n].price = vk_pv_obj(a);
            assert_true(vk_pv_put_str(a, out[n].price, "unit_amount_decimal", unit->u.s));
        }
        n++;
    }
    return n;
}

static size_t coupons_of(vk_arena *a, const char *json, const vk_pv **out)
{
    vk_pv *all;
    size_t n = 0;
    assert_int_equal(vk_pv_parse(a, vk_str_z(json), &all), VK_OK);
    VK_PV_EACH(k, all)
    out[n++] = k;
    return n;
}

static void check_sums(const vk_pay_line *l, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int64_t coupons = 0, rates = 0;
        for (size_t k = 0; k < VK_PAY_LINE_COUPONS; k++) {
            assert_true(l[i].of_coupon[k] >= 0);
            coupons += l[i].of_coupon[k];
        }
        for (size_t k = 0; k < VK_PAY_LINE_RATES; k++) {
            assert_true(l[i].of_rate[k] >= 0);
            rates += l[i].of_rate[k];
        }
        assert_int_equal(coupons, l[i].discount);
        assert_int_equal(rates, l[i].tax);
        assert_int_equal(l[i].total, l[i].subtotal - l[i].discount + l[i].exclusive);
        assert_true(l[i].discount <= l[i].subtotal && l[i].total >= 0 && l[i].taxable >= 0);
        assert_true(l[i].tax - l[i].exclusive <= l[i].subtotal - l[i].discount);
    }
}

static void by_hand(void **state)
{
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        vk_arena *a = vk_arena_new(1 << 20);
        assert_non_null(a);
        vk_pay_line l[8];
        const vk_pv *coupons[8];
        size_t n = lines_of(a, rows[i].lines, l), k = coupons_of(a, rows[i].coupons, coupons);
        assert_int_equal(vk_pay_totals(l, n, coupons, k, vk_str_z(rows[i].currency)), VK_OK);
        for (size_t j = 0; j < n; j++) {
            const want *w = &rows[i].want[j];
            if (l[j].subtotal != w->subtotal || l[j].discount != w->discount || l[j].tax != w->tax ||
                l[j].total != w->total)
                fail_msg("%s: line %zu is %lld - %lld, tax %lld, total %lld", rows[i].what, j,
                         (long long)l[j].subtotal, (long long)l[j].discount, (long long)l[j].tax,
                         (long long)l[j].total);
        }
        check_sums(l, n);
        vk_arena_free(a);
    }
}

static uint64_t seed = 7;
static uint64_t any(uint64_t below)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (seed >> 33) % below;
}

/* Random lines, coupons and rates: the sums hold, nothing is below 0, an amount is taken off exactly, and the
 * lines' order changes nothing. */
static void properties(void **state)
{
    VK_UNUSED(state);
    static const char *const percents[] = {"0", "0.01", "5", "8.875", "12.5", "33.33", "50", "99.99", "100"};
    for (int round = 0; round < 4000; round++) {
        vk_arena *a = vk_arena_new(1 << 20);
        assert_non_null(a);
        vk_pay_line l[6], other[6];
        vk_pv *coupon[3];
        const vk_pv *coupons[3];
        size_t n = 1 + any(6), k = any(4), from = any(n);
        for (size_t i = 0; i < n; i++) {
            vk_pv *rates = vk_pv_arr(a);
            for (uint64_t r = any(4); r; r--) {
                vk_pv *rate = vk_pv_obj(a);
                assert_true(
                    vk_pv_put_str(a, rate, "percentage", vk_str_z(percents[any(VK_COUNT(percents))])));
                assert_true(vk_pv_put_bool(a, rate, "inclusive", any(2)));
                assert_true(vk_pv_add(a, rates, rate));
            }
            l[i] = (vk_pay_line){.product = any(2) ? VK_STR("a") : VK_STR("b"),
                                 .unit = (int64_t)any(any(2) ? 10 : 100000),
                                 .quantity = 1 + (int64_t)any(5),
                                 .tax_rates = rates};
        }
        int64_t amounts = 0;
        for (size_t i = 0; i < k; i++) {
            coupon[i] = vk_pv_obj(a);
            coupons[i] = coupon[i];
            if (any(2)) {
                int64_t off = (int64_t)any(any(2) ? 20 : 200000);
                assert_true(vk_pv_put_int(a, coupon[i], "amount_off", off));
                assert_true(vk_pv_put_str(a, coupon[i], "currency", VK_STR("usd")));
                amounts += off;
            } else {
                assert_true(
                    vk_pv_put_str(a, coupon[i], "percent_off", vk_str_z(percents[any(VK_COUNT(percents))])));
                amounts = INT64_MIN / 2;
            }
            if (any(3) == 0) {
                vk_pv *products = vk_pv_arr(a);
                assert_true(vk_pv_add(a, products, vk_pv_str(a, VK_STR("a"))));
                assert_true(vk_pv_put(a, coupon[i], "applies_to.products", products));
                amounts = INT64_MIN / 2;
            }
        }
        for (size_t i = 0; i < n; i++)
            other[i] = l[(i + from) % n];
        assert_int_equal(vk_pay_totals(l, n, coupons, k, VK_STR("usd")), VK_OK);
        assert_int_equal(vk_pay_totals(other, n, coupons, k, VK_STR("usd")), VK_OK);
        check_sums(l, n);
        int64_t subtotal = 0, discount = 0, turned = 0;
        for (size_t i = 0; i < n; i++) {
            subtotal += l[i].subtotal;
            discount += l[i].discount;
            turned += other[i].discount;
        }
        if (amounts >= 0)
            assert_int_equal(discount, amounts < subtotal ? amounts : subtotal);
        /* With one coupon the sum does not depend on who of equals got the odd unit. */
        if (k <= 1)
            assert_int_equal(discount, turned);
        vk_arena_free(a);
    }
}

static void refused(void **state)
{
    VK_UNUSED(state);
    vk_arena *a = vk_arena_new(1 << 20);
    assert_non_null(a);
    const vk_pv *c[VK_PAY_LINE_COUPONS + 1];
    static const struct {
        const char *lines, *coupons;
        vk_err e;
    } t[] = {
        {"[[\"a\",100,-1,[]]]", "[]", VK_E_INVALID},
        {"[[\"a\",-5,1,[]]]", "[]", VK_E_INVALID},
        {"[[\"a\",100000000000,1000000000000,[]]]", "[]", VK_E_TOO_LARGE},
        {"[[\"a\",90000000000000000,1,[]],[\"a\",90000000000000000,1,[]]]", "[]", VK_E_TOO_LARGE},
        {"[[\"a\",100,1,[]]]", "[{\"amount_off\":5,\"currency\":\"eur\"}]", VK_E_INVALID},
        {"[[\"a\",100,1,[]]]", "[{\"percent_off\":101}]", VK_E_INVALID},
        {"[[\"a\",100,1,[]]]", "[{\"percent_off\":\"-1\"}]", VK_E_INVALID},
        {"[[\"a\",100,1,[]]]", "[{\"percent_off\":\"1.1234567890123\"}]", VK_E_INVALID},
        {"[[\"a\",100,1,[]]]", "[{\"percent_off\":\"1.2.3\"}]", VK_E_INVALID},
        {"[[\"a\",100,1,[]]]", "[{}]", VK_E_INVALID},
        {"[[\"a\",100,1,[{\"percentage\":\"x\"}]]]", "[]", VK_E_INVALID},
        {"[[\"a\",\"nonsense\",1,[]]]", "[]", VK_E_INVALID},
    };
    vk_pay_line l[8];
    for (size_t i = 0; i < VK_COUNT(t); i++) {
        size_t n = lines_of(a, t[i].lines, l), k = coupons_of(a, t[i].coupons, c);
        assert_int_equal(vk_pay_totals(l, n, c, k, VK_STR("usd")), t[i].e);
    }
    assert_int_equal(vk_pay_totals(l, 0, c, VK_PAY_LINE_COUPONS + 1, VK_STR("usd")), VK_E_TOO_LARGE);
    vk_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(properties),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
