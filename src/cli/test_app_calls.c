/* What an app may not call, from inside: each case is a process of its own. */
#include "cli/app_fence.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char path[] = "/tmp/vk-test-app-calls";

/* Whether a file is shorter by it; -1: something else is wrong. */
static int truncates(bool no_truncate)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        char why[VK_FENCE_WHY], byte = 'x';
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || vk_app_calls(no_truncate, why) != VK_OK)
            _exit(9);
        if (ioctl(STDIN_FILENO, TIOCSTI, &byte) == 0 || errno != EPERM)
            _exit(8);
        if (ioctl(STDIN_FILENO, TIOCGWINSZ, why) != 0 && errno == EPERM)
            _exit(7);
        int e = truncate(path, 0) == 0 ? 0 : errno;
        _exit(e == 0 ? 1 : e == EPERM ? 0 : 6);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_truncate(void **state)
{
    VK_UNUSED(state);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(truncates(true), 0);
    assert_int_equal(truncates(false), 1);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_truncate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
