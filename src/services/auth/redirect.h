/* Where a browser may be sent, and which pages may ask. A handshake's answer carries a dev browser's id and
 * leads to a session, so a redirect to a stranger's page is a stolen account: an address counts only if its
 * beginning is, byte for byte, an origin of the build's list with nothing between that and its path. No URL
 * is resolved, repaired or decoded here: what two parsers may read differently (blanks, control characters, a
 * backslash, user information, other letters than ASCII) is refused. Pure. */
#ifndef VK_AUTH_REDIRECT_H
#define VK_AUTH_REDIRECT_H

#include "core/buf.h"

enum {
    VK_AUTH_URL_MAX = 4096,
    VK_AUTH_ORIGIN_MAX = 269, /* VK_ORIGIN_MAX of store/store.h */
};

/* "scheme://host[:port]" of the beginning of an absolute http or https URL, in the form in which builds keep
 * theirs (admin/origin.h): lower case, without the scheme's usual port; with NUL. For redirect_url, for the
 * headers Origin and Referer. VK_E_INVALID: anything else. VK_E_TOO_LARGE. */
VK_MUSTCHECK vk_err vk_auth_origin_of(vk_str url, char out[VK_AUTH_ORIGIN_MAX + 1]);

/* Whether the URL's origin is one of these. An origin alone ("https://a.example") is a URL too. */
bool vk_auth_origin_allowed(vk_str url, const vk_str *origins, size_t n);

/* Appends the URL with the parameter added to its query, before a fragment. Parameters of that name and those
 * of a handshake, which the SDK would read in place of ours, are left out. The name and the value are ours:
 * letters, digits, '_', '-', '.'. VK_E_INVALID: they are not, or the URL has a form that vk_auth_origin_of
 * refuses. VK_E_TOO_LARGE. */
VK_MUSTCHECK vk_err vk_auth_redirect_add(vk_str url, vk_str name, vk_str value, vk_buf *out);

/* Whether the cookies of a build's apps are `SameSite=None; Secure; Partitioned`, so that they also work in
 * an iframe of another site: all its origins are https or loopback names, where browsers keep Secure cookies.
 * One answer for a build, used for the environment and for handshakes: mixing them makes loops. */
bool vk_auth_is_partitioned(const vk_str *origins, size_t n);

#endif
