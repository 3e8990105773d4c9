/* Strands: one job of a build at a time and in order, its fair share of the threads, shared commits, and what
 * becomes of builds that end, are idle or are too many. */
#include "services/strands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

enum { JOBS = 300, WAIT_MS = 60000, THREADS = 4, OPEN_MAX = 6, NAME_ROOM = 16 };

typedef struct build {
    vk_strand strand; /* first */
    /* What only the strand touches: plain, so that a sanitizer sees when it is not alone. */
    int begun;  /* jobs of the batch that wait for its end */
    int inside; /* jobs that run */
    int order;  /* how many have run */
    bool open;
} build;

typedef struct task {
    vk_strand_job job;
    int number;          /* among those of its build */
    vk_strand_next next; /* what it returns */
    _Atomic bool *gate;  /* waits for it */
    int64_t lasts_ms;    /* …and then so long */
    bool opens, makes;
    _Atomic bool *begins; /* told when it runs */
    /* What was seen. */
    vk_err opened, ended;
    int batch;  /* how many of its batch waited when it had run */
    int order;  /* of all of its build */
    int moment; /* of all that have run */
    _Atomic bool over;
} task;

static vk_runtime rt;
static _Atomic int opens, closes, ends, dones, tidies, alive, wrong, now_open, most_open, moment, biggest;
static _Atomic vk_err end_with, open_with;
static _Atomic bool tidy_more, tidy_soon, cool;
static _Atomic bool gate;
static task tasks[JOBS];

static void pause_ms(int64_t ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

#define EVENTUALLY(what)                                                                                     \
    do {                                                                                                     \
        for (int ms = 0; !(what); ms++) {                                                                    \
            if (ms == WAIT_MS)                                                                               \
                fail_msg("not within %d s: %s", WAIT_MS / 1000, #what);                                      \
            pause_ms(1);                                                                                     \
        }                                                                                                    \
    } while (0)

static void raise_to(_Atomic int *most, int n)
{
    for (int seen = *most; seen < n && !atomic_compare_exchange_weak(most, &seen, n);)
        continue;
}

static build *build_of(vk_strand *s)
{
    return VK_CONTAINER(s, build, strand);
}

/* ---- the kind */

static vk_err init(vk_strand *s)
{
    if (strcmp(s->build, "refused") == 0)
        return VK_E_INVALID;
    atomic_fetch_add(&alive, 1);
    return VK_OK;
}

static void fini(vk_strand *s)
{
    if (strcmp(s->build, "refused") != 0)
        atomic_fetch_sub(&alive, 1);
}

static vk_err open_build(vk_strand *s, bool make)
{
    if (!make && strncmp(s->build, "new", 3) == 0)
        return VK_E_NOT_FOUND;
    if (open_with != VK_OK)
        return open_with;
    build_of(s)->open = true;
    atomic_fetch_add(&opens, 1);
    raise_to(&most_open, atomic_fetch_add(&now_open, 1) + 1);
    return VK_OK;
}

static void close_build(vk_strand *s)
{
    build *b = build_of(s);
    if (b->begun)
        atomic_fetch_add(&wrong, 1);
    if (b->open) {
        atomic_fetch_add(&closes, 1);
        atomic_fetch_sub(&now_open, 1);
    }
    b->open = false;
}

static vk_err batch_end(vk_strand *s)
{
    build *b = build_of(s);
    raise_to(&biggest, b->begun);
    b->begun = 0;
    atomic_fetch_add(&ends, 1);
    return end_with;
}

static bool tidy(vk_strand *s)
{
    if (build_of(s)->begun)
        atomic_fetch_add(&wrong, 1);
    atomic_fetch_add(&tidies, 1);
    return tidy_more;
}

static bool tidy_due(vk_strand *s)
{
    VK_UNUSED(s);
    return tidy_soon;
}

static bool warm(vk_strand *s)
{
    VK_UNUSED(s);
    return !cool;
}

static vk_strand_kind kind;
static vk_strands all = VK_STRANDS(&kind);

static const vk_strand_kind usual = {
    .thread = "test-strands",
    .size = sizeof(build),
    .threads = THREADS,
    .cold_max = THREADS,
    .jobs_max = JOBS,
    .batch = VK_STRAND_BATCH_MAX,
    .open_max = OPEN_MAX,
    .files = 1,
    .idle_ms = 3600000,
    .tidy_ms = 3600000,
    .init = init,
    .fini = fini,
    .open = open_build,
    .close = close_build,
    .warm = warm,
    .batch_end = batch_end,
    .tidy = tidy,
    .tidy_due = tidy_due,
};

/* ---- jobs */

static vk_strand_next run(vk_strand *s, vk_strand_job *j)
{
    task *t = VK_CONTAINER(j, task, job);
    build *b = build_of(s);
    if (b->inside++)
        atomic_fetch_add(&wrong, 1);
    if (t->begins)
        atomic_store(t->begins, true);
    while (t->gate && !atomic_load(t->gate))
        pause_ms(1);
    if (t->lasts_ms)
        pause_ms(t->lasts_ms);
    t->opened = t->opens ? vk_strand_open(s, t->makes) : VK_OK;
    if (t->opens && b->open != (t->opened == VK_OK))
        atomic_fetch_add(&wrong, 1);
    vk_strand_next next = t->next;
    if (next != VK_STRAND_GONE)
        t->batch = ++b->begun;
    t->order = b->order++;
    t->moment = atomic_fetch_add(&moment, 1);
    b->inside--;
    if (next == VK_STRAND_GONE)
        atomic_store(&t->over, true);
    return next;
}

static void done(vk_strand *s, vk_strand_job *j, vk_err e)
{
    task *t = VK_CONTAINER(j, task, job);
    if (build_of(s)->begun || t->next == VK_STRAND_GONE)
        atomic_fetch_add(&wrong, 1); /* not before the end */
    t->ended = e;
    atomic_fetch_add(&dones, 1);
    atomic_store(&t->over, true);
}

static task *prepare(int i, vk_strand_next next)
{
    tasks[i] = (task){.job = {.run = run, .done = done}, .number = i, .next = next, .ended = VK_E_INTERNAL};
    return &tasks[i];
}

static void submit(vk_strand *s, task *t)
{
    assert_int_equal(vk_strand_submit(s, &t->job, false), VK_OK);
}

/* A job that waits for `gate`, and runs. */
static void hold_up(vk_strand *s, int i)
{
    _Atomic bool begun = false;
    task *t = prepare(i, VK_STRAND_GONE);
    t->gate = &gate;
    t->begins = &begun;
    t->job.alone = true;
    submit(s, t);
    EVENTUALLY(begun);
}

static void wait_for(int from, int n)
{
    for (int i = from; i < from + n; i++)
        EVENTUALLY(tasks[i].over);
}

/* Opens and closes nothing but what a job of its own does. */
static vk_err open_now(vk_strand *s, bool make)
{
    task *t = prepare(JOBS - 1, VK_STRAND_GONE);
    t->opens = true;
    t->makes = make;
    submit(s, t);
    wait_for(JOBS - 1, 1);
    return t->opened;
}

static vk_strand *held(const char *name)
{
    vk_strand *s = vk_strand_hold_id(&all, name);
    assert_non_null(s);
    return s;
}

static vk_strand_counts counted(void)
{
    vk_strand_counts c;
    vk_strands_count(&all, &c);
    return c;
}

static int begin_with(const vk_strand_kind *k)
{
    kind = *k;
    rt.n_loops = 1;
    opens = closes = 0;
    ends = dones = tidies = alive = wrong = now_open = most_open = moment = biggest = 0;
    end_with = open_with = VK_OK;
    tidy_more = tidy_soon = cool = false;
    gate = false;
    all.opened = all.jobs = all.refused = all.batches = 0;
    return vk_loop_new(&rt.loops[0]) == VK_OK && vk_strands_start(&all, &rt, 0) == VK_OK ? 0 : -1;
}

static int begin(void **state)
{
    VK_UNUSED(state);
    return begin_with(&usual);
}

static int begin_single(void **state)
{
    VK_UNUSED(state);
    vk_strand_kind k = usual;
    k.threads = k.cold_max = 1;
    k.batch = 8;
    return begin_with(&k);
}

static int begin_cold(void **state)
{
    VK_UNUSED(state);
    vk_strand_kind k = usual;
    k.cold_max = 2;
    return begin_with(&k);
}

static int begin_restless(void **state)
{
    VK_UNUSED(state);
    vk_strand_kind k = usual;
    k.idle_ms = -1; /* idle at once */
    return begin_with(&k);
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

static int end(void **state)
{
    VK_UNUSED(state);
    gate = true;
    vk_strands_stop(&all);
    vk_loop_free(rt.loops[0]);
    if (wrong || alive || now_open || opens != closes || all.builds.n)
        fail_msg("wrong %d, alive %d, open %d, %d opened and %d closed", wrong, alive, now_open, opens,
                 closes);
    return 0;
}

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
