/* One request to courier, or to keeper's control calls, over a connection of its own, so that what takes long
 * there holds up nothing else. */
#ifndef VK_SERVICES_ERRAND_H
#define VK_SERVICES_ERRAND_H

#include "http/client.h"
#include "valetkey/service.h"

enum {
    VK_ERRAND_ASK_MAX = 4 * 1024 * 1024,
    VK_ERRAND_CONNECT_MS = 10 * 1000, /* the other side takes connections at once, or is not well */
};

/* The asker's memory until `done`. */
typedef struct vk_errand {
    vk_task task;
    const vk_runtime *rt;
    bool
        keeper; /* it is asked, not courier. Who asks it is services/ask_keeper.h, which bounds how many do */
    vk_str method;                            /* VK_STR_NONE: POST. All of these stay until `done` */
    vk_str target, lines, content_type, body; /* a body is JSON unless a type is given */
    size_t answer_max;
    int64_t timeout_ms; /* without a byte of the answer */
    bool secret;        /* wipe both messages */
    struct vk_client *client;
    /* On loops[0], once: VK_OK with the answer, whatever it is; otherwise the other side is away, or does not
     * answer, and `r` is NULL. The errand may end its own memory there. */
    void (*done)(struct vk_errand *e, vk_err err, const vk_response *r);
} vk_errand;

/* From any thread. */
void vk_errand_send(vk_errand *e);

#endif
