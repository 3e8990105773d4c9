/* Payment methods: test cards, as Stripe shows them. https://docs.stripe.com/api/payment_methods */
#include "services/payments/charge.h"
#include "services/payments/resources/runs.h"

#define R (&vk_pay_r_payment_method)

static const char used_up[] =
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared "
    "with a connected account without Customer attachment, or was detached from a Customer. It may not be "
    "used "
    "again. To use a PaymentMethod multiple times, you must attach it to a Customer first.";

bool vk_pay_merge(vk_arena *a, vk_pv *into, const vk_pv *from)
{
    VK_PV_EACH(v, from)
    {
        vk_pv *there = vk_pv_get_n(into, v->key);
        bool ok = vk_pv_is(v, VK_PV_OBJ) && vk_pv_is(there, VK_PV_OBJ)
                      ? vk_pay_merge(a, there, v)
                      : vk_pv_set_n(a, into, v->key, vk_pv_copy(a, v));
        if (!ok)
            return false;
    }
    return true;
}

bool vk_pay_merge_metadata(vk_arena *a, vk_pv *doc, const vk_pv *given)
{
    vk_pv *into = vk_pv_get(doc, "metadata");
    if (!vk_pv_is(given, VK_PV_OBJ))
        return true;
    if (!vk_pv_is(into, VK_PV_OBJ) && (!(into = vk_pv_obj(a)) || !vk_pv_set(a, doc, "metadata", into)))
        return false;
    VK_PV_EACH(v, given)
    {
        if (vk_pv_is(v, VK_PV_STR) && v->u.s.n) {
            if (!vk_pv_set_n(a, into, v->key, vk_pv_copy(a, v)))
                return false;
        } else {
            vk_pv_del_n(into, v->key);
        }
    }
    return true;
}

const vk_pay_card *vk_pay_card_of(const vk_pv *method)
{
    const vk_pay_card *card = vk_pay_card_named(vk_pv_text(method, "_card.name"));
    return card ? card : &vk_pay_cards[0];
}

bool vk_pay_card_says_no(const vk_pv *method, bool charge, vk_pay_decline *why_r)
{
    const vk_pay_card *card = vk_pay_card_of(method);
    bool no = card->declines == VK_PAY_DECLINES || (card->declines == VK_PAY_DECLINES_CHARGES && charge) ||
              (card->declines == VK_PAY_DECLINES_WITH_CVC && vk_pv_flag(method, "_card.cvc"));
    if (no)
        *why_r = (vk_pay_decline){card->code, card->decline_code, card->message, card->param};
    return no;
}

/* ---- making one */

typedef struct typed {
    const vk_pay_card *card;
    int64_t month, year;
    bool cvc;
} typed;

/* The API's parameters are typed; what a page's form says is text. */
static bool whole(const vk_pv *v, int64_t *out_r)
{
    if (vk_pv_is(v, VK_PV_INT)) {
        *out_r = v->u.i;
        return true;
    }
    return vk_pv_is(v, VK_PV_STR) && vk_str_to_i64(v->u.s, out_r) == VK_OK;
}

/* The bytes are the request's, in its arena or body, and nobody reads them again. */
static void forget(vk_pv *v)
{
    if (!vk_pv_is(v, VK_PV_STR) || v->u.s.n == 0)
        return;
    vk_wipe((void *)(uintptr_t)v->u.s.p, v->u.s.n);
    v->u.s.n = 0;
}

static vk_err refuse_card(vk_pay_call *c, const vk_pay_decline *why)
{
    vk_err e = vk_pay_refuse_card(c, why->code, why->decline_code, "%s", why->message);
    if (e == VK_E_INVALID && c->refusal && why->param)
        c->refusal->param = vk_str_z(why->param);
    return e;
}

static vk_err read_number(vk_pay_call *c, const vk_pv *card, typed *out_r)
{
    static const char *const needed[] = {"number", "exp_month", "exp_year"};
    for (size_t i = 0; i < VK_COUNT(needed); i++)
        if (vk_pv_is_null(vk_pv_get(card, needed[i]))) {
            vk_str name = vk_arena_printf(c->arena, "card[%s]", needed[i]);
            return name.p ? vk_pay_refuse_missing(c, name.p) : VK_E_NOMEM;
        }
    vk_pv *number = vk_pv_get(card, "number"), *cvc = vk_pv_get(card, "cvc");
    int64_t month = 0, year = -1;
    if (!whole(vk_pv_get(card, "exp_month"), &month))
        month = 0;
    if (!whole(vk_pv_get(card, "exp_year"), &year))
        year = -1;
    vk_pay_card_fault fault;
    vk_str code = vk_pv_text(card, "cvc");
    vk_err e = vk_pay_card_check(vk_pv_text(card, "number"), month, year, code, c->now, &out_r->card,
                                 &out_r->year, &fault);
    out_r->month = month;
    out_r->cvc = code.n > 0;
    forget(number);
    forget(cvc);
    if (e == VK_E_INVALID)
        return refuse_card(c, &(vk_pay_decline){fault.code, NULL, fault.message, fault.param});
    return e;
}

/* A card that a token stands for is good for some years more, and came with its code. */
static vk_err of_token(vk_pay_call *c, const vk_pay_card *card, typed *out_r)
{
    time_t t = (time_t)c->now;
    struct tm tm;
    if (!gmtime_r(&t, &tm))
        return VK_E_INTERNAL;
    *out_r = (typed){card, 12, tm.tm_year + 1900 + 4, true};
    return VK_OK;
}

static vk_err read_card(vk_pay_call *c, const vk_pv *card, typed *out_r)
{
    vk_str token = vk_pv_text(card, "token");
    if (!token.p)
        return read_number(c, card, out_r);
    if (!vk_pv_is_null(vk_pv_get(card, "number")))
        return vk_pay_refuse_both(c, "card[token]", "card[number]");
    const vk_pay_card *row = vk_str_starts(token, VK_STR("tok_")) ? vk_pay_card_token(token) : NULL;
    if (!row)
        return vk_pay_refuse(c, 400, "resource_missing", "card[token]", "No such token: '" VK_STR_FMT "'",
                             VK_STR_ARG(token));
    return of_token(c, row, out_r);
}

static void card_key(uint8_t out[32])
{
    const vk_runtime *rt = vk_pay_runtime();
    memset(out, 0, 32);
    if (rt && rt->master) /* there is none in unit tests */
        vk_master_subkey(rt->master, VK_STR("valetkey/payments/cards/v1"), out);
}

static const char *display_brand(const char *brand)
{
    static const char *const other[][2] = {
        {"amex", "american_express"}, {"diners", "diners_club"}, {"unionpay", "union_pay"}};
    for (size_t i = 0; i < VK_COUNT(other); i++)
        if (strcmp(brand, other[i][0]) == 0)
            return other[i][1];
    return brand;
}

static const char skeleton[] =
    "{\"allow_redisplay\":\"unspecified\",\"billing_details\":{\"address\":{\"city\":null,\"country\":null,"
    "\"line1\":null,\"line2\":null,\"postal_code\":null,\"state\":null},\"email\":null,\"name\":null,"
    "\"phone\":"
    "null,\"tax_id\":null},\"card\":{\"brand\":null,\"checks\":{\"address_line1_check\":null,"
    "\"address_postal_code_check\":null,\"cvc_check\":null},\"country\":null,\"display_brand\":null,"
    "\"exp_month\":0,\"exp_year\":0,\"fingerprint\":null,\"funding\":null,\"generated_from\":null,\"last4\":"
    "null,\"networks\":{\"available\":[],\"preferred\":null},\"regulated_status\":\"unregulated\","
    "\"three_d_secure_usage\":{\"supported\":true},\"wallet\":null},\"customer\":null,\"metadata\":{},"
    "\"type\":"
    "\"card\"}";

static vk_err make(vk_pay_call *c, const typed *t, const vk_pv *billing, vk_pv **method_r)
{
    vk_arena *a = c->arena;
    vk_pv *m, *parts;
    uint8_t key[32];
    char print[VK_PAY_FINGERPRINT + 1];
    vk_err e = vk_pay_new(c, R, VK_STR_NONE, &m);
    if (e == VK_OK)
        e = vk_pv_parse(a, vk_str_z(skeleton), &parts);
    if (e != VK_OK)
        return e;
    card_key(key);
    vk_pay_card_fingerprint(t->card, key, vk_str_z(c->about->build), print);
    vk_wipe(key, sizeof key);
    vk_str fingerprint = vk_arena_dup(a, vk_str_z(print));
    bool ok = fingerprint.p && vk_pay_merge(a, m, parts) &&
              vk_pv_put_str(a, m, "card.brand", vk_str_z(t->card->brand)) &&
              vk_pv_put_str(a, m, "card.display_brand", vk_str_z(display_brand(t->card->brand))) &&
              vk_pv_put_str(a, m, "card.country", vk_str_z(t->card->country)) &&
              vk_pv_put_str(a, m, "card.funding", vk_str_z(t->card->funding)) &&
              vk_pv_put_str(a, m, "card.last4", vk_pay_card_last4(t->card)) &&
              vk_pv_put_str(a, m, "card.fingerprint", fingerprint) &&
              vk_pv_put_int(a, m, "card.exp_month", t->month) &&
              vk_pv_put_int(a, m, "card.exp_year", t->year) &&
              (!t->cvc || vk_pv_put_str(a, m, "card.checks.cvc_check", VK_STR("unchecked"))) &&
              vk_pv_add(a, vk_pv_at(m, "card.networks.available"), vk_pv_str(a, vk_str_z(t->card->brand))) &&
              vk_pv_put_str(a, m, "_card.name", vk_str_z(t->card->name)) &&
              vk_pv_put_bool(a, m, "_card.cvc", t->cvc) &&
              vk_pay_merge(a, vk_pv_get(m, "billing_details"), billing);
    if (!ok)
        return VK_E_NOMEM;
    /* address=null unsets it: all of it is null then */
    if (!vk_pv_is(vk_pv_at(m, "billing_details.address"), VK_PV_OBJ) &&
        !vk_pv_put(a, m, "billing_details.address",
                   vk_pv_copy(a, vk_pv_at(parts, "billing_details.address"))))
        return VK_E_NOMEM;
    *method_r = m;
    return VK_OK;
}

vk_err vk_pay_method_of_card(vk_pay_call *c, const vk_pv *card, const vk_pv *billing, vk_pv **method_r)
{
    typed t;
    vk_err e = read_card(c, card, &t);
    if (e == VK_OK)
        e = make(c, &t, billing, method_r);
    return e == VK_OK ? vk_pay_put(c, *method_r) : e;
}

static vk_err not_used_up(vk_pay_call *c, const vk_pv *method, const char *param)
{
    if (vk_pv_flag(method, "_card.used") && vk_pv_is_null(vk_pv_get(method, "customer")))
        return vk_pay_refuse(c, 400, "payment_method_unexpected_state", param, "%s", used_up);
    return VK_OK;
}

vk_err vk_pay_method_of(vk_pay_call *c, vk_str id, const char *param, vk_pv **method_r)
{
    const vk_pay_card *card = vk_str_starts(id, VK_STR("pm_card_")) ? vk_pay_card_token(id) : NULL;
    if (card) {
        typed t;
        vk_err e = of_token(c, card, &t);
        if (e == VK_OK)
            e = make(c, &t, NULL, method_r);
        return e == VK_OK ? vk_pay_put(c, *method_r) : e;
    }
    vk_err e = vk_pay_need(c, R, id, param, method_r);
    return e == VK_OK ? not_used_up(c, *method_r, param) : e;
}

/* Parameters of a new method: {type, card, billing_details, metadata, allow_redisplay}. `within` is what
 * their names begin with in errors. */
static vk_err of_data(vk_pay_call *c, const vk_pv *data, const char *type_param, const char *card_param,
                      vk_pv **method_r)
{
    vk_str type = vk_pv_text(data, "type");
    const vk_pv *card = vk_pv_get(data, "card");
    if (!type.p)
        return vk_pay_refuse_missing(c, type_param);
    if (!vk_str_eqz(type, "card"))
        return vk_pay_refuse_absent(c, type_param, "A payment method that is no card");
    if (!vk_pv_is(card, VK_PV_OBJ))
        return vk_pay_refuse_missing(c, card_param);
    vk_err e = vk_pay_method_of_card(c, card, vk_pv_get(data, "billing_details"), method_r);
    if (e != VK_OK)
        return e;
    vk_pv *m = *method_r;
    vk_str shown = vk_pv_text(data, "allow_redisplay");
    const vk_pv *metadata = vk_pv_get(data, "metadata");
    if ((shown.p && !vk_pv_put_str(c->arena, m, "allow_redisplay", shown)) ||
        !vk_pay_merge_metadata(c->arena, m, metadata))
        return VK_E_NOMEM;
    return shown.p || metadata ? vk_pay_put(c, m) : VK_OK;
}

vk_err vk_pay_method_asked(vk_pay_call *c, vk_str customer, vk_pv **method_r)
{
    vk_str id = vk_pv_text(c->params, "payment_method");
    const vk_pv *data = vk_pv_get(c->params, "payment_method_data");
    bool by_data = vk_pv_is(data, VK_PV_OBJ);
    *method_r = NULL;
    if (id.p && by_data)
        return vk_pay_refuse_both(c, "payment_method", "payment_method_data");
    if (by_data)
        return of_data(c, data, "payment_method_data[type]", "payment_method_data[card]", method_r);
    if (!id.p)
        return VK_OK;
    vk_err e = vk_pay_method_of(c, id, "payment_method", method_r);
    return e == VK_OK ? vk_pay_method_fits(c, *method_r, customer) : e;
}

vk_err vk_pay_method_fits(vk_pay_call *c, const vk_pv *method, vk_str customer)
{
    vk_str id = vk_pv_text(method, "id"), owner = vk_pv_text(method, "customer");
    if (owner.p && !customer.p)
        return vk_pay_refuse(c, 400, NULL, "payment_method",
                             "The PaymentMethod " VK_STR_FMT " belongs to the Customer " VK_STR_FMT
                             ". Please include the Customer in the `customer` parameter.",
                             VK_STR_ARG(id), VK_STR_ARG(owner));
    if (owner.p && !vk_str_eq(owner, customer))
        return vk_pay_refuse(c, 400, "resource_missing", "payment_method",
                             "The customer does not have a payment method with the ID " VK_STR_FMT
                             ". The payment method must be attached to the customer.",
                             VK_STR_ARG(id));
    return not_used_up(c, method, "payment_method");
}

/* ---- what becomes of it */

vk_err vk_pay_method_seen(vk_pay_call *c, vk_pv *m)
{
    const vk_pay_card *card = vk_pay_card_of(m);
    vk_arena *a = c->arena;
    bool cvc = vk_pv_flag(m, "_card.cvc"), cvc_wrong = card->declines == VK_PAY_DECLINES_WITH_CVC;
    bool line1 = vk_pv_text(m, "billing_details.address.line1").n > 0;
    bool postal = vk_pv_text(m, "billing_details.address.postal_code").n > 0;
    const struct {
        const char *path;
        bool given, fails;
    } checks[] = {
        {"card.checks.cvc_check", cvc, cvc_wrong},
        {"card.checks.address_line1_check", line1, card->flags & VK_PAY_CARD_LINE1_FAILS},
        {"card.checks.address_postal_code_check", postal, card->flags & VK_PAY_CARD_POSTAL_FAILS},
    };
    for (size_t i = 0; i < VK_COUNT(checks); i++)
        if (checks[i].given &&
            !vk_pv_put_str(a, m, checks[i].path, checks[i].fails ? VK_STR("fail") : VK_STR("pass")))
            return VK_E_NOMEM;
    return vk_pay_put(c, m);
}

vk_err vk_pay_attach(vk_pay_call *c, vk_pv *m, vk_str customer)
{
    vk_str owner = vk_pv_text(m, "customer");
    vk_pay_decline why;
    vk_pv *who;
    vk_err e = vk_pay_need(c, &vk_pay_r_customer, customer, "customer", &who);
    if (e != VK_OK || vk_str_eq(owner, customer))
        return e;
    if (owner.p)
        return vk_pay_refuse(c, 400, NULL, NULL,
                             "The payment method you provided has already been attached to a customer.");
    if (vk_pv_flag(m, "_card.used"))
        return vk_pay_refuse(c, 400, "payment_method_unexpected_state", NULL, "%s", used_up);
    if (vk_pay_card_says_no(m, false, &why))
        return refuse_card(c, &why);
    if (!vk_pv_put_str(c->arena, m, "customer", customer))
        return VK_E_NOMEM;
    e = vk_pay_method_seen(c, m);
    return e == VK_OK ? vk_pay_event(c, "payment_method.attached", R, m) : e;
}

/* ---- calls */

vk_err vk_pay_payment_method_create(vk_pay_call *c)
{
    const char *no[] = {"customer", "payment_method"};
    for (size_t i = 0; i < VK_COUNT(no); i++)
        if (!vk_pv_is_null(vk_pv_get(c->params, no[i])))
            return vk_pay_refuse_absent(c, no[i], "Sharing a payment method with a connected account");
    return of_data(c, c->params, "type", "card", &c->result);
}

vk_err vk_pay_payment_method_attach(vk_pay_call *c)
{
    vk_pv *m;
    vk_str customer = vk_pv_text(c->params, "customer");
    if (!customer.p)
        return vk_pay_refuse_missing(c, "customer");
    /* A test token may stand in the path: it makes a method and attaches it. */
    bool token = vk_str_starts(c->id[0], VK_STR("pm_card_"));
    vk_err e = token ? vk_pay_method_of(c, c->id[0], NULL, &m) : vk_pay_need(c, R, c->id[0], NULL, &m);
    if (e == VK_OK)
        e = vk_pay_attach(c, m, customer);
    if (e == VK_OK)
        c->result = m;
    return e;
}

/* A customer whose default it was has none. */
static vk_err no_default(vk_pay_call *c, vk_str customer, vk_str method)
{
    vk_pv *who;
    vk_err e = vk_pay_get(c, &vk_pay_r_customer, customer, &who);
    if (e != VK_OK || vk_pv_flag(who, "deleted") ||
        !vk_str_eq(vk_pv_text(who, "invoice_settings.default_payment_method"), method))
        return e == VK_E_NOT_FOUND ? VK_OK : e;
    if (!vk_pv_put_null(c->arena, who, "invoice_settings.default_payment_method"))
        return VK_E_NOMEM;
    e = vk_pay_put(c, who);
    return e == VK_OK ? vk_pay_event_changed(c, "customer.updated", &vk_pay_r_customer, who) : e;
}

vk_err vk_pay_payment_method_detach(vk_pay_call *c)
{
    vk_pv *m;
    vk_err e = vk_pay_need(c, R, c->id[0], NULL, &m);
    if (e != VK_OK)
        return e;
    vk_str customer = vk_pv_text(m, "customer");
    if (!customer.p)
        return vk_pay_refuse(c, 400, NULL, NULL,
                             "The payment method you provided is not attached to a customer so detachment is "
                             "impossible.");
    if (!vk_pv_put_null(c->arena, m, "customer") || !vk_pv_put_bool(c->arena, m, "_card.used", true))
        return VK_E_NOMEM;
    e = vk_pay_put(c, m);
    if (e == VK_OK)
        e = vk_pay_event_changed(c, "payment_method.detached", R, m);
    if (e == VK_OK)
        e = no_default(c, customer, c->id[0]);
    if (e == VK_OK)
        c->result = m;
    return e;
}

/* Its parameters were taken over before, but the card's, of which two may change. */
vk_err vk_pay_payment_method_update(vk_pay_call *c)
{
    vk_pv *m = c->doc;
    const vk_pv *card = vk_pv_get(c->params, "card");
    if (vk_pv_is_null(vk_pv_get(m, "customer")))
        return vk_pay_refuse(c, 400, NULL, NULL,
                             "You must save this PaymentMethod to a customer before you can update it.");
    if (vk_pv_is(card, VK_PV_OBJ)) {
        int64_t month = vk_pv_number(card, "exp_month", vk_pv_number(m, "card.exp_month", 0));
        int64_t year = vk_pv_number(card, "exp_year", vk_pv_number(m, "card.exp_year", 0));
        vk_pay_card_fault fault;
        vk_err e = vk_pay_card_expiry(month, year, c->now, &year, &fault);
        if (e == VK_E_INVALID)
            return refuse_card(c, &(vk_pay_decline){fault.code, NULL, fault.message, fault.param});
        if (e != VK_OK)
            return e;
        if (!vk_pv_put_int(c->arena, m, "card.exp_month", month) ||
            !vk_pv_put_int(c->arena, m, "card.exp_year", year))
            return VK_E_NOMEM;
    }
    vk_err e = vk_pay_put(c, m);
    if (e == VK_OK)
        e = vk_pay_event_changed(c, "payment_method.updated", R, m);
    c->result = m;
    return e;
}
