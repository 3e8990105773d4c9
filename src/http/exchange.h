/* One request and its response. The only object that handlers see; it does not say which protocol carried it.
 *
 * Life: the server makes it when a head is complete and calls handler->head (decide who asks, set the body
 * limit, or refuse at once), collects the body, calls handler->request. The handler answers with vk_respond*
 * — in the call or later, on the exchange's own loop; exactly once. Until then it owns the exchange. A worker
 * thread may use `arena` and `out` while the loop does not, and gives the exchange back with
 * vk_exchange_post. The client may have gone meanwhile: answering is still required, and harmless. */
#ifndef VK_HTTP_EXCHANGE_H
#define VK_HTTP_EXCHANGE_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/secret.h"
#include "http/head.h"
#include "net/loop.h"

enum {
    VK_EX_ARENA_CAP = 48 * 1024 * 1024, /* parse trees of the largest body included */
    VK_EX_OUT_MAX = 24 * 1024 * 1024,   /* a collected response body */
};

struct vk_conn;
struct vk_server;

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
    int passed_fd;  /* a descriptor that came with it over a unix socket, or -1. Taken by setting it to -1 */
    uid_t peer_uid; /* of a unix socket's peer; (uid_t)-1 on TCP */

    /* what handler->head found out; interpreted by the handler only */
    void *principal;
    void *ctx;
    void (*done)(
        struct vk_exchange *ex); /* called once when the exchange ends, before the arena goes; may be NULL */
    void (*resume)(struct vk_exchange *ex); /* used by vk_exchange_post */
    /* The client has gone while its answer is awaited: what still makes it may be ended. Called at most once,
     * on the loop; the answer is still required, and a client that has only ended its own half gets it. NULL:
     * the handler does not want to know. */
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
    size_t n_extra;
    int file_fd; /* body from a file, -1 otherwise */
    int64_t file_at, file_left;
    struct vk_source *source;
    bool source_chunked, source_done;
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

/* Adds "name: value" to the response, at most 1 KiB in all (VK_E_TOO_LARGE). Both are ours or checked: CR, LF
 * and NUL make it VK_E_INVALID. */
VK_MUSTCHECK vk_err vk_header_add(vk_exchange *ex, const char *name, vk_str value);
/* Header lines that never change, as one literal: "A: b\r\nC: d\r\n". Costs nothing but the sending; once an
 * exchange, and cannot fail. */
#define vk_header_lines(ex, literal) ((void)((ex)->lines = VK_STR(literal)))
/* Answers with `out` as the body. `content_type` NULL: none. 204 and 304 have no body, whatever is given. */
void vk_respond(vk_exchange *ex, int status, const char *content_type);
/* Answers with a static text instead of `out`. */
void vk_respond_text(vk_exchange *ex, int status, const char *content_type, vk_str text);
/* Answers with bytes [at, at+n) of `fd`, which the exchange closes at its end. */
void vk_respond_file(vk_exchange *ex, int status, const char *content_type, int fd, int64_t at, int64_t n);
/* Answers with a source; chunked on HTTP/1.1, until close on 1.0. */
void vk_respond_source(vk_exchange *ex, int status, const char *content_type, vk_source *s);
void vk_source_ready(vk_exchange *ex);

/* Notes what went wrong, for render_error; returns `e`. The text must hold no secret. */
vk_err vk_fail(vk_exchange *ex, vk_err e, const char *fmt, ...) VK_PRINTF(3, 4);

/* The request's credential was refused. VK_OK: say so. VK_E_BUSY: too many were that came from its address;
 * vk_fail was told, retry_s and delay_ms are set. Good credentials from there go on as before. */
VK_MUSTCHECK vk_err vk_exchange_bad_key(vk_exchange *ex);

/* From any thread: `resume(ex)` runs on the exchange's loop. */
void vk_exchange_post(vk_exchange *ex, void (*resume)(vk_exchange *ex));

#endif
