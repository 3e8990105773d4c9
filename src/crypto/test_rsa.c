#include "crypto/rsa.h"

#include "core/arena.h"
#include "core/random.h"
#include "crypto/digest.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static vk_rsa *key;
static const uint8_t seal_key[VK_SEAL_KEY] = {9};

static vk_seal_place place(void)
{
    return (vk_seal_place){.table = VK_STR("auth_keys"),
                           .record = VK_STR("ins_b1"),
                           .org = VK_STR(""),
                           .build = VK_STR("b1"),
                           .version = 1,
                           .key_id = 1};
}

static void signs_and_verifies(void **state)
{
    VK_UNUSED(state);
    uint8_t s[VK_RSA_BYTES], n[VK_RSA_BYTES];
    vk_str data = VK_STR("header.claims"), signature = {(const char *)s, sizeof s};
    vk_rsa *public, *other;
    assert_int_equal(vk_rsa_sign(key, data, s), VK_OK);
    assert_int_equal(vk_rsa_verify(key, data, signature), VK_OK);
    assert_int_equal(vk_rsa_verify(key, VK_STR("header.claimt"), signature), VK_E_UNAUTHORIZED);
    assert_int_equal(vk_rsa_verify(key, data, (vk_str){(const char *)s, sizeof s - 1}), VK_E_UNAUTHORIZED);
    assert_int_equal(vk_rsa_verify(key, data, VK_STR_NONE), VK_E_UNAUTHORIZED);
    vk_rsa_modulus(key, n);
    assert_true(n[0] & 0x80);
    assert_int_equal(vk_rsa_public(n, &public), VK_OK);
    assert_int_equal(vk_rsa_verify(public, data, signature), VK_OK);
    assert_int_equal(vk_rsa_sign(public, data, s), VK_E_INVALID);
    vk_buf out;
    vk_buf_init(&out, VK_RSA_DER_MAX);
    assert_int_equal(vk_rsa_export(public, &out), VK_E_INVALID);
    assert_int_equal(out.n, 0);
    vk_buf_free(&out);
    assert_int_equal(vk_rsa_new(&other), VK_OK);
    assert_int_equal(vk_rsa_verify(other, data, signature), VK_E_UNAUTHORIZED);
    vk_rsa_free(other);
    vk_rsa_free(public);
    for (size_t i = 0; i < sizeof s; i += 17) {
        s[i] ^= 1;
        assert_int_equal(vk_rsa_verify(key, data, signature), VK_E_UNAUTHORIZED);
        s[i] ^= 1;
    }
}

static void a_modulus_must_be_one(void **state)
{
    VK_UNUSED(state);
    uint8_t n[VK_RSA_BYTES] = {0};
    vk_rsa *public;
    assert_int_equal(vk_rsa_public(n, &public), VK_E_INVALID);
    n[0] = 0x40; /* 2047 bits */
    n[VK_RSA_BYTES - 1] = 1;
    assert_int_equal(vk_rsa_public(n, &public), VK_E_INVALID);
    n[0] = 0x80;
    n[VK_RSA_BYTES - 1] = 2; /* even */
    assert_int_equal(vk_rsa_public(n, &public), VK_E_INVALID);
    n[VK_RSA_BYTES - 1] = 3;
    assert_int_equal(vk_rsa_public(n, &public), VK_OK);
    vk_rsa_free(public);
}

static void goes_out_and_in(void **state)
{
    VK_UNUSED(state);
    uint8_t a[VK_RSA_BYTES], b[VK_RSA_BYTES];
    vk_buf der;
    vk_rsa *again;
    vk_buf_init(&der, VK_RSA_DER_MAX);
    assert_int_equal(vk_rsa_export(key, &der), VK_OK);
    assert_int_equal(vk_rsa_import(vk_secret_of(vk_buf_view(&der)), &again), VK_OK);
    assert_int_equal(vk_rsa_sign(key, VK_STR("x"), a), VK_OK);
    assert_int_equal(vk_rsa_sign(again, VK_STR("x"), b), VK_OK);
    assert_memory_equal(a, b, sizeof a); /* PKCS #1 v1.5 has no salt */
    vk_rsa_free(again);
    for (size_t i = 0; i < der.n; i += i < 64 ? 1 : 97) /* cut off */
        assert_int_equal(vk_rsa_import(vk_secret_of((vk_str){der.p, i}), &again), VK_E_CORRUPT);
    der.max++;
    vk_buf_ch(&der, '\0');
    assert_int_equal(vk_rsa_import(vk_secret_of(vk_buf_view(&der)), &again), VK_E_CORRUPT);
    vk_buf_free_secret(&der);
    vk_buf small;
    vk_buf_init(&small, 100);
    assert_int_equal(vk_rsa_export(key, &small), VK_E_TOO_LARGE);
    vk_buf_free_secret(&small);
}

static void import_of(EVP_PKEY *pkey, vk_err want)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
    unsigned char *der = NULL;
    int n = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    vk_rsa *out;
    assert_true(n > 0);
    assert_int_equal(vk_rsa_import(vk_secret_of((vk_str){(char *)der, (size_t)n}), &out), want);
    OPENSSL_free(der);
    PKCS8_PRIV_KEY_INFO_free(info);
    EVP_PKEY_free(pkey);
}

static EVP_PKEY *with_exponent_3(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *e = BN_new();
    EVP_PKEY *pkey = NULL;
    assert_true(ctx && e && BN_set_word(e, 3) && EVP_PKEY_keygen_init(ctx) == 1 &&
                EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048) == 1 &&
                EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) == 1 && EVP_PKEY_generate(ctx, &pkey) == 1);
    BN_free(e);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

static void other_keys_do_not_come_in(void **state)
{
    VK_UNUSED(state);
    import_of(EVP_RSA_gen(1024), VK_E_CORRUPT);
    import_of(EVP_EC_gen("P-256"), VK_E_CORRUPT);
    import_of(with_exponent_3(), VK_E_CORRUPT);
}

static void sealed(void **state)
{
    VK_UNUSED(state);
    static const uint8_t other[VK_SEAL_KEY] = {8};
    uint8_t a[VK_RSA_BYTES], b[VK_RSA_BYTES];
    vk_seal_place at = place();
    vk_buf out;
    vk_rsa *again;
    vk_buf_init(&out, VK_RSA_DER_MAX + VK_SEAL_OVERHEAD);
    assert_int_equal(vk_rsa_seal(key, seal_key, &at, &out), VK_OK);
    assert_int_equal(vk_rsa_open(seal_key, &at, vk_buf_view(&out), &again), VK_OK);
    vk_rsa_modulus(key, a);
    vk_rsa_modulus(again, b);
    assert_memory_equal(a, b, sizeof a);
    vk_rsa_free(again);
    assert_int_equal(vk_rsa_open(other, &at, vk_buf_view(&out), &again), VK_E_CORRUPT);
    at.build = VK_STR("b2"); /* another build's place */
    assert_int_equal(vk_rsa_open(seal_key, &at, vk_buf_view(&out), &again), VK_E_CORRUPT);
    at = place();
    out.p[out.n / 2] ^= 1;
    assert_int_equal(vk_rsa_open(seal_key, &at, vk_buf_view(&out), &again), VK_E_CORRUPT);
    /* A sealed record that is no key. */
    vk_buf_clear(&out);
    assert_int_equal(vk_seal(seal_key, &at, VK_STR("no key"), &out), VK_OK);
    assert_int_equal(vk_rsa_open(seal_key, &at, vk_buf_view(&out), &again), VK_E_CORRUPT);
    vk_buf_free(&out);
}

static int init(void **state)
{
    VK_UNUSED(state);
    return vk_digest_init() == VK_OK && vk_rsa_new(&key) == VK_OK ? 0 : -1;
}

static int end(void **state)
{
    VK_UNUSED(state);
    vk_rsa_free(key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_and_verifies),
        cmocka_unit_test(a_modulus_must_be_one),
        cmocka_unit_test(goes_out_and_in),
        cmocka_unit_test(other_keys_do_not_come_in),
        cmocka_unit_test(sealed),
    };
    return cmocka_run_group_tests(tests, init, end);
}
