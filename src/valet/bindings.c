#include "valet/bindings.h"

enum { ARENA = VK_BINDINGS_MAX * (VK_RESOURCE_MAX + 64) + 16384 };

static bool is_embedded(const vk_binding *b)
{
    return strcmp(b->driver, "embedded") == 0;
}

static vk_bindings *copy_of(const vk_binding *all, size_t n)
{
    size_t texts = 0;
    for (size_t i = 0; i < n; i++)
        texts += all[i].resource.n;
    vk_bindings *b = calloc(1, sizeof *b + texts);
    if (!b)
        return NULL;
    char *at = (char *)(b + 1);
    b->n = n;
    b->embedded = true;
    for (size_t i = 0; i < n; i++) {
        b->of[i] = all[i];
        b->of[i].resource.p = at;
        if (all[i].resource.n)
            memcpy(at, all[i].resource.p, all[i].resource.n);
        at += all[i].resource.n;
        b->embedded = b->embedded && is_embedded(&all[i]);
    }
    return b;
}

vk_err vk_bindings_read(vk_store *store, vk_str build, vk_bindings **out_r)
{
    vk_binding all[VK_BINDINGS_MAX];
    size_t n = 0;
    vk_arena *a = vk_arena_new(ARENA);
    vk_err e = a ? store->ops->binding_list(store, a, build, all, VK_COUNT(all), &n) : VK_E_NOMEM;
    if (e == VK_OK && !(*out_r = copy_of(all, n)))
        e = VK_E_NOMEM;
    vk_arena_free(a);
    return e;
}

void vk_bindings_free(vk_bindings *b)
{
    for (vk_bindings *before; b; b = before) {
        before = b->before;
        free(b);
    }
}

bool vk_bindings_same(const vk_bindings *a, const vk_bindings *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->of[i].version != b->of[i].version || strcmp(a->of[i].service, b->of[i].service) != 0 ||
            strcmp(a->of[i].driver, b->of[i].driver) != 0 || !vk_str_eq(a->of[i].resource, b->of[i].resource))
            return false;
    return true;
}

const vk_binding *vk_bindings_of(const vk_bindings *b, vk_str service)
{
    for (size_t i = 0; b && !b->embedded && i < b->n; i++)
        if (vk_str_eqz(service, b->of[i].service))
            return is_embedded(&b->of[i]) ? NULL : &b->of[i];
    return NULL;
}
