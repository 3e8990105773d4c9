/* A server and a client on one loop while allocations fail: no crash, no leak, no descriptor left, and every
 * request is told an end. */
#include "core/test_alloc.h"

#include "http/client.h"
#include "http/server.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { REQUESTS = 5, BODY = 100000, TAKE = 7000, TURNS = 400 };

static int told, good, gone;

static vk_err pull(vk_source *s, vk_buf *out)
{
    VK_UNUSED(s);
    if (good % 2 == 0)
        vk_buf_z(out, "piece");
    return VK_E_NOT_FOUND;
}

static void stop(vk_source *s)
{
    VK_UNUSED(s);
}

/* Keeps a sum of the body, and takes less than it could now and then. */
struct taker {
    vk_sink sink;
    size_t n;
};

static void taker_ready(vk_exchange *ex)
{
    vk_sink_ready(ex);
}

static size_t take(vk_sink *s, vk_exchange *ex, vk_str bytes)
{
    struct taker *t = VK_CONTAINER(s, struct taker, sink);
    size_t n = bytes.n > TAKE ? TAKE : bytes.n;
    t->n += n;
    if (n < bytes.n)
        vk_exchange_post(ex, taker_ready);
    return n;
}

/* As many bytes as were taken, in pieces. */
static vk_err next(vk_pieces *p, int64_t at, vk_piece *out_r)
{
    static const char part[TAKE];
    VK_UNUSED(p);
    VK_UNUSED(at);
    *out_r = (vk_piece){.fd = -1, .n = TAKE, .bytes = part};
    return VK_OK;
}

static void stop_pieces(vk_pieces *p)
{
    VK_UNUSED(p);
}

static vk_err on_head(vk_exchange *ex)
{
    ex->body_max = BODY;
    if (vk_str_eqz(ex->path, "/sink")) {
        struct taker *t = VK_NEW(ex->arena, struct taker);
        if (!t)
            return VK_E_NOMEM;
        t->sink.take = take;
        ex->sink = &t->sink;
        ex->held = true;
        vk_exchange_post(ex, taker_ready);
    }
    ex->secret = ex->query.n != 0;
    return VK_OK;
}

static void on_request(vk_exchange *ex)
{
    static vk_source source = {pull, stop};
    static vk_pieces pieces = {next, stop_pieces};
    static char long_value[2000];
    memset(long_value, 'v', sizeof long_value);
    vk_err e = vk_header_add(ex, "X-A", VK_STR("b"));
    if (e == VK_OK && ex->sink)
        e = vk_header_add(ex, "X-B", (vk_str){long_value, sizeof long_value});
    if (e != VK_OK) {
        vk_respond(ex, vk_err_status(e), NULL);
    } else if (ex->sink) {
        vk_respond_pieces(ex, 200, NULL, (int64_t)VK_CONTAINER(ex->sink, struct taker, sink)->n, &pieces);
    } else if (vk_str_eqz(ex->path, "/source")) {
        vk_respond_source(ex, 200, "text/plain", &source);
    } else {
        vk_buf_add(&ex->out, ex->body.p, ex->body.n);
        vk_respond(ex, 200, "text/plain");
    }
}

static void on_done(void *arg, vk_err e, const vk_response *r)
{
    VK_UNUSED(arg);
    told++;
    good += e == VK_OK && r->status == 200;
}

static void on_gone(void *arg)
{
    VK_UNUSED(arg);
    gone++;
}

static vk_loop *loop;

static void turns(int n)
{
    for (int i = 0; i < n; i++)
        uv_run(&loop->uv, UV_RUN_NOWAIT);
}

static int send_all(vk_client *c)
{
    static char body[BODY];
    static const char *const targets[REQUESTS] = {"/a", "/source", "/b?secret", "/c", "/sink"};
    int sent = 0;
    for (int i = 0; i < REQUESTS; i++) {
        vk_request r = {.method = VK_STR("POST"),
                        .target = vk_str_z(targets[i]),
                        .body = {body, i == 1 ? 0 : sizeof body},
                        .body_max = BODY,
                        .pass_fd = i == 3 ? STDIN_FILENO : -1,
                        .secret = i == 2,
                        .done = on_done};
        sent += vk_client_send(c, &r) == VK_OK;
    }
    return sent;
}

static bool step(bool may_fail)
{
    static const vk_handler handler = {.head = on_head, .request = on_request};
    vk_server server;
    vk_client *client = NULL;
    int pair[2], sent = 0;
    told = good = gone = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return false;
    vk_server_init(&server, loop, &handler, NULL);
    server.takes_fds = true;
    if (vk_server_adopt(&server, pair[0], NULL, NULL) != VK_OK)
        close(pair[0]);
    if (vk_client_new(loop, pair[1], on_gone, NULL, &client) == VK_OK)
        sent = send_all(client);
    else
        close(pair[1]);
    for (int i = 0; i < TURNS && told < sent; i++)
        turns(1);
    bool content = told == sent && (may_fail || good == REQUESTS);
    if (client && !gone)
        vk_client_close(client);
    vk_server_close(&server, NULL);
    turns(5);
    content &= server.n_conns == 0 && (!client || gone == 1);
    if (loop->spare_free) /* what the loop keeps for the next one is no leak */
        loop->spare_free(loop);
    while (loop->n_spare_in)
        free(loop->spare_in[--loop->n_spare_in]);
    return content;
}

static int open_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* libuv aborts when it cannot grow its own table of watchers; one pass before shows it the highest
 * descriptor. */
static void short_memory(void **state)
{
    int runs = 0;
    long leak = 0;
    VK_UNUSED(state);
    if (!ALLOC_SEAM)
        fail_msg("built with a sanitizer, whose malloc cannot be replaced");
    assert_int_equal(vk_loop_new(&loop), VK_OK);
    assert_true(step(false));
    int before = open_fds();
    if (!alloc_torture(step, &runs, &leak))
        fail_msg("with allocation %d failing: %ld leaked, %d of the requests told, %d good, gone %d", runs,
                 leak, told, good, gone);
    assert_true(runs > 20);
    assert_int_equal(open_fds(), before);
    vk_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(short_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
