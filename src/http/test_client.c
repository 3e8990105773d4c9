#include "http/client.h"

#include "core/clock.h"
#include "http/server.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Each test has its own loop, run on this thread, with the client on one end of a socketpair. On the other
 * end is a peer that follows a script in a thread, or our own server on the same loop. */

static vk_loop *loop;
static vk_client *client;
static int peer_fd, gone_calls, pending_done;

struct call {
    int calls, status;
    vk_err e;
    char body[64];
    size_t body_n, pieces_n;
    int order;
    vk_err piece_error; /* what on_body answers */
    bool close_in_done, close_in_piece, send_in_done;
};

static struct call calls[VK_CLIENT_QUEUE + 8];
static int n_done;

static void on_gone(void *arg)
{
    *(int *)arg += 1;
    client = NULL;
    if (pending_done == 0)
        vk_loop_stop(loop);
}

static int set_up(void **state)
{
    VK_UNUSED(state);
    int pair[2];
    memset(calls, 0, sizeof calls);
    gone_calls = n_done = pending_done = 0;
    if (vk_loop_new(&loop) != VK_OK || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    peer_fd = pair[1];
    return fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0 &&
                   vk_client_new(loop, pair[0], on_gone, &gone_calls, &client) == VK_OK
               ? 0
               : -1;
}

static void quit(vk_task *t)
{
    VK_UNUSED(t);
    if (!client)
        vk_loop_stop(loop);
    vk_client_close(client); /* on_gone stops the loop */
}

/* Ends the client, if it is still there, and the loop. */
static int tear_down(void **state)
{
    static vk_task task = {.run = quit};
    VK_UNUSED(state);
    atomic_store(&loop->stopping, false);
    vk_loop_post(loop, &task);
    vk_loop_run(loop);
    vk_loop_free(loop);
    close(peer_fd);
    return gone_calls == 1 ? 0 : -1;
}

static void send_call(struct call *c, vk_str target, vk_str body);

static void on_done(void *arg, vk_err e, const vk_response *r)
{
    struct call *c = arg;
    c->calls++;
    c->e = e;
    c->order = n_done++;
    if (c->close_in_done)
        vk_client_close(client);
    if (r) {
        c->status = r->status;
        c->body_n = r->body.n;
        if (r->body.n < sizeof c->body)
            memcpy(c->body, r->body.p ? r->body.p : "", r->body.n);
        if (!r->head || r->head->status != r->status)
            abort();
    } else if (e == VK_OK) {
        abort();
    }
    if (c->send_in_done)
        send_call(c + 1, VK_STR("/x"), VK_STR("next"));
    if (--pending_done == 0)
        vk_loop_stop(loop);
}

static vk_err on_piece(void *arg, vk_str piece)
{
    struct call *c = arg;
    c->pieces_n += piece.n;
    if (c->close_in_piece)
        vk_client_close(client);
    return c->piece_error;
}

static vk_request plain(struct call *c)
{
    return (vk_request){.method = VK_STR("POST"),
                        .target = VK_STR("/x"),
                        .pass_fd = -1,
                        .body_max = 1000,
                        .done = on_done,
                        .arg = c};
}

static void send_request(const vk_request *r)
{
    pending_done++;
    assert_int_equal(vk_client_send(client, r), VK_OK);
}

static void send_call(struct call *c, vk_str target, vk_str body)
{
    vk_request r = plain(c);
    r.target = target;
    r.body = body;
    send_request(&r);
}

static void run(void)
{
    vk_loop_run(loop);
    for (size_t i = 0; i < VK_COUNT(calls); i++)
        assert_true(calls[i].calls <= 1);
}

/* ---- scripted peers ---- */

static struct script {
    const char *text;
    size_t read_first; /* bytes of the request to wait for */
    bool close, stay;  /* close at the end; `stay`: read on until the client goes */
    size_t got;
    char seen[4096];
} script;

static void *peer_main(void *arg)
{
    struct script *s = arg;
    char room[65536];
    while (s->got < s->read_first) {
        ssize_t n =
            read(peer_fd, room, s->read_first - s->got < sizeof room ? s->read_first - s->got : sizeof room);
        if (n <= 0)
            break;
        if (s->got + (size_t)n < sizeof s->seen)
            memcpy(s->seen + s->got, room, (size_t)n);
        s->got += (size_t)n;
    }
    size_t n = strlen(s->text);
    if (send(peer_fd, s->text, n, MSG_NOSIGNAL) != (ssize_t)n)
        abort();
    if (s->close)
        shutdown(peer_fd, SHUT_WR);
    while (s->stay) {
        ssize_t more = read(peer_fd, room, sizeof room);
        if (more <= 0)
            break;
        s->got += (size_t)more;
    }
    return NULL;
}

/* One request, answered with `text`. */
static struct call *exchange(const char *text, bool close_after, void (*change)(vk_request *r))
{
    pthread_t thread;
    vk_request r = plain(&calls[0]);
    script = (struct script){.text = text, .read_first = 20, .close = close_after};
    if (change)
        change(&r);
    assert_int_equal(pthread_create(&thread, NULL, peer_main, &script), 0);
    send_request(&r);
    run();
    pthread_join(thread, NULL);
    assert_int_equal(calls[0].calls, 1);
    return &calls[0];
}

static void again(void)
{
    assert_int_equal(tear_down(NULL), 0);
    assert_int_equal(set_up(NULL), 0);
}

static void as_head(vk_request *r)
{
    r->method = VK_STR("HEAD");
}

static void as_secret(vk_request *r)
{
    r->secret = true;
}

static void good_answers(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text;
        bool close;
        void (*change)(vk_request *r);
        int status;
        const char *body;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, NULL, 200, "hello"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, as_secret, 200, "hello"},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false, NULL, 404, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", false, NULL,
         200, "hello"},
        {"HTTP/1.1 200 OK\r\n\r\nhello", true, NULL, 200, "hello"},
        {"HTTP/1.0 200 OK\r\n\r\n", true, NULL, 200, ""},
        {"HTTP/1.1 204 No Content\r\n\r\n", false, NULL, 204, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, as_head, 200, ""},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
         "2\r\n\r\nok",
         false, NULL, 200, "ok"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", true, NULL, 200, "hello"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct call *c = exchange(cases[i].text, cases[i].close, cases[i].change);
        if (c->e != VK_OK || c->status != cases[i].status ||
            !vk_str_eqz((vk_str){c->body, c->body_n}, cases[i].body))
            fail_msg("case %zu: %s %d", i, vk_err_name(c->e), c->status);
        again();
    }
}

static void with_small_body(vk_request *r)
{
    r->body_max = 4;
}

static void bad_answers(void **state)
{
    VK_UNUSED(state);
    static const struct {
        const char *text;
        bool close;
        void (*change)(vk_request *r);
        vk_err e;
    } cases[] = {
        {"", true, NULL, VK_E_UNAVAILABLE},
        {"HTTP/1.1 200 OK\r\nContent-Le", true, NULL, VK_E_UNAVAILABLE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", true, NULL, VK_E_UNAVAILABLE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", true, NULL, VK_E_UNAVAILABLE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX", false, NULL, VK_E_INVALID},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", false, NULL, VK_E_INVALID},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", false, NULL,
         VK_E_INVALID},
        {"220 mail ready\r\n", false, NULL, VK_E_INVALID},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, with_small_body, VK_E_TOO_LARGE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false,
         with_small_body, VK_E_TOO_LARGE},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct call *c = exchange(cases[i].text, cases[i].close, cases[i].change);
        if (c->e != cases[i].e)
            fail_msg("case %zu: %s", i, vk_err_name(c->e));
        vk_request r = plain(&calls[1]);
        if (client) /* closing, but not yet reported */
            assert_int_equal(vk_client_send(client, &r), VK_E_UNAVAILABLE);
        again();
    }
}

/* A unix socket that is closed with input unread resets its peer. */
static void a_reset_is_no_end(void **state)
{
    VK_UNUSED(state);
    static const char text[] = "HTTP/1.1 200 OK\r\n\r\nhalf of i";
    send_call(&calls[0], VK_STR("/x"), VK_STR("body"));
    assert_int_equal(send(peer_fd, text, sizeof text - 1, 0), sizeof text - 1);
    close(peer_fd);
    peer_fd = -1;
    run();
    assert_int_equal(calls[0].e, VK_E_UNAVAILABLE);
}

static void what_is_sent(void **state)
{
    VK_UNUSED(state);
    static const char want[] =
        "PUT /a?b HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\nX-A: 1\r\nContent-Type: text/plain\r\n"
        "Content-Length: 4\r\n\r\nbody";
    pthread_t thread;
    vk_request r = plain(&calls[0]);
    r.method = VK_STR("PUT");
    r.target = VK_STR("/a?b");
    r.host = VK_STR("h");
    r.bearer = VK_STR("t");
    r.headers = VK_STR("X-A: 1\r\n");
    r.content_type = VK_STR("text/plain");
    r.body = VK_STR("body");
    script = (struct script){.text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                             .read_first = sizeof want - 1};
    assert_int_equal(pthread_create(&thread, NULL, peer_main, &script), 0);
    send_request(&r);
    run();
    pthread_join(thread, NULL);
    assert_memory_equal(script.seen, want, sizeof want - 1);
    /* What would make lines of its own is not sent at all. */
    static const char *const bad[] = {"a\r\nX: y", "a\n", "\r", "a\x7f"};
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        for (int field = 0; field < 5; field++) {
            r = plain(&calls[1]);
            *(field == 0   ? &r.method
              : field == 1 ? &r.target
              : field == 2 ? &r.host
              : field == 3 ? &r.bearer
                           : &r.content_type) = vk_str_z(bad[i]);
            assert_int_equal(vk_client_send(client, &r), VK_E_INVALID);
        }
    }
    assert_int_equal(calls[1].calls, 0);
}

static void timeouts(void **state)
{
    VK_UNUSED(state);
    vk_request r = plain(&calls[0]);
    int64_t start = vk_clock_mono_ms();
    r.timeout_ms = 150;
    send_request(&r);
    send_call(&calls[1], VK_STR("/x"), VK_STR(""));
    run();
    int64_t took = vk_clock_mono_ms() - start;
    assert_true(took >= 140 && took < 5000);
    assert_int_equal(calls[0].e, VK_E_TIMEOUT);
    assert_int_equal(calls[1].e, VK_E_UNAVAILABLE);
}

/* The peer answers before it has read the body: the next request must not be taken for the rest of it. */
static void early_answers(void **state)
{
    VK_UNUSED(state);
    static char body[8 << 20];
    pthread_t thread;
    script = (struct script){.text = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n",
                             .read_first = 100,
                             .stay = true};
    send_call(&calls[0], VK_STR("/x"), (vk_str){body, sizeof body});
    send_call(&calls[1], VK_STR("/x"), VK_STR("second"));
    assert_int_equal(pthread_create(&thread, NULL, peer_main, &script), 0);
    run();
    assert_true(calls[0].e == VK_OK && calls[0].status == 413);
    assert_int_equal(calls[1].e, VK_E_UNAVAILABLE);
    pthread_join(thread, NULL); /* at the end of the connection */
    assert_true(script.got < sizeof body);
}

static void uninvited_bytes(void **state)
{
    VK_UNUSED(state);
    pthread_t thread;
    script = (struct script){
        .text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        .read_first = 20};
    send_call(&calls[0], VK_STR("/x"), VK_STR("first"));
    send_call(&calls[1], VK_STR("/x"), VK_STR("second"));
    assert_int_equal(pthread_create(&thread, NULL, peer_main, &script), 0);
    run();
    pthread_join(thread, NULL);
    assert_int_equal(calls[0].e, VK_OK);
    assert_int_equal(calls[1].e, VK_E_UNAVAILABLE); /* the forged answer is nobody's */
    again();
    assert_int_equal(send(peer_fd, "x", 1, 0), 1);
    run(); /* until gone */
    assert_int_equal(gone_calls, 1);
    assert_null(client);
}

static void peers_that_leave(void **state)
{
    VK_UNUSED(state);
    close(peer_fd);
    peer_fd = -1;
    send_call(&calls[0], VK_STR("/x"), VK_STR("body"));
    assert_int_equal(calls[0].calls, 0); /* never inside of the call */
    run();
    assert_int_equal(calls[0].e, VK_E_UNAVAILABLE);
    again();
    shutdown(peer_fd, SHUT_RD); /* cannot be written to, but is not at its end either */
    send_call(&calls[0], VK_STR("/x"), VK_STR("body"));
    run();
    assert_int_equal(calls[0].e, VK_E_UNAVAILABLE);
}

static void a_full_queue(void **state)
{
    VK_UNUSED(state);
    for (int i = 0; i < VK_CLIENT_QUEUE; i++)
        send_call(&calls[i], VK_STR("/x"), VK_STR(""));
    vk_request r = plain(&calls[VK_CLIENT_QUEUE]);
    assert_int_equal(vk_client_send(client, &r), VK_E_BUSY);
    vk_client_close(client);
    for (int i = 0; i < VK_CLIENT_QUEUE; i++)
        assert_true(calls[i].calls == 1 && calls[i].e == VK_E_UNAVAILABLE && calls[i].order == i);
    assert_int_equal(calls[VK_CLIENT_QUEUE].calls, 0);
    assert_int_equal(vk_client_send(client, &r), VK_E_UNAVAILABLE);
    vk_client_close(client); /* twice is once */
    vk_client_close(NULL);
}

static void closing_inside_of_callbacks(void **state)
{
    VK_UNUSED(state);
    pthread_t thread;
    for (int in_piece = 0; in_piece < 2; in_piece++) {
        script = (struct script){
            .text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
            .read_first = 20};
        vk_request r = plain(&calls[0]);
        calls[0].close_in_done = !in_piece;
        calls[0].close_in_piece = in_piece;
        r.on_body = in_piece ? on_piece : NULL;
        send_request(&r);
        send_call(&calls[1], VK_STR("/x"), VK_STR("second"));
        assert_int_equal(pthread_create(&thread, NULL, peer_main, &script), 0);
        run();
        pthread_join(thread, NULL);
        assert_int_equal(calls[1].e, VK_E_UNAVAILABLE);
        if (in_piece) {
            assert_int_equal(calls[0].e, VK_E_UNAVAILABLE);
            assert_int_equal(calls[0].pieces_n, 3);
        } else { /* what it was given is still readable after closing */
            assert_true(calls[0].e == VK_OK &&
                        vk_str_eqz((vk_str){calls[0].body, calls[0].body_n}, "abcdef"));
        }
        again();
    }
}

/* ---- with our own server on the same loop ---- */

static vk_server server;

static vk_err serve_head(vk_exchange *ex)
{
    ex->body_max = 16 << 20;
    return VK_OK;
}

static void serve(vk_exchange *ex)
{
    if (vk_str_eqz(ex->path, "/fd")) {
        char text[8] = "";
        if (ex->passed_fd >= 0 && pread(ex->passed_fd, text, 6, 0) < 0)
            abort();
        vk_buf_z(&ex->out, text);
    } else if (vk_str_eqz(ex->path, "/large") || vk_str_eqz(ex->path, "/failed")) {
        char *to = vk_buf_room(&ex->out, 3 << 20);
        if (!to)
            abort();
        memset(to, 'l', 3 << 20);
        ex->out.n = 3 << 20;
    } else {
        vk_buf_add(&ex->out, ex->body.p, ex->body.n);
    }
    vk_respond(ex, vk_str_eqz(ex->path, "/failed") ? 500 : 200, NULL);
}

static const vk_handler handler = {.head = serve_head, .request = serve};

static void start_server(void)
{
    vk_server_init(&server, loop, &handler, NULL);
    server.takes_fds = true;
    assert_int_equal(fcntl(peer_fd, F_SETFL, O_NONBLOCK), 0);
    int fd = dup(peer_fd); /* the server closes its own */
    assert_true(fd >= 0);
    close(peer_fd);
    peer_fd = -1;
    assert_int_equal(vk_server_adopt(&server, fd, NULL, NULL), VK_OK);
}

/* The client goes first, then the server's end. */
static void stop_server(void)
{
    atomic_store(&loop->stopping, false);
    pending_done = 0;
    vk_client_close(client);
    if (client)
        vk_loop_run(loop);
    for (int i = 0; i < 100 && server.n_conns; i++)
        uv_run(&loop->uv, UV_RUN_NOWAIT);
    assert_int_equal(server.n_conns, 0);
}

static void many_in_order(void **state)
{
    VK_UNUSED(state);
    start_server();
    char text[16];
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof text, "%d", i);
        send_call(&calls[i], VK_STR("/x"), vk_str_z(text));
    }
    calls[299].send_in_done = true;
    run();
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_true(calls[i].e == VK_OK && calls[i].order == i &&
                    vk_str_eqz((vk_str){calls[i].body, calls[i].body_n}, text));
    }
    assert_true(calls[300].e == VK_OK && calls[300].order == 300 && calls[300].body_n == 4);
    stop_server();
}

static void streams_and_limits(void **state)
{
    VK_UNUSED(state);
    static char body[10 << 20];
    start_server();
    vk_request r = plain(&calls[0]); /* piece by piece, whatever body_max says */
    r.target = VK_STR("/large");
    r.on_body = on_piece;
    send_request(&r);
    r.arg = &calls[1]; /* an error is not streamed */
    r.target = VK_STR("/failed");
    r.body_max = 4 << 20;
    send_request(&r);
    r = plain(&calls[2]); /* large both ways */
    r.body = (vk_str){body, sizeof body};
    r.body_max = sizeof body;
    send_request(&r);
    r = plain(&calls[3]); /* the receiver has enough */
    r.target = VK_STR("/large");
    r.on_body = on_piece;
    calls[3].piece_error = VK_E_FULL;
    r.arg = &calls[3];
    send_request(&r);
    run();
    assert_true(calls[0].e == VK_OK && calls[0].pieces_n == 3 << 20 && calls[0].body_n == 0);
    assert_true(calls[1].e == VK_OK && calls[1].status == 500 && calls[1].pieces_n == 0 &&
                calls[1].body_n == 3 << 20);
    assert_true(calls[2].e == VK_OK && calls[2].body_n == sizeof body);
    assert_int_equal(calls[3].e, VK_E_FULL);
    stop_server();
}

/* ---- bodies that are given piece by piece */

static size_t given, give_in_all;
static bool give_fails;

static ssize_t give(void *arg, char *to, size_t room)
{
    VK_UNUSED(arg);
    size_t n = give_in_all - given < room ? give_in_all - given : room;
    if (n > 30000)
        n = 30000; /* as a pipe has it */
    for (size_t i = 0; i < n; i++)
        to[i] = (char)('a' + (given + i) % 23);
    if (n == 0 && give_fails)
        return -1;
    given += n;
    return (ssize_t)n;
}

static vk_err check_piece(void *arg, vk_str piece)
{
    struct call *c = arg;
    for (size_t i = 0; i < piece.n; i++)
        if (piece.p[i] != (char)('a' + (c->pieces_n + i) % 23))
            return VK_E_CORRUPT;
    c->pieces_n += piece.n;
    return VK_OK;
}

static void given_bodies(void **state)
{
    static const size_t sizes[] = {0, 1, 30000, 65536, 9 << 20};
    VK_UNUSED(state);
    start_server();
    for (size_t i = 0; i < VK_COUNT(sizes); i++)
        for (size_t chunks = 0; chunks < 2; chunks++) {
            struct call *c = &calls[2 * i + chunks];
            vk_request r = plain(c);
            given = 0;
            give_in_all = sizes[i];
            r.give = give;
            r.body_n = chunks ? -1 : (int64_t)sizes[i];
            r.on_body = check_piece;
            send_request(&r);
            run();
            assert_true(c->e == VK_OK && c->status == 200 && c->pieces_n == sizes[i] && given == sizes[i]);
            atomic_store(&loop->stopping, false);
        }
    stop_server();
}

/* Fewer bytes than announced, or none to be had: the request is not taken for a whole one. */
static void broken_bodies(void **state)
{
    VK_UNUSED(state);
    int kind = *(const int *)*state;
    start_server();
    vk_request r = plain(&calls[0]);
    given = 0;
    give_in_all = kind == 2 ? 0 : 100000;
    give_fails = kind != 0;
    r.give = give;
    r.body_n = kind == 1 ? -1 : 100001;
    send_request(&r);
    assert_int_equal(calls[0].calls, 0); /* never inside of the call */
    run();
    assert_int_equal(calls[0].e, VK_E_INVALID);
    give_fails = false;
    stop_server();
}

static void too_short(void **state)
{
    static int kind = 0;
    *state = &kind;
    broken_bodies(state);
}

static void unreadable(void **state)
{
    static int kind = 1;
    *state = &kind;
    broken_bodies(state);
}

static void unreadable_at_once(void **state)
{
    static int kind = 2;
    *state = &kind;
    broken_bodies(state);
}

/* The server refuses a body that is too large for it while it is sent: the reason arrives. */
static void refused_half_way(void **state)
{
    VK_UNUSED(state);
    start_server();
    vk_request r = plain(&calls[0]);
    given = 0;
    give_in_all = 64 << 20;
    r.give = give;
    r.body_n = 64 << 20;
    send_request(&r);
    run();
    assert_true(calls[0].e == VK_OK && calls[0].status == 413 && given < give_in_all);
    stop_server();
}

static void descriptors(void **state)
{
    VK_UNUSED(state);
    char name[] = "/tmp/vk-test-client-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0 && unlink(name) == 0 && write(fd, "passed", 6) == 6);
    start_server();
    vk_request r = plain(&calls[0]);
    r.target = VK_STR("/fd");
    r.pass_fd = fd;
    send_request(&r);
    r.arg = &calls[1];
    r.pass_fd = -1;
    send_request(&r);
    assert_int_equal(close(fd), 0); /* ours; the client has its own */
    run();
    assert_true(calls[0].e == VK_OK && vk_str_eqz((vk_str){calls[0].body, calls[0].body_n}, "passed"));
    assert_true(calls[1].e == VK_OK && calls[1].body_n == 0);
    r.pass_fd = fd; /* closed: no descriptor */
    assert_int_equal(vk_client_send(client, &r), VK_E_IO);
    stop_server();
}

#define WITH_CLIENT(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CLIENT(good_answers),       WITH_CLIENT(bad_answers),
        WITH_CLIENT(a_reset_is_no_end),  WITH_CLIENT(what_is_sent),
        WITH_CLIENT(timeouts),           WITH_CLIENT(early_answers),
        WITH_CLIENT(uninvited_bytes),    WITH_CLIENT(peers_that_leave),
        WITH_CLIENT(a_full_queue),       WITH_CLIENT(closing_inside_of_callbacks),
        WITH_CLIENT(many_in_order),      WITH_CLIENT(streams_and_limits),
        WITH_CLIENT(descriptors),        WITH_CLIENT(given_bodies),
        WITH_CLIENT(too_short),          WITH_CLIENT(unreadable),
        WITH_CLIENT(unreadable_at_once), WITH_CLIENT(refused_half_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
