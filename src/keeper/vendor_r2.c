/* Cloudflare R2: one bucket, in which builds have a prefix each. Shapes: Cloudflare's documentation of R2's
 * tokens: an access key id is the token's id, its secret the SHA-256 of the token's value. */
#include "keeper/shape.h"
#include "keeper/vendors.h"

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

const vk_vendor vk_vendor_r2 = {
    .name = "r2",
    .title = "Cloudflare R2",
    .service = "storage",
    .fields = fields,
};
