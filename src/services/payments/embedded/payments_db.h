/* payments.db, one a build: documents with the keys they are found by, idempotent answers, deliveries of
 * events. Only on the build's strand. Statements are prepared once a connection. WAL, synchronous=FULL,
 * exclusive locking. Errors: VK_E_FULL, VK_E_IO, VK_E_CORRUPT, VK_E_NOMEM, VK_E_NEWER; all may be logged by
 * it. */
#ifndef VK_PAY_DB_H
#define VK_PAY_DB_H

#include "core/arena.h"
#include "core/buf.h"

typedef struct vk_pay_db vk_pay_db;

enum {
    VK_PAY_IDEMPOTENT_MS = 24 * 3600 * 1000,
    VK_PAY_EVENTS_DAYS = 30,
    VK_PAY_DOC_MAX = 512 * 1024, /* bytes of a document */
    VK_PAY_QUOTA = 1 << 30,      /* bytes of the file; VK_E_FULL beyond */
};

VK_MUSTCHECK vk_err vk_pay_db_open(const char *path, const char *build, vk_pay_db **out_r);
void vk_pay_db_close(vk_pay_db *db);
/* All pages, as they are now, into the empty file `to`; not synced, and outside of a transaction.
 * (vk_sqlite_copy_pages.) VK_E_FULL: no room for it. */
VK_MUSTCHECK vk_err vk_pay_db_copy(vk_pay_db *db, const char *to);

/* A transaction, within which each call is a part of its own. begin … (mark, keep or drop)* … end or undo. */
VK_MUSTCHECK vk_err vk_pay_db_begin(vk_pay_db *db);
VK_MUSTCHECK vk_err vk_pay_db_mark(vk_pay_db *db);
VK_MUSTCHECK vk_err vk_pay_db_keep(vk_pay_db *db);
void vk_pay_db_drop(vk_pay_db *db);
VK_MUSTCHECK vk_err vk_pay_db_end(vk_pay_db *db); /* VK_OK: it is on stable storage */
void vk_pay_db_undo(vk_pay_db *db);
bool vk_pay_db_open_part(const vk_pay_db *db); /* a transaction is open */

/* ---- documents: JSON texts. `kind` is the resource's object name. */

typedef struct vk_pay_row {
    int64_t seq; /* order of creation */
    vk_str id, kind, body;
    int64_t created; /* unix seconds */
    bool deleted;
} vk_pay_row;

typedef struct vk_pay_key {
    const char *name; /* "customer" */
    vk_str value;
} vk_pay_key;

/* Inserts or replaces; the keys replace those that it had. A new one gets the next seq. */
VK_MUSTCHECK vk_err vk_pay_doc_put(vk_pay_db *db, const vk_pay_row *row, const vk_pay_key *keys, size_t n);
/* VK_E_NOT_FOUND. Texts in the arena. */
VK_MUSTCHECK vk_err vk_pay_doc_get(vk_pay_db *db, vk_arena *a, vk_str id, vk_pay_row *out_r);
/* Takes it out, with its keys. VK_E_NOT_FOUND. */
VK_MUSTCHECK vk_err vk_pay_doc_del(vk_pay_db *db, vk_str id);

typedef struct vk_pay_ask {
    const char *kind;
    vk_pay_key
        keys[8]; /* all must match. Several values of one name: "a\0b\0" in `any` of that key's place */
    size_t n_keys;
    const vk_str *any; /* with n_any: keys[0].value is one of these */
    size_t n_any;
    int64_t created_from, created_to; /* inclusive; 0 and INT64_MAX: all */
    int64_t after, before;            /* seq: older than `after`, newer than `before`; 0: no bound */
    bool oldest_first;                /* of those that match, which come first when there are more (before) */
    bool deleted;                     /* with those that are deleted */
} vk_pay_ask;
/* Calls `one` for each, newest first (with oldest_first: oldest first), until it says false. `one` may not
 * change the database. */
VK_MUSTCHECK vk_err vk_pay_doc_list(vk_pay_db *db, const vk_pay_ask *ask,
                                    bool (*one)(void *arg, const vk_pay_row *row), void *arg);
VK_MUSTCHECK vk_err vk_pay_doc_count(vk_pay_db *db, const char *kind, int64_t *out_r);

/* ---- idempotent answers */

typedef struct vk_pay_idem {
    uint8_t hash[32]; /* of method, path, parameters, account */
    int status;
    vk_str body, request_id;
} vk_pay_idem;
VK_MUSTCHECK vk_err vk_pay_idem_get(vk_pay_db *db, vk_arena *a, vk_str key, int64_t now_ms,
                                    vk_pay_idem *out_r);
VK_MUSTCHECK vk_err vk_pay_idem_put(vk_pay_db *db, vk_str key, int64_t now_ms, const vk_pay_idem *v);

/* ---- small things by name: the build's default version, sequences */
VK_MUSTCHECK vk_err vk_pay_set(vk_pay_db *db, const char *name, vk_str value);
VK_MUSTCHECK vk_err vk_pay_setting(vk_pay_db *db, vk_arena *a, const char *name,
                                   vk_str *out_r); /* NOT_FOUND */

/* ---- deliveries of events: one row an event and endpoint */

typedef struct vk_pay_delivery {
    int64_t id;
    vk_str event, endpoint;     /* ids; endpoint "default": the build's own origin and path */
    vk_str url, body;           /* the exact bytes */
    int64_t created_ms, due_ms; /* due_ms 0: settled */
    int tries;
    int status;  /* of the last try; 0: none came */
    vk_str note; /* why it failed, or the first bytes of the answer */
    bool delivered;
} vk_pay_delivery;
VK_MUSTCHECK vk_err vk_pay_delivery_add(vk_pay_db *db, const vk_pay_delivery *d, int64_t *id_r);
VK_MUSTCHECK vk_err vk_pay_delivery_set(vk_pay_db *db,
                                        const vk_pay_delivery *d); /* by id: due, tries, status, note */
VK_MUSTCHECK vk_err vk_pay_delivery_get(vk_pay_db *db, vk_arena *a, int64_t id, vk_pay_delivery *out_r);
/* Due at `now_ms`, the oldest first. */
VK_MUSTCHECK vk_err vk_pay_delivery_due(vk_pay_db *db, int64_t now_ms,
                                        bool (*one)(void *arg, const vk_pay_delivery *d), void *arg);
/* Of an event (VK_STR_NONE: of all, the newest first). */
VK_MUSTCHECK vk_err vk_pay_delivery_list(vk_pay_db *db, vk_str event,
                                         bool (*one)(void *arg, const vk_pay_delivery *d), void *arg);
VK_MUSTCHECK vk_err vk_pay_delivery_pending(vk_pay_db *db, vk_str event, int64_t *out_r);
/* When something is due next: deliveries, and what vk_pay_due_put names. INT64_MAX: nothing. */
VK_MUSTCHECK vk_err vk_pay_next_due(vk_pay_db *db, int64_t *at_ms_r);
VK_MUSTCHECK vk_err vk_pay_due_put(vk_pay_db *db, vk_str id, int64_t at_ms); /* 0: no more */
VK_MUSTCHECK vk_err vk_pay_due_list(vk_pay_db *db, int64_t now_ms, bool (*one)(void *arg, vk_str id),
                                    void *arg);

/* Takes out what is past its time; *more_r: there is more. In a transaction. */
VK_MUSTCHECK vk_err vk_pay_tidy(vk_pay_db *db, int64_t now_ms, bool *more_r);

#endif
