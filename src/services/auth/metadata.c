#include "services/auth/metadata.h"

#include "core/json_write.h"

/* The members of an object by their keys, one of each: an object of thousands is merged into another one in
 * the time that sorting takes. */
typedef struct entry {
    const vk_json *member;
    size_t place;
} entry;
typedef struct keys {
    entry *at;
    size_t n;
} keys;

static int by_key(vk_str a, vk_str b)
{
    int r = memcmp(a.p ? a.p : "", b.p ? b.p : "", a.n < b.n ? a.n : b.n);
    return r ? r : (a.n > b.n) - (a.n < b.n);
}

static int by_key_and_place(const void *x, const void *y)
{
    const entry *a = x, *b = y;
    int r = by_key(a->member->key, b->member->key);
    return r ? r : (a->place > b->place) - (a->place < b->place);
}

static int finds(const void *key, const void *y)
{
    const entry *b = y;
    return by_key(*(const vk_str *)key, b->member->key);
}

static vk_err keys_of(vk_arena *a, const vk_json *o, keys *out_r)
{
    keys k = {vk_arena_alloc(a, sizeof *k.at * (o ? o->count : 0)), 0};
    if (!k.at)
        return VK_E_NOMEM;
    for (const vk_json *m = o ? o->u.child : NULL; m; m = m->next, k.n++)
        k.at[k.n] = (entry){m, k.n};
    if (k.n)
        qsort(k.at, k.n, sizeof *k.at, by_key_and_place);
    size_t kept = 0;
    for (size_t i = 0; i < k.n; i++) /* of equal ones the last */
        if (i + 1 == k.n || by_key(k.at[i].member->key, k.at[i + 1].member->key) != 0)
            k.at[kept++] = k.at[i];
    k.n = kept;
    *out_r = k;
    return VK_OK;
}

static const vk_json *find(const keys *k, vk_str key)
{
    const entry *e = k->n ? bsearch(&key, k->at, k->n, sizeof *k->at, finds) : NULL;
    return e ? e->member : NULL;
}

/* An object into an object, or into nothing: then it only loses its nulls. As deep as `change`. */
static vk_err merge(vk_arena *a, vk_jw *w, const vk_json *base, const vk_json *change)
{
    keys old, new;
    vk_err e = keys_of(a, base, &old);
    if (e == VK_OK)
        e = keys_of(a, change, &new);
    if (e != VK_OK)
        return e;
    vk_jw_obj(w);
    for (int round = 0; round < 2 && e == VK_OK; round++) {
        const vk_json *m = round ? change->u.child : base ? base->u.child : NULL;
        for (; m && e == VK_OK; m = m->next) {
            const vk_json *was = find(&old, m->key), *is = find(&new, m->key);
            if (round ? m != is || was : m != was)
                continue; /* there is a later one of that name, or it was written in the first round */
            if (!is) {
                vk_jw_key(w, m->key);
                vk_jw_value(w, was);
            } else if (is->type == VK_JSON_OBJECT) {
                vk_jw_key(w, m->key);
                e = merge(a, w, was && was->type == VK_JSON_OBJECT ? was : NULL, is);
            } else if (is->type != VK_JSON_NULL) {
                vk_jw_key(w, m->key);
                vk_jw_value(w, is);
            }
        }
    }
    vk_jw_obj_end(w);
    return e;
}

static vk_err kept(vk_arena *a, vk_buf *b, vk_err e, vk_str *out_r)
{
    if (e == VK_OK)
        e = b->err;
    if (e == VK_OK) {
        vk_str text = vk_arena_dup(a, vk_buf_view(b));
        e = text.p ? VK_OK : VK_E_NOMEM;
        if (e == VK_OK)
            *out_r = text;
    }
    vk_buf_free_secret(b);
    return e;
}

vk_err vk_auth_metadata_text(vk_arena *a, const vk_json *o, vk_str *out_r)
{
    vk_buf b;
    vk_buf_init(&b, VK_AUTH_METADATA_MAX);
    vk_jw w = vk_jw_on(&b);
    if (o)
        vk_jw_value(&w, o);
    else
        vk_jw_raw(&w, VK_STR("{}"));
    return kept(a, &b, VK_OK, out_r);
}

vk_err vk_auth_metadata_merge(vk_arena *a, vk_str base, const vk_json *change, vk_str *out_r)
{
    vk_buf b;
    vk_json *old;
    vk_err e = vk_json_parse(a, base, &old, NULL, NULL);
    if (e == VK_OK && old->type != VK_JSON_OBJECT)
        e = VK_E_INVALID;
    if (e != VK_OK)
        return e == VK_E_INVALID ? VK_E_CORRUPT : e;
    vk_buf_init(&b, VK_AUTH_METADATA_MAX);
    vk_jw w = vk_jw_on(&b);
    return kept(a, &b, merge(a, &w, old, change), out_r);
}
