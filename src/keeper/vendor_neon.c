/* Neon: the key that makes projects or branches. Shapes: Neon's documentation of its API. */
#include "keeper/provision_answer.h"
#include "keeper/provision_vendors.h"
#include "keeper/shape.h"

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

static const vk_shape region = {
    .also = "-",
    .least = 5,
    .most = 32,
    .why = "A region of Neon looks like aws-us-east-1.",
};
static bool region_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &region, why_r);
}

static const vk_shape project = {
    .also = "-",
    .least = 1,
    .most = 60,
    .why = "The id of a project at Neon has small letters, digits and - only, such as quiet-mud-12345678.",
};
static bool project_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &project, why_r);
}

static const char not_an_address[] =
    "The address of a database looks like postgresql://role:password@host/database?sslmode=require.";

/* Its password needs no escapes there, and is there; what stands behind "?" is Neon's. */
static bool uri_ok(vk_str value, const char **why_r)
{
    bool loopback;
    vk_str scheme, user, password, host;
    if (!vk_shape_plain_ok(value, why_r))
        return false;
    if (vk_str_cut(&value, ':', &scheme) &&
        (vk_str_eqz(scheme, "postgresql") || vk_str_eqz(scheme, "postgres")) &&
        vk_str_starts(value, VK_STR("//")) && vk_str_cut(&value, ':', &user) && user.n > 2 &&
        vk_str_cut(&value, '@', &password) && password.n && vk_str_cut(&value, '/', &host) &&
        vk_shape_host_ok(host, &loopback) && value.n && value.p[0] != '?')
        return true;
    *why_r = not_an_address;
    return false;
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
    {.name = "region",
     .what = "where projects are made, aws-us-east-1; without one, where Neon likes",
     .optional = true,
     .ok = region_ok},
    {.name = "size_limit",
     .what = "how large the database of a build may become, 512mb; without one, what the plan allows",
     .optional = true,
     .ok = vk_prov_size_ok},
    {.name = NULL},
};
static const vk_vendor_field own[] = {
    {.name = "project_id", .what = "the id of the build's project", .ok = project_ok},
    {.name = "connection_uri",
     .what = "the address of its database with role and password, postgresql://…",
     .secret = true,
     .ok = uri_ok},
    VK_PROV_MADE_FIELD,
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
    .own = own,
    .probe_order = probe_order,
    .probes = probes,
    .provisioner = &vk_provision_neon,
};
