/* One connection, between exchange.c, conn.c, conn_send.c and server.c only. */
#ifndef VK_HTTP_CONN_H
#define VK_HTTP_CONN_H

#include "http/server.h"

enum state {
    S_HEAD,   /* waits for a head, or has a part of one */
    S_BODY,   /* the body comes: is collected, given to its sink, or read past */
    S_HELD,   /* the body waits for its sink: the handler has the exchange */
    S_WAIT,   /* the handler has the exchange */
    S_DELAY,  /* the answer is ready, but is kept back for a while (ex->delay_ms) */
    S_SEND,   /* the answer is going out */
    S_LINGER, /* refused with input unread: reads on for a while so that no RST overtakes the answer */
    S_OTHER,  /* speaks another protocol: c->other */
    S_GONE,   /* closed; waits for the handler, for the other protocol or for libuv */
};

/* What a connection speaks after its upgrade. It reads and writes c->io itself, and what c->in still holds.
 */
typedef struct vk_upgrade {
    void (*ready)(struct vk_upgrade *u, int events); /* also once after the upgrade, with 0 */
    void (*closing)(struct vk_upgrade *u);           /* the server closes: come to an end soon */
    /* The server is parked: read nothing until it is not. NULL: it makes no difference. */
    void (*hold)(struct vk_upgrade *u, bool on);
} vk_upgrade;

/* What the timer measures, so that it is not set anew with every byte. */
enum watch { W_TIME, W_BODY, W_ANSWER, W_DISCARD };

typedef struct vk_conn {
    vk_io io;
    vk_server *server;
    vk_peer *peer; /* NULL: not counted */
    vk_list node;  /* in server->fresh until a whole head has come, then in server->conns */
    vk_timer timer;
    vk_exchange *ex;
    vk_upgrade *other;
    char *in;             /* borrowed from the loop while there is input */
    int64_t since_ms;     /* loop time of its beginning */
    uint64_t moved, mark; /* bytes in and out; how many when the watch began */
    uint32_t in_at, in_n;
    uint32_t in_high; /* most bytes that `in` has held */
    uint8_t state, watch;
    bool in_own; /* `in` is of its own, as large as what it holds: a part of a head that may take its time */
    bool asked;  /* a whole head has come */
    bool over;   /* one too many: it is told so, and nothing else */
    bool eof, keep, in_advance, kick, io_closed;
    bool drained;     /* the last read took all there was */
    bool lasting;     /* a peer of ours: no limit between requests */
    bool in_secret;   /* what went through `in` must be wiped */
    bool cut;         /* the answer ends in the middle */
    bool head_begun;  /* a part of a head is here: its deadline runs */
    bool unread_body; /* an answer now leaves input behind that nobody reads */
    bool greeting;    /* the TLS handshake is under way */
    bool ended;       /* the peer has ended its half while it waits: VK_HANGUP_MS run */
    bool starved;     /* the answer's source has nothing now */
    bool discard;     /* answered before the body's end, of which little is left: read past it, go on */
    bool invited;     /* the body may come, and a client that waits for 100 Continue was told so */
    bool once;        /* the end of a relay: serves one request */
    bool other_once;  /* counted in server->n_other */
    vk_framing framing;
    uint64_t body_left; /* VK_FRAME_LENGTH: still to come */
    uint64_t body_room; /* VK_FRAME_CHUNKED: as much may still come */
    vk_chunked chunked;
    uint32_t payload; /* bytes at in_at that are the body's, and whose sink has not taken them */
    size_t sent;      /* of head_out + out */
    size_t lingered;
    int passed_fd;
    uid_t peer_uid;
    void (*gone)(void *arg);
    void *gone_arg;
} vk_conn;

/* A copy of the head (its `head_bytes` bytes start at h->method.p) in a fresh exchange; NULL when out of
 * memory. With head_bytes 0 an empty exchange, for refusals. */
VK_MUSTCHECK vk_exchange *vk_exchange_new(struct vk_conn *c, const vk_server *server, const vk_head *h,
                                          size_t head_bytes);
void vk_exchange_end(vk_exchange *ex);

/* A request begins: `id` is what its client calls it, perhaps nothing. It ends, answered or not. */
void vk_note_begin(vk_exchange *ex, vk_str id);
void vk_note_end(vk_exchange *ex, vk_traffic *t);
/* A fresh id into `out`; its length. */
enum { VK_NOTE_ID = 18 };
size_t vk_note_id(char out[VK_NOTE_ID]);

/* The connection cannot go on after this answer (client's wish, unread body, server closing). */
bool vk_conn_must_close(const struct vk_conn *c);
/* The answer is ready, its source has more, or the body's sink has room. */
void vk_conn_answered(struct vk_conn *c);

/* Takes over `fd`, except on an error. No timer runs yet. */
VK_MUSTCHECK vk_err vk_conn_open(vk_server *s, int fd, vk_conn **out_r);
/* Does all that can be done without waiting. */
void vk_conn_advance(vk_conn *c);
/* Reads what is there, once. False: nothing came or the connection is over. */
bool vk_conn_fill(vk_conn *c);
/* Answers with an error of the engine and ends the connection. */
void vk_conn_refuse(vk_conn *c, int status, vk_err e, const char *fmt, ...) VK_PRINTF(4, 5);

/* conn_body.c: from a head's end to the end of its body. */

/* The handler wants the request: what is declared fits, or it is refused. */
void vk_conn_begin_body(vk_conn *c);
/* In S_BODY. True: something was done, go round again. */
bool vk_conn_take_body(vk_conn *c);
/* An answer begins: decides what becomes of a body that has not come to its end. */
void vk_conn_settle_body(vk_conn *c);
/* The body that waits for its sink comes again; when the connection has gone meanwhile, the exchange ends. */
void vk_conn_release_body(vk_conn *c);

/* conn_time.c: what takes too long, and what is too much. */

/* What the state says happens in `ms`: the end, for most. */
void vk_conn_arm(vk_conn *c, int64_t ms);
void vk_conn_disarm(vk_conn *c);
/* The client has gone while a handler makes its answer: the handler is told, once; the answer is awaited all
 * the same. */
void vk_conn_tell_gone(vk_conn *c);
/* From here on what comes or goes is held against slow_rate, until the timer is armed for something else.
 * Again and again for the same: costs nothing. */
void vk_conn_watch(vk_conn *c, enum watch what);
/* Bytes that were sent and that the peer has not taken: in the kernel's buffer they would pass for progress.
 */
uint64_t vk_conn_untaken(const vk_conn *c);
/* The answer is ready: goes out now, or after its delay. */
void vk_conn_begin_answer(vk_conn *c);
void vk_conn_end_delay(vk_conn *c);
/* Closes the connection that is worth least, of those that wait for a request. False: there is none. */
bool vk_conns_shed(vk_server *s);
/* VK_OK: all is sent. VK_AGAIN: the peer's window is full, or it is the others' turn. VK_E_BUSY: the source
 * waits. VK_E_IO: over. */
VK_MUSTCHECK vk_err vk_conn_send(vk_conn *c);
/* The exchange ends without an answer, the connection is `u`'s from now on. */
void vk_conn_upgrade(vk_conn *c, vk_upgrade *u);
/* Gives back c->in. */
void vk_conn_drop_in(vk_conn *c);
/* What there is of a head goes into memory of its own size. */
void vk_conn_keep_small(vk_conn *c);
/* The same for whatever there is; nothing needs none. */
void vk_conn_set_aside(vk_conn *c);
/* The connection waits for a request, and the server is parked: nothing of it is looked at until it is not.
 */
void vk_conn_park(vk_conn *c);
/* All is sent and the peer knows: reads on for a while, so that no reset overtakes what was sent. */
void vk_conn_linger(vk_conn *c);
/* The connection, on which no request is under way, is a relay's from now on; takes over `inner`, except on
 * an error. */
VK_MUSTCHECK vk_err vk_relay_begin(vk_conn *c, int inner);
/* Closes now; nothing is called any more. The memory stays until vk_conn_leave. */
void vk_conn_shut(vk_conn *c);
void vk_conn_leave(vk_conn *c);
/* Those that wait for a request; the others end soon. */
void vk_conns_close_idle(vk_server *s);
void vk_server_maybe_gone(vk_server *s);

#endif
