/* For the tests of the storage library: a folder of its own, objects by one call, and what must hold. */
#ifndef VK_TEST_OBJECTS_RIG_H
#define VK_TEST_OBJECTS_RIG_H

#include "core/encode.h"
#include "core/test_folder.h"
#include "services/storage/embedded/inside.h"
#include "services/storage/embedded/scope.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((int64_t)1 << 20)

static const vk_ob_quota usual_quota = {
    .bytes = (int64_t)1 << 40, .objects = 10000000, .object_bytes = (int64_t)5 << 30, .uploads = 1000};

static char rig_dir[64];
static int rig_fd = -1;

static inline void rig_make(void)
{
    const char *base = "/tmp";
#ifdef RIG_IN_MEMORY /* for tests of many short runs: what syncs do is not theirs to see */
    if (access("/dev/shm", W_OK) == 0)
        base = "/dev/shm";
#endif
    snprintf(rig_dir, sizeof rig_dir, "%s/vk-test-objects-XXXXXX", base);
    if (!folder_make(rig_dir) || (rig_fd = open(rig_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        abort();
}

static inline void rig_unmake(void)
{
    close(rig_fd);
    rig_fd = -1;
    folder_remove(rig_dir);
}

static inline vk_ob *rig_open_with(const vk_ob_quota *q)
{
    vk_ob *s = NULL;
    vk_ob_err e = vk_ob_open(rig_fd, rig_dir, "demo", q, &s);
    return e == VK_OB_OK ? s : NULL;
}

static inline vk_ob *rig_open(void)
{
    return rig_open_with(&usual_quota);
}

static inline void rig_md5(const void *p, size_t n, uint8_t out[16])
{
    vk_checksum m;
    uint8_t whole[VK_CHECKSUM_MAX];
    vk_checksum_begin(&m, VK_CHECKSUM_MD5);
    vk_checksum_add(&m, (vk_str){p, n});
    vk_checksum_end(&m, whole);
    memcpy(out, whole, 16);
}

/* Bytes that follow from a seed and their place. */
static inline void rig_fill(char *out, size_t n, uint32_t seed)
{
    uint32_t x = seed * 2654435761U + 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525U + 1013904223U;
        out[i] = (char)(x >> 24);
    }
}

/* Commits p after n bytes of the seed. */
static inline vk_ob_err rig_finish(vk_ob_put *p, size_t n, uint32_t seed, vk_ob_commit *c,
                                   vk_ob_object *out_r)
{
    char *b = malloc(n + 1);
    if (!b)
        abort();
    rig_fill(b, n, seed);
    rig_md5(b, n, c->md5);
    vk_ob_err e = VK_OB_OK;
    for (size_t at = 0; e == VK_OB_OK && at < n;) {
        size_t step = n - at < 70000 ? n - at : 70000;
        e = vk_ob_put_write(p, (vk_str){b + at, step});
        at += step;
    }
    free(b);
    if (e != VK_OB_OK) {
        vk_ob_put_abort(p);
        return e;
    }
    return vk_ob_put_commit(p, c, out_r);
}

static inline vk_ob_err rig_put_with(vk_ob *s, const char *key, size_t n, uint32_t seed, vk_ob_commit c)
{
    vk_ob_put *p;
    vk_ob_err e = vk_ob_put_begin(s, vk_str_z(key), (int64_t)n, &p);
    return e == VK_OB_OK ? rig_finish(p, n, seed, &c, NULL) : e;
}

static inline vk_ob_err rig_put(vk_ob *s, const char *key, size_t n, uint32_t seed)
{
    return rig_put_with(s, key, n, seed, (vk_ob_commit){.headers = VK_STR_NONE});
}

static inline vk_ob_err rig_part(vk_ob *s, const char *key, const uint8_t id[16], int number, size_t n,
                                 uint32_t seed, vk_ob_claim *claim_r)
{
    vk_ob_put *p;
    vk_ob_commit c = {.headers = VK_STR_NONE};
    vk_ob_err e = vk_ob_part_begin(s, vk_str_z(key), id, number, (int64_t)n, &p);
    if (e == VK_OB_OK)
        e = rig_finish(p, n, seed, &c, NULL);
    if (e == VK_OB_OK && claim_r) {
        *claim_r = (vk_ob_claim){.number = number};
        memcpy(claim_r->md5, c.md5, 16);
    }
    return e;
}

/* All bytes of a reader from `at` on, `n` of them at most, into malloc'ed memory. */
static inline vk_ob_err rig_read(vk_ob_reader *r, int64_t at, int64_t n, char **out_r)
{
    *out_r = NULL;
    char *b = malloc((size_t)n + 1);
    vk_ob_err e = b ? VK_OB_OK : VK_OB_NOMEM;
    for (int64_t done = 0; e == VK_OB_OK && done < n;) {
        vk_ob_piece x;
        e = vk_ob_read(r, at + done, &x);
        if (e != VK_OB_OK)
            break;
        int64_t take = x.n < n - done ? x.n : n - done;
        if (x.fd < 0)
            memcpy(b + done, x.bytes, (size_t)take);
        else if (pread(x.fd, b + done, (size_t)take, (off_t)x.at) != take)
            e = VK_OB_CORRUPT;
        done += take;
    }
    if (e != VK_OB_OK) {
        free(b);
        return e;
    }
    *out_r = b;
    return VK_OB_OK;
}

/* The object is n bytes of the seed, and its ETag says so when it is of one piece. */
static inline vk_ob_err rig_is(vk_ob *s, const char *key, size_t n, uint32_t seed)
{
    vk_ob_object o;
    vk_ob_reader *r;
    char *got = NULL, *want = malloc(n + 1);
    uint8_t md5[16];
    char etag[40];
    vk_arena *a = vk_arena_new(1 << 16);
    if (!want || !a)
        abort();
    vk_ob_err e = vk_ob_get(s, a, vk_str_z(key), &o, &r);
    if (e == VK_OB_OK) {
        rig_fill(want, n, seed);
        rig_md5(want, n, md5);
        vk_hex(etag, md5, 16);
        e = o.size != (int64_t)n || (!o.parts && strcmp(etag, o.etag) != 0) ? VK_OB_CORRUPT
                                                                            : rig_read(r, 0, o.size, &got);
        if (e == VK_OB_OK && memcmp(got, want, n) != 0)
            e = VK_OB_CORRUPT;
        vk_ob_reader_close(r);
    }
    free(got);
    free(want);
    vk_arena_free(a);
    return e;
}

static inline vk_ob_err rig_delete(vk_ob *s, const char *key)
{
    vk_ob_delete d = {.key = vk_str_z(key)};
    vk_ob_err e = vk_ob_delete_keys(s, &d, 1);
    return e == VK_OB_OK ? d.result : e;
}

/* Files in blobs/, and their bytes. */
static inline int64_t rig_files(int64_t *bytes_r)
{
    int64_t n = 0;
    *bytes_r = 0;
    for (int i = 0; i < 16; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/builds/demo/blobs/%x", rig_dir, (unsigned)i);
        DIR *d = opendir(path);
        if (!d)
            continue;
        for (struct dirent *x; (x = readdir(d));) {
            struct stat st;
            if (x->d_name[0] == '.' || fstatat(dirfd(d), x->d_name, &st, 0) != 0)
                continue;
            n++;
            *bytes_r += st.st_size;
        }
        closedir(d);
    }
    return n;
}

/* Usage is what a count gives, no file is left over and none is missing. False: says what is wrong. */
static inline bool rig_consistent(vk_ob *s)
{
    vk_ob_usage now, counted;
    vk_ob_conn *c;
    int64_t rows = 0, bytes, files = rig_files(&bytes), inline_bytes = 0, extra = 0;
    vk_ob_usage_now(s, &now);
    if (vk_ob_recount(s, &counted) != VK_OB_OK || vk_ob_conn_get(s, &c) != VK_OB_OK)
        return false;
    sqlite3_stmt *st = vk_ob_st(c, Q_BLOBS);
    while (vk_ob_step(st) == SQLITE_ROW)
        rows++;
    sqlite3_reset(st);
    st = NULL;
    if (sqlite3_prepare_v2(c->db, "SELECT coalesce(sum(length(data)), 0) FROM inline", -1, &st, NULL) ==
            SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        inline_bytes = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    st = NULL; /* what small parts count beyond their bytes */
    if (sqlite3_prepare_v2(c->db, "SELECT coalesce(sum(max(4096 - size, 0)), 0) FROM parts", -1, &st, NULL) ==
            SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        extra = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    vk_ob_conn_put(s, c);
    bool same = memcmp(&now, &counted, sizeof now) == 0;
    bool whole = rows == files && bytes + inline_bytes + extra == counted.bytes + counted.part_bytes;
    bool free_again = s->reserved_bytes == 0 && s->reserved_objects == 0;
    if (!same || !whole || !free_again)
        fprintf(
            stderr,
            "usage %lld/%lld/%lld/%lld, counted %lld/%lld/%lld/%lld; %lld rows, %lld files; %lld bytes in "
            "files, %lld in rows; reserved %lld, %lld\n",
            (long long)now.bytes, (long long)now.objects, (long long)now.part_bytes, (long long)now.uploads,
            (long long)counted.bytes, (long long)counted.objects, (long long)counted.part_bytes,
            (long long)counted.uploads, (long long)rows, (long long)files, (long long)bytes,
            (long long)inline_bytes, (long long)s->reserved_bytes, (long long)s->reserved_objects);
    return same && whole && free_again;
}

static inline int rig_set_up(void **state)
{
    VK_UNUSED(state);
    rig_make();
    return 0;
}

static inline int rig_tear_down(void **state)
{
    VK_UNUSED(state);
    rig_unmake();
    return 0;
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

#endif
