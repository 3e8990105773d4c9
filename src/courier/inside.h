/* What courier's calls share: its lanes, and the way out of the machine. */
#ifndef VK_COURIER_INSIDE_H
#define VK_COURIER_INSIDE_H

#include "courier/courier.h"
#include "courier/postgres.h"
#include "net/lane.h"

#include <pthread.h>

typedef struct vk_courier {
    vk_outbound outbound;
    pthread_mutex_t mu; /* while a library is loaded */
    bool looked_for, can_call;
    vk_pq pq;
    bool looked_for_pq, has_pq;
    vk_lane *lanes[VK_COURIER_LANES];
    _Atomic uint32_t load[VK_COURIER_LANES]; /* that wait or are under way */
} vk_courier;

/* Work that may take long. The asker's memory until `done`. */
typedef struct vk_courier_job {
    vk_job job; /* first */
    vk_courier *courier;
    size_t lane;
    void (*work)(struct vk_courier_job *j);
    void (*done)(struct vk_courier_job *j); /* on the lane too, when its place there is free again */
} vk_courier_job;

/* To the lane that has the least to do: a host that answers slowly is to hold up nobody while there are
 * others. On the loop, where alone lanes are made. False: too much waits already. */
bool vk_courier_give(vk_courier *c, vk_courier_job *j);
/* Whether requests can be sent. At the first call libcurl is loaded: nobody else is to wait for it, and most
 * installations never need it. On a lane. */
bool vk_courier_has_curl(vk_courier *c);

/* The same with libpq. */
bool vk_courier_has_pq(vk_courier *c);

/* POST /v1/validate, with its body. */
void vk_courier_validate(vk_exchange *ex);

#endif
