/* Refunds. https://docs.stripe.com/api/refunds */
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"id", "string"},
    {"object", "=refund"},
    {"amount", "int"},
    {"balance_transaction", "@balance_transaction?"},
    {"charge", "@charge?"},
    {"created", "time"},
    {"currency", "string"},
    {"customer", "@customer?"},
    {"customer_account", "string?"},
    {"destination_details?", "object"},
    {"destination_details.card?", "object"},
    {"destination_details.card.reference?", "string"},
    {"destination_details.card.reference_status?", "string"},
    {"destination_details.card.reference_type?", "string"},
    {"destination_details.card.type", "=pending|refund|reversal"},
    {"destination_details.type", "string"},
    {"failure_balance_transaction?", "@balance_transaction"},
    {"failure_reason?", "string"},
    {"metadata", "map?", "{}"},
    {"payment_intent", "@payment_intent?"},
    {"payment_method", "@payment_method?"},
    {"reason", "=duplicate|fraudulent|requested_by_customer|expired_uncaptured_charge?"},
    {"receipt_number", "string?"},
    {"source_transfer_reversal", "@transfer_reversal?"},
    {"status", "string?", "\"succeeded\""},
    {"transfer_reversal", "@transfer_reversal?"},
    {0},
};

static const vk_pay_param refunds_params[] = {
    {"amount", "int"},
    {"charge", "string"},
    {"currency", "any", "!"},
    {"customer", "any", "-"},
    {"instructions_email", "any", "!"},
    {"metadata", "map"},
    {"origin", "any", "-"},
    {"payment_intent", "string"},
    {"reason", "=duplicate|fraudulent|requested_by_customer"},
    {"refund_application_fee", "any", "-"},
    {"reverse_transfer", "any", "-"},
    {0},
};

static const vk_pay_param list_params[] = {
    {"charge", "string", "charge"},
    {"created", "range", "created"},
    {"payment_intent", "string", "payment_intent"},
    {0},
};

static const vk_pay_param update_params[] = {
    {"metadata", "map", "="},
    {0},
};

static const vk_pay_endpoint endpoints[] = {
    VK_PAY_CALL("POST", "/v1/refunds", ACTION, refund, refunds_params, vk_pay_refund_create),
    VK_PAY_CALL("GET", "/v1/refunds", LIST, refund, list_params, NULL),
    VK_PAY_CALL("GET", "/v1/refunds/:id", RETRIEVE, refund, NULL, NULL),
    VK_PAY_CALL("POST", "/v1/refunds/:id", UPDATE, refund, update_params, vk_pay_refund_update),
    VK_PAY_CALL("GET", "/v1/charges/:id/refunds", LIST, refund, NULL, vk_pay_charge_refunds),
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_refund = {
    .object = "refund",
    .word = "refund",
    .prefix = "re_",
    .random = 24,
    .url = "/v1/refunds",
    .fields = fields,
    .endpoints = endpoints,
    .keys = {"charge", "payment_intent"},
    .silent = true,
};
