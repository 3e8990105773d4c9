/* For tests: a server on loopback, on a thread of its own, one connection after the other. */
#ifndef VK_TEST_LOOPBACK_H
#define VK_TEST_LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct loopback_server {
    int fd, port;
    _Atomic bool over; /* who serves is to come to an end */
    void (*serve)(struct loopback_server *l, int c);
    pthread_t thread;
} loopback_server;

static inline void *loopback_main(void *arg)
{
    loopback_server *l = arg;
    while (!l->over) {
        struct pollfd wait = {.fd = l->fd, .events = POLLIN};
        if (poll(&wait, 1, 50) <= 0)
            continue;
        int c = accept(l->fd, NULL, NULL);
        l->serve(l, c);
        close(c);
    }
    return NULL;
}

/* `serve` has the connection until it returns. */
static inline void loopback_start(loopback_server *l, void (*serve)(loopback_server *l, int c))
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    l->serve = serve;
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(l->fd, (struct sockaddr *)(void *)&a, sizeof a), 0);
    assert_int_equal(listen(l->fd, 5), 0);
    assert_int_equal(getsockname(l->fd, (struct sockaddr *)(void *)&a, &n), 0);
    l->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&l->thread, NULL, loopback_main, l), 0);
}

static inline void loopback_end(loopback_server *l)
{
    l->over = true;
    pthread_join(l->thread, NULL);
    close(l->fd);
}

#endif
