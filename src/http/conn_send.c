/* What a connection sends: a head with a collected body, a file, or what a source makes. */
#include "http/conn.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    SENDFILE_MAX = 1024 * 1024,
    SEND_TURN_MAX = 4 * 1024 * 1024, /* for one connection, before the others have their turn */
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
        c->moved += (uint64_t)n;
        vk_count(&c->server->traffic.sent, (uint64_t)n);
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
        c->moved += (uint64_t)n;
        vk_count(&c->server->traffic.sent, (uint64_t)n);
        ex->file_left -= n;
    }
    return ex->file_left ? VK_AGAIN : VK_OK;
}

/* VK_OK: all is sent. VK_AGAIN: the peer's window is full, or it is the others' turn. VK_E_BUSY: the source
 * waits. VK_E_IO: over. */
vk_err vk_conn_send(vk_conn *c)
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
            c->starved = true; /* the source says when it is over (vk_source_ready) */
            return VK_E_BUSY;
        }
    }
}
