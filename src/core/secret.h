/* Views of secrets: credentials, keys, tokens. A vk_secret is no vk_str, so it cannot be formatted, logged,
 * compared in a time that tells something, or put into an error by mistake: each of these is an error of the
 * compiler. Who must have the bytes says vk_secret_bytes, which tests/style lists file by file. */
#ifndef VK_SECRET_H
#define VK_SECRET_H

#include "core/base.h"

/* Not owned, not NUL-terminated, like vk_str. */
typedef struct vk_secret {
    const char *hidden;
    size_t n;
} vk_secret;

#define VK_SECRET_NONE ((vk_secret){NULL, 0})

static inline vk_secret vk_secret_of(vk_str s)
{
    return (vk_secret){s.p, s.n};
}
/* For parsing, hashing, and sending to the one place that it is for. Never for an error, a log or a URL. */
static inline vk_str vk_secret_bytes(vk_secret s)
{
    return (vk_str){s.hidden, s.n};
}
/* In time that depends on the lengths only. */
static inline bool vk_secret_eq(vk_secret a, vk_secret b)
{
    return vk_str_eq_secret(vk_secret_bytes(a), vk_secret_bytes(b));
}
/* The memory it views; it must be the caller's to write. */
static inline void vk_secret_wipe(vk_secret s)
{
    if (s.n)
        vk_wipe((void *)(uintptr_t)s.hidden, s.n);
}

#endif
