#include "daemon/note.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

const char *vk_role_name(vk_role role)
{
    static const char *const names[VK_ROLES] = {"front", "keeper", "courier"};
    return names[role];
}

union control {
    struct cmsghdr h;
    char room[CMSG_SPACE(sizeof(int))];
};

int vk_note_fd(struct msghdr *m)
{
    int one = -1;
    size_t n = 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + CMSG_LEN(sizeof(int)) <= h->cmsg_len; at += sizeof(int)) {
            if (n++)
                close(one);
            memcpy(&one, CMSG_DATA(h) + at, sizeof one);
        }
    }
    if (n > 1)
        close(one);
    return n == 1 ? one : -1;
}

vk_err vk_note_send(int fd, vk_note_kind kind, vk_role role, const char *text, int pass_fd)
{
    char head[2] = {(char)kind, (char)role};
    union control control = {0};
    struct iovec iov[2] = {{head, sizeof head}, {(char *)(uintptr_t)text, strlen(text)}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
    if (iov[1].iov_len >= VK_WHY_MAX)
        iov[1].iov_len = VK_WHY_MAX - 1;
    if (pass_fd >= 0) {
        m.msg_control = &control;
        m.msg_controllen = sizeof control;
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &pass_fd, sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n > 0 ? VK_OK : errno == EAGAIN ? VK_E_BUSY : VK_E_UNAVAILABLE;
}

vk_err vk_note_receive(int fd, vk_note *out_r, int *fd_r)
{
    char head[2];
    union control control;
    struct iovec iov[2] = {{head, sizeof head}, {out_r->text, VK_WHY_MAX - 1}};
    struct msghdr m = {
        .msg_iov = iov, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n;
    *fd_r = -1;
    do
        n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    /* The other side ended with notes of ours unread: said once, in front of what it has sent before. */
    while (n < 0 && (errno == EINTR || errno == ECONNRESET));
    if (n < 0 && errno == EAGAIN)
        return VK_AGAIN;
    if (n >= 0)
        *fd_r = vk_note_fd(&m);
    if (n < (ssize_t)sizeof head) {
        if (*fd_r >= 0)
            close(*fd_r);
        *fd_r = -1;
        return VK_E_UNAVAILABLE;
    }
    out_r->kind = (vk_note_kind)head[0];
    out_r->role = (unsigned char)head[1] < VK_ROLES ? (vk_role)head[1] : VK_FRONT;
    out_r->text[(size_t)n - sizeof head] = '\0';
    return VK_OK;
}
