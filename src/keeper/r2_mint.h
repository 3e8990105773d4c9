/* Temporary credentials of R2 that are made here, without asking Cloudflare: a token that says which bucket,
 * which prefix and until when, signed with the parent's secret, and a secret that is derived from it. So a
 * request of a build carries a credential that opens nothing but the build's prefix, at R2 too.
 *
 *   JWS      base64url({"alg":"HS256","typ":"JWT"}) "." base64url(payload) "." base64url(HMAC-SHA256(the
 *            parent's secret access key as ASCII, the first two parts))
 *   id       the parent's access key id
 *   secret   lower-case hex of SHA-256(JWS)
 *   token    base64 of "jwt/" JWS, sent as x-amz-security-token
 *
 * Source: Cloudflare, "R2: temporary credentials", read 2026-04-19; tests/data/storage/r2-temp-credentials
 * has vectors. */
#ifndef VK_KEEPER_R2_MINT_H
#define VK_KEEPER_R2_MINT_H

#include "core/secret.h"

enum {
    VK_R2_SECRET = 64,
    VK_R2_TOKEN_MAX = 1536,
    VK_R2_TTL_S = 3600,
    VK_R2_FRESH = 80,   /* percent of its time after which another one is made */
    VK_R2_CACHED = 256, /* credentials that are kept, of those used lately; some 1.7 KiB each */
};

typedef struct vk_r2_ask {
    vk_str account, id, bucket, host; /* `host`: of the endpoint, without port */
    vk_secret secret;                 /* of the parent */
    vk_str prefix;
    const char *scope;          /* "object-read-write" */
    const char *const *actions; /* NULL ends; NULL: not said */
    vk_str object;              /* one more key; empty: none */
    int64_t now_s, ttl_s;
} vk_r2_ask;

typedef struct vk_r2_temporary {
    char secret[VK_R2_SECRET + 1];
    size_t token_n;
    char token[VK_R2_TOKEN_MAX];
} vk_r2_temporary;

/* Pure. VK_E_TOO_LARGE, VK_E_NOMEM. The caller wipes *out_r. */
VK_MUSTCHECK vk_err vk_r2_mint(const vk_r2_ask *a, vk_r2_temporary *out_r);

/* The same for a build, from a store in locked memory: made anew when 80 % of its time is over, when what
 * it is made of is another (`parent`, a number), or when it was not used lately. Good until the next call.
 * One thread. NULL: out of memory, or it cannot be made. */
const vk_r2_temporary *vk_r2_credential(const vk_r2_ask *a, const char *build, uint64_t parent);
/* Wipes all. */
void vk_r2_forget(void);

#endif
