/* Writing an object, or a part of an upload. Steps of a commit, numbered as docs/ARCHITECTURE.md has them:
 * (1) the index is marked, so that a start after a crash sweeps; (2) the file is made; (3) filled; (4)
 * synced; (5) its folder is synced; (6) the transaction; (7) what it replaced is removed. Until (6) is on
 * stable storage the old object is there, after it the new one. */
#include "services/storage/embedded/inside.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/encode.h"

#include <fcntl.h>
#include <unistd.h>

enum { FLUSH_EACH = 8 << 20, COPY_PIECE = 256 << 10 };

struct vk_ob_put {
    vk_ob *s;
    bool part;
    uint8_t upload[16];
    int number;
    int64_t announced; /* -1: unknown */
    int64_t n;
    int64_t reserved_bytes, reserved_objects;
    int64_t most; /* bytes it may have */
    int64_t flushed;
    int fd; /* -1: all is in `small` */
    vk_ob_stage stage;
    vk_ob_live live;
    vk_ob_err failed;
    size_t n_key;
    char key[VK_OB_KEY_MAX];
    char small[VK_OB_INLINE_MAX];
};

/* ---- begin */

/* What is there now, and would be replaced. */
static vk_ob_err old_size(vk_ob_put *p, int64_t *bytes_r, bool *there_r)
{
    vk_ob_conn *c;
    vk_ob_err e = vk_ob_conn_get(p->s, &c);
    if (e != VK_OB_OK)
        return e;
    sqlite3_stmt *st = vk_ob_st(c, p->part ? Q_PART : Q_OBJECT);
    vk_ob_bind(st, 1, p->part ? (vk_str){(char *)p->upload, 16} : (vk_str){p->key, p->n_key});
    if (p->part)
        vk_ob_bind_i(st, 2, p->number);
    int rc = vk_ob_step(st);
    *there_r = rc == SQLITE_ROW;
    *bytes_r = rc == SQLITE_ROW ? sqlite3_column_int64(st, p->part ? 1 : 0) : 0;
    sqlite3_reset(st);
    vk_ob_conn_put(p->s, c);
    return vk_ob_sql_err(rc);
}

static vk_ob_err reserve(vk_ob_put *p, int64_t bytes)
{
    int64_t objects = p->part ? 0 : 1;
    bytes = p->part ? vk_ob_part_charge(bytes) : bytes;
    vk_ob_err e = vk_ob_reserve(p->s, bytes, objects);
    if (e == VK_OB_QUOTA) {
        int64_t old;
        bool there;
        e = old_size(p, &old, &there);
        if (e != VK_OB_OK)
            return e;
        old = p->part && there ? vk_ob_part_charge(old) : old;
        bytes = bytes > old ? bytes - old : 0;
        objects = there ? 0 : objects;
        e = vk_ob_reserve(p->s, bytes, objects);
    }
    if (e == VK_OB_OK) {
        p->reserved_bytes = bytes;
        p->reserved_objects = objects;
    }
    return e;
}

static vk_ob_err begin(vk_ob *s, vk_str key, const uint8_t *upload, int number, int64_t size,
                       vk_ob_put **out_r)
{
    if (key.n > VK_OB_KEY_MAX)
        return VK_OB_KEY_TOO_LONG;
    if (size < -1 || (upload && (number < 1 || number > VK_OB_PARTS_MAX)))
        return VK_OB_INVALID;
    vk_ob_put *p = calloc(1, sizeof *p);
    if (!p)
        return VK_OB_NOMEM;
    p->s = s;
    p->fd = -1;
    p->announced = size;
    vk_list_init(&p->live.node);
    p->n_key = key.n;
    if (key.n)
        memcpy(p->key, key.p, key.n);
    if (upload) {
        p->part = true;
        p->number = number;
        memcpy(p->upload, upload, 16);
    }
    pthread_mutex_lock(&s->mu);
    p->most = s->quota.object_bytes;
    pthread_mutex_unlock(&s->mu);
    vk_ob_err e = size > p->most ? VK_OB_TOO_LARGE : reserve(p, size > 0 ? size : 0);
    if (e != VK_OB_OK) {
        free(p);
        return e;
    }
    atomic_fetch_add(&s->users, 1);
    *out_r = p;
    return VK_OB_OK;
}

vk_ob_err vk_ob_put_begin(vk_ob *s, vk_str key, int64_t size, vk_ob_put **out_r)
{
    return begin(s, key, NULL, 0, size, out_r);
}

vk_ob_err vk_ob_part_begin(vk_ob *s, vk_str key, const uint8_t upload[16], int number, int64_t size,
                           vk_ob_put **out_r)
{
    vk_ob_upload u;
    vk_arena *a = vk_arena_new(VK_OB_HEADERS_MAX + 8 * VK_OB_KEY_MAX);
    vk_ob_err e = a ? vk_ob_upload_get(s, a, key, upload, &u) : VK_OB_NOMEM;
    vk_arena_free(a);
    return e == VK_OB_OK ? begin(s, key, upload, number, size, out_r) : e;
}

static void end(vk_ob_put *p)
{
    vk_ob_stage_free(&p->stage);
    if (p->fd >= 0)
        close(p->fd);
    atomic_fetch_sub(&p->s->users, 1);
    free(p);
}

/* ---- bytes */

/* Room for `n` more, by what was announced, by the quota and by what one object may have. */
static vk_ob_err room(vk_ob_put *p, int64_t n)
{
    if (p->announced >= 0)
        return n > p->announced - p->n ? VK_OB_INCOMPLETE : VK_OB_OK;
    if (n > p->most - p->n)
        return VK_OB_TOO_LARGE;
    vk_ob_err e = vk_ob_reserve(p->s, n, 0);
    if (e == VK_OB_OK)
        p->reserved_bytes += n;
    return e;
}

/* Its own file, with what is in memory so far. */
static vk_ob_err spill(vk_ob_put *p)
{
    if (p->fd >= 0)
        return VK_OB_OK;
    vk_ob_err e = vk_ob_blob_create(p->s, &p->live, &p->fd);
    int64_t more = p->announced < 0 ? -1 : p->announced - p->n;
    return e == VK_OB_OK ? vk_ob_stage_add(&p->stage, p->fd, 0, (vk_str){p->small, (size_t)p->n}, more) : e;
}

static vk_ob_err add(vk_ob_put *p, vk_str bytes)
{
    vk_ob_err e = room(p, (int64_t)bytes.n);
    if (e != VK_OB_OK)
        return e;
    if (p->fd < 0 && !p->part && bytes.n <= VK_OB_INLINE_MAX - (size_t)p->n) {
        if (bytes.n)
            memcpy(p->small + p->n, bytes.p, bytes.n);
    } else {
        int64_t more = p->announced < 0 ? -1 : p->announced - p->n - (int64_t)bytes.n;
        e = spill(p);
        if (e == VK_OB_OK)
            e = vk_ob_stage_add(&p->stage, p->fd, p->n, bytes, more);
    }
    p->n += (int64_t)bytes.n;
    int64_t written = p->n - (int64_t)p->stage.n;
    if (p->fd >= 0 && written - p->flushed >= FLUSH_EACH) {
        /* So that the sync at the end finds little left to do. A hint; what it says is of no interest. */
        VK_UNUSED(sync_file_range(p->fd, p->flushed, written - p->flushed, SYNC_FILE_RANGE_WRITE));
        p->flushed = written;
    }
    return e;
}

vk_ob_err vk_ob_put_write(vk_ob_put *p, vk_str bytes)
{
    if (p->failed == VK_OB_OK)
        p->failed = add(p, bytes);
    return p->failed;
}

/* ---- from another object */

static vk_ob_err through_memory(vk_ob_put *p, const vk_ob_piece *x, vk_checksum *m, vk_checksum *sum)
{
    char *piece = x->fd >= 0 ? malloc(COPY_PIECE) : NULL;
    vk_ob_err e = x->fd >= 0 && !piece ? VK_OB_NOMEM : VK_OB_OK;
    for (int64_t at = 0; e == VK_OB_OK && at < x->n;) {
        vk_str got = {x->bytes, (size_t)x->n};
        if (x->fd >= 0) {
            int64_t want = x->n - at < COPY_PIECE ? x->n - at : COPY_PIECE;
            ssize_t n = pread(x->fd, piece, (size_t)want, (off_t)(x->at + at));
            if (n <= 0) {
                e = n == 0 ? VK_OB_CORRUPT : VK_OB_IO;
                break;
            }
            got = (vk_str){piece, (size_t)n};
        }
        vk_checksum_add(m, got);
        if (sum)
            vk_checksum_add(sum, got);
        e = add(p, got);
        at += (int64_t)got.n;
    }
    free(piece);
    return e;
}

static vk_ob_err in_kernel(vk_ob_put *p, const vk_ob_piece *x)
{
    if (x->fd < 0)
        return add(p, (vk_str){x->bytes, (size_t)x->n});
    vk_ob_err e = room(p, x->n);
    if (e == VK_OB_OK)
        e = spill(p);
    if (e == VK_OB_OK)
        e = vk_ob_stage_write(&p->stage, p->fd);
    if (e == VK_OB_OK)
        e = vk_ob_of(vk_disk_append_from(p->fd, x->fd, x->at, x->n));
    p->n += x->n;
    return e;
}

vk_ob_err vk_ob_put_copy(vk_ob_put *p, vk_ob_reader *from, int64_t at, int64_t n, uint8_t md5_r[16],
                         vk_checksum *sum)
{
    vk_checksum m;
    uint8_t md5[VK_CHECKSUM_MAX];
    vk_checksum_begin(&m, VK_CHECKSUM_MD5);
    while (p->failed == VK_OB_OK && n > 0) {
        vk_ob_piece x;
        p->failed = vk_ob_read(from, at, &x);
        if (p->failed != VK_OB_OK)
            break;
        x.n = x.n < n ? x.n : n;
        p->failed = md5_r ? through_memory(p, &x, &m, sum) : in_kernel(p, &x);
        at += x.n;
        n -= x.n;
    }
    vk_checksum_end(&m, md5);
    if (md5_r && p->failed == VK_OB_OK)
        memcpy(md5_r, md5, 16);
    return p->failed;
}

/* ---- commit and abort */

struct commit {
    vk_ob_put *p;
    const vk_ob_commit *c;
    vk_ob_row row;
    int64_t now;
};

/* `content` 0: a row of its own; else that row's bytes are exchanged, which changes fewer pages. */
static vk_ob_err put_inline(vk_ob *s, vk_ob_conn *c, struct commit *k, int64_t content)
{
    if (k->p->n == 0)
        return VK_OB_OK;
    k->row.content = content ? content : ++s->last_content;
    sqlite3_stmt *st = vk_ob_st(c, content ? Q_SET_INLINE : Q_PUT_INLINE);
    vk_ob_bind_i(st, 1, k->row.content);
    vk_ob_bind(st, 2, (vk_str){k->p->small, (size_t)k->p->n});
    return vk_ob_run(c, st);
}

static vk_ob_err put_object(vk_ob *s, vk_ob_turn *t, vk_ob_conn *c)
{
    struct commit *k = t->arg;
    vk_str key = {k->p->key, k->p->n_key};
    vk_ob_row old;
    vk_ob_err e = vk_ob_find(c, key, &old);
    if (e != VK_OB_OK && e != VK_OB_NO_SUCH_KEY)
        return e;
    bool there = e == VK_OB_OK;
    e = vk_ob_conditions(k->c, there ? &old : NULL);
    int64_t kept = 0;
    if (there && !old.has_blob && !old.o.parts && !k->row.has_blob && k->p->n) {
        kept = old.content;
        old.content = 0;
    }
    if (e == VK_OB_OK && there)
        e = vk_ob_discard(t, c, &old);
    t->delta.bytes += k->p->n;
    t->delta.objects++;
    if (e == VK_OB_OK)
        e = vk_ob_afford(s, t);
    if (e == VK_OB_OK && !k->row.has_blob)
        e = put_inline(s, c, k, kept);
    return e == VK_OB_OK ? vk_ob_write_row(s, c, key, &k->row) : e;
}

static vk_ob_err put_part(vk_ob *s, vk_ob_turn *t, vk_ob_conn *c)
{
    struct commit *k = t->arg;
    vk_ob_put *p = k->p;
    vk_str id = {(char *)p->upload, 16};
    sqlite3_stmt *st = vk_ob_st(c, Q_UPLOAD);
    vk_ob_bind(st, 1, id);
    int rc = vk_ob_step(st);
    sqlite3_reset(st);
    if (rc != SQLITE_ROW) /* completed or aborted meanwhile */
        return rc == SQLITE_DONE ? VK_OB_NO_SUCH_UPLOAD : vk_ob_sql_err(rc);
    st = vk_ob_st(c, Q_PART);
    vk_ob_bind(st, 1, id);
    vk_ob_bind_i(st, 2, p->number);
    rc = vk_ob_step(st);
    if (rc == SQLITE_ROW && sqlite3_column_bytes(st, 4) == VK_OB_BLOB) {
        vk_ob_add_trash(t, 0, sqlite3_column_blob(st, 4));
        t->delta.part_bytes -= vk_ob_part_charge(sqlite3_column_int64(st, 1));
    }
    sqlite3_reset(st);
    vk_ob_err e = vk_ob_sql_err(rc);
    if (e == VK_OB_OK && t->garbage.err != VK_OK)
        e = VK_OB_NOMEM;
    t->delta.part_bytes += vk_ob_part_charge(p->n);
    if (e == VK_OB_OK)
        e = vk_ob_afford(s, t);
    if (e != VK_OB_OK)
        return e;
    st = vk_ob_st(c, Q_PUT_PART);
    vk_ob_bind(st, 1, id);
    vk_ob_bind_i(st, 2, p->number);
    vk_ob_bind_i(st, 3, p->n);
    vk_ob_bind(st, 4, (vk_str){(const char *)k->c->md5, 16});
    vk_ob_bind_i(st, 5, k->now);
    vk_ob_bind(st, 6, (vk_str){(const char *)p->live.blob, VK_OB_BLOB});
    vk_ob_bind_sum(st, 7, &k->c->sum);
    return vk_ob_run(c, st);
}

static vk_ob_err commit(vk_ob_put *p, const vk_ob_commit *c, vk_ob_object *out_r)
{
    if (p->failed != VK_OB_OK)
        return p->failed;
    if (p->announced >= 0 && p->n != p->announced)
        return VK_OB_INCOMPLETE;
    if (c->headers.n > VK_OB_HEADERS_MAX)
        return VK_OB_METADATA_TOO_LARGE;
    vk_ob_err e = p->part ? spill(p) : VK_OB_OK; /* an empty part is a file too */
    if (e == VK_OB_OK && p->fd >= 0)
        e = vk_ob_stage_write(&p->stage, p->fd);
    if (e == VK_OB_OK && p->fd >= 0)
        e = vk_ob_of(vk_disk_sync(p->fd));
    if (e != VK_OB_OK)
        return e;
    struct commit k = {.p = p, .c = c, .now = vk_clock_wall_ms()};
    k.row.o = (vk_ob_object){.size = p->n, .mtime_ms = k.now, .sum = c->sum, .headers = c->headers};
    k.row.has_blob = p->fd >= 0;
    memcpy(k.row.blob, p->live.blob, VK_OB_BLOB);
    vk_hex(k.row.o.etag, c->md5, 16);
    vk_ob_turn t = {.run = p->part ? put_part : put_object,
                    .arg = &k,
                    .folders = p->fd >= 0 ? vk_ob_folder(p->live.blob) : 0,
                    .blob = p->fd >= 0 ? p->live.blob : NULL,
                    .unsynced = p->live.unsynced,
                    .bytes = p->reserved_bytes,
                    .objects = p->reserved_objects};
    p->reserved_bytes = p->reserved_objects = 0; /* the turn's */
    e = vk_ob_take_turn(p->s, &t);
    if (e != VK_OB_OK && !t.uncertain && p->fd >= 0)
        vk_ob_blob_remove(p->s, p->live.blob);
    if (p->fd >= 0)
        vk_ob_blob_settled(p->s, &p->live);
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    if (e == VK_OB_OK && out_r)
        *out_r = k.row.o;
    return e;
}

vk_ob_err vk_ob_put_commit(vk_ob_put *p, const vk_ob_commit *c, vk_ob_object *out_r)
{
    vk_ob_err e = commit(p, c, out_r);
    vk_ob_put_abort(p); /* what commit has not taken */
    return e;
}

void vk_ob_put_abort(vk_ob_put *p)
{
    if (p->fd >= 0) {
        vk_ob_blob_remove(p->s, p->live.blob);
        vk_ob_blob_settled(p->s, &p->live);
    }
    vk_ob_release(p->s, p->reserved_bytes, p->reserved_objects);
    end(p);
}
