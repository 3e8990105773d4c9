#include "keeper/locked.h"

#include <sodium.h>
#include <sys/mman.h>

enum { CLASSES = 11 }; /* 64 bytes … 64 KiB */
_Static_assert(VK_LOCKED_LEAST << (CLASSES - 1) == VK_LOCKED_PIECE_MAX,
               "the last class is the largest piece");

/* A piece that nobody has. It lies in the piece itself, so pieces' addresses are in locked memory too. */
typedef struct spare {
    struct spare *next;
} spare;

struct vk_locked {
    char *blocks[VK_LOCKED_BLOCKS_MAX];
    size_t n_blocks, at; /* where the last block's unused rest begins */
    spare *spare[CLASSES];
    size_t used;
    bool failed;
};

vk_err vk_locked_new(vk_locked **out_r)
{
    vk_locked *l = calloc(1, sizeof *l);
    if (!l)
        return VK_E_NOMEM;
    l->at = VK_LOCKED_BLOCK;
    *out_r = l;
    return VK_OK;
}

void vk_locked_free(vk_locked *l)
{
    for (size_t i = 0; l && i < l->n_blocks; i++)
        sodium_free(l->blocks[i]); /* wipes */
    free(l);
}

static size_t class_of(size_t n)
{
    size_t c = 0;
    while (((size_t)VK_LOCKED_LEAST << c) < n)
        c++;
    return c;
}

static void *pop(vk_locked *l, size_t c)
{
    spare *s = l->spare[c];
    if (s)
        l->spare[c] = s->next;
    return s;
}

static void push(vk_locked *l, size_t c, void *p)
{
    spare *s = p;
    s->next = l->spare[c];
    l->spare[c] = s;
}

/* The rest of the last block goes to the smaller classes before a new one is begun. */
static bool grow(vk_locked *l)
{
    for (size_t c = CLASSES; l->n_blocks && c-- > 0;)
        while (VK_LOCKED_BLOCK - l->at >= (size_t)VK_LOCKED_LEAST << c) {
            push(l, c, l->blocks[l->n_blocks - 1] + l->at);
            l->at += (size_t)VK_LOCKED_LEAST << c;
        }
    if (l->n_blocks == VK_LOCKED_BLOCKS_MAX)
        return false;
    char *block = sodium_malloc(VK_LOCKED_BLOCK);
    if (!block)
        return false;
    /* sodium_malloc goes on when it may not lock; asked again, the kernel says whether it is. */
    if (mlock(block, VK_LOCKED_BLOCK) != 0)
        l->failed = true;
    l->blocks[l->n_blocks++] = block;
    l->at = 0;
    return true;
}

char *vk_locked_get(vk_locked *l, size_t n)
{
    if (n > VK_LOCKED_PIECE_MAX)
        return NULL;
    size_t c = class_of(n), size = (size_t)VK_LOCKED_LEAST << c;
    char *p = pop(l, c);
    if (!p && VK_LOCKED_BLOCK - l->at < size && !grow(l))
        return NULL;
    if (!p) {
        p = l->blocks[l->n_blocks - 1] + l->at;
        l->at += size;
    }
    l->used += size;
    return p;
}

void vk_locked_put(vk_locked *l, char *p, size_t n)
{
    if (!p)
        return;
    size_t c = class_of(n), size = (size_t)VK_LOCKED_LEAST << c;
    vk_wipe(p, size);
    push(l, c, p);
    l->used -= size;
}

bool vk_locked_failed(const vk_locked *l)
{
    return l->failed;
}

size_t vk_locked_used(const vk_locked *l)
{
    return l->used;
}

size_t vk_locked_bytes(const vk_locked *l)
{
    return l->n_blocks * VK_LOCKED_BLOCK;
}

bool vk_locked_has(const vk_locked *l, const void *p)
{
    for (size_t i = 0; i < l->n_blocks; i++)
        if ((const char *)p >= l->blocks[i] && (const char *)p < l->blocks[i] + VK_LOCKED_BLOCK)
            return true;
    return false;
}
