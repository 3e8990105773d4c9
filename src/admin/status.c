/* GET /health, for everyone who may reach the port, and GET /status, for the admin. */
#include "admin/call.h"
#include "admin/health.h"
#include "core/clock.h"
#include "core/encode.h"

#include <unistd.h>

struct status_call {
    vk_health_ask ask; /* first */
    vk_call *call;
    vk_health health;
};

static void put_role(vk_jw *w, const char *name, bool ok)
{
    vk_jw_kstr(w, name, ok ? VK_STR("ok") : VK_STR("down"));
}

static void put_common(vk_jw *w, const vk_runtime *rt, const vk_health *h)
{
    int64_t up = vk_clock_wall_ms() - rt->started_ms;
    char started[VK_CLOCK_TEXT];
    vk_clock_text(rt->started_ms, started);
    vk_jw_kstr(w, "status", h->keeper && h->courier && !h->audit.sealed ? VK_STR("ok") : VK_STR("degraded"));
    vk_jw_kstr(w, "version", VK_STR(VK_VERSION));
    vk_jw_kstr(w, "started", vk_str_z(started));
    vk_jw_ki64(w, "uptime", up > 0 ? up / 1000 : 0);
    vk_jw_key(w, VK_STR("roles"));
    vk_jw_obj(w);
    put_role(w, "front", true); /* it is answering */
    put_role(w, "keeper", h->keeper);
    put_role(w, "courier", h->courier);
    vk_jw_obj_end(w);
}

static void begin(vk_call *c, void (*done)(vk_health_ask *a, const vk_health *h))
{
    struct status_call *x = VK_NEW(c->ex->arena, struct status_call);
    if (!x) {
        (void)vk_admin_error(c->ex, VK_E_NOMEM, "Out of memory; try again in a second");
        return;
    }
    x->call = c;
    x->ask.rt = c->rt;
    x->ask.done = done;
    c->ex->principal = x;
    vk_health_get(&x->ask);
}

/* ---- health */

static void health_known(vk_health_ask *a, const vk_health *h)
{
    vk_call *c = VK_CONTAINER(a, struct status_call, ask)->call;
    vk_jw w = vk_jw_on(&c->ex->out);
    vk_jw_obj(&w);
    put_common(&w, c->rt, h);
    vk_jw_obj_end(&w);
    vk_call_finish(c, 200);
}

void vk_admin_health(vk_call *c)
{
    begin(c, health_known);
}

/* ---- status */

static const char *how_kept(vk_data_how how)
{
    switch (how) {
    case VK_DATA_EXPORT:
        return "export";
    case VK_DATA_FIXED:
        return "fixed";
    case VK_DATA_APPENDED:
        return "appended";
    case VK_DATA_NAMED:
        return "named";
    case VK_DATA_BESIDE:
        return "beside";
    }
    return "";
}

/* What a service has in a build's folder, and how a backup takes it. */
static void put_files(vk_jw *w, const vk_service *s)
{
    vk_jw_key(w, VK_STR("files"));
    vk_jw_arr(w);
    for (const vk_data_file *f = s->files; f && f->name; f++) {
        vk_jw_obj(w);
        vk_jw_kstr(w, "name", vk_str_z(f->name));
        vk_jw_kstr(w, "how", vk_str_z(how_kept(f->how)));
        vk_jw_obj_end(w);
    }
    vk_jw_arr_end(w);
}

/* Of new builds. */
static const char *default_driver(const vk_runtime *rt, const vk_service *s)
{
    for (size_t i = 0; i < rt->n_drivers; i++)
        if (strcmp(rt->drivers[i].service, s->name) == 0)
            return rt->drivers[i].driver;
    return s->driver;
}

static void put_drivers(vk_jw *w, const vk_service *s)
{
    vk_jw_key(w, VK_STR("drivers"));
    vk_jw_arr(w);
    vk_jw_str(w, VK_STR("embedded"));
    for (const vk_driver *const *d = s->drivers; d && *d; d++)
        vk_jw_str(w, vk_str_z((*d)->name));
    vk_jw_arr_end(w);
}

static void put_services(vk_jw *w, const vk_runtime *rt)
{
    const vk_service *services[VK_SERVICES_MAX];
    size_t n = vk_services(services);
    vk_jw_key(w, VK_STR("services"));
    vk_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        vk_jw_obj(w);
        vk_jw_kstr(w, "name", vk_str_z(services[i]->name));
        vk_jw_kstr(w, "vendor", vk_str_z(services[i]->vendor));
        vk_jw_kstr(w, "driver", vk_str_z(default_driver(rt, services[i])));
        put_drivers(w, services[i]);
        vk_jw_ki64(w, "port", rt->listen[i].port);
        vk_jw_kstr(w, "url_sandbox", vk_str_z(rt->url_sandbox[i]));
        vk_jw_kstr(w, "url_browser", vk_str_z(rt->url_browser[i]));
        vk_jw_kbool(w, "exports", services[i]->export_data != NULL);
        vk_jw_kbool(w, "snapshots", services[i]->snapshots != NULL);
        vk_jw_kbool(w, "metrics", services[i]->metrics != NULL);
        put_files(w, services[i]);
        vk_jw_obj_end(w);
    }
    vk_jw_arr_end(w);
}

/* Where each is, and whether it speaks TLS. */
static void put_listeners(vk_jw *w, const vk_runtime *rt)
{
    const vk_service *services[VK_SERVICES_MAX];
    size_t n = vk_services(services);
    vk_jw_key(w, VK_STR("listeners"));
    vk_jw_arr(w);
    for (size_t i = 0; i <= n; i++) {
        const vk_listen_at *at = &rt->listen[i < n ? i : VK_CONSOLE];
        vk_jw_obj(w);
        vk_jw_kstr(w, "name", i < n ? vk_str_z(services[i]->name) : VK_STR("console"));
        vk_jw_kstr(w, "address", vk_str_z(at->host));
        vk_jw_ki64(w, "port", at->port);
        vk_jw_kbool(w, "tls", at->tls);
        vk_jw_obj_end(w);
    }
    vk_jw_arr_end(w);
}

static void put_certificate(vk_jw *w, const vk_runtime *rt)
{
    vk_tls_facts x;
    char from[VK_CLOCK_TEXT], until[VK_CLOCK_TEXT], sha256[2 * VK_TLS_SHA256 + 1];
    vk_jw_key(w, VK_STR("certificate"));
    if (!rt->tls) {
        vk_jw_null(w);
        return;
    }
    vk_tls_host_facts(rt->tls, &x);
    vk_clock_text(x.from_ms, from);
    vk_clock_text(x.until_ms, until);
    vk_jw_obj(w);
    vk_jw_kstr(w, "names", vk_str_z(x.names));
    vk_jw_kstr(w, "key", vk_str_z(x.key));
    vk_jw_kstr(w, "from", vk_str_z(from));
    vk_jw_kstr(w, "until", vk_str_z(until));
    vk_jw_ki64(w, "seconds_left", (x.until_ms - vk_clock_wall_ms()) / 1000);
    vk_jw_kbool(w, "self_signed", rt->ca_file[0] != '\0');
    vk_hex(sha256, x.sha256, sizeof x.sha256);
    vk_jw_kstr(w, "sha256", vk_str_z(sha256));
    vk_jw_obj_end(w);
}

static void status_work(vk_call *c)
{
    const struct status_call *x = c->ex->principal;
    vk_store *s = c->rt->store;
    int64_t builds = 0, active = 0;
    vk_err e = s->ops->counts(s, vk_clock_wall_ms(), &builds, &active);
    if (e != VK_OK) {
        vk_call_fail_store(c, e);
        return;
    }
    vk_jw w = vk_jw_on(&c->ex->out);
    vk_jw_obj(&w);
    put_common(&w, c->rt, &x->health);
    vk_jw_key(&w, VK_STR("builds"));
    vk_jw_obj(&w);
    vk_jw_ki64(&w, "total", builds);
    vk_jw_ki64(&w, "active", active);
    vk_jw_obj_end(&w);
    vk_jw_key(&w, VK_STR("audit"));
    vk_health_put_audit(&w, &x->health.audit);
    vk_jw_key(&w, VK_STR("key_source"));
    if (x->health.key_source[0])
        vk_jw_str(&w, vk_str_z(x->health.key_source));
    else
        vk_jw_null(&w);
    vk_jw_kbool(&w, "key_beside_data", x->health.key_beside_data);
    vk_jw_kstr(&w, "metadata", vk_str_z(s->ops->name));
    vk_jw_ki64(&w, "schema", VK_SCHEMA_VERSION);
    vk_jw_kstr(&w, "share", vk_str_z(c->rt->share_dir));
    vk_jw_kstr(&w, "fences", vk_str_z(c->rt->fences));
    vk_jw_kstr(&w, "fences_missing", vk_str_z(c->rt->unfenced));
    vk_jw_kstr(&w, "data_dir", vk_str_z(c->rt->data_dir));
    vk_jw_ki64(&w, "default_ttl", c->rt->default_ttl_ms / 1000);
    vk_jw_ki64(&w, "loops", (int64_t)c->rt->n_loops);
    vk_jw_ki64(&w, "console_port", c->rt->listen[VK_CONSOLE].port);
    put_services(&w, c->rt);
    put_listeners(&w, c->rt);
    put_certificate(&w, c->rt);
    vk_jw_obj_end(&w);
    vk_call_finish(c, 200);
}

static void status_health_known(vk_health_ask *a, const vk_health *h)
{
    struct status_call *x = VK_CONTAINER(a, struct status_call, ask);
    x->health = *h;
    vk_call_on_lane(x->call, status_work);
}

void vk_admin_status(vk_call *c)
{
    begin(c, status_health_known);
}
