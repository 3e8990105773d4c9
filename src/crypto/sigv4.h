/* AWS Signature Version 4 as S3 uses it, for the one who checks: who signed this request, and is every byte
 * of it that matters covered? One verifier stands before everything; what it gives is a grant, and a handler
 * that has none cannot say for whom it works.
 *
 * Three forms: an Authorization header, query parameters (a presigned URL), the fields of a POST form.
 * Sources: "Signature Version 4 for API requests" and "Authenticating Requests (AWS Signature Version 4)" of
 * the S3 API reference; where these are silent, what unmodified clients send
 * (tests/data/storage/captured-requests.json).
 *
 * Checks are made in this order, and the first that fails is the answer: one signature of a mechanism we
 * have; its parts; the credential's scope; the key; time; headers that had to be signed; the signature; the
 * session token; the form of the payload. For a key that does not exist all of them are made as well, against
 * a secret nobody has. What cannot be seen from a request's head is the caller's: the body's hash (sha256.h),
 * its chunks (awschunked.h), a form's policy (postpolicy.h), and what the key may do. */
#ifndef VK_CRYPTO_SIGV4_H
#define VK_CRYPTO_SIGV4_H

#include "core/arena.h"
#include "core/secret.h"
#include "crypto/sigv4_fail.h"
#include "crypto/sigv4_key.h"

enum {
    VK_SIGV4_PARAMS_MAX = 64,        /* query parameters */
    VK_SIGV4_HEADERS_MAX = 128,      /* header lines */
    VK_SIGV4_SKEW_S = 15 * 60,       /* the clocks of client and server may differ by this */
    VK_SIGV4_EXPIRES_MAX_S = 604800, /* of a presigned URL, and of a signing key: seven days */
    VK_SIGV4_STAMP = 16,             /* YYYYMMDDTHHMMSSZ */
    VK_SIGV4_SCOPE_MAX = 64,         /* day/region/s3/aws4_request */
};

/* A header line as received, or a field of a form. Same shape as vk_header of http/head.h. */
typedef struct vk_sigv4_pair {
    vk_str name, value;
} vk_sigv4_pair;

typedef struct vk_sigv4_request {
    vk_str method; /* as on the wire */
    vk_str path;   /* as on the wire, up to the ?: not decoded, not normalised */
    vk_str query;  /* as on the wire, behind the ?; may be empty */
    /* All of them, in the order received, Host included; values without CR, LF and NUL, as http/head.h sees
     * to. */
    const vk_sigv4_pair *headers;
    size_t n_headers;
    int64_t now_ms; /* wall time */
} vk_sigv4_request;

typedef enum vk_sigv4_key_state {
    VK_SIGV4_KEY_UNKNOWN,
    VK_SIGV4_KEY_GOOD,
    VK_SIGV4_KEY_IS_EXPIRED,
    VK_SIGV4_KEY_IS_REVOKED
} vk_sigv4_key_state;

/* What the caller knows about an access key id. */
typedef struct vk_sigv4_key {
    vk_sigv4_key_state state;
    vk_secret secret;     /* the secret access key; views memory that lives until the verifier returns */
    vk_secret token;      /* the session token that was issued with it, if any; as long */
    uint64_t generation;  /* of the secret: the cache of signing keys goes by it */
    const void *identity; /* not looked at; comes back in the grant */
} vk_sigv4_key;

typedef struct vk_sigv4_setup {
    /* Fills *key_r, which is zeroed: leaving it is VK_SIGV4_KEY_UNKNOWN. `id` is 1 to VK_SIGV4_ID_MAX visible
     * ASCII characters, no slash, not yet proven to belong to anybody. */
    void (*lookup)(void *arg, vk_str id, vk_sigv4_key *key_r);
    void *arg;
    vk_str region;         /* accepted beside "auto", "us-east-1" and the empty one; VK_STR_NONE: none */
    vk_sigv4_cache *cache; /* NULL: keys are derived for every request */
} vk_sigv4_setup;

typedef enum vk_sigv4_payload {
    VK_SIGV4_HASHED,                  /* plain; the SHA-256 of the body must be payload_hash */
    VK_SIGV4_UNSIGNED,                /* plain */
    VK_SIGV4_STREAM_UNSIGNED_TRAILER, /* the other three: aws-chunked */
    VK_SIGV4_STREAM_SIGNED,
    VK_SIGV4_STREAM_SIGNED_TRAILER,
} vk_sigv4_payload;

/* What the signatures inside of a signed streaming body continue from. Secret: wipe it with the grant. */
typedef struct vk_sigv4_chain {
    vk_hmac256_key key;
    uint8_t signature[VK_SHA256];
    char stamp[VK_SIGV4_STAMP];
    char scope[VK_SIGV4_SCOPE_MAX];
    size_t scope_n;
} vk_sigv4_chain;

typedef struct vk_sigv4_grant {
    const void *identity; /* what the lookup gave; only a verified request has one */
    vk_str access_key_id; /* a view of the request, or in the arena */
    vk_sigv4_form form;
    vk_sigv4_payload payload;
    uint8_t payload_hash[VK_SHA256]; /* with VK_SIGV4_HASHED */
    int64_t signed_at_ms;
    int64_t ends_at_ms;   /* of a presigned URL; 0 with the other forms */
    vk_sigv4_chain chain; /* with VK_SIGV4_STREAM_SIGNED*; zeroed otherwise */
} vk_sigv4_grant;

/* For the answer to VK_SIGV4_SIGNATURE, which may show both (they are the client's own bytes): what was
 * hashed and what was signed. Views in the arena; empty when it did not come so far. */
typedef struct vk_sigv4_trace {
    vk_str canonical_request, string_to_sign;
    vk_sigv4_form form; /* for vk_sigv4_error_of; set always */
} vk_sigv4_trace;

/* Header or query form. *grant_r is written on VK_SIGV4_OK and zeroed otherwise. Takes some 1 KiB of the
 * arena for a usual request, and never more than 8 times its head and 4 KiB. VK_SIGV4_NO_STREAM_HERE covers
 * the method only: that a STREAMING payload came with PutObject or UploadPart and no other PUT is for the
 * caller to see (grant->payload). */
VK_MUSTCHECK vk_sigv4_fail vk_sigv4_verify(const vk_sigv4_setup *s, const vk_sigv4_request *r, vk_arena *a,
                                           vk_sigv4_grant *grant_r, vk_sigv4_trace *trace_r);

/* POST form: the fields in front of `file`. Names of any case; one of ours twice is refused. What the
 * signature covers is the text of the field `policy`: vk_post_policy_check must agree as well before anything
 * is stored. */
VK_MUSTCHECK vk_sigv4_fail vk_sigv4_verify_post(const vk_sigv4_setup *s, const vk_sigv4_pair *fields,
                                                size_t n, int64_t now_ms, vk_sigv4_grant *grant_r);

/* True when `hash` (of the whole body) is the one that was signed; in constant time. */
bool vk_sigv4_payload_matches(const vk_sigv4_grant *g, const uint8_t hash[VK_SHA256]);

void vk_sigv4_grant_wipe(vk_sigv4_grant *g);

#endif
