#include "crypto/wiping.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdatomic.h>

static _Atomic uint64_t wiped;

static void *take(size_t n, const char *file, int line)
{
    VK_UNUSED(file);
    VK_UNUSED(line);
    return n ? malloc(n) : NULL;
}

static void give(void *p, const char *file, int line)
{
    VK_UNUSED(file);
    VK_UNUSED(line);
    if (!p)
        return;
    vk_wipe(p, malloc_usable_size(p));
    atomic_fetch_add_explicit(&wiped, 1, memory_order_relaxed);
    free(p);
}

/* realloc() may leave a copy behind. */
static void *resize(void *p, size_t n, const char *file, int line)
{
    if (!p)
        return take(n, file, line);
    if (n == 0) {
        give(p, file, line);
        return NULL;
    }
    size_t have = malloc_usable_size(p);
    void *q = malloc(n);
    if (!q)
        return NULL;
    memcpy(q, p, have < n ? have : n);
    give(p, file, line);
    return q;
}

vk_err vk_wiping_begin(void)
{
    return CRYPTO_set_mem_functions(take, resize, give) == 1 ? VK_OK : VK_E_CONFLICT;
}

uint64_t vk_wiping_count(void)
{
    return atomic_load_explicit(&wiped, memory_order_relaxed);
}
