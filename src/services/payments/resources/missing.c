/* Calls of Stripe's that answer 404 with a sentence that says so. */
#include "services/payments/schema.h"

const vk_pay_missing vk_pay_missing_calls[] = {
    {"POST /v1/billing_portal/sessions", "the customer portal"},
    {"/v1/billing_portal/configurations", "the customer portal"},
    {"POST /v1/subscriptions/:id/resume, DELETE /v1/subscriptions/:id/discount", "changes of subscriptions"},
    {"POST, DELETE /v1/subscription_items", "changes of subscriptions"},
    {"POST /v1/invoices, POST, DELETE /v1/invoices/:id, POST /v1/invoices/:id/finalize, /pay, /send, /void, "
     "/mark_uncollectible",
     "invoices that an application makes or changes itself"},
    {"POST /v1/invoices/create_preview, GET /v1/invoices/upcoming", "previews of invoices"},
    {"/v1/invoiceitems", "invoices that an application makes or changes itself"},
    {"/v1/plans", "prices do the same"},
    {"/v1/test_helpers/test_clocks", "time that is moved by hand"},
    {"/v1/quotes, /v1/credit_notes, /v1/subscription_schedules, /v1/billing/*", "not in this version"},
    {"/v1/disputes, /v1/payouts, /v1/topups, /v1/reviews", "nothing in test mode makes them"},
    {"POST /v1/charges, /v1/tokens, /v1/sources", "the old card API; payment intents do the same"},
    {"/v1/confirmation_tokens, /v1/ephemeral_keys, /v1/payment_method_configurations, /v1/customer_sessions",
     "what needs Stripe.js in the browser"},
    {"/v1/customers/:id/balance_transactions, /cash_balance, /sources, /tax_ids", "not in this version"},
    {"/v1/accounts, /v1/account_links, /v1/transfers, /v1/application_fees", "Connect"},
    {"/v1/files, /v1/file_links, /v1/reporting/*, /v1/sigma/*", "not in this version"},
    {"/v1/issuing/*, /v1/terminal/*, /v1/treasury/*, /v1/identity/*, /v1/climate/*, /v1/radar/*, /v1/tax/*",
     "other products of Stripe's"},
    {"/v2/*", "the second API"},
    {0},
};
