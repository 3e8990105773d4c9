/* Builds that wait for keeper, looked after one at a time, again and again, until each is what it has to be:
 * whole, failed, or gone. */
#include "admin/lifecycle.h"
#include "admin/making.h"
#include "admin/parting.h"
#include "core/clock.h"
#include "core/log.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    WATCHED_MAX = 16384,
    PAUSE_MS = 500,       /* between two rounds; doubles while none of them comes to an end, … */
    PAUSE_MOST_MS = 5000, /* … up to this */
    ARENA = 256 * 1024,
};

typedef struct watched {
    char build[VK_BUILD_ID_MAX + 1];
    uint64_t generation;
    bool over; /* needs no more */
} watched;

static struct watch {
    pthread_mutex_t mu;
    vk_runtime *rt; /* NULL: not started */
    watched *of;    /* under `mu`, as the three below */
    size_t n, room;
    bool armed; /* the timer, or a round */
    _Atomic bool stopped;
    vk_task wake;
    vk_timer timer;
    /* of the round */
    size_t at;
    int64_t pause_ms;
    watched now;
    vk_arena *arena;
    vk_making making;
    vk_parting parting;
    vk_job job;
    vk_task next;
    char folder[VK_DELETED_FOLDER];
} w = {.mu = PTHREAD_MUTEX_INITIALIZER};

/* ---- one build */

static void go_on(vk_task *t);

/* From any thread: that was one. */
static void looked_at(bool over)
{
    vk_arena_free(w.arena);
    w.arena = NULL;
    w.now.over = over;
    w.next.run = go_on;
    vk_loop_post(w.rt->loops[0], &w.next);
}

static void made(vk_making *m)
{
    bool again =
        m->err == VK_E_UNAVAILABLE || m->err == VK_E_TIMEOUT || m->err == VK_E_BUSY || m->err == VK_E_NOMEM;
    if (m->err != VK_OK && !again && m->err != VK_E_NOT_FOUND)
        vk_log(VK_WARN, "a build is not complete", VK_F(build, m->build), VK_F(why, m->why));
    looked_at(m->err == VK_OK ? !m->waits : !again);
}

static void remove_folder(vk_job *j)
{
    VK_UNUSED(j);
    vk_err e = vk_deletion_remove(w.rt->data_fd, w.folder);
    if (e != VK_OK)
        vk_log(VK_ERROR, "the data of a deleted build could not be removed", VK_F(build, w.now.build),
               VK_F(folder, w.folder), VK_F(error, vk_err_name(e)));
    looked_at(true); /* what is left goes at the next start */
}

static void take_away(vk_job *j)
{
    VK_UNUSED(j);
    vk_err e =
        vk_deletion_take(w.rt->store, w.rt->data_fd, vk_str_z(w.now.build), w.now.generation, w.folder);
    if (e == VK_OK)
        vk_log(VK_INFO, "finished deleting a build", VK_F(build, w.now.build));
    w.job.run = remove_folder;
    if (e != VK_OK || !w.folder[0])
        looked_at(e == VK_OK);
    else if (vk_lane_add(w.rt->files, &w.job) != VK_OK)
        remove_folder(&w.job);
}

static void parted(vk_parting *p, vk_err e)
{
    VK_UNUSED(p);
    w.job.run = take_away;
    if (w.stopped || e != VK_OK || vk_lane_add(w.rt->meta, &w.job) != VK_OK)
        looked_at(false);
}

static void look(vk_job *j)
{
    vk_store *s = w.rt->store;
    vk_build b;
    VK_UNUSED(j);
    vk_err e = s->ops->build_get(s, NULL, vk_str_z(w.now.build), &b);
    if (e == VK_E_NOT_FOUND || (e == VK_OK && b.generation != w.now.generation)) {
        looked_at(true);
    } else if (e != VK_OK) {
        looked_at(false);
    } else if (b.state == VK_BUILD_DELETING) {
        w.parting = (vk_parting){.rt = w.rt, .arena = w.arena, .generation = b.generation, .done = parted};
        memcpy(w.parting.build, b.id, sizeof b.id);
        vk_parting_run(&w.parting);
    } else {
        w.making = (vk_making){.rt = w.rt,
                               .arena = w.arena,
                               .generation = b.generation,
                               .how = VK_MAKING_MISSING,
                               .give_up = &w.stopped,
                               .done = made};
        memcpy(w.making.build, b.id, sizeof b.id);
        vk_making_run(&w.making);
    }
}

/* ---- the rounds, on loops[0] */

static void begin_round(vk_timer *t);

static void end_round(void)
{
    pthread_mutex_lock(&w.mu);
    size_t kept = 0;
    for (size_t i = 0; i < w.n; i++)
        if (!w.of[i].over)
            w.of[kept++] = w.of[i];
    w.pause_ms = kept < w.n ? PAUSE_MS : 2 * w.pause_ms < PAUSE_MOST_MS ? 2 * w.pause_ms : PAUSE_MOST_MS;
    w.n = kept;
    w.armed = kept > 0 && !w.stopped;
    bool more = w.armed;
    pthread_mutex_unlock(&w.mu);
    if (more)
        vk_timer_set(w.rt->loops[0], &w.timer, w.pause_ms, begin_round);
}

/* The list only grows during a round, so a place stays what it is. */
static bool next_one(void)
{
    pthread_mutex_lock(&w.mu);
    bool more = !w.stopped && w.at < w.n;
    if (more)
        w.now = w.of[w.at];
    pthread_mutex_unlock(&w.mu);
    return more;
}

static void look_at_next(void)
{
    if (!next_one()) {
        end_round();
        return;
    }
    w.arena = vk_arena_new(ARENA);
    w.job.run = look;
    if (!w.arena || vk_lane_add(w.rt->meta, &w.job) != VK_OK)
        looked_at(false);
}

static void go_on(vk_task *t)
{
    VK_UNUSED(t);
    pthread_mutex_lock(&w.mu);
    w.of[w.at].over = w.now.over;
    pthread_mutex_unlock(&w.mu);
    w.at++;
    look_at_next();
}

static void begin_round(vk_timer *t)
{
    VK_UNUSED(t);
    w.at = 0;
    look_at_next();
}

static void woken(vk_task *t)
{
    VK_UNUSED(t);
    if (!w.stopped)
        vk_timer_set(w.rt->loops[0], &w.timer, PAUSE_MS, begin_round);
}

/* ---- who is watched */

static bool known(const char *build, uint64_t generation)
{
    for (size_t i = 0; i < w.n; i++)
        if (w.of[i].generation == generation && strcmp(w.of[i].build, build) == 0) {
            w.of[i].over = false; /* may be under way for the last time just now */
            return true;
        }
    return false;
}

static bool grow(void)
{
    size_t room = w.room ? 2 * w.room : 64;
    if (w.n < w.room)
        return true;
    watched *more = w.n < WATCHED_MAX ? realloc(w.of, room * sizeof *more) : NULL;
    if (!more)
        return false;
    w.of = more;
    w.room = room;
    return true;
}

void vk_making_watch(const char *build, uint64_t generation)
{
    pthread_mutex_lock(&w.mu);
    bool on = w.rt && !w.stopped, wake = false, full = false;
    if (on && !known(build, generation)) {
        full = !grow();
        if (!full) {
            watched *x = &w.of[w.n++];
            *x = (watched){.generation = generation};
            snprintf(x->build, sizeof x->build, "%s", build);
            w.pause_ms = PAUSE_MS;
        }
    }
    if (on && w.n && !w.armed) {
        w.armed = true;
        wake = true;
    }
    pthread_mutex_unlock(&w.mu);
    if (full)
        vk_log(VK_WARN,
               "too many builds wait for what is made at vendors; one is looked at when it is asked for",
               VK_F(build, build));
    if (wake) {
        w.wake.run = woken;
        vk_loop_post(w.rt->loops[0], &w.wake);
    }
}

bool vk_making_resume(vk_runtime *rt, const vk_build *b)
{
    vk_binding all[VK_BINDINGS_MAX];
    size_t n = 0;
    bool wanted = false;
    vk_arena *a = vk_arena_new(VK_BINDINGS_MAX * (VK_RESOURCE_MAX + 64) + 16384);
    vk_err e =
        a ? rt->store->ops->binding_list(rt->store, a, vk_str_z(b->id), all, VK_COUNT(all), &n) : VK_E_NOMEM;
    if (e != VK_OK)
        vk_log(VK_ERROR, "how a build has its services could not be read", VK_F(build, b->id),
               VK_F(error, vk_err_name(e)));
    for (size_t i = 0; e == VK_OK && i < n; i++)
        wanted |= b->state == VK_BUILD_DELETING ? vk_driver_may_have(&all[i]) : vk_driver_makes(&all[i]);
    vk_arena_free(a);
    wanted &=
        b->state == VK_BUILD_DELETING || (b->state == VK_BUILD_ACTIVE && b->expires_ms > vk_clock_wall_ms());
    if (wanted)
        vk_making_watch(b->id, b->generation);
    return wanted || e != VK_OK;
}

void vk_making_start(vk_runtime *rt)
{
    pthread_mutex_lock(&w.mu);
    w.rt = rt;
    w.stopped = false;
    pthread_mutex_unlock(&w.mu);
}

void vk_making_stop(void)
{
    pthread_mutex_lock(&w.mu);
    bool on = w.rt != NULL;
    w.stopped = true;
    pthread_mutex_unlock(&w.mu);
    if (on)
        vk_timer_clear(w.rt->loops[0], &w.timer);
}
