/* Discounts of sessions and subscriptions: which coupons, and the objects that tell of them. */
#include "services/payments/billing.h"

static const char *param_of(vk_pay_call *c, const char *name, size_t i, const char *rest)
{
    vk_str s = vk_arena_printf(c->arena, "%s[%zu]%s", name, i, rest);
    return s.p ? s.p : name;
}

/* A coupon that is named itself. */
static vk_err by_coupon(vk_pay_call *c, vk_str id, const char *param, vk_str currency, vk_pv **coupon_r)
{
    const char *why = NULL;
    vk_err e = vk_pay_need(c, &vk_pay_r_coupon, id, param, coupon_r);
    if (e == VK_OK)
        e = vk_pay_coupon_valid(c, *coupon_r, currency, &why);
    return e == VK_OK && why ? vk_pay_refuse(c, 400, NULL, param, "%s", why) : e;
}

/* A promotion code, by its id. */
static vk_err by_code(vk_pay_call *c, vk_str id, const char *param, vk_str customer, vk_str currency,
                      int64_t subtotal, vk_pv **code_r, vk_pv **coupon_r)
{
    const char *why = NULL;
    vk_err e = vk_pay_need(c, &vk_pay_r_promotion_code, id, param, code_r);
    if (e == VK_OK)
        e = vk_pay_code_valid(c, vk_pv_text(*code_r, "code"), customer, currency, subtotal, code_r, coupon_r,
                              &why);
    return e == VK_OK && why ? vk_pay_refuse(c, 400, NULL, param, "%s", why) : e;
}

vk_err vk_pay_discounts_make(vk_pay_call *c, const vk_pv *params, const char *name, vk_str customer,
                             vk_str currency, int64_t subtotal, vk_pv **discounts_r)
{
    const vk_pv *given = vk_pv_get(params, name);
    vk_pv *discounts = vk_pv_arr(c->arena);
    size_t i = 0;
    if (given && given->count > VK_PAY_LINE_COUPONS)
        return vk_pay_refuse(c, 400, NULL, name, "Array %s exceeded maximum %d allowed elements.", name,
                             VK_PAY_LINE_COUPONS);
    VK_PV_EACH(g, given)
    {
        vk_str coupon = vk_pv_text(g, "coupon"), code = vk_pv_text(g, "promotion_code");
        const char *of_coupon = param_of(c, name, i, "[coupon]");
        const char *of_code = param_of(c, name, i, "[promotion_code]");
        vk_pv *k = NULL, *p = NULL;
        i++;
        if (coupon.n && code.n)
            return vk_pay_refuse_both(c, of_coupon, of_code);
        if (vk_pv_text(g, "discount").n)
            return vk_pay_refuse_absent(c, name, "A discount that is taken over from another object");
        if (!coupon.n && !code.n)
            return vk_pay_refuse_missing(c, of_coupon);
        vk_err e = coupon.n ? by_coupon(c, coupon, of_coupon, currency, &k)
                            : by_code(c, code, of_code, customer, currency, subtotal, &p, &k);
        if (e != VK_OK)
            return e;
        vk_pv *d = vk_pv_obj(c->arena);
        vk_pay_fill f = {c->arena, d, false};
        vk_fill_str(&f, "coupon", vk_pv_text(k, "id"));
        vk_fill_str(&f, "promotion_code", p ? vk_pv_text(p, "id") : VK_STR_NONE);
        if (f.bad || !vk_pv_add(c->arena, discounts, d))
            return VK_E_NOMEM;
    }
    *discounts_r = discounts;
    return discounts ? VK_OK : VK_E_NOMEM;
}

vk_err vk_pay_discount_make(vk_pay_call *c, const vk_pv *discount, vk_str customer, const char *owner,
                            vk_str id, vk_pv **object_r)
{
    vk_pv *coupon, *o = vk_pv_obj(c->arena);
    vk_err e = vk_pay_get(c, &vk_pay_r_coupon, vk_pv_text(discount, "coupon"), &coupon);
    if (e != VK_OK)
        return e;
    vk_pay_fill f = {c->arena, o, false};
    vk_fill_made(&f, "id", vk_pay_id(c, vk_pay_r_discount.prefix, vk_pay_r_discount.random));
    vk_fill_str(&f, "object", VK_STR("discount"));
    vk_fill_str(&f, "customer", customer);
    vk_fill_str(&f, "promotion_code", vk_pv_text(discount, "promotion_code"));
    vk_fill_str(&f, "source.coupon", vk_pv_text(coupon, "id"));
    vk_fill_str(&f, "source.type", VK_STR("coupon"));
    vk_fill_int(&f, "start", c->now);
    vk_fill_str(&f, owner, id);
    if (vk_str_eqz(vk_pv_text(coupon, "duration"), "repeating")) {
        int64_t end;
        e = vk_pay_period(c->now, VK_STR("month"), vk_pv_number(coupon, "duration_in_months", 1), 1, &end);
        if (e != VK_OK)
            return e;
        vk_fill_int(&f, "end", end);
    }
    *object_r = o;
    return f.bad ? VK_E_NOMEM : VK_OK;
}

vk_err vk_pay_discounts_redeem(vk_pay_call *c, const vk_pv *discounts)
{
    VK_PV_EACH(d, discounts)
    {
        vk_pv *coupon, *code = NULL;
        vk_str id = vk_pv_text(d, "promotion_code");
        vk_err e = vk_pay_get(c, &vk_pay_r_coupon, vk_pv_text(d, "coupon"), &coupon);
        if (e == VK_OK && id.n)
            e = vk_pay_get(c, &vk_pay_r_promotion_code, id, &code);
        if (e == VK_OK && !vk_pv_flag(coupon, "deleted"))
            e = vk_pay_redeem(c, coupon, code);
        if (e != VK_OK)
            return e;
    }
    return VK_OK;
}
