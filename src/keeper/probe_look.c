/* The look of a vendor that is asked on a thread, with its intent and its outcome in the audit. */
#include "keeper/probe_in.h"

#include "core/log.h"

enum { ARENA_MAX = 64 * 1024 };

typedef struct looking {
    const vk_probe_place *at;
    vk_keeper_probe *p;
    const vk_vendor *vendor;
    vk_vendor_look look;
    vk_audit_entry audit;
    vk_job job;
    vk_task back;
} looking;

static void finish(looking *x, vk_err e, const char *check, const char *why)
{
    vk_keeper_probe *p = x->p;
    char text[sizeof x->look.check], said[sizeof x->look.why];
    snprintf(text, sizeof text, "%s", check);
    snprintf(said, sizeof said, "%s", why);
    vk_arena_wipe(x->look.arena);
    vk_arena_free(x->look.arena);
    free(x);
    p->done(p, e, text, said);
}

static void on_loop(vk_task *t)
{
    looking *x = VK_CONTAINER(t, looking, back);
    vk_audit_entry *e = &x->audit;
    e->of = e->seq;
    e->kind = VK_AUDIT_OUTCOME;
    e->durable = NULL;
    e->result = x->look.result == VK_OK ? 200 : 0;
    if (vk_audit_write(x->at->audit, e) != VK_OK)
        vk_log(VK_ERROR, "the outcome of a check is not in the audit", VK_F(vendor, x->vendor->name));
    finish(x, x->look.result, x->look.check, x->look.why);
}

static void on_lane(vk_job *j)
{
    looking *x = VK_CONTAINER(j, looking, job);
    x->vendor->look(&x->look);
    x->back.run = on_loop;
    vk_loop_post(x->at->loop, &x->back);
}

static void durable(vk_audit_entry *e, vk_err err)
{
    looking *x = e->arg;
    x->job.run = on_lane;
    if (err != VK_OK)
        finish(x, VK_E_UNAVAILABLE, "",
               "The audit cannot be written, so the organisation's key is not used.");
    else if (vk_lane_add(x->at->work, &x->job) != VK_OK)
        finish(x, VK_E_UNAVAILABLE, "", "Too much is under way; try again.");
}

static vk_err note(looking *x, const vk_org *g, uint64_t version)
{
    vk_audit_entry *e = &x->audit;
    *e = (vk_audit_entry){.kind = VK_AUDIT_INTENT, .rec_version = version, .durable = durable, .arg = x};
    snprintf(e->service, sizeof e->service, "%s", x->vendor->service);
    snprintf(e->actor, sizeof e->actor, "admin");
    snprintf(e->op, sizeof e->op, "keys.check %s", x->vendor->name);
    for (const vk_vendor_field *f = x->vendor->fields; f && f->name; f++)
        if (f->secret && vk_org_value(g, f->name).n) {
            vk_org_ref(g, f->name, e->key_ref);
            break;
        }
    return vk_audit_write(x->at->audit, e);
}

void vk_probe_look(const vk_probe_place *at, vk_keeper_probe *p)
{
    vk_org_facts facts;
    const char *why = "Out of memory.";
    vk_org_facts_of(p->org, &facts);
    looking *x = calloc(1, sizeof *x);
    vk_arena *arena = vk_arena_new(ARENA_MAX);
    if (!x || !arena) {
        free(x);
        vk_arena_free(arena);
        p->done(p, VK_E_NOMEM, "", why);
        return;
    }
    *x = (looking){.at = at, .p = p, .vendor = facts.vendor, .look = {.arena = arena}};
    vk_err e = x->vendor->look_prepare(p->org, &x->look, &why);
    if (e == VK_OK) {
        e = note(x, p->org, facts.version);
        why = "The audit cannot be written, so the organisation's key is not used.";
    }
    if (e != VK_OK)
        finish(x, e, "", why);
}
