/* Asking courier for a request to a host of others. */
#ifndef VK_ADMIN_REACH_H
#define VK_ADMIN_REACH_H

#include "valetkey/service.h"

/* One request; the asker's memory until `done`. */
typedef struct vk_reach {
    vk_task task;
    vk_runtime *rt;
    vk_str method, url;
    vk_str origin; /* one that the build has registered, or empty */
    struct vk_client *client;
    vk_buf body;
    /* Filled in for `done`: */
    int status;                       /* what the host answered; 0: it was not reached */
    int64_t ms;                       /* until then */
    char why[320];                    /* when it was not reached: a sentence without its final dot */
    void (*done)(struct vk_reach *r); /* on loops[0] */
} vk_reach;

/* From any thread. Every request has a connection to courier of its own, so that a slow host holds up nothing
 * else. */
void vk_reach_ask(vk_reach *r);

#endif
