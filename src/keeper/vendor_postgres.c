/* Any server that speaks PostgreSQL's protocol: the address of a role that may make roles and databases. Its
 * form: PostgreSQL's documentation, "Connection URIs". */
#include "keeper/pg_check.h"
#include "keeper/provision_vendors.h"
#include "keeper/shape.h"

static const vk_shape_other url_others[] = {
    {.prefix = "https://", .why = "This is an address of a web page or an API, not of a database."},
    {.prefix = "libsql://", .why = "This is the address of a libSQL database; enter it for turso."},
    {.prefix = "mysql://", .why = "This is the address of a MySQL database."},
    {.prefix = "file:", .why = "This is a file's address."},
    {.prefix = NULL},
};
static const vk_shape url = {
    .others = url_others,
    .prefixes = (const char *const[]){"postgres://", "postgresql://", NULL},
    .also = "-._~:/?#[]@!$&'()*+,;=%",
    .least = 14,
    .most = VK_VENDOR_VALUE_MAX,
    .why = "The address looks like postgresql://user:password@host:5432/postgres; what is no letter or digit "
           "in the password is written as %XX.",
};

static bool url_ok(vk_str value, const char **why_r)
{
    bool loopback;
    vk_str rest = value, part, user = VK_STR_NONE;
    if (!vk_shape_ok(value, &url, why_r))
        return false;
    const char *at = NULL, *end;
    vk_str_cut(&rest, '/', &part);
    rest = (vk_str){rest.p + 1, rest.n - 1}; /* the second slash */
    for (end = rest.p; end < rest.p + rest.n && *end != '/' && *end != '?' && *end != '#'; end++)
        if (*end == '@') {
            if (at) {
                *why_r = "There are two @ in the address: the one in the password is written as %40.";
                return false;
            }
            at = end;
        }
    vk_str host = {rest.p, (size_t)(end - rest.p)};
    if (at) {
        user = (vk_str){rest.p, (size_t)(at - rest.p)};
        host = (vk_str){at + 1, (size_t)(end - at) - 1};
    }
    if (!user.n || *user.p == ':') {
        *why_r = "The address names no user: it looks like postgresql://user:password@host:5432/postgres.";
        return false;
    }
    if (!vk_shape_host_ok(host, &loopback)) {
        *why_r = url.why;
        return false;
    }
    return true;
}

/* libpq's names; "allow" and "prefer" are none that keep anybody out. */
static bool sslmode_ok(vk_str value, const char **why_r)
{
    static const char *const modes[] = {"verify-full", "verify-ca", "require", "disable"};
    if (!vk_shape_plain_ok(value, why_r))
        return false;
    for (size_t i = 0; i < VK_COUNT(modes); i++)
        if (vk_str_eqz(value, modes[i]))
            return true;
    *why_r =
        "It is one of verify-full, verify-ca, require (whoever answers is believed) and disable (no TLS).";
    return false;
}

static const vk_vendor_field fields[] = {
    {.name = "admin_url",
     .what = "the address with a role that may make roles and databases, "
             "postgresql://user:password@host:5432/postgres; what follows a ? is not looked at",
     .secret = true,
     .ok = url_ok},
    {.name = "sslmode",
     .what = "verify-full (usual, except on this machine), verify-ca, require or disable",
     .optional = true,
     .ok = sslmode_ok},
    {.name = NULL},
};

/* ---- of a build's database */

static bool host_ok(vk_str value, const char **why_r)
{
    static const vk_shape host = {.also = ".-:", .least = 1, .most = 253, .why = "That is no host."};
    return vk_shape_ok(value, &host, why_r);
}

static bool port_ok(vk_str value, const char **why_r)
{
    int64_t port;
    if (vk_str_to_i64(value, &port) == VK_OK && port > 0 && port < 65536)
        return true;
    *why_r = "That is no port.";
    return false;
}

static bool name_ok(vk_str value, const char **why_r)
{
    static const vk_shape name = {
        .also = "_-.", .least = 1, .most = 63, .why = "That is no name of a role or a database."};
    return vk_shape_ok(value, &name, why_r);
}

static bool mode_ok(vk_str value, const char **why_r)
{
    return vk_str_eqz(value, "prefer") || sslmode_ok(value, why_r);
}

/* Letters and digits, so that an address can hold it as it is. */
static bool password_ok(vk_str value, const char **why_r)
{
    static const vk_shape password = {
        .also = "_-.", .least = 16, .most = 128, .why = "A password here has 16 letters and digits or more."};
    return vk_shape_ok(value, &password, why_r);
}

static const vk_vendor_field own[] = {
    {.name = "host", .what = "the server's host", .ok = host_ok},
    {.name = "port", .what = "its port", .ok = port_ok},
    {.name = "database", .what = "the build's database", .ok = name_ok},
    {.name = "user", .what = "its role", .ok = name_ok},
    {.name = "sslmode", .what = "how TLS is used", .ok = mode_ok},
    {.name = "password", .what = "the role's password", .secret = true, .ok = password_ok},
    VK_PROV_MADE_FIELD,
    {.name = NULL},
};

const vk_vendor vk_vendor_postgres = {
    .name = "postgres",
    .title = "PostgreSQL",
    .service = "database",
    .fields = fields,
    .own = own,
    .look_prepare = vk_pg_look_prepare,
    .look = vk_pg_look,
    .provisioner = &vk_provision_postgres,
};
