/* The account: one a build. */
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"id", "string"},
    {"object", "=account"},
    {"business_profile?", "object?"},
    {"business_profile.annual_revenue", "any?"},
    {"business_profile.estimated_worker_count", "int?"},
    {"business_profile.mcc", "string?"},
    {"business_profile.minority_owned_business_designation", "[string]?"},
    {"business_profile.name", "string?"},
    {"business_profile.product_description?", "string?"},
    {"business_profile.specified_commercial_transactions_act_url", "string?"},
    {"business_profile.support_address", "any?"},
    {"business_profile.support_email", "string?"},
    {"business_profile.support_phone", "string?"},
    {"business_profile.support_url", "string?"},
    {"business_profile.url", "string?"},
    {"business_type?", "=company|government_entity|individual|non_profit?"},
    {"capabilities?", "object"},
    {"capabilities.card_payments?", "=active|inactive|pending"},
    {"capabilities.transfers?", "=active|inactive|pending"},
    {"charges_enabled", "bool", "true"},
    {"controller?", "object"},
    {"country?", "string", "\"US\""},
    {"created?", "time"},
    {"details_submitted", "bool", "true"},
    {"email", "string?"},
    {"metadata?", "map"},
    {"payouts_enabled", "bool", "true"},
    {"requirements?", "object"},
    {"settings?", "object?"},
    {"type", "=express|none|custom|standard", "\"standard\""},
    {0},
};

static const vk_pay_endpoint endpoints[] = {
    VK_PAY_CALL("GET", "/v1/account", ACTION, account, NULL, vk_pay_account_retrieve),
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_account = {
    .object = "account",
    .word = "account",
    .prefix = "acct_",
    .random = 16,
    .fields = fields,
    .endpoints = endpoints,
    .silent = true,
};
