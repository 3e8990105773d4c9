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
W vk_err vk_pay_method_of_card(vk_pay_call *c, const vk_pv *card, const vk_pv *billing_details,
                               vk_pv **method_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_method_of(vk_pay_call *c, vk_str id, const char *param, vk_pv **method_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_attach(vk_pay_call *c, vk_pv *method, vk_str customer)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_confirm_payment(vk_pay_call *c, vk_pv *intent, const vk_pay_confirm *how, vk_pay_paid *paid_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_confirm_setup(vk_pay_call *c, vk_pv *intent, const vk_pay_confirm *how, vk_pay_paid *paid_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_intent_new(vk_pay_call *c, const vk_pay_intent_ask *ask, vk_pv **intent_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_setup_new(vk_pay_call *c, vk_str customer, const vk_pv *metadata, vk_pv **intent_r)
{
    return VK_E_UNSUPPORTED;
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
W vk_err vk_pay_db_open(const char *path, const char *build, vk_pay_db **out_r)
{
    return VK_E_UNSUPPORTED;
}
W void vk_pay_db_close(vk_pay_db *db) {}
W vk_err vk_pay_db_copy(vk_pay_db *db, const char *to)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_db_begin(vk_pay_db *db)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_db_mark(vk_pay_db *db)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_db_keep(vk_pay_db *db)
{
    return VK_E_UNSUPPORTED;
}
W void vk_pay_db_drop(vk_pay_db *db) {}
W vk_err vk_pay_db_end(vk_pay_db *db)
{
    return VK_E_UNSUPPORTED;
}
W void vk_pay_db_undo(vk_pay_db *db) {}
W bool vk_pay_db_open_part(const vk_pay_db *db)
{
    return false;
}
W vk_err vk_pay_doc_put(vk_pay_db *db, const vk_pay_row *row, const vk_pay_key *keys, size_t n)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_doc_get(vk_pay_db *db, vk_arena *a, vk_str id, vk_pay_row *out_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_doc_del(vk_pay_db *db, vk_str id)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_doc_list(vk_pay_db *db, const vk_pay_ask *ask, bool (*one)(void *arg, const vk_pay_row *row),
                         void *arg)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_doc_count(vk_pay_db *db, const char *kind, int64_t *out_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_idem_get(vk_pay_db *db, vk_arena *a, vk_str key, int64_t now_ms, vk_pay_idem *out_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_idem_put(vk_pay_db *db, vk_str key, int64_t now_ms, const vk_pay_idem *v)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_set(vk_pay_db *db, const char *name, vk_str value)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_setting(vk_pay_db *db, vk_arena *a, const char *name, vk_str *out_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_delivery_add(vk_pay_db *db, const vk_pay_delivery *d, int64_t *id_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_delivery_set(vk_pay_db *db, const vk_pay_delivery *d)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_delivery_get(vk_pay_db *db, vk_arena *a, int64_t id, vk_pay_delivery *out_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_delivery_due(vk_pay_db *db, int64_t now_ms, bool (*one)(void *arg, const vk_pay_delivery *d),
                             void *arg)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_delivery_list(vk_pay_db *db, vk_str event, bool (*one)(void *arg, const vk_pay_delivery *d),
                              void *arg)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_delivery_pending(vk_pay_db *db, vk_str event, int64_t *out_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_next_due(vk_pay_db *db, int64_t *at_ms_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_due_put(vk_pay_db *db, vk_str id, int64_t at_ms)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_due_list(vk_pay_db *db, int64_t now_ms, bool (*one)(void *arg, vk_str id), void *arg)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_tidy(vk_pay_db *db, int64_t now_ms, bool *more_r)
{
    return VK_E_UNSUPPORTED;
}
W void vk_pay_hooks_committed(const vk_pay_call *c) {}
W bool vk_pay_hooks_wait(vk_pay_call *c, void (*then)(vk_exchange *ex))
{
    return false;
}
W vk_err vk_pay_hooks_start(vk_runtime *rt, int index)
{
    return VK_OK;
}
W void vk_pay_hooks_stop(void) {}
W void vk_pay_hooks_count(vk_pay_hook_counts *out_r) {}
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
