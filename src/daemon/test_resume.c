/* What one program tells the next: all of it comes back, and what is not understood is refused. */
#include "daemon/resume.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int some_fd(void)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 20);
    assert_true(fd >= 20);
    return fd;
}

static void comes_back(void **state)
{
    VK_UNUSED(state);
    char why[VK_WHY_MAX];
    vk_resume out, in = {.role = VK_FRONT,
                         .parent = 4711,
                         .control = some_fd(),
                         .peer = {-1, some_fd(), -1},
                         .standby = true,
                         .lock_fd = some_fd(),
                         .admin_fd = some_fd(),
                         .given = {{"console", some_fd()}, {"database", some_fd()}},
                         .n_given = 2,
                         .children = {{0, -1}, {99, some_fd()}, {100, some_fd()}},
                         .left = {{101, some_fd()}},
                         .n_left = 1,
                         .number = 3};
    int fd = vk_resume_write(&in);
    assert_true(fd >= 0);
    assert_non_null(getenv("VALETKEY_RESUME"));
    assert_int_equal(fcntl(in.lock_fd, F_GETFD), 0); /* stays open over an exec */
    assert_int_equal(fcntl(in.given[1].fd, F_GETFD), 0);
    assert_int_equal(vk_resume_read(&out, why), VK_OK);
    assert_null(getenv("VALETKEY_RESUME"));
    assert_int_equal(fcntl(in.lock_fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(in.given[1].fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(out.role, VK_FRONT);
    assert_int_equal(out.parent, 4711);
    assert_int_equal(out.control, in.control);
    assert_memory_equal(out.peer, in.peer, sizeof in.peer);
    assert_true(out.standby && out.lock_fd == in.lock_fd && out.admin_fd == in.admin_fd && out.number == 3);
    assert_int_equal(out.n_given, 2);
    assert_string_equal(out.given[1].name, "database");
    assert_int_equal(out.given[1].fd, in.given[1].fd);
    assert_int_equal(out.children[VK_FRONT].pid, 0);
    assert_int_equal(out.children[VK_COURIER].pid, 100);
    assert_int_equal(out.children[VK_COURIER].control, in.children[VK_COURIER].control);
    assert_int_equal(out.n_left, 1);
    assert_int_equal(out.left[0].pid, 101);
}

static void exec_failed(void **state)
{
    VK_UNUSED(state);
    vk_resume r = {
        .role = VK_ROLES, .control = -1, .peer = {-1, -1, -1}, .lock_fd = some_fd(), .admin_fd = some_fd()};
    int fd = vk_resume_write(&r);
    assert_true(fd >= 0);
    vk_resume_undo(&r, fd);
    assert_null(getenv("VALETKEY_RESUME"));
    assert_int_equal(fcntl(r.admin_fd, F_GETFD), FD_CLOEXEC);
}

static void refuses(const char *text)
{
    char number[16], why[VK_WHY_MAX] = "";
    vk_resume r;
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    snprintf(number, sizeof number, "%d", fd);
    setenv("VALETKEY_RESUME", number, 1);
    vk_err e = vk_resume_read(&r, why);
    if (e != VK_E_INVALID || !strstr(why, "does not understand"))
        fail_msg("taken: %s", text);
    assert_null(getenv("VALETKEY_RESUME"));
    close(fd);
}

static void what_is_wrong(void **state)
{
    VK_UNUSED(state);
    char why[VK_WHY_MAX];
    vk_resume r;
    unsetenv("VALETKEY_RESUME");
    assert_int_equal(vk_resume_read(&r, why), VK_E_NOT_FOUND);
    refuses("valetkey-resume 2\nrole supervisor\n"); /* of a later version */
    refuses("role supervisor\n");
    refuses("valetkey-resume 1\nrole nobody\n");
    refuses("valetkey-resume 1\nlock x\n");
    refuses("valetkey-resume 1\nlock\n");
    refuses("valetkey-resume 1\nchild front 12\n");
    refuses("valetkey-resume 1\npeer supervisor 3\n");
    refuses("valetkey-resume 1\nlistener a-name-that-is-longer-than-any-listener-has 3\n");
    refuses("valetkey-resume 1\nnews 1\n");
    refuses("valetkey-resume 1\nrole supervisor"); /* cut off */
    refuses("");
    static const char *const numbers[] = {"", "x", "-1", "1", "99999"};
    for (size_t i = 0; i < VK_COUNT(numbers); i++) {
        setenv("VALETKEY_RESUME", numbers[i], 1);
        assert_int_equal(vk_resume_read(&r, why), VK_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(exec_failed),
        cmocka_unit_test(what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
