/* An order, between orders.c, order_head.c, order_pools.c and order_answer.c, and probe.c, only. */
#ifndef VK_KEEPER_ORDER_IN_H
#define VK_KEEPER_ORDER_IN_H

#include "http/proxy.h"
#include "keeper/orders.h"
#include "keeper/scrub.h"

/* ---- order_head.c: pure */

typedef struct vk_order_line {
    char service[VK_SERVICE_MAX + 1];
    char kind;
    uint8_t hash[VK_HASH];
} vk_order_line;

/* The value of Valetkey-Order. VK_E_INVALID. */
VK_MUSTCHECK vk_err vk_order_parse(vk_str value, vk_order_line *out_r);
/* The one line of that name; VK_E_INVALID: there is none, or more than one. */
VK_MUSTCHECK vk_err vk_order_line_of(const vk_header *headers, size_t n, vk_str *out_r);
/* Sets o->headers to those of `headers` that travel, and checks that the query holds visible ASCII only.
 * VK_E_INVALID with a sentence: one stands twice; VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_order_travel(vk_order *o, const vk_header *headers, size_t n, const char **why_r);
/* The head as it is sent, after vendor->order. VK_E_INTERNAL: what the vendor made is no header lines, or no
 * target. VK_E_NOMEM, VK_E_TOO_LARGE. */
VK_MUSTCHECK vk_err vk_order_compose(const vk_order *o, vk_buf *out);
/* Whether an answer's line of that name goes back. */
bool vk_order_returns(const vk_vendor *v, vk_str name);
/* "/x", and not "//x" or what is read as that. */
bool vk_order_location_ok(vk_str value);

/* ---- order_pools.c */

typedef struct vk_order_pools vk_order_pools;
VK_MUSTCHECK vk_err vk_order_pools_new(vk_loop *loop, const char *ca_file, vk_lane *lane,
                                       vk_order_pools **out_r);
void vk_order_pools_free(vk_order_pools *p);
/* The pool of `host` ("host[:port]"). VK_E_INVALID: no such place can be; VK_E_UNAVAILABLE: nobody is
 * trusted; VK_E_BUSY: all pools have something to do; VK_E_NOMEM. Good for one vk_upcall_begin. */
VK_MUSTCHECK vk_err vk_order_pool(vk_order_pools *p, vk_str host, bool plain, vk_upstream **out_r);

/* ---- order_scrubs.c: the forms of values, as long as they are the same */

typedef struct vk_order_scrubs vk_order_scrubs;
typedef struct vk_order_scrub {
    const vk_scrub *forms;
    uint32_t users;
    bool forgotten;
} vk_order_scrub;
VK_MUSTCHECK vk_err vk_order_scrubs_new(vk_order_scrubs **out_r);
void vk_order_scrubs_free(vk_order_scrubs *s);
/* The secrets that the vendor's fields have in `org` and in `own`. To be given back. VK_E_NOMEM. */
VK_MUSTCHECK vk_err vk_order_scrubs_get(vk_order_scrubs *s, const vk_vendor *v, const vk_org *org,
                                        const vk_org *own, vk_order_scrub **out_r);
void vk_order_scrubs_put(vk_order_scrub *one);
void vk_order_scrubs_forget(vk_order_scrubs *s);

/* ---- order_answer.c */

typedef struct vk_order_run {
    vk_orders *orders;
    vk_exchange *ex;
    vk_order_line line; /* whose it is: asked again while it runs */
    vk_list node;       /* of those that run, while a proxy has it */
    vk_proxy *proxy;
    vk_order o;
    vk_binding binding;
    vk_audit_entry audit;
    vk_order_scrub *set; /* NULL: the vendor's answers are not searched */
    vk_scrub_run run;
    uint64_t found; /* in header lines */
    vk_buf head;
    bool written;   /* its intent, before head() ended */
    bool gone;      /* front went before anything was sent */
    bool sent;      /* a proxy has it */
    bool withdrawn; /* its credential is good no more */
} vk_order_run;

/* ways->head of an order. */
VK_MUSTCHECK vk_err vk_order_answer(vk_proxy *p, const vk_head *h);

#endif
