/* Tax rates. https://docs.stripe.com/api/tax_rates */
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"id", "string"},
    {"object", "=tax_rate"},
    {"active", "bool", "true"},
    {"country", "string?"},
    {"created", "time"},
    {"description", "string?"},
    {"display_name", "string"},
    {"effective_percentage", "number?", NULL, 0, 0, "percentage"},
    {"flat_amount", "any?"},
    {"inclusive", "bool"},
    {"jurisdiction", "string?"},
    {"jurisdiction_level", "=city|country|county|district|multiple|state?"},
    {"livemode", "bool"},
    {"metadata", "map?", "{}"},
    {"percentage", "number"},
    {"rate_type", "=flat_amount|percentage?", "\"percentage\""},
    {"state", "string?"},
    {"tax_type", "string?"},
    {0},
};

static const vk_pay_param create_params[] = {
    {"display_name*", "string:50", "="},
    {"inclusive*", "bool", "="},
    {"percentage*", "number", "="},
    {"active", "bool", "="},
    {"country", "string?", "="},
    {"description", "string?", "="},
    {"jurisdiction", "string:200?", "="},
    {"metadata", "map", "="},
    {"state", "string?", "="},
    {"tax_type", "=admissions_tax|amusement_tax|attendance_tax|communications_tax|digital_excise_tax|entertainment_tax|get_fund|gross_receipts_tax|gst|hospitality_tax|hst|igst|jct|lease_tax|luxury_tax|mass_transit_parking_tax|nhil|parking_tax|pst|qst|resort_tax|retail_delivery_fee|rst|sales_tax|service_tax|tourism_tax|utility_users_tax|vat", "="},
    {0},
};

static const vk_pay_param list_params[] = {
    {"active", "bool", "active"},
    {"created", "range", "created"},
    {"inclusive", "bool", "inclusive"},
    {0},
};

static const vk_pay_param update_params[] = {
    {"active", "bool", "="},
    {"country", "string?", "="},
    {"description", "string?", "="},
    {"display_name", "string:50", "="},
    {"jurisdiction", "string:200?", "="},
    {"metadata", "map", "="},
    {"state", "string?", "="},
    {"tax_type", "=admissions_tax|amusement_tax|attendance_tax|communications_tax|digital_excise_tax|entertainment_tax|get_fund|gross_receipts_tax|gst|hospitality_tax|hst|igst|jct|lease_tax|luxury_tax|mass_transit_parking_tax|nhil|parking_tax|pst|qst|resort_tax|retail_delivery_fee|rst|sales_tax|service_tax|tourism_tax|utility_users_tax|vat", "="},
    {0},
};

static const vk_pay_endpoint endpoints[] = {
    VK_PAY_CALL("POST", "/v1/tax_rates", CREATE, tax_rate, create_params, vk_pay_tax_rate_create),
    VK_PAY_CALL("GET", "/v1/tax_rates", LIST, tax_rate, list_params, NULL),
    VK_PAY_CALL("GET", "/v1/tax_rates/:id", RETRIEVE, tax_rate, NULL, NULL),
    VK_PAY_CALL("POST", "/v1/tax_rates/:id", UPDATE, tax_rate, update_params, NULL),
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_tax_rate = {
    .object = "tax_rate",
    .word = "tax_rate",
    .prefix = "txr_",
    .random = 24,
    .url = "/v1/tax_rates",
    .fields = fields,
    .endpoints = endpoints,
    .keys = {"active", "inclusive"},
};
