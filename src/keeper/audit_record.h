/* Bytes of the audit log: a record, its frame in a file, a file's header, a checkpoint. Pure.
 *
 *   file       = header ‖ frame…
 *   header     = "VKAUDIT1" ‖ number u64 ‖ prev_seq u64 ‖ prev_h 32 ‖ CRC-32 of what is before it, u32
 *   frame      = n u32 ‖ record (n bytes) ‖ h 32 ‖ m 32 ‖ CRC-32 of what is before it in the frame, u32
 *   record     = lp(seq u64) ‖ lp(time_ns i64) ‖ lp(epoch u64) ‖ lp(kind u8) ‖ lp(of u64) ‖ lp(org)
 *                ‖ lp(build) ‖ lp(service) ‖ lp(actor) ‖ lp(op) ‖ lp(target_host) ‖ lp(key_ref, 8 bytes)
 *                ‖ lp(rec_version u64) ‖ lp(result i32) ‖ lp(bytes_in u64) ‖ lp(bytes_out u64)
 *                ‖ lp(upstream_request_id) ‖ lp(trace_id) ‖ lp(extra)
 *   lp(x)      = length u16 ‖ bytes; all integers are big-endian
 *   h of a header = SHA-256(prev_h ‖ header); h of a record = SHA-256(h before it ‖ record)
 *   m          = HMAC-SHA256(epoch key, h)
 *
 * prev_seq and prev_h are those of the last record that counts in the files before, 0 in the first one. Texts
 * have no control characters. `extra` is by kind, see the structs. The CRC tells chance from intent: it
 * covers what the chain does not (n and m). */
#ifndef VK_KEEPER_AUDIT_RECORD_H
#define VK_KEEPER_AUDIT_RECORD_H

#include "core/buf.h"
#include "crypto/sha256.h"
#include "keeper/audit.h"

enum {
    VK_AR_HEADER = 8 + 8 + 8 + 32 + 4,
    VK_AR_AROUND = 4 + 32 + 32 + 4, /* of a frame, around the record */
    VK_AR_EXTRA = 3072,
    VK_AR_MAX = 4096, /* bytes of a record */
    VK_AR_FRAME_MAX = VK_AR_MAX + VK_AR_AROUND,
    VK_AR_SIGNATURE = 64,
    VK_AR_ESCROW = 32 + 48, /* a libsodium sealed box of an epoch key */
    VK_AR_LINE = 512,       /* a checkpoint as a line, with NUL */
    VK_AR_NAME = 16,        /* "0000000001.log" */
    VK_AR_VERSION_NAME = 96,
};

/* Views of the bytes that were read, or of what is to be written. */
typedef struct vk_audit_record {
    uint64_t seq;
    int64_t time_ns;
    uint64_t epoch;
    vk_audit_kind kind;
    uint64_t of;
    vk_str org, build, service, actor, op, host;
    uint8_t key_ref[8];
    uint64_t rec_version;
    int32_t result;
    uint64_t received, sent;
    vk_str upstream_id, trace;
    vk_str extra;
} vk_audit_record;

/* Appends it. Control characters in texts become '?'; a text is cut at VK_AUDIT_TEXT - 1 bytes. */
void vk_audit_encode(const vk_audit_record *r, vk_buf *out);
/* VK_E_CORRUPT: it is not what vk_audit_encode writes, or its kind's extra is not. */
VK_MUSTCHECK vk_err vk_audit_decode(vk_str bytes, vk_audit_record *out_r);
/* The entry as a record; seq, time and epoch are the log's. Its texts stay the entry's. */
vk_audit_record vk_audit_record_of(const vk_audit_entry *e);
const char *vk_audit_kind_name(vk_audit_kind kind);

typedef struct vk_audit_header {
    uint64_t number, prev_seq;
    uint8_t prev_h[VK_SHA256];
} vk_audit_header;

/* Both set h[] to the h behind the header. VK_AGAIN: it is shorter than a header; VK_E_NEWER; VK_E_CORRUPT.
 */
void vk_audit_header_write(const vk_audit_header *x, vk_buf *out, uint8_t h[VK_SHA256]);
VK_MUSTCHECK vk_err vk_audit_header_read(vk_str bytes, vk_audit_header *out_r, uint8_t h[VK_SHA256]);

typedef struct vk_audit_frame {
    size_t n; /* of the whole frame */
    vk_str record;
    const uint8_t *h, *m;
} vk_audit_frame;

/* Frames `record` behind the one with h[], which becomes its own. */
void vk_audit_frame_write(vk_str record, const vk_hmac256_key *epoch_key, uint8_t h[VK_SHA256], vk_buf *out);
/* The frame at the front of `bytes`, which is behind one with h[]; h[] becomes its own. VK_AGAIN: the bytes
 * end before it does; VK_E_CORRUPT: length, CRC or chain are wrong, *why_r says which. */
VK_MUSTCHECK vk_err vk_audit_frame_read(vk_str bytes, uint8_t h[VK_SHA256], vk_audit_frame *out_r,
                                        const char **why_r);

/* ---- extra, by kind */

/* FILE. `first_epoch`: that of the key that is sealed. Keys are ratcheted from it on. */
typedef struct vk_audit_keys {
    uint8_t sign[32], auditor[VK_AUDIT_AUDITOR]; /* auditor: zeros for none */
    uint64_t first_epoch;
    bool sealed;
    uint8_t escrow[VK_AR_ESCROW];
} vk_audit_keys;
void vk_audit_keys_write(const vk_audit_keys *k, vk_buf *out);
VK_MUSTCHECK vk_err vk_audit_keys_read(vk_str extra, vk_audit_keys *out_r);

/* GAP; op says of which sort it is. `file` 0: the same file goes on (nothing could be written for a time,
 * `result` uses were refused). Otherwise: of that file the first `bytes` bytes count, up to the record `of`.
 */
typedef struct vk_audit_cut {
    uint64_t file, bytes;
} vk_audit_cut;
void vk_audit_cut_write(vk_audit_cut c, vk_buf *out);
VK_MUSTCHECK vk_err vk_audit_cut_read(vk_str extra, vk_audit_cut *out_r);

/* CLOCK: by how much the wall clock leapt, ms. */
void vk_audit_leap_write(int64_t ms, vk_buf *out);
VK_MUSTCHECK vk_err vk_audit_leap_read(vk_str extra, int64_t *ms_r);

/* VERSIONS: names and versions. `next` takes one off the front; false at the end. */
void vk_audit_version_add(vk_str name, uint64_t version, vk_buf *out);
bool vk_audit_version_next(vk_str *extra, vk_str *name_r, uint64_t *version_r);
/* The record of the vault that a CHANGE is about: "stripe", "build/shop/turso". False: of none. */
bool vk_audit_version_name(const vk_audit_record *r, char out[VK_AR_VERSION_NAME]);

/* ---- checkpoints: EPOCH's extra is the signature; epoch and time are the record's, seq is `of`, h is that
 * of the record before it */
typedef struct vk_audit_checkpoint {
    uint64_t epoch, seq;
    int64_t time_ns;
    uint8_t h[VK_SHA256], sign[32], signature[VK_AR_SIGNATURE];
} vk_audit_checkpoint;
/* Signed is "valetkey/audit/checkpoint/1" ‖ 0 ‖ epoch u64 ‖ seq u64 ‖ time_ns i64 ‖ h. `secret`: libsodium's
 * 64 bytes. */
void vk_audit_checkpoint_sign(vk_audit_checkpoint *c, const uint8_t *secret);
bool vk_audit_checkpoint_ok(const vk_audit_checkpoint *c);
/* "valetkey-audit-checkpoint 1 <epoch> <seq> <time_ns> <h> <public key> <signature>", hex, without a line's
 * end. */
void vk_audit_checkpoint_line(const vk_audit_checkpoint *c, char out[VK_AR_LINE]);
/* VK_E_INVALID. The signature is not looked at. */
VK_MUSTCHECK vk_err vk_audit_checkpoint_parse(vk_str line, vk_audit_checkpoint *out_r);

/* ---- names of files */
void vk_audit_file_name(uint64_t number, char out[VK_AR_NAME]);
/* 0: it is not one. */
uint64_t vk_audit_file_number(const char *name);

/* k_{e+1} = HMAC-SHA256(k_e, "valetkey/audit/ratchet") */
void vk_audit_ratchet(uint8_t key[VK_SHA256]);

#endif
