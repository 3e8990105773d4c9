/* What a start finishes that an earlier run began. */
#include "admin/lifecycle.h"

#include "core/clock.h"
#include "core/disk.h"
#include "core/test_folder.h"
#include "crypto/digest.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[] = "/tmp/vk-lifecycle-XXXXXX";
static int fd;
static vk_store *store;

static int set_up(void **state)
{
    const char *why;
    VK_UNUSED(state);
    if (!folder_make(dir) || (fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        mkdirat(fd, "builds", 0700) != 0)
        return 1;
    return vk_store_sqlite_open(fd, dir, true, &store, &why) == VK_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    store->ops->close(store);
    close(fd);
    return folder_remove(dir);
}

static vk_err no_rows(void *arg, const vk_build *b, vk_valet_row *rows, size_t *n_r)
{
    VK_UNUSED(arg);
    VK_UNUSED(b);
    VK_UNUSED(rows);
    *n_r = 0;
    return VK_OK;
}

static uint64_t make(const char *id)
{
    vk_arena *a = vk_arena_new(1 << 20);
    int64_t now = vk_clock_wall_ms();
    vk_build b = {.framework = "next",
                  .ttl_ms = 60000,
                  .created_ms = now,
                  .touched_ms = now,
                  .expires_ms = now + 60000};
    snprintf(b.id, sizeof b.id, "%s", id);
    assert_int_equal(store->ops->build_create(store, a, &b, NULL, 0, VK_STR_NONE, NULL, no_rows, NULL),
                     VK_OK);
    vk_arena_free(a);
    char path[64];
    snprintf(path, sizeof path, "builds/%s", id);
    assert_int_equal(mkdirat(fd, path, 0700), 0);
    snprintf(path, sizeof path, "builds/%s/database.db", id);
    assert_int_equal(vk_disk_replace(fd, path, VK_STR("data"), 0600), VK_OK);
    return b.generation;
}

static bool has_row(const char *id)
{
    vk_arena *a = vk_arena_new(1 << 20);
    vk_build b;
    vk_err e = store->ops->build_get(store, a, vk_str_z(id), &b);
    vk_arena_free(a);
    assert_true(e == VK_OK || e == VK_E_NOT_FOUND);
    return e == VK_OK;
}

static bool has_data(const char *id)
{
    char path[64];
    snprintf(path, sizeof path, "builds/%s/database.db", id);
    return faccessat(fd, path, F_OK, 0) == 0;
}

static void only_deleting_ones(void **state)
{
    VK_UNUSED(state);
    int64_t now = vk_clock_wall_ms();
    size_t n = 99;
    uint64_t g = make("active");
    make("revoked");
    uint64_t gone = make("going");
    assert_int_equal(store->ops->build_revoke(store, VK_STR("revoked"), now), VK_OK);
    assert_int_equal(vk_deletion_finish(store, fd, VK_STR("active"), g), VK_OK);
    assert_true(has_row("active") && has_data("active"));
    assert_int_equal(store->ops->build_deleting(store, VK_STR("going"), now), VK_OK);
    /* a later build of the same name is another one */
    assert_int_equal(vk_deletion_finish(store, fd, VK_STR("going"), gone + 100), VK_OK);
    assert_true(has_row("going") && has_data("going"));
    assert_int_equal(vk_deletions_finish(store, fd, &n), VK_OK);
    assert_int_equal(n, 1);
    assert_false(has_row("going") || has_data("going"));
    assert_true(has_row("active") && has_data("active"));
    assert_true(has_row("revoked") && has_data("revoked"));
    assert_int_equal(vk_deletions_finish(store, fd, &n), VK_OK);
    assert_int_equal(n, 0);
    assert_int_equal(vk_deletion_finish(store, fd, VK_STR("going"), gone), VK_OK); /* twice */
}

/* The crash came after the folder went and before the row did. */
static void folder_gone_already(void **state)
{
    VK_UNUSED(state);
    size_t n;
    make("half");
    assert_int_equal(store->ops->build_deleting(store, VK_STR("half"), vk_clock_wall_ms()), VK_OK);
    assert_int_equal(vk_disk_remove_dir(fd, "builds/half"), VK_OK);
    assert_int_equal(vk_deletions_finish(store, fd, &n), VK_OK);
    assert_int_equal(n, 1);
    assert_false(has_row("half"));
}

/* A build of the same name can be made while the files of the one before it are still being removed. */
static void taken_first(void **state)
{
    VK_UNUSED(state);
    char folder[VK_DELETED_FOLDER], path[VK_DELETED_FOLDER + 32];
    uint64_t g = make("again");
    assert_int_equal(mkdirat(fd, "builds/again/blobs", 0700), 0);
    assert_int_equal(mkdirat(fd, "builds/again/blobs/a", 0700), 0);
    assert_int_equal(vk_disk_replace(fd, "builds/again/blobs/a/x", VK_STR("data"), 0600), VK_OK);
    assert_int_equal(store->ops->build_deleting(store, VK_STR("again"), vk_clock_wall_ms()), VK_OK);
    assert_int_equal(vk_deletion_take(store, fd, VK_STR("again"), g, folder), VK_OK);
    assert_true(folder[0] && !has_row("again") && !has_data("again"));
    make("again");
    snprintf(path, sizeof path, "%s/blobs/a/x", folder);
    assert_int_equal(faccessat(fd, path, F_OK, 0), 0);
    assert_int_equal(vk_deletion_remove(fd, folder), VK_OK);
    assert_int_not_equal(faccessat(fd, folder, F_OK, 0), 0);
    assert_true(has_row("again") && has_data("again"));
    /* and what a killed process left of such a removal goes at the next start */
    g = make("left");
    assert_int_equal(mkdirat(fd, "builds/left/blobs", 0700), 0);
    assert_int_equal(mkdirat(fd, "builds/left/blobs/a", 0700), 0);
    assert_int_equal(vk_disk_replace(fd, "builds/left/blobs/a/x", VK_STR("data"), 0600), VK_OK);
    assert_int_equal(store->ops->build_deleting(store, VK_STR("left"), vk_clock_wall_ms()), VK_OK);
    assert_int_equal(vk_deletion_take(store, fd, VK_STR("left"), g, folder), VK_OK);
    assert_int_equal(vk_disk_empty_dir(fd, "tmp"), VK_OK);
    assert_int_not_equal(faccessat(fd, folder, F_OK, 0), 0);
}

/* More than a page of builds, the deleting ones at its edges. */
static void many(void **state)
{
    VK_UNUSED(state);
    size_t n, going = 0;
    char id[16];
    for (int i = 0; i < 140; i++) {
        snprintf(id, sizeof id, "m%03d", i);
        make(id);
        if (i % 9 == 0 || (i >= 60 && i <= 66)) {
            assert_int_equal(store->ops->build_deleting(store, vk_str_z(id), vk_clock_wall_ms()), VK_OK);
            going++;
        }
    }
    assert_int_equal(vk_deletions_finish(store, fd, &n), VK_OK);
    assert_int_equal(n, going);
    for (int i = 0; i < 140; i++) {
        snprintf(id, sizeof id, "m%03d", i);
        bool gone = i % 9 == 0 || (i >= 60 && i <= 66);
        assert_int_equal(has_row(id), !gone);
        assert_int_equal(has_data(id), !gone);
    }
}

static void no_path_from_an_id(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(vk_deletion_finish(store, fd, VK_STR(".."), 1), VK_E_INVALID);
    assert_int_equal(vk_deletion_finish(store, fd, VK_STR("a/b"), 1), VK_E_INVALID);
    assert_int_equal(vk_deletion_finish(store, fd, VK_STR(""), 1), VK_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_deleting_ones),
                                       cmocka_unit_test(folder_gone_already), cmocka_unit_test(taken_first),
                                       cmocka_unit_test(many), cmocka_unit_test(no_path_from_an_id)};
    if (vk_digest_init() != VK_OK || vk_sqlite_init() != VK_OK)
        return 1;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
