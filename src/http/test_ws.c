#include "http/server.h"
#include "http/ws.h"

#include "core/clock.h"
#include "core/encode.h"
#include "core/test_meanwhile.h"
#include "crypto/digest.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef VK_TEST_TLS
#include "http/test_tunnel.h"
#endif

/* ---- the decoder ---- */

static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};

/* A client's frame; `head` is its first byte. */
static size_t frame(char *out, int head, const void *payload, size_t n)
{
    size_t at = 0;
    out[at++] = (char)head;
    if (n < 126) {
        out[at++] = (char)(0x80 | n);
    } else if (n < 65536) {
        out[at++] = (char)(0x80 | 126);
        out[at++] = (char)(n >> 8);
        out[at++] = (char)n;
    } else {
        out[at++] = (char)(0x80 | 127);
        for (int i = 7; i >= 0; i--)
            out[at++] = (char)((uint64_t)n >> (8 * i));
    }
    memcpy(out + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < n; i++)
        out[at++] = (char)(((const uint8_t *)payload)[i] ^ mask[i & 3]);
    return at;
}

/* Decodes all of it, `piece` bytes at a time; the events as letters, payloads in brackets. */
static const char *events(const char *in, size_t n, size_t piece, size_t max)
{
    static char text[4096];
    char copy[4096];
    size_t at = 0, open = 0;
    vk_ws_decoder d = {.max = max};
    memcpy(copy, in, n);
    for (size_t from = 0; from < n; from += piece) {
        size_t have = n - from < piece ? n - from : piece;
        for (size_t used, taken = 0;; taken += used) {
            vk_str data;
            vk_ws_event e = vk_ws_decode(&d, copy + from + taken, have - taken, &used, &data);
            if (e == VK_WS_MORE)
                break;
            if (e == VK_WS_PART) {
                at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s", open ? "" : "<",
                                       VK_STR_ARG(data));
                open = 1;
                continue;
            }
            if (open && (e == VK_WS_MESSAGE || e == VK_WS_BAD))
                at += (size_t)snprintf(text + at, sizeof text - at, ">");
            open = e == VK_WS_MESSAGE || e == VK_WS_BAD ? 0 : open;
            if (e == VK_WS_MESSAGE)
                at += (size_t)snprintf(text + at, sizeof text - at, d.text ? "T" : "B");
            else if (e == VK_WS_GOT_PING)
                at += (size_t)snprintf(text + at, sizeof text - at, "(ping %.*s)", VK_STR_ARG(data));
            else if (e == VK_WS_GOT_PONG)
                at += (size_t)snprintf(text + at, sizeof text - at, "(pong %.*s)", VK_STR_ARG(data));
            else if (e == VK_WS_GOT_CLOSE)
                at += (size_t)snprintf(text + at, sizeof text - at, "(close %d %.*s)", d.code,
                                       VK_STR_ARG(data));
            else
                at += (size_t)snprintf(text + at, sizeof text - at, "!%d", d.code);
            if (e == VK_WS_BAD)
                return text;
        }
    }
    text[at] = '\0';
    return text;
}

/* The same for every way to cut it. */
#define assert_events(in, n, max, want)                                                                      \
    do {                                                                                                     \
        for (size_t piece_ = 1; piece_ <= (n); piece_++)                                                     \
            assert_string_equal(events((in), (n), piece_, (max)), (want));                                   \
    } while (0)

static void frames_are_read(void **state)
{
    char in[2048];
    VK_UNUSED(state);
    /* RFC 6455 §5.7: a single-frame masked text message. */
    static const char hello[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_events(hello, sizeof hello - 1, 100, "<Hello>T");
    size_t n = frame(in, 0x01, "Hel", 3);
    n += frame(in + n, 0x89, "are you there", 13);
    n += frame(in + n, 0x00, "lo ", 3);
    n += frame(in + n, 0x00, "", 0);
    n += frame(in + n, 0x8A, "", 0);
    n += frame(in + n, 0x80, "you", 3);
    n += frame(in + n, 0x82, "\x01", 1);
    n += frame(in + n, 0x81, "", 0);
    n += frame(in + n, 0x88,
               "\x03\xe8"
               "bye",
               5);
    assert_events(in, n, 100, "<Hel(ping are you there)lo (pong )you>T<\x01>BT(close 1000 bye)");
    n = frame(in, 0x88, "", 0);
    assert_events(in, n, 100, "(close 1005 )");
    char large[126], want[140];
    memset(large, 'x', sizeof large);
    n = frame(in, 0x81, large, sizeof large);
    snprintf(want, sizeof want, "<%.126s>T", large);
    assert_events(in, n, 126, want);
}

static void bad_frames_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *want;
    } cases[] = {
        {"\x81\x05Hello", 7, "!1002"},                         /* not masked */
        {"\xc1\x80\0\0\0\0", 6, "!1002"},                      /* RSV1: compression was not agreed on */
        {"\xa1\x80\0\0\0\0", 6, "!1002"},                      /* RSV2 */
        {"\x91\x80\0\0\0\0", 6, "!1002"},                      /* RSV3 */
        {"\x83\x80\0\0\0\0", 6, "!1002"},                      /* opcode 3 */
        {"\x8b\x80\0\0\0\0", 6, "!1002"},                      /* opcode 11 */
        {"\x80\x80\0\0\0\0", 6, "!1002"},                      /* continues nothing */
        {"\x09\x80\0\0\0\0", 6, "!1002"},                      /* fragmented ping */
        {"\x89\xfe\x00\x7e\0\0\0\0", 8, "!1002"},              /* long ping */
        {"\x81\xfe\x00\x05\0\0\0\0", 8, "!1002"},              /* 5 in two bytes */
        {"\x81\xff\0\0\0\0\0\0\x01\x00\0\0\0\0", 14, "!1002"}, /* 256 in eight */
        {"\x81\xff\x80\0\0\0\0\x01\0\0\0\0\0\0", 14, "!1002"}, /* top bit */
        {"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14, "!1009"},
        {"\x81\xfe\x00\xc9\0\0\0\0", 8, "!1009"}, /* 201 of 200 */
        {"\x88\x81\0\0\0\0\x03", 7, "!1002"},     /* half a code */
        {"\x88\x82\0\0\0\0\x03\xed", 8, "!1002"}, /* 1005 is never sent */
        {"\x88\x82\0\0\0\0\x03\xee", 8, "!1002"}, /* 1006 neither */
        {"\x88\x82\0\0\0\0\x00\x01", 8, "!1002"},
        {"\x88\x83\0\0\0\0\x03\xe8\xff", 9, "!1007"}, /* reason is not UTF-8 */
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++)
        assert_events(cases[i].bytes, cases[i].n, 200, cases[i].want);
    char in[1024], half[150];
    memset(half, 'h', sizeof half);
    size_t n = frame(in, 0x01, half, 120), one = n;
    n += frame(in + n, 0x80, half, 81);
    assert_string_equal(strchr(events(in, n, n, 200), '>'), ">!1009"); /* 201 in two frames */
    n = one + frame(in + one, 0x81, "x", 1);
    assert_string_equal(strchr(events(in, n, n, 200), '>'), ">!1002"); /* a message inside a message */
    vk_ws_decoder d = {.max = 10};
    size_t used;
    vk_str data;
    assert_int_equal(vk_ws_decode(&d, in, 0, &used, &data), VK_WS_MORE);
}

static void our_frames_are_well_formed(void **state)
{
    uint8_t head[VK_WS_HEAD_MAX];
    char payload[VK_WS_CONTROL_MAX], reason[200];
    VK_UNUSED(state);
    assert_int_equal(vk_ws_frame_head(head, VK_WS_TEXT, 125), 2);
    assert_memory_equal(head, "\x81\x7d", 2);
    assert_int_equal(vk_ws_frame_head(head, VK_WS_TEXT, 126), 4);
    assert_memory_equal(head, "\x81\x7e\x00\x7e", 4);
    assert_int_equal(vk_ws_frame_head(head, VK_WS_TEXT, 65536), 10);
    assert_memory_equal(head, "\x81\x7f\0\0\0\0\0\x01\0\0", 10);
    memset(reason, 'r', sizeof reason);
    memcpy(reason + 122, "\xc3\xa9", 2); /* is cut in the middle by the limit */
    assert_int_equal(vk_ws_close_payload(payload, 1008, (vk_str){reason, sizeof reason}), 2 + 122);
    assert_memory_equal(payload, "\x03\xf0rrr", 5);
    assert_true(vk_ws_utf8(VK_STR("plain ascii, longer than eight \xc3\xa9 \xf0\x9f\x98\x80")));
    assert_false(vk_ws_utf8(VK_STR("12345678\xc0\x80")));
    assert_false(vk_ws_utf8(VK_STR("\xed\xa0\x80")));
    assert_true(vk_ws_utf8(VK_STR_NONE));
}

/* ---- a server that echoes ---- */

enum { WAIT_MS = 10000 };

static vk_loop *loop;
static vk_server server;
static pthread_t loop_thread;
static struct sockaddr_in address;
static _Atomic int accepted, closed_count, messages;
static vk_ws *held; /* told to resume by a second connection */

static void on_message(vk_ws *ws, vk_buf *m, bool text)
{
    vk_str s = vk_buf_view(m);
    messages++;
    if (!text)
        abort();
    if (vk_str_eqz(s, "close please")) {
        vk_ws_send(ws, VK_STR("last words"));
        vk_ws_close(ws, VK_WS_POLICY, VK_STR("as you wish"));
        vk_ws_send(ws, VK_STR("never seen"));
    } else if (vk_str_eqz(s, "larger")) {
        vk_ws_limit(ws, VK_WS_MESSAGE_MAX);
        vk_ws_send(ws, VK_STR("ok"));
    } else if (vk_str_eqz(s, "pause")) {
        held = ws;
        vk_ws_pause(ws);
        vk_ws_send(ws, VK_STR("paused"));
    } else if (vk_str_eqz(s, "resume")) {
        if (held)
            vk_ws_resume(held);
        held = NULL;
        vk_ws_send(ws, VK_STR("resumed"));
    } else if (vk_str_eqz(s, "flood")) {
        for (int i = 0; i < 4; i++) {
            vk_buf b;
            vk_buf_init(&b, 4 << 20);
            char *to = vk_buf_room(&b, 2 << 20);
            if (!to)
                abort();
            memset(to, 'f', 2 << 20);
            b.n = 2 << 20;
            vk_ws_send_buf(ws, &b);
        }
    } else {
        vk_ws_send(ws, s);
    }
}

static void on_closed(vk_ws *ws)
{
    closed_count++;
    if (held == ws)
        held = NULL;
    vk_ws_release(ws);
}

static const vk_ws_handler echo = {.message = on_message, .closed = on_closed, .no_binary = "texts only"},
                           asks_soon = {.message = on_message, .closed = on_closed, .ping_ms = 400};

static vk_err on_head(vk_exchange *ex)
{
    VK_UNUSED(ex);
    return VK_OK;
}

static void on_request(vk_exchange *ex)
{
    const char *why = "no upgrade";
    int status = vk_ws_asked(ex) ? vk_ws_refusal(ex, &why) : 200;
    vk_str protocol = vk_ws_offers(ex, VK_STR("b")) ? VK_STR("b") : VK_STR_NONE;
    vk_ws *ws;
    if (status == 0 && vk_ws_offers_any(ex) && !protocol.p) {
        status = 400;
        why = "no common protocol";
    }
    if (status == 0) {
        const vk_ws_handler *h = vk_str_eqz(ex->path, "/asks-soon") ? &asks_soon : &echo;
        if (vk_ws_accept(ex, protocol, h, NULL, &ws) == VK_OK) {
            accepted++;
            vk_ws_send(ws, VK_STR("welcome"));
            return;
        }
        status = 503;
    }
    vk_respond_text(ex, status, "text/plain", vk_str_z(why));
}

static const vk_handler handler = {.head = on_head, .request = on_request};

static void *loop_main(void *arg)
{
    VK_UNUSED(arg);
    vk_loop_run(loop);
    return NULL;
}

static int start(void **state)
{
    static const vk_str names[] = {{"a", 1}, {NULL, 0}};
    VK_UNUSED(state);
    if (vk_digest_init() != VK_OK || vk_loop_new(&loop) != VK_OK)
        return -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    if (bind(fd, (struct sockaddr *)&address, n) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &n) != 0)
        return -1;
    vk_server_init(&server, loop, &handler, NULL);
    server.names = names;
#ifdef VK_TEST_TLS
    server.tls = tunnel_begin(&address);
#endif
    if (vk_server_listen(&server, fd) != VK_OK)
        return -1;
    return pthread_create(&loop_thread, NULL, loop_main, NULL);
}

static void server_gone(vk_server *s)
{
    VK_UNUSED(s);
    vk_loop_stop(loop);
}

static void run_close(vk_task *t)
{
    VK_UNUSED(t);
    vk_server_close(&server, server_gone);
}

/* ---- the client ---- */

struct client {
    int fd;
    size_t n;
    char in[64 * 1024];
};

static const char handshake[] =
    "GET /any HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: a, b\r\n\r\n";

static struct client *dial(void)
{
    struct client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&address, sizeof address), 0);
    return c;
}

static void say_n(struct client *c, const char *p, size_t n)
{
    while (n) {
        ssize_t w = send(c->fd, p, n, MSG_NOSIGNAL);
        assert_true(w > 0);
        p += w;
        n -= (size_t)w;
    }
}

/* 0: the end; -1: reset. */
static ssize_t hear(struct client *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    ssize_t n = recv(c->fd, c->in + c->n, sizeof c->in - c->n, 0);
    if (n > 0)
        c->n += (size_t)n;
    return n;
}

static void drop(struct client *c, size_t n)
{
    memmove(c->in, c->in + n, c->n - n);
    c->n -= n;
}

/* The response head, without the bytes behind it. */
static const char *hear_head(struct client *c)
{
    static char head[2048];
    char *end;
    while (!(end = memmem(c->in, c->n, "\r\n\r\n", 4)))
        assert_true(hear(c) > 0);
    size_t n = (size_t)(end - c->in) + 4;
    assert_true(n < sizeof head);
    memcpy(head, c->in, n);
    head[n] = '\0';
    drop(c, n);
    return head;
}

/* The next frame as "opcode payload"; "end" and "reset" when the connection is over. */
static const char *hear_frame(struct client *c)
{
    static char text[32 * 1024];
    for (;;) {
        size_t head = 2, n = c->n >= 2 ? (uint8_t)c->in[1] : 0;
        if (n == 126) {
            head = 4;
            n = c->n >= 4 ? (size_t)((uint8_t)c->in[2] << 8 | (uint8_t)c->in[3]) : 0;
        }
        assert_true(n != 127);
        if (c->n >= 2 && c->n >= head + n) {
            int opcode = c->in[0] & 0x0F,
                code = n >= 2 ? (uint8_t)c->in[head] << 8 | (uint8_t)c->in[head + 1] : 0;
            assert_int_equal(c->in[0] & 0xF0, 0x80);
            if (opcode == VK_WS_CLOSE)
                snprintf(text, sizeof text, "close %d %.*s", code, (int)n - 2, c->in + head + 2);
            else
                snprintf(text, sizeof text, "%s %.*s",
                         opcode == 1   ? "text"
                         : opcode == 9 ? "ping"
                                       : "pong",
                         (int)n, c->in + head);
            drop(c, head + n);
            return text;
        }
        ssize_t got = hear(c);
        if (got <= 0)
            return got == 0 ? "end" : "reset";
    }
}

static void say(struct client *c, int head, const char *text)
{
    static char out[128 * 1024];
    say_n(c, out, frame(out, head, text, strlen(text)));
}

static struct client *open_at(const char *path)
{
    struct client *c = dial();
    say_n(c, "GET ", 4);
    say_n(c, path, strlen(path));
    say_n(c, handshake + 8, sizeof handshake - 1 - 8); /* behind "GET /any" */
    assert_non_null(strstr(hear_head(c), "HTTP/1.1 101 "));
    assert_string_equal(hear_frame(c), "text welcome");
    return c;
}

static struct client *open_ws(void)
{
    return open_at("/any");
}

static void hang_up(struct client *c)
{
    close(c->fd);
    free(c);
}

static void wait_for(_Atomic int *what, int n)
{
    for (int i = 0; i < WAIT_MS && atomic_load(what) < n; i++)
        usleep(1000);
    assert_true(atomic_load(what) >= n);
}

/* ---- the tests ---- */

static void the_handshake_is_answered(void **state)
{
    VK_UNUSED(state);
    struct client *c = dial();
    say_n(c, handshake, sizeof handshake - 1);
    const char *head = hear_head(c);
    assert_true(strncmp(head, "HTTP/1.1 101 Switching Protocols\r\n", 34) == 0);
    assert_non_null(strstr(head, "\r\nUpgrade: websocket\r\n"));
    assert_non_null(strstr(head, "\r\nConnection: Upgrade\r\n"));
    assert_non_null(strstr(head, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_non_null(strstr(head, "\r\nSec-WebSocket-Protocol: b\r\n"));
    assert_string_equal(hear_frame(c), "text welcome");
    say(c, 0x81, "hello");
    assert_string_equal(hear_frame(c), "text hello");
    say(c, 0x88, "\x03\xe8");
    assert_string_equal(hear_frame(c), "close 1000 ");
    assert_string_equal(hear_frame(c), "end");
    hang_up(c);
}

static void bad_handshakes_are_refused(void **state)
{
    static const struct {
        const char *from, *to, *status;
    } changes[] = {
        {"GET", "PUT", "400"},
        {"HTTP/1.1", "HTTP/1.0", "400"},
        {"Version: 13", "Version: 8", "426"},
        {"Sec-WebSocket-Version: 13\r\n", "", "426"},
        {"Version: 13", "Version: 13\r\nSec-WebSocket-Version: 13", "400"},
        {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", "400"},
        {"dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", "400"},
        {"dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQAA", "400"},
        {"dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbX-sZSBub25jZQ==", "400"},
        {"Upgrade: WebSocket\r\n", "Upgrade: h2c\r\n", "400"},
        {"keep-alive, Upgrade", "keep-alive", "400"},
        {"a, b", "a, c", "400"},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(changes); i++) {
        char text[1024];
        const char *at = strstr(handshake, changes[i].from);
        assert_non_null(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - handshake), handshake, changes[i].to,
                 at + strlen(changes[i].from));
        struct client *c = dial();
        say_n(c, text, strlen(text));
        const char *head = hear_head(c);
        if (strncmp(head + 9, changes[i].status, 3) != 0)
            fail_msg("case %zu: %s", i, head);
        if (strcmp(changes[i].status, "426") == 0)
            assert_non_null(strstr(head, "\r\nSec-WebSocket-Version: 13\r\n"));
        hang_up(c);
    }
}

/* All at once: handshake, fragments with a ping between, and a close. */
static void pipelined_frames_are_read(void **state)
{
    char in[2048];
    VK_UNUSED(state);
    struct client *c = dial();
    size_t n = sizeof handshake - 1;
    memcpy(in, handshake, n);
    n += frame(in + n, 0x01, "frag", 4);
    n += frame(in + n, 0x89, "p", 1);
    n += frame(in + n, 0x00, "men", 3);
    n += frame(in + n, 0x80, "ted", 3);
    n += frame(in + n, 0x88, "", 0);
    say_n(c, in, n);
    assert_non_null(strstr(hear_head(c), "HTTP/1.1 101 "));
    assert_string_equal(hear_frame(c), "text welcome");
    /* What was not begun when the peer closed need not come. */
    const char *f = hear_frame(c);
    if (strcmp(f, "pong p") == 0)
        f = hear_frame(c);
    if (strcmp(f, "text fragmented") == 0)
        f = hear_frame(c);
    assert_string_equal(f, "close 1000 ");
    assert_string_equal(hear_frame(c), "end");
    hang_up(c);
    c = open_ws();
    for (size_t i = 0; i < 3; i++) { /* byte by byte */
        n = frame(in, 0x81, "slow", 4);
        for (size_t k = 0; k < n; k++)
            say_n(c, in + k, 1);
        assert_string_equal(hear_frame(c), "text slow");
    }
    hang_up(c);
}

static void errors_close_with_a_code(void **state)
{
    static const struct {
        int head;
        const char *payload, *want;
    } cases[] = {
        {0x81, "\xff\xfe", "close 1007 The message is not UTF-8"},
        {0x82, "bytes", "close 1003 texts only"},
        {0x02, "", NULL}, /* a beginning alone is no message yet */
        {0x83, "x", "close 1002 The frame has an unknown opcode"},
        {0x81, "close please", "text last words"},
    };
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct client *c = open_ws();
        say(c, cases[i].head, cases[i].payload);
        if (cases[i].want)
            assert_string_equal(hear_frame(c), cases[i].want);
        if (i == VK_COUNT(cases) - 1)
            assert_string_equal(hear_frame(c), "close 1008 as you wish");
        if (cases[i].want)
            assert_string_equal(hear_frame(c), "end");
        hang_up(c);
    }
    struct client *c = open_ws();
    say_n(c, "\x81\x05Hello", 7);
    assert_string_equal(hear_frame(c), "close 1002 A client's frame must be masked");
    assert_string_equal(hear_frame(c), "end");
    hang_up(c);
    /* A larger message than is taken yet: refused by its length alone. */
    c = open_ws();
    say_n(c, "\x81\xff\0\0\0\0\0\x01\0\x01\0\0\0\0", 14);
    assert_string_equal(hear_frame(c), "close 1009 The message is larger than this connection takes");
    hang_up(c);
}

/* The peer has sent more than was read when it is refused: it must see the code, not a reset. */
static void a_refusal_is_not_overtaken(void **state)
{
    static char rest[512 * 1024];
    VK_UNUSED(state);
    for (int i = 0; i < 10; i++) {
        struct client *c = open_ws();
        say(c, 0x81, "close please");
        say_n(c, rest, sizeof rest);
        assert_string_equal(hear_frame(c), "text last words");
        assert_string_equal(hear_frame(c), "close 1008 as you wish");
        assert_string_equal(hear_frame(c), "end");
        hang_up(c);
    }
    /* One that never ends its side is left after a second. */
    struct client *c = open_ws();
    int n = atomic_load(&closed_count);
    meanwhile m = meanwhile_from_now();
    say(c, 0x81, "close please");
    wait_for(&closed_count, n + 1);
    assert_true(meanwhile_allows(&m, meanwhile_took(&m), 3000));
    hang_up(c);
}

static void large_messages_come_through(void **state)
{
    enum { SIZE = 300000 };
    static char text[SIZE + 1], out[SIZE + 20];
    VK_UNUSED(state);
    struct client *c = open_ws();
    say(c, 0x81, "larger");
    assert_string_equal(hear_frame(c), "text ok");
    memset(text, 'e', SIZE);
    say_n(c, out, frame(out, 0x81, text, SIZE));
    size_t got = c->n;
    while (got < SIZE + 10) {
        c->n = 0;
        ssize_t n = hear(c);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            assert_true(got + (size_t)i < 10 || c->in[i] == 'e');
        got += (size_t)n;
    }
    assert_int_equal(got, SIZE + 10);
    hang_up(c);
}

/* A peer that does not read is not read from either; nothing is lost when it does. */
static void a_full_queue_stops_reading(void **state)
{
    VK_UNUSED(state);
    struct client *c = open_ws();
    int before = atomic_load(&messages) + 1;
    say(c, 0x81, "flood");
    wait_for(&messages, before);
    for (int i = 0; i < 20; i++)
        say(c, 0x81, "more");
    usleep(200000);
    assert_int_equal(atomic_load(&messages), before); /* 8 MiB wait: more than the sockets hold */
    size_t want = 4 * ((2 << 20) + 10) + 20 * 6, got = c->n;
    while (got < want) {
        c->n = 0;
        ssize_t n = hear(c);
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_true(atomic_load(&messages) == before + 20);
    hang_up(c);
}

static void pausing_keeps_the_order(void **state)
{
    VK_UNUSED(state);
    struct client *c = open_ws(), *other = open_ws();
    say(c, 0x81, "pause");
    say(c, 0x81, "one");
    say(c, 0x81, "two");
    assert_string_equal(hear_frame(c), "text paused");
    usleep(100000);
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    assert_int_equal(c->n + (size_t)poll(&p, 1, 0), 0);
    say(other, 0x81, "resume");
    assert_string_equal(hear_frame(other), "text resumed");
    assert_string_equal(hear_frame(c), "text one");
    assert_string_equal(hear_frame(c), "text two");
    hang_up(c);
    hang_up(other);
}

static void a_silent_peer_is_asked_and_dropped(void **state)
{
    VK_UNUSED(state);
    struct client *c = open_at("/asks-soon");
    assert_string_equal(hear_frame(c), "ping valetkey");
    say(c, 0x8A, "valetkey");
    assert_string_equal(hear_frame(c), "ping valetkey"); /* the pong counted */
    meanwhile m = meanwhile_from_now();
    assert_string_equal(hear_frame(c), "end");
    assert_true(meanwhile_allows(&m, meanwhile_took(&m), 3000));
    hang_up(c);
}

static void the_end_of_the_server(void **state)
{
    static vk_task task = {.run = run_close};
    VK_UNUSED(state);
    struct client *c[20];
    for (size_t i = 0; i < VK_COUNT(c); i++)
        c[i] = open_ws();
    vk_loop_post(loop, &task);
    for (size_t i = 0; i < VK_COUNT(c); i++) {
        assert_string_equal(hear_frame(c[i]), "close 1001 The server is stopping");
        hang_up(c[i]);
    }
    pthread_join(loop_thread, NULL);
    assert_int_equal(atomic_load(&closed_count), atomic_load(&accepted));
    vk_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_read),
        cmocka_unit_test(bad_frames_are_refused),
        cmocka_unit_test(our_frames_are_well_formed),
        cmocka_unit_test(the_handshake_is_answered),
        cmocka_unit_test(bad_handshakes_are_refused),
        cmocka_unit_test(pipelined_frames_are_read),
        cmocka_unit_test(errors_close_with_a_code),
        cmocka_unit_test(a_refusal_is_not_overtaken),
        cmocka_unit_test(large_messages_come_through),
        cmocka_unit_test(a_full_queue_stops_reading),
        cmocka_unit_test(pausing_keeps_the_order),
        cmocka_unit_test(a_silent_peer_is_asked_and_dropped),
        cmocka_unit_test(the_end_of_the_server),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
