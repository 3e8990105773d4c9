/* SHA-256 (FIPS 180-4), HMAC-SHA256 (RFC 2104), HKDF-SHA256 (RFC 5869), on OpenSSL. Algorithms are fetched
 * once a thread: a one-shot HMAC() costs five times as much. None of these can fail after vk_digest_init has
 * succeeded. */
#ifndef VK_CRYPTO_DIGEST_H
#define VK_CRYPTO_DIGEST_H

#include "core/base.h"

enum { VK_SHA256 = 32, VK_SHA1 = 20 };

/* Once at start of a process, before threads; initialises libsodium too. VK_E_INTERNAL when OpenSSL lacks an
 * algorithm or fails a known answer. */
VK_MUSTCHECK vk_err vk_digest_init(void);

void vk_sha256(vk_str data, uint8_t out[VK_SHA256]);
void vk_hmac(vk_str key, vk_str data, uint8_t out[VK_SHA256]);
/* SHA-1 (FIPS 180-4), for protocols that ask for it where nothing depends on its strength (RFC 6455). */
void vk_sha1(vk_str data, uint8_t out[VK_SHA1]);
/* `n` up to 255 × 32. */
void vk_hkdf(vk_str ikm, vk_str salt, vk_str info, uint8_t *out, size_t n);

/* A key that is used often: its two key blocks are hashed once. Not thread-safe; one a thread. */
typedef struct vk_hmac_key vk_hmac_key;
VK_MUSTCHECK vk_err vk_hmac_key_new(vk_str key, vk_hmac_key **out_r);
void vk_hmac_key_free(vk_hmac_key *k);
void vk_hmac_with(vk_hmac_key *k, vk_str data, uint8_t out[VK_SHA256]);

#endif
