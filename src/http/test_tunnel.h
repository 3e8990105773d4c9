/* For unit tests whose clients are plain sockets: the same tests once more with a server that speaks TLS. A
 * tunnel listens in the server's place, and each connection to it becomes one under TLS; ends, half-closes
 * and resets pass through as what they are. Include behind VK_TEST_TLS. */
#ifndef VK_HTTP_TEST_TUNNEL_H
#define VK_HTTP_TEST_TUNNEL_H

#include "core/clock.h"
#include "crypto/selfsign.h"
#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TUNNEL_PIECE = 16384, TUNNEL_END_MS = 30000 };

static struct sockaddr_in tunnel_to;
static SSL_CTX *tunnel_ctx;
static int tunnel_listener;
static pthread_t tunnel_acceptor;
static _Atomic int tunnels; /* threads that use OpenSSL */

struct flow { /* one direction */
    char bytes[TUNNEL_PIECE];
    size_t at, n;
    bool ended, told; /* the source's end; which the destination knows */
    bool full;        /* TLS goes on when its socket has room */
};

/* What a broken connection looks like from the other side. */
static void tunnel_reset(int fd)
{
    struct linger l = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
}

/* TLS has not done it. False: it never will. */
static bool tunnel_waits(SSL *ssl, int r, bool *full)
{
    int why = SSL_get_error(ssl, r);
    *full = why == SSL_ERROR_WANT_WRITE;
    return *full || why == SSL_ERROR_WANT_READ;
}

/* Plain to TLS. False: the TLS side broke. */
static bool tunnel_out(SSL *ssl, int plain, struct flow *f, bool *plain_broke)
{
    if (f->at == f->n && !f->ended) {
        ssize_t n = recv(plain, f->bytes, sizeof f->bytes, MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) {
            *plain_broke = true;
            return true;
        }
        f->ended = n == 0;
        f->at = 0;
        f->n = n > 0 ? (size_t)n : 0;
    }
    size_t w = 0;
    f->full = false;
    ERR_clear_error();
    if (f->at < f->n) {
        int r = SSL_write_ex(ssl, f->bytes + f->at, f->n - f->at, &w);
        f->at += r == 1 ? w : 0;
        f->full = f->at < f->n;
        return r == 1 || tunnel_waits(ssl, r, &f->full);
    }
    if (f->ended && !f->told && SSL_is_init_finished(ssl)) {
        /* A server that has gone already cannot be told, ever; what it said before may still come in. */
        int r = SSL_shutdown(ssl);
        f->told = r >= 0 || !tunnel_waits(ssl, r, &f->full);
    }
    return true;
}

/* TLS to plain. False: the TLS side broke. */
static bool tunnel_in(SSL *ssl, int plain, struct flow *f, bool *plain_broke)
{
    f->full = false;
    if (f->at == f->n && !f->ended) {
        size_t n = 0;
        ERR_clear_error();
        int r = SSL_read_ex(ssl, f->bytes, sizeof f->bytes, &n);
        f->ended = r != 1 && SSL_get_error(ssl, r) == SSL_ERROR_ZERO_RETURN;
        f->at = 0;
        f->n = r == 1 ? n : 0;
        if (r != 1 && !f->ended && !tunnel_waits(ssl, r, &f->full))
            return false;
    }
    if (f->at < f->n) {
        ssize_t w = send(plain, f->bytes + f->at, f->n - f->at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (w < 0 && errno != EAGAIN)
            *plain_broke = true;
        f->at += w > 0 ? (size_t)w : 0;
    }
    if (f->ended && f->at == f->n && !f->told) {
        shutdown(plain, SHUT_WR);
        f->told = true;
    }
    return true;
}

static void *tunnel_main(void *arg)
{
    int plain = (int)(intptr_t)arg, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct flow *out = calloc(1, sizeof *out), *in = calloc(1, sizeof *in);
    SSL *ssl = SSL_new(tunnel_ctx);
    int small = 65536; /* what a tunnel holds must not be what a test waits for */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(plain, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    bool plain_broke = false, whole = out && in && ssl;
    whole = whole && connect(fd, (struct sockaddr *)&tunnel_to, sizeof tunnel_to) == 0 &&
            fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && SSL_set_fd(ssl, fd) == 1 &&
            SSL_set_tlsext_host_name(ssl, "localhost") == 1;
    if (ssl)
        SSL_set_connect_state(ssl);
    while (whole && !plain_broke && !(out->told && in->told)) {
        whole = tunnel_in(ssl, plain, in, &plain_broke) && tunnel_out(ssl, plain, out, &plain_broke);
        bool hold = in->at < in->n;
        if (!whole || plain_broke || (out->told && in->told) || (SSL_pending(ssl) && !hold))
            continue;
        struct pollfd p[2] = {
            {.events = (short)((hold || in->ended ? 0 : POLLIN) | (in->full || out->full ? POLLOUT : 0))},
            {.events = (short)((out->at < out->n || out->ended ? 0 : POLLIN) | (hold ? POLLOUT : 0))}};
        /* One of which nothing is wanted would wake us all the time once it is broken. */
        p[0].fd = p[0].events ? fd : -1;
        p[1].fd = p[1].events ? plain : -1;
        poll(p, 2, 1000);
    }
    if (!whole)
        tunnel_reset(plain);
    if (plain_broke)
        tunnel_reset(fd);
    SSL_free(ssl);
    close(fd);
    close(plain);
    free(out);
    free(in);
    OPENSSL_thread_stop();
    atomic_fetch_sub(&tunnels, 1);
    return NULL;
}

static void *tunnel_accept(void *arg)
{
    VK_UNUSED(arg);
    for (;;) {
        pthread_t t;
        int fd = accept4(tunnel_listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && errno == EINVAL) /* tunnel_end has shut it */
            return NULL;
        atomic_fetch_add(&tunnels, 1);
        if (fd < 0 || pthread_create(&t, NULL, tunnel_main, (void *)(intptr_t)fd) != 0)
            abort();
        pthread_detach(t);
    }
}

/* At exit, before OpenSSL frees what the threads use: no more of them come, and they end with their
 * connections. One that stays fails the test by its name; what it holds would be a leak without one. */
static void tunnel_end(void)
{
    int64_t until = vk_clock_mono_ms() + TUNNEL_END_MS;
    shutdown(tunnel_listener, SHUT_RDWR);
    pthread_join(tunnel_acceptor, NULL);
    close(tunnel_listener);
    while (atomic_load(&tunnels) && vk_clock_mono_ms() < until)
        usleep(1000);
    int left = atomic_load(&tunnels);
    if (left == 0)
        return;
    printf("not ok - connections through the tunnel that have not ended: %d\n", left);
    fflush(stdout);
    _exit(1);
}

/* A host with a fresh certificate, for the server; from here on *address is the tunnel's. */
static vk_tls_host *tunnel_begin(struct sockaddr_in *address)
{
    static vk_tls_host *host;
    vk_selfsign_names names = {0};
    vk_buf cert, key;
    char why[VK_TLS_WHY_MAX];
    vk_buf_init(&cert, 65536);
    vk_buf_init(&key, 65536);
    if (vk_selfsign_name(&names, VK_STR("localhost")) != VK_OK || vk_selfsign(&names, &cert, &key) != VK_OK ||
        vk_tls_host_new(&host) != VK_OK ||
        vk_tls_host_load(host, vk_buf_view(&cert), vk_buf_view(&key), "cert", "key", why) != VK_OK)
        abort();
    vk_buf_free(&cert);
    vk_buf_free_secret(&key);
    signal(SIGPIPE, SIG_IGN); /* as in all of our processes */
    tunnel_ctx = SSL_CTX_new(TLS_client_method());
    if (!tunnel_ctx)
        abort();
    SSL_CTX_set_mode(tunnel_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    tunnel_to = *address;
    tunnel_listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t n = sizeof *address;
    address->sin_port = 0;
    if (bind(tunnel_listener, (struct sockaddr *)address, n) != 0 || listen(tunnel_listener, 64) != 0 ||
        getsockname(tunnel_listener, (struct sockaddr *)address, &n) != 0 ||
        pthread_create(&tunnel_acceptor, NULL, tunnel_accept, NULL) != 0 || atexit(tunnel_end) != 0)
        abort();
    return host;
}

#endif
