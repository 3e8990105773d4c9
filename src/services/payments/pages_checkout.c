/* The hosted checkout page: what it shows and asks for. Ids and names of fields are those of Stripe's own
 * page, so that tests which fill that one fill this one too. */
#include "services/payments/countries.h"
#include "services/payments/html.h"
#include "services/payments/pages.h"

/* What a field says that is wrong. */
#define BAD " aria-invalid=\"true\" aria-describedby=\"problem\""

enum { DAY = 86400 };

typedef struct sheet {
    vk_pay_call *c;
    vk_buf *out;
    vk_pay_checkout *k;
    const vk_pv *fields; /* what was sent: kept but for the card */
    const char *why, *field;
} sheet;

static const char *z(const sheet *s, vk_str text)
{
    vk_str copy = text.p ? vk_arena_dup(s->c->arena, text) : VK_STR_NONE;
    return copy.p ? copy.p : "";
}

static bool subscribes(const sheet *s)
{
    return vk_str_eqz(vk_pv_text(s->k->session, "mode"), "subscription");
}

static bool sets_up(const sheet *s)
{
    return vk_str_eqz(vk_pv_text(s->k->session, "mode"), "setup");
}

static void amount(const sheet *s, int64_t n)
{
    vk_html_amount(s->out, s->c->arena, n, s->k->currency);
}

/* "per month", "every 3 months" */
static void period(const sheet *s)
{
    if (s->k->interval_count > 1) {
        vk_buf_lit(s->out, "every ");
        vk_buf_i64(s->out, s->k->interval_count);
        vk_buf_ch(s->out, ' ');
        vk_html(s->out, s->k->interval);
        vk_buf_ch(s->out, 's');
    } else {
        vk_buf_lit(s->out, "per ");
        vk_html(s->out, s->k->interval);
    }
}

static void trial(const sheet *s)
{
    int64_t days = (s->k->trial_end - s->c->now + DAY / 2) / DAY;
    vk_buf_i64(s->out, days > 0 ? days : 1);
    vk_buf_z(s->out, days > 1 ? " days free" : " day free");
}

/* What is wrong stands where it is wrong: beside the amounts, or above the form. It has the focus at first.
 */
static bool of_order(const sheet *s)
{
    return s->field && (strcmp(s->field, "promotionCode") == 0 || strncmp(s->field, "quantity_", 9) == 0);
}

static void problem(const sheet *s)
{
    if (s->why)
        vk_html_f(s->out,
                  "<p class=\"alert\" role=\"alert\" id=\"problem\" tabindex=\"-1\" autofocus>%s</p>\n",
                  s->why);
}

static bool is_bad(const sheet *s, const char *name)
{
    return s->field && strcmp(s->field, name) == 0;
}

/* ---- what is bought */

static void headline(const sheet *s)
{
    vk_buf *out = s->out;
    if (sets_up(s)) {
        vk_buf_lit(
            out, "<h1 class=\"price\">Save your card</h1>\n<p class=\"soft\">Nothing is charged now.</p>\n");
        return;
    }
    vk_buf_z(out, subscribes(s) ? "<p class=\"soft\">Subscribe</p>\n" : "<p class=\"soft\">Pay</p>\n");
    vk_buf_lit(out, "<h1 class=\"price\" data-testid=\"amount\">");
    if (s->k->trial_end)
        trial(s);
    else
        amount(s, s->k->total);
    vk_buf_lit(out, "</h1>\n");
    if (!subscribes(s))
        return;
    vk_buf_z(out, s->k->trial_end ? "<p class=\"soft\">Then " : "<p class=\"soft\">");
    amount(s, s->k->recurring);
    vk_buf_ch(out, ' ');
    period(s);
    vk_buf_lit(out, "</p>\n");
}

static void sum(const sheet *s, const char *class, const char *what, int64_t n, bool minus)
{
    vk_html_f(s->out, "<tr class=\"%s\"><th scope=\"row\">%s</th><td>", class, what);
    if (minus)
        vk_buf_lit(s->out, "−");
    amount(s, n);
    vk_buf_lit(s->out, "</td></tr>\n");
}

/* Under a name: what one costs, or what it costs from then on. */
static void unit_price(const sheet *s, const vk_pv *item)
{
    vk_pv *price;
    int64_t q = vk_pv_number(item, "quantity", 1);
    if (vk_pay_get(s->c, &vk_pay_r_price, vk_pv_text(item, "price"), &price) != VK_OK)
        return;
    const vk_pv *recurring = vk_pv_get(price, "recurring"), *unit = vk_pv_get(price, "unit_amount");
    int64_t count = vk_pv_number(recurring, "interval_count", 1);
    if (!vk_pv_is(unit, VK_PV_INT) || (vk_pv_is_null(recurring) && q == 1))
        return;
    vk_buf_lit(s->out, "<small>");
    amount(s, unit->u.i);
    if (q != 1)
        vk_buf_lit(s->out, " each");
    if (!vk_pv_is_null(recurring)) {
        vk_buf_z(s->out, count > 1 ? " every " : " per ");
        if (count > 1) {
            vk_buf_i64(s->out, count);
            vk_buf_ch(s->out, ' ');
        }
        vk_html(s->out, vk_pv_text(recurring, "interval"));
        vk_buf_z(s->out, count > 1 ? "s" : "");
    }
    vk_buf_lit(s->out, "</small>");
}

static void quantity(const sheet *s, const vk_pv *item)
{
    const vk_pv *may = vk_pv_get(item, "adjustable_quantity");
    char n[24], least[24], most[24], name[120];
    const char *id = z(s, vk_pv_text(item, "id"));
    snprintf(n, sizeof n, "%lld", (long long)vk_pv_number(item, "quantity", 1));
    snprintf(least, sizeof least, "%lld", (long long)vk_pv_number(may, "minimum", 0));
    snprintf(most, sizeof most, "%lld", (long long)vk_pv_number(may, "maximum", 99));
    snprintf(name, sizeof name, "quantity_%s", id);
    vk_html_f(s->out,
              "<div class=\"count\"><label for=\"%s\">Quantity</label><input form=\"pay\" type=\"number\" "
              "data-apply id=\"%s\" name=\"%s\" value=\"%s\" min=\"%s\" max=\"%s\" inputmode=\"numeric\"",
              name, name, name, is_bad(s, name) ? z(s, vk_pv_text(s->fields, name)) : n, least, most);
    vk_buf_z(s->out, is_bad(s, name) ? BAD "></div>" : "></div>");
}

static void line(const sheet *s, const vk_pv *item)
{
    vk_buf *out = s->out;
    bool may = vk_pv_flag(item, "adjustable_quantity.enabled");
    int64_t q = vk_pv_number(item, "quantity", 1);
    vk_buf_lit(out, "<tr><td data-testid=\"line-item\"><span class=\"name\">");
    vk_html(out, vk_pv_text(item, "description"));
    vk_buf_lit(out, "</span>");
    if (!may && q != 1) {
        vk_buf_lit(out, " × ");
        vk_buf_i64(out, q);
    }
    unit_price(s, item);
    if (may)
        quantity(s, item);
    vk_buf_lit(out, "</td><td>");
    amount(s, vk_pv_number(item, "amount_subtotal", 0));
    vk_buf_lit(out, "</td></tr>\n");
}

/* What the discount is called: its code, else its coupon's name. */
static const char *discount_name(const sheet *s)
{
    vk_pv *doc;
    const vk_pv *d = vk_pv_first(vk_pv_get(s->k->session, "discounts"));
    vk_str code = vk_pv_text(d, "promotion_code"), coupon = vk_pv_text(d, "coupon"), name = VK_STR_NONE;
    if (code.n && vk_pay_get(s->c, &vk_pay_r_promotion_code, code, &doc) == VK_OK)
        name = vk_pv_text(doc, "code");
    else if (coupon.n && vk_pay_get(s->c, &vk_pay_r_coupon, coupon, &doc) == VK_OK)
        name = vk_pv_text(doc, "name");
    return name.n ? z(s, vk_arena_printf(s->c->arena, "Discount (" VK_STR_FMT ")", VK_STR_ARG(name)))
                  : "Discount";
}

/* Without scripts, what somebody changes is sent by a button. */
static void update(const sheet *s)
{
    bool may = false;
    const vk_pv *options = vk_pv_get(s->k->session, "shipping_options");
    VK_PV_EACH(item, s->k->items)
    may = may || vk_pv_flag(item, "adjustable_quantity.enabled");
    if (may || (options && options->count > 1))
        vk_buf_lit(s->out, "<noscript><p><button form=\"pay\" formnovalidate name=\"action\" "
                           "value=\"apply\">Update the total</button></p></noscript>\n");
}

static void lines(const sheet *s)
{
    const vk_pay_checkout *k = s->k;
    vk_buf *out = s->out;
    if (sets_up(s))
        return;
    vk_buf_lit(out, "<table>\n<tbody>\n");
    VK_PV_EACH(item, k->items)
    line(s, item);
    vk_buf_lit(out, "</tbody>\n<tfoot>\n");
    sum(s, "", "Subtotal", k->subtotal, false);
    if (k->discount)
        sum(s, "off", discount_name(s), k->discount, true);
    if (vk_pv_first(vk_pv_get(k->session, "shipping_options")))
        sum(s, "", "Shipping", k->shipping, false);
    if (k->tax)
        sum(s, "", k->subtotal - k->discount + k->shipping == k->total ? "Tax (included)" : "Tax", k->tax,
            false);
    sum(s, "total", subscribes(s) && k->trial_end ? "Due today" : "Total", k->total, false);
    vk_buf_lit(out, "</tfoot>\n</table>\n");
    update(s);
}

/* A code is typed in beside the amounts; the form is the page's one. */
static void promotion(const sheet *s)
{
    vk_buf *out = s->out;
    if (!vk_pv_flag(s->k->session, "allow_promotion_codes"))
        return;
    bool bad = is_bad(s, "promotionCode");
    if (s->k->discount || vk_pv_first(vk_pv_get(s->k->session, "discounts"))) {
        vk_buf_lit(out,
                   "<p><button form=\"pay\" formnovalidate id=\"removeCode\" name=\"removePromotionCode\" "
                   "value=\"1\">Remove the promotion code</button></p>\n");
        return;
    }
    vk_html_f(
        out,
        "<div class=\"side\"><div><label for=\"promotionCode\">Add promotion code</label>"
        "<input form=\"pay\" type=\"text\" id=\"promotionCode\" name=\"promotionCode\" autocomplete=\"off\" "
        "autocapitalize=\"characters\" value=\"%s\"",
        bad ? z(s, vk_pv_text(s->fields, "promotionCode")) : "");
    if (bad)
        vk_buf_lit(out, BAD);
    vk_buf_lit(out, "></div><button form=\"pay\" id=\"applyCode\" name=\"action\" value=\"apply\" "
                    "formnovalidate>Apply</button></div>\n");
}

/* ---- what is asked */

/* The value that a field had; VK_STR_NONE: it is new. */
static const char *had(const sheet *s, const char *name)
{
    return z(s, vk_pv_text(s->fields, name));
}

static void input(const sheet *s, const char *type, const char *name, const char *label, const char *value,
                  const char *more)
{
    bool bad = is_bad(s, name);
    vk_html_f(s->out, "<label for=\"%s\">%s</label><input type=\"%s\" id=\"%s\" name=\"%s\" value=\"%s\"",
              name, label, type, name, name, value);
    if (bad)
        vk_buf_lit(s->out, BAD);
    vk_buf_ch(s->out, ' ');
    vk_buf_z(s->out, more);
    vk_buf_lit(s->out, ">\n");
}

/* `among`: an array of codes, or NULL for all. */
static void country(const sheet *s, const char *name, const char *label, const char *chosen,
                    const vk_pv *among)
{
    size_t n;
    const vk_pay_country *all = vk_pay_countries(&n);
    bool shipping = vk_str_starts(vk_str_z(name), VK_STR("shipping"));
    vk_html_f(s->out, "<label for=\"%s\">%s</label><select id=\"%s\" name=\"%s\" autocomplete=\"%s country\"",
              name, label, name, name, shipping ? "shipping" : "billing");
    vk_buf_z(s->out, is_bad(s, name) ? BAD ">\n" : ">\n");
    for (size_t i = 0; i < n; i++) {
        bool in = !among;
        VK_PV_EACH(code, among)
        in = in || (vk_pv_is(code, VK_PV_STR) && vk_str_eqz(code->u.s, all[i].code));
        if (in)
            vk_html_f(s->out,
                      strcmp(chosen, all[i].code) == 0 ? "<option value=\"%s\" selected>%s</option>\n"
                                                       : "<option value=\"%s\">%s</option>\n",
                      all[i].code, all[i].name);
    }
    vk_buf_lit(s->out, "</select>\n");
}

static void address(const sheet *s, const char *prefix, const vk_pv *among)
{
    static const struct {
        const char *name, *label, *fill;
        bool needed, half;
    } parts[] = {{"AddressLine1", "Address", "address-line1", true, false},
                 {"AddressLine2", "Apartment, suite (optional)", "address-line2", false, false},
                 {"PostalCode", "Postal code", "postal-code", false, true},
                 {"Locality", "City", "address-level2", true, true},
                 {"AdministrativeArea", "State or province", "address-level1", false, false}};
    char name[64], more[80];
    bool half = false;
    snprintf(name, sizeof name, "%sCountry", prefix);
    const char *chosen = had(s, name);
    country(s, name, "Country or region", chosen[0] ? chosen : "US", among);
    for (size_t i = 0; i < VK_COUNT(parts); i++) {
        snprintf(name, sizeof name, "%s%s", prefix, parts[i].name);
        snprintf(more, sizeof more, "%sautocomplete=\"%s %s\"", parts[i].needed ? "required " : "", prefix,
                 parts[i].fill);
        if (parts[i].half)
            vk_buf_z(s->out, half ? "<div>\n" : "<div class=\"row\"><div>\n");
        input(s, "text", name, parts[i].label, had(s, name), more);
        if (parts[i].half)
            vk_buf_z(s->out, half ? "</div></div>\n" : "</div>\n");
        half = parts[i].half;
    }
}

static void say_custom(const sheet *s, const char *where)
{
    char path[64];
    snprintf(path, sizeof path, "custom_text.%s.message", where);
    vk_str text = vk_pv_text(s->k->session, path);
    if (text.n)
        vk_html_f(s->out, "<p class=\"soft\">%s</p>\n", z(s, text));
}

static void contact(const sheet *s)
{
    vk_str fixed = vk_pv_text(s->k->session, "customer_details.email");
    vk_pv *customer = NULL;
    if (!fixed.n)
        fixed = vk_pv_text(s->k->session, "customer_email");
    vk_str id = vk_pv_text(s->k->session, "customer");
    if (!fixed.n && id.n && vk_pay_get(s->c, &vk_pay_r_customer, id, &customer) == VK_OK)
        fixed = vk_pv_text(customer, "email");
    vk_buf_lit(s->out, "<fieldset><legend>Contact</legend>\n");
    if (fixed.n)
        input(s, "email", "email", "Email", z(s, fixed), "readonly autocomplete=\"email\"");
    else
        input(s, "email", "email", "Email", had(s, "email"), "required autocomplete=\"email\"");
    if (vk_pv_flag(s->k->session, "phone_number_collection.enabled"))
        input(s, "tel", "phoneNumber", "Phone number", had(s, "phoneNumber"),
              "required autocomplete=\"tel\"");
    vk_buf_lit(s->out, "</fieldset>\n");
}

/* "3–5 business days"; the unit of the later end. */
static void delivery(const sheet *s, const vk_pv *estimate)
{
    int64_t from = vk_pv_number(estimate, "minimum.value", 0),
            to = vk_pv_number(estimate, "maximum.value", 0);
    vk_str unit = vk_pv_text(estimate, to ? "maximum.unit" : "minimum.unit");
    int64_t last = to ? to : from;
    if (!last)
        return;
    vk_buf_z(s->out, !to ? "<small>At least " : !from ? "<small>Up to " : "<small>");
    if (from && to && from != to) {
        vk_buf_i64(s->out, from);
        vk_buf_lit(s->out, "–");
    }
    vk_buf_i64(s->out, last);
    vk_html_f(s->out, " %s", vk_str_eqz(unit, "business_day") ? "business day" : z(s, unit));
    vk_buf_z(s->out, last == 1 ? "</small>" : "s</small>");
}

static void shipping(const sheet *s)
{
    const vk_pv *among = vk_pv_at(s->k->session, "shipping_address_collection.allowed_countries");
    const vk_pv *options = vk_pv_get(s->k->session, "shipping_options");
    if (vk_pv_first(among)) {
        vk_buf_lit(s->out, "<fieldset><legend>Shipping address</legend>\n");
        input(s, "text", "shippingName", "Full name", had(s, "shippingName"),
              "required autocomplete=\"shipping name\"");
        address(s, "shipping", among);
        say_custom(s, "shipping_address");
        vk_buf_lit(s->out, "</fieldset>\n");
    }
    if (!vk_pv_first(options))
        return;
    vk_str chosen = vk_pv_text(s->k->session, "shipping_cost.shipping_rate");
    vk_buf_lit(s->out, "<fieldset><legend>Shipping method</legend>\n");
    size_t nth = 0;
    VK_PV_EACH(option, options)
    {
        char at[40];
        vk_str id = vk_pv_text(option, "shipping_rate");
        vk_pv *rate;
        if (vk_pay_get(s->c, &vk_pay_r_shipping_rate, id, &rate) != VK_OK)
            continue;
        snprintf(at, sizeof at, "shippingOption-%zu", nth);
        bool is = chosen.n ? vk_str_eq(chosen, id) : nth == 0;
        vk_html_f(s->out,
                  "<label class=\"check choice\"><input type=\"radio\" data-apply id=\"%s\" "
                  "name=\"shippingOption\" value=\"%s\"",
                  at, z(s, id));
        vk_buf_z(s->out, is ? " checked> <span>" : "> <span>");
        vk_html(s->out, vk_pv_text(rate, "display_name"));
        delivery(s, vk_pv_get(rate, "delivery_estimate"));
        vk_buf_lit(s->out, "</span> <span>");
        int64_t costs = vk_pv_number(rate, "fixed_amount.amount", 0);
        if (costs)
            amount(s, costs);
        else
            vk_buf_lit(s->out, "Free");
        vk_buf_lit(s->out, "</span></label>\n");
        nth++;
    }
    vk_buf_lit(s->out, "</fieldset>\n");
}

static void custom_field(const sheet *s, const vk_pv *f)
{
    char name[240];
    bool optional = vk_pv_flag(f, "optional");
    vk_str type = vk_pv_text(f, "type"), label = vk_pv_text(f, "label.custom");
    snprintf(name, sizeof name, "custom_%.*s", (int)vk_pv_text(f, "key").n, vk_pv_text(f, "key").p);
    vk_str shown =
        optional ? vk_arena_printf(s->c->arena, VK_STR_FMT " (optional)", VK_STR_ARG(label)) : label;
    if (!vk_str_eqz(type, "dropdown")) {
        vk_str limits = vk_arena_printf(s->c->arena, "%sautocomplete=\"off\"%s", optional ? "" : "required ",
                                        vk_str_eqz(type, "numeric") ? " inputmode=\"numeric\"" : "");
        input(s, "text", name, z(s, shown), had(s, name), z(s, limits));
        return;
    }
    vk_html_f(s->out, "<label for=\"%s\">%s</label><select id=\"%s\" name=\"%s\"", name, z(s, shown), name,
              name);
    vk_buf_z(s->out, is_bad(s, name) ? BAD ">\n" : optional ? ">\n" : " required>\n");
    if (optional)
        vk_buf_lit(s->out, "<option value=\"\"></option>\n");
    VK_PV_EACH(o, vk_pv_at(f, "dropdown.options"))
    {
        const char *value = z(s, vk_pv_text(o, "value"));
        vk_html_f(s->out,
                  strcmp(had(s, name), value) == 0 ? "<option value=\"%s\" selected>%s</option>\n"
                                                   : "<option value=\"%s\">%s</option>\n",
                  value, z(s, vk_pv_text(o, "label")));
    }
    vk_buf_lit(s->out, "</select>\n");
}

static void custom_fields(const sheet *s)
{
    const vk_pv *all = vk_pv_get(s->k->session, "custom_fields");
    if (!vk_pv_first(all))
        return;
    vk_buf_lit(s->out, "<fieldset><legend>Details</legend>\n");
    VK_PV_EACH(f, all)
    custom_field(s, f);
    vk_buf_lit(s->out, "</fieldset>\n");
}

/* The card's own fields are empty each time: nothing of them is kept. */
static void card(const sheet *s)
{
    const char *chosen = had(s, "billingCountry");
    if (!s->k->needs_card)
        return;
    vk_buf_lit(s->out, "<fieldset><legend>Payment details</legend>\n");
    input(s, "text", "cardNumber", "Card number", "",
          "required inputmode=\"numeric\" autocomplete=\"cc-number\" placeholder=\"1234 1234 1234 1234\" "
          "maxlength=\"30\"");
    vk_buf_lit(s->out, "<div class=\"row\"><div>\n");
    input(s, "text", "cardExpiry", "Expiry", "",
          "required inputmode=\"numeric\" autocomplete=\"cc-exp\" placeholder=\"MM / YY\" maxlength=\"9\"");
    vk_buf_lit(s->out, "</div><div>\n");
    input(s, "text", "cardCvc", "CVC", "",
          "required inputmode=\"numeric\" autocomplete=\"cc-csc\" placeholder=\"CVC\" maxlength=\"4\"");
    vk_buf_lit(s->out, "</div></div>\n");
    input(s, "text", "billingName", "Name on card", had(s, "billingName"),
          "required autocomplete=\"cc-name\" placeholder=\"Full name on card\"");
    if (vk_str_eqz(vk_pv_text(s->k->session, "billing_address_collection"), "required")) {
        address(s, "billing", NULL);
    } else {
        country(s, "billingCountry", "Country or region", chosen[0] ? chosen : "US", NULL);
        input(s, "text", "billingPostalCode", "Postal code", had(s, "billingPostalCode"),
              "autocomplete=\"postal-code\" placeholder=\"12345\"");
    }
    vk_buf_lit(s->out, "</fieldset>\n");
}

static void consent(const sheet *s)
{
    vk_str terms = vk_pv_text(s->k->session, "custom_text.terms_of_service_acceptance.message");
    if (vk_str_eqz(vk_pv_text(s->k->session, "consent_collection.terms_of_service"), "required"))
        vk_html_f(s->out,
                  "<label class=\"check\"><input type=\"checkbox\" id=\"termsOfServiceConsentCheckbox\" "
                  "name=\"termsOfServiceConsentCheckbox\" value=\"true\" required> <span>%s</span></label>\n",
                  terms.n ? z(s, terms) : "I agree to the terms of service");
    if (vk_str_eqz(vk_pv_text(s->k->session, "consent_collection.promotions"), "auto"))
        vk_buf_lit(s->out,
                   "<label class=\"check\"><input type=\"checkbox\" id=\"promotionsConsentCheckbox\" "
                   "name=\"promotionsConsentCheckbox\" value=\"true\"> <span>Send me news and offers</span>"
                   "</label>\n");
}

static void button(const sheet *s)
{
    vk_str type = vk_pv_text(s->k->session, "submit_type");
    vk_buf *out = s->out;
    say_custom(s, "submit");
    vk_buf_lit(out, "<div id=\"submit\"><button class=\"main\" type=\"submit\" "
                    "data-testid=\"hosted-payment-submit-button\" data-busy=\"Processing…\" "
                    "name=\"action\" value=\"pay\">");
    if (sets_up(s)) {
        vk_buf_lit(out, "Save card");
    } else if (subscribes(s)) {
        vk_buf_z(out, s->k->trial_end ? "Start trial" : "Subscribe");
    } else {
        vk_buf_z(out, vk_str_eqz(type, "book") ? "Book " : vk_str_eqz(type, "donate") ? "Donate " : "Pay ");
        amount(s, s->k->total);
    }
    vk_buf_lit(out, "</button></div>\n");
    say_custom(s, "after_submit");
}

static void hints(const sheet *s)
{
    if (s->k->needs_card)
        vk_buf_lit(s->out, "<details><summary>Test cards</summary><table>\n"
                           "<tr><td>Is paid</td><td><code>4242 4242 4242 4242</code></td></tr>\n"
                           "<tr><td>Asks for 3-D Secure</td><td><code>4000 0027 6000 3184</code></td></tr>\n"
                           "<tr><td>Is declined</td><td><code>4000 0000 0000 0002</code></td></tr>\n"
                           "<tr><td>Has too little on it</td><td><code>4000 0000 0000 9995</code></td></tr>\n"
                           "</table><p class=\"soft\">Any date to come, any CVC.</p></details>\n");
}

/* ---- the page */

static void page(const sheet *s)
{
    vk_pay_call *c = s->c;
    vk_buf *out = s->out;
    vk_str cancel = vk_pv_text(s->k->session, "cancel_url");
    vk_html_begin(out, "Checkout", "two");
    /* Enter in a field does what the form's first button does. */
    vk_buf_lit(out, "<button hidden form=\"pay\" name=\"action\" value=\"pay\"></button>"
                    "<button hidden form=\"pay\" id=\"applyChanges\" name=\"action\" value=\"apply\" "
                    "formnovalidate></button>\n<section id=\"order\" aria-label=\"Order\">\n");
    if (cancel.n) {
        vk_buf_lit(out, "<a class=\"back\" data-testid=\"business-link\" rel=\"noreferrer\" href=\"");
        vk_html(out, cancel);
        vk_buf_lit(out, "\">← Back</a>\n");
    }
    vk_html_who(out, c->about->business);
    headline(s);
    if (of_order(s) && !is_bad(s, "promotionCode"))
        problem(s);
    lines(s);
    if (is_bad(s, "promotionCode"))
        problem(s);
    promotion(s);
    vk_html_f(out, "</section>\n<form class=\"pay\" id=\"pay\" method=\"post\" action=\"/b/%s/c/pay/%s\">\n",
              c->about->build, z(s, c->id[0]));
    vk_buf_lit(out, "<div id=\"problems\">");
    if (!of_order(s))
        problem(s);
    vk_buf_lit(out, "</div>\n");
    contact(s);
    shipping(s);
    custom_fields(s);
    card(s);
    consent(s);
    button(s);
    hints(s);
    vk_buf_lit(out, "</form>\n");
    vk_html_end(out);
}

/* What a session that is not open says. */
static vk_err over(vk_pay_call *c, const vk_pay_checkout *k)
{
    if (vk_str_eqz(vk_pv_text(k->session, "status"), "complete")) {
        vk_html_note(&c->ex->out, "good", "This Checkout Session is already complete",
                     "It was paid or saved once, and nothing more is charged.",
                     vk_pay_success_url(c, k->session), "Continue");
        return VK_OK;
    }
    c->status = 410;
    vk_html_note(&c->ex->out, "", "This Checkout Session has expired",
                 "Nothing was charged. Go back to begin again.", vk_pv_text(k->session, "cancel_url"),
                 "Go back");
    return VK_OK;
}

static void allow(vk_pay_call *c, const vk_pay_checkout *k)
{
    c->leads_on = vk_pv_text(k->session, "success_url").n > 0;
}

static vk_err show(vk_pay_call *c, vk_pay_checkout *k, const vk_pv *fields, const char *why,
                   const char *field)
{
    if (!vk_str_eqz(vk_pv_text(k->session, "status"), "open"))
        return over(c, k);
    sheet s = {c, &c->ex->out, k, fields, why, field};
    allow(c, k);
    page(&s);
    return VK_OK;
}

static vk_err load(vk_pay_call *c, vk_pay_checkout *k)
{
    vk_err e = vk_pay_checkout_load(c, c->id[0], k);
    if (e != VK_E_NOT_FOUND && !(e == VK_E_INVALID && c->refusal && c->refusal->status == 404))
        return e;
    c->refusal = NULL;
    return vk_pay_refuse(c, 404, NULL, NULL, "There is no such page");
}

vk_err vk_pay_page_checkout(vk_pay_call *c)
{
    vk_pay_checkout k;
    vk_err e = load(c, &k);
    return e == VK_OK ? show(c, &k, NULL, NULL, NULL) : e;
}

/* What a link says when it leads nowhere. */
static const char *thanks(vk_pay_call *c, const vk_pv *session)
{
    vk_pv *link;
    vk_str id = vk_pv_text(session, "payment_link"), says = VK_STR_NONE;
    if (id.n && vk_pay_get(c, &vk_pay_r_payment_link, id, &link) == VK_OK)
        says = vk_pv_text(link, "after_completion.hosted_confirmation.custom_message");
    says = says.n ? vk_arena_dup(c->arena, says) : VK_STR_NONE;
    return says.p ? says.p : "It is done. You may close this page.";
}

static vk_err lead_on(vk_pay_call *c, const vk_pay_checkout *k)
{
    vk_str to = vk_pay_success_url(c, k->session);
    if (to.n)
        c->to = to;
    else
        vk_html_note(&c->ex->out, "good", "Thank you", thanks(c, k->session), VK_STR_NONE, "");
    return VK_OK;
}

vk_err vk_pay_page_checkout_pay(vk_pay_call *c)
{
    vk_pay_checkout k;
    vk_pay_paid paid;
    const char *why = NULL, *field = NULL;
    vk_err e = load(c, &k);
    if (e != VK_OK)
        return e;
    bool pays =
        !vk_str_eqz(vk_pv_text(c->params, "action"), "apply") && !vk_pv_get(c->params, "removePromotionCode");
    if (!pays) {
        e = vk_pay_checkout_change(c, &k, c->params, &why, &field);
        c->status = why ? 400 : 200;
        return e == VK_OK ? show(c, &k, c->params, why, field) : e;
    }
    e = vk_pay_checkout_pay(c, &k, c->params, &paid, &why, &field);
    if (e != VK_OK)
        return e;
    if (paid == VK_PAY_PAID_OK)
        return lead_on(c, &k);
    if (paid == VK_PAY_PAID_ACTION) {
        allow(c, &k);
        c->to = vk_arena_printf(c->arena, VK_STR_FMT "/b/%s/c/pay/" VK_STR_FMT "/authenticate",
                                VK_STR_ARG(c->browser_base), c->about->build, VK_STR_ARG(c->id[0]));
        return c->to.p ? VK_OK : VK_E_NOMEM;
    }
    c->status = 402;
    return show(c, &k, c->params, why ? why : "Your card was declined.", field);
}

/* ---- 3-D Secure */

static vk_err ask_again(vk_pay_call *c, const vk_pay_checkout *k, const char *why)
{
    vk_pv *method = NULL;
    if (vk_pay_get(c, &vk_pay_r_payment_method, vk_pv_text(k->session, "_method"), &method) != VK_OK)
        method = NULL;
    allow(c, k);
    vk_pay_bank_page(c, k->total, k->currency,
                     vk_pay_card_words(c, vk_pv_text(method, "card.brand"), vk_pv_text(method, "card.last4")),
                     why);
    return VK_OK;
}

static vk_err back_to_checkout(vk_pay_call *c)
{
    c->to = vk_arena_printf(c->arena, VK_STR_FMT "/b/%s/c/pay/" VK_STR_FMT, VK_STR_ARG(c->browser_base),
                            c->about->build, VK_STR_ARG(c->id[0]));
    return c->to.p ? VK_OK : VK_E_NOMEM;
}

vk_err vk_pay_page_authenticate(vk_pay_call *c)
{
    vk_pay_checkout k;
    vk_err e = load(c, &k);
    if (e != VK_OK)
        return e;
    return vk_pay_checkout_waits(k.session) ? ask_again(c, &k, NULL) : back_to_checkout(c);
}

vk_err vk_pay_page_authenticate_done(vk_pay_call *c)
{
    vk_pay_checkout k;
    vk_pay_paid paid;
    const char *why = NULL;
    vk_str result = vk_pv_text(c->params, "result");
    vk_err e = load(c, &k);
    if (e != VK_OK)
        return e;
    if (vk_str_eqz(vk_pv_text(k.session, "status"), "complete"))
        return lead_on(c, &k);
    if (!vk_pay_checkout_waits(k.session))
        return back_to_checkout(c);
    bool yes = vk_str_eqz(result, "complete");
    if (!yes && !vk_str_eqz(result, "fail"))
        return ask_again(c, &k, "Choose one of the two.");
    e = vk_pay_checkout_go_on(c, &k, yes, &paid, &why);
    if (e != VK_OK)
        return e;
    if (paid == VK_PAY_PAID_OK)
        return lead_on(c, &k);
    c->status = 402;
    return show(c, &k, NULL, why ? why : "Your card was declined.", "cardNumber");
}
