#include "store/store.h"

#include "core/buf.h"
#include "core/disk.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { T0 = 1000000, TTL = 5000 };

static const uint8_t digest_1[VK_HASH] = {1}, digest_2[VK_HASH] = {2};

static struct fixture {
    char dir[64];
    int fd;
    vk_store *w, *r;
    vk_arena *a;
} f;

static vk_store *open_store(bool write)
{
    vk_store *s;
    const char *why = "";
    if (vk_store_sqlite_open(f.fd, f.dir, write, &s, &why) != VK_OK)
        fail_msg("open: %s", why);
    return s;
}

static int make_folder(void **state)
{
    VK_UNUSED(state);
    snprintf(f.dir, sizeof f.dir, "/tmp/vk-test-store-XXXXXX");
    f.w = f.r = NULL;
    f.a = vk_arena_new(1 << 20);
    return f.a && mkdtemp(f.dir) && (f.fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0 ? 0 : -1;
}

static int set_up(void **state)
{
    if (make_folder(state) != 0)
        return -1;
    f.w = open_store(true);
    f.r = open_store(false);
    return 0;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    if (f.r)
        f.r->ops->close(f.r);
    if (f.w)
        f.w->ops->close(f.w);
    vk_arena_free(f.a);
    vk_err e = vk_disk_remove_dir(AT_FDCWD, f.dir);
    close(f.fd);
    return e == VK_OK ? 0 : -1;
}

/* Two keys a build; the hash says which generation and which of the two. */
static void make_hash(uint8_t hash[VK_HASH], uint64_t generation, uint8_t number)
{
    memset(hash, number, VK_HASH);
    memcpy(hash, &generation, sizeof generation);
}

static vk_err make_rows(void *arg, const vk_build *b, vk_valet_row *rows, size_t *n_r)
{
    if (arg)
        return *(vk_err *)arg;
    assert_true(b->generation > 0);
    for (uint8_t i = 0; i < 2; i++) {
        rows[i] = (vk_valet_row){
            .service = "database", .kind = i ? 'p' : 'b', .kid = 3, .generation = b->generation};
        memcpy(rows[i].build, b->id, sizeof rows[i].build);
        make_hash(rows[i].hash, b->generation, i);
    }
    *n_r = 2;
    return VK_OK;
}

static vk_build new_build(const char *id)
{
    vk_build b = {
        .framework = "next", .ttl_ms = TTL, .created_ms = T0, .expires_ms = T0 + TTL, .touched_ms = T0};
    snprintf(b.id, sizeof b.id, "%s", id);
    return b;
}

static vk_err create(vk_store *s, vk_build *b, const char *idem, const uint8_t *digest)
{
    return s->ops->build_create(s, f.a, b, NULL, 0, vk_str_z(idem), digest, make_rows, NULL);
}

static uint64_t created(const char *id)
{
    vk_build b = new_build(id);
    assert_int_equal(create(f.w, &b, NULL, digest_1), VK_OK);
    return b.generation;
}

static vk_err find(vk_store *s, uint64_t generation, uint8_t number, vk_valet_row *row_r, vk_build *b_r)
{
    uint8_t hash[VK_HASH];
    make_hash(hash, generation, number);
    return s->ops->valet_find(s, f.a, hash, row_r, b_r);
}

static void creating(void **state)
{
    VK_UNUSED(state);
    vk_build b = new_build("demo"), got;
    vk_valet_row row;
    b.n_origins = 2;
    b.origins[0] = VK_STR("https://b.example");
    b.origins[1] = VK_STR("http://a.example:3000");
    assert_int_equal(create(f.w, &b, NULL, digest_1), VK_OK);
    assert_int_equal(f.r->ops->build_get(f.r, f.a, VK_STR("demo"), &got), VK_OK);
    assert_string_equal(got.id, "demo");
    assert_string_equal(got.framework, "next");
    assert_true(got.state == VK_BUILD_ACTIVE && got.generation == b.generation && got.ttl_ms == TTL);
    assert_true(got.created_ms == T0 && got.expires_ms == T0 + TTL && got.touched_ms == T0 &&
                got.revoked_ms == 0);
    assert_int_equal(got.n_origins, 2);
    assert_true(vk_str_eqz(got.origins[0], "http://a.example:3000"));
    assert_int_equal(find(f.r, b.generation, 0, &row, &got), VK_OK);
    assert_string_equal(row.build, "demo");
    assert_string_equal(got.id, "demo");
    assert_string_equal(row.service, "database");
    assert_true(row.kind == 'b' && row.kid == 3 && row.generation == b.generation && row.revoked_ms == 0);
    assert_true(got.expires_ms == T0 + TTL && got.state == VK_BUILD_ACTIVE);
    assert_int_equal(find(f.r, b.generation, 1, &row, &got), VK_OK);
    assert_int_equal(row.kind, 'p');
    assert_int_equal(find(f.r, b.generation, 2, &row, &got), VK_E_NOT_FOUND);
    assert_int_equal(f.r->ops->build_get(f.r, f.a, VK_STR("demo2"), &got), VK_E_NOT_FOUND);
    /* The id is taken: the stored one comes back, and nothing changes. */
    vk_build again = new_build("demo");
    again.ttl_ms = 1;
    assert_int_equal(create(f.w, &again, NULL, digest_1), VK_E_CONFLICT);
    assert_true(again.ttl_ms == TTL && again.generation == b.generation && again.n_origins == 2);
    assert_true(created("other") > b.generation);
}

static void creating_is_all_or_nothing(void **state)
{
    VK_UNUSED(state);
    vk_build b = new_build("demo"), got;
    vk_err error = VK_E_NOMEM;
    int64_t builds, active;
    assert_int_equal(
        f.w->ops->build_create(f.w, f.a, &b, NULL, 0, VK_STR("key"), digest_1, make_rows, &error),
        VK_E_NOMEM);
    assert_int_equal(f.w->ops->build_get(f.w, f.a, VK_STR("demo"), &got), VK_E_NOT_FOUND);
    vk_str id;
    assert_int_equal(f.w->ops->idem_find(f.w, f.a, VK_STR("key"), digest_1, &id), VK_E_NOT_FOUND);
    assert_int_equal(f.w->ops->counts(f.w, T0, &builds, &active), VK_OK);
    assert_int_equal(builds, 0);
    assert_int_equal(create(f.w, &b, "key", digest_1), VK_OK);
}

/* As make_rows, and one of a service that came later. */
static vk_err make_more_rows(void *arg, const vk_build *b, vk_valet_row *rows, size_t *n_r)
{
    vk_err e = make_rows(arg, b, rows, n_r);
    if (e != VK_OK)
        return e;
    rows[2] = (vk_valet_row){.service = "storage", .kind = 'i', .kid = 3, .generation = b->generation};
    memcpy(rows[2].build, b->id, sizeof rows[2].build);
    make_hash(rows[2].hash, b->generation, 2);
    *n_r = 3;
    return VK_OK;
}

static void a_service_that_came_later(void **state)
{
    VK_UNUSED(state);
    static const vk_str one[] = {VK_STR("database")}, both[] = {VK_STR("database"), VK_STR("storage")};
    uint64_t old = created("old"), gone = created("gone");
    size_t n;
    vk_err error = VK_E_NOMEM;
    vk_valet_row row;
    vk_build b;
    assert_int_equal(f.w->ops->build_revoke(f.w, VK_STR("gone"), T0), VK_OK);
    assert_int_equal(f.w->ops->services_join(f.w, one, 1, make_rows, NULL, &n), VK_OK);
    assert_int_equal(n, 0); /* they have what there was */
    assert_int_equal(f.w->ops->services_join(f.w, both, 2, make_more_rows, &error, &n), VK_E_NOMEM);
    assert_int_equal(find(f.r, old, 2, &row, &b), VK_E_NOT_FOUND); /* all or nothing */
    assert_int_equal(f.w->ops->services_join(f.w, both, 2, make_more_rows, NULL, &n), VK_OK);
    assert_int_equal(n, 1);
    assert_int_equal(find(f.r, old, 2, &row, &b), VK_OK);
    assert_string_equal(row.service, "storage");
    assert_string_equal(b.id, "old");
    assert_int_equal(find(f.r, old, 0, &row, &b), VK_OK);
    assert_int_equal(find(f.r, gone, 2, &row, &b), VK_E_NOT_FOUND);
    /* Not looked at again, though it would fail: */
    assert_int_equal(f.w->ops->services_join(f.w, both, 2, make_more_rows, &error, &n), VK_OK);
    assert_int_equal(n, 0);
}

static void idempotency(void **state)
{
    VK_UNUSED(state);
    vk_build b = new_build("one"), other = new_build("two");
    vk_str id;
    assert_int_equal(create(f.w, &b, "key", digest_1), VK_OK);
    assert_int_equal(f.r->ops->idem_find(f.r, f.a, VK_STR("key"), digest_1, &id), VK_OK);
    assert_true(vk_str_eqz(id, "one"));
    assert_int_equal(f.r->ops->idem_find(f.r, f.a, VK_STR("key"), digest_2, &id), VK_E_UNPROCESSABLE);
    assert_int_equal(f.r->ops->idem_find(f.r, f.a, VK_STR("key2"), digest_1, &id), VK_E_NOT_FOUND);
    /* Twice at once: whoever is second gets what the first one made, whatever id it had thought of. */
    assert_int_equal(create(f.w, &other, "key", digest_1), VK_E_CONFLICT);
    assert_string_equal(other.id, "one");
    other = new_build("two");
    assert_int_equal(create(f.w, &other, "key", digest_2), VK_E_UNPROCESSABLE);
    assert_int_equal(f.r->ops->build_get(f.r, f.a, VK_STR("two"), &other), VK_E_NOT_FOUND);
    /* A key whose build is gone makes a new one. */
    assert_int_equal(f.w->ops->build_deleting(f.w, VK_STR("one"), T0), VK_OK);
    assert_int_equal(f.w->ops->build_gone(f.w, VK_STR("one")), VK_OK);
    other = new_build("two");
    assert_int_equal(create(f.w, &other, "key", digest_1), VK_OK);
    /* Old keys are dropped when new ones come. */
    vk_build late = new_build("late");
    late.created_ms = T0 + (int64_t)8 * 86400 * 1000;
    assert_int_equal(create(f.w, &late, "key3", digest_1), VK_OK);
    assert_int_equal(f.r->ops->idem_find(f.r, f.a, VK_STR("key"), digest_1, &id), VK_E_NOT_FOUND);
    assert_int_equal(f.r->ops->idem_find(f.r, f.a, VK_STR("key3"), digest_1, &id), VK_OK);
}

static void listing(void **state)
{
    VK_UNUSED(state);
    char id[8];
    vk_build out[7];
    size_t n, all = 0;
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "b%02d", i * 7 % 20);
        created(id);
    }
    vk_str after = VK_STR("");
    do {
        assert_int_equal(f.r->ops->build_list(f.r, f.a, after, VK_COUNT(out), out, &n), VK_OK);
        for (size_t i = 0; i < n; i++) {
            snprintf(id, sizeof id, "b%02zu", all++);
            assert_string_equal(out[i].id, id);
        }
        after = n ? vk_arena_dup(f.a, vk_str_z(out[n - 1].id)) : after;
    } while (n == VK_COUNT(out));
    assert_int_equal(all, 20);
    assert_int_equal(f.r->ops->build_list(f.r, f.a, VK_STR("b19"), 7, out, &n), VK_OK);
    assert_int_equal(n, 0);
}

static int64_t expiry(const char *id)
{
    vk_build b;
    assert_int_equal(f.r->ops->build_get(f.r, f.a, vk_str_z(id), &b), VK_OK);
    return b.expires_ms;
}

static void touching(void **state)
{
    VK_UNUSED(state);
    created("demo");
    assert_int_equal(f.w->ops->build_touch(f.w, VK_STR("demo"), T0 + 1000), VK_OK);
    assert_int_equal(expiry("demo"), T0 + 1000 + TTL);
    assert_int_equal(f.w->ops->build_touch(f.w, VK_STR("demo"), T0 + 1000 + TTL),
                     VK_OK); /* expired: stays so */
    assert_int_equal(expiry("demo"), T0 + 1000 + TTL);
    created("gone");
    assert_int_equal(f.w->ops->build_revoke(f.w, VK_STR("gone"), T0 + 1), VK_OK);
    assert_int_equal(f.w->ops->build_touch(f.w, VK_STR("gone"), T0 + 1000), VK_OK);
    assert_int_equal(expiry("gone"), T0 + TTL);
}

static void revoking(void **state)
{
    VK_UNUSED(state);
    uint64_t g = created("demo"), other = created("other");
    vk_valet_row row;
    vk_build b;
    assert_int_equal(f.w->ops->build_revoke(f.w, VK_STR("demo"), T0 + 5), VK_OK);
    assert_int_equal(f.w->ops->build_revoke(f.w, VK_STR("demo"), T0 + 9), VK_OK);
    for (uint8_t i = 0; i < 2; i++) {
        assert_int_equal(find(f.r, g, i, &row, &b), VK_OK);
        assert_true(row.revoked_ms == T0 + 5 && b.state == VK_BUILD_REVOKED && b.revoked_ms == T0 + 5);
        assert_int_equal(find(f.r, other, i, &row, &b), VK_OK);
        assert_true(row.revoked_ms == 0 && b.state == VK_BUILD_ACTIVE);
    }
    assert_int_equal(f.w->ops->build_revoke(f.w, VK_STR("none"), T0), VK_E_NOT_FOUND);
    b = new_build("demo"); /* a revoked build keeps its name */
    assert_int_equal(create(f.w, &b, NULL, digest_1), VK_E_CONFLICT);
    assert_int_equal(b.state, VK_BUILD_REVOKED);
}

static void deleting(void **state)
{
    VK_UNUSED(state);
    uint64_t g = created("demo");
    vk_valet_row row;
    vk_build b;
    int64_t builds, active;
    assert_int_equal(f.w->ops->build_gone(f.w, VK_STR("demo")), VK_OK); /* not without the first step */
    assert_int_equal(find(f.r, g, 0, &row, &b), VK_OK);
    assert_int_equal(f.w->ops->build_deleting(f.w, VK_STR("demo"), T0 + 5), VK_OK);
    assert_int_equal(find(f.r, g, 0, &row, &b), VK_OK);
    assert_true(row.revoked_ms == T0 + 5 && b.state == VK_BUILD_DELETING);
    assert_int_equal(f.w->ops->build_revoke(f.w, VK_STR("demo"), T0 + 6), VK_OK); /* no way back */
    assert_int_equal(find(f.r, g, 0, &row, &b), VK_OK);
    assert_int_equal(b.state, VK_BUILD_DELETING);
    assert_int_equal(f.w->ops->build_gone(f.w, VK_STR("demo")), VK_OK);
    assert_int_equal(f.w->ops->build_gone(f.w, VK_STR("demo")), VK_OK);
    assert_int_equal(find(f.r, g, 0, &row, &b), VK_E_NOT_FOUND);
    assert_int_equal(f.r->ops->build_get(f.r, f.a, VK_STR("demo"), &b), VK_E_NOT_FOUND);
    assert_int_equal(f.w->ops->build_deleting(f.w, VK_STR("demo"), T0), VK_E_NOT_FOUND);
    assert_true(created("demo") > g); /* a generation is never used twice */
    assert_int_equal(f.r->ops->counts(f.r, T0, &builds, &active), VK_OK);
    assert_true(builds == 1 && active == 1);
    assert_int_equal(f.r->ops->counts(f.r, T0 + TTL, &builds, &active), VK_OK);
    assert_true(builds == 1 && active == 0);
}

static void origins(void **state)
{
    VK_UNUSED(state);
    vk_build b;
    vk_str list[VK_ORIGINS_MAX + 1];
    created("demo");
    for (size_t i = 0; i < VK_COUNT(list); i++)
        list[i] = vk_arena_printf(f.a, "https://o%02zu.example", i);
    assert_int_equal(f.w->ops->build_origins(f.w, VK_STR("demo"), list, VK_ORIGINS_MAX), VK_OK);
    assert_int_equal(f.r->ops->build_get(f.r, f.a, VK_STR("demo"), &b), VK_OK);
    assert_int_equal(b.n_origins, VK_ORIGINS_MAX);
    assert_int_equal(f.w->ops->build_origins(f.w, VK_STR("demo"), list, VK_ORIGINS_MAX + 1), VK_E_TOO_LARGE);
    assert_int_equal(f.w->ops->build_origins(f.w, VK_STR("demo"), list + 3, 1), VK_OK);
    assert_int_equal(f.r->ops->build_get(f.r, f.a, VK_STR("demo"), &b), VK_OK);
    assert_true(b.n_origins == 1 && vk_str_eq(b.origins[0], list[3]));
    assert_int_equal(f.w->ops->build_origins(f.w, VK_STR("demo"), NULL, 0), VK_OK);
    assert_int_equal(f.r->ops->build_get(f.r, f.a, VK_STR("demo"), &b), VK_OK);
    assert_int_equal(b.n_origins, 0);
    assert_int_equal(f.w->ops->build_origins(f.w, VK_STR("none"), list, 1), VK_E_NOT_FOUND);
}

static size_t bindings(const char *build, vk_binding out[VK_BINDINGS_MAX])
{
    size_t n;
    assert_int_equal(f.r->ops->binding_list(f.r, f.a, vk_str_z(build), out, VK_BINDINGS_MAX, &n), VK_OK);
    return n;
}

static void is_bound(const vk_binding *b, const char *driver, const char *resource, uint64_t version)
{
    assert_string_equal(b->driver, driver);
    assert_true(vk_str_eqz(b->resource, resource));
    assert_true(b->version == version);
}

static void bound(void **state)
{
    VK_UNUSED(state);
    char ids[4][VK_BUILD_ID_MAX + 1];
    size_t n;
    static const char *const names[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < VK_COUNT(names); i++) {
        vk_binding set = {.service = "database",
                          .resource = i == 1 ? VK_STR("{\"soft\":\"yes\",\"account\":\"1\"}")
                                             : VK_STR("{\"soft\":\"yes\"}")};
        snprintf(set.driver, sizeof set.driver, "%s", i == 2 ? "neon" : "turso");
        created(names[i]);
        assert_int_equal(f.w->ops->binding_set(f.w, vk_str_z(names[i]), 0, &set), VK_OK);
    }
    assert_int_equal(
        f.r->ops->bound_list(f.r, "database", "turso", "soft", VK_STR("yes"), VK_STR(""), 4, ids, &n), VK_OK);
    assert_int_equal(n, 3);
    assert_string_equal(ids[0], "a");
    assert_string_equal(ids[2], "d");
    assert_int_equal(
        f.r->ops->bound_list(f.r, "database", "turso", "soft", VK_STR("yes"), VK_STR("a"), 1, ids, &n),
        VK_OK);
    assert_int_equal(n, 1);
    assert_string_equal(ids[0], "b");
    assert_int_equal(
        f.r->ops->bound_list(f.r, "database", "turso", "account", VK_STR("1"), VK_STR(""), 4, ids, &n),
        VK_OK);
    assert_int_equal(n, 1);
    assert_string_equal(ids[0], "b");
    assert_int_equal(f.w->ops->build_revoke(f.w, VK_STR("b"), 1), VK_OK);
    assert_int_equal(
        f.r->ops->bound_list(f.r, "database", "turso", "account", VK_STR("1"), VK_STR(""), 4, ids, &n),
        VK_OK);
    assert_int_equal(n, 0);
    assert_int_equal(
        f.r->ops->bound_list(f.r, "storage", "turso", "soft", VK_STR("yes"), VK_STR(""), 4, ids, &n), VK_OK);
    assert_int_equal(n, 0);
}

static void binding(void **state)
{
    VK_UNUSED(state);
    static char large[VK_RESOURCE_MAX + 1];
    vk_binding out[VK_BINDINGS_MAX],
        org[] = {{.service = "payments", .driver = "stripe"},
                 {.service = "storage", .driver = "r2", .resource = VK_STR("{\"bucket\":\"b\"}")}};
    vk_build b = new_build("org");
    size_t n;
    created("demo");
    assert_int_equal(bindings("demo", out), 1);
    assert_string_equal(out[0].service, "database");
    is_bound(&out[0], "embedded", "{}", 1);
    assert_int_equal(bindings("none", out), 0);
    /* What the organisation has chosen is how a new build begins; services without keys have no binding. */
    assert_int_equal(
        f.w->ops->build_create(f.w, f.a, &b, org, VK_COUNT(org), VK_STR_NONE, digest_1, make_more_rows, NULL),
        VK_OK);
    assert_int_equal(bindings("org", out), 2);
    is_bound(&out[0], "embedded", "{}", 1);
    assert_string_equal(out[1].service, "storage");
    is_bound(&out[1], "r2", "{\"bucket\":\"b\"}", 1);
    assert_int_equal(f.r->ops->binding_list(f.r, f.a, VK_STR("org"), out, 1, &n), VK_OK);
    assert_int_equal(n, 1);
    /* Each change counts. */
    vk_binding set = {.service = "database", .driver = "turso", .resource = VK_STR("{\"hostname\":\"h\"}")};
    assert_int_equal(f.w->ops->binding_set(f.w, VK_STR("demo"), 0, &set), VK_OK);
    assert_true(set.version == 2);
    bindings("demo", out);
    is_bound(&out[0], "turso", "{\"hostname\":\"h\"}", 2);
    bindings("org", out);
    is_bound(&out[0], "embedded", "{}", 1);
    assert_int_equal(f.w->ops->binding_set(f.w, VK_STR("demo"), 1, &set), VK_E_CONFLICT);
    set = (vk_binding){.service = "database", .driver = "embedded"};
    assert_int_equal(f.w->ops->binding_set(f.w, VK_STR("demo"), 2, &set), VK_OK);
    bindings("demo", out);
    is_bound(&out[0], "embedded", "{}", 3);
    /* One that was not there yet. */
    set = (vk_binding){.service = "payments", .driver = "stripe"};
    assert_int_equal(f.w->ops->binding_set(f.w, VK_STR("demo"), 7, &set), VK_E_CONFLICT);
    assert_int_equal(f.w->ops->binding_set(f.w, VK_STR("demo"), 0, &set), VK_OK);
    assert_true(set.version == 1 && bindings("demo", out) == 2);
    set.resource = (vk_str){large, sizeof large};
    assert_int_equal(f.w->ops->binding_set(f.w, VK_STR("demo"), 0, &set), VK_E_TOO_LARGE);
    /* Builds that have ended stay as they are, and leave nothing. */
    set.resource = VK_STR("{}");
    assert_int_equal(f.w->ops->binding_set(f.w, VK_STR("none"), 0, &set), VK_E_NOT_FOUND);
    assert_int_equal(f.w->ops->build_revoke(f.w, VK_STR("demo"), T0), VK_OK);
    assert_int_equal(f.w->ops->binding_set(f.w, VK_STR("demo"), 0, &set), VK_E_CONFLICT);
    assert_int_equal(bindings("demo", out), 2);
    is_bound(&out[1], "stripe", "{}", 1);
    assert_int_equal(f.w->ops->build_deleting(f.w, VK_STR("demo"), T0), VK_OK);
    assert_int_equal(f.w->ops->build_gone(f.w, VK_STR("demo")), VK_OK);
    assert_int_equal(bindings("demo", out), 0);
}

static void readers_cannot_write(void **state)
{
    VK_UNUSED(state);
    vk_binding set = {.service = "database", .driver = "turso"};
    vk_build b = new_build("demo");
    created("other");
    assert_int_not_equal(create(f.r, &b, NULL, digest_1), VK_OK);
    assert_int_not_equal(f.r->ops->build_touch(f.r, VK_STR("other"), T0 + 1), VK_OK);
    assert_int_not_equal(f.r->ops->build_revoke(f.r, VK_STR("other"), T0 + 1), VK_OK);
    assert_int_not_equal(f.r->ops->binding_set(f.r, VK_STR("other"), 0, &set), VK_OK);
    assert_int_equal(expiry("other"), T0 + TTL);
}

static void reopening(void **state)
{
    VK_UNUSED(state);
    struct stat st;
    uint64_t g = created("demo");
    f.r->ops->close(f.r);
    f.w->ops->close(f.w);
    assert_int_equal(fstatat(f.fd, "valetkey.db", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    f.w = open_store(true);
    f.r = open_store(false);
    vk_valet_row row;
    vk_build b;
    assert_int_equal(find(f.r, g, 0, &row, &b), VK_OK);
    assert_int_equal(created("next"), g + 1);
}

/* ---- data that is not ours to touch ---- */

static void expect_no_open(vk_err want)
{
    for (int write = 0; write < 2; write++) {
        vk_store *s = NULL;
        const char *why = NULL;
        vk_err e = vk_store_sqlite_open(f.fd, f.dir, write, &s, &why);
        if (e != want || s || !why)
            fail_msg("%s: %s", vk_err_name(e), why ? why : "-");
    }
}

static void newer_data_is_refused(void **state)
{
    VK_UNUSED(state);
    char path[128], sql[64];
    sqlite3 *db;
    vk_buf before, after;
    vk_build b = new_build("demo");
    f.w = open_store(true);
    assert_int_equal(create(f.w, &b, NULL, digest_1), VK_OK);
    f.w->ops->close(f.w);
    f.w = NULL;
    snprintf(path, sizeof path, "%s/valetkey.db", f.dir);
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", VK_SCHEMA_VERSION + 1);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    vk_buf_init(&before, 1 << 20);
    vk_buf_init(&after, 1 << 20);
    assert_int_equal(vk_disk_read(f.fd, "valetkey.db", 1 << 20, &before), VK_OK);
    expect_no_open(VK_E_NEWER);
    assert_int_equal(vk_disk_read(f.fd, "valetkey.db", 1 << 20, &after), VK_OK);
    assert_true(vk_str_eq(vk_buf_view(&before), vk_buf_view(&after)));
    vk_buf_free(&before);
    vk_buf_free(&after);
}

static void damaged_data_is_refused(void **state)
{
    VK_UNUSED(state);
    static char text[8192];
    memset(text, 'x', sizeof text);
    assert_int_equal(vk_disk_replace(f.fd, "valetkey.db", (vk_str){text, sizeof text}, 0600), VK_OK);
    expect_no_open(VK_E_CORRUPT);
    vk_buf after;
    vk_buf_init(&after, 1 << 20);
    assert_int_equal(vk_disk_read(f.fd, "valetkey.db", 1 << 20, &after), VK_OK);
    assert_true(vk_str_eq(vk_buf_view(&after), (vk_str){text, sizeof text}));
    vk_buf_free(&after);
}

static void a_reader_makes_nothing(void **state)
{
    VK_UNUSED(state);
    vk_store *s;
    const char *why;
    assert_int_not_equal(vk_store_sqlite_open(f.fd, f.dir, false, &s, &why), VK_OK);
    assert_int_equal(faccessat(f.fd, "valetkey.db", F_OK, 0), -1);
    assert_int_equal(symlinkat("elsewhere", f.fd, "valetkey.db"), 0); /* and a writer follows no link */
    assert_int_not_equal(vk_store_sqlite_open(f.fd, f.dir, true, &s, &why), VK_OK);
    assert_int_equal(faccessat(f.fd, "elsewhere", F_OK, 0), -1);
    vk_buf after;
    vk_buf_init(&after, 100);
    assert_int_equal(vk_disk_replace(f.fd, "elsewhere", VK_STR(""), 0600), VK_OK);
    assert_int_not_equal(vk_store_sqlite_open(f.fd, f.dir, true, &s, &why), VK_OK);
    assert_non_null(strstr(why, "link"));
    assert_int_equal(vk_disk_read(f.fd, "elsewhere", 100, &after), VK_OK);
    assert_int_equal(after.n, 0);
    vk_buf_free(&after);
}

/* ---- processes that die, disks that are full ---- */

/* Makes builds until killed; a byte for each that was acknowledged. */
static void create_for_ever(int pipe_fd, int round)
{
    vk_store *s;
    const char *why;
    if (vk_store_sqlite_open(f.fd, f.dir, true, &s, &why) != VK_OK)
        _exit(1);
    for (int i = 0;; i++) {
        char id[32];
        snprintf(id, sizeof id, "k%d-%d", round, i);
        vk_build b = new_build(id);
        if (create(s, &b, id, digest_1) != VK_OK || write(pipe_fd, "x", 1) != 1)
            _exit(1);
    }
}

static void killed_in_the_middle(void **state)
{
    VK_UNUSED(state);
    int64_t builds = 0, active;
    for (int round = 0; round < 8; round++) {
        int p[2], status;
        char c;
        assert_int_equal(pipe(p), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            create_for_ever(p[1], round);
        close(p[1]);
        int acked = 0;
        for (; acked < 1 + round * 3; acked++)
            if (read(p[0], &c, 1) != 1)
                break;
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        while (read(p[0], &c, 1) == 1)
            acked++;
        close(p[0]);
        f.w = open_store(true);
        int64_t before = builds;
        assert_int_equal(f.w->ops->counts(f.w, T0, &builds, &active), VK_OK);
        assert_true(builds - before == acked || builds - before == acked + 1);
        for (int i = 0; i < builds - before; i++) {
            char id[32];
            vk_build b;
            vk_valet_row row;
            vk_str made;
            snprintf(id, sizeof id, "k%d-%d", round, i);
            assert_int_equal(f.w->ops->build_get(f.w, f.a, vk_str_z(id), &b), VK_OK);
            assert_int_equal(find(f.w, b.generation, 0, &row, &b), VK_OK);
            assert_int_equal(find(f.w, b.generation, 1, &row, &b), VK_OK);
            assert_int_equal(f.w->ops->idem_find(f.w, f.a, vk_str_z(id), digest_1, &made), VK_OK);
            vk_arena_reset(f.a);
        }
        f.w->ops->close(f.w);
        f.w = NULL;
    }
}

/* No byte more than this in any file: what a full disk does, without one. In a child, since the limit is a
 * process's. */
static int full_disk_child(void)
{
    vk_store *w = open_store(true), *r = open_store(false);
    struct rlimit had, limit = {.rlim_cur = 90000};
    char id[32];
    vk_build b;
    int64_t builds, active;
    signal(SIGXFSZ, SIG_IGN);
    if (getrlimit(RLIMIT_FSIZE, &had) != 0)
        return 10;
    limit.rlim_max = had.rlim_max;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 11;
    vk_err e = VK_OK;
    int made = 0;
    for (; e == VK_OK && made < 1000; made += e == VK_OK) {
        snprintf(id, sizeof id, "f%d", made);
        b = new_build(id);
        e = create(w, &b, NULL, digest_1);
    }
    if (e == VK_OK || made == 0)
        return 12;
    if (r->ops->counts(r, T0, &builds, &active) != VK_OK || builds != made) /* reading goes on */
        return 13;
    if (r->ops->build_get(r, f.a, VK_STR("f0"), &b) != VK_OK)
        return 14;
    if (w->ops->build_get(w, f.a, vk_str_z(id), &b) != VK_E_NOT_FOUND)
        return 15;
    if (setrlimit(RLIMIT_FSIZE, &had) != 0)
        return 16;
    b = new_build(id); /* room again: it goes on */
    if (create(w, &b, NULL, digest_1) != VK_OK)
        return 17;
    if (r->ops->counts(r, T0, &builds, &active) != VK_OK || builds != made + 1)
        return 18;
    w->ops->close(w);
    r->ops->close(r);
    return 0;
}

static void full_disk(void **state)
{
    VK_UNUSED(state);
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(full_disk_child());
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void ids(void **state)
{
    VK_UNUSED(state);
    static const char *const good[] = {"a", "0", "a-b", "a--b", "demo", "12345678901234567890123456789012"};
    static const char *const bad[] = {"",   "-",        "-a",  "a-",
                                      "A",  "a_b",      "a.b", "a/b",
                                      "..", "\xc3\xa4", "a b", "123456789012345678901234567890123"};
    for (size_t i = 0; i < VK_COUNT(good); i++)
        assert_true(vk_build_id_ok(vk_str_z(good[i])));
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_false(vk_build_id_ok(vk_str_z(bad[i])));
    assert_false(vk_build_id_ok((vk_str){"a\0b", 3}));
    vk_build b = new_build("x");
    assert_string_equal(vk_build_state_name(&b, T0), "active");
    assert_string_equal(vk_build_state_name(&b, T0 + TTL), "expired");
    b.state = VK_BUILD_REVOKED;
    assert_string_equal(vk_build_state_name(&b, T0), "revoked");
    b.state = VK_BUILD_DELETING;
    assert_string_equal(vk_build_state_name(&b, T0), "deleting");
}

static int init(void **state)
{
    VK_UNUSED(state);
    return vk_sqlite_init() == VK_OK ? 0 : -1;
}

/* The clock was years ahead once, and is not any more: then the time is no help, and a store that is put back
 * to an earlier state must still not give out what it gave out before. */
static void a_clock_that_was_ahead(void **state)
{
    VK_UNUSED(state);
    sqlite3 *db;
    char path[128];
    vk_build ahead = new_build("ahead");
    ahead.created_ms = T0 + ((int64_t)10 * 365 * 86400 * 1000);
    assert_int_equal(create(f.w, &ahead, NULL, digest_1), VK_OK);
    uint64_t before = ahead.generation, first = created("demo");
    assert_true(first > before);
    assert_int_equal(f.w->ops->build_deleting(f.w, VK_STR("demo"), T0), VK_OK);
    assert_int_equal(f.w->ops->build_gone(f.w, VK_STR("demo")), VK_OK);
    snprintf(path, sizeof path, "%s/valetkey.db", f.dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    snprintf(path, sizeof path, "UPDATE meta SET value = %llu WHERE name = 'generation'",
             (unsigned long long)before);
    assert_int_equal(sqlite3_exec(db, path, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    uint64_t again = created("demo");
    assert_true(again > before);
    assert_true(again != first); /* but for once in 16 million */
}

#define WITH_STORE(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
#define WITH_FOLDER(t) cmocka_unit_test_setup_teardown(t, make_folder, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(creating),
        WITH_STORE(creating_is_all_or_nothing),
        WITH_STORE(a_service_that_came_later),
        WITH_STORE(idempotency),
        WITH_STORE(listing),
        WITH_STORE(touching),
        WITH_STORE(revoking),
        WITH_STORE(deleting),
        WITH_STORE(origins),
        WITH_STORE(bound),
        WITH_STORE(binding),
        WITH_STORE(readers_cannot_write),
        WITH_STORE(reopening),
        WITH_FOLDER(newer_data_is_refused),
        WITH_FOLDER(damaged_data_is_refused),
        WITH_FOLDER(a_reader_makes_nothing),
        WITH_FOLDER(killed_in_the_middle),
        WITH_FOLDER(full_disk),
        WITH_STORE(a_clock_that_was_ahead),
        cmocka_unit_test(ids),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
