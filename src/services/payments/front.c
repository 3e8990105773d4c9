/* The way of a call: head, the build's strand, back to the loop. */
#include "services/payments/inside.h"

#include "core/clock.h"
#include "core/encode.h"
#include "services/payments/assets.h"
#include "services/payments/form.h"
#include "services/payments/hooks.h"
#include "services/payments/stripe/broker.h"
#include "services/payments/stripe/inbound.h"

enum {
    PAGE_BODY_MAX = 64 * 1024,
    IDEMPOTENCY_KEY_MAX = 255,
    BASIC_MAX = 400, /* bytes of "user:password" in Base64 */
};

/* What the loop gives to the strand, beside the call. */
typedef struct front {
    vk_pay_call c; /* first */
    vk_pay_job job;
    vk_pv *form; /* as it came */
    int status;
    bool version_given;
    bool inbound; /* an event that Stripe tells us of */
} front;

static front *front_of(const vk_exchange *ex)
{
    return ex->ctx;
}

/* ---- on the strand */

/* Changes nothing, so that it needs no transaction: what a `run` does the tables do not know. */
static bool only_reads(const vk_pay_endpoint *ep)
{
    return (ep->verb == VK_PAY_RETRIEVE || ep->verb == VK_PAY_LIST || ep->verb == VK_PAY_SEARCH) && !ep->run;
}

void vk_pay_call_init(vk_pay_call *c, vk_exchange *ex, vk_arena *arena, vk_pay_pool *pool)
{
    const vk_runtime *rt = vk_pay_runtime();
    *c = (vk_pay_call){.ex = ex, .arena = arena, .pool = pool, .version = VK_PAY_NEWEST};
    snprintf(c->version_name, sizeof c->version_name, "%s", VK_PAY_NEWEST_NAME);
    c->browser_base = vk_str_z(rt->url_browser[vk_pay_index()]);
    c->sandbox_base = vk_str_z(rt->url_sandbox[vk_pay_index()]);
    if (pool)
        c->about = vk_pay_pool_about(pool);
}

/* The version of a request without one, and of events: the first that ever came, so that an app without
 * webhook endpoints of its own gets what its SDK knows. */
static vk_err default_version(vk_pay_call *c, bool given)
{
    vk_str name;
    int version;
    vk_err e = vk_pay_setting(c->db, c->arena, "version", &name);
    if (e == VK_E_NOT_FOUND)
        return given && c->ep && !only_reads(c->ep) ? vk_pay_set(c->db, "version", vk_str_z(c->version_name))
                                                    : VK_OK;
    if (e == VK_OK && vk_pay_version(name, &version) != VK_OK)
        e = VK_E_CORRUPT;
    if (e == VK_OK && !given) {
        c->version = version;
        snprintf(c->version_name, sizeof c->version_name, VK_STR_FMT, VK_STR_ARG(name));
    }
    return e;
}

static vk_err begin(vk_pay_call *c, bool given)
{
    vk_err e = vk_pay_pool_db(c->pool, &c->db);
    if (e != VK_OK)
        return e;
    c->now_ms = vk_clock_wall_ms();
    c->now = c->now_ms / 1000;
    return default_version(c, given);
}

vk_err vk_pay_begin(vk_pay_call *c)
{
    return begin(c, false);
}

static vk_err api(front *f)
{
    vk_pay_call *c = &f->c;
    vk_exchange *ex = c->ex;
    vk_pv *out;
    vk_err e = vk_pay_replay(c, f->form, &f->status);
    if (e != VK_E_NOT_FOUND)
        return e == VK_OK ? vk_pay_show_secret(c) : e;
    e = vk_pay_check(c, f->form);
    if (e != VK_OK)
        return e;
    c->params = f->form;
    e = vk_pay_run(c);
    if (e == VK_OK && !c->result)
        e = VK_E_INTERNAL;
    if (e == VK_OK && !c->rendered)
        e = vk_pay_render(c, c->ep->resource, c->result, "", &out);
    else
        out = c->result;
    vk_buf_clear(&ex->out);
    if (e == VK_OK) {
        f->status = 200;
        vk_pv_write_pretty(&ex->out, out);
        vk_buf_ch(&ex->out, '\n');
        if (ex->out.err == VK_E_TOO_LARGE)
            return vk_pay_refuse_large(c);
    } else if (c->refusal && c->keep) {
        vk_pay_error_body(c, e, &ex->out, &f->status);
    } else {
        return e;
    }
    if (ex->out.err != VK_OK)
        return ex->out.err;
    e = vk_pay_keep_answer(c, f->status);
    return e == VK_OK ? vk_pay_show_secret(c) : e;
}

static vk_err page(front *f)
{
    vk_pay_call *c = &f->c;
    vk_buf_clear(&c->ex->out);
    c->params = f->form;
    vk_err e = c->ep->run(c);
    f->status = c->to.p ? 303 : c->status ? c->status : 200;
    return e == VK_OK ? c->ex->out.err : e;
}

static vk_err run(vk_pay_job *j)
{
    front *f = VK_CONTAINER(j, front, job);
    vk_pay_call *c = &f->c;
    const vk_tenant *t = c->ex->principal;
    if (atomic_load(&t->closed)) /* revoked while this waited; who closes it waits for this job */
        return VK_E_UNAUTHORIZED;
    vk_err e = begin(c, f->version_given);
    if (e == VK_OK)
        e = c->ep->verb == VK_PAY_PAGE ? page(f) : api(f);
    return e;
}

static void let_go(vk_pay_call *c)
{
    if (c->pool)
        vk_pay_pool_let_go(c->pool);
    c->pool = NULL;
}

static void back(vk_exchange *ex);

/* What was changed is on disk, or undone. */
static void settled(vk_pay_job *j, vk_err e)
{
    front *f = VK_CONTAINER(j, front, job);
    vk_pay_call *c = &f->c;
    if (e == VK_E_UNAUTHORIZED) {
        f->status = 401;
    } else if (e != VK_OK) {
        vk_pay_error_body(c, e, &c->ex->out, &f->status);
        if (c->ep->verb == VK_PAY_PAGE)
            vk_buf_clear(&c->ex->out);
        c->to = VK_STR_NONE;
    }
    if (e == VK_OK)
        vk_pay_hooks_committed(c);
    let_go(c); /* a build can end while its app, or who takes the answer, is waited for */
    if (e == VK_OK && c->to.p && vk_pay_hooks_wait(c, back))
        return; /* the app is told first, so that the page it comes back to finds what was bought */
    vk_exchange_post(c->ex, back);
}

/* ---- back on the loop */

static void done(vk_exchange *ex)
{
    let_go(&front_of(ex)->c);
}

static void answer(vk_exchange *ex)
{
    front *f = front_of(ex);
    vk_pay_call *c = &f->c;
    if (f->status == 401) {
        vk_pay_no_answer(ex, c->ep->verb == VK_PAY_PAGE ? VK_PAY_NO_PAGE : VK_PAY_BAD_KEY, VK_STR_NONE);
        return;
    }
    bool guessed = c->ep->verb == VK_PAY_PAGE && f->status == 404;
    if (guessed && vk_exchange_bad_key(ex) != VK_OK) {
        vk_pay_no_answer(ex, VK_PAY_TOO_MANY, VK_STR_NONE);
        return;
    }
    if (c->ep->verb == VK_PAY_PAGE && f->status >= 400 && ex->out.n == 0)
        vk_pay_no_answer(ex, f->status == 404 ? VK_PAY_NO_PAGE : VK_PAY_BROKEN_PAGE, VK_STR_NONE);
    else
        vk_pay_answer(ex, c, f->status);
}

static void back(vk_exchange *ex)
{
    vk_count(front_of(ex)->c.ep->verb == VK_PAY_PAGE ? &vk_pay_count.pages : &vk_pay_count.calls, 1);
    answer(ex);
}

/* ---- head */

static vk_str basic_user(vk_exchange *ex, vk_str coded)
{
    vk_str user, all;
    if (coded.n > BASIC_MAX || vk_base64_decode(ex->arena, coded, &all) != VK_OK)
        return VK_STR_NONE;
    return vk_str_cut(&all, ':', &user) ? user : all;
}

/* Bearer, or the user of Basic. */
static vk_str key_of(vk_exchange *ex)
{
    vk_str scheme, rest = vk_secret_bytes(ex->authorization);
    if (!rest.p || !vk_str_cut(&rest, ' ', &scheme))
        return VK_STR_NONE;
    rest = vk_str_trim(rest);
    return vk_str_ieq(scheme, VK_STR("Bearer"))  ? rest
           : vk_str_ieq(scheme, VK_STR("Basic")) ? basic_user(ex, rest)
                                                 : VK_STR_NONE;
}

static bool refuse_key(vk_exchange *ex, vk_err e, vk_str key)
{
    vk_pay_no_answer(ex,
                     e == VK_E_BUSY || e == VK_E_UNAVAILABLE ? VK_PAY_TOO_MANY
                     : e == VK_E_NOMEM                       ? VK_PAY_BROKEN
                     : !key.n                                ? VK_PAY_NO_KEY
                     : e == VK_E_EXPIRED                     ? VK_PAY_OLD_KEY
                                                             : VK_PAY_BAD_KEY,
                     key);
    return false;
}

static bool open_key(front *f)
{
    vk_exchange *ex = f->c.ex;
    vk_str key = key_of(ex);
    vk_err e = VK_E_UNAUTHORIZED;
    f->c.publishable = vk_str_starts(key, VK_STR("pk_"));
    if (key.n)
        e = vk_service_verify(ex, vk_secret_of(key), f->c.publishable ? 'p' : 's');
    else if (vk_exchange_bad_key(ex) != VK_OK)
        e = VK_E_BUSY;
    return e == VK_OK ? true : refuse_key(ex, e, key);
}

static bool version_of(front *f)
{
    vk_pay_call *c = &f->c;
    vk_str given = vk_request_header(c->ex, VK_STR("stripe-version"));
    if (!given.p)
        return true;
    if (given.n >= sizeof c->version_name || vk_pay_version(given, &c->version) != VK_OK) {
        vk_pay_refuse_engine(c->ex, 400, VK_E_INVALID, "Invalid Stripe API version");
        return false;
    }
    f->version_given = true;
    snprintf(c->version_name, sizeof c->version_name, VK_STR_FMT, VK_STR_ARG(given));
    return true;
}

static bool idempotency_of(front *f)
{
    vk_str key = vk_request_header(f->c.ex, VK_STR("idempotency-key"));
    if (!key.n || !vk_str_eqz(f->c.ex->method, "POST"))
        return true;
    if (key.n > IDEMPOTENCY_KEY_MAX) {
        vk_pay_refuse_engine(f->c.ex, 400, VK_E_INVALID, "The idempotency key is longer than 255 characters");
        return false;
    }
    f->c.idempotency_key = key;
    return true;
}

static bool ids_of(vk_pay_call *c)
{
    const char *why = NULL;
    vk_err e = vk_pay_ids(c->arena, c->id, &why);
    if (e == VK_E_INVALID && c->ep->verb == VK_PAY_PAGE)
        vk_pay_no_answer(c->ex, VK_PAY_NO_PAGE, VK_STR_NONE);
    else if (e == VK_E_INVALID)
        vk_pay_refuse_param(c->ex, VK_STR("id"), why);
    else if (e != VK_OK)
        vk_pay_no_answer(c->ex, VK_PAY_BROKEN, VK_STR_NONE);
    return e == VK_OK;
}

static bool admit_api(front *f)
{
    vk_pay_call *c = &f->c;
    vk_exchange *ex = c->ex;
    const vk_binding *binding = NULL;
    bool there = false;
    if (!open_key(f) || !version_of(f) || !idempotency_of(f))
        return false;
    if (vk_service_driver(ex, &binding) == &vk_stripe_driver) {
        if (!vk_stripe_admit(c, binding, &c->broker))
            return false;
        if (c->broker)
            return true;
    }
    vk_str method = vk_str_eqz(ex->method, "HEAD") ? VK_STR("GET") : ex->method;
    c->ep = vk_pay_endpoint_find(method, ex->path, c->version, c->id, &there);
    if (!c->ep) {
        vk_pay_no_answer(ex, vk_pay_absent(method, ex->path) ? VK_PAY_ABSENT : VK_PAY_NO_ROUTE, VK_STR_NONE);
        return false;
    }
    if (c->publishable && !c->ep->publishable) {
        vk_pay_no_answer(ex, VK_PAY_PUBLISHABLE, VK_STR_NONE);
        return false;
    }
    if (!ids_of(c))
        return false;
    ex->body_max = VK_PAY_BODY_MAX;
    return true;
}

/* A form of one of our own pages. Their policy is no-referrer, so Origin is "null"; who asks for what is told
 * by the page's address, which nobody else knows. */
static bool own_form(const vk_exchange *ex)
{
    vk_str site = vk_request_header(ex, VK_STR("sec-fetch-site"));
    vk_str origin = vk_request_header(ex, VK_STR("origin"));
    if (site.p)
        return vk_str_eqz(site, "same-origin");
    return !origin.p || vk_str_eqz(origin, "null") ||
           vk_str_eqz(origin, vk_pay_runtime()->url_browser[vk_pay_index()]);
}

static bool admit_page(front *f, vk_str path)
{
    vk_pay_call *c = &f->c;
    vk_exchange *ex = c->ex;
    vk_str build, rest = {path.p + 3, path.n - 3}; /* "/b/" */
    bool there;
    const char *slash = memchr(rest.p, '/', rest.n);
    build = (vk_str){rest.p, slash ? (size_t)(slash - rest.p) : 0};
    rest = (vk_str){rest.p + build.n, rest.n - build.n};
    vk_str method = vk_str_eqz(ex->method, "HEAD") ? VK_STR("GET") : ex->method;
    c->ep = build.n && build.n <= VK_BUILD_ID_MAX
                ? vk_pay_endpoint_find(method, rest, VK_PAY_NEWEST, c->id, &there)
                : NULL;
    if (!c->ep || c->ep->verb != VK_PAY_PAGE) {
        vk_pay_no_answer(ex, VK_PAY_NO_PAGE, VK_STR_NONE);
        return false;
    }
    if (!ids_of(c))
        return false;
    if (vk_str_eqz(method, "POST") && !own_form(ex)) {
        vk_pay_no_answer(ex, VK_PAY_FOREIGN_PAGE, VK_STR_NONE);
        return false;
    }
    vk_err e = vk_service_open(ex, build);
    if (e == VK_OK && vk_service_driver(ex, NULL)) { /* its pages are Stripe's; ours would take no money */
        vk_pay_no_answer(ex, VK_PAY_NO_PAGE, VK_STR_NONE);
        return false;
    }
    if (e == VK_E_NOT_FOUND) /* names that somebody guesses */
        e = vk_exchange_bad_key(ex) == VK_OK ? e : VK_E_BUSY;
    if (e != VK_OK) {
        vk_pay_no_answer(ex,
                         e == VK_E_NOT_FOUND ? VK_PAY_NO_PAGE
                         : e == VK_E_NOMEM   ? VK_PAY_BROKEN
                                             : VK_PAY_TOO_MANY,
                         VK_STR_NONE);
        return false;
    }
    ex->body_max = PAGE_BODY_MAX;
    return true;
}

static vk_err head(vk_exchange *ex)
{
    front *f = VK_NEW(ex->arena, front);
    if (!f)
        return VK_E_NOMEM;
    ex->secret = true; /* keys, cards' numbers */
    ex->ctx = f;
    ex->done = done;
    vk_pay_call_init(&f->c, ex, ex->arena, NULL);
    bool ok;
    if (vk_pay_asset(ex))
        ok = true; /* answered */
    else if (vk_str_eqz(ex->path, VK_STRIPE_INBOUND_PATH))
        ok = f->inbound = vk_stripe_inbound_admit(ex);
    else if (vk_str_starts(ex->path, VK_STR("/b/")))
        ok = admit_page(f, ex->path);
    else
        ok = admit_api(f);
    return ok ? VK_OK : VK_E_FORBIDDEN;
}

/* ---- the body is there */

static bool is_form(const vk_exchange *ex)
{
    vk_str type = ex->content_type, head;
    if (vk_str_cut(&type, ';', &head))
        type = head;
    type = vk_str_trim(type);
    return !type.n || vk_str_ieq(type, VK_STR("application/x-www-form-urlencoded"));
}

static bool read_form(front *f)
{
    vk_exchange *ex = f->c.ex;
    const char *why = NULL;
    vk_str param = VK_STR_NONE;
    if (ex->body.n && !is_form(ex)) {
        vk_pay_refuse_engine(ex, 400, VK_E_INVALID,
                             "Invalid request (check that your POST content type is "
                             "application/x-www-form-urlencoded). If you have any questions, we can help at "
                             "https://support.stripe.com/.");
        return false;
    }
    vk_err e = vk_pay_form(ex->arena, ex->query, NULL, &f->form, &why, &param);
    if (e == VK_OK)
        e = vk_pay_form(ex->arena, vk_buf_view(&ex->body), f->form, &f->form, &why, &param);
    if (e == VK_OK)
        return true;
    if (e == VK_E_NOMEM)
        vk_pay_no_answer(ex, VK_PAY_BROKEN, VK_STR_NONE);
    else
        vk_pay_refuse_param(ex, param, why ? why : "Invalid request");
    return false;
}

static void request(vk_exchange *ex)
{
    front *f = front_of(ex);
    vk_pay_call *c = &f->c;
    if (f->inbound) {
        vk_stripe_inbound(ex);
        return;
    }
    if (!read_form(f))
        return;
    if (c->broker) {
        vk_stripe_request(c->broker, f->form);
        return;
    }
    bool is_page = c->ep->verb == VK_PAY_PAGE;
    vk_pay_request_id(c->request_id);
    c->pool = vk_pay_pool_hold(ex->principal);
    if (!c->pool) { /* it is being revoked */
        vk_pay_no_answer(ex, is_page ? VK_PAY_NO_PAGE : VK_PAY_BAD_KEY, VK_STR_NONE);
        return;
    }
    c->about = vk_pay_pool_about(c->pool);
    if (vk_pay_origins_load(c) != VK_OK) {
        vk_pay_no_answer(ex, VK_PAY_BROKEN, VK_STR_NONE);
        return;
    }
    f->job = (vk_pay_job){.run = run, .done = settled, .reads = only_reads(c->ep), .make = true};
    if (vk_pay_pool_submit(c->pool, &f->job, false) != VK_OK)
        vk_pay_no_answer(ex, VK_PAY_TOO_MANY, VK_STR_NONE);
}

const vk_handler vk_pay_handler = {.head = head, .request = request, .refuse = vk_pay_refuse_engine};
