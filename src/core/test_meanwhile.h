/* For tests: limits on time, on machines that others use as well; tests/lib/meanwhile.py does the same and
 * says more. What this process uses explains nothing, so code that is slow by itself is found anywhere. */
#ifndef VK_TEST_MEANWHILE_H
#define VK_TEST_MEANWHILE_H

#include "core/clock.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MEANWHILE_MOST = 10 }; /* a limit counts so many times at most */

typedef struct meanwhile {
    int64_t begun;   /* ms of the monotonic clock */
    double all, own; /* seconds of processors used, by anybody and by this process and its children */
} meanwhile;

static inline double meanwhile_all(void)
{
    /* user, nice, system, idle, iowait, irq, softirq, steal; a guest's time is in user's */
    unsigned long long t[8] = {0};
    FILE *f = fopen("/proc/stat", "r");
    if (!f)
        return 0;
    int n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5],
                   &t[6], &t[7]);
    fclose(f);
    return n < 8 ? 0 : (double)(t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) / (double)sysconf(_SC_CLK_TCK);
}

static inline double meanwhile_own(void)
{
    static const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    double s = 0;
    for (int i = 0; i < 2; i++) {
        struct rusage u;
        if (!getrusage(whose[i], &u))
            s += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                 (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    }
    return s;
}

static inline meanwhile meanwhile_from_now(void)
{
    return (meanwhile){.begun = vk_clock_mono_ms(), .all = meanwhile_all(), .own = meanwhile_own()};
}

/* ms since then. */
static inline int64_t meanwhile_took(const meanwhile *m)
{
    return vk_clock_mono_ms() - m->begun;
}

/* The share of the processors since then that others left. */
static inline double meanwhile_left(const meanwhile *m)
{
    double s = (double)meanwhile_took(m) / 1000,
           others = meanwhile_all() - m->all - (meanwhile_own() - m->own);
    return 1 - others / ((double)sysconf(_SC_NPROCESSORS_ONLN) * s);
}

/* `took` is within `limit` ms, or as far beyond it as the others' use of the processors since then explains.
 */
static inline bool meanwhile_allows(const meanwhile *m, int64_t took, int64_t limit)
{
    if (took <= limit)
        return true;
    double left = meanwhile_left(m);
    double slack = left * MEANWHILE_MOST <= 1 ? MEANWHILE_MOST : left >= 1 ? 1 : 1 / left;
    return (double)took <= (double)limit * slack;
}

#endif
