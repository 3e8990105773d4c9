/* An exchange whose answer is another server's: the request goes there by an upcall while it comes in, the
 * answer comes back while it is sent; neither is collected. Framing and hop-by-hop fields are never copied:
 * both heads are made from parsed fields.
 *
 * Life: handler->head calls vk_proxy_begin after it has decided whom the exchange may ask, or holds the body
 * (ex->held) and calls it later; from then on the exchange is the proxy's, and vk_proxy_request is its
 * handler->request. A client that goes ends the upcall. */
#ifndef VK_HTTP_PROXY_H
#define VK_HTTP_PROXY_H

#include "http/exchange.h"
#include "http/upstream.h"

typedef struct vk_proxy vk_proxy;

typedef struct vk_proxy_ways {
    /* The head of the answer: adds the header lines that go on (vk_header_add), and may ask that its body be
     * collected (vk_proxy_collect) or looked through (vk_proxy_filter). Content-Type and Content-Length are
     * passed on by the proxy; nothing else is. An error: the answer is not passed on, `failed` is called with
     * it. NULL: no further line goes on. */
    vk_err (*head)(vk_proxy *p, const vk_head *h);
    /* With vk_proxy_collect: the whole body is here, in ex->out; the exchange must be answered. */
    void (*collected)(vk_proxy *p, int status);
    /* No answer came, or none that may go on: the exchange must be answered, in the vendor's shape. Not
     * called when the answer has begun: then it is cut off, so that the client notices. */
    void (*failed)(vk_proxy *p, vk_err e, const char *why);
    /* Once, at the end, whatever came of it; afterwards *p is gone. status 0: there was no answer. */
    void (*ended)(vk_proxy *p, vk_err e, int status, uint64_t sent, uint64_t received);
} vk_proxy_ways;

struct vk_proxy {
    vk_exchange *ex;
    const vk_proxy_ways *ways;
    void *arg; /* the caller's */
    vk_upcall call;
};

/* Makes a proxy in the exchange's arena and begins the call. `head` as in vk_upcall; `secret`, `again` too.
 * The request's body goes along as it comes (the exchange's head must say how long it is: Content-Length, or
 * chunked), or is `body` when that is not VK_STR_NONE. VK_E_BUSY, VK_E_NOMEM: nothing happened. */
typedef struct vk_proxy_ask {
    vk_upstream *to;
    vk_str head, method, body;
    bool secret, again, upgrade;
    int64_t first_ms, idle_ms;
    const vk_proxy_ways *ways;
    void *arg;
} vk_proxy_ask;
VK_MUSTCHECK vk_err vk_proxy_begin(vk_exchange *ex, const vk_proxy_ask *ask, vk_proxy **out_r);
/* In ways->head: the body is collected into ex->out, at most `max` bytes (beyond: `failed` with
 * VK_E_TOO_LARGE), and `collected` answers. */
void vk_proxy_collect(vk_proxy *p, size_t max);
/* In ways->head: `look` may change bytes where they lie, never their number. It is given all of them in order
 * and keeps the last `keep` of what it has seen back (at most 4,096), so that what spans two parts is found;
 * they are shown again, followed by what came next, and the end is told. */
void vk_proxy_filter(vk_proxy *p, void (*look)(vk_proxy *p, char *bytes, size_t n, bool end), size_t keep);
/* handler->request of such an exchange. */
void vk_proxy_request(vk_exchange *ex);

#endif
