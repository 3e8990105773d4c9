#include "cli/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static void kept_and_not(void **state)
{
    VK_UNUSED(state);
    static const char *const kept[] = {"SELECT 1;", "SELECT count(*) FROM tokens;",
                                       "INSERT INTO n VALUES ('hello');", ".tables",
                                       "SELECT 'eye', vk_x FROM a;"};
    static const char *const not_kept[] = {" SELECT 1;",
                                           "\tSELECT 1;",
                                           "UPDATE u SET password = 'x';",
                                           "INSERT INTO u (Token)\nVALUES ('abc');",
                                           "SELECT vk_b_0123456789;",
                                           "SELECT 'sk_live_1';",
                                           "SELECT 'eyJhbGciOi';",
                                           "SELECT 'whsec_1'",
                                           "INSERT INTO s VALUES ('-----BEGIN"
                                           " KEY-----')"};
    for (size_t i = 0; i < VK_COUNT(kept); i++)
        assert_true(vk_history_may_keep(vk_str_z(kept[i])));
    for (size_t i = 0; i < VK_COUNT(not_kept); i++)
        assert_false(vk_history_may_keep(vk_str_z(not_kept[i])));
}

static vk_history a, b;

static void file(void **state)
{
    VK_UNUSED(state);
    char root[] = "/tmp/vk-history-XXXXXX", path[80];
    struct stat st;
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/x/y/history", root);
    vk_history_open(&a, path);
    assert_int_equal(a.n, 0);
    vk_history_add(&a, VK_STR("SELECT 1;"));
    vk_history_add(&a, VK_STR("SELECT 1;"));
    vk_history_add(&a, VK_STR(""));
    assert_int_equal(a.n, 1);
    vk_history_keep(&a, VK_STR("SELECT 1,\n2;\n"));
    vk_history_keep(&a, VK_STR("UPDATE u SET password = 'never-on-disk';"));
    vk_history_close(&a);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    snprintf(path, sizeof path, "%s/x/y", root);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    snprintf(path, sizeof path, "%s/x/y/history", root);
    assert_int_equal(chmod(path, 0644), 0); /* whoever made it so */
    vk_history_open(&b, path);
    assert_int_equal(b.n, 2);
    assert_string_equal(b.line[0], "SELECT 1,");
    assert_string_equal(b.line[1], "2;");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    /* Many sessions later the file is still bounded. */
    char line[300];
    memset(line, 'x', sizeof line);
    for (int i = 0; i < 3 * VK_HISTORY_LINES; i++) {
        int n = snprintf(line, 40, "SELECT %d;", i);
        line[n] = ' ';
        vk_history_keep(&b, (vk_str){line, sizeof line});
    }
    vk_history_close(&b);
    vk_history_open(&b, path);
    assert_int_equal(b.n, VK_HISTORY_LINES);
    assert_memory_equal(b.line[VK_HISTORY_LINES - 1], "SELECT 2999;", 12);
    vk_history_close(&b);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size <= 2 * VK_HISTORY_LINES * 301);
    /* A link is not followed. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/dev/null", path), 0);
    vk_history_open(&b, path);
    assert_string_equal(b.path, "");
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/x/y", root);
    assert_int_equal(rmdir(path), 0);
    snprintf(path, sizeof path, "%s/x", root);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(root), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kept_and_not), cmocka_unit_test(file)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
