/* Any bytes as the address of a webhook. What its origin is taken for here is what courier would dial, and
 * what is allowed begins with an allowed origin for a simpler reading too. */
#include "courier/address.h"
#include "services/payments/hook.h"
#include "services/payments/origins.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const starts[] = {"http://localhost:3000", "https://app.example",
                                     "https://app.example:443", "http://[::1]", "http://[::1]:80"};
static const vk_str origins[] = {
    {"http://localhost:3000", 21}, {"https://app.example", 19}, {"http://[::1]", 12}};

static bool begins_well(vk_str url)
{
    for (size_t i = 0; i < VK_COUNT(starts); i++) {
        vk_str s = vk_str_z(starts[i]);
        if (url.n >= s.n && vk_str_ieq((vk_str){url.p, s.n}, s) &&
            (url.n == s.n || (url.p[s.n] && strchr("/?#", url.p[s.n]))))
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vk_str url = {(const char *)data, size};
    const vk_pay_origins list = {origins, VK_COUNT(origins), false};
    char origin[VK_PAY_ORIGIN_MAX + 1], again[VK_PAY_ORIGIN_MAX + 1];
    vk_target target;
    const char *why;
    vk_err e = vk_pay_origin_of(url, origin);
    bool allowed = vk_pay_origin_allowed(&list, url);
    CHECK(!allowed || (e == VK_OK && begins_well(url)));
    CHECK(!allowed || memchr(url.p, '#', url.n) || vk_target_parse(url, &target, &why) == VK_OK);
    if (e == VK_OK) {
        CHECK(vk_pay_origin_of(vk_str_z(origin), again) == VK_OK && strcmp(origin, again) == 0);
        if (vk_target_parse(url, &target, &why) == VK_OK)
            CHECK(vk_target_has_origin(&target, vk_str_z(origin)));
    }
    if (vk_pay_hook_path_ok(url)) { /* behind an origin it stays on it */
        char whole[1024];
        snprintf(whole, sizeof whole, "http://localhost:3000" VK_STR_FMT, VK_STR_ARG(url));
        CHECK(vk_pay_origin_allowed(&list, vk_str_z(whole)));
        CHECK(vk_target_parse(vk_str_z(whole), &target, &why) == VK_OK &&
              vk_target_has_origin(&target, origins[0]));
    }
    return 0;
}
