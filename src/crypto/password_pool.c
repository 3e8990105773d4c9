#include "crypto/password_pool.h"

#include <pthread.h>
#include <unistd.h>

struct vk_password_pool {
    pthread_mutex_t mu;
    pthread_cond_t work;
    vk_list queue;
    size_t n, limit, share, n_threads;
    bool ending;
    pthread_t threads[VK_PASSWORD_THREADS_MAX];
};

static void work_on(vk_password_job *j)
{
    if (!j->digest.n) {
        j->err = vk_password_hash(j->password, j->made);
    } else {
        j->err = vk_password_verify(j->kind, j->digest, j->password);
        /* A check has told the truth, whatever becomes of the new digest. */
        if (j->err == VK_OK && vk_password_is_outdated(j->kind, j->digest) &&
            vk_password_hash(j->password, j->made) != VK_OK)
            j->made[0] = '\0';
    }
    j->done(j);
}

static void *pool_main(void *arg)
{
    vk_password_pool *p = arg;
    pthread_setname_np(pthread_self(), "vk-password");
    pthread_mutex_lock(&p->mu);
    for (;;) {
        while (vk_list_empty(&p->queue) && !p->ending)
            pthread_cond_wait(&p->work, &p->mu);
        if (p->ending)
            break;
        vk_password_job *j = VK_CONTAINER(vk_list_shift(&p->queue), vk_password_job, node);
        p->n--;
        pthread_mutex_unlock(&p->mu);
        work_on(j);
        pthread_mutex_lock(&p->mu);
    }
    pthread_mutex_unlock(&p->mu);
    return NULL;
}

vk_err vk_password_pool_new(size_t threads, size_t queue, vk_password_pool **out_r)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (threads == 0)
        threads = cores > 0 ? (size_t)cores : 1;
    if (threads > VK_PASSWORD_THREADS_MAX)
        threads = VK_PASSWORD_THREADS_MAX;
    if (queue == 0 || queue > VK_PASSWORD_QUEUE_MAX)
        queue = VK_PASSWORD_QUEUE_MAX;
    vk_password_pool *p = calloc(1, sizeof *p);
    if (!p)
        return VK_E_NOMEM;
    pthread_mutex_init(&p->mu, NULL);
    pthread_cond_init(&p->work, NULL);
    vk_list_init(&p->queue);
    p->limit = queue;
    p->share = queue / VK_PASSWORD_SHARE ? queue / VK_PASSWORD_SHARE : 1;
    for (; p->n_threads < threads; p->n_threads++) {
        if (pthread_create(&p->threads[p->n_threads], NULL, pool_main, p) != 0) {
            vk_password_pool_free(p);
            return VK_E_NOMEM;
        }
    }
    *out_r = p;
    return VK_OK;
}

void vk_password_pool_free(vk_password_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->mu);
    p->ending = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mu);
    for (size_t i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    for (vk_list *node; (node = vk_list_shift(&p->queue)) != NULL;) {
        vk_password_job *j = VK_CONTAINER(node, vk_password_job, node);
        j->err = VK_E_UNAVAILABLE;
        j->done(j);
    }
    pthread_mutex_destroy(&p->mu);
    pthread_cond_destroy(&p->work);
    free(p);
}

vk_err vk_password_pool_add(vk_password_pool *p, vk_password_job *j)
{
    vk_err e = VK_OK;
    size_t own = 0;
    j->made[0] = '\0';
    pthread_mutex_lock(&p->mu);
    for (vk_list *node = p->queue.next; node != &p->queue; node = node->next)
        own += VK_CONTAINER(node, vk_password_job, node)->owner == j->owner;
    if (p->n >= p->limit || own >= p->share || p->ending) {
        e = VK_E_BUSY;
    } else {
        vk_list_push(&p->queue, &j->node);
        p->n++;
        pthread_cond_signal(&p->work);
    }
    pthread_mutex_unlock(&p->mu);
    return e;
}

size_t vk_password_pool_waiting(vk_password_pool *p)
{
    pthread_mutex_lock(&p->mu);
    size_t n = p->n;
    pthread_mutex_unlock(&p->mu);
    return n;
}
