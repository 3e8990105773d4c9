#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECORD = SSL3_RT_MAX_PLAIN_LENGTH };

struct vk_tls {
    vk_task task;
    vk_io *io; /* NULL: closed, and only `task` is still on its way */
    SSL *ssl;
    size_t owed;
    int asked; /* the user's mask */
    int late;  /* messages after the handshake */
    uint8_t state;
    bool more;        /* the socket will not say so, but there is more to read */
    bool posted;      /* `task` is queued */
    bool read_waits;  /* reading goes on when the socket is writable … */
    bool write_waits; /* … and writing when it is readable */
    bool cut;
    bool disbelieved;
    const char *why;
};

/* ---- life */

static vk_err begin(vk_io *io, SSL_CTX *ctx, vk_tls **out_r)
{
    vk_tls *t = calloc(1, sizeof *t);
    if (!t)
        return VK_E_NOMEM;
    t->ssl = SSL_new(ctx);
    if (!t->ssl || SSL_set_fd(t->ssl, io->fd) != 1) {
        SSL_free(t->ssl);
        free(t);
        ERR_clear_error();
        return VK_E_NOMEM;
    }
    SSL_set_app_data(t->ssl, t);
    t->io = io;
    t->asked = io->mask;
    io->tls = t;
    *out_r = t;
    return VK_OK;
}

vk_err vk_tls_accept(vk_tls_host *h, vk_io *io)
{
    vk_tls *t;
    SSL_CTX *ctx = vk_tls_host_ctx(h);
    if (!ctx)
        return VK_E_UNAVAILABLE;
    vk_err e = begin(io, ctx, &t);
    SSL_CTX_free(ctx);
    if (e == VK_OK)
        SSL_set_accept_state(t->ssl);
    return e;
}

static int pinned(X509_STORE_CTX *store, void *sha256)
{
    uint8_t got[VK_TLS_SHA256];
    unsigned n = 0;
    X509 *cert = X509_STORE_CTX_get0_cert(store);
    bool same = cert && X509_digest(cert, EVP_sha256(), got, &n) == 1 && n == sizeof got &&
                vk_str_eq_secret((vk_str){(char *)got, n}, (vk_str){sha256, n});
    X509_STORE_CTX_set_error(store, same ? X509_V_OK : X509_V_ERR_CERT_UNTRUSTED);
    return same;
}

vk_err vk_tls_connect(vk_io *io, const uint8_t sha256[VK_TLS_SHA256])
{
    vk_tls *t;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    uint8_t *pin = malloc(VK_TLS_SHA256);
    vk_err e = VK_E_NOMEM;
    if (ctx && pin && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1) {
        memcpy(pin, sha256, VK_TLS_SHA256);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_cert_verify_callback(ctx, pinned, pin);
        SSL_CTX_set_app_data(ctx, pin);
        SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        e = begin(io, ctx, &t);
    }
    if (e == VK_OK)
        SSL_set_connect_state(t->ssl);
    else
        free(pin);
    SSL_CTX_free(ctx);
    return e;
}

vk_err vk_tls_client(vk_io *io, void *ssl_ctx, vk_err (*prepare)(void *ssl, void *arg), void *arg)
{
    vk_tls *t;
    vk_err e = begin(io, ssl_ctx, &t);
    if (e != VK_OK)
        return e;
    e = prepare(t->ssl, arg);
    if (e == VK_OK) {
        SSL_set_connect_state(t->ssl);
        return VK_OK;
    }
    SSL_free(t->ssl);
    free(t);
    io->tls = NULL;
    ERR_clear_error();
    return e;
}

void vk_tls_close(vk_io *io)
{
    vk_tls *t = io->tls;
    bool server = SSL_is_server(t->ssl);
    if (!t->cut && vk_tls_finish(t) != VK_OK)
        t->cut = true; /* the socket is full: the peer sees an end without close_notify, and distrusts it */
    void *pin = server ? NULL : SSL_CTX_get_app_data(SSL_get_SSL_CTX(t->ssl));
    SSL_free(t->ssl);
    free(pin);
    io->tls = NULL;
    t->io = NULL;
    if (!t->posted)
        free(t);
}

/* ---- waiting */

static void run_posted(vk_task *task)
{
    vk_tls *t = VK_CONTAINER(task, vk_tls, task);
    t->posted = false;
    if (!t->io)
        free(t);
    else if (t->more && (t->asked & VK_READ))
        t->io->ready(t->io, VK_READ);
}

int vk_tls_mask(vk_io *io, int mask)
{
    vk_tls *t = io->tls;
    t->asked = mask;
    if ((mask & VK_READ) && t->more && !t->posted) {
        t->posted = true;
        t->task.run = run_posted;
        vk_loop_post(io->loop, &t->task);
    }
    int real = mask;
    if ((mask & VK_READ) && t->read_waits)
        real = (real & ~VK_READ) | VK_WRITE;
    if ((mask & VK_WRITE) && t->write_waits)
        real = (real & ~VK_WRITE) | VK_READ;
    return real;
}

int vk_tls_events(vk_io *io, int events)
{
    vk_tls *t = io->tls;
    if ((events & VK_WRITE) && t->read_waits) {
        t->read_waits = false;
        events |= VK_READ;
    }
    if ((events & VK_READ) && t->write_waits) {
        t->write_waits = false;
        events |= VK_WRITE;
    }
    vk_io_want(io, t->asked);
    return events & t->asked;
}

/* ---- bytes */

/* Before each call into OpenSSL, which takes what others left there for its own. To look is cheaper than to
 * clear what is empty. */
static void clear_errors(void)
{
    if (VK_UNLIKELY(ERR_peek_error() != 0))
        ERR_clear_error();
}

/* A client without TLS is told from one with a broken one: it can be answered. */
static void fail(vk_tls *t)
{
    bool greeting = t->state == VK_TLS_GREETING;
    t->state =
        greeting && ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST ? VK_TLS_PLAIN : VK_TLS_BROKEN;
    t->more = true; /* what reads next learns of it */
    t->cut = true;
    long verdict = SSL_get_verify_result(t->ssl);
    t->disbelieved = greeting && verdict != X509_V_OK;
    t->why =
        t->disbelieved ? X509_verify_cert_error_string(verdict) : ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
}

static void check_greeting(vk_tls *t)
{
    if (t->state == VK_TLS_GREETING && SSL_is_init_finished(t->ssl))
        t->state = SSL_session_reused(t->ssl) ? VK_TLS_RESUMED : VK_TLS_OPEN;
}

vk_tls_state vk_tls_state_of(const vk_tls *t)
{
    return t->state;
}

void vk_tls_on_info(const void *ssl, int where)
{
    vk_tls *t = SSL_get_app_data((const SSL *)ssl);
    /* Each costs us a derivation of keys and the peer next to nothing; OpenSSL would read on for ever. */
    if ((where & SSL_CB_LOOP) && t && t->io && t->state != VK_TLS_GREETING && ++t->late > VK_TLS_LATE_MAX)
        shutdown(t->io->fd, SHUT_RDWR);
}

vk_err vk_tls_why(const vk_tls *t, const char **why_r)
{
    *why_r = t->why;
    return t->disbelieved ? VK_E_FORBIDDEN : VK_E_UNAVAILABLE;
}

ssize_t vk_tls_read(vk_tls *t, void *p, size_t room)
{
    size_t got = 0, n = 0;
    bool over = false;
    if (t->state >= VK_TLS_PLAIN) {
        errno = ECONNRESET;
        return -1;
    }
    t->read_waits = t->more = false;
    do {
        clear_errors();
        int r = SSL_read_ex(t->ssl, (char *)p + got, room - got, &n);
        if (r == 1) {
            got += n;
            continue;
        }
        int why = SSL_get_error(t->ssl, r);
        over = why == SSL_ERROR_ZERO_RETURN;
        t->read_waits = why == SSL_ERROR_WANT_WRITE;
        if (!over && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            fail(t);
        break;
    } while (got < room && SSL_has_pending(t->ssl));
    check_greeting(t);
    if (t->read_waits) /* wait for the other event from here on, whether or not the user asks again */
        vk_io_want(t->io, t->asked);
    t->more = t->more || (got && (over || (got == room && SSL_has_pending(t->ssl))));
    if (got || over)
        return (ssize_t)got;
    errno = t->state >= VK_TLS_PLAIN ? ECONNRESET : EAGAIN;
    return -1;
}

/* One record at most. */
static ssize_t put(vk_tls *t, const void *p, size_t n)
{
    size_t written = 0;
    if (t->state >= VK_TLS_PLAIN) {
        errno = ECONNRESET;
        return -1;
    }
    clear_errors();
    int r = SSL_write_ex(t->ssl, p, n, &written);
    if (r == 1) {
        t->owed = 0;
        check_greeting(t);
        return (ssize_t)written;
    }
    int why = SSL_get_error(t->ssl, r);
    if (why != SSL_ERROR_WANT_WRITE && why != SSL_ERROR_WANT_READ) {
        fail(t);
        errno = ECONNRESET;
        return -1;
    }
    t->write_waits = why == SSL_ERROR_WANT_READ;
    if (t->write_waits)
        vk_io_want(t->io, t->asked);
    if (why == SSL_ERROR_WANT_WRITE && !t->owed && SSL_is_init_finished(t->ssl))
        t->owed = n;
    errno = EAGAIN;
    return -1;
}

ssize_t vk_tls_write(vk_tls *t, const struct iovec *iov, size_t n_iov)
{
    char joined[RECORD];
    size_t used = 0, total = 0, i = 0, at = 0; /* the next byte is iov[i] at `at` */
    ssize_t n = 0;
    while (i < n_iov) {
        const char *p = (const char *)iov[i].iov_base + at;
        size_t len = iov[i].iov_len - at;
        if (len < RECORD && i + 1 < n_iov) { /* a head and a short body go out as one record */
            len = 0;
            for (size_t k = i, from = at; k < n_iov && len < RECORD; k++, from = 0) {
                size_t take = iov[k].iov_len - from;
                take = take < RECORD - len ? take : RECORD - len;
                if (take)
                    memcpy(joined + len, (const char *)iov[k].iov_base + from, take);
                len += take;
            }
            p = joined;
            used = len > used ? len : used;
        }
        n = len ? put(t, p, len < RECORD ? len : RECORD) : 0;
        if (n < 0)
            break;
        total += (size_t)n;
        at += (size_t)n;
        while (i < n_iov && at >= iov[i].iov_len)
            at -= iov[i++].iov_len;
    }
    vk_wipe(joined, used);
    return total ? (ssize_t)total : n;
}

ssize_t vk_tls_send_file(vk_tls *t, int fd, int64_t at, size_t want)
{
    char piece[RECORD];
    size_t total = 0;
    ssize_t n = 0;
    while (total < want) {
        size_t len = want - total < RECORD ? want - total : RECORD;
        ssize_t got = pread(fd, piece, len, at + (int64_t)total);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            n = got;
            break;
        }
        n = put(t, piece, (size_t)got);
        if (n < 0)
            break;
        total += (size_t)n;
    }
    return total ? (ssize_t)total : n;
}

size_t vk_tls_owed(const vk_tls *t)
{
    return t->owed;
}

vk_err vk_tls_finish(vk_tls *t)
{
    if (t->state == VK_TLS_GREETING || t->state >= VK_TLS_PLAIN || t->cut)
        return VK_OK;
    ERR_clear_error();
    int r = SSL_shutdown(t->ssl);
    bool again = r < 0 && SSL_get_error(t->ssl, r) == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    return again ? VK_AGAIN : VK_OK;
}

void vk_tls_cut(vk_tls *t)
{
    t->cut = true;
}
