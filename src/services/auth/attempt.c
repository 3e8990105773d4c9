#include "services/auth/attempt.h"

#include "core/clock.h"
#include "core/rate.h"

/* What a client is shown of somebody before it has proved anything, where nobody is to be told who has an
 * account: the same of everybody. */
typedef struct mask {
    vk_auth_person person;
    vk_auth_user user;
    vk_auth_email_row email;
} mask;

/* ---- storing */

vk_auth_fail vk_auth_attempt_here(vk_auth_call *c, vk_auth_attempt *out_r)
{
    if (!c->has_client)
        return VK_AUTH_F_NO_ATTEMPT;
    vk_err e = vk_auth_attempt_get(c->db, c->arena, c->id[0], vk_str_z(c->client.id), out_r);
    if (e == VK_E_NOT_FOUND)
        return VK_AUTH_F_NO_ATTEMPT;
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    return out_r->status == VK_AUTH_A_COMPLETE || vk_auth_attempt_is_open(out_r, c->now_ms)
               ? VK_AUTH_F_OK
               : VK_AUTH_F_NO_ATTEMPT;
}

vk_auth_attempt vk_auth_attempt_new(const vk_auth_call *c, vk_auth_akind kind)
{
    vk_auth_attempt a = {.kind = kind,
                         .status = kind == VK_AUTH_A_SIGN_UP ? VK_AUTH_A_MISSING : VK_AUTH_A_NEEDS_IDENTIFIER,
                         .created_ms = c->now_ms,
                         .updated_ms = c->now_ms,
                         .abandon_ms = c->now_ms + VK_AUTH_ATTEMPT_MS};
    vk_auth_id_new(kind == VK_AUTH_A_SIGN_UP ? VK_AUTH_SIGN_UP : VK_AUTH_SIGN_IN, a.id);
    return a;
}

vk_auth_fail vk_auth_attempt_start(vk_auth_call *c, vk_auth_attempt *a)
{
    vk_auth_fail f = vk_auth_need_client_anew(c);
    if (f != VK_AUTH_F_OK)
        return f;
    memcpy(a->client, c->client.id, sizeof a->client);
    memcpy(a->kind == VK_AUTH_A_SIGN_UP ? c->client.sign_up : c->client.sign_in, a->id, sizeof a->id);
    vk_err e = vk_auth_attempt_add(c->db, a);
    if (e == VK_OK)
        e = vk_auth_client_put(c->db, &c->client);
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

vk_auth_fail vk_auth_attempt_save(vk_auth_call *c, vk_auth_attempt *a)
{
    a->updated_ms = c->now_ms;
    vk_err e = vk_auth_attempt_put(c->db, a);
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

/* ---- showing */

void vk_auth_address_mask(const vk_auth_call *c, const char *address, char out[VK_AUTH_ID_MAX + 1])
{
    char text[sizeof "idn:" + VK_AUTH_EMAIL_MAX];
    uint8_t hash[VK_SHA256];
    snprintf(text, sizeof text, "idn:%s", address);
    vk_auth_lookup(c, vk_secret_of(vk_str_z(text)), hash);
    vk_auth_id_of(VK_AUTH_IDENTIFICATION, hash, out);
}

static vk_auth_fail masked(vk_auth_call *c, const vk_auth_attempt *a, const vk_auth_person **out_r)
{
    mask *m = VK_NEW(c->arena, mask);
    if (!m)
        return vk_auth_broke(c, VK_E_NOMEM);
    m->user.digest = vk_secret_of(VK_STR("-")); /* looks as if there were a password */
    m->email.primary = m->email.verified = true;
    memcpy(m->email.address, a->address, sizeof m->email.address);
    vk_auth_address_mask(c, a->address, m->email.id);
    m->person = (vk_auth_person){&m->user, &m->email, 1};
    *out_r = &m->person;
    return VK_AUTH_F_OK;
}

static vk_auth_fail real(vk_auth_call *c, const char *user, const vk_auth_person **out_r)
{
    vk_auth_person *p = VK_NEW(c->arena, vk_auth_person);
    vk_err e = p ? vk_auth_person_get(c, vk_str_z(user), p) : VK_E_NOMEM;
    if (e == VK_OK)
        *out_r = p;
    return e == VK_OK || e == VK_E_NOT_FOUND ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

static vk_auth_fail view_of(vk_auth_call *c, const vk_auth_attempt *a, vk_auth_try_view *out_r)
{
    *out_r = (vk_auth_try_view){.attempt = a};
    if (a->kind != VK_AUTH_A_SIGN_IN || a->status == VK_AUTH_A_NEEDS_IDENTIFIER)
        return VK_AUTH_F_OK;
    if (vk_auth_hides_users(c) && a->status != VK_AUTH_A_COMPLETE)
        return masked(c, a, &out_r->person);
    return a->user[0] ? real(c, a->user, &out_r->person) : VK_AUTH_F_OK;
}

vk_auth_fail vk_auth_attempt_now(vk_auth_call *c, const char *id, vk_auth_try_view *out_r)
{
    *out_r = (vk_auth_try_view){0};
    if (!id[0])
        return VK_AUTH_F_OK;
    vk_auth_attempt *a = VK_NEW(c->arena, vk_auth_attempt);
    vk_err e = a ? vk_auth_attempt_get(c->db, c->arena, vk_str_z(id), vk_str_z(c->client.id), a) : VK_E_NOMEM;
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_AUTH_F_OK : vk_auth_broke(c, e);
    return vk_auth_attempt_is_open(a, c->now_ms) ? view_of(c, a, out_r) : VK_AUTH_F_OK;
}

vk_auth_fail vk_auth_attempt_write(vk_auth_call *c, const vk_auth_attempt *a)
{
    vk_auth_try_view t;
    vk_auth_view v = vk_auth_view_of(c);
    vk_auth_fail f = view_of(c, a, &t);
    if (f != VK_AUTH_F_OK)
        return f;
    if (a->kind == VK_AUTH_A_SIGN_UP)
        vk_auth_sign_up_write(&c->w, &v, &t);
    else
        vk_auth_sign_in_write(&c->w, &v, &t);
    return VK_AUTH_F_OK;
}

/* ---- asking */

vk_auth_fail vk_auth_may_secret(vk_auth_call *c, const char *name, size_t most, vk_secret *out_r)
{
    vk_err e = vk_auth_param_secret(&c->form, vk_str_z(name), most, out_r);
    if (e == VK_E_NOT_FOUND || (e == VK_OK && out_r->n == 0)) {
        *out_r = VK_SECRET_NONE;
        return VK_AUTH_F_OK;
    }
    if (e == VK_OK)
        return VK_AUTH_F_OK;
    c->param = vk_str_z(name);
    return VK_AUTH_F_PARAM_FORMAT;
}

/* ---- codes */

/* Wrong codes for one address, whatever they are for: whoever begins one sign-up after the other has no more
 * tries than who guesses at a user (VK_AUTH_LOCKOUT_MAX), of whom there is none yet. In memory: a restart
 * forgets. Two addresses that share a slot share its tries. */
enum { GUESS_SLOTS = 8192 };
static vk_bucket guessed_at[GUESS_SLOTS];

static vk_bucket *guesses_of(const vk_auth_call *c, vk_str address)
{
    uint64_t key[] = {vk_hash_str(vk_str_z(c->about->build)), vk_hash_str(address)};
    return &guessed_at[vk_hash(key, sizeof key) % GUESS_SLOTS];
}

static vk_rate guess_rate(void)
{
    const int64_t each = (int64_t)VK_AUTH_LOCKOUT_MS * 1000000 / VK_AUTH_LOCKOUT_MAX;
    return (vk_rate){each, each * VK_AUTH_LOCKOUT_MAX};
}

vk_auth_code_about vk_auth_about_code(const vk_auth_attempt *a, const char *strategy)
{
    vk_auth_code_about out;
    snprintf(out.text, sizeof out.text, "%s:%s", a->id, strategy);
    return out;
}

/* What a code is bound to, as 32 bytes, since an address may be longer than verification.h takes. `about` has
 * no NUL. False: it is too long. */
static bool bind_to(vk_str about, vk_str address, uint8_t out[VK_SHA256])
{
    char text[VK_AUTH_ABOUT_MAX + 1 + VK_AUTH_EMAIL_MAX];
    if (about.n > VK_AUTH_ABOUT_MAX || address.n > VK_AUTH_EMAIL_MAX)
        return false;
    if (about.n)
        memcpy(text, about.p, about.n);
    text[about.n] = '\0';
    if (address.n)
        memcpy(text + about.n + 1, address.p, address.n);
    vk_sha256((vk_str){text, about.n + 1 + address.n}, out);
    return true;
}

/* `about` VK_STR_NONE: for nobody. */
static vk_auth_fail send_one(vk_auth_call *c, vk_auth_verification *v, vk_str about, vk_str address,
                             const char *what)
{
    char code[VK_AUTH_CODE + 1] = "";
    uint8_t bound[VK_SHA256];
    if (!bind_to(about, address, bound))
        return vk_auth_broke(c, VK_E_TOO_LARGE);
    vk_err e = vk_auth_verification_prepare(v, vk_auth_code_key(c), (vk_str){(char *)bound, sizeof bound},
                                            c->now_ms, code);
    if (e == VK_E_BUSY || e == VK_E_CONFLICT)
        return e == VK_E_BUSY ? VK_AUTH_F_TOO_MANY : VK_AUTH_F_ALREADY_VERIFIED;
    if (e == VK_OK)
        e = vk_auth_outbox_add(c->db, &(vk_auth_message){.at_ms = c->now_ms,
                                                         .address = address,
                                                         .what = vk_str_z(what),
                                                         .code = about.p ? vk_str_z(code) : VK_STR("")});
    vk_wipe(code, sizeof code);
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

vk_auth_fail vk_auth_send_code(vk_auth_call *c, vk_auth_verification *v, vk_str about, vk_str address,
                               const char *what)
{
    return send_one(c, v, about, address, what);
}

vk_auth_fail vk_auth_send_nothing(vk_auth_call *c, vk_auth_verification *v, vk_str address, const char *what)
{
    return send_one(c, v, VK_STR_NONE, address, what);
}

/* `to`: the address that it counts for. */
static vk_auth_fail try_one(vk_auth_call *c, vk_auth_verification *v, vk_str about, vk_str address,
                            vk_secret code, bool fixed_too, vk_str to)
{
    uint8_t bound[VK_SHA256];
    uint32_t tries = v->tries;
    const vk_rate rate = guess_rate();
    vk_bucket *guesses = guesses_of(c, to);
    if (!bind_to(about, address, bound))
        return vk_auth_broke(c, VK_E_TOO_LARGE);
    int64_t wait = vk_rate_wait(guesses, &rate, vk_clock_mono_ms());
    if (wait) {
        c->ex->retry_s = vk_rate_seconds(wait);
        return VK_AUTH_F_TOO_MANY;
    }
    vk_auth_try t = vk_auth_verification_attempt(
        v, vk_auth_code_key(c), (vk_str){(char *)bound, sizeof bound}, code, fixed_too, c->now_ms);
    if (t == VK_AUTH_TRY_RIGHT)
        return VK_AUTH_F_OK;
    c->keep = true;
    c->guessed = v->tries != tries;
    if (c->guessed)
        (void)vk_rate_take(guesses, &rate, vk_clock_mono_ms());
    switch (t) {
    case VK_AUTH_TRY_WRONG:
        return VK_AUTH_F_CODE_WRONG;
    case VK_AUTH_TRY_FAILED:
        return VK_AUTH_F_CODE_FAILED;
    case VK_AUTH_TRY_DONE:
        return VK_AUTH_F_ALREADY_VERIFIED;
    case VK_AUTH_TRY_RIGHT:
    case VK_AUTH_TRY_EXPIRED:
    case VK_AUTH_TRY_NOTHING: /* there is nothing to be right about: what helps is the same */
        break;
    }
    return VK_AUTH_F_CODE_EXPIRED;
}

vk_auth_fail vk_auth_try_code(vk_auth_call *c, vk_auth_verification *v, vk_str about, vk_str address,
                              vk_secret code)
{
    return try_one(c, v, about, address, code, vk_auth_fixed(c, address), address);
}

/* A code that vk_auth_send_nothing made is not right here either: nobody has seen it, and it is bound to an
 * address, which this one is not. */
vk_auth_fail vk_auth_try_nothing(vk_auth_call *c, vk_auth_verification *v, vk_str address, vk_secret code)
{
    return try_one(c, v, VK_STR("nothing"), VK_STR_NONE, code, false, address);
}
