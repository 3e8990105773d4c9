/* Pages of other origins: preflights, and the headers of every other answer. */
#include "services/storage/front.h"

#include "services/storage/s3cors.h"

static void drop_rules(void *arg)
{
    vk_s3_rules_unref(arg);
}

/* Where an app runs whose build was given no origins: a developer's machine. What such a page may do is
 * decided by the signature that it has; nobody else's page is there. */
static const vk_str at_home[] = {VK_STR("http://localhost:*"), VK_STR("http://127.0.0.1:*")};

vk_err vk_s3_rules_of(vk_exchange *ex, const char *build, vk_s3_rules *own, vk_s3x_cors *out_r)
{
    vk_worker *w = ex->server->ctx;
    vk_build b;
    if (own && vk_arena_cleanup(ex->arena, drop_rules, own) != VK_OK) {
        vk_s3_rules_unref(own);
        return VK_E_NOMEM;
    }
    size_t n = own ? own->cors.n : 0;
    vk_s3x_rule *rules = vk_arena_alloc(ex->arena, sizeof *rules * (n + 1));
    vk_str *origins = vk_arena_alloc(ex->arena, sizeof *origins * VK_ORIGINS_MAX);
    if (!rules || !origins)
        return VK_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        rules[i] = own->cors.rules[i];
    vk_err e = w->reader->ops->build_get(w->reader, ex->arena, vk_str_z(build), &b);
    if (e == VK_OK && b.n_origins) {
        memcpy(origins, b.origins, sizeof *origins * b.n_origins);
        vk_s3_cors_default(origins, b.n_origins, &rules[n++]);
    } else if (e == VK_OK) {
        vk_s3_cors_default(at_home, VK_COUNT(at_home), &rules[n++]);
    }
    *out_r = (vk_s3x_cors){rules, n};
    return e == VK_E_NOT_FOUND ? VK_OK : e;
}

/* The build that the answer is about, also when the request was refused. */
static const char *build_of(const vk_s3_req *q)
{
    const vk_tenant *t = q->ex->principal;
    if (t)
        return t->id;
    vk_str id = vk_arena_dup(q->ex->arena, vk_s3_build_of(q->route.bucket));
    return id.p && id.n ? id.p : NULL;
}

static void add(vk_s3_req *q, const char *name, vk_str value)
{
    if (value.p)
        vk_s3_header(q, name, value);
}

static void answer(vk_s3_req *q, const vk_s3_cors_answer *a)
{
    add(q, "Access-Control-Allow-Origin", a->allow_origin);
    if (a->credentials)
        add(q, "Access-Control-Allow-Credentials", VK_STR("true"));
    add(q, "Access-Control-Allow-Methods", a->allow_methods);
    add(q, "Access-Control-Allow-Headers", a->allow_headers);
    add(q, "Access-Control-Expose-Headers", a->expose_headers);
    if (a->max_age_s >= 0)
        add(q, "Access-Control-Max-Age", vk_arena_printf(q->ex->arena, "%lld", (long long)a->max_age_s));
}

void vk_s3_cors_headers(vk_s3_req *q)
{
    vk_s3x_cors rules;
    vk_s3_cors_answer a;
    vk_exchange *ex = q->ex;
    const char *build = build_of(q);
    vk_s3_rules *own = q->build ? vk_s3b_rules(q->build) : NULL;
    if (!build || vk_s3_rules_of(ex, build, own, &rules) != VK_OK)
        return;
    a.max_age_s = -1;
    if (vk_s3_cors_request(ex->arena, &rules, vk_request_header(ex, VK_STR("Origin")), ex->method, &a)) {
        a.max_age_s = -1;
        a.allow_methods = a.allow_headers = VK_STR_NONE;
        answer(q, &a);
    }
}

/* On a thread first, only so that the build's own rules are read from its disk; then on the loop. */
void vk_s3_preflight(vk_s3_req *q)
{
    vk_s3_ok(q, 200);
}

void vk_s3_preflight_answer(vk_s3_req *q)
{
    vk_s3x_cors rules;
    vk_s3_cors_answer a;
    vk_exchange *ex = q->ex;
    const vk_tenant *t = ex->principal;
    if (q->code.n)
        return;
    if (vk_s3_rules_of(ex, t->id, vk_s3b_rules(q->build), &rules) != VK_OK) {
        vk_s3_no_memory(q);
        return;
    }
    vk_s3_fail f = vk_s3_cors_preflight(ex->arena, &rules, vk_request_header(ex, VK_STR("Origin")),
                                        vk_request_header(ex, VK_STR("Access-Control-Request-Method")),
                                        vk_request_header(ex, VK_STR("Access-Control-Request-Headers")), &a);
    if (f != VK_S3_OK)
        vk_s3_no(q, f);
    else
        answer(q, &a);
}
