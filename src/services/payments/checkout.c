/* A checkout session as its page shows it, and what the page changes without paying. */
#include "services/payments/checkout.h"

enum { DAY = 86400 };

/* ---- what the page shows */

static bool lasts(const vk_pv *coupon)
{
    return !vk_str_eqz(vk_pv_text(coupon, "duration"), "once");
}

/* What a period costs when the trial and discounts of the first payment are over. */
static vk_err recurring(vk_pay_call *c, vk_pay_checkout *k)
{
    vk_pay_line *lines;
    const vk_pv **coupons;
    size_t n, m, kept = 0;
    vk_pv *customer = NULL;
    vk_str id = vk_pv_text(k->session, "customer");
    vk_err e = id.p ? vk_pay_get(c, &vk_pay_r_customer, id, &customer) : VK_OK;
    if (e == VK_OK)
        e = vk_pay_items_lines(c, k->items, VK_PAY_RECURRING, vk_pv_text(customer, "tax_exempt"), &lines, &n);
    if (e == VK_OK)
        e = vk_pay_coupons(c, vk_pv_get(k->session, "discounts"), &coupons, &m);
    for (size_t i = 0; e == VK_OK && i < m; i++) {
        if (lasts(coupons[i]))
            coupons[kept++] = coupons[i];
    }
    if (e == VK_OK)
        e = vk_pay_totals(lines, n, coupons, kept, k->currency);
    if (e != VK_OK)
        return e;
    k->recurring = 0;
    for (size_t i = 0; i < n; i++)
        k->recurring += lines[i].total;
    if (n) {
        k->interval = vk_pv_text(lines[0].price, "recurring.interval");
        k->interval_count = vk_pv_number(lines[0].price, "recurring.interval_count", 1);
    }
    return VK_OK;
}

static vk_err view(vk_pay_call *c, vk_pv *s, vk_pay_checkout *out_r)
{
    int64_t days = vk_pv_number(s, "_given.subscription_data.trial_period_days", 0);
    int64_t shipping = vk_pv_number(s, "shipping_cost.amount_total", 0);
    *out_r = (vk_pay_checkout){
        .session = s,
        .items = vk_pv_at(s, "line_items.data"),
        .currency = vk_pv_text(s, "currency"),
        .subtotal = vk_pv_number(s, "amount_subtotal", 0),
        .discount = vk_pv_number(s, "total_details.amount_discount", 0),
        .tax = vk_pv_number(s, "total_details.amount_tax", 0),
        .shipping = shipping,
        .total = vk_pv_number(s, "amount_total", 0),
        .trial_end = days ? c->now + days * DAY : vk_pv_number(s, "_given.subscription_data.trial_end", 0),
    };
    bool always = vk_str_eqz(vk_pv_text(s, "payment_method_collection"), "always");
    out_r->needs_card = vk_pay_checkout_mode(out_r, "setup") || out_r->total > 0 ||
                        (vk_pay_checkout_mode(out_r, "subscription") && always);
    return vk_pay_checkout_mode(out_r, "subscription") ? recurring(c, out_r) : VK_OK;
}

vk_err vk_pay_checkout_load(vk_pay_call *c, vk_str id, vk_pay_checkout *out_r)
{
    vk_pv *s;
    vk_err e = vk_pay_get(c, &vk_pay_r_session, id, &s);
    if (e == VK_OK)
        e = vk_pay_checkout_due(c, s);
    if (e == VK_OK)
        e = vk_pay_checkout_begun(c, s);
    return e == VK_OK ? view(c, s, out_r) : e;
}

bool vk_pay_checkout_waits(const vk_pv *session)
{
    return vk_str_eqz(vk_pv_text(session, "status"), "open") && vk_pv_flag(session, "_waits");
}

vk_str vk_pay_success_url(vk_pay_call *c, const vk_pv *session)
{
    static const vk_str hole = {"{CHECKOUT_SESSION_ID}", 21};
    vk_str url = vk_pv_text(session, "success_url"), id = vk_pv_text(session, "id");
    size_t holes = 0, n = 0;
    if (!url.p)
        return url;
    for (size_t i = 0; i + hole.n <= url.n; i++)
        holes += memcmp(url.p + i, hole.p, hole.n) == 0;
    char *out = vk_arena_alloc(c->arena, url.n + holes * id.n + 1);
    if (!out)
        return VK_STR_NONE;
    for (size_t i = 0; i < url.n;) {
        if (i + hole.n <= url.n && memcmp(url.p + i, hole.p, hole.n) == 0) {
            memcpy(out + n, id.p, id.n);
            n += id.n;
            i += hole.n;
        } else {
            out[n++] = url.p[i++];
        }
    }
    out[n] = '\0';
    return (vk_str){out, n};
}

/* ---- changes of amounts */

static vk_err use_code(vk_pay_call *c, vk_pay_checkout *k, vk_str code, const char **why_r)
{
    vk_pv *promotion, *coupon, *object, *s = k->session;
    vk_str customer = vk_pv_text(s, "customer");
    vk_err e = vk_pay_code_valid(c, code, customer, k->currency, k->subtotal, &promotion, &coupon, why_r);
    if (e != VK_OK || *why_r)
        return e;
    vk_pv *discounts = vk_pv_arr(c->arena), *objects = vk_pv_arr(c->arena), *d = vk_pv_obj(c->arena);
    vk_pay_fill f = {c->arena, d, false}, g = {c->arena, s, false};
    vk_fill_str(&f, "coupon", vk_pv_text(coupon, "id"));
    vk_fill_str(&f, "promotion_code", vk_pv_text(promotion, "id"));
    if (f.bad)
        return VK_E_NOMEM;
    e = vk_pay_discount_make(c, d, customer, "checkout_session", vk_pv_text(s, "id"), &object);
    if (e != VK_OK)
        return e;
    g.bad |= !vk_pv_add(c->arena, discounts, d) || !vk_pv_add(c->arena, objects, object);
    vk_fill(&g, "discounts", discounts);
    vk_fill(&g, "_objects", objects);
    return g.bad ? VK_E_NOMEM : VK_OK;
}

/* The field that is there all the time has the code that is applied already, too. */
static vk_err codes(vk_pay_call *c, vk_pay_checkout *k, const vk_pv *fields, const char **why_r)
{
    vk_pv *s = k->session, *applied = NULL;
    vk_str code = vk_str_trim(vk_pv_text(fields, "promotionCode"));
    vk_str id = vk_pv_text(vk_pv_first(vk_pv_get(s, "discounts")), "promotion_code");
    if (!vk_pv_flag(s, "allow_promotion_codes"))
        return VK_OK;
    if (vk_pv_text(fields, "removePromotionCode").n) {
        vk_pay_fill f = {c->arena, s, false};
        vk_fill(&f, "discounts", vk_pv_arr(c->arena));
        vk_fill(&f, "_objects", vk_pv_arr(c->arena));
        return f.bad ? VK_E_NOMEM : VK_OK;
    }
    if (!code.n)
        return VK_OK;
    vk_err e = id.p ? vk_pay_get(c, &vk_pay_r_promotion_code, id, &applied) : VK_OK;
    if (e != VK_OK)
        return e;
    return vk_str_ieq(vk_pv_text(applied, "code"), code) ? VK_OK : use_code(c, k, code, why_r);
}

static vk_err quantities(vk_pay_call *c, vk_pay_checkout *k, const vk_pv *fields, const char **why_r,
                         const char **field_r)
{
    int64_t all = 0;
    VK_PV_EACH(item, k->items)
    {
        const vk_pv *a = vk_pv_get(item, "adjustable_quantity");
        const char *name =
            vk_arena_printf(c->arena, "quantity_" VK_STR_FMT, VK_STR_ARG(vk_pv_text(item, "id"))).p;
        vk_str given = name ? vk_str_trim(vk_pv_text(fields, name)) : VK_STR_NONE;
        int64_t least = vk_pv_number(a, "minimum", 0), most = vk_pv_number(a, "maximum", 99), n;
        if (!name)
            return VK_E_NOMEM;
        if (given.n && vk_pv_flag(a, "enabled")) {
            if (vk_str_to_i64(given, &n) != VK_OK || n < least || n > most) {
                *field_r = name;
                *why_r = vk_arena_printf(c->arena, "Enter a quantity from %lld to %lld.", (long long)least,
                                         (long long)most)
                             .p;
                return *why_r ? VK_OK : VK_E_NOMEM;
            }
            if (!vk_pv_put_int(c->arena, item, "quantity", n))
                return VK_E_NOMEM;
        }
        all += vk_pv_number(item, "quantity", 0);
        *field_r = name;
    }
    if (all == 0 && !vk_pay_checkout_mode(k, "setup"))
        *why_r = "Choose a quantity.";
    else
        *field_r = NULL;
    return VK_OK;
}

static vk_err shipping(vk_pay_call *c, vk_pay_checkout *k, const vk_pv *fields, const char **why_r)
{
    vk_str id = vk_pv_text(fields, "shippingOption");
    vk_pay_fill f = {c->arena, k->session, false};
    if (!id.n)
        return VK_OK;
    VK_PV_EACH(o, vk_pv_get(k->session, "shipping_options"))
    {
        if (!vk_str_eq(vk_pv_text(o, "shipping_rate"), id))
            continue;
        vk_fill_int(&f, "shipping_cost.amount_subtotal", vk_pv_number(o, "shipping_amount", 0));
        vk_fill_int(&f, "shipping_cost.amount_total", vk_pv_number(o, "shipping_amount", 0));
        vk_fill_str(&f, "shipping_cost.shipping_rate", id);
        return f.bad ? VK_E_NOMEM : VK_OK;
    }
    *why_r = "Choose how to ship.";
    return VK_OK;
}

static vk_err bounds(vk_pay_call *c, const vk_pay_checkout *k, const char **why_r)
{
    int64_t least = vk_pay_least(k->currency);
    if (k->total > VK_PAY_TOTAL_MAX)
        *why_r = "This is more than can be paid at once.";
    else if (k->total > 0 && k->total < least)
        *why_r = vk_arena_printf(c->arena, "The total must be at least " VK_STR_FMT ".",
                                 VK_STR_ARG(vk_pay_amount(c->arena, least, k->currency)))
                     .p;
    else
        return VK_OK;
    return *why_r ? VK_OK : VK_E_NOMEM;
}

static vk_err apply(vk_pay_call *c, vk_pay_checkout *k, const vk_pv *fields, const char **why_r,
                    const char **field_r)
{
    vk_err e = quantities(c, k, fields, why_r, field_r);
    if (e != VK_OK || *why_r)
        return e;
    *field_r = "shippingOption";
    e = shipping(c, k, fields, why_r);
    if (e != VK_OK || *why_r)
        return e;
    *field_r = "promotionCode";
    /* The code's minimum is about the quantities that are chosen now. */
    e = vk_pay_session_sum(c, k->session, why_r);
    k->subtotal = vk_pv_number(k->session, "amount_subtotal", 0);
    if (e == VK_OK)
        e = codes(c, k, fields, why_r);
    if (e == VK_OK && !*why_r)
        e = vk_pay_session_sum(c, k->session, why_r);
    if (e == VK_E_INVALID && *why_r)
        e = VK_OK;
    if (e != VK_OK || *why_r)
        return e;
    e = view(c, k->session, k);
    if (e == VK_OK)
        e = bounds(c, k, why_r);
    if (!*why_r)
        *field_r = NULL;
    return e;
}

vk_err vk_pay_checkout_change(vk_pay_call *c, vk_pay_checkout *k, const vk_pv *fields, const char **why_r,
                              const char **field_r)
{
    vk_pv *s = k->session, *was = vk_pv_copy(c->arena, s);
    *why_r = *field_r = NULL;
    if (!was)
        return VK_E_NOMEM;
    if (!vk_str_eqz(vk_pv_text(s, "status"), "open") || vk_pay_checkout_mode(k, "setup"))
        return VK_OK;
    vk_err e = apply(c, k, fields, why_r, field_r);
    if (e != VK_OK)
        return e;
    if (*why_r) {
        s->u = was->u;
        s->count = was->count;
        return view(c, s, k);
    }
    return vk_pv_equal(s, was) ? VK_OK : vk_pay_checkout_anew(c, s);
}
