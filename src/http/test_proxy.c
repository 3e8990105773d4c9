#include "http/test_rig.h"

#include "crypto/selfsign.h"
#include "http/proxy.h"

#include <fcntl.h>

/* Clients ask a server that passes all on to another one: `origin`, which has the rig's own handler, or one
 * that a test plays by hand ("/by-hand/…"). With VK_TEST_TLS both ways are under TLS. */

static vk_server origin;
static vk_upstream *pool, *by_hand;
static vk_tls_host *origin_host;
static vk_tls_trust *trust;
static struct sockaddr_in origin_at;
static int hand_listener;
static struct sockaddr_in hand_at;
static _Atomic int fails, proxies, proxies_ended, last_status, last_err;
static _Atomic uint64_t last_sent, last_received;

static vk_err copy_lines(vk_proxy *p, const vk_head *h)
{
    vk_str x = vk_head_get(h, VK_STR("X-Pass"));
    if (x.n && vk_header_add(p->ex, "X-Pass", x) != VK_OK)
        return VK_E_NOMEM;
    if (path_is(p->ex, "/not-on") || path_is(p->ex, "/by-hand/not-on"))
        return vk_fail(p->ex, VK_E_FORBIDDEN, "Not this one");
    if (vk_str_starts(p->ex->query, VK_STR("collect")))
        vk_proxy_collect(p, 100000);
    return VK_OK;
}

static void collected(vk_proxy *p, int status)
{
    vk_buf_z(&p->ex->out, "|collected");
    vk_respond(p->ex, status, "text/plain");
}

static void failed(vk_proxy *p, vk_err e, const char *why)
{
    fails++;
    CHECK(why[0] && p->ex->out.n == 0);
    vk_buf_printf(&p->ex->out, "%s: %s", vk_err_name(e), why);
    vk_respond(p->ex, e == VK_E_TIMEOUT ? 504 : 502, "text/plain");
}

static void on_ended(vk_proxy *p, vk_err e, int status, uint64_t sent, uint64_t received)
{
    VK_UNUSED(p);
    last_err = (int)e;
    last_status = status;
    last_sent = sent;
    last_received = received;
    proxies_ended++;
}

static const vk_proxy_ways ways = {copy_lines, collected, failed, on_ended};

static void stars(vk_proxy *p, char *bytes, size_t n, bool end)
{
    VK_UNUSED(p);
    VK_UNUSED(end);
    for (char *at = bytes; (at = memmem(at, n - (size_t)(at - bytes), "secret", 6)); at += 6)
        memset(at, '*', 6);
}

static vk_err filter_head(vk_proxy *p, const vk_head *h)
{
    vk_proxy_filter(p, stars, 5);
    return copy_lines(p, h);
}

static const vk_proxy_ways filtering = {filter_head, collected, failed, on_ended};

static vk_err begin_proxy(vk_exchange *ex)
{
    vk_buf head;
    vk_proxy *p;
    bool hand = vk_str_starts(ex->path, VK_STR("/by-hand"));
    int64_t n = vk_proxy_body_n(ex);
    vk_buf_init(&head, 65536);
    vk_buf_printf(&head, VK_STR_FMT " " VK_STR_FMT " HTTP/1.1\r\nHost: localhost\r\n", VK_STR_ARG(ex->method),
                  VK_STR_ARG(ex->target));
    if (n < 0)
        vk_buf_z(&head, "Transfer-Encoding: chunked\r\n");
    if (vk_str_starts(ex->query, VK_STR("upgrade")))
        vk_buf_z(&head, "Connection: Upgrade\r\nUpgrade: x\r\n");
    if (n > 0)
        vk_buf_printf(&head, "Content-Length: %lld\r\n", (long long)n);
    vk_buf_z(&head, "\r\n");
    vk_str kept = vk_arena_dup(ex->arena, vk_buf_view(&head));
    vk_buf_free(&head);
    CHECK(kept.p);
    vk_proxy_ask ask = {.to = hand ? by_hand : pool,
                        .head = kept,
                        .method = ex->method,
                        .secret = vk_str_starts(ex->query, VK_STR("secret")),
                        .again = vk_str_eqz(ex->method, "GET"),
                        .upgrade = vk_str_starts(ex->query, VK_STR("upgrade")),
                        .first_ms = hand ? 20000 : 0,
                        .idle_ms = hand ? 20000 : 0,
                        .ways = vk_str_starts(ex->query, VK_STR("filter")) ? &filtering : &ways};
    vk_err e = vk_proxy_begin(ex, &ask, &p);
    proxies += e == VK_OK;
    return e;
}

static void begin_late(vk_exchange *ex)
{
    if (begin_proxy(ex) != VK_OK)
        abort();
}

static void proxy_done(vk_exchange *ex)
{
    VK_UNUSED(ex);
    ended++;
}

static vk_err proxy_head(vk_exchange *ex)
{
    made++;
    ex->done = proxy_done;
    ex->body_max = 64 << 20;
    if (vk_str_starts(ex->query, VK_STR("held"))) {
        vk_proxy_hold(ex);
        vk_exchange_post(ex, begin_late);
        return VK_OK;
    }
    return begin_proxy(ex);
}

static const vk_handler proxy_handler = {.head = proxy_head, .request = vk_proxy_request};

/* ---- the rig */

static int listen_on(struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof *at;
    if (bind(fd, (struct sockaddr *)at, n) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)at, &n) != 0)
        return -1;
    return fd;
}

static vk_err origin_head(vk_exchange *ex)
{
    ex->body_max = 64 << 20;
    if (path_is(ex, "/refused")) {
        vk_respond_text(ex, 401, "text/plain", VK_STR("no"));
        return VK_E_UNAUTHORIZED;
    }
    return VK_OK;
}

static void origin_request(vk_exchange *ex)
{
    if (path_is(ex, "/pass") || path_is(ex, "/not-on")) {
        vk_err e = vk_header_add(ex, "X-Pass", VK_STR("on"));
        CHECK(e == VK_OK && vk_header_add(ex, "X-Other", VK_STR("not")) == VK_OK);
        vk_buf_z(&ex->out, "passed");
        vk_respond(ex, 200, "application/json");
        return;
    }
    on_request(ex);
}

static const vk_handler origin_handler = {.head = origin_head, .request = origin_request};

#ifdef VK_TEST_TLS
static void origin_tls(void)
{
    vk_selfsign_names names = {0};
    vk_buf cert, key;
    char why[VK_TLS_WHY_MAX], file[] = "/tmp/vk-test-proxy-XXXXXX";
    vk_buf_init(&cert, 65536);
    vk_buf_init(&key, 65536);
    int fd = mkstemp(file);
    if (vk_selfsign_name(&names, VK_STR("localhost")) != VK_OK || vk_selfsign(&names, &cert, &key) != VK_OK ||
        vk_tls_host_new(&origin_host) != VK_OK ||
        vk_tls_host_load(origin_host, vk_buf_view(&cert), vk_buf_view(&key), "cert", "key", why) != VK_OK ||
        write(fd, cert.p, cert.n) != (ssize_t)cert.n || vk_tls_trust_new(file, &trust, why) != VK_OK)
        abort();
    close(fd);
    unlink(file);
    vk_buf_free(&cert);
    vk_buf_free_secret(&key);
}
#endif

struct job {
    vk_task task;
    void (*run)(void);
    _Atomic bool over;
};

static void run_job(vk_task *t)
{
    struct job *j = VK_CONTAINER(t, struct job, task);
    j->run();
    j->over = true;
}

static void on_loop(void (*run)(void))
{
    struct job j = {.task = {.run = run_job}, .run = run};
    vk_loop_post(loop, &j.task);
    for (int64_t until = vk_clock_mono_ms() + WAIT_MS; !j.over && vk_clock_mono_ms() < until;)
        usleep(200);
    assert_true(j.over);
}

static void begin_origin(void)
{
    static const vk_str names[] = {{"localhost", 9}, {NULL, 0}};
    int fd = listen_on(&origin_at);
    CHECK(fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    vk_server_init(&origin, loop, &origin_handler, NULL);
    origin.names = names;
#ifdef VK_TEST_TLS
    origin_tls();
    origin.tls = origin_host;
#endif
    CHECK(vk_server_listen(&origin, fd) == VK_OK);
    vk_upstream_place at = {.host = "localhost", .port = ntohs(origin_at.sin_port), .trust = trust};
    CHECK(vk_upstream_new(loop, &at, &pool) == VK_OK);
    at = (vk_upstream_place){.host = "127.0.0.1", .port = ntohs(hand_at.sin_port)};
    CHECK(vk_upstream_new(loop, &at, &by_hand) == VK_OK);
}

static _Atomic bool origin_over;

static void origin_gone(vk_server *s)
{
    VK_UNUSED(s);
    origin_over = true;
}

static void end_origin(void)
{
    vk_upstream_free(pool);
    vk_upstream_free(by_hand);
    vk_server_close(&origin, origin_gone);
}

static int set_up(void **state)
{
    hand_listener = listen_on(&hand_at);
    served_by = &proxy_handler;
    if (hand_listener < 0 || start(state) != 0)
        return -1;
    on_loop(begin_origin);
    return 0;
}

static int tear_down(void **state)
{
    on_loop(end_origin);
    for (int64_t until = vk_clock_mono_ms() + WAIT_MS; !origin_over && vk_clock_mono_ms() < until;)
        usleep(1000);
    int r = finish(state);
    vk_tls_trust_free(trust);
    vk_tls_host_free(origin_host);
    close(hand_listener);
    return origin_over && proxies == proxies_ended ? r : -1;
}

static vk_upstream_counts counted;

static void count_pool(void)
{
    vk_upstream_count(pool, &counted);
}

static vk_upstream_counts counts(void)
{
    on_loop(count_pool);
    return counted;
}

static void nothing(void) {}

/* What has been sent by hand is known on the loop. */
static void settle(void)
{
    for (int i = 0; i < 3; i++)
        on_loop(nothing);
}

/* ---- by the rig's handler */

static void answers_pass(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    for (int i = 0; i < 3; i++) {
        say(c, GET("/pass"));
        struct answer a = hear(c);
        assert_int_equal(a.status, 200);
        assert_true(vk_str_eqz(vk_buf_view(&a.body), "passed"));
        assert_true(head_has(&a, "\r\nContent-Type: application/json\r\n"));
        assert_true(head_has(&a, "\r\nContent-Length: 6\r\n"));
        assert_true(head_has(&a, "\r\nX-Pass: on\r\n"));
        assert_false(head_has(&a, "X-Other"));
        assert_false(a.close);
        forget(&a);
    }
    vk_upstream_counts n = counts();
    assert_int_equal(n.calls, 3);
    assert_int_equal(n.connects, 1);
    assert_int_equal(n.reused, 2);
    assert_int_equal(n.failed, 0);
    say(c, GET("/nothing"));
    expect(c, 204, "");
    say(c, GET("/refused"));
    expect(c, 401, "no");
    hang_up(c);
}

static char big[BODY_MAX];

static void bodies_pass(void **state)
{
    static const size_t sizes[] = {1, 100, 16384, 16385, 70000, BODY_MAX};
    struct client *c = dial();
    VK_UNUSED(state);
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7 >> 2);
    for (size_t i = 0; i < VK_COUNT(sizes); i++)
        for (int chunked = 0; chunked < 2; chunked++) {
            char head[200];
            if (chunked)
                snprintf(head, sizeof head,
                         "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n",
                         sizes[i]);
            else
                snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                         sizes[i]);
            say(c, head);
            say_n(c, big, sizes[i]);
            if (chunked)
                say(c, "\r\n0\r\n\r\n");
            struct answer a = hear(c);
            assert_int_equal(a.status, 200);
            assert_int_equal(a.body.n, sizes[i]);
            assert_memory_equal(a.body.p, big, sizes[i]);
            assert_false(a.chunked);
            forget(&a);
        }
    hang_up(c);
}

static void sources_pass(void **state)
{
    struct client *c = dial();
    VK_UNUSED(state);
    say(c, GET("/numbers") GET("/idle") GET("/empty") GET("/file") GET("/late"));
    struct answer a = hear(c);
    assert_true(a.chunked);
    assert_int_equal(a.body.n, PIECES * PIECE);
    forget(&a);
    a = hear(c);
    assert_int_equal(a.body.n, 4 * PIECE);
    forget(&a);
    expect(c, 200, "");
    a = hear(c);
    assert_int_equal(a.body.n, FILE_SIZE - 1000);
    assert_false(a.chunked);
    forget(&a);
    expect(c, 200, "late");
    say(c, GET("/cut"));
    a = hear(c);
    assert_true(a.cut);
    forget(&a);
    hang_up(c);
}

static void head_keeps_its_length(void **state)
{
    struct client *c = dial();
    VK_UNUSED(state);
    say(c, "HEAD /file HTTP/1.1\r\nHost: a\r\n\r\n");
    struct answer a = hear_to(c, "HEAD");
    char want[60];
    snprintf(want, sizeof want, "\r\nContent-Length: %d\r\n", FILE_SIZE - 1000);
    assert_int_equal(a.status, 200);
    assert_true(head_has(&a, want));
    forget(&a);
    say(c, GET("/pass"));
    expect(c, 200, "passed");
    hang_up(c);
}

static void bodies_may_be_held(void **state)
{
    struct client *c = dial();
    VK_UNUSED(state);
    say(c, "POST /echo?held HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n");
    say_n(c, big, 70000);
    struct answer a = hear(c);
    assert_int_equal(a.body.n, 70000);
    forget(&a);
    say(c, GET("/pass?held"));
    expect(c, 200, "passed");
    say(c, "POST /echo?held HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    a = hear(c);
    assert_int_equal(a.status, 100);
    forget(&a);
    say(c, "abc");
    expect(c, 200, "abc");
    hang_up(c);
}

static void continue_is_said_here(void **state)
{
    struct client *c = dial();
    VK_UNUSED(state);
    say(c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    struct answer a = hear(c);
    assert_int_equal(a.status, 100);
    forget(&a);
    say(c, "abc");
    expect(c, 200, "abc");
    hang_up(c);
}

static void answers_are_collected(void **state)
{
    struct client *c = dial();
    VK_UNUSED(state);
    say(c, GET("/pass?collect") GET("/numbers?collect"));
    expect(c, 200, "passed|collected");
    struct answer a = hear(c);
    assert_int_equal(a.status, 502);
    assert_non_null(memmem(a.body.p, a.body.n, "too_large", 9));
    forget(&a);
    hang_up(c);
}

static void what_may_not_go_on_does_not(void **state)
{
    struct client *c = dial();
    VK_UNUSED(state);
    say(c, GET("/not-on"));
    struct answer a = hear(c);
    assert_int_equal(a.status, 502);
    assert_true(vk_str_eqz(vk_buf_view(&a.body), "forbidden: Not this one"));
    assert_false(head_has(&a, "X-Pass"));
    forget(&a);
    hang_up(c);
}

/* ---- by hand */

/* The proxy's connection to whom the test plays. */
static struct client *answer_hand(void)
{
    struct client *h = calloc(1, sizeof *h);
    struct pollfd p = {.fd = hand_listener, .events = POLLIN};
    assert_non_null(h);
    vk_buf_init(&h->in, 128 << 20);
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    h->fd = accept4(hand_listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(h->fd >= 0);
    return h;
}

/* Until `text` has come. */
static void hear_text(struct client *h, const char *text)
{
    while (!h->in.n || !memmem(h->in.p, h->in.n, text, strlen(text)))
        if (hear_some(h) <= 0)
            fail_msg("the end instead of %s", text);
}

/* No more comes, and nothing has. */
static void hear_end(struct client *h)
{
    while (hear_some(h) > 0)
        ;
}

#define ASK "GET /by-hand HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK_HEAD "HTTP/1.1 200 OK\r\n"

struct played {
    const char *says;
    int status;
    const char *body;
    bool ends, cut, chunked;
};

static void answers_of_all_kinds(void **state)
{
    static const struct played cases[] = {
        {OK_HEAD "Content-Length: 3\r\n\r\nabc", 200, "abc", false, false, false},
        {OK_HEAD "Content-Length: 3\r\n\r\nabc", 200, "abc", true, false, false},
        {OK_HEAD "Content-Length: 0\r\n\r\n", 200, "", false, false, false},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204, "", false, false, false},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "", false, false, false},
        {"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 404, "abc",
         false, false, false},
        {OK_HEAD "\r\nuntil the end", 200, "until the end", true, false, true},
        {"HTTP/1.0 200 OK\r\n\r\nold", 200, "old", true, false, true},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK_HEAD
         "Content-Length: 1\r\n\r\nx",
         200, "x", false, false, false},
        /* what is none */
        {"", 502, NULL, true, false, false},
        {"HTTP/1.1 200", 502, NULL, true, false, false},
        {OK_HEAD "X-Pass: on\r\nContent-Length: 3\r\n\r\nab", 502, NULL, true, false, false},
        {OK_HEAD "Content-Length: 100000\r\n\r\nab", 200, "ab", true, true, false},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 0, NULL, true, true, true},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd", 502, NULL, false, false, false},
        {OK_HEAD "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 502, NULL, false, false, false},
        {OK_HEAD "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", 502, NULL, false, false,
         false},
        {OK_HEAD "Bad Name: x\r\n\r\n", 502, NULL, false, false, false},
        {"HTTP/2 200\r\n\r\n", 502, NULL, false, false, false},
        {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", 502, NULL, false,
         false, false},
        {"SSH-2.0-x\r\n", 502, NULL, false, false, false},
    };
    struct client *c = NULL;
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        const struct played *k = &cases[i];
        if (!c)
            c = dial();
        say(c, "GET /by-hand HTTP/1.1\r\nHost: a\r\n\r\n");
        struct client *h = answer_hand();
        hear_text(h, "\r\n\r\n");
        assert_true(vk_str_starts(vk_buf_view(&h->in), VK_STR("GET /by-hand HTTP/1.1\r\n")));
        say(h, k->says);
        if (k->ends)
            shutdown(h->fd, SHUT_WR);
        struct answer a = hear(c);
        if ((k->status && a.status != k->status) || a.cut != k->cut ||
            (k->body && !vk_str_eqz(vk_buf_view(&a.body), k->body)) || (k->body && a.chunked != k->chunked))
            fail_msg("case %zu: %d " VK_STR_FMT, i, a.status, VK_STR_ARG(vk_buf_view(&a.body)));
        assert_false(a.status == 502 && head_has(&a, "X-Pass"));
        if (a.close || a.cut) {
            hang_up(c);
            c = NULL;
        }
        forget(&a);
        shutdown(h->fd, SHUT_WR); /* else the next one would come on this connection */
        if (k->status != 502 || k->ends)
            hear_end(h);
        hang_up(h);
    }
    hang_up(c);
}

static void large_heads_are_refused(void **state)
{
    struct client *c = dial();
    vk_buf head;
    VK_UNUSED(state);
    say(c, ASK);
    struct client *h = answer_hand();
    vk_buf_init(&head, 65536); /* in one piece: the connection may end behind its first 16 KiB */
    vk_buf_z(&head, OK_HEAD);
    for (int i = 0; i < 50; i++)
        vk_buf_printf(&head, "X-%d: %0400d\r\n", i, i);
    say_n(h, head.p, head.n);
    vk_buf_free(&head);
    expect(c, 502, NULL);
    hear_end(h);
    hang_up(h);
    hang_up(c);
}

static void parts_go_on_as_they_come(void **state)
{
    struct client *c = dial();
    VK_UNUSED(state);
    say(c, ASK);
    struct client *h = answer_hand();
    say(h, OK_HEAD "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    hear_text(c, "\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        char part[64], want[64];
        snprintf(part, sizeof part, "9\r\nevent %d\n\n\r\n", i);
        snprintf(want, sizeof want, "event %d", i);
        say(h, part);
        hear_text(c, want);
    }
    say(h, "0\r\n\r\n");
    struct answer a = hear(c);
    assert_int_equal(a.body.n, 45);
    assert_false(a.close);
    forget(&a);
    shutdown(h->fd, SHUT_WR);
    hear_end(h);
    hang_up(h);
    hang_up(c);
}

/* Writes as much as is taken until nothing is for a while; how much. */
static size_t fill(struct client *c, size_t most)
{
    size_t all = 0;
    for (int idle = 0; idle < 20 && all < most;) {
        ssize_t n =
            send(c->fd, big, sizeof big < most - all ? sizeof big : most - all, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            all += (size_t)n;
            idle = 0;
        } else {
            usleep(20000);
            idle++;
        }
    }
    return all;
}

enum { LOTS = 48 << 20, HELD_MOST = 32 << 20 };

static void who_does_not_read_is_waited_for(void **state)
{
    struct client *c = dial();
    char head[100];
    VK_UNUSED(state);
    say(c, ASK);
    struct client *h = answer_hand();
    snprintf(head, sizeof head, OK_HEAD "Content-Length: %d\r\n\r\n", LOTS);
    say(h, head);
    size_t sent = fill(h, LOTS);
    assert_true(sent < HELD_MOST); /* what the kernel's buffers hold, and nothing collects */
    uint64_t heard = 0;
    fcntl(h->fd, F_SETFL, O_NONBLOCK);
    for (size_t at = sent; heard < LOTS;) {
        size_t want = (size_t)LOTS - at < sizeof big ? (size_t)LOTS - at : sizeof big;
        ssize_t n = want ? send(h->fd, big, want, MSG_NOSIGNAL) : 0;
        at += n > 0 ? (size_t)n : 0;
        c->in.n = 0;
        if (hear_some(c) <= 0)
            fail_msg("cut off at %llu", (unsigned long long)heard);
        heard += c->in.n;
    }
    c->in.n = 0;
    shutdown(h->fd, SHUT_WR);
    hear_end(h);
    hang_up(h);
    hang_up(c);

    c = dial();
    snprintf(head, sizeof head, "POST /by-hand HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", LOTS);
    say(c, head);
    h = answer_hand();
    sent = fill(c, LOTS);
    assert_true(sent < HELD_MOST);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    heard = 0;
    for (size_t at = sent; heard < LOTS;) {
        size_t want = (size_t)LOTS - at < sizeof big ? (size_t)LOTS - at : sizeof big;
        ssize_t n = want ? send(c->fd, big, want, MSG_NOSIGNAL) : 0;
        at += n > 0 ? (size_t)n : 0;
        h->in.n = 0;
        if (hear_some(h) <= 0)
            fail_msg("cut off at %llu", (unsigned long long)heard);
        heard += h->in.n;
    }
    fcntl(c->fd, F_SETFL, 0);
    say(h, OK_HEAD "Content-Length: 2\r\n\r\nok");
    expect(c, 200, "ok");
    hang_up(c);
    shutdown(h->fd, SHUT_WR);
    hear_end(h);
    hang_up(h);
}

/* A tunnel of TLS passes an end on as a half-close, which may be one; so a client breaks off there. */
static void go(struct client *c)
{
#ifdef VK_TEST_TLS
    tunnel_reset(c->fd);
#endif
    hang_up(c);
}

static void a_client_that_goes_ends_the_call(void **state)
{
    static const char *const says[] = {"", OK_HEAD "Content-Length: 100000\r\n\r\nabc",
                                       OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                                       OK_HEAD "Content-Length: 10\r\n\r\nabc"};
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(says); i++) {
        int before = proxies_ended, failures = fails;
        struct client *c = dial();
        say(c, ASK);
        struct client *h = answer_hand();
        hear_text(h, "\r\n\r\n");
        say(h, says[i]);
        if (i == 1 || i == 2)
            hear_text(c, "abc");
        go(c);
        hear_end(h); /* the proxy's connection ends, though nothing was said */
        wait_for(&proxies_ended, before + 1);
        assert_int_equal(last_err, VK_E_IO);
        assert_int_equal(fails, failures);
        hang_up(h);
    }
    /* in the middle of its own body */
    int before = proxies_ended;
    struct client *c = dial();
    say(c, "POST /by-hand HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    struct client *h = answer_hand();
    hear_text(h, "abc");
    go(c);
    hear_end(h);
    wait_for(&proxies_ended, before + 1);
    hang_up(h);
}

static void early_refusals_pass(void **state)
{
    VK_UNUSED(state);
    for (int ends = 0; ends < 2; ends++) {
        struct client *c = dial();
        say(c, "POST /by-hand HTTP/1.1\r\nHost: a\r\nContent-Length: 40000000\r\n\r\n");
        say_n(c, big, 100000);
        struct client *h = answer_hand();
        hear_text(h, "\r\n\r\n");
        say(h, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge");
        if (ends)
            shutdown(h->fd, SHUT_WR);
        struct answer a = hear(c);
        assert_int_equal(a.status, 413);
        assert_true(vk_str_eqz(vk_buf_view(&a.body), "large"));
        assert_true(a.close);
        forget(&a);
        hear_end(h);
        hang_up(h);
        hang_up(c);
    }
}

/* Who answers well before it has the whole request goes on reading. */
static void early_successes_wait(void **state)
{
    struct client *c = dial();
    VK_UNUSED(state);
    say(c, "POST /by-hand HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    struct client *h = answer_hand();
    hear_text(h, "abc");
    say(h, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n");
    settle();
    say(c, "def");
    hear_text(h, "abcdef");
    hear_text(c, "early");
    say(h, "0\r\n\r\n");
    struct answer a = hear(c);
    assert_true(vk_str_eqz(vk_buf_view(&a.body), "early"));
    forget(&a);
    hang_up(c);
    shutdown(h->fd, SHUT_WR);
    hear_end(h);
    hang_up(h);
}

static void who_is_too_slow_is_given_up(void **state)
{
    static const char *const says[] = {"", "HTTP/1.1 2", OK_HEAD "Content-Length: 9\r\n\r\nabc",
                                       "HTTP/1.1 102 Processing\r\n\r\n"};
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(says); i++) {
        struct client *c = dial();
        say(c, ASK);
        struct client *h = answer_hand();
        hear_text(h, "\r\n\r\n");
        say(h, says[i]);
        settle();
        leap(19000);
        assert_true(is_open(c));
        if (i == 3) { /* to say that it comes is not to answer */
            say(h, says[i]);
            settle();
        }
        leap(1500);
        struct answer a = hear(c);
        assert_int_equal(a.status, 504);
        forget(&a);
        hear_end(h);
        hang_up(h);
        hang_up(c);
    }
    struct client *c = dial();
    say(c, ASK);
    struct client *h = answer_hand();
    say(h, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    hear_text(c, "abc");
    leap(20500);
    struct answer a = hear(c);
    assert_true(a.cut);
    forget(&a);
    hear_end(h);
    hang_up(h);
    hang_up(c);
}

/* In all places where it can be cut in two. */
static void filters_see_across_parts(void **state)
{
    static const char text[] = "a secret and secsecret";
    struct client *c = dial(), *h = NULL;
    VK_UNUSED(state);
    for (size_t cut = 1; cut < sizeof text - 1; cut++) {
        say(c, "GET /by-hand?filter HTTP/1.1\r\nHost: a\r\n\r\n");
        if (!h)
            h = answer_hand();
        hear_text(h, "\r\n\r\n");
        h->in.n = 0;
        char part[200];
        bool whole = cut % 3 == 0; /* known length, and so as one */
        if (whole)
            snprintf(part, sizeof part, OK_HEAD "Content-Length: %zu\r\n\r\n%.*s", sizeof text - 1, (int)cut,
                     text);
        else
            snprintf(part, sizeof part, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%.*s\r\n", cut,
                     (int)cut, text);
        say(h, part);
        if (!whole)
            hear_text(c, "\r\n\r\n");
        snprintf(part, sizeof part, "%zx\r\n%s\r\n0\r\n\r\n", sizeof text - 1 - cut, text + cut);
        say(h, whole ? text + cut : part);
        expect(c, 200, "a ****** and sec******");
    }
    shutdown(h->fd, SHUT_WR);
    hear_end(h);
    hang_up(h);
    hang_up(c);
}

static void other_protocols_pass(void **state)
{
    VK_UNUSED(state);
    for (int by_client = 0; by_client < 2; by_client++) {
        struct client *c = dial();
        say(c, "GET /by-hand?upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nfirst");
        struct client *h = answer_hand();
        hear_text(h, "\r\n\r\n");
        say(h, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x/1\r\nX-Pass: "
               "on\r\n\r\nwelcome");
        hear_text(h, "first");
        hear_text(c, "welcome");
        assert_non_null(memmem(c->in.p, c->in.n, "HTTP/1.1 101 ", 13));
        assert_non_null(memmem(c->in.p, c->in.n, "\r\nUpgrade: x/1\r\n", 16));
        assert_non_null(memmem(c->in.p, c->in.n, "\r\nX-Pass: on\r\n", 14));
        for (int i = 0; i < 20; i++) {
            h->in.n = c->in.n = 0;
            for (size_t at = 0; at < 50000; at += 5000) {
                say_n(c, big + at, 5000);
                say_n(h, big + at, 5000);
            }
            while (h->in.n < 50000)
                assert_true(hear_some(h) > 0);
            while (c->in.n < 50000)
                assert_true(hear_some(c) > 0);
            assert_memory_equal(h->in.p, big, 50000);
            assert_memory_equal(c->in.p, big, 50000);
        }
        if (by_client) {
            shutdown(c->fd, SHUT_WR);
            hear_end(h);
            say(h, "last");
            shutdown(h->fd, SHUT_WR);
            hear_text(c, "last");
            hear_end(c);
        } else {
            say(h, "bye");
            shutdown(h->fd, SHUT_WR);
            hear_text(c, "bye");
            hear_end(c);
        }
        hang_up(h);
        hang_up(c);
    }
    /* a refusal is an answer like any other */
    struct client *c = dial();
    say(c, "GET /by-hand?upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    struct client *h = answer_hand();
    say(h, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
    expect(c, 401, "no");
    shutdown(h->fd, SHUT_WR);
    hear_end(h);
    hang_up(h);
    hang_up(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_pass),
        cmocka_unit_test(bodies_pass),
        cmocka_unit_test(sources_pass),
        cmocka_unit_test(head_keeps_its_length),
        cmocka_unit_test(bodies_may_be_held),
        cmocka_unit_test(continue_is_said_here),
        cmocka_unit_test(answers_are_collected),
        cmocka_unit_test(what_may_not_go_on_does_not),
        cmocka_unit_test(answers_of_all_kinds),
        cmocka_unit_test(large_heads_are_refused),
        cmocka_unit_test(parts_go_on_as_they_come),
        cmocka_unit_test(who_does_not_read_is_waited_for),
        cmocka_unit_test(a_client_that_goes_ends_the_call),
        cmocka_unit_test(early_refusals_pass),
        cmocka_unit_test(early_successes_wait),
        cmocka_unit_test(who_is_too_slow_is_given_up),
        cmocka_unit_test(filters_see_across_parts),
        cmocka_unit_test(other_protocols_pass),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
