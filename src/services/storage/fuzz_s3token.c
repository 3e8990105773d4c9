/* Any bytes as a token: none opens. Any bytes as a place: its token opens to it, and with a byte changed it
 * does not. */
#include "services/storage/s3token.h"

#include "crypto/digest.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready)
        CHECK(vk_digest_init() == VK_OK);
    ready = true;
    static const uint8_t key[VK_S3_TOKEN_KEY] = {7};
    const vk_s3_token_for f = {VK_STR("b"), VK_STR("i"), VK_STR("k"), VK_STR(""), VK_STR("/")};
    const vk_str all = {(const char *)data, size};
    vk_arena *a = vk_arena_new(1 << 16);
    CHECK(a);
    vk_str back;
    CHECK(vk_s3_token_open(a, key, &f, all, &back) == VK_S3_BAD_TOKEN);
    vk_buf b;
    vk_buf_init(&b, VK_S3_TOKEN_MAX);
    vk_s3_token_make(key, &f, all, &b);
    CHECK((b.err == VK_OK) == (size <= VK_S3_TOKEN_PLACE_MAX));
    if (b.err == VK_OK) {
        CHECK(vk_s3_token_open(a, key, &f, vk_buf_view(&b), &back) == VK_S3_OK && vk_str_eq(back, all));
        size_t i = size ? data[0] % b.n : 0;
        b.p[i] = b.p[i] == 'A' ? 'Q' : 'A';
        CHECK(vk_s3_token_open(a, key, &f, vk_buf_view(&b), &back) == VK_S3_BAD_TOKEN);
    }
    vk_buf_free(&b);
    vk_arena_free(a);
    return 0;
}
