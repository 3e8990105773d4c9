/* The threads of the storage service, and the stores that they open: who gets how many of them, and what
 * becomes of a build that ends while it is used. */
#include "services/storage/embedded/builds.h"
#include "services/storage/embedded/test_objects_rig.h"

#include <stdatomic.h>

enum { MANY = 200, WAIT_MS = 10000 };

static vk_runtime rt;
static _Atomic int running[3], most[3];
static _Atomic bool may_end;

typedef struct task {
    vk_s3_job job;
    int whose;
} task;

static task tasks[3][MANY];

static void pause_1ms(void)
{
    const struct timespec t = {.tv_nsec = 1000000};
    nanosleep(&t, NULL);
}

#define EVENTUALLY(what)                                                                                     \
    do {                                                                                                     \
        for (int ms = 0; !(what); ms++) {                                                                    \
            if (ms == WAIT_MS)                                                                               \
                fail_msg("not within %d s: %s", WAIT_MS / 1000, #what);                                      \
            pause_1ms();                                                                                     \
        }                                                                                                    \
    } while (0)

static void blocks(vk_s3_job *j)
{
    int whose = VK_CONTAINER(j, task, job)->whose, now = atomic_fetch_add(&running[whose], 1) + 1;
    for (int seen = most[whose]; seen < now && !atomic_compare_exchange_weak(&most[whose], &seen, now);)
        continue;
    while (!may_end)
        pause_1ms();
    atomic_fetch_sub(&running[whose], 1);
}

static void submit(vk_s3_build *b, int whose, int n)
{
    for (int i = 0; i < n; i++) {
        tasks[whose][i] = (task){.job.run = blocks, .whose = whose};
        assert_int_equal(vk_s3b_submit(b, &tasks[whose][i].job), VK_OK);
    }
}

static int begin(void **state)
{
    VK_UNUSED(state);
    rig_make();
    rt.data_fd = rig_fd;
    snprintf(rt.data_dir, sizeof rt.data_dir, "%s", rig_dir);
    rt.limits.of[VK_LIMIT_STORAGE_BYTES] = usual_quota.bytes;
    rt.limits.of[VK_LIMIT_STORAGE_OBJECTS] = usual_quota.objects;
    rt.limits.of[VK_LIMIT_STORAGE_OBJECT] = usual_quota.object_bytes;
    rt.limits.of[VK_LIMIT_STORAGE_UPLOADS] = usual_quota.uploads;
    rt.n_loops = 1;
    for (int i = 0; i < 3; i++) {
        running[i] = 0;
        most[i] = 0;
    }
    may_end = false;
    return vk_loop_new(&rt.loops[0]) == VK_OK && vk_s3b_start(&rt, 0) == VK_OK ? 0 : -1;
}

static int end(void **state)
{
    VK_UNUSED(state);
    may_end = true;
    vk_s3b_stop_threads();
    vk_s3b_stop();
    vk_loop_free(rt.loops[0]);
    rig_unmake();
    return 0;
}

/* However much the others have to do, a thread is free for a build that has nothing running. */
static void shares(void **state)
{
    VK_UNUSED(state);
    vk_s3_build *a = vk_s3b_hold_id("a"), *b = vk_s3b_hold_id("b"), *c = vk_s3b_hold_id("c");
    submit(a, 0, MANY);
    EVENTUALLY(running[0] == 48);
    submit(b, 1, MANY);
    EVENTUALLY(running[1] > 8);
    submit(c, 2, 2);
    EVENTUALLY(running[2] >= 1);
    assert_true(running[0] + running[1] + running[2] <= VK_S3B_THREADS);
    may_end = true; /* all of them run, in the end */
    vk_s3b_counts n = {0};
    EVENTUALLY((vk_s3b_count(&n), n.jobs >= 2 * MANY + 2));
    assert_int_equal(most[0] <= 48 && most[1] <= 48, 1);
    EVENTUALLY(running[0] + running[1] + running[2] == 0);
    vk_s3b_let_go(a);
    vk_s3b_let_go(b);
    vk_s3b_let_go(c);
}

/* What a reader was the last to keep goes on a thread of the pool, not where the reader ends. */
static void readers_end_elsewhere(void **state)
{
    VK_UNUSED(state);
    uint8_t id[16];
    vk_ob_claim claims[2];
    vk_ob_commit c = {.headers = VK_STR_NONE};
    vk_ob *s;
    vk_ob_object o;
    vk_ob_reader *r;
    int64_t bytes;
    vk_arena *arena = vk_arena_new(1 << 16);
    vk_s3_build *b = vk_s3b_hold_id("demo");
    assert_int_equal(vk_s3b_store(b, true, &s), VK_OB_OK);
    assert_int_equal(vk_ob_upload_create(s, VK_STR("k"), VK_STR(""), 0, 0, id), VK_OB_OK);
    assert_int_equal(rig_part(s, "k", id, 1, VK_OB_PART_LEAST, 1, &claims[0]), VK_OB_OK);
    assert_int_equal(rig_part(s, "k", id, 2, 100, 2, &claims[1]), VK_OB_OK);
    assert_int_equal(vk_ob_upload_complete(s, VK_STR("k"), id, claims, 2, &c, NULL), VK_OB_OK);
    assert_int_equal(vk_ob_get(s, arena, VK_STR("k"), &o, &r), VK_OB_OK);
    assert_false(vk_ob_reader_removes(r));
    assert_int_equal(rig_delete(s, "k"), VK_OB_OK);
    assert_true(vk_ob_reader_removes(r));
    assert_int_equal(rig_files(&bytes), 2);
    submit(b, 0, 60);
    EVENTUALLY(running[0] == 48); /* all that it may have */
    vk_s3b_close_reader(b, r);
    assert_int_equal(rig_files(&bytes), 2);
    may_end = true;
    EVENTUALLY(rig_files(&bytes) == 0);
    EVENTUALLY(running[0] == 0);
    assert_true(rig_consistent(s));
    vk_s3b_let_go(b);
    vk_arena_free(arena);
}

static void closed(void *arg)
{
    atomic_store((_Atomic bool *)arg, true);
}

/* It ends when nobody uses it any more; until then nobody gets it, and afterwards the name is another's. */
static void ends_and_comes_again(void **state)
{
    VK_UNUSED(state);
    static _Atomic bool over, again;
    static vk_tenant old = {.id = "demo"}, new = {.id = "demo"};
    vk_ob *s, *t;
    vk_ob_put *p;
    vk_s3_build *b = vk_s3b_hold(&old);
    assert_int_equal(vk_s3b_store(b, true, &s), VK_OB_OK);
    assert_int_equal(rig_put(s, "k", 10, 1), VK_OB_OK);
    assert_int_equal(vk_ob_put_begin(s, VK_STR("other"), -1, &p), VK_OB_OK);
    submit(b, 0, 1);
    EVENTUALLY(running[0] == 1);
    atomic_store(&old.closed, true);
    vk_s3b_close_build("demo", closed, &over);
    vk_s3b_close_build("demo", closed, &again);
    assert_true(vk_s3b_closing(b));
    assert_null(vk_s3b_hold(&old));
    assert_null(vk_s3b_hold_id("demo"));
    vk_ob_put_abort(p);
    vk_s3b_let_go(b);
    assert_false(over); /* the job has it */
    may_end = true;
    EVENTUALLY(over && again);
    vk_s3_build *next = vk_s3b_hold(&new);
    assert_non_null(next);
    assert_null(vk_s3b_hold(&old));
    assert_int_equal(vk_s3b_store(next, true, &t), VK_OB_OK);
    assert_int_equal(rig_is(t, "k", 10, 1), VK_OB_OK); /* the folder is not ours to remove */
    vk_s3b_let_go(next);
    vk_s3b_free_tenant(&old);
    vk_s3b_free_tenant(&new);
}

/* Changes of the rules may be told in another order than they were made in: the last that was made counts. */
static void last_rules_count(void **state)
{
    VK_UNUSED(state);
    static const char xml[] = "<CORSConfiguration><CORSRule><AllowedOrigin>https://a.example</AllowedOrigin>"
                              "<AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";
    vk_ob *s;
    uint64_t put = 0, removed = 0, later = 0;
    vk_s3_build *b = vk_s3b_hold_id("demo");
    assert_int_equal(vk_s3b_store(b, true, &s), VK_OB_OK);
    assert_int_equal(vk_ob_cors_set(s, vk_str_z(xml), &put), VK_OB_OK);
    assert_int_equal(vk_ob_cors_delete(s, &removed), VK_OB_OK);
    assert_true(put > 0 && removed > put);
    vk_s3_rules *r = vk_s3_rules_read(vk_str_z(xml));
    assert_non_null(r);
    vk_s3b_set_rules(b, NULL, removed);
    vk_s3b_set_rules(b, r, put);
    assert_null(vk_s3b_rules(b));
    assert_int_equal(vk_ob_cors_set(s, vk_str_z(xml), &later), VK_OB_OK);
    vk_s3b_set_rules(b, vk_s3_rules_read(vk_str_z(xml)), later);
    r = vk_s3b_rules(b);
    assert_non_null(r);
    vk_s3_rules_unref(r);
    vk_s3b_let_go(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shares, begin, end),
        cmocka_unit_test_setup_teardown(readers_end_elsewhere, begin, end),
        cmocka_unit_test_setup_teardown(ends_and_comes_again, begin, end),
        cmocka_unit_test_setup_teardown(last_rules_count, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
