/* The supervisor: one thread, no library but the C one, no secret. It opens what is shared, forks the roles,
 * starts a role again that died, gives the others fresh connections to it, and ends all of them. */
#include "daemon/daemon.h"

#include "core/clock.h"
#include "daemon/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FAST_WINDOW_MS = 10000, /* VK_FAST_DEATHS in that time are a fault that starting again does not cure */
    FAST_LIFE_MS = 1000,    /* a role that ends by itself within this time was never well */
    BACKOFF_MS = 10,        /* doubles with each fast death in the window */
    STOP_FRONT_MS = 11000,  /* front bounds itself to 10 s */
    STOP_OTHERS_MS = VK_STOP_OTHERS_MS,
    PATIENCE_MS = 250,  /* between two tries of a program that has taken over */
    PATIENCE_SAID = 40, /* how many of them are spoken of once */
};

/* ---- sentences */

static void complain(const char *sentence)
{
    fprintf(stderr, "valetkey: %s\n", sentence);
}

static void tell_ready(const vk_supervisor *s)
{
    const vk_daemon *d = s->d;
    const vk_service *all[VK_SERVICES_MAX];
    size_t n = vk_services(all);
    int loops = d->config->loops;
    char url[VK_LISTEN_TEXT];
    vk_listen_url(&d->config->listen[VK_CONSOLE], url);
    printf("valetkey " VK_VERSION " ready: console %s", url);
    for (size_t i = 0; i < n; i++) {
        vk_listen_url(&d->config->listen[i], url);
        printf(", %s %s", all[i]->name, url);
    }
    printf(", data %s (pid %ld, %d loop%s); fences: %s", d->config->data, (long)getpid(), loops,
           loops == 1 ? "" : "s", d->sandbox.active);
    if (d->sandbox.missing[0])
        printf("; not there: %s", d->sandbox.missing);
    printf("\n");
    fflush(stdout);
    vk_notify("READY=1\nSTATUS=serving\n");
}

/* ---- children */

static bool linked(vk_role a, vk_role b)
{
    return a != b && (a == VK_FRONT || b == VK_FRONT);
}

/* A connection between a role about to be born and one of `set` that lives: the far end goes out as a note.
 */
static int connect_to(const vk_process *set, vk_role alive, vk_role newborn)
{
    int pair[2];
    if (set[alive].pid == 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    vk_err e = vk_note_send(set[alive].control, VK_NOTE_PEER, newborn, "", pair[1]);
    close(pair[1]);
    if (e == VK_OK)
        return pair[0];
    close(pair[0]); /* it is dying: its own rebirth makes the connection */
    return -1;
}

vk_err vk_supervise_spawn(vk_supervisor *s, vk_process *set, vk_role role, int (*run)(const vk_child *c))
{
    vk_process *c = &set[role];
    int control[2];
    vk_child new = {.daemon = s->d, .role = role, .parent = getpid()};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, control) != 0)
        return VK_E_IO;
    new.control = control[1];
    for (int r = 0; r < VK_ROLES; r++)
        new.peer[r] = linked(role, (vk_role)r) ? connect_to(set, (vk_role)r, role) : -1;
    int64_t born_ms = vk_clock_mono_ms();
    pid_t pid = fork();
    if (pid == 0)
        _exit(run(&new));
    for (int r = 0; r < VK_ROLES; r++)
        if (new.peer[r] >= 0)
            close(new.peer[r]);
    close(control[1]);
    if (pid < 0) {
        close(control[0]);
        return VK_E_NOMEM;
    }
    c->pid = pid;
    c->control = control[0];
    c->ready = false;
    c->born_ms = born_ms;
    c->why[0] = '\0';
    return VK_OK;
}

static void kill_all(vk_supervisor *s)
{
    vk_restart_abandon(s);
    for (int r = 0; r < VK_ROLES; r++)
        if (s->children[r].pid)
            kill(s->children[r].pid, SIGKILL);
    for (int r = 0; r < VK_ROLES; r++)
        if (s->children[r].pid) {
            waitpid(s->children[r].pid, NULL, 0);
            s->children[r].pid = 0;
        }
}

static void give_up(vk_supervisor *s, const char *sentence)
{
    complain(sentence);
    kill_all(s);
    s->exit_code = 1;
}

static void start_again_in(vk_supervisor *s, vk_role role, int64_t ms)
{
    s->children[role].again_ms = vk_clock_mono_ms() + ms;
}

/* ---- notes */

static void all_ready(vk_supervisor *s)
{
    for (int r = 0; r < VK_ROLES; r++)
        if (!s->children[r].ready)
            return;
    if (!s->up)
        tell_ready(s);
    s->up = true;
}

static void on_note(vk_supervisor *s, vk_role from, const vk_note *n)
{
    vk_process *c = &s->children[from], *other = &s->children[n->role];
    switch (n->kind) {
    case VK_NOTE_READY:
        if (c->ready)
            break;
        c->ready = true;
        if (c->was_ready)
            vk_log(VK_INFO, "a role is ready again", VK_F(which, vk_role_name(from)),
                   VK_F(ms, vk_clock_mono_ms() - c->born_ms));
        c->was_ready = true;
        all_ready(s);
        if (from == VK_FRONT)
            vk_restart_front_ready(s);
        break;
    case VK_NOTE_YIELD:
        if (from == VK_FRONT)
            vk_restart_yielded(s);
        break;
    case VK_NOTE_FATAL:
        memcpy(c->why, n->text, sizeof c->why);
        break;
    case VK_NOTE_LOST:
        if (from != VK_FRONT || n->role == VK_FRONT || !other->pid || !other->ready)
            break;
        vk_log(VK_ERROR, "a role does not answer: ending it", VK_F(which, vk_role_name(n->role)));
        kill(other->pid, SIGKILL);
        break;
    case VK_NOTE_CERT:
        if (from != VK_FRONT)
            break;
        for (int i = 0; i < 2 && s->next_tls[0] >= 0; i++) {
            close(s->d->tls_fds[i]);
            s->d->tls_fds[i] = s->next_tls[i];
        }
        s->next_tls[0] = s->next_tls[1] = -1;
        break;
    default:
        break;
    }
}

static void read_notes(vk_supervisor *s, vk_role from)
{
    vk_note note;
    int fd;
    for (int i = 0; i < VK_NOTES_TURN && s->children[from].pid &&
                    vk_note_receive(s->children[from].control, &note, &fd) == VK_OK;
         i++) {
        if (fd >= 0)
            close(fd);
        on_note(s, from, &note);
    }
}

/* ---- deaths */

static void describe(char out[128], int status)
{
    if (WIFSIGNALED(status))
        snprintf(out, 128, "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(out, 128, "exited with code %d", WEXITSTATUS(status));
}

/* Counts this death; how many fast ones there were in the window, this one included. */
static int fast_deaths(vk_process *c)
{
    int64_t now = vk_clock_mono_ms();
    int n = 0;
    memmove(c->fast, c->fast + 1, sizeof c->fast - sizeof c->fast[0]);
    c->fast[VK_FAST_DEATHS - 1] = now;
    for (int i = 0; i < VK_FAST_DEATHS; i++)
        if (c->fast[i] && now - c->fast[i] <= FAST_WINDOW_MS)
            n++;
    return n;
}

static void after_death(vk_supervisor *s, vk_role role, int status)
{
    vk_process *c = &s->children[role];
    char how[128], sentence[VK_WHY_MAX + 256];
    describe(how, status);
    if (c->why[0] && !s->up) {
        give_up(s, c->why);
        return;
    }
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    bool fast = !c->ready || (!killed && vk_clock_mono_ms() - c->born_ms < FAST_LIFE_MS);
    int n = fast ? fast_deaths(c) : 0;
    if (n >= VK_FAST_DEATHS && !killed) { /* who is killed from outside is only started more slowly */
        snprintf(sentence, sizeof sentence,
                 "%s ended %d times within %d s of being started; the last time it %s. %s",
                 vk_role_name(role), n, FAST_WINDOW_MS / 1000, how,
                 c->why[0] ? c->why : "The log above may say why.");
        give_up(s, sentence);
        return;
    }
    vk_log(VK_WARN, "a role ended; starting it again", VK_F(which, vk_role_name(role)),
           VK_F(pid, (long)c->pid), VK_F(how, how), VK_F(why, c->why));
    start_again_in(s, role, n ? (int64_t)BACKOFF_MS << (n - 1) : 0);
}

static void reap(vk_supervisor *s)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (vk_restart_reaped(s, pid, status))
            continue;
        for (int r = 0; r < VK_ROLES; r++) {
            vk_process *c = &s->children[r];
            if (c->pid != pid)
                continue;
            read_notes(s, (vk_role)r);
            if (c->pid != pid) { /* its last word was that it yields: it is a restart's now */
                vk_restart_reaped(s, pid, status);
                break;
            }
            close(c->control);
            if (!s->stopping)
                after_death(s, (vk_role)r, status);
            c->pid = 0;
            c->ready = false;
            if (r == VK_FRONT)
                vk_restart_yielded(s); /* in a way; its connections are lost */
        }
    }
}

static void revive(vk_supervisor *s)
{
    int64_t now = vk_clock_mono_ms();
    for (int r = 0; r < VK_ROLES && s->exit_code < 0 && !s->stopping; r++) {
        vk_process *c = &s->children[r];
        if (c->pid || c->again_ms > now || (r == VK_FRONT && vk_restart_has_data(s)))
            continue;
        if (vk_supervise_spawn(s, s->children, (vk_role)r, vk_child_main) != VK_OK) {
            vk_log(VK_ERROR, "a role cannot be started", VK_F(which, vk_role_name((vk_role)r)),
                   VK_F(error, vk_errno_text(errno)));
            start_again_in(s, (vk_role)r, 1000);
        }
    }
}

/* ---- stopping */

static void tell_stop(vk_supervisor *s, vk_role role)
{
    vk_process *c = &s->children[role];
    if (c->pid && vk_note_send(c->control, VK_NOTE_STOP, role, "", -1) != VK_OK)
        kill(c->pid, SIGKILL);
}

static void begin_stop(vk_supervisor *s)
{
    if (s->stopping) {
        vk_log(VK_WARN, "told to stop twice: ending at once");
        kill_all(s);
        s->exit_code = 1;
        return;
    }
    s->stopping = true;
    s->kill_ms = vk_clock_mono_ms() + STOP_FRONT_MS;
    vk_notify("STOPPING=1\n");
    vk_restart_abandon(s);
    /* Who connects from here on is refused, instead of waiting for nobody; front takes those who have. A
     * socket that the service manager opened is still open there, and waits for the next start. */
    for (size_t i = 0; i < s->d->n_listeners; i++)
        close(s->d->listeners[i].fd);
    s->d->n_listeners = 0;
    tell_stop(s, VK_FRONT);
}

/* front first: it may need the others to finish what it does. */
static void go_on_stopping(vk_supervisor *s)
{
    if (s->children[VK_FRONT].pid == 0 && !s->stop_others) {
        s->stop_others = true;
        s->kill_ms = vk_clock_mono_ms() + STOP_OTHERS_MS;
        tell_stop(s, VK_KEEPER);
        tell_stop(s, VK_COURIER);
    }
    bool any = false;
    for (int r = 0; r < VK_ROLES; r++)
        any = any || s->children[r].pid;
    if (any && vk_clock_mono_ms() >= s->kill_ms) {
        vk_log(VK_WARN, "not finished in time: ending what is left");
        kill_all(s);
        any = false;
    }
    if (!any && s->exit_code < 0)
        s->exit_code = 0;
}

/* ---- the certificate */

static void forget_next_tls(vk_supervisor *s)
{
    for (int i = 0; i < 2; i++) {
        if (s->next_tls[i] >= 0)
            close(s->next_tls[i]);
        s->next_tls[i] = -1;
    }
}

/* What is there now goes to front, which says whether it can be used; until then the old one counts. */
static void reload(vk_supervisor *s)
{
    char why[VK_WHY_MAX];
    forget_next_tls(s);
    if (vk_certificate_open(s->d, s->next_tls, why) != VK_OK) {
        vk_log(VK_ERROR, "the certificate stays as it was", VK_F(why, why));
        return;
    }
    const vk_process *front = &s->children[VK_FRONT];
    if (!front->pid || !front->ready ||
        vk_note_send(front->control, VK_NOTE_CERT, VK_FRONT, "", s->next_tls[0]) != VK_OK ||
        vk_note_send(front->control, VK_NOTE_KEY, VK_FRONT, "", s->next_tls[1]) != VK_OK)
        vk_log(VK_ERROR, "the certificate stays as it was: front is just starting; send SIGHUP again");
}

/* SIGHUP has two meanings: the terminal has gone, or, where there are files to read again, do so. */
static void hang_up(vk_supervisor *s)
{
    if (!s->d->config->tls || (s->terminal && !isatty(STDIN_FILENO)))
        begin_stop(s);
    else if (!s->stopping)
        reload(s);
}

/* ---- main loop */

static void read_signals(vk_supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap(s);
        else if (info.ssi_signo == SIGHUP)
            hang_up(s);
        else if (info.ssi_signo == SIGUSR2)
            vk_restart_begin(s);
        else
            begin_stop(s);
    }
}

static int patience(const vk_supervisor *s)
{
    int64_t now = vk_clock_mono_ms(), until = s->stopping ? s->kill_ms : now + 3600000;
    for (int r = 0; r < VK_ROLES && !s->stopping; r++)
        if (s->children[r].pid == 0 && s->children[r].again_ms < until &&
            !(r == VK_FRONT && vk_restart_has_data(s)))
            until = s->children[r].again_ms;
    int64_t due = vk_restart_due(s);
    until = due && due < until ? due : until;
    return until <= now ? 0 : (int)(until - now);
}

static void turn(vk_supervisor *s)
{
    struct pollfd p[1 + 2 * VK_ROLES] = {{.fd = s->signals, .events = POLLIN}};
    for (int r = 0; r < VK_ROLES; r++)
        p[1 + r] = (struct pollfd){.fd = s->children[r].pid ? s->children[r].control : -1, .events = POLLIN};
    vk_restart_poll(s, p + 1 + VK_ROLES);
    if (poll(p, VK_COUNT(p), patience(s)) < 0)
        return;
    for (int r = 0; r < VK_ROLES; r++)
        if (p[1 + r].revents & POLLIN)
            read_notes(s, (vk_role)r);
    /* A control socket at its end without a signal yet would make poll return at once: the death is only
     * moments away. */
    bool ended = false;
    for (int r = 0; r < 2 * VK_ROLES; r++)
        ended = ended || (p[1 + r].revents & (POLLHUP | POLLERR));
    vk_restart_turn(s);
    read_signals(s);
    if (ended)
        poll(p, 1, 5);
    if (s->stopping && s->exit_code < 0)
        go_on_stopping(s);
}

vk_err vk_daemon_open(vk_daemon *d, char why[VK_WHY_MAX])
{
    bool listens = !d->resume || d->resume->role == VK_FRONT || d->resume->role == VK_ROLES;
    vk_err e = vk_owners_find(d->config->user, &d->owners, why);
    if (e == VK_OK)
        e = vk_sandbox_probe(d->config->sandbox, &d->owners, &d->sandbox, why);
    if (e == VK_OK)
        e = vk_datadir_open(d, why);
    if (e == VK_OK)
        e = vk_owners_give(&d->owners, d->data_fd, d->data_dir, d->resume != NULL, why);
    if (e == VK_OK && listens)
        e = vk_certificate_open(d, d->tls_fds, why);
    if (e == VK_OK && listens)
        e = vk_listen_all(d, why);
    return e;
}

/* What another try begins with, after a restart. */
static void forget_opened(vk_daemon *d)
{
    int *const opened[] = {&d->data_fd, &d->tls_fds[0], &d->tls_fds[1]};
    for (size_t i = 0; i < VK_COUNT(opened); i++) {
        if (*opened[i] >= 0)
            close(*opened[i]);
        *opened[i] = -1;
    }
    d->n_listeners = 0;
    memcpy(d->given, d->resume->given, sizeof d->resume->given);
}

bool vk_supervise_patience(const char *why)
{
    static int times;
    const struct timespec wait = {.tv_nsec = PATIENCE_MS * 1000000L};
    sigset_t ending;
    if (times++ % PATIENCE_SAID == 0)
        fprintf(stderr,
                "valetkey: the new program serves, but cannot watch over its processes yet: %s They are not "
                "started again until this is put right; trying every %d ms.\n",
                why, PATIENCE_MS);
    sigemptyset(&ending); /* blocked over the exec */
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    return sigtimedwait(&ending, NULL, &wait) < 0;
}

static int open_signals(void)
{
    static const int watched[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGUSR2};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < VK_COUNT(watched); i++)
        sigaddset(&set, watched[i]);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Front inherits it: streams, files and connections of thousands of builds. */
static void raise_open_files(void)
{
    struct rlimit r, more;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    more = (struct rlimit){VK_FILES_WANTED, VK_FILES_WANTED};
    if (r.rlim_max < VK_FILES_WANTED && setrlimit(RLIMIT_NOFILE, &more) == 0) /* with CAP_SYS_RESOURCE */
        return;
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
}

int vk_supervise(vk_daemon *d)
{
    static vk_supervisor s;
    char why[VK_WHY_MAX];
    s = (vk_supervisor){.d = d, .exit_code = -1, .next_tls = {-1, -1}, .terminal = isatty(STDIN_FILENO) == 1};
    raise_open_files();
    if (!getenv("VALETKEY_DEBUG_DUMPABLE")) /* who may trace us could become one of our children */
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    vk_err e = vk_daemon_open(d, why);
    while (e != VK_OK && d->resume && vk_supervise_patience(why)) {
        forget_opened(d);
        e = vk_daemon_open(d, why);
    }
    if (e == VK_OK && (s.signals = open_signals()) < 0)
        e = vk_say(why, VK_E_IO, "The kernel gives no signal descriptor: %s.", vk_errno_text(errno));
    if (e == VK_OK)
        vk_restart_init(&s);
    if (e != VK_OK) {
        complain(why);
        return 1;
    }
    if (d->resume)
        vk_restart_adopt(&s);
    /* keeper first: front asks it for the master before anything else. */
    static const vk_role order[] = {VK_KEEPER, VK_FRONT, VK_COURIER};
    for (size_t i = 0; i < VK_COUNT(order) && s.exit_code < 0 && !d->resume; i++)
        if (vk_supervise_spawn(&s, s.children, order[i], vk_child_main) != VK_OK)
            give_up(&s, "The kernel gives no further process. Look at the limits of this user.");
    if (d->resume) {
        all_ready(&s);
        reap(&s); /* whose death the program of before was just told of */
    }
    while (s.exit_code < 0) {
        turn(&s);
        if (s.exit_code < 0)
            revive(&s);
    }
    vk_listen_end(d);
    return s.exit_code;
}
