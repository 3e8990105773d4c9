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
 * Where a vendor's keys are bare hex digits (an access key id, a secret access key), the key is so many
 * lower-case hex digits, the first of
 *
 *   HMAC-SHA256(master, "valetkey/valet/hex/v1" ‖ 0 ‖ lp(build) ‖ lp(service) ‖ kind ‖ generation u64 BE
 *               ‖ 0 u8)
 *
 * without prefix and without checksum: a scan for leaked keys cannot tell it from other hex, and junk of that
 * length costs a lookup. lp(s) is the length of s as u32 BE, then s.
 *
 * The metadata holds HMAC-SHA256(pepper, key) with pepper = HKDF(master, "valetkey/lookup/v1"). */
#ifndef VK_VALET_H
#define VK_VALET_H

#include "core/secret.h"
#include "crypto/digest.h"

enum {
    VK_MASTER = 32,
    VK_VALET_BODY = 30,
#ifdef VK_TEST_VENDOR
    VK_VALET_MAX = 192, /* a vendor's may be longer than ours */
#else
    VK_VALET_MAX = 72,
#endif
    VK_VALET_HEX_MAX = 64,
    VK_VALET_CANONICAL = 41
};

typedef struct vk_master vk_master;

/* Copies the 32 bytes into guarded memory; the caller wipes its own. */
VK_MUSTCHECK vk_err vk_master_new(uint32_t kid, const uint8_t key[VK_MASTER], vk_master **out_r);
void vk_master_free(vk_master *m);
uint32_t vk_master_kid(const vk_master *m);
/* A 32-byte key for another purpose (`label`), derived from the master. */
void vk_master_subkey(const vk_master *m, vk_str label, uint8_t out[32]);

/* A kind of key and what it looks like. What is left out is 0. */
typedef struct vk_valet_form {
    char kind;          /* 'b' secret, 'p' publishable, …; part of what the key is derived from */
    const char *prefix; /* "vk_b_"; "" with `hex` */
    uint8_t hex;        /* 0: a token, with prefix and checksum; otherwise so many hex digits and nothing else
                         * (even, at most VK_VALET_HEX_MAX) */
    bool unsent;        /* only signed with: nobody ever shows it, so the metadata has no row of it */
} vk_valet_form;

/* The key of (build, service, f->kind, generation); NUL-terminated in `out`. */
void vk_valet_derive(const vk_master *m, const vk_valet_form *f, vk_str build, vk_str service,
                     uint64_t generation, char out[VK_VALET_MAX]);
/* Right length, prefix, alphabet and checksum for a key of that form. Junk is refused here, before any
 * lookup; f->kind and f->unsent do not matter. */
bool vk_valet_shape_ok(vk_secret token, const vk_valet_form *f);

/* A thread's own key for lookups. */
VK_MUSTCHECK vk_err vk_valet_lookup_key(const vk_master *m, vk_hmac_key **out_r);
void vk_valet_hash(vk_hmac_key *lookup, vk_secret token, uint8_t out[VK_SHA256]);

#endif
