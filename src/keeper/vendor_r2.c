/* Cloudflare R2: one bucket, in which builds have a prefix each; or, with an API token and without a bucket,
 * one bucket for each build (keeper/provision_r2.c). Shapes: Cloudflare's documentation of R2's tokens: an
 * access key id is the token's id, its secret the SHA-256 of the token's value. */
#include "core/map.h"
#include "keeper/org.h"
#include "keeper/s3_order.h"
#include "keeper/shape.h"
#include "keeper/vendor_r2.h"

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
    {.name = "bucket",
     .what = "the bucket that builds share; without one, each build gets a bucket of its own (api_token)",
     .optional = true,
     .ok = vk_shape_bucket_ok},
    {.name = "endpoint", /* usual: made of account_id */
     .what = "where the bucket is; without one, https://<account_id>.r2.cloudflarestorage.com",
     .optional = true,
     .ok = vk_vendor_base_ok},
    {.name = "api_token",
     .what = "an API token of the account; for buckets and for what S3 has no call for",
     .secret = true,
     .optional = true,
     .ok = token_ok},
    {.name = "api_base",
     .what = "where Cloudflare's API is",
     .optional = true,
     .usual = "https://api.cloudflare.com",
     .ok = vk_vendor_base_ok},
    {.name = NULL},
};
static const vk_vendor_field own[] = {
    {.name = "bucket", .what = "the build's own bucket", .optional = true, .ok = vk_shape_bucket_ok},
    VK_PROV_MADE_FIELD,
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

/* What a credential for `bucket` is made of. */
static vk_r2_ask ask_of(const vk_order *o, const vk_s3o_keys *k, vk_str bucket, vk_str prefix)
{
    return (vk_r2_ask){.account = value_of(o, "account_id"),
                       .id = k->id,
                       .bucket = bucket,
                       .host = audience(o),
                       .secret = k->secret,
                       .prefix = prefix,
                       .scope = "object-read-write",
                       .now_s = o->now_ms / 1000,
                       .ttl_s = VK_R2_TTL_S};
}

/* By a credential that is good for this build's prefix only; for `keys check`, for what all builds have. */
static vk_err as_build(vk_order *o, const vk_s3o *x, vk_s3o_keys k, vk_str bucket, const char **why_r)
{
    char prefix[VK_S3O_PREFIX_MAX];
    vk_s3o_prefix(o, prefix);
    const vk_r2_ask ask = ask_of(o, &k, bucket, o->build[0] ? vk_str_z(prefix) : VK_STR("builds/"));
    const vk_r2_temporary *t = ask.host.p ? vk_r2_credential(&ask, o->build, parent_of(o, &ask)) : NULL;
    if (!t)
        return VK_E_NOMEM;
    k.secret = vk_secret_of((vk_str){t->secret, VK_R2_SECRET});
    k.token = vk_secret_of((vk_str){t->token, t->token_n});
    return vk_s3o_sign(o, x, &k, why_r);
}

vk_str vk_r2_endpoint(const vk_org *org, vk_arena *a)
{
    vk_str endpoint = vk_secret_bytes(vk_org_value(org, "endpoint")),
           owner = vk_secret_bytes(vk_org_value(org, "account_id"));
    return endpoint.n
               ? endpoint
               : vk_arena_printf(a, "https://" VK_STR_FMT ".r2.cloudflarestorage.com", VK_STR_ARG(owner));
}

/* The organisation's key, and where it is good. */
static vk_err key_of(vk_order *o, vk_s3o_keys *k_r, const char **why_r)
{
    *k_r = (vk_s3o_keys){.id = value_of(o, "access_key_id"),
                         .region = VK_STR("auto"),
                         .secret = o->org ? vk_org_value(o->org, "secret_access_key") : VK_SECRET_NONE};
    if (!k_r->id.n || !k_r->secret.n || !value_of(o, "account_id").n) {
        *why_r = "A part of the organisation's R2 key is missing; enter it with: valetkey keys set r2";
        return VK_E_UNAVAILABLE;
    }
    vk_str endpoint = vk_r2_endpoint(o->org, o->arena);
    return endpoint.p ? vk_order_to(o, endpoint, why_r) : VK_E_NOMEM;
}

/* Which bucket is in the vault, with the build's own if it has one; front's copy of that in the metadata must
 * agree, or nothing goes out. */
static vk_err bucket_of(const vk_order *o, vk_str *out_r, const char **why_r)
{
    vk_str mine = o->own ? vk_secret_bytes(vk_org_value(o->own, "bucket")) : VK_STR_NONE;
    vk_str said = o->binding ? vk_binding_value(o->binding, "bucket") : VK_STR_NONE;
    *out_r = mine.n ? mine : value_of(o, "bucket");
    if (mine.n != said.n || (mine.n && !vk_str_eq(mine, said))) {
        *why_r = "The build's bucket at R2 was changed: it is not the one that was made for it";
        return VK_E_FORBIDDEN;
    }
    if (out_r->n)
        return VK_OK;
    *why_r = value_of(o, "api_token").n
                 ? "This build has no bucket at R2"
                 : "A part of the organisation's R2 key is missing; enter it with: valetkey keys set r2";
    return VK_E_UNAVAILABLE;
}

static vk_err order(vk_order *o, const char **why_r)
{
    vk_s3o x;
    vk_s3o_keys k;
    vk_str bucket;
    vk_err e = key_of(o, &k, why_r);
    if (e == VK_OK)
        e = bucket_of(o, &bucket, why_r);
    if (e == VK_OK)
        e = vk_s3o_make(o, bucket, &x, why_r);
    if (e != VK_OK)
        return e;
    return x.parent ? vk_s3o_sign(o, &x, &k, why_r) : as_build(o, &x, k, bucket, why_r);
}

/* ---- of keeper's own accord */

vk_err vk_r2_order_api(vk_order *o, const char **why_r)
{
    static const char *const places[] = {"eu", "us", "fedramp-high", "fedramp"};
    vk_err e = vk_order_bearer(o, "api_token", why_r);
    vk_str endpoint = value_of(o, "endpoint");
    for (size_t i = 0; i < VK_COUNT(places); i++) {
        vk_str tail = vk_arena_printf(o->arena, ".%s.r2.cloudflarestorage.com", places[i]);
        if (!tail.p)
            return VK_E_NOMEM;
        if (endpoint.n <= tail.n || !vk_str_eq((vk_str){endpoint.p + endpoint.n - tail.n, tail.n}, tail))
            continue;
        vk_buf_printf(o->lines, "cf-r2-jurisdiction: %s\r\n", places[i]);
        break;
    }
    return e == VK_OK ? o->lines->err : e;
}

/* The target is keeper's own, so it is signed as it is. */
static vk_s3o own_request(const vk_order *o)
{
    static const vk_vendor_call call = {"*", "/**", "bucket.manage"};
    return (vk_s3o){.call = o->call ? o->call : &call,
                    .path = o->path,
                    .query = o->query.p ? o->query : VK_STR(""),
                    .again = o->again};
}

vk_err vk_r2_order_org(vk_order *o, const char **why_r)
{
    vk_s3o_keys k;
    const vk_s3o x = own_request(o);
    vk_err e = key_of(o, &k, why_r);
    return e == VK_OK ? vk_s3o_sign(o, &x, &k, why_r) : e;
}

vk_err vk_r2_order_build(vk_order *o, const char **why_r)
{
    vk_s3o_keys k;
    const vk_s3o x = own_request(o);
    vk_str bucket = o->path, before;
    vk_err e = key_of(o, &k, why_r);
    if (e != VK_OK)
        return e;
    (void)vk_str_cut(&bucket, '/', &before);
    if (vk_str_cut(&bucket, '/', &before))
        bucket = before;
    return as_build(o, &x, k, bucket, why_r);
}

vk_err vk_r2_lend(const vk_org *org, vk_arena *a, vk_str bucket, vk_str prefix, int64_t now_ms, int64_t ttl_s,
                  vk_r2_temporary *out_r)
{
    const char *why;
    vk_s3o_keys k;
    vk_order o = {.vendor = &vk_vendor_r2, .org = org, .now_ms = now_ms, .arena = a};
    vk_err e = key_of(&o, &k, &why);
    if (e != VK_OK)
        return e;
    vk_r2_ask ask = ask_of(&o, &k, bucket, prefix);
    ask.ttl_s = ttl_s;
    return ask.host.p ? vk_r2_mint(&ask, out_r) : VK_E_NOMEM;
}

/* ---- keys check */

static vk_err probe_order(vk_order *o, const char **why_r)
{
    vk_s3o_keys k;
    if (vk_str_starts(o->path, VK_STR("/client/v4/")))
        return vk_r2_order_api(o, why_r);
    if (value_of(o, "bucket").n)
        return order(o, why_r);
    const vk_s3o x = own_request(o);
    vk_err e = key_of(o, &k, why_r);
    return e == VK_OK ? vk_s3o_sign(o, &x, &k, why_r) : e;
}

static const vk_vendor_probe probes[] = {
    VK_S3O_PROBES,
    {.method = "GET", .path = "/", .what = "use the access key", .must = true, .unless = "bucket"},
    {.method = "GET",
     .path = "/client/v4/accounts/{account_id}/r2/buckets?per_page=1",
     .what = "list buckets with the API token",
     .must = true,
     .with = "api_token"},
    {.method = NULL},
};

const vk_vendor vk_vendor_r2 = {
    .name = "r2",
    .title = "Cloudflare R2",
    .service = "storage",
    .fields = fields,
    .whole = "bucket api_token",
    .own = own,
    .calls = vk_s3o_calls,
    .travel = vk_s3o_travel,
    .returns = vk_s3o_returns,
    .raw_path = true,
    .order = order,
    .probe_order = probe_order,
    .probes = probes,
    .provisioner = &vk_prov_r2,
};
