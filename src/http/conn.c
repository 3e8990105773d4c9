#include "http/conn.h"

#include "net/wire.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

enum {
    /* What is read after a refusal, so that the answer is seen: some clients (undici) see it only when all
     * that they sent was taken. Time bounds it too, VK_LINGER_MS. */
    LINGER_MAX = 64 * 1024 * 1024,
    LINGER_TURN_MAX = 1024 * 1024, /* for one connection, before the others have their turn */
    FDS_MAX = 4,                   /* descriptors taken off one message; all but one are closed */
};

/* ---- life and death ---- */

/* It speaks no other protocol any more. */
static void other_gone(vk_conn *c)
{
    if (!c->other_once)
        return;
    c->other_once = false;
    vk_fewer(&c->server->n_other);
}

static void conn_free(vk_conn *c)
{
    vk_server *s = c->server;
    vk_list_remove(&c->node);
    s->n_conns--;
    other_gone(c);
    vk_count(&s->traffic.ended, 1);
    if (c->passed_fd >= 0)
        close(c->passed_fd);
    if (c->gone)
        c->gone(c->gone_arg);
    free(c);
    vk_server_maybe_gone(s);
}

static void on_io_closed(vk_io *io)
{
    vk_conn *c = VK_CONTAINER(io, vk_conn, io);
    c->io_closed = true;
    if (!c->ex && !c->other)
        conn_free(c);
}

void vk_conn_drop_in(vk_conn *c)
{
    if (c->in_own) {
        vk_wipe(c->in, c->in_high);
        free(c->in);
        c->in_own = false;
    } else if (c->in)
        vk_loop_in_put(c->io.loop, c->in, c->in_secret || (c->ex && c->ex->secret) ? c->in_high : 0);
    c->in = NULL;
    c->in_secret = false;
    c->in_at = c->in_n = c->in_high = 0;
}

static void end_exchange(vk_conn *c)
{
    vk_exchange *ex = c->ex;
    c->in_secret |= c->in && ex->secret;
    c->ex = NULL;
    c->sent = 0;
    vk_note_end(ex, &c->server->traffic);
    vk_exchange_end(ex);
    vk_fewer(&c->server->n_ex);
}

/* Closes now. While a handler still has the exchange, the memory stays until it answers, or says that its
 * sink is ready. */
void vk_conn_shut(vk_conn *c)
{
    if (c->state == S_GONE)
        return;
    bool handler_has_it = (c->state == S_WAIT || c->state == S_HELD) && c->ex && !c->ex->answered;
    vk_conn_drop_in(c);
    if (c->peer)
        vk_gate_leave(c->server->gate, c->peer);
    c->server->n_over -= c->over;
    c->server->n_delayed -= c->state == S_DELAY;
    c->state = S_GONE;
    vk_timer_clear(c->io.loop, &c->timer);
    vk_io_close(&c->io, on_io_closed);
    if (c->ex && !handler_has_it)
        end_exchange(c);
}

bool vk_conn_must_close(const vk_conn *c)
{
    return !c->keep || c->unread_body || c->server->closing || c->state == S_GONE;
}

/* ---- input ---- */

/* Keeps the first descriptor of a message and closes all others; the kernel closes what does not fit. */
static void take_fds(vk_conn *c, struct msghdr *m)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
            if (c->passed_fd < 0)
                c->passed_fd = fd;
            else
                close(fd);
        }
    }
}

static ssize_t receive(vk_conn *c, size_t room)
{
    struct iovec iov = {c->in + c->in_n, room};
    if (!c->server->takes_fds)
        return vk_wire_recv(&c->io, iov.iov_base, iov.iov_len);
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control;
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(c->io.fd, &m, MSG_CMSG_CLOEXEC);
    if (n > 0)
        take_fds(c, &m);
    return n;
}

/* A client of a TLS listener was heard: is it through with the handshake? */
static void greeted(vk_conn *c)
{
    vk_tls_state now = vk_tls_state_of(c->io.tls);
    vk_traffic *t = &c->server->traffic;
    c->greeting = now == VK_TLS_GREETING;
    if (now == VK_TLS_OPEN || now == VK_TLS_RESUMED) {
        vk_count(&t->handshakes, 1);
        vk_count(&t->resumed, now == VK_TLS_RESUMED);
        if (!c->over)
            vk_conn_arm(c, c->server->limits->of[VK_LIMIT_IDLE_TIME]);
    } else if (!c->greeting) {
        vk_count(&t->handshakes_failed, 1);
    }
}

/* HTTP came to a port that speaks TLS. Whoever sent it reads the answer as it is. */
static void answer_plain(vk_conn *c)
{
    static const char text[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 51\r\n"
        "Connection: close\r\n\r\nThis port speaks TLS: its address begins https://.\n";
    vk_tls_close(&c->io);
    if (send(c->io.fd, text, sizeof text - 1, MSG_NOSIGNAL) != (ssize_t)sizeof text - 1) {
        vk_conn_shut(c);
        return;
    }
    shutdown(c->io.fd, SHUT_WR);
    c->state = S_LINGER;
    vk_conn_arm(c, VK_LINGER_MS);
    vk_io_want(&c->io, VK_READ);
}

/* The connection broke. */
static void broken(vk_conn *c)
{
    if (c->io.tls && vk_tls_state_of(c->io.tls) == VK_TLS_PLAIN)
        answer_plain(c);
    else
        vk_conn_shut(c);
}

/* What there is of a head, until more comes: 10,000 clients that send one slowly must not have 10,000 receive
 * buffers. */
void vk_conn_keep_small(vk_conn *c)
{
    char *own = c->in_own ? NULL : malloc(c->in_n);
    if (!own)
        return;
    memcpy(own, c->in, c->in_n);
    uint32_t n = c->in_n;
    c->in_secret = true; /* nobody has looked at it yet */
    vk_conn_drop_in(c);
    c->in = own;
    c->in_n = c->in_high = n;
    c->in_own = true;
}

void vk_conn_set_aside(vk_conn *c)
{
    if (c->in_at == c->in_n) {
        vk_conn_drop_in(c);
        return;
    }
    if (c->in_own)
        return;
    memmove(c->in, c->in + c->in_at, c->in_n - c->in_at);
    c->in_n -= c->in_at;
    c->in_at = 0;
    vk_conn_keep_small(c);
}

static bool take_buffer(vk_conn *c)
{
    char *own = c->in_own ? c->in : NULL;
    if (c->in && !own)
        return true;
    char *in = vk_loop_in_get(c->io.loop);
    if (!in)
        return false;
    if (own) {
        memcpy(in, own, c->in_n);
        vk_wipe(own, c->in_high);
        free(own);
        c->in_own = false;
        c->in_secret = true;
    }
    c->in = in;
    return true;
}

bool vk_conn_fill(vk_conn *c)
{
    if (!take_buffer(c)) {
        vk_conn_shut(c);
        return false;
    }
    if (c->in_at && c->in_at == c->in_n)
        c->in_at = c->in_n = 0;
    if (c->in_n == VK_IN_SIZE) {
        if (c->in_at == 0)
            return false;
        memmove(c->in, c->in + c->in_at, c->in_n - c->in_at);
        c->in_n -= c->in_at;
        c->in_at = 0;
    }
    size_t room = VK_IN_SIZE - c->in_n;
    ssize_t n;
    do
        n = receive(c, room);
    while (n < 0 && errno == EINTR);
    c->drained = n < (ssize_t)room;
    if (VK_UNLIKELY(c->greeting))
        greeted(c);
    if (n > 0) {
        vk_count(&c->server->traffic.received, (uint64_t)n);
        c->moved += (uint64_t)n;
        c->in_n += (uint32_t)n;
        if (c->in_n > c->in_high)
            c->in_high = c->in_n;
        return true;
    }
    if (n == 0)
        c->eof = true;
    else if (errno != EAGAIN)
        broken(c);
    return false;
}

void vk_conn_refuse(vk_conn *c, int status, vk_err e, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    c->keep = false;
    if (!c->ex) {
        static const vk_head none;
        c->ex = vk_exchange_new(c, c->server, &none, 0);
        if (!c->ex) {
            vk_conn_shut(c);
            return;
        }
        c->ex->minor = 1;
        vk_count(&c->server->n_ex, 1);
    }
    c->unread_body = true;
    c->state = S_WAIT;
    if (c->server->handler->refuse) {
        c->server->handler->refuse(c->ex, status, e, text);
        return;
    }
    vk_buf_clear(&c->ex->out);
    vk_buf_z(&c->ex->out, text);
    vk_buf_ch(&c->ex->out, '\n');
    vk_respond(c->ex, status, "text/plain");
}

/* "label.name", where the name is no address. */
static bool with_label(vk_str host, vk_str name)
{
    vk_str label;
    char last = name.p[name.n - 1];
    return !(last >= '0' && last <= '9') && last != ']' && vk_str_cut(&host, '.', &label) && label.n &&
           vk_str_ieq(host, name);
}

/* "name", "name:port", "[v6]:port" against the server's list; the port is not looked at. */
static bool host_known(const vk_server *s, vk_str host)
{
    if (!s->names)
        return true;
    if (host.n && host.p[0] == '[') {
        const char *end = memchr(host.p, ']', host.n);
        if (end)
            host.n = (size_t)(end - host.p) + 1;
    } else {
        const char *colon = host.n ? memchr(host.p, ':', host.n) : NULL;
        if (colon)
            host.n = (size_t)(colon - host.p);
    }
    if (host.n && host.p[host.n - 1] == '.')
        host.n--;
    for (const vk_str *n = s->names; n->n; n++)
        if (vk_str_ieq(*n, host) || (s->labels && with_label(host, *n)))
            return true;
    return false;
}

static const char *framing_text(int status)
{
    switch (status) {
    case 431:
        return "The request head is larger than 16 KiB or has more than 100 header lines.";
    case 501:
        return "Transfer-Encoding other than chunked is not supported.";
    case 505:
        return "Only HTTP/1.0 and HTTP/1.1 are served here.";
    default:
        return "The request is not well-formed HTTP/1.1.";
    }
}

/* True: something was done, go round again. */
static bool take_head(vk_conn *c)
{
    static _Thread_local vk_head h;
    size_t left = c->in_n - c->in_at;
    if (VK_UNLIKELY(c->server->parking) &&
        !(left && c->server->goes_on && c->server->goes_on(c->in + c->in_at, left))) {
        vk_conn_park(c);
        return false;
    }
    if (left == 0) {
        if (c->eof || c->server->closing) {
            vk_conn_shut(c);
            return false;
        }
        vk_conn_drop_in(c);
        vk_io_want(&c->io, VK_READ);
        if (c->lasting)
            vk_conn_disarm(c);
        else
            vk_conn_arm(c, c->server->limits->of[VK_LIMIT_IDLE_TIME]);
        if (c->asked && c->node.next != &c->server->conns) { /* the one idle for longest is the first */
            vk_list_remove(&c->node);
            vk_list_push(&c->server->conns, &c->node);
        }
        return false;
    }
    int used = vk_head_request(c->in + c->in_at, left, &h);
    if (used == 0) {
        if (c->eof) {
            vk_conn_shut(c);
            return false;
        }
        if (c->in_at) {
            memmove(c->in, c->in + c->in_at, left);
            c->in_at = 0;
            c->in_n = (uint32_t)left;
        }
        vk_conn_keep_small(c);
        if (!c->head_begun) {
            c->head_begun = true;
            if (!c->over)
                vk_conn_arm(c, c->server->limits->of[VK_LIMIT_HEAD_TIME]);
        }
        vk_io_want(&c->io, VK_READ);
        return false;
    }
    c->head_begun = false;
    if (!c->asked) {
        c->asked = true;
        vk_list_remove(&c->node);
        vk_list_push(&c->server->conns, &c->node);
    }
    if (used < 0) {
        vk_conn_refuse(c, -used, VK_E_INVALID, "%s", framing_text(-used));
        return true;
    }
    c->ex = vk_exchange_new(c, c->server, &h, (size_t)used);
    if (!c->ex) {
        vk_conn_shut(c);
        return false;
    }
    vk_count(&c->server->n_ex, 1);
    c->in_at += (uint32_t)used;
    c->in_secret |= h.authorization.n != 0;
    c->keep = h.keep_alive && !c->once;
    c->framing = h.framing;
    c->body_left = h.content_length;
    c->chunked = (vk_chunked){0};
    c->payload = 0;
    c->unread_body = c->discard = c->invited = false;
    c->ex->passed_fd = c->passed_fd;
    c->passed_fd = -1;
    c->ex->peer_uid = c->peer_uid;
    c->state = S_BODY;
    if (VK_UNLIKELY(c->over)) {
        c->ex->retry_s = 1;
        vk_conn_refuse(c, 429, VK_E_BUSY,
                       "This address has %lld connections open here, and may have no more (limit "
                       "address_connections); use them again or close some.",
                       (long long)c->server->limits->of[VK_LIMIT_ADDRESS_CONNECTIONS]);
        return true;
    }
    if (!host_known(c->server, h.host)) {
        vk_conn_refuse(
            c, 421, VK_E_MISDIRECTED,
            "This host name is not among those that are served here; `valetkey serve --hosts NAME` "
            "adds it.");
        return true;
    }
    vk_err e = c->server->handler->head(c->ex);
    c->ex->body.secret = c->ex->out.secret = c->ex->secret;
    if (c->ex->answered)
        return true;
    if (e != VK_OK) { /* refused, but not said how: the request must not be served for that */
        vk_conn_refuse(c, vk_err_status(e), e, "The request was refused.");
        return true;
    }
    vk_conn_begin_body(c);
    return true;
}

/* ---- output ---- */

static bool send_answer(vk_conn *c)
{
    c->starved = false;
    vk_err e = vk_conn_send(c);
    bool over = c->ex->close, until_close = c->ex->source && !c->ex->source_chunked && c->ex->source_left < 0;
    bool linger = c->unread_body || c->in_at < c->in_n;
    if (e == VK_OK && over && c->cut && until_close)
        vk_wire_cut(&c->io);
    else if (e == VK_OK && over && (linger || c->io.tls))
        e = vk_wire_finish(&c->io);
    switch (e) {
    case VK_OK:
        break;
    case VK_AGAIN:
        vk_io_want(&c->io, VK_WRITE);
        vk_conn_watch(c, W_ANSWER);
        return false;
    case VK_E_BUSY:
        /* Another mask is two system calls; look_at_client changes it when there is something to read. */
        vk_io_want(&c->io, c->ended ? 0 : c->io.mask == VK_READ ? VK_READ : VK_HANGUP);
        if (c->ended)
            vk_conn_arm(c, VK_HANGUP_MS);
        else
            vk_conn_disarm(c);
        return false;
    default:
        vk_conn_shut(c);
        return false;
    }
    end_exchange(c);
    if (!over) {
        c->state = S_HEAD;
        return true;
    }
    if (!linger || c->eof || c->cut) {
        vk_conn_shut(c);
        return false;
    }
    c->state = S_LINGER;
    c->lingered = 0;
    vk_conn_arm(c, VK_LINGER_MS);
    return true;
}

void vk_conn_linger(vk_conn *c)
{
    c->state = S_LINGER;
    c->lingered = 0;
    vk_conn_arm(c, VK_LINGER_MS);
    vk_conn_advance(c);
}

static bool linger(vk_conn *c)
{
    size_t stop = c->lingered + LINGER_TURN_MAX;
    do {
        c->lingered += c->in_n - c->in_at;
        c->in_at = c->in_n = 0;
    } while (c->lingered < stop && !c->drained && vk_conn_fill(c));
    if (c->state == S_GONE)
        return false;
    if (c->eof || c->lingered >= LINGER_MAX) {
        vk_conn_shut(c);
        return false;
    }
    vk_conn_drop_in(c);
    vk_io_want(&c->io, VK_READ);
    return false;
}

/* Not re-entered: an answer given inside a handler's call is
 * picked up by the loop here. */
void vk_conn_advance(vk_conn *c)
{
    if (c->in_advance) {
        c->kick = true;
        return;
    }
    c->in_advance = true;
    bool again = true;
    while (again || c->kick) {
        c->kick = false;
        if (c->ex && c->ex->answered && !c->discard && (c->state == S_BODY || c->state == S_WAIT))
            vk_conn_begin_answer(c);
        switch (c->state) {
        case S_HEAD:
            again = take_head(c);
            break;
        case S_BODY:
            again = vk_conn_take_body(c);
            break;
        case S_SEND:
            again = send_answer(c);
            break;
        case S_LINGER:
            again = linger(c);
            break;
        case S_OTHER:
            c->other->ready(c->other, 0);
            again = false;
            break;
        default:
            again = false;
        }
    }
    c->in_advance = false;
}

void vk_conn_answered(vk_conn *c)
{
    if (c->state == S_GONE) {
        end_exchange(c);
        if (c->io_closed)
            conn_free(c);
        return;
    }
    vk_conn_advance(c);
}

void vk_conn_upgrade(vk_conn *c, vk_upgrade *u)
{
    c->ex->answered = true;
    c->ex->status = 101;
    end_exchange(c);
    vk_conn_disarm(c);
    c->other = u;
    vk_list_remove(&c->node);
    vk_list_push(&c->server->upgraded, &c->node);
    c->state = S_OTHER;
    c->other_once = true;
    vk_count(&c->server->n_other, 1);
    if (c->server->parking && u->hold)
        u->hold(u, true);
    vk_conn_advance(c);
}

void vk_conn_leave(vk_conn *c)
{
    c->other = NULL;
    other_gone(c);
    if (c->io_closed)
        conn_free(c);
}

/* Something came while a handler has the exchange: more input, which waits until the answer is out or the
 * sink has room, or the client's end. Under TLS what is looked at is encrypted, and a client that ends its
 * half says that first: it counts as input until the connection's own end comes. */
static void look_at_client(vk_conn *c, int events)
{
    char byte;
    ssize_t n;
    do
        n = recv(c->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n > 0 && !(events & VK_HANGUP)) {
        vk_io_want(&c->io, VK_HANGUP);
        return;
    }
    int broke = 0;
    socklen_t size = sizeof broke;
    if (n > 0 && getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &broke, &size) == 0 && broke)
        n = -1; /* a reset behind input that is not read yet */
    c->ended = true;
    vk_io_want(&c->io, 0);
    if (n >= 0)
        vk_conn_arm(c, VK_HANGUP_MS);
    else if (c->state == S_WAIT || c->state == S_HELD)
        vk_conn_tell_gone(c);
    else
        vk_conn_shut(c);
}

static void on_ready(vk_io *io, int events)
{
    vk_conn *c = VK_CONTAINER(io, vk_conn, io);
    if (c->state == S_OTHER) {
        c->other->ready(c->other, events);
        return;
    }
    if (events & (VK_READ | VK_HANGUP) &&
        (c->state == S_WAIT ? c->ex && !c->ex->answered && c->ex->gone
                            : c->state == S_HELD || (c->state == S_SEND && c->starved))) {
        look_at_client(c, events);
        return;
    }
    if (events & (VK_READ | VK_HANGUP)) {
        switch (c->state) {
        case S_HEAD:
        case S_BODY:
        case S_LINGER:
            if (!vk_conn_fill(c) && !c->eof) {
                if (c->in_at == c->in_n) /* TLS took what came */
                    vk_conn_drop_in(c);
                else if (c->state == S_HEAD && c->in_at == 0)
                    vk_conn_keep_small(c);
                return;
            }
            break;
        case S_WAIT:
        case S_SEND:
            /* Pipelined input or the client's end: look again when this answer is out. */
            vk_io_want(io, c->io.mask & ~(VK_READ | VK_HANGUP));
            if (!(events & VK_WRITE))
                return;
            break;
        default:
            break;
        }
    }
    vk_conn_advance(c);
}

vk_err vk_conn_open(vk_server *s, int fd, vk_conn **out_r)
{
    vk_conn *c = calloc(1, sizeof *c);
    if (!c)
        return VK_E_NOMEM;
    c->server = s;
    c->since_ms = vk_loop_now(s->loop);
    c->passed_fd = -1;
    c->peer_uid = (uid_t)-1;
    if (vk_io_open(s->loop, &c->io, fd, on_ready) != VK_OK) {
        free(c);
        return VK_E_IO;
    }
    if (!s->names) { /* unix socket: who is there */
        struct ucred who;
        socklen_t n = sizeof who;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0)
            c->peer_uid = who.uid;
    }
    vk_list_push(&s->fresh, &c->node);
    s->n_conns++;
    vk_count(&s->traffic.opened, 1);
    vk_io_want(&c->io, VK_READ);
    *out_r = c;
    return VK_OK;
}

/* A request that has come, or is likely to be on its way, is still answered, with "Connection: close": who
 * has just connected or just had an answer gets VK_CLOSING_MS for the next one. */
static void close_waiting(vk_conn *c)
{
    char byte;
    int64_t now = vk_loop_now(c->io.loop), idle = c->server->limits->of[VK_LIMIT_IDLE_TIME];
    int64_t since = c->asked && c->timer.due_ms ? c->timer.due_ms - idle : c->since_ms;
    bool lately = !c->lasting && !c->over && now - since < VK_LATELY_MS;
    if (lately || (!c->lasting && recv(c->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0))
        vk_conn_arm(c, VK_CLOSING_MS);
    else
        vk_conn_shut(c);
}

static void close_idle(vk_list *all)
{
    for (vk_list *n = all->next, *next; n != all; n = next) {
        next = n->next;
        vk_conn *c = VK_CONTAINER(n, vk_conn, node);
        if (c->state == S_OTHER)
            c->other->closing(c->other);
        else if (c->state == S_DELAY)
            vk_conn_end_delay(c);
        else if (c->state == S_HEAD && c->in_n == c->in_at && !c->in_advance)
            close_waiting(c);
    }
}

void vk_conns_close_idle(vk_server *s)
{
    close_idle(&s->fresh);
    close_idle(&s->conns);
    close_idle(&s->upgraded);
}
