/* Coupons. https://docs.stripe.com/api/coupons */
#include "services/payments/discount.h"
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"id", "string"},
    {"object", "=coupon"},
    {"amount_off", "int?"},
    {"applies_to?", "+object"},
    {"applies_to.products", "[string]"},
    {"created", "time"},
    {"currency", "string?"},
    {"currency_options?", "+map"},
    {"duration", "=forever|once|repeating", "\"once\""},
    {"duration_in_months", "int?"},
    {"livemode", "bool"},
    {"max_redemptions", "int?"},
    {"metadata", "map?", "{}"},
    {"name", "string?"},
    {"percent_off", "number?"},
    {"redeem_by", "time?"},
    {"times_redeemed", "int"},
    {"valid", "bool", "true"},
    {0},
};

static const vk_pay_param create_params[] = {
    {"amount_off", "int", "="},
    {"applies_to", "object", "="},
    {"applies_to[products]", "[string]"},
    {"currency", "string?", "="},
    {"currency_options", "any", "!"},
    {"duration", "=forever|once|repeating", "="},
    {"duration_in_months", "int", "="},
    {"id", "string"},
    {"max_redemptions", "int", "="},
    {"metadata", "map", "="},
    {"name", "string:40?", "="},
    {"percent_off", "number", "="},
    {"redeem_by", "time", "="},
    {0},
};

static const vk_pay_param list_params[] = {
    {"created", "range", "created"},
    {0},
};

static const vk_pay_param update_params[] = {
    {"currency_options", "any", "!"},
    {"metadata", "map", "="},
    {"name", "string:40?", "="},
    {0},
};

static const vk_pay_endpoint endpoints[] = {
    VK_PAY_CALL("POST", "/v1/coupons", CREATE, coupon, create_params, vk_pay_coupon_create),
    VK_PAY_CALL("GET", "/v1/coupons", LIST, coupon, list_params, NULL),
    VK_PAY_CALL("GET", "/v1/coupons/:id", RETRIEVE, coupon, NULL, NULL),
    VK_PAY_CALL("POST", "/v1/coupons/:id", UPDATE, coupon, update_params, NULL),
    VK_PAY_CALL("DELETE", "/v1/coupons/:id", DELETE, coupon, NULL, NULL),
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_coupon = {
    .object = "coupon",
    .word = "coupon",
    .url = "/v1/coupons",
    .fields = fields,
    .endpoints = endpoints,
    .now = vk_pay_coupon_now,
};
