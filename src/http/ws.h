/* WebSocket connections, the server's side (RFC 6455), on our own HTTP connections: an exchange that asks for
 * it is accepted, and its connection speaks frames from then on. No extensions. Everything here runs on the
 * loop's thread.
 *
 * Life: the connection belongs to the engine; `closed` is called once when it is over, whoever ended it,
 * never from within a call of the handler into this file. From then on calls with it do nothing. The handler
 * says when it has no more use for the pointer (vk_ws_release), so work of its own may be under way while the
 * peer goes. */
#ifndef VK_HTTP_WS_H
#define VK_HTTP_WS_H

#include "http/exchange.h"
#include "http/ws_frame.h"

enum {
    VK_WS_MESSAGE_MAX = 32 << 20, /* bytes of a message of the peer; the most that vk_ws_limit takes */
    VK_WS_FIRST_MAX = 64 << 10,   /* until the handler knows who is there and calls vk_ws_limit */
    VK_WS_QUEUE_HIGH = 1 << 20,   /* bytes that wait to be sent: past it nothing is read any more… */
    VK_WS_QUEUE_LOW = 256 << 10,  /* …until so few are left */
    VK_WS_CLOSE_MS = 1000,        /* for the peer to take our close frame and to end the connection */
    VK_WS_PING_MS = 30000,        /* without input: a ping; twice as long without any: the peer is gone */
    VK_WS_KEY = 24,               /* characters of Sec-WebSocket-Key: 16 bytes in base64 */
};

typedef struct vk_ws vk_ws;

typedef struct vk_ws_handler {
    /* A whole message; the text is valid UTF-8. *m is the engine's; a handler that needs it longer takes it
     * and leaves an initialised buffer in its place. */
    void (*message)(vk_ws *ws, vk_buf *m, bool text);
    /* A message that is not complete is about to have `n` bytes. NULL: it may; else a static text why not,
     * for a close with VK_WS_TRY_AGAIN. May be NULL: only vk_ws_limit counts. */
    const char *(*grows)(vk_ws *ws, size_t n);
    /* The connection is over. */
    void (*closed)(vk_ws *ws);
    /* The queue was full (vk_ws_full) and is not any more. May be NULL. */
    void (*drained)(vk_ws *ws);
    const char *no_binary; /* reason of the close (1003) when a binary message begins; NULL: they are taken */
    int64_t ping_ms;       /* 0: VK_WS_PING_MS */
} vk_ws_handler;

/* The request asks for an upgrade to WebSocket, well or badly. */
bool vk_ws_asked(const vk_exchange *ex);
/* Of the subprotocols that the request offers: whether there are any, and whether that one is among them. */
bool vk_ws_offers_any(const vk_exchange *ex);
bool vk_ws_offers(const vk_exchange *ex, vk_str protocol);
/* 0: the handshake is as RFC 6455 §4.2.1 wants it. Else the status to refuse it with, and *why_r, a static
 * text; for 426 the header that goes with it is added. */
VK_MUSTCHECK int vk_ws_refusal(vk_exchange *ex, const char **why_r);
/* From handler->request only, after vk_ws_refusal said 0. `protocol` is echoed, VK_STR_NONE: there is none.
 * VK_OK: the exchange has ended, and messages come in a later call. VK_E_NOMEM, VK_E_UNAVAILABLE (the server
 * is closing): the exchange is to be answered. */
VK_MUSTCHECK vk_err vk_ws_accept(vk_exchange *ex, vk_str protocol, const vk_ws_handler *h, void *ctx,
                                 vk_ws **out_r);

void *vk_ws_ctx(const vk_ws *ws);
/* Bytes of one message from now on; at most VK_WS_MESSAGE_MAX. */
void vk_ws_limit(vk_ws *ws, size_t max);
/* Queues a text message. Does nothing once the connection is closing. */
void vk_ws_send(vk_ws *ws, vk_str text);
/* The same, but takes the memory of the buffer over and leaves an empty one; without memory, or once the
 * connection is closing, the buffer stays as it is. */
void vk_ws_send_buf(vk_ws *ws, vk_buf *text);
/* The peer's credential was refused. 0: say so. Else too many from its address were, for so many
 * milliseconds. */
int64_t vk_ws_bad_key(vk_ws *ws);
/* Bytes that wait to be sent. */
size_t vk_ws_queued(const vk_ws *ws);
/* VK_WS_QUEUE_HIGH was passed, and `drained` not called since. */
bool vk_ws_full(const vk_ws *ws);
/* Nothing more is read, and no message delivered, until vk_ws_resume. */
void vk_ws_pause(vk_ws *ws);
void vk_ws_resume(vk_ws *ws);
/* Sends what is queued, then a close frame, then the end; reads and drops what the peer still sends, so that
 * no reset overtakes the reason. No message is delivered any more. */
void vk_ws_close(vk_ws *ws, int code, vk_str reason);
/* After `closed`: the memory goes when libuv has let go of it. */
void vk_ws_release(vk_ws *ws);

#endif
