/* The payments of the builds that are in use: opened at first use, closed when idle, bounded in number. All
 * work on one build's is done on its strand (services/strands.h); several jobs that wait share one commit.
 * Between the front and payments_db.h. */
#ifndef VK_PAY_POOLS_H
#define VK_PAY_POOLS_H

#include "services/payments/embedded/payments_db.h"
#include "services/strands.h"
#include "valetkey/service.h"

enum {
    VK_PAY_THREADS = 16,    /* most of them wait for the disk */
    VK_PAY_JOBS_MAX = 256,  /* that wait, of one build */
    VK_PAY_OPEN_MAX = 1024, /* databases; fewer where descriptors are short */
    VK_PAY_FILES = 3,       /* descriptors of one, about */
    VK_PAY_IDLE_MS = 60000,
    VK_PAY_TIDY_MS = 3600000, /* between two vk_pay_tidy of an open database */
};

typedef struct vk_pay_pool vk_pay_pool;
struct vk_pay_about;

/* Once in front. Starts the threads. */
VK_MUSTCHECK vk_err vk_pay_pools_start(vk_runtime *rt, int index);
/* Runs what waits, ends the threads, closes all. No call is under way any more. */
void vk_pay_pools_stop(void);

/* The pool of a tenant, not held: good for what is constant (vk_pay_pool_about) as long as the tenant is.
 * Costs no lock but the first time. NULL: out of memory, or it is being closed. Any thread. */
VK_MUSTCHECK vk_pay_pool *vk_pay_pool_of(vk_tenant *t);
/* The same, held until vk_pay_pool_let_go; costs no I/O. */
VK_MUSTCHECK vk_pay_pool *vk_pay_pool_hold(vk_tenant *t);
/* The same for the operator, who needs no key: also of a revoked build. */
VK_MUSTCHECK vk_pay_pool *vk_pay_pool_hold_id(const char *build);
void vk_pay_pool_let_go(vk_pay_pool *p);
/* What the build's id decides: constant. The account's id is an HMAC of it. */
const struct vk_pay_about *vk_pay_pool_about(const vk_pay_pool *p);
/* The build is revoked or deleted. */
bool vk_pay_pool_closing(const vk_pay_pool *p);

typedef struct vk_pay_job {
    vk_strand_job job; /* this and `e`: pools.c's */
    vk_err e;
    /* On the strand. VK_OK: what it changed is kept and `done` comes after the commit. Anything else: what it
     * changed is undone, and `done` comes with that. */
    vk_err (*run)(struct vk_pay_job *j);
    /* On the strand; the job may be gone when it returns. Every job gets it, also one that did not run: its
     * database does not open, or no transaction begins. When the commit fails, its error comes in place of
     * what `run` said, to all that have run since the transaction began: nobody is told what is not there. */
    void (*done)(struct vk_pay_job *j, vk_err e);
    bool reads; /* changes nothing: needs no transaction */
    bool make; /* makes the database when there is none; else `run` sees VK_E_NOT_FOUND from vk_pay_pool_db */
    bool alone; /* shares no transaction with others, and none is open but its own */
} vk_pay_job;
/* Runs the job on the strand; the pool, which the caller holds, is held until it is done. VK_E_BUSY: too many
 * wait; the job stays the caller's and has no `done`. Any thread. `again`: a job that goes on is let in all
 * the same. */
VK_MUSTCHECK vk_err vk_pay_pool_submit(vk_pay_pool *p, vk_pay_job *j, bool again);
/* In `run`: the database, until the job ends. VK_E_NOT_FOUND: there is none and `make` is false. VK_E_BUSY:
 * too many are open and in use. Others as vk_pay_db_open. */
VK_MUSTCHECK vk_err vk_pay_pool_db(vk_pay_pool *p, vk_pay_db **out_r);

/* As given to vk_pay_pools_start. */
const vk_runtime *vk_pay_runtime(void);
int vk_pay_index(void);
/* The builds that have a payments.db, by id, some at a time, for wake.c after the start: those behind `after`
 * ("": from the beginning), at most `room`. How many they are; 0: no more. Reads a folder each time: for a
 * thread that may wait. What cannot be read is logged, and none is there. */
size_t vk_pay_builds_with_data(const char *after, char (*names)[VK_BUILD_ID_MAX + 1], size_t room);

/* vk_service's members. */
void vk_pay_close_build(const char *build, void (*done)(void *arg), void *arg);
void vk_pay_free_tenant(vk_tenant *t);
void vk_pay_export(const char *build, void (*done)(void *arg, vk_err e, const vk_export *x, const char *why),
                   void *arg);

typedef struct vk_pay_pool_counts {
    uint64_t open, opened, jobs, refused, commits; /* commits: of one job or of many */
} vk_pay_pool_counts;
void vk_pay_pools_count(vk_pay_pool_counts *out_r);

#endif
