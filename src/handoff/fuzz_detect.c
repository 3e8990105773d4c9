/* package.json and requirements.txt of strangers. */
#include "handoff/framework.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    vk_arena *a = vk_arena_new(4 << 20);
    const vk_framework *f = NULL;
    vk_str text = {(const char *)data, n};
    if (a && vk_detect_package_json(a, text, &f) == VK_OK && !f)
        abort();
    f = NULL;
    if (vk_detect_python(text, &f) == VK_OK && !f)
        abort();
    vk_arena_free(a);
    return 0;
}
