#include "http/client.h"

#include "net/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { REQUEST_MAX = 33 * 1024 * 1024, GIVE_PIECE = 64 * 1024 };

struct pending {
    vk_list node;
    vk_buf wire;
    size_t sent;
    int pass_fd; /* our own duplicate, or -1 */
    bool secret, head_only;
    bool cut;    /* the body could not be sent to its end */
    vk_err lost; /* the body is not what was announced */
    size_t body_max;
    int64_t timeout_ms;
    ssize_t (*give)(void *arg, char *to, size_t room); /* NULL: nothing more is given */
    int64_t give_left;                                 /* -1: until its end */
    void (*done)(void *arg, vk_err e, const vk_response *r);
    void (*on_head)(void *arg, const vk_head *head);
    vk_err (*on_body)(void *arg, vk_str piece);
    void *arg;
};

struct vk_client {
    vk_io io;
    vk_loop *loop;
    vk_timer timer;
    vk_list queue; /* the first one is under way */
    size_t n_queue;
    char *in;
    size_t in_n;
    bool dead, busy; /* busy: inside a callback */
    /* the response under way */
    bool have_head;
    char *head_copy; /* head bytes, so that the views last through the body */
    size_t head_n;
    vk_head head;
    uint64_t body_left;
    vk_chunked chunked;
    vk_buf body;
    void (*gone)(void *arg);
    void *gone_arg;
};

static void pending_free(struct pending *p)
{
    if (p->secret)
        vk_buf_free_secret(&p->wire);
    else
        vk_buf_free(&p->wire);
    if (p->pass_fd >= 0)
        close(p->pass_fd);
    free(p);
}

static void response_free(vk_buf *body, char *head, size_t head_n, bool secret)
{
    if (secret) {
        vk_buf_free_secret(body);
        vk_wipe(head, head_n);
    } else {
        vk_buf_free(body);
    }
    free(head);
}

/* Ends the request under way. The callback may send and close: what it looks at is taken out of the client
 * first. */
static void finish(vk_client *c, vk_err e)
{
    struct pending *p = VK_CONTAINER(c->queue.next, struct pending, node);
    vk_buf body = c->body;
    char *head = c->head_copy;
    size_t head_n = c->head_n;
    vk_list_remove(&p->node);
    c->n_queue--;
    vk_timer_clear(c->loop, &c->timer);
    vk_buf_init(&c->body, 0);
    c->head_copy = NULL;
    c->head_n = 0;
    c->have_head = false;
    vk_response r = {.status = c->head.status, .head = &c->head, .body = vk_buf_view(&body)};
    bool was_busy = c->busy;
    c->busy = true;
    p->done(p->arg, e, e == VK_OK ? &r : NULL);
    c->busy = was_busy;
    response_free(&body, head, head_n, p->secret);
    if (p->secret && c->in)
        vk_wipe(c->in + c->in_n, VK_IN_SIZE - c->in_n);
    pending_free(p);
}

static void on_closed(vk_io *io)
{
    vk_client *c = VK_CONTAINER(io, vk_client, io);
    if (c->in)
        vk_loop_in_put(c->loop, c->in, VK_IN_SIZE);
    if (c->gone)
        c->gone(c->gone_arg);
    free(c);
}

static void die(vk_client *c, vk_err first)
{
    if (c->dead)
        return;
    c->dead = true;
    vk_timer_clear(c->loop, &c->timer);
    for (vk_err e = first; !vk_list_empty(&c->queue); e = VK_E_UNAVAILABLE)
        finish(c, e);
    vk_io_close(&c->io, on_closed);
}

static void on_timeout(vk_timer *t)
{
    vk_client *c = VK_CONTAINER(t, vk_client, timer);
    die(c, VK_E_TIMEOUT); /* a late answer would be taken for the next one's: this connection is spent */
}

/* The next piece of a body that is given piece by piece. VK_E_INVALID: it is not what was announced. */
static vk_err refill(struct pending *p)
{
    char size[24];
    bool chunks = p->give_left < 0;
    size_t room = chunks || p->give_left > GIVE_PIECE ? GIVE_PIECE : (size_t)p->give_left;
    char *piece = malloc(GIVE_PIECE);
    ssize_t n = !piece ? -1 : room ? p->give(p->arg, piece, room) : 0;
    vk_err e = piece ? VK_OK : VK_E_NOMEM;
    vk_buf_clear(&p->wire);
    p->sent = 0;
    if (e == VK_OK && (n < 0 || (!chunks && n == 0 && room)))
        e = VK_E_INVALID;
    if (e == VK_OK && chunks) {
        snprintf(size, sizeof size, "%zx\r\n", (size_t)n);
        vk_buf_z(&p->wire, size);
    }
    if (e == VK_OK && n)
        vk_buf_add(&p->wire, piece, (size_t)n);
    if (e == VK_OK && chunks)
        vk_buf_lit(&p->wire, "\r\n");
    if (e == VK_OK && !chunks)
        p->give_left -= n;
    if (n <= 0 || p->give_left == 0)
        p->give = NULL;
    free(piece);
    return e == VK_OK ? p->wire.err : e;
}

static vk_err send_first(vk_client *c)
{
    struct pending *p = VK_CONTAINER(c->queue.next, struct pending, node);
    bool given = p->give != NULL;
    for (;;) {
        if (p->lost != VK_OK)
            return p->lost;
        if (p->sent == p->wire.n && p->give) {
            p->lost = refill(p);
            if (p->lost != VK_OK)
                return p->lost;
            vk_timer_set(c->loop, &c->timer, p->timeout_ms, on_timeout);
        }
        if (p->sent == p->wire.n)
            break;
        union {
            struct cmsghdr h;
            char room[CMSG_SPACE(sizeof(int))];
        } control = {0};
        struct iovec iov = {p->wire.p + p->sent, p->wire.n - p->sent};
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
        if (p->pass_fd >= 0) {
            m.msg_control = &control;
            m.msg_controllen = sizeof control;
            struct cmsghdr *h = CMSG_FIRSTHDR(&m);
            h->cmsg_level = SOL_SOCKET;
            h->cmsg_type = SCM_RIGHTS;
            h->cmsg_len = CMSG_LEN(sizeof(int));
            memcpy(CMSG_DATA(h), &p->pass_fd, sizeof(int));
        }
        ssize_t n = vk_wire_send(&c->io, &m, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && given) { /* it may have been refused half-way: the answer says why */
            p->give = NULL;
            p->cut = true;
            p->sent = p->wire.n;
            break;
        }
        if (n < 0)
            return errno == EAGAIN ? VK_AGAIN : VK_E_UNAVAILABLE;
        if (p->pass_fd >= 0) {
            close(p->pass_fd);
            p->pass_fd = -1;
        }
        p->sent += (size_t)n;
    }
    return VK_OK;
}

static vk_err take_piece(vk_client *c, struct pending *p, vk_str piece)
{
    if (piece.n == 0)
        return VK_OK;
    if (!p->on_body || c->head.status / 100 != 2) {
        vk_buf_str(&c->body, piece);
        return c->body.err;
    }
    vk_err e = p->on_body(p->arg, piece);
    return c->dead ? VK_E_UNAVAILABLE : e; /* it may have closed the client, and *p went with that */
}

static void consume(vk_client *c, size_t n)
{
    c->in_n -= n;
    memmove(c->in, c->in + n, c->in_n);
}

/* The head of the final response. The views of the head point into the receive buffer, so a copy that stays
 * is parsed. */
static vk_err take_head(vk_client *c, struct pending *p)
{
    vk_str method = p->head_only ? VK_STR("HEAD") : VK_STR("GET");
    int used;
    for (;;) {
        used = vk_head_response(c->in, c->in_n, method, &c->head);
        if (used <= 0)
            return used < 0 ? VK_E_INVALID : VK_AGAIN;
        if (c->head.status / 100 != 1)
            break;
        if (c->head.status == 101) /* nobody asked for another protocol */
            return VK_E_INVALID;
        consume(c, (size_t)used);
    }
    c->head_copy = malloc((size_t)used);
    if (!c->head_copy)
        return VK_E_NOMEM;
    memcpy(c->head_copy, c->in, (size_t)used);
    c->head_n = (size_t)used;
    if (vk_head_response(c->head_copy, (size_t)used, method, &c->head) != used)
        return VK_E_INTERNAL;
    consume(c, (size_t)used);
    c->have_head = true;
    c->body_left = c->head.content_length;
    c->chunked = (vk_chunked){0};
    vk_buf_init(&c->body, p->body_max);
    c->body.secret = p->secret;
    if (p->on_head)
        p->on_head(p->arg, &c->head);
    return c->dead ? VK_E_UNAVAILABLE : VK_OK;
}

/* One response out of the input. VK_OK: complete. VK_AGAIN: more bytes are needed. On an error *p may be
 * gone. */
static vk_err take_response(vk_client *c, struct pending *p, bool eof)
{
    vk_err e = c->have_head ? VK_OK : take_head(c, p);
    if (e != VK_OK)
        return e == VK_AGAIN && eof ? VK_E_UNAVAILABLE : e;
    vk_str in = {c->in, c->in_n};
    vk_chunk got = VK_CHUNK_MORE;
    if (c->head.framing == VK_FRAME_CHUNKED) {
        vk_str data;
        while (e == VK_OK && (got = vk_chunked_next(&c->chunked, &in, &data)) == VK_CHUNK_DATA)
            e = take_piece(c, p, data);
    } else {
        bool to_eof = c->head.framing == VK_FRAME_EOF;
        size_t n = to_eof || in.n < c->body_left ? in.n : (size_t)c->body_left;
        e = take_piece(c, p, (vk_str){in.p, n});
        in.p += n;
        in.n -= n;
        c->body_left -= to_eof ? 0 : n;
        if (to_eof ? eof : c->head.framing == VK_FRAME_NONE || c->body_left == 0)
            got = VK_CHUNK_END;
    }
    if (e != VK_OK)
        return e;
    consume(c, c->in_n - in.n);
    if (got == VK_CHUNK_BAD)
        return VK_E_INVALID;
    if (got == VK_CHUNK_END)
        return VK_OK;
    return eof ? VK_E_UNAVAILABLE : VK_AGAIN;
}

/* Sends what can be sent. Inside of vk_client_send a broken connection is only noted: a socket that cannot be
 * written to any more counts as writable, so the loop comes back and tells. */
static void step(vk_client *c, bool from_loop)
{
    if (c->dead || c->busy)
        return;
    int want = VK_READ;
    if (!vk_list_empty(&c->queue)) {
        vk_err e = send_first(c);
        if (e != VK_OK && e != VK_AGAIN && from_loop) {
            die(c, e);
            return;
        }
        if (e != VK_OK)
            want |= VK_WRITE;
        if (!c->timer.due_ms)
            vk_timer_set(c->loop, &c->timer, VK_CONTAINER(c->queue.next, struct pending, node)->timeout_ms,
                         on_timeout);
    }
    vk_io_want(&c->io, want);
}

/* `eof`: nothing more comes. False: the client is dead. */
static bool take_input(vk_client *c, bool eof)
{
    if (vk_list_empty(&c->queue)) { /* nobody asked */
        die(c, VK_E_UNAVAILABLE);
        return false;
    }
    struct pending *p = VK_CONTAINER(c->queue.next, struct pending, node);
    vk_err e = take_response(c, p, eof);
    if (c->dead)
        return false;
    if (e == VK_AGAIN && c->in_n < VK_IN_SIZE) {
        vk_timer_set(c->loop, &c->timer, p->timeout_ms, on_timeout);
        return true;
    }
    if (e != VK_OK) {
        die(c, e == VK_AGAIN ? VK_E_INVALID : e);
        return false;
    }
    /* An answer to a request that is not all sent leaves the peer in the middle of it. */
    bool keep = c->head.keep_alive && !eof && p->sent == p->wire.n && !p->give && !p->cut;
    finish(c, VK_OK);
    if (!c->dead &&
        (!keep || c->in_n)) /* bytes behind the answer to the only request that was sent: not ours */
        die(c, VK_E_UNAVAILABLE);
    return !c->dead;
}

static void on_ready(vk_io *io, int events)
{
    vk_client *c = VK_CONTAINER(io, vk_client, io);
    bool more = (events & VK_READ) != 0;
    while (more && !c->dead) {
        if (!c->in && !(c->in = vk_loop_in_get(c->loop))) {
            die(c, VK_E_NOMEM);
            return;
        }
        size_t room = VK_IN_SIZE - c->in_n;
        ssize_t n = vk_wire_recv(io, c->in + c->in_n, room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) { /* broken off: not the end that a body without a length has */
            die(c, VK_E_UNAVAILABLE);
            return;
        }
        c->in_n += (size_t)n;
        if (!take_input(c, n == 0))
            return;
        more = (size_t)n == room; /* a shorter read took all there was */
    }
    step(c, true);
}

vk_err vk_client_new(vk_loop *loop, int fd, void (*gone)(void *arg), void *arg, vk_client **out_r)
{
    vk_client *c = calloc(1, sizeof *c);
    if (!c)
        return VK_E_NOMEM;
    c->loop = loop;
    c->gone = gone;
    c->gone_arg = arg;
    vk_list_init(&c->queue);
    vk_err e = vk_io_open(loop, &c->io, fd, on_ready);
    if (e != VK_OK) {
        free(c);
        return e;
    }
    vk_io_want(&c->io, VK_READ);
    *out_r = c;
    return VK_OK;
}

/* These become parts of lines; whatever they hold must not become lines of its own. */
static bool one_line(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

static void write_request(vk_buf *w, const vk_request *r)
{
    bool bodyless = vk_str_eqz(r->method, "GET") || vk_str_eqz(r->method, "HEAD");
    vk_buf_str(w, r->method);
    vk_buf_ch(w, ' ');
    vk_buf_str(w, r->target);
    vk_buf_lit(w, " HTTP/1.1\r\nHost: ");
    vk_buf_str(w, r->host.n ? r->host : VK_STR("valetkey"));
    vk_buf_lit(w, "\r\n");
    if (r->bearer.n) {
        vk_buf_lit(w, "Authorization: Bearer ");
        vk_buf_str(w, r->bearer);
        vk_buf_lit(w, "\r\n");
    }
    vk_buf_str(w, r->headers);
    if (r->content_type.n) {
        vk_buf_lit(w, "Content-Type: ");
        vk_buf_str(w, r->content_type);
        vk_buf_lit(w, "\r\n");
    }
    if (r->give && r->body_n < 0) {
        vk_buf_lit(w, "Transfer-Encoding: chunked\r\n");
    } else if (r->give || r->body.n || !bodyless) {
        vk_buf_lit(w, "Content-Length: ");
        vk_buf_u64(w, r->give ? (uint64_t)r->body_n : r->body.n);
        vk_buf_lit(w, "\r\n");
    }
    vk_buf_lit(w, "\r\n");
    if (!r->give)
        vk_buf_str(w, r->body);
}

vk_err vk_client_send(vk_client *c, const vk_request *r)
{
    if (c->dead)
        return VK_E_UNAVAILABLE;
    if (c->n_queue >= VK_CLIENT_QUEUE)
        return VK_E_BUSY;
    if (!one_line(r->method) || !one_line(r->target) || !one_line(r->host) || !one_line(r->bearer) ||
        !one_line(r->content_type))
        return VK_E_INVALID;
    struct pending *p = calloc(1, sizeof *p);
    if (!p)
        return VK_E_NOMEM;
    vk_list_init(&p->node);
    vk_buf_init(&p->wire, REQUEST_MAX);
    p->wire.secret = p->secret = r->secret;
    p->pass_fd = -1;
    p->head_only = vk_str_eqz(r->method, "HEAD");
    p->body_max = r->body_max;
    p->timeout_ms = r->timeout_ms ? r->timeout_ms : VK_CLIENT_TIMEOUT_MS;
    p->give = r->body_n ? r->give : NULL;
    p->give_left = r->body_n;
    p->done = r->done;
    p->on_head = r->on_head;
    p->on_body = r->on_body;
    p->arg = r->arg;
    write_request(&p->wire, r);
    if (p->wire.err || (r->pass_fd >= 0 && (p->pass_fd = fcntl(r->pass_fd, F_DUPFD_CLOEXEC, 3)) < 0)) {
        vk_err e = p->wire.err ? p->wire.err : VK_E_IO;
        pending_free(p);
        return e;
    }
    vk_list_push(&c->queue, &p->node);
    c->n_queue++;
    step(c, false);
    return VK_OK;
}

void vk_client_close(vk_client *c)
{
    if (c)
        die(c, VK_E_UNAVAILABLE);
}

vk_err vk_client_secure(vk_client *c, const uint8_t sha256[VK_TLS_SHA256])
{
    return vk_tls_connect(&c->io, sha256);
}
