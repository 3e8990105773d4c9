/* Stands in for what is not written yet, so that the rest links; each function goes from here when its unit
 * comes. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "services/payments/call.h"
#include "services/payments/form.h"

#define W __attribute__((weak))

W vk_pv *vk_pv_null(vk_arena *a)
{
    return NULL;
}
W vk_pv *vk_pv_bool(vk_arena *a, bool b)
{
    return NULL;
}
W vk_pv *vk_pv_int(vk_arena *a, int64_t i)
{
    return NULL;
}
W vk_pv *vk_pv_str(vk_arena *a, vk_str s)
{
    return NULL;
}
W vk_pv *vk_pv_arr(vk_arena *a)
{
    return NULL;
}
W vk_pv *vk_pv_obj(vk_arena *a)
{
    return NULL;
}
W vk_pv *vk_pv_copy(vk_arena *a, const vk_pv *v)
{
    return NULL;
}
W vk_pv *vk_pv_get(const vk_pv *o, const char *key)
{
    return NULL;
}
W vk_pv *vk_pv_get_n(const vk_pv *o, vk_str key)
{
    return NULL;
}
W vk_pv *vk_pv_at(const vk_pv *o, const char *path)
{
    return NULL;
}
W bool vk_pv_is(const vk_pv *v, vk_pv_type type)
{
    return false;
}
W bool vk_pv_is_null(const vk_pv *v)
{
    return false;
}
W vk_str vk_pv_text(const vk_pv *o, const char *path)
{
    return VK_STR_NONE;
}
W int64_t vk_pv_number(const vk_pv *o, const char *path, int64_t otherwise)
{
    return 0;
}
W bool vk_pv_flag(const vk_pv *o, const char *path)
{
    return false;
}
W vk_pv *vk_pv_first(const vk_pv *v)
{
    return NULL;
}
W bool vk_pv_equal(const vk_pv *a, const vk_pv *b)
{
    return false;
}
W bool vk_pv_set(vk_arena *a, vk_pv *o, const char *key, vk_pv *v)
{
    return false;
}
W bool vk_pv_set_n(vk_arena *a, vk_pv *o, vk_str key, vk_pv *v)
{
    return false;
}
W bool vk_pv_put(vk_arena *a, vk_pv *o, const char *path, vk_pv *v)
{
    return false;
}
W bool vk_pv_put_str(vk_arena *a, vk_pv *o, const char *path, vk_str s)
{
    return false;
}
W bool vk_pv_put_int(vk_arena *a, vk_pv *o, const char *path, int64_t i)
{
    return false;
}
W bool vk_pv_put_bool(vk_arena *a, vk_pv *o, const char *path, bool b)
{
    return false;
}
W bool vk_pv_put_null(vk_arena *a, vk_pv *o, const char *path)
{
    return false;
}
W bool vk_pv_add(vk_arena *a, vk_pv *arr, vk_pv *v)
{
    return false;
}
W void vk_pv_del(vk_pv *o, const char *key) {}
W vk_err vk_pv_parse(vk_arena *a, vk_str text, vk_pv **out_r)
{
    return VK_E_UNSUPPORTED;
}
W void vk_pv_write(vk_buf *out, const vk_pv *v) {}
W void vk_pv_write_pretty(vk_buf *out, const vk_pv *v) {}
W vk_err vk_pay_form(vk_arena *a, vk_str text, vk_pv *into, vk_pv **out_r, const char **why_r,
                     vk_str *param_r)
{
    return VK_E_UNSUPPORTED;
}
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
W vk_err vk_pay_refuse(vk_pay_call *c, int status, const char *code, const char *param, const char *fmt, ...)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_refuse_missing(vk_pay_call *c, const char *param)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_refuse_unknown(vk_pay_call *c, const vk_pay_resource *r, vk_str id, const char *param)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_refuse_both(vk_pay_call *c, const char *a, const char *b)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_refuse_card(vk_pay_call *c, const char *code, const char *decline_code, const char *fmt, ...)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_refuse_absent(vk_pay_call *c, const char *param, const char *what)
{
    return VK_E_UNSUPPORTED;
}
W void vk_pay_notice(vk_pay_call *c, const char *fmt, ...) {}
W vk_err vk_pay_get(vk_pay_call *c, const vk_pay_resource *r, vk_str id, vk_pv **doc_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_need(vk_pay_call *c, const vk_pay_resource *r, vk_str id, const char *param, vk_pv **doc_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_new(vk_pay_call *c, const vk_pay_resource *r, vk_str id, vk_pv **doc_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_put(vk_pay_call *c, vk_pv *doc)
{
    return VK_E_UNSUPPORTED;
}
W const vk_pv *vk_pay_before(vk_pay_call *c, const vk_pv *doc)
{
    return NULL;
}
W vk_str vk_pay_id(vk_pay_call *c, const char *prefix, int random)
{
    return VK_STR_NONE;
}
W vk_err vk_pay_find(vk_pay_call *c, const vk_pay_resource *r, const char *key, vk_str value, size_t most,
                     vk_pv **array_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_event(vk_pay_call *c, const char *type, const vk_pay_resource *r, vk_pv *doc)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_event_changed(vk_pay_call *c, const char *type, const vk_pay_resource *r, vk_pv *doc)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_wake_at(vk_pay_call *c, int64_t at_ms)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_run(vk_pay_call *c)
{
    return VK_E_UNSUPPORTED;
}
W bool vk_pay_currency(vk_str code)
{
    return false;
}
W bool vk_pay_zero_decimal(vk_str code)
{
    return false;
}
W int64_t vk_pay_least(vk_str code)
{
    return 0;
}
W vk_str vk_pay_amount(vk_arena *a, int64_t amount, vk_str currency)
{
    return VK_STR_NONE;
}
W vk_err vk_pay_percent_of(int64_t amount, vk_str percent, int64_t *out_r)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_times(vk_str unit_amount_decimal, int64_t quantity, int64_t *out_r)
{
    return VK_E_UNSUPPORTED;
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
W vk_err vk_pay_totals(vk_pay_line *lines, size_t n, const vk_pv *const *coupons, size_t n_coupons,
                       vk_str currency)
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
W vk_err vk_pay_pools_start(vk_runtime *rt, int index)
{
    return VK_E_UNSUPPORTED;
}
W void vk_pay_pools_stop(void) {}
W vk_pay_pool *vk_pay_pool_of(vk_tenant *t)
{
    return NULL;
}
W vk_pay_pool *vk_pay_pool_hold(vk_tenant *t)
{
    return NULL;
}
W vk_pay_pool *vk_pay_pool_hold_id(const char *build)
{
    return NULL;
}
W void vk_pay_pool_let_go(vk_pay_pool *p) {}
W const struct vk_pay_about *vk_pay_pool_about(const vk_pay_pool *p)
{
    return NULL;
}
W bool vk_pay_pool_closing(const vk_pay_pool *p)
{
    return false;
}
W vk_err vk_pay_pool_submit(vk_pay_pool *p, vk_pay_job *j, bool again)
{
    return VK_E_UNSUPPORTED;
}
W vk_err vk_pay_pool_db(vk_pay_pool *p, vk_pay_db **out_r)
{
    return VK_E_UNSUPPORTED;
}
W const vk_runtime *vk_pay_runtime(void)
{
    return NULL;
}
W int vk_pay_index(void)
{
    return 0;
}
W size_t vk_pay_builds_with_data(const char *after, char (*names)[VK_BUILD_ID_MAX + 1], size_t room)
{
    return 0;
}
W void vk_pay_close_build(const char *build, void (*done)(void *arg), void *arg) {}
W void vk_pay_free_tenant(vk_tenant *t) {}
W void vk_pay_export(const char *build,
                     void (*done)(void *arg, vk_err e, const vk_export *x, const char *why), void *arg)
{
}
W void vk_pay_pools_count(vk_pay_pool_counts *out_r) {}
