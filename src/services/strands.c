#include "services/strands.h"

#include "core/clock.h"

#include <sys/resource.h>

enum { STACK = 512 << 10, OPEN_LEAST = 16 };

struct vk_strand_waiter {
    struct vk_strand_waiter *next;
    void (*done)(void *arg);
    void *arg;
};

/* ---- builds; what follows is under all->mu unless it says otherwise */

static vk_strand *find(const vk_strands *all, const char *build)
{
    for (vk_map_node *n = vk_map_find(&all->builds, vk_hash_str(vk_str_z(build))); n;
         n = vk_map_find_next(n)) {
        vk_strand *s = VK_CONTAINER(n, vk_strand, node);
        if (strcmp(s->build, build) == 0)
            return s;
    }
    return NULL;
}

static void free_strand(vk_strand *s)
{
    const vk_strand_kind *k = s->owner->kind;
    if (k->fini)
        k->fini(s);
    vk_wipe(s, k->size);
    free(s);
}

static vk_strand_next leave(vk_strand *s, vk_strand_job *j);

static vk_strand *find_or_make(vk_strands *all, const char *build)
{
    vk_strand *s = find(all, build);
    if (s || strlen(build) > VK_BUILD_ID_MAX || !(s = calloc(1, all->kind->size)))
        return s;
    snprintf(s->build, sizeof s->build, "%s", build);
    s->owner = all;
    vk_list_init(&s->ready);
    vk_list_init(&s->recent);
    vk_list_init(&s->jobs);
    s->leave = (vk_strand_job){.run = leave, .alone = true};
    if ((all->kind->init && all->kind->init(s) != VK_OK) ||
        vk_map_add(&all->builds, &s->node, vk_hash_str(vk_str_z(build))) != VK_OK) {
        free_strand(s);
        return NULL;
    }
    return s;
}

static void make_ready(vk_strand *s)
{
    vk_strands *all = s->owner;
    if (s->busy || vk_list_empty(&s->jobs))
        return;
    s->busy = true;
    if (s->leaving && s->jobs.next == &s->leave.node) /* descriptors that others wait for: before everybody */
        vk_list_push(&all->first, &s->ready);
    else
        vk_list_push(s->warm ? &all->ready : &all->cold, &s->ready);
    pthread_cond_signal(&all->work);
}

static void push(vk_strand *s, vk_strand_job *j)
{
    s->n_jobs++;
    s->refs++;
    vk_list_push(&s->jobs, &j->node);
    make_ready(s);
}

static void leave_soon(vk_strand *s)
{
    if (s->leaving)
        return;
    s->leaving = true;
    s->owner->n_leaving++;
    push(s, &s->leave);
}

/* Nobody holds it: what is left to do? Tells those who wait for its end, and frees it; they may look at
 * nothing of it. */
static void settle(vk_strand *s)
{
    vk_strands *all = s->owner;
    bool closing = atomic_load(&s->closing);
    if (s->refs)
        return;
    if (!vk_list_empty(&s->recent)) {
        if (closing)
            leave_soon(s);
        return;
    }
    struct vk_strand_waiter *w = s->waiters, *next;
    s->waiters = NULL;
    if (!s->detached && (s->tenants == 0 || closing)) {
        vk_map_remove(&all->builds, &s->node);
        s->detached = true;
    }
    if (s->tenants == 0)
        free_strand(s);
    if (!w)
        return;
    pthread_mutex_unlock(&all->mu);
    for (; w; w = next) {
        next = w->next;
        w->done(w->arg);
        free(w);
    }
    pthread_mutex_lock(&all->mu);
}

static vk_strand *hold(vk_strand *s)
{
    if (!s || atomic_load_explicit(&s->closing, memory_order_relaxed))
        return NULL;
    s->refs++;
    return s;
}

static void let_go(vk_strand *s, uint32_t refs)
{
    s->refs -= refs;
    if (s->refs)
        return;
    s->used_ms = s->owner->tick_ms;
    if (!vk_list_empty(&s->recent)) {
        vk_list_remove(&s->recent);
        vk_list_push(&s->owner->recent, &s->recent);
    }
    settle(s);
}

/* A tenant that has one keeps it allocated. */
static vk_strand *of_tenant(vk_strands *all, vk_tenant *t)
{
    vk_strand *s = atomic_load_explicit(&t->service[all->index], memory_order_relaxed);
    if (!s && !atomic_load(&t->closed) && (s = find_or_make(all, t->id)) != NULL) {
        s->tenants++;
        atomic_store(&t->service[all->index], s);
    }
    return s;
}

vk_strand *vk_strand_of(vk_strands *all, vk_tenant *t)
{
    vk_strand *s = atomic_load(&t->service[all->index]);
    if (!s) {
        pthread_mutex_lock(&all->mu);
        s = of_tenant(all, t);
        pthread_mutex_unlock(&all->mu);
    }
    return s && !atomic_load_explicit(&s->closing, memory_order_relaxed) ? s : NULL;
}

vk_strand *vk_strand_hold(vk_strands *all, vk_tenant *t)
{
    pthread_mutex_lock(&all->mu);
    vk_strand *s = hold(of_tenant(all, t));
    pthread_mutex_unlock(&all->mu);
    return s;
}

vk_strand *vk_strand_hold_id(vk_strands *all, const char *build)
{
    pthread_mutex_lock(&all->mu);
    vk_strand *s = hold(find_or_make(all, build));
    pthread_mutex_unlock(&all->mu);
    return s;
}

void vk_strand_let_go(vk_strand *s)
{
    vk_strands *all = s->owner;
    pthread_mutex_lock(&all->mu);
    let_go(s, 1);
    pthread_mutex_unlock(&all->mu);
}

bool vk_strand_closing(const vk_strand *s)
{
    return atomic_load(&s->closing);
}

void vk_strands_close_build(vk_strands *all, const char *build, void (*done)(void *arg), void *arg)
{
    struct vk_strand_waiter *w = malloc(sizeof *w);
    pthread_mutex_lock(&all->mu);
    vk_strand *s = find(all, build);
    if (!s || !w) {
        pthread_mutex_unlock(&all->mu);
        free(w);
        done(arg); /* without memory the files go while they are read, which POSIX allows */
        return;
    }
    *w = (struct vk_strand_waiter){s->waiters, done, arg};
    s->waiters = w;
    atomic_store(&s->closing, true);
    settle(s);
    pthread_mutex_unlock(&all->mu);
}

void vk_strands_free_tenant(vk_strands *all, vk_tenant *t)
{
    pthread_mutex_lock(&all->mu);
    vk_strand *s = atomic_load(&t->service[all->index]);
    s->tenants--;
    settle(s);
    pthread_mutex_unlock(&all->mu);
}

/* ---- open builds; on the strand, not under all->mu */

/* Sees to it that few are open, by closing those that have been idle for longest. Those that leave do so
 * before anything else is done, so they count as gone. */
static bool make_room(vk_strands *all)
{
    pthread_mutex_lock(&all->mu);
    bool room = all->n_open < all->open_max + all->n_leaving;
    for (vk_list *n = all->recent.next; n != &all->recent && !room; n = n->next) {
        vk_strand *idle = VK_CONTAINER(n, vk_strand, recent);
        if (idle->refs == 0) {
            leave_soon(idle);
            room = true;
        }
    }
    if (room)
        all->n_open++; /* so that others see it while it is not there yet */
    pthread_mutex_unlock(&all->mu);
    return room;
}

vk_err vk_strand_open(vk_strand *s, bool make)
{
    vk_strands *all = s->owner;
    if (s->open)
        return VK_OK;
    if (!make_room(all))
        return VK_E_BUSY;
    vk_err e = all->kind->open(s, make);
    s->open = e == VK_OK;
    pthread_mutex_lock(&all->mu);
    if (s->open)
        vk_list_push(&all->recent, &s->recent);
    else
        all->n_open--;
    pthread_mutex_unlock(&all->mu);
    if (s->open)
        vk_count(&all->opened, 1);
    return e;
}

/* Everything that was asked for before it is done, and what comes later opens it again. */
static vk_strand_next leave(vk_strand *s, vk_strand_job *j)
{
    vk_strands *all = s->owner;
    bool open = s->open;
    VK_UNUSED(j);
    all->kind->close(s);
    s->open = false;
    s->tidied_ms = 0;
    pthread_mutex_lock(&all->mu);
    s->leaving = false;
    all->n_leaving--;
    if (open) {
        vk_list_remove(&s->recent);
        all->n_open--;
    }
    pthread_mutex_unlock(&all->mu);
    return VK_STRAND_GONE;
}

static void tidy(vk_strand *s)
{
    const vk_strand_kind *k = s->owner->kind;
    int64_t now = vk_clock_mono_ms();
    if (!s->open || !k->tidy ||
        (s->tidied_ms && now - s->tidied_ms < k->tidy_ms && !(k->tidy_due && k->tidy_due(s))))
        return;
    s->tidied_ms = k->tidy(s) ? 0 : now;
}

/* ---- threads */

vk_err vk_strand_submit(vk_strand *s, vk_strand_job *j, bool again)
{
    vk_strands *all = s->owner;
    pthread_mutex_lock(&all->mu);
    bool room = again || s->n_jobs < all->kind->jobs_max;
    if (room)
        push(s, j);
    else
        vk_count(&all->refused, 1);
    pthread_mutex_unlock(&all->mu);
    return room ? VK_OK : VK_E_BUSY;
}

/* The next job of a strand that may be in a batch with `n` others; NULL: it is a batch without it. */
static vk_strand_job *next_job(vk_strand *s, size_t n)
{
    vk_strand_job *j = vk_list_empty(&s->jobs) ? NULL : VK_CONTAINER(s->jobs.next, vk_strand_job, node);
    if (!j || (n && j->alone))
        return NULL;
    vk_list_remove(&j->node);
    s->n_jobs--;
    return j;
}

/* Runs what waits, as one batch; releases all->mu meanwhile. How many jobs that were. */
static uint32_t run_batch(vk_strand *s)
{
    vk_strands *all = s->owner;
    const vk_strand_kind *k = all->kind;
    int64_t until = vk_clock_mono_ms() + VK_STRAND_BATCH_MS;
    vk_strand_job *j;
    vk_list waiting;
    uint32_t n = 0;
    bool more = true;
    vk_list_init(&waiting);
    while (more && (j = next_job(s, n)) != NULL) {
        bool alone = j->alone; /* the job may be gone when it has run */
        pthread_mutex_unlock(&all->mu);
        vk_strand_next next = j->run(s, j);
        if (next != VK_STRAND_GONE)
            vk_list_push(&waiting, &j->node);
        more = ++n < k->batch && !alone && next != VK_STRAND_ENDS && vk_clock_mono_ms() < until;
        pthread_mutex_lock(&all->mu);
    }
    pthread_mutex_unlock(&all->mu);
    if (!vk_list_empty(&waiting)) {
        vk_err e = k->batch_end ? k->batch_end(s) : VK_OK;
        vk_count(&all->batches, 1);
        for (vk_list *w; (w = vk_list_shift(&waiting)) != NULL;) {
            j = VK_CONTAINER(w, vk_strand_job, node);
            j->done(s, j, e);
        }
    }
    tidy(s);
    bool warm = s->open && (!k->warm || k->warm(s));
    pthread_mutex_lock(&all->mu);
    s->warm = warm;
    vk_count(&all->jobs, n);
    return n;
}

/* The next strand; *cold_r: it is one of those. NULL: nothing to do. */
static vk_list *next_ready(vk_strands *all, bool *cold_r)
{
    vk_list *n = vk_list_shift(&all->first);
    *cold_r = false;
    if (!n && all->n_cold < all->kind->cold_max)
        *cold_r = (n = vk_list_shift(&all->cold)) != NULL;
    return n ? n : vk_list_shift(&all->ready);
}

static void *thread_main(void *arg)
{
    vk_strands *all = arg;
    pthread_setname_np(pthread_self(), all->kind->thread);
    pthread_mutex_lock(&all->mu);
    for (;;) {
        vk_list *n;
        bool cold;
        while (!(n = next_ready(all, &cold)) && !all->stopping)
            pthread_cond_wait(&all->work, &all->mu);
        if (!n)
            break;
        vk_strand *s = VK_CONTAINER(n, vk_strand, ready);
        all->n_cold += cold;
        uint32_t jobs = run_batch(s);
        all->n_cold -= cold;
        s->busy = false;
        if (all->stopping && !vk_list_empty(&s->recent))
            leave_soon(s); /* what waited has opened it after the stop had looked */
        make_ready(s);     /* behind the others: what waits of each build waits for its turn */
        let_go(s, jobs);
    }
    pthread_mutex_unlock(&all->mu);
    return NULL;
}

/* ---- start and stop */

/* On loops[0]. */
static void tick(vk_timer *t)
{
    vk_strands *all = VK_CONTAINER(t, vk_strands, tick);
    int64_t now = vk_clock_mono_ms();
    pthread_mutex_lock(&all->mu);
    all->tick_ms = now;
    for (vk_list *n = all->recent.next; n != &all->recent; n = n->next) {
        vk_strand *s = VK_CONTAINER(n, vk_strand, recent);
        if (s->refs == 0 && now - s->used_ms > all->kind->idle_ms)
            leave_soon(s);
    }
    pthread_mutex_unlock(&all->mu);
    vk_timer_set(all->rt->loops[0], t, VK_STRAND_TICK_MS, tick);
}

static size_t open_limit(const vk_strand_kind *k)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return OPEN_LEAST;
    size_t n = (size_t)r.rlim_cur / VK_FILES_SHARES / k->files;
    return n < OPEN_LEAST ? OPEN_LEAST : n > k->open_max ? k->open_max : n;
}

vk_err vk_strands_start(vk_strands *all, vk_runtime *rt, int index)
{
    const vk_strand_kind *k = all->kind;
    all->rt = rt;
    all->index = index;
    all->stopping = false;
    all->tick_ms = vk_clock_mono_ms();
    all->open_max = open_limit(k);
    vk_map_init(&all->builds);
    vk_list_init(&all->first);
    vk_list_init(&all->ready);
    vk_list_init(&all->cold);
    vk_list_init(&all->recent);
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0)
        return VK_E_NOMEM;
    pthread_attr_setstacksize(&attr, STACK);
    vk_err e = VK_OK;
    while (all->n_threads < k->threads && all->n_threads < VK_STRAND_THREADS_MAX && e == VK_OK)
        if (pthread_create(&all->threads[all->n_threads], &attr, thread_main, all) == 0)
            all->n_threads++;
        else
            e = VK_E_NOMEM;
    pthread_attr_destroy(&attr);
    if (e == VK_OK)
        vk_timer_set(rt->loops[0], &all->tick, VK_STRAND_TICK_MS, tick);
    else
        vk_strands_stop(all);
    return e;
}

void vk_strands_stop(vk_strands *all)
{
    vk_timer_clear(all->rt->loops[0], &all->tick);
    pthread_mutex_lock(&all->mu);
    all->stopping = true;
    /* Each close syncs: side by side, so that a restart is not held up by how many there are. */
    for (vk_list *n = all->recent.next; n != &all->recent; n = n->next)
        leave_soon(VK_CONTAINER(n, vk_strand, recent));
    pthread_cond_broadcast(&all->work);
    pthread_mutex_unlock(&all->mu);
    for (; all->n_threads; all->n_threads--)
        pthread_join(all->threads[all->n_threads - 1], NULL);
    if (all->builds.n == 0) /* tenants that are freed later take the rest */
        vk_map_free(&all->builds);
}

void vk_strands_count(vk_strands *all, vk_strand_counts *out_r)
{
    pthread_mutex_lock(&all->mu);
    out_r->open = all->n_open;
    pthread_mutex_unlock(&all->mu);
    out_r->opened = atomic_load_explicit(&all->opened, memory_order_relaxed);
    out_r->jobs = atomic_load_explicit(&all->jobs, memory_order_relaxed);
    out_r->refused = atomic_load_explicit(&all->refused, memory_order_relaxed);
    out_r->batches = atomic_load_explicit(&all->batches, memory_order_relaxed);
}
