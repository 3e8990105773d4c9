/* The audit log: what was done with an organisation's key. Two records a use: the intent, which is on stable
 * storage before the key leaves keeper, and the outcome. Written by keeper only, into <data>/audit/; read by
 * anybody who may read the files (keeper/audit_read.h), with no secret in them.
 *
 * Files are audit/<epoch, 10 digits>.log; an epoch ends after 10 minutes or 10,000 records, with a signed
 * checkpoint. Canonical bytes of a record, its chain, the ratchet of the epoch keys and what happens when a
 * write fails: docs/SECURITY.md. */
#ifndef VK_KEEPER_AUDIT_H
#define VK_KEEPER_AUDIT_H

#include "core/base.h"
#include "net/loop.h"

typedef struct vk_audit vk_audit;

enum {
    VK_AUDIT_TEXT = 64,
    VK_AUDIT_WAITING = 4096, /* records that wait for the disk; then VK_E_BUSY */
    VK_AUDIT_WHY = 400,
};

typedef enum vk_audit_kind {
    VK_AUDIT_START, /* keeper began */
    VK_AUDIT_INTENT,
    VK_AUDIT_OUTCOME,
    VK_AUDIT_CHANGE, /* of keys: set, checked, rotated, removed; of a build's driver */
    VK_AUDIT_EPOCH,  /* a checkpoint */
    VK_AUDIT_GAP,    /* an earlier file could not be continued, and why */
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
    uint64_t rec_version;      /* of its record in the vault */
    int32_t result;            /* OUTCOME: HTTP status; 0: none. CHANGE: vk_err */
    uint64_t sent, received;
    char upstream_id[VK_AUDIT_TEXT], trace[VK_AUDIT_TEXT]; /* the vendor's request id, and ours */
    /* ---- the log's */
    uint64_t seq; /* from `durable` on */
    vk_task task;
    struct vk_audit_entry *next;
    vk_err err;
    /* On the loop of vk_audit_open, in the order of writing: VK_OK, the record is on stable storage. NULL:
     * nobody waits (OUTCOME); then the entry was copied. The caller's memory until then. */
    void (*durable)(struct vk_audit_entry *e, vk_err err);
    void *arg;
} vk_audit_entry;

typedef struct vk_audit_state {
    bool sealed;            /* nothing can be written: nothing is forwarded */
    char why[VK_AUDIT_WHY]; /* then: what happened and what to do */
    uint64_t seq, epoch, syncs, records;
    int64_t file_bytes, reserve_bytes;
    bool low; /* the disk is nearly full */
} vk_audit_state;

typedef struct vk_audit_place {
    int data_fd;
    const char *data_dir;
    vk_loop *loop;
    bool sync;          /* false: intents are written, not synced, before a key is used (--audit-sync off) */
    const uint8_t *key; /* 32 bytes of the vault: seed of what signs checkpoints and of the first epoch key */
    const char *checkpoints; /* a file elsewhere to which checkpoints go too; NULL */
} vk_audit_place;

/* Opens the log and continues it: checks its last file to the end, begins a new epoch, writes START.
 * VK_E_CORRUPT: what is there does not hold together; `why` says where. A log that cannot be written opens
 * sealed. Before the fence: vk_audit_prepare; after it, since this makes a thread: vk_audit_start. */
VK_MUSTCHECK vk_err vk_audit_prepare(const vk_audit_place *at, vk_audit **out_r, char why[VK_AUDIT_WHY]);
VK_MUSTCHECK vk_err vk_audit_start(vk_audit *a);
/* On the loop. `durable` is called later, never inside. VK_E_BUSY: too many wait; VK_E_UNAVAILABLE: it is
 * sealed. On an error nothing was written and `durable` is not called. */
VK_MUSTCHECK vk_err vk_audit_write(vk_audit *a, vk_audit_entry *e);
void vk_audit_state_of(vk_audit *a, vk_audit_state *out);
/* The last rec_version that the log names for a record of the vault ("stripe", "build/shop/turso"); 0: none.
 * Looked up when the log is opened, so that an older vault that was put back is noticed. */
uint64_t vk_audit_version_of(vk_audit *a, vk_str record);
/* Writes what waits, a checkpoint, and ends the thread. */
void vk_audit_end(vk_audit *a);

#endif
