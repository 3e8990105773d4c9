/* A lane: one thread with a bounded queue, for work that may block (metadata writes, sealing). Jobs run in
 * order. */
#ifndef VK_NET_LANE_H
#define VK_NET_LANE_H

#include "core/base.h"

typedef struct vk_lane vk_lane;

typedef struct vk_job {
    struct vk_job *next;
    void (*run)(struct vk_job *j); /* on the lane's thread; the job may be gone when it returns */
} vk_job;

/* `limit` jobs may wait. `name` shows in ps (15 characters). */
VK_MUSTCHECK vk_err vk_lane_new(const char *name, size_t limit, vk_lane **out_r);
/* Runs what is queued, then ends the thread. */
void vk_lane_free(vk_lane *lane);
/* From any thread. VK_E_BUSY when the queue is full: the job stays the caller's. */
VK_MUSTCHECK vk_err vk_lane_add(vk_lane *lane, vk_job *j);

#endif
