#include "valet/registry.h"

#include "core/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A store of a few builds, in memory. Hash: build number, generation, then the key's number, in bytes. */
enum { BUILDS = 4, NOW = 1000000 };

static struct fake {
    vk_store base;
    pthread_mutex_t mu;
    struct {
        _Atomic bool there;
        vk_build_state state;
        uint64_t generation;
        int64_t expires_ms;
    } builds[BUILDS];
    _Atomic int finds;
    vk_err error, bindings_error;
    void (*during)(void); /* between reading the row and answering */
} fake;

static vk_registry registry;
static _Atomic int freed;

static void make_hash(uint8_t hash[VK_HASH], unsigned build, uint64_t generation, unsigned number)
{
    memset(hash, 0, VK_HASH);
    memcpy(hash, &number, sizeof number);
    memcpy(hash + 8, &build, sizeof build);
    memcpy(hash + 16, &generation, sizeof generation);
}

static vk_err fake_find(vk_store *s, vk_arena *a, const uint8_t hash[VK_HASH], vk_valet_row *row_r,
                        vk_build *build_r)
{
    unsigned build;
    uint64_t generation;
    VK_UNUSED(s);
    VK_UNUSED(a);
    memcpy(&build, hash + 8, sizeof build);
    memcpy(&generation, hash + 16, sizeof generation);
    atomic_fetch_add(&fake.finds, 1);
    if (fake.error)
        return fake.error;
    pthread_mutex_lock(&fake.mu);
    vk_err e = VK_E_NOT_FOUND;
    if (build < BUILDS && fake.builds[build].there && fake.builds[build].generation == generation) {
        *row_r = (vk_valet_row){.service = "database", .kind = 'b', .generation = generation};
        *build_r = (vk_build){.state = fake.builds[build].state,
                              .generation = generation,
                              .ttl_ms = 1000,
                              .expires_ms = fake.builds[build].expires_ms};
        memcpy(row_r->hash, hash, VK_HASH);
        snprintf(build_r->id, sizeof build_r->id, "b%u", build);
        row_r->revoked_ms = build_r->state == VK_BUILD_ACTIVE ? 0 : 1;
        e = VK_OK;
    }
    pthread_mutex_unlock(&fake.mu);
    if (fake.during)
        fake.during();
    return e;
}

static const char *driver;
static uint64_t version;

static vk_err fake_bindings(vk_store *s, vk_arena *a, vk_str build, vk_binding *out, size_t room, size_t *n_r)
{
    VK_UNUSED(s);
    VK_UNUSED(build);
    assert_true(room >= 2);
    if (fake.bindings_error)
        return fake.bindings_error;
    out[0] = (vk_binding){.service = "auth", .driver = "embedded", .resource = vk_arena_dup(a, VK_STR("{}"))};
    out[1] = (vk_binding){.service = "database",
                          .version = version,
                          .resource = vk_arena_dup(a, VK_STR("{\"hostname\":\"h\"}"))};
    snprintf(out[1].driver, sizeof out[1].driver, "%s", driver);
    *n_r = 2;
    return VK_OK;
}

static void on_free(vk_tenant *t)
{
    assert_true(vk_list_empty(&t->rows));
    atomic_fetch_add(&freed, 1);
}

static int set_up(void **state)
{
    static const vk_store_ops ops = {.name = "fake", .valet_find = fake_find, .binding_list = fake_bindings};
    VK_UNUSED(state);
    driver = "embedded";
    version = 1;
    fake = (struct fake){.base = {&ops}};
    pthread_mutex_init(&fake.mu, NULL);
    for (int i = 0; i < BUILDS; i++) {
        fake.builds[i].there = true;
        fake.builds[i].generation = 1;
        fake.builds[i].expires_ms = NOW + 1;
    }
    freed = 0;
    return vk_registry_init(&registry, on_free) == VK_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_registry_free(&registry);
    pthread_mutex_destroy(&fake.mu);
    return 0;
}

/* The tenant is given back at once; what it was is told by its name's second character. */
static vk_err verify(unsigned build, uint64_t generation, vk_str service, char kind, int64_t now)
{
    uint8_t hash[VK_HASH];
    vk_tenant *t;
    const char *why = NULL;
    make_hash(hash, build, generation, 0);
    vk_err e = vk_registry_verify(&registry, &fake.base, hash, service, kind, now, NULL, &t, &why);
    assert_non_null(why);
    if (e == VK_OK) {
        assert_int_equal(t->id[1], '0' + (int)build);
        assert_true(t->generation == generation);
        vk_tenant_unref(&registry, t);
    }
    return e;
}

static vk_err ask(unsigned build, uint64_t generation)
{
    return verify(build, generation, VK_STR("database"), 'b', NOW);
}

/* How many of `n` uses at `now` are let through. */
static int uses(unsigned build, int n, int64_t now, const char *setting)
{
    uint8_t hash[VK_HASH];
    int good = 0;
    make_hash(hash, build, 1, 0);
    fake.builds[build].expires_ms = INT64_MAX;
    for (int i = 0; i < n; i++) {
        vk_tenant *t;
        const char *why = NULL;
        int64_t wait = -1;
        vk_err e =
            vk_registry_verify(&registry, &fake.base, hash, VK_STR("database"), 'b', now, &wait, &t, &why);
        if (e == VK_OK) {
            assert_true(wait == 0);
            good++;
            vk_tenant_unref(&registry, t);
            continue;
        }
        assert_int_equal(e, VK_E_BUSY);
        assert_true(wait > 0 && strstr(why, setting));
    }
    return good;
}

/* Those of a key and of its build; another build has its own, and only looking costs nothing. */
static void rates(void **state)
{
    VK_UNUSED(state);
    vk_limits l = vk_limits_usual;
    assert_int_equal(uses(2, 100000, NOW, ""), 100000); /* without a limit */
    l.of[VK_LIMIT_KEY_RATE] = 10;
    l.of[VK_LIMIT_KEY_BURST] = 20;
    vk_registry_limit(&registry, &l);
    assert_int_equal(uses(0, 50, NOW, "key_rate"), 20);
    assert_int_equal(uses(1, 50, NOW, "key_rate"), 20);
    assert_int_equal(uses(0, 50, NOW + 500, "key_rate"), 5);
    for (int i = 0; i < 50; i++)
        assert_int_equal(ask(0, 1), VK_OK);
    l.of[VK_LIMIT_KEY_RATE] = 1000;
    l.of[VK_LIMIT_BUILD_RATE] = 10;
    l.of[VK_LIMIT_BUILD_BURST] = 7;
    vk_registry_limit(&registry, &l);
    assert_int_equal(uses(3, 12, NOW, "build_rate"), 7);
    assert_int_equal(uses(3, 12, NOW + 1000, "build_rate"), 7);
}

static void verdicts(void **state)
{
    VK_UNUSED(state);
    for (int round = 0; round < 2; round++) { /* from the store, then from memory */
        assert_int_equal(ask(0, 1), VK_OK);
        assert_int_equal(verify(0, 1, VK_STR("storage"), 'b', NOW), VK_E_FORBIDDEN);
        assert_int_equal(verify(0, 1, VK_STR("database"), 'p', NOW), VK_E_FORBIDDEN);
        assert_int_equal(verify(0, 1, VK_STR("database"), 'b', NOW + 1), VK_E_EXPIRED);
        assert_int_equal(fake.finds, 1);
    }
    assert_int_equal(ask(0, 2), VK_E_UNAUTHORIZED); /* unknown: not remembered */
    assert_int_equal(ask(0, 2), VK_E_UNAUTHORIZED);
    assert_int_equal(fake.finds, 3);
    fake.builds[1].state = VK_BUILD_REVOKED;
    assert_int_equal(ask(1, 1), VK_E_UNAUTHORIZED);
    assert_int_equal(verify(1, 1, VK_STR("storage"), 'b', NOW), VK_E_UNAUTHORIZED);
    static const vk_err errors[] = {VK_E_IO, VK_E_BUSY, VK_E_CORRUPT, VK_E_NOMEM};
    for (size_t i = 0; i < VK_COUNT(errors); i++) {
        fake.error = errors[i];
        assert_int_equal(ask(2, 1), VK_E_UNAVAILABLE);
        assert_int_equal(ask(0, 1), VK_OK); /* known ones go on */
    }
}

static void forgetting(void **state)
{
    VK_UNUSED(state);
    uint8_t hash[VK_HASH];
    vk_tenant *held, *closed, *none = NULL;
    const char *why;
    make_hash(hash, 0, 1, 0);
    assert_int_equal(
        vk_registry_verify(&registry, &fake.base, hash, VK_STR("database"), 'b', NOW, NULL, &held, &why),
        VK_OK);
    vk_registry_forget(&registry, VK_STR("b0"), false, NULL); /* something changed: read again, same tenant */
    assert_int_equal(ask(0, 1), VK_OK);
    assert_int_equal(fake.finds, 2);
    fake.builds[0].state = VK_BUILD_REVOKED;
    assert_int_equal(ask(0, 1), VK_OK); /* committed, but not forgotten yet */
    vk_registry_forget(&registry, VK_STR("b0"), true, &closed);
    assert_ptr_equal(closed, held);
    assert_true(held->closed);
    assert_int_equal(ask(0, 1), VK_E_UNAUTHORIZED);
    assert_int_equal(freed, 0);
    vk_tenant_unref(&registry, closed);
    vk_tenant_unref(&registry, held);
    assert_int_equal(freed, 1);
    vk_registry_forget(&registry, VK_STR("b3"), true, &none);
    assert_null(none);
}

/* The set that is read is the newest that the metadata had when the key was looked up; an older one lives as
 * long as who has it. */
static void how_it_has_its_services(void **state)
{
    VK_UNUSED(state);
    uint8_t hash[VK_HASH];
    vk_tenant *held;
    const char *why;
    make_hash(hash, 0, 1, 0);
    fake.bindings_error = VK_E_IO;
    assert_int_equal(ask(0, 1), VK_E_UNAVAILABLE); /* not known is not embedded */
    fake.bindings_error = VK_OK;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            vk_registry_verify(&registry, &fake.base, hash, VK_STR("database"), 'b', NOW, NULL, &held, &why),
            VK_OK);
        assert_null(vk_tenant_binding(held, VK_STR("auth")));
        assert_null(vk_tenant_binding(held, VK_STR("storage")));
        const vk_binding *was = vk_tenant_binding(held, VK_STR("database"));
        assert_true((was != NULL) == (i == 1));
        driver = i == 0 ? "turso" : "embedded";
        version++;
        assert_int_equal(ask(0, 1), VK_OK); /* in memory: nothing has changed yet */
        assert_ptr_equal(vk_tenant_binding(held, VK_STR("database")), was);
        vk_registry_forget(&registry, VK_STR("b0"), false, NULL);
        assert_int_equal(ask(0, 1), VK_OK);
        const vk_binding *now = vk_tenant_binding(held, VK_STR("database"));
        assert_true((now != NULL) == (i == 0));
        if (was) {
            assert_string_equal(was->driver, "turso");
            assert_true(vk_str_eqz(was->resource, "{\"hostname\":\"h\"}"));
        }
        vk_tenant_unref(&registry, held);
    }
    /* Many changes while nobody holds it: none of the earlier sets is kept. */
    for (int i = 0; i < 100; i++) {
        version++;
        vk_registry_forget(&registry, VK_STR("b0"), false, NULL);
        assert_int_equal(ask(0, 1), VK_OK);
    }
    assert_int_equal(
        vk_registry_verify(&registry, &fake.base, hash, VK_STR("database"), 'b', NOW, NULL, &held, &why),
        VK_OK);
    assert_null(atomic_load(&held->bindings)->before);
    vk_tenant_unref(&registry, held);
}

/* A build that was deleted while its old key was still being tried, then made again under the same name. */
static void a_name_that_is_used_again(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(ask(0, 1), VK_OK);
    fake.builds[0].state = VK_BUILD_DELETING;
    vk_registry_forget(&registry, VK_STR("b0"), true, NULL);
    assert_int_equal(ask(0, 1), VK_E_UNAUTHORIZED); /* now in memory as a closed build */
    fake.builds[0].state = VK_BUILD_ACTIVE;
    fake.builds[0].generation = 7;
    assert_int_equal(ask(0, 7), VK_OK);
    assert_int_equal(ask(0, 1), VK_E_UNAUTHORIZED);
    assert_int_equal(ask(0, 7), VK_OK);
    assert_int_equal(freed, 2);
}

static int changes;

static void change_once(void)
{
    if (changes++ == 0) {
        fake.builds[0].state = VK_BUILD_REVOKED;
        vk_registry_forget(&registry, VK_STR("b0"), true, NULL);
    }
}

static void change_always(void)
{
    changes++;
    vk_registry_forget(&registry, VK_STR("b0"), false, NULL);
}

static void rows_read_before_a_change_do_not_count(void **state)
{
    VK_UNUSED(state);
    changes = 0;
    fake.during = change_once;
    assert_int_equal(ask(0, 1), VK_E_UNAUTHORIZED);
    assert_int_equal(fake.finds, 2);
    fake.during = change_always;
    fake.finds = 0;
    assert_int_equal(ask(1, 1), VK_E_UNAVAILABLE);
    assert_int_equal(fake.finds, 8); /* bounded */
    fake.during = NULL;
    assert_int_equal(ask(1, 1), VK_OK);
}

static void a_full_cache_starts_over(void **state)
{
    VK_UNUSED(state);
    uint8_t hash[VK_HASH];
    vk_tenant *t;
    const char *why;
    for (unsigned i = 0; i < VK_REGISTRY_MAX + 10; i++) {
        make_hash(hash, 0, 1, i);
        assert_int_equal(
            vk_registry_verify(&registry, &fake.base, hash, VK_STR("database"), 'b', NOW, NULL, &t, &why),
            VK_OK);
        assert_false(t->closed);
        vk_tenant_unref(&registry, t);
        assert_true(registry.valets.n <= VK_REGISTRY_MAX);
    }
    assert_int_equal(registry.tenants.n, 1);
    assert_int_equal(freed, 1);
    assert_int_equal(ask(0, 1), VK_OK);
}

/* ---- threads: what was revoked before a request began is never served ---- */

enum { THREADS = 4, ROUNDS = 300 };

static _Atomic uint64_t
    revoked_to[BUILDS]; /* generations up to this one were revoked, forgotten and answered */
static _Atomic bool stop;
static _Atomic long served;

static void *asker(void *arg)
{
    uint32_t x = (uint32_t)(uintptr_t)arg;
    while (!stop) {
        x = x * 1664525 + 1013904223;
        unsigned build = x >> 16 & 3;
        uint64_t dead = atomic_load(&revoked_to[build]), generation = dead + (x >> 20 & 1);
        uint8_t hash[VK_HASH];
        vk_tenant *t;
        const char *why;
        make_hash(hash, build, generation, 0);
        vk_err e =
            vk_registry_verify(&registry, &fake.base, hash, VK_STR("database"), 'b', NOW, NULL, &t, &why);
        if (e != VK_OK)
            continue;
        if (generation <= dead || t->generation != generation)
            abort();
        atomic_fetch_add(&served, 1);
        vk_tenant_unref(&registry, t);
    }
    return NULL;
}

static void set_build(unsigned build, vk_build_state build_state, uint64_t generation)
{
    pthread_mutex_lock(&fake.mu);
    fake.builds[build].state = build_state;
    fake.builds[build].generation = generation;
    pthread_mutex_unlock(&fake.mu);
}

static void threads(void **state)
{
    VK_UNUSED(state);
    pthread_t ids[THREADS];
    stop = false;
    served = 0;
    for (int i = 0; i < BUILDS; i++)
        revoked_to[i] = 0;
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&ids[i], NULL, asker, (void *)(i + 1)), 0);
    int64_t longest = 0;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        unsigned build = round & 3;
        uint64_t generation = fake.builds[build].generation;
        vk_tenant *t;
        long before = served;
        for (int spins = 0; served == before && spins < 100000; spins++)
            sched_yield();
        set_build(build, VK_BUILD_REVOKED, generation);
        int64_t start = vk_clock_mono_ms();
        vk_registry_forget(&registry, vk_str_z((char[]){'b', (char)('0' + build), '\0'}), true, &t);
        longest = vk_clock_mono_ms() - start > longest ? vk_clock_mono_ms() - start : longest;
        vk_tenant_unref(&registry, t);
        atomic_store(&revoked_to[build], generation);
        set_build(build, VK_BUILD_ACTIVE, generation + 1);
    }
    stop = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    assert_true(served > ROUNDS / 2);
    assert_true(longest < 1000); /* readers do not keep a revocation waiting */
}

#define WITH_REGISTRY(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_REGISTRY(verdicts),
        WITH_REGISTRY(rates),
        WITH_REGISTRY(forgetting),
        WITH_REGISTRY(how_it_has_its_services),
        WITH_REGISTRY(a_name_that_is_used_again),
        WITH_REGISTRY(rows_read_before_a_change_do_not_count),
        WITH_REGISTRY(a_full_cache_starts_over),
        WITH_REGISTRY(threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
