/* Cloudflare R2: one bucket, in which builds have a prefix each. Shapes: Cloudflare's documentation of R2's
 * tokens: an access key id is the token's id, its secret the SHA-256 of the token's value. */
#include "core/map.h"
#include "keeper/org.h"
#include "keeper/r2_mint.h"
#include "keeper/s3_order.h"
#include "keeper/shape.h"

static const char NOT_SECRET[] =
    "This is an access key id: it belongs into access_key_id. The secret access key "
    "has 64 hex digits.",
                  NOT_ID[] =
                      "This is a secret access key: it belongs into secret_access_key. The access key id "
                      "has 32 hex digits.";

static const vk_shape account = {
    .hex = true,
    .least = 32,
    .most = 32,
    .why = "An account id of Cloudflare has 32 hex digits, as in the address of its dashboard.",
};
static bool account_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &account, why_r);
}

static const vk_shape_other id_others[] = {
    {.prefix = "AKIA",
     .n = 20,
     .why = "This is an access key id of AWS; enter it with: valetkey keys set s3"},
    {.prefix = "", .n = 64, .why = NOT_ID},
    {.prefix = NULL},
};
static const vk_shape id = {
    .others = id_others,
    .hex = true,
    .least = 32,
    .most = 32,
    .why = "An access key id of R2 has 32 hex digits.",
};
static bool id_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &id, why_r);
}

static const vk_shape_other secret_others[] = {
    {.prefix = "", .n = 32, .why = NOT_SECRET},
    {.prefix = "",
     .n = 40,
     .why =
         "This looks like the value of an API token: it belongs into api_token. The secret access key that "
         "goes with it has 64 hex digits and is shown on the same page."},
    {.prefix = NULL},
};
static const vk_shape secret = {
    .others = secret_others,
    .hex = true,
    .least = 64,
    .most = 64,
    .why = "A secret access key of R2 has 64 hex digits.",
};
static bool secret_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &secret, why_r);
}

static const vk_shape_other token_others[] = {
    {.prefix = "", .n = 32, .why = NOT_SECRET},
    {.prefix = "", .n = 64, .why = NOT_ID},
    {.prefix = NULL},
};
static const vk_shape token = {
    .others = token_others,
    .also = "_-",
    .least = 33,
    .most = 256,
    .why = "An API token of Cloudflare has about 40 letters, digits, - and _.",
};
static bool token_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &token, why_r);
}

static const vk_vendor_field fields[] = {
    {.name = "account_id", .what = "the account's id, 32 hex digits", .ok = account_ok},
    {.name = "access_key_id", .what = "the access key id of an R2 token, 32 hex digits", .ok = id_ok},
    {.name = "secret_access_key",
     .what = "its secret access key, 64 hex digits",
     .secret = true,
     .ok = secret_ok},
    {.name = "bucket", .what = "the bucket that builds share", .ok = vk_shape_bucket_ok},
    {.name = "endpoint", /* usual: made of account_id */
     .what = "where the bucket is; without one, https://<account_id>.r2.cloudflarestorage.com",
     .optional = true,
     .ok = vk_vendor_base_ok},
    {.name = "api_token",
     .what = "an API token of the account; only for what S3 has no call for",
     .secret = true,
     .optional = true,
     .ok = token_ok},
    {.name = NULL},
};

static vk_str value_of(const vk_order *o, const char *field)
{
    return o->org ? vk_secret_bytes(vk_org_value(o->org, field)) : VK_STR_NONE;
}

/* The host without its port, as a token's `aud` has it. A server that is none of Cloudflare's, which only
 * tests have, is told what Cloudflare's is called. */
static vk_str audience(const vk_order *o)
{
    static const vk_str tail = VK_STR(".r2.cloudflarestorage.com");
    vk_str host = o->to_host, name;
    if (vk_str_cut(&host, ':', &name))
        host = name;
    if (host.n > tail.n && vk_str_eq((vk_str){host.p + host.n - tail.n, tail.n}, tail))
        return host;
    return vk_arena_printf(o->arena, VK_STR_FMT ".r2.cloudflarestorage.com",
                           VK_STR_ARG(value_of(o, "account_id")));
}

/* Changes with everything that a credential is made of but the time. */
static uint64_t parent_of(const vk_order *o, const vk_r2_ask *a)
{
    uint8_t ref[8];
    uint64_t n = 0;
    const vk_str parts[] = {a->account, a->id, a->bucket, a->host, a->prefix};
    vk_org_ref(o->org, "secret_access_key", ref);
    memcpy(&n, ref, sizeof ref);
    for (size_t i = 0; i < VK_COUNT(parts); i++)
        n = n * 31 + vk_hash_str(parts[i]);
    return n;
}

/* By a credential that is good for this build's prefix only; for `keys check`, for what all builds have. */
static vk_err as_build(vk_order *o, const vk_s3o *x, vk_s3o_keys k, vk_str bucket, const char **why_r)
{
    char prefix[VK_S3O_PREFIX_MAX];
    vk_s3o_prefix(o, prefix);
    const vk_r2_ask ask = {.account = value_of(o, "account_id"),
                           .id = k.id,
                           .bucket = bucket,
                           .host = audience(o),
                           .secret = k.secret,
                           .prefix = o->build[0] ? vk_str_z(prefix) : VK_STR("builds/"),
                           .scope = "object-read-write",
                           .now_s = o->now_ms / 1000,
                           .ttl_s = VK_R2_TTL_S};
    const vk_r2_temporary *t = ask.host.p ? vk_r2_credential(&ask, o->build, parent_of(o, &ask)) : NULL;
    if (!t)
        return VK_E_NOMEM;
    k.secret = vk_secret_of((vk_str){t->secret, VK_R2_SECRET});
    k.token = vk_secret_of((vk_str){t->token, t->token_n});
    return vk_s3o_sign(o, x, &k, why_r);
}

static vk_err order(vk_order *o, const char **why_r)
{
    vk_s3o x;
    vk_str endpoint = value_of(o, "endpoint"), bucket = value_of(o, "bucket"),
           owner = value_of(o, "account_id");
    const vk_s3o_keys k = {.id = value_of(o, "access_key_id"),
                           .region = VK_STR("auto"),
                           .secret = o->org ? vk_org_value(o->org, "secret_access_key") : VK_SECRET_NONE};
    if (!bucket.n || !k.id.n || !k.secret.n || !owner.n) {
        *why_r = "A part of the organisation's R2 key is missing; enter it with: valetkey keys set r2";
        return VK_E_UNAVAILABLE;
    }
    if (!endpoint.n)
        endpoint =
            vk_arena_printf(o->arena, "https://" VK_STR_FMT ".r2.cloudflarestorage.com", VK_STR_ARG(owner));
    vk_err e = endpoint.p ? vk_order_to(o, endpoint, why_r) : VK_E_NOMEM;
    if (e == VK_OK)
        e = vk_s3o_make(o, bucket, &x, why_r);
    if (e != VK_OK)
        return e;
    return x.parent ? vk_s3o_sign(o, &x, &k, why_r) : as_build(o, &x, k, bucket, why_r);
}

const vk_vendor vk_vendor_r2 = {
    .name = "r2",
    .title = "Cloudflare R2",
    .service = "storage",
    .fields = fields,
    .calls = vk_s3o_calls,
    .travel = vk_s3o_travel,
    .returns = vk_s3o_returns,
    .raw_path = true,
    .order = order,
    .probes = vk_s3o_probes,
};
