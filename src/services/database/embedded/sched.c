/* Who runs when. Requests of a build wait in its queue; builds with something to run stand in one ready list
 * and are served in turn. At most `slots` threads (one per core) compute at once; a thread that waits for the
 * disk or runs long gives its slot away, so that one build's heavy statement does not hold up the others. A
 * request that needs its build's write turn is set aside without a thread and comes back when the turn is its
 * own. */
#include "services/database/embedded/db.h"

#include "core/clock.h"
#include "core/log.h"

enum {
    OVERDUE_NS = 500000000, /* after its deadline a statement may end as it should */
    /* A tenth of what an ordinary thread gets. The idle class gets so little of processors that others use
     * all of that half a second's work took 10 to 27 s, and 30 are a statement's limit; a quick one waits no
     * longer behind these than behind idle ones. */
    LOWERED_NICE = 10,
};

#include <sched.h>
#include <sys/resource.h>

struct vk_db vk_db;

/* ---- the pool */

static void *worker_main(void *arg);

bool vk_db_pressed(void)
{
    return !vk_list_empty(&vk_db.ready) && vk_db.active >= vk_db.slots;
}

static void start_thread(void)
{
    struct vk_worker_slot *w = vk_db.worker;
    if (vk_db.threads - vk_db.lowered >= VK_DB_QUICK_MAX)
        return;
    while (w < vk_db.worker + VK_DB_THREADS_MAX && w->alive)
        w++;
    if (w == vk_db.worker + VK_DB_THREADS_MAX)
        return;
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, VK_DB_WORKER_STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    *w = (struct vk_worker_slot){.alive = true, .turn = PTHREAD_COND_INITIALIZER};
    if (pthread_create(&thread, &attr, worker_main, w) == 0)
        vk_db.threads++;
    else
        w->alive = false;
    pthread_attr_destroy(&attr);
}

void vk_db_wake(void)
{
    if (vk_list_empty(&vk_db.ready))
        return;
    if (vk_db.active >= vk_db.slots) {
        if (vk_db.dozing)
            pthread_cond_signal(&vk_db.tick);
        vk_db.dozing = false;
        return;
    }
    if (vk_db.idle) {
        pthread_cond_signal(&vk_db.work);
        return;
    }
    start_thread();
}

/* Under mu. */
static void drop_slot(struct vk_worker_slot *w)
{
    if (w->slot)
        vk_db.active--;
    w->slot = false;
}

void vk_db_give_slot(struct vk_worker_slot *w)
{
    if (!atomic_load_explicit(&w->slot, memory_order_relaxed))
        return;
    pthread_mutex_lock(&vk_db.mu);
    drop_slot(w);
    vk_db_wake();
    pthread_mutex_unlock(&vk_db.mu);
}

bool vk_db_lower(vk_dbt *t, struct vk_worker_slot *w)
{
    /* There is no way back up without a privilege, so the thread ends after its job and a fresh one takes its
     * place. */
    struct sched_param none = {0};
    if (w->lowered)
        return true;
    pthread_mutex_lock(&vk_db.mu);
    bool room = vk_db.lowered < VK_DB_THREADS_MAX - VK_DB_QUICK_MAX;
    t->slow_until_ms = vk_clock_mono_ms() + VK_DB_SLOW_MS;
    if (room) {
        w->lowered = true;
        vk_db.lowered++;
        vk_db_wake();
    }
    pthread_mutex_unlock(&vk_db.mu);
    if (room &&
        (sched_setscheduler(0, SCHED_BATCH, &none) != 0 || setpriority(PRIO_PROCESS, 0, LOWERED_NICE) != 0))
        vk_log(VK_WARN, "a long statement cannot be given a lower priority");
    return room;
}

void vk_db_take_slots_back(void)
{
    vk_db.beat++;
    if (!vk_db_pressed())
        return;
    for (size_t i = 0; i < VK_DB_THREADS_MAX; i++)
        if (vk_db.worker[i].alive && vk_db.beat - vk_db.worker[i].since > 1)
            drop_slot(&vk_db.worker[i]);
}

void vk_db_end_overdue(int64_t now_ns)
{
    for (size_t i = 0; i < VK_DB_THREADS_MAX; i++) {
        struct vk_worker_slot *w = &vk_db.worker[i];
        if (w->alive && w->t && (w->t->closed || w->t->hurry || now_ns - OVERDUE_NS > w->deadline_ns))
            w->give_up = true;
    }
}

/* What has begun stands in front of what has not; a paused build only ends what has begun. */
static bool takes_queued(const vk_dbt *t)
{
    return t->running < VK_DB_RUNNING && !vk_list_empty(&t->queue) &&
           (!t->paused || VK_CONTAINER(t->queue.next, vk_dbjob, node)->attached);
}

static bool runnable(const vk_dbt *t)
{
    return takes_queued(t) || (t->running <= VK_DB_RUNNING && !vk_list_empty(&t->urgent));
}

void vk_db_schedule(vk_dbt *t)
{
    if (t->in_ready || !runnable(t))
        return;
    t->in_ready = true;
    bool wait = vk_db.lowered >= VK_DB_LONG_SHARE && !t->closed && vk_clock_mono_ms() < t->slow_until_ms;
    vk_list_push(wait ? &vk_db.ready_slow : &vk_db.ready, &t->ready);
    vk_db_wake();
}

void vk_db_hurry(vk_dbt *t)
{
    if (t->in_ready) {
        vk_list_remove(&t->ready);
        vk_list_push(&vk_db.ready, &t->ready);
    }
    vk_db_schedule(t);
    vk_db_wake();
}

/* Under mu. A long statement has ended: one of the builds that waited for that goes on. */
static void end_lowered(struct vk_worker_slot *w)
{
    if (!w->lowered)
        return;
    vk_db.lowered--;
    vk_list *n = vk_list_shift(&vk_db.ready_slow);
    if (n)
        vk_list_push(&vk_db.ready, n);
}

static vk_dbjob *next_job(void)
{
    vk_list *n;
    while ((n = vk_list_shift(&vk_db.ready))) {
        vk_dbt *t = VK_CONTAINER(n, vk_dbt, ready);
        t->in_ready = false;
        vk_list *jn = t->running <= VK_DB_RUNNING ? vk_list_shift(&t->urgent) : NULL;
        if (!jn && takes_queued(t))
            jn = vk_list_shift(&t->queue);
        if (!jn)
            continue;
        t->running++;
        vk_db_schedule(t);
        return VK_CONTAINER(jn, vk_dbjob, node);
    }
    return NULL;
}

/* ---- the turn */

void vk_db_pass_turn(vk_dbt *t)
{
    vk_list *n = vk_list_shift(&t->waiting_turn);
    t->turn_taken = n != NULL;
    t->turn_owner = NULL;
    if (!n)
        return;
    vk_dbjob *j = VK_CONTAINER(n, vk_dbjob, node);
    j->has_turn = true;
    vk_list_unshift(&t->urgent, n);
    vk_db_schedule(t);
}

bool vk_db_take_turn(vk_dbjob *j, vk_dbh *h)
{
    vk_dbt *t = j->t;
    pthread_mutex_lock(&vk_db.mu);
    bool got = j->has_turn || (!t->turn_taken && vk_list_empty(&t->waiting_turn));
    if (got) {
        t->turn_taken = true;
        t->turn_owner = h;
        j->has_turn = false;
        h->has_turn = true;
        h->turn_since_ms = vk_clock_mono_ms();
    }
    pthread_mutex_unlock(&vk_db.mu);
    return got;
}

void vk_db_settle_turn(vk_dbh *h)
{
    if (!h->has_turn || sqlite3_txn_state(h->db, NULL) == SQLITE_TXN_WRITE)
        return;
    pthread_mutex_lock(&vk_db.mu);
    h->has_turn = false;
    vk_db_pass_turn(h->t);
    pthread_mutex_unlock(&vk_db.mu);
}

/* ---- who takes over from lowered threads */

/* The slot may be another thread's as soon as it is in the list. */
static void hand_over(struct vk_worker_slot *w)
{
    struct vk_worker_slot *head = atomic_load_explicit(&vk_db.handed, memory_order_relaxed);
    do
        w->next = head;
    while (!atomic_compare_exchange_weak_explicit(&vk_db.handed, &head, w, memory_order_release,
                                                  memory_order_relaxed));
    sem_post(&vk_db.hands); /* takes no lock, as a condition would */
}

/* Under mu. The thread of `w` has ended; its job goes on, in front, on another one. */
static void take_from(struct vk_worker_slot *w)
{
    vk_dbt *t = w->t;
    vk_list_push(&t->urgent, &w->job->node);
    drop_slot(w);
    w->t = NULL;
    w->job = NULL;
    t->running--;
    end_lowered(w);
    w->alive = false;
    vk_db.threads--;
    vk_db_schedule(t);
    vk_db_hurry(t); /* it has run: nothing to wait for behind other long statements */
    pthread_cond_signal(&vk_db.gone);
}

static void *taker_main(void *arg)
{
    VK_UNUSED(arg);
    pthread_setname_np(pthread_self(), "vk-sql-take");
    for (;;) {
        while (sem_wait(&vk_db.hands) != 0)
            ;
        struct vk_worker_slot *w = atomic_exchange_explicit(&vk_db.handed, NULL, memory_order_acquire), *next;
        pthread_mutex_lock(&vk_db.mu);
        bool over = !w && vk_db.stopping && !vk_db.threads;
        for (; w; w = next) {
            next = w->next;
            take_from(w);
        }
        pthread_mutex_unlock(&vk_db.mu);
        if (over)
            return NULL;
    }
}

vk_err vk_db_taker_start(void)
{
    sem_init(&vk_db.hands, 0, 0);
    return pthread_create(&vk_db.taker, NULL, taker_main, NULL) == 0 ? VK_OK : VK_E_NOMEM;
}

void vk_db_taker_stop(void)
{
    sem_post(&vk_db.hands);
    pthread_join(vk_db.taker, NULL);
    sem_destroy(&vk_db.hands);
}

/* ---- workers */

static void *worker_main(void *arg)
{
    struct vk_worker_slot *w = arg;
    pthread_setname_np(pthread_self(), "vk-sql");
    if (vk_sqlite_watch_stack(VK_DB_STACK_SPARE) != VK_OK)
        vk_log(VK_ERROR, "the stack of a thread for SQL cannot be watched: deeply nested SQL may end front");
    pthread_mutex_lock(&vk_db.mu);
    for (;;) {
        while (!vk_db.stopping && (vk_list_empty(&vk_db.ready) || vk_db.active >= vk_db.slots)) {
            vk_db.idle++;
            pthread_cond_wait(&vk_db.work, &vk_db.mu);
            vk_db.idle--;
        }
        vk_dbjob *j = next_job();
        if (!j) {
            if (vk_db.stopping)
                break;
            continue;
        }
        vk_dbt *t = j->t;
        bool closed = t->closed, answered = true;
        size_t bytes = j->n_bytes;
        w->slot = true;
        w->since = vk_db.beat;
        w->t = t;
        w->job = j;
        atomic_store_explicit(&w->deadline_ns, INT64_MAX, memory_order_relaxed);
        atomic_store_explicit(&w->give_up, false, memory_order_relaxed);
        vk_db.active++;
        vk_db_wake();
        pthread_mutex_unlock(&vk_db.mu);
        if (closed) {
            vk_db_refuse_job(j);
        } else {
            answered = vk_db_run_job(j, w);
        }
        if (w->lowered)
            vk_db_share_end(w);
        if (w->handed) {
            hand_over(w);
            return NULL;
        }
        pthread_mutex_lock(&vk_db.mu);
        drop_slot(w);
        w->t = NULL;
        w->job = NULL;
        t->running--;
        t->n_jobs -= answered;
        t->n_bytes -= answered ? bytes : 0;
        t->refs++;
        vk_db_closed_if_done(t);
        vk_db_schedule(t);
        vk_db_unref(t);
    }
    w->alive = false;
    vk_db.threads--;
    vk_db_wake();
    pthread_cond_signal(&vk_db.gone);
    pthread_mutex_unlock(&vk_db.mu);
    return NULL;
}
