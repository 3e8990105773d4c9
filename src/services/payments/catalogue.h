/* Products and prices, for those who sell them: catalogue.c. */
#ifndef VK_PAY_CATALOGUE_H
#define VK_PAY_CATALOGUE_H

#include "services/payments/call.h"

/* A price that is made on the way, from `price_data` of a line item: with `product` (an id) or
 * `product_data`. Price and new product are stored, not active, and no event tells of them; lists of prices
 * leave them out. `param`: where the data stands, "line_items[0][price_data]". Refuses. */
VK_MUSTCHECK vk_err vk_pay_price_inline(vk_pay_call *c, const vk_pv *data, const char *param,
                                        vk_pv **price_r);
/* What one of the price costs, in the smallest unit; VK_PAY_NO_UNIT: unit_amount_decimal has a fraction
 * (vk_pay_times), or the customer chooses the amount. */
int64_t vk_pay_price_unit(const vk_pv *price);

/* The currency at a path of a document (or of parameters), which is there: in lower case, and one of
 * Stripe's. Refuses. */
VK_MUSTCHECK vk_err vk_pay_currency_param(vk_pay_call *c, vk_pv *doc, const char *path, const char *param);
/* A number that must lie between two; what is no number passes. Refuses. */
VK_MUSTCHECK vk_err vk_pay_within(vk_pay_call *c, const vk_pv *v, int64_t least, int64_t most,
                                  const char *param);
/* On an update: tax_behavior can be chosen once. Refuses. */
VK_MUSTCHECK vk_err vk_pay_tax_behavior_kept(vk_pay_call *c);
/* A decimal without needless zeros: "010.50" is "10.5". Not negative, 15 digits before the point.
 * VK_E_INVALID, VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_pay_decimal_plain(vk_arena *a, vk_str text, size_t decimals, vk_str *out_r,
                                         bool *whole_r);

/* Whether it looks like an address of electronic mail: something, "@", a domain, no blanks. */
bool vk_pay_email_ok(vk_str email);

#endif
