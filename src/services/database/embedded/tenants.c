/* The databases of the builds that are in use: how they come, are kept in order, and go. */
#include "services/database/embedded/inline.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/log.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { TICK_MS = 200, BEAT_MS = 20, BREATH = 64 };

/* Under mu. */
static vk_dbt *find(vk_str id)
{
    for (vk_map_node *n = vk_map_find(&vk_db.tenants, vk_hash_str(id)); n; n = vk_map_find_next(n)) {
        vk_dbt *t = VK_CONTAINER(n, vk_dbt, node);
        if (vk_str_eqz(id, t->id))
            return t;
    }
    return NULL;
}

/* Under mu. NULL when out of memory. */
static vk_dbt *make(const char *id)
{
    vk_dbt *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    snprintf(t->id, sizeof t->id, "%s", id);
    vk_list *const lists[] = {&t->ready,          &t->queue,         &t->urgent,       &t->waiting_turn,
                              &t->waiting_stream, &t->waiting_drain, &t->waiting_sync, &t->idle,
                              &t->streams,        &t->light,         &t->open};
    for (size_t i = 0; i < VK_COUNT(lists); i++)
        vk_list_init(lists[i]);
    vk_map_init(&t->batons);
    if (vk_map_add(&vk_db.tenants, &t->node, vk_hash_str(vk_str_z(id))) != VK_OK) {
        free(t);
        return NULL;
    }
    pthread_mutex_init(&t->first, NULL);
    return t;
}

static void forget(vk_dbt *t)
{
    pthread_mutex_destroy(&t->first);
    vk_map_free(&t->batons);
    free(t->expired);
    free(t);
}

vk_dbt *vk_db_of_tenant(vk_tenant *tenant)
{
    vk_dbt *t = atomic_load_explicit(&tenant->service[vk_db.index], memory_order_acquire);
    if (t)
        return t;
    t = find(vk_str_z(tenant->id));
    if (!t)
        t = make(tenant->id);
    if (t) {
        t->refs++;
        atomic_store_explicit(&tenant->service[vk_db.index], t,
                              memory_order_release); /* loops look without mu */
    }
    return t;
}

void vk_db_unref(vk_dbt *t)
{
    if (--t->refs == 0 && t->detached)
        forget(t);
}

static bool in_use(const vk_dbt *t)
{
    return t->running || t->handles || t->opening || t->n_jobs || t->n_streams || t->n_light || t->in_ready;
}

void vk_db_closed_if_done(vk_dbt *t)
{
    if (!t->closed || in_use(t))
        return;
    if (!t->detached) { /* a build of the same name made later is another one */
        vk_map_remove(&vk_db.tenants, &t->node);
        t->detached = true;
    }
    struct vk_dbwaiter *w = t->waiters, *next;
    t->waiters = NULL;
    pthread_mutex_unlock(&vk_db.mu);
    for (; w; w = next) {
        next = w->next;
        w->done(w->arg);
        free(w);
    }
    pthread_mutex_lock(&vk_db.mu);
}

void vk_db_unreserve(vk_dbt *t, size_t n)
{
    if (n < VK_DB_RECEIVED_LARGE)
        return;
    atomic_fetch_sub(&t->received, n);
    atomic_fetch_sub(&vk_db.received, n);
}

bool vk_db_reserve(vk_dbt *t, size_t n)
{
    if (n < VK_DB_RECEIVED_LARGE)
        return true;
    bool room = atomic_fetch_add(&t->received, n) + n <= VK_DB_RECEIVED_MAX;
    room = atomic_fetch_add(&vk_db.received, n) + n <= VK_DB_RECEIVED_ALL && room;
    if (!room)
        vk_db_unreserve(t, n);
    return room;
}

bool vk_db_answers_wait(const vk_dbt *t, const char **why_r)
{
    size_t own = atomic_load_explicit(&t->answers, memory_order_relaxed);
    *why_r = "Too much of what this build has asked for is not taken yet; read the answers, then try again";
    return own > VK_DB_ANSWERS_MAX ||
           (own && atomic_load_explicit(&vk_db.answers, memory_order_relaxed) > VK_DB_ANSWERS_ALL);
}

vk_dbt *vk_db_hold(const char *build)
{
    pthread_mutex_lock(&vk_db.mu);
    vk_dbt *t = find(vk_str_z(build));
    if (!t)
        t = make(build);
    if (t && t->closed)
        t = NULL;
    if (t)
        t->opening++;
    pthread_mutex_unlock(&vk_db.mu);
    return t;
}

void vk_db_let_go(vk_dbt *t)
{
    pthread_mutex_lock(&vk_db.mu);
    t->opening--;
    t->refs++;
    vk_db_closed_if_done(t);
    vk_db_unref(t);
    pthread_mutex_unlock(&vk_db.mu);
}

/* ---- requests */

/* The baton's text as clients write it, at the front of the body. Only a hint for the queue: the parsed one
 * counts. */
static vk_str baton_hint(vk_str body)
{
    static const char name[] = "\"baton\"";
    size_t n = body.n < 64 ? body.n : 64;
    const char *p = n ? memmem(body.p, n, name, sizeof name - 1) : NULL, *end = body.p + body.n;
    if (!p)
        return VK_STR_NONE;
    for (p += sizeof name - 1; p < end && (*p == ' ' || *p == ':'); p++)
        ;
    if (end - p < VK_BATON_MAX + 1 || *p != '"')
        return VK_STR_NONE;
    return (vk_str){p + 1, VK_BATON_MAX - 1};
}

/* Under mu. A request of the stream that has the write turn must not wait behind those that wait for it. */
static bool is_turn_holders(vk_dbt *t, vk_str body)
{
    const char *over;
    if (!t->turn_taken)
        return false;
    vk_stream *s = vk_stream_by_baton(t, baton_hint(body), &over);
    return s && !s->busy && s->h && s->h->has_turn;
}

vk_err vk_db_submit(vk_tenant *tenant, vk_dbjob *j, const char **why_r)
{
    vk_err e = VK_OK;
    vk_list_init(&j->node);
    pthread_mutex_lock(&vk_db.mu);
    vk_dbt *t = vk_db_of_tenant(tenant);
    if (!t) {
        e = VK_E_NOMEM;
        *why_r = "Out of memory";
    } else if (t->closed || atomic_load(&tenant->closed) || vk_db.stopping) {
        e = VK_E_UNAUTHORIZED;
        *why_r = "This valet key was revoked";
    } else if (t->broken) {
        e = VK_E_IO;
        *why_r = "The disk refused to store what was written; the build's database takes no request until "
                 "the daemon is "
                 "started again";
    } else if (vk_db_answers_wait(t, why_r)) {
        e = VK_E_BUSY;
    } else if (t->n_jobs >= VK_DB_JOBS_MAX || t->n_bytes > VK_DB_JOBS_BYTES) {
        e = VK_E_BUSY;
        *why_r = "Too many requests of this build are waiting; try again";
    } else {
        bool urgent = j->stream ? !j->stream->busy && j->stream->h && j->stream->h->has_turn
                                : is_turn_holders(t, j->body);
        j->t = t;
        t->n_jobs++;
        t->n_bytes += j->n_bytes;
        if (urgent)
            vk_list_unshift(&t->urgent, &j->node);
        else
            vk_list_push(&t->queue, &j->node);
        vk_db_schedule(t);
    }
    pthread_mutex_unlock(&vk_db.mu);
    return e;
}

void vk_db_resume(vk_dbjob *j, bool abort)
{
    vk_dbt *t = j->t;
    pthread_mutex_lock(&vk_db.mu);
    if (!j->resumed) { /* a revocation may have done it */
        j->resumed = true;
        j->aborted |= abort;
        vk_list_remove(&j->node);
        vk_list_unshift(j->stream->h->has_turn ? &t->urgent : &t->queue, &j->node);
        vk_db_schedule(t);
    } else {
        j->aborted |= abort;
    }
    pthread_mutex_unlock(&vk_db.mu);
}

/* Under mu. The list has the job. */
static bool waits_in(vk_list *list, const vk_dbjob *j)
{
    for (vk_list *n = list->next; n != list; n = n->next)
        if (VK_CONTAINER(n, vk_dbjob, node) == j)
            return true;
    return false;
}

void vk_db_abandon(vk_dbjob *j)
{
    vk_dbt *t = j->t;
    pthread_mutex_lock(&vk_db.mu);
    j->aborted = true;
    if (waits_in(&t->waiting_turn, j) || waits_in(&t->waiting_stream, j)) {
        vk_list_remove(&j->node);
        vk_list_unshift(&t->urgent, &j->node); /* takes no time and no turn */
        vk_db_schedule(t);
    }
    for (size_t i = 0; i < VK_DB_THREADS_MAX; i++)
        if (vk_db.worker[i].alive && vk_db.worker[i].job == j)
            vk_db.worker[i].give_up = true;
    pthread_mutex_unlock(&vk_db.mu);
}

/* ---- housekeeping */

/* Under mu. Jobs that waited too long come back to be told so. */
static void overdue(vk_dbt *t, int64_t now)
{
    vk_list late;
    vk_list_init(&late);
    for (vk_list *n; (n = t->waiting_turn.next) != &t->waiting_turn;) {
        vk_dbjob *j = VK_CONTAINER(n, vk_dbjob, node);
        if (!t->closed && now - j->set_aside_ms < VK_DB_TURN_WAIT_MS)
            break;
        j->turn_timeout = true;
        vk_list_remove(n);
        vk_list_push(&late, n);
    }
    for (vk_list *n; t->closed && (n = vk_list_shift(&t->waiting_drain));) {
        VK_CONTAINER(n, vk_dbjob, node)->resumed = true;
        vk_list_push(&late, n);
    }
    vk_list_splice(&late, &t->queue); /* in front of those that have not begun */
    vk_list_splice(&t->queue, &late);
    /* A baton whose cursor waits for its client to read: that client has most likely stopped reading. */
    int64_t cursor_wait = vk_list_empty(&t->waiting_drain) ? VK_DB_STREAM_WAIT_MS : VK_DB_CURSOR_WAIT_MS;
    for (vk_list *n = t->waiting_stream.next, *next; n != &t->waiting_stream; n = next) {
        vk_dbjob *j = VK_CONTAINER(n, vk_dbjob, node);
        next = n->next;
        bool cursor = j->p.baton.p && !j->wants_place;
        if (!t->closed && now - j->set_aside_ms < (cursor ? cursor_wait : VK_DB_STREAM_WAIT_MS))
            continue;
        j->stream_timeout = true;
        vk_list_remove(n);
        vk_list_push(&t->queue, n);
    }
    vk_db_schedule(t);
}

/* Under mu: a stream that nobody has used for long, marked as ours; NULL when there is none. */
static vk_stream *idle_stream(vk_dbt *t, int64_t now)
{
    for (vk_list *n = t->streams.next; n != &t->streams; n = n->next) {
        vk_stream *s = VK_CONTAINER(n, vk_stream, node);
        if (s->busy || (!t->closed && !t->paused && !s->dropped && now - s->used_ms < VK_DB_STREAM_IDLE_MS))
            continue;
        s->busy = true;
        if (!s->socket)
            vk_stream_remember_expired(t, s, now);
        return s;
    }
    return NULL;
}

/* A socket's stream lives on while its socket does. */
static void expire(vk_dbt *t, vk_stream *s)
{
    if (!s->socket) {
        vk_db_end_stream(t, s);
    } else if (s->dropped) {
        vk_db_put_handle(s->h);
        pthread_mutex_lock(&vk_db.mu);
        vk_list_remove(&s->node);
        pthread_mutex_unlock(&vk_db.mu);
        free(s);
    } else {
        vk_db_take_over(t, s, true);
    }
}

/* Under mu: a stream with a transaction that reads what was there before, marked as ours. While there is one,
 * the -wal begins anew for nobody, and grows with each write. */
static vk_stream *reader_in_the_way(vk_dbt *t)
{
    for (vk_list *n = t->streams.next; n != &t->streams; n = n->next) {
        vk_stream *s = VK_CONTAINER(n, vk_stream, node);
        if (!s->busy && s->h && !s->h->has_turn && !sqlite3_get_autocommit(s->h->db)) {
            s->busy = true;
            return s;
        }
    }
    return NULL;
}

/* Under mu: a connection that nobody has used for long, or that must not be used again, out of its list. */
static vk_dbh *idle_handle(vk_dbt *t, int64_t now)
{
    bool all = t->closed || t->paused || vk_db.stopping || t->hoards;
    vk_dbh *h = atomic_load(&t->warm); /* a loop may take it meanwhile, but closes nothing */
    if (h && (all || now - vk_db_last_used(h) >= VK_DB_IDLE_MS) && (h = vk_db_take_warm(t)))
        return h;
    if (vk_list_empty(&t->idle))
        return NULL;
    h = VK_CONTAINER(t->idle.next, vk_dbh, node);
    if (!all && !h->dirty && now - vk_db_last_used(h) < VK_DB_IDLE_MS)
        return NULL;
    vk_db_take_idle(h);
    return h;
}

/* Under mu, let go meanwhile. */
static void sync_for_others(vk_dbt *t)
{
    struct vk_worker_slot none = {0};
    vk_dbh *h;
    const char *why;
    pthread_mutex_unlock(&vk_db.mu);
    if (vk_db_get_handle(t, &none, &h, &why) == VK_OK) {
        bool ok = vk_sync_now(t, h);
        VK_UNUSED(ok); /* those who wait are told */
        vk_db_put_handle(h);
    }
    pthread_mutex_lock(&vk_db.mu);
}

void vk_db_tidy(vk_dbt *t, int64_t now)
{
    vk_stream *s;
    vk_dbh *h;
    overdue(t, now);
    t->running++; /* keeps it alive */
    if (vk_sync_forgotten(t))
        sync_for_others(t);
    if ((s = vk_db_overdue_owner(t, now))) {
        pthread_mutex_unlock(&vk_db.mu);
        vk_db_take_over(t, s, false);
        pthread_mutex_lock(&vk_db.mu);
    }
    if (atomic_load_explicit(&t->wal_pages, memory_order_relaxed) > VK_DB_WAL_PAGES) {
        while ((s = reader_in_the_way(t))) {
            pthread_mutex_unlock(&vk_db.mu);
            vk_db_take_over(t, s, false);
            pthread_mutex_lock(&vk_db.mu);
        }
        atomic_store(&t->wal_pages, 0); /* the next commit says whether it is so still */
    }
    vk_stream_forget_light(t, now);
    while ((s = idle_stream(t, now))) {
        pthread_mutex_unlock(&vk_db.mu);
        expire(t, s);
        pthread_mutex_lock(&vk_db.mu);
    }
    t->hoards = vk_db_hoards(t);
    uint32_t n = t->handles; /* those that come meanwhile are no part of the hoard */
    for (; (h = idle_handle(t, now)); t->hoards = t->hoards && --n) {
        pthread_mutex_unlock(&vk_db.mu);
        vk_db_close_handle(h);
        pthread_mutex_lock(&vk_db.mu);
    }
    t->hoards = false;
    t->running--;
    vk_db_schedule(t);
    vk_db_closed_if_done(t);
}

static bool has_work(const vk_dbt *t)
{
    return t->closed || t->paused || vk_db_hoards(t) || !vk_list_empty(&t->streams) ||
           !vk_list_empty(&t->light) || !vk_list_empty(&t->idle) || !vk_list_empty(&t->waiting_turn) ||
           !vk_list_empty(&t->waiting_stream) || !vk_list_empty(&t->waiting_sync);
}

/* Under mu, let go now and then. What is due, build by build; but first the connections that nobody has used
 * for long, of which there may be thousands: those are found without asking every build. */
static void round_of(int64_t now)
{
    uint32_t seen = 0;
    for (vk_dbh *h; (h = vk_db_take_unused(now - VK_DB_IDLE_MS));) {
        pthread_mutex_unlock(&vk_db.mu);
        vk_db_close_handle(h);
        pthread_mutex_lock(&vk_db.mu);
    }
    vk_map_node *n = vk_map_walk(&vk_db.tenants, NULL);
    while (n) {
        vk_dbt *t = VK_CONTAINER(n, vk_dbt, node);
        t->refs++; /* so that it is still there to walk on from */
        if (++seen % BREATH == 0) {
            pthread_mutex_unlock(&vk_db.mu);
            pthread_mutex_lock(&vk_db.mu);
        }
        if (has_work(t))
            vk_db_tidy(t, now);
        bool gone = t->detached;
        vk_map_node *next = gone ? NULL : vk_map_walk(&vk_db.tenants, n);
        if (!gone && t->refs == 1 && !in_use(t)) {
            vk_map_remove(&vk_db.tenants, n);
            t->detached = true;
        }
        vk_db_unref(t);
        n = gone ? vk_map_walk(&vk_db.tenants, NULL)
                 : next; /* a walk cannot go on from where nothing is any more */
    }
}

/* Under mu, let go meanwhile. */
static void doze(int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_cond_timedwait(&vk_db.tick, &vk_db.mu, &until);
}

static void *keeper_main(void *arg)
{
    VK_UNUSED(arg);
    pthread_setname_np(pthread_self(), "vk-sql-house");
    pthread_mutex_lock(&vk_db.mu);
    for (int64_t next = vk_clock_mono_ms() + TICK_MS; !vk_db.stopping;) {
        bool pressed = vk_db_pressed();
        vk_db.dozing = !pressed;
        doze(pressed ? BEAT_MS : TICK_MS);
        if (!pressed && !vk_db.dozing && !vk_db.tidy_now && !vk_db.stopping)
            doze(BEAT_MS); /* waked because slots ran out: only who keeps one for long is meant */
        vk_db_take_slots_back();
        vk_db_wake(); /* also when a thread could not be started when it was needed */
        int64_t now = vk_clock_mono_ms();
        if (now < next && !vk_db.tidy_now)
            continue;
        vk_db.tidy_now = false;
        next = now + TICK_MS;
        vk_db_end_overdue(vk_clock_mono_ns());
        round_of(now);
    }
    pthread_mutex_unlock(&vk_db.mu);
    return NULL;
}

/* ---- closing */

/* Under mu. Ends what is under way; the housekeeper closes what is idle at its next round. */
static void close_now(vk_dbt *t)
{
    t->closed = true;
    for (vk_list *n = t->open.next; n != &t->open; n = n->next)
        sqlite3_interrupt(VK_CONTAINER(n, vk_dbh, open_node)->db);
    overdue(t, vk_clock_mono_ms());
    vk_db_hurry(t);
    vk_db.tidy_now = true;
    pthread_cond_signal(&vk_db.tick);
}

void vk_db_close_build(const char *build, void (*done)(void *arg), void *arg)
{
    struct vk_dbwaiter *w = malloc(sizeof *w);
    pthread_mutex_lock(&vk_db.mu);
    vk_dbt *t = find(vk_str_z(build));
    bool told = !t || !w;
    if (t) {
        t->refs++;
        close_now(t);
        if (w) {
            *w = (struct vk_dbwaiter){t->waiters, done, arg};
            t->waiters = w;
        }
        vk_db_closed_if_done(t);
        vk_db_unref(t);
    }
    pthread_mutex_unlock(&vk_db.mu);
    if (told) { /* without memory for waiting nobody can be told later */
        free(t ? NULL : w);
        done(arg);
    }
}

void vk_db_free_tenant(vk_tenant *tenant)
{
    vk_dbt *t = atomic_exchange(&tenant->service[vk_db.index], NULL);
    if (!t)
        return;
    pthread_mutex_lock(&vk_db.mu);
    vk_db_unref(t);
    pthread_mutex_unlock(&vk_db.mu);
}

/* ---- start, stop */

/* Bytes that the machine has, or the container. */
static uint64_t memory(void)
{
    static const char *const limits[] = {"/sys/fs/cgroup/memory.max",
                                         "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    uint64_t most = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < VK_COUNT(limits); i++) {
        char text[32] = "";
        int64_t n;
        int fd = open(limits[i], O_RDONLY | O_CLOEXEC);
        ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0)
            close(fd);
        size_t digits = got > 0 ? strspn(text, "0123456789") : 0; /* "max": none */
        if (vk_str_to_i64((vk_str){text, digits}, &n) == VK_OK && (uint64_t)n < most)
            most = (uint64_t)n;
    }
    return most;
}

vk_err vk_db_start(vk_runtime *rt, int index)
{
    struct rlimit files = {.rlim_cur = 1024};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_condattr_t clock;
    vk_db = (struct vk_db){.rt = rt, .index = index, .slots = cores > 1 ? (uint32_t)cores : 1};
    vk_map_init(&vk_db.tenants);
    vk_list_init(&vk_db.ready);
    vk_list_init(&vk_db.ready_slow);
    vk_list_init(&vk_db.lru[0]);
    vk_list_init(&vk_db.lru[1]);
    vk_inline_start();
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&vk_db.mu, NULL);
    pthread_cond_init(&vk_db.work, NULL);
    pthread_cond_init(&vk_db.gone, NULL);
    pthread_cond_init(&vk_db.tick, &clock);
    pthread_condattr_destroy(&clock);
    getrlimit(RLIMIT_NOFILE, &files);
    int64_t most = rt->limits.of[VK_LIMIT_DATABASE_CONNECTIONS];
    vk_db_room(files.rlim_cur, memory(), most ? (uint32_t)most : VK_DB_HANDLES_MAX);
    vk_log(VK_INFO, "connections to databases", VK_F(connections, vk_db.handles_max),
           VK_F(open_files, files.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)files.rlim_cur));
    /* Exports that a killed process left behind. The folder stays: the fence around front knows this one. */
    vk_err e = vk_disk_empty_dir(rt->data_fd, "tmp");
    if (e == VK_OK)
        e = vk_walfile_start();
    if (e == VK_OK)
        e = vk_lane_new("vk-sql-parse", VK_DB_PARSE_QUEUE, &vk_db.parser);
    if (e == VK_OK)
        e = vk_db_file_jobs_start();
    if (e == VK_OK)
        e = vk_db_taker_start();
    if (e != VK_OK)
        return e;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, VK_DB_WORKER_STACK);
    int rc = pthread_create(&vk_db.keeper, &attr, keeper_main, NULL);
    pthread_attr_destroy(&attr);
    return rc == 0 ? VK_OK : VK_E_NOMEM;
}

void vk_db_lasting(vk_lasting *sum)
{
    pthread_mutex_lock(&vk_db.mu);
    sum->open += vk_db.kept;
    for (vk_map_node *n = vk_map_walk(&vk_db.tenants, NULL); n; n = vk_map_walk(&vk_db.tenants, n))
        sum->requests += atomic_load_explicit(&VK_CONTAINER(n, vk_dbt, node)->n_jobs, memory_order_relaxed);
    pthread_mutex_unlock(&vk_db.mu);
}

/* A string where a baton stands; `null` is none. What looks so inside of SQL is let in for nothing. */
bool vk_db_goes_on(const char *in, size_t n)
{
    static const char name[] = "\"baton\"";
    const char *end = in + n;
    for (const char *p = in; (p = memmem(p, (size_t)(end - p), name, sizeof name - 1));) {
        p += sizeof name - 1;
        while (p < end && strchr(" \t\r\n:", *p) && *p)
            p++;
        if (p < end && *p == '"')
            return true;
    }
    return false;
}

void vk_db_stop(void)
{
    vk_db_file_jobs_stop();
    vk_lane_free(vk_db.parser);
    pthread_mutex_lock(&vk_db.mu);
    vk_db.stopping = true;
    pthread_cond_broadcast(&vk_db.work);
    pthread_cond_signal(&vk_db.tick);
    while (vk_db.threads)
        pthread_cond_wait(&vk_db.gone, &vk_db.mu);
    pthread_mutex_unlock(&vk_db.mu);
    vk_db_taker_stop();
    pthread_join(vk_db.keeper, NULL);
    pthread_mutex_lock(&vk_db.mu);
    for (vk_map_node *n = vk_map_walk(&vk_db.tenants, NULL), *next; n; n = next) {
        vk_dbt *t = VK_CONTAINER(n, vk_dbt, node);
        t->closed = true; /* its streams are idle ones now, whatever their age */
        next = vk_map_walk(&vk_db.tenants, n);
        t->refs++;
        vk_db_tidy(t, vk_clock_mono_ms());
        vk_db_unref(t); /* closed and nothing open: it has left the map */
    }
    vk_map_free(&vk_db.tenants);
    pthread_mutex_unlock(&vk_db.mu);
}
