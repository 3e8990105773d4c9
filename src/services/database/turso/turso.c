#include "services/database/turso/turso.h"

#include "services/database/hrana.h"
#include "services/database/answers.h"

/* ---- what a build's environment is */

static const char *isolation(const vk_binding *b)
{
    VK_UNUSED(b);
    return "a database of its own";
}

static const char *refused(const vk_binding *b)
{
    return vk_binding_value(b, "hostname").n
               ? NULL
               : "A database at Turso needs its host: hostname=<name>-<org>.turso.io, "
                 "and its token as database_token";
}

static vk_err env(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b, const vk_binding *binding,
                  const vk_secret *keys, vk_str (*org)(void *arg, const char *field), void *arg,
                  vk_env_var *out, size_t room, size_t *n_r)
{
    VK_UNUSED(b);
    VK_UNUSED(binding);
    VK_UNUSED(org);
    VK_UNUSED(arg);
    return vk_db_env(rt, index, a, keys, out, room, n_r);
}

/* "libsql://" and the host, as Turso's own documentation has it; a server that was entered with its scheme
 * keeps that. */
static vk_err direct(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b,
                     const vk_binding *binding, const vk_secret *keys,
                     vk_secret (*given)(void *arg, const char *name), void *arg, vk_env_var *out, size_t room,
                     size_t *n_r)
{
    vk_str host = vk_secret_bytes(given(arg, "hostname")),
           token = vk_secret_bytes(given(arg, "database_token"));
    VK_UNUSED(rt);
    VK_UNUSED(index);
    VK_UNUSED(b);
    VK_UNUSED(binding);
    VK_UNUSED(keys);
    if (!host.n || !token.n)
        return VK_E_UNAVAILABLE;
    vk_str url = vk_arena_printf(a, "%s" VK_STR_FMT, vk_str_starts(host, VK_STR("http")) ? "" : "libsql://",
                                 VK_STR_ARG(host));
    token = vk_arena_dup(a, token);
    if (!url.p || !token.p || room < 3)
        return VK_E_NOMEM;
    out[0] = (vk_env_var){"TURSO_DATABASE_URL", url, false};
    out[1] = (vk_env_var){"TURSO_AUTH_TOKEN", token, true};
    out[2] = (vk_env_var){"DATABASE_URL", url, false};
    *n_r = 3;
    return VK_OK;
}

const vk_driver vk_db_turso = {
    .name = "turso", .isolation = isolation, .refused = refused, .env = env, .direct = direct};

/* ---- its calls */

/* One a request, in its arena. */
typedef struct passing {
    vk_db_answer answer;
} passing;

static void look(vk_proxy *p, char *bytes, size_t n, bool end)
{
    vk_forward *f = p->arg;
    VK_UNUSED(end);
    vk_db_answer_pass(&((passing *)f->arg)->answer, bytes, n);
}

static vk_err answered(vk_forward *f, const vk_head *h)
{
    VK_UNUSED(h);
    vk_proxy_filter(f->proxy, look, 0);
    return VK_OK;
}

static void failed(vk_forward *f, vk_err e, bool retry, const char *why)
{
    vk_exchange *ex = f->ex;
    int status = e == VK_E_BUSY          ? 429
                 : e == VK_E_TIMEOUT     ? 504
                 : e == VK_E_INVALID     ? 502
                 : e == VK_E_UNAVAILABLE ? 503
                                         : vk_err_status(e);
    vk_str text = vk_arena_printf(ex->arena, "Turso could not be asked: %s", why);
    if (retry && !ex->retry_s)
        ex->retry_s = 1;
    vk_db_respond_error(ex, status,
                        e == VK_E_BUSY      ? "RATE_LIMITED"
                        : e == VK_E_TIMEOUT ? "TIMEOUT"
                                            : "UNAVAILABLE",
                        text.p ? text : VK_STR("Turso could not be asked"));
}

static const vk_forward_ways ways = {.head = answered, .failed = failed};

vk_err vk_db_turso_begin(vk_exchange *ex)
{
    passing *p = VK_NEW(ex->arena, passing);
    vk_forward *f;
    vk_err e = VK_E_NOMEM;
    ex->body_max = VK_HRANA_BODY_MAX;
    const vk_forward_ask ask = {.kind = 'b',
                                .hash = vk_service_hash_of(ex),
                                .method = ex->method,
                                .target = ex->path,
                                .content_type = ex->content_type,
                                .body = VK_STR_NONE,
                                .ways = &ways,
                                .arg = p};
    if (p) {
        *p = (passing){{0}};
        e = vk_forward_begin(ex, &ask, &f);
    }
    if (e != VK_OK)
        vk_db_respond_error(ex, e == VK_E_BUSY ? 429 : 503, e == VK_E_BUSY ? "RATE_LIMITED" : "UNAVAILABLE",
                            VK_STR("Turso cannot be asked just now; try again in a moment"));
    return e;
}
