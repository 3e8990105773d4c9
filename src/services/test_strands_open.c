/* Strands: what is open, and what becomes of builds that end, are idle or are too many. */
#include "services/test_strands_rig.h"

/* ---- opening */

static void opening(void **state)
{
    VK_UNUSED(state);
    vk_strand *s = held("new"), *t = held("b");
    assert_int_equal(open_now(s, false), VK_E_NOT_FOUND);
    assert_int_equal(counted().open, 0);
    open_with = VK_E_IO;
    assert_int_equal(open_now(s, true), VK_E_IO);
    assert_int_equal(counted().open, 0);
    open_with = VK_OK;
    assert_int_equal(open_now(s, true), VK_OK);
    assert_int_equal(open_now(s, false), VK_OK);
    assert_int_equal(open_now(t, false), VK_OK);
    assert_int_equal(opens, 2);
    assert_int_equal(counted().open, 2);
    assert_int_equal(counted().opened, 2);
    assert_null(vk_strand_hold_id(&all, "refused"));
    vk_strand_let_go(s);
    vk_strand_let_go(t);
}

static void let_go_when_it_is_quiet(vk_strand *s)
{
    EVENTUALLY((pthread_mutex_lock(&all.mu), s->refs == 1) || (pthread_mutex_unlock(&all.mu), false));
    pthread_mutex_unlock(&all.mu);
    vk_strand_let_go(s);
}

static void the_longest_idle_makes_room(void **state)
{
    VK_UNUSED(state);
    char name[NAME_ROOM];
    vk_tenant t[OPEN_MAX + 1] = {0};
    vk_strand *s;
    for (int i = 0; i < OPEN_MAX + 1; i++) { /* tenants keep them in memory */
        snprintf(t[i].id, sizeof t[i].id, "b%d", i);
        s = vk_strand_hold(&all, &t[i]);
        assert_non_null(s);
        if (i < OPEN_MAX)
            assert_int_equal(open_now(s, true), VK_OK);
        let_go_when_it_is_quiet(s);
    }
    s = held("b0"); /* b1 is the one now */
    let_go_when_it_is_quiet(s);
    assert_int_equal(closes, 0);
    s = held("b6");
    assert_int_equal(open_now(s, true), VK_OK);
    EVENTUALLY(closes == 1);
    EVENTUALLY(counted().open == OPEN_MAX);
    for (int i = 0; i < OPEN_MAX + 1; i++) {
        const build *b = build_of(vk_strand_of(&all, &t[i]));
        EVENTUALLY((pthread_mutex_lock(&all.mu), !b->strand.busy) || (pthread_mutex_unlock(&all.mu), false));
        assert_int_equal(b->open, i != 1);
        pthread_mutex_unlock(&all.mu);
    }
    vk_strand_let_go(s);

    vk_strand *in_use[OPEN_MAX];
    for (int i = 0; i < OPEN_MAX; i++) {
        snprintf(name, sizeof name, "c%d", i);
        in_use[i] = held(name);
        assert_int_equal(open_now(in_use[i], true), VK_OK);
    }
    s = held("d");
    assert_int_equal(open_now(s, true), VK_E_BUSY); /* nobody is idle */
    let_go_when_it_is_quiet(in_use[0]);
    assert_int_equal(open_now(s, true), VK_OK);
    EVENTUALLY(counted().open == OPEN_MAX);
    for (int i = 1; i < OPEN_MAX; i++)
        vk_strand_let_go(in_use[i]);
    vk_strand_let_go(s);
    for (int i = 0; i < OPEN_MAX + 1; i++)
        vk_strands_free_tenant(&all, &t[i]);
}

static int begin_restless(void **state)
{
    VK_UNUSED(state);
    vk_strand_kind k = usual;
    k.idle_ms = -1; /* idle at once */
    return begin_with(&k);
}

static void the_idle_are_closed(void **state)
{
    VK_UNUSED(state);
    vk_strand *a = held("a"), *b = held("b");
    assert_int_equal(open_now(a, true), VK_OK);
    assert_int_equal(open_now(b, true), VK_OK);
    let_go_when_it_is_quiet(b);
    all.tick.fire(&all.tick);
    EVENTUALLY(closes == 1);
    EVENTUALLY(counted().open == 1);
    EVENTUALLY(alive == 1); /* nobody's tenant has it, so nothing of it is left */
    assert_int_equal(open_now(a, true), VK_OK);
    assert_int_equal(opens, 2);
    b = held("b"); /* and it comes again */
    assert_int_equal(open_now(b, true), VK_OK);
    assert_int_equal(opens, 3);
    vk_strand_let_go(a);
    vk_strand_let_go(b);
}

static void tidying(void **state)
{
    VK_UNUSED(state);
    vk_strand *s = held("a");
    submit(s, prepare(0, VK_STRAND_WAITS));
    wait_for(0, 1);
    EVENTUALLY(counted().jobs == 1);
    assert_int_equal(tidies, 0); /* it is not open */
    tidy_more = true;
    for (int i = 1; i < 4; i++) {
        assert_int_equal(open_now(s, true), VK_OK);
        EVENTUALLY(counted().jobs == 1 + (uint64_t)i);
        assert_int_equal(tidies, i);
    }
    tidy_more = false;
    assert_int_equal(open_now(s, true), VK_OK);
    assert_int_equal(open_now(s, true), VK_OK);
    assert_int_equal(open_now(s, true), VK_OK);
    EVENTUALLY(counted().jobs == 7);
    assert_int_equal(tidies, 4);
    tidy_soon = true;
    assert_int_equal(open_now(s, true), VK_OK);
    EVENTUALLY(counted().jobs == 8);
    assert_int_equal(tidies, 5);
    vk_strand_let_go(s);
}

/* ---- ends */

static void closed(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
}

static void a_build_ends_while_jobs_wait(void **state)
{
    VK_UNUSED(state);
    static _Atomic int over;
    vk_tenant old = {.id = "a"}, new = {.id = "a"};
    over = 0;
    vk_strand *s = vk_strand_hold(&all, &old);
    assert_ptr_equal(s, vk_strand_of(&all, &old));
    assert_int_equal(open_now(s, true), VK_OK);
    hold_up(s, 0);
    for (int i = 1; i < 20; i++)
        submit(s, prepare(i, VK_STRAND_WAITS));
    atomic_store(&old.closed, true);
    vk_strands_close_build(&all, "a", closed, &over);
    vk_strands_close_build(&all, "a", closed, &over);
    vk_strands_close_build(&all, "another", closed, &over);
    assert_int_equal(over, 1); /* there is none of that name */
    assert_true(vk_strand_closing(s));
    assert_null(vk_strand_of(&all, &old));
    assert_null(vk_strand_hold(&all, &old));
    assert_null(vk_strand_hold_id(&all, "a"));
    vk_strand_let_go(s);
    assert_int_equal(over, 1); /* jobs have it */
    gate = true;
    EVENTUALLY(over == 3);
    wait_for(1, 19);
    for (int i = 1; i < 20; i++)
        assert_int_equal(tasks[i].ended, VK_OK);
    assert_int_equal(closes, 1);
    assert_int_equal(counted().open, 0);
    vk_strand *next = vk_strand_hold(&all, &new); /* a name that comes again is another build */
    assert_non_null(next);
    assert_ptr_not_equal(next, s);
    assert_int_equal(open_now(next, true), VK_OK);
    vk_strand_let_go(next);
    vk_strands_free_tenant(&all, &old);
    vk_strands_free_tenant(&all, &new);
}

static void the_stop_runs_what_waits(void **state)
{
    VK_UNUSED(state);
    char name[NAME_ROOM];
    for (int i = 0; i < OPEN_MAX; i++) {
        snprintf(name, sizeof name, "b%d", i);
        vk_strand *s = held(name);
        task *t = prepare(10 * i, VK_STRAND_WAITS);
        t->opens = t->makes = true;
        t->lasts_ms = 1;
        submit(s, t);
        for (int k = 1; k < 10; k++)
            submit(s, prepare(10 * i + k, VK_STRAND_WAITS));
        vk_strand_let_go(s);
    }
    vk_strands_stop(&all);
    for (int i = 0; i < 10 * OPEN_MAX; i++) {
        assert_true(tasks[i].over);
        assert_int_equal(tasks[i].ended, VK_OK);
    }
    assert_int_equal(closes, OPEN_MAX);
    assert_int_equal(vk_strands_start(&all, &rt, 0), VK_OK); /* for the one of the end */
}

/* ---- many */

enum { BUILDS = 1000, EACH = 8, ASKERS = 4 };
static task many[BUILDS][EACH];

static void *ask(void *arg)
{
    size_t first = (size_t)(uintptr_t)arg;
    for (size_t i = 0; i < BUILDS * EACH; i++) {
        size_t b = i % BUILDS, n = i / BUILDS;
        char name[NAME_ROOM];
        if (n % ASKERS != first)
            continue;
        snprintf(name, sizeof name, "b%zu", b);
        vk_strand *s = vk_strand_hold_id(&all, name);
        many[b][n] = (task){.job = {.run = run, .done = done},
                            .next = n % 2 ? VK_STRAND_WAITS : VK_STRAND_GONE,
                            .opens = true,
                            .makes = true};
        if (!s || vk_strand_submit(s, &many[b][n].job, false) != VK_OK)
            atomic_fetch_add(&wrong, 1);
        if (s)
            vk_strand_let_go(s);
    }
    return NULL;
}

static void a_thousand_builds(void **state)
{
    VK_UNUSED(state);
    pthread_t askers[ASKERS];
    size_t served = 0;
    for (size_t i = 0; i < ASKERS; i++)
        assert_int_equal(pthread_create(&askers[i], NULL, ask, (void *)(uintptr_t)i), 0);
    for (size_t i = 0; i < ASKERS; i++)
        pthread_join(askers[i], NULL);
    for (size_t b = 0; b < BUILDS; b++)
        for (size_t n = 0; n < EACH; n++) {
            const task *t = &many[b][n];
            EVENTUALLY(t->over);
            assert_true(t->opened == VK_OK || t->opened == VK_E_BUSY);
            served += t->opened == VK_OK;
        }
    assert_true(served > 0);
    EVENTUALLY(counted().jobs >= BUILDS * EACH);
    EVENTUALLY(counted().open <= OPEN_MAX);
    assert_true(opens <= (int)served);
    assert_true(most_open <= OPEN_MAX + THREADS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opening, begin, end),
        cmocka_unit_test_setup_teardown(the_longest_idle_makes_room, begin, end),
        cmocka_unit_test_setup_teardown(the_idle_are_closed, begin_restless, end),
        cmocka_unit_test_setup_teardown(tidying, begin, end),
        cmocka_unit_test_setup_teardown(a_build_ends_while_jobs_wait, begin, end),
        cmocka_unit_test_setup_teardown(the_stop_runs_what_waits, begin, end),
        cmocka_unit_test_setup_teardown(a_thousand_builds, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
