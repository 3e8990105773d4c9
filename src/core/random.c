#include "core/random.h"

#include <errno.h>
#include <sys/random.h>

static void (*source)(void *out, size_t n);

void vk_random_source(void (*fill)(void *out, size_t n))
{
    source = fill;
}

void vk_random(void *out, size_t n)
{
    if (source) {
        source(out, n);
        return;
    }
    char *at = out;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort();
        at += got;
        n -= (size_t)got;
    }
}
