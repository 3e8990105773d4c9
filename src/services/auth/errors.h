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
    VK_AUTH_F_PARAM_UNKNOWN, /* one of Clerk's that is not offered here; the caller names it */
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
    /* Of the Backend API. */
    VK_AUTH_F_NO_USER,
    VK_AUTH_F_NO_INVITATION,
    VK_AUTH_F_NO_SIGN_IN_TOKEN,
    VK_AUTH_F_NO_ADDRESS,
    VK_AUTH_F_NO_RESOURCE, /* what a parameter names is not there; the caller names it, as in the next ones */
    VK_AUTH_F_PARAM_VALUE, /* none of those that it may have */
    VK_AUTH_F_PARAM_BESIDE, /* not together with another one */
    VK_AUTH_F_PARAM_WITH,   /* needed beside another one */
    VK_AUTH_F_PARAM_LARGE,
    VK_AUTH_F_PARAM_MANY,  /* values of a list */
    VK_AUTH_F_PARAM_TWICE, /* a value in a list */
    VK_AUTH_F_PARAM_TIME,
    VK_AUTH_F_DATA_MISSING,             /* a user without an address or a password */
    VK_AUTH_F_PAGE,                     /* a list that is too large for one answer */
    VK_AUTH_F_NO_REFRESH,               /* of sessions by a refresh token */
    VK_AUTH_F_NO_PASSWORD,              /* the user has none */
    VK_AUTH_F_INVITED,                  /* the address has an invitation already */
    VK_AUTH_F_INVITATION_REVOKED_TWICE, /* is to be revoked again */
    VK_AUTH_F_INVITATION_ACCEPTED,      /* is to be revoked */
    VK_AUTH_F_SIGN_IN_TOKEN_OVER,       /* likewise: used, revoked or expired */
    VK_AUTH_F_CODE_WRONG,
    VK_AUTH_F_CODE_EXPIRED,
    VK_AUTH_F_CODE_FAILED,
    VK_AUTH_F_ALREADY_VERIFIED,
    VK_AUTH_F_STRATEGY,           /* none that is offered here */
    VK_AUTH_F_REVERIFY,           /* the person must prove again who they are: see reverify.c */
    VK_AUTH_F_EMAILS_MANY,        /* a user has as many addresses as there may be */
    VK_AUTH_F_EMAIL_LAST,         /* the only verified one: stays */
    VK_AUTH_F_EMAIL_PRIMARY,      /* stays as long as it is the primary one */
    VK_AUTH_F_PRIMARY_UNVERIFIED, /* an address that is only claimed cannot become it */
    VK_AUTH_F_NO_TEMPLATE,        /* a token by a JWT template: there are none */
    VK_AUTH_F_SIGN_UP_OVER,       /* a sign-up that is complete is not changed */
    VK_AUTH_F_TICKET,             /* none that is known; the next ones say what became of one that is */
    VK_AUTH_F_TICKET_EXPIRED,
    VK_AUTH_F_TICKET_NOT_HERE, /* a sign-in token at a sign-up */
    VK_AUTH_F_TOKEN_USED,      /* a sign-in token */
    VK_AUTH_F_TOKEN_REVOKED,
    VK_AUTH_F_INVITATION_USED,
    VK_AUTH_F_INVITATION_REVOKED,
    VK_AUTH_F_INVITATION_NOBODY, /* at a sign-in, and the address has no account: the component goes to the
                                  * sign-up */
    VK_AUTH_F_USER_LOCKED,
    VK_AUTH_F_USER_BANNED,
    VK_AUTH_F_REDIRECT, /* redirect_url is not of the build's origins */
    VK_AUTH_F_ORIGIN,   /* the page that asks is not of the build's origins */
    VK_AUTH_F_TOO_MANY,
    VK_AUTH_F_UNSUPPORTED,
    VK_AUTH_F_FULL,
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
