/* Strands: one job of a build at a time and in order, shared commits, and its fair share of the threads. */
#include "services/test_strands_rig.h"

/* ---- order and batches */

static void one_after_the_other(void **state)
{
    VK_UNUSED(state);
    vk_strand *s = held("a");
    for (int i = 0; i < JOBS; i++)
        submit(s, prepare(i, i % 3 ? VK_STRAND_WAITS : VK_STRAND_GONE));
    wait_for(0, JOBS);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(tasks[i].order, i);
    EVENTUALLY(counted().jobs == JOBS);
    vk_strand_let_go(s);
}

static void those_that_wait_share_an_end(void **state)
{
    VK_UNUSED(state);
    vk_strand *s = held("a");
    hold_up(s, 0);
    for (int i = 1; i < 200; i++)
        submit(s, prepare(i, VK_STRAND_WAITS));
    assert_int_equal(ends, 0);
    gate = true;
    wait_for(0, 200);
    assert_int_equal(dones, 199);
    assert_in_range(ends, 199 / VK_STRAND_BATCH_MAX + 1, 100); /* on a busy machine time ends some of them */
    assert_in_range(biggest, 2, VK_STRAND_BATCH_MAX);
    for (int i = 1; i < 200; i++) {
        assert_int_equal(tasks[i].ended, VK_OK);
        assert_int_equal(tasks[i].order, i);
    }
    EVENTUALLY(counted().batches == (uint64_t)ends);
    vk_strand_let_go(s);
}

/* None is begun in a batch that has lasted for long, so that what is done does not wait for its answer. */
static void long_jobs_are_not_gathered(void **state)
{
    VK_UNUSED(state);
    vk_strand *s = held("a");
    hold_up(s, 0);
    for (int i = 1; i < 5; i++) {
        task *t = prepare(i, VK_STRAND_WAITS);
        t->lasts_ms = VK_STRAND_BATCH_MS + 2;
        submit(s, t);
    }
    gate = true;
    wait_for(1, 4);
    assert_int_equal(ends, 4);
    assert_int_equal(biggest, 1);
    vk_strand_let_go(s);
}

static void an_end_that_fails(void **state)
{
    VK_UNUSED(state);
    vk_strand *s = held("a");
    hold_up(s, 0);
    for (int i = 1; i < 40; i++)
        submit(s, prepare(i, i % 4 ? VK_STRAND_WAITS : VK_STRAND_GONE));
    end_with = VK_E_FULL;
    gate = true;
    wait_for(1, 39);
    for (int i = 1; i < 40; i++)
        assert_int_equal(tasks[i].ended, i % 4 ? VK_E_FULL : VK_E_INTERNAL); /* INTERNAL: it was not told */
    end_with = VK_OK;
    submit(s, prepare(0, VK_STRAND_WAITS));
    wait_for(0, 1);
    assert_int_equal(tasks[0].ended, VK_OK);
    vk_strand_let_go(s);
}

static void batches_without_one_that_waits_have_no_end(void **state)
{
    VK_UNUSED(state);
    vk_strand *s = held("a");
    for (int i = 0; i < 50; i++)
        submit(s, prepare(i, VK_STRAND_GONE));
    wait_for(0, 50);
    assert_int_equal(ends, 0);
    vk_strand_let_go(s);
}

static void some_end_a_batch(void **state)
{
    VK_UNUSED(state);
    vk_strand *s = held("a");
    hold_up(s, 0);
    for (int i = 1; i < 9; i++) {
        task *t = prepare(i, i == 4 ? VK_STRAND_ENDS : VK_STRAND_WAITS);
        t->job.alone = i == 6;
        submit(s, t);
    }
    gate = true;
    wait_for(1, 8);
    assert_int_equal(tasks[5].batch, 1); /* behind one that ends it */
    assert_int_equal(tasks[6].batch, 1); /* alone */
    assert_int_equal(tasks[7].batch, 1);
    assert_true(ends >= 4);
    vk_strand_let_go(s);
}

static int begin_bare(void **state)
{
    VK_UNUSED(state);
    vk_strand_kind k = usual;
    k.init = NULL;
    k.fini = NULL;
    k.warm = NULL;
    k.batch_end = NULL;
    k.tidy = NULL;
    k.tidy_due = NULL;
    k.batch = 1;
    return begin_with(&k);
}

static void bare_kinds(void **state)
{
    VK_UNUSED(state);
    vk_strand *s = held("a");
    assert_int_equal(open_now(s, true), VK_OK);
    hold_up(s, 0);
    for (int i = 1; i < 50; i++)
        submit(s, prepare(i, VK_STRAND_GONE));
    gate = true;
    wait_for(0, 50);
    vk_strand_let_go(s);
}

/* ---- fairness */

static int begin_single(void **state)
{
    VK_UNUSED(state);
    vk_strand_kind k = usual;
    k.threads = k.cold_max = 1;
    k.batch = 8;
    return begin_with(&k);
}

/* One thread, and a build with much to do: another one's job comes after a batch at most. */
static void behind_the_others_after_a_batch(void **state)
{
    VK_UNUSED(state);
    vk_strand *a = held("a"), *b = held("b");
    hold_up(a, 0);
    for (int i = 1; i < 200; i++)
        submit(a, prepare(i, VK_STRAND_WAITS));
    submit(b, prepare(200, VK_STRAND_WAITS));
    submit(b, prepare(201, VK_STRAND_WAITS));
    gate = true;
    wait_for(0, 202);
    /* The one that held up ends a batch; a was made ready before b was. */
    assert_in_range(tasks[200].moment, 1, 1 + 8);
    assert_true(biggest <= 8);
    vk_strand_let_go(a);
    vk_strand_let_go(b);
}

static void the_slow_hold_up_nobody(void **state)
{
    VK_UNUSED(state);
    vk_strand *slow[THREADS - 1], *b = held("b");
    char name[NAME_ROOM];
    for (int i = 0; i < THREADS - 1; i++) {
        snprintf(name, sizeof name, "slow%d", i);
        slow[i] = held(name);
        hold_up(slow[i], i);
        submit(slow[i], prepare(200 + i, VK_STRAND_WAITS));
    }
    for (int i = 10; i < 100; i++)
        submit(b, prepare(i, VK_STRAND_WAITS));
    wait_for(10, 90);
    for (int i = 0; i < THREADS - 1; i++)
        assert_false(tasks[i].over || tasks[200 + i].over);
    gate = true;
    wait_for(200, THREADS - 1);
    for (int i = 0; i < THREADS - 1; i++)
        vk_strand_let_go(slow[i]);
    vk_strand_let_go(b);
}

static int begin_cold(void **state)
{
    VK_UNUSED(state);
    vk_strand_kind k = usual;
    k.cold_max = 2;
    return begin_with(&k);
}

/* Those that are not in memory have their share of the threads only. */
static void the_cold_leave_threads_to_the_warm(void **state)
{
    VK_UNUSED(state);
    vk_strand *w = held("warm"), *c[5];
    char name[NAME_ROOM];
    assert_int_equal(open_now(w, true), VK_OK);
    EVENTUALLY(counted().jobs == 1); /* it is warm when the batch has ended */
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "cold%d", i);
        c[i] = held(name);
        task *t = prepare(i, VK_STRAND_GONE);
        t->gate = &gate;
        submit(c[i], t);
    }
    for (int i = 10; i < 30; i++) {
        submit(w, prepare(i, VK_STRAND_WAITS));
        wait_for(i, 1);
    }
    pthread_mutex_lock(&all.mu);
    size_t n = all.n_cold;
    pthread_mutex_unlock(&all.mu);
    assert_true(n <= 2);
    gate = true;
    wait_for(0, 5);
    for (int i = 0; i < 5; i++)
        vk_strand_let_go(c[i]);
    vk_strand_let_go(w);
}

static void only_so_many_wait(void **state)
{
    VK_UNUSED(state);
    vk_strand *s = held("a");
    static task more, again;
    kind.jobs_max = 10;
    hold_up(s, 0);
    for (int i = 1; i <= 10; i++)
        submit(s, prepare(i, VK_STRAND_WAITS));
    more = again = (task){.job = {.run = run, .done = done}, .next = VK_STRAND_WAITS};
    assert_int_equal(vk_strand_submit(s, &more.job, false), VK_E_BUSY);
    assert_int_equal(vk_strand_submit(s, &again.job, true), VK_OK);
    assert_int_equal(counted().refused, 1);
    gate = true;
    wait_for(0, 11);
    EVENTUALLY(again.over);
    assert_false(more.over);
    vk_strand_let_go(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_after_the_other, begin, end),
        cmocka_unit_test_setup_teardown(those_that_wait_share_an_end, begin, end),
        cmocka_unit_test_setup_teardown(long_jobs_are_not_gathered, begin, end),
        cmocka_unit_test_setup_teardown(an_end_that_fails, begin, end),
        cmocka_unit_test_setup_teardown(batches_without_one_that_waits_have_no_end, begin, end),
        cmocka_unit_test_setup_teardown(some_end_a_batch, begin, end),
        cmocka_unit_test_setup_teardown(bare_kinds, begin_bare, end),
        cmocka_unit_test_setup_teardown(behind_the_others_after_a_batch, begin_single, end),
        cmocka_unit_test_setup_teardown(the_slow_hold_up_nobody, begin, end),
        cmocka_unit_test_setup_teardown(the_cold_leave_threads_to_the_warm, begin_cold, end),
        cmocka_unit_test_setup_teardown(only_so_many_wait, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
