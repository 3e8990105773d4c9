#include "keeper/view.h"

enum { ARENA = VK_BINDINGS_MAX * (VK_RESOURCE_MAX + 64) + 16384 };

typedef struct row {
    vk_view_row seen; /* first; the resource is of malloc */
    uint8_t hash[VK_HASH];
    char service[VK_SERVICE_MAX + 1];
    char kind; /* 0: the place is free */
    bool good; /* neither revoked nor of an earlier build */
    int64_t expires_ms;
    vk_watch_mark mark; /* when it was read */
} row;

struct vk_view {
    vk_watch *watch;
    vk_view_counts counts;
    row rows[VK_VIEW_ROWS];
};

vk_err vk_view_new(vk_watch *w, vk_view **out_r)
{
    vk_view *v = calloc(1, sizeof *v);
    if (!v)
        return VK_E_NOMEM;
    v->watch = w;
    *out_r = v;
    return VK_OK;
}

static void forget(row *x)
{
    free((void *)(uintptr_t)x->seen.binding.resource.p);
    *x = (row){.kind = 0};
}

void vk_view_free(vk_view *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < VK_VIEW_ROWS; i++)
        forget(&v->rows[i]);
    vk_watch_close(v->watch);
    free(v);
}

/* The hash is a MAC: its bytes are as good as any hash of it. */
static row *place_of(vk_view *v, const uint8_t hash[VK_HASH])
{
    uint32_t at;
    memcpy(&at, hash, sizeof at);
    return &v->rows[at % VK_VIEW_ROWS];
}

/* ---- reading */

static vk_err keep_binding(row *x, const vk_binding *b)
{
    x->seen.binding = *b;
    char *p = malloc(b->resource.n + 1);
    x->seen.binding.resource = (vk_str){p, b->resource.n};
    if (!p)
        return VK_E_NOMEM;
    if (b->resource.n)
        memcpy(p, b->resource.p, b->resource.n);
    return VK_OK;
}

/* A service that no row is about is not brokered. */
static vk_err read_binding(vk_store *s, row *x)
{
    vk_binding all[VK_BINDINGS_MAX];
    size_t n = 0;
    vk_arena *a = vk_arena_new(ARENA);
    vk_err e = a ? s->ops->binding_list(s, a, vk_str_z(x->seen.build), all, VK_COUNT(all), &n) : VK_E_NOMEM;
    const vk_binding *found = NULL;
    for (size_t i = 0; e == VK_OK && i < n; i++)
        if (strcmp(all[i].service, x->service) == 0)
            found = &all[i];
    if (e == VK_OK)
        e = keep_binding(x, found ? found : &(vk_binding){.driver = "embedded"});
    vk_arena_free(a);
    return e;
}

static vk_err read_row(vk_view *v, const uint8_t hash[VK_HASH], row *x)
{
    vk_valet_row valet;
    vk_build build;
    vk_store *s;
    vk_err e = vk_watch_store(v->watch, &s);
    if (e == VK_OK)
        e = s->ops->valet_find(s, NULL, hash, &valet, &build);
    if (e != VK_OK)
        return e;
    *x = (row){.kind = valet.kind, .expires_ms = build.expires_ms};
    memcpy(x->hash, hash, VK_HASH);
    memcpy(x->service, valet.service, sizeof x->service);
    memcpy(x->seen.build, build.id, sizeof x->seen.build);
    x->seen.generation = build.generation;
    x->good = !valet.revoked_ms && build.state == VK_BUILD_ACTIVE && valet.generation == build.generation;
    e = read_binding(s, x);
    if (e != VK_OK)
        forget(x);
    return e;
}

/* Not kept when something changed while it was read: its parts may be of two moments. */
static vk_err look_up(vk_view *v, const uint8_t hash[VK_HASH], row *x)
{
    enum { TRIES = 8 };
    for (int i = 0; i < TRIES; i++) {
        vk_watch_mark before, after;
        forget(x);
        v->counts.read++;
        vk_watch_look(v->watch, &before);
        vk_err e = read_row(v, hash, x);
        vk_watch_look(v->watch, &after);
        if (!vk_watch_same(&before, &after))
            continue;
        if (e == VK_OK)
            x->mark = before;
        return e;
    }
    forget(x);
    return VK_E_UNAVAILABLE;
}

static bool is_kept(const vk_view *v, const row *x, const uint8_t hash[VK_HASH])
{
    vk_watch_mark now;
    if (!x->kind || memcmp(x->hash, hash, VK_HASH) != 0)
        return false;
    vk_watch_look(v->watch, &now);
    return vk_watch_same(&x->mark, &now);
}

vk_err vk_view_find(vk_view *v, const uint8_t hash[VK_HASH], vk_str service, char kind, int64_t now,
                    const vk_view_row **out_r, const char **why_r)
{
    row *x = place_of(v, hash);
    vk_err e = VK_OK;
    if (is_kept(v, x, hash))
        v->counts.kept++;
    else
        e = look_up(v, hash, x);
    *why_r = "The valet key is unknown or was revoked";
    if (e == VK_E_NOT_FOUND || (e == VK_OK && !x->good))
        return VK_E_UNAUTHORIZED;
    if (e != VK_OK) {
        *why_r = "The metadata cannot be read now";
        return e == VK_E_NOMEM ? e : VK_E_UNAVAILABLE;
    }
    if (x->kind != kind || !vk_str_eqz(service, x->service)) {
        *why_r = "This valet key belongs to another service";
        return VK_E_FORBIDDEN;
    }
    if (x->expires_ms <= now) {
        *why_r = "This valet key has expired";
        return VK_E_EXPIRED;
    }
    if (strcmp(x->seen.binding.driver, "embedded") == 0) {
        *why_r = "This build has the service embedded";
        return VK_E_NOT_FOUND;
    }
    *out_r = &x->seen;
    return VK_OK;
}

void vk_view_noted(const vk_view_row *seen)
{
    ((vk_view_row *)(uintptr_t)seen)->noted = true;
}

static vk_err read_build(vk_view *v, vk_arena *a, vk_str id, vk_str service, vk_view_build *x)
{
    vk_binding all[VK_BINDINGS_MAX];
    size_t n = 0;
    vk_store *s;
    *x = (vk_view_build){.bound = false};
    vk_err e = vk_watch_store(v->watch, &s);
    if (e == VK_OK)
        e = s->ops->build_get(s, a, id, &x->build);
    if (e == VK_OK)
        e = s->ops->binding_list(s, a, id, all, VK_COUNT(all), &n);
    for (size_t i = 0; e == VK_OK && i < n; i++)
        if (vk_str_eqz(service, all[i].service) && strcmp(all[i].driver, "embedded") != 0) {
            x->binding = all[i];
            x->bound = true;
        }
    return e;
}

vk_err vk_view_build_of(vk_view *v, vk_arena *a, vk_str id, vk_str service, vk_view_build *out_r)
{
    enum { TRIES = 8 };
    for (int i = 0; i < TRIES; i++) { /* build and binding of one moment, as in look_up */
        vk_watch_mark before, after;
        v->counts.read++;
        vk_watch_look(v->watch, &before);
        vk_err e = read_build(v, a, id, service, out_r);
        vk_watch_look(v->watch, &after);
        if (vk_watch_same(&before, &after))
            return e == VK_OK || e == VK_E_NOT_FOUND || e == VK_E_NOMEM ? e : VK_E_UNAVAILABLE;
    }
    return VK_E_UNAVAILABLE;
}

void vk_view_count(const vk_view *v, vk_view_counts *out)
{
    *out = v->counts;
}
