/* Stripe, test mode only. Shapes: Stripe's documentation of its API keys. */
#include "keeper/shape.h"
#include "keeper/vendor_stripe.h"

static const char
    LIVE[] = "This is a key of live mode, which moves real money. Builds are served by a sandbox or "
             "test mode only: enter its key, sk_test_… or rk_test_…",
    ORG[] = "This is a key of a whole organization, which opens all of its accounts. Enter the key of "
            "one sandbox, sk_test_… or rk_test_…",
    NOT_SECRET[] = "This is the publishable key: it belongs into publishable_key. The secret key "
                   "begins with sk_test_ or rk_test_.",
    NOT_PUBLISHABLE[] = "This is a secret key: it belongs into secret_key. The publishable key begins "
                        "with pk_test_.",
    NOT_SIGNING[] = "This is a key of the API. The signing secret of a webhook begins with whsec_.",
    NOT_KEY[] = "This is the signing secret of a webhook: it belongs into webhook_secret.",
    CLERK[] = "This looks like a key of Clerk; enter it with: valetkey keys set clerk",
    DASHBOARD[] = "This is an internal key of Stripe's command line or dashboard. Enter a key of the "
                  "API, sk_test_… or rk_test_…";

static const vk_shape_other secret_others[] = {
    {.prefix = "sk_live_", .why = LIVE},
    {.prefix = "rk_live_", .why = LIVE},
    {.prefix = "pk_live_", .why = LIVE},
    {.prefix = "sk_org_", .why = ORG},
    {.prefix = "rk_org_", .why = ORG},
    {.prefix = "pk_org_", .why = ORG},
    {.prefix = "pk_", .why = NOT_SECRET},
    {.prefix = "whsec_", .why = NOT_KEY},
    {.prefix = "mk_", .why = DASHBOARD},
    {.prefix = "pss_", .why = DASHBOARD},
    {.prefix = "sk_test_5", .n = 50, .why = NULL}, /* one of Stripe that is as long as Clerk's */
    {.prefix = "sk_test_", .n = 50, .why = CLERK},
    {.prefix = NULL},
};
static const vk_shape secret = {
    .others = secret_others,
    .prefixes = (const char *const[]){"sk_test_", "rk_test_", NULL},
    .also = "_",
    .least = 16,
    .most = 255,
    .why =
        "A secret key of Stripe's test mode begins with sk_test_ or rk_test_, and has letters, digits and _ "
        "only.",
};
static bool secret_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &secret, why_r);
}

static const vk_shape_other publishable_others[] = {
    {.prefix = "pk_live_", .why = LIVE},
    {.prefix = "sk_live_", .why = LIVE},
    {.prefix = "rk_live_", .why = LIVE},
    {.prefix = "sk_", .why = NOT_PUBLISHABLE},
    {.prefix = "rk_", .why = NOT_PUBLISHABLE},
    {.prefix = "whsec_", .why = NOT_KEY},
    {.prefix = NULL},
};
static const vk_shape publishable = {
    .others = publishable_others,
    .prefixes = (const char *const[]){"pk_test_", NULL},
    .also = "_",
    .least = 16,
    .most = 255,
    .why = "A publishable key of Stripe's test mode begins with pk_test_.",
};
static bool publishable_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &publishable, why_r);
}

static const vk_shape_other webhook_others[] = {
    {.prefix = "sk_live_", .why = LIVE},
    {.prefix = "rk_live_", .why = LIVE},
    {.prefix = "sk_", .why = NOT_SIGNING},
    {.prefix = "rk_", .why = NOT_SIGNING},
    {.prefix = "pk_", .why = NOT_SIGNING},
    {.prefix = "we_", .why = "This is the id of a webhook. Its signing secret begins with whsec_."},
    {.prefix = NULL},
};
static const vk_shape webhook = {
    .others = webhook_others,
    .prefixes = (const char *const[]){"whsec_", NULL},
    .also = "+/=_-",
    .least = 22,
    .most = 255,
    .why = "The signing secret of a webhook begins with whsec_.",
};
static bool webhook_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &webhook, why_r);
}

static const vk_shape account = {
    .prefixes = (const char *const[]){"acct_", NULL},
    .least = 10,
    .most = 64,
    .also = "_",
    .why = "The id of an account at Stripe begins with acct_.",
};
static bool account_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &account, why_r);
}

static const vk_vendor_field fields[] = {
    {.name = "secret_key",
     .what = "the secret key of a sandbox, sk_test_… or rk_test_…",
     .secret = true,
     .ok = secret_ok},
    {.name = "publishable_key",
     .what = "the publishable key of the same sandbox, pk_test_…",
     .ok = publishable_ok},
    {.name = "webhook_secret",
     .what = "the signing secret of the webhook that leads here, whsec_…",
     .secret = true,
     .optional = true,
     .ok = webhook_ok},
    {.name = "api_base",
     .what = "where the API is",
     .optional = true,
     .usual = "https://api.stripe.com",
     .ok = vk_vendor_base_ok},
    {.name = NULL},
};
static const vk_vendor_field own[] = {
    {.name = "account",
     .what = "the build's own account under the platform (Connect), acct_…",
     .optional = true,
     .alone = true,
     .ok = account_ok},
    {.name = "soft",
     .what = "yes: builds share the account, and each is shown only what it made",
     .optional = true,
     .ok = vk_vendor_yes_ok},
    {.name = VK_VENDOR_SHARED,
     .what = "yes: other builds may have the same account, and nothing keeps them apart",
     .optional = true,
     .ok = vk_vendor_yes_ok},
    VK_PROV_MADE_FIELD,
    {.name = NULL},
};

const vk_vendor vk_vendor_stripe = {
    .name = "stripe",
    .title = "Stripe",
    .service = "payments",
    .fields = fields,
    .own = own,
    .calls = vk_stripe_rules,
    .travel = vk_stripe_travel,
    .returns = vk_stripe_returns,
    .scrub = true,
    .order = vk_stripe_order,
    .probe_order = vk_stripe_own_order,
    .probes = vk_stripe_probes,
    .provisioner = &vk_provision_stripe,
};
