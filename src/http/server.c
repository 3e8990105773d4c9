/* Where connections come from and how a server ends. */
#include "http/conn.h"

#include "core/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPT_BATCH = 16,
    ACCEPT_LAST = 4096,    /* as many as wait at most */
    ACCEPT_PAUSE_MS = 100, /* after the process ran out of descriptors */
};

/* libuv still refers to the listening socket, inside of *s, until its closing was reported. */
void vk_server_maybe_gone(vk_server *s)
{
    void (*last_gone)(vk_server *) = s->last_gone;
    if (!s->closing || s->n_conns || s->accepting || !last_gone)
        return;
    s->last_gone = NULL;
    last_gone(s);
}

vk_err vk_server_adopt(vk_server *s, int fd, void (*gone)(void *arg), void *arg)
{
    vk_conn *c;
    vk_err e = s->closing ? VK_E_UNAVAILABLE : vk_conn_open(s, fd, &c);
    if (e != VK_OK)
        return e;
    c->lasting = true;
    c->gone = gone;
    c->gone_arg = arg;
    return VK_OK;
}

/* VK_OK: there is room, and *peer_r is counted. VK_E_BUSY: its address has too many. */
static vk_err enter(vk_server *s, const struct sockaddr_storage *from, vk_peer **peer_r)
{
    if (!s->gate)
        return s->n_conns < VK_CONNS_MAX ? VK_OK : VK_E_NOMEM;
    vk_err e = vk_gate_enter(s->gate, from, peer_r);
    if (e != VK_OK || !vk_gate_full(s->gate) || vk_conns_shed(s))
        return e;
    vk_gate_leave(s->gate, *peer_r);
    return VK_E_NOMEM;
}

/* `relayed`: not under TLS, since another process has seen to that. NULL: there is no room, the fd is closed.
 */
static vk_conn *take(vk_server *s, int fd, const struct sockaddr_storage *from, bool relayed)
{
    vk_conn *c;
    vk_peer *peer = NULL;
    vk_err e = s->closing ? VK_E_UNAVAILABLE : enter(s, from, &peer);
    bool over = e == VK_E_BUSY, tls = s->tls && !relayed;
    if ((e != VK_OK && !(over && s->n_over < VK_OVER_MAX)) || vk_conn_open(s, fd, &c) != VK_OK) {
        if (peer)
            vk_gate_leave(s->gate, peer);
        vk_count(&s->traffic.turned_away, 1);
        close(fd);
        return NULL;
    }
    c->peer = peer;
    c->over = over;
    s->n_over += over;
    if (over)
        vk_count(&s->traffic.turned_away, 1);
    vk_conn_arm(c, over ? VK_OVER_MS : s->limits->of[tls ? VK_LIMIT_HEAD_TIME : VK_LIMIT_IDLE_TIME]);
    c->greeting = tls;
    if (tls && vk_tls_accept(s->tls, &c->io) != VK_OK)
        vk_conn_shut(c);
    else if (s->parking)
        vk_conn_park(c);
    return c;
}

void vk_server_take(vk_server *s, int fd, const struct sockaddr_storage *from)
{
    take(s, fd, from, false);
}

void vk_server_resume(vk_server *s, int fd, const vk_passed *p, const char *in)
{
    char *own = p->n ? malloc(p->n) : NULL;
    if (p->n && !own) {
        close(fd);
        return;
    }
    vk_conn *c = take(s, fd, &p->from, p->relayed);
    if (!c || c->state != S_HEAD || p->n == 0) {
        free(own);
    } else {
        memcpy(own, in, p->n);
        c->in = own;
        c->in_n = c->in_high = p->n;
        c->in_own = c->in_secret = true;
    }
    if (!c || c->state != S_HEAD)
        return;
    c->once = p->relayed;
    c->asked = true; /* it has been a client for long, and is worth as much as those */
    vk_list_remove(&c->node);
    vk_list_push(&s->conns, &c->node);
    if (p->n)
        vk_conn_advance(c);
}

static void accept_again(vk_timer *t)
{
    vk_server *s = VK_CONTAINER(t, vk_server, retry);
    vk_io_want(&s->accept, VK_READ);
}

static void accept_failed(vk_server *s, int err)
{
    if (err != EMFILE && err != ENFILE && err != ENOBUFS && err != ENOMEM)
        return;
    /* The connection stays in the queue and the socket readable: without a pause this loop would do nothing
     * else. */
    vk_conns_shed(s);
    vk_log(VK_WARN, "new connections wait", VK_F(error, vk_errno_text(err)));
    vk_io_want(&s->accept, 0);
    vk_timer_set(s->loop, &s->retry, ACCEPT_PAUSE_MS, accept_again);
}

static void accept_some(vk_server *s, int most)
{
    for (int i = 0; i < most; i++) {
        struct sockaddr_storage from = {0};
        socklen_t n = sizeof from;
        int on = 1,
            fd = accept4(s->accept.fd, (struct sockaddr *)(void *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            accept_failed(s, errno);
            return;
        }
        if (s->names)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (s->place)
            s->place(s, fd, &from);
        else
            vk_server_take(s, fd, &from);
    }
}

static void on_accept(vk_io *io, int events)
{
    VK_UNUSED(events);
    accept_some(VK_CONTAINER(io, vk_server, accept), ACCEPT_BATCH);
}

void vk_server_init(vk_server *s, vk_loop *loop, const vk_handler *handler, void *ctx)
{
    *s = (vk_server){.loop = loop, .handler = handler, .ctx = ctx, .limits = &vk_limits_usual};
    vk_list_init(&s->fresh);
    vk_list_init(&s->upgraded);
    vk_list_init(&s->conns);
}

vk_err vk_server_listen(vk_server *s, int fd)
{
    vk_err e = vk_io_open(s->loop, &s->accept, fd, on_accept);
    if (e == VK_OK) {
        s->accepting = true;
        vk_io_want(&s->accept, VK_READ);
    }
    return e;
}

static void on_accept_closed(vk_io *io)
{
    vk_server *s = VK_CONTAINER(io, vk_server, accept);
    s->accepting = false;
    vk_server_maybe_gone(s);
}

void vk_server_close(vk_server *s, void (*last_gone)(vk_server *s))
{
    if (s->accepting && !s->parking) /* else another process does */
        accept_some(s, ACCEPT_LAST);
    s->closing = true;
    s->last_gone = last_gone;
    vk_timer_clear(s->loop, &s->retry);
    if (s->accepting)
        vk_io_close(&s->accept, on_accept_closed);
    vk_conns_close_idle(s);
    vk_server_maybe_gone(s);
}
