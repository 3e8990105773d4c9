#include "services/reach.h"

#include "core/json_read.h"
#include "core/json_write.h"
#include "http/client.h"

#include <sys/socket.h>
#include <unistd.h>

enum {
    CALL_MS = 15000, /* longer than courier takes for a call that fails (courier/outbound.h) */
    ASK_MAX = 4 * 1024 * 1024,
    ANSWER_MAX = 64 * 1024, /* a body of VK_REACH_KEEP_MAX, escaped, and some more */
};

static void finish(vk_reach *r)
{
    vk_client_close(r->client);
    r->client = NULL;
    vk_buf_free(&r->ask);
    r->done(r);
}

static void away(vk_reach *r)
{
    r->untried = true;
    snprintf(r->why, sizeof r->why, "the process that speaks to other hosts (courier) does not answer");
    finish(r);
}

static void take_answer(vk_reach *r, const vk_response *answer)
{
    vk_arena *a = vk_arena_new(256 * 1024);
    vk_json *o = NULL;
    int64_t status = 0;
    if (a && vk_json_parse(a, answer->body, &o, NULL, NULL) == VK_OK && answer->status == 200 &&
        vk_json_i64(vk_json_get(o, VK_STR("status")), &status) == VK_OK &&
        vk_json_i64(vk_json_get(o, VK_STR("ms")), &r->ms) == VK_OK) {
        r->status = (int)status;
        r->answer = r->keep ? vk_json_str(vk_json_get(o, VK_STR("body"))) : VK_STR_NONE;
    } else {
        r->untried = answer->status == 429 || !o;
        vk_str why = vk_json_str(vk_json_get(o, VK_STR("message")));
        snprintf(r->why, sizeof r->why, VK_STR_FMT, VK_STR_ARG(why));
    }
    vk_client_close(r->client);
    r->client = NULL;
    vk_buf_free(&r->ask);
    r->done(r);
    vk_arena_free(a);
}

static void answered(void *arg, vk_err e, const vk_response *answer)
{
    vk_reach *r = arg;
    if (e != VK_OK) {
        away(r);
        return;
    }
    take_answer(r, answer);
}

/* Courier serves our end of the new pair now. */
static void connected(void *arg, vk_err e, const vk_response *answer)
{
    vk_reach *r = arg;
    vk_jw w = vk_jw_on(&r->ask);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "method", r->method);
    vk_jw_kstr(&w, "url", r->url);
    if (r->origin.n)
        vk_jw_kstr(&w, "origin", r->origin);
    if (r->content_type.n)
        vk_jw_kstr(&w, "content_type", r->content_type);
    if (r->n_headers) {
        vk_jw_key(&w, VK_STR("headers"));
        vk_jw_obj(&w);
        for (size_t i = 0; i < r->n_headers; i++) {
            vk_jw_key(&w, r->headers[i].name);
            vk_jw_str(&w, r->headers[i].value);
        }
        vk_jw_obj_end(&w);
    }
    if (r->body.n)
        vk_jw_kstr(&w, "body", r->body);
    vk_jw_ki64(&w, "body_max", r->keep ? (int64_t)r->keep : VK_REACH_KEEP_MAX);
    vk_jw_kbool(&w, "cut", r->keep != 0);
    vk_jw_obj_end(&w);
    const vk_request q = {.method = VK_STR("POST"),
                          .target = VK_STR("/v1/call"),
                          .content_type = VK_STR("application/json"),
                          .body = vk_buf_view(&r->ask),
                          .pass_fd = -1,
                          .body_max = ANSWER_MAX,
                          .timeout_ms = CALL_MS,
                          .done = answered,
                          .arg = r};
    if (e != VK_OK || answer->status != 200 || r->ask.err || vk_client_send(r->client, &q) != VK_OK)
        away(r);
}

static void on_loop(vk_task *t)
{
    vk_reach *r = VK_CONTAINER(t, vk_reach, task);
    int ends[2];
    if (!r->rt->courier || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
        away(r);
        return;
    }
    if (vk_client_new(r->rt->loops[0], ends[0], NULL, NULL, &r->client) != VK_OK) {
        close(ends[0]);
        close(ends[1]);
        away(r);
        return;
    }
    const vk_request q = {.method = VK_STR("POST"),
                          .target = VK_STR("/v1/connect"),
                          .pass_fd = ends[1],
                          .body_max = ANSWER_MAX,
                          .timeout_ms = CALL_MS,
                          .done = connected,
                          .arg = r};
    vk_err e = vk_client_send(r->rt->courier, &q);
    close(ends[1]); /* the client keeps a copy of its own until it is sent */
    if (e != VK_OK)
        away(r);
}

void vk_reach_ask(vk_reach *r)
{
    vk_buf_init(&r->ask, ASK_MAX);
    r->client = NULL;
    r->status = 0;
    r->untried = false;
    r->answer = VK_STR_NONE;
    r->ms = 0;
    r->why[0] = '\0';
    r->task.run = on_loop;
    vk_loop_post(r->rt->loops[0], &r->task);
}
