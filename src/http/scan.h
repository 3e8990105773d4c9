/* Byte classes and word-wise scanning, for the head and the chunked parser only. A scan never reads at or
 * past `end` and stops at the first byte that its class lacks; what that byte means is the caller's decision.
 */
#ifndef VK_HTTP_SCAN_H
#define VK_HTTP_SCAN_H

#include "core/base.h"

enum {
    VK_SCAN_TOKEN = 1, /* tchar, RFC 9110 §5.6.2 */
    VK_SCAN_HOST = 2,  /* reg-name without '%', RFC 3986 §3.2.2 */
    VK_SCAN_IPV6 = 4,  /* between the brackets of an IPv6 address */
    VK_SCAN_TEXT = 8,  /* in a field value: HTAB, SP, VCHAR, obs-text, RFC 9110 §5.5 */
};

static const uint8_t vk_scan_classes[256] = {
    ['\t'] = VK_SCAN_TEXT,
    [' '] = VK_SCAN_TEXT,
    ['!'] = VK_SCAN_TEXT | VK_SCAN_TOKEN | VK_SCAN_HOST,
    ['"'] = VK_SCAN_TEXT,
    ['#'] = VK_SCAN_TEXT | VK_SCAN_TOKEN,
    ['$'] = VK_SCAN_TEXT | VK_SCAN_TOKEN | VK_SCAN_HOST,
    ['%'] = VK_SCAN_TEXT | VK_SCAN_TOKEN,
    ['&' ... '\''] = VK_SCAN_TEXT | VK_SCAN_TOKEN | VK_SCAN_HOST,
    ['(' ... ')'] = VK_SCAN_TEXT | VK_SCAN_HOST,
    ['*' ... '+'] = VK_SCAN_TEXT | VK_SCAN_TOKEN | VK_SCAN_HOST,
    [','] = VK_SCAN_TEXT | VK_SCAN_HOST,
    ['-'] = VK_SCAN_TEXT | VK_SCAN_TOKEN | VK_SCAN_HOST,
    ['.'] = VK_SCAN_TEXT | VK_SCAN_TOKEN | VK_SCAN_HOST | VK_SCAN_IPV6,
    ['/'] = VK_SCAN_TEXT,
    ['0' ... '9'] = VK_SCAN_TEXT | VK_SCAN_TOKEN | VK_SCAN_HOST | VK_SCAN_IPV6,
    [':'] = VK_SCAN_TEXT | VK_SCAN_IPV6,
    [';'] = VK_SCAN_TEXT | VK_SCAN_HOST,
    ['<'] = VK_SCAN_TEXT,
    ['='] = VK_SCAN_TEXT | VK_SCAN_HOST,
    ['>' ... '@'] = VK_SCAN_TEXT,
    ['A' ... 'F'] = VK_SCAN_TEXT | VK_SCAN_TOKEN | VK_SCAN_HOST | VK_SCAN_IPV6,
    ['G' ... 'Z'] = VK_SCAN_TEXT | VK_SCAN_TOKEN | VK_SCAN_HOST,
    ['[' ... ']'] = VK_SCAN_TEXT,
    ['^'] = VK_SCAN_TEXT | VK_SCAN_TOKEN,
    ['_'] = VK_SCAN_TEXT | VK_SCAN_TOKEN | VK_SCAN_HOST,
    ['`'] = VK_SCAN_TEXT | VK_SCAN_TOKEN,
    ['a' ... 'f'] = VK_SCAN_TEXT | VK_SCAN_TOKEN | VK_SCAN_HOST | VK_SCAN_IPV6,
    ['g' ... 'z'] = VK_SCAN_TEXT | VK_SCAN_TOKEN | VK_SCAN_HOST,
    ['{'] = VK_SCAN_TEXT,
    ['|'] = VK_SCAN_TEXT | VK_SCAN_TOKEN,
    ['}'] = VK_SCAN_TEXT,
    ['~'] = VK_SCAN_TEXT | VK_SCAN_TOKEN | VK_SCAN_HOST,
    [0x80 ... 0xff] = VK_SCAN_TEXT,
};

static inline bool vk_scan_is(char c, unsigned classes)
{
    return (vk_scan_classes[(unsigned char)c] & classes) != 0;
}

/* Hex digit to 0..15, else -1. */
static inline int vk_scan_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char l = (char)(c | 0x20);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

static inline const char *vk_scan_token(const char *p, const char *end)
{
    while (p < end && vk_scan_is(*p, VK_SCAN_TOKEN))
        p++;
    return p;
}

/* In the three helpers the highest bit of a byte marks a hit. Marks above the lowest one may be false (the
 * subtraction borrows), so only the lowest counts. */
#define VK_SCAN_EACH(byte) (0x0101010101010101U * (uint64_t)(byte))
static inline uint64_t vk_scan_below(uint64_t w, unsigned char limit)
{
    return (w - VK_SCAN_EACH(limit)) & ~w & VK_SCAN_EACH(0x80);
}
static inline uint64_t vk_scan_equal(uint64_t w, unsigned char c)
{
    return vk_scan_below(w ^ VK_SCAN_EACH(c), 1);
}
static inline uint64_t vk_scan_load(const char *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    w = __builtin_bswap64(w);
#endif
    return w;
}

/* Stops at a control character other than HTAB. */
static inline const char *vk_scan_text(const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t w = vk_scan_load(p);
        uint64_t stop = vk_scan_below(w, 0x20) | vk_scan_equal(w, 0x7f);
        if (!stop) {
            p += 8;
            continue;
        }
        p += __builtin_ctzll(stop) / 8;
        if (*p != '\t')
            return p;
        p++;
    }
    while (p < end && vk_scan_is(*p, VK_SCAN_TEXT))
        p++;
    return p;
}

/* Stops at a byte that a request target cannot hold: blanks, controls, '#', DEL and everything above. */
static inline const char *vk_scan_target(const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t w = vk_scan_load(p);
        uint64_t stop = vk_scan_below(w, 0x21) | vk_scan_equal(w, 0x7f) | vk_scan_equal(w, '#') |
                        (w & VK_SCAN_EACH(0x80));
        if (stop)
            return p + __builtin_ctzll(stop) / 8;
        p += 8;
    }
    while (p<end && * p> 0x20 && *p < 0x7f && *p != '#')
        p++;
    return p;
}

#endif
