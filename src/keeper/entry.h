/* Entries: values on their way into the vault, sealed to keeper's public key by whoever has them (the command
 * line, a browser, any client of the admin API), so that front relays what it cannot read. docs/SEALING.md
 * says it for clients.
 *
 *   entry = base64(sealed box of the JSON object)                       crypto/sealed_box.h
 *   {"vendor":"stripe","build":"","at":1764400000000,"fields":{"secret_key":"sk_test_…","api_base":""}}
 *
 * `at`: wall milliseconds. An empty value takes the field away. A new key-encryption key travels in the same
 * way:
 *   {"kek":"<base64 of 32 bytes>","at":1764400000000,"kdf":null}
 *   "kdf": {"t":3,"m":65536,"p":4,"salt":"<base64 of 16 bytes>"} when it is made of a passphrase (Argon2id;
 *   m in KiB): kept in the clear in front of the ring.
 *
 * Reading is done in locked memory that the caller gives; no part of an entry is in any sentence. */
#ifndef VK_KEEPER_ENTRY_H
#define VK_KEEPER_ENTRY_H

#include "core/buf.h"
#include "core/secret.h"
#include "crypto/sealed_box.h"
#include "keeper/vendors.h"

enum {
    VK_ENTRY_MAX = 32 * 1024,        /* bytes of the JSON object */
    VK_ENTRY_BASE64_MAX = 48 * 1024, /* of an entry */
    VK_ENTRY_KEK = 32,
    VK_KDF_SALT = 16,
};

/* Argon2id's (RFC 9106). */
typedef struct vk_kdf {
    uint32_t t, m, p; /* passes, KiB, lanes; t 0: no passphrase */
    uint8_t salt[VK_KDF_SALT];
} vk_kdf;

typedef struct vk_entry_field {
    const char *name;
    vk_secret value; /* VK_SECRET_NONE or empty: taken away */
} vk_entry_field;

/* ---- making one */

/* Appends the base64 of an entry to `out`. Values must be printable ASCII (VK_E_INVALID). */
VK_MUSTCHECK vk_err vk_entry_seal(const uint8_t key[VK_BOX_PUBLIC], vk_str vendor, vk_str build, int64_t at,
                                  const vk_entry_field *fields, size_t n, vk_buf *out);
/* The same of a key-encryption key. `kdf` NULL: it is no passphrase's. */
VK_MUSTCHECK vk_err vk_entry_kek(const uint8_t key[VK_BOX_PUBLIC], const uint8_t kek[VK_ENTRY_KEK],
                                 const vk_kdf *kdf, int64_t at, vk_buf *out);

/* ---- reading one: in keeper only */

typedef struct vk_entry {
    vk_str vendor, build; /* in `room` */
    int64_t at;
    size_t n;
    struct {
        vk_str name;
        vk_secret value; /* in `room` */
    } fields[VK_VENDOR_FIELDS_MAX];
    vk_secret kek; /* of vk_entry_kek: VK_ENTRY_KEK bytes; otherwise VK_SECRET_NONE */
    vk_kdf kdf;
} vk_entry;

/* `room`: VK_ENTRY_ROOM bytes of locked memory; views into it are in *out_r. VK_E_INVALID: *why_r is a static
 * sentence. Checks the form only, not whether fields exist or values can be. */
enum { VK_ENTRY_ROOM = VK_ENTRY_MAX + (VK_VENDOR_FIELDS_MAX + 2) * VK_VENDOR_VALUE_MAX };
VK_MUSTCHECK vk_err vk_entry_open(const uint8_t secret[VK_BOX_SECRET], vk_str base64, char *room,
                                  vk_entry *out_r, const char **why_r);

#endif
