#include "admin/call.h"

#include "core/clock.h"
#include "core/log.h"
#include "http/uri.h"

#include <stdarg.h>

enum { MESSAGE_MAX = 1024 };

static const char data_csp[] = "default-src 'none'; frame-ancestors 'none'";

void vk_admin_headers(vk_exchange *ex, const char *csp)
{
    vk_header_lines(ex, "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
                        "Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n");
    vk_err e = vk_header_add(ex, "Content-Security-Policy", vk_str_z(csp ? csp : data_csp));
    if (e != VK_OK) /* an answer without its fence does not go out with content in it */
        ex->out.err = e;
}

/* The JSON of an error into ex->out. */
static void put_error(vk_exchange *ex, vk_err e, const char *fmt, va_list ap)
{
    char text[MESSAGE_MAX];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    size_t len = n < 0 ? 0 : strlen(text);
    if (len && len < sizeof text - 1 && text[len - 1] != '.' && text[len - 1] != '?')
        text[len++] = '.';
    if (ex->secret && ex->out.n)
        vk_wipe(ex->out.p, ex->out.n);
    vk_buf_clear(&ex->out);
    vk_jw w = vk_jw_on(&ex->out);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("error"));
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "code", vk_str_z(vk_err_name(e)));
    vk_jw_kstr(&w, "message", (vk_str){text, len});
    vk_jw_obj_end(&w);
    vk_jw_obj_end(&w);
}

/* Headers that belong to a kind of refusal. */
static void put_error_headers(vk_exchange *ex, vk_err e)
{
    vk_err h = VK_OK;
    if (e == VK_E_UNAUTHORIZED)
        h = vk_header_add(ex, "WWW-Authenticate", VK_STR("Bearer realm=\"valetkey\""));
    else if (e == VK_E_BUSY || e == VK_E_UNAVAILABLE)
        ex->retry_s = ex->retry_s ? ex->retry_s : 1;
    if (h != VK_OK)
        vk_log(VK_WARN, "admin: no room for the headers of an error");
}

vk_err vk_admin_error(vk_exchange *ex, vk_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put_error(ex, e, fmt, ap);
    va_end(ap);
    put_error_headers(ex, e);
    vk_admin_headers(ex, NULL);
    vk_respond(ex, vk_err_status(e), "application/json");
    return e;
}

static void run_on_lane(vk_job *j)
{
    vk_call *c = VK_CONTAINER(j, vk_call, job);
    c->work(c);
}

void vk_call_on_lane(vk_call *c, void (*work)(vk_call *c))
{
    c->work = work;
    c->job.run = run_on_lane;
    if (vk_lane_add(c->rt->meta, &c->job) != VK_OK)
        vk_call_fail(c, VK_E_UNAVAILABLE, "Too many changes are waiting; try again in a second");
}

static void answer(vk_exchange *ex)
{
    vk_call *c = ex->ctx;
    vk_admin_headers(ex, NULL);
    if (c->file.fd >= 0) {
        int fd = c->file.fd;
        c->file.fd = -1;
        vk_respond_file(ex, c->status, c->file.content_type, fd, 0, c->file.size);
        return;
    }
    vk_respond(ex, c->status, c->status == 204 ? NULL : c->content_type);
}

void vk_call_finish(vk_call *c, int status)
{
    c->status = status;
    vk_exchange_post(c->ex, answer);
}

void vk_call_fail(vk_call *c, vk_err e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put_error(c->ex, e, fmt, ap);
    va_end(ap);
    put_error_headers(c->ex, e);
    c->content_type = "application/json";
    vk_call_finish(c, vk_err_status(e));
}

void vk_call_fail_store(vk_call *c, vk_err e)
{
    switch (e) {
    case VK_E_FULL:
        vk_call_fail(c, e,
                     "The disk with the data folder is full; nothing was changed. Make room and try again");
        return;
    case VK_E_BUSY:
    case VK_E_NOMEM:
        vk_call_fail(c, VK_E_UNAVAILABLE, "The metadata is busy; nothing was changed. Try again in a second");
        return;
    case VK_E_CORRUPT:
        vk_call_fail(c, e,
                     "The metadata (valetkey.db) is damaged; stop valetkey and restore it from a backup");
        return;
    default:
        vk_call_fail(c, VK_E_INTERNAL,
                     "The metadata could not be read or written; the log of valetkey serve says more");
    }
}

bool vk_call_build(vk_call *c, vk_build *b)
{
    return vk_call_build_of(c, c->param[0], b);
}

bool vk_call_build_of(vk_call *c, vk_str id, vk_build *b)
{
    vk_err e =
        vk_build_id_ok(id) ? c->rt->store->ops->build_get(c->rt->store, c->ex->arena, id, b) : VK_E_NOT_FOUND;
    if (e == VK_E_NOT_FOUND)
        vk_call_fail(
            c, e,
            "There is no build \"%.*s\"; GET /api/v1/builds or `valetkey build list` shows those that exist",
            (int)(id.n > VK_BUILD_ID_MAX ? VK_BUILD_ID_MAX : id.n), id.p);
    else if (e != VK_OK)
        vk_call_fail_store(c, e);
    return e == VK_OK;
}

bool vk_call_embedded(vk_call *c, const vk_build *b, const char *service)
{
    const char *why;
    vk_err e = vk_service_here(c->rt->store, c->ex->arena, service, vk_str_z(b->id), &why);
    if (e != VK_OK)
        vk_call_fail(c, e, "%s", why);
    return e == VK_OK;
}

bool vk_call_query(vk_call *c, const char *name, vk_str *out_r)
{
    *out_r = VK_STR_NONE;
    vk_err e = vk_query_get(c->ex->arena, c->ex->query, vk_str_z(name), out_r);
    if (e == VK_OK || e == VK_E_NOT_FOUND)
        return true;
    (void)vk_admin_error(c->ex, e, "The query parameter \"%s\" is not well-formed", name);
    return false;
}

static void put_time(vk_jw *w, const char *key, int64_t ms)
{
    char text[VK_CLOCK_TEXT];
    vk_clock_text(ms, text);
    vk_jw_kstr(w, key, vk_str_z(text));
}

static void put_bindings(vk_call *c, vk_jw *w, const vk_build *b)
{
    vk_binding bindings[VK_BINDINGS_MAX];
    vk_store *s = c->rt->store;
    size_t n = 0;
    vk_err e = s->ops->binding_list(s, c->ex->arena, vk_str_z(b->id), bindings, VK_COUNT(bindings), &n);
    vk_jw_key(w, VK_STR("services"));
    vk_drivers_write(w, bindings, n);
    if (e != VK_OK && w->out->err == VK_OK)
        w->out->err = e;
}

void vk_admin_build_members(vk_call *c, vk_jw *w, const vk_build *b, int64_t now)
{
    vk_jw_kstr(w, "id", vk_str_z(b->id));
    vk_jw_kstr(w, "state", vk_str_z(vk_build_state_name(b, now)));
    vk_jw_kstr(w, "framework", vk_str_z(b->framework));
    vk_jw_key(w, VK_STR("origins"));
    vk_jw_arr(w);
    for (uint32_t i = 0; i < b->n_origins; i++)
        vk_jw_str(w, b->origins[i]);
    vk_jw_arr_end(w);
    put_time(w, "created", b->created_ms);
    put_time(w, "expires", b->expires_ms);
    if (b->revoked_ms)
        put_time(w, "revoked", b->revoked_ms);
    vk_jw_ki64(w, "ttl", b->ttl_ms / 1000);
    put_bindings(c, w, b);
}
