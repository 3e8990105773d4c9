/* Bytes in and out of a vk_io, plain or under TLS, with the meaning of the system calls they are named after.
 * On a plain one they are these calls. */
#ifndef VK_NET_WIRE_H
#define VK_NET_WIRE_H

#include "net/tls.h"

#include <sys/sendfile.h>
#include <sys/socket.h>

/* recv(2). */
VK_MUSTCHECK static inline ssize_t vk_wire_recv(vk_io *io, void *p, size_t n)
{
    return VK_LIKELY(!io->tls) ? recv(io->fd, p, n, 0) : vk_tls_read(io->tls, p, n);
}

/* sendmsg(2) without ancillary data. After EAGAIN the next call must begin with the same bytes. */
VK_MUSTCHECK static inline ssize_t vk_wire_send(vk_io *io, const struct msghdr *m, int flags)
{
    return VK_LIKELY(!io->tls) ? sendmsg(io->fd, m, flags | MSG_NOSIGNAL)
                               : vk_tls_write(io->tls, m->msg_iov, m->msg_iovlen);
}

/* sendfile(2). */
VK_MUSTCHECK static inline ssize_t vk_wire_send_file(vk_io *io, int fd, int64_t at, size_t n)
{
    off_t from = at;
    return VK_LIKELY(!io->tls) ? sendfile(io->fd, fd, &from, n) : vk_tls_send_file(io->tls, fd, at, n);
}

/* Bytes at the front of what is to be sent that may not be exchanged for others any more. */
static inline size_t vk_wire_owed(const vk_io *io)
{
    return io->tls ? vk_tls_owed(io->tls) : 0;
}

/* Nothing more will be sent, and the peer is told; what it says can still be read. VK_AGAIN: once more, when
 * the socket is writable. */
VK_MUSTCHECK static inline vk_err vk_wire_finish(vk_io *io)
{
    vk_err e = io->tls ? vk_tls_finish(io->tls) : VK_OK;
    if (e != VK_AGAIN)
        shutdown(io->fd, SHUT_WR);
    return e;
}

/* What was sent breaks off; the peer must see that once the io is closed. */
static inline void vk_wire_cut(vk_io *io)
{
    struct linger reset = {.l_onoff = 1};
    if (io->tls)
        vk_tls_cut(io->tls);
    setsockopt(io->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

#endif
