/* Money that a card holds for a payment intent: captured, let go, or let go by itself when nobody has
 * captured it in time. Sources: Stripe's pages "Place a hold on a payment method", "Cancel a PaymentIntent".
 */
#include "services/payments/billing.h"
#include "services/payments/charge.h"
#include "services/payments/resources/runs.h"

#define R (&vk_pay_r_payment_intent)
#define KIND (&vk_pay_payments)

static bool held(const vk_pv *intent)
{
    return vk_str_eqz(vk_pv_text(intent, "status"), "requires_capture");
}

/* ---- its end */

vk_err vk_pay_hold_begin(vk_pay_call *c, const vk_pv *intent, const vk_pv *charge)
{
    int64_t end = vk_pv_number(charge, "payment_method_details.card.capture_before", 0) * 1000;
    vk_err e = vk_pay_due_put(c->db, vk_pv_text(intent, "id"), end);
    return e == VK_OK ? vk_pay_wake_at(c, end) : e;
}

vk_err vk_pay_hold_end(vk_pay_call *c, const vk_pv *intent)
{
    return vk_pay_due_put(c->db, vk_pv_text(intent, "id"), 0);
}

static vk_err cancel(vk_pay_call *c, vk_pv *intent, vk_str reason, bool expired)
{
    vk_arena *a = c->arena;
    bool release = held(intent);
    if (!vk_pv_put_str(a, intent, "status", VK_STR("canceled")) ||
        !vk_pv_put_int(a, intent, "canceled_at", c->now) ||
        !vk_pv_put_str(a, intent, "cancellation_reason", reason) ||
        !vk_pv_put_int(a, intent, "amount_capturable", 0) || !vk_pv_put_null(a, intent, "next_action"))
        return VK_E_NOMEM;
    vk_err e = release ? vk_pay_charge_release(c, vk_pv_text(intent, "latest_charge"), expired) : VK_OK;
    if (e == VK_OK && release)
        e = vk_pay_hold_end(c, intent);
    if (e == VK_OK)
        e = vk_pay_put(c, intent);
    return e == VK_OK ? vk_pay_event(c, "payment_intent.canceled", R, intent) : e;
}

vk_err vk_pay_hold_due(vk_pay_call *c, vk_pv *intent)
{
    vk_pv *charge;
    if (!held(intent))
        return VK_OK;
    vk_err e = vk_pay_get(c, &vk_pay_r_charge, vk_pv_text(intent, "latest_charge"), &charge);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_E_CORRUPT : e; /* the intent names it */
    if (vk_pv_number(charge, "payment_method_details.card.capture_before", INT64_MAX) <= c->now)
        return cancel(c, intent, VK_STR("automatic"), true);
    /* One that was made before there was an end, or whose turn came early. */
    return vk_pay_hold_begin(c, intent, charge);
}

/* The intent that a call is about, as it is now. */
static vk_err need(vk_pay_call *c, vk_pv **intent_r)
{
    vk_err e = vk_pay_need(c, R, c->id[0], NULL, intent_r);
    bool waited = e == VK_OK && held(*intent_r);
    if (waited)
        e = vk_pay_hold_due(c, *intent_r);
    if (e != VK_OK)
        return e;
    c->keep = waited && !held(*intent_r); /* also when the call comes too late */
    c->result = *intent_r;
    return VK_OK;
}

/* ---- capture */

vk_err vk_pay_capture_asked(vk_pay_call *c, vk_pv *intent, const char *param)
{
    vk_arena *a = c->arena;
    vk_str currency = vk_pv_text(intent, "currency");
    int64_t most = vk_pv_number(intent, "amount_capturable", 0);
    int64_t amount = vk_pv_number(c->params, param, most);
    if (!held(intent))
        return vk_pay_refuse_state(
            c, KIND, intent, NULL,
            "This PaymentIntent could not be captured because it has a status of " VK_STR_FMT
            ". Only a PaymentIntent with one of the following statuses may be captured: "
            "requires_capture.",
            VK_STR_ARG(vk_pv_text(intent, "status")));
    if (amount < 1)
        return vk_pay_refuse(c, 400, "parameter_invalid_integer", param,
                             "This value must be greater than or equal to 1.");
    if (amount > most) {
        vk_str asked = vk_pay_amount(a, amount, currency), limit = vk_pay_amount(a, most, currency);
        if (!asked.p || !limit.p)
            return VK_E_NOMEM;
        return vk_pay_refuse(c, 400, "amount_too_large", param,
                             "Amount to capture (" VK_STR_FMT
                             ") is greater than the amount that can be captured "
                             "(" VK_STR_FMT ").",
                             VK_STR_ARG(asked), VK_STR_ARG(limit));
    }
    if (!vk_pay_merge_metadata(a, intent, vk_pv_get(c->params, "metadata")))
        return VK_E_NOMEM;
    static const char *const texts[] = {"statement_descriptor", "statement_descriptor_suffix"};
    for (size_t i = 0; i < VK_COUNT(texts); i++) {
        vk_str text = vk_pv_text(c->params, texts[i]);
        if (text.p && !vk_pv_put_str(a, intent, texts[i], text))
            return VK_E_NOMEM;
    }
    return vk_pay_capture(c, intent, amount);
}

vk_err vk_pay_payment_intent_capture(vk_pay_call *c)
{
    vk_pv *intent;
    vk_err e = need(c, &intent);
    return e == VK_OK ? vk_pay_capture_asked(c, intent, "amount_to_capture") : e;
}

/* ---- cancel */

vk_err vk_pay_payment_cancel(vk_pay_call *c, vk_pv *intent, vk_str reason)
{
    return cancel(c, intent, reason, false);
}

vk_err vk_pay_payment_intent_cancel(vk_pay_call *c)
{
    vk_pv *intent;
    vk_err e = need(c, &intent);
    if (e != VK_OK)
        return e;
    if (!vk_pay_payment_open(intent) && !held(intent))
        return vk_pay_refuse_state(
            c, KIND, intent, NULL,
            "You cannot cancel this PaymentIntent because it has a status of " VK_STR_FMT
            ". Only a PaymentIntent with one of the following statuses may be canceled: "
            "requires_payment_method, requires_capture, requires_confirmation, "
            "requires_action, processing.",
            VK_STR_ARG(vk_pv_text(intent, "status")));
    /* What a session has begun ends with it; what its payer is done with may be let go. */
    if (!held(intent) && (e = vk_pay_of_session(c, intent, "cancel")) != VK_OK)
        return e;
    if (vk_pv_text(intent, "invoice").p)
        return vk_pay_refuse_state(
            c, KIND, intent, NULL,
            "You cannot cancel PaymentIntents created by invoices. Try voiding the invoice instead.");
    return vk_pay_payment_cancel(c, intent, vk_pv_text(c->params, "cancellation_reason"));
}

/* ---- lists, and charges */

vk_err vk_pay_payment_intent_list(vk_pay_call *c)
{
    return vk_pay_due(c);
}

vk_err vk_pay_charge_list(vk_pay_call *c)
{
    return vk_pay_due(c);
}

vk_err vk_pay_charge_retrieve(vk_pay_call *c)
{
    vk_pv *intent;
    if (vk_pv_flag(c->doc, "captured"))
        return VK_OK;
    vk_err e = vk_pay_get(c, R, vk_pv_text(c->doc, "payment_intent"), &intent);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_OK : e;
    return vk_str_eq(vk_pv_text(intent, "latest_charge"), vk_pv_text(c->doc, "id"))
               ? vk_pay_hold_due(c, intent)
               : VK_OK;
}
