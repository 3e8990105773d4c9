/* Refunds: a charge's money, or a part of it, goes back. https://docs.stripe.com/api/refunds */
#include "services/payments/charge.h"
#include "services/payments/generic.h"
#include "services/payments/resources/runs.h"

#define R (&vk_pay_r_refund)
#define CHARGE (&vk_pay_r_charge)

/* The charge that a call names by itself or by its payment intent; by both, when they belong together. */
static vk_err charge_asked(vk_pay_call *c, vk_pv **charge_r)
{
    vk_str charge = vk_pv_text(c->params, "charge"), intent_id = vk_pv_text(c->params, "payment_intent");
    vk_pv *intent = NULL;
    if (!charge.p && !intent_id.p)
        return vk_pay_refuse(
            c, 400, NULL, NULL,
            "One of the following params should be provided for this request: payment_intent or "
            "charge.");
    if (intent_id.p) {
        vk_err e = vk_pay_need(c, &vk_pay_r_payment_intent, intent_id, "payment_intent", &intent);
        if (e != VK_OK)
            return e;
        vk_str latest = vk_pv_text(intent, "latest_charge");
        if (charge.p && !vk_str_eq(charge, latest))
            return vk_pay_refuse(c, 400, NULL, "charge",
                                 "The charge " VK_STR_FMT " does not belong to the PaymentIntent " VK_STR_FMT
                                 ".",
                                 VK_STR_ARG(charge), VK_STR_ARG(intent_id));
        charge = latest;
    }
    vk_err e = charge.p ? vk_pay_need(c, CHARGE, charge, "charge", charge_r) : VK_OK;
    if (e != VK_OK)
        return e;
    bool paid = charge.p && vk_str_eqz(vk_pv_text(*charge_r, "status"), "succeeded") &&
                vk_pv_flag(*charge_r, "captured");
    if (paid)
        return VK_OK;
    if (intent)
        return vk_pay_refuse(c, 400, NULL, "payment_intent",
                             "This PaymentIntent (" VK_STR_FMT
                             ") does not have a successful charge to refund.",
                             VK_STR_ARG(intent_id));
    return vk_pay_refuse(c, 400, NULL, "charge",
                         "Charge " VK_STR_FMT " was not captured, so there is nothing to refund. Cancel its "
                         "PaymentIntent instead.",
                         VK_STR_ARG(charge));
}

static vk_err amount_asked(vk_pay_call *c, const vk_pv *charge, int64_t *amount_r)
{
    vk_arena *a = c->arena;
    vk_str currency = vk_pv_text(charge, "currency");
    int64_t rest = vk_pv_number(charge, "amount", 0) - vk_pv_number(charge, "amount_refunded", 0);
    int64_t amount = vk_pv_number(c->params, "amount", rest);
    if (vk_pv_flag(charge, "refunded") && vk_pv_is_null(vk_pv_get(c->params, "amount")))
        return vk_pay_refuse(c, 400, "charge_already_refunded", NULL,
                             "Charge " VK_STR_FMT " has already been refunded.",
                             VK_STR_ARG(vk_pv_text(charge, "id")));
    if (amount < 1)
        return vk_pay_refuse(c, 400, "parameter_invalid_integer", "amount", "Invalid positive integer");
    if (amount > rest) {
        vk_str asked = vk_pay_amount(a, amount, currency), left = vk_pay_amount(a, rest, currency);
        if (!asked.p || !left.p)
            return VK_E_NOMEM;
        return vk_pay_refuse(c, 400, NULL, "amount",
                             "Refund amount (" VK_STR_FMT
                             ") is greater than unrefunded amount on charge (" VK_STR_FMT ")",
                             VK_STR_ARG(asked), VK_STR_ARG(left));
    }
    *amount_r = amount;
    return VK_OK;
}

static const char skeleton[] =
    "{\"balance_transaction\":null,\"destination_details\":{\"card\":{\"reference_status\":\"pending\","
    "\"reference_type\":\"acquirer_reference_number\",\"type\":\"refund\"},\"type\":\"card\"},\"metadata\":{}"
    ","
    "\"reason\":null,\"receipt_number\":null,\"source_transfer_reversal\":null,\"status\":\"succeeded\","
    "\"transfer_reversal\":null}";

/* Money that is still pending goes back out of what is pending. */
static vk_err move(vk_pay_call *c, vk_pv *refund, const vk_pv *charge, int64_t amount)
{
    vk_pv *txn;
    vk_err e = vk_pay_get(c, &vk_pay_r_balance_transaction, vk_pv_text(charge, "balance_transaction"), &txn);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_E_CORRUPT : e;
    return vk_pay_balance_move(c, refund, "refund", -amount, vk_pv_number(txn, "available_on", c->now));
}

static vk_err make(vk_pay_call *c, vk_pv *charge, int64_t amount, vk_pv **refund_r)
{
    static const char *const same[] = {"currency", "customer", "payment_intent", "payment_method"};
    vk_arena *a = c->arena;
    vk_pv *r, *parts;
    vk_str reason = vk_pv_text(c->params, "reason");
    vk_err e = vk_pay_new(c, R, VK_STR_NONE, &r);
    if (e == VK_OK)
        e = vk_pv_parse(a, vk_str_z(skeleton), &parts);
    if (e != VK_OK)
        return e;
    bool ok = vk_pay_merge(a, r, parts) && vk_pv_put_int(a, r, "amount", amount) &&
              vk_pv_put_str(a, r, "charge", vk_pv_text(charge, "id")) &&
              (!reason.p || vk_pv_put_str(a, r, "reason", reason)) &&
              vk_pay_merge_metadata(a, r, vk_pv_get(c->params, "metadata"));
    for (size_t i = 0; i < VK_COUNT(same) && ok; i++)
        ok = vk_pv_put_str(a, r, same[i], vk_pv_text(charge, same[i]));
    if (!ok)
        return VK_E_NOMEM;
    e = move(c, r, charge, amount);
    if (e == VK_OK)
        e = vk_pay_put(c, r);
    *refund_r = r;
    return e;
}

vk_err vk_pay_refund_create(vk_pay_call *c)
{
    vk_pv *charge = NULL, *refund;
    int64_t amount = 0;
    vk_err e = charge_asked(c, &charge);
    if (e == VK_OK)
        e = amount_asked(c, charge, &amount);
    if (e == VK_OK)
        e = make(c, charge, amount, &refund);
    if (e != VK_OK)
        return e;
    int64_t refunded = vk_pv_number(charge, "amount_refunded", 0) + amount;
    if (!vk_pv_put_int(c->arena, charge, "amount_refunded", refunded) ||
        !vk_pv_put_bool(c->arena, charge, "refunded", refunded == vk_pv_number(charge, "amount", 0)))
        return VK_E_NOMEM;
    e = vk_pay_put(c, charge);
    if (e == VK_OK)
        e = vk_pay_event(c, "refund.created", R, refund);
    if (e == VK_OK)
        e = vk_pay_event_changed(c, "charge.refunded", CHARGE, charge);
    c->result = refund;
    return e;
}

vk_err vk_pay_refund_update(vk_pay_call *c)
{
    vk_err e = vk_pay_put(c, c->doc);
    if (e == VK_OK)
        e = vk_pay_event_changed(c, "refund.updated", R, c->doc);
    c->result = c->doc;
    return e;
}

/* GET /v1/charges/:id/refunds */
vk_err vk_pay_charge_refunds(vk_pay_call *c)
{
    vk_pv *charge;
    vk_err e = vk_pay_need(c, CHARGE, c->id[0], NULL, &charge);
    vk_str url = e == VK_OK
                     ? vk_arena_printf(c->arena, "/v1/charges/" VK_STR_FMT "/refunds", VK_STR_ARG(c->id[0]))
                     : VK_STR_NONE;
    if (e == VK_OK && !url.p)
        e = VK_E_NOMEM;
    return e == VK_OK ? vk_pay_list_of(c, &(vk_pay_key){"charge", c->id[0]}, 1, url) : e;
}
