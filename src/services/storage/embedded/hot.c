/* Objects that were read lately, kept with all that a reader needs: the row, and the bytes or the open file.
 *
 * What is kept is what the last commit made it. The transaction that changes a key takes it out before it
 * commits (vk_ob_hot_forget), and until it has ended nobody can put one in: by then every reader finds what
 * the transaction made of it. A reader that found the old row in the index has a ticket from before its
 * search, which is not good any more when a transaction has changed the key meanwhile. Keys share lanes, so
 * that neither costs memory by the key; a lane that is shut keeps its other keys from being put in, no more.
 *
 * Bounded by bytes in a store and in the process, and by open files in the process; what was not read for
 * longest goes first. */
#include "services/storage/embedded/inside.h"

#include <sys/resource.h>
#include <unistd.h>

enum {
    STORE_BYTES = 16 << 20,
    ALL_BYTES = 64 << 20,
    FILES_SHARE = 16, /* of the process's descriptors */
};

/* Of all stores: what is in their lists. */
static _Atomic size_t all_bytes, all_files;

static size_t files_max(void)
{
    static _Atomic size_t known;
    size_t n = atomic_load_explicit(&known, memory_order_relaxed);
    struct rlimit r;
    if (n == 0) {
        n = getrlimit(RLIMIT_NOFILE, &r) == 0 ? (size_t)r.rlim_cur / FILES_SHARE : 1;
        atomic_store_explicit(&known, n, memory_order_relaxed);
    }
    return n;
}

static size_t weight(const vk_ob_hot *h)
{
    return sizeof *h + h->n_room;
}

static unsigned lane_of(uint64_t hash)
{
    return (unsigned)(hash % VK_OB_LANES);
}

static bool shut(const vk_ob_hots *c, unsigned lane)
{
    return c->shut & UINT64_C(1) << lane;
}

/* ---- one object */

vk_ob_hot *vk_ob_hot_new(vk_str key, const vk_ob_object *o, vk_str bytes, int fd)
{
    size_t n = bytes.n + o->headers.n + key.n;
    vk_ob_hot *h = malloc(sizeof *h + n);
    if (!h)
        return NULL;
    *h = (vk_ob_hot){.fd = fd, .o = *o, .n_room = n, .bytes = {h->room, bytes.n}};
    vk_list_init(&h->recent);
    atomic_init(&h->refs, 1);
    char *at = h->room;
    const vk_str all[] = {bytes, o->headers, key};
    for (size_t i = 0; i < VK_COUNT(all); at += all[i++].n)
        if (all[i].n)
            memcpy(at, all[i].p, all[i].n);
    h->o.headers.p = h->room + bytes.n;
    h->key = (vk_str){h->room + bytes.n + o->headers.n, key.n};
    return h;
}

void vk_ob_hot_unref(vk_ob_hot *h)
{
    if (!h || atomic_fetch_sub(&h->refs, 1) != 1)
        return;
    if (h->fd >= 0)
        close(h->fd);
    free(h);
}

/* ---- a store's; under its mu */

static vk_ob_hot *find(const vk_ob_hots *c, vk_str key, uint64_t hash)
{
    for (vk_map_node *n = vk_map_find(&c->map, hash); n; n = vk_map_find_next(n)) {
        vk_ob_hot *h = VK_CONTAINER(n, vk_ob_hot, node);
        if (vk_str_eq(h->key, key))
            return h;
    }
    return NULL;
}

/* Onto `gone`, to be let go of without the lock: that may close a file. */
static void take_out(vk_ob_hots *c, vk_ob_hot *h, vk_list *gone)
{
    vk_map_remove(&c->map, &h->node);
    vk_list_remove(&h->recent);
    vk_list_push(gone, &h->recent);
    c->bytes -= weight(h);
    atomic_fetch_sub(&all_bytes, weight(h));
    if (h->fd >= 0)
        atomic_fetch_sub(&all_files, 1);
}

static void let_go(vk_list *gone)
{
    for (vk_list *n; (n = vk_list_shift(gone));)
        vk_ob_hot_unref(VK_CONTAINER(n, vk_ob_hot, recent));
}

/* False: others have it all. */
static bool make_room(vk_ob_hots *c, const vk_ob_hot *h, vk_list *gone)
{
    for (;;) {
        bool files = h->fd >= 0 && atomic_load(&all_files) >= files_max();
        if (c->bytes + weight(h) <= STORE_BYTES && atomic_load(&all_bytes) + weight(h) <= ALL_BYTES && !files)
            return true;
        if (vk_list_empty(&c->recent))
            return false;
        take_out(c, VK_CONTAINER(c->recent.next, vk_ob_hot, recent), gone);
    }
}

/* ---- for readers */

vk_ob_hot *vk_ob_hot_find(vk_ob *s, vk_str key, vk_ob_ticket *ticket_r)
{
    vk_ob_hots *c = &s->hot;
    uint64_t hash = vk_hash_str(key);
    unsigned lane = lane_of(hash);
    pthread_mutex_lock(&c->mu);
    vk_ob_hot *h = find(c, key, hash);
    if (h) {
        atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
        vk_list_remove(&h->recent);
        vk_list_push(&c->recent, &h->recent);
    }
    *ticket_r = (vk_ob_ticket){.hash = hash, .changes = c->changes[lane], .good = !shut(c, lane)};
    pthread_mutex_unlock(&c->mu);
    return h;
}

void vk_ob_hot_add(vk_ob *s, vk_ob_hot *h, const vk_ob_ticket *t)
{
    vk_ob_hots *c = &s->hot;
    unsigned lane = lane_of(t->hash);
    vk_list gone;
    vk_list_init(&gone);
    pthread_mutex_lock(&c->mu);
    bool current = t->good && !shut(c, lane) && c->changes[lane] == t->changes;
    if (current && !find(c, h->key, t->hash) && make_room(c, h, &gone) &&
        vk_map_add(&c->map, &h->node, t->hash) == VK_OK) {
        atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
        vk_list_push(&c->recent, &h->recent);
        c->bytes += weight(h);
        atomic_fetch_add(&all_bytes, weight(h));
        if (h->fd >= 0)
            atomic_fetch_add(&all_files, 1);
    }
    pthread_mutex_unlock(&c->mu);
    let_go(&gone);
}

/* ---- for transactions */

void vk_ob_hot_forget(vk_ob *s, vk_str key)
{
    vk_ob_hots *c = &s->hot;
    uint64_t hash = vk_hash_str(key);
    vk_list gone;
    vk_list_init(&gone);
    pthread_mutex_lock(&c->mu);
    c->shut |= UINT64_C(1) << lane_of(hash);
    vk_ob_hot *h = find(c, key, hash);
    if (h)
        take_out(c, h, &gone);
    pthread_mutex_unlock(&c->mu);
    let_go(&gone);
}

void vk_ob_hot_settle(vk_ob *s)
{
    vk_ob_hots *c = &s->hot;
    pthread_mutex_lock(&c->mu);
    for (unsigned i = 0; c->shut && i < VK_OB_LANES; i++)
        c->changes[i] += shut(c, i);
    c->shut = 0;
    pthread_mutex_unlock(&c->mu);
}

/* ---- with the store */

void vk_ob_hot_init(vk_ob *s)
{
    pthread_mutex_init(&s->hot.mu, NULL);
    vk_map_init(&s->hot.map);
    vk_list_init(&s->hot.recent);
}

void vk_ob_hot_free(vk_ob *s)
{
    vk_list gone;
    vk_list_init(&gone);
    while (!vk_list_empty(&s->hot.recent))
        take_out(&s->hot, VK_CONTAINER(s->hot.recent.next, vk_ob_hot, recent), &gone);
    let_go(&gone);
    vk_map_free(&s->hot.map);
    pthread_mutex_destroy(&s->hot.mu);
}
