/* Sign-ups: fields come in any order and any number of calls, the address is proved by a code or an
 * invitation, and when nothing is missing there is a user with a session.
 *
 * Where nobody is to be told who has an account (vk_auth_hides_users), a sign-up for an address that somebody
 * has looks like any other, and no code is ever right for it: its message says that there is an account. */
#include "services/auth/attempt.h"

#define EMAIL_CODE "email_code"

/* Bytes of metadata that somebody who is not known yet may bring: Clerk's own limit
 * (clerk.com/docs/users/metadata), and what attempts take of the disk at most is a multiple of it. */
enum { METADATA_MAX = 8 * 1024 };

/* Whether somebody has the address. */
static vk_auth_fail taken(vk_auth_call *c, const char *address, bool *yes_r)
{
    vk_auth_user u;
    vk_err e = vk_auth_user_by_email(c->db, c->arena, vk_str_z(address), &u);
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        return vk_auth_broke(c, e);
    *yes_r = e == VK_OK;
    return VK_AUTH_F_OK;
}

/* ---- fields */

/* Another address is another thing to prove: what an invitation or a code said of the one before is void. How
 * many codes were sent stays. */
static void set_address(vk_auth_attempt *a, const char address[VK_AUTH_EMAIL_MAX + 1])
{
    if (strcmp(a->address, address) == 0)
        return;
    memcpy(a->address, address, sizeof a->address);
    a->verification = (vk_auth_verification){.prepares = a->verification.prepares};
    a->strategy[0] = a->via[0] = '\0';
}

/* An invitation says which address, and that it is proved. The component sends it along with every call, so
 * it is used up only when there is a user. */
static vk_auth_fail by_ticket(vk_auth_call *c, vk_auth_attempt *a)
{
    vk_secret text;
    vk_auth_ticket t;
    bool is_taken = false;
    vk_auth_fail f = vk_auth_need_secret(c, "ticket", VK_AUTH_TICKET_TEXT_MAX, &text);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_ticket_find(c, text, &t);
    if (f != VK_AUTH_F_OK)
        return f;
    if (t.kind != VK_AUTH_T_INVITATION)
        return VK_AUTH_F_TICKET_NOT_HERE;
    f = vk_auth_ticket_usable(c, &t);
    if (f == VK_AUTH_F_OK)
        f = taken(c, t.address, &is_taken);
    if (f != VK_AUTH_F_OK || is_taken)
        return f == VK_AUTH_F_OK ? VK_AUTH_F_IDENTIFIER_TAKEN : f;
    if (strcmp(a->via, t.id) == 0)
        return VK_AUTH_F_OK;
    set_address(a, t.address);
    memcpy(a->via, t.id, sizeof a->via);
    snprintf(a->strategy, sizeof a->strategy, "ticket");
    a->verification = (vk_auth_verification){.state = VK_AUTH_V_VERIFIED,
                                             .prepares = a->verification.prepares,
                                             .expire_ms = c->now_ms + VK_AUTH_CODE_MS};
    return VK_AUTH_F_OK;
}

static vk_auth_fail by_address(vk_auth_call *c, vk_auth_attempt *a)
{
    vk_str text;
    char address[VK_AUTH_EMAIL_MAX + 1] = "";
    bool is_taken = false;
    vk_auth_fail f = vk_auth_may_text(c, "email_address", VK_AUTH_IDENTIFIER_MAX, &text);
    if (f != VK_AUTH_F_OK || !text.p)
        return f;
    if (vk_auth_email(text, address) != VK_OK)
        return VK_AUTH_F_EMAIL_FORMAT;
    if (!vk_auth_hides_users(c))
        f = taken(c, address, &is_taken);
    if (f != VK_AUTH_F_OK || is_taken)
        return f == VK_AUTH_F_OK ? VK_AUTH_F_IDENTIFIER_TAKEN : f;
    set_address(a, address);
    return VK_AUTH_F_OK;
}

static vk_auth_fail name(vk_auth_call *c, const char *param, vk_str *out)
{
    bool there;
    vk_str text;
    vk_auth_fail f = vk_auth_set_text(c, param, VK_AUTH_TEXT_MAX, &there, &text);
    if (f == VK_AUTH_F_OK && there)
        *out = text;
    return f;
}

/* What is no part of a sign-up here: better said than dropped. */
static vk_auth_fail others(vk_auth_call *c)
{
    static const char *const unknown[] = {"username", "phone_number", "web3_wallet"};
    bool transfer = false;
    vk_str text;
    for (size_t i = 0; i < VK_COUNT(unknown); i++) {
        vk_auth_fail f = vk_auth_may_text(c, unknown[i], VK_AUTH_IDENTIFIER_MAX, &text);
        if (f != VK_AUTH_F_OK)
            return f;
        if (text.p) {
            c->param = vk_str_z(unknown[i]);
            return VK_AUTH_F_PARAM_UNKNOWN;
        }
    }
    vk_err e = vk_auth_param_bool(&c->form, VK_STR("transfer"), &transfer);
    if (e != VK_OK && e != VK_E_NOT_FOUND) {
        c->param = VK_STR("transfer");
        return VK_AUTH_F_PARAM_FORMAT;
    }
    return transfer ? VK_AUTH_F_UNSUPPORTED : VK_AUTH_F_OK; /* of a sign-in with another provider */
}

/* All fields that a call may bring, into *a. Changes nothing in the database, and asks for the password's
 * digest last, when everything else is good. */
static vk_auth_fail fields(vk_auth_call *c, vk_auth_attempt *a)
{
    vk_str strategy = VK_STR_NONE, unsafe = VK_STR_NONE;
    vk_secret password = VK_SECRET_NONE, ticket;
    vk_auth_fail f = others(c);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_text(c, "strategy", VK_AUTH_STRATEGY_MAX, &strategy);
    bool by_invitation = vk_str_eqz(strategy, "ticket"); /* "password" says no more than the password does */
    if (f == VK_AUTH_F_OK && strategy.p && !by_invitation && !vk_str_eqz(strategy, "password"))
        f = VK_AUTH_F_STRATEGY;
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_secret(c, "ticket", VK_AUTH_TICKET_TEXT_MAX, &ticket);
    if (f == VK_AUTH_F_OK && (ticket.n || (by_invitation && !a->via[0])))
        f = by_ticket(c, a);
    if (f == VK_AUTH_F_OK)
        f = by_address(c, a);
    if (f == VK_AUTH_F_OK)
        f = name(c, "first_name", &a->first_name);
    if (f == VK_AUTH_F_OK)
        f = name(c, "last_name", &a->last_name);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_object(c, "unsafe_metadata", &unsafe);
    if (f == VK_AUTH_F_OK && unsafe.n > METADATA_MAX) {
        c->param = VK_STR("unsafe_metadata");
        f = VK_AUTH_F_PARAM_LARGE;
    }
    if (f == VK_AUTH_F_OK && unsafe.p)
        a->unsafe_metadata = unsafe;
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_secret(c, "password", VK_AUTH_PASSWORD_MAX, &password);
    if (f == VK_AUTH_F_OK && password.n)
        f = vk_auth_hash(c, password, &a->digest);
    return f;
}

/* ---- completing */

static vk_auth_fail make_user(vk_auth_call *c, const vk_auth_attempt *a, const vk_auth_ticket *invitation,
                              char id_r[VK_AUTH_ID_MAX + 1])
{
    bool invited = invitation && invitation->public_metadata.p;
    vk_auth_user u = {.first_name = a->first_name,
                      .last_name = a->last_name,
                      .public_metadata = invited ? invitation->public_metadata : VK_STR("{}"),
                      .private_metadata = VK_STR("{}"),
                      .unsafe_metadata = a->unsafe_metadata.p ? a->unsafe_metadata : VK_STR("{}"),
                      .digest = a->digest,
                      .digest_kind = VK_PASSWORD_ARGON2ID,
                      .password_ms = c->now_ms,
                      .last_active_ms = c->now_ms,
                      .created_ms = c->now_ms,
                      .updated_ms = c->now_ms};
    vk_auth_email_row row = {.primary = true,
                             .verified = true,
                             .verification = a->verification,
                             .created_ms = c->now_ms,
                             .updated_ms = c->now_ms};
    vk_auth_id_new(VK_AUTH_USER, u.id);
    vk_auth_id_new(VK_AUTH_IDENTIFICATION, row.id);
    memcpy(row.user, u.id, sizeof row.user);
    memcpy(row.address, a->address, sizeof row.address);
    memcpy(row.strategy, a->strategy, sizeof row.strategy);
    vk_err e = vk_auth_user_add(c->db, &u);
    if (e == VK_OK)
        e = vk_auth_email_add(c->db, &row);
    if (e == VK_E_CONFLICT)
        return VK_AUTH_F_IDENTIFIER_TAKEN;
    memcpy(id_r, u.id, sizeof u.id);
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

/* Everything is there: a user, whose address it is, signed in. What can be refused is asked first. */
static vk_auth_fail finish(vk_auth_call *c, vk_auth_attempt *a)
{
    vk_auth_ticket invitation;
    vk_auth_session s;
    bool is_taken = false;
    vk_auth_fail f = taken(c, a->address, &is_taken);
    if (f != VK_AUTH_F_OK || is_taken)
        return f == VK_AUTH_F_OK ? VK_AUTH_F_IDENTIFIER_TAKEN : f;
    if (a->via[0]) { /* it may have been taken back, or used by another sign-up, since it was shown */
        vk_err e = vk_auth_ticket_get(c->db, c->arena, vk_str_z(a->via), &invitation);
        if (e != VK_OK)
            return e == VK_E_NOT_FOUND ? VK_AUTH_F_TICKET : vk_auth_broke(c, e);
        f = vk_auth_ticket_usable(c, &invitation);
    }
    if (f == VK_AUTH_F_OK)
        f = make_user(c, a, a->via[0] ? &invitation : NULL, a->user);
    if (f == VK_AUTH_F_OK && a->via[0])
        f = vk_auth_ticket_accept(c, &invitation, a->user);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_sign_in_user(c, vk_str_z(a->user), "password", &s);
    if (f != VK_AUTH_F_OK)
        return f;
    a->status = VK_AUTH_A_COMPLETE;
    a->digest = VK_SECRET_NONE; /* the user's now */
    memcpy(a->session, s.id, sizeof a->session);
    return VK_AUTH_F_OK;
}

/* Stores what was learnt of the sign-up, which is complete if nothing is missing any more, and answers. */
static vk_auth_fail go_on(vk_auth_call *c, vk_auth_attempt *a)
{
    vk_auth_missing m = vk_auth_sign_up_missing(a);
    vk_auth_fail f = VK_AUTH_F_OK;
    if (!m.address && !m.password && !m.verification)
        f = finish(c, a);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_attempt_save(c, a);
    return f == VK_AUTH_F_OK ? vk_auth_attempt_write(c, a) : f;
}

/* ---- endpoints */

static vk_auth_fail create(vk_auth_call *c)
{
    vk_auth_attempt a = vk_auth_attempt_new(c, VK_AUTH_A_SIGN_UP);
    vk_auth_fail f = fields(c, &a);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_attempt_start(c, &a);
    return f == VK_AUTH_F_OK ? go_on(c, &a) : f;
}

static vk_auth_fail get(vk_auth_call *c)
{
    vk_auth_attempt a;
    vk_auth_fail f = vk_auth_attempt_here(c, &a);
    return f == VK_AUTH_F_OK ? vk_auth_attempt_write(c, &a) : f;
}

static vk_auth_fail update(vk_auth_call *c)
{
    vk_auth_attempt a;
    vk_auth_fail f = vk_auth_attempt_here(c, &a);
    if (f == VK_AUTH_F_OK && a.status == VK_AUTH_A_COMPLETE)
        f = VK_AUTH_F_SIGN_UP_OVER;
    if (f == VK_AUTH_F_OK)
        f = fields(c, &a);
    return f == VK_AUTH_F_OK ? go_on(c, &a) : f;
}

/* The sign-up of a call about its code. *hidden_r: somebody has the address, and it is not to be told. */
static vk_auth_fail about_code(vk_auth_call *c, vk_auth_attempt *a, bool *hidden_r)
{
    vk_str strategy;
    vk_auth_fail f = vk_auth_attempt_here(c, a);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_need_text(c, "strategy", VK_AUTH_STRATEGY_MAX, &strategy);
    if (f != VK_AUTH_F_OK)
        return f;
    if (!vk_str_eqz(strategy, EMAIL_CODE))
        return VK_AUTH_F_STRATEGY;
    if (a->status == VK_AUTH_A_COMPLETE || a->verification.state == VK_AUTH_V_VERIFIED)
        return VK_AUTH_F_ALREADY_VERIFIED;
    if (!a->address[0]) {
        c->param = VK_STR("email_address");
        return VK_AUTH_F_PARAM_MISSING;
    }
    f = taken(c, a->address, hidden_r);
    *hidden_r = *hidden_r && vk_auth_hides_users(c);
    return f;
}

static vk_auth_fail prepare(vk_auth_call *c)
{
    vk_auth_attempt a;
    bool hidden = false;
    vk_auth_fail f = about_code(c, &a, &hidden);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_auth_code_about about = vk_auth_about_code(&a, EMAIL_CODE);
    f = hidden ? vk_auth_send_nothing(c, &a.verification, vk_str_z(a.address), "account_exists")
               : vk_auth_send_code(c, &a.verification, vk_str_z(about.text), vk_str_z(a.address), "sign_up");
    snprintf(a.strategy, sizeof a.strategy, EMAIL_CODE);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_attempt_save(c, &a);
    return f == VK_AUTH_F_OK ? vk_auth_attempt_write(c, &a) : f;
}

static vk_auth_fail attempt(vk_auth_call *c)
{
    vk_auth_attempt a;
    vk_secret code;
    bool hidden = false;
    vk_auth_fail f = about_code(c, &a, &hidden);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_need_secret(c, "code", VK_AUTH_CODE_TEXT_MAX, &code);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_auth_code_about about = vk_auth_about_code(&a, EMAIL_CODE);
    f = hidden ? vk_auth_try_nothing(c, &a.verification, vk_str_z(a.address), code)
               : vk_auth_try_code(c, &a.verification, vk_str_z(about.text), vk_str_z(a.address), code);
    if (f == VK_AUTH_F_OK)
        return go_on(c, &a);
    vk_auth_fail saved = vk_auth_attempt_save(c, &a);
    return saved == VK_AUTH_F_OK ? f : saved;
}

const vk_auth_route vk_auth_sign_up_routes[] = {
    {"POST", "/client/sign_ups", VK_AUTH_NEEDS_BROWSER, VK_AUTH_ENVELOPE, false, true, create, true},
    {"GET", "/client/sign_ups/{sua}", VK_AUTH_NEEDS_BROWSER, VK_AUTH_ENVELOPE, true, false, get, false},
    {"PATCH", "/client/sign_ups/{sua}", VK_AUTH_NEEDS_BROWSER, VK_AUTH_ENVELOPE, false, false, update, true},
    {"POST", "/client/sign_ups/{sua}/prepare_verification", VK_AUTH_NEEDS_BROWSER, VK_AUTH_ENVELOPE, false,
     true, prepare, false},
    {"POST", "/client/sign_ups/{sua}/attempt_verification", VK_AUTH_NEEDS_BROWSER, VK_AUTH_ENVELOPE, false,
     false, attempt, true},
    {0},
};
