/* The smaller hosted pages: payment links, receipts, invoices, and 3-D Secure for what the API confirmed. */
#include "services/payments/charge.h"
#include "services/payments/checkout.h"
#include "services/payments/html.h"
#include "services/payments/pages.h"

static const char *z(vk_pay_call *c, vk_str text)
{
    vk_str copy = text.p ? vk_arena_dup(c->arena, text) : VK_STR_NONE;
    return copy.p ? copy.p : "";
}

static vk_err no_such(vk_pay_call *c, vk_err e)
{
    bool unknown = e == VK_E_NOT_FOUND || (e == VK_E_INVALID && c->refusal && c->refusal->status == 404);
    if (!unknown)
        return e;
    c->refusal = NULL;
    return vk_pay_refuse(c, 404, NULL, NULL, "There is no such page");
}

static void day(vk_pay_call *c, int64_t at)
{
    char text[40];
    time_t t = (time_t)at;
    struct tm tm;
    if (gmtime_r(&t, &tm) && strftime(text, sizeof text, "%d %B %Y", &tm))
        vk_html_z(&c->ex->out, text[0] == '0' ? text + 1 : text);
}

static void row(vk_pay_call *c, const char *class, const char *what, int64_t amount, vk_str currency)
{
    vk_buf *out = &c->ex->out;
    vk_html_f(out, "<tr class=\"%s\"><th scope=\"row\">%s</th><td>", class, what);
    if (amount < 0)
        vk_buf_lit(out, "−");
    vk_html_amount(out, c->arena, amount < 0 ? -amount : amount, currency);
    vk_buf_lit(out, "</td></tr>\n");
}

/* "visa" is how the API has it. */
const char *vk_pay_card_words(vk_pay_call *c, vk_str brand, vk_str last4)
{
    static const char *const names[][2] = {
        {"amex", "American Express"}, {"diners", "Diners Club"}, {"discover", "Discover"}, {"jcb", "JCB"},
        {"mastercard", "Mastercard"}, {"visa", "Visa"},
    };
    const char *name = "Card";
    for (size_t i = 0; i < VK_COUNT(names); i++)
        name = vk_str_eqz(brand, names[i][0]) ? names[i][1] : name;
    return last4.n ? z(c, vk_arena_printf(c->arena, "%s •••• " VK_STR_FMT, name, VK_STR_ARG(last4))) : name;
}

/* ---- payment links: each visit begins a session of its own */

static vk_err link_of(vk_pay_call *c, vk_pv **link_r)
{
    vk_pv **found;
    size_t n;
    vk_err e = vk_pay_find(c, &vk_pay_r_payment_link, "token", c->id[0], 1, &found, &n);
    *link_r = e == VK_OK && n ? found[0] : NULL;
    return e == VK_OK && !n ? VK_E_NOT_FOUND : e;
}

vk_err vk_pay_page_link(vk_pay_call *c)
{
    vk_pv *session, *link;
    vk_err e = link_of(c, &link);
    if (e != VK_OK)
        return no_such(c, e);
    if (vk_str_eqz(c->ex->method, "HEAD")) /* who only looks whether it is there buys nothing */
        return VK_OK;
    e = vk_pay_link_session(c, c->id[0], &session);
    if (e == VK_E_FORBIDDEN) {
        vk_str why = vk_pv_text(link, "inactive_message");
        c->status = 410;
        vk_html_note(&c->ex->out, "bad", "This link is not active",
                     why.n ? z(c, why) : "It cannot be paid with any more.", VK_STR_NONE, "");
        return VK_OK;
    }
    if (e != VK_OK)
        return no_such(c, e);
    c->to = vk_pv_text(session, "url");
    return c->to.n ? VK_OK : VK_E_INTERNAL;
}

/* ---- receipts */

vk_err vk_pay_page_receipt(vk_pay_call *c)
{
    vk_pv *charge;
    vk_buf *out = &c->ex->out;
    vk_err e = vk_pay_receipt(c, c->id[0], &charge);
    if (e != VK_OK)
        return no_such(c, e);
    vk_str currency = vk_pv_text(charge, "currency"), what = vk_pv_text(charge, "description");
    int64_t amount = vk_pv_number(charge, "amount", 0), back = vk_pv_number(charge, "amount_refunded", 0);
    vk_html_begin(out, "Receipt", "paper");
    vk_buf_lit(out, "<div class=\"sheet\">");
    vk_html_who(out, c->about->business);
    vk_buf_lit(out, "<h1>Receipt</h1>\n<p class=\"price\">");
    vk_html_amount(out, c->arena, amount, currency);
    vk_buf_z(out, back == 0        ? "</p>\n<p><span class=\"tag paid\">Paid</span></p>\n"
                  : back >= amount ? "</p>\n<p><span class=\"tag\">Refunded</span></p>\n"
                                   : "</p>\n<p><span class=\"tag\">Partly refunded</span></p>\n");
    vk_buf_lit(out, "<dl class=\"facts\">\n<div><dt>Date</dt><dd>");
    day(c, vk_pv_number(charge, "created", 0));
    vk_buf_lit(out, "</dd></div>\n");
    vk_html_fact(out, "Paid with",
                 vk_pay_card_words(c, vk_pv_text(charge, "payment_method_details.card.brand"),
                                   vk_pv_text(charge, "payment_method_details.card.last4")));
    vk_html_fact(out, "For", z(c, vk_pv_text(charge, "receipt_email")));
    vk_html_f(out, "</dl>\n<table><tbody>\n");
    row(c, "", what.n ? z(c, what) : "Payment", amount, currency);
    if (back) {
        row(c, "off", "Refunded", -back, currency);
        row(c, "total", "Paid after refunds", amount - back, currency);
    } else {
        row(c, "total", "Amount paid", amount, currency);
    }
    vk_html_f(out, "</tbody></table>\n<p class=\"soft\">Charge %s</p></div>\n",
              z(c, vk_pv_text(charge, "id")));
    vk_html_end(out);
    return VK_OK;
}

/* ---- invoices */

static vk_err invoice_of(vk_pay_call *c, vk_pv **invoice_r)
{
    vk_pv **found;
    size_t n;
    vk_err e = vk_pay_find(c, &vk_pay_r_invoice, "hosted_token", c->id[0], 1, &found, &n);
    if (e == VK_OK && n == 0)
        e = VK_E_NOT_FOUND;
    if (e == VK_OK)
        *invoice_r = found[0];
    return e;
}

static void invoice_sums(vk_pay_call *c, const vk_pv *invoice, vk_str currency)
{
    int64_t subtotal = vk_pv_number(invoice, "subtotal", 0), off = 0, tax = 0;
    VK_PV_EACH(d, vk_pv_get(invoice, "total_discount_amounts"))
    off += vk_pv_number(d, "amount", 0);
    VK_PV_EACH(t, vk_pv_get(invoice, "total_taxes"))
    tax += vk_pv_number(t, "amount", 0);
    row(c, "", "Subtotal", subtotal, currency);
    if (off)
        row(c, "off", "Discount", -off, currency);
    if (tax)
        row(c, "", "Tax", tax, currency);
    row(c, "total", "Total", vk_pv_number(invoice, "total", 0), currency);
    row(c, "", "Paid", vk_pv_number(invoice, "amount_paid", 0), currency);
    row(c, "", "Due", vk_pv_number(invoice, "amount_remaining", 0), currency);
}

static const char *invoice_status(vk_str status)
{
    return vk_str_eqz(status, "paid")            ? "Paid"
           : vk_str_eqz(status, "open")          ? "Open"
           : vk_str_eqz(status, "void")          ? "Void"
           : vk_str_eqz(status, "uncollectible") ? "Uncollectible"
                                                 : "Draft";
}

/* What was typed stands there again, but nothing of a card. */
static void pay_form(vk_pay_call *c, const vk_pv *invoice, const vk_pv *fields, const char *why,
                     const char *field)
{
    static const struct {
        const char *before, *name, *label, *more;
    } inputs[] = {
        {"", "cardNumber", "Card number",
         "required inputmode=\"numeric\" autocomplete=\"cc-number\" maxlength=\"30\" placeholder=\"1234 1234 "
         "1234 1234\""},
        {"<div class=\"row\"><div>\n", "cardExpiry", "Expiry",
         "required inputmode=\"numeric\" autocomplete=\"cc-exp\" maxlength=\"9\" placeholder=\"MM / YY\""},
        {"</div><div>\n", "cardCvc", "CVC",
         "required inputmode=\"numeric\" autocomplete=\"cc-csc\" maxlength=\"4\" placeholder=\"CVC\""},
        {"</div></div>\n", "billingName", "Name on card",
         "required autocomplete=\"cc-name\" placeholder=\"Full name on card\""},
        {"", "billingPostalCode", "Postal code", "autocomplete=\"postal-code\" placeholder=\"12345\""},
    };
    vk_buf *out = &c->ex->out;
    vk_html_f(out, "<form class=\"pay\" id=\"pay\" method=\"post\" action=\"/b/%s/i/%s\">\n", c->about->build,
              z(c, c->id[0]));
    if (why)
        vk_html_f(out, "<p class=\"alert\" role=\"alert\" id=\"problem\" tabindex=\"-1\" autofocus>%s</p>\n",
                  why);
    vk_buf_lit(out, "<fieldset><legend>Payment details</legend>\n");
    for (size_t i = 0; i < VK_COUNT(inputs); i++) {
        bool kept = !vk_str_starts(vk_str_z(inputs[i].name), VK_STR("card"));
        vk_buf_z(out, inputs[i].before);
        vk_html_f(out, "<label for=\"%s\">%s</label><input type=\"text\" id=\"%s\" name=\"%s\" value=\"%s\" ",
                  inputs[i].name, inputs[i].label, inputs[i].name, inputs[i].name,
                  kept ? z(c, vk_pv_text(fields, inputs[i].name)) : "");
        if (why && field && strcmp(field, inputs[i].name) == 0)
            vk_buf_lit(out, "aria-invalid=\"true\" aria-describedby=\"problem\" ");
        vk_buf_z(out, inputs[i].more);
        vk_buf_lit(out, ">\n");
    }
    vk_buf_lit(out, "</fieldset>\n<div id=\"submit\"><button class=\"main\" type=\"submit\" "
                    "data-testid=\"hosted-payment-submit-button\" data-busy=\"Processing…\">Pay ");
    vk_html_amount(out, c->arena, vk_pv_number(invoice, "amount_remaining", 0),
                   vk_pv_text(invoice, "currency"));
    vk_buf_lit(out, "</button></div>\n</form>\n");
}

static vk_err show_invoice(vk_pay_call *c, const vk_pv *invoice, const vk_pv *fields, const char *why,
                           const char *field)
{
    vk_buf *out = &c->ex->out;
    bool payable;
    vk_err e = vk_pay_invoice_payable(c, invoice, &payable);
    if (e != VK_OK)
        return e;
    vk_str currency = vk_pv_text(invoice, "currency"), status = vk_pv_text(invoice, "status");
    vk_html_begin(out, "Invoice", "paper");
    vk_buf_lit(out, "<div class=\"sheet\">");
    vk_html_who(out, c->about->business);
    vk_html_f(out, "<h1>Invoice %s</h1>\n<p class=\"price\">", z(c, vk_pv_text(invoice, "number")));
    vk_html_amount(out, c->arena, vk_pv_number(invoice, "total", 0), currency);
    vk_html_f(out, "</p>\n<p><span class=\"tag %s\">%s</span></p>\n<dl class=\"facts\">\n", z(c, status),
              invoice_status(status));
    vk_buf_lit(out, "<div><dt>Date</dt><dd>");
    day(c, vk_pv_number(invoice, "created", 0));
    vk_buf_lit(out, "</dd></div>\n");
    vk_html_fact(out, "For", z(c, vk_pv_text(invoice, "customer_name")));
    vk_html_fact(out, "Email", z(c, vk_pv_text(invoice, "customer_email")));
    vk_buf_lit(out, "</dl>\n<table><tbody>\n");
    VK_PV_EACH(line, vk_pv_at(invoice, "lines.data"))
    row(c, "", z(c, vk_pv_text(line, "description")), vk_pv_number(line, "amount", 0), currency);
    vk_buf_lit(out, "</tbody><tfoot>\n");
    invoice_sums(c, invoice, currency);
    vk_buf_lit(out, "</tfoot></table>\n");
    vk_str footer = vk_pv_text(invoice, "footer");
    if (footer.n)
        vk_html_f(out, "<p class=\"soft\">%s</p>\n", z(c, footer));
    if (payable)
        pay_form(c, invoice, fields, why, field);
    vk_buf_lit(out, "</div>\n");
    vk_html_end(out);
    return VK_OK;
}

vk_err vk_pay_page_invoice(vk_pay_call *c)
{
    vk_pv *invoice;
    vk_err e = invoice_of(c, &invoice);
    return e == VK_OK ? show_invoice(c, invoice, NULL, NULL, NULL) : no_such(c, e);
}

/* Sent twice, the second one finds it paid. */
vk_err vk_pay_page_invoice_pay(vk_pay_call *c)
{
    vk_pv *invoice, *filled, *card, *intent;
    const char *why = NULL, *field = NULL;
    vk_pay_confirm how = {0};
    bool payable;
    vk_pay_paid paid;
    vk_pay_decline decline;
    vk_err e = invoice_of(c, &invoice);
    if (e != VK_OK)
        return no_such(c, e);
    c->to = how.return_url = vk_pv_text(invoice, "hosted_invoice_url");
    e = vk_pay_invoice_payable(c, invoice, &payable);
    if (e != VK_OK || !payable)
        return e;
    e = vk_pay_card_typed(c, c->params, &filled, &card, &why, &field);
    if (e == VK_OK && !why)
        e = vk_pay_method_typed(c, card, filled, &how.method, &why, &field);
    if (e == VK_OK && !why) {
        e = vk_pay_invoice_try(c, invoice, &how, &intent, &paid, &decline);
        if (e == VK_OK && paid == VK_PAY_PAID_ACTION)
            c->to = vk_pv_text(intent, "next_action.redirect_to_url.url");
        if (e == VK_OK && paid == VK_PAY_PAID_NO) {
            why = decline.message;
            field = "cardNumber";
        }
    }
    if (e != VK_OK || !why)
        return e;
    c->to = VK_STR_NONE;
    c->status = 402;
    return show_invoice(c, invoice, c->params, why, field);
}

/* ---- 3-D Secure: of a checkout session (pages_checkout.c), and… */

void vk_pay_bank_page(vk_pay_call *c, int64_t amount, vk_str currency, const char *card, const char *why)
{
    vk_buf *out = &c->ex->out;
    vk_html_begin(out, "3-D Secure", "note");
    vk_buf_lit(out, "<div class=\"sheet\"><h1>Is it you?</h1>\n"
                    "<p class=\"soft\">This stands for the page of the card's bank.</p>\n");
    if (why)
        vk_html_f(out, "<p class=\"alert\" role=\"alert\">%s</p>\n", why);
    if (currency.n) {
        vk_buf_lit(out, "<p class=\"price\">");
        vk_html_amount(out, c->arena, amount, currency);
        vk_buf_lit(out, "</p>\n");
    }
    vk_buf_lit(out, "<dl class=\"facts\">\n");
    vk_html_fact(out, "Asked by", c->about->business);
    vk_html_fact(out, "Card", card);
    vk_buf_lit(out, "</dl>\n");
    vk_html_choices(out);
    vk_buf_lit(out, "</div>\n");
    vk_html_end(out);
}

/* ---- …of an intent that the app's own server confirmed */

static vk_err authentication(vk_pay_call *c, vk_pay_authentication *x)
{
    vk_err e = vk_pay_authentication_load(c, c->id[0], x);
    if (e != VK_OK)
        return no_such(c, e);
    c->leads_on = vk_pv_text(x->intent, "_auth.return_url").n > 0;
    return VK_OK;
}

static vk_err answered(vk_pay_call *c, const vk_pay_authentication *x)
{
    vk_str status = vk_pv_text(x->intent, "status");
    bool refused = vk_str_eqz(status, "requires_payment_method") || vk_str_eqz(status, "canceled");
    if (x->back.n)
        c->to = x->back;
    else
        vk_html_note(&c->ex->out, refused ? "bad" : "good", refused ? "It was refused" : "It is done",
                     "You may close this page.", VK_STR_NONE, "");
    return VK_OK;
}

vk_err vk_pay_page_intent(vk_pay_call *c)
{
    vk_pay_authentication x;
    vk_err e = authentication(c, &x);
    if (e != VK_OK)
        return e;
    if (!x.waits)
        return answered(c, &x);
    vk_pay_bank_page(c, x.amount, x.currency, vk_pay_card_words(c, x.brand, x.last4), NULL);
    return VK_OK;
}

vk_err vk_pay_page_intent_done(vk_pay_call *c)
{
    vk_pay_authentication x;
    vk_str result = vk_pv_text(c->params, "result");
    bool yes = vk_str_eqz(result, "complete");
    if (!yes && !vk_str_eqz(result, "fail"))
        return vk_pay_page_intent(c);
    vk_err e = authentication(c, &x);
    if (e == VK_OK && x.waits) /* else it was sent twice, or from two windows */
        e = vk_pay_authentication_answer(c, &x, yes);
    return e == VK_OK ? answered(c, &x) : e;
}
