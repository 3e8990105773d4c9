/* HTTP/1.1 message heads and framing, as pure functions over bytes (RFC 9112). Strict: whatever nginx refuses
 * is refused, and bare LF too. Framing is a security boundary here, so nothing is repaired or collapsed.
 * Cases: tests/http/framing-cases.json. */
#ifndef VK_HTTP_HEAD_H
#define VK_HTTP_HEAD_H

#include "core/base.h"

enum {
    VK_HEAD_MAX = 16384,    /* bytes of a head, final CRLF CRLF included: 431 past it */
    VK_HEADERS_MAX = 100,   /* header lines: 431 past it */
    VK_TRAILERS_MAX = 8192, /* bytes of chunk extensions or trailers: 400 past it */
};

typedef struct vk_header {
    vk_str name, value; /* value without leading and trailing blanks */
} vk_header;

typedef enum vk_framing {
    VK_FRAME_NONE,    /* no body */
    VK_FRAME_LENGTH,  /* content_length bytes */
    VK_FRAME_CHUNKED, /* RFC 9112 §7.1 */
    VK_FRAME_EOF,     /* responses only: until the peer closes */
} vk_framing;

typedef struct vk_head {
    vk_str method, target; /* requests; target is origin-form, or "*" with OPTIONS */
    int status;            /* responses */
    vk_str reason;
    int minor; /* 0 or 1: HTTP/1.x */
    vk_framing framing;
    uint64_t content_length;
    bool keep_alive;                          /* what version and Connection say; VK_FRAME_EOF clears it */
    bool expect_continue;                     /* Expect: 100-continue on a 1.1 request */
    bool upgrade;                             /* Connection lists upgrade and Upgrade is present */
    vk_str host, authorization, content_type; /* VK_STR_NONE when absent; each at most once, else 400 */
    vk_str request_id;                        /* X-Request-Id, the last one */
    uint32_t n_headers;
    vk_header headers[VK_HEADERS_MAX];
} vk_head;

/* > 0: the head is complete and takes that many bytes. 0: more bytes are needed. < 0: minus the status to
 * answer (400, 431, 501, 505); the connection must be closed. All views point into `p`. A CRLF before the
 * request line is not skipped. CONNECT and absolute-form targets are 400: we are no proxy. */
VK_MUSTCHECK int vk_head_request(const char *p, size_t n, vk_head *out_r);
/* A response to a request with method `method` (HEAD, and 1xx/204/304, have no body). Same results; any
 * negative value means that the peer broke the protocol. */
VK_MUSTCHECK int vk_head_response(const char *p, size_t n, vk_str method, vk_head *out_r);
/* First header of that name (ASCII case-insensitive); VK_STR_NONE when absent. */
vk_str vk_head_get(const vk_head *h, vk_str name);

/* Chunked decoder. Zero it to start. */
typedef struct vk_chunked {
    uint64_t left;     /* bytes of the current chunk still to come */
    uint32_t overhead; /* bytes of extensions of this size line, or of trailers */
    uint8_t state;
    uint8_t digits;
} vk_chunked;

typedef enum vk_chunk { VK_CHUNK_MORE, VK_CHUNK_DATA, VK_CHUNK_END, VK_CHUNK_BAD } vk_chunk;

/* Takes bytes from the front of *in. DATA: *data_r is a view of payload inside the input; call again. MORE:
 * *in is empty. END: the last byte of the trailers is consumed, *in holds what follows. BAD: close the
 * connection. Sizes are 1–15 hex digits; extensions and trailers are dropped. */
VK_MUSTCHECK vk_chunk vk_chunked_next(vk_chunked *c, vk_str *in, vk_str *data_r);

#endif
