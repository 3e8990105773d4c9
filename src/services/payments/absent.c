/* Stands in for what is not written yet, so that the rest links; each function goes from here when its unit
 * comes. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "services/payments/assets.h"
#include "services/payments/call.h"
#include "services/payments/form.h"
#include "services/payments/hooks.h"
#include "services/payments/resources/runs.h"

#define W __attribute__((weak))

const vk_pay_resource vk_pay_r_account W = {.object = "account"};
const vk_pay_resource vk_pay_r_balance W = {.object = "balance"};
const vk_pay_resource vk_pay_r_product W = {.object = "product"};
const vk_pay_resource vk_pay_r_price W = {.object = "price"};
const vk_pay_resource vk_pay_r_plan W = {.object = "plan"};
const vk_pay_resource vk_pay_r_customer W = {.object = "customer"};
const vk_pay_resource vk_pay_r_payment_method W = {.object = "payment_method"};
const vk_pay_resource vk_pay_r_payment_intent W = {.object = "payment_intent"};
const vk_pay_resource vk_pay_r_setup_intent W = {.object = "setup_intent"};
const vk_pay_resource vk_pay_r_charge W = {.object = "charge"};
const vk_pay_resource vk_pay_r_refund W = {.object = "refund"};
const vk_pay_resource vk_pay_r_coupon W = {.object = "coupon"};
const vk_pay_resource vk_pay_r_promotion_code W = {.object = "promotion_code"};
const vk_pay_resource vk_pay_r_discount W = {.object = "discount"};
const vk_pay_resource vk_pay_r_session W = {.object = "session"};
const vk_pay_resource vk_pay_r_item W = {.object = "item"};
const vk_pay_resource vk_pay_r_subscription W = {.object = "subscription"};
const vk_pay_resource vk_pay_r_subscription_item W = {.object = "subscription_item"};
const vk_pay_resource vk_pay_r_invoice W = {.object = "invoice"};
const vk_pay_resource vk_pay_r_invoice_line W = {.object = "invoice_line"};
const vk_pay_resource vk_pay_r_invoice_payment W = {.object = "invoice_payment"};
const vk_pay_resource vk_pay_r_payment_link W = {.object = "payment_link"};
const vk_pay_resource vk_pay_r_tax_rate W = {.object = "tax_rate"};
const vk_pay_resource vk_pay_r_shipping_rate W = {.object = "shipping_rate"};
const vk_pay_resource vk_pay_r_webhook_endpoint W = {.object = "webhook_endpoint"};
const vk_pay_resource vk_pay_r_event W = {.object = "event"};
const vk_pay_resource vk_pay_r_balance_transaction W = {.object = "balance_transaction"};
const vk_pay_resource *const vk_pay_resources[] W = {NULL};
W vk_err vk_pay_schema_start(const char **why_r)
{
    return VK_E_UNSUPPORTED;
}
W const vk_pay_resource *vk_pay_resource_of(vk_str object)
{
    return NULL;
}
W const vk_pay_resource *vk_pay_resource_of_id(vk_str id)
{
    return NULL;
}
W const vk_pay_endpoint *vk_pay_endpoint_find(vk_str method, vk_str path, int version, vk_str ids_r[2],
                                              bool *there_r)
{
    return NULL;
}
W vk_err vk_pay_version(vk_str text, int *out_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_check(struct vk_pay_call *c, vk_pv *form)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_take(struct vk_pay_call *c, vk_pv *doc)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_render(struct vk_pay_call *c, const vk_pay_resource *r, const vk_pv *doc, const char *under,
                       vk_pv **out_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_render_for(struct vk_pay_call *c, const vk_pay_resource *r, const vk_pv *doc, int version,
                           vk_pv **out_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_pv *vk_pay_list(vk_arena *a, vk_pv *data, bool more, vk_str url)
{
    return NULL;
}
W vk_err vk_pay_code_valid(vk_pay_call *c, vk_str code, vk_str customer, vk_str currency, int64_t subtotal,
                           vk_pv **promotion_code_r, vk_pv **coupon_r, const char **why_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_coupon_valid(vk_pay_call *c, const vk_pv *coupon, vk_str currency, const char **why_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_redeem(vk_pay_call *c, vk_pv *coupon, vk_pv *promotion_code)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_checkout_load(vk_pay_call *c, vk_str id, vk_pay_checkout *out_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_checkout_pay(vk_pay_call *c, vk_pay_checkout *k, const vk_pv *fields, vk_pay_paid *paid_r,
                             const char **why_r, const char **field_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_checkout_go_on(vk_pay_call *c, vk_pay_checkout *k, bool authenticated, vk_pay_paid *paid_r,
                               const char **why_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_str vk_pay_success_url(vk_pay_call *c, const vk_pv *session)
{
    return VK_STR_NONE;
}
W vk_err vk_pay_link_session(vk_pay_call *c, vk_str link, vk_pv **session_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_subscribe_new(vk_pay_call *c, const vk_pay_subscribe *ask, vk_pv **subscription_r,
                              vk_pay_paid *paid_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_due(vk_pay_call *c)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_checkout_change(vk_pay_call *c, vk_pay_checkout *k, const vk_pv *fields, const char **why_r,
                                const char **field_r)
{
    return VK_E_UNSUPPORTED;
}
W bool vk_pay_checkout_waits(const vk_pv *session)
{
    return false;
}
W vk_err vk_pay_checkout_due(vk_pay_call *c, vk_pv *session)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_subscriptions_end(vk_pay_call *c, vk_str customer)
{
    return VK_E_UNSUPPORTED;
}
W bool vk_pay_absent(vk_str method, vk_str path)
{
    return false;
}
W bool vk_pay_asset(vk_exchange *ex)
{
    return false;
}
