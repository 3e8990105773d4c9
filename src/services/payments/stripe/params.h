/* The parameters of a brokered call: what must not go to Stripe, what must belong to the build, and the form
 * that goes there, written anew from what was read, so that both sides see the same names. Pure. */
#ifndef VK_STRIPE_PARAMS_H
#define VK_STRIPE_PARAMS_H

#include "services/payments/stripe/ids.h"
#include "services/payments/value.h"

#define VK_STRIPE_TAG_KEY "vk_build" /* in metadata: whose it is, in soft mode */

enum {
    VK_STRIPE_TAG_MAX = 64,
    VK_STRIPE_QUERY_MAX = 8 * 1024, /* bytes of a query that goes to Stripe */
    VK_STRIPE_PARAM_NAME = 1200,    /* of a name as it is shown */
};

/* Why it does not go there, in Stripe's words; texts are static or in the arena. */
typedef struct vk_stripe_refusal {
    int status;
    const char *code; /* NULL: none */
    vk_str param, message;
} vk_stripe_refusal;

/* Parameters and expand paths that lead to another account than the build's. VK_E_INVALID: *why_r.
 * `soft`: also what one build could do to another's in one account. */
VK_MUSTCHECK vk_err vk_stripe_params_check(vk_arena *a, const vk_pv *form, bool soft,
                                           vk_stripe_refusal *why_r);

/* An id that the build must have, for who asks the ledger. */
typedef struct vk_stripe_need {
    struct vk_stripe_need *next;
    vk_str key, id;
    vk_str param;     /* VK_STR_NONE: the path's */
    const char *word; /* of "No such …" */
} vk_stripe_need;
/* Those of path (decoded) and parameters, in the order in which they stand there. */
VK_MUSTCHECK vk_err vk_stripe_params_needs(vk_arena *a, const vk_stripe_found *call, const vk_pv *form,
                                           vk_stripe_need **first_r);
/* 404 for the path's, 400 for a parameter's: as Stripe says of what it does not have. */
VK_MUSTCHECK vk_err vk_stripe_need_refuse(vk_arena *a, const vk_stripe_need *need, vk_stripe_refusal *why_r);

/* Soft mode: takes the tag's name out of all metadata that the app gives, and puts ours where the call takes
 * metadata and makes something. `app_tag` VK_STR_NONE: only takes it out. */
VK_MUSTCHECK vk_err vk_stripe_params_tag(vk_arena *a, const vk_stripe_found *call, vk_pv *form, vk_str tag);

/* "a[b][0]=1&…". Errors are the buffer's. */
void vk_stripe_form_write(vk_buf *out, const vk_pv *form);
/* A part of a path, with all but unreserved characters escaped. */
void vk_stripe_path_write(vk_buf *out, vk_str part);

#endif
