/* JSON Web Tokens as Clerk's SDKs take them: compact JWS (RFC 7515 §7.1), RS256 and nothing else. HS256 is
 * not here on purpose: none of the tokens needs it, and a verifier with two kinds of keys is a classic hole.
 *
 * The reader is for tokens of ours, so it is stricter than the standard: the header has no members but `alg`,
 * `typ`, `kid` and `cat`, nothing stands twice, base64url has no padding and no loose bits. */
#ifndef VK_CRYPTO_JWT_H
#define VK_CRYPTO_JWT_H

#include "core/json_write.h"
#include "crypto/rsa.h"

enum {
    VK_JWT_MAX = 16384,       /* bytes of a token; a handshake's has 3.7 kB */
    VK_JWT_HEADER_MAX = 512,  /* bytes of its header as JSON */
    VK_JWT_CLAIMS_MAX = 8192, /* bytes of its claims as JSON */
    VK_JWT_KID_MAX = 64,
    VK_JWT_MEMBERS_MAX = 64, /* of an object */
    VK_JWT_SKEW_S = 5,       /* what Clerk's SDKs allow */
};

/* Clerk's categories: the header's `cat`. */
#define VK_JWT_CAT_SESSION VK_STR("cl_B7d4PD111AAA")
#define VK_JWT_CAT_TEMPLATE VK_STR("cl_B7d4PD222AAA")

/* Appends the token to `out`. `cat` empty: none. `claims` is the text of a JSON object, ours. VK_E_INVALID:
 * it is no object, or the key is a public one. VK_E_TOO_LARGE: past a limit above, or out->max. */
VK_MUSTCHECK vk_err vk_jwt_sign(const vk_rsa *key, vk_str kid, vk_str cat, vk_str claims, vk_buf *out);

typedef struct vk_jwt {
    vk_str kid, cat;       /* VK_STR_NONE: it has none */
    const vk_json *claims; /* an object */
    vk_str signed_part;    /* a view of the token */
    vk_str signature;      /* VK_RSA_BYTES */
} vk_jwt;

/* Takes a token apart; says nothing about who made it. Everything in *out_r lives in the arena or the token.
 * VK_E_INVALID: *why_r is a static text. VK_E_TOO_LARGE, VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_jwt_parse(vk_arena *a, vk_secret token, vk_jwt *out_r, const char **why_r);
/* VK_E_UNAUTHORIZED: it was not signed by that key. The key is the one that the caller has for t->kid. */
VK_MUSTCHECK vk_err vk_jwt_verify(const vk_jwt *t, const vk_rsa *key);
/* `exp` must be there; `nbf` and `iat` may. VK_E_INVALID: one of them is no whole number. VK_E_EXPIRED.
 * VK_E_UNAUTHORIZED: not yet good. */
VK_MUSTCHECK vk_err vk_jwt_times(const vk_jwt *t, int64_t now_s);

/* The public half as a JWK (RFC 7517), the value of an array or a member: {"use","kty","kid","alg","n","e"}.
 */
void vk_jwk_write(vk_jw *w, const vk_rsa *key, vk_str kid);

#endif
