/* One step as work on a thread. */
#include "keeper/provision_in.h"

static void come_back(vk_task *t)
{
    vk_prov_run *r = VK_CONTAINER(t, vk_prov_run, back);
    const char *why = r->work.why;
    vk_errand_outcome(r->job->provs->with.audit, &r->audit, vk_err_status(r->work.result));
    vk_prov_crash(r, "answered");
    vk_err e = r->step->finish(&r->p, &r->work, &why);
    if (e == VK_E_UNAVAILABLE || e == VK_E_TIMEOUT)
        vk_prov_retry(r, 0, VK_PROV_SILENT, why);
    else
        vk_prov_stepped(r, e, why);
}

static void on_thread(vk_job *lane)
{
    vk_prov_run *r = VK_CONTAINER(lane, vk_prov_run, lane);
    if (atomic_load(r->work.give_up))
        r->work.result = VK_E_UNAVAILABLE;
    else
        r->step->run(&r->work);
    vk_prov_crash(r, "sent");
    r->back.run = come_back;
    vk_loop_post(r->job->provs->with.loop, &r->back);
}

static void durable(vk_audit_entry *a, vk_err err)
{
    vk_prov_run *r = a->arg;
    if (err != VK_OK) {
        vk_prov_retry(r, 0, VK_PROV_UNSENT,
                      "The audit cannot be written, so the organisation's key is not used.");
        return;
    }
    r->lane.run = on_thread;
    if (vk_lane_add(r->job->provs->with.lane, &r->lane) == VK_OK)
        return;
    vk_errand_outcome(r->job->provs->with.audit, &r->audit, 0);
    vk_prov_retry(r, 0, VK_PROV_UNSENT, "Too much is under way.");
}

void vk_prov_work_begin(vk_prov_run *r)
{
    const char *why = "The work cannot be prepared.";
    r->work = (vk_prov_work){.arena = r->p.arena, .give_up = &r->job->provs->give_up};
    vk_err e = r->step->prepare(&r->p, &r->work, &why);
    if (e != VK_OK) {
        vk_prov_stepped(r, e, why);
        return;
    }
    r->errand = (vk_errand){.o = {.vendor = r->p.vendor, .org = r->p.org, .build = r->p.build},
                            .op = r->step->op,
                            .host = vk_str_z(r->work.host)};
    r->audit = (vk_audit_entry){.durable = durable, .arg = r};
    vk_errand_intent(&r->errand, &r->audit);
    snprintf(r->audit.actor, sizeof r->audit.actor, "%s", r->job->actor);
    if (vk_audit_write(r->job->provs->with.audit, &r->audit) != VK_OK)
        vk_prov_retry(r, 0, VK_PROV_UNSENT,
                      "The audit cannot be written, so the organisation's key is not used.");
}
