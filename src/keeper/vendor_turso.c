/* Turso. The platform token makes a database for each build; a build's queries go with that database's own
 * token only. Names: Turso's documentation of its Platform API. */
#include "keeper/org.h"
#include "keeper/provision_answer.h"
#include "keeper/provision_vendors.h"
#include "keeper/shape.h"

static const vk_shape_other token_others[] = {
    {.prefix = "libsql://", .why = "This is the address of a database, not a token."},
    {.prefix = "https://", .why = "This is an address, not a token."},
    {.prefix = NULL},
};
static const vk_shape token = {
    .others = token_others,
    .prefixes = (const char *const[]){"eyJ", NULL},
    .also = "_-.",
    .least = 20,
    .most = VK_VENDOR_VALUE_MAX,
    .why = "A token of Turso begins with eyJ and has three parts with points between them.",
};
static bool token_ok(vk_str value, const char **why_r)
{
    size_t points = 0;
    if (!vk_shape_ok(value, &token, why_r))
        return false;
    for (size_t i = 0; i < value.n; i++)
        points += value.p[i] == '.';
    if (points != 2)
        *why_r = token.why;
    return points == 2;
}

static const vk_shape name = {
    .also = "-_",
    .least = 1,
    .most = 64,
    .why = "A name at Turso has letters, digits, - and _ only, at most 64.",
};
static bool name_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &name, why_r);
}

/* Of the data plane: a host, to which https is spoken, or an address as of an API. */
/* One form for each host, so that two builds with one database are seen (vk_vendor_field.alone). */
static bool hostname_ok(vk_str value, const char **why_r)
{
    bool loopback;
    if (!vk_shape_plain_ok(value, why_r))
        return false;
    if (vk_str_starts(value, VK_STR("libsql://"))) {
        *why_r = "Enter the host only, without libsql:// in front.";
        return false;
    }
    bool tls = vk_str_starts(value, VK_STR("https://"));
    if (tls || vk_str_starts(value, VK_STR("http://"))) {
        vk_str host = {value.p + (tls ? 8 : 7), value.n - (tls ? 8 : 7)};
        if (!vk_vendor_base_ok(value, why_r))
            return false;
        if (vk_shape_host_ok(host, &loopback) && loopback)
            return true;
        *why_r = "Enter the host only, without https:// in front.";
        return false;
    }
    if (!vk_shape_host_ok(value, &loopback)) {
        *why_r = "That is no host: it looks like build-shop-acme.turso.io.";
        return false;
    }
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] >= 'A' && value.p[i] <= 'Z') {
            *why_r = "Enter the host in small letters.";
            return false;
        }
    if (value.n > 4 && memcmp(value.p + value.n - 4, ":443", 4) == 0) {
        *why_r = "Leave out :443 at the end.";
        return false;
    }
    return true;
}

static const vk_vendor_field fields[] = {
    {.name = "org", .what = "the organization's name (slug), as in the dashboard's address", .ok = name_ok},
    {.name = "group", .what = "the group that databases are made in", .ok = name_ok},
    {.name = "token", .what = "a token of the Platform API, eyJ…", .secret = true, .ok = token_ok},
    {.name = "api_base",
     .what = "where the API is",
     .optional = true,
     .usual = "https://api.turso.tech",
     .ok = vk_vendor_base_ok},
    {.name = "size_limit",
     .what = "how large the database of a build may become",
     .optional = true,
     .usual = "512mb",
     .ok = vk_prov_size_ok},
    {.name = NULL},
};
static const vk_vendor_field own[] = {
    {.name = "hostname", .what = "the host of the build's database", .alone = true, .ok = hostname_ok},
    {.name = "database_token",
     .what = "the token of this database alone, eyJ…",
     .secret = true,
     .ok = token_ok},
    {.name = VK_VENDOR_SHARED,
     .what = "yes: other builds may have the same database, and nothing keeps them apart",
     .optional = true,
     .ok = vk_vendor_yes_ok},
    VK_PROV_MADE_FIELD,
    {.name = NULL},
};

/* Of the data plane, which is Hrana over HTTP; the Platform API is for provisioning and never for a build. */
static const vk_vendor_call calls[] = {
    {"POST", "/v2/pipeline", "database.pipeline"},
    {"POST", "/v3/pipeline", "database.pipeline"},
    {"POST", "/v3/cursor", "database.cursor"},
    {"GET", "/v2", "database.hello"},
    {"GET", "/v3", "database.hello"},
    {"GET", "/", "database.websocket"}, /* of Hrana over WebSocket */
    {NULL, NULL, NULL},
};

static const char *const travel[] = {"sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol",
                                     NULL};

static const char *const returns[] = {"retry-after", "sec-websocket-accept", "sec-websocket-protocol", NULL};

/* The token opens this database only, wherever it is sent. Where it is sent is in the same record of the
 * vault; front's copy in the metadata must agree, or nothing goes out. */
static vk_err order(vk_order *o, const char **why_r)
{
    vk_secret key = o->own ? vk_org_value(o->own, "database_token") : VK_SECRET_NONE;
    vk_str host = o->own ? vk_secret_bytes(vk_org_value(o->own, "hostname")) : VK_STR_NONE;
    if (!vk_secret_bytes(key).n || !host.n) {
        *why_r = "This build has no database at Turso: its host or its token is missing";
        return VK_E_UNAVAILABLE;
    }
    if (!vk_str_eq(host, vk_binding_value(o->binding, "hostname"))) {
        *why_r = "The build's database at Turso was changed: bind it again with its host and its token";
        return VK_E_FORBIDDEN;
    }
    bool url = vk_str_starts(host, VK_STR("http"));
    vk_str base = url ? host : vk_arena_printf(o->arena, "https://" VK_STR_FMT, VK_STR_ARG(host));
    if (!base.p)
        return VK_E_NOMEM;
    vk_err e = vk_order_to(o, base, why_r);
    vk_buf_lit(o->lines, "Authorization: Bearer ");
    vk_buf_add(o->lines, vk_secret_bytes(key).p, vk_secret_bytes(key).n);
    vk_buf_lit(o->lines, "\r\nAccept-Encoding: identity\r\n");
    o->again = vk_str_eqz(o->method, "GET");
    return e != VK_OK ? e : o->lines->err;
}

/* The Platform API, by its own token: for `keys check`. */
static vk_err probe_order(vk_order *o, const char **why_r)
{
    return vk_order_bearer(o, "token", why_r);
}

static const vk_vendor_probe probes[] = {
    {.method = "GET", .path = "/v1/auth/validate", .what = "use the token", .must = true},
    {.method = "GET",
     .path = "/v1/organizations/{org}/groups/{group}",
     .what = "read the group",
     .must = true},
    {.method = "GET", .path = "/v1/organizations/{org}/databases", .what = "list databases"},
    {.method = "GET", .path = "/v1/organizations", .what = "list all organizations", .wide = true},
    {.method = NULL},
};

const vk_vendor vk_vendor_turso = {
    .name = "turso",
    .title = "Turso",
    .service = "database",
    .fields = fields,
    .own = own,
    .calls = calls,
    .travel = travel,
    .returns = returns,
    .scrub = true,
    .order = order,
    .probe_order = probe_order,
    .probes = probes,
    .provisioner = &vk_provision_turso,
};
