/* Between audit_log.c (what is done with entries, and when), audit_log_write.c (records, files, epochs) and
 * audit_log_open.c (the beginning and the end), only. */
#ifndef VK_KEEPER_AUDIT_LOG_IN_H
#define VK_KEEPER_AUDIT_LOG_IN_H

#include "keeper/audit_log.h"

enum { VK_AL_OUT_MAX = 24 << 20 };

/* ---- audit_log.c */

/* No use is taken from now on; `word` is for GAP, the rest a sentence for people. */
void vk_al_seal(vk_audit_log *l, const char *word, const char *fmt, ...) VK_PRINTF(3, 4);
void vk_al_seal_for(vk_audit_log *l, vk_err e);

/* ---- audit_log_write.c: a batch is begun, records are put into it, and it is flushed */

void vk_al_begin_batch(vk_audit_log *l);
/* Numbers and frames it. */
void vk_al_emit(vk_audit_log *l, vk_audit_record *x);
/* What the wall clock has done since the last record, if it is worth one. */
void vk_al_emit_clock(vk_audit_log *l);
void vk_al_emit_start(vk_audit_log *l);
void vk_al_emit_gap(vk_audit_log *l, const char *word, vk_audit_cut cut);
/* VK_E_NOMEM: nothing happened; on other errors the file was left. */
VK_MUSTCHECK vk_err vk_al_flush(vk_audit_log *l, bool sync);
void vk_al_sync_late(vk_audit_log *l);

/* The file is left as it is; what was synced of it counts. */
void vk_al_leave(vk_audit_log *l, const char *word, vk_err e);
/* The next file, with what stands at its front, durable. On an error the one before is still there, if there
 * was one. */
VK_MUSTCHECK vk_err vk_al_begin_file(vk_audit_log *l);
bool vk_al_file_is_long(const vk_audit_log *l);
/* A file that can be written to, or why there is none. */
VK_MUSTCHECK vk_err vk_al_ready(vk_audit_log *l);
/* VK_AGAIN: another keeper has it. */
VK_MUSTCHECK vk_err vk_al_lock_folder(const vk_audit_log *l);

void vk_al_count_records(vk_audit_log *l, uint64_t n);
void vk_al_store_key(vk_audit_log *l);
/* A checkpoint behind the last record, then the next key. */
void vk_al_end_epoch(vk_audit_log *l);

#endif
