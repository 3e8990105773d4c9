/* How an invoice was paid. https://docs.stripe.com/api/invoice-payment */
#include "services/payments/resources/rows.h"
#include "services/payments/resources/runs.h"

/* clang-format off */
static const vk_pay_field fields[] = {
    {"id", "string"},
    {"object", "=invoice_payment"},
    {"amount_paid", "int?"},
    {"amount_requested", "int"},
    {"created", "time"},
    {"currency", "string"},
    {"invoice", "@invoice"},
    {"is_default", "bool"},
    {"livemode", "bool"},
    {"payment", "object"},
    {"payment.charge?", "@charge"},
    {"payment.payment_intent?", "@payment_intent"},
    {"payment.payment_record?", "@payment_record"},
    {"payment.type", "=charge|payment_intent|payment_record", "\"payment_intent\""},
    {"status", "string", "\"open\""},
    {"status_transitions", "object"},
    {"status_transitions.canceled_at", "time?"},
    {"status_transitions.paid_at", "time?"},
    {0},
};

static const vk_pay_param list_params[] = {
    {"created", "range", "created"},
    {"invoice", "string", "invoice"},
    {"payment", "object"},
    {"payment[payment_intent]", "string", "payment.payment_intent"},
    {"payment[payment_record]", "any", "!"},
    {"payment[type]", "any", "!"},
    {"status", "=canceled|paid|open", "status"},
    {0},
};

static const vk_pay_endpoint endpoints[] = {
    VK_PAY_CALL("GET", "/v1/invoice_payments", LIST, invoice_payment, list_params, NULL),
    VK_PAY_CALL("GET", "/v1/invoice_payments/:id", RETRIEVE, invoice_payment, NULL, NULL),
    {0},
};
/* clang-format on */

const vk_pay_resource vk_pay_r_invoice_payment = {
    .object = "invoice_payment",
    .word = "invoice_payment",
    .prefix = "inpay_",
    .random = 24,
    .url = "/v1/invoice_payments",
    .fields = fields,
    .endpoints = endpoints,
    .keys = {"invoice", "status", "payment.payment_intent"},
    .silent = true,
};
