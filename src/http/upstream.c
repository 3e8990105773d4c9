/* A pool: who waits, who has a connection, which ones are kept. */
#include "http/upconn.h"

#include "net/wire.h"

#include <stdarg.h>

enum { USUAL_MS = 60000 };

static void on_time(vk_timer *t);

/* ---- connections */

static void run_task(vk_task *t);

void vk_upstream_kick(vk_upstream *u)
{
    if (u->posted)
        return;
    u->posted = true;
    u->task.run = run_task;
    vk_loop_post(u->loop, &u->task);
}

static void maybe_free(vk_upstream *u)
{
    if (!u->closing || u->n_conns || u->posted || !vk_list_empty(&u->waiting))
        return;
    vk_timer_clear(u->loop, &u->sweep);
    vk_updial_forget(u);
    vk_tls_forget(&u->memory);
    free(u);
}

static void on_closed(vk_io *io)
{
    vk_upconn *uc = VK_CONTAINER(io, vk_upconn, io);
    vk_upstream *u = uc->pool;
    free(uc);
    u->n_conns--;
    maybe_free(u);
}

vk_upconn *vk_upconn_new(vk_upstream *u, int fd)
{
    vk_upconn *uc = calloc(1, sizeof *uc);
    if (!uc)
        return NULL;
    if (vk_io_open(u->loop, &uc->io, fd, vk_upconn_ready) != VK_OK) {
        free(uc);
        return NULL;
    }
    uc->pool = u;
    uc->born_ms = vk_loop_now(u->loop);
    uc->state = UP_CONNECTING;
    vk_list_init(&uc->node);
    u->n_conns++;
    u->counts.open++;
    return uc;
}

void vk_upconn_shut(vk_upconn *uc)
{
    if (uc->state == UP_GONE)
        return;
    uc->pool->counts.open--;
    uc->pool->counts.idle -= uc->state == UP_IDLE;
    uc->state = UP_GONE;
    vk_upconn_drop_in(uc, true);
    vk_upconn_drop_out(uc, true);
    vk_list_remove(&uc->node);
    vk_io_close(&uc->io, on_closed);
}

static void on_sweep(vk_timer *t)
{
    vk_upstream *u = VK_CONTAINER(t, vk_upstream, sweep);
    int64_t now = vk_loop_now(u->loop);
    while (!vk_list_empty(&u->idle)) {
        vk_upconn *uc = VK_CONTAINER(u->idle.next, vk_upconn, node);
        int64_t left = uc->idle_ms + VK_UPSTREAM_IDLE_MS - now;
        if (left > 0) {
            vk_timer_set(u->loop, &u->sweep, left, on_sweep);
            return;
        }
        vk_upconn_shut(uc);
    }
}

static void keep_or_shut(vk_upconn *uc, bool keep, bool secret)
{
    vk_upstream *u = uc->pool;
    int64_t now = vk_loop_now(u->loop);
    if (!keep || u->closing || u->counts.idle >= VK_UPSTREAM_IDLE || now - uc->born_ms > VK_UPSTREAM_AGE_MS) {
        vk_upconn_shut(uc);
        return;
    }
    vk_upconn_drop_in(uc, secret);
    vk_upconn_drop_out(uc, secret);
    uc->state = UP_IDLE;
    uc->reused = true;
    uc->idle_ms = now;
    vk_list_remove(&uc->node);
    vk_list_push(&u->idle, &uc->node);
    u->counts.idle++;
    vk_io_want(&uc->io, VK_READ);
    if (!u->sweep.due_ms)
        vk_timer_set(u->loop, &u->sweep, VK_UPSTREAM_IDLE_MS, on_sweep);
}

static void unwait(vk_upstream *u, vk_upcall *c)
{
    if (vk_list_empty(&c->node))
        return;
    vk_list_remove(&c->node);
    u->counts.waiting--;
}

void vk_upconn_attach(vk_upconn *uc, vk_upcall *c)
{
    unwait(uc->pool, c);
    uc->call = c;
    c->conn = uc;
    uc->heard = uc->mute = uc->eof = uc->have_head = uc->raw = uc->first = uc->last_chunk = false;
    uc->head_at = uc->body_at = 0;
    uc->payload = uc->interim = 0;
    vk_list_remove(&uc->node);
    vk_list_push(&uc->pool->busy, &uc->node);
}

/* The one that was used last: it is the likeliest to live. A call that must not be sent twice gets none that
 * has ended, as far as that is known here already. */
static vk_upconn *take_idle(vk_upstream *u, const vk_upcall *c)
{
    while (!vk_list_empty(&u->idle)) {
        vk_upconn *uc = VK_CONTAINER(u->idle.prev, vk_upconn, node);
        if (!c->again && !vk_upconn_lives(uc)) {
            vk_upconn_shut(uc);
            continue;
        }
        u->counts.idle--;
        u->counts.reused++;
        uc->state = UP_OPEN;
        return uc;
    }
    return NULL;
}

/* ---- calls */

static void wait(vk_upstream *u, vk_upcall *c, bool front)
{
    if (front)
        vk_list_unshift(&u->waiting, &c->node);
    else
        vk_list_push(&u->waiting, &c->node);
    u->counts.waiting++;
    vk_timer_set(u->loop, &c->timer, c->first_ms, on_time);
    vk_upstream_kick(u);
}

/* Neither a connection nor the pool knows of it any more. */
static void detach(vk_upcall *c, bool keep)
{
    vk_upstream *u = c->pool;
    vk_upconn *uc = c->conn;
    vk_timer_clear(u->loop, &c->timer);
    if (c->secret && !c->head_done)
        vk_wipe((void *)(uintptr_t)c->head.p, c->head.n);
    unwait(u, c);
    c->conn = NULL;
    if (uc) {
        uc->call = NULL;
        keep_or_shut(uc, keep, c->secret);
    }
    if (!vk_list_empty(&u->waiting))
        vk_upstream_kick(u);
}

void vk_upcall_finish(vk_upcall *c, bool keep, vk_err e, const char *why)
{
    detach(c, keep);
    c->pool->counts.failed += e != VK_OK;
    c->done(c, e, why);
}

/* RFC 9110 §9.2.2, RFC 9112 §9.3.1: a request that did no harm, or was never begun. */
static bool once_more(vk_upcall *c)
{
    vk_upconn *uc = c->conn;
    bool streams = c->body_n != 0 && c->body.n == 0;
    if (!uc || !uc->reused || uc->heard || c->tried_again || c->pool->closing)
        return false;
    bool unsent = uc->head_at == 0 && vk_wire_owed(&uc->io) == 0 && c->sent == 0;
    return unsent || (c->again && !streams);
}

void vk_upcall_fail(vk_upcall *c, vk_err e, const char *fmt, ...)
{
    char why[VK_UPSTREAM_WHY];
    vk_upstream *u = c->pool;
    if (e == VK_E_UNAVAILABLE && once_more(c)) {
        vk_upconn *uc = c->conn;
        c->conn = NULL;
        uc->call = NULL;
        vk_upconn_shut(uc);
        c->tried_again = true;
        c->sent = 0;
        u->counts.again++;
        wait(u, c, true);
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    vk_upcall_finish(c, false, e, why);
}

static void on_time(vk_timer *t)
{
    vk_upcall *c = VK_CONTAINER(t, vk_upcall, timer);
    vk_upconn *uc = c->conn;
    const char *host = c->pool->at.host;
    if (!uc && c->pool->resolving)
        vk_upcall_fail(c, VK_E_TIMEOUT, "The name %s was not resolved in time", host);
    else if (!uc)
        vk_upcall_fail(c, VK_E_TIMEOUT, "All connections to %s were in use for too long", host);
    else if (uc->state == UP_CONNECTING)
        vk_updial_late(uc);
    else if (uc->state == UP_GREETING)
        vk_upcall_fail(c, VK_E_TIMEOUT, "%s did not come to an end with the TLS handshake in time", host);
    else if (!uc->have_head)
        vk_upcall_fail(c, VK_E_TIMEOUT, "%s did not answer in time", host);
    else
        vk_upcall_fail(c, VK_E_TIMEOUT, "%s stopped in the middle of its answer", host);
}

void vk_upconn_arm(vk_upcall *c, int64_t ms)
{
    vk_timer_set(c->pool->loop, &c->timer, ms, on_time);
}

vk_err vk_upcall_begin(vk_upstream *u, vk_upcall *c)
{
    if (u->closing)
        return VK_E_UNAVAILABLE;
    c->pool = u;
    c->conn = NULL;
    c->timer = (vk_timer){0};
    vk_list_init(&c->node);
    c->sent = c->received = 0;
    c->head_done = c->tried_again = c->gave_end = c->in_full = false;
    c->body_n = c->body.n ? (int64_t)c->body.n : c->body_n;
    c->out_full = c->body_n != 0 && c->body.n == 0;
    c->first_ms = c->first_ms > 0 ? c->first_ms : USUAL_MS;
    c->idle_ms = c->idle_ms > 0 ? c->idle_ms : USUAL_MS;
    vk_upconn *uc = vk_list_empty(&u->waiting) ? take_idle(u, c) : NULL;
    if (!uc && u->counts.waiting >= VK_UPSTREAM_WAITING)
        return VK_E_BUSY;
    u->counts.calls++;
    if (!uc) {
        wait(u, c, false);
        return VK_OK;
    }
    vk_upconn_attach(uc, c);
    vk_upconn_start(uc);
    return VK_OK;
}

void vk_upcall_abort(vk_upcall *c)
{
    if (c->conn || !vk_list_empty(&c->node))
        detach(c, false);
}

void vk_upcall_move(vk_upcall *c, vk_upcall *to)
{
    vk_upstream *u = c->pool;
    vk_timer_clear(u->loop, &c->timer);
    *to = *c;
    to->timer = (vk_timer){0};
    vk_list_init(&to->node);
    c->conn = NULL;
    to->conn->call = to;
    vk_upconn_arm(to, to->idle_ms);
}

/* ---- the pool */

static void dispatch(vk_upstream *u)
{
    for (size_t n = u->counts.waiting; n > 0 && !vk_list_empty(&u->waiting) && !u->closing; n--) {
        vk_upcall *c = VK_CONTAINER(u->waiting.next, vk_upcall, node);
        vk_upconn *uc = c->tried_again ? NULL : take_idle(u, c);
        if (uc) {
            vk_upconn_attach(uc, c);
            vk_upconn_start(uc);
            continue;
        }
        if (u->counts.open >= VK_UPSTREAM_CONNS && u->counts.idle) /* for one that wants a fresh one */
            vk_upconn_shut(VK_CONTAINER(u->idle.next, vk_upconn, node));
        if (u->counts.open >= VK_UPSTREAM_CONNS || !vk_updial(u, c))
            return;
    }
}

static void end_all(vk_upstream *u)
{
    while (!vk_list_empty(&u->waiting))
        vk_upcall_finish(VK_CONTAINER(u->waiting.next, vk_upcall, node), false, VK_E_UNAVAILABLE,
                         "Connections come to an end here");
    while (!vk_list_empty(&u->busy))
        vk_upcall_finish(VK_CONTAINER(u->busy.next, vk_upconn, node)->call, false, VK_E_UNAVAILABLE,
                         "Connections come to an end here");
    while (!vk_list_empty(&u->idle))
        vk_upconn_shut(VK_CONTAINER(u->idle.next, vk_upconn, node));
}

static void run_task(vk_task *t)
{
    vk_upstream *u = VK_CONTAINER(t, vk_upstream, task);
    if (!u->closing)
        dispatch(u);
    if (u->closing)
        end_all(u);
    u->posted = false;
    if (!vk_list_empty(&u->waiting) && !u->resolving &&
        (u->counts.open < VK_UPSTREAM_CONNS || u->counts.idle))
        vk_upstream_kick(u); /* those that came meanwhile */
    maybe_free(u);
}

vk_err vk_upstream_new(vk_loop *loop, const vk_upstream_place *at, vk_upstream **out_r)
{
    vk_upstream *u = calloc(1, sizeof *u);
    if (!u)
        return VK_E_NOMEM;
    u->loop = loop;
    u->at = *at;
    vk_list_init(&u->idle);
    vk_list_init(&u->busy);
    vk_list_init(&u->waiting);
    vk_err e = vk_updial_prepare(u);
    if (e != VK_OK) {
        free(u);
        return e;
    }
    *out_r = u;
    return VK_OK;
}

void vk_upstream_free(vk_upstream *u)
{
    if (!u || u->closing)
        return;
    u->closing = true;
    vk_upstream_kick(u);
}

void vk_upstream_count(const vk_upstream *u, vk_upstream_counts *out)
{
    *out = u->counts;
}
