#include "http/client.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 33 * 1024 * 1024 };

struct pending {
    vk_list node;
    vk_buf wire;
    size_t sent;
    int pass_fd; /* our own duplicate, or -1 */
    bool secret, head_only;
    size_t body_max;
    int64_t timeout_ms;
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
    vk_head head;
    uint64_t body_left;
    vk_chunked chunked;
    vk_buf body;
    void (*gone)(void *arg);
    void *gone_arg;
};

static void step(vk_client *c);

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

static void response_reset(vk_client *c, bool secret)
{
    if (secret)
        vk_buf_free_secret(&c->body);
    else
        vk_buf_free(&c->body);
    free(c->head_copy);
    c->head_copy = NULL;
    c->have_head = false;
}

/* Ends the request under way. */
static void finish(vk_client *c, vk_err e)
{
    struct pending *p = VK_CONTAINER(c->queue.next, struct pending, node);
    vk_list_remove(&p->node);
    c->n_queue--;
    vk_timer_clear(c->loop, &c->timer);
    vk_response r = {.status = c->head.status, .head = &c->head, .body = vk_buf_view(&c->body)};
    c->busy = true;
    p->done(p->arg, e, e == VK_OK ? &r : NULL);
    c->busy = false;
    response_reset(c, p->secret);
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

static vk_err send_first(vk_client *c)
{
    struct pending *p = VK_CONTAINER(c->queue.next, struct pending, node);
    while (p->sent < p->wire.n) {
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
        ssize_t n = sendmsg(c->io.fd, &m, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
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

static vk_err take_body(vk_client *c, struct pending *p, vk_str piece)
{
    if (piece.n == 0)
        return VK_OK;
    if (p->on_body && c->head.status / 100 == 2)
        return p->on_body(p->arg, piece);
    vk_buf_str(&c->body, piece);
    return c->body.err;
}

/* One response out of the input. VK_OK: complete. VK_AGAIN: more bytes are needed. */
static vk_err take_response(vk_client *c, struct pending *p, bool eof)
{
    vk_str in = {c->in, c->in_n};
    vk_err e = VK_OK;
    if (!c->have_head) {
        int used = vk_head_response(c->in, c->in_n, p->head_only ? VK_STR("HEAD") : VK_STR("GET"), &c->head);
        if (used == 0)
            return eof ? VK_E_UNAVAILABLE : VK_AGAIN;
        if (used < 0)
            return VK_E_INVALID;
        bool interim = c->head.status / 100 == 1;
        if (!interim) {
            /* The views of the head point into the receive buffer; parse a copy that stays. */
            c->head_copy = malloc((size_t)used);
            if (!c->head_copy)
                return VK_E_NOMEM;
            memcpy(c->head_copy, c->in, (size_t)used);
            int same = vk_head_response(c->head_copy, (size_t)used,
                                        p->head_only ? VK_STR("HEAD") : VK_STR("GET"), &c->head);
            if (same != used)
                return VK_E_INTERNAL;
            c->have_head = true;
            c->body_left = c->head.content_length;
            c->chunked = (vk_chunked){0};
            vk_buf_init(&c->body, p->body_max);
            if (p->on_head)
                p->on_head(p->arg, &c->head);
        }
        c->in_n -= (size_t)used;
        memmove(c->in, c->in + used, c->in_n);
        if (interim)
            return c->in_n ? take_response(c, p, eof) : VK_AGAIN;
        in = (vk_str){c->in, c->in_n};
    }
    vk_chunk got = VK_CHUNK_MORE;
    if (c->head.framing == VK_FRAME_CHUNKED) {
        vk_str data;
        while (e == VK_OK && (got = vk_chunked_next(&c->chunked, &in, &data)) == VK_CHUNK_DATA)
            e = take_body(c, p, data);
    } else {
        bool to_eof = c->head.framing == VK_FRAME_EOF;
        size_t n = to_eof || in.n < c->body_left ? in.n : (size_t)c->body_left;
        e = take_body(c, p, (vk_str){in.p, n});
        in.p += n;
        in.n -= n;
        c->body_left -= to_eof ? 0 : n;
        if (to_eof ? eof : c->head.framing == VK_FRAME_NONE || c->body_left == 0)
            got = VK_CHUNK_END;
    }
    if (in.n)
        memmove(c->in, in.p, in.n);
    c->in_n = in.n;
    if (e != VK_OK)
        return e;
    if (got == VK_CHUNK_BAD)
        return VK_E_INVALID;
    if (got == VK_CHUNK_END)
        return VK_OK;
    return eof ? VK_E_UNAVAILABLE : VK_AGAIN;
}

static void step(vk_client *c)
{
    if (c->dead || c->busy)
        return;
    int want = VK_READ;
    if (!vk_list_empty(&c->queue)) {
        switch (send_first(c)) {
        case VK_OK:
            break;
        case VK_AGAIN:
            want |= VK_WRITE;
            break;
        default:
            die(c, VK_E_UNAVAILABLE);
            return;
        }
        if (!c->timer.due_ms)
            vk_timer_set(c->loop, &c->timer, VK_CONTAINER(c->queue.next, struct pending, node)->timeout_ms,
                         on_timeout);
    }
    vk_io_want(&c->io, want);
}

static void on_ready(vk_io *io, int events)
{
    vk_client *c = VK_CONTAINER(io, vk_client, io);
    if (c->dead)
        return;
    while (events & VK_READ) {
        if (!c->in && !(c->in = vk_loop_in_get(c->loop))) {
            die(c, VK_E_NOMEM);
            return;
        }
        ssize_t n = recv(io->fd, c->in + c->in_n, VK_IN_SIZE - c->in_n, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        bool eof = n <= 0;
        if (!eof)
            c->in_n += (size_t)n;
        if (vk_list_empty(&c->queue)) { /* nobody asked */
            die(c, VK_E_UNAVAILABLE);
            return;
        }
        struct pending *p = VK_CONTAINER(c->queue.next, struct pending, node);
        vk_err e = take_response(c, p, eof);
        if (e == VK_AGAIN && c->in_n < VK_IN_SIZE) {
            vk_timer_set(c->loop, &c->timer, p->timeout_ms, on_timeout);
            continue;
        }
        if (e != VK_OK) {
            die(c, e == VK_AGAIN ? VK_E_INVALID : e);
            return;
        }
        bool keep = c->head.keep_alive && !eof;
        finish(c, VK_OK);
        if (!keep || c->in_n) { /* bytes after the answer to the only request that was sent: not ours */
            die(c, VK_E_UNAVAILABLE);
            return;
        }
        if (c->dead)
            return;
        break;
    }
    step(c);
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

vk_err vk_client_send(vk_client *c, const vk_request *r)
{
    if (c->dead)
        return VK_E_UNAVAILABLE;
    if (c->n_queue >= VK_CLIENT_QUEUE)
        return VK_E_BUSY;
    struct pending *p = calloc(1, sizeof *p);
    if (!p)
        return VK_E_NOMEM;
    vk_list_init(&p->node);
    vk_buf_init(&p->wire, REQUEST_MAX);
    p->pass_fd = -1;
    p->secret = r->secret;
    p->head_only = vk_str_eqz(r->method, "HEAD");
    p->body_max = r->body_max;
    p->timeout_ms = r->timeout_ms ? r->timeout_ms : VK_CLIENT_TIMEOUT_MS;
    p->done = r->done;
    p->on_head = r->on_head;
    p->on_body = r->on_body;
    p->arg = r->arg;
    vk_buf *w = &p->wire;
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
    if (r->body.n || !(vk_str_eqz(r->method, "GET") || p->head_only)) {
        vk_buf_lit(w, "Content-Length: ");
        vk_buf_u64(w, r->body.n);
        vk_buf_lit(w, "\r\n");
    }
    vk_buf_lit(w, "\r\n");
    vk_buf_str(w, r->body);
    if (w->err || (r->pass_fd >= 0 && (p->pass_fd = fcntl(r->pass_fd, F_DUPFD_CLOEXEC, 3)) < 0)) {
        vk_err e = w->err ? w->err : VK_E_IO;
        pending_free(p);
        return e;
    }
    vk_list_push(&c->queue, &p->node);
    c->n_queue++;
    step(c);
    return VK_OK;
}

void vk_client_close(vk_client *c)
{
    if (c)
        die(c, VK_E_UNAVAILABLE);
}
