/* Builds: create, list, show, origins, environment. */
#include "admin/alone.h"
#include "admin/brokered.h"
#include "core/clock.h"
#include "core/random.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 500, RANDOM_ID = 10, RANDOM_TRIES = 4 };

/* ---- create */

struct rows_arg {
    const vk_runtime *rt;
    vk_hmac_key *lookup;
};

/* The rows of all valet keys that registered services issue and clients show. Called by the store once the
 * generation is known. */
static vk_err make_rows(void *arg, const vk_build *b, vk_valet_row *rows, size_t *n_r)
{
    const struct rows_arg *x = arg;
    const vk_service *services[VK_SERVICES_MAX];
    size_t n_services = vk_services(services), n = 0;
    for (size_t i = 0; i < n_services; i++)
        for (const vk_valet_kind *k = services[i]->kinds; k && k->kind; k++) {
            char key[VK_VALET_MAX];
            if (k->unsent)
                continue;
            if (n == 16)
                return VK_E_INTERNAL;
            vk_valet_row *r = &rows[n++];
            *r = (vk_valet_row){
                .kind = k->kind, .kid = vk_master_kid(x->rt->master), .generation = b->generation};
            memcpy(r->build, b->id, sizeof r->build);
            snprintf(r->service, sizeof r->service, "%s", services[i]->name);
            vk_valet_derive(x->rt->master, k, vk_str_z(b->id), vk_str_z(services[i]->name), b->generation,
                            key);
            vk_valet_hash(x->lookup, vk_secret_of(vk_str_z(key)), r->hash);
            vk_wipe(key, sizeof key);
        }
    *n_r = n;
    return VK_OK;
}

vk_err vk_admin_join_services(const vk_runtime *rt, size_t *n_r)
{
    const vk_service *services[VK_SERVICES_MAX];
    vk_str names[VK_SERVICES_MAX];
    size_t n = vk_services(services);
    struct rows_arg arg = {.rt = rt};
    for (size_t i = 0; i < n; i++)
        names[i] = vk_str_z(services[i]->name);
    vk_err e = vk_valet_lookup_key(rt->master, &arg.lookup);
    if (e != VK_OK)
        return e;
    e = rt->store->ops->services_join(rt->store, names, n, make_rows, &arg, n_r);
    vk_hmac_key_free(arg.lookup);
    return e;
}

static void random_id(char id[VK_BUILD_ID_MAX + 1])
{
    static const char alphabet[33] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t bytes[RANDOM_ID];
    vk_random(bytes, sizeof bytes);
    for (size_t i = 0; i < RANDOM_ID; i++)
        id[i] = alphabet[bytes[i] & 31];
    id[RANDOM_ID] = '\0';
}

static void fill_build(const vk_call *c, int64_t now, vk_build *b)
{
    const vk_create *p = &c->create;
    *b = (vk_build){.state = VK_BUILD_ACTIVE, .created_ms = now, .touched_ms = now};
    if (p->id.p)
        memcpy(b->id, p->id.p, p->id.n);
    else
        random_id(b->id);
    snprintf(b->framework, sizeof b->framework, "%s",
             p->framework ? p->framework->name : vk_frameworks[0].name);
    b->ttl_ms = p->ttl_ms ? p->ttl_ms : c->rt->default_ttl_ms;
    b->expires_ms = now + b->ttl_ms;
    b->n_origins = (uint32_t)p->n_origins;
    memcpy(b->origins, p->origins, sizeof *p->origins * p->n_origins);
}

/* A file that people look at says which services are not the build's own. */
static void put_labels(vk_buf *out, const vk_brokered *x)
{
    const vk_service *all[VK_SERVICES_MAX];
    size_t n = vk_services(all);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < x->n; k++) {
            const vk_binding *b = &x->bindings[k];
            const char *isolation = vk_driver_isolation(all[i], b);
            if (strcmp(b->service, all[i]->name) != 0 || strcmp(b->driver, "embedded") == 0)
                continue;
            vk_buf_printf(out, "# %s: by %s, with a key of the organisation%s%s\n", b->service, b->driver,
                          isolation ? "; " : "", isolation ? isolation : "");
            vk_str until = vk_brokered_expires(x, b->service);
            if (vk_binding_direct(b))
                vk_buf_printf(out, "# %s: the vendor's own credential, not a valet key%s" VK_STR_FMT "\n",
                              b->service, until.n ? "; good until " : "", VK_STR_ARG(until));
        }
}

static vk_err put_env(vk_call *c, vk_buf *out, const vk_brokered *x, vk_env_format f, const char **why_r)
{
    const vk_build *b = &x->build;
    vk_env_var *vars = vk_arena_alloc(c->ex->arena, sizeof *vars * VK_ENV_MAX);
    size_t n = 0;
    *why_r = "out of memory";
    if (!vars)
        return VK_E_NOMEM;
    vk_err e = vk_env_build(c->rt, c->ex->arena, b, c->framework, &x->env, vars, &n, why_r);
    if (e == VK_OK && c->settings)
        e = vk_settings_add(c->rt, c->ex->arena, b, vars, &n, x->marks, x->n_marks, why_r);
    if (e == VK_OK && f == VK_ENV_DOTENV)
        put_labels(out, x);
    return e == VK_OK ? vk_env_write(out, f, vars, n, why_r) : e;
}

static void env_known(vk_call *c);

/* What is asked of keeper needs the metadata's lane no more; the build is there, whatever comes of it. */
static void answer_made(vk_call *c, vk_making *m)
{
    if (m->err != VK_OK) {
        vk_call_fail(c, m->err, "The build \"%s\" exists, but is not complete: %s", m->build, m->why);
        return;
    }
    if (!vk_making_incomplete(m)) {
        env_known(c);
        return;
    }
    vk_build b;
    if (!vk_call_build_of(c, vk_str_z(m->build), &b))
        return;
    vk_jw w = vk_jw_on(&c->ex->out);
    vk_jw_obj(&w);
    vk_admin_build_members(c, &w, &b, vk_clock_wall_ms());
    vk_jw_kbool(&w, "new", c->status == 201);
    vk_jw_key(&w, VK_STR("resources"));
    vk_making_write(&w, m);
    vk_jw_obj_end(&w);
    vk_call_finish(c, 202);
}

/* Whether the build has something that keeper makes; VK_OK. */
static vk_err makes_some(vk_call *c, const vk_build *b, bool *some_r)
{
    vk_binding all[VK_BINDINGS_MAX];
    vk_store *s = c->rt->store;
    size_t n = 0;
    vk_err e = s->ops->binding_list(s, c->ex->arena, vk_str_z(b->id), all, VK_COUNT(all), &n);
    *some_r = false;
    for (size_t i = 0; e == VK_OK && i < n; i++)
        *some_r |= vk_driver_makes(&all[i]) && (!c->only.n || vk_str_eqz(c->only, all[i].service));
    return e;
}

static void put_expiry(vk_jw *w, const vk_brokered *x)
{
    if (x->expires[0])
        vk_jw_kstr(w, "env_expires_at", vk_str_z(x->expires));
}

static void answer_env(vk_call *c, const vk_build *b, int status)
{
    c->status = status;
    const vk_brokered *x = vk_brokered_know(c, b, env_known);
    if (!x)
        return;
    vk_jw w = vk_jw_on(&c->ex->out);
    const char *why;
    vk_jw_obj(&w);
    vk_admin_build_members(c, &w, b, vk_clock_wall_ms());
    vk_jw_key(&w, VK_STR("env"));
    vk_err e = put_env(c, &c->ex->out, x, VK_ENV_JSON, &why);
    if (e != VK_OK) {
        vk_call_fail(c, e, "The build \"%s\" exists, but its environment cannot be made: %s", b->id, why);
        return;
    }
    w.need_comma = true;
    put_expiry(&w, x);
    vk_jw_obj_end(&w);
    vk_call_finish(c, status);
}

/* As answer_env, once all that it has from vendors is there. */
static void answer_with_env(vk_call *c, const vk_build *b, int status)
{
    bool some;
    vk_err e = makes_some(c, b, &some);
    c->status = status;
    if (e != VK_OK) {
        vk_call_fail_store(c, e);
        return;
    }
    if (!some) {
        answer_env(c, b, status);
        return;
    }
    c->built = *b;
    bool going = vk_call_making(c, b, VK_MAKING_AGAIN, VK_STR_NONE, answer_made);
    VK_UNUSED(going); /* else it was answered */
}

/* The build is there already, whatever happens: asking again gives it. */
static void env_known(vk_call *c)
{
    answer_env(c, c->brokered ? &c->brokered->build : &c->built, c->status);
}

/* The build was there before this request. */
static void answer_existing(vk_call *c, const vk_build *b)
{
    switch (b->state) {
    case VK_BUILD_DELETING:
        vk_call_fail(c, VK_E_CONFLICT, "The build \"%s\" is being deleted; try again in a second", b->id);
        return;
    case VK_BUILD_REVOKED:
        vk_call_fail(c, VK_E_CONFLICT,
                     "The build \"%s\" exists and was revoked; delete it first, or choose another id", b->id);
        return;
    default:
        break;
    }
    vk_binding bindings[VK_BINDINGS_MAX];
    size_t n;
    vk_store *s = c->rt->store;
    vk_err e = s->ops->binding_list(s, c->ex->arena, vk_str_z(b->id), bindings, VK_COUNT(bindings), &n);
    if (e != VK_OK)
        vk_call_fail_store(c, e);
    else if (b->expires_ms <= vk_clock_wall_ms())
        vk_call_fail(c, VK_E_CONFLICT,
                     "The build \"%s\" exists and has expired; delete it first, or choose another id", b->id);
    else if (!vk_create_fits(&c->create, b, bindings, n))
        vk_call_fail(c, VK_E_CONFLICT,
                     "The build \"%s\" exists with another framework, ttl or other origins, or other "
                     "drivers; GET it to see "
                     "them, PUT its origins or a service's driver to change those, or choose another id",
                     b->id);
    else
        answer_with_env(c, b, 200);
}

static void answer_idem_mismatch(vk_call *c)
{
    vk_call_fail(c, VK_E_UNPROCESSABLE,
                 "This Idempotency-Key was used with another request; use a new key for a new request");
}

static void answer_idem_gone(vk_call *c)
{
    vk_call_fail(c, VK_E_CONFLICT,
                 "The build that this Idempotency-Key made was deleted; use a new key to make another one");
}

/* The request's before the organisation's: the store takes the first that names a service. */
static size_t chosen_drivers(const vk_call *c, vk_binding out[2 * VK_SERVICES_MAX])
{
    memcpy(out, c->create.drivers, c->create.n_drivers * sizeof *out);
    memcpy(out + c->create.n_drivers, c->rt->drivers, c->rt->n_drivers * sizeof *out);
    return c->create.n_drivers + c->rt->n_drivers;
}

/* Whether it may have them; otherwise it was answered. */
static bool drivers_alone(vk_call *c)
{
    vk_binding bindings[2 * VK_SERVICES_MAX];
    size_t n = chosen_drivers(c, bindings);
    for (size_t i = 0; i < n; i++) {
        size_t first = 0;
        while (strcmp(bindings[first].service, bindings[i].service) != 0)
            first++;
        if (first == i && !vk_binding_alone(c, c->create.id, &bindings[i]))
            return false;
    }
    return true;
}

/* VK_AGAIN: the random id was taken. */
static vk_err try_create(vk_call *c, const uint8_t digest[VK_HASH], vk_build *b)
{
    vk_store *s = c->rt->store;
    struct rows_arg arg = {.rt = c->rt};
    vk_err e = vk_valet_lookup_key(c->rt->master, &arg.lookup);
    if (e != VK_OK)
        return e;
    fill_build(c, vk_clock_wall_ms(), b);
    char wanted[VK_BUILD_ID_MAX + 1];
    memcpy(wanted, b->id, sizeof wanted);
    vk_binding bindings[2 * VK_SERVICES_MAX];
    size_t n = chosen_drivers(c, bindings);
    e = s->ops->build_create(s, c->ex->arena, b, bindings, n, c->idem, digest, make_rows, &arg);
    vk_hmac_key_free(arg.lookup);
    bool taken = e == VK_E_CONFLICT && !c->create.id.p && strcmp(wanted, b->id) == 0;
    return taken ? VK_AGAIN : e;
}

static void create_work(vk_call *c)
{
    vk_store *s = c->rt->store;
    uint8_t digest[VK_HASH];
    vk_build b;
    vk_str id;
    vk_create_digest(&c->create, digest);
    vk_err e = c->idem.n ? s->ops->idem_find(s, c->ex->arena, c->idem, digest, &id) : VK_E_NOT_FOUND;
    if (e == VK_OK) {
        e = s->ops->build_get(s, c->ex->arena, id, &b);
        if (e == VK_E_NOT_FOUND)
            answer_idem_gone(c);
        else if (e != VK_OK)
            vk_call_fail_store(c, e);
        else
            answer_existing(c, &b);
        return;
    }
    if (e == VK_E_NOT_FOUND && !drivers_alone(c))
        return;
    if (e == VK_E_NOT_FOUND) {
        e = VK_AGAIN;
        for (int i = 0; e == VK_AGAIN && i < RANDOM_TRIES; i++)
            e = try_create(c, digest, &b);
    }
    if (e == VK_OK)
        answer_with_env(c, &b, 201);
    else if (e == VK_E_CONFLICT)
        answer_existing(c, &b);
    else if (e == VK_E_UNPROCESSABLE)
        answer_idem_mismatch(c);
    else
        vk_call_fail_store(c, e);
}

static bool json_type(const vk_exchange *ex)
{
    vk_str t = ex->content_type, type;
    if (!t.p || ex->body.n == 0)
        return true;
    if (!vk_str_cut(&t, ';', &type))
        type = t;
    while (type.n && type.p[type.n - 1] == ' ')
        type.n--;
    return vk_str_ieq(type, VK_STR("application/json"));
}

void vk_admin_build_create(vk_call *c)
{
    const char *why;
    vk_str idem = vk_request_header(c->ex, VK_STR("Idempotency-Key"));
    if (!json_type(c->ex)) {
        (void)vk_admin_error(c->ex, VK_E_INVALID, "The Content-Type must be application/json");
        return;
    }
    if (idem.p && !vk_idem_ok(idem)) {
        (void)vk_admin_error(c->ex, VK_E_INVALID,
                             "Idempotency-Key must be 1 to 255 visible ASCII characters");
        return;
    }
    vk_err e = vk_create_parse(c->ex->arena, vk_buf_view(&c->ex->body), &c->create, &why);
    if (e != VK_OK) {
        (void)vk_admin_error(c->ex, e, "%s", why);
        return;
    }
    c->idem = idem;
    vk_call_on_lane(c, create_work);
}

/* ---- list, show */

static void list_work(vk_call *c)
{
    vk_store *s = c->rt->store;
    size_t limit = (size_t)c->status, n = 0;
    vk_build *b = vk_arena_alloc(c->ex->arena, sizeof *b * (limit + 1));
    vk_err e = b ? s->ops->build_list(s, c->ex->arena, c->param[0], limit + 1, b, &n) : VK_E_NOMEM;
    if (e != VK_OK) {
        vk_call_fail_store(c, e);
        return;
    }
    int64_t now = vk_clock_wall_ms();
    bool more = n > limit;
    vk_jw w = vk_jw_on(&c->ex->out);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("builds"));
    vk_jw_arr(&w);
    for (size_t i = 0; i < n && i < limit; i++) {
        vk_jw_obj(&w);
        vk_admin_build_members(c, &w, &b[i], now);
        vk_jw_obj_end(&w);
    }
    vk_jw_arr_end(&w);
    vk_jw_key(&w, VK_STR("next"));
    if (more)
        vk_jw_str(&w, vk_str_z(b[limit - 1].id));
    else
        vk_jw_null(&w);
    vk_jw_obj_end(&w);
    vk_call_finish(c, 200);
}

void vk_admin_build_list(vk_call *c)
{
    vk_str after, limit;
    int64_t n = LIST_DEFAULT;
    if (!vk_call_query(c, "after", &after) || !vk_call_query(c, "limit", &limit))
        return;
    if (limit.p && (vk_str_to_i64(limit, &n) != VK_OK || n < 1 || n > LIST_MAX)) {
        (void)vk_admin_error(c->ex, VK_E_INVALID, "\"limit\" must be a number from 1 to %d", (int)LIST_MAX);
        return;
    }
    if (after.n && !vk_build_id_ok(after)) {
        (void)vk_admin_error(c->ex, VK_E_INVALID,
                             "\"after\" must be a build's id: the \"next\" of the page before");
        return;
    }
    c->param[0] = after;
    c->status = (int)n;
    vk_call_on_lane(c, list_work);
}

static void show_work(vk_call *c)
{
    vk_build b;
    if (!vk_call_build(c, &b))
        return;
    vk_jw w = vk_jw_on(&c->ex->out);
    vk_jw_obj(&w);
    vk_admin_build_members(c, &w, &b, vk_clock_wall_ms());
    vk_jw_obj_end(&w);
    vk_call_finish(c, 200);
}

void vk_admin_build_show(vk_call *c)
{
    vk_call_on_lane(c, show_work);
}

/* ---- origins */

static void origins_work(vk_call *c)
{
    vk_store *s = c->rt->store;
    vk_build b;
    if (!vk_call_build(c, &b))
        return;
    if (b.state != VK_BUILD_ACTIVE) {
        vk_call_fail(c, VK_E_CONFLICT, "The build \"%s\" is %s; only an active build's origins can change",
                     b.id, vk_build_state_name(&b, vk_clock_wall_ms()));
        return;
    }
    vk_err e = s->ops->build_origins(s, c->param[0], c->create.origins, c->create.n_origins);
    /* Before it is answered: what services remember of the build does not count any more. */
    vk_registry_forget(&c->rt->registry, vk_str_z(b.id), false, NULL);
    if (e != VK_OK)
        vk_call_fail_store(c, e);
    else
        show_work(c);
}

void vk_admin_build_origins(vk_call *c)
{
    const char *why;
    if (!json_type(c->ex)) {
        (void)vk_admin_error(c->ex, VK_E_INVALID, "The Content-Type must be application/json");
        return;
    }
    vk_err e = vk_origins_parse(c->ex->arena, vk_buf_view(&c->ex->body), &c->create, &why);
    if (e != VK_OK)
        (void)vk_admin_error(c->ex, e, "%s", why);
    else
        vk_call_on_lane(c, origins_work);
}

/* ---- environment */

static void env_work(vk_call *c);

static void env_made(vk_call *c, vk_making *m)
{
    if (m->err != VK_OK)
        vk_call_fail(c, m->err, "%s", m->why);
    else if (vk_making_incomplete(m))
        vk_call_fail(c, m->waits ? VK_E_UNAVAILABLE : VK_E_CONFLICT, "%s", vk_making_said(m));
    else
        env_work(c);
}

/* Whether it can be printed; otherwise it was answered, or will be. */
static bool env_complete(vk_call *c, const vk_build *b)
{
    bool some = false;
    vk_err e = c->making ? VK_OK : makes_some(c, b, &some);
    if (e != VK_OK) {
        vk_call_fail_store(c, e);
        return false;
    }
    if (!some)
        return true;
    bool going = vk_call_making(c, b, VK_MAKING_LOOK, c->only, env_made);
    VK_UNUSED(going); /* else it was answered */
    return false;
}

static void env_work(vk_call *c)
{
    vk_build b;
    vk_env_format f = VK_ENV_JSON;
    const char *why;
    if (!vk_call_build(c, &b))
        return;
    const char *state = vk_build_state_name(&b, vk_clock_wall_ms());
    if (strcmp(state, "active") != 0) {
        vk_call_fail(c, VK_E_CONFLICT,
                     "The build \"%s\" is %s, so its keys open nothing; create another build", b.id, state);
        return;
    }
    if (c->format.p && !vk_env_format_parse(c->format, &f)) {
        vk_call_fail(c, VK_E_INVALID,
                     "\"format\" is unknown; known are dotenv, shell, docker, systemd and json");
        return;
    }
    if (!env_complete(c, &b))
        return;
    const vk_brokered *x = vk_brokered_know(c, &b, env_work);
    if (!x)
        return;
    vk_err e = put_env(c, &c->ex->out, x, f, &why);
    if (e == VK_OK && x->expires[0]) {
        e = vk_header_add(c->ex, "Valetkey-Env-Expires", vk_str_z(x->expires));
        why = "out of memory";
    }
    if (e != VK_OK) {
        vk_call_fail(c, e, "%s", why);
        return;
    }
    if (f != VK_ENV_JSON)
        c->content_type = "text/plain; charset=utf-8";
    vk_call_finish(c, 200);
}

void vk_admin_build_env(vk_call *c)
{
    vk_str settings;
    if (!vk_call_query(c, "framework", &c->framework) || !vk_call_query(c, "format", &c->format) ||
        !vk_call_query(c, "settings", &settings) || !vk_call_query(c, "service", &c->only))
        return;
    if (c->only.p && vk_service_index(c->only) < 0) {
        (void)vk_admin_error(c->ex, VK_E_INVALID, "\"service\" must be one of GET /api/v1/status");
        return;
    }
    if (settings.p && !vk_str_eqz(settings, "true") && !vk_str_eqz(settings, "false")) {
        (void)vk_admin_error(c->ex, VK_E_INVALID, "\"settings\" must be true or false");
        return;
    }
    c->settings = vk_str_eqz(settings, "true");
    vk_call_on_lane(c, env_work);
}
