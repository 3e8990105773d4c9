#include "core/arena.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { CAP = 64 * 1024 };

static void alignment_and_content(void **state)
{
    vk_arena *a = vk_arena_new(CAP);
    VK_UNUSED(state);
    assert_non_null(a);
    unsigned char *blocks[200];
    for (size_t i = 0; i < VK_COUNT(blocks); i++) {
        blocks[i] = vk_arena_alloc(a, i);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)i, i);
    }
    for (size_t i = 0; i < VK_COUNT(blocks); i++)
        for (size_t k = 0; k < i; k++)
            assert_int_equal(blocks[i][k], i);
    vk_arena_free(a);
    vk_arena_free(NULL);
}

static void cap_is_hard(void **state)
{
    VK_UNUSED(state);
    for (size_t size = 1; size < 20000; size = size * 3 + 1) {
        vk_arena *a = vk_arena_new(CAP);
        assert_non_null(a);
        size_t n = 0;
        while (vk_arena_alloc(a, size)) {
            assert_true(vk_arena_used(a) <= CAP);
            assert_true(++n < CAP);
        }
        assert_true(n * (size < 16 ? 16 : size) > CAP / 2); /* and most of it can be used */
        assert_null(vk_arena_alloc(a, CAP));
        assert_null(vk_arena_alloc(a, SIZE_MAX));
        assert_null(vk_arena_alloc(a, SIZE_MAX - 40));
        vk_arena_reset(a);
        assert_non_null(vk_arena_alloc(a, size));
        vk_arena_free(a);
    }
    vk_arena *tiny = vk_arena_new(1);
    assert_non_null(tiny);
    assert_null(vk_arena_alloc(tiny, 5000));
    vk_arena_free(tiny);
}

static void large_blocks_leave_the_room_in_use(void **state)
{
    vk_arena *a = vk_arena_new(1 << 20);
    VK_UNUSED(state);
    char *small = vk_arena_alloc(a, 16);
    char *large = vk_arena_alloc(a, 100000);
    char *next = vk_arena_alloc(a, 16);
    assert_ptr_equal(next, small + 16);
    memset(large, 1, 100000);
    size_t used = vk_arena_used(a);
    for (int i = 0; i < 200; i++)
        assert_non_null(vk_arena_alloc(a, 16));
    assert_int_equal(vk_arena_used(a), used);
    vk_arena_reset(a);
    assert_true(vk_arena_used(a) < used);
    assert_ptr_equal(vk_arena_alloc(a, 16), small);
    vk_arena_free(a);
}

static char order[8];
static size_t n_order;

static void note(void *arg)
{
    order[n_order++] = *(const char *)arg;
}

static void cleanups(void **state)
{
    VK_UNUSED(state);
    static char names[] = "abc";
    vk_arena *a = vk_arena_new(CAP);
    n_order = 0;
    for (int i = 0; i < 3; i++)
        assert_int_equal(vk_arena_cleanup(a, note, names + i), VK_OK);
    vk_arena_reset(a);
    assert_memory_equal(order, "cba", 3);
    vk_arena_reset(a);
    assert_int_equal(n_order, 3); /* each once */
    assert_int_equal(vk_arena_cleanup(a, note, names), VK_OK);
    vk_arena_free(a);
    assert_int_equal(n_order, 4);
}

static void texts(void **state)
{
    VK_UNUSED(state);
    vk_arena *a = vk_arena_new(CAP);
    vk_str s = vk_arena_dup(a, (vk_str){"a\0b", 3});
    assert_int_equal(s.n, 3);
    assert_memory_equal(s.p, "a\0b", 4);
    s = vk_arena_dup(a, VK_STR_NONE);
    assert_true(s.p && s.n == 0 && s.p[0] == '\0');
    s = vk_arena_printf(a, "%s-%d", "x", 7);
    assert_true(vk_str_eqz(s, "x-7"));
    static char long_text[CAP];
    memset(long_text, 'y', sizeof long_text - 1);
    assert_null(vk_arena_printf(a, "%s%s", long_text, long_text).p);
    assert_null(vk_arena_dup(a, (vk_str){long_text, sizeof long_text}).p);
    unsigned char *z = vk_arena_calloc(a, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(z[i], 0);
    vk_arena_free(a);
}

/* What a reset keeps is used again, once, and counts against the cap like any other. */
static void again(void **state)
{
    VK_UNUSED(state);
    vk_arena *a = vk_arena_new(9000);
    assert_non_null(a);
    for (int i = 0; i < 3; i++) {
        char *first = vk_arena_alloc(a, 3000), *second = vk_arena_alloc(a, 3000);
        assert_true(first && second && first != second);
        memset(first, 1, 3000);
        memset(second, 2, 3000);
        assert_true(first[2999] == 1 && second[0] == 2);
        assert_null(vk_arena_alloc(a, 3000)); /* a third chunk is beyond the cap */
        vk_arena_reset(a);
        assert_int_equal(vk_arena_used(a), 4096);
    }
    vk_arena_free(a);
}

static void wipe(void **state)
{
    VK_UNUSED(state);
    vk_arena *a = vk_arena_new(CAP);
    char *small = vk_arena_alloc(a, 32), *large = vk_arena_alloc(a, 9000);
    n_order = 0;
    static char name[] = "w";
    memset(small, 's', 32);
    memset(large, 's', 9000);
    assert_int_equal(vk_arena_cleanup(a, note, name), VK_OK);
    vk_arena_wipe(a);
    assert_int_equal(n_order, 1);
    for (int i = 0; i < 32; i++)
        assert_int_equal(small[i], 0);
    for (int i = 0; i < 9000; i++)
        assert_int_equal(large[i], 0);
    vk_arena_free(a);
    assert_int_equal(n_order, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alignment_and_content),
        cmocka_unit_test(cap_is_hard),
        cmocka_unit_test(large_blocks_leave_the_room_in_use),
        cmocka_unit_test(cleanups),
        cmocka_unit_test(texts),
        cmocka_unit_test(again),
        cmocka_unit_test(wipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
