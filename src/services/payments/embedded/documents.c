/* Documents and the keys they are found by. */
#include "services/payments/embedded/inside.h"

/* ---- keys of a document: one after the other in its row, "name NUL length value", length in two bytes */

static bool same_key(const vk_pay_key *a, const vk_pay_key *b)
{
    return vk_str_eq(a->value, b->value) && strcmp(a->name, b->name) == 0;
}

static bool among(const vk_pay_key *k, const vk_pay_key *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (same_key(k, &keys[i]))
            return true;
    return false;
}

static void pack_one(vk_buf *to, const vk_pay_key *k)
{
    vk_buf_add(to, k->name, strlen(k->name) + 1);
    vk_buf_ch(to, (char)(k->value.n >> 8));
    vk_buf_ch(to, (char)(k->value.n & 0xff));
    vk_buf_str(to, k->value);
}

/* All keys that a document is to have, each once: out[], and packed into db->keys. */
static vk_err pack(vk_pay_db *db, const vk_pay_row *row, const vk_pay_key *keys, size_t n,
                   vk_pay_key out[VK_PAY_OWN_KEYS_MAX], size_t *n_r)
{
    vk_buf_clear(&db->keys);
    out[0] = (vk_pay_key){"", row->deleted ? VK_STR(VK_PAY_GONE) : VK_STR(VK_PAY_HERE)};
    pack_one(&db->keys, &out[0]);
    *n_r = 1;
    for (size_t i = 0; i < n && !row->deleted; i++) {
        if (!keys[i].value.p || among(&keys[i], out, *n_r))
            continue;
        if (*n_r == VK_PAY_OWN_KEYS_MAX || keys[i].value.n > VK_PAY_KEY_VALUE_MAX)
            return VK_E_TOO_LARGE;
        pack_one(&db->keys, &keys[i]);
        out[(*n_r)++] = keys[i];
    }
    return db->keys.err;
}

/* The views are into `s`. VK_E_CORRUPT. */
static vk_err unpack(vk_str s, vk_pay_key out[VK_PAY_OWN_KEYS_MAX], size_t *n_r)
{
    *n_r = 0;
    while (s.n) {
        const char *nul = memchr(s.p, 0, s.n);
        size_t name = nul ? (size_t)(nul - s.p) + 1 : 0;
        if (!nul || s.n - name < 2 || *n_r == VK_PAY_OWN_KEYS_MAX)
            return VK_E_CORRUPT;
        size_t n = (size_t)(uint8_t)nul[1] << 8 | (uint8_t)nul[2];
        if (n > s.n - name - 2)
            return VK_E_CORRUPT;
        out[(*n_r)++] = (vk_pay_key){s.p, {nul + 3, n}};
        s = (vk_str){nul + 3 + n, s.n - name - 2 - n};
    }
    return VK_OK;
}

/* Those of `a` that are not among `b`, by a statement. */
static vk_err change_keys(vk_pay_db *db, vk_pay_q q, vk_str kind, int64_t created, int64_t seq,
                          const vk_pay_key *a, size_t n_a, const vk_pay_key *b, size_t n_b)
{
    vk_err e = VK_OK;
    for (size_t i = 0; e == VK_OK && i < n_a; i++)
        if (!among(&a[i], b, n_b))
            e = vk_pay_change(db, vk_pay_st(db, q, "szsii", kind, a[i].name, a[i].value, created, seq), NULL);
    return e;
}

/* ---- one document */

typedef struct vk_pay_place {
    int64_t seq, created;
    vk_str kind; /* of the caller, or in `room` */
    char room[64];
} vk_pay_place;

/* Where a document is, and its keys into db->had. */
static vk_err place_of(vk_pay_db *db, vk_str id, vk_pay_place *out_r)
{
    sqlite3_stmt *st = vk_pay_st(db, VK_PAY_Q_DOC_KEYS, "s", id);
    vk_err e = vk_pay_next(db, st);
    if (e != VK_OK)
        return e;
    vk_str kind = vk_pay_view(st, 1), keys = vk_pay_view(st, 3);
    out_r->seq = sqlite3_column_int64(st, 0);
    out_r->created = sqlite3_column_int64(st, 2);
    if (kind.n > sizeof out_r->room)
        e = VK_E_CORRUPT;
    else
        memcpy(out_r->room, kind.p, kind.n);
    out_r->kind = (vk_str){out_r->room, kind.n};
    vk_buf_clear(&db->had);
    vk_buf_str(&db->had, keys);
    vk_pay_done(st);
    return e == VK_OK ? db->had.err : e;
}

static vk_err replace(vk_pay_db *db, vk_pay_row *row, const vk_pay_key *keys, size_t n)
{
    vk_pay_place at;
    vk_pay_key had[VK_PAY_OWN_KEYS_MAX];
    size_t n_had = 0;
    vk_err e = place_of(db, row->id, &at);
    if (e == VK_OK && !vk_str_eq(at.kind, row->kind))
        e = VK_E_CONFLICT;
    if (e == VK_OK && !vk_str_eq(vk_buf_view(&db->had), vk_buf_view(&db->keys))) {
        e = unpack(vk_buf_view(&db->had), had, &n_had);
        if (e == VK_OK)
            e = change_keys(db, VK_PAY_Q_KEY_DROP, at.kind, at.created, at.seq, had, n_had, keys, n);
        if (e == VK_OK)
            e = change_keys(db, VK_PAY_Q_KEY_ADD, at.kind, at.created, at.seq, keys, n, had, n_had);
    }
    if (e == VK_OK)
        e = vk_pay_change(db,
                          vk_pay_st(db, VK_PAY_Q_DOC_PUT, "iibs", at.seq, (int64_t)row->deleted,
                                    vk_buf_view(&db->keys), row->body),
                          NULL);
    if (e == VK_OK)
        row->seq = at.seq;
    return e;
}

/* VK_E_CONFLICT: the id is there already. */
static vk_err add(vk_pay_db *db, vk_pay_row *row, const vk_pay_key *keys, size_t n)
{
    vk_err e =
        vk_pay_change(db,
                      vk_pay_st(db, VK_PAY_Q_DOC_ADD, "ssiibs", row->id, row->kind, (int64_t)row->deleted,
                                row->created, vk_buf_view(&db->keys), row->body),
                      NULL);
    if (e != VK_OK)
        return e;
    row->seq = sqlite3_last_insert_rowid(db->db);
    return change_keys(db, VK_PAY_Q_KEY_ADD, row->kind, row->created, row->seq, keys, n, NULL, 0);
}

vk_err vk_pay_doc_put(vk_pay_db *db, vk_pay_row *row, const vk_pay_key *keys, size_t n)
{
    vk_pay_key own[VK_PAY_OWN_KEYS_MAX];
    if (row->body.n > VK_PAY_DOC_MAX)
        return VK_E_TOO_LARGE;
    vk_err e = pack(db, row, keys, n, own, &n);
    if (e == VK_OK)
        e = vk_pay_room(db, row->body.n + 2 * db->keys.n);
    if (e != VK_OK)
        return e;
    bool fresh = row->seq == 0;
    e = fresh ? add(db, row, own, n) : replace(db, row, own, n);
    if (fresh && e == VK_E_CONFLICT)
        return replace(db, row, own, n);
    if (!fresh && e == VK_E_NOT_FOUND) /* it went since it was read */
        return add(db, row, own, n);
    return e;
}

static void row_of(sqlite3_stmt *st, vk_pay_row *out_r)
{
    *out_r = (vk_pay_row){.seq = sqlite3_column_int64(st, 0),
                          .id = vk_pay_view(st, 1),
                          .kind = vk_pay_view(st, 2),
                          .deleted = sqlite3_column_int64(st, 3) != 0,
                          .created = sqlite3_column_int64(st, 4),
                          .body = vk_pay_view(st, 5)};
}

vk_err vk_pay_doc_get(vk_pay_db *db, vk_arena *a, vk_str id, vk_pay_row *out_r)
{
    sqlite3_stmt *st = vk_pay_st(db, VK_PAY_Q_DOC, "s", id);
    vk_pay_row row;
    vk_err e = vk_pay_next(db, st);
    if (e != VK_OK)
        return e;
    row_of(st, &row);
    row.id = vk_arena_dup(a, row.id);
    row.kind = vk_arena_dup(a, row.kind);
    row.body = vk_arena_dup(a, row.body);
    vk_pay_done(st);
    if (!row.id.p || !row.kind.p || !row.body.p)
        return VK_E_NOMEM;
    *out_r = row;
    return VK_OK;
}

vk_err vk_pay_doc_del(vk_pay_db *db, vk_str id)
{
    vk_pay_place at;
    vk_pay_key had[VK_PAY_OWN_KEYS_MAX];
    size_t n = 0;
    vk_err e = vk_pay_sound(db);
    if (e == VK_OK)
        e = place_of(db, id, &at);
    if (e == VK_OK)
        e = unpack(vk_buf_view(&db->had), had, &n);
    if (e == VK_OK)
        e = change_keys(db, VK_PAY_Q_KEY_DROP, at.kind, at.created, at.seq, had, n, NULL, 0);
    return e == VK_OK ? vk_pay_change(db, vk_pay_st(db, VK_PAY_Q_DOC_DROP, "i", at.seq), NULL) : e;
}

vk_err vk_pay_doc_count(vk_pay_db *db, const char *kind, int64_t *out_r)
{
    sqlite3_stmt *st = vk_pay_st(db, VK_PAY_Q_DOC_COUNT, "z", kind);
    vk_err e = vk_pay_next(db, st);
    if (e == VK_OK)
        *out_r = sqlite3_column_int64(st, 0);
    vk_pay_done(st);
    return e;
}

/* ---- lists */

typedef struct place {
    int64_t created, seq;
} place;

/* A way along an index: where it stands. */
typedef struct way {
    sqlite3_stmt *st;
    place at;
} way;

typedef struct walk {
    vk_pay_db *db;
    const vk_pay_ask *ask;
    place above, below; /* what is asked for is between them */
    size_t n, along;    /* of ways; the key along which they go */
    way ways[VK_PAY_VALUES_MAX];
} walk;

static int compare(place a, place b)
{
    if (a.created != b.created)
        return a.created < b.created ? -1 : 1;
    return a.seq < b.seq ? -1 : a.seq > b.seq;
}

/* How many values key `i` may have, and one of them. */
static size_t values_of(const vk_pay_ask *ask, size_t i)
{
    return i == 0 && ask->n_any ? ask->n_any : 1;
}

static vk_str value_of(const vk_pay_ask *ask, size_t i, size_t v)
{
    return i == 0 && ask->n_any ? ask->any[v] : ask->keys[i].value;
}

static vk_err bound(vk_pay_db *db, int64_t seq, place *out_r)
{
    sqlite3_stmt *st = vk_pay_st(db, VK_PAY_Q_DOC_CREATED, "i", seq);
    vk_err e = vk_pay_next(db, st);
    if (e == VK_OK)
        *out_r = (place){sqlite3_column_int64(st, 0), seq};
    vk_pay_done(st);
    return e;
}

static vk_err bounds(walk *w)
{
    const vk_pay_ask *ask = w->ask;
    place p;
    vk_err e = VK_OK;
    w->above = (place){ask->created_from, INT64_MIN};
    w->below = (place){ask->created_to ? ask->created_to : INT64_MAX, INT64_MAX};
    if (ask->after && (e = bound(w->db, ask->after, &p)) == VK_OK && compare(p, w->below) < 0)
        w->below = p;
    if (e == VK_OK && ask->before && (e = bound(w->db, ask->before, &p)) == VK_OK && compare(p, w->above) > 0)
        w->above = p;
    return e;
}

/* The key that the fewest documents have, as far as that is seen at once. */
static vk_err choose(walk *w)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; w->ask->n_keys > 1 && i < w->ask->n_keys; i++) {
        int64_t n = 0;
        for (size_t v = 0; v < values_of(w->ask, i) && n < least; v++) {
            sqlite3_stmt *st = vk_pay_st(w->db, VK_PAY_Q_KEY_ABOUT, "zzs", w->ask->kind, w->ask->keys[i].name,
                                         value_of(w->ask, i, v));
            vk_err e = vk_pay_next(w->db, st);
            if (e == VK_OK)
                n += sqlite3_column_int64(st, 0);
            vk_pay_done(st);
            if (e != VK_OK)
                return e;
        }
        if (n < least) {
            least = n;
            w->along = i;
        }
    }
    return VK_OK;
}

/* One step along; a way that has ended has no statement any more. */
static vk_err step(walk *w, way *y)
{
    vk_err e = vk_pay_next(w->db, y->st);
    if (e == VK_OK)
        y->at = (place){sqlite3_column_int64(y->st, 0), sqlite3_column_int64(y->st, 1)};
    else
        y->st = NULL;
    return e == VK_E_NOT_FOUND ? VK_OK : e;
}

static vk_err set_out(walk *w)
{
    static const vk_str all[] = {VK_STR(VK_PAY_HERE), VK_STR(VK_PAY_GONE)};
    const vk_pay_ask *ask = w->ask;
    const char *name = ask->n_keys ? ask->keys[w->along].name : "";
    vk_err e = VK_OK;
    size_t n = ask->n_keys ? values_of(ask, w->along) : ask->deleted ? 2 : 1;
    for (size_t i = 0; e == VK_OK && i < n; i++) {
        sqlite3_stmt **st = &w->db->ways[ask->oldest_first][i];
        if (!*st && sqlite3_prepare_v3(w->db->db, vk_pay_ways_sql[ask->oldest_first], -1,
                                       SQLITE_PREPARE_PERSISTENT, st, NULL) != SQLITE_OK)
            return vk_pay_failed(w->db, sqlite3_extended_errcode(w->db->db));
        sqlite3_reset(*st);
        vk_pay_bind(*st, "iiiizzs", w->above.created, w->above.seq, w->below.created, w->below.seq, ask->kind,
                    name, ask->n_keys ? value_of(ask, w->along, i) : all[i]);
        w->ways[w->n++].st = *st;
        e = step(w, &w->ways[i]);
    }
    return e;
}

static void arrive(walk *w)
{
    for (size_t i = 0; i < w->n; i++) {
        sqlite3_stmt **st = &w->db->ways[w->ask->oldest_first][i];
        sqlite3_reset(*st);
        if (i >= VK_PAY_WAYS_KEPT) {
            sqlite3_finalize(*st);
            *st = NULL;
        }
    }
}

/* The next place on any of the ways; all that stand there go on. VK_E_NOT_FOUND: none is left. */
static vk_err go_on(walk *w, place *out_r)
{
    const way *first = NULL;
    for (size_t i = 0; i < w->n; i++)
        if (w->ways[i].st && (!first || (compare(w->ways[i].at, first->at) < 0) == w->ask->oldest_first))
            first = &w->ways[i];
    if (!first)
        return VK_E_NOT_FOUND;
    *out_r = first->at;
    vk_err e = VK_OK;
    for (size_t i = 0; e == VK_OK && i < w->n; i++)
        if (w->ways[i].st && compare(w->ways[i].at, *out_r) == 0)
            e = step(w, &w->ways[i]);
    return e;
}

/* Whether what is there has all the other keys. */
static vk_err matches(walk *w, place at, bool *out_r)
{
    *out_r = true;
    for (size_t i = 0; i < w->ask->n_keys && *out_r; i++) {
        vk_err e = VK_E_NOT_FOUND;
        for (size_t v = 0; i != w->along && e == VK_E_NOT_FOUND && v < values_of(w->ask, i); v++) {
            sqlite3_stmt *st = vk_pay_st(w->db, VK_PAY_Q_KEY_HAS, "zzsii", w->ask->kind, w->ask->keys[i].name,
                                         value_of(w->ask, i, v), at.created, at.seq);
            e = vk_pay_next(w->db, st);
            vk_pay_done(st);
        }
        if (i == w->along)
            continue;
        if (e != VK_OK && e != VK_E_NOT_FOUND)
            return e;
        *out_r = e == VK_OK;
    }
    return VK_OK;
}

static vk_err show(walk *w, place at, bool (*one)(void *arg, const vk_pay_row *row), void *arg, bool *more_r)
{
    vk_pay_row row;
    sqlite3_stmt *st = vk_pay_st(w->db, VK_PAY_Q_DOC_AT, "i", at.seq);
    vk_err e = vk_pay_next(w->db, st);
    if (e != VK_OK)
        return e == VK_E_NOT_FOUND ? VK_E_CORRUPT : e; /* a key without its document */
    row_of(st, &row);
    *more_r = one(arg, &row);
    vk_pay_done(st);
    return VK_OK;
}

vk_err vk_pay_doc_list(vk_pay_db *db, const vk_pay_ask *ask, bool (*one)(void *arg, const vk_pay_row *row),
                       void *arg)
{
    walk w = {.db = db, .ask = ask};
    bool more = true, good;
    place at;
    if (ask->n_keys > VK_PAY_ASK_KEYS_MAX || ask->n_any > VK_PAY_VALUES_MAX)
        return VK_E_TOO_LARGE;
    vk_err e = bounds(&w);
    if (e == VK_OK)
        e = choose(&w);
    if (e != VK_OK)
        return e;
    e = set_out(&w);
    while (e == VK_OK && more && (e = go_on(&w, &at)) == VK_OK) {
        e = matches(&w, at, &good);
        if (e == VK_OK && good)
            e = show(&w, at, one, arg, &more);
    }
    arrive(&w);
    return e == VK_E_NOT_FOUND ? VK_OK : e;
}
