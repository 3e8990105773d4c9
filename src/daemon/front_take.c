/* Connections that the front of before a restart held when it came to rest: they go on here, and no client
 * has seen a difference. */
#include "daemon/front.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TAKE_TURN = 64 };

static struct {
    vk_io io;
    vk_front *front;
    size_t taken;
} from_before;

/* On its way to its loop. */
typedef struct arrival {
    vk_task task;
    vk_server *to;
    int fd;
    vk_passed p;
    char in[];
} arrival;

static void arrive(vk_task *t)
{
    arrival *a = VK_CONTAINER(t, arrival, task);
    vk_server_resume(a->to, a->fd, &a->p, a->in);
    vk_wipe(a->in, a->p.n);
    free(a);
}

static vk_server *server_for(vk_front *f, uint32_t listener)
{
    vk_front_loop *l = listener ? vk_front_next_loop(f) : f->loops[0];
    for (size_t i = 0; listener && i <= f->n_services; i++)
        if ((uint32_t)f->rt.listen[i < f->n_services ? i : VK_CONSOLE].port == listener)
            return vk_front_server(l, i);
    return listener ? NULL : vk_front_server(l, f->n_services + 1);
}

static void take(vk_front *f, int fd, const vk_passed *p, const char *in)
{
    vk_server *s = server_for(f, p->listener);
    arrival *a = s ? malloc(sizeof *a + p->n) : NULL;
    if (!a) {
        close(fd);
        return;
    }
    *a = (arrival){{.run = arrive}, s, fd, *p};
    memcpy(a->in, in, p->n);
    from_before.taken++;
    if (s->loop == f->rt.loops[0])
        arrive(&a->task);
    else
        vk_loop_post(s->loop, &a->task);
}

static void on_closed(vk_io *io)
{
    VK_UNUSED(io);
}

static void on_ready(vk_io *io, int events)
{
    static char in[VK_IN_SIZE];
    VK_UNUSED(events);
    for (int i = 0; i < TAKE_TURN; i++) {
        vk_passed p;
        int fd = -1;
        union {
            struct cmsghdr h;
            char room[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec iov[2] = {{&p, sizeof p}, {in, sizeof in}};
        struct msghdr m = {
            .msg_iov = iov, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control};
        ssize_t n = recvmsg(io->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            vk_log(VK_INFO, "connections of before the restart go on", VK_F(connections, from_before.taken));
            vk_io_close(io, on_closed);
            return;
        }
        fd = vk_note_fd(&m);
        if (fd >= 0 && n >= (ssize_t)sizeof p && (size_t)n == sizeof p + p.n && p.n <= sizeof in)
            take(from_before.front, fd, &p, in);
        else if (fd >= 0)
            close(fd);
        vk_wipe(in, (size_t)n);
    }
}

bool vk_front_take(vk_front *f, int from)
{
    from_before.front = f;
    if (vk_io_open(f->rt.loops[0], &from_before.io, from, on_ready) != VK_OK)
        return false;
    vk_io_want(&from_before.io, VK_READ);
    return true;
}
