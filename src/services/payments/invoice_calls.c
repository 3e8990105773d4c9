/* What somebody does with an invoice that is there: it is paid, by a call or on its page, or void. All are
 * finalized as they are made (invoice.c). https://docs.stripe.com/api/invoices/pay, …/void, …/finalize */
#include "services/payments/billing.h"
#include "services/payments/charge.h"
#include "services/payments/generic.h"
#include "services/payments/resources/runs.h"

#define R (&vk_pay_r_invoice)

static bool has_status(const vk_pv *doc, const char *status)
{
    return vk_str_eqz(vk_pv_text(doc, "status"), status);
}

/* ---- paying */

static vk_err intent_of(vk_pay_call *c, vk_pv *invoice, vk_pv **intent_r)
{
    vk_str id = vk_pv_text(invoice, "payment_intent"), number = vk_pv_text(invoice, "number");
    if (id.p)
        return vk_pay_get(c, &vk_pay_r_payment_intent, id, intent_r);
    vk_pay_intent_ask ask = {
        .amount = vk_pv_number(invoice, "amount_remaining", 0),
        .currency = vk_pv_text(invoice, "currency"),
        .customer = vk_pv_text(invoice, "customer"),
        .description = vk_arena_printf(c->arena, "Invoice " VK_STR_FMT, VK_STR_ARG(number)),
        .invoice = vk_pv_text(invoice, "id"),
    };
    vk_err e = ask.description.p ? vk_pay_intent_new(c, &ask, intent_r) : VK_E_NOMEM;
    return e == VK_OK ? vk_pay_invoice_intent(c, invoice, *intent_r) : e;
}

vk_err vk_pay_invoice_payable(vk_pay_call *c, const vk_pv *invoice, bool *payable_r)
{
    vk_pv *intent;
    vk_str id = vk_pv_text(invoice, "payment_intent");
    bool open = has_status(invoice, "open");
    vk_err e = open && id.p ? vk_pay_get(c, &vk_pay_r_payment_intent, id, &intent) : VK_OK;
    if (e == VK_OK)
        *payable_r = open && (!id.p || (vk_pay_payment_open(intent) && !vk_pv_text(intent, "session").p));
    return e;
}

vk_err vk_pay_invoice_try(vk_pay_call *c, vk_pv *invoice, const vk_pay_confirm *how, vk_pv **intent_r,
                          vk_pay_paid *paid_r, vk_pay_decline *why_r)
{
    vk_err e = intent_of(c, invoice, intent_r);
    if (e == VK_OK)
        e = vk_pay_confirm_why(c, &vk_pay_payments, *intent_r, how, paid_r, why_r);
    return e == VK_OK ? vk_pay_intent_settled(c, *intent_r, *paid_r) : e;
}

/* The card: the one that was named, or the invoice's, its subscription's, its customer's. */
static vk_err method_of(vk_pay_call *c, const vk_pv *invoice, vk_pv **method_r)
{
    vk_pv *doc;
    vk_str customer = vk_pv_text(invoice, "customer"), id = vk_pv_text(invoice, "default_payment_method");
    vk_str of = vk_pv_text(invoice, "parent.subscription_details.subscription");
    vk_err e = vk_pay_method_asked(c, customer, method_r);
    if (e != VK_OK || *method_r)
        return e;
    if (!id.p && of.p && (e = vk_pay_get(c, &vk_pay_r_subscription, of, &doc)) == VK_OK)
        id = vk_pv_text(doc, "default_payment_method");
    if (e == VK_OK && !id.p && (e = vk_pay_get(c, &vk_pay_r_customer, customer, &doc)) == VK_OK)
        id = vk_pv_text(doc, "invoice_settings.default_payment_method");
    if (e != VK_OK)
        return e;
    if (!id.p)
        return vk_pay_refuse(
            c, 400, "resource_missing", "payment_method",
            "There is no `default_payment_method` set on this Customer or Invoice. Please set "
            "a `default_payment_method`, or give a `payment_method`.");
    e = vk_pay_need(c, &vk_pay_r_payment_method, id, "payment_method", method_r);
    return e == VK_OK ? vk_pay_method_fits(c, *method_r, customer) : e;
}

static vk_err refuse_unpaid(vk_pay_call *c, const vk_pv *intent, vk_pay_paid paid, const vk_pay_decline *why)
{
    if (paid == VK_PAY_PAID_NO)
        return vk_pay_refuse_declined(c, &vk_pay_payments, intent, why);
    static const vk_pay_decline action = {"invoice_payment_intent_requires_action", NULL,
                                          "This payment requires additional user action before it can be "
                                          "completed successfully. Payment can be "
                                          "completed using the PaymentIntent associated with this invoice.",
                                          NULL};
    return vk_pay_refuse_declined(c, &vk_pay_payments, intent, &action);
}

static vk_err pay(vk_pay_call *c, vk_pv *invoice)
{
    vk_pv *method, *intent;
    vk_pay_paid paid;
    vk_pay_decline why;
    const vk_pv *off = vk_pv_get(c->params, "off_session");
    vk_err e = method_of(c, invoice, &method);
    if (e != VK_OK)
        return e;
    const vk_pay_confirm how = {.method = method,
                                .off_session = vk_pv_is_null(off) || vk_pv_flag(c->params, "off_session")};
    e = vk_pay_invoice_try(c, invoice, &how, &intent, &paid, &why);
    return e == VK_OK && paid != VK_PAY_PAID_OK ? refuse_unpaid(c, intent, paid, &why) : e;
}

vk_err vk_pay_invoice_pay(vk_pay_call *c)
{
    vk_pv *invoice;
    bool payable;
    vk_err e = vk_pay_need(c, R, c->id[0], NULL, &invoice);
    if (e != VK_OK)
        return e;
    c->result = invoice;
    if (has_status(invoice, "paid"))
        return vk_pay_refuse(c, 400, NULL, NULL, "Invoice is already paid");
    if (!has_status(invoice, "open"))
        return vk_pay_refuse(c, 400, NULL, NULL,
                             "You can only pay open invoices. This invoice has a status of `" VK_STR_FMT "`.",
                             VK_STR_ARG(vk_pv_text(invoice, "status")));
    e = vk_pay_invoice_payable(c, invoice, &payable);
    if (e != VK_OK)
        return e;
    if (!payable)
        return vk_pay_refuse(
            c, 400, NULL, NULL,
            "You cannot pay an invoice of a Checkout Session that is open. Use its page, or expire "
            "the Checkout Session instead.");
    return vk_pv_flag(c->params, "paid_out_of_band") ? vk_pay_invoice_paid_aside(c, invoice)
                                                     : pay(c, invoice);
}

/* ---- the others */

vk_err vk_pay_invoice_void_asked(vk_pay_call *c)
{
    vk_pv *invoice, *doc = NULL;
    vk_err e = vk_pay_need(c, R, c->id[0], NULL, &invoice);
    if (e != VK_OK)
        return e;
    c->result = invoice;
    if (!has_status(invoice, "open"))
        return vk_pay_refuse(c, 400, NULL, NULL,
                             "You can only pass in open invoices. This invoice isn't open.");
    /* A subscription whose first invoice nobody is to pay does not come about. */
    vk_str of = vk_pv_text(invoice, "parent.subscription_details.subscription");
    e = of.p ? vk_pay_get(c, &vk_pay_r_subscription, of, &doc) : VK_OK;
    if (e != VK_OK)
        return e;
    return doc && has_status(doc, "incomplete") ? vk_pay_subscription_drop(c, doc)
                                                : vk_pay_invoice_void(c, invoice);
}

vk_err vk_pay_invoice_finalize(vk_pay_call *c)
{
    vk_pv *invoice;
    vk_err e = vk_pay_need(c, R, c->id[0], NULL, &invoice);
    if (e != VK_OK)
        return e;
    return vk_pay_refuse(c, 400, NULL, NULL,
                         "This invoice is already finalized, you can't re-finalize a non-draft invoice.");
}

vk_err vk_pay_invoice_list(vk_pay_call *c)
{
    return vk_pv_is_null(vk_pv_get(c->params, "due_date"))
               ? VK_OK
               : vk_pay_refuse_absent(c, "due_date", "A list of invoices by their due date");
}

vk_err vk_pay_invoice_lines(vk_pay_call *c)
{
    vk_pv *invoice;
    vk_err e = vk_pay_need(c, R, c->id[0], NULL, &invoice);
    if (e != VK_OK)
        return e;
    vk_str url = vk_arena_printf(c->arena, "/v1/invoices/" VK_STR_FMT "/lines", VK_STR_ARG(c->id[0]));
    return url.p ? vk_pay_list_inner(c, &vk_pay_r_invoice_line, vk_pv_at(invoice, "lines.data"), url)
                 : VK_E_NOMEM;
}
