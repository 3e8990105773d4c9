#include "keeper/keeper.h"

#include "core/encode.h"
#include "core/json_write.h"
#include "http/json_error.h"
#include "keeper/keys_calls.h"
#include "keeper/orders.h"
#include "keeper/pg_watch.h"
#include "keeper/provision.h"
#include "keeper/stripe_hook.h"

#include <fcntl.h>
#include <sys/socket.h>

static void answer_master(vk_exchange *ex, const vk_vault *v)
{
    unsigned char kid[4] = {(unsigned char)(v->kid >> 24), (unsigned char)(v->kid >> 16),
                            (unsigned char)(v->kid >> 8), (unsigned char)v->kid};
    ex->secret = true;
    vk_buf_add(&ex->out, kid, sizeof kid);
    vk_buf_add(&ex->out, v->master, VK_MASTER);
    vk_respond(ex, 200, "application/octet-stream");
}

static void put_audit(vk_jw *w, const vk_keeper *k)
{
    vk_audit_state s;
    char key[65];
    vk_jw_key(w, VK_STR("audit"));
    if (!k->audit) {
        vk_jw_null(w);
        return;
    }
    vk_audit_state_of(k->audit, &s);
    vk_hex(key, s.public_key, sizeof s.public_key);
    vk_jw_obj(w);
    vk_jw_kbool(w, "sealed", s.sealed);
    vk_jw_kbool(w, "damaged", s.damaged);
    vk_jw_kstr(w, "why", vk_str_z(s.why));
    vk_jw_ki64(w, "seq", (int64_t)s.seq);
    vk_jw_ki64(w, "epoch", (int64_t)s.epoch);
    vk_jw_ki64(w, "records", (int64_t)s.records);
    vk_jw_ki64(w, "syncs", (int64_t)s.syncs);
    vk_jw_ki64(w, "refused", (int64_t)s.refused);
    vk_jw_ki64(w, "files_left", (int64_t)s.files);
    vk_jw_ki64(w, "file_bytes", s.file_bytes);
    vk_jw_ki64(w, "reserve_bytes", s.reserve_bytes);
    vk_jw_kbool(w, "low", s.low);
    vk_jw_kbool(w, "auditor", s.auditor);
    vk_jw_kstr(w, "public_key", vk_str_z(key));
    vk_jw_kbool(w, "checkpoints", s.sink);
    vk_jw_ki64(w, "checkpoints_lost", (int64_t)s.sink_lost);
    vk_jw_kstr(w, "checkpoints_why", vk_str_z(s.sink_why));
    vk_jw_obj_end(w);
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
    put_audit(&w, k);
    if (k->orders)
        vk_orders_status(k->orders, &w);
    if (k->provs)
        vk_provs_status(k->provs, &w);
    if (k->pg)
        vk_pg_watch_status(k->pg, &w);
    vk_jw_obj_end(&w);
    vk_respond(ex, 200, "application/json");
}

/* What front makes: one end of a pair, not a file or somebody's network connection. */
static bool is_pair(int fd)
{
    int domain = 0, type = 0, listens = 0;
    socklen_t n = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) == 0 && !listens;
}

static vk_err serve_orders(vk_exchange *ex, int fd)
{
    const vk_keeper *k = ex->server->ctx;
    return k->orders ? vk_orders_connect(k->orders, fd) : VK_E_UNAVAILABLE;
}

static vk_err serve_control(vk_exchange *ex, int fd)
{
    vk_server *s = (vk_server *)(uintptr_t)ex->server;
    if (s->n_conns >= VK_KEEPER_CONTROLS)
        return VK_E_BUSY;
    return fcntl(fd, F_SETFL, O_NONBLOCK) == 0 ? vk_server_adopt(s, fd, NULL, NULL) : VK_E_IO;
}

static const struct way {
    const char *path;
    vk_err (*serve)(vk_exchange *ex, int fd);
} ways_in[] = {{"/v1/connect", serve_orders}, {"/v1/control", serve_control}};

/* NULL: it is another call. */
static const struct way *way_in(const vk_exchange *ex)
{
    for (size_t i = 0; vk_str_eqz(ex->method, "POST") && i < VK_COUNT(ways_in); i++)
        if (vk_str_eqz(ex->path, ways_in[i].path))
            return &ways_in[i];
    return NULL;
}

static void open_way(vk_exchange *ex, const struct way *way)
{
    int fd = ex->passed_fd;
    if (fd < 0 || !is_pair(fd)) {
        vk_respond_json_error(ex, VK_E_INVALID,
                              fd < 0 ? "There is no descriptor with it."
                                     : "The descriptor is not an end of a socketpair.");
        return;
    }
    vk_err e = way->serve(ex, fd);
    if (e != VK_OK) {
        vk_respond_json_error(ex, e == VK_E_BUSY ? e : VK_E_UNAVAILABLE,
                              e == VK_E_BUSY ? "There are too many connections."
                                             : "The connection cannot be served.");
        return;
    }
    ex->passed_fd = -1;
    vk_respond_text(ex, 200, "application/json", VK_STR("{}"));
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
    if (vk_str_eqz(ex->method, "GET") || way_in(ex) || vk_provs_head(ex) || (k->orgs && vk_keys_head(ex)))
        return VK_OK;
    vk_respond_json_error(ex, VK_E_METHOD, "keeper has no such call.");
    return VK_E_METHOD;
}

static void request(vk_exchange *ex)
{
    vk_keeper *k = ex->server->ctx;
    const struct way *way = way_in(ex);
    if (way)
        open_way(ex, way);
    else if (vk_str_eqz(ex->path, "/healthz"))
        vk_respond_text(ex, 200, "application/json", VK_STR("{\"status\":\"ok\",\"role\":\"keeper\"}"));
    else if (vk_str_eqz(ex->path, "/v1/master"))
        answer_master(ex, k->vault);
    else if (vk_str_eqz(ex->path, "/v1/status"))
        answer_status(ex, k);
    else if (is_hook(ex))
        vk_stripe_hook_answer(ex, k->orgs);
    else if (vk_provs_call(k->provs, ex))
        return;
    else if (!k->orgs || !vk_keys_request(ex))
        vk_respond_json_error(ex, VK_E_NOT_FOUND, "keeper has no such call.");
}

const vk_handler vk_keeper_handler = {.head = head, .request = request};
