/* Charges: one for each time that a card was asked for money. https://docs.stripe.com/api/charges */
#include "services/payments/charge.h"
#include "services/payments/resources/runs.h"

#include "core/random.h"

#define R (&vk_pay_r_charge)

enum { TOKEN = 24, NETWORK_ID = 15 };

/* ---- tokens of pages */

vk_str vk_pay_token(vk_pay_call *c, vk_pv *doc, const char *member)
{
    vk_str id = vk_pv_text(doc, "id"), secret = vk_pay_id(c, "", TOKEN);
    if (!secret.p || !vk_pv_put_str(c->arena, doc, member, secret))
        return VK_STR_NONE;
    return vk_arena_printf(c->arena, VK_STR_FMT "_" VK_STR_FMT, VK_STR_ARG(id), VK_STR_ARG(secret));
}

vk_err vk_pay_token_doc(vk_pay_call *c, const vk_pay_resource *r, vk_str token, const char *member,
                        vk_pv **doc_r)
{
    if (token.n < TOKEN + 2 || token.p[token.n - TOKEN - 1] != '_')
        return VK_E_NOT_FOUND;
    vk_str id = {token.p, token.n - TOKEN - 1}, secret = {token.p + token.n - TOKEN, TOKEN};
    vk_pv *doc;
    vk_err e = vk_pay_get(c, r, id, &doc);
    if (e != VK_OK)
        return e;
    if (!vk_str_eq_secret(vk_pv_text(doc, member), secret))
        return VK_E_NOT_FOUND;
    *doc_r = doc;
    return VK_OK;
}

vk_err vk_pay_receipt(vk_pay_call *c, vk_str token, vk_pv **charge_r)
{
    return vk_pay_token_doc(c, R, token, "_receipt", charge_r);
}

/* ---- making one */

static const char skeleton[] =
    "{\"amount\":0,\"amount_captured\":0,\"amount_refunded\":0,\"balance_transaction\":null,"
    "\"billing_details\":{},\"calculated_statement_descriptor\":\"VALETKEY TEST\",\"captured\":false,"
    "\"currency\":null,\"customer\":null,\"description\":null,\"disputed\":false,\"failure_code\":null,"
    "\"failure_message\":null,\"fraud_details\":{},\"invoice\":null,\"metadata\":{},\"outcome\":{"
    "\"advice_code\":null,\"network_advice_code\":null,\"network_decline_code\":null,\"network_status\":"
    "\"approved_by_network\",\"reason\":null,\"risk_level\":\"normal\",\"risk_score\":32,\"seller_message\":"
    "\"Payment complete.\",\"type\":\"authorized\"},\"paid\":true,\"payment_intent\":null,\"payment_method\":"
    "null,\"payment_method_details\":{\"card\":{\"amount_authorized\":null,\"authorization_code\":null,"
    "\"brand\":null,\"checks\":null,\"country\":null,\"electronic_commerce_indicator\":null,\"exp_month\":0,"
    "\"exp_year\":0,\"extended_authorization\":{\"status\":\"disabled\"},\"fingerprint\":null,\"funding\":"
    "null,"
    "\"incremental_authorization\":{\"status\":\"unavailable\"},\"installments\":null,\"last4\":null,"
    "\"mandate\":null,\"multicapture\":{\"status\":\"unavailable\"},\"network\":null,\"network_token\":{"
    "\"used\":false},\"network_transaction_id\":null,\"overcapture\":{\"maximum_amount_capturable\":0,"
    "\"status\":\"unavailable\"},\"regulated_status\":\"unregulated\",\"three_d_secure\":null,"
    "\"transaction_link_id\":null,\"wallet\":null},\"type\":\"card\"},\"receipt_email\":null,"
    "\"receipt_number\":null,\"receipt_url\":null,\"refunded\":false,\"shipping\":null,"
    "\"statement_descriptor\":null,\"statement_descriptor_suffix\":null,\"status\":\"succeeded\","
    "\"transfer_group\":null}";

static const char secured[] =
    "{\"authentication_flow\":\"challenge\",\"electronic_commerce_indicator\":\"05\",\"exemption_indicator\":"
    "null,\"result\":\"authenticated\",\"result_reason\":null,\"transaction_id\":null,\"version\":\"2.2.0\"}";

static bool copy_members(vk_arena *a, vk_pv *to, const vk_pv *from, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const vk_pv *v = vk_pv_get(from, names[i]);
        if (v && !vk_pv_set(a, to, names[i], vk_pv_copy(a, v)))
            return false;
    }
    return true;
}

static vk_str network_id(vk_arena *a)
{
    uint8_t bytes[NETWORK_ID];
    char digits[NETWORK_ID];
    vk_random(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof digits;
         i++) /* nobody's secret: that the even digits are likelier is no harm */
        digits[i] = (char)('0' + bytes[i] % 10);
    return vk_arena_dup(a, (vk_str){digits, sizeof digits});
}

static bool card_details(vk_pay_call *c, vk_pv *card, const vk_pv *method, int64_t amount,
                         const vk_pay_try *how)
{
    static const char *const same[] = {"brand",       "checks",  "country", "exp_month",       "exp_year",
                                       "fingerprint", "funding", "last4",   "regulated_status"};
    vk_arena *a = c->arena;
    const vk_pv *from = vk_pv_get(method, "card");
    vk_pv *three = NULL;
    if (how->authenticated && vk_pv_parse(a, vk_str_z(secured), &three) != VK_OK)
        return false;
    return copy_members(a, card, from, same, VK_COUNT(same)) &&
           vk_pv_put_str(a, card, "network", vk_pv_text(from, "brand")) &&
           (how->why || (vk_pv_put_int(a, card, "amount_authorized", amount) &&
                         vk_pv_put_str(a, card, "network_transaction_id", network_id(a)))) &&
           vk_pv_put_int(a, card, "overcapture.maximum_amount_capturable", amount) &&
           (how->captured || how->why ||
            vk_pv_put_int(a, card, "capture_before", c->now + VK_PAY_CAPTURE_S)) &&
           (!three || (vk_pv_put_str(a, three, "transaction_id", vk_pay_id(c, "", TOKEN)) &&
                       vk_pv_set(a, card, "three_d_secure", three)));
}

static bool descriptor(vk_pay_call *c, vk_pv *charge)
{
    vk_str whole = vk_pv_text(charge, "statement_descriptor");
    vk_str suffix = vk_pv_text(charge, "statement_descriptor_suffix");
    if (suffix.n)
        whole = vk_arena_printf(c->arena, "VALETKEY* " VK_STR_FMT, VK_STR_ARG(suffix));
    return !whole.n || vk_pv_put_str(c->arena, charge, "calculated_statement_descriptor", whole);
}

static bool declined(vk_arena *a, vk_pv *charge, const vk_pay_decline *why)
{
    vk_str reason = vk_str_z(why->decline_code ? why->decline_code : why->code);
    return vk_pv_put_str(a, charge, "failure_code", vk_str_z(why->code)) &&
           vk_pv_put_str(a, charge, "failure_message", vk_str_z(why->message)) &&
           vk_pv_put_bool(a, charge, "paid", false) && vk_pv_put_bool(a, charge, "captured", false) &&
           vk_pv_put_str(a, charge, "status", VK_STR("failed")) &&
           vk_pv_put_str(a, charge, "outcome.network_status", VK_STR("declined_by_network")) &&
           vk_pv_put_str(a, charge, "outcome.reason", reason) &&
           vk_pv_put_str(a, charge, "outcome.seller_message",
                         VK_STR("The bank did not return any further details with this decline.")) &&
           vk_pv_put_str(a, charge, "outcome.type", VK_STR("issuer_declined"));
}

/* Its page is there for what was paid. */
static bool receipt(vk_pay_call *c, vk_pv *charge)
{
    vk_str token = vk_pay_token(c, charge, "_receipt");
    vk_str url = token.p ? vk_arena_printf(c->arena, VK_STR_FMT "/b/%s/receipts/" VK_STR_FMT,
                                           VK_STR_ARG(c->browser_base), c->about->build, VK_STR_ARG(token))
                         : VK_STR_NONE;
    return url.p && vk_pv_put_str(c->arena, charge, "receipt_url", url);
}

static vk_err captured(vk_pay_call *c, vk_pv *charge, const vk_pv *method, int64_t amount)
{
    bool at_once = method && vk_pay_card_of(method)->flags & VK_PAY_CARD_AT_ONCE;
    if (!vk_pv_put_bool(c->arena, charge, "captured", true) ||
        !vk_pv_put_int(c->arena, charge, "amount_captured", amount))
        return VK_E_NOMEM;
    return vk_pay_balance_move(c, charge, "charge", amount, at_once ? c->now : c->now + VK_PAY_AVAILABLE_S);
}

vk_err vk_pay_charge_new(vk_pay_call *c, vk_pv *intent, vk_pv *method, const vk_pay_try *how,
                         vk_pv **charge_r)
{
    static const char *const same[] = {
        "amount",        "currency",      "customer", "description",          "invoice",
        "metadata",      "receipt_email", "shipping", "statement_descriptor", "statement_descriptor_suffix",
        "transfer_group"};
    vk_arena *a = c->arena;
    vk_pv *ch, *parts;
    int64_t amount = vk_pv_number(intent, "amount", 0);
    vk_err e = vk_pay_method_seen(c, method);
    if (e == VK_OK)
        e = vk_pay_new(c, R, VK_STR_NONE, &ch);
    if (e == VK_OK)
        e = vk_pv_parse(a, vk_str_z(skeleton), &parts);
    if (e != VK_OK)
        return e;
    bool ok = vk_pay_merge(a, ch, parts) && copy_members(a, ch, intent, same, VK_COUNT(same)) &&
              vk_pv_put_str(a, ch, "payment_intent", vk_pv_text(intent, "id")) &&
              vk_pv_put_str(a, ch, "payment_method", vk_pv_text(method, "id")) &&
              vk_pv_set(a, ch, "billing_details", vk_pv_copy(a, vk_pv_get(method, "billing_details"))) &&
              card_details(c, vk_pv_at(ch, "payment_method_details.card"), method, amount, how) &&
              descriptor(c, ch) && (how->why ? declined(a, ch, how->why) : receipt(c, ch));
    if (!ok)
        return VK_E_NOMEM;
    if (how->captured && !how->why)
        e = captured(c, ch, method, amount);
    if (e == VK_OK)
        e = vk_pay_put(c, ch);
    if (e == VK_OK)
        *charge_r = ch;
    return e;
}

/* ---- what becomes of one that waits to be captured */

static vk_err waiting(vk_pay_call *c, vk_str id, vk_pv **charge_r)
{
    vk_err e = vk_pay_get(c, R, id, charge_r);
    return e == VK_E_NOT_FOUND ? VK_E_CORRUPT : e; /* the intent names it */
}

vk_err vk_pay_capture(vk_pay_call *c, vk_pv *intent, int64_t amount)
{
    vk_arena *a = c->arena;
    vk_pv *ch, *method = NULL;
    int64_t most = vk_pv_number(intent, "amount_capturable", 0);
    vk_err e = waiting(c, vk_pv_text(intent, "latest_charge"), &ch);
    if (e == VK_OK)
        e = vk_pay_get(c, &vk_pay_r_payment_method, vk_pv_text(ch, "payment_method"), &method);
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        return e;
    e = captured(c, ch, method, amount);
    if (e != VK_OK)
        return e;
    vk_pv_del(vk_pv_at(ch, "payment_method_details.card"), "capture_before");
    if (!vk_pv_put_int(a, ch, "amount_refunded", most - amount) ||
        !vk_pv_put_str(a, intent, "status", VK_STR("succeeded")) ||
        !vk_pv_put_int(a, intent, "amount_received", amount) ||
        !vk_pv_put_int(a, intent, "amount_capturable", 0))
        return VK_E_NOMEM;
    e = vk_pay_put(c, ch);
    if (e == VK_OK)
        e = vk_pay_put(c, intent);
    if (e == VK_OK)
        e = vk_pay_hold_end(c, intent);
    if (e == VK_OK)
        e = vk_pay_event(c, "charge.captured", R, ch);
    return e == VK_OK ? vk_pay_event(c, "payment_intent.succeeded", &vk_pay_r_payment_intent, intent) : e;
}

vk_err vk_pay_charge_release(vk_pay_call *c, vk_str id, bool expired)
{
    vk_pv *ch;
    vk_err e = waiting(c, id, &ch);
    if (e != VK_OK)
        return e;
    if (!vk_pv_put_int(c->arena, ch, "amount_refunded", vk_pv_number(ch, "amount", 0)) ||
        !vk_pv_put_bool(c->arena, ch, "refunded", true))
        return VK_E_NOMEM;
    e = vk_pay_put(c, ch);
    if (e != VK_OK)
        return e;
    return expired ? vk_pay_event(c, "charge.expired", R, ch)
                   : vk_pay_event_changed(c, "charge.refunded", R, ch);
}

/* ---- calls */

vk_err vk_pay_charge_update(vk_pay_call *c)
{
    vk_err e = vk_pay_put(c, c->doc);
    if (e == VK_OK)
        e = vk_pay_event_changed(c, "charge.updated", R, c->doc);
    c->result = c->doc;
    return e;
}

/* The old way to say it; the intent does it. */
vk_err vk_pay_charge_capture(vk_pay_call *c)
{
    vk_pv *ch, *intent;
    vk_err e = vk_pay_need(c, R, c->id[0], NULL, &ch);
    if (e != VK_OK)
        return e;
    if (vk_pv_flag(ch, "captured"))
        return vk_pay_refuse(c, 400, "charge_already_captured", NULL,
                             "Charge " VK_STR_FMT " has already been captured.", VK_STR_ARG(c->id[0]));
    e = vk_pay_get(c, &vk_pay_r_payment_intent, vk_pv_text(ch, "payment_intent"), &intent);
    if (e == VK_OK)
        e = vk_pay_hold_due(c, intent);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_E_CORRUPT : e;
    c->keep = vk_str_eqz(vk_pv_text(intent, "cancellation_reason"), "automatic");
    e = vk_pay_capture_asked(c, intent, "amount");
    if (e == VK_OK)
        c->result = ch;
    return e;
}
