/* Which connections are open: a few idle ones a build, all of them counted, so that no build takes the
 * process's descriptors. */
#include "services/database/embedded/db.h"

#include "core/clock.h"

/* Under mu: an idle connection of some build, taken out, to be closed. */
static vk_dbh *victim(void)
{
    for (vk_map_node *n = vk_map_walk(&vk_db.tenants, NULL); n; n = vk_map_walk(&vk_db.tenants, n)) {
        vk_dbt *t = VK_CONTAINER(n, vk_dbt, node);
        vk_list *x = vk_list_shift(&t->idle);
        if (x) {
            t->n_idle--;
            vk_dbh *h = VK_CONTAINER(x, vk_dbh, node);
            vk_list_remove(&h->open_node); /* its build still counts it until it is closed */
            return h;
        }
    }
    return NULL;
}

void vk_db_close_handle(vk_dbh *h)
{
    vk_dbt *t = h->t;
    pthread_mutex_lock(&vk_db.mu);
    vk_list_remove(&h->open_node); /* from here on nobody interrupts it */
    pthread_mutex_unlock(&vk_db.mu);
    bool turn = h->has_turn; /* it could not be rolled back: the lock ends with the connection */
    vk_dbh_close(h);
    pthread_mutex_lock(&vk_db.mu);
    if (turn)
        vk_db_pass_turn(t);
    t->handles--;
    vk_db.handles--;
    pthread_mutex_unlock(&vk_db.mu);
}

vk_err vk_db_get_handle(vk_dbt *t, struct vk_worker_slot *w, vk_dbh **out_r, const char **why_r)
{
    vk_dbh *h = NULL, *other = NULL;
    pthread_mutex_lock(&vk_db.mu);
    vk_list *n = t->idle.prev != &t->idle ? t->idle.prev : NULL; /* the one used last is the warmest */
    if (n) {
        vk_list_remove(n);
        t->n_idle--;
        h = VK_CONTAINER(n, vk_dbh, node);
    } else {
        if (vk_db.handles >= vk_db.handles_max)
            other = victim();
        t->handles++;
        vk_db.handles++;
    }
    bool room = h || ((other || vk_db.handles <= vk_db.handles_max) && t->handles <= VK_DB_BUILD_HANDLES);
    pthread_mutex_unlock(&vk_db.mu);
    if (other)
        vk_db_close_handle(other);
    vk_err e = VK_OK;
    if (!h) {
        *why_r = "Too many connections to databases are in use at once; try again";
        e = room ? VK_OK : VK_E_BUSY;
        if (e == VK_OK) {
            vk_db_give_slot(w); /* opening reads the disk */
            e = vk_dbh_open(t, &h, why_r);
        }
        pthread_mutex_lock(&vk_db.mu);
        if (e == VK_OK) {
            vk_list_push(&t->open, &h->open_node);
        } else {
            t->handles--;
            vk_db.handles--;
        }
        pthread_mutex_unlock(&vk_db.mu);
        if (e != VK_OK)
            return e;
    }
    sqlite3_set_last_insert_rowid(h->db, 0);
    *out_r = h;
    return VK_OK;
}

void vk_db_put_handle(vk_dbh *h)
{
    vk_dbt *t = h->t;
    h->worker = NULL;
    vk_keys_remember(h);
    bool again = vk_dbh_reset(h);
    if (h->has_turn)
        vk_db_settle_turn(h);
    pthread_mutex_lock(&vk_db.mu);
    if (again && !t->closed && !t->paused && !vk_db.stopping && t->n_idle < VK_DB_IDLE_MAX) {
        h->idle_since = vk_clock_mono_ms();
        vk_list_push(&t->idle, &h->node);
        t->n_idle++;
        h = NULL;
    }
    pthread_mutex_unlock(&vk_db.mu);
    if (h)
        vk_db_close_handle(h);
}
