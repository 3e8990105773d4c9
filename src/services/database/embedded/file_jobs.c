/* Work on whole files: copies, snapshots, restores, comparisons. Of one build one thing at a time, in order,
 * so that a copy is never taken of a file that is being exchanged; of several builds side by side, so that
 * nobody waits for another one's large database. */
#include "services/database/embedded/db.h"

enum {
    THREADS = 3,
    WAITING_MAX = 48,
    WAITING_BUILD = 8, /* of one build */
};

struct wanted {
    vk_list node;
    vk_job *job;
    char build[VK_BUILD_ID_MAX + 1];
};

static struct worker {
    vk_lane *lane;
    vk_job work;
    struct wanted *now; /* NULL: the thread has nothing to do */
} workers[THREADS];

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static vk_list waiting;

/* Under mu. */
static bool has_a_thread(const char *build)
{
    for (size_t i = 0; i < THREADS; i++)
        if (workers[i].now && strcmp(workers[i].now->build, build) == 0)
            return true;
    return false;
}

/* Under mu: what has waited longest of those that may run, taken out. */
static struct wanted *next(void)
{
    for (vk_list *n = waiting.next; n != &waiting; n = n->next) {
        struct wanted *w = VK_CONTAINER(n, struct wanted, node);
        if (!has_a_thread(w->build)) {
            vk_list_remove(n);
            return w;
        }
    }
    return NULL;
}

static void run(vk_job *work)
{
    struct worker *x = VK_CONTAINER(work, struct worker, work);
    for (struct wanted *w = x->now; w;) {
        w->job->run(w->job);
        pthread_mutex_lock(&mu);
        x->now = NULL;
        free(w);
        w = x->now = next();
        pthread_mutex_unlock(&mu);
    }
}

/* Under mu. */
static bool is_full(const char *build)
{
    size_t all = 0, own = 0;
    for (vk_list *n = waiting.next; n != &waiting; n = n->next) {
        all++;
        own += strcmp(VK_CONTAINER(n, struct wanted, node)->build, build) == 0;
    }
    return all >= WAITING_MAX || own >= WAITING_BUILD;
}

vk_err vk_db_file_job(const char *build, vk_job *j)
{
    struct wanted *w = malloc(sizeof *w);
    if (!w)
        return VK_E_NOMEM;
    w->job = j;
    snprintf(w->build, sizeof w->build, "%s", build);
    vk_err e = VK_OK;
    pthread_mutex_lock(&mu);
    struct worker *x = workers;
    while (x < workers + THREADS && x->now)
        x++;
    if (is_full(build)) {
        e = VK_E_BUSY;
    } else if (x == workers + THREADS || has_a_thread(build)) {
        vk_list_push(&waiting, &w->node);
    } else {
        x->now = w;
        e = vk_lane_add(x->lane, &x->work);
        if (e != VK_OK)
            x->now = NULL;
    }
    pthread_mutex_unlock(&mu);
    if (e != VK_OK)
        free(w);
    return e;
}

vk_err vk_db_file_jobs_start(void)
{
    vk_err e = VK_OK;
    vk_list_init(&waiting);
    for (size_t i = 0; e == VK_OK && i < THREADS; i++) {
        workers[i] = (struct worker){.work.run = run};
        e = vk_lane_new("vk-files", 1, &workers[i].lane);
    }
    return e;
}

void vk_db_file_jobs_stop(void)
{
    for (size_t i = 0; i < THREADS; i++) {
        vk_lane_free(workers[i].lane);
        workers[i].lane = NULL;
    }
}
