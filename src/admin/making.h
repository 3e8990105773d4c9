/* What keeper makes at vendors for builds (keeper/provision.h), as front sees it: begun, looked at, and taken
 * into the metadata when it is ready. The values that keeper tells then (a host, an account) become the
 * binding's, with its version and the build's generation compared, so that nothing is written over a binding
 * that was changed meanwhile. All that is here can be done again at any time. */
#ifndef VK_ADMIN_MAKING_H
#define VK_ADMIN_MAKING_H

#include "admin/drivers.h"
#include "core/json_read.h"
#include "services/ask_keeper.h"

typedef enum vk_making_how {
    VK_MAKING_LOOK,    /* nothing is begun */
    VK_MAKING_MISSING, /* what is neither there nor begun nor has failed is begun */
    VK_MAKING_AGAIN,   /* that, and what has failed */
} vk_making_how;

/* One service of the build. */
typedef struct vk_making_one {
    vk_binding binding;
    bool makes, lacks;       /* vk_driver_makes, vk_driver_lacks */
    const vk_json *resource; /* keeper's, or why keeper makes none; NULL: there is none */
} vk_making_one;

/* One build; the asker's memory until `done`. Fill rt, arena, build, how, done; `only` may name a service. */
typedef struct vk_making {
    vk_keeper_ask ask;
    vk_job job;
    vk_runtime *rt;
    vk_arena *arena; /* of what is read; used by one thread at a time */
    char build[VK_BUILD_ID_MAX + 1];
    uint64_t generation; /* 0: of the build that is there */
    vk_making_how how;
    vk_str only;
    void (*done)(struct vk_making *m);
    void *arg;
    const _Atomic bool *give_up; /* set on loops[0]: goes no further, and `done` is not called; NULL: never */
    /* Filled in for `done`: */
    vk_err err;    /* VK_OK, or what kept it: `why` is a sentence then. VK_E_NOT_FOUND: there is no such build
                    * any more. VK_E_UNAVAILABLE, VK_E_TIMEOUT, VK_E_BUSY: asking again helps */
    char why[600]; /* what keeper says, or static */
    bool waits;    /* something is being made, or what it had before is still ending */
    bool failed;   /* something could not be made */
    size_t n;      /* services that are not embedded */
    vk_making_one of[VK_BINDINGS_MAX];
    const vk_json *resources; /* all that keeper knows of the build: an array, or NULL; what was begun by this
                               * is in `of` only */
    /* its own */
    size_t at;
    void (*next)(struct vk_making *m);
    char target[128], body[200];
} vk_making;

/* On the metadata lane. `done` is called on it once, perhaps before this returns; with an error perhaps on
 * loops[0], where the store must not be touched. */
void vk_making_run(vk_making *m);
/* The state of a resource: "making", "ready", "suspended", "ending", "failed"; "" of NULL. */
bool vk_making_is(const vk_json *resource, const char *state);
/* Whether something of `m` has to become ready before the build is whole. */
bool vk_making_incomplete(const vk_making *m);
/* Whether something that every build gets from its vendor was not begun: what an earlier build of the name
 * had is still ending, or has just ended, and the next look begins it. */
bool vk_making_unbegun(const vk_making *m);
/* Those of `of` that keeper makes, as an array: the value of the next key. */
void vk_making_write(vk_jw *w, const vk_making *m);
/* A sentence, without its full stop, on what is not ready; in the arena. */
const char *vk_making_said(vk_making *m);

/* ---- while nobody asks: builds whose resources are not ready, and those whose deletion waits for keeper,
 * are looked after by front itself */

/* Before the listeners open; on loops[0]. Ends with the process, or by vk_making_stop. */
void vk_making_start(vk_runtime *rt);
/* Before the metadata lane goes; on loops[0]. What is under way is left. */
void vk_making_stop(void);
/* From any thread: that build is looked after until it is whole, or has failed; or, when it is being deleted,
 * until it is gone. Does nothing where vk_making_start was not called. */
void vk_making_watch(const char *build, uint64_t generation);
/* On the metadata lane, of a build that an earlier process left: whether it has to be watched, and is. */
bool vk_making_resume(vk_runtime *rt, const vk_build *b);

#endif
