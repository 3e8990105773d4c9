/* A growing byte buffer with a mandatory maximum. A write that does not fit sets a sticky error and changes
 * nothing more, so that a writer may chain calls and check `err` once at the end. */
#ifndef VK_BUF_H
#define VK_BUF_H

#include "core/base.h"

typedef struct vk_buf {
    char *p;
    size_t n;    /* bytes in use */
    size_t cap;  /* bytes allocated */
    size_t max;  /* never more than this */
    vk_err err;  /* VK_OK, VK_E_TOO_LARGE or VK_E_NOMEM; sticky */
    bool secret; /* set before the first write: nothing is left behind in memory when it grows */
} vk_buf;

void vk_buf_init(vk_buf *b, size_t max);
void vk_buf_free(vk_buf *b);
/* Wipes, then frees: for buffers that held secrets. */
void vk_buf_free_secret(vk_buf *b);
/* Empties and clears the error, keeps the memory. */
void vk_buf_clear(vk_buf *b);
/* Shortens to `n` bytes (n <= b->n) and clears the error. */
void vk_buf_truncate(vk_buf *b, size_t n);
/* Room for `n` more bytes; NULL (and sticky error) when they do not fit. After writing, add to b->n. */
VK_MUSTCHECK char *vk_buf_room(vk_buf *b, size_t n);
void vk_buf_add_slow(vk_buf *b, const void *p, size_t n);
void vk_buf_printf(vk_buf *b, const char *fmt, ...) VK_PRINTF(2, 3);
void vk_buf_i64(vk_buf *b, int64_t v);
void vk_buf_u64(vk_buf *b, uint64_t v);

static inline void vk_buf_add(vk_buf *b, const void *p, size_t n)
{
    if (VK_LIKELY(n <= b->cap - b->n && b->err == VK_OK)) {
        if (n)
            memcpy(b->p + b->n, p, n);
        b->n += n;
        return;
    }
    vk_buf_add_slow(b, p, n);
}
static inline void vk_buf_str(vk_buf *b, vk_str s)
{
    vk_buf_add(b, s.p, s.n);
}
static inline void vk_buf_z(vk_buf *b, const char *z)
{
    vk_buf_add(b, z, strlen(z));
}
static inline void vk_buf_ch(vk_buf *b, char c)
{
    vk_buf_add(b, &c, 1);
}
#define vk_buf_lit(b, lit) vk_buf_add((b), "" lit, sizeof(lit) - 1)
static inline vk_str vk_buf_view(const vk_buf *b)
{
    return (vk_str){b->p, b->n};
}

#endif
