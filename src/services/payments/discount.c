/* Coupons and promotion codes. https://docs.stripe.com/api/coupons, …/promotion_codes */
#include "services/payments/discount.h"

#include "services/payments/catalogue.h"
#include "services/payments/generic.h"
#include "services/payments/resources/runs.h"

enum {
    AMOUNT_MAX = 99999999,
    MONTHS_MAX = 120,
    REDEMPTIONS_MAX = 1000000000,
    PRODUCTS_MAX = 100,
    CODE_LEN = 8, /* of one that nobody chose */
    CODE_MAX = 500,
    SAME_CODE_MAX = 50, /* codes of one text that are looked at: the newest; at most one of them is active */
};

/* ---- coupons ---- */

static vk_err needs_positive(vk_pay_call *c, const vk_pv *doc, const char *name, int64_t most)
{
    return vk_pay_within(c, vk_pv_get(doc, name), 1, most, name);
}

static vk_err percentage(vk_pay_call *c, vk_pv *coupon, vk_str percent)
{
    vk_str plain = VK_STR_NONE;
    bool whole;
    vk_err e = vk_pay_decimal_plain(c->arena, percent, 2, &plain, &whole);
    if (e == VK_E_NOMEM)
        return e;
    int64_t of_all;
    if (e != VK_OK || vk_pay_percent_of(10000, plain, &of_all) != VK_OK || of_all < 1 || of_all > 10000)
        return vk_pay_refuse(c, 400, NULL, "percent_off",
                             "Invalid percent_off: must be greater than 0 and at most 100, with at most two "
                             "decimals.");
    return vk_pv_put_str(c->arena, coupon, "percent_off", plain) ? VK_OK : VK_E_NOMEM;
}

static vk_err amount(vk_pay_call *c, vk_pv *coupon)
{
    vk_str percent = vk_pv_text(coupon, "percent_off");
    bool off = vk_pv_is(vk_pv_get(coupon, "amount_off"), VK_PV_INT);
    if (percent.p && off)
        return vk_pay_refuse_both(c, "percent_off", "amount_off");
    if (percent.p)
        return percentage(c, coupon, percent);
    if (!off)
        return vk_pay_refuse(c, 400, "parameter_missing", "percent_off",
                             "You must specify either `percent_off` or `amount_off`.");
    if (!vk_pv_text(coupon, "currency").p)
        return vk_pay_refuse_missing(c, "currency");
    vk_err e = needs_positive(c, coupon, "amount_off", AMOUNT_MAX);
    return e == VK_OK ? vk_pay_currency_param(c, coupon, "currency", "currency") : e;
}

static vk_err duration(vk_pay_call *c, vk_pv *coupon)
{
    vk_str given = vk_pv_text(coupon, "duration");
    bool repeating = vk_str_eqz(given, "repeating"),
         months = vk_pv_is(vk_pv_get(coupon, "duration_in_months"), VK_PV_INT);
    if (!given.p && !vk_pv_put_str(c->arena, coupon, "duration", VK_STR("once")))
        return VK_E_NOMEM;
    if (repeating && !months)
        return vk_pay_refuse_missing(c, "duration_in_months");
    if (!repeating && months)
        return vk_pay_refuse(c, 400, NULL, "duration_in_months",
                             "`duration_in_months` can only be given when `duration` is `repeating`.");
    return needs_positive(c, coupon, "duration_in_months", MONTHS_MAX);
}

static vk_err in_future(vk_pay_call *c, const vk_pv *doc, const char *name)
{
    if (vk_pv_number(doc, name, INT64_MAX) > c->now)
        return VK_OK;
    return vk_pay_refuse(c, 400, NULL, name, "`%s` must be in the future.", name);
}

static vk_err products(vk_pay_call *c, const vk_pv *coupon)
{
    const vk_pv *ids = vk_pv_at(coupon, "applies_to.products");
    if (ids && ids->count > PRODUCTS_MAX)
        return vk_pay_refuse(c, 400, NULL, "applies_to[products]",
                             "Array products exceeded maximum %d allowed elements.", PRODUCTS_MAX);
    size_t i = 0;
    VK_PV_EACH(id, ids)
    {
        vk_pv *product;
        vk_str param = vk_arena_printf(c->arena, "applies_to[products][%zu]", i++);
        if (!param.p)
            return VK_E_NOMEM;
        vk_err e = vk_pay_need(c, &vk_pay_r_product, vk_pv_is(id, VK_PV_STR) ? id->u.s : VK_STR(""), param.p,
                               &product);
        if (e != VK_OK)
            return e;
    }
    return VK_OK;
}

vk_err vk_pay_coupon_create(vk_pay_call *c)
{
    vk_pv *coupon = c->doc;
    vk_err e = amount(c, coupon);
    if (e == VK_OK)
        e = duration(c, coupon);
    if (e == VK_OK)
        e = needs_positive(c, coupon, "max_redemptions", REDEMPTIONS_MAX);
    if (e == VK_OK)
        e = in_future(c, coupon, "redeem_by");
    if (e == VK_OK)
        e = products(c, coupon);
    if (e != VK_OK)
        return e;
    bool ok = vk_pv_put_int(c->arena, coupon, "times_redeemed", 0) &&
              vk_pv_put_bool(c->arena, coupon, "valid", true);
    return ok ? VK_OK : VK_E_NOMEM;
}

/* ---- what is valid now ---- */

vk_pay_invalid vk_pay_coupon_state(const vk_pv *coupon, int64_t now)
{
    if (!coupon || vk_pv_flag(coupon, "deleted"))
        return VK_PAY_INVALID_GONE;
    if (vk_pv_number(coupon, "redeem_by", INT64_MAX) <= now)
        return VK_PAY_INVALID_EXPIRED;
    if (vk_pv_number(coupon, "times_redeemed", 0) >= vk_pv_number(coupon, "max_redemptions", INT64_MAX))
        return VK_PAY_INVALID_USED_UP;
    return VK_PAY_VALID;
}

vk_pay_invalid vk_pay_code_state(const vk_pv *code, const vk_pv *coupon, int64_t now)
{
    if (vk_pv_number(code, "expires_at", INT64_MAX) <= now)
        return VK_PAY_INVALID_EXPIRED;
    if (vk_pv_number(code, "times_redeemed", 0) >= vk_pv_number(code, "max_redemptions", INT64_MAX))
        return VK_PAY_INVALID_USED_UP;
    if (!vk_pv_flag(code, "active"))
        return VK_PAY_INVALID_GONE;
    return vk_pay_coupon_state(coupon, now);
}

static const char *sentence(vk_pay_invalid state)
{
    switch (state) {
    case VK_PAY_VALID:
        return NULL;
    case VK_PAY_INVALID_EXPIRED:
        return "This code has expired.";
    case VK_PAY_INVALID_USED_UP:
        return "This code has been used as often as it may be.";
    case VK_PAY_INVALID_GONE:
        break;
    }
    return "This code is invalid.";
}

/* Both kinds are shown as they are now, not as they were when something last changed. */
vk_err vk_pay_coupon_now(vk_pay_call *c, vk_pv *coupon)
{
    bool valid = vk_pay_coupon_state(coupon, c->now) == VK_PAY_VALID;
    return valid == vk_pv_flag(coupon, "valid") || vk_pv_put_bool(c->arena, coupon, "valid", valid)
               ? VK_OK
               : VK_E_NOMEM;
}

vk_err vk_pay_code_now(vk_pay_call *c, vk_pv *code)
{
    vk_pv *coupon = NULL;
    if (!vk_pv_flag(code, "active"))
        return VK_OK;
    vk_err e = vk_pay_get(c, &vk_pay_r_coupon, vk_pv_text(code, "promotion.coupon"), &coupon);
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        return e;
    bool active = vk_pay_code_state(code, coupon, c->now) == VK_PAY_VALID;
    return active || vk_pv_put_bool(c->arena, code, "active", false) ? VK_OK : VK_E_NOMEM;
}

vk_err vk_pay_coupon_valid(vk_pay_call *c, const vk_pv *coupon, vk_str currency, const char **why_r)
{
    vk_str own = vk_pv_text(coupon, "currency");
    vk_pay_invalid state = vk_pay_coupon_state(coupon, c->now);
    *why_r = state == VK_PAY_INVALID_EXPIRED   ? "This coupon has expired."
             : state == VK_PAY_INVALID_USED_UP ? "This coupon has been used as often as it may be."
             : state != VK_PAY_VALID           ? "This coupon is invalid."
             : own.p && currency.p && !vk_str_eq(own, currency)
                 ? "This coupon is for another currency than what is bought."
                 : NULL;
    return VK_OK;
}

static vk_str code_key(vk_arena *a, vk_str code)
{
    char *p = vk_arena_alloc(a, code.n + 1);
    if (!p)
        return VK_STR_NONE;
    for (size_t i = 0; i < code.n; i++)
        p[i] = (char)(code.p[i] >= 'a' && code.p[i] <= 'z' ? code.p[i] - 'a' + 'A' : code.p[i]);
    p[code.n] = '\0';
    return (vk_str){p, code.n};
}

/* The code that a text means for a customer: the active one, theirs before anybody's; else the newest, to say
 * what is wrong with it. NULL: there is none. */
static vk_err by_text(vk_pay_call *c, vk_str text, vk_str customer, vk_pv **code_r)
{
    vk_str key = code_key(c->arena, text);
    vk_pv **all, *best = NULL;
    size_t n;
    int best_rank = -1;
    if (!key.p)
        return VK_E_NOMEM;
    *code_r = NULL;
    if (key.n == 0 || key.n > CODE_MAX)
        return VK_OK;
    vk_err e = vk_pay_find(c, &vk_pay_r_promotion_code, "code_key", key, SAME_CODE_MAX, &all, &n);
    for (size_t i = 0; e == VK_OK && i < n; i++) {
        vk_str whose = vk_pv_text(all[i], "customer");
        bool theirs = whose.p && vk_str_eq(whose, customer), anybodys = !whose.p;
        int rank = (vk_pv_flag(all[i], "active") ? 4 : 0) + (theirs ? 2 : anybodys ? 1 : 0);
        if (rank > best_rank) {
            best_rank = rank;
            best = all[i];
        }
    }
    *code_r = best;
    return e;
}

/* Whether the customer has paid anything yet. */
static vk_err has_paid(vk_pay_call *c, vk_str customer, bool *paid_r)
{
    enum { LOOK_AT = 100 };
    vk_pv **charges;
    size_t n;
    *paid_r = false;
    vk_err e = vk_pay_find(c, &vk_pay_r_charge, "customer", customer, LOOK_AT, &charges, &n);
    for (size_t i = 0; e == VK_OK && i < n; i++)
        *paid_r = *paid_r || vk_pv_flag(charges[i], "paid");
    return e;
}

vk_err vk_pay_code_valid(vk_pay_call *c, vk_str code, vk_str customer, vk_str currency, int64_t subtotal,
                         vk_pv **promotion_code_r, vk_pv **coupon_r, const char **why_r)
{
    vk_pv *p = NULL, *coupon = NULL;
    vk_err e = vk_pay_get(c, &vk_pay_r_promotion_code, code, &p);
    if (e == VK_E_NOT_FOUND)
        e = by_text(c, code, customer, &p);
    if (e != VK_OK)
        return e;
    *why_r = sentence(VK_PAY_INVALID_GONE);
    if (!p)
        return VK_OK;
    e = vk_pay_get(c, &vk_pay_r_coupon, vk_pv_text(p, "promotion.coupon"), &coupon);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_OK : e;
    *promotion_code_r = p;
    *coupon_r = coupon;
    vk_pay_invalid state = vk_pay_code_state(p, coupon, c->now);
    vk_str whose = vk_pv_text(p, "customer");
    *why_r = sentence(state);
    if (state != VK_PAY_VALID)
        return VK_OK;
    e = vk_pay_coupon_valid(c, coupon, currency, why_r);
    if (e != VK_OK || *why_r)
        return e;
    if (whose.p && !vk_str_eq(whose, customer)) {
        *why_r = "This code is for another customer.";
        return VK_OK;
    }
    vk_str least_currency = vk_pv_text(p, "restrictions.minimum_amount_currency");
    int64_t least = vk_pv_number(p, "restrictions.minimum_amount", 0);
    if (least > 0 && currency.p && !vk_str_eq(least_currency, currency))
        *why_r = "This code is for another currency than what is bought.";
    else if (least > 0 && subtotal < least) {
        vk_str text = vk_pay_amount(c->arena, least, least_currency);
        text = vk_arena_printf(c->arena, "This code is for orders of at least " VK_STR_FMT ".",
                               VK_STR_ARG(text));
        *why_r = text.p;
        return text.p ? VK_OK : VK_E_NOMEM;
    } else if (vk_pv_flag(p, "restrictions.first_time_transaction") && customer.p) {
        bool paid;
        e = has_paid(c, customer, &paid);
        if (e == VK_OK && paid)
            *why_r = "This code is for a first purchase only.";
    }
    return e;
}

static vk_err used_once(vk_pay_call *c, vk_pv *doc)
{
    if (!doc)
        return VK_OK;
    return vk_pv_put_int(c->arena, doc, "times_redeemed", vk_pv_number(doc, "times_redeemed", 0) + 1)
               ? VK_OK
               : VK_E_NOMEM;
}

vk_err vk_pay_redeem(vk_pay_call *c, vk_pv *coupon, vk_pv *promotion_code)
{
    vk_err e = used_once(c, coupon);
    if (e == VK_OK)
        e = used_once(c, promotion_code);
    if (e == VK_OK && coupon)
        e = vk_pay_coupon_now(c, coupon);
    if (e == VK_OK && coupon)
        e = vk_pay_put(c, coupon);
    if (e == VK_OK && promotion_code)
        e = vk_pay_put(c, promotion_code);
    return e;
}

/* ---- promotion codes ---- */

static vk_err coupon_of(vk_pay_call *c, vk_pv *code)
{
    vk_str id = vk_pv_text(c->params, "promotion.coupon"), old = vk_pv_text(c->params, "coupon");
    const char *param = old.p ? "coupon" : "promotion[coupon]", *why;
    if (old.p) /* as it was before 2025-09-30 */
        id = old;
    if (!id.p)
        return vk_pay_refuse_missing(c, vk_pv_get(c->params, "promotion") ? param : "promotion");
    vk_pv *coupon;
    vk_err e = vk_pay_need(c, &vk_pay_r_coupon, id, param, &coupon);
    if (e == VK_OK)
        e = vk_pay_coupon_valid(c, coupon, VK_STR_NONE, &why);
    if (e == VK_OK && why)
        return vk_pay_refuse(c, 400, NULL, param, "%s", why);
    if (e != VK_OK)
        return e;
    /* A code cannot promise more than its coupon. */
    int64_t most = vk_pv_number(coupon, "max_redemptions", INT64_MAX);
    if (most != INT64_MAX && vk_pv_number(code, "max_redemptions", 0) > most)
        return vk_pay_refuse(c, 400, NULL, "max_redemptions",
                             "`max_redemptions` cannot be greater than that of the coupon (%lld).",
                             (long long)most);
    bool ok = vk_pv_put_str(c->arena, code, "promotion.type", VK_STR("coupon")) &&
              vk_pv_put_str(c->arena, code, "promotion.coupon", id);
    return ok ? VK_OK : VK_E_NOMEM;
}

bool vk_pay_code_chars(vk_str code)
{
    for (size_t i = 0; i < code.n; i++) {
        char ch = code.p[i];
        if (!((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '-'))
            return false;
    }
    return code.n > 0;
}

/* One active code of a text for each customer, and one for all the others. */
static vk_err is_free(vk_pay_call *c, const vk_pv *code)
{
    vk_pv **all;
    size_t n;
    vk_str whose = vk_pv_text(code, "customer"), text = vk_pv_text(code, "code");
    vk_err e = vk_pay_find(c, &vk_pay_r_promotion_code, "code_key", vk_pv_text(code, "code_key"),
                           SAME_CODE_MAX, &all, &n);
    for (size_t i = 0; e == VK_OK && i < n; i++) {
        vk_str other = vk_pv_text(all[i], "customer");
        if (all[i] == code || !vk_pv_flag(all[i], "active") || !vk_str_eq(other, whose))
            continue;
        e = vk_pay_code_now(c, all[i]);
        if (e == VK_OK && vk_pv_flag(all[i], "active"))
            return vk_pay_refuse(c, 400, NULL, NULL,
                                 "An active promotion code with `code: " VK_STR_FMT "` already exists.",
                                 VK_STR_ARG(text));
    }
    return e;
}

static vk_err restrictions(vk_pay_call *c, vk_pv *code)
{
    vk_pv *r = vk_pv_get(code, "restrictions");
    if (!vk_pv_is(r, VK_PV_OBJ))
        return VK_OK;
    bool least = vk_pv_is(vk_pv_get(r, "minimum_amount"), VK_PV_INT),
         currency = vk_pv_text(r, "minimum_amount_currency").p;
    if (least != currency)
        return vk_pay_refuse_missing(c, least ? "restrictions[minimum_amount_currency]"
                                              : "restrictions[minimum_amount]");
    if (!least)
        return VK_OK;
    vk_err e =
        vk_pay_within(c, vk_pv_get(r, "minimum_amount"), 1, AMOUNT_MAX, "restrictions[minimum_amount]");
    return e == VK_OK ? vk_pay_currency_param(c, r, "minimum_amount_currency",
                                              "restrictions[minimum_amount_currency]")
                      : e;
}

vk_err vk_pay_promotion_code_create(vk_pay_call *c)
{
    vk_pv *code = c->doc, *customer;
    vk_arena *a = c->arena;
    vk_str text = vk_pv_text(c->params, "code"), whose = vk_pv_text(code, "customer");
    vk_err e = coupon_of(c, code);
    if (e == VK_OK && whose.p)
        e = vk_pay_need(c, &vk_pay_r_customer, whose, "customer", &customer);
    if (e == VK_OK)
        e = vk_pay_within(c, vk_pv_get(code, "max_redemptions"), 1, REDEMPTIONS_MAX, "max_redemptions");
    if (e == VK_OK)
        e = in_future(c, code, "expires_at");
    if (e == VK_OK)
        e = restrictions(c, code);
    if (e != VK_OK)
        return e;
    if (text.p && !vk_pay_code_chars(text))
        return vk_pay_refuse(c, 400, NULL, "code",
                             "Promotion codes may have the letters a to z and A to Z, digits and dashes.");
    if (!text.p) {
        text = vk_pay_id(c, "", CODE_LEN);
        text = text.p ? code_key(a, text) : text;
    }
    bool active = !vk_pv_get(code, "active") || vk_pv_flag(code, "active");
    vk_str key = text.p ? code_key(a, text) : VK_STR_NONE;
    bool ok = key.p && vk_pv_put_str(a, code, "code", text) && vk_pv_put_str(a, code, "code_key", key) &&
              vk_pv_put_bool(a, code, "active", active) && vk_pv_put_int(a, code, "times_redeemed", 0);
    if (!ok)
        return VK_E_NOMEM;
    return active ? is_free(c, code) : VK_OK;
}

vk_err vk_pay_promotion_code_update(vk_pay_call *c)
{
    const vk_pv *before;
    vk_pv *coupon = NULL;
    vk_err e = vk_pay_before(c, c->doc, &before);
    if (e != VK_OK || vk_pv_flag(before, "active") || !vk_pv_flag(c->doc, "active"))
        return e;
    e = vk_pay_get(c, &vk_pay_r_coupon, vk_pv_text(c->doc, "promotion.coupon"), &coupon);
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        return e;
    if (vk_pay_code_state(c->doc, coupon, c->now) != VK_PAY_VALID)
        return vk_pay_refuse(c, 400, NULL, "active",
                             "This promotion code cannot be made active again: it or its coupon is not valid "
                             "any more.");
    return is_free(c, c->doc);
}

/* `active`, as it is shown: of a code that may still be stored as active, its time, its use and its coupon
 * decide. */
static vk_err active_as_asked(vk_pay_call *c, vk_arena *scratch, const vk_pay_row *row, bool *yes_r)
{
    vk_pv *code, *coupon = NULL;
    vk_pay_row its;
    vk_err e = vk_pv_parse(scratch, row->body, &code);
    bool active = e == VK_OK && vk_pv_flag(code, "active");
    if (active) {
        e = vk_pay_doc_get(c->db, scratch, vk_pv_text(code, "promotion.coupon"), &its);
        if (e == VK_OK && vk_str_eqz(its.kind, vk_pay_r_coupon.object))
            e = vk_pv_parse(scratch, its.body, &coupon);
        else if (e == VK_E_NOT_FOUND)
            e = VK_OK;
        active = vk_pay_code_state(code, coupon, c->now) == VK_PAY_VALID;
    }
    *yes_r = active == vk_pv_flag(c->params, "active");
    return e == VK_E_INVALID ? VK_E_CORRUPT : e;
}

vk_err vk_pay_promotion_code_list(vk_pay_call *c)
{
    const vk_pv *active = vk_pv_get(c->params, "active");
    vk_str code = vk_pv_text(c->params, "code");
    vk_pay_key keys[2];
    size_t n = 0;
    if (code.p) {
        keys[n] = (vk_pay_key){"code_key", code_key(c->arena, code)};
        if (!keys[n++].value.p)
            return VK_E_NOMEM;
    }
    if (!vk_pv_is(active, VK_PV_BOOL))
        return vk_pay_list_of(c, keys, n, VK_STR_NONE);
    if (active->u.b) /* what is stored as inactive is not */
        keys[n++] = (vk_pay_key){"active", VK_STR("true")};
    return vk_pay_list_where(c, keys, n, active_as_asked);
}
