#include "http/proxy.h"

#include "http/proxy_tunnel.h"

typedef struct proxy {
    vk_proxy pub; /* first */
    vk_sink sink;
    vk_source source;
    void (*done_before)(vk_exchange *ex);
    bool *gone;   /* where to say that *this is gone */
    vk_buf kept;  /* of an answer that streams: what came and waits for what is there behind it */
    vk_str offer; /* what body_came holds out, for the time of its call */
    vk_buf *pulling;
    void (*look)(vk_proxy *p, char *bytes, size_t n, bool end);
    char *tail; /* shown, and kept back */
    size_t keep, n_tail, max;
    const char *type;
    int64_t length; /* of the answer's body; -1: not known */
    size_t n_extra; /* header lines that were not added by ways->head */
    vk_str lines;
    vk_err e;
    int status;
    bool got_head, collects, streams, starved;
    bool asked;      /* the whole request has come */
    bool unanswered; /* the answer began early: it waits for the request's end */
    bool over;
} proxy;

static proxy *of(vk_upcall *c)
{
    return VK_CONTAINER(c, proxy, pub.call);
}

/* ---- the end */

static void fail(proxy *p, vk_err e, const char *why)
{
    vk_exchange *ex = p->pub.ex;
    if (!p->over)
        vk_upcall_abort(&p->pub.call);
    p->over = true;
    p->e = e;
    ex->n_extra = p->n_extra;
    ex->lines = p->lines;
    vk_buf_clear(&ex->out);
    p->pub.ways->failed(&p->pub, e, why);
}

static void on_done(vk_exchange *ex)
{
    proxy *p = ex->proxy;
    void (*before)(vk_exchange *) = p->done_before;
    if (!p->over) {
        vk_upcall_abort(&p->pub.call);
        p->e = VK_E_IO;
    }
    p->over = true;
    if (p->gone)
        *p->gone = true;
    vk_buf_free_secret(&p->kept);
    if (p->tail)
        vk_wipe(p->tail, p->keep);
    if (p->pub.ways->ended)
        p->pub.ways->ended(&p->pub, p->e, p->status, p->pub.call.sent, p->pub.call.received);
    if (before)
        before(ex);
}

/* Nobody waits for the answer any more, but the exchange wants one. */
static void on_gone(vk_exchange *ex)
{
    proxy *p = ex->proxy;
    if (p->over)
        return;
    vk_upcall_abort(&p->pub.call);
    p->over = true;
    p->e = VK_E_IO;
    ex->n_extra = p->n_extra;
    ex->lines = p->lines;
    vk_respond_text(ex, 503, "text/plain", VK_STR("The client has gone.\n"));
}

/* ---- the answer */

/* Behind what the filter has kept back. */
static void add(proxy *p, vk_buf *out, vk_str bytes)
{
    vk_buf_add(out, p->tail, p->n_tail);
    p->n_tail = 0;
    vk_buf_str(out, bytes);
}

/* What was added from `from` on goes through the filter. */
static void filter(proxy *p, vk_buf *out, size_t from, bool end)
{
    if (!p->look || out->err)
        return;
    size_t n = out->n - from, keep = end ? 0 : n < p->keep ? n : p->keep;
    p->look(&p->pub, out->p + from, n, end);
    if (keep)
        memcpy(p->tail, out->p + out->n - keep, keep);
    out->n -= keep;
    p->n_tail = keep;
}

/* Bytes of the answer go to `out`, through the filter. */
static void pass(proxy *p, vk_buf *out, vk_str bytes, bool end)
{
    size_t from = out->n;
    add(p, out, bytes);
    filter(p, out, from, end);
}

/* The same with what waits here; without a copy where there is nothing in front of it. */
static void pass_kept(proxy *p, vk_buf *out)
{
    if (out->n) {
        pass(p, out, vk_buf_view(&p->kept), false);
    } else {
        vk_buf none = *out;
        *out = p->kept;
        p->kept = none;
        filter(p, out, 0, false);
    }
    vk_buf_clear(&p->kept);
}

static size_t pass_some(proxy *p, vk_buf *out, vk_str bytes)
{
    size_t room = out->n < VK_PROXY_PULL ? VK_PROXY_PULL - out->n : 0;
    size_t n = bytes.n < room ? bytes.n : room;
    if (n)
        pass(p, out, (vk_str){bytes.p, n}, false);
    return n;
}

static vk_err pull(vk_source *s, vk_buf *out)
{
    proxy *p = VK_CONTAINER(s, proxy, source);
    size_t before = out->n;
    p->starved = false;
    if (p->kept.n)
        pass_kept(p, out);
    if (p->offer.n) {
        size_t n = pass_some(p, out, p->offer);
        p->offer.p += n;
        p->offer.n -= n;
    } else if (!p->over) {
        p->pulling = out;
        vk_upcall_room(&p->pub.call); /* body_came and done may run */
        p->pulling = NULL;
    }
    if (p->over && p->e != VK_OK)
        return p->e;
    if (p->over && p->offer.n == 0) {
        pass(p, out, VK_STR_NONE, true);
        return VK_E_NOT_FOUND;
    }
    p->starved = out->n == before;
    return p->starved ? VK_AGAIN : VK_OK;
}

static void stop(vk_source *s)
{
    VK_UNUSED(s); /* on_done sees to it */
}

static void stream(proxy *p)
{
    vk_exchange *ex = p->pub.ex;
    p->kept = ex->out;
    vk_buf_init(&ex->out, VK_EX_OUT_MAX);
    ex->out.secret = p->kept.secret;
    p->streams = true;
    vk_respond_source_n(ex, p->status, p->type, p->length, &p->source); /* *p may be gone */
}

static void show_whole(proxy *p)
{
    vk_buf *out = &p->pub.ex->out;
    if (p->look && out->n)
        p->look(&p->pub, out->p, out->n, true);
}

/* The answer is here as a whole. */
static void answer(proxy *p)
{
    vk_exchange *ex = p->pub.ex;
    show_whole(p);
    if (p->collects)
        p->pub.ways->collected(&p->pub, p->status);
    else if (vk_str_eqz(ex->method, "HEAD")) /* the length is that of a body that is not there */
        vk_respond_source_n(ex, p->status, p->type, p->length, &p->source);
    else
        vk_respond(ex, p->status, p->type);
}

/* ---- the upcall's callbacks */

static bool length_of(proxy *p, const vk_head *h)
{
    vk_str said;
    p->length = h->framing == VK_FRAME_LENGTH ? (int64_t)h->content_length : -1;
    if (h->framing != VK_FRAME_NONE)
        return true;
    said = vk_head_get(h, VK_STR("Content-Length"));
    return said.n == 0 || vk_str_to_i64(said, &p->length) == VK_OK;
}

/* At once for what is known to come: a buffer that grows is copied. */
static bool make_room(proxy *p)
{
    size_t n = p->length < VK_PROXY_PULL ? (size_t)p->length : VK_PROXY_PULL;
    return vk_buf_room(&p->pub.ex->out, n) != NULL;
}

static void head_came(vk_upcall *c, const vk_head *h)
{
    proxy *p = of(c);
    vk_exchange *ex = p->pub.ex;
    p->status = h->status;
    p->got_head = true;
    p->n_extra = ex->n_extra;
    p->lines = ex->lines;
    vk_err e = p->pub.ways->head ? p->pub.ways->head(&p->pub, h) : VK_OK;
    if (e != VK_OK) {
        vk_str why =
            vk_arena_dup(ex->arena, ex->err_text.n ? ex->err_text : VK_STR("The answer may not go on"));
        fail(p, e, why.p ? why.p : "The answer may not go on");
        return;
    }
    if (h->status == 101) {
        p->over = true; /* it is the tunnel's, and the exchange ends */
        e = vk_proxy_tunnel(ex, c, h);
        if (e != VK_OK) {
            p->over = false;
            fail(p, e, "The connection cannot be used for another protocol");
        }
        return;
    }
    if (h->content_type.n && !(p->type = vk_arena_dup(ex->arena, h->content_type).p)) {
        fail(p, VK_E_NOMEM, "Out of memory");
        return;
    }
    if (p->look && !p->tail)
        fail(p, VK_E_NOMEM, "Out of memory");
    else if (!length_of(p, h))
        fail(p, VK_E_INVALID, "The answer's length is no number");
    else if (p->collects && p->length > 0 && (uint64_t)p->length > p->max && h->framing != VK_FRAME_NONE)
        fail(p, VK_E_TOO_LARGE, "The answer is larger than what is taken here");
    else if (h->framing == VK_FRAME_LENGTH && !make_room(p))
        fail(p, VK_E_NOMEM, "Out of memory");
}

/* A success that begins while its request is still coming waits for the request's end: who answers that early
 * goes on reading, and an answer here ends the reading of the body. */
static bool too_early(proxy *p)
{
    bool early = !p->asked && p->pub.call.body_n != 0 && p->pub.call.body.n == 0 && p->status < 300;
    p->unanswered |= early;
    return early;
}

static size_t collect(proxy *p, vk_str bytes)
{
    vk_buf *out = &p->pub.ex->out;
    vk_buf_str(out, bytes);
    if (VK_LIKELY(out->err == VK_OK))
        return bytes.n;
    fail(p, VK_E_NOMEM, "Out of memory");
    return 0;
}

/* As long as more is read, what came waits here: fewer and longer pieces wake the other side less often. */
static size_t keep(proxy *p, vk_str bytes)
{
    add(p, &p->kept, bytes);
    if (VK_LIKELY(p->kept.err == VK_OK))
        return bytes.n;
    vk_proxy_end(&p->pub, VK_E_NOMEM, "Out of memory");
    return 0;
}

static size_t body_came(vk_upcall *c, vk_str bytes)
{
    proxy *p = of(c);
    vk_exchange *ex = p->pub.ex;
    if (p->pulling)
        return pass_some(p, p->pulling, bytes);
    if (p->collects) {
        if (bytes.n > p->max - ex->out.n) {
            fail(p, VK_E_TOO_LARGE, "The answer is larger than what is taken here");
            return 0;
        }
        return collect(p, bytes);
    }
    if (!p->streams) {
        if (ex->out.n + bytes.n <= (p->unanswered ? VK_PROXY_SMALL : VK_PROXY_PULL))
            return collect(p, bytes);
        if (too_early(p))
            return 0;
    } else if (!p->starved) {
        return 0; /* pull comes for it */
    } else if (p->kept.n + bytes.n <= VK_PROXY_PULL) {
        return keep(p, bytes); /* more may be there at once: lull sends it on */
    }
    bool gone = false;
    p->gone = &gone;
    p->offer = bytes;
    if (p->streams)
        vk_source_ready(ex);
    else
        stream(p);
    if (gone)
        return 0;
    size_t left = p->offer.n;
    p->gone = NULL;
    p->offer = VK_STR_NONE;
    return bytes.n - left;
}

static void lull(vk_upcall *c)
{
    proxy *p = of(c);
    bool waits = p->length >= 0 && p->length <= VK_PROXY_SMALL;
    if (p->streams && p->starved && p->kept.n && !p->pulling)
        vk_source_ready(p->pub.ex); /* *p may be gone */
    else if (p->got_head && !p->streams && !p->collects && !waits && !too_early(p))
        stream(p);
}

static void wants(vk_upcall *c)
{
    vk_exchange *ex = of(c)->pub.ex;
    if (ex->held)
        vk_sink_ready(ex);
}

static void done(vk_upcall *c, vk_err e, const char *why)
{
    proxy *p = of(c);
    p->over = true;
    p->e = e;
    if (!p->streams && e != VK_OK)
        fail(p, e, why);
    else if (!p->streams)
        answer(p);
    else if (p->starved)
        vk_source_ready(p->pub.ex);
}

/* ---- the request */

static size_t take(vk_sink *s, vk_exchange *ex, vk_str bytes)
{
    proxy *p = VK_CONTAINER(s, proxy, sink);
    VK_UNUSED(ex);
    return p->over ? bytes.n : vk_upcall_give(&p->pub.call, bytes, false);
}

static size_t take_nothing(vk_sink *s, vk_exchange *ex, vk_str bytes)
{
    VK_UNUSED(s);
    VK_UNUSED(ex);
    VK_UNUSED(bytes);
    return 0;
}

void vk_proxy_hold(vk_exchange *ex)
{
    static vk_sink none = {take_nothing};
    ex->sink = &none;
    ex->held = true;
}

int64_t vk_proxy_body_n(const vk_exchange *ex)
{
    int64_t n = 0;
    if (vk_request_header(ex, VK_STR("Transfer-Encoding")).n)
        return -1;
    vk_str said = vk_request_header(ex, VK_STR("Content-Length"));
    return said.n && vk_str_to_i64(said, &n) == VK_OK ? n : 0;
}

vk_err vk_proxy_begin(vk_exchange *ex, const vk_proxy_ask *ask, vk_proxy **out_r)
{
    proxy *p = VK_NEW(ex->arena, proxy);
    if (!p)
        return VK_E_NOMEM;
    int64_t body_n = ask->body.p ? (int64_t)ask->body.n : vk_proxy_body_n(ex);
    bool comes = !ask->body.p && body_n != 0;
    p->pub = (vk_proxy){.ex = ex, .ways = ask->ways, .arg = ask->arg};
    p->pub.call = (vk_upcall){.head = ask->head,
                              .method = ask->method,
                              .body = ask->body,
                              .body_n = body_n,
                              .secret = ask->secret,
                              .again = ask->again,
                              .upgrade = ask->upgrade,
                              .first_ms = ask->first_ms,
                              .idle_ms = ask->idle_ms,
                              .head_came = head_came,
                              .body_came = body_came,
                              .lull = lull,
                              .wants = comes ? wants : NULL,
                              .done = done};
    p->sink.take = take;
    p->source = (vk_source){pull, stop};
    p->length = -1;
    p->n_extra = ex->n_extra;
    p->lines = ex->lines;
    vk_err e = vk_upcall_begin(ask->to, &p->pub.call);
    if (e != VK_OK)
        return e;
    p->done_before = ex->done;
    ex->proxy = p;
    ex->done = on_done;
    ex->gone = on_gone;
    if (comes)
        ex->sink = &p->sink;
    *out_r = &p->pub;
    return VK_OK;
}

void vk_proxy_request(vk_exchange *ex)
{
    proxy *p = ex->proxy;
    p->asked = true;
    if (p->over) /* and answered */
        return;
    if (p->pub.call.wants)
        vk_upcall_give(&p->pub.call, VK_STR_NONE, true);
    if (p->unanswered && p->pub.call.in_full)
        vk_upcall_room(&p->pub.call);
    else if (p->unanswered)
        lull(&p->pub.call);
}

void vk_proxy_end(vk_proxy *pub, vk_err e, const char *why)
{
    proxy *p = VK_CONTAINER(pub, proxy, pub);
    if (p->over)
        return;
    if (!p->streams) {
        fail(p, e, why);
        return;
    }
    vk_upcall_abort(&p->pub.call);
    p->over = true;
    p->e = e;
    if (p->starved)
        vk_source_ready(p->pub.ex);
}

void vk_proxy_collect(vk_proxy *pub, size_t max)
{
    proxy *p = VK_CONTAINER(pub, proxy, pub);
    p->collects = true;
    p->max = max < VK_EX_OUT_MAX ? max : VK_EX_OUT_MAX;
}

void vk_proxy_filter(vk_proxy *pub, void (*look)(vk_proxy *p, char *bytes, size_t n, bool end), size_t keep)
{
    proxy *p = VK_CONTAINER(pub, proxy, pub);
    p->keep = keep < VK_PROXY_KEEP ? keep : VK_PROXY_KEEP;
    p->tail = vk_arena_alloc(p->pub.ex->arena, p->keep);
    p->look = look;
}
