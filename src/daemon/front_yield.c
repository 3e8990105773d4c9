/* How front gives its place to the next one, without a request that fails for it.
 *
 * Two fronts never have the data at the same time: locks, syncs, caches of keys and the write turns of builds
 * are one process's affair (docs/ARCHITECTURE.md, "Restart"). So this one stops everything (PROBE): no
 * connection is accepted and no request begun. What is under way ends within milliseconds, and if nothing of
 * a client is open then, no transaction above all, it lets go of the data. Otherwise all goes on (PAUSE), and
 * some time later it is tried again. Where there is always somebody's transaction, such a moment does not
 * come by itself: then only requests that go on with one are let in for a short while (SIFT), so that no
 * other begins. When all patience is over (FORCE) what is open is cut as by SIGTERM.
 *
 * Loop 0 decides, on a timer of its own; the other loops do what their tasks say. */
#include "daemon/front.h"

#include "core/clock.h"

#include <sys/socket.h>
#include <unistd.h>

enum {
    LOOK_MS = 1,         /* between two looks at whether all is at rest */
    OPEN_MS = 5,         /* at rest, but with something open: its client waits for us as we for it */
    AGAIN_OPEN_MS = 40,  /* after that */
    AGAIN_BUSY_MS = 400, /* after a probe that did not come to rest */
    SIFT_AFTER_MS = 300, /* from when on it is sifted */
    SIFT_MS = 250,       /* the first time */
    SIFT_MAX_MS = 1000,
    FORCE_MS = 3000, /* for what was interrupted to end */
    OTHERS_MS = 150, /* for peers of WebSockets to take the reason … */
    OTHERS_MAX_MS = 2000,
    GIVE_MS = 2000, /* for the next front to take one connection */
};

typedef enum phase { SERVING, PROBE, PAUSE, SIFT, FORCE, OTHERS, YIELDED, GIVING } phase;

static struct {
    uv_timer_t timer;
    phase phase;
    int64_t begun_ms, since_ms, rest_ms; /* of all; of the phase; at rest, 0: not yet */
    int64_t sift_ms, sift_most;          /* not before; not for longer, 0: SIFT_MS */
    _Atomic size_t stepped;              /* loops that have done their task */
    bool insisted;
    int to;
    vk_timer patience;
} y;

/* ---- steps of every loop */

static void on_all_loops(vk_front *f, void (*step)(vk_task *t))
{
    atomic_store(&y.stepped, 0);
    for (size_t i = 1; i < f->rt.n_loops; i++)
        f->loops[i]->step.run = step;
    /* Loop 0 first: what it has accepted and handed over arrives before these. */
    step(&f->loops[0]->step);
    for (size_t i = 1; i < f->rt.n_loops; i++)
        vk_loop_post(f->rt.loops[i], &f->loops[i]->step);
}

#define EACH_SERVER(l, s)                                                                                    \
    for (size_t i_ = 0; i_ <= (l)->front->n_services + 1; i_++)                                              \
        for (vk_server *s = vk_front_server(l, i_); s; s = NULL)

#define STEP(name, action)                                                                                   \
    static void name(vk_task *t)                                                                             \
    {                                                                                                        \
        vk_front_loop *l = VK_CONTAINER(t, vk_front_loop, step);                                             \
        EACH_SERVER(l, s)                                                                                    \
        {                                                                                                    \
            action;                                                                                          \
        }                                                                                                    \
        atomic_fetch_add(&y.stepped, 1);                                                                     \
    }

STEP(park, vk_server_park(s))
STEP(unpark, vk_server_unpark(s))
/* Services by their places; who asks the daemon itself has nothing open. */
STEP(sift, vk_server_sift(s, i_ < l->front->n_services ? l->front->services[i_]->goes_on : NULL))
STEP(hasten, vk_server_hasten(s))
STEP(end_others, vk_server_end_others(s))

static bool all_stepped(const vk_front *f)
{
    return atomic_load(&y.stepped) == f->rt.n_loops;
}

/* ---- what there is */

static bool at_rest(vk_front *f)
{
    for (size_t k = 0; k < f->rt.n_loops; k++)
        EACH_SERVER(f->loops[k], s)
        {
            if (atomic_load_explicit(&s->n_ex, memory_order_acquire))
                return false;
        }
    return true;
}

static bool others_gone(vk_front *f)
{
    for (size_t k = 0; k < f->rt.n_loops; k++)
        EACH_SERVER(f->loops[k], s)
        {
            if (atomic_load_explicit(&s->n_other, memory_order_acquire))
                return false;
        }
    return true;
}

static vk_lasting lasting(const vk_front *f)
{
    vk_lasting sum = {0};
    for (size_t i = 0; i < f->n_started; i++)
        if (f->services[i]->lasting)
            f->services[i]->lasting(&sum);
    return sum;
}

static bool nothing(vk_lasting x)
{
    return x.open == 0 && x.requests == 0;
}

/* ---- phases */

static void tick(uv_timer_t *t);

static void enter(phase next, uint64_t ms)
{
    y.phase = next;
    y.since_ms = vk_clock_mono_ms();
    y.rest_ms = 0;
    uv_timer_start(&y.timer, tick, ms, LOOK_MS);
}

static void probe(vk_front *f)
{
    enter(PROBE, LOOK_MS);
    on_all_loops(f, park);
}

/* What cannot be brought to rest ends with the process; the next one starts on what is on the disk, as after
 * any kill. Connections are lost then. */
static void give_up(const char *what)
{
    vk_log(VK_ERROR, "requests could not be ended for the restart; ending without them", VK_F(which, what));
    _exit(1);
}

static void force(vk_front *f)
{
    vk_log(VK_WARN, "something is still open after all patience; the restart ends it",
           VK_F(seconds, VK_YIELD_PATIENCE_MS / 1000), VK_F(open, lasting(f).open));
    enter(FORCE, LOOK_MS);
    for (size_t i = 0; i < f->n_started; i++)
        if (f->services[i]->hurry)
            f->services[i]->hurry();
    on_all_loops(f, hasten);
}

static void let_go(vk_front *f)
{
    uv_timer_stop(&y.timer);
    y.phase = YIELDED;
    f->stopping = true;
    atomic_store(&f->rt.yielding, true);
    vk_front_peers_end(f);
    vk_front_let_go(f);
    vk_log(VK_INFO, "at rest: another process goes on", VK_F(waited_ms, vk_clock_mono_ms() - y.begun_ms));
    if (vk_note_send(f->child->control, VK_NOTE_YIELD, VK_FRONT, "", -1) != VK_OK)
        _exit(1);
}

static void end_sockets(vk_front *f)
{
    enter(OTHERS, LOOK_MS);
    y.insisted = false;
    on_all_loops(f, end_others);
}

static void look_at_probe(vk_front *f, int64_t now)
{
    if (!all_stepped(f))
        return;
    bool rest = at_rest(f);
    vk_lasting there = lasting(f);
    if (rest && nothing(there)) {
        end_sockets(f);
        return;
    }
    if (now - y.begun_ms >= VK_YIELD_PATIENCE_MS) {
        force(f);
        return;
    }
    if (rest && !y.rest_ms)
        y.rest_ms = now;
    bool stuck = rest && now - y.rest_ms >= OPEN_MS;
    if (!stuck && now - y.since_ms < VK_YIELD_PROBE_MS)
        return;
    if (there.open && now - y.begun_ms >= SIFT_AFTER_MS && now >= y.sift_ms) {
        enter(SIFT, LOOK_MS);
        on_all_loops(f, sift);
    } else {
        enter(PAUSE, stuck ? AGAIN_OPEN_MS : AGAIN_BUSY_MS);
        on_all_loops(f, unpark);
    }
}

/* When that was in vain, a longer one later. */
static void look_at_sift(vk_front *f, int64_t now)
{
    int64_t most = y.sift_most ? y.sift_most : SIFT_MS;
    bool late = now - y.since_ms >= most;
    if (!all_stepped(f) || !(late || (at_rest(f) && nothing(lasting(f)))))
        return;
    if (late) {
        y.sift_ms = now + 2 * most;
        y.sift_most = 2 * most < SIFT_MAX_MS ? 2 * most : SIFT_MAX_MS;
    }
    probe(f); /* everything stops: now nothing should be open */
}

static void tick(uv_timer_t *t)
{
    vk_front *f = t->data;
    int64_t now = vk_clock_mono_ms(), in_phase = now - y.since_ms;
    switch (y.phase) {
    case PROBE:
        look_at_probe(f, now);
        break;
    case PAUSE:
        if (all_stepped(f))
            probe(f);
        break;
    case SIFT:
        look_at_sift(f, now);
        break;
    case FORCE:
        if (all_stepped(f) && at_rest(f))
            end_sockets(f);
        else if (in_phase >= FORCE_MS)
            give_up("requests");
        break;
    case OTHERS:
        if (all_stepped(f) && others_gone(f)) {
            let_go(f);
        } else if (all_stepped(f) && in_phase >= OTHERS_MS && !y.insisted) {
            y.insisted = true;
            on_all_loops(f, end_others);
        } else if (in_phase >= OTHERS_MAX_MS) {
            give_up("websockets");
        }
        break;
    default:
        uv_timer_stop(t);
    }
}

void vk_front_yield(vk_front *f)
{
    if (y.phase != SERVING)
        return;
    y.begun_ms = vk_clock_mono_ms();
    uv_timer_init(&f->rt.loops[0]->uv, &y.timer);
    y.timer.data = f;
    probe(f);
}

bool vk_front_keep(vk_front *f)
{
    if (y.phase == YIELDED || y.phase == GIVING)
        return false;
    if (y.phase != SERVING) {
        uv_timer_stop(&y.timer);
        y.phase = SERVING;
        while (!all_stepped(f)) /* loops do not block: their tasks are about to be done, and free again */
            usleep(100);
        on_all_loops(f, unpark);
    }
    return true;
}

/* ---- giving */

static void ended(vk_front *f)
{
    VK_UNUSED(f);
    _exit(0);
}

static void too_late(vk_timer *t)
{
    VK_UNUSED(t);
    vk_log(VK_INFO, "connections under TLS have had their time; the last ones end with this process",
           VK_F(seconds, VK_FRONT_DRAIN_MS / 1000));
    _exit(0);
}

/* The listener's port names it: numbers of services may differ between two versions. */
static uint32_t listener_name(const vk_front *f, size_t i)
{
    return i > f->n_services ? 0 : (uint32_t)f->rt.listen[i < f->n_services ? i : VK_CONSOLE].port;
}

static void give(vk_task *t)
{
    vk_front_loop *l = VK_CONTAINER(t, vk_front_loop, step);
    for (size_t i = 0; i <= l->front->n_services + 1; i++) {
        vk_server *s = vk_front_server(l, i);
        if (s)
            vk_server_pass(s, y.to, listener_name(l->front, i));
    }
    if (atomic_fetch_add(&y.stepped, 1) + 1 == l->front->rt.n_loops)
        close(y.to); /* the reader sees the end */
}

bool vk_front_give(vk_front *f, int to)
{
    struct timeval patience = {.tv_sec = GIVE_MS / 1000};
    if (y.phase != YIELDED)
        return false;
    y.phase = GIVING;
    y.to = to;
    setsockopt(to, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    vk_timer_set(f->rt.loops[0], &y.patience, VK_FRONT_DRAIN_MS, too_late);
    on_all_loops(f, give);
    vk_front_close(f, ended); /* relays go on until they end */
    return true;
}
