/* For tests: an allocator that fails when it is told to, and counts what is alive. It stands in front of
 * glibc's, so a test that includes this is skipped (ALLOC_SEAM is 0) where a sanitizer brings its own. */
#ifndef VK_TEST_ALLOC_H
#define VK_TEST_ALLOC_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define ALLOC_SEAM 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ALLOC_SEAM 0
#endif
#endif
#ifndef ALLOC_SEAM
#define ALLOC_SEAM 1
#endif

static long alloc_left = -1; /* allocations until all fail; -1: none fails */
static bool alloc_counts, alloc_once;
static long alloc_live, alloc_failures;
static size_t alloc_only; /* those of so many bytes are counted, and fail; 0: all */

#if ALLOC_SEAM
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

static bool alloc_fails(size_t n)
{
    if (!alloc_counts || alloc_left < 0 || (alloc_only && n != alloc_only))
        return false;
    if (alloc_left > 0) {
        alloc_left--;
        return false;
    }
    alloc_failures++;
    if (alloc_once)
        alloc_left = -1;
    errno = ENOMEM;
    return true;
}

static void *alloc_note(void *p)
{
    if (p && alloc_counts)
        alloc_live++;
    return p;
}

void *malloc(size_t n)
{
    return alloc_fails(n) ? NULL : alloc_note(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
    return alloc_fails(n) ? NULL : alloc_note(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
    if (alloc_fails(n))
        return NULL;
    void *to = __libc_realloc(p, n);
    return p ? to : alloc_note(to);
}

void free(void *p)
{
    if (p && alloc_counts)
        alloc_live--;
    __libc_free(p);
}
#endif

/* Runs `step` with the first, the second, … allocation failing, once with all behind it failing too and once
 * with that one only, until it runs through without a failure. `step` frees what it made and gets whether it
 * may fail; it returns false when it is not content. *leak_r: allocations that were not freed, of the first
 * run with a leak. */
static bool alloc_torture(bool (*step)(bool may_fail), int *runs_r, long *leak_r)
{
    for (int once = 0; once < 2; once++) {
        alloc_failures = 1;
        for (long n = 0; alloc_failures; n++) {
            alloc_live = alloc_failures = 0;
            alloc_left = n;
            alloc_once = once;
            alloc_only = 0;
            alloc_counts = true;
            bool content = step(true);
            alloc_counts = false;
            alloc_left = -1;
            *runs_r = (int)n;
            *leak_r = alloc_live;
            if (!content || alloc_live != 0 || n > 100000)
                return false;
        }
    }
    return step(false);
}

#endif
