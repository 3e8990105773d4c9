/* A client, a server that passes on, and the one that answers, on one loop while allocations fail: no crash,
 * no leak, no descriptor left, and every request is told an end. */
#include "core/test_alloc.h"

#include "http/client.h"
#include "http/proxy.h"
#include "http/server.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { REQUESTS = 5, BODY = 100000, TURNS = 600 };

static int told, good, gone, begun, ended;
static vk_loop *loop;
static vk_server front, origin;
static vk_upstream *pool;

/* ---- who answers */

static vk_err origin_head(vk_exchange *ex)
{
    ex->body_max = BODY;
    return VK_OK;
}

static void origin_request(vk_exchange *ex)
{
    if (vk_str_eqz(ex->path, "/large"))
        for (int i = 0; i < BODY / 10; i++)
            vk_buf_lit(&ex->out, "0123456789");
    else
        vk_buf_add(&ex->out, ex->body.p, ex->body.n);
    vk_respond(ex, 200, "text/plain");
}

static vk_err open_pair(void *arg, int *fd_r)
{
    int pair[2];
    VK_UNUSED(arg);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return VK_E_IO;
    if (vk_server_adopt(&origin, pair[1], NULL, NULL) != VK_OK) {
        close(pair[0]);
        close(pair[1]);
        return VK_E_NOMEM;
    }
    *fd_r = pair[0];
    return VK_OK;
}

/* ---- who passes on */

static void look(vk_proxy *p, char *bytes, size_t n, bool end)
{
    VK_UNUSED(p);
    VK_UNUSED(bytes);
    VK_UNUSED(n);
    VK_UNUSED(end);
}

static vk_err answer_head(vk_proxy *p, const vk_head *h)
{
    VK_UNUSED(h);
    if (vk_str_eqz(p->ex->query, "collect"))
        vk_proxy_collect(p, BODY);
    if (vk_str_eqz(p->ex->query, "filter"))
        vk_proxy_filter(p, look, 100);
    return vk_header_add(p->ex, "X-A", VK_STR("b"));
}

static void collected(vk_proxy *p, int status)
{
    vk_respond(p->ex, status, "text/plain");
}

static void failed(vk_proxy *p, vk_err e, const char *why)
{
    VK_UNUSED(why);
    vk_respond(p->ex, vk_err_status(e), NULL);
}

static void on_ended(vk_proxy *p, vk_err e, int status, uint64_t sent, uint64_t received)
{
    VK_UNUSED(p);
    VK_UNUSED(e);
    VK_UNUSED(status);
    VK_UNUSED(sent);
    VK_UNUSED(received);
    ended++;
}

static vk_err on_head(vk_exchange *ex)
{
    static const vk_proxy_ways ways = {answer_head, collected, failed, on_ended};
    vk_proxy *p;
    ex->body_max = BODY;
    vk_str head = vk_arena_printf(
        ex->arena, VK_STR_FMT " " VK_STR_FMT " HTTP/1.1\r\nHost: x\r\nContent-Length: %lld\r\n\r\n",
        VK_STR_ARG(ex->method), VK_STR_ARG(ex->target), (long long)vk_proxy_body_n(ex));
    if (!head.p)
        return VK_E_NOMEM;
    vk_err e = vk_proxy_begin(ex,
                              &(vk_proxy_ask){.to = pool,
                                              .head = head,
                                              .method = ex->method,
                                              .secret = ex->query.n != 0,
                                              .again = true,
                                              .ways = &ways},
                              &p);
    begun += e == VK_OK;
    return e;
}

/* ---- who asks */

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

static int send_all(vk_client *c)
{
    static char body[BODY];
    static const struct {
        const char *target;
        size_t n;
    } all[REQUESTS] = {
        {"/small", 10}, {"/large?filter", 0}, {"/echo", BODY}, {"/echo?collect", BODY}, {"/large", 0}};
    int sent = 0;
    for (int i = 0; i < REQUESTS; i++) {
        vk_request r = {.method = VK_STR("POST"),
                        .target = vk_str_z(all[i].target),
                        .body = {body, all[i].n},
                        .body_max = BODY,
                        .pass_fd = -1,
                        .done = on_done};
        sent += vk_client_send(c, &r) == VK_OK;
    }
    return sent;
}

static void turns(int n)
{
    for (int i = 0; i < n; i++)
        uv_run(&loop->uv, UV_RUN_NOWAIT);
}

static bool step(bool may_fail)
{
    static const vk_handler handler = {.head = on_head, .request = vk_proxy_request};
    static const vk_handler origin_handler = {.head = origin_head, .request = origin_request};
    const vk_upstream_place at = {.host = "it", .open = open_pair};
    vk_client *client = NULL;
    int pair[2], sent = 0;
    told = good = gone = begun = ended = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return false;
    vk_server_init(&front, loop, &handler, NULL);
    vk_server_init(&origin, loop, &origin_handler, NULL);
    bool whole = vk_upstream_new(loop, &at, &pool) == VK_OK;
    if (!whole || vk_server_adopt(&front, pair[0], NULL, NULL) != VK_OK)
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
    vk_server_close(&front, NULL);
    turns(3);
    if (whole)
        vk_upstream_free(pool);
    vk_server_close(&origin, NULL);
    turns(8);
    content &= front.n_conns == 0 && origin.n_conns == 0 && (!client || gone == 1) && begun == ended;
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

static void short_memory(void **state)
{
    int runs = 0;
    long leak = 0;
    VK_UNUSED(state);
    if (!ALLOC_SEAM)
        fail_msg("built with a sanitizer, whose malloc cannot be replaced");
    assert_int_equal(vk_loop_new(&loop), VK_OK);
    assert_true(step(false)); /* libuv's own table has its size after it */
    int before = open_fds();
    if (!alloc_torture(step, &runs, &leak))
        fail_msg("with allocation %d failing: %ld leaked, %d told, %d good, gone %d, begun %d, ended %d, "
                 "conns %zu %zu",
                 runs, leak, told, good, gone, begun, ended, front.n_conns, origin.n_conns);
    assert_true(runs > 20);
    assert_int_equal(open_fds(), before);
    vk_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(short_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
