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

static vk_err load(vk_auth_call *c)
{
    vk_worker *w = c->ex->server->ctx;
    vk_build b;
    vk_err e = w->reader->ops->build_get(w->reader, c->arena, vk_str_z(c->about->build), &b);
    if (e != VK_OK)
        return e;
    c->origins = at_home;
    c->n_origins = VK_COUNT(at_home);
    if (b.n_origins) {
        vk_str *own = vk_arena_alloc(c->arena, sizeof *own * b.n_origins);
        if (!own)
            return VK_E_NOMEM;
        memcpy(own, b.origins, sizeof *own * b.n_origins);
        c->origins = own;
        c->n_origins = b.n_origins;
    }
    c->partitioned = vk_auth_is_partitioned(c->origins, c->n_origins);
    return VK_OK;
}

static bool is_ours(const vk_auth_call *c, const char *origin)
{
    for (size_t i = 0; i < c->n_origins; i++)
        if (vk_str_eqz(c->origins[i], origin))
            return true;
    return vk_auth.gateway[0] && strcmp(origin, vk_auth.gateway) == 0; /* our own pages (portal.h) */
}

vk_auth_fail vk_auth_origins(vk_auth_call *c)
{
    vk_err e = load(c);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_AUTH_F_HOST : vk_auth_broke(c, e);
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
