#include "services/payments/hook.h"

#include "core/encode.h"
#include "crypto/digest.h"

bool vk_pay_hook_wants(const vk_pv *enabled, vk_str type)
{
    if (!enabled)
        return true;
    VK_PV_EACH(v, enabled)
    if (vk_pv_is(v, VK_PV_STR) && (vk_str_eqz(v->u.s, "*") || vk_str_eq(v->u.s, type)))
        return true;
    return false;
}

vk_pv *vk_pay_hook_previous(vk_arena *a, const vk_pv *before, const vk_pv *now)
{
    vk_pv *out = vk_pv_obj(a);
    bool ok = out != NULL;
    VK_PV_EACH(was, before)
    {
        const vk_pv *is = vk_pv_get_n(now, was->key);
        if (is && vk_pv_equal(was, is))
            continue;
        bool both = vk_pv_is(was, VK_PV_OBJ) && vk_pv_is(is, VK_PV_OBJ);
        ok =
            ok && vk_pv_set_n(a, out, was->key, both ? vk_pay_hook_previous(a, was, is) : vk_pv_copy(a, was));
    }
    VK_PV_EACH(is, now)
    if (!vk_pv_get_n(before, is->key))
        ok = ok && vk_pv_set_n(a, out, is->key, vk_pv_null(a));
    return ok ? out : NULL;
}

void vk_pay_hook_sign(vk_secret secret, int64_t now, vk_str body, char out[VK_PAY_SIGNATURE_MAX])
{
    vk_buf b;
    uint8_t mac[VK_SHA256];
    char hex[2 * VK_SHA256 + 1];
    vk_buf_init(&b, body.n + 32);
    vk_buf_i64(&b, now);
    vk_buf_ch(&b, '.');
    vk_buf_str(&b, body);
    out[0] = '\0'; /* without memory: a signature that nobody accepts, and the delivery is tried again */
    if (b.err == VK_OK) {
        vk_hmac(vk_secret_bytes(secret), vk_buf_view(&b), mac);
        vk_hex(hex, mac, sizeof mac);
        snprintf(out, VK_PAY_SIGNATURE_MAX, "t=%lld,v1=%s", (long long)now, hex);
    }
    vk_buf_free(&b);
}

void vk_pay_endpoint_secret(const vk_master *m, const char *build, vk_str endpoint, char out[VK_VALET_MAX])
{
    char label[64 + VK_BUILD_ID_MAX];
    uint8_t key[32], mac[VK_SHA256];
    snprintf(label, sizeof label, "valetkey/payments/whsec/v1/%s", build);
    vk_master_subkey(m, vk_str_z(label), key);
    vk_hmac((vk_str){(const char *)key, sizeof key}, endpoint, mac);
    memcpy(out, "whsec_", 6);
    vk_hex(out + 6, mac, sizeof mac);
    vk_wipe(key, sizeof key);
    vk_wipe(mac, sizeof mac);
}

int64_t vk_pay_hook_again(int tries, int64_t created_ms, int64_t now_ms)
{
    static const int64_t after_s[] = {1, 5, 30, 120, 600};
    int64_t wait = tries >= 1 && tries <= (int)VK_COUNT(after_s) ? after_s[tries - 1] : 3600;
    int64_t at = now_ms + wait * 1000;
    return at - created_ms <= (int64_t)VK_PAY_HOOK_HOURS * 3600 * 1000 ? at : 0;
}

bool vk_pay_hook_path_ok(vk_str path)
{
    if (path.n == 0 || path.n > VK_PAY_HOOK_PATH_MAX || path.p[0] != '/' || vk_str_starts(path, VK_STR("//")))
        return false;
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] <= ' ' || path.p[i] > '~' || strchr("#\\\"<>^`{|}", path.p[i]))
            return false;
    return true;
}
