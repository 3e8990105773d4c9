/* What somebody types as a card, and decimals: nothing but the table's numbers is a card, and what a decimal
 * comes to is at most its rounding off what floating point says. */
#include "services/payments/call.h"
#include "services/payments/cards.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void need(bool ok)
{
    if (!ok)
        abort();
}

static void card(vk_str number, int64_t month, int64_t year, vk_str cvc)
{
    const vk_pay_card *c = NULL;
    vk_pay_card_fault fault = {0};
    int64_t full;
    vk_err e = vk_pay_card_check(number, month, year, cvc, 1795000000, &c, &full, &fault);
    if (e == VK_OK) {
        need(c && full >= 2026 && full <= 2076 && month >= 1 && month <= 12);
        need(vk_pay_luhn(vk_str_z(c->number)) && vk_pay_card_named(vk_str_z(c->name)) == c);
        size_t digits = 0;
        for (size_t i = 0; i < number.n; i++)
            if (number.p[i] >= '0' && number.p[i] <= '9')
                need(number.p[i] == c->number[digits++]);
        need(digits == strlen(c->number));
    } else {
        need(e == VK_E_INVALID && fault.code && fault.param && fault.message);
    }
    (void)vk_pay_card_token(number);
}

static void decimal(vk_str text, int64_t by)
{
    int64_t out;
    char copy[64];
    if (vk_pay_times(text, by, &out) != VK_OK)
        return;
    need(text.n < sizeof copy);
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    long double want = strtold(copy, NULL) * (long double)by;
    need(fabsl((long double)out - want) <= 0.5L + fabsl(want) * 1e-15L);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    int64_t numbers[2] = {0};
    if (n < sizeof numbers + 1)
        return 0;
    memcpy(numbers, data, sizeof numbers);
    size_t cut = data[sizeof numbers];
    vk_str rest = {(const char *)data + sizeof numbers + 1, n - sizeof numbers - 1};
    vk_str head = {rest.p, cut < rest.n ? cut : rest.n}, tail = {rest.p + head.n, rest.n - head.n};
    card(head, numbers[0] % 16, numbers[1] % 3000, tail);
    decimal(head, numbers[0]);
    vk_arena *a = vk_arena_new(8192);
    if (a) {
        (void)vk_pay_amount(a, numbers[1], head);
        (void)vk_pay_amount_code(a, numbers[1], head);
        vk_arena_free(a);
    }
    return 0;
}
