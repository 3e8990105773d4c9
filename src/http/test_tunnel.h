/* For unit tests whose clients are plain sockets: the same tests once more with a server that speaks TLS. A
 * tunnel listens in the server's place, and each connection to it becomes one under TLS; ends, half-closes
 * and resets pass through as what they are. Include behind VK_TEST_TLS. */
#ifndef VK_HTTP_TEST_TUNNEL_H
#define VK_HTTP_TEST_TUNNEL_H

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

enum { TUNNEL_PIECE = 16384 };

static struct sockaddr_in tunnel_to;
static SSL_CTX *tunnel_ctx;
static _Atomic int tunnels; /* threads that use OpenSSL */

struct flow { /* one direction */
    char bytes[TUNNEL_PIECE];
    size_t at, n;
    bool ended, told; /* the source's end; which the destination knows */
};

/* What a broken connection looks like from the other side. */
static void tunnel_reset(int fd)
{
    struct linger l = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
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
    ERR_clear_error();
    if (f->at < f->n) {
        int r = SSL_write_ex(ssl, f->bytes + f->at, f->n - f->at, &w);
        f->at += r == 1 ? w : 0;
        int why = r == 1 ? 0 : SSL_get_error(ssl, r);
        return r == 1 || why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ;
    }
    if (f->ended && !f->told) {
        int r = SSL_is_init_finished(ssl) ? SSL_shutdown(ssl) : 0;
        f->told = r >= 0;
    }
    return true;
}

/* TLS to plain. False: the TLS side broke. */
static bool tunnel_in(SSL *ssl, int plain, struct flow *f, bool *plain_broke)
{
    if (f->at == f->n && !f->ended) {
        size_t n = 0;
        ERR_clear_error();
        int r = SSL_read_ex(ssl, f->bytes, sizeof f->bytes, &n);
        int why = r == 1 ? 0 : SSL_get_error(ssl, r);
        f->ended = why == SSL_ERROR_ZERO_RETURN;
        f->at = 0;
        f->n = r == 1 ? n : 0;
        if (r != 1 && !f->ended && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
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
        if (!whole || plain_broke || SSL_pending(ssl))
            continue;
        bool hold = in->at < in->n;
        struct pollfd p[2] = {
            {.fd = fd, .events = (short)((hold ? 0 : POLLIN) | (out->at < out->n ? POLLOUT : 0))},
            {.fd = plain,
             .events = (short)((out->at < out->n || out->ended ? 0 : POLLIN) | (hold ? POLLOUT : 0))}};
        if (in->ended && !hold)
            p[0].events &= ~POLLIN;
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

/* At exit, before OpenSSL frees what the threads use: they end with their connections. */
static void tunnel_end(void)
{
    for (int i = 0; i < 10000 && atomic_load(&tunnels); i++)
        usleep(1000);
}

static void *tunnel_accept(void *arg)
{
    int listener = (int)(intptr_t)arg;
    for (;;) {
        pthread_t t;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        atomic_fetch_add(&tunnels, 1);
        if (fd < 0 || pthread_create(&t, NULL, tunnel_main, (void *)(intptr_t)fd) != 0)
            abort();
        pthread_detach(t);
    }
}

/* A host with a fresh certificate, for the server; from here on *address is the tunnel's. */
static vk_tls_host *tunnel_begin(struct sockaddr_in *address)
{
    static vk_tls_host *host;
    vk_selfsign_names names = {0};
    vk_buf cert, key;
    char why[VK_TLS_WHY_MAX];
    pthread_t t;
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
    if (!tunnel_ctx || atexit(tunnel_end) != 0)
        abort();
    SSL_CTX_set_mode(tunnel_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    tunnel_to = *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t n = sizeof *address;
    address->sin_port = 0;
    if (bind(fd, (struct sockaddr *)address, n) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)address, &n) != 0 ||
        pthread_create(&t, NULL, tunnel_accept, (void *)(intptr_t)fd) != 0)
        abort();
    pthread_detach(t);
    return host;
}

#endif
