/* The cookies that a handshake gives an app: six lines in the form of Set-Cookie (RFC 6265 §4.1), which the
 * app's own server sends on. Each of three cookies exists twice, with the bare name and with the suffix of
 * the build's publishable key. */
#ifndef VK_AUTH_DIRECTIVES_H
#define VK_AUTH_DIRECTIVES_H

#include "core/json_write.h"
#include "core/secret.h"

enum { VK_AUTH_DIRECTIVES = 6, VK_AUTH_COOKIE_YEAR_S = 365 * 86400 };

typedef struct vk_auth_directives {
    vk_str suffix; /* of pubkey.h */
    vk_secret dev_browser;
    vk_secret session;    /* a fresh token; VK_SECRET_NONE: signed out, its cookie is taken away */
    int64_t client_uat_s; /* when the client changed last, 0 when signed out; not after the token's iat */
    bool partitioned;     /* vk_auth_is_partitioned: the same answer as in the environment */
    int64_t now_ms;
} vk_auth_directives;

/* Writes them as an array of texts. VK_E_INVALID, and nothing is written: a value that is no cookie's
 * (RFC 6265's cookie-octet), or that contradicts another (a session without a time, or a time without). The
 * buffer then holds secrets. */
VK_MUSTCHECK vk_err vk_auth_directives_write(vk_jw *w, const vk_auth_directives *d);

#endif
