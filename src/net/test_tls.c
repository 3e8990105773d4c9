#include "net/tls.h"

#include "core/buf.h"
#include "core/clock.h"
#include "crypto/selfsign.h"
#include "net/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

/* A server that sends back what comes, on a loop of its own thread; the tests are its clients, with OpenSSL's
 * own blocking calls. */

enum { ECHO_MAX = 4096, WAIT_MS = 10000 };

struct echo {
    vk_io io;
    vk_task task;
};

static vk_loop *loop;
static vk_tls_host *host;
static pthread_t thread;
static uint8_t pin[VK_TLS_SHA256];
static _Atomic int dialed, broken, closed;

static vk_str make(const char *name, vk_buf *cert, vk_buf *key)
{
    vk_selfsign_names names = {0};
    vk_buf_init(cert, 65536);
    vk_buf_init(key, 65536);
    key->secret = true;
    assert_int_equal(vk_selfsign_name(&names, vk_str_z(name)), VK_OK);
    assert_int_equal(vk_selfsign(&names, cert, key), VK_OK);
    return vk_buf_view(cert);
}

static vk_err load_new(const char *name, char why[VK_TLS_WHY_MAX])
{
    vk_buf cert, key;
    make(name, &cert, &key);
    vk_err e = vk_tls_host_load(host, vk_buf_view(&cert), vk_buf_view(&key), "a.pem", "a.key", why);
    vk_buf_free(&cert);
    vk_buf_free_secret(&key);
    return e;
}

static void gone(vk_io *io)
{
    closed++;
    free(VK_CONTAINER(io, struct echo, io));
}

static void ready(vk_io *io, int events)
{
    char text[ECHO_MAX];
    VK_UNUSED(events);
    ssize_t n = vk_wire_recv(io, text, sizeof text);
    if (n < 0 && errno == EAGAIN)
        return;
    struct iovec iov = {text, n > 0 ? (size_t)n : 0};
    if (n < 0)
        broken++;
    if (n <= 0 || vk_wire_send(io, &(struct msghdr){.msg_iov = &iov, .msg_iovlen = 1}, 0) != n)
        vk_io_close(io, gone);
    else
        vk_io_want(io, VK_READ);
}

static void begin(vk_task *t)
{
    struct echo *x = VK_CONTAINER(t, struct echo, task);
    int fd = x->io.fd;
    if (vk_io_open(loop, &x->io, fd, ready) != VK_OK || vk_tls_accept(host, &x->io) != VK_OK)
        abort();
    vk_io_want(&x->io, VK_READ);
}

/* The other end of a fresh connection. */
static int dial(void)
{
    int pair[2];
    struct echo *x = calloc(1, sizeof *x);
    assert_non_null(x);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
    x->io.fd = pair[1];
    x->task.run = begin;
    dialed++;
    vk_loop_post(loop, &x->task);
    return pair[0];
}

/* The server is done with all who came. */
static bool all_closed(void)
{
    int64_t until = vk_clock_mono_ms() + WAIT_MS;
    while (closed != dialed && vk_clock_mono_ms() < until)
        usleep(1000);
    return closed == dialed;
}

static void *loop_main(void *arg)
{
    vk_loop_run(arg);
    return NULL;
}

static int set_up(void **state)
{
    char why[VK_TLS_WHY_MAX];
    vk_tls_facts facts;
    VK_UNUSED(state);
    signal(SIGPIPE, SIG_IGN);
    if (vk_loop_new(&loop) != VK_OK || vk_tls_host_new(&host) != VK_OK || load_new("localhost", why) != VK_OK)
        return -1;
    vk_tls_host_facts(host, &facts);
    memcpy(pin, facts.sha256, sizeof pin);
    return pthread_create(&thread, NULL, loop_main, loop);
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    bool sound = all_closed(); /* a loop that stops before that leaves what it has to free */
    vk_loop_stop(loop);
    pthread_join(thread, NULL);
    vk_loop_free(loop);
    vk_tls_host_free(host);
    return sound ? 0 : -1;
}

/* ---- a client */

struct visit {
    SSL_CTX *ctx;
    int version;
    const char *alpn;
    SSL_SESSION *session; /* of the visit before, and after it its own */
};

/* One word there and back. -1: the handshake failed; else whether a session was resumed. */
static int visit(struct visit *v)
{
    char got[8] = "";
    int fd = dial(), resumed = -1;
    SSL *ssl = SSL_new(v->ctx);
    assert_non_null(ssl);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    SSL_set_max_proto_version(ssl, v->version);
    if (v->alpn)
        assert_int_equal(SSL_set_alpn_protos(ssl, (const unsigned char *)v->alpn, (unsigned)strlen(v->alpn)),
                         0);
    if (v->session)
        assert_int_equal(SSL_set_session(ssl, v->session), 1);
    if (SSL_connect(ssl) == 1 && SSL_write(ssl, "hello", 5) == 5 && SSL_read(ssl, got, sizeof got) == 5) {
        assert_string_equal(got, "hello");
        resumed = SSL_session_reused(ssl);
        SSL_SESSION_free(v->session);
        v->session = SSL_get1_session(ssl);
        SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    close(fd);
    return resumed;
}

static struct visit visitor(int version)
{
    struct visit v = {.ctx = SSL_CTX_new(TLS_client_method()), .version = version};
    assert_non_null(v.ctx);
    SSL_CTX_set_session_cache_mode(v.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    return v;
}

static void leave(struct visit *v)
{
    SSL_SESSION_free(v->session);
    SSL_CTX_free(v->ctx);
}

static void tickets_live_as_long_as_their_key(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(versions); i++) {
        struct visit v = visitor(versions[i]);
        assert_int_equal(visit(&v), 0);
        assert_int_equal(visit(&v), 1);
        SSL_SESSION *old = v.session; /* its ticket is not exchanged for a newer one here */
        for (int newer = 1; newer <= VK_TLS_TICKET_KEYS; newer++) {
            vk_tls_host_rotate(host);
            SSL_SESSION *copy = SSL_SESSION_dup(old);
            v.session = copy;
            assert_int_equal(visit(&v), newer < VK_TLS_TICKET_KEYS);
            SSL_SESSION_free(v.session);
        }
        v.session = old;
        leave(&v);
    }
}

static void alpn_is_http_1_1_or_nothing(void **state)
{
    struct visit v = visitor(TLS1_3_VERSION);
    VK_UNUSED(state);
    static const struct {
        const char *offer;
        int want;
    } cases[] = {{NULL, 0},      {"\x08http/1.1", 0},  {"\x02h2\x08http/1.1", 0},
                 {"\x02h2", -1}, {"\x08http/1.0", -1}, {"\x07http/1.", -1}};
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        SSL_SESSION_free(v.session);
        v.session = NULL;
        v.alpn = cases[i].offer;
        assert_int_equal(visit(&v), cases[i].want);
    }
    leave(&v);
}

static void what_cannot_be_used_changes_nothing(void **state)
{
    vk_buf a, a_key, b, b_key;
    char why[VK_TLS_WHY_MAX];
    vk_tls_facts facts;
    VK_UNUSED(state);
    make("a.test", &a, &a_key);
    make("b.test", &b, &b_key);
    const struct {
        vk_str cert, key;
        const char *says;
    } cases[] = {
        {VK_STR_NONE, vk_buf_view(&a_key), "holds no certificate"},
        {VK_STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), vk_buf_view(&a_key),
         "holds no certificate"},
        {{a.p, a.n / 2}, vk_buf_view(&a_key), "holds no certificate"},
        {vk_buf_view(&a), VK_STR_NONE, "holds no private key"},
        {vk_buf_view(&a), {a_key.p, a_key.n / 2}, "holds no private key"},
        {vk_buf_view(&a), vk_buf_view(&b_key), "does not belong"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        assert_int_equal(vk_tls_host_load(host, cases[i].cert, cases[i].key, "x.pem", "x.key", why),
                         VK_E_INVALID);
        assert_non_null(strstr(why, cases[i].says));
        assert_non_null(strstr(why, "x."));
    }
    vk_tls_host_facts(host, &facts);
    assert_string_equal(facts.names, "localhost");
    assert_string_equal(facts.key, "EC 256 bit");
    struct visit v = visitor(TLS1_3_VERSION);
    assert_int_equal(visit(&v), 0);
    leave(&v);
    vk_buf_free(&a);
    vk_buf_free(&b);
    vk_buf_free_secret(&a_key);
    vk_buf_free_secret(&b_key);
}

/* ---- our own client, which trusts one certificate by its digest */

struct ask {
    vk_io io;
    vk_task task;
    const uint8_t *pin;
    int fd, how; /* 0: under way, 1: the word came back, -1: it did not */
    _Atomic bool done;
    bool sent;
};

static void asked(vk_io *io)
{
    atomic_store(&VK_CONTAINER(io, struct ask, io)->done, true);
}

static void ask_ready(vk_io *io, int events)
{
    struct ask *a = VK_CONTAINER(io, struct ask, io);
    char text[16], word[] = "pinned";
    struct iovec iov = {word, 6};
    ssize_t n = 6;
    VK_UNUSED(events);
    if (!a->sent && (n = vk_wire_send(io, &(struct msghdr){.msg_iov = &iov, .msg_iovlen = 1}, 0)) == 6)
        a->sent = true;
    else if (a->sent && (n = vk_wire_recv(io, text, sizeof text)) == 6)
        a->how = 1;
    if (n < 0 && errno != EAGAIN)
        a->how = -1;
    if (a->how)
        vk_io_close(io, asked);
    else
        vk_io_want(io, a->sent ? VK_READ : VK_WRITE);
}

static void ask_begin(vk_task *t)
{
    struct ask *a = VK_CONTAINER(t, struct ask, task);
    if (vk_io_open(loop, &a->io, a->fd, ask_ready) != VK_OK || vk_tls_connect(&a->io, a->pin) != VK_OK)
        abort();
    vk_io_want(&a->io, VK_WRITE);
}

static int ask_with(const uint8_t *sha256)
{
    struct ask a = {.pin = sha256, .fd = dial(), .task = {.run = ask_begin}};
    assert_int_equal(fcntl(a.fd, F_SETFL, O_NONBLOCK), 0);
    vk_loop_post(loop, &a.task);
    for (int64_t until = vk_clock_mono_ms() + WAIT_MS; !atomic_load(&a.done) && vk_clock_mono_ms() < until;)
        usleep(1000);
    assert_true(atomic_load(&a.done));
    return a.how;
}

static void pins(void **state)
{
    uint8_t other[VK_TLS_SHA256];
    VK_UNUSED(state);
    memcpy(other, pin, sizeof other);
    assert_int_equal(ask_with(pin), 1);
    other[VK_TLS_SHA256 - 1] ^= 1;
    assert_int_equal(ask_with(other), -1);
    assert_int_equal(ask_with(pin), 1);
}

/* A connection that ends without close_notify has broken; one that ends with it has not. */
static void ends_are_told_apart(void **state)
{
    VK_UNUSED(state);
    for (int proper = 0; proper < 2; proper++) {
        assert_true(all_closed());
        struct visit v = visitor(TLS1_3_VERSION);
        int fd = dial(), had = broken;
        SSL *ssl = SSL_new(v.ctx);
        char got[4];
        assert_int_equal(SSL_set_fd(ssl, fd), 1);
        assert_int_equal(SSL_connect(ssl), 1);
        assert_int_equal(SSL_write(ssl, "x", 1), 1);
        assert_int_equal(SSL_read(ssl, got, 1), 1);
        if (proper)
            SSL_shutdown(ssl);
        close(fd);
        assert_true(all_closed());
        assert_int_equal(broken, had + !proper);
        SSL_free(ssl);
        leave(&v);
    }
}

/* Last: another certificate. */
static void a_new_certificate_is_for_new_connections(void **state)
{
    struct visit v = visitor(TLS1_3_VERSION);
    char why[VK_TLS_WHY_MAX];
    int fd = dial();
    SSL *ssl = SSL_new(v.ctx);
    char got[4];
    VK_UNUSED(state);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(load_new("new.test", why), VK_OK);
    assert_int_equal(SSL_write(ssl, "old", 3), 3);
    assert_int_equal(SSL_read(ssl, got, 3), 3);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
    assert_int_equal(ask_with(pin), -1);
    vk_clock_offset((int64_t)400 * 86400 * 1000); /* what comes now is made later than it ends */
    vk_tls_facts facts;
    vk_tls_host_facts(host, &facts);
    assert_true(facts.until_ms < vk_clock_wall_ms());
    assert_int_equal(load_new("later.test", why), VK_OK);
    vk_clock_offset(0);
    leave(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tickets_live_as_long_as_their_key),
        cmocka_unit_test(alpn_is_http_1_1_or_nothing),
        cmocka_unit_test(what_cannot_be_used_changes_nothing),
        cmocka_unit_test(pins),
        cmocka_unit_test(ends_are_told_apart),
        cmocka_unit_test(a_new_certificate_is_for_new_connections),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
