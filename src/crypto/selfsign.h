/* A certificate that vouches for itself, for development: ECDSA P-256, for servers only, and no authority:
 * who trusts it trusts these names and no others (RFC 5280 §4.2). */
#ifndef VK_CRYPTO_SELFSIGN_H
#define VK_CRYPTO_SELFSIGN_H

#include "core/buf.h"

enum { VK_SELFSIGN_DAYS = 365, VK_SELFSIGN_RENEW_DAYS = 30, VK_SELFSIGN_TEXT = 2048 };

/* "DNS:localhost,IP:127.0.0.1": as OpenSSL writes subjectAltName. */
typedef struct vk_selfsign_names {
    char text[VK_SELFSIGN_TEXT];
} vk_selfsign_names;

/* Adds a host name or an address ("10.0.0.1", "::1", "[::1]"), once. VK_E_INVALID: it is neither.
 * VK_E_TOO_LARGE. */
VK_MUSTCHECK vk_err vk_selfsign_name(vk_selfsign_names *names, vk_str name);
/* A fresh key and its certificate, both in PEM. `key` holds a secret. */
VK_MUSTCHECK vk_err vk_selfsign(const vk_selfsign_names *names, vk_buf *cert, vk_buf *key);
/* The PEM certificate was made for these names and lasts for VK_SELFSIGN_RENEW_DAYS more. */
bool vk_selfsign_still_good(vk_str cert, const vk_selfsign_names *names);

#endif
