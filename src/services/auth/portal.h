/* The hosted sign-in page of a build, for apps that have none: /b/<build>/portal/sign-in|sign-up. Clerk's own
 * components do the work; the page loads them and says where to go afterwards.
 *
 * Whoever ends there takes a dev browser's id and a session along in the URL, so redirect_url counts only if
 * it leads to one of the build's origins (redirect.h), and the page sends no Referer to anybody. What comes
 * from outside stands in it as JSON that a fixed script reads, never as script. */
#ifndef VK_AUTH_PORTAL_H
#define VK_AUTH_PORTAL_H

#include "http/exchange.h"

typedef struct vk_auth_portal {
    bool sign_up;
    vk_str build;           /* its id */
    vk_str gateway;         /* the listener as browsers see it, without a '/' at its end */
    vk_str publishable_key; /* of the build */
    vk_str redirect_url;    /* as the query said, decoded; empty: the build's first origin */
    const vk_str *origins;  /* of the build's apps */
    size_t n_origins;
    bool partitioned; /* vk_auth_is_partitioned: the page may then be framed by any site, as the app may */
} vk_auth_portal;

/* Whether a path below a build ("/portal/sign-in") is the portal's, and which flow of it. */
bool vk_auth_portal_match(vk_str path, bool *sign_up_r);

/* Appends the page. VK_E_INVALID: redirect_url leads elsewhere. VK_E_NOT_FOUND: there is neither a
 * redirect_url nor an origin. Nothing is appended then. Otherwise html->err says whether it fits (16 KiB are
 * enough for redirect_url of VK_AUTH_URL_MAX and 16 origins). Pure. */
VK_MUSTCHECK vk_err vk_auth_portal_write(const vk_auth_portal *p, vk_buf *html);
/* Appends the page that says why it was refused. Pure. */
void vk_auth_portal_refusal(const vk_auth_portal *p, vk_err e, vk_buf *html);
/* Appends the Content-Security-Policy of the first: scripts of the gateway's /npm/ and the page's own by its
 * hash, calls to the build's own API, nothing else. Pure. */
void vk_auth_portal_policy(const vk_auth_portal *p, vk_buf *out);

/* Answers with one of the two: 200 or 400; 405 when it is neither GET nor HEAD. From head() or later. */
void vk_auth_portal_answer(const vk_auth_portal *p, vk_exchange *ex);

#endif
