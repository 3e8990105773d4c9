/* Shipping rates. https://docs.stripe.com/api/shipping_rates */
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"id", "string"},
    {"object", "=shipping_rate"},
    {"active", "bool", "true"},
    {"created", "time"},
    {"delivery_estimate", "object?"},
    {"delivery_estimate.maximum", "object?"},
    {"delivery_estimate.maximum.unit", "=day|month|week|business_day|hour"},
    {"delivery_estimate.maximum.value", "int"},
    {"delivery_estimate.minimum", "object?"},
    {"delivery_estimate.minimum.unit", "=day|month|week|business_day|hour"},
    {"delivery_estimate.minimum.value", "int"},
    {"display_name", "string?"},
    {"fixed_amount?", "object"},
    {"fixed_amount.amount", "int"},
    {"fixed_amount.currency", "string"},
    {"livemode", "bool"},
    {"metadata", "map"},
    {"tax_behavior", "=exclusive|inclusive|unspecified?", "\"unspecified\""},
    {"tax_code", "@tax_code?"},
    {"type", "=fixed_amount", "\"fixed_amount\""},
    {0},
};

static const vk_pay_param create_params[] = {
    {"display_name*", "string:100", "="},
    {"delivery_estimate", "object", "="},
    {"delivery_estimate[maximum]", "object"},
    {"delivery_estimate[maximum][unit]*", "=day|month|week|business_day|hour"},
    {"delivery_estimate[maximum][value]*", "int"},
    {"delivery_estimate[minimum]", "object"},
    {"delivery_estimate[minimum][unit]*", "=day|month|week|business_day|hour"},
    {"delivery_estimate[minimum][value]*", "int"},
    {"fixed_amount", "object", "="},
    {"fixed_amount[amount]*", "int"},
    {"fixed_amount[currency]*", "string"},
    {"fixed_amount[currency_options]", "any", "!"},
    {"metadata", "map", "="},
    {"tax_behavior", "=exclusive|inclusive|unspecified", "="},
    {"tax_code", "string?", "="},
    {"type", "=fixed_amount", "="},
    {0},
};

static const vk_pay_param list_params[] = {
    {"active", "bool", "active"},
    {"created", "range", "created"},
    {"currency", "string", "fixed_amount.currency"},
    {0},
};

static const vk_pay_param update_params[] = {
    {"active", "bool", "="},
    {"fixed_amount", "any", "!"},
    {"metadata", "map", "="},
    {"tax_behavior", "=exclusive|inclusive|unspecified", "="},
    {0},
};

static const vk_pay_endpoint endpoints[] = {
    VK_PAY_CALL("POST", "/v1/shipping_rates", CREATE, shipping_rate, create_params, vk_pay_shipping_rate_create),
    VK_PAY_CALL("GET", "/v1/shipping_rates", LIST, shipping_rate, list_params, NULL),
    VK_PAY_CALL("GET", "/v1/shipping_rates/:id", RETRIEVE, shipping_rate, NULL, NULL),
    VK_PAY_CALL("POST", "/v1/shipping_rates/:id", UPDATE, shipping_rate, update_params, vk_pay_shipping_rate_update),
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_shipping_rate = {
    .object = "shipping_rate",
    .word = "shipping_rate",
    .prefix = "shr_",
    .random = 24,
    .url = "/v1/shipping_rates",
    .fields = fields,
    .endpoints = endpoints,
    .keys = {"active", "fixed_amount.currency"},
    .silent = true,
};
