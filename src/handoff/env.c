#include "handoff/env.h"

static bool name_ok(const char *name)
{
    if (!name[0] || (name[0] >= '0' && name[0] <= '9'))
        return false;
    for (const char *c = name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_'))
            return false;
    return true;
}

static vk_err add(vk_arena *a, const vk_env_var *v, vk_env_var *out, size_t room, size_t *n,
                  const char **why_r)
{
    if (!name_ok(v->name))
        return vk_refuse(a, why_r, "\"%.64s\" is no name for an environment variable", v->name);
    if (v->secret && vk_env_name_public(vk_str_z(v->name)))
        return vk_refuse(
            a, why_r,
            "%.64s is a secret, but variables with that prefix are built into what every visitor of the app "
            "downloads; it is not written",
            v->name);
    for (size_t i = 0; i < *n; i++)
        if (strcmp(out[i].name, v->name) == 0)
            return vk_refuse(a, why_r, "two services set %.64s", v->name);
    if (*n >= room) {
        *why_r = "more variables than the limit of one build";
        return VK_E_TOO_LARGE;
    }
    out[(*n)++] = *v;
    return VK_OK;
}

vk_err vk_env_rename(vk_arena *a, const vk_framework *f, const vk_env_var *in, size_t n, vk_env_var *out,
                     size_t room, size_t *n_r, const char **why_r)
{
    size_t had = 0;
    for (size_t i = 0; i < n; i++) {
        const char *names[VK_ENV_NAMES_MAX];
        size_t n_names;
        vk_err e = vk_framework_map(a, f, in[i].name, names, &n_names);
        for (size_t k = 0; e == VK_OK && k < n_names; k++) {
            vk_env_var v = in[i];
            v.name = names[k];
            e = add(a, &v, out, room, &had, why_r);
        }
        if (e != VK_OK)
            return e;
    }
    *n_r = had;
    return VK_OK;
}

enum { KINDS_MAX = 4 };

/* The service's valet keys in the order of its kinds. */
static vk_err derive(const vk_runtime *rt, vk_arena *a, const vk_service *s, const vk_build *b,
                     vk_secret keys[KINDS_MAX])
{
    size_t n = 0;
    for (const vk_valet_kind *k = s->kinds; k && k->kind; k++) {
        char key[VK_VALET_MAX];
        if (n == KINDS_MAX)
            return VK_E_INTERNAL;
        vk_valet_derive(rt->master, k, vk_str_z(b->id), vk_str_z(s->name), b->generation, key);
        keys[n] = vk_secret_of(vk_arena_dup(a, vk_str_z(key)));
        vk_wipe(key, sizeof key);
        if (!keys[n++].hidden)
            return VK_E_NOMEM;
    }
    return VK_OK;
}

static const vk_binding *binding_of(const vk_env_brokered *x, const char *service)
{
    for (size_t i = 0; x && i < x->n; i++)
        if (strcmp(x->bindings[i].service, service) == 0)
            return strcmp(x->bindings[i].driver, "embedded") == 0 ? NULL : &x->bindings[i];
    return NULL;
}

struct org_arg {
    const vk_env_brokered *x;
    const char *vendor, *service;
};

static vk_str org_value(void *arg, const char *field)
{
    const struct org_arg *o = arg;
    return o->x->org ? o->x->org(o->x->arg, o->vendor, field) : VK_STR_NONE;
}

static vk_secret given_value(void *arg, const char *name)
{
    const struct org_arg *o = arg;
    return o->x->given ? o->x->given(o->x->arg, o->service, name) : VK_SECRET_NONE;
}

/* What one service gives, by its driver. */
static vk_err env_of(const vk_runtime *rt, int index, const vk_service *s, vk_arena *a, const vk_build *b,
                     const vk_env_brokered *x, const vk_secret *keys, vk_env_var *out, size_t room,
                     size_t *n_r)
{
    const vk_binding *binding = binding_of(x, s->name);
    if (!binding)
        return s->env(rt, index, a, b, keys, out, room, n_r);
    for (const vk_driver *const *d = s->drivers; d && *d; d++) {
        struct org_arg org = {x, (*d)->name, s->name};
        if (strcmp((*d)->name, binding->driver) != 0)
            continue;
        if ((*d)->only_direct || vk_binding_direct(binding))
            return (*d)->direct
                       ? (*d)->direct(rt, index, a, b, binding, keys, given_value, &org, out, room, n_r)
                       : VK_E_UNAVAILABLE;
        return (*d)->env ? (*d)->env(rt, index, a, b, binding, keys, org_value, &org, out, room, n_r)
                         : s->env(rt, index, a, b, keys, out, room, n_r);
    }
    return VK_E_UNAVAILABLE;
}

vk_err vk_env_build(const vk_runtime *rt, vk_arena *a, const vk_build *b, vk_str framework,
                    const vk_env_brokered *brokered, vk_env_var out[VK_ENV_MAX], size_t *n_r,
                    const char **why_r)
{
    const vk_framework *f = vk_framework_find(framework.n ? framework : vk_str_z(b->framework));
    if (!f)
        return vk_refuse(a, why_r, "The framework is unknown; known are %s", vk_framework_names());
    const vk_service *services[VK_SERVICES_MAX];
    size_t n_services = vk_services(services), n = 0;
    vk_env_var *canonical = vk_arena_alloc(a, sizeof *canonical * VK_ENV_MAX);
    *why_r = "out of memory";
    if (!canonical)
        return VK_E_NOMEM;
    for (size_t i = 0; i < n_services; i++) {
        vk_secret keys[KINDS_MAX];
        size_t more = 0;
        if (brokered && brokered->only.n && !vk_str_eqz(brokered->only, services[i]->name))
            continue;
        vk_err e = derive(rt, a, services[i], b, keys);
        if (e == VK_OK)
            e = env_of(rt, (int)i, services[i], a, b, brokered, keys, canonical + n, VK_ENV_MAX - n, &more);
        if (e != VK_OK) {
            e = e == VK_E_INVALID ? VK_E_INTERNAL : e;
            (void)vk_refuse(a, why_r,
                            e == VK_E_UNAVAILABLE
                                ? "the service \"%.16s\" is provided with the organisation's keys, and one "
                                  "of them is missing: `valetkey keys list` shows which are there"
                                : "the environment of the service \"%.16s\" could not be made",
                            services[i]->name);
            return e;
        }
        n += more;
    }
    vk_err e = vk_env_rename(a, f, canonical, n, out, VK_ENV_MAX, n_r, why_r);
    if (e == VK_OK &&
        rt->ca_file[0]) { /* for Node, which looks at it when it starts; others are told by hand */
        const vk_env_var ca = {"NODE_EXTRA_CA_CERTS", vk_arena_dup(a, vk_str_z(rt->ca_file)), false};
        e = ca.value.p ? add(a, &ca, out, VK_ENV_MAX, n_r, why_r) : VK_E_NOMEM;
    }
    return e == VK_E_INVALID ? VK_E_INTERNAL : e; /* a service's table is wrong, not the request */
}
