/* Bodies of the admin API, checked in full before anything is done. Strict: an unknown member is an error
 * that names it. */
#ifndef VK_ADMIN_INPUT_H
#define VK_ADMIN_INPUT_H

#include "admin/drivers.h"
#include "core/arena.h"
#include "crypto/digest.h"
#include "handoff/framework.h"
#include "store/store.h"

enum { VK_IDEM_MAX = 255 };

/* What POST /builds may say. An absent member has no opinion: defaults for a new build, no conflict with an
 * old one. */
typedef struct vk_create {
    vk_str id;                     /* p NULL: make one */
    const vk_framework *framework; /* NULL: absent */
    int64_t ttl_ms;                /* 0: absent */
    bool has_origins;
    size_t n_origins;
    vk_str origins[VK_ORIGINS_MAX]; /* normalised, sorted, each once */
    size_t n_drivers;
    vk_binding drivers[VK_SERVICES_MAX]; /* in the order of the services, each once */
} vk_create;

/* What PUT …/services/<service>/driver says. */
typedef struct vk_rebind {
    vk_binding binding;
    vk_str sealed; /* secret values of it, sealed to keeper (keeper/org.h); p NULL: none */
} vk_rebind;

/* VK_E_INVALID: *why_r (in `a` or static) is a sentence that names the member and what it may be. An empty
 * body is {}. Pure. */
VK_MUSTCHECK vk_err vk_create_parse(vk_arena *a, vk_str body, vk_create *out_r, const char **why_r);
/* {"origins":[…]} */
VK_MUSTCHECK vk_err vk_origins_parse(vk_arena *a, vk_str body, vk_create *out_r, const char **why_r);
/* {"driver":"…","resource":{…},"sealed":"…"}; the last two may be absent. */
VK_MUSTCHECK vk_err vk_rebind_parse(vk_arena *a, const vk_service *s, vk_str body, vk_rebind *out_r,
                                    const char **why_r);
/* {"service":"database"}, which may be absent. */
VK_MUSTCHECK vk_err vk_provide_parse(vk_arena *a, vk_str body, vk_str *service_r, const char **why_r);
/* {"vendor":"turso","delete":["name",…]}; the second may be absent: at most VK_SWEEP_NAMES, texts of at most
 * VK_SWEEP_NAME bytes. */
typedef struct vk_sweep {
    vk_str vendor;
    const vk_json *names; /* the first; NULL: none */
} vk_sweep;
enum { VK_SWEEP_NAMES = 100, VK_SWEEP_NAME = 128, VK_SWEEP_BODY = VK_SWEEP_NAMES * (VK_SWEEP_NAME + 8) };
VK_MUSTCHECK vk_err vk_sweep_parse(vk_arena *a, vk_str body, vk_sweep *out_r, const char **why_r);
/* {"salt":"<32 hex digits>"} */
VK_MUSTCHECK vk_err vk_salt_parse(vk_arena *a, vk_str body, vk_str *salt_r, const char **why_r);
/* {"sealed":"…"} */
VK_MUSTCHECK vk_err vk_sealed_parse(vk_arena *a, vk_str body, vk_str *sealed_r, const char **why_r);
/* {"name":"…","automatic":true}; both may be absent. The service judges the name. */
VK_MUSTCHECK vk_err vk_snapshot_parse(vk_arena *a, vk_str body, vk_str *name_r, bool *automatic_r,
                                      const char **why_r);
/* The same request gives the same digest, however its JSON was written. */
void vk_create_digest(const vk_create *c, uint8_t out[VK_SHA256]);
/* True when nothing in `c` contradicts the build and its bindings. */
bool vk_create_fits(const vk_create *c, const vk_build *b, const vk_binding *bindings, size_t n);
/* 1–255 visible ASCII characters. */
bool vk_idem_ok(vk_str key);

#endif
