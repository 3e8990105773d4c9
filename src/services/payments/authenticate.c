/* What the page of 3-D Secure needs: the intent that waits for its owner, and what they say. */
#include "services/payments/billing.h"
#include "services/payments/charge.h"

static bool status_is(const vk_pv *intent, const char *status)
{
    return vk_str_eqz(vk_pv_text(intent, "status"), status);
}

/* return_url with what Stripe adds to it, before a fragment. */
static vk_err way_back(vk_pay_call *c, vk_pay_authentication *x)
{
    vk_str url = vk_pv_text(x->intent, "_auth.return_url");
    x->back = VK_STR_NONE;
    if (!url.p)
        return VK_OK;
    const char *hash = memchr(url.p, '#', url.n);
    vk_str bare = {url.p, hash ? (size_t)(hash - url.p) : url.n}, rest = {url.p + bare.n, url.n - bare.n};
    bool failed = status_is(x->intent, "requires_payment_method") || status_is(x->intent, "canceled");
    x->back = vk_arena_printf(
        c->arena, VK_STR_FMT "%c%s=" VK_STR_FMT "&%s=" VK_STR_FMT "&redirect_status=%s" VK_STR_FMT,
        VK_STR_ARG(bare), memchr(bare.p, '?', bare.n) ? '&' : '?', x->kind->name,
        VK_STR_ARG(vk_pv_text(x->intent, "id")), x->kind->secret_param,
        VK_STR_ARG(vk_pv_text(x->intent, "client_secret")), failed ? "failed" : "succeeded",
        VK_STR_ARG(rest));
    return x->back.p ? VK_OK : VK_E_NOMEM;
}

static vk_err method_of(vk_pay_call *c, const vk_pv *intent, vk_pv **method_r)
{
    vk_err e = vk_pay_get(c, &vk_pay_r_payment_method, vk_pv_text(intent, "payment_method"), method_r);
    return e == VK_E_NOT_FOUND ? VK_E_CORRUPT : e; /* what waits has one, and none is ever taken out */
}

static vk_err describe(vk_pay_call *c, vk_pay_authentication *x)
{
    vk_pv *method;
    x->waits = status_is(x->intent, "requires_action");
    x->last4 = x->brand = x->currency = VK_STR_NONE;
    x->amount = 0;
    if (x->kind == &vk_pay_payments) {
        x->amount = vk_pv_number(x->intent, "amount", 0);
        x->currency = vk_pv_text(x->intent, "currency");
    }
    if (!x->waits)
        return way_back(c, x);
    x->back = VK_STR_NONE;
    vk_err e = method_of(c, x->intent, &method);
    if (e == VK_OK) {
        x->last4 = vk_pv_text(method, "card.last4");
        x->brand = vk_pv_text(method, "card.brand");
    }
    return e;
}

vk_err vk_pay_authentication_load(vk_pay_call *c, vk_str token, vk_pay_authentication *out_r)
{
    static const vk_pay_kind *const kinds[] = {&vk_pay_payments, &vk_pay_setups};
    vk_pay_authentication x = {0};
    vk_err e = VK_E_NOT_FOUND;
    for (size_t i = 0; i < VK_COUNT(kinds) && e == VK_E_NOT_FOUND; i++) {
        x.kind = kinds[i];
        e = vk_pay_token_doc(c, kinds[i]->resource, token, "_auth.secret", &x.intent);
    }
    if (e == VK_OK)
        e = describe(c, &x);
    if (e == VK_OK)
        *out_r = x;
    return e;
}

/* With confirmation_method=manual the server that made it confirms once more. */
static vk_err hand_back(vk_pay_call *c, vk_pv *intent)
{
    if (!vk_pv_put_bool(c->arena, intent, "_authenticated", true) ||
        !vk_pv_put_null(c->arena, intent, "next_action") ||
        !vk_pv_put_str(c->arena, intent, "status", VK_STR("requires_confirmation")))
        return VK_E_NOMEM;
    return vk_pay_put(c, intent);
}

/* Whether what the intent named when it was confirmed may still be charged or kept: since then its customer
 * may have been deleted, and its method been used up or become another's. */
static vk_err still_fits(vk_pay_call *c, const vk_pv *intent, const vk_pv *method, bool *fits_r)
{
    vk_str customer = vk_pv_text(intent, "customer");
    vk_pv *who;
    vk_err e = customer.p ? vk_pay_need(c, &vk_pay_r_customer, customer, "customer", &who) : VK_OK;
    if (e == VK_OK)
        e = vk_pay_method_fits(c, method, customer);
    *fits_r = e == VK_OK;
    if (e != VK_E_INVALID || !c->refusal)
        return e;
    c->refusal = NULL; /* nobody asked by the API: it is refused on the page, as if by the card's owner */
    return VK_OK;
}

vk_err vk_pay_authentication_answer(vk_pay_call *c, vk_pay_authentication *x, bool passed)
{
    vk_pv *method;
    if (!x->waits)
        return VK_OK;
    vk_err e = method_of(c, x->intent, &method);
    if (e == VK_OK && passed)
        e = still_fits(c, x->intent, method, &passed);
    if (e != VK_OK)
        return e;
    if (passed && vk_str_eqz(vk_pv_text(x->intent, "confirmation_method"), "manual")) {
        e = hand_back(c, x->intent);
    } else {
        const vk_pay_confirm how = {.method = method, .authenticated = passed, .refused = !passed};
        vk_pay_paid paid;
        vk_pay_decline why;
        e = vk_pay_confirm_why(c, x->kind, x->intent, &how, &paid, &why);
        if (e == VK_OK)
            e = vk_pay_intent_settled(c, x->intent, paid);
    }
    return e == VK_OK ? describe(c, x) : e;
}
