/* The audit log as its one writer sees it: the chain, epochs, files that come and go, and what is done when a
 * file cannot be written. No threads and no queue: audit.c has those. All of this is one thread's.
 *
 * A record counts from its sync on. When a file has to be left (audit_file.h), what was synced of it counts,
 * and the next file begins with a GAP that says how far that is; numbers are never used twice. */
#ifndef VK_KEEPER_AUDIT_LOG_H
#define VK_KEEPER_AUDIT_LOG_H

#include "keeper/audit_file.h"
#include "keeper/audit_key.h"
#include "keeper/audit_versions.h"

enum {
    VK_AL_BATCH = 512,                 /* entries that are written at once */
    VK_AL_BATCH_BYTES = 512 << 10,     /* no batch is longer; so no torn end is */
    VK_AL_TRIES = 3,                   /* files that one batch may break */
    VK_AL_RETRY_MS = 1000,             /* between two looks whether a sealed log can go on */
    VK_AL_SYNC_MS = 1000,              /* until records that nobody waits for are synced */
    VK_AL_LEAP_MS = 2000,              /* of the wall clock against the monotonic one: recorded */
    VK_AL_REMOVE_MS = 6 * 3600 * 1000, /* between two looks for files that are too old */
    VK_AL_SETTLE_MS = 3600 * 1000,     /* after a start or a leap of the clock none is removed */
    VK_AL_REMOVED_AT_ONCE = 16,
    VK_AL_TURN_MS = 20,           /* between two looks whether another keeper has let go */
    VK_AL_NO_TURN_MS = 15 * 1000, /* then uses are refused */
};

/* Where the chain has come to. */
typedef struct vk_audit_chain {
    uint64_t seq;
    uint8_t h[VK_SHA256];
    int64_t bytes; /* of the file */
} vk_audit_chain;

typedef struct vk_audit_log {
    vk_audit_place at;
    vk_audit_file f;
    vk_audit_key key;
    vk_audit_versions versions;
    vk_audit_chain durable, written, next; /* synced; written; with what is in `out` */
    uint64_t assigned;                     /* the highest number that was ever given */
    uint64_t epoch_records;
    int64_t epoch_began;                              /* mono ms of the epoch's first record; 0: none yet */
    int64_t wall_ns, mono_ns;                         /* of the last record; 0: none */
    int64_t seen_wall_ns, seen_mono_ns;               /* the same of those in `out` */
    int64_t dirty_since;                              /* mono ms; 0: all is synced */
    int64_t remove_at, quiet_till, look_at, store_at; /* mono ms */
    int64_t preamble;                                 /* bytes of the file that came before its first use */
    vk_buf out, record;
    /* a file that was left, and not yet named in another one */
    const char *left; /* the word; NULL: none */
    vk_audit_cut cut;
    uint64_t left_of, left_known;
    bool damaged, started; /* started: START is written */
    bool waiting;          /* another process writes it; see vk_audit_log_turn */
    /* sealed */
    bool sealed;
    char why[VK_AUDIT_WHY];
    const char *sealed_by; /* the word for GAP */
    uint64_t refused_now;
    uint64_t syncs, records, refused, files;
    /* a checkpoint was written */
    void (*checkpoint)(void *arg, const vk_audit_checkpoint *c);
    void *arg;
} vk_audit_log;

/* As vk_audit_prepare, without the second place. `checkpoint` and `arg` are set before it. Frees nothing of
 * *l when it fails but what it made. */
VK_MUSTCHECK vk_err vk_audit_log_open(vk_audit_log *l, const vk_audit_place *at, char why[VK_AUDIT_WHY]);
/* When l->waiting: looks whether the other process has let go, and then begins. */
void vk_audit_log_turn(vk_audit_log *l);
/* It took too long: sealed until it has. */
void vk_audit_log_no_turn(vk_audit_log *l);
/* Writes up to VK_AL_BATCH entries, syncs when one of them wants it, and sets `seq` and `err` of each. */
void vk_audit_log_write(vk_audit_log *l, vk_audit_entry *const *e, size_t n);
/* Whether writing `n` uses and outcomes now would be one write(2) and no more: no sync, no file, no epoch. */
bool vk_audit_log_is_quick(const vk_audit_log *l, size_t n);
/* Does what is due: a sync, an epoch's end, a look whether a sealed log can go on. */
void vk_audit_log_tick(vk_audit_log *l);
/* When the next such thing is, in mono ms. */
int64_t vk_audit_log_due(const vk_audit_log *l);
/* A last checkpoint, and closes it. */
void vk_audit_log_close(vk_audit_log *l);
void vk_audit_log_state(const vk_audit_log *l, vk_audit_state *out);

/* ---- for audit_scan.c and audit_log.c */

/* What lay there. */
typedef struct vk_audit_found {
    uint64_t number;  /* of the file with the last record; 0: there is none */
    uint64_t highest; /* of all files */
    vk_audit_chain end;
    uint64_t epoch;
    int64_t time_ns;
    vk_audit_keys keys;
    const char *broken; /* NULL: it ends as it should; "torn", "damaged" */
} vk_audit_found;

VK_MUSTCHECK vk_err vk_audit_scan(int dir_fd, vk_audit_versions *versions, vk_audit_found *out_r,
                                  char why[VK_AUDIT_WHY]);
/* Removes files that are older than keep_ms, each after a record that says so. */
void vk_audit_log_remove_old(vk_audit_log *l);
/* Writes one record of the log's own, with a sync. */
VK_MUSTCHECK vk_err vk_audit_log_note(vk_audit_log *l, vk_audit_record *x);

#endif
