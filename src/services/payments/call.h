/* One call of the API or of a hosted page, from its head to its answer, and what the files of the service
 * share.
 *
 * README.md is the map of the folder.
 *
 * A handler runs on the strand of its build: nothing else of the build runs meanwhile, c->db is open, and all
 * that it changes is one part of a transaction, undone when it answers anything but VK_OK (but see c->keep).
 * The answer goes out when that is on disk. It never waits. It answers by setting c->result (a document,
 * which is rendered by the endpoint's resource) and returning VK_OK; or by `return vk_pay_refuse(c, …)`; any
 * other vk_err is Stripe's api_error. */
#ifndef VK_PAY_CALL_H
#define VK_PAY_CALL_H

#include "services/payments/embedded/payments_db.h"
#include "services/payments/embedded/pools.h"
#include "services/payments/schema.h"
#include "valetkey/service.h"

enum {
    VK_PAY_BODY_MAX = 1 << 20,
    VK_PAY_CALL_BYTES = 32 << 20, /* of documents, and of the answer made of them: vk_pay_within_bytes */
    VK_PAY_EVENTS_MAX = 256,      /* that one call makes */
    VK_PAY_ARENA_MAX = 16 << 20,
};

/* Constant of a build; in the pool's memory. */
typedef struct vk_pay_about {
    char build[VK_BUILD_ID_MAX + 1];
    char account[22];                   /* acct_ and 16 */
    char business[VK_BUILD_ID_MAX + 1]; /* what pages call it */
} vk_pay_about;

/* A refusal. Texts live in the arena or are static. */
typedef struct vk_pay_refusal {
    int status;       /* 400, 402, 404, … */
    const char *type; /* "invalid_request_error", "card_error", "idempotency_error" */
    const char *code; /* NULL: none */
    const char *decline_code;
    vk_str param, message;        /* param VK_STR_NONE: none */
    vk_str charge;                /* id, of a card error */
    const vk_pay_resource *about; /* of `object`: error.payment_intent, .setup_intent or .payment_method */
    const vk_pv *object;
} vk_pay_refusal;

typedef struct vk_pay_call {
    vk_exchange *ex;
    const vk_pay_endpoint *ep;
    vk_arena *arena; /* lives until the answer has been made */
    vk_pay_pool *pool;
    const vk_pay_about *about;

    /* The request. */
    vk_str id[2];  /* of the path */
    vk_pv *params; /* after vk_pay_check: typed, without expand; an object. Pages: as they came */
    vk_pv *expand; /* array of texts, or NULL */
    int version;
    char version_name[64];                /* as it is echoed, and as events carry it */
    char request_id[20];                  /* req_… */
    vk_str idempotency_key;               /* VK_STR_NONE */
    uint8_t fingerprint[VK_SHA256];       /* of what was asked, with a key */
    vk_str original_request;              /* the answer is that of an earlier request */
    bool publishable;                     /* came with pk_… */
    const struct vk_pay_origins *origins; /* of the build, for calls that need them (webhook_endpoint.c) */
    vk_str browser_base, sandbox_base;    /* "http://127.0.0.1:4504": what pages' addresses begin with is
                                           * browser_base */

    struct vk_stripe_ask *broker; /* it is Stripe's to answer (stripe/broker.h); NULL: ours */
    struct vk_stripe_inbound_event
        *inbound; /* what stripe/inbound.c has of an event that Stripe tells us of */

    /* On the strand. */
    vk_pay_db *db;
    int64_t now_ms, now;      /* one time for the whole call: milliseconds, and unix seconds */
    vk_pv *doc;               /* the object of the verb, for `run`: CREATE, UPDATE, RETRIEVE, DELETE */
    struct vk_pay_docs *docs; /* what the call has loaded (docs.c) */
    size_t events;
    struct vk_pay_targets *targets; /* who gets them (events.c) */
    int64_t wake_ms;                /* after the commit something is due then (hooks.h); 0: nothing */

    /* The answer. */
    vk_pv *result; /* a document of ep->resource, or (with `rendered`) what is sent as it is */
    bool rendered;
    vk_pay_refusal *refusal;
    bool keep;                /* with a refusal: what was changed counts all the same (a declined charge) */
    vk_str notice;            /* Stripe-Notice */
    vk_str to;                /* pages: a redirect (303) */
    int status;               /* pages: 200 when it is 0 */
    const char *content_type; /* of what a page wrote into ex->out; NULL: HTML */
    bool leads_on;            /* pages: their forms end at the app (pages.h); for the policy */
} vk_pay_call;

static inline vk_pay_call *vk_pay_call_of(const vk_exchange *ex)
{
    return ex->ctx;
}

/* ---- answer.c */

/* invalid_request_error. `code`, `param` may be NULL. Always returns VK_E_INVALID. */
vk_err vk_pay_refuse(vk_pay_call *c, int status, const char *code, const char *param, const char *fmt, ...)
    VK_PRINTF(5, 6);
/* Stripe's own sentences, so that they stand once. */
vk_err vk_pay_refuse_missing(vk_pay_call *c, const char *param); /* Missing required param: … */
/* No such customer: 'cus_x'. 404 when `param` is NULL (the path's id), else 400 with that param. */
vk_err vk_pay_refuse_unknown(vk_pay_call *c, const vk_pay_resource *r, vk_str id, const char *param);
/* You may only specify one of these parameters: a, b. */
vk_err vk_pay_refuse_both(vk_pay_call *c, const char *a, const char *b);
/* 402 card_error; fields of the refusal are the caller's to add (c->refusal). */
vk_err vk_pay_refuse_card(vk_pay_call *c, const char *code, const char *decline_code, const char *fmt, ...)
    VK_PRINTF(4, 5);
/* A feature of Stripe's that is not here: 400 with a sentence, and where the list is; it is counted. */
vk_err vk_pay_refuse_absent(vk_pay_call *c, const char *param, const char *what);
/* 400: the call comes to more than can be answered at once. */
vk_err vk_pay_refuse_large(vk_pay_call *c);
/* Adds a sentence to Stripe-Notice. */
void vk_pay_notice(vk_pay_call *c, const char *fmt, ...) VK_PRINTF(2, 3);

/* ---- docs.c: documents. The same id gives the same tree within a call, so changes are seen by all. A call
 * may load any number of them, as long as its arena has given out less than VK_PAY_CALL_BYTES; then it is
 * refused (vk_pay_refuse_large). */

VK_MUSTCHECK vk_err vk_pay_within_bytes(vk_pay_call *c);

/* VK_E_NOT_FOUND also for another resource's id. Deleted ones are found: "deleted": true is in them. */
VK_MUSTCHECK vk_err vk_pay_get(vk_pay_call *c, const vk_pay_resource *r, vk_str id, vk_pv **doc_r);
/* The same for what a request names; refuses: unknown or deleted. */
VK_MUSTCHECK vk_err vk_pay_need(vk_pay_call *c, const vk_pay_resource *r, vk_str id, const char *param,
                                vk_pv **doc_r);
/* A new document: id (`id` or a random one), object, created, livemode. Not stored yet. */
VK_MUSTCHECK vk_err vk_pay_new(vk_pay_call *c, const vk_pay_resource *r, vk_str id, vk_pv **doc_r);
/* Stores it as it is now, with its keys. */
VK_MUSTCHECK vk_err vk_pay_put(vk_pay_call *c, vk_pv *doc);
/* The document as it was when it was loaded, or at the last event about it; *before_r is NULL: it is new, or
 * none of the call's. */
VK_MUSTCHECK vk_err vk_pay_before(vk_pay_call *c, const vk_pv *doc, const vk_pv **before_r);
/* A fresh id in the arena. VK_STR_NONE: no memory. */
vk_str vk_pay_id(vk_pay_call *c, const char *prefix, int random);
/* The newest documents with key=value (VK_STR_NONE: any), at most `most`: an array in the arena. */
VK_MUSTCHECK vk_err vk_pay_find(vk_pay_call *c, const vk_pay_resource *r, const char *key, vk_str value,
                                size_t most, vk_pv ***docs_r, size_t *n_r);
/* The document of a row that a list gave (its texts are copied). */
VK_MUSTCHECK vk_err vk_pay_doc_read(vk_pay_call *c, const vk_pay_resource *r, const vk_pay_row *row,
                                    vk_pv **doc_r);
/* From here on vk_pay_before answers what the document is now: an event has told of it. */
VK_MUSTCHECK vk_err vk_pay_seen(vk_pay_call *c, const vk_pv *doc);

/* ---- events.c */

/* An event about a document as it is now: stored, and given to the endpoints that want it. Order is order of
 * calls. `type` is static or lives in the arena. */
VK_MUSTCHECK vk_err vk_pay_event(vk_pay_call *c, const char *type, const vk_pay_resource *r, vk_pv *doc);
/* With previous_attributes: what has changed since vk_pay_before. Nothing when nothing has. */
VK_MUSTCHECK vk_err vk_pay_event_changed(vk_pay_call *c, const char *type, const vk_pay_resource *r,
                                         vk_pv *doc);
/* One that Stripe made, as it is to be shown and sent: stored, and given to the endpoints that want its type.
 * *new_r: it was not there yet; otherwise nothing happens. VK_E_INVALID: it is no event; VK_E_TOO_LARGE. */
VK_MUSTCHECK vk_err vk_pay_event_given(vk_pay_call *c, vk_pv *event, bool *new_r);
/* Something is due at that time (a session expires), unix milliseconds: vk_pay_due is called then. What it is
 * is put with vk_pay_due_put, which is what is left after a restart; this sets the clock. */
VK_MUSTCHECK vk_err vk_pay_wake_at(vk_pay_call *c, int64_t at_ms);

/* ---- generic.c: what a call does, on the strand */
VK_MUSTCHECK vk_err vk_pay_run(vk_pay_call *c);

/* ---- money.c */

/* Whether Stripe knows the currency (three lower-case letters). */
bool vk_pay_currency(vk_str code);
bool vk_pay_zero_decimal(vk_str code);
/* The least that can be charged, in the smallest unit. */
int64_t vk_pay_least(vk_str code);
/* "$12.00", "¥500", "€9.99", "CHF 3.00", "$1,234.50": for people. In the arena. */
vk_str vk_pay_amount(vk_arena *a, int64_t amount, vk_str currency);
/* "$0.50 usd", "$4.00 hkd", "175.00 Ft huf": as Stripe's errors name the least. */
vk_str vk_pay_amount_code(vk_arena *a, int64_t amount, vk_str currency);
/* "12.50" or "12" percent, or a unit_amount_decimal ("0.05"), of an amount: exact, rounded half up (away from
 * zero) to the unit at the end. VK_E_INVALID: no decimal (12 digits after the point at most); VK_E_TOO_LARGE.
 */
VK_MUSTCHECK vk_err vk_pay_percent_of(int64_t amount, vk_str percent, int64_t *out_r);
VK_MUSTCHECK vk_err vk_pay_times(vk_str unit_amount_decimal, int64_t quantity, int64_t *out_r);

/* ---- charge.c, intent.c: payments */

/* A payment method of a test card; `card` is the parameters' card object, number and all. Refuses other
 * numbers (402). Nothing of the number is kept but what Stripe shows. */
VK_MUSTCHECK vk_err vk_pay_method_of_card(vk_pay_call *c, const vk_pv *card, const vk_pv *billing_details,
                                          vk_pv **method_r);
/* "pm_…" of the build, or "pm_card_visa" and its like, which make one. Refuses. */
VK_MUSTCHECK vk_err vk_pay_method_of(vk_pay_call *c, vk_str id, const char *param, vk_pv **method_r);
VK_MUSTCHECK vk_err vk_pay_attach(vk_pay_call *c, vk_pv *method, vk_str customer); /* and its event */
/* A new customer's `invoice_prefix`, where its maker chose none: every customer has one when it is told of.
 */
VK_MUSTCHECK vk_err vk_pay_customer_prefix(vk_pay_call *c, vk_pv *customer);

typedef enum vk_pay_paid {
    VK_PAY_PAID_OK,     /* succeeded, or requires_capture */
    VK_PAY_PAID_ACTION, /* requires_action: 3-D Secure */
    VK_PAY_PAID_NO,     /* declined: last_payment_error / last_setup_error says why */
} vk_pay_paid;
typedef struct vk_pay_confirm {
    vk_pv *method;
    bool off_session;   /* no customer is there to authenticate */
    bool no_action;     /* one is, but is not to be asked: what would ask declines */
    bool authenticated; /* 3-D Secure was passed just now */
    bool refused;       /* …or failed */
    vk_str return_url;
    vk_str page; /* the address of the 3-D Secure page; VK_STR_NONE: the API's own */
} vk_pay_confirm;
/* Confirms a payment intent or setup intent: charge, events, status; the intent is stored. A decline is no
 * error here: *paid_r. */
VK_MUSTCHECK vk_err vk_pay_confirm_payment(vk_pay_call *c, vk_pv *intent, const vk_pay_confirm *how,
                                           vk_pay_paid *paid_r);
VK_MUSTCHECK vk_err vk_pay_confirm_setup(vk_pay_call *c, vk_pv *intent, const vk_pay_confirm *how,
                                         vk_pay_paid *paid_r);
/* A payment intent that somebody of ours makes (checkout, an invoice), with its event; not confirmed. */
typedef struct vk_pay_intent_ask {
    int64_t amount;
    vk_str currency, customer, description, receipt_email, setup_future_usage, capture_method;
    vk_str session, invoice; /* ids; VK_STR_NONE */
    const vk_pv *metadata, *shipping;
} vk_pay_intent_ask;
VK_MUSTCHECK vk_err vk_pay_intent_new(vk_pay_call *c, const vk_pay_intent_ask *ask, vk_pv **intent_r);
/* Cancels one that is open or waits to be captured, with its events. `reason` VK_STR_NONE: none. */
VK_MUSTCHECK vk_err vk_pay_payment_cancel(vk_pay_call *c, vk_pv *intent, vk_str reason);
VK_MUSTCHECK vk_err vk_pay_setup_cancel(vk_pay_call *c, vk_pv *intent, vk_str reason);
VK_MUSTCHECK vk_err vk_pay_setup_new(vk_pay_call *c, vk_str customer, const vk_pv *metadata,
                                     vk_pv **intent_r);

/* ---- discount.c */

/* The coupon of a promotion code that somebody types or an API call names: everything that makes it valid
 * now. *why_r: VK_OK with a sentence in *why_r when it is not. `customer` VK_STR_NONE: not known. */
VK_MUSTCHECK vk_err vk_pay_code_valid(vk_pay_call *c, vk_str code, vk_str customer, vk_str currency,
                                      int64_t subtotal, vk_pv **promotion_code_r, vk_pv **coupon_r,
                                      const char **why_r);
VK_MUSTCHECK vk_err vk_pay_coupon_valid(vk_pay_call *c, const vk_pv *coupon, vk_str currency,
                                        const char **why_r);
/* times_redeemed of coupon and code (NULL: none) goes up; both are stored. */
VK_MUSTCHECK vk_err vk_pay_redeem(vk_pay_call *c, vk_pv *coupon, vk_pv *promotion_code);

/* ---- totals.c: the amounts of line items */

enum {
    VK_PAY_LINE_COUPONS = 20, /* discounts that stack */
    VK_PAY_LINE_RATES = 10,   /* tax rates of one line */
};
#define VK_PAY_NO_UNIT INT64_MIN

typedef struct vk_pay_line {
    vk_pv *price;           /* document; its unit_amount_decimal counts when `unit` is VK_PAY_NO_UNIT */
    vk_str product;         /* id, for applies_to */
    int64_t quantity, unit; /* given */
    const vk_pv *tax_rates; /* given: documents, an array; NULL: none */
    /* What comes out. total = subtotal - discount + exclusive; tax has the inclusive ones, too. */
    int64_t subtotal, discount, tax, exclusive, total;
    int64_t of_coupon[VK_PAY_LINE_COUPONS]; /* parts of `discount`, in the coupons' order */
    int64_t of_rate[VK_PAY_LINE_RATES];     /* parts of `tax`, in the rates' order */
    int64_t taxable;                        /* what the exclusive rates are taken of */
} vk_pay_line;
/* Discounts and taxes over lines. Coupons one after the other: a percentage of what is left of each line that
 * it applies to, rounded half up; an amount is spread over these lines by their share, so that the sum is
 * exact and no line goes below 0. Taxes of what is left: inclusive ones are in it (net * rate, net = what is
 * left / (1 + their sum)), exclusive ones add (net * rate); each rounded half up. Pure.
 * VK_E_INVALID: negative or nonsensical input, another currency; VK_E_TOO_LARGE: 18 digits are not enough, or
 * too many coupons or rates. Source: docs.stripe.com/billing/invoices/tax-rates, …/coupons. */
VK_MUSTCHECK vk_err vk_pay_totals(vk_pay_line *lines, size_t n, const vk_pv *const *coupons, size_t n_coupons,
                                  vk_str currency);
/* ---- checkout.c, checkout_pay.c: what the page does with a session (pages_checkout.c draws) */

/* The session's line items as documents with amounts; sums; what is due now. Expires it first when its time
 * is over: that changes documents, so it is for calls that may. */
typedef struct vk_pay_checkout {
    vk_pv *session;
    vk_pv *items; /* array of documents (object "item"), rendered amounts in them */
    vk_str currency;
    int64_t subtotal, discount, tax, shipping, total; /* due now */
    int64_t recurring;                                /* a period's, in subscription mode */
    vk_str interval;                                  /* "month" */
    int64_t interval_count;
    int64_t trial_end; /* unix seconds; 0: none */
    bool needs_card;   /* false: nothing is due and nothing is kept */
} vk_pay_checkout;
VK_MUSTCHECK vk_err vk_pay_checkout_load(vk_pay_call *c, vk_str id, vk_pay_checkout *out_r);
/* The page's fields (all texts; names as on the real page where it has them):
 *   email cardNumber cardExpiry cardCvc billingName billingCountry billingPostalCode billingAddressLine1
 *   billingAddressLine2 billingLocality billingAdministrativeArea phoneNumber shippingName shippingCountry
 *   shippingAddressLine1 shippingAddressLine2 shippingPostalCode shippingLocality
 *   shippingAdministrativeArea shippingOption (a shipping rate's id) promotionCode removePromotionCode
 *   termsOfServiceConsentCheckbox promotionsConsentCheckbox custom_<key of the custom field>
 *   quantity_<id of the line item> */

/* Applies what changes the amounts, without paying: promotionCode (or removePromotionCode), quantity_…,
 * shippingOption. *k is as after vk_pay_checkout_load. *why_r: NULL, or a sentence for people with the
 * field's name in *field_r; then nothing of it was applied. Nothing for a session that is not open. */
VK_MUSTCHECK vk_err vk_pay_checkout_change(vk_pay_call *c, vk_pay_checkout *k, const vk_pv *fields,
                                           const char **why_r, const char **field_r);
/* What somebody filled in: does it all, once (with vk_pay_checkout_change first): customer, method, intent,
 * subscription, invoice, session, events. *paid_r as in vk_pay_confirm; OK at once for a session that is
 * complete. A field that is wrong, an expired session or a decline: VK_OK, VK_PAY_PAID_NO and *why_r a
 * sentence for people, *field_r the field's name (or NULL). ACTION: the session waits for
 * vk_pay_checkout_go_on, the page leads to its /authenticate. */
VK_MUSTCHECK vk_err vk_pay_checkout_pay(vk_pay_call *c, vk_pay_checkout *k, const vk_pv *fields,
                                        vk_pay_paid *paid_r, const char **why_r, const char **field_r);
/* Whether it waits for that page. */
bool vk_pay_checkout_waits(const vk_pv *session);
/* After the 3-D Secure page. VK_PAY_PAID_NO with *why_r when nothing waits, too. */
VK_MUSTCHECK vk_err vk_pay_checkout_go_on(vk_pay_call *c, vk_pay_checkout *k, bool authenticated,
                                          vk_pay_paid *paid_r, const char **why_r);
/* Expires an open session whose time is over, with its events; nothing for others. For wake.c, and before one
 * is read. */
VK_MUSTCHECK vk_err vk_pay_checkout_due(vk_pay_call *c, vk_pv *session);
/* Where a finished session leads: success_url with its placeholder replaced. In the arena. */
vk_str vk_pay_success_url(vk_pay_call *c, const vk_pv *session);
/* A session of a payment link (the end of its address), as `POST …/sessions` makes it; stored.
 * VK_E_NOT_FOUND; VK_E_FORBIDDEN: the link is not active, or as many sessions as it may have are complete. */
VK_MUSTCHECK vk_err vk_pay_link_session(vk_pay_call *c, vk_str token, vk_pv **session_r);

/* ---- subscription.c */

typedef struct vk_pay_subscribe {
    vk_str customer, method; /* method VK_STR_NONE: the customer's, or none */
    const vk_pv *items;      /* array of {price: id, quantity, metadata, tax_rates} */
    const vk_pv *discounts;  /* array of {coupon, promotion_code} ids; NULL */
    int64_t trial_end;       /* 0: none */
    const vk_pv *metadata;
    vk_str description, collection_method, payment_behavior;
    vk_str missing_method; /* trial_settings.end_behavior.missing_payment_method */
    int64_t days_until_due;
    const vk_pv *one_time; /* array of line items that are on the first invoice only; NULL */
    bool on_session;       /* its payer is there */
    bool authenticated;
    vk_str session; /* of whose page it is; VK_STR_NONE */
    vk_str page;    /* as in vk_pay_confirm */
    /* What else is to be in the new document, whose items and periods are there, before anybody is told of
     * it; NULL. */
    vk_err (*more)(vk_pay_call *c, vk_pv *doc);
} vk_pay_subscribe;
/* Makes subscription, items, first invoice and its payment, with all events. *paid_r: what the payment came
 * to. */
VK_MUSTCHECK vk_err vk_pay_subscribe_new(vk_pay_call *c, const vk_pay_subscribe *ask, vk_pv **subscription_r,
                                         vk_pay_paid *paid_r);

/* Cancels all that a customer has that is not over, with events: before it is deleted. */
VK_MUSTCHECK vk_err vk_pay_subscriptions_end(vk_pay_call *c, vk_str customer);

/* ---- wake.c: what is due, on the strand of a build that was woken: sessions that expire. */
VK_MUSTCHECK vk_err vk_pay_due(vk_pay_call *c);

#endif
