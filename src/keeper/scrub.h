/* Looks for secrets in what a vendor answers: none of it goes back, in whatever form it may be echoed. Each
 * secret is looked for as it is; as URLs escape it (what must be, all but letters and digits, or everything;
 * hex digits of either case); as JSON strings do (\" \\ \/, \u00XX, likewise); in hex of either case; in
 * base64 and base64url at any of the three positions that it can have in what was encoded. What is found
 * becomes as many
 * '*', so lengths stay true.
 *
 * Costs a look at a few of many bytes: the forms' common beginning decides how far the next look may be (Wu
 * and Manber, "A fast algorithm for multi-pattern searching", 1994). */
#ifndef VK_KEEPER_SCRUB_H
#define VK_KEEPER_SCRUB_H

#include "core/secret.h"

enum {
    VK_SCRUB_SECRETS = 16,
    VK_SCRUB_LEAST = 8,      /* bytes; shorter ones are not looked for: they stand in any text */
    VK_SCRUB_MOST = 2048,    /* bytes of a secret */
    VK_SCRUB_FORM_MAX = 4096 /* longer forms are looked for in pieces */
};

/* The forms, in locked memory. Any number of runs may use it. */
typedef struct vk_scrub vk_scrub;

/* One text on its way. Zeroed, but for `with`. */
typedef struct vk_scrub_run {
    const vk_scrub *with;
    size_t owed;    /* bytes at the beginning of the next part that belong to what was found */
    uint64_t found; /* how often */
} vk_scrub_run;

/* Secrets that are VK_SECRET_NONE are passed over. VK_E_TOO_LARGE: longer than VK_SCRUB_MOST, or too many.
 * VK_E_NOMEM. Owner: the caller. */
VK_MUSTCHECK vk_err vk_scrub_new(const vk_secret *secrets, size_t n, vk_scrub **out_r);
void vk_scrub_free(vk_scrub *s);
/* How many of the last bytes it was shown must be shown again, in front of what comes next; less than
 * VK_SCRUB_FORM_MAX. */
size_t vk_scrub_keep(const vk_scrub *s);
/* Looks at a part of a text: at what was kept back of the part before and what has come since. All but the
 * last vk_scrub_keep bytes (`end`: all) may be passed on then; these were not changed yet. */
void vk_scrub_look(vk_scrub_run *r, char *bytes, size_t n, bool end);
/* A whole text; how often something was found. */
size_t vk_scrub_text(const vk_scrub *s, char *bytes, size_t n);

#endif
