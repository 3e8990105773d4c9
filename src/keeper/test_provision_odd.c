/* The engine, when a vendor never comes to an end, who asked goes away, and a record is damaged. */
#include "keeper/test_provision_world.h"

/* ---- what a vendor never comes to an end with */

static bool lingers(void *arg)
{
    const vk_prov_job *j = vk_prov_job_of(c.provs, vk_str_z(arg), turso());
    return j && j->lingers && !j->run;
}

static bool waits(void *arg)
{
    const vk_prov_job *j = vk_prov_job_of(c.provs, vk_str_z(arg), turso());
    return j && !j->run && !j->queued && j->retry_ms;
}

static bool asks_wait(void *arg)
{
    VK_UNUSED(arg);
    if (vk_list_empty(&c.provs->asks))
        return false;
    const vk_prov_job *j = VK_CONTAINER(c.provs->asks.next, vk_prov_job, asks);
    return j->ask->list == VK_PROV_END && !j->run && j->polls > 0;
}

/* Looked at again at once, but not for ever; and who asked gets an answer. */
static void never_gone(void)
{
    char body[200];
    WANT(post("provision", shop) == 202);
    go("ready", is_ready, shop);
    world->stubborn = true;
    int before = world->requests;
    WANT(post("deprovision", shop) == 202);
    go("a pause", waits, shop);
    WANT(world->requests - before <= VK_PROV_SOON + 4);
    world->things[0].there = world->stubborn = false;
    go("gone", is_gone, shop);

    vk_prov_name_make(&script, c.provs->tag, "lost", world->things[1].name);
    world->n_things = 2;
    world->things[1].there = world->stubborn = true;
    snprintf(body, sizeof body, "{\"vendor\":\"turso\",\"delete\":[\"%s\"]}", world->things[1].name);
    talk *t = begin_talk("POST", "/v1/resources/sweep", body);
    go("a pause of the sweep", asks_wait, NULL);
    VK_CONTAINER(c.provs->asks.next, vk_prov_job, asks)->polls = VK_PROV_ASK_POLLS;
    go("the sweep's answer", is_over, t);
    vk_buf_ch(&t->answer, '\0');
    WANT(t->status == 200 && strstr((const char *)t->answer.p, "\"deleted\":[]"));
}

/* What may come late is waited for, however often it is said that the build is to go. */
static void end_twice(void)
{
    vk_made m;
    WANT(post("provision", shop) == 202);
    go("ready", is_ready, shop);
    WANT(made_of(shop, &m));
    m.late = true;
    keep_made(&m);
    WANT(post("deprovision", shop) == 202);
    go("the wait", lingers, shop);
    int before = world->requests;
    WANT(post("suspend", shop) == 202 && lingers(shop));
    WANT(post("deprovision", shop) == 202);
    WANT(!lingers(shop));
    go("the wait, again", lingers, shop);
    WANT(world->requests > before);
}

static void endless(void **state)
{
    ok(*state, never_gone);
    assert_int_equal(alive(), 1);
}

static void late(void **state)
{
    ok(*state, end_twice);
}

/* ---- who asked goes away before the answer */

static bool is_begun(void *arg)
{
    vk_made m;
    return made_of(arg, &m);
}

static bool asks(void *arg)
{
    return vk_list_empty(&c.provs->asks) != *(bool *)arg;
}

static bool is_waited_for(void *arg)
{
    const vk_prov_job *j = vk_prov_job_of(c.provs, vk_str_z(arg), turso());
    return j && !vk_list_empty(&j->waiters);
}

static void hang_up(talk *t)
{
    WANT(!t->over);
    vk_upcall_abort(&t->call);
    vk_buf_free(&t->answer);
    free(t);
}

static void go_away(void)
{
    static const char *const what[] = {"/v1/resources/usage", "/v1/resources/sweep"};
    static const char body[] = "{\"build\":\"shop\",\"service\":\"database\",\"vendor\":\"turso\"}";
    vk_made m;
    bool yes = true, no = false;
    talk *t = begin_talk("POST", "/v1/resources/provision", body);
    go("the beginning", is_begun, shop);
    hang_up(t);
    go("ready", is_ready, shop);
    for (size_t i = 0; i < VK_COUNT(what); i++) {
        t = begin_talk("POST", what[i], body);
        go("a question", asks, &yes);
        hang_up(t);
        go("its end", asks, &no);
    }
    WANT(made_of(shop, &m));
    char until[24];
    snprintf(until, sizeof until, "%lld", (long long)vk_clock_wall_ms() + TTL);
    WANT(vk_made_note_set(&m, VK_STR("expires"), vk_str_z(until)) == VK_OK);
    m.noted_ms = vk_clock_wall_ms() - TTL;
    world->fault = BROKEN_BEFORE;
    world->at = world->requests + 1;
    world->times = 2;
    keep_made(&m);
    t = begin_talk("POST", "/v1/resources/credentials", body);
    go("one that waits", is_waited_for, shop);
    hang_up(t);
    go("ready", is_ready, shop);
    WANT(post("credentials", shop) == 200);
    t = begin_talk("POST", "/v1/resources/deprovision", body);
    go("gone", is_gone, shop);
    if (t->over)
        free(t);
    else
        hang_up(t);
}

static void gone_away(void **state)
{
    ok(*state, go_away);
    assert_int_equal(alive(), 0);
}

/* ---- a record that cannot be read may be about something */

static void refuse_damaged(void)
{
    WANT(post("deprovision", shop) == 503 && strstr(said_now, "cannot be read"));
    WANT(post("provision", shop) == 503 && strstr(said_now, "cannot be read"));
}

static void damaged(void **state)
{
    ok(*state, provide);
    spit(*state, "vault/build/shop/turso", "no record", 9);
    ok(*state, refuse_damaged);
    assert_int_equal(alive(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(endless, open_world, close_world),
        cmocka_unit_test_setup_teardown(late, open_world, close_world),
        cmocka_unit_test_setup_teardown(gone_away, open_world, close_world),
        cmocka_unit_test_setup_teardown(damaged, open_world, close_world),
    };
    if (sodium_init() < 0 || vk_digest_init() != VK_OK || vk_sqlite_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
