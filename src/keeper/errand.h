/* A request that keeper makes to a vendor of its own accord: a question of `keys check` (keeper/probe.h), a
 * step of what is provisioned (keeper/provision.h). Put together as an order is: what the vendor's file makes
 * of it is all that says where it goes and with which credential. */
#ifndef VK_KEEPER_ERRAND_H
#define VK_KEEPER_ERRAND_H

#include "keeper/audit.h"
#include "keeper/order_in.h"

typedef struct vk_errand {
    /* ---- set by the caller */
    vk_order o; /* vendor, org, own, binding, build, generation, method, content_type, body_n, now_ms, arena,
                 * again */
    vk_str lines; /* further header lines, each with CRLF, behind the credential's */
    vk_err (*order)(vk_order *o, const char **why_r); /* NULL: vendor->probe_order, or vendor->order */
    const char *op;                                   /* in the audit */
    /* ---- made */
    vk_buf head; /* secret; vk_errand_free */
    vk_str host; /* in the arena */
    bool plain;
} vk_errand;

/* Makes `head`, `host` and `plain` for a target, a path with its query. VK_E_FORBIDDEN and VK_E_UNAVAILABLE
 * as vendor->order has them; VK_E_INTERNAL: what was made is no request; VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_errand_compose(vk_errand *x, vk_str target, const char **why_r);
void vk_errand_free(vk_errand *x);
/* The intent: all but the actor. Then the outcome of it, from the same entry, which nobody waits for; its
 * failure is logged. */
void vk_errand_intent(const vk_errand *x, vk_audit_entry *e);
void vk_errand_outcome(vk_audit *audit, vk_audit_entry *e, int status);

#endif
