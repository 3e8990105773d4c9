/* Asks of keeper, which the test plays: those that go apart wait for nobody, and nobody waits for them. */
#include "http/test_rig.h"

#include "services/ask_keeper.h"

#include <fcntl.h>

static vk_runtime rt;
static vk_server control; /* keeper's, on all of its connections */
static vk_exchange *held[VK_KEEPER_APART];
static _Atomic int n_held, ways, posted;
static vk_keeper_ask asks[VK_KEEPER_APART + 1];
static _Atomic int done;
static vk_err errs[VK_KEEPER_APART + 1];
static char said[VK_KEEPER_APART + 1][200];

/* ---- keeper */

static vk_err control_head(vk_exchange *ex)
{
    ex->body_max = 100;
    return VK_OK;
}

static void control_request(vk_exchange *ex)
{
    if (path_is(ex, "/v1/control")) {
        int fd = ex->passed_fd;
        CHECK(fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
        ex->passed_fd = -1;
        CHECK(vk_server_adopt(&control, fd, NULL, NULL) == VK_OK);
        ways++;
        vk_respond_text(ex, 200, "application/json", VK_STR("{}"));
    } else if (path_is(ex, "/hold")) {
        CHECK(n_held < VK_KEEPER_APART);
        held[n_held] = ex;
        n_held++;
    } else {
        vk_buf_printf(&ex->out, VK_STR_FMT " " VK_STR_FMT " " VK_STR_FMT "|" VK_STR_FMT,
                      VK_STR_ARG(ex->method), VK_STR_ARG(ex->content_type),
                      VK_STR_ARG(vk_request_header(ex, VK_STR("X-Line"))),
                      VK_STR_ARG(vk_buf_view(&ex->body)));
        vk_respond(ex, 200, "text/plain");
    }
}

static const vk_handler control_handler = {.head = control_head, .request = control_request};

/* ---- set-up, on the loop */

static vk_task task;

static void on_loop(void (*run)(vk_task *t), int times)
{
    int before = posted;
    task.run = run;
    vk_loop_post(loop, &task);
    wait_for(&posted, before + times);
}

static void begin_keeper(vk_task *t)
{
    int ends[2];
    VK_UNUSED(t);
    vk_server_init(&control, loop, &control_handler, NULL);
    control.takes_fds = true;
    rt.loops[0] = loop;
    rt.n_loops = 1;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    CHECK(vk_server_adopt(&control, ends[0], NULL, NULL) == VK_OK);
    CHECK(vk_client_new(loop, ends[1], NULL, NULL, &rt.keeper) == VK_OK);
    posted++;
}

static void gone(vk_server *s)
{
    VK_UNUSED(s);
    posted++;
}

static void let_go(vk_task *t)
{
    VK_UNUSED(t);
    for (int i = 0; i < n_held; i++) {
        vk_buf_z(&held[i]->out, "let go");
        vk_respond(held[i], 200, "text/plain");
    }
    n_held = 0;
    posted++;
}

static void end_keeper(vk_task *t)
{
    VK_UNUSED(t);
    vk_client_close(rt.keeper);
    rt.keeper = NULL;
    vk_server_close(&control, gone);
    posted++;
}

static int set_up(void **state)
{
    int rc = start(state);
    if (rc == 0)
        on_loop(begin_keeper, 1);
    return rc;
}

static int tear_down(void **state)
{
    return finish(state);
}

/* ---- cases */

static void came(vk_keeper_ask *a, vk_err e, const vk_response *r)
{
    size_t i = (size_t)(a - asks);
    CHECK((r != NULL) == (e == VK_OK));
    errs[i] = e;
    snprintf(said[i], sizeof said[i], VK_STR_FMT, VK_STR_ARG(r ? r->body : VK_STR_NONE));
    done++;
}

static void send_ask(size_t i, const char *target, bool apart)
{
    asks[i] = (vk_keeper_ask){.rt = &rt, .target = vk_str_z(target), .apart = apart, .done = came};
    vk_keeper_ask_send(&asks[i]);
}

static void ways_are_alike(void **state)
{
    VK_UNUSED(state);
    for (int i = 0; i < 2; i++) {
        int before = done;
        asks[0] = (vk_keeper_ask){.rt = &rt,
                                  .apart = i == 1,
                                  .target = VK_STR("/x"),
                                  .lines = VK_STR("X-Line: 1\r\n"),
                                  .body = VK_STR("{}"),
                                  .done = came};
        vk_keeper_ask_send(&asks[0]);
        wait_for(&done, before + 1);
        assert_int_equal(errs[0], VK_OK);
        assert_string_equal(said[0], "POST application/json 1|{}");
        asks[0].method = VK_STR("GET");
        asks[0].body = VK_STR_NONE;
        vk_keeper_ask_send(&asks[0]);
        wait_for(&done, before + 2);
        assert_string_equal(said[0], "GET  1|");
        assert_int_equal(ways, 2 * i);
    }
}

/* All that may be apart are under way: one more is told so, the others go on, and what ended has room again.
 */
static void bounded(void **state)
{
    VK_UNUSED(state);
    int before = done;
    for (size_t i = 0; i < VK_KEEPER_APART; i++)
        send_ask(i, "/hold", true);
    wait_for(&n_held, VK_KEEPER_APART);
    send_ask(VK_KEEPER_APART, "/x", true);
    wait_for(&done, before + 1);
    assert_int_equal(errs[VK_KEEPER_APART], VK_E_BUSY);
    send_ask(VK_KEEPER_APART, "/x", false);
    wait_for(&done, before + 2);
    assert_int_equal(errs[VK_KEEPER_APART], VK_OK);
    on_loop(let_go, 1);
    wait_for(&done, before + 2 + VK_KEEPER_APART);
    for (size_t i = 0; i < VK_KEEPER_APART; i++)
        assert_string_equal(said[i], "let go");
    send_ask(VK_KEEPER_APART, "/x", true);
    wait_for(&done, before + 3 + VK_KEEPER_APART);
    assert_int_equal(errs[VK_KEEPER_APART], VK_OK);
}

/* Keeper ends while it is asked, and is away afterwards. */
static void away(void **state)
{
    VK_UNUSED(state);
    int before = done;
    send_ask(0, "/hold", true);
    send_ask(1, "/hold", true);
    wait_for(&n_held, 2);
    on_loop(end_keeper, 1);
    on_loop(let_go, 2); /* and the server has no connection any more */
    wait_for(&done, before + 2);
    for (int i = 0; i < 2; i++) {
        send_ask(0, "/x", i == 0);
        wait_for(&done, before + 3 + i);
        assert_int_equal(errs[0], VK_E_UNAVAILABLE);
        assert_string_equal(said[0], "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ways_are_alike), cmocka_unit_test(bounded),
                                       cmocka_unit_test(away)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
