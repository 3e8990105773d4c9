/* A request's body: collected, given to its sink as it comes, or read past. */
#include "http/conn.h"

#include "net/wire.h"

enum {
    DISCARD_MAX = 64 * 1024,         /* so much of a body nobody wants is read for the connection's sake */
    BODY_TURN_MAX = 4 * 1024 * 1024, /* for one connection, before the others have their turn */
};

static void refuse_large(vk_conn *c)
{
    vk_conn_refuse(
        c, 413, VK_E_TOO_LARGE,
        "The request body is larger than the %zu bytes that this endpoint takes; send it in parts.",
        c->ex->body_max);
}

void vk_conn_begin_body(vk_conn *c)
{
    vk_exchange *ex = c->ex;
    if (c->framing == VK_FRAME_LENGTH && c->body_left > ex->body_max) {
        refuse_large(c);
        return;
    }
    c->body_room = ex->body_max;
    ex->body.max = ex->body_max;
}

/* The body may come: tells a client that asked, unless it comes already. False: the connection is over. */
static bool invite(vk_conn *c)
{
    static char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec iov = {go_on, sizeof go_on - 1};
    /* A length of 0 too: boto3 takes a final answer in its place for good, and misreads the connection's
     * next. */
    bool has_body = c->framing != VK_FRAME_NONE;
    c->invited = true;
    if (VK_LIKELY(!c->ex->expect_continue) || !has_body || c->in_at < c->in_n)
        return true;
    if (vk_wire_send(&c->io, &(struct msghdr){.msg_iov = &iov, .msg_iovlen = 1}, 0) == (ssize_t)iov.iov_len)
        return true;
    vk_conn_shut(c);
    return false;
}

/* The handler has the exchange until the sink is ready; no time runs for the client. Its end is looked for,
 * as while an answer is made. */
static void hold(vk_conn *c)
{
    c->ex->held = true;
    c->state = S_HELD;
    c->ended = false;
    vk_conn_set_aside(c);
    vk_io_want(&c->io, c->io.mask & VK_HANGUP ? VK_HANGUP : VK_READ);
}

static void go_on(vk_conn *c)
{
    c->state = S_BODY;
    c->watch = W_TIME;  /* the client's time begins anew */
    c->drained = false; /* nobody has read meanwhile */
    c->ended = false;
}

void vk_conn_release_body(vk_conn *c)
{
    if (c->state == S_HELD)
        go_on(c);
    else if (c->state != S_GONE) /* still in head() */
        return;
    vk_conn_answered(c);
}

void vk_conn_settle_body(vk_conn *c)
{
    c->ex->held = false;
    if (c->state == S_HELD)
        go_on(c);
    if (c->state != S_BODY)
        return;
    /* A client that waits for 100 Continue may send its body all the same, or the next request. */
    bool small =
        c->framing == VK_FRAME_NONE || (c->framing == VK_FRAME_LENGTH && c->body_left <= DISCARD_MAX &&
                                        (!c->ex->expect_continue || c->invited));
    c->unread_body = !small;
    c->discard = small && c->body_left > 0;
    c->in_at += c->payload;
    c->payload = 0;
}

/* What comes next in the input. DATA: c->payload bytes of the body are at in_at. MORE: all was used. */
static vk_chunk next_part(vk_conn *c)
{
    size_t left = c->in_n - c->in_at;
    if (c->framing != VK_FRAME_CHUNKED) {
        if (c->framing == VK_FRAME_NONE || c->body_left == 0)
            return VK_CHUNK_END;
        c->payload = (uint32_t)(left < c->body_left ? left : c->body_left);
        c->body_left -= c->payload;
        return left ? VK_CHUNK_DATA : VK_CHUNK_MORE;
    }
    if (left == 0)
        return VK_CHUNK_MORE;
    vk_str in = {c->in + c->in_at, left}, data = VK_STR_NONE;
    vk_chunk got = vk_chunked_next(&c->chunked, &in, &data);
    c->in_at = c->in_n - (uint32_t)in.n;
    if (got == VK_CHUNK_DATA) {
        c->payload = (uint32_t)data.n;
        c->in_at -= c->payload; /* it lies in front of what is left */
    }
    return got;
}

/* Those bytes go where they belong. True: they are used, and the next ones may be looked at. */
static bool use_payload(vk_conn *c)
{
    vk_exchange *ex = c->ex;
    vk_str bytes = {c->in + c->in_at, c->payload};
    size_t took = bytes.n;
    if (!c->discard && ex->sink) {
        took = ex->sink->take(ex->sink, ex, bytes);
        if (ex->answered) /* vk_conn_settle_body has seen to the rest */
            return false;
        if (took > bytes.n)
            abort(); /* a sink that takes what is not there is a broken invariant */
    } else if (!c->discard) {
        vk_buf_str(&ex->body, bytes);
    }
    c->in_at += (uint32_t)took;
    c->payload -= (uint32_t)took;
    if (c->payload)
        hold(c);
    return c->payload == 0;
}

static bool whole(vk_conn *c)
{
    vk_exchange *ex = c->ex;
    if (c->discard) {
        c->discard = false;
        return true;
    }
    c->state = S_WAIT;
    c->ended = false;
    if (c->in_at == c->in_n)
        vk_conn_drop_in(c);
    c->server->handler->request(ex);
    if (c->state == S_WAIT && c->ex && !c->ex->answered && c->ex->gone)
        vk_io_want(&c->io, c->io.mask & VK_HANGUP ? VK_HANGUP : VK_READ);
    return c->ex && c->ex->answered;
}

/* All that came is used. True: there is more. */
static bool read_on(vk_conn *c, uint64_t stop)
{
    if (c->eof) { /* cut off in the middle of its body */
        vk_conn_shut(c);
        return false;
    }
    if (c->in_own)
        vk_conn_drop_in(c);
    c->in_at = c->in_n = 0;
    if (!c->drained && c->moved < stop && vk_conn_fill(c))
        return true;
    if (c->state != S_BODY || c->eof)
        return c->state == S_BODY;
    vk_conn_drop_in(c);
    vk_io_want(&c->io, VK_READ);
    vk_conn_watch(c, c->discard ? W_DISCARD : W_BODY);
    return false;
}

bool vk_conn_take_body(vk_conn *c)
{
    vk_exchange *ex = c->ex;
    uint64_t stop = c->moved + BODY_TURN_MAX;
    if (VK_UNLIKELY(ex->held)) {
        hold(c);
        return false;
    }
    if (!c->invited && !invite(c))
        return false;
    /* The first thing that is wrong is the one to tell, however the bytes came. */
    for (;;) {
        bool again = c->payload > 0;
        switch (again ? VK_CHUNK_DATA : next_part(c)) {
        case VK_CHUNK_DATA:
            if (c->framing == VK_FRAME_CHUNKED && !again) {
                if (c->payload > c->body_room) {
                    refuse_large(c);
                    return true;
                }
                c->body_room -= c->payload;
            }
            if (!use_payload(c))
                return ex->answered;
            if (ex->body.err) {
                vk_conn_refuse(c, 503, ex->body.err, "Out of memory.");
                return true;
            }
            break;
        case VK_CHUNK_BAD:
            vk_conn_refuse(c, 400, VK_E_INVALID, "The chunked body is not well-formed.");
            return true;
        case VK_CHUNK_END:
            return whole(c);
        default:
            if (!read_on(c, stop))
                return false;
        }
    }
}
