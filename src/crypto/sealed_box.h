/* Sealed boxes: what anybody can close with a public key, and only the holder of its secret key can open.
 * They are libsodium's crypto_box_seal, so every libsodium, tweetnacl with a BLAKE2b, and PyNaCl can make
 * them:
 *
 *   box   = epk 32 ‖ tag 16 ‖ ciphertext (as long as the plain text)
 *   epk   = the X25519 public key (RFC 7748) of a key pair made for this box alone
 *   nonce = BLAKE2b-192(epk ‖ pk), without key (RFC 7693, 24 bytes of output)
 *   key   = HSalsa20(X25519(esk, pk), 16 zero bytes)
 *   tag, ciphertext = XSalsa20-Poly1305(key, nonce, plain): "crypto_box" of NaCl
 *
 * Source: libsodium's documentation, "Sealed boxes". docs/SEALING.md has it for clients, and vectors are in
 * tests/data/sealing. */
#ifndef VK_CRYPTO_SEALED_BOX_H
#define VK_CRYPTO_SEALED_BOX_H

#include "core/buf.h"

enum {
    VK_BOX_PUBLIC = 32,
    VK_BOX_SECRET = 32,
    VK_BOX_OVERHEAD = 32 + 16,
    VK_BOX_FINGERPRINT = 7 + 43 + 1, /* "SHA256:", base64 of 32 bytes without padding, NUL */
};

/* The public key of `secret`. */
void vk_box_public(const uint8_t secret[VK_BOX_SECRET], uint8_t public_out[VK_BOX_PUBLIC]);
/* Appends the box of `plain` to `out`. VK_E_INVALID: `key` is no public key (a point of small order). */
VK_MUSTCHECK vk_err vk_box_seal(const uint8_t key[VK_BOX_PUBLIC], vk_str plain, vk_buf *out);
/* Opens into `out`, which has room for box.n - VK_BOX_OVERHEAD bytes. VK_E_CORRUPT: another key's, or it was
 * changed. */
VK_MUSTCHECK vk_err vk_box_open(const uint8_t secret[VK_BOX_SECRET], vk_str box, char *out);
/* What people compare: "SHA256:" and the base64 of SHA-256(key), as ssh shows keys. */
void vk_box_fingerprint(const uint8_t key[VK_BOX_PUBLIC], char out[VK_BOX_FINGERPRINT]);

#endif
