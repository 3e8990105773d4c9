/* Threads that hash and check passwords, as many as there are cores, so that the loops never wait for one and
 * memory has a limit: threads × VK_PASSWORD_M_MAX KiB. The queue in front is bounded, and nobody gets more
 * than a share of it: password hashing is the cheapest thing to wear a server out with. */
#ifndef VK_CRYPTO_PASSWORD_POOL_H
#define VK_CRYPTO_PASSWORD_POOL_H

#include "core/list.h"
#include "crypto/password.h"

enum {
    VK_PASSWORD_THREADS_MAX = 64,
    VK_PASSWORD_QUEUE_MAX = 256, /* jobs that may wait: at 15 ms each some 2 s on two cores */
    VK_PASSWORD_SHARE = 4,       /* one owner's jobs may be this part of the queue: the fourth */
};

typedef struct vk_password_pool vk_password_pool;

/* One piece of work. The caller's, from vk_password_pool_add until `done`; so are the bytes it points to. */
typedef struct vk_password_job {
    vk_list node;      /* the pool's */
    const void *owner; /* whose share of the queue it takes: the build's tenant. Only compared */
    vk_secret password;
    vk_secret digest; /* VK_SECRET_NONE: hash the password. Else: check it against this one */
    vk_password_kind kind;
    /* On a thread of the pool; the pool does not look at the job any more. */
    void (*done)(struct vk_password_job *j);

    /* The outcome. */
    vk_err err; /* of vk_password_hash or vk_password_verify; VK_E_UNAVAILABLE: the pool was ended first */
    char made[VK_PASSWORD_DIGEST_MAX + 1]; /* a new digest; also after a check that found an outdated one, so
                                              that it can be replaced; empty otherwise. A secret: wipe it */
} vk_password_job;

/* `threads` 0: as many as there are processors. `queue` up to VK_PASSWORD_QUEUE_MAX. VK_E_NOMEM. After the
 * role's fence is closed. */
VK_MUSTCHECK vk_err vk_password_pool_new(size_t threads, size_t queue, vk_password_pool **out_r);
/* Waits for what is being computed; what still waits is done with VK_E_UNAVAILABLE, on this thread. NULL is
 * allowed. */
void vk_password_pool_free(vk_password_pool *p);
/* From any thread. VK_E_BUSY: the queue, or the owner's share of it, is full; `done` is not called. */
VK_MUSTCHECK vk_err vk_password_pool_add(vk_password_pool *p, vk_password_job *j);
/* For metrics: jobs that wait. */
size_t vk_password_pool_waiting(vk_password_pool *p);

#endif
