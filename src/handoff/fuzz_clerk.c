/* package.json of strangers, and ranges: first byte 0 a package.json, otherwise a range. */
#include "handoff/clerk.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    vk_str text = {(const char *)data + 1, n ? n - 1 : 0};
    vk_clerk_sdk sdk;
    if (n == 0)
        return 0;
    if (data[0]) {
        int major = vk_clerk_range_major(text);
        CHECK(major >= VK_CLERK_MAJOR_ANY && major <= 9999);
        return 0;
    }
    vk_arena *a = vk_arena_new(4 << 20);
    if (a && vk_clerk_sdk_wanted(a, text, &sdk) == VK_OK) {
        vk_err e = vk_clerk_sdk_installed(a, text, &sdk);
        CHECK(e == VK_OK || e == VK_E_INVALID || e == VK_E_NOMEM);
        CHECK(sdk.js == VK_CLERK_JS_OLD || sdk.js == VK_CLERK_JS_NEWEST);
        vk_env_var vars[] = {{"CLERK_JS_URL", text, false}, {"A_CLERK_UI_URL", text, false}};
        size_t kept;
        CHECK(vk_clerk_fit(a, &sdk, vars, 2, &kept) == VK_E_NOMEM ||
              kept == (sdk.js == VK_CLERK_JS_OLD ? 1u : 2u));
    }
    vk_arena_free(a);
    return 0;
}
