/* How the other roles are: asked over their socketpairs, at most once a second however many ask. */
#ifndef VK_ADMIN_HEALTH_H
#define VK_ADMIN_HEALTH_H

#include "valetkey/service.h"

enum { VK_HEALTH_FRESH_MS = 1000, VK_HEALTH_TIMEOUT_MS = 5000, VK_KEY_SOURCE_MAX = PATH_MAX + 64 };

typedef struct vk_health {
    bool keeper, courier;               /* answered well */
    char key_source[VK_KEY_SOURCE_MAX]; /* where the key of the vault comes from; empty when keeper is away */
    bool key_beside_data;               /* that key lies beside the data it protects */
} vk_health;

/* A question; the caller's memory until `done`, which runs on loops[0]. */
typedef struct vk_health_ask {
    vk_task task;
    vk_list node;
    vk_runtime *rt;
    void (*done)(struct vk_health_ask *a, const vk_health *h);
} vk_health_ask;

/* From any thread. Fill rt and done. */
void vk_health_get(vk_health_ask *a);

#endif
