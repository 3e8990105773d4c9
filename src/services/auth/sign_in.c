/* Sign-ins: an identifier, then a first factor: the password, a code to an address, or a code and a new
 * password. Sign-in tokens need neither.
 *
 * Where nobody is to be told who has an account (vk_auth_hides_users), an address that nobody has gets a
 * sign-in, too, which asks for the same factors, does the same work for each try, writes as much, and is
 * never right; and one that somebody has shows nothing of them, and does not say that they are locked. So
 * every step below asks for `who`, whose `user` is NULL when there is nobody to be right, and goes on. */
#include "services/auth/attempt.h"

#define PASSWORD "password"
#define EMAIL_CODE "email_code"
#define RESET "reset_password_email_code"

/* A new password must follow its code within this. */
enum { RESET_MS = 15 * 60 * 1000 };

/* Who may be right in a sign-in. */
typedef struct who {
    vk_auth_user row;
    vk_auth_user *user; /* &row, or NULL: nobody: no such user, or one who is locked, which is not told */
} who;

static bool is_code(vk_str strategy)
{
    return vk_str_eqz(strategy, EMAIL_CODE) || vk_str_eqz(strategy, RESET);
}

/* ---- who */

static vk_auth_fail missing(vk_auth_call *c, const char *param)
{
    c->param = vk_str_z(param);
    return VK_AUTH_F_PARAM_MISSING;
}

/* `e` of the look-up that filled w->row. */
static vk_auth_fail found(vk_auth_call *c, vk_err e, who *w)
{
    w->user = NULL;
    if (e == VK_E_NOT_FOUND) {
        w->row.id[0] = '\0';
        return VK_AUTH_F_OK;
    }
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    if (!w->row.locked && !vk_auth_locked_ms(&w->row.lockout, c->now_ms))
        w->user = &w->row;
    else if (!vk_auth_hides_users(c))
        return VK_AUTH_F_USER_LOCKED;
    return VK_AUTH_F_OK;
}

static vk_auth_fail who_of(vk_auth_call *c, const vk_auth_attempt *a, who *w)
{
    return found(
        c, a->user[0] ? vk_auth_user_get(c->db, c->arena, vk_str_z(a->user), &w->row) : VK_E_NOT_FOUND, w);
}

/* The sign-in of the path, as far as a factor may be tried. */
static vk_auth_fail open_one(vk_auth_call *c, vk_auth_attempt *a)
{
    vk_auth_fail f = vk_auth_attempt_here(c, a);
    if (f != VK_AUTH_F_OK)
        return f;
    return a->status == VK_AUTH_A_COMPLETE           ? VK_AUTH_F_ALREADY_VERIFIED
           : a->status == VK_AUTH_A_NEEDS_IDENTIFIER ? missing(c, "identifier")
                                                     : VK_AUTH_F_OK;
}

/* A wrong password or code counts against the user, or costs as much where there is none. */
static vk_auth_fail count_miss(vk_auth_call *c, who *w)
{
    vk_err e;
    if (w->user) {
        vk_auth_lockout_failed(&w->user->lockout, c->now_ms);
        e = vk_auth_user_put(c->db, w->user);
    } else {
        e = vk_auth_browser_put(c->db, c->browser, vk_str_z(c->has_client ? c->client.id : ""), c->now_ms);
    }
    c->keep = true;
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

/* VK_AUTH_F_OK: it is w->user's. Asks for the work before it changes anything. */
static vk_auth_fail check_password(vk_auth_call *c, who *w, vk_secret password)
{
    bool right = false;
    vk_secret better = VK_SECRET_NONE;
    bool has = w->user && w->user->digest.n;
    vk_auth_fail f = has ? vk_auth_check(c, w->user->digest_kind, w->user->digest, password, &right, &better)
                         : vk_auth_check_nobody(c, password);
    if (f != VK_AUTH_F_OK)
        return f;
    if (!right) {
        f = count_miss(c, w);
        c->guessed = true;
        return f == VK_AUTH_F_OK ? VK_AUTH_F_PASSWORD_WRONG : f;
    }
    if (better.n) {
        w->user->digest = better;
        w->user->digest_kind = VK_PASSWORD_ARGON2ID;
    }
    return VK_AUTH_F_OK;
}

/* They have proved who they are: the sign-in is complete. `strategy` is the client's last one. */
static vk_auth_fail finish(vk_auth_call *c, vk_auth_attempt *a, who *w, const char *strategy)
{
    vk_auth_session s;
    vk_auth_lockout_clear(&w->user->lockout);
    vk_err e = vk_auth_user_put(c->db, w->user);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    vk_auth_fail f = vk_auth_sign_in_user(c, vk_str_z(w->user->id), strategy, &s);
    if (f != VK_AUTH_F_OK)
        return f;
    a->status = VK_AUTH_A_COMPLETE;
    memcpy(a->user, w->user->id, sizeof a->user);
    memcpy(a->session, s.id, sizeof a->session);
    f = vk_auth_attempt_save(c, a);
    return f == VK_AUTH_F_OK ? vk_auth_attempt_write(c, a) : f;
}

/* A factor that is proved without a code. */
static void proved(const vk_auth_call *c, vk_auth_attempt *a, const char *strategy)
{
    snprintf(a->strategy, sizeof a->strategy, "%s", strategy);
    a->verification = (vk_auth_verification){.state = VK_AUTH_V_VERIFIED,
                                             .tries = 1,
                                             .prepares = a->verification.prepares,
                                             .expire_ms = c->now_ms + VK_AUTH_CODE_MS};
}

/* ---- codes */

/* An address that a code goes to: by its id, or by the text that the sign-in began with. */
typedef struct target {
    char id[VK_AUTH_ID_MAX + 1], address[VK_AUTH_EMAIL_MAX + 1];
    bool reachable; /* a code may go there, and be right */
} target;

static vk_auth_fail masked_target(vk_auth_call *c, const vk_auth_attempt *a, const who *w, vk_str id,
                                  target *t)
{
    vk_auth_user owner;
    *t = (target){0};
    vk_auth_address_mask(c, a->address, t->id);
    memcpy(t->address, a->address, sizeof t->address);
    if (id.p && !vk_str_eqz(id, t->id)) {
        c->param = VK_STR("email_address_id");
        return VK_AUTH_F_PARAM_FORMAT;
    }
    vk_err e = vk_auth_user_by_email(c->db, c->arena, vk_str_z(a->address), &owner);
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        return vk_auth_broke(c, e);
    t->reachable = e == VK_OK && w->user && strcmp(owner.id, w->user->id) == 0;
    return VK_AUTH_F_OK;
}

/* `id` VK_STR_NONE: the one that the sign-in began with. */
static vk_auth_fail target_of(vk_auth_call *c, const vk_auth_attempt *a, const who *w, vk_str id, target *t)
{
    const vk_auth_email_row *rows;
    size_t n = 0;
    if (vk_auth_hides_users(c))
        return masked_target(c, a, w, id, t);
    *t = (target){0};
    if (w->user) {
        vk_err e = vk_auth_emails_of(c->db, c->arena, vk_str_z(w->user->id), &rows, &n);
        if (e != VK_OK)
            return vk_auth_broke(c, e);
    }
    for (size_t i = 0; i < n; i++) {
        if (!rows[i].verified || !(id.p ? vk_str_eqz(id, rows[i].id) : !strcmp(a->address, rows[i].address)))
            continue;
        memcpy(t->id, rows[i].id, sizeof t->id);
        memcpy(t->address, rows[i].address, sizeof t->address);
        t->reachable = true;
        return VK_AUTH_F_OK;
    }
    c->param = VK_STR("email_address_id");
    return VK_AUTH_F_PARAM_FORMAT;
}

/* Sends a code; *a is to be stored. */
static vk_auth_fail send_code(vk_auth_call *c, vk_auth_attempt *a, const who *w, const char *strategy,
                              vk_str id)
{
    target t;
    bool reset = strcmp(strategy, RESET) == 0;
    vk_auth_fail f = target_of(c, a, w, id, &t);
    if (f != VK_AUTH_F_OK)
        return f;
    if (reset && !vk_auth_hides_users(c) && !w->user->digest.n)
        return VK_AUTH_F_STRATEGY;
    if (a->verification.state == VK_AUTH_V_VERIFIED) /* a new password that has not come: begin again */
        a->verification = (vk_auth_verification){.prepares = a->verification.prepares};
    vk_auth_code_about about = vk_auth_about_code(a, strategy);
    f = t.reachable ? vk_auth_send_code(c, &a->verification, vk_str_z(about.text), vk_str_z(t.address),
                                        reset ? "reset_password" : "sign_in")
                    : vk_auth_send_nothing(c, &a->verification, vk_str_z(t.address),
                                           w->row.id[0] ? "account_locked" : "no_account");
    a->status = VK_AUTH_A_NEEDS_FACTOR;
    snprintf(a->strategy, sizeof a->strategy, "%s", strategy);
    memcpy(a->via, t.id, sizeof a->via);
    return f;
}

/* Tries a code for the strategy that it was sent for. VK_AUTH_F_OK: right, and *a is to be stored; else it
 * is.
 */
static vk_auth_fail try_code(vk_auth_call *c, vk_auth_attempt *a, who *w, vk_str strategy, vk_secret code)
{
    target t;
    if (!vk_str_eqz(strategy, a->strategy) || a->verification.state == VK_AUTH_V_NOTHING)
        return VK_AUTH_F_CODE_EXPIRED;
    vk_auth_fail f = target_of(c, a, w, vk_str_z(a->via), &t);
    if (f == VK_AUTH_F_PARAM_FORMAT) { /* the address has been taken away meanwhile */
        c->param = VK_STR_NONE;
        f = VK_AUTH_F_OK;
    }
    if (f != VK_AUTH_F_OK)
        return f;
    vk_auth_code_about about = vk_auth_about_code(a, a->strategy);
    f = t.reachable ? vk_auth_try_code(c, &a->verification, vk_str_z(about.text), vk_str_z(t.address), code)
                    : vk_auth_try_nothing(c, &a->verification, vk_str_z(a->address), code);
    if (f == VK_AUTH_F_OK)
        return f;
    vk_auth_fail stored = c->guessed ? count_miss(c, w) : VK_AUTH_F_OK;
    if (stored == VK_AUTH_F_OK)
        stored = vk_auth_attempt_save(c, a);
    return stored == VK_AUTH_F_OK ? f : stored;
}

static void set_password(const vk_auth_call *c, vk_auth_user *u, vk_secret digest)
{
    u->digest = digest;
    u->digest_kind = VK_PASSWORD_ARGON2ID;
    u->password_ms = u->updated_ms = c->now_ms;
}

/* ---- endpoints */

/* By a sign-in token, which is all that it takes; or by an invitation for somebody who has an account, which
 * says who they are and proves nothing: whoever sent it may have seen it. */
static vk_auth_fail by_ticket(vk_auth_call *c)
{
    vk_secret text;
    vk_auth_ticket t;
    who w;
    const vk_auth_email_row *rows;
    size_t n = 0;
    vk_auth_attempt a = vk_auth_attempt_new(c, VK_AUTH_A_SIGN_IN);
    vk_auth_fail f = vk_auth_need_secret(c, "ticket", VK_AUTH_TICKET_TEXT_MAX, &text);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_ticket_find(c, text, &t);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_ticket_usable(c, &t);
    if (f != VK_AUTH_F_OK)
        return f;
    bool token = t.kind == VK_AUTH_T_SIGN_IN;
    vk_err e = token ? vk_auth_user_get(c->db, c->arena, vk_str_z(t.user), &w.row)
                     : vk_auth_user_by_email(c->db, c->arena, vk_str_z(t.address), &w.row);
    if (e == VK_E_NOT_FOUND)
        return token ? VK_AUTH_F_TICKET : VK_AUTH_F_INVITATION_NOBODY;
    f = found(c, e, &w);
    if (f == VK_AUTH_F_OK && !w.user) /* whoever has a token knows who it is about */
        f = VK_AUTH_F_USER_LOCKED;
    if (f != VK_AUTH_F_OK)
        return f;
    e = vk_auth_emails_of(c->db, c->arena, vk_str_z(w.user->id), &rows, &n);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    snprintf(a.address, sizeof a.address, "%s", token ? (n ? rows[0].address : "") : t.address);
    memcpy(a.user, w.user->id, sizeof a.user);
    a.status = VK_AUTH_A_NEEDS_FACTOR;
    if (token)
        proved(c, &a, "ticket");
    f = vk_auth_attempt_start(c, &a);
    if (f == VK_AUTH_F_OK && token)
        f = vk_auth_ticket_accept(c, &t, w.user->id);
    if (f != VK_AUTH_F_OK)
        return f;
    return token ? finish(c, &a, &w, "ticket") : vk_auth_attempt_write(c, &a);
}

/* An address that nobody has, where that is told: the component's sign-in is over, too. */
static vk_auth_fail unknown(vk_auth_call *c, vk_secret password)
{
    vk_auth_fail f = password.n ? vk_auth_check_nobody(c, password) : VK_AUTH_F_OK;
    if (f == VK_AUTH_F_OK && c->has_client && c->client.sign_in[0]) {
        c->client.sign_in[0] = '\0';
        vk_err e = vk_auth_client_put(c->db, &c->client);
        c->keep = true;
        f = e == VK_OK ? f : vk_auth_broke(c, e);
    }
    return f == VK_AUTH_F_OK ? VK_AUTH_F_IDENTIFIER_UNKNOWN : f;
}

static vk_auth_fail by_identifier(vk_auth_call *c, vk_str strategy, vk_str identifier, vk_secret password)
{
    who w;
    vk_auth_attempt a = vk_auth_attempt_new(c, VK_AUTH_A_SIGN_IN);
    vk_auth_fail f = VK_AUTH_F_OK;
    if (vk_auth_email(identifier, a.address) != VK_OK) {
        c->param = VK_STR("identifier");
        return VK_AUTH_F_PARAM_FORMAT;
    }
    vk_err e = vk_auth_user_by_email(c->db, c->arena, vk_str_z(a.address), &w.row);
    if (e == VK_E_NOT_FOUND && !vk_auth_hides_users(c))
        return unknown(c, password);
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        return vk_auth_broke(c, e);
    a.status = VK_AUTH_A_NEEDS_FACTOR;
    if (e == VK_OK)
        memcpy(a.user, w.row.id, sizeof a.user);
    bool more = password.n || is_code(strategy); /* than the identifier: being locked stops only that */
    if (more)
        f = found(c, e, &w);
    if (f == VK_AUTH_F_OK && password.n) {
        f = check_password(c, &w, password);
        if (f == VK_AUTH_F_OK)
            proved(c, &a, PASSWORD);
    }
    if (f == VK_AUTH_F_OK && is_code(strategy))
        f = send_code(c, &a, &w, vk_str_eqz(strategy, RESET) ? RESET : EMAIL_CODE, VK_STR_NONE);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_attempt_start(c, &a);
    if (f != VK_AUTH_F_OK)
        return f;
    return password.n ? finish(c, &a, &w, PASSWORD) : vk_auth_attempt_write(c, &a);
}

static vk_auth_fail create(vk_auth_call *c)
{
    vk_str strategy, identifier;
    vk_secret password = VK_SECRET_NONE;
    vk_auth_fail f = vk_auth_may_text(c, "strategy", VK_AUTH_STRATEGY_MAX, &strategy);
    if (f == VK_AUTH_F_OK && vk_str_eqz(strategy, "ticket"))
        return by_ticket(c);
    if (f == VK_AUTH_F_OK && strategy.p && !is_code(strategy) && !vk_str_eqz(strategy, PASSWORD))
        f = VK_AUTH_F_STRATEGY;
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_text(c, "identifier", VK_AUTH_IDENTIFIER_MAX, &identifier);
    if (f == VK_AUTH_F_OK && !is_code(strategy))
        f = vk_auth_may_secret(c, "password", VK_AUTH_PASSWORD_MAX, &password);
    if (f != VK_AUTH_F_OK)
        return f;
    if (identifier.p)
        return by_identifier(c, strategy, identifier, password);
    if (is_code(strategy) || password.n)
        return missing(c, "identifier");
    vk_auth_attempt a = vk_auth_attempt_new(c, VK_AUTH_A_SIGN_IN);
    f = vk_auth_attempt_start(c, &a);
    return f == VK_AUTH_F_OK ? vk_auth_attempt_write(c, &a) : f;
}

static vk_auth_fail get(vk_auth_call *c)
{
    vk_auth_attempt a;
    vk_auth_fail f = vk_auth_attempt_here(c, &a);
    return f == VK_AUTH_F_OK ? vk_auth_attempt_write(c, &a) : f;
}

static vk_auth_fail prepare(vk_auth_call *c)
{
    vk_auth_attempt a;
    vk_str strategy, id;
    who w;
    vk_auth_fail f = open_one(c, &a);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_need_text(c, "strategy", VK_AUTH_STRATEGY_MAX, &strategy);
    if (f == VK_AUTH_F_OK && !is_code(strategy))
        f = VK_AUTH_F_STRATEGY;
    if (f == VK_AUTH_F_OK)
        f = vk_auth_may_text(c, "email_address_id", VK_AUTH_ID_MAX, &id);
    if (f == VK_AUTH_F_OK)
        f = who_of(c, &a, &w);
    if (f == VK_AUTH_F_OK)
        f = send_code(c, &a, &w, vk_str_eqz(strategy, RESET) ? RESET : EMAIL_CODE, id);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_attempt_save(c, &a);
    return f == VK_AUTH_F_OK ? vk_auth_attempt_write(c, &a) : f;
}

static vk_auth_fail attempt_password(vk_auth_call *c, vk_auth_attempt *a)
{
    who w;
    vk_secret password;
    vk_auth_fail f = vk_auth_need_secret(c, "password", VK_AUTH_PASSWORD_MAX, &password);
    if (f == VK_AUTH_F_OK)
        f = who_of(c, a, &w);
    if (f == VK_AUTH_F_OK)
        f = check_password(c, &w, password);
    if (f == VK_AUTH_F_OK) {
        proved(c, a, PASSWORD);
        return finish(c, a, &w, PASSWORD);
    }
    vk_auth_fail saved = f == VK_AUTH_F_PASSWORD_WRONG ? vk_auth_attempt_save(c, a) : VK_AUTH_F_OK;
    return saved == VK_AUTH_F_OK ? f : saved;
}

/* A reset may bring the new password at once; it is hashed only once the code is right. */
static vk_auth_fail attempt_code(vk_auth_call *c, vk_auth_attempt *a, vk_str strategy)
{
    who w;
    vk_secret code, password = VK_SECRET_NONE, digest;
    bool reset = vk_str_eqz(strategy, RESET);
    vk_auth_fail f = vk_auth_need_secret(c, "code", VK_AUTH_CODE_TEXT_MAX, &code);
    if (f == VK_AUTH_F_OK && reset)
        f = vk_auth_may_secret(c, "password", VK_AUTH_PASSWORD_MAX, &password);
    if (f == VK_AUTH_F_OK)
        f = who_of(c, a, &w);
    if (f == VK_AUTH_F_OK)
        f = try_code(c, a, &w, strategy, code);
    if (f != VK_AUTH_F_OK)
        return f;
    if (!reset)
        return finish(c, a, &w, EMAIL_CODE);
    if (password.n) {
        f = vk_auth_hash(c, password, &digest);
        if (f != VK_AUTH_F_OK)
            return f;
        set_password(c, w.user, digest);
        return finish(c, a, &w, PASSWORD);
    }
    a->status = VK_AUTH_A_NEEDS_PASSWORD;
    a->verification.expire_ms = c->now_ms + RESET_MS; /* of the proof, from here on */
    f = vk_auth_attempt_save(c, a);
    return f == VK_AUTH_F_OK ? vk_auth_attempt_write(c, a) : f;
}

static vk_auth_fail attempt(vk_auth_call *c)
{
    vk_auth_attempt a;
    vk_str strategy;
    vk_auth_fail f = open_one(c, &a);
    if (f == VK_AUTH_F_OK)
        f = vk_auth_need_text(c, "strategy", VK_AUTH_STRATEGY_MAX, &strategy);
    if (f != VK_AUTH_F_OK)
        return f;
    if (vk_str_eqz(strategy, PASSWORD))
        return attempt_password(c, &a);
    return is_code(strategy) ? attempt_code(c, &a, strategy) : VK_AUTH_F_STRATEGY;
}

static vk_auth_fail reset_password(vk_auth_call *c)
{
    vk_auth_attempt a;
    who w;
    vk_secret password, digest;
    bool others = false;
    vk_auth_fail f = open_one(c, &a);
    if (f == VK_AUTH_F_OK && (a.status != VK_AUTH_A_NEEDS_PASSWORD || c->now_ms >= a.verification.expire_ms))
        f = VK_AUTH_F_CODE_EXPIRED;
    if (f == VK_AUTH_F_OK)
        f = vk_auth_need_secret(c, "password", VK_AUTH_PASSWORD_MAX, &password);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_err e = vk_auth_param_bool(&c->form, VK_STR("sign_out_of_other_sessions"), &others);
    if (e != VK_OK && e != VK_E_NOT_FOUND) {
        c->param = VK_STR("sign_out_of_other_sessions");
        return VK_AUTH_F_PARAM_FORMAT;
    }
    f = who_of(c, &a, &w);
    if (f == VK_AUTH_F_OK && !w.user)
        f = VK_AUTH_F_NO_ATTEMPT; /* gone, or locked, since the code was right */
    if (f == VK_AUTH_F_OK)
        f = vk_auth_hash(c, password, &digest);
    if (f != VK_AUTH_F_OK)
        return f;
    set_password(c, w.user, digest);
    f = finish(c, &a, &w, PASSWORD);
    if (f != VK_AUTH_F_OK || !others)
        return f;
    return vk_auth_end_sessions(c, vk_str_z(a.user), vk_str_z(a.session), VK_AUTH_REVOKED);
}

const vk_auth_route vk_auth_sign_in_routes[] = {
    {"POST", "/client/sign_ins", VK_AUTH_NEEDS_BROWSER, VK_AUTH_ENVELOPE, false, true, create, true},
    {"GET", "/client/sign_ins/{sia}", VK_AUTH_NEEDS_BROWSER, VK_AUTH_ENVELOPE, true, false, get, false},
    {"POST", "/client/sign_ins/{sia}/prepare_first_factor", VK_AUTH_NEEDS_BROWSER, VK_AUTH_ENVELOPE, false,
     true, prepare, false},
    {"POST", "/client/sign_ins/{sia}/attempt_first_factor", VK_AUTH_NEEDS_BROWSER, VK_AUTH_ENVELOPE, false,
     false, attempt, true},
    {"POST", "/client/sign_ins/{sia}/reset_password", VK_AUTH_NEEDS_BROWSER, VK_AUTH_ENVELOPE, false, false,
     reset_password, false},
    {0},
};
