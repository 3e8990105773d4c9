/* What a build's environment needs to know from keeper before it can be made: values of the organisation's
 * that are no secret, for services that are not embedded; a vendor's own credentials, for those with
 * delivery=direct; and the marks of the organisation's keys, for an app with a settings page. Asked only when
 * it is needed, beside the metadata lane. */
#ifndef VK_ADMIN_BROKERED_H
#define VK_ADMIN_BROKERED_H

#include "admin/keys.h"
#include "handoff/env.h"
#include "handoff/settings.h"

typedef struct vk_brokered {
    vk_keeper_ask ask; /* first */
    vk_call *call;
    vk_build build;
    vk_binding bindings[VK_BINDINGS_MAX];
    size_t n;
    bool wants_keys, wants_marks;
    vk_json *keys; /* keeper's facts; NULL: not asked */
    bool has_marks;
    vk_str marks[VK_SETTINGS_MARKS_MAX];
    size_t n_marks;
    const vk_json *given[VK_BINDINGS_MAX]; /* keeper's answer about bindings[i]; NULL: none, or not asked */
    char body[160];                        /* the question about one */
    size_t asked;                          /* its place */
    char expires[40];                      /* the first of them that ends; "" */
    char salt[80];                         /* the question about marks */
    void (*again)(vk_call *c);
    vk_env_brokered env; /* for vk_env_build */
} vk_brokered;

/* On the lane. NULL: it was asked first, and `again` is called on the lane when the answer is there; or it
 * failed, which was answered. Otherwise what is known of `b`, in the exchange's arena. */
VK_MUSTCHECK vk_brokered *vk_brokered_know(vk_call *c, const vk_build *b, void (*again)(vk_call *c));
/* When the credential of that service ends; empty: never, or there is none. */
vk_str vk_brokered_expires(const vk_brokered *x, const char *service);

#endif
