#include "services/storage/embedded/test_objects_rig.h"

enum { PIECE = 256 << 10, STAGES = 70 };

static uint32_t seed;

static size_t some(size_t most)
{
    seed = seed * 1103515245U + 12345U;
    return 1 + (seed >> 8) % most;
}

static char *pattern(size_t n)
{
    char *p = malloc(n);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(i * 2654435761U >> 13);
    return p;
}

static int new_file(void)
{
    int fd = openat(rig_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static int64_t size_of(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return st.st_size;
}

static void check_file(int fd, const char *want, size_t n)
{
    char *got = malloc(n);
    assert_int_equal(size_of(fd), n);
    assert_int_equal(pread(fd, got, n, 0), n);
    assert_memory_equal(got, want, n);
    free(got);
}

/* `n` bytes in pieces of up to `most`; what the file has meanwhile ends at a border. */
static void fill(size_t n, size_t most, bool announced, bool room)
{
    vk_ob_stage g = {0};
    char *all = pattern(n);
    int fd = new_file();
    for (size_t at = 0; at < n;) {
        size_t k = some(most);
        k = k < n - at ? k : n - at;
        int64_t more = announced ? (int64_t)(n - at - k) : -1;
        assert_int_equal(vk_ob_stage_add(&g, fd, (int64_t)at, (vk_str){all + at, k}, more), VK_OB_OK);
        at += k;
        assert_int_equal(size_of(fd) + (int64_t)g.n, at);
        assert_true(g.room <= PIECE && g.n <= g.room);
        if (!room)
            assert_int_equal(g.n, 0);
        else if (at < n)
            assert_int_equal(size_of(fd) % PIECE, 0);
    }
    assert_int_equal(vk_ob_stage_write(&g, fd), VK_OB_OK);
    check_file(fd, all, n);
    vk_ob_stage_free(&g);
    assert_null(g.p);
    close(fd);
    free(all);
}

static void borders(void **state)
{
    VK_UNUSED(state);
    static const size_t sizes[] = {1, 20000, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 5 * PIECE + 777};
    static const size_t pieces[] = {1000, 16384, 67584, PIECE, 3 * PIECE + 5};
    for (size_t i = 0; i < VK_COUNT(sizes); i++)
        for (size_t k = 0; k < VK_COUNT(pieces); k++)
            for (int announced = 0; announced < 2; announced++)
                fill(sizes[i], pieces[k], announced, true);
}

/* A body that comes in one piece costs no memory and no copy. */
static void one_piece(void **state)
{
    VK_UNUSED(state);
    vk_ob_stage g = {0};
    char *all = pattern(PIECE + 9000);
    int fd = new_file();
    assert_int_equal(vk_ob_stage_add(&g, fd, 0, (vk_str){all, PIECE + 9000}, 0), VK_OB_OK);
    assert_null(g.p);
    check_file(fd, all, PIECE + 9000);
    close(fd);
    free(all);
}

/* What comes behind bytes that something else wrote ends at a border again. */
static void behind_others(void **state)
{
    VK_UNUSED(state);
    vk_ob_stage g = {0};
    char *all = pattern(2 * PIECE);
    int fd = new_file();
    assert_int_equal(vk_ob_stage_add(&g, fd, 0, (vk_str){all, 100}, -1), VK_OB_OK);
    assert_int_equal(g.n, 100);
    assert_int_equal(vk_ob_stage_write(&g, fd), VK_OB_OK);
    assert_int_equal(write(fd, all + 100, 5000), 5000);
    assert_int_equal(vk_ob_stage_add(&g, fd, 5100, (vk_str){all + 5100, 10}, -1), VK_OB_OK);
    assert_int_equal(g.n, 10);
    assert_int_equal(vk_ob_stage_add(&g, fd, 5110, (vk_str){all + 5110, PIECE}, -1), VK_OB_OK);
    assert_int_equal(size_of(fd), PIECE);
    assert_int_equal(vk_ob_stage_write(&g, fd), VK_OB_OK);
    check_file(fd, all, PIECE + 5110);
    vk_ob_stage_free(&g);
    close(fd);
    free(all);
}

/* More than was said: no byte is lost, and none goes beyond the memory that there is. */
static void more_than_said(void **state)
{
    VK_UNUSED(state);
    vk_ob_stage g = {0};
    char *all = pattern(40000);
    int fd = new_file();
    assert_int_equal(vk_ob_stage_add(&g, fd, 0, (vk_str){all, 100}, 50), VK_OB_OK);
    assert_int_equal(g.room, 150);
    assert_int_equal(vk_ob_stage_add(&g, fd, 100, (vk_str){all + 100, 20000}, -1), VK_OB_OK);
    assert_int_equal(vk_ob_stage_add(&g, fd, 20100, (vk_str){all + 20100, 19900}, -1), VK_OB_OK);
    assert_int_equal(vk_ob_stage_write(&g, fd), VK_OB_OK);
    check_file(fd, all, 40000);
    vk_ob_stage_free(&g);
    close(fd);
    free(all);
}

/* All stages together have a limit; without room bytes are written as they come. */
static void no_room(void **state)
{
    VK_UNUSED(state);
    vk_ob_stage g[STAGES] = {0};
    int fd = new_file(), with = 0;
    for (int i = 0; i < STAGES; i++) {
        assert_int_equal(vk_ob_stage_add(&g[i], fd, 0, VK_STR("x"), -1), VK_OB_OK);
        with += g[i].p != NULL;
    }
    assert_int_equal(with, 64);
    fill(3 * PIECE, 16384, true, false);
    for (int i = 0; i < STAGES; i++)
        vk_ob_stage_free(&g[i]);
    fill(3 * PIECE, 16384, true, true);
    close(fd);
}

/* A write that fails is told, by the call that makes it, and nothing of it stays behind for the next. */
static void disk_full(void **state)
{
    VK_UNUSED(state);
    vk_ob_stage g = {0};
    char *all = pattern(PIECE);
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(vk_ob_stage_add(&g, fd, 0, (vk_str){all, 1000}, -1), VK_OB_OK);
    assert_int_equal(vk_ob_stage_write(&g, fd), VK_OB_DISK_FULL);
    assert_int_equal(vk_ob_stage_add(&g, fd, 0, (vk_str){all, 1000}, -1), VK_OB_OK);
    assert_int_equal(vk_ob_stage_add(&g, fd, 1000, (vk_str){all, PIECE}, -1), VK_OB_DISK_FULL);
    assert_int_equal(vk_ob_stage_add(&g, fd, 0, (vk_str){all, PIECE}, 0), VK_OB_DISK_FULL);
    vk_ob_stage_free(&g);
    close(fd);
    free(all);
}

static int make(void **state)
{
    VK_UNUSED(state);
    rig_make();
    return 0;
}

static int unmake(void **state)
{
    VK_UNUSED(state);
    rig_unmake();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(borders),        cmocka_unit_test(one_piece), cmocka_unit_test(behind_others),
        cmocka_unit_test(more_than_said), cmocka_unit_test(no_room),   cmocka_unit_test(disk_full),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
