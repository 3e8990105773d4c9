/* One request to keeper's control calls (keeper/keeper.h): what only keeper can tell, because only it has the
 * organisation's secrets. Not for what an app sends on to a vendor: that is services/forward.h.
 *
 * It goes over the connection that front has to keeper, where one waits for the other and new connections for
 * orders wait for both. What may wait for a vendor goes `apart`. */
#ifndef VK_SERVICES_ASK_KEEPER_H
#define VK_SERVICES_ASK_KEEPER_H

#include "services/errand.h"

enum {
    VK_KEEPER_ANSWER_MAX = 2 * 1024 * 1024,
    VK_KEEPER_APART = 32, /* asks with a connection of their own, at once */
};

/* The asker's memory until `done`. */
typedef struct vk_keeper_ask {
    vk_task task;
    const vk_runtime *rt;
    bool apart;                               /* over a connection of its own: nothing waits for it */
    vk_str method;                            /* VK_STR_NONE: POST. All of these stay until `done` */
    vk_str target, lines, content_type, body; /* `lines`: header lines, each with CRLF. A body is JSON unless
                                               * a type is given */
    size_t answer_max;                        /* 0: VK_KEEPER_ANSWER_MAX */
    int64_t timeout_ms;                       /* without a byte of the answer; 0: some seconds */
    vk_errand errand;                         /* of one that is apart */
    /* On loops[0], once: VK_OK with keeper's answer, whatever it is; VK_E_BUSY: VK_KEEPER_APART are under
     * way; otherwise keeper is away, or does not answer, and `r` is NULL. The ask may be sent again there, or
     * end its own memory. */
    void (*done)(struct vk_keeper_ask *a, vk_err err, const vk_response *r);
} vk_keeper_ask;

/* From any thread. */
void vk_keeper_ask_send(vk_keeper_ask *a);

#endif
