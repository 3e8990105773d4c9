/* Payment links: addresses that make a session of what the link says, each time somebody opens one.
 *
 * A link has, besides what is shown of it: `token`, which its address ends with, and `_mode`.
 * https://docs.stripe.com/payment-links/api */
#include "services/payments/billing.h"
#include "services/payments/generic.h"
#include "services/payments/resources/runs.h"

enum {
    LINK_ITEMS = 20, /* Stripe's limit for links */
    SESSIONS_MAX = 1000000000,
};

static bool given(const vk_pv *o, const char *name)
{
    return !vk_pv_is_null(vk_pv_get(o, name));
}

/* ---- what create and update share */

static vk_err after_completion(vk_pay_call *c, vk_pay_fill *f)
{
    const vk_pv *after = vk_pv_get(c->params, "after_completion");
    vk_str url = vk_pv_text(after, "redirect.url"), type = vk_pv_text(after, "type");
    if (!after)
        return VK_OK;
    bool redirect = vk_str_eqz(type, "redirect");
    if (redirect && !url.p)
        return vk_pay_refuse_missing(c, "after_completion[redirect][url]");
    if (redirect && !vk_pay_url_ok(url))
        return vk_pay_refuse(c, 400, "url_invalid", "after_completion[redirect][url]", "Not a valid URL");
    vk_fill(f, "after_completion", vk_pv_obj(c->arena));
    vk_fill_str(f, "after_completion.type", type);
    if (redirect)
        vk_fill_str(f, "after_completion.redirect.url", url);
    else
        vk_fill_str(f, "after_completion.hosted_confirmation.custom_message",
                    vk_pv_text(after, "hosted_confirmation.custom_message"));
    return VK_OK;
}

static vk_err restrictions(vk_pay_call *c, vk_pay_fill *f)
{
    const vk_pv *r = vk_pv_get(c->params, "restrictions");
    int64_t limit = vk_pv_number(r, "completed_sessions.limit", 0);
    if (!r)
        return VK_OK;
    if (vk_pv_is_null(r)) {
        vk_fill_null(f, "restrictions");
        return VK_OK;
    }
    if (limit < 1 || limit > SESSIONS_MAX)
        return vk_pay_refuse(c, 400, NULL, "restrictions[completed_sessions][limit]",
                             "This value must be greater than or equal to 1.");
    vk_fill_int(f, "restrictions.completed_sessions.limit", limit);
    vk_fill_int(f, "restrictions.completed_sessions.count",
                vk_pv_number(f->o, "restrictions.completed_sessions.count", 0));
    return VK_OK;
}

/* Data that its sessions get. */
static vk_err session_data(vk_pay_call *c, vk_pay_fill *f)
{
    static const char *const data[] = {"payment_intent_data", "subscription_data"};
    const vk_pv *p = c->params;
    int64_t days = vk_pv_number(p, "subscription_data.trial_period_days", 1);
    bool payment = vk_str_eqz(vk_pv_text(f->o, "_mode"), "payment");
    if (given(p, payment ? "subscription_data" : "payment_intent_data"))
        return vk_pay_refuse(c, 400, NULL, payment ? "subscription_data" : "payment_intent_data",
                             "You can not pass `%s` in `%s` mode.",
                             payment ? "subscription_data" : "payment_intent_data",
                             payment ? "payment" : "subscription");
    if (days < 1 || days > VK_PAY_TRIAL_DAYS)
        return vk_pay_refuse(c, 400, NULL, "subscription_data[trial_period_days]",
                             "The number of trial days must be between 1 and %d.", VK_PAY_TRIAL_DAYS);
    for (size_t i = 0; i < VK_COUNT(data); i++) {
        VK_PV_EACH(m, vk_pv_get(p, data[i]))
        {
            vk_str path = vk_arena_printf(c->arena, "%s." VK_STR_FMT, data[i], VK_STR_ARG(m->key));
            f->bad |= !path.p;
            if (path.p)
                vk_fill(f, path.p, vk_pv_copy(c->arena, m));
        }
    }
    if (vk_pv_flag(p, "automatic_tax.enabled")) {
        vk_pay_notice(c, "Automatic tax computes nothing here: there are no registrations, so the tax is 0.");
        vk_fill_bool(f, "automatic_tax.enabled", true);
    }
    if (vk_pv_flag(p, "tax_id_collection.enabled"))
        vk_pay_notice(c, "The page asks for no tax id.");
    vk_fill_copy(f, "tax_id_collection.enabled", p, "tax_id_collection.enabled");
    if (vk_pv_flag(payment ? p : NULL, "invoice_creation.enabled") &&
        vk_str_eqz(vk_pv_text(p, "payment_intent_data.capture_method"), "manual"))
        return vk_pay_refuse(
            c, 400, NULL, "invoice_creation",
            "`invoice_creation` cannot be used with a `payment_intent_data[capture_method]` of "
            "`manual`.");
    if (payment && given(p, "invoice_creation"))
        vk_fill_copy(f, "invoice_creation", p, "invoice_creation");
    return VK_OK;
}

static vk_err fields_and_shipping(vk_pay_call *c, vk_pay_fill *f)
{
    vk_pv *fields, *options;
    vk_err e = VK_OK;
    if (vk_pv_get(c->params, "custom_fields")) {
        e = vk_pay_custom_fields(c, c->params, &fields);
        if (e == VK_OK)
            vk_fill(f, "custom_fields", fields);
    }
    if (e == VK_OK && vk_pv_get(c->params, "shipping_options")) {
        if (!vk_str_eqz(vk_pv_text(f->o, "_mode"), "payment"))
            return vk_pay_refuse(c, 400, NULL, "shipping_options",
                                 "`shipping_options` can only be used in `payment` mode.");
        e = vk_pay_shipping_options(c, c->params, vk_pv_text(f->o, "currency"), &options);
        if (e == VK_OK)
            vk_fill(f, "shipping_options", options);
    }
    return e;
}

static vk_err sum(vk_pay_call *c, vk_pv *link)
{
    vk_pay_sums sums;
    const char *why = NULL;
    vk_str currency = vk_pv_text(link, "currency");
    vk_err e = vk_pay_items_sum(c, vk_pv_at(link, "line_items.data"), NULL, NULL, currency,
                                VK_PAY_ONCE | VK_PAY_RECURRING, VK_STR_NONE, &sums, &why);
    if (e == VK_E_INVALID || (e == VK_OK && sums.total > VK_PAY_TOTAL_MAX))
        return vk_pay_refuse(c, 400, "amount_too_large", "line_items", "The amounts are too large.");
    if (e == VK_OK && sums.total > 0 && sums.total < vk_pay_least(currency))
        return vk_pay_refuse(c, 400, "amount_too_small", "line_items",
                             "The Payment Link's total amount due must add up to at least " VK_STR_FMT,
                             VK_STR_ARG(vk_pay_amount_code(c->arena, vk_pay_least(currency), currency)));
    return e;
}

static vk_err shared(vk_pay_call *c, vk_pay_fill *f)
{
    vk_err e = after_completion(c, f);
    if (e == VK_OK)
        e = restrictions(c, f);
    if (e == VK_OK)
        e = session_data(c, f);
    if (e == VK_OK)
        e = fields_and_shipping(c, f);
    if (e == VK_OK && f->bad)
        e = VK_E_NOMEM;
    return e == VK_OK ? sum(c, f->o) : e;
}

/* ---- calls */

vk_err vk_pay_payment_link_create(vk_pay_call *c)
{
    vk_pv *link = c->doc, *items;
    vk_str currency = vk_pv_text(c->params, "currency"), mode = VK_STR_NONE;
    const vk_pv *given_items = vk_pv_get(c->params, "line_items");
    vk_pay_fill f = {c->arena, link, false};
    if (given_items && given_items->count > LINK_ITEMS)
        return vk_pay_refuse(c, 400, NULL, "line_items",
                             "Array line_items exceeded maximum %d allowed elements.", LINK_ITEMS);
    vk_err e = vk_pay_items_make(c, c->params, "line_items", &currency, &items);
    if (e == VK_OK)
        e = vk_pay_items_mode(c, items, &mode);
    if (e != VK_OK)
        return e;
    vk_str token = vk_pay_id(c, "", VK_PAY_TOKEN);
    vk_fill_bool(&f, "active", true);
    vk_fill_str(&f, "currency", currency);
    vk_fill(&f, "line_items.data", items);
    vk_fill_str(&f, "_mode", mode);
    vk_fill_str(&f, "token", token);
    vk_fill_made(&f, "url",
                 vk_arena_printf(c->arena, VK_STR_FMT "/b/%s/pay/" VK_STR_FMT, VK_STR_ARG(c->browser_base),
                                 c->about->build, VK_STR_ARG(token)));
    if (f.bad || !token.p)
        return VK_E_NOMEM;
    return shared(c, &f);
}

/* Quantities of items that it has. */
static vk_err items_changed(vk_pay_call *c, vk_pv *link)
{
    size_t i = 0;
    VK_PV_EACH(p, vk_pv_get(c->params, "line_items"))
    {
        vk_pv *item = NULL;
        vk_str id = vk_pv_text(p, "id");
        const char *name = vk_arena_printf(c->arena, "line_items[%zu][id]", i++).p;
        int64_t quantity = vk_pv_number(p, "quantity", 1);
        VK_PV_EACH(x, vk_pv_at(link, "line_items.data"))
        {
            if (vk_str_eq(vk_pv_text(x, "id"), id))
                item = x;
        }
        if (!item)
            return vk_pay_refuse_unknown(c, &vk_pay_r_item, id, name ? name : "line_items");
        if (quantity < 1 || quantity > VK_PAY_QUANTITY_MAX)
            return vk_pay_refuse(c, 400, "parameter_invalid_integer", name,
                                 "This value must be greater than or equal to 1.");
        vk_pay_fill f = {c->arena, item, false};
        vk_fill_copy(&f, "quantity", p, "quantity");
        /* Also when the quantity alone changes: it has to lie within. */
        const vk_pv *may = vk_pv_get(given(p, "adjustable_quantity") ? p : item, "adjustable_quantity");
        vk_pv *copy = vk_pv_is_null(may) ? NULL : vk_pv_copy(c->arena, may);
        const char *of_may = vk_arena_printf(c->arena, "line_items[%zu][adjustable_quantity]", i - 1).p;
        if (!of_may || (!copy && !vk_pv_is_null(may)))
            return VK_E_NOMEM;
        vk_err e = vk_pay_adjustable(c, copy, of_may, &f, vk_pv_number(item, "quantity", 1));
        if (e != VK_OK)
            return e;
        if (f.bad)
            return VK_E_NOMEM;
    }
    return VK_OK;
}

vk_err vk_pay_payment_link_update(vk_pay_call *c)
{
    vk_pay_fill f = {c->arena, c->doc, false};
    vk_err e = items_changed(c, c->doc);
    return e == VK_OK ? shared(c, &f) : e;
}

vk_err vk_pay_payment_link_line_items(vk_pay_call *c)
{
    vk_pv *link;
    vk_err e = vk_pay_need(c, &vk_pay_r_payment_link, c->id[0], NULL, &link);
    if (e != VK_OK)
        return e;
    vk_str url =
        vk_arena_printf(c->arena, "/v1/payment_links/" VK_STR_FMT "/line_items", VK_STR_ARG(c->id[0]));
    return url.p ? vk_pay_list_inner(c, &vk_pay_r_item, vk_pv_at(link, "line_items.data"), url) : VK_E_NOMEM;
}

/* ---- its sessions */

static vk_pv *items_of(vk_pay_call *c, const vk_pv *link)
{
    vk_pv *items = vk_pv_copy(c->arena, vk_pv_at(link, "line_items.data"));
    VK_PV_EACH(item, items)
    {
        vk_str id = vk_pay_id(c, vk_pay_r_item.prefix, vk_pay_r_item.random);
        if (!id.p || !vk_pv_put_str(c->arena, item, "id", id))
            return NULL;
    }
    return items;
}

/* The options that the link has, as parameters name them. */
static vk_pv *options_of(vk_pay_call *c, const vk_pv *link)
{
    vk_pv *params = vk_pv_obj(c->arena), *options = vk_pv_arr(c->arena);
    VK_PV_EACH(o, vk_pv_get(link, "shipping_options"))
    {
        vk_pv *one = vk_pv_obj(c->arena);
        if (!vk_pv_put_str(c->arena, one, "shipping_rate", vk_pv_text(o, "shipping_rate")) ||
            !vk_pv_add(c->arena, options, one))
            return NULL;
    }
    return vk_pv_put(c->arena, params, "shipping_options", options) ? params : NULL;
}

/* By the end of its address. */
static vk_err by_token(vk_pay_call *c, vk_str token, vk_pv **link_r)
{
    vk_pv **links;
    size_t n;
    vk_err e = vk_pay_find(c, &vk_pay_r_payment_link, "token", token, 1, &links, &n);
    if (e == VK_OK && n)
        *link_r = links[0];
    return e == VK_OK && !n ? VK_E_NOT_FOUND : e;
}

vk_err vk_pay_link_session(vk_pay_call *c, vk_str token, vk_pv **session_r)
{
    static const char *const same[] = {
        "allow_promotion_codes",
        "automatic_tax",
        "billing_address_collection",
        "consent_collection",
        "custom_fields",
        "custom_text",
        "customer_creation",
        "invoice_creation",
        "metadata",
        "payment_method_collection",
        "phone_number_collection",
        "shipping_address_collection",
        "submit_type",
    };
    vk_pv *link, *s;
    vk_err e = by_token(c, token, &link);
    if (e != VK_OK)
        return e;
    int64_t limit = vk_pv_number(link, "restrictions.completed_sessions.limit", 0);
    if (!vk_pv_flag(link, "active") ||
        (limit && vk_pv_number(link, "restrictions.completed_sessions.count", 0) >= limit))
        return VK_E_FORBIDDEN;
    e = vk_pay_new(c, &vk_pay_r_session, VK_STR_NONE, &s);
    if (e != VK_OK)
        return e;
    bool subscription = vk_str_eqz(vk_pv_text(link, "_mode"), "subscription");
    vk_pay_fill f = {c->arena, s, false};
    for (size_t i = 0; i < VK_COUNT(same); i++)
        vk_fill_copy(&f, same[i], link, same[i]);
    if (subscription)
        vk_pv_del(s, "customer_creation");
    else
        vk_pv_del(s, "payment_method_collection");
    vk_fill_str(&f, "payment_link", vk_pv_text(link, "id"));
    vk_fill_copy(&f, "success_url", link, "after_completion.redirect.url");
    vk_fill_copy(&f, "_given.payment_intent_data", link, "payment_intent_data");
    vk_fill_copy(&f, "_given.subscription_data", link, "subscription_data");
    vk_fill_copy(&f, "mode", link, "_mode");
    vk_pv *items = items_of(c, link), *params = options_of(c, link);
    if (f.bad || !items || !params)
        return VK_E_NOMEM;
    *session_r = s;
    e = vk_pay_session_finish(c, s, items, vk_pv_text(link, "currency"), params);
    return e == VK_OK ? vk_pay_put(c, s) : e;
}

vk_err vk_pay_link_count(vk_pay_call *c, vk_str id)
{
    vk_pv *link;
    vk_err e = vk_pay_get(c, &vk_pay_r_payment_link, id, &link);
    int64_t limit = e == VK_OK ? vk_pv_number(link, "restrictions.completed_sessions.limit", 0) : 0;
    if (e != VK_OK || !limit)
        return e == VK_E_NOT_FOUND ? VK_OK : e;
    int64_t count = vk_pv_number(link, "restrictions.completed_sessions.count", 0) + 1;
    if (!vk_pv_put_int(c->arena, link, "restrictions.completed_sessions.count", count))
        return VK_E_NOMEM;
    return vk_pay_store_changed(c, &vk_pay_r_payment_link, link);
}
