#include "daemon/given.h"
#include "daemon/resume.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, TAKEN_STEP_MS = 5, TAKEN_WAIT_MS = 150 };

/* Without SO_REUSEPORT: nobody, not even a process of our own user, can take a share of the connections. A
 * port that was in use by a daemon that just ended may be held for another moment. */
static int bind_port(const vk_listen_at *where)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)where->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)where->port)};
    bool six = inet_pton(AF_INET6, where->host, &v6.sin6_addr) == 1;
    const void *at = six ? (const void *)&v6 : &v4;
    socklen_t size = six ? sizeof v6 : sizeof v4;
    int on = 1, off = 0, most = VK_NOT_SENT_MAX;
    int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (!six && inet_pton(AF_INET, where->host, &v4.sin_addr) != 1)
        v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (six) /* [::] is every address, IPv4's too, whatever this machine's default is */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most,
               sizeof most); /* what is accepted from it inherits it */
    for (int waited = 0;; waited += TAKEN_STEP_MS) {
        if (bind(fd, (const struct sockaddr *)at, size) == 0 && listen(fd, BACKLOG) == 0)
            return fd;
        if (errno != EADDRINUSE || waited >= TAKEN_WAIT_MS)
            break;
        struct timespec t = {.tv_nsec = TAKEN_STEP_MS * 1000000L};
        nanosleep(&t, NULL);
    }
    int err = errno;
    close(fd);
    errno = err;
    return -1;
}

static vk_err open_port(vk_daemon *d, int service, const char *name, char why[VK_WHY_MAX])
{
    const vk_listen_at *at = &d->config->listen[service < 0 ? VK_CONSOLE : service];
    int port = at->port, fd = -1;
    vk_err e = vk_given_take(d, service < 0 ? "console" : name, at, &fd, why);
    if (e != VK_OK)
        return e;
    if (fd < 0 && d->resume)
        return vk_say(
            why, VK_E_CONFLICT,
            "A restart cannot open a listener, and %s on %s:%d is not open. Stop the daemon and start "
            "it again.",
            name, at->host, port);
    if (fd < 0)
        fd = bind_port(at);
    if (fd < 0 && errno == EADDRINUSE)
        return vk_say(why, VK_E_CONFLICT,
                      "Port %d on %s, for %s, is taken by another program. Stop that program, or "
                      "choose other ports with --port-base N.",
                      port, at->host, name);
    if (fd < 0 && errno == EADDRNOTAVAIL)
        return vk_say(
            why, VK_E_INVALID,
            "This machine has no address %s, on which %s should be. `ip address` lists those it has.",
            at->host, name);
    if (fd < 0 && errno == EACCES)
        return vk_say(
            why, VK_E_FORBIDDEN,
            "Port %d, for %s, may only be opened by root. Choose ports from 1024 on with --port-base N.",
            port, name);
    if (fd < 0)
        return vk_say(why, VK_E_IO, "Port %d on %s, for %s, cannot be opened: %s.", port, at->host, name,
                      vk_errno_text(errno));
    d->listeners[d->n_listeners++] = (vk_listener){.fd = fd, .service = service, .port = port};
    return VK_OK;
}

/* A socket's path may have 107 bytes only, a folder's may be longer: bind from inside the folder. */
static vk_err open_admin(vk_daemon *d, char why[VK_WHY_MAX])
{
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "admin.sock"};
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    vk_err e = VK_OK;
    if (fd < 0 || fchdir(d->data_fd) != 0)
        e = vk_say(why, VK_E_IO, "%.400s/admin.sock cannot be made: %s.", d->data_dir, vk_errno_text(errno));
    if (e == VK_OK) {
        mode_t before = umask(0177);
        unlink("admin.sock"); /* stale: we hold the lock */
        if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, BACKLOG) != 0)
            e = vk_say(why, errno == ENOSPC ? VK_E_FULL : VK_E_IO,
                       errno == ENOSPC ? "The disk is full: %.400s/admin.sock could not be made: %s. Free "
                                         "some space and start again; nothing was lost."
                                       : "%.400s/admin.sock cannot be made: %s.",
                       d->data_dir, vk_errno_text(errno));
        umask(before);
    }
    if (here >= 0) {
        if (fchdir(here) != 0 && e == VK_OK)
            e = vk_say(why, VK_E_IO, "The working folder has gone. Start from another one.");
        close(here);
    }
    if (e != VK_OK && fd >= 0)
        close(fd);
    d->admin_fd = e == VK_OK ? fd : -1;
    return e;
}

vk_err vk_listen_all(vk_daemon *d, char why[VK_WHY_MAX])
{
    const vk_service *all[VK_SERVICES_MAX];
    size_t n = vk_services(all);
    vk_err e = vk_given_begin(d, why);
    if (e == VK_OK)
        e = open_port(d, -1, "the console", why);
    for (size_t i = 0; e == VK_OK && i < n; i++)
        e = open_port(d, (int)i, all[i]->name, why);
    if (e == VK_OK)
        e = vk_given_end(d, why);
    if (e == VK_OK && d->resume) {
        d->admin_fd = d->resume->admin_fd;
        return VK_OK;
    }
    return e == VK_OK ? open_admin(d, why) : e;
}

void vk_listen_end(const vk_daemon *d)
{
    unlinkat(d->data_fd, "admin.sock", 0);
}
