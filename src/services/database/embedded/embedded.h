/* The embedded driver of the database service: one SQLite file per build, builds/<id>/database.db, served
 * over Hrana.
 *
 * Statements run on a bounded pool of threads (sched.c); on a loop only those reads that are known to be
 * short (inline.h). A build may have VK_DB_RUNNING statements under way, its writes take turns without
 * holding a thread while they wait, and each open stream owns a connection of its own. */
#ifndef VK_DB_EMBEDDED_H
#define VK_DB_EMBEDDED_H

#include "valetkey/service.h"

/* Once in front, before any other call. Starts the pool and the housekeeping thread; empties <data>/tmp. */
VK_MUSTCHECK vk_err vk_db_start(vk_runtime *rt, int index);
/* Interrupts what runs and what waits. */
void vk_db_end_requests(void);
/* vk_service's members of the same names: connections on which a stream has something open; a request that
 * names a stream. */
void vk_db_lasting(vk_lasting *sum);
bool vk_db_goes_on(const char *in, size_t n);
/* Rolls back what is open, closes every file, ends the threads. No exchange is under way any more. */
void vk_db_stop(void);

/* The request body is there and ex->principal is its tenant. Answers by vk_respond in a later turn of ex's
 * loop, or at once when the build's queue is full. */
void vk_db_pipeline(vk_exchange *ex);
/* The same for POST /v3/cursor: the answer is a stream of lines. */
void vk_db_cursor(vk_exchange *ex);

/* A WebSocket handshake that is in order and offers `protocol` (VK_STR_NONE: none, which means hrana1). Takes
 * the exchange over or answers it. */
void vk_db_websocket(vk_exchange *ex, vk_str protocol);

/* The head of a request that has a body, and ex->principal is its tenant: room for what is to come. Not
 * VK_OK: answered. */
VK_MUSTCHECK vk_err vk_db_expect(vk_exchange *ex);

/* vk_service's members of the same names. */
void vk_db_close_build(const char *build, void (*done)(void *arg), void *arg);
void vk_db_free_tenant(vk_tenant *t);
void vk_db_export(const char *build, void (*done)(void *arg, vk_err e, const vk_export *x, const char *why),
                  void *arg);
void vk_db_snapshots(vk_snap_ask *ask);
VK_MUSTCHECK vk_err vk_db_ddl(const char *build, vk_buf *out); /* as ddl.h has it */
void vk_db_metrics(vk_buf *out);                               /* as vk_service.metrics */

#endif
