/* Which calls go to Stripe when a build's payments are brokered, and what is known of each. Keeper has a list
 * of its own (keeper/vendor_stripe.c) and asks nobody; this one is for answers that an app understands, and
 * says what soft mode does with ids and lists. Pure; constant.
 * Source: docs.stripe.com/api, and the types of its SDK. */
#ifndef VK_STRIPE_CALLS_H
#define VK_STRIPE_CALLS_H

#include "core/arena.h"

enum {
    VK_STRIPE_IDS = 2,      /* of a path */
    VK_STRIPE_SEGMENTS = 6, /* "v1" and what comes after it */

    /* What a call does. */
    VK_STRIPE_LIST = 1 << 0,   /* a list of the account's: soft mode goes through it */
    VK_STRIPE_SEARCH = 1 << 1, /* likewise, by pages */
    VK_STRIPE_MAKE = 1 << 2,   /* its answer is a new object */
    VK_STRIPE_TAG = 1 << 3,    /* takes metadata */
    VK_STRIPE_CHOSEN = 1 << 4, /* its maker may choose the id */
    VK_STRIPE_LOCAL = 1 << 5,  /* never goes to Stripe: our own engine answers */
    VK_STRIPE_SHARED = 1 << 6, /* of the account as a whole; in soft mode our own engine answers */
};

/* What an id in a path or in a parameter is an id of. */
typedef struct vk_stripe_kind {
    const char *collection; /* the part of a path before it */
    const char *object;     /* of the API's objects */
    const char *word;       /* of "No such …: 'id'" */
    /* People may choose such ids ("25OFF"), so that one says nothing of what it is an id of: the ledger has
     * them under this name. NULL: it begins with a prefix of its own. */
    const char *space;
} vk_stripe_kind;

typedef struct vk_stripe_call {
    const char *method, *path; /* ":id" for an id; NULL ends */
    unsigned does;
} vk_stripe_call;

typedef struct vk_stripe_found {
    const vk_stripe_call *call;
    size_t n;
    vk_str id[VK_STRIPE_IDS]; /* as they came: with escapes */
    const vk_stripe_kind *kind[VK_STRIPE_IDS];
    const vk_stripe_kind *of; /* what a list has and a call makes; NULL: not known */
} vk_stripe_found;

extern const vk_stripe_call vk_stripe_calls[];

/* Whether it is one of them. Literal parts count more than ids: "/v1/customers/search" is no customer. */
bool vk_stripe_find(vk_str method, vk_str path, vk_stripe_found *out_r);
/* By a part of a path, or an object's name; NULL: none. */
const vk_stripe_kind *vk_stripe_kind_of(vk_str collection);
const vk_stripe_kind *vk_stripe_kind_of_object(vk_str object);

#endif
