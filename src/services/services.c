/* The registered services, and how any of them finds out whose key it was shown. */
#include "valetkey/service.h"

#include "core/clock.h"

#include <stdarg.h>

enum { TOUCH_EVERY_MS = 24 * 3600 * 1000, UNAVAILABLE_RETRY_S = 2 };

extern const vk_service *const __start_vk_registered[], *const __stop_vk_registered[];

size_t vk_services(const vk_service *out[VK_SERVICES_MAX])
{
    size_t n = 0;
    for (const vk_service *const *s = __start_vk_registered; s != __stop_vk_registered && n < VK_SERVICES_MAX;
         s++) {
        size_t at = n++;
        for (; at && out[at - 1]->port_offset > (*s)->port_offset; at--)
            out[at] = out[at - 1];
        out[at] = *s;
    }
    return n;
}

vk_err vk_services_registered(char *why, size_t room)
{
    return vk_services_check(__start_vk_registered, (size_t)(__stop_vk_registered - __start_vk_registered),
                             why, room);
}

int vk_service_index(vk_str name)
{
    const vk_service *all[VK_SERVICES_MAX];
    size_t n = vk_services(all);
    for (size_t i = 0; i < n; i++)
        if (vk_str_eqz(name, all[i]->name))
            return (int)i;
    return -1;
}

/* ---------------------------------------------------------------------------------------------- sliding
 * expiry */

struct touch {
    vk_job job; /* first */
    vk_runtime *rt;
    int64_t now;
    char build[VK_BUILD_ID_MAX + 1];
};

static void write_touch(vk_job *j)
{
    struct touch *t = VK_CONTAINER(j, struct touch, job);
    vk_store *s = t->rt->store;
    vk_err e = s->ops->build_touch(s, vk_str_z(t->build), t->now);
    VK_UNUSED(e); /* the store has logged it; the next use after a restart tries again */
    free(t);
}

/* A use moves the build's expiry to now + TTL, at most once a day. */
static void count_use(vk_runtime *rt, vk_tenant *tenant, int64_t now)
{
    int64_t last = atomic_load_explicit(&tenant->touched_ms, memory_order_relaxed);
    int64_t every = tenant->ttl_ms / 2 < TOUCH_EVERY_MS ? tenant->ttl_ms / 2 : TOUCH_EVERY_MS;
    if (now - last < every || !atomic_compare_exchange_strong(&tenant->touched_ms, &last, now))
        return;
    struct touch *t = malloc(sizeof *t);
    if (!t) {
        atomic_store(&tenant->touched_ms, last);
        return;
    }
    *t = (struct touch){.job.run = write_touch, .rt = rt, .now = now};
    memcpy(t->build, tenant->id, sizeof t->build);
    if (vk_lane_add(rt->meta, &t->job) != VK_OK) { /* the next use tries again */
        atomic_store(&tenant->touched_ms, last);
        free(t);
        return;
    }
    atomic_store(&tenant->expires_ms, now + tenant->ttl_ms);
}

/* ------------------------------------------------------------------------------------------------
 * verification */

struct hold {
    vk_registry *registry;
    vk_tenant *tenant;
    uint8_t hash[VK_HASH]; /* of the key, if there was one */
};

static void let_go(void *arg)
{
    struct hold *h = arg;
    vk_tenant_unref(h->registry, h->tenant);
}

static const vk_valet_kind *kind_of(const vk_service *s, char kind)
{
    const vk_valet_kind *k = s->kinds;
    while (k->kind && k->kind != kind)
        k++;
    return k->kind ? k : NULL;
}

/* Where this worker remembers such a token; NULL when out of memory. It may hold another one now. */
static vk_memo *memo_at(vk_worker *w, uint64_t slot)
{
    if (!w->memos)
        w->memos = calloc(VK_MEMOS, sizeof *w->memos);
    return w->memos ? &w->memos[slot % VK_MEMOS] : NULL;
}

/* The lookup hash of a token of that kind; false when it has another shape. *memo_r: where the token is
 * remembered now; NULL when out of memory. */
static bool hash_of(vk_worker *w, const vk_valet_kind *k, vk_secret secret, uint8_t hash[VK_HASH],
                    vk_memo **memo_r)
{
    vk_str token = vk_secret_bytes(secret);
    uint64_t slot = vk_hash_str(token);
    vk_memo *m = memo_at(w, slot);
    *memo_r = m;
    if (m && m->n && m->slot == slot && m->kind == k->kind &&
        vk_str_eq_secret((vk_str){m->token, m->n}, token)) {
        memcpy(hash, m->hash, VK_HASH);
        return true;
    }
    if (!vk_valet_shape_ok(secret, k))
        return false;
    vk_valet_hash(w->lookup, secret, hash);
    if (m) {
        *m = (vk_memo){.slot = slot, .n = (uint32_t)token.n, .kind = k->kind};
        memcpy(m->token, token.p, token.n);
        memcpy(m->hash, hash, VK_HASH);
    }
    return true;
}

void vk_service_forget(vk_worker *w)
{
    if (w->memos)
        vk_wipe(w->memos, VK_MEMOS * sizeof *w->memos);
    free(w->memos);
    w->memos = NULL;
}

static const vk_driver *driver_of(const vk_service *s, const vk_binding *b)
{
    for (const vk_driver *const *d = b ? s->drivers : NULL; d && *d; d++)
        if (strcmp((*d)->name, b->driver) == 0)
            return *d;
    return NULL;
}

bool vk_binding_direct(const vk_binding *b)
{
    return vk_str_eqz(vk_binding_value(b, "delivery"), "direct");
}

/* A build whose service is a vendor's is never served from our own files instead: not when this program knows
 * nothing of that vendor, and not while what it has there is still being made. Lets go of the tenant
 * otherwise. */
static vk_err driver_known(vk_worker *w, vk_tenant *t, const char **why_r)
{
    const vk_binding *b = vk_tenant_binding(t, vk_str_z(w->service->name));
    const vk_driver *d = driver_of(w->service, b);
    vk_err e = VK_OK;
    if (VK_LIKELY(!b))
        return VK_OK;
    if (!d) {
        *why_r = "This build has the service from a vendor that this valetkey does not know";
        e = VK_E_UNAVAILABLE;
    } else if (d->only_direct) {
        *why_r =
            "This build reaches the service at the vendor itself, with the vendor's own credential, which "
            "`valetkey env` prints; nothing of it goes through valetkey";
        e = VK_E_FORBIDDEN;
    } else if (d->refused && d->refused(b)) {
        *why_r = "What this build has at the vendor is not ready yet; try again in a moment";
        e = VK_E_UNAVAILABLE;
    }
    if (e != VK_OK)
        vk_tenant_unref(&w->rt->registry, t);
    return e;
}

const vk_driver *vk_service_driver_of(const vk_worker *w, const vk_tenant *t, const vk_binding **binding_r)
{
    const vk_binding *b = vk_tenant_binding(t, vk_str_z(w->service->name));
    if (binding_r)
        *binding_r = b;
    return driver_of(w->service, b);
}

const vk_driver *vk_service_driver(const vk_exchange *ex, const vk_binding **binding_r)
{
    return vk_service_driver_of(ex->server->ctx, ex->principal, binding_r);
}

const uint8_t *vk_service_hash_of(const vk_exchange *ex)
{
    return ex->key;
}

/* The tenant of a lookup hash, counted. With `wait_ms_r` the key is used, not only looked at. */
static vk_err tenant_of(vk_worker *w, const uint8_t hash[VK_HASH], char kind, int64_t *wait_ms_r,
                        vk_tenant **out_r, const char **why_r)
{
    int64_t now = vk_clock_wall_ms();
    vk_err e = vk_registry_verify(&w->rt->registry, w->reader, hash, vk_str_z(w->service->name), kind, now,
                                  wait_ms_r, out_r, why_r);
    if (e == VK_OK)
        e = driver_known(w, *out_r, why_r);
    if (e == VK_OK && wait_ms_r)
        count_use(w->rt, *out_r, now);
    return e;
}

vk_err vk_service_hold(vk_worker *w, vk_secret token, char kind, vk_held_key *out_r, int64_t *wait_ms_r,
                       const char **why_r)
{
    const vk_valet_kind *k = kind_of(w->service, kind);
    vk_memo *memo;
    if (!k || !hash_of(w, k, token, out_r->hash, &memo)) {
        *why_r = "This is not a valet key of this service, or a part of it is missing";
        return VK_E_UNAUTHORIZED;
    }
    out_r->kind = kind;
    return tenant_of(w, out_r->hash, kind, wait_ms_r, &out_r->tenant, why_r);
}

vk_err vk_service_recheck(vk_worker *w, const vk_held_key *k, bool used, const char **why_r)
{
    vk_tenant *t;
    int64_t wait;
    vk_err e = tenant_of(w, k->hash, k->kind, used ? &wait : NULL, &t, why_r);
    if (e != VK_OK)
        return e;
    bool same = t == k->tenant;
    vk_tenant_unref(&w->rt->registry, t);
    *why_r = "This valet key was revoked";
    return same ? VK_OK : VK_E_UNAUTHORIZED;
}

void vk_service_let_go(vk_worker *w, vk_held_key *k)
{
    vk_tenant_unref(&w->rt->registry, k->tenant);
    vk_wipe(k, sizeof *k);
}

static vk_err refuse_key(vk_exchange *ex, vk_worker *w, vk_err e, int64_t wait_ms, const char *why)
{
    vk_count(e == VK_E_BUSY ? &w->keys_limited : &w->keys_refused, 1);
    if (e == VK_E_BUSY)
        ex->retry_s = vk_rate_seconds(wait_ms);
    else if (e == VK_E_UNAVAILABLE)
        ex->retry_s = ex->retry_s ? ex->retry_s : UNAVAILABLE_RETRY_S;
    else if ((e == VK_E_UNAUTHORIZED || e == VK_E_EXPIRED || e == VK_E_FORBIDDEN) &&
             vk_exchange_bad_key(ex) != VK_OK)
        return VK_E_BUSY;
    return vk_fail(ex, e, "%s", why);
}

/* The exchange lets go of the reference at its end; at once when that cannot be. `hash` NULL: no key was
 * shown. */
static vk_err hold_for(vk_exchange *ex, vk_worker *w, vk_tenant *t, const uint8_t hash[VK_HASH])
{
    struct hold *h = vk_arena_alloc(ex->arena, sizeof *h);
    vk_err e = VK_E_NOMEM;
    ex->key = NULL;
    if (h) {
        h->registry = &w->rt->registry;
        h->tenant = t;
        if (hash) {
            memcpy(h->hash, hash, VK_HASH);
            ex->key = h->hash;
        }
        e = vk_arena_cleanup(ex->arena, let_go, h);
    }
    if (e != VK_OK)
        vk_tenant_unref(&w->rt->registry, t);
    return e;
}

static void let_in(vk_exchange *ex, vk_tenant *t)
{
    atomic_fetch_add_explicit(&t->requests, 1, memory_order_relaxed);
    ex->principal = t;
    ex->about = t->id;
}

vk_err vk_service_verify(vk_exchange *ex, vk_secret token, char kind)
{
    vk_worker *w = ex->server->ctx;
    const char *why;
    vk_held_key key;
    int64_t wait = 0;
    vk_err e = vk_service_hold(w, token, kind, &key, &wait, &why);
    if (e != VK_OK)
        return refuse_key(ex, w, e, wait, why);
    vk_count(&w->keys_taken, 1);
    e = hold_for(ex, w, key.tenant, key.hash);
    if (e != VK_OK)
        return vk_fail(ex, e, "Out of memory");
    let_in(ex, key.tenant);
    return VK_OK;
}

/* ----------------------------------------------------------------------------------------------- keys that
 * are signed with */

static void secret_of(vk_worker *w, const vk_valet_kind *k, vk_memo *m, vk_signing_key *out)
{
    if (m && m->secret_kind == k->kind && m->generation == out->generation) {
        memcpy(out->secret, m->secret, sizeof out->secret);
    } else {
        vk_valet_derive(w->rt->master, k, vk_str_z(out->tenant->id), vk_str_z(w->service->name),
                        out->generation, out->secret);
        if (m) {
            memcpy(m->secret, out->secret, sizeof m->secret);
            m->generation = out->generation;
            m->secret_kind = k->kind;
        }
    }
    out->n = strlen(out->secret);
}

void vk_service_signer(vk_exchange *ex, vk_str id, char id_kind, char secret_kind, vk_signing_key *out_r)
{
    vk_worker *w = ex->server->ctx;
    const vk_valet_kind *k = kind_of(w->service, id_kind), *s = kind_of(w->service, secret_kind);
    vk_memo *memo = NULL;
    vk_tenant *t = NULL;
    *out_r = (vk_signing_key){.state = VK_E_UNAUTHORIZED, .id_kind = id_kind};
    if (!k || !s || !hash_of(w, k, vk_secret_of(id), out_r->hash, &memo)) {
        out_r->why = "This is not the id of a valet key of this service, or a part of it is missing";
        return;
    }
    vk_err e = tenant_of(w, out_r->hash, id_kind, NULL, &t, &out_r->why);
    if (e == VK_OK) {
        e = hold_for(ex, w, t, out_r->hash);
        out_r->why = "Out of memory";
    }
    out_r->state = e;
    if (e != VK_OK)
        return;
    out_r->why = NULL;
    out_r->tenant = t;
    out_r->generation = t->generation;
    secret_of(w, s, memo, out_r);
}

vk_err vk_service_signed(vk_exchange *ex, const vk_signing_key *k)
{
    vk_worker *w = ex->server->ctx;
    const char *why;
    vk_tenant *t;
    int64_t wait = 0;
    if (k->state != VK_OK)
        return vk_service_missigned(ex, k->state, k->why);
    vk_err e = tenant_of(w, k->hash, k->id_kind, &wait, &t, &why);
    if (e != VK_OK)
        return refuse_key(ex, w, e, wait, why);
    bool same = t->generation == k->generation && t == k->tenant;
    vk_tenant_unref(&w->rt->registry, t);
    if (!same)
        return refuse_key(ex, w, VK_E_UNAUTHORIZED, 0, "This valet key was revoked");
    vk_count(&w->keys_taken, 1);
    let_in(ex, k->tenant);
    return VK_OK;
}

vk_err vk_service_missigned(vk_exchange *ex, vk_err e, const char *why)
{
    return refuse_key(ex, ex->server->ctx, e == VK_OK ? VK_E_INTERNAL : e, 0, why);
}

vk_err vk_service_open(vk_exchange *ex, vk_str build)
{
    vk_worker *w = ex->server->ctx;
    const char *why;
    vk_tenant *t;
    int64_t wait = 0;
    vk_err e = vk_registry_open(&w->rt->registry, w->reader, build, vk_clock_wall_ms(), &wait, &t, &why);
    if (e == VK_OK)
        e = driver_known(w, t, &why);
    if (e == VK_OK) {
        e = hold_for(ex, w, t, NULL);
        why = "Out of memory";
    }
    if (e != VK_OK) {
        if (e == VK_E_BUSY)
            ex->retry_s = vk_rate_seconds(wait);
        else if (e == VK_E_UNAVAILABLE)
            ex->retry_s = UNAVAILABLE_RETRY_S;
        return vk_fail(ex, e, "%s", why);
    }
    let_in(ex, t);
    return VK_OK;
}

/* ---- the operator */

vk_err vk_service_refuse(vk_exchange *ex, vk_err e, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if ((e == VK_E_BUSY || e == VK_E_UNAVAILABLE) && !ex->retry_s)
        ex->retry_s = 1;
    ex->server->handler->refuse(ex, vk_err_status(e), e, text);
    return e;
}

vk_err vk_service_here(vk_store *store, vk_arena *a, const char *service, vk_str build, const char **why_r)
{
    size_t n = 0;
    vk_binding *all = vk_arena_calloc(a, VK_BINDINGS_MAX * sizeof *all);
    vk_err e = all ? store->ops->binding_list(store, a, build, all, VK_BINDINGS_MAX, &n) : VK_E_NOMEM;
    *why_r = e == VK_E_NOMEM ? "Out of memory; try again in a second"
                             : "How the build has the service cannot be read now; try again";
    if (e != VK_OK)
        return e == VK_E_NOMEM ? e : VK_E_UNAVAILABLE;
    for (size_t i = 0; i < n; i++) {
        const char *d = all[i].driver;
        if (strcmp(all[i].service, service) != 0 || strcmp(d, "embedded") == 0)
            continue;
        vk_str said = vk_arena_printf(
            a,
            "The %s service of \"" VK_STR_FMT
            "\" is at %c%s: its data is there and not in files here. What the "
            "build had here before is there again after `valetkey build use " VK_STR_FMT " %s embedded`",
            service, VK_STR_ARG(build), d[0] >= 'a' && d[0] <= 'z' ? d[0] - 'a' + 'A' : d[0], d + 1,
            VK_STR_ARG(build), service);
        if (said.p)
            *why_r = said.p;
        return said.p ? VK_E_CONFLICT : VK_E_NOMEM;
    }
    return VK_OK;
}

vk_err vk_service_embedded(vk_exchange *ex, const char *service, const char *build)
{
    const vk_worker *w = ex->server->ctx;
    const char *why;
    vk_err e = vk_service_here(w->reader, ex->arena, service, vk_str_z(build), &why);
    return e == VK_OK ? e : vk_service_refuse(ex, e, "%s.", why);
}

vk_err vk_service_build(vk_exchange *ex, const char *build, vk_build *out_r)
{
    const vk_worker *w = ex->server->ctx;
    vk_err e = w->reader->ops->build_get(w->reader, ex->arena, vk_str_z(build), out_r);
    if (e == VK_E_NOT_FOUND)
        return vk_service_refuse(ex, e, "There is no build \"%s\".", build);
    if (e != VK_OK)
        return vk_service_refuse(ex, VK_E_UNAVAILABLE, "The metadata cannot be read now; try again.");
    if (out_r->state == VK_BUILD_DELETING)
        return vk_service_refuse(ex, VK_E_CONFLICT, "The build \"%s\" is being deleted.", build);
    return VK_OK;
}
