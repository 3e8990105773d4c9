/* Amazon S3 and what speaks its protocol: one bucket, in which builds have a prefix each. Keys of servers
 * that are not Amazon's have any shape, so little is refused here. */
#include "keeper/shape.h"
#include "keeper/vendors.h"

static const vk_shape region = {
    .also = "-",
    .least = 2,
    .most = 32,
    .why = "A region has small letters, digits and - only, such as eu-central-1.",
};
static bool region_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &region, why_r);
}

static const vk_shape_other id_others[] = {
    {.prefix = "ASIA",
     .n = 20,
     .why = "This is the id of a temporary key of AWS, which ends within hours. Make an access key of an IAM "
            "user."},
    {.prefix = "arn:", .why = "This is the name (ARN) of something at AWS, not an access key id."},
    {.prefix = "",
     .n = 40,
     .why = "This looks like a secret access key: it belongs into secret_access_key. Its access key id is "
            "shorter."},
    {.prefix = NULL},
};
static const vk_shape id = {
    .others = id_others,
    .also = "._-",
    .least = 3,
    .most = 128,
    .why = "An access key id has letters, digits and . _ - only, 3 to 128.",
};
static bool id_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &id, why_r);
}

static const vk_shape_other secret_others[] = {
    {.prefix = "AKIA",
     .n = 20,
     .why = "This is an access key id: it belongs into access_key_id. The secret access key of AWS has 40 "
            "characters."},
    {.prefix = NULL},
};
static const vk_shape secret = {
    .others = secret_others,
    .also = "+/=._~-",
    .least = 6,
    .most = 256,
    .why = "A secret access key has letters, digits and + / = . _ ~ - only, at least 6.",
};
static bool secret_ok(vk_str value, const char **why_r)
{
    return vk_shape_ok(value, &secret, why_r);
}

static const vk_vendor_field fields[] = {
    {.name = "endpoint",
     .what = "where the bucket is, such as https://s3.eu-central-1.amazonaws.com",
     .ok = vk_vendor_base_ok},
    {.name = "region", .what = "the region", .optional = true, .usual = "us-east-1", .ok = region_ok},
    {.name = "access_key_id", .what = "the access key id", .ok = id_ok},
    {.name = "secret_access_key", .what = "its secret access key", .secret = true, .ok = secret_ok},
    {.name = "bucket", .what = "the bucket that builds share", .ok = vk_shape_bucket_ok},
    {.name = NULL},
};

const vk_vendor vk_vendor_s3 = {
    .name = "s3",
    .title = "S3",
    .service = "storage",
    .fields = fields,
};
