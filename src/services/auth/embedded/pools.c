#include "services/auth/embedded/pools.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/encode.h"
#include "core/log.h"
#include "core/random.h"
#include "crypto/keypool.h"
#include "services/auth/call.h"
#include "services/auth/embedded/inside.h"
#include "store/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TICK_MS = 5000,
    STACK = 512 << 10,
    KEYS_AHEAD = 4,
    KEY = 32,
    COLD_MAX = VK_AUTH_THREADS / 4, /* a first use computes a key: many of them hold up nobody who has one */
    PATH_ROOM = PATH_MAX + VK_BUILD_ID_MAX + 32,
};

struct waiter {
    struct waiter *next;
    void (*done)(void *arg);
    void *arg;
};

struct vk_auth_pool {
    vk_map_node node; /* in all.pools, until it is detached */
    vk_auth_about about;
    uint32_t refs;    /* who holds it; jobs that wait or run do */
    uint32_t tenants; /* whose service[] names it */
    bool detached;    /* a pool of that name made later is another one */
    bool busy;        /* is in all.ready, or one of its jobs runs */
    bool leaving;     /* `leave` waits or runs */
    bool warm; /* its database and its key are open: a job needs neither opening a file nor a new key */
    _Atomic bool closing;
    vk_list ready;  /* in all.ready or all.cold: has jobs that wait, and none that runs */
    vk_list recent; /* in all.recent while the database is open, the latest at the end */
    vk_list jobs;
    size_t n_jobs;
    int64_t used_ms;
    struct waiter *waiters;
    vk_auth_origin_list *origins;
    vk_auth_job leave; /* closes the database */

    /* Of the strand. */
    vk_auth_db *db;
    vk_rsa *rsa;
    struct vk_auth_tokens *tokens;
    int64_t tidied_ms;

    uint8_t code_key[KEY], lookup_key[KEY];
};

static struct {
    vk_runtime *rt;
    int index;
    vk_keypool *keys;
    uint8_t seal_key[VK_SEAL_KEY];
    pthread_mutex_t mu;
    pthread_cond_t work;
    vk_map pools;
    vk_list ready, cold, recent; /* `cold`: those that are not warm, which may have COLD_MAX of the threads */
    size_t n_cold, n_open, n_leaving, open_max;
    bool stopping;
    pthread_t threads[VK_AUTH_THREADS];
    size_t n_threads;
    vk_timer tick;
    int64_t tick_ms; /* when it was last: exact enough for what is idle */
    _Atomic uint64_t opened, jobs, refused;
} all = {.mu = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

/* ---- pools; what follows is under all.mu unless it says otherwise */

static vk_auth_pool *find(const char *id)
{
    for (vk_map_node *n = vk_map_find(&all.pools, vk_hash_str(vk_str_z(id))); n; n = vk_map_find_next(n)) {
        vk_auth_pool *p = VK_CONTAINER(n, vk_auth_pool, node);
        if (strcmp(p->about.build, id) == 0)
            return p;
    }
    return NULL;
}

/* A key of this build for one purpose. */
static void build_key(const char *purpose, const char *build, uint8_t out[KEY])
{
    char label[64 + VK_BUILD_ID_MAX];
    snprintf(label, sizeof label, "valetkey/auth/%s/v1/%s", purpose, build);
    vk_master_subkey(all.rt->master, vk_str_z(label), out);
}

static vk_err about_of(const char *id, vk_auth_about *a)
{
    vk_str build = vk_str_z(id);
    snprintf(a->build, sizeof a->build, "%s", id);
    vk_err e = vk_auth_instance_id(build, a->instance);
    if (e == VK_OK)
        e = vk_auth_host(build, VK_AUTH_DOMAIN_USUAL, a->host);
    if (e == VK_OK)
        e = vk_auth_pk_make(vk_str_z(a->host), a->key);
    if (e != VK_OK)
        return e;
    snprintf(a->issuer, sizeof a->issuer, "https://%s", a->host);
    vk_auth_cookie_suffix(vk_str_z(a->key), a->suffix);
    return VK_OK;
}

static void leave(vk_auth_job *j);

static vk_auth_pool *find_or_make(const char *id)
{
    vk_auth_pool *p = find(id);
    if (p || !(p = calloc(1, sizeof *p)))
        return p;
    vk_list_init(&p->ready);
    vk_list_init(&p->recent);
    vk_list_init(&p->jobs);
    p->leave.run = leave;
    if (about_of(id, &p->about) != VK_OK ||
        vk_map_add(&all.pools, &p->node, vk_hash_str(vk_str_z(id))) != VK_OK) {
        free(p);
        return NULL;
    }
    build_key("code", id, p->code_key);
    build_key("lookup", id, p->lookup_key);
    return p;
}

static void make_ready(vk_auth_pool *p)
{
    if (p->busy || vk_list_empty(&p->jobs))
        return;
    p->busy = true;
    if (p->leaving && p->jobs.next == &p->leave.node) /* descriptors that others wait for: before everybody */
        vk_list_unshift(&all.ready, &p->ready);
    else
        vk_list_push(p->warm ? &all.ready : &all.cold, &p->ready);
    pthread_cond_signal(&all.work);
}

static void push(vk_auth_pool *p, vk_auth_job *j)
{
    p->n_jobs++;
    p->refs++;
    vk_list_push(&p->jobs, &j->node);
    make_ready(p);
}

static void leave_soon(vk_auth_pool *p)
{
    if (p->leaving)
        return;
    p->leaving = true;
    all.n_leaving++;
    push(p, &p->leave);
}

/* Nobody holds it: what is left to do? Tells those who wait for its end, and frees it; they may look at
 * nothing of it. */
static void settle(vk_auth_pool *p)
{
    bool closing = atomic_load(&p->closing);
    if (p->refs)
        return;
    if (!vk_list_empty(&p->recent)) {
        if (closing)
            leave_soon(p);
        return;
    }
    struct waiter *w = p->waiters, *next;
    p->waiters = NULL;
    if (!p->detached && (p->tenants == 0 || closing)) {
        vk_map_remove(&all.pools, &p->node);
        p->detached = true;
    }
    if (p->tenants == 0) {
        vk_auth_origin_list_unref(p->origins);
        vk_wipe(p, sizeof *p);
        free(p);
    }
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

static vk_auth_pool *hold(vk_auth_pool *p)
{
    if (!p || atomic_load_explicit(&p->closing, memory_order_relaxed))
        return NULL;
    p->refs++;
    return p;
}

static void let_go(vk_auth_pool *p)
{
    if (--p->refs)
        return;
    p->used_ms = all.tick_ms;
    if (!vk_list_empty(&p->recent)) {
        vk_list_remove(&p->recent);
        vk_list_push(&all.recent, &p->recent);
    }
    settle(p);
}

/* A tenant that has one keeps it allocated. */
static vk_auth_pool *of_tenant(vk_tenant *t)
{
    vk_auth_pool *p = atomic_load_explicit(&t->service[all.index], memory_order_relaxed);
    if (!p && !atomic_load(&t->closed) && (p = find_or_make(t->id)) != NULL) {
        p->tenants++;
        atomic_store(&t->service[all.index], p);
    }
    return p;
}

vk_auth_pool *vk_auth_pool_of(vk_tenant *t)
{
    vk_auth_pool *p = atomic_load(&t->service[all.index]);
    if (!p) {
        pthread_mutex_lock(&all.mu);
        p = of_tenant(t);
        pthread_mutex_unlock(&all.mu);
    }
    return p && !atomic_load_explicit(&p->closing, memory_order_relaxed) ? p : NULL;
}

vk_auth_pool *vk_auth_pool_hold(vk_tenant *t)
{
    pthread_mutex_lock(&all.mu);
    vk_auth_pool *p = hold(of_tenant(t));
    pthread_mutex_unlock(&all.mu);
    return p;
}

vk_auth_pool *vk_auth_pool_hold_id(const char *build)
{
    pthread_mutex_lock(&all.mu);
    vk_auth_pool *p = hold(find_or_make(build));
    pthread_mutex_unlock(&all.mu);
    return p;
}

void vk_auth_pool_let_go(vk_auth_pool *p)
{
    pthread_mutex_lock(&all.mu);
    let_go(p);
    pthread_mutex_unlock(&all.mu);
}

const vk_auth_about *vk_auth_pool_about(const vk_auth_pool *p)
{
    return &p->about;
}

bool vk_auth_pool_closing(const vk_auth_pool *p)
{
    return atomic_load(&p->closing);
}

vk_secret vk_auth_pool_code_key(const vk_auth_pool *p)
{
    return vk_secret_of((vk_str){(const char *)p->code_key, KEY});
}

vk_secret vk_auth_pool_lookup_key(const vk_auth_pool *p)
{
    return vk_secret_of((vk_str){(const char *)p->lookup_key, KEY});
}

void vk_auth_origin_list_unref(vk_auth_origin_list *l)
{
    if (l && atomic_fetch_sub(&l->refs, 1) == 1)
        free(l);
}

vk_auth_origin_list *vk_auth_pool_origins(vk_auth_pool *p)
{
    pthread_mutex_lock(&all.mu);
    vk_auth_origin_list *l = p->origins;
    if (l)
        atomic_fetch_add(&l->refs, 1);
    pthread_mutex_unlock(&all.mu);
    return l;
}

void vk_auth_pool_keep_origins(vk_auth_pool *p, vk_auth_origin_list *l)
{
    pthread_mutex_lock(&all.mu);
    vk_auth_origin_list *old = p->origins;
    p->origins = l;
    pthread_mutex_unlock(&all.mu);
    vk_auth_origin_list_unref(old);
}

const vk_runtime *vk_auth_runtime(void)
{
    return all.rt;
}

int vk_auth_index(void)
{
    return all.index;
}

void vk_auth_close_build(const char *build, void (*done)(void *arg), void *arg)
{
    struct waiter *w = malloc(sizeof *w);
    pthread_mutex_lock(&all.mu);
    vk_auth_pool *p = find(build);
    if (!p || !w) {
        pthread_mutex_unlock(&all.mu);
        free(w);
        done(arg); /* without memory the files go while they are read, which POSIX allows */
        return;
    }
    *w = (struct waiter){p->waiters, done, arg};
    p->waiters = w;
    atomic_store(&p->closing, true);
    settle(p);
    pthread_mutex_unlock(&all.mu);
}

void vk_auth_free_tenant(vk_tenant *t)
{
    pthread_mutex_lock(&all.mu);
    vk_auth_pool *p = atomic_load(&t->service[all.index]);
    p->tenants--;
    settle(p);
    pthread_mutex_unlock(&all.mu);
}

/* ---- strands */

vk_err vk_auth_pool_submit(vk_auth_pool *p, vk_auth_job *j, bool again)
{
    pthread_mutex_lock(&all.mu);
    bool room = again || p->n_jobs < VK_AUTH_JOBS_MAX;
    if (room)
        push(p, j);
    else
        vk_count(&all.refused, 1);
    pthread_mutex_unlock(&all.mu);
    return room ? VK_OK : VK_E_BUSY;
}

/* The next pool; *cold_r: it is one of those. NULL: nothing to do. */
static vk_list *next_ready(bool *cold_r)
{
    vk_list *n = all.n_cold < COLD_MAX ? vk_list_shift(&all.cold) : NULL;
    *cold_r = n != NULL;
    return n ? n : vk_list_shift(&all.ready);
}

static void *thread_main(void *arg)
{
    VK_UNUSED(arg);
    pthread_setname_np(pthread_self(), "vk-auth");
    pthread_mutex_lock(&all.mu);
    for (;;) {
        vk_list *n;
        bool cold;
        while (!(n = next_ready(&cold)) && !all.stopping)
            pthread_cond_wait(&all.work, &all.mu);
        if (!n)
            break;
        vk_auth_pool *p = VK_CONTAINER(n, vk_auth_pool, ready);
        vk_auth_job *j = VK_CONTAINER(vk_list_shift(&p->jobs), vk_auth_job, node);
        p->n_jobs--;
        all.n_cold += cold;
        pthread_mutex_unlock(&all.mu);
        j->run(j);
        pthread_mutex_lock(&all.mu);
        all.n_cold -= cold;
        vk_count(&all.jobs, 1);
        p->busy = false;
        make_ready(p); /* behind the others: each build's next job waits for its turn */
        let_go(p);
    }
    pthread_mutex_unlock(&all.mu);
    return NULL;
}

static void close_files(vk_auth_pool *p)
{
    vk_auth_db_close(p->db);
    vk_rsa_free(p->rsa);
    vk_auth_tokens_free(p->tokens);
    p->db = NULL;
    p->rsa = NULL;
    p->tokens = NULL;
}

/* Everything that was asked for before it is done, and what comes later opens the database again. */
static void leave(vk_auth_job *j)
{
    vk_auth_pool *p = VK_CONTAINER(j, vk_auth_pool, leave);
    bool open = p->db != NULL;
    close_files(p);
    pthread_mutex_lock(&all.mu);
    p->leaving = p->warm = false;
    all.n_leaving--;
    if (open) {
        vk_list_remove(&p->recent);
        all.n_open--;
    }
    pthread_mutex_unlock(&all.mu);
}

/* ---- the database; on the strand, not under all.mu */

static void path_of(const vk_auth_pool *p, char out[PATH_ROOM])
{
    snprintf(out, PATH_ROOM, "%s/builds/%s/auth.db", all.rt->data_dir, p->about.build);
}

/* Sees to it that few are open, by closing those that have been idle for longest. Those that leave do so
 * before anything else is done, so they count as gone. */
static bool make_room(void)
{
    pthread_mutex_lock(&all.mu);
    bool room = all.n_open < all.open_max + all.n_leaving;
    for (vk_list *n = all.recent.next; n != &all.recent && !room; n = n->next) {
        vk_auth_pool *idle = VK_CONTAINER(n, vk_auth_pool, recent);
        if (idle->refs == 0) {
            leave_soon(idle);
            room = true;
        }
    }
    if (room)
        all.n_open++; /* so that others see it while it is not there yet */
    pthread_mutex_unlock(&all.mu);
    return room;
}

static vk_err open_db(vk_auth_pool *p, bool make)
{
    char path[PATH_ROOM], folder[64 + VK_BUILD_ID_MAX];
    path_of(p, path);
    if (!make && access(path, F_OK) != 0)
        return vk_disk_err(errno);
    snprintf(folder, sizeof folder, "builds/%s", p->about.build);
    vk_err e = make ? vk_disk_mkdir(all.rt->data_fd, folder, 0700) : VK_OK;
    return e == VK_OK ? vk_auth_db_open(path, p->about.build, &p->db) : e;
}

/* Takes out what is past its time, now and then, and after many rows came. What fails here fails for whoever
 * needs it, too. */
static void tidy(vk_auth_pool *p)
{
    int64_t now = vk_clock_mono_ms();
    bool more = false;
    if (p->tidied_ms && now - p->tidied_ms < VK_AUTH_TIDY_MS && !vk_auth_tidy_due(p->db))
        return;
    vk_err e = vk_auth_db_begin(p->db);
    if (e == VK_OK)
        e = vk_auth_tidy(p->db, vk_clock_wall_ms(), &more);
    p->tidied_ms = more ? 0 : now;
    if (e == VK_OK)
        e = vk_auth_db_end(p->db);
    else
        vk_auth_db_undo(p->db);
    if (e != VK_OK)
        vk_log(VK_WARN, "a build's old sessions cannot be taken out", VK_F(build, p->about.build),
               VK_F(error, vk_err_name(e)));
}

/* The key of the build's tokens: read, or made at first use. Not inside of a transaction, whose end could
 * take it away again. */
static vk_err open_key(vk_auth_pool *p)
{
    vk_str instance = vk_str_z(p->about.instance), sealed;
    const vk_seal_place at = {.table = VK_STR("auth_keys"),
                              .record = instance,
                              .org = VK_STR(""),
                              .build = vk_str_z(p->about.build),
                              .version = 1,
                              .key_id = vk_master_kid(all.rt->master)};
    vk_rsa *key = NULL;
    vk_buf out;
    vk_arena *a = vk_arena_new(16384);
    if (!a)
        return VK_E_NOMEM;
    vk_buf_init(&out, 8192);
    vk_err e = vk_auth_key_get(p->db, a, instance, &sealed);
    if (e == VK_OK) {
        e = vk_rsa_open(all.seal_key, &at, sealed, &key);
        if (e == VK_E_CORRUPT)
            vk_log(VK_ERROR, "the key of a build's session tokens does not open with this master key",
                   VK_F(build, p->about.build));
    } else if (e == VK_E_NOT_FOUND) {
        e = vk_keypool_take(all.keys, &key);
        if (e == VK_OK)
            e = vk_rsa_seal(key, all.seal_key, &at, &out);
        if (e == VK_OK)
            e = vk_auth_key_add(p->db, instance, vk_buf_view(&out), vk_clock_wall_ms());
    }
    if (e == VK_OK)
        p->rsa = key;
    else
        vk_rsa_free(key);
    vk_buf_free(&out);
    vk_arena_free(a);
    return e;
}

vk_err vk_auth_pool_db(vk_auth_pool *p, bool make, vk_auth_db **out_r)
{
    vk_err e = VK_OK;
    if (!p->db) {
        if (!make_room())
            return VK_E_BUSY;
        e = open_db(p, make);
        pthread_mutex_lock(&all.mu);
        if (e == VK_OK)
            vk_list_push(&all.recent, &p->recent);
        else
            all.n_open--;
        pthread_mutex_unlock(&all.mu);
        if (e != VK_OK)
            return e;
        vk_count(&all.opened, 1);
    }
    tidy(p);
    if (make && !p->rsa)
        e = open_key(p);
    if (p->rsa && !p->warm) {
        pthread_mutex_lock(&all.mu);
        p->warm = true;
        pthread_mutex_unlock(&all.mu);
    }
    *out_r = p->db;
    return e;
}

const vk_rsa *vk_auth_pool_rsa(const vk_auth_pool *p)
{
    return p->rsa;
}

struct vk_auth_tokens **vk_auth_pool_tokens(vk_auth_pool *p)
{
    return &p->tokens;
}

/* ---- export */

struct export
{
    vk_auth_job job;
    vk_auth_pool *pool;
    void (*done)(void *arg, vk_err e, const vk_export *x, const char *why);
    void *arg;
};

/* A copy in a file of its own, which is unlinked. */
static vk_err copy(vk_auth_pool *p, vk_export *x, const char **why_r)
{
    uint8_t random[8];
    char digits[2 * sizeof random + 1], name[64], path[PATH_ROOM];
    struct stat st;
    vk_auth_db *db;
    vk_err e = vk_auth_pool_db(p, false, &db);
    *why_r = e == VK_E_NOT_FOUND ? "This build has no users yet" : "The build's users cannot be read";
    if (e != VK_OK)
        return e;
    *why_r = "The copy cannot be made in the data folder";
    vk_random(random, sizeof random);
    vk_hex(digits, random, sizeof random);
    snprintf(name, sizeof name, "tmp/auth-%s", digits);
    snprintf(path, sizeof path, "%s/%s", all.rt->data_dir, name);
    e = vk_disk_mkdir(all.rt->data_fd, "tmp", 0700);
    int fd = e == VK_OK
                 ? openat(all.rt->data_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)
                 : -1;
    if (fd < 0)
        return e == VK_OK ? vk_disk_err(errno) : e;
    close(fd); /* nobody has it open yet, so no lock of SQLite's is lost */
    int rc = vk_sqlite_copy_pages(db->db, path);
    fd = rc == SQLITE_OK ? openat(all.rt->data_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    unlinkat(all.rt->data_fd, name, 0);
    if (fd < 0 || fstat(fd, &st) != 0) {
        if (fd >= 0)
            close(fd);
        if ((rc & 0xff) == SQLITE_FULL)
            *why_r = "The disk is full";
        return (rc & 0xff) == SQLITE_FULL ? VK_E_FULL : VK_E_IO;
    }
    *x = (vk_export){fd, st.st_size, "application/vnd.sqlite3", "auth.db"};
    return VK_OK;
}

static void run_export(vk_auth_job *j)
{
    struct export *x = VK_CONTAINER(j, struct export, job);
    vk_export out;
    const char *why = NULL;
    vk_err e = copy(x->pool, &out, &why);
    if (e != VK_OK && e != VK_E_NOT_FOUND)
        vk_log(VK_WARN, "the users of a build cannot be exported", VK_F(build, x->pool->about.build),
               VK_F(error, vk_err_name(e)));
    x->done(x->arg, e, e == VK_OK ? &out : NULL, why);
    vk_auth_pool_let_go(x->pool);
    free(x);
}

void vk_auth_export(const char *build, void (*done)(void *arg, vk_err e, const vk_export *x, const char *why),
                    void *arg)
{
    struct export *x = calloc(1, sizeof *x);
    vk_auth_pool *p = x ? vk_auth_pool_hold_id(build) : NULL;
    if (p) {
        *x = (struct export){.job.run = run_export, .pool = p, .done = done, .arg = arg};
        if (vk_auth_pool_submit(p, &x->job, false) == VK_OK)
            return;
        vk_auth_pool_let_go(p);
    }
    bool memory = x != NULL;
    free(x);
    if (p)
        done(arg, VK_E_BUSY, NULL, "The build has too many requests waiting; try again");
    else
        done(arg, memory ? VK_E_CONFLICT : VK_E_NOMEM, NULL,
             memory ? "The build is being revoked or deleted; try again in a second" : "Out of memory");
}

/* ---- start and stop */

/* On loops[0]. */
static void tick(vk_timer *t)
{
    int64_t now = vk_clock_mono_ms();
    pthread_mutex_lock(&all.mu);
    all.tick_ms = now;
    for (vk_list *n = all.recent.next; n != &all.recent; n = n->next) {
        vk_auth_pool *p = VK_CONTAINER(n, vk_auth_pool, recent);
        if (p->refs == 0 && now - p->used_ms > VK_AUTH_IDLE_MS)
            leave_soon(p);
    }
    pthread_mutex_unlock(&all.mu);
    vk_timer_set(all.rt->loops[0], t, TICK_MS, tick);
}

static size_t open_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return 16;
    size_t n = (size_t)r.rlim_cur / VK_FILES_SHARES / VK_AUTH_FILES;
    return n < 16 ? 16 : n > VK_AUTH_OPEN_MAX ? VK_AUTH_OPEN_MAX : n;
}

vk_err vk_auth_pools_start(vk_runtime *rt, int index)
{
    all.rt = rt;
    all.index = index;
    all.stopping = false;
    all.tick_ms = vk_clock_mono_ms();
    all.open_max = open_limit();
    vk_master_subkey(rt->master, VK_STR("valetkey/auth/rsa/v1"), all.seal_key);
    vk_map_init(&all.pools);
    vk_list_init(&all.ready);
    vk_list_init(&all.cold);
    vk_list_init(&all.recent);
    vk_err e = vk_keypool_new(KEYS_AHEAD, true, &all.keys);
    pthread_attr_t attr;
    if (e != VK_OK || pthread_attr_init(&attr) != 0)
        return VK_E_NOMEM;
    pthread_attr_setstacksize(&attr, STACK);
    while (all.n_threads < VK_AUTH_THREADS && e == VK_OK)
        if (pthread_create(&all.threads[all.n_threads], &attr, thread_main, NULL) == 0)
            all.n_threads++;
        else
            e = VK_E_NOMEM;
    pthread_attr_destroy(&attr);
    if (e == VK_OK)
        vk_timer_set(rt->loops[0], &all.tick, TICK_MS, tick);
    else
        vk_auth_pools_stop();
    return e;
}

void vk_auth_pools_stop(void)
{
    vk_timer_clear(all.rt->loops[0], &all.tick);
    pthread_mutex_lock(&all.mu);
    all.stopping = true;
    /* Each close syncs: side by side, so that a restart is not held up by how many there are. */
    for (vk_list *n = all.recent.next; n != &all.recent; n = n->next)
        leave_soon(VK_CONTAINER(n, vk_auth_pool, recent));
    pthread_cond_broadcast(&all.work);
    pthread_mutex_unlock(&all.mu);
    for (; all.n_threads; all.n_threads--)
        pthread_join(all.threads[all.n_threads - 1], NULL);
    vk_keypool_free(all.keys);
    all.keys = NULL;
    vk_wipe(all.seal_key, sizeof all.seal_key);
    if (all.pools.n == 0) /* tenants that are freed later take the rest */
        vk_map_free(&all.pools);
}

void vk_auth_pools_count(vk_auth_pool_counts *out_r)
{
    pthread_mutex_lock(&all.mu);
    out_r->open = all.n_open;
    pthread_mutex_unlock(&all.mu);
    out_r->opened = atomic_load_explicit(&all.opened, memory_order_relaxed);
    out_r->jobs = atomic_load_explicit(&all.jobs, memory_order_relaxed);
    out_r->refused = atomic_load_explicit(&all.refused, memory_order_relaxed);
}
