#include "keeper/keeper.h"

#include "core/json_write.h"
#include "http/json_error.h"
#include "keeper/keys_calls.h"
#include "keeper/orders.h"
#include "keeper/stripe_hook.h"

static void answer_master(vk_exchange *ex, const vk_vault *v)
{
    unsigned char kid[4] = {(unsigned char)(v->kid >> 24), (unsigned char)(v->kid >> 16),
                            (unsigned char)(v->kid >> 8), (unsigned char)v->kid};
    ex->secret = true;
    vk_buf_add(&ex->out, kid, sizeof kid);
    vk_buf_add(&ex->out, v->master, VK_MASTER);
    vk_respond(ex, 200, "application/octet-stream");
}

static void answer_status(vk_exchange *ex, const vk_keeper *k)
{
    vk_jw w = vk_jw_on(&ex->out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "key_source", vk_str_z(k->vault->source));
    vk_jw_kbool(&w, "beside_data", k->vault->beside);
    if (k->orgs) {
        vk_jw_kbool(&w, "memory_locked", !vk_orgs_unlocked(k->orgs));
        vk_jw_ki64(&w, "ring_version", (int64_t)vk_orgs_ring_version(k->orgs));
        vk_jw_ki64(&w, "to_reseal", (int64_t)vk_orgs_to_reseal(k->orgs));
        vk_jw_kbool(&w, "rolled_back", vk_orgs_rolled_back(k->orgs));
    }
    if (k->orders)
        vk_orders_status(k->orders, &w);
    vk_jw_obj_end(&w);
    vk_respond(ex, 200, "application/json");
}

/* Front opens a connection for orders. */
static void connect_orders(vk_exchange *ex, vk_keeper *k)
{
    int fd = ex->passed_fd;
    if (fd < 0) {
        vk_respond_json_error(ex, VK_E_INVALID, "There is no descriptor with it.");
        return;
    }
    if (!k->orders || vk_orders_connect(k->orders, fd) != VK_OK) {
        vk_respond_json_error(ex, VK_E_UNAVAILABLE, "The connection cannot be served.");
        return;
    }
    ex->passed_fd = -1;
    vk_respond_text(ex, 200, "application/json", VK_STR("{}"));
}

static bool connects(const vk_exchange *ex)
{
    return vk_str_eqz(ex->method, "POST") && vk_str_eqz(ex->path, "/v1/connect");
}

static bool is_hook(const vk_exchange *ex)
{
    return vk_str_eqz(ex->method, "POST") && vk_str_eqz(ex->path, VK_STRIPE_HOOK_CALL);
}

static vk_err head(vk_exchange *ex)
{
    const vk_keeper *k = ex->server->ctx;
    ex->body_max = is_hook(ex) ? VK_STRIPE_EVENT_MAX : 0;
    if (is_hook(ex))
        return VK_OK;
    if (vk_str_eqz(ex->method, "GET") || connects(ex) || (k->orgs && vk_keys_head(ex)))
        return VK_OK;
    vk_respond_json_error(ex, VK_E_METHOD, "keeper has no such call.");
    return VK_E_METHOD;
}

static void request(vk_exchange *ex)
{
    vk_keeper *k = ex->server->ctx;
    if (connects(ex))
        connect_orders(ex, k);
    else if (vk_str_eqz(ex->path, "/healthz"))
        vk_respond_text(ex, 200, "application/json", VK_STR("{\"status\":\"ok\",\"role\":\"keeper\"}"));
    else if (vk_str_eqz(ex->path, "/v1/master"))
        answer_master(ex, k->vault);
    else if (vk_str_eqz(ex->path, "/v1/status"))
        answer_status(ex, k);
    else if (is_hook(ex))
        vk_stripe_hook_answer(ex, k->orgs);
    else if (!k->orgs || !vk_keys_request(ex))
        vk_respond_json_error(ex, VK_E_NOT_FOUND, "keeper has no such call.");
}

const vk_handler vk_keeper_handler = {.head = head, .request = request};
