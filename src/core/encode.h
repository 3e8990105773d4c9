/* base64, hex, base62 and CRC-32: text forms of bytes. All pure, all bounded by their arguments. */
#ifndef VK_ENCODE_H
#define VK_ENCODE_H

#include "core/arena.h"
#include "core/buf.h"

/* Standard alphabet (RFC 4648 §4); `pad` adds '='. libSQL writes none. */
void vk_base64(vk_buf *out, const void *p, size_t n, bool pad);
/* RFC 4648 §5 alphabet, no padding. */
void vk_base64url(vk_buf *out, const void *p, size_t n);
/* Either alphabet, padded or not. VK_E_INVALID on any other byte, bad padding or leftover bits that are not
 * zero. */
VK_MUSTCHECK vk_err vk_base64_decode(vk_arena *a, vk_str text, vk_str *out_r);
/* Lower case. `out` has room for 2n+1 bytes; ends with NUL. */
void vk_hex(char *out, const void *p, size_t n);
/* Exactly n bytes from 2n digits of either case. VK_E_INVALID: `out` may have been written to. */
VK_MUSTCHECK vk_err vk_hex_decode(vk_str text, uint8_t *out, size_t n);

/* CRC-32 (IEEE 802.3, as zlib). */
uint32_t vk_crc32(const void *p, size_t n);
/* `v` in base62 (0-9A-Za-z), most significant first, left-padded with '0' to six characters; no NUL. */
void vk_base62_crc(char out[6], uint32_t v);
/* Base62 characters from a stream of random bytes by rejection (a byte >= 248 is skipped), so each is equally
 * likely. Returns how many of `want` characters `n` bytes gave. */
size_t vk_base62_fill(char *out, size_t want, const uint8_t *bytes, size_t n);

#endif
