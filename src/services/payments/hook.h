/* What a webhook is made of: which events an endpoint wants, what is sent and how it is signed, when it is
 * tried again. Pure.
 * Source: Stripe's documentation of webhooks and signatures, and its SDK's constructEvent. */
#ifndef VK_PAY_HOOK_H
#define VK_PAY_HOOK_H

#include "services/payments/value.h"
#include "valetkey/service.h"

enum {
    VK_PAY_ENDPOINTS_MAX = 16, /* webhook endpoints of a build, besides the default one; as at Stripe */
    VK_PAY_EVENT_BYTES = 1024 * 1024, /* of an event as it is sent */
    VK_PAY_SIGNATURE_MAX = 96,
    VK_PAY_HOOK_HOURS = 24, /* so long it is tried */
    VK_PAY_HOOK_PATH_MAX = 512,
};
#define VK_PAY_DEFAULT_ENDPOINT "default"
#define VK_PAY_DEFAULT_PATH "/api/webhooks/stripe"

/* Whether an endpoint with these enabled_events (an array of texts; NULL: all) gets events of that type. */
bool vk_pay_hook_wants(const vk_pv *enabled, vk_str type);

/* previous_attributes: the members of `before` that are others now, objects member by member, arrays whole;
 * what was not there is null. An object; empty when nothing has changed. Both are rendered objects. NULL: no
 * memory. */
vk_pv *vk_pay_hook_previous(vk_arena *a, const vk_pv *before, const vk_pv *now);

/* Stripe-Signature: "t=<unix>,v1=<hex>" over exactly these bytes. The key is the whole secret, whsec_ and
 * all. */
void vk_pay_hook_sign(vk_secret secret, int64_t now, vk_str body, char out[VK_PAY_SIGNATURE_MAX]);

/* The secret of a webhook endpoint that the app has made, derived, so that nothing is stored: "whsec_" and 64
 * hex digits. */
void vk_pay_endpoint_secret(const vk_master *m, const char *build, vk_str endpoint, char out[VK_VALET_MAX]);

/* When a delivery is tried again, unix milliseconds; 0: no more. `tries` attempts were made, the last one
 * failed at `now_ms`. After 1 s, 5 s, 30 s, 2 min, 10 min, then hourly while less than VK_PAY_HOOK_HOURS have
 * passed since `created_ms`. */
int64_t vk_pay_hook_again(int tries, int64_t created_ms, int64_t now_ms);

/* Whether a path can be the one of an app's webhook: "/…", of characters that a URL
 * has as they are (RFC 3986), no '#'. */
bool vk_pay_hook_path_ok(vk_str path);

#endif
