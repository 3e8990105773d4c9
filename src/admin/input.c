#include "admin/input.h"

#include "admin/origin.h"
#include "core/clock.h"
#include "core/json_read.h"
#include "keeper/org.h"

enum { TTL_MIN_MS = 60 * 1000, SHOWN_MAX = 64, SALT_HEX = 32 };
static const int64_t ttl_max_ms = (int64_t)3650 * 86400 * 1000;

/* What people wrote, short enough to be repeated to them. */
static vk_str shown(vk_str s)
{
    return (vk_str){s.p, s.n > SHOWN_MAX ? SHOWN_MAX : s.n};
}

static vk_err parse_object(vk_arena *a, vk_str body, vk_json **out_r, const char **why_r)
{
    const char *what = NULL;
    size_t at = 0;
    vk_err e = vk_json_parse(a, body, out_r, &what, &at);
    if (e == VK_E_INVALID)
        return vk_refuse(a, why_r, "The body is not valid JSON: %s at byte %zu", what ? what : "error", at);
    *why_r = "Out of memory";
    if (e != VK_OK)
        return e;
    if ((*out_r)->type != VK_JSON_OBJECT)
        return vk_refuse(a, why_r, "The body must be a JSON object");
    return VK_OK;
}

static int by_bytes(const void *x, const void *y)
{
    const vk_str *a = x, *b = y;
    size_t n = a->n < b->n ? a->n : b->n;
    int c = memcmp(a->p, b->p, n);
    return c ? c : (a->n > b->n) - (a->n < b->n);
}

static vk_err take_origins(vk_arena *a, const vk_json *v, vk_create *c, const char **why_r)
{
    if (v->type != VK_JSON_ARRAY)
        return vk_refuse(a, why_r, "\"origins\" must be an array of texts such as \"http://localhost:3000\"");
    if (v->count > VK_ORIGINS_MAX)
        return vk_refuse(a, why_r, "\"origins\" has %u entries; a build may have %d", v->count,
                         (int)VK_ORIGINS_MAX);
    size_t n = 0;
    for (const vk_json *o = v->u.child; o; o = o->next) {
        const char *why;
        if (o->type != VK_JSON_STRING)
            return vk_refuse(a, why_r, "\"origins\" must hold texts only");
        vk_err e = vk_origin_parse(a, o->u.s, &c->origins[n], &why);
        if (e != VK_OK)
            return vk_refuse(a, why_r, "The origin \"" VK_STR_FMT "\" %s", VK_STR_ARG(shown(o->u.s)), why);
        n++;
    }
    qsort(c->origins, n, sizeof *c->origins, by_bytes);
    c->n_origins = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !vk_str_eq(c->origins[i], c->origins[c->n_origins - 1]))
            c->origins[c->n_origins++] = c->origins[i];
    c->has_origins = true;
    return VK_OK;
}

static vk_err take_id(vk_arena *a, const vk_json *v, vk_create *c, const char **why_r)
{
    if (v->type != VK_JSON_STRING || !vk_build_id_ok(v->u.s))
        return vk_refuse(a, why_r,
                         "\"id\" must be 1 to 32 characters of a-z, 0-9 and -, beginning and ending with a "
                         "letter or digit");
    c->id = v->u.s;
    return VK_OK;
}

static vk_err take_framework(vk_arena *a, const vk_json *v, vk_create *c, const char **why_r)
{
    c->framework = v->type == VK_JSON_STRING ? vk_framework_find(v->u.s) : NULL;
    if (!c->framework)
        return vk_refuse(a, why_r, "\"framework\" is unknown; known are %s", vk_framework_names());
    return VK_OK;
}

static vk_err take_ttl(vk_arena *a, const vk_json *v, vk_create *c, const char **why_r)
{
    int64_t ms = 0, seconds;
    if (v->type == VK_JSON_STRING) {
        if (vk_duration_parse(v->u.s, &ms) != VK_OK)
            ms = 0;
    } else if (vk_json_i64(v, &seconds) == VK_OK && seconds > 0 && seconds <= ttl_max_ms / 1000) {
        ms = seconds * 1000;
    }
    if (ms < TTL_MIN_MS || ms > ttl_max_ms)
        return vk_refuse(
            a, why_r,
            "\"ttl\" must be seconds, or a text such as \"30d\", \"12h\" or \"90m\": 60 seconds to "
            "3650 days");
    c->ttl_ms = ms;
    return VK_OK;
}

static vk_err take_driver(vk_arena *a, const vk_service *s, const vk_json *v, vk_binding *out_r,
                          const char **why_r)
{
    const vk_json *driver = v, *resource = NULL;
    if (v->type == VK_JSON_OBJECT) {
        driver = vk_json_get(v, VK_STR("driver"));
        resource = vk_json_opt(v, VK_STR("resource"));
        for (const vk_json *m = v->u.child; m; m = m->next)
            if ((!vk_str_eqz(m->key, "driver") && !vk_str_eqz(m->key, "resource")) ||
                m != vk_json_get(v, m->key))
                return vk_refuse(a, why_r,
                                 "\"" VK_STR_FMT
                                 "\" of a driver is unknown or stands twice; known are driver "
                                 "and resource",
                                 VK_STR_ARG(shown(m->key)));
    }
    if (!driver || driver->type != VK_JSON_STRING)
        return vk_refuse(a, why_r, "The driver of \"%s\" must be a text such as \"embedded\"", s->name);
    vk_err e = vk_driver_choose(a, s, driver->u.s, resource, out_r, why_r);
    if (e == VK_OK && !vk_driver_makes(out_r) && vk_driver_needs_secrets(out_r))
        return vk_refuse(a, why_r,
                         "\"%s\" needs secret values of the build: make the build, then bind it (PUT "
                         "…/services/%s/driver, or `valetkey build use`)",
                         out_r->driver, s->name);
    return e;
}

/* In the order of the services, so that one choice is one text. */
static vk_err take_drivers(vk_arena *a, const vk_json *v, vk_create *c, const char **why_r)
{
    const vk_service *all[VK_SERVICES_MAX];
    size_t n = vk_services(all);
    if (v->type != VK_JSON_OBJECT)
        return vk_refuse(a, why_r,
                         "\"drivers\" must be an object such as {\"payments\":\"embedded\"}: services and "
                         "their drivers");
    for (const vk_json *m = v->u.child; m; m = m->next) {
        if (vk_service_index(m->key) < 0)
            return vk_refuse(a, why_r, "\"drivers\" names the service \"" VK_STR_FMT "\", which is not there",
                             VK_STR_ARG(shown(m->key)));
        if (m != vk_json_get(v, m->key))
            return vk_refuse(a, why_r, "\"drivers\" names \"" VK_STR_FMT "\" twice",
                             VK_STR_ARG(shown(m->key)));
    }
    c->n_drivers = 0;
    for (size_t i = 0; i < n; i++) {
        const vk_json *m = vk_json_get(v, vk_str_z(all[i]->name));
        vk_err e = m ? take_driver(a, all[i], m, &c->drivers[c->n_drivers], why_r) : VK_OK;
        if (e != VK_OK)
            return e;
        c->n_drivers += m != NULL;
    }
    return VK_OK;
}

static const struct member {
    const char *name;
    vk_err (*take)(vk_arena *a, const vk_json *v, vk_create *c, const char **why_r);
} members[] = {
    {"origins", take_origins}, {"id", take_id},           {"framework", take_framework},
    {"ttl", take_ttl},         {"drivers", take_drivers},
};

static vk_err take_members(vk_arena *a, const vk_json *o, size_t n_known, vk_create *c, const char **why_r)
{
    for (const vk_json *m = o->u.child; m; m = m->next) {
        size_t i = 0;
        while (i < n_known && !vk_str_eqz(m->key, members[i].name))
            i++;
        if (i == n_known)
            return vk_refuse(a, why_r, "The member \"" VK_STR_FMT "\" is unknown; known are %s",
                             VK_STR_ARG(shown(m->key)),
                             n_known == 1 ? "origins" : "id, framework, origins, ttl and drivers");
        if (m != vk_json_get(o, m->key))
            return vk_refuse(a, why_r, "The member \"%s\" stands twice", members[i].name);
        vk_err e = m->type == VK_JSON_NULL ? VK_OK : members[i].take(a, m, c, why_r);
        if (e != VK_OK)
            return e;
    }
    return VK_OK;
}

vk_err vk_create_parse(vk_arena *a, vk_str body, vk_create *out_r, const char **why_r)
{
    vk_create c = {0};
    vk_json *o;
    if (body.n) {
        vk_err e = parse_object(a, body, &o, why_r);
        if (e == VK_OK)
            e = take_members(a, o, VK_COUNT(members), &c, why_r);
        if (e != VK_OK)
            return e;
    }
    *out_r = c;
    return VK_OK;
}

vk_err vk_origins_parse(vk_arena *a, vk_str body, vk_create *out_r, const char **why_r)
{
    vk_create c = {0};
    vk_json *o;
    vk_err e = parse_object(a, body, &o, why_r);
    if (e == VK_OK)
        e = take_members(a, o, 1, &c, why_r);
    if (e != VK_OK)
        return e;
    if (!c.has_origins)
        return vk_refuse(a, why_r,
                         "The member \"origins\" is missing; an empty array takes all origins away");
    *out_r = c;
    return VK_OK;
}

/* Members of `known` (NULL ends) only, each once. */
static vk_err only(vk_arena *a, const vk_json *o, const char *const *known, const char **why_r)
{
    for (const vk_json *m = o->u.child; m; m = m->next) {
        size_t i = 0;
        while (known[i] && !vk_str_eqz(m->key, known[i]))
            i++;
        if (!known[i])
            return vk_refuse(a, why_r, "The member \"" VK_STR_FMT "\" is unknown", VK_STR_ARG(shown(m->key)));
        if (m != vk_json_get(o, m->key))
            return vk_refuse(a, why_r, "The member \"%s\" stands twice", known[i]);
    }
    return VK_OK;
}

static vk_err take_sealed(vk_arena *a, const vk_json *v, vk_str *out_r, const char **why_r)
{
    if (v->type != VK_JSON_STRING || v->u.s.n == 0 || v->u.s.n > VK_SEALED_MAX)
        return vk_refuse(a, why_r,
                         "\"sealed\" must be a text of at most %d bytes: base64 of what was sealed "
                         "to the key of GET /api/v1/keys/sealing",
                         (int)VK_SEALED_MAX);
    *out_r = v->u.s;
    return VK_OK;
}

vk_err vk_sealed_parse(vk_arena *a, vk_str body, vk_str *sealed_r, const char **why_r)
{
    static const char *const known[] = {"sealed", NULL};
    vk_json *o;
    vk_err e = parse_object(a, body, &o, why_r);
    if (e == VK_OK)
        e = only(a, o, known, why_r);
    if (e != VK_OK)
        return e;
    const vk_json *v = vk_json_get(o, VK_STR("sealed"));
    return v ? take_sealed(a, v, sealed_r, why_r) : vk_refuse(a, why_r, "The member \"sealed\" is missing");
}

vk_err vk_provide_parse(vk_arena *a, vk_str body, vk_str *service_r, const char **why_r)
{
    static const char *const known[] = {"service", NULL};
    vk_json *o = NULL;
    vk_err e = body.n ? parse_object(a, body, &o, why_r) : VK_OK;
    if (e == VK_OK && o)
        e = only(a, o, known, why_r);
    if (e != VK_OK)
        return e;
    const vk_json *v = vk_json_opt(o, VK_STR("service"));
    if (v && (v->type != VK_JSON_STRING || !v->u.s.n))
        return vk_refuse(a, why_r, "\"service\" must be a text such as \"database\"");
    *service_r = vk_json_str(v);
    return VK_OK;
}

vk_err vk_sweep_parse(vk_arena *a, vk_str body, vk_sweep *out_r, const char **why_r)
{
    static const char *const known[] = {"vendor", "delete", NULL};
    vk_json *o;
    vk_err e = parse_object(a, body, &o, why_r);
    if (e == VK_OK)
        e = only(a, o, known, why_r);
    if (e != VK_OK)
        return e;
    const vk_json *vendor = vk_json_get(o, VK_STR("vendor")), *names = vk_json_opt(o, VK_STR("delete"));
    if (!vendor || vendor->type != VK_JSON_STRING)
        return vk_refuse(a, why_r, "\"vendor\" must be a text such as \"turso\"");
    if (names && (names->type != VK_JSON_ARRAY || names->count > VK_SWEEP_NAMES))
        return vk_refuse(a, why_r, "\"delete\" must be an array of at most %d names", (int)VK_SWEEP_NAMES);
    for (const vk_json *x = names ? names->u.child : NULL; x; x = x->next)
        if (x->type != VK_JSON_STRING || !x->u.s.n || x->u.s.n > VK_SWEEP_NAME)
            return vk_refuse(a, why_r, "\"delete\" must hold names of 1 to %d bytes", (int)VK_SWEEP_NAME);
    *out_r = (vk_sweep){vendor->u.s, names ? names->u.child : NULL};
    return VK_OK;
}

vk_err vk_salt_parse(vk_arena *a, vk_str body, vk_str *salt_r, const char **why_r)
{
    static const char *const known[] = {"salt", NULL};
    vk_json *o;
    vk_err e = parse_object(a, body, &o, why_r);
    if (e == VK_OK)
        e = only(a, o, known, why_r);
    if (e != VK_OK)
        return e;
    vk_str salt = vk_json_str(vk_json_get(o, VK_STR("salt")));
    bool good = salt.n == SALT_HEX;
    for (size_t i = 0; good && i < salt.n; i++)
        good = salt.p[i] && strchr("0123456789abcdef", salt.p[i]);
    if (!good)
        return vk_refuse(a, why_r, "\"salt\" must be %d hex digits in lower case", (int)SALT_HEX);
    *salt_r = salt;
    return VK_OK;
}

vk_err vk_rebind_parse(vk_arena *a, const vk_service *s, vk_str body, vk_rebind *out_r, const char **why_r)
{
    static const char *const known[] = {"driver", "resource", "sealed", NULL};
    vk_json *o;
    vk_rebind r = {.sealed = VK_STR_NONE};
    vk_err e = parse_object(a, body, &o, why_r);
    if (e == VK_OK)
        e = only(a, o, known, why_r);
    if (e != VK_OK)
        return e;
    const vk_json *driver = vk_json_get(o, VK_STR("driver")), *sealed = vk_json_opt(o, VK_STR("sealed"));
    if (!driver || driver->type != VK_JSON_STRING)
        return vk_refuse(a, why_r, "\"driver\" must be a text such as \"embedded\"");
    e = vk_driver_choose(a, s, driver->u.s, vk_json_opt(o, VK_STR("resource")), &r.binding, why_r);
    if (e == VK_OK && sealed)
        e = take_sealed(a, sealed, &r.sealed, why_r);
    if (e == VK_OK && sealed && vk_str_eqz(driver->u.s, "embedded"))
        return vk_refuse(a, why_r, "The driver \"embedded\" takes no values");
    if (e == VK_OK)
        *out_r = r;
    return e;
}

vk_err vk_snapshot_parse(vk_arena *a, vk_str body, vk_str *name_r, bool *automatic_r, const char **why_r)
{
    vk_json *o = NULL;
    vk_err e = body.n ? parse_object(a, body, &o, why_r) : VK_OK;
    *name_r = VK_STR_NONE;
    *automatic_r = false;
    for (const vk_json *m = e == VK_OK && o ? o->u.child : NULL; m; m = m->next) {
        bool name = vk_str_eqz(m->key, "name"), automatic = vk_str_eqz(m->key, "automatic");
        if (!name && !automatic)
            return vk_refuse(a, why_r,
                             "The member \"" VK_STR_FMT "\" is unknown; known are name and automatic",
                             VK_STR_ARG(shown(m->key)));
        if (m != vk_json_get(o, m->key))
            return vk_refuse(a, why_r, "The member \"%s\" stands twice", name ? "name" : "automatic");
        if (m->type == VK_JSON_NULL)
            continue;
        if (m->type != (name ? VK_JSON_STRING : VK_JSON_BOOL) || (name && m->u.s.n == 0))
            return vk_refuse(a, why_r,
                             name ? "\"name\" must be a text" : "\"automatic\" must be true or false");
        if (name)
            *name_r = m->u.s;
        else
            *automatic_r = m->u.b;
    }
    return e;
}

void vk_create_digest(const vk_create *c, uint8_t out[VK_SHA256])
{
    /* No part can hold a newline, so the text says one thing only. */
    char text[64 + VK_BUILD_ID_MAX + VK_FRAMEWORK_MAX + VK_ORIGINS_MAX * (VK_ORIGIN_MAX + 2)];
    size_t at = (size_t)snprintf(text, sizeof text, "create/1\n" VK_STR_FMT "\n%s\n%lld\n%s\n",
                                 VK_STR_ARG(c->id), c->framework ? c->framework->name : "",
                                 (long long)c->ttl_ms, c->has_origins ? "origins" : "");
    for (size_t i = 0; i < c->n_origins && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, VK_STR_FMT "\n", VK_STR_ARG(c->origins[i]));
    if (!c->n_drivers) { /* as it was before there were any: the digests are kept for days */
        vk_sha256((vk_str){text, at < sizeof text ? at : sizeof text}, out);
        return;
    }
    struct {
        uint8_t sum[VK_SHA256];
        char service[VK_SERVICE_MAX + 1], driver[VK_SERVICE_MAX + 1];
        uint8_t resource[VK_SHA256];
    } one; /* chained, so that their length has no limit here */
    vk_sha256((vk_str){text, at < sizeof text ? at : sizeof text}, out);
    for (size_t i = 0; i < c->n_drivers; i++) {
        const vk_binding *b = &c->drivers[i];
        memset(&one, 0, sizeof one);
        memcpy(one.sum, out, sizeof one.sum);
        snprintf(one.service, sizeof one.service, "%s", b->service);
        snprintf(one.driver, sizeof one.driver, "%s", b->driver);
        vk_sha256(b->resource, one.resource);
        vk_sha256((vk_str){(const char *)&one, sizeof one}, out);
    }
}

static bool bound_so(const vk_binding *want, const vk_binding *had, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(had[i].service, want->service) == 0)
            return vk_driver_same(want, &had[i]);
    return strcmp(want->driver, "embedded") == 0;
}

bool vk_create_fits(const vk_create *c, const vk_build *b, const vk_binding *bindings, size_t n)
{
    for (size_t i = 0; i < c->n_drivers; i++)
        if (!bound_so(&c->drivers[i], bindings, n))
            return false;
    if ((c->id.p && !vk_str_eqz(c->id, b->id)) ||
        (c->framework && strcmp(c->framework->name, b->framework) != 0) ||
        (c->ttl_ms && c->ttl_ms != b->ttl_ms))
        return false;
    if (!c->has_origins)
        return true;
    if (c->n_origins != b->n_origins)
        return false;
    for (size_t i = 0; i < c->n_origins; i++) /* the store gives them sorted too */
        if (!vk_str_eq(c->origins[i], b->origins[i]))
            return false;
    return true;
}

bool vk_idem_ok(vk_str key)
{
    if (key.n == 0 || key.n > VK_IDEM_MAX)
        return false;
    for (size_t i = 0; i < key.n; i++)
        if (key.p[i] < '!' || key.p[i] > '~')
            return false;
    return true;
}
