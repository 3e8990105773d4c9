/* One request to the admin API on its way: loop → metadata lane (→ other threads) → loop. Lives in the
 * exchange's arena. */
#ifndef VK_ADMIN_CALL_H
#define VK_ADMIN_CALL_H

#include "admin/admin.h"
#include "admin/input.h"
#include "admin/making.h"
#include "admin/route.h"
#include "core/json_write.h"

typedef struct vk_call {
    vk_job job; /* first: the metadata lane */
    vk_exchange *ex;
    vk_runtime *rt;
    const vk_route *route;
    vk_str param[VK_ROUTE_PARAMS];
    void (*work)(struct vk_call *c);
    int status; /* what vk_call_finish answers with */
    const char *content_type;
    const vk_service *service; /* whose operator's call it is; NULL: none, then there is a route */
    vk_create create;          /* POST /builds and PUT origins */
    vk_str idem;
    vk_str framework, format;     /* GET env */
    bool settings;                /* GET env: for an app with a settings page */
    vk_str only;                  /* GET env: of that service alone; p NULL: of all */
    vk_build built;               /* POST builds: which, while keeper is asked */
    struct vk_brokered *brokered; /* of a build whose environment is made (admin/brokered.h) */
    vk_making *making;            /* of a build that has something from a vendor that keeper makes */
    void (*making_done)(struct vk_call *c, vk_making *m);
    void *state; /* the call's own, in the exchange's arena */
    struct {
        int fd;
        int64_t size;
        const char *content_type;
    } file;    /* of an export; fd -1 otherwise */
    bool kept; /* of an export: for a backup */
} vk_call;

/* nosniff, no-store and a policy that lets a browser run nothing. `csp` NULL: the one of data. */
void vk_admin_headers(vk_exchange *ex, const char *csp);
/* On the loop: answers {"error":{"code":…,"message":…}}. The text says what to do next and holds no secret.
 * Returns `e`. */
vk_err vk_admin_error(vk_exchange *ex, vk_err e, const char *fmt, ...) VK_PRINTF(3, 4);

/* `work` on the metadata lane; it must end with vk_call_finish or vk_call_fail. Answers 503 when the lane is
 * full. */
void vk_call_on_lane(vk_call *c, void (*work)(vk_call *c));
/* From any thread, the last thing that is done with the call: answers with ex->out on the loop. */
void vk_call_finish(vk_call *c, int status);
void vk_call_fail(vk_call *c, vk_err e, const char *fmt, ...) VK_PRINTF(3, 4);
/* An error of the store that has no better text. */
void vk_call_fail_store(vk_call *c, vk_err e);

/* The stored build of c->param[0]; when it cannot be used, answers and returns false. On the lane. */
VK_MUSTCHECK bool vk_call_build(vk_call *c, vk_build *b);
VK_MUSTCHECK bool vk_call_build_of(vk_call *c, vk_str id, vk_build *b);
/* On the lane: vk_making_run for that build; what is not ready is watched from then on. `done` with m->err
 * VK_OK is on the lane, with an error it must answer and touch no store. False: answered. */
VK_MUSTCHECK bool vk_call_making(vk_call *c, const vk_build *b, vk_making_how how, vk_str only,
                                 void (*done)(vk_call *c, vk_making *m));
/* Whether the service's data of the build is in files here; answers otherwise. On the lane. */
VK_MUSTCHECK bool vk_call_embedded(vk_call *c, const vk_build *b, const char *service);
/* The query's value, or VK_STR_NONE. False: it cannot be decoded; answered. On the loop. */
VK_MUSTCHECK bool vk_call_query(vk_call *c, const char *name, vk_str *out_r);
/* Members of the build, and how it has its services, into an open object. On the lane; what cannot be read is
 * an error of the answer's buffer. */
void vk_admin_build_members(vk_call *c, vk_jw *w, const vk_build *b, int64_t now);

void vk_admin_build_create(vk_call *c);
void vk_admin_build_list(vk_call *c);
void vk_admin_build_show(vk_call *c);
void vk_admin_build_origins(vk_call *c);
void vk_admin_origins_check(vk_call *c);
void vk_admin_build_env(vk_call *c);
void vk_admin_driver_show(vk_call *c);
void vk_admin_driver_set(vk_call *c);
void vk_admin_resources_of(vk_call *c);
void vk_admin_resources_make(vk_call *c);
void vk_admin_resources_list(vk_call *c);
void vk_admin_resources_usage(vk_call *c);
void vk_admin_resources_sweep(vk_call *c);
void vk_admin_keys_list(vk_call *c);
void vk_admin_keys_sealing(vk_call *c);
void vk_admin_keys_marks(vk_call *c);
void vk_admin_keys_put(vk_call *c);
void vk_admin_keys_remove(vk_call *c);
void vk_admin_keys_check(vk_call *c);
void vk_admin_keys_try(vk_call *c);
void vk_admin_keys_rotate(vk_call *c);
void vk_admin_keys_rekey(vk_call *c);
void vk_admin_build_revoke(vk_call *c);
void vk_admin_build_delete(vk_call *c);
void vk_admin_export(vk_call *c);
void vk_admin_schema_log(vk_call *c);
void vk_admin_metadata(vk_call *c);
void vk_admin_snapshot_list(vk_call *c);
void vk_admin_snapshot_take(vk_call *c);
void vk_admin_snapshot_delete(vk_call *c);
void vk_admin_snapshot_restore(vk_call *c);
void vk_admin_snapshot_diff(vk_call *c);
void vk_admin_validate(vk_call *c);
void vk_admin_health(vk_call *c);
void vk_admin_status(vk_call *c);
void vk_admin_metrics(vk_call *c);
void vk_admin_ready(vk_call *c);

#endif
