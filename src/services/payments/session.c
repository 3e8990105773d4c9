/* Checkout sessions as the API makes, shows and ends them. What its page does is in checkout.c.
 *
 * A session has, besides what is shown of it: `_given`, the parameters that count when it is paid
 * (payment_intent_data, subscription_data, setup_intent_data, customer_update); `_objects`, the discounts as
 * objects; and what a payment has begun with: `_customer`, `_subscription`, `_setup_intent`, `_waits`. */
#include "services/payments/checkout.h"
#include "services/payments/generic.h"
#include "services/payments/resources/runs.h"

enum {
    HALF_HOUR = 1800,
    DAY = 86400,
    CLOCKS_DIFFER = 30, /* seconds by which the caller's clock may be behind */
};

bool vk_pay_url_ok(vk_str url)
{
    size_t n = url.n;
    vk_str rest = url;
    if (n == 0 || n > VK_PAY_URL_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)url.p[i];
        if (ch <= ' ' || ch == 0x7f || ch == '\\')
            return false;
    }
    size_t skip = n >= 8 && vk_str_ieq((vk_str){url.p, 8}, VK_STR("https://"))  ? 8
                  : n >= 7 && vk_str_ieq((vk_str){url.p, 7}, VK_STR("http://")) ? 7
                                                                                : 0;
    if (!skip)
        return false;
    rest = (vk_str){url.p + skip, n - skip};
    size_t host = 0;
    while (host < rest.n && !strchr("/?#", rest.p[host])) {
        char ch = rest.p[host++];
        bool plain = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
        if (!plain && !strchr("-._:[]", ch))
            return false;
    }
    return host > 0 && rest.p[0] != ':';
}

/* ---- rules */

static const struct {
    const char *param;
    bool payment, subscription, setup; /* where it may be */
} modes[] = {
    {"line_items", true, true, false},
    {"payment_intent_data", true, false, false},
    {"subscription_data", false, true, false},
    {"setup_intent_data", false, false, true},
    {"discounts", true, true, false},
    {"allow_promotion_codes", true, true, false},
    {"customer_creation", true, false, true},
    {"payment_method_collection", false, true, false},
    {"shipping_options", true, false, false},
    {"shipping_address_collection", true, true, false},
    {"phone_number_collection", true, true, false},
    {"submit_type", true, true, false},
    {"invoice_creation", true, false, false},
};
static const char *const apart[][2] = {
    {"customer", "customer_email"},
    {"customer", "customer_creation"},
    {"allow_promotion_codes", "discounts"},
};

static bool given(const vk_pv *params, const char *name)
{
    return !vk_pv_is_null(vk_pv_get(params, name));
}

static vk_err check_url(vk_pay_call *c, const char *name)
{
    vk_str url = vk_pv_text(c->params, name);
    return !url.p || vk_pay_url_ok(url) ? VK_OK
                                        : vk_pay_refuse(c, 400, "url_invalid", name, "Not a valid URL");
}

static vk_err check_methods(vk_pay_call *c)
{
    const vk_pv *types = vk_pv_get(c->params, "payment_method_types");
    bool card = vk_pv_is_null(types) || types->count == 0, others = false;
    VK_PV_EACH(t, types)
    {
        bool is = vk_pv_is(t, VK_PV_STR) && vk_str_eqz(t->u.s, "card");
        card |= is;
        others |= !is;
    }
    if (!card)
        return vk_pay_refuse_absent(c, "payment_method_types", "A way to pay other than a card");
    if (others)
        vk_pay_notice(c, "Checkout offers cards only; the other payment_method_types have no effect.");
    return VK_OK;
}

static vk_err check_rules(vk_pay_call *c, vk_str mode)
{
    const vk_pv *p = c->params;
    vk_str ui = vk_pv_text(p, "ui_mode");
    if (ui.p && !vk_str_eqz(ui, "hosted_page"))
        return vk_pay_refuse_absent(c, "ui_mode", "A ui_mode other than the hosted page (`hosted_page`)");
    for (size_t i = 0; i < VK_COUNT(modes); i++) {
        bool may = vk_str_eqz(mode, "payment")        ? modes[i].payment
                   : vk_str_eqz(mode, "subscription") ? modes[i].subscription
                                                      : modes[i].setup;
        if (!may && given(p, modes[i].param))
            return vk_pay_refuse(c, 400, NULL, modes[i].param,
                                 "You can not pass `%s` in `" VK_STR_FMT "` mode.", modes[i].param,
                                 VK_STR_ARG(mode));
    }
    for (size_t i = 0; i < VK_COUNT(apart); i++) {
        if (given(p, apart[i][0]) && given(p, apart[i][1]))
            return vk_pay_refuse_both(c, apart[i][0], apart[i][1]);
    }
    if (given(p, "customer_update") && !given(p, "customer"))
        return vk_pay_refuse(c, 400, NULL, "customer_update",
                             "`customer_update` can only be used with `customer`.");
    if (!given(p, "success_url"))
        return vk_pay_refuse_missing(c, "success_url");
    if (vk_pv_flag(p, "invoice_creation.enabled") &&
        vk_str_eqz(vk_pv_text(p, "payment_intent_data.capture_method"), "manual"))
        return vk_pay_refuse(
            c, 400, NULL, "invoice_creation",
            "`invoice_creation` cannot be used with a `payment_intent_data[capture_method]` of "
            "`manual`.");
    if (vk_str_eqz(vk_pv_text(p, "submit_type"), "subscribe") && !vk_str_eqz(mode, "subscription"))
        return vk_pay_refuse(c, 400, NULL, "submit_type",
                             "`submit_type` can only be `subscribe` in `subscription` mode.");
    vk_err e = check_url(c, "success_url");
    if (e == VK_OK)
        e = check_url(c, "cancel_url");
    return e == VK_OK ? check_methods(c) : e;
}

static vk_err check_customer(vk_pay_call *c)
{
    vk_pv *customer;
    vk_str id = vk_pv_text(c->params, "customer"), email = vk_pv_text(c->params, "customer_email");
    if (email.p && !vk_pay_email_ok(email))
        return vk_pay_refuse(c, 400, "email_invalid", "customer_email", "Invalid email address: " VK_STR_FMT,
                             VK_STR_ARG(email));
    return id.p ? vk_pay_need(c, &vk_pay_r_customer, id, "customer", &customer) : VK_OK;
}

static vk_err check_trial(vk_pay_call *c)
{
    const vk_pv *data = vk_pv_get(c->params, "subscription_data");
    const vk_pv *days = vk_pv_get(data, "trial_period_days"), *end = vk_pv_get(data, "trial_end");
    if (!vk_pv_is_null(days) && !vk_pv_is_null(end))
        return vk_pay_refuse_both(c, "subscription_data[trial_period_days]", "subscription_data[trial_end]");
    if (vk_pv_is(days, VK_PV_INT) && (days->u.i < 1 || days->u.i > VK_PAY_TRIAL_DAYS))
        return vk_pay_refuse(c, 400, NULL, "subscription_data[trial_period_days]",
                             "The number of trial days must be between 1 and %d.", VK_PAY_TRIAL_DAYS);
    if (vk_pv_is(end, VK_PV_INT) && end->u.i < c->now + 2 * DAY - CLOCKS_DIFFER)
        return vk_pay_refuse(c, 400, NULL, "subscription_data[trial_end]",
                             "The `trial_end` date has to be at least 2 days in the future.");
    if (vk_pv_is(end, VK_PV_INT) && end->u.i > c->now + (int64_t)VK_PAY_TRIAL_DAYS * DAY)
        return vk_pay_refuse(c, 400, NULL, "subscription_data[trial_end]",
                             "The `trial_end` date must be at most %d days in the future.",
                             VK_PAY_TRIAL_DAYS);
    return vk_pay_rates_check(c, vk_pv_get(data, "default_tax_rates"),
                              "subscription_data[default_tax_rates]");
}

/* ---- amounts */

/* The first option is chosen until somebody chooses another. */
static void choose_shipping(vk_pay_fill *f, const vk_pv *option)
{
    int64_t amount = vk_pv_number(option, "shipping_amount", 0);
    vk_fill_int(f, "shipping_cost.amount_subtotal", amount);
    vk_fill_int(f, "shipping_cost.amount_tax", 0);
    vk_fill_int(f, "shipping_cost.amount_total", amount);
    vk_fill_str(f, "shipping_cost.shipping_rate", vk_pv_text(option, "shipping_rate"));
}

static vk_err check_amount(vk_pay_call *c, const vk_pv *doc)
{
    vk_str currency = vk_pv_text(doc, "currency");
    int64_t total = vk_pv_number(doc, "amount_total", 0), least = vk_pay_least(currency);
    if (total > VK_PAY_TOTAL_MAX)
        return vk_pay_refuse(c, 400, "amount_too_large", "line_items",
                             "The Checkout Session's total amount due must be no more than " VK_STR_FMT,
                             VK_STR_ARG(vk_pay_amount_code(c->arena, VK_PAY_TOTAL_MAX, currency)));
    if (total > 0 && total < least)
        return vk_pay_refuse(c, 400, "amount_too_small", "line_items",
                             "The Checkout Session's total amount due must add up to at least " VK_STR_FMT,
                             VK_STR_ARG(vk_pay_amount_code(c->arena, least, currency)));
    return VK_OK;
}

/* ---- making one */

static vk_err discounts_of(vk_pay_call *c, vk_pv *doc, const vk_pv *params, vk_pay_fill *f)
{
    vk_pv *discounts, *objects = vk_pv_arr(c->arena);
    vk_str customer = vk_pv_text(doc, "customer");
    const char *why = NULL;
    vk_err e = vk_pay_session_sum(c, doc, &why);
    if (e == VK_E_INVALID)
        return vk_pay_refuse(c, 400, "amount_too_large", "line_items", "%s", why);
    if (e == VK_OK)
        e = vk_pay_discounts_make(c, params, "discounts", customer, vk_pv_text(doc, "currency"),
                                  vk_pv_number(doc, "amount_subtotal", 0), &discounts);
    if (e != VK_OK)
        return e;
    VK_PV_EACH(d, discounts)
    {
        vk_pv *o;
        e = vk_pay_discount_make(c, d, customer, "checkout_session", vk_pv_text(doc, "id"), &o);
        if (e != VK_OK)
            return e;
        if (!vk_pv_add(c->arena, objects, o))
            return VK_E_NOMEM;
    }
    vk_fill(f, "discounts", discounts);
    vk_fill(f, "_objects", objects);
    e = f->bad ? VK_E_NOMEM : vk_pay_session_sum(c, doc, &why);
    return e == VK_E_INVALID ? vk_pay_refuse(c, 400, "amount_too_large", "line_items", "%s", why) : e;
}

static void settle(vk_pay_call *c, vk_pay_fill *f, vk_str mode)
{
    bool payment = vk_str_eqz(mode, "payment"), setup = vk_str_eqz(mode, "setup");
    const vk_pv *doc = f->o;
    if (vk_pv_is_null(vk_pv_get(doc, "payment_method_collection")))
        vk_fill_str(f, "payment_method_collection", payment ? VK_STR("if_required") : VK_STR("always"));
    if (!vk_pv_text(doc, "customer").p && !vk_pv_text(doc, "customer_creation").p)
        vk_fill_str(f, "customer_creation", payment ? VK_STR("if_required") : VK_STR("always"));
    if (payment && vk_pv_is_null(vk_pv_get(doc, "invoice_creation"))) {
        vk_fill_bool(f, "invoice_creation.enabled", false);
        vk_fill(f, "invoice_creation.invoice_data.metadata", vk_pv_obj(c->arena));
    }
    if (setup)
        vk_fill_null(f, "discounts");
    vk_fill_str(f, "status", VK_STR("open"));
    vk_fill_str(f, "payment_status", setup ? VK_STR("no_payment_required") : VK_STR("unpaid"));
    vk_fill_made(f, "url",
                 vk_arena_printf(c->arena, VK_STR_FMT "/b/%s/c/pay/" VK_STR_FMT, VK_STR_ARG(c->browser_base),
                                 c->about->build, VK_STR_ARG(vk_pv_text(doc, "id"))));
}

/* The rates of its subscription are those of the recurring items that have none of their own. */
static vk_err default_rates(vk_pay_call *c, const vk_pv *doc, vk_pv *items)
{
    const vk_pv *rates = vk_pv_at(doc, "_given.subscription_data.default_tax_rates");
    if (vk_pv_is_null(rates))
        return VK_OK;
    VK_PV_EACH(item, items)
    if (vk_pay_recurs(c, item) && vk_pv_is_null(vk_pv_get(item, "_rates")) &&
        !vk_pv_put(c->arena, item, "_rates", vk_pv_copy(c->arena, rates)))
        return VK_E_NOMEM;
    return VK_OK;
}

vk_err vk_pay_session_finish(vk_pay_call *c, vk_pv *doc, vk_pv *items, vk_str currency, const vk_pv *params)
{
    vk_pv *options;
    vk_str mode = vk_pv_text(doc, "mode");
    int64_t end = vk_pv_number(doc, "expires_at", 0);
    vk_pay_fill f = {c->arena, doc, false};
    vk_err e = VK_OK;
    if (items) {
        e = vk_pay_items_mode(c, items, &mode);
        vk_fill_str(&f, "mode", mode);
        vk_fill_str(&f, "currency", currency);
        vk_fill(&f, "line_items.data", items);
        if (e == VK_OK)
            e = default_rates(c, doc, items);
        if (e == VK_OK)
            e = vk_pay_shipping_options(c, params, currency, &options);
        if (e != VK_OK)
            return e;
        vk_fill(&f, "shipping_options", options);
        if (options->count)
            choose_shipping(&f, vk_pv_first(options));
        e = f.bad ? VK_E_NOMEM : discounts_of(c, doc, params, &f);
    }
    if (!end)
        vk_fill_int(&f, "expires_at", end = c->now + DAY);
    settle(c, &f, mode);
    if (e == VK_OK && f.bad)
        e = VK_E_NOMEM;
    if (e == VK_OK && items)
        e = check_amount(c, doc);
    if (e == VK_OK)
        e = vk_pay_due_put(c->db, vk_pv_text(doc, "id"), end * 1000);
    return e == VK_OK ? vk_pay_wake_at(c, end * 1000) : e;
}

static vk_err expires(vk_pay_call *c, vk_pay_fill *f)
{
    const vk_pv *at = vk_pv_get(c->params, "expires_at");
    if (!vk_pv_is(at, VK_PV_INT))
        return VK_OK;
    if (at->u.i < c->now + HALF_HOUR - CLOCKS_DIFFER)
        return vk_pay_refuse(c, 400, NULL, "expires_at",
                             "The `expires_at` timestamp must be at least 30 minutes from Checkout Session "
                             "creation.");
    if (at->u.i > c->now + DAY + CLOCKS_DIFFER)
        return vk_pay_refuse(c, 400, NULL, "expires_at",
                             "The `expires_at` timestamp must be less than 24 hours from Checkout Session "
                             "creation.");
    vk_fill_int(f, "expires_at", at->u.i);
    return VK_OK;
}

/* Members that stand in the object as they were given, but in another shape or not at once. */
static vk_err take_rest(vk_pay_call *c, vk_pay_fill *f)
{
    static const char *const later[] = {"payment_intent_data", "subscription_data", "setup_intent_data",
                                        "customer_update"};
    static const char *const same[] = {"saved_payment_method_options", "permissions"};
    const vk_pv *p = c->params;
    vk_pv *fields;
    for (size_t i = 0; i < VK_COUNT(later); i++) {
        if (given(p, later[i]))
            f->bad |= !vk_pv_set(c->arena, vk_pv_get(f->o, "_given"), later[i],
                                 vk_pv_copy(c->arena, vk_pv_get(p, later[i])));
    }
    for (size_t i = 0; i < VK_COUNT(same); i++)
        vk_fill_copy(f, same[i], p, same[i]);
    if (vk_pv_flag(p, "automatic_tax.enabled")) {
        vk_pay_notice(c, "Automatic tax computes nothing here: there are no registrations, so the tax is 0.");
        vk_fill_bool(f, "automatic_tax.enabled", true);
        vk_fill_str(f, "automatic_tax.liability.type", VK_STR("self"));
        vk_fill_str(f, "automatic_tax.provider", VK_STR("stripe"));
        vk_fill_str(f, "automatic_tax.status", VK_STR("complete"));
    }
    if (vk_pv_flag(p, "tax_id_collection.enabled")) {
        vk_pay_notice(c, "The page asks for no tax id.");
        vk_fill_bool(f, "tax_id_collection.enabled", true);
        vk_fill_str(f, "tax_id_collection.required", VK_STR("never"));
    }
    if (vk_pv_flag(p, "invoice_creation.enabled")) {
        static const char *const data[] = {"custom_fields", "description", "footer"};
        const vk_pv *from = vk_pv_at(p, "invoice_creation.invoice_data"),
                    *metadata = vk_pv_get(from, "metadata");
        vk_fill_bool(f, "invoice_creation.enabled", true);
        vk_fill(f, "invoice_creation.invoice_data.metadata",
                metadata ? vk_pv_copy(c->arena, metadata) : vk_pv_obj(c->arena));
        vk_pay_fill g = {c->arena, vk_pv_at(f->o, "invoice_creation.invoice_data"), false};
        for (size_t i = 0; i < VK_COUNT(data); i++)
            vk_fill_copy(&g, data[i], from, data[i]);
        f->bad |= g.bad;
    }
    vk_fill(f, "payment_method_types", vk_pv_arr(c->arena));
    f->bad |=
        !vk_pv_add(c->arena, vk_pv_get(f->o, "payment_method_types"), vk_pv_str(c->arena, VK_STR("card")));
    vk_err e = vk_pay_custom_fields(c, p, &fields);
    if (e == VK_OK)
        vk_fill(f, "custom_fields", fields);
    return e;
}

vk_err vk_pay_session_create(vk_pay_call *c)
{
    vk_str mode = vk_pv_text(c->doc, "mode"), currency = vk_pv_text(c->params, "currency");
    vk_pv *items = NULL;
    vk_pay_fill f = {c->arena, c->doc, false};
    if (!mode.p)
        mode = VK_STR("payment");
    vk_fill_str(&f, "mode", mode);
    vk_fill(&f, "_given", vk_pv_obj(c->arena));
    vk_err e = check_rules(c, mode);
    if (e == VK_OK)
        e = check_customer(c);
    if (e == VK_OK)
        e = check_trial(c);
    if (e == VK_OK)
        e = expires(c, &f);
    if (e == VK_OK)
        e = take_rest(c, &f);
    if (e == VK_OK && !vk_str_eqz(mode, "setup"))
        e = vk_pay_items_make(c, c->params, "line_items", &currency, &items);
    if (e == VK_OK && f.bad)
        e = VK_E_NOMEM;
    return e == VK_OK ? vk_pay_session_finish(c, c->doc, items, currency, c->params) : e;
}

/* ---- the others */

vk_err vk_pay_checkout_due(vk_pay_call *c, vk_pv *session)
{
    if (!vk_str_eqz(vk_pv_text(session, "status"), "open") || vk_pv_number(session, "expires_at", 0) > c->now)
        return VK_OK;
    return vk_pay_session_end(c, session);
}

vk_err vk_pay_session_retrieve(vk_pay_call *c)
{
    return vk_pay_checkout_due(c, c->doc);
}

/* A list tells of no open session whose time is over, whether or not anything has woken the build; but when
 * there are more of these than one call can end. */
vk_err vk_pay_session_list(vk_pay_call *c)
{
    return vk_pay_due(c);
}

static vk_err refuse_status(vk_pay_call *c, const vk_pv *doc, const char *what)
{
    return vk_pay_refuse(
        c, 400, NULL, NULL,
        "Only Checkout Sessions with a status in [\"open\"] can be %s. This Checkout Session has "
        "a status of `" VK_STR_FMT "`.",
        what, VK_STR_ARG(vk_pv_text(doc, "status")));
}

vk_err vk_pay_session_update(vk_pay_call *c)
{
    const vk_pv *options = vk_pv_get(c->params, "shipping_options");
    const vk_pv *collected = vk_pv_at(c->params, "collected_information.shipping_details");
    vk_pay_fill f = {c->arena, c->doc, false};
    const char *why = NULL;
    vk_err e = vk_pay_checkout_due(c, c->doc);
    if (e != VK_OK || (!options && !collected))
        return e;
    if (!vk_str_eqz(vk_pv_text(c->doc, "status"), "open"))
        return refuse_status(c, c->doc, "updated");
    vk_fill_copy(&f, "collected_information.shipping_details", c->params,
                 "collected_information.shipping_details");
    if (options) {
        vk_pv *made;
        if (!vk_str_eqz(vk_pv_text(c->doc, "mode"), "payment"))
            return vk_pay_refuse(c, 400, NULL, "shipping_options",
                                 "`shipping_options` can only be used in `payment` mode.");
        e = vk_pay_shipping_options(c, c->params, vk_pv_text(c->doc, "currency"), &made);
        if (e != VK_OK)
            return e;
        vk_fill(&f, "shipping_options", made);
        vk_fill_null(&f, "shipping_cost");
        if (made->count)
            choose_shipping(&f, vk_pv_first(made));
        e = vk_pay_session_sum(c, c->doc, &why);
        if (e == VK_E_INVALID)
            return vk_pay_refuse(c, 400, "amount_too_large", "shipping_options", "%s", why);
        if (e == VK_OK)
            e = check_amount(c, c->doc);
        if (e == VK_OK)
            e = vk_pay_checkout_anew(c, c->doc); /* somebody may be asked about the total that was */
    }
    return e == VK_OK && f.bad ? VK_E_NOMEM : e;
}

vk_err vk_pay_session_end(vk_pay_call *c, vk_pv *s)
{
    vk_pv *subscription;
    vk_str id = vk_pv_text(s, "_subscription");
    vk_pay_fill f = {c->arena, s, false};
    vk_err e = vk_pay_intent_drop(c, &vk_pay_r_payment_intent, vk_pv_text(s, "payment_intent"), VK_STR_NONE);
    if (e == VK_OK)
        e = vk_pay_intent_drop(
            c, &vk_pay_r_setup_intent,
            vk_pv_text(s, vk_pv_text(s, "setup_intent").p ? "setup_intent" : "_setup_intent"), VK_STR_NONE);
    if (e == VK_OK && id.p) {
        e = vk_pay_get(c, &vk_pay_r_subscription, id, &subscription);
        if (e == VK_OK && vk_str_eqz(vk_pv_text(subscription, "status"), "incomplete"))
            e = vk_pay_subscription_drop(c, subscription);
    }
    vk_fill_str(&f, "status", VK_STR("expired"));
    vk_fill_null(&f, "url");
    vk_pv_del(s, "_waits");
    if (e == VK_OK)
        e = f.bad ? VK_E_NOMEM : vk_pay_put(c, s);
    if (e == VK_OK)
        e = vk_pay_due_put(c->db, vk_pv_text(s, "id"), 0);
    return e == VK_OK ? vk_pay_event(c, "checkout.session.expired", &vk_pay_r_session, s) : e;
}

vk_err vk_pay_session_expire(vk_pay_call *c)
{
    vk_pv *s;
    vk_err e = vk_pay_need(c, &vk_pay_r_session, c->id[0], NULL, &s);
    if (e == VK_OK)
        e = vk_pay_checkout_due(c, s);
    if (e != VK_OK)
        return e;
    if (!vk_str_eqz(vk_pv_text(s, "status"), "open"))
        return refuse_status(c, s, "expired");
    e = vk_pay_session_end(c, s);
    c->result = s;
    return e;
}

vk_err vk_pay_session_line_items(vk_pay_call *c)
{
    vk_pv *s;
    vk_err e = vk_pay_need(c, &vk_pay_r_session, c->id[0], NULL, &s);
    if (e != VK_OK)
        return e;
    vk_str url =
        vk_arena_printf(c->arena, "/v1/checkout/sessions/" VK_STR_FMT "/line_items", VK_STR_ARG(c->id[0]));
    return url.p ? vk_pay_list_inner(c, &vk_pay_r_item, vk_pv_at(s, "line_items.data"), url) : VK_E_NOMEM;
}
