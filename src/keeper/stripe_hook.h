/* Whether an event was signed by Stripe with the organisation's webhook secret, which only keeper has. Front
 * relays what came to it:
 *   POST /v1/webhooks/stripe   the event's bytes, with their Stripe-Signature
 *                              200 {"ok":true}, or {"ok":false,"why":"a sentence"}
 * Source: docs.stripe.com/webhooks/signature, and its SDK's constructEvent. */
#ifndef VK_KEEPER_STRIPE_HOOK_H
#define VK_KEEPER_STRIPE_HOOK_H

#include "core/secret.h"
#include "http/exchange.h"
#include "keeper/org.h"

enum {
    VK_STRIPE_EVENT_MAX = 1 << 20, /* bytes of one */
    VK_STRIPE_SIGNATURES_MAX = 16, /* in one header: two while a secret is being replaced */
    VK_STRIPE_TOLERANCE_S = 300,   /* of its time and ours */
};
#define VK_STRIPE_HOOK_CALL "/v1/webhooks/stripe"

/* `now`: unix seconds. `why_r`: static, holds nothing of what came. In constant time as far as the secret is
 * concerned. VK_E_UNAUTHORIZED, VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_stripe_hook_check(vk_secret secret, vk_str signature, vk_str body, int64_t now,
                                         const char **why_r);
/* Answers the call; the body is there. */
void vk_stripe_hook_answer(vk_exchange *ex, const vk_orgs *orgs);

#endif
