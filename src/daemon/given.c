/* Sockets that were opened before this program began (sd_listen_fds(3), sd_listen_fds_with_names(3)). */
#include "daemon/given.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST_FD = 3 };

/* ---- where a socket is */

static bool where(int fd, vk_listen_at *out)
{
    struct sockaddr_storage at = {0};
    socklen_t n = sizeof at;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&at;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&at;
    *out = (vk_listen_at){.port = 0};
    if (getsockname(fd, (struct sockaddr *)(void *)&at, &n) != 0)
        return false;
    if (at.ss_family == AF_INET) {
        out->port = ntohs(v4->sin_port);
        return inet_ntop(AF_INET, &v4->sin_addr, out->host, sizeof out->host) != NULL;
    }
    out->port = ntohs(v6->sin6_port);
    return at.ss_family == AF_INET6 &&
           inet_ntop(AF_INET6, &v6->sin6_addr, out->host, sizeof out->host) != NULL;
}

/* "[::1]" and "[0:0::1]" are the same. */
static bool same_place(const vk_listen_at *a, const vk_listen_at *b)
{
    unsigned char x[16] = {0}, y[16] = {0};
    int family = strchr(a->host, ':') ? AF_INET6 : AF_INET;
    return a->port == b->port && inet_pton(family, a->host, x) == 1 && inet_pton(family, b->host, y) == 1 &&
           memcmp(x, y, sizeof x) == 0;
}

/* ---- taking */

vk_err vk_given_take(vk_daemon *d, const char *listener, const vk_listen_at *at, int *fd_r,
                     char why[VK_WHY_MAX])
{
    for (size_t i = 0; i < d->n_given; i++) {
        vk_given *g = &d->given[i];
        vk_listen_at is;
        bool known = g->fd >= 0 && where(g->fd, &is), here = known && same_place(&is, at);
        if (!known || (g->name[0] ? strcmp(g->name, listener) != 0 : !here))
            continue;
        if (!here) {
            char given[VK_LISTEN_TEXT], wanted[VK_LISTEN_TEXT];
            vk_listen_text(&is, given);
            vk_listen_text(at, wanted);
            if (d->resume)
                return vk_say(
                    why, VK_E_CONFLICT,
                    "A restart cannot move a listener: %s is on %s, and its settings now say %s. Stop "
                    "the daemon and start it again.",
                    listener, given, wanted);
            return vk_say(
                why, VK_E_CONFLICT,
                "The service manager's socket for %s is on %s, but the settings say %s. Make them the "
                "same: --listen %s=%s%s, or ListenStream=%s in the socket's unit.",
                listener, given, wanted, listener, given, at->tls ? " tls (in one pair of quotes)" : "",
                wanted);
        }
        *fd_r = g->fd;
        g->fd = -1;
        return VK_OK;
    }
    return VK_OK;
}

static vk_err unwanted(const vk_daemon *d, const vk_given *g, char why[VK_WHY_MAX])
{
    vk_listen_at is;
    char text[VK_LISTEN_TEXT] = "?", known[200] = "console";
    const vk_service *all[VK_SERVICES_MAX];
    size_t n = vk_services(all), at = strlen(known);
    for (size_t k = 0; k < n && at < sizeof known; k++)
        at += (size_t)snprintf(known + at, sizeof known - at, ", %s", all[k]->name);
    if (where(g->fd, &is))
        vk_listen_text(&is, text);
    if (d->resume)
        return vk_say(
            why, VK_E_CONFLICT,
            "A restart cannot close a listener: %s on %s is open, and no setting speaks of it. Stop "
            "the daemon and start it again.",
            g->name, text);
    if (!g->name[0])
        return vk_say(why, VK_E_CONFLICT,
                      "The service manager gave a socket on %s without a name, where no listener is to be. "
                      "Write FileDescriptorName= into its unit: one of %s.",
                      text, known);
    return vk_say(why, VK_E_CONFLICT,
                  "The service manager gave a socket named \"%s\" (on %s), which no listener of this version "
                  "has, or gave it twice. Its unit says FileDescriptorName=; the names are: %s.",
                  g->name, text, known);
}

vk_err vk_given_begin(const vk_daemon *d, char why[VK_WHY_MAX])
{
    for (size_t i = 0; i < d->n_given; i++) {
        vk_str name = vk_str_z(d->given[i].name);
        if (name.n && !vk_str_eqz(name, "console") && vk_service_index(name) < 0)
            return unwanted(d, &d->given[i], why);
    }
    return VK_OK;
}

vk_err vk_given_end(const vk_daemon *d, char why[VK_WHY_MAX])
{
    for (size_t i = 0; i < d->n_given; i++)
        if (d->given[i].fd >= 0)
            return unwanted(d, &d->given[i], why);
    return VK_OK;
}

/* ---- socket activation */

static int flag_of(int fd, int level, int option)
{
    int value = 0;
    socklen_t n = sizeof value;
    return getsockopt(fd, level, option, &value, &n) == 0 ? value : -1;
}

static vk_err check(const vk_given *g, char why[VK_WHY_MAX])
{
    int most = VK_NOT_SENT_MAX, flags = fcntl(g->fd, F_GETFL);
    const char *name = g->name[0] ? g->name : "(without a name)";
    vk_listen_at is;
    if (flags < 0)
        return vk_say(why, VK_E_INVALID,
                      "LISTEN_FDS speaks of descriptor %d (%s), which is not open. Start again through the "
                      "service manager.",
                      g->fd, name);
    if (flag_of(g->fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM || !where(g->fd, &is) ||
        flag_of(g->fd, SOL_SOCKET, SO_ACCEPTCONN) != 1)
        return vk_say(why, VK_E_INVALID,
                      "The socket %s of the service manager is not a listening TCP socket. In its unit: "
                      "ListenStream= with an address and a port, and Accept=no.",
                      name);
    if (flag_of(g->fd, SOL_SOCKET, SO_REUSEPORT) == 1)
        return vk_say(why, VK_E_FORBIDDEN,
                      "The socket %s of the service manager shares its port (SO_REUSEPORT): another process "
                      "could take connections with the keys in them. Remove ReusePort= from its unit.",
                      name);
    /* What is accepted from it inherits the last one. */
    if (fcntl(g->fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(g->fd, F_SETFD, FD_CLOEXEC) != 0)
        return vk_say(why, VK_E_IO, "The socket %s of the service manager cannot be set up.", name);
    setsockopt(g->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof most);
    return VK_OK;
}

static vk_err read_given(vk_daemon *d, const char *count, const char *names, char why[VK_WHY_MAX])
{
    int64_t n;
    if (vk_str_to_i64(vk_str_z(count), &n) != VK_OK || n < 0 || n > VK_GIVEN_MAX)
        return vk_say(why, VK_E_INVALID, "LISTEN_FDS is \"%.32s\", not a number from 0 to %d.", count,
                      (int)VK_GIVEN_MAX);
    vk_str rest = vk_str_z(names ? names : "");
    for (int i = 0; i < (int)n; i++) {
        vk_given *g = &d->given[d->n_given++];
        vk_str name;
        if (!vk_str_cut(&rest, ':', &name)) {
            name = rest;
            rest = VK_STR_NONE;
        }
        if (name.n >= sizeof g->name)
            return vk_say(why, VK_E_INVALID,
                          "LISTEN_FDNAMES has the name \"%.64s…\", which no listener of this version has.",
                          name.p);
        if (names && !name.n)
            return vk_say(why, VK_E_INVALID,
                          "LISTEN_FDS speaks of %d sockets, and LISTEN_FDNAMES has fewer names (\"%.200s\").",
                          (int)n, names);
        snprintf(g->name, sizeof g->name, VK_STR_FMT, VK_STR_ARG(name));
        g->fd = FIRST_FD + i;
        vk_err e = check(g, why);
        if (e != VK_OK)
            return e;
    }
    return VK_OK;
}

vk_err vk_activate(vk_daemon *d, char why[VK_WHY_MAX])
{
    int64_t pid = 0;
    const char *who = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    vk_err e = VK_OK;
    if (who && count && vk_str_to_i64(vk_str_z(who), &pid) == VK_OK && pid == getpid())
        e = read_given(d, count, getenv("LISTEN_FDNAMES"), why);
    unsetenv("LISTEN_PID"); /* they are not our children's */
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return e;
}
