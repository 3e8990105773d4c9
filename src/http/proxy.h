/* An exchange whose answer is another server's: the request goes there by an upcall while it comes in, the
 * answer comes back while it is sent; neither is collected, but an answer that has come as a whole before
 * VK_PROXY_SMALL bytes were there, or at once and no longer than VK_PROXY_PULL, goes on as one. Framing and
 * hop-by-hop fields are never copied: both heads are made from parsed fields.
 *
 * Life: handler->head calls vk_proxy_begin after it has decided whom the exchange may ask, or holds the body
 * (vk_proxy_hold) and calls it later; from then on the exchange is the proxy's, and vk_proxy_request is its
 * handler->request. Of the exchange's own `done` is called too; `gone`, `sink` and `proxy` are the proxy's. A
 * client that goes ends the upcall. */
#ifndef VK_HTTP_PROXY_H
#define VK_HTTP_PROXY_H

#include "http/exchange.h"
#include "http/upstream.h"

enum {
    VK_PROXY_SMALL = 16 * 1024, /* so much of an answer waits for the rest of it */
    VK_PROXY_PULL = 64 * 1024,  /* and so much is on its way to the client at once */
    VK_PROXY_KEEP = 4096,       /* vk_proxy_filter */
};

typedef struct vk_proxy vk_proxy;

typedef struct vk_proxy_ways {
    /* The head of the answer: adds the header lines that go on (vk_header_add), and may ask that its body be
     * collected (vk_proxy_collect) or looked through (vk_proxy_filter). Content-Type and Content-Length are
     * passed on by the proxy; nothing else is. An error: the answer is not passed on, `failed` is called with
     * it and what vk_fail was told. NULL: no further line goes on. With 101 too: Connection and Upgrade are
     * passed on by the proxy then. */
    vk_err (*head)(vk_proxy *p, const vk_head *h);
    /* With vk_proxy_collect: the whole body is here, in ex->out; the exchange must be answered. */
    void (*collected)(vk_proxy *p, int status);
    /* No answer came, or none that may go on: the exchange must be answered, in the vendor's shape; no line
     * that `head` added is left. `why` is a sentence without its full stop. Not called when the answer has
     * begun: then it is cut off, so that the client notices; nor when the client has gone. */
    void (*failed)(vk_proxy *p, vk_err e, const char *why);
    /* Once, at the exchange's end, whatever came of it; afterwards *p is gone. status 0: no head of an answer
     * came. VK_E_IO: the client went before the answer's end. With 101 the exchange ends when the tunnel
     * begins. May be NULL. */
    void (*ended)(vk_proxy *p, vk_err e, int status, uint64_t sent, uint64_t received);
} vk_proxy_ways;

struct vk_proxy {
    vk_exchange *ex;
    const vk_proxy_ways *ways;
    void *arg; /* the caller's */
    vk_upcall call;
};

typedef struct vk_proxy_ask {
    vk_upstream *to;
    vk_str head, method, body;
    bool secret, again, upgrade;
    int64_t first_ms, idle_ms;
    const vk_proxy_ways *ways;
    void *arg;
} vk_proxy_ask;

/* In handler->head, and only with a body_max above 0: nothing of the request's body is read before a proxy is
 * begun, or the exchange answered. */
void vk_proxy_hold(vk_exchange *ex);
/* Makes a proxy in the exchange's arena and begins the call. `head` as in vk_upcall; `secret`, `again` too.
 * The request's body goes along as it comes (its framing in `head` must be the exchange's: the same
 * Content-Length, or chunked), or is `body` when that is not VK_STR_NONE. VK_E_BUSY, VK_E_UNAVAILABLE,
 * VK_E_NOMEM: nothing happened. No way is called before it returns. */
VK_MUSTCHECK vk_err vk_proxy_begin(vk_exchange *ex, const vk_proxy_ask *ask, vk_proxy **out_r);
/* How long the body of the exchange's request is; -1: chunked. */
int64_t vk_proxy_body_n(const vk_exchange *ex);
/* In ways->head: the body is collected into ex->out, at most `max` bytes (beyond: `failed` with
 * VK_E_TOO_LARGE), and `collected` answers. */
void vk_proxy_collect(vk_proxy *p, size_t max);
/* In ways->head: `look` may change bytes where they lie, never their number. It is given all of them in order
 * and keeps the last `keep` of what it has seen back (at most VK_PROXY_KEEP), so that what spans two parts is
 * found; they are shown again, followed by what came next, and the end is told. An answer that is collected,
 * or small, is shown once, as a whole. */
void vk_proxy_filter(vk_proxy *p, void (*look)(vk_proxy *p, char *bytes, size_t n, bool end), size_t keep);
/* Ends it now, on the loop: without an answer so far, `failed` is called with `e` and `why`; one that streams
 * breaks off. Nothing happens when it is over. *p may be gone afterwards. */
void vk_proxy_end(vk_proxy *p, vk_err e, const char *why);
/* handler->request of such an exchange. */
void vk_proxy_request(vk_exchange *ex);

#endif
