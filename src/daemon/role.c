#include "daemon/resume.h"

#include "core/random.h"
#include "courier/courier.h"
#include "crypto/wiping.h"
#include "daemon/calls.h"
#include "http/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { KEEP_MAX = 10 + VK_ROLES + VK_SERVICES_MAX + 1 };

/* ---- after the fork */

static void keep(int fds[KEEP_MAX], size_t *n, int fd)
{
    if (fd < 0)
        return;
    size_t i = (*n)++;
    for (; i > 0 && fds[i - 1] > fd; i--)
        fds[i] = fds[i - 1];
    fds[i] = fd;
}

static void close_between(unsigned from, unsigned to)
{
    if (from > to || close_range(from, to, 0) == 0)
        return;
    for (unsigned fd = from; fd <= to && fd < 4096; fd++) /* a kernel without the call */
        close((int)fd);
}

/* Everything that is not named here is not this child's: other children's connections, and for keeper and
 * courier the listeners. */
static void close_others(const vk_child *c)
{
    int fds[KEEP_MAX];
    size_t n = 0;
    keep(fds, &n, c->control);
    keep(fds, &n, c->daemon->lock_fd);
    if (c->role != VK_COURIER)
        keep(fds, &n, c->daemon->data_fd);
    for (int r = 0; r < VK_ROLES; r++)
        keep(fds, &n, c->peer[r]);
    if (c->role == VK_FRONT) {
        keep(fds, &n, c->daemon->admin_fd);
        keep(fds, &n, c->daemon->tls_fds[0]);
        keep(fds, &n, c->daemon->tls_fds[1]);
        for (size_t i = 0; i < c->daemon->n_listeners; i++)
            keep(fds, &n, c->daemon->listeners[i].fd);
    }
    unsigned from = 3;
    for (size_t i = 0; i < n; i++) {
        close_between(from, (unsigned)fds[i] - 1);
        from = (unsigned)fds[i] + 1;
    }
    close_between(from, ~0U);
}

static void standard_fds(void)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO); /* what waits for the end of our output must not wait for children */
}

/* The supervisor decides when a child ends: a terminal's Ctrl-C reaches the whole group. */
static void signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    sigset_t none;
    for (size_t i = 0; i < VK_COUNT(ignored); i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What a change of the user undoes comes after it. */
static void bind_to_parent(const vk_child *c)
{
    if (!getenv("VALETKEY_DEBUG_DUMPABLE"))
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != c->parent) /* it died before the line above */
        _exit(1);
}

/* keeper first opens its vault, as root where there is one. */
void vk_role_become(const vk_child *c)
{
    if (vk_owners_become(&c->daemon->owners, c->role) != VK_OK)
        vk_role_fail(c, "%s cannot become the user %s: %s.", vk_role_name(c->role),
                     c->daemon->owners.of[c->role].name, vk_errno_text(errno));
    bind_to_parent(c);
}

void vk_role_fence_at(const vk_child *c, const vk_sandbox_place *at)
{
    char why[VK_WHY_MAX];
    if (vk_sandbox_enter(&c->daemon->sandbox, c->role, at, why) != VK_OK)
        vk_role_fail(c, "%s", why);
}

void vk_role_fence(const vk_child *c)
{
    vk_role_fence_at(c, &(vk_sandbox_place){.data_fd = c->daemon->data_fd, .data_dir = c->daemon->data_dir});
}

static void enter(const vk_child *c)
{
    char name[16];
    struct rlimit no_core = {0, 0};
    bind_to_parent(c);
    snprintf(name, sizeof name, "vk-%s", vk_role_name(c->role));
    prctl(PR_SET_NAME, name);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    signals();
    standard_fds();
    close_others(c);
    vk_log_init(vk_role_name(c->role), c->daemon->config->log_level, c->daemon->config->log_format);
    if (c->daemon->sandbox.seccomp && vk_calls_no_ring() != VK_OK)
        vk_role_fail(c, "No filter of system calls can be closed around %s: %s. --no-sandbox starts without.",
                     vk_role_name(c->role), vk_errno_text(errno));
    if (c->role != VK_KEEPER)
        vk_role_become(c);
}

static void set_up_libraries(const vk_child *c)
{
    uint8_t seed[16];
    vk_random(seed, sizeof seed);
    vk_hash_seed(seed);
    if (sodium_init() < 0)
        vk_role_fail(c, "libsodium could not be set up.");
    /* The supervisor uses no OpenSSL, so that this is the first use (a certificate is made by a child). */
    if (c->role == VK_KEEPER && vk_wiping_begin() != VK_OK)
        vk_log(VK_ERROR,
               "OpenSSL's memory is not overwritten when it is freed: it was in use before keeper began");
    if (c->role != VK_COURIER && vk_digest_init() != VK_OK)
        vk_role_fail(c, "OpenSSL has no SHA-256 or HMAC here.");
}

/* ---- notes */

void vk_role_ready(const vk_child *c)
{
    if (vk_note_send(c->control, VK_NOTE_READY, c->role, "", -1) != VK_OK)
        _exit(1);
}

void vk_role_fail(const vk_child *c, const char *fmt, ...)
{
    char why[VK_WHY_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    if (vk_note_send(c->control, VK_NOTE_FATAL, c->role, why, -1) != VK_OK)
        vk_log(VK_ERROR, "the role cannot start", VK_F(why, why));
    _exit(1);
}

static void on_note(vk_io *io, int events)
{
    vk_role_link *l = VK_CONTAINER(io, vk_role_link, io);
    vk_note note;
    int fd;
    VK_UNUSED(events);
    for (;;) {
        vk_err e = vk_note_receive(io->fd, &note, &fd);
        if (e == VK_AGAIN)
            return;
        if (e != VK_OK) /* the supervisor has gone */
            _exit(1);
        if (note.kind == VK_NOTE_PEER && fd >= 0) {
            l->peer(l->arg, note.role, fd);
            continue;
        }
        if (fd >= 0 && l->file && (note.kind == VK_NOTE_CERT || note.kind == VK_NOTE_KEY)) {
            l->file(l->arg, note.kind, fd);
            continue;
        }
        if (l->restart && (note.kind == VK_NOTE_GO || note.kind == VK_NOTE_YIELD ||
                           note.kind == VK_NOTE_GIVE || note.kind == VK_NOTE_TAKE)) {
            l->restart(l->arg, note.kind, fd);
            continue;
        }
        if (fd >= 0)
            close(fd);
        if (note.kind == VK_NOTE_STOP)
            l->stop(l->arg);
    }
}

vk_err vk_role_listen(vk_role_link *l, vk_loop *loop, const vk_child *c)
{
    vk_err e = vk_io_open(loop, &l->io, c->control, on_note);
    if (e == VK_OK)
        vk_io_want(&l->io, VK_READ);
    return e;
}

/* ---- keeper and courier */

typedef struct quiet {
    vk_role_link link;
    vk_loop *loop;
    vk_server server;
} quiet;

static void front_gone(void *arg)
{
    VK_UNUSED(arg); /* the supervisor sends the next connection */
}

static void front_came(void *arg, vk_role role, int fd)
{
    quiet *q = arg;
    VK_UNUSED(role);
    if (vk_server_adopt(&q->server, fd, front_gone, q) != VK_OK)
        close(fd);
}

static void told_to_stop(void *arg)
{
    vk_loop_stop(((quiet *)arg)->loop);
}

int vk_role_serve(const vk_child *c, vk_loop *loop, const vk_handler *handler, void *ctx,
                  void (*begin)(void *ctx))
{
    static quiet q;
    q.loop = loop;
    vk_server_init(&q.server, q.loop, handler, ctx);
    q.server.takes_fds = true;
    q.link = (vk_role_link){.arg = &q, .peer = front_came, .stop = told_to_stop};
    if (vk_role_listen(&q.link, q.loop, c) != VK_OK)
        vk_role_fail(c, "The connection to the supervisor cannot be watched.");
    if (begin)
        begin(ctx);
    if (c->peer[VK_FRONT] >= 0)
        front_came(&q, VK_FRONT, c->peer[VK_FRONT]);
    vk_role_ready(c);
    vk_loop_run(q.loop);
    return 0;
}

_Static_assert(VK_SERVICES_MAX + 1 <= VK_ALLOW_MAX,
               "every listener has a place among courier's refused ports");

static int courier_main(const vk_child *c)
{
    struct vk_courier *courier;
    vk_role_fence(c); /* before its threads */
    vk_egress egress = c->daemon->config->egress;
    egress.own_port = (uint16_t)c->daemon->config->port_base;
    egress.own_ports = VK_PORTS;
    for (size_t i = 0; i <= VK_CONSOLE; i++)
        if (c->daemon->config->listen[i].host[0])
            egress.own[egress.n_own++] = (uint16_t)c->daemon->config->listen[i].port;
    /* libcurl by itself has a path that was compiled in, and does not look at what OpenSSL's other users do.
     */
    const char *ca_file = getenv("SSL_CERT_FILE");
    if (vk_courier_new(&egress, ca_file && ca_file[0] == '/' ? ca_file : NULL, &courier) != VK_OK)
        vk_role_fail(c, "There is not enough memory to start.");
    vk_loop *loop;
    if (vk_loop_new(&loop) != VK_OK)
        vk_role_fail(c, "The kernel gives no event loop: too many open files or too little memory.");
    return vk_role_serve(c, loop, &vk_courier_handler, courier, NULL);
}

int vk_child_main(const vk_child *c)
{
    enter(c);
    set_up_libraries(c);
    switch (c->role) {
    case VK_FRONT:
        return vk_front_main(c);
    case VK_KEEPER:
        return vk_keeper_main(c);
    default:
        return courier_main(c);
    }
}

/* As vk_supervise opens the daemon before it forks; here the fork has taken place in another program. */
int vk_resume_role(vk_daemon *d)
{
    const vk_resume *r = d->resume;
    vk_child c = {
        .daemon = d, .role = r->role, .parent = r->parent, .control = r->control, .standby = r->standby};
    char why[VK_WHY_MAX];
    memcpy(c.peer, r->peer, sizeof c.peer);
    bind_to_parent(&c); /* exec has made it dumpable again */
    vk_err e = vk_daemon_open(d, why);
    if (e != VK_OK)
        vk_role_fail(&c, "%s", why);
    return vk_child_main(&c);
}
