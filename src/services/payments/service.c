/* The payments service: Stripe's API in test mode for each build, with hosted pages and webhooks. */
#include "core/log.h"
#include "core/metrics.h"
#include "services/payments/hooks.h"
#include "services/payments/inside.h"
#include "services/payments/operator.h"
#include "services/payments/stripe/broker.h"
#include "services/payments/stripe/inbound.h"

/* Longer than auth's, so that Clerk's and Stripe's secret keys are not taken for each other. */
static const vk_valet_kind kinds[] = {
    {.kind = 's', .prefix = "sk_test_51"},
    {.kind = 'p', .prefix = "pk_test_51"},             /* in pages: opens what has a secret of its own */
    {.kind = 'w', .prefix = "whsec_", .unsent = true}, /* signs webhooks */
    {0},
};

static vk_err start(vk_runtime *rt, int index)
{
    const char *why = NULL;
    vk_err e = vk_pay_schema_start(&why);
    if (e != VK_OK) {
        vk_log(VK_ERROR, "the description of Stripe's API is wrong", VK_F(why, why ? why : vk_err_name(e)));
        return e;
    }
    e = vk_pay_pools_start(rt, index);
    if (e == VK_OK && (e = vk_pay_hooks_start(rt, index)) != VK_OK)
        vk_pay_pools_stop();
    return e;
}

static void stop(void)
{
    vk_pay_hooks_stop();
    vk_pay_pools_stop();
}

static vk_err env(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b, const vk_secret *keys,
                  vk_env_var *out, size_t room, size_t *n_r)
{
    VK_UNUSED(b);
    const vk_env_var all[] = {
        {"STRIPE_SECRET_KEY", vk_arena_dup(a, vk_secret_bytes(keys[0])), true},
        {"STRIPE_PUBLISHABLE_KEY", vk_arena_dup(a, vk_secret_bytes(keys[1])), false},
        {"STRIPE_WEBHOOK_SECRET", vk_arena_dup(a, vk_secret_bytes(keys[2])), true},
        {"STRIPE_API_BASE", vk_arena_dup(a, vk_str_z(rt->url_sandbox[index])), false},
    };
    if (room < VK_COUNT(all))
        return VK_E_NOMEM;
    for (size_t i = 0; i < VK_COUNT(all); i++) {
        if (!all[i].value.p)
            return VK_E_NOMEM;
        out[i] = all[i];
    }
    *n_r = VK_COUNT(all);
    return VK_OK;
}

static void metrics(vk_buf *out)
{
    vk_pay_pool_counts pools;
    vk_pay_hook_counts hooks;
    vk_stripe_inbound_counts inbound;
    vk_pay_pools_count(&pools);
    vk_pay_hooks_count(&hooks);
    vk_stripe_inbound_count(&inbound);
    const struct {
        const char *name, *type, *what;
        uint64_t n;
    } all[] = {
        {"valetkey_payments_calls_total", "counter", "Calls of the API that came to a build's payments.",
         atomic_load_explicit(&vk_pay_count.calls, memory_order_relaxed)},
        {"valetkey_payments_pages_total", "counter", "Hosted pages that were shown or sent.",
         atomic_load_explicit(&vk_pay_count.pages, memory_order_relaxed)},
        {"valetkey_payments_refused_total", "counter", "Answers that were errors.",
         atomic_load_explicit(&vk_pay_count.refused, memory_order_relaxed)},
        {"valetkey_payments_unsupported_total", "counter", "Calls of what valetkey does not have.",
         atomic_load_explicit(&vk_pay_count.unsupported, memory_order_relaxed)},
        {"valetkey_payments_limited_total", "counter", "Calls that were told to come again later.",
         atomic_load_explicit(&vk_pay_count.limited, memory_order_relaxed)},
        {"valetkey_payments_replayed_total", "counter", "Answers that were an earlier call's.",
         atomic_load_explicit(&vk_pay_count.replayed, memory_order_relaxed)},
        {"valetkey_payments_pools_open", "gauge", "Builds whose payments are open.", pools.open},
        {"valetkey_payments_pools_opened_total", "counter", "Builds whose payments were opened.",
         pools.opened},
        {"valetkey_payments_jobs_total", "counter", "Pieces of work on payments.", pools.jobs},
        {"valetkey_payments_commits_total", "counter", "Commits, each of one or more pieces of work.",
         pools.commits},
        {"valetkey_payments_webhooks_sent_total", "counter", "Tries to give an event to an app.", hooks.sent},
        {"valetkey_payments_webhooks_delivered_total", "counter", "Events that an app took.",
         hooks.delivered},
        {"valetkey_payments_webhooks_failed_total", "counter", "Tries that failed.", hooks.failed},
        {"valetkey_payments_webhooks_under_way", "gauge", "Tries under way.", hooks.under_way},
        {"valetkey_payments_inbound_events_total", "counter", "Events of Stripe's that were a build's.",
         inbound.routed},
        {"valetkey_payments_inbound_unrouted_total", "counter", "Events of Stripe's that were no build's.",
         inbound.unrouted},
        {"valetkey_payments_inbound_refused_total", "counter", "Events whose signature was not Stripe's.",
         inbound.refused},
    };
    for (size_t i = 0; i < VK_COUNT(all); i++)
        vk_metric_one(out, all[i].name, all[i].type, all[i].what, (int64_t)all[i].n);
}

static const vk_data_file files[] = {
    {"payments.db", VK_DATA_EXPORT, (int64_t)4 << 30},
    {"payments.db-wal", VK_DATA_BESIDE, 0},
    {"payments.db-shm", VK_DATA_BESIDE, 0},
    {"payments.db-journal", VK_DATA_BESIDE, 0},
    {0},
};

static const vk_driver *const drivers[] = {&vk_stripe_driver, NULL};

static const vk_service payments = {
    .name = "payments",
    .vendor = "Stripe",
    .driver = "embedded",
    .port_offset = 4,
    .kinds = kinds,
    .start = start,
    .stop = stop,
    .handler = &vk_pay_handler,
    .env = env,
    .close_build = vk_pay_close_build,
    .free_tenant = vk_pay_free_tenant,
    .export_data = vk_pay_export,
    .files = files,
    .operator_calls = &vk_pay_operator,
    .metrics = metrics,
    .drivers = drivers,
};
VK_SERVICE_REGISTER(payments);
