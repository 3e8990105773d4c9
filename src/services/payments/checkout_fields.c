/* The fields of the checkout page: what has to be there and how it has to look. */
#include "services/payments/checkout.h"

enum {
    PERSON_MAX = 150,
    ADDRESS_MAX = 200,
    TEXT_MAX = 255, /* of a custom field without a limit of its own */
};

typedef struct form {
    vk_pay_call *c;
    const vk_pv *fields, *session;
    const char **why, **field;
} form;

/* Without the blanks at both ends; VK_STR_NONE when nothing is left. */
static vk_str typed(const form *f, const char *name)
{
    vk_str s = vk_str_trim(vk_pv_text(f->fields, name));
    return s.n ? s : VK_STR_NONE;
}

static bool wrong(const form *f, const char *field, const char *why)
{
    *f->why = why;
    *f->field = field;
    return false;
}

static bool email(const form *f, const vk_pv *customer, vk_str *out_r)
{
    vk_str fixed = vk_pv_text(customer, "email");
    if (!fixed.n)
        fixed = vk_pv_text(f->session, "customer_email");
    *out_r = fixed.n ? fixed : typed(f, "email");
    if (!out_r->n)
        return wrong(f, "email", "Enter your email address.");
    return fixed.n || vk_pay_email_ok(*out_r) || wrong(f, "email", "Your email address is invalid.");
}

static bool phone(const form *f, vk_str *out_r)
{
    size_t digits = 0;
    *out_r = VK_STR_NONE;
    if (!vk_pv_flag(f->session, "phone_number_collection.enabled"))
        return true;
    vk_str s = typed(f, "phoneNumber");
    if (!s.n)
        return wrong(f, "phoneNumber", "Enter your phone number.");
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] >= '0' && s.p[i] <= '9')
            digits++;
        else if (!strchr("+-(). /", s.p[i]))
            digits = 100;
    }
    *out_r = s;
    return (digits >= 5 && digits <= 15) || wrong(f, "phoneNumber", "Your phone number is invalid.");
}

/* ---- addresses */

typedef struct names {
    const char *name, *country, *line1, *line2, *postal, *city, *state;
} names;
static const names billing = {
    "billingName",       "billingCountry",  "billingAddressLine1",      "billingAddressLine2",
    "billingPostalCode", "billingLocality", "billingAdministrativeArea"};
static const names shipping = {
    "shippingName",       "shippingCountry",  "shippingAddressLine1",      "shippingAddressLine2",
    "shippingPostalCode", "shippingLocality", "shippingAdministrativeArea"};

static bool country_ok(vk_str s)
{
    return s.n == 2 && s.p[0] >= 'A' && s.p[0] <= 'Z' && s.p[1] >= 'A' && s.p[1] <= 'Z';
}

/* `whole`: street and city are needed. */
static bool address(const form *f, const names *n, bool whole, vk_pay_fill *out, const char *path)
{
    const struct {
        const char *field, *member;
    } all[] = {{n->city, "city"},   {n->country, "country"},    {n->line1, "line1"},
               {n->line2, "line2"}, {n->postal, "postal_code"}, {n->state, "state"}};
    vk_str country = typed(f, n->country);
    if (country.n && !country_ok(country))
        return wrong(f, n->country, "Choose a country.");
    if (whole && !typed(f, n->line1).n)
        return wrong(f, n->line1, "Enter your address.");
    if (whole && !typed(f, n->city).n)
        return wrong(f, n->city, "Enter your city.");
    if (whole && !country.n)
        return wrong(f, n->country, "Choose a country.");
    vk_pv *o = vk_pv_obj(out->a);
    vk_pay_fill a = {out->a, o, false};
    for (size_t i = 0; i < VK_COUNT(all); i++) {
        vk_str s = typed(f, all[i].field);
        if (s.n > ADDRESS_MAX)
            return wrong(f, all[i].field, "This is too long.");
        vk_fill_str(&a, all[i].member, s);
    }
    out->bad |= a.bad;
    vk_fill(out, path, o);
    return true;
}

static bool ship_to(const form *f, vk_pay_fill *out)
{
    const vk_pv *allowed = vk_pv_at(f->session, "shipping_address_collection.allowed_countries");
    bool ships = false;
    vk_str name = typed(f, shipping.name), country = typed(f, shipping.country);
    if (!allowed)
        return true;
    if (!name.n)
        return wrong(f, shipping.name, "Enter the name of the person to ship to.");
    if (name.n > PERSON_MAX)
        return wrong(f, shipping.name, "This is too long.");
    if (!address(f, &shipping, true, out, "shipping.address"))
        return false;
    VK_PV_EACH(a, allowed)
    ships |= vk_pv_is(a, VK_PV_STR) && vk_str_eq(a->u.s, country);
    if (!ships)
        return wrong(f, shipping.country, "We do not ship to this country.");
    vk_fill_str(out, "shipping.name", name);
    vk_fill_str(out, "shipping.phone", VK_STR_NONE);
    return true;
}

/* ---- custom fields */

static bool length_ok(vk_str value, const vk_pv *of_type)
{
    size_t chars = 0;
    for (size_t i = 0; i < value.n; i++)
        chars += ((unsigned char)value.p[i] & 0xc0) != 0x80;
    return (int64_t)chars >= vk_pv_number(of_type, "minimum_length", 0) &&
           (int64_t)chars <= vk_pv_number(of_type, "maximum_length", TEXT_MAX);
}

static bool value_ok(const form *f, const char *field, vk_str type, vk_str value, const vk_pv *of_type)
{
    if (vk_str_eqz(type, "dropdown")) {
        VK_PV_EACH(o, vk_pv_get(of_type, "options"))
        {
            if (vk_str_eq(vk_pv_text(o, "value"), value))
                return true;
        }
        return wrong(f, field, "Choose one of the options.");
    }
    for (size_t i = 0; i < value.n && vk_str_eqz(type, "numeric"); i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return wrong(f, field, "Enter digits only.");
    }
    return length_ok(value, of_type) || wrong(f, field, "This is too long or too short.");
}

static bool custom(const form *f, vk_pay_fill *out)
{
    vk_arena *a = f->c->arena;
    const vk_pv *all = vk_pv_get(f->session, "custom_fields");
    vk_pv *fields = vk_pv_is_null(all) ? vk_pv_arr(a) : vk_pv_copy(a, all);
    VK_PV_EACH(field, fields)
    {
        vk_str type = vk_pv_text(field, "type"), key = vk_pv_text(field, "key");
        const char *name = vk_arena_printf(a, "custom_" VK_STR_FMT, VK_STR_ARG(key)).p;
        vk_pv *of_type = vk_pv_get_n(field, type);
        if (!name || !of_type) {
            out->bad = true;
            return true;
        }
        vk_str value = typed(f, name);
        if (!value.n && !vk_pv_flag(field, "optional"))
            return wrong(f, name, "This field is needed.");
        if (value.n && !value_ok(f, name, type, value, of_type))
            return false;
        out->bad |= !vk_pv_put_str(a, of_type, "value", value);
    }
    vk_fill(out, "custom_fields", fields);
    return true;
}

static bool consent(const form *f, vk_pay_fill *out)
{
    bool terms = vk_str_eqz(vk_pv_text(f->session, "consent_collection.terms_of_service"), "required");
    bool promotions = vk_str_eqz(vk_pv_text(f->session, "consent_collection.promotions"), "auto");
    if (terms && !typed(f, "termsOfServiceConsentCheckbox").n)
        return wrong(f, "termsOfServiceConsentCheckbox", "Accept the terms of service to go on.");
    if (!terms && !promotions)
        return true;
    vk_fill_str(out, "consent.terms_of_service", terms ? VK_STR("accepted") : VK_STR_NONE);
    vk_fill_str(out, "consent.promotions",
                !promotions                               ? VK_STR_NONE
                : typed(f, "promotionsConsentCheckbox").n ? VK_STR("opt_in")
                                                          : VK_STR("opt_out"));
    return true;
}

/* ---- the card */

vk_err vk_pay_expiry(vk_str text, int64_t *month_r, int64_t *year_r)
{
    char digits[6];
    size_t n = 0, cut = 0;
    for (size_t i = 0; i < text.n; i++) {
        char ch = text.p[i];
        if (ch >= '0' && ch <= '9') {
            if (n == sizeof(digits))
                return VK_E_INVALID;
            digits[n++] = ch;
        } else if (ch == '/' || ch == '-') {
            if (cut || !n)
                return VK_E_INVALID;
            cut = n;
        } else if (ch != ' ') {
            return VK_E_INVALID;
        }
    }
    if (!cut)
        cut = n == 3 || n == 5 ? 1 : 2; /* "134": January */
    if (cut > 2 || n <= cut || (n - cut != 2 && n - cut != 4))
        return VK_E_INVALID;
    vk_err e = vk_str_to_i64((vk_str){digits, cut}, month_r);
    return e == VK_OK ? vk_str_to_i64((vk_str){digits + cut, n - cut}, year_r) : e;
}

static bool card(const form *f, vk_pay_fill *out)
{
    vk_str number = typed(f, "cardNumber"), expiry = typed(f, "cardExpiry"), cvc = typed(f, "cardCvc");
    int64_t month, year;
    if (!number.n)
        return wrong(f, "cardNumber", "Your card number is incomplete.");
    if (!expiry.n)
        return wrong(f, "cardExpiry", "Your card's expiration date is incomplete.");
    if (vk_pay_expiry(expiry, &month, &year) != VK_OK)
        return wrong(f, "cardExpiry", "Your card's expiration date is invalid.");
    if (!cvc.n)
        return wrong(f, "cardCvc", "Your card's security code is incomplete.");
    vk_fill_str(out, "number", number);
    vk_fill_int(out, "exp_month", month);
    vk_fill_int(out, "exp_year", year);
    vk_fill_str(out, "cvc", cvc);
    return true;
}

vk_err vk_pay_card_typed(vk_pay_call *c, const vk_pv *fields, vk_pv **filled_r, vk_pv **card_r,
                         const char **why_r, const char **field_r)
{
    const form f = {c, fields, NULL, why_r, field_r};
    vk_pv *filled = vk_pv_obj(c->arena), *made = vk_pv_obj(c->arena);
    vk_pay_fill out = {c->arena, filled, false}, of_card = {c->arena, made, false};
    vk_str name = typed(&f, billing.name);
    *why_r = *field_r = NULL;
    if (!card(&f, &of_card) || (!name.n && !wrong(&f, billing.name, "Enter the name on your card.")) ||
        (name.n > PERSON_MAX && !wrong(&f, billing.name, "This is too long.")) ||
        !address(&f, &billing, false, &out, "address"))
        return VK_OK;
    vk_fill_str(&out, "name", name);
    *filled_r = filled;
    *card_r = made;
    return out.bad || of_card.bad ? VK_E_NOMEM : VK_OK;
}

/* A card that is none of ours is refused as a call of the API would be; here somebody reads it. */
vk_err vk_pay_method_typed(vk_pay_call *c, const vk_pv *card, const vk_pv *filled, vk_pv **method_r,
                           const char **why_r, const char **field_r)
{
    static const struct {
        const char *param, *field;
    } fields[] = {{"cvc", "cardCvc"}, {"exp_month", "cardExpiry"}, {"exp_year", "cardExpiry"}};
    vk_pv *details = vk_pv_obj(c->arena);
    vk_pay_fill f = {c->arena, details, false};
    vk_fill_copy(&f, "address", filled, "address");
    vk_fill_copy(&f, "email", filled, "email");
    vk_fill_copy(&f, "name", filled, "name");
    vk_fill_copy(&f, "phone", filled, "phone");
    if (f.bad)
        return VK_E_NOMEM;
    vk_err e = vk_pay_method_of_card(c, card, details, method_r);
    if (e == VK_OK || !c->refusal)
        return e;
    vk_str why = vk_arena_dup(c->arena, c->refusal->message), param = c->refusal->param;
    *why_r = why.p ? why.p : "Your card is not accepted.";
    *field_r = "cardNumber";
    for (size_t i = 0; i < VK_COUNT(fields); i++) {
        vk_str end = vk_str_z(fields[i].param);
        bool in = param.n >= end.n && memcmp(param.p + param.n - end.n, end.p, end.n) == 0;
        bool bracket = param.n > end.n && memcmp(param.p + param.n - end.n - 1, end.p, end.n) == 0;
        if (in || bracket)
            *field_r = fields[i].field;
    }
    c->refusal = NULL;
    c->keep = false;
    return VK_OK;
}

vk_err vk_pay_filled(vk_pay_call *c, const vk_pay_checkout *k, const vk_pv *fields, vk_pv **filled_r,
                     vk_pv **card_r, const char **why_r, const char **field_r)
{
    const form f = {c, fields, k->session, why_r, field_r};
    vk_str customer_id = vk_pv_text(k->session, "customer"), mail, tel;
    vk_pv *customer = NULL, *filled = vk_pv_obj(c->arena), *made = k->needs_card ? vk_pv_obj(c->arena) : NULL;
    vk_pay_fill out = {c->arena, filled, false}, of_card = {c->arena, made, false};
    bool whole = vk_str_eqz(vk_pv_text(k->session, "billing_address_collection"), "required");
    *why_r = *field_r = NULL;
    vk_err e = customer_id.p ? vk_pay_get(c, &vk_pay_r_customer, customer_id, &customer) : VK_OK;
    if (e != VK_OK)
        return e;
    if (!email(&f, customer, &mail) || !phone(&f, &tel) || !ship_to(&f, &out))
        return VK_OK;
    if (made && !card(&f, &of_card))
        return VK_OK;
    vk_str name = typed(&f, billing.name);
    if (made && !name.n && !wrong(&f, billing.name, "Enter the name on your card."))
        return VK_OK;
    if (name.n > PERSON_MAX && !wrong(&f, billing.name, "This is too long."))
        return VK_OK;
    if (!address(&f, &billing, whole, &out, "address") || !custom(&f, &out) || !consent(&f, &out))
        return VK_OK;
    vk_fill_str(&out, "email", mail);
    vk_fill_str(&out, "name", name.n ? name : vk_pv_text(filled, "shipping.name"));
    vk_fill_str(&out, "phone", tel);
    *filled_r = filled;
    *card_r = made;
    return out.bad || of_card.bad ? VK_E_NOMEM : VK_OK;
}
