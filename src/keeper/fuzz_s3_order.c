/* A request of front's of any bytes: method, path, query, copy source, cut at newlines. What is let through
 * stays below the build's prefix, also when it is decoded once more by somebody else. */
#include "keeper/s3_order.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void path_ok(vk_str p)
{
    static const char mine[] = "/org/builds/mine/7/";
    vk_str one;
    CHECK(vk_str_starts(p, vk_str_z(mine)));
    for (size_t i = 0; i < p.n; i++)
        CHECK(p.p[i] > ' ' && p.p[i] < 0x7f && p.p[i] != '?' && p.p[i] != '#' && p.p[i] != '\\');
    for (bool more = true; more;) {
        more = vk_str_cut(&p, '/', &one);
        one = more ? one : p;
        CHECK(!vk_str_eqz(one, ".") && !vk_str_eqz(one, ".."));
    }
    CHECK(!p.n || !memmem(p.p, p.n, "%2e", 3));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vk_str rest = {(const char *)data, size}, parts[4] = {VK_STR("")};
    for (size_t i = 0; i < VK_COUNT(parts); i++)
        if (!vk_str_cut(&rest, '\n', &parts[i])) {
            parts[i] = rest;
            rest = VK_STR("");
        }
    vk_arena *a = vk_arena_new(1 << 20);
    vk_buf lines;
    if (!a)
        return 0;
    vk_buf_init(&lines, 1 << 16);
    const vk_header source = {VK_STR("x-amz-copy-source"), parts[3]};
    vk_order o = {.build = "mine",
                  .generation = 7,
                  .method = parts[0],
                  .path = parts[1],
                  .query = parts[2],
                  .headers = &source,
                  .n_headers = parts[3].n > 0,
                  .arena = a,
                  .lines = &lines,
                  .to_host = VK_STR("example.com")};
    vk_s3o x;
    const char *why = NULL;
    if (vk_s3o_make(&o, VK_STR("org"), &x, &why) == VK_OK) {
        const vk_s3o_keys k = {
            .id = VK_STR("id"), .region = VK_STR("auto"), .secret = vk_secret_of(VK_STR("made up"))};
        if (vk_str_eqz(o.path, "/"))
            CHECK(vk_str_eqz(x.path, "/org") && vk_str_eqz(o.method, "GET") &&
                  memmem(x.query.p, x.query.n, "prefix=builds%2Fmine%2F7%2F", 27));
        else
            path_ok(x.path);
        for (size_t i = 0; i < x.n_headers; i++)
            path_ok(x.headers[i].value);
        vk_err e = vk_s3o_sign(&o, &x, &k, &why);
        CHECK(e == VK_OK || e == VK_E_NOMEM || e == VK_E_INVALID);
    } else {
        CHECK(why != NULL);
    }
    vk_buf_free(&lines);
    vk_arena_free(a);
    return 0;
}
