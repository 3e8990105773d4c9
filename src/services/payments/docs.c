/* Documents as a call sees them: one tree an id, so that every part of the call sees what the others changed.
 */
#include "services/payments/inside.h"

#include "core/encode.h"
#include "core/map.h"
#include "core/random.h"

enum { SLOTS_FIRST = 16, SLOTS_GROW = 4 };

typedef struct vk_pay_doc {
    struct vk_pay_doc *next; /* in its slot */
    const vk_pay_resource *resource;
    uint64_t hash;
    vk_str id;
    vk_pv *doc;
    vk_str before; /* as JSON; VK_STR_NONE: it is new */
    bool deleted;
    int64_t seq; /* 0: not stored yet */
} vk_pay_doc;

/* By id. People choose some ids, so the hash is keyed. */
struct vk_pay_docs {
    vk_pay_doc **slots;
    size_t n, mask;
};

static vk_pay_doc *known(const vk_pay_call *c, vk_str id)
{
    uint64_t hash = vk_hash_str(id);
    for (vk_pay_doc *d = c->docs ? c->docs->slots[hash & c->docs->mask] : NULL; d; d = d->next)
        if (d->hash == hash && vk_str_eq(d->id, id))
            return d;
    return NULL;
}

/* NULL: it is none of the call's documents, but lives inside of one. */
static vk_pay_doc *of_tree(const vk_pay_call *c, const vk_pv *doc)
{
    vk_pay_doc *d = known(c, vk_pv_text(doc, "id"));
    return d && d->doc == doc ? d : NULL;
}

static void hang(struct vk_pay_docs *all, vk_pay_doc *d)
{
    vk_pay_doc **slot = &all->slots[d->hash & all->mask];
    d->next = *slot;
    *slot = d;
}

/* The old slots stay in the arena: a third of the new ones at most. */
static vk_err grow(vk_pay_call *c)
{
    struct vk_pay_docs *all = c->docs, bigger = *all;
    size_t old = all->slots ? all->mask + 1 : 0, slots = old ? old * SLOTS_GROW : SLOTS_FIRST;
    bigger.mask = slots - 1;
    bigger.slots = vk_arena_calloc(c->arena, slots * sizeof *bigger.slots);
    if (!bigger.slots)
        return VK_E_NOMEM;
    for (size_t i = 0; i < old; i++)
        for (vk_pay_doc *d = all->slots[i], *next; d; d = next) {
            next = d->next;
            hang(&bigger, d);
        }
    *all = bigger;
    return VK_OK;
}

vk_err vk_pay_within_bytes(vk_pay_call *c)
{
    return vk_arena_used(c->arena) < VK_PAY_CALL_BYTES ? VK_OK : vk_pay_refuse_large(c);
}

static vk_err remember(vk_pay_call *c, const vk_pay_doc *what)
{
    vk_err e = vk_pay_within_bytes(c);
    if (e != VK_OK)
        return e;
    if (!c->docs) {
        struct vk_pay_docs *all = VK_NEW(c->arena, struct vk_pay_docs);
        if (!all)
            return VK_E_NOMEM;
        c->docs = all;
        e = grow(c);
        if (e != VK_OK) {
            c->docs = NULL;
            return e;
        }
    } else if (c->docs->n > c->docs->mask && (e = grow(c)) != VK_OK) {
        return e;
    }
    vk_pay_doc *d = VK_NEW(c->arena, vk_pay_doc);
    if (!d)
        return VK_E_NOMEM;
    *d = *what;
    d->hash = vk_hash_str(d->id);
    hang(c->docs, d);
    c->docs->n++;
    return VK_OK;
}

/* A row's document, of `body`: its text in the arena. */
static vk_err take_in(vk_pay_call *c, const vk_pay_resource *r, const vk_pay_row *row, vk_str body,
                      vk_pv **doc_r)
{
    vk_pv *doc;
    vk_err e = vk_pv_parse(c->arena, body, &doc);
    if (e != VK_OK)
        return e == VK_E_INVALID ? VK_E_CORRUPT : e;
    const vk_pay_doc d = {.resource = r,
                          .id = vk_pv_text(doc, "id"),
                          .doc = doc,
                          .before = body,
                          .deleted = row->deleted,
                          .seq = row->seq};
    e = remember(c, &d);
    if (e == VK_OK)
        *doc_r = doc;
    return e;
}

vk_err vk_pay_doc_read(vk_pay_call *c, const vk_pay_resource *r, const vk_pay_row *row, vk_pv **doc_r)
{
    vk_pay_doc *d = known(c, row->id);
    if (d) {
        *doc_r = d->doc;
        return VK_OK;
    }
    vk_str body = vk_arena_dup(c->arena, row->body);
    return body.p ? take_in(c, r, row, body, doc_r) : VK_E_NOMEM;
}

vk_err vk_pay_get(vk_pay_call *c, const vk_pay_resource *r, vk_str id, vk_pv **doc_r)
{
    vk_pay_doc *d = known(c, id);
    if (d) {
        *doc_r = d->doc;
        return d->resource == r ? VK_OK : VK_E_NOT_FOUND;
    }
    vk_pay_row row;
    if (id.n == 0 || id.n > VK_PAY_ID_MAX)
        return VK_E_NOT_FOUND;
    vk_err e = vk_pay_doc_get(c->db, c->arena, id, &row);
    if (e != VK_OK)
        return e;
    if (!vk_str_eqz(row.kind, r->object))
        return VK_E_NOT_FOUND;
    return take_in(c, r, &row, row.body, doc_r);
}

vk_err vk_pay_need(vk_pay_call *c, const vk_pay_resource *r, vk_str id, const char *param, vk_pv **doc_r)
{
    vk_err e = vk_pay_get(c, r, id, doc_r);
    if (e == VK_E_NOT_FOUND || (e == VK_OK && vk_pv_flag(*doc_r, "deleted")))
        return vk_pay_refuse_unknown(c, r, id, param);
    return e;
}

vk_str vk_pay_id(vk_pay_call *c, const char *prefix, int random)
{
    size_t n = strlen(prefix), want = (size_t)random, have = 0;
    char *p = vk_arena_alloc(c->arena, n + want + 1);
    if (!p)
        return VK_STR_NONE;
    memcpy(p, prefix, n);
    while (have < want) {
        uint8_t bytes[64];
        vk_random(bytes, sizeof bytes);
        have += vk_base62_fill(p + n + have, want - have, bytes, sizeof bytes);
    }
    p[n + want] = '\0';
    return (vk_str){p, n + want};
}

vk_err vk_pay_new(vk_pay_call *c, const vk_pay_resource *r, vk_str id, vk_pv **doc_r)
{
    vk_pv *doc = vk_pv_obj(c->arena);
    if (!id.p)
        id = vk_pay_id(c, r->prefix, r->random);
    if (!doc || !id.p || !vk_pv_put_str(c->arena, doc, "id", id) ||
        !vk_pv_put_str(c->arena, doc, "object", vk_str_z(r->object)) ||
        !vk_pv_put_int(c->arena, doc, "created", c->now) || !vk_pv_put_bool(c->arena, doc, "livemode", false))
        return VK_E_NOMEM;
    vk_err e = remember(c, &(vk_pay_doc){.resource = r, .id = id, .doc = doc});
    if (e == VK_OK)
        *doc_r = doc;
    return e;
}

/* ---- keys */

enum { KEYS_MAX = 64 };

typedef struct found {
    vk_pay_key at[KEYS_MAX];
    size_t n;
} found;

static void add_key(found *f, const char *name, const vk_pv *v)
{
    vk_str text = vk_pv_is(v, VK_PV_STR)    ? v->u.s
                  : vk_pv_is(v, VK_PV_BOOL) ? (v->u.b ? VK_STR("true") : VK_STR("false"))
                                            : VK_STR_NONE;
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->at[i].name, name) == 0 && vk_str_eq(f->at[i].value, text))
            return;
    if (text.p && f->n < KEYS_MAX)
        f->at[f->n++] = (vk_pay_key){name, text};
}

/* Every value of a key's path; "[]" in it stands for each element. */
static void values_of(found *f, const char *name, const char *path, const vk_pv *v)
{
    char part[128];
    while (v && *path) {
        size_t n = strcspn(path, ".");
        bool each = n > 2 && memcmp(path + n - 2, "[]", 2) == 0;
        size_t bare = each ? n - 2 : n;
        if (bare >= sizeof part)
            return;
        memcpy(part, path, bare);
        part[bare] = '\0';
        v = vk_pv_get(v, part);
        path += n + (path[n] == '.');
        if (each) {
            VK_PV_EACH(item, v)
            values_of(f, name, path, item);
            return;
        }
    }
    add_key(f, name, v);
}

vk_err vk_pay_put(vk_pay_call *c, vk_pv *doc)
{
    vk_pay_doc *d = of_tree(c, doc);
    if (!d)
        return VK_E_INTERNAL;
    found f = {.n = 0};
    bool deleted = vk_pv_flag(doc, "deleted");
    for (size_t i = 0; i < VK_PAY_KEYS_MAX && d->resource->keys[i] && !deleted; i++)
        values_of(&f, d->resource->keys[i], d->resource->keys[i], doc);
    vk_buf b;
    vk_buf_init(&b, VK_PAY_DOC_MAX);
    vk_pv_write(&b, doc);
    vk_pay_row row = {.seq = d->seq,
                      .id = d->id,
                      .kind = vk_str_z(d->resource->object),
                      .body = vk_buf_view(&b),
                      .created = vk_pv_number(doc, "created", c->now),
                      .deleted = deleted};
    vk_err e = b.err == VK_OK ? vk_pay_doc_put(c->db, &row, f.at, f.n) : b.err;
    vk_buf_free(&b);
    if (e == VK_OK)
        d->seq = row.seq;
    d->deleted = deleted;
    if (e == VK_E_TOO_LARGE)
        return vk_pay_refuse(c, 400, NULL, NULL, "The %s is too large to be stored.", d->resource->word);
    return e;
}

vk_err vk_pay_before(vk_pay_call *c, const vk_pv *doc, const vk_pv **before_r)
{
    const vk_pay_doc *d = of_tree(c, doc);
    vk_pv *before = NULL;
    vk_err e = d && d->before.p ? vk_pv_parse(c->arena, d->before, &before) : VK_OK;
    if (e == VK_OK)
        *before_r = before;
    return e == VK_E_INVALID ? VK_E_CORRUPT : e;
}

vk_err vk_pay_seen(vk_pay_call *c, const vk_pv *doc)
{
    vk_pay_doc *d = of_tree(c, doc);
    vk_buf b;
    if (!d)
        return VK_OK; /* it lives inside of another: a discount */
    vk_buf_init(&b, VK_PAY_DOC_MAX);
    vk_pv_write(&b, doc);
    d->before = b.err == VK_OK ? vk_arena_dup(c->arena, vk_buf_view(&b)) : VK_STR_NONE;
    vk_err e = b.err == VK_OK && !d->before.p ? VK_E_NOMEM : b.err;
    vk_buf_free(&b);
    return e;
}

/* ---- looking up */

typedef struct finding {
    vk_pay_call *c;
    const vk_pay_resource *r;
    vk_pv **docs;
    size_t n, most;
    vk_err e;
} finding;

static bool one(void *arg, const vk_pay_row *row)
{
    finding *f = arg;
    f->e = vk_pay_doc_read(f->c, f->r, row, &f->docs[f->n]);
    return f->e == VK_OK && ++f->n < f->most;
}

vk_err vk_pay_find(vk_pay_call *c, const vk_pay_resource *r, const char *key, vk_str value, size_t most,
                   vk_pv ***docs_r, size_t *n_r)
{
    vk_pay_ask ask = {.kind = r->object, .created_to = INT64_MAX};
    if (value.p)
        ask.keys[ask.n_keys++] = (vk_pay_key){key, value};
    finding f = {c, r, vk_arena_alloc(c->arena, (most + 1) * sizeof *f.docs), 0, most, VK_OK};
    if (!f.docs)
        return VK_E_NOMEM;
    vk_err e = most ? vk_pay_doc_list(c->db, &ask, one, &f) : VK_OK;
    *docs_r = f.docs;
    *n_r = f.n;
    return e == VK_OK ? f.e : e;
}
