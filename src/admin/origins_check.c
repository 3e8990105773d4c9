/* POST /builds/{}/origins/check: are the app's pages there, seen from here? */
#include "admin/call.h"
#include "services/reach.h"

struct check_call {
    vk_reach reach; /* first */
    vk_call *call;
    vk_build build;
    uint32_t at; /* the origin that is asked now */
    vk_jw w;
};

static void next(struct check_call *x);

static void told(vk_reach *r)
{
    struct check_call *x = VK_CONTAINER(r, struct check_call, reach);
    vk_jw_obj(&x->w);
    vk_jw_kstr(&x->w, "origin", x->build.origins[x->at]);
    vk_jw_kbool(&x->w, "reached", r->status != 0);
    if (r->status) {
        vk_jw_ki64(&x->w, "status", r->status);
        vk_jw_ki64(&x->w, "ms", r->ms);
    } else {
        vk_jw_kstr(&x->w, "message", vk_str_z(r->why));
    }
    vk_jw_obj_end(&x->w);
    x->at++;
    next(x);
}

static void next(struct check_call *x)
{
    if (x->at == x->build.n_origins) {
        vk_jw_arr_end(&x->w);
        vk_jw_obj_end(&x->w);
        vk_call_finish(x->call, 200);
        return;
    }
    x->reach = (vk_reach){.rt = x->call->rt,
                          .method = VK_STR("HEAD"),
                          .url = x->build.origins[x->at],
                          .origin = x->build.origins[x->at],
                          .done = told};
    vk_reach_ask(&x->reach);
}

static void check_work(vk_call *c)
{
    struct check_call *x = VK_NEW(c->ex->arena, struct check_call);
    if (!x) {
        vk_call_fail(c, VK_E_NOMEM, "Out of memory; try again in a second");
        return;
    }
    x->call = c;
    if (!vk_call_build(c, &x->build))
        return;
    x->w = vk_jw_on(&c->ex->out);
    vk_jw_obj(&x->w);
    vk_jw_kstr(&x->w, "build", vk_str_z(x->build.id));
    vk_jw_key(&x->w, VK_STR("origins"));
    vk_jw_arr(&x->w);
    next(x);
}

void vk_admin_origins_check(vk_call *c)
{
    vk_call_on_lane(c, check_work);
}
