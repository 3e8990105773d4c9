/* Payment intents. https://docs.stripe.com/api/payment_intents */
#include "services/payments/charge.h"
#include "services/payments/resources/runs.h"

#define R (&vk_pay_r_payment_intent)
#define KIND (&vk_pay_payments)

enum {
    SECRET = 25,
    OWN_TYPES_SINCE =
        20230816, /* from then on an intent takes what the account has, unless it says otherwise */
};

static bool status_in(const vk_pv *intent, const char *const *names, size_t n)
{
    vk_str status = vk_pv_text(intent, "status");
    for (size_t i = 0; i < n; i++)
        if (vk_str_eqz(status, names[i]))
            return true;
    return false;
}
static const char *const open_states[] = {"requires_payment_method", "requires_confirmation",
                                          "requires_action"};

bool vk_pay_payment_open(const vk_pv *intent)
{
    return status_in(intent, open_states, VK_COUNT(open_states));
}

/* ---- what both kinds of intents share */

vk_err vk_pay_intent_init(vk_pay_call *c, vk_pv *intent)
{
    vk_arena *a = c->arena;
    vk_str secret = vk_pay_id(c, "", SECRET), id = vk_pv_text(intent, "id");
    vk_str text =
        secret.p ? vk_arena_printf(a, VK_STR_FMT "_secret_" VK_STR_FMT, VK_STR_ARG(id), VK_STR_ARG(secret))
                 : VK_STR_NONE;
    if (!text.p || !vk_pv_put_str(a, intent, "client_secret", text) ||
        !vk_pv_put_str(a, intent, "status", VK_STR("requires_payment_method")) ||
        (!vk_pv_is(vk_pv_get(intent, "metadata"), VK_PV_OBJ) &&
         !vk_pv_put(a, intent, "metadata", vk_pv_obj(a))))
        return VK_E_NOMEM;
    return VK_OK;
}

/* Cards are what there is; other names in the list are kept, since they may be there where it goes later. */
static vk_err take_types(vk_pay_call *c, vk_pv *intent)
{
    vk_arena *a = c->arena;
    const vk_pv *types = vk_pv_get(c->params, "payment_method_types");
    const vk_pv *own = vk_pv_get(c->params, "automatic_payment_methods");
    bool is_new = !vk_pv_get(intent, "payment_method_types"), card = false;
    if (vk_pv_is(types, VK_PV_ARR) && vk_pv_flag(own, "enabled"))
        return vk_pay_refuse_both(c, "automatic_payment_methods", "payment_method_types");
    if (vk_pv_is(types, VK_PV_ARR) && types->count) {
        VK_PV_EACH(v, types)
        card = card || (vk_pv_is(v, VK_PV_STR) && vk_str_eqz(v->u.s, "card"));
        if (!card)
            return vk_pay_refuse_absent(c, "payment_method_types", "A payment method that is no card");
        return vk_pv_put(a, intent, "payment_method_types", vk_pv_copy(a, types)) &&
                       vk_pv_put_null(a, intent, "automatic_payment_methods")
                   ? VK_OK
                   : VK_E_NOMEM;
    }
    if (!is_new)
        return VK_OK;
    vk_pv *list = vk_pv_arr(a);
    if (!vk_pv_add(a, list, vk_pv_str(a, VK_STR("card"))) ||
        !vk_pv_put(a, intent, "payment_method_types", list))
        return VK_E_NOMEM;
    bool automatic = vk_pv_is(own, VK_PV_OBJ) ? vk_pv_flag(own, "enabled") : c->version >= OWN_TYPES_SINCE;
    if (!automatic)
        return vk_pv_put_null(a, intent, "automatic_payment_methods") ? VK_OK : VK_E_NOMEM;
    vk_str redirects = vk_pv_text(own, "allow_redirects");
    return vk_pv_put_str(a, intent, "automatic_payment_methods.allow_redirects",
                         redirects.p ? redirects : VK_STR("always")) &&
                   vk_pv_put_bool(a, intent, "automatic_payment_methods.enabled", true)
               ? VK_OK
               : VK_E_NOMEM;
}

static vk_err take_options(vk_pay_call *c, vk_pv *intent)
{
    static const char payment[] =
        "{\"card\":{\"installments\":null,\"mandate_options\":null,\"network\":null,"
        "\"request_three_d_secure\":\"automatic\"}}";
    static const char setup[] =
        "{\"card\":{\"mandate_options\":null,\"network\":null,\"request_three_d_secure\":\"automatic\"}}";
    vk_arena *a = c->arena;
    vk_pv *options = vk_pv_get(intent, "payment_method_options");
    bool pays = vk_str_eqz(vk_pv_text(intent, "object"), "payment_intent");
    if (!vk_pv_is(options, VK_PV_OBJ)) {
        vk_err e = vk_pv_parse(a, pays ? vk_str_z(payment) : vk_str_z(setup), &options);
        if (e != VK_OK || !vk_pv_put(a, intent, "payment_method_options", options))
            return e == VK_OK ? VK_E_NOMEM : e;
    }
    static const char *const given[] = {"request_three_d_secure", "capture_method", "setup_future_usage"};
    const vk_pv *asked = vk_pv_at(c->params, "payment_method_options.card");
    vk_pv *card = vk_pv_get(options, "card");
    for (size_t i = 0; i < VK_COUNT(given); i++) {
        vk_str text = vk_pv_text(asked, given[i]);
        if (text.p && !vk_pv_put_str(a, card, given[i], text))
            return VK_E_NOMEM;
    }
    return VK_OK;
}

vk_err vk_pay_intent_take(vk_pay_call *c, vk_pv *intent)
{
    vk_arena *a = c->arena;
    vk_pv *who, *method;
    vk_str customer = vk_pv_text(c->params, "customer");
    if (customer.p) {
        vk_err e = vk_pay_need(c, &vk_pay_r_customer, customer, "customer", &who);
        if (e != VK_OK)
            return e;
        if (!vk_pv_put_str(a, intent, "customer", customer))
            return VK_E_NOMEM;
    }
    vk_err e = take_types(c, intent);
    if (e == VK_OK)
        e = take_options(c, intent);
    if (e == VK_OK)
        e = vk_pay_method_asked(c, vk_pv_text(intent, "customer"), &method);
    if (e != VK_OK || !method)
        return e;
    if (!vk_str_eq(vk_pv_text(intent, "payment_method"), vk_pv_text(method, "id")))
        vk_pv_del(intent, "_authenticated"); /* that was about another card */
    return vk_pv_put_str(a, intent, "payment_method", vk_pv_text(method, "id")) &&
                   vk_pv_put_str(a, intent, "status", VK_STR("requires_confirmation")) &&
                   vk_pv_put_null(a, intent, "next_action")
               ? VK_OK
               : VK_E_NOMEM;
}

vk_err vk_pay_intent_shown(vk_pay_call *c, vk_pv *intent)
{
    static const char *const hidden[] = {"customer",       "latest_charge", "latest_attempt", "invoice",
                                         "transfer_group", "on_behalf_of",  "application"};
    if (!c->publishable)
        return VK_OK;
    vk_pv *seen = vk_pv_copy(c->arena, intent);
    bool ok = seen && vk_pv_put(c->arena, seen, "metadata", vk_pv_obj(c->arena));
    for (size_t i = 0; i < VK_COUNT(hidden) && ok; i++)
        if (vk_pv_get(seen, hidden[i]))
            ok = vk_pv_put_null(c->arena, seen, hidden[i]);
    if (!ok)
        return VK_E_NOMEM;
    c->result = seen;
    return VK_OK;
}

/* ---- amounts */

static vk_err check_amount(vk_pay_call *c, int64_t amount, vk_str currency)
{
    if (amount < 1)
        return vk_pay_refuse(c, 400, "parameter_invalid_integer", "amount",
                             "This value must be greater than or equal to 1.");
    bool small = amount < vk_pay_least(currency);
    if (!small && amount <= VK_PAY_AMOUNT_MAX)
        return VK_OK;
    vk_str limit = small ? vk_pay_amount_code(c->arena, vk_pay_least(currency), currency)
                         : vk_pay_amount(c->arena, VK_PAY_AMOUNT_MAX, currency);
    if (!limit.p)
        return VK_E_NOMEM;
    return vk_pay_refuse(c, 400, small ? "amount_too_small" : "amount_too_large", "amount",
                         small ? "Amount must be at least " VK_STR_FMT
                               : "Amount must be no more than " VK_STR_FMT,
                         VK_STR_ARG(limit));
}

/* Stripe takes a currency in any case and keeps it in lower case. */
static vk_err put_currency(vk_arena *a, vk_pv *intent, vk_str given)
{
    vk_str code = vk_arena_dup(a, given);
    char *p = (char *)(uintptr_t)code.p;
    for (size_t i = 0; p && i < code.n; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] + ('a' - 'A'));
    return p && vk_pv_put_str(a, intent, "currency", code) ? VK_OK : VK_E_NOMEM;
}

/* amount and currency, as they will be */
static vk_err take_money(vk_pay_call *c, vk_pv *intent)
{
    vk_arena *a = c->arena;
    vk_str given = vk_pv_text(c->params, "currency");
    int64_t amount = vk_pv_number(c->params, "amount", vk_pv_number(intent, "amount", 0));
    vk_err e = given.p ? put_currency(a, intent, given) : VK_OK;
    if (e == VK_OK && !vk_pv_put_int(a, intent, "amount", amount))
        e = VK_E_NOMEM;
    if (e != VK_OK)
        return e;
    if (!vk_pay_currency(vk_pv_text(intent, "currency")))
        return vk_pay_refuse(c, 400, NULL, "currency", "Invalid currency: " VK_STR_FMT, VK_STR_ARG(given));
    return check_amount(c, amount, vk_pv_text(intent, "currency"));
}

/* ---- made by calls, and by us */

static const char skeleton[] =
    "{\"amount_capturable\":0,\"amount_details\":{\"tip\":{}},\"amount_received\":0,"
    "\"automatic_payment_methods\":null,\"canceled_at\":null,\"cancellation_reason\":null,\"capture_method\":"
    "\"automatic\",\"confirmation_method\":\"automatic\",\"customer\":null,\"description\":null,\"invoice\":"
    "null,"
    "\"last_payment_error\":null,\"latest_charge\":null,\"next_action\":null,\"payment_method\":null,"
    "\"receipt_email\":null,\"setup_future_usage\":null,\"shipping\":null,\"statement_descriptor\":null,"
    "\"statement_descriptor_suffix\":null,\"transfer_group\":null}";

/* What is not there yet. */
static vk_err complete(vk_pay_call *c, vk_pv *intent)
{
    vk_pv *parts;
    vk_err e = vk_pv_parse(c->arena, vk_str_z(skeleton), &parts);
    VK_PV_EACH(v, e == VK_OK ? parts : NULL)
    if (!vk_pv_get_n(intent, v->key) && !vk_pv_set_n(c->arena, intent, v->key, vk_pv_copy(c->arena, v)))
        return VK_E_NOMEM;
    return e == VK_OK ? vk_pay_intent_init(c, intent) : e;
}

vk_err vk_pay_payment_intent_create(vk_pay_call *c)
{
    vk_pv *intent = c->doc;
    bool confirm = vk_pv_flag(c->params, "confirm");
    vk_err e = complete(c, intent);
    if (e == VK_OK)
        e = take_money(c, intent);
    if (e == VK_OK)
        e = vk_pay_intent_take(c, intent);
    if (e != VK_OK)
        return e;
    if (confirm && vk_pv_is_null(vk_pv_get(intent, "payment_method")))
        return vk_pay_confirm_asked(c, KIND, intent); /* which refuses */
    e = vk_pay_put(c, intent);
    if (e == VK_OK)
        e = vk_pay_event(c, "payment_intent.created", R, intent);
    if (e == VK_OK && confirm)
        e = vk_pay_confirm_asked(c, KIND, intent);
    c->result = intent;
    return e;
}

static bool put_given(vk_arena *a, vk_pv *o, const char *member, vk_str value)
{
    return !value.p || vk_pv_put_str(a, o, member, value);
}

vk_err vk_pay_intent_new(vk_pay_call *c, const vk_pay_intent_ask *ask, vk_pv **intent_r)
{
    vk_arena *a = c->arena;
    vk_pv *p;
    vk_err e = vk_pay_new(c, R, VK_STR_NONE, &p);
    if (e != VK_OK)
        return e;
    vk_pv *types = vk_pv_arr(a);
    bool ok =
        vk_pv_put_int(a, p, "amount", ask->amount) && vk_pv_put_str(a, p, "currency", ask->currency) &&
        put_given(a, p, "customer", ask->customer) && put_given(a, p, "description", ask->description) &&
        put_given(a, p, "receipt_email", ask->receipt_email) &&
        put_given(a, p, "setup_future_usage", ask->setup_future_usage) &&
        put_given(a, p, "capture_method", ask->capture_method) && put_given(a, p, "session", ask->session) &&
        put_given(a, p, "invoice", ask->invoice) &&
        (!ask->metadata || vk_pv_put(a, p, "metadata", vk_pv_copy(a, ask->metadata))) &&
        (!ask->shipping || vk_pv_put(a, p, "shipping", vk_pv_copy(a, ask->shipping))) &&
        vk_pv_add(a, types, vk_pv_str(a, VK_STR("card"))) && vk_pv_put(a, p, "payment_method_types", types);
    e = ok ? complete(c, p) : VK_E_NOMEM;
    if (e == VK_OK)
        e = vk_pay_put(c, p);
    if (e == VK_OK)
        e = vk_pay_event(c, "payment_intent.created", R, p);
    if (e == VK_OK)
        *intent_r = p;
    return e;
}

/* ---- calls */

vk_err vk_pay_payment_intent_retrieve(vk_pay_call *c)
{
    vk_err e = vk_pay_hold_due(c, c->doc);
    return e == VK_OK ? vk_pay_intent_shown(c, c->doc) : e;
}

/* What may be changed while it is open only. */
static const char *const while_open[] = {"amount",
                                         "currency",
                                         "customer",
                                         "payment_method",
                                         "payment_method_data",
                                         "receipt_email",
                                         "capture_method",
                                         "shipping",
                                         "setup_future_usage",
                                         "payment_method_types",
                                         "transfer_group",
                                         "statement_descriptor",
                                         "statement_descriptor_suffix",
                                         "payment_method_options"};

static vk_err take_changes(vk_pay_call *c, vk_pv *intent)
{
    static const char *const plain[] = {"capture_method", "setup_future_usage", "receipt_email", "shipping"};
    for (size_t i = 0; i < VK_COUNT(plain); i++) {
        const vk_pv *v = vk_pv_get(c->params, plain[i]);
        if (v && !vk_pv_put(c->arena, intent, plain[i], vk_pv_copy(c->arena, v)))
            return VK_E_NOMEM;
    }
    return vk_pay_intent_take(c, intent);
}

/* What an invoice or a session comes to, and who pays it, is theirs to say; and what they take is captured at
 * once or as they say. */
static vk_err owned(vk_pay_call *c, const vk_pv *intent)
{
    static const char *const theirs[] = {"amount", "currency", "customer", "capture_method",
                                         "payment_method_options.card.capture_method"};
    bool invoice = vk_pv_text(intent, "invoice").p;
    if (!invoice && !vk_pv_text(intent, "session").p)
        return VK_OK;
    for (size_t i = 0; i < VK_COUNT(theirs); i++)
        if (!vk_pv_is_null(vk_pv_at(c->params, theirs[i])))
            return vk_pay_refuse_state(c, KIND, intent, i < 4 ? theirs[i] : "payment_method_options",
                                       "You cannot update `%s` of a PaymentIntent that was created by %s.",
                                       i < 4 ? theirs[i] : theirs[3],
                                       invoice ? "an Invoice" : "a Checkout Session");
    return VK_OK;
}

vk_err vk_pay_payment_intent_update(vk_pay_call *c)
{
    vk_pv *intent = c->doc;
    bool waited = vk_str_eqz(vk_pv_text(intent, "status"), "requires_action");
    if (!vk_pay_payment_open(intent)) {
        for (size_t i = 0; i < VK_COUNT(while_open); i++)
            if (vk_pv_get(c->params, while_open[i]))
                return vk_pay_refuse_state(
                    c, KIND, intent, while_open[i],
                    "This PaymentIntent's %s could not be updated because it has a status of " VK_STR_FMT
                    ". You may only update the %s of a PaymentIntent with one of the following statuses: "
                    "requires_payment_method, requires_confirmation, requires_action.",
                    while_open[i], VK_STR_ARG(vk_pv_text(intent, "status")), while_open[i]);
        return VK_OK;
    }
    bool money = vk_pv_get(c->params, "amount") || vk_pv_get(c->params, "currency");
    vk_err e = owned(c, intent);
    if (e == VK_OK && money)
        e = take_money(c, intent);
    if (money)
        vk_pv_del(intent, "_authenticated");
    if (e == VK_OK)
        e = take_changes(c, intent);
    /* Its owner was asked about another amount: it is confirmed again. */
    if (e == VK_OK && money && waited &&
        (!vk_pv_put_str(c->arena, intent, "status", VK_STR("requires_confirmation")) ||
         !vk_pv_put_null(c->arena, intent, "next_action")))
        return VK_E_NOMEM;
    return e;
}

vk_err vk_pay_of_session(vk_pay_call *c, const vk_pv *intent, const char *verb)
{
    if (vk_pv_is_null(vk_pv_get(intent, "session")))
        return VK_OK;
    return vk_pay_refuse_state(
        c, KIND, intent, NULL,
        "You cannot %s a PaymentIntent that was created by a Checkout Session. Use its "
        "page, or expire the Checkout Session instead.",
        verb);
}

vk_err vk_pay_payment_intent_confirm(vk_pay_call *c)
{
    vk_pv *intent;
    vk_err e = vk_pay_need(c, R, c->id[0], NULL, &intent);
    if (e != VK_OK)
        return e;
    c->result = intent;
    vk_str status = vk_pv_text(intent, "status");
    if (vk_str_eqz(status, "succeeded"))
        return vk_pay_refuse_state(
            c, KIND, intent, NULL,
            "You cannot confirm this PaymentIntent because it has already succeeded after "
            "being previously confirmed.");
    if (!vk_pay_payment_open(intent))
        return vk_pay_refuse_state(
            c, KIND, intent, NULL,
            "You cannot confirm this PaymentIntent because it has a status of " VK_STR_FMT
            ". Only a PaymentIntent with one of the following statuses may be confirmed: "
            "requires_confirmation, requires_action.",
            VK_STR_ARG(status));
    e = vk_pay_of_session(c, intent, "confirm");
    if (e == VK_OK)
        e = owned(c, intent);
    if (e == VK_OK)
        e = take_changes(c, intent);
    return e == VK_OK ? vk_pay_confirm_asked(c, KIND, intent) : e;
}
