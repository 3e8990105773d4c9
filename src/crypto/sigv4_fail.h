/* Why a signed request, a signed body or a POST form is refused, and what an S3 client is told: one table
 * from reason to code, status and sentence. Codes: the S3 API reference, "Error responses"; where AWS gives
 * one code for several reasons, each reason has a sentence of its own. */
#ifndef VK_CRYPTO_SIGV4_FAIL_H
#define VK_CRYPTO_SIGV4_FAIL_H

#include "core/base.h"

/* Where the signature stands. */
typedef enum vk_sigv4_form { VK_SIGV4_HEADER, VK_SIGV4_QUERY, VK_SIGV4_POST } vk_sigv4_form;

typedef enum vk_sigv4_fail {
    VK_SIGV4_OK,
    /* the request */
    VK_SIGV4_ANONYMOUS,       /* no signature of any kind; the only refusal that a public read may overrule */
    VK_SIGV4_MECHANISM,       /* SigV2, SigV4A, or any other scheme */
    VK_SIGV4_TWO_SIGNATURES,  /* header and query, or a header twice */
    VK_SIGV4_BAD_TARGET,      /* no path, or a percent sign without two digits */
    VK_SIGV4_TOO_MANY,        /* past VK_SIGV4_PARAMS_MAX or VK_SIGV4_HEADERS_MAX */
    VK_SIGV4_MALFORMED,       /* the parts of the signature */
    VK_SIGV4_NO_DATE,         /* no x-amz-date and no Date, or one that is none */
    VK_SIGV4_NO_PAYLOAD_HASH, /* header form without x-amz-content-sha256 */
    VK_SIGV4_SCOPE_DATE,      /* credential of another day than the request */
    VK_SIGV4_SCOPE_SERVICE,
    VK_SIGV4_SCOPE_END,
    VK_SIGV4_SCOPE_REGION,
    VK_SIGV4_UNKNOWN_KEY,
    VK_SIGV4_KEY_EXPIRED,
    VK_SIGV4_KEY_REVOKED,
    VK_SIGV4_SKEW,
    VK_SIGV4_EXPIRES,         /* X-Amz-Expires outside 1..604800 */
    VK_SIGV4_REQUEST_EXPIRED, /* presigned: past its time, or from the future */
    VK_SIGV4_UNSIGNED_HEADERS,
    VK_SIGV4_ABSENT_HEADER, /* SignedHeaders names one that is not there */
    VK_SIGV4_SIGNATURE,
    VK_SIGV4_TOKEN, /* a session token where the key has none, or the other way round */
    VK_SIGV4_PAYLOAD_FORM,
    VK_SIGV4_PAYLOAD_UNSUPPORTED, /* STREAMING-* that is none of the three */
    VK_SIGV4_NO_STREAM_HERE,      /* STREAMING-* on anything but a PUT */
    /* the body */
    VK_SIGV4_PAYLOAD_HASH,
    VK_SIGV4_NO_DECODED_LENGTH,
    VK_SIGV4_CHUNK,
    VK_SIGV4_CHUNK_SIGNATURE,
    VK_SIGV4_BODY_LENGTH,
    VK_SIGV4_TRAILER,
    /* the POST form */
    VK_SIGV4_FORM_PART, /* policy, signature, credential or date is missing */
    VK_SIGV4_FORM_TWICE,
    VK_SIGV4_FORM_KEY,
    VK_SIGV4_POLICY_DOCUMENT,
    VK_SIGV4_POLICY_EXPIRED,
    VK_SIGV4_POLICY_CONDITION, /* the condition, as JSON, goes behind the sentence */
    VK_SIGV4_POLICY_EXTRA,     /* the field's name goes behind the sentence */
    VK_SIGV4_TOO_LARGE,
    VK_SIGV4_TOO_SMALL,
    VK_SIGV4_NO_MEMORY, /* of ours: the client may try again */
    VK_SIGV4_FAILS,
} vk_sigv4_fail;

typedef struct vk_sigv4_error {
    const char *code, *message; /* static */
    int status;
} vk_sigv4_error;

/* What is wrong with the parts of a signature has a code that depends on the form. `why` is not VK_SIGV4_OK.
 */
vk_sigv4_error vk_sigv4_error_of(vk_sigv4_fail why, vk_sigv4_form form);

#endif
