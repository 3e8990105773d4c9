/* Requests to one HTTP/1.1 server over connections that are kept: what keeper says to a vendor, and front to
 * keeper. Belongs to a loop, as all of its callbacks. Bytes stream both ways with back-pressure; nothing is
 * collected here.
 *
 * A pool has one place, which is fixed when it is made: nothing that a request holds chooses a host. With TLS
 * the certificate must be good for that host by the authorities that are trusted (RFC 9525), 1.2 or 1.3;
 * without, only addresses of this machine are dialed. Answers are read by the same strict parser as requests
 * (http/head.h); 1xx are passed over, but 101 to a call that asked for it. A connection is kept after an
 * answer with a known end that was read to it, and used for one request at a time. */
#ifndef VK_HTTP_UPSTREAM_H
#define VK_HTTP_UPSTREAM_H

#include "http/head.h"
#include "net/loop.h"
#include "net/tls_trust.h"

enum {
    VK_UPSTREAM_HOST_MAX = 253,
    VK_UPSTREAM_CONNS = 256,             /* of a pool; further calls wait */
    VK_UPSTREAM_WAITING = 1024,          /* calls that do; then VK_E_BUSY */
    VK_UPSTREAM_IDLE = 32,               /* kept without a call, … */
    VK_UPSTREAM_IDLE_MS = 4000,          /* … for so long: less than any vendor keeps them, … */
    VK_UPSTREAM_AGE_MS = 10 * 60 * 1000, /* … and not beyond this age: names move, certificates end */
    VK_UPSTREAM_CONNECT_MS = 5000,       /* to all of its addresses in turn; so long for TLS once more */
    VK_UPSTREAM_ADDRESSES = 8,           /* of a name that are tried */
    VK_UPSTREAM_RESOLVE_MS = 60000,      /* so long an answer of the resolver is used */
    VK_UPSTREAM_INTERIM = 32,            /* 1xx before an answer */
    VK_UPSTREAM_WHY = 400,
};

typedef struct vk_upstream vk_upstream;

typedef struct vk_upstream_place {
    /* An ASCII name or an address without brackets, and a port. A name is resolved on `lane`, which may take
     * as long as the resolver does ("localhost" is not); the lane is freed after the pool and before the
     * loop. */
    char host[VK_UPSTREAM_HOST_MAX + 1];
    uint16_t port;
    vk_tls_trust *trust; /* NULL: plain, and `host` is "localhost" or an address of loopback */
    struct vk_lane *lane;
    /* In place of all that: a connected, non-blocking descriptor, which becomes the pool's. Any error fails
     * the call that wanted it. `host` is what it is called then. */
    vk_err (*open)(void *arg, int *fd_r);
    void *arg;
} vk_upstream_place;

typedef struct vk_upstream_counts {
    uint64_t calls, connects, reused, again, failed;
    uint64_t resumed; /* of `connects`: TLS with a session of before */
    size_t open, idle, waiting;
} vk_upstream_counts;

/* Owner: the caller, until vk_upstream_free. VK_E_INVALID: the host (plain and not loopback, for one);
 * VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_upstream_new(vk_loop *loop, const vk_upstream_place *at, vk_upstream **out_r);
/* Fails what is under way with VK_E_UNAVAILABLE and frees itself in a later turn. NULL is allowed. */
void vk_upstream_free(vk_upstream *u);
void vk_upstream_count(const vk_upstream *u, vk_upstream_counts *out);

/* One request and its answer. The caller's memory until `done`, or until vk_upcall_abort returns. */
typedef struct vk_upcall {
    /* ---- set by the caller, zeroed otherwise */
    vk_str
        head;       /* request line and header lines with their CRLF, the empty line too. With `secret` it is
                     * wiped where it lies as soon as it has been sent for good; it stays in place until `done` */
    vk_str method;  /* the same as in `head`: how an answer ends depends on it */
    vk_str body;    /* all of the body, when it is there at once; otherwise it comes by vk_upcall_give */
    int64_t body_n; /* its length, as `head` says; -1: chunked, the framing is made here. 0: none. What is
                     * there in `body` counts, if anything is */
    bool secret;    /* wipe what is copied */
    bool again;     /* may be sent once more when a kept connection turns out to have ended before a byte of
                     * the answer: a safe method, or one with an idempotency key. Not with a streamed body */
    bool upgrade;   /* 101 is an answer; from then on bytes go both ways until either side ends */
    int64_t first_ms; /* for a connection; and from the request's end until the head of the answer; 0: 60 s */
    int64_t
        idle_ms; /* without a byte in either direction, while the other side is who is waited for; 0: 60 s */
    /* ---- callbacks, on the loop, never inside of vk_upcall_begin */
    /* The head of the answer, once. Views are good during the call. May abort. */
    void (*head_came)(struct vk_upcall *c, const vk_head *h);
    /* A part of its body, without the framing; returns how many bytes were taken. Fewer than all: no more is
     * read, and the rest is offered again, after vk_upcall_room. May abort (and return anything). */
    size_t (*body_came)(struct vk_upcall *c, vk_str bytes);
    /* All that has come so far was taken, and it was not the end. May abort; may be NULL. */
    void (*lull)(struct vk_upcall *c);
    /* More of the request's body can be given: at first, when the connection is there, and whenever not all
     * was taken. May abort. NULL when it does not stream. */
    void (*wants)(struct vk_upcall *c);
    /* Once, the last of all. VK_OK: the answer was read to its end. VK_E_TIMEOUT, VK_E_UNAVAILABLE (not
     * resolved, not reached, ended early), VK_E_FORBIDDEN (the certificate), VK_E_INVALID (it does not speak
     * HTTP/1.1), VK_E_BUSY, VK_E_NOMEM. `why` is a sentence without its full stop, without any of the bytes
     * that were sent or came. */
    void (*done)(struct vk_upcall *c, vk_err e, const char *why);
    void *arg;
    /* ---- the pool's */
    struct vk_upconn *conn; /* NULL: it waits */
    vk_list node;
    vk_timer timer;
    struct vk_upstream *pool;
    uint64_t sent, received; /* bytes of both bodies, for who counts */
    bool head_done, tried_again, gave_end, out_full, in_full;
} vk_upcall;

/* VK_E_BUSY: too many wait. VK_E_UNAVAILABLE: the pool ends. On an error no callback is called. */
VK_MUSTCHECK vk_err vk_upcall_begin(vk_upstream *u, vk_upcall *c);
/* Takes from the front of `bytes` of a body that is streamed and returns how many; fewer: the rest after
 * `wants`. `end`: with the last of `bytes` the body is over. May be called before the connection is there.
 * Once the other side reads no more, everything is taken and goes nowhere: its answer is still to come. */
size_t vk_upcall_give(vk_upcall *c, vk_str bytes, bool end);
/* body_came has room again. On the loop; nothing happens when it is not waited for. Callbacks may run before
 * it returns, `done` too. */
void vk_upcall_room(vk_upcall *c);
/* Ends it; no callback any more, not even `done`. Allowed at any time between begin and done, in callbacks
 * too. */
void vk_upcall_abort(vk_upcall *c);
/* In head_came: the call goes on at `to`, whose memory it is from then on. */
void vk_upcall_move(vk_upcall *c, vk_upcall *to);

#endif
