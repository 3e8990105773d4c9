/* Valet keys: how they are derived, what they look like, how one is recognised.
 *
 * A key is not stored. It is derived from the master, so that `env` can print it again and a copied database
 * opens nothing:
 *
 *   block(i) = HMAC-SHA256(master, "valetkey/valet/v1" ‖ 0 ‖ lp(build) ‖ lp(service) ‖ kind
 *              ‖ generation u64 BE ‖ i u8)
 *   body     = 30 base62 characters from block(0) ‖ block(1) ‖ … by rejection (178.6 bit)
 *   key      = prefix ‖ body ‖ base62(CRC-32(prefix ‖ body)); vk_b_… is 41 characters
 *
 * Where a vendor's own keys are plain hexadecimal digits, so are ours: the first bytes of block(0), and no
 * prefix or checksum. Such a key cannot be told from junk before it is looked up, and no scan finds it by its
 * look.
 *
 * The metadata holds HMAC-SHA256(pepper, key) with pepper = HKDF(master, "valetkey/lookup/v1"). */
#ifndef VK_VALET_H
#define VK_VALET_H

#include "core/secret.h"
#include "crypto/digest.h"

enum {
    VK_MASTER = 32,
    VK_VALET_BODY = 30,
    VK_VALET_MAX = 72,
    VK_VALET_CANONICAL = 41,
    VK_VALET_HEX_MAX = 64
};

typedef struct vk_master vk_master;

/* Copies the 32 bytes into guarded memory; the caller wipes its own. */
VK_MUSTCHECK vk_err vk_master_new(uint32_t kid, const uint8_t key[VK_MASTER], vk_master **out_r);
void vk_master_free(vk_master *m);
uint32_t vk_master_kid(const vk_master *m);
/* A 32-byte key for another purpose (`label`), derived from the master. */
void vk_master_subkey(const vk_master *m, vk_str label, uint8_t out[32]);

/* A kind of valet key that a service issues. */
typedef struct vk_valet_kind {
    char kind; /* 'b' secret, 'p' publishable, 'i' an id that is shown, 's' what is signed with; 0 ends */
    const char *prefix; /* "vk_b_" */
    uint8_t hex;        /* instead: so many hexadecimal digits, at most VK_VALET_HEX_MAX, in lower case */
    bool unsent;        /* nobody ever shows it, so the metadata has no row of it */
} vk_valet_kind;

/* The key of (build, service, kind, generation); NUL-terminated in `out`. */
void vk_valet_derive(const vk_master *m, const vk_valet_kind *kind, vk_str build, vk_str service,
                     uint64_t generation, char out[VK_VALET_MAX]);
/* Right length, alphabet and checksum for a key of that kind. Junk is refused here, before any lookup. */
bool vk_valet_shape_ok(vk_secret token, const vk_valet_kind *kind);

/* A thread's own key for lookups. */
VK_MUSTCHECK vk_err vk_valet_lookup_key(const vk_master *m, vk_hmac_key **out_r);
void vk_valet_hash(vk_hmac_key *lookup, vk_secret token, uint8_t out[VK_SHA256]);

#endif
