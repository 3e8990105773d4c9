/* Events: made with the change that they tell of, in its transaction, and with them the deliveries to those
 * who want them. The bytes of each delivery are made here, so that what arrives later is what was then. */
#include "core/clock.h"
#include "services/payments/hook.h"
#include "services/payments/hooks.h"
#include "services/payments/operator.h"

typedef struct target {
    vk_str endpoint, url; /* the default one's url is empty: where its build is is known when it is sent */
    vk_str version_name;
    int version;
    const vk_pv *wanted; /* NULL: all */
} target;

struct vk_pay_targets {
    vk_str version_name; /* of the build */
    int version;
    size_t n;
    target at[VK_PAY_ENDPOINTS_MAX + 1];
    vk_str told; /* the event that a page waits for, when the call made one; `pending` deliveries of it */
    int64_t pending;
};

/* ---- who gets events */

typedef struct reading {
    vk_pay_call *c;
    struct vk_pay_targets *t;
    vk_err e;
} reading;

static bool one_endpoint(void *arg, const vk_pay_row *row)
{
    reading *r = arg;
    struct vk_pay_targets *t = r->t;
    vk_arena *a = r->c->arena;
    vk_str body = vk_arena_dup(a, row->body);
    vk_pv *doc;
    r->e = body.p ? vk_pv_parse(a, body, &doc) : VK_E_NOMEM;
    if (r->e != VK_OK)
        return false;
    vk_str version = vk_pv_text(doc, "api_version");
    if (vk_str_eqz(vk_pv_text(doc, "status"), "disabled"))
        return true;
    target *x = &t->at[t->n++];
    *x = (target){.endpoint = vk_pv_text(doc, "id"),
                  .url = vk_pv_text(doc, "url"),
                  .version_name = version,
                  .wanted = vk_pv_get(doc, "enabled_events")};
    if (!version.p || vk_pay_version(version, &x->version) != VK_OK) {
        x->version_name = t->version_name;
        x->version = t->version;
    }
    return t->n < VK_COUNT(t->at);
}

static vk_err build_version(vk_pay_call *c, struct vk_pay_targets *t)
{
    vk_err e = vk_pay_setting(c->db, c->arena, "version", &t->version_name);
    if (e == VK_OK && vk_pay_version(t->version_name, &t->version) == VK_OK)
        return VK_OK;
    t->version_name = vk_str_z(c->version_name);
    t->version = c->version;
    return e == VK_E_NOT_FOUND ? VK_OK : e;
}

static vk_err load_targets(vk_pay_call *c, struct vk_pay_targets **out_r)
{
    struct vk_pay_targets *t = c->targets ? c->targets : VK_NEW(c->arena, struct vk_pay_targets);
    vk_str where;
    if (!t)
        return VK_E_NOMEM;
    *out_r = t;
    if (c->targets)
        return VK_OK;
    vk_err e = build_version(c, t);
    if (e != VK_OK)
        return e;
    e = vk_pay_setting(c->db, c->arena, VK_PAY_WEBHOOK_SETTING, &where);
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        return e;
    if (e == VK_E_NOT_FOUND || !vk_str_eqz(where, "off"))
        t->at[t->n++] = (target){.endpoint = VK_STR(VK_PAY_DEFAULT_ENDPOINT),
                                 .url = VK_STR(""),
                                 .version_name = t->version_name,
                                 .version = t->version};
    reading r = {c, t, VK_OK};
    vk_pay_ask ask = {
        .kind = vk_pay_r_webhook_endpoint.object, .created_to = INT64_MAX, .oldest_first = true};
    e = vk_pay_doc_list(c->db, &ask, one_endpoint, &r);
    if (e == VK_OK && r.e == VK_OK)
        c->targets = t;
    return e == VK_OK ? r.e : e;
}

static bool takes(const target *t, vk_str type)
{
    /* what there was not yet in that version */
    if (t->version < VK_PAY_BASIL && vk_str_starts(type, VK_STR("invoice_payment.")))
        return false;
    return vk_pay_hook_wants(t->wanted, type);
}

/* ---- the event */

typedef struct making {
    vk_pay_call *c;
    const vk_pay_resource *resource;
    const vk_pv *doc, *before; /* before: NULL when nothing is said of it */
    vk_str id, type;
    int64_t pending;
    bool unchanged; /* in the last version asked for: nothing of what is seen has changed */
} making;

/* The event for one version. */
static vk_err render(making *m, vk_str version_name, int version, vk_pv **out_r)
{
    vk_pay_call *c = m->c;
    vk_arena *a = c->arena;
    vk_pv *object, *was, *previous = NULL;
    vk_err e = vk_pay_render_for(c, m->resource, m->doc, version, &object);
    if (e == VK_OK && m->before) {
        e = vk_pay_render_for(c, m->resource, m->before, version, &was);
        previous = e == VK_OK ? vk_pay_hook_previous(a, was, object) : NULL;
        if (e == VK_OK && !previous)
            e = VK_E_NOMEM;
        m->unchanged = previous && previous->count == 0;
    }
    if (e != VK_OK)
        return e;
    bool page = !c->ep || c->ep->verb == VK_PAY_PAGE || !c->request_id[0];
    vk_pv *ev = vk_pv_obj(a);
    bool ok = vk_pv_put_str(a, ev, "id", m->id) && vk_pv_put_str(a, ev, "object", VK_STR("event")) &&
              vk_pv_put_str(a, ev, "api_version", version_name) && vk_pv_put_int(a, ev, "created", c->now) &&
              vk_pv_put(a, ev, "data.object", object) &&
              (!previous || vk_pv_put(a, ev, "data.previous_attributes", previous)) &&
              vk_pv_put_bool(a, ev, "livemode", false) &&
              vk_pv_put_int(a, ev, "pending_webhooks", m->pending) &&
              vk_pv_put_str(a, ev, "request.id", page ? VK_STR_NONE : vk_str_z(c->request_id)) &&
              vk_pv_put_str(a, ev, "request.idempotency_key", page ? VK_STR_NONE : c->idempotency_key) &&
              vk_pv_put_str(a, ev, "type", m->type);
    *out_r = ev;
    return ok ? VK_OK : VK_E_NOMEM;
}

/* Under which names it is listed: its type, and each "family." of it, for filters with ".*". */
static vk_err store(const making *m, const vk_pv *event)
{
    vk_pay_key keys[VK_PAY_KEYS_MAX] = {{"type", m->type}};
    size_t n = 1;
    vk_buf b;
    for (size_t i = 0; i < m->type.n && n < VK_COUNT(keys); i++)
        if (m->type.p[i] == '.')
            keys[n++] = (vk_pay_key){"type", {m->type.p, i + 1}};
    vk_buf_init(&b, VK_PAY_EVENT_BYTES);
    vk_pv_write(&b, event);
    vk_pay_row row = {
        .id = m->id, .kind = vk_str_z(vk_pay_r_event.object), .body = vk_buf_view(&b), .created = m->c->now};
    vk_err e = b.err == VK_OK ? vk_pay_doc_put(m->c->db, &row, keys, n) : b.err;
    vk_buf_free(&b);
    return e;
}

static vk_err deliver_to(making *m, const target *x, vk_str body, int64_t now_ms)
{
    int64_t id;
    return vk_pay_delivery_add(m->c->db,
                               &(vk_pay_delivery){.event = m->id,
                                                  .endpoint = x->endpoint,
                                                  .url = x->url,
                                                  .body = body,
                                                  .created_ms = now_ms,
                                                  .due_ms = now_ms},
                               &id);
}

static vk_err deliver(making *m, struct vk_pay_targets *t)
{
    vk_str bodies[VK_COUNT(t->at)] = {{NULL, 0}};
    int64_t now_ms = vk_clock_wall_ms();
    vk_err e = VK_OK;
    for (size_t i = 0; i < t->n && e == VK_OK; i++) {
        const target *x = &t->at[i];
        if (!takes(x, m->type))
            continue;
        for (size_t k = 0; k < i && !bodies[i].p; k++)
            if (bodies[k].p && vk_str_eq(t->at[k].version_name, x->version_name))
                bodies[i] = bodies[k];
        if (!bodies[i].p) {
            vk_pv *event;
            vk_buf b;
            e = render(m, x->version_name, x->version, &event);
            if (e != VK_OK)
                return e;
            vk_buf_init(&b, VK_PAY_EVENT_BYTES);
            vk_pv_write_pretty(&b, event);
            bodies[i] = b.err == VK_OK ? vk_arena_dup(m->c->arena, vk_buf_view(&b)) : VK_STR_NONE;
            e = b.err != VK_OK ? b.err : bodies[i].p ? VK_OK : VK_E_NOMEM;
            vk_buf_free(&b);
            if (e != VK_OK)
                return e;
        }
        e = deliver_to(m, x, bodies[i], now_ms);
    }
    if (e == VK_OK && m->pending)
        vk_pay_hooks_due(m->c, now_ms);
    if (vk_str_eqz(m->type, "checkout.session.completed")) {
        t->told = m->id;
        t->pending = m->pending;
    }
    return e;
}

bool vk_pay_told(const vk_pay_call *c, vk_str *event_r, int64_t *pending_r)
{
    if (!c->targets || !c->targets->pending)
        return false;
    *event_r = c->targets->told;
    *pending_r = c->targets->pending;
    return true;
}

static vk_err make(vk_pay_call *c, const char *type, const vk_pay_resource *r, vk_pv *doc,
                   const vk_pv *before)
{
    struct vk_pay_targets *t;
    making m = {.c = c, .resource = r, .doc = doc, .before = before, .type = vk_str_z(type)};
    vk_pv *event;
    if (c->events >= VK_PAY_EVENTS_MAX)
        return vk_pay_refuse(c, 400, NULL, NULL, "One request cannot change so much: more than %d events.",
                             VK_PAY_EVENTS_MAX);
    m.id = vk_pay_id(c, vk_pay_r_event.prefix, vk_pay_r_event.random);
    vk_err e = m.id.p ? load_targets(c, &t) : VK_E_NOMEM;
    if (e != VK_OK)
        return e;
    for (size_t i = 0; i < t->n; i++)
        m.pending += takes(&t->at[i], m.type);
    e = render(&m, t->version_name, t->version, &event);
    if (e != VK_OK || m.unchanged)
        return e;
    c->events++;
    e = store(&m, event);
    if (e == VK_OK)
        e = deliver(&m, t);
    if (e == VK_E_TOO_LARGE)
        return vk_pay_refuse(c, 400, NULL, NULL, "The %s is too large for an event.", r->word);
    return e == VK_OK ? vk_pay_seen(c, doc) : e;
}

vk_err vk_pay_event(vk_pay_call *c, const char *type, const vk_pay_resource *r, vk_pv *doc)
{
    return make(c, type, r, doc, NULL);
}

vk_err vk_pay_event_changed(vk_pay_call *c, const char *type, const vk_pay_resource *r, vk_pv *doc)
{
    const vk_pv *before;
    vk_err e = vk_pay_before(c, doc, &before);
    if (e != VK_OK || (before && vk_pv_equal(before, doc)))
        return e;
    return make(c, type, r, doc, before);
}

vk_err vk_pay_event_given(vk_pay_call *c, vk_pv *event, bool *new_r)
{
    struct vk_pay_targets *t;
    making m = {.c = c, .id = vk_pv_text(event, "id"), .type = vk_pv_text(event, "type")};
    vk_pay_row row;
    vk_buf b;
    int64_t now_ms = vk_clock_wall_ms();
    *new_r = false;
    if (!m.id.n || m.id.n > VK_PAY_ID_MAX || !m.type.n)
        return VK_E_INVALID;
    vk_err e = vk_pay_doc_get(c->db, c->arena, m.id, &row);
    if (e != VK_E_NOT_FOUND)
        return e; /* it came before */
    e = load_targets(c, &t);
    for (size_t i = 0; e == VK_OK && i < t->n; i++)
        m.pending += vk_pay_hook_wants(t->at[i].wanted, m.type);
    if (e == VK_OK && !vk_pv_put_int(c->arena, event, "pending_webhooks", m.pending))
        e = VK_E_NOMEM;
    if (e != VK_OK)
        return e;
    vk_buf_init(&b, VK_PAY_EVENT_BYTES);
    vk_pv_write_pretty(&b, event);
    e = b.err == VK_OK ? store(&m, event) : b.err;
    for (size_t i = 0; e == VK_OK && i < t->n; i++)
        if (vk_pay_hook_wants(t->at[i].wanted, m.type))
            e = deliver_to(&m, &t->at[i], vk_buf_view(&b), now_ms);
    vk_buf_free(&b);
    if (e == VK_OK && m.pending)
        vk_pay_hooks_due(c, now_ms);
    *new_r = e == VK_OK;
    return e;
}

vk_err vk_pay_wake_at(vk_pay_call *c, int64_t at_ms)
{
    vk_pay_hooks_due(c, at_ms);
    return VK_OK;
}

/* ---- once more */

typedef struct sending {
    vk_arena *a;
    const struct vk_pay_targets *t;
    vk_pay_delivery all[VK_PAY_ENDPOINTS_MAX + 1];
    size_t n;
    vk_err e;
} sending;

static bool one_delivery(void *arg, const vk_pay_delivery *d)
{
    sending *s = arg;
    bool is = false;
    for (size_t i = 0; i < s->t->n; i++)
        is = is || vk_str_eq(s->t->at[i].endpoint, d->endpoint);
    if (!is) /* of endpoints that were deleted there may be any number */
        return true;
    vk_pay_delivery *x = &s->all[s->n++];
    *x = (vk_pay_delivery){.id = d->id,
                           .due_ms = d->due_ms,
                           .tries = d->tries,
                           .status = d->status,
                           .endpoint = vk_arena_dup(s->a, d->endpoint),
                           .note = d->note.p ? vk_arena_dup(s->a, d->note) : VK_STR_NONE,
                           .body = d->body.p ? VK_STR("") : VK_STR_NONE};
    s->e = x->endpoint.p && (!d->note.p || x->note.p) ? VK_OK : VK_E_NOMEM;
    return s->e == VK_OK && s->n < VK_COUNT(s->all);
}

/* Due now: as it was made, or where its bytes are gone as the event is kept. */
static vk_err send_again(vk_pay_call *c, vk_pay_delivery *d, vk_str body, int64_t now_ms)
{
    bool gone = !d->body.p;
    d->body = gone ? body : VK_STR_NONE;
    d->delivered = false;
    if (!d->due_ms || d->tries) /* else it waits for its turn */
        d->due_ms = now_ms;
    return vk_pay_delivery_set(c->db, d);
}

vk_err vk_pay_event_resend(vk_pay_call *c, const vk_pv *event, vk_str endpoint, int64_t *n_r)
{
    struct vk_pay_targets *t;
    int64_t now_ms = vk_clock_wall_ms(), id;
    vk_str event_id = vk_pv_text(event, "id"), type = vk_pv_text(event, "type"), body;
    sending *s = VK_NEW(c->arena, sending);
    vk_buf b;
    if (!s)
        return VK_E_NOMEM;
    s->a = c->arena;
    vk_buf_init(&b, VK_PAY_EVENT_BYTES);
    vk_pv_write_pretty(&b, event);
    body = b.err == VK_OK ? vk_arena_dup(c->arena, vk_buf_view(&b)) : VK_STR_NONE;
    vk_err e = b.err != VK_OK ? b.err : body.p ? load_targets(c, &t) : VK_E_NOMEM;
    vk_buf_free(&b);
    if (e == VK_OK) {
        s->t = t;
        e = vk_pay_delivery_list(c->db, event_id, one_delivery, s);
    }
    if (e == VK_OK)
        e = s->e;
    *n_r = 0;
    for (size_t i = 0; e == VK_OK && i < t->n; i++) {
        const target *x = &t->at[i];
        vk_pay_delivery *old = NULL;
        if ((endpoint.p && !vk_str_eq(endpoint, x->endpoint)) || !takes(x, type))
            continue;
        for (size_t k = 0; k < s->n && !old; k++)
            if (vk_str_eq(s->all[k].endpoint, x->endpoint))
                old = &s->all[k];
        e = old ? send_again(c, old, body, now_ms)
                : vk_pay_delivery_add(c->db,
                                      &(vk_pay_delivery){.event = event_id,
                                                         .endpoint = x->endpoint,
                                                         .url = x->url,
                                                         .body = body,
                                                         .created_ms = now_ms,
                                                         .due_ms = now_ms},
                                      &id);
        *n_r += 1;
    }
    if (e == VK_OK && *n_r)
        vk_pay_hooks_due(c, now_ms);
    return e;
}
