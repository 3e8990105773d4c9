/* Who a credential belongs to, in memory: valet rows and builds that were used lately, shared by all loops.
 * The metadata decides; an entry is only kept while nothing has changed, so a revocation counts from the next
 * request on every loop: it is committed first, then taken out here, and only then answered. */
#ifndef VK_REGISTRY_H
#define VK_REGISTRY_H

#include "core/limits.h"
#include "core/list.h"
#include "core/map.h"
#include "core/rate.h"
#include "crypto/digest.h"
#include "valet/bindings.h"

#include <pthread.h>
#include <stdatomic.h>

enum { VK_SERVICES_MAX = 8, VK_REGISTRY_MAX = 131072 };

/* A build at run time. Counted: each exchange that passed verification and each cached row holds a reference.
 */
typedef struct vk_tenant {
    vk_map_node node;
    char id[VK_BUILD_ID_MAX + 1];
    _Atomic uint32_t refs;
    _Atomic bool closed; /* revoked or deleted: no new work */
    _Atomic int64_t expires_ms, touched_ms;
    int64_t ttl_ms;
    uint64_t generation;
    vk_bucket taken;               /* of build_rate */
    _Atomic uint64_t requests;     /* let in, since it came into memory */
    vk_list rows;                  /* the cached rows of this build; under the registry's lock */
    vk_bindings *_Atomic bindings; /* never NULL; what was read lives as long as the tenant is held */
    void *_Atomic service[VK_SERVICES_MAX]; /* each service's own state of this build, by its index */
} vk_tenant;

typedef struct vk_registry {
    pthread_rwlock_t mu;
    vk_map valets, tenants;
    _Atomic uint64_t epoch;              /* moves with every change of a build */
    vk_rate key_rate, build_rate;        /* no limit before vk_registry_limit */
    char key_text[256], build_text[256]; /* what who passes them is told */
    void (*tenant_free)(vk_tenant *t); /* releases the services' state; then the tenant is freed. May hold the
                                        * registry's lock: it must not call the registry */
} vk_registry;

VK_MUSTCHECK vk_err vk_registry_init(vk_registry *r, void (*tenant_free)(vk_tenant *t));
void vk_registry_free(vk_registry *r);
/* Takes key_rate and build_rate; before any other thread uses it. */
void vk_registry_limit(vk_registry *r, const vk_limits *l);

/* The credential with that lookup hash, for `service`. VK_OK: *out_r holds a reference. VK_E_UNAUTHORIZED
 * (unknown), VK_E_FORBIDDEN (another service's or kind's), VK_E_EXPIRED; *why_r is then a sentence for
 * people. `store` is the calling thread's own handle, asked when the row is not cached. With `wait_ms_r` the
 * use is counted against key_rate and build_rate: VK_E_BUSY says that the key is good but used too often, for
 * so many milliseconds. */
VK_MUSTCHECK vk_err vk_registry_verify(vk_registry *r, vk_store *store, const uint8_t hash[VK_HASH],
                                       vk_str service, char kind, int64_t now, int64_t *wait_ms_r,
                                       vk_tenant **out_r, const char **why_r);
/* The build of that id without any key of it, counted against build_rate only. VK_OK: *out_r holds a
 * reference. VK_E_NOT_FOUND: there is none, or it is not active, or has expired. Otherwise as
 * vk_registry_verify. */
VK_MUSTCHECK vk_err vk_registry_open(vk_registry *r, vk_store *store, vk_str build, int64_t now,
                                     int64_t *wait_ms_r, vk_tenant **out_r, const char **why_r);
/* How it has that service now; NULL: embedded. Good for as long as the tenant is held. */
const vk_binding *vk_tenant_binding(const vk_tenant *t, vk_str service);
void vk_tenant_ref(vk_tenant *t);
void vk_tenant_unref(vk_registry *r, vk_tenant *t);

typedef struct vk_busy_build {
    char id[VK_BUILD_ID_MAX + 1];
    uint64_t requests;
} vk_busy_build;
/* The `room` builds in memory with the most requests, most first; how many. Looks at all, a few at a time
 * under the lock, so it may miss one that comes or goes meanwhile. */
size_t vk_registry_busiest(vk_registry *r, vk_busy_build *out, size_t room);
/* Builds in memory. */
size_t vk_registry_size(vk_registry *r);

/* After the metadata changed (a binding, too): forgets the build and its rows. With `close`, the tenant (a
 * reference, or NULL when it was not in use) comes back so that services can end its work. */
void vk_registry_forget(vk_registry *r, vk_str build, bool close, vk_tenant **out_r);

#endif
