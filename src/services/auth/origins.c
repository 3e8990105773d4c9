/* Which pages may ask. */
#include "services/auth/inside.h"

/* Where frameworks serve an app on a developer's own machine, when the build was given no origins. */
#define AT_HOME(port)                                                                                        \
    VK_STR("http://localhost:" #port), VK_STR("http://127.0.0.1:" #port), VK_STR("http://[::1]:" #port)
static const vk_str at_home[] = {
    AT_HOME(3000), AT_HOME(3001), AT_HOME(3002), AT_HOME(3003),
    AT_HOME(3004), AT_HOME(3005),                               /* Next.js, Remix */
    AT_HOME(4000), AT_HOME(4173), AT_HOME(4200), AT_HOME(4321), /* Vite's preview, Angular, Astro */
    AT_HOME(5000), AT_HOME(5173), AT_HOME(5174), AT_HOME(5175), /* Vite, SvelteKit */
    AT_HOME(8000), AT_HOME(8080), AT_HOME(8081),                /* Expo and the usual ones */
};

/* One block: the list, its views, their texts. */
static vk_auth_origin_list *list_of(const vk_str *origins, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += origins[i].n;
    vk_auth_origin_list *l = malloc(sizeof *l + n * sizeof *l->at + bytes);
    if (!l)
        return NULL;
    char *text = (char *)&l->at[n];
    for (size_t i = 0; i < n; i++) {
        memcpy(text, origins[i].p, origins[i].n);
        l->at[i] = (vk_str){text, origins[i].n};
        text += origins[i].n;
    }
    l->n = n;
    l->partitioned = vk_auth_is_partitioned(l->at, n);
    atomic_store(&l->refs, 1);
    return l;
}

static vk_err read_origins(vk_auth_call *c, vk_auth_pool *pool, vk_auth_origin_list **out_r)
{
    vk_worker *w = c->ex->server->ctx;
    vk_build b;
    uint64_t epoch = atomic_load(&w->rt->registry.epoch); /* before the look, so that a change shows */
    vk_err e = w->reader->ops->build_get(w->reader, c->arena, vk_str_z(c->about->build), &b);
    if (e != VK_OK)
        return e;
    *out_r = b.n_origins ? list_of(b.origins, b.n_origins) : list_of(at_home, VK_COUNT(at_home));
    if (!*out_r)
        return VK_E_NOMEM;
    (*out_r)->epoch = epoch;
    atomic_fetch_add(&(*out_r)->refs, 1);
    vk_auth_pool_keep_origins(pool, *out_r);
    return VK_OK;
}

static void unref(void *arg)
{
    vk_auth_origin_list_unref(arg);
}

static vk_err load(vk_auth_call *c)
{
    vk_worker *w = c->ex->server->ctx;
    vk_auth_pool *pool = vk_auth_pool_of(c->ex->principal);
    if (!pool)
        return VK_E_NOT_FOUND;
    vk_auth_origin_list *l = vk_auth_pool_origins(pool);
    vk_err e = VK_OK;
    if (!l || l->epoch != atomic_load(&w->rt->registry.epoch)) {
        vk_auth_origin_list_unref(l);
        e = read_origins(c, pool, &l);
    }
    if (e == VK_OK && (e = vk_arena_cleanup(c->arena, unref, l)) != VK_OK)
        vk_auth_origin_list_unref(l);
    if (e != VK_OK)
        return e;
    c->origins = l->at;
    c->n_origins = l->n;
    c->partitioned = l->partitioned;
    return VK_OK;
}

static bool is_ours(const vk_auth_call *c, const char *origin)
{
    for (size_t i = 0; i < c->n_origins; i++)
        if (vk_str_eqz(c->origins[i], origin))
            return true;
    return vk_auth.gateway[0] && strcmp(origin, vk_auth.gateway) == 0; /* our own pages (portal.h) */
}

vk_auth_fail vk_auth_origins_load(vk_auth_call *c)
{
    vk_err e = load(c);
    return e == VK_OK ? VK_AUTH_F_OK : e == VK_E_NOT_FOUND ? VK_AUTH_F_HOST : vk_auth_broke(c, e);
}

vk_auth_fail vk_auth_origins(vk_auth_call *c)
{
    vk_auth_fail f = vk_auth_origins_load(c);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_str origin = vk_request_header(c->ex, VK_STR("origin"));
    if (origin.p) {
        if (vk_auth_origin_of(origin, c->origin) == VK_OK && is_ours(c, c->origin))
            return VK_AUTH_F_OK;
        c->origin[0] = '\0';
        return VK_AUTH_F_ORIGIN;
    }
    /* A GET of the page's own origin has none; who asks decides nothing here, it is what a token says. */
    vk_str referer = vk_request_header(c->ex, VK_STR("referer"));
    if (!referer.p || vk_auth_origin_of(referer, c->origin) != VK_OK || !is_ours(c, c->origin))
        c->origin[0] = '\0';
    return VK_AUTH_F_OK;
}
