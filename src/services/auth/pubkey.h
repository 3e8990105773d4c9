/* Publishable keys, and what follows from them: the name of a build's Clerk instance and the suffix of its
 * cookies. As @clerk/shared (isPublishableKey, parsePublishableKey, getCookieSuffix) reads them. */
#ifndef VK_AUTH_PUBKEY_H
#define VK_AUTH_PUBKEY_H

#include "core/base.h"
#include "core/vendor.h"

/* clerk-js carries its identity in the query only if the name ends in "accounts.dev"; the underscore cannot
 * be registered, so nobody else can ever own a build's name. */
#ifdef VK_TEST_VENDOR
#define VK_AUTH_DOMAIN_USUAL (vk_vendor_role ? VK_STR("clerk.accounts.dev") : VK_STR("vk_accounts.dev"))
#else
#define VK_AUTH_DOMAIN_USUAL VK_STR("vk_accounts.dev")
#endif

enum {
    VK_AUTH_HOST_MAX = 253,
    VK_AUTH_PK_MAX = 8 + (VK_AUTH_HOST_MAX + 1 + 2) / 3 * 4,
    VK_AUTH_SUFFIX = 8,
};

/* "<build>.<domain>", with NUL. VK_E_INVALID: no build's id, or a domain that is no name in lower case which
 * ends in "accounts.dev" (clerk-js would send no identity). VK_E_TOO_LARGE. */
VK_MUSTCHECK vk_err vk_auth_host(vk_str build, vk_str domain, char out[VK_AUTH_HOST_MAX + 1]);

/* "pk_test_" and base64 of host and "$", without padding: the form is a part of the key, since cookies are
 * named by a hash of the whole text. With NUL. VK_E_INVALID: a host that the SDKs would refuse. */
VK_MUSTCHECK vk_err vk_auth_pk_make(vk_str host, char out[VK_AUTH_PK_MAX + 1]);
/* Any publishable key that the SDKs take, an owner's too: padding may stand there, the host may have a port
 * and a path. With NUL. *live_r: "pk_live_". VK_E_INVALID. */
VK_MUSTCHECK vk_err vk_auth_pk_read(vk_str key, char host_r[VK_AUTH_HOST_MAX + 1], bool *live_r);

/* What stands behind "__session_" and its kin, with NUL: 8 characters of base64url of the key's SHA-1. */
void vk_auth_cookie_suffix(vk_str key, char out[VK_AUTH_SUFFIX + 1]);

#endif
