/* Sign-ups and sign-ins under way, and proofs that somebody who is signed in gives again. An attempt belongs
 * to a client: under another's it is not found. Its password is kept as a digest from the moment it comes. */
#ifndef VK_AUTH_ATTEMPTS_H
#define VK_AUTH_ATTEMPTS_H

#include "services/auth/email.h"
#include "services/auth/embedded/auth_db.h"
#include "services/auth/embedded/clients.h"
#include "services/auth/verification.h"

enum { VK_AUTH_ATTEMPT_MS = 24 * 60 * 60 * 1000 };

/* In the database by these numbers. */
typedef enum vk_auth_akind {
    VK_AUTH_A_SIGN_UP = 0,
    VK_AUTH_A_SIGN_IN = 1,
    VK_AUTH_A_REVERIFY = 2, /* its id is the session's */
    VK_AUTH_A_KINDS
} vk_auth_akind;
typedef enum vk_auth_astatus {
    VK_AUTH_A_MISSING = 0,          /* a sign-up: "missing_requirements" */
    VK_AUTH_A_NEEDS_IDENTIFIER = 1, /* a sign-in, these three */
    VK_AUTH_A_NEEDS_FACTOR = 2,     /* "needs_first_factor" */
    VK_AUTH_A_NEEDS_PASSWORD = 3,   /* "needs_new_password" */
    VK_AUTH_A_COMPLETE = 4,
    VK_AUTH_A_ABANDONED = 5,
    VK_AUTH_A_STATUSES
} vk_auth_astatus;

typedef struct vk_auth_attempt {
    char id[VK_AUTH_ID_MAX + 1], client[VK_AUTH_ID_MAX + 1];
    vk_auth_akind kind;
    vk_auth_astatus status;
    char address[VK_AUTH_EMAIL_MAX + 1];     /* or "" */
    vk_str first_name, last_name;            /* VK_STR_NONE: null; so too the next two */
    vk_str unsafe_metadata;                  /* a JSON object */
    vk_secret digest;                        /* of kind VK_PASSWORD_ARGON2ID, for the user to be */
    char strategy[VK_AUTH_STRATEGY_MAX + 1]; /* of the verification; "" before its first code */
    vk_auth_verification verification;
    char user[VK_AUTH_ID_MAX + 1], session[VK_AUTH_ID_MAX + 1]; /* whose it is, or that were created; or "" */
    char via[VK_AUTH_ID_MAX + 1]; /* a sign-up: the invitation that it came by (inv_); a sign-in: the address
                                   * that its code went to (idn_); or "" */
    int64_t created_ms, updated_ms, abandon_ms;
} vk_auth_attempt;

const char *vk_auth_astatus_name(vk_auth_astatus s);

/* What a sign-up still needs (missing_fields, unverified_fields of the JSON). One that is complete needs
 * nothing, though its digest is the user's now and not kept twice. */
typedef struct vk_auth_missing {
    bool address, password, verification;
} vk_auth_missing;
vk_auth_missing vk_auth_sign_up_missing(const vk_auth_attempt *a);
/* A try may still change it: neither complete nor past its time. */
bool vk_auth_attempt_is_open(const vk_auth_attempt *a, int64_t now_ms);

VK_MUSTCHECK vk_err vk_auth_attempt_add(vk_auth_db *db, const vk_auth_attempt *a);
/* VK_E_NOT_FOUND: none of that id, client and kind. */
VK_MUSTCHECK vk_err vk_auth_attempt_put(vk_auth_db *db, const vk_auth_attempt *a);
/* The client's open attempts are abandoned. */
VK_MUSTCHECK vk_err vk_auth_attempts_leave(vk_auth_db *db, vk_str client, int64_t now_ms);
VK_MUSTCHECK vk_err vk_auth_attempt_get(vk_auth_db *db, vk_arena *arena, vk_str id, vk_str client,
                                        vk_auth_attempt *out_r);

#endif
