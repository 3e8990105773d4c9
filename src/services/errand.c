#include "services/errand.h"

#include <sys/socket.h>
#include <unistd.h>

/* The client closes itself in a later turn, so that what the answer views lives until `done` returns. */
static void finish(vk_errand *e, vk_err err, const vk_response *r)
{
    vk_client *c = e->client;
    e->client = NULL;
    vk_client_close(c);
    e->done(e, err, r);
}

static void answered(void *arg, vk_err err, const vk_response *r)
{
    finish(arg, err, err == VK_OK ? r : NULL);
}

/* The other side serves its end of the new pair now. */
static void connected(void *arg, vk_err err, const vk_response *r)
{
    vk_errand *e = arg;
    vk_str type = e->content_type.n ? e->content_type : e->body.n ? VK_STR("application/json") : VK_STR_NONE;
    const vk_request q = {.method = e->method.n ? e->method : VK_STR("POST"),
                          .target = e->target,
                          .headers = e->lines,
                          .content_type = type,
                          .body = e->body,
                          .pass_fd = -1,
                          .secret = e->secret,
                          .body_max = e->answer_max,
                          .timeout_ms = e->timeout_ms,
                          .done = answered,
                          .arg = e};
    if (err == VK_OK)
        err = r->status == 200 ? vk_client_send(e->client, &q) : VK_E_UNAVAILABLE;
    if (err != VK_OK)
        finish(e, err, NULL);
}

static void on_loop(vk_task *t)
{
    vk_errand *e = VK_CONTAINER(t, vk_errand, task);
    vk_client *to = e->keeper ? e->rt->keeper : e->rt->courier;
    int ends[2];
    if (!to || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        finish(e, VK_E_UNAVAILABLE, NULL);
        return;
    }
    if (vk_client_new(e->rt->loops[0], ends[0], NULL, NULL, &e->client) != VK_OK) {
        close(ends[0]);
        close(ends[1]);
        finish(e, VK_E_UNAVAILABLE, NULL);
        return;
    }
    const vk_request q = {.method = VK_STR("POST"),
                          .target = e->keeper ? VK_STR("/v1/control") : VK_STR("/v1/connect"),
                          .pass_fd = ends[1],
                          .body_max = 1024,
                          .timeout_ms = VK_ERRAND_CONNECT_MS,
                          .done = connected,
                          .arg = e};
    vk_err err = vk_client_send(to, &q);
    close(ends[1]); /* the client keeps a copy of its own until it is sent */
    if (err != VK_OK)
        finish(e, err, NULL);
}

void vk_errand_send(vk_errand *e)
{
    e->client = NULL;
    e->task.run = on_loop;
    vk_loop_post(e->rt->loops[0], &e->task);
}
