/* Browsers and what they hold: a dev browser (known by the HMAC of its id) leads to a client, a client to its
 * sessions. The rules of when a client's `updated_ms` moves are the caller's (README.md). */
#ifndef VK_AUTH_CLIENTS_H
#define VK_AUTH_CLIENTS_H

#include "crypto/digest.h"
#include "services/auth/embedded/users.h"

enum {
    VK_AUTH_SESSION_DAYS = 7,
    VK_AUTH_ABANDON_DAYS = 30, /* also of browsers and clients that nobody uses */
    VK_AUTH_SESSIONS_PAGE_MAX = 500,
    /* What whoever asks can have made has a number, so that nobody fills the disk with it: above it the
     * oldest go, as they do after VK_AUTH_IDLE_DAYS. Rows are 0.1 to 0.3 KB, attempts up to 10 KB. */
    VK_AUTH_IDLE_DAYS = 7,           /* browsers that lead nowhere, clients without a session */
    VK_AUTH_IDLE_MAX = 100000,       /* of each of these two */
    VK_AUTH_ATTEMPTS_MAX = 32768,    /* of one build */
    VK_AUTH_USER_SESSIONS_MAX = 500, /* those that have ended go first */
    VK_AUTH_TIDY_EACH = 2048,        /* such rows between two rounds of vk_auth_tidy */
    VK_AUTH_TIDY_ROWS = 4096,        /* that one round takes from a table at most */
    VK_AUTH_AGENT_MAX = 256,         /* bytes of a User-Agent that are kept */
};

typedef struct vk_auth_client {
    char id[VK_AUTH_ID_MAX + 1];
    char last_session[VK_AUTH_ID_MAX + 1], sign_in[VK_AUTH_ID_MAX + 1],
        sign_up[VK_AUTH_ID_MAX + 1];              /* or "" */
    char last_strategy[VK_AUTH_STRATEGY_MAX + 1]; /* or "" */
    int64_t created_ms, updated_ms, used_ms;
} vk_auth_client;

/* In the database by these numbers. */
typedef enum vk_auth_status {
    VK_AUTH_ACTIVE = 0,
    VK_AUTH_ENDED = 1,
    VK_AUTH_REMOVED = 2,
    VK_AUTH_REPLACED = 3,
    VK_AUTH_REVOKED = 4,
    VK_AUTH_EXPIRED = 5,
    VK_AUTH_ABANDONED = 6,
    VK_AUTH_STATUSES
} vk_auth_status;

typedef struct vk_auth_session {
    char id[VK_AUTH_ID_MAX + 1], user[VK_AUTH_ID_MAX + 1];
    char client[VK_AUTH_ID_MAX + 1]; /* "": made by the Backend API */
    vk_auth_status status;           /* as stored: see vk_auth_session_status */
    int64_t verified_ms; /* when the person last proved who they are: at sign-in, or again (reverify.c) */
    int64_t last_active_ms, expire_ms, abandon_ms, created_ms, updated_ms;
    char agent[VK_AUTH_AGENT_MAX + 1]; /* User-Agent of its browser (agent.h), or "" */
} vk_auth_session;

const char *vk_auth_status_name(vk_auth_status s);
bool vk_auth_status_of(vk_str name, vk_auth_status *out_r);
/* What it is at that time: an active one expires and is abandoned by itself. */
vk_auth_status vk_auth_session_status(const vk_auth_session *s, int64_t now_ms);

/* A dev browser by the hash of its id. `client` empty: none yet. */
VK_MUSTCHECK vk_err vk_auth_browser_add(vk_auth_db *db, const uint8_t hash[VK_SHA256], vk_str client,
                                        int64_t now_ms);
/* Also its use. VK_E_NOT_FOUND. */
VK_MUSTCHECK vk_err vk_auth_browser_put(vk_auth_db *db, const uint8_t hash[VK_SHA256], vk_str client,
                                        int64_t now_ms);
/* Its client, "" when there is none, and when it was used last. VK_E_NOT_FOUND. */
VK_MUSTCHECK vk_err vk_auth_browser_get(vk_auth_db *db, const uint8_t hash[VK_SHA256],
                                        char client_r[VK_AUTH_ID_MAX + 1], int64_t *used_ms_r);

/* The browsers that lead to the client lead nowhere any more. */
VK_MUSTCHECK vk_err vk_auth_browsers_leave(vk_auth_db *db, vk_str client);

VK_MUSTCHECK vk_err vk_auth_client_add(vk_auth_db *db, const vk_auth_client *c);
VK_MUSTCHECK vk_err vk_auth_client_put(vk_auth_db *db, const vk_auth_client *c);
VK_MUSTCHECK vk_err vk_auth_client_get(vk_auth_db *db, vk_str id, vk_auth_client *out_r);

/* A session of that user that begins now, with an id of its own, of no client; it is not stored. */
vk_auth_session vk_auth_session_new(const char user[VK_AUTH_ID_MAX + 1], int64_t now_ms);
/* Above VK_AUTH_USER_SESSIONS_MAX of its user the oldest go. */
VK_MUSTCHECK vk_err vk_auth_session_add(vk_auth_db *db, const vk_auth_session *s);
VK_MUSTCHECK vk_err vk_auth_session_put(vk_auth_db *db, const vk_auth_session *s);
VK_MUSTCHECK vk_err vk_auth_session_get(vk_auth_db *db, vk_str id, vk_auth_session *out_r);
/* Those of a client, a user, a status (-1: any); VK_STR_NONE: any. Oldest first, or newest first. */
typedef struct vk_auth_session_filter {
    vk_str client, user;
    int status;
    int64_t now_ms; /* `status` is what it is at that time (vk_auth_session_status); 0: as stored */
    bool newest_first;
    int64_t limit, offset; /* limit 1 to VK_AUTH_SESSIONS_PAGE_MAX */
} vk_auth_session_filter;
VK_MUSTCHECK vk_err vk_auth_sessions(vk_auth_db *db, vk_arena *a, const vk_auth_session_filter *f,
                                     const vk_auth_session **out_r, size_t *n_r);
/* How many there are in all, whatever page is asked for. */
VK_MUSTCHECK vk_err vk_auth_sessions_count(vk_auth_db *db, const vk_auth_session_filter *f, int64_t *n_r);
/* Ends the active sessions of a client or a user (VK_STR_NONE: any, not both) but for one (or VK_STR_NONE).
 */
VK_MUSTCHECK vk_err vk_auth_sessions_end(vk_auth_db *db, vk_str client, vk_str user, vk_str but,
                                         vk_auth_status status, int64_t now_ms, int64_t *ended_r);

/* Takes out what is past its time or too much: browsers and clients that nobody used, sessions, attempts,
 * nonces; and tickets that expired VK_AUTH_ABANDON_DAYS ago, whatever came of them. So many rows at most that
 * nobody waits for long; *more_r: there is more. In a transaction. */
VK_MUSTCHECK vk_err vk_auth_tidy(vk_auth_db *db, int64_t now_ms, bool *more_r);
/* Whether so much has come since the last round that it is time for another. */
bool vk_auth_tidy_due(const vk_auth_db *db);

#endif
