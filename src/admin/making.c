#include "admin/making.h"

#include "core/clock.h"
#include "core/log.h"
#include "keeper/provision.h"

/* ---- what keeper says */

bool vk_making_is(const vk_json *resource, const char *state)
{
    return vk_str_eqz(vk_json_str(vk_json_get(resource, VK_STR("state"))), state);
}

static vk_err kind_of(vk_str name)
{
    for (int e = VK_E_INVALID; e <= VK_E_INTERNAL; e++)
        if (vk_str_eqz(name, vk_err_name((vk_err)e)))
            return (vk_err)e;
    return VK_E_INTERNAL;
}

static void fail(vk_making *m, vk_err e, const char *why)
{
    m->err = e;
    if (why)
        snprintf(m->why, sizeof m->why, "%s", why);
    m->done(m);
}

/* VK_OK: *out_r is keeper's answer, read into the arena; otherwise m->why says what it was. */
static vk_err read_answer(vk_making *m, vk_err e, const vk_response *r, vk_json **out_r)
{
    static const char away[] =
        "The process that holds the keys (keeper) does not answer; try again in a second";
    if (e != VK_OK) {
        snprintf(m->why, sizeof m->why, "%s", away);
        return e == VK_E_TIMEOUT || e == VK_E_BUSY ? e : VK_E_UNAVAILABLE;
    }
    vk_str text = vk_arena_dup(m->arena, r->body);
    if (!text.p)
        return VK_E_NOMEM;
    e = vk_json_parse(m->arena, text, out_r, NULL, NULL);
    if (e != VK_OK || (*out_r)->type != VK_JSON_OBJECT) {
        snprintf(m->why, sizeof m->why,
                 "The process that holds the keys (keeper) gave no answer that can be understood");
        return e == VK_E_NOMEM ? e : VK_E_INTERNAL;
    }
    if (r->status == 200 || r->status == 202)
        return VK_OK;
    vk_str said = vk_json_str(vk_json_get(*out_r, VK_STR("message")));
    snprintf(m->why, sizeof m->why, VK_STR_FMT, VK_STR_ARG(said.n ? said : VK_STR("keeper refused this")));
    return kind_of(vk_json_str(vk_json_get(*out_r, VK_STR("error"))));
}

/* ---- on the lane */

static void run_next(vk_job *j)
{
    vk_making *m = VK_CONTAINER(j, vk_making, job);
    m->next(m);
}

static void on_lane(vk_making *m, void (*next)(vk_making *m))
{
    m->next = next;
    m->job.run = run_next;
    if (m->give_up && *m->give_up)
        return;
    if (vk_lane_add(m->rt->meta, &m->job) != VK_OK)
        fail(m, VK_E_UNAVAILABLE, "Too many changes are waiting; try again in a second");
}

static vk_err read_build(vk_making *m)
{
    vk_store *s = m->rt->store;
    vk_build b;
    vk_err e = s->ops->build_get(s, NULL, vk_str_z(m->build), &b);
    if (e == VK_OK && m->generation && b.generation != m->generation)
        e = VK_E_NOT_FOUND;
    if (e == VK_OK && (b.state != VK_BUILD_ACTIVE || b.expires_ms <= vk_clock_wall_ms()) &&
        m->how != VK_MAKING_LOOK)
        e = VK_E_CONFLICT;
    if (e == VK_OK)
        m->generation = b.generation;
    return e;
}

static const vk_service *service_of(const char *name)
{
    const vk_service *all[VK_SERVICES_MAX];
    int i = vk_service_index(vk_str_z(name));
    vk_services(all);
    return i < 0 ? NULL : all[i];
}

static vk_err read_bindings(vk_making *m)
{
    vk_binding all[VK_BINDINGS_MAX];
    vk_store *s = m->rt->store;
    size_t n = 0;
    vk_err e = s->ops->binding_list(s, m->arena, vk_str_z(m->build), all, VK_COUNT(all), &n);
    m->n = 0;
    for (size_t i = 0; e == VK_OK && i < n; i++) {
        const vk_service *service = service_of(all[i].service);
        if (!service || strcmp(all[i].driver, "embedded") == 0 ||
            (m->only.n && !vk_str_eqz(m->only, all[i].service)))
            continue;
        m->of[m->n++] = (vk_making_one){
            .binding = all[i], .makes = vk_driver_makes(&all[i]), .lacks = vk_driver_lacks(service, &all[i])};
    }
    return e;
}

static void fail_store(vk_making *m, vk_err e)
{
    fail(m, e == VK_E_NOT_FOUND || e == VK_E_CONFLICT ? e : VK_E_UNAVAILABLE,
         e == VK_E_NOT_FOUND  ? "The build is not there any more"
         : e == VK_E_CONFLICT ? "The build is not active; nothing is made for it"
                              : "The metadata is busy; try again in a second");
}

/* ---- taken into the metadata */

/* The binding as it is now becomes complete, when it still is the one that was asked about. */
static vk_err take(vk_making *m, vk_making_one *one)
{
    vk_binding all[VK_BINDINGS_MAX], filled;
    vk_store *s = m->rt->store;
    size_t n = 0;
    vk_err e = s->ops->binding_list(s, m->arena, vk_str_z(m->build), all, VK_COUNT(all), &n);
    for (size_t i = 0; e == VK_OK && i < n; i++) {
        if (strcmp(all[i].service, one->binding.service) != 0)
            continue;
        if (strcmp(all[i].driver, one->binding.driver) != 0 || all[i].version != one->binding.version)
            return VK_OK;
        e = vk_driver_fill(m->arena, &all[i], vk_json_get(one->resource, VK_STR("values")), &filled);
        if (e != VK_OK || vk_str_eq(filled.resource, all[i].resource))
            return e;
        e = s->ops->binding_set(s, vk_str_z(m->build), all[i].version, &filled);
        if (e == VK_OK) {
            one->binding = filled;
            vk_log(VK_INFO, "what a vendor made is a build's now", VK_F(build, m->build),
                   VK_F(service, filled.service), VK_F(driver, filled.driver));
        }
        vk_registry_forget(&m->rt->registry, vk_str_z(m->build), false, NULL);
        return e == VK_E_CONFLICT || e == VK_E_NOT_FOUND ? VK_OK : e;
    }
    return e;
}

static void take_all(vk_making *m)
{
    vk_err e = read_build(m);
    for (size_t i = 0; e == VK_OK && i < m->n; i++) {
        vk_making_one *one = &m->of[i];
        if (one->makes && vk_making_is(one->resource, "ready"))
            e = take(m, one);
        one->lacks = vk_driver_lacks(service_of(one->binding.service), &one->binding);
        m->waits |=
            one->makes && (vk_making_is(one->resource, "making") || vk_making_is(one->resource, "ending"));
        m->failed |= one->makes && vk_making_is(one->resource, "failed");
    }
    if (e == VK_E_INVALID || e == VK_E_TOO_LARGE)
        fail(m, VK_E_INTERNAL, "What keeper says of the build's resource cannot be kept");
    else if (e != VK_OK)
        fail_store(m, e);
    else
        m->done(m);
}

/* ---- asked of keeper */

static void begin_next(vk_making *m);

/* What keeper does not begin is told like what has failed. False: there is no memory. */
static bool refused(vk_making *m, vk_making_one *one, vk_err e)
{
    const struct {
        const char *name, *value;
    } members[] = {{"build", m->build},
                   {"service", one->binding.service},
                   {"vendor", one->binding.driver},
                   {"state", e == VK_E_CONFLICT || e == VK_E_BUSY ? "ending" : "failed"},
                   {"why", m->why}};
    vk_json *o = vk_arena_calloc(m->arena, sizeof *o * (VK_COUNT(members) + 1));
    if (!o)
        return false;
    o->type = VK_JSON_OBJECT;
    o->count = VK_COUNT(members);
    o->u.child = o + 1;
    for (size_t i = 0; i < VK_COUNT(members); i++) {
        o[i + 1] = (vk_json){.type = VK_JSON_STRING,
                             .key = vk_str_z(members[i].name),
                             .u.s = vk_arena_dup(m->arena, vk_str_z(members[i].value)),
                             .next = i + 1 < VK_COUNT(members) ? o + i + 2 : NULL};
        if (!o[i + 1].u.s.p)
            return false;
    }
    one->resource = o;
    return true;
}

static void begun(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    vk_making *m = VK_CONTAINER(a, vk_making, ask);
    vk_making_one *one = &m->of[m->at];
    vk_json *o = NULL;
    bool away = e != VK_OK;
    e = read_answer(m, e, r, &o);
    if (e == VK_OK)
        one->resource = o;
    else if (away || ((e != VK_E_NOT_FOUND || one->lacks) && !refused(m, one, e))) {
        fail(m, e, NULL);
        return;
    } /* a vendor that can do without has nothing, which is well */
    m->why[0] = '\0';
    m->at++;
    begin_next(m);
}

static bool to_begin(const vk_making *m, const vk_making_one *one)
{
    if (!one->makes || m->how == VK_MAKING_LOOK)
        return false;
    if (vk_making_is(one->resource, "failed"))
        return m->how == VK_MAKING_AGAIN;
    return !one->resource;
}

static void begin_next(vk_making *m)
{
    while (m->at < m->n && !to_begin(m, &m->of[m->at]))
        m->at++;
    if (m->at == m->n) {
        on_lane(m, take_all);
        return;
    }
    snprintf(m->body, sizeof m->body, "{\"build\":\"%s\",\"service\":\"%s\",\"actor\":\"admin\"}", m->build,
             m->of[m->at].binding.service);
    m->ask.method = VK_STR("POST");
    m->ask.target = VK_STR("/v1/resources/provision");
    m->ask.body = vk_str_z(m->body);
    m->ask.done = begun;
    vk_keeper_ask_send(&m->ask);
}

/* What an earlier build of this id had, and is ending, is not this one's. */
static bool is_ours(const vk_making *m, const vk_making_one *one, const vk_json *resource)
{
    const vk_json *generation = vk_json_get(resource, VK_STR("generation"));
    int64_t n;
    if (generation && (vk_json_i64(generation, &n) != VK_OK || (uint64_t)n != m->generation))
        return false;
    return vk_str_eqz(vk_json_str(vk_json_get(resource, VK_STR("vendor"))), one->binding.driver) &&
           vk_str_eqz(vk_json_str(vk_json_get(resource, VK_STR("service"))), one->binding.service);
}

static void known(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    vk_making *m = VK_CONTAINER(a, vk_making, ask);
    vk_json *o = NULL;
    e = read_answer(m, e, r, &o);
    if (e != VK_OK) {
        fail(m, e == VK_E_NOT_FOUND ? VK_E_UNAVAILABLE : e, NULL);
        return;
    }
    const vk_json *list = vk_json_get(o, VK_STR("resources"));
    m->resources = list && list->type == VK_JSON_ARRAY ? list : NULL;
    for (const vk_json *x = m->resources ? m->resources->u.child : NULL; x; x = x->next)
        for (size_t i = 0; i < m->n; i++)
            if (is_ours(m, &m->of[i], x))
                m->of[i].resource = x;
    m->at = 0;
    begin_next(m);
}

void vk_making_run(vk_making *m)
{
    m->err = VK_OK;
    m->why[0] = '\0';
    m->waits = m->failed = false;
    m->resources = NULL;
    m->ask.rt = m->rt;
    vk_err e = read_build(m);
    if (e == VK_OK)
        e = read_bindings(m);
    if (e != VK_OK) {
        fail_store(m, e);
        return;
    }
    snprintf(m->target, sizeof m->target, "/v1/resources?limit=64&build=%s", m->build);
    m->ask.method = VK_STR("GET");
    m->ask.target = vk_str_z(m->target);
    m->ask.body = VK_STR_NONE;
    m->ask.done = known;
    vk_keeper_ask_send(&m->ask);
}

/* ---- what is told */

bool vk_making_unbegun(const vk_making *m)
{
    for (size_t i = 0; i < m->n; i++) {
        const vk_vendor *v = vk_vendor_of(vk_str_z(m->of[i].binding.driver));
        if (m->of[i].makes && !m->of[i].resource && v && v->provisioner && !v->provisioner->wanted)
            return true;
    }
    return false;
}

bool vk_making_incomplete(const vk_making *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->of[i].makes &&
            (m->of[i].lacks || (m->of[i].resource && !vk_making_is(m->of[i].resource, "ready"))))
            return true;
    return false;
}

void vk_making_write(vk_jw *w, const vk_making *m)
{
    vk_jw_arr(w);
    for (size_t i = 0; i < m->n; i++)
        if (m->of[i].makes && m->of[i].resource)
            vk_jw_value(w, m->of[i].resource);
    vk_jw_arr_end(w);
}

const char *vk_making_said(vk_making *m)
{
    for (size_t i = 0; i < m->n; i++) {
        const vk_making_one *one = &m->of[i];
        const char *service = one->binding.service, *vendor = one->binding.driver;
        vk_str why = vk_json_str(vk_json_get(one->resource, VK_STR("why"))), said = VK_STR_NONE;
        while (why.n && (why.p[why.n - 1] == '.' || why.p[why.n - 1] == '\n'))
            why.n--;
        if (!one->makes || (one->resource ? vk_making_is(one->resource, "ready") : !one->lacks))
            continue;
        if (vk_making_is(one->resource, "failed"))
            said = vk_arena_printf(m->arena,
                                   "What \"%s\" needs for its %s could not be made at %s: " VK_STR_FMT
                                   ". `valetkey build provision %s %s` tries again",
                                   m->build, service, vendor, VK_STR_ARG(why), m->build, service);
        else if (!one->resource)
            said = vk_arena_printf(m->arena,
                                   "What \"%s\" needs for its %s at %s was not made yet; `valetkey build "
                                   "provision %s %s` does it",
                                   m->build, service, vendor, m->build, service);
        else
            said = vk_arena_printf(m->arena,
                                   "What \"%s\" needs for its %s is still being made at %s%s" VK_STR_FMT
                                   "; try again in a moment",
                                   m->build, service, vendor, why.n ? ": " : "", VK_STR_ARG(why));
        return said.p ? said.p : "Something of the build is not ready yet; try again in a moment";
    }
    return "Something of the build is not ready yet; try again in a moment";
}
