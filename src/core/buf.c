#include "core/buf.h"

#include <stdarg.h>

enum { FIRST = 512 }; /* bytes allocated at the first write, unless the maximum is smaller */

void vk_buf_init(vk_buf *b, size_t max)
{
    *b = (vk_buf){.max = max};
}

void vk_buf_free(vk_buf *b)
{
    free(b->p);
    *b = (vk_buf){.max = b->max, .secret = b->secret};
}

void vk_buf_free_secret(vk_buf *b)
{
    vk_wipe(b->p, b->cap);
    vk_buf_free(b);
}

void vk_buf_clear(vk_buf *b)
{
    b->n = 0;
    b->err = VK_OK;
}

void vk_buf_truncate(vk_buf *b, size_t n)
{
    if (n < b->n)
        b->n = n;
    b->err = VK_OK;
}

/* realloc leaves the old bytes behind in freed memory. */
static char *grow_secret(vk_buf *b, size_t cap)
{
    char *p = malloc(cap);
    if (!p)
        return NULL;
    if (b->p) {
        memcpy(p, b->p, b->n);
        vk_wipe(b->p, b->cap);
        free(b->p);
    }
    return p;
}

char *vk_buf_room(vk_buf *b, size_t n)
{
    static char none[1];
    if (b->err)
        return NULL;
    if (n <= b->cap - b->n)
        return b->p ? b->p + b->n : none;
    if (b->n > b->max || n > b->max - b->n) {
        b->err = VK_E_TOO_LARGE;
        return NULL;
    }
    size_t cap = b->cap ? b->cap : b->max < FIRST ? b->max : FIRST;
    while (cap - b->n < n)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    char *p = b->secret ? grow_secret(b, cap) : realloc(b->p, cap);
    if (!p) {
        b->err = VK_E_NOMEM;
        return NULL;
    }
    b->p = p;
    b->cap = cap;
    return b->p + b->n;
}

void vk_buf_add_slow(vk_buf *b, const void *p, size_t n)
{
    char *at = vk_buf_room(b, n);
    if (!at)
        return;
    if (n)
        memcpy(at, p, n);
    b->n += n;
}

void vk_buf_printf(vk_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !vk_buf_room(b, (size_t)n + 1)) {
        if (b->err == VK_OK)
            b->err = VK_E_INVALID;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

void vk_buf_u64(vk_buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    vk_buf_add(b, digits + at, sizeof digits - at);
}

void vk_buf_i64(vk_buf *b, int64_t v)
{
    if (v < 0)
        vk_buf_ch(b, '-');
    vk_buf_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}
