/* Reading. A reader holds what it reads as it was when it was opened: an open file or the bytes that lie in
 * the index, which it may share with others (hot.c), or, of an object of several files, their names, which
 * then stay until it is closed. */
#include "services/storage/embedded/inside.h"

#include <unistd.h>

typedef struct extent {
    int64_t start, size;
    uint8_t blob[VK_OB_BLOB];
    int number;
} extent;

struct vk_ob_reader {
    vk_ob *s;
    int64_t size;
    vk_ob_hot *hot; /* of objects of one piece; the rest is of those of several files */
    vk_ob_pin *pin;
    extent *extents;
    size_t n_extents, open; /* which one `fd` is */
    int fd;                 /* -1: none is open */
};

static vk_ob_err look_up(vk_ob_conn *c, vk_ob_q q, vk_arena *a, vk_str key, vk_ob_row *row_r,
                         sqlite3_stmt **st_r)
{
    sqlite3_stmt *st = vk_ob_st(c, q);
    vk_ob_bind(st, 1, key);
    int rc = vk_ob_step(st);
    *st_r = st;
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? VK_OB_NO_SUCH_KEY : vk_ob_sql_err(rc);
    vk_ob_err e = vk_ob_read_row(st, row_r);
    if (e != VK_OB_OK)
        return e;
    row_r->o.headers = vk_arena_dup(a, row_r->o.headers);
    return row_r->o.headers.p ? VK_OB_OK : VK_OB_NOMEM;
}

vk_ob_err vk_ob_head(vk_ob *s, vk_arena *a, vk_str key, vk_ob_object *out_r)
{
    vk_ob_conn *c;
    vk_ob_row row;
    sqlite3_stmt *st;
    vk_ob_err e = vk_ob_conn_get(s, &c);
    if (e != VK_OB_OK)
        return e;
    e = look_up(c, Q_OBJECT, a, key, &row, &st);
    sqlite3_reset(st);
    vk_ob_conn_put(s, c);
    if (e == VK_OB_OK)
        *out_r = row.o;
    return e;
}

/* ---- get */

/* They follow each other and are the whole object; a restored index may say anything. */
static vk_ob_err read_extents(vk_ob_conn *c, int64_t content, vk_ob_reader *r, size_t n)
{
    int64_t at = 0;
    bool whole = true;
    r->extents = calloc(n, sizeof *r->extents);
    if (!r->extents)
        return VK_OB_NOMEM;
    sqlite3_stmt *st = vk_ob_st(c, Q_EXTENTS);
    vk_ob_bind_i(st, 1, content);
    int rc;
    while ((rc = vk_ob_step(st)) == SQLITE_ROW && r->n_extents < n) {
        extent *x = &r->extents[r->n_extents++];
        vk_str blob = vk_ob_col(st, 3);
        *x = (extent){.number = sqlite3_column_int(st, 0),
                      .start = sqlite3_column_int64(st, 1),
                      .size = sqlite3_column_int64(st, 2)};
        whole = whole && blob.n == VK_OB_BLOB && x->start == at && x->size >= 0 && x->size <= r->size - at;
        if (!whole)
            break;
        memcpy(x->blob, blob.p, VK_OB_BLOB);
        at += x->size;
    }
    sqlite3_reset(st);
    return rc != SQLITE_DONE && rc != SQLITE_ROW                     ? vk_ob_sql_err(rc)
           : rc == SQLITE_DONE && r->n_extents == n && at == r->size ? VK_OB_OK
                                                                     : VK_OB_CORRUPT;
}

/* Object of one piece: the row is `st`'s. */
static vk_ob_err one_piece(vk_ob *s, sqlite3_stmt *st, vk_str key, const vk_ob_row *row, vk_ob_hot **out_r)
{
    int fd = -1;
    vk_ob_err e = VK_OB_OK;
    vk_str bytes = row->has_blob ? VK_STR("") : vk_ob_col(st, 10);
    if (row->has_blob)
        e = vk_ob_blob_open(s, row->blob, &fd);
    else if ((int64_t)bytes.n != row->o.size)
        e = VK_OB_CORRUPT;
    if (e != VK_OB_OK)
        return e;
    *out_r = vk_ob_hot_new(key, &row->o, bytes, fd);
    if (*out_r)
        return VK_OB_OK;
    if (fd >= 0)
        close(fd);
    return VK_OB_NOMEM;
}

/* Under a reading lock of `names`. What is read is of one moment as long as the first statement is not reset:
 * until then SQLite keeps the connection's view of the index. */
static vk_ob_err open_object(vk_ob *s, vk_ob_conn *c, vk_arena *a, vk_str key, uint32_t most_parts,
                             vk_ob_object *out_r, vk_ob_reader *x)
{
    vk_ob_row row;
    sqlite3_stmt *st;
    vk_ob_err e = look_up(c, Q_GET, a, key, &row, &st);
    if (e == VK_OB_OK && row.o.parts > most_parts)
        e = VK_OB_BUSY;
    if (e == VK_OB_OK)
        x->size = row.o.size;
    if (e == VK_OB_OK && (row.has_blob || !row.o.parts))
        e = one_piece(s, st, key, &row, &x->hot);
    else if (e == VK_OB_OK)
        e = read_extents(c, row.content, x, row.o.parts);
    sqlite3_reset(st);
    if (e == VK_OB_OK && !x->hot && !(x->pin = vk_ob_pin_content(s, row.content)))
        e = VK_OB_NOMEM;
    if (e != VK_OB_OK)
        return e;
    x->open = x->n_extents;
    *out_r = row.o;
    return VK_OB_OK;
}

static vk_ob_reader *make_reader(vk_ob *s)
{
    vk_ob_reader *x = malloc(sizeof *x);
    if (!x)
        return NULL;
    *x = (vk_ob_reader){.s = s, .fd = -1};
    atomic_fetch_add(&s->users, 1);
    return x;
}

/* With the connection and under a reading lock of `names`; gives both back. */
static vk_ob_err get_with(vk_ob *s, vk_ob_conn *c, vk_arena *a, vk_str key, uint32_t most_parts,
                          const vk_ob_ticket *t, vk_ob_object *out_r, vk_ob_reader **r)
{
    *r = NULL;
    vk_ob_reader *x = make_reader(s);
    vk_ob_err e = x ? open_object(s, c, a, key, most_parts, out_r, x) : VK_OB_NOMEM;
    pthread_rwlock_unlock(&s->names);
    vk_ob_conn_put(s, c);
    if (e != VK_OB_OK) {
        vk_ob_reader_close(x);
        return e;
    }
    if (x->hot)
        vk_ob_hot_add(s, x->hot, t);
    *r = x;
    return VK_OB_OK;
}

/* Takes over the reference. */
static vk_ob_err get_hot(vk_ob *s, vk_arena *a, vk_ob_hot *h, vk_ob_object *out_r, vk_ob_reader **r)
{
    *r = NULL;
    *out_r = h->o;
    out_r->headers = vk_arena_dup(a, h->o.headers);
    vk_ob_reader *x = out_r->headers.p ? make_reader(s) : NULL;
    if (!x) {
        vk_ob_hot_unref(h);
        return VK_OB_NOMEM;
    }
    x->hot = h;
    x->size = h->o.size;
    *r = x;
    return VK_OB_OK;
}

vk_ob_err vk_ob_get(vk_ob *s, vk_arena *a, vk_str key, vk_ob_object *out_r, vk_ob_reader **r)
{
    vk_ob_conn *c;
    vk_ob_ticket t;
    vk_ob_hot *h = vk_ob_hot_find(s, key, &t);
    if (h)
        return get_hot(s, a, h, out_r, r);
    vk_ob_err e = vk_ob_conn_get(s, &c);
    if (e != VK_OB_OK)
        return e;
    pthread_rwlock_rdlock(&s->names);
    return get_with(s, c, a, key, VK_OB_PARTS_MAX, &t, out_r, r);
}

vk_ob_err vk_ob_get_now(vk_ob *s, vk_arena *a, vk_str key, vk_ob_object *out_r, vk_ob_reader **r)
{
    vk_ob_ticket t;
    vk_ob_hot *h = vk_ob_hot_find(s, key, &t);
    if (h)
        return get_hot(s, a, h, out_r, r);
    vk_ob_conn *c = vk_ob_conn_idle(s);
    if (!c)
        return VK_OB_BUSY;
    if (pthread_rwlock_tryrdlock(&s->names) != 0) {
        vk_ob_conn_put(s, c);
        return VK_OB_BUSY;
    }
    return get_with(s, c, a, key, VK_OB_PARTS_NOW, &t, out_r, r);
}

/* ---- pieces */

static size_t extent_at(const vk_ob_reader *r, int64_t at)
{
    size_t lo = 0, hi = r->n_extents;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (r->extents[mid].start <= at)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

vk_ob_err vk_ob_read(vk_ob_reader *r, int64_t at, vk_ob_piece *out_r)
{
    if (at < 0 || at >= r->size)
        return VK_OB_INVALID_RANGE;
    if (r->hot) {
        bool file = r->hot->fd >= 0;
        *out_r = (vk_ob_piece){.fd = r->hot->fd, .n = r->size - at};
        out_r->at = file ? at : 0;
        out_r->bytes = file ? NULL : r->hot->bytes.p + at;
        return VK_OB_OK;
    }
    size_t i = extent_at(r, at);
    const extent *x = &r->extents[i];
    if (i != r->open) {
        if (r->fd >= 0)
            close(r->fd);
        r->fd = -1;
        r->open = r->n_extents;
        vk_ob_err e = vk_ob_blob_open(r->s, x->blob, &r->fd);
        if (e != VK_OB_OK)
            return e;
        r->open = i;
    }
    *out_r = (vk_ob_piece){.fd = r->fd, .at = at - x->start, .n = x->size - (at - x->start)};
    return out_r->n > 0 ? VK_OB_OK : VK_OB_CORRUPT;
}

bool vk_ob_reader_removes(const vk_ob_reader *r)
{
    pthread_mutex_lock(&r->s->mu);
    bool removes = r->pin && r->pin->readers == 1 && r->pin->doomed.n;
    pthread_mutex_unlock(&r->s->mu);
    return removes;
}

void vk_ob_reader_close(vk_ob_reader *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    if (r->pin)
        vk_ob_unpin(r->s, r->pin);
    vk_ob_hot_unref(r->hot);
    atomic_fetch_sub(&r->s->users, 1);
    free(r->extents);
    free(r);
}

/* ---- parts of a completed object */

bool vk_ob_reader_part(const vk_ob_reader *r, int number, int64_t *start_r, int64_t *size_r)
{
    for (size_t i = 0; i < r->n_extents; i++) {
        if (r->extents[i].number != number)
            continue;
        *start_r = r->extents[i].start;
        *size_r = r->extents[i].size;
        return true;
    }
    return false;
}

static vk_ob_err list_parts(vk_ob_conn *c, int64_t content, int after, size_t max, vk_ob_part *out,
                            size_t *n_r, bool *more_r)
{
    sqlite3_stmt *st = vk_ob_st(c, Q_EXTENTS);
    vk_ob_bind_i(st, 1, content);
    int rc;
    size_t n = 0;
    while ((rc = vk_ob_step(st)) == SQLITE_ROW) {
        int number = sqlite3_column_int(st, 0);
        if (number <= after)
            continue;
        if (n == max)
            break;
        out[n] = (vk_ob_part){
            .number = number, .start = sqlite3_column_int64(st, 1), .size = sqlite3_column_int64(st, 2)};
        vk_ob_read_sum(st, 4, &out[n++].sum);
    }
    *more_r = rc == SQLITE_ROW;
    *n_r = n;
    sqlite3_reset(st);
    return vk_ob_sql_err(rc);
}

vk_ob_err vk_ob_object_parts(vk_ob *s, vk_arena *a, vk_str key, int after, size_t max, vk_ob_object *object_r,
                             vk_ob_part *out, size_t *n_r, bool *more_r)
{
    vk_ob_conn *c;
    vk_ob_row row;
    sqlite3_stmt *st;
    vk_ob_err e = vk_ob_conn_get(s, &c);
    if (e != VK_OB_OK)
        return e;
    e = vk_ob_run(c, vk_ob_st(c, Q_BEGIN_READ));
    if (e == VK_OB_OK) {
        e = look_up(c, Q_OBJECT, a, key, &row, &st);
        sqlite3_reset(st);
        if (e == VK_OB_OK) {
            *object_r = row.o;
            e = list_parts(c, row.o.parts ? row.content : 0, after, max, out, n_r, more_r);
        }
        vk_ob_err over = vk_ob_run(c, vk_ob_st(c, Q_COMMIT));
        e = e == VK_OB_OK ? over : e;
    }
    vk_ob_conn_put(s, c);
    return e;
}
