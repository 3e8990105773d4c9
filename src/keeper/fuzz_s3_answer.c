/* Any bytes as an answer of R2 or S3; the first byte chooses the arena. What is accepted keeps its limits. */
#include "keeper/s3_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void text_ok(vk_str s)
{
    if (s.n > VK_S3A_TEXT_MAX || (!s.p && s.n))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vk_s3a a;
    if (size < 1)
        return 0;
    vk_arena *arena = vk_arena_new(data[0] & 0x80 ? 9000 : 1 << 22);
    if (!arena)
        abort();
    if (vk_s3a_read(arena, (vk_str){(const char *)data + 1, size - 1}, &a) == VK_OK) {
        if (a.kind > VK_S3A_ERROR || a.n > VK_S3A_ENTRIES_MAX)
            abort();
        for (size_t i = 0; i < a.n; i++) {
            text_ok(a.entries[i].key);
            text_ok(a.entries[i].id);
            if (a.entries[i].size < -1)
                abort();
        }
        text_ok(a.next);
        text_ok(a.code);
        text_ok(a.message);
    }
    vk_arena_free(arena);
    return 0;
}
