/* A server comes to rest, goes on, or gives its connections to another process. */
#include "http/conn.h"

#include "core/log.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- rest */

void vk_conn_park(vk_conn *c)
{
    if (c->eof && c->in_at == c->in_n) {
        vk_conn_shut(c);
        return;
    }
    vk_conn_disarm(c);
    /* While requests are sifted more of it may tell what it is. */
    vk_io_want(&c->io, c->server->goes_on && !c->eof && c->in_n < VK_IN_SIZE ? VK_READ : 0);
    c->head_begun = false; /* its time begins anew */
    vk_conn_set_aside(c);
}

static void park_all(vk_list *all)
{
    for (vk_list *n = all->next, *next; n != all; n = next) {
        next = n->next;
        vk_conn *c = VK_CONTAINER(n, vk_conn, node);
        if (c->state == S_HEAD)
            vk_conn_park(c);
        else if (c->state == S_DELAY)
            vk_conn_end_delay(c);
        else if (c->state == S_OTHER && c->other->hold)
            c->other->hold(c->other, true);
    }
}

void vk_server_park(vk_server *s)
{
    s->parking = true;
    s->goes_on = NULL;
    vk_timer_clear(s->loop, &s->retry);
    if (s->accepting)
        vk_io_want(&s->accept, 0);
    park_all(&s->fresh);
    park_all(&s->conns);
    park_all(&s->upgraded);
}

/* Each is looked at once, wherever in the lists it goes by that. */
static void go_on(vk_list *all)
{
    vk_list now;
    vk_list_init(&now);
    vk_list_splice(&now, all);
    for (vk_list *n; (n = vk_list_shift(&now));) {
        vk_conn *c = VK_CONTAINER(n, vk_conn, node);
        vk_list_push(all, n);
        if (c->state == S_HEAD)
            vk_conn_advance(c);
        else if (c->state == S_OTHER && c->other->hold)
            c->other->hold(c->other, false);
    }
}

static void all_go_on(vk_server *s)
{
    if (s->accepting)
        vk_io_want(&s->accept, VK_READ);
    go_on(&s->fresh);
    go_on(&s->conns);
    go_on(&s->upgraded);
}

void vk_server_unpark(vk_server *s)
{
    s->parking = false;
    s->goes_on = NULL;
    all_go_on(s);
}

void vk_server_sift(vk_server *s, bool (*goes_on)(const char *in, size_t n))
{
    s->goes_on = goes_on;
    all_go_on(s);
}

static void hasten(vk_list *all)
{
    for (vk_list *n = all->next, *next; n != all; n = next) {
        next = n->next;
        vk_conn *c = VK_CONTAINER(n, vk_conn, node);
        bool held = c->state == S_HELD;
        if (held || c->state == S_BODY || c->state == S_SEND)
            vk_conn_shut(c);
        if (held) /* its handler gives it back the sooner */
            vk_conn_tell_gone(c);
    }
}

void vk_server_hasten(vk_server *s)
{
    hasten(&s->fresh);
    hasten(&s->conns);
}

void vk_server_end_others(vk_server *s)
{
    for (vk_list *n = s->upgraded.next, *next; n != &s->upgraded; n = next) {
        next = n->next;
        vk_conn *c = VK_CONTAINER(n, vk_conn, node);
        if (c->state == S_OTHER)
            c->other->closing(c->other);
    }
}

/* ---- to another process */

static bool pass_on(vk_conn *c, int to, int fd, uint32_t listener)
{
    vk_passed p = {.listener = listener, .n = c->in_n - c->in_at, .relayed = fd != c->io.fd || c->once};
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov[2] = {{&p, sizeof p}, {c->in ? c->in + c->in_at : NULL, p.n}};
    struct msghdr m = {
        .msg_iov = iov, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control};
    if (c->peer)
        vk_gate_address(c->peer, &p.from);
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &fd, sizeof fd);
    ssize_t n;
    do
        n = sendmsg(to, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)(sizeof p + p.n);
}

/* The peer's bytes go on to be decrypted here. */
static bool pass_relayed(vk_conn *c, int to, uint32_t listener)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    bool passed = pass_on(c, to, pair[1], listener);
    close(pair[1]);
    if (passed)
        vk_conn_drop_in(c); /* went along */
    if (passed && vk_relay_begin(c, pair[0]) == VK_OK)
        return true;
    close(pair[0]);
    return false;
}

static size_t pass_all(vk_list *all, int to, uint32_t listener)
{
    vk_list now;
    size_t lost = 0;
    vk_list_init(&now);
    vk_list_splice(&now, all);
    for (vk_list *n; (n = vk_list_shift(&now));) {
        vk_conn *c = VK_CONTAINER(n, vk_conn, node);
        vk_list_push(all, n);
        if (c->state != S_HEAD)
            continue;
        bool relay = c->io.tls != NULL;
        bool passed =
            !c->over && (relay ? pass_relayed(c, to, listener) : pass_on(c, to, c->io.fd, listener));
        lost += !passed;
        if (!passed || !relay)
            vk_conn_shut(c); /* ours is the lesser of two references now */
    }
    return lost;
}

void vk_server_pass(vk_server *s, int to, uint32_t listener)
{
    size_t lost = pass_all(&s->fresh, to, listener) + pass_all(&s->conns, to, listener);
    if (lost)
        vk_log(VK_WARN,
               "connections that waited for a request were closed: the new process did not take them",
               VK_F(connections, lost));
}
