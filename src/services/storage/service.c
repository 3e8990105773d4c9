/* The storage service: S3's protocol as R2 speaks it, scoped to the build. */
#include "core/metrics.h"
#include "services/storage/embedded/leases.h"
#include "services/storage/front.h"
#include "services/storage/operator.h"
#include "services/storage/upstream/upstream.h"

static const vk_valet_kind kinds[] = {
    {.kind = 'i', .prefix = "", .hex = 32},                 /* access key id */
    {.kind = 's', .prefix = "", .hex = 64, .unsent = true}, /* secret access key */
    {0},
};

static vk_runtime *runtime;

static void close_build(const char *build, void (*done)(void *arg), void *arg)
{
    vk_s3b_close_build(build, done, arg);
    vk_s3_end_transfers(runtime);
}

static vk_err start(vk_runtime *rt, int index)
{
    runtime = rt;
    vk_s3_list_start(rt);
    vk_s3u_usage_start(rt);
    return vk_s3b_start(rt, index);
}

static void stop(void)
{
    vk_s3b_stop_threads();
    vk_s3_puts_stop();
    vk_s3_op_puts_stop();
    vk_s3_leases_stop();
    vk_s3b_stop();
    vk_s3u_usage_stop();
    vk_s3_forget_keys();
}

/* A placeholder of the account id's shape, for what asks for one: the same for a build at all times. */
static vk_str account_id(const vk_runtime *rt, vk_arena *a, const vk_build *b)
{
    uint8_t key[32];
    char text[33];
    vk_str label = vk_arena_printf(a, "valetkey/r2-account/v1/%s", b->id);
    if (!label.p)
        return VK_STR_NONE;
    vk_master_subkey(rt->master, label, key);
    vk_s3_upload_text(key, text);
    vk_wipe(key, sizeof key);
    return vk_arena_dup(a, (vk_str){text, 32});
}

/* R2_ENDPOINT is the app's own way to us. An address that it signs for a browser must name the host which the
 * browser asks, since the host is signed: R2_BROWSER_ENDPOINT, there only when it is another one. */
vk_err vk_s3_env(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b, const vk_secret *keys,
                 vk_env_var *out, size_t room, size_t *n_r)
{
    vk_str url = vk_arena_dup(a, vk_str_z(rt->url_sandbox[index]));
    vk_str id = vk_arena_dup(a, vk_secret_bytes(keys[0])), secret = vk_arena_dup(a, vk_secret_bytes(keys[1]));
    vk_str bucket = vk_arena_printf(a, "%s%s", VK_S3_BUCKET_PREFIX, b->id);
    vk_str prefix = vk_arena_printf(a, "builds/%s/", b->id), account = account_id(rt, a, b);
    bool apart = strcmp(rt->url_sandbox[index], rt->url_browser[index]) != 0;
    const vk_env_var all[] = {
        {"R2_ACCESS_KEY_ID", id, true},
        {"R2_SECRET_ACCESS_KEY", secret, true},
        {"R2_BUCKET", bucket, false},
        {"R2_BUCKET_NAME", bucket, false},
        {"R2_ENDPOINT", url, false},
        {"R2_ACCOUNT_ID", account, false},
        {"R2_PREFIX", prefix, false},
        {"R2_USER_PREFIX", prefix, false},
        {"AWS_ACCESS_KEY_ID", id, true},
        {"AWS_SECRET_ACCESS_KEY", secret, true},
        {"AWS_ENDPOINT_URL_S3", url, false},
        {"AWS_REGION", VK_STR(VK_S3_REGION), false},
        /* boto3 reads this one only, and without it presigns as S3 did until 2014 */
        {"AWS_DEFAULT_REGION", VK_STR(VK_S3_REGION), false},
        {"AWS_REQUEST_CHECKSUM_CALCULATION", VK_STR("WHEN_REQUIRED"), false},
        {"AWS_RESPONSE_CHECKSUM_VALIDATION", VK_STR("WHEN_REQUIRED"), false},
        /* the last: left out when it says what R2_ENDPOINT says */
        {"R2_BROWSER_ENDPOINT", vk_arena_dup(a, vk_str_z(rt->url_browser[index])), false},
    };
    size_t n = VK_COUNT(all) - (apart ? 0 : 1);
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

static const vk_data_file files[] = {
    {"storage.db", VK_DATA_EXPORT, (int64_t)64 << 30},
    {"blobs/*/*", VK_DATA_NAMED, ((int64_t)1 << 33) - 1}, /* what fits into a backup */
    {"storage.db-wal", VK_DATA_BESIDE, 0},
    {"storage.db-shm", VK_DATA_BESIDE, 0},
    {"storage.db-journal", VK_DATA_BESIDE, 0},
    {0},
};

static const vk_driver *const drivers[] = {&vk_s3u_r2, &vk_s3u_s3, NULL};

static const vk_service storage = {
    .name = "storage",
    .vendor = "R2",
    .driver = "embedded",
    .port_offset = 3,
    .host_labels = true,
    .kinds = kinds,
    .start = start,
    .stop = stop,
    .handler = &vk_s3_handler,
    .env = vk_s3_env,
    .close_build = close_build,
    .free_tenant = vk_s3b_free_tenant,
    .export_data = vk_s3_export,
    .files = files,
    .named_files = vk_ob_copied_names,
    .operator_calls = &vk_s3_operator,
    .metrics = vk_s3_metrics,
    .drivers = drivers,
};
VK_SERVICE_REGISTER(storage);
