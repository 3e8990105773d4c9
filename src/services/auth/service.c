/* The auth service: Clerk's two APIs for each build, with a user pool of its own. */
#include "core/encode.h"
#include "core/metrics.h"
#include "core/random.h"
#include "services/auth/inside.h"

#include <arpa/inet.h>

enum { PASSWORDS_WAITING = 128 };

static const vk_valet_kind kinds[] = {
    {.kind = 'b', .prefix = "sk_test_"}, /* the secret key, of the Backend API */
    {0},
};

/* A name or an address of this machine alone; an IPv6 address in brackets or without. */
static bool is_loopback(const char *host)
{
    struct in_addr v4;
    if (strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

/* Only this machine can come here, by the listener's address and by those that apps are given. */
static bool is_alone(const vk_runtime *rt, int index)
{
    const char *urls[] = {rt->url_browser[index], rt->url_sandbox[index]};
    const char *at = rt->listen[index].host;
    bool alone = !at[0] || is_loopback(at);
    for (size_t i = 0; alone && i < VK_COUNT(urls); i++) {
        char origin[VK_AUTH_ORIGIN_MAX + 1];
        alone = vk_auth_origin_of(vk_str_z(urls[i]), origin) == VK_OK;
        if (!alone)
            break;
        char *host = strstr(origin, "://") + 3, *port = strrchr(host, ':');
        if (port && !strchr(port, ']'))
            *port = '\0';
        alone = is_loopback(host);
    }
    return alone;
}

/* What the password of somebody who is not there is held against: a digest of our usual cost, of chance. That
 * it is no password's costs nothing to make, unlike a real one, which a start would wait for. */
static vk_err make_nobody(void)
{
    uint8_t salt[16], hash[32];
    vk_buf b;
    vk_random(salt, sizeof salt);
    vk_random(hash, sizeof hash);
    vk_buf_init(&b, VK_PASSWORD_DIGEST_MAX);
    vk_buf_z(&b, "$argon2id$v=19$m=");
    vk_buf_i64(&b, VK_PASSWORD_M);
    vk_buf_z(&b, ",t=");
    vk_buf_i64(&b, VK_PASSWORD_T);
    vk_buf_z(&b, ",p=1$");
    vk_base64(&b, salt, sizeof salt, false);
    vk_buf_ch(&b, '$');
    vk_base64(&b, hash, sizeof hash, false);
    vk_err e = b.err;
    if (e == VK_OK) {
        memcpy(vk_auth.nobody, b.p, b.n);
        vk_auth.nobody[b.n] = '\0';
        e = vk_password_digest_check(VK_PASSWORD_ARGON2ID, vk_secret_of(vk_str_z(vk_auth.nobody)));
    }
    vk_buf_free(&b);
    return e;
}

static vk_err start(vk_runtime *rt, int index)
{
    vk_auth.alone = is_alone(rt, index);
    vk_auth.fixed_code = rt->auth_fixed_code;
    vk_auth.hides_users = rt->auth_enumeration_protection;
    if (vk_auth_origin_of(vk_str_z(rt->url_browser[index]), vk_auth.gateway) != VK_OK)
        vk_auth.gateway[0] = '\0';
    vk_err e = make_nobody();
    if (e == VK_OK)
        e = vk_password_pool_new(0, PASSWORDS_WAITING, &vk_auth.passwords);
    return e == VK_OK ? vk_auth_pools_start(rt, index) : e;
}

static void stop(void)
{
    vk_password_pool_free(vk_auth.passwords);
    vk_auth.passwords = NULL;
    vk_auth_pools_stop();
    vk_auth_bundles_free(vk_auth.bundles);
    vk_auth.bundles = NULL;
}

vk_str vk_auth_encryption_key(const vk_runtime *rt, vk_arena *a, const vk_build *b)
{
    uint8_t key[32];
    char text[2 * sizeof key + 1];
    vk_str label =
        vk_arena_printf(a, "valetkey/auth/encryption/v1/%s/%llu", b->id, (unsigned long long)b->generation);
    if (!label.p)
        return VK_STR_NONE;
    vk_master_subkey(rt->master, label, key);
    vk_hex(text, key, sizeof key);
    vk_str out = vk_arena_dup(a, vk_str_z(text));
    vk_wipe(key, sizeof key);
    vk_wipe(text, sizeof text);
    return out;
}

/* CLERK_API_URL is the app's own way to us, the rest a browser's. The scripts' addresses are left out with
 * https: the SDK then makes them itself, for its own version, of the proxy's address. */
static vk_err env(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b, const vk_secret *keys,
                  vk_env_var *out, size_t room, size_t *n_r)
{
    char host[VK_AUTH_HOST_MAX + 1], key[VK_AUTH_PK_MAX + 1];
    const char *browser = rt->url_browser[index];
    vk_err e = vk_auth_host(vk_str_z(b->id), VK_AUTH_DOMAIN_USUAL, host);
    if (e == VK_OK)
        e = vk_auth_pk_make(vk_str_z(host), key);
    if (e != VK_OK)
        return e;
    vk_str js, ui;
    if ((e = vk_auth_bundles_urls(a, vk_str_z(browser), &js, &ui)) != VK_OK)
        return e;
    const vk_env_var all[] = {
        {"CLERK_PUBLISHABLE_KEY", vk_arena_dup(a, vk_str_z(key)), false},
        {"CLERK_SECRET_KEY", vk_arena_dup(a, vk_secret_bytes(keys[0])), true},
        {"CLERK_API_URL", vk_arena_printf(a, "%s/b/%s/bapi", rt->url_sandbox[index], b->id), false},
        {"CLERK_PROXY_URL", vk_arena_printf(a, "%s/b/%s", browser, b->id), false},
        {"CLERK_SIGN_IN_URL", VK_STR("/sign-in"), false},
        {"CLERK_SIGN_UP_URL", VK_STR("/sign-up"), false},
        {"CLERK_TELEMETRY_DISABLED", VK_STR("1"), false},
        {"CLERK_KEYLESS_DISABLED", VK_STR("1"), false},
        {"CLERK_ENCRYPTION_KEY", vk_auth_encryption_key(rt, a, b), true},
        /* the last two: see above */
        {"CLERK_JS_URL", js, false},
        {"CLERK_UI_URL", ui, false},
    };
    size_t n = VK_COUNT(all) - (js.p ? 0 : 2);
    if (room < n)
        return VK_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (!all[i].value.p)
            return VK_E_NOMEM;
        out[i] = all[i];
    }
    *n_r = n;
    return VK_OK;
}

static void metrics(vk_buf *out)
{
    vk_auth_pool_counts pools;
    vk_auth_pools_count(&pools);
    const struct {
        const char *name, *type, *what;
        uint64_t n;
    } all[] = {
        {"valetkey_auth_calls_total", "counter", "Calls of both APIs that came to a build's user pool.",
         atomic_load_explicit(&vk_auth_count.calls, memory_order_relaxed)},
        {"valetkey_auth_refused_total", "counter", "Calls that were refused before that.",
         atomic_load_explicit(&vk_auth_count.refused, memory_order_relaxed)},
        {"valetkey_auth_unsupported_total", "counter", "Calls of endpoints that valetkey does not have.",
         atomic_load_explicit(&vk_auth_count.unsupported, memory_order_relaxed)},
        {"valetkey_auth_limited_total", "counter", "Calls that were told to come again later.",
         atomic_load_explicit(&vk_auth_count.limited, memory_order_relaxed)},
        {"valetkey_auth_guesses_total", "counter", "Passwords, codes, tickets and nonces that were wrong.",
         atomic_load_explicit(&vk_auth_count.guesses, memory_order_relaxed)},
        {"valetkey_auth_pools_open", "gauge", "User pools that are open.", pools.open},
        {"valetkey_auth_pools_opened_total", "counter", "User pools that were opened.", pools.opened},
        {"valetkey_auth_jobs_total", "counter", "Pieces of work on user pools.", pools.jobs},
        {"valetkey_auth_passwords_waiting", "gauge", "Passwords that wait to be hashed or checked.",
         vk_auth.passwords ? vk_password_pool_waiting(vk_auth.passwords) : 0},
    };
    for (size_t i = 0; i < VK_COUNT(all); i++)
        vk_metric_one(out, all[i].name, all[i].type, all[i].what, (int64_t)all[i].n);
}

static const vk_data_file files[] = {
    {"auth.db", VK_DATA_EXPORT, (int64_t)4 << 30},
    {"auth.db-wal", VK_DATA_BESIDE, 0},
    {"auth.db-shm", VK_DATA_BESIDE, 0},
    {"auth.db-journal", VK_DATA_BESIDE, 0},
    {0},
};

static const vk_driver *const drivers[] = {&vk_auth_clerk, NULL};

static const vk_service auth = {
    .name = "auth",
    .vendor = "Clerk",
    .driver = "embedded",
    .port_offset = 1,
    .kinds = kinds,
    .prepare = vk_auth_pages_prepare,
    .start = start,
    .stop = stop,
    .handler = &vk_auth_handler,
    .env = env,
    .close_build = vk_auth_close_build,
    .free_tenant = vk_auth_free_tenant,
    .export_data = vk_auth_export,
    .files = files,
    .operator_calls = &vk_auth_operator,
    .metrics = metrics,
    .drivers = drivers,
};
VK_SERVICE_REGISTER(auth);
