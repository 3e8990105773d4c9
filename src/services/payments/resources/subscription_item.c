/* Subscription items live in their subscription. https://docs.stripe.com/api/subscription_items */
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"id", "string"},
    {"object", "=subscription_item"},
    {"billing_thresholds", "any?"},
    {"created", "time"},
    {"current_period_end", "time"},
    {"current_period_start", "time"},
    {"current_trial", "any?"},
    {"discounts", "[@discount]"},
    {"metadata", "map"},
    {"plan", "{plan}", NULL, 0, 0, "price"},
    {"price", "{price}"},
    {"quantity?", "int"},
    {"subscription", "string"},
    {"tax_rates", "[{tax_rate}]?", "[]"},
    {0},
};

static const vk_pay_param list_params[] = {
    {"subscription*", "string"},
    {0},
};

static const vk_pay_endpoint endpoints[] = {
    VK_PAY_CALL("GET", "/v1/subscription_items", LIST, subscription_item, list_params, vk_pay_subscription_item_list),
    VK_PAY_CALL("GET", "/v1/subscription_items/:id", ACTION, subscription_item, NULL, vk_pay_subscription_item_retrieve),
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_subscription_item = {
    .object = "subscription_item",
    .word = "subscription_item",
    .prefix = "si_",
    .random = 14,
    .fields = fields,
    .endpoints = endpoints,
    .silent = true,
    .inner = true,
};
