/* For the tests of servers: a real server on a loop of its own thread; the tests are its clients,
 * over plain blocking sockets. Only the test's thread asserts; a broken promise on the loop's side aborts. */
#ifndef VK_HTTP_TEST_RIG_H
#define VK_HTTP_TEST_RIG_H

#include "http/server.h"

#include "core/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef VK_TEST_TLS
#include "http/test_tunnel.h"
#endif

#pragma GCC diagnostic ignored "-Wunused-function" /* none of them uses all of it */

enum { BODY_MAX = 1 << 20, FILE_SIZE = 3 << 20, PIECES = 300, PIECE = 20000, WAIT_MS = 10000 };

static vk_loop *loop;
static vk_server server, pairs; /* TCP; socketpairs with descriptors */
static pthread_t loop_thread;
static struct sockaddr_in address;
static int file_fd;
static _Atomic int made, ended, stopped, served, lates;

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

/* ---- the handler ---- */

struct numbers { /* a source: PIECES times PIECE bytes, or what the path says */
    vk_source source;
    vk_exchange *ex;
    vk_timer timer;
    int left;
    bool waits, fails, idles;
};

enum { SIZED = 5 * PIECE };

static void again_ready(vk_timer *t)
{
    struct numbers *s = VK_CONTAINER(t, struct numbers, timer);
    s->waits = false;
    vk_source_ready(s->ex);
}

static vk_err pull(vk_source *source, vk_buf *out)
{
    struct numbers *s = VK_CONTAINER(source, struct numbers, source);
    if (s->left == 0)
        return s->fails ? VK_E_IO : VK_E_NOT_FOUND;
    if (s->idles && s->left % 3 == 0 && !s->waits) {
        s->waits = true;
        s->left--;
        vk_timer_set(loop, &s->timer, 5, again_ready);
        return VK_AGAIN;
    }
    char *to = vk_buf_room(out, PIECE);
    CHECK(to);
    memset(to, 'a' + s->left % 26, PIECE);
    out->n += PIECE;
    s->left--;
    return VK_OK;
}

static void stop(vk_source *source)
{
    struct numbers *s = VK_CONTAINER(source, struct numbers, source);
    vk_timer_clear(loop, &s->timer);
    stopped++;
}

static void on_done(vk_exchange *ex)
{
    VK_UNUSED(ex);
    ended++;
}

static bool path_is(const vk_exchange *ex, const char *path)
{
    return vk_str_eqz(ex->path, path);
}

static vk_err on_head(vk_exchange *ex)
{
    made++;
    ex->done = on_done;
    ex->body_max = BODY_MAX;
    if (path_is(ex, "/secret"))
        ex->secret = true;
    if (path_is(ex, "/none"))
        ex->body_max = 0;
    if (path_is(ex, "/refused")) {
        vk_respond_text(ex, 401, "text/plain", VK_STR("no"));
        return VK_E_UNAUTHORIZED;
    }
    if (path_is(ex, "/early")) /* answered, but not with an error */
        vk_respond_text(ex, 200, "text/plain", VK_STR("early"));
    return path_is(ex, "/silent") ? VK_E_FORBIDDEN : VK_OK;
}

static void finish_late(vk_exchange *ex)
{
    vk_buf_z(&ex->out, "late");
    vk_respond(ex, 200, "text/plain");
}

static void *late_thread(void *arg)
{
    usleep(100000);
    vk_exchange_post(arg, finish_late);
    return NULL;
}

static void respond_numbers(vk_exchange *ex)
{
    struct numbers *s = VK_NEW(ex->arena, struct numbers);
    CHECK(s);
    *s = (struct numbers){.source = {pull, stop}, .ex = ex, .left = PIECES};
    s->fails = path_is(ex, "/cut");
    s->idles = path_is(ex, "/idle");
    if (s->fails || s->idles)
        s->left = 5;
    if (path_is(ex, "/empty"))
        s->left = 0;
    vk_respond_source(ex, 200, "application/octet-stream", &s->source);
}

/* "/sized": as many bytes as it says; the query is how many pieces it really has. */
static void respond_sized(vk_exchange *ex)
{
    struct numbers *s = VK_NEW(ex->arena, struct numbers);
    int64_t pieces = 5;
    CHECK(s && (ex->query.n == 0 || vk_str_to_i64(ex->query, &pieces) == VK_OK));
    *s = (struct numbers){.source = {pull, stop}, .ex = ex, .left = (int)pieces};
    s->idles = path_is(ex, "/sized/idle");
    vk_respond_source_n(ex, 200, "application/octet-stream",
                        path_is(ex, "/sized/none") ? 0 : SIZED - (s->idles ? PIECE : 0), &s->source);
}

static void on_request(vk_exchange *ex)
{
    CHECK(!path_is(ex, "/refused") && !path_is(ex, "/early") && !path_is(ex, "/silent"));
    served++;
    if (path_is(ex, "/len")) {
        vk_buf_u64(&ex->out, ex->body.n);
        vk_respond(ex, 200, "text/plain");
    } else if (path_is(ex, "/file")) {
        int fd = dup(file_fd);
        CHECK(fd >= 0);
        vk_respond_file(ex, 200, "application/octet-stream", fd, 1000, FILE_SIZE - 1000);
    } else if (path_is(ex, "/numbers") || path_is(ex, "/cut") || path_is(ex, "/idle") ||
               path_is(ex, "/empty")) {
        respond_numbers(ex);
    } else if (vk_str_starts(ex->path, VK_STR("/sized"))) {
        respond_sized(ex);
    } else if (path_is(ex, "/late")) {
        pthread_t t;
        lates++;
        CHECK(pthread_create(&t, NULL, late_thread, ex) == 0);
        pthread_detach(t);
    } else if (path_is(ex, "/nothing")) {
        vk_buf_z(&ex->out, "not for a 204");
        vk_respond(ex, 204, NULL);
    } else if (path_is(ex, "/toolarge")) {
        ex->out.max = 10;
        vk_buf_z(&ex->out, "more than ten");
        vk_respond(ex, 200, "text/plain");
    } else if (path_is(ex, "/fd")) {
        char text[16] = "";
        if (ex->passed_fd >= 0 && pread(ex->passed_fd, text, sizeof text - 1, 0) < 0)
            CHECK(false);
        vk_buf_printf(&ex->out, "%s %d", text, ex->peer_uid == getuid());
        vk_respond(ex, 200, "text/plain");
    } else if (path_is(ex, "/headers")) {
        static char large[VK_EX_HEADERS_MAX];
        memset(large, 'x', sizeof large);
        CHECK(vk_header_add(ex, "X-A", VK_STR("a\r\nX-Evil: 1")) == VK_E_INVALID);
        CHECK(vk_header_add(ex, "X-A", (vk_str){large, sizeof large}) == VK_E_TOO_LARGE);
        CHECK(vk_header_add(ex, "X-A", (vk_str){large, 1000}) == VK_OK);
        vk_buf_str(&ex->out, vk_request_header(ex, VK_STR("x-asked")));
        vk_respond(ex, 200, "text/plain");
    } else { /* echo */
        vk_buf_add(&ex->out, ex->body.p, ex->body.n);
        vk_respond(ex, 200, "application/octet-stream");
    }
}

static const vk_handler handler = {.head = on_head, .request = on_request};
static const vk_handler *served_by = &handler; /* a test may have another one */

static void *loop_main(void *arg)
{
    VK_UNUSED(arg);
    vk_loop_run(loop);
    return NULL;
}

static int start(void **state)
{
    static const vk_str names[] = {{"a", 1}, {"localhost", 9}, {"[::1]", 5}, {NULL, 0}};
    VK_UNUSED(state);
    char path[] = "/tmp/vk-test-server-XXXXXX";
    if ((file_fd = mkstemp(path)) < 0 || unlink(path) != 0)
        return -1;
    static char block[FILE_SIZE];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i * 31 >> 3);
    if (write(file_fd, block, sizeof block) != sizeof block || vk_loop_new(&loop) != VK_OK)
        return -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    if (bind(fd, (struct sockaddr *)&address, n) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &n) != 0)
        return -1;
    vk_server_init(&server, loop, served_by, NULL);
    vk_server_init(&pairs, loop, served_by, NULL);
    server.names = names;
#ifdef VK_TEST_TLS
    server.tls = tunnel_begin(&address);
#endif
    pairs.takes_fds = true;
    if (vk_server_listen(&server, fd) != VK_OK)
        return -1;
    return pthread_create(&loop_thread, NULL, loop_main, NULL);
}

static void pairs_gone(vk_server *s)
{
    VK_UNUSED(s);
    vk_loop_stop(loop);
}

static void server_gone(vk_server *s)
{
    VK_UNUSED(s);
    vk_server_close(&pairs, pairs_gone);
}

static void run_close(vk_task *t)
{
    VK_UNUSED(t);
    vk_server_close(&server, server_gone);
}

static bool close_begun;

static void begin_close(void)
{
    static vk_task task = {.run = run_close};
    close_begun = true;
    vk_loop_post(loop, &task);
}

/* Ends the server if the last test has not: every exchange has ended, and every connection. */
static int finish(void **state)
{
    VK_UNUSED(state);
    if (!close_begun)
        begin_close();
    pthread_join(loop_thread, NULL);
    bool sound = server.n_conns == 0 && pairs.n_conns == 0 && ended == made;
    vk_loop_free(loop);
    close(file_fd);
    return sound ? 0 : -1;
}

/* ---- the client ---- */

struct answer {
    int status;
    vk_buf text; /* the whole head, then nothing */
    vk_buf body;
    bool close, chunked, cut, over; /* over: the end of the connection came instead of an answer */
};

struct client {
    int fd;
    vk_buf in;
};

static struct client *dial(void)
{
    struct client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    vk_buf_init(&c->in, 16 << 20);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&address, sizeof address), 0);
    return c;
}

static void hang_up(struct client *c)
{
    close(c->fd);
    vk_buf_free(&c->in);
    free(c);
}

static void say_n(struct client *c, const char *text, size_t n)
{
    while (n) {
        ssize_t w = send(c->fd, text, n, MSG_NOSIGNAL);
        assert_true(w > 0);
        text += w;
        n -= (size_t)w;
    }
}

static void say(struct client *c, const char *text)
{
    say_n(c, text, strlen(text));
}

/* > 0 bytes, 0 end, -1 reset. Nothing at all within the time fails the test. */
static ssize_t hear_some(struct client *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    char *to = vk_buf_room(&c->in, 65536);
    assert_non_null(to);
    ssize_t n = recv(c->fd, to, 65536, 0);
    if (n > 0)
        c->in.n += (size_t)n;
    return n;
}

static void drop(struct client *c, size_t n)
{
    memmove(c->in.p, c->in.p + n, c->in.n - n);
    c->in.n -= n;
}

static void hear_body(struct client *c, const vk_head *h, struct answer *a)
{
    vk_chunked chunked = {0};
    uint64_t left = h->content_length;
    for (;;) {
        vk_str in = vk_buf_view(&c->in), data;
        vk_chunk got = VK_CHUNK_MORE;
        if (h->framing == VK_FRAME_CHUNKED) {
            while ((got = vk_chunked_next(&chunked, &in, &data)) == VK_CHUNK_DATA)
                vk_buf_str(&a->body, data);
            assert_int_not_equal(got, VK_CHUNK_BAD);
        } else {
            size_t n = h->framing == VK_FRAME_EOF || in.n < left ? in.n : (size_t)left;
            vk_buf_add(&a->body, in.p, n);
            in.p += n;
            in.n -= n;
            left -= h->framing == VK_FRAME_EOF ? 0 : n;
            if (h->framing != VK_FRAME_EOF && left == 0)
                got = VK_CHUNK_END;
        }
        drop(c, c->in.n - in.n);
        if (got == VK_CHUNK_END)
            return;
        ssize_t n = hear_some(c);
        if (n > 0)
            continue;
        a->cut = n < 0 || h->framing != VK_FRAME_EOF;
        return;
    }
}

static struct answer hear_to(struct client *c, const char *method)
{
    struct answer a = {0};
    vk_buf_init(&a.text, 65536);
    vk_buf_init(&a.body, 32 << 20);
    for (;;) {
        vk_head h;
        int used = c->in.n ? vk_head_response(c->in.p, c->in.n, vk_str_z(method), &h) : 0;
        if (used < 0)
            fail_msg("no HTTP: %.*s", (int)c->in.n, c->in.p);
        if (used > 0) {
            vk_buf_add(&a.text, c->in.p, (size_t)used);
            a.status = h.status;
            a.close = !h.keep_alive;
            a.chunked = h.framing == VK_FRAME_CHUNKED;
            drop(c, (size_t)used);
            if (h.status >= 200)
                hear_body(c, &h, &a);
            return a;
        }
        ssize_t n = hear_some(c);
        if (n <= 0) {
            a.over = true;
            a.cut = n < 0;
            return a;
        }
    }
}

static struct answer hear(struct client *c)
{
    return hear_to(c, "GET");
}

static void forget(struct answer *a)
{
    vk_buf_free(&a->text);
    vk_buf_free(&a->body);
}

static void expect(struct client *c, int status, const char *body)
{
    struct answer a = hear(c);
    if (a.status != status || (body && !vk_str_eqz(vk_buf_view(&a.body), body)))
        fail_msg("%d %.*s instead of %d %s", a.status, (int)a.body.n, a.body.p ? a.body.p : "", status,
                 body ? body : "");
    assert_false(a.cut);
    forget(&a);
}

/* The orderly end of the connection, and not a reset. */
static void expect_end(struct client *c)
{
    struct answer a = hear(c);
    if (!a.over || a.cut)
        fail_msg("%s instead of the end", a.over ? "a reset" : "an answer");
    forget(&a);
}

static bool head_has(const struct answer *a, const char *text)
{
    return memmem(a->text.p, a->text.n, text, strlen(text)) != NULL;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void wait_for(_Atomic int *counter, int value)
{
    int64_t until = vk_clock_mono_ms() + WAIT_MS;
    while (*counter != value && vk_clock_mono_ms() < until)
        usleep(1000);
    assert_int_equal(*counter, value);
}

/* ---- time ---- */

static _Atomic int leaps;
static int64_t leap_ms;
static vk_timer leap_timer;
static vk_task leap_task;

static void leapt(vk_task *t)
{
    VK_UNUSED(t);
    leaps++;
}

/* Behind all of the same turn of the wheel. */
static void leap_fired(vk_timer *t)
{
    VK_UNUSED(t);
    leap_task.run = leapt;
    vk_loop_post(loop, &leap_task);
}

static void run_leap(vk_task *t)
{
    VK_UNUSED(t);
    loop->skew_ms += leap_ms;
    vk_timer_set(loop, &leap_timer, 2 * VK_TICK_MS, leap_fired); /* one is what timers are late by */
}

/* Time goes on by `ms` for the server, and its timers have fired. */
static void leap(int64_t ms)
{
    int before = leaps;
    leap_ms = ms;
    leap_task.run = run_leap;
    vk_loop_post(loop, &leap_task);
    wait_for(&leaps, before + 1);
}

static bool is_open(struct client *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

#define USUAL(id) vk_limits_usual.of[VK_LIMIT_##id]

/* The server has read so many bytes more than `before`. */
static void wait_received(uint64_t before, uint64_t n)
{
    int64_t until = vk_clock_mono_ms() + WAIT_MS;
    while (server.traffic.received < before + n && vk_clock_mono_ms() < until)
        usleep(1000);
    assert_int_equal(server.traffic.received, before + n);
}

#endif
