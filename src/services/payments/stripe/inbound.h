/* Events that Stripe tells the organisation of, at POST /webhooks/stripe of the payments listener: checked by
 * keeper, which has the webhook secret, given to the build that they are of, and from there to its app,
 * signed anew, as an event of our own engine. Each once, by its id.
 *
 * Whose an event is: with `account` (Connect) the build that is bound to it; otherwise the tag that we put
 * into metadata says, or else the ledger that knows one of its ids. Others are taken and dropped: Stripe
 * would send them again for days. */
#ifndef VK_STRIPE_INBOUND_H
#define VK_STRIPE_INBOUND_H

#include "services/payments/call.h"

#define VK_STRIPE_INBOUND_PATH "/webhooks/stripe"

enum {
    VK_STRIPE_INBOUND_MAX = 1 << 20,  /* bytes of one; keeper takes as many */
    VK_STRIPE_INBOUND_AT_ONCE = 32,   /* beyond: Stripe comes again */
    VK_STRIPE_INBOUND_LEDGERS = 1000, /* builds whose ledgers are asked about one event */
};

/* In head: false: answered. */
VK_MUSTCHECK bool vk_stripe_inbound_admit(vk_exchange *ex);
/* The body is there. */
void vk_stripe_inbound(vk_exchange *ex);

typedef struct vk_stripe_inbound_counts {
    uint64_t routed, unrouted, refused;
} vk_stripe_inbound_counts;
void vk_stripe_inbound_count(vk_stripe_inbound_counts *out_r);

#endif
