/* Arena: memory that is freed all at once. One per exchange; not thread-safe, but may move between threads as
 * long as one at a time uses it. Every arena has a hard cap: an allocation past it answers NULL, which is an
 * ordinary error (VK_E_NOMEM) and never an abort. */
#ifndef VK_ARENA_H
#define VK_ARENA_H

#include "core/base.h"

typedef struct vk_arena vk_arena;

/* `cap` bytes in all (chunks included). NULL when out of memory. Owner: the caller, until vk_arena_free. */
VK_MUSTCHECK vk_arena *vk_arena_new(size_t cap);
/* Runs the clean-ups (last added first) and frees everything. NULL is allowed. */
void vk_arena_free(vk_arena *a);
/* Runs the clean-ups, keeps the first chunk for the next user, and a second one (4 KiB each) when there was
 * one. */
void vk_arena_reset(vk_arena *a);
/* Runs the clean-ups and overwrites all that was given out, for arenas that held a secret. Reset or free
 * comes next. */
void vk_arena_wipe(vk_arena *a);
/* 16-byte aligned, not zeroed. NULL at the cap or out of memory. n = 0 gives a valid pointer. */
VK_MUSTCHECK void *vk_arena_alloc(vk_arena *a, size_t n);
VK_MUSTCHECK void *vk_arena_calloc(vk_arena *a, size_t n);
/* Copy with a NUL after it (not counted in n). {NULL,0} when there is no memory. */
VK_MUSTCHECK vk_str vk_arena_dup(vk_arena *a, vk_str s);
VK_MUSTCHECK vk_str vk_arena_printf(vk_arena *a, const char *fmt, ...) VK_PRINTF(2, 3);
/* Tells why something is refused: *why_r is the sentence, in the arena (at most 700 bytes). VK_E_INVALID. */
vk_err vk_refuse(vk_arena *a, const char **why_r, const char *fmt, ...) VK_PRINTF(3, 4);
/* `fn(arg)` runs at reset or free. VK_E_NOMEM: not registered, the caller cleans up itself. */
VK_MUSTCHECK vk_err vk_arena_cleanup(vk_arena *a, void (*fn)(void *arg), void *arg);
size_t vk_arena_used(const vk_arena *a);

#define VK_NEW(arena, type) ((type *)vk_arena_calloc((arena), sizeof(type)))

#endif
