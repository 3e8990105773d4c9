/* One job: step after step, each kept durably before the next one begins. */
#include "keeper/org_in.h"
#include "keeper/provision_in.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/random.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static void step_begin(vk_prov_run *r);

/* ---- waiting */

/* Doubles with each try, up to `most`; half of it is random, so that many do not come back at once. */
static int64_t wait_of(const vk_prov_job *j, int64_t at_least_ms, int64_t most)
{
    uint32_t random;
    unsigned doubled = j->tries < 2 ? 0 : j->tries - 1;
    int64_t ms = doubled > 20 ? most : (int64_t)VK_PROV_WAIT_MS << doubled;
    vk_random(&random, sizeof random);
    ms = ms > most ? most : ms;
    ms = ms / 2 + (int64_t)(random % (uint32_t)(ms / 2 + 1));
    at_least_ms = at_least_ms > most ? most : at_least_ms;
    return ms > at_least_ms ? ms : at_least_ms + (int64_t)(random % VK_PROV_WAIT_MS);
}

/* Between two looks at what is not ready: longer when it takes long. */
static int64_t poll_of(vk_prov_job *j)
{
    int64_t ms = VK_PROV_POLL_MS * (1 + (int64_t)j->polls / 10);
    j->polls += j->polls < 10000;
    return ms < VK_PROV_WAIT_MOST_MS ? ms : VK_PROV_WAIT_MOST_MS;
}

/* The step goes on at once; but a vendor that always has more to say, or shows what is deleted, gets a pause.
 */
static bool at_once(vk_prov_run *r)
{
    vk_prov_job *j = r->job;
    if (!r->p.soon || ++j->soons > VK_PROV_SOON)
        j->soons = 0;
    return j->soons > 0;
}

/* Something else is to be done for this build by now: a call said so. */
static bool overtaken(const vk_prov_run *r)
{
    vk_made m;
    const vk_prov_job *j = r->job;
    const vk_org *g = vk_org_find(j->provs->with.orgs, vk_str_z(j->at->vendor->name), vk_str_z(j->build));
    return !j->ask && (!g || vk_prov_made_of(g, &m) != VK_OK || m.list != r->list);
}

void vk_prov_retry(vk_prov_run *r, int64_t at_least_ms, vk_prov_sent sent, const char *why)
{
    vk_prov_job *j = r->job;
    j->tries++;
    j->tried |= sent != VK_PROV_UNSENT;
    j->late |= sent == VK_PROV_SILENT && r->list == VK_PROV_MAKE;
    snprintf(j->why, sizeof j->why, "%s", why);
    vk_log(VK_INFO, "something at a vendor is tried again", VK_F(build, j->build),
           VK_F(vendor, j->at->vendor->name), VK_F(step, r->step ? r->step->what : ""), VK_F(tries, j->tries),
           VK_F(why, j->why));
    if (j->ask && j->tries > j->ask->tries_most)
        vk_prov_done(j, VK_E_UNAVAILABLE, j->why);
    else if (overtaken(r)) {
        vk_prov_release(j, 0);
        vk_prov_wake(j);
    } else
        vk_prov_release(
            j, wait_of(j, at_least_ms,
                       r->list == VK_PROV_MAKE || j->ask ? VK_PROV_WAIT_MOST_MS : VK_PROV_END_WAIT_MOST_MS));
}

/* ---- the ledger */

static void commit(vk_prov_run *r);

static void commit_again(vk_timer *t)
{
    commit(VK_CONTAINER(t, vk_prov_run, again));
}

static void committed(vk_org_keep *k, vk_err e)
{
    vk_prov_run *r = k->arg;
    vk_prov_job *j = r->job;
    if (e == VK_E_INVALID && r->next != VK_PROV_BREAK) { /* the vendor gave what cannot be */
        r->n_sets = r->n_notes = 0;
        snprintf(r->why, sizeof r->why, "%s answered with something that cannot be: %.300s",
                 j->at->vendor->title, k->why);
        r->next = VK_PROV_BREAK;
        if (r->list == VK_PROV_MAKE)
            commit(r);
        else
            vk_prov_retry(r, VK_PROV_WAIT_MOST_MS / 4, VK_PROV_ANSWERED, r->why);
        return;
    }
    if (e == VK_E_CORRUPT) { /* nobody can go on with it; the look passes it over */
        vk_prov_done(j, e, k->why);
        return;
    }
    if (e != VK_OK) {
        snprintf(j->why, sizeof j->why, "%s", k->why);
        vk_log(VK_WARN, "what was done at a vendor could not be written down; it is tried again",
               VK_F(build, j->build), VK_F(vendor, j->at->vendor->name), VK_F(why, j->why));
        vk_timer_set(j->provs->with.loop, &r->again, VK_PROV_WRITE_AGAIN_MS, commit_again);
        return;
    }
    vk_prov_crash(r, "kept");
    j->why[0] = '\0';
    if (r->next != VK_PROV_STAY) {
        j->tried = false;
        j->tries = j->polls = j->soons = 0;
        vk_buf_clear(&j->carry);
    }
    if (r->removed)
        vk_prov_done(j, VK_OK, "");
    else if (r->wait_ms)
        vk_prov_release(j, r->wait_ms);
    else
        step_begin(r);
}

/* The steps of `made` are over. True: its record goes. */
static bool over(vk_prov_run *r, vk_made *m)
{
    vk_prov_job *j = r->job;
    m->list = VK_PROV_NOTHING;
    m->step = 0;
    m->op[0] = '\0';
    if (r->list == VK_PROV_MAKE) {
        m->state = VK_PROV_READY;
        m->ready_ms = r->p.now_ms;
        m->late = j->late = false;
    }
    if (r->list != VK_PROV_END)
        return false;
    if (m->late || j->late) {
        m->late = j->late = false;
        j->lingers = true;
        m->list = VK_PROV_END;
        r->wait_ms = VK_PROV_LATE_MS;
        return false;
    }
    if (!m->fails)
        return true;
    m->fails = false;
    m->state = VK_PROV_FAILED;
    m->n = 0;
    for (const vk_vendor_field *f = j->at->vendor->own; f->name && r->keep.n < VK_VENDOR_FIELDS_MAX - 1; f++)
        if (!f->kept)
            r->keep.fields[r->keep.n++].name = f->name;
    return false;
}

static void end_it(vk_prov_run *r, vk_made *m, bool fails)
{
    m->state = VK_PROV_ENDING;
    m->list = VK_PROV_END;
    m->step = 0;
    m->op[0] = '\0';
    m->fails = fails;
    m->late |= r->job->late;
    snprintf(m->why, sizeof m->why, "%s", fails ? r->why : "");
}

/* What becomes of `made`, when nobody else has changed it meanwhile. True: its record goes. */
static bool move(vk_prov_run *r, vk_made *m)
{
    switch (r->next) {
    case VK_PROV_GO_ON:
        if (!m->first_ms)
            m->first_ms = r->p.now_ms;
        r->job->late = false;
        m->step = r->index + 1;
        if (!r->steps[m->step].what)
            return over(r, m);
        snprintf(m->op, sizeof m->op, "%s", r->steps[m->step].op);
        break;
    case VK_PROV_STAY:
        r->wait_ms = at_once(r) ? 0 : poll_of(r->job);
        break;
    case VK_PROV_OVER:
        return over(r, m);
    case VK_PROV_BREAK:
        end_it(r, m, true);
        break;
    case VK_PROV_CANCEL:
        end_it(r, m, false);
        break;
    case VK_PROV_DROP:
        m->list = VK_PROV_NOTHING;
        m->step = 0;
        m->op[0] = '\0';
        break;
    }
    return false;
}

static void commit(vk_prov_run *r)
{
    static const char *const ops[] = {
        [VK_PROV_NONE] = "resource.gone",     [VK_PROV_MAKING] = "resource.making",
        [VK_PROV_READY] = "resource.ready",   [VK_PROV_SUSPENDED] = "resource.suspended",
        [VK_PROV_ENDING] = "resource.ending", [VK_PROV_FAILED] = "resource.failed"};
    vk_prov_job *j = r->job;
    vk_made m;
    const vk_org *g = vk_org_find(j->provs->with.orgs, vk_str_z(j->at->vendor->name), vk_str_z(j->build));
    vk_err e = g ? vk_prov_made_of(g, &m) : VK_E_NOT_FOUND;
    if (e == VK_E_NOMEM) {
        vk_timer_set(j->provs->with.loop, &r->again, VK_PROV_WRITE_AGAIN_MS, commit_again);
        return;
    }
    if (e != VK_OK) { /* a client took it away, or an earlier try of ours did */
        vk_prov_done(j, e == VK_E_NOT_FOUND ? VK_OK : e, "");
        return;
    }
    r->keep = (vk_org_keep){.vendor = j->at->vendor, .build = j->build, .done = committed, .arg = r};
    r->wait_ms = 0;
    for (size_t i = 0; i < r->n_sets; i++) {
        r->keep.fields[r->keep.n].name = r->sets[i].name;
        r->keep.fields[r->keep.n++].value = r->sets[i].value;
    }
    for (size_t i = 0; i < r->n_notes && e == VK_OK; i++) {
        e = vk_made_note_set(&m, r->notes[i].name, r->notes[i].value);
        if (vk_str_eqz(r->notes[i].name, "expires"))
            m.noted_ms = r->p.now_ms;
    }
    bool same = m.list == r->list && m.state == r->made.state && m.step == r->made.step;
    r->removed = same && move(r, &m);
    if (e == VK_OK)
        e = vk_made_write(&m, &r->text);
    if (e == VK_E_NOMEM) {
        vk_timer_set(j->provs->with.loop, &r->again, VK_PROV_WRITE_AGAIN_MS, commit_again);
        return;
    }
    if (e != VK_OK) {
        snprintf(r->keep.why, sizeof r->keep.why, "there is more to keep of it than can be");
        committed(&r->keep, VK_E_INVALID);
        return;
    }
    r->keep.remove = r->removed;
    r->keep.op = ops[r->removed ? VK_PROV_NONE : m.state];
    r->keep.fields[r->keep.n].name = "made";
    r->keep.fields[r->keep.n++].value = vk_secret_of(vk_buf_view(&r->text));
    snprintf(r->keep.audit.actor, sizeof r->keep.audit.actor, "%s", j->actor);
    vk_org_keeps(j->provs->with.orgs, &r->keep);
}

/* ---- the end of a step */

/* Nothing of it is kept: an orphan, or a question. */
static void asked(vk_prov_run *r, vk_err e, const char *why)
{
    vk_prov_job *j = r->job;
    if (e != VK_OK && e != VK_AGAIN) {
        vk_prov_done(j, e, why);
        return;
    }
    j->tries = 0;
    j->polls = e == VK_AGAIN ? j->polls : 0;
    j->tried = false;
    if (e == VK_AGAIN && (r->list == VK_PROV_LIST || at_once(r))) {
        j->page++;
        step_begin(r);
    } else if (e == VK_AGAIN && j->polls >= VK_PROV_ASK_POLLS) /* somebody waits for the answer */
        vk_prov_done(j, VK_E_TIMEOUT, why && why[0] ? why : "It takes too long.");
    else if (e == VK_AGAIN)
        vk_prov_release(j, poll_of(j));
    else {
        vk_buf_clear(&j->carry);
        j->step = r->index + 1;
        step_begin(r);
    }
}

void vk_prov_stepped(vk_prov_run *r, vk_err e, const char *why)
{
    vk_prov_job *j = r->job;
    if (e == VK_E_BUSY || e == VK_E_NOMEM) {
        vk_prov_retry(r, 0, VK_PROV_ANSWERED, e == VK_E_NOMEM ? "There is not enough memory." : why);
        return;
    }
    if (j->ask) {
        asked(r, e, why);
        return;
    }
    if (e == VK_AGAIN) {
        j->tried = false;
        r->next = VK_PROV_STAY;
        if (r->n_sets || r->n_notes)
            commit(r);
        else if (at_once(r) || overtaken(r))
            step_begin(r);
        else
            vk_prov_release(j, poll_of(j));
        return;
    }
    if (e != VK_OK && r->list != VK_PROV_MAKE) { /* what is there must end one day, and goes on till then */
        vk_prov_retry(r, VK_PROV_WAIT_MOST_MS / 4, VK_PROV_ANSWERED, why);
        return;
    }
    if (e != VK_OK) {
        vk_log(VK_WARN, "a vendor refuses what a build is to have there; it is taken back",
               VK_F(build, j->build), VK_F(vendor, j->at->vendor->name), VK_F(step, r->step->what),
               VK_F(why, why));
        r->n_sets = 0;
        snprintf(r->why, sizeof r->why, "%s", why);
    }
    r->next = e == VK_OK ? VK_PROV_GO_ON : VK_PROV_BREAK;
    commit(r);
}

/* ---- the beginning of one */

static void leave(vk_prov_run *r, enum vk_prov_next next, const char *why)
{
    r->next = next;
    snprintf(r->why, sizeof r->why, "%s", why);
    commit(r);
}

static void clear(vk_prov_run *r)
{
    if (r->p.arena) {
        vk_arena_wipe(r->p.arena);
        vk_arena_free(r->p.arena);
    }
    vk_errand_free(&r->errand);
    vk_buf_free_secret(&r->answer);
    vk_buf_clear(&r->text);
    memset(&r->p, 0, sizeof r->p);
    r->n_sets = r->n_notes = 0;
    r->step = NULL;
}

/* Where the ledger is, in the steps of this program. */
static uint32_t index_of(const vk_prov_step *steps, const vk_made *m)
{
    uint32_t n = 0;
    while (steps[n].what && n < VK_PROV_STEPS)
        n++;
    return m->step < n && (!m->op[0] || strcmp(steps[m->step].op, m->op) == 0) ? m->step : 0;
}

/* What the step is about. False: nothing is to be done, or not now. */
static bool know(vk_prov_run *r)
{
    vk_prov_job *j = r->job;
    vk_provs *x = j->provs;
    const vk_vendor *v = j->at->vendor;
    vk_err e = VK_E_NOT_FOUND;
    r->p = (vk_prov){
        .vendor = v, .tag = x->tag, .page = j->page, .carry = &j->carry, .now_ms = vk_clock_wall_ms()};
    memcpy(r->p.build, j->build, sizeof r->p.build);
    r->made = (vk_made){.state = VK_PROV_NONE};
    if (j->build[0]) {
        r->p.own = vk_org_find(x->with.orgs, vk_str_z(v->name), vk_str_z(j->build));
        e = r->p.own ? vk_prov_made_of(r->p.own, &r->made) : VK_E_NOT_FOUND;
    }
    if (j->ask) {
        r->list = j->ask->list;
        r->index = j->step;
        if (j->ask->name)
            snprintf(r->made.name, sizeof r->made.name, "%s", j->ask->name);
        if (j->ask->id)
            e = vk_made_note_set(&r->made, VK_STR("id"), vk_str_z(j->ask->id));
        VK_UNUSED(e); /* one that cannot be noted is not there: the name says it too */
    } else if (e == VK_E_NOMEM) {
        vk_prov_retry(r, 0, VK_PROV_UNSENT, "There is not enough memory.");
        return false;
    } else if (e != VK_OK || r->made.list == VK_PROV_NOTHING) {
        vk_prov_done(j, e == VK_E_NOT_FOUND ? VK_OK : e, "");
        return false;
    } else
        r->list = r->made.list;
    r->steps = vk_prov_steps(j->at->how, r->list);
    if (!r->steps) {
        static const vk_prov_step none[1];
        r->steps = none;
    }
    if (!j->ask)
        r->index = index_of(r->steps, &r->made);
    r->p.generation = r->made.generation;
    memcpy(r->p.name, r->made.name, sizeof r->p.name);
    r->p.tried = j->tried;
    return true;
}

/* The build, as the metadata has it. False: what was to be done is not. */
static bool see(vk_prov_run *r)
{
    vk_prov_job *j = r->job;
    const vk_vendor *v = j->at->vendor;
    /* Credentials end, and what was made goes, from wherever the build has the service by now. */
    if (r->list != VK_PROV_MAKE && r->list != VK_PROV_RENEW)
        return true;
    vk_err e =
        vk_view_build_of(j->provs->with.view, r->p.arena, vk_str_z(j->build), vk_str_z(v->service), &r->seen);
    if (e == VK_E_UNAVAILABLE || e == VK_E_NOMEM) {
        vk_prov_retry(r, 0, VK_PROV_UNSENT, "The metadata cannot be read now.");
        return false;
    }
    bool there = e == VK_OK && r->seen.build.generation == r->made.generation && r->seen.bound &&
                 strcmp(r->seen.binding.driver, v->name) == 0;
    bool active = there && r->seen.build.state == VK_BUILD_ACTIVE && r->seen.build.expires_ms > r->p.now_ms;
    if (!active) {
        leave(r, r->list == VK_PROV_MAKE ? VK_PROV_CANCEL : VK_PROV_DROP, "");
        return false;
    }
    r->p.binding = &r->seen.binding;
    r->p.origins = r->seen.build.origins;
    r->p.n_origins = r->seen.build.n_origins;
    r->p.build_expires_ms = r->seen.build.expires_ms;
    return true;
}

static bool in_time(vk_prov_run *r)
{
    char why[VK_PROV_WHY];
    vk_prov_job *j = r->job;
    int64_t now = vk_loop_now(j->provs->with.loop);
    if (!j->begun) {
        j->begun = true;
        j->from_ms = now;
    }
    if (r->list != VK_PROV_MAKE || now - j->from_ms <= VK_PROV_BUDGET_MS)
        return true;
    snprintf(why, sizeof why, "It was not made within %d minutes. %.300s", VK_PROV_BUDGET_MS / 60000, j->why);
    leave(r, VK_PROV_BREAK, why);
    return false;
}

static void step_begin(vk_prov_run *r)
{
    vk_prov_job *j = r->job;
    vk_org_facts f;
    clear(r);
    j->lingers = false;
    if (!know(r))
        return;
    r->p.arena = vk_arena_new(VK_PROV_ARENA);
    if (!r->p.arena) {
        vk_prov_retry(r, 0, VK_PROV_UNSENT, "There is not enough memory.");
        return;
    }
    r->p.org = vk_org_find(j->provs->with.orgs, vk_str_z(j->at->vendor->name), VK_STR(""));
    if (r->p.org)
        vk_org_facts_of(r->p.org, &f);
    if (!r->p.org || f.state != VK_ORG_READY) {
        char why[VK_PROV_WHY];
        snprintf(why, sizeof why, "The organisation's keys of %s %s.", j->at->vendor->title,
                 r->p.org ? "cannot be used: see valetkey keys list" : "are not here: valetkey keys set");
        vk_prov_retry(r, VK_PROV_WAIT_MOST_MS / 4, VK_PROV_UNSENT, why);
        return;
    }
    if (!see(r) || !in_time(r))
        return;
    while (r->steps[r->index].what && r->steps[r->index].needed && !r->steps[r->index].needed(&r->p))
        r->index++;
    r->step = &r->steps[r->index];
    if (!r->step->what) {
        if (j->ask)
            vk_prov_done(j, VK_OK, "");
        else
            leave(r, VK_PROV_OVER, "");
        return;
    }
    if (j->carried != r->step)
        vk_buf_clear(&j->carry);
    j->carried = r->step;
    vk_prov_crash(r, "before");
    if (r->step->ask)
        vk_prov_send(r);
    else
        vk_prov_work_begin(r);
}

/* ---- a turn */

void vk_prov_run_begin(vk_prov_job *j)
{
    j->run = calloc(1, sizeof *j->run);
    if (!j->run) {
        vk_prov_release(j, VK_PROV_WRITE_AGAIN_MS);
        return;
    }
    j->run->job = j;
    vk_buf_init(&j->run->text, VK_VENDOR_VALUE_MAX + 1024);
    vk_buf_init(&j->run->answer, VK_PROV_ANSWER_MAX);
    step_begin(j->run);
}

void vk_prov_run_free(vk_prov_run *r)
{
    if (!r)
        return;
    vk_timer_clear(r->job->provs->with.loop, &r->again);
    vk_timer_clear(r->job->provs->with.loop, &r->whole);
    if (r->calling)
        vk_upcall_abort(&r->call);
    clear(r);
    vk_buf_free(&r->text);
    free(r);
}

#ifdef VK_TEST_VENDOR
/* The file goes first: the next keeper must come further. */
void vk_prov_crash(const vk_prov_run *r, const char *point)
{
    static const char *const lists[] = {"", "make", "renew", "suspend", "end", "usage", "list"};
    char here[128], where[128];
    int vault = r->job->provs->with.orgs->fd;
    int fd = openat(vault, VK_PROV_CRASH_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    ssize_t n = read(fd, where, sizeof where - 1);
    close(fd);
    where[n > 0 ? n : 0] = '\0';
    snprintf(here, sizeof here, "%s:%s:%u:%s", r->job->at->vendor->name, lists[r->list], r->index, point);
    if (strcmp(where, here) == 0 && unlinkat(vault, VK_PROV_CRASH_FILE, 0) == 0)
        raise(SIGKILL);
}
#endif
