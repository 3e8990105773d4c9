/* The smaller hosted pages: payment links, receipts, invoices, and 3-D Secure for what the API confirmed. */
#include "services/payments/charge.h"
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
    vk_html_amount(out, c->arena, amount, currency);
    vk_buf_lit(out, "</td></tr>\n");
}

/* ---- payment links: each visit begins a session of its own */

vk_err vk_pay_page_link(vk_pay_call *c)
{
    vk_pv *session;
    vk_err e = vk_pay_link_session(c, c->id[0], &session);
    if (e == VK_E_FORBIDDEN) {
        c->status = 410;
        vk_html_note(&c->ex->out, "This link is not active", "It cannot be paid with any more.", VK_STR_NONE,
                     "");
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
    vk_str currency = vk_pv_text(charge, "currency"), to = vk_pv_text(charge, "receipt_email");
    int64_t amount = vk_pv_number(charge, "amount", 0), back = vk_pv_number(charge, "amount_refunded", 0);
    vk_html_begin(out, "Receipt", "paper");
    vk_html_f(out, "<div class=\"sheet\"><h1>Receipt from %s</h1>\n<p class=\"price\">", c->about->business);
    vk_html_amount(out, c->arena, amount, currency);
    vk_buf_lit(out, "</p>\n<p class=\"soft\">Paid on ");
    day(c, vk_pv_number(charge, "created", 0));
    vk_html_f(out, " with %s •••• %s</p>\n", z(c, vk_pv_text(charge, "payment_method_details.card.brand")),
              z(c, vk_pv_text(charge, "payment_method_details.card.last4")));
    if (to.n)
        vk_html_f(out, "<p class=\"soft\">For %s</p>\n", z(c, to));
    vk_str what = vk_pv_text(charge, "description");
    if (what.n)
        vk_html_f(out, "<p>%s</p>\n", z(c, what));
    vk_buf_lit(out, "<table><tbody>\n");
    row(c, "", "Amount charged", amount, currency);
    if (back)
        row(c, "off", "Refunded", -back, currency);
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

vk_err vk_pay_page_invoice(vk_pay_call *c)
{
    vk_pv *invoice;
    vk_buf *out = &c->ex->out;
    vk_err e = invoice_of(c, &invoice);
    if (e != VK_OK)
        return no_such(c, e);
    vk_str currency = vk_pv_text(invoice, "currency"), status = vk_pv_text(invoice, "status");
    vk_html_begin(out, "Invoice", "paper");
    vk_html_f(out, "<div class=\"sheet\"><h1>Invoice %s from %s</h1>\n<p class=\"price\">",
              z(c, vk_pv_text(invoice, "number")), c->about->business);
    vk_html_amount(out, c->arena, vk_pv_number(invoice, "total", 0), currency);
    vk_html_f(out, "</p>\n<p class=\"soft\">%s, ", z(c, status));
    day(c, vk_pv_number(invoice, "created", 0));
    vk_html_f(out, "</p>\n<p class=\"soft\">For %s</p>\n<table><tbody>\n",
              z(c, vk_pv_text(invoice, "customer_email")));
    VK_PV_EACH(line, vk_pv_at(invoice, "lines.data"))
    row(c, "", z(c, vk_pv_text(line, "description")), vk_pv_number(line, "amount", 0), currency);
    vk_buf_lit(out, "</tbody><tfoot>\n");
    row(c, "", "Subtotal", vk_pv_number(invoice, "subtotal", 0), currency);
    row(c, "total", "Total", vk_pv_number(invoice, "total", 0), currency);
    row(c, "", "Paid", vk_pv_number(invoice, "amount_paid", 0), currency);
    row(c, "", "Due", vk_pv_number(invoice, "amount_remaining", 0), currency);
    vk_buf_lit(out, "</tfoot></table></div>\n");
    vk_html_end(out);
    return VK_OK;
}

/* ---- 3-D Secure of an intent that the app's own server confirmed */

static vk_err authentication(vk_pay_call *c, vk_pay_authentication *x)
{
    vk_err e = vk_pay_authentication_load(c, c->id[0], x);
    if (e != VK_OK)
        return no_such(c, e);
    c->form_action = vk_html_origin(c->arena, vk_pv_text(x->intent, "_auth.return_url"));
    if (!x->waits) {
        c->to = x->back;
        if (!c->to.n)
            vk_html_note(&c->ex->out, "It is done", "You may close this page.", VK_STR_NONE, "");
    }
    return VK_OK;
}

vk_err vk_pay_page_intent(vk_pay_call *c)
{
    vk_pay_authentication x;
    vk_buf *out = &c->ex->out;
    vk_err e = authentication(c, &x);
    if (e != VK_OK || !x.waits)
        return e;
    vk_html_begin(out, "3-D Secure", "note");
    vk_buf_lit(out, "<h1>Is it you?</h1>\n<p>This stands for the page of the card's bank.</p>\n");
    if (x.currency.n) {
        vk_buf_lit(out, "<p class=\"price\">");
        vk_html_amount(out, c->arena, x.amount, x.currency);
        vk_buf_lit(out, "</p>\n");
    }
    vk_html_f(out, "<p class=\"soft\">%s •••• %s</p>\n", z(c, x.brand), z(c, x.last4));
    vk_html_choices(out);
    vk_html_end(out);
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
    if (e != VK_OK || !x.waits)
        return e;
    e = vk_pay_authentication_answer(c, &x, yes);
    if (e != VK_OK)
        return e;
    c->to = x.back;
    if (!c->to.n)
        vk_html_note(&c->ex->out, yes ? "It is done" : "It was refused", "You may close this page.",
                     VK_STR_NONE, "");
    return VK_OK;
}
