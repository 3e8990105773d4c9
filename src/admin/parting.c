#include "admin/parting.h"

#include "core/log.h"
#include "keeper/vendors.h"

static const vk_json *answer_of(vk_parting *p, const vk_response *r)
{
    vk_json *o;
    vk_str text = vk_arena_dup(p->arena, r->body);
    return text.p && vk_json_parse(p->arena, text, &o, NULL, NULL) == VK_OK ? o : NULL;
}

static void failed(vk_parting *p, vk_err e, const vk_response *r, const char *what)
{
    vk_str why = e == VK_OK ? vk_json_str(vk_json_get(answer_of(p, r), VK_STR("message"))) : VK_STR_NONE;
    vk_log(VK_WARN, "keeper did not part with what a build has", VK_F(build, p->build), VK_F(what, what),
           VK_F(error, vk_err_name(e)), VK_F(status, r ? r->status : 0), VK_F(why, why));
    p->done(p, e == VK_OK ? VK_E_UNAVAILABLE : e);
}

static const vk_json *list_of(vk_parting *p, const vk_response *r, const char *name)
{
    const vk_json *list = vk_json_get(answer_of(p, r), vk_str_z(name));
    return list && list->type == VK_JSON_ARRAY ? list : NULL;
}

static void ask(vk_parting *p, const char *method, const char *target,
                void (*done)(vk_keeper_ask *a, vk_err e, const vk_response *r))
{
    p->ask.rt = p->rt;
    p->ask.method = vk_str_z(method);
    p->ask.target = vk_str_z(target);
    p->ask.body = method[0] == 'P' ? vk_str_z(p->body) : VK_STR_NONE;
    p->ask.done = done;
    vk_keeper_ask_send(&p->ask);
}

/* ---- what people have entered */

static void remove_next(vk_parting *p);

static void removed(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    vk_parting *p = VK_CONTAINER(a, vk_parting, ask);
    /* 409: keeper's own record of a build of this id before, which ends by itself. */
    if (e != VK_OK || (r->status != 200 && r->status != 404 && r->status != 409)) {
        failed(p, e, r, "values");
        return;
    }
    p->own = p->own->next;
    remove_next(p);
}

/* A record that is keeper's own goes by itself, when what it speaks of is gone. */
static bool is_ending(const vk_parting *p, vk_str vendor)
{
    for (const vk_json *x = p->ending ? p->ending->u.child : NULL; x; x = x->next)
        if (vk_str_eq(vk_json_str(vk_json_get(x, VK_STR("vendor"))), vendor))
            return true;
    return false;
}

static void remove_next(vk_parting *p)
{
    vk_str vendor = VK_STR_NONE;
    for (; p->own; p->own = p->own->next) {
        vendor = vk_json_str(vk_json_get(p->own, VK_STR("vendor")));
        if (vk_vendor_of(vendor) && !is_ending(p, vendor))
            break;
    }
    if (!p->own) {
        p->done(p, VK_OK);
        return;
    }
    snprintf(p->body, sizeof p->body, "{\"vendor\":\"" VK_STR_FMT "\",\"build\":\"%s\",\"actor\":\"admin\"}",
             VK_STR_ARG(vendor), p->build);
    ask(p, "POST", "/v1/keys/remove", removed);
}

static void own_known(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    vk_parting *p = VK_CONTAINER(a, vk_parting, ask);
    const vk_json *list = e == VK_OK && r->status == 200 ? list_of(p, r, "keys") : NULL;
    if (!list) {
        failed(p, e, r, "values");
        return;
    }
    p->own = list->u.child;
    remove_next(p);
}

/* ---- what keeper has made */

static void deprovisioned(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    vk_parting *p = VK_CONTAINER(a, vk_parting, ask);
    bool none = e == VK_OK && (r->status == 404 || r->status == 405); /* nothing is made at all */
    p->ending = e == VK_OK && (r->status == 202 || r->status == 200) ? list_of(p, r, "resources") : NULL;
    if (!p->ending && !none) {
        failed(p, e, r, "resources");
        return;
    }
    snprintf(p->target, sizeof p->target, "/v1/keys?limit=16&build=%s", p->build);
    ask(p, "GET", p->target, own_known);
}

void vk_parting_run(vk_parting *p)
{
    snprintf(p->body, sizeof p->body,
             "{\"build\":\"%s\",\"service\":\"\",\"generation\":%llu,\"actor\":\"admin\"}", p->build,
             (unsigned long long)p->generation);
    ask(p, "POST", "/v1/resources/deprovision", deprovisioned);
}
