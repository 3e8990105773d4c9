/* Who is signed in proves again who they are, before what must not be done by whoever finds a browser open: a
 * new password, another address, the account's end. Clerk's components ask for it when an endpoint refuses
 * with "session_reverification_required", and then try that again. */
#include "services/auth/call.h"

enum { CODE_GIVEN_MAX = 32 };

vk_auth_fail vk_auth_need_fresh(const vk_auth_call *c)
{
    int64_t age = c->now_ms - c->session.verified_ms;
    /* A time to come is of a clock that was set back: then nobody knows how long ago it was. */
    return age >= 0 && age < VK_AUTH_FRESH_MS ? VK_AUTH_F_OK : VK_AUTH_F_REVERIFY;
}

static bool is_locked(const vk_auth_call *c)
{
    const vk_auth_user *u = c->person.user;
    return u->locked || vk_auth_locked_ms(&u->lockout, c->now_ms) > 0;
}

/* A guess that was wrong, of a password or a code: towards the lockout. */
static vk_auth_fail count_miss(vk_auth_call *c)
{
    vk_auth_user u = *c->person.user;
    vk_auth_lockout_failed(&u.lockout, c->now_ms);
    return vk_auth_person_put(c, &u);
}

vk_auth_fail vk_auth_need_password(vk_auth_call *c, vk_secret password, vk_auth_fail wrong)
{
    bool right;
    vk_secret better;
    vk_auth_user u = *c->person.user;
    if (is_locked(c))
        return VK_AUTH_F_USER_LOCKED;
    if (!u.digest.n)
        return wrong;
    vk_auth_fail f = vk_auth_check(c, u.digest_kind, u.digest, password, &right, &better);
    if (f != VK_AUTH_F_OK)
        return f;
    if (!right) {
        c->keep = c->guessed = true;
        f = count_miss(c);
        return f == VK_AUTH_F_OK ? wrong : f;
    }
    if (!u.lockout.failures && !better.n)
        return VK_AUTH_F_OK;
    vk_auth_lockout_clear(&u.lockout);
    if (better.n) {
        u.digest = better;
        u.digest_kind = VK_PASSWORD_ARGON2ID;
    }
    return vk_auth_person_put(c, &u);
}

/* What a code is bound to: the session, and which address it went to. */
static vk_str about(const vk_auth_call *c, const vk_auth_email_row *to, char out[VK_AUTH_ABOUT_MAX])
{
    int n = snprintf(out, VK_AUTH_ABOUT_MAX, "%s %s", c->session.id, to->id);
    return (vk_str){out, (size_t)n};
}

/* The proof under way of this session, or a new one: *new_r. One that has done its work, or is old, begins
 * anew. */
static vk_auth_fail under_way(vk_auth_call *c, vk_auth_attempt *a, bool *new_r)
{
    vk_err e = vk_auth_attempt_get(c->db, c->arena, vk_str_z(c->session.id), vk_str_z(c->client.id), a);
    *new_r = e == VK_E_NOT_FOUND;
    if (e == VK_OK && vk_auth_attempt_is_open(a, c->now_ms))
        return VK_AUTH_F_OK;
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        return vk_auth_broke(c, e);
    *a = (vk_auth_attempt){.kind = VK_AUTH_A_REVERIFY,
                           .status = VK_AUTH_A_NEEDS_FACTOR,
                           .created_ms = c->now_ms,
                           .updated_ms = c->now_ms,
                           .abandon_ms = c->now_ms + VK_AUTH_ATTEMPT_MS};
    memcpy(a->id, c->session.id, sizeof a->id);
    memcpy(a->client, c->client.id, sizeof a->client);
    memcpy(a->user, c->session.user, sizeof a->user);
    snprintf(a->strategy, sizeof a->strategy, "email_code");
    return VK_AUTH_F_OK;
}

static vk_auth_fail store(vk_auth_call *c, vk_auth_attempt *a, bool is_new)
{
    a->updated_ms = c->now_ms;
    vk_err e = is_new ? vk_auth_attempt_add(c->db, a) : vk_auth_attempt_put(c->db, a);
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

/* With a token that says how long ago it was: apps look at it, too. */
static vk_auth_fail answer(vk_auth_call *c, const vk_auth_attempt *a, const char *strategy)
{
    vk_secret jwt;
    vk_auth_view v = vk_auth_view_of(c);
    vk_str azp = c->origin[0] ? vk_str_z(c->origin) : VK_STR_NONE;
    vk_auth_fail f = vk_auth_token(c, &c->session, azp, strategy != NULL, &jwt);
    if (f != VK_AUTH_F_OK)
        return f;
    const vk_auth_again again = {
        .attempt = a, .strategy = strategy, .session = {&c->session, &c->person, jwt}};
    vk_auth_again_write(&c->w, &v, &again);
    return VK_AUTH_F_OK;
}

static vk_auth_fail proven(vk_auth_call *c, const vk_auth_attempt *a, const char *strategy)
{
    c->session.verified_ms = c->now_ms;
    vk_err e = vk_auth_session_put(c->db, &c->session);
    return e == VK_OK ? answer(c, a, strategy) : vk_auth_broke(c, e);
}

/* `level` does not matter: whoever has one factor gives that one. */
static vk_auth_fail start(vk_auth_call *c)
{
    vk_auth_fail f = vk_auth_need_active(c);
    return f == VK_AUTH_F_OK ? answer(c, NULL, NULL) : f;
}

/* The verified address that is asked for, or the first. */
static vk_auth_fail chosen(vk_auth_call *c, const vk_auth_email_row **out_r)
{
    vk_str id;
    const vk_auth_person *p = &c->person;
    vk_auth_fail f = vk_auth_may_text(c, "email_address_id", VK_AUTH_ID_MAX, &id);
    if (f != VK_AUTH_F_OK)
        return f;
    for (size_t i = 0; i < p->n_emails; i++) {
        if (p->emails[i].verified && (!id.n || vk_str_eqz(id, p->emails[i].id))) {
            *out_r = &p->emails[i];
            return VK_AUTH_F_OK;
        }
    }
    return VK_AUTH_F_NOT_FOUND;
}

static vk_auth_fail prepare(vk_auth_call *c)
{
    vk_str strategy;
    const vk_auth_email_row *to;
    vk_auth_attempt a;
    bool is_new;
    char text[VK_AUTH_ABOUT_MAX];
    vk_auth_fail f = vk_auth_need_active(c);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_need_text(c, "strategy", VK_AUTH_STRATEGY_MAX, &strategy);
    if (f == VK_AUTH_F_OK && !vk_str_eqz(strategy, "email_code"))
        f = VK_AUTH_F_STRATEGY;
    if (f == VK_AUTH_F_OK)
        f = chosen(c, &to);
    if (f == VK_AUTH_F_OK)
        f = under_way(c, &a, &is_new);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_send_code(c, &a.verification, about(c, to, text), vk_str_z(to->address),
                              "session_verification");
    if (f != VK_AUTH_F_OK)
        return f;
    memcpy(a.address, to->address, sizeof a.address);
    f = store(c, &a, is_new);
    return f == VK_AUTH_F_OK ? answer(c, &a, NULL) : f;
}

static vk_auth_fail by_code(vk_auth_call *c)
{
    vk_secret code;
    vk_auth_attempt a;
    bool is_new;
    char text[VK_AUTH_ABOUT_MAX];
    const vk_auth_email_row *to = NULL;
    vk_auth_fail f = vk_auth_need_secret(c, "code", CODE_GIVEN_MAX, &code);
    if (f == VK_AUTH_F_OK)
        f = under_way(c, &a, &is_new);
    if (f != VK_AUTH_F_OK)
        return f;
    for (size_t i = 0; i < c->person.n_emails; i++) {
        if (c->person.emails[i].verified && strcmp(c->person.emails[i].address, a.address) == 0)
            to = &c->person.emails[i];
    }
    if (is_locked(c))
        return VK_AUTH_F_USER_LOCKED;
    if (is_new || !to) /* no code was sent, or the address is not theirs any more */
        return VK_AUTH_F_CODE_EXPIRED;
    vk_auth_fail tried = vk_auth_try_code(c, &a.verification, about(c, to, text), vk_str_z(a.address), code);
    if (tried == VK_AUTH_F_OK)
        a.status = VK_AUTH_A_COMPLETE;
    f = store(c, &a, false);
    if (f == VK_AUTH_F_OK && c->guessed)
        f = count_miss(c);
    if (f != VK_AUTH_F_OK || tried != VK_AUTH_F_OK)
        return f != VK_AUTH_F_OK ? f : tried;
    return proven(c, &a, "email_code");
}

static vk_auth_fail attempt(vk_auth_call *c)
{
    vk_str strategy;
    vk_secret password;
    vk_auth_fail f = vk_auth_need_active(c);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_need_text(c, "strategy", VK_AUTH_STRATEGY_MAX, &strategy);
    if (f == VK_AUTH_F_OK && vk_str_eqz(strategy, "email_code"))
        return by_code(c);
    if (f == VK_AUTH_F_OK && !vk_str_eqz(strategy, "password"))
        f = VK_AUTH_F_STRATEGY;
    if (f == VK_AUTH_F_OK)
        f = vk_auth_need_secret(c, "password", VK_AUTH_PASSWORD_MAX, &password);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_need_password(c, password, VK_AUTH_F_PASSWORD_WRONG);
    return f == VK_AUTH_F_OK ? proven(c, NULL, "password") : f;
}

const vk_auth_route vk_auth_reverify_routes[] = {
    {.method = "POST",
     .path = "/client/sessions/{sess}/verify",
     .need = VK_AUTH_NEEDS_SESSION,
     .form = VK_AUTH_ENVELOPE,
     .reads = true,
     .run = start},
    {.method = "POST",
     .path = "/client/sessions/{sess}/verify/prepare_first_factor",
     .need = VK_AUTH_NEEDS_SESSION,
     .form = VK_AUTH_ENVELOPE,
     .run = prepare},
    {.method = "POST",
     .path = "/client/sessions/{sess}/verify/attempt_first_factor",
     .need = VK_AUTH_NEEDS_SESSION,
     .form = VK_AUTH_ENVELOPE,
     .run = attempt,
     .guesses = true},
    {.method = NULL},
};
