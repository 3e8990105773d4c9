/* How long statements share what everybody else leaves of the processors. The kernel gives a thread of low
 * priority a little even while others want to run, and each of many such threads gets its little in turn:
 * with 64 of them a quick statement waited for 60 to 150 ms now and then, with 8 for 5 to 25. So of the
 * lowered threads only as many as there are processors compute at a time, for a while each; the others wait
 * in a line. A thread that keeps its place without asking (it waits for a client, or is inside one long call)
 * loses it to the next one.
 *
 * Only lowered threads come here, so whoever is preempted under `share.mu` holds up nobody else. */
#include "services/database/embedded/db.h"

#include "core/clock.h"

enum {
    WHILE_MS = 20,   /* a place, while others wait for one */
    LAPSES_MS = 100, /* after that anybody may take it */
    LOOK_MS = 50,    /* how often who waits looks for that, and whether it must end */
};

static struct {
    pthread_mutex_t mu;
    /* of vk_worker_slot.in_share: who has a place, the one that got it longest ago first; and who waits */
    vk_list owners, line;
    uint32_t n; /* owners; vk_db.slots at most */
} share = {PTHREAD_MUTEX_INITIALIZER, {&share.owners, &share.owners}, {&share.line, &share.line}, 0};

/* `w` is in neither list. */
static void own(struct vk_worker_slot *w)
{
    w->place = true;
    w->place_ms = vk_clock_mono_ms();
    vk_list_push(&share.owners, &w->in_share);
    share.n++;
}

static void disown(struct vk_worker_slot *w)
{
    w->place = false;
    vk_list_remove(&w->in_share);
    share.n--;
}

/* Its place becomes that of the first in line. */
static void leave(struct vk_worker_slot *w)
{
    disown(w);
    vk_list *first = vk_list_shift(&share.line);
    if (!first)
        return;
    struct vk_worker_slot *next = VK_CONTAINER(first, struct vk_worker_slot, in_share);
    own(next);
    pthread_cond_signal(&next->turn);
}

/* For the first in line: a place that nobody has, or one whose owner has not asked for a long time. */
static bool take(struct vk_worker_slot *w)
{
    if (share.n >= vk_db.slots) {
        struct vk_worker_slot *o = VK_CONTAINER(share.owners.next, struct vk_worker_slot, in_share);
        if (vk_clock_mono_ms() - o->place_ms <= LAPSES_MS)
            return false;
        disown(o);
    }
    vk_list_remove(&w->in_share);
    own(w);
    return true;
}

static void wait_in_line(struct vk_worker_slot *w, bool (*ends)(void *arg), void *arg)
{
    vk_list_push(&share.line, &w->in_share);
    for (;;) {
        if (share.line.next == &w->in_share && take(w))
            return;
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_MS * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_cond_clockwait(&w->turn, &share.mu, CLOCK_MONOTONIC, &until);
        if (w->place)
            return;
        if (ends(arg)) {
            vk_list_remove(&w->in_share);
            return;
        }
    }
}

void vk_db_share(struct vk_worker_slot *w, bool (*ends)(void *arg), void *arg)
{
    pthread_mutex_lock(&share.mu);
    if (!w->place) {
        wait_in_line(w, ends, arg);
    } else if (vk_clock_mono_ms() - w->place_ms > WHILE_MS) {
        leave(w);
        wait_in_line(w, ends, arg);
    }
    pthread_mutex_unlock(&share.mu);
}

void vk_db_share_end(struct vk_worker_slot *w)
{
    pthread_mutex_lock(&share.mu);
    if (w->place)
        leave(w);
    pthread_mutex_unlock(&share.mu);
}
