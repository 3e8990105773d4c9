/* The old shape of a price, as subscription items show it: documents are prices. */
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"id", "string"},
    {"object", "=plan"},
    {"active", "bool", "true"},
    {"aggregate_usage", "string?", NULL, 0, VK_PAY_BASIL},
    {"amount", "int?", NULL, 0, 0, "unit_amount"},
    {"amount_decimal", "decimal?", NULL, 0, 0, "unit_amount_decimal"},
    {"billing_scheme", "=per_unit|tiered", "\"per_unit\""},
    {"created", "time"},
    {"currency", "string"},
    {"interval", "=day|month|week|year", "\"month\"", 0, 0, "recurring.interval"},
    {"interval_count", "int", "1", 0, 0, "recurring.interval_count"},
    {"livemode", "bool"},
    {"metadata", "map?"},
    {"meter", "string?", NULL, 0, 0, "recurring.meter"},
    {"nickname", "string?"},
    {"product", "@product?"},
    {"tiers?", "+[]"},
    {"tiers_mode", "=graduated|volume?"},
    {"transform_usage", "object?", NULL, 0, 0, "transform_quantity"},
    {"transform_usage.divide_by", "int"},
    {"transform_usage.round", "=down|up"},
    {"trial_period_days", "int?", NULL, 0, 0, "recurring.trial_period_days"},
    {"usage_type", "=licensed|metered", "\"licensed\"", 0, 0, "recurring.usage_type"},
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_plan = {
    .object = "plan",
    .word = "plan",
    .fields = fields,
    .silent = true,
    .inner = true,
    .mirrors = "price",
};
