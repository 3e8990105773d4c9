/* Line items of sessions and payment links: what they are, and what they come to. */
#include "services/payments/billing.h"

static const char *param_of(vk_pay_call *c, const char *name, size_t i, const char *rest)
{
    vk_str s = vk_arena_printf(c->arena, "%s[%zu]%s", name, i, rest);
    return s.p ? s.p : name;
}

/* ---- items */

vk_err vk_pay_rates_check(vk_pay_call *c, const vk_pv *ids, const char *param)
{
    size_t i = 0;
    if (ids && ids->count > VK_PAY_LINE_RATES)
        return vk_pay_refuse(c, 400, NULL, param, "Array %s exceeded maximum %d allowed elements.", param,
                             VK_PAY_LINE_RATES);
    VK_PV_EACH(id, ids)
    {
        vk_pv *rate;
        const char *name = param_of(c, param, i++, "");
        vk_err e =
            vk_pay_need(c, &vk_pay_r_tax_rate, vk_pv_is(id, VK_PV_STR) ? id->u.s : VK_STR(""), name, &rate);
        if (e != VK_OK)
            return e;
        if (!vk_pv_is_null(vk_pv_get(rate, "active")) && !vk_pv_flag(rate, "active"))
            return vk_pay_refuse(c, 400, NULL, name,
                                 "The tax rate `" VK_STR_FMT "` is not active, so it cannot be used.",
                                 VK_STR_ARG(id->u.s));
    }
    return VK_OK;
}

static vk_err price_given(vk_pay_call *c, vk_str id, const char *param, vk_pv **price_r)
{
    vk_pv *product;
    vk_err e = vk_pay_need(c, &vk_pay_r_price, id, param, price_r);
    if (e != VK_OK)
        return e;
    if (vk_pv_flag(*price_r, "active") == false && !vk_pv_is_null(vk_pv_get(*price_r, "active")))
        return vk_pay_refuse(c, 400, NULL, param,
                             "The price specified is inactive. This field only accepts active prices.");
    if (!vk_pv_is_null(vk_pv_get(*price_r, "custom_unit_amount")))
        return vk_pay_refuse_absent(c, param, "A price whose amount the customer chooses");
    if (vk_str_eqz(vk_pv_text(*price_r, "recurring.usage_type"), "metered"))
        return vk_pay_refuse_absent(c, param, "A metered price");
    e = vk_pay_get(c, &vk_pay_r_product, vk_pv_text(*price_r, "product"), &product);
    if (e == VK_OK && !vk_pv_is_null(vk_pv_get(product, "active")) && !vk_pv_flag(product, "active"))
        return vk_pay_refuse(c, 400, NULL, param,
                             "Price `" VK_STR_FMT
                             "` is not available to be purchased because its product is not active.",
                             VK_STR_ARG(id));
    return e == VK_E_NOT_FOUND ? VK_OK : e;
}

vk_err vk_pay_adjustable(vk_pay_call *c, const vk_pv *a, const char *param, vk_pay_fill *f, int64_t quantity)
{
    if (vk_pv_is_null(a) || !vk_pv_flag(a, "enabled")) {
        vk_fill_null(f, "adjustable_quantity");
        return VK_OK;
    }
    int64_t least = vk_pv_number(a, "minimum", 0), most = vk_pv_number(a, "maximum", 99);
    if (most > VK_PAY_QUANTITY_MAX || most < 1 || least < 0 || least > most)
        return vk_pay_refuse(c, 400, NULL, param,
                             "The minimum must be at least 0 and the maximum at most %d, and not below it.",
                             VK_PAY_QUANTITY_MAX);
    if (quantity < least || quantity > most)
        return vk_pay_refuse(
            c, 400, NULL, param,
            "The quantity must lie between the minimum and the maximum of `adjustable_quantity`.");
    vk_fill_bool(f, "adjustable_quantity.enabled", true);
    vk_fill_int(f, "adjustable_quantity.maximum", most);
    vk_fill_int(f, "adjustable_quantity.minimum", least);
    return VK_OK;
}

static vk_err one_item(vk_pay_call *c, const vk_pv *p, const char *name, size_t i, vk_str *currency,
                       vk_pv **item_r)
{
    vk_str id = vk_pv_text(p, "price");
    const vk_pv *data = vk_pv_get(p, "price_data"), *quantity = vk_pv_get(p, "quantity");
    const char *of_price = param_of(c, name, i, "[price]"), *of_data = param_of(c, name, i, "[price_data]");
    vk_pv *price = NULL, *product = NULL, *item = vk_pv_obj(c->arena);
    if (id.p && data)
        return vk_pay_refuse_both(c, of_price, of_data);
    if (!id.p && !data)
        return vk_pay_refuse_missing(c, of_price);
    if (!vk_pv_is(quantity, VK_PV_INT))
        return vk_pay_refuse(c, 400, "parameter_missing", param_of(c, name, i, "[quantity]"),
                             "Quantity is required. Add `quantity` to `%s`", param_of(c, name, i, ""));
    if (quantity->u.i < 1 || quantity->u.i > 999999999)
        return vk_pay_refuse(c, 400, "parameter_invalid_integer", param_of(c, name, i, "[quantity]"),
                             "This value must be greater than or equal to 1.");
    vk_err e = id.p ? price_given(c, id, of_price, &price) : vk_pay_price_inline(c, data, of_data, &price);
    if (e == VK_OK)
        e = vk_pay_rates_check(c, vk_pv_get(p, "tax_rates"), param_of(c, name, i, "[tax_rates]"));
    if (e == VK_OK)
        e = vk_pay_get(c, &vk_pay_r_product, vk_pv_text(price, "product"), &product);
    if (e != VK_OK)
        return e;
    vk_str cur = vk_pv_text(price, "currency");
    if (!currency->p)
        *currency = cur;
    if (!vk_str_eq(*currency, cur))
        return vk_pay_refuse(c, 400, NULL, id.p ? of_price : of_data,
                             "The price specified only supports `" VK_STR_FMT
                             "`. This doesn't match the expected currency: `" VK_STR_FMT "`.",
                             VK_STR_ARG(cur), VK_STR_ARG(*currency));
    vk_pay_fill f = {c->arena, item, false};
    vk_fill_made(&f, "id", vk_pay_id(c, vk_pay_r_item.prefix, vk_pay_r_item.random));
    vk_fill_str(&f, "object", VK_STR("item"));
    e = vk_pay_adjustable(c, vk_pv_get(p, "adjustable_quantity"),
                          param_of(c, name, i, "[adjustable_quantity]"), &f, quantity->u.i);
    vk_fill_str(&f, "currency", cur);
    vk_fill_str(&f, "description", vk_pv_text(product, "name"));
    vk_fill_copy(&f, "metadata", p, "metadata");
    vk_fill_str(&f, "price", vk_pv_text(price, "id"));
    vk_fill_str(&f, "_product", vk_pv_text(price, "product"));
    vk_fill_int(&f, "quantity", quantity->u.i);
    vk_fill_copy(&f, "_rates", p, "tax_rates");
    *item_r = item;
    return e == VK_OK && f.bad ? VK_E_NOMEM : e;
}

vk_err vk_pay_items_make(vk_pay_call *c, const vk_pv *params, const char *name, vk_str *currency_io,
                         vk_pv **items_r)
{
    const vk_pv *given = vk_pv_get(params, name);
    vk_pv *items = vk_pv_arr(c->arena);
    size_t i = 0;
    if (!given || given->count == 0)
        return vk_pay_refuse_missing(c, name);
    if (given->count > VK_PAY_ITEMS_MAX)
        return vk_pay_refuse(c, 400, NULL, name, "Array %s exceeded maximum %d allowed elements.", name,
                             VK_PAY_ITEMS_MAX);
    VK_PV_EACH(p, given)
    {
        vk_pv *item = NULL;
        vk_err e = one_item(c, p, name, i++, currency_io, &item);
        if (e != VK_OK)
            return e;
        if (!vk_pv_add(c->arena, items, item))
            return VK_E_NOMEM;
    }
    *items_r = items;
    return VK_OK;
}

bool vk_pay_recurs(vk_pay_call *c, const vk_pv *item)
{
    vk_pv *price;
    return vk_pay_get(c, &vk_pay_r_price, vk_pv_text(item, "price"), &price) == VK_OK &&
           vk_str_eqz(vk_pv_text(price, "type"), "recurring");
}

vk_err vk_pay_items_mode(vk_pay_call *c, const vk_pv *items, vk_str *mode_io)
{
    size_t recurring = 0, once = 0;
    vk_str interval = VK_STR_NONE;
    int64_t count = 0;
    VK_PV_EACH(item, items)
    {
        vk_pv *price;
        vk_err e = vk_pay_get(c, &vk_pay_r_price, vk_pv_text(item, "price"), &price);
        if (e != VK_OK)
            return e;
        if (!vk_str_eqz(vk_pv_text(price, "type"), "recurring")) {
            once++;
            continue;
        }
        vk_str i = vk_pv_text(price, "recurring.interval");
        int64_t n = vk_pv_number(price, "recurring.interval_count", 1);
        if (recurring++ && (!vk_str_eq(i, interval) || n != count))
            return vk_pay_refuse(
                c, 400, NULL, "line_items",
                "Checkout does not support multiple prices with different billing intervals.");
        interval = i;
        count = n;
    }
    if (!mode_io->p)
        *mode_io = recurring ? VK_STR("subscription") : VK_STR("payment");
    if (vk_str_eqz(*mode_io, "payment") && recurring)
        return vk_pay_refuse(c, 400, NULL, "line_items",
                             "You specified `payment` mode but passed a recurring price. Either switch to "
                             "`subscription` mode or use only one-time prices.");
    if (vk_str_eqz(*mode_io, "subscription") && !recurring)
        return vk_pay_refuse(
            c, 400, NULL, "line_items",
            "You must provide at least one recurring price in `subscription` mode when using "
            "prices.");
    if (vk_str_eqz(*mode_io, "subscription") &&
        (recurring > VK_PAY_SUB_ITEMS_MAX || once > VK_PAY_SUB_ITEMS_MAX))
        return vk_pay_refuse(
            c, 400, NULL, "line_items",
            "In `subscription` mode there may be at most %d recurring and %d one-time prices.",
            VK_PAY_SUB_ITEMS_MAX, VK_PAY_SUB_ITEMS_MAX);
    return VK_OK;
}

/* ---- amounts */

static vk_err rates_of(vk_pay_call *c, const vk_pv *ids, vk_pv **rates_r)
{
    vk_pv *rates = vk_pv_arr(c->arena);
    VK_PV_EACH(id, ids)
    {
        vk_pv *rate;
        vk_err e = vk_pay_get(c, &vk_pay_r_tax_rate, vk_pv_is(id, VK_PV_STR) ? id->u.s : VK_STR(""), &rate);
        if (e != VK_OK)
            return e;
        if (!vk_pv_add(c->arena, rates, vk_pv_copy(c->arena, rate)))
            return VK_E_NOMEM;
    }
    *rates_r = rates;
    return rates ? VK_OK : VK_E_NOMEM;
}

vk_err vk_pay_items_lines(vk_pay_call *c, const vk_pv *items, unsigned which, vk_str exempt,
                          vk_pay_line **lines_r, size_t *n_r)
{
    size_t n = 0;
    vk_pay_line *lines = vk_arena_calloc(c->arena, ((items ? items->count : 0) + 1) * sizeof(*lines));
    if (!lines)
        return VK_E_NOMEM;
    bool taxed = !vk_str_eqz(exempt, "exempt") && !vk_str_eqz(exempt, "reverse");
    VK_PV_EACH(item, items)
    {
        vk_pv *price, *rates = NULL;
        vk_err e = vk_pay_get(c, &vk_pay_r_price, vk_pv_text(item, "price"), &price);
        if (e != VK_OK)
            return e;
        bool recurs = vk_str_eqz(vk_pv_text(price, "type"), "recurring");
        if (!(which & (recurs ? VK_PAY_RECURRING : VK_PAY_ONCE)))
            continue;
        if (taxed)
            e = rates_of(c, vk_pv_get(item, "_rates"), &rates);
        if (e != VK_OK)
            return e;
        lines[n++] = (vk_pay_line){
            .price = price,
            .product = vk_pv_text(price, "product"),
            .quantity = vk_pv_number(item, "quantity", 1),
            .unit = recurs && (which & VK_PAY_FREE) ? 0 : vk_pay_price_unit(price),
            .tax_rates = rates,
        };
    }
    *lines_r = lines;
    *n_r = n;
    return VK_OK;
}

vk_err vk_pay_coupons(vk_pay_call *c, const vk_pv *discounts, const vk_pv ***coupons_r, size_t *n_r)
{
    size_t n = 0;
    const vk_pv **coupons =
        vk_arena_alloc(c->arena, ((discounts ? discounts->count : 0) + 1) * sizeof(*coupons));
    if (!coupons)
        return VK_E_NOMEM;
    VK_PV_EACH(d, discounts)
    {
        vk_pv *coupon;
        vk_err e = vk_pay_get(c, &vk_pay_r_coupon, vk_pv_text(d, "coupon"), &coupon);
        if (e != VK_OK)
            return e;
        if (vk_pv_flag(coupon, "deleted"))
            continue; /* a stub: it takes nothing off any more */
        coupons[n++] = coupon;
    }
    *coupons_r = coupons;
    *n_r = n;
    return VK_OK;
}

/* What an item shows when its discounts and taxes are expanded. */
static vk_err shown(vk_pay_call *c, const vk_pay_line *l, vk_pv *item, const vk_pv *objects)
{
    vk_pv *taxes = vk_pv_arr(c->arena), *discounts = vk_pv_arr(c->arena);
    size_t i = 0;
    bool ok = true;
    VK_PV_EACH(rate, l->tax_rates)
    {
        vk_pv *t = vk_pv_obj(c->arena);
        vk_pay_fill f = {c->arena, t, false};
        vk_fill_int(&f, "amount", l->of_rate[i++]);
        vk_fill_str(&f, "rate", vk_pv_text(rate, "id"));
        vk_fill_int(&f, "taxable_amount", l->taxable);
        ok &= !f.bad && vk_pv_add(c->arena, taxes, t);
    }
    i = 0;
    VK_PV_EACH(o, objects)
    {
        if (i == VK_PAY_LINE_COUPONS)
            break;
        vk_pv *d = vk_pv_obj(c->arena);
        vk_pay_fill f = {c->arena, d, false};
        vk_fill_int(&f, "amount", l->of_coupon[i++]);
        vk_fill(&f, "discount", vk_pv_copy(c->arena, o));
        ok &= !f.bad && vk_pv_add(c->arena, discounts, d);
    }
    vk_pay_fill f = {c->arena, item, !ok};
    vk_fill_int(&f, "amount_subtotal", l->subtotal);
    vk_fill_int(&f, "amount_discount", l->discount);
    vk_fill_int(&f, "amount_tax", l->tax);
    vk_fill_int(&f, "amount_total", l->total);
    vk_fill(&f, "discounts", discounts);
    vk_fill(&f, "taxes", taxes);
    return f.bad ? VK_E_NOMEM : VK_OK;
}

vk_err vk_pay_items_sum(vk_pay_call *c, vk_pv *items, const vk_pv *discounts, const vk_pv *objects,
                        vk_str currency, unsigned which, vk_str exempt, vk_pay_sums *out_r,
                        const char **why_r)
{
    vk_pay_line *lines;
    const vk_pv **coupons;
    size_t n, k;
    vk_err e = vk_pay_items_lines(c, items, which, exempt, &lines, &n);
    if (e == VK_OK)
        e = vk_pay_coupons(c, discounts, &coupons, &k);
    if (e == VK_OK)
        e = vk_pay_totals(lines, n, coupons, k, currency);
    if (e == VK_E_TOO_LARGE || e == VK_E_INVALID) {
        *why_r = "The amounts are too large.";
        return VK_E_INVALID;
    }
    if (e != VK_OK)
        return e;
    *out_r = (vk_pay_sums){0};
    size_t i = 0;
    VK_PV_EACH(item, items)
    {
        if (i == n)
            break;
        e = shown(c, &lines[i], item, objects);
        if (e != VK_OK)
            return e;
        out_r->subtotal += lines[i].subtotal;
        out_r->discount += lines[i].discount;
        out_r->tax += lines[i].tax;
        out_r->exclusive += lines[i].exclusive;
        out_r->total += lines[i].total;
        i++;
    }
    return VK_OK;
}
