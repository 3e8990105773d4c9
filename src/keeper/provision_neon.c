/* A project at Neon for each build: a PostgreSQL with a compute of its own. A branch would share the
 * project's data and limits, and a role the compute. Shapes, statuses and sentences: Neon's description of
 * its API (OpenAPI, "Neon API v2").
 *
 * Names of projects are not unique, ids are Neon's own. So before a second try it is looked for by name, and
 * all that have our name are ours: one is kept, others that a lost answer left behind are deleted. What is
 * changed goes on in the background ("operations"), and two changes at once are answered with 423. */
#include "keeper/provision_answer.h"
#include "keeper/provision_vendors.h"

enum { ID_MAX = 60, TEXT_MAX = 512, PAGE = 100, PAGES_MOST = 200 };

#define ROLE "app"
#define DATABASE "app"
#define PROJECTS "/api/v2/projects"

/* 422 with a code that ends so: the plan has no room ("PROJECTS_LIMIT_EXCEEDED"). */
static vk_err refused(vk_prov *p, const char *what, int status, const vk_json *body, const char **why_r)
{
    static const char limit[] = "LIMIT_EXCEEDED";
    vk_str code = vk_prov_text(body, "code", TEXT_MAX);
    size_t n = sizeof limit - 1;
    vk_err e = vk_prov_refused(p, what, status, body, "message", why_r);
    bool full = code.n >= n && memcmp(code.p + code.n - n, limit, n) == 0;
    return full && e != VK_AGAIN ? VK_E_FULL : e;
}

static bool id_ok(vk_str id)
{
    for (size_t i = 0; i < id.n; i++)
        if (!((id.p[i] >= 'a' && id.p[i] <= 'z') || (id.p[i] >= '0' && id.p[i] <= '9') || id.p[i] == '-'))
            return false;
    return id.n > 0 && id.n <= ID_MAX;
}

/* Of a project, a branch: [a-z0-9-]{1,60}, so that it can stand in a path. */
static vk_str id_of(const vk_json *o, const char *member)
{
    vk_str id = vk_prov_text(o, member, ID_MAX);
    return id_ok(id) ? id : VK_STR_NONE;
}

static bool has_our_name(const vk_prov *p, const vk_json *project)
{
    return vk_str_eqz(vk_json_str(vk_json_get(project, VK_STR("name"))), p->name);
}

/* p->carry as a word: what was asked last, or what comes next, of a step with several requests. */
static vk_err say(vk_prov *p, const char *word)
{
    vk_buf_clear(p->carry);
    vk_buf_z(p->carry, word);
    return p->carry->err;
}

static bool said(const vk_prov *p, const char *word)
{
    return vk_str_eqz(vk_buf_view(p->carry), word);
}

/* It is noted in which organisation it was made: with the keys of another one it would not be found, and that
 * would prove nothing. An organisation's own key need not say which it is; then nothing can be told. */
static vk_err same_org(vk_prov *p, const char **why_r)
{
    vk_str noted = vk_prov_noted(p, "org"), org = vk_prov_org(p, "org_id");
    if (!noted.n || !org.n || vk_str_eq(noted, org))
        return VK_OK;
    *why_r = "The project is in another organization at Neon than the one whose keys are entered now.";
    return VK_E_CONFLICT;
}

/* ---- finding by name */

static vk_err ask_search(vk_prov *p, vk_prov_request *r)
{
    vk_str org = vk_prov_org(p, "org_id");
    vk_str path = vk_arena_printf(p->arena, PROJECTS "?limit=%d&search=%s%s" VK_STR_FMT, PAGE, p->name,
                                  org.n ? "&org_id=" : "", VK_STR_ARG(org));
    return vk_prov_asks(r, "GET", path, VK_STR_NONE);
}

/* The id of the first project of our name that is not `but`; *id_r empty: there is none, and that is sure. */
static vk_err found(vk_prov *p, int status, const vk_json *body, vk_str but, vk_str *id_r, const char **why_r)
{
    *id_r = VK_STR_NONE;
    if (status != 200)
        return refused(p, "Looking for the project", status, body, why_r);
    const vk_json *all = vk_json_get(body, VK_STR("projects"));
    const vk_json *unknown = vk_json_opt(body, VK_STR("unavailable_project_ids"));
    if (!all || all->type != VK_JSON_ARRAY) {
        *why_r = "Neon does not say which projects there are.";
        return VK_E_INVALID;
    }
    for (const vk_json *x = all->u.child; x; x = x->next) {
        vk_str id = id_of(x, "id");
        if (has_our_name(p, x) && id.n && !vk_str_eq(id, but)) {
            *id_r = id;
            return VK_OK;
        }
    }
    if (unknown && unknown->count) { /* ours may be among those that Neon could not look at in time */
        *why_r = "Neon cannot say at the moment which projects there are.";
        return VK_E_BUSY;
    }
    return VK_OK;
}

/* ---- making */

static vk_err ask_post(vk_prov *p, vk_prov_request *r)
{
    vk_buf b;
    vk_buf_init(&b, VK_PROV_BODY_MAX);
    vk_jw w = vk_jw_on(&b);
    vk_str org = vk_prov_org(p, "org_id"), region = vk_prov_org(p, "region");
    int64_t size = vk_prov_size(vk_prov_org(p, "size_limit"));
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("project"));
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "name", vk_str_z(p->name));
    if (org.n)
        vk_jw_kstr(&w, "org_id", org);
    if (region.n)
        vk_jw_kstr(&w, "region_id", region);
    vk_jw_kbool(&w, "store_passwords", true); /* without, an adopted project could not be connected to */
    vk_jw_key(&w, VK_STR("branch"));
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "name", VK_STR("main"));
    vk_jw_kstr(&w, "role_name", VK_STR(ROLE));
    vk_jw_kstr(&w, "database_name", VK_STR(DATABASE));
    vk_jw_obj_end(&w);
    if (size) {
        vk_jw_key(&w, VK_STR("settings"));
        vk_jw_obj(&w);
        vk_jw_key(&w, VK_STR("quota"));
        vk_jw_obj(&w);
        vk_jw_ki64(&w, "logical_size_bytes", size);
        vk_jw_obj_end(&w);
        vk_jw_obj_end(&w);
    }
    vk_jw_obj_end(&w);
    vk_jw_obj_end(&w);
    vk_str json = b.err ? VK_STR_NONE : vk_arena_dup(p->arena, vk_buf_view(&b));
    vk_buf_free(&b);
    return json.p ? vk_prov_asks(r, "POST", VK_STR(PROJECTS), json) : VK_E_NOMEM;
}

/* carry: "look" it is looked for, "none" it is not there, "make" it is asked for. */
static vk_err ask_create(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    bool look = p->tried && !said(p, "none");
    vk_err e = say(p, look ? "look" : "make");
    if (e != VK_OK)
        return e;
    return look ? ask_search(p, r) : ask_post(p, r);
}

static vk_err keep_id(vk_prov *p, vk_str id)
{
    vk_err e = vk_prov_note(p, "id", id);
    return e == VK_OK ? vk_prov_set(p, "project_id", vk_secret_of(id)) : e;
}

/* Whether the address is one of our role and database, at a host to which it may be sent. */
static bool uri_ok(const vk_prov *p, vk_str uri)
{
    const char *why;
    vk_str user, password, host, rest = uri;
    const vk_vendor_field *f = vk_vendor_field_of(p->vendor->own, VK_STR("connection_uri"));
    if (!f->ok(uri, &why) || !vk_str_cut(&rest, ':', &user) || !vk_str_starts(rest, VK_STR("//")))
        return false;
    rest.p += 2;
    rest.n -= 2;
    return vk_str_cut(&rest, ':', &user) && vk_str_eqz(user, ROLE) && vk_str_cut(&rest, '@', &password) &&
           password.n && vk_str_cut(&rest, '/', &host) && vk_prov_host_ok(p, host) &&
           vk_str_starts(rest, VK_STR(DATABASE)) &&
           (rest.n == sizeof DATABASE - 1 || rest.p[sizeof DATABASE - 1] == '?');
}

static vk_err keep_uri(vk_prov *p, vk_str uri, const char **why_r)
{
    if (!uri_ok(p, uri)) {
        *why_r = "Neon answers with an address of the database that cannot be one.";
        return VK_E_INVALID;
    }
    return vk_prov_set(p, "connection_uri", vk_secret_of(uri));
}

/* The first and only request, and it was refused: there is nothing to be looked for at the end, which a key
 * that may not even list could never prove. */
static vk_err refused_post(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    vk_err e = refused(p, "Making the project", status, body, why_r);
    bool plain = (status >= 400 && status <= 403) || status == 422;
    if (plain && e != VK_AGAIN && !p->tried && !vk_prov_noted(p, "again").n) {
        vk_err noted = vk_prov_note(p, "none", VK_STR("1"));
        return noted == VK_OK ? e : noted;
    }
    return e;
}

static vk_err took_post(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status != 201 && status != 200)
        return refused_post(p, status, body, why_r);
    const vk_json *project = vk_json_get(body, VK_STR("project"));
    const vk_json *uris = vk_json_get(body, VK_STR("connection_uris"));
    vk_str id = id_of(project, "id"), branch = id_of(vk_json_get(body, VK_STR("branch")), "id");
    if (!id.n || !has_our_name(p, project)) {
        *why_r = "Neon answers with another project than the one that was asked for.";
        return VK_E_INVALID;
    }
    vk_str org = id_of(project, "org_id");
    vk_err e = keep_id(p, id);
    if (e == VK_OK && org.n)
        e = vk_prov_note(p, "org", org);
    if (e == VK_OK && branch.n)
        e = vk_prov_note(p, "branch", branch);
    if (e != VK_OK || !uris || uris->type != VK_JSON_ARRAY || !uris->u.child)
        return e;
    return keep_uri(p, vk_json_str(vk_json_get(uris->u.child, VK_STR("connection_uri"))), why_r);
}

static vk_err took_create(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    vk_str id;
    if (said(p, "make"))
        return took_post(p, status, body, why_r);
    vk_err e = found(p, status, body, VK_STR_NONE, &id, why_r);
    if (e == VK_OK) /* it was asked for more than once, so there may be more than one */
        e = vk_prov_note(p, "again", VK_STR("1"));
    if (e != VK_OK)
        return e;
    if (id.n)
        return keep_id(p, id);
    p->soon = true;
    e = say(p, "none");
    return e == VK_OK ? VK_AGAIN : e;
}

/* ---- waiting for what goes on in the background */

static vk_err ask_operations(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    vk_str id = vk_prov_noted(p, "id");
    vk_str path =
        vk_arena_printf(p->arena, PROJECTS "/" VK_STR_FMT "/operations?limit=%d", VK_STR_ARG(id), PAGE);
    return vk_prov_asks(r, "GET", path, VK_STR_NONE);
}

/* "error" is one that Neon itself tries again (its retry_at); "failed" is final. */
static vk_err took_operations(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    static const char *const done[] = {"finished", "skipped", "cancelled"};
    if (status != 200)
        return refused(p, "Looking how far the project is", status, body, why_r);
    const vk_json *all = vk_json_get(body, VK_STR("operations"));
    if (!all || all->type != VK_JSON_ARRAY) {
        *why_r = "Neon does not say how far the project is.";
        return VK_E_INVALID;
    }
    bool waits = false;
    for (const vk_json *x = all->u.child; x; x = x->next) {
        vk_str s = vk_json_str(vk_json_get(x, VK_STR("status")));
        bool over = false;
        for (size_t i = 0; i < VK_COUNT(done); i++)
            over |= vk_str_eqz(s, done[i]);
        if (vk_str_eqz(s, "failed")) {
            *why_r = "Neon could not make the project ready.";
            return VK_E_INVALID;
        }
        waits |= !over;
    }
    return waits ? VK_AGAIN : VK_OK;
}

/* ---- the address */

static bool has_no_uri(const vk_prov *p)
{
    return !p->own || !vk_secret_bytes(vk_org_value(p->own, "connection_uri")).n;
}

static vk_err ask_uri(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    vk_str id = vk_prov_noted(p, "id");
    vk_str path = vk_arena_printf(
        p->arena, PROJECTS "/" VK_STR_FMT "/connection_uri?database_name=" DATABASE "&role_name=" ROLE,
        VK_STR_ARG(id));
    return vk_prov_asks(r, "GET", path, VK_STR_NONE);
}

static vk_err took_uri(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status != 200)
        return refused(p, "Asking for the address of the database", status, body, why_r);
    return keep_uri(p, vk_json_str(vk_json_get(body, VK_STR("uri"))), why_r);
}

/* ---- deleting: carry is nothing while it is looked for, then the id of what goes */

static vk_err ask_remove(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    vk_str id = vk_buf_view(p->carry);
    vk_err e = same_org(p, why_r);
    if (e != VK_OK)
        return e;
    if (!id.n)
        return ask_search(p, r);
    vk_str path = vk_arena_printf(p->arena, PROJECTS "/" VK_STR_FMT, VK_STR_ARG(id));
    return vk_prov_asks(r, "DELETE", path, VK_STR_NONE);
}

/* Until there is none of our name but `but`. */
static vk_err took_remove(vk_prov *p, int status, const vk_json *body, vk_str but, const char **why_r)
{
    vk_str id;
    if (p->carry->n) {
        if (status != 200 && status != 404)
            return refused(p, "Deleting the project", status, body, why_r);
        vk_buf_clear(p->carry);
        p->soon = status == 200; /* 404: the search will know it in a moment */
        return VK_AGAIN;
    }
    vk_err e = found(p, status, body, but, &id, why_r);
    if (e != VK_OK || !id.n)
        return e;
    vk_buf_str(p->carry, id);
    p->soon = true;
    return p->carry->err ? p->carry->err : VK_AGAIN;
}

static bool may_be_there(const vk_prov *p)
{
    return !vk_prov_noted(p, "none").n;
}

static bool was_asked_again(const vk_prov *p)
{
    return vk_prov_noted(p, "again").n != 0;
}

static vk_err took_doubles(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return took_remove(p, status, body, vk_prov_noted(p, "id"), why_r);
}

static vk_err took_all(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return took_remove(p, status, body, VK_STR_NONE, why_r);
}

/* ---- the proof. carry: nothing, or 'd' when it is there after all, and is deleted by its id. */

static bool has_id(const vk_prov *p)
{
    return id_ok(vk_prov_noted(p, "id"));
}

static vk_err ask_project(vk_prov *p, vk_prov_request *r, const char *method)
{
    vk_str id = vk_prov_noted(p, "id");
    if (!id_ok(id))
        return VK_E_INVALID;
    return vk_prov_asks(r, method, vk_arena_printf(p->arena, PROJECTS "/" VK_STR_FMT, VK_STR_ARG(id)),
                        VK_STR_NONE);
}

static vk_err ask_proof(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    vk_err e = same_org(p, why_r);
    return e != VK_OK ? e : ask_project(p, r, p->carry->n ? "DELETE" : "GET");
}

/* A deleted project can be brought back for some days, by people; it may be shown until then, with the time
 * of its end. One that has another name is none of ours, or is no longer: its owner gave it another. */
static vk_err took_proof(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (p->carry->n) {
        if (status != 200 && status != 404)
            return refused(p, "Deleting the project", status, body, why_r);
        vk_buf_clear(p->carry);
        return VK_AGAIN;
    }
    if (status == 404 || status == 410)
        return VK_OK;
    if (status != 200)
        return refused(p, "Looking at the project", status, body, why_r);
    const vk_json *project = vk_json_get(body, VK_STR("project"));
    if (!vk_str_eq(id_of(project, "id"), vk_prov_noted(p, "id"))) {
        *why_r = "Neon answers with another project than the one that was asked for.";
        return VK_E_INVALID;
    }
    if (vk_json_opt(project, VK_STR("deleted_at")) || !has_our_name(p, project))
        return VK_OK;
    vk_buf_ch(p->carry, 'd');
    return p->carry->err ? p->carry->err : VK_AGAIN;
}

/* ---- the end of the password that was given out */

static bool has_no_branch(const vk_prov *p)
{
    return has_id(p) && !vk_prov_noted(p, "branch").n;
}

static vk_err ask_branches(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    if (same_org(p, why_r) != VK_OK)
        return VK_E_CONFLICT;
    vk_str id = vk_prov_noted(p, "id");
    return vk_prov_asks(r, "GET",
                        vk_arena_printf(p->arena, PROJECTS "/" VK_STR_FMT "/branches", VK_STR_ARG(id)),
                        VK_STR_NONE);
}

static vk_err took_branches(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status == 404)
        return VK_OK;
    if (status != 200)
        return refused(p, "Looking at the project", status, body, why_r);
    const vk_json *all = vk_json_get(body, VK_STR("branches"));
    for (const vk_json *x = all && all->type == VK_JSON_ARRAY ? all->u.child : NULL; x; x = x->next) {
        const vk_json *usual = vk_json_opt(x, VK_STR("default"));
        vk_str id = id_of(x, "id");
        if (id.n && usual && usual->type == VK_JSON_BOOL && usual->u.b)
            return vk_prov_note(p, "branch", id);
    }
    *why_r = "Neon does not say which branch of the project is the usual one.";
    return VK_E_INVALID;
}

static bool has_branch(const vk_prov *p)
{
    return has_id(p) && id_ok(vk_prov_noted(p, "branch"));
}

static vk_err ask_reset(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    if (same_org(p, why_r) != VK_OK)
        return VK_E_CONFLICT;
    vk_str id = vk_prov_noted(p, "id"), branch = vk_prov_noted(p, "branch");
    vk_str path = vk_arena_printf(
        p->arena, PROJECTS "/" VK_STR_FMT "/branches/" VK_STR_FMT "/roles/" ROLE "/reset_password",
        VK_STR_ARG(id), VK_STR_ARG(branch));
    vk_err e = vk_prov_asks(r, "POST", path, VK_STR_NONE);
    r->again = true; /* a second one makes another password, and nobody has the first */
    return e;
}

/* The new password is in the answer, and is kept nowhere: what the build had opens nothing any more. */
static vk_err took_reset(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return status == 200 || status == 404 ? VK_OK : refused(p, "Ending the password", status, body, why_r);
}

static vk_err took_reset_operations(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return status == 404 ? VK_OK : took_operations(p, status, body, why_r);
}

/* ---- what is asked only */

static vk_err ask_usage(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    if (!has_id(p)) {
        *why_r = "There is no project yet.";
        return VK_E_NOT_FOUND;
    }
    return ask_project(p, r, "GET");
}

static vk_err took_usage(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    static const struct {
        const char *name, *theirs;
    } names[] = {
        {"storage_bytes", "synthetic_storage_size"}, {"written_bytes", "written_data_bytes"},
        {"transfer_bytes", "data_transfer_bytes"},   {"active_seconds", "active_time_seconds"},
        {"compute_seconds", "compute_time_seconds"},
    };
    if (status != 200)
        return refused(p, "Reading what the project has used", status, body, why_r);
    const vk_json *project = vk_json_get(body, VK_STR("project"));
    if (!has_our_name(p, project)) {
        *why_r = "Neon answers with another project than the one that was asked for.";
        return VK_E_INVALID;
    }
    for (size_t i = 0; i < VK_COUNT(names); i++)
        if (vk_prov_number(project, names[i].theirs) >= 0)
            vk_prov_use(p, names[i].name, vk_prov_number(project, names[i].theirs));
    return VK_OK;
}

/* carry: the cursor of the page before, as it goes into a query. */
static vk_err ask_list(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    vk_str org = vk_prov_org(p, "org_id"), cursor = vk_buf_view(p->carry);
    if (p->page >= PAGES_MOST) {
        *why_r = "There are more projects than can be looked through.";
        return VK_E_TOO_LARGE;
    }
    vk_str path = vk_arena_printf(p->arena, PROJECTS "?limit=%d%s" VK_STR_FMT "%s" VK_STR_FMT, PAGE,
                                  org.n ? "&org_id=" : "", VK_STR_ARG(org), cursor.n ? "&cursor=" : "",
                                  VK_STR_ARG(cursor));
    return vk_prov_asks(r, "GET", path, VK_STR_NONE);
}

static void escaped(vk_buf *out, vk_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c))
            vk_buf_ch(out, c);
        else
            vk_buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

/* A page has a cursor whether there are more or not; the one behind the last is empty. */
static vk_err took_list(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status != 200)
        return refused(p, "Listing the projects", status, body, why_r);
    const vk_json *all = vk_json_get(body, VK_STR("projects"));
    if (!all || all->type != VK_JSON_ARRAY) {
        *why_r = "Neon does not say which projects there are.";
        return VK_E_INVALID;
    }
    for (const vk_json *x = all->u.child; x; x = x->next) {
        vk_str name = vk_prov_text(x, "name", VK_PROV_NAME_MAX), id = id_of(x, "id");
        vk_err e = name.n && id.n ? vk_prov_found(p, name, id, vk_prov_text(x, "created_at", 64)) : VK_OK;
        if (e != VK_OK)
            return e;
    }
    vk_str cursor = vk_prov_text(vk_json_get(body, VK_STR("pagination")), "cursor", TEXT_MAX);
    if (!all->count || !cursor.n)
        return VK_OK;
    vk_buf next;
    vk_buf_init(&next, (size_t)3 * TEXT_MAX + 1);
    escaped(&next, cursor);
    vk_err e = next.err;
    bool same = e == VK_OK && vk_str_eq(vk_buf_view(&next), vk_buf_view(p->carry));
    if (e == VK_OK && !same) {
        vk_buf_clear(p->carry);
        vk_buf_str(p->carry, vk_buf_view(&next));
        e = p->carry->err;
    }
    vk_buf_free(&next);
    if (e != VK_OK || same)
        return e;
    p->soon = true;
    return VK_AGAIN;
}

/* ---- */

static const vk_prov_step make[] = {
    {.what = "create the project", .op = "projects.create", .ask = ask_create, .took = took_create},
    {.what = "see that there is one of it",
     .op = "projects.doubles",
     .needed = was_asked_again,
     .ask = ask_remove,
     .took = took_doubles},
    {.what = "wait for the project",
     .op = "projects.operations",
     .ask = ask_operations,
     .took = took_operations},
    {.what = "ask for its address",
     .op = "projects.connection_uri",
     .needed = has_no_uri,
     .ask = ask_uri,
     .took = took_uri},
    {.what = NULL},
};
static const vk_prov_step suspend[] = {
    {.what = "look at the project",
     .op = "projects.branches",
     .needed = has_no_branch,
     .ask = ask_branches,
     .took = took_branches},
    {.what = "end the password of its role",
     .op = "projects.roles.reset_password",
     .needed = has_branch,
     .ask = ask_reset,
     .took = took_reset},
    {.what = "wait until it opens nothing",
     .op = "projects.operations",
     .needed = has_branch,
     .ask = ask_operations,
     .took = took_reset_operations},
    {.what = NULL},
};
static const vk_prov_step end[] = {
    {.what = "delete the project",
     .op = "projects.delete",
     .needed = may_be_there,
     .ask = ask_remove,
     .took = took_all},
    {.what = "see that it is gone",
     .op = "projects.gone",
     .needed = has_id,
     .ask = ask_proof,
     .took = took_proof},
    {.what = NULL},
};
static const vk_prov_step usage[] = {
    {.what = "read what it has used", .op = "projects.get", .ask = ask_usage, .took = took_usage},
    {.what = NULL},
};
static const vk_prov_step list[] = {
    {.what = "list the projects", .op = "projects.list", .ask = ask_list, .took = took_list},
    {.what = NULL},
};

static const struct vk_prov_direct direct[] = {
    {.name = "connection_uri", .from = "connection_uri", .secret = true},
    {.name = NULL},
};

const vk_provisioner vk_provision_neon = {
    .resource = "project",
    .joint = '-',
    .at_once = 4,
    .make = make,
    .suspend = suspend,
    .end = end,
    .usage = usage,
    .list = list,
    .direct = direct,
};
