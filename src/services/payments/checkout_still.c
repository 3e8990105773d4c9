/* What has become of an open session since its page was drawn: others use its discounts and its link
 * meanwhile, and the API may delete or cancel what it names. */
#include "services/payments/checkout.h"
#include "services/payments/discount.h"

static vk_err is_over(vk_pay_call *c, vk_str subscription, bool *over_r)
{
    vk_pv *doc;
    vk_err e = vk_pay_get(c, &vk_pay_r_subscription, subscription, &doc);
    if (e != VK_OK)
        return e;
    vk_str status = vk_pv_text(doc, "status");
    *over_r = vk_str_eqz(status, "canceled") || vk_str_eqz(status, "incomplete_expired");
    return VK_OK;
}

vk_err vk_pay_checkout_begun(vk_pay_call *c, vk_pv *s)
{
    bool over = false;
    vk_str id = vk_pv_text(s, "_subscription");
    vk_err e = id.p ? is_over(c, id, &over) : VK_OK;
    if (over) {
        vk_pv_del(s, "_subscription");
        vk_pv_del(s, "_waits");
    }
    return e;
}

vk_err vk_pay_checkout_anew(vk_pay_call *c, vk_pv *s)
{
    vk_pv *subscription;
    vk_str begun = vk_pv_text(s, "_subscription");
    vk_err e = VK_OK;
    vk_pv_del(s, "_waits");
    if (begun.p) {
        e = vk_pay_get(c, &vk_pay_r_subscription, begun, &subscription);
        if (e == VK_OK && vk_str_eqz(vk_pv_text(subscription, "status"), "incomplete"))
            e = vk_pay_subscription_drop(c, subscription);
        vk_pv_del(s, "_subscription");
    }
    return e == VK_OK ? vk_pay_put(c, s) : e;
}

/* The customer that it was made for; one that an earlier try has made is made again. */
static vk_err customer(vk_pay_call *c, vk_pv *s, const char **why_r)
{
    vk_pv *doc;
    vk_str own = vk_pv_text(s, "customer"), made = vk_pv_text(s, "_customer");
    if (!own.p && !made.p)
        return VK_OK;
    vk_err e = vk_pay_get(c, &vk_pay_r_customer, own.p ? own : made, &doc);
    if (e != VK_OK || !vk_pv_flag(doc, "deleted"))
        return e;
    if (own.p)
        *why_r = "The customer that this page is for is not there any more. Go back to begin again.";
    else
        vk_pv_del(s, "_customer");
    return VK_OK;
}

static vk_err of_link(vk_pay_call *c, const vk_pv *s, const char **why_r)
{
    vk_pv *doc;
    vk_str id = vk_pv_text(s, "payment_link");
    vk_err e = id.p ? vk_pay_get(c, &vk_pay_r_payment_link, id, &doc) : VK_E_NOT_FOUND;
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_OK : e;
    int64_t limit = vk_pv_number(doc, "restrictions.completed_sessions.limit", 0);
    if (limit && vk_pv_number(doc, "restrictions.completed_sessions.count", 0) >= limit)
        *why_r = "This link has been used as often as it may be.";
    return VK_OK;
}

/* ---- discounts */

static vk_err is_valid(vk_pay_call *c, const vk_pv *discount, bool *valid_r)
{
    vk_pv *coupon, *code;
    vk_str id = vk_pv_text(discount, "promotion_code");
    vk_err e = vk_pay_get(c, &vk_pay_r_coupon, vk_pv_text(discount, "coupon"), &coupon);
    if (e == VK_OK && id.p)
        e = vk_pay_get(c, &vk_pay_r_promotion_code, id, &code);
    if (e == VK_OK)
        *valid_r = (id.p ? vk_pay_code_state(code, coupon, c->now) : vk_pay_coupon_state(coupon, c->now)) ==
                   VK_PAY_VALID;
    return e;
}

/* Those that are valid, and their objects, which stand in the same order. */
static vk_err sift(vk_pay_call *c, const vk_pv *s, vk_pv *kept, vk_pv *objects, bool *all_r)
{
    const vk_pv *o = vk_pv_first(vk_pv_get(s, "_objects"));
    *all_r = true;
    VK_PV_EACH(d, vk_pv_get(s, "discounts"))
    {
        bool valid = false;
        vk_err e = is_valid(c, d, &valid);
        if (e != VK_OK)
            return e;
        if (valid && (!vk_pv_add(c->arena, kept, vk_pv_copy(c->arena, d)) ||
                      (o && !vk_pv_add(c->arena, objects, vk_pv_copy(c->arena, o)))))
            return VK_E_NOMEM;
        *all_r = *all_r && valid;
        o = o ? o->next : NULL;
    }
    return VK_OK;
}

static vk_err discounts(vk_pay_call *c, vk_pv *s, const char **why_r)
{
    vk_pv *kept = vk_pv_arr(c->arena), *objects = vk_pv_arr(c->arena);
    vk_pay_fill f = {c->arena, s, false};
    const char *why = NULL;
    bool all;
    if (!kept || !objects)
        return VK_E_NOMEM;
    vk_err e = sift(c, s, kept, objects, &all);
    if (e != VK_OK || all)
        return e;
    vk_fill(&f, "discounts", kept);
    vk_fill(&f, "_objects", objects);
    e = f.bad ? VK_E_NOMEM : vk_pay_session_sum(c, s, &why);
    if (e == VK_OK)
        e = vk_pay_checkout_anew(c, s);
    *why_r = "A discount is not valid any more, so the total has changed.";
    return e;
}

vk_err vk_pay_checkout_still(vk_pay_call *c, vk_pay_checkout *k, const char **why_r)
{
    vk_pv *s = k->session;
    *why_r = NULL;
    vk_err e = customer(c, s, why_r);
    if (e == VK_OK && !*why_r)
        e = of_link(c, s, why_r);
    if (e == VK_OK && !*why_r)
        e = discounts(c, s, why_r);
    /* What the page shows next is what it comes to now. */
    return e == VK_OK && *why_r ? vk_pay_checkout_load(c, vk_pv_text(s, "id"), k) : e;
}
