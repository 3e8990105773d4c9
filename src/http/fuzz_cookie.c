/* Any bytes as a Cookie header: every cookie lies inside of it, in order, without what parts them. */
#include "http/cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *begin = (const char *)data, *at = begin;
    vk_str rest = {begin, size}, name;
    vk_secret value, found;
    while (vk_cookie_next(&rest, &name, &value)) {
        vk_str v = vk_secret_bytes(value);
        CHECK(name.n && name.p >= at && name.p + name.n <= begin + size);
        CHECK(!memchr(name.p, ';', name.n) && !memchr(name.p, '=', name.n));
        CHECK(v.n == 0 || (v.p > name.p && v.p + v.n <= begin + size && !memchr(v.p, ';', v.n)));
        CHECK(rest.n <= size);
        at = name.p + name.n;
        if (size < 512 && vk_cookie_get((vk_str){begin, size}, name, &found)) {
            vk_str f = vk_secret_bytes(found);
            CHECK(vk_str_eq(f, v)); /* all of that name are the same, or there is none */
        }
    }
    return 0;
}
