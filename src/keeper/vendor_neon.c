/* Neon: the key that makes projects or branches. Shapes: Neon's documentation of its API. */
#include "keeper/shape.h"
#include "keeper/vendors.h"

static const vk_shape_other key_others[] = {
    {.prefix = "postgres://", .why = "This is the address of a database. Enter an API key, napi_…"},
    {.prefix = "postgresql://", .why = "This is the address of a database. Enter an API key, napi_…"},
    {.prefix = NULL},
};
static const vk_shape key = {
    .others = key_others,
    .prefixes = (const char *const[]){"napi_", NULL},
    .least = 25,
    .most = 256,
    .also = "_-",
    .why = "An API key of Neon begins with napi_ and has letters and digits only.",
};
static bool key_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &key, why_r);
}

static const vk_shape org = {
    .also = "-_",
    .least = 1,
    .most = 64,
    .why = "The id of an organization at Neon has letters, digits and - only, such as org-cool-sun-12345678.",
};
static bool org_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &org, why_r);
}

static const vk_vendor_field fields[] = {
    {.name = "api_key", .what = "an API key, napi_…", .secret = true, .ok = key_ok},
    {.name = "org_id",
     .what = "the organization's id, org-…; without one, the key's own",
     .optional = true,
     .ok = org_ok},
    {.name = "api_base",
     .what = "where the API is",
     .optional = true,
     .usual = "https://console.neon.tech",
     .ok = vk_vendor_base_ok},
    {.name = NULL},
};

static vk_err probe_order(vk_order *o, const char **why_r)
{
    return vk_order_bearer(o, "api_key", why_r);
}

/* A personal key knows its user, one of an organization does not. */
static const vk_vendor_probe probes[] = {
    {.method = "GET",
     .path = "/api/v2/projects?limit=1&org_id={org_id}",
     .what = "list projects",
     .must = true},
    {.method = "GET",
     .path = "/api/v2/users/me",
     .what = "act as a person in all of their organizations",
     .wide = true},
    {.method = NULL},
};

const vk_vendor vk_vendor_neon = {
    .name = "neon",
    .title = "Neon",
    .service = "database",
    .fields = fields,
    .probe_order = probe_order,
    .probes = probes,
};
