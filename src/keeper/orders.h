/* Orders: what front asks to be done with an organisation's key. keeper's second server, on connections that
 * front opens by POST /v1/connect on the control connection; nothing but orders comes in there, and front is
 * believed in nothing.
 *
 *   <method> <path>[?query] HTTP/1.1
 *   Valetkey-Order: <service> <kind> <lookup hash of the credential, 64 hex digits in lower case>
 *   X-Request-Id: what front calls the request
 *   … the vendor's own lines, of which those of vendor->travel go on, and the body
 *
 * The credential is looked up in keeper's own view of the metadata, the build's binding says the vendor, the
 * vendor's tables say whether the call may be made and with which lines, the vault says where to and with
 * which key. The intent is in the audit before a byte goes out. Of the answer only vendor->returns goes back;
 * where the key was sent as it is (vendor->scrub), the answer is searched for it, and one that is encoded
 * does not go on. Redirects are answers like others, with Location only when it is a path.
 *
 * An answer with Valetkey-Refusal: <name of a vk_err> is keeper's own: {"error":…,"message":"a sentence"}. */
#ifndef VK_KEEPER_ORDERS_H
#define VK_KEEPER_ORDERS_H

#include "core/json_write.h"
#include "http/server.h"
#include "keeper/audit.h"
#include "keeper/org.h"
#include "keeper/view.h"
#include "net/lane.h"

enum {
    VK_ORDER_POOLS = 256,       /* hosts at once */
    VK_ORDER_CONNS = 16 * 1024, /* of front: a pool of VK_UPSTREAM_CONNS for each of its loops */
    VK_ORDER_SCRUBS = 256,      /* sets of values whose forms are kept */
    VK_ORDER_BODY_MAX = (int64_t)5 * 1024 * 1024 * 1024 + 1024 * 1024, /* an S3 object in one piece */
    VK_ORDER_LINES_MAX = 16 * 1024, /* of header lines that a vendor makes */
};

typedef struct vk_orders vk_orders;

typedef struct vk_orders_with {
    vk_loop *loop;
    vk_view *view; /* NULL: the metadata could not be opened; every order is refused */
    vk_orgs *orgs;
    vk_audit *audit; /* NULL: there is none; every order is refused */
    const char
        *ca_file;  /* the authorities that are trusted (PEM); NULL: the system's. Read at the first need */
    vk_lane *lane; /* for names */
} vk_orders_with;

typedef struct vk_orders_counts {
    uint64_t taken;    /* sent to a vendor */
    uint64_t refused;  /* by a rule, a credential, the audit; nothing was sent */
    uint64_t failed;   /* sent, but no answer that could go on */
    uint64_t scrubbed; /* answers that held a secret */
    size_t connections;
} vk_orders_counts;

/* Everything in `with` stays the caller's. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_orders_new(const vk_orders_with *with, vk_orders **out_r);
/* The loop has stopped. */
void vk_orders_free(vk_orders *o);
/* Takes over a descriptor of front's, except on an error: VK_E_BUSY when there are VK_ORDER_CONNS. */
VK_MUSTCHECK vk_err vk_orders_connect(vk_orders *o, int fd);
void vk_orders_count(const vk_orders *o, vk_orders_counts *out);
/* The same as a member "orders" of an object that is being written. */
void vk_orders_status(const vk_orders *o, vk_jw *w);
/* A vendor's values were changed or taken away: what was made of the ones before is wiped once no order needs
 * it. */
void vk_orders_forget(vk_orders *o);

#endif
