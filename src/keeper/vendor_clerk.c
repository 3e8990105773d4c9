/* Clerk. Either one instance for all builds (its secret and publishable key), or a token of the Platform API,
 * by which each build gets an application of its own. Shapes: Clerk's documentation of its API keys. */
#include "keeper/org.h"
#include "keeper/shape.h"
#include "keeper/vendor_clerk.h"

#include <sodium.h>

static const char OF_STRIPE[] = "This is a key of Stripe; enter it with: valetkey keys set stripe",
                  NOT_SECRET[] =
                      "This is the publishable key: it belongs into publishable_key. The secret key "
                      "begins with sk_test_ or sk_live_.",
                  NOT_PUBLISHABLE[] = "This is a secret key: it belongs into secret_key. The publishable key "
                                      "begins with pk_test_ or pk_live_.";

/* Stripe's are longer than any of Clerk's, and have the account's id behind a 5. */
static const vk_shape_other secret_others[] = {
    {.prefix = "pk_", .why = NOT_SECRET},
    {.prefix = "rk_", .why = OF_STRIPE},
    {.prefix = "sk_test_5", .n = 107, .why = OF_STRIPE},
    {.prefix = NULL},
};
static const vk_shape secret = {
    .others = secret_others,
    .prefixes = (const char *const[]){"sk_test_", "sk_live_", NULL},
    .also = "_",
    .least = 18,
    .most = 128,
    .why = "A secret key of Clerk begins with sk_test_ or sk_live_, and has letters, digits and _ only.",
};
static bool secret_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &secret, why_r);
}

static const vk_shape_other publishable_others[] = {
    {.prefix = "sk_", .why = NOT_PUBLISHABLE},
    {.prefix = "pk_test_5", .why = "This is a publishable key of Stripe."},
    {.prefix = "pk_live_5", .why = "This is a publishable key of Stripe."},
    {.prefix = NULL},
};
static const vk_shape publishable = {
    .others = publishable_others,
    .prefixes = (const char *const[]){"pk_test_", "pk_live_", NULL},
    .also = "_+/=",
    .least = 12,
    .most = 384,
    .why = "A publishable key of Clerk begins with pk_test_ or pk_live_.",
};
static bool ends(vk_str s, vk_str tail)
{
    return s.n >= tail.n && memcmp(s.p + s.n - tail.n, tail.p, tail.n) == 0;
}
enum { PREFIX = 8, PUBLISHABLE_MAX = 384 };

/* What follows the prefix is the base64 of "<host>$". Empty: it is none. */
static vk_str host_of(vk_str key, char room[PUBLISHABLE_MAX])
{
    size_t n = 0;
    vk_str code = {key.p + PREFIX, key.n - PREFIX};
    while (code.n && code.p[code.n - 1] == '=')
        code.n--;
    bool whole = sodium_base642bin((unsigned char *)room, PUBLISHABLE_MAX, code.p, code.n, NULL, &n, NULL,
                                   sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0 &&
                 n > 1 && room[n - 1] == '$';
    return (vk_str){room, whole ? n - 1 : 0};
}
static bool publishable_ok(vk_str value, const char **why_r)
{
    char room[PUBLISHABLE_MAX];
    bool loopback;
    if (!vk_shape_ok(value, &publishable, why_r))
        return false;
    vk_str host = host_of(value, room);
    if (ends(host, VK_STR(".vk_accounts.dev")))
        *why_r = "This is the publishable key of a build, made by valetkey, not one of Clerk.";
    else if (!vk_shape_host_ok(host, &loopback))
        *why_r =
            "A part of the publishable key is missing: it does not name the address of its sign-in. Copy it "
            "again as a whole.";
    else
        return true;
    return false;
}

bool vk_clerk_development(vk_str publishable_key, vk_str secret_key)
{
    char room[PUBLISHABLE_MAX];
    const char *why;
    if (!publishable_ok(publishable_key, &why) || !secret_ok(secret_key, &why) ||
        !vk_str_starts(publishable_key, VK_STR("pk_test_")) || !vk_str_starts(secret_key, VK_STR("sk_test_")))
        return false;
    vk_str host = host_of(publishable_key, room);
    return ends(host, VK_STR(".accounts.dev")) || ends(host, VK_STR(".lcl.dev"));
}

static const vk_shape_other platform_others[] = {
    {.prefix = "sk_", .why = "This is the secret key of one instance: it belongs into secret_key."},
    {.prefix = "pk_", .why = "This is the publishable key of one instance: it belongs into publishable_key."},
    {.prefix = NULL},
};
static const vk_shape platform = {
    .others = platform_others,
    .also = "_-.~+/=",
    .least = 16,
    .most = 1024,
    .why = "A token of Clerk's Platform API has at least 16 letters, digits and _ - . ~ + / =.",
};
static bool platform_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &platform, why_r);
}

static const vk_vendor_field fields[] = {
    {.name = "publishable_key",
     .what = "the publishable key of the instance, pk_test_… or pk_live_…",
     .optional = true,
     .ok = publishable_ok},
    {.name = "secret_key",
     .what = "the secret key of the same instance, sk_test_… or sk_live_…",
     .secret = true,
     .optional = true,
     .ok = secret_ok},
    {.name = "platform_token",
     .what = "a token of the Platform API instead of both keys: an application of its own for each build",
     .secret = true,
     .optional = true,
     .ok = platform_ok},
    {.name = "api_base",
     .what = "where the API is",
     .optional = true,
     .usual = "https://api.clerk.com",
     .ok = vk_vendor_base_ok},
    {.name = NULL},
};

/* Of a build that has an application of its own, made by keeper or by people. A build without any is in the
 * organisation's instance. */
static const vk_vendor_field own[] = {
    {.name = "publishable_key",
     .what = "the publishable key of the build's own application, pk_test_… or pk_live_…",
     .optional = true,
     .alone = true,
     .ok = publishable_ok},
    {.name = "secret_key",
     .what = "the secret key of the same application, sk_test_… or sk_live_…",
     .secret = true,
     .optional = true,
     .ok = secret_ok},
    {.name = VK_VENDOR_SHARED,
     .what = "yes: other builds may have the same application, and nothing keeps them apart",
     .optional = true,
     .ok = vk_vendor_yes_ok},
    VK_PROV_MADE_FIELD,
    {.name = NULL},
};

/* A secret key of Clerk may do everything in its instance, so what changes the instance itself, what acts in
 * the place of a user, and what shows the keys of others stay out: what a build's server needs is people and
 * their sessions. */
static const vk_vendor_call calls[] = {
    {"!*", "/v1/users/{}/oauth_access_tokens/**", "users.oauth_tokens"},
    {"!*", "/v1/users/{}/mfa/**", "users.mfa"}, /* turns a user's second factor off */
    {"GET", "/v1/users", "users.list"},
    {"POST", "/v1/users", "users.create"},
    {"GET", "/v1/users/count", "users.count"},
    {"GET", "/v1/users/{}", "users.get"},
    {"PATCH", "/v1/users/{}", "users.update"},
    {"DELETE", "/v1/users/{}", "users.delete"},
    {"PATCH", "/v1/users/{}/metadata", "users.metadata"},
    {"PUT", "/v1/users/{}/metadata", "users.metadata"},
    {"POST", "/v1/users/{}/profile_image", "users.image"},
    {"DELETE", "/v1/users/{}/profile_image", "users.image"},
    {"POST", "/v1/users/{}/ban", "users.ban"},
    {"POST", "/v1/users/{}/unban", "users.unban"},
    {"POST", "/v1/users/{}/lock", "users.lock"},
    {"POST", "/v1/users/{}/unlock", "users.unlock"},
    {"POST", "/v1/users/{}/verify_password", "users.verify_password"},
    {"GET", "/v1/users/{}/organization_memberships", "users.memberships"},
    {"GET", "/v1/sessions", "sessions.list"},
    {"POST", "/v1/sessions", "sessions.create"},
    {"GET", "/v1/sessions/{}", "sessions.get"},
    {"POST", "/v1/sessions/{}/revoke", "sessions.revoke"},
    {"POST", "/v1/sessions/{}/refresh", "sessions.refresh"},
    {"POST", "/v1/sessions/{}/tokens", "sessions.token"},
    {"GET", "/v1/jwks", "jwks.get"},
    {"GET", "/v1/clients/handshake_payload", "clients.handshake"},
    {"POST", "/v1/clients/verify", "clients.verify"},
    {"GET", "/v1/clients/{}", "clients.get"},
    {"GET", "/v1/invitations", "invitations.list"},
    {"POST", "/v1/invitations", "invitations.create"},
    {"POST", "/v1/invitations/{}/revoke", "invitations.revoke"},
    {"POST", "/v1/sign_in_tokens", "sign_in_tokens.create"},
    {"POST", "/v1/sign_in_tokens/{}/revoke", "sign_in_tokens.revoke"},
    {"POST", "/v1/testing_tokens", "testing_tokens.create"},
    {"POST", "/v1/email_addresses", "email_addresses.create"},
    {"GET", "/v1/email_addresses/{}", "email_addresses.get"},
    {"PATCH", "/v1/email_addresses/{}", "email_addresses.update"},
    {"DELETE", "/v1/email_addresses/{}", "email_addresses.delete"},
    {"POST", "/v1/phone_numbers", "phone_numbers.create"},
    {"GET", "/v1/phone_numbers/{}", "phone_numbers.get"},
    {"PATCH", "/v1/phone_numbers/{}", "phone_numbers.update"},
    {"DELETE", "/v1/phone_numbers/{}", "phone_numbers.delete"},
    {"GET", "/v1/organizations", "organizations.list"},
    {"POST", "/v1/organizations", "organizations.create"},
    {"GET", "/v1/organizations/{}", "organizations.get"},
    {"PATCH", "/v1/organizations/{}", "organizations.update"},
    {"DELETE", "/v1/organizations/{}", "organizations.delete"},
    {"PATCH", "/v1/organizations/{}/metadata", "organizations.metadata"},
    {"*", "/v1/organizations/{}/memberships/**", "organizations.memberships"},
    {"*", "/v1/organizations/{}/invitations/**", "organizations.invitations"},
    {"GET", "/v1/instance", "instance.get"},
    {"GET", "/v1/domains", "domains.list"},
    {NULL, NULL, NULL},
};

static const char *const travel[] = {"clerk-api-version", "user-agent", "x-clerk-sdk", NULL};

static const char *const returns[] = {"x-clerk-trace-id", "x-clerk-auth-*",        "retry-after",
                                      "x-ratelimit-*",    "clerk-api-deprecation", NULL};

static vk_secret own_value(const vk_order *o, const char *field)
{
    return o->own ? vk_org_value(o->own, field) : VK_SECRET_NONE;
}

/* A build with an application of its own goes there with that one's key, and with no other: which application
 * that is, is in the vault, and front's copy in the metadata must agree. */
static vk_err order(vk_order *o, const char **why_r)
{
    vk_secret key = own_value(o, "secret_key");
    vk_str ours = vk_secret_bytes(own_value(o, "publishable_key")),
           bound = vk_binding_value(o->binding, "publishable_key");
    o->again = vk_str_eqz(o->method, "GET");
    if (!vk_secret_bytes(key).n && !ours.n && !bound.n)
        return vk_order_bearer(o, "secret_key", why_r);
    if (!vk_secret_bytes(key).n || !bound.n) {
        *why_r = "This build's own application at Clerk is not ready, or one of its keys is missing";
        return VK_E_UNAVAILABLE;
    }
    if (!vk_str_eq(ours, bound)) {
        *why_r = "The build's application at Clerk was changed: bind it again with both of its keys";
        return VK_E_FORBIDDEN;
    }
    return vk_order_bearer_of(o, key, why_r);
}

/* By the API that is asked. */
static vk_err probe_order(vk_order *o, const char **why_r)
{
    o->again = o->again || vk_str_eqz(o->method, "GET");
    return vk_order_bearer(
        o, vk_str_starts(o->path, VK_STR("/v1/platform/")) ? "platform_token" : "secret_key", why_r);
}

static const vk_vendor_probe probes[] = {
    {.method = "GET",
     .path = "/v1/instance",
     .what = "read the instance",
     .must = true,
     .with = "secret_key"},
    {.method = "GET",
     .path = "/v1/jwks",
     .what = "read the keys that sessions are signed with",
     .must = true,
     .with = "secret_key"},
    {.method = "GET", .path = "/v1/users?limit=1", .what = "list users", .with = "secret_key"},
    {.method = "GET", .path = "/v1/domains", .what = "read the domains", .with = "secret_key"},
    {.method = "GET",
     .path = "/v1/platform/applications",
     .what = "list applications by the Platform API",
     .must = true,
     .with = "platform_token"},
    {.method = NULL},
};

const vk_vendor vk_vendor_clerk = {
    .name = "clerk",
    .title = "Clerk",
    .service = "auth",
    .fields = fields,
    .whole = "publishable_key+secret_key platform_token",
    .own = own,
    .calls = calls,
    .travel = travel,
    .returns = returns,
    .scrub = true,
    .order = order,
    .probe_order = probe_order,
    .probes = probes,
    .provisioner = &vk_provision_clerk,
};
