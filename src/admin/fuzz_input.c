/* Bodies of the admin API. What is taken must satisfy what the rest relies on. */
#include "admin/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static bool ready;
    if (!ready && vk_digest_init() != VK_OK)
        abort();
    ready = true;
    vk_arena *a = vk_arena_new(8 << 20);
    vk_create c;
    const char *why = NULL;
    vk_err e = a ? vk_create_parse(a, (vk_str){(const char *)data, n}, &c, &why) : VK_E_NOMEM;
    if (e == VK_OK) {
        uint8_t digest[VK_SHA256];
        vk_create_digest(&c, digest);
        if (c.id.p && !vk_build_id_ok(c.id))
            abort();
        if (c.n_origins > VK_ORIGINS_MAX || c.ttl_ms < 0)
            abort();
        for (size_t i = 0; i < c.n_origins; i++)
            if (c.origins[i].n > VK_ORIGIN_MAX)
                abort();
        for (size_t i = 0; i < c.n_drivers; i++) {
            vk_binding filled; /* asked again it is the same choice, and what keeper makes has room */
            if (!vk_driver_same(&c.drivers[i], &c.drivers[i]))
                abort();
            if (vk_driver_fill(a, &c.drivers[i], NULL, &filled) == VK_OK &&
                !vk_str_eq(filled.resource, c.drivers[i].resource))
                abort();
        }
    } else if (e == VK_E_INVALID && !why) {
        abort();
    }
    const vk_service *services[VK_SERVICES_MAX];
    size_t n_services = vk_services(services);
    vk_rebind r;
    if (a && n_services &&
        vk_rebind_parse(a, services[0], (vk_str){(const char *)data, n}, &r, &why) == VK_OK &&
        r.binding.resource.n > VK_RESOURCE_MAX)
        abort();
    vk_sweep sweep;
    vk_str one;
    size_t names = 0;
    if (a && vk_sweep_parse(a, (vk_str){(const char *)data, n}, &sweep, &why) == VK_OK)
        for (const vk_json *x = sweep.names; x; x = x->next)
            if (++names > VK_SWEEP_NAMES || x->type != VK_JSON_STRING || !x->u.s.n ||
                x->u.s.n > VK_SWEEP_NAME)
                abort();
    if (a && vk_provide_parse(a, (vk_str){(const char *)data, n}, &one, &why) == VK_OK && one.n > n)
        abort();
    vk_arena_free(a);
    return 0;
}
