#include "crypto/keypool.h"

#include "core/test_meanwhile.h"
#include "crypto/digest.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void wait_until_full(vk_keypool *p, size_t n)
{
    for (int i = 0; i < 60000 && vk_keypool_ready(p) < n; i++)
        usleep(1000);
    assert_int_equal(vk_keypool_ready(p), n);
}

static void fills_and_refills(void **state)
{
    VK_UNUSED(state);
    vk_keypool *p;
    vk_rsa *keys[2], *more;
    uint8_t n[2][VK_RSA_BYTES], s[VK_RSA_BYTES];
    assert_int_equal(vk_keypool_new(2, false, &p), VK_OK);
    wait_until_full(p, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(vk_keypool_try(p, &keys[i]), VK_OK);
        vk_rsa_modulus(keys[i], n[i]);
        assert_int_equal(vk_rsa_sign(keys[i], VK_STR("x"), s), VK_OK);
    }
    assert_memory_not_equal(n[0], n[1], VK_RSA_BYTES);
    wait_until_full(p, 2); /* by itself */
    usleep(20000);
    assert_int_equal(vk_keypool_ready(p), 2); /* and no more */
    assert_int_equal(vk_keypool_take(p, &more), VK_OK);
    vk_rsa_free(more);
    vk_keypool_free(p);
    for (size_t i = 0; i < 2; i++)
        vk_rsa_free(keys[i]); /* a key outlives its pool */
}

static void an_empty_pool_keeps_nobody(void **state)
{
    VK_UNUSED(state);
    vk_keypool *p;
    vk_rsa *key;
    size_t tries = 0;
    assert_int_equal(vk_keypool_new(1, true, &p), VK_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(vk_keypool_take(p, &key), VK_OK);
        vk_rsa_free(key);
    }
    while (vk_keypool_try(p, &key) == VK_OK) { /* faster than it can be filled */
        vk_rsa_free(key);
        assert_true(++tries < 50);
    }
    vk_keypool_free(p); /* in the middle of making one */
}

static void ends_soon(void **state)
{
    VK_UNUSED(state);
    _Atomic bool stop = true;
    vk_rsa *key;
    assert_int_equal(vk_rsa_new_unless(&stop, &key), VK_E_UNAVAILABLE);
    meanwhile m = meanwhile_from_now();
    for (int i = 0; i < 5; i++) { /* 5 times 32 keys would be many seconds */
        vk_keypool *p;
        assert_int_equal(vk_keypool_new(VK_KEYPOOL_MAX, true, &p), VK_OK);
        usleep(10000);
        vk_keypool_free(p);
    }
    assert_true(meanwhile_allows(&m, meanwhile_took(&m), 2000));
}

enum { TAKERS = 4, EACH = 3 };
static uint8_t taken[TAKERS * EACH][VK_RSA_BYTES];

struct taker {
    pthread_t thread;
    vk_keypool *pool;
    int at;
    bool ok;
};

static void *taker_main(void *arg)
{
    struct taker *t = arg;
    t->ok = true;
    for (int i = 0; i < EACH; i++) {
        vk_rsa *key;
        if (vk_keypool_take(t->pool, &key) != VK_OK) {
            t->ok = false;
            return NULL;
        }
        vk_rsa_modulus(key, taken[t->at + i]);
        vk_rsa_free(key);
    }
    return NULL;
}

static void no_key_is_given_twice(void **state)
{
    VK_UNUSED(state);
    vk_keypool *p;
    struct taker t[TAKERS];
    assert_int_equal(vk_keypool_new(2, true, &p), VK_OK);
    for (int i = 0; i < TAKERS; i++) {
        t[i] = (struct taker){.pool = p, .at = i * EACH};
        assert_int_equal(pthread_create(&t[i].thread, NULL, taker_main, &t[i]), 0);
    }
    for (int i = 0; i < TAKERS; i++) {
        pthread_join(t[i].thread, NULL);
        assert_true(t[i].ok);
    }
    vk_keypool_free(p);
    for (int i = 0; i < TAKERS * EACH; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(taken[i], taken[j], VK_RSA_BYTES);
}

static int init(void **state)
{
    VK_UNUSED(state);
    return vk_digest_init() == VK_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_and_refills),
        cmocka_unit_test(an_empty_pool_keeps_nobody),
        cmocka_unit_test(ends_soon),
        cmocka_unit_test(no_key_is_given_twice),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
