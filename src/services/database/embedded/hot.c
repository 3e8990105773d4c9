/* Where what a short read needs lies in memory.
 *
 * With thousands of builds in turn nothing of a build is in the processor's caches when its request comes,
 * and SQLite's structures are found one through the other: a hundred waits for memory, one after the other,
 * which cost more than the statement. So what SQLite allocated for a connection and for a statement is noted,
 * line by line of the cache, and asked for all at once before the statement runs (bench/run growth). A line
 * that is something else by now is asked for in vain, and nothing happens. */
#include "services/database/embedded/db.h"

#include "store/store.h"

enum {
    SMALL = 2048, /* of such a piece everything may be needed */
    PAGE = 4096,  /* of a page of the file: how it begins, and SQLite's own account of it behind it… */
    PAGE_ACCOUNT = 128,
    PAGE_MAX = 8192,
    BEGINNING = 5 * VK_HOT_LINE, /* …and of what is larger, the beginning */
    INDEX = 32768,               /* of the -wal */
};

static intptr_t line_of(const void *p)
{
    return (intptr_t)((uintptr_t)p / VK_HOT_LINE);
}

static void add(vk_hot *hot, const char *p, uint32_t n)
{
    for (intptr_t at = line_of(p), end = line_of(p + n - 1); at <= end && hot->n < VK_HOT_LINES; at++) {
        intptr_t away = at - line_of(hot);
        bool near = away == (int32_t)away; /* malloc() takes its memory from wherever the kernel gives it */
        if (near && (hot->n == 0 || hot->line[hot->n - 1] != away))
            hot->line[hot->n++] = (int32_t)away;
    }
}

void vk_hot_add(vk_hot **hot, const vk_sqlite_notes *notes, uint32_t most)
{
    if (!notes || (!*hot && !(*hot = calloc(1, sizeof **hot))))
        return;
    for (uint32_t i = 0; i < notes->n && i < most; i++) {
        const char *p = notes->at[i];
        uint32_t n = notes->size[i];
        if (n <= SMALL) {
            add(*hot, p, n);
        } else if (n > PAGE + PAGE_ACCOUNT && n <= PAGE_MAX) {
            add(*hot, p, BEGINNING);
            add(*hot, p + PAGE, n - PAGE);
        } else if (n >= INDEX) {
            add(*hot, p, BEGINNING);
        }
    }
}

void vk_hot_fetch(const vk_hot *hot)
{
    for (uint32_t i = 0; hot && i < hot->n; i++)
        __builtin_prefetch((const char *)((line_of(hot) + hot->line[i]) * VK_HOT_LINE));
}
