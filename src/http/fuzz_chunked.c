/* Any bytes as a chunked body: the result does not depend on how they are cut. The first byte seeds the cuts.
 */
#include "http/head.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

struct result {
    vk_chunk end;
    size_t n, used;
    char body[4096];
};

/* `seed` 0: at once; 1: byte by byte; else pieces of 1..16 bytes. */
static void decode(const char *p, size_t n, uint32_t seed, struct result *r)
{
    vk_chunked c = {0};
    r->end = VK_CHUNK_MORE;
    r->n = r->used = 0;
    while (r->used < n && r->end == VK_CHUNK_MORE) {
        size_t piece = n - r->used;
        if (seed) {
            size_t cut = seed == 1 ? 1 : 1 + (seed >> 16) % 16;
            seed = seed == 1 ? 1 : seed * 1103515245 + 12345;
            if (cut < piece)
                piece = cut;
        }
        char *copy = malloc(piece);
        CHECK(copy);
        memcpy(copy, p + r->used, piece);
        vk_str in = {copy, piece}, data;
        while ((r->end = vk_chunked_next(&c, &in, &data)) == VK_CHUNK_DATA) {
            CHECK(data.n > 0 && data.p >= copy && data.p + data.n == in.p && in.p + in.n == copy + piece);
            CHECK(data.n <= sizeof r->body - r->n);
            memcpy(r->body + r->n, data.p, data.n);
            r->n += data.n;
        }
        CHECK(in.p + in.n == copy + piece);
        CHECK(r->end != VK_CHUNK_MORE || in.n == 0);
        r->used += piece - in.n;
        vk_str before = in;
        CHECK(r->end == VK_CHUNK_MORE || vk_chunked_next(&c, &in, &data) == r->end);
        CHECK(in.p == before.p && in.n == before.n);
        free(copy);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct result whole, bytes, pieces;
    if (size < 1 || size > sizeof whole.body)
        return 0;
    const char *p = (const char *)data + 1;
    size_t n = size - 1;
    decode(p, n, 0, &whole);
    decode(p, n, 1, &bytes);
    decode(p, n, 2 + data[0] * 65537U, &pieces);
    CHECK(whole.end == bytes.end && whole.end == pieces.end);
    CHECK(whole.used == bytes.used && whole.used == pieces.used);
    CHECK(whole.n == bytes.n && memcmp(whole.body, bytes.body, whole.n) == 0);
    CHECK(whole.n == pieces.n && memcmp(whole.body, pieces.body, whole.n) == 0);
    if (whole.end == VK_CHUNK_END)
        CHECK(whole.used >= 5 && memcmp(p + whole.used - 2, "\r\n", 2) == 0);
    return 0;
}
