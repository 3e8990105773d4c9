/* A database at Turso for each build, in the organisation's group, with a token that opens this database only
 * and ends by itself. Shapes, statuses and sentences: Turso's documentation of its Platform API.
 *
 * Names are unique in an organisation, so a 409 for a name of ours that may have been asked for before is our
 * own database, and it is looked at instead. A 409 for a name that was never asked for is somebody else's:
 * it is noted as "foreign", and nothing of it is touched. */
#include "core/encode.h"
#include "keeper/provision_answer.h"
#include "keeper/provision_vendors.h"

enum {
    TOKEN_MS = 7 * 24 * 3600 * 1000, /* TOKEN_LIFE in the query; without one it would be "never" */
    ID_MAX = 64,
    TEXT_MAX = 512,
};
#define TOKEN_LIFE "7d"

static vk_str path_of(const vk_prov *p, const char *rest)
{
    vk_str org = vk_prov_org(p, "org");
    return vk_arena_printf(p->arena, "/v1/organizations/" VK_STR_FMT "/databases/%s%s", VK_STR_ARG(org),
                           p->name, rest);
}

/* About the database. It is noted where it was made: with the keys of another organisation it would not be
 * found, and that would prove nothing. */
static vk_err asks(vk_prov *p, vk_prov_request *r, const char *method, const char *rest, const char **why_r)
{
    vk_str org = vk_prov_noted(p, "org");
    if (org.n && !vk_str_eq(org, vk_prov_org(p, "org"))) {
        *why_r = "The database is in another organization at Turso than the one whose keys are entered now.";
        return VK_E_CONFLICT;
    }
    return vk_prov_asks(r, method, path_of(p, rest), VK_STR_NONE);
}

static vk_err refused(vk_prov *p, const char *what, int status, const vk_json *body, const char **why_r)
{
    return vk_prov_refused(p, what, status, body, "error", why_r);
}

/* ---- what a database is, in an answer. Its members begin with capitals. */

static vk_str text(const vk_json *db, const char *member)
{
    return vk_prov_text(db, member, TEXT_MAX);
}

/* Of a plain host, or of a stand-in's address ("http://127.0.0.1:8080"). */
static bool host_ok(const vk_prov *p, vk_str host)
{
    const char *why;
    const vk_vendor_field *f = vk_vendor_field_of(p->vendor->own, VK_STR("hostname"));
    vk_str bare = host;
    if (vk_str_starts(host, VK_STR("http://"))) {
        bare.p += 7;
        bare.n -= 7;
    }
    return f->ok(host, &why) && vk_prov_host_ok(p, bare);
}

/* Keeps what has to be kept of a database that is ours: where it is, and its id. */
static vk_err adopt(vk_prov *p, const vk_json *body, const char **why_r)
{
    const vk_json *db = vk_json_get(body, VK_STR("database"));
    vk_str name = text(db, "Name"), host = text(db, "Hostname"), id = text(db, "DbId");
    vk_str group = text(db, "group"), ours = vk_prov_org(p, "group");
    if (!vk_str_eqz(name, p->name) || !id.n || id.n > ID_MAX) {
        *why_r = "Turso answers with another database than the one that was asked for.";
        return VK_E_INVALID;
    }
    if (group.n && !vk_str_eq(group, ours)) {
        *why_r = "Turso has the database in another group than the one that was entered.";
        return VK_E_INVALID;
    }
    if (!host_ok(p, host)) {
        *why_r = "Turso answers with a host of the database to which nothing can be sent.";
        return VK_E_INVALID;
    }
    vk_err e = vk_prov_note(p, "id", id);
    if (e == VK_OK)
        e = vk_prov_note(p, "org", vk_prov_org(p, "org"));
    return e == VK_OK ? vk_prov_set(p, "hostname", vk_secret_of(host)) : e;
}

/* ---- making */

static vk_err ask_create(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    vk_buf b;
    vk_buf_init(&b, VK_PROV_BODY_MAX);
    vk_jw w = vk_jw_on(&b);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "name", vk_str_z(p->name));
    vk_jw_kstr(&w, "group", vk_prov_org(p, "group"));
    vk_jw_kstr(&w, "size_limit", vk_prov_org(p, "size_limit"));
    vk_jw_obj_end(&w);
    vk_str json = b.err ? VK_STR_NONE : vk_arena_dup(p->arena, vk_buf_view(&b));
    vk_buf_free(&b);
    if (!json.p)
        return VK_E_NOMEM;
    vk_str org = vk_prov_org(p, "org");
    vk_str path = vk_arena_printf(p->arena, "/v1/organizations/" VK_STR_FMT "/databases", VK_STR_ARG(org));
    return vk_prov_asks(r, "POST", path, json);
}

static vk_err took_create(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status == 200)
        return adopt(p, body, why_r);
    if (status == 409 && p->tried)
        return VK_OK;
    vk_err e = refused(p, "Making the database", status, body, why_r);
    if (status == 409) {
        vk_err noted = vk_prov_note(p, "foreign", VK_STR("1"));
        return noted == VK_OK ? e : noted;
    }
    return e;
}

static bool has_no_host(const vk_prov *p)
{
    return !p->own || !vk_secret_bytes(vk_org_value(p->own, "hostname")).n;
}

static vk_err ask_look(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    return asks(p, r, "GET", "", why_r);
}

/* It was made a moment ago, so that it cannot be found may be a matter of time. */
static vk_err took_look(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status == 200)
        return adopt(p, body, why_r);
    return status == 404 ? VK_AGAIN : refused(p, "Looking at the database", status, body, why_r);
}

/* ---- its token */

static vk_err ask_mint(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    vk_err e = asks(p, r, "POST", "/auth/tokens?expiration=" TOKEN_LIFE "&authorization=full-access", why_r);
    r->again = true; /* one that was lost ends by itself */
    return e;
}

/* What a token says of itself. It is the vendor's to make and to judge, so one that says nothing that can be
 * read is as good as any; but one that says that it never ends, or may only read, is not what was asked for.
 * Claims: `exp` in seconds; `a` "rw", or "ro". False: *why_r. */
static bool token_ok(const vk_prov *p, vk_str jwt, int64_t *expires_r, const char **why_r)
{
    const char *why;
    vk_str head, payload, json;
    vk_json *claims = NULL;
    int64_t exp;
    const vk_vendor_field *f = vk_vendor_field_of(p->vendor->own, VK_STR("database_token"));
    *expires_r = p->now_ms + TOKEN_MS;
    if (!f->ok(jwt, &why)) {
        *why_r = "Turso answers with something that is no token.";
        return false;
    }
    if (!vk_str_cut(&jwt, '.', &head) || !vk_str_cut(&jwt, '.', &payload) ||
        vk_base64_decode(p->arena, payload, &json) != VK_OK ||
        vk_json_parse(p->arena, json, &claims, NULL, NULL) != VK_OK || claims->type != VK_JSON_OBJECT)
        return true;
    if (vk_json_i64(vk_json_opt(claims, VK_STR("exp")), &exp) != VK_OK) {
        *why_r = "Turso answers with a token that never ends, and one that does was asked for.";
        return false;
    }
    if (vk_str_eqz(vk_json_str(vk_json_get(claims, VK_STR("a"))), "ro")) {
        *why_r = "Turso answers with a token that may only read.";
        return false;
    }
    if (exp <= p->now_ms / 1000) {
        *why_r = "Turso answers with a token that has ended already: look at the clock of this machine.";
        return false;
    }
    if (exp < *expires_r / 1000)
        *expires_r = exp * 1000;
    return true;
}

static vk_err took_mint(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    int64_t expires;
    if (status != 200)
        return refused(p, "Making a token of the database", status, body, why_r);
    vk_str jwt = vk_json_str(vk_json_get(body, VK_STR("jwt")));
    if (!token_ok(p, jwt, &expires, why_r))
        return VK_E_INVALID;
    vk_str until = vk_arena_printf(p->arena, "%lld", (long long)expires);
    if (!until.p)
        return VK_E_NOMEM;
    vk_err e = vk_prov_note(p, "expires", until);
    return e == VK_OK ? vk_prov_set(p, "database_token", vk_secret_of(jwt)) : e;
}

/* ---- the end of all tokens that were given out */

static vk_err ask_rotate(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    vk_err e = asks(p, r, "POST", "/auth/rotate", why_r);
    r->again = true;
    return e;
}

static vk_err took_rotate(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status == 200 || status == 204 || status == 404)
        return VK_OK;
    return refused(p, "Ending the tokens of the database", status, body, why_r);
}

/* ---- the end */

static bool is_ours(const vk_prov *p)
{
    return !vk_prov_noted(p, "foreign").n;
}

/* What the first look of an end found: "gone", so that a token that may make nothing, and so delete nothing,
 * can end what it has not made. An orphan has no notes; it is deleted in any case. */
static vk_err note_gone(vk_prov *p, bool gone)
{
    return p->own ? vk_prov_note(p, "gone", gone ? VK_STR("1") : VK_STR("")) : VK_OK;
}

static bool is_there(const vk_prov *p)
{
    return is_ours(p) && !vk_prov_noted(p, "gone").n;
}

/* A name that is free again may have been taken by somebody else: what has another id than ours stays. */
static vk_err took_last_look(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status == 404)
        return note_gone(p, true);
    if (status != 200)
        return refused(p, "Looking at the database", status, body, why_r);
    const vk_json *db = vk_json_get(body, VK_STR("database"));
    vk_str ours = vk_prov_noted(p, "id"), id = text(db, "DbId");
    if (!vk_str_eqz(text(db, "Name"), p->name) || !id.n) {
        *why_r = "Turso answers with another database than the one that was asked for.";
        return VK_E_INVALID;
    }
    *why_r = "Another database than ours has the name by now, and stays.";
    return ours.n && !vk_str_eq(ours, id) ? vk_prov_note(p, "foreign", VK_STR("1")) : note_gone(p, false);
}

static vk_err ask_delete(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    vk_err e = asks(p, r, "DELETE", "", why_r);
    r->again = true;
    return e;
}

/* One that a person has protected (delete_protection) stays until they say otherwise: Turso's sentence tells
 * them. */
static vk_err took_delete(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status == 200 || status == 404)
        return VK_OK;
    return refused(p, "Deleting the database", status, body, why_r);
}

/* An answer that it was deleted does not mean that it is gone: it is looked for, and deleted again as long as
 * it is there. What comes next is in p->carry: nothing, or 'd'. */
static vk_err ask_proof(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    return p->carry->n ? ask_delete(p, r, why_r) : ask_look(p, r, why_r);
}

static vk_err took_proof(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    bool deleted = p->carry->n != 0;
    if (deleted) {
        vk_err e = took_delete(p, status, body, why_r);
        if (e == VK_OK)
            vk_buf_clear(p->carry);
        return e == VK_OK ? VK_AGAIN : e;
    }
    if (status == 404)
        return VK_OK;
    vk_err e = took_last_look(p, status, body, why_r);
    if (e != VK_OK || !is_ours(p))
        return e;
    vk_buf_ch(p->carry, 'd');
    return p->carry->err ? p->carry->err : VK_AGAIN;
}

/* ---- what is asked only */

static vk_err ask_usage(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    return asks(p, r, "GET", "/usage", why_r);
}

static vk_err took_usage(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    static const char *const names[] = {"storage_bytes", "rows_read", "rows_written", "bytes_synced"};
    if (status != 200)
        return refused(p, "Reading what the database has used", status, body, why_r);
    const vk_json *total = vk_json_get(vk_json_get(body, VK_STR("database")), VK_STR("total"));
    if (!total || total->type != VK_JSON_OBJECT) {
        *why_r = "Turso does not say what the database has used.";
        return VK_E_INVALID;
    }
    for (size_t i = 0; i < VK_COUNT(names); i++)
        if (vk_prov_number(total, names[i]) >= 0)
            vk_prov_use(p, names[i], vk_prov_number(total, names[i]));
    return VK_OK;
}

static vk_err ask_list(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    vk_str org = vk_prov_org(p, "org"), group = vk_prov_org(p, "group");
    vk_str path = vk_arena_printf(p->arena, "/v1/organizations/" VK_STR_FMT "/databases?group=" VK_STR_FMT,
                                  VK_STR_ARG(org), VK_STR_ARG(group));
    return vk_prov_asks(r, "GET", path, VK_STR_NONE);
}

static vk_err took_list(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status != 200)
        return refused(p, "Listing the databases", status, body, why_r);
    const vk_json *all = vk_json_get(body, VK_STR("databases"));
    if (!all || all->type != VK_JSON_ARRAY) {
        *why_r = "Turso does not say which databases there are.";
        return VK_E_INVALID;
    }
    for (const vk_json *db = all->u.child; db; db = db->next) {
        vk_str name = text(db, "Name"), group = text(db, "group"), ours = vk_prov_org(p, "group");
        if (!name.n || (group.n && !vk_str_eq(group, ours)))
            continue;
        vk_err e = vk_prov_found(p, name, text(db, "DbId"), VK_STR_NONE);
        if (e != VK_OK)
            return e;
    }
    return VK_OK;
}

/* ---- */

static const vk_prov_step make[] = {
    {.what = "create the database", .op = "databases.create", .ask = ask_create, .took = took_create},
    {.what = "look at the database",
     .op = "databases.get",
     .needed = has_no_host,
     .ask = ask_look,
     .took = took_look},
    {.what = "make a token of it", .op = "databases.tokens.create", .ask = ask_mint, .took = took_mint},
    {.what = NULL},
};
static const vk_prov_step renew[] = {
    {.what = "make another token of the database",
     .op = "databases.tokens.create",
     .ask = ask_mint,
     .took = took_mint},
    {.what = NULL},
};
static const vk_prov_step suspend[] = {
    {.what = "end the tokens of the database",
     .op = "databases.tokens.rotate",
     .ask = ask_rotate,
     .took = took_rotate},
    {.what = NULL},
};
static const vk_prov_step end[] = {
    {.what = "look at the database",
     .op = "databases.get",
     .needed = is_ours,
     .ask = ask_look,
     .took = took_last_look},
    {.what = "delete the database",
     .op = "databases.delete",
     .needed = is_there,
     .ask = ask_delete,
     .took = took_delete},
    {.what = "see that it is gone",
     .op = "databases.gone",
     .needed = is_ours,
     .ask = ask_proof,
     .took = took_proof},
    {.what = NULL},
};
static const vk_prov_step usage[] = {
    {.what = "read what it has used", .op = "databases.usage", .ask = ask_usage, .took = took_usage},
    {.what = NULL},
};
static const vk_prov_step list[] = {
    {.what = "list the databases", .op = "databases.list", .ask = ask_list, .took = took_list},
    {.what = NULL},
};

static const struct vk_prov_direct direct[] = {
    {.name = "hostname", .from = "hostname"},
    {.name = "database_token", .from = "database_token", .secret = true},
    {.name = NULL},
};

const vk_provisioner vk_provision_turso = {
    .resource = "database",
    .joint = '-',
    .at_once = 8,
    .make = make,
    .renew = renew,
    .suspend = suspend,
    .end = end,
    .usage = usage,
    .list = list,
    .direct = direct,
};
