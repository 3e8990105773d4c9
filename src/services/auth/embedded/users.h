/* The users of a build and their e-mail addresses. Texts are kept as they are given: what may be an address,
 * a name or metadata is decided before. */
#ifndef VK_AUTH_USERS_H
#define VK_AUTH_USERS_H

#include "crypto/password.h"
#include "services/auth/email.h"
#include "services/auth/embedded/auth_db.h"
#include "services/auth/ids.h"
#include "services/auth/verification.h"

enum {
    VK_AUTH_USERS_PAGE_MAX = 500,
    VK_AUTH_EMAILS_MAX = 20, /* addresses of one user */
    VK_AUTH_STRATEGY_MAX = 32,
};

/* Views: of the arena when read, of the caller's memory when written. Times are 0 when there is none. */
typedef struct vk_auth_user {
    char id[VK_AUTH_ID_MAX + 1];
    vk_str external_id, first_name, last_name;                 /* VK_STR_NONE: null */
    vk_str public_metadata, private_metadata, unsafe_metadata; /* JSON objects */
    vk_secret digest;                                          /* VK_SECRET_NONE: no password */
    vk_password_kind digest_kind;
    bool banned, locked; /* by the Backend API */
    vk_auth_lockout lockout;
    int64_t password_ms, last_sign_in_ms, last_active_ms, created_ms, updated_ms;
} vk_auth_user;

typedef struct vk_auth_email_row {
    char id[VK_AUTH_ID_MAX + 1], user[VK_AUTH_ID_MAX + 1], address[VK_AUTH_EMAIL_MAX + 1];
    bool primary, verified;
    char strategy[VK_AUTH_STRATEGY_MAX + 1]; /* of the verification: "email_code", "ticket", "admin", or "" */
    vk_auth_verification verification;       /* under way, or over; all zero when nobody asked for one */
    int64_t created_ms, updated_ms;
} vk_auth_email_row;

/* VK_E_CONFLICT: the id or the external id is taken. */
VK_MUSTCHECK vk_err vk_auth_user_add(vk_auth_db *db, const vk_auth_user *u);
/* All columns. VK_E_NOT_FOUND. VK_E_CONFLICT: the external id is another's. */
VK_MUSTCHECK vk_err vk_auth_user_put(vk_auth_db *db, const vk_auth_user *u);
/* With its addresses; its sessions are ended by vk_auth_sessions_end. VK_E_NOT_FOUND. */
VK_MUSTCHECK vk_err vk_auth_user_drop(vk_auth_db *db, vk_str id);
/* VK_E_NOT_FOUND. */
VK_MUSTCHECK vk_err vk_auth_user_get(vk_auth_db *db, vk_arena *a, vk_str id, vk_auth_user *out_r);
/* Of whom it is a verified address; `address` as vk_auth_email writes it. */
VK_MUSTCHECK vk_err vk_auth_user_by_email(vk_auth_db *db, vk_arena *a, vk_str address, vk_auth_user *out_r);

/* VK_E_CONFLICT: somebody has the address, verified, and this one is to be, too. Any number may claim one. */
VK_MUSTCHECK vk_err vk_auth_email_add(vk_auth_db *db, const vk_auth_email_row *e);
/* All but id, user and address. VK_E_NOT_FOUND. VK_E_CONFLICT as above. */
VK_MUSTCHECK vk_err vk_auth_email_put(vk_auth_db *db, const vk_auth_email_row *e);
/* VK_E_NOT_FOUND. */
VK_MUSTCHECK vk_err vk_auth_email_drop(vk_auth_db *db, vk_str id);
VK_MUSTCHECK vk_err vk_auth_email_get(vk_auth_db *db, vk_str id, vk_auth_email_row *out_r);
/* The primary one first. At most VK_AUTH_EMAILS_MAX. */
VK_MUSTCHECK vk_err vk_auth_emails_of(vk_auth_db *db, vk_arena *a, vk_str user,
                                      const vk_auth_email_row **out_r, size_t *n_r);

typedef enum vk_auth_order {
    VK_AUTH_BY_CREATED,
    VK_AUTH_BY_UPDATED,
    VK_AUTH_BY_SIGN_IN,
    VK_AUTH_BY_ACTIVE,
} vk_auth_order;

typedef enum vk_auth_ask { VK_AUTH_ANY, VK_AUTH_YES, VK_AUTH_NO } vk_auth_ask;

/* What GET /users can ask; all that is set must hold. */
typedef struct vk_auth_user_filter {
    /* One of these (verified addresses); NULL: any; a list of none: nobody. */
    const vk_str *ids, *emails, *external_ids;
    size_t n_ids, n_emails, n_external_ids;
    const vk_str *not_ids, *not_external_ids; /* none of these; NULL: any */
    size_t n_not_ids, n_not_external_ids;
    vk_str query;       /* a part of an id, a name or an address, in any case (ASCII); empty: any */
    vk_str email_query; /* a part of an address */
    vk_str name_query;  /* a part of the first name, a blank and the last name */
    vk_auth_ask banned;
    /* Before and after these times, which do not count themselves; 0: any. Who never did it did it neither
     * before nor after. */
    int64_t created_after, created_before, active_after, active_before, sign_in_after, sign_in_before;
    vk_auth_order order;
    bool ascending;
    int64_t limit, offset; /* limit 1 to VK_AUTH_USERS_PAGE_MAX */
} vk_auth_user_filter;

/* VK_E_INVALID: a limit or an offset that cannot be. */
VK_MUSTCHECK vk_err vk_auth_users(vk_auth_db *db, vk_arena *a, const vk_auth_user_filter *f,
                                  const vk_auth_user **out_r, size_t *n_r);
/* How many there are in all, whatever page is asked for. */
VK_MUSTCHECK vk_err vk_auth_users_count(vk_auth_db *db, vk_arena *a, const vk_auth_user_filter *f,
                                        int64_t *n_r);

#endif
