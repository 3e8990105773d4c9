/* Keys of the audit log. What signs checkpoints is derived from the vault and stays. What authenticates
 * records lives for one epoch: k_{e+1} = HMAC(k_e, …), and k_e is gone then, so that who takes keeper today
 * cannot rewrite what was written before. The first of such a row is random; sealed to an auditor's key it
 * stands in every file, so that he, and nobody else, can compute all of them.
 *
 * Between starts the key of the epoch lies in audit/epoch, sealed under the vault's (crypto/seal.h, version =
 * epoch), with how far the log had come:
 *   plain = key 32 ‖ seq u64 ‖ h 32 ‖ extra of FILE (keeper/audit_record.h)
 * It is replaced at the begin of an epoch, before its first record. When that fails the key is in memory
 * only: an older one in the file leads to it by the same steps. */
#ifndef VK_KEEPER_AUDIT_KEY_H
#define VK_KEEPER_AUDIT_KEY_H

#include "keeper/audit_record.h"

#define VK_AUDIT_KEY_FILE "epoch"
enum {
    VK_AUDIT_STEPS = 1 << 22, /* epochs that a stored key may be behind */
    VK_AUDIT_KEY_FILE_MAX = 1024,
};

typedef struct vk_audit_key {
    struct vk_audit_secrets *secret; /* locked memory */
    vk_audit_keys open;              /* what FILE says */
    uint64_t epoch;
    bool stored;        /* audit/epoch has this epoch's */
    bool fresh;         /* a new row of keys begins with this one */
    uint64_t known_seq; /* how far the log had come when the stored key was written; 0: not known */
    uint8_t known_h[VK_SHA256];
    int dir_fd;
} vk_audit_key;

/* `seed`: 32 bytes of the vault. `last`: the last epoch of the log, 0 when there is none; the key is that of
 * a later one, in memory. A new row begins when none is stored, when it does not open, or when the auditor is
 * another one; *why_r says so then, NULL when it had to be (nothing was there, and no log). VK_E_NOMEM,
 * VK_E_IO. */
VK_MUSTCHECK vk_err vk_audit_key_open(vk_audit_key *k, int dir_fd, const uint8_t *seed,
                                      const uint8_t *auditor, uint64_t last, const char **why_r);
void vk_audit_key_close(vk_audit_key *k);
/* For frames of this epoch; changes with vk_audit_key_next. */
const vk_hmac256_key *vk_audit_key_mac(const vk_audit_key *k);
/* The next epoch's; the one before is gone. */
void vk_audit_key_next(vk_audit_key *k);
/* Writes it to audit/epoch. Tried again by whoever calls it again. */
VK_MUSTCHECK vk_err vk_audit_key_store(vk_audit_key *k, uint64_t seq, const uint8_t h[VK_SHA256]);
/* Fills in the public key and signs. */
void vk_audit_key_sign(const vk_audit_key *k, vk_audit_checkpoint *c);

/* The other side: the first epoch key of a FILE record, with the auditor's secret key (X25519, 32 bytes).
 * VK_E_NOT_FOUND: it is sealed to nobody or somebody else; VK_E_CORRUPT. */
VK_MUSTCHECK vk_err vk_audit_key_escrow(const vk_audit_keys *k, const uint8_t *secret,
                                        uint8_t out[VK_SHA256]);

#endif
