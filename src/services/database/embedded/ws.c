/* The life of a Hrana WebSocket: handshake, hello, the key that is looked at again and again, the end. */
#include "services/database/embedded/ws_socket.h"

#include "core/json_write.h"

/* ---- what comes in is counted while it comes: 128 sockets could each have a message of 32 MiB under way */

static const char *on_growth(vk_ws *ws, size_t n)
{
    vk_socket *k = vk_ws_ctx(ws);
    if (!k->t || n < VK_DB_RECEIVED_LARGE || n <= k->coming)
        return NULL;
    size_t all = k->coming ? k->coming : VK_SOCKET_PIECE;
    while (all < n)
        all *= 2;
    if (vk_db_reserve(k->t, all - k->coming)) {
        k->coming = all;
        return NULL;
    }
    vk_db_unreserve(k->t, k->coming);
    k->coming = 0;
    return "Too much is being sent for this build at once; try again";
}

void vk_socket_count_message(vk_socket_message *q)
{
    if (q->came)
        vk_db_unreserve(q->k->t, q->came);
    q->came = 0;
}

/* ---- the end */

void vk_socket_fail(vk_socket *k, int code, vk_str reason)
{
    k->ending = true;
    vk_ws_close(k->ws, code, reason);
}

void vk_socket_free_message(vk_socket_message *q)
{
    vk_arena *a = q->a;
    bool secret = q->m.type == VK_M_HELLO;
    vk_socket_count_message(q);
    vk_buf_free_secret(&q->text);
    vk_buf_free(&q->out);
    if (secret)
        vk_arena_wipe(a);
    vk_arena_free(a);
}

static void maybe_free(vk_socket *k)
{
    if (!k->over || k->working)
        return;
    vk_timer_clear(k->loop, &k->timer);
    vk_socket_free_texts(k);
    if (k->t) {
        vk_db_unreserve(k->t, k->coming);
        atomic_fetch_sub(&k->t->socket_bytes, k->counted);
        vk_db_socket_close(k->t);
    }
    if (k->key.tenant)
        vk_service_let_go(k->worker, &k->key);
    vk_ws_release(k->ws);
    free(k);
}

/* Reads on, or not. */
static void flow(vk_socket *k)
{
    if (k->parsing || k->throttled || k->waiting >= VK_SOCKET_WAITING_MAX ||
        k->waiting_bytes >= VK_SOCKET_WAITING_BYTES)
        vk_ws_pause(k->ws);
    else
        vk_ws_resume(k->ws);
}

void vk_socket_came_back(vk_socket *k)
{
    if (k->over)
        maybe_free(k);
    else
        flow(k);
}

static void on_closed(vk_ws *ws)
{
    vk_socket *k = vk_ws_ctx(ws);
    k->over = true;
    vk_timer_clear(k->loop, &k->timer);
    vk_socket_end_streams(k);
    maybe_free(k);
}

/* ---- the key */

/* False: it is not good any more, and the socket ends. */
static bool still_good(vk_socket *k, bool used)
{
    const char *why;
    vk_err e = vk_service_recheck(k->worker, &k->key, used, &why);
    if ((e == VK_OK || e == VK_E_BUSY) && vk_service_driver_of(k->worker, k->key.tenant, NULL)) {
        vk_socket_fail(k, VK_WS_POLICY, VK_STR("This build's database is at a vendor now: connect again"));
        return false;
    }
    /* Who asks too often is read from later. Nothing is lost, and the client needs no word for it. */
    k->throttled = e == VK_E_BUSY;
    if (e == VK_OK || e == VK_E_BUSY ||
        (!used && e == VK_E_UNAVAILABLE)) /* an idle socket can wait for the answer */
        return true;
    vk_socket_fail(k, e == VK_E_UNAVAILABLE ? VK_WS_INTERNAL : VK_WS_POLICY, vk_str_z(why));
    return false;
}

static void on_timer(vk_timer *timer)
{
    vk_socket *k = VK_CONTAINER(timer, vk_socket, timer);
    if (k->ending)
        return;
    vk_timer_set(k->loop, timer, VK_SOCKET_CHECK_MS, on_timer);
    if (k->key.tenant) {
        vk_socket_account(k);
        if (still_good(k, false))
            flow(k);
    } else if (vk_loop_now(k->loop) - k->opened_ms >= VK_SOCKET_HELLO_MS) {
        vk_socket_fail(k, VK_WS_POLICY, VK_STR("No hello message came within 10 seconds"));
    }
}

static void refuse_hello(vk_socket *k, const char *code, const char *why)
{
    vk_buf b;
    vk_sqlerr e = {code, vk_str_z(why)};
    vk_buf_init(&b, VK_SOCKET_SMALL);
    vk_buf_lit(&b, "{\"type\":\"hello_error\",\"error\":");
    vk_put_error(&b, &e);
    vk_buf_ch(&b, '}');
    vk_ws_send_buf(k->ws, &b);
    vk_buf_free(&b);
    vk_socket_fail(k, VK_WS_POLICY, vk_str_z(why));
}

static const char *auth_code(vk_err e)
{
    return e == VK_E_EXPIRED                          ? "AUTH_JWT_EXPIRED"
           : e == VK_E_FORBIDDEN                      ? "AUTH_JWT_NOT_ALLOWED"
           : e == VK_E_BUSY                           ? "RATE_LIMITED"
           : e == VK_E_NOMEM || e == VK_E_UNAVAILABLE ? "UNAVAILABLE"
                                                      : "AUTH_JWT_INVALID";
}

/* The first one opens the socket for its build; a later one is the same build's with another key. */
static void hello(vk_socket *k, vk_str jwt)
{
    const char *why;
    vk_held_key key;
    int64_t wait;
    if (!jwt.p) {
        refuse_hello(k, "AUTH_JWT_MISSING",
                     "Authentication is required but no JWT was specified: give the client the build's "
                     "TURSO_AUTH_TOKEN");
        return;
    }
    vk_err e = vk_service_hold(k->worker, vk_secret_of(jwt), 'b', &key, &wait, &why);
    if (e != VK_OK) {
        bool bad = e == VK_E_UNAUTHORIZED || e == VK_E_EXPIRED || e == VK_E_FORBIDDEN;
        vk_count(e == VK_E_BUSY ? &k->worker->keys_limited : &k->worker->keys_refused, 1);
        if (bad && vk_ws_bad_key(k->ws)) {
            e = VK_E_BUSY;
            why = "Too many requests from this address bring a key that opens nothing (limit bad_key_rate)";
        }
        refuse_hello(k, auth_code(e), why);
        return;
    }
    if (vk_service_driver_of(k->worker, key.tenant, NULL)) {
        e = VK_E_UNAVAILABLE;
        why = "This build's database is at a vendor, which is asked by HTTP only: give the client an address "
              "that "
              "begins with http or https";
    } else if (k->key.tenant && k->key.tenant != key.tenant) {
        e = VK_E_FORBIDDEN;
        why = "This connection belongs to another build; open a new one for this valet key";
    } else if (!k->t) {
        e = vk_db_socket_open(key.tenant, &k->t, &why);
    }
    if (e != VK_OK) {
        vk_service_let_go(k->worker, &key);
        refuse_hello(k, e == VK_E_BUSY ? "TRANSACTION_BUSY" : auth_code(e), why);
        return;
    }
    if (k->key.tenant)
        vk_service_let_go(k->worker, &k->key);
    k->key = key;
    vk_ws_limit(k->ws, VK_HRANA_BODY_MAX);
    vk_ws_send(k->ws, VK_STR("{\"type\":\"hello_ok\"}"));
}

/* ---- messages */

static void parse(vk_socket_message *q)
{
    q->e = vk_hrana_parse_message(q->a, vk_buf_view(&q->text), &q->m, &q->why, &q->malformed);
}

/* The message was parsed. */
static void take(vk_socket_message *q)
{
    vk_socket *k = q->k;
    if (q->e == VK_E_INVALID)
        vk_socket_fail(k, q->malformed ? VK_WS_INVALID : VK_WS_POLICY, q->why);
    else if (q->e != VK_OK)
        vk_socket_fail(k, VK_WS_TOO_LARGE, VK_STR("The message needs more memory than one message may use"));
    else if (q->m.type == VK_M_HELLO)
        hello(k, q->m.jwt);
    else if (!k->key.tenant)
        vk_socket_fail(k, VK_WS_POLICY, VK_STR("Received a request before hello message"));
    else {
        vk_socket_request(q);
        return;
    }
    vk_socket_free_message(q);
}

static void parsed(vk_task *task)
{
    vk_socket_message *q = VK_CONTAINER(task, vk_socket_message, task);
    vk_socket *k = q->k;
    k->working--;
    k->parsing = false;
    if (k->over || k->ending)
        vk_socket_free_message(q);
    else
        take(q);
    vk_socket_came_back(k);
}

static void parse_on_lane(vk_job *job)
{
    vk_socket_message *q = VK_CONTAINER(job, vk_socket_message, parse);
    parse(q);
    q->task.run = parsed;
    vk_loop_post(q->k->loop, &q->task);
}

static void on_message(vk_ws *ws, vk_buf *m, bool text)
{
    vk_socket *k = vk_ws_ctx(ws);
    VK_UNUSED(text); /* others do not get here */
    if (k->key.tenant && !still_good(k, true))
        return;
    vk_arena *a = vk_arena_new(VK_EX_ARENA_CAP);
    vk_socket_message *q = a ? VK_NEW(a, vk_socket_message) : NULL;
    if (!q) {
        vk_arena_free(a);
        vk_socket_fail(k, VK_WS_INTERNAL, VK_STR("Out of memory"));
        return;
    }
    q->k = k;
    q->a = a;
    q->came = k->coming;
    k->coming = 0;
    q->text = *m;
    vk_buf_init(m, 0);
    vk_list_init(&q->node);
    q->parse.run = parse_on_lane;
    if (q->text.n > VK_HRANA_INLINE_BODY && vk_lane_add(vk_db.parser, &q->parse) == VK_OK) {
        k->working++;
        k->parsing = true;
    } else {
        parse(q);
        take(q);
    }
    flow(k);
}

static void on_drained(vk_ws *ws)
{
    vk_socket_go_on(vk_ws_ctx(ws));
}

static const vk_ws_handler handler = {
    .message = on_message,
    .grows = on_growth,
    .closed = on_closed,
    .drained = on_drained,
    .no_binary = "Received a binary WebSocket message, which is not supported in this encoding",
};

/* ---- the beginning */

void vk_db_websocket(vk_exchange *ex, vk_str protocol)
{
    vk_socket *k = calloc(1, sizeof *k);
    vk_err e = k ? VK_OK : VK_E_NOMEM;
    if (e == VK_OK) {
        k->worker = ex->server->ctx;
        k->loop = ex->loop;
        k->opened_ms = vk_loop_now(ex->loop);
        vk_list_init(&k->streams);
        vk_list_init(&k->leaving);
        vk_timer_set(k->loop, &k->timer, VK_SOCKET_CHECK_MS, on_timer);
        e = vk_ws_accept(ex, protocol, &handler, k, &k->ws);
        if (e == VK_OK)
            return;
        vk_timer_clear(k->loop, &k->timer);
        free(k);
    }
    vk_sqlerr err = {"UNAVAILABLE", VK_STR("The server takes no further WebSocket now; try again")};
    vk_buf_clear(&ex->out);
    vk_put_error(&ex->out, &err);
    vk_respond(ex, 503, "application/json");
}
