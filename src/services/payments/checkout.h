/* Between the files of the checkout page: checkout.c what it shows and changes, checkout_fields.c what
 * somebody filled in, checked, checkout_pay.c paying, checkout_still.c what has changed meanwhile. */
#ifndef VK_PAY_CHECKOUT_H
#define VK_PAY_CHECKOUT_H

#include "services/payments/billing.h"

/* Checks the page's fields (their names: call.h) against what the session asks for. *why_r: NULL, or a
 * sentence for people, with the field in *field_r. *filled_r is an object {email, name, phone, address,
 * shipping, custom_fields, terms, promotions}; *card_r {number, exp_month, exp_year, cvc} when one is needed,
 * else NULL. */
VK_MUSTCHECK vk_err vk_pay_filled(vk_pay_call *c, const vk_pay_checkout *k, const vk_pv *fields,
                                  vk_pv **filled_r, vk_pv **card_r, const char **why_r, const char **field_r);
/* The card alone, as a page without a session asks for it: `filled` {name, address}. */
VK_MUSTCHECK vk_err vk_pay_card_typed(vk_pay_call *c, const vk_pv *fields, vk_pv **filled_r, vk_pv **card_r,
                                      const char **why_r, const char **field_r);
/* Its payment method, stored. A card that is none of ours: *why_r. */
VK_MUSTCHECK vk_err vk_pay_method_typed(vk_pay_call *c, const vk_pv *card, const vk_pv *filled,
                                        vk_pv **method_r, const char **why_r, const char **field_r);

/* "MM / YY" and its like: "12/34", "12 / 34", "1234", "12 / 2034". Year as it was typed. VK_E_INVALID. Pure.
 */
VK_MUSTCHECK vk_err vk_pay_expiry(vk_str text, int64_t *month_r, int64_t *year_r);

/* "payment", "subscription" or "setup". */
static inline bool vk_pay_checkout_mode(const vk_pay_checkout *k, const char *mode)
{
    return vk_str_eqz(vk_pv_text(k->session, "mode"), mode);
}

/* ---- checkout_still.c: what has become of an open session since its page was drawn */

/* Forgets a subscription that a try has begun and that is over: it was canceled, or waited for too long. */
VK_MUSTCHECK vk_err vk_pay_checkout_begun(vk_pay_call *c, vk_pv *session);
/* Something has changed what it comes to: what has begun was about other amounts and ends. Stores it. */
VK_MUSTCHECK vk_err vk_pay_checkout_anew(vk_pay_call *c, vk_pv *session);
/* Whether it can still be paid as it is: its customer is there, its link has sessions left, its discounts are
 * valid. Else *why_r; discounts that are not are taken off, which is stored. */
VK_MUSTCHECK vk_err vk_pay_checkout_still(vk_pay_call *c, vk_pay_checkout *k, const char **why_r);

#endif
