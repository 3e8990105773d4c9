/* Durable answers with one sync for many commits.
 *
 * The files are opened with synchronous=NORMAL, which leaves out exactly one of SQLite's syncs: that of the
 * -wal after a commit's frames. It is made here instead, once for all commits that wait for it, and no answer
 * of the build leaves before it: neither a writer's nor that of a reader which may have seen the commit. What
 * a reader may have seen is counted by SQLite's own hooks: a commit becomes visible between its commit hook
 * and its wal hook, and only one is there at a time. */
#include "services/database/embedded/db.h"

#include "core/log.h"

enum { CHECKPOINT_PAGES = 1000 }; /* SQLite's own default; its wal hook is replaced by ours */

static const char failed[] =
    "The disk refused to store what was written; the build's database takes no request until the "
    "daemon is started again";

/* ---- what is visible */

static void schema_changes(vk_dbh *h)
{
    if (h->schema_touched)
        atomic_fetch_add(&h->t->schema_seq, 1);
    h->schema_touched = false;
}

int vk_sync_commit_hook(void *arg)
{
    vk_dbh *h = arg;
    pthread_mutex_lock(&vk_db.mu);
    if (!h->committing)
        h->t->committing++;
    h->committing = true;
    pthread_mutex_unlock(&vk_db.mu);
    h->written = true;
    schema_changes(h);
    return 0;
}

int vk_sync_wal_hook(void *arg, sqlite3 *db, const char *name, int pages)
{
    vk_dbh *h = arg;
    if (!h->committing) /* VACUUM has no commit hook */
        vk_sync_commit_hook(h);
    vk_sync_settle(h);
    atomic_store_explicit(&h->t->wal_pages, (uint32_t)pages, memory_order_relaxed);
    if (pages >= CHECKPOINT_PAGES)
        sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return SQLITE_OK;
}

void vk_sync_settle(vk_dbh *h)
{
    if (!h->committing)
        return;
    pthread_mutex_lock(&vk_db.mu);
    atomic_fetch_add_explicit(&vk_db.commits, 1, memory_order_relaxed);
    h->t->commit_seq++; /* also when it failed: those who wait for it must not wait for ever */
    h->committing = false;
    h->t->committing--; /* second: vk_sync_durable */
    pthread_mutex_unlock(&vk_db.mu);
}

uint64_t vk_sync_seen(const vk_dbt *t)
{
    return t->commit_seq + t->committing;
}

/* A commit that was read had set `committing` before it became visible; when that is off again, commit_seq
 * counts it. */
bool vk_sync_durable(const vk_dbt *t)
{
    if (atomic_load(&t->committing))
        return false;
    return atomic_load(&t->commit_seq) <= atomic_load(&t->synced_seq);
}

/* ---- the sync */

bool vk_sync_wal(sqlite3 *db)
{
    sqlite3_file *f = NULL;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f) != SQLITE_OK)
        return false;
    if (!f || !f->pMethods) /* no -wal was opened by this connection: it has read and written nothing */
        return true;
    return f->pMethods->xSync(f, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY) == SQLITE_OK;
}

/* Frames that a killed process left in the -wal are visible as soon as they are read back, synced or not. */
vk_err vk_sync_recover(vk_dbh *h)
{
    if (sqlite3_exec(h->db, "SELECT 1 FROM sqlite_schema LIMIT 1", NULL, NULL, NULL) != SQLITE_OK ||
        !vk_sync_wal(h->db))
        return VK_E_IO;
    pthread_mutex_lock(&vk_db.mu);
    h->t->recovered = true;
    pthread_mutex_unlock(&vk_db.mu);
    return VK_OK;
}

/* Under mu. Takes out the jobs that need to wait no longer. */
static void collect(vk_dbt *t, vk_list *done)
{
    for (vk_list *n = t->waiting_sync.next, *next; n != &t->waiting_sync; n = next) {
        next = n->next;
        if (t->broken || VK_CONTAINER(n, vk_dbjob, node)->seq <= t->synced_seq) {
            vk_list_remove(n);
            t->n_jobs--;
            t->n_bytes -= VK_CONTAINER(n, vk_dbjob, node)->n_bytes;
            vk_list_push(done, n);
        }
    }
}

static void refuse_broken(vk_dbjob *j)
{
    vk_sqlerr e = {"SQLITE_IOERR", vk_str_z(failed)};
    if (!j->begun) {
        vk_buf_clear(j->out);
        if (j->mode == VK_DB_SINGLE)
            vk_buf_str(j->out, j->error_open);
        vk_put_error(j->out, &e);
        if (j->mode == VK_DB_SINGLE)
            vk_buf_ch(j->out, '}');
    }
    vk_db_answer(j, 500, "application/json");
}

static void release(vk_dbt *t, vk_list *done)
{
    for (vk_list *n; (n = vk_list_shift(done));) {
        vk_dbjob *j = VK_CONTAINER(n, vk_dbjob, node);
        if (atomic_load(&t->broken))
            refuse_broken(j);
        else
            vk_db_answer(j, j->status, j->content_type);
    }
}

/* Under mu, with t->syncing set by the caller. Syncs until nobody waits for a commit that has happened. A
 * sync that fails is not tried again: the kernel may have dropped what it could not write, and a second one
 * would succeed over the loss. */
static void sync_all(vk_dbt *t, vk_dbh *h)
{
    vk_list done;
    vk_list_init(&done);
    do {
        uint64_t target = t->commit_seq;
        pthread_mutex_unlock(&vk_db.mu);
        bool ok = vk_sync_wal(h->db);
        atomic_fetch_add_explicit(&vk_db.syncs, 1, memory_order_relaxed);
        pthread_mutex_lock(&vk_db.mu);
        if (ok)
            t->synced_seq = target;
        else
            atomic_store(&t->broken, true);
        collect(t, &done);
        bool more = ok && t->synced_seq < t->commit_seq && !vk_list_empty(&t->waiting_sync);
        if (!more)
            t->syncing = false;
        pthread_mutex_unlock(&vk_db.mu);
        if (!ok)
            vk_log(VK_ERROR, "the -wal of a database cannot be synced; it takes no request until a restart",
                   VK_F(build, t->id));
        release(t, &done);
        if (ok)
            vk_db_rest_idle(t);
        pthread_mutex_lock(&vk_db.mu);
        if (!more)
            return;
    } while (true);
}

bool vk_sync_finish(vk_dbjob *j, vk_dbh *h, bool give_back)
{
    vk_dbt *t = j->t;
    struct vk_worker_slot *w = h->worker;
    pthread_mutex_lock(&vk_db.mu);
    j->seq = vk_sync_seen(t);
    while (!t->broken && t->synced_seq < j->seq) {
        /* A commit that is not yet there is synced by whoever makes it; so is one that somebody syncs
         * already. */
        if (t->syncing || j->seq > t->commit_seq) {
            h->worker = NULL;
            if (give_back)
                j->stream->h = NULL;
            vk_list_push(&t->waiting_sync, &j->node);
            pthread_mutex_unlock(&vk_db.mu);
            if (give_back)
                vk_db_put_handle(h);
            return false;
        }
        t->syncing = true;
        pthread_mutex_unlock(&vk_db.mu);
        vk_db_give_slot(w);
        pthread_mutex_lock(&vk_db.mu);
        sync_all(t, h);
    }
    pthread_mutex_unlock(&vk_db.mu);
    h->worker = NULL;
    if (give_back) {
        j->stream->h = NULL;
        vk_db_put_handle(h);
    }
    if (atomic_load(&t->broken))
        refuse_broken(j);
    else
        vk_db_answer(j, j->status, j->content_type);
    return true;
}

bool vk_sync_now(vk_dbt *t, vk_dbh *h)
{
    if (h->worker)
        vk_db_give_slot(h->worker);
    pthread_mutex_lock(&vk_db.mu);
    uint64_t seen = vk_sync_seen(t);
    while (!t->broken && t->synced_seq < seen) {
        if (t->syncing || seen > t->commit_seq) { /* its end is near */
            struct timespec pause = {.tv_nsec = 100000};
            pthread_mutex_unlock(&vk_db.mu);
            nanosleep(&pause, NULL);
            pthread_mutex_lock(&vk_db.mu);
            continue;
        }
        t->syncing = true;
        sync_all(t, h);
    }
    bool ok = !t->broken;
    pthread_mutex_unlock(&vk_db.mu);
    return ok;
}

bool vk_sync_forgotten(const vk_dbt *t)
{
    return !vk_list_empty(&t->waiting_sync) && !t->syncing && !t->committing;
}
