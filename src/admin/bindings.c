/* How a build has a service: told and changed. A change moves no data: what the build has with the driver
 * before stays there, and is served again when it is bound back; what keeper has made is noted as kept, and
 * ends with the build. Requests under way end where they began. */
#include "admin/alone.h"
#include "admin/keys.h"
#include "core/clock.h"
#include "core/log.h"
#include "keeper/vendors.h"

typedef struct driver_call {
    vk_keeper_ask ask; /* first */
    vk_call *call;
    const vk_service *service;
    const vk_vendor *vendor; /* NULL: embedded, or nobody that keeper knows */
    vk_rebind to;
    vk_build build;
    vk_buf body;
} driver_call;

static void end(void *arg)
{
    driver_call *d = arg;
    vk_buf_free(&d->body);
}

/* NULL: answered. */
static driver_call *begin(vk_call *c)
{
    const vk_service *all[VK_SERVICES_MAX];
    int i = vk_service_index(c->param[1]);
    vk_services(all);
    if (i < 0) {
        (void)vk_admin_error(c->ex, VK_E_NOT_FOUND,
                             "There is no service of that name; GET /api/v1/status has all of them");
        return NULL;
    }
    driver_call *d = VK_NEW(c->ex->arena, driver_call);
    if (d) {
        d->call = c;
        d->service = all[i];
        d->ask.rt = c->rt;
        vk_buf_init(&d->body, VK_KEY_CALL_BODY + 1024);
    }
    if (!d || vk_arena_cleanup(c->ex->arena, end, d) != VK_OK) {
        (void)vk_admin_error(c->ex, VK_E_NOMEM, "Out of memory; try again in a second");
        return NULL;
    }
    c->state = d;
    return d;
}

/* ---- told */

static bool find(vk_call *c, const driver_call *d, const char *build, vk_binding *out_r)
{
    vk_binding all[VK_BINDINGS_MAX];
    vk_store *s = c->rt->store;
    size_t n = 0;
    vk_err e = s->ops->binding_list(s, c->ex->arena, vk_str_z(build), all, VK_COUNT(all), &n);
    *out_r = (vk_binding){.driver = "embedded", .resource = VK_STR("{}")};
    for (size_t i = 0; e == VK_OK && i < n; i++)
        if (strcmp(all[i].service, d->service->name) == 0)
            *out_r = all[i];
    if (e != VK_OK)
        vk_call_fail_store(c, e);
    return e == VK_OK;
}

static void answer(vk_call *c, const driver_call *d, const vk_binding *b)
{
    vk_jw w = vk_jw_on(&c->ex->out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "service", vk_str_z(d->service->name));
    vk_driver_members(&w, d->service, b);
    vk_jw_obj_end(&w);
    vk_call_finish(c, 200);
}

static void show_work(vk_call *c)
{
    const driver_call *d = c->state;
    vk_build b;
    vk_binding binding;
    if (vk_call_build(c, &b) && find(c, d, b.id, &binding))
        answer(c, d, &binding);
}

void vk_admin_driver_show(vk_call *c)
{
    if (begin(c))
        vk_call_on_lane(c, show_work);
}

/* ---- changed */

/* What keeper makes is begun, or is what it was when it was bound so before. */
static void answer_made(vk_call *c, vk_making *m)
{
    const driver_call *d = c->state;
    if (m->err != VK_OK) {
        vk_call_fail(c, m->err, "The build \"%s\" has the driver \"%s\" now, but is not complete: %s",
                     m->build, d->to.binding.driver, m->why);
        return;
    }
    vk_jw w = vk_jw_on(&c->ex->out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "service", vk_str_z(d->service->name));
    vk_driver_members(&w, d->service, m->n ? &m->of[0].binding : &d->to.binding);
    vk_jw_key(&w, VK_STR("resources"));
    vk_making_write(&w, m);
    vk_jw_obj_end(&w);
    vk_call_finish(c, vk_making_incomplete(m) ? 202 : 200);
}

static void bound(vk_call *c, driver_call *d)
{
    if (!vk_driver_makes(&d->to.binding)) {
        answer(c, d, &d->to.binding);
        return;
    }
    bool going = vk_call_making(c, &d->build, VK_MAKING_AGAIN, vk_str_z(d->service->name), answer_made);
    VK_UNUSED(going); /* else it was answered */
}

static void bind_work(vk_call *c)
{
    driver_call *d = c->state;
    vk_store *s = c->rt->store;
    vk_binding before;
    if (!vk_binding_alone(c, vk_str_z(d->build.id), &d->to.binding) || !find(c, d, d->build.id, &before))
        return;
    vk_err e = vk_driver_keep(c->ex->arena, &before, &d->to.binding);
    if (e == VK_OK)
        e = s->ops->binding_set(s, vk_str_z(d->build.id), 0, &d->to.binding);
    /* Before it is answered: what is remembered of the build does not count any more. */
    vk_registry_forget(&c->rt->registry, vk_str_z(d->build.id), false, NULL);
    if (e == VK_E_CONFLICT || e == VK_E_NOT_FOUND)
        vk_call_fail(c, VK_E_CONFLICT, "The build \"%s\" ended meanwhile", d->build.id);
    else if (e != VK_OK)
        vk_call_fail_store(c, e);
    else {
        vk_log(VK_INFO, "a build has another driver", VK_F(build, d->build.id),
               VK_F(service, d->service->name), VK_F(driver, d->to.binding.driver));
        bound(c, d);
    }
}

static void sealed_put(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    driver_call *d = VK_CONTAINER(a, driver_call, ask);
    vk_json *o;
    if (vk_keys_answered(d->call, e, r, &o))
        vk_call_on_lane(d->call, bind_work);
}

/* The secret values that an earlier build of this id had are not this one's. */
static bool entered_for(const vk_json *facts, const vk_build *b)
{
    char created[VK_CLOCK_TEXT];
    vk_clock_text(b->created_ms, created);
    vk_str set = vk_json_str(vk_json_get(facts, VK_STR("set_at"))), made = vk_str_z(created);
    return vk_str_eqz(vk_json_str(vk_json_get(facts, VK_STR("state"))), "ready") && set.n == made.n &&
           memcmp(set.p, made.p, made.n) >= 0;
}

static void secrets_known(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    driver_call *d = VK_CONTAINER(a, driver_call, ask);
    vk_json *o;
    if (!vk_keys_answered(d->call, e, r, &o))
        return;
    const vk_json *keys = vk_json_get(o, VK_STR("keys"));
    const vk_json *facts = keys && keys->type == VK_JSON_ARRAY ? keys->u.child : NULL;
    if (facts && entered_for(facts, &d->build))
        vk_call_on_lane(d->call, bind_work);
    else
        vk_call_fail(d->call, VK_E_INVALID,
                     "%s needs secret values of this build, and none were entered: `valetkey build use %s %s "
                     "%s` asks for them",
                     d->vendor->title, d->build.id, d->service->name, d->vendor->name);
}

/* Its secret values first, then the binding. */
static void take(driver_call *d)
{
    vk_call *c = d->call;
    bool secrets = !vk_driver_makes(&d->to.binding) && vk_driver_needs_secrets(&d->to.binding);
    if (!secrets && !d->to.sealed.p) {
        vk_call_on_lane(c, bind_work);
        return;
    }
    if (!secrets) {
        vk_call_fail(c, VK_E_INVALID, "The driver \"%s\" takes no secret values of a build that is bound so",
                     d->to.binding.driver);
        return;
    }
    if (d->to.sealed.p) {
        vk_keys_write_body(&d->body, d->vendor->name, d->build.id, d->to.sealed, true);
        d->ask.method = VK_STR("POST");
        d->ask.target = VK_STR("/v1/keys/put");
        d->ask.done = sealed_put;
    } else {
        d->ask.method = VK_STR("GET");
        d->ask.target =
            vk_arena_printf(c->ex->arena, "/v1/keys?vendor=%s&build=%s", d->vendor->name, d->build.id);
        d->ask.done = secrets_known;
    }
    d->ask.body = vk_buf_view(&d->body);
    if (d->body.err || !d->ask.target.p)
        vk_call_fail(c, VK_E_NOMEM, "Out of memory; try again in a second");
    else
        vk_keeper_ask_send(&d->ask);
}

/* Values that people bring would stand in the record of what keeper has made there. */
static void made_known(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    driver_call *d = VK_CONTAINER(a, driver_call, ask);
    vk_json *o;
    if (!vk_keys_answered(d->call, e, r, &o))
        return;
    const vk_json *list = vk_json_get(o, VK_STR("resources"));
    for (const vk_json *x = list && list->type == VK_JSON_ARRAY ? list->u.child : NULL; x; x = x->next) {
        if (!vk_str_eqz(vk_json_str(vk_json_get(x, VK_STR("vendor"))), d->vendor->name) ||
            vk_making_is(x, "failed"))
            continue;
        vk_call_fail(d->call, VK_E_CONFLICT,
                     "The build \"%s\" has something at %s that valetkey made, \"" VK_STR_FMT
                     "\": bind it without values to use that, or bring yours to another build",
                     d->build.id, d->vendor->title, VK_STR_ARG(vk_json_str(vk_json_get(x, VK_STR("name")))));
        return;
    }
    take(d);
}

static void ask_made(driver_call *d)
{
    d->ask.method = VK_STR("GET");
    d->ask.target = vk_arena_printf(d->call->ex->arena, "/v1/resources?limit=16&build=%s", d->build.id);
    d->ask.body = VK_STR_NONE;
    d->ask.done = made_known;
    if (d->ask.target.p)
        vk_keeper_ask_send(&d->ask);
    else
        vk_call_fail(d->call, VK_E_NOMEM, "Out of memory; try again in a second");
}

static void look_work(vk_call *c)
{
    driver_call *d = c->state;
    if (!vk_call_build(c, &d->build))
        return;
    if (d->build.state != VK_BUILD_ACTIVE) {
        vk_call_fail(c, VK_E_CONFLICT, "The build \"%s\" is %s; only an active build's drivers can change",
                     d->build.id, vk_build_state_name(&d->build, vk_clock_wall_ms()));
        return;
    }
    if (!vk_binding_alone(c, vk_str_z(d->build.id), &d->to.binding))
        return; /* before a secret of it is put away */
    if (vk_driver_makes(&d->to.binding) && d->to.sealed.p)
        vk_call_fail(c, VK_E_INVALID,
                     "Secret values of a build go with those that say what it has at %s: GET "
                     "/api/v1/keys/sealing has their names under \"own\"",
                     d->vendor->title);
    else if (d->vendor && d->vendor->provisioner && !vk_driver_makes(&d->to.binding))
        ask_made(d);
    else
        take(d);
}

void vk_admin_driver_set(vk_call *c)
{
    const char *why;
    driver_call *d = begin(c);
    if (!d)
        return;
    vk_err e = vk_rebind_parse(c->ex->arena, d->service, vk_buf_view(&c->ex->body), &d->to, &why);
    if (e != VK_OK) {
        (void)vk_admin_error(c->ex, e, "%s", why);
        return;
    }
    d->vendor = vk_vendor_of(vk_str_z(d->to.binding.driver));
    vk_call_on_lane(c, look_work);
}
