#include "services/storage/s3cors.h"

#include "core/buf.h"

void vk_s3_cors_default(const vk_str *origins, size_t n, vk_s3x_rule *out_r)
{
    static const vk_str methods[] = {{"GET", 3}, {"PUT", 3}, {"POST", 4}, {"HEAD", 4}, {"DELETE", 6}},
                        any[] = {{"*", 1}}, etag[] = {{"ETag", 4}};
    *out_r = (vk_s3x_rule){.origins = {origins, n},
                           .methods = {methods, VK_COUNT(methods)},
                           .headers = {any, 1},
                           .expose = {etag, 1},
                           .max_age_s = 3600};
}

/* A pattern with at most one "*", which stands for any bytes, or none. */
static bool matches(vk_str pattern, vk_str text, bool ignore_case)
{
    const char *star = pattern.n ? memchr(pattern.p, '*', pattern.n) : NULL;
    vk_str head = {pattern.p, star ? (size_t)(star - pattern.p) : pattern.n},
           tail = {star ? star + 1 : NULL, 0};
    tail.n = star ? pattern.n - head.n - 1 : 0;
    if (star ? text.n < head.n + tail.n : text.n != head.n)
        return false;
    const vk_str first = {text.p, head.n}, last = {text.p + text.n - tail.n, tail.n};
    return ignore_case ? vk_str_ieq(head, first) && vk_str_ieq(tail, last)
                       : vk_str_eq(head, first) && vk_str_eq(tail, last);
}

/* The entry that matches; p NULL: none. */
static vk_str find(vk_s3x_list l, vk_str text, bool ignore_case)
{
    for (size_t i = 0; i < l.n; i++)
        if (matches(l.at[i], text, ignore_case))
            return l.at[i];
    return VK_STR_NONE;
}

/* Names of headers are tokens; what is none is allowed by no "*", for it comes back in the answer. */
static bool is_token(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", s.p[i]))
            return false;
    return s.n > 0;
}

static bool headers_allowed(const vk_s3x_rule *r, vk_str headers)
{
    vk_str one;
    size_t n = 0;
    for (bool more = headers.n > 0; more;) {
        more = vk_str_cut(&headers, ',', &one);
        one = vk_str_trim(more ? one : headers);
        if (one.n == 0)
            continue;
        if (++n > VK_S3_CORS_HEADERS_MAX || !is_token(one) || !find(r->headers, one, true).p)
            return false;
    }
    return true;
}

static bool is_origin(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
            return false;
    return s.n > 0 && s.n <= VK_S3_CORS_ORIGIN_MAX;
}

static bool join(vk_arena *a, vk_s3x_list l, vk_str *out_r)
{
    size_t n = 0;
    for (size_t i = 0; i < l.n; i++)
        n += l.at[i].n + 2;
    char *p = vk_arena_alloc(a, n);
    *out_r = (vk_str){p, 0};
    for (size_t i = 0; p && i < l.n; i++) {
        if (i) {
            memcpy(p + out_r->n, ", ", 2);
            out_r->n += 2;
        }
        memcpy(p + out_r->n, l.at[i].p, l.at[i].n);
        out_r->n += l.at[i].n;
    }
    return p != NULL;
}

/* The rule, and *out_r with the origin in it. */
static const vk_s3x_rule *rule_for(const vk_s3x_cors *rules, vk_str origin, vk_str method, vk_str headers,
                                   vk_s3_cors_answer *out_r)
{
    *out_r = (vk_s3_cors_answer){.max_age_s = -1};
    for (size_t i = 0; is_origin(origin) && i < rules->n; i++) {
        const vk_s3x_rule *r = &rules->rules[i];
        vk_str by = find(r->origins, origin, false);
        if (!by.p || !find(r->methods, method, false).p || !headers_allowed(r, headers))
            continue;
        out_r->credentials = !vk_str_eqz(by, "*");
        out_r->allow_origin = out_r->credentials ? origin : by;
        return r;
    }
    return NULL;
}

vk_s3_fail vk_s3_cors_preflight(vk_arena *a, const vk_s3x_cors *rules, vk_str origin, vk_str method,
                                vk_str headers, vk_s3_cors_answer *out_r)
{
    const vk_s3x_rule *r = rule_for(rules, origin, method, headers, out_r);
    if (!r)
        return origin.n ? VK_S3_CORS_FORBIDDEN : VK_S3_CORS_NO_ORIGIN;
    if (!join(a, r->methods, &out_r->allow_methods))
        return VK_S3_NO_MEMORY;
    if (headers.n)
        out_r->allow_headers = headers; /* those that were asked for: "*" does not go with credentials */
    out_r->max_age_s = r->max_age_s;
    return VK_S3_OK;
}

bool vk_s3_cors_request(vk_arena *a, const vk_s3x_cors *rules, vk_str origin, vk_str method,
                        vk_s3_cors_answer *out_r)
{
    const vk_s3x_rule *r = rule_for(rules, origin, method, VK_STR_NONE, out_r);
    if (r && r->expose.n && !join(a, r->expose, &out_r->expose_headers))
        return false;
    return r != NULL;
}
