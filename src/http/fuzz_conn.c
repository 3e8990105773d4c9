/* Any bytes sent to a server's connection: whatever comes, every exchange ends, every answer is well-formed,
 * and what is answered does not depend on how the bytes were cut. The first byte seeds the cuts. */
#include "http/server.h"

#include <sys/socket.h>
#include <unistd.h>

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

enum { BODY_MAX = 1000, SIZE_FULL = 60000, TURNS_MAX = 200, OUT_MAX = 4 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static vk_loop *loop;
static int made, ended, stops, starts;

struct letters {
    vk_source source;
    int left;
};

static vk_err pull(vk_source *source, vk_buf *out)
{
    struct letters *s = VK_CONTAINER(source, struct letters, source);
    if (s->left == 0)
        return VK_E_NOT_FOUND;
    for (int i = 0; i < 10 * s->left; i++)
        vk_buf_ch(out, (char)('a' + s->left));
    s->left--;
    return VK_OK;
}

static void stop(vk_source *source)
{
    VK_UNUSED(source);
    stops++;
}

static void on_done(vk_exchange *ex)
{
    VK_UNUSED(ex);
    ended++;
}

static char kind(const vk_exchange *ex)
{
    return ex->path.n > 1 ? ex->path.p[1] : ' ';
}

/* Takes as many bytes as it likes, and is ready again in a later turn. */
struct taker {
    vk_sink sink;
    vk_exchange *ex;
    vk_buf got;
    uint32_t seed;
};

static void taker_ready(vk_exchange *ex)
{
    vk_sink_ready(ex);
}

static size_t take(vk_sink *s, vk_exchange *ex, vk_str bytes)
{
    struct taker *t = VK_CONTAINER(s, struct taker, sink);
    CHECK(ex == t->ex && bytes.n > 0 && !ex->held);
    t->seed = t->seed * 1664525 + 1013904223;
    size_t n = kind(ex) == 't' ? bytes.n : (t->seed >> 16) % (bytes.n + 1);
    vk_buf_add(&t->got, bytes.p, n);
    CHECK(t->got.n <= ex->body_max);
    if (kind(ex) == 'f' && t->got.n >= 10) { /* whatever it was cut into */
        vk_respond_text(ex, 507, "text/plain", VK_STR("full"));
        return 0;
    }
    if (n < bytes.n)
        vk_exchange_post(ex, taker_ready);
    return n;
}

static void taker_done(vk_exchange *ex)
{
    vk_buf_free(&VK_CONTAINER(ex->sink, struct taker, sink)->got);
    on_done(ex);
}

static void set_sink(vk_exchange *ex)
{
    struct taker *t = VK_NEW(ex->arena, struct taker);
    CHECK(t);
    *t = (struct taker){.sink = {take}, .ex = ex, .seed = (uint32_t)ex->target.n};
    if (kind(ex) == 'f') /* so large that no cut decides what is said first, 413 or 507 */
        ex->body_max = SIZE_FULL;
    vk_buf_init(&t->got, ex->body_max);
    ex->sink = &t->sink;
    ex->done = taker_done;
    ex->held = kind(ex) == 'h';
    int64_t declared = 0;
    vk_str length = vk_request_header(ex, VK_STR("content-length"));
    bool fits = !length.p || (vk_str_to_i64(length, &declared) == VK_OK && declared <= BODY_MAX);
    if (ex->held && fits) /* else it is refused, and ends before that could run */
        vk_exchange_post(ex, taker_ready);
}

/* The body once more, in pieces of three bytes. */
struct parts {
    vk_pieces pieces;
    vk_str all;
};

static vk_err next(vk_pieces *p, int64_t at, vk_piece *out_r)
{
    *out_r = (vk_piece){.fd = -1, .n = 3, .bytes = VK_CONTAINER(p, struct parts, pieces)->all.p + at};
    return VK_OK;
}

static void stop_parts(vk_pieces *p)
{
    VK_UNUSED(p);
    stops++;
}

static vk_err on_head(vk_exchange *ex)
{
    made++;
    ex->done = on_done;
    ex->body_max = kind(ex) == 'n' ? 0 : BODY_MAX;
    ex->secret = kind(ex) == 'x';
    if (kind(ex) == 'r') {
        vk_respond_text(ex, 401, "text/plain", VK_STR("no"));
        return VK_E_UNAUTHORIZED;
    }
    if (kind(ex) == 'e')
        vk_respond_text(ex, 200, "text/plain", VK_STR("early"));
    if (kind(ex) == 't' || kind(ex) == 'p' || kind(ex) == 'h' || kind(ex) == 'f')
        set_sink(ex);
    return kind(ex) == 'i' ? VK_E_FORBIDDEN : VK_OK;
}

static void on_request(vk_exchange *ex)
{
    CHECK(kind(ex) != 'r' && kind(ex) != 'e' && kind(ex) != 'i' && ex->body.n <= ex->body_max);
    if (kind(ex) == 's') {
        struct letters *s = VK_NEW(ex->arena, struct letters);
        CHECK(s);
        *s = (struct letters){.source = {pull, stop}, .left = 5};
        starts++;
        vk_respond_source(ex, 200, NULL, &s->source);
        return;
    }
    if (ex->sink) {
        const vk_buf *got = &VK_CONTAINER(ex->sink, struct taker, sink)->got;
        struct parts *p = VK_NEW(ex->arena, struct parts);
        CHECK(p && !ex->held && ex->body.n == 0);
        *p = (struct parts){{next, stop_parts}, vk_arena_dup(ex->arena, vk_buf_view(got))};
        starts++;
        vk_respond_pieces(ex, 200, NULL, (int64_t)got->n, &p->pieces);
        return;
    }
    vk_buf_str(&ex->out, ex->target);
    vk_buf_ch(&ex->out, '|');
    vk_buf_add(&ex->out, ex->body.p, ex->body.n);
    vk_respond(ex, kind(ex) == '4' ? 204 : 200, "text/plain");
}

static void turn(int fd, vk_buf *out, bool *end)
{
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    for (;;) {
        char room[65536];
        ssize_t n = recv(fd, room, sizeof room, MSG_DONTWAIT);
        if (n > 0)
            vk_buf_add(out, room, (size_t)n);
        else
            *end |= n == 0;
        if (n <= 0)
            return;
    }
}

/* All that the server answers to these bytes, which end in a half-close. `seed` 0: sent at once. */
static void converse(const uint8_t *data, size_t size, uint32_t seed, vk_buf *out)
{
    static const vk_handler handler = {.head = on_head, .request = on_request};
    static const vk_str names[] = {{"a", 1}, {NULL, 0}};
    vk_server server;
    int pair[2];
    bool end = false;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    vk_server_init(&server, loop, &handler, NULL);
    server.names = names;
    CHECK(vk_server_adopt(&server, pair[0], NULL, NULL) == VK_OK);
    while (size) {
        size_t n = size;
        if (seed) {
            seed = seed * 1664525 + 1013904223;
            n = 1 + (seed >> 16) % (seed >> 28 & 1 ? 3 : 60);
            n = n < size ? n : size;
        }
        ssize_t sent = send(pair[1], data, n, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        data += sent;
        size -= (size_t)sent;
        for (int i = 0; i < 3; i++)
            turn(pair[1], out, &end);
    }
    shutdown(pair[1], SHUT_WR);
    for (int i = 0; i < TURNS_MAX && !end; i++)
        turn(pair[1], out, &end);
    CHECK(end); /* nothing keeps a half-closed connection */
    vk_server_close(&server, NULL);
    for (int i = 0; i < TURNS_MAX && server.n_conns; i++)
        turn(pair[1], out, &end);
    CHECK(server.n_conns == 0 && made == ended && starts == stops);
    close(pair[1]);
}

/* Statuses and bodies, one after the other, without interim answers: those depend on what has come already.
 */
static void digest(vk_buf *in, vk_buf *out)
{
    const char *p = in->p;
    size_t left = in->n;
    while (left) {
        vk_head h;
        int used = vk_head_response(p, left, VK_STR("GET"), &h);
        CHECK(used > 0);
        p += used;
        left -= (size_t)used;
        if (h.status < 200)
            continue;
        vk_buf_printf(out, "%d %d:", h.status, h.keep_alive);
        if (h.framing == VK_FRAME_CHUNKED) {
            vk_chunked c = {0};
            vk_str rest = {p, left}, piece;
            vk_chunk got;
            while ((got = vk_chunked_next(&c, &rest, &piece)) == VK_CHUNK_DATA)
                vk_buf_str(out, piece);
            CHECK(got == VK_CHUNK_END);
            p = rest.p;
            left = rest.n;
        } else if (h.framing != VK_FRAME_NONE) {
            size_t n = h.framing == VK_FRAME_EOF ? left : (size_t)h.content_length;
            CHECK(n <= left);
            vk_buf_add(out, p, n);
            p += n;
            left -= n;
        }
    }
}

/* The answer to HEAD cannot be told from one with a body without knowing the request. */
static bool has_head_method(const uint8_t *data, size_t size)
{
    return size >= 4 && memmem(data, size, "HEAD", 4) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vk_buf once, cut, a, b;
    if (size < 2 || size > 8192)
        return 0;
    if (!loop)
        CHECK(vk_loop_new(&loop) == VK_OK);
    vk_buf_init(&once, OUT_MAX);
    vk_buf_init(&cut, OUT_MAX);
    vk_buf_init(&a, OUT_MAX);
    vk_buf_init(&b, OUT_MAX);
    converse(data + 1, size - 1, 0, &once);
    converse(data + 1, size - 1, data[0] * 2654435761U | 1, &cut);
    if (!has_head_method(data, size)) {
        digest(&once, &a);
        digest(&cut, &b);
        CHECK(vk_str_eq(vk_buf_view(&a), vk_buf_view(&b)));
    }
    vk_buf_free(&once);
    vk_buf_free(&cut);
    vk_buf_free(&a);
    vk_buf_free(&b);
    return 0;
}
