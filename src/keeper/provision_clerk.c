/* An application at Clerk for each build, by the Platform API: its own people, its own keys. Shapes and
 * statuses: Clerk's description of its Platform API (private beta), https://api.clerk.com/v1/platform.
 *
 * What a browser may come from needs no entry there: a development instance, which these are, takes any
 * origin. The secret key stays here and goes on the build's calls (vendor_clerk.c); the app gets the
 * publishable key and a valet key. */
#include "core/json_write.h"
#include "keeper/provision_named.h"
#include "keeper/vendor_clerk.h"

enum { KEY_MAX = 512 };

static vk_str name_of(const vk_json *one)
{
    return vk_json_str(vk_json_get(one, VK_STR("name")));
}

static vk_str json_of(vk_prov *p, void (*write)(vk_prov *p, vk_jw *w))
{
    vk_buf b;
    vk_buf_init(&b, VK_PROV_BODY_MAX);
    vk_jw w = vk_jw_on(&b);
    vk_jw_obj(&w);
    write(p, &w);
    vk_jw_obj_end(&w);
    vk_str json = b.err ? VK_STR_NONE : vk_arena_dup(p->arena, vk_buf_view(&b));
    vk_buf_free(&b);
    return json;
}

static void write_create(vk_prov *p, vk_jw *w)
{
    vk_jw_kstr(w, "name", vk_str_z(p->name));
    vk_jw_key(w, VK_STR("environment_types"));
    vk_jw_arr(w);
    vk_jw_str(w, VK_STR("development"));
    vk_jw_arr_end(w);
}

static vk_err create(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    vk_str json = json_of(p, write_create);
    return json.p ? vk_prov_asks(r, "POST", VK_STR("/v1/platform/applications"), json) : VK_E_NOMEM;
}

/* Clerk says so itself, and not somebody on the way there. */
static bool gone(int status, const vk_json *body)
{
    const vk_json *errors = vk_json_get(body, VK_STR("errors"));
    return status == 404 && errors && errors->type == VK_JSON_ARRAY && errors->count;
}

static const vk_prov_kind kind = {
    .one = "the application",
    .many = "the applications",
    .path = "/v1/platform/applications",
    .query = "?include_secret_keys=true",
    .id = "application_id",
    .head = "app_",
    .error = "errors.0.message",
    .name = name_of,
    .create = create,
    .gone = gone,
};

static vk_err ask_create(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    return vk_named_ask_create(&kind, p, r, why_r);
}
static vk_err took_create(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return vk_named_took_create(&kind, p, status, body, why_r);
}
static vk_err ask_others(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    return vk_named_ask_others(&kind, p, r, why_r);
}
static vk_err took_twins(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return vk_named_took_others(&kind, p, status, body, true, why_r);
}

/* ---- its keys */

static vk_err ask_keys(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    return vk_named_ask_one(&kind, p, r, why_r);
}

/* The instance for development, and there is one. */
static const vk_json *instance_of(const vk_json *body)
{
    const vk_json *all = vk_json_get(body, VK_STR("instances")), *found = NULL;
    for (const vk_json *i = all && all->type == VK_JSON_ARRAY ? all->u.child : NULL; i; i = i->next)
        if (vk_str_eqz(vk_json_str(vk_json_get(i, VK_STR("environment_type"))), "development")) {
            if (found)
                return NULL;
            found = i;
        }
    return found;
}

static vk_err odd(const char **why_r, const char *why)
{
    *why_r = why;
    return VK_E_INVALID;
}

static vk_err took_keys(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    const char *why;
    vk_err e = vk_named_took_one(&kind, p, status, body, why_r);
    if (e != VK_OK)
        return e;
    const vk_json *one = instance_of(body);
    vk_str public_key = vk_prov_text(one, "publishable_key", KEY_MAX),
           secret_key = vk_prov_text(one, "secret_key", KEY_MAX),
           instance = vk_prov_text(one, "instance_id", VK_NAMED_ID_MAX);
    if (!one || !instance.n)
        return odd(why_r, "Clerk answers with an application that has no one instance for development.");
    if (!secret_key.n) {
        *why_r =
            "Clerk does not show the application's secret key: the token of the Platform API needs the right "
            "to read secret keys.";
        return VK_E_FORBIDDEN;
    }
    if (!vk_clerk_development(public_key, secret_key))
        return odd(why_r, "Clerk answers with keys that are none of a development instance.");
    if (!vk_vendor_field_of(p->vendor->own, VK_STR("publishable_key"))->ok(public_key, &why) ||
        !vk_vendor_field_of(p->vendor->own, VK_STR("secret_key"))->ok(secret_key, &why))
        return odd(why_r, "Clerk answers with keys that cannot be.");
    e = vk_prov_note(p, "instance", instance);
    if (e == VK_OK)
        e = vk_prov_set(p, "publishable_key", vk_secret_of(public_key));
    return e == VK_OK ? vk_prov_set(p, "secret_key", vk_secret_of(secret_key)) : e;
}

/* ---- the end of its secret key */

static void write_rotate(vk_prov *p, vk_jw *w)
{
    VK_UNUSED(p);
    vk_jw_ki64(w, "delay_old_secrets_expiration_hours", 0);
    vk_jw_kstr(w, "reason", VK_STR("The build has ended."));
}

static vk_err ask_rotate(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    VK_UNUSED(why_r);
    vk_str json = json_of(p, write_rotate), id = vk_prov_noted(p, "id");
    if (!json.p)
        return VK_E_NOMEM;
    vk_err e = vk_prov_asks(
        r, "POST",
        vk_arena_printf(p->arena, "%s/" VK_STR_FMT "/rotate_secret_keys", kind.path, VK_STR_ARG(id)), json);
    r->again = true;
    return e;
}

/* The new key is nobody's: it is not kept. */
static vk_err took_rotate(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return status == 200 || gone(status, body)
               ? VK_OK
               : vk_prov_refused(p, "Ending the application's secret key", status, body, kind.error, why_r);
}

/* ---- its end */

static vk_err ask_delete(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    return vk_named_ask_delete(&kind, p, r, why_r);
}
static vk_err took_delete(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return vk_named_took_delete(&kind, p, status, body, why_r);
}
static vk_err took_all(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return vk_named_took_others(&kind, p, status, body, false, why_r);
}
static vk_err ask_gone(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    vk_str id = vk_prov_noted(p, "id");
    VK_UNUSED(why_r);
    return vk_prov_asks(r, "GET", vk_arena_printf(p->arena, "%s/" VK_STR_FMT, kind.path, VK_STR_ARG(id)),
                        VK_STR_NONE);
}
static vk_err took_gone(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return vk_named_took_gone(&kind, p, status, body, why_r);
}

/* ---- what is asked only */

static vk_err ask_usage(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    vk_str id = vk_prov_noted(p, "id");
    VK_UNUSED(why_r);
    return vk_prov_asks(r, "GET",
                        vk_arena_printf(p->arena, "%s/" VK_STR_FMT "/instances/development/users?limit=1",
                                        kind.path, VK_STR_ARG(id)),
                        VK_STR_NONE);
}

static vk_err took_usage(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    if (status != 200)
        return vk_prov_refused(p, "Counting the application's users", status, body, kind.error, why_r);
    if (vk_prov_number(body, "total_count") < 0)
        return odd(why_r, "Clerk does not say how many users the application has.");
    vk_prov_use(p, "users", vk_prov_number(body, "total_count"));
    return VK_OK;
}

static vk_err ask_list(vk_prov *p, vk_prov_request *r, const char **why_r)
{
    return vk_named_ask_list(&kind, p, r, why_r);
}
static vk_err took_list(vk_prov *p, int status, const vk_json *body, const char **why_r)
{
    return vk_named_took_list(&kind, p, status, body, why_r);
}

/* ---- */

/* An organisation that entered one instance's keys has all builds in it. */
static bool wanted(const vk_org *org, const vk_binding *b)
{
    return org && vk_secret_bytes(vk_org_value(org, "platform_token")).n &&
           !vk_secret_bytes(vk_org_value(org, "secret_key")).n && !vk_binding_value(b, "publishable_key").n;
}

static const vk_prov_step make[] = {
    {.what = "create the application", .op = "applications.create", .ask = ask_create, .took = took_create},
    {.what = "see that there is only one",
     .op = "applications.twins",
     .needed = vk_named_unsure,
     .ask = ask_others,
     .took = took_twins},
    {.what = "read its keys", .op = "applications.get", .ask = ask_keys, .took = took_keys},
    {.what = NULL},
};
static const vk_prov_step suspend[] = {
    {.what = "end its secret key",
     .op = "applications.rotate_secret_keys",
     .needed = vk_named_known,
     .ask = ask_rotate,
     .took = took_rotate},
    {.what = NULL},
};
static const vk_prov_step end[] = {
    {.what = "delete the application",
     .op = "applications.delete",
     .needed = vk_named_known,
     .ask = ask_delete,
     .took = took_delete},
    {.what = "see that none of its name is left",
     .op = "applications.list",
     .ask = ask_others,
     .took = took_all},
    {.what = "see that it is gone",
     .op = "applications.get",
     .needed = vk_named_known,
     .ask = ask_gone,
     .took = took_gone},
    {.what = NULL},
};
static const vk_prov_step usage[] = {
    {.what = "count its users",
     .op = "applications.users",
     .needed = vk_named_known,
     .ask = ask_usage,
     .took = took_usage},
    {.what = NULL},
};
static const vk_prov_step list[] = {
    {.what = "list the applications", .op = "applications.list", .ask = ask_list, .took = took_list},
    {.what = NULL},
};

const vk_provisioner vk_provision_clerk = {
    .resource = "application",
    .joint = '-',
    .at_once = 4,
    .wanted = wanted,
    .make = make,
    .suspend = suspend,
    .end = end,
    .usage = usage,
    .list = list,
};
