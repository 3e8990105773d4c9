#include "admin/route.h"

/* Segment by segment; an empty segment fits no parameter. */
static bool matches(const char *pattern, vk_str path, vk_str params[VK_ROUTE_PARAMS])
{
    vk_str want = vk_str_z(pattern), a, b;
    size_t n = 0;
    for (;;) {
        bool more_a = vk_str_cut(&want, '/', &a), more_b = vk_str_cut(&path, '/', &b);
        if (more_a != more_b)
            return false;
        if (!more_a) {
            a = want;
            b = path;
        }
        if (vk_str_eq(a, VK_STR("{}"))) {
            if (b.n == 0 || n == VK_ROUTE_PARAMS)
                return false;
            params[n++] = b;
        } else if (!vk_str_eq(a, b)) {
            return false;
        }
        if (!more_a)
            return true;
    }
}

vk_err vk_route_find(const vk_route *table, size_t n, vk_str method, vk_str path, const vk_route **out_r,
                     vk_str params[VK_ROUTE_PARAMS], char allow[64])
{
    size_t at = 0;
    if (vk_str_eq(method, VK_STR("HEAD")))
        method = VK_STR("GET");
    for (size_t i = 0; i < n; i++) {
        if (!matches(table[i].pattern, path, params))
            continue;
        if (vk_str_eqz(method, table[i].method)) {
            *out_r = &table[i];
            return VK_OK;
        }
        int w = snprintf(allow + at, 64 - at, "%s%s", at ? ", " : "", table[i].method);
        if (w > 0 && (size_t)w < 64 - at)
            at += (size_t)w;
    }
    return at ? VK_E_METHOD : VK_E_NOT_FOUND;
}
