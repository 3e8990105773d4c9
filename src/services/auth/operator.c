/* What the operator does with a build's users through the admin API, below
 * /api/v1/builds/<id>/services/auth/: the Backend API's own calls of users without a key of the build, the
 * outbox, and the users with what is needed to take them elsewhere. docs/openapi.yaml has shapes.
 *
 * The users of a revoked build can be looked at and taken away, and stay as they are. */
#include "services/auth/inside.h"

#include "core/clock.h"
#include "core/json_write.h"

enum { EXPORT_PAGE_MAX = 500, EXPORT_PART = 20, EXPORT_BYTES = 8 * 1024 * 1024 };

/* ---- calls that the Backend API does not have; on the strand */

static vk_auth_fail outbox(vk_auth_call *c)
{
    char address[VK_AUTH_EMAIL_MAX + 1];
    const vk_auth_message *m;
    vk_str asked;
    size_t n;
    vk_auth_fail f = vk_auth_may_text(c, "address", VK_AUTH_EMAIL_MAX, &asked);
    if (f != VK_AUTH_F_OK)
        return f;
    if (asked.p && vk_auth_email(asked, address) != VK_OK) {
        c->param = VK_STR("address");
        return VK_AUTH_F_PARAM_FORMAT;
    }
    vk_err e = vk_auth_outbox(c->db, c->arena, asked.p ? vk_str_z(address) : VK_STR_NONE, &m, &n);
    if (e != VK_OK)
        return vk_auth_broke(c, e);
    vk_jw_obj(&c->w);
    vk_jw_key(&c->w, VK_STR("messages"));
    vk_jw_arr(&c->w);
    for (size_t i = 0; i < n; i++) {
        vk_jw_obj(&c->w);
        vk_jw_ki64(&c->w, "n", m[i].n);
        vk_jw_kstr(&c->w, "address", m[i].address);
        vk_jw_kstr(&c->w, "what", m[i].what);
        vk_jw_kstr(&c->w, "code", m[i].code);
        vk_jw_ki64(&c->w, "at_ms", m[i].at_ms);
        vk_jw_obj_end(&c->w);
    }
    vk_jw_arr_end(&c->w);
    vk_jw_obj_end(&c->w);
    return VK_AUTH_F_OK;
}

static void raw(vk_jw *w, const char *key, vk_str json)
{
    vk_jw_key(w, vk_str_z(key));
    vk_jw_raw(w, json.n ? json : VK_STR("{}"));
}

/* One user as the parameters of Clerk's POST /users, so that an import needs no translation; the id goes as
 * external_id, unless the app has given another. */
static vk_err write_user(vk_auth_call *c, const vk_auth_user *u)
{
    const vk_auth_email_row *emails;
    char created[VK_CLOCK_TEXT];
    size_t n, verified = 0;
    vk_jw *w = &c->w;
    vk_err e = vk_auth_emails_of(c->db, c->arena, vk_str_z(u->id), &emails, &n);
    if (e != VK_OK)
        return e;
    vk_jw_obj(w);
    vk_jw_kstr(w, "id", vk_str_z(u->id));
    vk_jw_kstr_or_null(w, "external_id", u->external_id.p ? u->external_id : vk_str_z(u->id));
    vk_jw_key(w, VK_STR("email_address"));
    vk_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        if (emails[i].verified) {
            vk_jw_str(w, vk_str_z(emails[i].address));
            verified++;
        }
    }
    vk_jw_arr_end(w);
    if (!verified)
        vk_jw_kbool(w, "skip_user_requirement", true);
    vk_jw_kstr_or_null(w, "first_name", u->first_name);
    vk_jw_kstr_or_null(w, "last_name", u->last_name);
    if (u->digest.n) {
        vk_jw_kstr(w, "password_digest", vk_secret_bytes(u->digest));
        vk_jw_kstr(w, "password_hasher", vk_str_z(vk_password_kind_name(u->digest_kind)));
    } else {
        vk_jw_kbool(w, "skip_password_requirement", true);
    }
    raw(w, "public_metadata", u->public_metadata);
    raw(w, "private_metadata", u->private_metadata);
    raw(w, "unsafe_metadata", u->unsafe_metadata);
    vk_jw_kbool(w, "banned", u->banned);
    vk_clock_text(u->created_ms, created);
    vk_jw_kstr(w, "created_at", vk_str_z(created));
    vk_jw_obj_end(w);
    return VK_OK;
}

static vk_auth_fail number(vk_auth_call *c, const char *name, int64_t most, int64_t *out_r)
{
    vk_err e = vk_auth_param_int(&c->query, vk_str_z(name), 0, most, out_r);
    if (e == VK_OK || e == VK_E_NOT_FOUND)
        return VK_AUTH_F_OK;
    c->param = vk_str_z(name);
    return VK_AUTH_F_PARAM_FORMAT;
}

/* Oldest first, so that pages stay where they are while users come. A page ends early when its users have
 * much metadata: it must fit into one answer. */
static vk_auth_fail export_users(vk_auth_call *c)
{
    vk_auth_user_filter by = {.ascending = true, .limit = EXPORT_PART};
    const vk_auth_user *users;
    size_t n, all = 0;
    vk_err e;
    vk_auth_fail f = number(c, "offset", INT64_MAX / 2, &by.offset);
    if (f != VK_AUTH_F_OK)
        return f;
    vk_jw_obj(&c->w);
    vk_jw_key(&c->w, VK_STR("users"));
    vk_jw_arr(&c->w);
    do {
        e = vk_auth_users(c->db, c->arena, &by, &users, &n);
        for (size_t i = 0; e == VK_OK && i < n; i++)
            e = write_user(c, &users[i]);
        if (e != VK_OK)
            return vk_auth_broke(c, e);
        by.offset += (int64_t)n;
        all += n;
    } while (n == EXPORT_PART && all < EXPORT_PAGE_MAX && c->w.out->n < EXPORT_BYTES);
    vk_jw_arr_end(&c->w);
    if (n == EXPORT_PART)
        vk_jw_ki64(&c->w, "next", by.offset);
    vk_jw_obj_end(&c->w);
    return VK_AUTH_F_OK;
}

/* ---- the calls */

static const vk_auth_route own[] = {
    {.method = "GET", .path = "/outbox", .need = VK_AUTH_NEEDS_BACKEND, .reads = true, .run = outbox},
    {.method = "GET",
     .path = "/users/export",
     .need = VK_AUTH_NEEDS_BACKEND,
     .reads = true,
     .run = export_users},
    {0},
};

/* What the operator may ask, and what the answer is before the build has a user. */
static const struct {
    const char *method, *path, *empty; /* a '*' stands for one segment; `empty` NULL: there is no such user */
} calls[] = {
    {"GET", "/outbox", "{\"messages\":[]}"},
    {"GET", "/users/export", "{\"users\":[]}"},
    {"GET", "/users/count", "{\"object\":\"total_count\",\"total_count\":0}"},
    {"GET", "/users", "[]"},
    {"POST", "/users", NULL},
    {"GET", "/users/*", NULL},
    {"DELETE", "/users/*", NULL},
    {"POST", "/users/*/ban", NULL},
    {"POST", "/users/*/unban", NULL},
    {"POST", "/users/*/lock", NULL},
    {"POST", "/users/*/unlock", NULL},
};

static bool fits(const char *pattern, vk_str path)
{
    size_t i = 0;
    for (const char *p = pattern; *p; p++) {
        if (*p != '*') {
            if (i == path.n || path.p[i++] != *p)
                return false;
            continue;
        }
        size_t from = i;
        while (i < path.n && path.p[i] != '/')
            i++;
        if (i == from)
            return false;
    }
    return i == path.n;
}

static const vk_auth_route *find_own(vk_str method, vk_str path)
{
    for (const vk_auth_route *r = own; r->method; r++)
        if (vk_str_eqz(method, r->method) && vk_str_eqz(path, r->path))
            return r;
    return NULL;
}

/* ---- on the loop */

static void finish(vk_exchange *ex)
{
    vk_auth_call *c = ex->principal;
    vk_auth_pool_let_go(c->pool); /* who takes the answer slowly holds up nobody */
    c->pool = NULL;
    if (c->fail == VK_AUTH_F_NOT_FOUND && !c->db && c->empty) {
        vk_respond_text(ex, 200, "application/json", vk_str_z(c->empty));
        return;
    }
    if (c->fail == VK_AUTH_F_OK && ex->out.err == VK_OK) {
        vk_respond(ex, 200, "application/json");
        return;
    }
    int status = c->fail == VK_AUTH_F_OK ? 500 : vk_auth_fail_status(c->fail);
    vk_err e = status == 404   ? VK_E_NOT_FOUND
               : status == 422 ? VK_E_UNPROCESSABLE
               : status == 429 ? VK_E_BUSY
               : status == 501 ? VK_E_UNSUPPORTED
               : status == 507 ? VK_E_FULL
               : status < 500  ? VK_E_INVALID
                               : VK_E_INTERNAL;
    vk_str param = c->param;
    (void)vk_service_refuse(ex, e, "%s" VK_STR_FMT "%s%s", param.n ? "\"" : "", VK_STR_ARG(param),
                            param.n ? "\": " : "",
                            vk_auth_fail_text(c->fail == VK_AUTH_F_OK ? VK_AUTH_F_INTERNAL : c->fail));
}

static void done(vk_exchange *ex)
{
    const vk_auth_call *c = ex->principal;
    if (c && c->pool)
        vk_auth_pool_let_go(c->pool);
}

static vk_err head(vk_exchange *ex, const char *build, vk_str rest)
{
    vk_str method = vk_str_eqz(ex->method, "HEAD") ? VK_STR("GET") : ex->method;
    vk_str path = vk_arena_printf(ex->arena, "/" VK_STR_FMT, VK_STR_ARG(rest));
    vk_auth_call *c = vk_auth_call_new(ex, finish);
    vk_build b;
    size_t i = 0;
    if (!c || !path.p)
        return vk_service_refuse(ex, VK_E_NOMEM, "Out of memory; try again in a second.");
    while (i < VK_COUNT(calls) && !(vk_str_eqz(method, calls[i].method) && fits(calls[i].path, path)))
        i++;
    if (i == VK_COUNT(calls))
        return vk_service_refuse(ex, VK_E_NOT_FOUND, "The auth service has no such call.");
    vk_auth_fail why = VK_AUTH_F_NOT_FOUND;
    c->route = find_own(method, path);
    if (!c->route)
        c->route = vk_auth_route_find(
            method, &(vk_auth_at){.build = vk_str_z(build), .backend = true, .rest = path}, c->id, &why);
    if (!c->route)
        return vk_service_refuse(ex, VK_E_NOT_FOUND, "This is no id of a user.");
    if (vk_auth_params_form(c->arena, ex->query, &c->query) != VK_OK)
        return vk_service_refuse(ex, VK_E_INVALID, "The query cannot be decoded.");
    c->empty = calls[i].empty;
    ex->principal = c;
    ex->done = done;
    c->pool = vk_auth_pool_hold_id(build);
    if (!c->pool)
        return vk_service_refuse(ex, VK_E_CONFLICT,
                                 "The build is being revoked or deleted; try again in a second.");
    c->about = vk_auth_pool_about(c->pool);
    vk_err e = vk_service_build(ex, build, &b);
    if (e == VK_OK)
        e = vk_service_embedded(ex, "auth", build);
    if (e == VK_OK && b.state != VK_BUILD_ACTIVE && !vk_str_eqz(method, "GET"))
        e = vk_service_refuse(ex, VK_E_CONFLICT,
                              "The build is revoked: its users can be looked at and exported, not changed.");
    ex->body_max = vk_str_eqz(method, "POST") ? VK_AUTH_BODY_MAX : 0;
    return e;
}

static void request(vk_exchange *ex)
{
    vk_auth_call *c = ex->principal;
    if (vk_auth_params_json(c->arena, vk_buf_view(&ex->body), &c->form) != VK_OK)
        (void)vk_service_refuse(ex, VK_E_INVALID, "The body must be a JSON object.");
    else if (vk_auth_pool_submit(c->pool, &c->job, false) != VK_OK)
        (void)vk_service_refuse(ex, VK_E_BUSY,
                                "Too many requests of this build wait; try again in a moment.");
}

const vk_operator vk_auth_operator = {.head = head, .request = request};
