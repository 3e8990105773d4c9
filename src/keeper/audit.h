/* The audit log: what was done with an organisation's key. Two records a use: the intent, which is on stable
 * storage before the key leaves keeper, and the outcome. Written by keeper only, into <data>/audit/; read by
 * anybody who may read the files (keeper/audit_read.h), with no secret in them.
 *
 * Files are audit/<number, 10 digits>.log, of some 16 MiB each. Records are chained over all files; an epoch
 * ends after 10 minutes or 10,000 records, with a signed checkpoint. Bytes of a record and of a file:
 * keeper/audit_record.h; the ratchet of the epoch keys: keeper/audit_key.h; what happens when a write fails:
 * keeper/audit_file.h. All of it for people: docs/SECURITY.md.
 *
 * One thread writes. What waits while it writes goes to the disk together, with one sync. Where no sync is
 * wanted for a use, the loop writes it itself (vk_audit_write_now). */
#ifndef VK_KEEPER_AUDIT_H
#define VK_KEEPER_AUDIT_H

#include "core/base.h"
#include "net/loop.h"

typedef struct vk_audit vk_audit;

enum {
    VK_AUDIT_TEXT = 64,
    VK_AUDIT_WAITING = 4096, /* records that wait for the disk; then VK_E_BUSY */
    VK_AUDIT_WHY = 400,
    VK_AUDIT_LATE_MS = 20, /* until an entry that nobody waits for is written, when no other one comes; on the
                            * loop's wheel, so up to VK_TICK_MS more */
    VK_AUDIT_EPOCH_MS = 10 * 60 * 1000, /* from the first record of an epoch to its checkpoint */
    VK_AUDIT_EPOCH_RECORDS = 10000,
    VK_AUDIT_FILE_BYTES = 16 << 20, /* then the next file begins */
    VK_AUDIT_KEEP_DAYS = 400,       /* files that are older are removed, and the log says so */
    VK_AUDIT_KEEP_FILES = 4,        /* but never the newest ones */
    VK_AUDIT_AUDITOR = 32,          /* X25519 public key */
};

/* The numbers are on disk. */
typedef enum vk_audit_kind {
    VK_AUDIT_START, /* keeper began */
    VK_AUDIT_INTENT,
    VK_AUDIT_OUTCOME,
    VK_AUDIT_CHANGE, /* of keys: set, checked, rotated, removed; of a binding: "binding.stripe payments.17…"
                      * (the build's generation) names the version by which orders are made from then on */
    VK_AUDIT_EPOCH,  /* a checkpoint */
    VK_AUDIT_GAP,    /* an earlier file could not be continued, or nothing could be written, and why */
    VK_AUDIT_FILE,   /* the first record of each file: public keys, and the sealed first epoch key */
    VK_AUDIT_VERSIONS, /* of the vault's records, repeated at the front of each file */
    VK_AUDIT_CLOCK,    /* the wall clock leapt */
    VK_AUDIT_KINDS
} vk_audit_kind;

typedef struct vk_audit_entry {
    /* ---- set by the caller; texts are cut at VK_AUDIT_TEXT - 1 */
    vk_audit_kind kind;
    uint64_t of; /* OUTCOME: the intent's seq */
    char build[33], service[17];
    char actor[VK_AUDIT_TEXT]; /* who: "key s 3fa9…" (the first 8 hex digits of the lookup hash), "admin" */
    char op[VK_AUDIT_TEXT];    /* "customers.create", "keys.set stripe" */
    char host[VK_AUDIT_TEXT];  /* where to */
    uint8_t key_ref[8];        /* of the org key: HMAC id, the same as long as the value is */
    uint64_t rec_version;      /* of its record in the vault, or of the binding */
    int32_t result;            /* OUTCOME: HTTP status, 0 none. CHANGE: vk_err */
    uint64_t sent, received;
    char upstream_id[VK_AUDIT_TEXT], trace[VK_AUDIT_TEXT]; /* the vendor's request id, and ours */
    /* ---- the log's */
    uint64_t seq; /* from `durable` on */
    vk_task task;
    struct vk_audit_entry *next;
    vk_err err;
    /* On the place's loop, in the order of writing. VK_OK: the record is on stable storage
     * (written, without vk_audit_place.sync); VK_E_UNAVAILABLE: it could not be written and does not count.
     * NULL: nobody waits (OUTCOME); then the entry is copied. Otherwise it is the caller's memory, untouched,
     * until then. */
    void (*durable)(struct vk_audit_entry *e, vk_err err);
    void *arg;
} vk_audit_entry;

typedef struct vk_audit_state {
    bool sealed;            /* no use of a key can be written: nothing is forwarded */
    bool damaged;           /* what lay there at the start did not hold together: `valetkey audit verify` */
    char why[VK_AUDIT_WHY]; /* of the one or the other: what happened and what to do. "": all is well */
    uint64_t seq, epoch;    /* the last durable record; the epoch now */
    /* Since the start. `refused`: uses for want of a log; `files`: that had to be left (GAP). */
    uint64_t syncs, records, refused, files;
    int64_t file_bytes, reserve_bytes; /* of the file now; allocated behind its end */
    bool low;                          /* the disk is nearly full */
    bool sink;                         /* checkpoints go to a second place */
    uint64_t sink_lost;                /* those that did not get there */
    char sink_why[VK_AUDIT_WHY];       /* the last reason; "": the last one did */
    uint8_t public_key[32];            /* Ed25519, of the checkpoints */
    bool auditor;                      /* the first epoch key is sealed to somebody */
} vk_audit_state;

typedef struct vk_audit_place {
    vk_loop *loop;      /* where `durable` is called */
    int data_fd;        /* of the data folder */
    int dir_fd;         /* of its audit/, opened by whoever could; -1: made and opened below data_fd */
    bool sync;          /* false: intents are written, not synced, before a key is used (--audit-sync off) */
    const uint8_t *key; /* 32 bytes of the vault: signs checkpoints, and seals the epoch key between starts */
    const char *checkpoints; /* a file elsewhere to which checkpoints go too; NULL or "" */
    const uint8_t *auditor;  /* VK_AUDIT_AUDITOR bytes to which the first epoch key is sealed; NULL */
    int64_t keep_ms;         /* 0: VK_AUDIT_KEEP_DAYS; < 0: for ever */
    /* Tests; 0: the usual ones. */
    int64_t epoch_ms, file_bytes, retry_ms, reserve_bytes, settle_ms;
    uint64_t epoch_records;
} vk_audit_place;

/* Opens the log and continues it: reads its last file to the end, begins a new epoch, writes START. What is
 * torn or damaged is left as it is, named in a GAP record, and a new file begins. A log that cannot be
 * written, or a checkpoint file that fills up later, opens all the same, sealed. VK_E_INVALID: the checkpoint
 * file cannot be written at all; VK_E_NEWER: of a newer program; VK_E_NOMEM, VK_E_FORBIDDEN, VK_E_IO: the
 * folder cannot be read; `why` is a sentence. While another process still writes the log (a restart) what is
 * asked waits for it, for VK_AL_NO_TURN_MS; then it is sealed until that one has ended. As the user who
 * writes later, before the fence; then, since this makes threads, vk_audit_start after it. */
VK_MUSTCHECK vk_err vk_audit_prepare(const vk_audit_place *at, vk_audit **out_r, char why[VK_AUDIT_WHY]);
VK_MUSTCHECK vk_err vk_audit_start(vk_audit *a);
/* On the loop. `durable` is called later, never inside. VK_E_BUSY: too many wait; VK_E_UNAVAILABLE: it is
 * sealed (an OUTCOME or a CHANGE is taken while there is reserve); VK_E_NOMEM. On
 * an error nothing was written and `durable` is not called. */
VK_MUSTCHECK vk_err vk_audit_write(vk_audit *a, vk_audit_entry *e);
/* An INTENT on the loop itself, where nothing has to be synced for it (vk_audit_place.sync false): a use does
 * without two threads that wake each other. VK_OK: it is written, `durable` is not called. VK_AGAIN: that
 * cannot be now, vk_audit_write does it; VK_E_UNAVAILABLE. */
VK_MUSTCHECK vk_err vk_audit_write_now(vk_audit *a, vk_audit_entry *e);
/* From any thread. */
void vk_audit_state_of(vk_audit *a, vk_audit_state *out);
/* The last rec_version that the log names for a record of the vault ("stripe", "build/shop/turso"); 0: none.
 * It is that of the last CHANGE with a rec_version whose op ends in the vendor's name ("keys.set stripe") and
 * whose build is that one ("": the organisation's). Known from vk_audit_prepare on, so that an older vault
 * that was put back is noticed. On the loop, or before vk_audit_start. */
uint64_t vk_audit_version_of(vk_audit *a, vk_str record);
/* Writes what waits, a checkpoint, and ends the threads. Entries whose `durable` has not been called by then
 * are called with VK_E_UNAVAILABLE or their result on the loop's next turn, if it runs again. Also after
 * vk_audit_prepare alone; NULL is fine. */
void vk_audit_end(vk_audit *a);

#endif
