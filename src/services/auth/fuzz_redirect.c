/* Any bytes as an address to be sent to. What is allowed is, for a second and simpler reading, one of the
 * origins with a path, a query, a fragment or nothing behind it; and what is made of it still is. */
#include "services/auth/redirect.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const vk_str origins[] = {
    {"http://localhost:3000", 21}, {"https://app.example", 19}, {"http://[::1]", 12}};
static const char *const starts[] = {"http://localhost:3000", "https://app.example",
                                     "https://app.example:443", "http://[::1]", "http://[::1]:80"};

static bool begins_well(vk_str url)
{
    for (size_t i = 0; i < VK_COUNT(starts); i++) {
        vk_str s = vk_str_z(starts[i]);
        if (url.n >= s.n && vk_str_ieq((vk_str){url.p, s.n}, s) &&
            (url.n == s.n || url.p[s.n] == '/' || url.p[s.n] == '?' || url.p[s.n] == '#'))
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vk_str url = {(const char *)data, size};
    char origin[VK_AUTH_ORIGIN_MAX + 1];
    bool odd = false;
    for (size_t i = 0; i < size; i++)
        odd = odd || data[i] <= ' ' || data[i] > '~' || data[i] == '\\';
    bool allowed = vk_auth_origin_allowed(url, origins, VK_COUNT(origins));
    CHECK(allowed == (begins_well(url) && !odd && size <= VK_AUTH_URL_MAX));
    vk_err e = vk_auth_origin_of(url, origin);
    CHECK(e == VK_OK || e == VK_E_INVALID || e == VK_E_TOO_LARGE);
    CHECK(!(odd && e == VK_OK));
    if (e == VK_OK) { /* an origin is its own, and holds nothing but one */
        char again[VK_AUTH_ORIGIN_MAX + 1];
        CHECK(vk_auth_origin_of(vk_str_z(origin), again) == VK_OK && strcmp(origin, again) == 0);
        CHECK(!strpbrk(strstr(origin, "//") + 2, "/?#@\\%") && strlen(origin) < VK_AUTH_ORIGIN_MAX + 1);
    }
    vk_buf out, twice;
    vk_buf_init(&out, 2 * VK_AUTH_URL_MAX);
    vk_buf_init(&twice, 2 * VK_AUTH_URL_MAX);
    vk_err added = vk_auth_redirect_add(url, VK_STR("__clerk_handshake_nonce"), VK_STR("N1"), &out);
    CHECK(added == e);
    if (added == VK_OK && out.n <= VK_AUTH_URL_MAX) {
        CHECK(vk_auth_origin_allowed(vk_buf_view(&out), origins, VK_COUNT(origins)) == allowed);
        /* Again with another value: the first one is replaced, so there is one, before the fragment. */
        CHECK(vk_auth_redirect_add(vk_buf_view(&out), VK_STR("__clerk_handshake_nonce"), VK_STR("N2"),
                                   &twice) == VK_OK);
        CHECK(out.n == twice.n);
        size_t differ = 0;
        for (size_t i = 0; i < out.n; i++)
            differ += out.p[i] != twice.p[i];
        CHECK(differ == 1);
    }
    vk_buf_free(&out);
    vk_buf_free(&twice);
    return 0;
}
