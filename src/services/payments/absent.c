/* Stands in for what is not written yet, so that the rest links; each function goes from here when its unit
 * comes. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "services/payments/assets.h"
#include "services/payments/call.h"
#include "services/payments/form.h"
#include "services/payments/hooks.h"
#include "services/payments/resources/runs.h"

#define W __attribute__((weak))

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
