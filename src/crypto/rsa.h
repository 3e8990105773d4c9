/* RSA-2048 keys for signing tokens (RS256: RSASSA-PKCS1-v1_5 with SHA-256, RFC 8017 §8.2), on OpenSSL. e is
 * 65537, which Clerk's SDKs take for granted. A key does not change after it is made: any number of threads
 * may sign and verify with it at a time. Signing takes some 0.7 ms, verifying 0.03 ms, making one 60 to 150
 * ms and sometimes more: keypool.h. The private half is wiped when the key is freed. */
#ifndef VK_CRYPTO_RSA_H
#define VK_CRYPTO_RSA_H

#include "core/secret.h"
#include "crypto/seal.h"

#include <stdatomic.h>

enum {
    VK_RSA_BYTES = 256,     /* of a modulus, of a signature */
    VK_RSA_DER_MAX = 1400,  /* of a private key in PKCS #8 */
    VK_RSA_EXPONENT = 65537 /* "AQAB" */
};

typedef struct vk_rsa vk_rsa;

/* Owner: the caller, until vk_rsa_free. VK_E_INTERNAL: OpenSSL could not. */
VK_MUSTCHECK vk_err vk_rsa_new(vk_rsa **out_r);
/* The same, given up soon after *stop is set (any thread may): VK_E_UNAVAILABLE. */
VK_MUSTCHECK vk_err vk_rsa_new_unless(_Atomic bool *stop, vk_rsa **out_r);
/* A key that only verifies, from its modulus (big-endian, VK_RSA_BYTES). VK_E_INVALID: it is none of 2048
 * bits. */
VK_MUSTCHECK vk_err vk_rsa_public(const uint8_t n[VK_RSA_BYTES], vk_rsa **out_r);
/* NULL is allowed. */
void vk_rsa_free(vk_rsa *key);

void vk_rsa_modulus(const vk_rsa *key, uint8_t n[VK_RSA_BYTES]);
/* VK_E_INVALID: the key is a public one. VK_E_INTERNAL. */
VK_MUSTCHECK vk_err vk_rsa_sign(const vk_rsa *key, vk_str data, uint8_t out[VK_RSA_BYTES]);
/* VK_E_UNAUTHORIZED: it is not this key's signature of the data. */
VK_MUSTCHECK vk_err vk_rsa_verify(const vk_rsa *key, vk_str data, vk_str signature);

/* The private key as PKCS #8 DER. `out` is set to secret and freed with vk_buf_free_secret. VK_E_INVALID: a
 * public key. */
VK_MUSTCHECK vk_err vk_rsa_export(const vk_rsa *key, vk_buf *out);
/* VK_E_CORRUPT: anything but one RSA-2048 key with the usual exponent. Whether its numbers fit each other is
 * not looked at: it comes from vk_rsa_export, through vk_rsa_open as a rule. */
VK_MUSTCHECK vk_err vk_rsa_import(vk_secret der, vk_rsa **out_r);

/* The same, sealed (seal.h): what may lie in a build's files. `key` is derived from the master for this
 * purpose alone; `at` names the record and the build, so that one build's key opens in no other place. */
VK_MUSTCHECK vk_err vk_rsa_seal(const vk_rsa *key, const uint8_t seal_key[VK_SEAL_KEY],
                                const vk_seal_place *at, vk_buf *out);
VK_MUSTCHECK vk_err vk_rsa_open(const uint8_t seal_key[VK_SEAL_KEY], const vk_seal_place *at, vk_str sealed,
                                vk_rsa **out_r);

#endif
