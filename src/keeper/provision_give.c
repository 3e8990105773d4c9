/* What is asked of something that is ready: the credential that the app itself gets, and how much it uses. */
#include "core/clock.h"
#include "keeper/provision_in.h"

enum { WAIT_MS = 20 * 1000 /* for a credential that is being renewed */, LEND_ARENA = 1 << 20 };

/* ---- credentials */

typedef struct giving {
    vk_prov_asked *a;
    vk_view_build seen;
    vk_prov_waiter waiter;
    vk_timer timer;
    vk_audit_entry audit;
} giving;

static vk_str value_of(const vk_org *g, const vk_made *m, const char *from)
{
    vk_str own = vk_secret_bytes(vk_org_value(g, from));
    return own.n ? own : vk_made_noted(m, from);
}

/* What the vendor's file makes here and now. */
static vk_err lend(giving *x, const vk_org *g, const vk_made *m, vk_jw *w, int64_t *expires_r,
                   const char **why_r)
{
    vk_prov_asked *a = x->a;
    vk_prov_run *r = calloc(1, sizeof *r);
    if (!r)
        return VK_E_NOMEM;
    r->made = *m;
    r->p = (vk_prov){.vendor = a->vendor,
                     .org = vk_org_find(a->provs->with.orgs, vk_str_z(a->vendor->name), VK_STR("")),
                     .own = g,
                     .generation = m->generation,
                     .binding = &x->seen.binding,
                     .origins = x->seen.build.origins,
                     .n_origins = x->seen.build.n_origins,
                     .build_expires_ms = x->seen.build.expires_ms,
                     .tag = a->provs->tag,
                     .now_ms = vk_clock_wall_ms(),
                     .arena = vk_arena_new(LEND_ARENA)};
    memcpy(r->p.build, x->seen.build.id, sizeof r->p.build);
    memcpy(r->p.name, m->name, sizeof r->p.name);
    vk_err e = !r->p.arena ? VK_E_NOMEM : r->p.org ? VK_OK : VK_E_UNAVAILABLE;
    *why_r = e == VK_E_UNAVAILABLE ? "The organisation's keys of that vendor are missing."
                                   : "There is not enough memory.";
    if (e == VK_OK)
        e = vk_prov_vendor_of(a->provs, a->vendor)->how->lend(&r->p, w, expires_r, why_r);
    snprintf(a->why, sizeof a->why, "%s", *why_r);
    *why_r = a->why;
    if (r->p.arena) {
        vk_arena_wipe(r->p.arena);
        vk_arena_free(r->p.arena);
    }
    free(r);
    return e;
}

/* What it answered with, for the audit. */
static int put(giving *x, const vk_org *g, const vk_made *m)
{
    vk_exchange *ex = x->a->ex;
    const vk_provisioner *how = vk_prov_vendor_of(x->a->provs, x->a->vendor)->how;
    char text[VK_CLOCK_TEXT];
    const char *why = "";
    int64_t expires = how->lend ? 0 : vk_made_expires(m);
    ex->secret = true;
    vk_jw w = vk_jw_on(&ex->out);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("values"));
    vk_jw_obj(&w);
    for (const struct vk_prov_direct *d = how->direct; d && d->name; d++) {
        vk_str value = value_of(g, m, d->from);
        if (value.n)
            vk_jw_kstr(&w, d->name, value);
    }
    vk_err e = how->lend ? lend(x, g, m, &w, &expires, &why) : VK_OK;
    if (e != VK_OK) {
        vk_wipe(ex->out.p, ex->out.n);
        vk_prov_refuse(ex, e, why);
        return vk_err_status(e);
    }
    vk_jw_obj_end(&w);
    if (expires)
        vk_clock_text(expires, text);
    vk_jw_kstr_or_null(&w, "expires_at", expires ? vk_str_z(text) : VK_STR_NONE);
    vk_jw_obj_end(&w);
    vk_respond(ex, 200, "application/json");
    return 200;
}

/* The record, when it has a credential that is good now; NULL: it was refused. */
static const vk_org *ready(giving *x, vk_made *m)
{
    vk_prov_asked *a = x->a;
    const vk_org *g = vk_org_find(a->provs->with.orgs, vk_str_z(a->vendor->name), a->build);
    if (g && vk_prov_made_of(g, m) == VK_OK && m->state == VK_PROV_READY &&
        m->generation == x->seen.build.generation &&
        (!vk_made_expires(m) || vk_made_expires(m) > vk_clock_wall_ms()))
        return g;
    vk_prov_refuse(a->ex, VK_E_UNAVAILABLE, "What the build is to have there is not ready.");
    return NULL;
}

static void durable(vk_audit_entry *e, vk_err err)
{
    giving *x = e->arg;
    vk_made m;
    if (err != VK_OK) {
        vk_prov_refuse(x->a->ex, VK_E_UNAVAILABLE, "The audit cannot be written, so no credential is given.");
        return;
    }
    vk_audit *audit = x->a->provs->with.audit;
    vk_audit_entry outcome = *e; /* the exchange may be gone once it is answered */
    const vk_org *g = ready(x, &m);
    vk_errand_outcome(audit, &outcome, g ? put(x, g, &m) : vk_err_status(VK_E_UNAVAILABLE));
}

static void give(giving *x)
{
    vk_made m;
    vk_org_facts f;
    vk_prov_asked *a = x->a;
    const vk_org *g = ready(x, &m);
    if (!g)
        return;
    vk_org_facts_of(g, &f);
    vk_audit_entry *e = &x->audit;
    *e = (vk_audit_entry){.kind = VK_AUDIT_INTENT, .rec_version = f.version, .durable = durable, .arg = x};
    snprintf(e->build, sizeof e->build, "%s", f.build);
    snprintf(e->service, sizeof e->service, "%.16s", f.vendor->service);
    snprintf(e->op, sizeof e->op, "resource.credentials %s", f.vendor->name);
    snprintf(e->actor, sizeof e->actor, "%s", a->actor);
    for (const vk_vendor_field *own = f.vendor->own; own->name; own++)
        if (own->secret) {
            vk_org_ref(g, own->name, e->key_ref);
            break;
        }
    if (vk_audit_write(a->provs->with.audit, e) != VK_OK)
        vk_prov_refuse(a->ex, VK_E_UNAVAILABLE, "The audit cannot be written, so no credential is given.");
}

static void renewed(vk_prov_waiter *w)
{
    giving *x = VK_CONTAINER(w, giving, waiter);
    vk_timer_clear(x->a->provs->with.loop, &x->timer);
    give(x);
}

static void waited(vk_timer *t)
{
    giving *x = VK_CONTAINER(t, giving, timer);
    vk_list_remove(&x->waiter.node);
    give(x); /* the one that is there may be good for a while still */
}

static void wait_for(giving *x)
{
    vk_prov_asked *a = x->a;
    vk_prov_job *j = vk_prov_job_of(a->provs, a->build, a->vendor);
    if (!j) {
        give(x);
        return;
    }
    vk_prov_wake(j);
    x->waiter.over = renewed;
    vk_list_push(&j->waiters, &x->waiter.node);
    vk_timer_set(a->provs->with.loop, &x->timer, WAIT_MS, waited);
}

static void begun(void *arg, vk_err e, const char *why)
{
    VK_UNUSED(e);
    VK_UNUSED(why);
    wait_for(arg);
}

void vk_prov_credentials(vk_prov_asked *a)
{
    vk_made m;
    giving *x = VK_NEW(a->ex->arena, giving);
    vk_prov_vendor *at = x ? vk_prov_asked_vendor(a, &x->seen) : NULL;
    if (!x)
        vk_prov_refuse(a->ex, VK_E_NOMEM, "There is not enough memory.");
    if (!at)
        return;
    if ((!at->how->direct && !at->how->lend) ||
        !vk_str_eqz(vk_binding_value(&x->seen.binding, "delivery"), "direct")) {
        vk_prov_refuse(a->ex, VK_E_FORBIDDEN, "The build has this service through valetkey only.");
        return;
    }
    a->vendor = at->vendor;
    x->a = a;
    vk_list_init(&x->waiter.node);
    const vk_org *g = ready(x, &m);
    if (!g)
        return;
    if (m.list == VK_PROV_RENEW)
        wait_for(x);
    else if (at->how->renew && vk_prov_renew_due(&m, vk_clock_wall_ms())) {
        vk_prov_renew(&m);
        vk_prov_turn(a->provs, a->vendor, x->seen.build.id, &m, a->actor, begun, x);
    } else
        give(x);
}

/* ---- usage */

typedef struct using
{
    vk_prov_asked *a;
    vk_prov_ask ask;
}
using;

static void used(vk_prov_ask *q, vk_err e, const char *why)
{
    using *x = q->arg;
    vk_exchange *ex = x->a->ex;
    if (e != VK_OK) {
        vk_prov_refuse(ex, e, why);
        return;
    }
    vk_jw w = vk_jw_on(&ex->out);
    vk_jw_obj(&w);
    vk_jw_key(&w, VK_STR("usage"));
    vk_jw_obj(&w);
    for (size_t i = 0; i < q->n_uses; i++)
        vk_jw_ki64(&w, q->uses[i].name, q->uses[i].n);
    vk_jw_obj_end(&w);
    vk_jw_obj_end(&w);
    vk_respond(ex, 200, "application/json");
}

void vk_prov_usage(vk_prov_asked *a)
{
    enum { TRIES = 3 };
    vk_made m;
    using *x = VK_NEW(a->ex->arena, using);
    const vk_prov_vendor *at = NULL;
    for (size_t i = 0; x && i < a->provs->n_vendors && !at; i++) {
        const vk_vendor *v = a->provs->vendors[i].vendor;
        const vk_org *g = a->provs->vendors[i].how && vk_str_eqz(a->service, v->service)
                              ? vk_org_find(a->provs->with.orgs, vk_str_z(v->name), a->build)
                              : NULL;
        if (a->build.n && g && vk_prov_made_of(g, &m) == VK_OK)
            at = &a->provs->vendors[i];
    }
    if (!x)
        vk_prov_refuse(a->ex, VK_E_NOMEM, "There is not enough memory.");
    else if (!at)
        vk_prov_refuse(a->ex, VK_E_NOT_FOUND, "Nothing was made for that service of the build.");
    else if (m.state != VK_PROV_READY && m.state != VK_PROV_SUSPENDED)
        vk_prov_refuse(a->ex, VK_E_UNAVAILABLE, "What the build is to have there is not ready.");
    else if (!at->how->usage)
        vk_prov_refuse(a->ex, VK_E_UNSUPPORTED, "That vendor does not say how much is used.");
    else {
        x->a = a;
        x->ask = (vk_prov_ask){.list = VK_PROV_USAGE, .tries_most = TRIES, .done = used, .arg = x};
        vk_err e = vk_prov_ask_begin(a->provs, &x->ask, at->vendor, a->build, a->actor);
        if (e != VK_OK)
            vk_prov_refuse(a->ex, e, "There is not enough memory.");
    }
}
