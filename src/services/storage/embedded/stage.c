/* Bytes of a new file on their way to it, so that they get there in large pieces. */
#include "services/storage/embedded/inside.h"

#include "core/disk.h"

enum { PIECE = 256 << 10 };
#define ALL_MAX ((size_t)64 * PIECE)

static _Atomic size_t all; /* bytes that stages have */

/* Memory for `n` bytes and what comes after them, `most` in all. False: there is none. */
static bool get_room(vk_ob_stage *g, size_t n, size_t most)
{
    if (g->p)
        return n <= g->room;
    size_t want = most < PIECE ? most : (size_t)PIECE;
    if (atomic_fetch_add(&all, want) + want <= ALL_MAX && (g->p = malloc(want)) != NULL) {
        g->room = want;
        return true;
    }
    atomic_fetch_sub(&all, want);
    return false;
}

void vk_ob_stage_free(vk_ob_stage *g)
{
    free(g->p);
    atomic_fetch_sub(&all, g->room);
    *g = (vk_ob_stage){0};
}

vk_ob_err vk_ob_stage_write(vk_ob_stage *g, int fd)
{
    size_t n = g->n;
    g->n = 0;
    return n ? vk_ob_of(vk_disk_add(fd, (vk_str){g->p, n})) : VK_OB_OK;
}

vk_ob_err vk_ob_stage_add(vk_ob_stage *g, int fd, int64_t at, vk_str bytes, int64_t more)
{
    size_t border = PIECE - (size_t)(at % PIECE); /* so far it is to the next border of two pieces */
    size_t fill = g->n == 0 ? 0 : bytes.n < border ? bytes.n : border;
    vk_ob_err e = VK_OB_OK;
    if (fill > g->room - g->n) { /* more came than was said: it is written as it comes */
        e = vk_ob_stage_write(g, fd);
        return e == VK_OB_OK ? vk_ob_of(vk_disk_add(fd, bytes)) : e;
    }
    if (fill) {
        memcpy(g->p + g->n, bytes.p, fill);
        g->n += fill;
        bytes = (vk_str){bytes.p + fill, bytes.n - fill};
        if (fill < border)
            return VK_OB_OK;
        e = vk_ob_stage_write(g, fd);
        if (e != VK_OB_OK)
            return e;
        border = PIECE;
    }
    /* Nothing is kept now: whole pieces go as they are, and the last bytes too. */
    size_t rest = bytes.n < border ? bytes.n : (bytes.n - border) % PIECE;
    size_t most = more < 0 || more > PIECE ? (size_t)PIECE : rest + (size_t)more;
    if (more == 0 || !get_room(g, rest, most))
        rest = 0;
    if (bytes.n > rest)
        e = vk_ob_of(vk_disk_add(fd, (vk_str){bytes.p, bytes.n - rest}));
    if (rest && e == VK_OB_OK) {
        memcpy(g->p, bytes.p + (bytes.n - rest), rest);
        g->n = rest;
    }
    return e;
}
