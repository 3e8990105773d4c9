/* The storage library on a process that dies and on a disk that fails. The calls that change files, names or
 * what of them is durable are replaced here and count: a child process ends before the N-th of them, or the
 * N-th fails. For each N: what was acknowledged is there, everything else is old or new, nothing is torn,
 * usage is what a count gives, and after a start no file is left over. (What a power cut may lose besides is
 * the business of tests/powercut.) */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#define RIG_IN_MEMORY
#include "services/storage/embedded/test_objects_rig.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- steps */

typedef enum kind { WRITES = 1, SYNCS = 2, NAMES = 4 } kind;

static struct {
    int die_at, fail_at, step; /* 0: never */
    unsigned kinds;            /* what counts for fail_at */
    bool on;                   /* all from fail_at on fail */
    int err;
    ino_t failed_ino; /* of a blob whose sync failed: never synced again */
    bool synced_again, has_failed;
} fault;

/* True: the call is to fail. */
static bool counts(kind k)
{
    if (fault.die_at && ++fault.step == fault.die_at)
        syscall(SYS_exit_group, 9); /* at once, as kill -9 */
    if (!fault.fail_at || !(fault.kinds & k))
        return false;
    ++fault.step;
    if (fault.step == fault.fail_at || (fault.on && fault.step > fault.fail_at)) {
        fault.has_failed = true;
        errno = fault.err;
        return true;
    }
    return false;
}

static int do_open(int dir, const char *path, int flags, va_list ap)
{
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    if (flags & O_CREAT && counts(NAMES))
        return -1;
    int fd = (int)syscall(SYS_openat, dir, path, flags, mode);
    struct stat st;
    if (flags & O_CREAT && fault.failed_ino && fd >= 0 && fstat(fd, &st) == 0 &&
        st.st_ino == fault.failed_ino)
        fault.failed_ino = 0; /* another file with its number */
    return fd;
}

#define OPEN(name, args, dir)                                                                                \
    int name args;                                                                                           \
    int name args                                                                                            \
    {                                                                                                        \
        va_list ap;                                                                                          \
        va_start(ap, flags);                                                                                 \
        int fd = do_open(dir, path, flags, ap);                                                              \
        va_end(ap);                                                                                          \
        return fd;                                                                                           \
    }
OPEN(open, (const char *path, int flags, ...), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD)
OPEN(openat, (int dir, const char *path, int flags, ...), dir)
OPEN(openat64, (int dir, const char *path, int flags, ...), dir)

ssize_t write(int fd, const void *p, size_t n)
{
    return fd > 2 && counts(WRITES) ? -1 : syscall(SYS_write, fd, p, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    return counts(WRITES) ? -1 : syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    return counts(WRITES) ? -1 : syscall(SYS_pwrite64, fd, p, n, at);
}

int ftruncate(int fd, off_t n)
{
    return counts(WRITES) ? -1 : (int)syscall(SYS_ftruncate, fd, n);
}

int ftruncate64(int fd, off64_t n)
{
    return counts(WRITES) ? -1 : (int)syscall(SYS_ftruncate, fd, n);
}

ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags)
{
    return counts(WRITES) ? -1 : syscall(SYS_copy_file_range, in, in_at, out, out_at, n, flags);
}

static int sync_it(int fd, long nr)
{
    struct stat st;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    bool blob = strstr(path, "/blobs/") && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (blob && st.st_ino == fault.failed_ino)
        fault.synced_again = true;
    if (counts(SYNCS)) {
        if (blob)
            fault.failed_ino = st.st_ino;
        return -1;
    }
    return (int)syscall(nr, fd);
}

int fsync(int fd)
{
    return sync_it(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_it(fd, SYS_fdatasync);
}

int unlinkat(int dir, const char *path, int flags)
{
    return counts(NAMES) ? -1 : (int)syscall(SYS_unlinkat, dir, path, flags);
}

int unlink(const char *path)
{
    return counts(NAMES) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
    return counts(NAMES) ? -1 : (int)syscall(SYS_mkdirat, dir, path, mode);
}

/* ---- what is done, and what is there before and after */

enum { FILE_SIZE = 30000, BIG = VK_OB_PART_LEAST };

/* An object "k" by its size and seed; size -1: there is none. Seed 0: what `complete` makes. */
typedef struct want {
    int64_t size;
    uint32_t seed;
} want;

static vk_ob_err put_file(vk_ob *s)
{
    return rig_put(s, "k", FILE_SIZE, 2);
}

static vk_ob_err put_small(vk_ob *s)
{
    return rig_put(s, "k", 500, 2);
}

static vk_ob_err delete_key(vk_ob *s)
{
    return rig_delete(s, "k");
}

/* The upload of "k", by looking for it. */
static bool one_upload(void *arg, const vk_ob_upload *u, vk_str common)
{
    VK_UNUSED(common);
    if (u)
        memcpy(arg, u->id, 16);
    return true;
}

static vk_ob_err find_upload(vk_ob *s, uint8_t id[16])
{
    bool more;
    memset(id, 0, 16);
    vk_ob_upload_list l = {.prefix = VK_STR("k"), .max = 1, .arg = id, .entry = one_upload};
    return vk_ob_upload_list_open(s, &l, &more);
}

static vk_ob_err put_part(vk_ob *s)
{
    uint8_t id[16];
    vk_ob_err e = find_upload(s, id);
    return e == VK_OB_OK ? rig_part(s, "k", id, 2, 41, 8, NULL) : e;
}

static vk_ob_err complete(vk_ob *s)
{
    uint8_t id[16];
    vk_ob_part parts[2];
    vk_ob_claim claims[2];
    vk_ob_commit c = {.headers = VK_STR_NONE};
    size_t n;
    bool more;
    vk_ob_err e = find_upload(s, id);
    if (e == VK_OB_OK)
        e = vk_ob_upload_parts(s, VK_STR("k"), id, 0, 2, parts, &n, &more);
    if (e != VK_OB_OK || n != 2)
        return e != VK_OB_OK ? e : VK_OB_INVALID;
    for (int i = 0; i < 2; i++) {
        claims[i] = (vk_ob_claim){.number = parts[i].number};
        memcpy(claims[i].md5, parts[i].md5, 16);
    }
    return vk_ob_upload_complete(s, VK_STR("k"), id, claims, 2, &c, NULL);
}

static vk_ob_err abort_upload(vk_ob *s)
{
    uint8_t id[16];
    vk_ob_err e = find_upload(s, id);
    return e == VK_OB_OK ? vk_ob_upload_abort(s, VK_STR("k"), id) : e;
}

static vk_ob_err copy_other(vk_ob *s)
{
    vk_arena *a = vk_arena_new(1 << 16);
    vk_ob_object o;
    vk_ob_reader *r;
    vk_ob_put *p = NULL;
    vk_ob_commit c = {.headers = VK_STR_NONE};
    vk_ob_err e = vk_ob_get(s, a, VK_STR("other"), &o, &r);
    vk_arena_free(a);
    if (e != VK_OB_OK)
        return e;
    e = vk_ob_put_begin(s, VK_STR("k"), o.size, &p);
    if (e == VK_OB_OK && vk_hex_decode(vk_str_z(o.etag), c.md5, 16) == VK_OK)
        e = vk_ob_put_copy(p, r, 0, o.size, NULL, NULL);
    if (e == VK_OB_OK)
        e = vk_ob_put_commit(p, &c, NULL);
    else if (p)
        vk_ob_put_abort(p);
    vk_ob_reader_close(r);
    return e;
}

typedef struct scenario {
    const char *name;
    int64_t old;   /* size of "k" before, with seed 1; -1: none */
    size_t upload; /* bytes of the first part of an open upload of two; 0: there is none */
    vk_ob_err (*act)(vk_ob *s);
    want new;
} scenario;

static const scenario scenarios[] = {
    {"put a file", -1, 0, put_file, {FILE_SIZE, 2}},
    {"put a small one", -1, 0, put_small, {500, 2}},
    {"overwrite a file by a file", 40000, 0, put_file, {FILE_SIZE, 2}},
    {"overwrite a small one by a file", 100, 0, put_file, {FILE_SIZE, 2}},
    {"overwrite a file by a small one", 40000, 0, put_small, {500, 2}},
    {"copy", 40000, 0, copy_other, {20000, 7}},
    {"delete a file", 40000, 0, delete_key, {-1, 0}},
    {"delete a small one", 100, 0, delete_key, {-1, 0}},
    {"replace a part", 40000, 20000, put_part, {40000, 1}},
    {"complete", 40000, BIG, complete, {BIG + 40, 0}},
    {"abort", 40000, 20000, abort_upload, {40000, 1}},
};

static vk_ob_err prepare(vk_ob *s, const scenario *x)
{
    uint8_t id[16];
    vk_ob_err e = rig_put(s, "other", 20000, 7);
    if (e == VK_OB_OK && x->old >= 0)
        e = rig_put(s, "k", (size_t)x->old, 1);
    if (e == VK_OB_OK && x->upload) {
        e = vk_ob_upload_create(s, VK_STR("k"), VK_STR("h"), 0, 0, id);
        if (e == VK_OB_OK)
            e = rig_part(s, "k", id, 1, x->upload, 3, NULL);
        if (e == VK_OB_OK)
            e = rig_part(s, "k", id, 2, 40, 4, NULL);
    }
    return e;
}

static bool is(vk_ob *s, want w)
{
    if (w.size < 0)
        return rig_is(s, "k", 0, 0) == VK_OB_NO_SUCH_KEY;
    if (w.seed)
        return rig_is(s, "k", (size_t)w.size, w.seed) == VK_OB_OK;
    static char bytes[BIG + 40];
    vk_arena *a = vk_arena_new(1 << 16);
    vk_ob_object o;
    vk_ob_reader *r;
    char *got = NULL;
    rig_fill(bytes, BIG, 3);
    rig_fill(bytes + BIG, 40, 4);
    bool same = vk_ob_get(s, a, VK_STR("k"), &o, &r) == VK_OB_OK;
    if (same) {
        same = o.size == w.size && o.parts == 2 && rig_read(r, 0, o.size, &got) == VK_OB_OK &&
               memcmp(got, bytes, sizeof bytes) == 0;
        vk_ob_reader_close(r);
    }
    free(got);
    vk_arena_free(a);
    return same;
}

/* ---- children */

static int in_child(int (*body)(const scenario *x), const scenario *x)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int code = body(x);
        fflush(NULL);
        _exit(code);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status))
        fail_msg("%s: a child ended by signal %d", x->name, WTERMSIG(status));
    return WEXITSTATUS(status);
}

static int make(const scenario *x)
{
    vk_ob *s = rig_open();
    if (!s || prepare(s, x) != VK_OB_OK)
        return 1;
    vk_ob_close(s);
    return 0;
}

static int die_at;

/* 0: it was acknowledged and the process ended after that; 9: it died before. */
static int act_and_die(const scenario *x)
{
    vk_ob *s = make(x) == 0 ? rig_open() : NULL;
    if (!s)
        return 1;
    fault.die_at = die_at;
    vk_ob_err e = x->act(s);
    fault.die_at = 0;
    return e == VK_OB_OK ? 0 : 2;
}

/* 0: old, 10: new. Then the next start is a clean one. */
static int look(const scenario *x)
{
    vk_ob *s = rig_open();
    if (!s)
        return 1;
    if (!rig_consistent(s))
        return 2;
    bool old = is(s, (want){x->old, 1}), new = is(s, x->new);
    if (!old && !new)
        return 3;
    if (rig_is(s, "other", 20000, 7) != VK_OB_OK || rig_put(s, "after", FILE_SIZE, 5) != VK_OB_OK ||
        rig_is(s, "after", FILE_SIZE, 5) != VK_OB_OK)
        return 4;
    vk_ob_close(s);
    s = rig_open();
    if (!s || !rig_consistent(s))
        return 5;
    vk_ob_close(s);
    return new ? 10 : 0;
}

static void killed_at_every_step(void **state)
{
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(scenarios); i++) {
        const scenario *x = &scenarios[i];
        int steps = 0, olds = 0, news = 0;
        for (bool acknowledged = false; !acknowledged; steps++) {
            rig_make();
            die_at = steps + 1;
            int code = in_child(act_and_die, x);
            if (code != 0 && code != 9)
                fail_msg("%s, killed before step %d: the child says %d", x->name, die_at, code);
            acknowledged = code == 0;
            int seen = in_child(look, x);
            if (seen != 0 && seen != 10)
                fail_msg("%s, killed before step %d: the look says %d", x->name, die_at, seen);
            if (acknowledged && seen != 10)
                fail_msg("%s: it was acknowledged and is not there", x->name);
            olds += seen == 0;
            news += seen == 10;
            rig_unmake();
            assert_true(steps < 200);
        }
        print_message("%s: %d steps, %d times the old, %d the new\n", x->name, steps - 1, olds, news);
        assert_true(steps > 3 && news > 0);
    }
}

/* The very first open, which makes folders and schema. */
static int open_and_die(const scenario *x)
{
    VK_UNUSED(x);
    fault.die_at = die_at;
    vk_ob *s = rig_open();
    fault.die_at = 0;
    return s ? 0 : 1;
}

static void killed_while_it_is_made(void **state)
{
    VK_UNUSED(state);
    static const scenario none = {.name = "open", .old = -1, .new = {-1, 0}};
    int steps = 0;
    for (bool done = false; !done; steps++) {
        rig_make();
        die_at = steps + 1;
        int code = in_child(open_and_die, &none);
        assert_true(code == 0 || code == 9);
        done = code == 0;
        assert_int_equal(in_child(make, &none), 0);
        assert_int_equal(in_child(look, &none), 10);
        rig_unmake();
    }
    assert_true(steps > 8);
}

/* ---- a disk that fails */

static int fail_at;

/* The N-th call fails, once or from then on. In the same process: what is read is old, or new when it was
 * acknowledged; when the disk is well again writing goes on. 0: there was no N-th call. */
static int act_and_fail(const scenario *x)
{
    vk_ob *s = make(x) == 0 ? rig_open() : NULL;
    if (!s)
        return 1;
    fault.step = 0;
    fault.fail_at = fail_at;
    vk_ob_err e = x->act(s);
    bool failed = fault.has_failed;
    if (e != VK_OB_OK && e != VK_OB_IO && e != VK_OB_DISK_FULL)
        return 2;
    if (fault.err == ENOSPC && e == VK_OB_IO && !fault.on && !(fault.kinds & NAMES))
        return 3; /* a full disk is to be called that */
    if (!failed && e != VK_OB_OK)
        return 4;
    /* Reading goes on, whatever the disk does to writers. */
    want now = e == VK_OB_OK ? x->new : (want){x->old, 1};
    if (!is(s, now) || rig_is(s, "other", 20000, 7) != VK_OB_OK)
        return 5;
    fault.fail_at = 0;
    if (rig_put(s, "later", FILE_SIZE, 6) != VK_OB_OK || rig_is(s, "later", FILE_SIZE, 6) != VK_OB_OK)
        return 6;
    if (rig_delete(s, "later") != VK_OB_OK || !is(s, now))
        return 7;
    int64_t removed;
    if (vk_ob_sweep(s, &removed) != VK_OB_OK || !rig_consistent(s))
        return 8;
    if (fault.synced_again)
        return 9;
    vk_ob_close(s);
    return failed ? 100 : 0;
}

static void fails_at_every_step(unsigned kinds, int err, bool on)
{
    for (size_t i = 0; i < VK_COUNT(scenarios); i++) {
        const scenario *x = &scenarios[i];
        int n = 1;
        for (;; n++) {
            memset(&fault, 0, sizeof fault);
            rig_make();
            fault.kinds = kinds;
            fault.err = err;
            fault.on = on;
            fail_at = n;
            int code = in_child(act_and_fail, x);
            memset(&fault, 0, sizeof fault);
            if (code != 0 && code != 100)
                fail_msg("%s, call %d of kinds %u fails with %d%s: the child says %d", x->name, n, kinds, err,
                         on ? " and so do all after it" : "", code);
            int seen = in_child(look, x);
            if (seen != 0 && seen != 10)
                fail_msg("%s, call %d of kinds %u failed with %d: the look says %d", x->name, n, kinds, err,
                         seen);
            rig_unmake();
            assert_true(n < 200);
            if (code == 0)
                break;
        }
    }
}

static void sync_fails(void **state)
{
    VK_UNUSED(state);
    fails_at_every_step(SYNCS, EIO, false);
    fails_at_every_step(SYNCS, EIO, true);
}

static void disk_is_full(void **state)
{
    VK_UNUSED(state);
    fails_at_every_step(WRITES, ENOSPC, false);
    fails_at_every_step(WRITES | NAMES, ENOSPC, true);
}

/* A sync of the index fails, and the process is killed before another transaction: the log may have it or
 * not. */
static int fail_and_die(const scenario *x)
{
    vk_ob *s = make(x) == 0 ? rig_open() : NULL;
    if (!s)
        return 1;
    fault.step = 0;
    fault.fail_at = fail_at;
    vk_ob_err e = x->act(s);
    return !fault.has_failed ? 0 : e == VK_OB_OK ? 11 : 9;
}

static void sync_fails_and_it_is_killed(void **state)
{
    VK_UNUSED(state);
    int news = 0;
    for (size_t i = 0; i < VK_COUNT(scenarios); i++) {
        const scenario *x = &scenarios[i];
        int code = 9;
        for (int n = 1; code != 0; n++) {
            rig_make();
            memset(&fault, 0, sizeof fault);
            fault.kinds = SYNCS;
            fault.err = EIO;
            fail_at = n;
            code = in_child(fail_and_die, x);
            memset(&fault, 0, sizeof fault);
            int seen = in_child(look, x);
            if ((code != 0 && code != 9 && code != 11) || (seen != 0 && seen != 10) ||
                (code != 9 && seen != 10))
                fail_msg("%s, sync %d failed: the child says %d, the look %d", x->name, n, code, seen);
            news += code == 9 && seen == 10 && x->new.size != x->old;
            rig_unmake();
        }
    }
    assert_true(news > 0); /* or this proves nothing: a failed transaction was found done */
}

/* ---- what the kernel says once */

/* A put with a file, in that folder of blobs/ (a bit). */
static vk_ob_put *put_in(vk_ob *s, const char *key, unsigned folder)
{
    static const char bytes[VK_OB_INLINE_MAX + 1];
    for (int i = 0; i < 2000; i++) {
        vk_ob_put *p;
        assert_int_equal(vk_ob_put_begin(s, vk_str_z(key), sizeof bytes, &p), VK_OB_OK);
        assert_int_equal(vk_ob_put_write(p, (vk_str){bytes, sizeof bytes}), VK_OB_OK);
        const vk_ob_live *newest = VK_CONTAINER(s->live.prev, vk_ob_live, node);
        if (vk_ob_folder(newest->blob) & folder)
            return p;
        vk_ob_put_abort(p);
    }
    fail_msg("no file came into the folder");
    return NULL;
}

/* The sync of a folder fails: of what has got its name by then no later sync can say that it is safe. */
static void folder_sync_fails(void **state)
{
    VK_UNUSED(state);
    vk_ob_commit c = {.headers = VK_STR_NONE};
    rig_make();
    vk_ob *s = rig_open();
    vk_ob_put *one = put_in(s, "one", ~0U);
    unsigned folder = vk_ob_folder(VK_CONTAINER(s->live.prev, vk_ob_live, node)->blob);
    vk_ob_put *two = put_in(s, "two", folder), *three = put_in(s, "three", ~folder);
    memset(&fault, 0, sizeof fault);
    fault.kinds = SYNCS;
    fault.err = EIO;
    fault.fail_at = 2; /* after the file's own */
    assert_int_equal(vk_ob_put_commit(one, &c, NULL), VK_OB_IO);
    assert_true(fault.has_failed);
    memset(&fault, 0, sizeof fault);
    assert_int_equal(vk_ob_put_commit(two, &c, NULL), VK_OB_IO);
    assert_int_equal(vk_ob_put_commit(three, &c, NULL), VK_OB_OK);
    assert_int_equal(vk_ob_put_commit(put_in(s, "four", folder), &c, NULL), VK_OB_OK);
    assert_true(rig_consistent(s));
    vk_ob_close(s);
    rig_unmake();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_every_step),
        cmocka_unit_test(killed_while_it_is_made),
        cmocka_unit_test(sync_fails),
        cmocka_unit_test(disk_is_full),
        cmocka_unit_test(sync_fails_and_it_is_killed),
        cmocka_unit_test(folder_sync_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
