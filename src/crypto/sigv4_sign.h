/* AWS Signature Version 4 for the one who asks: the header form, for requests to S3 that carry somebody's own
 * keys. The other side is sigv4.h; what is hashed is the same canonical request. Needs
 * no vk_digest_init. */
#ifndef VK_CRYPTO_SIGV4_SIGN_H
#define VK_CRYPTO_SIGV4_SIGN_H

#include "crypto/sigv4.h"

enum { VK_SIGV4_SIGN_HEADERS = 100 }; /* further headers that are signed */

typedef struct vk_sigv4_signing {
    vk_str method, host;          /* as in the Host header */
    vk_str path, query;           /* as on the wire: encoded; the query without its "?" */
    const vk_sigv4_pair *headers; /* further ones, all of which are signed; none twice */
    size_t n_headers;
    vk_str body;
    bool unsigned_payload; /* the body is not signed: `body` is not looked at. Over TLS only */
    vk_str id, region;
    vk_secret secret;
    int64_t now_ms; /* wall time */
} vk_sigv4_signing;

/* The three headers that make the request a signed one. */
typedef struct vk_sigv4_signed {
    char date[VK_SIGV4_STAMP + 1];   /* x-amz-date */
    char payload[2 * VK_SHA256 + 1]; /* x-amz-content-sha256 */
    vk_str authorization;            /* in the arena; holds no secret, but opens this one request */
} vk_sigv4_signed;

/* VK_E_INVALID: an id, a region or a target that cannot be signed. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_sigv4_sign(vk_arena *a, const vk_sigv4_signing *s, vk_sigv4_signed *out_r);

#endif
