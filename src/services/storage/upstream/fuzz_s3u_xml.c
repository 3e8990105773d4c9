/* Any bytes as a vendor's answer; the first byte chooses the arena. What is accepted keeps its limits. */
#include "services/storage/upstream/xml.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void text_ok(vk_str s)
{
    CHECK(s.n <= VK_S3U_TEXT_MAX && (s.p || s.n == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    vk_arena *a = vk_arena_new(data[0] & 0x80 ? 9000 : 1 << 22);
    vk_s3u_doc d;
    CHECK(a);
    if (vk_s3u_read(a, (vk_str){(const char *)data + 1, size - 1}, &d) == VK_S3_OK) {
        CHECK(d.kind < VK_S3U_KINDS);
        CHECK(d.n_entries <= VK_S3U_ENTRIES_MAX && d.n_prefixes <= VK_S3U_ENTRIES_MAX);
        for (size_t i = 0; i < d.n_entries; i++) {
            text_ok(d.entries[i].key);
            text_ok(d.entries[i].id);
            text_ok(d.entries[i].etag);
            CHECK(d.entries[i].size >= -1 && d.entries[i].number >= -1);
        }
        for (size_t i = 0; i < d.n_prefixes; i++)
            text_ok(d.prefixes[i]);
        text_ok(d.next);
        text_ok(d.next_id);
        text_ok(d.id);
        text_ok(d.etag);
        text_ok(d.code);
    }
    vk_arena_free(a);
    return 0;
}
