/* Which connections are open: a few idle ones a build, all of them counted, so that no build takes the
 * process's descriptors. */
#include "services/database/embedded/db.h"

#include "core/clock.h"
#include "core/limits.h"

enum { MOVED_MAX = 256, ORDER_MAX = 64, FILES_SPARED = 4 };

int64_t vk_db_last_used(const vk_dbh *h)
{
    int64_t on_loop = atomic_load_explicit(&h->touched_ms, memory_order_relaxed);
    return on_loop > h->idle_since ? on_loop : h->idle_since;
}

void vk_db_used(vk_dbh *h, int64_t when_ms)
{
    vk_list *head = &vk_db.lru[h->written], *before = head;
    h->idle_since = when_ms;
    vk_list_remove(&h->lru);
    /* In order, but for an old time among many new ones. */
    for (int i = 0; i < ORDER_MAX && before->prev != head; i++, before = before->prev)
        if (VK_CONTAINER(before->prev, vk_dbh, lru)->idle_since <= when_ms)
            break;
    vk_list_push(before, &h->lru);
}

void vk_db_take_idle(vk_dbh *h)
{
    vk_list_remove(&h->node);
    vk_list_remove(&h->lru);
    h->t->n_idle--;
}

vk_dbh *vk_db_take_warm(vk_dbt *t)
{
    vk_dbh *h = atomic_exchange(&t->warm, NULL);
    if (h) {
        vk_list_remove(&h->lru);
        h->warm = false;
    }
    return h;
}

/* The idle connection that was used longest ago, of whatever build, to be closed. Only those that loops use
 * at this moment are passed over. */
vk_dbh *vk_db_take_unused(int64_t since_ms)
{
    uint32_t moved = 0;
    for (size_t i = 0; i < VK_COUNT(vk_db.lru); i++)
        for (vk_list *n = vk_db.lru[i].next; n != &vk_db.lru[i]; n = n->next) {
            vk_dbh *h = VK_CONTAINER(n, vk_dbh, lru);
            if (h->idle_since > since_ms) /* and so are those behind it */
                break;
            /* Loops do not move it, so it gets its place now; of many at once only some, because others wait
             * for mu. */
            if (vk_db_last_used(h) > h->idle_since && (since_ms != INT64_MAX || moved++ < MOVED_MAX)) {
                n = n->prev;
                vk_db_used(h, vk_db_last_used(h));
                continue;
            }
            if (!h->warm)
                vk_db_take_idle(h);
            else if (atomic_load(&h->t->warm) != h || !vk_db_take_warm(h->t))
                continue;
            vk_list_remove(&h->open_node); /* its build still counts it until it is closed */
            return h;
        }
    return NULL;
}

/* One descriptor each, and one more for the -wal while a request needs it. */
void vk_db_room(uint64_t files, uint64_t memory, uint32_t most)
{
    uint64_t ours = files / VK_FILES_SHARES * VK_FILES_DATABASES, wals = ours / 6, n = ours - wals;
    uint64_t fit = memory / VK_DB_HANDLE_SHARE / VK_DB_HANDLE_BYTES;
    n = n < most ? n : most;
    n = n < fit ? n : fit;
    n = n > VK_DB_HANDLES_LEAST ? n : VK_DB_HANDLES_LEAST;
    vk_db.files_max = files;
    vk_db.handles_max = (uint32_t)n;
    vk_db.wal_files_max = (uint32_t)(ours > 2 * n ? n : ours > n + wals ? ours - n : wals);
}

/* Clients come first: of the descriptors that they have taken, none is a database's. */
static uint32_t most_now(void)
{
    size_t taken = VK_FILES_OTHERS + atomic_load_explicit(&vk_db.wal_files, memory_order_relaxed) +
                   (vk_db.rt && vk_db.rt->clients ? vk_db.rt->clients() : 0);
    uint64_t left = vk_db.files_max > taken ? vk_db.files_max - taken : 0;
    left = left > VK_DB_HANDLES_LEAST ? left : VK_DB_HANDLES_LEAST;
    return left < vk_db.handles_max ? (uint32_t)left : vk_db.handles_max;
}

static uint32_t spare(void)
{
    return vk_db.handles_max / VK_DB_HANDLES_SPARE;
}

/* Nobody uses it. With thousands of connections their page caches would be more memory than the
 * machine has, though each is small. */
static void rest(vk_dbh *h)
{
    vk_walfile_rest(h->db, !h->has_turn && vk_sync_durable(h->t));
    if (VK_LIKELY(atomic_load_explicit(&vk_db.heap, memory_order_relaxed) <= VK_DB_HEAP_IDLE) ||
        h->heap <= VK_DB_HEAP_IDLE_ONE)
        return;
    int64_t before = vk_sqlite_memory_taken();
    sqlite3_db_release_memory(h->db);
    vk_db_heap_taken(h, vk_sqlite_memory_taken() - before);
    h->dirty |= !h->kept && h->heap > VK_DB_HEAP_IDLE_ONE;
}

void vk_db_rest_idle(vk_dbt *t)
{
    if (VK_LIKELY(atomic_load_explicit(&vk_db.wal_files, memory_order_relaxed) <= vk_db.wal_files_max))
        return;
    vk_dbh *h = atomic_exchange(&t->warm, NULL);
    if (h)
        vk_db_put_warm(h);
    pthread_mutex_lock(&vk_db.mu);
    for (vk_list *n = t->idle.next; n != &t->idle; n = n->next)
        vk_walfile_rest(VK_CONTAINER(n, vk_dbh, node)->db, vk_sync_durable(t));
    pthread_mutex_unlock(&vk_db.mu);
}

void vk_db_keep_handle(vk_dbh *h)
{
    if (!h->kept)
        atomic_fetch_add_explicit(&vk_db.kept, 1, memory_order_relaxed);
    h->kept = true;
    rest(h);
}

static void let_go(vk_dbh *h)
{
    if (h->kept)
        atomic_fetch_sub_explicit(&vk_db.kept, 1, memory_order_relaxed);
    h->kept = false;
}

bool vk_db_keeps_enough(void)
{
    return atomic_load_explicit(&vk_db.kept, memory_order_relaxed) >= vk_db.handles_max - spare();
}

/* ---- files
 *
 * Closing a file ends the locks that the process has on it, so what a connection had open stays open until
 * the build's last one is closed; the next connection takes it over. (SQLite, os_unix.c, "setPendingFd") */

/* Under mu. */
static void count_open(vk_dbt *t)
{
    t->handles++;
    vk_db.handles++;
    if (t->handles > t->files) {
        t->files++;
        vk_db.files++;
    }
}

/* Under mu. */
static void count_closed(vk_dbt *t)
{
    t->handles--;
    vk_db.handles--;
    if (t->handles == 0) {
        vk_db.files -= t->files;
        t->files = 0;
    }
}

bool vk_db_hoards(const vk_dbt *t)
{
    uint32_t spared = vk_db.files > vk_db.handles_max ? 0 : FILES_SPARED;
    return t->files > t->handles + spared && t->handles == t->n_idle + (atomic_load(&t->warm) != NULL);
}

void vk_db_close_handle(vk_dbh *h)
{
    vk_dbt *t = h->t;
    let_go(h);
    pthread_mutex_lock(&vk_db.mu);
    vk_list_remove(&h->open_node); /* from here on nobody interrupts it */
    pthread_mutex_unlock(&vk_db.mu);
    bool turn = h->has_turn; /* it could not be rolled back: the lock ends with the connection */
    vk_dbh_close(h);
    pthread_mutex_lock(&vk_db.mu);
    if (turn)
        vk_db_pass_turn(t);
    count_closed(t);
    pthread_mutex_unlock(&vk_db.mu);
}

/* ---- what SQL can ask of a connection in autocommit */

static void bring(vk_dbh *h, int64_t last_rowid, int64_t changes, int64_t total)
{
    sqlite3_set_last_insert_rowid(h->db, last_rowid);
    h->changes_before = changes;
    h->changes_found = sqlite3_changes64(h->db);
    h->total_before = total - sqlite3_total_changes64(h->db);
    h->counted = h->steps_dml = false;
}

void vk_db_bring_counts(vk_stream *s)
{
    bring(s->h, s->last_rowid, s->changes, s->total_changes);
}

/* A statement of the stream that has not ended yet (inside of its triggers) shows by another number. */
static int64_t changes_of(const vk_dbh *h)
{
    int64_t now = sqlite3_changes64(h->db);
    return h->counted || now != h->changes_found ? now : h->changes_before;
}

static int64_t total_of(const vk_dbh *h)
{
    return sqlite3_total_changes64(h->db) + h->total_before;
}

void vk_db_keep_counts(vk_stream *s)
{
    s->last_rowid = sqlite3_last_insert_rowid(s->h->db);
    s->changes = changes_of(s->h);
    s->total_changes = total_of(s->h);
}

static void changes(sqlite3_context *c, int n, sqlite3_value **v)
{
    VK_UNUSED(n);
    VK_UNUSED(v);
    sqlite3_result_int64(c, changes_of(sqlite3_user_data(c)));
}

static void total_changes(sqlite3_context *c, int n, sqlite3_value **v)
{
    VK_UNUSED(n);
    VK_UNUSED(v);
    sqlite3_result_int64(c, total_of(sqlite3_user_data(c)));
}

int vk_db_count_functions(vk_dbh *h)
{
    const int how = SQLITE_UTF8 | SQLITE_INNOCUOUS;
    int rc = sqlite3_create_function(h->db, "changes", 0, how, h, changes, NULL, NULL);
    return rc != SQLITE_OK
               ? rc
               : sqlite3_create_function(h->db, "total_changes", 0, how, h, total_changes, NULL, NULL);
}

/* ---- in and out */

vk_err vk_db_get_handle(vk_dbt *t, struct vk_worker_slot *w, vk_dbh **out_r, const char **why_r)
{
    vk_dbh *h, *other = NULL;
    pthread_mutex_lock(&vk_db.mu);
    h = vk_db_take_warm(t); /* so that what it learns is of use to loops */
    if (!h && !vk_list_empty(&t->idle)) {
        h = VK_CONTAINER(t->idle.prev, vk_dbh, node); /* the one used last */
        if (h->dirty) /* a loop has left it to be closed; such ones stand in front */
            h = NULL;
        else
            vk_db_take_idle(h);
    }
    /* Builds that have many connections leave some to those that have none. */
    uint32_t most = h ? 0 : most_now();
    most -= t->handles < VK_DB_RUNNING ? 0 : most / VK_DB_HANDLES_SPARE;
    if (!h) {
        if (vk_db.handles >= most)
            other = vk_db_take_unused(INT64_MAX);
        count_open(t);
    }
    bool room = h || ((other || vk_db.handles <= most) && t->handles <= VK_DB_BUILD_HANDLES);
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
            count_closed(t);
        }
        pthread_mutex_unlock(&vk_db.mu);
        if (e != VK_OK)
            return e;
    }
    bring(h, 0, 0, 0);
    h->heap_was = h->heap;
    *out_r = h;
    return VK_OK;
}

static bool of_use(const vk_dbt *t)
{
    return !atomic_load(&t->closed) && !atomic_load(&t->paused) && !atomic_load(&vk_db.stopping);
}

/* Under mu. False: there is one already. When it is there it is anybody's. */
static bool warm(vk_dbh *h)
{
    vk_dbh *is = NULL;
    h->warm = true;
    vk_db_used(h, vk_clock_mono_ms());
    if (atomic_compare_exchange_strong(&h->t->warm, &is, h))
        return true;
    h->warm = false;
    vk_list_remove(&h->lru);
    return false;
}

/* Under mu. False: there are enough. */
static bool idle(vk_dbh *h)
{
    if (h->t->n_idle >= VK_DB_IDLE_MAX)
        return false;
    vk_list_push(&h->t->idle, &h->node);
    h->t->n_idle++;
    vk_db_used(h, vk_clock_mono_ms());
    return true;
}

void vk_db_put_handle(vk_dbh *h)
{
    vk_dbt *t = h->t;
    h->worker = NULL;
    vk_keys_remember(h);
    int64_t before = vk_sqlite_memory_taken();
    bool again = vk_dbh_reset(h);
    vk_db_heap_taken(h, vk_sqlite_memory_taken() - before);
    if (h->has_turn)
        vk_db_settle_turn(h);
    let_go(h);
    rest(h);
    again = again && !h->dirty && h->heap <= VK_DB_HEAP_CONNECTION / 2;
    pthread_mutex_lock(&vk_db.mu);
    bool kept = again && of_use(t) && (warm(h) || idle(h));
    pthread_mutex_unlock(&vk_db.mu);
    if (!kept)
        vk_db_close_handle(h);
}

void vk_db_put_warm(vk_dbh *h)
{
    vk_dbt *t = h->t;
    vk_dbh *is = NULL;
    rest(h);
    bool put = !h->dirty && atomic_compare_exchange_strong(&t->warm, &is, h);
    if (put && VK_LIKELY(of_use(t)))
        return;
    is = h; /* who closes or pauses the build may have looked here before */
    if (put && !atomic_compare_exchange_strong(&t->warm, &is, NULL))
        return;
    pthread_mutex_lock(&vk_db.mu);
    h->warm = false;
    if (h->dirty || !of_use(t) || !idle(h)) {
        h->dirty = true;
        vk_list_unshift(&t->idle, &h->node);
        t->n_idle++;
        vk_db.tidy_now = true;
        pthread_cond_signal(&vk_db.tick);
    }
    pthread_mutex_unlock(&vk_db.mu);
}
