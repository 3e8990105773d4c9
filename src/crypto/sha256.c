#include "crypto/sha256.h"

/* The functions on a plain context, not EVP: an EVP context must be allocated and duplicated for each use of
 * a precomputed key, which costs more than hashing what SigV4 hashes. Same code behind them, with the CPU's
 * instructions. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

enum { BLOCK = 64 };

_Static_assert(sizeof(vk_sha256_run) >= sizeof(SHA256_CTX), "vk_sha256_run has no room for the context");

static SHA256_CTX *context(vk_sha256_run *s)
{
    return (SHA256_CTX *)(void *)s;
}

const uint8_t vk_sha256_nothing[VK_SHA256] = {
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};

void vk_sha256_begin(vk_sha256_run *s)
{
    SHA256_Init(context(s));
}

void vk_sha256_add(vk_sha256_run *s, vk_str data)
{
    if (data.n)
        SHA256_Update(context(s), data.p, data.n);
}

void vk_sha256_end(vk_sha256_run *s, uint8_t out[VK_SHA256])
{
    SHA256_Final(out, context(s));
}

static void begin_with(vk_sha256_run *s, const uint8_t key[BLOCK], uint8_t pad)
{
    uint8_t block[BLOCK];
    for (size_t i = 0; i < BLOCK; i++)
        block[i] = key[i] ^ pad;
    vk_sha256_begin(s);
    vk_sha256_add(s, (vk_str){(char *)block, BLOCK});
    vk_wipe(block, sizeof block);
}

void vk_hmac256_key_init(vk_hmac256_key *k, vk_str key)
{
    uint8_t padded[BLOCK] = {0};
    if (key.n > BLOCK) {
        vk_sha256_begin(&k->inner);
        vk_sha256_add(&k->inner, key);
        vk_sha256_end(&k->inner, padded);
    } else if (key.n) {
        memcpy(padded, key.p, key.n);
    }
    begin_with(&k->inner, padded, 0x36);
    begin_with(&k->outer, padded, 0x5c);
    vk_wipe(padded, sizeof padded);
}

void vk_hmac256(const vk_hmac256_key *k, vk_str data, uint8_t out[VK_SHA256])
{
    vk_sha256_run s = k->inner;
    vk_sha256_add(&s, data);
    vk_sha256_end(&s, out);
    s = k->outer;
    vk_sha256_add(&s, (vk_str){(char *)out, VK_SHA256});
    vk_sha256_end(&s, out);
    vk_wipe(&s, sizeof s);
}
