/* HTTP/1.1 server connections on one loop: keep-alive, pipelining (one exchange at a time, in order),
 * 100-continue, chunked bodies in and out, files by sendfile. */
#ifndef VK_HTTP_SERVER_H
#define VK_HTTP_SERVER_H

#include "http/exchange.h"

enum {
    VK_HEAD_DEADLINE_MS = 10000, /* from the first byte of a head to its end */
    VK_IDLE_MS = 75000,          /* between requests */
    VK_BODY_STALL_MS = 30000,    /* no byte of a body for that long */
    VK_WRITE_STALL_MS = 30000,   /* the peer takes no byte for that long */
    VK_LINGER_MS = 1000,         /* reading on after a refusal, so that the client sees it */
    VK_CONNS_MAX = 16384,        /* per server and loop */
    VK_TOOK_BUCKETS = 14,
    VK_REQUEST_ID_MAX = 64,
};

/* What a server has done. Written by its loop only, read by anybody. */
typedef struct vk_traffic {
    _Atomic uint64_t answers[6]; /* by the status' first digit; [0]: ended without an answer that was sent */
    _Atomic uint64_t took[VK_TOOK_BUCKETS], took_ms; /* from a head's end to the answer's last byte */
    _Atomic uint64_t received, sent;                 /* bytes */
    _Atomic uint64_t opened, ended, turned_away;     /* connections */
} vk_traffic;

/* Upper bounds in milliseconds of `took`'s buckets; the last one has none. */
extern const int vk_took_bounds[VK_TOOK_BUCKETS - 1];

static inline void vk_count(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + n, memory_order_relaxed);
}

typedef struct vk_handler {
    /* The head is there. Set ex->body_max and the principal and return VK_OK, or answer and return an error.
     * Whatever is returned, an answered exchange gets no request(); an error without an answer is refused
     * with its plain status. */
    vk_err (*head)(vk_exchange *ex);
    /* The body is there. */
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
        *names; /* allowed Host names without port, lower case, n == 0 ends; NULL: no check (unix sockets) */
    bool takes_fds; /* unix socket on which descriptors may come */
    vk_io accept;   /* listening socket, if any */
    bool accepting; /* the listening socket is open */
    vk_timer retry; /* pauses accepting when descriptors ran out */
    void (*place)(struct vk_server *s,
                  int fd); /* takes over each accepted fd, for another loop; NULL: served here */
    vk_list conns;
    size_t n_conns;
    void (*last_gone)(
        struct vk_server *s); /* when a closing server lost its listener and its last connection */
    bool closing;
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
/* Serves a client's connection that another loop accepted; takes over the fd, and closes it when there is no
 * room. */
void vk_server_take(vk_server *s, int fd);
/* Stops accepting and closes every connection that waits for a request; the others end after their answer. *s
 * must stay until last_gone, which is called once, perhaps at once. */
void vk_server_close(vk_server *s, void (*last_gone)(vk_server *s));

#endif
