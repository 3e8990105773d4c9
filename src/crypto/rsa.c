#include "crypto/rsa.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

enum { BITS = VK_RSA_BYTES * 8 };

struct vk_rsa {
    EVP_PKEY *pkey;
    bool has_private;
    uint8_t n[VK_RSA_BYTES];
};

/* Takes the reference over, on failure too. VK_E_INVALID: it is no RSA-2048 key with e = 65537. */
static vk_err wrap(EVP_PKEY *pkey, bool has_private, vk_rsa **out_r)
{
    BIGNUM *n = NULL, *e = NULL;
    vk_rsa *key = NULL;
    vk_err err = VK_E_INVALID;
    if (!EVP_PKEY_is_a(pkey, "RSA") || EVP_PKEY_get_bits(pkey) != BITS ||
        !EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) ||
        !EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) || !BN_is_word(e, VK_RSA_EXPONENT) ||
        !BN_is_odd(n))
        goto out;
    err = VK_E_NOMEM;
    key = calloc(1, sizeof *key);
    if (!key || BN_bn2binpad(n, key->n, VK_RSA_BYTES) != VK_RSA_BYTES)
        goto out;
    key->pkey = pkey;
    key->has_private = has_private;
    *out_r = key;
    key = NULL;
    pkey = NULL;
    err = VK_OK;
out:
    free(key);
    BN_free(n);
    BN_free(e);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return err;
}

/* OpenSSL asks between two candidates for a prime. 0 ends it. */
static int go_on(EVP_PKEY_CTX *ctx)
{
    _Atomic bool *stop = EVP_PKEY_CTX_get_app_data(ctx);
    return !stop || !atomic_load(stop);
}

vk_err vk_rsa_new_unless(_Atomic bool *stop, vk_rsa **out_r)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *pkey = NULL;
    if (ctx) {
        EVP_PKEY_CTX_set_app_data(ctx, stop);
        EVP_PKEY_CTX_set_cb(ctx, go_on);
        /* the usual exponent is 65537 */
        if (EVP_PKEY_keygen_init(ctx) != 1 || EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, BITS) != 1 ||
            EVP_PKEY_generate(ctx, &pkey) != 1)
            pkey = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    if (!pkey)
        return stop && atomic_load(stop) ? VK_E_UNAVAILABLE : VK_E_INTERNAL;
    vk_err e = wrap(pkey, true, out_r);
    return e == VK_E_INVALID ? VK_E_INTERNAL : e;
}

vk_err vk_rsa_new(vk_rsa **out_r)
{
    return vk_rsa_new_unless(NULL, out_r);
}

vk_err vk_rsa_public(const uint8_t n[VK_RSA_BYTES], vk_rsa **out_r)
{
    BIGNUM *modulus = BN_bin2bn(n, VK_RSA_BYTES, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *pkey = NULL;
    vk_err e = VK_E_NOMEM;
    if (!modulus || !build || !ctx || !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) ||
        !OSSL_PARAM_BLD_push_uint(build, OSSL_PKEY_PARAM_RSA_E, VK_RSA_EXPONENT) ||
        !(params = OSSL_PARAM_BLD_to_param(build)))
        goto out;
    e = VK_E_INVALID;
    if (EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1)
        e = wrap(pkey, false, out_r);
out:
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    BN_free(modulus);
    ERR_clear_error();
    return e;
}

void vk_rsa_free(vk_rsa *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pkey); /* wipes the private numbers */
    free(key);
}

void vk_rsa_modulus(const vk_rsa *key, uint8_t n[VK_RSA_BYTES])
{
    memcpy(n, key->n, VK_RSA_BYTES);
}

vk_err vk_rsa_sign(const vk_rsa *key, vk_str data, uint8_t out[VK_RSA_BYTES])
{
    if (!key->has_private)
        return VK_E_INVALID;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = VK_RSA_BYTES;
    bool ok = ctx && EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key->pkey, NULL) == 1 &&
              EVP_DigestSign(ctx, out, &n, (const uint8_t *)data.p, data.n) == 1 && n == VK_RSA_BYTES;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok ? VK_OK : VK_E_INTERNAL;
}

vk_err vk_rsa_verify(const vk_rsa *key, vk_str data, vk_str signature)
{
    if (signature.n != VK_RSA_BYTES)
        return VK_E_UNAUTHORIZED;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, key->pkey, NULL) == 1 &&
              EVP_DigestVerify(ctx, (const uint8_t *)signature.p, signature.n, (const uint8_t *)data.p,
                               data.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok ? VK_OK : VK_E_UNAUTHORIZED;
}

vk_err vk_rsa_export(const vk_rsa *key, vk_buf *out)
{
    if (!key->has_private)
        return VK_E_INVALID;
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key->pkey);
    unsigned char *der = NULL;
    int n = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
    PKCS8_PRIV_KEY_INFO_free(info);
    ERR_clear_error();
    if (n <= 0)
        return VK_E_NOMEM;
    out->secret = true;
    vk_buf_add(out, der, (size_t)n);
    OPENSSL_clear_free(der, (size_t)n);
    return out->err;
}

vk_err vk_rsa_import(vk_secret der, vk_rsa **out_r)
{
    vk_str s = vk_secret_bytes(der);
    if (s.n == 0 || s.n > VK_RSA_DER_MAX)
        return VK_E_CORRUPT;
    const unsigned char *at = (const unsigned char *)s.p;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)s.n);
    bool whole = info && at == (const unsigned char *)s.p + s.n;
    EVP_PKEY *pkey = whole ? EVP_PKCS82PKEY(info) : NULL;
    PKCS8_PRIV_KEY_INFO_free(info);
    ERR_clear_error();
    if (!pkey)
        return VK_E_CORRUPT;
    vk_err e = wrap(pkey, true, out_r);
    return e == VK_E_INVALID ? VK_E_CORRUPT : e;
}

vk_err vk_rsa_seal(const vk_rsa *key, const uint8_t seal_key[VK_SEAL_KEY], const vk_seal_place *at,
                   vk_buf *out)
{
    vk_buf der;
    vk_buf_init(&der, VK_RSA_DER_MAX);
    vk_err e = vk_rsa_export(key, &der);
    if (e == VK_OK)
        e = vk_seal(seal_key, at, vk_buf_view(&der), out);
    vk_buf_free_secret(&der);
    return e;
}

vk_err vk_rsa_open(const uint8_t seal_key[VK_SEAL_KEY], const vk_seal_place *at, vk_str sealed,
                   vk_rsa **out_r)
{
    vk_buf der;
    vk_buf_init(&der, VK_RSA_DER_MAX);
    der.secret = true;
    vk_err e = vk_seal_open(seal_key, at, sealed, &der, NULL);
    if (e == VK_OK)
        e = vk_rsa_import(vk_secret_of(vk_buf_view(&der)), out_r);
    else if (e == VK_E_TOO_LARGE)
        e = VK_E_CORRUPT;
    vk_buf_free_secret(&der);
    return e;
}
