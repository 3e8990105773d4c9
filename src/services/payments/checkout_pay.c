/* Paying: what the checkout page's form does, once however often it is sent. Everything of a session happens
 * on its build's strand, one call after the other, so a second one sees what the first has left: a session
 * that is complete, or one that is open and whose intent has failed. */
#include "services/payments/charge.h"
#include "services/payments/checkout.h"
#include "services/payments/generic.h"

/* ---- paying */

static bool keeps_card(const vk_pay_checkout *k)
{
    const char *usage = "_given.payment_intent_data.setup_future_usage";
    return !vk_pay_checkout_mode(k, "payment") || vk_pv_text(k->session, usage).p;
}

static bool wants_customer(const vk_pay_checkout *k)
{
    return vk_pay_checkout_mode(k, "subscription") || keeps_card(k) ||
           vk_pv_flag(k->session, "invoice_creation.enabled") ||
           vk_str_eqz(vk_pv_text(k->session, "customer_creation"), "always");
}

static void customer_fields(vk_pay_fill *f, const vk_pv *filled, bool name, bool address, bool shipping)
{
    if (name) {
        vk_fill_copy(f, "name", filled, "name");
        vk_fill_copy(f, "phone", filled, "phone");
    }
    if (address)
        vk_fill_copy(f, "address", filled, "address");
    if (shipping)
        vk_fill_copy(f, "shipping", filled, "shipping");
}

/* A customer that was there gets what the session says it may get; and an email when it has none. */
static vk_err update_customer(vk_pay_call *c, const vk_pv *s, vk_str id, const vk_pv *filled)
{
    vk_pv *customer;
    vk_err e = vk_pay_get(c, &vk_pay_r_customer, id, &customer);
    if (e != VK_OK)
        return e;
    vk_pay_fill f = {c->arena, customer, false};
    customer_fields(&f, filled, vk_str_eqz(vk_pv_text(s, "_given.customer_update.name"), "auto"),
                    vk_str_eqz(vk_pv_text(s, "_given.customer_update.address"), "auto"),
                    vk_str_eqz(vk_pv_text(s, "_given.customer_update.shipping"), "auto"));
    if (!vk_pv_text(customer, "email").n)
        vk_fill_copy(&f, "email", filled, "email");
    return f.bad ? VK_E_NOMEM : vk_pay_store_changed(c, &vk_pay_r_customer, customer);
}

/* The session's customer: its own, the one that an earlier try has made, or a new one. */
static vk_err customer_of(vk_pay_call *c, vk_pay_checkout *k, const vk_pv *filled, vk_str *id_r)
{
    vk_pv *s = k->session, *customer;
    vk_str own = vk_pv_text(s, "customer"), made = vk_pv_text(s, "_customer");
    *id_r = own.p ? own : made;
    if (own.p)
        return update_customer(c, s, own, filled);
    if (made.p || !wants_customer(k))
        return VK_OK;
    vk_err e = vk_pay_new(c, &vk_pay_r_customer, VK_STR_NONE, &customer);
    if (e != VK_OK)
        return e;
    vk_pay_fill f = {c->arena, customer, false};
    vk_fill_copy(&f, "email", filled, "email");
    customer_fields(&f, filled, true, true, true);
    *id_r = vk_pv_text(customer, "id");
    if (f.bad || !vk_pv_put_str(c->arena, s, "_customer", *id_r))
        return VK_E_NOMEM;
    e = vk_pay_customer_prefix(c, customer);
    return e == VK_OK ? vk_pay_store_new(c, &vk_pay_r_customer, customer) : e;
}

static vk_err pay_intent(vk_pay_call *c, vk_pay_checkout *k, vk_str customer, vk_pv **intent_r)
{
    vk_pv *s = k->session;
    const vk_pv *data = vk_pv_at(s, "_given.payment_intent_data"), *filled = vk_pv_get(s, "_filled");
    const vk_pv *shipping = vk_pv_get(data, "shipping");
    vk_str id = vk_pv_text(s, "payment_intent");
    if (vk_pv_is_null(shipping))
        shipping = vk_pv_get(filled, "shipping");
    if (!id.p) {
        vk_pay_intent_ask ask = {
            .amount = k->total,
            .currency = k->currency,
            .customer = customer,
            .description = vk_pv_text(data, "description"),
            .receipt_email = vk_pv_text(data, "receipt_email"),
            .setup_future_usage = vk_pv_text(data, "setup_future_usage"),
            .capture_method = vk_pv_text(data, "capture_method"),
            .session = vk_pv_text(s, "id"),
            .metadata = vk_pv_get(data, "metadata"),
            .shipping = vk_pv_is_null(shipping) ? NULL : shipping,
        };
        vk_err e = vk_pay_intent_new(c, &ask, intent_r);
        if (e == VK_OK && !vk_pv_put_str(c->arena, s, "payment_intent", vk_pv_text(*intent_r, "id")))
            e = VK_E_NOMEM;
        return e;
    }
    vk_err e = vk_pay_get(c, &vk_pay_r_payment_intent, id, intent_r);
    if (e != VK_OK)
        return e;
    /* What this try has, not what the one before had. */
    vk_pay_fill f = {c->arena, *intent_r, false};
    vk_fill_int(&f, "amount", k->total);
    if (customer.p)
        vk_fill_str(&f, "customer", customer);
    if (!vk_pv_is_null(shipping))
        vk_fill(&f, "shipping", vk_pv_copy(c->arena, shipping));
    return f.bad ? VK_E_NOMEM : VK_OK;
}

static vk_err setup_intent(vk_pay_call *c, vk_pay_checkout *k, vk_str customer, vk_pv **intent_r)
{
    /* In subscription mode nobody is told of it: it only sees the card of a trial. */
    const char *member = vk_pay_checkout_mode(k, "setup") ? "setup_intent" : "_setup_intent";
    const vk_pv *data = vk_pv_at(k->session, "_given.setup_intent_data");
    vk_str id = vk_pv_text(k->session, member);
    vk_err e = id.p ? vk_pay_get(c, &vk_pay_r_setup_intent, id, intent_r) : VK_OK;
    if (id.p)
        return e == VK_OK && customer.p && !vk_pv_put_str(c->arena, *intent_r, "customer", customer)
                   ? VK_E_NOMEM
                   : e;
    e = vk_pay_setup_new(c, customer, vk_pv_get(data, "metadata"), intent_r);
    if (e != VK_OK)
        return e;
    vk_pay_fill f = {c->arena, *intent_r, false};
    vk_fill_copy(&f, "description", data, "description");
    vk_fill_copy(&f, "session", k->session, "id"); /* so that no call of the API ends or confirms it */
    f.bad |= !vk_pv_put_str(c->arena, k->session, member, vk_pv_text(*intent_r, "id"));
    return f.bad ? VK_E_NOMEM : VK_OK;
}

/* Somebody who was asked to authenticate has come back with another card. */
static bool restart(vk_pay_call *c, vk_pv *intent, const vk_pay_confirm *how)
{
    if (how->authenticated || how->refused || !vk_str_eqz(vk_pv_text(intent, "status"), "requires_action"))
        return true;
    vk_pay_fill f = {c->arena, intent, false};
    vk_fill_str(&f, "status", VK_STR("requires_payment_method"));
    vk_fill_null(&f, "next_action");
    return !f.bad;
}

/* Items of the session as a subscription has them, and those that are paid once. */
static vk_err sort_items(vk_pay_call *c, vk_pay_checkout *k, vk_pv **recurring_r, vk_pv **once_r)
{
    vk_pv *recurs = vk_pv_arr(c->arena), *once = vk_pv_arr(c->arena);
    VK_PV_EACH(item, k->items)
    {
        vk_pv *o = vk_pv_obj(c->arena);
        vk_pay_fill f = {c->arena, o, false};
        bool again = vk_pay_recurs(c, item);
        if (vk_pv_number(item, "quantity", 0) == 0)
            continue;
        vk_fill_copy(&f, "price", item, "price");
        vk_fill_copy(&f, "quantity", item, "quantity");
        vk_fill_copy(&f, "metadata", item, "metadata");
        vk_fill_copy(&f, "tax_rates", item, "_rates");
        if (f.bad || !vk_pv_add(c->arena, again ? recurs : once, o))
            return VK_E_NOMEM;
    }
    *recurring_r = recurs;
    *once_r = once;
    return recurs && once ? VK_OK : VK_E_NOMEM;
}

static vk_err subscribe(vk_pay_call *c, vk_pay_checkout *k, vk_str customer, const vk_pay_confirm *how,
                        vk_pay_paid *paid_r)
{
    vk_pv *s = k->session, *subscription, *items, *once;
    const vk_pv *data = vk_pv_at(s, "_given.subscription_data");
    vk_str id = vk_pv_text(s, "_subscription");
    vk_err e;
    if (id.p) {
        e = vk_pay_get(c, &vk_pay_r_subscription, id, &subscription);
        return e == VK_OK ? vk_pay_subscription_go_on(c, subscription, how, paid_r) : e;
    }
    e = sort_items(c, k, &items, &once);
    if (e != VK_OK)
        return e;
    vk_pay_subscribe ask = {
        .customer = customer,
        .method = how->method ? vk_pv_text(how->method, "id") : VK_STR_NONE,
        .items = items,
        .discounts = vk_pv_get(s, "discounts"),
        .trial_end = k->trial_end,
        .metadata = vk_pv_get(data, "metadata"),
        .description = vk_pv_text(data, "description"),
        .missing_method = vk_pv_text(data, "trial_settings.end_behavior.missing_payment_method"),
        .one_time = once,
        .on_session = true,
        .session = vk_pv_text(s, "id"),
        .page = how->page,
    };
    e = vk_pay_subscribe_new(c, &ask, &subscription, paid_r);
    return e == VK_OK && !vk_pv_put_str(c->arena, s, "_subscription", vk_pv_text(subscription, "id"))
               ? VK_E_NOMEM
               : e;
}

/* ---- complete */

static vk_err invoice_of(vk_pay_call *c, vk_pay_checkout *k, vk_str customer_id)
{
    vk_pv *s = k->session, *customer, *invoice, *intent;
    const vk_pv *data = vk_pv_at(s, "invoice_creation.invoice_data");
    size_t n = 0;
    vk_pay_invoice_item *items = vk_arena_calloc(c->arena, (k->items->count + 1) * sizeof(*items));
    vk_err e = items ? vk_pay_get(c, &vk_pay_r_customer, customer_id, &customer) : VK_E_NOMEM;
    VK_PV_EACH(item, k->items)
    {
        vk_pv *price = NULL;
        if (e == VK_OK && vk_pv_number(item, "quantity", 0) > 0) {
            e = vk_pay_get(c, &vk_pay_r_price, vk_pv_text(item, "price"), &price);
            items[n++] = (vk_pay_invoice_item){.price = price,
                                               .quantity = vk_pv_number(item, "quantity", 1),
                                               .rates = vk_pv_get(item, "_rates"),
                                               .metadata = vk_pv_get(item, "metadata"),
                                               .description = vk_pv_text(item, "description"),
                                               .start = c->now,
                                               .end = c->now};
        }
    }
    if (e != VK_OK)
        return e;
    vk_pay_invoice_ask ask = {
        .customer = customer,
        .reason = "manual",
        .currency = k->currency,
        .description = vk_pv_text(data, "description"),
        .footer = vk_pv_text(data, "footer"),
        .metadata = vk_pv_get(data, "metadata"),
        .custom_fields = vk_pv_get(data, "custom_fields"),
        .period_start = c->now,
        .period_end = c->now,
        .discounts = vk_pv_get(s, "discounts"),
        .objects = vk_pv_get(s, "_objects"),
        .shipping_cost = vk_pv_get(s, "shipping_cost"),
    };
    e = vk_pay_invoice_draft(c, &ask, items, n, &invoice);
    if (e == VK_OK)
        e = vk_pay_invoice_open(c, invoice);
    vk_str pi = vk_pv_text(s, "payment_intent");
    if (e == VK_OK && pi.p) {
        e = vk_pay_get(c, &vk_pay_r_payment_intent, pi, &intent);
        if (e == VK_OK)
            e = vk_pay_invoice_intent(c, invoice, intent);
        if (e == VK_OK)
            e = vk_pay_invoice_paid(c, invoice);
    }
    return e == VK_OK && !vk_pv_put_str(c->arena, s, "invoice", vk_pv_text(invoice, "id")) ? VK_E_NOMEM : e;
}

static bool captured(vk_pay_call *c, const vk_pv *s)
{
    vk_pv *intent;
    vk_str id = vk_pv_text(s, "payment_intent");
    return !id.p || (vk_pay_get(c, &vk_pay_r_payment_intent, id, &intent) == VK_OK &&
                     vk_str_eqz(vk_pv_text(intent, "status"), "succeeded"));
}

static vk_err details(vk_pay_call *c, vk_pv *s, const vk_pv *filled, vk_str customer_id)
{
    vk_pv *customer = NULL;
    vk_err e = customer_id.p ? vk_pay_get(c, &vk_pay_r_customer, customer_id, &customer) : VK_OK;
    if (e != VK_OK)
        return e;
    vk_str exempt = vk_pv_text(customer, "tax_exempt");
    vk_pay_fill f = {c->arena, s, false};
    vk_fill(&f, "customer_details", vk_pv_obj(c->arena));
    vk_fill_copy(&f, "customer_details.address", filled, "address");
    vk_fill_copy(&f, "customer_details.email", filled, "email");
    vk_fill_copy(&f, "customer_details.name", filled, "name");
    vk_fill_copy(&f, "customer_details.phone", filled, "phone");
    vk_fill_str(&f, "customer_details.tax_exempt", exempt.p ? exempt : VK_STR("none"));
    vk_fill(&f, "customer_details.tax_ids", vk_pv_arr(c->arena));
    if (!vk_pv_is_null(vk_pv_get(filled, "shipping"))) {
        vk_fill_copy(&f, "collected_information.shipping_details.address", filled, "shipping.address");
        vk_fill_copy(&f, "collected_information.shipping_details.name", filled, "shipping.name");
    } else if (vk_pv_is_null(vk_pv_get(s, "collected_information"))) {
        vk_fill_null(&f, "collected_information.shipping_details");
    }
    vk_fill_copy(&f, "consent", filled, "consent");
    vk_fill_copy(&f, "custom_fields", filled, "custom_fields");
    return f.bad ? VK_E_NOMEM : VK_OK;
}

static vk_err complete(vk_pay_call *c, vk_pay_checkout *k)
{
    vk_pv *s = k->session, *subscription;
    vk_str customer = vk_pv_text(s, "customer"), link = vk_pv_text(s, "payment_link");
    vk_str made = vk_pv_text(s, "_customer"), sub = vk_pv_text(s, "_subscription");
    vk_pay_fill f = {c->arena, s, false};
    if (!customer.p)
        customer = made;
    vk_err e = details(c, s, vk_pv_get(s, "_filled"), customer);
    if (e == VK_OK)
        e = vk_pay_discounts_redeem(c, vk_pv_get(s, "discounts"));
    if (e == VK_OK && vk_pay_checkout_mode(k, "payment") && vk_pv_flag(s, "invoice_creation.enabled"))
        e = invoice_of(c, k, customer);
    if (e == VK_OK && sub.p) {
        e = vk_pay_get(c, &vk_pay_r_subscription, sub, &subscription);
        vk_fill_str(&f, "subscription", sub);
        vk_fill_copy(&f, "invoice", subscription, "latest_invoice");
    }
    if (e == VK_OK && link.p)
        e = vk_pay_link_count(c, link);
    if (e != VK_OK)
        return e;
    if (customer.p)
        vk_fill_str(&f, "customer", customer);
    vk_fill_str(&f, "payment_status",
                k->total == 0 || vk_pay_checkout_mode(k, "setup") ? VK_STR("no_payment_required")
                : captured(c, s)                                  ? VK_STR("paid")
                                                                  : VK_STR("unpaid"));
    vk_fill_str(&f, "status", VK_STR("complete"));
    vk_fill_null(&f, "url");
    static const char *const over[] = {"_waits",        "_method",       "_customer",
                                       "_subscription", "_setup_intent", "_filled"};
    for (size_t i = 0; i < VK_COUNT(over); i++)
        vk_pv_del(s, over[i]);
    e = f.bad ? VK_E_NOMEM : vk_pay_put(c, s);
    if (e == VK_OK)
        e = vk_pay_due_put(c->db, vk_pv_text(s, "id"), 0);
    return e == VK_OK ? vk_pay_event(c, "checkout.session.completed", &vk_pay_r_session, s) : e;
}

/* ---- a try */

static const char *reason(vk_pay_call *c, const vk_pv *intent, const char *path)
{
    const char *other = "Your payment could not be processed. Please try another card.";
    vk_str why = vk_pv_text(intent, path);
    vk_str text = why.n ? vk_arena_dup(c->arena, why) : VK_STR_NONE;
    return text.p ? text.p : other;
}

static const char *invoice_reason(vk_pay_call *c, const vk_pv *s)
{
    vk_pv *subscription = NULL, *invoice = NULL, *intent = NULL;
    if (vk_pay_get(c, &vk_pay_r_subscription, vk_pv_text(s, "_subscription"), &subscription) == VK_OK &&
        vk_pay_get(c, &vk_pay_r_invoice, vk_pv_text(subscription, "latest_invoice"), &invoice) == VK_OK &&
        vk_pay_get(c, &vk_pay_r_payment_intent, vk_pv_text(invoice, "payment_intent"), &intent) != VK_OK)
        intent = NULL;
    return reason(c, intent, "last_payment_error.message");
}

static vk_err settle(vk_pay_call *c, vk_pay_checkout *k, vk_str customer, const vk_pay_confirm *how,
                     vk_pay_paid *paid_r, const char **why_r)
{
    vk_pv *intent;
    vk_err e;
    *paid_r = VK_PAY_PAID_OK;
    if (!how->method && vk_pay_checkout_mode(k, "subscription"))
        return subscribe(c, k, customer, how, paid_r);
    if (!how->method) {
        /* A try has begun to pay for what costs nothing any more. */
        e = vk_pay_intent_drop(c, &vk_pay_r_payment_intent, vk_pv_text(k->session, "payment_intent"),
                               VK_STR_NONE);
        return e == VK_OK && !vk_pv_put_null(c->arena, k->session, "payment_intent") ? VK_E_NOMEM : e;
    }
    if (vk_pay_checkout_mode(k, "payment")) {
        e = pay_intent(c, k, customer, &intent);
        if (e == VK_OK && !restart(c, intent, how))
            e = VK_E_NOMEM;
        if (e == VK_OK)
            e = vk_pay_confirm_payment(c, intent, how, paid_r);
        if (e == VK_OK && *paid_r == VK_PAY_PAID_NO)
            *why_r = reason(c, intent, "last_payment_error.message");
        return e;
    }
    if (vk_pay_checkout_mode(k, "subscription") && k->total > 0) {
        /* A bank that will not have its card saved will not pay either: then the invoice's payment fails. */
        vk_pay_decline why;
        if (!vk_pv_text(how->method, "customer").p && !vk_pay_card_says_no(how->method, false, &why)) {
            e = vk_pay_attach(c, how->method, customer);
            if (e != VK_OK)
                return e;
        }
        e = subscribe(c, k, customer, how, paid_r);
        if (e == VK_OK && *paid_r == VK_PAY_PAID_NO)
            *why_r = invoice_reason(c, k->session);
        return e;
    }
    e = setup_intent(c, k, customer, &intent);
    if (e == VK_OK && !restart(c, intent, how))
        e = VK_E_NOMEM;
    if (e == VK_OK)
        e = vk_pay_confirm_setup(c, intent, how, paid_r);
    if (e == VK_OK && *paid_r == VK_PAY_PAID_NO)
        *why_r = reason(c, intent, "last_setup_error.message");
    if (e == VK_OK && *paid_r == VK_PAY_PAID_OK && vk_pay_checkout_mode(k, "subscription"))
        e = subscribe(c, k, customer, how, paid_r);
    return e;
}

static vk_err attempt(vk_pay_call *c, vk_pay_checkout *k, vk_str customer, const vk_pay_confirm *how,
                      vk_pay_paid *paid_r, const char **why_r)
{
    vk_pv *s = k->session;
    vk_err e = settle(c, k, customer, how, paid_r, why_r);
    if (e != VK_OK)
        return e;
    if (*paid_r == VK_PAY_PAID_OK)
        return complete(c, k);
    vk_pay_fill f = {c->arena, s, false};
    vk_pv_del(s, "_waits");
    if (*paid_r == VK_PAY_PAID_ACTION) {
        vk_fill_bool(&f, "_waits", true);
        vk_fill_str(&f, "_method", vk_pv_text(how->method, "id"));
    }
    return f.bad ? VK_E_NOMEM : vk_pay_put(c, s);
}

/* VK_OK with *paid_r: there is nothing to do. */
static bool over(vk_pv *s, vk_pay_paid *paid_r, const char **why_r)
{
    vk_str status = vk_pv_text(s, "status");
    *paid_r = vk_str_eqz(status, "complete") ? VK_PAY_PAID_OK : VK_PAY_PAID_NO;
    if (vk_str_eqz(status, "expired"))
        *why_r = "This page has expired. Nothing was paid.";
    return !vk_str_eqz(status, "open");
}

static vk_str page_of(vk_pay_call *c, const vk_pv *s)
{
    return vk_arena_printf(c->arena, VK_STR_FMT "/authenticate", VK_STR_ARG(vk_pv_text(s, "url")));
}

vk_err vk_pay_checkout_pay(vk_pay_call *c, vk_pay_checkout *k, const vk_pv *fields, vk_pay_paid *paid_r,
                           const char **why_r, const char **field_r)
{
    vk_pv *s = k->session, *filled = NULL, *card = NULL, *method = NULL;
    vk_str customer;
    *why_r = *field_r = NULL;
    if (over(s, paid_r, why_r))
        return VK_OK;
    vk_err e = vk_pay_checkout_still(c, k, why_r);
    if (e == VK_OK && !*why_r)
        e = vk_pay_checkout_change(c, k, fields, why_r, field_r);
    if (e == VK_OK && !*why_r)
        e = vk_pay_filled(c, k, fields, &filled, &card, why_r, field_r);
    if (e == VK_OK && !*why_r && card)
        e = vk_pay_method_typed(c, card, filled, &method, why_r, field_r);
    if (e != VK_OK || *why_r)
        return e;
    if (!vk_pv_set(c->arena, s, "_filled", filled))
        return VK_E_NOMEM;
    e = customer_of(c, k, filled, &customer);
    if (e != VK_OK)
        return e;
    vk_pay_confirm how = {.method = method, .page = page_of(c, s)};
    return attempt(c, k, customer, &how, paid_r, why_r);
}

vk_err vk_pay_checkout_go_on(vk_pay_call *c, vk_pay_checkout *k, bool authenticated, vk_pay_paid *paid_r,
                             const char **why_r)
{
    vk_pv *s = k->session, *method;
    vk_str customer = vk_pv_text(s, "customer");
    *why_r = NULL;
    if (over(s, paid_r, why_r))
        return VK_OK;
    if (!vk_pay_checkout_waits(s)) {
        *why_r = "There is nothing to authenticate.";
        return VK_OK;
    }
    if (!customer.p)
        customer = vk_pv_text(s, "_customer");
    vk_err e = vk_pay_checkout_still(c, k, why_r);
    if (e != VK_OK || *why_r)
        return e;
    e = vk_pay_get(c, &vk_pay_r_payment_method, vk_pv_text(s, "_method"), &method);
    if (e != VK_OK)
        return e;
    vk_pay_confirm how = {
        .method = method, .authenticated = authenticated, .refused = !authenticated, .page = page_of(c, s)};
    return attempt(c, k, customer, &how, paid_r, why_r);
}
