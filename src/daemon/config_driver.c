/* The organisation's choice of drivers for new builds. */
#include "admin/drivers.h"
#include "daemon/config.h"

enum { ARENA_MAX = 64 * 1024 };

vk_err vk_config_service(vk_str service, const char *from, int *index_r, char why[VK_WHY_MAX])
{
    const vk_service *all[VK_SERVICES_MAX];
    size_t n = vk_services(all), at = 0;
    char known[200] = "";
    *index_r = vk_service_index(service);
    if (*index_r >= 0)
        return VK_OK;
    for (size_t i = 0; i < n && at < sizeof known; i++)
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", all[i]->name);
    return vk_say(why, VK_E_INVALID,
                  "%s names the service \"" VK_STR_FMT "\", which this version does not have. It has: %s.",
                  from, VK_STR_ARG(service), known);
}

vk_err vk_config_driver(vk_config *c, vk_str service, vk_str value, const char *from, char why[VK_WHY_MAX])
{
    const vk_service *all[VK_SERVICES_MAX];
    const char *what = "";
    vk_binding b;
    vk_str alone;
    int i;
    vk_services(all);
    vk_err e = vk_config_service(service, from, &i, why);
    if (e != VK_OK)
        return e;
    vk_arena *a = vk_arena_new(ARENA_MAX);
    if (!a)
        return vk_say(why, VK_E_NOMEM, "Out of memory.");
    e = vk_driver_parse(a, all[i], value, &b, &what);
    if (e != VK_OK) {
        vk_say(why, e, "%s: %s%s", from, what, what[0] && what[strlen(what) - 1] == '.' ? "" : ".");
    } else if (!vk_driver_makes(&b) && vk_driver_needs_secrets(&b)) {
        e = vk_say(
            why, VK_E_INVALID,
            "%s: each build needs secret values of its own with %s, so it is chosen for one build at a "
            "time (valetkey build use).",
            from, b.driver);
    } else if (vk_driver_alone(&b, &alone) && !vk_driver_says_shared(&b)) {
        e = vk_say(why, VK_E_INVALID,
                   "%s: all new builds would have the same \"%s\", and read and change each other's data. If "
                   "that is meant, say shared=yes with it.",
                   from, vk_driver_alone(&b, &alone));
    } else if (b.resource.n >= VK_DRIVER_VALUES_MAX) {
        e = vk_say(why, VK_E_INVALID, "%s: the driver's values are longer than %d bytes.", from,
                   VK_DRIVER_VALUES_MAX - 1);
    } else {
        memcpy(c->driver[i], b.driver, sizeof b.driver);
        memcpy(c->driver_resource[i], b.resource.p, b.resource.n);
        c->driver_resource[i][b.resource.n] = '\0';
    }
    vk_arena_free(a);
    return e;
}
