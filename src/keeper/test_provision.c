/* The engine, with a vendor that is scripted, in a process that is killed at each of its requests, before and
 * after the deed. */
#include "keeper/test_provision_world.h"

/* ---- one that is made, and what can be asked of it */

static void make_one(void)
{
    WANT(post("provision", "none") == 404);
    WANT(post("provision", shop) == 202);
    WANT(strstr(said_now, "\"state\":\"making\"") && strstr(said_now, "\"step\":\"create the thing\""));
    go("ready", is_ready, shop);
    WANT(post("provision", shop) == 200);
    WANT(strstr(said_now, "\"hostname\":\"127.0.0.1\"") && !strstr(said_now, TOKEN_B));
    WANT(ask_keeper("GET", "/v1/resources?state=ready", "") == 200 && strstr(said_now, "\"build\":\"shop\""));
    WANT(ask_keeper("GET", "/v1/resources?state=failed", "") == 200 && strstr(said_now, "[]"));
    WANT(ask_keeper("GET", "/v1/keys?build=shop", "") == 200 && !strstr(said_now, "made"));
    WANT(post("credentials", shop) == 200 && strstr(said_now, "\"token\":\"" TOKEN_B "\""));
    WANT(post("usage", shop) == 200 && strstr(said_now, "{\"usage\":{\"storage_bytes\":4096}}"));
    WANT(ask_keeper("POST", "/v1/keys/remove", "{\"vendor\":\"turso\",\"build\":\"shop\"}") == 409);
    WANT(ask_keeper("POST", "/v1/resources/sweep", "{\"vendor\":\"turso\"}") == 200);
    WANT(strcmp(said_now, "{\"orphans\":[],\"lost\":[],\"deleted\":[]}") == 0);
    WANT(ask_keeper("GET", "/v1/status", "") == 200 && strstr(said_now, "\"resources\":{\"making\":0"));
}

static void end_one(void)
{
    WANT(ask_keeper("GET", "/v1/resources?build=shop", "") == 200 && strstr(said_now, "\"build\":\"shop\""));
    WANT(ask_keeper("GET", "/v1/resources?build=shop&after=shop/turso", "") == 200 && strstr(said_now, "[]"));
    WANT(ask_keeper("GET", "/v1/resources?build=", "") == 200 && strstr(said_now, "[]"));
    WANT(ask_keeper("GET", "/v1/resources?build=sho", "") == 200 && strstr(said_now, "[]"));
    WANT(ask_keeper("POST", "/v1/resources/deprovision", "{\"build\":\"shop\",\"generation\":99}") == 202 &&
         strstr(said_now, "[]"));
    WANT(post("deprovision", shop) == 202 && strstr(said_now, "\"state\":\"ending\""));
    WANT(post("provision", shop) == 409);
    go("gone", is_gone, shop);
    WANT(post("deprovision", shop) == 202 && strstr(said_now, "[]"));
}

static void one(void **state)
{
    ok(*state, make_one);
    assert_int_equal(alive(), 1);
    ok(*state, end_one);
    assert_int_equal(alive(), 0);
    assert_int_equal(world->n_things, 1);
}

/* ---- killed at each request, before and after the deed */

static void resume(void)
{
    go("ready", is_ready, shop);
}

static void take(void)
{
    WANT(post("deprovision", shop) == 202);
    go("gone", is_gone, shop);
}

static void rest(void)
{
    go("gone", is_gone, shop);
}

static void killed(void **state)
{
    static const enum fault faults[] = {DIE_BEFORE, DIE_AFTER};
    for (int request = 1; request <= 2; request++)
        for (size_t f = 0; f < VK_COUNT(faults); f++) {
            world->at = world->requests + request;
            world->times = 1;
            world->fault = faults[f];
            assert_int_equal(WTERMSIG(run(*state, provide)), SIGKILL);
            ok(*state, resume);
            assert_int_equal(alive(), 1);
            world->at = world->requests + request;
            assert_int_equal(WTERMSIG(run(*state, take)), SIGKILL);
            ok(*state, rest);
            assert_int_equal(alive(), 0);
        }
    assert_int_equal(world->n_things, 4); /* one each */
}

/* ---- what goes wrong at the vendor */

static void fail_then_make(void)
{
    WANT(post("provision", shop) == 202);
    go("failed", is_failed, shop);
    WANT(ask_keeper("GET", "/v1/resources?build=shop", "") == 200 &&
         strstr(said_now, "could not be made: Turso") && !strstr(said_now, TOKEN_A) &&
         strstr(said_now, "no more of ****"));
    WANT(post("provision", shop) == 202);
    go("ready", is_ready, shop);
}

static void faults(void **state)
{
    static const enum fault all[] = {TOO_MANY, BROKEN_BEFORE, BROKEN_AFTER};
    world->times = 1;
    for (size_t i = 0; i < VK_COUNT(all); i++) {
        world->fault = all[i];
        world->at = world->requests + 1;
        ok(*state, provide);
        assert_int_equal(alive(), 1);
        world->at = world->requests + 1;
        ok(*state, take);
        assert_int_equal(alive(), 0);
    }
    world->fault = REFUSED;
    world->at = world->requests + 2; /* the key, so that the thing is taken back */
    ok(*state, fail_then_make);
    assert_int_equal(alive(), 1);
    assert_int_equal(world->n_things, 5);
}

/* ---- many */

static bool all_ready(void *arg)
{
    bool all = true;
    VK_UNUSED(arg);
    for (int i = 0; i < BUILDS && all; i++) {
        char id[16];
        snprintf(id, sizeof id, "b%d", i);
        all = is_ready(id);
    }
    return all;
}

static void make_many(void)
{
    for (int i = 0; i < BUILDS; i++) {
        char id[16];
        snprintf(id, sizeof id, "b%d", i);
        create(id);
        WANT(post("provision", id) == 202);
    }
    go("all", all_ready, NULL);
    int told = 0;
    char path[100] = "/v1/resources?limit=5";
    for (const char *next = ""; next;) { /* page by page, and each one once */
        WANT(ask_keeper("GET", path, "") == 200);
        for (const char *at = said_now; (at = strstr(at, "\"build\":\"")); at++)
            told++;
        next = strstr(said_now, "\"next\":\"");
        snprintf(path, sizeof path, "/v1/resources?limit=5&after=%.*s",
                 next ? (int)strcspn(next + 8, "\"") : 0, next ? next + 8 : "");
    }
    WANT(told == BUILDS);
    WANT(ask_keeper("GET", "/v1/resources?after=b22x/turso", "") == 200 && strstr(said_now, "\"b3\"") &&
         !strstr(said_now, "\"b22\""));
}

static void many(void **state)
{
    world->fault = TOO_MANY;
    world->at = 10;
    world->times = 8;
    ok(*state, make_many);
    assert_int_equal(alive(), BUILDS);
    assert_int_equal(world->twice, 0);
}

/* ---- somebody else's, and what nobody knows of */

static void sweep_orphan(void)
{
    char body[200], name[VK_PROV_NAME_MAX + 1];
    vk_prov_name_make(&script, c.provs->tag, "lost", name);
    snprintf(world->things[0].name, sizeof world->things[0].name, "%s", name);
    snprintf(world->things[1].name, sizeof world->things[1].name, "build-lost-zzzaaaaa");
    snprintf(world->things[2].name, sizeof world->things[2].name, "theirs");
    if (strncmp(c.provs->tag, "zzz", 3) == 0)
        world->things[1].name[11] = 'a';
    world->n_things = 3;
    for (int i = 0; i < 3; i++)
        world->things[i].there = true;
    WANT(ask_keeper("POST", "/v1/resources/sweep", "{\"vendor\":\"turso\"}") == 200);
    WANT(strstr(said_now, name) && !strstr(said_now, "zzz") && !strstr(said_now, "theirs") && alive() == 3);
    snprintf(body, sizeof body,
             "{\"vendor\":\"turso\",\"delete\":[\"theirs\",\"build-lost-zzzaaaaa\",\"%s\"]}", name);
    WANT(ask_keeper("POST", "/v1/resources/sweep", body) == 200);
    WANT(alive() == 2 && world->things[1].there && world->things[2].there);
}

static void orphans(void **state)
{
    ok(*state, sweep_orphan);
}

/* ---- half of a life; the end of a build */

static bool renewed(void *arg)
{
    VK_UNUSED(arg);
    return world->things[0].keys >= 2 && is_ready(shop);
}

static bool suspended(void *arg)
{
    vk_made m;
    return made_of(arg, &m) && m.state == VK_PROV_SUSPENDED && m.list == VK_PROV_NOTHING;
}

static void due_or_not(void)
{
    char until[24];
    int64_t now = vk_clock_wall_ms();
    vk_made m = {.state = VK_PROV_READY, .noted_ms = now};
    WANT(!vk_prov_renew_due(&m, now + TTL)); /* it has no end */
    snprintf(until, sizeof until, "%lld", (long long)now + TTL);
    WANT(vk_made_note_set(&m, VK_STR("expires"), vk_str_z(until)) == VK_OK);
    WANT(!vk_prov_renew_due(&m, now + TTL / 2 - 1) && vk_prov_renew_due(&m, now + TTL / 2));
    /* The clock was set back: a little, and so far that nobody knows any more when it ends. */
    WANT(!vk_prov_renew_due(&m, now - 1000) && vk_prov_renew_due(&m, now - TTL));
    /* A life that is over before it began is no reason to ask without a pause. */
    snprintf(until, sizeof until, "%lld", (long long)now - TTL);
    WANT(vk_made_note_set(&m, VK_STR("expires"), vk_str_z(until)) == VK_OK);
    WANT(!vk_prov_renew_due(&m, now + 1000) && vk_prov_renew_due(&m, now + VK_PROV_RENEW_MS));
}

static void look_after(void)
{
    vk_made m;
    due_or_not();
    world->key_life_ms = TTL;
    WANT(post("provision", shop) == 202);
    go("ready", is_ready, shop);
    WANT(made_of(shop, &m));
    m.noted_ms -= TTL;
    world->key_life_ms = 0;
    keep_made(&m);
    go("renewed", renewed, NULL);
    vk_binding elsewhere = {
        .service = "database", .driver = "embedded", .resource = VK_STR("{}")}; /* the key is out still */
    WANT(c.store->ops->binding_set(c.store, VK_STR("shop"), 0, &elsewhere) == VK_OK);
    WANT(c.store->ops->build_revoke(c.store, VK_STR("shop"), vk_clock_wall_ms()) == VK_OK);
    go("suspended", suspended, shop);
    WANT(world->things[0].keys == 0 && post("credentials", shop) == 404);
}

static void life(void **state)
{
    ok(*state, look_after);
    assert_int_equal(alive(), 1);
    ok(*state, take);
    assert_int_equal(alive(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one, open_world, close_world),
        cmocka_unit_test_setup_teardown(killed, open_world, close_world),
        cmocka_unit_test_setup_teardown(faults, open_world, close_world),
        cmocka_unit_test_setup_teardown(many, open_world, close_world),
        cmocka_unit_test_setup_teardown(orphans, open_world, close_world),
        cmocka_unit_test_setup_teardown(life, open_world, close_world),
    };
    if (sodium_init() < 0 || vk_digest_init() != VK_OK || vk_sqlite_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
