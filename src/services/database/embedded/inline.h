/* Short reads on the loop itself, without a change of threads; it doubles what one core serves. Whatever is
 * not known to be short goes to the pool, and what turns out not to be short is run again there: all of it
 * has only read, so that nobody can tell.
 *
 * Who may. A small pipeline without a baton that closes its stream. The build has no request in the pool:
 * nobody is overtaken, and no thread of it, which may be one of low priority by now, holds a lock that
 * SQLite needs here. Its warm connection (t->warm) is there; a loop never opens and never closes a file.
 * Every statement is prepared in that connection and was lately run by workers, several times, each time in
 * less than QUICK_NS and OPS_MAX steps. No lock of ours is taken; of SQLite's only that of the file's -shm.
 *
 * What bounds the time. SQLite asks its progress handler between instructions of its virtual machine only,
 * and only where it jumps back, so both the length of a program and the time of one instruction must have a
 * bound of their own:
 *  - the program, as EXPLAIN shows it, has at most PROGRAM_OPS instructions, all from a list. Not on it are
 *    those that walk a whole table in one go (Count), virtual tables (FTS5, json_each), triggers, pragmas,
 *    and any function that is not of the few that take a moment: no LIKE, printf, zeroblob, hex, JSON;
 *  - a value has at most VALUE_MAX bytes (SQLITE_LIMIT_LENGTH, which also holds for what is read from rows),
 *    so that joining, comparing and converting values are short;
 *  - SQLite gets no piece of memory larger than PIECE_MAX, which keys in an index are read into and rows are
 *    sorted in, and no more than HEAP_MAX in all;
 *  - nothing is prepared: the authorizer refuses before SQLite would read the schema. That a change of it was
 *    committed is noticed beforehand (schema_seq), so that SQLite does not even begin to forget the old one;
 *  - SQLite's busy handler gives up at once (and what it waits for by itself, when it begins to read, needs
 *    another thread in the same file); the answer has at most OUT_MAX bytes;
 *  - every LOOK_OPS instructions the clock is asked: NS_MAX in all.
 * What is left: LOOK_OPS instructions that each wait for the disk, or follow a value through a long chain of
 * pages. Time is measured, therefore: a run that took longer than SLOW_NS, ended or not, sends its statement
 * back to the pool, to be quick there for twice as many runs as before, and its build pays for PRICE times as
 * long as it took; who has too much to pay is barred from loops. So a build that wants to hold one up gets
 * one hundredth of it, and a machine may be disturbed now and then.
 *
 * Loops stay fair: what all builds together take of one turn of a loop is bounded, and what one of them takes
 * of it; the rest goes to the pool.
 *
 * The rules of the pool hold. A revoked, paused or broken build goes there to be told. What was read is
 * answered only if it is on stable storage already; if not, the request is run again where it can wait.
 * Memory counts for the connection and its build. */
#ifndef VK_DB_INLINE_H
#define VK_DB_INLINE_H

#include "services/database/embedded/db.h"

/* Once, before any request: looks how fast the machine is. */
void vk_inline_start(void);
/* The request as a whole, if it may run here and ends in time. True: status, content_type and `out` are set.
 * False: nothing has happened, and the job is to be submitted; it may be parsed by now. */
bool vk_inline_run(vk_tenant *tenant, vk_dbjob *j, vk_loop *loop);
/* A worker has run the statement to its end, in `ns`; `schema`: t->schema_seq before that. */
void vk_inline_note(vk_run *r, vk_cached *c, int64_t ns, uint64_t schema);
/* The progress handler of a run on a loop. Not 0: it ends. */
int vk_inline_look(vk_dbh *h);
/* Requests that were answered on loops, and that had begun there and went to the pool. */
void vk_inline_counts(uint64_t *answered_r, uint64_t *tripped_r);

#endif
