/* The checksums of S3's x-amz-checksum-* headers and Content-MD5, piece by piece: plain values like
 * sha256.h's, copied by assignment. None of them is a proof of who wrote something. Values and parameters:
 * "Checking object integrity" of the S3 user guide; tests/data/storage/checksums.json. Where the
 * CPU has instructions (SSE4.2: CRC32C; ARMv8 CRC: CRC32 and CRC32C; found out at run time) they are used,
 * else eight tables of 256. */
#ifndef VK_CRYPTO_CHECKSUM_H
#define VK_CRYPTO_CHECKSUM_H

#include "crypto/sha256.h"

typedef enum vk_checksum_kind {
    VK_CHECKSUM_CRC32,
    VK_CHECKSUM_CRC32C,
    VK_CHECKSUM_CRC64NVME,
    VK_CHECKSUM_SHA1,
    VK_CHECKSUM_SHA256,
    VK_CHECKSUM_MD5,
    VK_CHECKSUM_KINDS
} vk_checksum_kind;

enum {
    VK_CHECKSUM_MAX = 32,  /* raw bytes of the longest */
    VK_CHECKSUM_TEXT = 45, /* the same in base64, with NUL */
};

typedef struct vk_checksum {
    vk_checksum_kind kind;
    union {
        uint64_t crc;
        vk_sha256_run sha256;
        uint64_t other[12]; /* contexts of SHA-1 and MD5 */
    } u;
} vk_checksum;

void vk_checksum_begin(vk_checksum *c, vk_checksum_kind kind);
void vk_checksum_add(vk_checksum *c, vk_str data);
/* The raw value, a CRC most significant byte first. Returns its length, vk_checksum_size. Ends the run. */
size_t vk_checksum_end(vk_checksum *c, uint8_t out[VK_CHECKSUM_MAX]);

size_t vk_checksum_size(vk_checksum_kind kind);
/* "crc32", "crc32c", "crc64nvme", "sha1", "sha256", "md5": what stands behind x-amz-checksum-, except for the
 * last. */
const char *vk_checksum_name(vk_checksum_kind kind);
/* The other way round, in any case. False: no such one. */
bool vk_checksum_kind_of(vk_str name, vk_checksum_kind *kind_r);

/* Base64 with padding, as all these headers have it; ends with NUL. */
void vk_checksum_text(vk_checksum_kind kind, const uint8_t *raw, char out[VK_CHECKSUM_TEXT]);
/* VK_E_INVALID: not exactly that text of a value of this kind. */
VK_MUSTCHECK vk_err vk_checksum_read(vk_checksum_kind kind, vk_str text, uint8_t out[VK_CHECKSUM_MAX]);

/* For the three CRCs: the checksum of a followed by b, from those of a and of b and the length of b
 * (FULL_OBJECT of a multipart upload). Raw values. VK_E_INVALID for another kind. `out` may be `a`.
 * (COMPOSITE is a checksum over the raw checksums of the parts, for any kind.) */
VK_MUSTCHECK vk_err vk_checksum_combine(vk_checksum_kind kind, const uint8_t *a, const uint8_t *b,
                                        uint64_t b_bytes, uint8_t *out);

/* One CRC's state over more bytes, without and with what the CPU has; the first is there for tests. */
uint64_t vk_crc_portable(vk_checksum_kind kind, uint64_t state, vk_str data);
uint64_t vk_crc_best(vk_checksum_kind kind, uint64_t state, vk_str data);

#endif
