/* What makes coupons and promotion codes valid (discount.c); call.h has what sellers need. */
#ifndef VK_PAY_DISCOUNT_H
#define VK_PAY_DISCOUNT_H

#include "services/payments/call.h"

typedef enum vk_pay_invalid {
    VK_PAY_VALID,
    VK_PAY_INVALID_GONE, /* deleted, not active, or never there */
    VK_PAY_INVALID_EXPIRED,
    VK_PAY_INVALID_USED_UP,
} vk_pay_invalid;

/* By the documents alone, at a time in unix seconds; `coupon` NULL: there is none. Pure. */
vk_pay_invalid vk_pay_coupon_state(const vk_pv *coupon, int64_t now);
vk_pay_invalid vk_pay_code_state(const vk_pv *code, const vk_pv *coupon, int64_t now);
/* Whether people may type it: letters, digits and dashes, one at least. */
bool vk_pay_code_chars(vk_str code);

/* `valid` of a coupon and `active` of a code come to say what is so now. Nothing is stored. Whoever shows one
 * need not ask: schema.h, `now`. */
VK_MUSTCHECK vk_err vk_pay_coupon_now(vk_pay_call *c, vk_pv *coupon);
VK_MUSTCHECK vk_err vk_pay_code_now(vk_pay_call *c, vk_pv *code);

#endif
