/* The e-mail addresses of who is signed in. One that is only claimed is nobody's: it signs nobody in, and
 * keeps nobody else from verifying it. */
#include "services/auth/call.h"

enum { CODE_GIVEN_MAX = 32, ADDRESS_GIVEN_MAX = 1024 };

const vk_auth_email_row *vk_auth_email_of(const vk_auth_call *c, vk_str id)
{
    for (size_t i = 0; i < c->person.n_emails; i++) {
        if (vk_str_eqz(id, c->person.emails[i].id))
            return &c->person.emails[i];
    }
    return NULL;
}

/* After a change of the addresses: the user has changed. */
static vk_auth_fail changed(vk_auth_call *c)
{
    vk_auth_user u = *c->person.user;
    u.updated_ms = c->now_ms;
    return vk_auth_person_put(c, &u);
}

static vk_auth_fail put(vk_auth_call *c, vk_auth_email_row *row)
{
    row->updated_ms = c->now_ms;
    vk_err e = vk_auth_email_put(c->db, row);
    return e == VK_OK ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

vk_auth_fail vk_auth_set_primary(vk_auth_call *c, vk_str id)
{
    const vk_auth_email_row *to = vk_auth_email_of(c, id);
    if (!to)
        return VK_AUTH_F_NOT_FOUND;
    if (!to->verified)
        return VK_AUTH_F_PRIMARY_UNVERIFIED;
    if (to->primary)
        return VK_AUTH_F_OK;
    vk_auth_fail f = vk_auth_need_fresh(c);
    for (size_t i = 0; i < c->person.n_emails && f == VK_AUTH_F_OK; i++) {
        vk_auth_email_row row = c->person.emails[i];
        bool primary = &c->person.emails[i] == to;
        if (row.primary == primary)
            continue;
        row.primary = primary;
        f = put(c, &row);
    }
    return f == VK_AUTH_F_OK ? changed(c) : f;
}

/* The path's: the person's own. */
static const vk_auth_email_row *of_path(const vk_auth_call *c)
{
    return vk_auth_email_of(c, c->id[0]);
}

static vk_auth_fail answer(vk_auth_call *c, vk_str id)
{
    vk_auth_view v = vk_auth_view_of(c);
    const vk_auth_email_row *row = vk_auth_email_of(c, id);
    if (!row)
        return VK_AUTH_F_NOT_FOUND;
    vk_auth_email_write(&c->w, &v, row);
    return VK_AUTH_F_OK;
}

static vk_auth_fail show(vk_auth_call *c)
{
    return answer(c, c->id[0]);
}

static vk_auth_fail list(vk_auth_call *c)
{
    vk_auth_view v = vk_auth_view_of(c);
    vk_jw_arr(&c->w);
    for (size_t i = 0; i < c->person.n_emails; i++)
        vk_auth_email_write(&c->w, &v, &c->person.emails[i]);
    vk_jw_arr_end(&c->w);
    return VK_AUTH_F_OK;
}

/* Whether somebody may not even ask for the address. Where the build does not tell who is there, that is only
 * said to whoever has shown that its letters reach them (attempt). */
static vk_auth_fail may_claim(vk_auth_call *c, const char *address)
{
    vk_auth_user owner;
    for (size_t i = 0; i < c->person.n_emails; i++) {
        if (strcmp(c->person.emails[i].address, address) == 0)
            return VK_AUTH_F_IDENTIFIER_TAKEN;
    }
    if (c->person.n_emails >= VK_AUTH_EMAILS_MAX)
        return VK_AUTH_F_EMAILS_MANY;
    if (vk_auth_hides_users(c))
        return VK_AUTH_F_OK;
    vk_err e = vk_auth_user_by_email(c->db, c->arena, vk_str_z(address), &owner);
    return e == VK_OK ? VK_AUTH_F_IDENTIFIER_TAKEN : e == VK_E_NOT_FOUND ? VK_AUTH_F_OK : vk_auth_broke(c, e);
}

static vk_auth_fail add(vk_auth_call *c)
{
    vk_str given;
    vk_auth_email_row row = {.created_ms = c->now_ms, .updated_ms = c->now_ms};
    vk_auth_fail f = vk_auth_need_text(c, "email_address", ADDRESS_GIVEN_MAX, &given);
    if (f == VK_AUTH_F_OK && vk_auth_email(given, row.address) != VK_OK)
        f = VK_AUTH_F_EMAIL_FORMAT;
    if (f == VK_AUTH_F_OK)
        f = vk_auth_need_fresh(c);
    if (f == VK_AUTH_F_OK)
        f = may_claim(c, row.address);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_auth_id_new(VK_AUTH_IDENTIFICATION, row.id);
    memcpy(row.user, c->session.user, sizeof row.user);
    vk_err e = vk_auth_email_add(c->db, &row);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    f = changed(c);
    return f == VK_AUTH_F_OK ? answer(c, vk_str_z(row.id)) : f;
}

static vk_auth_fail take_out(vk_auth_call *c)
{
    const vk_auth_email_row *row = of_path(c);
    size_t verified = 0;
    if (!row)
        return VK_AUTH_F_NOT_FOUND;
    for (size_t i = 0; i < c->person.n_emails; i++)
        verified += c->person.emails[i].verified;
    if (row->verified && verified == 1)
        return VK_AUTH_F_EMAIL_LAST;
    if (row->primary)
        return VK_AUTH_F_EMAIL_PRIMARY;
    vk_auth_fail f = vk_auth_need_fresh(c);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_err e = vk_auth_email_drop(c->db, c->id[0]);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    f = changed(c);
    if (f == VK_AUTH_F_OK)
        vk_auth_deleted_write(&c->w, "email_address", c->id[0]);
    return f;
}

static vk_auth_fail prepare(vk_auth_call *c)
{
    vk_str strategy;
    const vk_auth_email_row *at = of_path(c);
    if (!at)
        return VK_AUTH_F_NOT_FOUND;
    vk_auth_email_row row = *at;
    vk_auth_fail f = vk_auth_need_text(c, "strategy", VK_AUTH_STRATEGY_MAX, &strategy);
    if (f == VK_AUTH_F_OK && !vk_str_eqz(strategy, "email_code"))
        f = VK_AUTH_F_STRATEGY;
    if (f == VK_AUTH_F_OK && row.verified)
        f = VK_AUTH_F_ALREADY_VERIFIED;
    if (f == VK_AUTH_F_OK)
        f = vk_auth_send_code(c, &row.verification, vk_str_z(row.id), vk_str_z(row.address), "email_address");
    if (f != VK_AUTH_F_OK)
        return f;
    snprintf(row.strategy, sizeof row.strategy, "email_code");
    f = put(c, &row);
    if (f == VK_AUTH_F_OK)
        f = changed(c);
    return f == VK_AUTH_F_OK ? answer(c, c->id[0]) : f;
}

/* A right code, and nobody was first: it is theirs. */
static vk_auth_fail verified(vk_auth_call *c, vk_auth_email_row *row)
{
    row->verified = true;
    row->primary = true; /* unless there is one */
    for (size_t i = 0; i < c->person.n_emails; i++)
        row->primary = row->primary && !c->person.emails[i].primary;
    row->updated_ms = c->now_ms;
    vk_err e = vk_auth_email_put(c->db, row);
    if (e == VK_E_CONFLICT)
        return VK_AUTH_F_IDENTIFIER_TAKEN;
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    vk_auth_fail f = changed(c);
    return f == VK_AUTH_F_OK ? answer(c, c->id[0]) : f;
}

static vk_auth_fail attempt(vk_auth_call *c)
{
    vk_secret code;
    const vk_auth_email_row *at = of_path(c);
    if (!at)
        return VK_AUTH_F_NOT_FOUND;
    vk_auth_email_row row = *at;
    if (row.verified)
        return VK_AUTH_F_ALREADY_VERIFIED;
    vk_auth_fail f = vk_auth_need_secret(c, "code", CODE_GIVEN_MAX, &code);
    if (f != VK_AUTH_F_OK)
        return f;
    f = vk_auth_try_code(c, &row.verification, vk_str_z(row.id), vk_str_z(row.address), code);
    if (f == VK_AUTH_F_OK)
        return verified(c, &row);
    vk_auth_fail stored = put(c, &row);
    return stored == VK_AUTH_F_OK ? f : stored;
}

#define SIGNED_IN .need = VK_AUTH_NEEDS_SESSION, .form = VK_AUTH_ENVELOPE

const vk_auth_route vk_auth_address_routes[] = {
    {.method = "GET", .path = "/me/email_addresses", SIGNED_IN, .reads = true, .run = list},
    {.method = "POST", .path = "/me/email_addresses", SIGNED_IN, .run = add},
    /* as clerk-js asks for it */
    {.method = "POST", .path = "/me/email_addresses/", SIGNED_IN, .run = add},
    {.method = "GET", .path = "/me/email_addresses/{idn}", SIGNED_IN, .reads = true, .run = show},
    {.method = "DELETE", .path = "/me/email_addresses/{idn}", SIGNED_IN, .run = take_out},
    {.method = "POST",
     .path = "/me/email_addresses/{idn}/prepare_verification",
     SIGNED_IN,
     .dear = true,
     .run = prepare},
    {.method = "POST",
     .path = "/me/email_addresses/{idn}/attempt_verification",
     SIGNED_IN,
     .run = attempt,
     .guesses = true},
    {.method = NULL},
};
