/* Process-wide SQLite settings, and what ends a statement before the stack of its thread ends. */
#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

static _Thread_local char *stack_floor; /* NULL: this thread is not watched */
static _Thread_local bool was_short;
static sqlite3_mem_methods plain;

/* SQLite compiles views over views, triggers that set off triggers and cascading foreign keys by recursion
 * that none of its limits bounds, and each level of it allocates. */
static bool out_of_stack(void)
{
    if (VK_LIKELY((char *)__builtin_frame_address(0) > stack_floor))
        return false;
    was_short = true;
    return true;
}

/* ---- the memory of one request */

/* What this thread has taken since vk_sqlite_memory_begin, less what it gave back; SQLite's own limits need
 * its statistics, whose lock all threads would share. */
static _Thread_local int64_t taken, most = INT64_MAX, piece = INT64_MAX;
static _Thread_local bool had_enough;
static _Thread_local const _Atomic bool *gives_up;

/* `n`: the piece's size; `more`: what it takes beyond the one that it replaces. */
static bool too_much(int64_t n, int64_t more)
{
    if (gives_up && VK_UNLIKELY(atomic_load_explicit(gives_up, memory_order_relaxed)))
        return true;
    if (VK_LIKELY(taken + more <= most && n <= piece))
        return false;
    had_enough = most != INT64_MAX;
    return had_enough;
}

/* ---- what is where */

static _Thread_local vk_sqlite_notes notes;
static _Thread_local bool noting;

static void note(void *p)
{
    if (VK_LIKELY(!noting) || notes.n == VK_SQLITE_NOTES)
        return;
    notes.at[notes.n] = p;
    notes.size[notes.n++] = (uint32_t)plain.xSize(p);
}

/* The latest first: most pieces do not last. */
static void forget(const void *p)
{
    for (uint32_t i = noting ? notes.n : 0; i--;)
        if (notes.at[i] == p) {
            notes.n--;
            memmove(&notes.at[i], &notes.at[i + 1], (notes.n - i) * sizeof notes.at[0]);
            memmove(&notes.size[i], &notes.size[i + 1], (notes.n - i) * sizeof notes.size[0]);
            return;
        }
}

void vk_sqlite_notes_begin(void)
{
    notes.n = 0;
    noting = true;
}

const vk_sqlite_notes *vk_sqlite_notes_end(void)
{
    const vk_sqlite_notes *taken_now = noting ? &notes : NULL;
    noting = false;
    return taken_now;
}

static void *watched_malloc(int n)
{
    if (out_of_stack() || too_much(n, n))
        return NULL;
    void *p = plain.xMalloc(n);
    if (p) {
        taken += plain.xSize(p);
        note(p);
    }
    return p;
}

static void watched_free(void *p)
{
    taken -= plain.xSize(p);
    forget(p);
    plain.xFree(p);
}

static void *watched_realloc(void *p, int n)
{
    int old = plain.xSize(p);
    if (out_of_stack() || too_much(n, (int64_t)n - old))
        return NULL;
    void *q = plain.xRealloc(p, n);
    if (q) {
        taken += plain.xSize(q) - old;
        forget(p);
        note(q);
    }
    return q;
}

void vk_sqlite_memory_begin(int64_t limit, const _Atomic bool *give_up)
{
    taken = 0;
    most = limit;
    gives_up = give_up;
    had_enough = false;
}

void vk_sqlite_memory_piece(int64_t n)
{
    piece = n;
}

int64_t vk_sqlite_memory_end(void)
{
    most = piece = INT64_MAX;
    gives_up = NULL;
    return taken;
}

int64_t vk_sqlite_memory_taken(void)
{
    return taken;
}

bool vk_sqlite_memory_was_short(void)
{
    return had_enough;
}

vk_err vk_sqlite_watch_stack(size_t spare)
{
    pthread_attr_t attr;
    void *low = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return VK_E_INTERNAL;
    int rc = pthread_attr_getstack(&attr, &low, &size);
    pthread_attr_destroy(&attr);
    if (rc != 0 || size <= spare)
        return VK_E_INTERNAL;
    stack_floor = (char *)low + spare;
    return VK_OK;
}

bool vk_sqlite_stack_was_short(void)
{
    bool was = was_short;
    was_short = false;
    return was;
}

vk_err vk_sqlite_init(void)
{
    sqlite3_mem_methods watched;
    /* No global allocator lock for statistics (it inverts priorities between threads), no page cache
     * preallocated per handle (100 KiB each): docs/ARCHITECTURE.md, "SQLite settings". */
    if (sqlite3_config(SQLITE_CONFIG_MULTITHREAD) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_GETMALLOC, &watched) != SQLITE_OK)
        return VK_E_INTERNAL;
    if (watched.xMalloc != watched_malloc) { /* a second call finds ours */
        plain = watched;
        watched.xMalloc = watched_malloc;
        watched.xRealloc = watched_realloc;
        watched.xFree = watched_free;
        if (sqlite3_config(SQLITE_CONFIG_MALLOC, &watched) != SQLITE_OK)
            return VK_E_INTERNAL;
    }
    return sqlite3_initialize() == SQLITE_OK ? VK_OK : VK_E_INTERNAL;
}

const char *vk_sqlite_version(void)
{
    return sqlite3_libversion();
}
