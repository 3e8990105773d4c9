#include "services/auth/verification.h"

#include "core/random.h"
#include "services/auth/email.h"

enum { CODES = 1000000 };

const char *vk_auth_vstate_name(vk_auth_vstate state)
{
    static const char *const names[VK_AUTH_V_STATES] = {"unverified", "unverified", "verified", "expired",
                                                        "failed"};
    return names[state];
}

vk_auth_vstate vk_auth_verification_now(const vk_auth_verification *v, int64_t now_ms)
{
    return v->state == VK_AUTH_V_SENT && now_ms >= v->expire_ms ? VK_AUTH_V_EXPIRED : v->state;
}

/* HMAC(key, about ‖ 0 ‖ code): `about` holds no NUL before the code could be mistaken for a part of it, since
 * a code has a fixed length. */
static void digest(vk_secret key, vk_str about, vk_str code, uint8_t out[VK_SHA256])
{
    char text[VK_AUTH_ABOUT_MAX + 1 + VK_AUTH_CODE];
    if (about.n)
        memcpy(text, about.p, about.n);
    text[about.n] = '\0';
    memcpy(text + about.n + 1, code.p, VK_AUTH_CODE);
    vk_hmac(vk_secret_bytes(key), (vk_str){text, about.n + 1 + VK_AUTH_CODE}, out);
    vk_wipe(text, sizeof text);
}

/* Each code is equally likely: what is left over of 2^32 is thrown away. */
static void random_code(char out[VK_AUTH_CODE + 1])
{
    uint32_t x;
    do
        vk_random(&x, sizeof x);
    while (x >= UINT32_MAX / CODES * CODES);
    snprintf(out, VK_AUTH_CODE + 1, "%06u", x % CODES);
    vk_wipe(&x, sizeof x);
}

vk_err vk_auth_verification_prepare(vk_auth_verification *v, vk_secret key, vk_str about, int64_t now_ms,
                                    char code_r[VK_AUTH_CODE + 1])
{
    if (about.n > VK_AUTH_ABOUT_MAX)
        return VK_E_TOO_LARGE;
    if (v->state == VK_AUTH_V_VERIFIED)
        return VK_E_CONFLICT;
    if (v->prepares >= VK_AUTH_PREPARES_MAX)
        return VK_E_BUSY;
    random_code(code_r);
    v->state = VK_AUTH_V_SENT;
    v->tries = 0;
    v->prepares++;
    v->expire_ms = now_ms + VK_AUTH_CODE_MS;
    digest(key, about, (vk_str){code_r, VK_AUTH_CODE}, v->code);
    return VK_OK;
}

vk_auth_try vk_auth_verification_attempt(vk_auth_verification *v, vk_secret key, vk_str about, vk_secret code,
                                         bool fixed_too, int64_t now_ms)
{
    v->state = vk_auth_verification_now(v, now_ms);
    switch (v->state) {
    case VK_AUTH_V_NOTHING:
    case VK_AUTH_V_STATES:
        return VK_AUTH_TRY_NOTHING;
    case VK_AUTH_V_VERIFIED:
        return VK_AUTH_TRY_DONE;
    case VK_AUTH_V_EXPIRED:
        return VK_AUTH_TRY_EXPIRED;
    case VK_AUTH_V_FAILED:
        return VK_AUTH_TRY_FAILED;
    case VK_AUTH_V_SENT:
        break;
    }
    uint8_t given[VK_SHA256];
    bool right = false;
    if (code.n == VK_AUTH_CODE && about.n <= VK_AUTH_ABOUT_MAX) {
        digest(key, about, vk_secret_bytes(code), given);
        right = vk_str_eq_secret((vk_str){(char *)given, sizeof given},
                                 (vk_str){(char *)v->code, sizeof v->code});
        right = (fixed_too && vk_secret_eq(code, vk_secret_of(VK_STR("424242")))) || right;
        vk_wipe(given, sizeof given);
    }
    if (right) {
        v->state = VK_AUTH_V_VERIFIED;
        v->tries++;
        memset(v->code, 0, sizeof v->code);
        return VK_AUTH_TRY_RIGHT;
    }
    if (++v->tries < VK_AUTH_TRIES_MAX)
        return VK_AUTH_TRY_WRONG;
    v->state = VK_AUTH_V_FAILED;
    memset(v->code, 0, sizeof v->code);
    return VK_AUTH_TRY_FAILED;
}

bool vk_auth_fixed_code(vk_str email, bool setting, bool alone)
{
    return vk_auth_email_is_test(email) || (setting && alone);
}

/* ---- lockout */

static bool counts(const vk_auth_lockout *l, int64_t now_ms)
{
    /* A clock that was set back must not lock somebody for long. */
    return l->failures && now_ms >= l->since_ms && now_ms - l->since_ms < VK_AUTH_LOCKOUT_MS;
}

int64_t vk_auth_locked_ms(const vk_auth_lockout *l, int64_t now_ms)
{
    return counts(l, now_ms) && l->failures >= VK_AUTH_LOCKOUT_MAX ? l->since_ms + VK_AUTH_LOCKOUT_MS - now_ms
                                                                   : 0;
}

void vk_auth_lockout_failed(vk_auth_lockout *l, int64_t now_ms)
{
    if (!counts(l, now_ms))
        *l = (vk_auth_lockout){0, now_ms};
    if (++l->failures == VK_AUTH_LOCKOUT_MAX)
        l->since_ms = now_ms; /* from here on it is the time of the lock */
}

uint32_t vk_auth_lockout_left(const vk_auth_lockout *l, int64_t now_ms)
{
    return !counts(l, now_ms)                   ? VK_AUTH_LOCKOUT_MAX
           : l->failures >= VK_AUTH_LOCKOUT_MAX ? 0
                                                : VK_AUTH_LOCKOUT_MAX - l->failures;
}

void vk_auth_lockout_clear(vk_auth_lockout *l)
{
    *l = (vk_auth_lockout){0};
}
