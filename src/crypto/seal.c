#include "crypto/seal.h"

#include "core/random.h"
#include "crypto/digest.h"

#include <sodium.h>

enum { NONCE_AT = 4 + 1 + 1 + 4 + 8, NONCE = 24, COMMIT = 32, TAG = 16, PLACE_MAX = 512 };

static void be32(vk_buf *b, uint32_t v)
{
    unsigned char x[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8),
                          (unsigned char)v};
    vk_buf_add(b, x, sizeof x);
}

static void be64(vk_buf *b, uint64_t v)
{
    be32(b, (uint32_t)(v >> 32));
    be32(b, (uint32_t)v);
}

static void lp(vk_buf *b, vk_str s)
{
    be32(b, (uint32_t)s.n);
    vk_buf_str(b, s);
}

static uint64_t get_be(const char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

static void lp_version(vk_buf *b, uint64_t v)
{
    be32(b, 8);
    be64(b, v);
}

/* Encryption key and commitment for this record version. */
static vk_err derive(const uint8_t key[VK_SEAL_KEY], const vk_seal_place *at, uint8_t okm[64])
{
    if (at->table.n + at->record.n + at->org.n + at->build.n > PLACE_MAX)
        return VK_E_TOO_LARGE;
    vk_buf info;
    vk_buf_init(&info, 1024);
    vk_buf_lit(&info, "valetkey/rec/v1");
    lp(&info, at->table);
    lp(&info, at->record);
    lp_version(&info, at->version);
    vk_err e = info.err;
    if (e == VK_OK)
        vk_hkdf((vk_str){(const char *)key, VK_SEAL_KEY}, at->record, vk_buf_view(&info), okm, 64);
    vk_buf_free(&info);
    return e;
}

static void make_aad(vk_buf *aad, vk_str header, const vk_seal_place *at)
{
    vk_buf_init(aad, 1024);
    vk_buf_str(aad, header);
    lp(aad, at->table);
    lp(aad, at->record);
    lp_version(aad, at->version);
    lp(aad, at->org);
    lp(aad, at->build);
}

vk_err vk_seal(const uint8_t key[VK_SEAL_KEY], const vk_seal_place *at, vk_str plain, vk_buf *out)
{
    uint8_t okm[64], nonce[NONCE];
    vk_buf aad;
    vk_err e = derive(key, at, okm);
    if (e != VK_OK)
        return e;
    vk_random(nonce, sizeof nonce);
    size_t start = out->n;
    vk_buf_lit(out, "VKS1\x01");
    vk_buf_ch(out, 0);
    be32(out, at->key_id);
    be64(out, at->version);
    vk_buf_add(out, nonce, sizeof nonce);
    vk_buf_add(out, okm + 32, COMMIT);
    unsigned char *text = plain.n < SIZE_MAX - TAG ? (unsigned char *)vk_buf_room(out, plain.n + TAG) : NULL;
    make_aad(&aad, text ? (vk_str){out->p + start, VK_SEAL_HEADER} : VK_STR_NONE, at);
    if (text && aad.err == VK_OK) {
        unsigned long long n;
        crypto_aead_xchacha20poly1305_ietf_encrypt(text, &n, (const unsigned char *)plain.p, plain.n,
                                                   (unsigned char *)aad.p, aad.n, NULL, nonce, okm);
        out->n += (size_t)n;
    } else {
        e = out->err ? out->err : aad.err ? aad.err : VK_E_TOO_LARGE;
        out->n = start; /* nothing half-made stays */
    }
    vk_buf_free(&aad);
    vk_wipe(okm, sizeof okm);
    return e;
}

vk_err vk_seal_peek(vk_str sealed, uint32_t *key_id_r, uint64_t *version_r)
{
    if (sealed.n < VK_SEAL_OVERHEAD || memcmp(sealed.p, "VKS1\x01\x00", 6) != 0)
        return VK_E_CORRUPT;
    *key_id_r = (uint32_t)get_be(sealed.p + 6, 4);
    *version_r = get_be(sealed.p + 10, 8);
    return VK_OK;
}

vk_err vk_seal_open(const uint8_t key[VK_SEAL_KEY], const vk_seal_place *at, vk_str sealed, vk_buf *out,
                    const char **why_r)
{
    uint8_t okm[64];
    uint32_t key_id;
    uint64_t version;
    const char *none;
    vk_buf aad;
    if (!why_r)
        why_r = &none;
    if (vk_seal_peek(sealed, &key_id, &version) != VK_OK) {
        *why_r = "not a sealed record";
        return VK_E_CORRUPT;
    }
    if (key_id != at->key_id || version != at->version) {
        *why_r = "another key or version than expected";
        return VK_E_CORRUPT;
    }
    *why_r = "out of memory";
    vk_err e = derive(key, at, okm);
    if (e != VK_OK)
        return e;
    vk_str commitment = {sealed.p + VK_SEAL_HEADER, COMMIT};
    if (!vk_str_eq_secret(commitment, (vk_str){(char *)okm + 32, COMMIT})) {
        *why_r = "sealed under another key or for another place";
        vk_wipe(okm, sizeof okm);
        return VK_E_CORRUPT;
    }
    make_aad(&aad, (vk_str){sealed.p, VK_SEAL_HEADER}, at);
    size_t n_cipher = sealed.n - VK_SEAL_HEADER - COMMIT;
    unsigned char *text = (unsigned char *)vk_buf_room(out, n_cipher - TAG + 1);
    e = aad.err ? aad.err : out->err;
    if (e == VK_OK) {
        unsigned long long n;
        if (crypto_aead_xchacha20poly1305_ietf_decrypt(
                text, &n, NULL, (const unsigned char *)sealed.p + VK_SEAL_HEADER + COMMIT, n_cipher,
                (unsigned char *)aad.p, aad.n, (const unsigned char *)sealed.p + NONCE_AT, okm) == 0) {
            out->n += (size_t)n;
        } else {
            *why_r = "changed after it was sealed, or another organisation's or build's";
            e = VK_E_CORRUPT;
        }
    }
    vk_buf_free(&aad);
    vk_wipe(okm, sizeof okm);
    return e;
}
