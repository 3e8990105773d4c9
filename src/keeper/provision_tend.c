/* What was made and is looked after: its credential is renewed at half of its life, and given up when its
 * build is revoked or has expired. */
#include "core/clock.h"
#include "keeper/provision_in.h"

typedef struct turn {
    vk_org_keep keep;
    vk_provs *provs;
    vk_buf text;
    char build[VK_BUILD_ID_MAX + 1], actor[VK_AUDIT_TEXT];
    const vk_vendor *vendor;
    void (*done)(void *arg, vk_err e, const char *why);
    void *arg;
} turn;

static void turned(vk_org_keep *k, vk_err e)
{
    turn *t = k->arg;
    vk_provs *x = t->provs;
    vk_prov_job *j = vk_prov_job_of(x, vk_str_z(t->build), t->vendor);
    bool goes = k->remove;
    if (!j && !goes && e == VK_OK && vk_prov_job_new(x, vk_str_z(t->build), t->vendor, &j) != VK_OK)
        j = NULL; /* the look finds it */
    if (j && e == VK_OK) {
        snprintf(j->actor, sizeof j->actor, "%s", t->actor);
        j->tries = 0;
        j->why[0] = '\0';
        vk_prov_wake(j);
    }
    void (*done)(void *arg, vk_err e, const char *why) = t->done;
    if (done)
        done(t->arg, e, k->why);
    vk_buf_free(&t->text);
    free(t);
}

void vk_prov_turn(vk_provs *x, const vk_vendor *v, const char *build, const vk_made *m, const char *actor,
                  void (*done)(void *arg, vk_err e, const char *why), void *arg)
{
    static const char *const ops[] = {
        [VK_PROV_NONE] = "resource.gone",          [VK_PROV_MAKING] = "resource.provision",
        [VK_PROV_READY] = "resource.renew",        [VK_PROV_SUSPENDED] = "resource.suspend",
        [VK_PROV_ENDING] = "resource.deprovision",
    };
    turn *t = calloc(1, sizeof *t);
    vk_err e = t ? VK_OK : VK_E_NOMEM;
    if (e == VK_OK) {
        *t = (turn){.provs = x, .vendor = v, .done = done, .arg = arg};
        vk_buf_init(&t->text, VK_VENDOR_VALUE_MAX + 1024);
        snprintf(t->build, sizeof t->build, "%s", build);
        snprintf(t->actor, sizeof t->actor, "%s", actor[0] ? actor : "valetkey");
        e = m ? vk_made_write(m, &t->text) : VK_OK;
    }
    if (e != VK_OK) {
        if (t)
            vk_buf_free(&t->text);
        free(t);
        if (done)
            done(arg, e, "There is not enough memory.");
        return;
    }
    t->keep = (vk_org_keep){.vendor = v,
                            .build = t->build,
                            .op = ops[m ? m->state : VK_PROV_NONE],
                            .n = m ? 1 : 0,
                            .remove = !m,
                            .done = turned,
                            .arg = t};
    t->keep.anew = m && m->state == VK_PROV_MAKING;
    t->keep.fields[0].name = "made";
    t->keep.fields[0].value = vk_secret_of(vk_buf_view(&t->text));
    snprintf(t->keep.audit.actor, sizeof t->keep.audit.actor, "%s", t->actor);
    vk_org_keeps(x->with.orgs, &t->keep);
}

static void begin(vk_prov_list list, vk_prov_state state, vk_made *m)
{
    m->state = state;
    m->list = list;
    m->step = 0;
    m->op[0] = '\0';
}

bool vk_prov_renew_due(const vk_made *m, int64_t now_ms)
{
    int64_t expires = vk_made_expires(m);
    int64_t half = (expires - m->noted_ms) / 2;
    if (!expires)
        return false;
    if (now_ms <
        m->noted_ms - VK_PROV_RENEW_MS) /* the clock was set back: when it really ends is not known */
        return true;
    return now_ms - m->noted_ms >= (half > VK_PROV_RENEW_MS ? half : VK_PROV_RENEW_MS);
}

void vk_prov_renew(vk_made *m)
{
    begin(VK_PROV_RENEW, VK_PROV_READY, m);
}

void vk_prov_suspend(vk_made *m)
{
    begin(VK_PROV_SUSPEND, VK_PROV_SUSPENDED, m);
}

void vk_prov_end(vk_made *m, bool late)
{
    begin(VK_PROV_END, VK_PROV_ENDING, m);
    m->fails = false;
    m->late = late;
    m->why[0] = '\0';
}

void vk_prov_tend(vk_provs *x, const vk_org *g, const vk_made *was)
{
    enum { ARENA = VK_BINDINGS_MAX * (VK_RESOURCE_MAX + 64) + 65536 };
    vk_org_facts f;
    vk_view_build seen;
    vk_made m = *was;
    if (m.state != VK_PROV_READY && m.state != VK_PROV_SUSPENDED)
        return;
    vk_org_facts_of(g, &f);
    const vk_provisioner *how = vk_prov_vendor_of(x, f.vendor)->how;
    int64_t now = vk_clock_wall_ms();
    if (!how->suspend && !how->renew)
        return; /* whether its build is there does not matter */
    vk_arena *a = vk_arena_new(ARENA);
    if (!a)
        return;
    vk_err e = vk_view_build_of(x->with.view, a, vk_str_z(f.build), vk_str_z(f.vendor->service), &seen);
    bool known = e == VK_OK && seen.build.generation == m.generation;
    bool lives = known && seen.build.state == VK_BUILD_ACTIVE && seen.build.expires_ms > now;
    bool active = lives && seen.bound && strcmp(seen.binding.driver, f.vendor->name) == 0;
    vk_arena_free(a);
    if (!known) /* nobody's: that is for people to look at (the sweep) */
        return;
    if (!lives && m.state == VK_PROV_READY && how->suspend)
        vk_prov_suspend(&m);
    else if (active && m.state == VK_PROV_SUSPENDED)
        begin(how->renew ? VK_PROV_RENEW : VK_PROV_NOTHING, VK_PROV_READY, &m); /* its time was extended */
    else if (active && how->renew && vk_prov_renew_due(&m, now))
        vk_prov_renew(&m);
    else
        return;
    vk_prov_turn(x, f.vendor, f.build, &m, "", NULL, NULL);
}
