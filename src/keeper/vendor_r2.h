/* Requests to R2 that keeper makes of its own accord (keeper/provision_r2.c). */
#ifndef VK_KEEPER_VENDOR_R2_H
#define VK_KEEPER_VENDOR_R2_H

#include "keeper/provision.h"
#include "keeper/r2_mint.h"

extern const vk_vendor vk_vendor_r2;
extern const vk_provisioner vk_prov_r2;

/* For vk_prov_request.order. Of the API, with the organisation's API token; of an endpoint that is of a
 * jurisdiction, with the header that says which. */
VK_MUSTCHECK vk_err vk_r2_order_api(vk_order *o, const char **why_r);
/* Of the S3 side: the path is "/<bucket>" or "/<bucket>/<key>", encoded as SigV4 wants it, and the query in
 * order of its names. Signed with the organisation's key itself, … */
VK_MUSTCHECK vk_err vk_r2_order_org(vk_order *o, const char **why_r);
/* … or by a credential that is good for the build's prefix of that bucket only. */
VK_MUSTCHECK vk_err vk_r2_order_build(vk_order *o, const char **why_r);

/* "https://<account>.r2.cloudflarestorage.com", or what was entered. p NULL: no memory. */
vk_str vk_r2_endpoint(const struct vk_org *org, vk_arena *a);
/* A credential for an app itself: `prefix` empty is all of the bucket. The caller wipes *out_r. VK_E_NOMEM,
 * VK_E_TOO_LARGE, VK_E_UNAVAILABLE: a part of the organisation's key is missing. */
VK_MUSTCHECK vk_err vk_r2_lend(const struct vk_org *org, vk_arena *a, vk_str bucket, vk_str prefix,
                               int64_t now_ms, int64_t ttl_s, vk_r2_temporary *out_r);

#endif
