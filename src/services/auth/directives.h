/* The cookies that a handshake gives an app: lines in the form of Set-Cookie (RFC 6265 §4.1), which the
 * app's own server sends on. Each of three cookies exists twice, with the bare name and with the suffix of
 * the build's publishable key.
 *
 * clerk-js keeps __client_uat for the highest domain above the page that browsers let it set ("example.com"
 * for app.example.com; for x.vercel.app, where vercel.app is a public suffix, that itself), and a partitioned
 * cookie of the host alone it cannot take away. A second one beside its own would be sent first and be old
 * after every sign-in: requests of the page would be signed out. So for a host with domains the line is
 * there for each of them, highest first; browsers leave out those that are public suffixes. Signed out, they
 * are taken away, which says as much to the SDK as 0 and never contradicts what clerk-js writes next. */
#ifndef VK_AUTH_DIRECTIVES_H
#define VK_AUTH_DIRECTIVES_H

#include "core/json_write.h"
#include "core/secret.h"

enum {
    VK_AUTH_DIRECTIVES = 6, /* of a host without domains */
    VK_AUTH_DOMAINS_MAX = 6,
    VK_AUTH_COOKIE_YEAR_S = 365 * 86400,
};

typedef struct vk_auth_directives {
    vk_str suffix; /* of pubkey.h */
    vk_str host;   /* of the app, as in its origin, without a port; an address or one word has no domains */
    vk_secret dev_browser;
    vk_secret session;    /* a fresh token; VK_SECRET_NONE: signed out, its cookie is taken away */
    int64_t client_uat_s; /* when the client changed last, 0 when signed out; not after the token's iat */
    bool partitioned;     /* vk_auth_is_partitioned: the same answer as in the environment */
    int64_t now_ms;
} vk_auth_directives;

/* Writes them as an array of texts. VK_E_INVALID, and nothing is written: a value that is no cookie's
 * (RFC 6265's cookie-octet) or no host, or that contradicts another (a session without a time, or a time
 * without). The buffer then holds secrets. */
VK_MUSTCHECK vk_err vk_auth_directives_write(vk_jw *w, const vk_auth_directives *d);

#endif
