/* Front's side of brokered calls, with a keeper that the test plays. */
#include "http/test_rig.h"

#include "core/encode.h"
#include "http/client.h"
#include "http/json_error.h"
#include "services/forward.h"

#include <fcntl.h>

static vk_runtime rt;
static vk_worker worker;
static vk_service service = {.name = "payments"};
static vk_server control, orders; /* keeper's */
static uint8_t hash[VK_HASH] = {0xab, 0xcd};
static _Atomic int connects, fails, wholes;
static char order_line[200], request_line[200], trace[100];

/* ---- keeper */

static vk_err order_head(vk_exchange *ex)
{
    ex->body_max = BODY_MAX;
    snprintf(order_line, sizeof order_line, VK_STR_FMT,
             VK_STR_ARG(vk_request_header(ex, VK_STR("Valetkey-Order"))));
    snprintf(request_line, sizeof request_line, VK_STR_FMT " " VK_STR_FMT, VK_STR_ARG(ex->method),
             VK_STR_ARG(ex->target));
    snprintf(trace, sizeof trace, VK_STR_FMT, VK_STR_ARG(vk_exchange_id(ex)));
    return VK_OK;
}

static void add(vk_exchange *ex, const char *name, const char *value)
{
    CHECK(vk_header_add(ex, name, vk_str_z(value)) == VK_OK);
}

static void order_request(vk_exchange *ex)
{
    if (path_is(ex, "/refused")) {
        add(ex, "Valetkey-Refusal", "expired");
        vk_respond_json_error(ex, VK_E_EXPIRED, "This valet key has expired.");
        return;
    }
    if (path_is(ex, "/busy")) {
        add(ex, "Valetkey-Refusal", "busy");
        vk_respond_json_error(ex, VK_E_BUSY, "Later");
        return;
    }
    if (path_is(ex, "/strange")) {
        add(ex, "Valetkey-Refusal", "no_such_name");
        vk_respond_text(ex, 200, "text/plain", VK_STR("{"));
        return;
    }
    add(ex, "Request-Id", "req_1");
    add(ex, "X-Mine", "theirs");
    add(ex, "Valetkey-Other", "x");
    vk_buf_z(&ex->out, "got ");
    vk_buf_str(&ex->out, vk_buf_view(&ex->body));
    vk_respond(ex, path_is(ex, "/404") ? 404 : 200, "text/plain");
}

static const vk_handler order_handler = {.head = order_head, .request = order_request};

static vk_err control_head(vk_exchange *ex)
{
    ex->body_max = 0;
    return VK_OK;
}

static void control_request(vk_exchange *ex)
{
    int fd = ex->passed_fd;
    CHECK(path_is(ex, "/v1/connect") && fd >= 0);
    ex->passed_fd = -1;
    connects++;
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && vk_server_adopt(&orders, fd, NULL, NULL) == VK_OK);
    vk_respond_text(ex, 200, "application/json", VK_STR("{}"));
}

static const vk_handler control_handler = {.head = control_head, .request = control_request};

/* ---- front */

static vk_err fwd_head(vk_forward *f, const vk_head *h)
{
    CHECK(h->status == 200 || h->status == 404);
    if (path_is(f->ex, "/mine"))
        return vk_header_add(f->ex, "X-Mine", VK_STR("ours"));
    if (path_is(f->ex, "/collect"))
        vk_forward_collect(f, 1000);
    if (path_is(f->ex, "/collect-little"))
        vk_forward_collect(f, 3);
    if (path_is(f->ex, "/not-on"))
        return vk_fail(f->ex, VK_E_IO, "Not this one");
    return VK_OK;
}

static void fwd_collected(vk_forward *f, int status)
{
    wholes++;
    vk_buf_z(&f->ex->out, "|whole");
    vk_respond(f->ex, status, "text/plain");
}

static void fwd_failed(vk_forward *f, vk_err e, bool retry, const char *why)
{
    fails++;
    CHECK(f->ex->out.n == 0);
    vk_buf_printf(&f->ex->out, "%s/%d/%s", vk_err_name(e), retry, why);
    vk_respond(f->ex, 599, "text/plain");
}

static const vk_forward_ways ways = {.head = fwd_head, .collected = fwd_collected, .failed = fwd_failed},
                             none = {.failed = fwd_failed}, own = {.failed = fwd_failed, .own_lines = true};

static vk_err begin(vk_exchange *ex, vk_str body)
{
    vk_forward *f;
    vk_forward_ask ask = {.kind = 's',
                          .hash = path_is(ex, "/no-hash") ? NULL : hash,
                          .method = ex->method,
                          .target = ex->target,
                          .lines = VK_STR("X-App: 1\r\nX-Other: 2\r\n"),
                          .body = body,
                          .ways = path_is(ex, "/none")  ? &none
                                  : path_is(ex, "/own") ? &own
                                                        : &ways};
    if (path_is(ex, "/split"))
        ask.lines = VK_STR("X-App: 1\r\n\r\nGET / HTTP/1.1\r\n");
    if (path_is(ex, "/split-target"))
        ask.target = VK_STR("/x HTTP/1.1\r\nX: y");
    return vk_forward_begin(ex, &ask, &f);
}

static vk_err front_head(vk_exchange *ex)
{
    ex->body_max = BODY_MAX;
    if (vk_str_starts(ex->path, VK_STR("/stream")))
        return begin(ex, VK_STR_NONE);
    return VK_OK;
}

static void front_request(vk_exchange *ex)
{
    if (vk_str_starts(ex->path, VK_STR("/stream"))) {
        vk_forward_request(ex);
        return;
    }
    vk_err e = begin(ex, ex->body.n ? vk_buf_view(&ex->body) : VK_STR(""));
    if (e != VK_OK) {
        vk_buf_printf(&ex->out, "not begun: %s", vk_err_name(e));
        vk_respond(ex, 598, "text/plain");
    }
}

static const vk_handler front_handler = {.head = front_head, .request = front_request};

/* ---- set-up, on the loop */

static vk_task task;
static _Atomic int posted;

static void connect_control(void)
{
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    CHECK(vk_server_adopt(&control, ends[0], NULL, NULL) == VK_OK);
    CHECK(vk_client_new(loop, ends[1], NULL, NULL, &rt.keeper) == VK_OK);
}

static void begin_keeper(vk_task *t)
{
    VK_UNUSED(t);
    vk_server_init(&control, loop, &control_handler, NULL);
    vk_server_init(&orders, loop, &order_handler, NULL);
    control.takes_fds = true;
    rt.loops[0] = loop;
    rt.n_loops = 1;
    worker = (vk_worker){.rt = &rt, .service = &service, .loop = loop};
    server.ctx = pairs.ctx = &worker;
    connect_control();
    posted++;
}

static void gone(vk_server *s)
{
    VK_UNUSED(s);
    posted++;
}

static void end_keeper(vk_task *t)
{
    VK_UNUSED(t);
    vk_client_close(rt.keeper);
    rt.keeper = NULL;
    vk_forward_end(loop);
    vk_server_close(&control, gone);
    vk_server_close(&orders, gone);
    posted++;
}

static void lose_keeper(vk_task *t)
{
    VK_UNUSED(t);
    vk_client_close(rt.keeper);
    rt.keeper = NULL;
    vk_forward_end(loop);
    posted++;
}

static void find_keeper(vk_task *t)
{
    VK_UNUSED(t);
    connect_control();
    posted++;
}

static void on_loop(void (*run)(vk_task *t), int times)
{
    int before = posted;
    task.run = run;
    vk_loop_post(loop, &task);
    wait_for(&posted, before + times);
}

static int set_up(void **state)
{
    served_by = &front_handler;
    connects = fails = wholes = 0;
    int rc = start(state);
    if (rc == 0)
        on_loop(begin_keeper, 1);
    return rc;
}

static int tear_down(void **state)
{
    on_loop(end_keeper, 3);
    return finish(state);
}

/* ---- cases */

static void passing(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    say(c, "GET /x?a=1 HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine-1\r\n\r\n");
    struct answer a = hear(c);
    assert_int_equal(a.status, 200);
    assert_true(head_has(&a, "Request-Id: req_1\r\n"));
    assert_true(head_has(&a, "X-Mine: theirs\r\n"));
    assert_true(head_has(&a, "Valetkey-Served-By: org\r\n"));
    assert_true(head_has(&a, "X-Request-Id: mine-1\r\n"));
    assert_false(head_has(&a, "Valetkey-Other"));
    forget(&a);
    assert_string_equal(order_line,
                        "payments s abcd000000000000000000000000000000000000000000000000000000000000");
    assert_string_equal(request_line, "GET /x?a=1");
    assert_string_equal(trace, "mine-1");
    say(c, GET("/mine"));
    a = hear(c);
    assert_true(head_has(&a, "X-Mine: ours\r\n"));
    assert_false(head_has(&a, "X-Mine: theirs\r\n"));
    forget(&a);
    say(c, GET("/own"));
    a = hear(c);
    assert_false(head_has(&a, "Request-Id: req_1"));
    forget(&a);
    say(c, GET("/none"));
    expect(c, 200, "got ");
    say(c, GET("/404"));
    expect(c, 404, "got ");
    say(c, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    expect(c, 200, "got hello");
    assert_int_equal(connects, 1); /* one connection serves them all */
    hang_up(c);
}

static void streaming(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    say(c, "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    say(c, "llo");
    expect(c, 200, "got hello");
    say(c, "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    say(c, "2\r\nde\r\n0\r\n\r\n");
    expect(c, 200, "got abcde");
    hang_up(c);
}

static void collecting(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    say(c, GET("/collect"));
    expect(c, 200, "got |whole");
    say(c, GET("/collect-little"));
    expect(c, 599, "too_large/0/The answer is larger than what is taken here");
    assert_int_equal(wholes, 1);
    hang_up(c);
}

static void refusals(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    say(c, GET("/refused"));
    expect(c, 599, "expired/0/This valet key has expired");
    say(c, GET("/busy"));
    expect(c, 599, "busy/1/Later");
    say(c, GET("/strange"));
    expect(c, 599, "internal/0/The call was refused");
    say(c, GET("/not-on"));
    expect(c, 599, "io/0/Not this one");
    say(c, GET("/no-hash"));
    expect(c, 598, "not begun: unavailable");
    say(c, GET("/split"));
    expect(c, 598, "not begun: invalid");
    say(c, GET("/split-target"));
    expect(c, 598, "not begun: invalid");
    hang_up(c);
}

/* Without keeper a call fails in a way that helps to be tried again; when it is back, it works. */
static void away(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    int before = fails;
    say(c, GET("/x"));
    expect(c, 200, "got ");
    on_loop(lose_keeper, 1);
    say(c, GET("/x"));
    struct answer a = hear(c);
    assert_int_equal(a.status, 599);
    assert_true(head_has(&a, "Valetkey-Served-By: org\r\n"));
    forget(&a);
    assert_int_equal(fails, before + 1);
    on_loop(find_keeper, 1);
    say(c, GET("/x"));
    expect(c, 200, "got ");
    hang_up(c);
}

/* ---- of front's own */

static vk_forward_one one;
static _Atomic int ones;
static vk_err one_err;
static char one_body[100], one_id[20];

static void one_came(vk_forward_one *o, vk_err e, const vk_head *h)
{
    one_err = e;
    CHECK((h != NULL) == (e == VK_OK));
    vk_str id = h ? vk_head_get(h, VK_STR("Request-Id")) : VK_STR_NONE;
    snprintf(one_id, sizeof one_id, VK_STR_FMT, VK_STR_ARG(id));
    snprintf(one_body, sizeof one_body, VK_STR_FMT, VK_STR_ARG(vk_buf_view(&o->out)));
    vk_buf_free(&o->out);
    ones++;
}

static void ask_one(const char *target, const char *body, size_t max)
{
    int before = ones;
    one = (vk_forward_one){.rt = &rt,
                           .service = "storage",
                           .kind = 'k',
                           .method = body[0] ? VK_STR("POST") : VK_STR("GET"),
                           .target = vk_str_z(target),
                           .body = vk_str_z(body),
                           .max = max,
                           .done = one_came};
    vk_forward_send(&one);
    wait_for(&ones, before + 1);
}

static void without_exchange(void **state)
{
    VK_UNUSED(state);
    ask_one("/x", "", 100);
    assert_int_equal(one_err, VK_OK);
    assert_int_equal(one.status, 200);
    assert_string_equal(one_body, "got ");
    assert_string_equal(one_id, "req_1");
    assert_true(strncmp(order_line, "storage k 0000", 14) == 0);
    ask_one("/404", "abc", 100);
    assert_int_equal(one_err, VK_OK);
    assert_int_equal(one.status, 404);
    assert_string_equal(one_body, "got abc");
    ask_one("/busy", "", 100);
    assert_int_equal(one_err, VK_E_BUSY);
    assert_int_equal(one.status, 0);
    assert_true(one.retry);
    assert_string_equal(one.why, "Later");
    ask_one("/x y", "", 100);
    assert_int_equal(one_err, VK_E_INVALID);
    on_loop(lose_keeper, 1);
    ask_one("/x", "", 100);
    assert_int_equal(one_err, VK_E_UNAVAILABLE);
    assert_true(one.retry);
    on_loop(find_keeper, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(passing),    cmocka_unit_test(streaming),
                                       cmocka_unit_test(collecting), cmocka_unit_test(refusals),
                                       cmocka_unit_test(away),       cmocka_unit_test(without_exchange)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
