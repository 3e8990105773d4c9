/* The database service (Turso's protocol, libSQL's Hrana): who may ask, what there is to ask, how errors
 * look. */
#include "core/clock.h"
#include "core/json_write.h"
#include "http/ws.h"
#include "services/database/answers.h"
#include "services/database/embedded/embedded.h"
#include "services/database/hrana.h"
#include "services/database/postgres/postgres.h"
#include "services/database/turso/turso.h"

static const vk_valet_kind kinds[] = {{.kind = 'b', .prefix = "vk_b_"}, {.kind = 0}};

/* libsql-client shows a body only under exactly this content type, and only its `message`. */
static const char json_type[] = "application/json";

void vk_db_respond_error(vk_exchange *ex, int status, const char *code, vk_str message)
{
    vk_buf_clear(&ex->out);
    vk_buf_lit(&ex->out, "{\"message\":");
    vk_json_quote(&ex->out, message);
    vk_buf_lit(&ex->out, ",\"code\":");
    vk_json_quote(&ex->out, vk_str_z(code));
    vk_buf_ch(&ex->out, '}');
    vk_respond(ex, status, json_type);
}

/* ---- endpoints */

static void version(vk_exchange *ex)
{
    vk_respond_text(ex, 200, "text/plain", VK_STR("valetkey " VK_VERSION));
}

static void hello(vk_exchange *ex)
{
    vk_respond_text(ex, 200, "text/plain",
                    ex->path.n > 2 && ex->path.p[2] == '3'
                        ? VK_STR("Hello, this is HTTP API v3 (Hrana over HTTP)")
                        : VK_STR("Hello, this is HTTP API v2 (Hrana over HTTP)"));
}

static void health(vk_exchange *ex)
{
    vk_respond_text(ex, 200, "text/plain", VK_STR("ok"));
}

/* Whose key this is and until when: for people who hold one and wonder. */
static void valet(vk_exchange *ex)
{
    const vk_tenant *t = ex->principal;
    char until[VK_CLOCK_TEXT];
    vk_jw w = vk_jw_on(&ex->out);
    vk_clock_text(atomic_load_explicit(&t->expires_ms, memory_order_relaxed), until);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "build", vk_str_z(t->id));
    vk_jw_kstr(&w, "service", VK_STR("database"));
    const vk_driver *driver = vk_service_driver(ex, NULL);
    vk_jw_kstr(&w, "driver", vk_str_z(driver ? driver->name : "embedded"));
    vk_jw_kstr(&w, "expires", vk_str_z(until));
    vk_jw_obj_end(&w);
    vk_respond(ex, 200, json_type);
}

static void unsupported(vk_exchange *ex)
{
    vk_str text = vk_arena_printf(
        ex->arena, VK_STR_FMT " is not supported by valetkey; docs/SUPPORTED-CALLS.md lists what is",
        VK_STR_ARG(ex->path));
    vk_db_respond_error(ex, 501, "NOT_SUPPORTED", text);
}

static vk_str subprotocol(const vk_exchange *ex)
{
    static const vk_str spoken[] = {VK_STR("hrana2"), VK_STR("hrana1")};
    for (size_t i = 0; i < VK_COUNT(spoken); i++)
        if (vk_ws_offers(ex, spoken[i]))
            return spoken[i];
    return VK_STR_NONE;
}

static void websocket(vk_exchange *ex)
{
    vk_db_websocket(ex, subprotocol(ex));
}

static const struct endpoint {
    vk_str method, path;
    bool valet; /* needs the build's key */
    void (*serve)(vk_exchange *ex);
} endpoints[] = {
    {VK_STR("POST"), VK_STR("/v2/pipeline"), true, vk_db_pipeline},
    {VK_STR("POST"), VK_STR("/v3/pipeline"), true, vk_db_pipeline},
    {VK_STR("GET"), VK_STR("/health"), false, health},
    {VK_STR("GET"), VK_STR("/version"), false, version},
    {VK_STR("GET"), VK_STR("/v2"), false, hello},
    {VK_STR("GET"), VK_STR("/v3"), false, hello},
    {VK_STR("GET"), VK_STR("/valet"), true, valet},
    {VK_STR("POST"), VK_STR("/v3/cursor"), true, vk_db_cursor},
    {VK_STR("GET"), VK_STR("/dump"), true, unsupported},
};

/* ---- handler */

/* "Bearer <token>", the scheme in any case (RFC 9110 §11.1). */
static vk_err authenticate(vk_exchange *ex)
{
    vk_str scheme, token = vk_secret_bytes(ex->authorization);
    if (!token.p && vk_exchange_bad_key(ex) != VK_OK) {
        vk_db_respond_error(ex, 429, "RATE_LIMITED", ex->err_text);
        return VK_E_BUSY;
    }
    if (!token.p) {
        vk_db_respond_error(ex, 401, "AUTH_JWT_MISSING",
                            VK_STR("Authentication is required but no JWT was specified: send the build's "
                                   "TURSO_AUTH_TOKEN as `Authorization: Bearer …`"));
        return VK_E_UNAUTHORIZED;
    }
    if (!vk_str_cut(&token, ' ', &scheme) || !vk_str_ieq(scheme, VK_STR("Bearer"))) {
        vk_db_respond_error(ex, 401, "AUTH_HTTP_HEADER_UNSUPPORTED_SCHEME",
                            VK_STR("Only `Authorization: Bearer …` is accepted"));
        return VK_E_UNAUTHORIZED;
    }
    while (token.n && token.p[0] == ' ') {
        token.p++;
        token.n--;
    }
    vk_err e = vk_service_verify(ex, vk_secret_of(token), 'b');
    if (e == VK_OK)
        return VK_OK;
    vk_db_respond_error(ex, vk_err_status(e),
                        e == VK_E_EXPIRED                          ? "AUTH_JWT_EXPIRED"
                        : e == VK_E_FORBIDDEN                      ? "AUTH_JWT_NOT_ALLOWED"
                        : e == VK_E_BUSY                           ? "RATE_LIMITED"
                        : e == VK_E_NOMEM || e == VK_E_UNAVAILABLE ? "UNAVAILABLE"
                                                                   : "AUTH_JWT_INVALID",
                        ex->err_text);
    return e;
}

static const struct endpoint forwarded = {VK_STR("POST"), VK_STR_NONE, true, vk_forward_request};

static const struct endpoint upgrade = {VK_STR("GET"), VK_STR_NONE, false, websocket};

/* Hrana over WebSocket, at any path; who asks is said in its first message. */
static vk_err head_websocket(vk_exchange *ex)
{
    const char *why;
    int status = vk_ws_refusal(ex, &why);
    if (status == 0 && vk_ws_offers_any(ex) && !subprotocol(ex).p) {
        status = 400;
        why =
            "None of the WebSocket subprotocols that the client offers is spoken here: hrana2 and hrana1 are";
    }
    if (status) {
        vk_db_respond_error(ex, status, "WEBSOCKET_HANDSHAKE", vk_str_z(why));
        return VK_E_INVALID;
    }
    ex->ctx = (void *)(uintptr_t)&upgrade;
    return VK_OK;
}

static vk_err head(vk_exchange *ex)
{
    if (vk_ws_asked(ex))
        return head_websocket(ex);
    bool is_head = vk_str_eqz(ex->method, "HEAD"), known = false;
    for (size_t i = 0; i < VK_COUNT(endpoints); i++) {
        const struct endpoint *p = &endpoints[i];
        if (!vk_str_eq(p->path, ex->path))
            continue;
        known = true;
        if (!vk_str_eq(p->method, ex->method) && !(is_head && vk_str_eqz(p->method, "GET")))
            continue;
        vk_err e = p->valet ? authenticate(ex) : VK_OK;
        if (e != VK_OK)
            return e;
        bool away = p->valet && vk_service_driver(ex, NULL); /* asked once: it may change at any time */
        if (p->valet && !away)
            vk_header_lines(ex, "Valetkey-Served-By: embedded\r\n");
        if (away && p->serve != valet && p->serve != unsupported) {
            ex->ctx = (void *)(uintptr_t)&forwarded;
            return vk_db_turso_begin(ex);
        }
        if (p->serve == unsupported) { /* said before the body, whose size is not what is wrong */
            unsupported(ex);
            return VK_E_NOT_FOUND;
        }
        ex->body_max = vk_str_eqz(p->method, "POST") ? VK_HRANA_BODY_MAX : 0;
        if (ex->body_max && (e = vk_db_expect(ex)) != VK_OK)
            return e;
        ex->ctx = (void *)(uintptr_t)p;
        return VK_OK;
    }
    if (known)
        vk_db_respond_error(ex, 405, "METHOD_NOT_ALLOWED", VK_STR("This path does not take this method"));
    else
        vk_db_respond_error(ex, 404, "NOT_FOUND",
                            VK_STR("There is nothing at this path; a libSQL client uses /v2/pipeline"));
    return VK_E_NOT_FOUND;
}

static void request(vk_exchange *ex)
{
    const struct endpoint *p = ex->ctx;
    ex->ctx = NULL;
    p->serve(ex);
}

static void refuse(vk_exchange *ex, int status, vk_err e, const char *text)
{
    vk_db_respond_error(ex, status,
                        e == VK_E_BUSY      ? "RATE_LIMITED"
                        : e == VK_E_TIMEOUT ? "TIMEOUT"
                                            : "BAD_REQUEST",
                        vk_str_z(text));
}

static const vk_handler handler = {.head = head, .request = request, .refuse = refuse};

/* ---- service */

vk_err vk_db_env(const vk_runtime *rt, int index, vk_arena *a, const vk_secret *keys, vk_env_var *out,
                 size_t room, size_t *n_r)
{
    vk_str url = vk_arena_dup(a, vk_str_z(rt->url_sandbox[index])),
           token = vk_arena_dup(a, vk_secret_bytes(keys[0]));
    if (!url.p || !token.p || room < 3)
        return VK_E_NOMEM;
    /* The names in Turso's documentation, and the one that Prisma's and Drizzle's templates read. */
    out[0] = (vk_env_var){"TURSO_DATABASE_URL", url, false};
    out[1] = (vk_env_var){"TURSO_AUTH_TOKEN", token, true};
    out[2] = (vk_env_var){"DATABASE_URL", url, false};
    *n_r = 3;
    return VK_OK;
}

static vk_err env(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b, const vk_secret *keys,
                  vk_env_var *out, size_t room, size_t *n_r)
{
    VK_UNUSED(b);
    return vk_db_env(rt, index, a, keys, out, room, n_r);
}

static const vk_driver *const drivers[] = {&vk_db_turso, &vk_db_neon, &vk_db_postgres, NULL};

static const vk_data_file files[] = {
    {"database.db", VK_DATA_EXPORT, (int64_t)4 << 30},
    {"database.db-wal", VK_DATA_BESIDE, 0},
    {"database.db-shm", VK_DATA_BESIDE, 0},
    {"database.db-journal", VK_DATA_BESIDE, 0},
    {"snapshot.*", VK_DATA_FIXED, (int64_t)4 << 30},
    {"ddl.log", VK_DATA_APPENDED, 64 << 20},
    {"ddl.log.1", VK_DATA_FIXED, 64 << 20},
    {0},
};

static const vk_service database = {
    .name = "database",
    .vendor = "Turso",
    .driver = "embedded",
    .port_offset = 2,
    .schemes = "libsql ws wss ",
    .kinds = kinds,
    .start = vk_db_start,
    .hurry = vk_db_end_requests,
    .lasting = vk_db_lasting,
    .goes_on = vk_db_goes_on,
    .stop = vk_db_stop,
    .handler = &handler,
    .env = env,
    .close_build = vk_db_close_build,
    .free_tenant = vk_db_free_tenant,
    .export_data = vk_db_export,
    .files = files,
    .snapshots = vk_db_snapshots,
    .metrics = vk_db_metrics,
    .schema_log = vk_db_ddl,
    .drivers = drivers,
};
VK_SERVICE_REGISTER(database);
