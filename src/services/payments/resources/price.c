/* Prices. https://docs.stripe.com/api/prices */
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"id", "string"},
    {"object", "=price"},
    {"active", "bool", "true"},
    {"billing_scheme", "=per_unit|tiered", "\"per_unit\""},
    {"created", "time"},
    {"currency", "string"},
    {"currency_options?", "+map"},
    {"custom_unit_amount", "object?"},
    {"custom_unit_amount.maximum", "int?"},
    {"custom_unit_amount.minimum", "int?"},
    {"custom_unit_amount.preset", "int?"},
    {"livemode", "bool"},
    {"lookup_key", "string?"},
    {"metadata", "map"},
    {"nickname", "string?"},
    {"product", "@product"},
    {"recurring", "object?"},
    {"recurring.interval", "=day|month|week|year"},
    {"recurring.interval_count", "int", "1"},
    {"recurring.meter", "string?"},
    {"recurring.trial_period_days", "int?"},
    {"recurring.usage_type", "=licensed|metered", "\"licensed\""},
    {"recurring.aggregate_usage", "string?", NULL, 0, VK_PAY_BASIL},
    {"tax_behavior", "=exclusive|inclusive|unspecified?", "\"unspecified\""},
    {"tiers?", "+[]"},
    {"tiers_mode", "=graduated|volume?"},
    {"transform_quantity", "object?"},
    {"transform_quantity.divide_by", "int"},
    {"transform_quantity.round", "=down|up"},
    {"type", "=one_time|recurring", "\"one_time\""},
    {"unit_amount", "int?"},
    {"unit_amount_decimal", "decimal?"},
    {0},
};

static const vk_pay_param create_params[] = {
    {"currency*", "string", "="},
    {"active", "bool", "="},
    {"billing_scheme", "=per_unit|tiered", "="},
    {"currency_options", "any", "!"},
    {"custom_unit_amount", "object", "="},
    {"custom_unit_amount[enabled]*", "bool"},
    {"custom_unit_amount[maximum]", "int"},
    {"custom_unit_amount[minimum]", "int"},
    {"custom_unit_amount[preset]", "int"},
    {"lookup_key", "string:200?", "="},
    {"metadata", "map", "="},
    {"nickname", "string?", "="},
    {"product", "string", "="},
    {"product_data", "object"},
    {"product_data[active]", "bool"},
    {"product_data[id]", "string"},
    {"product_data[metadata]", "map"},
    {"product_data[name]*", "string"},
    {"product_data[statement_descriptor]", "string:22"},
    {"product_data[tax_code]", "string"},
    {"product_data[tax_details]", "any", "!"},
    {"product_data[unit_label]", "string:12"},
    {"recurring", "object", "="},
    {"recurring[interval]*", "=day|month|week|year"},
    {"recurring[interval_count]", "int"},
    {"recurring[meter]", "any", "!"},
    {"recurring[trial_period_days]", "int"},
    {"recurring[usage_type]", "=licensed|metered"},
    {"recurring[aggregate_usage]", "any", "!"},
    {"tax_behavior", "=exclusive|inclusive|unspecified", "="},
    {"tiers", "any", "-"},
    {"tiers_mode", "any", "-"},
    {"transfer_lookup_key", "bool"},
    {"transform_quantity", "any", "-"},
    {"unit_amount", "int", "="},
    {"unit_amount_decimal", "decimal", "="},
    {0},
};

static const vk_pay_param list_params[] = {
    {"active", "bool", "active"},
    {"created", "range", "created"},
    {"currency", "string", "currency"},
    {"lookup_keys", "[string]", "lookup_key"},
    {"product", "string", "product"},
    {"recurring", "object"},
    {"recurring[interval]", "=day|month|week|year", "recurring.interval"},
    {"recurring[meter]", "any", "!"},
    {"recurring[usage_type]", "=licensed|metered", "recurring.usage_type"},
    {"type", "=one_time|recurring", "type"},
    {0},
};

static const vk_pay_param search_params[] = {
    {"query*", "string"},
    {"page", "string"},
    {0},
};

static const vk_pay_param update_params[] = {
    {"active", "bool", "="},
    {"currency_options", "any", "!"},
    {"lookup_key", "string:200?", "="},
    {"metadata", "map", "="},
    {"nickname", "string?", "="},
    {"tax_behavior", "=exclusive|inclusive|unspecified", "="},
    {"transfer_lookup_key", "bool"},
    {"recurring", "any", "!"},
    {0},
};

static const vk_pay_endpoint endpoints[] = {
    VK_PAY_CALL("POST", "/v1/prices", CREATE, price, create_params, vk_pay_price_create),
    VK_PAY_CALL("GET", "/v1/prices", LIST, price, list_params, vk_pay_price_list),
    VK_PAY_CALL("GET", "/v1/prices/search", SEARCH, price, search_params, NULL),
    VK_PAY_CALL("GET", "/v1/prices/:id", RETRIEVE, price, NULL, NULL),
    VK_PAY_CALL("POST", "/v1/prices/:id", UPDATE, price, update_params, vk_pay_price_update),
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_price = {
    .object = "price",
    .word = "price",
    .prefix = "price_",
    .random = 24,
    .url = "/v1/prices",
    .fields = fields,
    .endpoints = endpoints,
    .keys = {"product", "active", "type", "currency", "lookup_key", "recurring.interval",
             "recurring.usage_type", "inline"},
};
