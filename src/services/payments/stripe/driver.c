#include "services/payments/stripe/broker.h"

static bool has(const vk_binding *b, const char *name)
{
    return vk_binding_value(b, name).n > 0;
}

static const char *isolation(const vk_binding *b)
{
    return has(b, "account") ? "a connected account of its own" : "shared account, soft isolation";
}

static const char *refused(const vk_binding *b)
{
    const vk_str account = vk_binding_value(b, "account"), soft = vk_binding_value(b, "soft");
    if (account.n && soft.n)
        return "A build has an account of its own at Stripe, or shares the organisation's: account=acct_… or "
               "soft=yes, not both.";
    if (!account.n && has(b, "shared"))
        return "shared=yes goes with account=acct_…; with soft=yes builds share the organisation's account "
               "anyway.";
    if (account.n)
        return vk_str_starts(account, VK_STR("acct_")) ? NULL
                                                       : "The id of an account at Stripe begins with acct_.";
    if (vk_str_eqz(soft, "yes"))
        return NULL;
    return "Stripe keeps nothing apart inside of an account. Give the build one of its own (account=acct_…, "
           "with Connect), or say soft=yes: builds then share the account, each is shown only what it made, "
           "and "
           "docs/SUPPORTED-CALLS.md lists what that does not keep apart.";
}

static vk_err env(const vk_runtime *rt, int index, vk_arena *a, const vk_build *build,
                  const vk_binding *binding, const vk_secret *keys,
                  vk_str (*org)(void *arg, const char *field), void *arg, vk_env_var *out, size_t room,
                  size_t *n_r)
{
    vk_str publishable = org(arg, "publishable_key"), account = vk_binding_value(binding, "account");
    const struct {
        const char *name;
        vk_str value;
        bool secret;
    } all[] = {
        {"STRIPE_SECRET_KEY", vk_secret_bytes(keys[0]), true},
        {"STRIPE_PUBLISHABLE_KEY", publishable, false}, /* Stripe.js speaks to Stripe itself */
        {"STRIPE_WEBHOOK_SECRET", vk_secret_bytes(keys[2]), true},
        {"STRIPE_API_BASE", vk_str_z(rt->url_sandbox[index]), false},
        {"STRIPE_ACCOUNT", account, false}, /* for Stripe.js: {stripeAccount} */
    };
    size_t n = 0;
    VK_UNUSED(build);
    for (size_t i = 0; i < VK_COUNT(all); i++) {
        if (!all[i].value.n)
            continue;
        if (n == room)
            return VK_E_NOMEM;
        out[n] = (vk_env_var){all[i].name, vk_arena_dup(a, all[i].value), all[i].secret};
        if (!out[n++].value.p)
            return VK_E_NOMEM;
    }
    *n_r = n;
    return VK_OK;
}

const vk_driver vk_stripe_driver = {.name = "stripe", .isolation = isolation, .refused = refused, .env = env};
