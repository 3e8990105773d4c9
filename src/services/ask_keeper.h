/* One request of a service to keeper's control connection: what only keeper can tell, because only it has the
 * organisation's secrets. Not for what goes on to a vendor: that is services/forward.h. */
#ifndef VK_SERVICES_ASK_KEEPER_H
#define VK_SERVICES_ASK_KEEPER_H

#include "http/client.h"
#include "valetkey/service.h"

/* The asker's memory until `done`. */
typedef struct vk_keeper_ask {
    vk_task task;
    const vk_runtime *rt;
    vk_str target, lines, content_type, body; /* of a POST; stay until `done`. `lines`: header lines, each
                                               * with CRLF */
    size_t answer_max;
    int64_t timeout_ms;
    /* On loops[0], once: VK_OK with keeper's answer, whatever it is; otherwise keeper is away, or does not
     * answer, and `r` is NULL. The ask may end its own memory there. */
    void (*done)(struct vk_keeper_ask *a, vk_err err, const vk_response *r);
} vk_keeper_ask;

/* From any thread. */
void vk_keeper_ask_send(vk_keeper_ask *a);

#endif
