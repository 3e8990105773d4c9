/* A request of any bytes: method, host, target, copy source and content type, cut at newlines. What is routed
 * has a bucket and keys that are as they must be, and nothing that names a sub-resource becomes a plain
 * operation. */
#include "services/storage/s3route.h"

#include "services/storage/s3cond.h"

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void key_ok(vk_str k)
{
    vk_str one;
    CHECK(k.n >= 1 && k.n <= VK_S3_KEY_MAX && !memchr(k.p, 0, k.n));
    for (bool more = true; more;) {
        more = vk_str_cut(&k, '/', &one);
        one = more ? one : k;
        CHECK(!vk_str_eqz(one, ".") && !vk_str_eqz(one, ".."));
    }
}

/* A parameter of that name, plain as it is. */
static bool has(vk_str query, const char *name)
{
    vk_str pair, before;
    for (bool more = query.n > 0; more;) {
        more = vk_str_cut(&query, '&', &pair);
        pair = more ? pair : query;
        before = pair;
        (void)vk_str_cut(&pair, '=', &before);
        if (vk_str_eqz(before, name))
            return true;
    }
    return false;
}

static void conditions(vk_str text)
{
    vk_s3_range r;
    int64_t at, n;
    for (int64_t size = 0; size < 30; size += 7) {
        if (vk_s3_range_of(text, size, &r) == VK_S3_OK)
            CHECK(r.at >= 0 && r.n >= 0 && r.at + r.n <= size &&
                  (r.part ? r.n > 0 : r.at == 0 && r.n == size));
        if (vk_s3_copy_range_of(text, size, &at, &n) == VK_S3_OK)
            CHECK(at >= 0 && n > 0 && at + n <= size);
    }
    if (vk_s3_date_read(text, &at))
        CHECK(at % 1000 == 0 && at >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const vk_str bases[] = {{"localhost", 9}};
    vk_str rest = {(const char *)data, size}, parts[5] = {VK_STR_NONE};
    conditions(rest);
    for (size_t i = 0; i < VK_COUNT(parts); i++)
        if (!vk_str_cut(&rest, '\n', &parts[i])) {
            parts[i] = rest;
            break;
        }
    vk_s3_ask ask = {.method = parts[0],
                     .host = parts[1],
                     .path = parts[2],
                     .copy_source = parts[3],
                     .content_type = parts[4],
                     .bases = bases,
                     .n_bases = 1};
    vk_str target = parts[2];
    if (vk_str_cut(&target, '?', &ask.path))
        ask.query = target;
    else
        ask.path = parts[2];
    vk_arena *a = vk_arena_new(1 << 16);
    CHECK(a);
    vk_s3_route r;
    vk_s3_fail f = vk_s3_route_of(a, &ask, &r);
    CHECK(f < VK_S3_FAILS);
    if (f == VK_S3_OK) {
        CHECK(r.op < VK_S3_OPS);
        CHECK(r.bucket.n ? vk_s3_bucket_ok(r.bucket, true)
                         : r.op == VK_S3_LIST_BUCKETS || r.op == VK_S3_PREFLIGHT);
        if (r.key.n)
            key_ok(r.key);
        if (r.op == VK_S3_COPY_OBJECT || r.op == VK_S3_COPY_PART) {
            CHECK(vk_s3_bucket_ok(r.source_bucket, true));
            key_ok(r.source_key);
        }
        if (r.op != VK_S3_PREFLIGHT)
            CHECK(!has(ask.query, "acl") && !has(ask.query, "tagging") && !has(ask.query, "policy"));
        if (r.op == VK_S3_PUT_OBJECT)
            CHECK(ask.copy_source.n == 0 && !has(ask.query, "uploadId") && !has(ask.query, "partNumber"));
        CHECK(r.n_params <= VK_S3_PARAMS_MAX);
    }
    vk_arena_free(a);
    return 0;
}
