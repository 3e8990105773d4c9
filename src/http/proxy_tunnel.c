#include "http/proxy_tunnel.h"

#include "http/conn.h"
#include "net/wire.h"

#include <errno.h>

enum { READS_MAX = 16 }; /* receive buffers of one client, before the others have their turn */

typedef struct tunnel {
    vk_upgrade upgrade;
    vk_conn *c;
    vk_upcall call;
    vk_timer timer; /* the client takes nothing */
    vk_buf head;    /* the 101 */
    size_t head_at;
    bool held;      /* the server is parked */
    bool told;      /* the other side knows that the client has ended */
    bool back_over; /* the other side has ended */
    bool working, over;
} tunnel;

static void free_tunnel(tunnel *t)
{
    vk_buf_free_secret(&t->head);
    free(t);
}

/* `proper`: the client is told the end; else it is cut off. */
static void end(tunnel *t, bool proper)
{
    vk_conn *c = t->c;
    if (t->over)
        return;
    t->over = true;
    if (!t->back_over)
        vk_upcall_abort(&t->call);
    vk_timer_clear(c->io.loop, &t->timer);
    if (c->state == S_OTHER && proper && vk_wire_finish(&c->io) != VK_AGAIN) {
        c->other = NULL;
        vk_conn_linger(c);
    } else {
        vk_conn_shut(c);
        vk_conn_leave(c);
    }
    if (!t->working)
        free_tunnel(t);
}

/* -1: the client's connection broke. */
static ssize_t to_client(tunnel *t, vk_str bytes)
{
    struct iovec iov = {(char *)(uintptr_t)bytes.p, bytes.n};
    ssize_t n;
    do
        n = vk_wire_send(&t->c->io, &(struct msghdr){.msg_iov = &iov, .msg_iovlen = 1}, 0);
    while (n < 0 && errno == EINTR);
    return n < 0 && errno == EAGAIN ? 0 : n;
}

static void on_time(vk_timer *timer)
{
    end(VK_CONTAINER(timer, tunnel, timer), false);
}

static void want(tunnel *t)
{
    vk_conn *c = t->c;
    bool blocked = t->head_at < t->head.n || t->call.in_full;
    bool reads = !t->held && !c->eof && c->in_at == c->in_n;
    if (blocked && !t->timer.due_ms)
        vk_timer_set(c->io.loop, &t->timer, c->server->limits->of[VK_LIMIT_SLOW_TIME], on_time);
    else if (!blocked)
        vk_timer_clear(c->io.loop, &t->timer);
    vk_io_want(&c->io, (reads ? VK_READ : 0) | (blocked ? VK_WRITE : 0));
}

/* False: the client's connection broke. */
static bool send_head(tunnel *t)
{
    if (t->head_at == t->head.n)
        return true;
    ssize_t n = to_client(t, (vk_str){t->head.p + t->head_at, t->head.n - t->head_at});
    t->head_at += n > 0 ? (size_t)n : 0;
    return n >= 0;
}

/* False: the same. */
static bool outward(tunnel *t)
{
    vk_conn *c = t->c;
    for (int i = 0; i < READS_MAX; i++) {
        if (c->in_at < c->in_n)
            c->in_at +=
                (uint32_t)vk_upcall_give(&t->call, (vk_str){c->in + c->in_at, c->in_n - c->in_at}, false);
        if (c->in_at < c->in_n)
            return true;
        if (c->eof && !t->told) {
            t->told = true;
            vk_upcall_give(&t->call, VK_STR_NONE, true);
        }
        if (c->eof || t->held)
            return true;
        if (!vk_conn_fill(c)) {
            if (c->state != S_OTHER)
                return false;
            if (!c->eof)
                break;
        }
    }
    if (c->in_at == c->in_n)
        vk_conn_drop_in(c);
    return true;
}

static void work(tunnel *t)
{
    if (t->working || t->over)
        return;
    t->working = true;
    bool whole = t->c->state == S_OTHER && send_head(t);
    if (whole && t->head_at == t->head.n && t->call.in_full)
        vk_upcall_room(&t->call); /* body_came and done may run, and end it */
    if (whole && !t->over)
        whole = outward(t);
    if (!whole)
        end(t, false);
    t->working = false;
    if (t->over)
        free_tunnel(t);
    else
        want(t);
}

/* ---- the client's side */

static void on_ready(vk_upgrade *u, int events)
{
    VK_UNUSED(events);
    work(VK_CONTAINER(u, tunnel, upgrade));
}

static void on_closing(vk_upgrade *u)
{
    end(VK_CONTAINER(u, tunnel, upgrade), true);
}

static void on_hold(vk_upgrade *u, bool on)
{
    tunnel *t = VK_CONTAINER(u, tunnel, upgrade);
    t->held = on;
    if (!t->working)
        want(t);
}

/* ---- the other side */

static size_t body_came(vk_upcall *call, vk_str bytes)
{
    tunnel *t = VK_CONTAINER(call, tunnel, call);
    ssize_t n = t->head_at == t->head.n ? to_client(t, bytes) : 0;
    if (n < 0) {
        end(t, false);
        return 0;
    }
    if (n > 0)
        vk_timer_clear(t->c->io.loop, &t->timer);
    if ((size_t)n < bytes.n && !t->working) { /* the flag that this sets comes after the call */
        t->call.in_full = true;
        want(t);
    }
    return (size_t)n;
}

static void wants(vk_upcall *call)
{
    work(VK_CONTAINER(call, tunnel, call));
}

static void done(vk_upcall *call, vk_err e, const char *why)
{
    tunnel *t = VK_CONTAINER(call, tunnel, call);
    VK_UNUSED(why);
    t->back_over = true;
    end(t, e == VK_OK);
}

static void no_head(vk_upcall *call, const vk_head *h)
{
    VK_UNUSED(call);
    VK_UNUSED(h);
    abort(); /* it has come */
}

vk_err vk_proxy_tunnel(vk_exchange *ex, vk_upcall *call, const vk_head *h)
{
    vk_conn *c = ex->conn;
    bool waits = c->state == S_WAIT || (c->state == S_HELD && c->framing == VK_FRAME_NONE);
    if (!waits || c->ended || c->server->closing || c->in_advance)
        return VK_E_UNAVAILABLE;
    tunnel *t = calloc(1, sizeof *t);
    if (!t)
        return VK_E_NOMEM;
    vk_buf_init(&t->head, 4096 + VK_EX_HEADERS_MAX);
    t->head.secret = true;
    vk_buf_lit(&t->head, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ");
    vk_buf_str(&t->head, vk_head_get(h, VK_STR("Upgrade")));
    vk_buf_lit(&t->head, "\r\n");
    vk_buf_str(&t->head, ex->lines);
    vk_buf_add(&t->head, ex->extra, ex->n_extra);
    vk_buf_lit(&t->head, "\r\n");
    if (t->head.err) {
        free_tunnel(t);
        return VK_E_NOMEM;
    }
    t->c = c;
    t->upgrade = (vk_upgrade){on_ready, on_closing, on_hold};
    vk_upcall_move(call, &t->call);
    t->call.head_came = no_head;
    t->call.body_came = body_came;
    t->call.lull = NULL;
    t->call.wants = wants;
    t->call.done = done;
    t->working = true; /* nothing is sent before the call is in order again */
    vk_conn_upgrade(c, &t->upgrade);
    t->working = false;
    return VK_OK;
}
