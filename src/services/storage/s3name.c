#include "services/storage/s3name.h"

#include "services/storage/embedded/scope.h"

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* `blank`: the character that stands for one, '+' in a query as to the verifier, or 0. */
static vk_s3_fail decode(vk_arena *a, vk_str raw, char blank, vk_str *out_r)
{
    if (raw.n == 0 || (!memchr(raw.p, '%', raw.n) && !(blank && memchr(raw.p, blank, raw.n)))) {
        *out_r = raw;
        return VK_S3_OK;
    }
    char *to = vk_arena_alloc(a, raw.n);
    if (!to)
        return VK_S3_NO_MEMORY;
    size_t n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] != '%') {
            to[n++] = raw.p[i];
            if (blank && raw.p[i] == blank)
                to[n - 1] = ' ';
            continue;
        }
        int hi = i + 2 < raw.n ? digit(raw.p[i + 1]) : -1, lo = hi >= 0 ? digit(raw.p[i + 2]) : -1;
        if (lo < 0)
            return VK_S3_BAD_URI;
        to[n++] = (char)(hi << 4 | lo);
        i += 2;
    }
    *out_r = (vk_str){to, n};
    return VK_S3_OK;
}

vk_s3_fail vk_s3_decode(vk_arena *a, vk_str raw, vk_str *out_r)
{
    return decode(a, raw, 0, out_r);
}

vk_s3_fail vk_s3_decode_query(vk_arena *a, vk_str raw, vk_str *out_r)
{
    return decode(a, raw, '+', out_r);
}

vk_s3_fail vk_s3_key_check(vk_str key)
{
    switch (vk_ob_key_check(key)) {
    case VK_OB_OK:
        return VK_S3_OK;
    case VK_OB_KEY_TOO_LONG:
        return VK_S3_KEY_TOO_LONG;
    default:
        return VK_S3_BAD_KEY;
    }
}

static bool alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool vk_s3_bucket_ok(vk_str name, bool lax)
{
    if (name.n < (lax ? 1 : VK_S3_BUCKET_MIN) || name.n > VK_S3_BUCKET_MAX || !alnum(name.p[0]) ||
        !alnum(name.p[name.n - 1]))
        return false;
    size_t dots = 0;
    bool digits = true;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!alnum(c) && c != '.' && c != '-')
            return false;
        if (c == '.') {
            if (!alnum(name.p[i - 1]) || !alnum(name.p[i + 1])) /* not at an end */
                return false;
            dots++;
        }
        digits = digits && (c == '.' || (c >= '0' && c <= '9'));
    }
    return !(digits && dots == 3);
}

vk_s3_fail vk_s3_copy_source(vk_arena *a, vk_str value, vk_str *bucket_r, vk_str *key_r)
{
    vk_str path = value, bucket, key;
    const char *q = value.n ? memchr(value.p, '?', value.n) : NULL;
    if (q) {
        vk_str version = {q + 1, value.n - (size_t)(q + 1 - value.p)};
        path.n = (size_t)(q - value.p);
        if (!vk_str_starts(version, VK_STR("versionId=")))
            return VK_S3_BAD_COPY_SOURCE;
        if (!vk_str_eqz(version, "versionId=null"))
            return VK_S3_NO_SUCH_VERSION;
    }
    vk_s3_fail f = vk_s3_decode(a, path, &path);
    if (f != VK_S3_OK)
        return f == VK_S3_BAD_URI ? VK_S3_BAD_COPY_SOURCE : f;
    if (path.n && path.p[0] == '/')
        path = (vk_str){path.p + 1, path.n - 1};
    key = path;
    if (!vk_str_cut(&key, '/', &bucket) || key.n == 0 || !vk_s3_bucket_ok(bucket, true))
        return VK_S3_BAD_COPY_SOURCE;
    f = vk_s3_key_check(key);
    if (f == VK_S3_OK) {
        *bucket_r = bucket;
        *key_r = key;
    }
    return f;
}
