/* payments.db, one a build: documents with the keys they are found by, idempotent answers, deliveries of
 * events. Used by one thread at a time: the build's strand. Statements are prepared once a connection. WAL,
 * synchronous=FULL, and the file is locked for as long as it is open: no other process reads it meanwhile.
 *
 * Errors of all calls: VK_E_FULL: the disk, or the build's quota. VK_E_IO, VK_E_CORRUPT, VK_E_NOMEM,
 * VK_E_BUSY: another process has the file. All are logged here. */
#ifndef VK_PAY_DB_H
#define VK_PAY_DB_H

#include "core/arena.h"
#include "core/buf.h"

typedef struct vk_pay_db vk_pay_db;

enum {
    VK_PAY_IDEMPOTENT_MS = 24 * 3600 * 1000,
    VK_PAY_EVENTS_DAYS = 30,
    VK_PAY_BODIES_DAYS = 3,          /* the bytes of a delivery that is settled */
    VK_PAY_DOC_MAX = 512 * 1024,     /* bytes of a document; VK_E_TOO_LARGE beyond, as with the next ones */
    VK_PAY_ANSWER_MAX = 4 << 20,     /* of an idempotent answer, and of a delivery */
    VK_PAY_DOC_KEYS_MAX = 128,       /* keys of one document */
    VK_PAY_KEY_VALUE_MAX = 2048,     /* bytes */
    VK_PAY_ASK_KEYS_MAX = 8,         /* of a list */
    VK_PAY_VALUES_MAX = 100,         /* values of its first key */
    VK_PAY_QUOTA = 1 << 30,          /* bytes that the file's rows take; VK_E_FULL beyond */
    VK_PAY_TIDY_STEP = 200,          /* rows of each kind that one vk_pay_tidy takes out */
    VK_PAY_FILE_MAX = INT32_MAX / 2, /* bytes of the file, a little more than the quota */
};

/* Opens `path`, and makes or migrates it. `build` for the log. VK_E_NEWER: a later valetkey wrote it. After
 * vk_sqlite_init. Owner: the caller, until vk_pay_db_close. */
VK_MUSTCHECK vk_err vk_pay_db_open(const char *path, const char *build, vk_pay_db **out_r);
/* NULL is allowed. What is open is undone. */
void vk_pay_db_close(vk_pay_db *db);
/* All of it into the empty file `to`, as one file (store/copy.h); not within a transaction. */
VK_MUSTCHECK vk_err vk_pay_db_copy(vk_pay_db *db, const char *to);

/* A transaction, within which each call is a part of its own. begin … (mark, keep or drop)* … end or undo.
 * Whatever changes something is called between begin and end, with or without a mark.
 *
 * Little memory or a full disk can undo more than the statement that met it: all of the transaction, parts
 * that were kept with it. From then on every change, mark, keep and end answer that error, so that nothing is
 * written on its own; end, undo or the next begin is the way out of it. A quota that is full fails one change
 * and no more. */
VK_MUSTCHECK vk_err vk_pay_db_begin(vk_pay_db *db);
VK_MUSTCHECK vk_err vk_pay_db_mark(vk_pay_db *db);
VK_MUSTCHECK vk_err vk_pay_db_keep(vk_pay_db *db);
/* Undoes what came since the mark. */
void vk_pay_db_drop(vk_pay_db *db);
/* VK_OK: it is on stable storage. On an error nothing of it is there (or it may come back after a crash: the
 * caller answers with an error and nothing follows from it); no transaction is open then either. */
VK_MUSTCHECK vk_err vk_pay_db_end(vk_pay_db *db);
/* Without a transaction: nothing. */
void vk_pay_db_undo(vk_pay_db *db);
/* A transaction is open: false also when it was undone before its end. */
bool vk_pay_db_open_part(const vk_pay_db *db);

/* ---- documents: JSON texts. `kind` is the resource's object name. */

typedef struct vk_pay_row {
    int64_t seq; /* order of creation; 0: not stored yet */
    vk_str id, kind, body;
    int64_t created; /* unix seconds */
    bool deleted;
} vk_pay_row;

typedef struct vk_pay_key {
    const char *name; /* "customer" */
    vk_str value;
} vk_pay_key;

/* Inserts, or replaces the one of that id; only keys that changed are written. row->seq 0 says that it is
 * new most likely; afterwards it is the document's. One keeps the seq and the `created` that it got first.
 * What is deleted is found by no key, whatever `keys` are; keys without a value (VK_STR_NONE) are none, and
 * the same one twice counts once. VK_E_TOO_LARGE. VK_E_CONFLICT: the id is another kind's. */
VK_MUSTCHECK vk_err vk_pay_doc_put(vk_pay_db *db, vk_pay_row *row, const vk_pay_key *keys, size_t n);
/* VK_E_NOT_FOUND. Texts in the arena. */
VK_MUSTCHECK vk_err vk_pay_doc_get(vk_pay_db *db, vk_arena *a, vk_str id, vk_pay_row *out_r);
/* Takes it out, with its keys. VK_E_NOT_FOUND. */
VK_MUSTCHECK vk_err vk_pay_doc_del(vk_pay_db *db, vk_str id);

typedef struct vk_pay_ask {
    const char *kind;
    vk_pay_key keys[VK_PAY_ASK_KEYS_MAX]; /* all must match */
    size_t n_keys;
    const vk_str *any; /* with n_any: the value of keys[0] is one of these, and its own is not looked at */
    size_t n_any;
    int64_t created_from, created_to; /* inclusive; created_to 0: no bound */
    int64_t after, before;            /* seq: older than `after`, newer than `before`; 0: no bound */
    bool oldest_first;                /* of those that match, which come first when there are more (before) */
    bool deleted;                     /* with those that are deleted; no keys then */
} vk_pay_ask;
/* Calls `one` for each, newest first (with oldest_first: oldest first), until it says false. The order is
 * that of `created`, and of seq in one second. Each step costs a look into an index or two per key; with
 * several keys it goes along the one that the fewest have. The row's texts last until `one` returns, which
 * may call vk_pay_doc_get and vk_pay_delivery_list, and otherwise not use the database. VK_E_NOT_FOUND:
 * `after` or `before` is no document. VK_E_TOO_LARGE: n_keys, n_any. */
VK_MUSTCHECK vk_err vk_pay_doc_list(vk_pay_db *db, const vk_pay_ask *ask,
                                    bool (*one)(void *arg, const vk_pay_row *row), void *arg);
/* Those that are not deleted. Reads an index entry each: not for every call. */
VK_MUSTCHECK vk_err vk_pay_doc_count(vk_pay_db *db, const char *kind, int64_t *out_r);

/* ---- idempotent answers */

typedef struct vk_pay_idem {
    uint8_t hash[32]; /* of method, path, parameters, account */
    int status;
    vk_str body, request_id;
} vk_pay_idem;
/* VK_E_NOT_FOUND: there is none, or it is older than VK_PAY_IDEMPOTENT_MS. Texts in the arena. */
VK_MUSTCHECK vk_err vk_pay_idem_get(vk_pay_db *db, vk_arena *a, vk_str key, int64_t now_ms,
                                    vk_pay_idem *out_r);
/* Replaces one that is there. */
VK_MUSTCHECK vk_err vk_pay_idem_put(vk_pay_db *db, vk_str key, int64_t now_ms, const vk_pay_idem *v);

/* ---- small things by name: the build's default version. What was read once costs no I/O. */
VK_MUSTCHECK vk_err vk_pay_set(vk_pay_db *db, const char *name, vk_str value);
VK_MUSTCHECK vk_err vk_pay_setting(vk_pay_db *db, vk_arena *a, const char *name,
                                   vk_str *out_r); /* VK_E_NOT_FOUND */

/* ---- the ledger: which ids of an account that builds share at Stripe are this build's (stripe/ids.h) */
VK_MUSTCHECK vk_err vk_pay_owned(vk_pay_db *db, vk_str key, bool *has_r);
/* Once more is nothing. */
VK_MUSTCHECK vk_err vk_pay_owned_put(vk_pay_db *db, vk_str key, int64_t now_ms);

/* ---- deliveries of events: one row an event and endpoint */

typedef struct vk_pay_delivery {
    int64_t id;
    vk_str event, endpoint;     /* ids; endpoint "default": the build's own origin and path */
    vk_str url, body;           /* the exact bytes; body VK_STR_NONE: settled and past VK_PAY_BODIES_DAYS */
    int64_t created_ms, due_ms; /* due_ms 0: settled */
    int tries;
    int status;  /* of the last try; 0: none came */
    vk_str note; /* why it failed, or the first bytes of the answer; VK_STR_NONE */
    bool delivered;
} vk_pay_delivery;
VK_MUSTCHECK vk_err vk_pay_delivery_add(vk_pay_db *db, const vk_pay_delivery *d, int64_t *id_r);
/* By id: due_ms, tries, status, note, delivered; a body only when it has one. VK_E_NOT_FOUND. */
VK_MUSTCHECK vk_err vk_pay_delivery_set(vk_pay_db *db, const vk_pay_delivery *d);
/* VK_E_NOT_FOUND. Texts in the arena. */
VK_MUSTCHECK vk_err vk_pay_delivery_get(vk_pay_db *db, vk_arena *a, int64_t id, vk_pay_delivery *out_r);
/* Those of an endpoint that are due at `now_ms`, until `one` says false: never tried, in the order in which
 * they were made; or with `again`, tried before, the longest due first. Here and below the texts last until
 * `one` returns, which may not use the database. */
VK_MUSTCHECK vk_err vk_pay_delivery_due(vk_pay_db *db, vk_str endpoint, bool again, int64_t now_ms,
                                        bool (*one)(void *arg, const vk_pay_delivery *d), void *arg);
/* Settles what an endpoint has still to get: nothing more of it is due. */
VK_MUSTCHECK vk_err vk_pay_delivery_end(vk_pay_db *db, vk_str endpoint);
/* Of an event in order (VK_STR_NONE: of all, the newest first). */
VK_MUSTCHECK vk_err vk_pay_delivery_list(vk_pay_db *db, vk_str event,
                                         bool (*one)(void *arg, const vk_pay_delivery *d), void *arg);
/* How many of an event are not settled. */
VK_MUSTCHECK vk_err vk_pay_delivery_pending(vk_pay_db *db, vk_str event, int64_t *out_r);

/* ---- what is due at a time */

/* When something is due next: deliveries, and what vk_pay_due_put names. INT64_MAX: nothing. */
VK_MUSTCHECK vk_err vk_pay_next_due(vk_pay_db *db, int64_t *at_ms_r);
/* The same of deliveries alone. */
VK_MUSTCHECK vk_err vk_pay_next_delivery(vk_pay_db *db, int64_t *at_ms_r);
/* One time an id; 0: no more. */
VK_MUSTCHECK vk_err vk_pay_due_put(vk_pay_db *db, vk_str id, int64_t at_ms);
/* Those due at `now_ms`, the longest due first. */
VK_MUSTCHECK vk_err vk_pay_due_list(vk_pay_db *db, int64_t now_ms, bool (*one)(void *arg, vk_str id),
                                    void *arg);

/* Takes out what is past its time, VK_PAY_TIDY_STEP rows of each kind at most; *more_r: there is more. Events
 * go with their deliveries. In a transaction. */
VK_MUSTCHECK vk_err vk_pay_tidy(vk_pay_db *db, int64_t now_ms, bool *more_r);

#endif
