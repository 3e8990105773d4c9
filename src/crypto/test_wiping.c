/* What OpenSSL frees is overwritten. */
#include "crypto/wiping.h"

#include <setjmp.h>
#include <stdarg.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cmocka.h>

static void pieces(void **state)
{
    VK_UNUSED(state);
    uint64_t before = vk_wiping_count();
    char *p = OPENSSL_malloc(100);
    assert_non_null(p);
    memset(p, 'x', 100);
    p = OPENSSL_realloc(p, 5000); /* moved: what was there is overwritten */
    assert_non_null(p);
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 'x');
    assert_int_equal(vk_wiping_count(), before + 1);
    p = OPENSSL_realloc(p, 10);
    assert_memory_equal(p, "xxxxxxxxxx", 10);
    OPENSSL_free(p);
    assert_int_equal(vk_wiping_count(), before + 3);
    OPENSSL_free(NULL);
    assert_int_equal(vk_wiping_count(), before + 3);
    assert_null(OPENSSL_malloc(0));
}

static void in_use(void **state)
{
    VK_UNUSED(state);
    uint64_t before = vk_wiping_count();
    unsigned char out[32];
    assert_int_equal(EVP_Digest("a", 1, out, NULL, EVP_sha256(), NULL), 1);
    assert_true(vk_wiping_count() > before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pieces), cmocka_unit_test(in_use)};
    if (vk_wiping_begin() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
