/* Which version of each record of the vault the log names last. Written again at the front of each file, so
 * that the last file is enough to know all of them. Any thread. */
#ifndef VK_KEEPER_AUDIT_VERSIONS_H
#define VK_KEEPER_AUDIT_VERSIONS_H

#include "core/map.h"
#include "keeper/audit_record.h"

#include <pthread.h>

enum { VK_AUDIT_NAMES = 1 << 17 }; /* records of the vault that are followed */

typedef struct vk_audit_versions {
    pthread_mutex_t mu;
    vk_map map;
} vk_audit_versions;

void vk_audit_versions_init(vk_audit_versions *v);
void vk_audit_versions_free(vk_audit_versions *v);
/* A record of the log: CHANGE and VERSIONS tell something, others nothing. "resource.gone" takes the name
 * away (keeper/provision.h). False: there was no memory or no place for a name. */
bool vk_audit_versions_take(vk_audit_versions *v, const vk_audit_record *r);
uint64_t vk_audit_versions_of(vk_audit_versions *v, vk_str name);
/* Calls `emit` with the extra of as many VERSIONS records as it takes. */
void vk_audit_versions_each(vk_audit_versions *v, void (*emit)(void *arg, vk_str extra), void *arg);

#endif
