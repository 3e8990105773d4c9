/* What keys look like in the vendor role (core/vendor.h): as the vendors' own, derived as ours are.
 *
 *   Clerk    sk_test_ and 42 characters
 *   Stripe   sk_test_5, pk_test_5, the 16 characters of the account, the same for both, and 82 more
 *   Stripe   whsec_ and 32 characters
 *   Turso    a JSON web token in form: header and claims are the same for all, what would be its signature is
 *            the key
 *
 * None ends in a checksum that vk_valet_shape_ok of the program that is released takes: their lengths differ
 * from those of its keys. Access keys of storage are bare hex digits in both. */
#ifndef VK_VALET_VENDOR_H
#define VK_VALET_VENDOR_H

#ifdef VK_TEST_VENDOR
#include "valet/valet.h"

/* One form, by the prefix of the valet key in whose place it stands. */
typedef struct vk_vendor_form {
    const char *valet, *prefix;
    uint8_t account; /* characters behind the prefix that are the build's, whatever the kind of key */
    uint8_t body;    /* characters behind these */
} vk_vendor_form;

/* NULL: not in the vendor role, or keys with that prefix are no vendor's. */
const vk_vendor_form *vk_vendor_form_of(const vk_valet_form *f);
#endif

#endif
