#include "services/payments/cards.h"

#include "crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { NOW = 1795000000 }; /* 18 November 2026 */

static void the_table(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *number, *brand, *funding, *country, *decline_code;
        vk_pay_3ds secure;
    } t[] = {
        {"4242424242424242", "visa", "credit", "US", NULL, VK_PAY_3DS_NO},
        {"4000056655665556", "visa", "debit", "US", NULL, VK_PAY_3DS_NO},
        {"5555555555554444", "mastercard", "credit", "US", NULL, VK_PAY_3DS_NO},
        {"5200828282828210", "mastercard", "debit", "US", NULL, VK_PAY_3DS_NO},
        {"378282246310005", "amex", "credit", "US", NULL, VK_PAY_3DS_NO},
        {"371449635398431", "amex", "credit", "US", NULL, VK_PAY_3DS_NO},
        {"6011111111111117", "discover", "credit", "US", NULL, VK_PAY_3DS_NO},
        {"3056930009020004", "diners", "credit", "US", NULL, VK_PAY_3DS_NO},
        {"3566002020360505", "jcb", "credit", "JP", NULL, VK_PAY_3DS_NO},
        {"4000000000000002", "visa", "credit", "US", "generic_decline", VK_PAY_3DS_NO},
        {"4000000000009995", "visa", "credit", "US", "insufficient_funds", VK_PAY_3DS_NO},
        {"4000000000000069", "visa", "credit", "US", "expired_card", VK_PAY_3DS_NO},
        {"4000000000000127", "visa", "credit", "US", "incorrect_cvc", VK_PAY_3DS_NO},
        {"4000000000000119", "visa", "credit", "US", "processing_error", VK_PAY_3DS_NO},
        {"4000000000009987", "visa", "credit", "US", "lost_card", VK_PAY_3DS_NO},
        {"4000000000009979", "visa", "credit", "US", "stolen_card", VK_PAY_3DS_NO},
        {"4000002500003155", "visa", "credit", "FR", NULL, VK_PAY_3DS_UNLESS_SET},
        {"4000002760003184", "visa", "credit", "DE", NULL, VK_PAY_3DS_ALWAYS},
        {"4000003800000446", "visa", "credit", "IT", NULL, VK_PAY_3DS_PRESENT},
        {"4000008260003178", "visa", "credit", "GB", "insufficient_funds", VK_PAY_3DS_ALWAYS},
        {"4000000000003220", "visa", "credit", "US", NULL, VK_PAY_3DS_ALWAYS},
        {"4000008400001629", "visa", "credit", "US", "generic_decline", VK_PAY_3DS_ALWAYS},
        {"4000008400001280", "visa", "credit", "US", "processing_error", VK_PAY_3DS_ALWAYS},
        {"4000000000003055", "visa", "credit", "US", NULL, VK_PAY_3DS_ASKED},
        {"4000000000000341", "visa", "credit", "US", "generic_decline", VK_PAY_3DS_NO},
        {"4000000000000077", "visa", "credit", "US", NULL, VK_PAY_3DS_NO},
        {"4000000000000101", "visa", "credit", "US", "incorrect_cvc", VK_PAY_3DS_NO},
        {"4000000000000010", "visa", "credit", "US", NULL, VK_PAY_3DS_NO},
        {"4000000000000028", "visa", "credit", "US", NULL, VK_PAY_3DS_NO},
        {"4000000000000036", "visa", "credit", "US", NULL, VK_PAY_3DS_NO},
    };
    for (size_t i = 0; i < VK_COUNT(t); i++) {
        const vk_pay_card *c = NULL;
        int64_t year = 0;
        vk_pay_card_fault f;
        assert_int_equal(vk_pay_card_check(vk_str_z(t[i].number), 12, 2034, VK_STR_NONE, NOW, &c, &year, &f),
                         VK_OK);
        assert_string_equal(c->number, t[i].number);
        assert_string_equal(c->brand, t[i].brand);
        assert_string_equal(c->funding, t[i].funding);
        assert_string_equal(c->country, t[i].country);
        assert_int_equal(c->secure, t[i].secure);
        assert_int_equal(c->decline_code != NULL, t[i].decline_code != NULL);
        if (t[i].decline_code)
            assert_string_equal(c->decline_code, t[i].decline_code);
    }
    for (size_t i = 0; i < vk_pay_n_cards; i++) { /* what every row must keep */
        const vk_pay_card *c = &vk_pay_cards[i];
        assert_true(vk_pay_luhn(vk_str_z(c->number)));
        assert_ptr_equal(vk_pay_card_named(vk_str_z(c->name)), c);
        assert_int_equal(c->declines != VK_PAY_DECLINES_NOT, c->code && c->decline_code && c->message);
        assert_true(vk_str_eq(vk_pay_card_last4(c), vk_str_z(c->number + strlen(c->number) - 4)));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(vk_pay_cards[k].number, c->number);
    }
}

static void tokens(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *token, *last4;
    } good[] = {
        {"pm_card_visa", "4242"},
        {"tok_visa", "4242"},
        {"pm_card_visa_debit", "5556"},
        {"pm_card_mastercard", "4444"},
        {"pm_card_amex", "0005"},
        {"pm_card_chargeDeclined", "0002"},
        {"tok_chargeDeclined", "0002"},
        {"pm_card_visa_chargeDeclined", "0002"},
        {"pm_card_visa_chargeDeclinedLostCard", "9987"},
        {"pm_card_chargeDeclinedInsufficientFunds", "9995"},
        {"pm_card_chargeDeclinedExpiredCard", "0069"},
        {"pm_card_chargeDeclinedIncorrectCvc", "0127"},
        {"pm_card_chargeDeclinedProcessingError", "0119"},
        {"pm_card_chargeCustomerFail", "0341"},
        {"pm_card_authenticationRequired", "3184"},
        {"pm_card_threeDSecure2Required", "3220"},
    };
    for (size_t i = 0; i < VK_COUNT(good); i++) {
        const vk_pay_card *c = vk_pay_card_token(vk_str_z(good[i].token));
        assert_non_null(c);
        assert_true(vk_str_eqz(vk_pay_card_last4(c), good[i].last4));
    }
    static const char *const bad[] = {"",          "pm_card_", "pm_card_Visa", "tok_4242424242424242", "visa",
                                      "pm_card_x", "tok",      "pm_1abc",      "pm_card_visa_"};
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_null(vk_pay_card_token(vk_str_z(bad[i])));
}

static void what_is_typed(void **state)
{
    VK_UNUSED(state);
    static const char number[] = "4242424242424242";
    static const struct {
        const char *number;
        int64_t month, year;
        const char *cvc, *code, *param; /* code NULL: good */
    } t[] = {
        {number, 12, 2034, "123", NULL, NULL},
        {number, 12, 34, "123", NULL, NULL},
        {"4242 4242 4242 4242", 12, 34, "123", NULL, NULL},
        {"4242-4242-4242-4242", 12, 34, "", NULL, NULL},
        {number, 11, 2026, "000", NULL, NULL}, /* to the end of its month */
        {"378282246310005", 1, 2027, "1234", NULL, NULL},
        {"378282246310005", 1, 2027, "123", "invalid_cvc", "cvc"},
        {number, 1, 2027, "1234", "invalid_cvc", "cvc"},
        {number, 1, 2027, "12", "invalid_cvc", "cvc"},
        {number, 1, 2027, "12a", "invalid_cvc", "cvc"},
        {number, 10, 2026, "123", "invalid_expiry_month", "exp_month"},
        {number, 0, 2034, "123", "invalid_expiry_month", "exp_month"},
        {number, 13, 2034, "123", "invalid_expiry_month", "exp_month"},
        {number, 12, 2025, "123", "invalid_expiry_year", "exp_year"},
        {number, 12, 25, "123", "invalid_expiry_year", "exp_year"},
        {number, 12, -1, "123", "invalid_expiry_year", "exp_year"},
        {number, 12, 2077, "123", "invalid_expiry_year", "exp_year"},
        {number, 12, 2076, "123", NULL, NULL},
        {"4242424242424241", 12, 2034, "123", "incorrect_number", "number"}, /* Luhn */
        {"4111111111111111", 12, 2034, "123", "incorrect_number", "number"}, /* Luhn is right: not ours */
        {"4012888888881881", 12, 2034, "123", "incorrect_number", "number"},
        {"", 12, 2034, "123", "incorrect_number", "number"},
        {"0", 12, 2034, "123", "incorrect_number", "number"},
        {"42424242424242424242", 12, 2034, "123", "incorrect_number", "number"},
        {"4242424242424242x", 12, 2034, "123", "incorrect_number", "number"},
        {"4242424242424242 ", 12, 2034, "123", NULL, NULL},
    };
    for (size_t i = 0; i < VK_COUNT(t); i++) {
        const vk_pay_card *c = NULL;
        int64_t year = 0;
        vk_pay_card_fault f = {0};
        vk_err e = vk_pay_card_check(vk_str_z(t[i].number), t[i].month, t[i].year, vk_str_z(t[i].cvc), NOW,
                                     &c, &year, &f);
        if (!t[i].code) {
            assert_int_equal(e, VK_OK);
            assert_int_equal(year % 100, t[i].year % 100);
            assert_true(year >= 2026);
        } else {
            assert_int_equal(e, VK_E_INVALID);
            assert_string_equal(f.code, t[i].code);
            assert_string_equal(f.param, t[i].param);
            assert_null(c);
        }
    }
}

static void luhn(void **state)
{
    VK_UNUSED(state);
    /* 7992739871x: the sum's usual example; 3 is its digit. */
    for (char c = '0'; c <= '9'; c++) {
        char s[12] = "7992739871";
        s[10] = c;
        assert_int_equal(vk_pay_luhn((vk_str){s, 11}), c == '3');
    }
    assert_true(vk_pay_luhn(VK_STR("0")));
    assert_false(vk_pay_luhn(VK_STR("")));
    assert_false(vk_pay_luhn(VK_STR("18a")));
}

static void fingerprints(void **state)
{
    VK_UNUSED(state);
    uint8_t key[32] = {1}, other[32] = {2};
    char a[VK_PAY_FINGERPRINT + 1], b[VK_PAY_FINGERPRINT + 1];
    vk_pay_card_fingerprint(&vk_pay_cards[0], key, VK_STR("one"), a);
    vk_pay_card_fingerprint(&vk_pay_cards[0], key, VK_STR("one"), b);
    assert_string_equal(a, b);
    assert_int_equal(strlen(a), VK_PAY_FINGERPRINT);
    vk_pay_card_fingerprint(&vk_pay_cards[0], key, VK_STR("two"), b);
    assert_string_not_equal(a, b);
    vk_pay_card_fingerprint(&vk_pay_cards[0], other, VK_STR("one"), b);
    assert_string_not_equal(a, b);
    for (size_t i = 1; i < vk_pay_n_cards; i++) {
        vk_pay_card_fingerprint(&vk_pay_cards[i], key, VK_STR("one"), b);
        assert_string_not_equal(a, b);
    }
}

int main(void)
{
    if (vk_digest_init() != VK_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table), cmocka_unit_test(tokens),       cmocka_unit_test(what_is_typed),
        cmocka_unit_test(luhn),      cmocka_unit_test(fingerprints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
