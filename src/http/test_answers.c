/* Answers, connections that end on either side, descriptors. */
#include "http/test_rig.h"

#include "http/conn.h"

#include <fcntl.h>
#include <sys/resource.h>

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

/* A source that says how long it is, and keeps to it or not. */
static void sources_with_a_length(void **state)
{
    struct client *c = dial();
    VK_UNUSED(state);
    say(c, GET("/sized") GET("/sized/idle") GET("/sized/none") "HEAD /sized HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int idle = 0; idle < 2; idle++) {
        struct answer a = hear(c);
        assert_false(a.chunked || a.cut || a.close);
        assert_int_equal(a.body.n, SIZED - idle * PIECE);
        assert_true(head_has(&a, idle ? "\r\nContent-Length: 80000\r\n" : "\r\nContent-Length: 100000\r\n"));
        forget(&a);
    }
    expect(c, 200, "");
    struct answer a = hear_to(c, "HEAD");
    assert_true(head_has(&a, "\r\nContent-Length: 100000\r\n"));
    forget(&a);
    say(c, "GET /sized HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    a = hear(c);
    assert_int_equal(a.body.n, SIZED);
    assert_false(a.close);
    forget(&a);
    say(c, GET("/sized?4"));
    a = hear(c);
    assert_true(a.cut);
    assert_int_equal(a.body.n, 4 * PIECE);
    forget(&a);
    hang_up(c);
    c = dial();
    say(c, GET("/sized?6") GET("/len")); /* what is too much is not taken for the next answer */
    a = hear(c);
    assert_int_equal(a.body.n, SIZED);
    forget(&a);
    a = hear(c);
    assert_true(a.over);
    forget(&a);
    hang_up(c);
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
/* ---- socketpairs ---- */

static _Atomic int gone;

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

/* ---- time ---- */

/* Connections that the server has, ready for a request. */
static uint64_t arrived(void)
{
#ifdef VK_TEST_TLS
    return server.traffic.handshakes;
#else
    return server.traffic.opened;
#endif
}

static void waiting_has_limits(void **state)
{
    VK_UNUSED(state);
    int64_t until = vk_clock_mono_ms() + WAIT_MS;
    uint64_t had = arrived();
    struct client *idle = dial(), *pair = dial_pair(), *fresh = dial();
    say(idle, GET("/len"));
    expect(idle, 200, "0");
    say(pair, GET("/len"));
    expect(pair, 200, "0");
    while (arrived() < had + 2 && vk_clock_mono_ms() < until)
        usleep(1000);
    usleep(20000);
    leap(USUAL(IDLE_TIME) - 2000);
    assert_true(is_open(idle) && is_open(pair) && is_open(fresh));
    say(idle, GET("/len")); /* each request counts anew */
    expect(idle, 200, "0");
    usleep(20000);
    leap(4000);
    expect_end(fresh);
    assert_true(is_open(idle));
    leap(USUAL(IDLE_TIME));
    expect_end(idle);
    assert_true(is_open(pair)); /* a peer of ours stays */
    leap(100 * USUAL(IDLE_TIME));
    say(pair, GET("/len"));
    expect(pair, 200, "0");
    hang_up(idle);
    hang_up(fresh);
    hang_up(pair);
}

static void heads_have_a_deadline(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    say(c, GET("/len") "GET /len HTTP/1.1\r\n");
    expect(c, 200, "0");
    for (int i = 0; i < 3; i++) { /* a byte now and then does not move it */
        uint64_t had = server.traffic.received;
        say(c, "X");
        wait_received(had, 1);
        leap(USUAL(HEAD_TIME) / 4);
        assert_true(is_open(c));
    }
    uint64_t before = server.traffic.received;
    say(c, "X");
    wait_received(before, 1);
    leap(USUAL(HEAD_TIME) / 4 + 100);
    expect(
        c, 408,
        "The request head was not complete 10 s after its first byte (limit head_time); send it at once.\n");
    expect_end(c);
    hang_up(c);
}

/* The least that must come between two looks. */
enum { PACE = 256 * 30 };

static void bodies_must_move(void **state)
{
    VK_UNUSED(state);
    static char part[PACE];
    int before = served;
    struct client *c = dial(), *slow = dial(), *refused = dial();
    uint64_t had = server.traffic.received;
    assert_int_equal(USUAL(SLOW_TIME) / 1000 * USUAL(SLOW_RATE), PACE);
    memset(part, 's', sizeof part);
    static const char head_c[] = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
                      head_slow[] = "POST /len HTTP/1.1\r\nHost: a\r\nContent-Length: 23040\r\n\r\n";
    say(c, head_c);
    say(slow, head_slow);
    wait_received(had, sizeof head_c + sizeof head_slow - 2); /* the time of both runs */
    for (int i = 0; i < 3; i++) { /* slow, but it keeps the pace; the other one is a byte short of it */
        had = server.traffic.received;
        say_n(slow, part, PACE);
        if (i == 0)
            say_n(c, part, PACE - 1);
        wait_received(had, i == 0 ? 2 * PACE - 1 : PACE);
        if (i < 2)
            leap(USUAL(SLOW_TIME));
    }
    expect(slow, 200, "23040");
    expect(c, 408,
           "The request body came at less than 256 bytes a second for 30 s (limits slow_rate and slow_time); "
           "send "
           "it faster.\n");
    expect_end(c);
    assert_int_equal(served, before + 1);
    /* Refused in front of its body: that is not waited for. */
    static const char head_refused[] = "POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx";
    had = server.traffic.received;
    say(refused, head_refused);
    wait_received(had, sizeof head_refused - 1);
    leap(VK_LINGER_MS);
    expect(refused, 401, "no");
    expect_end(refused);
    hang_up(c);
    hang_up(slow);
    hang_up(refused);
}

/* As many, or what comes before the end. */
static size_t hear_bytes(struct client *c, size_t most)
{
    static char room[1 << 16];
    size_t got = 0;
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    while (got < most && poll(&p, 1, WAIT_MS) == 1) {
        ssize_t n = recv(c->fd, room, most - got < sizeof room ? most - got : sizeof room, 0);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

/* What the reader of "/numbers?steady" has taken since the server last looked; all there is when its answer
 * is out. -1: the server has not begun to look, since it had room for all that came so far. */
static _Atomic int64_t steady_took;
static _Atomic int steady_looks;

static void look_at_steady(vk_task *t)
{
    VK_UNUSED(t);
    steady_took = INT64_MAX;
    for (vk_list *n = server.conns.next; n != &server.conns; n = n->next) {
        const vk_conn *c = VK_CONTAINER(n, vk_conn, node);
        if (c->ex && c->state == S_SEND && vk_str_eqz(c->ex->query, "steady"))
            steady_took = c->watch == W_ANSWER ? (int64_t)(c->moved - vk_conn_untaken(c) - c->mark) : -1;
    }
    steady_looks++;
}

static void wait_steady(int64_t least)
{
    static vk_task task = {.run = look_at_steady};
    int64_t until = vk_clock_mono_ms() + WAIT_MS;
    do {
        int before = steady_looks;
        usleep(1000);
        vk_loop_post(loop, &task);
        wait_for(&steady_looks, before + 1);
    } while (steady_took < least && vk_clock_mono_ms() < until);
    assert_true(steady_took >= least);
}

static void readers_must_move(void **state)
{
    VK_UNUSED(state);
    int before = stopped;
    struct client *c = dial(), *late = dial(), *steady = dial();
    int small =
        65536; /* far less than what it takes at a time: what its socket holds must not stand for that */
    assert_int_equal(setsockopt(steady->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    say(c, GET("/numbers"));
    say(steady, GET("/numbers?steady"));
    say(late, GET("/late"));            /* a handler has all the time it wants */
    size_t got = hear_bytes(steady, 1); /* both answers have begun */
    struct pollfd begun = {.fd = c->fd, .events = POLLIN};
    assert_int_equal(poll(&begun, 1, WAIT_MS), 1);
    wait_steady(0);               /* or the first that it takes counts for nothing */
    for (int i = 0; i < 5; i++) { /* it takes some each time; what the kernel holds does not count as taken */
        got += hear_bytes(steady, 400000);
        wait_steady(PACE);
        leap(USUAL(SLOW_TIME));
    }
    expect(late, 200, "late");
    struct answer a = hear(c);
    assert_true(a.cut && a.body.n < (size_t)PIECES * PIECE);
    forget(&a);
    assert_int_equal(got, 1 + 5 * 400000);
    got += hear_bytes(steady, (size_t)PIECES * PIECE - got);
    assert_int_equal(got, (size_t)PIECES * PIECE);
    wait_for(&stopped, before + 2);
    hang_up(c);
    hang_up(late);
    hang_up(steady);
}

/* Reading on after a refusal is a favour with an end. */
static void lingering_ends(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    say(c, "POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nx");
    expect(c, 413, NULL);
    usleep(20000);
    leap(VK_LINGER_MS + 100);
    usleep(20000);
    ssize_t n = 1;
    for (int i = 0; i < WAIT_MS && n > 0; i++) {
        n = send(c->fd, "x", 1, MSG_NOSIGNAL);
        usleep(1000);
    }
    assert_int_equal(n, -1);
    hang_up(c);
    c = dial(); /* nor is it without a bound when the client is quick */
    static char body[1 << 16];
    say(c, "POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\nx");
    size_t sent = 0;
    for (n = 1; n > 0 && sent<sizeof body * 2000; sent += n> 0 ? (size_t)n : 0)
        n = send(c->fd, body, sizeof body, MSG_NOSIGNAL);
    assert_int_equal(n, -1);
    hang_up(c);
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

#ifdef VK_TEST_TLS
#define server_address() (&tunnel_to)
#else
#define server_address() (&address)
#endif

/* Last: ends the server while connections are in every state. */
static void closing(void **state)
{
    VK_UNUSED(state);
    struct client *idle = dial(), *busy = dial(), *sending = dial(), *partial = dial(), *pair = dial_pair();
    int before = served;
    say(idle, GET("/len"));
    expect(idle, 200, "0");
    say(pair, GET("/len"));
    expect(pair, 200, "0");
    static const char begins[] = "GET /len HTTP/1.1\r\nHo";
    uint64_t had = server.traffic.received;
    say(partial, begins);
    wait_received(had, sizeof begins - 1);
    say(busy, GET("/late"));
    say(sending, GET("/numbers"));
    wait_for(&served, before + 4);
    usleep(20000);
    begin_close();
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
    assert_int_equal(connect(fd, (struct sockaddr *)server_address(), sizeof address), -1);
    close(fd);
    hang_up(idle);
    hang_up(busy);
    hang_up(sending);
    hang_up(partial);
    hang_up(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_method),
        cmocka_unit_test(answers_without_body),
        cmocka_unit_test(files),
        cmocka_unit_test(sources),
        cmocka_unit_test(sources_with_a_length),
        cmocka_unit_test(clients_that_leave),
#ifndef VK_TEST_TLS /* descriptors are counted, and the tunnel has its own */
        cmocka_unit_test(descriptors),
        cmocka_unit_test(no_descriptors_left),
#endif
        cmocka_unit_test(waiting_has_limits),
        cmocka_unit_test(heads_have_a_deadline),
        cmocka_unit_test(bodies_must_move),
        cmocka_unit_test(readers_must_move),
        cmocka_unit_test(lingering_ends),
        cmocka_unit_test(closing),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
