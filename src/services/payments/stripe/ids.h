/* Ids of Stripe's objects: which parameters and members name one, and by what the ledger knows it. Pure.
 *
 * The ledger's key of an id is the id, and for kinds whose ids people may choose "<space>:<id>", so that a
 * product that somebody calls "cus_…" opens no customer. */
#ifndef VK_STRIPE_IDS_H
#define VK_STRIPE_IDS_H

#include "services/payments/stripe/calls.h"

enum { VK_STRIPE_ID_MAX = 255, VK_STRIPE_KEY_MAX = VK_STRIPE_ID_MAX + 16 };

/* What a parameter or member of that name is. */
typedef enum vk_stripe_name {
    VK_STRIPE_PLAIN, /* anything: an id only when it looks like one */
    VK_STRIPE_REF,   /* names an object */
    VK_STRIPE_TEXT,  /* is for people or for the app, and leads nowhere */
    VK_STRIPE_CROSS, /* leads to another account of the organisation */
} vk_stripe_name;
vk_stripe_name vk_stripe_name_of(vk_str name);

/* The kind that a reference of that name is to; NULL: the id itself says. */
const vk_stripe_kind *vk_stripe_kind_of_name(vk_str name);
/* The space of a kind, or, without one, of an id with a prefix that is known to be of such a kind; NULL. */
const char *vk_stripe_space(const vk_stripe_kind *k, vk_str id);
/* "prefix_" that Stripe's objects have, and something behind it. */
bool vk_stripe_is_id(vk_str text);
/* A card for tests that everybody may name: "pm_card_visa", "tok_visa". */
bool vk_stripe_is_test_card(vk_str text);
/* An id that a reply may name and that then belongs to who got the reply: of what belongs to nobody else. Not
 * of what an account has in common: coupons, codes, rates, portal configurations. */
bool vk_stripe_is_followed(vk_str name, vk_str id);
/* The ledger's key, in the arena; VK_STR_NONE: no memory, or the id is longer than one can be (then the
 * ledger does not have it: an empty text). */
vk_str vk_stripe_key(vk_arena *a, const char *space, vk_str id);

#endif
