/* Brokered calls: front's pools of connections to keeper, and what is asked of it on them. */
#include "services/forward.h"

#include "core/encode.h"
#include "core/json_read.h"
#include "core/log.h"
#include "http/client.h"

#include <sys/socket.h>
#include <unistd.h>

enum {
    REFUSAL_MAX = 4096,
    CONNECT_MS = 5000,
    ORDER_MAX = 128, /* bytes of the lines that are always there, besides what varies */
};

/* ---- connections to keeper */

/* One loop's. A pool is made at the first call and stays as long as the process: idle connections end by
 * themselves. */
static struct link {
    const vk_runtime *rt;
    vk_upstream *up;
} links[VK_LOOPS_MAX];

/* The far end of a new connection, on its way to keeper by the control connection, which is loop 0's. */
typedef struct handover {
    vk_task task;
    const vk_runtime *rt;
    int fd;
} handover;

/* When keeper has not taken it, the connection ends, and the call that wanted it with it. */
static void handed_over(void *arg, vk_err e, const vk_response *r)
{
    VK_UNUSED(arg);
    if (e != VK_OK || r->status != 200)
        vk_log(VK_WARN, "keeper took no connection for orders", VK_F(error, vk_err_name(e)),
               VK_F(status, r ? r->status : 0));
}

static void hand_over(vk_task *t)
{
    handover *h = VK_CONTAINER(t, handover, task);
    const vk_request r = {.method = VK_STR("POST"),
                          .target = VK_STR("/v1/connect"),
                          .pass_fd = h->fd,
                          .body_max = 1024,
                          .timeout_ms = CONNECT_MS,
                          .done = handed_over};
    if (h->rt->keeper && vk_client_send(h->rt->keeper, &r) != VK_OK)
        vk_log(VK_WARN, "keeper could not be asked to take a connection for orders");
    close(h->fd); /* the client has a copy of its own */
    free(h);
}

static vk_err connect_keeper(void *arg, int *fd_r)
{
    const struct link *l = arg;
    int ends[2];
    handover *h = malloc(sizeof *h);
    if (!h)
        return VK_E_NOMEM;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        free(h);
        return VK_E_UNAVAILABLE;
    }
    *h = (handover){{.run = hand_over}, l->rt, ends[1]};
    vk_loop_post(l->rt->loops[0], &h->task);
    *fd_r = ends[0];
    return VK_OK;
}

static vk_err pool_of(const vk_runtime *rt, vk_loop *loop, vk_upstream **out_r)
{
    struct link *l = &links[loop->index];
    const vk_upstream_place at = {.host = "keeper", .open = connect_keeper, .arg = l};
    vk_err e = VK_OK;
    l->rt = rt;
    if (!l->up)
        e = vk_upstream_new(loop, &at, &l->up);
    *out_r = l->up;
    return e;
}

void vk_forward_end(vk_loop *loop)
{
    vk_upstream_free(links[loop->index].up);
    links[loop->index].up = NULL;
}

/* ---- what is sent */

static bool target_ok(vk_str s)
{
    if (s.n == 0 || s.p[0] != '/')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '#')
            return false;
    return true;
}

/* Each ends in CRLF, and there is no empty one. */
static bool lines_ok(vk_str s)
{
    vk_str line;
    while (s.n)
        if (!vk_str_cut(&s, '\n', &line) || line.n < 4 || line.p[line.n - 1] != '\r' ||
            memchr(line.p, '\r', line.n - 1) || memchr(line.p, '\0', line.n) || line.p[0] == ' ' ||
            line.p[0] == '\t')
            return false;
    return true;
}

static char *put(char *at, vk_str s)
{
    if (s.n)
        memcpy(at, s.p, s.n);
    return at + s.n;
}

/* `n`: of the body; -1: chunked. */
static vk_err make_head(vk_arena *a, const char *service, const vk_forward_ask *ask, vk_str id, int64_t n,
                        vk_str *out_r)
{
    char hash[2 * VK_HASH + 1], length[24];
    vk_str name = vk_str_z(service);
    if (!ask->hash)
        return VK_E_UNAVAILABLE; /* whose credential it was is not known */
    if (!target_ok(ask->target) || !lines_ok(ask->lines) ||
        (ask->content_type.n && (memchr(ask->content_type.p, '\r', ask->content_type.n) ||
                                 memchr(ask->content_type.p, '\n', ask->content_type.n))))
        return VK_E_INVALID;
    vk_hex(hash, ask->hash, VK_HASH);
    size_t room = ask->method.n + ask->target.n + name.n + sizeof hash + id.n + ask->lines.n +
                  ask->content_type.n + sizeof length + ORDER_MAX + 64;
    char *p = vk_arena_alloc(a, room), *at = p;
    if (!p)
        return VK_E_NOMEM;
    at = put(at, ask->method);
    *at++ = ' ';
    at = put(at, ask->target);
    at = put(at, VK_STR(" HTTP/1.1\r\nHost: keeper\r\nValetkey-Order: "));
    at = put(at, name);
    *at++ = ' ';
    *at++ = ask->kind;
    *at++ = ' ';
    at = put(at, (vk_str){hash, 2 * VK_HASH});
    if (id.n)
        at = put(put(at, VK_STR("\r\nX-Request-Id: ")), id);
    if (ask->content_type.n)
        at = put(put(at, VK_STR("\r\nContent-Type: ")), ask->content_type);
    if (n < 0) {
        at = put(at, VK_STR("\r\nTransfer-Encoding: chunked"));
    } else if (n > 0 || (!vk_str_eqz(ask->method, "GET") && !vk_str_eqz(ask->method, "HEAD"))) {
        int digits = snprintf(length, sizeof length, "%lld", (long long)n);
        at = put(put(at, VK_STR("\r\nContent-Length: ")), (vk_str){length, (size_t)digits});
    }
    at = put(at, VK_STR("\r\n"));
    at = put(at, ask->lines);
    at = put(at, VK_STR("\r\n"));
    *out_r = (vk_str){p, (size_t)(at - p)};
    return VK_OK;
}

/* ---- what comes back */

static bool again_helps(vk_err e)
{
    return e == VK_E_BUSY || e == VK_E_UNAVAILABLE || e == VK_E_TIMEOUT || e == VK_E_NOMEM;
}

vk_err vk_forward_refusal(const vk_head *h, bool *retry_r)
{
    vk_str name = vk_head_get(h, VK_STR("Valetkey-Refusal"));
    vk_err e = VK_OK;
    if (name.p) {
        for (e = VK_E_INVALID; e < VK_E_INTERNAL; e++)
            if (vk_str_eqz(name, vk_err_name(e)))
                break;
    }
    *retry_r = again_helps(e);
    return e;
}

/* The sentence of a refusal, without its full stop. */
static void take_sentence(vk_arena *a, vk_str body, char *out, size_t room)
{
    vk_json *o = NULL;
    vk_str text = VK_STR_NONE;
    if (vk_json_parse(a, body, &o, NULL, NULL) == VK_OK)
        text = vk_json_str(vk_json_get(o, VK_STR("message")));
    if (!text.n)
        text = VK_STR("The call was refused");
    if (text.p[text.n - 1] == '.')
        text.n--;
    snprintf(out, room, VK_STR_FMT, VK_STR_ARG(text));
}

typedef struct forward {
    vk_forward pub; /* first */
    vk_err refused; /* keeper's own word */
} forward;

/* What each server says of itself is not passed on; neither is keeper's to us. */
static bool is_own(vk_str name)
{
    static const char *const own[] = {"date",       "content-length", "content-type", "transfer-encoding",
                                      "connection", "keep-alive",     "x-request-id", "trailer",
                                      "upgrade",    "server"};
    for (size_t i = 0; i < VK_COUNT(own); i++)
        if (name.n && (name.p[0] | 0x20) == own[i][0] && vk_str_ieq(name, vk_str_z(own[i])))
            return true;
    return name.n >= 9 && vk_str_ieq((vk_str){name.p, 9}, VK_STR("valetkey-"));
}

static bool is_there(const vk_exchange *ex, vk_str name)
{
    vk_str rest = {ex->extra, ex->n_extra}, line, have;
    while (rest.n && vk_str_cut(&rest, '\n', &line))
        if (vk_str_cut(&line, ':', &have) && vk_str_ieq(have, name))
            return true;
    return false;
}

static vk_err pass_lines(vk_exchange *ex, const vk_head *h)
{
    vk_err e = VK_OK;
    for (uint32_t i = 0; e == VK_OK && i < h->n_headers; i++) {
        char name[128];
        const vk_header *x = &h->headers[i];
        if (is_own(x->name) || x->name.n >= sizeof name || is_there(ex, x->name))
            continue;
        memcpy(name, x->name.p, x->name.n);
        name[x->name.n] = '\0';
        e = vk_header_add(ex, name, x->value);
    }
    return e;
}

static vk_err on_head(vk_proxy *p, const vk_head *h)
{
    forward *f = p->arg;
    bool retry;
    f->pub.proxy = p;
    f->refused = vk_forward_refusal(h, &retry);
    if (f->refused != VK_OK) {
        vk_proxy_collect(p, REFUSAL_MAX);
        return VK_OK;
    }
    vk_err e = f->pub.ways->head ? f->pub.ways->head(&f->pub, h) : VK_OK;
    return e == VK_OK && !f->pub.ways->own_lines ? pass_lines(p->ex, h) : e;
}

static void on_collected(vk_proxy *p, int status)
{
    forward *f = p->arg;
    char why[200];
    if (f->refused == VK_OK) {
        f->pub.ways->collected(&f->pub, status);
        return;
    }
    take_sentence(p->ex->arena, vk_buf_view(&p->ex->out), why, sizeof why);
    vk_buf_clear(&p->ex->out);
    f->pub.ways->failed(&f->pub, f->refused, again_helps(f->refused), why);
}

static void on_failed(vk_proxy *p, vk_err e, const char *why)
{
    forward *f = p->arg;
    f->pub.ways->failed(&f->pub, e, again_helps(e), why);
}

static void on_ended(vk_proxy *p, vk_err e, int status, uint64_t sent, uint64_t received)
{
    forward *f = p->arg;
    VK_UNUSED(e);
    if (f->pub.ways->ended)
        f->pub.ways->ended(&f->pub, f->refused == VK_OK ? status : 0, sent, received);
}

/* ---- of an exchange */

vk_err vk_forward_begin(vk_exchange *ex, const vk_forward_ask *ask, vk_forward **out_r)
{
    static const vk_proxy_ways ways = {on_head, on_collected, on_failed, on_ended};
    const vk_worker *w = ex->server->ctx;
    forward *f = VK_NEW(ex->arena, forward);
    vk_proxy_ask a = {.method = ask->method,
                      .body = ask->body,
                      .again = ask->again,
                      .upgrade = ask->upgrade,
                      .ways = &ways,
                      .arg = f};
    int64_t n = ask->body.p ? (int64_t)ask->body.n : vk_proxy_body_n(ex);
    vk_err e = f ? make_head(ex->arena, w->service->name, ask, vk_exchange_id(ex), n, &a.head) : VK_E_NOMEM;
    if (e == VK_OK)
        e = vk_header_add(ex, "Valetkey-Served-By", VK_STR("org"));
    if (e == VK_OK)
        e = pool_of(w->rt, ex->loop, &a.to);
    if (e != VK_OK)
        return e;
    f->pub = (vk_forward){.ex = ex, .ways = ask->ways, .arg = ask->arg};
    *out_r = &f->pub;
    return vk_proxy_begin(ex, &a, &f->pub.proxy);
}

void vk_forward_collect(vk_forward *f, size_t max)
{
    vk_proxy_collect(f->proxy, max);
}

void vk_forward_request(vk_exchange *ex)
{
    vk_proxy_request(ex);
}

vk_err vk_forward_call(vk_exchange *ex, const vk_forward_ask *ask, vk_upcall *c)
{
    const vk_worker *w = ex->server->ctx;
    vk_upstream *to;
    vk_err e = make_head(ex->arena, w->service->name, ask, vk_exchange_id(ex), c->body_n, &c->head);
    if (e == VK_OK)
        e = pool_of(w->rt, ex->loop, &to);
    if (e != VK_OK)
        return e;
    c->method = ask->method;
    c->again = ask->again;
    return vk_upcall_begin(to, c);
}

/* ---- of front's own */

typedef struct one {
    vk_upcall call; /* first */
    vk_forward_one *ask;
    vk_arena *arena;
    vk_head head; /* views of the arena */
    vk_err refused, err;
} one;

static void finish(one *x, vk_err e, const char *why)
{
    vk_forward_one *o = x->ask;
    if (e == VK_OK && x->refused != VK_OK) {
        e = x->refused;
        o->status = 0;
        take_sentence(x->arena, vk_buf_view(&o->out), o->why, sizeof o->why);
        vk_buf_clear(&o->out);
    } else if (e != VK_OK) {
        snprintf(o->why, sizeof o->why, "%s", why);
    }
    o->retry = again_helps(e);
    o->done(o, e, e == VK_OK ? &x->head : NULL);
    vk_arena_free(x->arena);
}

static vk_err keep_head(one *x, const vk_head *h)
{
    x->head = *h;
    x->head.n_headers = 0;
    x->head.content_type = h->content_type.p ? vk_arena_dup(x->arena, h->content_type) : VK_STR_NONE;
    x->head.reason = x->head.host = x->head.authorization = x->head.request_id = VK_STR_NONE;
    for (uint32_t i = 0; i < h->n_headers; i++) {
        vk_header *to = &x->head.headers[i];
        to->name = vk_arena_dup(x->arena, h->headers[i].name);
        to->value = vk_arena_dup(x->arena, h->headers[i].value);
        if (!to->name.p || !to->value.p)
            return VK_E_NOMEM;
        x->head.n_headers++;
    }
    return VK_OK;
}

static void one_head(vk_upcall *c, const vk_head *h)
{
    one *x = VK_CONTAINER(c, one, call);
    x->ask->status = h->status;
    x->refused = vk_forward_refusal(h, &x->ask->retry);
    x->err = keep_head(x, h);
}

static size_t one_body(vk_upcall *c, vk_str bytes)
{
    one *x = VK_CONTAINER(c, one, call);
    vk_buf_str(&x->ask->out, bytes);
    if (x->err == VK_OK)
        x->err = x->ask->out.err;
    if (x->err != VK_OK) {
        vk_upcall_abort(c);
        finish(x, x->err,
               x->err == VK_E_TOO_LARGE ? "The answer is larger than what is taken here" : "Out of memory");
    }
    return bytes.n;
}

static void one_done(vk_upcall *c, vk_err e, const char *why)
{
    one *x = VK_CONTAINER(c, one, call);
    if (e == VK_OK && x->err != VK_OK)
        finish(x, x->err, "Out of memory");
    else
        finish(x, e, why);
}

static void send_one(vk_task *t)
{
    vk_forward_one *o = VK_CONTAINER(t, vk_forward_one, task);
    const vk_forward_ask ask = {.kind = o->kind,
                                .hash = o->hash,
                                .method = o->method,
                                .target = o->target,
                                .lines = o->lines,
                                .content_type = o->content_type};
    vk_arena *a = vk_arena_new(VK_EX_ARENA_CAP);
    one *x = a ? VK_NEW(a, one) : NULL;
    vk_upstream *to;
    vk_buf_init(&o->out, o->max > REFUSAL_MAX ? o->max : REFUSAL_MAX);
    vk_err e = x ? VK_OK : VK_E_NOMEM;
    if (e == VK_OK) {
        *x = (one){.ask = o, .arena = a};
        x->call = (vk_upcall){.method = o->method,
                              .body = o->body,
                              .body_n = (int64_t)o->body.n,
                              .head_came = one_head,
                              .body_came = one_body,
                              .done = one_done};
        e = make_head(a, o->service, &ask, VK_STR_NONE, (int64_t)o->body.n, &x->call.head);
    }
    if (e == VK_OK)
        e = pool_of(o->rt, o->rt->loops[0], &to);
    if (e == VK_OK)
        e = vk_upcall_begin(to, &x->call);
    if (e == VK_OK)
        return;
    o->retry = again_helps(e);
    snprintf(o->why, sizeof o->why, "The process that speaks to vendors (keeper) cannot be asked now");
    o->done(o, e, NULL);
    vk_arena_free(a);
}

void vk_forward_send(vk_forward_one *o)
{
    o->status = 0;
    o->why[0] = '\0';
    o->task.run = send_one;
    vk_loop_post(o->rt->loops[0], &o->task);
}
