#include "services/auth/pubkey.h"

#include "core/buf.h"
#include "core/encode.h"
#include "crypto/digest.h"
#include "services/auth/ids.h"

#include <sodium.h>

static bool ends(vk_str s, vk_str with)
{
    return s.n >= with.n && vk_str_eq((vk_str){s.p + s.n - with.n, with.n}, with);
}

/* Letters, digits, '-', '_' and dots that do not meet each other or an end. */
static bool name_is(vk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '.' && (i == 0 || i + 1 == s.n || s.p[i - 1] == '.'))
            return false;
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'))
            return false;
    }
    return s.n > 0;
}

vk_err vk_auth_host(vk_str build, vk_str domain, char out[VK_AUTH_HOST_MAX + 1])
{
    if (!vk_auth_slug_is(build) || !name_is(domain) || !ends(domain, VK_STR("accounts.dev")))
        return VK_E_INVALID;
    if (build.n + 1 + domain.n > VK_AUTH_HOST_MAX)
        return VK_E_TOO_LARGE;
    snprintf(out, VK_AUTH_HOST_MAX + 1, VK_STR_FMT "." VK_STR_FMT, VK_STR_ARG(build), VK_STR_ARG(domain));
    return VK_OK;
}

/* What stands in a key before its "$". */
static bool host_is(vk_str host)
{
    if (host.n == 0 || host.n > VK_AUTH_HOST_MAX || !memchr(host.p, '.', host.n))
        return false;
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] <= ' ' || host.p[i] > '~' || host.p[i] == '$')
            return false;
    return true;
}

vk_err vk_auth_pk_make(vk_str host, char out[VK_AUTH_PK_MAX + 1])
{
    char text[VK_AUTH_HOST_MAX + 1];
    if (!host_is(host))
        return VK_E_INVALID;
    memcpy(text, host.p, host.n);
    text[host.n] = '$';
    vk_buf b = {.p = out, .cap = VK_AUTH_PK_MAX, .max = VK_AUTH_PK_MAX};
    vk_buf_lit(&b, "pk_test_");
    vk_base64(&b, text, host.n + 1, false);
    out[b.n] = '\0';
    return b.err;
}

/* libsodium 1.0.18 reads some bytes beyond ASCII as digits. */
static bool is_ascii(vk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] > '~')
            return false;
    return true;
}

vk_err vk_auth_pk_read(vk_str key, char host_r[VK_AUTH_HOST_MAX + 1], bool *live_r)
{
    bool live = vk_str_starts(key, VK_STR("pk_live_"));
    char text[VK_AUTH_HOST_MAX + 1];
    size_t n = 0;
    if (key.n > VK_AUTH_PK_MAX || (!live && !vk_str_starts(key, VK_STR("pk_test_"))))
        return VK_E_INVALID;
    vk_str body = {key.p + 8, key.n - 8};
    int variant =
        ends(body, VK_STR("=")) ? sodium_base64_VARIANT_ORIGINAL : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
    if (body.n == 0 || !is_ascii(body) ||
        sodium_base642bin((uint8_t *)text, sizeof text, body.p, body.n, NULL, &n, NULL, variant) != 0 ||
        n < 2 || text[n - 1] != '$' || !host_is((vk_str){text, n - 1}))
        return VK_E_INVALID;
    memcpy(host_r, text, n - 1);
    host_r[n - 1] = '\0';
    *live_r = live;
    return VK_OK;
}

void vk_auth_cookie_suffix(vk_str key, char out[VK_AUTH_SUFFIX + 1])
{
    uint8_t hash[VK_SHA1];
    char text[32];
    vk_buf b = {.p = text, .cap = sizeof text, .max = sizeof text};
    vk_sha1(key, hash);
    vk_base64url(&b, hash, sizeof hash);
    memcpy(out, text, VK_AUTH_SUFFIX);
    out[VK_AUTH_SUFFIX] = '\0';
}
