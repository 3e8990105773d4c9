/* The way of an order: whose it is, whether it may be, the audit, the vendor, the audit. */
#include "keeper/order_in.h"

#include "core/clock.h"
#include "core/encode.h"
#include "core/log.h"
#include "http/json_error.h"

#include <fcntl.h>

enum { CHECK_MS = 400 }; /* so that a stream ends within a second of its credential */

struct vk_orders {
    vk_orders_with with;
    vk_list running; /* orders that a proxy has */
    vk_timer timer;  /* armed while there are any */
    vk_server server;
    vk_order_pools *pools;
    vk_order_scrubs *scrubs;
    vk_orders_counts counts;
};

/* ---- refusals */

/* Without the line front would take it for the vendor's word. */
static void answer_refusal(vk_exchange *ex, vk_err e, const char *why)
{
    if (vk_header_add(ex, "Valetkey-Refusal", vk_str_z(vk_err_name(e))) != VK_OK)
        vk_header_lines(ex, "Valetkey-Refusal: out_of_memory\r\n");
    vk_respond_json_error(ex, e, why);
}

static vk_err refuse(vk_exchange *ex, vk_err e, const char *why)
{
    vk_orders *o = ex->server->ctx;
    o->counts.refused++;
    answer_refusal(ex, e, why);
    return e;
}

/* ---- after it */

static void write_outcome(vk_order_run *r, int status, uint64_t sent, uint64_t received)
{
    vk_audit_entry *e = &r->audit;
    uint64_t of = e->seq;
    e->kind = VK_AUDIT_OUTCOME;
    e->of = of;
    e->result = status;
    e->sent = sent;
    e->received = received;
    e->durable = NULL;
    if (vk_audit_write(r->orders->with.audit, e) != VK_OK)
        vk_log(VK_ERROR, "the outcome of a call to a vendor is not in the audit",
               VK_F(vendor, r->o.vendor->name), VK_F(op, e->op), VK_F(intent, of));
}

static void let_go(void *arg)
{
    vk_order_run *r = arg;
    vk_order_scrubs_put(r->set);
    vk_buf_free_secret(&r->head);
}

static void ended(vk_proxy *p, vk_err e, int status, uint64_t sent, uint64_t received)
{
    vk_order_run *r = p->arg;
    vk_list_remove(&r->node);
    uint64_t found = r->found + r->run.found;
    if (found) {
        r->orders->counts.scrubbed++;
        vk_log(VK_ERROR, "echo_scrubbed: a vendor's answer held the key that it was sent",
               VK_F(vendor, r->o.vendor->name), VK_F(op, r->audit.op), VK_F(build, r->audit.build),
               VK_F(times, found));
    }
    if (e != VK_OK)
        r->orders->counts.failed++;
    write_outcome(r, status, sent, received);
}

/* A certificate that is not believed and an answer that is none are the vendor's side of the matter, not the
 * caller's. */
static void failed(vk_proxy *p, vk_err e, const char *why)
{
    vk_order_run *r = p->arg;
    char text[VK_UPSTREAM_WHY + 64];
    if (r->withdrawn) {
        answer_refusal(r->ex, e, why);
        return;
    }
    snprintf(text, sizeof text, "%s: %s.", r->o.vendor->title, why);
    answer_refusal(r->ex, e == VK_E_FORBIDDEN ? VK_E_UNAVAILABLE : e == VK_E_INVALID ? VK_E_IO : e, text);
}

static const vk_proxy_ways ways = {.head = vk_order_answer, .failed = failed, .ended = ended};

/* ---- while it is under way */

/* A credential that was revoked or has expired ends what runs with it: a long answer, a long upload. The
 * metadata is asked again for each; as long as nothing has changed there that costs a comparison. */
static void check(vk_timer *t)
{
    vk_orders *o = VK_CONTAINER(t, vk_orders, timer);
    int64_t now = vk_clock_wall_ms();
    vk_list all, *n;
    vk_list_init(&all);
    vk_list_splice(&all, &o->running);
    while ((n = vk_list_shift(&all))) {
        vk_order_run *r = VK_CONTAINER(n, vk_order_run, node);
        const vk_view_row *row;
        const char *why;
        vk_err e = vk_view_find(o->with.view, r->line.hash, vk_str_z(r->line.service), r->line.kind, now,
                                &row, &why);
        if (e == VK_OK ? row->generation == r->o.generation : e != VK_E_UNAUTHORIZED && e != VK_E_EXPIRED) {
            /* What cannot be known now is known soon; another driver is for the next request. */
            vk_list_push(&o->running, n);
            continue;
        }
        r->withdrawn = true;
        vk_proxy_end(r->proxy, e == VK_OK ? VK_E_UNAUTHORIZED : e,
                     e == VK_OK ? "The valet key is unknown or was revoked" : why);
    }
    if (!vk_list_empty(&o->running))
        vk_timer_set(o->with.loop, t, CHECK_MS, check);
}

static void watch(vk_order_run *r)
{
    vk_orders *o = r->orders;
    if (vk_list_empty(&o->running))
        vk_timer_set(o->with.loop, &o->timer, CHECK_MS, check);
    vk_list_push(&o->running, &r->node);
}

/* ---- to the vendor */

static const char *not_begun(vk_err e)
{
    switch (e) {
    case VK_E_INVALID:
        return "The address of the vendor that was entered cannot be one.";
    case VK_E_UNAVAILABLE:
        return "There are no certificate authorities by which the vendor could be told from others.";
    case VK_E_BUSY:
        return "Too many calls to the vendor are under way; try again.";
    default:
        return "Out of memory.";
    }
}

static vk_err send_it(vk_order_run *r)
{
    vk_upstream *to;
    vk_err e = vk_order_pool(r->orders->pools, r->o.to_host, r->o.plain, &to);
    if (e == VK_OK) {
        const vk_proxy_ask ask = {.to = to,
                                  .head = vk_buf_view(&r->head),
                                  .method = r->o.method,
                                  .body = r->o.body_n == 0 ? VK_STR("") : VK_STR_NONE,
                                  .secret = true,
                                  .again = r->o.again && r->o.body_n == 0,
                                  .ways = &ways,
                                  .arg = r};
        e = vk_proxy_begin(r->ex, &ask, &r->proxy);
    }
    if (e != VK_OK) {
        write_outcome(r, 0, 0, 0);
        r->orders->counts.refused++;
        answer_refusal(r->ex, e == VK_E_INVALID ? VK_E_UNAVAILABLE : e, not_begun(e));
        return e;
    }
    r->sent = true;
    watch(r);
    r->orders->counts.taken++;
    if (r->o.body_n != 0)
        vk_sink_ready(r->ex);
    return VK_OK;
}

static void on_gone(vk_exchange *ex)
{
    ((vk_order_run *)ex->ctx)->gone = true;
}

/* The intent is on the disk, or is not. */
static void durable(vk_audit_entry *e, vk_err err)
{
    vk_order_run *r = e->arg;
    if (err != VK_OK) {
        r->orders->counts.refused++;
        answer_refusal(r->ex, VK_E_UNAVAILABLE,
                       "The audit cannot be written, so the organisation's key is not used.");
    } else if (r->gone) {
        write_outcome(r, 0, 0, 0);
        answer_refusal(r->ex, VK_E_UNAVAILABLE, "Nobody waits for the answer any more.");
    } else {
        (void)send_it(r); /* answered */
    }
}

/* ---- the audit's words */

static const char *first_set(const vk_vendor_field *fields, const vk_org *g)
{
    for (const vk_vendor_field *f = fields; g && f && f->name; f++)
        if (f->secret && vk_org_value(g, f->name).n)
            return f->name;
    return NULL;
}

/* Which key it is: the build's own where it has one. */
static void note_key(vk_order_run *r)
{
    const vk_order *o = &r->o;
    const char *own = first_set(o->vendor->own, o->own),
               *org = own ? own : first_set(o->vendor->fields, o->org);
    const vk_org *g = own ? o->own : o->org;
    if (!org)
        return;
    vk_org_ref(g, org, r->audit.key_ref);
    r->audit.rec_version = vk_org_version_of(g);
}

static void copy_text(char *to, size_t room, vk_str s)
{
    size_t n = s.n < room ? s.n : room - 1;
    if (n)
        memcpy(to, s.p, n);
    to[n] = '\0';
}

static void note_intent(vk_order_run *r, const vk_order_line *line)
{
    vk_audit_entry *e = &r->audit;
    char hex[9];
    *e = (vk_audit_entry){.kind = VK_AUDIT_INTENT, .durable = durable, .arg = r};
    vk_hex(hex, line->hash, 4);
    copy_text(e->build, sizeof e->build, vk_str_z(r->o.build));
    copy_text(e->service, sizeof e->service, vk_str_z(line->service));
    memcpy(e->actor, "key ", 4);
    e->actor[4] = line->kind;
    e->actor[5] = ' ';
    memcpy(e->actor + 6, hex, sizeof hex);
    copy_text(e->op, sizeof e->op, vk_str_z(r->o.call->op));
    copy_text(e->host, sizeof e->host, r->o.to_host);
    copy_text(e->trace, sizeof e->trace, vk_exchange_id(r->ex));
    note_key(r);
}

/* ---- what may be */

/* By whom the build's service is provided, and that this is another binding than the audit knows: front
 * writes the metadata, so what it says counts for no order that is not named here first. The record is of the
 * build's generation, since an earlier build of the name had versions of its own. */
static vk_err note_binding(const vk_orders_with *with, const vk_view_row *row)
{
    char of[40], name[2 * VK_AUDIT_TEXT];
    vk_audit_entry e = {.kind = VK_AUDIT_CHANGE, .rec_version = row->binding.version, .actor = "keeper"};
    if (row->noted || !with->audit)
        return VK_OK; /* without an audit no order is taken */
    snprintf(of, sizeof of, "%s.%llu", row->binding.service, (unsigned long long)row->generation);
    snprintf(name, sizeof name, "build/%s/%s", row->build, of);
    vk_err err = VK_OK;
    if (vk_audit_version_of(with->audit, vk_str_z(name)) != row->binding.version) {
        copy_text(e.build, sizeof e.build, vk_str_z(row->build));
        copy_text(e.service, sizeof e.service, vk_str_z(row->binding.service));
        snprintf(e.op, sizeof e.op, "binding.%.12s %s", row->binding.driver, of);
        err = vk_audit_write(with->audit, &e);
    }
    if (err == VK_OK)
        vk_view_noted(row);
    return err;
}

static vk_err find(vk_order_run *r, const vk_order_line *line, const char **why_r)
{
    const vk_orders_with *with = &r->orders->with;
    const vk_view_row *row;
    vk_arena *a = r->ex->arena;
    *why_r = "The metadata cannot be read now";
    if (!with->view)
        return VK_E_UNAVAILABLE;
    vk_err e =
        vk_view_find(with->view, line->hash, vk_str_z(line->service), line->kind, r->o.now_ms, &row, why_r);
    if (e != VK_OK)
        return e;
    *why_r = "The audit cannot be written, so the organisation's key is not used";
    if (note_binding(with, row) != VK_OK)
        return VK_E_UNAVAILABLE;
    r->binding = row->binding;
    r->binding.resource = vk_arena_dup(a, row->binding.resource);
    r->o.build = vk_arena_dup(a, vk_str_z(row->build)).p;
    r->o.generation = row->generation;
    r->o.binding = &r->binding;
    *why_r = "Out of memory";
    if (!r->o.build || !r->binding.resource.p)
        return VK_E_NOMEM;
    r->o.vendor = vk_vendor_of(vk_str_z(r->binding.driver));
    *why_r = "This build has the service from a vendor that this valetkey does not know";
    return r->o.vendor && strcmp(r->o.vendor->service, line->service) == 0 ? VK_OK : VK_E_UNAVAILABLE;
}

/* What is missing of an incomplete one, vendor->order says: not every call needs all of it. */
static bool opens(const vk_org *g)
{
    vk_org_state state = vk_org_state_of(g);
    return state == VK_ORG_READY || state == VK_ORG_INCOMPLETE;
}

static vk_err find_keys(vk_order_run *r, const char **why_r)
{
    const vk_vendor *v = r->o.vendor;
    vk_orgs *orgs = r->orders->with.orgs;
    r->o.org = vk_org_of(orgs, v, VK_STR(""));
    r->o.own = vk_org_of(orgs, v, vk_str_z(r->o.build));
    *why_r = "The organisation has no keys of this vendor that can be used: valetkey keys list says why";
    if ((r->o.org && !opens(r->o.org)) || (r->o.own && !opens(r->o.own)) || (!r->o.org && !r->o.own))
        return VK_E_UNAVAILABLE;
    *why_r = "Out of memory";
    return v->scrub ? vk_order_scrubs_get(r->orders->scrubs, v, r->o.org, r->o.own, &r->set) : VK_OK;
}

static vk_err allow(vk_order_run *r, const char **why_r)
{
    vk_order *o = &r->o;
    if (o->vendor->calls && o->vendor->order)
        o->call = vk_vendor_call_of(o->vendor, o->method, o->path);
    o->path_seen = o->call != NULL;
    *why_r = "This call is not among those that valetkey makes with an organisation's key";
    return o->call ? vk_order_travel(o, r->ex->headers, r->ex->n_headers, why_r) : VK_E_FORBIDDEN;
}

static vk_err make(vk_order_run *r, const char **why_r)
{
    vk_buf lines;
    vk_buf_init(&lines, VK_ORDER_LINES_MAX);
    lines.secret = true;
    r->o.lines = &lines;
    *why_r = "The organisation's keys of this vendor are not complete";
    vk_err e = r->o.vendor->order(&r->o, why_r);
    if (e == VK_OK) {
        *why_r = "The request to the vendor cannot be made";
        e = vk_order_compose(&r->o, &r->head);
    }
    /* A view of the vault's memory, and the keys may be changed while the audit is written. */
    if (e == VK_OK)
        r->o.to_host = vk_arena_dup(r->ex->arena, r->o.to_host);
    if (e == VK_OK && !r->o.to_host.p) {
        *why_r = "Out of memory";
        e = VK_E_NOMEM;
    }
    r->o.lines = NULL;
    vk_buf_free_secret(&lines);
    return e;
}

static vk_err begin(vk_order_run *r, const vk_order_line *line, const char **why_r)
{
    vk_err e = find(r, line, why_r);
    if (e == VK_OK)
        e = find_keys(r, why_r);
    if (e == VK_OK)
        e = allow(r, why_r);
    if (e == VK_OK)
        e = make(r, why_r);
    if (e != VK_OK)
        return e;
    note_intent(r, line);
    r->o.org = r->o.own = NULL; /* good until the next turn of the loop only */
    vk_audit *audit = r->orders->with.audit;
    e = audit ? vk_audit_write_now(audit, &r->audit) : VK_E_UNAVAILABLE;
    r->written = e == VK_OK;
    if (e == VK_AGAIN)
        e = vk_audit_write(audit, &r->audit);
    *why_r = e == VK_E_BUSY ? "Too many calls wait for the audit; try again"
                            : "The audit cannot be written, so the organisation's key is not used";
    return e;
}

/* ---- the server */

static vk_err head(vk_exchange *ex)
{
    vk_order_line line;
    vk_str said;
    const char *why = "This is no order";
    ex->secret = true;
    ex->body_max = VK_ORDER_BODY_MAX;
    if (vk_order_line_of(ex->headers, ex->n_headers, &said) != VK_OK || vk_order_parse(said, &line) != VK_OK)
        return refuse(ex, VK_E_INVALID, why);
    /* Not left to the engine: it would answer, and end, an exchange whose intent is being written. */
    if (vk_proxy_body_n(ex) > (int64_t)VK_ORDER_BODY_MAX)
        return refuse(ex, VK_E_TOO_LARGE, "The body is larger than any that a vendor takes");
    vk_order_run *r = VK_NEW(ex->arena, vk_order_run);
    if (!r)
        return refuse(ex, VK_E_NOMEM, "Out of memory");
    vk_buf_init(&r->head, VK_HEAD_MAX + 2 * VK_ORDER_LINES_MAX);
    r->head.secret = true;
    if (vk_arena_cleanup(ex->arena, let_go, r) != VK_OK)
        return refuse(ex, VK_E_NOMEM, "Out of memory");
    r->orders = ex->server->ctx;
    r->ex = ex;
    r->line = line;
    vk_list_init(&r->node);
    r->o = (vk_order){.method = ex->method,
                      .path = ex->path,
                      .query = ex->query,
                      .content_type = ex->content_type,
                      .body_n = vk_proxy_body_n(ex),
                      .now_ms = vk_clock_wall_ms(),
                      .arena = ex->arena,
                      .to_path = ex->path,
                      .to_query = ex->query};
    ex->ctx = r;
    vk_err e = begin(r, &line, &why);
    if (e != VK_OK)
        return refuse(ex, e, why);
    if (r->written)
        return send_it(r);
    vk_proxy_hold(ex);
    ex->gone = on_gone;
    return VK_OK;
}

static void request(vk_exchange *ex)
{
    if (((vk_order_run *)ex->ctx)->sent)
        vk_proxy_request(ex);
}

static void refuse_engine(vk_exchange *ex, int status, vk_err e, const char *text)
{
    VK_UNUSED(status);
    answer_refusal(ex, e, text);
}

static const vk_handler handler = {.head = head, .request = request, .refuse = refuse_engine};

vk_err vk_orders_new(const vk_orders_with *with, vk_orders **out_r)
{
    vk_orders *o = calloc(1, sizeof *o);
    if (!o)
        return VK_E_NOMEM;
    o->with = *with;
    vk_list_init(&o->running);
    vk_server_init(&o->server, with->loop, &handler, o);
    o->server.name = "orders";
    vk_err e = vk_order_pools_new(with->loop, with->ca_file, with->lane, &o->pools);
    if (e == VK_OK)
        e = vk_order_scrubs_new(&o->scrubs);
    if (e != VK_OK) {
        vk_orders_free(o);
        return e;
    }
    *out_r = o;
    return VK_OK;
}

void vk_orders_free(vk_orders *o)
{
    vk_timer_clear(o->with.loop, &o->timer);
    vk_order_pools_free(o->pools);
    vk_order_scrubs_free(o->scrubs);
    free(o);
}

vk_err vk_orders_connect(vk_orders *o, int fd)
{
    if (o->server.n_conns >= VK_ORDER_CONNS)
        return VK_E_BUSY;
    return fcntl(fd, F_SETFL, O_NONBLOCK) == 0 ? vk_server_adopt(&o->server, fd, NULL, NULL) : VK_E_IO;
}

void vk_orders_forget(vk_orders *o)
{
    vk_order_scrubs_forget(o->scrubs);
}

void vk_orders_count(const vk_orders *o, vk_orders_counts *out)
{
    *out = o->counts;
    out->connections = o->server.n_conns;
}

void vk_orders_status(const vk_orders *o, vk_jw *w)
{
    vk_orders_counts c;
    vk_orders_count(o, &c);
    vk_jw_key(w, VK_STR("orders"));
    vk_jw_obj(w);
    vk_jw_ki64(w, "taken", (int64_t)c.taken);
    vk_jw_ki64(w, "refused", (int64_t)c.refused);
    vk_jw_ki64(w, "failed", (int64_t)c.failed);
    vk_jw_ki64(w, "scrubbed", (int64_t)c.scrubbed);
    vk_jw_ki64(w, "connections", (int64_t)c.connections);
    vk_jw_obj_end(w);
}
