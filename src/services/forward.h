/* Front's side of a brokered call: an exchange whose credential was verified is answered by the vendor,
 * through keeper. Front says whose credential it was (its lookup hash), and gives method, path, query, the
 * header lines that may travel and the body; keeper looks all of it up again, puts the organisation's key on
 * it and passes the answer back.
 *
 * A request on the way to keeper is the vendor's own, with one line more:
 *   Valetkey-Order: <service> <kind> <lookup hash, 64 hex>
 * An answer with Valetkey-Refusal: <name of a vk_err> is keeper's own, its body a sentence in JSON; any other
 * is the vendor's. */
#ifndef VK_SERVICES_FORWARD_H
#define VK_SERVICES_FORWARD_H

#include "http/proxy.h"
#include "valetkey/service.h"

typedef struct vk_forward vk_forward;

typedef struct vk_forward_ways {
    /* The vendor's head, before anything is passed on; may be NULL. May add header lines, ask for the body by
     * vk_forward_collect, or return an error: then `failed` is called with it. Unless `own_lines` is set, the
     * lines that keeper lets return are passed on besides, but those that are added here by the same name. */
    vk_err (*head)(vk_forward *f, const vk_head *h);
    bool own_lines;
    /* After vk_forward_collect: the whole body is in ex->out, to be read and made anew; must answer. */
    void (*collected)(vk_forward *f, int status);
    /* Keeper refused, or the vendor is away: answers in the vendor's shape, in a way that its SDK tries again
     * (`retry`) or stops. The sentence is for people. Never NULL. */
    void (*failed)(vk_forward *f, vk_err e, bool retry, const char *why);
    /* Once, at the very end; may be NULL. */
    void (*ended)(vk_forward *f, int status, uint64_t sent, uint64_t received);
} vk_forward_ways;

struct vk_forward {
    vk_exchange *ex;
    const vk_forward_ways *ways;
    void *arg;
    vk_proxy *proxy;
};

typedef struct vk_forward_ask {
    char kind;             /* of the key that was verified */
    const uint8_t *hash;   /* its lookup hash, VK_HASH bytes: vk_service_hash_of */
    vk_str method, target; /* target with the query, as the vendor has it */
    vk_str lines;          /* further header lines, each with CRLF; what keeper does not know it drops */
    vk_str content_type;   /* of the body; may be empty */
    vk_str body;           /* all of it; VK_STR_NONE: the exchange's, as it comes (head() only) */
    bool again;            /* a second sending does no harm */
    bool upgrade;
    const vk_forward_ways *ways;
    void *arg;
} vk_forward_ask;

/* In handler->head (the body streams, ex->body_max holds) or later with a whole body. VK_E_UNAVAILABLE,
 * VK_E_BUSY, VK_E_NOMEM, and VK_E_INVALID (a target or a line that cannot be sent as it is): nothing was sent
 * and no way is called. Sets Valetkey-Served-By: org, on refusals too. */
VK_MUSTCHECK vk_err vk_forward_begin(vk_exchange *ex, const vk_forward_ask *ask, vk_forward **out_r);
void vk_forward_collect(vk_forward *f, size_t max);
/* handler->request of an exchange whose body streams. */
void vk_forward_request(vk_exchange *ex);

/* For a body that is neither the exchange's nor in memory: begins *c, which is the caller's, with its body_n
 * (known), callbacks and arg; head, method, times and `again` are set here. Of `ask`, ways, arg, body and
 * upgrade mean nothing. Errors as vk_forward_begin. */
VK_MUSTCHECK vk_err vk_forward_call(vk_exchange *ex, const vk_forward_ask *ask, vk_upcall *c);
/* Of such a call's answer: VK_OK, it is the vendor's; otherwise keeper's refusal, and whether to try again.
 */
vk_err vk_forward_refusal(const vk_head *h, bool *retry_r);

/* The same without an exchange, from any thread: one request of front's own for a build (a list, a look at an
 * object), answered with at most `max` bytes. `done` on loops[0]. */
typedef struct vk_forward_one {
    vk_task task;
    const vk_runtime *rt;
    const char *service;
    char kind;
    uint8_t hash[VK_HASH];
    vk_str method, target, lines, content_type, body; /* stay until `done` */
    size_t max;
    vk_buf out; /* the answer's body; the asker frees it */
    int status; /* 0: none came from the vendor */
    bool retry; /* with an error: asking again may help */
    char why[200];
    /* VK_OK: the vendor has answered, whatever it said; otherwise `why` is a sentence without its full stop,
     * and h is NULL. */
    void (*done)(struct vk_forward_one *o, vk_err e, const vk_head *h);
} vk_forward_one;
void vk_forward_send(vk_forward_one *o);

/* The loop's connections to keeper end, and what is under way on them fails. On the loop; for tests, and for
 * who ends a loop. */
void vk_forward_end(vk_loop *loop);

#endif
