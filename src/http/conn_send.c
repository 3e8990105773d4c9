/* What a connection sends: a head with a collected body, a file, pieces, or what a source makes. */
#include "http/conn.h"

#include "net/wire.h"

#include <errno.h>

enum {
    SENDFILE_MAX = 1024 * 1024,
    SEND_TURN_MAX = 4 * 1024 * 1024, /* for one connection, before the others have their turn */
    PIECES_TURN_MAX = 256,           /* so many pieces too */
    SOURCE_EMPTY_MAX = 64,           /* times a source may give nothing without saying that it waits */
    SIZE_LINE = 20,                  /* of a chunk: "<hex>\r\n" */
};

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
    if (ex->source_left >= 0) { /* the length was said: that is the end, and no other */
        size_t left = (size_t)ex->source_left;
        ex->source_left -= n < left ? (int64_t)n : ex->source_left;
        if (n > left || (e == VK_E_NOT_FOUND && n < left))
            e = VK_E_INTERNAL;
        if (n > left)
            vk_buf_truncate(out, front + left);
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

/* Asks for the next piece. False: it cannot be had, and the answer ends here. */
static bool put_piece(vk_exchange *ex, vk_conn *c)
{
    int64_t left = ex->pieces_end - ex->pieces_at;
    vk_piece p = {.fd = -1};
    if (ex->pieces->next(ex->pieces, ex->pieces_at, &p) != VK_OK || p.n <= 0 || (p.fd < 0 && !p.bytes))
        return false;
    p.n = p.n < left ? p.n : left;
    ex->piece = p;
    ex->pieces_at += p.n;
    if (c->sent > ex->head_out.n)
        c->sent = ex->head_out.n;
    return true;
}

/* Head, and what of the body is in memory. VK_OK: all is in the socket. */
static vk_err send_bytes(vk_conn *c)
{
    vk_exchange *ex = c->ex;
    bool file = ex->piece.n > 0 && ex->piece.fd >= 0, piece = ex->piece.n > 0 && !file;
    vk_str body = piece ? (vk_str){ex->piece.bytes, (size_t)ex->piece.n} : vk_buf_view(&ex->out);
    int flags = file || ex->pieces_at < ex->pieces_end ? MSG_MORE : 0;
    size_t head = ex->head_out.n, all = head + body.n;
    while (c->sent < all) {
        struct iovec iov[2];
        struct msghdr m = {.msg_iov = iov};
        if (c->sent < head)
            iov[m.msg_iovlen++] = (struct iovec){(char *)(uintptr_t)ex->head_out.p + c->sent, head - c->sent};
        size_t skip = c->sent > head ? c->sent - head : 0;
        if (body.n > skip)
            iov[m.msg_iovlen++] = (struct iovec){(char *)(uintptr_t)body.p + skip, body.n - skip};
        ssize_t n = vk_wire_send(&c->io, &m, flags);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? VK_AGAIN : VK_E_IO;
        c->sent += (size_t)n;
        c->moved += (uint64_t)n;
        vk_count(&c->server->traffic.sent, (uint64_t)n);
        if (c->sent < all)
            return VK_AGAIN;
    }
    if (piece)
        ex->piece.n = 0;
    return VK_OK;
}

static vk_err send_file(vk_conn *c)
{
    vk_piece *p = &c->ex->piece;
    int64_t stop = p->n > SEND_TURN_MAX ? p->n - SEND_TURN_MAX : 0;
    while (p->n > stop) {
        size_t want = p->n > SENDFILE_MAX ? SENDFILE_MAX : (size_t)p->n;
        ssize_t n = vk_wire_send_file(&c->io, p->fd, p->at, want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) /* 0: the file became shorter than we promised */
            return n < 0 && errno == EAGAIN ? VK_AGAIN : VK_E_IO;
        p->at += n;
        c->moved += (uint64_t)n;
        vk_count(&c->server->traffic.sent, (uint64_t)n);
        p->n -= n;
        if ((size_t)n < want && !c->io.tls)
            return VK_AGAIN; /* the socket is full; to ask it again would only say so */
    }
    return p->n ? VK_AGAIN : VK_OK;
}

/* VK_OK: all is sent. VK_AGAIN: the peer's window is full, or it is the others' turn. VK_E_BUSY: the source
 * waits. VK_E_IO: over. */
vk_err vk_conn_send(vk_conn *c)
{
    vk_exchange *ex = c->ex;
    size_t turn = 0;
    for (int pieces = 0;;) {
        if (ex->pieces_at < ex->pieces_end && ex->piece.n == 0) {
            if (!put_piece(ex, c))
                return VK_E_IO;
            turn += (size_t)ex->piece.n;
            pieces++;
        }
        vk_err e = send_bytes(c);
        if (e == VK_OK && ex->piece.n > 0)
            e = send_file(c);
        if (e == VK_OK && ex->pieces_at < ex->pieces_end) {
            if (turn > SEND_TURN_MAX || pieces == PIECES_TURN_MAX)
                return VK_AGAIN;
            continue;
        }
        if (e != VK_OK || !ex->source || ex->source_done)
            return e;
        turn += ex->out.n;
        if (turn > SEND_TURN_MAX)
            return VK_AGAIN;
        if (!put_source(ex, c)) {
            c->starved = true; /* the source says when it is over (vk_source_ready) */
            return VK_E_BUSY;
        }
    }
}
