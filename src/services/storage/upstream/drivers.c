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

static const char *by_credential(const vk_binding *b)
{
    VK_UNUSED(b);
    return "prefix-scoped credential";
}

static const char *by_us(const vk_binding *b)
{
    VK_UNUSED(b);
    return "prefix checked by valetkey";
}

const vk_driver vk_s3u_r2 = {.name = "r2", .isolation = by_credential, .env = env};
const vk_driver vk_s3u_s3 = {.name = "s3", .isolation = by_us, .env = env};

bool vk_s3u_is_r2(const vk_s3_req *q)
{
    return q->driver == &vk_s3u_r2;
}
