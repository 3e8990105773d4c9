#include "services/auth/clerk/clerk.h"

#include "services/auth/inside.h"

enum {
    BODY_MAX = 12 * 1024 * 1024
}; /* of a profile's picture; the others are far smaller, and Clerk's to refuse */

/* ---- what a build's environment is */

static const char *isolation(const vk_binding *b)
{
    return vk_binding_value(b, "publishable_key").n ? "an application of its own" : "shared user pool";
}

static vk_err env(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b, const vk_binding *binding,
                  const vk_secret *keys, vk_str (*org)(void *arg, const char *field), void *arg,
                  vk_env_var *out, size_t room, size_t *n_r)
{
    vk_str own = vk_binding_value(binding, "publishable_key");
    const vk_env_var all[] = {
        {"CLERK_PUBLISHABLE_KEY", own.n ? vk_arena_dup(a, own) : org(arg, "publishable_key"), false},
        {"CLERK_SECRET_KEY", vk_arena_dup(a, vk_secret_bytes(keys[0])), true},
        {"CLERK_API_URL", vk_arena_printf(a, "%s/b/%s/bapi", rt->url_sandbox[index], b->id), false},
        {"CLERK_SIGN_IN_URL", VK_STR("/sign-in"), false},
        {"CLERK_SIGN_UP_URL", VK_STR("/sign-up"), false},
        {"CLERK_TELEMETRY_DISABLED", VK_STR("1"), false},
        {"CLERK_KEYLESS_DISABLED", VK_STR("1"), false},
        {"CLERK_ENCRYPTION_KEY", vk_auth_encryption_key(rt, a, b), true},
    };
    if (!all[0].value.n)
        return VK_E_UNAVAILABLE;
    if (room < VK_COUNT(all))
        return VK_E_NOMEM;
    for (size_t i = 0; i < VK_COUNT(all); i++) {
        if (!all[i].value.p)
            return VK_E_NOMEM;
        out[i] = all[i];
    }
    *n_r = VK_COUNT(all);
    return VK_OK;
}

const vk_driver vk_auth_clerk = {.name = "clerk", .isolation = isolation, .env = env};

/* ---- its calls */

static void refuse(vk_exchange *ex, int status, const char *code, vk_str text, bool retry)
{
    if (retry && !ex->retry_s)
        ex->retry_s = 2;
    vk_auth_refuse_as(ex, status, code, text);
}

void vk_auth_clerk_elsewhere(vk_exchange *ex)
{
    refuse(
        ex, 404, "resource_not_found",
        VK_STR("Sign-in of this build is at Clerk itself: browsers reach it by the publishable key, without "
               "NEXT_PUBLIC_CLERK_PROXY_URL. Print the build's environment again with: valetkey env"),
        false);
}

static const struct {
    vk_err e;
    int status;
    const char *code;
} refusals[] = {
    {VK_E_FORBIDDEN, 501, "not_supported"},    {VK_E_NOT_FOUND, 501, "not_supported"},
    {VK_E_METHOD, 501, "not_supported"},       {VK_E_UNAUTHORIZED, 401, "secret_key_invalid"},
    {VK_E_EXPIRED, 401, "secret_key_invalid"}, {VK_E_BUSY, 429, "too_many_requests"},
    {VK_E_TIMEOUT, 504, "upstream_timeout"},   {VK_E_UNAVAILABLE, 503, "upstream_unavailable"},
};

static void failed(vk_forward *f, vk_err e, bool retry, const char *why)
{
    vk_exchange *ex = f->ex;
    int status = 502;
    const char *code = "upstream_invalid";
    for (size_t i = 0; i < VK_COUNT(refusals); i++)
        if (refusals[i].e == e) {
            status = refusals[i].status;
            code = refusals[i].code;
        }
    if (status == 501) {
        vk_count(&vk_auth_count.unsupported, 1);
        refuse(ex, status, code,
               VK_STR("This call is not supported by valetkey where sign-in is at the organisation's Clerk; "
                      "docs/SUPPORTED-CALLS.md lists what is"),
               false);
        return;
    }
    vk_str text = vk_arena_printf(ex->arena, "Clerk could not be asked: %s", why);
    refuse(ex, status, code, text.p ? text : VK_STR("Clerk could not be asked"), retry);
}

static const vk_forward_ways ways = {.failed = failed};

/* A header that goes on as it is. */
static void pass(vk_buf *lines, const vk_exchange *ex, const char *name)
{
    vk_str v = vk_request_header(ex, vk_str_z(name));
    if (!v.p)
        return;
    vk_buf_z(lines, name);
    vk_buf_lit(lines, ": ");
    vk_buf_add(lines, v.p, v.n);
    vk_buf_lit(lines, "\r\n");
}

void vk_auth_clerk_begin(vk_auth_call *c, vk_str rest)
{
    enum { LINES_MAX = 2048 };
    vk_exchange *ex = c->ex;
    vk_buf lines;
    vk_str target = vk_arena_printf(ex->arena, "/v1" VK_STR_FMT "%s" VK_STR_FMT, VK_STR_ARG(rest),
                                    ex->query.n ? "?" : "", VK_STR_ARG(ex->query));
    bool reads = vk_str_eqz(ex->method, "GET") || vk_str_eqz(ex->method, "HEAD");
    vk_buf_init(&lines, LINES_MAX);
    pass(&lines, ex, "clerk-api-version");
    pass(&lines, ex, "user-agent");
    ex->body_max = reads ? 0 : BODY_MAX;
    const vk_forward_ask ask = {.kind = 'b',
                                .hash = vk_service_hash_of(ex),
                                .method = ex->method,
                                .target = target,
                                .lines = vk_buf_view(&lines),
                                .content_type = ex->content_type,
                                .body = VK_STR_NONE,
                                .again = reads,
                                .ways = &ways};
    vk_err e = lines.err ? lines.err : !target.p ? VK_E_NOMEM : vk_forward_begin(ex, &ask, &c->forward);
    vk_buf_free(&lines);
    if (e == VK_OK)
        vk_count(&vk_auth_count.calls, 1);
    else if (e == VK_E_TOO_LARGE)
        refuse(ex, 431, "headers_too_large", VK_STR("The headers are too large"), false);
    else
        refuse(ex, e == VK_E_BUSY ? 429 : 503, e == VK_E_BUSY ? "too_many_requests" : "upstream_unavailable",
               VK_STR("Clerk cannot be asked just now; try again in a moment"), true);
}
