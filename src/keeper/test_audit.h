/* For tests of the audit log: a folder, a log in it, disks that fail when they are told to, and a loop that
 * runs until what was asked has been answered. */
#ifndef VK_TEST_AUDIT_H
#define VK_TEST_AUDIT_H

#include "core/clock.h"
#include "core/test_folder.h"
#include "keeper/audit_key.h"
#include "keeper/audit_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the disk: these take the place of libc's for the whole program */

static _Atomic int sync_errno, write_errno, allocate_errno; /* 0: works */
static _Atomic int write_part;   /* so many bytes of a write that fails get there */
static _Atomic int sync_wait_ms; /* a slow disk */
static _Atomic int n_syncs;
static _Atomic unsigned long bad_ino; /* 0: all files; else only that one fails */

static bool hits(int fd)
{
    struct stat st;
    return atomic_load(&bad_ino) == 0 || (fstat(fd, &st) == 0 && st.st_ino == atomic_load(&bad_ino));
}

int fdatasync(int fd)
{
    int ms = atomic_load(&sync_wait_ms);
    struct timespec wait = {ms / 1000, (long)(ms % 1000) * 1000000};
    atomic_fetch_add(&n_syncs, 1);
    if (ms)
        nanosleep(&wait, NULL);
    if (atomic_load(&sync_errno) && hits(fd)) {
        errno = atomic_load(&sync_errno);
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

ssize_t write(int fd, const void *p, size_t n)
{
    int e = fd > 2 ? atomic_load(&write_errno) : 0;
    struct stat st;
    if (!e || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !hits(fd))
        return syscall(SYS_write, fd, p, n);
    int part = atomic_load(&write_part);
    if (part > 0 && (size_t)part < n) {
        atomic_store(&write_part, 0);
        return syscall(SYS_write, fd, p, (size_t)part);
    }
    errno = e;
    return -1;
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
    int e = atomic_load(&allocate_errno);
    if (!e)
        return (int)syscall(SYS_fallocate, fd, mode, at, n);
    errno = e;
    return -1;
}

static inline void disk_works(void)
{
    atomic_store(&sync_errno, 0);
    atomic_store(&write_errno, 0);
    atomic_store(&allocate_errno, 0);
    atomic_store(&write_part, 0);
    atomic_store(&sync_wait_ms, 0);
    atomic_store(&bad_ino, 0);
}

/* ---- a log */

static const uint8_t seed[32] = "not a secret, made for this test";

typedef struct logged {
    char path[64], sink[96];
    int data_fd;
    vk_loop *loop;
    vk_audit *a;
    vk_audit_place at;
    size_t due; /* answers that are waited for */
    vk_err last;
    uint64_t seq, seqs;
    char why[VK_AUDIT_WHY];
    /* what the check found */
    vk_audit_check check;
    char found[8192];
    uint64_t wrong_seq;
    char kinds[4096]; /* of all records, a letter each */
} logged;

static inline int set_up(void **state)
{
    logged *l = calloc(1, sizeof *l);
    if (!l)
        abort(); /* which compilers know to be an end, also with sanitizers */
    disk_works();
    snprintf(l->path, sizeof l->path, "/tmp/vk-test-audit-XXXXXX");
    assert_true(folder_make(l->path));
    snprintf(l->sink, sizeof l->sink, "%s/checkpoints", l->path);
    l->data_fd = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(l->data_fd >= 0);
    assert_int_equal(vk_loop_new(&l->loop), VK_OK);
    l->at = (vk_audit_place){.data_fd = l->data_fd,
                             .dir_fd = -1,
                             .loop = l->loop,
                             .sync = true,
                             .key = seed,
                             .retry_ms = 20,
                             .reserve_bytes = 64 * 1024};
    *state = l;
    return 0;
}

static inline void begin_log_of(logged *l, bool threads)
{
    vk_err e = vk_audit_prepare(&l->at, &l->a, l->why);
    if (e != VK_OK)
        print_error("%s: %s\n", vk_err_name(e), l->why);
    assert_int_equal(e, VK_OK);
    if (threads)
        assert_int_equal(vk_audit_start(l->a), VK_OK);
}

static inline void end_log(logged *l)
{
    vk_audit_end(l->a);
    l->a = NULL;
}

static inline int tear_down(void **state)
{
    logged *l = *state;
    disk_works();
    vk_clock_offset(0);
    end_log(l);
    vk_loop_free(l->loop);
    close(l->data_fd);
    assert_int_equal(folder_remove(l->path), 0);
    free(l);
    return 0;
}

static inline void answered(vk_audit_entry *e, vk_err err)
{
    logged *l = e->arg;
    l->last = err;
    l->seq = e->seq;
    if (err == VK_OK)
        l->seqs = e->seq > l->seqs ? e->seq : 0; /* numbers rise in the order of the calls */
    if (--l->due == 0)
        vk_loop_stop(l->loop);
}

static inline void run(logged *l)
{
    if (!l->due)
        return;
    atomic_store(&l->loop->stopping, false);
    vk_loop_run(l->loop);
    assert_int_equal(l->due, 0);
}

static inline vk_audit_entry intent_of(logged *l)
{
    vk_audit_entry e = {.kind = VK_AUDIT_INTENT, .rec_version = 3, .durable = answered, .arg = l};
    snprintf(e.build, sizeof e.build, "shop");
    snprintf(e.service, sizeof e.service, "payments");
    snprintf(e.actor, sizeof e.actor, "key s 3fa90c11");
    snprintf(e.op, sizeof e.op, "customers.create");
    snprintf(e.host, sizeof e.host, "api.stripe.com");
    memcpy(e.key_ref, "\1\2\3\4\5\6\7\10", 8);
    return e;
}

/* One use up to the answer about its intent. */
static inline vk_err use(logged *l)
{
    vk_audit_entry e = intent_of(l);
    vk_err err = vk_audit_write(l->a, &e);
    if (err != VK_OK)
        return err;
    l->due++;
    run(l);
    return l->last;
}

static inline vk_err outcome(logged *l, uint64_t of)
{
    vk_audit_entry e = {.kind = VK_AUDIT_OUTCOME, .of = of, .result = 200, .sent = 10, .received = 20};
    snprintf(e.upstream_id, sizeof e.upstream_id, "req_\x01 1");
    return vk_audit_write(l->a, &e);
}

static inline vk_err change(logged *l, const char *op, const char *build, uint64_t version)
{
    vk_audit_entry e = {.kind = VK_AUDIT_CHANGE, .rec_version = version, .durable = answered, .arg = l};
    snprintf(e.op, sizeof e.op, "%s", op);
    snprintf(e.build, sizeof e.build, "%s", build);
    snprintf(e.actor, sizeof e.actor, "admin");
    vk_err err = vk_audit_write(l->a, &e);
    if (err != VK_OK)
        return err;
    l->due++;
    run(l);
    return l->last;
}

static inline void use_and_answer(logged *l)
{
    assert_int_equal(use(l), VK_OK);
    assert_int_equal(outcome(l, l->seq), VK_OK);
}

static inline bool is_sealed(logged *l)
{
    vk_audit_state s;
    vk_audit_state_of(l->a, &s);
    return s.sealed;
}

/* Waits until it is, or is not; a test that waits in vain is ended by its runner. */
static inline void wait_sealed(logged *l, bool want)
{
    struct timespec t = {0, 2000000};
    while (is_sealed(l) != want)
        nanosleep(&t, NULL);
}

/* ---- files */

static inline int audit_dir(const logged *l)
{
    int fd = openat(l->data_fd, "audit", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static inline size_t count_files(const logged *l)
{
    uint64_t *all;
    size_t n;
    int fd = audit_dir(l);
    assert_int_equal(vk_audit_files(fd, &all, &n), VK_OK);
    free(all);
    close(fd);
    return n;
}

static inline void path_of(const logged *l, unsigned number, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/audit/%010u.log", l->path, number);
}

static inline vk_str slurp(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0)
        return VK_STR_NONE;
    assert_int_equal(fstat(fd, &st), 0);
    char *p = malloc((size_t)st.st_size + 1);
    assert_non_null(p);
    assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
    close(fd);
    return (vk_str){p, (size_t)st.st_size};
}

static inline void spit(const char *path, vk_str bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.p, bytes.n), (ssize_t)bytes.n);
    close(fd);
}

static inline void drop_str(vk_str s)
{
    free((void *)(uintptr_t)s.p);
}

/* ---- checking */

static inline void on_found(void *arg, const vk_audit_finding *f)
{
    logged *l = arg;
    size_t n = strlen(l->found);
    snprintf(l->found + n, sizeof l->found - n, "%s file %llu record %llu at %lld: %s\n",
             f->level == VK_AUDIT_WRONG    ? "WRONG"
             : f->level == VK_AUDIT_UNDONE ? "UNDONE"
                                           : "KNOW",
             (unsigned long long)f->file, (unsigned long long)f->seq, (long long)f->offset, f->text);
    if (f->level == VK_AUDIT_WRONG && !l->wrong_seq)
        l->wrong_seq = f->seq;
}

static inline bool on_record(void *arg, const vk_audit_record *r, uint64_t file)
{
    logged *l = arg;
    size_t n = strlen(l->kinds);
    (void)file;
    if (n + 1 < sizeof l->kinds)
        l->kinds[n] = "SIOCEGFVK"[r->kind];
    return true;
}

/* How many things are wrong. */
static inline size_t check_with(logged *l, vk_str checkpoints, const uint8_t *secret)
{
    int fd = audit_dir(l);
    memset(l->found, 0, sizeof l->found);
    memset(l->kinds, 0, sizeof l->kinds);
    l->wrong_seq = 0;
    l->check = (vk_audit_check){.dir_fd = fd,
                                .checkpoints = checkpoints,
                                .secret = secret,
                                .found = on_found,
                                .record = on_record,
                                .arg = l};
    assert_int_equal(vk_audit_verify(&l->check), VK_OK);
    close(fd);
    return l->check.wrong;
}

static inline void check_sound(logged *l)
{
    if (check_with(l, VK_STR_NONE, NULL))
        print_error("%s", l->found);
    assert_int_equal(l->check.wrong, 0);
}

static inline void check_says(logged *l, const char *text)
{
    if (!strstr(l->found, text))
        print_error("not \"%s\":\n%s", text, l->found);
    assert_non_null(strstr(l->found, text));
}

#endif
