/* The object stores of the builds that are in use, and the threads that work on them: opened at first use,
 * closed when idle, bounded in number; jobs in a queue per build, so that one build's cannot hold up
 * another's. Between the S3 front and objects.h. */
#ifndef VK_STORAGE_BUILDS_H
#define VK_STORAGE_BUILDS_H

#include "services/storage/embedded/objects.h"
#include "services/storage/s3xml_read.h"
#include "valetkey/service.h"

enum {
    VK_S3B_THREADS = 64,   /* most of them wait for the disk, together (turn.c) */
    VK_S3B_RUNNING = 48,   /* jobs of one build at once */
    VK_S3B_JOBS_MAX = 512, /* that wait, of one build */
    VK_S3B_OPEN_MAX = 512, /* stores; fewer where descriptors are short */
    VK_S3B_FILES = 16,     /* descriptors of a store, about */
    VK_S3B_IDLE_MS = 60000,
    VK_S3B_UPLOAD_DAYS = 7, /* an upload that is not completed by then is aborted */
};

typedef struct vk_s3_build vk_s3_build;

typedef struct vk_s3_job {
    vk_list node;
    void (*run)(struct vk_s3_job *j); /* on a thread of the pool; the job may be gone when it returns */
} vk_s3_job;

/* Once in front. Starts the threads. */
VK_MUSTCHECK vk_err vk_s3b_start(vk_runtime *rt, int index);
/* Runs what waits, then ends the threads. */
void vk_s3b_stop_threads(void);
/* Closes every store: nobody uses one any more. */
void vk_s3b_stop(void);

/* The build of a verified request, held until vk_s3b_let_go; costs no I/O. NULL: out of memory, or it is
 * being closed. Any thread. */
VK_MUSTCHECK vk_s3_build *vk_s3b_hold(vk_tenant *t);
/* The same for the operator, who needs no key: also of a revoked build. */
VK_MUSTCHECK vk_s3_build *vk_s3b_hold_id(const char *build);
void vk_s3b_let_go(vk_s3_build *b);
const char *vk_s3b_id(const vk_s3_build *b);
/* The build is revoked or deleted: what still goes on should end. */
bool vk_s3b_closing(const vk_s3_build *b);

/* Runs the job on a thread; the build is held until it has. VK_E_BUSY: too many wait. */
VK_MUSTCHECK vk_err vk_s3b_submit(vk_s3_build *b, vk_s3_job *j);

/* The store, when it is open: good as long as the build is held. NULL otherwise. */
vk_ob *vk_s3b_store_now(const vk_s3_build *b);
/* The same, opening it: may block, so on a thread. With `make` false a build that has stored nothing yet
 * stays as it is: VK_OB_NO_SUCH_KEY. VK_OB_BUSY: too many are open and in use. */
VK_MUSTCHECK vk_ob_err vk_s3b_store(vk_s3_build *b, bool make, vk_ob **out_r);

/* The bucket's own CORS rules in memory, shared. */
typedef struct vk_s3_rules {
    _Atomic uint32_t refs;
    vk_arena *arena;
    vk_s3x_cors cors;
} vk_s3_rules;
/* From the text that is stored. NULL: none, not readable, or out of memory. One reference. */
vk_s3_rules *vk_s3_rules_read(vk_str xml);
void vk_s3_rules_unref(vk_s3_rules *r);
/* A reference to those of an open store; NULL: it has none. */
vk_s3_rules *vk_s3b_rules(vk_s3_build *b);
/* After they were changed; takes over the reference. */
void vk_s3b_set_rules(vk_s3_build *b, vk_s3_rules *r);

/* As given to vk_s3b_start. */
const vk_runtime *vk_s3b_runtime(void);
/* What the settings allow each build. */
vk_ob_quota vk_s3b_quota(void);

/* vk_service's members of the same names. */
void vk_s3b_close_build(const char *build, void (*done)(void *arg), void *arg);
void vk_s3b_free_tenant(vk_tenant *t);

typedef struct vk_s3b_counts {
    uint64_t open, opened, jobs, refused;
} vk_s3b_counts;
void vk_s3b_count(vk_s3b_counts *out_r);

#endif
