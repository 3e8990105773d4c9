/* The payments of the builds that are in use: opened at first use, closed when idle, bounded in number. All
 * work on one build's is done on its strand (services/strands.h); several jobs that wait share one commit.
 * Between the front and payments_db.h. */
#ifndef VK_PAY_POOLS_H
#define VK_PAY_POOLS_H

#include "services/payments/embedded/payments_db.h"
#include "services/strands.h"
#include "valetkey/service.h"

enum {
    VK_PAY_THREADS = 16,
    VK_PAY_JOBS_MAX = 256,
    VK_PAY_OPEN_MAX = 1024,
    VK_PAY_IDLE_MS = 60000,
    VK_PAY_TIDY_MS = 3600000,
};

typedef struct vk_pay_pool vk_pay_pool;
struct vk_pay_about;

VK_MUSTCHECK vk_err vk_pay_pools_start(vk_runtime *rt, int index);
void vk_pay_pools_stop(void);

/* As in auth's pools: unheld, held, by the operator, let go. */
VK_MUSTCHECK vk_pay_pool *vk_pay_pool_of(vk_tenant *t);
VK_MUSTCHECK vk_pay_pool *vk_pay_pool_hold(vk_tenant *t);
VK_MUSTCHECK vk_pay_pool *vk_pay_pool_hold_id(const char *build);
void vk_pay_pool_let_go(vk_pay_pool *p);
const struct vk_pay_about *vk_pay_pool_about(const vk_pay_pool *p);
bool vk_pay_pool_closing(const vk_pay_pool *p);

typedef struct vk_pay_job {
    vk_strand_job job;
    /* On the strand. VK_OK: what it changed is kept and `done` comes after the commit. Anything else: what it
     * changed is undone, and `done` comes with that. */
    vk_err (*run)(struct vk_pay_job *j);
    void (*done)(struct vk_pay_job *j, vk_err e); /* on the strand; the job may be gone when it returns */
    bool reads;                                   /* changes nothing: needs no transaction */
    bool make; /* makes the database when there is none; else `run` sees VK_E_NOT_FOUND from vk_pay_pool_db */
} vk_pay_job;
VK_MUSTCHECK vk_err vk_pay_pool_submit(vk_pay_pool *p, vk_pay_job *j, bool again);
/* In `run`: the database. VK_E_NOT_FOUND: there is none and `make` is false. VK_E_BUSY. */
VK_MUSTCHECK vk_err vk_pay_pool_db(vk_pay_pool *p, vk_pay_db **out_r);

const vk_runtime *vk_pay_runtime(void);
int vk_pay_index(void);
/* The builds that have a payments.db, some at a time, for wake.c after the start: in the data folder's order,
 * behind `after` ("": from the beginning); false: no more. Blocking: for a thread that may wait. */
size_t vk_pay_builds_with_data(const char *after, char (*names)[VK_BUILD_ID_MAX + 1], size_t room);

/* vk_service's members. */
void vk_pay_close_build(const char *build, void (*done)(void *arg), void *arg);
void vk_pay_free_tenant(vk_tenant *t);
void vk_pay_export(const char *build, void (*done)(void *arg, vk_err e, const vk_export *x, const char *why),
                   void *arg);

typedef struct vk_pay_pool_counts {
    uint64_t open, opened, jobs, refused, commits;
} vk_pay_pool_counts;
void vk_pay_pools_count(vk_pay_pool_counts *out_r);

#endif
