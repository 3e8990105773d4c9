/* Any bytes as a target, as escaped text, and (cut at the first NUL) as a parameter name and a query. */
#include "http/uri.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

/* Escapes every byte; decoding that must give the bytes back. */
static void round_trip(vk_arena *a, vk_str s)
{
    static const char hex[] = "0123456789abcdefABCDEF";
    char *p = vk_arena_alloc(a, s.n * 3);
    CHECK(p);
    for (size_t i = 0; i < s.n; i++) {
        unsigned c = (unsigned char)s.p[i], low = c & 15;
        p[i * 3] = '%';
        p[i * 3 + 1] = hex[c >> 4];
        p[i * 3 + 2] = hex[low > 9 && (i & 1) ? low + 6 : low];
    }
    vk_str out;
    CHECK(vk_uri_decode(a, (vk_str){p, s.n * 3}, &out) == VK_OK && vk_str_eq(out, s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    vk_arena *a = vk_arena_new(65536);
    CHECK(a);
    vk_str all = {(const char *)data, size}, path, query, out, name;
    vk_err e = vk_uri_split(all, &path, &query);
    CHECK(e == VK_OK || e == VK_E_INVALID);
    if (e == VK_OK) {
        CHECK(path.n + (query.p ? query.n + 1 : 0) == size);
        CHECK(!path.n || (!memchr(path.p, '?', path.n) && !memchr(path.p, '#', path.n)));
    }
    e = vk_uri_decode(a, all, &out);
    CHECK(e == VK_OK || e == VK_E_INVALID);
    if (e == VK_OK) {
        CHECK(out.n <= size && (!out.n || !memchr(out.p, '\0', out.n)));
        round_trip(a, out);
    }
    if (vk_str_cut(&all, '\0', &name)) {
        e = vk_query_get(a, all, name, &out);
        CHECK(e == VK_OK || e == VK_E_INVALID || e == VK_E_NOT_FOUND);
        if (e == VK_OK)
            CHECK(out.n <= all.n && (!out.n || !memchr(out.p, '\0', out.n)));
    }
    vk_arena_free(a);
    return 0;
}
