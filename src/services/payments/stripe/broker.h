/* Payments by Stripe itself, with the organisation's test key, which keeper puts on each request. Two ways,
 * by the build's binding:
 *   account=acct_…  the build has a connected account of its own: what it asks goes there after a look at its
 *                   parameters, and the answer streams back
 *   soft=yes        builds share an account: a ledger says what is whose (soft.c), labelled "shared account,
 * soft isolation" In both, webhook endpoints and events are our own engine's, since those of the account are
 * everybody's. */
#ifndef VK_STRIPE_BROKER_H
#define VK_STRIPE_BROKER_H

#include "services/forward.h"
#include "services/payments/call.h"
#include "services/payments/stripe/params.h"

enum {
    VK_STRIPE_ANSWER_MAX = 8 << 20, /* bytes of an answer that is looked through */
    VK_STRIPE_BODY_MAX = 4 << 20,   /* of a form, escaped */
    VK_STRIPE_LINES = 8,            /* header lines of an answer that go on */
};

typedef struct vk_stripe_soft vk_stripe_soft;

/* One call on its way there; in the exchange's arena. */
typedef struct vk_stripe_ask {
    vk_pay_call *c;
    vk_stripe_found found;
    bool soft;
    bool again;                                       /* may be sent twice */
    int upstream;                                     /* the status that Stripe answered; 0: none yet */
    vk_pv *form;                                      /* the app's, checked */
    vk_str tag;                                       /* soft: "<build>.<generation>" */
    vk_str method, target, lines, content_type, body; /* as it goes out */
    vk_stripe_soft *way;
} vk_stripe_ask;

/* In head, after key, version and idempotency key: which call it is. False: answered. *ask_r NULL: our own
 * engine has it. `b` lives as long as the exchange. */
VK_MUSTCHECK bool vk_stripe_admit(vk_pay_call *c, const vk_binding *b, vk_stripe_ask **ask_r);
/* The form is there. Answers, now or later. */
void vk_stripe_request(vk_stripe_ask *q, vk_pv *form);

/* Between broker.c and soft.c. */
void vk_stripe_soft_request(vk_stripe_ask *q);
/* Makes target and body of found and form. Refuses nothing; VK_E_NOMEM, VK_E_TOO_LARGE. */
VK_MUSTCHECK vk_err vk_stripe_write(vk_stripe_ask *q, vk_arena *a);
/* Whether the head of an answer is one of Stripe's that an app may see. VK_E_UNAUTHORIZED, VK_E_FORBIDDEN: it
 * is about the organisation's key; VK_E_INVALID: it is no answer of Stripe's. */
VK_MUSTCHECK vk_err vk_stripe_head_ok(const vk_head *h);
/* Answers with a refusal of ours. */
void vk_stripe_refuse(vk_stripe_ask *q, const vk_stripe_refusal *why);
/* …with what went wrong on the way, in Stripe's shape. `unsent`: nothing can have reached Stripe. `why` may
 * be empty. */
void vk_stripe_failed(vk_stripe_ask *q, vk_err e, bool unsent, const char *why);

extern const vk_driver vk_stripe_driver;

#endif
