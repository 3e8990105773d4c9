/* The test is run a second time, as a copy of itself in a folder made for it: where it looks depends on where
 * the program is. */
#include "core/share.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char root[64] = "/tmp/vk-share-XXXXXX";

static void path_in(char out[PATH_MAX], const char *rest)
{
    snprintf(out, PATH_MAX, "%s/%s", root, rest);
}

static void folder(const char *rest)
{
    char path[PATH_MAX];
    path_in(path, rest);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void copy_self(void)
{
    char to[PATH_MAX], block[65536];
    path_in(to, "bin/me");
    int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0700);
    assert_true(in >= 0 && out >= 0);
    for (ssize_t n; (n = read(in, block, sizeof block)) > 0;)
        assert_int_equal(write(out, block, (size_t)n), n);
    close(in);
    close(out);
}

/* What a copy of this program in <root>/bin finds. */
static void found(char out[PATH_MAX])
{
    char program[PATH_MAX];
    int ends[2], status;
    path_in(program, "bin/me");
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl(program, "me", "--find", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], out, PATH_MAX - 1);
    out[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void where_it_looks(void **state)
{
    char got[PATH_MAX], want[PATH_MAX];
    VK_UNUSED(state);
    assert_non_null(mkdtemp(root));
    folder("bin");
    copy_self();
    found(got);
    assert_string_equal(got, VK_SHARE_DIR); /* nothing beside it */
    folder(".tools");
    folder(".tools/share");
    found(got);
    path_in(want, ".tools/share");
    assert_string_equal(got, want);
    folder("share");
    found(got); /* a share that is not ours */
    assert_string_equal(got, want);
    folder("share/valetkey");
    found(got);
    path_in(want, "share/valetkey");
    assert_string_equal(got, want);
    static const char *const made[] = {"bin/me", "bin", ".tools/share", ".tools", "share/valetkey", "share"};
    for (size_t i = 0; i < VK_COUNT(made); i++) {
        path_in(want, made[i]);
        assert_int_equal(i == 0 ? unlink(want) : rmdir(want), 0);
    }
    assert_int_equal(rmdir(root), 0);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--find") == 0) {
        char path[PATH_MAX];
        vk_share_find(path);
        return write(STDOUT_FILENO, path, strlen(path)) < 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(where_it_looks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
