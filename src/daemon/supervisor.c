/* The supervisor: one thread, no library but the C one, no secret. It opens what is shared, forks the roles,
 * starts a role again that died, gives the others fresh connections to it, and ends all of them. */
#include "daemon/daemon.h"

#include "core/clock.h"
#include "daemon/role.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FAST_DEATHS = 5,        /* that many … */
    FAST_WINDOW_MS = 10000, /* … in that time are a fault that starting again does not cure */
    FAST_LIFE_MS = 1000,    /* a role that ends by itself within this time was never well */
    BACKOFF_MS = 10,        /* doubles with each fast death in the window */
    STOP_FRONT_MS = 11000,  /* front bounds itself to 10 s */
    STOP_OTHERS_MS = 2000,
};

typedef struct child {
    pid_t pid; /* 0: not running */
    int control;
    bool ready, was_ready;
    int64_t born_ms, again_ms; /* again_ms: when to start it (pid is 0) */
    int64_t fast[FAST_DEATHS]; /* times of the last fast deaths, oldest first; 0: none */
    char why[VK_WHY_MAX];      /* what it said before it died */
} child;

typedef struct supervisor {
    vk_daemon *d;
    child children[VK_ROLES];
    int signals;
    bool up; /* all were ready once */
    bool stopping, stop_others;
    int64_t kill_ms; /* while stopping: when patience ends */
    int exit_code;   /* -1: go on */
    int next_tls[2]; /* certificate and key that front has not taken yet; -1 */
    bool terminal;   /* standard input was one at the start */
} supervisor;

/* ---- sentences */

static void complain(const char *sentence)
{
    fprintf(stderr, "valetkey: %s\n", sentence);
}

static void tell_ready(const supervisor *s)
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

/* A connection between a role about to be born and one that lives: the far end goes out as a note. */
static int connect_to(supervisor *s, vk_role alive, vk_role newborn)
{
    int pair[2];
    if (s->children[alive].pid == 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    vk_err e = vk_note_send(s->children[alive].control, VK_NOTE_PEER, newborn, "", pair[1]);
    close(pair[1]);
    if (e == VK_OK)
        return pair[0];
    close(pair[0]); /* it is dying: its own rebirth makes the connection */
    return -1;
}

static vk_err spawn(supervisor *s, vk_role role)
{
    child *c = &s->children[role];
    int control[2];
    vk_child new = {.daemon = s->d, .role = role, .parent = getpid()};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, control) != 0)
        return VK_E_IO;
    new.control = control[1];
    for (int r = 0; r < VK_ROLES; r++)
        new.peer[r] = linked(role, (vk_role)r) ? connect_to(s, (vk_role)r, role) : -1;
    int64_t born_ms = vk_clock_mono_ms();
    pid_t pid = fork();
    if (pid == 0)
        _exit(vk_child_main(&new));
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

static void kill_all(supervisor *s)
{
    for (int r = 0; r < VK_ROLES; r++)
        if (s->children[r].pid)
            kill(s->children[r].pid, SIGKILL);
    for (int r = 0; r < VK_ROLES; r++)
        if (s->children[r].pid) {
            waitpid(s->children[r].pid, NULL, 0);
            s->children[r].pid = 0;
        }
}

static void give_up(supervisor *s, const char *sentence)
{
    complain(sentence);
    kill_all(s);
    s->exit_code = 1;
}

static void start_again_in(supervisor *s, vk_role role, int64_t ms)
{
    s->children[role].again_ms = vk_clock_mono_ms() + ms;
}

/* ---- notes */

static void all_ready(supervisor *s)
{
    for (int r = 0; r < VK_ROLES; r++)
        if (!s->children[r].ready)
            return;
    if (!s->up)
        tell_ready(s);
    s->up = true;
}

static void on_note(supervisor *s, vk_role from, const vk_note *n)
{
    child *c = &s->children[from], *other = &s->children[n->role];
    switch (n->kind) {
    case VK_NOTE_READY:
        c->ready = true;
        if (c->was_ready)
            vk_log(VK_INFO, "a role is ready again", VK_F(which, vk_role_name(from)),
                   VK_F(ms, vk_clock_mono_ms() - c->born_ms));
        c->was_ready = true;
        all_ready(s);
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

static void read_notes(supervisor *s, vk_role from)
{
    vk_note note;
    int fd;
    while (s->children[from].pid && vk_note_receive(s->children[from].control, &note, &fd) == VK_OK) {
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
static int fast_deaths(child *c)
{
    int64_t now = vk_clock_mono_ms();
    int n = 0;
    memmove(c->fast, c->fast + 1, sizeof c->fast - sizeof c->fast[0]);
    c->fast[FAST_DEATHS - 1] = now;
    for (int i = 0; i < FAST_DEATHS; i++)
        if (c->fast[i] && now - c->fast[i] <= FAST_WINDOW_MS)
            n++;
    return n;
}

static void after_death(supervisor *s, vk_role role, int status)
{
    child *c = &s->children[role];
    char how[128], sentence[VK_WHY_MAX + 256];
    describe(how, status);
    if (c->why[0] && !s->up) {
        give_up(s, c->why);
        return;
    }
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    bool fast = !c->ready || (!killed && vk_clock_mono_ms() - c->born_ms < FAST_LIFE_MS);
    int n = fast ? fast_deaths(c) : 0;
    if (n >= FAST_DEATHS && !killed) { /* who is killed from outside is only started more slowly */
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

static void reap(supervisor *s)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (int r = 0; r < VK_ROLES; r++) {
            child *c = &s->children[r];
            if (c->pid != pid)
                continue;
            read_notes(s, (vk_role)r);
            close(c->control);
            if (!s->stopping)
                after_death(s, (vk_role)r, status);
            c->pid = 0;
            c->ready = false;
        }
}

static void revive(supervisor *s)
{
    int64_t now = vk_clock_mono_ms();
    for (int r = 0; r < VK_ROLES && s->exit_code < 0 && !s->stopping; r++) {
        child *c = &s->children[r];
        if (c->pid || c->again_ms > now)
            continue;
        if (spawn(s, (vk_role)r) != VK_OK) {
            vk_log(VK_ERROR, "a role cannot be started", VK_F(which, vk_role_name((vk_role)r)),
                   VK_F(error, vk_errno_text(errno)));
            start_again_in(s, (vk_role)r, 1000);
        }
    }
}

/* ---- stopping */

static void tell_stop(supervisor *s, vk_role role)
{
    child *c = &s->children[role];
    if (c->pid && vk_note_send(c->control, VK_NOTE_STOP, role, "", -1) != VK_OK)
        kill(c->pid, SIGKILL);
}

static void begin_stop(supervisor *s)
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
    tell_stop(s, VK_FRONT);
}

/* front first: it may need the others to finish what it does. */
static void go_on_stopping(supervisor *s)
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

static void forget_next_tls(supervisor *s)
{
    for (int i = 0; i < 2; i++) {
        if (s->next_tls[i] >= 0)
            close(s->next_tls[i]);
        s->next_tls[i] = -1;
    }
}

/* What is there now goes to front, which says whether it can be used; until then the old one counts. */
static void reload(supervisor *s)
{
    char why[VK_WHY_MAX];
    forget_next_tls(s);
    if (vk_certificate_open(s->d, s->next_tls, why) != VK_OK) {
        vk_log(VK_ERROR, "the certificate stays as it was", VK_F(why, why));
        return;
    }
    const child *front = &s->children[VK_FRONT];
    if (!front->pid || !front->ready ||
        vk_note_send(front->control, VK_NOTE_CERT, VK_FRONT, "", s->next_tls[0]) != VK_OK ||
        vk_note_send(front->control, VK_NOTE_KEY, VK_FRONT, "", s->next_tls[1]) != VK_OK)
        vk_log(VK_ERROR, "the certificate stays as it was: front is just starting; send SIGHUP again");
}

/* SIGHUP has two meanings: the terminal has gone, or, where there are files to read again, do so. */
static void hang_up(supervisor *s)
{
    if (!s->d->config->tls || (s->terminal && !isatty(STDIN_FILENO)))
        begin_stop(s);
    else if (!s->stopping)
        reload(s);
}

/* ---- main loop */

static void read_signals(supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap(s);
        else if (info.ssi_signo == SIGHUP)
            hang_up(s);
        else
            begin_stop(s);
    }
}

static int patience(const supervisor *s)
{
    int64_t now = vk_clock_mono_ms(), until = s->stopping ? s->kill_ms : now + 3600000;
    for (int r = 0; r < VK_ROLES && !s->stopping; r++)
        if (s->children[r].pid == 0 && s->children[r].again_ms < until)
            until = s->children[r].again_ms;
    return until <= now ? 0 : (int)(until - now);
}

static void turn(supervisor *s)
{
    struct pollfd p[1 + VK_ROLES] = {{.fd = s->signals, .events = POLLIN}};
    for (int r = 0; r < VK_ROLES; r++)
        p[1 + r] = (struct pollfd){.fd = s->children[r].pid ? s->children[r].control : -1, .events = POLLIN};
    if (poll(p, VK_COUNT(p), patience(s)) < 0)
        return;
    for (int r = 0; r < VK_ROLES; r++)
        if (p[1 + r].revents & POLLIN)
            read_notes(s, (vk_role)r);
    /* A control socket at its end without a signal yet would make poll return at once: the death is only
     * moments away. */
    bool ended = false;
    for (int r = 0; r < VK_ROLES; r++)
        ended = ended || (p[1 + r].revents & (POLLHUP | POLLERR));
    read_signals(s);
    if (ended)
        poll(p, 1, 5);
    if (s->stopping && s->exit_code < 0)
        go_on_stopping(s);
}

static int open_signals(void)
{
    static const int watched[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < VK_COUNT(watched); i++)
        sigaddset(&set, watched[i]);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int vk_supervise(vk_daemon *d)
{
    static supervisor s;
    char why[VK_WHY_MAX];
    s = (supervisor){.d = d, .exit_code = -1, .next_tls = {-1, -1}, .terminal = isatty(STDIN_FILENO) == 1};
    if (!getenv("VALETKEY_DEBUG_DUMPABLE")) /* who may trace us could become one of our children */
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    vk_err e = vk_owners_find(d->config->user, &d->owners, why);
    if (e == VK_OK)
        e = vk_sandbox_probe(d->config->sandbox, &d->owners, &d->sandbox, why);
    if (e == VK_OK)
        e = vk_datadir_open(d, why);
    if (e == VK_OK)
        e = vk_owners_give(&d->owners, d->data_fd, d->data_dir, why);
    if (e == VK_OK)
        e = vk_certificate_open(d, d->tls_fds, why);
    if (e == VK_OK)
        e = vk_listen_all(d, why);
    if (e == VK_OK && (s.signals = open_signals()) < 0)
        e = vk_say(why, VK_E_IO, "The kernel gives no signal descriptor: %s.", vk_errno_text(errno));
    if (e != VK_OK) {
        complain(why);
        return 1;
    }
    /* keeper first: front asks it for the master before anything else. */
    static const vk_role order[] = {VK_KEEPER, VK_FRONT, VK_COURIER};
    for (size_t i = 0; i < VK_COUNT(order) && s.exit_code < 0; i++)
        if (spawn(&s, order[i]) != VK_OK)
            give_up(&s, "The kernel gives no further process. Look at the limits of this user.");
    while (s.exit_code < 0) {
        turn(&s);
        if (s.exit_code < 0)
            revive(&s);
    }
    vk_listen_end(d);
    return s.exit_code;
}
