/* Confirming: what a card's bank says to a payment intent or a setup intent, with 3-D Secure between.
 * Sources: Stripe's pages "How PaymentIntents work", "How SetupIntents work", "Authenticate with 3D Secure".
 */
#include "services/payments/billing.h"
#include "services/payments/charge.h"

#include <stdarg.h>

#define METHOD (&vk_pay_r_payment_method)
#define NOT_AUTHENTICATED                                                                                    \
    "We are unable to authenticate your payment method. Please choose a different payment method and try "   \
    "again."

const vk_pay_kind vk_pay_payments = {
    .resource = &vk_pay_r_payment_intent,
    .name = "payment_intent",
    .error = "last_payment_error",
    .requires_action = "payment_intent.requires_action",
    .failed = "payment_intent.payment_failed",
    .secret_param = "payment_intent_client_secret",
    .not_authenticated = {"payment_intent_authentication_failure", NULL, NOT_AUTHENTICATED, NULL},
};
const vk_pay_kind vk_pay_setups = {
    .resource = &vk_pay_r_setup_intent,
    .name = "setup_intent",
    .error = "last_setup_error",
    .requires_action = "setup_intent.requires_action",
    .failed = "setup_intent.setup_failed",
    .secret_param = "setup_intent_client_secret",
    .not_authenticated = {"setup_intent_authentication_failure", NULL, NOT_AUTHENTICATED, NULL},
};

static const vk_pay_decline owner_wanted = {
    "authentication_required", "authentication_required",
    "Your card was declined. This transaction requires authentication.", NULL};

static bool pays(const vk_pay_kind *kind)
{
    return kind == &vk_pay_payments;
}

static bool text_is(const vk_pv *o, const char *path, const char *text)
{
    return vk_str_eqz(vk_pv_text(o, path), text);
}

/* ---- what the bank wants */

/* A card that is saved is shown to its owner as one that is charged while they are there. */
static bool wants_owner(const vk_pay_kind *kind, const vk_pv *intent, const vk_pv *method, bool off_session)
{
    vk_str asked = vk_pv_text(intent, "payment_method_options.card.request_three_d_secure");
    switch (vk_pay_card_of(method)->secure) {
    case VK_PAY_3DS_NO:
        return false;
    case VK_PAY_3DS_ASKED:
        return !off_session && (vk_str_eqz(asked, "any") || vk_str_eqz(asked, "challenge"));
    case VK_PAY_3DS_UNLESS_SET:
        return !off_session || !vk_pv_flag(method, "_card.set_up");
    case VK_PAY_3DS_PRESENT:
        return !off_session || !pays(kind);
    case VK_PAY_3DS_ALWAYS:
        return true;
    }
    return false;
}

/* ---- how it ends */

static vk_err stored(vk_pay_call *c, const vk_pay_kind *kind, vk_pv *intent, const char *event)
{
    vk_err e = vk_pay_put(c, intent);
    return e == VK_OK ? vk_pay_event(c, event, kind->resource, intent) : e;
}

static vk_pv *error_of(vk_pay_call *c, const vk_pay_decline *why, const vk_pv *method, vk_str charge)
{
    vk_arena *a = c->arena;
    vk_pv *x = vk_pv_obj(a);
    vk_str url = vk_arena_printf(a, "https://stripe.com/docs/error-codes/%s", why->code);
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] == '_')
            ((char *)(uintptr_t)url.p)[i] = '-';
    /* Stripe's error for an owner who was not recognised is none of the card's. */
    bool card = why->decline_code != NULL;
    bool ok = url.p && (!charge.p || vk_pv_put_str(a, x, "charge", charge)) &&
              vk_pv_put_str(a, x, "code", vk_str_z(why->code)) &&
              (!why->decline_code || vk_pv_put_str(a, x, "decline_code", vk_str_z(why->decline_code))) &&
              vk_pv_put_str(a, x, "doc_url", url) && vk_pv_put_str(a, x, "message", vk_str_z(why->message)) &&
              (!why->param || vk_pv_put_str(a, x, "param", vk_str_z(why->param))) &&
              vk_pv_put(a, x, "payment_method", vk_pv_copy(a, method)) &&
              vk_pv_put_str(a, x, "type", card ? VK_STR("card_error") : VK_STR("invalid_request_error"));
    return ok ? x : NULL;
}

/* Back to the beginning, with the reason. `tried`: the bank was asked for money, so there is a charge of it.
 */
static vk_err fail(vk_pay_call *c, const vk_pay_kind *kind, vk_pv *intent, vk_pv *method,
                   const vk_pay_decline *why, bool tried, bool authenticated)
{
    vk_arena *a = c->arena;
    vk_pv *charge = NULL;
    vk_err e = VK_OK;
    if (tried && pays(kind)) {
        e = vk_pay_charge_new(c, intent, method,
                              &(vk_pay_try){.captured = true, .authenticated = authenticated, .why = why},
                              &charge);
        if (e == VK_OK && !vk_pv_put_str(a, intent, "latest_charge", vk_pv_text(charge, "id")))
            e = VK_E_NOMEM;
    }
    if (e != VK_OK)
        return e;
    if (!vk_pv_put_null(a, intent, "payment_method") || !vk_pv_put_null(a, intent, "next_action") ||
        !vk_pv_put_str(a, intent, "status", VK_STR("requires_payment_method")) ||
        !vk_pv_set(a, intent, kind->error, error_of(c, why, method, vk_pv_text(charge, "id"))))
        return VK_E_NOMEM;
    e = vk_pay_put(c, intent);
    if (e == VK_OK && charge)
        e = vk_pay_event(c, "charge.failed", &vk_pay_r_charge, charge);
    return e == VK_OK ? vk_pay_event(c, kind->failed, kind->resource, intent) : e;
}

/* A card that is kept for later was shown to its owner if anybody wanted that, so it may be charged without
 * them. One that belongs to nobody is used up. */
static vk_err keep_method(vk_pay_call *c, const vk_pv *intent, vk_pv *method, vk_str usage, bool attach)
{
    vk_str customer = vk_pv_text(intent, "customer");
    vk_err e = VK_OK;
    if (vk_str_eqz(usage, "off_session") && !vk_pv_put_bool(c->arena, method, "_card.set_up", true))
        return VK_E_NOMEM;
    if (attach && customer.p && usage.p && !vk_pv_text(method, "customer").p)
        e = vk_pay_attach(c, method, customer);
    else
        e = vk_pay_put(c, method);
    return e;
}

static vk_err pay(vk_pay_call *c, vk_pv *intent, vk_pv *method, bool authenticated)
{
    vk_arena *a = c->arena;
    vk_pv *ch;
    bool manual = text_is(intent, "capture_method", "manual") ||
                  text_is(intent, "payment_method_options.card.capture_method", "manual");
    int64_t amount = vk_pv_number(intent, "amount", 0);
    vk_str usage = vk_pv_text(intent, "payment_method_options.card.setup_future_usage");
    if (!usage.p)
        usage = vk_pv_text(intent, "setup_future_usage");
    vk_err e = keep_method(c, intent, method, vk_str_eqz(usage, "none") ? VK_STR_NONE : usage, true);
    if (e != VK_OK)
        return e;
    if (!vk_pv_text(method, "customer").p && !vk_pv_put_bool(a, method, "_card.used", true))
        return VK_E_NOMEM;
    e = vk_pay_charge_new(c, intent, method,
                          &(vk_pay_try){.captured = !manual, .authenticated = authenticated}, &ch);
    if (e != VK_OK)
        return e;
    if (!vk_pv_put_str(a, intent, "latest_charge", vk_pv_text(ch, "id")) ||
        !vk_pv_put_int(a, intent, manual ? "amount_capturable" : "amount_received", amount) ||
        !vk_pv_put_str(a, intent, "status", manual ? VK_STR("requires_capture") : VK_STR("succeeded")))
        return VK_E_NOMEM;
    e = vk_pay_put(c, intent);
    if (e == VK_OK && manual)
        e = vk_pay_hold_begin(c, intent, ch);
    if (e == VK_OK)
        e = vk_pay_event(c, "charge.succeeded", &vk_pay_r_charge, ch);
    return e == VK_OK
               ? vk_pay_event(
                     c, manual ? "payment_intent.amount_capturable_updated" : "payment_intent.succeeded",
                     &vk_pay_r_payment_intent, intent)
               : e;
}

static vk_err set_up(vk_pay_call *c, vk_pv *intent, vk_pv *method)
{
    vk_str usage = vk_pv_text(intent, "usage"), customer = vk_pv_text(intent, "customer");
    if (!vk_pv_put_str(c->arena, intent, "status", VK_STR("succeeded")))
        return VK_E_NOMEM;
    vk_err e = keep_method(c, intent, method, usage, false);
    if (e == VK_OK)
        e = stored(c, &vk_pay_setups, intent, "setup_intent.succeeded");
    if (e == VK_OK && customer.p && !vk_pv_text(method, "customer").p)
        e = vk_pay_attach(c, method, customer);
    return e;
}

/* ---- 3-D Secure */

static vk_err wait_for_owner(vk_pay_call *c, const vk_pay_kind *kind, vk_pv *intent,
                             const vk_pay_confirm *how)
{
    vk_arena *a = c->arena;
    vk_pv *action = vk_pv_obj(a);
    vk_str page = how->page;
    if (!page.p) {
        vk_str token = vk_pay_token(c, intent, "_auth.secret");
        page = token.p ? vk_arena_printf(a, VK_STR_FMT "/b/%s/authenticate/" VK_STR_FMT,
                                         VK_STR_ARG(c->browser_base), c->about->build, VK_STR_ARG(token))
                       : VK_STR_NONE;
        if (!page.p || !vk_pv_put_str(a, intent, "_auth.return_url", how->return_url))
            return VK_E_NOMEM;
    }
    bool ok = how->return_url.p || how->page.p
                  ? vk_pv_put_str(a, action, "type", VK_STR("redirect_to_url")) &&
                        vk_pv_put_str(a, action, "redirect_to_url.return_url", how->return_url) &&
                        vk_pv_put_str(a, action, "redirect_to_url.url", page)
                  : vk_pv_put_str(a, action, "type", VK_STR("use_stripe_sdk")) &&
                        vk_pv_put_str(a, action, "use_stripe_sdk.type", VK_STR("three_d_secure_redirect")) &&
                        vk_pv_put_str(a, action, "use_stripe_sdk.stripe_js", page);
    if (!ok || !vk_pv_set(a, intent, "next_action", action) ||
        !vk_pv_put_str(a, intent, "status", VK_STR("requires_action")))
        return VK_E_NOMEM;
    return stored(c, kind, intent, kind->requires_action);
}

/* ---- confirming */

static bool confirmable(const vk_pv *intent)
{
    return text_is(intent, "status", "requires_payment_method") ||
           text_is(intent, "status", "requires_confirmation") || text_is(intent, "status", "requires_action");
}

vk_err vk_pay_confirm_why(vk_pay_call *c, const vk_pay_kind *kind, vk_pv *intent, const vk_pay_confirm *how,
                          vk_pay_paid *paid_r, vk_pay_decline *why_r)
{
    vk_arena *a = c->arena;
    vk_pv *method = how->method;
    vk_err e;
    if (!method || !confirmable(intent))
        return VK_E_INTERNAL; /* callers have looked */
    if (!vk_pv_put_str(a, intent, "payment_method", vk_pv_text(method, "id")) ||
        !vk_pv_put_null(a, intent, kind->error) || !vk_pv_put_null(a, intent, "next_action"))
        return VK_E_NOMEM;
    *paid_r = VK_PAY_PAID_NO;
    if (how->refused) {
        *why_r = kind->not_authenticated;
        return fail(c, kind, intent, method, why_r, false, false);
    }
    if (!how->authenticated && wants_owner(kind, intent, method, how->off_session)) {
        if (how->off_session || how->no_action) {
            *why_r = owner_wanted;
            return fail(c, kind, intent, method, why_r, true, false);
        }
        e = wait_for_owner(c, kind, intent, how);
        *paid_r = VK_PAY_PAID_ACTION;
        return e;
    }
    if (vk_pay_card_says_no(method, pays(kind), why_r))
        return fail(c, kind, intent, method, why_r, true, how->authenticated);
    e = pays(kind) ? pay(c, intent, method, how->authenticated) : set_up(c, intent, method);
    if (e == VK_OK)
        *paid_r = VK_PAY_PAID_OK;
    return e;
}

vk_err vk_pay_confirm_payment(vk_pay_call *c, vk_pv *intent, const vk_pay_confirm *how, vk_pay_paid *paid_r)
{
    vk_pay_decline why;
    return vk_pay_confirm_why(c, &vk_pay_payments, intent, how, paid_r, &why);
}

vk_err vk_pay_confirm_setup(vk_pay_call *c, vk_pv *intent, const vk_pay_confirm *how, vk_pay_paid *paid_r)
{
    vk_pay_decline why;
    return vk_pay_confirm_why(c, &vk_pay_setups, intent, how, paid_r, &why);
}

/* ---- for calls of the API */

vk_err vk_pay_refuse_state(vk_pay_call *c, const vk_pay_kind *kind, const vk_pv *intent, const char *param,
                           const char *fmt, ...)
{
    char text[600];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    vk_err e = vk_pay_refuse(c, 400,
                             pays(kind) ? "payment_intent_unexpected_state" : "setup_intent_unexpected_state",
                             param, "%s", text);
    /* What is shown is what is stored: a call may have changed the tree before it refused. */
    const vk_pv *before = NULL;
    if (vk_pay_before(c, intent, &before) != VK_OK)
        before = NULL; /* the refusal goes without it */
    if (e == VK_E_INVALID && c->refusal && before) {
        c->refusal->about = kind->resource;
        c->refusal->object = before;
    }
    return e;
}

vk_err vk_pay_refuse_declined(vk_pay_call *c, const vk_pay_kind *kind, const vk_pv *intent,
                              const vk_pay_decline *why)
{
    vk_err e = vk_pay_refuse_card(c, why->code, why->decline_code, "%s", why->message);
    if (e != VK_E_INVALID || !c->refusal)
        return e;
    if (why->param)
        c->refusal->param = vk_str_z(why->param);
    if (pays(kind))
        c->refusal->charge = vk_pv_text(intent, "latest_charge");
    c->refusal->about = kind->resource;
    c->refusal->object = intent;
    c->keep = true;
    return e;
}

/* true, or one of the words that older versions have for it */
static bool off_session(const vk_pv *params)
{
    const vk_pv *v = vk_pv_get(params, "off_session");
    return vk_pv_is(v, VK_PV_STR) ? v->u.s.n > 0 : vk_pv_flag(params, "off_session");
}

static bool web_address(vk_str url)
{
    if (!vk_str_starts(url, VK_STR("http://")) && !vk_str_starts(url, VK_STR("https://")))
        return false;
    for (size_t i = 0; i < url.n; i++)
        if ((unsigned char)url.p[i] <= ' ' || url.p[i] == 127)
            return false;
    return url.n > sizeof "https://" - 1;
}

vk_err vk_pay_confirm_asked(vk_pay_call *c, const vk_pay_kind *kind, vk_pv *intent)
{
    vk_pv *method, *who;
    vk_pay_paid paid;
    vk_pay_decline why;
    vk_str customer = vk_pv_text(intent, "customer");
    vk_str id = vk_pv_text(intent, "payment_method"), back = vk_pv_text(c->params, "return_url");
    const char *what = pays(kind) ? "PaymentIntent" : "SetupIntent";
    if (!id.p)
        return vk_pay_refuse_state(
            c, kind, intent, NULL,
            "You cannot confirm this %s because it's missing a payment method. You can "
            "either update the %s with a payment method and then confirm it again, or "
            "confirm it again directly with a payment method or ConfirmationToken.",
            what, what);
    if (back.p && !web_address(back))
        return vk_pay_refuse(c, 400, "url_invalid", "return_url", "Not a valid URL");
    vk_err e = vk_pay_need(c, METHOD, id, "payment_method", &method);
    /* Since it was named here, the method may have been used up or become somebody's, and its owner another.
     */
    if (e == VK_OK && customer.p)
        e = vk_pay_need(c, &vk_pay_r_customer, customer, "customer", &who);
    if (e == VK_OK)
        e = vk_pay_method_fits(c, method, customer);
    if (e != VK_OK)
        return e;
    bool redirects = text_is(intent, "automatic_payment_methods.allow_redirects", "always");
    if (redirects && !back.p && !off_session(c->params))
        vk_pay_notice(c, "Stripe asks for a return_url where automatic_payment_methods allow redirects.");
    const vk_pay_confirm how = {.method = method,
                                .off_session = off_session(c->params),
                                .no_action = vk_pv_flag(c->params, "error_on_requires_action"),
                                .authenticated = vk_pv_flag(intent, "_authenticated"),
                                .return_url = back};
    vk_pv_del(intent, "_authenticated");
    e = vk_pay_confirm_why(c, kind, intent, &how, &paid, &why);
    if (e == VK_OK)
        e = vk_pay_intent_settled(c, intent, paid);
    if (e == VK_OK && paid == VK_PAY_PAID_NO)
        return vk_pay_refuse_declined(c, kind, intent, &why);
    return e;
}
