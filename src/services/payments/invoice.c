/* Invoices: of a subscription's first period, and of payments whose session asks for one. They are finalized
 * as they are made; there are no renewals, so nothing is ever a draft for longer than its own call.
 *
 * An invoice has, besides what newer versions show: `payment_intent` and `charge`, and `hosted_token`, which
 * the address of its page ends with. */
#include "services/payments/billing.h"

enum {
    DAY = 86400,
    NUMBER_DIGITS = 4,
    PREFIX = 8,
};

typedef struct making {
    vk_pay_call *c;
    const vk_pay_invoice_ask *ask;
    const vk_pay_invoice_item *items;
    vk_pay_line *lines;
    size_t n;
    vk_pv *doc;
} making;

/* ---- lines */

/* "$12.00 / month", "$12.00 every 3 months" */
static vk_str rhythm(vk_pay_call *c, const vk_pv *price)
{
    vk_str interval = vk_pv_text(price, "recurring.interval");
    long long count = vk_pv_number(price, "recurring.interval_count", 1);
    vk_str amount = vk_pay_amount(c->arena, vk_pay_price_unit(price), vk_pv_text(price, "currency"));
    if (count == 1)
        return vk_arena_printf(c->arena, VK_STR_FMT " / " VK_STR_FMT, VK_STR_ARG(amount),
                               VK_STR_ARG(interval));
    return vk_arena_printf(c->arena, VK_STR_FMT " every %lld " VK_STR_FMT "s", VK_STR_ARG(amount), count,
                           VK_STR_ARG(interval));
}

static vk_str describe(vk_pay_call *c, const vk_pay_invoice_item *i)
{
    vk_pv *product = NULL;
    if (i->description.p)
        return i->description;
    if (vk_pay_get(c, &vk_pay_r_product, vk_pv_text(i->price, "product"), &product) != VK_OK)
        return VK_STR("Product");
    vk_str name = vk_pv_text(product, "name");
    if (!name.p)
        name = VK_STR("Product");
    if (i->free)
        return vk_arena_printf(c->arena, "Trial period for " VK_STR_FMT, VK_STR_ARG(name));
    if (!i->si)
        return name;
    if (vk_pay_price_unit(i->price) == VK_PAY_NO_UNIT)
        return vk_arena_printf(c->arena, "%lld × " VK_STR_FMT, (long long)i->quantity, VK_STR_ARG(name));
    return vk_arena_printf(c->arena, "%lld × " VK_STR_FMT " (at " VK_STR_FMT ")", (long long)i->quantity,
                           VK_STR_ARG(name), VK_STR_ARG(rhythm(c, i->price)));
}

static vk_err rates_of(vk_pay_call *c, const vk_pv *ids, vk_pv **rates_r)
{
    vk_pv *rates = vk_pv_arr(c->arena);
    VK_PV_EACH(id, ids)
    {
        vk_pv *rate;
        vk_err e = vk_pay_get(c, &vk_pay_r_tax_rate, vk_pv_is(id, VK_PV_STR) ? id->u.s : vk_pv_text(id, "id"),
                              &rate);
        if (e != VK_OK)
            return e;
        if (!vk_pv_add(c->arena, rates, vk_pv_copy(c->arena, rate)))
            return VK_E_NOMEM;
    }
    *rates_r = rates;
    return rates ? VK_OK : VK_E_NOMEM;
}

static vk_err lines_of(making *m)
{
    const vk_pv *exempt = vk_pv_get(m->ask->customer, "tax_exempt");
    bool taxed = !vk_pv_is(exempt, VK_PV_STR) || vk_str_eqz(exempt->u.s, "none");
    const vk_pv **coupons;
    size_t k;
    m->lines = vk_arena_calloc(m->c->arena, (m->n + 1) * sizeof(*m->lines));
    if (!m->lines)
        return VK_E_NOMEM;
    for (size_t i = 0; i < m->n; i++) {
        const vk_pay_invoice_item *it = &m->items[i];
        vk_pv *rates = NULL;
        vk_err e =
            taxed ? rates_of(m->c, vk_pv_is_null(it->rates) ? m->ask->rates : it->rates, &rates) : VK_OK;
        if (e != VK_OK)
            return e;
        m->lines[i] = (vk_pay_line){
            .price = vk_pv_copy(m->c->arena, it->price),
            .product = vk_pv_text(it->price, "product"),
            .quantity = it->quantity,
            .unit = it->free ? 0 : vk_pay_price_unit(it->price),
            .tax_rates = rates,
        };
        if (!m->lines[i].price)
            return VK_E_NOMEM;
    }
    vk_err e = vk_pay_coupons(m->c, m->ask->discounts, &coupons, &k);
    if (e == VK_OK)
        e = vk_pay_totals(m->lines, m->n, coupons, k, m->ask->currency);
    if (e == VK_E_INVALID || e == VK_E_TOO_LARGE)
        return vk_pay_refuse(m->c, 400, "amount_too_large", NULL, "The amounts are too large.");
    return e;
}

/* {amount, discount} of each coupon; of one line, or of all (`line` NULL). */
static bool discount_amounts(making *m, const vk_pay_line *line, vk_pv *out)
{
    vk_arena *a = m->c->arena;
    size_t k = 0;
    VK_PV_EACH(o, m->ask->objects)
    {
        int64_t amount = line ? line->of_coupon[k] : 0;
        for (size_t i = 0; i < m->n && !line; i++)
            amount += m->lines[i].of_coupon[k];
        vk_pv *one = vk_pv_obj(a);
        vk_pay_fill f = {a, one, false};
        vk_fill_int(&f, "amount", amount);
        vk_fill(&f, "discount", vk_pv_copy(a, o));
        if ((amount || !line) && (f.bad || !vk_pv_add(a, out, one)))
            return false;
        if (++k == VK_PAY_LINE_COUPONS)
            break;
    }
    return out != NULL;
}

static bool tax_amounts(vk_arena *a, const vk_pay_line *l, vk_pv *out)
{
    size_t i = 0;
    VK_PV_EACH(rate, l->tax_rates)
    {
        bool inclusive = vk_pv_flag(rate, "inclusive");
        vk_str id = vk_pv_text(rate, "id");
        vk_pv *same = NULL;
        int64_t amount = l->of_rate[i++];
        VK_PV_EACH(x, out)
        {
            if (vk_str_eq(vk_pv_text(x, "tax_rate_details.tax_rate"), id))
                same = x;
        }
        vk_pay_fill f = {a, same ? same : vk_pv_obj(a), false};
        vk_fill_int(&f, "amount", vk_pv_number(same, "amount", 0) + amount);
        vk_fill_int(&f, "taxable_amount", vk_pv_number(same, "taxable_amount", 0) + l->taxable);
        vk_fill_str(&f, "tax_behavior", inclusive ? VK_STR("inclusive") : VK_STR("exclusive"));
        vk_fill_str(&f, "tax_rate_details.tax_rate", id);
        vk_fill_str(&f, "taxability_reason", VK_STR("not_available"));
        vk_fill_str(&f, "type", VK_STR("tax_rate_details"));
        if (f.bad || (!same && !vk_pv_add(a, out, f.o)))
            return false;
    }
    return out != NULL;
}

static vk_err line_doc(making *m, size_t i, vk_pv **line_r)
{
    vk_pay_call *c = m->c;
    const vk_pay_invoice_item *it = &m->items[i];
    const vk_pay_line *l = &m->lines[i];
    vk_pv *line = vk_pv_obj(c->arena), *discounts = vk_pv_arr(c->arena), *taxes = vk_pv_arr(c->arena);
    bool ok = discount_amounts(m, l, discounts) && tax_amounts(c->arena, l, taxes);
    vk_pay_fill f = {c->arena, line, !ok};
    vk_fill_made(&f, "id", vk_pay_id(c, vk_pay_r_invoice_line.prefix, vk_pay_r_invoice_line.random));
    vk_fill_str(&f, "object", VK_STR("line_item"));
    vk_fill_int(&f, "amount", l->subtotal);
    vk_fill_str(&f, "currency", m->ask->currency);
    vk_fill_made(&f, "description", describe(c, it));
    vk_fill(&f, "discount_amounts", discounts);
    vk_fill_bool(&f, "discountable", true);
    vk_fill_str(&f, "invoice", vk_pv_text(m->doc, "id"));
    vk_fill_bool(&f, "livemode", false);
    vk_fill(&f, "metadata",
            vk_pv_is_null(it->metadata) ? vk_pv_obj(c->arena) : vk_pv_copy(c->arena, it->metadata));
    if (it->si) {
        vk_fill_bool(&f, "parent.subscription_item_details.proration", false);
        vk_fill_null(&f, "parent.subscription_item_details.proration_details.credited_items");
        vk_fill_copy(&f, "parent.subscription_item_details.subscription", it->si, "subscription");
        vk_fill_copy(&f, "parent.subscription_item_details.subscription_item", it->si, "id");
        vk_fill_str(&f, "parent.type", VK_STR("subscription_item_details"));
        vk_fill_copy(&f, "subscription", it->si, "subscription");
    }
    vk_fill_int(&f, "period.start", it->start);
    vk_fill_int(&f, "period.end", it->end);
    vk_fill_copy(&f, "pricing.price_details.price", it->price, "id");
    vk_fill_copy(&f, "pricing.price_details.product", it->price, "product");
    vk_fill_str(&f, "pricing.type", VK_STR("price_details"));
    vk_fill_str(&f, "pricing.unit_amount_decimal",
                it->free ? VK_STR("0") : vk_pv_text(it->price, "unit_amount_decimal"));
    vk_fill_int(&f, "quantity", it->quantity);
    vk_fill_made(&f, "quantity_decimal", vk_arena_printf(c->arena, "%lld", (long long)it->quantity));
    vk_fill_int(&f, "subtotal", l->subtotal);
    vk_fill(&f, "taxes", taxes);
    *line_r = line;
    return f.bad ? VK_E_NOMEM : VK_OK;
}

/* ---- the invoice */

static vk_err sums(making *m, vk_pay_fill *f)
{
    vk_arena *a = m->c->arena;
    const vk_pv *cost = m->ask->shipping_cost;
    vk_pv *discounts = vk_pv_arr(a), *taxes = vk_pv_arr(a), *lines = vk_pv_arr(a);
    int64_t shipping = vk_pv_number(cost, "amount_total", 0);
    int64_t subtotal = 0, tax = 0, inclusive = 0, total = shipping;
    for (size_t i = 0; i < m->n; i++) {
        vk_pv *line;
        vk_err e = line_doc(m, i, &line);
        if (e != VK_OK)
            return e;
        f->bad |= !vk_pv_add(a, lines, line) || !tax_amounts(a, &m->lines[i], taxes);
        subtotal += m->lines[i].subtotal;
        tax += m->lines[i].tax;
        inclusive += m->lines[i].tax - m->lines[i].exclusive;
        total += m->lines[i].total;
    }
    f->bad |= !discount_amounts(m, NULL, discounts);
    vk_fill(f, "lines.data", lines);
    vk_fill_int(f, "amount_due", total);
    vk_fill_int(f, "amount_paid", 0);
    vk_fill_int(f, "amount_remaining", total);
    vk_fill_int(f, "amount_shipping", shipping);
    if (vk_pv_is(cost, VK_PV_OBJ))
        vk_fill(f, "shipping_cost", vk_pv_copy(a, cost));
    vk_fill_int(f, "subtotal", subtotal);
    vk_fill_int(f, "subtotal_excluding_tax", subtotal - inclusive);
    vk_fill_int(f, "total", total);
    vk_fill_int(f, "total_excluding_tax", total - tax);
    if (taxes && taxes->count)
        vk_fill_int(f, "tax", tax);
    vk_fill(f, "total_discount_amounts", discounts);
    vk_fill(f, "total_taxes", taxes);
    return VK_OK;
}

static void heading(making *m, vk_pay_fill *f)
{
    static const char *const of_customer[][2] = {
        {"customer", "id"},
        {"customer_address", "address"},
        {"customer_email", "email"},
        {"customer_name", "name"},
        {"customer_phone", "phone"},
        {"customer_shipping", "shipping"},
        {"customer_tax_exempt", "tax_exempt"},
    };
    const vk_pay_invoice_ask *ask = m->ask;
    vk_arena *a = m->c->arena;
    vk_pv *discounts = vk_pv_arr(a);
    for (size_t i = 0; i < VK_COUNT(of_customer); i++)
        vk_fill_copy(f, of_customer[i][0], ask->customer, of_customer[i][1]);
    VK_PV_EACH(o, ask->objects)
    f->bad |= !vk_pv_add(a, discounts, vk_pv_copy(a, o));
    vk_fill_str(f, "account_name", vk_str_z(m->c->about->business));
    vk_fill_str(f, "billing_reason", vk_str_z(ask->reason));
    vk_fill_str(f, "collection_method",
                ask->collection_method.p ? ask->collection_method : VK_STR("charge_automatically"));
    vk_fill_str(f, "currency", ask->currency);
    vk_fill_str(f, "default_payment_method", ask->default_payment_method);
    vk_fill_str(f, "description", ask->description);
    vk_fill_str(f, "footer", ask->footer);
    vk_fill(f, "discounts", discounts);
    vk_fill(f, "metadata", vk_pv_is_null(ask->metadata) ? vk_pv_obj(a) : vk_pv_copy(a, ask->metadata));
    if (!vk_pv_is_null(ask->custom_fields))
        vk_fill(f, "custom_fields", vk_pv_copy(a, ask->custom_fields));
    if (ask->days_until_due)
        vk_fill_int(f, "due_date", m->c->now + ask->days_until_due * DAY);
    vk_fill_int(f, "period_start", ask->period_start);
    vk_fill_int(f, "period_end", ask->period_end);
    if (ask->subscription) {
        const vk_pv *metadata = vk_pv_get(ask->subscription, "metadata");
        vk_fill_copy(f, "parent.subscription_details.subscription", ask->subscription, "id");
        vk_fill(f, "parent.subscription_details.metadata",
                vk_pv_is_null(metadata) ? vk_pv_obj(a) : vk_pv_copy(a, metadata));
        vk_fill_str(f, "parent.type", VK_STR("subscription_details"));
    }
    vk_fill_int(f, "starting_balance", 0);
    vk_fill_str(f, "status", VK_STR("draft"));
}

vk_err vk_pay_invoice_draft(vk_pay_call *c, const vk_pay_invoice_ask *ask, const vk_pay_invoice_item *items,
                            size_t n, vk_pv **invoice_r)
{
    making m = {.c = c, .ask = ask, .items = items, .n = n};
    vk_err e = vk_pay_new(c, &vk_pay_r_invoice, VK_STR_NONE, &m.doc);
    if (e == VK_OK)
        e = lines_of(&m);
    if (e != VK_OK)
        return e;
    vk_pay_fill f = {c->arena, m.doc, false};
    heading(&m, &f);
    e = sums(&m, &f);
    *invoice_r = m.doc;
    return e == VK_OK && f.bad ? VK_E_NOMEM : e;
}

/* "<invoice_prefix>-0001", counted on the customer; it is nothing that customer.updated tells of. */
static vk_err number(vk_pay_call *c, vk_pay_fill *f)
{
    vk_pv *customer;
    vk_err e = vk_pay_get(c, &vk_pay_r_customer, vk_pv_text(f->o, "customer"), &customer);
    if (e != VK_OK)
        return e;
    vk_pay_fill g = {c->arena, customer, false};
    vk_str prefix = vk_pv_text(customer, "invoice_prefix");
    int64_t next = vk_pv_number(customer, "next_invoice_sequence", 1);
    if (!prefix.n) {
        char letters[PREFIX];
        vk_str random = vk_pay_id(c, "", PREFIX);
        for (size_t i = 0; i < random.n; i++)
            letters[i] = (char)(random.p[i] >= 'a' && random.p[i] <= 'z' ? random.p[i] - 32 : random.p[i]);
        prefix = vk_arena_dup(c->arena, (vk_str){letters, random.n});
        vk_fill_str(&g, "invoice_prefix", prefix);
    }
    vk_fill_int(&g, "next_invoice_sequence", next + 1);
    vk_fill_made(
        f, "number",
        vk_arena_printf(c->arena, VK_STR_FMT "-%0*lld", VK_STR_ARG(prefix), NUMBER_DIGITS, (long long)next));
    if (g.bad || f->bad || !prefix.p)
        return VK_E_NOMEM;
    e = vk_pay_put(c, customer);
    return e == VK_OK ? vk_pay_seen(c, customer) : e;
}

vk_err vk_pay_invoice_open(vk_pay_call *c, vk_pv *invoice)
{
    vk_pay_fill f = {c->arena, invoice, false};
    vk_err e = vk_pay_put(c, invoice);
    if (e == VK_OK)
        e = vk_pay_event(c, "invoice.created", &vk_pay_r_invoice, invoice);
    if (e == VK_OK)
        e = number(c, &f);
    if (e != VK_OK)
        return e;
    vk_str token = vk_pay_id(c, "", VK_PAY_TOKEN);
    vk_fill_str(&f, "hosted_token", token);
    vk_fill_made(&f, "hosted_invoice_url",
                 vk_arena_printf(c->arena, VK_STR_FMT "/b/%s/i/" VK_STR_FMT, VK_STR_ARG(c->browser_base),
                                 c->about->build, VK_STR_ARG(token)));
    vk_fill_int(&f, "effective_at", c->now);
    vk_fill_int(&f, "ending_balance", 0);
    vk_fill_int(&f, "status_transitions.finalized_at", c->now);
    vk_fill_str(&f, "status", VK_STR("open"));
    e = f.bad || !token.p ? VK_E_NOMEM : vk_pay_put(c, invoice);
    if (e == VK_OK)
        e = vk_pay_event(c, "invoice.finalized", &vk_pay_r_invoice, invoice);
    return e == VK_OK && vk_pv_number(invoice, "amount_due", 0) == 0 ? vk_pay_invoice_paid(c, invoice) : e;
}

/* ---- its payment */

static vk_err payment_of(vk_pay_call *c, const vk_pv *invoice, vk_pv **payment_r)
{
    vk_pv **found;
    size_t n;
    vk_err e = vk_pay_find(c, &vk_pay_r_invoice_payment, "invoice", vk_pv_text(invoice, "id"), 1, &found, &n);
    *payment_r = e == VK_OK && n ? found[0] : NULL;
    return e;
}

vk_err vk_pay_invoice_intent(vk_pay_call *c, vk_pv *invoice, vk_pv *intent)
{
    vk_pv *payment;
    vk_str id = vk_pv_text(intent, "id");
    vk_err e = vk_pay_new(c, &vk_pay_r_invoice_payment, VK_STR_NONE, &payment);
    if (e != VK_OK)
        return e;
    vk_pay_fill p = {c->arena, payment, false}, f = {c->arena, invoice, false}, i = {c->arena, intent, false};
    vk_fill_copy(&p, "amount_requested", invoice, "amount_due");
    vk_fill_copy(&p, "currency", invoice, "currency");
    vk_fill_copy(&p, "invoice", invoice, "id");
    vk_fill_bool(&p, "is_default", true);
    vk_fill_str(&p, "payment.payment_intent", id);
    vk_fill_str(&p, "payment.type", VK_STR("payment_intent"));
    vk_fill_str(&p, "status", VK_STR("open"));
    vk_fill_str(&f, "payment_intent", id);
    vk_fill_copy(&f, "confirmation_secret.client_secret", intent, "client_secret");
    vk_fill_str(&f, "confirmation_secret.type", VK_STR("payment_intent"));
    vk_fill_copy(&i, "invoice", invoice, "id");
    e = p.bad || f.bad || i.bad ? VK_E_NOMEM : vk_pay_put(c, payment);
    if (e == VK_OK)
        e = vk_pay_put(c, intent);
    return e == VK_OK ? vk_pay_put(c, invoice) : e;
}

static vk_err payment_paid(vk_pay_call *c, const vk_pv *invoice, vk_pv *payment)
{
    if (!payment)
        return VK_OK;
    vk_pay_fill f = {c->arena, payment, false};
    vk_fill_copy(&f, "amount_paid", invoice, "amount_paid");
    vk_fill_str(&f, "status", VK_STR("paid"));
    vk_fill_int(&f, "status_transitions.paid_at", c->now);
    vk_err e = f.bad ? VK_E_NOMEM : vk_pay_put(c, payment);
    if (e != VK_OK || c->version < VK_PAY_BASIL)
        return e;
    return vk_pay_event(c, "invoice_payment.paid", &vk_pay_r_invoice_payment, payment);
}

vk_err vk_pay_invoice_paid(vk_pay_call *c, vk_pv *invoice)
{
    vk_pv *intent = NULL, *payment;
    vk_str id = vk_pv_text(invoice, "payment_intent");
    vk_pay_fill f = {c->arena, invoice, false};
    vk_err e = payment_of(c, invoice, &payment);
    if (e == VK_OK && id.p)
        e = vk_pay_get(c, &vk_pay_r_payment_intent, id, &intent);
    if (e != VK_OK)
        return e;
    vk_fill_copy(&f, "amount_paid", invoice, "amount_due");
    vk_fill_int(&f, "amount_remaining", 0);
    vk_fill_bool(&f, "attempted", true);
    if (intent) {
        vk_fill_int(&f, "attempt_count", vk_pv_number(invoice, "attempt_count", 0) + 1);
        vk_fill_copy(&f, "charge", intent, "latest_charge");
    }
    vk_fill_int(&f, "status_transitions.paid_at", c->now);
    vk_fill_str(&f, "status", VK_STR("paid"));
    e = f.bad ? VK_E_NOMEM : vk_pay_put(c, invoice);
    if (e == VK_OK)
        e = vk_pay_event(c, "invoice.paid", &vk_pay_r_invoice, invoice);
    if (e == VK_OK)
        e = vk_pay_event(c, "invoice.payment_succeeded", &vk_pay_r_invoice, invoice);
    return e == VK_OK ? payment_paid(c, invoice, payment) : e;
}

vk_err vk_pay_invoice_failed(vk_pay_call *c, vk_pv *invoice, bool action)
{
    vk_pay_fill f = {c->arena, invoice, false};
    vk_fill_bool(&f, "attempted", true);
    vk_fill_int(&f, "attempt_count", vk_pv_number(invoice, "attempt_count", 0) + 1);
    vk_err e = f.bad ? VK_E_NOMEM : vk_pay_put(c, invoice);
    if (e != VK_OK)
        return e;
    return vk_pay_event(c, action ? "invoice.payment_action_required" : "invoice.payment_failed",
                        &vk_pay_r_invoice, invoice);
}

/* It is not paid with the intent it has: that ends. */
static vk_err drop_payment(vk_pay_call *c, const vk_pv *invoice, vk_str reason)
{
    vk_pv *payment;
    vk_err e = payment_of(c, invoice, &payment);
    if (e == VK_OK && payment) {
        vk_pay_fill p = {c->arena, payment, false};
        vk_fill_str(&p, "status", VK_STR("canceled"));
        vk_fill_int(&p, "status_transitions.canceled_at", c->now);
        e = p.bad ? VK_E_NOMEM : vk_pay_put(c, payment);
    }
    return e == VK_OK ? vk_pay_intent_drop(c, &vk_pay_r_payment_intent, vk_pv_text(invoice, "payment_intent"),
                                           reason)
                      : e;
}

vk_err vk_pay_invoice_aside(vk_pay_call *c, vk_pv *invoice)
{
    vk_pay_fill f = {c->arena, invoice, false};
    vk_err e = drop_payment(c, invoice, VK_STR("automatic"));
    vk_fill_copy(&f, "amount_paid", invoice, "amount_due");
    vk_fill_int(&f, "amount_remaining", 0);
    vk_fill_bool(&f, "paid_out_of_band", true);
    vk_fill_int(&f, "status_transitions.paid_at", c->now);
    vk_fill_str(&f, "status", VK_STR("paid"));
    if (e == VK_OK)
        e = f.bad ? VK_E_NOMEM : vk_pay_put(c, invoice);
    return e == VK_OK ? vk_pay_event(c, "invoice.paid", &vk_pay_r_invoice, invoice) : e;
}

vk_err vk_pay_invoice_void(vk_pay_call *c, vk_pv *invoice)
{
    vk_pay_fill f = {c->arena, invoice, false};
    vk_err e = drop_payment(c, invoice, VK_STR("void_invoice"));
    vk_fill_int(&f, "status_transitions.voided_at", c->now);
    vk_fill_str(&f, "status", VK_STR("void"));
    if (e == VK_OK)
        e = f.bad ? VK_E_NOMEM : vk_pay_put(c, invoice);
    return e == VK_OK ? vk_pay_event(c, "invoice.voided", &vk_pay_r_invoice, invoice) : e;
}
