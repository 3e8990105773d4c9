/* A pause of one build: its new requests wait, what is under way comes to its end, every connection is
 * closed. Then its file is nobody's, and may be exchanged. Transactions that clients have open are rolled
 * back; what does not end by itself is interrupted. */
#include "services/database/embedded/db.h"

#include "core/clock.h"

enum {
    PATIENCE_MS = 1000, /* for statements that are under way, then they are interrupted */
    GIVE_UP_MS = 8000,  /* then the build goes on as if nothing had been */
    LOOK_NS = 1000000,
};

/* Under mu. */
static bool quiet(const vk_dbt *t)
{
    bool begun = !vk_list_empty(&t->queue) && VK_CONTAINER(t->queue.next, vk_dbjob, node)->attached;
    return !begun && !t->running && !t->handles && vk_list_empty(&t->urgent) &&
           vk_list_empty(&t->waiting_turn) && vk_list_empty(&t->waiting_drain) &&
           vk_list_empty(&t->waiting_sync);
}

/* Under mu. Statements end at their next look at `hurry`; those who wait for the turn are told that it is
 * taken, cursors whose client does not read are cut off. */
static void hurry(vk_dbt *t)
{
    bool first = !atomic_exchange(&t->hurry, true);
    for (vk_list *n = t->open.next; first && n != &t->open; n = n->next)
        sqlite3_interrupt(VK_CONTAINER(n, vk_dbh, open_node)->db);
    for (vk_list *n; (n = vk_list_shift(&t->waiting_turn));) {
        VK_CONTAINER(n, vk_dbjob, node)->turn_timeout = true;
        vk_list_push(&t->urgent, n);
    }
    for (vk_list *n; (n = vk_list_shift(&t->waiting_drain));) {
        vk_dbjob *j = VK_CONTAINER(n, vk_dbjob, node);
        j->aborted = true;
        j->resumed = true;
        vk_list_push(&t->urgent, n);
    }
    vk_db_hurry(t);
}

void vk_db_end_requests(void)
{
    pthread_mutex_lock(&vk_db.mu);
    vk_db.ending = true;
    for (vk_map_node *n = vk_map_walk(&vk_db.tenants, NULL); n; n = vk_map_walk(&vk_db.tenants, n))
        hurry(VK_CONTAINER(n, vk_dbt, node));
    pthread_mutex_unlock(&vk_db.mu);
}

vk_err vk_db_pause(vk_dbt *t, const char **why_r)
{
    const struct timespec look = {.tv_nsec = LOOK_NS};
    int64_t began = vk_clock_mono_ms();
    vk_err e = VK_OK;
    pthread_mutex_lock(&vk_db.mu);
    t->paused = true;
    for (;;) {
        int64_t now = vk_clock_mono_ms();
        vk_db_tidy(t, now);
        if (t->closed || t->broken)
            e = VK_E_CONFLICT;
        else if (quiet(t))
            break;
        else if (now - began > GIVE_UP_MS)
            e = VK_E_BUSY;
        if (e != VK_OK)
            break;
        if (now - began > PATIENCE_MS)
            hurry(t);
        pthread_mutex_unlock(&vk_db.mu);
        nanosleep(&look, NULL);
        pthread_mutex_lock(&vk_db.mu);
    }
    *why_r = e == VK_E_BUSY ? "The build's database did not come to rest; nothing was changed. Try again"
             : t->broken ? "The disk refused to store what was written to the build's database; nothing was "
                           "changed. Restart valetkey, then try again"
                         : "The build was revoked meanwhile; nothing was changed";
    pthread_mutex_unlock(&vk_db.mu);
    if (e != VK_OK)
        vk_db_unpause(t);
    return e;
}

void vk_db_unpause(vk_dbt *t)
{
    pthread_mutex_lock(&vk_db.mu);
    t->paused = false;
    t->recovered = false; /* the file may be another one */
    atomic_store(&t->hurry, false);
    vk_db_schedule(t);
    pthread_mutex_unlock(&vk_db.mu);
}
