#include "crypto/keypool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

enum { FAILURES_MAX = 3 }; /* in a row; then the thread waits for the next call, so that it never spins */

struct vk_keypool {
    pthread_t thread;
    sem_t wanted; /* a key was taken */
    size_t target;
    bool idle;
    _Atomic bool ending;
    _Atomic(vk_rsa *) keys[VK_KEYPOOL_MAX];
};

/* Makes the keys that are missing, this thread being the only one that puts any in. */
static void fill(vk_keypool *p)
{
    int failures = 0;
    for (size_t i = 0; i < p->target && failures < FAILURES_MAX && !atomic_load(&p->ending); i++) {
        vk_rsa *key = NULL;
        if (atomic_load(&p->keys[i]))
            continue;
        if (vk_rsa_new_unless(&p->ending, &key) == VK_OK)
            atomic_store(&p->keys[i], key);
        else
            failures++;
    }
}

static void *keypool_main(void *arg)
{
    vk_keypool *p = arg;
    struct sched_param none = {0};
    pthread_setname_np(pthread_self(), "vk-keypool");
    /* Where that is not allowed it works at the usual priority, and is done sooner. */
    if (p->idle)
        (void)pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
    while (!atomic_load(&p->ending)) {
        fill(p);
        while (sem_wait(&p->wanted) != 0 && errno == EINTR)
            ;
    }
    return NULL;
}

vk_err vk_keypool_new(size_t target, bool idle, vk_keypool **out_r)
{
    vk_keypool *p = calloc(1, sizeof *p);
    if (!p)
        return VK_E_NOMEM;
    p->target = target < 1 ? 1 : target > VK_KEYPOOL_MAX ? VK_KEYPOOL_MAX : target;
    p->idle = idle;
    sem_init(&p->wanted, 0, 0);
    if (pthread_create(&p->thread, NULL, keypool_main, p) != 0) {
        sem_destroy(&p->wanted);
        free(p);
        return VK_E_NOMEM;
    }
    *out_r = p;
    return VK_OK;
}

void vk_keypool_free(vk_keypool *p)
{
    if (!p)
        return;
    atomic_store(&p->ending, true);
    sem_post(&p->wanted);
    pthread_join(p->thread, NULL);
    for (size_t i = 0; i < p->target; i++)
        vk_rsa_free(atomic_load(&p->keys[i]));
    sem_destroy(&p->wanted);
    free(p);
}

vk_err vk_keypool_try(vk_keypool *p, vk_rsa **out_r)
{
    vk_rsa *key = NULL;
    int posted = 0;
    for (size_t i = 0; i < p->target && !key; i++)
        key = atomic_exchange(&p->keys[i], NULL);
    /* One call of the thread is enough for any number of keys; this keeps the count from growing. */
    if (sem_getvalue(&p->wanted, &posted) != 0 || posted < 1)
        sem_post(&p->wanted);
    if (!key)
        return VK_AGAIN;
    *out_r = key;
    return VK_OK;
}

vk_err vk_keypool_take(vk_keypool *p, vk_rsa **out_r)
{
    vk_err e = vk_keypool_try(p, out_r);
    return e == VK_AGAIN ? vk_rsa_new(out_r) : e;
}

size_t vk_keypool_ready(vk_keypool *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->target; i++)
        n += atomic_load(&p->keys[i]) != NULL;
    return n;
}
