#include "services/storage/embedded/builds.h"

#include "core/clock.h"
#include "core/log.h"
#include "services/storage/embedded/leases.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { TICK_MS = 5000, STACK = 512 << 10, EXPIRE_EVERY_MS = 3600000 };

struct waiter {
    struct waiter *next;
    void (*done)(void *arg);
    void *arg;
};

struct vk_s3_build {
    vk_map_node node; /* in all.builds, until it is detached */
    char id[VK_BUILD_ID_MAX + 1];
    uint32_t refs;    /* who holds it; jobs that wait or run do */
    uint32_t tenants; /* whose service[] names it */
    bool detached;    /* a build of that name made later is another one */
    bool busy;        /* a thread opens or closes the store */
    bool in_ready, in_chores;
    _Atomic bool closing;
    vk_ob *_Atomic store;
    vk_list ready;  /* in all.ready: has jobs that wait */
    vk_list chore;  /* in all.chores: the store is to be closed */
    vk_list recent; /* in all.recent while the store is open, the latest at the end */
    vk_list jobs;
    size_t n_jobs, running;
    int64_t used_ms, expired_ms;
    vk_s3_rules *rules;
    uint64_t rules_order; /* of the change that they are of; 0: as the store was opened */
    struct waiter *waiters;
};

static struct {
    vk_runtime *rt;
    int index;
    vk_ob_quota quota;
    pthread_mutex_t mu;
    pthread_cond_t work, settled;
    vk_map builds;
    vk_list ready, chores, recent;
    size_t running; /* jobs */
    size_t n_open, open_max;
    bool stopping;
    pthread_t threads[VK_S3B_THREADS];
    size_t n_threads;
    vk_timer tick;
    int64_t tick_ms; /* when it was last: exact enough for what is idle */
    _Atomic uint64_t opened, jobs, refused;
} all = {
    .mu = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .settled = PTHREAD_COND_INITIALIZER};

/* ---- builds; what follows is under all.mu unless it says otherwise */

static vk_s3_build *find(const char *id)
{
    for (vk_map_node *n = vk_map_find(&all.builds, vk_hash_str(vk_str_z(id))); n; n = vk_map_find_next(n)) {
        vk_s3_build *b = VK_CONTAINER(n, vk_s3_build, node);
        if (strcmp(b->id, id) == 0)
            return b;
    }
    return NULL;
}

static vk_s3_build *find_or_make(const char *id)
{
    vk_s3_build *b = find(id);
    if (b || !(b = calloc(1, sizeof *b)))
        return b;
    snprintf(b->id, sizeof b->id, "%s", id);
    vk_list_init(&b->ready);
    vk_list_init(&b->chore);
    vk_list_init(&b->recent);
    vk_list_init(&b->jobs);
    if (vk_map_add(&all.builds, &b->node, vk_hash_str(vk_str_z(id))) != VK_OK) {
        free(b);
        return NULL;
    }
    return b;
}

static void close_soon(vk_s3_build *b)
{
    if (b->in_chores)
        return;
    b->in_chores = true;
    vk_list_push(&all.chores, &b->chore);
    pthread_cond_signal(&all.work);
}

/* Nobody holds it: what is left to do? Tells those who wait for its end, and frees it; they may look at
 * nothing of it. */
static void settle(vk_s3_build *b)
{
    if (b->refs || b->busy || b->in_chores)
        return;
    if (atomic_load(&b->store)) {
        if (atomic_load(&b->closing))
            close_soon(b);
        return;
    }
    struct waiter *w = b->waiters, *next;
    b->waiters = NULL;
    if (!b->detached && (b->tenants == 0 || atomic_load(&b->closing))) {
        vk_map_remove(&all.builds, &b->node);
        b->detached = true;
    }
    if (b->tenants == 0)
        free(b);
    if (!w)
        return;
    pthread_mutex_unlock(&all.mu);
    for (; w; w = next) {
        next = w->next;
        w->done(w->arg);
        free(w);
    }
    pthread_mutex_lock(&all.mu);
}

static vk_s3_build *hold(vk_s3_build *b)
{
    if (!b || atomic_load_explicit(&b->closing, memory_order_relaxed))
        return NULL;
    b->refs++;
    return b;
}

vk_s3_build *vk_s3b_hold(vk_tenant *t)
{
    pthread_mutex_lock(&all.mu);
    vk_s3_build *b = atomic_load_explicit(&t->service[all.index], memory_order_relaxed);
    if (!b && !atomic_load(&t->closed) && (b = find_or_make(t->id)) != NULL) {
        b->tenants++;
        atomic_store(&t->service[all.index], b);
    }
    b = hold(b);
    pthread_mutex_unlock(&all.mu);
    return b;
}

vk_s3_build *vk_s3b_hold_id(const char *build)
{
    pthread_mutex_lock(&all.mu);
    vk_s3_build *b = hold(find_or_make(build));
    pthread_mutex_unlock(&all.mu);
    return b;
}

void vk_s3b_let_go(vk_s3_build *b)
{
    pthread_mutex_lock(&all.mu);
    if (--b->refs == 0) {
        b->used_ms = all.tick_ms;
        if (!vk_list_empty(&b->recent)) {
            vk_list_remove(&b->recent);
            vk_list_push(&all.recent, &b->recent);
        }
        settle(b);
    }
    pthread_mutex_unlock(&all.mu);
}

const char *vk_s3b_id(const vk_s3_build *b)
{
    return b->id;
}

bool vk_s3b_closing(const vk_s3_build *b)
{
    return atomic_load(&b->closing);
}

void vk_s3b_close_build(const char *build, void (*done)(void *arg), void *arg)
{
    struct waiter *w = malloc(sizeof *w);
    pthread_mutex_lock(&all.mu);
    vk_s3_build *b = find(build);
    if (!b || !w) {
        pthread_mutex_unlock(&all.mu);
        free(w);
        done(arg); /* without memory the files go while they are read, which POSIX allows */
        return;
    }
    *w = (struct waiter){b->waiters, done, arg};
    b->waiters = w;
    atomic_store(&b->closing, true);
    settle(b);
    pthread_mutex_unlock(&all.mu);
    vk_s3_leases_end(build);
}

void vk_s3b_free_tenant(vk_tenant *t)
{
    pthread_mutex_lock(&all.mu);
    vk_s3_build *b = atomic_load(&t->service[all.index]);
    b->tenants--;
    settle(b);
    pthread_mutex_unlock(&all.mu);
}

/* ---- stores */

vk_ob *vk_s3b_store_now(const vk_s3_build *b)
{
    return atomic_load_explicit(&b->store, memory_order_acquire);
}

const vk_runtime *vk_s3b_runtime(void)
{
    return all.rt;
}

vk_ob_quota vk_s3b_quota(void)
{
    return all.quota;
}

/* Closes the store; releases all.mu meanwhile. Nobody holds the build, or it is being stopped. */
static void close_store(vk_s3_build *b)
{
    vk_ob *s = atomic_load(&b->store);
    vk_s3_rules *rules = b->rules;
    b->busy = true;
    b->rules = NULL;
    atomic_store(&b->store, NULL);
    vk_list_remove(&b->recent);
    pthread_mutex_unlock(&all.mu);
    vk_ob_close(s);
    vk_s3_rules_unref(rules);
    pthread_mutex_lock(&all.mu);
    all.n_open--;
    b->busy = false;
    pthread_cond_broadcast(&all.settled);
}

/* Room for one more, by closing the one that has been idle for longest. */
static bool make_room(void)
{
    while (all.n_open >= all.open_max) {
        vk_s3_build *idle = NULL;
        for (vk_list *n = all.recent.next; n != &all.recent && !idle; n = n->next) {
            vk_s3_build *b = VK_CONTAINER(n, vk_s3_build, recent);
            if (b->refs == 0 && !b->busy)
                idle = b;
        }
        if (!idle)
            return false;
        close_store(idle);
        settle(idle);
    }
    return true;
}

static bool has_stored(const vk_s3_build *b)
{
    char path[64 + VK_BUILD_ID_MAX];
    struct stat st;
    snprintf(path, sizeof path, "builds/%s/storage.db", b->id);
    return fstatat(all.rt->data_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Not under all.mu; b is busy. */
static vk_ob_err open_store(vk_s3_build *b, bool make, vk_ob **out_r, vk_s3_rules **rules_r)
{
    *rules_r = NULL;
    if (!make && !has_stored(b))
        return VK_OB_NO_SUCH_KEY;
    vk_ob_err e = vk_ob_open(all.rt->data_fd, all.rt->data_dir, b->id, &all.quota, out_r);
    if (e != VK_OB_OK)
        return e;
    vk_str xml;
    vk_arena *a = vk_arena_new(2 * VK_OB_CORS_MAX);
    if (a && vk_ob_cors_get(*out_r, a, &xml) == VK_OB_OK)
        *rules_r = vk_s3_rules_read(xml);
    vk_arena_free(a);
    return VK_OB_OK;
}

vk_ob_err vk_s3b_store(vk_s3_build *b, bool make, vk_ob **out_r)
{
    vk_ob_err e = VK_OB_OK;
    vk_s3_rules *rules;
    pthread_mutex_lock(&all.mu);
    while (b->busy)
        pthread_cond_wait(&all.settled, &all.mu);
    *out_r = atomic_load(&b->store);
    if (!*out_r) {
        b->busy = true;
        e = make_room() ? VK_OB_OK : VK_OB_BUSY;
        if (e == VK_OB_OK) {
            all.n_open++; /* so that others see it while it is not there yet */
            pthread_mutex_unlock(&all.mu);
            e = open_store(b, make, out_r, &rules);
            pthread_mutex_lock(&all.mu);
            if (e == VK_OB_OK) {
                vk_count(&all.opened, 1);
                b->rules = rules;
                b->rules_order = 0;
                vk_list_push(&all.recent, &b->recent);
                atomic_store_explicit(&b->store, *out_r, memory_order_release);
            } else {
                all.n_open--;
            }
        }
        b->busy = false;
        pthread_cond_broadcast(&all.settled);
    }
    pthread_mutex_unlock(&all.mu);
    return e;
}

/* ---- CORS rules */

vk_s3_rules *vk_s3_rules_read(vk_str xml)
{
    vk_arena *a = vk_arena_new(8 * VK_OB_CORS_MAX);
    vk_s3_rules *r = a ? vk_arena_calloc(a, sizeof *r) : NULL;
    if (!r || vk_s3x_read_cors(a, xml, &r->cors) != VK_S3_OK) {
        vk_arena_free(a);
        return NULL;
    }
    r->arena = a;
    atomic_store(&r->refs, 1);
    return r;
}

void vk_s3_rules_unref(vk_s3_rules *r)
{
    if (r && atomic_fetch_sub(&r->refs, 1) == 1)
        vk_arena_free(r->arena);
}

vk_s3_rules *vk_s3b_rules(vk_s3_build *b)
{
    pthread_mutex_lock(&all.mu);
    vk_s3_rules *r = b->rules;
    if (r)
        atomic_fetch_add(&r->refs, 1);
    pthread_mutex_unlock(&all.mu);
    return r;
}

void vk_s3b_set_rules(vk_s3_build *b, vk_s3_rules *r, uint64_t order)
{
    vk_s3_rules *old = r;
    pthread_mutex_lock(&all.mu);
    if (order > b->rules_order) {
        old = b->rules;
        b->rules = r;
        b->rules_order = order;
    }
    pthread_mutex_unlock(&all.mu);
    vk_s3_rules_unref(old);
}

/* ---- threads */

/* Whether one more job of it may run beside those of the others. */
static bool may_run(const vk_s3_build *b)
{
    return all.stopping || b->running < VK_S3B_SHARE * (VK_S3B_THREADS - all.running);
}

/* The build whose turn it is, or NULL: those that there are have their share. */
static vk_s3_build *next_ready(void)
{
    for (vk_list *n = all.ready.next; n != &all.ready; n = n->next)
        if (may_run(VK_CONTAINER(n, vk_s3_build, ready)))
            return VK_CONTAINER(n, vk_s3_build, ready);
    return NULL;
}

/* True: a thread is to be woken, best without all.mu, which it would only wait for again. */
static bool make_ready(vk_s3_build *b)
{
    if (b->in_ready || vk_list_empty(&b->jobs))
        return false;
    b->in_ready = true;
    vk_list_push(&all.ready, &b->ready);
    return true;
}

vk_err vk_s3b_submit(vk_s3_build *b, vk_s3_job *j)
{
    pthread_mutex_lock(&all.mu);
    bool room = b->n_jobs < VK_S3B_JOBS_MAX, wake = false;
    if (room) {
        b->n_jobs++;
        b->refs++;
        vk_list_push(&b->jobs, &j->node);
        wake = make_ready(b);
    } else {
        vk_count(&all.refused, 1);
    }
    pthread_mutex_unlock(&all.mu);
    if (wake)
        pthread_cond_signal(&all.work);
    return room ? VK_OK : VK_E_BUSY;
}

static void run_one(vk_s3_build *b)
{
    vk_s3_job *j = VK_CONTAINER(vk_list_shift(&b->jobs), vk_s3_job, node);
    vk_list_remove(&b->ready);
    b->in_ready = false;
    b->n_jobs--;
    b->running++;
    all.running++;
    make_ready(b);
    bool wake = next_ready() != NULL; /* what ended before this may have made room for more than one */
    pthread_mutex_unlock(&all.mu);
    if (wake)
        pthread_cond_signal(&all.work);
    j->run(j);
    pthread_mutex_lock(&all.mu);
    vk_count(&all.jobs, 1);
    b->running--;
    all.running--;
    if (--b->refs == 0)
        settle(b);
}

static void chore(void)
{
    vk_s3_build *b = VK_CONTAINER(vk_list_shift(&all.chores), vk_s3_build, chore);
    b->in_chores = false;
    if (b->refs == 0 && !b->busy && atomic_load(&b->store))
        close_store(b);
    settle(b);
}

static void *thread_main(void *arg)
{
    VK_UNUSED(arg);
    pthread_setname_np(pthread_self(), "vk-objects");
    pthread_mutex_lock(&all.mu);
    for (;;) {
        vk_s3_build *b = NULL;
        while (vk_list_empty(&all.chores) && !(b = next_ready()) && !all.stopping)
            pthread_cond_wait(&all.work, &all.mu);
        if (!vk_list_empty(&all.chores)) {
            if (next_ready())
                pthread_cond_signal(&all.work);
            chore();
        } else if (b)
            run_one(b);
        else
            break;
    }
    pthread_mutex_unlock(&all.mu);
    return NULL;
}

/* ---- readers */

struct closing {
    vk_s3_job job;
    vk_ob_reader *r;
};

static void close_reader(vk_s3_job *j)
{
    struct closing *x = VK_CONTAINER(j, struct closing, job);
    vk_ob_reader_close(x->r);
    free(x);
}

void vk_s3b_close_reader(vk_s3_build *b, vk_ob_reader *r)
{
    struct closing *x = r && vk_ob_reader_removes(r) ? malloc(sizeof *x) : NULL;
    if (x) {
        *x = (struct closing){.job.run = close_reader, .r = r};
        if (vk_s3b_submit(b, &x->job) == VK_OK)
            return;
        free(x);
    }
    vk_ob_reader_close(r); /* rather here than not at all */
}

/* ---- housekeeping */

struct expiry {
    vk_s3_job job;
    vk_s3_build *b;
};

static void expire_uploads(vk_s3_job *j)
{
    struct expiry *x = VK_CONTAINER(j, struct expiry, job);
    vk_ob *s = vk_s3b_store_now(x->b);
    int64_t before = vk_clock_wall_ms() - (int64_t)VK_S3B_UPLOAD_DAYS * 86400000;
    size_t n = 0, some = 1;
    vk_ob_err e = VK_OB_OK;
    for (; s && e == VK_OB_OK && some && !vk_s3b_closing(x->b); n += some) {
        some = 0;
        e = vk_ob_upload_expire(s, before, &some);
    }
    if (e != VK_OB_OK)
        vk_log(VK_WARN, "old uploads of a build cannot be aborted", VK_F(build, x->b->id),
               VK_F(error, vk_ob_errs[e].message));
    else if (n)
        vk_log(VK_INFO, "uploads that nobody completed are aborted", VK_F(build, x->b->id), VK_F(count, n));
    free(x);
}

/* On loops[0]. */
static void tick(vk_timer *t)
{
    int64_t now = vk_clock_mono_ms();
    pthread_mutex_lock(&all.mu);
    all.tick_ms = now;
    for (vk_list *n = all.recent.next; n != &all.recent; n = n->next) {
        vk_s3_build *b = VK_CONTAINER(n, vk_s3_build, recent);
        if (b->busy || b->in_chores)
            continue;
        if (b->refs == 0 && now - b->used_ms > VK_S3B_IDLE_MS)
            close_soon(b);
        if (b->expired_ms && now - b->expired_ms < EXPIRE_EVERY_MS)
            continue;
        struct expiry *x = b->n_jobs < VK_S3B_JOBS_MAX ? malloc(sizeof *x) : NULL;
        if (!x)
            continue;
        *x = (struct expiry){.job.run = expire_uploads, .b = b};
        b->expired_ms = now;
        b->refs++;
        b->n_jobs++;
        vk_list_push(&b->jobs, &x->job.node);
        if (make_ready(b))
            pthread_cond_signal(&all.work);
    }
    pthread_mutex_unlock(&all.mu);
    vk_s3_leases_end(NULL);
    vk_timer_set(all.rt->loops[0], t, TICK_MS, tick);
}

/* ---- start and stop */

static size_t open_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return 16;
    size_t n = (size_t)r.rlim_cur / VK_FILES_SHARES / VK_S3B_FILES;
    return n < 16 ? 16 : n > VK_S3B_OPEN_MAX ? VK_S3B_OPEN_MAX : n;
}

vk_err vk_s3b_start(vk_runtime *rt, int index)
{
    all.rt = rt;
    all.index = index;
    all.stopping = false;
    all.tick_ms = vk_clock_mono_ms();
    all.open_max = open_limit();
    all.quota = (vk_ob_quota){.bytes = rt->limits.of[VK_LIMIT_STORAGE_BYTES],
                              .objects = rt->limits.of[VK_LIMIT_STORAGE_OBJECTS],
                              .object_bytes = rt->limits.of[VK_LIMIT_STORAGE_OBJECT],
                              .uploads = rt->limits.of[VK_LIMIT_STORAGE_UPLOADS]};
    vk_map_init(&all.builds);
    vk_list_init(&all.ready);
    vk_list_init(&all.chores);
    vk_list_init(&all.recent);
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0)
        return VK_E_NOMEM;
    pthread_attr_setstacksize(&attr, STACK);
    vk_err e = VK_OK;
    while (all.n_threads < VK_S3B_THREADS && e == VK_OK)
        if (pthread_create(&all.threads[all.n_threads], &attr, thread_main, NULL) == 0)
            all.n_threads++;
        else
            e = VK_E_NOMEM;
    pthread_attr_destroy(&attr);
    if (e == VK_OK)
        vk_timer_set(rt->loops[0], &all.tick, TICK_MS, tick);
    else
        vk_s3b_stop_threads();
    return e;
}

void vk_s3b_stop_threads(void)
{
    pthread_mutex_lock(&all.mu);
    all.stopping = true;
    /* Each close syncs: side by side, so that a restart is not held up by how many there are. */
    for (vk_list *n = all.recent.next; n != &all.recent; n = n->next)
        close_soon(VK_CONTAINER(n, vk_s3_build, recent));
    pthread_cond_broadcast(&all.work);
    pthread_mutex_unlock(&all.mu);
    for (; all.n_threads; all.n_threads--)
        pthread_join(all.threads[all.n_threads - 1], NULL);
}

void vk_s3b_stop(void)
{
    vk_timer_clear(all.rt->loops[0], &all.tick);
    pthread_mutex_lock(&all.mu);
    for (vk_list *n = all.recent.next; n != &all.recent; n = all.recent.next) {
        vk_s3_build *b = VK_CONTAINER(n, vk_s3_build, recent);
        close_store(b);
        if (!b->waiters) /* who waits for its end is told nothing any more */
            settle(b);
    }
    if (all.builds.n == 0) /* tenants that are freed later take the rest */
        vk_map_free(&all.builds);
    pthread_mutex_unlock(&all.mu);
}

void vk_s3b_count(vk_s3b_counts *out_r)
{
    pthread_mutex_lock(&all.mu);
    out_r->open = all.n_open;
    pthread_mutex_unlock(&all.mu);
    out_r->opened = atomic_load_explicit(&all.opened, memory_order_relaxed);
    out_r->jobs = atomic_load_explicit(&all.jobs, memory_order_relaxed);
    out_r->refused = atomic_load_explicit(&all.refused, memory_order_relaxed);
}
