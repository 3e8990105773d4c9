/* HTTP/1.1 server connections on one loop: keep-alive, pipelining (one exchange at a time, in order),
 * 100-continue, chunked bodies in and out, files by sendfile. */
#ifndef VK_HTTP_SERVER_H
#define VK_HTTP_SERVER_H

#include "http/exchange.h"
#include "http/gate.h"
#include "net/tls.h"

/* What may be set otherwise is in core/limits.h. */
enum {
    VK_LINGER_MS = 1000, /* reading on after a refusal, so that the client sees it */
    /* An answer's time from when its client ended its half of the connection: then the client counts as gone,
     * as it does at once for nginx and for hyper (sqld). A reset does at once here too. */
    VK_HANGUP_MS = 500,
    VK_LATELY_MS = 1000,  /* a client that was heard so lately is probably sending something now, … */
    VK_CLOSING_MS = 250,  /* … and when the server closes it has so long to do it */
    VK_CONNS_MAX = 1024,  /* of a server without a gate */
    VK_OVER_MAX = 64,     /* connections of a server that are only told that they are too many… */
    VK_OVER_MS = 1000,    /* …for so long; others are closed at once */
    VK_DELAYED_MAX = 512, /* answers of a server that are kept back at once */
    VK_TOOK_BUCKETS = 14,
    VK_REQUEST_ID_MAX = 64,
};

/* What a server has done. Written by its loop only, read by anybody. */
typedef struct vk_traffic {
    _Atomic uint64_t answers[6]; /* by the status' first digit; [0]: ended without an answer that was sent */
    _Atomic uint64_t took[VK_TOOK_BUCKETS], took_ms; /* from a head's end to the answer's last byte */
    _Atomic uint64_t received, sent;                 /* bytes */
    _Atomic uint64_t opened, ended, turned_away;     /* connections */
    _Atomic uint64_t shed, slow; /* of those that ended: to make room; for taking too long */
    _Atomic uint64_t handshakes, resumed, handshakes_failed; /* of TLS; `resumed` are among the first */
} vk_traffic;

/* Upper bounds in milliseconds of `took`'s buckets; the last one has none. */
extern const int vk_took_bounds[VK_TOOK_BUCKETS - 1];

static inline void vk_count(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + n, memory_order_relaxed);
}

static inline void vk_fewer(_Atomic uint64_t *counter)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now - 1, memory_order_release);
}

typedef struct vk_handler {
    /* The head is there. Set ex->body_max and the principal and return VK_OK, or answer and return an error.
     * Whatever is returned, an answered exchange gets no request(); an error without an answer is refused
     * with its plain status. */
    vk_err (*head)(vk_exchange *ex);
    /* The body is there, or its sink has taken all of it. */
    void (*request)(vk_exchange *ex);
    /* Renders a refusal of the engine itself (framing, limits, Host), at once. When the head could not be
     * read, method, target and headers are empty. May be NULL: plain text. */
    void (*refuse)(vk_exchange *ex, int status, vk_err e, const char *text);
} vk_handler;

typedef struct vk_server {
    vk_loop *loop;
    const vk_handler *handler;
    void *ctx; /* the handler's */
    const vk_str
        *names;  /* allowed Host names without port, lower case, n == 0 ends; NULL: no check (unix sockets) */
    bool labels; /* one label in front of a name is allowed too (buckets in virtual-host style) */
    vk_tls_host *tls; /* the listener speaks TLS; NULL: plain */
    bool takes_fds;   /* unix socket on which descriptors may come */
    vk_io accept;     /* listening socket, if any */
    bool accepting;   /* the listening socket is open */
    vk_timer retry;   /* pauses accepting when descriptors ran out */
    /* Takes over each accepted fd, for another loop; NULL: served here. */
    void (*place)(struct vk_server *s, int fd, const struct sockaddr_storage *from);
    const vk_limits *limits; /* vk_limits_usual after vk_server_init */
    vk_gate *gate;           /* counts connections, with the servers of other loops; NULL: nobody does */
    vk_list fresh;           /* connections without a whole request so far, oldest first */
    vk_list upgraded;        /* those that speak another protocol */
    vk_list conns; /* the others; those that wait for a request in the order in which they began to */
    size_t n_conns, n_over, n_delayed;
    void (*last_gone)(
        struct vk_server *s); /* when a closing server lost its listener and its last connection */
    bool closing;
    bool parking;                              /* vk_server_park */
    bool (*goes_on)(const char *in, size_t n); /* vk_server_sift; else NULL */
    /* Exchanges under way, and connections that speak another protocol and whose handlers have not let go of
     * them. Written by the loop only, read by anybody. */
    _Atomic uint64_t n_ex, n_other;
    bool log_requests; /* one line each */
    const char *name;  /* in these lines; NULL: "peer" */
    vk_traffic traffic;
} vk_server;

void vk_server_init(vk_server *s, vk_loop *loop, const vk_handler *handler, void *ctx);
/* Accepts from a listening, non-blocking socket; takes over the fd, except on an error. */
VK_MUSTCHECK vk_err vk_server_listen(vk_server *s, int fd);
/* Serves one connected socket (a socketpair's end) for as long as the peer likes; takes over the fd, except
 * on an error. `gone(arg)` when it ends; may be NULL. */
VK_MUSTCHECK vk_err vk_server_adopt(vk_server *s, int fd, void (*gone)(void *arg), void *arg);
/* Serves a client's connection that another loop accepted from `from`; takes over the fd, and closes it when
 * there is no room. */
void vk_server_take(vk_server *s, int fd, const struct sockaddr_storage *from);
/* Accepts who has connected, then nobody any more. Closes every connection that waits for a request, at once
 * or, where one is likely to be on its way, VK_CLOSING_MS later; the others end after their answer. *s must
 * stay until last_gone, which is called once, perhaps at once. */
void vk_server_close(vk_server *s, void (*last_gone)(vk_server *s));

/* A server is laid to rest so that another process can take its connections over; no client is to notice.
 *
 * vk_server_park: no connection is accepted and no request begun; what clients send waits in the kernel, also
 * what they send by another protocol (vk_upgrade.hold). Nothing is closed. It is at rest when n_ex is 0, and
 * stays so until vk_server_unpark, after which all goes on. */
void vk_server_park(vk_server *s);
void vk_server_unpark(vk_server *s);
/* Of a parked server: takes connections and input again, but begins only requests that `goes_on` says to go
 * on with something that is open here. It is shown what has come of one so far, at most VK_IN_SIZE bytes;
 * what it does not take waits, and is given along by vk_server_pass. Until vk_server_park or
 * vk_server_unpark. */
void vk_server_sift(vk_server *s, bool (*goes_on)(const char *in, size_t n));
/* Of a parked server: ends what would keep it from resting and is not a handler's: bodies that are still
 * coming, answers that are not taken. */
void vk_server_hasten(vk_server *s);
/* Of a parked server: connections of another protocol come to an end, for the reason that the server is
 * restarted; said a second time, at once. `rested` is called when the last of them has gone. */
void vk_server_end_others(vk_server *s);

/* A connection on its way to another process, as one packet of a SOCK_SEQPACKET pair: this, then `n` bytes
 * that were read from it and not used, and its descriptor. */
typedef struct vk_passed {
    uint32_t listener; /* the number that vk_server_pass was given */
    uint32_t n;        /* at most VK_IN_SIZE */
    bool relayed;      /* a relay's end: it serves one request */
    struct sockaddr_storage from;
} vk_passed;

/* Of a rested server: gives every connection that waits for a request to whoever reads the other end of `to`;
 * what cannot be given is closed. TLS cannot leave the process that made it: for such a one a pipe is given
 * instead, and this process decrypts and encrypts (http/relay.c) until the connection ends. Waits while the
 * reader is slow, at most as long as the socket's SO_SNDTIMEO for each. */
void vk_server_pass(vk_server *s, int to, uint32_t listener);
/* Serves a connection that came that way: as vk_server_take, with what was read from it. */
void vk_server_resume(vk_server *s, int fd, const vk_passed *p, const char *in);

#endif
