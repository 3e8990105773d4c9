#include "crypto/digest.h"

#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/core_names.h>
#include <sodium.h>

static EVP_MD *sha256;
static EVP_MAC *hmac;

struct vk_hmac_key {
    EVP_MAC_CTX *ctx;
};

/* With fetched algorithms these calls fail only when memory is out; a digest that is not one must never be
 * used. */
static void must(int ok)
{
    if (ok != 1)
        abort();
}

void vk_sha256(vk_str data, uint8_t out[VK_SHA256])
{
    unsigned n = VK_SHA256;
    must(EVP_Digest(data.n ? data.p : "", data.n, out, &n, sha256, NULL));
}

void vk_sha1(vk_str data, uint8_t out[VK_SHA1])
{
    unsigned n = VK_SHA1;
    must(EVP_Digest(data.n ? data.p : "", data.n, out, &n, EVP_sha1(), NULL));
}

vk_err vk_hmac_key_new(vk_str key, vk_hmac_key **out_r)
{
    static char name[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                           OSSL_PARAM_construct_end()};
    vk_hmac_key *k = calloc(1, sizeof *k);
    if (!k)
        return VK_E_NOMEM;
    k->ctx = EVP_MAC_CTX_new(hmac);
    if (!k->ctx || EVP_MAC_init(k->ctx, (const unsigned char *)key.p, key.n, params) != 1) {
        vk_hmac_key_free(k);
        return VK_E_NOMEM;
    }
    *out_r = k;
    return VK_OK;
}

void vk_hmac_key_free(vk_hmac_key *k)
{
    if (k)
        EVP_MAC_CTX_free(k->ctx);
    free(k);
}

void vk_hmac_with(vk_hmac_key *k, vk_str data, uint8_t out[VK_SHA256])
{
    size_t n;
    must(EVP_MAC_init(k->ctx, NULL, 0, NULL));
    must(EVP_MAC_update(k->ctx, (const unsigned char *)(data.n ? data.p : ""), data.n));
    must(EVP_MAC_final(k->ctx, out, &n, VK_SHA256));
}

void vk_hmac(vk_str key, vk_str data, uint8_t out[VK_SHA256])
{
    vk_hmac_key *k;
    must(vk_hmac_key_new(key, &k) == VK_OK);
    vk_hmac_with(k, data, out);
    vk_hmac_key_free(k);
}

void vk_hkdf(vk_str ikm, vk_str salt, vk_str info, uint8_t *out, size_t n)
{
    uint8_t prk[VK_SHA256], block[VK_SHA256];
    static const char zeros[VK_SHA256];
    vk_hmac(salt.n ? salt : (vk_str){zeros, sizeof zeros}, ikm, prk);
    size_t have = 0;
    for (unsigned i = 1; n; i++) {
        char msg[VK_SHA256 + 1024 + 1];
        if (info.n > 1024 || i > 255)
            abort();
        memcpy(msg, block, have);
        if (info.n)
            memcpy(msg + have, info.p, info.n);
        msg[have + info.n] = (char)i;
        vk_hmac((vk_str){(char *)prk, sizeof prk}, (vk_str){msg, have + info.n + 1}, block);
        have = sizeof block;
        size_t take = n < sizeof block ? n : sizeof block;
        memcpy(out, block, take);
        out += take;
        n -= take;
        vk_wipe(msg, sizeof msg);
    }
    vk_wipe(prk, sizeof prk);
    vk_wipe(block, sizeof block);
}

/* OpenSSL before 3.0.3 did not start anew when a keyed context was initialised without a key. RFC 4231,
 * case 2. */
static bool reuse_works(void)
{
    static const uint8_t want[4] = {0x5b, 0xdc, 0xc1, 0x46};
    uint8_t first[VK_SHA256], second[VK_SHA256];
    vk_hmac_key *k;
    if (vk_hmac_key_new(VK_STR("Jefe"), &k) != VK_OK)
        return false;
    vk_hmac_with(k, VK_STR("what do ya want for nothing?"), first);
    vk_hmac_with(k, VK_STR("what do ya want for nothing?"), second);
    vk_hmac_key_free(k);
    return memcmp(first, want, sizeof want) == 0 && memcmp(first, second, sizeof first) == 0;
}

vk_err vk_digest_init(void)
{
    if (!sha256)
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!hmac)
        hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    return sha256 && hmac && sodium_init() >= 0 && reuse_works() ? VK_OK : VK_E_INTERNAL;
}
