/* Subscriptions as checkout and POST /v1/subscriptions make them, up to their first payment, and how they
 * end. There are no renewals. What the API's calls do is in subscription_calls.c.
 *
 * Source: docs.stripe.com/billing/subscriptions/overview. */
#include "services/payments/billing.h"
#include "services/payments/cards.h"
#include "services/payments/charge.h"

enum {
    HOUR = 3600,
    INCOMPLETE_HOURS = 23,
    ENDED_MAX = 256, /* of one customer, with it */
};

typedef struct making {
    vk_pay_call *c;
    const vk_pay_subscribe *ask;
    vk_pv *doc, *customer, *method;
    vk_pv *invoice;
    int64_t start, end;
    bool trial;
} making;

static bool has_status(const vk_pv *doc, const char *status)
{
    return vk_str_eqz(vk_pv_text(doc, "status"), status);
}

/* ---- the documents */

static vk_err period(making *m, const vk_pv *price)
{
    m->start = m->c->now;
    if (m->trial) {
        m->end = m->ask->trial_end;
        return VK_OK;
    }
    vk_err e = vk_pay_period(m->start, vk_pv_text(price, "recurring.interval"),
                             vk_pv_number(price, "recurring.interval_count", 1), 1, &m->end);
    return e == VK_E_INVALID ? vk_pay_refuse(m->c, 400, NULL, NULL, "The price's interval is not valid.") : e;
}

static vk_err item_doc(making *m, const vk_pv *ask, vk_pv **item_r)
{
    vk_pay_call *c = m->c;
    vk_pv *price;
    vk_err e = vk_pay_get(c, &vk_pay_r_price, vk_pv_text(ask, "price"), &price);
    if (e == VK_OK)
        e = period(m, price);
    if (e != VK_OK)
        return e;
    const vk_pv *rates = vk_pv_get(ask, "tax_rates"), *metadata = vk_pv_get(ask, "metadata");
    vk_pv *item = vk_pv_obj(c->arena);
    vk_pay_fill f = {c->arena, item, false};
    vk_fill_made(&f, "id",
                 vk_pay_id(c, vk_pay_r_subscription_item.prefix, vk_pay_r_subscription_item.random));
    vk_fill_str(&f, "object", VK_STR("subscription_item"));
    vk_fill_int(&f, "created", c->now);
    vk_fill_int(&f, "current_period_start", m->start);
    vk_fill_int(&f, "current_period_end", m->end);
    vk_fill(&f, "metadata", vk_pv_is_null(metadata) ? vk_pv_obj(c->arena) : vk_pv_copy(c->arena, metadata));
    vk_fill_str(&f, "price", vk_pv_text(price, "id"));
    vk_fill_int(&f, "quantity", vk_pv_number(ask, "quantity", 1));
    vk_fill_str(&f, "subscription", vk_pv_text(m->doc, "id"));
    vk_fill(&f, "tax_rates", vk_pv_is_null(rates) ? vk_pv_arr(c->arena) : vk_pv_copy(c->arena, rates));
    if (!vk_pv_text(m->doc, "currency").p)
        f.bad |= !vk_pv_put_str(c->arena, m->doc, "currency", vk_pv_text(price, "currency"));
    *item_r = item;
    return f.bad ? VK_E_NOMEM : VK_OK;
}

static vk_err items(making *m)
{
    vk_pv *all = vk_pv_arr(m->c->arena);
    VK_PV_EACH(ask, m->ask->items)
    {
        vk_pv *item;
        vk_err e = item_doc(m, ask, &item);
        if (e != VK_OK)
            return e;
        if (!vk_pv_add(m->c->arena, all, item))
            return VK_E_NOMEM;
    }
    return vk_pv_put(m->c->arena, m->doc, "items.data", all) ? VK_OK : VK_E_NOMEM;
}

static vk_err discounts(making *m)
{
    vk_pv *all = vk_pv_arr(m->c->arena);
    VK_PV_EACH(d, m->ask->discounts)
    {
        vk_pv *o;
        vk_err e =
            vk_pay_discount_make(m->c, d, m->ask->customer, "subscription", vk_pv_text(m->doc, "id"), &o);
        if (e != VK_OK)
            return e;
        if (!vk_pv_add(m->c->arena, all, o))
            return VK_E_NOMEM;
    }
    return vk_pv_put(m->c->arena, m->doc, "discounts", all) ? VK_OK : VK_E_NOMEM;
}

static vk_err heading(making *m)
{
    vk_pay_call *c = m->c;
    const vk_pay_subscribe *ask = m->ask;
    vk_pay_fill f = {c->arena, m->doc, false};
    vk_fill_int(&f, "billing_cycle_anchor", m->trial ? m->ask->trial_end : m->start);
    vk_fill_bool(&f, "cancel_at_period_end", false);
    vk_fill_str(&f, "collection_method",
                ask->collection_method.p ? ask->collection_method : VK_STR("charge_automatically"));
    vk_fill_str(&f, "customer", ask->customer);
    if (ask->days_until_due)
        vk_fill_int(&f, "days_until_due", ask->days_until_due);
    if (ask->method.p && vk_str_eq(vk_pv_text(m->method, "customer"), ask->customer))
        vk_fill_str(&f, "default_payment_method", ask->method);
    vk_fill_str(&f, "description", ask->description);
    vk_fill(&f, "metadata",
            vk_pv_is_null(ask->metadata) ? vk_pv_obj(c->arena) : vk_pv_copy(c->arena, ask->metadata));
    vk_fill_int(&f, "start_date", m->start);
    if (m->trial) {
        vk_fill_int(&f, "trial_start", m->start);
        vk_fill_int(&f, "trial_end", m->ask->trial_end);
    }
    if (ask->missing_method.p)
        vk_fill_str(&f, "trial_settings.end_behavior.missing_payment_method", ask->missing_method);
    return f.bad ? VK_E_NOMEM : VK_OK;
}

/* ---- its first invoice */

static vk_err first_invoice(making *m)
{
    vk_pay_call *c = m->c;
    const vk_pv *own = vk_pv_at(m->doc, "items.data"), *once = m->ask->one_time;
    size_t n = 0;
    vk_pay_invoice_item *all =
        vk_arena_calloc(c->arena, (own->count + (once ? once->count : 0) + 1) * sizeof(*all));
    vk_err e = all ? VK_OK : VK_E_NOMEM;
    VK_PV_EACH(i, own)
    {
        vk_pv *price = NULL;
        if (e == VK_OK)
            e = vk_pay_get(c, &vk_pay_r_price, vk_pv_text(i, "price"), &price);
        if (e == VK_OK)
            all[n++] = (vk_pay_invoice_item){.si = i,
                                             .price = price,
                                             .quantity = vk_pv_number(i, "quantity", 1),
                                             .rates = vk_pv_get(i, "tax_rates"),
                                             .metadata = vk_pv_get(m->doc, "metadata"),
                                             .start = m->start,
                                             .end = m->end,
                                             .free = m->trial};
    }
    VK_PV_EACH(i, once)
    {
        vk_pv *price = NULL;
        if (e == VK_OK)
            e = vk_pay_get(c, &vk_pay_r_price, vk_pv_text(i, "price"), &price);
        if (e == VK_OK)
            all[n++] = (vk_pay_invoice_item){.price = price,
                                             .quantity = vk_pv_number(i, "quantity", 1),
                                             .rates = vk_pv_get(i, "tax_rates"),
                                             .start = m->start,
                                             .end = m->start};
    }
    vk_pay_invoice_ask ask = {
        .customer = m->customer,
        .subscription = m->doc,
        .reason = "subscription_create",
        .currency = vk_pv_text(m->doc, "currency"),
        .collection_method = m->ask->collection_method,
        .days_until_due = m->ask->days_until_due,
        .period_start = m->start,
        .period_end = m->start,
        .discounts = m->ask->discounts,
        .objects = vk_pv_get(m->doc, "discounts"),
    };
    return e == VK_OK ? vk_pay_invoice_draft(c, &ask, all, n, &m->invoice) : e;
}

/* What it is when its first invoice is paid. */
static vk_str running(const vk_pay_call *c, const vk_pv *doc)
{
    return vk_pv_number(doc, "trial_end", 0) > c->now ? VK_STR("trialing") : VK_STR("active");
}

/* Whether the card will be charged without more ado: then customer.subscription.created tells of a
 * subscription that runs. If it comes out otherwise, customer.subscription.updated says so. */
static bool will_pay(const making *m)
{
    vk_pay_decline why;
    if (!m->method || vk_str_eqz(m->ask->payment_behavior, "default_incomplete"))
        return false;
    vk_pay_3ds secure = vk_pay_card_of(m->method)->secure;
    return !vk_pay_card_says_no(m->method, true, &why) &&
           (secure == VK_PAY_3DS_NO || secure == VK_PAY_3DS_ASKED);
}

static vk_err set_status(vk_pay_call *c, vk_pv *doc, vk_str status)
{
    if (vk_str_eq(vk_pv_text(doc, "status"), status))
        return VK_OK;
    if (!vk_pv_put_str(c->arena, doc, "status", status))
        return VK_E_NOMEM;
    vk_err e = vk_pay_put(c, doc);
    return e == VK_OK ? vk_pay_event_changed(c, "customer.subscription.updated", &vk_pay_r_subscription, doc)
                      : e;
}

static vk_err invoice_told(vk_pay_call *c, vk_pv *invoice, vk_pay_paid paid)
{
    return paid == VK_PAY_PAID_OK ? vk_pay_invoice_paid(c, invoice)
                                  : vk_pay_invoice_failed(c, invoice, paid == VK_PAY_PAID_ACTION);
}

/* What came of a try to pay the first invoice. */
static vk_err settled(vk_pay_call *c, vk_pv *doc, vk_pv *invoice, vk_pay_paid paid)
{
    vk_err e = invoice_told(c, invoice, paid);
    if (e == VK_OK)
        e = set_status(c, doc, paid == VK_PAY_PAID_OK ? running(c, doc) : VK_STR("incomplete"));
    return e == VK_OK ? vk_pay_subscription_wake(c, doc) : e;
}

static vk_err intent_for(making *m, int64_t due, vk_pv **intent_r)
{
    vk_pay_intent_ask ask = {
        .amount = due,
        .currency = vk_pv_text(m->doc, "currency"),
        .customer = m->ask->customer,
        .description = VK_STR("Subscription creation"),
        .setup_future_usage = VK_STR("off_session"),
        .session = m->ask->session,
        .invoice = vk_pv_text(m->invoice, "id"),
    };
    vk_err e = vk_pay_intent_new(m->c, &ask, intent_r);
    return e == VK_OK ? vk_pay_invoice_intent(m->c, m->invoice, *intent_r) : e;
}

static vk_err refuse_decline(vk_pay_call *c, vk_pv *intent, vk_pay_paid paid)
{
    if (paid == VK_PAY_PAID_ACTION)
        return vk_pay_refuse_card(
            c, "subscription_payment_intent_requires_action", NULL,
            "Payment for this subscription requires additional user action before it can be "
            "completed successfully.");
    vk_str message = vk_pv_text(intent, "last_payment_error.message");
    vk_str code = vk_arena_dup(c->arena, vk_pv_text(intent, "last_payment_error.code"));
    vk_str decline = vk_pv_text(intent, "last_payment_error.decline_code");
    if (decline.p)
        decline = vk_arena_dup(c->arena, decline);
    return vk_pay_refuse_card(c, code.p ? code.p : "card_declined", decline.p, VK_STR_FMT,
                              VK_STR_ARG(message.p ? message : VK_STR("Your card was declined.")));
}

static vk_err pay_first(making *m, int64_t due, vk_pay_paid *paid_r)
{
    vk_pay_call *c = m->c;
    vk_pv *intent;
    vk_str behavior = m->ask->payment_behavior;
    *paid_r = VK_PAY_PAID_OK;
    if (due == 0 || vk_str_eqz(m->ask->collection_method, "send_invoice"))
        return VK_OK;
    vk_err e = intent_for(m, due, &intent);
    if (e != VK_OK)
        return e;
    if (vk_str_eqz(behavior, "default_incomplete")) {
        *paid_r = VK_PAY_PAID_NO;
        return VK_OK;
    }
    vk_pay_confirm how = {.method = m->method,
                          .off_session = !m->ask->on_session,
                          .authenticated = m->ask->authenticated,
                          .page = m->ask->page};
    e = vk_pay_confirm_payment(c, intent, &how, paid_r);
    if (e == VK_OK && *paid_r != VK_PAY_PAID_OK && vk_str_eqz(behavior, "error_if_incomplete"))
        return refuse_decline(c, intent, *paid_r);
    return e == VK_OK ? settled(c, m->doc, m->invoice, *paid_r) : e;
}

/* The card: the one that was named, or the customer's. */
static vk_err method_of(making *m)
{
    vk_str id = m->ask->method;
    if (!id.p)
        id = vk_pv_text(m->customer, "invoice_settings.default_payment_method");
    return id.p ? vk_pay_get(m->c, &vk_pay_r_payment_method, id, &m->method) : VK_OK;
}

static vk_err check_payable(making *m, int64_t due)
{
    vk_pay_call *c = m->c;
    vk_str currency = vk_pv_text(m->doc, "currency");
    if (due > 0 && due < vk_pay_least(currency))
        return vk_pay_refuse_absent(c, NULL, "A first invoice below the least that can be charged");
    if (due > VK_PAY_TOTAL_MAX)
        return vk_pay_refuse(c, 400, "amount_too_large", NULL,
                             "The amount of the first invoice must be no more than " VK_STR_FMT,
                             VK_STR_ARG(vk_pay_amount_code(c->arena, VK_PAY_TOTAL_MAX, currency)));
    if (due == 0 || m->method || vk_str_eqz(m->ask->collection_method, "send_invoice") ||
        vk_str_eqz(m->ask->payment_behavior, "default_incomplete"))
        return VK_OK;
    return vk_pay_refuse(
        c, 400, "resource_missing", NULL,
        "This customer has no attached payment source or default payment method. Please consider "
        "adding a default payment method.");
}

vk_err vk_pay_subscribe_new(vk_pay_call *c, const vk_pay_subscribe *ask, vk_pv **subscription_r,
                            vk_pay_paid *paid_r)
{
    making m = {.c = c, .ask = ask, .trial = ask->trial_end > c->now};
    vk_err e = vk_pay_get(c, &vk_pay_r_customer, ask->customer, &m.customer);
    if (e == VK_OK)
        e = method_of(&m);
    if (e == VK_OK)
        e = vk_pay_new(c, &vk_pay_r_subscription, VK_STR_NONE, &m.doc);
    if (e == VK_OK)
        e = items(&m);
    if (e == VK_OK)
        e = discounts(&m);
    if (e == VK_OK)
        e = heading(&m);
    if (e == VK_OK && ask->more)
        e = ask->more(c, m.doc);
    if (e == VK_OK)
        e = first_invoice(&m);
    if (e != VK_OK)
        return e;
    int64_t due = vk_pv_number(m.invoice, "amount_due", 0);
    bool runs = due == 0 || vk_str_eqz(ask->collection_method, "send_invoice") || will_pay(&m);
    e = check_payable(&m, due);
    vk_pay_fill f = {c->arena, m.doc, false};
    vk_fill_str(&f, "latest_invoice", vk_pv_text(m.invoice, "id"));
    vk_fill_str(&f, "status", runs ? running(c, m.doc) : VK_STR("incomplete"));
    if (e == VK_OK)
        e = f.bad ? VK_E_NOMEM : vk_pay_put(c, m.doc);
    if (e == VK_OK)
        e = vk_pay_event(c, "customer.subscription.created", &vk_pay_r_subscription, m.doc);
    if (e == VK_OK)
        e = vk_pay_invoice_open(c, m.invoice);
    if (e == VK_OK)
        e = pay_first(&m, due, paid_r);
    if (e == VK_OK)
        e = vk_pay_subscription_wake(c, m.doc);
    *subscription_r = m.doc;
    return e;
}

vk_err vk_pay_subscription_go_on(vk_pay_call *c, vk_pv *doc, const vk_pay_confirm *how, vk_pay_paid *paid_r)
{
    vk_pv *invoice, *intent;
    vk_err e = vk_pay_get(c, &vk_pay_r_invoice, vk_pv_text(doc, "latest_invoice"), &invoice);
    if (e == VK_OK)
        e = vk_pay_get(c, &vk_pay_r_payment_intent, vk_pv_text(invoice, "payment_intent"), &intent);
    if (e != VK_OK)
        return e;
    vk_pay_fill f = {c->arena, doc, false}, i = {c->arena, intent, false};
    if (!how->authenticated && !how->refused && has_status(intent, "requires_action")) {
        vk_fill_str(&i, "status", VK_STR("requires_payment_method"));
        vk_fill_null(&i, "next_action");
    }
    e = i.bad ? VK_E_NOMEM : vk_pay_confirm_payment(c, intent, how, paid_r);
    /* It goes on with the card that has paid: one event tells of that and of its status. */
    if (e == VK_OK && *paid_r == VK_PAY_PAID_OK &&
        vk_str_eq(vk_pv_text(how->method, "customer"), vk_pv_text(doc, "customer")))
        vk_fill_str(&f, "default_payment_method", vk_pv_text(how->method, "id"));
    if (f.bad)
        return VK_E_NOMEM;
    return e == VK_OK ? settled(c, doc, invoice, *paid_r) : e;
}

/* The subscription that waits for an invoice, its first, to be paid; NULL: none does. */
static vk_err first_of(vk_pay_call *c, const vk_pv *invoice, vk_pv **doc_r)
{
    vk_pv *doc = NULL;
    vk_str of = vk_pv_text(invoice, "parent.subscription_details.subscription");
    vk_err e = of.p ? vk_pay_get(c, &vk_pay_r_subscription, of, &doc) : VK_OK;
    *doc_r = e == VK_OK && doc && has_status(doc, "incomplete") ? doc : NULL;
    return e == VK_E_NOT_FOUND ? VK_OK : e;
}

/* An app that let the first invoice open confirms its payment intent by itself (default_incomplete). */
vk_err vk_pay_intent_settled(vk_pay_call *c, const vk_pv *intent, vk_pay_paid paid)
{
    vk_pv *invoice, *doc = NULL;
    vk_str id = vk_pv_text(intent, "invoice");
    vk_err e = id.p ? vk_pay_get(c, &vk_pay_r_invoice, id, &invoice) : VK_E_NOT_FOUND;
    if (e != VK_OK || !has_status(invoice, "open"))
        return e == VK_E_NOT_FOUND ? VK_OK : e;
    e = first_of(c, invoice, &doc);
    if (e != VK_OK)
        return e;
    return doc ? settled(c, doc, invoice, paid) : invoice_told(c, invoice, paid);
}

vk_err vk_pay_invoice_paid_aside(vk_pay_call *c, vk_pv *invoice)
{
    vk_pv *doc;
    vk_err e = first_of(c, invoice, &doc);
    if (e == VK_OK)
        e = vk_pay_invoice_aside(c, invoice);
    if (e != VK_OK || !doc)
        return e;
    e = set_status(c, doc, running(c, doc));
    return e == VK_OK ? vk_pay_subscription_wake(c, doc) : e;
}

/* ---- how it ends */

static vk_err void_first(vk_pay_call *c, const vk_pv *doc)
{
    vk_pv *invoice;
    vk_err e = vk_pay_get(c, &vk_pay_r_invoice, vk_pv_text(doc, "latest_invoice"), &invoice);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_OK : e;
    return has_status(invoice, "open") ? vk_pay_invoice_void(c, invoice) : VK_OK;
}

vk_err vk_pay_subscription_drop(vk_pay_call *c, vk_pv *doc)
{
    vk_err e = void_first(c, doc);
    if (e == VK_OK && !vk_pv_put_int(c->arena, doc, "ended_at", c->now))
        e = VK_E_NOMEM;
    if (e == VK_OK)
        e = set_status(c, doc, VK_STR("incomplete_expired"));
    return e == VK_OK ? vk_pay_subscription_wake(c, doc) : e;
}

static bool over(const vk_pv *doc)
{
    return has_status(doc, "canceled") || has_status(doc, "incomplete_expired");
}

vk_err vk_pay_subscription_end(vk_pay_call *c, vk_pv *doc)
{
    if (has_status(doc, "incomplete"))
        return vk_pay_subscription_drop(c, doc);
    vk_pay_fill f = {c->arena, doc, false};
    vk_fill_str(&f, "status", VK_STR("canceled"));
    if (vk_pv_is_null(vk_pv_get(doc, "canceled_at")))
        vk_fill_int(&f, "canceled_at", c->now);
    vk_fill_int(&f, "ended_at", c->now);
    if (vk_pv_is_null(vk_pv_at(doc, "cancellation_details.reason")))
        vk_fill_str(&f, "cancellation_details.reason", VK_STR("cancellation_requested"));
    vk_err e = f.bad ? VK_E_NOMEM : vk_pay_put(c, doc);
    if (e == VK_OK)
        e = vk_pay_subscription_wake(c, doc);
    return e == VK_OK ? vk_pay_event(c, "customer.subscription.deleted", &vk_pay_r_subscription, doc) : e;
}

static int64_t due_at(const vk_pv *doc)
{
    if (over(doc))
        return 0;
    if (has_status(doc, "incomplete"))
        return vk_pv_number(doc, "created", 0) + INCOMPLETE_HOURS * HOUR;
    return vk_pv_number(doc, "cancel_at", 0);
}

vk_err vk_pay_subscription_wake(vk_pay_call *c, const vk_pv *doc)
{
    int64_t at = due_at(doc);
    vk_err e = vk_pay_due_put(c->db, vk_pv_text(doc, "id"), at * 1000);
    return e == VK_OK && at ? vk_pay_wake_at(c, at * 1000) : e;
}

vk_err vk_pay_subscription_due(vk_pay_call *c, vk_pv *doc)
{
    int64_t at = due_at(doc);
    return at && at <= c->now ? vk_pay_subscription_end(c, doc) : VK_OK;
}

typedef struct ending {
    vk_pay_call *c;
    vk_pv **docs;
    size_t n;
    vk_err e;
} ending;

static bool one_to_end(void *arg, const vk_pay_row *row)
{
    ending *x = arg;
    x->e = vk_pay_doc_read(x->c, &vk_pay_r_subscription, row, &x->docs[x->n]);
    return x->e == VK_OK && ++x->n < ENDED_MAX;
}

/* Those that are over are not looked at, however many there are. With more than ENDED_MAX others the events
 * are too many, and the call is refused. */
vk_err vk_pay_subscriptions_end(vk_pay_call *c, vk_str customer)
{
    static const vk_str running_ones[] = {{"incomplete", 10}, {"trialing", 8}, {"active", 6},
                                          {"past_due", 8},    {"unpaid", 6},   {"paused", 6}};
    const vk_pay_ask ask = {.kind = vk_pay_r_subscription.object,
                            .keys = {{"status", running_ones[0]}, {"customer", customer}},
                            .n_keys = 2,
                            .any = running_ones,
                            .n_any = VK_COUNT(running_ones),
                            .created_to = INT64_MAX};
    ending x = {.c = c, .docs = vk_arena_alloc(c->arena, ENDED_MAX * sizeof *x.docs)};
    vk_err e = x.docs ? vk_pay_doc_list(c->db, &ask, one_to_end, &x) : VK_E_NOMEM;
    if (e == VK_OK)
        e = x.e;
    for (size_t i = 0; i < x.n && e == VK_OK; i++)
        e = vk_pay_subscription_end(c, x.docs[i]);
    return e;
}
