/* What Stripe answers in soft mode, where the account has objects of many builds: which of them are this
 * build's, which ids it may use from now on, and what it is shown. Pure; the ledger is asked through `has`.
 *
 * An object is the build's when the ledger has it, when its metadata have the build's tag (which only we
 * write), or when it belongs to an object of the build's: a subscription's invoice. */
#ifndef VK_STRIPE_REPLY_H
#define VK_STRIPE_REPLY_H

#include "services/payments/stripe/params.h"

enum { VK_STRIPE_FOLLOW_MAX = 4000 }; /* ids of one answer */

typedef struct vk_stripe_followed {
    struct vk_stripe_followed *next;
    vk_str key;
} vk_stripe_followed;

typedef struct vk_stripe_reply {
    vk_arena *a;
    vk_str tag;
    bool (*has)(void *arg, vk_str key);
    void *arg;
    /* Ids that are the build's from now on, each once or more often. */
    vk_stripe_followed *first;
    size_t n;
    vk_err err; /* of memory, or VK_E_TOO_LARGE; then nothing of the answer may be shown */
} vk_stripe_reply;

bool vk_stripe_reply_own(vk_stripe_reply *r, const vk_pv *object);
/* An object that is the build's, or was made by it (`made`: its own id counts, whatever it is): its ids are
 * followed, and our tag is taken out of it. */
void vk_stripe_reply_take(vk_stripe_reply *r, vk_pv *object, bool made);
/* The tag of an object, or of the subscription that it is of; VK_STR_NONE. */
vk_str vk_stripe_reply_tag(const vk_pv *object);

#endif
