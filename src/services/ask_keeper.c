#include "services/ask_keeper.h"

enum { PATIENCE_MS = 10 * 1000 };

static int apart; /* under way; loops[0]'s */

static void answered(void *arg, vk_err err, const vk_response *r)
{
    vk_keeper_ask *a = arg;
    a->done(a, err, err == VK_OK ? r : NULL);
}

static void errand_done(vk_errand *e, vk_err err, const vk_response *r)
{
    apart--;
    answered(VK_CONTAINER(e, vk_keeper_ask, errand), err, r);
}

static void send_apart(vk_keeper_ask *a)
{
    if (apart >= VK_KEEPER_APART) {
        a->done(a, VK_E_BUSY, NULL);
        return;
    }
    apart++;
    a->errand = (vk_errand){.rt = a->rt,
                            .keeper = true,
                            .method = a->method,
                            .target = a->target,
                            .lines = a->lines,
                            .content_type = a->content_type,
                            .body = a->body,
                            .answer_max = a->answer_max ? a->answer_max : VK_KEEPER_ANSWER_MAX,
                            .timeout_ms = a->timeout_ms ? a->timeout_ms : PATIENCE_MS,
                            .done = errand_done};
    vk_errand_send(&a->errand);
}

static void on_loop(vk_task *t)
{
    vk_keeper_ask *a = VK_CONTAINER(t, vk_keeper_ask, task);
    if (a->apart) {
        send_apart(a);
        return;
    }
    vk_str type = a->content_type.n ? a->content_type : a->body.n ? VK_STR("application/json") : VK_STR_NONE;
    const vk_request q = {.method = a->method.n ? a->method : VK_STR("POST"),
                          .target = a->target,
                          .headers = a->lines,
                          .content_type = type,
                          .body = a->body,
                          .pass_fd = -1,
                          .body_max = a->answer_max ? a->answer_max : VK_KEEPER_ANSWER_MAX,
                          .timeout_ms = a->timeout_ms ? a->timeout_ms : PATIENCE_MS,
                          .done = answered,
                          .arg = a};
    vk_err e = a->rt->keeper ? vk_client_send(a->rt->keeper, &q) : VK_E_UNAVAILABLE;
    if (e != VK_OK)
        a->done(a, e, NULL);
}

void vk_keeper_ask_send(vk_keeper_ask *a)
{
    a->task.run = on_loop;
    vk_loop_post(a->rt->loops[0], &a->task);
}
