/* What sessions and payment links ask customers for, and what a session comes to. */
#include "services/payments/billing.h"

enum {
    SHIPPING_OPTIONS = 5,
    CUSTOM_FIELDS = 3,
    DROPDOWN = 200,
};

static bool given(const vk_pv *params, const char *name)
{
    return !vk_pv_is_null(vk_pv_get(params, name));
}

/* ---- custom fields */

static bool plain(vk_str s, size_t most)
{
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        if (!((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')))
            return false;
    }
    return s.n > 0 && s.n <= most;
}

static vk_err field_options(vk_pay_call *c, const vk_pv *f, const char *name)
{
    const vk_pv *options = vk_pv_at(f, "dropdown.options");
    if (!options || options->count == 0)
        return vk_pay_refuse_missing(c, vk_arena_printf(c->arena, "%s[dropdown][options]", name).p);
    if (options->count > DROPDOWN)
        return vk_pay_refuse(c, 400, NULL, name, "Array options exceeded maximum %d allowed elements.",
                             DROPDOWN);
    VK_PV_EACH(o, options)
    {
        if (!plain(vk_pv_text(o, "value"), 100) || vk_pv_text(o, "label").n > 100)
            return vk_pay_refuse(
                c, 400, NULL, name,
                "The value of an option must be alphanumeric, and value and label at most 100 "
                "characters.");
        VK_PV_EACH(other, options)
        {
            if (other != o && vk_str_eq(vk_pv_text(o, "value"), vk_pv_text(other, "value")))
                return vk_pay_refuse(c, 400, NULL, name, "The values of options must be unique.");
        }
    }
    return VK_OK;
}

static vk_err one_field(vk_pay_call *c, const vk_pv *f, const char *name, vk_pv *out)
{
    static const char *const types[] = {"dropdown", "numeric", "text"};
    vk_str type = vk_pv_text(f, "type"), label = vk_pv_text(f, "label.custom"), key = vk_pv_text(f, "key");
    if (!plain(key, 200))
        return vk_pay_refuse(c, 400, NULL, vk_arena_printf(c->arena, "%s[key]", name).p,
                             "The key of a custom field must be alphanumeric and at most 200 characters.");
    if (label.n > 50)
        return vk_pay_refuse(c, 400, NULL, vk_arena_printf(c->arena, "%s[label][custom]", name).p,
                             "Invalid string: " VK_STR_FMT "; must be at most 50 characters",
                             VK_STR_ARG(label));
    for (size_t i = 0; i < VK_COUNT(types); i++) {
        if (!vk_str_eqz(type, types[i]) && given(f, types[i]))
            return vk_pay_refuse(c, 400, NULL, name, "`%s` can only be used with the type `%s`.", types[i],
                                 types[i]);
    }
    vk_err e = vk_str_eqz(type, "dropdown") ? field_options(c, f, name) : VK_OK;
    if (e != VK_OK)
        return e;
    vk_pay_fill o = {c->arena, out, false};
    vk_fill_str(&o, "key", key);
    vk_fill_str(&o, "label.custom", label);
    vk_fill_str(&o, "label.type", VK_STR("custom"));
    vk_fill_bool(&o, "optional", vk_pv_flag(f, "optional"));
    vk_fill_str(&o, "type", type);
    vk_pv *of_type = vk_pv_get_n(f, type);
    const char *member = vk_arena_dup(c->arena, type).p;
    vk_fill(&o, member ? member : "text", of_type ? vk_pv_copy(c->arena, of_type) : vk_pv_obj(c->arena));
    return o.bad ? VK_E_NOMEM : VK_OK;
}

vk_err vk_pay_custom_fields(vk_pay_call *c, const vk_pv *params, vk_pv **fields_r)
{
    const vk_pv *all = vk_pv_get(params, "custom_fields");
    vk_pv *fields = vk_pv_arr(c->arena);
    size_t i = 0;
    if (all && all->count > CUSTOM_FIELDS)
        return vk_pay_refuse(c, 400, NULL, "custom_fields",
                             "Array custom_fields exceeded maximum %d allowed elements.", CUSTOM_FIELDS);
    VK_PV_EACH(f, all)
    {
        vk_pv *one = vk_pv_obj(c->arena);
        const char *name = vk_arena_printf(c->arena, "custom_fields[%zu]", i++).p;
        vk_err e = name ? one_field(c, f, name, one) : VK_E_NOMEM;
        if (e != VK_OK)
            return e;
        VK_PV_EACH(other, fields)
        {
            if (vk_str_eq(vk_pv_text(other, "key"), vk_pv_text(one, "key")))
                return vk_pay_refuse(c, 400, NULL, name, "The keys of custom fields must be unique.");
        }
        if (!vk_pv_add(c->arena, fields, one))
            return VK_E_NOMEM;
    }
    *fields_r = fields;
    return fields ? VK_OK : VK_E_NOMEM;
}

/* ---- shipping */

static vk_err shipping_made(vk_pay_call *c, const vk_pv *data, vk_pv **rate_r)
{
    static const char *const same[] = {"display_name", "delivery_estimate", "metadata", "tax_code"};
    vk_err e = vk_pay_new(c, &vk_pay_r_shipping_rate, VK_STR_NONE, rate_r);
    if (e != VK_OK)
        return e;
    vk_str behavior = vk_pv_text(data, "tax_behavior");
    vk_pay_fill f = {c->arena, *rate_r, false};
    vk_fill_bool(&f, "active", true);
    for (size_t i = 0; i < VK_COUNT(same); i++)
        vk_fill_copy(&f, same[i], data, same[i]);
    vk_fill_copy(&f, "fixed_amount.amount", data, "fixed_amount.amount");
    vk_fill_copy(&f, "fixed_amount.currency", data, "fixed_amount.currency");
    vk_fill_str(&f, "tax_behavior", behavior.p ? behavior : VK_STR("unspecified"));
    vk_fill_str(&f, "type", VK_STR("fixed_amount"));
    return f.bad ? VK_E_NOMEM : vk_pay_put(c, *rate_r);
}

static vk_err shipping_option(vk_pay_call *c, const vk_pv *p, size_t i, vk_str currency, vk_pv *out)
{
    vk_str id = vk_pv_text(p, "shipping_rate");
    const vk_pv *data = vk_pv_get(p, "shipping_rate_data");
    const char *name = vk_arena_printf(c->arena, "shipping_options[%zu][shipping_rate]", i).p;
    const char *of_data = vk_arena_printf(c->arena, "shipping_options[%zu][shipping_rate_data]", i).p;
    vk_pv *rate;
    if (!name || !of_data)
        return VK_E_NOMEM;
    if (id.p && data)
        return vk_pay_refuse_both(c, name, of_data);
    if (!id.p && !data)
        return vk_pay_refuse_missing(c, name);
    if (data && !vk_pv_is(vk_pv_at(data, "fixed_amount.amount"), VK_PV_INT))
        return vk_pay_refuse_missing(c, vk_arena_printf(c->arena, "%s[fixed_amount]", of_data).p);
    vk_err e =
        data ? vk_pay_within(c, vk_pv_at(data, "fixed_amount.amount"), 0, VK_PAY_TOTAL_MAX, of_data) : VK_OK;
    if (e == VK_OK)
        e = data ? shipping_made(c, data, &rate) : vk_pay_need(c, &vk_pay_r_shipping_rate, id, name, &rate);
    if (e != VK_OK)
        return e;
    if (!data && !vk_pv_is_null(vk_pv_get(rate, "active")) && !vk_pv_flag(rate, "active"))
        return vk_pay_refuse(c, 400, NULL, name, "The shipping rate `" VK_STR_FMT "` is not active.",
                             VK_STR_ARG(id));
    if (!vk_str_ieq(vk_pv_text(rate, "fixed_amount.currency"), currency))
        return vk_pay_refuse(c, 400, NULL, data ? of_data : name,
                             "The shipping rate's currency doesn't match the expected currency: `" VK_STR_FMT
                             "`.",
                             VK_STR_ARG(currency));
    vk_pay_fill f = {c->arena, out, false};
    vk_fill_int(&f, "shipping_amount", vk_pv_number(rate, "fixed_amount.amount", 0));
    vk_fill_str(&f, "shipping_rate", vk_pv_text(rate, "id"));
    return f.bad ? VK_E_NOMEM : VK_OK;
}

vk_err vk_pay_shipping_options(vk_pay_call *c, const vk_pv *params, vk_str currency, vk_pv **options_r)
{
    const vk_pv *all = vk_pv_get(params, "shipping_options");
    vk_pv *options = vk_pv_arr(c->arena);
    size_t i = 0;
    if (all && all->count > SHIPPING_OPTIONS)
        return vk_pay_refuse(c, 400, NULL, "shipping_options",
                             "Array shipping_options exceeded maximum %d allowed elements.",
                             SHIPPING_OPTIONS);
    VK_PV_EACH(p, all)
    {
        vk_pv *o = vk_pv_obj(c->arena);
        vk_err e = shipping_option(c, p, i++, currency, o);
        if (e != VK_OK)
            return e;
        if (!vk_pv_add(c->arena, options, o))
            return VK_E_NOMEM;
    }
    *options_r = options;
    return options ? VK_OK : VK_E_NOMEM;
}

/* ---- amounts */

static vk_err breakdown(vk_pay_call *c, const vk_pv *items, const vk_pv *objects, vk_pay_fill *f)
{
    vk_pv *discounts = vk_pv_arr(c->arena), *taxes = vk_pv_arr(c->arena);
    size_t i = 0;
    VK_PV_EACH(o, objects)
    {
        int64_t amount = 0;
        size_t k = i++;
        VK_PV_EACH(item, items)
        {
            const vk_pv *d = vk_pv_first(vk_pv_get(item, "discounts"));
            for (size_t j = 0; d && j < k; j++)
                d = d->next;
            amount += vk_pv_number(d, "amount", 0);
        }
        vk_pv *one = vk_pv_obj(c->arena);
        vk_pay_fill g = {c->arena, one, false};
        vk_fill_int(&g, "amount", amount);
        vk_fill(&g, "discount", vk_pv_copy(c->arena, o));
        if (g.bad || !vk_pv_add(c->arena, discounts, one))
            return VK_E_NOMEM;
    }
    VK_PV_EACH(item, items)
    {
        VK_PV_EACH(t, vk_pv_get(item, "taxes"))
        {
            vk_pv *same = NULL;
            VK_PV_EACH(x, taxes)
            {
                if (vk_str_eq(vk_pv_text(x, "rate"), vk_pv_text(t, "rate")))
                    same = x;
            }
            if (!same) {
                if (!vk_pv_add(c->arena, taxes, vk_pv_copy(c->arena, t)))
                    return VK_E_NOMEM;
                continue;
            }
            vk_pay_fill g = {c->arena, same, false};
            vk_fill_int(&g, "amount", vk_pv_number(same, "amount", 0) + vk_pv_number(t, "amount", 0));
            vk_fill_int(&g, "taxable_amount",
                        vk_pv_number(same, "taxable_amount", 0) + vk_pv_number(t, "taxable_amount", 0));
            if (g.bad)
                return VK_E_NOMEM;
        }
    }
    vk_fill(f, "total_details.breakdown.discounts", discounts);
    vk_fill(f, "total_details.breakdown.taxes", taxes);
    return VK_OK;
}

static bool has_trial(const vk_pv *session)
{
    return vk_pv_number(session, "_given.subscription_data.trial_period_days", 0) > 0 ||
           vk_pv_number(session, "_given.subscription_data.trial_end", 0) > 0;
}

vk_err vk_pay_session_sum(vk_pay_call *c, vk_pv *s, const char **why_r)
{
    vk_pv *items = vk_pv_at(s, "line_items.data"), *customer = NULL;
    const vk_pv *objects = vk_pv_get(s, "_objects");
    vk_str id = vk_pv_text(s, "customer"), exempt = VK_STR_NONE;
    vk_pay_sums sums;
    if (vk_str_eqz(vk_pv_text(s, "mode"), "setup"))
        return VK_OK;
    vk_err e = id.p ? vk_pay_get(c, &vk_pay_r_customer, id, &customer) : VK_OK;
    if (e == VK_OK)
        exempt = vk_pv_text(customer, "tax_exempt");
    unsigned which = VK_PAY_ONCE | VK_PAY_RECURRING | (has_trial(s) ? VK_PAY_FREE : 0);
    if (e == VK_OK)
        e = vk_pay_items_sum(c, items, vk_pv_get(s, "discounts"), objects, vk_pv_text(s, "currency"), which,
                             exempt, &sums, why_r);
    if (e != VK_OK)
        return e;
    int64_t shipping = vk_pv_number(s, "shipping_cost.amount_total", 0);
    vk_pay_fill f = {c->arena, s, false};
    vk_fill_int(&f, "amount_subtotal", sums.subtotal);
    vk_fill_int(&f, "amount_total", sums.total + shipping);
    vk_fill_int(&f, "total_details.amount_discount", sums.discount);
    vk_fill_int(&f, "total_details.amount_shipping", shipping);
    vk_fill_int(&f, "total_details.amount_tax", sums.tax);
    e = breakdown(c, items, objects, &f);
    return e == VK_OK && f.bad ? VK_E_NOMEM : e;
}

/* ---- what has begun and is not wanted any more */

vk_err vk_pay_intent_drop(vk_pay_call *c, const vk_pay_resource *r, vk_str id, vk_str reason)
{
    vk_pv *intent;
    if (!id.p)
        return VK_OK;
    vk_err e = vk_pay_get(c, r, id, &intent);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_OK : e;
    vk_str status = vk_pv_text(intent, "status");
    if (vk_str_eqz(status, "succeeded") || vk_str_eqz(status, "canceled"))
        return VK_OK;
    return r == &vk_pay_r_setup_intent ? vk_pay_setup_cancel(c, intent, reason)
                                       : vk_pay_payment_cancel(c, intent, reason);
}
