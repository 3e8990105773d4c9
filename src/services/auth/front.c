/* The way of a call: head, the build's strand, back to the loop. */
#include "services/auth/inside.h"

#include "core/clock.h"
#include "core/log.h"

enum {
    RUNS_MAX = 1 + VK_AUTH_WORKS_MAX,
    CLIENT_MAX = 1 << 20, /* bytes of a client as JSON, beside a refusal */
    DEAR_SLOTS = 4096,    /* a few kilobytes; two addresses that share a slot share its rate */
    DEAR_PER_SECOND = 10,
    DEAR_BURST = 100,
};

vk_auth_service vk_auth;

/* ---- what handlers may ask */

vk_auth_fail vk_auth_broke(const vk_auth_call *c, vk_err e)
{
    if (e == VK_E_BUSY || e == VK_E_UNAVAILABLE)
        return VK_AUTH_F_TOO_MANY;
    if (e == VK_E_FULL) /* which the store has logged */
        return VK_AUTH_F_FULL;
    vk_log(VK_WARN, "a call of an app's users could not be done", VK_F(build, c->about->build),
           VK_F(error, vk_err_name(e)));
    return VK_AUTH_F_INTERNAL;
}

void vk_auth_lookup(const vk_auth_call *c, vk_secret text, uint8_t out[VK_SHA256])
{
    vk_hmac(vk_secret_bytes(vk_auth_pool_lookup_key(c->pool)), vk_secret_bytes(text), out);
}

vk_secret vk_auth_code_key(const vk_auth_call *c)
{
    return vk_auth_pool_code_key(c->pool);
}

bool vk_auth_fixed(const vk_auth_call *c, vk_str address)
{
    VK_UNUSED(c);
    return vk_auth_fixed_code(address, vk_auth.fixed_code, vk_auth.alone);
}

bool vk_auth_hides_users(const vk_auth_call *c)
{
    VK_UNUSED(c);
    return vk_auth.hides_users;
}

vk_str vk_auth_gateway(const vk_auth_call *c)
{
    const vk_runtime *rt = vk_auth_runtime();
    return vk_arena_printf(c->arena, "%s/b/%s", rt->url_browser[vk_auth_index()], c->about->build);
}

vk_auth_view vk_auth_view_of(const vk_auth_call *c)
{
    vk_str gateway = vk_auth_gateway(c);
    return (vk_auth_view){.gateway = gateway.p ? gateway : VK_STR(""),
                          .now_ms = c->now_ms,
                          .backend = c->route->need == VK_AUTH_NEEDS_BACKEND};
}

vk_auth_fail vk_auth_rsa(vk_auth_call *c, const vk_rsa **out_r)
{
    *out_r = vk_auth_pool_rsa(c->pool);
    return *out_r ? VK_AUTH_F_OK : VK_AUTH_F_INTERNAL;
}

/* ---- on the strand */

static void run(vk_auth_job *j);

static void worked(vk_password_job *j)
{
    vk_auth_work *w = VK_CONTAINER(j, vk_auth_work, job);
    vk_auth_call *c = w->call;
    w->done = true;
    if (vk_auth_pool_submit(c->pool, &c->job, true) != VK_OK) {
        c->fail = VK_AUTH_F_TOO_MANY;
        vk_exchange_post(c->ex, c->resume);
    }
}

/* The client for a refusal's `meta.client`, as it is without what was undone. */
static vk_str client_text(vk_auth_call *c, vk_buf *b)
{
    vk_jw w = vk_jw_on(b);
    if (vk_auth_who(c) != VK_AUTH_F_OK || !c->has_client || vk_auth_client_now(c, &w) != VK_AUTH_F_OK ||
        b->err)
        return VK_STR_NONE;
    return vk_buf_view(b);
}

/* One run of the handler, with its envelope. */
static vk_auth_fail attempt(vk_auth_call *c)
{
    vk_exchange *ex = c->ex;
    vk_buf_clear(&ex->out);
    c->asked = 0;
    c->keep = c->guessed = false;
    c->new_browser[0] = '\0';
    c->param = c->to = VK_STR_NONE;
    c->w = vk_jw_on(&ex->out);
    vk_auth_fail f = vk_auth_who(c);
    if (f != VK_AUTH_F_OK)
        return f;
    if (c->route->form != VK_AUTH_BARE) {
        vk_jw_obj(&c->w);
        vk_jw_key(&c->w, VK_STR("response"));
    }
    f = c->route->run(c);
    if (f != VK_AUTH_F_OK || c->route->form == VK_AUTH_BARE)
        return f;
    vk_jw_key(&c->w, VK_STR("client"));
    if (c->route->form == VK_AUTH_ENVELOPE)
        f = vk_auth_client_now(c, &c->w);
    else
        vk_jw_null(&c->w);
    vk_jw_obj_end(&c->w);
    return f;
}

/* Ends the transaction, if there is one: what was asked is done or undone. */
static vk_auth_fail settle(vk_auth_call *c, vk_auth_fail f)
{
    if (c->route->reads)
        return f;
    if (f == VK_AUTH_F_OK || (f != VK_AUTH_F_AGAIN && c->keep)) {
        vk_err e = vk_auth_db_end(c->db);
        return e == VK_OK ? f : vk_auth_broke(c, e);
    }
    vk_auth_db_undo(c->db);
    return f;
}

static vk_auth_fail once(vk_auth_call *c)
{
    bool backend = c->route->need == VK_AUTH_NEEDS_BACKEND;
    /* The build may have been revoked while this waited. Whoever closes it waits for this job's end. */
    if (c->tenant && atomic_load(&c->tenant->closed))
        return backend ? VK_AUTH_F_SECRET_KEY : VK_AUTH_F_HOST;
    if (c->runs++ == RUNS_MAX)
        return VK_AUTH_F_TOO_MANY;
    /* Who only looks at what there is makes nothing. */
    bool make = c->tenant || strcmp(c->route->method, "POST") == 0;
    c->db = NULL;
    vk_err e = vk_auth_pool_db(c->pool, make, &c->db);
    if (e != VK_OK) {
        c->db = NULL;
        return e == VK_E_NOT_FOUND && !make ? VK_AUTH_F_NOT_FOUND : vk_auth_broke(c, e);
    }
    c->now_ms = vk_clock_wall_ms();
    if (!c->route->reads && (e = vk_auth_db_begin(c->db)) != VK_OK)
        return vk_auth_broke(c, e);
    return settle(c, attempt(c));
}

static void run(vk_auth_job *j)
{
    vk_auth_call *c = VK_CONTAINER(j, vk_auth_call, job);
    vk_auth_fail f = once(c);
    if (f == VK_AUTH_F_AGAIN) {
        if (vk_auth_work_begin(c, worked))
            return; /* it may be on its way again already */
        f = VK_AUTH_F_TOO_MANY;
    }
    if (f != VK_AUTH_F_OK) {
        vk_buf client;
        vk_buf_init(&client, CLIENT_MAX);
        vk_str text = VK_STR_NONE, param = c->param;
        bool form = vk_auth_fail_status(f) == 422 && c->route->need != VK_AUTH_NEEDS_BACKEND && c->has_client;
        if (form)
            text = client_text(c, &client);
        vk_auth_refusal(c->ex, f, param, text);
        vk_buf_free_secret(&client);
    }
    c->fail = f;
    vk_exchange_post(c->ex, c->resume);
}

/* ---- on the loop */

static void let_go(vk_auth_call *c)
{
    if (c->pool)
        vk_auth_pool_let_go(c->pool);
    c->pool = NULL;
}

static void done(vk_exchange *ex)
{
    let_go(vk_auth_call_of(ex));
}

static void finish(vk_exchange *ex)
{
    vk_auth_call *c = vk_auth_call_of(ex);
    vk_count(&vk_auth_count.calls, 1);
    let_go(c);
    if (c->guessed) {
        vk_count(&vk_auth_count.guesses, 1);
        if (vk_exchange_bad_key(ex) != VK_OK)
            c->fail = VK_AUTH_F_TOO_MANY; /* it does not learn whether the guess was good */
    }
    if (c->fail == VK_AUTH_F_TOO_MANY)
        vk_auth_refuse(ex, c, c->fail);
    else if (c->fail != VK_AUTH_F_OK)
        vk_auth_refused(c);
    else
        vk_auth_answer(c);
}

/* False: too many calls of that address which make something for whoever asks. */
static bool dear_ok(vk_auth_call *c)
{
    static vk_bucket slots[DEAR_SLOTS];
    const vk_rate rate = vk_rate_of(DEAR_PER_SECOND, DEAR_BURST);
    uint64_t from = vk_exchange_from(c->ex) ^ vk_hash_str(vk_str_z(c->about->build));
    vk_str key = {(const char *)&from, sizeof from};
    int64_t wait = vk_rate_take(&slots[vk_hash_str(key) % DEAR_SLOTS], &rate, vk_clock_mono_ms());
    c->ex->retry_s = wait ? vk_rate_seconds(wait) : 0;
    return wait == 0;
}

/* `_method` of a POST names the real one: what browsers may send without a preflight is GET and POST. */
static vk_str method_of(const vk_auth_call *c)
{
    vk_str m;
    if (vk_str_eqz(c->ex->method, "HEAD"))
        return VK_STR("GET");
    if (!vk_str_eqz(c->ex->method, "POST") ||
        vk_auth_param_text(&c->query, VK_STR("_method"), 8, &m) != VK_OK)
        return c->ex->method;
    return vk_str_eqz(m, "PATCH") || vk_str_eqz(m, "PUT") || vk_str_eqz(m, "DELETE") ? m : c->ex->method;
}

/* The build's secret key. A key of another build is a wrong one. */
static vk_auth_fail backend_key(vk_auth_call *c, vk_str build)
{
    vk_exchange *ex = c->ex;
    vk_str scheme, token = vk_secret_bytes(ex->authorization);
    vk_err e = VK_E_UNAUTHORIZED;
    if (token.p && vk_str_cut(&token, ' ', &scheme) && vk_str_ieq(scheme, VK_STR("Bearer"))) {
        e = vk_service_verify(ex, vk_secret_of(token), 'b');
        const vk_tenant *t = ex->principal;
        if (e == VK_OK && !vk_str_eqz(build, t->id))
            e = vk_exchange_bad_key(ex) == VK_OK ? VK_E_UNAUTHORIZED : VK_E_BUSY;
    } else if (vk_exchange_bad_key(ex) != VK_OK) {
        e = VK_E_BUSY;
    }
    return e == VK_OK                                ? VK_AUTH_F_OK
           : e == VK_E_BUSY || e == VK_E_UNAVAILABLE ? VK_AUTH_F_TOO_MANY
           : e == VK_E_NOMEM                         ? VK_AUTH_F_INTERNAL
                                                     : VK_AUTH_F_SECRET_KEY;
}

static vk_auth_fail open_build(vk_auth_call *c, const vk_auth_at *at)
{
    vk_auth_fail f = VK_AUTH_F_OK;
    if (at->backend) {
        f = backend_key(c, at->build);
    } else {
        vk_err e = vk_service_open(c->ex, at->build);
        if (e == VK_E_NOT_FOUND) /* names that somebody guesses */
            e = vk_exchange_bad_key(c->ex) == VK_OK ? e : VK_E_BUSY;
        f = e == VK_OK            ? VK_AUTH_F_OK
            : e == VK_E_NOT_FOUND ? VK_AUTH_F_HOST
            : e == VK_E_NOMEM     ? VK_AUTH_F_INTERNAL
                                  : VK_AUTH_F_TOO_MANY;
    }
    if (f != VK_AUTH_F_OK)
        return f;
    c->tenant = c->ex->principal;
    const vk_auth_pool *p = vk_auth_pool_of(c->ex->principal);
    if (!p)
        return at->backend ? VK_AUTH_F_SECRET_KEY : VK_AUTH_F_HOST;
    c->about = vk_auth_pool_about(p);
    return VK_AUTH_F_OK;
}

/* What everybody may have from anywhere: the build's public key, and a page's first step, which is checked by
 * where it leads (handshake.c). */
static bool is_public(const vk_auth_route *r)
{
    return r->need == VK_AUTH_NEEDS_NOBODY && strcmp(r->method, "GET") == 0;
}

static vk_auth_fail admit(vk_auth_call *c)
{
    vk_exchange *ex = c->ex;
    vk_auth_at at;
    vk_auth_fail why = VK_AUTH_F_OK;
    if (!vk_auth_path(ex->path, &at))
        return VK_AUTH_F_NOT_FOUND;
    if (vk_auth_params_form(c->arena, ex->query, &c->query) != VK_OK)
        return VK_AUTH_F_FORM;
    vk_auth_fail f = open_build(c, &at);
    if (f != VK_AUTH_F_OK)
        return f;
    if (vk_service_driver(ex, NULL)) {
        if (at.backend)
            vk_auth_clerk_begin(c, at.rest);
        else
            vk_auth_clerk_elsewhere(ex);
        return VK_AUTH_F_OK;
    }
    vk_auth_fail page = at.backend ? VK_AUTH_F_OK : vk_auth_origins(c);
    if (page != VK_AUTH_F_OK && page != VK_AUTH_F_ORIGIN)
        return page;
    if (vk_str_eqz(ex->method, "OPTIONS") && !at.backend) {
        vk_auth_preflight(c);
        return VK_AUTH_F_OK;
    }
    if (at.portal) {
        vk_auth_pages_portal(c, at.sign_up);
        return VK_AUTH_F_OK;
    }
    c->route = vk_auth_route_find(method_of(c), &at, c->id, &why);
    if (!c->route)
        return why;
    if (page != VK_AUTH_F_OK && !is_public(c->route))
        return page;
    if ((c->route->dear && !dear_ok(c)) || (c->route->guesses && vk_exchange_may_guess(ex) != VK_OK))
        return VK_AUTH_F_TOO_MANY;
    if (at.backend && !c->route->reads && (f = vk_auth_origins_load(c)) != VK_AUTH_F_OK)
        return f;
    ex->body_max = VK_AUTH_BODY_MAX;
    return VK_AUTH_F_OK;
}

vk_auth_call *vk_auth_call_new(vk_exchange *ex, void (*resume)(vk_exchange *ex))
{
    vk_auth_call *c = VK_NEW(ex->arena, vk_auth_call);
    if (c) {
        c->ex = ex;
        c->arena = ex->arena;
        c->job.run = run;
        c->resume = resume;
        ex->secret = true;
    }
    return c;
}

static vk_err head(vk_exchange *ex)
{
    if (vk_auth_pages_file(ex))
        return VK_OK;
    vk_auth_call *c = vk_auth_call_new(ex, finish);
    if (!c)
        return VK_E_NOMEM;
    ex->ctx = c;
    ex->done = done;
    vk_auth_fail f = admit(c);
    if (f != VK_AUTH_F_OK)
        vk_auth_refuse(ex, c, f);
    return f == VK_AUTH_F_OK ? VK_OK : VK_E_FORBIDDEN;
}

static void request(vk_exchange *ex)
{
    vk_auth_call *c = vk_auth_call_of(ex);
    if (c->forward) {
        vk_forward_request(ex);
        return;
    }
    vk_str body = vk_buf_view(&ex->body);
    bool backend = c->route->need == VK_AUTH_NEEDS_BACKEND;
    vk_err e = backend ? vk_auth_params_json(c->arena, body, &c->form)
                       : vk_auth_params_form(c->arena, body, &c->form);
    c->pool = vk_auth_pool_hold(ex->principal);
    if (!c->pool)
        vk_auth_refuse(ex, c, backend ? VK_AUTH_F_SECRET_KEY : VK_AUTH_F_HOST);
    else if (e != VK_OK)
        vk_auth_refuse(ex, c, e == VK_E_NOMEM ? VK_AUTH_F_INTERNAL : VK_AUTH_F_FORM);
    else if (vk_auth_pool_submit(c->pool, &c->job, false) != VK_OK)
        vk_auth_refuse(ex, c, VK_AUTH_F_TOO_MANY);
}

const vk_handler vk_auth_handler = {.head = head, .request = request, .refuse = vk_auth_refuse_engine};
