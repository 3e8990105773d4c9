/* Scanning of text, shared by the JSON reader and writer: bytes that may stand in a JSON string as they are,
 * and UTF-8 sequences. Inline: both are on the path of every request. */
#ifndef VK_TEXT_H
#define VK_TEXT_H

#include <endian.h>

#include "core/base.h"

#define VK_BYTES8(c) (UINT64_C(0x0101010101010101) * (c))

static inline uint64_t vk_load8(const char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return le64toh(x);
}

/* Index of the first byte, in memory order, whose top bit is set in `mask` (not zero). */
static inline size_t vk_first8(uint64_t mask)
{
    return (size_t)__builtin_ctzll(mask) / 8;
}

static inline bool vk_text_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* The first byte at or after `p` that is a control character, a quote, a backslash or not ASCII; `end` when
 * there is none. Eight bytes at a time: a subtraction borrows into the top bit of the first byte that is too
 * small, and a borrow can only disturb the bytes behind that one. */
static inline const char *vk_text_skip_plain(const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t x = vk_load8(p), quote = x ^ VK_BYTES8('"'), slash = x ^ VK_BYTES8('\\');
        uint64_t hit = (x - VK_BYTES8(0x20)) | (quote - VK_BYTES8(1)) | (slash - VK_BYTES8(1)) | x;
        hit &= VK_BYTES8(0x80);
        if (hit)
            return p + vk_first8(hit);
        p += 8;
    }
    while (p < end && vk_text_plain((unsigned char)*p))
        p++;
    return p;
}

/* Length of the UTF-8 sequence at `p` (p < end), 1 to 4, or 0 when it is not valid: overlong, a surrogate,
 * past U+10FFFF, cut short. Then *bad_r is how many bytes one U+FFFD stands for (Unicode 15, §3.9, "maximal
 * subpart"). */
static inline size_t vk_utf8_seq(const char *p, const char *end, size_t *bad_r)
{
    const unsigned char *s = (const unsigned char *)p;
    size_t have = (size_t)(end - p), want = 0;
    unsigned char lo = 0x80, hi = 0xBF;
    *bad_r = 1;
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xC2 && s[0] <= 0xDF) {
        want = 2;
    } else if (s[0] >= 0xE0 && s[0] <= 0xEF) {
        want = 3;
        lo = s[0] == 0xE0 ? 0xA0 : lo;
        hi = s[0] == 0xED ? 0x9F : hi;
    } else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        want = 4;
        lo = s[0] == 0xF0 ? 0x90 : lo;
        hi = s[0] == 0xF4 ? 0x8F : hi;
    } else {
        return 0;
    }
    for (size_t i = 1; i < want; i++) {
        if (i >= have || s[i] < lo || s[i] > hi)
            return 0;
        *bad_r = i + 1;
        lo = 0x80;
        hi = 0xBF;
    }
    return want;
}

#endif
