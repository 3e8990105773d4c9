/* GET /metrics, for Prometheus, and GET /readyz, for whoever decides where requests go. */
#include "core/metrics.h"

#include "admin/call.h"
#include "admin/health.h"
#include "core/clock.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    BUILDS_SHOWN = 50,             /* builds with a sample of their own; the others are one sample */
    DISK_LEAST = 16 * 1024 * 1024, /* bytes free below which we are not ready: writes are about to fail */
};

struct metrics_call {
    vk_health_ask ask; /* first */
    vk_call *call;
    vk_health health;
};

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static int64_t shown(uint64_t v)
{
    return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

/* ---- listeners */

/* Of all loops, for one service; the index behind the last one is the admin listener. */
static vk_traffic sum_of(const vk_runtime *rt, size_t service)
{
    vk_traffic sum = {0};
    for (size_t l = 0; l < rt->n_loops; l++) {
        const vk_traffic *t = rt->traffic[l][service];
        for (size_t i = 0; i < VK_COUNT(sum.answers); i++)
            vk_count(&sum.answers[i], get(&t->answers[i]));
        for (size_t i = 0; i < VK_COUNT(sum.took); i++)
            vk_count(&sum.took[i], get(&t->took[i]));
        vk_count(&sum.took_ms, get(&t->took_ms));
        vk_count(&sum.received, get(&t->received));
        vk_count(&sum.sent, get(&t->sent));
        vk_count(&sum.opened, get(&t->opened));
        vk_count(&sum.ended, get(&t->ended));
        vk_count(&sum.turned_away, get(&t->turned_away));
        vk_count(&sum.handshakes, get(&t->handshakes));
        vk_count(&sum.resumed, get(&t->resumed));
        vk_count(&sum.handshakes_failed, get(&t->handshakes_failed));
        vk_count(&sum.shed, get(&t->shed));
        vk_count(&sum.slow, get(&t->slow));
    }
    return sum;
}

typedef struct listener {
    vk_str name;
    vk_traffic sum;
} listener;

/* Families of one number a listener. `minus` 0: none. */
static const struct {
    const char *name, *type, *help;
    size_t at, minus;
} simple[] = {
    {"valetkey_http_received_bytes_total", "counter", "Bytes that clients sent.",
     offsetof(vk_traffic, received), 0},
    {"valetkey_http_sent_bytes_total", "counter", "Bytes that were sent to clients.",
     offsetof(vk_traffic, sent), 0},
    {"valetkey_connections_total", "counter", "Connections that were accepted.", offsetof(vk_traffic, opened),
     0},
    {"valetkey_connections_refused_total", "counter", "Connections that were closed for want of room.",
     offsetof(vk_traffic, turned_away), 0},
    {"valetkey_tls_handshakes_total", "counter", "TLS handshakes that succeeded.",
     offsetof(vk_traffic, handshakes), 0},
    {"valetkey_tls_resumed_total", "counter", "Those of them that took up a session of before.",
     offsetof(vk_traffic, resumed), 0},
    {"valetkey_tls_handshakes_failed_total", "counter", "TLS handshakes that failed.",
     offsetof(vk_traffic, handshakes_failed), 0},
    {"valetkey_connections_shed_total", "counter",
     "Connections that waited for a request and were closed to make room.", offsetof(vk_traffic, shed), 0},
    {"valetkey_connections_slow_total", "counter", "Connections that were closed for taking too long.",
     offsetof(vk_traffic, slow), 0},
    {"valetkey_connections", "gauge", "Connections that are open.", offsetof(vk_traffic, opened),
     offsetof(vk_traffic, ended)},
};

static uint64_t at(const vk_traffic *t, size_t offset)
{
    return get((const _Atomic uint64_t *)(const void *)((const char *)t + offset));
}

static void put_answers(vk_buf *out, const listener *l, size_t n)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    static const char name[] = "valetkey_http_requests_total";
    vk_metric_family(out, name, "counter",
                     "Requests that ended, by listener and the class of their status; none: the client went "
                     "before its answer.");
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < VK_COUNT(classes); c++) {
            const vk_label labels[] = {{"listener", l[i].name}, {"status", vk_str_z(classes[c])}, {0}};
            vk_metric(out, name, "", labels, shown(get(&l[i].sum.answers[c])));
        }
}

static void put_took(vk_buf *out, const listener *l, size_t n)
{
    static const char name[] = "valetkey_http_request_duration_seconds";
    vk_metric_family(out, name, "histogram",
                     "From a request's head to its answer's last byte, in steps of an event loop's turn.");
    for (size_t i = 0; i < n; i++) {
        uint64_t below = 0;
        const vk_label listener_only[] = {{"listener", l[i].name}, {0}};
        for (size_t b = 0; b < VK_TOOK_BUCKETS; b++) {
            char bound[24] = "+Inf";
            if (b + 1 < VK_TOOK_BUCKETS)
                snprintf(bound, sizeof bound, "%d.%03d", vk_took_bounds[b] / 1000, vk_took_bounds[b] % 1000);
            const vk_label labels[] = {{"listener", l[i].name}, {"le", vk_str_z(bound)}, {0}};
            below += get(&l[i].sum.took[b]);
            vk_metric(out, name, "_bucket", labels, shown(below));
        }
        vk_metric_milli(out, name, "_sum", listener_only, shown(get(&l[i].sum.took_ms)));
        vk_metric(out, name, "_count", listener_only, shown(below));
    }
}

static void put_listeners(vk_buf *out, const vk_runtime *rt)
{
    const vk_service *services[VK_SERVICES_MAX];
    size_t n = vk_services(services);
    listener l[VK_SERVICES_MAX + 1];
    for (size_t i = 0; i <= n; i++)
        l[i] = (listener){i < n ? vk_str_z(services[i]->name) : VK_STR("admin"), sum_of(rt, i)};
    put_answers(out, l, n + 1);
    put_took(out, l, n + 1);
    for (size_t f = 0; f < VK_COUNT(simple); f++) {
        vk_metric_family(out, simple[f].name, simple[f].type, simple[f].help);
        for (size_t i = 0; i <= n; i++) {
            const vk_label labels[] = {{"listener", l[i].name}, {0}};
            uint64_t v = at(&l[i].sum, simple[f].at), less = 0;
            if (simple[f].minus)
                less = at(&l[i].sum, simple[f].minus);
            vk_metric(out, simple[f].name, "", labels, shown(v > less ? v - less : 0));
        }
    }
}

/* ---- keys and builds */

static void put_keys(vk_buf *out, const vk_runtime *rt)
{
    static const char name[] = "valetkey_keys_total";
    const vk_service *services[VK_SERVICES_MAX];
    size_t n = vk_services(services);
    vk_metric_family(out, name, "counter", "Requests whose valet key was looked at, by what came of it.");
    for (size_t i = 0; i < n; i++) {
        uint64_t taken = 0, refused = 0, limited = 0;
        for (size_t l = 0; l < rt->n_loops; l++) {
            taken += get(&rt->workers[l][i]->keys_taken);
            refused += get(&rt->workers[l][i]->keys_refused);
            limited += get(&rt->workers[l][i]->keys_limited);
        }
        const vk_str service = vk_str_z(services[i]->name);
        const vk_label good[] = {{"service", service}, {"result", VK_STR("accepted")}, {0}},
                       bad[] = {{"service", service}, {"result", VK_STR("refused")}, {0}},
                       many[] = {{"service", service}, {"result", VK_STR("limited")}, {0}};
        vk_metric(out, name, "", good, shown(taken));
        vk_metric(out, name, "", bad, shown(refused));
        vk_metric(out, name, "", many, shown(limited));
    }
}

static void put_builds(vk_call *c, vk_buf *out)
{
    static const char name[] = "valetkey_build_requests_total";
    int64_t builds = 0, active = 0;
    if (c->rt->store->ops->counts(c->rt->store, vk_clock_wall_ms(), &builds, &active) == VK_OK) {
        vk_metric_one(out, "valetkey_builds", "gauge", "Builds that exist.", builds);
        vk_metric_one(out, "valetkey_builds_active", "gauge", "Builds whose keys open something.", active);
    }
    vk_metric_one(out, "valetkey_builds_in_memory", "gauge", "Builds that were used lately.",
                  (int64_t)vk_registry_size(&c->rt->registry));
    vk_busy_build *busy = vk_arena_alloc(c->ex->arena, sizeof *busy * BUILDS_SHOWN);
    size_t n = busy ? vk_registry_busiest(&c->rt->registry, busy, BUILDS_SHOWN) : 0;
    vk_metric_family(out, name, "counter",
                     "Accepted requests since the build came into memory, of the 50 busiest builds.");
    for (size_t i = 0; i < n; i++) {
        const vk_label labels[] = {{"build", vk_str_z(busy[i].id)}, {0}};
        vk_metric(out, name, "", labels, shown(busy[i].requests));
    }
}

/* ---- the process */

/* Fields of /proc/self/statm are pages; the second is what is resident. */
static int64_t resident(int statm_fd)
{
    char text[128] = "";
    int64_t pages = 0;
    ssize_t n = statm_fd < 0 ? 0 : pread(statm_fd, text, sizeof text - 1, 0);
    vk_str rest = {text, n > 0 ? (size_t)n : 0}, first, second;
    if (!vk_str_cut(&rest, ' ', &first) || !vk_str_cut(&rest, ' ', &second) ||
        vk_str_to_i64(second, &pages) != VK_OK)
        return 0;
    return pages * sysconf(_SC_PAGESIZE);
}

static void put_process(vk_buf *out, const vk_runtime *rt, const vk_health *h)
{
    static const char up[] = "valetkey_role_up";
    const struct {
        vk_str name;
        bool up;
    } roles[] = {{VK_STR("front"), true}, {VK_STR("keeper"), h->keeper}, {VK_STR("courier"), h->courier}};
    vk_metric_family(out, up, "gauge", "Whether a process of valetkey answers.");
    for (size_t i = 0; i < VK_COUNT(roles); i++) {
        const vk_label labels[] = {{"role", roles[i].name}, {0}};
        vk_metric(out, up, "", labels, roles[i].up);
    }
    static const char info[] = "valetkey_info";
    const vk_label version[] = {{"version", VK_STR(VK_VERSION)}, {0}};
    vk_metric_family(out, info, "gauge", "Always 1; the version is its label.");
    vk_metric(out, info, "", version, 1);

    struct rusage u;
    static const char cpu[] = "process_cpu_seconds_total", start[] = "process_start_time_seconds";
    if (getrusage(RUSAGE_SELF, &u) == 0) {
        vk_metric_family(out, cpu, "counter", "CPU time of front.");
        vk_metric_milli(out, cpu, "", NULL,
                        (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
                            (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000);
    }
    int64_t memory = resident(rt->statm_fd);
    if (memory)
        vk_metric_one(out, "process_resident_memory_bytes", "gauge", "Memory of front.", memory);
    vk_metric_family(out, start, "gauge", "When front was started.");
    vk_metric_milli(out, start, "", NULL, rt->started_ms);
}

static void metrics_work(vk_call *c)
{
    const struct metrics_call *x = c->ex->principal;
    const vk_service *services[VK_SERVICES_MAX];
    size_t n = vk_services(services);
    vk_buf *out = &c->ex->out;
    put_process(out, c->rt, &x->health);
    vk_health_audit_metrics(out, &x->health.audit);
    put_builds(c, out);
    put_keys(out, c->rt);
    put_listeners(out, c->rt);
    for (size_t i = 0; i < n; i++)
        if (services[i]->metrics)
            services[i]->metrics(out);
    c->content_type = "text/plain; version=0.0.4; charset=utf-8";
    vk_call_finish(c, 200);
}

/* ---- readiness */

static void ready_work(vk_call *c)
{
    const struct metrics_call *x = c->ex->principal;
    int64_t builds, active;
    struct statvfs v;
    const struct {
        const char *name;
        bool good;
    } checks[] = {
        {"keeper", x->health.keeper},
        {"courier", x->health.courier},
        {"metadata", c->rt->store->ops->counts(c->rt->store, vk_clock_wall_ms(), &builds, &active) == VK_OK},
        {"disk", fstatvfs(c->rt->data_fd, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize >= DISK_LEAST},
    };
    bool all = true;
    for (size_t i = 0; i < VK_COUNT(checks); i++)
        all &= checks[i].good;
    vk_jw w = vk_jw_on(&c->ex->out);
    vk_jw_obj(&w);
    vk_jw_kstr(&w, "status", all ? VK_STR("ready") : VK_STR("not ready"));
    vk_jw_key(&w, VK_STR("checks"));
    vk_jw_obj(&w);
    for (size_t i = 0; i < VK_COUNT(checks); i++)
        vk_jw_kstr(&w, checks[i].name, checks[i].good ? VK_STR("ok") : VK_STR("failed"));
    /* What is embedded goes on without it, so this alone turns no request away. */
    if (x->health.audit.known)
        vk_jw_kstr(&w, "audit", x->health.audit.sealed ? VK_STR("sealed") : VK_STR("ok"));
    vk_jw_obj_end(&w);
    vk_jw_obj_end(&w);
    vk_call_finish(c, all ? 200 : 503);
}

/* ---- both */

static void health_known(vk_health_ask *a, const vk_health *h)
{
    struct metrics_call *x = VK_CONTAINER(a, struct metrics_call, ask);
    x->health = *h;
    vk_call_on_lane(x->call, vk_str_eqz(x->call->ex->path, "/metrics") ? metrics_work : ready_work);
}

static void begin(vk_call *c)
{
    struct metrics_call *x = VK_NEW(c->ex->arena, struct metrics_call);
    if (!x) {
        (void)vk_admin_error(c->ex, VK_E_NOMEM, "Out of memory; try again in a second");
        return;
    }
    x->call = c;
    x->ask.rt = c->rt;
    x->ask.done = health_known;
    c->ex->principal = x;
    vk_health_get(&x->ask);
}

void vk_admin_metrics(vk_call *c)
{
    begin(c);
}

void vk_admin_ready(vk_call *c)
{
    begin(c);
}
