#include "services/reach.h"

#include "core/json_read.h"
#include "core/json_write.h"

enum {
    CALL_MS = 15000,        /* longer than courier takes for a call that fails (courier/outbound.h) */
    ANSWER_MAX = 64 * 1024, /* a body of VK_REACH_KEEP_MAX, escaped, and some more */
};

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
    vk_buf_free(&r->ask);
    r->done(r); /* the answer is in the arena */
    vk_arena_free(a);
}

static void away(vk_reach *r)
{
    r->untried = true;
    snprintf(r->why, sizeof r->why, "the process that speaks to other hosts (courier) does not answer");
    vk_buf_free(&r->ask);
    r->done(r);
}

static void answered(vk_errand *e, vk_err err, const vk_response *answer)
{
    vk_reach *r = VK_CONTAINER(e, vk_reach, errand);
    if (err != VK_OK || r->ask.err) /* an ask that had no memory was sent in parts, which courier refuses */
        away(r);
    else
        take_answer(r, answer);
}

static void write_ask(vk_reach *r)
{
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
}

void vk_reach_ask(vk_reach *r)
{
    vk_buf_init(&r->ask, VK_ERRAND_ASK_MAX);
    r->status = 0;
    r->untried = false;
    r->answer = VK_STR_NONE;
    r->ms = 0;
    r->why[0] = '\0';
    write_ask(r);
    r->errand = (vk_errand){.rt = r->rt,
                            .target = VK_STR("/v1/call"),
                            .body = vk_buf_view(&r->ask),
                            .answer_max = ANSWER_MAX,
                            .timeout_ms = CALL_MS,
                            .done = answered};
    vk_errand_send(&r->errand);
}
