/* Listings of the storage library against a simple model, and what they cost. */
#include "services/storage/embedded/test_objects_rig.h"

/* ---- the model: all keys in memory, S3's rules by the letter */

enum { KEYS_MAX = 3000, KEY_ROOM = 40 };

typedef struct key {
    size_t n;
    char b[KEY_ROOM];
} key;

static key keys[KEYS_MAX];
static size_t n_keys;

static vk_str view(const key *k)
{
    return (vk_str){k->b, k->n};
}

static int order(vk_str a, vk_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n ? memcmp(a.p, b.p, n) : 0;
    return d ? d : a.n < b.n ? -1 : a.n > b.n;
}

static int by_bytes(const void *a, const void *b)
{
    return order(view(a), view(b));
}

/* Entries in order; of keys with a delimiter after the prefix only what they have in common. */
static size_t model(vk_str prefix, vk_str delimiter, vk_str after, size_t max, vk_str *out, bool *folded,
                    bool *more_r)
{
    size_t n = 0;
    *more_r = false;
    for (size_t i = 0; i < n_keys; i++) {
        vk_str e = view(&keys[i]);
        bool fold = false;
        if (!vk_str_starts(e, prefix))
            continue;
        const char *hit =
            delimiter.n ? memmem(e.p + prefix.n, e.n - prefix.n, delimiter.p, delimiter.n) : NULL;
        if (hit) {
            e.n = (size_t)(hit - e.p) + delimiter.n;
            fold = true;
        }
        if ((after.n && order(e, after) <= 0) || (n && fold && folded[n - 1] && vk_str_eq(out[n - 1], e)))
            continue;
        if (n == max) {
            *more_r = max != 0;
            break;
        }
        folded[n] = fold;
        out[n++] = e;
    }
    return n;
}

/* ---- what the library says */

typedef struct page {
    size_t n;
    key key[KEYS_MAX];
    bool folded[KEYS_MAX];
    int64_t size[KEYS_MAX];
} page;

static bool keep(void *arg, const vk_ob_entry *e)
{
    page *p = arg;
    assert_true(e->key.n <= KEY_ROOM);
    p->key[p->n].n = e->key.n;
    if (e->key.n)
        memcpy(p->key[p->n].b, e->key.p, e->key.n);
    p->folded[p->n] = e->prefix;
    p->size[p->n++] = e->size;
    return true;
}

static page got;

static void same(vk_ob *s, vk_str prefix, vk_str delimiter, vk_str after, size_t max)
{
    static vk_str want[KEYS_MAX];
    static bool folded[KEYS_MAX];
    bool want_more, more;
    size_t n = model(prefix, delimiter, after, max, want, folded, &want_more);
    got.n = 0;
    vk_ob_list l = {
        .prefix = prefix, .delimiter = delimiter, .after = after, .max = max, .arg = &got, .entry = keep};
    assert_int_equal(vk_ob_list_keys(s, &l, &more), VK_OB_OK);
    bool ok = got.n == n && more == want_more;
    for (size_t i = 0; ok && i < n; i++)
        ok = got.folded[i] == folded[i] && vk_str_eq(view(&got.key[i]), want[i]);
    if (!ok)
        fail_msg("prefix '" VK_STR_FMT "' delimiter '" VK_STR_FMT "' after '" VK_STR_FMT
                 "' max %zu: %zu, not %zu",
                 VK_STR_ARG(prefix), VK_STR_ARG(delimiter), VK_STR_ARG(after), max, got.n, n);
}

/* All pages one after the other are the whole. */
static void pages(vk_ob *s, vk_str prefix, vk_str delimiter, size_t max)
{
    static vk_str want[KEYS_MAX];
    static bool folded[KEYS_MAX];
    bool more;
    size_t n = model(prefix, delimiter, VK_STR_NONE, KEYS_MAX, want, folded, &more), at = 0;
    key last = {0};
    for (more = true; more;) {
        got.n = 0;
        vk_ob_list l = {.prefix = prefix,
                        .delimiter = delimiter,
                        .after = view(&last),
                        .max = max,
                        .arg = &got,
                        .entry = keep};
        assert_int_equal(vk_ob_list_keys(s, &l, &more), VK_OB_OK);
        for (size_t i = 0; i < got.n; i++, at++)
            assert_true(at < n && vk_str_eq(view(&got.key[i]), want[at]));
        assert_true(got.n == max || !more);
        if (got.n)
            last = got.key[got.n - 1];
    }
    assert_int_equal(at, n);
}

static uint32_t seed = 20261128;

static uint32_t dice(uint32_t n)
{
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8) % n;
}

/* A key of pieces that make common prefixes likely, with all that is odd. */
static void odd_key(key *k, uint32_t pieces)
{
    static const char *const piece[] = {"a",
                                        "b",
                                        "/",
                                        "/",
                                        "//",
                                        "%",
                                        "+",
                                        " ",
                                        ".",
                                        "\xc3\xa9",
                                        "\xe2\x82\xac",
                                        "\xf0\x9f\x9a\x80",
                                        "\x01",
                                        "\x7f",
                                        "\xf4\x8f\xbf\xbf",
                                        "Z",
                                        "&<>\"'",
                                        "0"};
    k->n = 0;
    for (uint32_t i = dice(pieces) + 1; i; i--) {
        const char *p = piece[dice(VK_COUNT(piece))];
        memcpy(k->b + k->n, p, strlen(p));
        k->n += strlen(p);
    }
}

static void put_keys(vk_ob *s, size_t n)
{
    qsort(keys, n, sizeof *keys, by_bytes);
    n_keys = 0;
    for (size_t i = 0; i < n; i++)
        if (!n_keys || by_bytes(&keys[n_keys - 1], &keys[i]) != 0)
            keys[n_keys++] = keys[i];
    sqlite3_exec(s->writer->db, "BEGIN", NULL, NULL, NULL); /* rows only: this is about listing */
    for (size_t i = 0; i < n_keys; i++) {
        vk_ob_row row = {.o = {.size = (int64_t)i, .etag = "e"}};
        assert_int_equal(vk_ob_write_row(s, s->writer, view(&keys[i]), &row), VK_OB_OK);
    }
    sqlite3_exec(s->writer->db, "COMMIT", NULL, NULL, NULL);
}

static void against_a_model(void **state)
{
    VK_UNUSED(state);
    vk_ob *s = rig_open();
    static const char *const delimiters[] = {
        "", "/", "//", "%", " ", ".", "\x01", "\xc3\xa9", "a", "ab", "\xf4\x8f\xbf\xbf", "none of these"};
    for (size_t i = 0; i < 1200; i++)
        odd_key(&keys[i], 6);
    put_keys(s, 1200);
    for (int i = 0; i < 3000; i++) {
        key prefix, after;
        vk_str none = VK_STR_NONE;
        odd_key(&prefix, 2);
        if (dice(3))
            after = keys[dice((uint32_t)n_keys)];
        else
            odd_key(&after, 4);
        vk_str d = vk_str_z(delimiters[dice(VK_COUNT(delimiters))]);
        same(s, dice(3) ? view(&prefix) : none, d, dice(2) ? view(&after) : none, dice(4) ? dice(20) : 1000);
    }
    for (size_t i = 0; i < VK_COUNT(delimiters); i++) {
        pages(s, VK_STR_NONE, vk_str_z(delimiters[i]), 1 + dice(7));
        pages(s, VK_STR("a"), vk_str_z(delimiters[i]), 100);
    }
    vk_ob_close(s);
}

/* As an app's bucket looks, 2,500 keys. */
static void a_bucket(void **state)
{
    VK_UNUSED(state);
    vk_ob *s = rig_open();
    for (size_t i = 0; i < 2500; i++)
        keys[i].n = (size_t)snprintf(keys[i].b, KEY_ROOM, "photos/%02zu/img-%04zu.jpg", i % 50, i);
    put_keys(s, 2500);
    pages(s, VK_STR_NONE, VK_STR_NONE, 1000);
    pages(s, VK_STR_NONE, VK_STR("/"), 1000);
    pages(s, VK_STR("photos/"), VK_STR("/"), 7);
    pages(s, VK_STR("photos/07/"), VK_STR("/"), 7);
    same(s, VK_STR("photos/"), VK_STR("/"), VK_STR("photos/07/img"), 1000);
    same(s, VK_STR("photos/"), VK_STR_NONE, VK_STR("photos/07/img"), 0);
    same(s, VK_STR("zzz"), VK_STR("/"), VK_STR_NONE, 10);
    same(s, VK_STR("photos/"), VK_STR("/"), VK_STR("zzz"), 10);
    vk_ob_close(s);
}

/* The key "" is there, and only the prefixed form shows it. */
static void the_empty_key(void **state)
{
    VK_UNUSED(state);
    vk_ob *s = rig_open();
    bool more;
    n_keys = 2;
    keys[0].n = 0;
    keys[1] = (key){1, "a"};
    put_keys(s, 2);
    vk_ob_list l = {.max = 10, .arg = &got, .entry = keep};
    got.n = 0;
    assert_int_equal(vk_ob_list_keys(s, &l, &more), VK_OB_OK);
    assert_int_equal(got.n, 2);
    l.skip_empty = true;
    got.n = 0;
    assert_int_equal(vk_ob_list_keys(s, &l, &more), VK_OB_OK);
    assert_true(got.n == 1 && got.key[0].n == 1);
    vk_ob_close(s);
}

/* ---- uploads */

typedef struct seen {
    size_t n;
    vk_ob_upload u[40];
    char keys[40][8];
} seen;

static bool keep_upload(void *arg, const vk_ob_upload *u, vk_str common)
{
    seen *x = arg;
    vk_str k = u ? u->key : common;
    memcpy(x->keys[x->n], k.p, k.n);
    x->keys[x->n][k.n] = '\0';
    if (u)
        x->u[x->n] = *u;
    x->n++;
    return true;
}

static void uploads(void **state)
{
    VK_UNUSED(state);
    vk_ob *s = rig_open();
    static const char *const of[] = {"a", "a", "a", "b/1", "b/2", "b/2", "c", "d/1"};
    uint8_t id[16];
    bool more = true;
    for (size_t i = 0; i < VK_COUNT(of); i++)
        assert_int_equal(vk_ob_upload_create(s, vk_str_z(of[i]), VK_STR(""), 0, 0, id), VK_OB_OK);
    /* Page after page, three at a time: each once, by key and id. */
    seen all = {0};
    vk_ob_upload_list l = {.max = 3, .arg = &all, .entry = keep_upload};
    uint8_t last_id[16];
    char last_key[8];
    while (more) {
        assert_int_equal(vk_ob_upload_list_open(s, &l, &more), VK_OB_OK);
        snprintf(last_key, sizeof last_key, "%s", all.keys[all.n - 1]);
        memcpy(last_id, all.u[all.n - 1].id, 16);
        l.after_key = vk_str_z(last_key);
        l.after_id = last_id;
    }
    assert_int_equal(all.n, VK_COUNT(of));
    for (size_t i = 0; i < all.n; i++) {
        assert_string_equal(all.keys[i], of[i]);
        if (i && strcmp(of[i], of[i - 1]) == 0)
            assert_true(memcmp(all.u[i].id, all.u[i - 1].id, 16) > 0);
    }
    seen folded = {0};
    l = (vk_ob_upload_list){.delimiter = VK_STR("/"), .max = 10, .arg = &folded, .entry = keep_upload};
    assert_int_equal(vk_ob_upload_list_open(s, &l, &more), VK_OB_OK);
    assert_int_equal(folded.n, 6); /* a a a b/ c d/ */
    assert_string_equal(folded.keys[3], "b/");
    /* Without an id the whole key is behind. */
    seen rest = {0};
    l = (vk_ob_upload_list){.after_key = VK_STR("a"), .max = 10, .arg = &rest, .entry = keep_upload};
    assert_int_equal(vk_ob_upload_list_open(s, &l, &more), VK_OB_OK);
    assert_int_equal(rest.n, 5);
    vk_ob_close(s);
}

/* ---- what it costs, in steps of SQLite's machine: a clock would measure the machine */

static int64_t steps;

static int count_steps(void *arg)
{
    VK_UNUSED(arg);
    steps += 10;
    return 0;
}

static bool nothing(void *arg, const vk_ob_entry *e)
{
    VK_UNUSED(arg);
    VK_UNUSED(e);
    return true;
}

static int64_t cost(vk_ob *s, vk_str prefix, vk_str delimiter, vk_str after, size_t max)
{
    vk_ob_conn *c;
    bool more;
    vk_ob_list l = {.prefix = prefix, .delimiter = delimiter, .after = after, .max = max, .entry = nothing};
    assert_int_equal(vk_ob_conn_get(s, &c), VK_OB_OK);
    sqlite3_progress_handler(c->db, 10, count_steps, NULL);
    vk_ob_conn_put(s, c); /* the next one to be taken */
    steps = 0;
    assert_int_equal(vk_ob_list_keys(s, &l, &more), VK_OB_OK);
    return steps;
}

static void a_million_keys(void **state)
{
    VK_UNUSED(state);
    vk_ob *s = rig_open();
    /* 20 folders of 50,000; no sync, for this is about reading. */
    assert_int_equal(
        sqlite3_exec(s->writer->db,
                     "PRAGMA synchronous = OFF; WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 "
                     "FROM c LIMIT 1000000) INSERT INTO objects SELECT CAST(printf('f%02d/%06d', i / 50000, "
                     "i) AS BLOB), 1, 2, 'e', NULL, 0, 0, 0, 0, x'', x'' FROM c",
                     NULL, NULL, NULL),
        SQLITE_OK);
    int64_t folded = cost(s, VK_STR_NONE, VK_STR("/"), VK_STR_NONE, 1000);
    int64_t first = cost(s, VK_STR_NONE, VK_STR_NONE, VK_STR_NONE, 1000);
    int64_t late = cost(s, VK_STR_NONE, VK_STR_NONE, VK_STR("f19/990000"), 1000);
    int64_t deep = cost(s, VK_STR("f10/"), VK_STR("/"), VK_STR("f10/520000"), 1000);
    int64_t absent = cost(s, VK_STR("g"), VK_STR("/"), VK_STR_NONE, 1000);
    print_message("steps: %lld for 20 folders, %lld for a page, %lld for a late one, %lld for a deep one, "
                  "%lld for none\n",
                  (long long)folded, (long long)first, (long long)late, (long long)deep, (long long)absent);
    assert_true(folded > 0 && folded < 20 * 40 + 200); /* not 1,000,000 */
    assert_true(first > 0 && first < 1000 * 15 + 200);
    assert_true(late < first + 200);
    assert_true(deep < first + 200);
    assert_true(absent < 100);
    vk_ob_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(against_a_model), RIG_TEST(a_bucket),       RIG_TEST(the_empty_key),
        RIG_TEST(uploads),         RIG_TEST(a_million_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
