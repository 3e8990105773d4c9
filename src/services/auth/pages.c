/* What is no call of an API: Clerk's scripts, pictures, the portal. */
#include "core/log.h"
#include "services/auth/inside.h"
#include "services/auth/picture.h"
#include "services/auth/portal.h"

vk_err vk_auth_pages_prepare(const vk_runtime *rt)
{
    char why[VK_AUTH_BUNDLES_WHY];
    vk_err e = vk_auth_bundles_open(rt->share_dir, &vk_auth.bundles, why);
    if (e != VK_OK)
        vk_log(VK_WARN, "apps get no sign-in pages", VK_F(why, why));
    return e == VK_E_NOMEM ? e : VK_OK;
}

bool vk_auth_pages_file(vk_exchange *ex)
{
    vk_str build, rest = ex->path;
    vk_auth_picture picture;
    bool below = vk_auth_path_build(ex->path, &build, &rest);
    if (vk_auth_bundles_match(rest))
        vk_auth_bundles_answer(vk_auth.bundles, ex, rest);
    else if (below && vk_auth_picture_match(rest, &picture))
        vk_auth_picture_answer(&picture, ex);
    else
        return false;
    return true;
}

void vk_auth_pages_portal(vk_auth_call *c, bool sign_up)
{
    vk_auth_portal p = {.sign_up = sign_up,
                        .build = vk_str_z(c->about->build),
                        .gateway = vk_str_z(vk_auth_runtime()->url_browser[vk_auth_index()]),
                        .publishable_key = vk_str_z(c->about->key),
                        .origins = c->origins,
                        .n_origins = c->n_origins,
                        .partitioned = c->partitioned};
    vk_err e = vk_auth_param_text(&c->query, VK_STR("redirect_url"), VK_AUTH_URL_MAX, &p.redirect_url);
    if (e == VK_E_NOT_FOUND)
        p.redirect_url = VK_STR_NONE; /* the first origin */
    else if (e != VK_OK)
        p.redirect_url = VK_STR("?"); /* twice, or too long: leads nowhere */
    vk_auth_portal_answer(&p, c->ex);
}
