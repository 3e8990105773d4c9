/* A client under TLS whose requests another process serves: what it sends is decrypted here and goes into a
 * pipe, what comes from there is encrypted. No byte is looked at. One buffer each way; who is not read from
 * waits. Ends when the other process closes the pipe (after one answer: vk_passed.relayed), or the client
 * does. */
#include "http/conn.h"

#include "net/wire.h"

#include <errno.h>
#include <unistd.h>

enum { RELAY_ROOM = 16384 };

/* What was read on one side and is not written on the other. */
typedef struct way {
    size_t at, n;
    bool ended; /* nothing more will be read … */
    bool told;  /* … and the other side knows */
    char room[RELAY_ROOM];
} way;

typedef struct relay {
    vk_upgrade upgrade;
    vk_conn *c; /* NULL: it is over */
    vk_io inner;
    way out, back; /* to the other process, and from it */
} relay;

static void inner_closed(vk_io *io)
{
    free(VK_CONTAINER(io, relay, inner));
}

static void end(relay *r)
{
    vk_conn *c = r->c;
    r->c = NULL;
    vk_wipe(r->out.room, sizeof r->out.room);
    vk_wipe(r->back.room, sizeof r->back.room);
    vk_io_close(&r->inner, inner_closed);
    if (c->state == S_OTHER) { /* else it was shut, and waits to be left */
        if (r->back.told) {
            c->other = NULL;
            vk_conn_linger(c);
            return;
        }
        vk_conn_shut(c);
    }
    vk_conn_leave(c);
}

/* One read and what follows. `in` and `out` are the same two sides' for both ways. False: the relay is
 * broken. VK_AGAIN in errno is no break. */
static bool take(way *w, ssize_t n, bool *more)
{
    if (n > 0) {
        w->at = 0;
        w->n = (size_t)n;
        *more = true;
        return true;
    }
    if (n == 0) {
        w->ended = *more = true;
        return true;
    }
    return errno == EAGAIN || errno == EINTR;
}

static bool gave(way *w, ssize_t n, bool *more)
{
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    w->at += (size_t)n;
    *more = true;
    return true;
}

static bool outward(relay *r, bool *more)
{
    way *w = &r->out;
    if (w->at == w->n && !w->ended && !take(w, vk_wire_recv(&r->c->io, w->room, sizeof w->room), more))
        return false;
    if (w->at < w->n)
        return gave(w, send(r->inner.fd, w->room + w->at, w->n - w->at, MSG_NOSIGNAL), more);
    if (w->ended && !w->told) {
        w->told = true;
        shutdown(r->inner.fd, SHUT_WR);
    }
    return true;
}

static bool backward(relay *r, bool *more)
{
    way *w = &r->back;
    if (w->at == w->n && !w->ended && !take(w, recv(r->inner.fd, w->room, sizeof w->room, 0), more))
        return false;
    if (w->at < w->n) {
        struct iovec iov = {w->room + w->at, w->n - w->at};
        return gave(w, vk_wire_send(&r->c->io, &(struct msghdr){.msg_iov = &iov, .msg_iovlen = 1}, 0), more);
    }
    if (w->ended && !w->told)
        w->told = vk_wire_finish(&r->c->io) != VK_AGAIN;
    return true;
}

static void want(relay *r)
{
    bool full_out = r->out.at < r->out.n, full_back = r->back.at < r->back.n;
    bool owes = full_back || (r->back.ended && !r->back.told);
    vk_io_want(&r->c->io, (full_out || r->out.ended ? 0 : VK_READ) | (owes ? VK_WRITE : 0));
    vk_io_want(&r->inner, (full_back || r->back.ended ? 0 : VK_READ) | (full_out ? VK_WRITE : 0));
}

static void pump(relay *r)
{
    for (bool more = true; more && !r->back.told;) {
        more = false;
        if (!outward(r, &more) || !backward(r, &more)) {
            end(r);
            return;
        }
    }
    if (r->back.told)
        end(r);
    else
        want(r);
}

static void on_client(vk_upgrade *u, int events)
{
    relay *r = VK_CONTAINER(u, relay, upgrade);
    VK_UNUSED(events);
    if (r->c)
        pump(r);
}

static void on_inner(vk_io *io, int events)
{
    relay *r = VK_CONTAINER(io, relay, inner);
    VK_UNUSED(events);
    if (r->c)
        pump(r);
}

static void on_closing(vk_upgrade *u)
{
    VK_UNUSED(u); /* its end comes from the other process */
}

vk_err vk_relay_begin(vk_conn *c, int inner)
{
    relay *r = calloc(1, sizeof *r);
    if (!r)
        return VK_E_NOMEM;
    if (vk_io_open(c->io.loop, &r->inner, inner, on_inner) != VK_OK) {
        free(r);
        return VK_E_IO;
    }
    r->c = c;
    r->upgrade = (vk_upgrade){.ready = on_client, .closing = on_closing};
    c->other = &r->upgrade;
    c->state = S_OTHER;
    vk_list_remove(&c->node);
    vk_list_push(&c->server->upgraded, &c->node);
    pump(r);
    return VK_OK;
}
