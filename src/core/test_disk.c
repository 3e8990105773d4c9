#include "core/disk.h"

#include "core/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct folder {
    char path[64];
    int fd;
};

static int set_up(void **state)
{
    static struct folder f;
    snprintf(f.path, sizeof f.path, "/tmp/vk-test-disk-XXXXXX");
    if (!mkdtemp(f.path) || (f.fd = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return -1;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct folder *f = *state;
    vk_err e = vk_disk_remove_dir(AT_FDCWD, f->path);
    close(f->fd);
    return e == VK_OK ? 0 : -1;
}

static bool holds(int dirfd, const char *name, vk_str want)
{
    vk_buf b;
    vk_buf_init(&b, 1 << 20);
    bool same = vk_disk_read(dirfd, name, 1 << 20, &b) == VK_OK && vk_str_eq(vk_buf_view(&b), want);
    vk_buf_free(&b);
    return same;
}

static void replace(void **state)
{
    struct folder *f = *state;
    struct stat st;
    assert_int_equal(vk_disk_replace(f->fd, "a", VK_STR("one"), 0600), VK_OK);
    assert_true(holds(f->fd, "a", VK_STR("one")));
    assert_int_equal(fstatat(f->fd, "a", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    /* A left-over of a process that died in the middle is in nobody's way. */
    assert_int_equal(vk_disk_replace(f->fd, "a.new", VK_STR("torn"), 0400), VK_OK);
    assert_int_equal(vk_disk_replace(f->fd, "a", VK_STR(""), 0400), VK_OK);
    assert_true(holds(f->fd, "a", VK_STR("")));
    assert_int_equal(fstatat(f->fd, "a", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0400);
    assert_int_equal(faccessat(f->fd, "a.new", F_OK, 0), -1);
    static char large[300000];
    memset(large, 'x', sizeof large);
    assert_int_equal(vk_disk_replace(f->fd, "a", (vk_str){large, sizeof large}, 0600), VK_OK);
    assert_true(holds(f->fd, "a", (vk_str){large, sizeof large}));
    assert_int_equal(vk_disk_replace(f->fd, "no/such", VK_STR("x"), 0600), VK_E_NOT_FOUND);
}

static void replace_follows_no_link(void **state)
{
    struct folder *f = *state;
    assert_int_equal(vk_disk_replace(f->fd, "target", VK_STR("kept"), 0600), VK_OK);
    assert_int_equal(symlinkat("target", f->fd, "link"), 0);
    assert_int_equal(symlinkat("target", f->fd, "link.new"), 0);
    assert_int_equal(vk_disk_replace(f->fd, "link", VK_STR("new"), 0600), VK_OK);
    assert_true(holds(f->fd, "target", VK_STR("kept")));
    assert_true(holds(f->fd, "link", VK_STR("new")));
    assert_int_equal(symlinkat("target", f->fd, "read"), 0);
    vk_buf b;
    vk_buf_init(&b, 100);
    assert_int_not_equal(vk_disk_read(f->fd, "read", 100, &b), VK_OK);
    vk_buf_free(&b);
}

static void failures_leave_the_old_file(void **state)
{
    struct folder *f = *state;
    assert_int_equal(vk_disk_replace(f->fd, "a", VK_STR("old"), 0600), VK_OK);
    assert_int_equal(mkdirat(f->fd, "a.new", 0700), 0); /* the temporary name cannot be used */
    assert_int_not_equal(vk_disk_replace(f->fd, "a", VK_STR("new"), 0600), VK_OK);
    assert_true(holds(f->fd, "a", VK_STR("old")));
    assert_int_equal(unlinkat(f->fd, "a.new", AT_REMOVEDIR), 0);
    assert_int_equal(mkdirat(f->fd, "d", 0700), 0); /* and a rename that is refused leaves nothing behind */
    assert_int_not_equal(vk_disk_replace(f->fd, "d", VK_STR("new"), 0600), VK_OK);
    assert_int_equal(faccessat(f->fd, "d.new", F_OK, 0), -1);
    assert_int_equal(unlinkat(f->fd, "d", AT_REMOVEDIR), 0);
}

static void reading(void **state)
{
    struct folder *f = *state;
    static char text[10000];
    memset(text, 'r', sizeof text);
    assert_int_equal(vk_disk_replace(f->fd, "f", (vk_str){text, sizeof text}, 0600), VK_OK);
    vk_buf b;
    vk_buf_init(&b, sizeof text + 2); /* as much as is needed and no more */
    vk_buf_z(&b, "ab");
    assert_int_equal(vk_disk_read(f->fd, "f", sizeof text, &b), VK_OK);
    assert_int_equal(b.n, sizeof text + 2);
    assert_memory_equal(b.p, "abrr", 4);
    vk_buf_clear(&b);
    assert_int_equal(vk_disk_read(f->fd, "f", sizeof text - 1, &b), VK_E_TOO_LARGE);
    vk_buf_free(&b);
    vk_buf_init(&b, 100);
    assert_int_equal(vk_disk_read(f->fd, "f", sizeof text, &b), VK_E_TOO_LARGE);
    vk_buf_clear(&b);
    assert_int_equal(vk_disk_read(f->fd, "absent", 100, &b), VK_E_NOT_FOUND);
    assert_int_not_equal(vk_disk_read(f->fd, ".", 100, &b), VK_OK);
    vk_buf_free(&b);
}

static void folders(void **state)
{
    struct folder *f = *state;
    assert_int_equal(vk_disk_mkdir(f->fd, "sub", 0700), VK_OK);
    assert_int_equal(vk_disk_mkdir(f->fd, "sub", 0700), VK_OK);
    assert_int_equal(vk_disk_replace(f->fd, "sub/x", VK_STR("1"), 0600), VK_OK);
    assert_int_equal(vk_disk_replace(f->fd, "sub/y", VK_STR("2"), 0600), VK_OK);
    assert_int_equal(vk_disk_mkdir(f->fd, "sub/x", 0700), VK_E_CONFLICT);
    assert_int_equal(symlinkat("sub", f->fd, "link"), 0);
    assert_int_equal(vk_disk_mkdir(f->fd, "link", 0700), VK_E_CONFLICT);
    assert_int_not_equal(vk_disk_remove_dir(f->fd, "link"),
                         VK_OK); /* what it points to is not ours to remove */
    assert_true(holds(f->fd, "sub/x", VK_STR("1")));
    assert_int_equal(vk_disk_mkdir(f->fd, "none/sub", 0700), VK_E_NOT_FOUND);
    assert_int_equal(vk_disk_sync_dir(f->fd, "sub"), VK_OK);
    assert_int_equal(vk_disk_sync_dir(f->fd, "none"), VK_E_NOT_FOUND);
    assert_int_equal(vk_disk_remove_dir(f->fd, "sub"), VK_OK);
    assert_int_equal(faccessat(f->fd, "sub", F_OK, 0), -1);
    assert_int_equal(vk_disk_remove_dir(f->fd, "sub"), VK_OK);
    /* With what is below it, so far and no deeper; and links are not followed. */
    assert_int_equal(vk_disk_mkdir(f->fd, "deep", 0700), VK_OK);
    assert_int_equal(vk_disk_mkdir(f->fd, "deep/er", 0700), VK_OK);
    assert_int_equal(vk_disk_mkdir(f->fd, "deep/er/most", 0700), VK_OK);
    assert_int_equal(vk_disk_mkdir(f->fd, "kept", 0700), VK_OK);
    assert_int_equal(vk_disk_replace(f->fd, "kept/x", VK_STR("1"), 0600), VK_OK);
    assert_int_equal(vk_disk_replace(f->fd, "deep/er/most/x", VK_STR("1"), 0600), VK_OK);
    assert_int_equal(symlinkat("../../kept", f->fd, "deep/er/link"), 0);
    assert_int_equal(vk_disk_remove_dir(f->fd, "deep"), VK_OK);
    assert_int_equal(faccessat(f->fd, "deep", F_OK, 0), -1);
    assert_true(holds(f->fd, "kept/x", VK_STR("1")));
    assert_int_equal(vk_disk_mkdir(f->fd, "kept/2", 0700), VK_OK);
    assert_int_equal(vk_disk_mkdir(f->fd, "kept/2/3", 0700), VK_OK);
    assert_int_equal(vk_disk_mkdir(f->fd, "kept/2/3/4", 0700), VK_OK);
    assert_int_not_equal(vk_disk_remove_dir(f->fd, "kept"), VK_OK);
    assert_int_equal(faccessat(f->fd, "kept/2/3/4", F_OK, 0), 0);
    assert_int_equal(vk_disk_remove_dir(f->fd, "kept/2/3"), VK_OK);
    assert_int_equal(vk_disk_remove_dir(f->fd, "kept"), VK_OK);
}

static void names_and_copies(void **state)
{
    struct folder *f = *state;
    struct stat a, b;
    bool moved = true;
    assert_int_equal(vk_disk_replace(f->fd, "one", VK_STR("1"), 0600), VK_OK);
    assert_int_equal(vk_disk_copy(f->fd, "one", "two", 0640), VK_OK);
    assert_true(holds(f->fd, "two", VK_STR("1")));
    assert_int_equal(vk_disk_copy(f->fd, "one", "two", 0600), VK_E_CONFLICT);
    assert_int_equal(vk_disk_copy(f->fd, "none", "three", 0600), VK_E_NOT_FOUND);
    assert_int_equal(faccessat(f->fd, "three", F_OK, 0), -1);
    assert_int_equal(symlinkat("one", f->fd, "ln"), 0);
    assert_int_not_equal(vk_disk_copy(f->fd, "ln", "three", 0600), VK_OK);
    assert_int_not_equal(vk_disk_move(f->fd, "ln", "three", &moved), VK_OK);
    assert_false(moved);
    assert_int_equal(vk_disk_link(f->fd, "one", "three"), VK_OK);
    assert_int_equal(fstatat(f->fd, "one", &a, 0), 0);
    assert_int_equal(fstatat(f->fd, "three", &b, 0), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    assert_int_equal(vk_disk_link(f->fd, "one", "three"), VK_E_CONFLICT);
    assert_int_equal(vk_disk_replace(f->fd, "one", VK_STR("new"), 0600), VK_OK);
    assert_true(holds(f->fd, "three", VK_STR("1")));
    assert_int_equal(vk_disk_move(f->fd, "one", "two", &moved), VK_OK);
    assert_true(moved && holds(f->fd, "two", VK_STR("new")));
    assert_int_equal(faccessat(f->fd, "one", F_OK, 0), -1);
    assert_int_equal(vk_disk_move(f->fd, "one", "two", &moved), VK_E_NOT_FOUND);
    assert_false(moved);
    assert_int_equal(vk_disk_remove(f->fd, "two"), VK_OK);
    assert_int_equal(vk_disk_remove(f->fd, "two"), VK_OK);
    assert_int_equal(faccessat(f->fd, "two", F_OK, 0), -1);
}

static void bytes_of_another(void **state)
{
    struct folder *f = *state;
    int one = -1, two = -1;
    assert_int_equal(vk_disk_begin(f->fd, "one", 0600, &one), VK_OK);
    assert_int_equal(vk_disk_add(one, VK_STR("0123456789")), VK_OK);
    assert_int_equal(vk_disk_sync(one), VK_OK);
    assert_int_not_equal(vk_disk_sync(-1), VK_OK);
    close(one);
    one = openat(f->fd, "one", O_RDONLY | O_CLOEXEC);
    assert_int_equal(vk_disk_begin(f->fd, "two", 0600, &two), VK_OK);
    assert_int_equal(vk_disk_add(two, VK_STR("<")), VK_OK);
    assert_int_equal(vk_disk_append_from(two, one, 3, 4), VK_OK);
    assert_int_equal(vk_disk_append_from(two, one, 0, 0), VK_OK);
    assert_int_equal(vk_disk_add(two, VK_STR(">")), VK_OK);
    assert_true(holds(f->fd, "two", VK_STR("<3456>")));
    assert_int_equal(vk_disk_append_from(two, one, 8, 3), VK_E_CORRUPT); /* it ends before */
    close(two);
    /* What the kernel cannot copy between goes through memory: /proc has no blocks. */
    int proc = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    char name[8] = {0};
    assert_true(read(proc, name, sizeof name) == (ssize_t)sizeof name);
    assert_int_equal(vk_disk_begin(f->fd, "three", 0600, &two), VK_OK);
    assert_int_equal(vk_disk_append_from(two, proc, 0, sizeof name), VK_OK);
    assert_true(holds(f->fd, "three", (vk_str){name, sizeof name}));
    close(proc);
    close(two);
    close(one);
    assert_int_equal(vk_disk_unlink(f->fd, "one"), VK_OK);
    assert_int_equal(vk_disk_unlink(f->fd, "one"), VK_OK);
    assert_int_not_equal(vk_disk_unlink(f->fd, "."), VK_OK);
}

static void in_pieces(void **state)
{
    struct folder *f = *state;
    struct stat st;
    bool moved;
    int fd = -1, other = -1;
    assert_int_equal(vk_disk_begin(f->fd, "p", 0600, &fd), VK_OK);
    assert_int_equal(vk_disk_add(fd, VK_STR("one ")), VK_OK);
    assert_int_equal(vk_disk_add(fd, VK_STR_NONE), VK_OK);
    assert_int_equal(vk_disk_add(fd, VK_STR("two")), VK_OK);
    assert_int_equal(vk_disk_end(fd), VK_OK);
    assert_true(holds(f->fd, "p", VK_STR("one two")));
    assert_true(fstatat(f->fd, "p", &st, 0) == 0 && (st.st_mode & 0777) == 0600);
    assert_int_equal(vk_disk_begin(f->fd, "p", 0600, &other), VK_E_CONFLICT);
    assert_int_equal(symlinkat("elsewhere", f->fd, "ln"), 0);
    assert_int_equal(vk_disk_begin(f->fd, "ln", 0600, &other), VK_E_CONFLICT);
    assert_int_equal(vk_disk_begin(f->fd, "none/p", 0600, &other), VK_E_NOT_FOUND);
    assert_int_equal(other, -1);
    assert_int_equal(vk_disk_add(-1, VK_STR("x")), VK_E_IO);
    /* A folder takes the place of an empty one, and of no other. */
    assert_int_equal(vk_disk_mkdir(f->fd, "new", 0700), VK_OK);
    assert_int_equal(vk_disk_mkdir(f->fd, "empty", 0700), VK_OK);
    assert_int_equal(vk_disk_move(f->fd, "p", "new/p", &moved), VK_OK);
    assert_int_equal(vk_disk_move(f->fd, "new", "empty", &moved), VK_OK);
    assert_true(moved && holds(f->fd, "empty/p", VK_STR("one two")));
    assert_int_equal(vk_disk_mkdir(f->fd, "new", 0700), VK_OK);
    assert_int_not_equal(vk_disk_move(f->fd, "new", "empty", &moved), VK_OK);
    assert_true(!moved && holds(f->fd, "empty/p", VK_STR("one two")));
    assert_int_equal(vk_disk_remove_dir(f->fd, "empty"), VK_OK);
    assert_int_equal(vk_disk_remove_dir(f->fd, "new"), VK_OK);
}

static void kinds(void **state)
{
    VK_UNUSED(state);
    assert_int_equal(vk_disk_err(ENOSPC), VK_E_FULL);
    assert_int_equal(vk_disk_err(EDQUOT), VK_E_FULL);
    assert_int_equal(vk_disk_err(ENOENT), VK_E_NOT_FOUND);
    assert_int_equal(vk_disk_err(EACCES), VK_E_FORBIDDEN);
    assert_int_equal(vk_disk_err(EIO), VK_E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(replace_follows_no_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_leave_the_old_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reading, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_and_copies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_of_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(in_pieces, set_up, tear_down),
        cmocka_unit_test(kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
