#include "admin/access.h"

#include <unistd.h>

vk_secret vk_bearer(vk_secret authorization)
{
    vk_str t = vk_secret_bytes(authorization);
    if (t.n < 8 || !vk_str_ieq((vk_str){t.p, 7}, VK_STR("Bearer ")))
        return VK_SECRET_NONE;
    t = (vk_str){t.p + 7, t.n - 7};
    while (t.n && t.p[0] == ' ') {
        t.p++;
        t.n--;
    }
    return vk_secret_of(t);
}

static bool same_hash(const uint8_t a[VK_SHA256], const uint8_t b[VK_SHA256])
{
    return vk_str_eq_secret((vk_str){(const char *)a, VK_SHA256}, (vk_str){(const char *)b, VK_SHA256});
}

vk_err vk_admin_check(const vk_exchange *ex, const vk_runtime *rt, bool metrics, const char **why_r)
{
    bool local = !ex->server->names;
    if (local && ex->peer_uid != geteuid() && ex->peer_uid != 0) {
        *why_r = "This socket serves the user that valetkey runs as, and root";
        return VK_E_FORBIDDEN;
    }
    vk_secret token = vk_bearer(ex->authorization);
    uint8_t hash[VK_SHA256];
    if (token.n == 0) {
        *why_r = "Send the admin token as \"Authorization: Bearer …\"; it is in the file admin.token of the "
                 "data folder";
        return VK_E_UNAUTHORIZED;
    }
    vk_sha256(vk_secret_bytes(token), hash);
    bool same = same_hash(hash, rt->admin_hash);
    if (metrics)
        same |= same_hash(hash, rt->metrics_hash);
    vk_wipe(hash, sizeof hash);
    *why_r = "This is not the admin token; it is in the file admin.token of the data folder";
    return same ? VK_OK : VK_E_UNAUTHORIZED;
}

vk_err vk_admin_check_site(const vk_exchange *ex, const char **why_r)
{
    vk_str site = vk_request_header(ex, VK_STR("Sec-Fetch-Site"));
    vk_str origin = vk_request_header(ex, VK_STR("Origin"));
    *why_r = "Pages of other origins cannot use the admin API; call it from the server side";
    if (site.p && !vk_str_eqz(site, "same-origin") && !vk_str_eqz(site, "none"))
        return VK_E_FORBIDDEN;
    if (!origin.p)
        return VK_OK;
    vk_str scheme, rest = origin;
    if (!vk_str_cut(&rest, ':', &scheme) || !vk_str_starts(rest, VK_STR("//")))
        return VK_E_FORBIDDEN;
    rest.p += 2;
    rest.n -= 2;
    return vk_str_ieq(rest, ex->host) ? VK_OK : VK_E_FORBIDDEN;
}
