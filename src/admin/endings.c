/* Revoking and deleting a build. */
#include "admin/call.h"
#include "admin/lifecycle.h"
#include "admin/making.h"
#include "admin/parting.h"
#include "core/clock.h"
#include "core/log.h"

struct ending_call {
    vk_ending ending;   /* first */
    vk_parting parting; /* of a deletion: what keeper has of the build */
    bool may_have;      /* it may have something at a vendor, so keeper must say yes */
    vk_keeper_ask ask;  /* of a revocation */
    char body[200];
    vk_call *call;
    uint64_t generation;
    vk_job job; /* on the lane for files */
    char folder[VK_DELETED_FOLDER];
};

static struct ending_call *begin(vk_call *c, const vk_build *b, void (*done)(vk_ending *e))
{
    struct ending_call *x = VK_NEW(c->ex->arena, struct ending_call);
    if (!x) {
        vk_call_fail(c, VK_E_NOMEM, "Out of memory; try again in a second");
        return NULL;
    }
    x->call = c;
    x->generation = b->generation;
    x->ending.rt = c->rt;
    x->ending.done = done;
    memcpy(x->ending.build, b->id, sizeof x->ending.build);
    return x;
}

/* Whether keeper may have something of it at a vendor. */
static vk_err look_what(vk_call *c, const vk_build *b, bool *may_have_r)
{
    vk_binding all[VK_BINDINGS_MAX];
    vk_store *s = c->rt->store;
    size_t n = 0;
    vk_err e = s->ops->binding_list(s, c->ex->arena, vk_str_z(b->id), all, VK_COUNT(all), &n);
    *may_have_r = false;
    for (size_t i = 0; e == VK_OK && i < n; i++)
        *may_have_r |= vk_driver_may_have(&all[i]);
    return e;
}

/* ---- revoke */

static void suspended(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    struct ending_call *x = VK_CONTAINER(a, struct ending_call, ask);
    if (e != VK_OK || (r->status != 200 && r->status != 202 && r->status != 404))
        vk_log(VK_WARN, "keeper was not told of a revocation; it finds it in the metadata by itself",
               VK_F(build, x->ending.build));
    vk_call_finish(x->call, 200);
}

/* What a vendor's own credentials open that were given to the app (delivery=direct). */
static void revoked(vk_ending *e)
{
    struct ending_call *x = VK_CONTAINER(e, struct ending_call, ending);
    if (!x->may_have) {
        vk_call_finish(x->call, 200);
        return;
    }
    snprintf(x->body, sizeof x->body,
             "{\"build\":\"%s\",\"service\":\"\",\"generation\":%llu,\"actor\":\"admin\"}", x->ending.build,
             (unsigned long long)x->generation);
    x->ask = (vk_keeper_ask){.rt = x->call->rt,
                             .method = VK_STR("POST"),
                             .target = VK_STR("/v1/resources/suspend"),
                             .body = vk_str_z(x->body),
                             .done = suspended};
    vk_keeper_ask_send(&x->ask);
}

static void revoke_work(vk_call *c)
{
    vk_store *s = c->rt->store;
    vk_build b;
    if (!vk_call_build(c, &b))
        return;
    struct ending_call *x = begin(c, &b, revoked);
    if (!x)
        return;
    vk_err e = look_what(c, &b, &x->may_have);
    if (e == VK_OK)
        e = s->ops->build_revoke(s, c->param[0], vk_clock_wall_ms());
    if (e == VK_OK)
        e = s->ops->build_get(s, c->ex->arena, c->param[0], &b);
    if (e != VK_OK) {
        vk_call_fail_store(c, e);
        return;
    }
    vk_jw w = vk_jw_on(&c->ex->out);
    vk_jw_obj(&w);
    vk_admin_build_members(c, &w, &b, vk_clock_wall_ms());
    vk_jw_obj_end(&w);
    vk_log(VK_INFO, "build revoked", VK_F(build, b.id));
    vk_ending_run(&x->ending);
}

void vk_admin_build_revoke(vk_call *c)
{
    vk_call_on_lane(c, revoke_work);
}

/* ---- delete */

static void gone(struct ending_call *x)
{
    vk_log(VK_INFO, "build deleted", VK_F(build, x->ending.build));
    vk_call_finish(x->call, 204);
}

/* However many files it has, nothing waits for this but its own answer. */
static void remove_folder(vk_job *j)
{
    struct ending_call *x = VK_CONTAINER(j, struct ending_call, job);
    vk_call *c = x->call;
    vk_err e = vk_deletion_remove(c->rt->data_fd, x->folder);
    if (e == VK_OK) {
        gone(x);
        return;
    }
    vk_log(VK_ERROR, "the data of a deleted build could not be removed", VK_F(build, x->ending.build),
           VK_F(folder, x->folder), VK_F(error, vk_err_name(e)));
    vk_call_fail(
        c, VK_E_IO,
        "The build \"%s\" is gone, but not all of its data could be removed; what is left is in %s of the "
        "data folder, and goes when valetkey is started again",
        x->ending.build, x->folder);
}

static void take_work(vk_call *c)
{
    struct ending_call *x = c->ex->principal;
    vk_err e =
        vk_deletion_take(c->rt->store, c->rt->data_fd, vk_str_z(x->ending.build), x->generation, x->folder);
    if (e != VK_OK) {
        vk_log(VK_ERROR, "the data of a build could not be removed", VK_F(build, x->ending.build),
               VK_F(error, vk_err_name(e)));
        vk_call_fail(
            c, e == VK_E_FULL ? e : VK_E_IO,
            "The build \"%s\" is closed for good, but its data could not be removed yet; DELETE it again, or "
            "restart valetkey, which finishes it",
            x->ending.build);
        return;
    }
    x->job.run = remove_folder;
    if (!x->folder[0]) {
        gone(x);
    } else if (vk_lane_add(c->rt->files, &x->job) != VK_OK) {
        remove_folder(&x->job);
    }
}

/* Without keeper a build that never had anything at a vendor goes all the same. */
static void parted(vk_parting *p, vk_err e)
{
    struct ending_call *x = VK_CONTAINER(p, struct ending_call, parting);
    if (e == VK_OK || !x->may_have) {
        vk_call_on_lane(x->call, take_work);
        return;
    }
    vk_making_watch(x->ending.build, x->generation); /* it ends, whether it is asked for again or not */
    vk_call_fail(
        x->call, VK_E_UNAVAILABLE,
        "The build \"%s\" is closed for good, but the process that holds the keys (keeper) has to end "
        "what the build has at vendors first, and is away or cannot take that on now. DELETE it again "
        "in a second; otherwise valetkey finishes it by itself",
        x->ending.build);
}

static void closed(vk_ending *e)
{
    struct ending_call *x = VK_CONTAINER(e, struct ending_call, ending);
    x->parting = (vk_parting){
        .rt = x->call->rt, .arena = x->call->ex->arena, .generation = x->generation, .done = parted};
    memcpy(x->parting.build, x->ending.build, sizeof x->parting.build);
    vk_parting_run(&x->parting);
}

static void delete_work(vk_call *c)
{
    vk_store *s = c->rt->store;
    vk_build b;
    vk_err e =
        vk_build_id_ok(c->param[0]) ? s->ops->build_get(s, c->ex->arena, c->param[0], &b) : VK_E_NOT_FOUND;
    if (e == VK_E_NOT_FOUND) { /* deleting what is not there has the wanted effect */
        vk_call_finish(c, 204);
        return;
    }
    struct ending_call *x = e == VK_OK ? begin(c, &b, closed) : NULL;
    if (e == VK_OK && !x)
        return;
    if (e == VK_OK)
        e = look_what(c, &b, &x->may_have);
    if (e == VK_OK && b.state != VK_BUILD_DELETING)
        e = s->ops->build_deleting(s, c->param[0], vk_clock_wall_ms());
    if (e != VK_OK) {
        vk_call_fail_store(c, e);
        return;
    }
    c->ex->principal = x;
    vk_ending_run(&x->ending);
}

void vk_admin_build_delete(vk_call *c)
{
    vk_call_on_lane(c, delete_work);
}
