#include "keeper/stripe_hook.h"

#include "core/clock.h"
#include "core/encode.h"
#include "core/json_write.h"
#include "crypto/digest.h"

enum { HEX = 2 * VK_SHA256, HEADER_MAX = 4096 };

static vk_err no(const char **why_r, const char *why)
{
    *why_r = why;
    return VK_E_UNAUTHORIZED;
}

/* The hex of HMAC-SHA256(secret, "<t>.<body>"). */
static vk_err expected(vk_secret secret, vk_str t, vk_str body, char out[HEX + 1])
{
    uint8_t mac[VK_SHA256];
    vk_buf b;
    vk_buf_init(&b, VK_STRIPE_EVENT_MAX + 64);
    vk_buf_str(&b, t);
    vk_buf_ch(&b, '.');
    vk_buf_str(&b, body);
    vk_err e = b.err;
    if (e == VK_OK) {
        vk_hmac(vk_secret_bytes(secret), vk_buf_view(&b), mac);
        vk_hex(out, mac, sizeof mac);
        vk_wipe(mac, sizeof mac);
    }
    vk_buf_free(&b);
    return e;
}

vk_err vk_stripe_hook_check(vk_secret secret, vk_str signature, vk_str body, int64_t now, const char **why_r)
{
    vk_str rest = signature, part, name, t = VK_STR_NONE, given[VK_STRIPE_SIGNATURES_MAX];
    char want[HEX + 1];
    size_t n = 0;
    int64_t at;
    bool good = false;
    if (!signature.n || signature.n > HEADER_MAX)
        return no(why_r, "There is no Stripe-Signature.");
    for (bool more = true; more;) {
        more = vk_str_cut(&rest, ',', &part);
        part = vk_str_trim(more ? part : rest);
        if (!vk_str_cut(&part, '=', &name))
            continue;
        if (vk_str_eqz(name, "t") && t.p)
            return no(why_r, "The signature has two times.");
        if (vk_str_eqz(name, "t"))
            t = part;
        else if (vk_str_eqz(name, "v1") && n < VK_COUNT(given))
            given[n++] = part;
    }
    if (!t.n || t.n > 16 || vk_str_to_i64(t, &at) != VK_OK || at < 0 || !n)
        return no(why_r, "The Stripe-Signature has no time or no signature of version 1.");
    vk_err e = expected(secret, t, body, want);
    if (e != VK_OK)
        return e == VK_E_TOO_LARGE ? no(why_r, "The event is too large.") : e;
    for (size_t i = 0; i < n; i++)
        good = vk_str_eq_secret(given[i], (vk_str){want, HEX}) || good;
    vk_wipe(want, sizeof want);
    if (!good)
        return no(why_r, "The signature is not that of the webhook secret.");
    if (at > now + VK_STRIPE_TOLERANCE_S || at < now - VK_STRIPE_TOLERANCE_S)
        return no(why_r, "The signature is too old, or of a time to come.");
    return VK_OK;
}

void vk_stripe_hook_answer(vk_exchange *ex, const vk_orgs *orgs)
{
    const vk_org *org = orgs ? vk_org_find(orgs, VK_STR("stripe"), VK_STR("")) : NULL;
    vk_secret secret = org ? vk_org_value(org, "webhook_secret") : VK_SECRET_NONE;
    const char *why = "The organisation has entered no webhook_secret of Stripe.";
    vk_err e = VK_E_UNAUTHORIZED;
    if (secret.n)
        e = vk_stripe_hook_check(secret, vk_request_header(ex, VK_STR("stripe-signature")),
                                 vk_buf_view(&ex->body), vk_clock_wall_ms() / 1000, &why);
    vk_jw w = vk_jw_on(&ex->out);
    vk_jw_obj(&w);
    vk_jw_kbool(&w, "ok", e == VK_OK);
    if (e != VK_OK)
        vk_jw_kstr(&w, "why", vk_str_z(e == VK_E_UNAUTHORIZED ? why : "There is no memory left."));
    vk_jw_obj_end(&w);
    vk_respond(ex, 200, "application/json");
}
