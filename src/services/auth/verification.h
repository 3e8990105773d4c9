/* The life of a verification: a code is sent, and tried a few times. Pure: time comes in, and what goes out
 * is for the caller to store. Codes are kept as an HMAC under a key of the caller, bound to what they are
 * for, so that a copied file gives none away and one attempt's code is no good for another.
 *
 *   nothing ─ prepare → sent ─ right code → verified (for good)
 *                        │ ├─ wrong code, VK_AUTH_TRIES_MAX times → failed ─┐
 *                        │ └─ VK_AUTH_CODE_MS later → expired ──────────────┤
 *                        └──────────────── prepare: a new code ─────────────┘ */
#ifndef VK_AUTH_VERIFICATION_H
#define VK_AUTH_VERIFICATION_H

#include "core/secret.h"
#include "crypto/digest.h"

enum {
    VK_AUTH_CODE = 6, /* digits */
    VK_AUTH_CODE_MS = 10 * 60 * 1000,
    VK_AUTH_TRIES_MAX = 5,     /* wrong codes for each that was sent */
    VK_AUTH_PREPARES_MAX = 10, /* codes for one sign-up or sign-in */
    VK_AUTH_ABOUT_MAX = 128,   /* bytes of what a code is bound to */
};

typedef enum vk_auth_vstate {
    VK_AUTH_V_NOTHING, /* "unverified", and to be prepared */
    VK_AUTH_V_SENT,    /* "unverified", and to be attempted */
    VK_AUTH_V_VERIFIED,
    VK_AUTH_V_EXPIRED,
    VK_AUTH_V_FAILED,
    VK_AUTH_V_STATES
} vk_auth_vstate;

/* Plain values, to be stored as they are. All zero at first. */
typedef struct vk_auth_verification {
    vk_auth_vstate state;
    uint32_t tries;    /* of the current code: `attempts` of the JSON */
    uint32_t prepares; /* codes sent in all */
    int64_t expire_ms; /* 0 before the first code */
    uint8_t code[VK_SHA256];
} vk_auth_verification;

/* `status` of the JSON. */
const char *vk_auth_vstate_name(vk_auth_vstate state);
/* What it is at that time: a code that was sent may have expired meanwhile. For answers; trying does it too.
 */
vk_auth_vstate vk_auth_verification_now(const vk_auth_verification *v, int64_t now_ms);

/* Makes a new code, with NUL; the one before is void. `about` is what it is for: the attempt's id, a
 * strategy, an address. VK_E_BUSY: too many codes already. VK_E_CONFLICT: it is verified. VK_E_TOO_LARGE:
 * `about`. */
VK_MUSTCHECK vk_err vk_auth_verification_prepare(vk_auth_verification *v, vk_secret key, vk_str about,
                                                 int64_t now_ms, char code_r[VK_AUTH_CODE + 1]);

typedef enum vk_auth_try {
    VK_AUTH_TRY_RIGHT,
    VK_AUTH_TRY_WRONG,   /* may be tried again: "form_code_incorrect" */
    VK_AUTH_TRY_FAILED,  /* wrong once too often, or before: a new code is needed: "verification_failed" */
    VK_AUTH_TRY_EXPIRED, /* "verification_expired" */
    VK_AUTH_TRY_DONE,    /* it is verified already: a code is good once */
    VK_AUTH_TRY_NOTHING, /* none was sent */
} vk_auth_try;

/* Tries a code; *v changes and is to be stored before the answer, or tries are not counted. `fixed_too`:
 * "424242" is right as well (vk_auth_fixed_code). */
vk_auth_try vk_auth_verification_attempt(vk_auth_verification *v, vk_secret key, vk_str about, vk_secret code,
                                         bool fixed_too, int64_t now_ms);

/* Whether 424242 is right for the address: for Clerk's test addresses, and for all of them only where the
 * setting is on and the auth listener is on loopback without a public address (`alone`). */
bool vk_auth_fixed_code(vk_str email, bool setting, bool alone);

/* Wrong passwords of one user: so many in a time lock it for as long (attack_protection.user_lockout). */
enum { VK_AUTH_LOCKOUT_MAX = 100, VK_AUTH_LOCKOUT_MS = 60 * 60 * 1000 };
typedef struct vk_auth_lockout {
    uint32_t failures;
    int64_t since_ms; /* of the first of them */
} vk_auth_lockout;

/* 0: not locked. Else for how many milliseconds more. */
int64_t vk_auth_locked_ms(const vk_auth_lockout *l, int64_t now_ms);
void vk_auth_lockout_failed(vk_auth_lockout *l, int64_t now_ms);
/* verification_attempts_remaining of the JSON. */
uint32_t vk_auth_lockout_left(const vk_auth_lockout *l, int64_t now_ms);
void vk_auth_lockout_clear(vk_auth_lockout *l);

#endif
