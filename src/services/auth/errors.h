/* Why a request is refused, and what Clerk's SDKs and components are told: one table from reason to code,
 * status, sentences and the field beside which the component prints it. Shape and texts: the samples of
 * tests/data/auth; clerk-js prints `long_message`. */
#ifndef VK_AUTH_ERRORS_H
#define VK_AUTH_ERRORS_H

#include "core/json_write.h"

typedef enum vk_auth_fail {
    VK_AUTH_F_OK,
    VK_AUTH_F_DEV_BROWSER, /* no browser, or one that is not known: clerk-js makes a new one, once */
    VK_AUTH_F_NOT_SIGNED_IN,
    VK_AUTH_F_SECRET_KEY,    /* one that opens nothing here */
    VK_AUTH_F_NOT_FOUND,     /* a path, a user */
    VK_AUTH_F_NO_SESSION,    /* a session that is not there, or another client's */
    VK_AUTH_F_NO_ATTEMPT,    /* a sign-up or sign-in likewise */
    VK_AUTH_F_HOST,          /* no such build */
    VK_AUTH_F_FORM,          /* a body that cannot be read */
    VK_AUTH_F_PARAM_FORMAT,  /* a parameter; the caller names it */
    VK_AUTH_F_PARAM_MISSING, /* likewise */
    VK_AUTH_F_EMAIL_FORMAT,
    VK_AUTH_F_IDENTIFIER_TAKEN,
    VK_AUTH_F_EXTERNAL_ID_TAKEN,
    VK_AUTH_F_IDENTIFIER_UNKNOWN,
    VK_AUTH_F_PASSWORD_SHORT,
    VK_AUTH_F_PASSWORD_LONG,
    VK_AUTH_F_PASSWORD_WRONG,   /* of a sign-in */
    VK_AUTH_F_PASSWORD_CURRENT, /* of a change */
    VK_AUTH_F_PASSWORD_VERIFY,  /* of the Backend API's verify_password */
    VK_AUTH_F_DIGEST,           /* a password_digest that cannot be taken */
    VK_AUTH_F_CODE_WRONG,
    VK_AUTH_F_CODE_EXPIRED,
    VK_AUTH_F_CODE_FAILED,
    VK_AUTH_F_ALREADY_VERIFIED,
    VK_AUTH_F_STRATEGY, /* none that is offered here */
    VK_AUTH_F_USER_LOCKED,
    VK_AUTH_F_USER_BANNED,
    VK_AUTH_F_REDIRECT, /* redirect_url is not of the build's origins */
    VK_AUTH_F_ORIGIN,   /* the page that asks is not of the build's origins */
    VK_AUTH_F_TOO_MANY,
    VK_AUTH_F_UNSUPPORTED,
    VK_AUTH_F_INTERNAL,
    VK_AUTH_FAILS
} vk_auth_fail;

int vk_auth_fail_status(vk_auth_fail why);
const char *vk_auth_fail_code(vk_auth_fail why);
/* The sentence for people. */
const char *vk_auth_fail_text(vk_auth_fail why);

/* The whole body. `param` (or VK_STR_NONE) stands in place of the table's. `trace` is 32 hex digits. `client`
 * is the text of the client's JSON, for a form's error of a known client; VK_STR_NONE: left out. */
void vk_auth_fail_write(vk_jw *w, vk_auth_fail why, vk_str param, vk_str trace, vk_str client);

/* The same shape for what the table does not know: a refusal of the HTTP engine. */
void vk_auth_fail_write_as(vk_jw *w, const char *code, const char *text, vk_str trace);

#endif
