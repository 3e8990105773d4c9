/* The policy of a browser's upload form: what a signed policy says about the fields that came with it. The
 * signature over the policy's text is vk_sigv4_verify_post's; this is the rest, and both must agree. Source:
 * "Creating an HTML form (using AWS Signature Version 4)" and "POST policy" of the S3 API reference.
 *
 * Default deny: each field must be covered by a condition, an operator we do not know makes the whole policy
 * void, and a field that stands twice is refused, so that what was checked is what is stored. */
#ifndef VK_CRYPTO_POSTPOLICY_H
#define VK_CRYPTO_POSTPOLICY_H

#include "crypto/sigv4.h"

enum {
    VK_POST_FIELDS_MAX = 100,     /* fields in front of the file */
    VK_POST_FIELD_MAX = 20480,    /* bytes of one field's value */
    VK_POST_TOTAL_MAX = 65536,    /* bytes of all names and values */
    VK_POST_CONDITIONS_MAX = 200, /* in a policy */
};

typedef struct vk_post_form {
    const vk_sigv4_pair *fields; /* those in front of `file`, in order, names of any case */
    size_t n_fields;
    vk_str bucket;    /* that the request addresses, by path or host */
    vk_str file_name; /* of the part `file`, as sent; may be empty */
    int64_t now_ms;
} vk_post_form;

typedef struct vk_post_terms {
    vk_str key;       /* where the object goes: the field with ${filename} replaced; in the arena or a view */
    int64_t min, max; /* bytes of the file, both included; 0 and INT64_MAX when the policy does not say */
    vk_str detail; /* what belongs behind the sentence of VK_SIGV4_POLICY_CONDITION and _EXTRA; set on failure
                      too */
} vk_post_terms;

/* Conditions are compared with the values as the object will have them (after ${filename} in `key`). Fails
 * with one of VK_SIGV4_FORM_* to VK_SIGV4_POLICY_EXTRA, VK_SIGV4_TOO_LARGE (a field or all of them),
 * VK_SIGV4_NO_MEMORY. Nothing here knows a build: the scope rules and the dot segments of terms_r->key are
 * the caller's, as is the key's right to write. */
VK_MUSTCHECK vk_sigv4_fail vk_post_policy_check(vk_arena *a, const vk_post_form *f, vk_post_terms *terms_r);

/* The file's size, known at its end or announced: VK_SIGV4_TOO_SMALL, VK_SIGV4_TOO_LARGE, VK_SIGV4_OK. */
vk_sigv4_fail vk_post_policy_size(const vk_post_terms *t, int64_t bytes);

#endif
