#include "daemon/front.h"

#include "admin/admin.h"
#include "admin/making.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/random.h"
#include "http/conn.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/statvfs.h>
#include <unistd.h>

static vk_front front;

/* ---- birth */

size_t vk_front_clients(void)
{
    size_t n = 0;
    for (size_t i = 0; i <= front.n_services; i++)
        n += atomic_load_explicit(&front.gates[i].n, memory_order_relaxed);
    return n;
}

static void tenant_free(vk_tenant *t)
{
    for (size_t i = 0; i < front.n_started; i++)
        if (front.services[i]->free_tenant && atomic_load(&t->service[i]))
            front.services[i]->free_tenant(t);
}

static void init_drivers(const vk_front *f, vk_runtime *rt)
{
    const vk_config *c = f->child->daemon->config;
    for (size_t i = 0; i < f->n_services; i++) {
        if (!c->driver[i][0])
            continue;
        vk_binding *b = &rt->drivers[rt->n_drivers++];
        *b = (vk_binding){.resource = vk_str_z(c->driver_resource[i]), .version = 1};
        snprintf(b->service, sizeof b->service, "%s", f->services[i]->name);
        memcpy(b->driver, c->driver[i], sizeof b->driver);
    }
}

static void init_runtime(vk_front *f)
{
    const vk_daemon *d = f->child->daemon;
    vk_runtime *rt = &f->rt;
    rt->data_fd = d->data_fd;
    memcpy(rt->data_dir, d->data_dir, sizeof rt->data_dir);
    memcpy(rt->share_dir, d->config->share, sizeof rt->share_dir);
    memcpy(rt->admin_hash, d->admin_hash, sizeof rt->admin_hash);
    memcpy(rt->metrics_hash, d->metrics_hash, sizeof rt->metrics_hash);
    memcpy(rt->url_sandbox, d->config->url_sandbox, sizeof rt->url_sandbox);
    memcpy(rt->url_browser, d->config->url_browser, sizeof rt->url_browser);
    rt->fences = d->sandbox.active;
    rt->unfenced = d->sandbox.missing;
    rt->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC); /* out of reach behind the fence */
    rt->default_ttl_ms = d->config->ttl_ms;
    rt->limits = d->config->limits;
    rt->auth_fixed_code = d->config->auth_fixed_code;
    rt->auth_enumeration_protection = d->config->auth_enumeration_protection;
    rt->port_base = d->config->port_base;
    memcpy(rt->listen, d->config->listen, sizeof rt->listen);
    rt->started_ms = vk_clock_wall_ms();
    vk_random(rt->page_key, sizeof rt->page_key);
    f->n_services = vk_services(f->services);
    init_drivers(f, rt);
}

static void make_loops(vk_front *f)
{
    size_t n = (size_t)f->child->daemon->config->loops;
    for (size_t i = 0; i < n; i++) {
        vk_front_loop *l = calloc(1, sizeof *l);
        if (!l || vk_loop_new(&l->loop) != VK_OK)
            vk_role_fail(f->child, "The kernel gives no further event loop: too many open files or too "
                                   "little memory. Try fewer with --loops N.");
        l->front = f;
        l->loop->index = (int)i;
        f->loops[i] = l;
        f->rt.loops[i] = l->loop;
        f->rt.n_loops = i + 1;
    }
}

/* SQLite does not always say ENOSPC when the disk is full (its shared-memory file for one). */
static bool disk_is_full(const vk_front *f)
{
    struct statvfs v;
    return fstatvfs(f->rt.data_fd, &v) == 0 && v.f_bavail == 0;
}

static void store_failed(vk_front *f, vk_err e, const char *why)
{
    if (e == VK_E_FULL || (e == VK_E_IO && disk_is_full(f)))
        vk_role_fail(f->child,
                     "The disk is full: the metadata in %s cannot be opened. Free some space and start "
                     "again; nothing was lost.",
                     f->rt.data_dir);
    vk_role_fail(f->child, "The metadata in %s cannot be opened: %s.", f->rt.data_dir, why);
}

static void open_metadata(vk_front *f)
{
    const char *why = "";
    vk_err e = vk_store_sqlite_open(f->rt.data_fd, f->rt.data_dir, true, &f->rt.store, &why);
    size_t joined = 0;
    if (e == VK_OK)
        e = vk_admin_join_services(&f->rt, &joined);
    if (e != VK_OK)
        store_failed(f, e, why);
    if (joined)
        vk_log(VK_INFO, "builds got keys for services that are new", VK_F(keys, joined));
    for (size_t i = 0; i < f->rt.n_loops; i++) {
        e = vk_store_sqlite_open(f->rt.data_fd, f->rt.data_dir, false, &f->loops[i]->reader, &why);
        if (e != VK_OK)
            store_failed(f, e, why);
        if (vk_valet_lookup_key(f->rt.master, &f->loops[i]->lookup) != VK_OK)
            vk_role_fail(f->child, "There is not enough memory to start.");
    }
}

static void start_lane(vk_front *f)
{
    if (vk_registry_init(&f->rt.registry, tenant_free) != VK_OK ||
        vk_lane_new("vk-meta", VK_META_QUEUE, &f->rt.meta) != VK_OK ||
        vk_lane_new("vk-files", VK_META_QUEUE, &f->rt.files) != VK_OK)
        vk_role_fail(f->child, "There is not enough memory to start.");
    vk_registry_limit(&f->rt.registry, &f->rt.limits);
}

static void start_services(vk_front *f)
{
    for (size_t i = 0; i < f->n_services; i++) {
        vk_err e = f->services[i]->start ? f->services[i]->start(&f->rt, (int)i) : VK_OK;
        if (e == VK_E_FULL || (e == VK_E_IO && disk_is_full(f)))
            vk_role_fail(f->child,
                         "The disk is full: the service %s could not start. Free some space and start again; "
                         "nothing was lost.",
                         f->services[i]->name);
        if (e != VK_OK)
            vk_role_fail(f->child, "The service %s could not start (%s).", f->services[i]->name,
                         vk_err_name(e));
        f->n_started = i + 1;
    }
}

/* Behind the fence only the data can be opened. */
static void prepare_services(vk_front *f)
{
    for (size_t i = 0; i < f->n_services; i++) {
        vk_err e = f->services[i]->prepare ? f->services[i]->prepare(&f->rt) : VK_OK;
        if (e != VK_OK)
            vk_role_fail(f->child, "The service %s could not be prepared (%s).", f->services[i]->name,
                         vk_err_name(e));
    }
}

static void *loop_main(void *arg)
{
    vk_front_loop *l = arg;
    char name[16];
    snprintf(name, sizeof name, "vk-loop-%d", l->loop->index % 1000);
    pthread_setname_np(pthread_self(), name); /* of another thread it would be a file of /proc */
    vk_loop_run(l->loop);
    return NULL;
}

static void start_threads(vk_front *f)
{
    for (size_t i = 1; i < f->rt.n_loops; i++) {
        vk_front_loop *l = f->loops[i];
        if (pthread_create(&l->thread, NULL, loop_main, l) != 0)
            vk_role_fail(f->child, "The kernel gives no further thread. Try fewer loops with --loops N.");
        l->threaded = true;
    }
}

static void serve(vk_front *f)
{
    open_metadata(f);
    vk_role_fence(f->child);
    start_lane(f);
    start_services(f);
    if (vk_front_listen(f) != VK_OK)
        vk_role_fail(f->child, "The listeners cannot be watched: too many open files or too little memory.");
    start_threads(f);
    vk_making_start(&f->rt);
    vk_front_recover(f);
    f->up = true;
    vk_role_ready(f->child);
}

static void got_master(vk_front *f, uint32_t kid, const uint8_t key[VK_MASTER])
{
    if (vk_master_new(kid, key, &f->rt.master) != VK_OK)
        vk_role_fail(f->child, "There is not enough memory that can be kept out of swap.");
    if (!f->child->standby)
        serve(f);
    else if (vk_note_send(f->child->control, VK_NOTE_STANDBY, VK_FRONT, "", -1) != VK_OK)
        _exit(1);
}

static void restart_note(void *arg, vk_note_kind kind, int fd)
{
    vk_front *f = arg;
    if (kind == VK_NOTE_GO && f->rt.master && !f->up && !f->stopping)
        serve(f);
    else if (kind == VK_NOTE_YIELD && f->up && !f->stopping)
        vk_front_yield(f);
    else if (kind == VK_NOTE_GIVE && fd >= 0 && vk_front_give(f, fd))
        return;
    else if (kind == VK_NOTE_TAKE && fd >= 0 && f->up && vk_front_take(f, fd))
        return;
    if (fd >= 0)
        close(fd);
}

/* ---- end */

void vk_front_let_go(vk_front *f)
{
    vk_making_stop();
    for (size_t i = 0; i < f->n_started; i++)
        if (f->services[i]->stop)
            f->services[i]->stop();
    vk_lane_free(f->rt.meta);
    vk_lane_free(f->rt.files); /* after what gives it work */
    for (size_t i = 0; i < f->rt.n_loops; i++)
        f->loops[i]->reader->ops->close(f->loops[i]->reader);
    f->rt.store->ops->close(f->rt.store);
}

/* A clean end closes the databases, so that the next start finds no log to replay. */
static void finish(vk_front *f)
{
    vk_timer_clear(f->rt.loops[0], &f->drain);
    vk_front_let_go(f);
    for (size_t i = 1; i < f->rt.n_loops; i++)
        if (f->loops[i]->threaded) {
            vk_loop_stop(f->loops[i]->loop);
            pthread_join(f->loops[i]->thread, NULL);
        }
    vk_registry_free(&f->rt.registry);
    for (size_t i = 0; i < f->rt.n_loops; i++)
        for (size_t k = 0; k < f->n_services; k++)
            vk_service_forget(&f->loops[i]->workers[k]);
    vk_master_free(f->rt.master);
    _exit(0);
}

static void drained_too_slowly(vk_timer *t)
{
    VK_UNUSED(t);
    vk_log(VK_WARN, "some requests did not finish in time; ending without them",
           VK_F(seconds, VK_FRONT_DRAIN_MS / 1000));
    _exit(0); /* their handlers may still run: nothing is torn down under them */
}

static void drains_slowly(vk_timer *t)
{
    vk_front *f = VK_CONTAINER(t, vk_front, drain);
    for (size_t i = 0; i < f->n_started; i++)
        if (f->services[i]->hurry)
            f->services[i]->hurry();
    vk_timer_set(f->rt.loops[0], t, VK_FRONT_DRAIN_MS - VK_FRONT_HURRY_MS, drained_too_slowly);
}

static void told_to_stop(void *arg)
{
    vk_front *f = arg;
    if (!f->up || !vk_front_keep(f))
        _exit(0);
    if (f->stopping)
        return;
    f->stopping = true;
    vk_timer_set(f->rt.loops[0], &f->drain, VK_FRONT_HURRY_MS, drains_slowly);
    vk_front_peers_end(f);
    vk_front_close(f, finish);
}

int vk_front_main(const vk_child *c)
{
    vk_front *f = &front;
    f->child = c;
    if (vk_sqlite_init() != VK_OK)
        vk_role_fail(c, "SQLite refuses its settings. It must be built thread-safe.");
    init_runtime(f);
    prepare_services(f);
    make_loops(f);
    vk_front_tls_start(f);
    f->link = (vk_role_link){.arg = f,
                             .peer = vk_front_peer_came,
                             .stop = told_to_stop,
                             .file = vk_front_tls_file,
                             .restart = restart_note};
    if (vk_role_listen(&f->link, f->rt.loops[0], c) != VK_OK)
        vk_role_fail(c, "The connection to the supervisor cannot be watched.");
    vk_front_peers_init(f);
    for (int r = 0; r < VK_ROLES; r++)
        if (c->peer[r] >= 0)
            vk_front_peer_came(f, (vk_role)r, c->peer[r]);
    vk_front_ask_master(f, got_master);
    vk_loop_run(f->rt.loops[0]);
    return 0;
}
