#include "net/lane.h"

#include <pthread.h>

struct vk_lane {
    pthread_mutex_t mu;
    pthread_cond_t work;
    pthread_t thread;
    vk_job *first, **last;
    size_t n, limit;
    bool ending;
    char name[16];
};

static void *lane_main(void *arg)
{
    vk_lane *lane = arg;
    pthread_setname_np(pthread_self(), lane->name);
    pthread_mutex_lock(&lane->mu);
    for (;;) {
        while (!lane->first && !lane->ending)
            pthread_cond_wait(&lane->work, &lane->mu);
        vk_job *j = lane->first;
        if (!j)
            break;
        lane->first = j->next;
        if (!lane->first)
            lane->last = &lane->first;
        lane->n--;
        pthread_mutex_unlock(&lane->mu);
        j->run(j);
        pthread_mutex_lock(&lane->mu);
    }
    pthread_mutex_unlock(&lane->mu);
    return NULL;
}

vk_err vk_lane_new(const char *name, size_t limit, vk_lane **out_r)
{
    vk_lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        return VK_E_NOMEM;
    lane->limit = limit;
    lane->last = &lane->first;
    snprintf(lane->name, sizeof lane->name, "%s", name);
    pthread_mutex_init(&lane->mu, NULL);
    pthread_cond_init(&lane->work, NULL);
    if (pthread_create(&lane->thread, NULL, lane_main, lane) != 0) {
        pthread_mutex_destroy(&lane->mu);
        pthread_cond_destroy(&lane->work);
        free(lane);
        return VK_E_NOMEM;
    }
    *out_r = lane;
    return VK_OK;
}

void vk_lane_free(vk_lane *lane)
{
    if (!lane)
        return;
    pthread_mutex_lock(&lane->mu);
    lane->ending = true;
    pthread_cond_signal(&lane->work);
    pthread_mutex_unlock(&lane->mu);
    pthread_join(lane->thread, NULL);
    pthread_mutex_destroy(&lane->mu);
    pthread_cond_destroy(&lane->work);
    free(lane);
}

vk_err vk_lane_add(vk_lane *lane, vk_job *j)
{
    vk_err e = VK_OK;
    j->next = NULL;
    pthread_mutex_lock(&lane->mu);
    if (lane->n >= lane->limit || lane->ending) {
        e = VK_E_BUSY;
    } else {
        *lane->last = j;
        lane->last = &j->next;
        lane->n++;
        pthread_cond_signal(&lane->work);
    }
    pthread_mutex_unlock(&lane->mu);
    return e;
}
