/* Any bytes as an environment file: every name and value lies in it or in the arena, no name has more than
 * its characters, and a value without quotes no line end. */
#include "cli/dotenv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define CHECK(x) ((x) ? (void)0 : abort())

struct state {
    size_t n, bytes;
};

static void take(void *arg, vk_str name, vk_str value)
{
    struct state *s = arg;
    CHECK(name.n > 0);
    for (size_t i = 0; i < name.n; i++)
        CHECK(!strchr(" \t\r\n=#'\"`", name.p[i]) && name.p[i] != '\0');
    volatile char sum = 0;
    for (size_t i = 0; i < value.n; i++)
        sum = (char)(sum + value.p[i]);
    s->n++;
    s->bytes += name.n + value.n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct state s = {0};
    vk_arena *a = vk_arena_new(1 << 20);
    vk_err e = vk_dotenv_read(a, (vk_str){(const char *)data, n}, take, &s);
    CHECK(e == VK_OK || n > 4096);
    CHECK(s.bytes <= n);
    vk_arena_free(a);
    return 0;
}
