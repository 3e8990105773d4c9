/* Continuation tokens: they open for whom they were made, and for nobody and nothing else. */
#include "services/storage/s3token.h"

#include "crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static vk_arena *arena;
static const uint8_t key[VK_S3_TOKEN_KEY] = {1, 2, 3};
#define FOR                                                                                                  \
    {                                                                                                        \
        VK_STR("build-a1"), VK_STR("id"), VK_STR("bkt"), VK_STR("p/"), VK_STR("/")                           \
    }

static void there_and_back(void **state)
{
    static char longest[VK_S3_TOKEN_PLACE_MAX + 1];
    const vk_s3_token_for f = FOR;
    const vk_str places[] = {VK_STR(""), VK_STR("k"), VK_STR("a\0\xff/b"), {longest, VK_S3_TOKEN_PLACE_MAX}};
    vk_buf b;
    VK_UNUSED(state);
    vk_buf_init(&b, VK_S3_TOKEN_MAX);
    for (size_t i = 0; i < VK_COUNT(places); i++) {
        vk_str back;
        vk_buf_clear(&b);
        vk_arena_reset(arena);
        vk_s3_token_make(key, &f, places[i], &b);
        assert_int_equal(b.err, VK_OK);
        assert_int_equal(vk_s3_token_open(arena, key, &f, vk_buf_view(&b), &back), VK_S3_OK);
        assert_true(vk_str_eq(back, places[i]));
        for (size_t k = 0; k < b.n; k++) /* a query carries it as it is */
            assert_true(strchr("-_", b.p[k]) || (b.p[k] >= '0' && b.p[k] <= 'z'));
    }
    vk_s3_token_make(key, &f, (vk_str){longest, sizeof longest}, &b);
    assert_int_equal(b.err, VK_E_TOO_LARGE);
    vk_buf_free(&b);
}

static void not_for_others(void **state)
{
    static const uint8_t other_key[VK_S3_TOKEN_KEY] = {1, 2, 4};
    static const vk_s3_token_for others[] = {
        {VK_STR("build-a2"), VK_STR("id"), VK_STR("bkt"), VK_STR("p/"), VK_STR("/")},
        {VK_STR("build-a1"), VK_STR("ie"), VK_STR("bkt"), VK_STR("p/"), VK_STR("/")},
        {VK_STR("build-a1"), VK_STR("id"), VK_STR("bku"), VK_STR("p/"), VK_STR("/")},
        {VK_STR("build-a1"), VK_STR("id"), VK_STR("bkt"), VK_STR("p"), VK_STR("/")},
        {VK_STR("build-a1"), VK_STR("id"), VK_STR("bkt"), VK_STR("p/"), VK_STR("")},
        {VK_STR("build-a1"), VK_STR("id"), VK_STR("bkt"), VK_STR("p"),
         VK_STR("//")}, /* the same bytes in a row */
        {VK_STR("build-a1i"), VK_STR("d"), VK_STR("bkt"), VK_STR("p/"), VK_STR("/")},
    };
    const vk_s3_token_for f = FOR;
    vk_str back;
    vk_buf b;
    VK_UNUSED(state);
    vk_buf_init(&b, VK_S3_TOKEN_MAX);
    vk_arena_reset(arena);
    vk_s3_token_make(key, &f, VK_STR("p/k"), &b);
    for (size_t i = 0; i < VK_COUNT(others); i++)
        assert_int_equal(vk_s3_token_open(arena, key, &others[i], vk_buf_view(&b), &back), VK_S3_BAD_TOKEN);
    assert_int_equal(vk_s3_token_open(arena, other_key, &f, vk_buf_view(&b), &back), VK_S3_BAD_TOKEN);
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(vk_s3_token_open(arena, key, &f, (vk_str){b.p, n}, &back), VK_S3_BAD_TOKEN);
    for (size_t i = 0; i < b.n; i++) { /* each character matters */
        char was = b.p[i];
        b.p[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(vk_s3_token_open(arena, key, &f, vk_buf_view(&b), &back), VK_S3_BAD_TOKEN);
        b.p[i] = was;
    }
    assert_int_equal(vk_s3_token_open(arena, key, &f, VK_STR("a+b/="), &back), VK_S3_BAD_TOKEN);
    assert_int_equal(vk_s3_token_open(arena, key, &f, vk_buf_view(&b), &back), VK_S3_OK);
    vk_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(not_for_others)};
    if (vk_digest_init() != VK_OK)
        return 1;
    arena = vk_arena_new(1 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    vk_arena_free(arena);
    return failed;
}
