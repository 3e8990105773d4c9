/* One request and its response. The only object that handlers see; it does not say which protocol carried it.
 *
 * Life: the server makes it when a head is complete and calls handler->head (decide who asks, set the body
 * limit, or refuse at once), collects the body or gives it to a sink, calls handler->request. The handler
 * answers with vk_respond* — in the call or later, on the exchange's own loop; exactly once. Until then it
 * owns the exchange. A worker thread may use `arena` and `out` while the loop does not, and gives the
 * exchange back with vk_exchange_post. The client may have gone meanwhile: answering is still required, and
 * harmless. */
#ifndef VK_HTTP_EXCHANGE_H
#define VK_HTTP_EXCHANGE_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/secret.h"
#include "core/vendor.h"
#include "http/head.h"
#include "net/loop.h"

enum {
    VK_EX_ARENA_CAP = 48 * 1024 * 1024, /* parse trees of the largest body included */
    VK_EX_OUT_MAX = 24 * 1024 * 1024,   /* a collected response body */
    VK_EX_HEADERS_MAX = 24 * 1024,      /* what vk_header_add adds to one response */
};

struct vk_conn;
struct vk_server;
struct vk_exchange;

/* Takes a request's body as it comes, in place of ex->body. handler->head sets it; handler->request is called
 * when the whole body has been taken, also when there was none.
 *
 * The exchange may be answered at any time after head(); request() is not called then. Of a body that has not
 * come to its end, a small rest is read past and the connection goes on; a large one, one of unknown length,
 * and one whose client still waits for 100 Continue end the connection after the answer.
 *
 * While a sink has room the exchange can end in any turn of the loop (ex->done; no request()): the client
 * goes, is too slow (408), breaks the framing (400) or sends too much (413). So what other threads do for a
 * sink meanwhile must be in memory that outlives the exchange, and vk_exchange_post is not for it. While the
 * sink is waited for (ex->held) the handler has the exchange, as after request(): no time runs for the
 * client, it may go (ex->gone), and the exchange stays until vk_sink_ready or an answer. One of the two must
 * come in bounded time. */
typedef struct vk_sink {
    /* Takes bytes from the front of `bytes` and returns how many. They come without the chunked framing; at
     * least one, a view for the time of the call. Fewer taken than there are, perhaps none: nothing is read
     * from the client before vk_sink_ready, and the rest is offered again. On the loop; must not wait. May
     * answer the exchange, after which what it returns does not matter. Must not call vk_sink_ready. */
    size_t (*take)(struct vk_sink *s, struct vk_exchange *ex, vk_str bytes);
} vk_sink;

/* A part of a body that lies in a file or in memory. */
typedef struct vk_piece {
    int fd;        /* sent from `at` on; it stays the owner's. -1: the bytes are at `bytes` */
    int64_t at, n; /* n > 0; what is beyond the body's end is not sent */
    const char *bytes;
} vk_piece;

/* A response body of known length that lies in pieces. */
typedef struct vk_pieces {
    /* The piece that begins at byte `at` of the body: 0, then where the last one ended. It stays as it is
     * until the next call, or stop. On the loop; must not wait. An error, or a file that is shorter than its
     * piece: the answer is cut off, so the client notices. */
    vk_err (*next)(struct vk_pieces *p, int64_t at, vk_piece *out_r);
    /* Always called once, at the exchange's end and after ex->done, also when the client has gone. */
    void (*stop)(struct vk_pieces *p);
} vk_pieces;

typedef struct vk_exchange {
    vk_task task; /* first: vk_exchange_post */
    struct vk_conn *conn;
    const struct vk_server *server;
    vk_loop *loop;
    vk_arena *arena;

    /* request */
    vk_str method, target, path, query, host, content_type;
    vk_secret authorization; /* not among `headers` */
    const vk_header *headers;
    uint32_t n_headers;
    int minor;
    bool expect_continue;
    vk_str id; /* X-Request-Id, the client's if it can be, or made here: letters, digits, ".", "_", "-" */
    int64_t begun_ms;  /* loop time */
    const char *about; /* the build whose request it is, once that is known; lives as long as principal */
    size_t body_max;   /* set in handler->head; 0 refuses any body */
    vk_buf body;
    vk_sink *sink; /* set in handler->head: takes the body instead. Not touched after ex->done */
    /* Set with `sink` in handler->head: nothing of the body is read, and no 100 Continue sent, before
     * vk_sink_ready. A declared length above body_max is refused first, right after head(): who begins
     * something there that ends in vk_exchange_post must have looked at Content-Length. Later on:
     * vk_sink_ready is waited for. */
    bool held;
    int passed_fd;  /* a descriptor that came with it over a unix socket, or -1. Taken by setting it to -1 */
    uid_t peer_uid; /* of a unix socket's peer; (uid_t)-1 on TCP */

    /* what handler->head found out; interpreted by the handler only */
    void *principal;
    const uint8_t *key; /* the lookup hash of the credential that it was found by; NULL: there was none */
    void *ctx;
    void (*done)(
        struct vk_exchange *ex); /* called once when the exchange ends, before the arena goes; may be NULL */
    void (*resume)(struct vk_exchange *ex); /* used by vk_exchange_post */
    /* The client has gone while its answer, or the sink of its body, is awaited: what still makes it may be
     * ended. Called at most once, on the loop; the answer (or vk_sink_ready) is still required, and a client
     * that has only ended its own half gets it. NULL: the handler does not want to know. */
    void (*gone)(struct vk_exchange *ex);

    /* response */
    vk_buf out;    /* the body, if it is collected */
    bool secret;   /* wipe all buffers afterwards */
    bool answered; /* vk_respond* was called */
    int status;    /* what it answered */
    bool close;    /* close the connection after it */
    int retry_s;   /* Retry-After; 0: none. Set before it is answered, as the next one */
    int delay_ms;  /* the answer is kept back for so long, unless too many are */
    vk_err err;    /* what vk_fail was told */
    vk_str err_text;
    vk_str head_out; /* the finished head */
    vk_str lines;    /* extra header lines, a literal */
    char *extra;     /* more of them, in the arena */
    size_t n_extra, extra_room;
    int file_fd;    /* closed at the end; -1: none */
    vk_piece piece; /* of the body, beside `out`: n bytes of it are not sent yet */
    vk_pieces *pieces;
    int64_t pieces_at, pieces_end; /* where the next piece begins, and the body's length */
    struct vk_source *source;
    int64_t source_left; /* of a body whose length was said; -1: it was not */
    bool source_chunked, source_done;
    void *proxy; /* http/proxy.c: who answers it */
} vk_exchange;

/* A response body that is made while it is sent. */
typedef struct vk_source {
    /* Appends some bytes to `out` (at least one, at most about 64 KiB). VK_OK: there may be more.
     * VK_E_NOT_FOUND: that was all. VK_AGAIN: call vk_source_ready when there is more. Any other: the
     * response is cut off, so the client notices. */
    vk_err (*pull)(struct vk_source *s, vk_buf *out);
    /* Always called once at the end, also when the client has gone. */
    void (*stop)(struct vk_source *s);
} vk_source;

/* First header of that name; VK_STR_NONE when absent. */
vk_str vk_request_header(const vk_exchange *ex, vk_str name);

/* An answer that is being sent ends here and its connection with it, so that the client notices: for what
 * must not go on. On the loop, not from within a call of the exchange's. Nothing happens when it is not
 * answered yet; the exchange is gone afterwards otherwise. */
void vk_exchange_cut(vk_exchange *ex);

/* What this request is called, in X-Request-Id and the log: the client's id or one made here. */
vk_str vk_exchange_id(vk_exchange *ex);

/* Adds "name: value" to the response, at most VK_EX_HEADERS_MAX in all (VK_E_TOO_LARGE). Both are ours or
 * checked: CR, LF and NUL make it VK_E_INVALID; other bytes go out as they are, also those above 0x7f. */
VK_MUSTCHECK vk_err vk_header_add(vk_exchange *ex, const char *name, vk_str value);
/* Header lines that never change, as one literal: "A: b\r\nC: d\r\n". Costs nothing but the sending; once an
 * exchange, and cannot fail. */
#ifdef VK_TEST_VENDOR
#define vk_header_lines(ex, literal) ((void)((ex)->lines = vk_vendor_lines(VK_STR(literal))))
#else
#define vk_header_lines(ex, literal) ((void)((ex)->lines = VK_STR(literal)))
#endif
/* Answers with `out` as the body. `content_type` NULL: none. 204 and 304 have no body, whatever is given. */
void vk_respond(vk_exchange *ex, int status, const char *content_type);
/* Answers with a static text instead of `out`. */
void vk_respond_text(vk_exchange *ex, int status, const char *content_type, vk_str text);
/* Answers with bytes [at, at+n) of `fd`, which the exchange closes at its end. */
void vk_respond_file(vk_exchange *ex, int status, const char *content_type, int fd, int64_t at, int64_t n);
/* Answers with a source; chunked on HTTP/1.1, until close on 1.0. */
void vk_respond_source(vk_exchange *ex, int status, const char *content_type, vk_source *s);
/* The same with `n` bytes, which it says in Content-Length (to HEAD too); n < 0: as vk_respond_source. A
 * source that gives another number is cut off. */
void vk_respond_source_n(vk_exchange *ex, int status, const char *content_type, int64_t n, vk_source *s);
void vk_source_ready(vk_exchange *ex);
/* Answers with `n` bytes that `p` has; with n 0, and to HEAD, next is not called. p may be NULL then. */
void vk_respond_pieces(vk_exchange *ex, int status, const char *content_type, int64_t n, vk_pieces *p);

/* On the loop: the sink has room again, or the body that was held back may come. Nothing happens when that is
 * not waited for, or the exchange is answered. take(), request() and done() may run before it returns:
 * afterwards the exchange may be gone. */
void vk_sink_ready(vk_exchange *ex);

/* Notes what went wrong, for render_error; returns `e`. The text must hold no secret. */
vk_err vk_fail(vk_exchange *ex, vk_err e, const char *fmt, ...) VK_PRINTF(3, 4);

/* A number for the address that it came from, the same for each of its requests; 0: not known. */
uint64_t vk_exchange_from(const vk_exchange *ex);

/* The request's credential was refused. VK_OK: say so. VK_E_BUSY: too many were that came from its address;
 * vk_fail was told, retry_s and delay_ms are set. Good credentials from there go on as before. */
VK_MUSTCHECK vk_err vk_exchange_bad_key(vk_exchange *ex);

/* Before a credential is looked at that can be guessed: a password, a code. VK_E_BUSY, as above: one more
 * that is wrong would be too many, so that a right one is not to be told from it. Takes nothing. */
VK_MUSTCHECK vk_err vk_exchange_may_guess(vk_exchange *ex);

/* From any thread: `resume(ex)` runs on the exchange's loop. */
void vk_exchange_post(vk_exchange *ex, void (*resume)(vk_exchange *ex));

#endif
