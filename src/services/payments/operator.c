/* What the operator does with a build's payments through the admin API, below
 * /api/v1/builds/<id>/services/payments/: events and their deliveries, where webhooks go, the catalogue.
 * docs/openapi.yaml has shapes. Of a revoked build everything can be looked at, and stays as it is. */
#include "services/payments/operator.h"

#include "services/payments/form.h"
#include "services/payments/generic.h"
#include "services/payments/hook.h"
#include "services/payments/hooks.h"

enum { LIST_LEN = 20, LIST_MAX = 100 };

typedef struct vk_pay_op {
    const char *method, *path; /* a '*' stands for one segment */
    vk_err (*run)(vk_pay_asked *x);
    bool reads;
    bool bare;         /* runs without a database, too */
    const char *empty; /* the answer without a database */
} vk_pay_op;

/* ---- events */

typedef struct listing {
    vk_pay_asked *x;
    vk_pv *into;
    bool whole;        /* with what came of each attempt */
    int64_t left;      /* events that there is room for */
    vk_arena *scratch; /* of one event: little of each is shown, and there may be large ones */
    vk_err e;
} listing;

static bool one_delivery(void *arg, const vk_pay_delivery *d)
{
    listing *l = arg;
    vk_arena *a = l->x->c.arena;
    vk_pv *o = vk_pv_obj(a), *attempts = NULL;
    vk_str note = l->whole ? vk_arena_dup(a, d->note) : VK_STR_NONE;
    if (!note.n || vk_pv_parse(a, note, &attempts) != VK_OK)
        attempts = vk_pv_arr(a);
    const char *state = d->delivered     ? "delivered"
                        : d->due_ms == 0 ? "failed"
                        : d->tries       ? "retrying"
                                         : "waiting";
    bool ok = vk_pv_put_str(a, o, "endpoint", vk_arena_dup(a, d->endpoint)) &&
              vk_pv_put_str(a, o, "state", vk_str_z(state)) && vk_pv_put_int(a, o, "tries", d->tries) &&
              vk_pv_put_int(a, o, "status", d->status) && vk_pv_put_int(a, o, "created_ms", d->created_ms) &&
              (d->due_ms ? vk_pv_put_int(a, o, "due_ms", d->due_ms) : vk_pv_put_null(a, o, "due_ms")) &&
              (!l->whole || vk_pv_put(a, o, "attempts", attempts)) && vk_pv_add(a, l->into, o);
    l->e = ok ? VK_OK : VK_E_NOMEM;
    return ok;
}

static vk_err deliveries(vk_pay_asked *x, vk_str event, bool whole, vk_pv **out_r)
{
    listing l = {.x = x, .into = vk_pv_arr(x->c.arena), .whole = whole};
    if (!l.into)
        return VK_E_NOMEM;
    vk_err e = vk_pay_delivery_list(x->c.db, event, one_delivery, &l);
    *out_r = l.into;
    return e == VK_OK ? l.e : e;
}

static bool show(vk_arena *a, vk_pv *o, const char *name, vk_str text)
{
    vk_str copy = text.p ? vk_arena_dup(a, text) : VK_STR_NONE;
    return (copy.p || !text.p) && vk_pv_put_str(a, o, name, copy);
}

static bool one_event(void *arg, const vk_pay_row *row)
{
    listing *l = arg;
    vk_arena *a = l->x->c.arena;
    vk_pv *event, *o = vk_pv_obj(a);
    vk_arena_reset(l->scratch);
    l->e = vk_pv_parse(l->scratch, row->body, &event);
    if (l->e != VK_OK)
        return false;
    bool ok = show(a, o, "id", vk_pv_text(event, "id")) && show(a, o, "type", vk_pv_text(event, "type")) &&
              vk_pv_put_int(a, o, "created", vk_pv_number(event, "created", 0)) &&
              show(a, o, "object", vk_pv_text(event, "data.object.id")) && vk_pv_add(a, l->into, o);
    l->e = ok ? VK_OK : VK_E_NOMEM;
    return ok && --l->left > 0;
}

static vk_err number(const vk_pay_asked *x, const char *name, int64_t otherwise, int64_t most, int64_t *out_r)
{
    vk_str text = vk_pv_text(x->query, name);
    *out_r = otherwise;
    if (!text.p)
        return VK_OK;
    return vk_str_to_i64(text, out_r) == VK_OK && *out_r >= 1 && *out_r <= most ? VK_OK : VK_E_INVALID;
}

/* The newest, or those before `before`; with `after`, the oldest that came after it: to follow them. */
static vk_err list_events(vk_pay_asked *x)
{
    vk_pay_call *c = &x->c;
    vk_pay_ask ask = {.kind = vk_pay_r_event.object, .created_to = INT64_MAX};
    vk_str type = vk_pv_text(x->query, "type"), before = vk_pv_text(x->query, "before"),
           after = vk_pv_text(x->query, "after");
    int64_t limit;
    vk_pay_row row;
    if (number(x, "limit", LIST_LEN, LIST_MAX, &limit) != VK_OK)
        return vk_pay_refuse(c, 400, NULL, "limit", "It must be a number from 1 to %d.", LIST_MAX);
    if (before.p && after.p)
        return vk_pay_refuse(c, 400, NULL, "after", "It cannot be given with \"before\".");
    if (type.n > 2 && memcmp(type.p + type.n - 2, ".*", 2) == 0)
        type.n--;
    if (type.n)
        ask.keys[ask.n_keys++] = (vk_pay_key){"type", type};
    vk_str at = before.p ? before : after;
    if (at.p) {
        vk_err e = at.n && at.n <= VK_PAY_ID_MAX ? vk_pay_doc_get(c->db, c->arena, at, &row) : VK_E_NOT_FOUND;
        if (e == VK_E_NOT_FOUND || (e == VK_OK && !vk_str_eqz(row.kind, vk_pay_r_event.object)))
            return vk_pay_refuse(c, 404, NULL, NULL, "There is no such event.");
        if (e != VK_OK)
            return e;
        *(before.p ? &ask.after : &ask.before) = row.seq;
        ask.oldest_first = after.p != NULL;
    }
    listing l = {.x = x, .into = vk_pv_arr(c->arena), .left = limit, .scratch = vk_arena_new(VK_PAY_SCRATCH)};
    vk_err e = l.into && l.scratch ? vk_pay_doc_list(c->db, &ask, one_event, &l) : VK_E_NOMEM;
    vk_arena_free(l.scratch);
    if (e == VK_OK)
        e = l.e;
    VK_PV_EACH(event, l.into)
    {
        vk_pv *of;
        if (e == VK_OK)
            e = deliveries(x, vk_pv_text(event, "id"), false, &of);
        if (e == VK_OK && !vk_pv_put(c->arena, event, "deliveries", of))
            e = VK_E_NOMEM;
    }
    if (e == VK_OK && !vk_pv_put(c->arena, x->out, "events", l.into))
        e = VK_E_NOMEM;
    return e;
}

static vk_err event_of(vk_pay_asked *x, vk_pv **event_r)
{
    vk_err e = vk_pay_get(&x->c, &vk_pay_r_event, x->id, event_r);
    if (e == VK_E_NOT_FOUND)
        return vk_pay_refuse(&x->c, 404, NULL, NULL, "There is no such event.");
    return e;
}

static vk_err show_event(vk_pay_asked *x)
{
    vk_pv *event, *of;
    vk_err e = event_of(x, &event);
    if (e == VK_OK)
        e = deliveries(x, x->id, true, &of);
    if (e != VK_OK)
        return e;
    return vk_pv_put(x->c.arena, x->out, "event", event) && vk_pv_put(x->c.arena, x->out, "deliveries", of)
               ? VK_OK
               : VK_E_NOMEM;
}

static vk_err resend(vk_pay_asked *x)
{
    vk_pv *event;
    int64_t n;
    vk_str endpoint = vk_pv_text(x->body, "endpoint");
    vk_err e = event_of(x, &event);
    if (e == VK_OK)
        e = vk_pay_event_resend(&x->c, event, endpoint, &n);
    if (e != VK_OK)
        return e;
    if (n == 0)
        return vk_pay_refuse(
            &x->c, 409, NULL, NULL,
            endpoint.p ? "That endpoint gets no such event."
                       : "Nobody gets that event: no endpoint wants it, and the default one is off.");
    return vk_pv_put_str(x->c.arena, x->out, "id", x->id) &&
                   vk_pv_put_int(x->c.arena, x->out, "deliveries", n)
               ? VK_OK
               : VK_E_NOMEM;
}

/* ---- where the default endpoint is */

static vk_err show_webhook(vk_pay_asked *x)
{
    vk_pay_call *c = &x->c;
    vk_str where = VK_STR(VK_PAY_DEFAULT_PATH), url;
    vk_err e = c->db ? vk_pay_setting(c->db, c->arena, VK_PAY_WEBHOOK_SETTING, &where) : VK_E_NOT_FOUND;
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        return e;
    bool off = vk_str_eqz(where, "off"), path = vk_str_starts(where, VK_STR("/"));
    url = off    ? VK_STR_NONE
          : path ? vk_arena_printf(c->arena, VK_STR_FMT VK_STR_FMT, VK_STR_ARG(x->origins.at[0]),
                                   VK_STR_ARG(where))
                 : where;
    if (!off && !url.p)
        return VK_E_NOMEM;
    return vk_pv_put_bool(c->arena, x->out, "off", off) && vk_pv_put_str(c->arena, x->out, "url", url) &&
                   vk_pv_put_str(c->arena, x->out, "path", path ? where : VK_STR_NONE)
               ? VK_OK
               : VK_E_NOMEM;
}

static vk_err set_webhook(vk_pay_asked *x)
{
    vk_pay_call *c = &x->c;
    const vk_pv *first = vk_pv_first(x->body);
    vk_str value = VK_STR_NONE, key = first ? first->key : VK_STR("");
    if (x->body->count != 1)
        return vk_pay_refuse(c, 400, NULL, NULL, "Give one of \"path\", \"url\" and \"off\".");
    if (vk_str_eqz(key, "path") && vk_pv_is(first, VK_PV_STR)) {
        value = first->u.s;
        if (!vk_pay_hook_path_ok(value))
            return vk_pay_refuse(c, 400, NULL, "path", "It must be a path, as \"/api/webhooks/stripe\".");
    } else if (vk_str_eqz(key, "url") && vk_pv_is(first, VK_PV_STR)) {
        value = first->u.s;
        if (!vk_pay_origin_allowed(&x->origins, value) || memchr(value.p, '#', value.n))
            return vk_pay_refuse(
                c, 422, NULL, "url",
                "It must be an address on one of the build's origins; register the origin first.");
    } else if (vk_str_eqz(key, "off") && vk_pv_is(first, VK_PV_BOOL)) {
        value = first->u.b ? VK_STR("off") : VK_STR(VK_PAY_DEFAULT_PATH);
    } else {
        return vk_pay_refuse(c, 400, NULL, NULL, "Give one of \"path\", \"url\" and \"off\".");
    }
    vk_err e = vk_pay_set(c->db, VK_PAY_WEBHOOK_SETTING, value);
    if (e == VK_OK && vk_str_eqz(value, "off"))
        e = vk_pay_delivery_end(c->db, VK_STR(VK_PAY_DEFAULT_ENDPOINT));
    return e == VK_OK ? show_webhook(x) : e;
}

/* ---- the calls */

static const vk_pay_op ops[] = {
    {"GET", "events", list_events, true, false, "{\"events\":[]}"},
    {"GET", "events/*", show_event, true, false, NULL},
    {"POST", "events/*/resend", resend, false, false, NULL},
    {"GET", "webhook", show_webhook, true, true, NULL},
    {"PUT", "webhook", set_webhook, false, false, NULL},
    {"POST", "seed", vk_pay_seed, false, false, NULL},
    {"GET", "catalogue", vk_pay_catalogue, true, false, "{\"products\":[],\"coupons\":[]}"},
};

/* *id_r: what stands in the place of '*'. */
static bool fits(const char *pattern, vk_str path, vk_str *id_r)
{
    size_t i = 0;
    for (const char *p = pattern; *p; p++) {
        if (*p != '*') {
            if (i == path.n || path.p[i++] != *p)
                return false;
            continue;
        }
        size_t from = i;
        while (i < path.n && path.p[i] != '/')
            i++;
        if (i == from)
            return false;
        *id_r = (vk_str){path.p + from, i - from};
    }
    return i == path.n;
}

/* ---- on the strand */

static vk_err run(vk_pay_job *j)
{
    vk_pay_asked *x = VK_CONTAINER(j, vk_pay_asked, job);
    vk_pay_call *c = &x->c;
    vk_err e = vk_pay_begin(c);
    if (e == VK_E_NOT_FOUND && !x->op->bare)
        return x->op->empty ? e : vk_pay_refuse(c, 404, NULL, NULL, "There is no such event.");
    if (e == VK_E_NOT_FOUND)
        c->db = NULL;
    else if (e != VK_OK)
        return e;
    x->out = vk_pv_obj(c->arena);
    e = x->out ? x->op->run(x) : VK_E_NOMEM;
    if (e == VK_OK) {
        vk_buf_clear(&x->ex->out);
        vk_pv_write(&x->ex->out, x->out);
        e = x->ex->out.err;
    }
    return e;
}

/* ---- on the loop */

static void finish(vk_exchange *ex)
{
    vk_pay_asked *x = ex->principal;
    const vk_pay_refusal *no = x->c.refusal;
    vk_pay_pool_let_go(x->c.pool); /* who takes the answer slowly holds up nobody */
    x->c.pool = NULL;
    if (x->e == VK_OK) {
        vk_respond(ex, 200, "application/json");
    } else if (no) {
        vk_err e = no->status == 404   ? VK_E_NOT_FOUND
                   : no->status == 409 ? VK_E_CONFLICT
                   : no->status == 422 ? VK_E_UNPROCESSABLE
                                       : VK_E_INVALID;
        (void)vk_service_refuse(ex, e, "%s" VK_STR_FMT "%s" VK_STR_FMT, no->param.n ? "\"" : "",
                                VK_STR_ARG(no->param), no->param.n ? "\": " : "", VK_STR_ARG(no->message));
    } else if (x->e == VK_E_NOT_FOUND && x->op->empty) {
        vk_respond_text(ex, 200, "application/json", vk_str_z(x->op->empty));
    } else if (x->e == VK_E_BUSY) {
        (void)vk_service_refuse(ex, x->e, "Too many builds are in use; try again in a moment.");
    } else if (x->e == VK_E_FULL) {
        (void)vk_service_refuse(ex, x->e, "The disk or the build's quota is full.");
    } else {
        (void)vk_service_refuse(ex, VK_E_INTERNAL, "The build's payments cannot be read or written now (%s).",
                                vk_err_name(x->e));
    }
}

static void settled(vk_pay_job *j, vk_err e)
{
    vk_pay_asked *x = VK_CONTAINER(j, vk_pay_asked, job);
    x->e = e;
    if (e == VK_OK)
        vk_pay_hooks_committed(&x->c);
    vk_exchange_post(x->ex, finish);
}

static void done(vk_exchange *ex)
{
    const vk_pay_asked *x = ex->principal;
    if (x && x->c.pool)
        vk_pay_pool_let_go(x->c.pool);
}

static vk_err head(vk_exchange *ex, const char *build, vk_str rest)
{
    vk_str method = vk_str_eqz(ex->method, "HEAD") ? VK_STR("GET") : ex->method, param;
    const char *why;
    vk_pay_asked *x = VK_NEW(ex->arena, vk_pay_asked);
    if (!x)
        return vk_service_refuse(ex, VK_E_NOMEM, "Out of memory; try again in a second.");
    for (size_t i = 0; i < VK_COUNT(ops) && !x->op; i++)
        if (vk_str_eqz(method, ops[i].method) && fits(ops[i].path, rest, &x->id))
            x->op = &ops[i];
    if (!x->op)
        return vk_service_refuse(ex, VK_E_NOT_FOUND, "The payments service has no such call.");
    if (vk_pay_form(ex->arena, ex->query, NULL, &x->query, &why, &param) != VK_OK)
        return vk_service_refuse(ex, VK_E_INVALID, "The query cannot be decoded.");
    vk_pay_pool *pool = vk_pay_pool_hold_id(build);
    if (!pool)
        return vk_service_refuse(ex, VK_E_CONFLICT,
                                 "The build is being revoked or deleted; try again in a second.");
    vk_pay_call_init(&x->c, NULL, ex->arena, pool);
    x->ex = ex;
    ex->principal = x;
    ex->done = done;
    vk_err e = vk_service_build(ex, build, &x->build);
    if (e == VK_OK && x->build.state != VK_BUILD_ACTIVE && !x->op->reads)
        e = vk_service_refuse(
            ex, VK_E_CONFLICT,
            "The build is revoked: its payments can be looked at and exported, not changed.");
    /* Events and their endpoint are ours even where Stripe makes them; what is sold is not. */
    if (e == VK_OK && (x->op->run == vk_pay_seed || x->op->run == vk_pay_catalogue))
        e = vk_service_embedded(ex, "payments", build);
    x->origins = vk_pay_origins_of(&x->build);
    ex->body_max = x->op->reads ? 0 : VK_PAY_BODY_MAX;
    return e;
}

static void request(vk_exchange *ex)
{
    vk_pay_asked *x = ex->principal;
    vk_str body = vk_buf_view(&ex->body);
    x->job = (vk_pay_job){.run = run, .done = settled, .reads = x->op->reads, .make = !x->op->reads};
    if (body.n == 0)
        body = VK_STR("{}");
    if (vk_pv_parse(ex->arena, body, &x->body) != VK_OK || !vk_pv_is(x->body, VK_PV_OBJ))
        (void)vk_service_refuse(ex, VK_E_INVALID, "The body must be a JSON object.");
    else if (vk_pay_pool_submit(x->c.pool, &x->job, false) != VK_OK)
        (void)vk_service_refuse(ex, VK_E_BUSY,
                                "Too many requests of this build wait; try again in a moment.");
}

const vk_operator vk_pay_operator = {.head = head, .request = request};
