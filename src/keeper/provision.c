/* The engine: which jobs there are, whose turn it is, and what the ledger says needs one. */
#include "keeper/provision_in.h"

#include "core/clock.h"
#include "core/log.h"

#include <pthread.h>

/* ---- jobs */

static uint64_t hash_of(vk_str build, const vk_vendor *v)
{
    return vk_hash_str(build) ^ (uint64_t)(uintptr_t)v;
}

vk_prov_vendor *vk_prov_vendor_of(vk_provs *x, const vk_vendor *v)
{
    for (size_t i = 0; i < x->n_vendors; i++)
        if (x->vendors[i].vendor == v)
            return x->vendors[i].how ? &x->vendors[i] : NULL;
    return NULL;
}

const vk_prov_step *vk_prov_steps(const vk_provisioner *how, vk_prov_list list)
{
    switch (list) {
    case VK_PROV_MAKE:
        return how->make;
    case VK_PROV_RENEW:
        return how->renew;
    case VK_PROV_SUSPEND:
        return how->suspend;
    case VK_PROV_END:
        return how->end;
    case VK_PROV_USAGE:
        return how->usage;
    case VK_PROV_LIST:
        return how->list;
    case VK_PROV_NOTHING:
        break;
    }
    return NULL;
}

vk_prov_job *vk_prov_job_of(vk_provs *x, vk_str build, const vk_vendor *v)
{
    for (vk_map_node *n = vk_map_find(&x->jobs, hash_of(build, v)); n; n = vk_map_find_next(n)) {
        vk_prov_job *j = VK_CONTAINER(n, vk_prov_job, node);
        if (j->at->vendor == v && vk_str_eqz(build, j->build))
            return j;
    }
    return NULL;
}

static vk_prov_job *job_at(vk_prov_vendor *at, vk_str build)
{
    vk_prov_job *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->provs = at->provs;
    j->at = at;
    memcpy(j->build, build.p, build.n);
    snprintf(j->actor, sizeof j->actor, "valetkey");
    vk_buf_init(&j->carry, VK_PROV_BODY_MAX);
    vk_list_init(&j->queue);
    vk_list_init(&j->asks);
    vk_list_init(&j->waiters);
    j->from_ms = vk_loop_now(at->provs->with.loop);
    return j;
}

vk_err vk_prov_job_new(vk_provs *x, vk_str build, const vk_vendor *v, vk_prov_job **out_r)
{
    vk_prov_vendor *at = vk_prov_vendor_of(x, v);
    if (!at || build.n > VK_BUILD_ID_MAX)
        return VK_E_INVALID;
    if (x->n_jobs >= VK_PROV_JOBS)
        return VK_E_BUSY;
    vk_prov_job *j = job_at(at, build);
    if (!j)
        return VK_E_NOMEM;
    if (vk_map_add(&x->jobs, &j->node, hash_of(build, v)) != VK_OK) {
        free(j);
        return VK_E_NOMEM;
    }
    x->n_jobs++;
    *out_r = j;
    return VK_OK;
}

static void unqueue(vk_prov_job *j)
{
    if (j->queued)
        vk_list_remove(&j->queue);
    j->queued = false;
    vk_timer_clear(j->provs->with.loop, &j->timer);
    j->retry_ms = 0;
}

void vk_prov_job_free(vk_prov_job *j)
{
    vk_provs *x = j->provs;
    unqueue(j);
    if (j->ask)
        vk_list_remove(&j->asks);
    else {
        vk_map_remove(&x->jobs, &j->node);
        x->n_jobs--;
    }
    vk_buf_free(&j->carry);
    free(j);
}

/* ---- whose turn it is */

static void give_turns(vk_prov_vendor *at);

static void pause_over(vk_timer *t)
{
    give_turns(VK_CONTAINER(t, vk_prov_vendor, pause));
}

/* What was begun comes before what was not; what ends, and what is asked, as often as both together. */
static vk_prov_job *next_of(vk_prov_vendor *at)
{
    vk_list *making = vk_list_empty(&at->begun) ? &at->fresh : &at->begun;
    vk_list *from = vk_list_empty(making) || (at->turn && !vk_list_empty(&at->others)) ? &at->others : making;
    at->turn = from != &at->others;
    vk_list *n = vk_list_shift(from);
    if (!n)
        return NULL;
    vk_prov_job *j = VK_CONTAINER(n, vk_prov_job, queue);
    j->queued = false;
    return j;
}

static void give_turns(vk_prov_vendor *at)
{
    vk_loop *loop = at->provs->with.loop;
    int64_t now = vk_loop_now(loop);
    if (at->pause_ms > now) {
        vk_timer_set(loop, &at->pause, at->pause_ms - now, pause_over);
        return;
    }
    while (at->active < at->how->at_once || !at->active) {
        vk_prov_job *j = next_of(at);
        if (!j)
            return;
        at->active++;
        vk_prov_run_begin(j);
    }
}

static void turns(vk_task *t)
{
    vk_prov_vendor *at = VK_CONTAINER(t, vk_prov_vendor, turns);
    at->posted = false;
    give_turns(at);
}

/* Never within who calls: a turn may end in any of its callbacks. */
static void arrange(vk_prov_vendor *at)
{
    if (at->posted)
        return;
    at->posted = true;
    at->turns.run = turns;
    vk_loop_post(at->provs->with.loop, &at->turns);
}

static vk_list *line_of(vk_prov_job *j)
{
    vk_made m;
    const vk_org *g = vk_org_find(j->provs->with.orgs, vk_str_z(j->at->vendor->name), vk_str_z(j->build));
    if (j->ask || !g || vk_prov_made_of(g, &m) != VK_OK || m.list != VK_PROV_MAKE)
        return &j->at->others;
    return j->begun || m.first_ms ? &j->at->begun : &j->at->fresh;
}

void vk_prov_wake(vk_prov_job *j)
{
    if (j->run || j->queued)
        return;
    unqueue(j);
    j->queued = true;
    vk_list_push(line_of(j), &j->queue);
    arrange(j->at);
}

static void waited(vk_timer *t)
{
    vk_prov_wake(VK_CONTAINER(t, vk_prov_job, timer));
}

void vk_prov_release(vk_prov_job *j, int64_t wait_ms)
{
    vk_prov_vendor *at = j->at;
    vk_loop *loop = j->provs->with.loop;
    vk_prov_run_free(j->run);
    j->run = NULL;
    at->active--;
    if (wait_ms > 0) {
        j->retry_ms = vk_clock_wall_ms() + wait_ms;
        vk_timer_set(loop, &j->timer, wait_ms, waited);
    }
    arrange(at);
}

void vk_prov_done(vk_prov_job *j, vk_err e, const char *why)
{
    char said[VK_PROV_WHY];
    vk_prov_ask *a = j->ask;
    vk_list waiters, *n;
    snprintf(said, sizeof said, "%s", why);
    vk_prov_release(j, 0);
    vk_list_init(&waiters);
    while ((n = vk_list_shift(&j->waiters)))
        vk_list_push(&waiters, n);
    vk_prov_job_free(j);
    if (a)
        a->done(a, e, said);
    while ((n = vk_list_shift(&waiters)))
        VK_CONTAINER(n, vk_prov_waiter, node)->over(VK_CONTAINER(n, vk_prov_waiter, node));
}

void vk_prov_pause(vk_prov_vendor *at, int64_t ms)
{
    vk_loop *loop = at->provs->with.loop;
    int64_t until = vk_loop_now(loop) + ms;
    if (until > at->pause_ms)
        at->pause_ms = until;
}

/* ---- what is asked once */

vk_err vk_prov_ask_begin(vk_provs *x, vk_prov_ask *a, const vk_vendor *v, vk_str build, const char *actor)
{
    vk_prov_vendor *at = vk_prov_vendor_of(x, v);
    vk_prov_job *j = at ? job_at(at, build) : NULL;
    if (!j)
        return at ? VK_E_NOMEM : VK_E_INVALID;
    j->ask = a;
    snprintf(j->actor, sizeof j->actor, "%s", actor);
    vk_list_push(&x->asks, &j->asks);
    vk_prov_wake(j);
    return VK_OK;
}

/* ---- what the ledger says */

vk_err vk_prov_made_of(const vk_org *g, vk_made *out_r)
{
    vk_str made = vk_secret_bytes(vk_org_value(g, "made"));
    vk_org_state state = vk_org_state_of(g);
    if (state == VK_ORG_DAMAGED || state == VK_ORG_ROLLED_BACK) /* something may have been */
        return VK_E_CORRUPT;
    return made.n ? vk_made_read(made, out_r) : VK_E_NOT_FOUND;
}

/* One record: something is under way that no job is about, or should be. */
static void look_at(vk_provs *x, const vk_org *g)
{
    vk_org_facts f;
    vk_made m;
    vk_prov_job *j;
    vk_org_facts_of(g, &f);
    if (!f.build[0] || !vk_prov_vendor_of(x, f.vendor) || vk_prov_made_of(g, &m) != VK_OK ||
        vk_prov_job_of(x, vk_str_z(f.build), f.vendor))
        return;
    if (m.list == VK_PROV_NOTHING) {
        vk_prov_tend(x, g, &m);
        return;
    }
    if (vk_prov_job_new(x, vk_str_z(f.build), f.vendor, &j) != VK_OK)
        return; /* in a later round */
    j->tried = true;
    vk_prov_wake(j);
}

static void look(vk_timer *t)
{
    vk_provs *x = VK_CONTAINER(t, vk_provs, look);
    size_t n = vk_org_count(x->with.orgs);
    for (size_t i = 0; i < VK_PROV_LOOK && x->look_at < n; i++)
        look_at(x, vk_org_at(x->with.orgs, x->look_at++));
    if (x->look_at >= n) {
        x->look_at = 0;
        x->looked = true;
    }
    vk_timer_set(x->with.loop, &x->look, x->looked ? VK_PROV_LOOK_MS : 0, look);
}

/* ---- all of it */

vk_err vk_provs_new(const vk_provs_with *with, vk_provs **out_r)
{
    const vk_vendor *all[VK_VENDORS_MAX];
    vk_provs *x = calloc(1, sizeof *x);
    if (!x)
        return VK_E_NOMEM;
    x->with = *with;
    vk_map_init(&x->jobs);
    vk_list_init(&x->asks);
    vk_orgs_tag(with->orgs, x->tag);
    x->n_vendors = vk_vendors(all);
    for (size_t i = 0; i < x->n_vendors; i++) {
        vk_prov_vendor *at = &x->vendors[i];
        *at = (vk_prov_vendor){.vendor = all[i], .how = all[i]->provisioner, .provs = x};
        vk_list_init(&at->begun);
        vk_list_init(&at->fresh);
        vk_list_init(&at->others);
    }
    if (with->view && with->audit)
        vk_timer_set(with->loop, &x->look, 0, look);
    *out_r = x;
    return VK_OK;
}

typedef struct sentinel {
    vk_job job;
    pthread_mutex_t mu;
    pthread_cond_t cond;
    bool passed;
} sentinel;

static void pass(vk_job *job)
{
    sentinel *s = VK_CONTAINER(job, sentinel, job);
    pthread_mutex_lock(&s->mu);
    s->passed = true;
    pthread_cond_signal(&s->cond);
    pthread_mutex_unlock(&s->mu);
}

/* What is on the lane has memory of ours. It runs its jobs in order, so who comes last knows. */
static void wait_for_lane(vk_lane *lane)
{
    sentinel s = {.job.run = pass, .mu = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    const struct timespec moment = {.tv_nsec = 1000000};
    while (vk_lane_add(lane, &s.job) != VK_OK) /* full of what gives up */
        nanosleep(&moment, NULL);
    pthread_mutex_lock(&s.mu);
    while (!s.passed)
        pthread_cond_wait(&s.cond, &s.mu);
    pthread_mutex_unlock(&s.mu);
}

void vk_provs_free(vk_provs *x)
{
    if (!x)
        return;
    vk_timer_clear(x->with.loop, &x->look);
    atomic_store(&x->give_up, true);
    if (x->with.lane)
        wait_for_lane(x->with.lane);
    for (vk_list *n = x->asks.next, *next; n != &x->asks; n = next) {
        next = n->next;
        vk_prov_job *j = VK_CONTAINER(n, vk_prov_job, asks);
        vk_prov_run_free(j->run);
        vk_prov_job_free(j);
    }
    for (vk_map_node *n = vk_map_walk(&x->jobs, NULL), *next; n; n = next) {
        next = vk_map_walk(&x->jobs, n);
        vk_prov_job *j = VK_CONTAINER(n, vk_prov_job, node);
        vk_prov_run_free(j->run);
        vk_prov_job_free(j);
    }
    for (size_t i = 0; i < x->n_vendors; i++)
        vk_timer_clear(x->with.loop, &x->vendors[i].pause);
    vk_map_free(&x->jobs);
    free(x);
}
