/* Rules of the catalogue that need no build: decimals, addresses, what is valid when. */
#include "services/payments/catalogue.h"
#include "services/payments/discount.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_arena *arena;

static void decimals(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text, *want; /* NULL: refused */
        size_t decimals;
        bool whole;
    } cases[] = {
        {"12", "12", 12, true},
        {"0", "0", 12, true},
        {"007", "7", 12, true},
        {"12.00", "12", 12, true},
        {"10.50", "10.5", 12, false},
        {".5", "0.5", 12, false},
        {"5.", "5", 12, true},
        {"0.000000000001", "0.000000000001", 12, false},
        {"0.0000000000001", NULL, 12, false},
        {"0.0000000000000", "0", 12, true},
        {"33.33", "33.33", 2, false},
        {"33.333", NULL, 2, false},
        {"999999999999999", "999999999999999", 2, true},
        {"1000000000000000", NULL, 2, false},
        {"", NULL, 12, false},
        {".", NULL, 12, false},
        {"-1", NULL, 12, false},
        {"+1", NULL, 12, false},
        {"1e3", NULL, 12, false},
        {"1.2.3", NULL, 12, false},
        {" 1", NULL, 12, false},
        {"1,5", NULL, 12, false},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_str out = VK_STR_NONE;
        bool whole = false;
        vk_err e = vk_pay_decimal_plain(arena, vk_str_z(cases[i].text), cases[i].decimals, &out, &whole);
        assert_int_equal(e, cases[i].want ? VK_OK : VK_E_INVALID);
        if (!cases[i].want)
            continue;
        assert_true(vk_str_eqz(out, cases[i].want));
        assert_int_equal(whole, cases[i].whole);
    }
}

static void addresses(void **state)
{
    VK_UNUSED(state);
    static const char *const good[] = {"a@b.c", "jenny.rosen+x@example.com", "a@localhost",
                                       "\xc3\xbc@example.com"};
    static const char *const bad[] = {"",     "a",    "@b",    "a@",    "a@@b",  "a@b@c",   "a b@c",  "a@b c",
                                      "a@.b", "a@b.", "<a@b>", "a,b@c", "a@b\n", "\"a\"@b", "a@b\x7f"};
    for (size_t i = 0; i < VK_COUNT(good); i++)
        assert_true(vk_pay_email_ok(vk_str_z(good[i])));
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_false(vk_pay_email_ok(vk_str_z(bad[i])));
}

static vk_pv *parsed(const char *json)
{
    vk_pv *v = NULL;
    assert_int_equal(vk_pv_parse(arena, vk_str_z(json), &v), VK_OK);
    return v;
}

static void coupons(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *coupon;
        vk_pay_invalid want;
    } cases[] = {
        {"{\"times_redeemed\":0}", VK_PAY_VALID},
        {"{\"times_redeemed\":9,\"max_redemptions\":null,\"redeem_by\":null}", VK_PAY_VALID},
        {"{\"redeem_by\":1001}", VK_PAY_VALID},
        {"{\"redeem_by\":1000}", VK_PAY_INVALID_EXPIRED},
        {"{\"redeem_by\":999}", VK_PAY_INVALID_EXPIRED},
        {"{\"times_redeemed\":2,\"max_redemptions\":3}", VK_PAY_VALID},
        {"{\"times_redeemed\":3,\"max_redemptions\":3}", VK_PAY_INVALID_USED_UP},
        {"{\"deleted\":true,\"redeem_by\":1001}", VK_PAY_INVALID_GONE},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_int_equal(vk_pay_coupon_state(parsed(cases[i].coupon), 1000), cases[i].want);
    assert_int_equal(vk_pay_coupon_state(NULL, 1000), VK_PAY_INVALID_GONE);
}

static void codes(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *code, *coupon;
        vk_pay_invalid want;
    } cases[] = {
        {"{\"active\":true}", "{}", VK_PAY_VALID},
        {"{\"active\":false}", "{}", VK_PAY_INVALID_GONE},
        {"{\"active\":true,\"expires_at\":1000}", "{}", VK_PAY_INVALID_EXPIRED},
        {"{\"active\":true,\"expires_at\":1001}", "{}", VK_PAY_VALID},
        {"{\"active\":true,\"times_redeemed\":1,\"max_redemptions\":1}", "{}", VK_PAY_INVALID_USED_UP},
        {"{\"active\":true,\"times_redeemed\":0,\"max_redemptions\":1}", "{}", VK_PAY_VALID},
        {"{\"active\":true}", "{\"redeem_by\":1000}", VK_PAY_INVALID_EXPIRED},
        {"{\"active\":true}", "{\"deleted\":true}", VK_PAY_INVALID_GONE},
        {"{\"active\":true}", "{\"times_redeemed\":1,\"max_redemptions\":1}", VK_PAY_INVALID_USED_UP},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_int_equal(vk_pay_code_state(parsed(cases[i].code), parsed(cases[i].coupon), 1000),
                         cases[i].want);
    assert_int_equal(vk_pay_code_state(parsed("{\"active\":true}"), NULL, 1000), VK_PAY_INVALID_GONE);
    assert_true(vk_pay_code_chars(VK_STR("SPRING-26")));
    assert_true(vk_pay_code_chars(VK_STR("x")));
    static const char *const bad[] = {"", "a b", "a_b", "\xc3\xa9", "a%", "a/b"};
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_false(vk_pay_code_chars(vk_str_z(bad[i])));
}

static void units(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(vk_pay_price_unit(parsed("{\"unit_amount\":0}")), 0);
    assert_int_equal(vk_pay_price_unit(parsed("{\"unit_amount\":1200}")), 1200);
    assert_true(vk_pay_price_unit(parsed("{\"unit_amount\":null,\"unit_amount_decimal\":\"0.5\"}")) ==
                VK_PAY_NO_UNIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals), cmocka_unit_test(addresses), cmocka_unit_test(coupons),
        cmocka_unit_test(codes),    cmocka_unit_test(units),
    };
    arena = vk_arena_new(1 << 20);
    int rc = arena ? cmocka_run_group_tests_name("catalogue", tests, NULL, NULL) : 1;
    vk_arena_free(arena);
    return rc;
}
