/* TLS under a socket of net/loop.h: 1.3 and 1.2 (RFC 8446, RFC 5246), with OpenSSL. Who reads and writes a
 * vk_io by vk_wire_* (net/wire.h) does not see which of the two it is; the handshake takes place inside of
 * the first reads and writes. Only ECDHE with an AEAD, no renegotiation, no compression, no early data; ALPN
 * knows "http/1.1" and refuses a client that offers only others (RFC 7301 §3.2).
 *
 * A vk_tls_host is what a process proves itself with: one certificate (for as many names as it has) and its
 * key, exchanged at run time without an end of any connection, and the keys of session tickets, which are
 * random, live in this process only and are exchanged every VK_TLS_TICKET_MS. Hosts are thread-safe, a
 * connection belongs to its loop. */
#ifndef VK_NET_TLS_H
#define VK_NET_TLS_H

#include "net/loop.h"

#include <sys/uio.h>

enum {
    VK_TLS_TICKET_MS = 60 * 60 * 1000, /* a ticket key encrypts for that long … */
    VK_TLS_TICKET_KEYS = 3,            /* … and opens tickets until that many newer ones are there */
    VK_TLS_LATE_MAX = 256,             /* steps of the handshake protocol after it: some 90 key updates */
    VK_TLS_PEM_MAX = 256 * 1024,
    VK_TLS_NAMES_MAX = 512,
    VK_TLS_SHA256 = 32,
    VK_TLS_WHY_MAX = 512,
};

typedef struct vk_tls_host vk_tls_host;
typedef struct vk_tls vk_tls;

/* What the certificate says about itself. */
typedef struct vk_tls_facts {
    bool loaded;
    int64_t from_ms, until_ms;
    char names[VK_TLS_NAMES_MAX];  /* "db.example.org, 10.0.0.1"; cut when they are too many */
    char key[32];                  /* "EC 256 bit" */
    uint8_t sha256[VK_TLS_SHA256]; /* of the certificate in DER */
} vk_tls_facts;

VK_MUSTCHECK vk_err vk_tls_host_new(vk_tls_host **out_r);
/* No connection of it may be left. */
void vk_tls_host_free(vk_tls_host *h);
/* Takes a PEM chain, the certificate of its own first, and the PEM key to it, for connections from here on;
 * `cert_name` and `key_name` are for the sentence. VK_E_INVALID: they cannot be used (VK_E_EXPIRED: they have
 * expired and what was there has not); `why` is the sentence and what was there stays. */
VK_MUSTCHECK vk_err vk_tls_host_load(vk_tls_host *h, vk_str cert_pem, vk_str key_pem, const char *cert_name,
                                     const char *key_name, char why[VK_TLS_WHY_MAX]);
void vk_tls_host_facts(vk_tls_host *h, vk_tls_facts *out);
/* The next ticket is encrypted with a fresh key. */
void vk_tls_host_rotate(vk_tls_host *h);

/* `io`, which is open, is a server's from now on. */
VK_MUSTCHECK vk_err vk_tls_accept(vk_tls_host *h, vk_io *io);
/* `io` is a client's that talks to nobody but the holder of the certificate with this SHA-256. */
VK_MUSTCHECK vk_err vk_tls_connect(vk_io *io, const uint8_t sha256[VK_TLS_SHA256]);

/* As recv(2): 0 after the peer's close_notify; -1 with errno EAGAIN or ECONNRESET. Fewer bytes than asked
 * for: there are no more. An end without close_notify is an error: something may have been cut off. */
VK_MUSTCHECK ssize_t vk_tls_read(vk_tls *t, void *p, size_t n);
/* As writev(2). After EAGAIN the next call must begin with the same bytes (vk_tls_owed of them at least). */
VK_MUSTCHECK ssize_t vk_tls_write(vk_tls *t, const struct iovec *iov, size_t n);
/* As sendfile(2), from `at`. */
VK_MUSTCHECK ssize_t vk_tls_send_file(vk_tls *t, int fd, int64_t at, size_t n);
/* Bytes that were offered, are encrypted, and are not reported as written yet. */
size_t vk_tls_owed(const vk_tls *t);
/* Sends close_notify: the peer knows that nothing is missing. Reading goes on (RFC 8446 §6.1). VK_AGAIN: when
 * the socket is writable. */
VK_MUSTCHECK vk_err vk_tls_finish(vk_tls *t);
/* The end to come is not a proper one: no close_notify. */
void vk_tls_cut(vk_tls *t);

typedef enum vk_tls_state {
    VK_TLS_GREETING, /* the handshake is under way */
    VK_TLS_OPEN,
    VK_TLS_RESUMED, /* open, with a session of before */
    VK_TLS_PLAIN,   /* the peer sent HTTP without TLS */
    VK_TLS_BROKEN,
} vk_tls_state;
vk_tls_state vk_tls_state_of(const vk_tls *t);
/* Of a client's connection that is broken: VK_E_FORBIDDEN, the peer's certificate is not believed, or
 * VK_E_UNAVAILABLE. The text is static and has no full stop; NULL: nothing more is known. */
vk_err vk_tls_why(const vk_tls *t, const char **why_r);

/* For net/loop.c: which events to wait for when the user of *io wants `mask`; what they mean to him; the end.
 */
int vk_tls_mask(vk_io *io, int mask);
int vk_tls_events(vk_io *io, int events);
void vk_tls_close(vk_io *io);
/* For tls_trust.c: `io` is a client's with this SSL_CTX, after `prepare` has seen to its SSL. */
VK_MUSTCHECK vk_err vk_tls_client(vk_io *io, void *ssl_ctx, vk_err (*prepare)(void *ssl, void *arg),
                                  void *arg);
/* For tls.c: SSL_CTX of a new connection, a reference. NULL: nothing is loaded. */
void *vk_tls_host_ctx(vk_tls_host *h);
void vk_tls_on_info(const void *ssl, int where);

#endif
