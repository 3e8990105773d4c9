#include "services/payments/wake.h"

typedef struct vk_pay_wake {
    vk_map_node node;
    int64_t at_ms;
    size_t place; /* in the heap */
    char build[VK_BUILD_ID_MAX + 1];
} vk_pay_wake;

void vk_pay_wakes_init(vk_pay_wakes *w)
{
    *w = (vk_pay_wakes){0};
    vk_map_init(&w->builds);
}

void vk_pay_wakes_free(vk_pay_wakes *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->heap[i]);
    free(w->heap);
    vk_map_free(&w->builds);
    vk_pay_wakes_init(w);
}

static void put(vk_pay_wakes *w, size_t place, vk_pay_wake *x)
{
    w->heap[place] = x;
    x->place = place;
}

static void up(vk_pay_wakes *w, vk_pay_wake *x)
{
    size_t i = x->place;
    for (; i > 0 && w->heap[(i - 1) / 2]->at_ms > x->at_ms; i = (i - 1) / 2)
        put(w, i, w->heap[(i - 1) / 2]);
    put(w, i, x);
}

static void down(vk_pay_wakes *w, vk_pay_wake *x)
{
    size_t i = x->place;
    for (size_t child; (child = 2 * i + 1) < w->n; i = child) {
        if (child + 1 < w->n && w->heap[child + 1]->at_ms < w->heap[child]->at_ms)
            child++;
        if (w->heap[child]->at_ms >= x->at_ms)
            break;
        put(w, i, w->heap[child]);
    }
    put(w, i, x);
}

static vk_pay_wake *find(const vk_pay_wakes *w, const char *build, uint64_t hash)
{
    for (vk_map_node *n = vk_map_find(&w->builds, hash); n; n = vk_map_find_next(n)) {
        vk_pay_wake *x = VK_CONTAINER(n, vk_pay_wake, node);
        if (strcmp(x->build, build) == 0)
            return x;
    }
    return NULL;
}

static vk_err grow(vk_pay_wakes *w)
{
    if (w->n < w->room)
        return VK_OK;
    if (w->n == VK_PAY_WAKES_MAX)
        return VK_E_TOO_LARGE;
    size_t room = w->room ? 2 * w->room : 64;
    vk_pay_wake **heap = realloc(w->heap, room * sizeof(vk_pay_wake *));
    if (!heap)
        return VK_E_NOMEM;
    w->heap = heap;
    w->room = room;
    return VK_OK;
}

vk_err vk_pay_wakes_set(vk_pay_wakes *w, const char *build, int64_t at_ms)
{
    uint64_t hash = vk_hash_str(vk_str_z(build));
    vk_pay_wake *x = find(w, build, hash);
    if (x) {
        if (at_ms < x->at_ms) {
            x->at_ms = at_ms;
            up(w, x);
        }
        return VK_OK;
    }
    vk_err e = grow(w);
    if (e != VK_OK)
        return e;
    x = calloc(1, sizeof *x);
    if (!x)
        return VK_E_NOMEM;
    snprintf(x->build, sizeof x->build, "%s", build);
    x->at_ms = at_ms;
    if ((e = vk_map_add(&w->builds, &x->node, hash)) != VK_OK) {
        free(x);
        return e;
    }
    put(w, w->n++, x);
    up(w, x);
    return VK_OK;
}

bool vk_pay_wakes_take(vk_pay_wakes *w, int64_t now_ms, char build_r[VK_BUILD_ID_MAX + 1])
{
    if (w->n == 0 || w->heap[0]->at_ms > now_ms)
        return false;
    vk_pay_wake *x = w->heap[0], *last = w->heap[--w->n];
    if (w->n) {
        put(w, 0, last);
        down(w, last);
    }
    vk_map_remove(&w->builds, &x->node);
    memcpy(build_r, x->build, sizeof x->build);
    free(x);
    return true;
}

int64_t vk_pay_wakes_first(const vk_pay_wakes *w)
{
    return w->n ? w->heap[0]->at_ms : INT64_MAX;
}
