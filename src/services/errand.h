/* One request to courier over a connection of its own, so that what takes long there holds up nothing else.
 */
#ifndef VK_SERVICES_ERRAND_H
#define VK_SERVICES_ERRAND_H

#include "http/client.h"
#include "valetkey/service.h"

enum { VK_ERRAND_ASK_MAX = 4 * 1024 * 1024 };

/* The asker's memory until `done`. */
typedef struct vk_errand {
    vk_task task;
    const vk_runtime *rt;
    vk_str target, body; /* of a POST with JSON; stay until `done` */
    size_t answer_max;
    int64_t timeout_ms; /* without a byte of the answer */
    bool secret;        /* wipe both messages */
    struct vk_client *client;
    /* On loops[0], once: VK_OK with courier's answer, whatever it is; otherwise courier is away, or does not
     * answer, and `r` is NULL. The errand may end its own memory there. */
    void (*done)(struct vk_errand *e, vk_err err, const vk_response *r);
} vk_errand;

/* From any thread. */
void vk_errand_send(vk_errand *e);

#endif
