#include "crypto/checksum.h"

#include <pthread.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

#include "core/encode.h"
#include "core/text.h"

/* Plain contexts, for the reason that sha256.c gives. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>
#include <openssl/sha.h>

enum { CRCS = 3, SLICES = 8 };

static const struct {
    const char *name;
    size_t bytes;
    uint64_t poly; /* reflected */
} kinds[VK_CHECKSUM_KINDS] = {
    [VK_CHECKSUM_CRC32] = {"crc32", 4, 0xEDB88320},
    [VK_CHECKSUM_CRC32C] = {"crc32c", 4, 0x82F63B78},
    [VK_CHECKSUM_CRC64NVME] = {"crc64nvme", 8, UINT64_C(0x9A6C9329AC4BC9B5)},
    [VK_CHECKSUM_SHA1] = {"sha1", 20, 0},
    [VK_CHECKSUM_SHA256] = {"sha256", 32, 0},
    [VK_CHECKSUM_MD5] = {"md5", 16, 0},
};

_Static_assert(sizeof(SHA_CTX) <= sizeof(((vk_checksum *)0)->u.other), "no room for SHA-1");
_Static_assert(sizeof(MD5_CTX) <= sizeof(((vk_checksum *)0)->u.other), "no room for MD5");

/* ---- CRCs: reflected, all ones at the start and the end ---- */

/* What a byte does to the state when k more bytes follow it. */
static uint64_t slices[CRCS][SLICES][256];
static bool has_instruction;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void)
{
    for (int k = 0; k < CRCS; k++) {
        for (unsigned i = 0; i < 256; i++) {
            uint64_t v = i;
            for (int bit = 0; bit < 8; bit++)
                v = v & 1 ? v >> 1 ^ kinds[k].poly : v >> 1;
            slices[k][0][i] = v;
        }
        for (int s = 1; s < SLICES; s++)
            for (unsigned i = 0; i < 256; i++) {
                uint64_t v = slices[k][s - 1][i];
                slices[k][s][i] = v >> 8 ^ slices[k][0][v & 0xff];
            }
    }
#if defined(__x86_64__)
    __builtin_cpu_init();
    has_instruction = __builtin_cpu_supports("sse4.2") != 0;
#elif defined(__aarch64__)
    has_instruction = (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#endif
}

uint64_t vk_crc_portable(vk_checksum_kind kind, uint64_t state, vk_str data)
{
    pthread_once(&once, prepare);
    const uint64_t(*t)[256] = slices[kind];
    const char *p = data.p;
    size_t n = data.n;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t x = state ^ vk_load8(p);
        state = t[7][x & 0xff] ^ t[6][x >> 8 & 0xff] ^ t[5][x >> 16 & 0xff] ^ t[4][x >> 24 & 0xff] ^
                t[3][x >> 32 & 0xff] ^ t[2][x >> 40 & 0xff] ^ t[1][x >> 48 & 0xff] ^ t[0][x >> 56];
    }
    for (; n; n--, p++)
        state = state >> 8 ^ t[0][(state ^ (unsigned char)*p) & 0xff];
    return state;
}

/* What the CPU has an instruction for, eight bytes at a time. */
#if defined(__x86_64__)
static bool by_cpu(vk_checksum_kind kind)
{
    return has_instruction && kind == VK_CHECKSUM_CRC32C;
}

__attribute__((target("sse4.2"))) static uint64_t crc_by_cpu(vk_checksum_kind kind, uint64_t state,
                                                             vk_str data)
{
    const char *p = data.p;
    size_t n = data.n;
    VK_UNUSED(kind);
    for (; n >= 8; n -= 8, p += 8)
        state = __builtin_ia32_crc32di(state, vk_load8(p));
    for (; n; n--, p++)
        state = __builtin_ia32_crc32qi((uint32_t)state, (unsigned char)*p);
    return state;
}
#elif defined(__aarch64__)
static bool by_cpu(vk_checksum_kind kind)
{
    return has_instruction && (kind == VK_CHECKSUM_CRC32C || kind == VK_CHECKSUM_CRC32);
}

/* The instructions by name: what compilers call them, and the switch that allows them, differs. */
static uint64_t crc_by_cpu(vk_checksum_kind kind, uint64_t state, vk_str data)
{
    const char *p = data.p;
    size_t n = data.n;
    uint32_t s = (uint32_t)state;
    bool c = kind == VK_CHECKSUM_CRC32C;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t x = vk_load8(p);
        if (c)
            __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(s) : "r"(x));
        else
            __asm__(".arch_extension crc\n\tcrc32x %w0, %w0, %x1" : "+r"(s) : "r"(x));
    }
    for (; n; n--, p++) {
        uint32_t x = (unsigned char)*p;
        if (c)
            __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(s) : "r"(x));
        else
            __asm__(".arch_extension crc\n\tcrc32b %w0, %w0, %w1" : "+r"(s) : "r"(x));
    }
    return s;
}
#else
static bool by_cpu(vk_checksum_kind kind)
{
    VK_UNUSED(kind);
    return has_instruction; /* never */
}

static uint64_t crc_by_cpu(vk_checksum_kind kind, uint64_t state, vk_str data)
{
    return vk_crc_portable(kind, state, data);
}
#endif

uint64_t vk_crc_best(vk_checksum_kind kind, uint64_t state, vk_str data)
{
    pthread_once(&once, prepare);
    return by_cpu(kind) ? crc_by_cpu(kind, state, data) : vk_crc_portable(kind, state, data);
}

static uint64_t ones(vk_checksum_kind kind)
{
    return kinds[kind].bytes == 8 ? UINT64_MAX : UINT32_MAX;
}

static bool is_crc(vk_checksum_kind kind)
{
    return kind < (vk_checksum_kind)CRCS;
}

/* a × b modulo the polynomial; in reflected order x^0 is the top bit. */
static uint64_t multiply(vk_checksum_kind kind, uint64_t a, uint64_t b)
{
    uint64_t product = 0;
    for (uint64_t m = UINT64_C(1) << (8 * kinds[kind].bytes - 1); m; m >>= 1) {
        if (a & m)
            product ^= b;
        b = b & 1 ? b >> 1 ^ kinds[kind].poly : b >> 1;
    }
    return product;
}

/* x^(8 × bytes), by which the CRC of what stands before is multiplied. */
static uint64_t shift_of(vk_checksum_kind kind, uint64_t bytes)
{
    uint64_t top = UINT64_C(1) << (8 * kinds[kind].bytes - 1), result = top, power = top >> 8;
    for (; bytes; bytes >>= 1) {
        if (bytes & 1)
            result = multiply(kind, result, power);
        power = multiply(kind, power, power);
    }
    return result;
}

static uint64_t from_raw(vk_checksum_kind kind, const uint8_t *raw)
{
    uint64_t v = 0;
    for (size_t i = 0; i < kinds[kind].bytes; i++)
        v = v << 8 | raw[i];
    return v;
}

static void to_raw(vk_checksum_kind kind, uint64_t v, uint8_t *raw)
{
    for (size_t i = kinds[kind].bytes; i; i--, v >>= 8)
        raw[i - 1] = (uint8_t)v;
}

vk_err vk_checksum_combine(vk_checksum_kind kind, const uint8_t *a, const uint8_t *b, uint64_t b_bytes,
                           uint8_t *out)
{
    if (!is_crc(kind))
        return VK_E_INVALID;
    uint64_t moved = multiply(kind, from_raw(kind, a), shift_of(kind, b_bytes));
    to_raw(kind, moved ^ from_raw(kind, b), out);
    return VK_OK;
}

/* ---- all kinds ---- */

static SHA_CTX *sha1_of(vk_checksum *c)
{
    return (SHA_CTX *)(void *)c->u.other;
}

static MD5_CTX *md5_of(vk_checksum *c)
{
    return (MD5_CTX *)(void *)c->u.other;
}

void vk_checksum_begin(vk_checksum *c, vk_checksum_kind kind)
{
    c->kind = kind;
    if (is_crc(kind))
        c->u.crc = ones(kind);
    else if (kind == VK_CHECKSUM_SHA256)
        vk_sha256_begin(&c->u.sha256);
    else if (kind == VK_CHECKSUM_SHA1)
        SHA1_Init(sha1_of(c));
    else
        MD5_Init(md5_of(c));
}

void vk_checksum_add(vk_checksum *c, vk_str data)
{
    if (data.n == 0)
        return;
    if (is_crc(c->kind))
        c->u.crc = vk_crc_best(c->kind, c->u.crc, data);
    else if (c->kind == VK_CHECKSUM_SHA256)
        vk_sha256_add(&c->u.sha256, data);
    else if (c->kind == VK_CHECKSUM_SHA1)
        SHA1_Update(sha1_of(c), data.p, data.n);
    else
        MD5_Update(md5_of(c), data.p, data.n);
}

size_t vk_checksum_end(vk_checksum *c, uint8_t out[VK_CHECKSUM_MAX])
{
    if (is_crc(c->kind))
        to_raw(c->kind, c->u.crc ^ ones(c->kind), out);
    else if (c->kind == VK_CHECKSUM_SHA256)
        vk_sha256_end(&c->u.sha256, out);
    else if (c->kind == VK_CHECKSUM_SHA1)
        SHA1_Final(out, sha1_of(c));
    else
        MD5_Final(out, md5_of(c));
    return kinds[c->kind].bytes;
}

size_t vk_checksum_size(vk_checksum_kind kind)
{
    return kinds[kind].bytes;
}

const char *vk_checksum_name(vk_checksum_kind kind)
{
    return kinds[kind].name;
}

bool vk_checksum_kind_of(vk_str name, vk_checksum_kind *kind_r)
{
    for (int k = 0; k < VK_CHECKSUM_KINDS; k++)
        if (vk_str_ieq(name, vk_str_z(kinds[k].name))) {
            *kind_r = (vk_checksum_kind)k;
            return true;
        }
    return false;
}

/* ---- texts ---- */

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void vk_checksum_text(vk_checksum_kind kind, const uint8_t *raw, char out[VK_CHECKSUM_TEXT])
{
    size_t n = kinds[kind].bytes;
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)raw[i] << 16 | (i + 1 < n ? (unsigned)raw[i + 1] << 8 : 0) |
                     (i + 2 < n ? raw[i + 2] : 0);
        *out++ = base64[v >> 18];
        *out++ = base64[v >> 12 & 63];
        *out++ = i + 1 < n ? base64[v >> 6 & 63] : '=';
        *out++ = i + 2 < n ? base64[v & 63] : '=';
    }
    *out = 0;
}

vk_err vk_checksum_read(vk_checksum_kind kind, vk_str text, uint8_t out[VK_CHECKSUM_MAX])
{
    size_t n = kinds[kind].bytes, have = 0;
    uint8_t raw[VK_CHECKSUM_MAX + 3] = {0};
    char again[VK_CHECKSUM_TEXT];
    if (text.n != (n + 2) / 3 * 4)
        return VK_E_INVALID;
    for (size_t i = 0; i < text.n; i += 4) {
        unsigned v = 0;
        for (size_t k = 0; k < 4; k++) {
            const char *at = text.p[i + k] ? strchr(base64, text.p[i + k]) : NULL;
            if (!at && text.p[i + k] != '=')
                return VK_E_INVALID;
            v = v << 6 | (at ? (unsigned)(at - base64) : 0);
        }
        raw[have++] = (uint8_t)(v >> 16);
        raw[have++] = (uint8_t)(v >> 8);
        raw[have++] = (uint8_t)v;
    }
    vk_checksum_text(kind, raw, again); /* one text a value: no other padding, no bits beyond the end */
    if (memcmp(again, text.p, text.n) != 0)
        return VK_E_INVALID;
    memcpy(out, raw, n);
    return VK_OK;
}
