#include "valet/registry.h"

struct entry {
    vk_map_node node;
    vk_list of_tenant;
    vk_tenant *tenant;
    vk_bucket taken; /* of key_rate */
    vk_valet_row row;
};

vk_err vk_registry_init(vk_registry *r, void (*tenant_free)(vk_tenant *t))
{
    *r = (vk_registry){.tenant_free = tenant_free};
    vk_map_init(&r->valets);
    vk_map_init(&r->tenants);
    /* By default glibc lets readers pass a waiting writer, and loops that verify all the time would keep a
     * revocation waiting for seconds. */
    pthread_rwlockattr_t attr;
    if (pthread_rwlockattr_init(&attr) != 0)
        return VK_E_NOMEM;
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    int rc = pthread_rwlock_init(&r->mu, &attr);
    pthread_rwlockattr_destroy(&attr);
    return rc == 0 ? VK_OK : VK_E_NOMEM;
}

static void say_limit(char out[256], const char *whose, const char *setting, int64_t rate)
{
    snprintf(
        out, 256,
        "%s makes more than %lld requests a second (limit %s): ask less often, or `valetkey serve --limit "
        "%s=N` allows more",
        whose, (long long)rate, setting, setting);
}

void vk_registry_limit(vk_registry *r, const vk_limits *l)
{
    int64_t key = l->of[VK_LIMIT_KEY_RATE], build = l->of[VK_LIMIT_BUILD_RATE];
    r->key_rate = vk_rate_of(key, l->of[VK_LIMIT_KEY_BURST]);
    r->build_rate = vk_rate_of(build, l->of[VK_LIMIT_BUILD_BURST]);
    say_limit(r->key_text, "This valet key", "key_rate", key);
    say_limit(r->build_text, "This build", "build_rate", build);
}

void vk_tenant_ref(vk_tenant *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

const vk_binding *vk_tenant_binding(const vk_tenant *t, vk_str service)
{
    return vk_bindings_of(atomic_load_explicit(&t->bindings, memory_order_acquire), service);
}

void vk_tenant_unref(vk_registry *r, vk_tenant *t)
{
    if (t && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) {
        r->tenant_free(t);
        vk_bindings_free(atomic_load_explicit(&t->bindings, memory_order_relaxed));
        free(t);
    }
}

/* The hash is a MAC under a secret key already, so its first bytes are as good as any hash of it. */
static uint64_t slot_of(const uint8_t hash[VK_HASH])
{
    uint64_t v;
    memcpy(&v, hash, sizeof v);
    return v;
}

static struct entry *find(const vk_registry *r, const uint8_t hash[VK_HASH])
{
    for (vk_map_node *n = vk_map_find(&r->valets, slot_of(hash)); n; n = vk_map_find_next(n)) {
        struct entry *x = VK_CONTAINER(n, struct entry, node);
        if (vk_str_eq_secret((vk_str){(char *)x->row.hash, VK_HASH}, (vk_str){(const char *)hash, VK_HASH}))
            return x;
    }
    return NULL;
}

static vk_tenant *find_tenant(const vk_registry *r, vk_str id)
{
    for (vk_map_node *n = vk_map_find(&r->tenants, vk_hash_str(id)); n; n = vk_map_find_next(n)) {
        vk_tenant *t = VK_CONTAINER(n, vk_tenant, node);
        if (vk_str_eqz(id, t->id))
            return t;
    }
    return NULL;
}

static void drop_entry(vk_registry *r, struct entry *x)
{
    vk_map_remove(&r->valets, &x->node);
    vk_list_remove(&x->of_tenant);
    vk_tenant_unref(r, x->tenant);
    free(x);
}

static void drop_rows(vk_registry *r, vk_tenant *t)
{
    while (!vk_list_empty(&t->rows))
        drop_entry(r, VK_CONTAINER(t->rows.next, struct entry, of_tenant));
}

/* Takes a tenant out of the map; its last reference may be the map's. */
static void drop_tenant(vk_registry *r, vk_tenant *t)
{
    vk_map_remove(&r->tenants, &t->node);
    vk_tenant_unref(r, t);
}

/* Everything that nobody uses now. Rare: only when the cache is full. */
static void shrink(vk_registry *r)
{
    for (vk_map_node *n = vk_map_walk(&r->valets, NULL), *next; n; n = next) {
        next = vk_map_walk(&r->valets, n);
        drop_entry(r, VK_CONTAINER(n, struct entry, node));
    }
    for (vk_map_node *n = vk_map_walk(&r->tenants, NULL), *next; n; n = next) {
        next = vk_map_walk(&r->tenants, n);
        vk_tenant *t = VK_CONTAINER(n, vk_tenant, node);
        if (atomic_load(&t->refs) == 1)
            drop_tenant(r, t);
    }
}

/* What one of the two refuses is not taken from the other's bucket unless it was taken before, which only
 * makes who asks too often wait a little longer. */
static vk_err charge(const vk_registry *r, struct entry *x, int64_t now, int64_t *wait_ms_r,
                     const char **why_r)
{
    int64_t wait = vk_rate_take(&x->taken, &r->key_rate, now);
    *why_r = r->key_text;
    if (wait == 0) {
        wait = vk_rate_take(&x->tenant->taken, &r->build_rate, now);
        *why_r = r->build_text;
    }
    *wait_ms_r = wait;
    return wait ? VK_E_BUSY : VK_OK;
}

static vk_err check(const vk_registry *r, struct entry *x, vk_str service, char kind, int64_t now,
                    int64_t *wait_ms_r, vk_tenant **out_r, const char **why_r)
{
    if (x->row.revoked_ms || atomic_load_explicit(&x->tenant->closed, memory_order_relaxed)) {
        *why_r = "This valet key was revoked";
        return VK_E_UNAUTHORIZED;
    }
    if (!vk_str_eqz(service, x->row.service) || x->row.kind != kind) {
        *why_r = "This valet key belongs to another service";
        return VK_E_FORBIDDEN;
    }
    if (atomic_load_explicit(&x->tenant->expires_ms, memory_order_relaxed) <= now) {
        *why_r = "This valet key has expired";
        return VK_E_EXPIRED;
    }
    vk_err e = wait_ms_r ? charge(r, x, now, wait_ms_r, why_r) : VK_OK;
    if (e != VK_OK)
        return e;
    vk_tenant_ref(x->tenant);
    *out_r = x->tenant;
    return VK_OK;
}

/* Takes over `fresh`. Who got hold of the tenant before may still read the set before; when nobody but the
 * map and the rows holds it, nobody does. Under the write lock, without which none is got hold of. */
static void bind(vk_tenant *t, vk_bindings *fresh)
{
    vk_bindings *now = atomic_load_explicit(&t->bindings, memory_order_relaxed);
    uint32_t ours = 1;
    if (now && vk_bindings_same(now, fresh)) {
        vk_bindings_free(fresh);
        return;
    }
    for (const vk_list *x = t->rows.next; x != &t->rows; x = x->next)
        ours++;
    fresh->before = now;
    atomic_store_explicit(&t->bindings, fresh, memory_order_release);
    if (now && atomic_load_explicit(&t->refs, memory_order_acquire) == ours) {
        fresh->before = NULL;
        vk_bindings_free(now);
    }
}

/* The tenant of a build as it was just read. One of an earlier build of that name ends here: who still holds
 * it keeps it, but nobody finds it any more. Takes over `fresh`; NULL when out of memory. */
static vk_tenant *tenant_for(vk_registry *r, const vk_build *b, vk_bindings *fresh)
{
    vk_tenant *t = find_tenant(r, vk_str_z(b->id));
    if (t && t->generation == b->generation) {
        bind(t, fresh);
        return t;
    }
    if (t) {
        atomic_store(&t->closed, true);
        drop_rows(r, t);
        drop_tenant(r, t);
    }
    t = calloc(1, sizeof *t);
    if (!t) {
        vk_bindings_free(fresh);
        return NULL;
    }
    memcpy(t->id, b->id, sizeof t->id);
    t->ttl_ms = b->ttl_ms;
    t->generation = b->generation;
    vk_list_init(&t->rows);
    atomic_store(&t->refs, 1);
    atomic_store(&t->expires_ms, b->expires_ms);
    atomic_store(&t->touched_ms, b->touched_ms);
    atomic_store(&t->closed, b->state != VK_BUILD_ACTIVE);
    bind(t, fresh);
    if (vk_map_add(&r->tenants, &t->node, vk_hash(t->id, strlen(t->id))) != VK_OK) {
        vk_bindings_free(fresh);
        free(t);
        return NULL;
    }
    return t;
}

/* Under the write lock. Takes over `fresh`. NULL when out of memory. */
static struct entry *insert(vk_registry *r, const vk_valet_row *row, const vk_build *b, vk_bindings *fresh)
{
    if (r->valets.n >= VK_REGISTRY_MAX)
        shrink(r); /* before any tenant is looked at: it may free them */
    struct entry *x = calloc(1, sizeof *x);
    if (!x)
        vk_bindings_free(fresh);
    vk_tenant *t = x ? tenant_for(r, b, fresh) : NULL;
    if (!t || vk_map_add(&r->valets, &x->node, slot_of(row->hash)) != VK_OK) {
        free(x);
        return NULL;
    }
    x->row = *row;
    x->tenant = t;
    vk_list_push(&t->rows, &x->of_tenant);
    vk_tenant_ref(t);
    return x;
}

vk_err vk_registry_verify(vk_registry *r, vk_store *store, const uint8_t hash[VK_HASH], vk_str service,
                          char kind, int64_t now, int64_t *wait_ms_r, vk_tenant **out_r, const char **why_r)
{
    *why_r = "The valet key is unknown or was revoked";
    pthread_rwlock_rdlock(&r->mu);
    struct entry *x = find(r, hash);
    vk_err e = x ? check(r, x, service, kind, now, wait_ms_r, out_r, why_r) : VK_E_NOT_FOUND;
    pthread_rwlock_unlock(&r->mu);
    if (e != VK_E_NOT_FOUND)
        return e;
    /* A row that was read while something changed may be old: read again. */
    for (int tries = 0; tries < 8; tries++) {
        vk_valet_row row;
        vk_build b;
        uint64_t epoch = atomic_load(&r->epoch);
        e = store->ops->valet_find(store, NULL, hash, &row, &b);
        if (e == VK_E_NOT_FOUND)
            return VK_E_UNAUTHORIZED;
        vk_bindings *fresh = NULL;
        if (e == VK_OK)
            e = vk_bindings_read(store, vk_str_z(b.id), &fresh);
        if (e != VK_OK) {
            *why_r = "The metadata cannot be read now";
            return VK_E_UNAVAILABLE;
        }
        pthread_rwlock_wrlock(&r->mu);
        bool stale = epoch != atomic_load(&r->epoch);
        x = stale ? NULL : find(r, hash);
        if (stale || x) { /* another thread was first */
            vk_bindings_free(fresh);
            fresh = NULL;
        }
        if (!stale) {
            if (!x)
                x = insert(r, &row, &b, fresh);
            e = x ? check(r, x, service, kind, now, wait_ms_r, out_r, why_r) : VK_E_NOMEM;
        }
        pthread_rwlock_unlock(&r->mu);
        if (!stale)
            return e;
    }
    *why_r = "The build is being changed; try again";
    return VK_E_UNAVAILABLE;
}

static vk_err check_open(const vk_registry *r, vk_tenant *t, int64_t now, int64_t *wait_ms_r,
                         vk_tenant **out_r, const char **why_r)
{
    if (atomic_load_explicit(&t->closed, memory_order_relaxed) ||
        atomic_load_explicit(&t->expires_ms, memory_order_relaxed) <= now)
        return VK_E_NOT_FOUND;
    *wait_ms_r = vk_rate_take(&t->taken, &r->build_rate, now);
    if (*wait_ms_r) {
        *why_r = r->build_text;
        return VK_E_BUSY;
    }
    vk_tenant_ref(t);
    *out_r = t;
    return VK_OK;
}

vk_err vk_registry_open(vk_registry *r, vk_store *store, vk_str build, int64_t now, int64_t *wait_ms_r,
                        vk_tenant **out_r, const char **why_r)
{
    *why_r = "There is no such build";
    if (!vk_build_id_ok(build))
        return VK_E_NOT_FOUND;
    pthread_rwlock_rdlock(&r->mu);
    vk_tenant *t = find_tenant(r, build);
    vk_err e = t ? check_open(r, t, now, wait_ms_r, out_r, why_r) : VK_AGAIN;
    pthread_rwlock_unlock(&r->mu);
    if (e != VK_AGAIN)
        return e;
    for (int tries = 0; tries < 8; tries++) { /* as vk_registry_verify */
        vk_build b;
        uint64_t epoch = atomic_load(&r->epoch);
        e = store->ops->build_get(store, NULL, build, &b);
        if (e == VK_E_NOT_FOUND)
            return e;
        if (e == VK_OK && (b.state != VK_BUILD_ACTIVE || b.expires_ms <= now))
            return VK_E_NOT_FOUND; /* not worth a place in memory */
        vk_bindings *fresh = NULL;
        if (e == VK_OK)
            e = vk_bindings_read(store, build, &fresh);
        if (e != VK_OK) {
            *why_r = "The metadata cannot be read now";
            return VK_E_UNAVAILABLE;
        }
        pthread_rwlock_wrlock(&r->mu);
        bool stale = epoch != atomic_load(&r->epoch);
        if (stale) {
            vk_bindings_free(fresh);
        } else {
            if (r->tenants.n >= VK_REGISTRY_MAX)
                shrink(r);
            t = tenant_for(r, &b, fresh);
            e = t ? check_open(r, t, now, wait_ms_r, out_r, why_r) : VK_E_NOMEM;
        }
        pthread_rwlock_unlock(&r->mu);
        if (!stale) {
            if (e == VK_E_NOMEM)
                *why_r = "Out of memory";
            return e;
        }
    }
    *why_r = "The build is being changed; try again";
    return VK_E_UNAVAILABLE;
}

/* Keeps `out` sorted; `t` may have been seen before, when the table grew in between. */
static size_t insert_busy(vk_busy_build *out, size_t n, size_t room, const char *id, uint64_t requests)
{
    if (n == room && out[n - 1].requests >= requests)
        return n;
    for (size_t i = 0; i < n; i++)
        if (strcmp(out[i].id, id) == 0)
            return n;
    size_t at = n < room ? n++ : n - 1;
    for (; at && out[at - 1].requests < requests; at--)
        out[at] = out[at - 1];
    memcpy(out[at].id, id, sizeof out[at].id);
    out[at].requests = requests;
    return n;
}

size_t vk_registry_busiest(vk_registry *r, vk_busy_build *out, size_t room)
{
    enum { AT_ONCE = 256 };
    size_t n = 0, slot = 0;
    for (bool more = room > 0; more;) {
        pthread_rwlock_rdlock(&r->mu);
        size_t slots = vk_map_slots(&r->tenants);
        for (size_t i = 0; i < AT_ONCE && slot < slots; i++, slot++)
            for (vk_map_node *x = vk_map_slot(&r->tenants, slot); x; x = x->next) {
                vk_tenant *t = VK_CONTAINER(x, vk_tenant, node);
                uint64_t requests = atomic_load_explicit(&t->requests, memory_order_relaxed);
                if (requests)
                    n = insert_busy(out, n, room, t->id, requests);
            }
        more = slot < slots;
        pthread_rwlock_unlock(&r->mu);
    }
    return n;
}

size_t vk_registry_size(vk_registry *r)
{
    pthread_rwlock_rdlock(&r->mu);
    size_t n = r->tenants.n;
    pthread_rwlock_unlock(&r->mu);
    return n;
}

void vk_registry_forget(vk_registry *r, vk_str build, bool close, vk_tenant **out_r)
{
    pthread_rwlock_wrlock(&r->mu);
    atomic_fetch_add(&r->epoch, 1);
    vk_tenant *t = find_tenant(r, build);
    if (t) {
        vk_tenant_ref(t);
        if (close)
            atomic_store(&t->closed, true);
        drop_rows(r, t);
        if (close) /* a build of the same name made later is another one */
            drop_tenant(r, t);
    }
    pthread_rwlock_unlock(&r->mu);
    if (out_r)
        *out_r = t;
    else if (t)
        vk_tenant_unref(r, t);
}

void vk_registry_free(vk_registry *r)
{
    shrink(r);
    vk_map_free(&r->valets);
    vk_map_free(&r->tenants);
    pthread_rwlock_destroy(&r->mu);
}
