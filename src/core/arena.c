#include "core/arena.h"

#include <stdarg.h>

enum { CHUNK = 4096, ALIGN = 16 };
#define USUAL (CHUNK - sizeof(struct chunk))

struct chunk {
    struct chunk *next;
    size_t size; /* payload bytes */
    size_t used;
    size_t pad;
};

struct cleanup {
    struct cleanup *next;
    void (*fn)(void *arg);
    void *arg;
};

struct vk_arena {
    struct chunk *head; /* the one that is filled; `first` is somewhere in the list */
    struct cleanup *cleanups;
    struct chunk *spare; /* of USUAL bytes, kept by a reset: who needed one is likely to need one again */
    size_t cap, total;
    _Alignas(ALIGN) struct chunk first; /* last member: its payload follows the struct */
};

static char *payload(struct chunk *c)
{
    return (char *)(c + 1);
}

vk_arena *vk_arena_new(size_t cap)
{
    vk_arena *a = malloc(CHUNK);
    if (!a)
        return NULL;
    *a = (vk_arena){.cap = cap, .total = CHUNK, .first = {.size = CHUNK - sizeof *a}};
    a->head = &a->first;
    return a;
}

static void run_cleanups(vk_arena *a)
{
    while (a->cleanups) {
        struct cleanup *c = a->cleanups;
        a->cleanups = c->next;
        c->fn(c->arg);
    }
}

void vk_arena_reset(vk_arena *a)
{
    run_cleanups(a);
    for (struct chunk *c = a->head, *next; c; c = next) {
        next = c->next;
        if (c == &a->first)
            continue;
        if (!a->spare && c->size == USUAL)
            a->spare = c;
        else
            free(c);
    }
    a->head = &a->first;
    a->first.next = NULL;
    a->first.used = 0;
    a->total = CHUNK;
}

void vk_arena_wipe(vk_arena *a)
{
    run_cleanups(a);
    for (struct chunk *c = a->head; c; c = c->next)
        vk_wipe(payload(c), c->used);
}

void vk_arena_free(vk_arena *a)
{
    if (!a)
        return;
    vk_arena_reset(a);
    free(a->spare);
    free(a);
}

static void *alloc_slow(vk_arena *a, size_t n)
{
    size_t size = n > USUAL ? n : USUAL;
    size_t left = a->total < a->cap ? a->cap - a->total : 0;
    if (left < sizeof(struct chunk) || size > left - sizeof(struct chunk))
        return NULL;
    struct chunk *c = size == USUAL && a->spare ? a->spare : malloc(sizeof *c + size);
    if (!c)
        return NULL;
    if (c == a->spare)
        a->spare = NULL;
    *c = (struct chunk){.size = size, .used = n};
    a->total += sizeof *c + size;
    /* A large block gets a chunk of its own behind the current one, whose room stays in use. */
    struct chunk **at = n >= CHUNK ? &a->head->next : &a->head;
    c->next = *at;
    *at = c;
    return payload(c);
}

void *vk_arena_alloc(vk_arena *a, size_t n)
{
    if (n > SIZE_MAX - ALIGN)
        return NULL;
    n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct chunk *c = a->head;
    if (VK_LIKELY(n <= c->size - c->used)) {
        void *p = payload(c) + c->used;
        c->used += n;
        return p;
    }
    return alloc_slow(a, n);
}

void *vk_arena_calloc(vk_arena *a, size_t n)
{
    void *p = vk_arena_alloc(a, n);
    if (p)
        memset(p, 0, n);
    return p;
}

vk_str vk_arena_dup(vk_arena *a, vk_str s)
{
    char *p = s.n < SIZE_MAX ? vk_arena_alloc(a, s.n + 1) : NULL;
    if (!p)
        return VK_STR_NONE;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return (vk_str){p, s.n};
}

vk_str vk_arena_printf(vk_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n >= 0 ? vk_arena_alloc(a, (size_t)n + 1) : NULL;
    if (!p)
        return VK_STR_NONE;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return (vk_str){p, (size_t)n};
}

vk_err vk_refuse(vk_arena *a, const char **why_r, const char *fmt, ...)
{
    char text[700];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    vk_str s = vk_arena_dup(a, (vk_str){text, n < 0 ? 0 : strlen(text)});
    *why_r = s.p ? s.p : "out of memory";
    return VK_E_INVALID;
}

vk_err vk_arena_cleanup(vk_arena *a, void (*fn)(void *arg), void *arg)
{
    struct cleanup *c = vk_arena_alloc(a, sizeof *c);
    if (!c)
        return VK_E_NOMEM;
    *c = (struct cleanup){a->cleanups, fn, arg};
    a->cleanups = c;
    return VK_OK;
}

size_t vk_arena_used(const vk_arena *a)
{
    return a->total;
}
