/* Asking courier for a request to a host of others. */
#ifndef VK_SERVICES_REACH_H
#define VK_SERVICES_REACH_H

#include "services/errand.h"

enum { VK_REACH_KEEP_MAX = 8 * 1024 };

typedef struct vk_reach_header {
    vk_str name, value;
} vk_reach_header;

/* One request; the asker's memory until `done`. */
typedef struct vk_reach {
    vk_errand errand;
    const vk_runtime *rt;
    vk_str method, url;
    vk_str origin;                  /* one that the build has registered, or empty */
    vk_str content_type, body;      /* may be empty */
    const vk_reach_header *headers; /* which courier lets through (courier/outbound.h) */
    size_t n_headers;
    size_t keep; /* bytes of the answer's body that are wanted, at most VK_REACH_KEEP_MAX: longer ones are cut
                  * there. 0: none are, and an answer of more than VK_REACH_KEEP_MAX is none */
    vk_buf ask;
    /* Filled in for `done`: */
    int status;    /* what the host answered; 0: it was not reached */
    int64_t ms;    /* until then */
    char why[320]; /* when it was not reached: a sentence without its final dot */
    bool untried;  /* …since courier is away or has no room: nothing was sent, as far as is known */
    vk_str answer; /* the beginning of the body, as UTF-8; while `done` runs */
    void (*done)(struct vk_reach *r); /* on loops[0] */
} vk_reach;

/* From any thread. Every request has a connection to courier of its own, so that a slow host holds up nothing
 * else. */
void vk_reach_ask(vk_reach *r);

#endif
