#include "core/encode.h"

/* ---- base64 ---- */

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char for_urls[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode64(vk_buf *out, const uint8_t *p, size_t n, const char *alphabet, bool pad)
{
    size_t rest = n % 3, tail = rest ? (pad ? 4 : rest + 1) : 0;
    char *to = vk_buf_room(out, n / 3 * 4 + tail);
    if (!to)
        return;
    for (size_t i = 0; i < n / 3; i++, p += 3, to += 4) {
        unsigned v = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
        to[0] = alphabet[v >> 18];
        to[1] = alphabet[v >> 12 & 63];
        to[2] = alphabet[v >> 6 & 63];
        to[3] = alphabet[v & 63];
    }
    if (rest) {
        unsigned v = (unsigned)p[0] << 16 | (rest == 2 ? (unsigned)p[1] << 8 : 0);
        const char last[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63],
                              rest == 2 ? alphabet[v >> 6 & 63] : '=', '='};
        memcpy(to, last, tail);
    }
    out->n += n / 3 * 4 + tail;
}

void vk_base64(vk_buf *out, const void *p, size_t n, bool pad)
{
    encode64(out, p, n, standard, pad);
}

void vk_base64url(vk_buf *out, const void *p, size_t n)
{
    encode64(out, p, n, for_urls, false);
}

/* 0x40 | value; 0 for a byte of neither alphabet. */
static const uint8_t values64[256] = {
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x7e, 0,    0x7e, 0,    0x7f,
    0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x7b, 0x7c, 0x7d, 0,    0,    0,    0,    0,    0,
    0,    0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e,
    0x4f, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0,    0,    0,    0,    0x7f,
    0,    0x5a, 0x5b, 0x5c, 0x5d, 0x5e, 0x5f, 0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x73, 0,    0,    0,    0,    0,
};

vk_err vk_base64_decode(vk_arena *a, vk_str text, vk_str *out_r)
{
    const uint8_t *p = (const uint8_t *)text.p;
    size_t n = text.n;
    if (n && n % 4 == 0)
        for (int i = 0; i < 2 && p[n - 1] == '='; i++)
            n--;
    size_t rest = n % 4;
    if (rest == 1)
        return VK_E_INVALID;
    uint8_t *bytes = vk_arena_alloc(a, n / 4 * 3 + 3), *to = bytes;
    if (!bytes)
        return VK_E_NOMEM;
    unsigned all = 0x40;
    for (size_t i = 0; i < n / 4; i++, p += 4, to += 3) {
        unsigned w = values64[p[0]], x = values64[p[1]], y = values64[p[2]], z = values64[p[3]];
        unsigned v = (w & 63) << 18 | (x & 63) << 12 | (y & 63) << 6 | (z & 63);
        all &= w & x & y & z;
        to[0] = (uint8_t)(v >> 16);
        to[1] = (uint8_t)(v >> 8);
        to[2] = (uint8_t)v;
    }
    if (rest) {
        unsigned w = values64[p[0]], x = values64[p[1]], y = rest == 3 ? values64[p[2]] : 0x40;
        unsigned v = (w & 63) << 18 | (x & 63) << 12 | (y & 63) << 6;
        all &= w & x & y;
        if (v & (rest == 3 ? 0xff : 0xffff))
            return VK_E_INVALID;
        *to++ = (uint8_t)(v >> 16);
        if (rest == 3)
            *to++ = (uint8_t)(v >> 8);
    }
    if (!all)
        return VK_E_INVALID;
    *out_r = (vk_str){(const char *)bytes, (size_t)(to - bytes)};
    return VK_OK;
}

/* ---- hex ---- */

void vk_hex(char *out, const void *p, size_t n)
{
    static const char pairs[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
                                "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
                                "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
                                "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
                                "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
                                "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
                                "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
                                "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
    const uint8_t *bytes = p;
    for (size_t i = 0; i < n; i++)
        memcpy(out + 2 * i, pairs + 2 * (size_t)bytes[i], 2);
    out[2 * n] = '\0';
}

/* The value of a digit of base 16, above a bit that says it is one. */
#define DIGIT16(v) (0x10 | (v))
static const uint8_t digits16[256] = {
    ['0'] = DIGIT16(0),  ['1'] = DIGIT16(1),  ['2'] = DIGIT16(2),  ['3'] = DIGIT16(3),  ['4'] = DIGIT16(4),
    ['5'] = DIGIT16(5),  ['6'] = DIGIT16(6),  ['7'] = DIGIT16(7),  ['8'] = DIGIT16(8),  ['9'] = DIGIT16(9),
    ['a'] = DIGIT16(10), ['b'] = DIGIT16(11), ['c'] = DIGIT16(12), ['d'] = DIGIT16(13), ['e'] = DIGIT16(14),
    ['f'] = DIGIT16(15), ['A'] = DIGIT16(10), ['B'] = DIGIT16(11), ['C'] = DIGIT16(12), ['D'] = DIGIT16(13),
    ['E'] = DIGIT16(14), ['F'] = DIGIT16(15),
};

vk_err vk_hex_decode(vk_str text, uint8_t *out, size_t n)
{
    const uint8_t *p = (const uint8_t *)text.p;
    unsigned all = DIGIT16(0);
    if (text.n / 2 != n || text.n % 2)
        return VK_E_INVALID;
    for (size_t i = 0; i < n; i++, p += 2) {
        unsigned hi = digits16[p[0]], lo = digits16[p[1]];
        all &= hi & lo;
        out[i] = (uint8_t)(hi << 4 | (lo & 15));
    }
    return all ? VK_OK : VK_E_INVALID;
}

/* ---- base62 and CRC-32 ---- */

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* The remainder of each byte for the reflected polynomial 0xEDB88320. */
static const uint32_t crc_table[256] = {
    0x00000000, 0x77073096, 0xee0e612c, 0x990951ba, 0x076dc419, 0x706af48f, 0xe963a535, 0x9e6495a3,
    0x0edb8832, 0x79dcb8a4, 0xe0d5e91e, 0x97d2d988, 0x09b64c2b, 0x7eb17cbd, 0xe7b82d07, 0x90bf1d91,
    0x1db71064, 0x6ab020f2, 0xf3b97148, 0x84be41de, 0x1adad47d, 0x6ddde4eb, 0xf4d4b551, 0x83d385c7,
    0x136c9856, 0x646ba8c0, 0xfd62f97a, 0x8a65c9ec, 0x14015c4f, 0x63066cd9, 0xfa0f3d63, 0x8d080df5,
    0x3b6e20c8, 0x4c69105e, 0xd56041e4, 0xa2677172, 0x3c03e4d1, 0x4b04d447, 0xd20d85fd, 0xa50ab56b,
    0x35b5a8fa, 0x42b2986c, 0xdbbbc9d6, 0xacbcf940, 0x32d86ce3, 0x45df5c75, 0xdcd60dcf, 0xabd13d59,
    0x26d930ac, 0x51de003a, 0xc8d75180, 0xbfd06116, 0x21b4f4b5, 0x56b3c423, 0xcfba9599, 0xb8bda50f,
    0x2802b89e, 0x5f058808, 0xc60cd9b2, 0xb10be924, 0x2f6f7c87, 0x58684c11, 0xc1611dab, 0xb6662d3d,
    0x76dc4190, 0x01db7106, 0x98d220bc, 0xefd5102a, 0x71b18589, 0x06b6b51f, 0x9fbfe4a5, 0xe8b8d433,
    0x7807c9a2, 0x0f00f934, 0x9609a88e, 0xe10e9818, 0x7f6a0dbb, 0x086d3d2d, 0x91646c97, 0xe6635c01,
    0x6b6b51f4, 0x1c6c6162, 0x856530d8, 0xf262004e, 0x6c0695ed, 0x1b01a57b, 0x8208f4c1, 0xf50fc457,
    0x65b0d9c6, 0x12b7e950, 0x8bbeb8ea, 0xfcb9887c, 0x62dd1ddf, 0x15da2d49, 0x8cd37cf3, 0xfbd44c65,
    0x4db26158, 0x3ab551ce, 0xa3bc0074, 0xd4bb30e2, 0x4adfa541, 0x3dd895d7, 0xa4d1c46d, 0xd3d6f4fb,
    0x4369e96a, 0x346ed9fc, 0xad678846, 0xda60b8d0, 0x44042d73, 0x33031de5, 0xaa0a4c5f, 0xdd0d7cc9,
    0x5005713c, 0x270241aa, 0xbe0b1010, 0xc90c2086, 0x5768b525, 0x206f85b3, 0xb966d409, 0xce61e49f,
    0x5edef90e, 0x29d9c998, 0xb0d09822, 0xc7d7a8b4, 0x59b33d17, 0x2eb40d81, 0xb7bd5c3b, 0xc0ba6cad,
    0xedb88320, 0x9abfb3b6, 0x03b6e20c, 0x74b1d29a, 0xead54739, 0x9dd277af, 0x04db2615, 0x73dc1683,
    0xe3630b12, 0x94643b84, 0x0d6d6a3e, 0x7a6a5aa8, 0xe40ecf0b, 0x9309ff9d, 0x0a00ae27, 0x7d079eb1,
    0xf00f9344, 0x8708a3d2, 0x1e01f268, 0x6906c2fe, 0xf762575d, 0x806567cb, 0x196c3671, 0x6e6b06e7,
    0xfed41b76, 0x89d32be0, 0x10da7a5a, 0x67dd4acc, 0xf9b9df6f, 0x8ebeeff9, 0x17b7be43, 0x60b08ed5,
    0xd6d6a3e8, 0xa1d1937e, 0x38d8c2c4, 0x4fdff252, 0xd1bb67f1, 0xa6bc5767, 0x3fb506dd, 0x48b2364b,
    0xd80d2bda, 0xaf0a1b4c, 0x36034af6, 0x41047a60, 0xdf60efc3, 0xa867df55, 0x316e8eef, 0x4669be79,
    0xcb61b38c, 0xbc66831a, 0x256fd2a0, 0x5268e236, 0xcc0c7795, 0xbb0b4703, 0x220216b9, 0x5505262f,
    0xc5ba3bbe, 0xb2bd0b28, 0x2bb45a92, 0x5cb36a04, 0xc2d7ffa7, 0xb5d0cf31, 0x2cd99e8b, 0x5bdeae1d,
    0x9b64c2b0, 0xec63f226, 0x756aa39c, 0x026d930a, 0x9c0906a9, 0xeb0e363f, 0x72076785, 0x05005713,
    0x95bf4a82, 0xe2b87a14, 0x7bb12bae, 0x0cb61b38, 0x92d28e9b, 0xe5d5be0d, 0x7cdcefb7, 0x0bdbdf21,
    0x86d3d2d4, 0xf1d4e242, 0x68ddb3f8, 0x1fda836e, 0x81be16cd, 0xf6b9265b, 0x6fb077e1, 0x18b74777,
    0x88085ae6, 0xff0f6a70, 0x66063bca, 0x11010b5c, 0x8f659eff, 0xf862ae69, 0x616bffd3, 0x166ccf45,
    0xa00ae278, 0xd70dd2ee, 0x4e048354, 0x3903b3c2, 0xa7672661, 0xd06016f7, 0x4969474d, 0x3e6e77db,
    0xaed16a4a, 0xd9d65adc, 0x40df0b66, 0x37d83bf0, 0xa9bcae53, 0xdebb9ec5, 0x47b2cf7f, 0x30b5ffe9,
    0xbdbdf21c, 0xcabac28a, 0x53b39330, 0x24b4a3a6, 0xbad03605, 0xcdd70693, 0x54de5729, 0x23d967bf,
    0xb3667a2e, 0xc4614ab8, 0x5d681b02, 0x2a6f2b94, 0xb40bbe37, 0xc30c8ea1, 0x5a05df1b, 0x2d02ef8d,
};

static uint32_t crc_bytes(uint32_t crc, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        crc = crc_table[(crc ^ p[i]) & 0xff] ^ crc >> 8;
    return crc;
}

#ifdef __x86_64__
#include <immintrin.h>

enum { CRC_FOLDS_FROM = 64 };

/* Carries `x` over the bytes between it and `next`; `k` holds the remainders for that distance. */
__attribute__((target("pclmul,sse4.1"))) static inline __m128i fold(__m128i x, __m128i k, __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(x, k, 0x00), high = _mm_clmulepi64_si128(x, k, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

__attribute__((target("pclmul,sse4.1"))) static inline __m128i load16(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* Sixteen bytes at a time. V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
 * Instruction", Intel 2009; the constants are those for this polynomial, bits reflected. At least
 * CRC_FOLDS_FROM bytes, a multiple of 16. */
__attribute__((target("pclmul,sse4.1"))) static uint32_t crc_folds(uint32_t crc, const uint8_t *p, size_t n)
{
    const __m128i by64 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4),
                  by16 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0), by8 = _mm_set_epi64x(0, 0x163cd6124),
                  poly = _mm_set_epi64x(0x1f7011641, 0x1db710641), low32 = _mm_setr_epi32(-1, 0, -1, 0);
    __m128i a = _mm_xor_si128(load16(p), _mm_cvtsi32_si128((int)crc)), b = load16(p + 16), c = load16(p + 32),
            d = load16(p + 48), q;
    for (p += 64, n -= 64; n >= 64; p += 64, n -= 64) {
        a = fold(a, by64, load16(p));
        b = fold(b, by64, load16(p + 16));
        c = fold(c, by64, load16(p + 32));
        d = fold(d, by64, load16(p + 48));
    }
    a = fold(a, by16, b);
    a = fold(a, by16, c);
    a = fold(a, by16, d);
    for (; n >= 16; p += 16, n -= 16)
        a = fold(a, by16, load16(p));
    /* 128 bits to 64, these to 32 (Barrett) */
    a = _mm_xor_si128(_mm_srli_si128(a, 8), _mm_clmulepi64_si128(a, by16, 0x10));
    a = _mm_xor_si128(_mm_srli_si128(a, 4), _mm_clmulepi64_si128(_mm_and_si128(a, low32), by8, 0x00));
    q = _mm_clmulepi64_si128(_mm_and_si128(a, low32), poly, 0x10);
    q = _mm_clmulepi64_si128(_mm_and_si128(q, low32), poly, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(a, q), 1);
}

static bool folds(void)
{
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}
#else
enum { CRC_FOLDS_FROM = 64 };

static uint32_t crc_folds(uint32_t crc, const uint8_t *p, size_t n)
{
    return crc_bytes(crc, p, n);
}

static bool folds(void)
{
    return false;
}
#endif

uint32_t vk_crc32(const void *p, size_t n)
{
    const uint8_t *bytes = p;
    uint32_t crc = UINT32_MAX;
    if (n >= CRC_FOLDS_FROM && folds()) {
        size_t whole = n & ~(size_t)15;
        crc = crc_folds(crc, bytes, whole);
        bytes += whole;
        n -= whole;
    }
    return ~crc_bytes(crc, bytes, n);
}

void vk_base62_crc(char out[6], uint32_t v)
{
    for (int i = 5; i >= 0; i--, v /= 62)
        out[i] = base62[v % 62];
}

size_t vk_base62_fill(char *out, size_t want, const uint8_t *bytes, size_t n)
{
    size_t have = 0;
    for (size_t i = 0; i < n && have < want; i++)
        if (bytes[i] < 248)
            out[have++] = base62[bytes[i] % 62];
    return have;
}
