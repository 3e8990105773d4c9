/* Requests at a rate that does not wait for answers: request i is due at start + i / RATE, and its time
 * counts from when it was due, so that a server that falls behind is seen to. As many requests may be on
 * their way as there are connections.
 *
 *   openloop PORT PATH RATE SECONDS CONNECTIONS [-tls CA] [LINE]...     each LINE a header of the request
 *
 * Prints as JSON how many were answered with 200 after the warm-up (half a second) and the times of these, in
 * microseconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, ANSWER_MAX = 1 << 20, REQUEST_MAX = 8192 };

typedef struct wire {
    int fd;
    SSL *ssl;
} wire;

static char request[REQUEST_MAX];
static size_t request_n;
static uint16_t port;
static SSL_CTX *ctx;
static double rate;
static long total, warm;
static int64_t begin_ns;
static _Atomic long next;
static _Atomic bool failed;
static int64_t *took; /* of each request, in ns; 0: none */

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool wrong(const char *what)
{
    if (!atomic_exchange(&failed, true))
        fprintf(stderr, "openloop: %s (%s)\n", what, strerror(errno));
    return false;
}

static bool open_wire(wire *w)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (w->fd < 0 || connect(w->fd, (struct sockaddr *)&at, sizeof at) != 0)
        return wrong("connect");
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!ctx)
        return true;
    w->ssl = SSL_new(ctx);
    return (w->ssl && SSL_set_fd(w->ssl, w->fd) == 1 && SSL_set_tlsext_host_name(w->ssl, "localhost") == 1 &&
            SSL_set1_host(w->ssl, "localhost") == 1 && SSL_connect(w->ssl) == 1) ||
           wrong("TLS");
}

static bool send_request(wire *w)
{
    if (w->ssl)
        return SSL_write(w->ssl, request, (int)request_n) == (int)request_n;
    return send(w->fd, request, request_n, MSG_NOSIGNAL) == (ssize_t)request_n;
}

/* The line of this name, or NULL. */
static const char *line(const char *head, const char *name)
{
    for (const char *l = strchr(head, '\n'); l; l = strchr(l + 1, '\n'))
        if (strncasecmp(l + 1, name, strlen(name)) == 0)
            return l + 1 + strlen(name);
    return NULL;
}

/* One answer and nothing after it. Bodies here hold no "0\r\n\r\n" but a chunked one's end. */
static bool read_answer(wire *w, char *at)
{
    size_t n = 0, head_n = 0, length = 0;
    bool chunked = false;
    for (;;) {
        const size_t room = ANSWER_MAX - n - 1;
        const ssize_t got = room == 0 ? 0
                            : w->ssl  ? SSL_read(w->ssl, at + n, (int)room)
                                      : recv(w->fd, at + n, room, 0);
        if (got <= 0)
            return wrong("the connection ended");
        n += (size_t)got;
        at[n] = '\0';
        const char *end = head_n ? NULL : strstr(at, "\r\n\r\n");
        if (end) {
            head_n = (size_t)(end - at) + 4;
            at[head_n - 1] = '\0';
            const char *said = line(at, "content-length:");
            chunked = line(at, "transfer-encoding:") != NULL;
            length = said ? strtoul(said, NULL, 10) : 0;
            if (strncmp(at, "HTTP/1.1 200", 12) != 0 || (!said && !chunked)) {
                errno = 0;
                fprintf(stderr, "%.1000s %.300s\n", at, at + head_n);
                return wrong("an answer that is none");
            }
        }
        if (head_n &&
            (chunked ? n >= head_n + 5 && memcmp(at + n - 5, "0\r\n\r\n", 5) == 0 : n >= head_n + length))
            return true;
    }
}

static void *work(void *arg)
{
    wire *w = arg;
    char *answer = malloc(ANSWER_MAX);
    prctl(PR_SET_TIMERSLACK, 1UL);
    if (!answer)
        wrong("no memory");
    while (answer && !atomic_load(&failed)) {
        const long i = atomic_fetch_add(&next, 1);
        if (i >= total)
            break;
        const int64_t due = begin_ns + (int64_t)((double)i * 1e9 / rate);
        const struct timespec t = {due / 1000000000, due % 1000000000};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
        }
        if (!send_request(w)) {
            wrong("send");
            break;
        }
        if (!read_answer(w, answer))
            break;
        took[i] = now_ns() - due;
    }
    free(answer);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: openloop PORT PATH RATE SECONDS CONNECTIONS [-tls CA] [LINE]...\n");
        return 2;
    }
    static wire wires[CONNECTIONS_MAX];
    pthread_t threads[CONNECTIONS_MAX];
    port = (uint16_t)strtoul(argv[1], NULL, 10);
    rate = strtod(argv[3], NULL);
    const double seconds = strtod(argv[4], NULL);
    const long connections = strtol(argv[5], NULL, 10);
    int at = 6;
    if (!(rate > 0) || !(rate <= 1e6) || !(seconds > 0) || !(seconds <= 600) || connections < 1 ||
        connections > CONNECTIONS_MAX)
        return 2;
    if (at + 1 < argc && strcmp(argv[at], "-tls") == 0) {
        ctx = SSL_CTX_new(TLS_client_method());
        if (!ctx || SSL_CTX_load_verify_locations(ctx, argv[at + 1], NULL) != 1)
            return 1;
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        at += 2;
    }
    request_n = (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n", argv[2]);
    for (; at < argc && request_n < sizeof request; at++)
        request_n += (size_t)snprintf(request + request_n, sizeof request - request_n, "%s\r\n", argv[at]);
    if (request_n + 3 > sizeof request)
        return 2;
    memcpy(request + request_n, "\r\n", 2);
    request_n += 2;
    warm = (long)(rate / 2);
    total = warm + (long)(rate * seconds);
    took = calloc((size_t)total, sizeof *took);
    if (!took)
        return 1;
    for (long i = 0; i < connections; i++)
        if (!open_wire(&wires[i]))
            return 1;
    begin_ns = now_ns() + 20000000;
    for (long i = 0; i < connections; i++)
        if (pthread_create(&threads[i], NULL, work, &wires[i]) != 0)
            return 1;
    for (long i = 0; i < connections; i++)
        pthread_join(threads[i], NULL);
    if (atomic_load(&failed))
        return 1;
    const double elapsed = (double)(now_ns() - begin_ns) / 1e9;
    const long n = total - warm;
    qsort(took + warm, (size_t)n, sizeof *took, by_size);
    printf("{\"n\": %ld, \"all\": %ld, \"rate\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", n, total,
           (double)total / elapsed, (double)took[warm + n / 2] / 1e3,
           (double)took[warm + n * 99 / 100] / 1e3);
    return 0;
}
