#include "admin/keeper_ask.h"

enum { PATIENCE_MS = 10 * 1000 };

static void answered(void *arg, vk_err err, const vk_response *r)
{
    vk_keeper_ask *a = arg;
    a->done(a, err, err == VK_OK ? r : NULL);
}

static void on_loop(vk_task *t)
{
    vk_keeper_ask *a = VK_CONTAINER(t, vk_keeper_ask, task);
    const vk_request q = {.method = a->method,
                          .target = a->target,
                          .content_type = a->body.n ? VK_STR("application/json") : VK_STR_NONE,
                          .body = a->body,
                          .pass_fd = -1,
                          .body_max = VK_KEEPER_ANSWER_MAX,
                          .timeout_ms = a->timeout_ms ? a->timeout_ms : PATIENCE_MS,
                          .done = answered,
                          .arg = a};
    if (!a->rt->keeper || vk_client_send(a->rt->keeper, &q) != VK_OK)
        a->done(a, VK_E_UNAVAILABLE, NULL);
}

void vk_keeper_send(vk_keeper_ask *a)
{
    a->task.run = on_loop;
    vk_loop_post(a->rt->loops[0], &a->task);
}
