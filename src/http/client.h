/* HTTP/1.1 client over one connected socket of ours: the socketpairs between the roles, admin.sock, and
 * loopback listeners for the CLI. Requests are sent one after the other, in order. Not for hosts that others
 * chose. */
#ifndef VK_HTTP_CLIENT_H
#define VK_HTTP_CLIENT_H

#include "core/buf.h"
#include "http/head.h"
#include "net/tls.h"

#include <sys/types.h>

enum { VK_CLIENT_QUEUE = 1024, VK_CLIENT_TIMEOUT_MS = 30000 };

typedef struct vk_client vk_client;

typedef struct vk_response {
    int status;
    const vk_head *head; /* views are valid during the callback */
    vk_str body;         /* empty when on_body took it */
} vk_response;

typedef struct vk_request {
    vk_str method, target, host; /* host defaults to "valetkey" */
    vk_str bearer;               /* Authorization: Bearer …; may be empty */
    vk_str headers;              /* further lines, each ending in CRLF */
    vk_str content_type, body;
    /* Gives the body piece by piece instead, as read(2) does: `body_n` bytes in all, or -1: until it gives 0,
     * in chunks. When the answer comes before all of it is sent it is not asked any more. Fewer bytes than
     * announced, or -1 (an error): the request ends with VK_E_INVALID. NULL: `body` is it. */
    ssize_t (*give)(void *arg, char *to, size_t room);
    int64_t body_n;
    int pass_fd;        /* -1, or a descriptor to send along (unix sockets); stays the caller's */
    bool secret;        /* wipe both messages afterwards */
    size_t body_max;    /* of the response */
    int64_t timeout_ms; /* without a byte of the answer; 0: VK_CLIENT_TIMEOUT_MS */
    /* VK_OK with a response, or VK_E_TIMEOUT (no byte for that long), VK_E_UNAVAILABLE (connection gone),
     * VK_E_INVALID (peer broke the protocol), VK_E_TOO_LARGE. Called exactly once. */
    void (*done)(void *arg, vk_err e, const vk_response *r);
    /* The head of the response is there, before its body; may be NULL. */
    void (*on_head)(void *arg, const vk_head *head);
    /* Takes the body of a 2xx response piece by piece instead of collecting it; VK_OK or the error to end
     * with. */
    vk_err (*on_body)(void *arg, vk_str piece);
    void *arg;
} vk_request;

/* Takes over `fd` (non-blocking). `gone(arg)` is called when the connection ends; may be NULL. */
VK_MUSTCHECK vk_err vk_client_new(vk_loop *loop, int fd, void (*gone)(void *arg), void *arg,
                                  vk_client **out_r);
/* Before the first request: TLS, with the holder of this certificate and nobody else. */
VK_MUSTCHECK vk_err vk_client_secure(vk_client *c, const uint8_t sha256[VK_TLS_SHA256]);
/* Everything in `r` is copied. VK_E_BUSY: VK_CLIENT_QUEUE requests wait already. VK_E_UNAVAILABLE: the
 * connection is gone. VK_E_INVALID: a control character where a part of a line goes. On any error `done` is
 * not called; on VK_OK it is called later, never inside of this call. */
VK_MUSTCHECK vk_err vk_client_send(vk_client *c, const vk_request *r);
/* Fails what waits with VK_E_UNAVAILABLE and frees in a later turn. NULL is allowed. */
void vk_client_close(vk_client *c);

#endif
