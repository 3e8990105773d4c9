/* Line items of sessions and payment links. */
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"id", "string"},
    {"object", "=item"},
    {"adjustable_quantity", "object?"},
    {"adjustable_quantity.enabled", "bool"},
    {"adjustable_quantity.maximum", "int?"},
    {"adjustable_quantity.minimum", "int?"},
    {"amount_discount", "int"},
    {"amount_subtotal", "int"},
    {"amount_tax", "int"},
    {"amount_total", "int"},
    {"currency", "string"},
    {"description", "string?"},
    {"discounts?", "+[]"},
    {"discounts[].amount", "int"},
    {"discounts[].discount", "{discount}"},
    {"metadata", "map?"},
    {"price", "{price}?"},
    {"quantity", "int?"},
    {"taxes?", "+[]"},
    {"taxes[].amount", "int"},
    {"taxes[].rate", "{tax_rate}"},
    {"taxes[].taxability_reason", "string?", NULL, 0, 0, "-"},
    {"taxes[].taxable_amount", "int?"},
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_item = {
    .object = "item",
    .word = "item",
    .prefix = "li_",
    .random = 24,
    .fields = fields,
    .silent = true,
    .inner = true,
};
