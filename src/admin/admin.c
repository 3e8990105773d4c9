#include "admin/admin.h"

#include "admin/access.h"
#include "admin/call.h"
#include "admin/keys.h"
#include "admin/page.h"

static const vk_route routes[] = {
    {"GET", "/readyz", 0, VK_AUTH_NONE, vk_admin_ready},
    {"GET", "/metrics", 0, VK_AUTH_METRICS, vk_admin_metrics},
    {"GET", "/api/v1/health", 0, VK_AUTH_NONE, vk_admin_health},
    {"GET", "/api/v1/status", 0, VK_AUTH_TOKEN, vk_admin_status},
    {"GET", "/api/v1/metadata/export", 0, VK_AUTH_TOKEN, vk_admin_metadata},
    {"GET", "/api/v1/builds", 0, VK_AUTH_TOKEN, vk_admin_build_list},
    {"POST", "/api/v1/builds", 16 * 1024, VK_AUTH_TOKEN, vk_admin_build_create},
    {"GET", "/api/v1/builds/{}", 0, VK_AUTH_TOKEN, vk_admin_build_show},
    {"DELETE", "/api/v1/builds/{}", 0, VK_AUTH_TOKEN, vk_admin_build_delete},
    {"PUT", "/api/v1/builds/{}/origins", 16 * 1024, VK_AUTH_TOKEN, vk_admin_build_origins},
    {"POST", "/api/v1/builds/{}/origins/check", 0, VK_AUTH_TOKEN, vk_admin_origins_check},
    {"POST", "/api/v1/builds/{}/revoke", 0, VK_AUTH_TOKEN, vk_admin_build_revoke},
    {"GET", "/api/v1/builds/{}/env", 0, VK_AUTH_TOKEN, vk_admin_build_env},
    {"GET", "/api/v1/builds/{}/services/{}/driver", 0, VK_AUTH_TOKEN, vk_admin_driver_show},
    {"PUT", "/api/v1/builds/{}/services/{}/driver", VK_KEY_CALL_BODY, VK_AUTH_TOKEN, vk_admin_driver_set},
    {"GET", "/api/v1/builds/{}/resources", 0, VK_AUTH_TOKEN, vk_admin_resources_of},
    {"POST", "/api/v1/builds/{}/resources", 1024, VK_AUTH_TOKEN, vk_admin_resources_make},
    {"GET", "/api/v1/builds/{}/resources/{}/usage", 0, VK_AUTH_TOKEN, vk_admin_resources_usage},
    {"GET", "/api/v1/resources", 0, VK_AUTH_TOKEN, vk_admin_resources_list},
    {"POST", "/api/v1/resources/sweep", 32 * 1024, VK_AUTH_TOKEN, vk_admin_resources_sweep},
    {"GET", "/api/v1/keys", 0, VK_AUTH_TOKEN, vk_admin_keys_list},
    {"GET", "/api/v1/keys/sealing", 0, VK_AUTH_TOKEN, vk_admin_keys_sealing},
    {"POST", "/api/v1/keys/marks", 1024, VK_AUTH_TOKEN, vk_admin_keys_marks},
    {"POST", "/api/v1/keys/rekey", VK_KEY_CALL_BODY, VK_AUTH_TOKEN, vk_admin_keys_rekey},
    {"PUT", "/api/v1/keys/{}", VK_KEY_CALL_BODY, VK_AUTH_TOKEN, vk_admin_keys_put},
    {"DELETE", "/api/v1/keys/{}", 0, VK_AUTH_TOKEN, vk_admin_keys_remove},
    {"POST", "/api/v1/keys/{}/check", 0, VK_AUTH_TOKEN, vk_admin_keys_check},
    {"POST", "/api/v1/keys/{}/try", VK_KEY_CALL_BODY, VK_AUTH_TOKEN, vk_admin_keys_try},
    {"POST", "/api/v1/keys/{}/rotate", VK_KEY_CALL_BODY, VK_AUTH_TOKEN, vk_admin_keys_rotate},
    {"POST", "/api/v1/validate", 64 * 1024, VK_AUTH_TOKEN, vk_admin_validate},
    {"GET", "/api/v1/builds/{}/services/{}/export", 0, VK_AUTH_TOKEN, vk_admin_export},
    {"GET", "/api/v1/builds/{}/services/{}/ddl", 0, VK_AUTH_TOKEN, vk_admin_schema_log},
    {"GET", "/api/v1/builds/{}/services/{}/snapshots", 0, VK_AUTH_TOKEN, vk_admin_snapshot_list},
    {"POST", "/api/v1/builds/{}/services/{}/snapshots", 4 * 1024, VK_AUTH_TOKEN, vk_admin_snapshot_take},
    {"DELETE", "/api/v1/builds/{}/services/{}/snapshots/{}", 0, VK_AUTH_TOKEN, vk_admin_snapshot_delete},
    {"POST", "/api/v1/builds/{}/services/{}/snapshots/{}/restore", 0, VK_AUTH_TOKEN,
     vk_admin_snapshot_restore},
    {"GET", "/api/v1/builds/{}/services/{}/snapshots/{}/diff", 0, VK_AUTH_TOKEN, vk_admin_snapshot_diff},
};

static const char page_csp[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/* Asked for by load balancers, supervisors and the bench: no store, no other role, no allocation worth
 * mentioning. */
static void answer_healthz(vk_exchange *ex)
{
    vk_header_lines(ex, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    vk_respond_text(ex, 200, "application/json",
                    VK_STR("{\"status\":\"ok\",\"version\":\"" VK_VERSION "\"}"));
}

static bool reads(const vk_exchange *ex)
{
    return vk_str_eq(ex->method, VK_STR("GET")) || vk_str_eq(ex->method, VK_STR("HEAD"));
}

static const vk_page *find_page(vk_str path)
{
    for (const vk_page *p = vk_console_pages; p->path; p++)
        if (vk_str_eqz(path, p->path))
            return p;
    return NULL;
}

static vk_err refuse_method(vk_exchange *ex, const char *allow)
{
    if (vk_header_add(ex, "Allow", vk_str_z(allow)) != VK_OK)
        ex->close = true;
    return vk_admin_error(ex, VK_E_METHOD, "This path takes %s only", allow);
}

/* A path that is no call of the API: the page's files, or nothing. */
static vk_err head_page(vk_exchange *ex)
{
    if (!find_page(ex->path))
        return vk_admin_error(
            ex, VK_E_NOT_FOUND,
            "There is nothing at this path: the admin API is below /api/v1 (docs/openapi.yaml), "
            "the status page at /");
    return reads(ex) ? VK_OK : refuse_method(ex, "GET");
}

/* "/api/v1/builds/<id>/services/<service>/<rest>" of a service that has calls of its own. */
static const vk_service *operator_call(vk_str path, vk_str *build_r, vk_str *rest_r)
{
    static const vk_str front = VK_STR("/api/v1/builds/");
    const vk_service *all[VK_SERVICES_MAX];
    size_t n = vk_services(all);
    vk_str word, name;
    if (!vk_str_starts(path, front))
        return NULL;
    path = (vk_str){path.p + front.n, path.n - front.n};
    if (!vk_str_cut(&path, '/', build_r) || !vk_build_id_ok(*build_r) || !vk_str_cut(&path, '/', &word) ||
        !vk_str_eqz(word, "services") || !vk_str_cut(&path, '/', &name) || !path.n)
        return NULL;
    *rest_r = path;
    for (size_t i = 0; i < n; i++)
        if (vk_str_eqz(name, all[i]->name) && all[i]->operator_calls)
            return all[i];
    return NULL;
}

static vk_err begin_operator(vk_call *c, vk_str build, vk_str rest)
{
    vk_exchange *ex = c->ex;
    vk_str id = vk_arena_dup(ex->arena, build), path = vk_arena_dup(ex->arena, rest);
    if (!id.p || !path.p)
        return vk_admin_error(ex, VK_E_NOMEM, "Out of memory; try again in a second");
    vk_admin_headers(ex, NULL);
    return c->service->operator_calls->head(ex, id.p, path);
}

static vk_err head(vk_exchange *ex)
{
    const vk_worker *w = ex->server->ctx;
    ex->body_max = 0;
    if (vk_str_eq(ex->path, VK_STR("/healthz")))
        return reads(ex) ? VK_OK : refuse_method(ex, "GET");
    const vk_route *route = NULL;
    vk_str params[VK_ROUTE_PARAMS] = {VK_STR_NONE};
    char allow[64];
    vk_err e = vk_route_find(routes, VK_COUNT(routes), ex->method, ex->path, &route, params, allow);
    vk_str build, rest;
    const vk_service *service = e == VK_E_NOT_FOUND ? operator_call(ex->path, &build, &rest) : NULL;
    if (e == VK_E_NOT_FOUND && !service)
        return head_page(ex);
    if (e != VK_OK && !service)
        return refuse_method(ex, allow);
    vk_route_auth auth = service ? VK_AUTH_TOKEN : route->auth;
    const char *why;
    e = vk_admin_check_site(ex, &why);
    if (e == VK_OK && auth != VK_AUTH_NONE) {
        ex->secret = true;
        e = vk_admin_check(ex, w->rt, auth == VK_AUTH_METRICS, &why);
    }
    if (e == VK_E_UNAUTHORIZED && vk_exchange_bad_key(ex) != VK_OK)
        return vk_admin_error(ex, VK_E_BUSY, VK_STR_FMT, VK_STR_ARG(ex->err_text));
    if (e != VK_OK)
        return vk_admin_error(ex, e, "%s", why);
    vk_call *c = VK_NEW(ex->arena, vk_call);
    if (!c)
        return vk_admin_error(ex, VK_E_NOMEM, "Out of memory; try again in a second");
    c->ex = ex;
    c->rt = w->rt;
    c->service = service;
    c->route = service ? NULL : route;
    memcpy(c->param, params, sizeof c->param);
    c->content_type = "application/json";
    c->file.fd = -1;
    ex->ctx = c;
    if (service)
        return begin_operator(c, build, rest);
    ex->body_max = route->body_max;
    return VK_OK;
}

static void request(vk_exchange *ex)
{
    vk_call *c = ex->ctx;
    if (c) {
        if (c->service)
            c->service->operator_calls->request(ex);
        else
            c->route->run(c);
        return;
    }
    const vk_page *p = find_page(ex->path);
    if (!p) {
        answer_healthz(ex);
        return;
    }
    vk_admin_headers(ex, page_csp);
    vk_respond_text(ex, 200, p->content_type, p->body);
}

static void refuse(vk_exchange *ex, int status, vk_err e, const char *text)
{
    vk_buf_clear(&ex->out);
    vk_jw w = vk_jw_on(&ex->out);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("error"));
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "code", vk_str_z(vk_err_name(e)));
    vk_jw_kstr(&w, "message", vk_str_z(text));
    vk_jw_obj_end(&w);
    vk_jw_obj_end(&w);
    if (!ex->lines.n) /* else they are there: an operator's call of a service */
        vk_admin_headers(ex, NULL);
    vk_respond(ex, status, "application/json");
}

const vk_handler vk_admin_handler = {.head = head, .request = request, .refuse = refuse};
