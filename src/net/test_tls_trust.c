#include "net/tls_trust.h"

#include "core/clock.h"
#include "net/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

/* A server of OpenSSL's own calls, on a thread for each connection, with certificates that are made here; the
 * client is ours, on a loop. */

enum { WAIT_MS = 20000, DAY = 86400 };

/* ---- certificates */

typedef struct paper {
    X509 *cert;
    EVP_PKEY *key;
} paper;

typedef struct wish {
    const char *cn, *san, *use; /* san, use: as in OpenSSL's configuration; NULL: none */
    long from, until;           /* seconds from now */
    const paper *by;            /* NULL: itself */
    bool authority;
} wish;

static void extend(X509 *cert, const paper *by, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, by ? by->cert : cert, cert, NULL, NULL, 0);
    X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(x);
    assert_int_equal(X509_add_ext(cert, x, -1), 1);
    X509_EXTENSION_free(x);
}

static paper make(const wish *w)
{
    static long serial = 1;
    paper p = {X509_new(), EVP_EC_gen("P-256")};
    assert_true(p.cert && p.key);
    X509_set_version(p.cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(p.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(p.cert), w->from);
    X509_gmtime_adj(X509_getm_notAfter(p.cert), w->until);
    X509_set_pubkey(p.cert, p.key);
    X509_NAME *name = X509_get_subject_name(p.cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)w->cn, -1, -1, 0);
    X509_set_issuer_name(p.cert, w->by ? X509_get_subject_name(w->by->cert) : name);
    if (w->authority) {
        extend(p.cert, w->by, NID_basic_constraints, "critical,CA:TRUE");
        extend(p.cert, w->by, NID_key_usage, "critical,keyCertSign");
    }
    if (w->san)
        extend(p.cert, w->by, NID_subject_alt_name, w->san);
    if (w->use)
        extend(p.cert, w->by, NID_ext_key_usage, w->use);
    assert_true(X509_sign(p.cert, w->by ? w->by->key : p.key, EVP_sha256()) > 0);
    return p;
}

static void burn(paper *p)
{
    X509_free(p->cert);
    EVP_PKEY_free(p->key);
}

static vk_tls_trust *trust_of(const paper *const *all, size_t n)
{
    vk_tls_trust *t;
    char file[] = "/tmp/vk-test-trust-XXXXXX", why[VK_TLS_WHY_MAX];
    int fd = mkstemp(file);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(PEM_write_X509(f, all[i]->cert), 1);
    fclose(f);
    assert_int_equal(vk_tls_trust_new(file, &t, why), VK_OK);
    assert_int_equal(why[0], 0);
    unlink(file);
    return t;
}

/* ---- the server */

typedef struct host {
    SSL_CTX *ctx;
    int fd;
    char sni[64], alpn[16];
    bool hangs; /* no word back, no close_notify */
} host;

static int offered(SSL *ssl, const unsigned char **out, unsigned char *n_out, const unsigned char *in,
                   unsigned n_in, void *arg)
{
    host *h = arg;
    VK_UNUSED(ssl);
    snprintf(h->alpn, sizeof h->alpn, "%.*s", (int)n_in - 1, (const char *)in + 1);
    *out = in + 1;
    *n_out = in[0];
    return SSL_TLSEXT_ERR_OK;
}

static void *serve(void *arg)
{
    host *h = arg;
    char word[8];
    SSL *ssl = SSL_new(h->ctx);
    if (!ssl || SSL_set_fd(ssl, h->fd) != 1)
        abort();
    if (SSL_accept(ssl) == 1) {
        const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        snprintf(h->sni, sizeof h->sni, "%s", sni ? sni : "");
        int n = SSL_read(ssl, word, sizeof word);
        if (n > 0 && !h->hangs && SSL_write(ssl, word, n) == n)
            SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    close(h->fd);
    OPENSSL_thread_stop();
    return NULL;
}

static SSL_CTX *server_ctx(const paper *own, const paper *between)
{
    static const unsigned char id[] = "test";
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    assert_non_null(c);
    assert_int_equal(SSL_CTX_use_certificate(c, own->cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(c, own->key), 1);
    if (between)
        assert_int_equal(SSL_CTX_add1_chain_cert(c, between->cert), 1);
    SSL_CTX_set_session_id_context(c, id, sizeof id - 1);
    return c;
}

/* ---- our client */

static vk_loop *loop;

typedef struct visit {
    vk_io io;
    vk_task task;
    vk_tls_trust *trust;
    vk_tls_memory *memory;
    const char *name;
    int fd;
    vk_err e; /* VK_OK: the word came back */
    const char *why;
    vk_tls_state state;
    bool sent, over;
    _Atomic bool done;
} visit;

static void gone(vk_io *io)
{
    atomic_store(&VK_CONTAINER(io, visit, io)->done, true);
}

static void ready(vk_io *io, int events)
{
    visit *v = VK_CONTAINER(io, visit, io);
    char text[16], word[] = "word";
    struct iovec iov = {word, 4};
    ssize_t n = 4;
    VK_UNUSED(events);
    if (v->over)
        return;
    if (!v->sent && (n = vk_wire_send(io, &(struct msghdr){.msg_iov = &iov, .msg_iovlen = 1}, 0)) == 4)
        v->sent = true;
    else if (v->sent && (n = vk_wire_recv(io, text, sizeof text)) == 4)
        v->over = true;
    v->state = vk_tls_state_of(io->tls);
    if (n < 0 && errno != EAGAIN) {
        v->e = vk_tls_why(io->tls, &v->why);
        v->over = true;
    }
    if (v->over)
        vk_io_close(io, gone);
    else
        vk_io_want(io, v->sent ? VK_READ : VK_READ | VK_WRITE);
}

static void begin(vk_task *t)
{
    visit *v = VK_CONTAINER(t, visit, task);
    if (vk_io_open(loop, &v->io, v->fd, ready) != VK_OK)
        abort();
    v->e = vk_tls_trust_connect(v->trust, &v->io, v->name, v->memory);
    if (v->e == VK_OK)
        vk_io_want(&v->io, VK_WRITE);
    else
        vk_io_close(&v->io, gone);
}

static visit meet(host *h, vk_tls_trust *trust, const char *name, vk_tls_memory *m)
{
    int pair[2];
    pthread_t thread;
    visit v = {.task = {.run = begin}, .trust = trust, .name = name, .memory = m};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    v.fd = pair[0];
    h->fd = pair[1];
    SSL_CTX_set_alpn_select_cb(h->ctx, offered, h);
    assert_int_equal(pthread_create(&thread, NULL, serve, h), 0);
    vk_loop_post(loop, &v.task);
    for (int64_t until = vk_clock_mono_ms() + WAIT_MS; !atomic_load(&v.done) && vk_clock_mono_ms() < until;)
        usleep(1000);
    assert_true(atomic_load(&v.done));
    pthread_join(thread, NULL);
    return v;
}

/* ---- tests */

static paper root, stranger;

static visit ask(const wish *w, const char *name, vk_tls_trust *trust)
{
    paper p = make(w);
    host h = {.ctx = server_ctx(&p, NULL)};
    visit v = meet(&h, trust, name, NULL);
    SSL_CTX_free(h.ctx);
    burn(&p);
    return v;
}

static void names(void **state)
{
    static const struct {
        const char *cn, *san, *asked;
        bool good;
    } cases[] = {
        {"x", "DNS:shop.test", "shop.test", true},
        {"x", "DNS:shop.test", "SHOP.test", true},
        {"x", "DNS:a.test,DNS:shop.test", "shop.test", true},
        {"x", "DNS:other.test", "shop.test", false},
        {"x", "DNS:shop.test.evil.test", "shop.test", false},
        {"x", "DNS:evilshop.test", "shop.test", false},
        {"shop.test", NULL, "shop.test", false}, /* RFC 9525 §2: the subject is no identity */
        {"shop.test", "DNS:other.test", "shop.test", false},
        {"x", "DNS:*.wild.test", "a.wild.test", true},
        {"x", "DNS:*.wild.test", "a.b.wild.test", false},
        {"x", "DNS:*.wild.test", "wild.test", false},
        {"x", "DNS:a*.wild.test", "ab.wild.test", false},
        {"x", "DNS:a.*.test", "a.wild.test", false},
        {"x", "DNS:*", "test", false},
        {"x", "IP:127.0.0.1", "127.0.0.1", true},
        {"x", "IP:127.0.0.1", "127.0.0.2", false},
        {"x", "DNS:127.0.0.1", "127.0.0.1", false},
        {"127.0.0.1", NULL, "127.0.0.1", false},
        {"x", "IP:::1", "::1", true},
        {"x", "IP:::1", "::2", false},
        {"x", "email:a@shop.test,URI:https://shop.test", "shop.test", false},
    };
    const paper *const in[] = {&root};
    vk_tls_trust *trust = trust_of(in, 1);
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        wish w = {.cn = cases[i].cn, .san = cases[i].san, .from = -DAY, .until = DAY, .by = &root};
        visit v = ask(&w, cases[i].asked, trust);
        if (v.e != (cases[i].good ? VK_OK : VK_E_FORBIDDEN))
            fail_msg("%s for %s: %s", cases[i].san, cases[i].asked, vk_err_name(v.e));
        if (!cases[i].good)
            assert_non_null(strstr(v.why, "mismatch"));
    }
    vk_tls_trust_free(trust);
}

static void issuers_and_times(void **state)
{
    const paper *const in[] = {&root};
    vk_tls_trust *trust = trust_of(in, 1), *none = trust_of((const paper *const[]){&stranger}, 1);
    wish good = {.cn = "x", .san = "DNS:shop.test", .from = -DAY, .until = DAY, .by = &root}, w = good;
    VK_UNUSED(state);
    assert_int_equal(ask(&w, "shop.test", trust).e, VK_OK);
    assert_int_equal(ask(&w, "shop.test", none).e, VK_E_FORBIDDEN);
    w.until = -10;
    visit v = ask(&w, "shop.test", trust);
    assert_int_equal(v.e, VK_E_FORBIDDEN);
    assert_non_null(strstr(v.why, "expired"));
    w = good;
    w.from = 3600;
    assert_int_equal(ask(&w, "shop.test", trust).e, VK_E_FORBIDDEN);
    w = good;
    w.by = &stranger;
    assert_int_equal(ask(&w, "shop.test", trust).e, VK_E_FORBIDDEN);
    w.by = NULL;
    v = ask(&w, "shop.test", trust);
    assert_int_equal(v.e, VK_E_FORBIDDEN);
    assert_non_null(strstr(v.why, "self"));
    w = good;
    w.use = "clientAuth";
    assert_int_equal(ask(&w, "shop.test", trust).e, VK_E_FORBIDDEN);
    w.use = "serverAuth";
    assert_int_equal(ask(&w, "shop.test", trust).e, VK_OK);
    vk_tls_trust_free(none);

    /* one that an authority which is none has signed */
    paper leaf = make(&good);
    w = (wish){.cn = "y", .san = "DNS:shop.test", .from = -DAY, .until = DAY, .by = &leaf};
    paper below = make(&w);
    host h = {.ctx = server_ctx(&below, &leaf)};
    assert_int_equal(meet(&h, trust, "shop.test", NULL).e, VK_E_FORBIDDEN);
    SSL_CTX_free(h.ctx);
    burn(&below);
    /* a real one in between, sent along or not */
    w = (wish){.cn = "between", .from = -DAY, .until = DAY, .by = &root, .authority = true};
    paper between = make(&w);
    w = (wish){.cn = "y", .san = "DNS:shop.test", .from = -DAY, .until = DAY, .by = &between};
    below = make(&w);
    h.ctx = server_ctx(&below, &between);
    assert_int_equal(meet(&h, trust, "shop.test", NULL).e, VK_OK);
    SSL_CTX_free(h.ctx);
    h.ctx = server_ctx(&below, NULL);
    assert_int_equal(meet(&h, trust, "shop.test", NULL).e, VK_E_FORBIDDEN);
    SSL_CTX_free(h.ctx);
    burn(&below);
    burn(&between);
    vk_tls_trust_free(trust);

    /* a certificate that is named itself, for its name only */
    w = (wish){.cn = "z", .san = "DNS:own.test", .from = -DAY, .until = DAY};
    paper own = make(&w);
    const paper *const both[] = {&root, &own};
    trust = trust_of(both, 2);
    h.ctx = server_ctx(&own, NULL);
    assert_int_equal(meet(&h, trust, "own.test", NULL).e, VK_OK);
    assert_int_equal(meet(&h, trust, "shop.test", NULL).e, VK_E_FORBIDDEN);
    SSL_CTX_free(h.ctx);
    burn(&own);
    burn(&leaf);
    vk_tls_trust_free(trust);
}

static void versions_and_what_is_said(void **state)
{
    static const struct {
        int version;
        const char *ciphers;
        vk_err want;
    } cases[] = {{TLS1_3_VERSION, NULL, VK_OK},
                 {TLS1_2_VERSION, NULL, VK_OK},
                 {TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0", VK_E_UNAVAILABLE}, /* CBC */
                 {TLS1_1_VERSION, "DEFAULT:@SECLEVEL=0", VK_E_UNAVAILABLE}};
    const paper *const in[] = {&root};
    vk_tls_trust *trust = trust_of(in, 1);
    wish w = {.cn = "x", .san = "DNS:shop.test,IP:127.0.0.1", .from = -DAY, .until = DAY, .by = &root};
    paper p = make(&w);
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        host h = {.ctx = server_ctx(&p, NULL)};
        SSL_CTX_set_min_proto_version(h.ctx, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(h.ctx, cases[i].version);
        if (cases[i].ciphers)
            assert_int_equal(SSL_CTX_set_cipher_list(h.ctx, cases[i].ciphers), 1);
        visit v = meet(&h, trust, "shop.test", NULL);
        assert_int_equal(v.e, cases[i].want);
        if (v.e == VK_OK) {
            assert_string_equal(h.sni, "shop.test");
            assert_string_equal(h.alpn, "http/1.1");
            v = meet(&h, trust, "127.0.0.1", NULL);
            assert_int_equal(v.e, VK_OK);
            assert_string_equal(h.sni, ""); /* RFC 6066 §3: no addresses */
        }
        SSL_CTX_free(h.ctx);
    }
    burn(&p);
    vk_tls_trust_free(trust);
}

static void sessions_are_resumed(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    const paper *const in[] = {&root};
    vk_tls_trust *trust = trust_of(in, 1);
    wish w = {.cn = "x", .san = "DNS:shop.test", .from = -DAY, .until = DAY, .by = &root};
    paper p = make(&w);
    VK_UNUSED(state);
    for (size_t i = 0; i < VK_COUNT(versions); i++) {
        vk_tls_memory m = {0}, other = {0};
        host h = {.ctx = server_ctx(&p, NULL)};
        SSL_CTX_set_max_proto_version(h.ctx, versions[i]);
        assert_int_equal(meet(&h, trust, "shop.test", &m).state, VK_TLS_OPEN);
        assert_int_equal(meet(&h, trust, "shop.test", &m).state, VK_TLS_RESUMED);
        assert_int_equal(meet(&h, trust, "shop.test", &other).state, VK_TLS_OPEN);
        assert_int_equal(meet(&h, trust, "shop.test", NULL).state, VK_TLS_OPEN);
        assert_int_equal(meet(&h, trust, "shop.test", &m).state, VK_TLS_RESUMED);
        m.born_ms -= VK_TLS_MEMORY_MS + 1;
        assert_int_equal(meet(&h, trust, "shop.test", &m).state, VK_TLS_OPEN);
        vk_tls_forget(&m);
        assert_int_equal(meet(&h, trust, "shop.test", &m).state, VK_TLS_OPEN);
        vk_tls_forget(&m);
        vk_tls_forget(&other);
        SSL_CTX_free(h.ctx);
    }
    burn(&p);
    vk_tls_trust_free(trust);
}

/* An end without close_notify is none. */
static void cut_connections_are_errors(void **state)
{
    const paper *const in[] = {&root};
    vk_tls_trust *trust = trust_of(in, 1);
    wish w = {.cn = "x", .san = "DNS:shop.test", .from = -DAY, .until = DAY, .by = &root};
    paper p = make(&w);
    host h = {.ctx = server_ctx(&p, NULL), .hangs = true};
    VK_UNUSED(state);
    assert_int_equal(meet(&h, trust, "shop.test", NULL).e, VK_E_UNAVAILABLE);
    SSL_CTX_free(h.ctx);
    burn(&p);
    vk_tls_trust_free(trust);
}

static void files(void **state)
{
    vk_tls_trust *t;
    char why[VK_TLS_WHY_MAX], file[] = "/tmp/vk-test-trust-XXXXXX";
    int fd = mkstemp(file);
    VK_UNUSED(state);
    assert_int_equal(vk_tls_trust_new("/nowhere/ca.pem", &t, why), VK_E_INVALID);
    assert_non_null(strstr(why, "/nowhere/ca.pem"));
    assert_int_equal(vk_tls_trust_new(file, &t, why), VK_E_INVALID);
    assert_int_equal(write(fd, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 60) > 0, 1);
    assert_int_equal(vk_tls_trust_new(file, &t, why), VK_E_INVALID);
    close(fd);
    unlink(file);
    assert_int_equal(vk_tls_trust_new(NULL, &t, why), VK_OK); /* with a sentence where there are none */
    wish w = {.cn = "x", .san = "DNS:shop.test", .from = -DAY, .until = DAY, .by = &root};
    assert_int_equal(ask(&w, "shop.test", t).e, VK_E_FORBIDDEN);
    vk_io io = {0};
    assert_int_equal(vk_tls_trust_connect(t, &io, "", NULL), VK_E_INVALID);
    vk_tls_trust_free(t);
    vk_tls_trust_free(NULL);
}

static pthread_t thread;

static void *loop_main(void *arg)
{
    vk_loop_run(arg);
    return NULL;
}

static int set_up(void **state)
{
    VK_UNUSED(state);
    signal(SIGPIPE, SIG_IGN);
    wish w = {.cn = "root", .from = -DAY, .until = 100L * DAY, .authority = true};
    root = make(&w);
    w.cn = "stranger";
    stranger = make(&w);
    return vk_loop_new(&loop) == VK_OK && pthread_create(&thread, NULL, loop_main, loop) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    VK_UNUSED(state);
    vk_loop_stop(loop);
    pthread_join(thread, NULL);
    vk_loop_free(loop);
    burn(&root);
    burn(&stranger);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(issuers_and_times),
        cmocka_unit_test(versions_and_what_is_said),
        cmocka_unit_test(sessions_are_resumed),
        cmocka_unit_test(cut_connections_are_errors),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
