/* The connections of a pool, between upstream.c, upstream_dial.c and upconn.c only. */
#ifndef VK_HTTP_UPCONN_H
#define VK_HTTP_UPCONN_H

#include "http/upstream.h"
#include "net/lane.h"

#include <netinet/in.h>

enum upstate {
    UP_CONNECTING,
    UP_GREETING, /* the TLS handshake is under way */
    UP_OPEN,     /* a call has it */
    UP_IDLE,
    UP_GONE, /* closed; waits for libuv */
};

typedef struct vk_upconn {
    vk_io io;
    vk_upstream *pool;
    vk_upcall *call;
    vk_list node;     /* in pool->idle or pool->busy */
    int64_t born_ms;  /* loop times: connected, … */
    int64_t idle_ms;  /* … kept, … */
    int64_t until_ms; /* … and when it must be connected */
    uint8_t state;
    uint8_t addr, tries; /* index of its address; how many were tried for this call */
    bool reused;         /* it has served a call before */
    bool heard;          /* a byte of this answer has come */
    bool mute;           /* the peer reads no more; what it says is still read */
    bool eof, have_head, raw;
    bool first; /* the time for the answer's head runs */
    bool last_chunk;
    /* out: the head and the whole body lie at the call, what streams lies here, framed */
    size_t head_at, body_at;
    char *out;
    uint32_t out_at, out_n, out_high;
    /* in */
    char *in;
    uint32_t in_at, in_n, in_high;
    uint32_t payload; /* bytes at in_at that are the body's, and were not taken */
    uint32_t interim;
    bool keep;
    vk_framing framing;
    uint64_t left;
    vk_chunked chunked;
} vk_upconn;

typedef union vk_upaddr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} vk_upaddr;

struct vk_upstream {
    vk_loop *loop;
    vk_upstream_place at;
    vk_upstream_counts counts;
    vk_list idle, busy, waiting; /* idle: the one kept for longest is the first */
    vk_timer sweep;
    vk_task task;
    bool posted, closing;
    size_t n_conns; /* that are not freed */
    vk_tls_memory memory;
    vk_upaddr addr[VK_UPSTREAM_ADDRESSES];
    uint8_t n_addr, good; /* good: the one that was reached last */
    bool fixed;           /* they need no resolver */
    int64_t resolved_ms, refused_ms;
    struct vk_upresolve *resolving;
};

/* ---- upstream.c */

/* Calls that wait go on in a later turn. */
void vk_upstream_kick(vk_upstream *u);
/* Ends the call, whose connection is kept or closed. The last that is done with either. */
void vk_upcall_finish(vk_upcall *c, bool keep, vk_err e, const char *why);
/* The same after a failure, unless it may be sent once more. */
void vk_upcall_fail(vk_upcall *c, vk_err e, const char *fmt, ...) VK_PRINTF(3, 4);
void vk_upconn_shut(vk_upconn *uc);
/* The connection is the call's; nothing has been sent. */
void vk_upconn_attach(vk_upconn *uc, vk_upcall *c);
/* NULL: out of memory; *fd* stays the caller's. */
vk_upconn *vk_upconn_new(vk_upstream *u, int fd);
/* The call ends in `ms`. */
void vk_upconn_arm(vk_upcall *c, int64_t ms);

/* ---- upstream_dial.c */

/* Sets *at's addresses when they need no resolver. VK_E_INVALID: no host to be dialed. */
VK_MUSTCHECK vk_err vk_updial_prepare(vk_upstream *u);
/* A connection for `c`, which waits: it is taken off, or fails. False: it goes on waiting, for the resolver.
 */
bool vk_updial(vk_upstream *u, vk_upcall *c);
void vk_updial_ready(vk_upconn *uc);
void vk_updial_late(vk_upconn *uc);
void vk_updial_forget(vk_upstream *u);

/* ---- upconn.c */

/* The socket is connected (and idle, or fresh): sends what there is. */
void vk_upconn_start(vk_upconn *uc);
void vk_upconn_ready(vk_io *io, int events);
void vk_upconn_drop_in(vk_upconn *uc, bool secret);
void vk_upconn_drop_out(vk_upconn *uc, bool secret);
/* An idle connection can be used. */
bool vk_upconn_lives(vk_upconn *uc);

#endif
