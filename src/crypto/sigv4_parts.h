/* The parts of a signature, wherever it stands: read strictly from an Authorization header, query parameters
 * or form fields into one shape, so that everything behind is the same for all three. */
#ifndef VK_CRYPTO_SIGV4_PARTS_H
#define VK_CRYPTO_SIGV4_PARTS_H

#include "crypto/sigv4_canon.h"

typedef struct vk_sigv4_claim {
    vk_sigv4_form form;
    vk_str id, day, region; /* of the credential */
    vk_str service, end;
    vk_str scope;          /* the credential behind the id and its slash */
    vk_str signed_headers; /* VK_STR_NONE in a POST form */
    vk_str payload;        /* the text of x-amz-content-sha256, or what stands for it */
    vk_secret token;       /* session token; VK_SECRET_NONE: none */
    bool two_tokens;       /* one in the header, one in the query */
    uint8_t signature[VK_SHA256];
    char stamp[VK_SIGV4_STAMP];
    int64_t at_ms;     /* of the stamp */
    int64_t expires_s; /* query form; 0: not a number from 1 to VK_SIGV4_EXPIRES_MAX_S */
} vk_sigv4_claim;

/* Header or query form. out_r->form is set always, the rest on VK_SIGV4_OK. Reads *p (the request's query),
 * decodes what it needs into the arena. Errors: VK_SIGV4_ANONYMOUS to VK_SIGV4_NO_PAYLOAD_HASH,
 * VK_SIGV4_NO_MEMORY. */
VK_MUSTCHECK vk_sigv4_fail vk_sigv4_claim_read(vk_arena *a, const vk_sigv4_request *r,
                                               const vk_sigv4_params *p, vk_sigv4_claim *out_r);
/* POST form; *policy_r is the text that the signature covers. */
VK_MUSTCHECK vk_sigv4_fail vk_sigv4_claim_form(const vk_sigv4_pair *fields, size_t n, vk_sigv4_claim *out_r,
                                               vk_str *policy_r);

/* "20261123T181515Z" as milliseconds since 1970. False: another form, or no such time. */
bool vk_sigv4_stamp_read(vk_str text, int64_t *ms_r);

#endif
