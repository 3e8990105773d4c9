/* Amazon S3 and what speaks its protocol: one bucket, in which builds have a prefix each. Keys of servers
 * that are not Amazon's have any shape, so little is refused here. */
#include "keeper/org.h"
#include "keeper/provision_s3.h"
#include "keeper/s3_order.h"
#include "keeper/shape.h"

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

static vk_str value_of(const vk_order *o, const char *field)
{
    return o->org ? vk_secret_bytes(vk_org_value(o->org, field)) : VK_STR_NONE;
}

/* The organisation's key, and where it is good. */
static vk_err key_of(vk_order *o, vk_s3o_keys *k_r, const char **why_r)
{
    vk_str endpoint = value_of(o, "endpoint");
    *k_r = (vk_s3o_keys){.id = value_of(o, "access_key_id"),
                         .region = value_of(o, "region"),
                         .secret = o->org ? vk_org_value(o->org, "secret_access_key") : VK_SECRET_NONE};
    if (!endpoint.n || !value_of(o, "bucket").n || !k_r->id.n || !k_r->secret.n || !k_r->region.n) {
        *why_r = "A part of the organisation's S3 key is missing; enter it with: valetkey keys set s3";
        return VK_E_UNAVAILABLE;
    }
    return vk_order_to(o, endpoint, why_r);
}

/* Signs with the organisation's key itself: what keeps builds apart is vk_s3o_make. */
static vk_err order(vk_order *o, const char **why_r)
{
    vk_s3o x;
    vk_s3o_keys k;
    vk_err e = key_of(o, &k, why_r);
    if (e == VK_OK)
        e = vk_s3o_make(o, value_of(o, "bucket"), &x, why_r);
    return e == VK_OK ? vk_s3o_sign(o, &x, &k, why_r) : e;
}

vk_err vk_s3_order_own(vk_order *o, const char **why_r)
{
    static const vk_vendor_call call = {"*", "/**", "bucket.manage"};
    vk_s3o_keys k;
    const vk_s3o x = {.call = o->call ? o->call : &call,
                      .path = o->path,
                      .query = o->query.p ? o->query : VK_STR(""),
                      .again = o->again};
    vk_err e = key_of(o, &k, why_r);
    return e == VK_OK ? vk_s3o_sign(o, &x, &k, why_r) : e;
}

static const vk_vendor_field own[] = {VK_PROV_MADE_FIELD, {.name = NULL}};

const vk_vendor vk_vendor_s3 = {
    .name = "s3",
    .title = "S3",
    .service = "storage",
    .fields = fields,
    .own = own,
    .calls = vk_s3o_calls,
    .travel = vk_s3o_travel,
    .returns = vk_s3o_returns,
    .raw_path = true,
    .order = order,
    .probes = vk_s3o_probes,
    .provisioner = &vk_prov_s3,
};
