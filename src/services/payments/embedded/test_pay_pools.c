/* Payments of builds: what shares a commit, and who is told what when it fails; exports; which builds have
 * any. */
#include "services/payments/call.h"
#include "services/payments/embedded/inside.h"

#include "core/disk.h"
#include "core/log.h"
#include "core/test_folder.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { JOBS = 250, WAIT_MS = 60000 };

static vk_runtime rt;
static char dir[] = "/tmp/vk-pay-pools-XXXXXX";
static _Atomic bool disk_full, gate, begun;

static ssize_t full_pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (disk_full) {
        errno = ENOSPC;
        return -1;
    }
    return pwrite(fd, p, n, at);
}

#define EVENTUALLY(what)                                                                                     \
    do {                                                                                                     \
        for (int ms = 0; !(what); ms++) {                                                                    \
            if (ms == WAIT_MS)                                                                               \
                fail_msg("not within %d s: %s", WAIT_MS / 1000, #what);                                      \
            pause_1ms();                                                                                     \
        }                                                                                                    \
    } while (0)

static void pause_1ms(void)
{
    const struct timespec t = {.tv_nsec = 1000000};
    nanosleep(&t, NULL);
}

typedef struct task {
    vk_pay_job job;
    vk_pay_pool *pool;
    char put[16], look[16]; /* ids; empty: none */
    const char *sql;        /* behind the engine's back */
    bool waits;             /* for the gate */
    vk_err says;            /* what it returns when all went well */
    /* What was seen. */
    vk_err opened, found, told;
    bool ran;
    _Atomic bool over;
} task;

static task tasks[JOBS];

static vk_err run(vk_pay_job *j)
{
    task *t = VK_CONTAINER(j, task, job);
    vk_pay_db *db;
    vk_arena *a = vk_arena_new(1 << 20);
    t->ran = true;
    if (t->waits) {
        atomic_store(&begun, true);
        while (!atomic_load(&gate))
            pause_1ms();
    }
    vk_err e = a ? vk_pay_pool_db(t->pool, &db) : VK_E_NOMEM;
    t->opened = e;
    if (e == VK_OK && t->look[0]) {
        vk_pay_row row;
        t->found = vk_pay_doc_get(db, a, vk_str_z(t->look), &row);
    }
    if (e == VK_OK && t->put[0]) {
        vk_pay_row row = {.id = vk_str_z(t->put), .kind = VK_STR("customer"), .body = VK_STR("{}")};
        e = vk_pay_doc_put(db, &row, NULL, 0);
    }
    if (e == VK_OK && t->sql && sqlite3_exec(db->db, t->sql, NULL, NULL, NULL) != SQLITE_OK)
        e = VK_E_INTERNAL;
    vk_arena_free(a);
    return e == VK_OK ? t->says : e;
}

static void done(vk_pay_job *j, vk_err e)
{
    task *t = VK_CONTAINER(j, task, job);
    t->told = e;
    atomic_store(&t->over, true);
}

static task *prepare(int i, vk_pay_pool *p)
{
    tasks[i] = (task){.job = {.run = run, .done = done, .make = true},
                      .pool = p,
                      .opened = VK_E_INTERNAL,
                      .found = VK_E_INTERNAL,
                      .told = VK_E_INTERNAL};
    return &tasks[i];
}

static task *putting(int i, vk_pay_pool *p)
{
    task *t = prepare(i, p);
    snprintf(t->put, sizeof t->put, "cus_%d", i);
    return t;
}

/* Reads what the job `whose` puts. */
static task *looking(int i, vk_pay_pool *p, int whose)
{
    task *t = prepare(i, p);
    t->job.reads = true;
    snprintf(t->look, sizeof t->look, "cus_%d", whose);
    return t;
}

static void submit(task *t)
{
    assert_int_equal(vk_pay_pool_submit(t->pool, &t->job, false), VK_OK);
}

static void wait_for(int from, int n)
{
    for (int i = from; i < from + n; i++)
        EVENTUALLY(tasks[i].over);
}

static vk_err there(vk_pay_pool *p, int whose)
{
    submit(looking(JOBS - 1, p, whose));
    wait_for(JOBS - 1, 1);
    return tasks[JOBS - 1].told == VK_OK ? tasks[JOBS - 1].found : tasks[JOBS - 1].told;
}

/* So that what is submitted next waits together. */
static void hold_up(int i, vk_pay_pool *p)
{
    task *t = prepare(i, p);
    t->job.reads = t->job.alone = t->waits = true;
    submit(t);
    EVENTUALLY(begun);
}

static vk_pay_pool *held(const char *build)
{
    vk_pay_pool *p = vk_pay_pool_hold_id(build);
    assert_non_null(p);
    return p;
}

static uint64_t commits(void)
{
    vk_pay_pool_counts c;
    vk_pay_pools_count(&c);
    return c.commits;
}

static int begin(void **state)
{
    static const uint8_t key[VK_MASTER] = {1, 2, 3};
    VK_UNUSED(state);
    disk_full = gate = begun = false;
    if (!folder_make(dir) || (rt.data_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return -1;
    snprintf(rt.data_dir, sizeof rt.data_dir, "%s", dir);
    rt.n_loops = 1;
    return vk_disk_mkdir(rt.data_fd, "builds", 0700) == VK_OK && vk_master_new(1, key, &rt.master) == VK_OK &&
                   vk_loop_new(&rt.loops[0]) == VK_OK && vk_pay_pools_start(&rt, 0) == VK_OK
               ? 0
               : -1;
}

static int end(void **state)
{
    VK_UNUSED(state);
    gate = true;
    disk_full = false;
    vk_pay_pools_stop();
    vk_loop_free(rt.loops[0]);
    vk_master_free(rt.master);
    close(rt.data_fd);
    return folder_remove(dir);
}

/* ---- commits */

static void what_waits_shares_a_commit(void **state)
{
    VK_UNUSED(state);
    vk_pay_pool *p = held("b1");
    uint64_t before = commits();
    hold_up(0, p);
    for (int i = 1; i < 200; i++) {
        task *t = i % 5 == 2 ? looking(i, p, i - 1) : putting(i, p);
        if (i % 5 == 3)
            t->says = VK_E_INVALID;
        submit(t);
    }
    gate = true;
    wait_for(0, 200);
    for (int i = 1; i < 200; i++) {
        assert_int_equal(tasks[i].told, i % 5 == 3 ? VK_E_INVALID : VK_OK);
        if (i % 5 == 2)
            assert_int_equal(tasks[i].found, VK_OK);
    }
    for (int i = 1; i < 200; i++)
        if (i % 5 != 2)
            assert_int_equal(there(p, i), i % 5 == 3 ? VK_E_NOT_FOUND : VK_OK);
    assert_in_range(commits() - before, 199 / VK_STRAND_BATCH_MAX, 100);
    vk_pay_pool_let_go(p);
}

static void a_job_that_is_alone(void **state)
{
    VK_UNUSED(state);
    vk_pay_pool *p = held("b1");
    submit(putting(1, p));
    wait_for(1, 1);
    uint64_t before = commits();
    hold_up(0, p);
    for (int i = 2; i < 10; i++) {
        task *t = putting(i, p);
        t->job.alone = true;
        submit(t);
    }
    gate = true;
    wait_for(2, 8);
    EVENTUALLY(commits() - before == 8);
    vk_pay_pool_let_go(p);
}

/* Nobody is told what is not there; who read before the transaction began is told. */
static void a_commit_that_fails(void **state)
{
    VK_UNUSED(state);
    vk_pay_pool *p = held("b1");
    submit(putting(1, p));
    wait_for(1, 1);
    assert_int_equal(tasks[1].told, VK_OK);
    hold_up(0, p);
    submit(looking(2, p, 1));
    submit(putting(3, p));
    task *refused = putting(4, p);
    refused->says = VK_E_INVALID;
    submit(refused);
    submit(looking(5, p, 3)); /* may come into the batch after it, on a busy machine */
    disk_full = true;
    gate = true;
    wait_for(2, 4);
    assert_int_equal(tasks[2].told, VK_OK);
    assert_int_equal(tasks[2].found, VK_OK);
    assert_int_equal(tasks[3].told, VK_E_FULL);
    assert_true(tasks[4].told == VK_E_FULL || tasks[4].told == VK_E_INVALID);
    if (tasks[5].told == VK_OK)
        assert_int_equal(tasks[5].found, VK_E_NOT_FOUND);
    else
        assert_int_equal(tasks[5].told, VK_E_FULL);
    disk_full = false;
    assert_int_equal(there(p, 3), VK_E_NOT_FOUND);
    submit(putting(6, p));
    wait_for(6, 1);
    assert_int_equal(tasks[6].told, VK_OK);
    assert_int_equal(there(p, 6), VK_OK);
    vk_pay_pool_let_go(p);
}

/* The transaction of all goes when something goes badly in one: those that were before it are told, those
 * behind it have another. */
static void a_transaction_that_is_lost(void **state)
{
    VK_UNUSED(state);
    vk_pay_pool *p = held("b1");
    hold_up(0, p);
    submit(putting(1, p));
    task *t = putting(2, p);
    t->sql = "ROLLBACK";
    submit(t);
    submit(putting(3, p));
    gate = true;
    wait_for(1, 3);
    assert_int_not_equal(tasks[2].told, VK_OK);
    assert_int_equal(there(p, 2), VK_E_NOT_FOUND);
    assert_int_equal(there(p, 1), tasks[1].told == VK_OK ? VK_OK : VK_E_NOT_FOUND);
    assert_int_equal(tasks[3].told, VK_OK);
    assert_int_equal(there(p, 3), VK_OK);
    vk_pay_pool_let_go(p);
}

static void only_who_makes_makes(void **state)
{
    VK_UNUSED(state);
    struct stat st;
    vk_pay_pool *p = held("b1");
    for (int i = 0; i < 2; i++) {
        task *t = i ? looking(1, p, 1) : putting(1, p);
        t->job.make = false;
        submit(t);
        wait_for(1, 1);
        assert_true(t->ran);
        assert_int_equal(t->opened, VK_E_NOT_FOUND);
        assert_int_equal(t->told, VK_E_NOT_FOUND);
    }
    assert_int_not_equal(fstatat(rt.data_fd, "builds/b1", &st, 0), 0);
    submit(putting(2, p));
    wait_for(2, 1);
    assert_int_equal(tasks[2].told, VK_OK);
    assert_int_equal(fstatat(rt.data_fd, "builds/b1", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(fstatat(rt.data_fd, "builds/b1/payments.db", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    /* What cannot be opened is not run, but done. */
    assert_int_equal(vk_disk_mkdir(rt.data_fd, "builds/b2", 0700), VK_OK);
    assert_int_equal(
        vk_disk_replace(rt.data_fd, "builds/b2/payments.db", VK_STR("no database at all, but text"), 0600),
        VK_OK);
    vk_pay_pool *bad = held("b2");
    submit(putting(3, bad));
    wait_for(3, 1);
    assert_false(tasks[3].ran);
    assert_int_equal(tasks[3].told, VK_E_CORRUPT);
    vk_pay_pool_let_go(bad);
    vk_pay_pool_let_go(p);
}

static void closed(void *arg)
{
    atomic_store((_Atomic bool *)arg, true);
}

static void a_build_ends(void **state)
{
    VK_UNUSED(state);
    static _Atomic bool over;
    vk_pay_pool *p = held("b1");
    hold_up(0, p);
    for (int i = 1; i < 30; i++)
        submit(putting(i, p));
    over = false;
    vk_pay_close_build("b1", closed, &over);
    assert_true(vk_pay_pool_closing(p));
    assert_null(vk_pay_pool_hold_id("b1"));
    vk_pay_pool_let_go(p);
    assert_false(over);
    gate = true;
    EVENTUALLY(over);
    for (int i = 1; i < 30; i++)
        assert_true(tasks[i].over && tasks[i].told == VK_OK);
    p = held("b1");
    assert_int_equal(there(p, 29), VK_OK); /* the folder is not ours to remove */
    vk_pay_pool_let_go(p);
}

/* ---- what it is */

static void accounts(void **state)
{
    VK_UNUSED(state);
    vk_pay_pool *p = held("b1"), *q = held("b2");
    const vk_pay_about *a = vk_pay_pool_about(p), *b = vk_pay_pool_about(q);
    assert_string_equal(a->build, "b1");
    assert_string_equal(a->business, "b1");
    assert_string_equal(a->account, "acct_1UMahjFwlQCYukMx"); /* must stay what it is, as people store it */
    assert_int_equal(strlen(b->account), 21);
    assert_string_not_equal(a->account, b->account);
    vk_pay_pool_let_go(p);
    vk_pay_pool_let_go(q);
}

typedef struct exported {
    _Atomic bool over;
    vk_err e;
    vk_export x;
    const char *why;
} exported;

static void take(void *arg, vk_err e, const vk_export *x, const char *why)
{
    exported *out = arg;
    out->e = e;
    out->why = why;
    if (x)
        out->x = *x;
    atomic_store(&out->over, true);
}

/* An export among jobs has what was acknowledged before it, and nothing that is not committed. */
static void exports(void **state)
{
    VK_UNUSED(state);
    exported none = {0}, out = {0};
    char head[16] = "";
    vk_pay_pool *p = held("b1");
    vk_pay_export("b1", take, &none);
    EVENTUALLY(none.over);
    assert_int_equal(none.e, VK_E_NOT_FOUND);
    assert_non_null(none.why);
    hold_up(0, p);
    submit(putting(1, p));
    vk_pay_export("b1", take, &out);
    submit(putting(2, p));
    gate = true;
    wait_for(1, 2);
    EVENTUALLY(out.over);
    assert_int_equal(out.e, VK_OK);
    assert_string_equal(out.x.file_name, "payments.db");
    assert_int_equal(pread(out.x.fd, head, sizeof head, 0), sizeof head);
    assert_string_equal(head, "SQLite format 3");
    struct stat st;
    assert_int_equal(fstat(out.x.fd, &st), 0);
    assert_int_equal(st.st_size, out.x.size);
    assert_int_equal(st.st_nlink, 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    char path[64];
    sqlite3 *copy;
    sqlite3_stmt *q;
    snprintf(path, sizeof path, "%s/copy.db", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_int_equal(vk_disk_append_from(fd, out.x.fd, 0, out.x.size), VK_OK);
    close(fd);
    assert_int_equal(sqlite3_open(path, &copy), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(copy, "SELECT group_concat(id) FROM documents", -1, &q, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(q, 0), "cus_1");
    sqlite3_finalize(q);
    sqlite3_close(copy);
    close(out.x.fd);
    vk_pay_pool_let_go(p);
}

static void which_builds_have_data(void **state)
{
    VK_UNUSED(state);
    static const char *const folders[] = {"c", "a", "e", "b", "d", "without"};
    char names[2][VK_BUILD_ID_MAX + 1], name[64];
    assert_int_equal(vk_pay_builds_with_data("", names, 2), 0);
    for (size_t i = 0; i < VK_COUNT(folders); i++) {
        snprintf(name, sizeof name, "builds/%s", folders[i]);
        assert_int_equal(vk_disk_mkdir(rt.data_fd, name, 0700), VK_OK);
        snprintf(name, sizeof name, "builds/%s/%s", folders[i], i < 5 ? "payments.db" : "auth.db");
        assert_int_equal(vk_disk_replace(rt.data_fd, name, VK_STR(""), 0600), VK_OK);
    }
    const char *after = "";
    for (size_t i = 0; i < 5; i += 2) {
        size_t n = vk_pay_builds_with_data(after, names, 2);
        assert_int_equal(n, i < 4 ? 2 : 1);
        for (size_t k = 0; k < n; k++) {
            const char want[] = {(char)('a' + (int)(i + k)), 0};
            assert_string_equal(names[k], want);
        }
        snprintf(name, sizeof name, "%s", names[n - 1]);
        after = name;
    }
    assert_int_equal(vk_pay_builds_with_data("e", names, 2), 0);
    assert_int_equal(vk_pay_builds_with_data("", names, 0), 0);
}

static int init(void **state)
{
    VK_UNUSED(state);
    vk_log_init("test", (vk_level)(VK_ERROR + 1), VK_LOG_TEXT); /* what fails here shall fail */
    umask(077);                                                 /* as `serve` does */
    if (vk_digest_init() != VK_OK || vk_sqlite_init() != VK_OK)
        return -1;
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_syscall_ptr mine = (sqlite3_syscall_ptr)full_pwrite;
    (void)vfs->xSetSystemCall(vfs, "pwrite64", mine); /* not every library has this one */
    return vfs->xSetSystemCall(vfs, "pwrite", mine) == SQLITE_OK ? 0 : -1;
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_waits_shares_a_commit),
        T(a_job_that_is_alone),
        T(a_commit_that_fails),
        T(a_transaction_that_is_lost),
        T(only_who_makes_makes),
        T(a_build_ends),
        T(accounts),
        T(exports),
        T(which_builds_have_data),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
