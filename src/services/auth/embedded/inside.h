/* What the units of this folder share: the handle, the table of statements, binding and reading. */
#ifndef VK_AUTH_INSIDE_H
#define VK_AUTH_INSIDE_H

#include "services/auth/embedded/auth_db.h"
#include "services/auth/verification.h"

#include <sqlite3.h>

typedef enum vk_auth_q {
    VK_AUTH_Q_BEGIN,
    VK_AUTH_Q_COMMIT,
    VK_AUTH_Q_ROLLBACK,
    VK_AUTH_Q_USER_ADD,
    VK_AUTH_Q_USER_PUT,
    VK_AUTH_Q_USER_DROP,
    VK_AUTH_Q_USER,
    VK_AUTH_Q_USER_BY_EMAIL,
    VK_AUTH_Q_USERS,
    VK_AUTH_Q_USERS_COUNT,
    VK_AUTH_Q_EMAIL_ADD,
    VK_AUTH_Q_EMAIL_PUT,
    VK_AUTH_Q_EMAIL_DROP,
    VK_AUTH_Q_EMAIL,
    VK_AUTH_Q_EMAILS,
    VK_AUTH_Q_CLIENT_ADD,
    VK_AUTH_Q_CLIENT_PUT,
    VK_AUTH_Q_CLIENT,
    VK_AUTH_Q_BROWSER_ADD,
    VK_AUTH_Q_BROWSER_PUT,
    VK_AUTH_Q_BROWSERS_LEAVE,
    VK_AUTH_Q_BROWSER,
    VK_AUTH_Q_SESSION_ADD,
    VK_AUTH_Q_SESSION_TRIM,
    VK_AUTH_Q_SESSION_PUT,
    VK_AUTH_Q_SESSION,
    VK_AUTH_Q_SESSIONS, /* each of these two with the next two, by client and by user */
    VK_AUTH_Q_SESSIONS_CLIENT,
    VK_AUTH_Q_SESSIONS_USER,
    VK_AUTH_Q_SESSIONS_COUNT,
    VK_AUTH_Q_SESSIONS_COUNT_CLIENT,
    VK_AUTH_Q_SESSIONS_COUNT_USER,
    VK_AUTH_Q_SESSIONS_END,
    VK_AUTH_Q_ATTEMPT_ADD,
    VK_AUTH_Q_ATTEMPT_PUT,
    VK_AUTH_Q_ATTEMPTS_LEAVE,
    VK_AUTH_Q_ATTEMPT,
    VK_AUTH_Q_TIDY_ATTEMPTS,
    VK_AUTH_Q_TIDY_BROWSERS,
    VK_AUTH_Q_TIDY_BROWSERS_IDLE,
    VK_AUTH_Q_TIDY_CLIENTS,
    VK_AUTH_Q_TIDY_CLIENTS_IDLE,
    VK_AUTH_Q_TIDY_SESSIONS,
    VK_AUTH_Q_NONCE_ADD,
    VK_AUTH_Q_NONCE_TAKE,
    VK_AUTH_Q_TIDY_NONCES,
    VK_AUTH_Q_OUTBOX_ADD,
    VK_AUTH_Q_OUTBOX_TRIM,
    VK_AUTH_Q_OUTBOX,
    VK_AUTH_Q_TICKET_ADD,
    VK_AUTH_Q_TICKET_PUT,
    VK_AUTH_Q_TICKET,
    VK_AUTH_Q_TICKET_BY_HASH,
    VK_AUTH_Q_TICKET_PENDING,
    VK_AUTH_Q_TICKETS,
    VK_AUTH_Q_TICKETS_COUNT,
    VK_AUTH_Q_TIDY_TICKETS,
    VK_AUTH_Q_KEY_ADD,
    VK_AUTH_Q_KEY,
    VK_AUTH_QS
} vk_auth_q;

struct vk_auth_db {
    sqlite3 *db;
    char build[64];
    sqlite3_stmt *st[VK_AUTH_QS];
    size_t added; /* rows since the last vk_auth_tidy that whoever asks can have made (vk_auth_tidy_due) */
};

/* The statement, reset, with its values bound. One character a value: s vk_str (NULL when its p is NULL), z
 * const char * (NULL allowed), b vk_str as BLOB, i int64_t, o int64_t of which 0 is NULL. What they view must
 * last until the statement is reset. NULL: it cannot be prepared, which the calls below report. */
sqlite3_stmt *vk_auth_st(vk_auth_db *db, vk_auth_q q, const char *types, ...);
/* Runs a statement that gives no row. *changed_r (may be NULL): rows that it touched. */
VK_MUSTCHECK vk_err vk_auth_run(vk_auth_db *db, sqlite3_stmt *st, int64_t *changed_r);
/* The same, for a change of one row: VK_E_NOT_FOUND when there was none. */
VK_MUSTCHECK vk_err vk_auth_run_one(vk_auth_db *db, sqlite3_stmt *st);
/* The next row: VK_OK, or VK_E_NOT_FOUND at the end. The statement is reset on everything but VK_OK. */
VK_MUSTCHECK vk_err vk_auth_row(vk_auth_db *db, sqlite3_stmt *st);
/* Ends reading. */
void vk_auth_done(sqlite3_stmt *st);

/* A column of the row: a copy in the arena; VK_STR_NONE when it is NULL. *e becomes VK_E_NOMEM. */
vk_str vk_auth_col(sqlite3_stmt *st, int i, vk_arena *a, vk_err *e);
/* A text of ours into a fixed place; *e becomes VK_E_CORRUPT when it is too long. */
void vk_auth_col_id(sqlite3_stmt *st, int i, char *out, size_t room, vk_err *e);
/* The five columns of a verification from `i` on: v_state to v_code. VK_E_CORRUPT. */
VK_MUSTCHECK vk_err vk_auth_col_verification(sqlite3_stmt *st, int i, vk_auth_verification *out_r);

#endif
