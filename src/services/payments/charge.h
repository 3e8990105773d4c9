/* Payments, between method.c, charge.c, confirm.c, intent.c, setup.c, refund.c and balance.c; pages use the
 * last part. Members of documents whose names begin with '_' are ours: no description has them, so nobody
 * sees them. */
#ifndef VK_PAY_CHARGE_H
#define VK_PAY_CHARGE_H

#include "services/payments/call.h"
#include "services/payments/cards.h"

enum {
    VK_PAY_AMOUNT_MAX = 99999999,       /* of a charge: eight digits */
    VK_PAY_AVAILABLE_S = 2 * 24 * 3600, /* after which a charge's money is available */
    VK_PAY_CAPTURE_S = 7 * 24 * 3600,   /* for which an uncaptured charge is good */
};

/* Why a payment or setup did not come about: of a card's row, or of ours. Static. */
typedef struct vk_pay_decline {
    const char *code, *decline_code, *message, *param;
} vk_pay_decline;

/* ---- method.c */

/* What the method's card does. Never NULL for a method of ours: an unknown row is a card that pays. */
const vk_pay_card *vk_pay_card_of(const vk_pv *method);
/* Whether its bank says no, to a charge or (`charge` false) to being saved. */
bool vk_pay_card_says_no(const vk_pv *method, bool charge, vk_pay_decline *why_r);
/* The method that a call names: payment_method or payment_method_data of its parameters; *method_r is NULL
 * when there is none. Refuses one that belongs to another customer than `customer`. */
VK_MUSTCHECK vk_err vk_pay_method_asked(vk_pay_call *c, vk_str customer, vk_pv **method_r);
/* Whether it may pay for `customer` (VK_STR_NONE: nobody in particular): it is theirs or nobody's, and not
 * used up. Refuses. */
VK_MUSTCHECK vk_err vk_pay_method_fits(vk_pay_call *c, const vk_pv *method, vk_str customer);
/* Its checks, after the bank has seen the card; stores it. */
VK_MUSTCHECK vk_err vk_pay_method_seen(vk_pay_call *c, vk_pv *method);
/* Copies members of `from` over those of `into`, objects member by member; nulls too. */
VK_MUSTCHECK bool vk_pay_merge(vk_arena *a, vk_pv *into, const vk_pv *from);

/* Metadata of a call into a document's; an empty value takes the key out. `given` may be NULL. */
VK_MUSTCHECK bool vk_pay_merge_metadata(vk_arena *a, vk_pv *doc, const vk_pv *given);

/* ---- charge.c */

typedef struct vk_pay_try {
    bool captured, authenticated;
    const vk_pay_decline *why; /* NULL: it pays */
} vk_pay_try;
/* A charge of the intent's amount, stored, with its balance transaction; its event is the caller's. */
VK_MUSTCHECK vk_err vk_pay_charge_new(vk_pay_call *c, vk_pv *intent, vk_pv *method, const vk_pay_try *how,
                                      vk_pv **charge_r);
/* Captures what an intent waits with: `amount` of it, the rest is let go. With events. */
VK_MUSTCHECK vk_err vk_pay_capture(vk_pay_call *c, vk_pv *intent, int64_t amount);
/* Lets an uncaptured charge go, with its event; `expired`: because its time was over. */
VK_MUSTCHECK vk_err vk_pay_charge_release(vk_pay_call *c, vk_str id, bool expired);

/* ---- hold.c */

/* A card holds the money of this intent by this charge until its capture_before. */
VK_MUSTCHECK vk_err vk_pay_hold_begin(vk_pay_call *c, const vk_pv *intent, const vk_pv *charge);
/* No more: it was captured. */
VK_MUSTCHECK vk_err vk_pay_hold_end(vk_pay_call *c, const vk_pv *intent);
/* Cancels an intent that nobody has captured in time (cancellation_reason: automatic), with its events:
 * charge.expired, payment_intent.canceled. Nothing for others. */
VK_MUSTCHECK vk_err vk_pay_hold_due(vk_pay_call *c, vk_pv *intent);
/* vk_pay_capture for a call, whose parameter `param` may say the amount. Refuses. */
VK_MUSTCHECK vk_err vk_pay_capture_asked(vk_pay_call *c, vk_pv *intent, const char *param);

/* ---- intent.c */

/* Whether it waits for a method, to be confirmed, or for its owner. */
bool vk_pay_payment_open(const vk_pv *intent);
/* Refuses what only a checkout session may do to its intent; `verb`: "confirm". VK_OK for other intents. */
VK_MUSTCHECK vk_err vk_pay_of_session(vk_pay_call *c, const vk_pv *intent, const char *verb);

/* ---- confirm.c */

typedef struct vk_pay_kind { /* what differs between the two kinds of intents */
    const vk_pay_resource *resource;
    const char *name, *error; /* "payment_intent", "last_payment_error" */
    const char *requires_action, *failed;
    const char *secret_param; /* "payment_intent_client_secret" */
    vk_pay_decline not_authenticated;
} vk_pay_kind;
extern const vk_pay_kind vk_pay_payments, vk_pay_setups;

/* As vk_pay_confirm_payment, and why not. */
VK_MUSTCHECK vk_err vk_pay_confirm_why(vk_pay_call *c, const vk_pay_kind *kind, vk_pv *intent,
                                       const vk_pay_confirm *how, vk_pay_paid *paid_r, vk_pay_decline *why_r);
/* Confirms with what the call's parameters say (off_session, return_url, …) by the intent's method; a decline
 * is the call's 402, and what it changed is kept. */
VK_MUSTCHECK vk_err vk_pay_confirm_asked(vk_pay_call *c, const vk_pay_kind *kind, vk_pv *intent);
/* The 402 of a try that has failed, with the intent in it; what it changed is kept. */
vk_err vk_pay_refuse_declined(vk_pay_call *c, const vk_pay_kind *kind, const vk_pv *intent,
                              const vk_pay_decline *why);
/* payment_intent_unexpected_state, with the intent in the error. */
vk_err vk_pay_refuse_state(vk_pay_call *c, const vk_pay_kind *kind, const vk_pv *intent, const char *param,
                           const char *fmt, ...) VK_PRINTF(5, 6);
/* The parameters that both kinds share: description and its like are there already; customer, method, the
 * ways to pay, options. */
VK_MUSTCHECK vk_err vk_pay_intent_take(vk_pay_call *c, vk_pv *intent);
/* What is the same in all new intents. */
VK_MUSTCHECK vk_err vk_pay_intent_init(vk_pay_call *c, vk_pv *intent);
/* For somebody with a publishable key: the intent without what is not theirs to see. */
VK_MUSTCHECK vk_err vk_pay_intent_shown(vk_pay_call *c, vk_pv *intent);

/* ---- balance.c */

/* What a charge or refund does to the balance: makes the transaction, moves the sums, names it in `source`.
 * `amount` may be negative. `available_on`: unix seconds. */
VK_MUSTCHECK vk_err vk_pay_balance_move(vk_pay_call *c, vk_pv *source, const char *type, int64_t amount,
                                        int64_t available_on);
/* GET /v1/balance: arrays of {amount, currency, source_types}, a currency each. */
VK_MUSTCHECK vk_err vk_pay_balance_now(vk_pay_call *c, vk_pv **available_r, vk_pv **pending_r);

/* ---- invoice_calls.c */

/* Pays an invoice that is payable (billing.h) with how->method, by its intent, which is made when there is
 * none; then invoice and subscription are what came of it. As vk_pay_confirm_why. */
VK_MUSTCHECK vk_err vk_pay_invoice_try(vk_pay_call *c, vk_pv *invoice, const vk_pay_confirm *how,
                                       vk_pv **intent_r, vk_pay_paid *paid_r, vk_pay_decline *why_r);

/* ---- what pages need */

/* A page's address has a token: a document's id and a secret. Makes one for the document, in its member
 * `member`. VK_STR_NONE: no memory. */
vk_str vk_pay_token(vk_pay_call *c, vk_pv *doc, const char *member);
/* The document of a token. VK_E_NOT_FOUND. */
VK_MUSTCHECK vk_err vk_pay_token_doc(vk_pay_call *c, const vk_pay_resource *r, vk_str token,
                                     const char *member, vk_pv **doc_r);
/* The charge of a receipt's token (/b/<build>/receipts/<token>). VK_E_NOT_FOUND. */
VK_MUSTCHECK vk_err vk_pay_receipt(vk_pay_call *c, vk_str token, vk_pv **charge_r);

/* 3-D Secure of an intent that the API confirmed (/b/<build>/authenticate/<token>). */
typedef struct vk_pay_authentication {
    vk_pv *intent; /* a payment intent or a setup intent: its "object" */
    const vk_pay_kind *kind;
    bool waits;     /* false: it was answered already, or the intent went on without */
    vk_str back;    /* where to go when it does not wait: return_url with the outcome; VK_STR_NONE: nowhere */
    int64_t amount; /* of a payment intent; 0 for setups */
    vk_str currency;     /* VK_STR_NONE for setups */
    vk_str last4, brand; /* of the card; VK_STR_NONE when it does not wait */
} vk_pay_authentication;
/* VK_E_NOT_FOUND: no such token. */
VK_MUSTCHECK vk_err vk_pay_authentication_load(vk_pay_call *c, vk_str token, vk_pay_authentication *out_r);
/* What its owner chose, once; `a` is as after the load, and *a->back is where to go now. A decline is kept.
 */
VK_MUSTCHECK vk_err vk_pay_authentication_answer(vk_pay_call *c, vk_pay_authentication *a, bool passed);

#endif
