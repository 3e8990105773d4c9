/* The canonical request of SigV4, as S3 defines it: percent-encoding brought into one form, query parameters
 * sorted, header values trimmed; and nothing else. Paths are not normalised: //, . and .. are signed as they
 * stand. */
#ifndef VK_CRYPTO_SIGV4_CANON_H
#define VK_CRYPTO_SIGV4_CANON_H

#include "crypto/sigv4.h"

/* Query parameters in canonical encoding (which for a text of A-Z a-z 0-9 - . _ ~ is the text), in the order
 * sent. */
typedef struct vk_sigv4_params {
    uint32_t n;
    vk_sigv4_pair at[VK_SIGV4_PARAMS_MAX];
} vk_sigv4_params;

/* A header's name, of any case, against one in lower case; as sent by most clients it is equal already. */
static inline bool vk_sigv4_name_is(vk_str name, vk_str lower)
{
    return name.n == lower.n && (memcmp(name.p, lower.p, lower.n) == 0 || vk_str_ieq(name, lower));
}

/* Decodes each name and value once (+ is a blank) and encodes them anew, in the arena. Empty pieces (a&&b)
 * are passed over, as every client's parser does. */
VK_MUSTCHECK vk_sigv4_fail vk_sigv4_params_read(vk_arena *a, vk_str query, vk_sigv4_params *out_r);

/* The value of one of the parameters above in clear, in the arena. {NULL,0} when there is no memory. */
VK_MUSTCHECK vk_str vk_sigv4_param_decode(vk_arena *a, vk_str encoded);

/* True when `list` is a list of lower-case header names, joined by ';', sorted and without repeats. */
bool vk_sigv4_signed_headers_ok(vk_str list);

/* The whole text, in the arena. `signed_headers` is as above. VK_SIGV4_UNSIGNED_HEADERS when `host` is not
 * among them or a header of the request that begins with x-amz- is not; VK_SIGV4_ABSENT_HEADER;
 * VK_SIGV4_BAD_TARGET. The parameter X-Amz-Signature is left out. Sorts `p`. */
VK_MUSTCHECK vk_sigv4_fail vk_sigv4_canonical(vk_arena *a, const vk_sigv4_request *r, vk_sigv4_params *p,
                                              vk_str signed_headers, vk_str payload, vk_str *out_r);

#endif
