#include "crypto/digest.h"

#include "core/encode.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool is(const uint8_t *bytes, size_t n, const char *hex)
{
    char text[2 * 128 + 1];
    assert_true(n <= 128);
    vk_hex(text, bytes, n);
    return strcmp(text, hex) == 0;
}

/* FIPS 180-4 examples */
static void sha256(void **state)
{
    VK_UNUSED(state);
    uint8_t out[VK_SHA256];
    vk_sha256(VK_STR(""), out);
    assert_true(is(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    vk_sha256(VK_STR_NONE, out);
    assert_true(is(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    vk_sha256(VK_STR("abc"), out);
    assert_true(is(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    vk_sha256(VK_STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), out);
    assert_true(is(out, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
}

/* RFC 4231: cases 1, 2, 6 and 7 */
static void hmac(void **state)
{
    VK_UNUSED(state);
    uint8_t out[VK_SHA256];
    char key[131];
    memset(key, 0x0b, 20);
    vk_hmac((vk_str){key, 20}, VK_STR("Hi There"), out);
    assert_true(is(out, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"));
    vk_hmac(VK_STR("Jefe"), VK_STR("what do ya want for nothing?"), out);
    assert_true(is(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    memset(key, 0xaa, sizeof key);
    vk_hmac((vk_str){key, sizeof key}, VK_STR("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    assert_true(is(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
    vk_hmac((vk_str){key, sizeof key},
            VK_STR("This is a test using a larger than block-size key and a larger than block-size data. The "
                   "key needs to "
                   "be hashed before being used by the HMAC algorithm."),
            out);
    assert_true(is(out, 32, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"));
}

static void a_kept_key_starts_anew(void **state)
{
    VK_UNUSED(state);
    uint8_t once[VK_SHA256], out[VK_SHA256];
    vk_hmac_key *k;
    assert_int_equal(vk_hmac_key_new(VK_STR("Jefe"), &k), VK_OK);
    for (int i = 0; i < 5; i++) {
        vk_hmac_with(k, VK_STR("something else"), out);
        vk_hmac_with(k, VK_STR("what do ya want for nothing?"), out);
        assert_true(is(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
        vk_hmac_with(k, VK_STR_NONE, out);
        vk_hmac(VK_STR("Jefe"), VK_STR(""), once);
        assert_memory_equal(out, once, sizeof out);
    }
    vk_hmac_key_free(k);
    vk_hmac_key_free(NULL);
}

static vk_str bytes(const char *hex, uint8_t *room)
{
    size_t n = strlen(hex) / 2;
    assert_int_equal(vk_hex_decode(vk_str_z(hex), room, n), VK_OK);
    return (vk_str){(char *)room, n};
}

/* RFC 5869, A.1 to A.3 */
static void hkdf(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *ikm, *salt, *info;
        size_t n;
        const char *okm;
    } cases[] = {
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
         42, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
        {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303"
         "132333435363738393a3b"
         "3c3d3e3f404142434445464748494a4b4c4d4e4f",
         "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909"
         "192939495969798999a9b"
         "9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
         "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e"
         "1e2e3e4e5e6e7e8e9eaeb"
         "ecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
         82,
         "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3"
         "275600c2f09b8367793a9"
         "aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "", 42,
         "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        uint8_t ikm[128], salt[128], info[128], out[128];
        vk_hkdf(bytes(cases[i].ikm, ikm), bytes(cases[i].salt, salt), bytes(cases[i].info, info), out,
                cases[i].n);
        assert_true(is(out, cases[i].n, cases[i].okm));
    }
}

static int init(void **state)
{
    VK_UNUSED(state);
    return vk_digest_init() == VK_OK && vk_digest_init() == VK_OK ? 0 : -1;
}

static void sha1_known_answer(void **state)
{
    uint8_t out[VK_SHA1];
    VK_UNUSED(state);
    vk_sha1(VK_STR("abc"), out); /* FIPS 180-4's example */
    assert_memory_equal(
        out, "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c\x9c\xd0\xd8\x9d", VK_SHA1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha1_known_answer),      cmocka_unit_test(sha256), cmocka_unit_test(hmac),
        cmocka_unit_test(a_kept_key_starts_anew), cmocka_unit_test(hkdf),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
