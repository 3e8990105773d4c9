#include "courier/inside.h"

#include "core/json_read.h"
#include "core/json_write.h"
#include "core/log.h"
#include "http/json_error.h"

#include <fcntl.h>
#include <unistd.h>

/* A call on its way; in the exchange's arena. */
typedef struct errand {
    vk_courier_job job; /* first */
    vk_exchange *ex;
    vk_outbound_ask ask;
    vk_outbound_answer answer;
    vk_err e;
} errand;

/* ---- lanes */

bool vk_courier_has_curl(vk_courier *c)
{
    pthread_mutex_lock(&c->mu);
    if (!c->looked_for) {
        c->can_call = vk_curl_load(&c->outbound.curl);
        if (!c->can_call)
            vk_log(VK_WARN, "libcurl is not on this machine: hosts of others cannot be asked");
    }
    c->looked_for = true;
    bool has = c->can_call;
    pthread_mutex_unlock(&c->mu);
    return has;
}

bool vk_courier_has_pq(vk_courier *c)
{
    pthread_mutex_lock(&c->mu);
    if (!c->looked_for_pq)
        c->has_pq = vk_pq_load(&c->pq) == VK_OK;
    c->looked_for_pq = true;
    bool has = c->has_pq;
    pthread_mutex_unlock(&c->mu);
    return has;
}

static void on_lane(vk_job *job)
{
    vk_courier_job *j = VK_CONTAINER(job, vk_courier_job, job);
    j->work(j);
    atomic_fetch_sub(&j->courier->load[j->lane], 1);
    j->done(j);
}

bool vk_courier_give(vk_courier *c, vk_courier_job *j)
{
    size_t best = VK_COURIER_LANES;
    uint32_t least = VK_COURIER_QUEUE;
    for (size_t i = 0; i < VK_COURIER_LANES && least; i++) {
        uint32_t load = atomic_load(&c->load[i]);
        if (!c->lanes[i] && vk_lane_new("vk-outbound", VK_COURIER_QUEUE, &c->lanes[i]) != VK_OK)
            break;
        if (load < least) {
            least = load;
            best = i;
        }
    }
    if (best == VK_COURIER_LANES)
        return false;
    j->courier = c;
    j->lane = best;
    j->job.run = on_lane;
    atomic_fetch_add(&c->load[best], 1);
    if (vk_lane_add(c->lanes[best], &j->job) == VK_OK)
        return true;
    atomic_fetch_sub(&c->load[best], 1);
    return false;
}

static vk_err head(vk_exchange *ex)
{
    bool asks = vk_str_eqz(ex->path, "/v1/call") || vk_str_eqz(ex->path, "/v1/validate");
    ex->body_max = asks ? VK_COURIER_ASK_MAX : 0;
    ex->secret = true; /* what is sent for others is nobody else's */
    return VK_OK;
}

/* ---- a call */

static void answer_call(vk_exchange *ex)
{
    errand *x = ex->ctx;
    if (x->e != VK_OK) {
        vk_buf_free_secret(&x->answer.body);
        vk_respond_json_error(ex, x->e, x->answer.why[0] ? x->answer.why : "Out of memory");
        return;
    }
    vk_jw w = vk_jw_on(&ex->out);
    vk_jw_obj(&w);
    vk_jw_ki64(&w, "status", x->answer.status);
    vk_jw_ki64(&w, "ms", x->answer.ms);
    vk_jw_kstr(&w, "body", vk_buf_view(&x->answer.body)); /* what is no UTF-8 becomes U+FFFD */
    vk_jw_obj_end(&w);
    vk_buf_free_secret(&x->answer.body);
    vk_respond(ex, 200, "application/json");
}

static void do_call(vk_courier_job *j)
{
    errand *x = VK_CONTAINER(j, errand, job);
    if (vk_courier_has_curl(j->courier)) {
        x->e = vk_outbound_call(&j->courier->outbound, &x->ask, &x->answer);
    } else {
        x->e = VK_E_UNSUPPORTED;
        snprintf(x->answer.why, sizeof x->answer.why,
                 "libcurl is not on this machine (Debian: libcurl4), so no host can be asked");
    }
}

static void call_done(vk_courier_job *j)
{
    vk_exchange_post(VK_CONTAINER(j, errand, job)->ex, answer_call);
}

static bool parse_headers(errand *x, const vk_json *o)
{
    vk_outbound_header *all = vk_arena_calloc(x->ex->arena, VK_OUTBOUND_HEADERS * sizeof *all);
    if (!all || o->type != VK_JSON_OBJECT || o->count > VK_OUTBOUND_HEADERS)
        return false;
    for (const vk_json *h = o->u.child; h; h = h->next) {
        all[x->ask.n_headers] = (vk_outbound_header){h->key, vk_json_str(h)};
        if (!vk_outbound_header_ok(&all[x->ask.n_headers++]))
            return false;
    }
    x->ask.headers = all;
    return true;
}

static bool parse(errand *x, vk_str body)
{
    vk_json *o;
    int64_t most = 0;
    if (vk_json_parse(x->ex->arena, body, &o, NULL, NULL) != VK_OK)
        return false;
    const vk_json *body_max = vk_json_opt(o, VK_STR("body_max")),
                  *headers = vk_json_opt(o, VK_STR("headers")), *cut = vk_json_opt(o, VK_STR("cut"));
    x->ask = (vk_outbound_ask){.method = vk_json_str(vk_json_get(o, VK_STR("method"))),
                               .url = vk_json_str(vk_json_get(o, VK_STR("url"))),
                               .origin = vk_json_str(vk_json_opt(o, VK_STR("origin"))),
                               .content_type = vk_json_str(vk_json_opt(o, VK_STR("content_type"))),
                               .body = vk_json_str(vk_json_opt(o, VK_STR("body")))};
    for (size_t i = 0; i < x->ask.content_type.n; i++)
        if (x->ask.content_type.p[i] < ' ' || x->ask.content_type.n > 100)
            return false;
    if (body_max && (vk_json_i64(body_max, &most) != VK_OK || most < 0))
        return false;
    x->ask.body_max = (size_t)most;
    x->ask.cut = cut && cut->type == VK_JSON_BOOL && cut->u.b;
    if (headers && !parse_headers(x, headers))
        return false;
    return x->ask.method.n && x->ask.url.n;
}

static void call(vk_exchange *ex)
{
    vk_courier *c = ex->server->ctx;
    errand *x = VK_NEW(ex->arena, errand);
    if (!x) {
        vk_respond_json_error(ex, VK_E_NOMEM, "Out of memory");
        return;
    }
    *x = (errand){.job = {.work = do_call, .done = call_done}, .ex = ex};
    vk_buf_init(&x->answer.body, VK_OUTBOUND_BODY_MAX + 8192);
    ex->ctx = x;
    if (!parse(x, vk_buf_view(&ex->body))) {
        vk_respond_json_error(ex, VK_E_INVALID, "This is no request for a call");
        return;
    }
    if (vk_courier_give(c, &x->job))
        return;
    vk_respond_json_error(ex, VK_E_BUSY, "Too many calls to other hosts are waiting; try again");
}

/* ---- routes */

static void connect_peer(vk_exchange *ex)
{
    int fd = ex->passed_fd;
    ex->passed_fd = -1;
    if (fd < 0) {
        vk_respond_json_error(ex, VK_E_INVALID, "There is no descriptor with it");
        return;
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ||
        vk_server_adopt((vk_server *)(uintptr_t)ex->server, fd, NULL, NULL) != VK_OK) {
        close(fd);
        vk_respond_json_error(ex, VK_E_UNAVAILABLE, "The connection cannot be served");
        return;
    }
    vk_respond_text(ex, 200, "application/json", VK_STR("{}"));
}

static void healthz(vk_exchange *ex)
{
    vk_respond_text(ex, 200, "application/json", VK_STR("{\"status\":\"ok\",\"role\":\"courier\"}"));
}

static void request(vk_exchange *ex)
{
    static const struct {
        const char *method, *path;
        void (*run)(vk_exchange *ex);
    } calls[] = {{"GET", "/healthz", healthz},
                 {"POST", "/v1/connect", connect_peer},
                 {"POST", "/v1/call", call},
                 {"POST", "/v1/validate", vk_courier_validate}};
    bool path = false;
    for (size_t i = 0; i < VK_COUNT(calls); i++) {
        if (!vk_str_eqz(ex->path, calls[i].path))
            continue;
        path = true;
        if (vk_str_eqz(ex->method, calls[i].method)) {
            calls[i].run(ex);
            return;
        }
    }
    if (path)
        vk_respond_json_error(ex, VK_E_METHOD, "courier answers another method here");
    else
        vk_respond_json_error(ex, VK_E_NOT_FOUND, "courier has no such call");
}

vk_err vk_courier_new(const vk_egress *egress, const char *ca_file, struct vk_courier **out_r)
{
    vk_courier *c = calloc(1, sizeof *c);
    if (!c)
        return VK_E_NOMEM;
    vk_pq_forget_environment();
    c->outbound.egress = *egress;
    c->outbound.ca_file = ca_file;
    pthread_mutex_init(&c->mu, NULL);
    *out_r = c;
    return VK_OK;
}

const vk_handler vk_courier_handler = {.head = head, .request = request};
