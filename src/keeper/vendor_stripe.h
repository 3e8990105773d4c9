/* Between the files of the vendor Stripe: vendor_stripe.c has its fields, vendor_stripe_calls.c what may be
 * asked, vendor_stripe_order.c how a request goes out, provision_stripe.c makes accounts. */
#ifndef VK_KEEPER_VENDOR_STRIPE_H
#define VK_KEEPER_VENDOR_STRIPE_H

#include "keeper/provision.h"

enum { VK_STRIPE_IDEMPOTENCY_MAX = 255 }; /* bytes of a key at Stripe */

extern const vk_vendor_call vk_stripe_rules[];
extern const char *const vk_stripe_travel[], *const vk_stripe_returns[];
extern const vk_vendor_probe vk_stripe_probes[];
extern const vk_provisioner vk_provision_stripe;

/* vk_vendor.order: the organisation's key, the build's account (the vault's, where it was made here; front's
 * copy in the metadata must agree), and an idempotency key that no other build can have: they are
 * account-wide, and two builds that use "order-1" would get each other's objects. */
vk_err vk_stripe_order(vk_order *o, const char **why_r);
/* vk_vendor.probe_order: the organisation's key on a request of its own, in no build's account. */
vk_err vk_stripe_own_order(vk_order *o, const char **why_r);
/* "<build>/<generation>/<key>", and with its hash in the key's place when that is too long for Stripe. Of a
 * build that has the name of a former one: another. In the arena; VK_STR_NONE: no memory. Pure. */
vk_str vk_stripe_idempotency(vk_arena *a, const char *build, uint64_t generation, vk_str key);

#endif
