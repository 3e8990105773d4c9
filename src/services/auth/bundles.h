/* Clerk's scripts for browsers (clerk-js 5 and 6, ui 1), as apps and the portal load them:
 * /npm/@clerk/<clerk-js|ui>@<version>/dist/<file>. tools/clerk-bundles.mjs puts them below the program's
 * share folder: one file with all of them, raw and gzipped, and a list of it. At the start the list is read,
 * each file is held against its SHA-256, and the one descriptor is kept; a request names a line of the list
 * and nothing else, and is answered by sendfile from there. Memory: the list, some 30 KiB.
 *
 * Any version of a major is answered from the one that is there: apps ask for "@6", and lazy chunks for the
 * exact version that the entry script was built with. */
#ifndef VK_AUTH_BUNDLES_H
#define VK_AUTH_BUNDLES_H

#include "http/exchange.h"

enum {
    VK_AUTH_BUNDLES_WHY = 512,                  /* a sentence for people, with NUL */
    VK_AUTH_BUNDLES_LIST_MAX = 256 * 1024,      /* bytes of bundles.list */
    VK_AUTH_BUNDLES_PACKAGES = 8,               /* packages in it */
    VK_AUTH_BUNDLES_FILES = 1024,               /* files of all of them */
    VK_AUTH_BUNDLES_FILE_MAX = 8 * 1024 * 1024, /* bytes of one */
    VK_AUTH_BUNDLES_TEXT = 160,
};

typedef struct vk_auth_bundles vk_auth_bundles;

/* Opens <share>/clerk. Reads and hashes some 10 MB (10 to 40 ms), so not on a loop that serves; before
 * front's fence, which knows no such folder. Owner: the caller, until vk_auth_bundles_free. On an error `why`
 * is the sentence, with what to do: VK_E_NOT_FOUND (not installed), VK_E_FORBIDDEN, VK_E_INVALID (the list),
 * VK_E_CORRUPT (other bytes than the list says), VK_E_IO, VK_E_NOMEM. What replaces the files must do so by
 * renaming, as the tool does: the open ones stay as they were checked. */
VK_MUSTCHECK vk_err vk_auth_bundles_open(const char *share, vk_auth_bundles **out_r,
                                         char why[VK_AUTH_BUNDLES_WHY]);
/* No answer from it is under way. NULL is allowed. */
void vk_auth_bundles_free(vk_auth_bundles *b);
/* "clerk-js 5.128.0, clerk-js 6.40.0, ui 1.36.0", as long as it lives. */
const char *vk_auth_bundles_text(const vk_auth_bundles *b);

/* A path that was taken apart; views into it. */
typedef struct vk_auth_bundle_name {
    vk_str package; /* "clerk-js" */
    vk_str version; /* "6", "6.40.0" */
    vk_str major;   /* "6" */
    vk_str file;    /* "clerk.browser.js": letters, digits, '_', '-', '.', at most 128 */
} vk_auth_bundle_name;

/* Whether a path is for vk_auth_bundles_answer: it begins with "/npm/". Below a build ("/b/<build>/npm/…",
 * which the SDKs make of an https proxyUrl) the caller takes that off first. */
bool vk_auth_bundles_match(vk_str path);
/* VK_E_INVALID: no path of a script. Pure; nothing is decoded. */
VK_MUSTCHECK vk_err vk_auth_bundle_read(vk_str path, vk_auth_bundle_name *out_r);
/* Answers the exchange from its head(), on the loop, without waiting. `path` without a query. `b` NULL: 503,
 * and how to install them. 404 and 405 in plain words; every answer is for every origin, since these are
 * public files and script tags ask for them with CORS. */
void vk_auth_bundles_answer(const vk_auth_bundles *b, vk_exchange *ex, vk_str path);

/* The addresses for CLERK_JS_URL and CLERK_UI_URL, of SDKs of Clerk's newest major (handoff/clerk.h fits them
 * to others), below the gateway's address as browsers see it, which has no '/' at its end. Both are
 * VK_STR_NONE when that is https: the SDK then finds the scripts itself, and asks for the right major. */
VK_MUSTCHECK vk_err vk_auth_bundles_urls(vk_arena *a, vk_str gateway, vk_str *js_r, vk_str *ui_r);

#endif
