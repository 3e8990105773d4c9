/* Any bytes as a client's frames: the result does not depend on how they are cut, nothing is larger than it
 * may be. The first byte seeds the cuts. */
#include "http/ws_frame.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

enum { SIZE_MAX_IN = 8192, MESSAGE_MAX = 3000, TRACE = 65536 };

struct trace {
    size_t n;
    uint8_t at[TRACE];
    bool over;
};

static void note(struct trace *t, const void *p, size_t n)
{
    CHECK(n <= TRACE - t->n);
    if (n)
        memcpy(t->at + t->n, p, n);
    t->n += n;
}

/* `seed` 0: at once; 1: byte by byte; else pieces of 1..16 bytes. */
static void decode(const uint8_t *data, size_t size, uint32_t seed, struct trace *t)
{
    vk_ws_decoder d = {.max = MESSAGE_MAX};
    size_t message = 0;
    t->n = 0;
    t->over = false;
    for (size_t from = 0; from < size && !t->over;) {
        size_t piece = size - from;
        if (seed) {
            size_t cut = seed == 1 ? 1 : 1 + (seed >> 16) % 16;
            seed = seed == 1 ? 1 : seed * 1103515245 + 12345;
            piece = cut < piece ? cut : piece;
        }
        char *copy = malloc(piece);
        CHECK(copy);
        memcpy(copy, data + from, piece);
        for (size_t at = 0; !t->over;) {
            size_t used;
            vk_str out;
            vk_ws_event e = vk_ws_decode(&d, copy + at, piece - at, &used, &out);
            uint8_t kind = (uint8_t)e;
            CHECK(used <= piece - at);
            at += used;
            if (e == VK_WS_MORE) {
                CHECK(at == piece);
                break;
            }
            if (e == VK_WS_PART) {
                CHECK(out.n > 0 && out.p >= copy && out.p + out.n <= copy + piece);
                message += out.n;
                CHECK(message <= MESSAGE_MAX);
                note(t, out.p, out.n); /* parts are joined: their number depends on the cuts */
                continue;
            }
            note(t, &kind, 1);
            if (e == VK_WS_MESSAGE)
                message = 0;
            if (e == VK_WS_GOT_PING || e == VK_WS_GOT_PONG || e == VK_WS_GOT_CLOSE) {
                CHECK(out.n <= VK_WS_CONTROL_MAX);
                note(t, out.p, out.n);
            }
            if (e == VK_WS_BAD) {
                CHECK(d.why && d.code >= 1002 && d.code <= 1009);
                note(t, &d.code, sizeof d.code);
                t->over = true;
            }
        }
        free(copy);
        from += piece;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct trace whole, bytes, pieces;
    if (size < 1 || size > SIZE_MAX_IN)
        return 0;
    decode(data + 1, size - 1, 0, &whole);
    decode(data + 1, size - 1, 1, &bytes);
    decode(data + 1, size - 1, 2 + data[0] * 65537U, &pieces);
    CHECK(whole.n == bytes.n && memcmp(whole.at, bytes.at, whole.n) == 0 && whole.over == bytes.over);
    CHECK(whole.n == pieces.n && memcmp(whole.at, pieces.at, whole.n) == 0 && whole.over == pieces.over);
    vk_ws_utf8((vk_str){(const char *)data, size});
    char payload[VK_WS_CONTROL_MAX];
    size_t n = vk_ws_close_payload(payload, 1000, (vk_str){(const char *)data, size});
    CHECK(n >= 2 && n <= VK_WS_CONTROL_MAX);
    return 0;
}
