/* Any bytes as JSON: what is read, written in either way and read again, is the same. */
#include "services/payments/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    vk_arena *a = vk_arena_new(8 << 20);
    vk_pv *v, *again;
    vk_buf one, two, three;
    CHECK(a);
    vk_buf_init(&one, 8 << 20);
    vk_buf_init(&two, 8 << 20);
    vk_buf_init(&three, 8 << 20);
    vk_err e = vk_pv_parse(a, (vk_str){(const char *)data, size}, &v);
    CHECK(e == VK_OK || e == VK_E_INVALID);
    if (e == VK_OK) {
        vk_pv_write(&one, v);
        CHECK(one.err == VK_OK && vk_pv_parse(a, vk_buf_view(&one), &again) == VK_OK);
        vk_pv_write(&two, again);
        CHECK(two.err == VK_OK && vk_str_eq(vk_buf_view(&one), vk_buf_view(&two)));
        vk_pv *copy = vk_pv_copy(a, v);
        CHECK(copy);
        vk_pv_write_pretty(&three, copy);
        CHECK(three.err == VK_OK && vk_pv_parse(a, vk_buf_view(&three), &again) == VK_OK);
        vk_buf_clear(&two);
        vk_pv_write(&two, again);
        CHECK(two.err == VK_OK && vk_str_eq(vk_buf_view(&one), vk_buf_view(&two)));
    }
    vk_buf_free(&one);
    vk_buf_free(&two);
    vk_buf_free(&three);
    vk_arena_free(a);
    return 0;
}
