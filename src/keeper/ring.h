/* vault/ring: the vault's random keys, sealed under the key-encryption key. Everything else in vault/ is
 * sealed under a data-encryption key of it, so that another key-encryption key costs one small file.
 *
 *   file   = "VKR1" | t u32 BE | m u32 | p u32 | salt 16 | sealed record (crypto/seal.h)
 *            t m p salt: Argon2id's, when the key-encryption key is made of a passphrase; otherwise zeroes
 *   record = table "ring", record "ring", key_id VK_KID, `org` the 32 bytes before it
 *   plain  = at u64 | n u8 | n × (id u32 | state u8 | key 32) | box 32 | audit 32 | refs 32
 *
 * Ids of data-encryption keys begin at VK_DEK_FIRST, so the key_id of a record tells which key it wants. */
#ifndef VK_KEEPER_RING_H
#define VK_KEEPER_RING_H

#include "keeper/entry.h"
#include "keeper/vault.h"

enum {
    VK_DEK_FIRST = 2, /* VK_KID is the key-encryption key's */
    VK_DEKS_MAX = 4,
    VK_DEK_KEY = 32,
    VK_RING_HEADER = 4 + 3 * 4 + VK_KDF_SALT,
    VK_RING_FILE_MAX = 1024,
};

typedef enum vk_dek_state {
    VK_DEK_ACTIVE,   /* what is written is sealed under it */
    VK_DEK_RETIRING, /* what is there is read with it, and sealed anew */
} vk_dek_state;

typedef struct vk_dek {
    uint32_t id;
    vk_dek_state state;
    uint8_t key[VK_DEK_KEY];
} vk_dek;

/* In guarded memory. */
struct vk_ring {
    uint64_t version;
    int64_t at; /* of the entry that brought the key-encryption key; 0: none did */
    vk_kdf kdf;
    uint8_t kek[VK_ENTRY_KEK];
    size_t n;
    vk_dek deks[VK_DEKS_MAX];
    uint8_t box[VK_BOX_SECRET]; /* entries are sealed to its public key */
    uint8_t audit[32];          /* vk_audit_place.key */
    uint8_t refs[32];           /* of vk_org_ref */
};

/* NULL: no memory that is kept out of swap. */
VK_MUSTCHECK vk_ring *vk_ring_new(void);
void vk_ring_free(vk_ring *r);
/* Fills a new one: version 1, one data-encryption key. */
void vk_ring_make(vk_ring *r, const uint8_t kek[VK_ENTRY_KEK], const vk_kdf *kdf);
/* The header's parameters, without any key. VK_E_CORRUPT: it is no ring. */
VK_MUSTCHECK vk_err vk_ring_kdf(vk_str file, vk_kdf *out_r);
/* Opens with `kek`. VK_E_CORRUPT: *why_r says in which way. */
VK_MUSTCHECK vk_err vk_ring_open(vk_ring *r, vk_str file, const uint8_t kek[VK_ENTRY_KEK],
                                 const char **why_r);
/* Writes `r` durably to vault/ring. */
VK_MUSTCHECK vk_err vk_ring_write(const vk_ring *r, int vault_fd);

const vk_dek *vk_ring_active(const vk_ring *r);
/* NULL: there is none of that id. */
const vk_dek *vk_ring_dek(const vk_ring *r, uint32_t id);
bool vk_ring_retiring(const vk_ring *r);
/* A new active key; the others retire. VK_E_BUSY: too many have not been retired to their end. */
VK_MUSTCHECK vk_err vk_ring_renew(vk_ring *r);
/* Forgets those that retire. */
void vk_ring_retire(vk_ring *r);

#endif
