/* Setup intents: a card that is kept for later. https://docs.stripe.com/api/setup_intents */
#include "services/payments/charge.h"
#include "services/payments/resources/runs.h"

#define R (&vk_pay_r_setup_intent)
#define KIND (&vk_pay_setups)

static const char skeleton[] =
    "{\"automatic_payment_methods\":null,\"cancellation_reason\":null,\"customer\":null,\"description\":null,"
    "\"last_setup_error\":null,\"latest_attempt\":null,\"mandate\":null,\"next_action\":null,"
    "\"payment_method\":null,\"single_use_mandate\":null,\"usage\":\"off_session\"}";

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

static bool is_open(const vk_pv *intent)
{
    vk_str status = vk_pv_text(intent, "status");
    return !vk_str_eqz(status, "succeeded") && !vk_str_eqz(status, "canceled") &&
           !vk_str_eqz(status, "processing");
}

vk_err vk_pay_setup_intent_create(vk_pay_call *c)
{
    vk_pv *intent = c->doc;
    bool confirm = vk_pv_flag(c->params, "confirm");
    vk_err e = complete(c, intent);
    if (e == VK_OK)
        e = vk_pay_intent_take(c, intent);
    if (e != VK_OK)
        return e;
    if (confirm && vk_pv_is_null(vk_pv_get(intent, "payment_method")))
        return vk_pay_confirm_asked(c, KIND, intent); /* which refuses */
    e = vk_pay_put(c, intent);
    if (e == VK_OK)
        e = vk_pay_event(c, "setup_intent.created", R, intent);
    if (e == VK_OK && confirm)
        e = vk_pay_confirm_asked(c, KIND, intent);
    c->result = intent;
    return e;
}

vk_err vk_pay_setup_new(vk_pay_call *c, vk_str customer, const vk_pv *metadata, vk_pv **intent_r)
{
    vk_arena *a = c->arena;
    vk_pv *p, *types = vk_pv_arr(a);
    vk_err e = vk_pay_new(c, R, VK_STR_NONE, &p);
    if (e != VK_OK)
        return e;
    if ((customer.p && !vk_pv_put_str(a, p, "customer", customer)) ||
        (metadata && !vk_pv_put(a, p, "metadata", vk_pv_copy(a, metadata))) ||
        !vk_pv_add(a, types, vk_pv_str(a, VK_STR("card"))) || !vk_pv_put(a, p, "payment_method_types", types))
        return VK_E_NOMEM;
    e = complete(c, p);
    if (e == VK_OK)
        e = vk_pay_put(c, p);
    if (e == VK_OK)
        e = vk_pay_event(c, "setup_intent.created", R, p);
    if (e == VK_OK)
        *intent_r = p;
    return e;
}

vk_err vk_pay_setup_intent_retrieve(vk_pay_call *c)
{
    return vk_pay_intent_shown(c, c->doc);
}

vk_err vk_pay_setup_intent_update(vk_pay_call *c)
{
    static const char *const while_open[] = {"customer", "payment_method", "payment_method_data",
                                             "payment_method_types", "payment_method_options"};
    if (is_open(c->doc))
        return vk_pay_intent_take(c, c->doc);
    for (size_t i = 0; i < VK_COUNT(while_open); i++)
        if (vk_pv_get(c->params, while_open[i]))
            return vk_pay_refuse_state(
                c, KIND, c->doc, while_open[i],
                "You cannot update this SetupIntent's %s because it has a status of " VK_STR_FMT ".",
                while_open[i], VK_STR_ARG(vk_pv_text(c->doc, "status")));
    return VK_OK;
}

vk_err vk_pay_setup_intent_confirm(vk_pay_call *c)
{
    vk_pv *intent;
    vk_err e = vk_pay_need(c, R, c->id[0], NULL, &intent);
    if (e != VK_OK)
        return e;
    c->result = intent;
    if (vk_str_eqz(vk_pv_text(intent, "status"), "succeeded"))
        return vk_pay_refuse_state(c, KIND, intent, NULL,
                                   "You cannot confirm this SetupIntent because it has already succeeded.");
    if (!is_open(intent))
        return vk_pay_refuse_state(
            c, KIND, intent, NULL,
            "You cannot confirm this SetupIntent because it has a status of " VK_STR_FMT ".",
            VK_STR_ARG(vk_pv_text(intent, "status")));
    if (!vk_pv_is_null(vk_pv_get(intent, "session")))
        return vk_pay_refuse_state(
            c, KIND, intent, NULL,
            "You cannot confirm a SetupIntent that was created by a Checkout Session. Use "
            "its page, or expire the Checkout Session instead.");
    e = vk_pay_intent_take(c, intent);
    return e == VK_OK ? vk_pay_confirm_asked(c, KIND, intent) : e;
}

vk_err vk_pay_setup_cancel(vk_pay_call *c, vk_pv *intent, vk_str reason)
{
    if (!vk_pv_put_str(c->arena, intent, "status", VK_STR("canceled")) ||
        !vk_pv_put_str(c->arena, intent, "cancellation_reason", reason) ||
        !vk_pv_put_null(c->arena, intent, "next_action"))
        return VK_E_NOMEM;
    vk_err e = vk_pay_put(c, intent);
    return e == VK_OK ? vk_pay_event(c, "setup_intent.canceled", R, intent) : e;
}

vk_err vk_pay_setup_intent_cancel(vk_pay_call *c)
{
    vk_pv *intent;
    vk_err e = vk_pay_need(c, R, c->id[0], NULL, &intent);
    if (e != VK_OK)
        return e;
    c->result = intent;
    if (!is_open(intent))
        return vk_pay_refuse_state(c, KIND, intent, NULL,
                                   "You cannot cancel this SetupIntent because it has a status of " VK_STR_FMT
                                   ". Only a SetupIntent with one of the following statuses may be canceled: "
                                   "requires_payment_method, requires_confirmation, requires_action.",
                                   VK_STR_ARG(vk_pv_text(intent, "status")));
    if (!vk_pv_is_null(vk_pv_get(intent, "session")))
        return vk_pay_refuse_state(c, KIND, intent, NULL,
                                   "You cannot cancel a SetupIntent that was created by a Checkout Session. "
                                   "Expire the Checkout Session instead.");
    return vk_pay_setup_cancel(c, intent, vk_pv_text(c->params, "cancellation_reason"));
}
