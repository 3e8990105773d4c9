/* The second place of checkpoints: a file outside of the data folder, opened at the start and only added to.
 * It has a thread of its own, so that a slow or dead file system holds nothing up: what does not get there is
 * counted and said, and the next checkpoint covers it. */
#ifndef VK_KEEPER_AUDIT_SINK_H
#define VK_KEEPER_AUDIT_SINK_H

#include "keeper/audit_record.h"

enum { VK_AUDIT_SINK_WAITING = 64 };

typedef struct vk_audit_sink vk_audit_sink;

/* Opens the file for adding (mode 0600 when it is made) and adds one comment line, which tries it.
 * VK_E_INVALID with a sentence: it cannot be used. */
VK_MUSTCHECK vk_err vk_audit_sink_open(const char *path, vk_audit_sink **out_r, char why[VK_AUDIT_WHY]);
/* Makes the thread. */
VK_MUSTCHECK vk_err vk_audit_sink_start(vk_audit_sink *s);
/* From one thread. Never waits. */
void vk_audit_sink_add(vk_audit_sink *s, const vk_audit_checkpoint *c);
/* Any thread. `why` is empty when the last one got there. */
void vk_audit_sink_state(vk_audit_sink *s, uint64_t *lost_r, char why[VK_AUDIT_WHY]);
/* Waits for what is under way. NULL is fine. */
void vk_audit_sink_close(vk_audit_sink *s);

#endif
