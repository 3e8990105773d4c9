/* Multipart uploads. Completing one copies nothing: the files of its parts become the pieces of the object
 * (table extents), in the same transaction that removes the upload. Joining them into one file would write
 * everything twice where the file system cannot share blocks, and could be cut off half-way; a reader pays
 * for this with one open at each border of two parts, which are 5 MiB apart at least. */
#include "services/storage/embedded/inside.h"

#include "core/clock.h"
#include "core/encode.h"
#include "core/random.h"

enum { EXPIRE_BATCH = 100 };

static vk_str id_of(const uint8_t id[16])
{
    return (vk_str){(const char *)id, 16};
}

/* In a transaction: it is open, and of that key. */
static vk_ob_err check(vk_ob_conn *c, vk_str key, const uint8_t id[16])
{
    sqlite3_stmt *st = vk_ob_st(c, Q_UPLOAD);
    vk_ob_bind(st, 1, id_of(id));
    int rc = vk_ob_step(st);
    bool same = rc == SQLITE_ROW && vk_str_eq(vk_ob_col(st, 0), key);
    sqlite3_reset(st);
    return rc == SQLITE_DONE || (rc == SQLITE_ROW && !same) ? VK_OB_NO_SUCH_UPLOAD : vk_ob_sql_err(rc);
}

/* ---- create, look at */

struct create {
    vk_str key, headers;
    uint8_t sum_algo, sum_type, *id;
};

static vk_ob_err create(vk_ob *s, vk_ob_turn *t, vk_ob_conn *c)
{
    const struct create *k = t->arg;
    sqlite3_stmt *st = vk_ob_st(c, Q_PUT_UPLOAD);
    VK_UNUSED(s);
    vk_ob_bind(st, 1, id_of(k->id));
    vk_ob_bind(st, 2, k->key);
    vk_ob_bind_i(st, 3, vk_clock_wall_ms());
    vk_ob_bind_i(st, 4, k->sum_algo);
    vk_ob_bind_i(st, 5, k->sum_type);
    vk_ob_bind(st, 6, k->headers);
    t->delta.uploads = 1;
    return vk_ob_run(c, st);
}

vk_ob_err vk_ob_upload_create(vk_ob *s, vk_str key, vk_str headers, uint8_t sum_algo, uint8_t sum_type,
                              uint8_t id_r[16])
{
    uint8_t id[16];
    struct create k = {key, headers, sum_algo, sum_type, id};
    vk_ob_turn t = {.run = create, .arg = &k};
    if (key.n > VK_OB_KEY_MAX)
        return VK_OB_KEY_TOO_LONG;
    if (headers.n > VK_OB_HEADERS_MAX)
        return VK_OB_METADATA_TOO_LARGE;
    vk_random(id, sizeof id);
    pthread_mutex_lock(&s->mu);
    bool full = s->used.uploads + s->opening >= s->quota.uploads;
    s->opening += !full;
    pthread_mutex_unlock(&s->mu);
    if (full)
        return VK_OB_BUSY;
    vk_ob_err e = vk_ob_take_turn(s, &t);
    pthread_mutex_lock(&s->mu);
    s->opening--;
    pthread_mutex_unlock(&s->mu);
    if (e == VK_OB_OK)
        memcpy(id_r, id, sizeof id);
    return e;
}

vk_ob_err vk_ob_upload_get(vk_ob *s, vk_arena *a, vk_str key, const uint8_t id[16], vk_ob_upload *out_r)
{
    vk_ob_conn *c;
    vk_ob_err e = vk_ob_conn_get(s, &c);
    if (e != VK_OB_OK)
        return e;
    sqlite3_stmt *st = vk_ob_st(c, Q_UPLOAD);
    vk_ob_bind(st, 1, id_of(id));
    int rc = vk_ob_step(st);
    if (rc == SQLITE_ROW && vk_str_eq(vk_ob_col(st, 0), key)) {
        *out_r = (vk_ob_upload){.created_ms = sqlite3_column_int64(st, 1),
                                .sum_algo = (uint8_t)sqlite3_column_int(st, 2),
                                .sum_type = (uint8_t)sqlite3_column_int(st, 3),
                                .key = vk_arena_dup(a, vk_ob_col(st, 0)),
                                .headers = vk_arena_dup(a, vk_ob_col(st, 4))};
        memcpy(out_r->id, id, 16);
        e = out_r->key.p && out_r->headers.p ? VK_OB_OK : VK_OB_NOMEM;
    } else {
        e = rc == SQLITE_ROW || rc == SQLITE_DONE ? VK_OB_NO_SUCH_UPLOAD : vk_ob_sql_err(rc);
    }
    sqlite3_reset(st);
    vk_ob_conn_put(s, c);
    return e;
}

/* ---- the end of an upload, either way */

static vk_ob_err drop(vk_ob_turn *t, vk_ob_conn *c, const uint8_t id[16])
{
    sqlite3_stmt *st = vk_ob_st(c, Q_DROP_PARTS);
    vk_ob_bind(st, 1, id_of(id));
    vk_ob_err e = vk_ob_run(c, st);
    if (e != VK_OB_OK)
        return e;
    st = vk_ob_st(c, Q_DROP_UPLOAD);
    vk_ob_bind(st, 1, id_of(id));
    t->delta.uploads--;
    e = vk_ob_run(c, st);
    return e == VK_OB_OK && t->garbage.err != VK_OK ? VK_OB_NOMEM : e;
}

static vk_ob_err drop_with_parts(vk_ob_turn *t, vk_ob_conn *c, const uint8_t id[16])
{
    sqlite3_stmt *st = vk_ob_st(c, Q_PARTS);
    vk_ob_bind(st, 1, id_of(id));
    vk_ob_bind_i(st, 2, 0);
    int rc;
    while ((rc = vk_ob_step(st)) == SQLITE_ROW) {
        if (sqlite3_column_bytes(st, 4) == VK_OB_BLOB)
            vk_ob_add_trash(t, 0, sqlite3_column_blob(st, 4));
        t->delta.part_bytes -= vk_ob_part_charge(sqlite3_column_int64(st, 1));
    }
    sqlite3_reset(st);
    return rc == SQLITE_DONE ? drop(t, c, id) : vk_ob_sql_err(rc);
}

struct which {
    vk_str key;
    const uint8_t *id;
};

static vk_ob_err abort_one(vk_ob *s, vk_ob_turn *t, vk_ob_conn *c)
{
    const struct which *w = t->arg;
    VK_UNUSED(s);
    vk_ob_err e = check(c, w->key, w->id);
    return e == VK_OB_OK ? drop_with_parts(t, c, w->id) : e;
}

vk_ob_err vk_ob_upload_abort(vk_ob *s, vk_str key, const uint8_t id[16])
{
    struct which w = {key, id};
    vk_ob_turn t = {.run = abort_one, .arg = &w};
    return vk_ob_take_turn(s, &t);
}

struct expire {
    int64_t before;
    size_t n;
    uint8_t ids[EXPIRE_BATCH][16];
};

static vk_ob_err expire(vk_ob *s, vk_ob_turn *t, vk_ob_conn *c)
{
    struct expire *k = t->arg;
    VK_UNUSED(s);
    k->n = 0;
    sqlite3_stmt *st = vk_ob_st(c, Q_OLD_UPLOADS);
    vk_ob_bind_i(st, 1, k->before);
    vk_ob_bind_i(st, 2, EXPIRE_BATCH);
    int rc;
    while ((rc = vk_ob_step(st)) == SQLITE_ROW && k->n < EXPIRE_BATCH)
        if (sqlite3_column_bytes(st, 0) == 16)
            memcpy(k->ids[k->n++], sqlite3_column_blob(st, 0), 16);
    sqlite3_reset(st);
    vk_ob_err e = vk_ob_sql_err(rc);
    for (size_t i = 0; e == VK_OB_OK && i < k->n; i++)
        e = drop_with_parts(t, c, k->ids[i]);
    if (e != VK_OB_OK)
        return e;
    st = vk_ob_st(c, Q_PRUNE_FINISHED);
    vk_ob_bind_i(st, 1, vk_clock_wall_ms() - VK_OB_FINISHED_MS);
    return vk_ob_run(c, st);
}

vk_ob_err vk_ob_upload_expire(vk_ob *s, int64_t before_ms, size_t *n_r)
{
    struct expire k = {.before = before_ms};
    vk_ob_turn t = {.run = expire, .arg = &k};
    vk_ob_err e = vk_ob_take_turn(s, &t);
    if (e == VK_OB_OK)
        *n_r = k.n;
    return e;
}

/* ---- complete */

struct complete {
    vk_str key;
    const uint8_t *id;
    const vk_ob_claim *parts;
    size_t n;
    const vk_ob_commit *c;
    vk_ob_row row;
    uint8_t md5[VK_CHECKSUM_MAX];
    int64_t most;
};

/* The result of one that was completed before, for a client that has not heard of it. */
static vk_ob_err finished(vk_ob_conn *c, struct complete *k)
{
    sqlite3_stmt *st = vk_ob_st(c, Q_FINISHED);
    vk_ob_bind(st, 1, id_of(k->id));
    int rc = vk_ob_step(st);
    vk_ob_err e = rc == SQLITE_DONE ? VK_OB_NO_SUCH_UPLOAD : vk_ob_sql_err(rc);
    if (rc == SQLITE_ROW) {
        vk_ob_object *o = &k->row.o;
        vk_str etag = vk_ob_col(st, 3);
        *o = (vk_ob_object){.mtime_ms = sqlite3_column_int64(st, 1),
                            .size = sqlite3_column_int64(st, 2),
                            .parts = (uint32_t)sqlite3_column_int64(st, 4)};
        if (etag.n && etag.n <= VK_OB_ETAG)
            memcpy(o->etag, etag.p, etag.n);
        vk_ob_read_sum(st, 5, &o->sum);
        bool old = o->mtime_ms < vk_clock_wall_ms() - VK_OB_FINISHED_MS;
        e = old || !vk_str_eq(vk_ob_col(st, 0), k->key) ? VK_OB_NO_SUCH_UPLOAD : VK_OB_OK;
    }
    sqlite3_reset(st);
    return e;
}

/* One uploaded part that the client wants, as the next piece of the object. */
static vk_ob_err take_part(vk_ob_conn *c, struct complete *k, sqlite3_stmt *part, const vk_ob_claim *want,
                           bool last)
{
    vk_ob_sum sum;
    vk_str md5 = vk_ob_col(part, 2), blob = vk_ob_col(part, 4);
    int64_t size = sqlite3_column_int64(part, 1);
    vk_ob_read_sum(part, 5, &sum);
    if (md5.n != 16 || memcmp(md5.p, want->md5, 16) != 0)
        return VK_OB_INVALID_PART;
    if (want->sum.algo && (want->sum.algo != sum.algo || want->sum.n != sum.n ||
                           memcmp(want->sum.value, sum.value, sum.n) != 0))
        return VK_OB_INVALID_PART;
    if (!last && size < VK_OB_PART_LEAST)
        return VK_OB_PART_TOO_SMALL;
    if (size > k->most - k->row.o.size)
        return VK_OB_TOO_LARGE;
    sqlite3_stmt *st = vk_ob_st(c, Q_PUT_EXTENT);
    vk_ob_bind_i(st, 1, k->row.content);
    vk_ob_bind_i(st, 2, want->number);
    vk_ob_bind_i(st, 3, k->row.o.size);
    vk_ob_bind_i(st, 4, size);
    vk_ob_bind(st, 5, blob);
    vk_ob_bind_sum(st, 6, &sum);
    k->row.o.size += size;
    return vk_ob_run(c, st);
}

/* All parts in order of their numbers, beside those that are wanted. */
static vk_ob_err take_parts(vk_ob_turn *t, vk_ob_conn *c, struct complete *k)
{
    size_t i = 0;
    int rc;
    vk_ob_err e = VK_OB_OK;
    sqlite3_stmt *st = vk_ob_st(c, Q_PARTS);
    vk_ob_bind(st, 1, id_of(k->id));
    vk_ob_bind_i(st, 2, 0);
    while (e == VK_OB_OK && (rc = vk_ob_step(st)) != SQLITE_DONE) {
        if (rc != SQLITE_ROW) {
            e = vk_ob_sql_err(rc);
            break;
        }
        int number = sqlite3_column_int(st, 0);
        t->delta.part_bytes -= vk_ob_part_charge(sqlite3_column_int64(st, 1));
        if (i < k->n && k->parts[i].number < number)
            e = VK_OB_INVALID_PART; /* never uploaded */
        else if (i < k->n && k->parts[i].number == number)
            e = take_part(c, k, st, &k->parts[i], i + 1 == k->n), i++;
        else if (sqlite3_column_bytes(st, 4) == VK_OB_BLOB)
            vk_ob_add_trash(t, 0, sqlite3_column_blob(st, 4));
    }
    sqlite3_reset(st);
    return e == VK_OB_OK && i < k->n ? VK_OB_INVALID_PART : e;
}

static vk_ob_err remember(vk_ob_conn *c, const struct complete *k)
{
    sqlite3_stmt *st = vk_ob_st(c, Q_PUT_FINISHED);
    vk_ob_bind(st, 1, id_of(k->id));
    vk_ob_bind(st, 2, k->key);
    vk_ob_bind_i(st, 3, k->row.o.mtime_ms);
    vk_ob_bind_i(st, 4, k->row.o.size);
    if (st)
        sqlite3_bind_text(st, 5, k->row.o.etag, -1, SQLITE_STATIC);
    vk_ob_bind_i(st, 6, k->row.o.parts);
    vk_ob_bind_sum(st, 7, &k->row.o.sum);
    return vk_ob_run(c, st);
}

static vk_ob_err complete(vk_ob *s, vk_ob_turn *t, vk_ob_conn *c)
{
    struct complete *k = t->arg;
    vk_ob_row old;
    vk_ob_err e = check(c, k->key, k->id);
    if (e == VK_OB_NO_SUCH_UPLOAD)
        return finished(c, k);
    if (e != VK_OB_OK)
        return e;
    e = vk_ob_find(c, k->key, &old);
    if (e != VK_OB_OK && e != VK_OB_NO_SUCH_KEY)
        return e;
    bool there = e == VK_OB_OK;
    e = vk_ob_conditions(k->c, there ? &old : NULL);
    k->row = (vk_ob_row){.content = ++s->last_content};
    k->row.o = (vk_ob_object){
        .mtime_ms = vk_clock_wall_ms(), .parts = (uint32_t)k->n, .sum = k->c->sum, .headers = k->c->headers};
    vk_hex(k->row.o.etag, k->md5, 16);
    snprintf(k->row.o.etag + 32, sizeof k->row.o.etag - 32, "-%zu", k->n);
    if (e == VK_OB_OK && there)
        e = vk_ob_discard(t, c, &old);
    if (e == VK_OB_OK)
        e = take_parts(t, c, k);
    t->delta.bytes += k->row.o.size;
    t->delta.objects++;
    if (e == VK_OB_OK)
        e = vk_ob_afford(s, t);
    if (e == VK_OB_OK)
        e = vk_ob_write_row(s, c, k->key, &k->row);
    if (e == VK_OB_OK)
        e = remember(c, k);
    return e == VK_OB_OK ? drop(t, c, k->id) : e;
}

vk_ob_err vk_ob_upload_complete(vk_ob *s, vk_str key, const uint8_t id[16], const vk_ob_claim *parts,
                                size_t n, const vk_ob_commit *c, vk_ob_object *out_r)
{
    struct complete k = {.key = key, .id = id, .parts = parts, .n = n, .c = c};
    if (n == 0 || n > VK_OB_PARTS_MAX)
        return VK_OB_INVALID;
    if (c->headers.n > VK_OB_HEADERS_MAX)
        return VK_OB_METADATA_TOO_LARGE;
    vk_checksum m;
    vk_checksum_begin(&m, VK_CHECKSUM_MD5);
    for (size_t i = 0; i < n; i++) {
        if (parts[i].number <= (i ? parts[i - 1].number : 0))
            return VK_OB_INVALID_PART_ORDER;
        vk_checksum_add(&m, (vk_str){(const char *)parts[i].md5, 16});
    }
    vk_checksum_end(&m, k.md5);
    pthread_mutex_lock(&s->mu);
    k.most = s->quota.object_bytes;
    pthread_mutex_unlock(&s->mu);
    vk_ob_turn t = {.run = complete, .arg = &k};
    vk_ob_err e = vk_ob_take_turn(s, &t);
    if (e == VK_OB_OK && out_r) {
        *out_r = k.row.o;
        out_r->headers = VK_STR_NONE;
    }
    return e;
}
