/* Discounts live in customers, subscriptions and invoices. */
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"id", "string"},
    {"object", "=discount"},
    {"checkout_session", "string?"},
    {"coupon", "{coupon}", NULL, 0, 20250930, "source.coupon"},
    {"customer", "@customer?"},
    {"customer_account", "string?"},
    {"end", "time?"},
    {"invoice", "string?"},
    {"invoice_item", "string?"},
    {"promotion_code", "@promotion_code?"},
    {"source", "object", NULL, 20250930},
    {"source.coupon", "@coupon?"},
    {"source.type", "=coupon", "\"coupon\""},
    {"start", "time"},
    {"subscription", "string?"},
    {"subscription_item", "string?"},
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_discount = {
    .object = "discount",
    .word = "discount",
    .prefix = "di_",
    .random = 24,
    .fields = fields,
    .silent = true,
    .inner = true,
};
