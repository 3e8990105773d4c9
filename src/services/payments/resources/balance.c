/* What the build has earned. */
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"object", "=balance"},
    {"available", "[]"},
    {"available[].amount", "int"},
    {"available[].currency", "string"},
    {"available[].source_types?", "object"},
    {"available[].source_types.card?", "int"},
    {"livemode", "bool"},
    {"pending", "[]"},
    {"pending[].amount", "int"},
    {"pending[].currency", "string"},
    {"pending[].source_types?", "object"},
    {"pending[].source_types.card?", "int"},
    {0},
};

static const vk_pay_endpoint endpoints[] = {
    VK_PAY_CALL("GET", "/v1/balance", ACTION, balance, NULL, vk_pay_balance_retrieve),
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_balance = {
    .object = "balance",
    .word = "balance",
    .fields = fields,
    .endpoints = endpoints,
    .silent = true,
};
