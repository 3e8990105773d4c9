#include "daemon/front.h"

#include "admin/admin.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

/* A connection on its way to another loop. */
typedef struct handover {
    vk_task task;
    vk_server *to;
    int fd;
    struct sockaddr_storage from;
} handover;

static void arrive(vk_task *t)
{
    handover *h = VK_CONTAINER(t, handover, task);
    vk_server_take(h->to, h->fd, &h->from);
    free(h);
}

vk_front_loop *vk_front_next_loop(vk_front *f)
{
    return f->loops[f->next_loop++ % f->rt.n_loops];
}

vk_server *vk_front_server(vk_front_loop *l, size_t i)
{
    size_t console = l->front->n_services;
    if (i > console)
        return i == console + 1 && l->loop->index == 0 ? &l->admin : NULL;
    return &l->servers[i];
}

/* On loop 0: every loop in turn gets the next connection and keeps it for its life. */
static void place(vk_server *accepting, int fd, const struct sockaddr_storage *from)
{
    const vk_worker *w = accepting->ctx;
    vk_front *f = VK_CONTAINER(w->rt, vk_front, rt);
    size_t to = f->next_loop++ % f->rt.n_loops;
    vk_server *server = &f->loops[to]->servers[w->index < 0 ? f->n_services : (size_t)w->index];
    if (to == 0) {
        vk_server_take(server, fd, from);
        return;
    }
    handover *h = malloc(sizeof *h);
    if (!h) {
        close(fd);
        return;
    }
    *h = (handover){{.run = arrive}, server, fd, *from};
    vk_loop_post(f->rt.loops[to], &h->task);
}

/* ---- names */

static void add_name(vk_str list[VK_FRONT_NAMES], vk_str name)
{
    size_t n = 0;
    while (list[n].n) {
        if (vk_str_ieq(list[n++], name))
            return;
    }
    if (name.n && n + 1 < VK_FRONT_NAMES)
        list[n] = name;
}

/* An address as it stands in a Host header. */
static void add_address(vk_str list[VK_FRONT_NAMES], const vk_listen_at *at)
{
    if (strchr(at->host, ':')) {
        static char v6[VK_SERVICES_MAX + 1][sizeof at->host + 2];
        static size_t n;
        snprintf(v6[n], sizeof v6[n], "[%s]", at->host);
        add_name(list, vk_str_z(v6[n++]));
    } else {
        add_name(list, vk_str_z(at->host));
    }
}

/* The names under which a listener may be asked: loopback's, its own address, those of the addresses that
 * apps are given, and those that the operator added. */
static void make_names(vk_front *f)
{
    for (size_t i = 0; i <= f->n_services; i++) {
        add_name(f->names[i], VK_STR("127.0.0.1"));
        add_name(f->names[i], VK_STR("localhost"));
        add_name(f->names[i], VK_STR("[::1]"));
        add_address(f->names[i], &f->rt.listen[i < f->n_services ? i : VK_CONSOLE]);
        vk_str rest = vk_str_z(f->child->daemon->config->hosts), host;
        while (vk_str_cut(&rest, ',', &host))
            add_name(f->names[i], host);
        add_name(f->names[i], rest);
        if (i == f->n_services)
            break;
        add_name(f->names[i], vk_config_url_host(f->rt.url_sandbox[i]));
        add_name(f->names[i], vk_config_url_host(f->rt.url_browser[i]));
    }
}

/* ---- room */

/* A quarter of the clients' descriptors is kept for the services in equal parts, so that who fills one leaves
 * the others open; the rest goes to who comes. The admin's are its own. */
enum { KEPT_SHARES = 4 };

static vk_err make_gates(vk_front *f)
{
    f->rt.clients = vk_front_clients;
    struct rlimit files = {.rlim_cur = 1024};
    getrlimit(RLIMIT_NOFILE, &files);
    const int64_t *limit = f->rt.limits.of;
    size_t all = files.rlim_cur > 1u << 30 ? 1u << 30 : (size_t)files.rlim_cur;
    size_t theirs = all / VK_FILES_SHARES * VK_FILES_CLIENTS;
    size_t room = theirs > 2 * VK_FILES_OTHERS ? theirs - VK_FILES_OTHERS : VK_FILES_OTHERS;
    size_t admin = (size_t)limit[VK_LIMIT_ADMIN_CONNECTIONS], most = (size_t)limit[VK_LIMIT_CONNECTIONS];
    admin = admin < room / 8 ? admin : room / 8;
    room -= admin;
    size_t kept = f->n_services ? room / KEPT_SHARES / f->n_services : 0;
    size_t each = f->n_services ? room - (f->n_services - 1) * kept : 0;
    if (each < most)
        vk_log(most == (size_t)vk_limits_usual.of[VK_LIMIT_CONNECTIONS] ? VK_INFO : VK_WARN,
               "fewer connections fit than the limit says: the process may open too few files",
               VK_F(connections, each), VK_F(limit, most), VK_F(open_files, all));
    f->room = (vk_gate_room){f->gates, f->n_services, room};
    for (size_t i = 0; i <= f->n_services; i++) {
        bool is_admin = i == f->n_services;
        if (vk_gate_init(&f->gates[i], &f->rt.limits, is_admin ? admin : each < most ? each : most) != VK_OK)
            return VK_E_NOMEM;
        if (is_admin)
            continue;
        f->gates[i].kept_for = kept;
        f->gates[i].room = &f->room;
    }
    return VK_OK;
}

/* What a crowd of connections leaves behind lies between what is in use, where free() does not give it back.
 */
static void trim(vk_job *j)
{
    malloc_trim(0);
    atomic_store(&VK_CONTAINER(j, vk_front, trim)->trimming, false);
}

void vk_front_tidy(vk_front *f)
{
    bool emptied = false;
    for (size_t i = 0; f->up && !f->stopping && i <= f->n_services; i++)
        emptied |= vk_gate_emptied(&f->gates[i]);
    if (!emptied || atomic_exchange(&f->trimming, true))
        return;
    f->trim.run = trim;
    if (vk_lane_add(f->rt.meta, &f->trim) != VK_OK)
        atomic_store(&f->trimming, false);
}

/* ---- servers */

static void make_servers(vk_front *f, vk_front_loop *l)
{
    for (size_t i = 0; i <= f->n_services; i++) {
        const vk_service *service = i < f->n_services ? f->services[i] : NULL;
        l->workers[i] = (vk_worker){.rt = &f->rt,
                                    .service = service,
                                    .index = service ? (int)i : -1,
                                    .loop = l->loop,
                                    .reader = l->reader,
                                    .lookup = l->lookup};
        vk_server_init(&l->servers[i], l->loop, service ? service->handler : &vk_admin_handler,
                       &l->workers[i]);
        l->servers[i].names = f->names[i];
        l->servers[i].labels = service && service->host_labels;
        if (f->rt.listen[service ? i : VK_CONSOLE].tls)
            l->servers[i].tls = f->rt.tls;
        l->servers[i].limits = &f->rt.limits;
        l->servers[i].gate = &f->gates[i];
        l->servers[i].name = service ? service->name : "admin";
        l->servers[i].log_requests = f->child->daemon->config->log_requests;
        f->rt.traffic[l->loop->index][i] = &l->servers[i].traffic;
        f->rt.workers[l->loop->index][i] = &l->workers[i];
    }
}

vk_err vk_front_listen(vk_front *f)
{
    const vk_daemon *d = f->child->daemon;
    vk_front_loop *first = f->loops[0];
    make_names(f);
    if (make_gates(f) != VK_OK)
        return VK_E_NOMEM;
    for (size_t i = 0; i < f->rt.n_loops; i++)
        make_servers(f, f->loops[i]);
    for (size_t i = 0; i < d->n_listeners; i++) {
        const vk_listener *on = &d->listeners[i];
        vk_server *s = &first->servers[on->service < 0 ? f->n_services : (size_t)on->service];
        if (f->rt.n_loops > 1)
            s->place = place;
        vk_err e = vk_server_listen(s, on->fd);
        if (e != VK_OK)
            return e;
    }
    vk_server_init(&first->admin, first->loop, &vk_admin_handler, &first->workers[f->n_services]);
    first->admin.name = "admin.sock";
    first->admin.limits = &f->rt.limits;
    first->admin.log_requests = d->config->log_requests;
    return vk_server_listen(&first->admin, d->admin_fd);
}

/* ---- closing */

static void came_home(vk_task *t)
{
    vk_front *f = VK_CONTAINER(t, vk_front_loop, home)->front;
    if (++f->loops_closed == f->rt.n_loops)
        f->closed(f);
}

static void one_less(vk_front_loop *l)
{
    if (--l->open_servers)
        return;
    l->home.run = came_home;
    vk_loop_post(l->front->rt.loops[0], &l->home);
}

static void server_is_empty(vk_server *s)
{
    const vk_worker *w = s->ctx;
    one_less(VK_CONTAINER(w->rt, vk_front, rt)->loops[w->loop->index]);
}

static void close_servers(vk_task *t)
{
    vk_front_loop *l = VK_CONTAINER(t, vk_front_loop, close);
    vk_front *f = l->front;
    size_t n = f->n_services + 1;
    bool admin = l->loop->index == 0;
    l->open_servers =
        n + admin + 1; /* the one more keeps a server without connections from ending the count early */
    for (size_t i = 0; i < n; i++)
        vk_server_close(&l->servers[i], server_is_empty);
    if (admin)
        vk_server_close(&l->admin, server_is_empty);
    one_less(l);
}

void vk_front_close(vk_front *f, void (*done)(vk_front *f))
{
    f->closed = done;
    /* Loop 0 stops accepting first; what it handed over before arrives at the other loops before their own
     * task. */
    close_servers(&f->loops[0]->close);
    for (size_t i = 1; i < f->rt.n_loops; i++) {
        f->loops[i]->close.run = close_servers;
        vk_loop_post(f->rt.loops[i], &f->loops[i]->close);
    }
}
