#include "http/exchange.h"

#include "http/conn.h"

#include <stdarg.h>
#include <unistd.h>

enum {
    SPARE_ARENAS = 64,
    EXTRA_FIRST = 1024,                  /* room for header lines; doubles */
    HEAD_ROOM = 256 + VK_REQUEST_ID_MAX, /* of a response head without content type and extra headers: status
                                            line, date, length, request id, connection */
};

/* The loop keeps a short list of used arenas; the first chunk of each links to the next one. */
struct spare {
    struct spare *next;
    vk_arena *arena;
};

static vk_arena *arena_get(vk_loop *l)
{
    struct spare *s = l->spare_arenas;
    if (!s)
        return vk_arena_new(VK_EX_ARENA_CAP);
    l->spare_arenas = s->next;
    l->n_spare_arenas--;
    vk_arena *a = s->arena;
    vk_arena_reset(a);
    return a;
}

static void arenas_free(vk_loop *l)
{
    for (struct spare *s = l->spare_arenas, *next; s; s = next) {
        next = s->next;
        vk_arena_free(s->arena);
    }
    l->spare_arenas = NULL;
    l->n_spare_arenas = 0;
}

static void arena_put(vk_loop *l, vk_arena *a)
{
    vk_arena_reset(a);
    struct spare *s = l->n_spare_arenas < SPARE_ARENAS ? vk_arena_alloc(a, sizeof *s) : NULL;
    if (!s) {
        vk_arena_free(a);
        return;
    }
    *s = (struct spare){l->spare_arenas, a};
    l->spare_arenas = s;
    l->spare_free = arenas_free;
    l->n_spare_arenas++;
}

vk_exchange *vk_exchange_new(struct vk_conn *c, const vk_server *server, const vk_head *h, size_t head_bytes)
{
    vk_arena *a = arena_get(server->loop);
    vk_exchange *ex = a ? vk_arena_alloc(a, sizeof *ex) : NULL;
    char *copy = ex ? vk_arena_alloc(a, head_bytes) : NULL;
    vk_header *headers = copy ? vk_arena_alloc(a, sizeof *headers * h->n_headers) : NULL;
    if (!headers) {
        vk_arena_free(a);
        return NULL;
    }
    memset(ex, 0, sizeof *ex);
    ex->conn = c;
    ex->server = server;
    ex->loop = server->loop;
    ex->arena = a;
    ex->minor = h->minor;
    ex->passed_fd = ex->file_fd = -1;
    ex->peer_uid = (uid_t)-1;
    ex->expect_continue = h->expect_continue;
    ex->body.max = 0;
    ex->out.max = VK_EX_OUT_MAX;
    if (head_bytes == 0) { /* a refusal before there was a head */
        vk_note_begin(ex, VK_STR_NONE);
        return ex;
    }
    /* The receive buffer goes on to be used, so the head moves into the arena as it is. */
    const char *base = h->method.p;
    memcpy(copy, base, head_bytes);
#define MOVED(s) ((s).p ? (vk_str){copy + ((s).p - base), (s).n} : (s))
    ex->method = MOVED(h->method);
    ex->target = MOVED(h->target);
    ex->host = MOVED(h->host);
    ex->authorization = vk_secret_of(MOVED(h->authorization));
    ex->content_type = MOVED(h->content_type);
    for (uint32_t i = 0; i < h->n_headers; i++) {
        vk_str value = h->headers[i].value;
        bool hide = value.p == h->authorization.p && value.n;
        headers[i] = (vk_header){MOVED(h->headers[i].name), hide ? VK_STR_NONE : MOVED(value)};
    }
    vk_note_begin(ex, MOVED(h->request_id));
#undef MOVED
    ex->headers = headers;
    ex->n_headers = h->n_headers;
    const char *q = memchr(ex->target.p, '?', ex->target.n);
    ex->path = q ? (vk_str){ex->target.p, (size_t)(q - ex->target.p)} : ex->target;
    ex->query = q ? (vk_str){q + 1, ex->target.n - ex->path.n - 1} : VK_STR_NONE;
    return ex;
}

void vk_exchange_end(vk_exchange *ex)
{
    if (ex->done)
        ex->done(ex);
    if (ex->source)
        ex->source->stop(ex->source);
    if (ex->pieces)
        ex->pieces->stop(ex->pieces);
    if (ex->file_fd >= 0)
        close(ex->file_fd);
    if (ex->passed_fd >= 0)
        close(ex->passed_fd);
    if (ex->secret) {
        vk_buf_free_secret(&ex->body);
        vk_buf_free_secret(&ex->out);
        vk_arena *a = ex->arena;
        vk_loop *l = ex->loop;
        vk_arena_wipe(a); /* and with it the exchange */
        arena_put(l, a);
        return;
    }
    vk_buf_free(&ex->body);
    vk_buf_free(&ex->out);
    vk_secret_wipe(ex->authorization);
    arena_put(ex->loop, ex->arena);
}

vk_str vk_request_header(const vk_exchange *ex, vk_str name)
{
    for (uint32_t i = 0; i < ex->n_headers; i++)
        if (ex->headers[i].name.n == name.n && vk_str_ieq(ex->headers[i].name, name))
            return ex->headers[i].value;
    return VK_STR_NONE;
}

/* Room for `more` bytes of header lines. */
static vk_err extra_room(vk_exchange *ex, size_t more)
{
    if (VK_LIKELY(more <= ex->extra_room - ex->n_extra))
        return VK_OK;
    if (more > VK_EX_HEADERS_MAX - ex->n_extra)
        return VK_E_TOO_LARGE;
    size_t room = ex->extra_room ? ex->extra_room * 2 : EXTRA_FIRST;
    while (room < ex->n_extra + more)
        room *= 2;
    if (room > VK_EX_HEADERS_MAX)
        room = VK_EX_HEADERS_MAX;
    char *p = vk_arena_alloc(ex->arena, room);
    if (!p)
        return VK_E_NOMEM;
    if (ex->n_extra)
        memcpy(p, ex->extra, ex->n_extra);
    ex->extra = p;
    ex->extra_room = room;
    return VK_OK;
}

vk_str vk_exchange_id(vk_exchange *ex)
{
    char *p = ex->id.n ? NULL : vk_arena_alloc(ex->arena, VK_NOTE_ID);
    if (p)
        ex->id = (vk_str){p, vk_note_id(p)};
    return ex->id;
}

vk_err vk_header_add(vk_exchange *ex, const char *name, vk_str value)
{
    size_t n = strlen(name);
    if (value.n &&
        (memchr(value.p, '\r', value.n) || memchr(value.p, '\n', value.n) || memchr(value.p, '\0', value.n)))
        return VK_E_INVALID;
    if (value.n > VK_EX_HEADERS_MAX)
        return VK_E_TOO_LARGE;
    vk_err e = extra_room(ex, n + value.n + 4);
    if (e != VK_OK)
        return e;
    char *at = ex->extra + ex->n_extra;
    memcpy(at, name, n);
    memcpy(at + n, ": ", 2);
    if (value.n)
        memcpy(at + n + 2, value.p, value.n);
    memcpy(at + n + 2 + value.n, "\r\n", 2);
    ex->n_extra += n + value.n + 4;
    return VK_OK;
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 206:
        return "Partial Content";
    case 301:
        return "Moved Permanently";
    case 302:
        return "Found";
    case 303:
        return "See Other";
    case 307:
        return "Temporary Redirect";
    case 308:
        return "Permanent Redirect";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 402:
        return "Payment Required";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 410:
        return "Gone";
    case 411:
        return "Length Required";
    case 412:
        return "Precondition Failed";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 416:
        return "Range Not Satisfiable";
    case 421:
        return "Misdirected Request";
    case 422:
        return "Unprocessable Content";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    case 505:
        return "HTTP Version Not Supported";
    case 507:
        return "Insufficient Storage";
    default:
        return "Status";
    }
}

static char *put(char *at, vk_str s)
{
    if (s.n)
        memcpy(at, s.p, s.n);
    return at + s.n;
}

static char *put_u64(char *at, uint64_t v)
{
    char digits[20];
    size_t i = sizeof digits;
    do
        digits[--i] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    memcpy(at, digits + i, sizeof digits - i);
    return at + sizeof digits - i;
}

/* RFC 9110 §15.3.5, §15.4.5: no body, and a length of a body that is not there would only confuse. */
static bool bodyless(int status)
{
    return status == 204 || status == 304;
}

/* `length` < 0: chunked or until close. */
static void make_head(vk_exchange *ex, int status, const char *content_type, int64_t length)
{
    vk_str type = vk_str_z(content_type);
    char *p = vk_arena_alloc(ex->arena, HEAD_ROOM + type.n + ex->lines.n + ex->n_extra), *at = p;
    if (!p) {
        ex->head_out =
            VK_STR("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        ex->close = ex->source_done = true;
        ex->piece.n = ex->pieces_end = 0;
        vk_buf_clear(&ex->out);
        return;
    }
    at = put(at, VK_STR("HTTP/1.1 "));
    at = put_u64(at, (uint64_t)status);
    *at++ = ' ';
    at = put(at, vk_str_z(reason(status)));
    at = put(at, VK_STR("\r\nDate: "));
    at = put(at, (vk_str){vk_loop_date(ex->loop), 29});
    at = put(at, VK_STR("\r\nX-Request-Id: "));
    if (ex->id.n) {
        at = put(at, ex->id);
    } else {
        ex->id = (vk_str){at, vk_note_id(at)};
        at += ex->id.n;
    }
    if (type.n) {
        at = put(at, VK_STR("\r\nContent-Type: "));
        at = put(at, type);
    }
    if (length >= 0 && !bodyless(status)) {
        at = put(at, VK_STR("\r\nContent-Length: "));
        at = put_u64(at, (uint64_t)length);
    } else if (length < 0 && ex->source_chunked && !bodyless(status)) {
        at = put(at, VK_STR("\r\nTransfer-Encoding: chunked"));
    }
    if (ex->close)
        at = put(at, VK_STR("\r\nConnection: close"));
    else if (ex->minor == 0)
        at = put(at, VK_STR("\r\nConnection: keep-alive"));
    if (VK_UNLIKELY(ex->retry_s)) {
        at = put(at, VK_STR("\r\nRetry-After: "));
        at = put_u64(at, (uint64_t)ex->retry_s);
    }
    at = put(at, VK_STR("\r\n"));
    at = put(at, ex->lines);
    at = put(at, (vk_str){ex->extra, ex->n_extra});
    at = put(at, VK_STR("\r\n"));
    ex->head_out = (vk_str){p, (size_t)(at - p)};
}

/* True: the answer has no body, whatever is given. */
static bool begin(vk_exchange *ex, int status)
{
    if (ex->answered)
        abort(); /* a handler that answers twice is a broken invariant */
    ex->answered = true;
    ex->status = status;
    vk_conn_settle_body(ex->conn);
    if (vk_conn_must_close(ex->conn))
        ex->close = true;
    return bodyless(status) || vk_str_eqz(ex->method, "HEAD");
}

void vk_respond(vk_exchange *ex, int status, const char *content_type)
{
    if (ex->out.err) { /* what was written does not fit or there was no memory */
        status = ex->out.err == VK_E_TOO_LARGE ? 500 : 503;
        content_type = NULL;
        vk_buf_clear(&ex->out);
    }
    bool head_only = begin(ex, status);
    make_head(ex, status, content_type, (int64_t)ex->out.n);
    if (head_only)
        vk_buf_clear(&ex->out);
    vk_conn_answered(ex->conn);
}

void vk_respond_text(vk_exchange *ex, int status, const char *content_type, vk_str text)
{
    vk_buf_clear(&ex->out);
    vk_buf_str(&ex->out, text);
    vk_respond(ex, status, content_type);
}

void vk_respond_file(vk_exchange *ex, int status, const char *content_type, int fd, int64_t at, int64_t n)
{
    bool head_only = begin(ex, status);
    vk_buf_clear(&ex->out);
    ex->file_fd = fd;
    ex->piece = (vk_piece){.fd = fd, .at = at, .n = head_only ? 0 : n};
    make_head(ex, status, content_type, n);
    vk_conn_answered(ex->conn);
}

void vk_respond_source_n(vk_exchange *ex, int status, const char *content_type, int64_t n, vk_source *s)
{
    bool head_only = begin(ex, status);
    vk_buf_clear(&ex->out);
    ex->source = s;
    ex->source_left = n < 0 ? -1 : n;
    ex->source_chunked = n < 0 && ex->minor == 1;
    ex->source_done = head_only || n == 0;
    if (n < 0 && !ex->source_chunked && !head_only)
        ex->close = true;
    make_head(ex, status, content_type, ex->source_left);
    vk_conn_answered(ex->conn);
}

void vk_respond_source(vk_exchange *ex, int status, const char *content_type, vk_source *s)
{
    vk_respond_source_n(ex, status, content_type, -1, s);
}

void vk_source_ready(vk_exchange *ex)
{
    vk_conn_answered(ex->conn);
}

void vk_respond_pieces(vk_exchange *ex, int status, const char *content_type, int64_t n, vk_pieces *p)
{
    bool head_only = begin(ex, status);
    vk_buf_clear(&ex->out);
    ex->pieces = p;
    ex->pieces_end = head_only ? 0 : n;
    make_head(ex, status, content_type, n);
    vk_conn_answered(ex->conn);
}

void vk_exchange_cut(vk_exchange *ex)
{
    if (ex->answered)
        vk_conn_shut(ex->conn);
}

void vk_sink_ready(vk_exchange *ex)
{
    if (!ex->held || ex->answered)
        return;
    ex->held = false;
    vk_conn_release_body(ex->conn);
}

vk_err vk_fail(vk_exchange *ex, vk_err e, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ex->err = e;
    ex->err_text = vk_arena_dup(ex->arena, (vk_str){text, n < 0 ? 0 : strlen(text)});
    return e;
}

uint64_t vk_exchange_from(const vk_exchange *ex)
{
    const vk_peer *p = ex->conn->peer;
    return p ? p->addr ^ ((uint64_t)p->family << 48) : 0;
}

static vk_err bad_keys(vk_exchange *ex, int64_t wait)
{
    if (wait == 0)
        return VK_OK;
    ex->retry_s = vk_rate_seconds(wait);
    ex->delay_ms = VK_BAD_KEY_WAIT_MS;
    return vk_fail(ex, VK_E_BUSY,
                   "More than %lld requests a second from this address bring a key that opens nothing (limit "
                   "bad_key_rate): use the key that `valetkey env` prints, or try again in %d s",
                   (long long)ex->server->gate->bad_rate, ex->retry_s);
}

vk_err vk_exchange_bad_key(vk_exchange *ex)
{
    vk_peer *p = ex->conn->peer;
    return bad_keys(ex, p ? vk_gate_bad_key(ex->server->gate, p) : 0);
}

vk_err vk_exchange_may_guess(vk_exchange *ex)
{
    vk_peer *p = ex->conn->peer;
    return bad_keys(ex, p ? vk_gate_bad_keys(ex->server->gate, p) : 0);
}

static void run_posted(vk_task *t)
{
    vk_exchange *ex = VK_CONTAINER(t, vk_exchange, task);
    ex->resume(ex);
}

void vk_exchange_post(vk_exchange *ex, void (*resume)(vk_exchange *ex))
{
    ex->resume = resume;
    ex->task.run = run_posted;
    vk_loop_post(ex->loop, &ex->task);
}
