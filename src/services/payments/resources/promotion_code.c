/* Promotion codes; the document has `code_key`, the code in upper case, by which it is looked up.
 * https://docs.stripe.com/api/promotion_codes */
#include "services/payments/discount.h"
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"id", "string"},
    {"object", "=promotion_code"},
    {"active", "bool", "true"},
    {"code", "string"},
    {"coupon", "{coupon}", NULL, 0, 20250930, "promotion.coupon"},
    {"created", "time"},
    {"customer", "@customer?"},
    {"customer_account", "string?"},
    {"expires_at", "time?"},
    {"livemode", "bool"},
    {"max_redemptions", "int?"},
    {"metadata", "map?", "{}"},
    {"promotion", "object", NULL, 20250930},
    {"promotion.coupon", "@coupon?"},
    {"promotion.type", "=coupon", "\"coupon\""},
    {"restrictions", "object"},
    {"restrictions.first_time_transaction", "bool"},
    {"restrictions.minimum_amount", "int?"},
    {"restrictions.minimum_amount_currency", "string?"},
    {"times_redeemed", "int"},
    {0},
};

static const vk_pay_param create_params[] = {
    {"promotion", "object"},
    {"promotion[coupon]", "string"},
    {"promotion[type]*", "=coupon"},
    {"active", "bool", "="},
    {"code", "string:500"},
    {"customer", "string?", "="},
    {"customer_account", "any", "-"},
    {"expires_at", "time", "="},
    {"max_redemptions", "int", "="},
    {"metadata", "map", "="},
    {"restrictions", "object", "="},
    {"restrictions[currency_options]", "any", "!"},
    {"restrictions[first_time_transaction]", "bool"},
    {"restrictions[minimum_amount]", "int"},
    {"restrictions[minimum_amount_currency]", "string"},
    {"coupon", "string", NULL, 0, 20250930},
    {0},
};

static const vk_pay_param list_params[] = {
    {"active", "bool"},
    {"code", "string:500"},
    {"coupon", "string", "promotion.coupon"},
    {"created", "range", "created"},
    {"customer", "string", "customer"},
    {"customer_account", "any", "!"},
    {0},
};

static const vk_pay_param update_params[] = {
    {"active", "bool", "="},
    {"metadata", "map", "="},
    {"restrictions", "object", "="},
    {"restrictions[currency_options]", "any", "!"},
    {0},
};

static const vk_pay_endpoint endpoints[] = {
    VK_PAY_CALL("POST", "/v1/promotion_codes", CREATE, promotion_code, create_params, vk_pay_promotion_code_create),
    VK_PAY_CALL("GET", "/v1/promotion_codes", LIST, promotion_code, list_params, vk_pay_promotion_code_list),
    VK_PAY_CALL("GET", "/v1/promotion_codes/:id", RETRIEVE, promotion_code, NULL, NULL),
    VK_PAY_CALL("POST", "/v1/promotion_codes/:id", UPDATE, promotion_code, update_params, vk_pay_promotion_code_update),
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_promotion_code = {
    .object = "promotion_code",
    .word = "promotion code",
    .prefix = "promo_",
    .random = 24,
    .url = "/v1/promotion_codes",
    .fields = fields,
    .endpoints = endpoints,
    .now = vk_pay_code_now,
    .keys = {"code_key", "active", "promotion.coupon", "customer"},
};
