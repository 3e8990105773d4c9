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

vk_err vk_clock_parse(vk_str text, int64_t *wall_ms_r)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    int part[7] = {0}, at = 0; /* year, month, day, hour, minute, second, thousandths */
    if (text.n != sizeof form - 1)
        return VK_E_INVALID;
    for (size_t i = 0; i < text.n; i++) {
        bool digit = text.p[i] >= '0' && text.p[i] <= '9';
        if (form[i] == 'd' ? !digit : text.p[i] != form[i])
            return VK_E_INVALID;
        if (digit)
            part[at] = part[at] * 10 + (text.p[i] - '0');
        else
            at++;
    }
    struct tm t = {.tm_year = part[0] - 1900,
                   .tm_mon = part[1] - 1,
                   .tm_mday = part[2],
                   .tm_hour = part[3],
                   .tm_min = part[4],
                   .tm_sec = part[5]};
    const struct tm asked = t;
    time_t s = timegm(&t); /* brings a 31 February into order: then it is another day than was asked */
    if (t.tm_mon != asked.tm_mon || t.tm_mday != asked.tm_mday || t.tm_hour != asked.tm_hour ||
        t.tm_min != asked.tm_min || t.tm_sec != asked.tm_sec)
        return VK_E_INVALID;
    *wall_ms_r = (int64_t)s * 1000 + part[6];
    return VK_OK;
}
