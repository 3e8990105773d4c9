#include "core/encode.h"
#include "crypto/digest.h"
#include "keeper/org.h"
#include "keeper/vendor_stripe.h"

vk_str vk_stripe_idempotency(vk_arena *a, const char *build, uint64_t generation, vk_str key)
{
    char hex[2 * VK_SHA256 + 1];
    uint8_t hash[VK_SHA256];
    vk_str plain =
        vk_arena_printf(a, "%s/%llu/" VK_STR_FMT, build, (unsigned long long)generation, VK_STR_ARG(key));
    if (!plain.p || plain.n <= VK_STRIPE_IDEMPOTENCY_MAX)
        return plain;
    vk_sha256(key, hash);
    vk_hex(hex, hash, sizeof hash);
    /* '#' where the others have '/': no key that somebody chooses is the same */
    return vk_arena_printf(a, "%s/%llu#%.*s", build, (unsigned long long)generation, 2 * VK_SHA256, hex);
}

static vk_str header(const vk_order *o, const char *name)
{
    for (size_t i = 0; i < o->n_headers; i++)
        if (vk_str_ieq(o->headers[i].name, vk_str_z(name)))
            return o->headers[i].value;
    return VK_STR_NONE;
}

/* In the order in which Stripe's documentation has the ways: an account of the build's, else one for all. An
 * account that was made here is in the vault, and the build is in no other, whatever front says. */
static vk_err account_line(vk_order *o, const char **why_r)
{
    vk_str account = vk_binding_value(o->binding, "account"), soft = vk_binding_value(o->binding, "soft");
    const vk_vendor_field *field = vk_vendor_field_of(o->vendor->own, VK_STR("account"));
    vk_str made = o->own ? vk_secret_bytes(vk_org_value(o->own, "account")) : VK_STR_NONE;
    if (!o->build || !*o->build)
        return VK_OK;
    if (made.n && (account.n || soft.n) && (soft.n || !vk_str_eq(made, account))) {
        *why_r = "the build's account was changed: it has one that was made for it";
        return VK_E_FORBIDDEN;
    }
    if (!account.n && vk_str_eqz(soft, "yes"))
        return VK_OK;
    if (!account.n || soft.n) {
        *why_r = account.n ? "the build has both an account and soft=yes" : "the build has no account yet";
        return VK_E_UNAVAILABLE;
    }
    if (!field || !field->ok(account, why_r))
        return VK_E_UNAVAILABLE;
    vk_buf_lit(o->lines, "Stripe-Account: ");
    vk_buf_str(o->lines, account);
    vk_buf_lit(o->lines, "\r\n");
    return VK_OK;
}

static vk_err idempotency_line(vk_order *o)
{
    vk_str key = header(o, "idempotency-key");
    o->again = vk_str_eqz(o->method, "GET");
    if (!key.n)
        return VK_OK;
    key = vk_stripe_idempotency(o->arena, o->build, o->generation, key);
    if (!key.p)
        return VK_E_NOMEM;
    vk_buf_lit(o->lines, "Idempotency-Key: ");
    vk_buf_str(o->lines, key);
    vk_buf_lit(o->lines, "\r\n");
    o->again = o->again || vk_str_eqz(o->method, "POST"); /* Stripe ignores the key of any other */
    return VK_OK;
}

vk_err vk_stripe_order(vk_order *o, const char **why_r)
{
    vk_secret key = o->org ? vk_org_value(o->org, "secret_key") : VK_SECRET_NONE;
    vk_secret base = o->org ? vk_org_value(o->org, "api_base") : VK_SECRET_NONE;
    if (!key.n || !base.n) {
        *why_r = "the organisation has no key of Stripe here";
        return VK_E_UNAVAILABLE;
    }
    vk_err e = vk_order_to(o, vk_secret_bytes(base), why_r);
    if (e != VK_OK)
        return e;
    e = account_line(o, why_r);
    if (e == VK_OK)
        e = idempotency_line(o);
    if (e != VK_OK)
        return e;
    vk_buf_lit(o->lines, "Authorization: Bearer ");
    vk_buf_str(o->lines, vk_secret_bytes(key));
    vk_buf_lit(o->lines, "\r\nAccept-Encoding: identity\r\nAccept: application/json\r\n");
    return o->lines->err;
}

vk_err vk_stripe_own_order(vk_order *o, const char **why_r)
{
    o->again = o->again || vk_str_eqz(o->method, "GET");
    return vk_order_bearer(o, "secret_key", why_r);
}
