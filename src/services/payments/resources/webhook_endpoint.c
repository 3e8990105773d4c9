/* Webhook endpoints; `secret` is shown when they are made only. https://docs.stripe.com/api/webhook_endpoints
 */
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"id", "string"},
    {"object", "=webhook_endpoint"},
    {"api_version", "string?"},
    {"application", "string?"},
    {"created", "time"},
    {"description", "string?"},
    {"enabled_events", "[string]"},
    {"livemode", "bool"},
    {"metadata", "map"},
    {"status", "string", "\"enabled\""},
    {"url", "string"},
    {0},
};

static const vk_pay_param create_params[] = {
    {"enabled_events*", "[string]", "="},
    {"url*", "string:8000", "="},
    {"api_version", "string"},
    {"connect", "any", "-"},
    {"description", "string:5000?", "="},
    {"metadata", "map", "="},
    {0},
};

static const vk_pay_param update_params[] = {
    {"description", "string:5000?", "="},
    {"disabled", "bool"},
    {"enabled_events", "[string]", "="},
    {"metadata", "map", "="},
    {"url", "string:8000", "="},
    {0},
};

static const vk_pay_endpoint endpoints[] = {
    VK_PAY_CALL("POST", "/v1/webhook_endpoints", CREATE, webhook_endpoint, create_params, vk_pay_webhook_endpoint_create),
    VK_PAY_CALL("GET", "/v1/webhook_endpoints", LIST, webhook_endpoint, NULL, NULL),
    VK_PAY_CALL("GET", "/v1/webhook_endpoints/:id", RETRIEVE, webhook_endpoint, NULL, NULL),
    VK_PAY_CALL("POST", "/v1/webhook_endpoints/:id", UPDATE, webhook_endpoint, update_params, vk_pay_webhook_endpoint_update),
    VK_PAY_CALL("DELETE", "/v1/webhook_endpoints/:id", DELETE, webhook_endpoint, NULL, vk_pay_webhook_endpoint_delete),
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_webhook_endpoint = {
    .object = "webhook_endpoint",
    .word = "webhook endpoint",
    .prefix = "we_",
    .random = 24,
    .url = "/v1/webhook_endpoints",
    .fields = fields,
    .endpoints = endpoints,
    .keys = {"status"},
    .silent = true,
};
