#include "services/auth/ids.h"

#include "core/encode.h"
#include "core/random.h"

static const char *const prefixes[VK_AUTH_KINDS] = {
    [VK_AUTH_USER] = "user_",         [VK_AUTH_SESSION] = "sess_",
    [VK_AUTH_CLIENT] = "client_",     [VK_AUTH_SIGN_UP] = "sua_",
    [VK_AUTH_SIGN_IN] = "sia_",       [VK_AUTH_IDENTIFICATION] = "idn_",
    [VK_AUTH_DEV_BROWSER] = "dvb_",   [VK_AUTH_INVITATION] = "inv_",
    [VK_AUTH_SIGN_IN_TOKEN] = "sit_", [VK_AUTH_SESSION_ACTIVITY] = "sess_activity_",
    [VK_AUTH_DOMAIN] = "dmn_",        [VK_AUTH_MESSAGE] = "msg_",
};

static void base62(char *out, size_t want)
{
    uint8_t bytes[VK_AUTH_NONCE];
    for (size_t have = 0; have < want;) {
        vk_random(bytes, sizeof bytes);
        have += vk_base62_fill(out + have, want - have, bytes, sizeof bytes);
    }
    vk_wipe(bytes, sizeof bytes);
    out[want] = '\0';
}

static bool is_base62(vk_str s, size_t n)
{
    if (s.n != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = s.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')))
            return false;
    }
    return true;
}

void vk_auth_id_new(vk_auth_kind kind, char out[VK_AUTH_ID_MAX + 1])
{
    size_t n = strlen(prefixes[kind]);
    memcpy(out, prefixes[kind], n);
    base62(out + n, VK_AUTH_ID_BODY);
}

/* As a number to base 62, its lowest digits first: by long division, since it has 256 bits. */
void vk_auth_id_of(vk_auth_kind kind, const uint8_t bytes[32], char out[VK_AUTH_ID_MAX + 1])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t n = strlen(prefixes[kind]);
    uint8_t left[32];
    memcpy(left, bytes, sizeof left);
    memcpy(out, prefixes[kind], n);
    for (size_t i = 0; i < VK_AUTH_ID_BODY; i++) {
        unsigned rest = 0;
        for (size_t k = 0; k < sizeof left; k++) {
            rest = rest << 8 | left[k];
            left[k] = (uint8_t)(rest / 62);
            rest %= 62;
        }
        out[n + i] = digits[rest];
    }
    out[n + VK_AUTH_ID_BODY] = '\0';
}

bool vk_auth_id_is(vk_auth_kind kind, vk_str text)
{
    vk_str prefix = vk_str_z(prefixes[kind]);
    return vk_str_starts(text, prefix) &&
           is_base62((vk_str){text.p + prefix.n, text.n - prefix.n}, VK_AUTH_ID_BODY);
}

void vk_auth_nonce_new(char out[VK_AUTH_NONCE + 1])
{
    base62(out, VK_AUTH_NONCE);
}

bool vk_auth_nonce_is(vk_secret text)
{
    return is_base62(vk_secret_bytes(text), VK_AUTH_NONCE);
}

bool vk_auth_slug_is(vk_str text)
{
    if (text.n == 0 || text.n > VK_AUTH_SLUG_MAX || text.p[0] == '-' || text.p[text.n - 1] == '-')
        return false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-'))
            return false;
    }
    return true;
}

vk_err vk_auth_instance_id(vk_str build, char out[VK_AUTH_SLUG_MAX + 5])
{
    if (!vk_auth_slug_is(build))
        return VK_E_INVALID;
    memcpy(out, "ins_", 4);
    memcpy(out + 4, build.p, build.n);
    out[4 + build.n] = '\0';
    return VK_OK;
}
