/* What is kept of objects that were read lately is never older than the last commit, and bounded. */
#define RIG_IN_MEMORY
#include "services/storage/embedded/test_objects_rig.h"

#include <pthread.h>

static vk_arena *arena;

static bool is_kept(vk_ob *s, const char *key)
{
    vk_ob_ticket t;
    vk_ob_hot *h = vk_ob_hot_find(s, vk_str_z(key), &t);
    vk_ob_hot_unref(h);
    return h != NULL;
}

/* Where the first bytes come from: the same place for readers that share. */
static vk_ob_piece first_piece(vk_ob *s, const char *key, vk_ob_reader **r)
{
    vk_ob_object o;
    vk_ob_piece x = {.fd = -1};
    assert_int_equal(vk_ob_get_now(s, arena, vk_str_z(key), &o, r), VK_OB_OK);
    assert_int_equal(vk_ob_read(*r, 0, &x), VK_OB_OK);
    return x;
}

static void complete(vk_ob *s, const char *key, size_t n)
{
    uint8_t id[16];
    vk_ob_claim claim;
    vk_ob_commit c = {.headers = VK_STR_NONE};
    assert_int_equal(vk_ob_upload_create(s, vk_str_z(key), VK_STR(""), 0, 0, id), VK_OB_OK);
    assert_int_equal(rig_part(s, key, id, 1, n, 5, &claim), VK_OB_OK);
    assert_int_equal(vk_ob_upload_complete(s, vk_str_z(key), id, &claim, 1, &c, NULL), VK_OB_OK);
}

static void readers_share(void **state)
{
    VK_UNUSED(state);
    static const size_t sizes[] = {4096, 100000};
    vk_ob *s = rig_open();
    for (size_t i = 0; i < VK_COUNT(sizes); i++) {
        vk_ob_reader *one, *two;
        assert_int_equal(rig_put(s, "k", sizes[i], 1), VK_OB_OK);
        assert_false(is_kept(s, "k"));
        assert_int_equal(rig_is(s, "k", sizes[i], 1), VK_OB_OK);
        assert_true(is_kept(s, "k"));
        vk_ob_piece a = first_piece(s, "k", &one), b = first_piece(s, "k", &two);
        assert_true(a.bytes == b.bytes && a.fd == b.fd && (a.bytes != NULL) == (a.fd < 0));
        vk_ob_reader_close(one);
        assert_int_equal(rig_is(s, "k", sizes[i], 1), VK_OB_OK);
        vk_ob_reader_close(two);
    }
    /* The empty object, and headers. */
    vk_buf packed;
    vk_buf_init(&packed, 1000);
    vk_ob_header_add(&packed, VK_STR("Content-Type"), VK_STR("text/plain"));
    assert_int_equal(rig_put_with(s, "", 0, 1, (vk_ob_commit){.headers = vk_buf_view(&packed)}), VK_OB_OK);
    for (int i = 0; i < 2; i++) {
        vk_ob_object o;
        vk_ob_reader *r;
        vk_ob_piece x;
        assert_int_equal(vk_ob_get(s, arena, VK_STR(""), &o, &r), VK_OB_OK);
        assert_int_equal(vk_ob_read(r, 0, &x), VK_OB_INVALID_RANGE);
        vk_ob_reader_close(r);
        assert_true(o.size == 0 && vk_str_eq(o.headers, vk_buf_view(&packed)));
    }
    vk_buf_free(&packed);
    vk_ob_close(s);
}

static void changes_are_seen(void **state)
{
    VK_UNUSED(state);
    static const size_t sizes[] = {10, 30000};
    vk_ob *s = rig_open();
    for (size_t i = 0; i < VK_COUNT(sizes); i++) {
        assert_int_equal(rig_put(s, "k", sizes[i], 1), VK_OB_OK);
        assert_int_equal(rig_put(s, "other", 5, 1), VK_OB_OK);
        assert_int_equal(rig_is(s, "other", 5, 1), VK_OB_OK);
        assert_int_equal(rig_is(s, "k", sizes[i], 1), VK_OB_OK);
        assert_int_equal(rig_put(s, "k", sizes[i], 2), VK_OB_OK);
        assert_int_equal(rig_is(s, "k", sizes[i], 2), VK_OB_OK);
        assert_true(is_kept(s, "other"));
        /* A write that is refused changes nothing. */
        assert_int_equal(rig_put_with(s, "k", 3, 3, (vk_ob_commit){.if_none_match_any = true}),
                         VK_OB_PRECONDITION);
        assert_int_equal(rig_is(s, "k", sizes[i], 2), VK_OB_OK);
        complete(s, "k", 777);
        assert_int_equal(rig_is(s, "k", 777, 5), VK_OB_OK);
        assert_false(is_kept(s, "k")); /* of several files */
        assert_int_equal(rig_put(s, "k", sizes[i], 4), VK_OB_OK);
        assert_int_equal(rig_is(s, "k", sizes[i], 4), VK_OB_OK);
        assert_int_equal(rig_delete(s, "k"), VK_OB_OK);
        assert_int_equal(rig_is(s, "k", sizes[i], 4), VK_OB_NO_SUCH_KEY);
        assert_true(rig_consistent(s));
    }
    vk_ob_close(s);
}

static vk_ob_hot *some(const char *key, size_t n, int fd)
{
    static char bytes[VK_OB_INLINE_MAX];
    vk_ob_object o = {.size = (int64_t)n, .headers = VK_STR("")};
    vk_ob_hot *h = vk_ob_hot_new(vk_str_z(key), &o, (vk_str){bytes, fd < 0 ? n : 0}, fd);
    assert_non_null(h);
    return h;
}

static void add(vk_ob *s, const char *key, size_t n, int fd, const vk_ob_ticket *t)
{
    vk_ob_hot *h = some(key, n, fd);
    vk_ob_hot_add(s, h, t);
    vk_ob_hot_unref(h);
}

static vk_ob_ticket ticket(vk_ob *s, const char *key)
{
    vk_ob_ticket t;
    vk_ob_hot_unref(vk_ob_hot_find(s, vk_str_z(key), &t));
    return t;
}

static void old_finds_are_not_kept(void **state)
{
    VK_UNUSED(state);
    vk_ob *s = rig_open();
    vk_ob_ticket before = ticket(s, "k");
    assert_int_equal(rig_put(s, "k", 10, 1), VK_OB_OK);
    add(s, "k", 10, -1, &before);
    assert_false(is_kept(s, "k"));
    before = ticket(s, "k");
    vk_ob_hot_forget(s, VK_STR("k")); /* as a transaction does */
    vk_ob_ticket during = ticket(s, "k");
    add(s, "k", 10, -1, &before);
    add(s, "k", 10, -1, &during);
    assert_false(is_kept(s, "k"));
    vk_ob_hot_settle(s);
    add(s, "k", 10, -1, &before);
    add(s, "k", 10, -1, &during);
    assert_false(is_kept(s, "k"));
    vk_ob_ticket after = ticket(s, "k");
    add(s, "k", 10, -1, &after);
    assert_true(is_kept(s, "k"));
    add(s, "k", 10, -1, &after); /* another reader that found the same */
    vk_ob_close(s);
}

static size_t open_files(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void bounded(void **state)
{
    VK_UNUSED(state);
    vk_ob *s[6];
    char key[16];
    size_t total = 0, files = open_files();
    for (size_t i = 0; i < VK_COUNT(s); i++) {
        char name[8];
        snprintf(name, sizeof name, "b%zu", i);
        assert_int_equal(vk_ob_open(rig_fd, rig_dir, name, &usual_quota, &s[i]), VK_OB_OK);
        for (size_t k = 0; k < 3000; k++) {
            snprintf(key, sizeof key, "k%zu", k);
            vk_ob_ticket t = ticket(s[i], key);
            add(s[i], key, VK_OB_INLINE_MAX, -1, &t);
            if (i == 0)
                assert_true(ticket(s[i], "k0").good && is_kept(s[i], "k0")); /* read all the time */
        }
        assert_true(s[i]->hot.bytes <= 16 << 20);
        total += s[i]->hot.bytes;
    }
    assert_true(is_kept(s[0], "k0") && !is_kept(s[0], "k1") && is_kept(s[0], "k2999"));
    assert_true(total > 60 << 20 && total <= 64 << 20);
    for (size_t i = 0; i < VK_COUNT(s); i++)
        vk_ob_close(s[i]);
    assert_int_equal(open_files(), files);

    s[0] = rig_open();
    files = open_files();
    size_t most = 0;
    for (size_t k = 0; k < 6000; k++) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        snprintf(key, sizeof key, "f%zu", k);
        vk_ob_ticket t = ticket(s[0], key);
        add(s[0], key, 100000, fd, &t);
        most = (size_t)fd > most ? (size_t)fd : most;
    }
    assert_true(is_kept(s[0], "f5999") && !is_kept(s[0], "f0"));
    print_message("%zu files kept open\n", open_files() - files);
    assert_true(most < 6000);
    vk_ob_close(s[0]);
}

/* ---- while it changes: what is read is never older than what was acknowledged, or seen before */

enum { VERSIONS = 1500, READERS = 3 };
static vk_ob *store;
static _Atomic int acknowledged, wrong, reads;

static size_t size_of(int version)
{
    return (size_t)(version % 3 == 0 ? 9000 + version : version);
}

static void *writer(void *arg)
{
    VK_UNUSED(arg);
    for (int v = 1; v <= VERSIONS; v++) {
        vk_ob_put *p;
        char mtime[16];
        vk_buf packed;
        vk_buf_init(&packed, 100);
        snprintf(mtime, sizeof mtime, "%d", v);
        vk_ob_header_add(&packed, VK_STR("version"), vk_str_z(mtime));
        vk_ob_commit c = {.headers = vk_buf_view(&packed)};
        if (vk_ob_put_begin(store, VK_STR("k"), -1, &p) != VK_OB_OK ||
            rig_finish(p, size_of(v), (uint32_t)v, &c, NULL) != VK_OB_OK)
            wrong++;
        vk_buf_free(&packed);
        atomic_store(&acknowledged, v);
    }
    return NULL;
}

static int version_of(vk_str headers)
{
    vk_str name, value;
    int64_t v;
    return vk_ob_header_next(&headers, &name, &value) && vk_str_to_i64(value, &v) == VK_OK ? (int)v : -1;
}

static void *reader(void *arg)
{
    VK_UNUSED(arg);
    char *want = malloc(20000);
    int least = 1;
    while (want && least < VERSIONS) {
        vk_arena *a = vk_arena_new(1 << 16);
        vk_ob_object o;
        vk_ob_reader *r;
        char *got = NULL;
        int before = atomic_load(&acknowledged);
        least = before > least ? before : least;
        if (reads++ % 5 == 0) { /* past what is kept */
            if (vk_ob_head(store, a, VK_STR("k"), &o) != VK_OB_OK || version_of(o.headers) < least)
                wrong++;
        } else if (vk_ob_get(store, a, VK_STR("k"), &o, &r) != VK_OB_OK) {
            wrong++;
        } else {
            int v = version_of(o.headers);
            rig_fill(want, size_of(v), (uint32_t)v);
            if (v < least || o.size != (int64_t)size_of(v) || rig_read(r, 0, o.size, &got) != VK_OB_OK ||
                memcmp(got, want, (size_t)o.size) != 0)
                wrong++;
            vk_ob_reader_close(r);
        }
        least = version_of(o.headers) > least ? version_of(o.headers) : least;
        free(got);
        vk_arena_free(a);
    }
    free(want);
    return NULL;
}

static void never_older(void **state)
{
    VK_UNUSED(state);
    pthread_t t[1 + READERS];
    store = rig_open();
    vk_buf packed;
    vk_buf_init(&packed, 100);
    vk_ob_header_add(&packed, VK_STR("version"), VK_STR("1"));
    assert_int_equal(rig_put_with(store, "k", size_of(1), 1, (vk_ob_commit){.headers = vk_buf_view(&packed)}),
                     VK_OB_OK);
    vk_buf_free(&packed);
    for (size_t i = 0; i < VK_COUNT(t); i++)
        assert_int_equal(pthread_create(&t[i], NULL, i == 0 ? writer : reader, NULL), 0);
    for (size_t i = 0; i < VK_COUNT(t); i++)
        pthread_join(t[i], NULL);
    print_message("%d reads\n", reads);
    assert_int_equal(wrong, 0);
    assert_true(rig_consistent(store));
    vk_ob_close(store);
}

static int set_up(void **state)
{
    arena = vk_arena_new(1 << 20);
    return arena ? rig_set_up(state) : -1;
}

static int tear_down(void **state)
{
    vk_arena_free(arena);
    return rig_tear_down(state);
}

#define HOT_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOT_TEST(readers_share), HOT_TEST(changes_are_seen), HOT_TEST(old_finds_are_not_kept),
        HOT_TEST(bounded),       HOT_TEST(never_older),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
