#include "admin/alone.h"

/* Two at a time: one may be the build itself. Where one of the others does not say shared=yes it is the only
 * one, so the first of them speaks for all. */
enum { LOOKED_AT = 2 };

/* The first other build with that value; "": there is none. */
static vk_err find_other(vk_call *c, vk_str id, const vk_binding *b, const char *name, vk_str value,
                         char other[VK_BUILD_ID_MAX + 1])
{
    char ids[LOOKED_AT][VK_BUILD_ID_MAX + 1];
    vk_store *s = c->rt->store;
    size_t n = 0;
    other[0] = '\0';
    vk_err e = s->ops->bound_list(s, b->service, b->driver, name, value, VK_STR(""), LOOKED_AT, ids, &n);
    for (size_t i = 0; e == VK_OK && i < n; i++)
        if (!vk_str_eqz(id, ids[i])) {
            memcpy(other, ids[i], sizeof ids[i]);
            break;
        }
    return e;
}

static vk_err says_shared(vk_call *c, const char *build, const char *service, bool *shared_r)
{
    vk_binding all[VK_BINDINGS_MAX];
    vk_store *s = c->rt->store;
    size_t n = 0;
    *shared_r = false;
    vk_err e = s->ops->binding_list(s, c->ex->arena, vk_str_z(build), all, VK_COUNT(all), &n);
    for (size_t i = 0; e == VK_OK && i < n; i++)
        if (strcmp(all[i].service, service) == 0)
            *shared_r = vk_driver_says_shared(&all[i]);
    return e;
}

bool vk_binding_alone(vk_call *c, vk_str id, const vk_binding *b)
{
    char other[VK_BUILD_ID_MAX + 1];
    bool theirs = false;
    vk_str value;
    const char *name = vk_driver_alone(b, &value);
    if (!name)
        return true;
    vk_err e = find_other(c, id, b, name, value, other);
    if (e == VK_OK && other[0] && vk_driver_says_shared(b))
        e = says_shared(c, other, b->service, &theirs);
    if (e != VK_OK) {
        vk_call_fail_store(c, e);
        return false;
    }
    if (!other[0] || theirs)
        return true;
    vk_call_fail(c, VK_E_CONFLICT,
                 "The build \"%s\" has the same \"%s\" for %s already, and builds that share one read and "
                 "change each other's data. If that is meant, bind both with shared=yes: `valetkey build use "
                 "%s %s %s %s=… shared=yes`",
                 other, name, b->service, other, b->service, b->driver, name);
    return false;
}
