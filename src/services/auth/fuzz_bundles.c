/* Any bytes as a path of a script. What is accepted is, put together again, the same path, and holds nothing
 * that could leave a folder. */
#include "services/auth/bundles.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vk_str path = {(const char *)data, size};
    vk_auth_bundle_name n;
    vk_err e = vk_auth_bundle_read(path, &n);
    CHECK(e == VK_OK || e == VK_E_INVALID);
    if (e != VK_OK)
        return 0;
    char again[1024];
    int wrote = snprintf(again, sizeof again, "/npm/@clerk/" VK_STR_FMT "@" VK_STR_FMT "/dist/" VK_STR_FMT,
                         VK_STR_ARG(n.package), VK_STR_ARG(n.version), VK_STR_ARG(n.file));
    CHECK(wrote > 0 && vk_str_eq(path, (vk_str){again, (size_t)wrote}) && vk_auth_bundles_match(path));
    CHECK(vk_str_starts(n.version, n.major) && n.major.n > 0 && n.file.n > 0 && n.package.n > 0);
    for (size_t i = 0; i < n.file.n; i++)
        CHECK(n.file.p[i] > ' ' && n.file.p[i] < 127 && !strchr("/\\%?#@", n.file.p[i]));
    return 0;
}
