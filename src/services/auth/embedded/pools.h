/* The user pools of the builds that are in use: opened at first use, closed when idle, bounded in number. All
 * work on one build's is done on its strand (services/strands.h). Between the front and auth_db.h. */
#ifndef VK_AUTH_POOLS_H
#define VK_AUTH_POOLS_H

#include "crypto/password_pool.h"
#include "crypto/rsa.h"
#include "services/auth/embedded/auth_db.h"
#include "services/auth/ids.h"
#include "services/auth/pubkey.h"
#include "services/strands.h"
#include "valetkey/service.h"

enum {
    VK_AUTH_THREADS = 16,    /* most of them wait for the disk */
    VK_AUTH_JOBS_MAX = 256,  /* that wait, of one build */
    VK_AUTH_OPEN_MAX = 1024, /* pools; fewer where descriptors are short */
    VK_AUTH_FILES = 4,       /* descriptors of an open pool, about */
    VK_AUTH_IDLE_MS = 60000,
    VK_AUTH_TIDY_MS = 3600000, /* between two vk_auth_tidy of an open pool */
};

typedef struct vk_auth_pool vk_auth_pool;
struct vk_auth_about;
struct vk_auth_tokens;

typedef struct vk_auth_job {
    vk_strand_job job;                  /* pools.c's */
    void (*run)(struct vk_auth_job *j); /* on the strand; the job may be gone when it returns */
} vk_auth_job;

/* Once in front. Starts the threads. */
VK_MUSTCHECK vk_err vk_auth_pools_start(vk_runtime *rt, int index);
/* Runs what waits, ends the threads, closes all. No call is under way any more. */
void vk_auth_pools_stop(void);

/* The pool of a tenant, not held: good for what is constant (vk_auth_pool_about) and for its origins as long
 * as the tenant is. Costs no lock but the first time. NULL: out of memory, or it is being closed. Any thread.
 */
VK_MUSTCHECK vk_auth_pool *vk_auth_pool_of(vk_tenant *t);
/* The pool of a tenant, held until vk_auth_pool_let_go; costs no I/O. NULL: out of memory, or it is being
 * closed. Any thread. */
VK_MUSTCHECK vk_auth_pool *vk_auth_pool_hold(vk_tenant *t);
/* The same for the operator, who needs no key: also of a revoked build. */
VK_MUSTCHECK vk_auth_pool *vk_auth_pool_hold_id(const char *build);
void vk_auth_pool_let_go(vk_auth_pool *p);
/* What the build's id decides: constant. */
const struct vk_auth_about *vk_auth_pool_about(const vk_auth_pool *p);
/* The build is revoked or deleted. */
bool vk_auth_pool_closing(const vk_auth_pool *p);

/* Runs the job on the strand; the pool is held until it has run. VK_E_BUSY: too many wait; the job stays the
 * caller's. Any thread. `again`: a job that has run before and goes on: is let in all the same. */
VK_MUSTCHECK vk_err vk_auth_pool_submit(vk_auth_pool *p, vk_auth_job *j, bool again);

/* The rest: in a job of the pool's strand. */

/* The database; opened, and made with its key when there is none, unless `make` is false: VK_E_NOT_FOUND
 * then. Inside of no transaction. VK_E_BUSY: too many are open and in use. VK_E_CORRUPT: also when the key
 * does not open with this master key. Others as vk_auth_db_open. Good until the job ends. */
VK_MUSTCHECK vk_err vk_auth_pool_db(vk_auth_pool *p, bool make, vk_auth_db **out_r);
/* The key of the build's tokens; after a vk_auth_pool_db that makes. Good until the job ends. */
const vk_rsa *vk_auth_pool_rsa(const vk_auth_pool *p);
/* A place of token.c's; freed with vk_auth_tokens_free when the pool is closed. */
struct vk_auth_tokens **vk_auth_pool_tokens(vk_auth_pool *p);

/* Keys for codes and for what is looked up by a secret, of this build. Constant. */
vk_secret vk_auth_pool_code_key(const vk_auth_pool *p);
vk_secret vk_auth_pool_lookup_key(const vk_auth_pool *p);

/* The build's origins in memory, shared. `epoch` is the registry's before they were read: they are good while
 * it is the same. */
typedef struct vk_auth_origin_list {
    _Atomic uint32_t refs;
    uint64_t epoch;
    bool partitioned; /* vk_auth_is_partitioned of them */
    size_t n;
    vk_str at[]; /* the texts lie behind them */
} vk_auth_origin_list;
void vk_auth_origin_list_unref(vk_auth_origin_list *l); /* NULL is allowed */
/* A reference to what was kept last; NULL: nothing. Any thread. */
vk_auth_origin_list *vk_auth_pool_origins(vk_auth_pool *p);
/* Keeps it; takes over a reference. */
void vk_auth_pool_keep_origins(vk_auth_pool *p, vk_auth_origin_list *l);

/* As given to vk_auth_pools_start. */
const vk_runtime *vk_auth_runtime(void);
int vk_auth_index(void);

/* vk_service's members of the same names. */
void vk_auth_close_build(const char *build, void (*done)(void *arg), void *arg);
void vk_auth_free_tenant(vk_tenant *t);
void vk_auth_export(const char *build, void (*done)(void *arg, vk_err e, const vk_export *x, const char *why),
                    void *arg);

typedef struct vk_auth_pool_counts {
    uint64_t open, opened, jobs, refused;
} vk_auth_pool_counts;
void vk_auth_pools_count(vk_auth_pool_counts *out_r);

#endif
