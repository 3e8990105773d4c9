/* Which endpoint a path is. */
#include "services/auth/inside.h"
#include "services/auth/portal.h"

static const vk_auth_route *const tables[] = {
    vk_auth_client_routes,
    vk_auth_session_routes,
    vk_auth_reverify_routes,
    vk_auth_handshake_routes,
    vk_auth_sign_in_routes,
    vk_auth_sign_up_routes,
    vk_auth_me_routes,
    vk_auth_address_routes,
    vk_auth_ticket_routes,
    vk_auth_backend_user_routes,
    vk_auth_backend_change_routes,
    vk_auth_backend_session_routes,
    vk_auth_backend_ticket_routes,
    vk_auth_backend_address_routes,
    vk_auth_backend_instance_routes,
};

/* What stands in braces. */
static const struct {
    const char *name;
    vk_auth_kind kind;
} kinds[] = {
    {"user", VK_AUTH_USER},      {"sess", VK_AUTH_SESSION},      {"client", VK_AUTH_CLIENT},
    {"sua", VK_AUTH_SIGN_UP},    {"sia", VK_AUTH_SIGN_IN},       {"idn", VK_AUTH_IDENTIFICATION},
    {"inv", VK_AUTH_INVITATION}, {"sit", VK_AUTH_SIGN_IN_TOKEN},
};

bool vk_auth_path_build(vk_str path, vk_str *build_r, vk_str *rest_r)
{
    static const vk_str b = VK_STR("/b/");
    if (!vk_str_starts(path, b))
        return false;
    vk_str rest = {path.p + b.n, path.n - b.n};
    const char *slash = memchr(rest.p, '/', rest.n);
    if (!slash)
        return false;
    vk_str build = {rest.p, (size_t)(slash - rest.p)};
    if (build.n > VK_BUILD_ID_MAX || !vk_auth_slug_is(build))
        return false;
    *build_r = build;
    *rest_r = (vk_str){slash, rest.n - build.n};
    return true;
}

bool vk_auth_path(vk_str path, vk_auth_at *out_r)
{
    static const vk_str v1 = VK_STR("/v1"), bapi = VK_STR("/bapi/v1");
    vk_str rest;
    *out_r = (vk_auth_at){0};
    if (!vk_auth_path_build(path, &out_r->build, &rest))
        return false;
    out_r->portal = vk_auth_portal_match(rest, &out_r->sign_up);
    out_r->backend = vk_str_starts(rest, bapi);
    if (out_r->portal || (!out_r->backend && vk_str_eqz(rest, "/.well-known/jwks.json"))) {
        out_r->rest = rest;
        return true;
    }
    size_t skip = out_r->backend ? bapi.n : vk_str_starts(rest, v1) ? v1.n : 0;
    out_r->rest = (vk_str){rest.p + skip, rest.n - skip};
    return skip && out_r->rest.n && out_r->rest.p[0] == '/';
}

/* The next segment of a path behind its slash. */
static vk_str segment(vk_str *path)
{
    vk_str s = {path->p + 1, path->n - 1};
    const char *slash = memchr(s.p, '/', s.n);
    if (slash)
        s.n = (size_t)(slash - s.p);
    path->p += s.n + 1;
    path->n -= s.n + 1;
    return s;
}

static bool is_id(vk_str braces, vk_str text)
{
    vk_str name = {braces.p + 1, braces.n - 2};
    for (size_t i = 0; i < VK_COUNT(kinds); i++)
        if (vk_str_eqz(name, kinds[i].name))
            return vk_auth_id_is(kinds[i].kind, text);
    return vk_str_eqz(name, "name") && text.n > 0; /* of a template and the like, which are refused */
}

/* *id_bad_r: it is this path but for an id that is none. */
static bool matches(const char *pattern, vk_str path, vk_str ids_r[VK_AUTH_IDS_MAX], bool *id_bad_r)
{
    vk_str p = vk_str_z(pattern);
    size_t n = 0;
    bool bad = false;
    while (p.n && path.n) {
        vk_str want = segment(&p), got = segment(&path);
        if (want.n && want.p[0] == '{') {
            bad = bad || !is_id(want, got);
            if (n < VK_AUTH_IDS_MAX)
                ids_r[n++] = got;
        } else if (!vk_str_eq(want, got)) {
            return false;
        }
    }
    if (p.n || path.n)
        return false;
    *id_bad_r = *id_bad_r || bad;
    return !bad;
}

const vk_auth_route *vk_auth_route_find(vk_str method, const vk_auth_at *at, vk_str ids_r[VK_AUTH_IDS_MAX],
                                        vk_auth_fail *why_r)
{
    bool id_bad = false;
    for (size_t t = 0; t < VK_COUNT(tables); t++)
        for (const vk_auth_route *r = tables[t]; r->method; r++)
            if ((r->need == VK_AUTH_NEEDS_BACKEND) == at->backend && vk_str_eqz(method, r->method) &&
                matches(r->path, at->rest, ids_r, &id_bad))
                return r;
    *why_r = id_bad ? VK_AUTH_F_NOT_FOUND : VK_AUTH_F_UNSUPPORTED;
    return NULL;
}
