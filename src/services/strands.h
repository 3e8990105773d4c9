/* Strands: all work on one build's file is done one job after the other, by a few threads that all builds of
 * a service share; so there is one writer a file and nothing of it needs a lock, and a build whose disk is
 * slow holds up nobody else's. Opened at first use, closed when idle, bounded in number; a build's end waits
 * for what has begun and closes it. What services with a file per build have in common: each has one
 * vk_strands with a kind of its own, and a struct a build that begins with a vk_strand.
 *
 * Jobs that wait together may run in one batch, which ends with one commit (vk_strand_kind.batch): a write to
 * the disk is shared by all that waited for the one before it. */
#ifndef VK_STRANDS_H
#define VK_STRANDS_H

#include "core/list.h"
#include "core/map.h"
#include "valetkey/service.h"

#include <pthread.h>

enum {
    VK_STRAND_THREADS_MAX = 64, /* of a service */
    VK_STRAND_BATCH_MAX = 64,   /* jobs */
    VK_STRAND_BATCH_MS = 4,     /* none is begun in a batch that has lasted so long */
    VK_STRAND_TICK_MS = 5000,   /* between two looks at what is idle */
};

typedef struct vk_strand vk_strand;

/* What becomes of a job that has run. */
typedef enum vk_strand_next {
    VK_STRAND_GONE,  /* it is over, and its memory may be gone */
    VK_STRAND_WAITS, /* its `done` is called when the batch has ended */
    VK_STRAND_ENDS,  /* likewise, and the batch ends with it */
} vk_strand_next;

/* The submitter's memory, until it is over. */
typedef struct vk_strand_job {
    vk_list node;
    vk_strand_next (*run)(vk_strand *s, struct vk_strand_job *j); /* on the strand */
    /* On the strand, after the batch's end and in the order of the jobs; `e` is what the end came to. The job
     * may be gone when it returns. */
    void (*done)(vk_strand *s, struct vk_strand_job *j, vk_err e);
    bool alone; /* is in a batch with no other */
} vk_strand_job;

/* A service's. All callbacks but `init` and `fini` run on the build's strand, and may take their time. */
typedef struct vk_strand_kind {
    const char *thread; /* its name, at most 15 bytes */
    size_t size;        /* of the struct that begins with a vk_strand; zeros at first */
    size_t threads;     /* most of them wait for the disk */
    /* How many of them may work on builds that are not warm, so that those do not hold up the others. */
    size_t cold_max;
    size_t jobs_max; /* that wait, of one build */
    size_t batch;    /* jobs; 1 … VK_STRAND_BATCH_MAX */
    size_t open_max; /* builds; fewer where descriptors are short … */
    size_t files;    /* … of which an open one has about so many */
    int64_t idle_ms; /* closed after it */
    int64_t tidy_ms; /* between two `tidy` of an open build */

    /* What the build's id decides. Under a lock of all builds: short. Not VK_OK: there is no such strand.
     * NULL: nothing. */
    vk_err (*init)(vk_strand *s);
    /* Frees what `init` and others made; the memory itself is wiped and freed by the caller. Likewise. NULL:
     * nothing. */
    void (*fini)(vk_strand *s);
    /* `make`: when there is nothing yet, it is made; otherwise VK_E_NOT_FOUND. */
    vk_err (*open)(vk_strand *s, bool make);
    /* Never inside of a batch. Also when it was not opened, or not entirely. */
    void (*close)(vk_strand *s);
    /* Whether the next job will find everything in memory. NULL: when it is open. */
    bool (*warm)(vk_strand *s);
    /* Ends what the jobs of a batch have begun. Only when one of them waits. NULL: nothing to do. */
    vk_err (*batch_end)(vk_strand *s);
    /* Takes out what is past its time, of an open build, after the jobs have their answers. True: there is
     * more, so soon again. NULL: nothing. */
    bool (*tidy)(vk_strand *s);
    /* Whether that is needed before its time. NULL: never. */
    bool (*tidy_due)(vk_strand *s);
} vk_strand_kind;

/* Of one build; all but `build` and `owner` is strands.c's. */
struct vk_strand {
    char build[VK_BUILD_ID_MAX + 1];
    struct vk_strands *owner;
    vk_map_node node; /* in owner->builds, until it is detached */
    uint32_t refs;    /* who holds it; jobs that wait or run do */
    uint32_t tenants; /* whose service[] names it */
    bool detached;    /* one of that name made later is another one */
    bool busy;        /* is in owner's first, ready or cold, or one of its jobs runs */
    bool leaving;     /* `leave` waits or runs */
    bool warm;
    _Atomic bool closing;
    vk_list ready;  /* in one of these: has jobs that wait, and none that runs */
    vk_list recent; /* in owner->recent while it is open, the latest at the end */
    vk_list jobs;
    size_t n_jobs;
    int64_t used_ms;
    struct vk_strand_waiter *waiters;
    vk_strand_job leave; /* closes it */
    bool open;           /* the rest: of the strand */
    int64_t tidied_ms;
};

/* Of one service, in static memory, begun with VK_STRANDS(kind). */
typedef struct vk_strands {
    const vk_strand_kind *kind;
    pthread_mutex_t mu;
    pthread_cond_t work;
    vk_runtime *rt;
    int index;
    vk_map builds;
    vk_list first, ready, cold, recent; /* `first`: those that only leave */
    size_t n_cold, n_open, n_leaving, open_max;
    bool stopping;
    pthread_t threads[VK_STRAND_THREADS_MAX];
    size_t n_threads;
    vk_timer tick;
    int64_t tick_ms; /* when it was last: exact enough for what is idle */
    _Atomic uint64_t opened, jobs, refused, batches;
} vk_strands;
#define VK_STRANDS(k)                                                                                        \
    {                                                                                                        \
        .kind = (k), .mu = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER                       \
    }

/* Once in front. Starts the threads. VK_E_NOMEM: there are none. */
VK_MUSTCHECK vk_err vk_strands_start(vk_strands *all, vk_runtime *rt, int index);
/* Runs what waits, closes all, side by side, and ends the threads. No call is under way any more; tenants may
 * be freed later. */
void vk_strands_stop(vk_strands *all);

/* The strand of a tenant's build, not held: good for what is constant in it as long as the tenant is. Costs
 * no lock but the first time. NULL: out of memory, or it is being closed. Any thread. */
VK_MUSTCHECK vk_strand *vk_strand_of(vk_strands *all, vk_tenant *t);
/* The same, held until vk_strand_let_go; costs no I/O. */
VK_MUSTCHECK vk_strand *vk_strand_hold(vk_strands *all, vk_tenant *t);
/* The same for the operator, who needs no key: also of a revoked build. */
VK_MUSTCHECK vk_strand *vk_strand_hold_id(vk_strands *all, const char *build);
void vk_strand_let_go(vk_strand *s);
/* The build is revoked or deleted. */
bool vk_strand_closing(const vk_strand *s);

/* Runs the job on the strand, which the caller holds; it stays held until the job is over. VK_E_BUSY: too
 * many wait; the job stays the caller's. Any thread. `again`: a job that has run before and goes on is let in
 * all the same. */
VK_MUSTCHECK vk_err vk_strand_submit(vk_strand *s, vk_strand_job *j, bool again);

/* In a job: sees to it that the build is open, until the batch ends at least. VK_E_BUSY: too many are open
 * and in use. Others as the kind's `open`. */
VK_MUSTCHECK vk_err vk_strand_open(vk_strand *s, bool make);

/* vk_service's members of the same names. */
void vk_strands_close_build(vk_strands *all, const char *build, void (*done)(void *arg), void *arg);
void vk_strands_free_tenant(vk_strands *all, vk_tenant *t);

typedef struct vk_strand_counts {
    uint64_t open, opened, jobs, refused, batches; /* batches: those that ended with a batch_end */
} vk_strand_counts;
void vk_strands_count(vk_strands *all, vk_strand_counts *out_r);

#endif
