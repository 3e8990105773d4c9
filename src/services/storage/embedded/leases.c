#include "services/storage/embedded/leases.h"

#include "core/clock.h"
#include "core/encode.h"
#include "core/random.h"

struct lease {
    vk_list node;
    vk_s3_job job;
    vk_s3_build *b; /* held */
    vk_ob *s;
    char id[VK_S3_LEASE_ID];
    int64_t until_ms;
};

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static vk_list leases = {&leases, &leases};
static size_t n_leases;

vk_ob_err vk_s3_lease_take(vk_s3_build *b, vk_ob *s, char id_r[VK_S3_LEASE_ID])
{
    uint8_t random[16];
    struct lease *l = calloc(1, sizeof *l);
    if (!l)
        return VK_OB_NOMEM;
    l->b = vk_s3b_hold_id(vk_s3b_id(b));
    l->s = s;
    l->until_ms = vk_clock_mono_ms() + VK_S3_LEASE_MS;
    vk_random(random, sizeof random);
    vk_hex(l->id, random, sizeof random);
    memcpy(id_r, l->id, sizeof l->id);
    bool same = l->b == b;
    if (same)
        vk_ob_hold_files(s);
    pthread_mutex_lock(&mu);
    /* Whoever closes the build says so first and looks for its leases then. */
    bool ok = same && !vk_s3b_closing(b) && n_leases < VK_S3_LEASES_MAX;
    if (ok) {
        vk_list_push(&leases, &l->node);
        n_leases++;
    }
    pthread_mutex_unlock(&mu);
    if (ok)
        return VK_OB_OK;
    if (same)
        vk_ob_release_files(s);
    if (l->b)
        vk_s3b_let_go(l->b);
    free(l);
    return VK_OB_BUSY;
}

/* Under mu. */
static struct lease *find(const char *build, vk_str id)
{
    for (vk_list *n = leases.next; n != &leases; n = n->next) {
        struct lease *l = VK_CONTAINER(n, struct lease, node);
        if (vk_str_eqz(id, l->id) && strcmp(vk_s3b_id(l->b), build) == 0)
            return l;
    }
    return NULL;
}

/* Under mu. */
static void take_out(struct lease *l)
{
    vk_list_remove(&l->node);
    n_leases--;
}

static void end(struct lease *l)
{
    vk_ob_release_files(l->s);
    vk_s3b_let_go(l->b);
    free(l);
}

static void end_job(vk_s3_job *j)
{
    end(VK_CONTAINER(j, struct lease, job));
}

bool vk_s3_lease_renew(const char *build, vk_str id)
{
    pthread_mutex_lock(&mu);
    struct lease *l = find(build, id);
    if (l)
        l->until_ms = vk_clock_mono_ms() + VK_S3_LEASE_MS;
    pthread_mutex_unlock(&mu);
    return l != NULL;
}

bool vk_s3_lease_end(const char *build, vk_str id)
{
    pthread_mutex_lock(&mu);
    struct lease *l = find(build, id);
    if (l)
        take_out(l);
    pthread_mutex_unlock(&mu);
    if (l)
        end(l);
    return l != NULL;
}

void vk_s3_leases_end(const char *build)
{
    vk_list over;
    int64_t now = vk_clock_mono_ms();
    vk_list_init(&over);
    pthread_mutex_lock(&mu);
    for (vk_list *n = leases.next, *next; n != &leases; n = next) {
        struct lease *l = VK_CONTAINER(n, struct lease, node);
        next = n->next;
        if (build ? strcmp(vk_s3b_id(l->b), build) != 0 : l->until_ms > now)
            continue;
        take_out(l);
        vk_list_push(&over, &l->node);
    }
    pthread_mutex_unlock(&mu);
    for (vk_list *n; (n = vk_list_shift(&over));) {
        struct lease *l = VK_CONTAINER(n, struct lease, node);
        l->job.run = end_job;
        if (vk_s3b_submit(l->b, &l->job) != VK_OK)
            end(l); /* rather here than not at all */
    }
}

void vk_s3_leases_stop(void)
{
    for (vk_list *n; (n = vk_list_shift(&leases));)
        end(VK_CONTAINER(n, struct lease, node));
    n_leases = 0;
}
