/* One connection of a pool: a call's request out, its answer in. */
#include "http/upconn.h"

#include "net/wire.h"

#include <errno.h>

enum {
    READS_MAX = 16, /* receive buffers of one connection, before the others have their turn */
    SIZE_LINE = 8,  /* of a chunk: "<hex>\r\n", for what fits into `out` */
    CHUNK_ENDS = 7, /* behind it, and the last chunk */
};

void vk_upconn_drop_in(vk_upconn *uc, bool secret)
{
    if (uc->in)
        vk_loop_in_put(uc->pool->loop, uc->in, secret ? uc->in_high : 0);
    uc->in = NULL;
    uc->in_at = uc->in_n = uc->in_high = 0;
}

void vk_upconn_drop_out(vk_upconn *uc, bool secret)
{
    if (uc->out)
        vk_loop_in_put(uc->pool->loop, uc->out, secret ? uc->out_high : 0);
    uc->out = NULL;
    uc->out_at = uc->out_n = uc->out_high = 0;
}

static bool streams(const vk_upcall *c)
{
    return c->body_n != 0 && c->body.n == 0;
}

static bool owes(const vk_upconn *uc)
{
    const vk_upcall *c = uc->call;
    return !uc->mute && (uc->head_at < c->head.n || uc->body_at < c->body.n || uc->out_at < uc->out_n);
}

/* Nothing of the request is missing here. */
static bool asked(const vk_upconn *uc)
{
    return !owes(uc) && (!streams(uc->call) || uc->call->gave_end);
}

/* ---- out */

static void wipe_head(vk_upconn *uc)
{
    vk_upcall *c = uc->call;
    if (c->head_done)
        return;
    c->head_done = true;
    if (c->secret)
        vk_wipe((void *)(uintptr_t)c->head.p, c->head.n);
}

static void took(vk_upconn *uc, size_t n)
{
    vk_upcall *c = uc->call;
    size_t head = c->head.n - uc->head_at;
    head = n < head ? n : head;
    uc->head_at += head;
    n -= head;
    if (c->body.n) {
        uc->body_at += n;
        c->sent += n;
    } else {
        uc->out_at += (uint32_t)n;
    }
    if (uc->head_at == c->head.n && (uc->heard || !uc->reused || !c->again || c->tried_again))
        wipe_head(uc);
    if (uc->out && uc->out_at == uc->out_n)
        vk_upconn_drop_out(uc, c->secret);
}

/* Sends what there is. A peer that takes no more may have said why. */
static void flush(vk_upconn *uc)
{
    vk_upcall *c = uc->call;
    while (owes(uc)) {
        struct iovec iov[2];
        struct msghdr m = {.msg_iov = iov};
        if (uc->head_at < c->head.n)
            iov[m.msg_iovlen++] =
                (struct iovec){(char *)(uintptr_t)c->head.p + uc->head_at, c->head.n - uc->head_at};
        if (uc->body_at < c->body.n)
            iov[m.msg_iovlen++] =
                (struct iovec){(char *)(uintptr_t)c->body.p + uc->body_at, c->body.n - uc->body_at};
        else if (uc->out_at < uc->out_n)
            iov[m.msg_iovlen++] = (struct iovec){uc->out + uc->out_at, uc->out_n - uc->out_at};
        ssize_t n = vk_wire_send(&uc->io, &m, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0) {
            uc->mute = true;
            return;
        }
        took(uc, (size_t)n);
    }
    if (uc->raw && c->gave_end && !uc->mute) {
        vk_err e = vk_wire_finish(&uc->io);
        uc->mute = e != VK_AGAIN; /* else it is told by the end of the connection */
    }
}

/* Who is waited for: the other side, for a byte in either direction or for its answer, or our own. */
static void arm(vk_upconn *uc)
{
    vk_upcall *c = uc->call;
    if (uc->state == UP_GREETING)
        return;
    if (uc->have_head && !(c->in_full && !owes(uc))) {
        vk_upconn_arm(c, c->idle_ms);
    } else if (owes(uc)) {
        vk_upconn_arm(c, c->idle_ms);
    } else if (!uc->have_head && asked(uc)) {
        if (!uc->first)
            vk_upconn_arm(c, c->first_ms);
        uc->first = true;
    } else {
        vk_timer_clear(uc->pool->loop, &c->timer);
    }
}

static void want(vk_upconn *uc)
{
    vk_upcall *c = uc->call;
    int mask = c->in_full ? 0 : VK_READ;
    if (owes(uc) || (c->out_full && !c->gave_end && c->wants))
        mask |= VK_WRITE;
    arm(uc);
    vk_io_want(&uc->io, mask);
}

/* Framed, and behind what waits already. */
static size_t put(vk_upconn *uc, vk_str bytes, bool end)
{
    vk_upcall *c = uc->call;
    bool chunks = c->body_n < 0 && !uc->raw;
    if (!uc->out && !(uc->out = vk_loop_in_get(uc->pool->loop)))
        return 0;
    if (uc->out_at && vk_wire_owed(&uc->io) == 0) {
        memmove(uc->out, uc->out + uc->out_at, uc->out_n - uc->out_at);
        uc->out_n -= uc->out_at;
        uc->out_at = 0;
    }
    size_t room = VK_IN_SIZE - uc->out_n, extra = chunks ? SIZE_LINE + CHUNK_ENDS : 0;
    room = room > extra ? room - extra : 0;
    size_t n = bytes.n < room ? bytes.n : room;
    if (n && chunks)
        uc->out_n += (uint32_t)snprintf(uc->out + uc->out_n, SIZE_LINE, "%zx\r\n", n);
    if (n)
        memcpy(uc->out + uc->out_n, bytes.p, n);
    uc->out_n += (uint32_t)n;
    if (n && chunks) {
        memcpy(uc->out + uc->out_n, "\r\n", 2);
        uc->out_n += 2;
    }
    if (chunks && end && n == bytes.n && VK_IN_SIZE - uc->out_n >= 5 && !uc->last_chunk) {
        memcpy(uc->out + uc->out_n, "0\r\n\r\n", 5);
        uc->out_n += 5;
        uc->last_chunk = true;
    }
    if (uc->out_n > uc->out_high)
        uc->out_high = uc->out_n;
    return n;
}

size_t vk_upcall_give(vk_upcall *c, vk_str bytes, bool end)
{
    vk_upconn *uc = c->conn;
    if (c->gave_end)
        return 0;
    c->out_full = true;
    if (!uc || uc->state == UP_CONNECTING) {
        if (end && bytes.n == 0 && c->body_n < 0) { /* sent when the connection is there */
            c->gave_end = true;
            c->out_full = false;
        }
        return 0;
    }
    uint64_t left = c->body_n < 0 || uc->raw ? UINT64_MAX : (uint64_t)c->body_n - c->sent;
    bytes.n = bytes.n < left ? bytes.n : (size_t)left;
    size_t n = uc->mute ? bytes.n : 0;
    while (!uc->mute && n < bytes.n) {
        size_t more = put(uc, (vk_str){bytes.p + n, bytes.n - n}, end);
        n += more;
        if (uc->state == UP_OPEN)
            flush(uc);
        if (more == 0)
            break;
    }
    c->sent += n;
    if (n == bytes.n) {
        c->out_full = false;
        c->gave_end = uc->raw ? end : end || (c->body_n >= 0 && n == left);
    }
    if (c->gave_end && c->body_n < 0 && !uc->raw && !uc->last_chunk && !uc->mute) {
        size_t none = put(uc, VK_STR_NONE, true);
        VK_UNUSED(none);
        if (!uc->last_chunk) { /* no room just now */
            c->gave_end = false;
            c->out_full = true;
        }
        flush(uc);
    }
    if (c->gave_end && uc->raw)
        flush(uc);
    if (c->gave_end && !uc->raw && c->body_n >= 0 && c->sent < (uint64_t)c->body_n)
        shutdown(uc->io.fd, SHUT_RDWR); /* less than was announced: it must not be taken for all */
    want(uc);
    return n;
}

void vk_upconn_start(vk_upconn *uc)
{
    vk_upcall *c = uc->call;
    if (c->gave_end && c->body_n < 0 && put(uc, VK_STR_NONE, true) == 0 && !uc->last_chunk)
        uc->mute = true; /* no memory; it is not sent to its end */
    if (!streams(c) || c->gave_end || uc->state == UP_GREETING)
        flush(uc);
    /* The head of a body that streams goes out with the first of it, or in the next turn. */
    want(uc);
}

/* ---- in */

/* All was read that belongs to it. */
static void complete(vk_upconn *uc)
{
    bool keep = uc->keep && !uc->eof && !uc->mute && uc->in_at == uc->in_n && asked(uc);
    vk_upcall_finish(uc->call, keep, VK_OK, "");
}

enum next { NEXT_GO, NEXT_MORE, NEXT_OVER };

static enum next ended(vk_upconn *uc)
{
    if (!uc->eof)
        return NEXT_MORE;
    if (uc->have_head && uc->framing == VK_FRAME_EOF)
        complete(uc);
    else
        vk_upcall_fail(uc->call, VK_E_UNAVAILABLE, "%s ended the connection %s", uc->pool->at.host,
                       uc->have_head ? "in the middle of its answer" : "without an answer");
    return NEXT_OVER;
}

static enum next broken(vk_upconn *uc)
{
    vk_upcall_fail(uc->call, VK_E_INVALID, "What %s answered is not well-formed HTTP/1.1", uc->pool->at.host);
    return NEXT_OVER;
}

static enum next take_head(vk_upconn *uc)
{
    static _Thread_local vk_head h;
    vk_upcall *c = uc->call;
    for (;;) {
        size_t n = uc->in_n - uc->in_at;
        int used = vk_head_response(uc->in + uc->in_at, n, c->method, &h);
        if (used == 0)
            return ended(uc);
        bool other = used > 0 && h.status == 101;
        if (used < 0 || (other && !(c->upgrade && h.upgrade)))
            return broken(uc);
        uc->in_at += (uint32_t)used;
        if (h.status >= 200 || other)
            break;
        if (++uc->interim > VK_UPSTREAM_INTERIM)
            return broken(uc);
    }
    uc->have_head = true;
    uc->raw = h.status == 101;
    uc->framing = uc->raw ? VK_FRAME_EOF : h.framing;
    uc->left = h.content_length;
    uc->chunked = (vk_chunked){0};
    uc->keep = h.keep_alive && !uc->raw;
    if (uc->raw) {
        c->gave_end = false;
        c->out_full = true;
    }
    c->head_came(c, &h);
    return uc->call ? NEXT_GO : NEXT_OVER;
}

/* GO: bytes of the body are at in_at. */
static enum next next_part(vk_upconn *uc)
{
    size_t n = uc->in_n - uc->in_at;
    if (uc->framing != VK_FRAME_CHUNKED) {
        bool to_eof = uc->framing == VK_FRAME_EOF;
        if (!to_eof && (uc->framing == VK_FRAME_NONE || uc->left == 0)) {
            complete(uc);
            return NEXT_OVER;
        }
        uc->payload = (uint32_t)(to_eof || n < uc->left ? n : uc->left);
        uc->left -= to_eof ? 0 : uc->payload;
        return n ? NEXT_GO : ended(uc);
    }
    if (n == 0)
        return ended(uc);
    vk_str in = {uc->in + uc->in_at, n}, data = VK_STR_NONE;
    vk_chunk got = vk_chunked_next(&uc->chunked, &in, &data);
    uc->in_at = uc->in_n - (uint32_t)in.n;
    switch (got) {
    case VK_CHUNK_DATA:
        uc->payload = (uint32_t)data.n;
        uc->in_at -= uc->payload; /* it lies in front of what is left */
        return NEXT_GO;
    case VK_CHUNK_END:
        complete(uc);
        return NEXT_OVER;
    case VK_CHUNK_BAD:
        return broken(uc);
    default:
        return ended(uc);
    }
}

/* What came goes where it belongs. MORE: all of it was taken, or no more is (in_full). */
static enum next use_input(vk_upconn *uc)
{
    enum next next = uc->have_head ? NEXT_GO : take_head(uc);
    while (next == NEXT_GO) {
        next = uc->payload ? NEXT_GO : next_part(uc);
        if (next != NEXT_GO)
            break;
        vk_upcall *c = uc->call;
        size_t n = c->body_came(c, (vk_str){uc->in + uc->in_at, uc->payload});
        if (!uc->call)
            return NEXT_OVER;
        if (n > uc->payload)
            abort(); /* who takes what is not there is a broken invariant */
        uc->in_at += (uint32_t)n;
        uc->payload -= (uint32_t)n;
        c->received += n;
        if (uc->payload) {
            c->in_full = true;
            return NEXT_MORE;
        }
    }
    return next;
}

/* Room for more input. False: there is no memory, and the call is over. */
static bool make_room(vk_upconn *uc)
{
    if (!uc->in && !(uc->in = vk_loop_in_get(uc->pool->loop))) {
        vk_upcall_fail(uc->call, VK_E_NOMEM, "Out of memory");
        return false;
    }
    if (uc->in_at) {
        memmove(uc->in, uc->in + uc->in_at, uc->in_n - uc->in_at);
        uc->in_n -= uc->in_at;
        uc->in_at = 0;
    }
    return true;
}

static enum next receive_once(vk_upconn *uc, bool *drained)
{
    vk_upcall *c = uc->call;
    if (!make_room(uc))
        return NEXT_OVER;
    size_t room = VK_IN_SIZE - uc->in_n;
    ssize_t n;
    do
        n = vk_wire_recv(&uc->io, uc->in + uc->in_n, room);
    while (n < 0 && errno == EINTR);
    *drained = n < (ssize_t)room;
    if (n < 0 && errno == EAGAIN)
        return NEXT_MORE;
    if (n < 0) {
        vk_upcall_fail(c, VK_E_UNAVAILABLE, "The connection to %s broke", uc->pool->at.host);
        return NEXT_OVER;
    }
    uc->eof = n == 0;
    if (n && !uc->heard) {
        uc->heard = true;
        if (uc->head_at == c->head.n)
            wipe_head(uc);
    }
    uc->in_n += (uint32_t)n;
    if (uc->in_n > uc->in_high)
        uc->in_high = uc->in_n;
    return use_input(uc);
}

/* OVER: the call is, and *uc may be another's. */
static enum next receive(vk_upconn *uc)
{
    uint64_t before = uc->call->received;
    bool drained = false, had_head = uc->have_head;
    for (int i = 0; i < READS_MAX && !drained && !uc->call->in_full; i++)
        if (receive_once(uc, &drained) == NEXT_OVER)
            return NEXT_OVER;
    vk_upcall *c = uc->call;
    if (uc->in_at == uc->in_n)
        vk_upconn_drop_in(uc, c->secret);
    bool came = c->received != before || uc->have_head != had_head;
    if (came && !c->in_full && c->lull)
        c->lull(c);
    return uc->call ? NEXT_MORE : NEXT_OVER;
}

void vk_upcall_room(vk_upcall *c)
{
    vk_upconn *uc = c->conn;
    if (!uc || !c->in_full)
        return;
    c->in_full = false;
    enum next next = use_input(uc);
    if (next == NEXT_MORE && !uc->call->in_full && !uc->eof)
        next = receive(uc);
    if (next != NEXT_OVER)
        want(uc);
}

/* ---- both */

bool vk_upconn_lives(vk_upconn *uc)
{
    char byte;
    ssize_t n;
    do
        n = recv(uc->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0 && uc->io.tls) /* a session ticket may be there, or the end */
        n = vk_wire_recv(&uc->io, &byte, 1);
    return n < 0 && errno == EAGAIN;
}

/* False: the handshake failed. */
static bool greet(vk_upconn *uc)
{
    const char *why;
    vk_upcall *c = uc->call;
    switch (vk_tls_state_of(uc->io.tls)) {
    case VK_TLS_GREETING:
        if (!uc->eof)
            return true;
        break;
    case VK_TLS_RESUMED:
        uc->pool->counts.resumed++;
        uc->state = UP_OPEN;
        return true;
    case VK_TLS_OPEN:
        uc->state = UP_OPEN;
        return true;
    default:
        break;
    }
    vk_err e = vk_tls_why(uc->io.tls, &why);
    vk_tls_forget(&uc->pool->memory);
    vk_upcall_finish(c, false, e, why ? why : "The TLS handshake failed");
    return false;
}

void vk_upconn_ready(vk_io *io, int events)
{
    vk_upconn *uc = VK_CONTAINER(io, vk_upconn, io);
    vk_upcall *c = uc->call;
    if (uc->state == UP_CONNECTING) {
        vk_updial_ready(uc);
        return;
    }
    if (uc->state == UP_IDLE) {
        if (!vk_upconn_lives(uc))
            vk_upconn_shut(uc);
        return;
    }
    if (!c)
        return;
    if ((events & VK_WRITE) || uc->state == UP_GREETING)
        flush(uc);
    if (uc->state == UP_GREETING && !greet(uc))
        return;
    if ((events & VK_READ) && !c->in_full && receive(uc) == NEXT_OVER)
        return;
    c = uc->call;
    if (uc->state == UP_OPEN && c->out_full && !c->gave_end && (uc->mute || !owes(uc)) && c->wants) {
        c->out_full = false;
        c->wants(c);
        if (!uc->call)
            return;
    }
    want(uc);
}
