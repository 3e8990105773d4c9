#include "core/clock.h"

static int64_t offset_ms;

int64_t vk_clock_wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + offset_ms;
}

int64_t vk_clock_mono_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t vk_clock_mono_ms(void)
{
    return vk_clock_mono_ns() / 1000000;
}

void vk_clock_offset(int64_t ms)
{
    offset_ms = ms;
}

void vk_clock_text(int64_t wall_ms, char out[VK_CLOCK_TEXT])
{
    time_t s = (time_t)(wall_ms / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    snprintf(out, VK_CLOCK_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (tm.tm_year + 1900) % 10000,
             (tm.tm_mon + 1) % 100, tm.tm_mday % 100, tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100,
             (int)(wall_ms % 1000));
}

vk_err vk_duration_parse(vk_str s, int64_t *ms_r)
{
    int64_t unit = 1000, n;
    if (s.n == 0)
        return VK_E_INVALID;
    switch (s.p[s.n - 1]) {
    case 'd':
        unit *= 24;
        /* fall through */
    case 'h':
        unit *= 60;
        /* fall through */
    case 'm':
        unit *= 60;
        /* fall through */
    case 's':
        s.n--;
    }
    if (s.n == 0 || s.p[0] == '-' || s.p[0] == '+' || vk_str_to_i64(s, &n) != VK_OK)
        return VK_E_INVALID;
    int64_t most = (int64_t)3653 * 86400 * 1000;
    if (n < 1 || n > most / unit)
        return VK_E_INVALID;
    *ms_r = n * unit;
    return VK_OK;
}
