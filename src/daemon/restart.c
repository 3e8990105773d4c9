/* A restart: another program, usually a newer one under the same name, takes this one's place, and no client
 * notices (docs/ARCHITECTURE.md, "Restart").
 *
 *   PREPARE  the program is started three times, as keeper, front and courier, beside the ones that serve.
 * Its front does everything but open the data. What cannot start says why; nothing has happened. YIELD    the
 * old front comes to rest and lets go of the data. It keeps the connections. TAKE     the new front opens the
 * data and serves. If it cannot: BACK, a front of the old program does. then     the old front gives its
 * connections to the one that serves. The supervisor executes the new program in its own process, which goes
 * on with the children by their ids: its process id, the lock and the listeners stay what they were.
 *
 * Whatever is killed on the way: children end with the supervisor, and a front that is killed is followed by
 * another one that starts on what is on the disk. */
#include "daemon/supervisor.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/json_write.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PREPARE_MS = 20000,
    YIELD_MS = 16000, /* front bounds itself to 9 s of patience, 3 s of force, 2 s for WebSockets */
    TAKE_MS = 15000,
    HOLDER_MS = 11000, /* front bounds itself to 10 s */
};

/* ---- what people see */

/* <data>/restart.json: how the last one went. `valetkey restart` waits for it. */
static void tell(const vk_supervisor *s, const char *state)
{
    vk_buf b;
    vk_buf_init(&b, 8192);
    vk_jw w = vk_jw_on(&b);
    vk_jw_obj(&w);
    vk_jw_ki64(&w, "number", s->restart.number);
    vk_jw_kstr(&w, "state", vk_str_z(state));
    vk_jw_kstr(&w, "version", VK_STR(VK_VERSION));
    if (s->restart.why[0])
        vk_jw_kstr(&w, "why", vk_str_z(s->restart.why));
    vk_jw_obj_end(&w);
    vk_buf_ch(&b, '\n');
    vk_err e = b.err ? b.err : vk_disk_replace(s->d->data_fd, "restart.json", vk_buf_view(&b), 0600);
    if (e != VK_OK)
        vk_log(VK_WARN, "restart.json could not be written; `valetkey restart` will not know how it went",
               VK_F(error, vk_err_name(e)));
    vk_buf_free(&b);
}

/* ---- processes */

static void end_now(vk_process *p)
{
    if (!p->pid)
        return;
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
    close(p->control);
    *p = (vk_process){.pid = 0};
}

/* `p` has `ms` to end by itself. Fronts of several restarts may be there, which encrypt for their clients;
 * when there is no room the one that has the least time left goes. Where it is now. */
static vk_process *let_leave(vk_supervisor *s, const vk_process *p, int64_t ms)
{
    vk_leaving *to = NULL;
    for (size_t i = 0; i < VK_COUNT(s->restart.leaving); i++) {
        vk_leaving *l = &s->restart.leaving[i];
        if (!l->p.pid)
            l->kill_ms = 0;
        if (!to || l->kill_ms < to->kill_ms)
            to = l;
    }
    end_now(&to->p);
    *to = (vk_leaving){.p = *p, .kill_ms = vk_clock_mono_ms() + ms};
    return &to->p;
}

static void end_next(vk_supervisor *s)
{
    for (int r = 0; r < VK_ROLES; r++)
        end_now(&s->restart.next[r]);
}

static void close_program(vk_restart *x)
{
    if (x->program_fd >= 0)
        close(x->program_fd);
    x->program_fd = -1;
}

static void failed(vk_supervisor *s)
{
    s->restart.phase = VK_RESTART_NONE;
    close_program(&s->restart);
    vk_log(VK_ERROR, "the restart failed; the program goes on as it was", VK_F(why, s->restart.why));
    tell(s, "failed");
    vk_notify("READY=1\nSTATUS=serving; the last restart failed\n");
}

/* The new program cannot. Before the old front was told to yield, nothing has happened; once it was, it does,
 * and after it a front of this program takes the data instead. */
static void give_up(vk_supervisor *s, const char *why)
{
    vk_restart *x = &s->restart;
    if (x->phase == VK_RESTART_NONE || x->phase == VK_RESTART_BACK)
        return;
    if (!x->why[0])
        snprintf(x->why, sizeof x->why, "%s", why);
    end_next(s);
    if (x->phase == VK_RESTART_PREPARE) {
        failed(s);
    } else if (x->phase == VK_RESTART_TAKE) {
        x->phase = VK_RESTART_BACK;
        s->children[VK_FRONT].again_ms = 0;
    }
}

/* ---- the new program's processes */

static void describe(vk_supervisor *s, vk_resume *r)
{
    const vk_daemon *d = s->d;
    *r = (vk_resume){.role = VK_ROLES,
                     .parent = getpid(),
                     .control = -1,
                     .lock_fd = d->lock_fd,
                     .admin_fd = d->admin_fd,
                     .number = s->restart.number};
    for (size_t i = 0; i < VK_ROLES; i++)
        r->peer[i] = -1;
    for (size_t i = 0; i < d->n_listeners; i++) {
        vk_given *g = &r->given[r->n_given++];
        int service = d->listeners[i].service;
        snprintf(g->name, sizeof g->name, "%s", vk_listen_name(service < 0 ? VK_CONSOLE : (size_t)service));
        g->fd = d->listeners[i].fd;
    }
}

static char **arguments(const vk_daemon *d)
{
    char **argv = calloc((size_t)d->argc + 2, sizeof *argv);
    static char name[] = "valetkey", serve[] = "serve";
    if (!argv)
        return NULL;
    argv[0] = name;
    argv[1] = serve;
    for (int i = 1; i < d->argc; i++)
        argv[i + 1] = d->argv[i];
    return argv;
}

static vk_supervisor *the_supervisor; /* vk_supervise_spawn's `run` takes none */

/* In the forked process: becomes the new program. */
static int run_program(const vk_child *c)
{
    vk_supervisor *s = the_supervisor;
    vk_resume r;
    char **argv = arguments(s->d);
    describe(s, &r);
    r.role = c->role;
    r.parent = c->parent;
    r.control = c->control;
    r.standby = c->role == VK_FRONT;
    memcpy(r.peer, c->peer, sizeof r.peer);
    if (!argv || vk_resume_write(&r) < 0)
        return 1;
    fexecve(s->restart.program_fd, argv, environ);
    char why[VK_WHY_MAX];
    vk_say(why, VK_E_IO, "%.500s cannot be executed: %s.", s->restart.program, vk_errno_text(errno));
    vk_err told = vk_note_send(c->control, VK_NOTE_FATAL, c->role, why, -1);
    return told == VK_OK ? 1 : 2;
}

void vk_restart_init(vk_supervisor *s)
{
    static const char gone[] = " (deleted)"; /* proc(5) */
    vk_restart *x = &s->restart;
    /* Now: after an upgrade it would be the name of a file that is gone. */
    ssize_t n = readlink("/proc/self/exe", x->program, sizeof x->program - 1);
    x->program[n > 0 ? n : 0] = '\0';
    /* Another file was renamed over it since it was opened: the name is good. */
    size_t at = strlen(x->program), mark = strlen(gone);
    if (at > mark && strcmp(x->program + at - mark, gone) == 0)
        x->program[at - mark] = '\0';
    x->program_fd = -1;
    the_supervisor = s;
    if (!s->d->resume && unlinkat(s->d->data_fd, "restart.json", 0) != 0 && errno != ENOENT)
        vk_log(VK_WARN, "restart.json of an earlier daemon cannot be removed",
               VK_F(error, vk_errno_text(errno)));
}

void vk_restart_begin(vk_supervisor *s)
{
    static const vk_role order[] = {VK_KEEPER, VK_FRONT, VK_COURIER};
    vk_restart *x = &s->restart;
    if (x->phase != VK_RESTART_NONE || s->stopping || !s->up) {
        vk_log(VK_WARN, "told to restart, but it is restarting, starting or stopping as it is");
        return;
    }
    x->holder = NULL;
    x->number++;
    x->why[0] = '\0';
    x->phase = VK_RESTART_PREPARE;
    x->due_ms = vk_clock_mono_ms() + PREPARE_MS;
    vk_log(VK_INFO, "restarting", VK_F(program, x->program));
    char state[96];
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=restarting\n",
             (long long)vk_clock_mono_ns() / 1000);
    vk_notify(state);
    tell(s, "running");
    x->program_fd = open(x->program, O_RDONLY | O_CLOEXEC);
    if (x->program_fd < 0) {
        vk_say(x->why, VK_E_IO, "%.500s cannot be opened: %s.", x->program, vk_errno_text(errno));
        give_up(s, x->why);
        return;
    }
    for (size_t i = 0; i < VK_COUNT(order); i++)
        if (vk_supervise_spawn(s, x->next, order[i], run_program) != VK_OK) {
            give_up(s, "The kernel gives no further process. Look at the limits of this user.");
            return;
        }
}

/* ---- the old front rests */

static void ask_to_yield(vk_supervisor *s)
{
    vk_restart *x = &s->restart;
    const vk_process *front = &s->children[VK_FRONT];
    x->phase = VK_RESTART_YIELD;
    x->due_ms = vk_clock_mono_ms() + YIELD_MS;
    if (!front->pid)
        vk_restart_yielded(s);
    else if (vk_note_send(front->control, VK_NOTE_YIELD, VK_FRONT, "", -1) != VK_OK || !front->ready)
        kill(front->pid, SIGKILL); /* just starting, or just ending: it serves nobody */
}

void vk_restart_yielded(vk_supervisor *s)
{
    vk_restart *x = &s->restart;
    vk_process *front = &s->children[VK_FRONT];
    if (x->phase != VK_RESTART_YIELD || s->stopping)
        return;
    x->holder = front->pid ? let_leave(s, front, YIELD_MS + TAKE_MS + HOLDER_MS) : NULL;
    *front = (vk_process){.pid = 0};
    x->phase = VK_RESTART_TAKE;
    x->due_ms = vk_clock_mono_ms() + TAKE_MS;
    if (x->why[0])
        give_up(s, x->why);
    else if (vk_note_send(x->next[VK_FRONT].control, VK_NOTE_GO, VK_FRONT, "", -1) != VK_OK)
        give_up(s, "The new program's front ended before it had begun.");
}

bool vk_restart_has_data(const vk_supervisor *s)
{
    return s->restart.phase == VK_RESTART_YIELD || s->restart.phase == VK_RESTART_TAKE;
}

/* ---- the end of it */

/* The connections that wait go from the front that held them to the one that serves. */
static void hand_over(vk_supervisor *s)
{
    vk_restart *x = &s->restart;
    int pair[2];
    if (!x->holder || !x->holder->pid)
        return;
    bool ok = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0;
    if (ok) {
        ok = vk_note_send(s->children[VK_FRONT].control, VK_NOTE_TAKE, VK_FRONT, "", pair[0]) == VK_OK &&
             vk_note_send(x->holder->control, VK_NOTE_GIVE, VK_FRONT, "", pair[1]) == VK_OK;
        close(pair[0]);
        close(pair[1]);
    }
    if (!ok) {
        vk_log(VK_ERROR, "the connections of before could not be handed over: they are closed");
        kill(x->holder->pid, SIGKILL);
    }
    for (size_t i = 0; i < VK_COUNT(x->leaving); i++)
        if (&x->leaving[i].p == x->holder)
            x->leaving[i].kill_ms = vk_clock_mono_ms() + HOLDER_MS;
    x->holder = NULL;
}

static void become(vk_supervisor *s)
{
    vk_restart *x = &s->restart;
    vk_resume r;
    char **argv = arguments(s->d);
    describe(s, &r);
    for (size_t i = 0; i < VK_ROLES; i++)
        r.children[i] = (vk_resume_child){s->children[i].pid, s->children[i].control};
    for (size_t i = 0; i < VK_COUNT(x->leaving); i++)
        if (x->leaving[i].p.pid)
            r.left[r.n_left++] = (vk_resume_child){x->leaving[i].p.pid, x->leaving[i].p.control};
    int fd = argv ? vk_resume_write(&r) : -1;
    if (fd >= 0) {
        fexecve(x->program_fd, argv, environ);
        vk_log(VK_ERROR, "the new program serves, but could not take the supervisor's place",
               VK_F(error, vk_errno_text(errno)));
        vk_resume_undo(&r, fd);
    }
    free(argv);
    close_program(x);
    tell(s, "done");
    vk_notify("READY=1\nSTATUS=serving\n");
}

static void succeed(vk_supervisor *s)
{
    static const vk_role others[] = {VK_KEEPER, VK_COURIER};
    vk_restart *x = &s->restart;
    for (size_t i = 0; i < VK_COUNT(others); i++) {
        vk_process *old = &s->children[others[i]];
        if (!old->pid)
            continue;
        if (vk_note_send(old->control, VK_NOTE_STOP, others[i], "", -1) != VK_OK)
            kill(old->pid, SIGKILL);
        let_leave(s, old, VK_STOP_OTHERS_MS);
    }
    memcpy(s->children, x->next, sizeof s->children);
    memset(x->next, 0, sizeof x->next);
    x->phase = VK_RESTART_NONE;
    hand_over(s);
    become(s);
}

void vk_restart_front_ready(vk_supervisor *s)
{
    if (s->restart.phase != VK_RESTART_BACK)
        return;
    hand_over(s);
    failed(s);
}

void vk_restart_adopt(vk_supervisor *s)
{
    const vk_resume *r = s->d->resume;
    int64_t now = vk_clock_mono_ms();
    prctl(PR_SET_NAME, "valetkey"); /* executed by its descriptor, it is called after that */
    s->restart.number = r->number;
    for (int i = 0; i < VK_ROLES; i++)
        s->children[i] = (vk_process){.pid = r->children[i].pid,
                                      .control = r->children[i].control,
                                      .ready = r->children[i].pid != 0,
                                      .was_ready = true,
                                      .born_ms = now};
    for (size_t i = 0; i < r->n_left; i++)
        s->restart.leaving[i] = (vk_leaving){.p = {.pid = r->left[i].pid, .control = r->left[i].control},
                                             .kill_ms = now + HOLDER_MS};
    vk_log(VK_INFO, "restarted", VK_F(version, VK_VERSION));
    tell(s, "done");
}

/* ---- deaths, times, notes */

void vk_restart_abandon(vk_supervisor *s)
{
    vk_restart *x = &s->restart;
    if (x->phase != VK_RESTART_NONE) {
        vk_say(x->why, VK_E_UNAVAILABLE, "The daemon was told to stop meanwhile.");
        tell(s, "failed");
    }
    end_next(s);
    for (size_t i = 0; i < VK_COUNT(x->leaving); i++)
        end_now(&x->leaving[i].p);
    x->holder = NULL;
    close_program(x);
    x->phase = VK_RESTART_NONE;
}

static void read_notes(vk_supervisor *s, vk_role from);

bool vk_restart_reaped(vk_supervisor *s, pid_t pid, int status)
{
    vk_restart *x = &s->restart;
    for (size_t i = 0; i < VK_COUNT(x->leaving); i++) {
        vk_process *p = &x->leaving[i].p;
        if (p->pid != pid)
            continue;
        if (p == x->holder)
            x->holder = NULL;
        close(p->control);
        *p = (vk_process){.pid = 0};
        return true;
    }
    for (int r = 0; r < VK_ROLES; r++) {
        vk_process *p = &x->next[r];
        char why[VK_WHY_MAX];
        if (p->pid != pid)
            continue;
        x->reaping = true;
        read_notes(s, (vk_role)r);
        x->reaping = false;
        bool said = p->why[0] != '\0';
        if (WIFSIGNALED(status))
            snprintf(why, sizeof why, "%s of the new program was ended by signal %d (%s).",
                     vk_role_name((vk_role)r), WTERMSIG(status), strsignal(WTERMSIG(status)));
        else
            snprintf(why, sizeof why, "%s of the new program exited with code %d; the log may say why.",
                     vk_role_name((vk_role)r), WEXITSTATUS(status));
        if (said)
            memcpy(why, p->why, sizeof why);
        close(p->control);
        *p = (vk_process){.pid = 0};
        give_up(s, why);
        return true;
    }
    return false;
}

static void on_note(vk_supervisor *s, vk_role from, const vk_note *n)
{
    vk_restart *x = &s->restart;
    vk_process *p = &x->next[from];
    if (n->kind == VK_NOTE_FATAL) {
        memcpy(p->why, n->text, sizeof p->why);
        return;
    }
    if (x->reaping) /* it has ended, whatever it said before */
        return;
    if (n->kind == VK_NOTE_READY && from == VK_FRONT && x->phase == VK_RESTART_TAKE) {
        p->ready = p->was_ready = true;
        succeed(s); /* comes back only if the program could not be executed */
        return;
    }
    if (n->kind != VK_NOTE_READY && n->kind != VK_NOTE_STANDBY)
        return;
    p->ready = p->was_ready = true;
    bool all = x->phase == VK_RESTART_PREPARE;
    for (int r = 0; r < VK_ROLES; r++)
        all = all && x->next[r].ready;
    if (all) {
        x->next[VK_FRONT].ready = false; /* that was standing by */
        ask_to_yield(s);
    }
}

static void read_notes(vk_supervisor *s, vk_role from)
{
    vk_note note;
    int fd;
    for (int i = 0; i < VK_NOTES_TURN && s->restart.next[from].pid &&
                    vk_note_receive(s->restart.next[from].control, &note, &fd) == VK_OK;
         i++) {
        if (fd >= 0)
            close(fd);
        on_note(s, from, &note);
    }
}

void vk_restart_poll(const vk_supervisor *s, struct pollfd *p)
{
    for (int r = 0; r < VK_ROLES; r++) {
        const vk_process *n = &s->restart.next[r];
        p[r] = (struct pollfd){.fd = n->pid ? n->control : -1, .events = POLLIN};
    }
}

void vk_restart_turn(vk_supervisor *s)
{
    vk_restart *x = &s->restart;
    int64_t now = vk_clock_mono_ms();
    for (int r = 0; r < VK_ROLES; r++)
        read_notes(s, (vk_role)r);
    for (size_t i = 0; i < VK_COUNT(x->leaving); i++)
        if (x->leaving[i].p.pid && now >= x->leaving[i].kill_ms) {
            kill(x->leaving[i].p.pid, SIGKILL);
            x->leaving[i].kill_ms = now + VK_STOP_OTHERS_MS;
        }
    if (x->phase == VK_RESTART_NONE || x->phase == VK_RESTART_BACK || now < x->due_ms)
        return;
    if (x->phase == VK_RESTART_YIELD) {
        vk_log(VK_ERROR, "front does not come to rest: ending it");
        kill(s->children[VK_FRONT].pid, SIGKILL); /* its death counts as yielding */
        x->due_ms = now + VK_STOP_OTHERS_MS;
        return;
    }
    give_up(s, x->phase == VK_RESTART_PREPARE ? "The new program was not ready in time."
                                              : "The new program's front did not open the data in time.");
}

int64_t vk_restart_due(const vk_supervisor *s)
{
    const vk_restart *x = &s->restart;
    int64_t due = x->phase == VK_RESTART_NONE || x->phase == VK_RESTART_BACK ? 0 : x->due_ms;
    for (size_t i = 0; i < VK_COUNT(x->leaving); i++)
        if (x->leaving[i].p.pid && (!due || x->leaving[i].kill_ms < due))
            due = x->leaving[i].kill_ms;
    return due;
}
