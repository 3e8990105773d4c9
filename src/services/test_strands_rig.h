/* For the tests of strands: a kind that notes what is done with it, and jobs that note what they see. */
#ifndef VK_STRANDS_TEST_RIG_H
#define VK_STRANDS_TEST_RIG_H

#include "services/strands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#pragma GCC diagnostic ignored "-Wunused-function" /* none of them uses all of it */

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

#endif
