/* Notes: what comes along with them, also from one who sends what he should not. */
#include "daemon/note.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static size_t open_files(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void send_with(int to, const char *bytes, size_t n, size_t fds)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(8 * sizeof(int))];
    } control = {0};
    struct iovec iov = {(char *)(uintptr_t)bytes, n};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = CMSG_SPACE(fds * sizeof(int))};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(fds * sizeof(int));
    for (size_t i = 0; i < fds; i++)
        memcpy(CMSG_DATA(h) + i * sizeof(int), &(int){STDERR_FILENO}, sizeof(int));
    assert_int_equal(sendmsg(to, &m, 0), (ssize_t)n);
}

static void test_descriptors(void **state)
{
    int pair[2], fd;
    vk_note note;
    VK_UNUSED(state);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    size_t before = open_files();
    send_with(pair[0], "P\0", 2, 1);
    assert_int_equal(vk_note_receive(pair[1], &note, &fd), VK_OK);
    assert_true(fd >= 0 && note.kind == VK_NOTE_PEER);
    assert_int_equal(close(fd), 0);
    for (size_t fds = 2; fds <= 8; fds++) {
        send_with(pair[0], "P\0", 2, fds);
        assert_int_equal(vk_note_receive(pair[1], &note, &fd), VK_OK);
        assert_int_equal(fd, -1);
    }
    for (size_t fds = 1; fds <= 2; fds++) { /* no note */
        send_with(pair[0], "P", 1, fds);
        assert_int_equal(vk_note_receive(pair[1], &note, &fd), VK_E_UNAVAILABLE);
        assert_int_equal(fd, -1);
        send_with(pair[0], "", 0, fds);
        assert_int_equal(vk_note_receive(pair[1], &note, &fd), VK_E_UNAVAILABLE);
        assert_int_equal(fd, -1);
    }
    assert_int_equal(open_files(), before);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_descriptors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
