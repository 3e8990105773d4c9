#include "services/payments/cards.h"

#include "core/encode.h"
#include "crypto/digest.h"

#define DECLINED "Your card was declined."
#define NO_FUNDS "Your card has insufficient funds."
#define TRY_AGAIN "An error occurred while processing your card. Try again in a little bit."

/* The shorter rows first: cards that pay. Where Stripe has a token for a card, its name is the row's. */
const vk_pay_card vk_pay_cards[] = {
    {.name = "visa", .number = "4242424242424242", .brand = "visa", .funding = "credit", .country = "US"},
    {.name = "visa_debit",
     .number = "4000056655665556",
     .brand = "visa",
     .funding = "debit",
     .country = "US"},
    {.name = "mastercard",
     .number = "5555555555554444",
     .brand = "mastercard",
     .funding = "credit",
     .country = "US"},
    {.name = "mastercard_2",
     .number = "2223003122003222",
     .brand = "mastercard",
     .funding = "credit",
     .country = "US"},
    {.name = "mastercard_debit",
     .number = "5200828282828210",
     .brand = "mastercard",
     .funding = "debit",
     .country = "US"},
    {.name = "mastercard_prepaid",
     .number = "5105105105105100",
     .brand = "mastercard",
     .funding = "prepaid",
     .country = "US"},
    {.name = "amex", .number = "378282246310005", .brand = "amex", .funding = "credit", .country = "US"},
    {.name = "amex_2", .number = "371449635398431", .brand = "amex", .funding = "credit", .country = "US"},
    {.name = "discover",
     .number = "6011111111111117",
     .brand = "discover",
     .funding = "credit",
     .country = "US"},
    {.name = "discover_2",
     .number = "6011000990139424",
     .brand = "discover",
     .funding = "credit",
     .country = "US"},
    {.name = "diners", .number = "3056930009020004", .brand = "diners", .funding = "credit", .country = "US"},
    {.name = "diners_14",
     .number = "36227206271667",
     .brand = "diners",
     .funding = "credit",
     .country = "US"},
    {.name = "jcb", .number = "3566002020360505", .brand = "jcb", .funding = "credit", .country = "JP"},
    {.name = "unionpay",
     .number = "6200000000000005",
     .brand = "unionpay",
     .funding = "credit",
     .country = "CN"},
    {.name = "bypassPending",
     .number = "4000000000000077",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .flags = VK_PAY_CARD_AT_ONCE},
    {.name = "avsFail",
     .number = "4000000000000010",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .flags = VK_PAY_CARD_LINE1_FAILS | VK_PAY_CARD_POSTAL_FAILS},
    {.name = "avsLine1Fail",
     .number = "4000000000000028",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .flags = VK_PAY_CARD_LINE1_FAILS},
    {.name = "avsZipFail",
     .number = "4000000000000036",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .flags = VK_PAY_CARD_POSTAL_FAILS},

    {.name = "chargeDeclined",
     .number = "4000000000000002",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .declines = VK_PAY_DECLINES,
     .code = "card_declined",
     .decline_code = "generic_decline",
     .message = DECLINED},
    {.name = "chargeDeclinedInsufficientFunds",
     .number = "4000000000009995",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .declines = VK_PAY_DECLINES,
     .code = "card_declined",
     .decline_code = "insufficient_funds",
     .message = NO_FUNDS},
    {.name = "chargeDeclinedLostCard",
     .number = "4000000000009987",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .declines = VK_PAY_DECLINES,
     .code = "card_declined",
     .decline_code = "lost_card",
     .message = DECLINED},
    {.name = "chargeDeclinedStolenCard",
     .number = "4000000000009979",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .declines = VK_PAY_DECLINES,
     .code = "card_declined",
     .decline_code = "stolen_card",
     .message = DECLINED},
    {.name = "chargeDeclinedExpiredCard",
     .number = "4000000000000069",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .declines = VK_PAY_DECLINES,
     .code = "expired_card",
     .decline_code = "expired_card",
     .message = "Your card has expired.",
     .param = "exp_month"},
    {.name = "chargeDeclinedIncorrectCvc",
     .number = "4000000000000127",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .declines = VK_PAY_DECLINES,
     .code = "incorrect_cvc",
     .decline_code = "incorrect_cvc",
     .message = "Your card's security code is incorrect.",
     .param = "cvc"},
    {.name = "chargeDeclinedProcessingError",
     .number = "4000000000000119",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .declines = VK_PAY_DECLINES,
     .code = "processing_error",
     .decline_code = "processing_error",
     .message = TRY_AGAIN},
    {.name = "chargeCustomerFail",
     .number = "4000000000000341",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .declines = VK_PAY_DECLINES_CHARGES,
     .code = "card_declined",
     .decline_code = "generic_decline",
     .message = DECLINED},
    {.name = "cvcCheckFail",
     .number = "4000000000000101",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .declines = VK_PAY_DECLINES_WITH_CVC,
     .code = "incorrect_cvc",
     .decline_code = "incorrect_cvc",
     .message = "Your card's security code is incorrect.",
     .param = "cvc"},

    {.name = "authenticationRequiredOnSetup",
     .number = "4000002500003155",
     .brand = "visa",
     .funding = "credit",
     .country = "FR",
     .secure = VK_PAY_3DS_UNLESS_SET},
    {.name = "authenticationRequired",
     .number = "4000002760003184",
     .brand = "visa",
     .funding = "credit",
     .country = "DE",
     .secure = VK_PAY_3DS_ALWAYS},
    {.name = "authenticationRequiredSetupForOffSession",
     .number = "4000003800000446",
     .brand = "visa",
     .funding = "credit",
     .country = "IT",
     .secure = VK_PAY_3DS_PRESENT},
    {.name = "authenticationRequiredChargeDeclinedInsufficientFunds",
     .number = "4000008260003178",
     .brand = "visa",
     .funding = "credit",
     .country = "GB",
     .secure = VK_PAY_3DS_ALWAYS,
     .declines = VK_PAY_DECLINES_CHARGES,
     .code = "card_declined",
     .decline_code = "insufficient_funds",
     .message = NO_FUNDS},
    {.name = "threeDSecure2Required",
     .number = "4000000000003220",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .secure = VK_PAY_3DS_ALWAYS},
    {.name = "threeDSecureRequiredChargeDeclined",
     .number = "4000008400001629",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .secure = VK_PAY_3DS_ALWAYS,
     .declines = VK_PAY_DECLINES_CHARGES,
     .code = "card_declined",
     .decline_code = "generic_decline",
     .message = DECLINED},
    {.name = "threeDSecureRequiredProcessingError",
     .number = "4000008400001280",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .secure = VK_PAY_3DS_ALWAYS,
     .declines = VK_PAY_DECLINES_CHARGES,
     .code = "processing_error",
     .decline_code = "processing_error",
     .message = TRY_AGAIN},
    {.name = "threeDSecureOptional",
     .number = "4000000000003055",
     .brand = "visa",
     .funding = "credit",
     .country = "US",
     .secure = VK_PAY_3DS_ASKED},
};
const size_t vk_pay_n_cards = VK_COUNT(vk_pay_cards);

enum {
    NUMBER_MAX = 19, /* ISO/IEC 7812-1 */
    YEARS = 50,      /* Stripe takes no card that is good for longer */
};

const vk_pay_card *vk_pay_card_named(vk_str name)
{
    for (size_t i = 0; i < VK_COUNT(vk_pay_cards); i++)
        if (vk_str_eqz(name, vk_pay_cards[i].name))
            return &vk_pay_cards[i];
    return NULL;
}

const vk_pay_card *vk_pay_card_token(vk_str token)
{
    static const vk_str prefixes[] = {VK_STR("pm_card_"), VK_STR("tok_")};
    for (size_t i = 0; i < VK_COUNT(prefixes); i++) {
        if (!vk_str_starts(token, prefixes[i]))
            continue;
        vk_str name = {token.p + prefixes[i].n, token.n - prefixes[i].n};
        /* Stripe's newer names of some declines say the brand, too: pm_card_visa_chargeDeclined. */
        if (vk_str_starts(name, VK_STR("visa_charge")))
            name = (vk_str){name.p + 5, name.n - 5};
        return vk_pay_card_named(name);
    }
    return NULL;
}

bool vk_pay_luhn(vk_str s)
{
    int sum = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[s.n - 1 - i];
        if (c < '0' || c > '9')
            return false;
        int d = (c - '0') << (i & 1);
        sum += d > 9 ? d - 9 : d;
    }
    return s.n > 0 && sum % 10 == 0;
}

static vk_err fault(vk_pay_card_fault *out_r, const char *code, const char *param, const char *message)
{
    *out_r = (vk_pay_card_fault){code, param, message};
    return VK_E_INVALID;
}

/* The row of the digits in `s`. The copy that they are compared in is overwritten. */
static const vk_pay_card *numbered(vk_str s)
{
    char digits[NUMBER_MAX];
    size_t n = 0;
    const vk_pay_card *found = NULL;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == ' ' || s.p[i] == '-')
            continue;
        if (s.p[i] < '0' || s.p[i] > '9' || n == NUMBER_MAX)
            goto out;
        digits[n++] = s.p[i];
    }
    if (!vk_pay_luhn((vk_str){digits, n}))
        goto out;
    for (size_t i = 0; i < VK_COUNT(vk_pay_cards) && !found; i++)
        if (vk_str_eqz((vk_str){digits, n}, vk_pay_cards[i].number))
            found = &vk_pay_cards[i];
out:
    vk_wipe(digits, sizeof digits);
    return found;
}

vk_err vk_pay_card_expiry(int64_t month, int64_t year, int64_t now, int64_t *year_r,
                          vk_pay_card_fault *fault_r)
{
    time_t t = (time_t)now;
    struct tm tm;
    if (!gmtime_r(&t, &tm))
        return VK_E_INTERNAL;
    int64_t this_year = tm.tm_year + 1900, this_month = tm.tm_mon + 1;
    if (month < 1 || month > 12)
        return fault(fault_r, "invalid_expiry_month", "exp_month",
                     "Your card's expiration month is invalid.");
    if (year >= 0 && year < 100)
        year += this_year / 100 * 100;
    if (year < this_year || year > this_year + YEARS)
        return fault(fault_r, "invalid_expiry_year", "exp_year", "Your card's expiration year is invalid.");
    if (year == this_year && month < this_month)
        return fault(fault_r, "invalid_expiry_month", "exp_month",
                     "Your card's expiration month is invalid.");
    *year_r = year;
    return VK_OK;
}

vk_err vk_pay_card_check(vk_str number, int64_t month, int64_t year, vk_str cvc, int64_t now,
                         const vk_pay_card **card_r, int64_t *year_r, vk_pay_card_fault *fault_r)
{
    const vk_pay_card *card = numbered(number);
    if (!card)
        return fault(fault_r, "incorrect_number", "number", "Your card number is incorrect.");
    vk_err e = vk_pay_card_expiry(month, year, now, year_r, fault_r);
    if (e != VK_OK)
        return e;
    bool good = cvc.n == 0 || cvc.n == (vk_str_eqz(vk_str_z(card->brand), "amex") ? 4 : 3);
    for (size_t i = 0; i < cvc.n && good; i++)
        good = cvc.p[i] >= '0' && cvc.p[i] <= '9';
    if (!good)
        return fault(fault_r, "invalid_cvc", "cvc", "Your card's security code is invalid.");
    *card_r = card;
    return VK_OK;
}

vk_str vk_pay_card_last4(const vk_pay_card *card)
{
    return vk_str_z(card->number + strlen(card->number) - 4);
}

void vk_pay_card_fingerprint(const vk_pay_card *card, const uint8_t key[32], vk_str build,
                             char out[VK_PAY_FINGERPRINT + 1])
{
    uint8_t of_build[VK_SHA256], mac[VK_SHA256];
    vk_hmac((vk_str){(const char *)key, 32}, build, of_build);
    vk_hmac((vk_str){(const char *)of_build, sizeof of_build}, vk_str_z(card->number), mac);
    vk_wipe(of_build, sizeof of_build);
    /* Some bytes are passed over for an even spread; should too few be left, the hash of the hash goes on. */
    size_t n = 0;
    while ((n += vk_base62_fill(out + n, VK_PAY_FINGERPRINT - n, mac, sizeof mac)) < VK_PAY_FINGERPRINT)
        vk_sha256((vk_str){(const char *)mac, sizeof mac}, mac);
    out[VK_PAY_FINGERPRINT] = '\0';
}
