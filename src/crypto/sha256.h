/* SHA-256 and HMAC-SHA256 as plain values: a state is copied by assignment, costs no allocation and has no
 * owner. For what is hashed piece by piece, and for keys that are kept by the thousand with both key blocks
 * hashed already (SigV4's signing keys). digest.h is for everything else. A state that has seen a secret is
 * wiped by its holder. */
#ifndef VK_CRYPTO_SHA256_H
#define VK_CRYPTO_SHA256_H

#include "crypto/digest.h"

typedef struct vk_sha256_run {
    uint64_t opaque[14];
} vk_sha256_run;

/* The hash of no bytes, which most requests without a body carry. */
#define VK_SHA256_NOTHING_HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
extern const uint8_t vk_sha256_nothing[VK_SHA256];

void vk_sha256_begin(vk_sha256_run *s);
void vk_sha256_add(vk_sha256_run *s, vk_str data);
/* Ends the run; begin it again before another use. */
void vk_sha256_end(vk_sha256_run *s, uint8_t out[VK_SHA256]);

/* A key whose blocks are hashed. It is as secret as the key. */
typedef struct vk_hmac256_key {
    vk_sha256_run inner, outer;
} vk_hmac256_key;

/* A key of any length. */
void vk_hmac256_key_init(vk_hmac256_key *k, vk_str key);
/* Any number of threads may use one key at a time. */
void vk_hmac256(const vk_hmac256_key *k, vk_str data, uint8_t out[VK_SHA256]);

#endif
