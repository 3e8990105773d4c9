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
    else if (n > 0)
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
    if (path_is(ex, "/pass")) {
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_pass),          cmocka_unit_test(bodies_pass),
        cmocka_unit_test(sources_pass),          cmocka_unit_test(head_keeps_its_length),
        cmocka_unit_test(bodies_may_be_held),    cmocka_unit_test(continue_is_said_here),
        cmocka_unit_test(answers_are_collected), cmocka_unit_test(what_may_not_go_on_does_not),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
