/* How the other roles are: asked over their socketpairs, at most once a second however many ask. */
#ifndef VK_ADMIN_HEALTH_H
#define VK_ADMIN_HEALTH_H

#include "core/json_write.h"
#include "valetkey/service.h"

enum { VK_HEALTH_WHY = 400 };

/* Of the audit log, as keeper says (keeper/audit.h). */
typedef struct vk_health_audit {
    bool known, sealed, damaged, low, auditor;
    char why[VK_HEALTH_WHY], public_key[65];
    int64_t seq, epoch, records, syncs, refused, files_left, file_bytes, reserve_bytes;
    bool checkpoints;
    int64_t checkpoints_lost;
    char checkpoints_why[VK_HEALTH_WHY];
} vk_health_audit;

enum { VK_HEALTH_FRESH_MS = 1000, VK_HEALTH_TIMEOUT_MS = 5000, VK_KEY_SOURCE_MAX = PATH_MAX + 64 };

typedef struct vk_health {
    bool keeper, courier;               /* answered well */
    char key_source[VK_KEY_SOURCE_MAX]; /* where the key of the vault comes from; empty when keeper is away */
    bool key_beside_data;               /* that key lies beside the data it protects */
    vk_health_audit audit;
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

/* From keeper's answer. */
void vk_health_take_audit(const vk_json *from, vk_health_audit *out);
/* The audit log for the status (a JSON object, or null while keeper is away) and for /metrics. */
void vk_health_put_audit(vk_jw *w, const vk_health_audit *a);
void vk_health_audit_metrics(vk_buf *out, const vk_health_audit *a);

#endif
