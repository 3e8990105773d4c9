/* A token bucket in one number (the generic cell rate algorithm): the time until which what was taken is paid
 * for. Lock-free, and a few instructions; full at the beginning. */
#ifndef VK_RATE_H
#define VK_RATE_H

#include "core/base.h"

#include <stdatomic.h>

typedef struct vk_rate {
    int64_t each_ns;  /* the price of one; 0: no limit */
    int64_t burst_ns; /* of as many as may come at once */
} vk_rate;

typedef _Atomic int64_t vk_bucket; /* 0 at first */

static inline vk_rate vk_rate_of(int64_t per_second, int64_t burst)
{
    if (per_second <= 0)
        return (vk_rate){0, 0};
    int64_t each = 1000000000 / per_second;
    return (vk_rate){each > 0 ? each : 1, burst * (each > 0 ? each : 1)};
}

/* Takes one. 0: taken. Else nothing was taken, and there will be one in so many milliseconds. `now_ms` may be
 * of any clock that always is the same; when it leaps back, the bucket is full again. */
static inline int64_t vk_rate_take(vk_bucket *b, const vk_rate *r, int64_t now_ms)
{
    if (r->each_ns == 0)
        return 0;
    int64_t now = now_ms * 1000000, until = atomic_load_explicit(b, memory_order_relaxed), from;
    do {
        from = until;
        if (from < now || VK_UNLIKELY(from - now > r->burst_ns + r->each_ns))
            from = now;
        if (VK_UNLIKELY(from + r->each_ns - now > r->burst_ns))
            return (from + r->each_ns - now - r->burst_ns + 999999) / 1000000;
    } while (!atomic_compare_exchange_weak_explicit(b, &until, from + r->each_ns, memory_order_relaxed,
                                                    memory_order_relaxed));
    return 0;
}

/* What vk_rate_take would say; takes nothing. */
static inline int64_t vk_rate_wait(vk_bucket *b, const vk_rate *r, int64_t now_ms)
{
    if (r->each_ns == 0)
        return 0;
    int64_t now = now_ms * 1000000, from = atomic_load_explicit(b, memory_order_relaxed);
    if (from < now || VK_UNLIKELY(from - now > r->burst_ns + r->each_ns))
        from = now;
    return from + r->each_ns - now > r->burst_ns ? (from + r->each_ns - now - r->burst_ns + 999999) / 1000000
                                                 : 0;
}

/* Nothing of it is taken. */
static inline bool vk_rate_full(vk_bucket *b, int64_t now_ms)
{
    return atomic_load_explicit(b, memory_order_relaxed) <= now_ms * 1000000;
}

/* For Retry-After: whole seconds, at least one. */
static inline int vk_rate_seconds(int64_t wait_ms)
{
    return wait_ms > 3600000 ? 3600 : wait_ms < 1000 ? 1 : (int)((wait_ms + 999) / 1000);
}

#endif
