/* Tickets: what somebody may sign in or sign up with, once: sign-in tokens, which the app's server asks for a
 * user, and invitations, which it sends to an address. Known by the HMAC of the text. */
#ifndef VK_AUTH_TICKETS_H
#define VK_AUTH_TICKETS_H

#include "crypto/digest.h"
#include "services/auth/email.h"
#include "services/auth/embedded/auth_db.h"
#include "services/auth/ids.h"

enum { VK_AUTH_TICKETS_PAGE_MAX = 500, VK_AUTH_TICKET_URL_MAX = 2048 };

/* In the database by these numbers. */
typedef enum vk_auth_tkind { VK_AUTH_T_INVITATION = 0, VK_AUTH_T_SIGN_IN = 1 } vk_auth_tkind;
typedef enum vk_auth_tstatus {
    VK_AUTH_T_PENDING = 0,
    VK_AUTH_T_ACCEPTED = 1,
    VK_AUTH_T_REVOKED = 2,
    VK_AUTH_T_EXPIRED = 3, /* never stored: see vk_auth_ticket_status */
    VK_AUTH_T_STATUSES
} vk_auth_tstatus;

typedef struct vk_auth_ticket {
    char id[VK_AUTH_ID_MAX + 1]; /* inv_, sit_ */
    vk_auth_tkind kind;
    vk_auth_tstatus status; /* as stored */
    uint8_t hash[VK_SHA256];
    char user[VK_AUTH_ID_MAX + 1];       /* of a sign-in token; of an invitation who accepted it; or "" */
    char address[VK_AUTH_EMAIL_MAX + 1]; /* of an invitation, else "" */
    vk_str public_metadata;              /* a JSON object: what the new user gets; VK_STR_NONE: none */
    vk_str redirect_url;                 /* VK_STR_NONE: none */
    int64_t created_ms, updated_ms, expire_ms;
} vk_auth_ticket;

/* "pending", "accepted", "revoked", "expired". */
const char *vk_auth_tstatus_name(vk_auth_tstatus s);
bool vk_auth_tstatus_of(vk_str name, vk_auth_tstatus *out_r);
vk_auth_tstatus vk_auth_ticket_status(const vk_auth_ticket *t, int64_t now_ms);

/* VK_E_CONFLICT: the id or the hash is taken. VK_E_INVALID: "expired" is never stored. */
VK_MUSTCHECK vk_err vk_auth_ticket_add(vk_auth_db *db, const vk_auth_ticket *t);
/* Status, user, updated_ms. VK_E_NOT_FOUND; VK_E_INVALID as above. */
VK_MUSTCHECK vk_err vk_auth_ticket_put(vk_auth_db *db, const vk_auth_ticket *t);
VK_MUSTCHECK vk_err vk_auth_ticket_get(vk_auth_db *db, vk_arena *a, vk_str id, vk_auth_ticket *out_r);
VK_MUSTCHECK vk_err vk_auth_ticket_by_hash(vk_auth_db *db, vk_arena *a, const uint8_t hash[VK_SHA256],
                                           vk_auth_ticket *out_r);
/* The newest invitation of an address (as vk_auth_email writes it) that may still be accepted.
 * VK_E_NOT_FOUND. */
VK_MUSTCHECK vk_err vk_auth_ticket_pending(vk_auth_db *db, vk_arena *a, vk_str address, int64_t now_ms,
                                           vk_auth_ticket *out_r);
/* Those of a kind, newest first, or oldest first. */
enum { VK_AUTH_T_ANY = -1, VK_AUTH_T_NOT_REVOKED = -2 };
typedef struct vk_auth_ticket_filter {
    vk_auth_tkind kind;
    int status; /* a vk_auth_tstatus, as it is at that time, or one of the two above */
    int64_t now_ms;
    vk_str query; /* a part of the id or the address, in lower case; empty: any */
    bool oldest_first;
    int64_t limit, offset; /* limit 1 to VK_AUTH_TICKETS_PAGE_MAX */
} vk_auth_ticket_filter;
/* *total_r: how many there are in all. VK_E_INVALID: a limit, an offset or a status that cannot be. */
VK_MUSTCHECK vk_err vk_auth_tickets(vk_auth_db *db, vk_arena *a, const vk_auth_ticket_filter *f,
                                    const vk_auth_ticket **out_r, size_t *n_r, int64_t *total_r);

#endif
