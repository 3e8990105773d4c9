/* For test_sockets.c: a WebSocket client over a blocking socket, on top of test_rig.h. */
#ifndef VK_DATABASE_TEST_SOCKET_RIG_H
#define VK_DATABASE_TEST_SOCKET_RIG_H

#include "services/database/test_rig.h"

#include "services/database/embedded/ws_socket.h"

#include <poll.h>

enum { WAIT_MS = 20000, FRAME_MAX = 16 << 20 };

struct socket {
    int fd;
    size_t n, cap;
    char *in;
};

static const char handshake[] =
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

static void push(struct socket *k, const char *p, size_t n)
{
    while (n) {
        ssize_t w = send(k->fd, p, n, MSG_NOSIGNAL);
        assert_true(w > 0);
        p += w;
        n -= (size_t)w;
    }
}

/* A frame with a mask of zeros. */
static void say_frame(struct socket *k, int first, const char *text, size_t n)
{
    char head[14] = {(char)first};
    size_t h = 2;
    if (n < 126) {
        head[1] = (char)(0x80 | n);
    } else if (n < 65536) {
        head[1] = (char)(0x80 | 126);
        head[2] = (char)(n >> 8);
        head[3] = (char)n;
        h = 4;
    } else {
        head[1] = (char)(0x80 | 127);
        for (int i = 0; i < 8; i++)
            head[2 + i] = (char)((uint64_t)n >> (56 - 8 * i));
        h = 10;
    }
    push(k, head, h + 4);
    push(k, text, n);
}

static void say(struct socket *k, const char *format, ...) VK_PRINTF(2, 3);
static void say(struct socket *k, const char *format, ...)
{
    static char text[2 << 20];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    assert_true(n >= 0 && (size_t)n < sizeof text);
    say_frame(k, 0x81, text, (size_t)n);
}

static bool more(struct socket *k)
{
    struct pollfd p = {.fd = k->fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    if (k->cap - k->n < 65536) {
        k->cap = k->cap ? 2 * k->cap : 1 << 17;
        k->in = realloc(k->in, k->cap);
        assert_non_null(k->in);
    }
    ssize_t n = recv(k->fd, k->in + k->n, k->cap - k->n, 0);
    if (n > 0)
        k->n += (size_t)n;
    assert_true(n >= 0); /* a reset */
    return n > 0;
}

static void taken(struct socket *k, size_t n)
{
    memmove(k->in, k->in + n, k->n - n);
    k->n -= n;
}

/* The next message; "close <code> <reason>", "end". Pings are answered. */
static const char *hear(struct socket *k)
{
    static char text[FRAME_MAX + 1];
    for (;;) {
        size_t h = 2, n = k->n >= 2 ? (uint8_t)k->in[1] : 0;
        if (n >= 126) {
            size_t bytes = n == 126 ? 2 : 8;
            h += bytes;
            n = 0;
            for (size_t i = 0; k->n >= h && i < bytes; i++)
                n = n << 8 | (uint8_t)k->in[2 + i];
        }
        if (k->n < 2 || k->n < h || k->n < h + n) {
            if (!more(k))
                return "end";
            continue;
        }
        assert_true(n < FRAME_MAX);
        int opcode = k->in[0] & 0x0F;
        if (opcode == 8)
            snprintf(text, sizeof text, "close %d %.*s", (uint8_t)k->in[h] << 8 | (uint8_t)k->in[h + 1],
                     (int)n - 2, k->in + h + 2);
        else
            snprintf(text, sizeof text, "%.*s", (int)n, k->in + h);
        if (opcode == 9)
            say_frame(k, 0x8A, k->in + h, n);
        taken(k, h + n);
        if (opcode == 1 || opcode == 8)
            return text;
    }
}

#define hears(k, want)                                                                                       \
    do {                                                                                                     \
        const char *heard_ = hear(k);                                                                        \
        if (strncmp(heard_, want, strlen(want)) != 0)                                                        \
            fail_msg("wanted %s\ngot    %.500s", want, heard_);                                              \
    } while (0)
#define hears_with(k, part)                                                                                  \
    do {                                                                                                     \
        const char *heard_ = hear(k);                                                                        \
        if (!strstr(heard_, part))                                                                           \
            fail_msg("wanted %s\nin     %.500s", part, heard_);                                              \
    } while (0)

/* With the response head still to come. */
static struct socket *dial(const char *protocol)
{
    struct socket *k = calloc(1, sizeof *k);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    assert_non_null(k);
    k->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(k->fd, (struct sockaddr *)&at, sizeof at), 0);
    push(k, handshake, sizeof handshake - 1);
    if (protocol) {
        push(k, "Sec-WebSocket-Protocol: ", 24);
        push(k, protocol, strlen(protocol));
        push(k, "\r\n", 2);
    }
    push(k, "\r\n", 2);
    return k;
}

static const char *hear_head(struct socket *k)
{
    static char head[2048];
    char *end;
    while (!k->n || !(end = memmem(k->in, k->n, "\r\n\r\n", 4)))
        assert_true(more(k));
    snprintf(head, sizeof head, "%.*s", (int)(end + 2 - k->in), k->in);
    taken(k, (size_t)(end + 4 - k->in));
    return head;
}

static struct socket *open_socket(const char *token)
{
    struct socket *k = dial("hrana2, hrana1");
    assert_non_null(strstr(hear_head(k), " 101 "));
    if (token) {
        say(k, "{\"type\":\"hello\",\"jwt\":\"%s\"}", token);
        hears(k, "{\"type\":\"hello_ok\"}");
    }
    return k;
}

static void hang_up(struct socket *k)
{
    close(k->fd);
    free(k->in);
    free(k);
}

static int next_id;

static void ask_open(struct socket *k, int stream)
{
    say(k, "{\"type\":\"request\",\"request_id\":%d,\"request\":{\"type\":\"open_stream\",\"stream_id\":%d}}",
        next_id++, stream);
}

static void ask_close(struct socket *k, int stream)
{
    say(k,
        "{\"type\":\"request\",\"request_id\":%d,\"request\":{\"type\":\"close_stream\",\"stream_id\":%d}}",
        next_id++, stream);
}

static int ask(struct socket *k, int stream, const char *sql)
{
    say(k,
        "{\"type\":\"request\",\"request_id\":%d,\"request\":{\"type\":\"execute\",\"stream_id\":%d,\"stmt\":"
        "{\"sql\":\"%s\"}}}",
        next_id, stream, sql);
    return next_id++;
}

/* Asks and waits. */
static const char *run(struct socket *k, int stream, const char *sql)
{
    ask(k, stream, sql);
    return hear(k);
}

#define runs_with(k, stream, sql, part)                                                                      \
    do {                                                                                                     \
        const char *ran_ = run(k, stream, sql);                                                              \
        if (!strstr(ran_, part))                                                                             \
            fail_msg("wanted %s\nin     %.500s", part, ran_);                                                \
    } while (0)

static const char ok[] = "\"type\":\"response_ok\"";

static vk_dbt *of(const char *id)
{
    pthread_mutex_lock(&vk_db.mu);
    vk_map_node *n = vk_map_find(&vk_db.tenants, vk_hash_str(vk_str_z(id)));
    pthread_mutex_unlock(&vk_db.mu);
    assert_non_null(n);
    return VK_CONTAINER(n, vk_dbt, node);
}

/* Nothing of the build is open or under way, but perhaps idle connections. */
static void comes_to_rest(vk_dbt *t)
{
    bool busy = true;
    for (int i = 0; busy && i < 5000; i++) {
        usleep(1000);
        pthread_mutex_lock(&vk_db.mu);
        busy = t->n_jobs || t->running || t->sockets || !vk_list_empty(&t->streams) ||
               t->handles != t->n_idle + (atomic_load(&t->warm) != NULL) || t->turn_taken || t->n_streams ||
               atomic_load(&t->socket_bytes);
        if (i == 4999)
            print_message("jobs %u running %u sockets %u handles %u idle %u turn %d streams %u bytes %zu\n",
                          t->n_jobs, t->running, t->sockets, t->handles, t->n_idle, t->turn_taken,
                          t->n_streams, atomic_load(&t->socket_bytes));
        pthread_mutex_unlock(&vk_db.mu);
    }
    assert_false(busy);
}

#endif
