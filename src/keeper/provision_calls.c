/* The calls below /v1/resources (keeper/keeper.h). */
#include "core/clock.h"
#include "http/json_error.h"
#include "keeper/keeper.h"
#include "keeper/provision_in.h"

void vk_prov_refuse(vk_exchange *ex, vk_err e, const char *why)
{
    vk_buf_clear(&ex->out);
    vk_respond_json_error(ex, e, why);
}

static void answer(vk_prov_asked *a, const vk_vendor *v)
{
    vk_made m;
    const vk_org *g = vk_org_find(a->provs->with.orgs, vk_str_z(v->name), a->build);
    if (!g || vk_prov_made_of(g, &m) != VK_OK) {
        vk_prov_refuse(a->ex, VK_E_UNAVAILABLE, "Its record cannot be read now.");
        return;
    }
    vk_jw w = vk_jw_on(&a->ex->out);
    vk_prov_show(a->provs, &w, g, &m);
    vk_respond(a->ex, m.state == VK_PROV_READY ? 200 : 202, "application/json");
}

/* ---- what the metadata says */

vk_prov_vendor *vk_prov_asked_vendor(vk_prov_asked *a, vk_view_build *seen)
{
    vk_provs *x = a->provs;
    vk_err e = vk_view_build_of(x->with.view, a->ex->arena, a->build, a->service, seen);
    if (e != VK_OK) {
        vk_prov_refuse(a->ex, e,
                       e == VK_E_NOT_FOUND ? "There is no such build." : "The metadata cannot be read now.");
        return NULL;
    }
    const vk_vendor *v = seen->bound ? vk_vendor_of(vk_str_z(seen->binding.driver)) : NULL;
    vk_prov_vendor *at = v && vk_str_eqz(a->service, v->service) ? vk_prov_vendor_of(x, v) : NULL;
    if (!at) {
        vk_prov_refuse(a->ex, VK_E_NOT_FOUND, "The driver of that service makes nothing for a build.");
        return NULL;
    }
    if (seen->build.state != VK_BUILD_ACTIVE || seen->build.expires_ms <= vk_clock_wall_ms()) {
        vk_prov_refuse(a->ex, VK_E_CONFLICT, "The build is not active.");
        return NULL;
    }
    return at;
}

/* People entered what the build has there. */
static bool entered(const vk_vendor *v, const vk_org *g, const vk_binding *b)
{
    for (const vk_vendor_field *f = v->own; f && f->name; f++)
        if (!f->kept && ((g && vk_org_value(g, f->name).n && !f->usual) || vk_binding_value(b, f->name).n))
            return true;
    return false;
}

/* ---- provision */

static void provisioned(void *arg, vk_err e, const char *why)
{
    vk_prov_asked *a = arg;
    if (e == VK_OK)
        answer(a, a->vendor);
    else
        vk_prov_refuse(a->ex, e, why);
}

static void make(vk_prov_asked *a, vk_prov_vendor *at, const vk_view_build *seen, vk_made *m)
{
    const vk_org *org = vk_org_find(a->provs->with.orgs, vk_str_z(at->vendor->name), VK_STR(""));
    vk_org_facts f;
    if (org)
        vk_org_facts_of(org, &f);
    if (!org || f.state != VK_ORG_READY) {
        vk_prov_refuse(a->ex, VK_E_UNAVAILABLE,
                       "The organisation's keys of that vendor are missing, or cannot be used: valetkey keys "
                       "list");
        return;
    }
    if (at->how->wanted && !at->how->wanted(org, &seen->binding)) {
        vk_prov_refuse(a->ex, VK_E_NOT_FOUND, "With these keys nothing is made for a build.");
        return;
    }
    if (a->provs->n_jobs >= VK_PROV_JOBS) {
        vk_prov_refuse(a->ex, VK_E_BUSY, "Too much is being made. Try again later.");
        return;
    }
    *m = (vk_made){.state = VK_PROV_MAKING, .list = VK_PROV_MAKE, .generation = seen->build.generation};
    vk_prov_name_make(at->how, a->provs->tag, seen->build.id, m->name);
    vk_prov_turn(a->provs, at->vendor, seen->build.id, m, a->actor, provisioned, a);
}

static void provision(vk_prov_asked *a)
{
    vk_view_build seen;
    vk_made m;
    vk_prov_vendor *at = vk_prov_asked_vendor(a, &seen);
    if (!at)
        return;
    const vk_org *g = vk_org_find(a->provs->with.orgs, vk_str_z(at->vendor->name), a->build);
    a->vendor = at->vendor;
    vk_err e = g ? vk_prov_made_of(g, &m) : VK_E_NOT_FOUND;
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        vk_prov_refuse(a->ex, VK_E_UNAVAILABLE, "Its record cannot be read now.");
    else if (e == VK_E_NOT_FOUND && entered(at->vendor, g, &seen.binding))
        vk_prov_refuse(a->ex, VK_E_NOT_FOUND,
                       "What the build has there was entered: nothing is made for it.");
    else if (e == VK_E_NOT_FOUND || m.state == VK_PROV_FAILED)
        make(a, at, &seen, &m);
    else if (m.generation != seen.build.generation || m.state == VK_PROV_ENDING)
        vk_prov_refuse(a->ex, VK_E_CONFLICT,
                       "What the build, or one of that name before it, had there is still ending.");
    else {
        if (m.state == VK_PROV_SUSPENDED)
            vk_prov_tend(a->provs, g, &m);
        answer(a, at->vendor);
    }
}

/* ---- deprovision, suspend */

static void one_turned(void *arg, vk_err e, const char *why)
{
    vk_prov_asked *a = arg;
    if (e != VK_OK && a->err == VK_OK) {
        a->err = e;
        snprintf(a->why, sizeof a->why, "%s", why);
    }
    if (--a->left > 0)
        return;
    if (a->err != VK_OK) {
        vk_prov_refuse(a->ex, a->err, a->why);
        return;
    }
    vk_jw w = vk_jw_on(&a->ex->out);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("resources"));
    vk_jw_arr(&w);
    for (size_t i = 0; i < a->n_meant; i++) {
        vk_made m;
        const vk_org *g = vk_org_find(a->provs->with.orgs, vk_str_z(a->meant[i]->name), a->build);
        if (g && vk_prov_made_of(g, &m) == VK_OK)
            vk_prov_show(a->provs, &w, g, &m);
    }
    vk_jw_arr_end(&w);
    vk_jw_obj_end(&w);
    vk_respond(a->ex, 202, "application/json");
}

/* What becomes of one when it is to end. */
static void end_one(vk_prov_asked *a, const vk_vendor *v, const char *build, vk_made *m)
{
    const vk_prov_job *j = vk_prov_job_of(a->provs, a->build, v);
    bool untouched = m->state == VK_PROV_MAKING && j && !j->begun && !j->tried;
    if (m->state == VK_PROV_FAILED || untouched) {
        vk_prov_turn(a->provs, v, build, NULL, a->actor, one_turned, a);
        return;
    }
    /* One that is ending already begins anew, at once: what may come late is still waited for. */
    vk_prov_end(m, m->late || (j && (j->lingers || (m->list == VK_PROV_MAKE && (j->late || j->run)))));
    vk_prov_turn(a->provs, v, build, m, a->actor, one_turned, a);
}

static void suspend_one(vk_prov_asked *a, const vk_vendor *v, const char *build, vk_made *m)
{
    if (m->state == VK_PROV_READY && vk_prov_vendor_of(a->provs, v)->how->suspend) {
        vk_prov_suspend(m);
        vk_prov_turn(a->provs, v, build, m, a->actor, one_turned, a);
        return;
    }
    vk_prov_job *j = vk_prov_job_of(a->provs, a->build, v);
    if (j && m->state == VK_PROV_MAKING) /* what ends has reasons for its waits */
        vk_prov_wake(j);                 /* what is being made sees for itself that nobody wants it */
    one_turned(a, VK_OK, "");
}

static void each(vk_prov_asked *a,
                 void (*one)(vk_prov_asked *a, const vk_vendor *v, const char *build, vk_made *m))
{
    vk_made made[VK_VENDORS_MAX];
    char build[VK_BUILD_ID_MAX + 1];
    snprintf(build, sizeof build, VK_STR_FMT, VK_STR_ARG(a->build));
    for (size_t i = 0; i < a->provs->n_vendors; i++) {
        const vk_vendor *v = a->provs->vendors[i].vendor;
        const vk_org *g = a->provs->vendors[i].how && v->own
                              ? vk_org_find(a->provs->with.orgs, vk_str_z(v->name), a->build)
                              : NULL;
        vk_made *m = &made[a->n_meant];
        vk_err e = g ? vk_prov_made_of(g, m) : VK_E_NOT_FOUND;
        if (e == VK_E_NOT_FOUND || (a->service.n && !vk_str_eqz(a->service, v->service)))
            continue;
        if (e != VK_OK) {
            char why[VK_PROV_WHY];
            snprintf(why, sizeof why,
                     "What was made for the build at %s cannot be read now. Restore vault/ from a backup; or "
                     "take vault/build/%s/%s away and restart valetkey: then nothing is ended there, and "
                     "valetkey keys sweep %s shows what is left.",
                     v->title, build, v->name, v->name);
            vk_prov_refuse(a->ex, VK_E_UNAVAILABLE, why);
            return;
        }
        if (!a->generation || (uint64_t)a->generation == m->generation)
            a->meant[a->n_meant++] = v;
    }
    a->left = a->n_meant + 1;
    for (size_t i = 0, n = a->n_meant; i < n; i++)
        one(a, a->meant[i], build, &made[i]);
    one_turned(a, VK_OK, "");
}

static void deprovision(vk_prov_asked *a)
{
    each(a, end_one);
}

static void suspend(vk_prov_asked *a)
{
    each(a, suspend_one);
}

/* ---- the calls */

static const struct call {
    const char *path;
    void (*run)(vk_prov_asked *a);
} posts[] = {
    {"/v1/resources/provision", provision}, {"/v1/resources/deprovision", deprovision},
    {"/v1/resources/suspend", suspend},     {"/v1/resources/credentials", vk_prov_credentials},
    {"/v1/resources/usage", vk_prov_usage}, {"/v1/resources/sweep", vk_prov_sweep},
};

static const struct call *post_of(const vk_exchange *ex)
{
    for (size_t i = 0; vk_str_eqz(ex->method, "POST") && i < VK_COUNT(posts); i++)
        if (vk_str_eqz(ex->path, posts[i].path))
            return &posts[i];
    return NULL;
}

static bool text_of(const vk_json *body, const char *name, size_t most, vk_str *out_r)
{
    const vk_json *v = vk_json_opt(body, vk_str_z(name));
    *out_r = v ? vk_json_str(v) : VK_STR("");
    return !v || (v->type == VK_JSON_STRING && v->u.s.n <= most &&
                  (!v->u.s.n || !memchr(v->u.s.p, '\0', v->u.s.n)));
}

static vk_prov_asked *read_asked(vk_provs *x, vk_exchange *ex)
{
    vk_json *body;
    vk_str actor;
    vk_prov_asked *a = VK_NEW(ex->arena, vk_prov_asked);
    if (!a) {
        vk_prov_refuse(ex, VK_E_NOMEM, "There is not enough memory.");
        return NULL;
    }
    if (vk_json_parse(ex->arena, vk_buf_view(&ex->body), &body, NULL, NULL) != VK_OK ||
        body->type != VK_JSON_OBJECT) {
        vk_prov_refuse(ex, VK_E_INVALID, "The body is no JSON object.");
        return NULL;
    }
    *a = (vk_prov_asked){.provs = x, .ex = ex, .body = body};
    const vk_json *generation = vk_json_opt(body, VK_STR("generation"));
    if (!text_of(body, "build", VK_BUILD_ID_MAX, &a->build) ||
        !text_of(body, "service", VK_SERVICE_MAX, &a->service) ||
        !text_of(body, "actor", VK_AUDIT_TEXT - 1, &actor) ||
        (generation && (vk_json_i64(generation, &a->generation) != VK_OK || a->generation < 0))) {
        vk_prov_refuse(
            ex, VK_E_INVALID,
            "\"build\", \"service\" and \"actor\" are texts, and not too long ones; \"generation\" is a "
            "number.");
        return NULL;
    }
    snprintf(a->actor, sizeof a->actor, VK_STR_FMT, VK_STR_ARG(actor));
    return a;
}

bool vk_provs_head(vk_exchange *ex)
{
    if (!post_of(ex))
        return false;
    ex->body_max = VK_KEEPER_BODY_MAX;
    return true;
}

bool vk_provs_call(vk_provs *x, vk_exchange *ex)
{
    const struct call *call = post_of(ex);
    bool list = vk_str_eqz(ex->method, "GET") && vk_str_eqz(ex->path, "/v1/resources");
    if (!call && !list)
        return false;
    if (!x || !x->with.view || !x->with.audit) {
        vk_prov_refuse(
            ex, VK_E_UNAVAILABLE,
            "Nothing is made at vendors while keeper has no audit log, or cannot see the metadata.");
        return true;
    }
    vk_prov_asked *a = call ? read_asked(x, ex) : NULL;
    if (list)
        vk_prov_list_all(x, ex);
    else if (a)
        call->run(a);
    return true;
}
