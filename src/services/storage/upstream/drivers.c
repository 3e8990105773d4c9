/* What a binding of a build's storage to R2 or S3 is. */
#include "services/storage/upstream/upstream.h"

/* What apps get is what they get without a vendor: our address, and a valet key. */
static vk_err env(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b, const vk_binding *binding,
                  const vk_secret *keys, vk_str (*org)(void *arg, const char *field), void *arg,
                  vk_env_var *out, size_t room, size_t *n_r)
{
    VK_UNUSED(binding);
    VK_UNUSED(org);
    VK_UNUSED(arg);
    return vk_s3_env(rt, index, a, b, keys, out, room, n_r);
}

/* R2's own address, and a credential that is good for the build's share of the bucket, for an hour: what it
 * is made of is in src/keeper/provision_r2.c. Keys of objects are not moved there: with a bucket that builds
 * share the app has to put R2_PREFIX in front of each. */
static vk_err direct(const vk_runtime *rt, int index, vk_arena *a, const vk_build *b,
                     const vk_binding *binding, const vk_secret *keys,
                     vk_secret (*given)(void *arg, const char *name), void *arg, vk_env_var *out, size_t room,
                     size_t *n_r)
{
    static const struct {
        const char *name, *from;
        bool secret;
    } all[] = {
        {"R2_ACCESS_KEY_ID", "access_key_id", true},
        {"R2_SECRET_ACCESS_KEY", "secret_access_key", true},
        {"R2_SESSION_TOKEN", "session_token", true},
        {"R2_BUCKET", "bucket", false},
        {"R2_BUCKET_NAME", "bucket", false},
        {"R2_ENDPOINT", "endpoint", false},
        {"R2_ACCOUNT_ID", "account_id", false},
        {"R2_PREFIX", "prefix", false},
        {"R2_USER_PREFIX", "prefix", false},
        {"AWS_ACCESS_KEY_ID", "access_key_id", true},
        {"AWS_SECRET_ACCESS_KEY", "secret_access_key", true},
        {"AWS_SESSION_TOKEN", "session_token", true},
        {"AWS_ENDPOINT_URL_S3", "endpoint", false},
        {"AWS_REGION", "region", false},
        {"AWS_DEFAULT_REGION", "region", false},
        {"AWS_REQUEST_CHECKSUM_CALCULATION", NULL, false},
        {"AWS_RESPONSE_CHECKSUM_VALIDATION", NULL, false},
    };
    VK_UNUSED(rt);
    VK_UNUSED(index);
    VK_UNUSED(b);
    VK_UNUSED(binding);
    VK_UNUSED(keys);
    if (room < VK_COUNT(all))
        return VK_E_NOMEM;
    for (size_t i = 0; i < VK_COUNT(all); i++) {
        vk_str value = all[i].from ? vk_secret_bytes(given(arg, all[i].from)) : VK_STR("WHEN_REQUIRED");
        if (!value.p && strcmp(all[i].from, "prefix") == 0)
            value = VK_STR("");
        if (!value.p)
            return VK_E_UNAVAILABLE;
        out[i] = (vk_env_var){all[i].name, vk_arena_dup(a, value), all[i].secret};
        if (!out[i].value.p)
            return VK_E_NOMEM;
    }
    *n_r = VK_COUNT(all);
    return VK_OK;
}

/* The name is the vault's word, which keeper compares with this one. */
static const char *by_credential(const vk_binding *b)
{
    return vk_binding_value(b, "bucket").n ? "bucket of its own" : "prefix-scoped credential";
}

static const char *by_us(const vk_binding *b)
{
    VK_UNUSED(b);
    return "prefix checked by valetkey";
}

const vk_driver vk_s3u_r2 = {.name = "r2", .isolation = by_credential, .env = env, .direct = direct};
const vk_driver vk_s3u_s3 = {.name = "s3", .isolation = by_us, .env = env};

bool vk_s3u_is_r2(const vk_s3_req *q)
{
    return q->driver == &vk_s3u_r2;
}
