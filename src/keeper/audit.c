#include "core/clock.h"
#include "core/disk.h"
#include "core/log.h"
#include "keeper/audit_log.h"
#include "keeper/audit_sink.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

enum { RIDES_MAX = 64 }; /* entries that wait for another one to be written with */

struct vk_audit {
    vk_loop *loop;
    /* Of `log`, from vk_audit_start on: the writer's, and the loop's for what it writes itself. Taken before
     * `mu`, never while that is held. */
    pthread_mutex_t log_mu;
    vk_audit_log log;
    _Atomic int64_t due; /* vk_audit_log_due, as it was last */
    vk_audit_sink *sink;
    uint8_t key[32], auditor[VK_AUDIT_AUDITOR];
    pthread_t thread;
    bool running;
    _Atomic bool sealed; /* as the writer saw it last */
    pthread_mutex_t mu;  /* of what follows */
    pthread_cond_t work;
    vk_audit_entry *first, **last;
    size_t waiting;
    vk_timer late; /* the loop's */
    bool ending;
    vk_audit_state state;
};

/* ---- writing */

/* With log_mu. */
static void publish(vk_audit *a)
{
    vk_audit_state s;
    vk_audit_log_state(&a->log, &s);
    atomic_store_explicit(&a->due, vk_audit_log_due(&a->log), memory_order_relaxed);
    pthread_mutex_lock(&a->mu);
    bool low = s.low && !a->state.low;
    a->state = s;
    pthread_mutex_unlock(&a->mu);
    atomic_store_explicit(&a->sealed, s.sealed, memory_order_release);
    if (low)
        vk_log(VK_WARN,
               "the disk is nearly full: without space for the audit log no key of the organisation is "
               "used");
}

static void on_checkpoint(void *arg, const vk_audit_checkpoint *c)
{
    vk_audit *a = arg;
    if (a->sink)
        vk_audit_sink_add(a->sink, c);
}

static void call_durable(vk_task *t)
{
    vk_audit_entry *e = VK_CONTAINER(t, vk_audit_entry, task);
    e->durable(e, e->err);
}

/* Uses, and others' entries, in the order of writing. An entry is not looked at after its post. */
static void give_back(vk_audit *a, vk_audit_entry *const *batch, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!batch[i]->durable) {
            free(batch[i]);
            continue;
        }
        batch[i]->task.run = call_durable;
        vk_loop_post(a->loop, &batch[i]->task);
    }
}

static size_t take_batch(vk_audit *a, vk_audit_entry **batch)
{
    size_t n = 0;
    while (n < VK_AL_BATCH && a->first) {
        batch[n++] = a->first;
        a->first = a->first->next;
    }
    if (!a->first)
        a->last = &a->first;
    a->waiting -= n;
    return n;
}

/* Taken with log_mu, so that nobody else can write what came later; given back without, since whoever is
 * woken may want to write at once. */
static void write_queued(vk_audit *a, vk_audit_entry **batch)
{
    pthread_mutex_lock(&a->log_mu);
    pthread_mutex_lock(&a->mu);
    size_t n = take_batch(a, batch);
    pthread_mutex_unlock(&a->mu);
    if (n) {
        vk_audit_log_write(&a->log, batch, n);
        publish(a); /* before anybody who waits can ask */
    }
    pthread_mutex_unlock(&a->log_mu);
    give_back(a, batch, n);
}

static void do_what_is_due(vk_audit *a)
{
    pthread_mutex_lock(&a->log_mu);
    if (vk_clock_mono_ms() >= vk_audit_log_due(&a->log)) {
        vk_audit_log_tick(&a->log);
        publish(a);
    }
    pthread_mutex_unlock(&a->log_mu);
}

/* At most so long; false: that is over. */
static bool wait_until(vk_audit *a, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return pthread_cond_timedwait(&a->work, &a->mu, &until) != ETIMEDOUT;
}

/* Until the keeper of before a restart has let go. What is asked meanwhile waits. */
static void wait_for_turn(vk_audit *a, vk_audit_entry **batch)
{
    int64_t until = vk_clock_mono_ms() + VK_AL_NO_TURN_MS;
    pthread_mutex_lock(&a->mu);
    while (a->log.waiting && !a->ending) {
        size_t n = a->log.sealed ? take_batch(a, batch) : 0;
        pthread_mutex_unlock(&a->mu);
        pthread_mutex_lock(&a->log_mu);
        if (n) {
            vk_audit_log_write(&a->log, batch, n);
            give_back(a, batch, n);
        }
        vk_audit_log_turn(&a->log);
        if (a->log.waiting && !a->log.sealed && vk_clock_mono_ms() >= until)
            vk_audit_log_no_turn(&a->log);
        publish(a);
        pthread_mutex_unlock(&a->log_mu);
        pthread_mutex_lock(&a->mu);
        if (a->log.waiting && !a->ending)
            wait_until(a, VK_AL_TURN_MS);
    }
    pthread_mutex_unlock(&a->mu);
}

static void *writer(void *arg)
{
    vk_audit *a = arg;
    vk_audit_entry *batch[VK_AL_BATCH];
    pthread_setname_np(pthread_self(), "audit");
    wait_for_turn(a, batch);
    pthread_mutex_lock(&a->mu);
    while (!a->log.waiting && (a->first || !a->ending)) {
        int64_t in = atomic_load_explicit(&a->due, memory_order_relaxed) - vk_clock_mono_ms();
        if (!a->first && in > 0 && wait_until(a, in) && !a->first)
            continue;
        pthread_mutex_unlock(&a->mu);
        write_queued(a, batch);
        if (vk_clock_mono_ms() >= atomic_load_explicit(&a->due, memory_order_relaxed))
            do_what_is_due(a);
        pthread_mutex_lock(&a->mu);
    }
    pthread_mutex_unlock(&a->mu);
    return NULL;
}

/* ---- open, start, end */

static void drop(vk_audit *a)
{
    vk_audit_sink_close(a->sink);
    pthread_mutex_destroy(&a->mu);
    pthread_mutex_destroy(&a->log_mu);
    pthread_cond_destroy(&a->work);
    vk_wipe(a->key, sizeof a->key);
    free(a);
}

static bool set_up_lock(vk_audit *a)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0)
        return false;
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* a leap of the clock must not make it late */
    bool good = pthread_cond_init(&a->work, &attr) == 0;
    pthread_condattr_destroy(&attr);
    if (good) {
        pthread_mutex_init(&a->mu, NULL);
        pthread_mutex_init(&a->log_mu, NULL);
    }
    return good;
}

/* What the log holds at its start goes there too, as does every checkpoint after it. */
vk_err vk_audit_prepare(const vk_audit_place *at, vk_audit **out_r, char why[VK_AUDIT_WHY])
{
    vk_audit *a = calloc(1, sizeof *a);
    why[0] = '\0';
    if (!a || !set_up_lock(a)) {
        free(a);
        snprintf(why, VK_AUDIT_WHY, "There is not enough memory for the audit log.");
        return VK_E_NOMEM;
    }
    vk_audit_place place = *at;
    a->loop = at->loop;
    a->last = &a->first;
    memcpy(a->key, at->key, sizeof a->key);
    place.key = a->key;
    if (at->auditor) {
        memcpy(a->auditor, at->auditor, sizeof a->auditor);
        place.auditor = a->auditor;
    }
    a->log.checkpoint = on_checkpoint;
    a->log.arg = a;
    vk_err e = VK_OK;
    if (at->checkpoints && at->checkpoints[0])
        e = vk_audit_sink_open(at->checkpoints, &a->sink, why);
    if (e == VK_OK)
        e = vk_audit_log_open(&a->log, &place, why);
    if (e != VK_OK) {
        drop(a);
        return e;
    }
    publish(a);
    *out_r = a;
    return VK_OK;
}

vk_err vk_audit_start(vk_audit *a)
{
    vk_err e = a->sink ? vk_audit_sink_start(a->sink) : VK_OK;
    if (e == VK_OK && pthread_create(&a->thread, NULL, writer, a) != 0)
        e = VK_E_NOMEM;
    a->running = e == VK_OK;
    return e;
}

void vk_audit_end(vk_audit *a)
{
    if (!a)
        return;
    vk_timer_clear(a->loop, &a->late);
    if (a->running) {
        pthread_mutex_lock(&a->mu);
        a->ending = true;
        pthread_cond_signal(&a->work);
        pthread_mutex_unlock(&a->mu);
        pthread_join(a->thread, NULL);
    }
    for (vk_audit_entry *e = a->first, *next; e; e = next) { /* it was never started, or had no turn */
        next = e->next;
        e->err = VK_E_UNAVAILABLE;
        give_back(a, &e, 1);
    }
    vk_audit_log_close(&a->log);
    drop(a);
}

/* ---- the callers' side */

static void write_late(vk_timer *t)
{
    vk_audit *a = VK_CONTAINER(t, vk_audit, late);
    pthread_mutex_lock(&a->mu);
    bool any = a->first != NULL;
    pthread_mutex_unlock(&a->mu);
    if (any)
        pthread_cond_signal(&a->work);
}

/* Nobody waits for an outcome: it goes along with the next intent, so that a use wakes the writer once. */
vk_err vk_audit_write(vk_audit *a, vk_audit_entry *e)
{
    vk_audit_entry *x = e;
    if (e->kind == VK_AUDIT_INTENT && atomic_load_explicit(&a->sealed, memory_order_acquire))
        return VK_E_UNAVAILABLE;
    if (!e->durable) {
        x = malloc(sizeof *x);
        if (!x)
            return VK_E_NOMEM;
        *x = *e;
    }
    x->next = NULL;
    x->seq = 0;
    pthread_mutex_lock(&a->mu);
    /* What ends a use that was let through has a place of its own. */
    size_t most = e->kind == VK_AUDIT_INTENT ? VK_AUDIT_WAITING : 2 * VK_AUDIT_WAITING;
    bool taken = a->waiting < most && !a->ending;
    if (taken) {
        *a->last = x;
        a->last = &x->next;
        a->waiting++;
    }
    bool now = taken && (e->durable || a->waiting >= RIDES_MAX);
    pthread_mutex_unlock(&a->mu);
    if (now)
        pthread_cond_signal(&a->work); /* without the lock, or the writer would wait for it at once */
    else if (taken && !a->late.due_ms)
        vk_timer_set(a->loop, &a->late, VK_AUDIT_LATE_MS, write_late);
    if (!taken && x != e)
        free(x);
    return taken ? VK_OK : VK_E_BUSY;
}

/* How many go with a use that is written now, itself among them; 0: it cannot be. What waits may only be what
 * rides along: an entry that somebody waits for was asked of the writer. */
static size_t take_riders(vk_audit *a, vk_audit_entry **batch)
{
    size_t n = 0;
    pthread_mutex_lock(&a->mu);
    bool all = a->waiting < RIDES_MAX && !a->ending && vk_audit_log_is_quick(&a->log, a->waiting + 1);
    for (const vk_audit_entry *x = a->first; x && all; x = x->next)
        all = !x->durable;
    if (all)
        n = take_batch(a, batch) + 1;
    pthread_mutex_unlock(&a->mu);
    return n;
}

vk_err vk_audit_write_now(vk_audit *a, vk_audit_entry *e)
{
    vk_audit_entry *batch[RIDES_MAX + 1];
    if (a->log.at.sync || e->kind != VK_AUDIT_INTENT || !a->running)
        return VK_AGAIN;
    if (atomic_load_explicit(&a->sealed, memory_order_acquire))
        return VK_E_UNAVAILABLE;
    if (pthread_mutex_trylock(&a->log_mu) != 0)
        return VK_AGAIN;
    size_t n = take_riders(a, batch);
    bool clean = !a->log.dirty_since;
    if (n) {
        batch[n - 1] = e;
        e->seq = 0;
        vk_audit_log_write(&a->log, batch, n);
        publish(a);
    }
    pthread_mutex_unlock(&a->log_mu);
    if (!n)
        return VK_AGAIN;
    for (size_t i = 0; i < n - 1; i++)
        free(batch[i]);
    if (clean)
        pthread_cond_signal(&a->work); /* who will sync it */
    return e->err;
}

void vk_audit_state_of(vk_audit *a, vk_audit_state *out)
{
    pthread_mutex_lock(&a->mu);
    *out = a->state;
    pthread_mutex_unlock(&a->mu);
    out->sink = a->sink != NULL;
    if (a->sink)
        vk_audit_sink_state(a->sink, &out->sink_lost, out->sink_why);
}

uint64_t vk_audit_version_of(vk_audit *a, vk_str record)
{
    return vk_audit_versions_of(&a->log.versions, record);
}
