/* Strands: all work on one build's file is done one job after the other, by a few threads that all builds of
 * a service share; so there is one writer a file and nothing of it needs a lock, and a build whose disk is
 * slow holds up nobody else's. Opened at first use, closed when idle, bounded in number; a build's end waits
 * for what has begun and closes it. What services with a file per build have in common. */
#ifndef VK_STRANDS_H
#define VK_STRANDS_H

#include "core/list.h"
#include "valetkey/service.h"

typedef struct vk_strand_job {
    vk_list node;
    void (*run)(struct vk_strand_job *j); /* on the strand; the job may be gone when it returns */
} vk_strand_job;

#endif
