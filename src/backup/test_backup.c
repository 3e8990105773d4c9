#include "backup/contents.h"
#include "backup/pack.h"
#include "backup/tar.h"
#include "backup/unpack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- an archive in memory */

static struct archive {
    uint8_t *p;
    size_t n;
} a;

static const vk_backup_info info = {.format = VK_BACKUP_FORMAT,
                                    .data_version = VK_SCHEMA_VERSION,
                                    .program = "0.1.0",
                                    .created_ms = 1700000000123};

struct member {
    const char *name;
    size_t n;
};

static const struct member usual[] = {
    {"data/builds/a/database.db", 700},
    {"data/builds/a/ddl.log", 0},
    {"data/builds/a/snapshot.20261125-031203-123.m.first", 3},
    {"data/builds/a-b/database.db", 512},
    {"data/valetkey.db", 1025},
    {"data/vault/master", 72},
};

static void put(vk_pack *p, const struct member *m)
{
    char content[4096];
    memset(content, m->name[m->n % 5], sizeof content);
    assert_int_equal(vk_pack_file(p, m->name, (int64_t)m->n), VK_OK);
    assert_int_equal(vk_pack_bytes(p, (vk_str){content, m->n / 2}), VK_OK);
    assert_int_equal(vk_pack_bytes(p, (vk_str){content, m->n - m->n / 2}), VK_OK);
    assert_int_equal(vk_pack_file_end(p), VK_OK);
}

static void take(int fd, int64_t n)
{
    free(a.p);
    a.n = (size_t)n;
    a.p = malloc(a.n);
    assert_true(a.p && pread(fd, a.p, a.n, 0) == (ssize_t)a.n && lseek(fd, 0, SEEK_END) == (off_t)a.n);
    close(fd);
}

static void pack(const vk_backup_info *i, const struct member *m, size_t n)
{
    vk_pack p;
    int fd = memfd_create("archive", MFD_CLOEXEC);
    assert_int_equal(vk_pack_begin(&p, fd, i), VK_OK);
    for (size_t k = 0; k < n; k++)
        put(&p, &m[k]);
    assert_int_equal(vk_pack_end(&p), VK_OK);
    assert_int_equal(p.files, n);
    take(fd, p.at);
    vk_pack_free(&p);
}

struct in {
    size_t at, end;
};

static ssize_t read_in(void *arg, void *to, size_t n)
{
    struct in *in = arg;
    if (n > in->end - in->at)
        n = in->end - in->at;
    if (n > 99)
        n = 99;
    memcpy(to, a.p + in->at, n);
    in->at += n;
    return (ssize_t)n;
}

static char why[VK_UNPACK_WHY];
static vk_unpacked got;

static vk_err unpack_some(size_t n)
{
    struct in in = {0, n};
    const vk_unpack_source from = {read_in, &in};
    const vk_unpack_sink nowhere = {0};
    memset(why, 0, sizeof why);
    return vk_unpack(&from, &nowhere, &got, why);
}

static vk_err unpack(void)
{
    return unpack_some(a.n);
}

static int free_archive(void **state)
{
    VK_UNUSED(state);
    free(a.p);
    a = (struct archive){0};
    return 0;
}

/* ---- */

static void what_was_packed_is_read(void **state)
{
    VK_UNUSED(state);
    pack(&info, usual, VK_COUNT(usual));
    if (unpack() != VK_OK)
        fail_msg("%s", why);
    assert_true(got.files == VK_COUNT(usual) && got.builds == 2 && !got.key &&
                got.bytes == 700 + 512 + 3 + 1025 + 72);
    assert_true(got.info.data_version == VK_SCHEMA_VERSION && got.info.created_ms == info.created_ms);
}

static void any_byte_that_is_another_one_is_found(void **state)
{
    VK_UNUSED(state);
    pack(&info, usual, VK_COUNT(usual));
    for (size_t i = 0; i < a.n; i++)
        for (int bit = 0; bit < 8; bit += 7) { /* the lowest, and one that makes no text */
            a.p[i] ^= (uint8_t)(1 << bit);
            vk_err e = unpack();
            if (e == VK_OK || !why[0])
                fail_msg("bit %d of byte %zu: %s", bit, i, vk_err_name(e));
            a.p[i] ^= (uint8_t)(1 << bit);
        }
    assert_int_equal(unpack(), VK_OK);
}

static void any_end_that_comes_too_early_is_found(void **state)
{
    VK_UNUSED(state);
    pack(&info, usual, VK_COUNT(usual));
    for (size_t n = 0; n < a.n; n++)
        if (unpack_some(n) == VK_OK || !why[0])
            fail_msg("of %zu bytes only %zu: accepted", a.n, n);
    a.p = realloc(a.p, a.n + 1);
    assert_non_null(a.p);
    a.p[a.n++] = 0;
    assert_int_equal(unpack(), VK_E_CORRUPT);
    assert_non_null(strstr(why, "behind its end"));
}

static void the_damaged_member_is_named(void **state)
{
    VK_UNUSED(state);
    pack(&info, usual, VK_COUNT(usual));
    /* backup.json's head and block, then the first member's head. */
    a.p[3 * VK_TAR_BLOCK + 5] ^= 1;
    assert_int_equal(unpack(), VK_E_CORRUPT);
    assert_non_null(strstr(why, "data/builds/a/database.db is damaged"));
}

static void newer_ones_are_refused(void **state)
{
    VK_UNUSED(state);
    vk_backup_info newer = info;
    char version[32];
    newer.data_version = VK_SCHEMA_VERSION + 1;
    snprintf(version, sizeof version, "version %d", VK_SCHEMA_VERSION + 1);
    pack(&newer, usual, VK_COUNT(usual));
    assert_int_equal(unpack(), VK_E_NEWER);
    assert_true(strstr(why, "newer valetkey (0.1.0)") && strstr(why, version));
    newer = info;
    newer.format = VK_BACKUP_FORMAT + 1;
    pack(&newer, usual, VK_COUNT(usual));
    assert_int_equal(unpack(), VK_E_NEWER);
    assert_non_null(strstr(why, "format 2"));
    newer = info;
    newer.data_version = VK_SCHEMA_VERSION - 1; /* an earlier one is fine */
    pack(&newer, usual, VK_COUNT(usual));
    assert_int_equal(unpack(), VK_OK);
}

static void what_must_be_there(void **state)
{
    VK_UNUSED(state);
    pack(&info, usual, VK_COUNT(usual) - 1);
    assert_int_equal(unpack(), VK_E_CORRUPT);
    assert_non_null(strstr(why, "vault/master"));
    pack(&info, usual, VK_COUNT(usual) - 2);
    assert_int_equal(unpack(), VK_E_CORRUPT);
    assert_non_null(strstr(why, "valetkey.db"));
}

static void names(void **state)
{
    VK_UNUSED(state);
    static const char *const good[] = {"key",
                                       "data/admin.token",
                                       "data/tls/key.pem",
                                       "data/builds/a/database.db",
                                       "data/builds/a/snapshot.20261125-031203-123.a.before-restore",
                                       "data/builds/0/ddl.log.1",
                                       "data/builds/0/storage.db",
                                       "data/vault/ring",
                                       "data/vault/org/stripe",
                                       "data/vault/build/shop/turso",
                                       "data/audit/0000000001.log",
                                       "data/audit/epoch",
                                       "data/builds/0/blobs/a/a0123456789abcdef0123456789abcde"};
    static const char *const bad[] = {
        "",
        "/etc/passwd",
        "data",
        "data/",
        "data/../x",
        "data/lock",
        "data/admin.sock",
        "data/tmp/x",
        "data//valetkey.db",
        "data/./valetkey.db",
        "data/valetkey.db/",
        "data/valetkey.db-wal",
        "data/vault/other",
        "data/vault/org",
        "data/vault/org/",
        "data/vault/org/../x",
        "data/vault/org/a/b",
        "data/vault/org/.x",
        "data/vault/build/shop",
        "data/vault/build/../org",
        "data/vault/build/shop/../x",
        "data/vault/build/shop/a/b",
        "data/audit",
        "data/audit/..",
        "data/audit/a/b",
        "data/builds",
        "data/builds/a",
        "data/builds/a/",
        "data/builds/../database.db",
        "data/builds/./database.db",
        "data/builds/A/database.db",
        "data/builds/a/database.db-wal",
        "data/builds/a/../../lock",
        "data/builds/a/snapshot.",
        "data/builds/a/snapshot.x/y",
        "data/builds/a/snapshot...\x01",
        "data/builds/a/snapshot.x\ny",
        "data/builds/a/other.db",
        "data/builds/a/blobs",
        "data/builds/a/blobs/a",
        "data/builds/a/blobs/a/",
        "data/builds/a/blobs//x",
        "data/builds/a/blobs/a/b/c",
        "data/builds/a/blobs/../x",
        "data/builds/a/blobs/a/..",
        "data/builds/a/blobs/../../x",
        "data/builds/a/blob/a/x",
        "data/builds/a/storage.db-wal",
        "data/builds/a/.database.db",
        "data/builds/a/snapshot.\"x",
        "data/key",
        "key/x",
        "backup.json",
    };
    int64_t most;
    for (size_t i = 0; i < VK_COUNT(good); i++)
        if (!vk_backup_name_ok(vk_str_z(good[i]), &most) || most <= 0)
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        if (vk_backup_name_ok(vk_str_z(bad[i]), &most))
            fail_msg("accepted: %s", bad[i]);
    assert_false(vk_backup_name_ok((vk_str){"data/valetkey.db\0x", 18}, &most));
}

/* Members with right checksums that a writer of ours would not make. */
static void hostile(const char *name, int64_t said, size_t content, uint8_t type, const char *expected)
{
    enum { MOST = 8 * VK_TAR_BLOCK };
    vk_tar_head h = {.size = said, .mtime = info.created_ms / 1000};
    size_t begin;
    pack(&info, usual, 0);
    begin = 2 * VK_TAR_BLOCK; /* behind backup.json */
    a.p = realloc(a.p, MOST);
    assert_non_null(a.p);
    memset(a.p + begin, 0, MOST - begin);
    snprintf(h.name, sizeof h.name, "%s", name);
    for (int i = 0; i < 2; i++) { /* twice: the second is one too many */
        assert_int_equal(vk_tar_write(&h, a.p + begin), VK_OK);
        if (type) {
            char sum[32];
            int64_t all = 0;
            a.p[begin + 156] = type;
            for (size_t k = 0; k < VK_TAR_BLOCK; k++)
                all += k >= 148 && k < 156 ? ' ' : a.p[begin + k];
            snprintf(sum, sizeof sum, "%06llo", (unsigned long long)all);
            memcpy(a.p + begin + 148, sum, 7);
        }
        begin += VK_TAR_BLOCK + content;
    }
    a.n = MOST;
    vk_err e = unpack();
    if (e == VK_OK || !strstr(why, expected))
        fail_msg("%s: %s: %s", name, vk_err_name(e), why);
}

static void hostile_members(void **state)
{
    VK_UNUSED(state);
    hostile("../outside", 0, 0, 0, "not in order"); /* before backup.json */
    hostile("outside", 0, 0, 0, "no backup of this valetkey has");
    hostile("/etc/passwd", 0, 0, 0, "not in order"); /* an empty first part is before all */
    hostile("data/../outside", 0, 0, 0, "no backup of this valetkey has");
    hostile("data/builds/a/../../../x", 0, 0, 0, "no backup of this valetkey has");
    hostile("data/admin.token", 0, 0, 0, "one is there twice");
    hostile("data/admin.token", 0, 0, '1', "a kind that no backup has"); /* hard link */
    hostile("data/admin.token", 0, 0, '2', "a kind that no backup has"); /* symbolic link */
    hostile("data/admin.token", 0, 0, '5', "a kind that no backup has"); /* folder */
    hostile("data/admin.token", 0, 0, 'x', "a kind that no backup has"); /* extended head */
    hostile("data/admin.token", 1 << 20, 0, 0, "larger than such a file can be");
    hostile("data/valetkey.db", VK_TAR_SIZE_MAX, 0, 0, "cut short");
}

static void order(void **state)
{
    VK_UNUSED(state);
    static const char *const sorted[] = {"backup.json",
                                         "data/admin.token",
                                         "data/builds/a/database.db",
                                         "data/builds/a/ddl.log",
                                         "data/builds/a/ddl.log.1",
                                         "data/builds/a-b/database.db",
                                         "data/builds/ab/database.db",
                                         "data/valetkey.db",
                                         "data/vault/build/shop/turso",
                                         "data/vault/master",
                                         "data/vault/org/stripe",
                                         "data/vault/ring",
                                         "key",
                                         "manifest.json",
                                         "manifest.sha256"};
    for (size_t i = 0; i < VK_COUNT(sorted); i++)
        for (size_t k = 0; k < VK_COUNT(sorted); k++) {
            int o = vk_backup_order(vk_str_z(sorted[i]), vk_str_z(sorted[k]));
            assert_true((o < 0) == (i < k) && (o == 0) == (i == k));
        }
    const char *last = "";
    for (const vk_backup_file *f = vk_backup_files; f->name; last = f++->name)
        assert_true(vk_backup_order(vk_str_z(last), vk_str_z(f->name)) < 0);
}

static void heads(void **state)
{
    VK_UNUSED(state);
    uint8_t block[VK_TAR_BLOCK];
    vk_tar_head h = {.size = VK_TAR_SIZE_MAX, .mtime = 1700000000}, back;
    for (size_t n = 1; n <= VK_TAR_NAME_MAX; n++) {
        memset(h.name, 0, sizeof h.name);
        memset(h.name, 'n', n);
        if (n > 20)
            h.name[n / 2] = '/';
        assert_int_equal(vk_tar_write(&h, block), VK_OK);
        assert_int_equal(vk_tar_read(block, &back), VK_OK);
        assert_true(strcmp(back.name, h.name) == 0 && back.size == h.size && back.mtime == h.mtime);
    }
    memset(h.name, 'n', 101);
    h.name[101] = '\0';
    assert_int_equal(vk_tar_write(&h, block), VK_E_TOO_LARGE); /* no place to cut it */
    h.name[50] = '\0';
    h.size = VK_TAR_SIZE_MAX + 1;
    assert_int_equal(vk_tar_write(&h, block), VK_E_TOO_LARGE);
}

static void members_are_taken_back(void **state)
{
    VK_UNUSED(state);
    vk_pack p;
    pack(&info, usual + 4, 2);
    struct archive without = {malloc(a.n), a.n};
    assert_non_null(without.p);
    memcpy(without.p, a.p, a.n);
    int fd = memfd_create("archive", MFD_CLOEXEC);
    assert_int_equal(vk_pack_begin(&p, fd, &info), VK_OK);
    vk_pack_mark m = vk_pack_here(&p);
    put(&p, &usual[0]);
    put(&p, &usual[1]);
    assert_int_equal(vk_pack_file(&p, "data/builds/b/database.db", 100), VK_OK); /* and one that broke off */
    assert_int_equal(vk_pack_bytes(&p, VK_STR("some")), VK_OK);
    assert_int_equal(vk_pack_file_end(&p), VK_E_INVALID);
    assert_int_equal(vk_pack_back(&p, m), VK_OK);
    put(&p, &usual[4]);
    put(&p, &usual[5]);
    assert_int_equal(vk_pack_end(&p), VK_OK);
    take(fd, p.at);
    vk_pack_free(&p);
    assert_true(a.n == without.n && memcmp(a.p, without.p, a.n) == 0);
    free(without.p);
    assert_int_equal(unpack(), VK_OK);
}

static void only_members_of_the_list_are_packed(void **state)
{
    VK_UNUSED(state);
    vk_pack p;
    int fd = memfd_create("archive", MFD_CLOEXEC);
    assert_int_equal(vk_pack_begin(&p, fd, &info), VK_OK);
    assert_int_equal(vk_pack_file(&p, "data/lock", 0), VK_E_INVALID);
    assert_int_equal(vk_pack_file(&p, "data/admin.token", 1 << 20), VK_E_TOO_LARGE);
    put(&p, &usual[0]);
    assert_int_equal(vk_pack_file(&p, "data/builds/a/database.db", 0), VK_E_INVALID); /* twice */
    assert_int_equal(vk_pack_file(&p, "data/admin.token", 0), VK_E_INVALID);          /* too late */
    vk_pack_free(&p);
    close(fd);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_teardown(t, free_archive)
    const struct CMUnitTest tests[] = {
        CASE(what_was_packed_is_read),
        CASE(any_byte_that_is_another_one_is_found),
        CASE(any_end_that_comes_too_early_is_found),
        CASE(the_damaged_member_is_named),
        CASE(newer_ones_are_refused),
        CASE(what_must_be_there),
        CASE(names),
        CASE(hostile_members),
        CASE(order),
        CASE(heads),
        CASE(members_are_taken_back),
        CASE(only_members_of_the_list_are_packed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
