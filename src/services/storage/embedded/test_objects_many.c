/* The storage library under many calls: at random against a model, and from many threads at once. */
#define RIG_IN_MEMORY
#include "services/storage/embedded/test_objects_rig.h"

#include <stdatomic.h>

enum { KEYS = 24, UPLOADS = 6 };

typedef struct dice {
    uint32_t x;
} dice;

static uint32_t roll(dice *d, uint32_t n)
{
    d->x = d->x * 1664525U + 1013904223U;
    return (d->x >> 8) % n;
}

/* Around the border between rows and files, and now and then large. */
static size_t some_size(dice *d)
{
    static const size_t sizes[] = {0,    1, 100, VK_OB_INLINE_MAX - 1, VK_OB_INLINE_MAX, VK_OB_INLINE_MAX + 1,
                                   20000};
    return sizes[roll(d, VK_COUNT(sizes))];
}

/* ---- against a model */

typedef struct model {
    int64_t size[KEYS]; /* -1: there is none */
    uint32_t seed[KEYS];
    bool open[UPLOADS];
    uint8_t id[UPLOADS][16];
    int64_t part[UPLOADS][3]; /* sizes; -1: none */
    vk_ob_claim claim[UPLOADS][3];
} model;

static void key_of(char out[8], uint32_t k)
{
    snprintf(out, 8, "k%02u", k);
}

static int64_t model_bytes(const model *m)
{
    int64_t n = 0;
    for (size_t i = 0; i < KEYS; i++)
        n += m->size[i] > 0 ? m->size[i] : 0;
    for (size_t i = 0; i < UPLOADS; i++)
        for (size_t j = 0; m->open[i] && j < 3; j++)
            n += m->part[i][j] >= 0 ? vk_ob_part_charge(m->part[i][j]) : 0;
    return n;
}

static void put_one(vk_ob *s, model *m, dice *d, uint32_t seed, int64_t quota)
{
    char key[8];
    uint32_t k = roll(d, KEYS);
    size_t n = some_size(d);
    key_of(key, k);
    int64_t old = m->size[k] > 0 ? m->size[k] : 0;
    vk_ob_err want = model_bytes(m) - old + (int64_t)n > quota && (int64_t)n > old ? VK_OB_QUOTA : VK_OB_OK;
    assert_int_equal(rig_put(s, key, n, seed), want);
    if (want == VK_OB_OK) {
        m->size[k] = (int64_t)n;
        m->seed[k] = seed;
    }
}

static void delete_some(vk_ob *s, model *m, dice *d)
{
    char keys[3][8];
    vk_ob_delete del[3];
    uint32_t k[3];
    for (size_t i = 0; i < 3; i++) {
        k[i] = roll(d, KEYS);
        key_of(keys[i], k[i]);
        del[i] = (vk_ob_delete){.key = vk_str_z(keys[i])};
    }
    assert_int_equal(vk_ob_delete_keys(s, del, 3), VK_OB_OK);
    for (size_t i = 0; i < 3; i++)
        m->size[k[i]] = -1;
}

/* Uploads of one part, so that no test of ours writes megabytes: the smallest size binds all but the last. */
static void upload_step(vk_ob *s, model *m, dice *d, uint32_t seed, int64_t quota)
{
    char key[8];
    uint32_t u = roll(d, UPLOADS), what = roll(d, 5), p = roll(d, 3);
    key_of(key, u);
    if (!m->open[u]) {
        assert_int_equal(vk_ob_upload_create(s, vk_str_z(key), VK_STR("h"), 0, 0, m->id[u]), VK_OB_OK);
        m->open[u] = true;
        m->part[u][0] = m->part[u][1] = m->part[u][2] = -1;
    } else if (what < 3) {
        size_t n = some_size(d);
        int64_t old = m->part[u][p] >= 0 ? vk_ob_part_charge(m->part[u][p]) : 0;
        int64_t new = vk_ob_part_charge((int64_t)n);
        vk_ob_err want = model_bytes(m) - old + new > quota &&new > old ? VK_OB_QUOTA : VK_OB_OK;
        assert_int_equal(rig_part(s, key, m->id[u], (int)p + 1, n, seed, &m->claim[u][p]), want);
        if (want == VK_OB_OK) {
            m->part[u][p] = (int64_t)n;
            m->claim[u][p].sum.value[0] = 0;
        }
    } else if (what == 3) {
        assert_int_equal(vk_ob_upload_abort(s, vk_str_z(key), m->id[u]), VK_OB_OK);
        m->open[u] = false;
    } else if (m->part[u][p] >= 0) {
        vk_ob_commit c = {.headers = VK_STR_NONE};
        vk_ob_object o;
        assert_int_equal(vk_ob_upload_complete(s, vk_str_z(key), m->id[u], &m->claim[u][p], 1, &c, &o),
                         VK_OB_OK);
        assert_int_equal(o.size, m->part[u][p]);
        m->open[u] = false;
        m->size[u] = o.size;
        m->seed[u] = 0; /* whichever it was; its size is checked */
    }
}

static void check_all(vk_ob *s, const model *m)
{
    vk_ob_usage u;
    int64_t objects = 0, uploads = 0;
    for (uint32_t k = 0; k < KEYS; k++) {
        char key[8];
        vk_ob_object o;
        vk_arena *a = vk_arena_new(1 << 16);
        key_of(key, k);
        vk_ob_err e = vk_ob_head(s, a, vk_str_z(key), &o);
        assert_int_equal(e, m->size[k] < 0 ? VK_OB_NO_SUCH_KEY : VK_OB_OK);
        if (e == VK_OB_OK)
            assert_int_equal(o.size, m->size[k]);
        if (e == VK_OB_OK && m->seed[k])
            assert_int_equal(rig_is(s, key, (size_t)o.size, m->seed[k]), VK_OB_OK);
        objects += m->size[k] >= 0;
        vk_arena_free(a);
    }
    for (size_t i = 0; i < UPLOADS; i++)
        uploads += m->open[i];
    vk_ob_usage_now(s, &u);
    assert_int_equal(u.bytes + u.part_bytes, model_bytes(m));
    assert_int_equal(u.objects, objects);
    assert_int_equal(u.uploads, uploads);
    assert_true(rig_consistent(s));
}

static void at_random(void **state)
{
    VK_UNUSED(state);
    static const uint32_t seeds[] = {1, 20261128, 77};
    for (size_t r = 0; r < VK_COUNT(seeds); r++) {
        rig_make();
        dice d = {seeds[r]};
        model m = {.open = {false}};
        for (size_t i = 0; i < KEYS; i++)
            m.size[i] = -1;
        vk_ob_quota q = usual_quota;
        q.bytes = 150000;
        vk_ob *s = rig_open_with(&q);
        assert_non_null(s);
        for (uint32_t i = 1; i <= 400; i++) {
            switch (roll(&d, 8)) {
            case 0:
                delete_some(s, &m, &d);
                break;
            case 1:
            case 2:
            case 3:
                upload_step(s, &m, &d, i, q.bytes);
                break;
            default:
                put_one(s, &m, &d, i, q.bytes);
            }
            if (i % 50 == 0)
                check_all(s, &m);
            if (i % 130 == 0) {
                vk_ob_close(s);
                s = rig_open_with(&q);
                assert_non_null(s);
            }
        }
        vk_ob_close(s);
        rig_unmake();
    }
}

/* ---- threads */

enum { THREADS = 12, ROUNDS = 60, SHARED = 5 };

static vk_ob *store;
static _Atomic int wrong, stored, refused, stop;

static void bad(const char *what, int64_t n)
{
    wrong++;
    fprintf(stderr, "%s: %lld\n", what, (long long)n);
}

/* An object whose bytes say its own size: what is read is torn, or it is not. */
static vk_ob_err put_self(const char *key, size_t n)
{
    return rig_put(store, key, n, (uint32_t)n + 1);
}

static void read_self(const char *key)
{
    vk_arena *a = vk_arena_new(1 << 16);
    vk_ob_object o;
    vk_ob_reader *r;
    char *got = NULL, *want;
    vk_ob_err e = vk_ob_get(store, a, vk_str_z(key), &o, &r);
    if (e == VK_OB_OK) {
        want = malloc((size_t)o.size + 1);
        rig_fill(want, (size_t)o.size, (uint32_t)o.size + 1);
        e = rig_read(r, 0, o.size, &got);
        if (e != VK_OB_OK || memcmp(got, want, (size_t)o.size) != 0)
            bad("torn", e);
        free(got);
        free(want);
        vk_ob_reader_close(r);
    } else if (e != VK_OB_NO_SUCH_KEY) {
        bad("get", e);
    }
    vk_arena_free(a);
}

static bool ignore(void *arg, const vk_ob_entry *e)
{
    VK_UNUSED(arg);
    return e->size >= 0;
}

static void multipart_self(const char *key, size_t n)
{
    uint8_t id[16];
    vk_ob_claim claim;
    vk_ob_commit c = {.headers = VK_STR_NONE};
    vk_ob_err e = vk_ob_upload_create(store, vk_str_z(key), VK_STR(""), 0, 0, id);
    if (e == VK_OB_OK)
        e = rig_part(store, key, id, 1, n, (uint32_t)n + 1, &claim);
    if (e == VK_OB_OK)
        e = vk_ob_upload_complete(store, vk_str_z(key), id, &claim, 1, &c, NULL);
    if (e == VK_OB_QUOTA)
        e = vk_ob_upload_abort(store, vk_str_z(key), id);
    if (e != VK_OB_OK)
        bad("multipart", e);
}

static void *worker(void *arg)
{
    dice d = {(uint32_t)(uintptr_t)arg + 1};
    for (int i = 0; i < ROUNDS; i++) {
        char key[8];
        int64_t removed;
        bool more;
        key_of(key, roll(&d, SHARED));
        uint32_t what = roll(&d, 20);
        if (what < 7) {
            vk_ob_err e = put_self(key, some_size(&d));
            if (e == VK_OB_OK)
                stored++;
            else if (e == VK_OB_QUOTA)
                refused++;
            else
                bad("put", e);
        } else if (what < 13) {
            read_self(key);
        } else if (what < 15) {
            multipart_self(key, 9000 + roll(&d, 3));
        } else if (what < 17) {
            if (rig_delete(store, key) != VK_OB_OK)
                bad("delete", 0);
        } else if (what < 19) {
            vk_ob_list l = {.max = 10, .entry = ignore};
            if (vk_ob_list_keys(store, &l, &more) != VK_OB_OK)
                bad("list", 0);
        } else if (vk_ob_sweep(store, &removed) != VK_OB_OK) { /* it may come before who replaced a file */
            bad("sweep", 0);
        }
    }
    return NULL;
}

/* Looks all the time whether more is there than may be. */
static void *watcher(void *arg)
{
    const vk_ob_quota *q = arg;
    while (!stop) {
        vk_ob_usage u;
        vk_ob_usage_now(store, &u);
        if (u.bytes + u.part_bytes > q->bytes || u.objects > q->objects)
            bad("usage", u.bytes + u.part_bytes);
        struct timespec pause = {.tv_nsec = 200000};
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void threads(void **state)
{
    VK_UNUSED(state);
    vk_ob_quota q = usual_quota;
    q.bytes = 60000;
    q.objects = 4;
    pthread_t t[THREADS], w;
    store = rig_open_with(&q);
    wrong = stored = refused = stop = 0;
    assert_int_equal(pthread_create(&w, NULL, watcher, &q), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, worker, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    stop = 1;
    pthread_join(w, NULL);
    assert_int_equal(wrong, 0);
    assert_true(stored > 0 && refused > 0); /* both sides of the quota were seen */
    assert_true(rig_consistent(store));
    vk_ob_close(store);
}

static void *sweeper(void *arg)
{
    int64_t removed;
    VK_UNUSED(arg);
    while (!stop)
        if (vk_ob_sweep(store, &removed) != VK_OB_OK)
            bad("sweep", 0);
    return NULL;
}

/* One key is replaced all the time, by a file and by parts, while others open it and one sweeps: between
 * finding the row and opening what it names nothing must go away. */
static void *replacer(void *arg)
{
    VK_UNUSED(arg);
    for (size_t i = 0; i < 1500; i++)
        if (i % 4 == 0)
            multipart_self("k", 9000 + i % 100);
        else if (put_self("k", 9000 + i % 100) != VK_OB_OK)
            wrong++;
    stop = 1;
    return NULL;
}

static void *opener(void *arg)
{
    VK_UNUSED(arg);
    while (!stop) {
        read_self("k");
        stored++;
    }
    return NULL;
}

static void opened_while_replaced(void **state)
{
    VK_UNUSED(state);
    pthread_t t[4];
    store = rig_open();
    wrong = stored = stop = 0;
    assert_int_equal(put_self("k", 9000), VK_OB_OK);
    for (size_t i = 0; i < VK_COUNT(t); i++)
        assert_int_equal(pthread_create(&t[i], NULL, i == 0 ? replacer : i == 1 ? sweeper : opener, NULL), 0);
    for (size_t i = 0; i < VK_COUNT(t); i++)
        pthread_join(t[i], NULL);
    assert_int_equal(wrong, 0);
    print_message("opened %d times\n", stored);
    assert_true(rig_consistent(store));
    vk_ob_close(store);
}

/* Of many that create the same key, one does; of many that fill the last room, as many as fit do. */
static void *create_once(void *arg)
{
    vk_ob_err e = rig_put_with(store, "once", 20000, (uint32_t)(uintptr_t)arg,
                               (vk_ob_commit){.if_none_match_any = true});
    if (e == VK_OB_OK)
        stored++;
    else if (e != VK_OB_PRECONDITION)
        wrong++;
    return NULL;
}

static void *take_room(void *arg)
{
    char key[16];
    snprintf(key, sizeof key, "room%zu", (size_t)(uintptr_t)arg);
    vk_ob_err e = rig_put(store, key, 10000, 1);
    if (e == VK_OB_OK)
        stored++;
    else if (e == VK_OB_QUOTA)
        refused++;
    else
        wrong++;
    return NULL;
}

static void all_at_once(void *(*what)(void *))
{
    pthread_t t[THREADS];
    wrong = stored = refused = 0;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, what, (void *)(i + 1)), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(wrong, 0);
}

static void races(void **state)
{
    VK_UNUSED(state);
    vk_ob_quota q = usual_quota;
    store = rig_open_with(&q);
    all_at_once(create_once);
    assert_int_equal(stored, 1);
    q.bytes = 20000 + 5 * 10000 + 9999;
    vk_ob_set_quota(store, &q);
    all_at_once(take_room);
    /* While some wait with what they reserved, others may be refused; in the end no more than fits is there.
     */
    assert_int_equal(stored, 5);
    assert_int_equal(refused, THREADS - 5);
    assert_true(rig_consistent(store));
    vk_ob_close(store);
}

/* Many small puts share syncs: fewer transactions than puts. */
static void *small_puts(void *arg)
{
    char key[32];
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "s/%zu/%d", (size_t)(uintptr_t)arg, i);
        if (rig_put(store, key, 200, 1) != VK_OB_OK)
            wrong++;
    }
    return NULL;
}

/* A disk that takes its time, wherever the test runs. */
static int count_commit(void *arg)
{
    struct timespec pause = {.tv_nsec = 1000000};
    nanosleep(&pause, NULL);
    ++*(int *)arg;
    return 0;
}

static void syncs_are_shared(void **state)
{
    VK_UNUSED(state);
    int commits = 0;
    store = rig_open();
    sqlite3_commit_hook(store->writer->db, count_commit, &commits);
    all_at_once(small_puts);
    print_message("%d puts in %d transactions\n", THREADS * 40, commits);
    assert_true(commits > 0 && commits < THREADS * 40 / 2);
    assert_true(rig_consistent(store));
    vk_ob_close(store);
}

/* Whoever waits to remove what was replaced comes before readers that come later, who would keep it waiting
 * for as long as there is always one of them. */
static void *replace(void *arg)
{
    VK_UNUSED(arg);
    if (rig_put(store, "k", 30000, 2) != VK_OB_OK)
        wrong++;
    return NULL;
}

static void readers_let_writers_pass(void **state)
{
    VK_UNUSED(state);
    const struct timespec pause = {.tv_nsec = 1000000};
    pthread_t t;
    bool passes = false;
    wrong = 0;
    store = rig_open();
    assert_int_equal(rig_put(store, "k", 20000, 1), VK_OB_OK);
    assert_int_equal(pthread_rwlock_rdlock(&store->names), 0); /* a reader that is at work */
    assert_int_equal(pthread_create(&t, NULL, replace, NULL), 0);
    for (int i = 0; i < 10000 && !passes; i++) {
        passes = pthread_rwlock_tryrdlock(&store->names) != 0; /* the next one */
        if (!passes)
            pthread_rwlock_unlock(&store->names);
        nanosleep(&pause, NULL);
    }
    pthread_rwlock_unlock(&store->names);
    pthread_join(t, NULL);
    assert_true(passes);
    assert_int_equal(wrong, 0);
    assert_int_equal(rig_is(store, "k", 30000, 2), VK_OB_OK);
    assert_true(rig_consistent(store));
    vk_ob_close(store);
}

/* One turn's error that cannot be undone ends the transaction, and is not what the others are told. */
static _Atomic int began, may_end;

static vk_ob_err slow_turn(vk_ob *s, vk_ob_turn *t, vk_ob_conn *c)
{
    VK_UNUSED(s);
    VK_UNUSED(t);
    VK_UNUSED(c);
    const struct timespec pause = {.tv_nsec = 1000000};
    began = 1;
    while (!may_end)
        nanosleep(&pause, NULL);
    return VK_OB_OK;
}

static vk_ob_err spoils(vk_ob *s, vk_ob_turn *t, vk_ob_conn *c)
{
    VK_UNUSED(s);
    VK_UNUSED(t);
    assert_int_equal(vk_ob_run(c, vk_ob_st(c, Q_RELEASE)), VK_OB_OK);
    return VK_OB_PRECONDITION;
}

static void *take_turn(void *arg)
{
    (void)vk_ob_take_turn(store, arg);
    return NULL;
}

static size_t waiting(void)
{
    size_t n = 0;
    pthread_mutex_lock(&store->mu);
    for (vk_list *x = store->queue.next; x != &store->queue; x = x->next)
        n++;
    pthread_mutex_unlock(&store->mu);
    return n;
}

static void errors_are_ones_own(void **state)
{
    VK_UNUSED(state);
    const struct timespec pause = {.tv_nsec = 1000000};
    vk_ob_turn slow = {.run = slow_turn}, bad_one = {.run = spoils};
    pthread_t t[3];
    began = 0;
    may_end = 0;
    store = rig_open();
    assert_int_equal(rig_put(store, "k", 10, 1), VK_OB_OK);
    assert_int_equal(pthread_create(&t[0], NULL, take_turn, &slow), 0);
    while (!began)
        nanosleep(&pause, NULL);
    assert_int_equal(pthread_create(&t[1], NULL, take_turn, &bad_one), 0);
    while (waiting() < 1)
        nanosleep(&pause, NULL);
    vk_ob_turn other = {.run = spoils}; /* has no turn of its own: the transaction ends before */
    assert_int_equal(pthread_create(&t[2], NULL, take_turn, &other), 0);
    while (waiting() < 2)
        nanosleep(&pause, NULL);
    may_end = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(slow.result, VK_OB_OK);
    assert_int_equal(bad_one.result, VK_OB_PRECONDITION);
    assert_int_equal(other.result, VK_OB_IO);
    assert_int_equal(rig_is(store, "k", 10, 1), VK_OB_OK);
    assert_int_equal(rig_put(store, "k", 20, 2), VK_OB_OK); /* and it goes on */
    assert_true(rig_consistent(store));
    vk_ob_close(store);
}

static int64_t number(vk_ob *s, const char *sql)
{
    sqlite3_stmt *st = NULL;
    int64_t n = -1;
    if (sqlite3_prepare_v2(s->writer->db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

/* A small object that replaces a small one takes its row, whatever their sizes; a turn that is refused, alone
 * in its transaction, leaves nothing of what it has done. */
static void small_ones_in_place(void **state)
{
    VK_UNUSED(state);
    static const size_t sizes[] = {4096, 4096, 1, VK_OB_INLINE_MAX, 100, 5000};
    vk_ob_quota q = usual_quota;
    q.bytes = 20000;
    vk_ob *s = rig_open_with(&q);
    vk_arena *a = vk_arena_new(1 << 16);
    vk_ob_object o;
    vk_ob_reader *old;
    char *got, want[4096];
    assert_int_equal(rig_put(s, "other", 300, 9), VK_OB_OK);
    assert_int_equal(rig_put(s, "k", 4096, 50), VK_OB_OK);
    int64_t content = number(s, "SELECT content FROM objects WHERE key = x'6b'");
    assert_int_equal(vk_ob_get(s, a, VK_STR("k"), &o, &old), VK_OB_OK);
    for (size_t i = 0; i < VK_COUNT(sizes); i++) {
        assert_int_equal(rig_put(s, "k", sizes[i], (uint32_t)i), VK_OB_OK);
        assert_int_equal(number(s, "SELECT content FROM objects WHERE key = x'6b'"), content);
        assert_int_equal(rig_is(s, "k", sizes[i], (uint32_t)i), VK_OB_OK);
        assert_true(rig_consistent(s));
    }
    assert_int_equal(rig_read(old, 0, 4096, &got), VK_OB_OK);
    rig_fill(want, sizeof want, 50);
    assert_memory_equal(got, want, sizeof want);
    free(got);
    vk_ob_reader_close(old);

    int64_t rows = number(s, "SELECT count(*) FROM inline");
    vk_ob_put *p;
    assert_int_equal(rig_put_with(s, "k", 10, 7, (vk_ob_commit){.if_match = VK_STR("no")}),
                     VK_OB_PRECONDITION);
    assert_int_equal(vk_ob_put_begin(s, VK_STR("k"), 8000, &p), VK_OB_OK);
    assert_int_equal(rig_put(s, "k", 1, 8), VK_OB_OK); /* what the put counts on is taken by others */
    assert_int_equal(rig_put(s, "large", 11000, 8), VK_OB_OK);
    q.bytes = 12000;
    vk_ob_set_quota(s, &q);
    vk_ob_commit c = {.headers = VK_STR_NONE};
    assert_int_equal(rig_finish(p, 8000, 7, &c, NULL), VK_OB_OK); /* it was reserved */
    assert_int_equal(rig_put(s, "k", 8001, 6), VK_OB_QUOTA);
    assert_int_equal(rig_is(s, "k", 8000, 7), VK_OB_OK);
    assert_int_equal(number(s, "SELECT count(*) FROM inline"), rows);
    assert_true(rig_consistent(s));

    /* Empty objects have no row. */
    q.bytes = 50000;
    vk_ob_set_quota(s, &q);
    assert_int_equal(rig_put(s, "k", 0, 1), VK_OB_OK);
    assert_int_equal(number(s, "SELECT count(*) FROM inline"), rows - 1);
    assert_int_equal(rig_put(s, "k", 5, 1), VK_OB_OK);
    assert_int_equal(rig_is(s, "k", 5, 1), VK_OB_OK);
    assert_true(rig_consistent(s));
    vk_arena_free(a);
    vk_ob_close(s);
    s = rig_open();
    assert_int_equal(rig_is(s, "k", 5, 1), VK_OB_OK);
    assert_int_equal(rig_is(s, "other", 300, 9), VK_OB_OK);
    vk_ob_close(s);
}

/* Turns of one transaction: each is undone alone. */
struct racer {
    vk_ob *s;
    pthread_t thread;
    int i;
    vk_ob_err got;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    char key[16];
    snprintf(key, sizeof key, "r%d", r->i);
    vk_ob_commit c = {.headers = VK_STR_NONE, .if_match = r->i % 2 ? VK_STR("no") : VK_STR("")};
    r->got = rig_put_with(r->s, key, 4000, 200 + (uint32_t)r->i, c);
    return NULL;
}

static void turns_together(void **state)
{
    VK_UNUSED(state);
    struct racer all[16];
    vk_ob *s = rig_open();
    for (int i = 0; i < (int)VK_COUNT(all); i++) {
        char key[16];
        snprintf(key, sizeof key, "r%d", i);
        assert_int_equal(rig_put(s, key, 4000, 100 + (uint32_t)i), VK_OB_OK);
    }
    for (int i = 0; i < (int)VK_COUNT(all); i++) {
        all[i] = (struct racer){.s = s, .i = i};
        assert_int_equal(pthread_create(&all[i].thread, NULL, race, &all[i]), 0);
    }
    for (int i = 0; i < (int)VK_COUNT(all); i++) {
        char key[16];
        snprintf(key, sizeof key, "r%d", i);
        pthread_join(all[i].thread, NULL);
        assert_int_equal(all[i].got, i % 2 ? VK_OB_PRECONDITION : VK_OB_OK);
        assert_int_equal(rig_is(s, key, 4000, (i % 2 ? 100 : 200) + (uint32_t)i), VK_OB_OK);
    }
    assert_true(rig_consistent(s));
    vk_ob_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(small_ones_in_place),   RIG_TEST(turns_together),
        cmocka_unit_test(at_random),     RIG_TEST(threads),
        RIG_TEST(opened_while_replaced), RIG_TEST(races),
        RIG_TEST(syncs_are_shared),      RIG_TEST(readers_let_writers_pass),
        RIG_TEST(errors_are_ones_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
