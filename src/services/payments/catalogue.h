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

#endif
