/* Calls against servers of this test on loopback, which a registered origin allows. */
#include "courier/outbound.h"

#include "core/clock.h"
#include "core/test_meanwhile.h"
#include "courier/test_loopback.h"

static vk_outbound outbound;
static vk_outbound_answer answer;

/* ---- a server: one connection, one answer */

typedef struct place {
    loopback_server at;
    const char *reply; /* sent at once… */
    int drip_ms;       /* …or, when not 0, byte by byte for ever */
    size_t filler;     /* bytes of 'x' after it */
    char got[4096];
    int accepted;
} place;

static void send_all(place *p, int c)
{
    char fill[1024];
    memset(fill, 'x', sizeof fill);
    if (p->drip_ms) {
        if (send(c, p->reply, strlen(p->reply), MSG_NOSIGNAL) < 0)
            return;
        struct timespec nap = {.tv_nsec = p->drip_ms * 1000000L};
        while (!p->at.over && send(c, "x", 1, MSG_NOSIGNAL) == 1)
            nanosleep(&nap, NULL);
        return;
    }
    if (send(c, p->reply, strlen(p->reply), MSG_NOSIGNAL) < 0)
        return;
    for (size_t left = p->filler; left;) {
        ssize_t n = send(c, fill, left < sizeof fill ? left : sizeof fill, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        left -= (size_t)n;
    }
}

static void serve(loopback_server *l, int c)
{
    place *p = VK_CONTAINER(l, place, at);
    p->accepted++;
    ssize_t n = recv(c, p->got, sizeof p->got - 1, 0);
    p->got[n > 0 ? n : 0] = '\0';
    send_all(p, c);
}

static void start(place *p)
{
    loopback_start(&p->at, serve);
}

static void end(place *p)
{
    loopback_end(&p->at);
}

/* ---- a resolver */

static const char *fake[4]; /* what every name resolves to */
static int asked;

static int fake_resolve(const char *host, const char *port, const struct addrinfo *hints,
                        struct addrinfo **out_r)
{
    struct addrinfo *list = NULL, **at = &list;
    VK_UNUSED(host);
    asked++;
    for (size_t i = 0; i < VK_COUNT(fake) && fake[i]; i++) {
        struct addrinfo only = *hints, *one = NULL;
        only.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
        assert_int_equal(getaddrinfo(fake[i], port, &only, &one), 0);
        *at = one;
        at = &one->ai_next;
    }
    *out_r = list;
    return list ? 0 : EAI_NONAME;
}

static void fake_resolved(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;
        list->ai_next = NULL;
        freeaddrinfo(list);
        list = next;
    }
}

/* ---- */

static int set_up(void **state)
{
    VK_UNUSED(state);
    if (!vk_curl_load(&outbound.curl))
        return -1;
    outbound.egress = (vk_egress){.own_port = 4500, .own_ports = 5};
    vk_buf_init(&answer.body, 2 * VK_OUTBOUND_BODY_MAX);
    /* What a shell may have set must not matter. */
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    setenv("https_proxy", "http://127.0.0.1:9", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
    return 0;
}

static vk_err call(const char *method, const char *url, const char *origin)
{
    vk_buf_clear(&answer.body);
    const vk_outbound_ask ask = {
        .method = vk_str_z(method), .url = vk_str_z(url), .origin = vk_str_z(origin), .body_max = 64 * 1024};
    return vk_outbound_call(&outbound, &ask, &answer);
}

static vk_err call_port(int port, const char *path)
{
    char url[200], origin[100];
    snprintf(origin, sizeof origin, "http://localhost:%d", port);
    snprintf(url, sizeof url, "%s%s", origin, path);
    return call("GET", url, origin);
}

static void refused(vk_err want, const char *url, const char *origin, const char *part)
{
    vk_err e = call("GET", url, origin);
    if (e != want || !strstr(answer.why, part))
        fail_msg("%s: %s, \"%s\"", url, vk_err_name(e), answer.why);
    assert_int_equal(answer.status, 0);
    assert_int_equal(answer.lack, want == VK_E_FORBIDDEN    ? VK_LACK_GUARD
                                  : want == VK_E_INVALID    ? VK_LACK_INVALID
                                  : strstr(part, "resolve") ? VK_LACK_NAME
                                                            : VK_LACK_REACH);
}

static void plain(void **state)
{
    VK_UNUSED(state);
    place p = {.reply = "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello"};
    start(&p);
    assert_int_equal(call_port(p.at.port, "/a?b=c"), VK_OK);
    assert_int_equal(answer.status, 201);
    assert_true(vk_str_eqz(vk_buf_view(&answer.body), "hello"));
    assert_non_null(strstr(p.got, "GET /a?b=c HTTP/1.1\r\nHost: localhost:"));
    assert_non_null(strstr(p.got, "User-Agent: valetkey/"));
    assert_null(strstr(p.got, "Cookie"));
    char url[200], origin[100];
    snprintf(origin, sizeof origin, "http://127.0.0.1:%d", p.at.port);
    snprintf(url, sizeof url, "%s/hook", origin);
    vk_buf_clear(&answer.body);
    const vk_outbound_ask post = {.method = VK_STR("POST"),
                                  .url = vk_str_z(url),
                                  .origin = vk_str_z(origin),
                                  .content_type = VK_STR("application/json"),
                                  .body = VK_STR("{\"a\":1}"),
                                  .body_max = 100};
    assert_int_equal(vk_outbound_call(&outbound, &post, &answer), VK_OK);
    assert_non_null(strstr(p.got, "POST /hook HTTP/1.1\r\n"));
    assert_non_null(strstr(p.got, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(p.got, "\r\n\r\n{\"a\":1}"));
    assert_int_equal(call("TRACE", url, origin), VK_E_INVALID);
    assert_int_equal(p.accepted, 2);
    end(&p);
}

/* The methods that change something send how long their body is, also when it is empty; what comes back has
 * its headers when they are wanted, those of an interim answer left out. */
static void methods(void **state)
{
    VK_UNUSED(state);
    place p = {.reply = "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n"
                        "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n"
                        "valetkey-served-by:  embedded \r\n\r\n"};
    start(&p);
    char origin[100];
    snprintf(origin, sizeof origin, "http://127.0.0.1:%d", p.at.port);
    static const struct {
        const char *method, *body, *part;
    } cases[] = {
        {"PUT", "bytes", "\r\nContent-Length: 5\r\n"}, {"PUT", "", "\r\nContent-Length: 0\r\n"},
        {"POST", "", "\r\nContent-Length: 0\r\n"},     {"DELETE", "", "DELETE / HTTP/1.1\r\n"},
        {"HEAD", "", "HEAD / HTTP/1.1\r\n"},           {"OPTIONS", "", "OPTIONS / HTTP/1.1\r\n"},
    };
    vk_buf_init(&answer.head, VK_OUTBOUND_HEAD_MAX);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        const vk_outbound_ask ask = {.method = vk_str_z(cases[i].method),
                                     .url = vk_str_z(origin),
                                     .origin = vk_str_z(origin),
                                     .body = vk_str_z(cases[i].body),
                                     .body_max = 100};
        vk_buf_clear(&answer.body);
        vk_buf_clear(&answer.head);
        assert_int_equal(vk_outbound_call(&outbound, &ask, &answer), VK_OK);
        assert_int_equal(answer.status, 412);
        assert_non_null(strstr(p.got, cases[i].part));
        assert_null(strstr(p.got, "Content-Type"));
        assert_true(vk_str_eqz(vk_buf_view(&answer.head),
                               "Content-Length: 0\r\nvaletkey-served-by:  embedded \r\n\r\n"));
    }
    vk_buf_free(&answer.head);
    answer.head = (vk_buf){0};
    end(&p);
}

static void headers(void **state)
{
    VK_UNUSED(state);
    static const vk_outbound_header good[] = {
        {VK_STR("Stripe-Signature"), VK_STR("t=1,v1=ab")},
        {VK_STR("User-Agent"), VK_STR("Stripe/1.0 (+https://stripe.com)")}};
    static const vk_outbound_header bad[] = {
        {VK_STR("Host"), VK_STR("a")},
        {VK_STR("content-length"), VK_STR("1")},
        {VK_STR("Transfer-Encoding"), VK_STR("chunked")},
        {VK_STR("Connection"), VK_STR("close")},
        {VK_STR("Expect"), VK_STR("100-continue")},
        {VK_STR("Proxy-Authorization"), VK_STR("a")},
        {VK_STR("Cookie"), VK_STR("a=b")},
        {VK_STR("X-A: b"), VK_STR("c")},
        {VK_STR("X-A\r\nHost"), VK_STR("c")},
        {VK_STR("X-A"), VK_STR("b\r\nX-B: c")},
        {VK_STR("X-A"), VK_STR("b\nX-B: c")},
        {VK_STR("X-A"), VK_STR("\xc3\xa9")},
        {VK_STR("X-A"), VK_STR("")},
        {VK_STR(""), VK_STR("b")},
        {VK_STR("X-A"), VK_STR("b\0c")},
    };
    place p = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"};
    start(&p);
    char origin[100];
    snprintf(origin, sizeof origin, "http://127.0.0.1:%d", p.at.port);
    vk_outbound_ask ask = {.method = VK_STR("POST"),
                           .url = vk_str_z(origin),
                           .origin = vk_str_z(origin),
                           .body = VK_STR("{}"),
                           .headers = good,
                           .n_headers = VK_COUNT(good),
                           .body_max = 100};
    vk_buf_clear(&answer.body);
    assert_int_equal(vk_outbound_call(&outbound, &ask, &answer), VK_OK);
    assert_non_null(strstr(p.got, "\r\nStripe-Signature: t=1,v1=ab\r\n"));
    assert_non_null(strstr(p.got, "\r\nUser-Agent: Stripe/1.0 (+https://stripe.com)\r\n"));
    assert_null(strstr(p.got, "valetkey/"));
    assert_null(strstr(p.got, "Expect"));
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        if (vk_outbound_header_ok(&bad[i]))
            fail_msg("%zu is taken", i);
        ask.headers = &bad[i];
        ask.n_headers = 1;
        assert_int_equal(vk_outbound_call(&outbound, &ask, &answer), VK_E_INVALID);
    }
    vk_outbound_header many[VK_OUTBOUND_HEADERS + 1];
    for (size_t i = 0; i < VK_COUNT(many); i++)
        many[i] = good[0];
    ask.headers = many;
    ask.n_headers = VK_COUNT(many);
    assert_int_equal(vk_outbound_call(&outbound, &ask, &answer), VK_E_INVALID);
    assert_int_equal(p.accepted, 1);
    end(&p);
}

/* Of a long answer the beginning is enough for some; without end it is none. */
static void cut(void **state)
{
    VK_UNUSED(state);
    static const size_t fill[] = {300 * 1024, 3 * VK_OUTBOUND_BODY_MAX};
    for (size_t i = 0; i < VK_COUNT(fill); i++) {
        place p = {.reply = "HTTP/1.1 200 OK\r\n\r\n", .filler = fill[i]};
        start(&p);
        char origin[100];
        snprintf(origin, sizeof origin, "http://127.0.0.1:%d", p.at.port);
        const vk_outbound_ask ask = {.method = VK_STR("GET"),
                                     .url = vk_str_z(origin),
                                     .origin = vk_str_z(origin),
                                     .body_max = 4096,
                                     .cut = true};
        vk_buf_clear(&answer.body);
        assert_int_equal(vk_outbound_call(&outbound, &ask, &answer), i == 0 ? VK_OK : VK_E_TOO_LARGE);
        assert_int_equal(answer.body.n, 4096);
        end(&p);
    }
}

/* Loopback without being registered, or registered as something else. */
static void loopback(void **state)
{
    VK_UNUSED(state);
    place p = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    start(&p);
    char url[200], other[100];
    snprintf(url, sizeof url, "http://localhost:%d/", p.at.port);
    snprintf(other, sizeof other, "http://localhost:%d", p.at.port + 1);
    refused(VK_E_FORBIDDEN, url, "", "only https");
    refused(VK_E_FORBIDDEN, url, other, "only https");
    refused(VK_E_FORBIDDEN, "https://localhost/", "", "loopback");
    refused(VK_E_FORBIDDEN, "https://127.0.0.1/", "", "loopback");
    refused(VK_E_FORBIDDEN, "https://[::1]/", "", "loopback");
    refused(VK_E_FORBIDDEN, "https://[::ffff:127.0.0.1]/", "", "loopback");
    refused(VK_E_FORBIDDEN, "https://169.254.169.254/latest/meta-data/", "", "metadata");
    refused(VK_E_FORBIDDEN, "http://169.254.169.254", "http://169.254.169.254", "metadata");
    refused(VK_E_FORBIDDEN, "https://10.0.0.1/", "", "private");
    refused(VK_E_INVALID, "https://0x7f.1/", "", "number");
    assert_int_equal(p.accepted, 0);
    /* Our own listeners, even when registered. */
    outbound.egress.own_port = (uint16_t)p.at.port;
    snprintf(other, sizeof other, "http://localhost:%d", p.at.port);
    refused(VK_E_FORBIDDEN, url, other, "listener of valetkey");
    outbound.egress.own_port = 4500;
    assert_int_equal(p.accepted, 0);
    end(&p);
}

/* Names that resolve to what they should not: one bad address among good ones, a public name that is loopback
 * although it is registered, and one that changes between two looks. */
static void names(void **state)
{
    VK_UNUSED(state);
    place p = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    start(&p);
    char url[200], origin[100];
    outbound.resolve = fake_resolve;
    outbound.resolved = fake_resolved;
    snprintf(origin, sizeof origin, "http://rebind.example:%d", p.at.port);
    snprintf(url, sizeof url, "%s/", origin);
    memcpy(fake, (const char *[4]){"127.0.0.1"}, sizeof fake);
    refused(VK_E_FORBIDDEN, url, origin, "loopback");
    refused(VK_E_FORBIDDEN, "https://rebind.example/", "", "loopback");
    memcpy(fake, (const char *[4]){"93.184.216.34", "192.168.1.1"}, sizeof fake);
    refused(VK_E_FORBIDDEN, "https://mixed.example/", "", "private");
    memcpy(fake, (const char *[4]){"93.184.216.34", "2606:2800:220:1::1", "::ffff:10.0.0.1"}, sizeof fake);
    refused(VK_E_FORBIDDEN, "https://mixed.example/", "", "private");
    memcpy(fake, (const char *[4]){"168.63.129.16"}, sizeof fake);
    refused(VK_E_FORBIDDEN, "https://wire.example/", "", "metadata");
    memcpy(fake, (const char *[4]){NULL}, sizeof fake);
    refused(VK_E_UNAVAILABLE, "https://nowhere.example/", "", "resolved");
    assert_int_equal(p.accepted, 0);
    /* What was looked at is what is dialled: the name is asked for once only, by us. */
    snprintf(origin, sizeof origin, "http://pinned.localhost:%d", p.at.port);
    memcpy(fake, (const char *[4]){"127.0.0.1"}, sizeof fake);
    asked = 0;
    assert_int_equal(call("GET", origin, origin), VK_OK);
    assert_int_equal(asked, 1);
    assert_int_equal(p.accepted, 1);
    assert_non_null(strstr(p.got, "Host: pinned.localhost:"));
    outbound.resolve = NULL;
    end(&p);
}

static void redirects_are_answers(void **state)
{
    VK_UNUSED(state);
    place inner = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    start(&inner);
    char reply[200];
    snprintf(reply, sizeof reply,
             "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/secret\r\nContent-Length: 0\r\n\r\n",
             inner.at.port);
    place p = {.reply = reply};
    start(&p);
    assert_int_equal(call_port(p.at.port, "/"), VK_OK);
    assert_int_equal(answer.status, 302);
    assert_int_equal(inner.accepted, 0);
    end(&p);
    end(&inner);
}

static void sizes(void **state)
{
    VK_UNUSED(state);
    place body = {.reply = "HTTP/1.1 200 OK\r\n\r\n", .filler = 300 * 1024};
    start(&body);
    assert_int_equal(call_port(body.at.port, "/"), VK_E_TOO_LARGE);
    assert_true(answer.body.n <= 64 * 1024);
    end(&body);
    place head = {.reply = "HTTP/1.1 200 OK\r\nX-Long: ", .filler = 300 * 1024};
    start(&head);
    assert_int_not_equal(call_port(head.at.port, "/"), VK_OK);
    end(&head);
    static char many[40000];
    size_t at = (size_t)snprintf(many, sizeof many, "HTTP/1.1 200 OK\r\n");
    while (at < 30000)
        at += (size_t)snprintf(many + at, sizeof many - at, "X-%zu: some value that is not short\r\n", at);
    snprintf(many + at, sizeof many - at, "Content-Length: 0\r\n\r\n");
    place lines = {.reply = many};
    start(&lines);
    assert_int_equal(call_port(lines.at.port, "/"), VK_E_TOO_LARGE);
    assert_non_null(strstr(answer.why, "16 KiB"));
    end(&lines);
}

/* Bytes that come slowly do not hold a lane for longer than one call may take. */
static void drips(void **state)
{
    VK_UNUSED(state);
    static const char *const fronts[] = {"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
                                         "HTTP/1.1 200 OK\r\nX: "};
    outbound.total_ms = 1500;
    for (size_t i = 0; i < VK_COUNT(fronts); i++) {
        place p = {.reply = fronts[i], .drip_ms = 100};
        start(&p);
        meanwhile m = meanwhile_from_now();
        assert_int_equal(call_port(p.at.port, "/"), VK_E_TIMEOUT);
        int64_t took = meanwhile_took(&m);
        assert_true(took >= 1400 && meanwhile_allows(&m, took, 5000));
        assert_non_null(strstr(answer.why, "did not answer within"));
        end(&p);
    }
    outbound.total_ms = 0;
    place closed = {.reply = ""};
    start(&closed);
    assert_int_equal(call_port(closed.at.port, "/"), VK_E_UNAVAILABLE);
    int port = closed.at.port;
    end(&closed);
    assert_int_equal(call_port(port, "/"), VK_E_UNAVAILABLE);
    assert_true(strlen(answer.why) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),    cmocka_unit_test(methods),
        cmocka_unit_test(headers),  cmocka_unit_test(cut),
        cmocka_unit_test(loopback), cmocka_unit_test(names),
        cmocka_unit_test(sizes),    cmocka_unit_test(redirects_are_answers),
        cmocka_unit_test(drips),
    };
    return cmocka_run_group_tests_name("outbound", tests, set_up, NULL);
}
