/* Memory for values: given out, wiped when it comes back, bounded. */
#include "keeper/locked.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void pieces(void **state)
{
    vk_locked *l;
    VK_UNUSED(state);
    assert_int_equal(vk_locked_new(&l), VK_OK);
    assert_int_equal(vk_locked_used(l), 0);
    char *a = vk_locked_get(l, 1), *b = vk_locked_get(l, 64), *c = vk_locked_get(l, 65);
    assert_true(a && b && c && b - a >= 64 && c - b >= 64);
    assert_true(vk_locked_has(l, a) && vk_locked_has(l, c) && !vk_locked_has(l, &l));
    assert_int_equal(vk_locked_used(l), 64 + 64 + 128);
    memset(b, 'v', 64);
    vk_locked_put(l, b, 64);
    for (size_t i = sizeof(void *); i < 64; i++) /* what is in front names the next free one */
        assert_int_equal(b[i], 0);
    assert_ptr_equal(vk_locked_get(l, 3), b); /* used again */
    vk_locked_put(l, NULL, 64);
    assert_null(vk_locked_get(l, VK_LOCKED_PIECE_MAX + 1));
    vk_locked_free(l);
    vk_locked_free(NULL);
}

/* The rest of a block that a large piece does not fit into is not lost. */
static void no_waste(void **state)
{
    enum { N = 3000 };
    static char *all[N];
    vk_locked *l;
    size_t sum = 0;
    VK_UNUSED(state);
    assert_int_equal(vk_locked_new(&l), VK_OK);
    for (size_t i = 0; i < N; i++) {
        size_t n = i % 7 == 0 ? 20000 : i % 3 ? 100 : 900;
        all[i] = vk_locked_get(l, n);
        assert_non_null(all[i]);
        memset(all[i], (int)(i % 251), n);
        sum += n;
    }
    for (size_t i = 0; i < N; i++) { /* none overlaps another */
        size_t n = i % 7 == 0 ? 20000 : i % 3 ? 100 : 900;
        for (size_t k = 0; k < n; k += 50)
            assert_int_equal((unsigned char)all[i][k], i % 251);
    }
    assert_true(vk_locked_bytes(l) < 2 * sum);
    for (size_t i = 0; i < N; i++)
        vk_locked_put(l, all[i], i % 7 == 0 ? 20000 : i % 3 ? 100 : 900);
    assert_int_equal(vk_locked_used(l), 0);
    size_t bytes = vk_locked_bytes(l);
    for (size_t i = 0; i < N; i++)
        assert_non_null(vk_locked_get(l, i % 7 == 0 ? 20000 : i % 3 ? 100 : 900));
    assert_int_equal(vk_locked_bytes(l), bytes); /* what came back was enough */
    vk_locked_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces),
        cmocka_unit_test(no_waste),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
