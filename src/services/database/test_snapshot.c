/* Snapshots: names, limits, and a restore that is killed at each of its steps on the disk. The calls that
 * change names or make them durable are replaced here and count; a child process ends at the N-th. */
#include "core/clock.h"
#include "core/disk.h"
#include "services/database/embedded/db.h"
#include "services/database/embedded/snap_files.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char root[32];
static vk_runtime rt;
static const vk_service *service;

/* ---- steps */

static int step, die_at;

static void count_step(void)
{
    if (die_at && ++step == die_at)
        syscall(SYS_exit_group, 9); /* at once, as kill -9 */
}

int renameat(int d1, const char *a, int d2, const char *b)
{
    count_step();
    return (int)syscall(SYS_renameat2, d1, a, d2, b, 0);
}

int linkat(int d1, const char *a, int d2, const char *b, int flags)
{
    count_step();
    return (int)syscall(SYS_linkat, d1, a, d2, b, flags);
}

int unlinkat(int d, const char *a, int flags)
{
    count_step();
    return (int)syscall(SYS_unlinkat, d, a, flags);
}

int fsync(int fd)
{
    count_step();
    return (int)syscall(SYS_fsync, fd);
}

/* ---- a service of its own, in a process of its own */

static void start(void)
{
    memset(&rt, 0, sizeof rt);
    snprintf(rt.data_dir, sizeof rt.data_dir, "%s", root);
    rt.data_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rt.data_fd < 0 || service->start(&rt, vk_service_index(VK_STR("database"))) != VK_OK)
        _exit(3);
}

struct waiting {
    vk_snap_ask ask;
    sem_t over;
    vk_err e;
};

static void over(vk_snap_ask *a, vk_err e)
{
    struct waiting *w = VK_CONTAINER(a, struct waiting, ask);
    w->e = e;
    sem_post(&w->over);
}

static vk_err ask(vk_snap_op op, const char *snapshot, const char *name, bool automatic, vk_buf *out,
                  char *why)
{
    static struct waiting w;
    w = (struct waiting){.ask = {.op = op,
                                 .build = "demo",
                                 .snapshot = vk_str_z(snapshot),
                                 .name = vk_str_z(name),
                                 .automatic = automatic,
                                 .rows = 3,
                                 .out = out,
                                 .done = over}};
    sem_init(&w.over, 0, 0);
    service->snapshots(&w.ask);
    while (sem_wait(&w.over) != 0 && errno == EINTR)
        ;
    if (why)
        memcpy(why, w.ask.why, sizeof w.ask.why);
    return w.e;
}

/* Runs SQL through a connection of the service's own making, as requests do. */
static bool run_sql(const char *sql, char *answer, size_t room)
{
    struct vk_worker_slot none = {0};
    vk_dbh *h;
    const char *why;
    sqlite3_stmt *st = NULL;
    vk_dbt *t = vk_db_hold("demo");
    if (!t || vk_db_get_handle(t, &none, &h, &why) != VK_OK)
        return false;
    bool ok = true;
    if (answer) {
        ok = sqlite3_prepare_v2(h->db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW;
        snprintf(answer, room, "%s", ok ? (const char *)sqlite3_column_text(st, 0) : "?");
        sqlite3_finalize(st);
    } else {
        ok = sqlite3_exec(h->db, sql, NULL, NULL, NULL) == SQLITE_OK;
    }
    ok &= vk_sync_now(t, h);
    vk_db_put_handle(h);
    vk_db_let_go(t);
    return ok;
}

/* A child's exit code; the child is a process like a daemon's front. */
static int in_child(int (*body)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        start();
        int code = body();
        service->stop();
        _exit(code);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static vk_buf scratch;

static int make_data(void)
{
    vk_buf_init(&scratch, 1 << 20);
    return run_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'old')", NULL,
                   0) &&
                   ask(VK_SNAP_TAKE, "", "first", false, &scratch, NULL) == VK_OK &&
                   run_sql("UPDATE t SET v = 'new'; INSERT INTO t VALUES (2, 'more')", NULL, 0)
               ? 0
               : 1;
}

static int restore_first(void)
{
    vk_buf_init(&scratch, 1 << 20);
    step = 0;
    return ask(VK_SNAP_RESTORE, "first", "", false, &scratch, NULL) == VK_OK ? 0 : 1;
}

static char seen[200], listed[4096];
static int look_fd;

/* Tells what a new process finds: the rows, and whether every snapshot listed can be compared. */
static int look(void)
{
    die_at = 0;
    vk_buf_init(&scratch, 1 << 20);
    if (!run_sql("SELECT group_concat(id || v) || ' ' || (SELECT * FROM pragma_integrity_check) FROM t", seen,
                 sizeof seen))
        return 1;
    if (ask(VK_SNAP_LIST, "", "", false, &scratch, NULL) != VK_OK)
        return 2;
    ssize_t n = write(look_fd, seen, sizeof seen);
    n += write(look_fd, scratch.p, scratch.n);
    return n == (ssize_t)(sizeof seen + scratch.n) ? 0 : 3;
}

static void look_at(void)
{
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    look_fd = pipe_fds[1];
    assert_int_equal(in_child(look), 0);
    close(pipe_fds[1]);
    assert_int_equal(read(pipe_fds[0], seen, sizeof seen), sizeof seen);
    ssize_t n = read(pipe_fds[0], listed, sizeof listed - 1);
    assert_true(n > 0);
    listed[n] = '\0';
    close(pipe_fds[0]);
}

static void wipe(void)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf %s/builds %s/tmp", root, root);
    assert_int_equal(system(command), 0);
}

static size_t times(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
        n++;
    return n;
}

/* A file that is the database and a snapshot at once would change with the database. */
static void check_single_names(void)
{
    struct stat st;
    char path[128];
    snprintf(path, sizeof path, "%s/builds/demo/database.db", root);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_nlink, 1);
}

static void killed_at_every_step(void **state)
{
    VK_UNUSED(state);
    int steps = 0, olds = 0, news = 0, linked = 0;
    for (;; steps++) {
        struct stat st;
        char path[128];
        wipe();
        die_at = 0;
        assert_int_equal(in_child(make_data), 0);
        die_at = steps + 1;
        int code = in_child(restore_first);
        die_at = 0;
        snprintf(path, sizeof path, "%s/builds/demo/database.db", root);
        assert_int_equal(stat(path, &st), 0);
        linked += st.st_nlink == 2;
        look_at();
        check_single_names();
        assert_int_equal(times(listed, "\"first\""), 1);
        if (strcmp(seen, "1old ok") == 0) {
            news++;
            assert_int_equal(times(listed, "before-restore"), 1);
        } else {
            olds++;
            assert_string_equal(seen, "1new,2more ok");
            assert_int_equal(news, 0); /* once it is done it is done */
        }
        snprintf(path, sizeof path, "%s/tmp", root);
        if (code == 0)
            break;
        assert_int_equal(code, 9);
        assert_true(steps < 100);
    }
    assert_true(olds >= 3);
    assert_true(news >= 2);
    assert_true(linked >= 1); /* the place between the two names was hit, and healed */
    wipe();
}

/* ---- limits and refusals, in this process */

static int limits_child(void)
{
    char why[VK_SNAP_WHY_MAX];
    vk_buf_init(&scratch, 1 << 20);
    if (ask(VK_SNAP_TAKE, "", "", false, &scratch, why) != VK_E_NOT_FOUND ||
        !strstr(why, "not used its database"))
        return 1;
    if (!run_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", NULL, 0))
        return 2;
    for (int i = 0; i < VK_SNAP_MANUAL_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        if (ask(VK_SNAP_TAKE, "", name, false, &scratch, why) != VK_OK)
            return 3;
    }
    if (ask(VK_SNAP_TAKE, "", "one-more", false, &scratch, why) != VK_E_CONFLICT ||
        !strstr(why, "which is the most"))
        return 4;
    for (int i = 0; i < 7; i++)
        if (!run_sql("INSERT INTO t (v) VALUES ('another')", NULL, 0) ||
            ask(VK_SNAP_TAKE, "", "auto", true, &scratch, why) != VK_OK)
            return 5;
    if (ask(VK_SNAP_RESTORE, "n3", "", false, &scratch, why) != VK_OK)
        return 6;
    vk_buf_clear(&scratch);
    vk_buf_ch(&scratch, ' ');
    if (ask(VK_SNAP_LIST, "", "", false, &scratch, why) != VK_OK)
        return 7;
    vk_buf_ch(&scratch, '\0');
    if (times(scratch.p, "\"created\"") != VK_SNAP_MAX || times(scratch.p, "\"n") < VK_SNAP_MANUAL_MAX ||
        times(scratch.p, "before-restore") != 1)
        return 8;
    static const char *const bad[] = {"../x", "a/b", ".x", "-x", "20261125-031203-123", "a b", "\xc3\xa4"};
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        if (ask(VK_SNAP_TAKE, "", bad[i], true, &scratch, why) != VK_E_INVALID ||
            ask(VK_SNAP_RESTORE, bad[i], "", false, &scratch, why) != VK_E_NOT_FOUND)
            return 10 + (int)i;
    if (ask(VK_SNAP_DELETE, "n3", "", false, &scratch, why) != VK_OK ||
        ask(VK_SNAP_DELETE, "n3", "", false, &scratch, why) != VK_E_NOT_FOUND)
        return 30;
    if (ask(VK_SNAP_TAKE, "", "n3", false, &scratch, why) != VK_OK)
        return 31;
    if (ask(VK_SNAP_TAKE, "", "n3", false, &scratch, why) != VK_E_CONFLICT)
        return 32;
    return 0;
}

static void limits(void **state)
{
    VK_UNUSED(state);
    wipe();
    assert_int_equal(in_child(limits_child), 0);
    wipe();
}

static size_t automatic_ones(void)
{
    vk_snap all[VK_SNAP_MAX + 1];
    size_t n = 0, found = 0;
    if (vk_snap_list(rt.data_fd, "demo", all, &n) != VK_OK)
        return 99;
    for (size_t i = 0; i < n; i++)
        found += all[i].automatic;
    return found;
}

/* Automatic ones of a database that stays as it is are one; any change makes another one. */
static int unchanged_child(void)
{
    static const char *const changes[] = {"INSERT INTO t VALUES (3, 'x')",
                                          "UPDATE t SET v = 'y' WHERE id = 3", "CREATE INDEX i ON t(v)",
                                          "PRAGMA user_version = 7", "DELETE FROM t"};
    char why[VK_SNAP_WHY_MAX];
    vk_buf_init(&scratch, 1 << 20);
    if (make_data() != 0)
        return 1;
    for (size_t i = 0; i <= VK_COUNT(changes); i++) {
        for (int k = 0; k < 3; k++) {
            vk_buf_clear(&scratch);
            if (ask(VK_SNAP_TAKE, "", "before-apply", true, &scratch, why) != VK_OK)
                return 2;
            vk_buf_ch(&scratch, '\0');
            if (times(scratch.p, "\"unchanged\":true") != (k > 0))
                return 3;
            /* Neither what is rolled back nor a checkpoint is a change. */
            if (!run_sql(k ? "BEGIN; DELETE FROM t; ROLLBACK" : "PRAGMA wal_checkpoint", NULL, 0) && k)
                return 4;
        }
        if (automatic_ones() != i + 1)
            return 10 + (int)i;
        if (i < VK_COUNT(changes) && !run_sql(changes[i], NULL, 0))
            return 5;
    }
    /* What people ask for is taken in any case. */
    if (ask(VK_SNAP_TAKE, "", "mine", false, &scratch, why) != VK_OK || times(scratch.p, "unchanged") > 1)
        return 6;
    vk_snap all[VK_SNAP_MAX + 1];
    size_t n;
    struct stat st;
    char path[160];
    snprintf(path, sizeof path, "%s/tmp", root);
    return vk_snap_list(rt.data_fd, "demo", all, &n) == VK_OK && n == VK_COUNT(changes) + 3 &&
                   stat(path, &st) == 0 && st.st_nlink == 2
               ? 0
               : 7;
}

static void unchanged(void **state)
{
    VK_UNUSED(state);
    wipe();
    assert_int_equal(in_child(unchanged_child), 0);
    wipe();
}

/* ---- whose work waits for whose */

struct slow {
    vk_job job;
    sem_t go;
    _Atomic bool begun, ended;
};

static void run_slow(vk_job *j)
{
    struct slow *s = VK_CONTAINER(j, struct slow, job);
    s->begun = true;
    while (sem_wait(&s->go) != 0 && errno == EINTR)
        ;
    s->ended = true;
}

static bool comes(_Atomic bool *what)
{
    for (int i = 0; i < 3000 && !atomic_load(what); i++)
        usleep(1000);
    return atomic_load(what);
}

static int side_by_side_child(void)
{
    static struct slow slow[14];
    char why[VK_SNAP_WHY_MAX];
    for (size_t i = 0; i < VK_COUNT(slow); i++) {
        slow[i].job.run = run_slow;
        sem_init(&slow[i].go, 0, 0);
    }
    /* Of one build one thing at a time, and only so many may wait. */
    int taken = 0;
    for (size_t i = 0; i < VK_COUNT(slow); i++)
        taken += vk_db_file_job("hog", &slow[i].job) == VK_OK;
    if (taken >= (int)VK_COUNT(slow) || taken < 4 || !comes(&slow[0].begun))
        return 1;
    usleep(50000);
    if (slow[1].begun)
        return 2;
    /* Another one's snapshot does not wait for that. */
    int64_t begun = vk_clock_mono_ms();
    if (make_data() != 0 || ask(VK_SNAP_RESTORE, "first", "", false, &scratch, why) != VK_OK)
        return 3;
    if (slow[0].ended || vk_clock_mono_ms() - begun > 5000)
        return 4;
    for (int i = 0; i < taken; i++) { /* in order */
        if (!comes(&slow[i].begun) || (i + 1 < taken && slow[i + 1].begun))
            return 5;
        sem_post(&slow[i].go);
        if (!comes(&slow[i].ended))
            return 6;
    }
    return 0;
}

static void side_by_side(void **state)
{
    VK_UNUSED(state);
    wipe();
    assert_int_equal(in_child(side_by_side_child), 0);
    wipe();
}

/* A snapshot whose file was damaged does not become the database. */
static int damaged_child(void)
{
    char why[VK_SNAP_WHY_MAX], answer[64];
    vk_snap all[VK_SNAP_MAX + 1];
    char path[VK_SNAP_PATH];
    size_t n;
    vk_buf_init(&scratch, 1 << 20);
    if (make_data() != 0 || vk_snap_list(rt.data_fd, "demo", all, &n) != VK_OK || n != 1)
        return 1;
    vk_snap_path("demo", &all[0], path);
    int fd = openat(rt.data_fd, path, O_RDWR);
    char noise[4096];
    memset(noise, 0x5a, sizeof noise);
    if (fd < 0 || pwrite(fd, noise, sizeof noise, 4096) != sizeof noise)
        return 2;
    close(fd);
    if (ask(VK_SNAP_RESTORE, "first", "", false, &scratch, why) != VK_E_CORRUPT || !strstr(why, "is damaged"))
        return 3;
    if (!run_sql("SELECT group_concat(v) FROM t", answer, sizeof answer) || strcmp(answer, "new,more") != 0)
        return 4;
    return vk_snap_list(rt.data_fd, "demo", all, &n) == VK_OK && n == 1 ? 0 : 5;
}

static void damaged(void **state)
{
    VK_UNUSED(state);
    wipe();
    assert_int_equal(in_child(damaged_child), 0);
    wipe();
}

/* A statement that does not end by itself is interrupted; one that holds the file without end keeps the
 * restore from happening, and nothing changes. */
static int stuck_child(void)
{
    char why[VK_SNAP_WHY_MAX];
    struct vk_worker_slot none = {0};
    vk_dbh *h;
    const char *what;
    if (make_data() != 0)
        return 1;
    vk_dbt *t = vk_db_hold("demo");
    if (!t || vk_db_get_handle(t, &none, &h, &what) != VK_OK)
        return 2;
    int64_t began = vk_clock_mono_ms();
    if (ask(VK_SNAP_RESTORE, "first", "", false, &scratch, why) != VK_E_BUSY ||
        !strstr(why, "did not come to rest"))
        return 3;
    if (vk_clock_mono_ms() - began > 12000 || t->paused || atomic_load(&t->hurry))
        return 4;
    vk_db_put_handle(h);
    vk_db_let_go(t);
    if (ask(VK_SNAP_RESTORE, "first", "", false, &scratch, why) != VK_OK)
        return 5;
    return 0;
}

static void stuck(void **state)
{
    VK_UNUSED(state);
    wipe();
    assert_int_equal(in_child(stuck_child), 0);
    wipe();
}

static void names(void **state)
{
    VK_UNUSED(state);
    char id[VK_SNAP_ID + 1];
    vk_snap s;
    vk_snap_id(1764040323123, id);
    assert_string_equal(id, "20251125-031203-123");
    assert_true(vk_snap_parse("snapshot.20251125-031203-123.m.a.b-c_d", &s));
    assert_string_equal(s.name, "a.b-c_d");
    assert_false(s.automatic);
    assert_int_equal(s.created_ms, 1764040323123);
    assert_true(vk_snap_parse("snapshot.20251125-031203-123.a.", &s));
    assert_true(s.automatic);
    static const char *const bad[] = {"database.db",
                                      "snapshot.20251125-031203-123.x.a",
                                      "snapshot.20251125-031203-12.m.a",
                                      "snapshot.20251125-031203-123.m",
                                      "snapshot.20251125-031203-123.m..a",
                                      "snapshot.2025112a-031203-123.m.a",
                                      "Snapshot.20251125-031203-123.m.a",
                                      "snapshot.20251125-031203-123.m.a-wal "};
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_false(vk_snap_parse(bad[i], &s));
}

static int set_up(void **state)
{
    static const uint8_t seed[16] = {4};
    const vk_service *all[VK_SERVICES_MAX];
    VK_UNUSED(state);
    vk_services(all);
    service = all[vk_service_index(VK_STR("database"))];
    vk_hash_seed(seed);
    snprintf(root, sizeof root, "/tmp/vk-snapshot-XXXXXX");
    return vk_sqlite_init() == VK_OK && mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    return rmdir(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names),        cmocka_unit_test(killed_at_every_step),
                                       cmocka_unit_test(limits),       cmocka_unit_test(unchanged),
                                       cmocka_unit_test(side_by_side), cmocka_unit_test(damaged),
                                       cmocka_unit_test(stuck)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
