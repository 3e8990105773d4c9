#include "services/auth/shapes.h"

#include "services/auth/agent.h"
#include "services/auth/picture.h"

enum { COOKIE_DAYS = 365 };

/* Members that are the same for everybody. */
typedef struct constant {
    const char *key, *json;
} constant;

static const constant user_constants[] = {
    {"object", "\"user\""},
    {"username", "null"},
    {"locale", "null"},
    {"has_image", "false"},
    {"primary_phone_number_id", "null"},
    {"primary_web3_wallet_id", "null"},
    {"two_factor_enabled", "false"},
    {"totp_enabled", "false"},
    {"backup_code_enabled", "false"},
    {"phone_numbers", "[]"},
    {"web3_wallets", "[]"},
    {"passkeys", "[]"},
    {"external_accounts", "[]"},
    {"saml_accounts", "[]"},
    {"enterprise_accounts", "[]"},
    {"organization_memberships", "[]"},
    {"delete_self_enabled", "true"},
    {"create_organization_enabled", "false"},
    {"create_organizations_limit", "null"},
    {"mfa_enabled_at", "null"},
    {"mfa_disabled_at", "null"},
    {"legal_accepted_at", "null"},
    {"profile_image_id", "\"\""},
    {"bypass_client_trust", "false"},
};
static const constant session_constants[] = {
    {"object", "\"session\""},
    {"last_active_organization_id", "null"},
    {"actor", "null"},
};
/* Where somebody was is kept nowhere. */
static const constant activity_constants[] = {
    {"object", "\"session_activity\""},
    {"ip_address", "null"},
    {"city", "null"},
    {"country", "null"},
};
static const constant sign_up_constants[] = {
    {"object", "\"sign_up\""},
    {"required_fields", "[\"email_address\",\"password\"]"},
    {"optional_fields", "[\"first_name\",\"last_name\"]"},
    {"username", "null"},
    {"phone_number", "null"},
    {"web3_wallet", "null"},
    {"public_metadata", "{}"},
    {"custom_action", "false"},
    {"external_id", "null"},
    {"external_account", "null"},
    {"external_account_strategy", "null"},
    {"legal_accepted_at", "null"},
    {"locale", "null"},
    {"protect_check", "null"},
};
static const constant sign_in_constants[] = {
    {"object", "\"sign_in\""},
    {"supported_identifiers", "[\"email_address\"]"},
    {"supported_second_factors", "null"},
    {"second_factor_verification", "null"},
    {"protect_check", "null"},
    {"client_trust_state", "null"},
};

/* The shape is SessionVerificationJSON of @clerk/shared. */
static const constant again_constants[] = {
    {"object", "\"session_verification\""},
    {"level", "\"first_factor\""},
    {"supported_second_factors", "null"},
    {"second_factor_verification", "null"},
};
static const constant proven_constants[] = {
    {"object", "\"verification\""}, {"status", "\"verified\""}, {"attempts", "1"}, {"expire_at", "null"}};

static void constants(vk_jw *w, const constant *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        vk_jw_key(w, vk_str_z(c[i].key));
        vk_jw_raw(w, vk_str_z(c[i].json));
    }
}
#define CONSTANTS(w, table) constants((w), (table), VK_COUNT(table))

static void id_or_null(vk_jw *w, const char *key, const char *id)
{
    vk_jw_kstr_or_null(w, key, id[0] ? vk_str_z(id) : VK_STR_NONE);
}

static void time_or_null(vk_jw *w, const char *key, int64_t ms)
{
    vk_jw_key(w, vk_str_z(key));
    if (ms)
        vk_jw_i64(w, ms);
    else
        vk_jw_null(w);
}

static void object(vk_jw *w, const char *key, vk_str json)
{
    vk_jw_key(w, vk_str_z(key));
    vk_jw_raw(w, json.n ? json : VK_STR("{}"));
}

/* ---- users */

vk_str vk_auth_identifier(const vk_auth_person *p)
{
    for (size_t i = 0; i < p->n_emails; i++) {
        if (p->emails[i].verified)
            return vk_str_z(p->emails[i].address);
    }
    return VK_STR("");
}

/* Null until a code was asked for. What was verified without one ("admin", "ticket") has neither tries nor a
 * time. */
static void email_verification(vk_jw *w, const vk_auth_view *v, const vk_auth_email_row *e)
{
    const vk_auth_verification *f = &e->verification;
    vk_auth_vstate state = e->verified ? VK_AUTH_V_VERIFIED : vk_auth_verification_now(f, v->now_ms);
    bool by_code = f->expire_ms != 0;
    if (state == VK_AUTH_V_NOTHING) {
        vk_jw_null(w);
        return;
    }
    vk_jw_obj(w);
    vk_jw_kstr(w, "object", VK_STR("verification"));
    vk_jw_kstr(w, "status", vk_str_z(vk_auth_vstate_name(state)));
    vk_jw_kstr(w, "strategy", e->strategy[0] ? vk_str_z(e->strategy) : VK_STR("email_code"));
    vk_jw_key(w, VK_STR("attempts"));
    if (by_code)
        vk_jw_i64(w, f->tries);
    else
        vk_jw_null(w);
    time_or_null(w, "expire_at", f->expire_ms);
    vk_jw_obj_end(w);
}

void vk_auth_email_write(vk_jw *w, const vk_auth_view *v, const vk_auth_email_row *e)
{
    vk_jw_obj(w);
    vk_jw_kstr(w, "id", vk_str_z(e->id));
    vk_jw_kstr(w, "object", VK_STR("email_address"));
    vk_jw_kstr(w, "email_address", vk_str_z(e->address));
    vk_jw_kbool(w, "reserved", false);
    vk_jw_key(w, VK_STR("verification"));
    email_verification(w, v, e);
    vk_jw_key(w, VK_STR("linked_to"));
    vk_jw_raw(w, VK_STR("[]"));
    vk_jw_kbool(w, "matches_sso_connection", false);
    vk_jw_ki64(w, "created_at", e->created_ms);
    vk_jw_ki64(w, "updated_at", e->updated_ms);
    vk_jw_obj_end(w);
}

void vk_auth_token_write(vk_jw *w, vk_secret jwt)
{
    vk_jw_obj(w);
    vk_jw_kstr(w, "object", VK_STR("token"));
    vk_jw_kstr(w, "jwt", vk_secret_bytes(jwt));
    vk_jw_obj_end(w);
}

void vk_auth_deleted_write(vk_jw *w, const char *object, vk_str id)
{
    vk_jw_obj(w);
    vk_jw_kstr(w, "object", vk_str_z(object));
    vk_jw_kstr(w, "id", id);
    vk_jw_kbool(w, "deleted", true);
    vk_jw_obj_end(w);
}

static void picture(vk_jw *w, const char *key, const vk_auth_view *v, const vk_auth_person *p)
{
    vk_buf url;
    const vk_auth_user *u = p->user;
    vk_str email = vk_auth_identifier(p);
    vk_auth_picture face = vk_auth_picture_of(vk_str_z(u->id), u->first_name, u->last_name, email);
    vk_buf_init(&url, 512);
    vk_auth_picture_url(&face, v->gateway, &url);
    if (url.err)
        w->out->err = url.err;
    vk_jw_kstr(w, key, vk_buf_view(&url));
    vk_buf_free(&url);
}

void vk_auth_user_write(vk_jw *w, const vk_auth_view *v, const vk_auth_person *p)
{
    const vk_auth_user *u = p->user;
    int64_t locked_ms = vk_auth_locked_ms(&u->lockout, v->now_ms);
    vk_jw_obj(w);
    vk_jw_kstr(w, "id", vk_str_z(u->id));
    CONSTANTS(w, user_constants);
    vk_jw_kstr_or_null(w, "first_name", u->first_name);
    vk_jw_kstr_or_null(w, "last_name", u->last_name);
    picture(w, "image_url", v, p);
    picture(w, "profile_image_url", v, p);
    id_or_null(w, "primary_email_address_id", p->n_emails && p->emails[0].primary ? p->emails[0].id : "");
    vk_jw_kbool(w, "password_enabled", u->digest.n != 0);
    vk_jw_key(w, VK_STR("email_addresses"));
    vk_jw_arr(w);
    for (size_t i = 0; i < p->n_emails; i++)
        vk_auth_email_write(w, v, &p->emails[i]);
    vk_jw_arr_end(w);
    time_or_null(w, "password_last_updated_at", u->password_ms);
    object(w, "public_metadata", u->public_metadata);
    if (v->backend)
        object(w, "private_metadata", u->private_metadata);
    object(w, "unsafe_metadata", u->unsafe_metadata);
    vk_jw_kstr_or_null(w, "external_id", u->external_id);
    time_or_null(w, "last_sign_in_at", u->last_sign_in_ms);
    vk_jw_kbool(w, "banned", u->banned);
    vk_jw_kbool(w, "locked", u->locked || locked_ms);
    time_or_null(w, "lockout_expires_in_seconds", (locked_ms + 999) / 1000);
    vk_jw_ki64(w, "verification_attempts_remaining", vk_auth_lockout_left(&u->lockout, v->now_ms));
    vk_jw_ki64(w, "created_at", u->created_ms);
    vk_jw_ki64(w, "updated_at", u->updated_ms);
    time_or_null(w, "last_active_at", u->last_active_ms);
    vk_jw_obj_end(w);
}

/* What a sign-in and a session show of somebody. */
static void face(vk_jw *w, const vk_auth_view *v, const vk_auth_person *p)
{
    const vk_auth_user *u = p->user;
    vk_jw_kstr_or_null(w, "first_name", u->first_name);
    vk_jw_kstr_or_null(w, "last_name", u->last_name);
    picture(w, "image_url", v, p);
    vk_jw_kbool(w, "has_image", false);
}

/* ---- sessions */

/* The members that both APIs have; the caller has begun the object. */
static void session_common(vk_jw *w, const vk_auth_view *v, const vk_auth_session *s)
{
    CONSTANTS(w, session_constants);
    vk_jw_kstr(w, "id", vk_str_z(s->id));
    vk_jw_kstr(w, "status", vk_str_z(vk_auth_status_name(vk_auth_session_status(s, v->now_ms))));
    vk_jw_ki64(w, "expire_at", s->expire_ms);
    vk_jw_ki64(w, "abandon_at", s->abandon_ms);
    vk_jw_ki64(w, "last_active_at", s->last_active_ms);
    vk_jw_ki64(w, "created_at", s->created_ms);
    vk_jw_ki64(w, "updated_at", s->updated_ms);
}

/* Those of the Frontend API that need no more than its user. */
static void session_person(vk_jw *w, const vk_auth_view *v, const vk_auth_session *s, const vk_auth_person *p)
{
    int64_t minutes = (v->now_ms - s->verified_ms) / 60000;
    vk_jw_key(w, VK_STR("tasks"));
    vk_jw_null(w);
    vk_jw_key(w, VK_STR("public_user_data"));
    vk_jw_obj(w);
    face(w, v, p);
    vk_jw_kstr(w, "identifier", vk_auth_identifier(p));
    vk_jw_kstr(w, "user_id", vk_str_z(p->user->id));
    vk_jw_obj_end(w);
    vk_jw_key(w, VK_STR("factor_verification_age"));
    vk_jw_arr(w);
    vk_jw_i64(w, minutes > 0 ? minutes : 0);
    vk_jw_i64(w, -1);
    vk_jw_arr_end(w);
}

void vk_auth_session_write(vk_jw *w, const vk_auth_view *v, const vk_auth_live *l)
{
    const vk_auth_session *s = l->session;
    vk_jw_obj(w);
    session_common(w, v, s);
    if (v->backend) {
        id_or_null(w, "client_id", s->client);
        vk_jw_kstr(w, "user_id", vk_str_z(s->user));
        vk_jw_obj_end(w);
        return;
    }
    session_person(w, v, s, l->person);
    vk_jw_key(w, VK_STR("user"));
    vk_auth_user_write(w, v, l->person);
    vk_jw_key(w, VK_STR("last_active_token"));
    if (l->token.n) {
        vk_jw_obj(w);
        vk_jw_kstr(w, "object", VK_STR("token"));
        vk_jw_kstr(w, "jwt", vk_secret_bytes(l->token));
        vk_jw_obj_end(w);
    } else {
        vk_jw_null(w);
    }
    vk_jw_obj_end(w);
}

void vk_auth_activity_write(vk_jw *w, const vk_auth_view *v, const vk_auth_session *s,
                            const vk_auth_person *p)
{
    vk_auth_agent agent = vk_auth_agent_read(vk_str_z(s->agent));
    char id[VK_AUTH_ID_MAX + 1];
    const char *body = strchr(s->id, '_');
    /* One activity a session: its id follows from the session's. */
    snprintf(id, sizeof id, "sess_activity_%s", body ? body + 1 : "");
    vk_jw_obj(w);
    session_common(w, v, s);
    session_person(w, v, s, p);
    vk_jw_key(w, VK_STR("user"));
    vk_jw_null(w);
    vk_jw_key(w, VK_STR("last_active_token"));
    vk_jw_null(w);
    vk_jw_key(w, VK_STR("latest_activity"));
    vk_jw_obj(w);
    CONSTANTS(w, activity_constants);
    vk_jw_kstr(w, "id", vk_str_z(id));
    vk_jw_kbool(w, "is_mobile", agent.mobile);
    vk_jw_kstr_or_null(w, "browser_name", vk_str_z(agent.browser));
    vk_jw_kstr_or_null(w, "browser_version", agent.version.n ? agent.version : VK_STR_NONE);
    vk_jw_kstr_or_null(w, "device_type", vk_str_z(agent.device));
    vk_jw_obj_end(w);
    vk_jw_obj_end(w);
}

/* ---- attempts */

/* The members of a verification; the caller has begun the object and ends it. */
static void verification(vk_jw *w, const vk_auth_view *v, const vk_auth_attempt *a)
{
    const vk_auth_verification *f = &a->verification;
    vk_jw_obj(w);
    vk_jw_kstr(w, "object", VK_STR("verification"));
    vk_jw_kstr(w, "status", vk_str_z(vk_auth_vstate_name(vk_auth_verification_now(f, v->now_ms))));
    /* A strategy before the first code would make the UI believe that one was sent. */
    vk_jw_kstr(w, "strategy", f->state == VK_AUTH_V_NOTHING ? VK_STR("") : vk_str_z(a->strategy));
    vk_jw_ki64(w, "attempts", f->tries);
    vk_jw_ki64(w, "expire_at", f->expire_ms ? f->expire_ms : a->created_ms + VK_AUTH_CODE_MS);
}

static void names(vk_jw *w, const char *key, const char *first, const char *second)
{
    vk_jw_key(w, vk_str_z(key));
    vk_jw_arr(w);
    if (first)
        vk_jw_str(w, vk_str_z(first));
    if (second)
        vk_jw_str(w, vk_str_z(second));
    vk_jw_arr_end(w);
}

void vk_auth_sign_up_write(vk_jw *w, const vk_auth_view *v, const vk_auth_try_view *t)
{
    const vk_auth_attempt *a = t ? t->attempt : NULL;
    if (!a) {
        vk_jw_null(w);
        return;
    }
    vk_auth_missing m = vk_auth_sign_up_missing(a);
    vk_auth_vstate state = vk_auth_verification_now(&a->verification, v->now_ms);
    vk_jw_obj(w);
    CONSTANTS(w, sign_up_constants);
    vk_jw_kstr(w, "id", vk_str_z(a->id));
    vk_jw_kstr(w, "status", vk_str_z(vk_auth_astatus_name(a->status)));
    names(w, "missing_fields", m.address ? "email_address" : NULL, m.password ? "password" : NULL);
    names(w, "unverified_fields", m.verification ? "email_address" : NULL, NULL);
    vk_jw_key(w, VK_STR("verifications"));
    vk_jw_obj(w);
    vk_jw_key(w, VK_STR("email_address"));
    if (a->address[0]) {
        verification(w, v, a);
        vk_jw_kstr(w, "next_action",
                   state == VK_AUTH_V_VERIFIED ? VK_STR("")
                   : state == VK_AUTH_V_SENT   ? VK_STR("needs_attempt")
                                               : VK_STR("needs_prepare"));
        names(w, "supported_strategies", "email_code", NULL);
        vk_jw_obj_end(w);
    } else {
        vk_jw_null(w);
    }
    static const constant others[] = {
        {"phone_number", "null"}, {"web3_wallet", "null"}, {"external_account", "null"}};
    CONSTANTS(w, others);
    vk_jw_obj_end(w);
    id_or_null(w, "email_address", a->address);
    vk_jw_kbool(w, "password_enabled", !m.password);
    vk_jw_kbool(w, "has_password", !m.password);
    vk_jw_kstr_or_null(w, "first_name", a->first_name);
    vk_jw_kstr_or_null(w, "last_name", a->last_name);
    object(w, "unsafe_metadata", a->unsafe_metadata);
    id_or_null(w, "created_session_id", a->session);
    id_or_null(w, "created_user_id", a->user);
    vk_jw_ki64(w, "abandon_at", a->abandon_ms);
    vk_jw_obj_end(w);
}

static void factor(vk_jw *w, const char *strategy, const vk_auth_email_row *e)
{
    vk_jw_obj(w);
    vk_jw_kstr(w, "strategy", vk_str_z(strategy));
    if (e) {
        vk_jw_kstr(w, "safe_identifier", vk_str_z(e->address));
        vk_jw_kstr(w, "email_address_id", vk_str_z(e->id));
        vk_jw_kbool(w, "primary", e->primary);
    }
    vk_jw_obj_end(w);
}

/* What somebody can prove who they are by: their password, a code to an address that is theirs. */
static void first_factors(vk_jw *w, const vk_auth_person *p, bool reset_too)
{
    bool password = p->user->digest.n != 0;
    vk_jw_arr(w);
    if (password)
        factor(w, "password", NULL);
    for (size_t i = 0; i < p->n_emails; i++) {
        if (!p->emails[i].verified)
            continue;
        factor(w, "email_code", &p->emails[i]);
        if (password && reset_too)
            factor(w, "reset_password_email_code", &p->emails[i]);
    }
    vk_jw_arr_end(w);
}

void vk_auth_sign_in_write(vk_jw *w, const vk_auth_view *v, const vk_auth_try_view *t)
{
    const vk_auth_attempt *a = t ? t->attempt : NULL;
    if (!a) {
        vk_jw_null(w);
        return;
    }
    const vk_auth_person *p = t->person;
    vk_jw_obj(w);
    CONSTANTS(w, sign_in_constants);
    vk_jw_kstr(w, "id", vk_str_z(a->id));
    vk_jw_kstr(w, "status", vk_str_z(vk_auth_astatus_name(a->status)));
    vk_jw_key(w, VK_STR("supported_first_factors"));
    if (p)
        first_factors(w, p, true);
    else
        vk_jw_null(w);
    vk_jw_key(w, VK_STR("first_factor_verification"));
    if (a->verification.state == VK_AUTH_V_NOTHING) {
        vk_jw_null(w);
    } else {
        verification(w, v, a);
        vk_jw_obj_end(w);
    }
    id_or_null(w, "identifier", a->address);
    vk_jw_key(w, VK_STR("user_data"));
    if (p) {
        vk_jw_obj(w);
        face(w, v, p);
        vk_jw_obj_end(w);
    } else {
        vk_jw_null(w);
    }
    id_or_null(w, "created_session_id", a->session);
    vk_jw_ki64(w, "abandon_at", a->abandon_ms);
    vk_jw_obj_end(w);
}

void vk_auth_again_write(vk_jw *w, const vk_auth_view *v, const vk_auth_again *a)
{
    vk_jw_obj(w);
    CONSTANTS(w, again_constants);
    vk_jw_kstr(w, "status", a->strategy ? VK_STR("complete") : VK_STR("needs_first_factor"));
    vk_jw_key(w, VK_STR("supported_first_factors"));
    first_factors(w, a->session.person, false);
    vk_jw_key(w, VK_STR("first_factor_verification"));
    if (a->attempt) {
        verification(w, v, a->attempt);
        vk_jw_obj_end(w);
    } else if (a->strategy) {
        vk_jw_obj(w);
        CONSTANTS(w, proven_constants);
        vk_jw_kstr(w, "strategy", vk_str_z(a->strategy));
        vk_jw_obj_end(w);
    } else {
        vk_jw_null(w);
    }
    vk_jw_key(w, VK_STR("session"));
    vk_auth_session_write(w, v, &a->session);
    vk_jw_obj_end(w);
}

/* ---- clients */

void vk_auth_client_write(vk_jw *w, const vk_auth_view *v, const vk_auth_client *c, const vk_auth_live *live,
                          size_t n, const vk_auth_try_view *sign_in, const vk_auth_try_view *sign_up)
{
    vk_jw_obj(w);
    vk_jw_kstr(w, "object", VK_STR("client"));
    vk_jw_kstr(w, "id", vk_str_z(c->id));
    vk_jw_key(w, VK_STR("sessions"));
    vk_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        vk_auth_session_write(w, v, &live[i]);
    vk_jw_arr_end(w);
    vk_jw_key(w, VK_STR("sign_in"));
    vk_auth_sign_in_write(w, v, sign_in);
    vk_jw_key(w, VK_STR("sign_up"));
    vk_auth_sign_up_write(w, v, sign_up);
    id_or_null(w, "last_active_session_id", c->last_session);
    id_or_null(w, "last_authentication_strategy", c->last_strategy);
    vk_jw_ki64(w, "cookie_expires_at", v->now_ms + (int64_t)COOKIE_DAYS * 86400000);
    vk_jw_kbool(w, "captcha_bypass", false);
    vk_jw_ki64(w, "created_at", c->created_ms);
    vk_jw_ki64(w, "updated_at", c->updated_ms);
    vk_jw_obj_end(w);
}
