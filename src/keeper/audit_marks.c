#include "keeper/audit_marks.h"

enum { SLOTS_AT_FIRST = 256, MARKS_AT_FIRST = 64 };

/* ---- open intents: linear probing, half full at most */

static size_t home(uint64_t seq, size_t cap)
{
    return (size_t)(seq * 0x9E3779B97F4A7C15U >> 20) & (cap - 1);
}

static void place(uint64_t *slots, size_t cap, uint64_t seq)
{
    size_t i = home(seq, cap);
    while (slots[i])
        i = (i + 1) & (cap - 1);
    slots[i] = seq;
}

vk_err vk_audit_open_add(vk_audit_open *o, uint64_t seq)
{
    if (o->n >= VK_ARD_OPEN) {
        o->full = true;
        return VK_OK;
    }
    if (2 * (o->n + 1) > o->cap) {
        size_t cap = o->cap ? 2 * o->cap : SLOTS_AT_FIRST;
        uint64_t *slots = calloc(cap, sizeof *slots);
        if (!slots)
            return VK_E_NOMEM;
        for (size_t i = 0; i < o->cap; i++)
            if (o->slots[i])
                place(slots, cap, o->slots[i]);
        free(o->slots);
        o->slots = slots;
        o->cap = cap;
    }
    place(o->slots, o->cap, seq);
    o->n++;
    return VK_OK;
}

bool vk_audit_open_take(vk_audit_open *o, uint64_t seq)
{
    size_t mask = o->cap - 1, i = o->cap ? home(seq, o->cap) : 0;
    if (!o->cap || !seq)
        return false;
    while (o->slots[i] && o->slots[i] != seq)
        i = (i + 1) & mask;
    if (!o->slots[i])
        return false;
    /* What lies behind it moves up, so that no search ends at the hole. */
    for (size_t k = (i + 1) & mask; o->slots[k]; k = (k + 1) & mask) {
        size_t h = home(o->slots[k], o->cap);
        if (((k - h) & mask) >= ((k - i) & mask)) {
            o->slots[i] = o->slots[k];
            i = k;
        }
    }
    o->slots[i] = 0;
    o->n--;
    return true;
}

static int by_seq(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

void vk_audit_open_sort(vk_audit_open *o)
{
    size_t n = 0;
    for (size_t i = 0; i < o->cap; i++)
        if (o->slots[i])
            o->slots[n++] = o->slots[i];
    if (n)
        qsort(o->slots, n, sizeof *o->slots, by_seq);
}

void vk_audit_open_free(vk_audit_open *o)
{
    free(o->slots);
    *o = (vk_audit_open){0};
}

/* ---- checkpoints */

static int by_mark(const void *a, const void *b)
{
    const vk_audit_checkpoint *x = a, *y = b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

vk_err vk_audit_marks_read(vk_str text, vk_audit_marks *out_r)
{
    vk_audit_marks m = {0};
    size_t cap = 0;
    while (text.n) {
        vk_str line;
        vk_audit_checkpoint c;
        if (!vk_str_cut(&text, '\n', &line)) {
            line = text;
            text.n = 0;
        }
        line = vk_str_trim(line);
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (vk_audit_checkpoint_parse(line, &c) != VK_OK) {
            m.unread++;
            continue;
        }
        if (m.n == cap) {
            size_t more = cap ? 2 * cap : MARKS_AT_FIRST;
            vk_audit_checkpoint *grown = realloc(m.all, more * sizeof *grown);
            if (!grown) {
                free(m.all);
                return VK_E_NOMEM;
            }
            m.all = grown;
            cap = more;
        }
        m.all[m.n++] = c;
    }
    if (m.n)
        qsort(m.all, m.n, sizeof *m.all, by_mark);
    *out_r = m;
    return VK_OK;
}

const vk_audit_checkpoint *vk_audit_marks_next(vk_audit_marks *m, uint64_t up_to)
{
    return m->at < m->n && m->all[m->at].seq <= up_to ? &m->all[m->at++] : NULL;
}

void vk_audit_marks_free(vk_audit_marks *m)
{
    free(m->all);
    *m = (vk_audit_marks){0};
}
