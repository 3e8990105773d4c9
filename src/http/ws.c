#include "http/ws.h"

#include "core/encode.h"
#include "crypto/digest.h"
#include "http/conn.h"
#include "net/wire.h"

#include <errno.h>

enum {
    READS_MAX = 16,  /* receive buffers of one connection, before the others have their turn */
    PIECES_MAX = 16, /* frames in one send */
    LINGER_MAX =
        2 * VK_WS_MESSAGE_MAX, /* bytes read on after a refusal: the refused message may still be coming */
};

enum ws_state {
    WS_OPEN,
    WS_CLOSING, /* our close frame is queued or sent, or the peer's was answered */
    WS_LINGER,  /* all is sent: reads on so that no reset overtakes it */
    WS_OVER,
};

/* A frame to send, or the response head. */
typedef struct piece {
    vk_list node;
    uint8_t head[VK_WS_HEAD_MAX], n_head;
    vk_buf body;
} piece;

struct vk_ws {
    vk_upgrade upgrade;
    vk_conn *conn;
    const vk_ws_handler *handler;
    void *ctx;
    vk_ws_decoder in;
    vk_buf message;
    vk_list out;
    size_t queued, sent; /* bytes in `out`; of its first piece */
    size_t lingered;
    vk_timer timer;
    vk_task task;
    int64_t heard_ms;     /* when something came in */
    int64_t mark_ms;      /* since then, what goes out is held against slow_rate; 0: nothing waits */
    uint64_t moved, mark; /* bytes that went out, less those that the peer has not taken; then */
    uint8_t state;
    bool paused, full, pinged;
    bool held;        /* the server is parked */
    bool peer_closed; /* its close frame is here */
    bool working;     /* in advance(): what is asked for from inside is done at its end */
    bool failed;      /* the socket: noticed in a call of the handler, told in a later turn */
    bool posted, released;
};

static void advance(vk_ws *ws);

/* ---- the end ---- */

static void maybe_free(vk_ws *ws)
{
    if (!ws->released || ws->state != WS_OVER || ws->working || ws->posted)
        return;
    vk_conn_leave(ws->conn);
    vk_buf_free_secret(&ws->message);
    free(ws);
}

static void drop(vk_ws *ws, piece *p)
{
    vk_list_remove(&p->node);
    ws->queued -= p->n_head + p->body.n;
    vk_buf_free(&p->body);
    free(p);
}

static void drop_all(vk_ws *ws)
{
    while (!vk_list_empty(&ws->out))
        drop(ws, VK_CONTAINER(ws->out.next, piece, node));
    ws->sent = 0;
}

/* Not from within a call of the handler. The handler may release *ws at once: it is gone then, except in
 * advance(). */
static void over(vk_ws *ws)
{
    if (ws->state == WS_OVER)
        return;
    ws->state = WS_OVER;
    vk_timer_clear(ws->conn->io.loop, &ws->timer);
    vk_conn_shut(ws->conn);
    drop_all(ws);
    vk_buf_free_secret(&ws->message);
    ws->handler->closed(ws);
}

static void run_posted(vk_task *t)
{
    vk_ws *ws = VK_CONTAINER(t, vk_ws, task);
    ws->posted = false;
    if (ws->state == WS_OVER)
        maybe_free(ws);
    else if (ws->failed)
        over(ws);
    else
        advance(ws);
}

static void post(vk_ws *ws)
{
    if (ws->posted)
        return;
    ws->posted = true;
    ws->task.run = run_posted;
    vk_loop_post(ws->conn->io.loop, &ws->task);
}

void vk_ws_release(vk_ws *ws)
{
    ws->released = true;
    maybe_free(ws);
}

/* ---- output ---- */

static bool may_read(const vk_ws *ws)
{
    return ws->state == WS_LINGER ||
           (ws->state == WS_OPEN && !ws->paused && !ws->held && !ws->full && !ws->failed);
}

static void want(vk_ws *ws)
{
    if (ws->state == WS_OVER)
        return;
    /* Nobody who speaks this protocol ends one half only, so that shows who has gone while nothing is read.
     */
    vk_io_want(&ws->conn->io,
               (may_read(ws) ? VK_READ : VK_HANGUP) | (vk_list_empty(&ws->out) ? 0 : VK_WRITE));
}

static void on_timer(vk_timer *t);

/* The frames that fit into one call. *offered_r: their bytes. */
static ssize_t send_pieces(vk_ws *ws, size_t *offered_r)
{
    struct iovec iov[2 * PIECES_MAX];
    size_t n = 0, skip = ws->sent;
    *offered_r = 0;
    for (vk_list *x = ws->out.next; x != &ws->out && n + 2 <= VK_COUNT(iov); x = x->next) {
        piece *p = VK_CONTAINER(x, piece, node);
        size_t head = skip < p->n_head ? p->n_head - skip : 0, at = skip < p->n_head ? 0 : skip - p->n_head;
        if (head)
            iov[n++] = (struct iovec){p->head + p->n_head - head, head};
        if (p->body.n > at)
            iov[n++] = (struct iovec){p->body.p + at, p->body.n - at};
        *offered_r += head + p->body.n - at;
        skip = 0;
    }
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = n};
    ssize_t sent;
    do
        sent = vk_wire_send(&ws->conn->io, &m, 0);
    while (sent < 0 && errno == EINTR);
    return sent;
}

static void took(vk_ws *ws, size_t n)
{
    ws->moved += n;
    ws->sent += n;
    while (!vk_list_empty(&ws->out)) {
        piece *p = VK_CONTAINER(ws->out.next, piece, node);
        size_t size = p->n_head + p->body.n;
        if (ws->sent < size)
            return;
        ws->sent -= size;
        drop(ws, p);
    }
}

/* False: the connection has failed. */
static bool flush(vk_ws *ws)
{
    while (!vk_list_empty(&ws->out)) {
        size_t offered;
        ssize_t n = send_pieces(ws, &offered);
        if (n < 0 && errno != EAGAIN)
            return false;
        if (n < 0)
            break;
        took(ws, (size_t)n);
        if ((size_t)n < offered)
            break;
    }
    if (ws->queued > VK_WS_QUEUE_HIGH)
        ws->full = true;
    return true;
}

/* NULL: out of memory; the connection ends then, because what it is owed cannot be said. */
static piece *queue(vk_ws *ws, int opcode, size_t n)
{
    piece *p = calloc(1, sizeof *p);
    if (!p) {
        ws->failed = true;
        post(ws);
        return NULL;
    }
    if (opcode >= 0)
        p->n_head = (uint8_t)vk_ws_frame_head(p->head, opcode, n);
    vk_buf_init(&p->body, n);
    vk_list_push(&ws->out, &p->node);
    ws->queued += p->n_head;
    return p;
}

static void queue_bytes(vk_ws *ws, int opcode, vk_str bytes)
{
    piece *p = queue(ws, opcode, bytes.n);
    if (!p)
        return;
    vk_buf_str(&p->body, bytes);
    ws->queued += p->body.n;
    if (p->body.err) {
        ws->failed = true;
        post(ws);
    }
}

/* After something was queued, in a call of the handler or in advance(). */
static void push(vk_ws *ws, bool was_empty)
{
    if (ws->working || ws->failed)
        return;
    /* What waits already has asked for the socket. */
    if (was_empty && !flush(ws))
        ws->failed = true;
    if (ws->failed || (ws->state == WS_CLOSING && vk_list_empty(&ws->out)))
        post(ws);
    want(ws);
}

void vk_ws_send(vk_ws *ws, vk_str text)
{
    bool was_empty = vk_list_empty(&ws->out);
    if (ws->state != WS_OPEN || ws->failed)
        return;
    queue_bytes(ws, VK_WS_TEXT, text);
    push(ws, was_empty);
}

void vk_ws_send_buf(vk_ws *ws, vk_buf *text)
{
    bool was_empty = vk_list_empty(&ws->out);
    piece *p = ws->state == WS_OPEN && !ws->failed ? queue(ws, VK_WS_TEXT, text->n) : NULL;
    if (!p)
        return;
    p->body = *text;
    ws->queued += p->body.n;
    vk_buf_init(text, text->max);
    push(ws, was_empty);
}

static void begin_close(vk_ws *ws, int code, vk_str reason)
{
    char payload[VK_WS_CONTROL_MAX];
    ws->state = WS_CLOSING;
    queue_bytes(ws, VK_WS_CLOSE, (vk_str){payload, vk_ws_close_payload(payload, code, reason)});
    vk_timer_set(ws->conn->io.loop, &ws->timer, VK_WS_CLOSE_MS, on_timer);
}

void vk_ws_close(vk_ws *ws, int code, vk_str reason)
{
    bool was_empty = vk_list_empty(&ws->out);
    if (ws->state != WS_OPEN)
        return;
    begin_close(ws, code, reason);
    push(ws, was_empty);
}

/* ---- input ---- */

static void peer_closes(vk_ws *ws, vk_str reason)
{
    VK_UNUSED(reason); /* the peer's own words; nobody here asks for them */
    /* What was not begun is of no use to it any more. */
    size_t begun = ws->sent + vk_wire_owed(&ws->conn->io), at = 0;
    for (vk_list *x = ws->out.next, *next; x != &ws->out; x = next) {
        piece *p = VK_CONTAINER(x, piece, node);
        size_t size = p->n_head + p->body.n;
        next = x->next;
        if (at >= begun)
            drop(ws, p);
        at += size;
    }
    ws->peer_closed = true;
    begin_close(ws, ws->in.code == VK_WS_NO_CODE ? VK_WS_NORMAL : ws->in.code, VK_STR_NONE);
}

static void forget_message(vk_ws *ws)
{
    vk_buf_free_secret(&ws->message); /* it may have held a credential */
    vk_buf_init(&ws->message, VK_WS_MESSAGE_MAX);
    ws->message.secret = true;
}

static void deliver(vk_ws *ws)
{
    if (ws->in.text && !vk_ws_utf8(vk_buf_view(&ws->message))) {
        begin_close(ws, VK_WS_INVALID, VK_STR("The message is not UTF-8"));
        return;
    }
    ws->handler->message(ws, &ws->message, ws->in.text);
    forget_message(ws);
}

static void take_part(vk_ws *ws, vk_str data)
{
    const char *why = ws->handler->grows ? ws->handler->grows(ws, ws->message.n + data.n) : NULL;
    if (why) {
        forget_message(ws);
        begin_close(ws, VK_WS_TRY_AGAIN, vk_str_z(why));
        return;
    }
    vk_buf_str(&ws->message, data);
    if (ws->message.err)
        begin_close(ws, VK_WS_INTERNAL, VK_STR("Out of memory"));
}

static void on_event(vk_ws *ws, vk_ws_event e, vk_str data)
{
    switch (e) {
    case VK_WS_PART:
        if (!ws->in.text && ws->handler->no_binary) {
            begin_close(ws, VK_WS_UNSUPPORTED, vk_str_z(ws->handler->no_binary));
            return;
        }
        take_part(ws, data);
        return;
    case VK_WS_MESSAGE:
        if (!ws->in.text && ws->handler->no_binary)
            begin_close(ws, VK_WS_UNSUPPORTED, vk_str_z(ws->handler->no_binary));
        else
            deliver(ws);
        return;
    case VK_WS_GOT_PING:
        queue_bytes(ws, VK_WS_PONG, data);
        return;
    case VK_WS_GOT_CLOSE:
        peer_closes(ws, data);
        return;
    case VK_WS_BAD:
        begin_close(ws, ws->in.code, vk_str_z(ws->in.why));
        return;
    default:
        return;
    }
}

/* What the receive buffer holds, and what was complete before the handler paused. */
static void decode(vk_ws *ws)
{
    vk_conn *c = ws->conn;
    vk_ws_event e = VK_WS_PART;
    while (ws->state == WS_OPEN && may_read(ws) && e != VK_WS_MORE) {
        size_t used;
        vk_str data;
        e = vk_ws_decode(&ws->in, c->in ? c->in + c->in_at : NULL, c->in_n - c->in_at, &used, &data);
        c->in_at += (uint32_t)used;
        on_event(ws, e, data);
        if (ws->queued > VK_WS_QUEUE_HIGH) /* pongs count too */
            ws->full = true;
    }
    if (ws->state == WS_LINGER || ws->state == WS_CLOSING) {
        ws->lingered += c->in_n - c->in_at;
        c->in_at = c->in_n;
    }
    if (c->in_at == c->in_n)
        vk_conn_drop_in(c);
}

/* Reads once. False: nothing came. */
static bool fill(vk_ws *ws)
{
    vk_conn *c = ws->conn;
    if (!c->in && !(c->in = vk_loop_in_get(c->io.loop))) {
        ws->failed = true;
        return false;
    }
    ssize_t n;
    do
        n = vk_wire_recv(&c->io, c->in, VK_IN_SIZE);
    while (n < 0 && errno == EINTR);
    c->in_at = 0;
    c->in_n = n > 0 ? (uint32_t)n : 0;
    c->in_high = c->in_n > c->in_high ? c->in_n : c->in_high;
    c->in_secret = true;
    if (n > 0) {
        ws->heard_ms = vk_loop_now(c->io.loop);
        ws->pinged = false;
        return true;
    }
    if (n == 0 || errno != EAGAIN)
        ws->failed = true; /* gone; with or without a word */
    vk_conn_drop_in(c);
    return false;
}

/* Sends, and takes the steps that follow from everything being sent. */
static void settle(vk_ws *ws)
{
    if (!flush(ws)) {
        ws->failed = true;
        return;
    }
    if (ws->full && ws->queued <= VK_WS_QUEUE_LOW) {
        ws->full = false;
        if (ws->state == WS_OPEN && ws->handler->drained)
            ws->handler->drained(ws);
    }
    if (ws->state != WS_CLOSING || !vk_list_empty(&ws->out))
        return;
    if (ws->peer_closed) {
        ws->failed = true;
        return;
    }
    if (vk_wire_finish(&ws->conn->io) == VK_AGAIN) /* the close frame has said it */
        vk_tls_cut(ws->conn->io.tls);
    ws->state = WS_LINGER;
    vk_timer_set(ws->conn->io.loop, &ws->timer, VK_WS_CLOSE_MS, on_timer);
}

static void advance(vk_ws *ws)
{
    if (ws->working)
        return;
    ws->working = true;
    settle(ws); /* the response head goes before anything that it could be answered with */
    bool more = true;
    for (int reads = 0; more && !ws->failed; reads++) {
        decode(ws);
        settle(ws);
        /* What is left was held back by a pause or a full queue, which may be over by now. */
        bool left = ws->conn->in_at < ws->conn->in_n;
        if (left && may_read(ws))
            continue;
        more = !left && may_read(ws) && !ws->failed && reads < READS_MAX && fill(ws);
        if (ws->lingered > LINGER_MAX)
            ws->failed = true;
    }
    if (ws->failed)
        over(ws);
    ws->working = false;
    want(ws);
    maybe_free(ws);
}

static void on_ready(vk_upgrade *u, int events)
{
    vk_ws *ws = VK_CONTAINER(u, vk_ws, upgrade);
    if (events & VK_HANGUP && !may_read(ws))
        ws->failed = true;
    advance(ws);
}

/* The second time: who has not taken the reason by now does not get more time for it. */
static void on_closing(vk_upgrade *u)
{
    vk_ws *ws = VK_CONTAINER(u, vk_ws, upgrade);
    bool restart = ws->conn->server->parking;
    if (ws->state != WS_OPEN && restart) {
        ws->failed = true;
        advance(ws);
        return;
    }
    vk_ws_close(ws, restart ? VK_WS_RESTART : VK_WS_AWAY,
                restart ? VK_STR("The server is restarting; connect again")
                        : VK_STR("The server is stopping"));
}

static void on_hold(vk_upgrade *u, bool on)
{
    vk_ws *ws = VK_CONTAINER(u, vk_ws, upgrade);
    ws->held = on;
    if (on && !ws->working)
        want(ws);
    if (on)
        return;
    ws->heard_ms = vk_loop_now(ws->conn->io.loop); /* it may have spoken meanwhile */
    if (ws->state == WS_OPEN && !ws->working)
        post(ws);
}

void vk_ws_pause(vk_ws *ws)
{
    ws->paused = true;
    if (!ws->working)
        want(ws);
}

void vk_ws_resume(vk_ws *ws)
{
    if (!ws->paused)
        return;
    ws->paused = false;
    ws->heard_ms = vk_loop_now(ws->conn->io.loop); /* it may have spoken meanwhile */
    if (ws->state == WS_OPEN && !ws->working)
        post(ws);
}

/* ---- time ---- */

static int64_t ping_ms(const vk_ws *ws)
{
    return ws->handler->ping_ms ? ws->handler->ping_ms : VK_WS_PING_MS;
}

/* The peer takes what waits for it more slowly than it may. Kept by the timer alone, so that sending costs
 * nothing. */
static bool stalled(vk_ws *ws, int64_t now)
{
    const vk_conn *c = ws->conn;
    const int64_t *limit = c->server->limits->of;
    if (vk_list_empty(&ws->out)) {
        ws->mark_ms = 0;
        return false;
    }
    int64_t since = now - ws->mark_ms;
    if (ws->mark_ms && since < limit[VK_LIMIT_SLOW_TIME])
        return false;
    uint64_t progress = ws->moved - vk_conn_untaken(c);
    bool slow = ws->mark_ms && progress - ws->mark < (uint64_t)(limit[VK_LIMIT_SLOW_RATE] * since / 1000);
    ws->mark_ms = now;
    ws->mark = progress;
    if (slow)
        vk_count(&c->server->traffic.slow, 1);
    return slow;
}

static int64_t timer_ms(const vk_ws *ws)
{
    int64_t slow = ws->conn->server->limits->of[VK_LIMIT_SLOW_TIME], ping = ping_ms(ws) / 2;
    return ping < slow ? ping : slow;
}

static void on_timer(vk_timer *t)
{
    vk_ws *ws = VK_CONTAINER(t, vk_ws, timer);
    vk_loop *l = ws->conn->io.loop;
    int64_t now = vk_loop_now(l), silent = now - ws->heard_ms;
    if (ws->state != WS_OPEN || stalled(ws, now) || (may_read(ws) && silent >= 2 * ping_ms(ws))) {
        over(ws);
        return;
    }
    vk_timer_set(l, &ws->timer, timer_ms(ws), on_timer);
    if (may_read(ws) && silent >= ping_ms(ws) && !ws->pinged) {
        bool was_empty = vk_list_empty(&ws->out);
        ws->pinged = true;
        queue_bytes(ws, VK_WS_PING, VK_STR("valetkey"));
        push(ws, was_empty);
    }
}

/* ---- the beginning ---- */

/* RFC 6455 §4.2.2, into the first piece. */
static void queue_answer(vk_ws *ws, const vk_exchange *ex, vk_str protocol)
{
    char joined[VK_WS_KEY + 36 + 1];
    uint8_t sha[VK_SHA1];
    vk_str key = vk_request_header(ex, VK_STR("Sec-WebSocket-Key"));
    snprintf(joined, sizeof joined, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", VK_WS_KEY, key.p);
    vk_sha1(vk_str_z(joined), sha);
    vk_buf b;
    vk_buf_init(&b, 4096 + VK_EX_HEADERS_MAX);
    vk_buf_lit(&b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Accept: ");
    vk_base64(&b, sha, sizeof sha, true);
    if (protocol.p) {
        vk_buf_lit(&b, "\r\nSec-WebSocket-Protocol: ");
        vk_buf_str(&b, protocol);
    }
    vk_buf_lit(&b, "\r\n");
    vk_buf_add(&b, ex->extra, ex->n_extra);
    vk_buf_lit(&b, "\r\n");
    ws->failed = b.err != VK_OK;
    queue_bytes(ws, -1, vk_buf_view(&b));
    vk_buf_free(&b);
}

vk_err vk_ws_accept(vk_exchange *ex, vk_str protocol, const vk_ws_handler *h, void *ctx, vk_ws **out_r)
{
    vk_conn *c = ex->conn;
    if (c->server->closing || c->state != S_WAIT)
        return VK_E_UNAVAILABLE;
    vk_ws *ws = calloc(1, sizeof *ws);
    if (!ws)
        return VK_E_NOMEM;
    ws->upgrade = (vk_upgrade){on_ready, on_closing, on_hold};
    ws->conn = c;
    ws->handler = h;
    ws->ctx = ctx;
    ws->in.max = VK_WS_FIRST_MAX;
    ws->heard_ms = vk_loop_now(ex->loop);
    vk_buf_init(&ws->message, VK_WS_MESSAGE_MAX);
    ws->message.secret = true;
    vk_list_init(&ws->out);
    ws->working = true; /* nothing is sent before the handler has returned */
    queue_answer(ws, ex, protocol);
    ws->working = false;
    vk_timer_set(ex->loop, &ws->timer, timer_ms(ws), on_timer);
    *out_r = ws;
    vk_conn_upgrade(c, &ws->upgrade);
    return VK_OK;
}

void *vk_ws_ctx(const vk_ws *ws)
{
    return ws->ctx;
}

void vk_ws_limit(vk_ws *ws, size_t max)
{
    ws->in.max = max < VK_WS_MESSAGE_MAX ? max : VK_WS_MESSAGE_MAX;
}

int64_t vk_ws_bad_key(vk_ws *ws)
{
    const vk_conn *c = ws->conn;
    return c->peer && c->state != S_GONE ? vk_gate_bad_key(c->server->gate, c->peer) : 0;
}

size_t vk_ws_queued(const vk_ws *ws)
{
    return ws->queued;
}

bool vk_ws_full(const vk_ws *ws)
{
    return ws->full;
}
