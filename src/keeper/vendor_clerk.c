/* Clerk. Either one instance for all builds (its secret and publishable key), or a token of the Platform API,
 * by which each build gets an application of its own. Shapes: Clerk's documentation of its API keys. */
#include "keeper/shape.h"
#include "keeper/vendors.h"

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
/* What follows the prefix is the base64 of "<host>$". */
static bool publishable_ok(vk_str value, const char **why_r)
{
    enum { PREFIX = 8 };
    char text[384];
    size_t n = 0;
    bool loopback;
    if (!vk_shape_ok(value, &publishable, why_r))
        return false;
    vk_str code = {value.p + PREFIX, value.n - PREFIX};
    while (code.n && code.p[code.n - 1] == '=')
        code.n--;
    bool whole = sodium_base642bin((unsigned char *)text, sizeof text, code.p, code.n, NULL, &n, NULL,
                                   sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0 &&
                 n > 1 && text[n - 1] == '$';
    vk_str host = {text, whole ? n - 1 : 0};
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

const vk_vendor vk_vendor_clerk = {
    .name = "clerk",
    .title = "Clerk",
    .service = "auth",
    .fields = fields,
    .whole = "publishable_key+secret_key platform_token",
};
