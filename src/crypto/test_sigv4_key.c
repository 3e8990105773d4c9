/* Signing keys and their cache. That the derivation is the published one: test_sigv4.c. */
#include "crypto/sigv4_key.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void hmac_is_the_one_of_digest_h(void **state)
{
    VK_UNUSED(state);
    char key[200], data[300];
    memset(key, 'k', sizeof key);
    memset(data, 'd', sizeof data);
    for (size_t k = 0; k <= sizeof key; k += 7)
        for (size_t n = 0; n <= sizeof data; n += 11) {
            uint8_t a[VK_SHA256], b[VK_SHA256];
            vk_hmac256_key kept;
            vk_hmac256_key_init(&kept, (vk_str){key, k});
            vk_hmac256(&kept, (vk_str){data, n}, a);
            vk_hmac((vk_str){key, k}, (vk_str){data, n}, b);
            assert_memory_equal(a, b, sizeof a);
            vk_hmac256(&kept, (vk_str){data, n}, b); /* the key is as it was */
            assert_memory_equal(a, b, sizeof a);
        }
}

/* The chain as the documentation writes it, for secrets around the length of a block. */
static void secrets_have_any_length(void **state)
{
    VK_UNUSED(state);
    char secret[200];
    memset(secret, 's', sizeof secret);
    for (size_t n = 0; n + 4 <= sizeof secret; n++) {
        char first[204] = "AWS4";
        uint8_t k[VK_SHA256], got[VK_SHA256];
        vk_hmac256_key key;
        memcpy(first + 4, secret, n);
        vk_hmac((vk_str){first, n + 4}, VK_STR("20261123"), k);
        vk_hmac((vk_str){(char *)k, sizeof k}, VK_STR("auto"), k);
        vk_hmac((vk_str){(char *)k, sizeof k}, VK_STR("s3"), k);
        vk_hmac((vk_str){(char *)k, sizeof k}, VK_STR("aws4_request"), k);
        vk_hmac((vk_str){(char *)k, sizeof k}, VK_STR("text"), k);
        vk_sigv4_derive(vk_secret_of((vk_str){secret, n}), VK_STR("20261123"), VK_STR("auto"), VK_STR("s3"),
                        &key);
        vk_hmac256(&key, VK_STR("text"), got);
        assert_memory_equal(got, k, sizeof k);
    }
}

static void the_cache_goes_by_generation_and_is_bounded(void **state)
{
    VK_UNUSED(state);
    vk_sigv4_cache *small = vk_sigv4_cache_new(1);
    vk_hmac256_key fresh_key;
    assert_non_null(small);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 500; i++) {
            char id[16], secret[16];
            snprintf(id, sizeof id, "id-%u", i % 7);
            snprintf(secret, sizeof secret, "secret-%u-%u", i % 7, i % 3);
            vk_sigv4_key_name name = {vk_str_z(id), VK_STR("20261123"), i % 2 ? VK_STR("auto") : VK_STR(""),
                                      i % 3, i % 5 != 0};
            uint8_t a[VK_SHA256], b[VK_SHA256];
            const vk_hmac256_key *k = vk_sigv4_cache_get(small, &name, vk_secret_of(vk_str_z(secret)), NULL);
            vk_sigv4_derive(vk_secret_of(vk_str_z(secret)), name.day, name.region, VK_STR("s3"), &fresh_key);
            vk_hmac256(k, VK_STR("text"), a);
            vk_hmac256(&fresh_key, VK_STR("text"), b);
            assert_memory_equal(a, b, sizeof a);
        }
        vk_sigv4_cache_clear(small);
    }
    vk_sigv4_cache_free(small);
    vk_sigv4_cache_free(NULL);
}

static void every_part_of_the_name_counts(void **state)
{
    VK_UNUSED(state);
    vk_sigv4_cache *c = vk_sigv4_cache_new(64);
    vk_hmac256_key spare;
    const vk_secret secret = vk_secret_of(VK_STR("secret"));
    const vk_sigv4_key_name name = {VK_STR("id"), VK_STR("20261123"), VK_STR("auto"), 0, true};
    assert_non_null(c);
    const vk_hmac256_key *k = vk_sigv4_cache_get(c, &name, secret, &spare);
    assert_ptr_equal(k, vk_sigv4_cache_get(c, &name, secret, &spare));
    for (int i = 0; i < 5; i++) {
        vk_sigv4_key_name other = name;
        if (i == 0)
            other.id = VK_STR("ie");
        else if (i == 1)
            other.day = VK_STR("20261124");
        else if (i == 2)
            other.region = VK_STR("");
        else if (i == 3)
            other.generation = 1;
        else
            other.known = false;
        assert_ptr_not_equal(k, vk_sigv4_cache_get(c, &other, secret, &spare));
    }
    assert_ptr_equal(k, vk_sigv4_cache_get(c, &name, secret, &spare));
    vk_sigv4_cache_free(c);
}

static int begin(void **state)
{
    VK_UNUSED(state);
    return vk_digest_init() == VK_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmac_is_the_one_of_digest_h),
        cmocka_unit_test(secrets_have_any_length),
        cmocka_unit_test(the_cache_goes_by_generation_and_is_bounded),
        cmocka_unit_test(every_part_of_the_name_counts),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
