#include "http/server.h"

#include "core/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A real server on a loop of its own thread; the tests are its clients, over plain blocking sockets. Only the
 * test's thread asserts; a broken promise on the loop's side aborts. */

enum { BODY_MAX = 1 << 20, FILE_SIZE = 3 << 20, PIECES = 300, PIECE = 20000, WAIT_MS = 10000 };

static vk_loop *loop;
static vk_server server, pairs; /* TCP; socketpairs with descriptors */
static pthread_t loop_thread;
static struct sockaddr_in address;
static int file_fd;
static _Atomic int made, ended, stopped, gone, served, lates;

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

/* ------------------------------------------------------------------------------------------------ the
 * handler */

struct numbers { /* a source: PIECES times PIECE bytes, or what the path says */
    vk_source source;
    vk_exchange *ex;
    vk_timer timer;
    int left;
    bool waits, fails, idles;
};

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
        char large[1100];
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
    vk_server_init(&server, loop, &handler, NULL);
    vk_server_init(&pairs, loop, &handler, NULL);
    server.names = names;
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

/* ------------------------------------------------------------------------------------------------- the
 * client */

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

/* --------------------------------------------------------------------------------------------------- the
 * tests */

static void keep_alive(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    for (int i = 0; i < 50; i++) {
        say(c, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        expect(c, 200, "hello");
    }
    say(c, "GET /len HTTP/1.1\r\nHost: localhost:4502\r\nConnection: close\r\n\r\n");
    struct answer a = hear(c);
    assert_true(a.status == 200 && a.close && head_has(&a, "\r\nDate: ") &&
                head_has(&a, "\r\nContent-Length: 1\r\n"));
    forget(&a);
    expect_end(c);
    hang_up(c);
}

static void http_1_0(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    say(c, "GET /len HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    struct answer a = hear(c);
    assert_true(a.status == 200 && !a.close && head_has(&a, "Connection: keep-alive"));
    forget(&a);
    say(c, "GET /len HTTP/1.0\r\nHost: a\r\n\r\n");
    a = hear(c);
    assert_true(a.status == 200 && a.close);
    forget(&a);
    expect_end(c);
    hang_up(c);
    c = dial();
    say(c, "GET /idle HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"); /* until close: no other
                                                                                  framing is there */
    a = hear(c);
    assert_true(a.status == 200 && a.close && !a.chunked && !a.cut && a.body.n == 4 * PIECE);
    forget(&a);
    hang_up(c);
}

static void pipelining(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    vk_buf all;
    vk_buf_init(&all, 1 << 20);
    for (int i = 0; i < 500; i++)
        vk_buf_printf(&all, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%d",
                      i < 10    ? 1
                      : i < 100 ? 2
                                : 3,
                      i);
    say_n(c, all.p, all.n);
    for (int i = 0; i < 500; i++) {
        char want[8];
        snprintf(want, sizeof want, "%d", i);
        expect(c, 200, want);
    }
    /* Answers keep the order of the requests, however long one takes. */
    say(c, GET("/late") "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                        "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" GET("/len"));
    expect(c, 200, "late");
    expect(c, 200, "abc");
    expect(c, 200, "0");
    /* A head that is refused behind one that was served: its answer is whole. */
    say(c, GET("/len") "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n" GET("/len"));
    expect(c, 200, "0");
    expect(c, 400, NULL);
    expect_end(c);
    hang_up(c);
    /* After "close" nothing more is served. */
    int before = served;
    c = dial();
    say(c, "GET /len HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/len") GET("/len"));
    expect(c, 200, "0");
    expect_end(c);
    assert_int_equal(served, before + 1);
    hang_up(c);
    vk_buf_free(&all);
}

static void byte_by_byte(void **state)
{
    VK_UNUSED(state);
    static const char text[] = "POST /x?q HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "4;ext=1\r\nabcd\r\n1\r\ne\r\n0\r\nTrailer: x\r\n\r\nPOST /y "
                               "HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok";
    struct client *c = dial();
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        say_n(c, text + i, 1);
        if (i % 16 == 0)
            usleep(1000);
    }
    expect(c, 200, "abcde");
    expect(c, 200, "ok");
    hang_up(c);
}

static void large_bodies(void **state)
{
    VK_UNUSED(state);
    static char body[BODY_MAX + 1];
    char head[200];
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)(i * 7 >> 2);
    struct client *c = dial();
    int n =
        snprintf(head, sizeof head, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", BODY_MAX);
    for (int secret = 0; secret < 2; secret++) {
        say_n(c, head, (size_t)n);
        say_n(c, body, BODY_MAX);
        struct answer a = hear(c);
        assert_true(a.status == 200 && a.body.n == BODY_MAX);
        assert_memory_equal(a.body.p, body, BODY_MAX);
        forget(&a);
        n = snprintf(head, sizeof head, "POST /secret HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
                     BODY_MAX);
    }
    say(c, "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < BODY_MAX; at += 65536) {
        say(c, "10000\r\n");
        say_n(c, body + at, 65536);
        say(c, "\r\n");
    }
    say(c, "0\r\n\r\n");
    struct answer a = hear(c);
    assert_true(a.status == 200 && a.body.n == BODY_MAX);
    assert_memory_equal(a.body.p, body, BODY_MAX);
    forget(&a);
    hang_up(c);
}

/* The client goes on sending, as clients do; it must be able to read why it was refused. */
static void too_large(void **state)
{
    VK_UNUSED(state);
    static char body[300000];
    memset(body, 'x', sizeof body);
    for (int chunked = 0; chunked < 2; chunked++) {
        int before = served;
        struct client *c = dial();
        say(c, chunked ? "POST /none HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n"
                       : "POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
        say_n(c, body, sizeof body);
        expect(c, 413, NULL);
        expect_end(c);
        assert_int_equal(served, before);
        hang_up(c);
    }
    struct client *c = dial(); /* exactly what is allowed, and one byte more in a second chunk */
    say(c, "POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
           "POST /none HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
           "POST /none HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    expect(c, 200, "");
    expect(c, 200, "");
    expect(c, 413, NULL);
    hang_up(c);
}

static void continue_100(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    say(c, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    expect(c, 100, "");
    say(c, "hello");
    expect(c, 200, "hello");
    say(c,
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"); /* did not
                                                                                                     wait */
    expect(c, 200, "hello");
    say(c, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n"); /* nothing to
                                                                                                   wait for */
    expect(c, 200, "");
    say(c, "POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    expect(c, 401, "no"); /* the refusal comes instead */
    expect_end(c);
    hang_up(c);
    c = dial();
    say(c, "POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    expect(c, 413, NULL);
    hang_up(c);
    c = dial();
    say(c, "POST /x HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
    expect(c, 200, "hello");
    hang_up(c);
}

/* What a refused or early-answered request still sends is never read as a request. */
static void bodies_of_answered_requests(void **state)
{
    VK_UNUSED(state);
    static const char *const paths[] = {"/refused", "/early"};
    static const char smuggled[] = "GET /len HTTP/1.1\r\nHost: a\r\n\r\n";
    char text[400], large[400];
    for (size_t i = 0; i < VK_COUNT(paths); i++) {
        int before = served;
        struct client *c = dial();
        snprintf(text, sizeof text, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s", paths[i],
                 sizeof smuggled - 1, smuggled);
        for (int k = 0; k < 5; k++) { /* small: read past, the connection goes on */
            say(c, text);
            expect(c, i == 0 ? 401 : 200, i == 0 ? "no" : "early");
        }
        say_n(c, text, strlen(text) - 5); /* also when it comes in two parts */
        usleep(20000);
        say_n(c, text + strlen(text) - 5, 5);
        expect(c, i == 0 ? 401 : 200, NULL);
        say(c, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
        expect(c, 200, "ok");
        snprintf(large, sizeof large, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n%s%s",
                 paths[i], smuggled, smuggled);
        say(c, large); /* large: the connection ends */
        expect(c, i == 0 ? 401 : 200, NULL);
        expect_end(c);
        hang_up(c);
        c = dial();
        snprintf(large, sizeof large, "POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%s",
                 paths[i], smuggled);
        say(c, large);
        expect(c, i == 0 ? 401 : 200, NULL);
        expect_end(c);
        hang_up(c);
        assert_int_equal(served, before + 1);
    }
    struct client *c = dial(); /* an error without an answer is an answer too */
    say(c, GET("/silent"));
    expect(c, 403, NULL);
    expect_end(c);
    hang_up(c);
}

static void refusals(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n", 421},
        {"GET / HTTP/1.1\r\nHost: a.evil\r\n\r\n", 421},
        {"GET / HTTP/1.1\r\nHost: [::2]\r\n\r\n", 421},
        {"GET / HTTP/1.0\r\n\r\n", 421},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
        {"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"\x16\x03\x01\x02", 400}, /* TLS to a plain port */
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct client *c = dial();
        say(c, cases[i].text);
        expect(c, cases[i].status, NULL);
        expect_end(c);
        hang_up(c);
    }
    static const char *const known[] = {"a",           "A",     "a.",       "a:4502",
                                        "localhost:1", "[::1]", "[::1]:80", "LOCALHOST"};
    for (size_t i = 0; i < VK_COUNT(known); i++) {
        char text[100];
        struct client *c = dial();
        snprintf(text, sizeof text, "GET /len HTTP/1.1\r\nHost: %s\r\n\r\n", known[i]);
        say(c, text);
        expect(c, 200, "0");
        hang_up(c);
    }
    /* Heads that are too large, in one field and in many, while the client goes on sending. */
    static char field[200000];
    memset(field, 'a', sizeof field);
    struct client *c = dial();
    say(c, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    say_n(c, field, sizeof field);
    expect(c, 431, NULL);
    expect_end(c);
    hang_up(c);
    c = dial();
    say(c, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 200; i++)
        say(c, "X: y\r\n");
    expect(c, 431, NULL);
    hang_up(c);
}

static void head_method(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    static const char *const paths[] = {"/x", "/file", "/numbers", "/late"};
    for (size_t i = 0; i < VK_COUNT(paths); i++) {
        char text[100];
        snprintf(text, sizeof text, "HEAD %s HTTP/1.1\r\nHost: a\r\n\r\n", paths[i]);
        say(c, text);
        struct answer a = hear_to(c, "HEAD");
        assert_true(a.status == 200 && a.body.n == 0 && !a.close);
        if (i == 1)
            assert_true(head_has(&a, "Content-Length: 3144728\r\n"));
        forget(&a);
        say(c, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok"); /* in step */
        expect(c, 200, "ok");
    }
    hang_up(c);
}

static void answers_without_body(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    say(c, GET("/nothing") GET("/toolarge") "GET /headers HTTP/1.1\r\nHost: a\r\nX-Asked: b  \r\n\r\n");
    struct answer a = hear(c);
    assert_true(a.status == 204 && !head_has(&a, "Content-Length") && !a.close);
    forget(&a);
    expect(c, 500, ""); /* what does not fit is an error, and not a part of it */
    a = hear(c);
    assert_true(a.status == 200 && vk_str_eqz(vk_buf_view(&a.body), "b") && !head_has(&a, "Evil") &&
                head_has(&a, "X-A: xxx"));
    forget(&a);
    hang_up(c);
}

static void files(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    for (int i = 0; i < 3; i++) {
        say(c, GET("/file"));
        if (i == 1)
            usleep(200000); /* the socket is full meanwhile */
        struct answer a = hear(c);
        assert_true(a.status == 200 && a.body.n == FILE_SIZE - 1000);
        for (size_t k = 0; k < a.body.n; k++)
            if (a.body.p[k] != (char)((k + 1000) * 31 >> 3))
                fail_msg("byte %zu", k);
        forget(&a);
    }
    assert_int_equal(ftruncate(file_fd, 5000), 0); /* shorter than promised: the client notices */
    say(c, GET("/file"));
    struct answer a = hear(c);
    assert_true(a.status == 200 && a.cut && a.body.n == 4000);
    forget(&a);
    hang_up(c);
}

static void wait_for(_Atomic int *counter, int value)
{
    int64_t until = vk_clock_mono_ms() + WAIT_MS;
    while (*counter != value && vk_clock_mono_ms() < until)
        usleep(1000);
    assert_int_equal(*counter, value);
}

static void sources(void **state)
{
    VK_UNUSED(state);
    int before = stopped;
    struct client *c = dial();
    say(c, GET("/numbers"));
    usleep(200000); /* back-pressure: the source waits for us */
    struct answer a = hear(c);
    assert_true(a.status == 200 && a.chunked && !a.cut && a.body.n == (size_t)PIECES * PIECE);
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(a.body.p[i * PIECE], 'a' + (PIECES - i) % 26);
    forget(&a);
    say(c, GET("/idle") GET("/empty")); /* one that has to wait now and then, one that has nothing */
    a = hear(c);
    assert_true(a.status == 200 && !a.cut && a.body.n == 4 * PIECE);
    forget(&a);
    a = hear(c);
    assert_true(a.status == 200 && a.chunked && !a.cut && a.body.n == 0);
    forget(&a);
    say(c, GET("/cut"));
    a = hear(c);
    assert_true(a.status == 200 && a.cut && a.body.n == 5 * PIECE);
    forget(&a);
    hang_up(c);
    c = dial();
    say(c, "GET /cut HTTP/1.0\r\nHost: a\r\n\r\n");
    a = hear(c);
    assert_true(a.cut || a.over);
    forget(&a);
    hang_up(c);
    wait_for(&stopped, before + 5);
    /* A client that goes away in the middle. */
    for (int i = 0; i < 5; i++) {
        c = dial();
        say(c, GET("/numbers"));
        while (c->in.n < 100000)
            assert_true(hear_some(c) > 0);
        hang_up(c);
    }
    wait_for(&stopped, before + 10);
}

static void clients_that_leave(void **state)
{
    VK_UNUSED(state);
    int before = lates;
    for (int i = 0; i < 20; i++) { /* while a thread has the exchange */
        struct client *c = dial();
        say(c, GET("/late"));
        if (i % 2) {
            struct linger reset = {.l_onoff = 1};
            setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        }
        wait_for(&lates, before + i + 1);
        if (i % 4 > 1)
            say(c, GET("/len")); /* and with a next request in the socket */
        hang_up(c);
    }
    usleep(300000);
    wait_for(&ended, made);
    /* Half-closed: the answer still goes out. */
    struct client *c = dial();
    say(c, GET("/late") "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
    shutdown(c->fd, SHUT_WR);
    expect(c, 200, "late");
    expect(c, 200, "ok");
    expect_end(c);
    hang_up(c);
    /* In the middle of a head, of a body, of a body that is read past. */
    static const char *const parts[] = {
        "GET /len HTT", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
        "POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"};
    for (size_t i = 0; i < VK_COUNT(parts); i++) {
        int had = served;
        c = dial();
        say(c, parts[i]);
        shutdown(c->fd, SHUT_WR);
        expect_end(c);
        assert_int_equal(served, had);
        hang_up(c);
    }
    wait_for(&ended, made);
}

static void framing_cases(void **state)
{
    VK_UNUSED(state);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/tests/http/framing-cases.json", getenv("VK_SOURCE_ROOT"));
    json_t *all = json_load_file(path, JSON_ALLOW_NUL, NULL), *one;
    assert_non_null(all);
    size_t i;
    assert_int_equal(json_array_size(json_object_get(all, "cases")), 33);
    json_array_foreach(json_object_get(all, "cases"), i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        json_t *raw = json_object_get(one, "raw"), *required = json_object_get(one, "required");
        struct client *c = dial();
        const char *text = json_string_value(raw), *many = strstr(text, "{a*65536}");
        if (many) {
            static char filler[65536];
            memset(filler, 'a', sizeof filler);
            say_n(c, text, (size_t)(many - text));
            say_n(c, filler, sizeof filler);
            say(c, many + 9);
        } else {
            say_n(c, text, json_string_length(raw));
        }
        struct answer a = hear(c);
        bool listed = false;
        for (size_t k = 0; k < json_array_size(required); k++)
            listed |= json_integer_value(json_array_get(required, k)) == a.status;
        if (!listed || a.cut)
            fail_msg("%s: %d%s", name, a.status, a.cut ? ", cut" : "");
        if (a.status == 400)
            expect_end(c);
        if (strcmp(name, "get_with_te_and_pipelined") == 0)
            expect(c, 200, "");
        forget(&a);
        hang_up(c);
    }
    json_decref(all);
}

/* ---- socketpairs ---- */

static void on_gone(void *arg)
{
    VK_UNUSED(arg);
    gone++;
}

struct adopt_task {
    vk_task task;
    int fd;
};

static void run_adopt(vk_task *t)
{
    CHECK(vk_server_adopt(&pairs, VK_CONTAINER(t, struct adopt_task, task)->fd, on_gone, NULL) == VK_OK);
}

static struct client *dial_pair(void)
{
    static struct adopt_task adopt;
    struct client *c = calloc(1, sizeof *c);
    int pair[2];
    assert_non_null(c);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
    vk_buf_init(&c->in, 1 << 20);
    c->fd = pair[0];
    adopt = (struct adopt_task){{.run = run_adopt}, pair[1]};
    vk_loop_post(loop, &adopt.task);
    return c;
}

static int open_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void say_with_fds(struct client *c, const char *text, int n)
{
    char name[] = "/tmp/vk-test-fd-XXXXXX";
    int fds[8];
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "/tmp/vk-test-fd-XXXXXX");
        fds[i] = mkstemp(name);
        assert_true(fds[i] >= 0);
        unlink(name);
        assert_int_equal(write(fds[i], "passed", 6), 6);
    }
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof fds)];
    } control = {0};
    struct iovec iov = {(char *)(uintptr_t)text, strlen(text)};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int))};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
    memcpy(CMSG_DATA(h), fds, (size_t)n * sizeof(int));
    assert_int_equal(sendmsg(c->fd, &m, 0), (ssize_t)strlen(text));
    for (int i = 0; i < n; i++)
        close(fds[i]);
}

static void descriptors(void **state)
{
    VK_UNUSED(state);
    int gone_before = gone;
    struct client *c = dial_pair();
    say(c, GET("/fd"));
    expect(c, 200, " 1"); /* the peer's uid is known */
    int before = open_fds();
    for (int i = 0; i < 5; i++) {
        say_with_fds(c, GET("/fd"), 1);
        expect(c, 200, "passed 1");
        say_with_fds(c, GET("/fd"), 2); /* more than one: nobody keeps the others */
        expect(c, 200, "passed 1");
        say_with_fds(c, GET("/fd"), 8);
        expect(c, 200, "passed 1");
        say_with_fds(c, GET("/len"), 3); /* not taken */
        expect(c, 200, "0");
        say(c, GET("/fd")); /* and none is left for the next one */
        expect(c, 200, " 1");
    }
    wait_for(&ended, made);
    assert_int_equal(open_fds(), before);
    say_with_fds(c, "GET /fd HT", 2); /* left in the middle */
    hang_up(c);
    wait_for(&gone, gone_before + 1);
    assert_int_equal(open_fds(), before - 2);
}

/* The connection waits in the queue until there is a descriptor again, and the loop does not spin meanwhile.
 */
static void no_descriptors_left(void **state)
{
    VK_UNUSED(state);
    struct rlimit had, none;
    struct timespec a, b;
    clockid_t clock;
    struct client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    vk_buf_init(&c->in, 1 << 20);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &had), 0);
    none = had;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int connected = connect(c->fd, (struct sockaddr *)&address, sizeof address);
    pthread_getcpuclockid(loop_thread, &clock);
    clock_gettime(clock, &a);
    usleep(350000);
    clock_gettime(clock, &b);
    setrlimit(RLIMIT_NOFILE, &had);
    assert_int_equal(connected, 0);
    assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < 100);
    say(c, GET("/len"));
    expect(c, 200, "0");
    hang_up(c);
}

/* Last: ends the server while connections are in every state. */
static void closing(void **state)
{
    VK_UNUSED(state);
    static vk_task task = {.run = run_close};
    struct client *idle = dial(), *busy = dial(), *sending = dial(), *partial = dial(), *pair = dial_pair();
    int before = served;
    say(idle, GET("/len"));
    expect(idle, 200, "0");
    say(pair, GET("/len"));
    expect(pair, 200, "0");
    say(partial, "GET /len HTTP/1.1\r\nHo");
    say(busy, GET("/late"));
    say(sending, GET("/numbers"));
    wait_for(&served, before + 4);
    usleep(20000);
    vk_loop_post(loop, &task);
    expect_end(idle);
    expect(busy, 200, "late"); /* with Connection: close, or it would not end */
    expect_end(busy);
    say(partial, "st: a\r\n\r\n");
    expect(partial, 200, "0");
    expect_end(partial);
    struct answer a = hear(sending);
    assert_true(a.status == 200 && !a.cut && a.body.n == (size_t)PIECES * PIECE);
    forget(&a);
    expect_end(sending);
    expect_end(pair);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), -1);
    close(fd);
    hang_up(idle);
    hang_up(busy);
    hang_up(sending);
    hang_up(partial);
    hang_up(pair);
    pthread_join(loop_thread, NULL);
    assert_true(server.n_conns == 0 && pairs.n_conns == 0);
    assert_int_equal(ended, made);
    vk_loop_free(loop);
    close(file_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keep_alive),
        cmocka_unit_test(http_1_0),
        cmocka_unit_test(pipelining),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(large_bodies),
        cmocka_unit_test(too_large),
        cmocka_unit_test(continue_100),
        cmocka_unit_test(bodies_of_answered_requests),
        cmocka_unit_test(refusals),
        cmocka_unit_test(head_method),
        cmocka_unit_test(answers_without_body),
        cmocka_unit_test(files),
        cmocka_unit_test(sources),
        cmocka_unit_test(clients_that_leave),
        cmocka_unit_test(framing_cases),
        cmocka_unit_test(descriptors),
        cmocka_unit_test(no_descriptors_left),
        cmocka_unit_test(closing),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
