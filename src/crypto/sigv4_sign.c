#include "crypto/sigv4_sign.h"

#include "core/encode.h"
#include "crypto/sigv4_canon.h"

enum { ALL_HEADERS = VK_SIGV4_SIGN_HEADERS + 3 };

static const char unsigned_payload[] = "UNSIGNED-PAYLOAD";

/* "20261123T181515Z" */
static vk_err write_stamp(int64_t now_ms, char out[VK_SIGV4_STAMP + 1])
{
    struct tm t;
    time_t s = (time_t)(now_ms / 1000);
    if (!gmtime_r(&s, &t) || strftime(out, VK_SIGV4_STAMP + 1, "%Y%m%dT%H%M%SZ", &t) != VK_SIGV4_STAMP)
        return VK_E_INVALID;
    return VK_OK;
}

/* Of what has seen no vk_digest_init: courier, which makes the requests, does without. */
static void hash_of(vk_str data, uint8_t out[VK_SHA256])
{
    vk_sha256_run run;
    vk_sha256_begin(&run);
    vk_sha256_add(&run, data);
    vk_sha256_end(&run, out);
    vk_wipe(&run, sizeof run);
}

/* Visible ASCII, and nothing that ends a part of the credential. */
static bool part_ok(vk_str s, size_t most)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '/' || s.p[i] == ',')
            return false;
    return s.n > 0 && s.n <= most;
}

static int by_name(const void *a, const void *b)
{
    const vk_sigv4_pair *x = a, *y = b;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
    int d = memcmp(x->name.p, y->name.p, n);
    return d ? d : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

static vk_str lower(vk_arena *a, vk_str s)
{
    char *p = vk_arena_alloc(a, s.n);
    for (size_t i = 0; p && i < s.n; i++)
        p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 0x20) : s.p[i];
    return (vk_str){p, p ? s.n : 0};
}

/* All that is signed, by name, and the list of the names. */
static vk_err collect(vk_arena *a, const vk_sigv4_signing *s, const vk_sigv4_signed *out,
                      vk_sigv4_pair all[ALL_HEADERS], size_t *n_r, vk_str *list_r)
{
    size_t n = 0, room = 0;
    all[n++] = (vk_sigv4_pair){VK_STR("host"), s->host};
    all[n++] = (vk_sigv4_pair){VK_STR("x-amz-content-sha256"), vk_str_z(out->payload)};
    all[n++] = (vk_sigv4_pair){VK_STR("x-amz-date"), vk_str_z(out->date)};
    if (s->n_headers > VK_SIGV4_SIGN_HEADERS)
        return VK_E_INVALID;
    for (size_t i = 0; i < s->n_headers; i++, n++) {
        all[n] = (vk_sigv4_pair){lower(a, s->headers[i].name), s->headers[i].value};
        if (!all[n].name.p)
            return VK_E_NOMEM;
    }
    qsort(all, n, sizeof *all, by_name);
    for (size_t i = 0; i < n; i++)
        room += all[i].name.n + 1;
    char *p = vk_arena_alloc(a, room), *at = p;
    if (!p)
        return VK_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (i)
            *at++ = ';';
        memcpy(at, all[i].name.p, all[i].name.n);
        at += all[i].name.n;
    }
    *list_r = (vk_str){p, (size_t)(at - p)};
    *n_r = n;
    return vk_sigv4_signed_headers_ok(*list_r) ? VK_OK : VK_E_INVALID;
}

vk_err vk_sigv4_sign(vk_arena *a, const vk_sigv4_signing *s, vk_sigv4_signed *out_r)
{
    vk_sigv4_signed out = {0};
    vk_sigv4_pair all[ALL_HEADERS];
    uint8_t hash[VK_SHA256];
    char hex[2 * VK_SHA256 + 1];
    vk_str list, canonical;
    size_t n;
    if (!part_ok(s->id, VK_SIGV4_ID_MAX) || !part_ok(s->region, VK_SIGV4_REGION_MAX) || !s->secret.n)
        return VK_E_INVALID;
    if (s->unsigned_payload) {
        memcpy(out.payload, unsigned_payload, sizeof unsigned_payload);
    } else {
        hash_of(s->body, hash);
        vk_hex(out.payload, hash, sizeof hash);
    }
    vk_err e = write_stamp(s->now_ms, out.date);
    if (e == VK_OK)
        e = collect(a, s, &out, all, &n, &list);
    if (e != VK_OK)
        return e;
    const vk_sigv4_request r = {
        .method = s->method, .path = s->path, .query = s->query, .headers = all, .n_headers = n};
    vk_sigv4_params *params = VK_NEW(a, vk_sigv4_params);
    if (!params)
        return VK_E_NOMEM;
    vk_sigv4_fail fail = vk_sigv4_params_read(a, s->query, params);
    if (fail == VK_SIGV4_OK)
        fail = vk_sigv4_canonical(a, &r, params, list, vk_str_z(out.payload), &canonical);
    if (fail != VK_SIGV4_OK)
        return fail == VK_SIGV4_NO_MEMORY ? VK_E_NOMEM : VK_E_INVALID;
    hash_of(canonical, hash);
    vk_hex(hex, hash, sizeof hash);
    vk_str scope = vk_arena_printf(a, "%.8s/" VK_STR_FMT "/s3/aws4_request", out.date, VK_STR_ARG(s->region));
    vk_str text = scope.p ? vk_arena_printf(a, "AWS4-HMAC-SHA256\n%s\n" VK_STR_FMT "\n%s", out.date,
                                            VK_STR_ARG(scope), hex)
                          : VK_STR_NONE;
    if (!text.p)
        return VK_E_NOMEM;
    vk_hmac256_key key;
    vk_sigv4_derive(s->secret, (vk_str){out.date, VK_SIGV4_DAY}, s->region, VK_STR("s3"), &key);
    vk_hmac256(&key, text, hash);
    vk_wipe(&key, sizeof key);
    vk_hex(hex, hash, sizeof hash);
    out.authorization = vk_arena_printf(a,
                                        "AWS4-HMAC-SHA256 Credential=" VK_STR_FMT "/" VK_STR_FMT
                                        ", SignedHeaders=" VK_STR_FMT ", Signature=%s",
                                        VK_STR_ARG(s->id), VK_STR_ARG(scope), VK_STR_ARG(list), hex);
    if (!out.authorization.p)
        return VK_E_NOMEM;
    *out_r = out;
    return VK_OK;
}
