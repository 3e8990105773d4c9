/* The API's calls of subscriptions and their items. */
#include "services/payments/billing.h"
#include "services/payments/generic.h"
#include "services/payments/resources/runs.h"

enum {
    DAY = 86400,
    DUE_DAYS_MAX = 365,
    YEARS_AHEAD = 5,
};

static bool given(const vk_pv *o, const char *path)
{
    return !vk_pv_is_null(vk_pv_at(o, path));
}

static const char *item_param(vk_pay_call *c, size_t i, const char *rest)
{
    vk_str s = vk_arena_printf(c->arena, "items[%zu]%s", i, rest);
    return s.p ? s.p : "items";
}

/* ---- create */

static vk_err item_price(vk_pay_call *c, const vk_pv *p, size_t i, vk_pv **price_r)
{
    const vk_pv *data = vk_pv_get(p, "price_data");
    vk_str id = vk_pv_text(p, "price").n ? vk_pv_text(p, "price") : vk_pv_text(p, "plan");
    const char *name = item_param(c, i, "[price]");
    if (id.n && data)
        return vk_pay_refuse_both(c, name, item_param(c, i, "[price_data]"));
    if (!id.n && !data)
        return vk_pay_refuse_missing(c, name);
    vk_err e = data ? vk_pay_price_inline(c, data, item_param(c, i, "[price_data]"), price_r)
                    : vk_pay_need(c, &vk_pay_r_price, id, name, price_r);
    if (e != VK_OK)
        return e;
    if (!data && given(*price_r, "active") && !vk_pv_flag(*price_r, "active"))
        return vk_pay_refuse(c, 400, NULL, name,
                             "The price specified is inactive. This field only accepts active prices.");
    if (!vk_str_eqz(vk_pv_text(*price_r, "type"), "recurring"))
        return vk_pay_refuse(
            c, 400, NULL, name,
            "The price specified is set to `type=one_time` but this field only accepts prices "
            "with `type=recurring`.");
    if (vk_str_eqz(vk_pv_text(*price_r, "recurring.usage_type"), "metered"))
        return vk_pay_refuse_absent(c, name, "A metered price");
    return VK_OK;
}

/* All of one currency and one interval. */
static vk_err same_as_first(vk_pay_call *c, const vk_pv *price, const vk_pv *first, size_t i)
{
    if (!vk_str_eq(vk_pv_text(price, "currency"), vk_pv_text(first, "currency")))
        return vk_pay_refuse(c, 400, NULL, item_param(c, i, "[price]"),
                             "The price specified only supports `" VK_STR_FMT
                             "`. This doesn't match the expected currency: `" VK_STR_FMT "`.",
                             VK_STR_ARG(vk_pv_text(price, "currency")),
                             VK_STR_ARG(vk_pv_text(first, "currency")));
    if (!vk_str_eq(vk_pv_text(price, "recurring.interval"), vk_pv_text(first, "recurring.interval")) ||
        vk_pv_number(price, "recurring.interval_count", 1) !=
            vk_pv_number(first, "recurring.interval_count", 1))
        return vk_pay_refuse_absent(c, item_param(c, i, "[price]"),
                                    "A subscription with several billing intervals");
    return VK_OK;
}

static vk_err one_item(vk_pay_call *c, const vk_pv *p, size_t i, vk_pv **first, vk_pv **out_r)
{
    vk_pv *price, *out = vk_pv_obj(c->arena);
    const vk_pv *rates = vk_pv_get(p, "tax_rates");
    int64_t quantity = vk_pv_number(p, "quantity", 1);
    vk_err e = item_price(c, p, i, &price);
    if (e != VK_OK)
        return e;
    if (quantity < 1 || quantity > VK_PAY_QUANTITY_MAX)
        return vk_pay_refuse(c, 400, "parameter_invalid_integer", item_param(c, i, "[quantity]"),
                             "This value must be greater than or equal to 1.");
    if (given(p, "discounts") && vk_pv_get(p, "discounts")->count)
        return vk_pay_refuse_absent(c, item_param(c, i, "[discounts]"), "A discount of one item");
    if (!*first)
        *first = price;
    e = same_as_first(c, price, *first, i);
    if (e == VK_OK)
        e = vk_pay_rates_check(c, vk_pv_is_null(rates) ? NULL : rates, item_param(c, i, "[tax_rates]"));
    if (e != VK_OK)
        return e;
    if (vk_pv_is_null(rates))
        rates = vk_pv_get(c->params, "default_tax_rates");
    vk_pay_fill f = {c->arena, out, false};
    vk_fill_str(&f, "price", vk_pv_text(price, "id"));
    vk_fill_int(&f, "quantity", quantity);
    vk_fill_copy(&f, "metadata", p, "metadata");
    if (!vk_pv_is_null(rates))
        vk_fill(&f, "tax_rates", vk_pv_copy(c->arena, rates));
    *out_r = out;
    return f.bad ? VK_E_NOMEM : VK_OK;
}

static vk_err items_of(vk_pay_call *c, vk_pv **first_r, vk_pv **items_r)
{
    const vk_pv *all = vk_pv_get(c->params, "items"), *rates = vk_pv_get(c->params, "default_tax_rates");
    vk_pv *items = vk_pv_arr(c->arena);
    size_t i = 0;
    *first_r = NULL;
    if (!all || all->count == 0)
        return vk_pay_refuse_missing(c, "items");
    if (all->count > VK_PAY_SUB_ITEMS_MAX)
        return vk_pay_refuse(c, 400, NULL, "items", "Array items exceeded maximum %d allowed elements.",
                             VK_PAY_SUB_ITEMS_MAX);
    vk_err e = vk_pay_rates_check(c, vk_pv_is_null(rates) ? NULL : rates, "default_tax_rates");
    VK_PV_EACH(p, all)
    {
        vk_pv *item = NULL;
        if (e == VK_OK)
            e = one_item(c, p, i++, first_r, &item);
        if (e != VK_OK)
            return e;
        if (!vk_pv_add(c->arena, items, item))
            return VK_E_NOMEM;
    }
    *items_r = items;
    return VK_OK;
}

static vk_err trial_of(vk_pay_call *c, const vk_pv *price, int64_t *end_r)
{
    const vk_pv *days = vk_pv_get(c->params, "trial_period_days"), *end = vk_pv_get(c->params, "trial_end");
    int64_t of_plan = vk_pv_number(price, "recurring.trial_period_days", 0), n = 0;
    *end_r = 0;
    if (!vk_pv_is_null(days) && !vk_pv_is_null(end))
        return vk_pay_refuse_both(c, "trial_period_days", "trial_end");
    if (vk_pv_is(end, VK_PV_STR)) /* "now" */
        return VK_OK;
    if (vk_pv_is(end, VK_PV_INT)) {
        if (end->u.i <= c->now)
            return vk_pay_refuse(c, 400, NULL, "trial_end",
                                 "The `trial_end` timestamp must be a timestamp in the future.");
        if (end->u.i > c->now + YEARS_AHEAD * 365LL * DAY)
            return vk_pay_refuse(c, 400, NULL, "trial_end",
                                 "The `trial_end` can be at most %d years in the future.", YEARS_AHEAD);
        *end_r = end->u.i;
        return VK_OK;
    }
    if (vk_pv_is(days, VK_PV_INT))
        n = days->u.i;
    else if (vk_pv_flag(c->params, "trial_from_plan"))
        n = of_plan;
    if (n < 0 || n > VK_PAY_TRIAL_DAYS)
        return vk_pay_refuse(c, 400, NULL, "trial_period_days",
                             "The number of trial days must be between 0 and %d.", VK_PAY_TRIAL_DAYS);
    *end_r = n ? c->now + n * DAY : 0;
    return VK_OK;
}

/* A method that the customer has. */
static vk_err default_method(vk_pay_call *c, vk_str id, vk_str customer)
{
    vk_pv *method;
    vk_err e = vk_pay_need(c, &vk_pay_r_payment_method, id, "default_payment_method", &method);
    if (e != VK_OK)
        return e;
    if (!vk_str_eq(vk_pv_text(method, "customer"), customer))
        return vk_pay_refuse(c, 400, "resource_missing", "default_payment_method",
                             "The customer does not have a payment method with the ID " VK_STR_FMT
                             ". The payment method must be attached to the customer.",
                             VK_STR_ARG(id));
    return VK_OK;
}

static vk_err collection(vk_pay_call *c, vk_pay_subscribe *ask)
{
    const vk_pv *days = vk_pv_get(c->params, "days_until_due");
    ask->collection_method = vk_pv_text(c->params, "collection_method");
    ask->payment_behavior = vk_pv_text(c->params, "payment_behavior");
    if (vk_str_eqz(ask->payment_behavior, "pending_if_incomplete"))
        return vk_pay_refuse(c, 400, NULL, "payment_behavior",
                             "`pending_if_incomplete` can only be used when a subscription is updated.");
    bool sends = vk_str_eqz(ask->collection_method, "send_invoice");
    if (sends && !vk_pv_is(days, VK_PV_INT))
        return vk_pay_refuse_missing(c, "days_until_due");
    if (!sends && vk_pv_is(days, VK_PV_INT))
        return vk_pay_refuse(c, 400, NULL, "days_until_due",
                             "`days_until_due` can only be used with the collection method `send_invoice`.");
    ask->days_until_due = vk_pv_number(c->params, "days_until_due", 0);
    if (ask->days_until_due < 0 || ask->days_until_due > DUE_DAYS_MAX)
        return vk_pay_refuse(c, 400, NULL, "days_until_due", "`days_until_due` must be between 0 and %d.",
                             DUE_DAYS_MAX);
    return VK_OK;
}

/* What a period comes to before anything is taken off. */
static vk_err subtotal(vk_pay_call *c, const vk_pv *items, int64_t *sum_r)
{
    *sum_r = 0;
    VK_PV_EACH(item, items)
    {
        vk_pv *price;
        int64_t amount = 0, quantity = vk_pv_number(item, "quantity", 1);
        vk_err e = vk_pay_get(c, &vk_pay_r_price, vk_pv_text(item, "price"), &price);
        if (e != VK_OK)
            return e;
        int64_t unit = vk_pay_price_unit(price);
        if (unit == VK_PAY_NO_UNIT)
            e = vk_pay_times(vk_pv_text(price, "unit_amount_decimal"), quantity, &amount);
        else if (__builtin_mul_overflow(unit, quantity, &amount))
            e = VK_E_TOO_LARGE;
        if (e != VK_OK || __builtin_add_overflow(*sum_r, amount, sum_r))
            return vk_pay_refuse(c, 400, "amount_too_large", "items", "The amounts are too large.");
    }
    return VK_OK;
}

/* `coupon` and `promotion_code` of old versions are discounts of one element. */
static vk_err discounts_of(vk_pay_call *c, vk_str customer, const vk_pv *first, const vk_pv *items,
                           vk_pv **discounts_r)
{
    vk_pv *params = c->params;
    static const char *const old[] = {"coupon", "promotion_code"};
    for (size_t i = 0; i < VK_COUNT(old); i++) {
        vk_str id = vk_pv_text(params, old[i]);
        if (!id.n)
            continue;
        if (given(params, "discounts"))
            return vk_pay_refuse_both(c, "discounts", old[i]);
        vk_pv *list = vk_pv_arr(c->arena), *one = vk_pv_obj(c->arena);
        if (!vk_pv_put_str(c->arena, one, old[i], id) || !vk_pv_add(c->arena, list, one) ||
            !vk_pv_put(c->arena, params, "discounts", list))
            return VK_E_NOMEM;
    }
    int64_t sum;
    vk_err e = subtotal(c, items, &sum);
    return e == VK_OK ? vk_pay_discounts_make(c, params, "discounts", customer, vk_pv_text(first, "currency"),
                                              sum, discounts_r)
                      : e;
}

/* cancel_at and cancel_at_period_end of a create or an update. */
static vk_err cancel_later(vk_pay_call *c, vk_pv *doc)
{
    const vk_pv *at = vk_pv_get(c->params, "cancel_at"),
                *at_end = vk_pv_get(c->params, "cancel_at_period_end");
    int64_t end = vk_pv_number(doc, "items.data.0.current_period_end", 0), when = 0;
    vk_pay_fill f = {c->arena, doc, false};
    if (!at && !at_end)
        return VK_OK;
    if (!vk_pv_is_null(at) && vk_pv_is(at_end, VK_PV_BOOL) && at_end->u.b)
        return vk_pay_refuse_both(c, "cancel_at", "cancel_at_period_end");
    if (vk_pv_is(at, VK_PV_INT)) {
        if (at->u.i <= c->now)
            return vk_pay_refuse(c, 400, NULL, "cancel_at",
                                 "The `cancel_at` timestamp must be in the future.");
        if (at->u.i > c->now + YEARS_AHEAD * 365LL * DAY)
            return vk_pay_refuse(c, 400, NULL, "cancel_at",
                                 "The `cancel_at` timestamp can be at most %d years in the future.",
                                 YEARS_AHEAD);
        when = at->u.i;
    } else if (vk_pv_is(at, VK_PV_STR) || vk_pv_flag(c->params, "cancel_at_period_end")) {
        when = end;
    }
    vk_fill_bool(&f, "cancel_at_period_end", vk_pv_flag(c->params, "cancel_at_period_end"));
    if (when) {
        vk_fill_int(&f, "cancel_at", when);
        vk_fill_int(&f, "canceled_at", c->now);
        vk_fill_str(&f, "cancellation_details.reason", VK_STR("cancellation_requested"));
    } else {
        vk_fill_null(&f, "cancel_at");
        vk_fill_null(&f, "canceled_at");
        vk_fill_null(&f, "cancellation_details.reason");
    }
    return f.bad ? VK_E_NOMEM : VK_OK;
}

static vk_err made_with(vk_pay_call *c, vk_pv *doc)
{
    vk_str save = vk_pv_text(c->params, "payment_settings.save_default_payment_method");
    if (save.p && !vk_pv_put_str(c->arena, doc, "payment_settings.save_default_payment_method", save))
        return VK_E_NOMEM;
    return cancel_later(c, doc);
}

vk_err vk_pay_subscription_create(vk_pay_call *c)
{
    vk_pv *customer, *first, *items = NULL, *discounts = NULL, *doc;
    vk_pay_paid paid;
    vk_pay_subscribe ask = {
        .customer = vk_pv_text(c->params, "customer"),
        .metadata = vk_pv_get(c->params, "metadata"),
        .description = vk_pv_text(c->params, "description"),
        .missing_method = vk_pv_text(c->params, "trial_settings.end_behavior.missing_payment_method"),
        .on_session = !vk_pv_flag(c->params, "off_session"),
        .more = made_with,
    };
    vk_str method = vk_pv_text(c->params, "default_payment_method");
    vk_err e = vk_pay_need(c, &vk_pay_r_customer, ask.customer, "customer", &customer);
    if (e == VK_OK)
        e = collection(c, &ask);
    if (e == VK_OK && method.n) {
        e = default_method(c, method, ask.customer);
        ask.method = method;
    }
    if (e == VK_OK)
        e = items_of(c, &first, &items);
    if (e == VK_OK)
        e = trial_of(c, first, &ask.trial_end);
    if (e == VK_OK)
        e = discounts_of(c, ask.customer, first, items, &discounts);
    if (e != VK_OK)
        return e;
    ask.items = items;
    ask.discounts = discounts;
    e = vk_pay_subscribe_new(c, &ask, &doc, &paid);
    if (e == VK_OK)
        e = vk_pay_discounts_redeem(c, discounts);
    if (e == VK_OK)
        c->result = doc;
    return e;
}

/* ---- read */

vk_err vk_pay_subscription_retrieve(vk_pay_call *c)
{
    return vk_pay_subscription_due(c, c->doc);
}

vk_err vk_pay_subscription_list(vk_pay_call *c)
{
    static const char *const running[] = {
        "incomplete", "incomplete_expired", "trialing", "active", "past_due", "unpaid", "paused"};
    static const char *const ended[] = {"canceled", "incomplete_expired"};
    vk_str status = vk_pv_text(c->params, "status");
    if (given(c->params, "current_period_start") || given(c->params, "current_period_end"))
        return vk_pay_refuse_absent(c, "current_period_end", "A list of subscriptions by their period");
    vk_err e = vk_pay_due(c);
    if (e != VK_OK || vk_str_eqz(status, "all")) {
        vk_pv_del(c->params, "status");
        return e;
    }
    bool over = vk_str_eqz(status, "ended");
    if (status.p && !over)
        return VK_OK;
    vk_pv *any = vk_pv_arr(c->arena);
    bool ok = true;
    for (size_t i = 0; i < (over ? VK_COUNT(ended) : VK_COUNT(running)); i++)
        ok &= vk_pv_add(c->arena, any, vk_pv_str(c->arena, vk_str_z(over ? ended[i] : running[i])));
    return ok && vk_pv_set(c->arena, c->params, "status", any) ? VK_OK : VK_E_NOMEM;
}

vk_err vk_pay_subscription_item_list(vk_pay_call *c)
{
    vk_pv *doc;
    vk_str id = vk_pv_text(c->params, "subscription");
    vk_err e = vk_pay_need(c, &vk_pay_r_subscription, id, "subscription", &doc);
    if (e != VK_OK)
        return e;
    vk_str url = vk_arena_printf(c->arena, "/v1/subscription_items?subscription=" VK_STR_FMT, VK_STR_ARG(id));
    return url.p ? vk_pay_list_inner(c, &vk_pay_r_subscription_item, vk_pv_at(doc, "items.data"), url)
                 : VK_E_NOMEM;
}

vk_err vk_pay_subscription_item_retrieve(vk_pay_call *c)
{
    vk_pv **docs;
    size_t n;
    vk_err e = vk_pay_find(c, &vk_pay_r_subscription, "items.data[].id", c->id[0], 1, &docs, &n);
    if (e != VK_OK)
        return e;
    VK_PV_EACH(item, n ? vk_pv_at(docs[0], "items.data") : NULL)
    {
        if (vk_str_eq(vk_pv_text(item, "id"), c->id[0]))
            c->result = item;
    }
    return c->result ? VK_OK : vk_pay_refuse_unknown(c, &vk_pay_r_subscription_item, c->id[0], NULL);
}

/* ---- change */

static bool over(const vk_pv *doc)
{
    vk_str status = vk_pv_text(doc, "status");
    return vk_str_eqz(status, "canceled") || vk_str_eqz(status, "incomplete_expired");
}

static void details(vk_pay_call *c, vk_pay_fill *f)
{
    static const char *const members[] = {"comment", "feedback"};
    const vk_pv *details = vk_pv_get(c->params, "cancellation_details");
    for (size_t i = 0; i < VK_COUNT(members); i++) {
        const vk_pv *v = vk_pv_get(details, members[i]);
        vk_str path = vk_arena_printf(c->arena, "cancellation_details.%s", members[i]);
        if (v && path.p)
            vk_fill(f, path.p, vk_pv_copy(c->arena, v));
        f->bad |= !path.p;
    }
}

vk_err vk_pay_subscription_update(vk_pay_call *c)
{
    vk_pv *doc = c->doc;
    vk_str method = vk_pv_text(c->params, "default_payment_method");
    vk_pay_fill f = {c->arena, doc, false};
    bool more = vk_pv_get(c->params, "cancel_at") || vk_pv_get(c->params, "cancel_at_period_end") ||
                vk_pv_get(c->params, "default_payment_method") || vk_pv_get(c->params, "description");
    if (over(doc) && more)
        return vk_pay_refuse(
            c, 400, NULL, NULL,
            "A canceled subscription can only update its cancellation_details and metadata.");
    vk_err e = method.n ? default_method(c, method, vk_pv_text(doc, "customer")) : VK_OK;
    if (e == VK_OK)
        e = cancel_later(c, doc);
    details(c, &f);
    if (e == VK_OK)
        e = f.bad ? VK_E_NOMEM : vk_pay_put(c, doc);
    if (e == VK_OK)
        e = vk_pay_subscription_wake(c, doc);
    if (e == VK_OK)
        e = vk_pay_event_changed(c, "customer.subscription.updated", &vk_pay_r_subscription, doc);
    c->result = doc;
    return e;
}

vk_err vk_pay_subscription_cancel(vk_pay_call *c)
{
    vk_pv *doc;
    vk_err e = vk_pay_need(c, &vk_pay_r_subscription, c->id[0], NULL, &doc);
    if (e != VK_OK)
        return e;
    if (over(doc))
        return vk_pay_refuse_unknown(c, &vk_pay_r_subscription, c->id[0], NULL);
    if (vk_pv_flag(c->params, "invoice_now") || vk_pv_flag(c->params, "prorate"))
        return vk_pay_refuse_absent(c, vk_pv_flag(c->params, "prorate") ? "prorate" : "invoice_now",
                                    "A last invoice with prorations");
    vk_pay_fill f = {c->arena, doc, false};
    details(c, &f);
    e = f.bad ? VK_E_NOMEM : vk_pay_subscription_end(c, doc);
    c->result = doc;
    return e;
}
