/* Revoking and deleting a build. */
#include "admin/keys.h"
#include "admin/lifecycle.h"
#include "core/clock.h"
#include "core/log.h"

struct ending_call {
    vk_ending ending;  /* first */
    vk_keeper_ask ask; /* of a deletion: what the build has of its own in the vault */
    vk_json *own;      /* of these, those that are still there */
    char body[128], target[64];
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

static vk_call *call_of(vk_ending *e)
{
    return VK_CONTAINER(e, struct ending_call, ending)->call;
}

/* ---- revoke */

static void revoked(vk_ending *e)
{
    vk_call_finish(call_of(e), 200);
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
    vk_err e = s->ops->build_revoke(s, c->param[0], vk_clock_wall_ms());
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

/* What it had of its own at vendors. A later build of this id is never served with that (bindings.c), so a
 * deletion is one even when keeper is away. */
static void drop_next(struct ending_call *x);

static void own_dropped(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    struct ending_call *x = VK_CONTAINER(a, struct ending_call, ask);
    if (e != VK_OK || (r->status != 200 && r->status != 404))
        vk_log(VK_WARN, "keys of a deleted build are still in the vault", VK_F(build, x->ending.build));
    x->own = x->own->next;
    drop_next(x);
}

static void drop_next(struct ending_call *x)
{
    vk_call *c = x->call;
    if (!x->own) {
        vk_log(VK_INFO, "build deleted", VK_F(build, x->ending.build));
        vk_call_finish(c, 204);
        return;
    }
    vk_str vendor = vk_json_str(vk_json_get(x->own, VK_STR("vendor")));
    snprintf(x->body, sizeof x->body, "{\"vendor\":\"%.*s\",\"build\":\"%s\",\"actor\":\"admin\"}",
             (int)(vendor.n < VK_VENDOR_NAME_MAX ? vendor.n : VK_VENDOR_NAME_MAX), vendor.n ? vendor.p : "",
             x->ending.build);
    x->ask.method = VK_STR("POST");
    x->ask.target = VK_STR("/v1/keys/remove");
    x->ask.body = vk_str_z(x->body);
    x->ask.done = own_dropped;
    vk_keeper_ask_send(&x->ask);
}

static void own_known(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    struct ending_call *x = VK_CONTAINER(a, struct ending_call, ask);
    vk_arena *arena = x->call->ex->arena;
    vk_json *o = NULL;
    vk_str text = e == VK_OK && r->status == 200 ? vk_arena_dup(arena, r->body) : VK_STR_NONE;
    if (!text.p || vk_json_parse(arena, text, &o, NULL, NULL) != VK_OK)
        vk_log(VK_WARN, "whether a deleted build has keys in the vault is not known",
               VK_F(build, x->ending.build));
    const vk_json *keys = vk_json_get(o, VK_STR("keys"));
    x->own = keys && keys->type == VK_JSON_ARRAY ? keys->u.child : NULL;
    drop_next(x);
}

static void gone(struct ending_call *x)
{
    snprintf(x->target, sizeof x->target, "/v1/keys?limit=16&build=%s", x->ending.build);
    x->ask.rt = x->call->rt;
    x->ask.method = VK_STR("GET");
    x->ask.target = vk_str_z(x->target);
    x->ask.done = own_known;
    vk_keeper_ask_send(&x->ask);
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

static void closed(vk_ending *e)
{
    vk_call_on_lane(call_of(e), take_work);
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
