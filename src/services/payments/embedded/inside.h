/* What the units of payments.db share: the handle, the table of statements, binding and reading. */
#ifndef VK_PAY_DB_INSIDE_H
#define VK_PAY_DB_INSIDE_H

#include "services/payments/embedded/payments_db.h"

#include <sqlite3.h>

typedef enum vk_pay_q {
    VK_PAY_Q_BEGIN,
    VK_PAY_Q_COMMIT,
    VK_PAY_Q_ROLLBACK,
    VK_PAY_Q_MARK,
    VK_PAY_Q_KEEP,
    VK_PAY_Q_BACK,
    VK_PAY_Q_PAGES,
    VK_PAY_Q_FREE,
    VK_PAY_Q_DOC_ADD,
    VK_PAY_Q_DOC_PUT,
    VK_PAY_Q_DOC_DROP,
    VK_PAY_Q_DOC,
    VK_PAY_Q_DOC_KEYS,
    VK_PAY_Q_DOC_AT,
    VK_PAY_Q_DOC_CREATED,
    VK_PAY_Q_DOC_COUNT,
    VK_PAY_Q_KEY_ADD,
    VK_PAY_Q_KEY_DROP,
    VK_PAY_Q_KEY_HAS,
    VK_PAY_Q_KEY_ABOUT,
    VK_PAY_Q_IDEM,
    VK_PAY_Q_IDEM_PUT,
    VK_PAY_Q_SET,
    VK_PAY_Q_SETTING,
    VK_PAY_Q_DELIVERY_ADD,
    VK_PAY_Q_DELIVERY_SET,
    VK_PAY_Q_DELIVERY,
    VK_PAY_Q_DELIVERIES_FIRST,
    VK_PAY_Q_DELIVERIES_AGAIN,
    VK_PAY_Q_DELIVERIES_END,
    VK_PAY_Q_DELIVERIES_OF,
    VK_PAY_Q_DELIVERIES,
    VK_PAY_Q_DELIVERIES_PENDING,
    VK_PAY_Q_BODY_PUT,
    VK_PAY_Q_OWNED,
    VK_PAY_Q_OWNED_PUT,
    VK_PAY_Q_DUE_NEXT,
    VK_PAY_Q_DELIVERY_NEXT,
    VK_PAY_Q_DUE_PUT,
    VK_PAY_Q_DUE_DROP,
    VK_PAY_Q_DUE,
    VK_PAY_Q_TIDY_IDEM,
    VK_PAY_Q_TIDY_BODIES,
    VK_PAY_Q_TIDY_BODIES_OF,
    VK_PAY_Q_TIDY_DELIVERIES_OF,
    VK_PAY_Q_TIDY_EVENTS,
    VK_PAY_QS
} vk_pay_q;

enum {
    VK_PAY_WAYS_KEPT = 8, /* statements along an index that stay prepared, of each direction */
    VK_PAY_OWN_KEYS_MAX = VK_PAY_DOC_KEYS_MAX + 1,
    VK_PAY_SETTINGS_KEPT = 8,       /* in memory, */
    VK_PAY_SETTING_KEPT_MAX = 4096, /* of so many bytes */
};

/* Every document has one more key, by which lists of all of a kind go: of name "" and with one of these
 * values. */
#define VK_PAY_HERE ""
#define VK_PAY_GONE "deleted"

/* A setting that was read. */
typedef struct vk_pay_kept {
    char name[24];
    char *value; /* on the heap; NULL: there is no such setting */
    size_t n;
} vk_pay_kept;

struct vk_pay_db {
    sqlite3 *db;
    char build[64];
    bool open;           /* a transaction */
    bool part;           /* …and a mark in it */
    vk_err lost;         /* what undid it before its end */
    int64_t used, quota; /* bytes that the rows take: never less than they do (vk_pay_room); VK_PAY_QUOTA */
    vk_buf keys, had;
    sqlite3_stmt *st[VK_PAY_QS];
    sqlite3_stmt *ways[2][VK_PAY_VALUES_MAX]; /* [oldest first]: several of one may be under way at a time */
    vk_pay_kept kept[VK_PAY_SETTINGS_KEPT];
    size_t n_kept;
};

extern const char *const vk_pay_sql[VK_PAY_QS];
extern const char *const vk_pay_ways_sql[2];

/* The statement, with its values bound. One character a value: s vk_str as TEXT (NULL when its p is NULL), b
 * as BLOB, z const char *, i int64_t. What they view must last until the statement is reset. NULL: it cannot
 * be prepared, which the calls below report. */
sqlite3_stmt *vk_pay_st(vk_pay_db *db, vk_pay_q q, const char *types, ...);
void vk_pay_bind(sqlite3_stmt *st, const char *types, ...);
/* Runs a statement that changes something and gives no row. *changed_r (may be NULL): rows that it touched.
 * VK_E_CONFLICT: what must be there once is there already; that is not logged. */
VK_MUSTCHECK vk_err vk_pay_change(vk_pay_db *db, sqlite3_stmt *st, int64_t *changed_r);
/* The next row: VK_OK, or VK_E_NOT_FOUND at the end. The statement is reset on everything but VK_OK. */
VK_MUSTCHECK vk_err vk_pay_next(vk_pay_db *db, sqlite3_stmt *st);
/* Ends reading. */
void vk_pay_done(sqlite3_stmt *st);
/* The error of the connection as one of ours, logged; a transaction that SQLite undid is lost. */
vk_err vk_pay_failed(vk_pay_db *db, int rc);
/* Whether a transaction is open and sound: what undid it, or VK_E_INTERNAL without one. */
VK_MUSTCHECK vk_err vk_pay_sound(const vk_pay_db *db);
/* A change of about `n` bytes may begin: as vk_pay_sound, and the quota has room for it. VK_E_FULL. */
VK_MUSTCHECK vk_err vk_pay_room(vk_pay_db *db, size_t n);

/* settings.c: what is kept in memory may not be in the file any more. */
void vk_pay_settings_forget(vk_pay_db *db);

/* A column of the row, until the statement goes on; VK_STR_NONE when it is NULL. */
vk_str vk_pay_view(sqlite3_stmt *st, int i);
/* A copy of it in the arena. *e becomes VK_E_NOMEM. */
vk_str vk_pay_col(sqlite3_stmt *st, int i, vk_arena *a, vk_err *e);

#endif
