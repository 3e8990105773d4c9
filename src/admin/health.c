#include "admin/health.h"

#include "core/json_read.h"
#include "http/client.h"

enum { ANSWER_MAX = 32 * 1024 }; /* a path, in which any byte may be escaped */

/* Everything here is used on loops[0] only. */
static struct {
    vk_health last, next;
    int64_t at; /* loop time of `last`; 0: never */
    vk_list asking;
    bool begun, running;
    int left;
} state;

static void tell(vk_health_ask *a)
{
    vk_health h = state.last;
    a->done(a, &h);
}

static void one_answered(void)
{
    if (--state.left > 0)
        return;
    vk_list waiting;
    vk_list_init(&waiting);
    vk_list_splice(&waiting, &state.asking);
    state.last = state.next;
    state.running = false;
    for (vk_list *n; (n = vk_list_shift(&waiting));)
        tell(VK_CONTAINER(n, vk_health_ask, node));
}

static void take_keeper(const vk_response *r)
{
    vk_arena *a = vk_arena_new(64 * 1024);
    vk_json *o;
    if (a && vk_json_parse(a, r->body, &o, NULL, NULL) == VK_OK) {
        vk_str source = vk_json_str(vk_json_get(o, VK_STR("key_source")));
        const vk_json *beside = vk_json_get(o, VK_STR("beside_data"));
        snprintf(state.next.key_source, sizeof state.next.key_source, VK_STR_FMT, VK_STR_ARG(source));
        state.next.key_beside_data = beside && beside->type == VK_JSON_BOOL && beside->u.b;
        vk_health_take_audit(vk_json_get(o, VK_STR("audit")), &state.next.audit);
    }
    vk_arena_free(a);
}

static void keeper_answered(void *arg, vk_err e, const vk_response *r)
{
    VK_UNUSED(arg);
    state.next.keeper = e == VK_OK && r->status == 200;
    if (state.next.keeper)
        take_keeper(r);
    one_answered();
}

static void courier_answered(void *arg, vk_err e, const vk_response *r)
{
    VK_UNUSED(arg);
    state.next.courier = e == VK_OK && r->status == 200;
    one_answered();
}

static void ask(vk_client *c, vk_str target, void (*done)(void *arg, vk_err e, const vk_response *r))
{
    const vk_request r = {.method = VK_STR("GET"),
                          .target = target,
                          .pass_fd = -1,
                          .body_max = ANSWER_MAX,
                          .timeout_ms = VK_HEALTH_TIMEOUT_MS,
                          .done = done};
    if (!c || vk_client_send(c, &r) != VK_OK)
        done(NULL, VK_E_UNAVAILABLE, NULL);
}

static void on_loop(vk_task *t)
{
    vk_health_ask *a = VK_CONTAINER(t, vk_health_ask, task);
    vk_runtime *rt = a->rt;
    int64_t now = vk_loop_now(rt->loops[0]);
    if (!state.begun) {
        vk_list_init(&state.asking);
        state.begun = true;
    }
    if (!state.running && state.at && now - state.at < VK_HEALTH_FRESH_MS) {
        tell(a);
        return;
    }
    vk_list_push(&state.asking, &a->node);
    if (state.running)
        return;
    state.running = true;
    state.at = now ? now : 1;
    state.next = (vk_health){0};
    state.left = 3; /* one for us, so that an answer given at once does not end it early */
    ask(rt->keeper, VK_STR("/v1/status"), keeper_answered);
    ask(rt->courier, VK_STR("/healthz"), courier_answered);
    one_answered();
}

void vk_health_get(vk_health_ask *a)
{
    vk_list_init(&a->node);
    a->task.run = on_loop;
    vk_loop_post(a->rt->loops[0], &a->task);
}
