/* Changes of the index. Whoever comes first leads: it takes all that wait, makes one transaction of them,
 * with one sync of the -wal for all (and one of each folder of blobs/ that has a new file), and tells them.
 * What comes meanwhile is the next transaction. */
#include "services/storage/embedded/inside.h"

#include "core/disk.h"
#include "core/log.h"

static vk_ob_err quick(vk_ob_conn *c, vk_ob_q q)
{
    return vk_ob_run(c, vk_ob_st(c, q));
}

/* ---- what turns do */

vk_ob_err vk_ob_afford(vk_ob *s, vk_ob_turn *t)
{
    vk_ob_err e = VK_OB_OK;
    int64_t bytes = t->delta.bytes + t->delta.part_bytes - t->bytes;
    int64_t objects = t->delta.objects - t->objects;
    bytes = bytes > 0 ? bytes : 0;
    objects = objects > 0 ? objects : 0;
    /* What it needs beyond what it reserved: others may have taken what was counted on. */
    if (bytes || objects)
        e = vk_ob_reserve(s, bytes, objects);
    if (e == VK_OB_OK) {
        t->bytes += bytes;
        t->objects += objects;
    }
    return e;
}

void vk_ob_add_trash(vk_ob_turn *t, int64_t content, const uint8_t blob[VK_OB_BLOB])
{
    vk_ob_trash x = {.content = content};
    memcpy(x.blob, blob, VK_OB_BLOB);
    vk_buf_add(&t->garbage, &x, sizeof x);
}

static vk_ob_err discard_extents(vk_ob_turn *t, vk_ob_conn *c, int64_t content)
{
    sqlite3_stmt *st = vk_ob_st(c, Q_EXTENTS);
    vk_ob_bind_i(st, 1, content);
    int rc;
    while ((rc = vk_ob_step(st)) == SQLITE_ROW) {
        vk_str blob = vk_ob_col(st, 3);
        if (blob.n != VK_OB_BLOB)
            break;
        vk_ob_add_trash(t, content, (const uint8_t *)blob.p);
    }
    sqlite3_reset(st);
    if (rc != SQLITE_DONE)
        return rc == SQLITE_ROW ? VK_OB_CORRUPT : vk_ob_sql_err(rc);
    st = vk_ob_st(c, Q_DROP_EXTENTS);
    vk_ob_bind_i(st, 1, content);
    return vk_ob_run(c, st);
}

vk_ob_err vk_ob_discard(vk_ob_turn *t, vk_ob_conn *c, const vk_ob_row *old)
{
    vk_ob_err e = VK_OB_OK;
    if (old->has_blob) {
        vk_ob_add_trash(t, 0, old->blob);
    } else if (old->o.parts) {
        e = discard_extents(t, c, old->content);
    } else if (old->content) {
        sqlite3_stmt *st = vk_ob_st(c, Q_DROP_INLINE);
        vk_ob_bind_i(st, 1, old->content);
        e = vk_ob_run(c, st);
    }
    t->delta.bytes -= old->o.size;
    t->delta.objects--;
    return e == VK_OB_OK && t->garbage.err != VK_OK ? VK_OB_NOMEM : e;
}

vk_ob_err vk_ob_find(vk_ob_conn *c, vk_str key, vk_ob_row *out_r)
{
    sqlite3_stmt *st = vk_ob_st(c, Q_OBJECT);
    vk_ob_bind(st, 1, key);
    int rc = vk_ob_step(st);
    vk_ob_err e = rc == SQLITE_ROW    ? vk_ob_read_row(st, out_r)
                  : rc == SQLITE_DONE ? VK_OB_NO_SUCH_KEY
                                      : vk_ob_sql_err(rc);
    out_r->o.headers = VK_STR_NONE;
    sqlite3_reset(st);
    return e;
}

vk_ob_err vk_ob_conditions(const vk_ob_commit *cm, const vk_ob_row *row)
{
    if (cm->if_none_match_any && row)
        return VK_OB_PRECONDITION;
    if (cm->if_match.n && !row)
        return VK_OB_NO_SUCH_KEY;
    return cm->if_match.n && !vk_ob_etag_matches(cm->if_match, vk_str_z(row->o.etag)) ? VK_OB_PRECONDITION
                                                                                      : VK_OB_OK;
}

vk_ob_err vk_ob_drop_row(vk_ob *s, vk_ob_conn *c, vk_str key)
{
    vk_ob_hot_forget(s, key);
    sqlite3_stmt *st = vk_ob_st(c, Q_DROP_OBJECT);
    vk_ob_bind(st, 1, key);
    return vk_ob_run(c, st);
}

vk_ob_err vk_ob_write_row(vk_ob *s, vk_ob_conn *c, vk_str key, const vk_ob_row *row)
{
    vk_ob_hot_forget(s, key);
    sqlite3_stmt *st = vk_ob_st(c, Q_PUT_OBJECT);
    vk_ob_bind(st, 1, key);
    vk_ob_bind_i(st, 2, row->o.size);
    vk_ob_bind_i(st, 3, row->o.mtime_ms);
    if (st)
        sqlite3_bind_text(st, 4, row->o.etag, -1, SQLITE_STATIC);
    if (row->has_blob)
        vk_ob_bind(st, 5, (vk_str){(const char *)row->blob, VK_OB_BLOB});
    vk_ob_bind_i(st, 6, row->content);
    vk_ob_bind_i(st, 7, row->o.parts);
    vk_ob_bind_sum(st, 8, &row->o.sum);
    vk_ob_bind(st, 11, row->o.headers);
    return vk_ob_run(c, st);
}

/* ---- a transaction */

/* Folders first: a name must be safe before a row says it. A turn whose file got its name before a sync of
 * the folder failed is refused, also by a later sync that does not. */
static void sync_folders(vk_ob *s, vk_list *batch)
{
    unsigned all = 0, bad = 0;
    for (vk_list *n = batch->next; n != batch; n = n->next)
        all |= VK_CONTAINER(n, vk_ob_turn, node)->folders;
    for (unsigned i = 0; i < VK_OB_FOLDERS; i++) {
        const char name[2] = {"0123456789abcdef"[i], '\0'};
        if (all & 1U << i && vk_disk_sync_dir(s->blobs_fd, name) != VK_OK)
            bad |= 1U << i;
    }
    pthread_mutex_lock(&s->mu);
    for (unsigned i = 0; i < VK_OB_FOLDERS; i++)
        s->unsynced[i] += bad >> i & 1U;
    for (vk_list *n = batch->next; n != batch; n = n->next) {
        vk_ob_turn *t = VK_CONTAINER(n, vk_ob_turn, node);
        bool lost = t->blob && t->unsynced != s->unsynced[t->blob[0] >> 4];
        t->result = lost ? VK_OB_IO : VK_OB_OK;
    }
    pthread_mutex_unlock(&s->mu);
}

static bool is_disk(vk_ob_err e)
{
    return e == VK_OB_DISK_FULL || e == VK_OB_IO || e == VK_OB_NOMEM || e == VK_OB_CORRUPT;
}

static void add_usage(vk_ob_usage *u, const vk_ob_usage *d)
{
    u->bytes += d->bytes;
    u->objects += d->objects;
    u->part_bytes += d->part_bytes;
    u->uploads += d->uploads;
}

/* One turn in the open transaction. An error of its own is t->result; one that is returned is the end of the
 * transaction, and everybody's. */
static vk_ob_err one_turn(vk_ob *s, vk_ob_conn *c, vk_ob_turn *t)
{
    if (t->result != VK_OB_OK)
        return VK_OB_OK;
    vk_ob_err e = quick(c, Q_SAVE);
    if (e != VK_OB_OK)
        return e;
    t->result = t->run(s, t, c);
    if (t->result != VK_OB_OK) {
        /* SQLite has undone all of it when the disk is full or refuses. */
        bool gone = sqlite3_get_autocommit(c->db);
        e = !gone ? quick(c, Q_UNDO) : is_disk(t->result) ? t->result : VK_OB_IO;
    }
    return e == VK_OB_OK ? quick(c, Q_RELEASE) : e;
}

/* All turns of the batch. *none_r: nothing is to be committed. */
static vk_ob_err all_turns(vk_ob *s, vk_ob_conn *c, vk_list *batch, vk_ob_usage *total_r, bool *none_r)
{
    vk_ob_turn *first = VK_CONTAINER(batch->next, vk_ob_turn, node);
    if (batch->next == batch->prev) { /* alone: the transaction is what is undone */
        first->result = first->run(s, first, c);
        *none_r = first->result != VK_OB_OK;
        if (!*none_r)
            add_usage(total_r, &first->delta);
        return VK_OB_OK;
    }
    for (vk_list *n = batch->next; n != batch; n = n->next) {
        vk_ob_turn *t = VK_CONTAINER(n, vk_ob_turn, node);
        vk_ob_err e = one_turn(s, c, t);
        if (e != VK_OB_OK)
            return e;
        if (t->result == VK_OB_OK)
            add_usage(total_r, &t->delta);
    }
    return VK_OB_OK;
}

static vk_ob_err write_totals(vk_ob_conn *c, const vk_ob_usage *u, bool mark)
{
    sqlite3_stmt *st = vk_ob_st(c, Q_SET_USAGE);
    vk_ob_bind_i(st, 1, u->bytes);
    vk_ob_bind_i(st, 2, u->objects);
    vk_ob_bind_i(st, 3, u->part_bytes);
    vk_ob_bind_i(st, 4, u->uploads);
    vk_ob_err e = vk_ob_run(c, st);
    if (e == VK_OB_OK && mark) {
        st = vk_ob_st(c, Q_SET);
        vk_ob_bind(st, 1, VK_STR("sweep"));
        vk_ob_bind(st, 2, VK_STR("1"));
        e = vk_ob_run(c, st);
    }
    return e;
}

/* Before anybody can see that no row names it: whoever sweeps leaves it to the turn. */
static void note_garbage(vk_ob *s, vk_list *batch)
{
    pthread_mutex_lock(&s->mu);
    for (vk_list *n = batch->next; n != batch; n = n->next) {
        vk_ob_turn *t = VK_CONTAINER(n, vk_ob_turn, node);
        if (t->result == VK_OB_OK && t->garbage.n)
            vk_list_push(&s->replacing, &t->replacing);
    }
    pthread_mutex_unlock(&s->mu);
}

static bool same_usage(const vk_ob_usage *a, const vk_ob_usage *b)
{
    return a->bytes == b->bytes && a->objects == b->objects && a->part_bytes == b->part_bytes &&
           a->uploads == b->uploads;
}

/* *written_r: it is on stable storage, and *total_r is what is stored now. *late_r: the last step failed, so
 * that a part of the transaction, or all of it, may be in the log. */
static vk_ob_err transaction(vk_ob *s, vk_ob_conn *c, vk_list *batch, vk_ob_usage *total_r, bool *written_r,
                             bool *late_r)
{
    vk_ob_usage before = *total_r;
    bool none = false;
    vk_ob_err e = quick(c, Q_BEGIN);
    if (e != VK_OB_OK)
        return e;
    e = all_turns(s, c, batch, total_r, &none);
    if (e == VK_OB_OK && !none && (!s->marked || !same_usage(total_r, &before)))
        e = write_totals(c, total_r, !s->marked);
    if (e == VK_OB_OK && !none) {
        note_garbage(s, batch);
        e = quick(c, Q_COMMIT);
        *late_r = e != VK_OB_OK;
        *written_r = e == VK_OB_OK;
    }
    if (!sqlite3_get_autocommit(c->db))
        VK_UNUSED(quick(c, Q_ROLLBACK));
    return e;
}

static bool any_good(vk_list *batch)
{
    for (vk_list *n = batch->next; n != batch; n = n->next)
        if (VK_CONTAINER(n, vk_ob_turn, node)->result == VK_OB_OK)
            return true;
    return false;
}

static bool any_full(vk_list *batch, vk_ob_err e)
{
    for (vk_list *n = batch->next; n != batch && e != VK_OB_DISK_FULL; n = n->next)
        e = VK_CONTAINER(n, vk_ob_turn, node)->result;
    return e == VK_OB_DISK_FULL;
}

/* Under mu. A file whose transaction failed in its last step may be named by it after all, when the process
 * is killed and the log read again, until another transaction has taken its place. */
static void note_uncertain(vk_ob *s, vk_ob_turn *t)
{
    t->uncertain = true;
    if (!t->blob)
        return;
    vk_buf_add(&s->uncertain, t->blob, VK_OB_BLOB);
    if (s->uncertain.err != VK_OK)
        s->forgets = true;
}

static void lead(vk_ob *s)
{
    vk_list batch;
    vk_buf old;
    vk_list_init(&batch);
    vk_buf_init(&old, SIZE_MAX / 2);
    for (size_t i = 0; i < VK_OB_BATCH && !vk_list_empty(&s->queue); i++)
        vk_list_push(&batch, vk_list_shift(&s->queue));
    s->leading = true;
    vk_ob_usage total = s->used;
    pthread_mutex_unlock(&s->mu);

    bool late = false, written = false;
    vk_ob_err e = VK_OB_OK;
    sync_folders(s, &batch);
    if (any_good(&batch))
        e = transaction(s, s->writer, &batch, &total, &written, &late);
    if (any_full(&batch, e) && vk_ob_index_full(s->writer)) {
        e = e == VK_OB_DISK_FULL ? VK_OB_QUOTA : e;
        for (vk_list *n = batch.next; n != &batch; n = n->next) {
            vk_ob_turn *t = VK_CONTAINER(n, vk_ob_turn, node);
            t->result = t->result == VK_OB_DISK_FULL ? VK_OB_QUOTA : t->result;
        }
    }
    vk_ob_hot_settle(s);
    if (e != VK_OB_OK && e != VK_OB_DISK_FULL && e != VK_OB_QUOTA)
        vk_log(VK_ERROR, "the index of a build's objects cannot be written", VK_F(build, s->build),
               VK_F(error, sqlite3_errmsg(s->writer->db)));

    pthread_mutex_lock(&s->mu);
    for (vk_list *n; (n = vk_list_shift(&batch));) {
        vk_ob_turn *t = VK_CONTAINER(n, vk_ob_turn, node);
        if (e != VK_OB_OK && t->result == VK_OB_OK) {
            t->result = e;
            vk_list_remove(&t->replacing);
            if (late)
                note_uncertain(s, t);
        }
        s->reserved_bytes -= t->bytes;
        s->reserved_objects -= t->objects;
        t->bytes = t->objects = 0;
        t->done = true;
        pthread_cond_signal(&t->cond);
    }
    if (written) {
        s->used = total;
        s->marked = true;
        vk_buf swap = s->uncertain;
        s->uncertain = old;
        old = swap;
    }
    s->leading = false;
    if (!vk_list_empty(&s->queue))
        pthread_cond_signal(&VK_CONTAINER(s->queue.next, vk_ob_turn, node)->cond);
    if (old.n) {
        pthread_mutex_unlock(&s->mu);
        for (size_t i = 0; i + VK_OB_BLOB <= old.n; i += VK_OB_BLOB)
            vk_ob_blob_remove(s, (const uint8_t *)old.p + i);
        pthread_mutex_lock(&s->mu);
    }
    vk_buf_free(&old);
}

vk_ob_err vk_ob_take_turn(vk_ob *s, vk_ob_turn *t)
{
    vk_buf_init(&t->garbage, SIZE_MAX / 2);
    t->delta = (vk_ob_usage){0};
    t->done = t->uncertain = false;
    vk_list_init(&t->replacing);
    pthread_cond_init(&t->cond, NULL);
    pthread_mutex_lock(&s->mu);
    vk_list_push(&s->queue, &t->node);
    while (!t->done) {
        if (s->leading)
            pthread_cond_wait(&t->cond, &s->mu);
        else
            lead(s);
    }
    pthread_mutex_unlock(&s->mu);
    pthread_cond_destroy(&t->cond);
    if (t->result == VK_OB_OK)
        vk_ob_collect(s, &t->garbage);
    pthread_mutex_lock(&s->mu);
    vk_list_remove(&t->replacing);
    pthread_mutex_unlock(&s->mu);
    vk_buf_free(&t->garbage);
    return t->result;
}
