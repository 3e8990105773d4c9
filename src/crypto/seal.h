/* Sealed records: XChaCha20-Poly1305 with a key per record version and a key commitment.
 *
 *   record     = "VKS1" | alg u8 = 1 | flags u8 = 0 | key_id u32 BE | version u64 BE | nonce 24
 *                | commitment 32 | ciphertext | tag 16
 *   okm (64)   = HKDF-SHA256(ikm = key, salt = record id,
 *                info = "valetkey/rec/v1" ‖ lp(table) ‖ lp(record) ‖ lp(version))
 *   key        = okm[0..31], commitment = okm[32..63]
 *   AAD        = header up to and with the nonce
 *                ‖ lp(table) ‖ lp(record) ‖ lp(version) ‖ lp(org) ‖ lp(build)
 *   lp(x)      = u32 BE length + bytes
 *
 * The AAD ties a record to its place: one moved to another name, build or version does not open. The cipher
 * alone does not commit to its key, so the commitment is compared (constant time) before anything is
 * decrypted. */
#ifndef VK_CRYPTO_SEAL_H
#define VK_CRYPTO_SEAL_H

#include "core/buf.h"

enum {
    VK_SEAL_KEY = 32,
    VK_SEAL_HEADER = 4 + 1 + 1 + 4 + 8 + 24,
    VK_SEAL_OVERHEAD = VK_SEAL_HEADER + 32 + 16
};

typedef struct vk_seal_place {
    vk_str table, record, org, build; /* where the record belongs; together at most 512 bytes */
    uint64_t version;
    uint32_t key_id;
} vk_seal_place;

/* Appends the sealed record to `out`. */
VK_MUSTCHECK vk_err vk_seal(const uint8_t key[VK_SEAL_KEY], const vk_seal_place *at, vk_str plain,
                            vk_buf *out);
/* Appends the plain text to `out`. `at->version` and `at->key_id` must be the record's. VK_E_CORRUPT for
 * every way in which a record can be wrong; *why_r (may be NULL) says which, for the log. */
VK_MUSTCHECK vk_err vk_seal_open(const uint8_t key[VK_SEAL_KEY], const vk_seal_place *at, vk_str sealed,
                                 vk_buf *out, const char **why_r);
/* key_id and version of a record, to find its key with. */
VK_MUSTCHECK vk_err vk_seal_peek(vk_str sealed, uint32_t *key_id_r, uint64_t *version_r);

#endif
