/* Customers. https://docs.stripe.com/api/customers */
#include "core/random.h"

#include "services/payments/catalogue.h"
#include "services/payments/generic.h"
#include "services/payments/resources/runs.h"

enum {
    PREFIX_LEN = 8, /* of the numbers of a customer's invoices */
    PREFIX_LEAST = 3,
    PREFIX_MOST = 12,
    METHODS_MAX =
        200, /* that a customer who is deleted loses in one call; later ones are not of anybody's use */
    BALANCE_MAX = 99999999,
};

/* ---- what parameters say ---- */

bool vk_pay_email_ok(vk_str email)
{
    vk_str domain = email, local;
    if (!vk_str_cut(&domain, '@', &local) || !local.n || !domain.n)
        return false;
    for (size_t i = 0; i < email.n; i++)
        if ((unsigned char)email.p[i] <= ' ' || email.p[i] == 0x7f || strchr("<>()[]\\,;:\"", email.p[i]))
            return false;
    return !memchr(domain.p, '@', domain.n) && domain.p[0] != '.' && domain.p[domain.n - 1] != '.';
}

static vk_err check_email(vk_pay_call *c)
{
    vk_str email = vk_pv_text(c->params, "email");
    if (!email.p || vk_pay_email_ok(email))
        return VK_OK;
    return vk_pay_refuse(c, 400, "email_invalid", "email", "Invalid email address: " VK_STR_FMT,
                         VK_STR_ARG(email));
}

static vk_err check_prefix(vk_pay_call *c)
{
    vk_str prefix = vk_pv_text(c->params, "invoice_prefix");
    bool good = prefix.n >= PREFIX_LEAST && prefix.n <= PREFIX_MOST;
    for (size_t i = 0; i < prefix.n; i++)
        good = good &&
               ((prefix.p[i] >= 'A' && prefix.p[i] <= 'Z') || (prefix.p[i] >= '0' && prefix.p[i] <= '9'));
    if (!prefix.p || good)
        return VK_OK;
    return vk_pay_refuse(c, 400, NULL, "invoice_prefix",
                         "Invoice prefixes must have %d to %d upper-case letters or digits.", PREFIX_LEAST,
                         PREFIX_MOST);
}

/* Letters and digits that people do not take for one another. */
vk_err vk_pay_customer_prefix(vk_pay_call *c, vk_pv *customer)
{
    static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    uint8_t bytes[PREFIX_LEN];
    char text[PREFIX_LEN];
    _Static_assert(sizeof letters - 1 == 32, "each is equally likely");
    vk_random(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = letters[bytes[i] % 32];
    vk_str prefix = vk_arena_dup(c->arena, (vk_str){text, sizeof text});
    return prefix.p && vk_pv_put_str(c->arena, customer, "invoice_prefix", prefix) ? VK_OK : VK_E_NOMEM;
}

static vk_err check(vk_pay_call *c)
{
    vk_err e = check_email(c);
    if (e == VK_OK)
        e = check_prefix(c);
    if (e == VK_OK)
        e = vk_pay_within(c, vk_pv_get(c->params, "balance"), -BALANCE_MAX, BALANCE_MAX, "balance");
    if (e == VK_OK)
        e = vk_pay_within(c, vk_pv_get(c->params, "next_invoice_sequence"), 1, 1000000000,
                          "next_invoice_sequence");
    return e;
}

/* invoice_settings[default_payment_method]: a method that the customer has. `fresh`: the one that the same
 * call attaches, by the name that it was given there. */
static vk_err default_method(vk_pay_call *c, vk_pv *customer, vk_str fresh_name, const vk_pv *fresh)
{
    static const char path[] = "invoice_settings.default_payment_method";
    const vk_pv *given = vk_pv_at(c->params, path);
    vk_pv *method;
    if (!given)
        return VK_OK;
    if (!vk_pv_is(given, VK_PV_STR) || given->u.s.n == 0)
        return vk_pv_put_null(c->arena, customer, path) ? VK_OK : VK_E_NOMEM;
    if (fresh && vk_str_eq(given->u.s, fresh_name))
        return vk_pv_put_str(c->arena, customer, path, vk_pv_text(fresh, "id")) ? VK_OK : VK_E_NOMEM;
    vk_err e = vk_pay_need(c, &vk_pay_r_payment_method, given->u.s,
                           "invoice_settings[default_payment_method]", &method);
    if (e != VK_OK)
        return e;
    if (!vk_str_eq(vk_pv_text(method, "customer"), vk_pv_text(customer, "id")))
        return vk_pay_refuse(c, 400, "resource_missing", "invoice_settings[default_payment_method]",
                             "The customer does not have a payment method with the ID " VK_STR_FMT
                             ". The payment method must be attached to the customer.",
                             VK_STR_ARG(given->u.s));
    return vk_pv_put_str(c->arena, customer, path, given->u.s) ? VK_OK : VK_E_NOMEM;
}

vk_err vk_pay_customer_create(vk_pay_call *c)
{
    vk_pv *customer = c->doc, *method = NULL;
    vk_str name = vk_pv_text(c->params, "payment_method");
    vk_err e = check(c);
    if (e == VK_OK && !vk_pv_text(customer, "invoice_prefix").p)
        e = vk_pay_customer_prefix(c, customer);
    if (e == VK_OK && name.p)
        e = vk_pay_method_of(c, name, "payment_method", &method);
    if (e == VK_OK)
        e = default_method(c, customer, name, method);
    if (e != VK_OK || !method)
        return e;
    /* The customer first, and then what is attached to it. */
    e = vk_pay_store_new(c, &vk_pay_r_customer, customer);
    if (e == VK_OK)
        e = vk_pay_attach(c, method, vk_pv_text(customer, "id"));
    c->result = customer;
    return e;
}

vk_err vk_pay_customer_update(vk_pay_call *c)
{
    vk_err e = check(c);
    return e == VK_OK ? default_method(c, c->doc, VK_STR_NONE, NULL) : e;
}

/* Subscriptions end, with their events; methods are nobody's any more. */
vk_err vk_pay_customer_delete(vk_pay_call *c)
{
    vk_pv **methods;
    size_t n = 0;
    vk_err e = vk_pay_subscriptions_end(c, c->id[0]);
    if (e == VK_OK)
        e = vk_pay_find(c, &vk_pay_r_payment_method, "customer", c->id[0], METHODS_MAX, &methods, &n);
    for (size_t i = 0; e == VK_OK && i < n; i++)
        e = vk_pv_put_null(c->arena, methods[i], "customer") ? vk_pay_put(c, methods[i]) : VK_E_NOMEM;
    return e;
}

/* ---- what is below a customer ---- */

vk_err vk_pay_customer_payment_methods(vk_pay_call *c)
{
    vk_pv *customer;
    vk_err e = vk_pay_need(c, &vk_pay_r_customer, c->id[0], NULL, &customer);
    if (e != VK_OK)
        return e;
    vk_str url =
        vk_arena_printf(c->arena, "/v1/customers/" VK_STR_FMT "/payment_methods", VK_STR_ARG(c->id[0]));
    vk_pay_key key = {"customer", c->id[0]};
    return url.p ? vk_pay_list_of(c, &key, 1, url) : VK_E_NOMEM;
}

vk_err vk_pay_customer_payment_method(vk_pay_call *c)
{
    vk_pv *customer, *method;
    vk_err e = vk_pay_need(c, &vk_pay_r_customer, c->id[0], NULL, &customer);
    if (e == VK_OK)
        e = vk_pay_need(c, &vk_pay_r_payment_method, c->id[1], NULL, &method);
    if (e != VK_OK)
        return e;
    if (!vk_str_eq(vk_pv_text(method, "customer"), c->id[0]))
        return vk_pay_refuse_unknown(c, &vk_pay_r_payment_method, c->id[1], NULL);
    c->result = method;
    return VK_OK;
}

/* Discounts belong to sessions and subscriptions here; customers have none. */
vk_err vk_pay_customer_discount_delete(vk_pay_call *c)
{
    vk_pv *customer;
    vk_err e = vk_pay_need(c, &vk_pay_r_customer, c->id[0], NULL, &customer);
    if (e != VK_OK)
        return e;
    return vk_pay_refuse(c, 404, "resource_missing", NULL, "No active discount for customer: " VK_STR_FMT,
                         VK_STR_ARG(c->id[0]));
}
