/* Requests: how they are read, and which are refused. */
#include "http/test_rig.h"

#include <jansson.h>

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
    say(c, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n"); /* an empty
                                                                                                   file */
    expect(c, 100, "");
    expect(c, 200, "");
    say(c, "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"); /* nothing to wait for */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keep_alive),   cmocka_unit_test(http_1_0),
        cmocka_unit_test(pipelining),   cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(large_bodies), cmocka_unit_test(too_large),
        cmocka_unit_test(continue_100), cmocka_unit_test(bodies_of_answered_requests),
        cmocka_unit_test(refusals),     cmocka_unit_test(framing_cases),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
