/* What keeper sees of the metadata: the same as who writes it, at once, and from memory as long as nothing
 * changes. */
#include "keeper/view.h"

#include "core/disk.h"
#include "core/test_folder.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { T0 = 1000000, TTL = 5000 };

static struct fixture {
    char dir[64];
    int fd;
    vk_store *w;
    vk_view *v;
} f;

static vk_store *open_store(void)
{
    vk_store *s;
    const char *why = "";
    if (vk_store_sqlite_open(f.fd, f.dir, true, &s, &why) != VK_OK)
        fail_msg("open: %s", why);
    return s;
}

static vk_view *open_view(void)
{
    vk_watch *w;
    vk_view *v;
    const char *why = "";
    if (vk_watch_open(f.fd, f.dir, getuid(), getgid(), &w, &why) != VK_OK)
        fail_msg("open: %s", why);
    assert_int_equal(vk_view_new(w, &v), VK_OK);
    return v;
}

static int set_up(void **state)
{
    VK_UNUSED(state);
    snprintf(f.dir, sizeof f.dir, "/tmp/vk-test-view-XXXXXX");
    f.w = NULL;
    f.v = NULL;
    return folder_make(f.dir) && (f.fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    if (f.w)
        f.w->ops->close(f.w);
    vk_view_free(f.v);
    close(f.fd);
    return folder_remove(f.dir);
}

static void make_hash(uint8_t hash[VK_HASH], uint64_t generation, char kind)
{
    memset(hash, kind, VK_HASH);
    memcpy(hash, &generation, sizeof generation);
}

static vk_err make_rows(void *arg, const vk_build *b, vk_valet_row *rows, size_t *n_r)
{
    static const char *const services[] = {"payments", "database"};
    VK_UNUSED(arg);
    for (size_t i = 0; i < 2; i++) {
        rows[i] = (vk_valet_row){.kind = i ? 'd' : 'b', .kid = 1, .generation = b->generation};
        snprintf(rows[i].service, sizeof rows[i].service, "%s", services[i]);
        memcpy(rows[i].build, b->id, sizeof rows[i].build);
        make_hash(rows[i].hash, b->generation, rows[i].kind);
    }
    *n_r = 2;
    return VK_OK;
}

/* Payments are Stripe's, the database is embedded. */
static uint64_t created(vk_store *s, const char *id)
{
    static const vk_binding stripe = {
        .service = "payments", .driver = "stripe", .resource = {"{\"account\":\"acct_1\"}", 20}};
    static const uint8_t digest[VK_HASH];
    vk_build b = {
        .framework = "next", .ttl_ms = TTL, .created_ms = T0, .expires_ms = T0 + TTL, .touched_ms = T0};
    vk_arena *a = vk_arena_new(1 << 20);
    snprintf(b.id, sizeof b.id, "%s", id);
    vk_err e = s->ops->build_create(s, a, &b, &stripe, 1, VK_STR_NONE, digest, make_rows, NULL);
    vk_arena_free(a);
    if (e != VK_OK)
        fail_msg("create: %s", vk_err_name(e));
    return b.generation;
}

static vk_err find_at(uint64_t generation, const char *service, char kind, int64_t now,
                      const vk_view_row **out)
{
    uint8_t hash[VK_HASH];
    const char *why = NULL;
    make_hash(hash, generation, strcmp(service, "database") == 0 ? 'd' : 'b');
    *out = NULL;
    vk_err e = vk_view_find(f.v, hash, vk_str_z(service), kind, now, out, &why);
    assert_true(e == VK_OK ? *out != NULL : why != NULL);
    return e;
}

static vk_err find(uint64_t generation)
{
    const vk_view_row *x;
    return find_at(generation, "payments", 'b', T0, &x);
}

static uint64_t reads(void)
{
    vk_view_counts c;
    vk_view_count(f.v, &c);
    return c.read;
}

static void looking(void **state)
{
    VK_UNUSED(state);
    const vk_view_row *x;
    f.w = open_store();
    f.v = open_view();
    uint64_t g = created(f.w, "shop");
    assert_int_equal(find_at(g, "payments", 'b', T0, &x), VK_OK);
    assert_string_equal(x->build, "shop");
    assert_int_equal(x->generation, g);
    assert_string_equal(x->binding.driver, "stripe");
    assert_true(vk_str_eqz(vk_binding_value(&x->binding, "account"), "acct_1"));
    uint64_t n = reads();
    for (int i = 0; i < 100; i++)
        assert_int_equal(find(g), VK_OK);
    assert_int_equal(reads(), n); /* from memory */
    assert_int_equal(find_at(g, "payments", 'p', T0, &x), VK_E_FORBIDDEN);
    assert_int_equal(find_at(g, "storage", 'b', T0, &x), VK_E_FORBIDDEN);
    assert_int_equal(find_at(g, "payments", 'b', T0 + TTL, &x), VK_E_EXPIRED);
    assert_int_equal(find_at(g, "database", 'd', T0, &x), VK_E_NOT_FOUND);
    assert_int_equal(find(g + 1), VK_E_UNAUTHORIZED);
}

static void every_change_counts_at_once(void **state)
{
    VK_UNUSED(state);
    const vk_view_row *x;
    f.w = open_store();
    f.v = open_view();
    uint64_t g = created(f.w, "shop"), other = created(f.w, "other");
    for (int i = 0; i < 50; i++) {
        vk_binding b = {.service = "payments", .driver = "stripe"};
        char resource[40];
        snprintf(resource, sizeof resource, "{\"account\":\"acct_%d\"}", i);
        b.resource = vk_str_z(resource);
        assert_int_equal(find(g), VK_OK);
        assert_int_equal(f.w->ops->binding_set(f.w, VK_STR("shop"), 0, &b), VK_OK);
        assert_int_equal(find_at(g, "payments", 'b', T0, &x), VK_OK);
        assert_int_equal(x->binding.version, b.version);
        assert_true(vk_str_eqz(x->binding.resource, resource));
    }
    assert_int_equal(f.w->ops->build_touch(f.w, VK_STR("shop"), T0 + 1000), VK_OK);
    assert_int_equal(find_at(g, "payments", 'b', T0 + TTL + 500, &x), VK_OK);
    vk_binding away = {.service = "payments", .driver = "embedded", .resource = VK_STR("{}")};
    assert_int_equal(f.w->ops->binding_set(f.w, VK_STR("shop"), 0, &away), VK_OK);
    assert_int_equal(find(g), VK_E_NOT_FOUND);
    assert_int_equal(find(other), VK_OK);
    assert_int_equal(f.w->ops->build_revoke(f.w, VK_STR("other"), T0), VK_OK);
    assert_int_equal(find(other), VK_E_UNAUTHORIZED);
    assert_int_equal(f.w->ops->build_deleting(f.w, VK_STR("shop"), T0), VK_OK);
    assert_int_equal(find(g), VK_E_UNAUTHORIZED);
    assert_int_equal(f.w->ops->build_gone(f.w, VK_STR("shop")), VK_OK);
    uint64_t again = created(f.w, "shop");
    assert_int_equal(find(g), VK_E_UNAUTHORIZED);
    assert_int_equal(find(again), VK_OK);
}

/* keeper is there first: it makes the file, and sees what front makes of it. */
static void before_front(void **state)
{
    VK_UNUSED(state);
    struct stat before, after;
    f.v = open_view();
    assert_int_equal(find(1), VK_E_UNAVAILABLE);
    assert_int_equal(fstatat(f.fd, "valetkey.db-wal", &before, 0), 0);
    f.w = open_store();
    assert_int_equal(fstatat(f.fd, "valetkey.db-wal", &after, 0), 0);
    assert_int_equal(before.st_ino, after.st_ino); /* what a fence was closed around is what is used */
    uint64_t g = created(f.w, "shop");
    assert_int_equal(find(g), VK_OK);
    /* Front ends and comes again. */
    f.w->ops->close(f.w);
    assert_int_equal(fstatat(f.fd, "valetkey.db-wal", &after, 0), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(after.st_size, 0); /* nothing is left to replay */
    assert_int_equal(find(g), VK_OK);
    f.w = open_store();
    assert_int_equal(f.w->ops->build_revoke(f.w, VK_STR("shop"), T0), VK_OK);
    assert_int_equal(find(g), VK_E_UNAUTHORIZED);
}

/* A file that was just made when the power went. */
static void an_empty_file(void **state)
{
    VK_UNUSED(state);
    close(openat(f.fd, "valetkey.db", O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    f.v = open_view();
    f.w = open_store();
    assert_int_equal(find(created(f.w, "shop")), VK_OK);
}

static void what_is_no_database(void **state)
{
    VK_UNUSED(state);
    vk_watch *w;
    const char *why = NULL;
    int fd = openat(f.fd, "valetkey.db", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    for (int i = 0; i < 512; i++)
        assert_int_equal(write(fd, "this is no database at all......", 32), 32);
    close(fd);
    assert_int_not_equal(vk_watch_open(f.fd, f.dir, getuid(), getgid(), &w, &why), VK_OK);
    assert_non_null(why);
}

/* Another process writes: a change that it was told is done is seen by who asks afterwards. */
static void another_process(void **state)
{
    VK_UNUSED(state);
    enum { ROUNDS = 200 };
    static const vk_binding stripe = {.service = "payments", .driver = "stripe", .resource = {"{}", 2}};
    static const vk_binding embedded = {.service = "payments", .driver = "embedded", .resource = {"{}", 2}};
    int done[2], next[2];
    char c = 0;
    assert_int_equal(pipe(done), 0);
    assert_int_equal(pipe(next), 0);
    pid_t pid = fork();
    if (pid == 0) {
        vk_store *s;
        const char *why;
        close(next[1]); /* its other end is the test's alone: the child ends when that does */
        close(done[0]);
        if (read(next[0], &c, 1) != 1 || vk_store_sqlite_open(f.fd, f.dir, true, &s, &why) != VK_OK)
            _exit(1);
        uint64_t g = created(s, "shop");
        if (write(done[1], &g, sizeof g) != sizeof g)
            _exit(2);
        for (int i = 0; i < ROUNDS; i++) {
            vk_binding b = i % 2 ? stripe : embedded;
            if (read(next[0], &c, 1) != 1 || s->ops->binding_set(s, VK_STR("shop"), 0, &b) != VK_OK ||
                write(done[1], &c, 1) != 1)
                _exit(3);
        }
        s->ops->close(s);
        _exit(0);
    }
    uint64_t g = 0;
    close(next[0]);
    close(done[1]);
    f.v = open_view(); /* SQLite's handles are no use behind a fork */
    assert_int_equal(write(next[1], &c, 1), 1);
    assert_int_equal(read(done[0], &g, sizeof g), sizeof g);
    for (int i = 0; i < ROUNDS; i++) {
        assert_int_equal(find(g), i % 2 ? VK_E_NOT_FOUND : VK_OK);
        assert_int_equal(write(next[1], &c, 1), 1);
        assert_int_equal(read(done[0], &c, 1), 1);
        assert_int_equal(find(g), i % 2 ? VK_OK : VK_E_NOT_FOUND);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(find(g), VK_OK);
    close(done[0]);
    close(next[1]);
}

#define WITH_FOLDER(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

/* As keeper's own work sees a build: whatever its state is. */
static void builds(void **state)
{
    VK_UNUSED(state);
    vk_view_build x;
    vk_arena *a = vk_arena_new(1 << 20);
    f.w = open_store();
    f.v = open_view();
    assert_int_equal(vk_view_build_of(f.v, a, VK_STR("shop"), VK_STR("payments"), &x), VK_E_NOT_FOUND);
    uint64_t g = created(f.w, "shop");
    assert_int_equal(vk_view_build_of(f.v, a, VK_STR("shop"), VK_STR("payments"), &x), VK_OK);
    assert_true(x.bound && x.build.generation == g && x.build.state == VK_BUILD_ACTIVE &&
                x.build.expires_ms == T0 + TTL);
    assert_string_equal(x.binding.driver, "stripe");
    assert_true(vk_str_eqz(vk_binding_value(&x.binding, "account"), "acct_1"));
    const vk_str origin = VK_STR("https://shop.example.com");
    assert_int_equal(f.w->ops->build_origins(f.w, VK_STR("shop"), &origin, 1), VK_OK);
    assert_int_equal(f.w->ops->build_revoke(f.w, VK_STR("shop"), T0), VK_OK);
    assert_int_equal(vk_view_build_of(f.v, a, VK_STR("shop"), VK_STR("database"), &x), VK_OK);
    assert_true(!x.bound && x.build.state == VK_BUILD_REVOKED && x.build.n_origins == 1 &&
                vk_str_eq(x.build.origins[0], origin));
    assert_int_equal(vk_view_build_of(f.v, a, VK_STR("shop"), VK_STR("none"), &x), VK_OK);
    assert_false(x.bound);
    vk_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(looking),       WITH_FOLDER(every_change_counts_at_once), WITH_FOLDER(before_front),
        WITH_FOLDER(an_empty_file), WITH_FOLDER(what_is_no_database),         WITH_FOLDER(another_process),
        WITH_FOLDER(builds),
    };
    if (vk_sqlite_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
