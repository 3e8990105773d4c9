/* A server that rests, goes on, lets in only some requests, and gives its connections to another one. */
#include "http/test_rig.h"

static vk_server heir; /* on the same loop: it takes what `server` gives */
static int pair[2];
static _Atomic int steps, taken;

/* ---- steps on the loop */

static void on_loop(void (*run)(vk_task *t))
{
    static vk_task task;
    int before = steps;
    task.run = run;
    vk_loop_post(loop, &task);
    wait_for(&steps, before + 1);
}

/* What belongs to the loop, as it was just now. */
static struct {
    size_t n_ex, n_conns, heirs;
    bool received;
} seen;

static void see(vk_task *t)
{
    VK_UNUSED(t);
    seen.n_ex = server.n_ex;
    seen.n_conns = server.n_conns;
    seen.heirs = heir.n_conns;
    seen.received = server.traffic.received != 0;
    steps++;
}

static size_t under_way(void)
{
    on_loop(see);
    return seen.n_ex;
}

static void park(vk_task *t)
{
    VK_UNUSED(t);
    vk_server_park(&server);
    steps++;
}

static void unpark(vk_task *t)
{
    VK_UNUSED(t);
    vk_server_unpark(&server);
    steps++;
}

static bool is_let_in(const char *in, size_t n)
{
    return memmem(in, n, "let-me-in", 9) != NULL;
}

static void sift(vk_task *t)
{
    VK_UNUSED(t);
    vk_server_sift(&server, is_let_in);
    steps++;
}

static void hasten(vk_task *t)
{
    VK_UNUSED(t);
    vk_server_hasten(&server);
    steps++;
}

/* All that was given goes to `heir`, as a front does after a restart. */
static void give(vk_task *t)
{
    static char in[VK_IN_SIZE];
    VK_UNUSED(t);
    vk_server_pass(&server, pair[0], 7);
    for (;;) {
        vk_passed p;
        int fd;
        union {
            struct cmsghdr h;
            char room[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec iov[2] = {{&p, sizeof p}, {in, sizeof in}};
        struct msghdr m = {
            .msg_iov = iov, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control};
        ssize_t n = recvmsg(pair[1], &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0)
            break;
        assert_int_equal(n, sizeof p + p.n);
        assert_int_equal(p.listener, 7);
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
        vk_server_resume(&heir, fd, &p, in);
        taken++;
    }
    steps++;
}

static bool silent(struct client *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    return c->in.n == 0 && poll(&p, 1, 60) == 0;
}

/* ---- tests */

static void rests_and_goes_on(void **state)
{
    VK_UNUSED(state);
    struct client *kept = dial(), *half = dial();
    say(kept, GET("/len"));
    expect(kept, 200, "0");
    say(half, "GET /len HTTP/1.1\r\nHo");
    on_loop(park);
    struct client *fresh = dial();
    say(kept, GET("/len"));
    say(half, "st: a\r\n\r\n");
    say(fresh, GET("/len"));
    assert_true(silent(kept) && silent(half) && silent(fresh));
    assert_int_equal(under_way(), 0);
    on_loop(unpark);
    expect(kept, 200, "0");
    expect(half, 200, "0");
    expect(fresh, 200, "0");
    hang_up(kept);
    hang_up(half);
    hang_up(fresh);
}

/* What is under way goes on, and the next request of its connection waits. */
static void ends_what_is_under_way(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial(), *slow = dial();
    say(c, "POST /len HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    say(slow, "POST /len HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\na");
    while (under_way() != 2)
        usleep(1000);
    on_loop(park);
    say(c, "cd" GET("/len"));
    expect(c, 200, "4");
    assert_true(silent(c));
    assert_int_equal(under_way(), 1);
    on_loop(hasten); /* whose body does not come */
    assert_int_equal(under_way(), 0);
    on_loop(unpark);
    expect(c, 200, "0");
    hang_up(c);
    hang_up(slow);
}

static void lets_in_some(void **state)
{
    VK_UNUSED(state);
    struct client *a = dial(), *b = dial(), *pieces = dial();
    on_loop(park);
    on_loop(sift);
    struct client *fresh = dial();
    say(a, GET("/len"));
    say(b, "POST /len HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nlet-me-in");
    say(pieces, "POST /len HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n...let-");
    say(fresh, "POST /len HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nlet-me-in");
    expect(b, 200, "9");
    expect(fresh, 200, "9");
    assert_true(silent(a) && silent(pieces));
    say(pieces, "me-in");
    expect(pieces, 200, "12");
    say(b, GET("/len"));
    assert_true(silent(a) && silent(b));
    on_loop(park);
    on_loop(unpark);
    expect(a, 200, "0");
    expect(b, 200, "0");
    hang_up(a);
    hang_up(b);
    hang_up(pieces);
    hang_up(fresh);
}

/* Last: what has been given away is not `server`'s any more. */
static void gives_all(void **state)
{
    VK_UNUSED(state);
    struct client *idle = dial(), *half = dial(), *whole = dial();
    say(idle, GET("/len"));
    expect(idle, 200, "0");
    say(half, "POST /len HTTP/1.1\r\nHost: a\r\nContent-Le");
    for (on_loop(see); !seen.received || seen.n_conns < 3; on_loop(see))
        usleep(1000);
    usleep(20000);
    on_loop(park);
    say(whole, GET("/len"));
    on_loop(sift); /* so that it is read, and has to go along */
    usleep(20000);
    on_loop(park);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    vk_server_init(&heir, loop, &handler, NULL);
    heir.names = server.names;
    heir.tls = server.tls;
    on_loop(give);
    assert_true(taken >= 3);
    expect(whole, 200, "0");
    say(half, "ngth: 3\r\n\r\nabc");
    expect(half, 200, "3");
    for (int i = 0; i < 3; i++) {
        say(idle, GET("/len"));
        struct answer a = hear(idle);
        assert_int_equal(a.status, 200);
        bool close = a.close;
        forget(&a);
#ifdef VK_TEST_TLS
        assert_true(close); /* a relay serves once */
        expect_end(idle);
        break;
#else
        assert_false(close);
#endif
    }
    hang_up(idle);
    hang_up(half);
    hang_up(whole);
    close(pair[0]);
    close(pair[1]);
    for (on_loop(see); seen.heirs; on_loop(see))
        usleep(1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rests_and_goes_on),
        cmocka_unit_test(ends_what_is_under_way),
        cmocka_unit_test(lets_in_some),
        cmocka_unit_test(gives_all),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
