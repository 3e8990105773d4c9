/* What a charge or refund did to the balance. https://docs.stripe.com/api/balance_transactions */
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"id", "string"},
    {"object", "=balance_transaction"},
    {"amount", "int"},
    {"available_on", "time"},
    {"balance_type", "=issuing|payments|refund_and_dispute_prefunding|risk_reserved", "\"payments\""},
    {"created", "time"},
    {"currency", "string"},
    {"description", "string?"},
    {"exchange_rate", "number?"},
    {"fee", "int"},
    {"fee_details", "[]"},
    {"fee_details[].amount", "int"},
    {"fee_details[].application", "string?"},
    {"fee_details[].currency", "string"},
    {"fee_details[].description", "string?"},
    {"fee_details[].type", "string"},
    {"net", "int"},
    {"reporting_category", "string", "\"charge\""},
    {"source", "@charge,refund?"},
    {"status", "string", "\"available\""},
    {"type", "string", "\"charge\""},
    {0},
};

static const vk_pay_param list_params[] = {
    {"created", "range", "created"},
    {"currency", "string", "currency"},
    {"payout", "any", "!"},
    {"source", "string", "source"},
    {"type", "string", "type"},
    {"available_on", "any", "!"},
    {0},
};

static const vk_pay_endpoint endpoints[] = {
    VK_PAY_CALL("GET", "/v1/balance_transactions", LIST, balance_transaction, list_params, NULL),
    VK_PAY_CALL("GET", "/v1/balance_transactions/:id", RETRIEVE, balance_transaction, NULL, NULL),
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_balance_transaction = {
    .object = "balance_transaction",
    .word = "balance_transaction",
    .prefix = "txn_",
    .random = 24,
    .url = "/v1/balance_transactions",
    .fields = fields,
    .endpoints = endpoints,
    .keys = {"source", "type", "currency"},
    .now = vk_pay_balance_transaction_at,
    .silent = true,
};
