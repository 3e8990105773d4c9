/* What checkout, payment links, subscriptions and invoices share. Handlers of others need call.h only. */
#ifndef VK_PAY_BILLING_H
#define VK_PAY_BILLING_H

#include "services/payments/catalogue.h"

enum {
    VK_PAY_ITEMS_MAX = 100,       /* line items of a session in payment mode, of a link */
    VK_PAY_SUB_ITEMS_MAX = 20,    /* recurring ones; and as many that are paid once */
    VK_PAY_QUANTITY_MAX = 999999, /* that somebody may choose */
    VK_PAY_TRIAL_DAYS = 730,
    VK_PAY_URL_MAX = 5000,
    VK_PAY_TOKEN = 32,           /* characters of the address of an invoice or a payment link */
    VK_PAY_TOTAL_MAX = 99999999, /* eight digits: what a card can pay */
};

/* ---- a tree that is being filled: whether there was memory is asked once, at the end */
typedef struct vk_pay_fill {
    vk_arena *a;
    vk_pv *o;
    bool bad;
} vk_pay_fill;
static inline void vk_fill(vk_pay_fill *f, const char *path, vk_pv *v)
{
    f->bad |= !vk_pv_put(f->a, f->o, path, v);
}
static inline void vk_fill_str(vk_pay_fill *f, const char *path, vk_str s)
{
    f->bad |= !vk_pv_put_str(f->a, f->o, path, s);
}
static inline void vk_fill_int(vk_pay_fill *f, const char *path, int64_t i)
{
    f->bad |= !vk_pv_put_int(f->a, f->o, path, i);
}
static inline void vk_fill_bool(vk_pay_fill *f, const char *path, bool b)
{
    f->bad |= !vk_pv_put_bool(f->a, f->o, path, b);
}
static inline void vk_fill_null(vk_pay_fill *f, const char *path)
{
    f->bad |= !vk_pv_put_null(f->a, f->o, path);
}
/* A text that was made just now: without one there was no memory. */
static inline void vk_fill_made(vk_pay_fill *f, const char *path, vk_str s)
{
    f->bad |= !s.p || !vk_pv_put_str(f->a, f->o, path, s);
}
/* A copy of what is at `from` of `v`, when something is. */
static inline void vk_fill_copy(vk_pay_fill *f, const char *path, const vk_pv *v, const char *from)
{
    const vk_pv *x = vk_pv_at(v, from);
    if (!vk_pv_is_null(x))
        f->bad |= !vk_pv_put(f->a, f->o, path, vk_pv_copy(f->a, x));
}

/* ---- lines.c: line items */

/* Documents of the object "item" from the parameter `name` (line_items): prices are looked up, or made with
 * their products from price_data; with quantity, adjustable_quantity and tax rates. *currency_io:
 * VK_STR_NONE, or what it has to be. Amounts come with vk_pay_items_sum. Refuses. An item has, beside what is
 * shown of it: `_product`, and `_rates`, the ids of its tax rates. */
VK_MUSTCHECK vk_err vk_pay_items_make(vk_pay_call *c, const vk_pv *params, const char *name,
                                      vk_str *currency_io, vk_pv **items_r);
/* Ids of tax rates that are there and active. Refuses. */
VK_MUSTCHECK vk_err vk_pay_rates_check(vk_pay_call *c, const vk_pv *ids, const char *param);

/* adjustable_quantity of an item whose parameters `a` gives (may be NULL or null: none), for `quantity`.
 * Refuses. */
VK_MUSTCHECK vk_err vk_pay_adjustable(vk_pay_call *c, const vk_pv *a, const char *param, vk_pay_fill *f,
                                      int64_t quantity);

/* The coupons of an array of {coupon, promotion_code}. */
VK_MUSTCHECK vk_err vk_pay_coupons(vk_pay_call *c, const vk_pv *discounts, const vk_pv ***coupons_r,
                                   size_t *n_r);
typedef struct vk_pay_sums {
    int64_t subtotal, discount, tax, exclusive, total;
} vk_pay_sums;
enum {
    VK_PAY_ONCE = 1,      /* prices that are paid once */
    VK_PAY_RECURRING = 2, /* the others */
    VK_PAY_FREE = 4,      /* recurring ones cost nothing now: a trial */
};
/* The lines of items: an array in the arena, in the items' order but for those that `which` leaves out.
 * `exempt`: the customer's tax_exempt. */
VK_MUSTCHECK vk_err vk_pay_items_lines(vk_pay_call *c, const vk_pv *items, unsigned which, vk_str exempt,
                                       vk_pay_line **lines_r, size_t *n_r);
/* Amounts of all items, and of their sum. `discounts` as above, `objects`: their objects, for what is shown
 * when it is expanded. VK_E_INVALID with a sentence in *why_r: the amounts are too large. */
VK_MUSTCHECK vk_err vk_pay_items_sum(vk_pay_call *c, vk_pv *items, const vk_pv *discounts,
                                     const vk_pv *objects, vk_str currency, unsigned which, vk_str exempt,
                                     vk_pay_sums *out_r, const char **why_r);
bool vk_pay_recurs(vk_pay_call *c, const vk_pv *item);

/* ---- discounts.c */

/* The coupons that discounts of the parameter `name` give, checked: an array of {coupon, promotion_code}.
 * Refuses. */
VK_MUSTCHECK vk_err vk_pay_discounts_make(vk_pay_call *c, const vk_pv *params, const char *name,
                                          vk_str customer, vk_str currency, int64_t subtotal,
                                          vk_pv **discounts_r);
/* The object "discount" of one of them; `owner`: the member that says whose it is ("checkout_session"). */
VK_MUSTCHECK vk_err vk_pay_discount_make(vk_pay_call *c, const vk_pv *discount, vk_str customer,
                                         const char *owner, vk_str id, vk_pv **object_r);

/* They were used. */
VK_MUSTCHECK vk_err vk_pay_discounts_redeem(vk_pay_call *c, const vk_pv *discounts);

/* ---- period.c. Pure. */

/* `n` intervals ("day", "week", "month", "year") of `count` behind `anchor`: months are clamped to their last
 * day and keep the anchor's (31 January, 28 February, 31 March). Seconds; VK_E_INVALID: beyond the year 9999.
 */
VK_MUSTCHECK vk_err vk_pay_period(int64_t anchor, vk_str interval, int64_t count, int64_t n, int64_t *at_r);

/* ---- session.c: sessions as the API makes them */

/* An absolute http or https address without user, blanks or controls. */
bool vk_pay_url_ok(vk_str url);
/* Completes a session whose own fields are in `doc`: line items (`_items`, an array, is taken out), mode,
 * currency, discounts by the parameters, amounts, address, end. For sessions of the API and of links.
 * Refuses. */
VK_MUSTCHECK vk_err vk_pay_session_finish(vk_pay_call *c, vk_pv *doc, vk_pv *items, vk_str currency,
                                          const vk_pv *params);
/* Custom fields, texts and shipping options, which links have as well. Refuses. */
VK_MUSTCHECK vk_err vk_pay_custom_fields(vk_pay_call *c, const vk_pv *params, vk_pv **fields_r);
VK_MUSTCHECK vk_err vk_pay_shipping_options(vk_pay_call *c, const vk_pv *params, vk_str currency,
                                            vk_pv **options_r);
/* What ties mode and line items together, for links, too. *mode_r when it is VK_STR_NONE. Refuses. */
VK_MUSTCHECK vk_err vk_pay_items_mode(vk_pay_call *c, const vk_pv *items, vk_str *mode_io);
/* The session's amounts after something has changed. */
VK_MUSTCHECK vk_err vk_pay_session_sum(vk_pay_call *c, vk_pv *session, const char **why_r);
/* Cancels an intent that a payment has begun with, with its events; nothing for one that is over. `reason`:
 * its cancellation_reason, VK_STR_NONE for none. */
VK_MUSTCHECK vk_err vk_pay_intent_drop(vk_pay_call *c, const vk_pay_resource *r, vk_str id, vk_str reason);
/* Ends an open one, with the event. */
VK_MUSTCHECK vk_err vk_pay_session_end(vk_pay_call *c, vk_pv *session);
/* One more completed session of its link. */
VK_MUSTCHECK vk_err vk_pay_link_count(vk_pay_call *c, vk_str link);

/* ---- invoice.c */

typedef struct vk_pay_invoice_ask {
    vk_pv *customer;           /* document */
    const vk_pv *subscription; /* document, or NULL */
    const char *reason;        /* billing_reason */
    vk_str currency, description, footer, collection_method, default_payment_method;
    const vk_pv *metadata, *custom_fields;
    int64_t days_until_due; /* of send_invoice */
    int64_t period_start, period_end;
    const vk_pv *discounts, *objects; /* as above */
    const vk_pv *rates;               /* default_tax_rates: ids; NULL */
    vk_str session;
    const vk_pv *shipping_cost; /* as sessions show it; null or NULL: nothing is shipped */
} vk_pay_invoice_ask;
/* A line to be: of an item of the subscription (`si` is its document), or paid once. */
typedef struct vk_pay_invoice_item {
    const vk_pv *si;
    const vk_pv *price; /* document */
    int64_t quantity;
    const vk_pv *rates; /* ids */
    const vk_pv *metadata;
    vk_str description; /* VK_STR_NONE: made from the price */
    int64_t start, end; /* its period */
    bool free;          /* a trial's */
} vk_pay_invoice_item;
/* A draft of the lines; no event yet. VK_E_INVALID when the amounts are too large: refused. */
VK_MUSTCHECK vk_err vk_pay_invoice_draft(vk_pay_call *c, const vk_pay_invoice_ask *ask,
                                         const vk_pay_invoice_item *items, size_t n, vk_pv **invoice_r);
/* invoice.created, its number, invoice.finalized; one of 0 is paid at once, with its events. */
VK_MUSTCHECK vk_err vk_pay_invoice_open(vk_pay_call *c, vk_pv *invoice);
/* Its payment is this intent now (an open invoice_payment). */
VK_MUSTCHECK vk_err vk_pay_invoice_intent(vk_pay_call *c, vk_pv *invoice, vk_pv *intent);
/* It was paid with the intent it has (or with nothing, when it is of 0): status, events. */
VK_MUSTCHECK vk_err vk_pay_invoice_paid(vk_pay_call *c, vk_pv *invoice);
/* A try has failed, or somebody has to authenticate (`action`). */
VK_MUSTCHECK vk_err vk_pay_invoice_failed(vk_pay_call *c, vk_pv *invoice, bool action);
/* It was paid in some other way: its intent ends, with the events. */
VK_MUSTCHECK vk_err vk_pay_invoice_aside(vk_pay_call *c, vk_pv *invoice);
VK_MUSTCHECK vk_err vk_pay_invoice_void(vk_pay_call *c, vk_pv *invoice);

/* ---- invoice_calls.c */

/* Whether it is open, and not for the page of a checkout session alone to be paid. */
VK_MUSTCHECK vk_err vk_pay_invoice_payable(vk_pay_call *c, const vk_pv *invoice, bool *payable_r);

/* ---- subscription.c */

/* An incomplete one goes on: its first invoice is paid with `method`. *paid_r as always; OK: it is active or
 * trialing now, with all events. */
VK_MUSTCHECK vk_err vk_pay_subscription_go_on(vk_pay_call *c, vk_pv *subscription, const vk_pay_confirm *how,
                                              vk_pay_paid *paid_r);
/* A payment intent was confirmed by a call or on its own page of 3-D Secure: when it is an open invoice's,
 * that and its subscription become what came of it. Nothing for others. */
VK_MUSTCHECK vk_err vk_pay_intent_settled(vk_pay_call *c, const vk_pv *intent, vk_pay_paid paid);
/* An open invoice is paid out of band; an incomplete subscription runs then. With all events. */
VK_MUSTCHECK vk_err vk_pay_invoice_paid_aside(vk_pay_call *c, vk_pv *invoice);
/* An incomplete one ends: incomplete_expired, its invoice void. */
VK_MUSTCHECK vk_err vk_pay_subscription_drop(vk_pay_call *c, vk_pv *subscription);
/* What its time has come for: an incomplete one ends after 23 hours, another at cancel_at. Nothing else. */
VK_MUSTCHECK vk_err vk_pay_subscription_due(vk_pay_call *c, vk_pv *subscription);
/* Ends it now, with the event. */
VK_MUSTCHECK vk_err vk_pay_subscription_end(vk_pay_call *c, vk_pv *subscription);
/* The time at which vk_pay_subscription_due has to be called, put where the build is woken by it. */
VK_MUSTCHECK vk_err vk_pay_subscription_wake(vk_pay_call *c, const vk_pv *subscription);

#endif
