/* Origins: what is taken reads back as itself, in lower case, without anything that could end a header or a
 * quote. */
#include "admin/origin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    vk_arena *a = vk_arena_new(65536);
    vk_str once, twice;
    const char *why = NULL;
    if (a && vk_origin_parse(a, (vk_str){(const char *)data, n}, &once, &why) == VK_OK) {
        for (size_t i = 0; i < once.n; i++)
            if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.:/[]", once.p[i]) || !once.p[i])
                abort();
        if (vk_origin_parse(a, once, &twice, &why) != VK_OK || !vk_str_eq(once, twice))
            abort();
    } else if (!why) {
        abort();
    }
    vk_arena_free(a);
    return 0;
}
