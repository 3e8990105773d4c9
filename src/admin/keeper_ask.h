/* One request to keeper's control calls (keeper/keeper.h), over the connection that front has to it. */
#ifndef VK_ADMIN_KEEPER_ASK_H
#define VK_ADMIN_KEEPER_ASK_H

#include "http/client.h"
#include "valetkey/service.h"

enum { VK_KEEPER_ANSWER_MAX = 2 * 1024 * 1024 };

/* The asker's memory until `done`. */
typedef struct vk_keeper_ask {
    vk_task task;
    const vk_runtime *rt;
    vk_str method, target, body; /* the body is JSON, or empty; all stay until `done` */
    int64_t timeout_ms;          /* without a byte of the answer; 0: some seconds */
    /* On loops[0], once: VK_OK with keeper's answer, whatever its status; otherwise keeper is away, or does
     * not answer, and `r` is NULL. The ask may be sent again there, or end its own memory. */
    void (*done)(struct vk_keeper_ask *a, vk_err err, const vk_response *r);
} vk_keeper_ask;

/* From any thread. */
void vk_keeper_send(vk_keeper_ask *a);

#endif
