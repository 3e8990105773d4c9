/* What builds have at vendors: told, made, swept. All of it is keeper's (keeper/keeper.h); what is ready is
 * taken into the metadata on the way. */
#include "admin/keys.h"
#include "admin/making.h"
#include "core/clock.h"
#include "keeper/vendors.h"

enum { SWEEP_MS = 120 * 1000, USAGE_MS = 30 * 1000 };

/* ---- of one build */

static vk_making *making_of(vk_call *c, const vk_build *b, vk_making_how how, void (*done)(vk_making *m))
{
    vk_making *m = VK_NEW(c->ex->arena, vk_making);
    if (!m) {
        vk_call_fail(c, VK_E_NOMEM, "Out of memory; try again in a second");
        return NULL;
    }
    *m = (vk_making){
        .rt = c->rt, .arena = c->ex->arena, .generation = b->generation, .how = how, .done = done};
    memcpy(m->build, b->id, sizeof m->build);
    c->making = m;
    m->arg = c;
    return m;
}

static void whole(vk_making *m)
{
    vk_call *c = m->arg;
    if (m->waits)
        vk_making_watch(m->build, m->generation);
    if (m->err != VK_OK && m->how != VK_MAKING_LOOK && m->err != VK_E_NOT_FOUND)
        vk_making_watch(m->build, m->generation); /* keeper may have begun, or is away */
    c->making_done(c, m);
}

bool vk_call_making(vk_call *c, const vk_build *b, vk_making_how how, vk_str only,
                    void (*done)(vk_call *c, vk_making *m))
{
    vk_making *m = making_of(c, b, how, whole);
    if (!m)
        return false;
    m->only = only;
    c->making_done = done;
    vk_making_run(m);
    return true;
}

static void answer_list(vk_call *c, vk_making *m)
{
    if (m->err != VK_OK) {
        vk_call_fail(c, m->err, "%s", m->why);
        return;
    }
    vk_jw w = vk_jw_on(&c->ex->out);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("resources"));
    if (m->how == VK_MAKING_LOOK && m->resources)
        vk_jw_value(&w, m->resources);
    else
        vk_making_write(&w, m);
    vk_jw_kbool(&w, "complete", !vk_making_incomplete(m) && !vk_making_unbegun(m));
    vk_jw_obj_end(&w);
    vk_call_finish(c, m->how == VK_MAKING_LOOK || !m->waits ? 200 : 202);
}

static void list_work(vk_call *c)
{
    vk_build b;
    bool going = vk_call_build(c, &b) && vk_call_making(c, &b, VK_MAKING_LOOK, VK_STR_NONE, answer_list);
    VK_UNUSED(going); /* else it was answered */
}

void vk_admin_resources_of(vk_call *c)
{
    vk_call_on_lane(c, list_work);
}

static void answer_made(vk_call *c, vk_making *m)
{
    if (m->err == VK_OK && c->create.id.n && !m->n)
        vk_call_fail(c, VK_E_CONFLICT, "The build \"%s\" has its " VK_STR_FMT " from no vendor", m->build,
                     VK_STR_ARG(c->create.id));
    else
        answer_list(c, m);
}

static void make_work(vk_call *c)
{
    vk_build b;
    bool going = vk_call_build(c, &b) && vk_call_making(c, &b, VK_MAKING_AGAIN, c->create.id, answer_made);
    VK_UNUSED(going); /* else it was answered */
}

void vk_admin_resources_make(vk_call *c)
{
    const char *why;
    vk_err e = vk_provide_parse(c->ex->arena, vk_buf_view(&c->ex->body), &c->create.id, &why);
    if (e == VK_OK && c->create.id.n && vk_service_index(c->create.id) < 0) {
        e = VK_E_INVALID;
        why = "\"service\" names no service; GET /api/v1/status has all of them";
    }
    if (e != VK_OK)
        (void)vk_admin_error(c->ex, e, "%s", why);
    else
        vk_call_on_lane(c, make_work);
}

/* ---- passed on to keeper */

typedef struct asking {
    vk_keeper_ask ask; /* first */
    vk_call *call;
    vk_buf body;
} asking;

static void end(void *arg)
{
    asking *a = arg;
    vk_buf_free(&a->body);
}

/* NULL: answered. */
static asking *begin(vk_call *c)
{
    asking *a = VK_NEW(c->ex->arena, asking);
    if (a) {
        a->call = c;
        a->ask.rt = c->rt;
        vk_buf_init(&a->body, VK_SWEEP_BODY + 4096);
    }
    if (!a || vk_arena_cleanup(c->ex->arena, end, a) != VK_OK) {
        (void)vk_admin_error(c->ex, VK_E_NOMEM, "Out of memory; try again in a second");
        return NULL;
    }
    return a;
}

static void pass(vk_keeper_ask *k, vk_err e, const vk_response *r)
{
    asking *a = VK_CONTAINER(k, asking, ask);
    vk_json *o;
    if (!vk_keys_answered(a->call, e, r, &o))
        return;
    vk_jw w = vk_jw_on(&a->call->ex->out);
    vk_jw_value(&w, o);
    vk_call_finish(a->call, 200);
}

static void send_ask(asking *a, const char *method, vk_str target)
{
    vk_call *c = a->call;
    if (a->body.err || !target.p) {
        vk_call_fail(c, VK_E_NOMEM, "Out of memory; try again in a second");
        return;
    }
    a->ask.method = vk_str_z(method);
    a->ask.target = target;
    a->ask.body = vk_buf_view(&a->body);
    a->ask.done = pass;
    vk_keeper_ask_send(&a->ask);
}

void vk_admin_resources_list(vk_call *c)
{
    asking *a = begin(c);
    if (!a)
        return;
    vk_str query = c->ex->query;
    send_ask(a, "GET",
             query.n ? vk_arena_printf(c->ex->arena, "/v1/resources?" VK_STR_FMT, VK_STR_ARG(query))
                     : VK_STR("/v1/resources"));
}

static void usage_work(vk_call *c)
{
    asking *a = c->state;
    vk_build b;
    if (!vk_call_build(c, &b))
        return;
    vk_jw w = vk_jw_on(&a->body);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "build", vk_str_z(b.id));
    vk_jw_kstr(&w, "service", c->param[1]);
    vk_jw_kstr(&w, "actor", VK_STR("admin"));
    vk_jw_obj_end(&w);
    a->ask.apart = true;
    a->ask.timeout_ms = USAGE_MS;
    send_ask(a, "POST", VK_STR("/v1/resources/usage"));
}

void vk_admin_resources_usage(vk_call *c)
{
    if (vk_service_index(c->param[1]) < 0) {
        (void)vk_admin_error(c->ex, VK_E_NOT_FOUND,
                             "There is no service of that name; GET /api/v1/status has all of them");
        return;
    }
    c->state = begin(c);
    if (c->state)
        vk_call_on_lane(c, usage_work);
}

void vk_admin_resources_sweep(vk_call *c)
{
    const char *why;
    vk_sweep sweep;
    asking *a = begin(c);
    if (!a)
        return;
    vk_err e = vk_sweep_parse(c->ex->arena, vk_buf_view(&c->ex->body), &sweep, &why);
    if (e == VK_OK && !vk_vendor_of(sweep.vendor)) {
        e = VK_E_INVALID;
        why = "\"vendor\" names no vendor; GET /api/v1/keys/sealing has all of them";
    }
    if (e != VK_OK) {
        (void)vk_admin_error(c->ex, e, "%s", why);
        return;
    }
    vk_jw w = vk_jw_on(&a->body);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "vendor", sweep.vendor);
    vk_jw_key(&w, VK_STR("delete"));
    vk_jw_arr(&w);
    for (const vk_json *x = sweep.names; x; x = x->next)
        vk_jw_str(&w, x->u.s);
    vk_jw_arr_end(&w);
    vk_jw_kstr(&w, "actor", VK_STR("admin"));
    vk_jw_obj_end(&w);
    a->ask.apart = true;
    a->ask.timeout_ms = SWEEP_MS;
    send_ask(a, "POST", VK_STR("/v1/resources/sweep"));
}
