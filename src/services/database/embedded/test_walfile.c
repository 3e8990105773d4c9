/* How builds' files are opened: what is on the disk, whose descriptors are open, how many there may be. */
#include "services/database/embedded/db.h"

#include "core/disk.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static vk_runtime rt;
static vk_dbt *tenant;
static char root[64];
static vk_dbh *h;

/* ---- syncs: those of libc are these */

static int folder_syncs;
static _Atomic int syncs_to_fail; /* of plain files */

int fdatasync(int fd)
{
    if (atomic_load(&syncs_to_fail) && atomic_fetch_sub(&syncs_to_fail, 1) > 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    struct stat st;
    folder_syncs += fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    return (int)syscall(SYS_fsync, fd);
}

static int set_up(void **state)
{
    static const uint8_t seed[16] = {4};
    const char *why;
    VK_UNUSED(state);
    snprintf(root, sizeof root, "/tmp/vk-walfile-XXXXXX");
    assert_non_null(mkdtemp(root));
    vk_hash_seed(seed);
    snprintf(rt.data_dir, sizeof rt.data_dir, "%s", root);
    rt.data_fd = open(root, O_RDONLY | O_DIRECTORY);
    vk_db = (struct vk_db){.rt = &rt};
    pthread_mutex_init(&vk_db.mu, NULL);
    tenant = calloc(1, sizeof *tenant);
    assert_non_null(tenant);
    pthread_mutex_init(&tenant->first, NULL);
    vk_list_init(&tenant->waiting_sync);
    snprintf(tenant->id, sizeof tenant->id, "b");
    assert_int_equal(vk_sqlite_init(), VK_OK);
    assert_int_equal(vk_walfile_start(), VK_OK);
    assert_int_equal(vk_dbh_open(tenant, &h, &why), VK_OK);
    return 0;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_dbh_close(h);
    assert_int_equal(vk_db.wal_files, 0);
    assert_int_equal(vk_disk_remove_dir(rt.data_fd, "builds/b"), VK_OK);
    assert_int_equal(unlinkat(rt.data_fd, "builds", AT_REMOVEDIR), 0);
    close(rt.data_fd);
    assert_int_equal(rmdir(root), 0);
    free(tenant);
    return 0;
}

static int run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

static int64_t size_of(const char *name)
{
    struct stat st;
    return fstatat(rt.data_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : -1;
}

/* Descriptors of this process whose file has a name that ends so. */
static int open_files(const char *end)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++) {
        char link[64], to[PATH_MAX];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t got = readlink(link, to, sizeof to - 1);
        to[got > 0 ? got : 0] = '\0';
        n += got > 0 && (size_t)got > strlen(end) && strcmp(to + got - strlen(end), end) == 0;
    }
    return n;
}

/* Another process would not know which commits are on stable storage. First, because the copy of the next
 * test closes a descriptor of the file, with which its locks end. */
static void keeps_other_processes_out(void **state)
{
    int status;
    VK_UNUSED(state);
    pid_t child = fork();
    if (child == 0) { /* it has no lock of ours; where SQLite's readers take theirs: PENDING_BYTE + 2 */
        struct flock lock = {.l_type = F_RDLCK, .l_start = 0x40000002, .l_len = 510};
        int fd = openat(rt.data_fd, "builds/b/database.db", O_RDWR);
        _exit(fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK && lock.l_pid == getppid()
                  ? 0
                  : 1);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void grows_by_steps(void **state)
{
    sqlite3 *copy;
    char path[128];
    VK_UNUSED(state);
    assert_int_equal(run(h->db, "CREATE TABLE t (a)"), SQLITE_OK);
    assert_int_equal(size_of("builds/b/database.db-wal"), VK_DB_WAL_STEP);
    for (int i = 0; i < 40; i++) /* two pages or so each */
        assert_int_equal(run(h->db, "INSERT INTO t VALUES (randomblob(5000))"), SQLITE_OK);
    assert_true(size_of("builds/b/database.db-wal") > 5 * VK_DB_WAL_STEP);
    assert_int_equal(size_of("builds/b/database.db-wal") % VK_DB_WAL_STEP, 0);
    assert_true(vk_sync_wal(h->db));
    /* What a killed process leaves is read back, by SQLite as it is too: zeros end it. */
    assert_int_equal(vk_disk_copy(rt.data_fd, "builds/b/database.db", "copy.db", 0600), VK_OK);
    assert_int_equal(vk_disk_copy(rt.data_fd, "builds/b/database.db-wal", "copy.db-wal", 0600), VK_OK);
    snprintf(path, sizeof path, "%s/copy.db", root);
    assert_int_equal(sqlite3_open(path, &copy), SQLITE_OK);
    assert_int_equal(number(copy, "SELECT count(*) FROM t WHERE length(a) = 5000"), 40);
    sqlite3_close(copy);
    unlinkat(rt.data_fd, "copy.db", 0);
    unlinkat(rt.data_fd, "copy.db-wal", 0);
    unlinkat(rt.data_fd, "copy.db-shm", 0);
}

static void gives_its_descriptor_back(void **state)
{
    VK_UNUSED(state);
    vk_db.wal_files_max = 1;
    vk_walfile_rest(h->db, false);
    assert_int_equal(open_files("database.db-wal"), 1); /* there is room */
    assert_int_equal(vk_db.wal_files, 1);
    vk_db.wal_files_max = 0;
    assert_int_equal(run(h->db, "DELETE FROM t; INSERT INTO t VALUES (1)"), SQLITE_OK);
    vk_walfile_rest(h->db, false);
    assert_int_equal(open_files("database.db-wal"), 1); /* not before it is stored */
    assert_true(vk_sync_wal(h->db));
    vk_walfile_rest(h->db, false);
    assert_int_equal(open_files("database.db-wal"), 0);
    assert_int_equal(open_files("database.db-shm"), 0);
    assert_int_equal(open_files("database.db"), 1);
    assert_int_equal(vk_db.wal_files, 0);
    assert_int_equal(number(h->db, "SELECT a FROM t"), 1); /* of memory, or with another one */
    assert_int_equal(run(h->db, "INSERT INTO t VALUES (2)"), SQLITE_OK);
    assert_int_equal(open_files("database.db-wal"), 1);
    assert_int_equal(number(h->db, "SELECT sum(a) FROM t"), 3);
    assert_true(vk_sync_wal(h->db));
}

static void two_connections_share_it(void **state)
{
    vk_dbh *other;
    const char *why;
    VK_UNUSED(state);
    assert_int_equal(vk_dbh_open(tenant, &other, &why), VK_OK);
    vk_walfile_rest(h->db, false);
    assert_int_equal(run(other->db, "INSERT INTO t VALUES (4)"), SQLITE_OK);
    assert_int_equal(number(h->db, "SELECT sum(a) FROM t"), 7);
    vk_dbh_close(other);
    assert_int_equal(run(h->db, "INSERT INTO t VALUES (8)"), SQLITE_OK);
    assert_int_equal(number(h->db, "SELECT sum(a) FROM t"), 15);
    assert_true(vk_sync_wal(h->db));
}

/* A file that has come to the name meanwhile is not taken for the one that was left. */
static void another_file_is_refused(void **state)
{
    static const char name[] = "builds/b/database.db-wal", away[] = "builds/b/away";
    VK_UNUSED(state);
    vk_walfile_rest(h->db, false);
    assert_int_equal(open_files("database.db-wal"), 0);
    assert_int_equal(renameat(rt.data_fd, name, rt.data_fd, away), 0);
    assert_int_equal(run(h->db, "INSERT INTO t VALUES (16)") & 0xff, SQLITE_IOERR); /* none */
    assert_int_equal(vk_disk_copy(rt.data_fd, away, name, 0600), VK_OK);
    assert_int_equal(run(h->db, "INSERT INTO t VALUES (16)") & 0xff, SQLITE_IOERR); /* another one */
    assert_int_equal(renameat(rt.data_fd, away, rt.data_fd, name), 0);
    assert_int_equal(run(h->db, "INSERT INTO t VALUES (16)"), SQLITE_OK);
    assert_int_equal(number(h->db, "SELECT sum(a) FROM t"), 31);
}

/* ---- what a sync answers for */

/* Another build, whose first connection has come and gone. */
static vk_dbt *next_tenant(const char *id)
{
    const char *why;
    vk_dbh *first;
    vk_dbt *t = calloc(1, sizeof *t);
    assert_non_null(t);
    pthread_mutex_init(&t->first, NULL);
    vk_list_init(&t->waiting_sync);
    snprintf(t->id, sizeof t->id, "%s", id);
    assert_int_equal(vk_dbh_open(t, &first, &why), VK_OK);
    assert_int_equal(run(first->db, "CREATE TABLE t (a)"), SQLITE_OK);
    vk_dbh_close(first);
    return t;
}

static void drop_tenant(vk_dbt *t)
{
    char path[16 + VK_BUILD_ID_MAX];
    snprintf(path, sizeof path, "builds/%s", t->id);
    assert_int_equal(vk_disk_remove_dir(rt.data_fd, path), VK_OK);
    free(t);
}

/* One connection makes the file, another one is the first to write and to sync: its name must be on stable
 * storage then. */
static void whoever_syncs_first_stores_the_name(void **state)
{
    const char *why;
    vk_dbh *makes, *writes;
    VK_UNUSED(state);
    vk_dbt *t = next_tenant("c");
    assert_int_equal(size_of("builds/c/database.db-wal"), -1);
    folder_syncs = 0;
    assert_int_equal(vk_dbh_open(t, &makes, &why), VK_OK);
    assert_int_equal(size_of("builds/c/database.db-wal"), 0);
    assert_int_equal(vk_dbh_open(t, &writes, &why), VK_OK);
    assert_int_equal(run(writes->db, "INSERT INTO t VALUES (1)"), SQLITE_OK);
    assert_true(vk_sync_wal(writes->db));
    assert_true(folder_syncs >= 1);
    vk_dbh_close(makes);
    vk_dbh_close(writes);
    drop_tenant(t);
}

/* The kernel tells a descriptor of an error once, and others, if they are opened later, not at all: a sync of
 * SQLite's own that failed must not be followed by one of ours that succeeds over the loss. */
static void a_sync_that_failed_is_not_made_good(void **state)
{
    const char *why;
    vk_dbh *a, *b;
    VK_UNUSED(state);
    vk_dbt *t = next_tenant("f");
    assert_int_equal(vk_dbh_open(t, &a, &why), VK_OK);
    assert_int_equal(run(a->db, "INSERT INTO t VALUES (1)"), SQLITE_OK);
    atomic_store(&syncs_to_fail, 1);
    assert_int_equal(run(a->db, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 1100)"
                                " INSERT INTO t SELECT randomblob(4000) FROM c"),
                     SQLITE_OK); /* with a checkpoint, whose sync fails */
    assert_int_equal(atomic_load(&syncs_to_fail), 0);
    assert_false(vk_sync_wal(a->db));
    assert_int_equal(vk_dbh_open(t, &b, &why), VK_OK);
    assert_int_equal(number(b->db, "SELECT count(*) FROM t"), 1101);
    assert_false(vk_sync_wal(b->db));
    assert_false(vk_sync_wal(a->db));
    atomic_store(&t->broken, true); /* as the driver would */
    vk_dbh_close(a);
    vk_dbh_close(b);
    assert_true(size_of("builds/f/database.db-wal") > 0);
    drop_tenant(t);
    /* A new file that happens to be the same inode is another one. */
    for (int i = 0; i < 8; i++) {
        t = next_tenant("f");
        assert_int_equal(vk_dbh_open(t, &a, &why), VK_OK);
        assert_int_equal(run(a->db, "INSERT INTO t VALUES (1)"), SQLITE_OK);
        assert_true(vk_sync_wal(a->db));
        vk_dbh_close(a);
        drop_tenant(t);
    }
}

static void *sync_it(void *arg)
{
    return vk_sync_wal(arg) ? arg : NULL;
}

/* No descriptor is free for a moment: that is no failed sync, with which the build would end. */
static void a_sync_waits_for_a_descriptor(void **state)
{
    struct rlimit was, none;
    pthread_t thread;
    void *got;
    VK_UNUSED(state);
    assert_true(vk_sync_wal(h->db));
    vk_walfile_rest(h->db, false);
    assert_int_equal(open_files("database.db-wal"), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    none = was;
    none.rlim_cur = 3;
    assert_int_equal(pthread_create(&thread, NULL, sync_it, h->db), 0);
    assert_int_equal(pthread_join(thread, &got), 0); /* its stack and libraries are there now */
    assert_ptr_equal(got, h->db);
    vk_walfile_rest(h->db, false);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(pthread_create(&thread, NULL, sync_it, h->db), 0);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_int_equal(pthread_join(thread, &got), 0);
    assert_ptr_equal(got, h->db);
}

/* What a loop has read with is not another descriptor for as long as it is idle. */
static void loops_give_it_back(void **state)
{
    VK_UNUSED(state);
    vk_list_init(&tenant->idle);
    assert_true(vk_sync_wal(h->db));
    assert_int_equal(open_files("database.db-wal"), 1);
    h->warm = true;
    vk_db_put_warm(h);
    assert_ptr_equal(atomic_exchange(&tenant->warm, NULL), h);
    h->warm = false;
    assert_int_equal(open_files("database.db-wal"), 0);
}

/* However long somebody reads, a build does not fill the disk with what is written meanwhile. */
static void has_a_largest_size(void **state)
{
    sqlite3_file *f = NULL;
    VK_UNUSED(state);
    assert_int_equal(sqlite3_file_control(h->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f), SQLITE_OK);
    assert_int_equal(f->pMethods->xWrite(f, "0123456789", 10, VK_DB_WAL_MAX - 9), SQLITE_FULL);
    assert_true(size_of("builds/b/database.db-wal") < VK_DB_WAL_MAX / 2);
    assert_int_equal(run(h->db, "INSERT INTO t VALUES (1)"), SQLITE_OK);
    assert_true(vk_sync_wal(h->db));
}

/* A connection that nobody uses keeps its page cache only while there is memory for all of them. */
static void idle_ones_give_memory_back(void **state)
{
    VK_UNUSED(state);
    vk_sqlite_memory_begin(INT64_MAX, NULL);
    assert_int_equal(run(h->db, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 400)"
                                " INSERT INTO t SELECT randomblob(4000) FROM c"),
                     SQLITE_OK);
    vk_db_heap_taken(h, vk_sqlite_memory_end());
    assert_true(vk_sync_wal(h->db));
    assert_true(h->heap > 1 << 20);
    vk_db_keep_handle(h);
    assert_true(h->heap > 1 << 20);
    int64_t all = atomic_exchange(&vk_db.heap, VK_DB_HEAP_IDLE + 1);
    vk_db_keep_handle(h);
    assert_true(h->heap <= VK_DB_HEAP_IDLE_ONE);
    assert_false(h->dirty);
    /* What it cannot give back is not kept idle: a loop leaves it to be closed. */
    atomic_store(&vk_db.heap, VK_DB_HEAP_IDLE + 1);
    h->heap += 1 << 20;
    h->kept = false;
    h->warm = true;
    vk_list_init(&tenant->idle);
    vk_db_put_warm(h);
    assert_null(atomic_load(&tenant->warm));
    assert_true(h->dirty);
    vk_db_take_idle(h);
    h->dirty = false;
    h->heap -= 1 << 20;
    atomic_store(&vk_db.heap, all);
    atomic_store(&vk_db.kept, 0);
}

/* What a request of a stream may take, when all others have taken everything: in all, not each time. */
static void a_stream_has_its_least(void **state)
{
    VK_UNUSED(state);
    int64_t all = atomic_exchange(&vk_db.heap, VK_DB_HEAP_ALL), was = h->heap;
    h->heap_was = h->heap;
    assert_int_equal(vk_db_heap_left(h), VK_DB_HEAP_LEAST);
    h->heap += 3 << 20;
    assert_int_equal(vk_db_heap_left(h), 1 << 20);
    h->heap += 3 << 20;
    assert_int_equal(vk_db_heap_left(h), 0);
    atomic_store(&vk_db.heap, 0);
    h->heap = was;
    assert_true(vk_db_heap_left(h) > VK_DB_HEAP_CONNECTION / 2);
    atomic_store(&vk_db.heap, all);
}

/* VACUUM has no commit hook, and is a commit. */
static void a_vacuum_is_waited_for(void **state)
{
    VK_UNUSED(state);
    uint64_t before = vk_sync_seen(tenant);
    assert_int_equal(run(h->db, "VACUUM"), SQLITE_OK);
    vk_sync_settle(h);
    assert_int_equal(vk_sync_seen(tenant), before + 1);
    assert_false(vk_sync_durable(tenant));
    assert_true(vk_sync_wal(h->db));
}

static void room(void **state)
{
    static const struct {
        uint64_t files, memory;
        uint32_t most, handles;
    } cases[] = {
        {20000, 24ull << 30, VK_DB_HANDLES_MAX, 10417}, /* five eighths, and of these five sixths */
        {4096, 24ull << 30, VK_DB_HANDLES_MAX, 2134},
        {1048576, 24ull << 30, VK_DB_HANDLES_MAX, 16384},
        {UINT64_MAX, 24ull << 30, VK_DB_HANDLES_MAX, 16384}, /* no limit */
        {20000, 512 << 20, VK_DB_HANDLES_MAX, 1170},         /* a quarter of the memory */
        {64, 16 << 20, VK_DB_HANDLES_MAX, VK_DB_HANDLES_LEAST},
        {20000, 24ull << 30, 1000, 1000}, /* as it was set */
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        vk_db_room(cases[i].files, cases[i].memory, cases[i].most);
        assert_int_equal(vk_db.handles_max, cases[i].handles);
        assert_in_range(vk_db.wal_files_max, 1, vk_db.handles_max);
        if (cases[i].files >= 1000)
            assert_true(vk_db.handles_max + vk_db.wal_files_max <= cases[i].files / 8 * 5);
    }
}

static intptr_t away(const vk_hot *hot, uint32_t i)
{
    return hot->line[i];
}

static intptr_t away_from(const vk_hot *hot, const char *p)
{
    return (intptr_t)((uintptr_t)p / VK_HOT_LINE) - (intptr_t)((uintptr_t)hot / VK_HOT_LINE);
}

/* Lines of 64 bytes: all of what is small, of pages both ends, of what is large the beginning. */
static void what_is_fetched(void **state)
{
    /* In one piece, because a distance does not hold more than 128 GiB. */
    char *all = aligned_alloc(64, 65536), *small = all, *page = all + 8192, *index = all + 16384,
         *between = all + 53248;
    assert_non_null(all);
    vk_sqlite_notes notes = {.n = 4, .at = {small, page, index, between}, .size = {200, 4400, 32768, 3000}};
    vk_hot *hot = NULL;
    VK_UNUSED(state);
    vk_hot_fetch(NULL);
    vk_hot_add(&hot, NULL, 4);
    assert_null(hot);
    hot = memset(all + 57344, 0, sizeof *hot);
    vk_hot_add(&hot, &notes, 1);
    assert_int_equal(hot->n, 4);
    vk_hot_add(&hot, &notes, 4);
    assert_int_equal(hot->n, 4 + 4 + 5 + 5 + 5);
    assert_int_equal(away(hot, 4), away_from(hot, small));
    assert_int_equal(away(hot, 8), away_from(hot, page));
    assert_int_equal(away(hot, 13), away_from(hot, page + 4096));
    assert_int_equal(away(hot, 18), away_from(hot, index));
    for (int i = 0; i < 100; i++)
        vk_hot_add(&hot, &notes, 4);
    assert_int_equal(hot->n, VK_HOT_LINES);
    vk_hot_fetch(hot);
    free(all);
    hot = NULL;
    notes.n = 0;
    vk_hot_add(&hot, &notes, 1);
    assert_int_equal(hot->n, 0);
    free(hot);
    /* What SQLite gives back at once is not noted. */
    assert_null(vk_sqlite_notes_end());
    vk_sqlite_notes_begin();
    void *kept = sqlite3_malloc(100), *gone = sqlite3_malloc(200);
    sqlite3_free(gone);
    kept = sqlite3_realloc(kept, 5000);
    const vk_sqlite_notes *got = vk_sqlite_notes_end();
    assert_non_null(got);
    assert_int_equal(got->n, 1);
    assert_ptr_equal(got->at[0], kept);
    assert_true(got->size[0] >= 5000);
    sqlite3_free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_other_processes_out),
        cmocka_unit_test(grows_by_steps),
        cmocka_unit_test(gives_its_descriptor_back),
        cmocka_unit_test(two_connections_share_it),
        cmocka_unit_test(another_file_is_refused),
        cmocka_unit_test(whoever_syncs_first_stores_the_name),
        cmocka_unit_test(a_sync_that_failed_is_not_made_good),
        cmocka_unit_test(a_sync_waits_for_a_descriptor),
        cmocka_unit_test(loops_give_it_back),
        cmocka_unit_test(has_a_largest_size),
        cmocka_unit_test(idle_ones_give_memory_back),
        cmocka_unit_test(a_stream_has_its_least),
        cmocka_unit_test(a_vacuum_is_waited_for),
        cmocka_unit_test(room),
        cmocka_unit_test(what_is_fetched),
    };
    return cmocka_run_group_tests_name("walfile", tests, set_up, tear_down);
}
