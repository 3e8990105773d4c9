#include "http/conn.h"

#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    ACCEPT_BATCH = 16,
    ACCEPT_PAUSE_MS = 100, /* after the process ran out of descriptors */
    DISCARD_MAX = 64 * 1024,
    LINGER_MAX = 1024 * 1024,
    SENDFILE_MAX = 1024 * 1024,
    SEND_TURN_MAX = 4 * 1024 * 1024, /* for one connection, before the others have their turn */
    SOURCE_EMPTY_MAX = 64,           /* times a source may give nothing without saying that it waits */
    SIZE_LINE = 20,                  /* of a chunk: "<hex>\r\n" */
    FDS_MAX = 4,                     /* descriptors taken off one message; all but one are closed */
};

enum state {
    S_HEAD,   /* waits for a head, or has a part of one */
    S_BODY,   /* collects the body */
    S_WAIT,   /* the handler has the exchange */
    S_SEND,   /* the answer is going out */
    S_LINGER, /* refused with input unread: reads on for a while so that no RST overtakes the answer */
    S_GONE,   /* closed; waits for the handler or for libuv */
};

typedef struct vk_conn {
    vk_io io;
    vk_server *server;
    vk_list node;
    vk_timer timer;
    vk_exchange *ex;
    char *in; /* borrowed from the loop while there is input */
    uint32_t in_at, in_n;
    uint32_t in_high; /* most bytes that `in` has held */
    uint8_t state;
    bool eof, keep, in_advance, kick, io_closed;
    bool drained;     /* the last read took all there was */
    bool lasting;     /* a peer of ours: no limit between requests */
    bool in_secret;   /* what went through `in` must be wiped */
    bool cut;         /* the answer ends in the middle */
    bool head_begun;  /* a part of a head is here: its deadline runs */
    bool unread_body; /* an answer now leaves input behind that nobody reads */
    bool discard;     /* refused in head(), but the body is small: read past it and keep the connection */
    vk_framing framing;
    uint64_t body_left;
    vk_chunked chunked;
    size_t sent; /* of head_out + out */
    size_t lingered;
    int passed_fd;
    uid_t peer_uid;
    void (*gone)(void *arg);
    void *gone_arg;
} vk_conn;

static void advance(vk_conn *c);
static void shut(vk_conn *c);

/* ------------------------------------------------------------------------------------------------ life and
 * death */

/* libuv still refers to the listening socket, inside of *s, until its closing was reported. */
static void maybe_gone(vk_server *s)
{
    void (*last_gone)(vk_server *) = s->last_gone;
    if (!s->closing || s->n_conns || s->accepting || !last_gone)
        return;
    s->last_gone = NULL;
    last_gone(s);
}

static void conn_free(vk_conn *c)
{
    vk_server *s = c->server;
    vk_list_remove(&c->node);
    s->n_conns--;
    if (c->passed_fd >= 0)
        close(c->passed_fd);
    if (c->gone)
        c->gone(c->gone_arg);
    free(c);
    maybe_gone(s);
}

static void on_io_closed(vk_io *io)
{
    vk_conn *c = VK_CONTAINER(io, vk_conn, io);
    c->io_closed = true;
    if (!c->ex)
        conn_free(c);
}

static void drop_in(vk_conn *c)
{
    if (c->in)
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
    vk_exchange_end(ex);
}

/* Closes now. While a handler still has the exchange, the memory stays until it answers. */
static void shut(vk_conn *c)
{
    if (c->state == S_GONE)
        return;
    bool handler_has_it = c->state == S_WAIT && c->ex && !c->ex->answered;
    drop_in(c);
    c->state = S_GONE;
    vk_timer_clear(c->io.loop, &c->timer);
    vk_io_close(&c->io, on_io_closed);
    if (c->ex && !handler_has_it)
        end_exchange(c);
}

static void on_timeout(vk_timer *t)
{
    vk_conn *c = VK_CONTAINER(t, vk_conn, timer);
    if (c->state != S_WAIT)
        shut(c);
}

static void arm(vk_conn *c, int64_t ms)
{
    vk_timer_set(c->io.loop, &c->timer, ms, on_timeout);
}

bool vk_conn_must_close(const vk_conn *c)
{
    return !c->keep || c->unread_body || c->server->closing || c->state == S_GONE;
}

/* -------------------------------------------------------------------------------------------------------
 * input */

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
        return recv(c->io.fd, iov.iov_base, iov.iov_len, 0);
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

/* Reads what is there, once. False: nothing came or the connection is over. */
static bool fill(vk_conn *c)
{
    if (!c->in && !(c->in = vk_loop_in_get(c->io.loop))) {
        shut(c);
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
    if (n > 0) {
        c->in_n += (uint32_t)n;
        if (c->in_n > c->in_high)
            c->in_high = c->in_n;
        return true;
    }
    if (n == 0)
        c->eof = true;
    else if (errno != EAGAIN)
        shut(c);
    return false;
}

static void refuse(vk_conn *c, int status, vk_err e, const char *text)
{
    c->keep = false;
    if (!c->ex) {
        static const vk_head none;
        c->ex = vk_exchange_new(c, c->server, &none, 0);
        if (!c->ex) {
            shut(c);
            return;
        }
        c->ex->minor = 1;
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
        if (vk_str_ieq(*n, host))
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
    if (left == 0) {
        if (c->eof || c->server->closing) {
            shut(c);
            return false;
        }
        drop_in(c);
        vk_io_want(&c->io, VK_READ);
        if (c->lasting)
            vk_timer_clear(c->io.loop, &c->timer);
        else
            arm(c, VK_IDLE_MS);
        return false;
    }
    int used = vk_head_request(c->in + c->in_at, left, &h);
    if (used == 0) {
        if (c->eof) {
            shut(c);
            return false;
        }
        if (c->in_at) {
            memmove(c->in, c->in + c->in_at, left);
            c->in_at = 0;
            c->in_n = (uint32_t)left;
        }
        if (!c->head_begun) {
            c->head_begun = true;
            arm(c, VK_HEAD_DEADLINE_MS);
        }
        vk_io_want(&c->io, VK_READ);
        return false;
    }
    c->head_begun = false;
    if (used < 0) {
        refuse(c, -used, VK_E_INVALID, framing_text(-used));
        return true;
    }
    c->ex = vk_exchange_new(c, c->server, &h, (size_t)used);
    if (!c->ex) {
        shut(c);
        return false;
    }
    c->in_at += (uint32_t)used;
    c->in_secret |= h.authorization.n != 0;
    c->keep = h.keep_alive;
    c->framing = h.framing;
    c->body_left = h.content_length;
    c->chunked = (vk_chunked){0};
    bool small = h.framing == VK_FRAME_NONE ||
                 (h.framing == VK_FRAME_LENGTH && h.content_length <= DISCARD_MAX && !h.expect_continue);
    c->unread_body = !small;
    c->discard = false;
    c->ex->passed_fd = c->passed_fd;
    c->passed_fd = -1;
    c->ex->peer_uid = c->peer_uid;
    c->state = S_BODY;
    if (!host_known(c->server, h.host)) {
        refuse(c, 421, VK_E_MISDIRECTED, "This host name is not served here.");
        return true;
    }
    vk_err e = c->server->handler->head(c->ex);
    c->ex->body.secret = c->ex->out.secret = c->ex->secret;
    if (c->ex->answered) {
        c->discard = small && c->body_left > 0;
        return true;
    }
    if (e != VK_OK) { /* refused, but not said how: the request must not be served for that */
        refuse(c, vk_err_status(e), e, "The request was refused.");
        return true;
    }
    if (c->framing == VK_FRAME_LENGTH && c->body_left > c->ex->body_max) {
        refuse(c, 413, VK_E_TOO_LARGE, "The request body is larger than this endpoint takes.");
        return true;
    }
    c->ex->body.max = c->ex->body_max;
    bool has_body = c->framing == VK_FRAME_CHUNKED || c->body_left > 0;
    if (c->ex->expect_continue && has_body && c->in_at == c->in_n) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        ssize_t n = send(c->io.fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL);
        if (n != (ssize_t)sizeof go_on - 1) {
            shut(c);
            return false;
        }
    }
    return true;
}

static bool take_body(vk_conn *c)
{
    vk_str in = {c->in + c->in_at, c->in_n - c->in_at};
    vk_chunk got = VK_CHUNK_MORE;
    if (c->framing == VK_FRAME_CHUNKED) {
        vk_str data;
        while ((got = vk_chunked_next(&c->chunked, &in, &data)) == VK_CHUNK_DATA)
            vk_buf_str(&c->ex->body, data);
    } else {
        size_t n = in.n < c->body_left ? in.n : (size_t)c->body_left;
        if (n && !c->discard)
            vk_buf_add(&c->ex->body, in.p, n);
        in.p += n;
        in.n -= n;
        c->body_left -= n;
        if (c->framing == VK_FRAME_NONE || c->body_left == 0)
            got = VK_CHUNK_END;
    }
    c->in_at = c->in_n - (uint32_t)in.n;
    if (got == VK_CHUNK_BAD) {
        refuse(c, 400, VK_E_INVALID, "The chunked body is not well-formed.");
        return true;
    }
    if (c->ex->body.err) {
        bool large = c->ex->body.err == VK_E_TOO_LARGE;
        refuse(c, large ? 413 : 503, c->ex->body.err,
               large ? "The request body is larger than this endpoint takes." : "Out of memory.");
        return true;
    }
    if (got == VK_CHUNK_END) {
        c->unread_body = false;
        if (c->discard) {
            c->discard = false;
            c->state = S_SEND;
            return true;
        }
        c->state = S_WAIT;
        if (c->in_at == c->in_n)
            drop_in(c);
        c->server->handler->request(c->ex);
        return c->ex && c->ex->answered;
    }
    if (c->eof) { /* cut off in the middle of its body */
        shut(c);
        return false;
    }
    c->in_at = c->in_n = 0;
    if (!c->drained && fill(c))
        return true;
    if (c->state == S_BODY && !c->eof) {
        vk_io_want(&c->io, VK_READ);
        arm(c, VK_BODY_STALL_MS);
        return false;
    }
    return c->state == S_BODY;
}

/* ------------------------------------------------------------------------------------------------------
 * output */

/* What was sent so far is not the whole answer, and the peer must see that: without a last chunk it does;
 * where the end of the connection ends the body, the connection is reset. */
static void cut_off(vk_conn *c)
{
    c->ex->source_done = c->ex->close = c->cut = true;
}

/* Asks the source for the next piece, into `out`, in chunk form when that is how it is sent. False: there is
 * none yet.
 */
static bool put_source(vk_exchange *ex, vk_conn *c)
{
    vk_buf *out = &ex->out;
    size_t front = ex->source_chunked ? SIZE_LINE : 0, n = 0;
    vk_err e = VK_OK;
    vk_buf_clear(out);
    c->sent = ex->head_out.n;
    if (!vk_buf_room(out, front)) {
        vk_buf_clear(out);
        cut_off(c);
        return true;
    }
    out->n = front;
    for (int tries = 0; e == VK_OK && n == 0; tries++) {
        e = tries < SOURCE_EMPTY_MAX ? ex->source->pull(ex->source, out) : VK_E_INTERNAL;
        e = out->err ? out->err : e;
        n = out->n - front;
    }
    if (n && front) { /* the line ends where the payload begins; the room in front of it is skipped */
        char line[SIZE_LINE + 1];
        size_t w = (size_t)snprintf(line, sizeof line, "%zx\r\n", n);
        memcpy(out->p + SIZE_LINE - w, line, w);
        c->sent += SIZE_LINE - w;
        vk_buf_lit(out, "\r\n");
    } else if (front) {
        vk_buf_clear(out);
    }
    if (e == VK_E_NOT_FOUND) {
        ex->source_done = true;
        if (front)
            vk_buf_lit(out, "0\r\n\r\n");
    } else if (e != VK_OK && e != VK_AGAIN) {
        cut_off(c);
    }
    if (out->err) { /* a chunk without its end is no chunk */
        vk_buf_clear(out);
        c->sent = ex->head_out.n;
        cut_off(c);
    }
    return n > 0 || ex->source_done;
}

/* Head and collected body. VK_OK: all is in the socket. */
static vk_err send_bytes(vk_conn *c)
{
    vk_exchange *ex = c->ex;
    size_t head = ex->head_out.n, all = head + ex->out.n;
    while (c->sent < all) {
        struct iovec iov[2];
        struct msghdr m = {.msg_iov = iov};
        if (c->sent < head)
            iov[m.msg_iovlen++] = (struct iovec){(char *)(uintptr_t)ex->head_out.p + c->sent, head - c->sent};
        size_t skip = c->sent > head ? c->sent - head : 0;
        if (ex->out.n > skip)
            iov[m.msg_iovlen++] = (struct iovec){ex->out.p + skip, ex->out.n - skip};
        ssize_t n = sendmsg(c->io.fd, &m, MSG_NOSIGNAL | (ex->file_left > 0 ? MSG_MORE : 0));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? VK_AGAIN : VK_E_IO;
        c->sent += (size_t)n;
        if (c->sent < all)
            return VK_AGAIN;
    }
    return VK_OK;
}

static vk_err send_file(vk_conn *c)
{
    vk_exchange *ex = c->ex;
    int64_t stop = ex->file_left > SEND_TURN_MAX ? ex->file_left - SEND_TURN_MAX : 0;
    while (ex->file_left > stop) {
        off_t at = ex->file_at;
        size_t want = ex->file_left > SENDFILE_MAX ? SENDFILE_MAX : (size_t)ex->file_left;
        ssize_t n = sendfile(c->io.fd, ex->file_fd, &at, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) /* 0: the file became shorter than we promised */
            return n < 0 && errno == EAGAIN ? VK_AGAIN : VK_E_IO;
        ex->file_at += n;
        ex->file_left -= n;
    }
    return ex->file_left ? VK_AGAIN : VK_OK;
}

/* VK_OK: all is sent. VK_AGAIN: the peer's window is full, or it is the others' turn. VK_E_BUSY: the source
 * waits. VK_E_IO: over. */
static vk_err send_some(vk_conn *c)
{
    vk_exchange *ex = c->ex;
    for (size_t turn = 0;;) {
        vk_err e = send_bytes(c);
        if (e == VK_OK && ex->file_left > 0)
            e = send_file(c);
        if (e != VK_OK || !ex->source || ex->source_done)
            return e;
        turn += ex->out.n;
        if (turn > SEND_TURN_MAX)
            return VK_AGAIN;
        if (!put_source(ex, c)) {
            vk_io_want(&c->io, 0); /* the source says when (vk_source_ready) */
            vk_timer_clear(c->io.loop, &c->timer);
            return VK_E_BUSY;
        }
    }
}

static bool send_answer(vk_conn *c)
{
    switch (send_some(c)) {
    case VK_OK:
        break;
    case VK_AGAIN:
        vk_io_want(&c->io, VK_WRITE);
        arm(c, VK_WRITE_STALL_MS);
        return false;
    case VK_E_BUSY:
        return false;
    default:
        shut(c);
        return false;
    }
    bool over = c->ex->close, until_close = c->ex->source && !c->ex->source_chunked;
    bool linger = c->unread_body || c->in_at < c->in_n;
    end_exchange(c);
    if (!over) {
        c->state = S_HEAD;
        return true;
    }
    if (c->cut && until_close) {
        struct linger reset = {.l_onoff = 1};
        setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    if (!linger || c->eof || c->cut) {
        shut(c);
        return false;
    }
    shutdown(c->io.fd, SHUT_WR);
    c->state = S_LINGER;
    c->lingered = 0;
    arm(c, VK_LINGER_MS);
    return true;
}

static bool linger(vk_conn *c)
{
    do {
        c->lingered += c->in_n - c->in_at;
        c->in_at = c->in_n = 0;
    } while (c->lingered < LINGER_MAX && !c->drained && fill(c));
    if (c->state == S_GONE)
        return false;
    if (c->eof || c->lingered >= LINGER_MAX) {
        shut(c);
        return false;
    }
    drop_in(c);
    vk_io_want(&c->io, VK_READ);
    return false;
}

/* Does all that can be done without waiting. Not re-entered: an answer given inside a handler's call is
 * picked up by the loop here. */
static void advance(vk_conn *c)
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
            c->state = S_SEND;
        switch (c->state) {
        case S_HEAD:
            again = take_head(c);
            break;
        case S_BODY:
            again = take_body(c);
            break;
        case S_SEND:
            again = send_answer(c);
            break;
        case S_LINGER:
            again = linger(c);
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
    advance(c);
}

static void on_ready(vk_io *io, int events)
{
    vk_conn *c = VK_CONTAINER(io, vk_conn, io);
    if (events & VK_READ) {
        switch (c->state) {
        case S_HEAD:
        case S_BODY:
        case S_LINGER:
            if (!fill(c) && !c->eof)
                return;
            break;
        case S_WAIT:
        case S_SEND:
            /* Pipelined input or the client's end: look again when this answer is out. */
            vk_io_want(io, c->io.mask & ~VK_READ);
            if (!(events & VK_WRITE))
                return;
            break;
        default:
            break;
        }
    }
    advance(c);
}

/* ------------------------------------------------------------------------------------------------------
 * server */

static vk_err adopt(vk_server *s, int fd, vk_conn **out_r)
{
    vk_conn *c = calloc(1, sizeof *c);
    if (!c)
        return VK_E_NOMEM;
    c->server = s;
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
    vk_list_push(&s->conns, &c->node);
    s->n_conns++;
    vk_io_want(&c->io, VK_READ);
    *out_r = c;
    return VK_OK;
}

vk_err vk_server_adopt(vk_server *s, int fd, void (*gone)(void *arg), void *arg)
{
    vk_conn *c;
    vk_err e = s->closing ? VK_E_UNAVAILABLE : adopt(s, fd, &c);
    if (e != VK_OK)
        return e;
    c->lasting = true;
    c->gone = gone;
    c->gone_arg = arg;
    return VK_OK;
}

void vk_server_take(vk_server *s, int fd)
{
    vk_conn *c;
    if (s->closing || s->n_conns >= VK_CONNS_MAX || adopt(s, fd, &c) != VK_OK)
        close(fd);
    else
        arm(c, VK_IDLE_MS);
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
    vk_log(VK_WARN, "new connections wait: %s", vk_errno_text(err));
    vk_io_want(&s->accept, 0);
    vk_timer_set(s->loop, &s->retry, ACCEPT_PAUSE_MS, accept_again);
}

static void on_accept(vk_io *io, int events)
{
    vk_server *s = VK_CONTAINER(io, vk_server, accept);
    VK_UNUSED(events);
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int on = 1, fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            accept_failed(s, errno);
            return;
        }
        if (s->names)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (s->place)
            s->place(s, fd);
        else
            vk_server_take(s, fd);
    }
}

void vk_server_init(vk_server *s, vk_loop *loop, const vk_handler *handler, void *ctx)
{
    *s = (vk_server){.loop = loop, .handler = handler, .ctx = ctx};
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
    maybe_gone(s);
}

void vk_server_close(vk_server *s, void (*last_gone)(vk_server *s))
{
    s->closing = true;
    s->last_gone = last_gone;
    vk_timer_clear(s->loop, &s->retry);
    if (s->accepting)
        vk_io_close(&s->accept, on_accept_closed);
    for (vk_list *n = s->conns.next, *next; n != &s->conns; n = next) {
        next = n->next;
        vk_conn *c = VK_CONTAINER(n, vk_conn, node);
        if (c->state == S_HEAD && c->in_n == c->in_at && !c->in_advance)
            shut(c);
    }
    maybe_gone(s);
}
