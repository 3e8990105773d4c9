/* Reading the audit log: one file record by record, and the whole of it, checked. No secret is needed for the
 * chain, the checkpoints' signatures and what lies between files; with the auditor's key the records'
 * authenticity (m) is checked as well. Works beside a running keeper: what is written meanwhile is not a
 * mistake. */
#ifndef VK_KEEPER_AUDIT_READ_H
#define VK_KEEPER_AUDIT_READ_H

#include "keeper/audit_record.h"

enum {
    VK_ARD_FILES = 1 << 20,        /* files of a log */
    VK_ARD_OPEN = 1 << 20,         /* intents without an outcome that are remembered at a time */
    VK_ARD_CHECKPOINTS = 64 << 20, /* bytes of a file of checkpoints */
    VK_ARD_TEXT = 320,
};

/* ---- one file */

typedef struct vk_audit_reader {
    int fd;
    vk_buf in;
    size_t at;            /* in it, of the next frame */
    int64_t offset;       /* in the file, of the next frame */
    int64_t most;         /* read no further than that */
    uint8_t h[VK_SHA256]; /* up to the record that was read last */
    vk_audit_header header;
    const char *why; /* after VK_E_CORRUPT */
} vk_audit_reader;

/* VK_E_NOT_FOUND; VK_AGAIN: it ends within its header, or has nothing but zeros (a power cut
 * leaves it so); VK_E_CORRUPT, VK_E_NEWER; VK_E_IO, VK_E_FORBIDDEN,
 * VK_E_NOMEM. `most` < 0: to its end. */
VK_MUSTCHECK vk_err vk_audit_reader_open(vk_audit_reader *r, int dir_fd, const char *name, int64_t most);
/* Views are good until the next call. VK_E_NOT_FOUND: the end; VK_AGAIN: the file ends within a frame;
 * VK_E_CORRUPT: `why`. r->offset stays before a frame that is not good. `frame_r` may be NULL. */
VK_MUSTCHECK vk_err vk_audit_reader_next(vk_audit_reader *r, vk_audit_record *out_r, vk_audit_frame *frame_r);
/* Passes over a record that is not good, by the length and the hash that it names. False: there is no such.
 */
bool vk_audit_reader_skip(vk_audit_reader *r);
void vk_audit_reader_close(vk_audit_reader *r);

/* Numbers of the files in the folder, ascending; free(). VK_E_TOO_LARGE: more than VK_ARD_FILES. */
VK_MUSTCHECK vk_err vk_audit_files(int dir_fd, uint64_t **out_r, size_t *n_r);

/* ---- the whole */

typedef enum vk_audit_level {
    VK_AUDIT_KNOW,   /* worth knowing: a torn end that was cut, a full disk, a clock that leapt */
    VK_AUDIT_UNDONE, /* an intent without an outcome: nobody knows what came of that use */
    VK_AUDIT_WRONG,  /* changed, removed or damaged */
} vk_audit_level;

typedef struct vk_audit_finding {
    vk_audit_level level;
    uint64_t file, seq; /* seq 0: of no record, or not known which */
    int64_t offset;     /* in the file; -1 */
    const char *text;
} vk_audit_finding;

typedef struct vk_audit_check {
    int dir_fd;
    vk_str checkpoints;    /* lines of vk_audit_checkpoint_line; others are a finding. VK_STR_NONE */
    const uint8_t *secret; /* the auditor's, 32 bytes; NULL */
    const uint8_t *sign;   /* the public key that must have signed; NULL: that of the newest file */
    /* Both may be NULL. `record`: each good record, in order; false ends the reading. */
    void (*found)(void *arg, const vk_audit_finding *f);
    bool (*record)(void *arg, const vk_audit_record *r, uint64_t file);
    void *arg;
    /* ---- results */
    size_t files, wrong, undone, noted;
    uint64_t first_seq, last_seq, records, epoch, checkpoints_met, checkpoints_signed, macs;
    int64_t first_ns, last_ns;
    uint8_t last_h[VK_SHA256], signed_by[32];
    bool has_key; /* signed_by is known */
} vk_audit_check;

/* VK_OK also when there are findings: c->wrong counts. VK_E_NOT_FOUND: there is no log; VK_E_NEWER; VK_E_IO,
 * VK_E_FORBIDDEN, VK_E_NOMEM, VK_E_TOO_LARGE: it could not be read. */
VK_MUSTCHECK vk_err vk_audit_verify(vk_audit_check *c);

#endif
