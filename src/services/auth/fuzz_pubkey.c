/* Any bytes as a publishable key, and as a host. What is read is written as the same key but for padding. */
#include "services/auth/pubkey.h"

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
    vk_str text = {(const char *)data, size};
    char host[VK_AUTH_HOST_MAX + 1], pk[VK_AUTH_PK_MAX + 1], again[VK_AUTH_HOST_MAX + 1];
    char suffix[VK_AUTH_SUFFIX + 1];
    bool live;
    if (vk_auth_pk_read(text, host, &live) == VK_OK) {
        CHECK(strchr(host, '.') && !strchr(host, '$') && live == (data[3] == 'l'));
        CHECK(vk_auth_pk_make(vk_str_z(host), pk) == VK_OK);
        size_t n = strlen(pk);
        CHECK(n <= size && size <= n + 2 && memcmp(pk + 8, data + 8, n - 8) == 0);
        for (; n < size; n++)
            CHECK(data[n] == '=');
    }
    if (vk_auth_pk_make(text, pk) == VK_OK) {
        CHECK(vk_auth_pk_read(vk_str_z(pk), again, &live) == VK_OK && !live);
        CHECK(vk_str_eqz(text, again));
    }
    if (vk_auth_host(text, VK_AUTH_DOMAIN_USUAL, host) == VK_OK)
        CHECK(vk_auth_pk_make(vk_str_z(host), pk) == VK_OK);
    vk_auth_cookie_suffix(text, suffix);
    CHECK(strlen(suffix) == VK_AUTH_SUFFIX && !strpbrk(suffix, "+/=; "));
    return 0;
}
