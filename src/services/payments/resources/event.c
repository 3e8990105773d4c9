/* Events. https://docs.stripe.com/api/events */
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"id", "string"},
    {"object", "=event"},
    {"api_version", "string?"},
    {"created", "time"},
    {"data", "any"},
    {"livemode", "bool"},
    {"pending_webhooks", "int"},
    {"request", "object?"},
    {"request.id", "string?"},
    {"request.idempotency_key", "string?"},
    {"type", "string"},
    {0},
};

static const vk_pay_param list_params[] = {
    {"created", "range", "created"},
    {"delivery_success", "bool"},
    {"type", "string", "="},
    {"types", "[string]", "type"},
    {0},
};

static const vk_pay_endpoint endpoints[] = {
    VK_PAY_CALL("GET", "/v1/events", LIST, event, list_params, vk_pay_event_list),
    VK_PAY_CALL("GET", "/v1/events/:id", RETRIEVE, event, NULL, vk_pay_event_retrieve),
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_event = {
    .object = "event",
    .word = "event",
    .prefix = "evt_",
    .random = 24,
    .url = "/v1/events",
    .fields = fields,
    .endpoints = endpoints,
    .keys = {"type", "about"},
    .silent = true,
};
