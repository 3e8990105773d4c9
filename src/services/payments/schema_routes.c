/* Which endpoint a method and path are: a table of all of them, made at the start, with their parameters.
 * Segments are compared as they came: an id's escapes are decoded when its place is known (vk_pay_ids), so
 * that a slash in an id is none of the path's. */
#include "services/payments/form.h"
#include "services/payments/schema_tree.h"

enum { ROUTES_MAX = 256 };

static struct {
    vk_pay_route at[ROUTES_MAX];
    size_t n;
} all;

/* What every list takes besides its own. */
static const vk_pay_param list_params[] = {
    {.name = "limit", .type = "int"},
    {.name = "starting_after", .type = "string"},
    {.name = "ending_before", .type = "string"},
    {0},
};
static const vk_pay_param search_params[] = {
    {.name = "limit", .type = "int"},
    {0},
};

static vk_err wrong(vk_arena *a, const char **why_r, const char *what, const char *row)
{
    return vk_refuse(a, why_r, "payments: %s: %s", what, row);
}

/* ---- endpoints */

static vk_err add_route(vk_arena *a, const vk_pay_endpoint *ep, const char **why_r)
{
    vk_str path = {ep->path + 1, strlen(ep->path) - 1};
    if (all.n == VK_COUNT(all.at))
        return wrong(a, why_r, "too many endpoints", ep->path);
    vk_pay_route *r = &all.at[all.n++];
    r->ep = ep;
    r->params.full = ep->path;
    size_t ids = 0;
    if (!vk_pay_split(path, '/', r->seg, VK_COUNT(r->seg), &r->n))
        return wrong(a, why_r, "path", ep->path);
    for (size_t i = 0; i < r->n; i++)
        if (r->seg[i].p[0] == ':') {
            r->seg[i].n = 0;
            ids++;
        }
    if (ids > 2)
        return wrong(a, why_r, "ids", ep->path);
    vk_err e = vk_pay_params_compile(&r->params, ep->params, why_r);
    if (e == VK_OK && ep->verb == VK_PAY_LIST)
        e = vk_pay_params_compile(&r->params, list_params, why_r);
    if (e == VK_OK && ep->verb == VK_PAY_SEARCH)
        e = vk_pay_params_compile(&r->params, search_params, why_r);
    return e;
}

static vk_err routes(vk_arena *a, const vk_pay_endpoint *ep, const char **why_r)
{
    vk_err e = VK_OK;
    for (; ep && ep->method && e == VK_OK; ep++)
        e = add_route(a, ep, why_r);
    return e;
}

/* What is known not to be here and would be taken for an id: "/v1/invoices/upcoming". */
static vk_err hidden(vk_arena *a, const char **why_r)
{
    vk_err e = VK_OK;
    for (const vk_pay_missing *m = vk_pay_missing_calls; m->path && e == VK_OK; m++) {
        vk_pay_route *r = &all.at[all.n];
        if (!m->method || strchr(m->path, ':'))
            continue;
        if (all.n == VK_COUNT(all.at) ||
            !vk_pay_split(vk_str_z(m->path + 1), '/', r->seg, VK_COUNT(r->seg), &r->n))
            return wrong(a, why_r, "missing call", m->path);
        r->missing = m->method;
        all.n++;
    }
    return e;
}

vk_err vk_pay_routes_start(vk_arena *a, const char **why_r)
{
    vk_err e = VK_OK;
    for (size_t i = 0; vk_pay_resources[i] && e == VK_OK; i++)
        e = routes(a, vk_pay_resources[i]->endpoints, why_r);
    if (e == VK_OK)
        e = routes(a, vk_pay_pages, why_r);
    return e == VK_OK ? hidden(a, why_r) : e;
}

const vk_pay_route *vk_pay_route_of(const vk_pay_endpoint *ep)
{
    for (size_t i = 0; i < all.n; i++)
        if (all.at[i].ep == ep)
            return &all.at[i];
    return NULL;
}

/* ---- which endpoint */

static bool matches(const vk_pay_route *r, const vk_str *seg, size_t n, size_t *literal_r, vk_str ids_r[2])
{
    size_t ids = 0;
    *literal_r = 0;
    if (r->n != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!r->seg[i].n)
            ids_r[ids++] = seg[i];
        else if (!vk_str_eq(r->seg[i], seg[i]))
            return false;
        else
            ++*literal_r;
    }
    return true;
}

static bool path_segments(vk_str path, vk_str *seg, size_t room, size_t *n_r)
{
    if (path.n < 2 || path.p[0] != '/')
        return false;
    if (!vk_pay_split((vk_str){path.p + 1, path.n - 1}, '/', seg, room, n_r))
        return false;
    for (size_t i = 0; i < *n_r; i++)
        if (!seg[i].n)
            return false;
    return path.p[path.n - 1] != '/';
}

const vk_pay_endpoint *vk_pay_endpoint_find(vk_str method, vk_str path, int version, vk_str ids_r[2],
                                            bool *there_r)
{
    vk_str seg[VK_PAY_SEGMENTS], ids[2] = {VK_STR_NONE, VK_STR_NONE};
    size_t n, literal, most = 0;
    const vk_pay_endpoint *best = NULL;
    *there_r = false;
    if (!path_segments(path, seg, VK_COUNT(seg), &n))
        return NULL;
    for (size_t i = 0; i < all.n; i++) {
        const vk_pay_route *r = &all.at[i];
        vk_str found[2] = {VK_STR_NONE, VK_STR_NONE};
        if (!matches(r, seg, n, &literal, found))
            continue;
        *there_r = true;
        if (literal <= most || !vk_str_eqz(method, r->ep ? r->ep->method : r->missing) ||
            (r->ep && (version < r->ep->since || (r->ep->until && version >= r->ep->until))))
            continue;
        most = literal;
        best = r->ep;
        ids[0] = found[0];
        ids[1] = found[1];
    }
    ids_r[0] = ids[0];
    ids_r[1] = ids[1];
    return best;
}

/* "/v1/quotes" is all below it, too; ":id" any segment. */
static bool below(vk_str pattern, const vk_str *seg, size_t n)
{
    vk_str want[VK_PAY_SEGMENTS];
    size_t k;
    if (!path_segments(pattern, want, VK_COUNT(want), &k) || k > n)
        return false;
    for (size_t i = 0; i < k; i++)
        if (want[i].p[0] != ':' && !vk_str_eq(want[i], seg[i]))
            return false;
    return true;
}

bool vk_pay_absent(vk_str method, vk_str path)
{
    vk_str seg[VK_PAY_SEGMENTS];
    size_t n;
    if (!path_segments(path, seg, VK_COUNT(seg), &n))
        return false;
    for (const vk_pay_missing *m = vk_pay_missing_calls; m->path; m++)
        if ((!m->method || vk_str_eqz(method, m->method)) && below(vk_str_z(m->path), seg, n))
            return true;
    return false;
}

vk_err vk_pay_ids(vk_arena *a, vk_str ids[2], const char **why_r)
{
    vk_err e = VK_OK;
    for (size_t i = 0; i < 2 && e == VK_OK; i++)
        if (ids[i].n)
            e = vk_pay_unescape(a, ids[i], false, &ids[i], why_r);
    return e;
}
