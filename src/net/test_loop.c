#include "net/lane.h"
#include "net/loop.h"

#include "core/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static vk_loop *loop;

static int set_up(void **state)
{
    VK_UNUSED(state);
    return vk_loop_new(&loop) == VK_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_loop_free(loop);
    return 0;
}

/* ---- timers ---- */

struct alarm {
    vk_timer timer;
    int64_t want_ms, fired_ms;
    int times;
};

static struct alarm alarms[400];
static int alarms_left;

static void ring(vk_timer *t)
{
    struct alarm *a = VK_CONTAINER(t, struct alarm, timer);
    a->fired_ms = vk_clock_mono_ms();
    a->times++;
    if (--alarms_left == 0)
        vk_loop_stop(loop);
}

/* The loop's clock stands while it does not run; timers that are set now count from not before this. */
static int64_t from_now(void)
{
    int64_t now = vk_clock_mono_ms();
    uv_update_time(&loop->uv);
    return now;
}

static void timers_fire_once_and_not_early(void **state)
{
    VK_UNUSED(state);
    int64_t start = from_now();
    alarms_left = VK_COUNT(alarms);
    for (size_t i = 0; i < VK_COUNT(alarms); i++) {
        alarms[i] = (struct alarm){.want_ms = (int64_t)(i * 37 % 600)};
        vk_timer_set(loop, &alarms[i].timer, alarms[i].want_ms, ring);
    }
    vk_loop_run(loop);
    for (size_t i = 0; i < VK_COUNT(alarms); i++) {
        int64_t late = alarms[i].fired_ms - start - alarms[i].want_ms;
        assert_int_equal(alarms[i].times, 1);
        assert_true(late >= -2);  /* the loop's clock and ours round differently */
        assert_true(late < 2000); /* generous: the machine may be busy */
        assert_int_equal(alarms[i].timer.due_ms, 0);
    }
}

static void timers_move(void **state)
{
    VK_UNUSED(state);
    int64_t start = from_now();
    memset(alarms, 0, sizeof alarms);
    alarms_left = 3;
    vk_timer_set(loop, &alarms[0].timer, 60000, ring);
    vk_timer_set(loop, &alarms[0].timer, 50, ring); /* earlier, from far away */
    vk_timer_set(loop, &alarms[1].timer, 20, ring);
    vk_timer_set(loop, &alarms[1].timer, 400, ring); /* later */
    vk_timer_set(loop, &alarms[2].timer, 10, ring);
    vk_timer_set(loop, &alarms[2].timer, 3600000, ring);
    vk_timer_set(loop, &alarms[2].timer, 200, ring);
    vk_timer_set(loop, &alarms[3].timer, 100, ring);
    vk_timer_clear(loop, &alarms[3].timer);
    vk_timer_clear(loop, &alarms[3].timer);
    vk_loop_run(loop);
    assert_true(alarms[0].fired_ms - start < 3000);
    assert_true(alarms[1].fired_ms - start >= 398);
    assert_true(alarms[2].fired_ms - start >= 198 && alarms[2].fired_ms - start < 3000);
    assert_int_equal(alarms[3].times, 0);
}

static void rearm(vk_timer *t)
{
    struct alarm *a = VK_CONTAINER(t, struct alarm, timer);
    if (++a->times < 3)
        vk_timer_set(loop, t, 1, rearm);
    else
        vk_loop_stop(loop);
}

/* Due in the same tick as the one that is cleared: whichever fires first takes the other one out. */
static void clear_other(vk_timer *t)
{
    struct alarm *a = VK_CONTAINER(t, struct alarm, timer),
                 *other = a == &alarms[1] ? &alarms[2] : &alarms[1];
    a->times++;
    vk_timer_clear(loop, &other->timer);
}

static void timers_change_while_they_fire(void **state)
{
    VK_UNUSED(state);
    memset(alarms, 0, sizeof alarms);
    vk_timer_set(loop, &alarms[0].timer, 10, rearm);
    vk_timer_set(loop, &alarms[1].timer, 30, clear_other);
    vk_timer_set(loop, &alarms[2].timer, 30, clear_other);
    vk_loop_run(loop);
    assert_int_equal(alarms[0].times, 3);
    assert_int_equal(alarms[1].times + alarms[2].times, 1);
    assert_int_equal(loop->n_timers, 0);
}

static vk_timer leaper;

static void leap(vk_timer *t)
{
    VK_UNUSED(t);
    loop->skew_ms += 100000;
}

/* The wheel turns once in VK_TICK_MS × VK_WHEEL_SLOTS = 25.6 s. */
static void timers_beyond_one_turn(void **state)
{
    VK_UNUSED(state);
    int64_t start = from_now();
    memset(alarms, 0, sizeof alarms);
    alarms_left = 4;
    vk_timer_set(loop, &alarms[0].timer, 30000, ring);
    vk_timer_set(loop, &alarms[1].timer, 99000, ring);
    vk_timer_set(loop, &alarms[2].timer, 26000, ring);
    vk_timer_set(loop, &alarms[3].timer, 100300, ring);
    vk_timer_set(loop, &alarms[4].timer, 150000, ring);
    vk_timer_set(loop, &leaper, 60, leap);
    vk_loop_run(loop);
    for (int i = 0; i < 4; i++)
        assert_int_equal(alarms[i].times, 1);
    assert_true(alarms[3].fired_ms - start >= 290); /* not with the others */
    assert_true(alarms[1].fired_ms - start < 3000);
    assert_int_equal(alarms[4].times, 0);
    vk_timer_clear(loop, &alarms[4].timer);
}

/* ---- tasks ---- */

enum { THREADS = 4, TASKS = 5000 };

struct numbered {
    vk_task task;
    int thread, number;
};

static int next_of[THREADS], done_tasks;

static void run_numbered(vk_task *t)
{
    struct numbered *n = VK_CONTAINER(t, struct numbered, task);
    if (next_of[n->thread]++ != n->number)
        abort();
    free(n);
    if (++done_tasks == THREADS * TASKS)
        vk_loop_stop(loop);
}

static void *poster(void *arg)
{
    for (int i = 0; i < TASKS; i++) {
        struct numbered *n = calloc(1, sizeof *n);
        if (!n)
            abort();
        n->thread = *(int *)arg;
        n->number = i;
        n->task.run = run_numbered;
        vk_loop_post(loop, &n->task);
    }
    return NULL;
}

static void tasks_keep_each_threads_order(void **state)
{
    VK_UNUSED(state);
    pthread_t threads[THREADS];
    int numbers[THREADS];
    done_tasks = 0;
    memset(next_of, 0, sizeof next_of);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, poster, &numbers[i]), 0);
    }
    vk_loop_run(loop);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(done_tasks, THREADS * TASKS);
}

static vk_task again;
static int again_times;

static void post_again(vk_task *t)
{
    if (++again_times < 100)
        vk_loop_post(loop, t);
    else
        vk_loop_stop(loop);
}

static void a_task_may_post_itself(void **state)
{
    VK_UNUSED(state);
    again_times = 0;
    again.run = post_again;
    vk_loop_post(loop, &again);
    vk_loop_run(loop);
    assert_int_equal(again_times, 100);
}

/* ---- sockets ---- */

static vk_io end;
static int events_seen, closed_seen;

static void on_closed(vk_io *io)
{
    assert_ptr_equal(io, &end);
    closed_seen++;
    vk_loop_stop(loop);
}

static void on_ready(vk_io *io, int events)
{
    char c;
    events_seen |= events;
    if (events & VK_WRITE) {
        vk_io_want(io, VK_READ);
        return;
    }
    if (recv(io->fd, &c, 1, 0) == 1)
        return;
    vk_io_close(io, on_closed);
    assert_int_equal(closed_seen, 0); /* only in a later turn */
    vk_io_want(io, VK_READ);          /* too late, harmless */
    vk_io_close(io, on_closed);
}

static void *peer(void *arg)
{
    int fd = *(int *)arg;
    if (write(fd, "ab", 2) != 2)
        abort();
    close(fd);
    return NULL;
}

static void sockets(void **state)
{
    VK_UNUSED(state);
    int pair[2];
    pthread_t thread;
    events_seen = closed_seen = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    int had = pair[0];
    assert_int_equal(vk_io_open(loop, &end, pair[0], on_ready), VK_OK);
    vk_io_want(&end, VK_WRITE);
    assert_int_equal(pthread_create(&thread, NULL, peer, &pair[1]), 0);
    vk_loop_run(loop);
    pthread_join(thread, NULL);
    assert_int_equal(events_seen & (VK_READ | VK_WRITE), VK_READ | VK_WRITE);
    assert_int_equal(closed_seen, 1);
    assert_int_equal(end.fd, -1);
    assert_int_equal(send(had, "x", 1, MSG_NOSIGNAL), -1); /* closed */
}

static void buffers(void **state)
{
    VK_UNUSED(state);
    char *p = vk_loop_in_get(loop);
    assert_non_null(p);
    memset(p, 's', VK_IN_SIZE);
    vk_loop_in_put(loop, p, VK_IN_SIZE);
    char *again_p = vk_loop_in_get(loop);
    assert_ptr_equal(again_p, p);
    for (size_t i = 0; i < VK_IN_SIZE; i++)
        assert_int_equal(p[i], 0);
    char *many[VK_IN_KEEP + 5];
    for (size_t i = 0; i < VK_COUNT(many); i++)
        assert_non_null(many[i] = vk_loop_in_get(loop));
    for (size_t i = 0; i < VK_COUNT(many); i++)
        vk_loop_in_put(loop, many[i], 0);
    assert_int_equal(loop->n_spare_in, VK_IN_KEEP);
    vk_loop_in_put(loop, p, 0);
}

static void date(void **state)
{
    VK_UNUSED(state);
    struct tm tm = {0};
    vk_clock_offset(1795536000000 - vk_clock_wall_ms() + 500);
    assert_string_equal(vk_loop_date(loop), "Tue, 24 Nov 2026 16:00:00 GMT");
    vk_clock_offset(0);
    const char *end_of = strptime(vk_loop_date(loop), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    assert_true(end_of && *end_of == '\0');
    assert_true(llabs((long long)timegm(&tm) - vk_clock_wall_ms() / 1000) <= 2);
}

/* ---- lane ---- */

struct job {
    vk_job job;
    int number;
};

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static int ran[64];
static size_t n_ran;

static void run_job(vk_job *j)
{
    pthread_mutex_lock(&gate);
    ran[n_ran++] = VK_CONTAINER(j, struct job, job)->number;
    pthread_mutex_unlock(&gate);
}

static void lane(void **state)
{
    VK_UNUSED(state);
    struct job jobs[20];
    vk_lane *l;
    n_ran = 0;
    assert_int_equal(vk_lane_new("test", 8, &l), VK_OK);
    pthread_mutex_lock(&gate);
    size_t taken = 0;
    for (size_t i = 0; i < VK_COUNT(jobs); i++) {
        jobs[i] = (struct job){.job = {.run = run_job}, .number = (int)taken};
        vk_err e = vk_lane_add(l, &jobs[i].job);
        assert_true(e == VK_OK || e == VK_E_BUSY);
        taken += e == VK_OK;
    }
    pthread_mutex_unlock(&gate);
    assert_true(taken == 8 || taken == 9); /* one may have been taken up already */
    vk_lane_free(l);                       /* runs what is queued */
    assert_int_equal(n_ran, taken);
    for (size_t i = 0; i < taken; i++)
        assert_int_equal(ran[i], i);
    vk_lane_free(NULL);
}

#define WITH_LOOP(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(timers_fire_once_and_not_early),
        WITH_LOOP(timers_move),
        WITH_LOOP(timers_change_while_they_fire),
        WITH_LOOP(timers_beyond_one_turn),
        WITH_LOOP(tasks_keep_each_threads_order),
        WITH_LOOP(a_task_may_post_itself),
        WITH_LOOP(sockets),
        WITH_LOOP(buffers),
        WITH_LOOP(date),
        cmocka_unit_test(lane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
